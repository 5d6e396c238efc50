/* SPDX-License-Identifier: PostgreSQL */
/*
 * The property table: one row per option gives its key, type, range, default
 * and documentation. Everything else about options is made from it.
 */
#ifndef TNDB_CONFIG_PROPERTY_H
#define TNDB_CONFIG_PROPERTY_H

#include "config/value.h"

typedef enum tndb_option {
  TNDB_DATABASE_URL,
  TNDB_DATABASE_SCHEMA,
  TNDB_DATABASE_CONNECT_TIMEOUT,
  TNDB_DATABASE_APPLICATION_NAME,
  TNDB_CATALOG_SCHEMA,
  TNDB_EXTENSIONS_SCHEMA,
  TNDB_ISOLATION_LEVEL,
  TNDB_ISOLATION_MINIMUM,
  TNDB_TENANT_SCHEMA_TEMPLATE,
  TNDB_TENANT_ROLE_TEMPLATE,
  TNDB_TENANT_GRACE,
  TNDB_OPERATION_TIMEOUT,
  TNDB_OPERATION_LOCK_TIMEOUT,
  TNDB_OPERATION_LEASE,
  TNDB_SESSION_TIMEOUT,
  TNDB_SESSION_TENANT_CACHE,
  TNDB_SESSION_PREPARED_STATEMENTS,
  TNDB_SESSION_RETRIES,
  TNDB_POOL_SIZE,
  TNDB_POOL_OVERFLOW,
  TNDB_POOL_TIMEOUT,
  TNDB_POOL_PRE_PING,
  TNDB_POOL_PRE_PING_IDLE,
  TNDB_POOL_RECYCLE,
  TNDB_POOL_RECYCLE_TENANTS,
  TNDB_POOL_IDLE_TIMEOUT,
  TNDB_POOL_MINIMUM,
  TNDB_POOL_WARM_UP,
  TNDB_POOL_TENANT_CONNECTIONS,
  TNDB_POOL_BACK_OFF,
  TNDB_ISOLATION_USERS,
  TNDB_LOGIN_PASSWORDS,
  TNDB_LOGIN_POOL_SIZE,
  TNDB_LOGIN_POOL_TOTAL,
  TNDB_LOGIN_IDLE,
  TNDB_DATABASE_POOLER,
  TNDB_STATEMENT_CACHE,
  TNDB_EVENTS_QUEUE,
  TNDB_FLEET_CONNECTIONS,
  TNDB_DIAGNOSE_RELEASES,
  TNDB_DIAGNOSE_IDLE_IN_TRANSACTION,
  TNDB_MIGRATE_NEW_TENANTS,
  TNDB_MIGRATE_LOCK_TIMEOUT,
  TNDB_MIGRATE_LOCK_RETRIES,
  TNDB_TENANT_STANDBY,
  TNDB_N_OPTIONS
} tndb_option;

typedef struct tndb_property {
  tndb_option option;
  const char *key;
  tndb_value_type type;
  const char *initial;
  int64_t minimum; /* of numbers, and of durations in milliseconds */
  int64_t maximum;
  const char *choices; /* separated by "|" */
  const char *description;
} tndb_property;

/* The row of an option, and all of them in the order of tndb_option. */
const tndb_property *tndb_property_of(tndb_option option);
/* The row of a key; NOT found raises UNKNOWN_OPTION with the nearest key. */
const tndb_property *tndb_property_find(const char *key, tenantdb_error **error);

/* Check a value; `number` receives what numbers, durations and flags mean, and a choice's place. */
tenantdb_status tndb_property_parse(const tndb_property *property, const char *value, int64_t *number,
                                    tenantdb_error **error);

#endif

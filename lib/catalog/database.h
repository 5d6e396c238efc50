/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is behind a `tenantdb *`. It is kept alive by its handle and by every
 * session, so that they may be closed in any order.
 */
#ifndef TNDB_CATALOG_DATABASE_H
#define TNDB_CATALOG_DATABASE_H

#include <stdatomic.h>
#include <tenantdb/database.h>
#include <tenantdb/version.h>

#include "base/buffer.h"
#include "base/mutex.h"
#include "catalog/cache.h"
#include "catalog/counters.h"
#include "catalog/strategy.h"
#include "config/config.h"
#include "pg/facts.h"
#include "pool/pool.h"
#include "registry/model.h"

/* What a tenant's role could use to leave its scope; as it was when the database was opened. */
typedef struct tndb_hardening {
  int n_open;
  char *open; /* what, as text */
  char *sql;  /* and the statements that would close it */
} tndb_hardening;

struct tenantdb {
  uint32_t magic;
  atomic_int references;
  tenantdb_config *config;
  tenantdb_registry *registry;
  tndb_pool *pool;
  tndb_pool *logins; /* of tenants' own connections; NULL below level login */
  uint32_t fork;     /* of the process that opened it */
  tndb_facts facts;
  int32_t level;
  atomic_int strategy; /* a TENANTDB_STRATEGY_ number */
  tndb_hardening hardening;
  bool may_use_roles; /* create them, or belongs to the group */
  char *catalog;      /* the catalog's schema, quoted, with its dot: "tenantdb". */
  tndb_counters counters;
  tndb_mutex mutex; /* guards what follows */
  tndb_strategy_note strategy_note;
  bool catalog_ready;
  char group_role[64]; /* whose members the tenants' roles are; "" at level routing */
  tndb_cache tenants;
  tndb_map passwords; /* that the caller named, by role */
  tndb_map refusals;  /* of passwords, by role (catalog/refusals.h) */
  void *forms[2];     /* what tenants should hold (tenant/registry_form.h), and how one is let go of */
  void (*release_form)(void *form);
  struct tndb_newborn *newborn; /* the migrations in use (catalog/newborn.h), or NULL */
};

/* Every public call on a database begins with this: NULL, foreign, freed or closed handles. */
tenantdb_status tndb_database_check(const tenantdb *db, tenantdb_error **error);
/*
 * A statement failed so: when it says that the server has become read only, the
 * connections that are there lead to the wrong one.
 */
void tndb_database_notice_failure(tenantdb *db, const tndb_conn *conn, const tenantdb_error *failure);
tenantdb *tndb_database_hold(tenantdb *db);
void tndb_database_release(tenantdb *db);
const char *tndb_database_shared_schema(const tenantdb *db);
/*
 * The search path for a schema: itself, the extensions' schema if there is one,
 * pg_temp. pg_temp is named, and last: unnamed it would be searched first, and a
 * temporary table could pass for the tenant's.
 */
void tndb_path_append(tndb_buffer *path, const tenantdb *db, const char *schema);

/*
 * Make sure that the catalog is there and of our version, asking the server
 * once. Raises CATALOG_MISSING, CATALOG_OLDER or CATALOG_NEWER.
 */
tenantdb_status tndb_catalog_require(tenantdb *db, tndb_conn *conn, tndb_deadline deadline,
                                     tenantdb_error **error);
/* What the catalog says of itself; version 0 when it is not there. */
typedef struct tndb_catalog_row {
  int64_t version;
  char group_role[64];
  char grants_hash[65];
  bool is_member; /* the connected user belongs to the group role */
} tndb_catalog_row;
tenantdb_status tndb_catalog_read(const tenantdb *db, tndb_conn *conn, tndb_deadline deadline,
                                  tndb_catalog_row *row, tenantdb_error **error);
void tndb_catalog_remember(tenantdb *db, const tndb_catalog_row *row);
/* The group role as a copy, "" when there is none. */
void tndb_database_group_role(tenantdb *db, char name[64]);

/*
 * As tenantdb_open(), but content with a catalog that cannot be read and a level
 * that cannot be had: for who is to find out what is wrong. Such a handle is at
 * level routing when it could not be at its own, and never handed to a caller.
 */
tenantdb_status tndb_database_open_leniently(const tenantdb_config *config, tenantdb **db,
                                             tenantdb_error **error);
/* Settle the level from what was asked for and what the server allows; refuses below the minimum. */
tenantdb_status tndb_isolation_settle(tenantdb *db, const tndb_catalog_row *row, tenantdb_error **error);

#endif

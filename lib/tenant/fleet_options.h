/* SPDX-License-Identifier: PostgreSQL */
/* What was asked of a fleet query, beside its statement. */
#ifndef TNDB_TENANT_FLEET_OPTIONS_H
#define TNDB_TENANT_FLEET_OPTIONS_H

#include <tenantdb/fleet.h>

#include "catalog/database.h"
#include "config/option.h"

/* Who it is about: what options tenants and selector say. */
typedef struct tndb_fleet_who {
  const char *const *names; /* as they were given; belong to the options, as the selector does */
  size_t n_names;
  bool listed;          /* the names are the fleet, even when there are none */
  const char *selector; /* NULL: none */
} tndb_fleet_who;

typedef struct tndb_fleet_settings {
  tndb_fleet_who who;
  int64_t connections;
  int64_t timeout_ms;
  int64_t tenant_timeout_ms;
  bool by_tenant;
  bool stops;
  bool with_slug;
  bool with_id;
  bool read_only;
  bool binary;
} tndb_fleet_settings;

/* With the defaults of the database where nothing was set; `options` may be NULL. */
tenantdb_status tndb_fleet_settings_read(const tenantdb *db, const tenantdb_fleet_options *options,
                                         tndb_fleet_settings *settings, tenantdb_error **error);

/* Of any object with these two; `tenants` and `selector` are their places. */
tndb_fleet_who tndb_fleet_who_of(const tndb_options *options, int tenants, int selector);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/* What was asked of a fleet query, beside its statement. */
#ifndef TNDB_TENANT_FLEET_OPTIONS_H
#define TNDB_TENANT_FLEET_OPTIONS_H

#include <tenantdb/fleet.h>

#include "catalog/database.h"

typedef struct tndb_fleet_settings {
  const char *const *names; /* as they were given; belong to the options, as the selector does */
  size_t n_names;
  bool listed; /* the names are the fleet, even when there are none */
  const char *selector;
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

/* The first mistake that was made, or NULL. */
const tenantdb_error *tndb_fleet_options_mistake(const tenantdb_fleet_options *options);

#endif

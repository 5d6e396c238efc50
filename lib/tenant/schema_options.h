/* SPDX-License-Identifier: PostgreSQL */
/* What was asked of drift and repair. */
#ifndef TNDB_TENANT_SCHEMA_OPTIONS_H
#define TNDB_TENANT_SCHEMA_OPTIONS_H

#include <tenantdb/schema.h>

#include "tenant/fleet_list.h"

typedef struct tndb_schema_settings {
  int64_t shown;
  int64_t batch;
  bool drop;
  bool concurrently;
} tndb_schema_settings;

/* Settings, and the tenants chosen; `options` may be NULL. tndb_fleet_list_free() in both outcomes. */
tenantdb_status tndb_schema_options_read(tenantdb *db, const tenantdb_schema_options *options,
                                         tndb_schema_settings *settings, tndb_fleet_list *list,
                                         tenantdb_error **error);
/* The tenants alone, with the same duty. */
tenantdb_status tndb_schema_list_read(tenantdb *db, const tndb_fleet_who *who, tndb_fleet_list *list,
                                      tenantdb_error **error);

#endif

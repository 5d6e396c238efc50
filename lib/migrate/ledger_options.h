/* SPDX-License-Identifier: PostgreSQL */
/* What was asked of the ledger. */
#ifndef TNDB_MIGRATE_LEDGER_OPTIONS_H
#define TNDB_MIGRATE_LEDGER_OPTIONS_H

#include <tenantdb/ledger.h>

#include "base/result.h"
#include "catalog/text_array.h"
#include "migrate/set.h"
#include "tenant/schema_options.h"

#define TNDB_LEDGER_NEWEST INT64_C(-1) /* as `version` */
#define TNDB_LEDGER_ALL INT64_C(-2)
#define TNDB_LEDGER_UNSAID INT64_C(-3)

typedef struct tndb_ledger_settings {
  const tenantdb_schema_options *tenants; /* who: belongs to the options; NULL for all */
  tndb_stream stream;
  int64_t version; /* or one of the above */
  bool force;
  bool chosen; /* tenants or a selector were given */
} tndb_ledger_settings;

/* How a public call that answers a table begins: its arguments. */
tenantdb_status tndb_ledger_enter(tenantdb *db, tenantdb_result **result, tenantdb_error **error);
/* And how it ends: takes the table, which is the answer unless `status` says that there is none. */
tenantdb_status tndb_ledger_leave(tenantdb_status status, tndb_table *table, tenantdb_result **result,
                                  tenantdb_error **error);

/* `options` may be NULL. */
tenantdb_status tndb_ledger_settings_read(const tenantdb_ledger_options *options,
                                          tndb_ledger_settings *settings, tenantdb_error **error);
/* The tenants that were chosen. tndb_fleet_list_free() in both outcomes. */
tenantdb_status tndb_ledger_list(tenantdb *db, const tndb_ledger_settings *settings, tndb_fleet_list *list,
                                 tenantdb_error **error);
/* Their ids as an array, in their order; `shared`: behind that of the shared stream. NULL when memory ran out. */
const char *tndb_ledger_ids(const tndb_fleet_list *list, bool shared, tndb_text_array *ids);

#endif

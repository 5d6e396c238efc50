/* SPDX-License-Identifier: PostgreSQL */
/* What was asked of the ledger. */
#ifndef TNDB_MIGRATE_LEDGER_OPTIONS_H
#define TNDB_MIGRATE_LEDGER_OPTIONS_H

#include <tenantdb/ledger.h>

#include "catalog/text_array.h"
#include "migrate/set.h"
#include "tenant/schema_options.h"

#define TNDB_LEDGER_NEWEST INT64_C(-1) /* as `version` */
#define TNDB_LEDGER_ALL INT64_C(-2)
#define TNDB_LEDGER_UNSAID INT64_C(-3)

typedef struct tndb_ledger_settings {
  tndb_fleet_who who;
  tndb_stream stream;
  int64_t version; /* or one of the above */
  bool force;
  bool chosen; /* tenants or a selector were given */
} tndb_ledger_settings;

/* `options` may be NULL. */
tenantdb_status tndb_ledger_settings_read(const tenantdb_ledger_options *options,
                                          tndb_ledger_settings *settings, tenantdb_error **error);
/* The tenants that were chosen. tndb_fleet_list_free() in both outcomes. */
tenantdb_status tndb_ledger_list(tenantdb *db, const tndb_ledger_settings *settings, tndb_fleet_list *list,
                                 tenantdb_error **error);
/* Their ids as an array, in their order; `shared`: behind that of the shared stream. NULL when memory ran out. */
const char *tndb_ledger_ids(const tndb_fleet_list *list, bool shared, tndb_text_array *ids);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/* Drift: in what the schemas of a fleet differ from the registry. */
#include "catalog/answer.h"
#include "tenant/drift_group.h"
#include "tenant/drift_sample.h"

typedef struct explanation {
  const tndb_drift_fleet *fleet;
  tndb_drift_groups groups;
} explanation;

static tenantdb_status explain_sample(void *user, const tndb_drift_sample *sample, tenantdb_error **error) {
  explanation *e = user;
  for (size_t d = 0; d < sample->differences.count; d++) {
    for (size_t i = 0; i < sample->count; i++) {
      tndb_drift_groups_add(&e->groups, &sample->differences.items[d],
                            tndb_fleet_list_slug(&e->fleet->list, sample->tenants[i]),
                            e->fleet->settings.shown);
    }
  }
  return e->groups.failed ? tndb_no_memory(error) : TENANTDB_OK;
}

static void add_lost(explanation *e) {
  static const tndb_difference lost = {TNDB_DRIFT_MISSING,    "schema", "", "schema",
                                       "the tenant's schema", NULL};
  for (size_t i = 0; i < e->fleet->list.count; i++) {
    if (!e->fleet->prints[i][0]) {
      tndb_drift_groups_add(&e->groups, &lost, tndb_fleet_list_slug(&e->fleet->list, i),
                            e->fleet->settings.shown);
    }
  }
}

static tenantdb_status explain(tenantdb *db, const tndb_drift_fleet *fleet, tndb_table *table,
                               tenantdb_error **error) {
  explanation e = {fleet, {.items = NULL}};
  add_lost(&e);
  tenantdb_status status = tndb_drift_samples_visit(db, fleet, explain_sample, &e, error);
  if (!status) {
    status = tndb_drift_groups_write(&e.groups, table, error);
  }
  tndb_drift_groups_free(&e.groups);
  return status;
}

tenantdb_status tenantdb_drift(tenantdb *db, const tenantdb_schema_options *options, tenantdb_result **result,
                               tenantdb_error **error) {
  static const char *const columns[] = {"kind",  "level",   "object", "expected",
                                        "found", "tenants", "which",  "more"};
  tenantdb_status status = tndb_answer_begin(db, result, error);
  if (status) {
    return status;
  }
  tndb_drift_fleet fleet;
  tndb_table *table = tndb_table_new(columns, 8);
  status = tndb_drift_fleet_read(db, options, &fleet, error);
  if (!status) {
    status = explain(db, &fleet, table, error);
  }
  tndb_drift_fleet_free(&fleet);
  return tndb_answer_end(status, table, result, error);
}

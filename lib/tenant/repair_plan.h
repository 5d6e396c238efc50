/* SPDX-License-Identifier: PostgreSQL */
/* A plan for one tenant: its statements with his names in them, and what became of them. */
#ifndef TNDB_TENANT_REPAIR_PLAN_H
#define TNDB_TENANT_REPAIR_PLAN_H

#include "base/result.h"
#include "schema/plan.h"
#include "tenant/drift_fleet.h"

/* The names that stand in a tenant's statements in place of marks. */
typedef struct tndb_repair_names {
  const char *slug;
  const char *schema;
  const char *role;
  const char *owner;
  char group[64];
} tndb_repair_names;

/* The plan that makes `found` what is wanted. tndb_plan_free() in both outcomes. */
tenantdb_status tndb_repair_plan(tenantdb *db, const tndb_schema_settings *settings,
                                 const tndb_registry_form *wanted, const tndb_form *found,
                                 const tndb_differences *differences, tndb_plan *plan,
                                 tenantdb_error **error);
/* A step's statement for the tenant; NULL when memory ran out. */
char *tndb_repair_statement(const tenantdb *db, const tndb_repair_names *names, const char *sql);
/* What comes before the first step of a transaction. */
char *tndb_repair_preamble(const tenantdb *db, const char *schema);
/* Whether there is anything to do inside the transaction, and outside of it. */
bool tndb_repair_has(const tndb_plan *plan, bool outside);
/* Adds a row for the preamble and each step; `outcomes` has one for each step, the preamble shares the first's. */
tenantdb_status tndb_repair_rows(const tenantdb *db, const tndb_repair_names *names, const tndb_plan *plan,
                                 const char *const *outcomes, tndb_table *table, tenantdb_error **error);

#endif

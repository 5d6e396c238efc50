/* SPDX-License-Identifier: PostgreSQL */
/*
 * Repair: the statements that end drift, shown or run.
 *
 * A plan that is run is made anew in the tenant's own transaction, under his
 * lock, from what is there at that moment; so it does not matter what was shown
 * before, nor who else repairs. Before COMMIT the schema is read once more: when
 * a plan made from that would still have something to do, all is rolled back.
 */
#include <string.h>

#include "base/memory.h"
#include "catalog/answer.h"
#include "catalog/newborn.h"
#include "tenant/drift_sample.h"
#include "tenant/repair_apply.h"
#include "tenant/repair_plan.h"

/* ---------------------------------------------------------------- the plan alone */

/* Who is, or should be, the owner of each schema. */
static const char owners_sql[] =
    "SELECT pg_get_userbyid(CASE WHEN has_table_privilege(n.nspowner, $2::text, 'INSERT') THEN n.nspowner "
    "ELSE"
    " (SELECT u.oid FROM pg_roles u WHERE u.rolname = current_user) END) FROM unnest($1::text[]) WITH "
    "ORDINALITY"
    " w(name, ord) LEFT JOIN pg_namespace n ON n.nspname = w.name ORDER BY w.ord";

typedef struct planning {
  tenantdb *db;
  const tndb_drift_fleet *fleet;
  tndb_table *table;
} planning;

static tenantdb_status read_owners(const planning *p, const tndb_drift_sample *sample, PGresult **owners,
                                   tenantdb_error **error) {
  tndb_auto_text_array schemas = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_buffer tenants = TNDB_BUFFER_INIT;
  tndb_work work;
  for (size_t i = 0; i < sample->count; i++) {
    tndb_text_array_add(&schemas, tndb_fleet_list_schema(&p->fleet->list, sample->tenants[i]));
  }
  tndb_buffer_format(&tenants, "%stenants", p->db->catalog);
  const char *values[] = {tndb_text_array_finish(&schemas), tndb_buffer_text(&tenants)};
  *owners = NULL;
  if (!values[0] || tenants.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_form_start(&work, p->db, error);
  if (!status) {
    status = tndb_work_query(&work, owners_sql, 2, values, owners, error);
  }
  tndb_work_end(&work);
  return status;
}

/*
 * While migrations are in use, what is declared is their newest version. A tenant of another one is
 * theirs: the ledger would not know what a repair has done, and they would do it again.
 */
static bool is_migrations(tenantdb *db, const tndb_drift_fleet *fleet, size_t tenant) {
  const tndb_newborn *newborn = tndb_newborn_of(db);
  return newborn && tndb_fleet_list_version(&fleet->list, tenant) != newborn->version;
}

static tenantdb_status plan_sample(void *user, const tndb_drift_sample *sample, tenantdb_error **error) {
  planning *p = user;
  const tndb_fleet_list *list = &p->fleet->list;
  tndb_plan plan;
  PGresult *owners = NULL;
  tenantdb_status status = tndb_repair_plan(p->db, &p->fleet->settings, sample->wanted, &sample->found,
                                            &sample->differences, &plan, error);
  if (!status) {
    status = read_owners(p, sample, &owners, error);
  }
  for (size_t i = 0; i < sample->count && !status; i++) {
    size_t tenant = sample->tenants[i];
    if (is_migrations(p->db, p->fleet, tenant)) {
      continue;
    }
    tndb_repair_names names = {tndb_fleet_list_slug(list, tenant), tndb_fleet_list_schema(list, tenant),
                               tndb_fleet_list_role(list, tenant), PQgetvalue(owners, (int)i, 0), ""};
    tndb_database_group_role(p->db, names.group);
    status = tndb_repair_rows(p->db, &names, &plan, NULL, p->table, error);
  }
  PQclear(owners);
  tndb_plan_free(&plan);
  return status;
}

/* ---------------------------------------------------------------- all of it */

static void add_left(tndb_table *table, const char *slug, const char *why) {
  tndb_auto_buffer outcome = TNDB_BUFFER_INIT;
  tndb_buffer_append(&outcome, "left: ");
  tndb_buffer_append(&outcome, why);
  const char *cells[] = {slug, "1", NULL, NULL, NULL, tndb_buffer_text(&outcome)};
  tndb_table_row(table, cells);
}

static void add_behind(tenantdb *db, const tndb_drift_fleet *fleet, tndb_table *table) {
  for (size_t i = 0; i < fleet->list.count; i++) {
    if (fleet->prints[i][0] && is_migrations(db, fleet, i) && !tndb_drift_fleet_is_equal(fleet, db, i)) {
      tndb_auto_buffer why = TNDB_BUFFER_INIT;
      tndb_buffer_format(
          &why, "of version %lld, and what is declared is version %lld: tenantdb_migrate() leads there",
          (long long)tndb_fleet_list_version(&fleet->list, i), (long long)tndb_newborn_of(db)->version);
      add_left(table, tndb_fleet_list_slug(&fleet->list, i), tndb_buffer_text(&why));
    }
  }
}

static void add_lost(const tndb_drift_fleet *fleet, tndb_table *table) {
  for (size_t i = 0; i < fleet->list.count; i++) {
    if (!fleet->prints[i][0]) {
      add_left(table, tndb_fleet_list_slug(&fleet->list, i),
               "the tenant's schema is gone: restore it from a backup, or purge the tenant");
    }
  }
}

static tenantdb_status apply_all(tenantdb *db, const tndb_drift_fleet *fleet, tndb_table *table,
                                 tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; i < fleet->list.count && !status; i++) {
    if (fleet->prints[i][0] && !tndb_drift_fleet_is_equal(fleet, db, i) && !is_migrations(db, fleet, i)) {
      status = tndb_repair_apply(db, fleet, i, table, error);
    }
  }
  return status;
}

static tenantdb_status repair(tenantdb *db, const tenantdb_schema_options *options, bool apply,
                              tndb_table *table, tenantdb_error **error) {
  tndb_drift_fleet fleet;
  planning p = {db, &fleet, table};
  tenantdb_status status = tndb_drift_fleet_read(db, options, &fleet, error);
  if (!status) {
    add_lost(&fleet, table);
    add_behind(db, &fleet, table);
    status = apply ? apply_all(db, &fleet, table, error)
                   : tndb_drift_samples_visit(db, &fleet, plan_sample, &p, error);
  }
  tndb_drift_fleet_free(&fleet);
  return status;
}

tenantdb_status tenantdb_repair(tenantdb *db, const tenantdb_schema_options *options, int32_t apply,
                                tenantdb_result **result, tenantdb_error **error) {
  static const char *const columns[] = {"tenant", "step", "sql", "lock", "transaction", "outcome"};
  tenantdb_status status = tndb_answer_begin(db, result, error);
  if (!status && apply != 0 && apply != 1) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                         "apply is %d, neither 0 nor 1", (int)apply);
  }
  if (status) {
    return status;
  }
  tndb_table *table = tndb_table_new(columns, 6);
  status = repair(db, options, apply == 1, table, error);
  return tndb_answer_end(status, table, result, error);
}

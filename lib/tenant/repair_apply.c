/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/repair_apply.h"

#include <string.h>

#include "base/memory.h"
#include "catalog/tenants.h"
#include "config/property.h"
#include "tenant/reconcile.h"
#include "tenant/repair_plan.h"
#include "tenant/transition.h"

static const char owner_sql[] =
    "SELECT pg_get_userbyid(CASE WHEN has_table_privilege(n.nspowner, $2::text, 'INSERT') THEN n.nspowner "
    "ELSE"
    " (SELECT u.oid FROM pg_roles u WHERE u.rolname = current_user) END) FROM pg_namespace n WHERE n.nspname "
    "= $1";

/* One tenant under repair. */
typedef struct repair {
  tenantdb *db;
  const tndb_drift_fleet *fleet;
  const tndb_registry_form *wanted;
  tndb_work work;
  tenantdb_tenant *tenant;
  PGresult *rows; /* what he has */
  PGresult *owner;
  tndb_form found;
  tndb_differences differences;
  tndb_plan plan;
  tndb_repair_names names;
  size_t *places;  /* of the steps, in the exchange */
  char **outcomes; /* of the steps */
} repair;

static void repair_free(repair *r) {
  for (size_t i = 0; r->outcomes && i < r->plan.count; i++) {
    tndb_free(r->outcomes[i]);
  }
  tndb_free(r->outcomes);
  tndb_free(r->places);
  tndb_plan_free(&r->plan);
  tndb_differences_free(&r->differences);
  PQclear(r->rows);
  PQclear(r->owner);
  tenantdb_tenant_free(r->tenant);
  tndb_work_end(&r->work);
}

/* ---------------------------------------------------------------- what is to be done */

static tenantdb_status read_form(repair *r, PGresult **rows, tndb_form *form, tenantdb_error **error) {
  tndb_form_targets targets = TNDB_FORM_TARGETS_INIT;
  tndb_form_targets_add(&targets, r->tenant->schema, r->tenant->role,
                        tndb_tenant_state_name(r->tenant->state));
  tenantdb_status status = tndb_form_rows(&r->work, &targets, &r->wanted->expected, rows, error);
  if (!status) {
    *form = tndb_form_of(*rows, 1);
  }
  tndb_form_targets_free(&targets);
  return status;
}

static tenantdb_status read_names(repair *r, tenantdb_error **error) {
  tndb_auto_buffer tenants = TNDB_BUFFER_INIT;
  tndb_buffer_format(&tenants, "%stenants", r->db->catalog);
  const char *values[] = {r->tenant->schema, tndb_buffer_text(&tenants)};
  tenantdb_status status = tenants.failed ? tndb_no_memory(error)
                                          : tndb_work_query(&r->work, owner_sql, 2, values, &r->owner, error);
  if (!status && PQntuples(r->owner) != 1) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_MISSING_SCHEMA_NAME,
                         "the schema of tenant %s is gone", r->tenant->slug);
  }
  if (!status) {
    r->names = (tndb_repair_names){r->tenant->slug, r->tenant->schema, r->tenant->role,
                                   PQgetvalue(r->owner, 0, 0), ""};
    tndb_database_group_role(r->db, r->names.group);
  }
  return status;
}

static tenantdb_status prepare(repair *r, const char *id, tenantdb_error **error) {
  uint32_t states = TNDB_STATE_BIT(TENANTDB_TENANT_ACTIVE) | TNDB_STATE_BIT(TENANTDB_TENANT_SUSPENDED) |
                    TNDB_STATE_BIT(TENANTDB_TENANT_ARCHIVED);
  tenantdb_status status = tndb_change_start(&r->work, r->db, id, &r->tenant, error);
  if (!status) {
    status = tndb_change_require(r->tenant, states, "repair", error);
  }
  if (!status) {
    status = read_names(r, error);
  }
  if (!status) {
    status = read_form(r, &r->rows, &r->found, error);
  }
  if (!status) {
    status = tndb_differences_find(&r->wanted->form, &r->found, &r->differences, error);
  }
  if (!status) {
    status =
        tndb_repair_plan(r->db, &r->fleet->settings, r->wanted, &r->found, &r->differences, &r->plan, error);
  }
  if (!status) {
    r->places = tndb_alloc_array(r->plan.count, sizeof *r->places);
    r->outcomes = tndb_alloc_array(r->plan.count, sizeof *r->outcomes);
    status = r->places && r->outcomes ? TENANTDB_OK : tndb_no_memory(error);
  }
  return status;
}

static bool lacks_role(const repair *r) {
  for (size_t i = 0; i < r->differences.count; i++) {
    if (strcmp(r->differences.items[i].what, "role") == 0 && !r->differences.items[i].found) {
      return r->db->level >= TENANTDB_ISOLATION_ROLE;
    }
  }
  return false;
}

/* ---------------------------------------------------------------- outcomes */

static bool set_outcome(repair *r, size_t step, const char *text) {
  tndb_free(r->outcomes[step]);
  r->outcomes[step] = tndb_strdup(text);
  return r->outcomes[step] != NULL;
}

static bool is_inside(const tndb_plan_step *step) {
  return step->phase != TNDB_PHASE_LEFT && step->phase != TNDB_PHASE_OUTSIDE;
}

/* After a success, or a failure at step `failed`, or behind the last (the number of steps). */
static bool set_outcomes(repair *r, bool done, size_t failed, const char *message) {
  bool kept = true;
  for (size_t i = 0; i < r->plan.count && kept; i++) {
    bool inside = is_inside(&r->plan.steps[i]);
    if (r->plan.steps[i].phase == TNDB_PHASE_LEFT) {
      continue;
    }
    if (i == failed) {
      tndb_auto_buffer text = TNDB_BUFFER_INIT;
      tndb_buffer_format(&text, "failed: %s", message);
      kept = !text.failed && set_outcome(r, i, tndb_buffer_text(&text));
    } else {
      kept = set_outcome(r, i, inside && done ? "done" : inside && i < failed ? "rolled back" : "not run");
    }
  }
  return kept;
}

/* ---------------------------------------------------------------- the transaction */

static tenantdb_status send_steps(repair *r, tenantdb_error **error) {
  tndb_auto_free char *preamble = tndb_repair_preamble(r->db, r->tenant->schema);
  if (!preamble) {
    return tndb_no_memory(error);
  }
  (void)tndb_work_send(&r->work, preamble, 0, NULL);
  (void)tndb_work_send(&r->work, "SET LOCAL check_function_bodies TO off", 0, NULL);
  for (size_t i = 0; i < r->plan.count; i++) {
    r->places[i] = TNDB_NONE;
    if (is_inside(&r->plan.steps[i])) {
      tndb_auto_free char *sql = tndb_repair_statement(r->db, &r->names, r->plan.steps[i].sql);
      if (!sql) {
        return tndb_no_memory(error);
      }
      r->places[i] = tndb_work_send(&r->work, sql, 0, NULL);
    }
  }
  return tndb_work_sync(&r->work, error);
}

/* Which step was it? The number of steps when it was none. */
static size_t failed_step(const repair *r) {
  size_t place = r->work.conn ? tndb_exchange_failed(r->work.conn) : TNDB_NONE;
  for (size_t i = 0; place != TNDB_NONE && i < r->plan.count; i++) {
    if (r->places[i] == place) {
      return i;
    }
  }
  return r->plan.count;
}

/* Would there still be something to do? */
static tenantdb_status prove(repair *r, tenantdb_error **error) {
  PGresult *rows = NULL;
  tndb_form form;
  tndb_differences rest = {NULL, 0, 0};
  tndb_plan plan = {.steps = NULL};
  tenantdb_status status = read_form(r, &rows, &form, error);
  if (!status) {
    status = tndb_differences_find(&r->wanted->form, &form, &rest, error);
  }
  if (!status) {
    status = tndb_repair_plan(r->db, &r->fleet->settings, r->wanted, &form, &rest, &plan, error);
  }
  if (!status && tndb_repair_has(&plan, false)) {
    tndb_auto_buffer name = TNDB_BUFFER_INIT;
    for (size_t i = 0; i < plan.count && !name.length; i++) {
      if (is_inside(&plan.steps[i])) {
        tndb_auto_free char *sql = tndb_repair_statement(r->db, &r->names, plan.steps[i].sql);
        tndb_buffer_append(&name, sql ? sql : "");
      }
    }
    status = tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_VERIFICATION_FAILED,
                         "schema %s would still not be what the registry declares (%s would have to follow); "
                         "nothing was kept",
                         r->tenant->schema, tndb_buffer_text(&name));
  }
  tndb_plan_free(&plan);
  tndb_differences_free(&rest);
  PQclear(rows);
  return status;
}

static tenantdb_status run_inside(repair *r, size_t *failed, tenantdb_error **error) {
  *failed = r->plan.count;
  tenantdb_status status = send_steps(r, error);
  if (status) {
    *failed = failed_step(r);
    return status;
  }
  status = prove(r, error);
  if (!status) {
    tndb_auto_buffer detail = TNDB_BUFFER_INIT;
    tndb_buffer_format(&detail, "{\"steps\": %zu}", r->plan.count);
    tndb_work_fail_if(&r->work, detail.failed);
    const char *state = tndb_tenant_state_name(r->tenant->state);
    tndb_record what = {r->tenant->id, "repair", state, state, NULL, NULL, tndb_buffer_text(&detail)};
    tndb_work_record(&r->work, &what);
    status = tndb_work_commit(&r->work, error);
    tndb_tenants_forget(r->db);
  }
  return status;
}

/* Each by itself: they may not be in a transaction. The first that fails ends it. */
static tenantdb_status run_outside(repair *r, tenantdb_error **error) {
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(r->db->config, TNDB_OPERATION_TIMEOUT));
  tndb_conn *conn = NULL;
  tenantdb_status status = tndb_pool_lease(r->db->pool, deadline, &conn, error);
  for (size_t i = 0; i < r->plan.count && !status; i++) {
    if (r->plan.steps[i].phase != TNDB_PHASE_OUTSIDE) {
      continue;
    }
    tenantdb_error *own = NULL;
    PGresult *done = NULL;
    tndb_auto_free char *sql = tndb_repair_statement(r->db, &r->names, r->plan.steps[i].sql);
    status = sql ? tndb_exchange_single(conn, sql, NULL, deadline, &done, &own) : tndb_no_memory(&own);
    PQclear(done);
    tndb_auto_buffer text = TNDB_BUFFER_INIT;
    tndb_buffer_format(&text, status ? "failed: %s" : "done", status ? tenantdb_error_message(own) : "");
    if (text.failed || !set_outcome(r, i, tndb_buffer_text(&text))) {
      status = TENANTDB_MEMORY;
    }
    if (status) {
      (void)tndb_error_pass(error, own);
    } else {
      tenantdb_error_free(own);
    }
  }
  tndb_pool_release(conn);
  return status;
}

/* ---------------------------------------------------------------- one tenant */

static void add_note(tndb_table *table, const char *slug, const char *outcome, const char *message) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_append(&text, outcome);
  tndb_buffer_append(&text, message);
  const char *cells[] = {slug, "0", NULL, NULL, NULL, tndb_buffer_text(&text)};
  tndb_table_row(table, cells);
}

/* One failure does not stop the others; without a server, or memory, there is no going on. */
static bool is_hopeless(tenantdb_status status) {
  return status == TENANTDB_CONNECTION || status == TENANTDB_MEMORY;
}

static tenantdb_status run(repair *r, tndb_table *table, tenantdb_error **error) {
  size_t failed = r->plan.count;
  tenantdb_error *own = NULL;
  tenantdb_status status = TENANTDB_OK;
  if (tndb_repair_has(&r->plan, false)) {
    status = run_inside(r, &failed, &own);
  }
  bool kept = set_outcomes(r, !status, failed, status ? tenantdb_error_message(own) : "");
  tndb_work_end(&r->work);
  if (kept && !status && tndb_repair_has(&r->plan, true)) {
    status = run_outside(r, &own);
    failed = 0; /* its row says it */
  }
  if (!kept || is_hopeless(status)) {
    return kept ? tndb_error_pass(error, own) : (tenantdb_error_free(own), tndb_no_memory(error));
  }
  if (status && failed == r->plan.count) {
    add_note(table, r->tenant->slug, "failed: ", tenantdb_error_message(own));
  }
  tenantdb_error_free(own);
  return tndb_repair_rows(r->db, &r->names, &r->plan, (const char *const *)r->outcomes, table, error);
}

/* Prepares, and when the tenant has no role gives him one first. */
static tenantdb_status prepare_with_role(repair *r, const char *id, tndb_table *table,
                                         tenantdb_error **error) {
  tenantdb_status status = prepare(r, id, error);
  if (status || !lacks_role(r)) {
    return status;
  }
  repair again = {.db = r->db, .fleet = r->fleet, .wanted = r->wanted};
  tndb_auto_free char *slug = tndb_strdup(r->tenant->slug);
  repair_free(r);
  *r = again;
  status = slug ? tndb_reconcile_give_role(r->db, id, error) : tndb_no_memory(error);
  if (!status) {
    add_note(table, slug, "done: gave the tenant a role", "");
    status = prepare(r, id, error);
  }
  return status;
}

tenantdb_status tndb_repair_apply(tenantdb *db, const tndb_drift_fleet *fleet, size_t tenant,
                                  tndb_table *table, tenantdb_error **error) {
  repair r = {.db = db, .fleet = fleet, .wanted = tndb_drift_fleet_form(fleet, db, tenant)};
  tenantdb_error *own = NULL;
  tenantdb_status status = prepare_with_role(&r, tndb_fleet_list_id(&fleet->list, tenant), table, &own);
  if (status && is_hopeless(status)) {
    (void)tndb_error_pass(error, own);
  } else if (status) {
    add_note(table, tndb_fleet_list_slug(&fleet->list, tenant), "failed: ", tenantdb_error_message(own));
    tenantdb_error_free(own);
    status = TENANTDB_OK;
  } else {
    status = run(&r, table, error);
  }
  repair_free(&r);
  return status;
}

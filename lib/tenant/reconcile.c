/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reconcile: finish or undo what was interrupted.
 *
 * Creation is one transaction and leaves nothing half done; what can be
 * interrupted is a purge. Besides, tenants get the role they lack, views over
 * tenants who they lack, and what cannot be mended is reported.
 */
#include "tenant/reconcile.h"

#include <string.h>

#include "base/buffer.h"
#include "base/result.h"
#include "catalog/tenants.h"
#include "catalog/work.h"
#include "tenant/access.h"
#include "tenant/move.h"
#include "tenant/naming.h"
#include "tenant/password.h"
#include "tenant/purge.h"
#include "tenant/relocate.h"
#include "tenant/transition.h"
#include "tenant/view.h"

static const char interrupted_sql[] =
    "SELECT o.tenant_id, t.slug FROM %soperations o JOIN %stenants t ON t.id = o.tenant_id"
    " WHERE o.state = 'running' AND o.kind = 'purge' AND o.lease_until < now() ORDER BY o.started_at, o.id";
static const char roleless_sql[] =
    "SELECT t.id, t.slug FROM %stenants t WHERE t.state IN ('active', 'suspended', 'archived') AND"
    " (t.role_name IS NULL OR NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = t.role_name))"
    " AND EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = t.schema_name) ORDER BY "
    "t.created_at, t.id";
/* $1 the choice of login.passwords, $2 how paths go on behind the tenant's schema. */
static const char loginless_sql[] =
    "SELECT t.id, t.slug FROM %stenants t JOIN pg_catalog.pg_roles r ON r.rolname = t.role_name WHERE"
    " t.state = 'active' AND (NOT r.rolcanlogin OR $1::text = 'functions' AND t.credential IS NULL OR NOT "
    "EXISTS"
    " (SELECT FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase"
    " WHERE s.setrole = r.oid AND d.datname = pg_catalog.current_database() AND 'search_path=\"' ||"
    " pg_catalog.replace(t.schema_name, '\"', '\"\"') || '\"' || $2::text = ANY (s.setconfig)))"
    " ORDER BY t.created_at, t.id";
static const char schemaless_sql[] =
    "SELECT t.id, t.slug FROM %stenants t WHERE t.state IN ('active', 'suspended', 'archived') AND NOT EXISTS"
    " (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = t.schema_name) ORDER BY t.created_at, t.id";

/* What only the application can go on with, since it has the migrations. */
static const char migrations_sql[] =
    "SELECT g.tenant_id, t.slug, 'migration ' || CASE g.name WHEN '' THEN g.version::text ELSE g.name END || "
    "' stopped behind ' || g.steps_done || ' of ' || abs(g.steps) || ' statements: tenantdb_migrate() goes "
    "on'"
    " FROM %smigrations g LEFT JOIN %stenants t ON t.id = g.tenant_id WHERE g.state = 'running'"
    " AND g.lease_until < now() ORDER BY t.slug, g.version";
static const char runs_sql[] =
    "SELECT r.id, NULL, 'run ' || r.id || ' has tenants left and nobody works on it: tenantdb_run_open() and "
    "tenantdb_run_work() go on' FROM %sruns r WHERE r.state = 'running' AND r.updated_at < now() - interval "
    "'5 minutes' AND NOT EXISTS (SELECT FROM %srun_members w WHERE w.run_id = r.id AND w.state = 'running'"
    " AND w.lease_until >= now()) ORDER BY r.started_at";

/* Run one of the queries above, of which the first names the catalog twice. */
static tenantdb_status find(tenantdb *db, const char *pattern, const char *const values[2], PGresult **rows,
                            tenantdb_error **error) {
  tndb_values with = {.count = values ? 2 : 0, .values = values};
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  for (const char *at = pattern; *at;) {
    size_t length = strcspn(at, "%");
    tndb_buffer_append_n(&sql, at, length);
    at += length;
    if (*at) {
      tndb_buffer_append(&sql, db->catalog);
      at += 2;
    }
  }
  *rows = NULL;
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  tndb_conn *conn;
  tenantdb_status status = tndb_pool_lease(db->pool, deadline, &conn, error);
  if (!status) {
    status = tndb_catalog_require(db, conn, deadline, error);
  }
  if (!status) {
    status = tndb_exchange_single(conn, tndb_buffer_text(&sql), &with, deadline, rows, error);
  }
  tndb_pool_release(conn);
  return status;
}

static void add(tndb_table *table, const char *tenant, const char *operation, const char *action,
                const char *outcome) {
  const char *cells[] = {tenant, operation, action, outcome};
  tndb_table_row(table, cells);
}

/* One tenant that fails does not keep the others from being mended; without a server nothing goes on. */
static tenantdb_status note(tndb_table *table, const char *slug, const char *operation, const char *action,
                            tenantdb_status status, tenantdb_error *own, tenantdb_error **error) {
  if (status == TENANTDB_CONNECTION || status == TENANTDB_MEMORY) {
    return tndb_error_pass(error, own);
  }
  add(table, slug, operation, action, status ? tenantdb_error_message(own) : "done");
  tenantdb_error_free(own);
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- a role for who has none */

tenantdb_status tndb_reconcile_give_role(tenantdb *db, const char *id, tenantdb_error **error) {
  tndb_work work;
  tndb_names_of_tenant names;
  tenantdb_tenant *tenant = NULL;
  tenantdb_status status = tndb_change_start(&work, db, id, &tenant, error);
  if (!status && !tenant->role[0]) {
    status = tndb_naming_make(db, tenant->slug, tenant->id, &names, error);
  }
  if (!status) {
    const char *role = tenant->role[0] ? tenant->role : names.role;
    tndb_record what = {tenant->id,
                        "give role",
                        tndb_tenant_state_name(tenant->state),
                        tndb_tenant_state_name(tenant->state),
                        NULL,
                        NULL,
                        NULL};
    size_t place = tndb_change_update(&work, tenant, "role_name = $3", role);
    tndb_work_record(&work, &what);
    (void)tndb_access_create_role(&work, role, NULL);
    tndb_access_grant(&work, tenant->schema, role);
    if (tenant->state != TENANTDB_TENANT_ACTIVE) {
      tndb_access_close(&work, tenant->schema, role);
    } else {
      (void)tndb_access_join(&work, role);
    }
    status = tndb_change_commit(&work, tenant, place, NULL, NULL, error);
  }
  tndb_work_end(&work);
  tenantdb_tenant_free(tenant);
  return status;
}

/* ---------------------------------------------------------------- all of it */

static tenantdb_status resume_purges(tenantdb *db, tndb_table *table, tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status = find(db, interrupted_sql, NULL, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    tenantdb_error *own = NULL;
    tenantdb_status done = tndb_purge_resume(db, PQgetvalue(rows, i, 0), &own);
    status = note(table, PQgetvalue(rows, i, 1), "purge", "resume", done, own, error);
  }
  PQclear(rows);
  return status;
}

static tenantdb_status give_roles(tenantdb *db, tndb_table *table, tenantdb_error **error) {
  PGresult *rows;
  if (db->level < TENANTDB_ISOLATION_ROLE) {
    return TENANTDB_OK;
  }
  tenantdb_status status = find(db, roleless_sql, NULL, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    tenantdb_error *own = NULL;
    tenantdb_status done = tndb_reconcile_give_role(db, PQgetvalue(rows, i, 0), &own);
    status = note(table, PQgetvalue(rows, i, 1), NULL, "give role", done, own, error);
  }
  PQclear(rows);
  return status;
}

static tenantdb_status give_logins(tenantdb *db, tndb_table *table, tenantdb_error **error) {
  if (db->level < TENANTDB_ISOLATION_LOGIN) {
    return TENANTDB_OK;
  }
  tndb_auto_buffer path = TNDB_BUFFER_INIT;
  tndb_path_append(&path, db, "");
  if (path.failed) {
    return tndb_no_memory(error);
  }
  PGresult *rows;
  const char *values[] = {tndb_config_text(db->config, TNDB_LOGIN_PASSWORDS),
                          tndb_buffer_text(&path) + 2}; /* behind the quotes of no schema at all */
  tenantdb_status status = find(db, loginless_sql, values, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    tenantdb_error *own = NULL;
    tenantdb_status done = tndb_password_give(db, PQgetvalue(rows, i, 0), "give login", NULL, &own);
    status = note(table, PQgetvalue(rows, i, 1), NULL, "give login", done, own, error);
  }
  PQclear(rows);
  return status;
}

/* Views that could not follow their tenants at once. */
static tenantdb_status settle_views(tenantdb *db, tndb_table *table, tenantdb_error **error) {
  PGresult *names;
  tenantdb_status status = tndb_views_stale(db, &names, error);
  for (int i = 0; !status && i < PQntuples(names); i++) {
    tenantdb_error *own = NULL;
    tenantdb_status done = tndb_view_settle(db, PQgetvalue(names, i, 0), &own);
    status = note(table, NULL, PQgetvalue(names, i, 0), "settle view", done, own, error);
  }
  PQclear(names);
  return status;
}

/* What only the application can go on with, who knows when its old version is gone. */
static tenantdb_status report_relocations(tenantdb *db, tndb_table *table, tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status = find(db, tndb_relocate_unfinished_sql, NULL, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    add(table, NULL, "relocate", "report", PQgetvalue(rows, i, 0));
  }
  PQclear(rows);
  return status;
}

/* `other`: what he is called at the place that he comes from; NULL where he goes there. */
static tenantdb_status add_move(tndb_table *table, const char *slug, const char *other, const char *place,
                                const char *state, tenantdb_error **error) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_append(&text, other ? "interrupted on the way from " : "interrupted on the way to ");
  tndb_buffer_append(&text, place);
  if (other) {
    tndb_buffer_append(&text, ", where he is ");
    tndb_buffer_append(&text, other);
  }
  tndb_buffer_append(&text, strcmp(state, "switched") == 0
                                ? ": tenantdb_tenant_move() finishes it"
                                : ": tenantdb_tenant_move() goes on, tenantdb_tenant_move_undo() gives "
                                  "it up");
  add(table, slug, "move", "report", tndb_buffer_text(&text));
  return text.failed ? tndb_no_memory(error) : TENANTDB_OK;
}

/* A pause that somebody left behind ends; whether to go on or to give up only the application knows. */
static tenantdb_status report_moves(tenantdb *db, tndb_table *table, tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status = find(db, tndb_move_unfinished_sql, NULL, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    const char *slug = PQgetvalue(rows, i, 1);
    bool switched = strcmp(PQgetvalue(rows, i, 3), "switched") == 0;
    if (!switched && PQgetvalue(rows, i, 4)[0] == 't') {
      tenantdb_error *own = NULL;
      tenantdb_status done = tndb_move_reopen(db, PQgetvalue(rows, i, 0), &own);
      status = note(table, slug, "move", "let writes go on", done, own, error);
    }
    if (!status) {
      status = add_move(table, slug, NULL, PQgetvalue(rows, i, 2), PQgetvalue(rows, i, 3), error);
    }
  }
  PQclear(rows);
  return status;
}

/* Writes pause at the source, which is not ours to open; so here there is only something to tell. */
static tenantdb_status report_incoming(tenantdb *db, tndb_table *table, tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status = find(db, tndb_move_incoming_sql, NULL, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    status = add_move(table, PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 2), PQgetvalue(rows, i, 1),
                      PQgetvalue(rows, i, 3), error);
  }
  PQclear(rows);
  return status;
}

static tenantdb_status report_migrations(tenantdb *db, tndb_table *table, tenantdb_error **error) {
  static const char *const questions[] = {migrations_sql, runs_sql};
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; !status && i < 2; i++) {
    PGresult *rows;
    status = find(db, questions[i], NULL, &rows, error);
    for (int row = 0; !status && row < PQntuples(rows); row++) {
      add(table, PQgetisnull(rows, row, 1) ? NULL : PQgetvalue(rows, row, 1), "migrate", "report",
          PQgetvalue(rows, row, 2));
    }
    PQclear(rows);
  }
  return status;
}

static tenantdb_status report_lost(tenantdb *db, tndb_table *table, tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status = find(db, schemaless_sql, NULL, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    add(table, PQgetvalue(rows, i, 1), NULL, "report",
        "the tenant's schema is gone: restore it from a backup, or purge the tenant");
  }
  PQclear(rows);
  return status;
}

tenantdb_status tenantdb_reconcile(tenantdb *db, tenantdb_result **done, tenantdb_error **error) {
  static const char *const columns[] = {"tenant", "operation", "action", "outcome"};
  tndb_error_reset(error);
  if (done) {
    *done = NULL;
  }
  tenantdb_status status = tndb_database_check(db, error);
  if (status) {
    return status;
  }
  tndb_table *table = tndb_table_new(columns, 4);
  status = resume_purges(db, table, error);
  if (!status) {
    status = give_roles(db, table, error);
  }
  if (!status) {
    status = give_logins(db, table, error);
  }
  if (!status) {
    status = settle_views(db, table, error);
  }
  if (!status) {
    status = report_relocations(db, table, error);
  }
  if (!status) {
    status = report_moves(db, table, error);
  }
  if (!status) {
    status = report_incoming(db, table, error);
  }
  if (!status) {
    status = report_migrations(db, table, error);
  }
  if (!status) {
    status = report_lost(db, table, error);
  }
  if (status || !done) {
    tndb_table_free(table);
    return status;
  }
  return tndb_table_finish(table, done, error);
}

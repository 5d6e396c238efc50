/* SPDX-License-Identifier: PostgreSQL */
/*
 * A tenant's schema gets another name. Nothing in it is locked; whoever has the
 * old name in his search path finds nothing any more, and a session's next
 * transaction is refused because its scope cannot be proved.
 */
#include <string.h>

#include "base/buffer.h"
#include "catalog/login.h"
#include "sql/identifier.h"
#include "tenant/relocate.h"
#include "tenant/transition.h"
#include "tenant/view.h"

/* $1 the old name, $2 the new one: whether each is there; whose the old one is; may schemas be made. */
static const char schemas_sql[] =
    "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), EXISTS (SELECT FROM pg_namespace WHERE"
    " nspname = $2), coalesce((SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = $1),"
    " true), has_database_privilege(current_database(), 'CREATE')";
/* Functions whose own search path names it, which is made to name it as it will be called. */
#define ELEMENT "e IN (quote_ident($1::text), '\"' || $1::text || '\"')"
static const char paths_sql[] =
    "SELECT format('%I.%I(%s)', n.nspname, f.proname, pg_get_function_identity_arguments(f.oid)),"
    " format('ALTER ROUTINE %I.%I(%s) SET search_path TO %s', n.nspname, f.proname,"
    " pg_get_function_identity_arguments(f.oid), (SELECT string_agg(CASE WHEN " ELEMENT
    " THEN"
    " quote_ident($2::text) ELSE e END, ', ' ORDER BY i) FROM unnest(s.path) WITH ORDINALITY u (e, i)))"
    " FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace CROSS JOIN LATERAL unnest(f.proconfig) c"
    " CROSS JOIN LATERAL (SELECT string_to_array(regexp_replace(substr(c, 13), '\\s*,\\s*', ',', 'g'), ',') "
    "AS"
    " path) s WHERE c LIKE 'search_path=%' AND EXISTS (SELECT FROM unnest(s.path) e WHERE " ELEMENT
    ") ORDER BY 1";
/* Functions whose text names it. */
static const char texts_sql[] =
    "WITH p AS (SELECT '(?i)(?:\\m|\")' || regexp_replace(replace($1::text, '\"', '\"\"'), '([^[:alnum:]_])',"
    " '\\\\\\1', 'g') || '\"?\\s*\\.' AS pattern)"
    " SELECT format('%I.%I(%s)', n.nspname, f.proname, pg_get_function_identity_arguments(f.oid)),"
    " 'its text names ' || substring(f.prosrc FROM p.pattern) FROM p JOIN pg_proc f ON f.prosrc ~ p.pattern"
    " JOIN pg_namespace n ON n.oid = f.pronamespace JOIN pg_language l ON l.oid = f.prolang WHERE n.nspname "
    "NOT"
    " IN ('pg_catalog', 'information_schema') AND l.lanname NOT IN ('c', 'internal') ORDER BY 1";

static void judge_schemas(tndb_relocation *job, const tenantdb_tenant *tenant, const PGresult *row) {
  if (PQgetvalue(row, 0, 0)[0] != 't') {
    tndb_relocate_refuse(job, TNDB_REFUSAL_OTHER, "check", tenant->schema, NULL, "the schema is gone");
  }
  if (PQgetvalue(row, 0, 1)[0] == 't') {
    tndb_relocate_refuse(job, TNDB_REFUSAL_TAKEN, "check", job->settings.to, NULL,
                         "there is a schema of that name already");
  }
  if (PQgetvalue(row, 0, 2)[0] != 't') {
    tndb_relocate_refuse(job, TNDB_REFUSAL_PERMISSION, "check", tenant->schema, NULL,
                         "the connected user is no member of the role that owns it");
  }
  if (PQgetvalue(row, 0, 3)[0] != 't') {
    tndb_relocate_refuse(job, TNDB_REFUSAL_PERMISSION, "check", job->settings.to, NULL,
                         "the connected user may not name a schema: he needs CREATE on the database");
  }
}

static tenantdb_status plan(tndb_work *work, tndb_relocation *job, const tenantdb_tenant *tenant,
                            tenantdb_error **error) {
  const char *values[] = {tenant->schema, job->settings.to};
  size_t schemas = tndb_work_send(work, schemas_sql, 2, values);
  size_t texts = tndb_work_send(work, texts_sql, 1, values);
  size_t paths = tndb_work_send(work, paths_sql, 2, values);
  tenantdb_status status = tndb_work_sync(work, error);
  if (status) {
    return status;
  }
  judge_schemas(job, tenant, tndb_exchange_result(work->conn, schemas));
  const PGresult *rows = tndb_exchange_result(work->conn, texts);
  for (int i = 0; i < PQntuples(rows); i++) {
    tndb_auto_buffer object = TNDB_BUFFER_INIT;
    tndb_buffer_format(&object, "function %s", PQgetvalue(rows, i, 0));
    tndb_relocate_suspect(job, TNDB_REFUSAL_USED, "check", tndb_buffer_text(&object), NULL,
                          PQgetvalue(rows, i, 1));
  }
  rows = tndb_exchange_result(work->conn, paths);
  for (int i = 0; i < PQntuples(rows); i++) {
    tndb_relocate_add(job, &(tndb_relocate_row){.step = "path",
                                                .object = PQgetvalue(rows, i, 0),
                                                .sql = PQgetvalue(rows, i, 1),
                                                .locks = "none"});
  }
  tndb_relocate_statement(job, "rename", tenant->schema, "none on anything in it",
                          "ALTER SCHEMA %I RENAME TO %I", values);
  if (work->db->level >= TENANTDB_ISOLATION_LOGIN && tenant->role[0]) {
    tndb_relocate_add(job, &(tndb_relocate_row){.step = "path",
                                                .object = tenant->role,
                                                .note = "his login's search path; his sessions are ended"});
  }
  return TENANTDB_OK;
}

static tenantdb_status carry_out(tndb_work *work, tndb_relocation *job, const tenantdb_tenant *tenant,
                                 tenantdb_error **error) {
  tndb_auto_buffer detail = TNDB_BUFFER_INIT;
  tndb_relocate_detail(&detail, job);
  tndb_work_fail_if(work, detail.failed);
  tndb_relocate_send(work, job, 0);
  size_t update = tndb_change_update(work, tenant, "schema_name = $3", job->settings.to);
  const char *state = tndb_tenant_state_name(tenant->state);
  tndb_record what = {tenant->id, "relocate", state, state, NULL, NULL, tndb_buffer_text(&detail)};
  tndb_work_record(work, &what);
  tenantdb_status status = TENANTDB_OK;
  if (work->db->level >= TENANTDB_ISOLATION_LOGIN && tenant->role[0]) {
    status = tndb_work_set_path(work, job->settings.to, error);
    tndb_login_keep_path(work, tenant->role);
  }
  if (!status) {
    tndb_event event = {
        .kind = TNDB_EVENT_TENANT_RENAMED, .tenant = tenant->slug, .message = tndb_buffer_text(&detail)};
    status = tndb_change_commit(work, tenant, update, &event, NULL, error);
  }
  if (status && strcmp(tenantdb_error_constraint(*error), "tenants_schema_key") == 0) {
    status = tndb_origin(error, TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SCHEMA_TAKEN,
                         "another tenant has the schema \"%s\"", job->settings.to);
  }
  return status;
}

static tenantdb_status attempt(void *user, tenantdb_error **error) {
  tndb_relocation *job = user;
  tndb_work work;
  tenantdb_tenant *tenant = NULL;
  uint32_t states = TNDB_STATE_BIT(TENANTDB_TENANT_ACTIVE) | TNDB_STATE_BIT(TENANTDB_TENANT_SUSPENDED) |
                    TNDB_STATE_BIT(TENANTDB_TENANT_ARCHIVED);
  tndb_relocate_rewind(job, 0);
  tenantdb_status status = tndb_change_start(&work, job->db, job->settings.tenant, &tenant, error);
  if (!status) {
    status = tndb_change_require(tenant, states, "relocate", error);
  }
  bool there = !status && strcmp(tenant->schema, job->settings.to) == 0;
  if (there) {
    tndb_relocate_add(job,
                      &(tndb_relocate_row){.step = "rename", .object = tenant->schema, .state = "there"});
  } else if (!status) {
    job->settings.from = tenant->schema;
    status = plan(&work, job, tenant, error);
    if (!status && job->apply) {
      status = tndb_relocate_judge(job, "the schema keeps its name", error);
    }
    if (!status && job->apply) {
      status = carry_out(&work, job, tenant, error);
    }
    job->settings.from = NULL;
  }
  tndb_work_end(&work);
  if (!status && job->apply && !there) {
    tndb_login_end(job->db, tenant->role);
  }
  tenantdb_tenant_free(tenant);
  return status;
}

tenantdb_status tndb_relocate_tenant(tndb_relocation *job, tenantdb_error **error) {
  tenantdb_status status =
      tndb_relocate_persist(job, &(tndb_relocate_attempt){.run = attempt, .user = job}, error);
  if (status) {
    tndb_error_set_tenant(error, job->settings.tenant);
  }
  return status;
}

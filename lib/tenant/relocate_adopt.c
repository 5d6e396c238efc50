/* SPDX-License-Identifier: PostgreSQL */
/*
 * A schema that somebody made by hand becomes a new tenant's: his row, his role
 * and our mark, in one transaction. Of what is in it only owners and privileges
 * are changed. It is judged by the same eyes that look at every other tenant,
 * in the same transaction, when everything is as it would be.
 */
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "sql/identifier.h"
#include "tenant/access.h"
#include "tenant/creation.h"
#include "tenant/relocate.h"
#include "tenant/verify.h"
#include "tenant/view.h"

typedef struct adoption {
  tndb_relocation *job;
  tndb_creation creation;
  tndb_work work;
  tndb_buffer detail;
  size_t create_role; /* its place */
  PGresult *marked;   /* views that are to have him */
  bool differs;
} adoption;

/* ---------------------------------------------------------------- the schema as it is */

static const char schema_sql[] =
    "SELECT pg_catalog.obj_description(oid, 'pg_namespace') FROM pg_catalog.pg_namespace WHERE nspname = $1";

/* What is not the connected user's: object, statement, owner, and whether he may take it. */
static const char owners_sql[] =
    "WITH n AS (SELECT oid, nspname, nspowner FROM pg_namespace WHERE nspname = $1), o (name, kind, owner,"
    " classid, objid) AS (SELECT quote_ident(nspname), 'SCHEMA', nspowner, 'pg_namespace'::regclass, oid "
    "FROM n"
    " UNION ALL SELECT format('%I.%I', n.nspname, c.relname), CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' "
    "THEN"
    " 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, "
    "c.relowner,"
    " 'pg_class'::regclass, c.oid FROM n JOIN pg_class c ON c.relnamespace = n.oid WHERE c.relkind IN ('r',"
    " 'p', 'v', 'm', 'S', 'f') AND NOT (c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid ="
    " 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')))"
    " UNION ALL SELECT format('%I.%I(%s)', n.nspname, f.proname, pg_get_function_identity_arguments(f.oid)),"
    " 'ROUTINE', f.proowner, 'pg_proc'::regclass, f.oid FROM n JOIN pg_proc f ON f.pronamespace = n.oid"
    " UNION ALL SELECT format('%I.%I', n.nspname, t.typname), 'TYPE', t.typowner, 'pg_type'::regclass, t.oid"
    " FROM n JOIN pg_type t ON t.typnamespace = n.oid WHERE t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' "
    "AND"
    " EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))"
    " SELECT o.name, format('ALTER %s %s OWNER TO %I', o.kind, o.name, current_user),"
    " pg_get_userbyid(o.owner), pg_has_role(o.owner, 'USAGE') FROM o WHERE pg_get_userbyid(o.owner) <>"
    " current_user AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.classid AND d.objid = o.objid"
    " AND d.deptype = 'e') ORDER BY o.kind <> 'SCHEMA', o.name COLLATE \"C\"";

static tenantdb_status look(adoption *a, tenantdb_error **error) {
  tndb_relocation *job = a->job;
  const char *schema = job->settings.from;
  PGresult *rows;
  tenantdb_status status = tndb_work_query(&a->work, schema_sql, 1, &schema, &rows, error);
  if (status) {
    return status;
  }
  const char *comment = PQntuples(rows) ? PQgetvalue(rows, 0, 0) : "";
  if (PQntuples(rows) == 0) {
    status = tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_RELOCATION_REFUSED,
                         "there is no schema \"%s\" to adopt", schema);
  } else if (strncmp(comment, "libtenantdb tenant ", 19) == 0) {
    tndb_relocate_suspect(job, TNDB_REFUSAL_OTHER, "check", schema, NULL,
                          "its comment says that it is a tenant's");
  } else if (*comment) {
    tndb_relocate_add(job,
                      &(tndb_relocate_row){.step = "mark",
                                           .object = schema,
                                           .state = "kept",
                                           .note = "its comment gives way to our mark; the audit row has "
                                                   "it"});
  }
  tndb_buffer_append(&a->detail, "{\"schema\": ");
  tndb_json_string(&a->detail, schema, strlen(schema));
  tndb_buffer_append(&a->detail, ", \"comment\": ");
  tndb_json_string(&a->detail, comment, strlen(comment));
  tndb_buffer_append_char(&a->detail, '}');
  PQclear(rows);
  return !status && a->detail.failed ? tndb_no_memory(error) : status;
}

static tenantdb_status plan_owners(adoption *a, tenantdb_error **error) {
  const char *schema = a->job->settings.from;
  PGresult *rows;
  tenantdb_status status = tndb_work_query(&a->work, owners_sql, 1, &schema, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    const char *object = PQgetvalue(rows, i, 0), *sql = PQgetvalue(rows, i, 1);
    if (PQgetvalue(rows, i, 3)[0] == 't') {
      tndb_relocate_add(a->job, &(tndb_relocate_row){.step = "owner",
                                                     .object = object,
                                                     .sql = sql,
                                                     .locks = "ACCESS EXCLUSIVE, when it is a relation"});
    } else {
      tndb_auto_buffer note = TNDB_BUFFER_INIT;
      tndb_buffer_format(&note, "%s owns it and the connected user is no member of that role",
                         PQgetvalue(rows, i, 2));
      tndb_relocate_refuse(a->job, TNDB_REFUSAL_PERMISSION, "check", object, sql, tndb_buffer_text(&note));
    }
  }
  PQclear(rows);
  return status;
}

/* Whatever is in it is his, whether it is declared or not. */
static void plan_grants(adoption *a) {
  static const char *const all[] = {"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO %I",
                                    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I",
                                    "GRANT EXECUTE ON ALL ROUTINES IN SCHEMA %I TO %I"};
  const char *names[] = {a->job->settings.from, a->creation.names.role};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    tndb_relocate_statement(a->job, "grant", a->creation.names.role, "none", all[i], names);
  }
}

/* ---------------------------------------------------------------- doing it */

static void plan_mark(adoption *a) {
  tndb_auto_buffer mark = TNDB_BUFFER_INIT;
  tndb_auto_buffer literal = TNDB_BUFFER_INIT;
  tndb_provision_mark(&mark, a->creation.spec.id);
  tndb_quote_literal(&literal, tndb_buffer_text(&mark));
  const char *names[] = {a->job->settings.from, tndb_buffer_text(&literal)};
  tndb_work_fail_if(&a->work, mark.failed || literal.failed);
  tndb_relocate_statement(a->job, "mark", names[0], "none", "COMMENT ON SCHEMA %I IS %s", names);
}

static tenantdb_status queue(adoption *a, tenantdb_error **error) {
  tndb_relocation *job = a->job;
  const char *schema = job->settings.from, *role = a->creation.names.role;
  size_t first = tndb_relocate_count(job);
  tenantdb_status status = plan_owners(a, error);
  if (!status) {
    status = tndb_relocate_judge(job, "the schema was not adopted", error);
  }
  if (status) {
    return status;
  }
  plan_mark(a);
  tndb_creation_queue_row(&a->creation, &a->work);
  tndb_creation_queue_record(&a->creation, &a->work);
  if (*role) {
    tndb_relocate_add(job, &(tndb_relocate_row){.step = "role", .object = role, .note = "a role of his own"});
    a->create_role = tndb_access_create_role(&a->work, role, a->creation.login);
    plan_grants(a);
  }
  tndb_relocate_limit(&a->work, job, tndb_relocate_count(job) - first);
  tndb_relocate_send(&a->work, job, first);
  if (*role) {
    tndb_access_prepare(&a->work, schema, role);
    tndb_access_finish(&a->work, schema, role);
  }
  if (!status && a->creation.login) {
    status = tndb_work_set_path(&a->work, schema, error);
    tndb_login_keep_path(&a->work, role);
  }
  if (*role) {
    (void)tndb_access_join(&a->work, role);
  }
  return status;
}

static void add_finding(adoption *a, const tenantdb_result *findings, int32_t row) {
  tndb_auto_buffer note = TNDB_BUFFER_INIT;
  const char *expected = tenantdb_result_value(findings, row, TNDB_FINDING_EXPECTED);
  const char *found = tenantdb_result_value(findings, row, TNDB_FINDING_FOUND);
  tndb_buffer_append(&note, tenantdb_result_value(findings, row, TNDB_FINDING_NAME));
  if (expected) {
    tndb_buffer_format(&note, ", expected: %s", expected);
  }
  if (found) {
    tndb_buffer_format(&note, ", found: %s", found);
  }
  tndb_work_fail_if(&a->work, note.failed);
  tndb_relocate_suspect(a->job, TNDB_REFUSAL_DIFFERS, "verify",
                        tenantdb_result_value(findings, row, TNDB_FINDING_OBJECT),
                        tenantdb_result_value(findings, row, TNDB_FINDING_REMEDY), tndb_buffer_text(&note));
}

/* A tenant who is not what the registry says has no version of it either. */
static tenantdb_status verify(adoption *a, PGresult *row, tenantdb_error **error) {
  static const char differs_sql[] = "UPDATE %stenants SET registry_hash = NULL, version = 0 WHERE id = $1";
  static const char unknown_sql[] = "DELETE FROM %smigrations WHERE tenant_id = $1";
  tenantdb_tenant *tenant = NULL;
  tenantdb_result *findings = NULL;
  tenantdb_status status = tndb_tenant_from_row(a->job->db, row, 0, &tenant, error);
  if (!status) {
    status = tndb_verify(&a->work, tenant, &findings, error);
  }
  for (int32_t i = 0; i < tenantdb_result_rows(findings); i++) {
    add_finding(a, findings, i);
  }
  a->differs = tenantdb_result_rows(findings) > 0;
  tenantdb_result_free(findings);
  tenantdb_tenant_free(tenant);
  if (!status && a->differs) {
    const char *id = a->creation.spec.id;
    (void)tndb_view_send(&a->work, differs_sql, 1, &id);
    (void)tndb_view_send(&a->work, unknown_sql, 1, &id);
  }
  return status;
}

static tenantdb_status explain(adoption *a, tenantdb_status status, tenantdb_error **error) {
  size_t failed = a->work.conn ? tndb_exchange_failed(a->work.conn) : TNDB_NONE;
  if (status && *error && failed != TNDB_NONE && failed == a->creation.insert) {
    return tndb_creation_explain(&a->creation, error);
  }
  if (status && *error && failed != TNDB_NONE && failed == a->create_role &&
      strcmp(tenantdb_error_sqlstate(*error), "42710") == 0) {
    return tndb_origin(error, TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_ROLE_TAKEN,
                       "there is a role \"%s\" already and it is not ours; it was not touched",
                       a->creation.names.role);
  }
  return status;
}

/* Begun, and everything but COMMIT. */
static tenantdb_status prepare(adoption *a, PGresult **row, tenantdb_error **error) {
  char lock[TNDB_CREATION_LOCK_SIZE];
  tndb_creation_lock(&a->creation, lock);
  tenantdb_status status = tndb_work_start(&a->work, a->job->db, lock, true, error);
  if (!status) {
    status = look(a, error);
  }
  if (!status) {
    a->creation.detail = tndb_buffer_text(&a->detail);
    status = queue(a, error);
  }
  if (!status) {
    status = tndb_work_sync(&a->work, error);
    status = explain(a, status, error);
  }
  if (!status) {
    *row = tndb_exchange_take(a->work.conn, a->creation.insert);
    a->marked = tndb_views_marked(&a->work, a->creation.views);
    status = verify(a, *row, error);
  }
  return status;
}

static tenantdb_status attempt(void *user, tenantdb_error **error) {
  adoption *a = user;
  PGresult *row = NULL;
  bool adopted = false;
  tndb_relocate_rewind(a->job, 0);
  tndb_buffer_clear(&a->detail);
  a->create_role = TNDB_NONE;
  a->work = (tndb_work){0};
  tenantdb_status status = prepare(a, &row, error);
  bool planned = a->job->refused && !a->job->apply;
  if (planned) {
    tenantdb_error_free(*error);
    *error = NULL;
    status = TENANTDB_OK;
  } else if (!status && a->job->apply) {
    status = tndb_relocate_judge(a->job, "the schema was not adopted: it is not what the registry declares",
                                 error);
    if (!status) {
      status = tndb_work_commit(&a->work, error);
    }
    adopted = !status;
  }
  tndb_work_end(&a->work);
  PQclear(row);
  if (adopted) {
    tndb_tenants_forget(a->job->db);
    tndb_creation_tell(&a->creation, a->marked);
  } else {
    PQclear(a->marked);
  }
  a->marked = NULL;
  return status;
}

tenantdb_status tndb_relocate_adopt(tndb_relocation *job, tenantdb_error **error) {
  adoption a = {
      .job = job,
      .creation = {
          .db = job->db, .slug = job->settings.tenant, .action = "adopt", .state = TENANTDB_TENANT_ACTIVE}};
  tndb_login login;
  tenantdb_status status = tndb_creation_prepare(&a.creation, "adopt", NULL, error);
  if (status) {
    return status;
  }
  memcpy(a.creation.names.schema, job->settings.from, strlen(job->settings.from) + 1);
  bool logs_in = job->apply && job->db->level >= TENANTDB_ISOLATION_LOGIN;
  if (logs_in) {
    status = tndb_login_make(&login, job->db, a.creation.spec.id, a.creation.names.role, NULL, error);
    a.creation.login = &login;
  }
  if (!status) {
    status = tndb_relocate_persist(job, &(tndb_relocate_attempt){.run = attempt, .user = &a}, error);
    if (logs_in) {
      tndb_login_settle(&login, status, NULL);
    }
  }
  if (status) {
    tndb_error_set_tenant(error, job->settings.tenant);
  }
  tndb_buffer_free(&a.detail);
  return status;
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Verification: what a tenant has against what it should have.
 *
 * The registry's form comes from PostgreSQL itself (tenant/registry_form.h), so
 * that what is compared was written by one hand.
 */
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/result.h"
#include "catalog/tenants.h"
#include "catalog/text_array.h"
#include "registry/registry.h"
#include "schema/marker.h"
#include "schema/plan.h"
#include "tenant/registry_form.h"
#include "tenant/transition.h"
#include "tenant/verify.h"

enum { LEVEL, FINDING, OBJECT, EXPECTED, FOUND, REMEDY, N_COLUMNS };

static void add(tndb_table *table, const char *level, const char *finding, const char *object,
                const char *expected, const char *found, const char *remedy) {
  const char *cells[N_COLUMNS] = {level, finding, object, expected, found, remedy};
  tndb_table_row(table, cells);
}

/* ---------------------------------------------------------------- the two forms */

/* What the kinds of a form are called here; the others have questions of their own below. */
static const char *kind_of(const char *kind) {
  static const struct {
    const char *kind, *name;
  } names[] = {{"table", "relation"},
               {"foreign table", "relation"},
               {"row security", "relation"},
               {"view", "view"},
               {"materialized view", "view"},
               {"sequence", "sequence"},
               {"column", "column"},
               {"constraint", "constraint"},
               {"index", "index"},
               {"trigger", "trigger"},
               {"rule", "rule"},
               {"policy", "policy"},
               {"function", "function"},
               {"procedure", "function"},
               {"aggregate", "function"},
               {"type", "type"},
               {"statistics", "statistics"},
               {"extension", "extension"}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(kind, names[i].kind) == 0) {
      return names[i].name;
    }
  }
  return NULL;
}

static int compare_rows(const tndb_form *a, int i, const tndb_form *b, int k) {
  int order = strcmp(tndb_form_cell(a, i, TNDB_FORM_KIND), tndb_form_cell(b, k, TNDB_FORM_KIND));
  return order ? order
               : strcmp(tndb_form_cell(a, i, TNDB_FORM_OBJECT), tndb_form_cell(b, k, TNDB_FORM_OBJECT));
}

/* One of them has the row; a definition is NULL where there is none. Row security is a property of its table. */
static bool add_difference(tndb_table *table, const tndb_form *form, int row, const char *expected,
                           const char *found) {
  tndb_auto_buffer object = TNDB_BUFFER_INIT;
  tndb_auto_buffer should = TNDB_BUFFER_INIT;
  tndb_auto_buffer is = TNDB_BUFFER_INIT;
  const char *kind = tndb_form_cell(form, row, TNDB_FORM_KIND);
  bool property = strcmp(kind, "row security") == 0;
  if (!kind_of(kind)) {
    return true;
  }
  tndb_buffer_format(&object, "%s ", kind_of(kind));
  tndb_marks_show(&object, tndb_form_cell(form, row, TNDB_FORM_OBJECT));
  tndb_marks_show(&should, property && !expected ? "row security disabled" : expected ? expected : "");
  tndb_marks_show(&is, property && !found ? "row security disabled" : found ? found : "");
  bool extra = !expected && !property;
  add(table, extra ? "warning" : "error",
      extra               ? "extra"
      : found || property ? "changed"
                          : "missing",
      tndb_buffer_text(&object), expected || property ? tndb_buffer_text(&should) : NULL,
      found || property ? tndb_buffer_text(&is) : NULL,
      extra ? "declare it in the registry, or drop it" : "migrate the schema to what the registry declares");
  return !object.failed && !should.failed && !is.failed;
}

/* Row security of a table that is on one side only follows from that. */
static bool follows(const tndb_form *wanted, const tndb_form *found, const tndb_form *form, int row) {
  const char *object = tndb_form_cell(form, row, TNDB_FORM_OBJECT);
  return strcmp(tndb_form_cell(form, row, TNDB_FORM_KIND), "row security") == 0 &&
         !(tndb_form_find(wanted, "table", object) && tndb_form_find(found, "table", object));
}

/* Both are in the same order: walk them side by side. False when memory ran out. */
static bool compare(tndb_table *table, const tndb_form *wanted, const tndb_form *found) {
  int i = 0, k = 0;
  bool kept = true;
  while (kept && (i < wanted->count || k < found->count)) {
    int order = i >= wanted->count ? 1 : k >= found->count ? -1 : compare_rows(wanted, i, found, k);
    const char *expected = order <= 0 ? tndb_form_cell(wanted, i, TNDB_FORM_DEFINITION) : NULL;
    const char *is = order >= 0 ? tndb_form_cell(found, k, TNDB_FORM_DEFINITION) : NULL;
    const tndb_form *form = order <= 0 ? wanted : found;
    int row = order <= 0 ? i : k;
    if ((order != 0 || strcmp(expected, is) != 0) && !follows(wanted, found, form, row)) {
      kept = add_difference(table, form, row, expected, is);
    }
    i += order <= 0;
    k += order >= 0;
  }
  return kept;
}

/* ---------------------------------------------------------------- questions that are queries */

/* Each gives finding, object, expected, found, remedy. $1 schema, $2 role or NULL, $3 shared schema, $4
 * names, $5 active. */
static const char stray_sql[] =
    "SELECT 'in_shared_schema', c.relname::text, 'in schema ' || $1::text, 'in schema ' || $3::text,"
    " 'drop it there, or declare it in a shared base' FROM pg_catalog.pg_class c"
    " WHERE c.relname = ANY ($4::text[]) AND c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace"
    " WHERE nspname = $3) AND $2::text IS NOT DISTINCT FROM $2::text AND $5::text IS NOT NULL";
static const char owner_sql[] =
    "SELECT 'owner', c.relname::text, pg_catalog.pg_get_userbyid(n.nspowner)::text,"
    " pg_catalog.pg_get_userbyid(c.relowner)::text,"
    " pg_catalog.format('ALTER TABLE %I.%I OWNER TO %I', n.nspname, c.relname,"
    " pg_catalog.pg_get_userbyid(n.nspowner))"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = "
    "$1"
    " AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relowner <> n.nspowner"
    " AND $2::text IS NOT DISTINCT FROM $2::text AND $3::text IS NOT NULL AND $4::text[] IS NOT NULL"
    " AND $5::text IS NOT NULL";
static const char public_sql[] =
    "SELECT 'granted_to_others', name, 'no privilege', who || ' has ' || what, 'REVOKE it' FROM (SELECT "
    "name, owner,"
    " a.grantee, a.privilege_type AS what, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE"
    " pg_catalog.pg_get_userbyid(a.grantee)::text END AS who FROM ("
    " SELECT 'schema ' || n.nspname AS name, n.nspowner AS owner, n.nspacl AS acl FROM "
    "pg_catalog.pg_namespace n"
    " WHERE n.nspname = $1"
    " UNION ALL SELECT c.relname::text, c.relowner, c.relacl FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1"
    " UNION ALL SELECT c.relname || '.' || t.attname, c.relowner, t.attacl FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid WHERE n.nspname = $1 AND t.attacl IS NOT NULL"
    /* Functions are everybody's unless that was revoked, which is done for tenants with a role. */
    " UNION ALL SELECT p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')', "
    "p.proowner,"
    " coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)) FROM pg_catalog.pg_proc p"
    " JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1 AND $2::text IS NOT NULL"
    ") objects CROSS JOIN LATERAL pg_catalog.aclexplode(acl) a) grants"
    " WHERE grantee <> owner AND who IS DISTINCT FROM $2::text AND $3::text IS NOT NULL AND $4::text[] IS "
    "NOT NULL"
    " AND $5::text IS NOT NULL";
static const char privilege_sql[] =
    "SELECT 'privilege', relname::text, privilege, 'not granted to ' || $2::text,"
    " pg_catalog.format('GRANT %s ON %s%I.%I TO %I', privilege, CASE relkind WHEN 'S' THEN 'SEQUENCE ' ELSE "
    "'' END,"
    " $1::text, relname, $2::text) FROM (SELECT c.oid, c.relname, c.relkind FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND (c.relname = ANY "
    "($4::text[])"
    /* the sequence of a serial column; an identity's needs no privilege */
    " OR EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class t ON t.oid = d.refobjid"
    " WHERE c.relkind = 'S' AND d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND "
    "d.deptype = 'a'"
    " AND t.relname = ANY ($4::text[])))) c CROSS JOIN LATERAL pg_catalog.unnest(CASE"
    " WHEN c.relkind IN ('r', 'p', 'v', 'm') THEN '{SELECT,INSERT,UPDATE,DELETE}' WHEN c.relkind = 'S' THEN "
    "'{USAGE}'"
    " ELSE '{}' END::text[]) privilege WHERE EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $2)"
    " AND NOT CASE WHEN relkind = 'S' THEN pg_catalog.has_sequence_privilege($2::name, c.oid, privilege)"
    " ELSE pg_catalog.has_table_privilege($2::name, c.oid, privilege) END AND $3::text IS NOT NULL"
    " AND $5::text IS NOT NULL";
static const char role_sql[] =
    "SELECT 'role', $2::text, CASE WHEN $5::text = 'active' THEN 'USAGE on schema ' ELSE 'no USAGE on schema "
    "' END"
    " || $1::text, CASE WHEN r.oid IS NULL THEN 'no such role' WHEN has THEN 'USAGE' ELSE 'no USAGE' END,"
    " 'tenantdb_reconcile()' FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_roles r ON r.rolname = $2"
    " LEFT JOIN LATERAL (SELECT pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE') AS has"
    " FROM pg_catalog.pg_namespace n WHERE n.nspname = $1) u ON true WHERE $2::text IS NOT NULL"
    " AND (r.oid IS NULL OR has IS DISTINCT FROM ($5::text = 'active')) AND $3::text IS NOT NULL"
    " AND $4::text[] IS NOT NULL";
static const char neighbour_sql[] =
    "SELECT 'foreign_key_outside', c.relname || '.' || k.conname, 'to the own or the shared schema',"
    " 'to schema ' || tn.nspname, 'drop the constraint: it ties two tenants together' FROM "
    "pg_catalog.pg_constraint k"
    " JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = "
    "c.relnamespace"
    " JOIN pg_catalog.pg_class tc ON tc.oid = k.confrelid"
    " JOIN pg_catalog.pg_namespace tn ON tn.oid = tc.relnamespace"
    " WHERE k.contype = 'f' AND n.nspname = $1 AND tn.nspname NOT IN ($1, $3)"
    " AND $2::text IS NOT DISTINCT FROM $2::text AND $4::text[] IS NOT NULL AND $5::text IS NOT NULL";

static tenantdb_status ask(tndb_work *work, const char *const values[5], tndb_table *table,
                           tenantdb_error **error) {
  static const char *const questions[] = {stray_sql,     owner_sql, public_sql,
                                          privilege_sql, role_sql,  neighbour_sql};
  size_t places[sizeof questions / sizeof questions[0]];
  size_t count = sizeof questions / sizeof questions[0];
  for (size_t i = 0; i < count; i++) {
    places[i] = tndb_work_send(work, questions[i], 5, values);
  }
  tenantdb_status status = tndb_work_sync(work, error);
  for (size_t i = 0; !status && i < count; i++) {
    PGresult *rows = tndb_exchange_result(work->conn, places[i]);
    for (int row = 0; row < PQntuples(rows); row++) {
      add(table, "error", PQgetvalue(rows, row, 0), PQgetvalue(rows, row, 1), PQgetvalue(rows, row, 2),
          PQgetvalue(rows, row, 3), PQgetvalue(rows, row, 4));
    }
  }
  return status;
}

/* Names that should be in the tenant's schema alone: those that no shared base declares as well. */
static bool collect_names(const tenantdb_registry *registry, tndb_text_array *names) {
  size_t count = tndb_registry_relations(registry, TENANTDB_BASE_TENANT, NULL, 0);
  tndb_relation *relations = tndb_alloc_array(count + 1, sizeof *relations);
  if (!relations) {
    return false;
  }
  (void)tndb_registry_relations(registry, TENANTDB_BASE_TENANT, relations, count);
  for (size_t i = 0; i < count; i++) {
    bool shared = false;
    for (size_t b = 0; b < registry->n_bases; b++) {
      shared = shared || (registry->bases[b]->kind == TENANTDB_BASE_SHARED &&
                          tndb_base_find(registry->bases[b], relations[i].name));
    }
    if (!shared) {
      tndb_text_array_add(names, relations[i].name);
    }
  }
  tndb_free(relations);
  return true;
}

/* ---------------------------------------------------------------- all of it */

static tenantdb_status schema_exists(tndb_work *work, const char *schema, bool *there,
                                     tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status = tndb_work_query(work, "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1",
                                           1, &schema, &rows, error);
  *there = !status && PQntuples(rows) == 1;
  PQclear(status ? NULL : rows);
  return status;
}

static tenantdb_status compare_schema(tndb_work *work, const tenantdb_tenant *tenant, tndb_table *table,
                                      tenantdb_error **error) {
  PGresult *rows = NULL;
  tndb_registry_form *wanted = NULL;
  tndb_form_targets targets = TNDB_FORM_TARGETS_INIT;
  tndb_form_targets_add(&targets, tenant->schema, tenant->role, tndb_tenant_state_name(tenant->state));
  tenantdb_status status =
      tndb_registry_form_read(work, tndb_registry_form_wants_role(work->db, tenant->role), &wanted, error);
  if (!status) {
    status = tndb_form_rows(work, &targets, &wanted->expected, &rows, error);
  }
  if (!status) {
    tndb_form found = tndb_form_of(rows, 1);
    status = compare(table, &wanted->form, &found) ? TENANTDB_OK : tndb_no_memory(error);
  }
  PQclear(rows);
  tndb_registry_form_release(wanted);
  tndb_form_targets_free(&targets);
  return status;
}

static tenantdb_status verify(tndb_work *work, const tenantdb_tenant *tenant, tndb_table *table,
                              tenantdb_error **error) {
  tenantdb *db = work->db;
  bool there = false;
  tenantdb_status status = schema_exists(work, tenant->schema, &there, error);
  if (!status && !there) {
    add(table, "error", "missing", "schema", tenant->schema, NULL,
        "restore it from a backup; the tenant's data is not in this database");
    return TENANTDB_OK;
  }
  tndb_auto_text_array names = TNDB_TEXT_ARRAY_INIT;
  if (!status && !collect_names(db->registry, &names)) {
    status = tndb_no_memory(error);
  }
  if (!status) {
    status = compare_schema(work, tenant, table, error);
  }
  if (status) {
    return status;
  }
  bool roles = db->level >= TENANTDB_ISOLATION_ROLE;
  const char *values[] = {tenant->schema, tenant->role[0] ? tenant->role : NULL,
                          tndb_database_shared_schema(db), tndb_text_array_finish(&names),
                          tndb_tenant_state_name(tenant->state)};
  if (roles && !tenant->role[0]) {
    add(table, "error", "role", tenant->slug, "a role of its own", NULL, "tenantdb_reconcile()");
  }
  return values[3] ? ask(work, values, table, error) : tndb_no_memory(error);
}

static const char *const finding_columns[N_COLUMNS] = {"level",    "finding", "object",
                                                       "expected", "found",   "remedy"};

tenantdb_status tndb_verify(tndb_work *work, const tenantdb_tenant *tenant, tenantdb_result **findings,
                            tenantdb_error **error) {
  *findings = NULL;
  tndb_table *table = tndb_table_new(finding_columns, N_COLUMNS);
  (void)tndb_work_send(work, "SAVEPOINT tndb_verify", 0, NULL);
  tenantdb_status status = verify(work, tenant, table, error);
  if (status) {
    tndb_table_free(table);
    return status;
  }
  (void)tndb_work_send(work, "ROLLBACK TO SAVEPOINT tndb_verify", 0, NULL);
  status = tndb_work_sync(work, error);
  if (status) {
    tndb_table_free(table);
    return status;
  }
  return tndb_table_finish(table, findings, error);
}

tenantdb_status tenantdb_tenant_verify(tenantdb *db, const char *name, tenantdb_result **findings,
                                       tenantdb_error **error) {
  tndb_error_reset(error);
  if (findings) {
    *findings = NULL;
  }
  if (!name || !findings) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       name ? "findings" : "tenant");
  }
  tenantdb_status status = tndb_database_check(db, error);
  if (status) {
    return status;
  }
  tndb_work work;
  tenantdb_tenant *tenant = NULL;
  tndb_table *table = tndb_table_new(finding_columns, N_COLUMNS);
  status = tndb_change_start(&work, db, name, &tenant, error);
  if (!status) {
    uint32_t without = TNDB_STATE_BIT(TENANTDB_TENANT_PENDING) | TNDB_STATE_BIT(TENANTDB_TENANT_DELETING) |
                       TNDB_STATE_BIT(TENANTDB_TENANT_DELETED);
    status = tndb_change_require(tenant, ~without, "verify", error);
  }
  if (!status) {
    status = verify(&work, tenant, table, error);
  }
  if (status) {
    tndb_error_set_tenant(error, name);
  }
  tndb_work_end(&work); /* rolls back: nothing of the scratch schema stays */
  tenantdb_tenant_free(tenant);
  if (status) {
    tndb_table_free(table);
    return status;
  }
  return tndb_table_finish(table, findings, error);
}

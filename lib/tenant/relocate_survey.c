/* SPDX-License-Identifier: PostgreSQL */
/*
 * What moves when shared tables do: the tables with their partitions, and what
 * they are made of as far as it is in the same schema and nobody else's. Indexes,
 * constraints, triggers, policies and owned sequences are a table's own and need
 * no mention. What other tables use as well stays, and is found by its number
 * as before.
 */
#include "tenant/relocate.h"

#include <string.h>

#include "base/memory.h"
#include "catalog/text_array.h"
#include "registry/registry.h"

/* $1 the old schema, $2 the new one, $3 names of relations, $4 of types and functions. */
static const char rel_sql[] =
    "WITH RECURSIVE ns AS (SELECT (SELECT oid FROM pg_namespace WHERE nspname = $1) AS old,"
    " (SELECT oid FROM pg_namespace WHERE nspname = $2) AS new),"
    " rel (oid, relname, relkind, relowner) AS (SELECT c.oid, c.relname, c.relkind, c.relowner FROM ns"
    " JOIN pg_class c ON c.relnamespace = ns.old WHERE c.relname = ANY ($3::text[])"
    " AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') UNION"
    " SELECT c.oid, c.relname, c.relkind, c.relowner FROM rel JOIN pg_inherits i ON i.inhparent = rel.oid"
    " JOIN ns ON true JOIN pg_class c ON c.oid = i.inhrelid AND c.relnamespace = ns.old)";

/* What the relations consist of, and the types and functions that this uses, and what these use. */
static const char used_sql[] =
    ", part (classid, objid) AS (SELECT 'pg_class'::regclass::oid, oid FROM rel"
    " UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM rel)"
    " UNION ALL SELECT 'pg_attrdef'::regclass, oid FROM pg_attrdef WHERE adrelid IN (SELECT oid FROM rel)"
    " UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE conrelid IN (SELECT oid FROM "
    "rel)"
    " UNION ALL SELECT 'pg_trigger'::regclass, oid FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM rel)"
    " UNION ALL SELECT 'pg_policy'::regclass, oid FROM pg_policy WHERE polrelid IN (SELECT oid FROM rel)"
    " UNION ALL SELECT 'pg_rewrite'::regclass, oid FROM pg_rewrite WHERE ev_class IN (SELECT oid FROM rel)),"
    " used (classid, objid) AS (SELECT d.refclassid, d.refobjid FROM part p JOIN pg_depend d ON d.classid ="
    " p.classid AND d.objid = p.objid WHERE d.refclassid IN ('pg_type'::regclass, 'pg_proc'::regclass)"
    " UNION SELECT 'pg_type'::regclass, t.oid FROM ns JOIN pg_type t ON t.typnamespace = ns.old"
    " WHERE t.typname = ANY ($4::text[])"
    " UNION SELECT 'pg_proc'::regclass, f.oid FROM ns JOIN pg_proc f ON f.pronamespace = ns.old"
    " WHERE f.proname = ANY ($4::text[])"
    " UNION SELECT n.classid, n.objid FROM used u CROSS JOIN LATERAL (SELECT d.refclassid AS classid,"
    " d.refobjid AS objid FROM pg_depend d WHERE d.classid = u.classid AND d.objid = u.objid"
    " AND d.refclassid IN ('pg_type'::regclass, 'pg_proc'::regclass) UNION ALL"
    " SELECT 'pg_type'::regclass, a.atttypid FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid"
    " WHERE u.classid = 'pg_type'::regclass AND t.oid = u.objid AND a.attnum > 0 AND NOT a.attisdropped) n),"
    " member (classid, objid) AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),"
    " moves (kind, oid, name, identity, stays) AS ("
    "SELECT 'type', t.oid, t.typname::text, quote_ident(t.typname), (SELECT 'a column of ' || c.oid::regclass"
    " FROM pg_depend d JOIN pg_class c ON c.oid = d.objid WHERE d.classid = 'pg_class'::regclass"
    " AND d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray) AND c.relkind IN ('r', "
    "'p', 'f')"
    " AND d.objsubid > 0 AND c.oid NOT IN (SELECT oid FROM rel) LIMIT 1)"
    " FROM used u JOIN pg_type t ON t.oid = u.objid JOIN ns ON t.typnamespace = ns.old"
    " WHERE u.classid = 'pg_type'::regclass AND (t.typtype IN ('e', 'd') OR t.typtype = 'c' AND EXISTS"
    " (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))"
    " UNION ALL SELECT 'function', f.oid, f.proname || '(' || pg_get_function_identity_arguments(f.oid) || "
    "')',"
    " quote_ident(f.proname) || '(' || pg_get_function_identity_arguments(f.oid) || ')',"
    " coalesce((SELECT 'a trigger of ' || g.tgrelid::regclass FROM pg_trigger g WHERE g.tgfoid = f.oid"
    " AND g.tgrelid NOT IN (SELECT oid FROM rel) LIMIT 1), (SELECT 'a default of ' || e.adrelid::regclass"
    " FROM pg_depend d JOIN pg_attrdef e ON e.oid = d.objid WHERE d.classid = 'pg_attrdef'::regclass"
    " AND d.refclassid = 'pg_proc'::regclass AND d.refobjid = f.oid AND e.adrelid NOT IN (SELECT oid FROM "
    "rel)"
    " LIMIT 1)) FROM used u JOIN pg_proc f ON f.oid = u.objid JOIN ns ON f.pronamespace = ns.old"
    " WHERE u.classid = 'pg_proc'::regclass)";

/* In the order in which they move: functions first, as long as the types of their arguments are where they were. */
static const char things_sql[] =
    " SELECT kind, name, identity, relkind, owned_by, note, oid FROM ("
    "SELECT CASE m.kind WHEN 'type' THEN 2 ELSE 1 END AS rank, CASE WHEN m.stays IS NULL THEN m.kind ELSE"
    " 'kept' END AS kind, m.name, m.identity, NULL::text AS relkind, NULL::text AS owned_by,"
    " 'it stays where it is: used by ' || m.stays AS note, m.oid FROM moves m WHERE NOT EXISTS (SELECT FROM "
    "member e"
    " WHERE e.objid = m.oid AND e.classid = CASE m.kind WHEN 'type' THEN 'pg_type'::regclass ELSE"
    " 'pg_proc'::regclass END)"
    " UNION ALL SELECT 3, 'relation', relname::text, quote_ident(relname), relkind::text, NULL, NULL, oid "
    "FROM rel"
    " WHERE relkind <> 'S'"
    /* owned by a column of theirs: serial, or identity */
    " UNION ALL SELECT 4, CASE d.deptype WHEN 'i' THEN 'identity' ELSE 'sequence' END, s.relname::text,"
    " quote_ident(s.relname), 'S', quote_ident(t.relname) || '.' || quote_ident(a.attname), NULL, s.oid"
    " FROM rel t JOIN pg_depend d ON d.refobjid = t.oid AND d.refclassid = 'pg_class'::regclass AND "
    "d.classid "
    "="
    " 'pg_class'::regclass AND d.deptype IN ('a', 'i') JOIN ns ON true JOIN pg_class s ON s.oid = d.objid"
    " AND s.relkind = 'S' AND s.relnamespace = ns.old"
    " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid"
    /* nobody's: declared, or the default of a column of theirs alone */
    " UNION ALL SELECT 4, 'sequence', s.relname::text, quote_ident(s.relname), 'S', NULL, NULL, s.oid FROM "
    "ns JOIN"
    " pg_class s ON s.relnamespace = ns.old AND s.relkind = 'S' WHERE NOT EXISTS (SELECT FROM pg_depend d"
    " WHERE d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.refclassid = 'pg_class'::regclass"
    " AND d.deptype IN ('a', 'i')) AND (s.oid IN (SELECT oid FROM rel) OR (SELECT"
    " bool_and(e.adrelid IN (SELECT oid FROM rel)) FROM pg_depend d JOIN pg_attrdef e ON e.oid = d.objid"
    " WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = "
    "s.oid))"
    " UNION ALL SELECT 5, 'statistics', x.stxname::text, quote_ident(x.stxname), NULL, NULL, NULL, x.oid "
    "FROM ns"
    " JOIN pg_statistic_ext x ON x.stxnamespace = ns.old WHERE x.stxrelid IN (SELECT oid FROM rel)"
    " UNION ALL SELECT 6, CASE WHEN c.oid IS NULL THEN 'missing' ELSE 'there' END, w.name, "
    "quote_ident(w.name),"
    " c.relkind::text, NULL, NULL, c.oid FROM unnest($3::text[]) w (name) JOIN ns ON true LEFT JOIN pg_class "
    "c"
    " ON c.relnamespace = ns.new AND c.relname = w.name WHERE NOT EXISTS (SELECT FROM rel WHERE rel.relname ="
    " w.name)"
    ") t ORDER BY rank, name COLLATE \"C\"";

/* What is in the way: code, object, note, remedy. */
static const char obstacles_sql[] =
    ", names (name) AS (SELECT relname FROM rel UNION SELECT x.relname FROM rel JOIN pg_index i ON "
    "i.indrelid ="
    " rel.oid JOIN pg_class x ON x.oid = i.indexrelid UNION SELECT s.relname FROM rel JOIN pg_depend d ON"
    " d.refobjid = rel.oid AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass"
    " AND d.deptype IN ('a', 'i') JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S')"
    " SELECT 'taken', c.relname::text, format('something of that name is in schema %s already', $2), NULL"
    " FROM names JOIN ns ON true JOIN pg_class c ON c.relnamespace = ns.new AND c.relname = names.name"
    " UNION ALL SELECT 'taken', t.typname::text, format('a type of that name is in schema %s already', $2),"
    " NULL FROM (SELECT name FROM moves WHERE kind = 'type' AND stays IS NULL UNION SELECT relname FROM rel) "
    "m"
    " JOIN ns ON true JOIN pg_type t ON t.typnamespace = ns.new AND t.typname = m.name"
    " WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind <> 'c')"
    " UNION ALL SELECT 'taken', m.name, format('a function like it is in schema %s already', $2), NULL"
    " FROM moves m JOIN pg_proc f ON f.oid = m.oid JOIN ns ON true JOIN pg_proc o ON o.pronamespace = ns.new"
    " AND o.proname = f.proname AND o.proargtypes = f.proargtypes WHERE m.kind = 'function' AND m.stays IS "
    "NULL"
    " UNION ALL SELECT 'extension', rel.relname::text, format('it belongs to extension %s, and only ALTER"
    " EXTENSION moves it', e.extname), format('ALTER EXTENSION %I SET SCHEMA %I', e.extname, $2::text)"
    " FROM rel JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = rel.oid AND d.deptype = 'e'"
    " JOIN pg_extension e ON e.oid = d.refobjid"
    " UNION ALL SELECT 'owner', rel.relname::text, format('%s owns it and %s is no member of that role',"
    " pg_get_userbyid(rel.relowner), current_user), format('GRANT %I TO %I', pg_get_userbyid(rel.relowner),"
    " current_user) FROM rel WHERE NOT pg_has_role(rel.relowner, 'USAGE')"
    " UNION ALL SELECT 'owner', format('schema %s', s.name), format('%s may not make anything in it',"
    " current_user), format('GRANT CREATE, USAGE ON SCHEMA %I TO %I', s.name, current_user) FROM ns JOIN"
    " LATERAL (VALUES (ns.new, $2::text), (CASE WHEN $5::boolean THEN ns.old END, $1::text)) s (oid, name) ON"
    " NOT has_schema_privilege(s.oid, 'CREATE')"
    " UNION ALL SELECT DISTINCT 'owner', rel.relname::text, format('its owner %s would own a view in schema "
    "%s, and"
    " may not make one there', pg_get_userbyid(rel.relowner), s.name), format('GRANT CREATE ON SCHEMA %I TO"
    " %I', s.name, pg_get_userbyid(rel.relowner)) FROM rel JOIN ns ON true JOIN LATERAL (VALUES (ns.new,"
    " $2::text), (ns.old, $1::text)) s (oid, name) ON NOT has_schema_privilege(rel.relowner, s.oid, 'CREATE')"
    " WHERE $5::boolean AND rel.relkind <> 'S' AND pg_get_userbyid(rel.relowner) <> current_user AND NOT"
    " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
    " UNION ALL SELECT 'row security', c.relname::text, 'a view would read it with its owner''s rights before"
    " PostgreSQL 15, past its policies: relocate it at once', NULL FROM rel JOIN pg_class c ON c.oid = "
    "rel.oid"
    " WHERE $5::boolean AND c.relrowsecurity AND current_setting('server_version_num')::integer < 150000";

/* Who has something to do with the tables and could use their schema must be able to use the new one. */
static const char grantees_sql[] =
    ", who (id) AS (SELECT a.grantee FROM rel JOIN pg_class c ON c.oid = rel.oid CROSS JOIN LATERAL"
    " aclexplode(c.relacl) a UNION SELECT a.grantee FROM rel JOIN pg_attribute t ON t.attrelid = rel.oid"
    " CROSS JOIN LATERAL aclexplode(t.attacl) a UNION SELECT relowner FROM rel),"
    " everybody (schema) AS (SELECT n.oid FROM pg_namespace n CROSS JOIN LATERAL "
    "aclexplode(coalesce(n.nspacl,"
    " acldefault('n', n.nspowner))) a WHERE a.grantee = 0 AND a.privilege_type = 'USAGE')"
    " SELECT 'PUBLIC' FROM who JOIN ns ON true WHERE who.id = 0 AND ns.old IN (SELECT schema FROM everybody)"
    " AND coalesce(ns.new, 0) NOT IN (SELECT schema FROM everybody)"
    " UNION ALL SELECT quote_ident(r.rolname) FROM who JOIN pg_roles r ON r.oid = who.id JOIN ns ON true"
    " WHERE r.rolname <> current_user AND NOT r.rolsuper AND has_schema_privilege(r.oid, ns.old, 'USAGE')"
    " AND (ns.new IS NULL OR NOT has_schema_privilege(r.oid, ns.new, 'USAGE')) ORDER BY 1";

/* ---------------------------------------------------------------- what is declared */

static void add_declared(const tenantdb_registry *registry, tndb_text_array *others) {
  for (size_t b = 0; b < registry->n_bases; b++) {
    const tenantdb_base *base = registry->bases[b];
    for (size_t i = 0; base->kind == TENANTDB_BASE_SHARED && i < base->n_items; i++) {
      const tndb_item *item = &base->items[i];
      if ((item->kind == TNDB_DDL_TYPE || item->kind == TNDB_DDL_FUNCTION) && item->name) {
        tndb_text_array_add(others, item->name);
      }
    }
  }
}

/* The names that are asked for: those on the list, else all that the shared bases declare. */
static bool choose(const tndb_relocation *job, tndb_text_array *names, tndb_text_array *others) {
  const tndb_relocate_settings *settings = &job->settings;
  const tenantdb_registry *registry = job->db->registry;
  for (size_t i = 0; i < settings->n_tables; i++) {
    tndb_text_array_add(names, settings->tables[i]);
  }
  if (settings->n_tables > 0) {
    return true;
  }
  size_t count = tndb_registry_relations(registry, TENANTDB_BASE_SHARED, NULL, 0);
  tndb_relation *relations = tndb_alloc_array(count + 1, sizeof *relations);
  if (!relations) {
    return false;
  }
  (void)tndb_registry_relations(registry, TENANTDB_BASE_SHARED, relations, count);
  for (size_t i = 0; i < count; i++) {
    tndb_text_array_add(names, relations[i].name);
  }
  tndb_free(relations);
  add_declared(registry, others);
  return true;
}

/* ---------------------------------------------------------------- asking */

static void note_obstacles(tndb_relocation *job, const PGresult *rows) {
  for (int i = 0; i < PQntuples(rows); i++) {
    const char *code = PQgetvalue(rows, i, 0);
    tndb_refusal kind = code[0] == 't'   ? TNDB_REFUSAL_TAKEN
                        : code[0] == 'o' ? TNDB_REFUSAL_PERMISSION
                                         : TNDB_REFUSAL_OTHER;
    tndb_relocate_refuse(job, kind, "check", PQgetvalue(rows, i, 1),
                         PQgetisnull(rows, i, 3) ? NULL : PQgetvalue(rows, i, 3), PQgetvalue(rows, i, 2));
  }
}

/* What is there already, what stays, and what nobody has: rows that are no statements. */
static void note_things(tndb_relocation *job, const tndb_survey *survey) {
  for (int i = 0; i < PQntuples(survey->things); i++) {
    const char *name = tndb_survey_cell(survey, i, TNDB_THING_NAME);
    if (tndb_survey_is(survey, i, "there")) {
      tndb_relocate_add(
          job,
          &(tndb_relocate_row){
              .step = "move", .object = name, .state = "there", .note = "it is in the new schema already"});
    } else if (tndb_survey_is(survey, i, "kept")) {
      tndb_relocate_add(job, &(tndb_relocate_row){.step = "keep",
                                                  .object = name,
                                                  .state = "kept",
                                                  .note = tndb_survey_cell(survey, i, TNDB_THING_NOTE)});
    } else if (tndb_survey_is(survey, i, "missing")) {
      tndb_relocate_suspect(job, TNDB_REFUSAL_OTHER, "check", name, NULL,
                            "it is in neither schema; tenantdb_bootstrap() makes what is declared");
    }
  }
}

static size_t send(tndb_work *work, const char *used, const char *sql, int32_t count,
                   const char *const *values) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_append(&text, rel_sql);
  tndb_buffer_append(&text, used);
  tndb_buffer_append(&text, sql);
  tndb_work_fail_if(work, text.failed);
  return text.failed ? TNDB_NONE : tndb_work_send(work, tndb_buffer_text(&text), count, values);
}

tenantdb_status tndb_survey_read(tndb_work *work, tndb_relocation *job, tndb_survey *survey,
                                 tenantdb_error **error) {
  tndb_auto_text_array names = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_text_array others = TNDB_TEXT_ARRAY_INIT;
  *survey = (tndb_survey){NULL, NULL};
  const char *values[] = {job->settings.from, job->settings.to, NULL, NULL,
                          job->settings.views ? "true" : "false"};
  bool complete = choose(job, &names, &others);
  values[2] = tndb_text_array_finish(&names);
  values[3] = tndb_text_array_finish(&others);
  if (!complete || !values[2] || !values[3]) {
    return tndb_no_memory(error);
  }
  size_t things = send(work, used_sql, things_sql, 4, values);
  size_t grantees = send(work, "", grantees_sql, 3, values);
  size_t obstacles = send(work, used_sql, obstacles_sql, 5, values);
  tenantdb_status status = tndb_work_sync(work, error);
  if (status) {
    tndb_error_prefix(error, "finding out what would move");
    return status;
  }
  survey->things = tndb_exchange_take(work->conn, things);
  survey->grantees = tndb_exchange_take(work->conn, grantees);
  note_obstacles(job, tndb_exchange_result(work->conn, obstacles));
  note_things(job, survey);
  /* By views the old names stay, and so do the texts' meaning: finishing looks at them. */
  return job->settings.views ? TENANTDB_OK : tndb_relocate_texts(work, job, values[2], error);
}

void tndb_survey_free(tndb_survey *survey) {
  PQclear(survey->things);
  PQclear(survey->grantees);
  *survey = (tndb_survey){NULL, NULL};
}

const char *tndb_survey_cell(const tndb_survey *survey, int row, int column) {
  return PQgetisnull(survey->things, row, column) ? NULL : PQgetvalue(survey->things, row, column);
}

bool tndb_survey_is(const tndb_survey *survey, int row, const char *kind) {
  return strcmp(PQgetvalue(survey->things, row, TNDB_THING_KIND), kind) == 0;
}

bool tndb_survey_has(const tndb_survey *survey, const char *kind) {
  for (int i = 0; i < PQntuples(survey->things); i++) {
    if (tndb_survey_is(survey, i, kind)) {
      return true;
    }
  }
  return false;
}

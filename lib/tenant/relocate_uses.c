/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who uses a name that is to go. The server knows what depends on a view; it knows
 * who has a lock on one at this moment, and everybody's last statement, if he may
 * be read. Texts of functions and statements are looked through for the table's
 * name with its schema. A name without one is found by the search path, which
 * nobody can know of others; so what is not found here may be there all the same.
 */
#include "base/buffer.h"
#include "tenant/relocate.h"

#define LOOK_EVERY_MS 20

/* What names one of the tables `names` (an array of texts) with the schema $1, or without, as patterns. */
#define ESCAPED(name) "regexp_replace(replace(" name ", '\"', '\"\"'), '([^[:alnum:]_])', '\\\\\\1', 'g')"
#define PATTERNS(names) \
  "WITH p AS (SELECT '(?i)(?:\\m|\")' || " ESCAPED("$1::text") " || '\"?\\s*\\.\\s*\"?(?:' || names ||"      \
  " ')(?:\"|\\M)' AS qualified, '(?i)(?:\\m|\")(?:' || names || ')(?:\"|\\M)' AS bare FROM (SELECT"          \
  " string_agg(" ESCAPED("name") ", '|') AS names FROM unnest(" names "::text[]) name) n)"

/* $1 the old schema, $2 the new one, $3 names of tables. */
static const char texts_sql[] = PATTERNS("$3")
    " SELECT format('%I.%I(%s)', n.nspname, f.proname, pg_get_function_identity_arguments(f.oid)),"
    " CASE WHEN f.prosrc ~ p.qualified THEN 'its text names ' || substring(f.prosrc FROM p.qualified) ELSE"
    " 'it sets its search path to schema ' || $1 || ' and names ' || substring(f.prosrc FROM p.bare) END"
    " FROM p JOIN pg_proc f ON true JOIN pg_namespace n ON n.oid = f.pronamespace JOIN pg_language l ON l.oid ="
    " f.prolang WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND l.lanname NOT IN ('c',"
    " 'internal') AND p.qualified IS NOT NULL AND (f.prosrc ~ p.qualified OR f.prosrc ~ p.bare AND EXISTS"
    " (SELECT FROM unnest(f.proconfig) c CROSS JOIN LATERAL (SELECT string_to_array(regexp_replace("
    "substr(c, 13), '\\s*,\\s*', ',', 'g'), ',') AS path) s WHERE c LIKE 'search_path=%' AND (quote_ident($1)"
    " = ANY (s.path) OR '\"' || $1 || '\"' = ANY (s.path)) AND NOT (quote_ident($2) = ANY (s.path) OR"
    " '\"' || $2 || '\"' = ANY (s.path)))) AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid ="
    " 'pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e') ORDER BY 1";

/* $1 the views' schema, $2 their names. Views and rules by their relation; what is of the view itself is no use. */
static const char dependents_sql[] =
    "WITH v AS (SELECT c.oid, c.relname, c.reltype, t.typarray FROM pg_class c JOIN pg_namespace n ON n.oid ="
    " c.relnamespace JOIN pg_type t ON t.oid = c.reltype WHERE n.nspname = $1 AND c.relname = ANY "
    "($2::text[])"
    " AND c.relkind = 'v')"
    " SELECT DISTINCT coalesce((SELECT CASE c.relkind WHEN 'm' THEN 'materialized view ' WHEN 'v' THEN 'view "
    "'"
    " ELSE 'table ' END || c.oid::regclass FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE"
    " d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid), pg_describe_object(d.classid, d.objid,"
    " d.objsubid)), 'it depends on view ' || $1 || '.' || v.relname FROM v JOIN pg_depend d ON (d.refclassid "
    "="
    " 'pg_class'::regclass AND d.refobjid = v.oid OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN"
    " (v.reltype, v.typarray)) AND d.deptype IN ('n', 'a') WHERE NOT (d.classid = 'pg_rewrite'::regclass AND"
    " EXISTS (SELECT FROM pg_rewrite r WHERE r.oid = d.objid AND r.ev_class = v.oid)) ORDER BY 1, 2";

/* $1 the views' schema, $2 their names. */
static const char sessions_sql[] = PATTERNS("$2")
    " SELECT format('session %s (user %s, application %s)', a.pid, a.usename, a.application_name), u.note FROM"
    " (SELECT l.pid, 'it holds or waits for a lock on ' || c.oid::regclass AS note FROM pg_locks l JOIN"
    " pg_database b ON b.oid = l.database AND b.datname = current_database() JOIN pg_class c ON c.oid ="
    " l.relation AND c.relkind = 'v' AND c.relname = ANY ($2::text[]) JOIN pg_namespace n ON n.oid ="
    " c.relnamespace AND n.nspname = $1 WHERE l.locktype = 'relation'"
    " UNION SELECT s.pid, 'its last statement names ' || substring(s.query FROM p.qualified) FROM"
    " pg_stat_activity s JOIN p ON s.query ~ p.qualified WHERE s.datname = current_database()) u JOIN"
    " pg_stat_activity a ON a.pid = u.pid WHERE a.pid <> pg_backend_pid() ORDER BY 1, 2";

static tenantdb_status ask(tndb_work *work, const char *sql, int32_t count, const char *const *values,
                           PGresult **rows, tenantdb_error **error) {
  *rows = NULL;
  return tndb_work_query(work, sql, count, values, rows, error);
}

tenantdb_status tndb_relocate_texts(tndb_work *work, tndb_relocation *job, const char *names,
                                    tenantdb_error **error) {
  const char *values[] = {job->settings.from, job->settings.to, names};
  PGresult *rows;
  tenantdb_status status = ask(work, texts_sql, 3, values, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    tndb_auto_buffer object = TNDB_BUFFER_INIT;
    tndb_buffer_format(&object, "function %s", PQgetvalue(rows, i, 0));
    tndb_relocate_suspect(job, TNDB_REFUSAL_USED, "check", tndb_buffer_text(&object), NULL,
                          PQgetvalue(rows, i, 1));
  }
  PQclear(rows);
  return status;
}

tenantdb_status tndb_relocate_dependents(tndb_work *work, tndb_relocation *job, const char *names,
                                         tenantdb_error **error) {
  const char *values[] = {job->settings.from, names};
  PGresult *rows;
  tenantdb_status status = ask(work, dependents_sql, 2, values, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    tndb_relocate_refuse(job, TNDB_REFUSAL_USED, "check", PQgetvalue(rows, i, 0), NULL,
                         PQgetvalue(rows, i, 1));
  }
  PQclear(rows);
  return status;
}

/* Looks until somebody is seen, or the time is over; whoever is seen once is enough. */
tenantdb_status tndb_relocate_sessions(tndb_work *work, tndb_relocation *job, const char *names,
                                       tenantdb_error **error) {
  const char *values[] = {job->settings.from, names};
  int64_t until = tndb_clock_ms() + job->settings.watch_ms;
  PGresult *rows = NULL;
  tenantdb_status status;
  for (;;) {
    /* A transaction has one picture of the sessions' statements, unless it is told to take another. */
    (void)tndb_work_send(work, "SELECT pg_catalog.pg_stat_clear_snapshot()", 0, NULL);
    status = ask(work, sessions_sql, 2, values, &rows, error);
    if (status || PQntuples(rows) > 0 || tndb_clock_ms() >= until) {
      break;
    }
    PQclear(rows);
    tndb_clock_sleep_ms(LOOK_EVERY_MS);
  }
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    tndb_relocate_suspect(job, TNDB_REFUSAL_USED, "check", PQgetvalue(rows, i, 0), NULL,
                          PQgetvalue(rows, i, 1));
  }
  PQclear(rows);
  return status;
}

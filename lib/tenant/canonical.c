/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/canonical.h"

/*
 * PostgreSQL writes an object's definition; with the schema in the search path
 * its own names come out unqualified, and where PostgreSQL qualifies all the
 * same (function definitions), the schema's name is taken out.
 */
static const char canonical_sql[] =
    "WITH s AS (SELECT oid, pg_catalog.quote_ident(nspname) || '.' AS prefix FROM pg_catalog.pg_namespace"
    " WHERE nspname = $1), rel AS (SELECT c.* FROM pg_catalog.pg_class c JOIN s ON c.relnamespace = s.oid)"
    " SELECT kind, object, pg_catalog.replace(definition, (SELECT prefix FROM s), '') FROM ("
    /* tables, views and sequences */
    " SELECT 'relation' AS kind, c.relname::text AS object, CASE c.relkind WHEN 'r' THEN 'table'"
    " WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'"
    " WHEN 'S' THEN 'sequence' ELSE 'foreign table' END"
    " || CASE c.relpersistence WHEN 'u' THEN ' unlogged' ELSE '' END"
    " || CASE WHEN c.relrowsecurity THEN ' row security' ELSE '' END AS definition"
    " FROM rel c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')"
    " UNION ALL SELECT 'view', c.relname::text, pg_catalog.pg_get_viewdef(c.oid, true)"
    " FROM rel c WHERE c.relkind IN ('v', 'm')"
    " UNION ALL SELECT 'column', c.relname || '.' || a.attname, pg_catalog.format_type(a.atttypid, "
    "a.atttypmod)"
    " || CASE WHEN a.attcollation <> t.typcollation THEN ' collate ' || a.attcollation::regcollation ELSE '' "
    "END"
    " || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END"
    " || CASE a.attidentity WHEN 'a' THEN ' identity always' WHEN 'd' THEN ' identity by default' ELSE '' END"
    " || coalesce(CASE WHEN a.attgenerated <> '' THEN ' generated ' ELSE ' default ' END"
    " || pg_catalog.pg_get_expr(d.adbin, d.adrelid), '')"
    " FROM rel c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum"
    " WHERE c.relkind IN ('r', 'p', 'f')"
    /* NOT NULL is a column's property; from PostgreSQL 18 on it is a constraint, too */
    " UNION ALL SELECT 'constraint', c.relname || '.' || k.conname, pg_catalog.pg_get_constraintdef(k.oid, "
    "true)"
    " FROM rel c JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid WHERE k.contype IN ('c', 'f', 'p', "
    "'u', 'x')"
    " UNION ALL SELECT 'index', x.relname::text, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true)"
    " || CASE WHEN i.indisvalid AND i.indisready AND i.indislive THEN '' ELSE ' INVALID' END"
    " FROM rel c JOIN pg_catalog.pg_index i ON i.indrelid = c.oid"
    " JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid WHERE c.relkind IN ('r', 'p', 'm')"
    " UNION ALL SELECT 'trigger', c.relname || '.' || g.tgname, pg_catalog.pg_get_triggerdef(g.oid, true)"
    " FROM rel c JOIN pg_catalog.pg_trigger g ON g.tgrelid = c.oid WHERE NOT g.tgisinternal"
    " UNION ALL SELECT 'sequence', c.relname::text, pg_catalog.format('%s start %s increment %s',"
    " q.seqtypid::regtype, q.seqstart, q.seqincrement)"
    " FROM rel c JOIN pg_catalog.pg_sequence q ON q.seqrelid = c.oid"
    " UNION ALL SELECT 'function', p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) "
    "|| ')',"
    " CASE WHEN p.prokind = 'a' THEN 'aggregate' ELSE pg_catalog.pg_get_functiondef(p.oid) END"
    " FROM pg_catalog.pg_proc p JOIN s ON p.pronamespace = s.oid"
    " UNION ALL SELECT 'type', t.typname::text, t.typtype::text || coalesce(': ' || (SELECT "
    "pg_catalog.string_agg("
    " e.enumlabel::text, ', ' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = "
    "t.oid), '')"
    " || coalesce(': ' || pg_catalog.format_type(nullif(t.typbasetype, 0), t.typtypmod), '')"
    " FROM pg_catalog.pg_type t JOIN s ON t.typnamespace = s.oid WHERE t.typtype IN ('e', 'd', 'r')"
    " OR (t.typtype = 'c' AND EXISTS (SELECT FROM rel c WHERE c.oid = t.typrelid AND c.relkind = 'c'))"
    ") found ORDER BY kind COLLATE \"C\", object COLLATE \"C\"";

tenantdb_status tndb_canonical_read(tndb_work *work, const char *schema, PGresult **rows,
                                    tenantdb_error **error) {
  *rows = NULL;
  tenantdb_status status = tndb_work_set_path(work, schema, error);
  return status ? status : tndb_work_query(work, canonical_sql, 1, &schema, rows, error);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Tables and what belongs to one: columns, constraints, indexes, triggers, rules; and views. */
#include "schema/form_sql.h"

static const char relations_sql[] =
    " SELECT nsp, word AS kind, NULL::text AS parent, name AS object, word"
    " || CASE c.relkind WHEN 'p' THEN coalesce(' partition by ' || pg_get_partkeydef(c.oid), '') ELSE '' END"
    " || CASE c.relpersistence WHEN 'u' THEN ' unlogged' ELSE '' END"
    " || CASE WHEN c.reloftype <> 0 THEN ' of ' || format_type(c.reloftype, NULL) ELSE '' END"
    " || coalesce(CASE WHEN c.relispartition THEN ' partition of ' ELSE ' inherits ' END || (SELECT "
    "string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)"
    " FROM pg_inherits i WHERE i.inhrelid = c.oid), '')"
    " || coalesce(' ' || pg_get_expr(c.relpartbound, c.oid), '')"
    " || coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', '')"
    " || CASE c.relreplident WHEN 'd' THEN '' WHEN 'f' THEN ' replica identity full' WHEN 'n' THEN ' replica "
    "identity nothing'"
    " ELSE ' replica identity using index' END AS definition, '' AS tail"
    " FROM rel c WHERE c.relkind IN ('r', 'p', 'f')"
    " UNION ALL SELECT nsp, 'row security', name, name, CASE WHEN c.relrowsecurity THEN 'enabled' ELSE "
    "'disabled' END || CASE WHEN c.relforcerowsecurity THEN ', forced' ELSE '' END, ''"
    " FROM rel c WHERE c.relrowsecurity OR c.relforcerowsecurity"
    " UNION ALL SELECT nsp, word, NULL, name, CASE WHEN c.reloptions IS NULL THEN '' ELSE 'with (' || "
    "array_to_string(c.reloptions, ', ') || ') ' END || chr(30)"
    " || '(' || (SELECT string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod), ', "
    "' ORDER BY a.attnum) FROM pg_attribute a"
    " WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) || ')' || chr(30) || ' as ' || "
    "chr(30) || pg_get_viewdef(c.oid, true), ''"
    " FROM rel c WHERE c.relkind IN ('v', 'm')"
    " UNION ALL SELECT nsp, 'column', c.name, c.name || '.' || a.attname, format_type(a.atttypid, "
    "a.atttypmod)"
    " || chr(30) || CASE WHEN a.attcollation <> t.typcollation THEN ' collate ' || "
    "a.attcollation::regcollation ELSE '' END"
    " || chr(30) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END";

/* From 18 on NOT NULL is a constraint, which may be unproved. */
static const char unproved_sql[] =
    " || CASE WHEN a.attnotnull AND EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid AND "
    "k.contype = 'n' AND k.conkey[1] = a.attnum AND NOT k.convalidated) THEN ' not valid' ELSE '' END";

static const char columns_sql[] =
    " || chr(30) || CASE a.attidentity WHEN 'a' THEN ' identity always' WHEN 'd' THEN ' identity by default' "
    "ELSE '' END"
    " || chr(30) || coalesce(CASE a.attgenerated WHEN '' THEN ' default ' WHEN 's' THEN ' generated ' ELSE ' "
    "generated virtual ' END || pg_get_expr(d.adbin, d.adrelid), '')"
    " || chr(30) || CASE WHEN a.attstorage <> t.typstorage THEN ' storage ' || CASE a.attstorage WHEN 'p' "
    "THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END ELSE '' END"
    " || chr(30)";

/* Only what somebody asked for: the default is the server's. */
static const char compression_sql[] =
    " || CASE a.attcompression WHEN 'p' THEN ' compression pglz' WHEN 'l' THEN ' compression lz4' ELSE '' "
    "END";

static const char options_sql[] =
    " || CASE WHEN strpos(a.attoptions::text, 'n_distinct') > 0 THEN (SELECT ' with (' || string_agg(o, ', ' "
    "ORDER BY o COLLATE \"C\") || ')' FROM unnest(a.attoptions) o WHERE starts_with(o, 'n_distinct')) ELSE "
    "'' END, ''"
    " FROM rel c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN "
    "pg_type t ON t.oid = a.atttypid"
    " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef WHERE "
    "c.relkind IN ('r', 'p', 'f')";

static const char parts_sql[] =
    " UNION ALL SELECT nsp, 'constraint', c.name, c.name || '.' || k.conname, pg_get_constraintdef(k.oid, "
    "true)"
    " || CASE WHEN i.indisvalid AND i.indisready AND i.indislive THEN '' ELSE coalesce(substr(' INVALID', 1, "
    "i.indnatts * 8), '') END, ''"
    " FROM rel c JOIN pg_constraint k ON k.conrelid = c.oid LEFT JOIN pg_index i ON i.indexrelid = "
    "k.conindid AND k.contype IN ('p', 'u', 'x')"
    " WHERE c.relkind IN ('r', 'p', 'f') AND k.contype IN ('c', 'f', 'p', 'u', 'x')"
    " UNION ALL SELECT nsp, 'index', c.name, x.relname::text, pg_get_indexdef(i.indexrelid, 0, true)"
    " || CASE WHEN i.indisvalid AND i.indisready AND i.indislive THEN '' ELSE chr(30) || ' INVALID' END, ''"
    " FROM rel c JOIN pg_index i ON i.indrelid = c.oid JOIN pg_class x ON x.oid = i.indexrelid WHERE "
    "c.relkind IN ('r', 'p', 'm')"
    " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = "
    "i.indexrelid AND d.objsubid = 0"
    " AND d.refclassid = 'pg_constraint'::regclass AND d.deptype = 'i')"
    " UNION ALL SELECT nsp, 'trigger', c.name, c.name || '.' || g.tgname, pg_get_triggerdef(g.oid, true) || "
    "chr(30)"
    " || CASE g.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN ' DISABLED' WHEN 'A' THEN ' ENABLED ALWAYS' ELSE ' "
    "ENABLED REPLICA' END, ''"
    " FROM rel c JOIN pg_trigger g ON g.tgrelid = c.oid WHERE NOT g.tgisinternal"
    " UNION ALL SELECT nsp, 'rule', c.name, c.name || '.' || w.rulename, pg_get_ruledef(w.oid, true), '' "
    "FROM rel c JOIN pg_rewrite w ON w.ev_class = c.oid"
    " WHERE w.rulename <> '_RETURN'";

void tndb_form_sql_tables(tndb_buffer *sql, int version) {
  tndb_buffer_append(sql, relations_sql);
  if (version >= 180000) {
    tndb_buffer_append(sql, unproved_sql);
  }
  tndb_buffer_append(sql, columns_sql);
  tndb_buffer_append(sql, version >= 140000 ? compression_sql : " || ''");
  tndb_buffer_append(sql, options_sql);
  tndb_buffer_append(sql, parts_sql);
}

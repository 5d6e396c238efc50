/* SPDX-License-Identifier: PostgreSQL */
/* What stands beside tables: sequences, functions, types, all else; and comments on anything. */
#include "schema/form_sql.h"

/* SET search_path FROM CURRENT keeps the path as it was set: with quotes that a name need not have. */
static const char functions_sql[] =
    " UNION ALL SELECT nsp, 'sequence', (SELECT r.relname::text FROM pg_depend d JOIN pg_class r ON r.oid = "
    "d.refobjid WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = "
    "'pg_class'::regclass AND d.deptype IN ('a', 'i')),"
    " c.name, q.seqtypid::regtype || chr(30) || ' start ' || q.seqstart || chr(30) || ' increment ' || "
    "q.seqincrement || chr(30) || ' min ' || q.seqmin || chr(30) || ' max ' || q.seqmax"
    " || chr(30) || CASE WHEN q.seqcycle THEN ' cycle' ELSE '' END || chr(30) || ' cache ' || q.seqcache,"
    " coalesce((SELECT chr(30) || CASE d.deptype WHEN 'i' THEN ' identity of ' ELSE ' owned by ' END || "
    "chr(1) || quote_ident(r.relname) || '.' || quote_ident(a.attname) FROM pg_depend d"
    " JOIN pg_class r ON r.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = "
    "d.refobjsubid"
    " WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND "
    "d.deptype IN ('a', 'i')), chr(30))"
    " FROM rel c JOIN pg_sequence q ON q.seqrelid = c.oid"
    " UNION ALL SELECT nsp, p.word, NULL, p.name,"
    " CASE p.prokind WHEN 'a' THEN (SELECT 'returns ' || pg_get_function_result(p.oid) || chr(30) || ' sfunc "
    "' || g.aggtransfn::regprocedure || ' stype ' || format_type(g.aggtranstype, NULL)"
    " || coalesce(' finalfunc ' || nullif(g.aggfinalfn, 0)::regprocedure, '') || coalesce(' combinefunc ' || "
    "nullif(g.aggcombinefn, 0)::regprocedure, '')"
    " || coalesce(' initcond ' || quote_literal(g.agginitval), '') || coalesce(' sortop ' || "
    "nullif(g.aggsortop, 0)::regoperator, '') FROM pg_aggregate g WHERE g.aggfnoid = p.oid)"
    " ELSE coalesce('returns ' || pg_get_function_result(p.oid), '') || chr(30) || ' (' || "
    "pg_get_function_arguments(p.oid) || ')' END"
    " || ' language ' || l.lanname || CASE p.prokind WHEN 'w' THEN ' window' ELSE '' END"
    " || CASE p.provolatile WHEN 'i' THEN ' immutable' WHEN 's' THEN ' stable' ELSE '' END || CASE "
    "p.proparallel WHEN 's' THEN ' parallel safe' WHEN 'r' THEN ' parallel restricted' ELSE '' END"
    " || CASE WHEN p.proisstrict THEN ' strict' ELSE '' END || CASE WHEN p.prosecdef THEN ' security "
    "definer' ELSE '' END || CASE WHEN p.proleakproof THEN ' leakproof' ELSE '' END"
    " || CASE WHEN p.procost <> CASE WHEN l.lanname IN ('c', 'internal') THEN 1 ELSE 100 END THEN ' cost ' "
    "|| p.procost ELSE '' END"
    " || CASE WHEN p.proretset AND p.prorows <> 1000 THEN ' rows ' || p.prorows ELSE '' END"
    " || CASE WHEN p.prosupport <> 0 THEN ' support ' || p.prosupport::regproc ELSE '' END"
    " || coalesce((SELECT string_agg(' set ' || CASE WHEN starts_with(s, 'search_path=') THEN 'search_path = "
    "' ||"
    " btrim(replace(replace(', ' || substr(s, 13) || ',', ', ' || p.ident || ',', ', ' || chr(3) || ','),"
    " ', \"' || p.ident || '\",', ', ' || chr(3) || ','), ', ') ELSE s END,"
    " '' ORDER BY split_part(s, '=', 1)) FROM unnest(p.proconfig) s), '')";

/* A body that was parsed when it was made. */
static const char parsed_body_sql[] = " || coalesce(' as ' || pg_get_function_sqlbody(p.oid), '')";

static const char function_end_sql[] =
    " , CASE p.prokind WHEN 'a' THEN '' ELSE chr(30) || ' as ' || p.prosrc || coalesce(', ' || p.probin, '') "
    "END"
    " FROM fn p JOIN pg_language l ON l.oid = p.prolang";

static const char types_sql[] =
    " UNION ALL SELECT nsp, 'type', NULL, y.typname::text, CASE y.typtype"
    " WHEN 'e' THEN 'enum' || chr(30) || ' ' || (SELECT string_agg(quote_literal(e.enumlabel), chr(30) || ', "
    "' "
    "ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = y.oid)"
    " WHEN 'd' THEN 'domain over ' || format_type(y.typbasetype, y.typtypmod) || CASE WHEN y.typcollation <> "
    "(SELECT b.typcollation FROM pg_type b WHERE b.oid = y.typbasetype) THEN ' collate ' || "
    "y.typcollation::regcollation ELSE '' END"
    " || chr(30) || coalesce(' default ' || CASE WHEN y.typdefaultbin IS NULL THEN "
    "quote_literal(y.typdefault) ELSE pg_get_expr(y.typdefaultbin, 0) END, '') || chr(30) || CASE WHEN "
    "y.typnotnull THEN ' not null' ELSE '' END"
    " || coalesce((SELECT string_agg(chr(30) || ' constraint ' || quote_ident(k.conname) || ' ' || "
    "pg_get_constraintdef(k.oid, true), '' ORDER BY k.conname COLLATE \"C\") FROM pg_constraint k WHERE "
    "k.contypid = y.oid AND k.contype = 'c'), '')"
    " WHEN 'c' THEN 'composite' || coalesce((SELECT string_agg(chr(30) || CASE WHEN a.attnum = 1 THEN ' ' "
    "ELSE ', ' END || quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN "
    "a.attcollation <> b.typcollation THEN ' collate ' || a.attcollation::regcollation ELSE '' END, '' ORDER "
    "BY a.attnum)"
    " FROM pg_attribute a JOIN pg_type b ON b.oid = a.atttypid WHERE a.attrelid = y.typrelid AND a.attnum > "
    "0 AND NOT a.attisdropped), '')"
    " WHEN 'r' THEN (SELECT 'range of ' || format_type(g.rngsubtype, NULL) || CASE WHEN g.rngcollation <> 0 "
    "THEN ' collate ' || g.rngcollation::regcollation ELSE '' END || CASE WHEN g.rngcanonical <> 0 THEN ' "
    "canonical ' || g.rngcanonical::regproc ELSE '' END"
    " || CASE WHEN g.rngsubdiff <> 0 THEN ' subdiff ' || g.rngsubdiff::regproc ELSE '' END"
    " || (SELECT CASE WHEN o.opcdefault THEN '' ELSE ' opclass ' || o.opcname END FROM pg_opclass o WHERE "
    "o.oid = g.rngsubopc) FROM pg_range g "
    "WHERE g.rngtypid = y.oid)"
    " ELSE 'base type' END, '' FROM typ y"
    " UNION ALL SELECT d.nsp, 'statistics', NULL, s.stxname::text, pg_get_statisticsobjdef(s.oid), '' FROM "
    "dep d JOIN pg_statistic_ext s ON s.oid = d.objid AND s.stxnamespace = d.nsp WHERE d.classid = "
    "'pg_statistic_ext'::regclass"
    " UNION ALL SELECT d.nsp, o.type, NULL, coalesce(o.name, o.identity), 'in the schema', '' FROM dep d "
    "CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) o"
    " WHERE d.classid IN ('pg_extension'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass, "
    "'pg_opfamily'::regclass, 'pg_conversion'::regclass, 'pg_collation'::regclass,"
    " 'pg_ts_config'::regclass, 'pg_ts_dict'::regclass, 'pg_ts_parser'::regclass, "
    "'pg_ts_template'::regclass)";

/* Every column of it is text as somebody wrote it: nothing in it is a name of ours. */
static const char comments_sql[] =
    " UNION ALL SELECT nsp, 'comment', c.name, c.word || ' ' || c.name, '', d.description FROM rel c JOIN "
    "pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0"
    " UNION ALL SELECT nsp, 'comment', c.name, 'column ' || c.name || '.' || a.attname, '', d.description "
    "FROM rel c JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass"
    " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND a.attnum > 0 AND NOT "
    "a.attisdropped"
    " UNION ALL SELECT nsp, 'comment', c.name, 'constraint ' || c.name || '.' || k.conname, '', "
    "d.description FROM rel c JOIN pg_constraint k ON k.conrelid = c.oid JOIN pg_description d ON d.objoid = "
    "k.oid AND d.classoid = 'pg_constraint'::regclass"
    " UNION ALL SELECT nsp, 'comment', c.name, 'index ' || x.relname, '', d.description FROM rel c JOIN "
    "pg_index i ON i.indrelid = c.oid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_description d ON "
    "d.objoid = x.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0"
    " WHERE c.relkind IN ('r', 'p', 'm')"
    " UNION ALL SELECT nsp, 'comment', c.name, 'trigger ' || c.name || '.' || g.tgname, '', d.description "
    "FROM rel c JOIN pg_trigger g ON g.tgrelid = c.oid JOIN pg_description d ON d.objoid = g.oid AND "
    "d.classoid = 'pg_trigger'::regclass"
    " UNION ALL SELECT nsp, 'comment', c.name, 'policy ' || c.name || '.' || p.polname, '', d.description "
    "FROM rel c JOIN pg_policy p ON p.polrelid = c.oid JOIN pg_description d ON d.objoid = p.oid AND "
    "d.classoid = 'pg_policy'::regclass"
    " UNION ALL SELECT nsp, 'comment', NULL, p.word || ' ' || p.name, '', d.description FROM fn p JOIN "
    "pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_proc'::regclass"
    " UNION ALL SELECT nsp, 'comment', NULL, 'type ' || y.typname, '', d.description FROM typ y JOIN "
    "pg_description d ON d.objoid = y.oid AND d.classoid = 'pg_type'::regclass";

void tndb_form_sql_objects(tndb_buffer *sql, int version) {
  tndb_buffer_append(sql, functions_sql);
  if (version >= 140000) {
    tndb_buffer_append(sql, parsed_body_sql);
  }
  tndb_buffer_append(sql, function_end_sql);
  tndb_buffer_append(sql, types_sql);
  tndb_buffer_append(sql, comments_sql);
}

/* SPDX-License-Identifier: PostgreSQL */
#include "schema/form_sql.h"

/*
 * A schema is rightly owned by the connected user and by whoever may create
 * tenants; of any other owner's, the connected user is taken for the rightful one.
 */
static const char target_sql[] =
    "WITH me AS (SELECT u.oid FROM pg_roles u WHERE u.rolname = current_user), target AS MATERIALIZED ("
    " SELECT n.oid, w.ord, n.nspowner AS holder, CASE WHEN w.state = '' OR n.nspowner = (SELECT oid FROM me)"
    " THEN n.nspowner WHEN has_table_privilege(n.nspowner, $5::text, 'INSERT') THEN n.nspowner"
    " ELSE (SELECT oid FROM me) END AS owner, n.nspacl AS acl, q.ident, q.ident || '.' AS prefix,"
    " replace(q.ident, '''', '''''') || '.' AS lit, strpos(q.ident, '''') = 0 AS plain, r.oid AS role, "
    "w.state,"
    " (SELECT g.oid FROM pg_roles g WHERE g.rolname = $4) AS grp"
    " FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY w(name, role, state, ord)"
    " JOIN pg_namespace n ON n.nspname = w.name"
    " CROSS JOIN LATERAL (SELECT quote_ident(n.nspname) AS ident OFFSET 0) q"
    " LEFT JOIN pg_roles r ON r.rolname = w.role)";

/* What belongs to an extension is the extension's affair; the constructors of a range type are the type's. */
static const char found_in_sql[] =
    " , dep AS MATERIALIZED ("
    " SELECT t.oid AS nsp, t.owner AS lord, t.role, t.grp, t.ident, d.classid, d.objid FROM target t JOIN "
    "pg_depend d ON d.refclassid = 'pg_namespace'::regclass"
    " AND d.refobjid = t.oid WHERE d.objsubid = 0 AND d.deptype IN ('n', 'a') AND NOT EXISTS (SELECT FROM "
    "pg_depend e WHERE e.classid = d.classid"
    " AND e.objid = d.objid AND e.objsubid = 0 AND e.deptype = 'e'))"
    " , rel AS MATERIALIZED ("
    " SELECT d.nsp, d.lord, d.role, d.grp, c.oid, c.relname::text AS name, c.relkind, c.relowner, c.relacl, "
    "c.relpersistence, c.relispartition, c.relrowsecurity, c.relforcerowsecurity,"
    " c.relreplident, c.reloptions, c.reloftype, c.relpartbound, CASE c.relkind WHEN 'v' THEN 'view' WHEN "
    "'m' THEN 'materialized view' WHEN 'S' THEN 'sequence'"
    " WHEN 'f' THEN 'foreign table' ELSE 'table' END AS word"
    " FROM dep d JOIN pg_class c ON c.oid = d.objid AND c.relnamespace = d.nsp"
    " WHERE d.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')"
    " AND (NOT c.relispartition OR $10::text[] IS NULL OR c.relname = ANY ($10::text[])))"
    " , typ AS MATERIALIZED ("
    " SELECT d.nsp, d.lord, d.role, d.grp, y.* FROM dep d JOIN pg_type y ON y.oid = d.objid AND "
    "y.typnamespace = d.nsp WHERE d.classid = 'pg_type'::regclass"
    " AND (y.typtype IN ('e', 'd', 'r') OR y.typtype = 'b' AND y.typcategory <> 'A' OR y.typtype = 'c' AND "
    "EXISTS (SELECT FROM pg_class c WHERE c.oid = y.typrelid AND c.relkind = 'c')))"
    " , fn AS MATERIALIZED ("
    " SELECT d.nsp, d.lord, d.role, d.grp, d.ident, p.*, p.proname || '(' || "
    "pg_get_function_identity_arguments(p.oid) || ')' AS name, CASE p.prokind WHEN 'p' THEN 'procedure' WHEN "
    "'a' THEN 'aggregate' ELSE 'function' END AS word"
    " FROM dep d JOIN pg_proc p ON p.oid = d.objid AND p.pronamespace = d.nsp WHERE d.classid = "
    "'pg_proc'::regclass AND NOT EXISTS (SELECT FROM pg_depend i WHERE i.classid = 'pg_proc'::regclass AND "
    "i.objid = p.oid AND i.objsubid = 0 AND i.deptype = 'i'))";

static const char expected_sql[] =
    ", expected AS MATERIALIZED (SELECT * FROM unnest($7::text[], $8::text[], $9::text[]) e(kind, object, "
    "definition))";

/*
 * Text with the schema's name replaced. First plainly; when a replacement looks
 * as if it had hit a longer word, a literal that is no name ('…'::regclass is
 * one) or a quoted identifier, token by token.
 */
#define NORMAL(x)                                                                                          \
  " CASE WHEN plain AND strpos(" x ", ident) = 0 THEN " x                                                  \
  " ELSE (SELECT CASE WHEN m.v ~ '[A-Za-z0-9_$\"]\\u0001' OR m.v ~ '[''\"]' AND m.v !~ "                   \
  "'^(?:[^''\"]|\"(?:[^\"\\u0001]|\"\")*\"|''(?:[^''\\u0001]|'''')*''|''\\u0001(?:[^''\\u0001]|'''')*''::" \
  "reg)*$'"                                                                                                \
  " THEN (SELECT string_agg(CASE WHEN a[1] = prefix THEN chr(1) WHEN a[1] LIKE '''%::reg%' AND "           \
  "starts_with(a[1], '''' || lit) THEN '''' || chr(1) || substr(a[1], length(lit) + 2)"                    \
  " WHEN a[1] = '''' || rtrim(lit, '.') || '''::regnamespace' THEN '''' || chr(3) || '''::regnamespace' "  \
  "ELSE a[1] END, '' ORDER BY n)"                                                                          \
  " FROM regexp_matches(" x                                                                                \
  ", '''(?:[^'']|'''')*''(?:::reg[a-z]+)?|\"(?:[^\"]|\"\")*\"\\.?|[A-Za-z0-9_$]+\\.?|.', 'g') WITH "       \
  "ORDINALITY m(a, n)) ELSE m.v END FROM (SELECT replace(CASE WHEN plain THEN replace(" x                  \
  ", prefix, chr(1)) ELSE replace(replace(" x                                                              \
  ", lit, chr(1)), prefix, chr(1)) END, '''' || rtrim(lit, '.') || '''::regnamespace', '''' || chr(3) || " \
  "'''::regnamespace') AS v OFFSET 0) m) END"

static const char normal_sql[] =
    " , marked AS ("
    " SELECT f.*, t.ord, t.ident, t.prefix, t.lit, t.plain FROM found f JOIN target t ON t.oid = f.nsp)"
    " , normal AS ("
    " SELECT ord, kind, parent, tail,"
    " CASE WHEN strpos(object, '(') = 0 THEN object ELSE " NORMAL("object") " END AS object, replace(coalesce("
    " CASE WHEN plain AND strpos(definition, ident) = 0 THEN definition WHEN kind IN"
    " ('view', 'materialized view', 'rule', 'policy', 'trigger', 'function', 'procedure') THEN"
    " (SELECT e.definition FROM expected e WHERE e.kind = found.kind AND e.object = found.object"
    " AND replace(replace(replace(e.definition, chr(1), found.prefix), chr(3), found.ident), chr(2),"
    " quote_ident($6) || '.') = found.definition) END,"
    NORMAL("definition")
    " ), quote_ident($6) || '.', chr(2)) AS definition"
    " FROM marked found)";

/* sha256: md5 is refused by servers in FIPS mode, and a fingerprint must not be forgeable by who may run DDL. */
static const char fingerprints_sql[] =
    " SELECT ord, encode(sha256(convert_to(string_agg(line, chr(10) ORDER BY line COLLATE \"C\"), 'UTF8')), "
    "'hex')"
    " FROM (SELECT ord, kind || chr(31) || object || chr(31) || definition || tail AS line FROM normal) l "
    "GROUP BY ord";

static const char rows_sql[] =
    " SELECT ord, kind, parent, object, definition || tail FROM normal"
    " ORDER BY ord, kind COLLATE \"C\", object COLLATE \"C\", definition COLLATE \"C\"";

static void append_all(tndb_buffer *sql, int version) {
  tndb_buffer_append(sql, target_sql);
  tndb_buffer_append(sql, found_in_sql);
  tndb_buffer_append(sql, expected_sql);
  tndb_buffer_append(sql, ", found AS (");
  tndb_form_sql_tables(sql, version);
  tndb_form_sql_objects(sql, version);
  tndb_form_sql_access(sql);
  tndb_buffer_append(sql, ")");
  tndb_buffer_append(sql, normal_sql);
}

void tndb_form_sql_rows(tndb_buffer *sql, int version) {
  append_all(sql, version);
  tndb_buffer_append(sql, rows_sql);
}

void tndb_form_sql_fingerprints(tndb_buffer *sql, int version) {
  append_all(sql, version);
  tndb_buffer_append(sql, fingerprints_sql);
}

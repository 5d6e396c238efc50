/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who owns what and who may do what. Whoever may create tenants may own them; a
 * tenant's role opens the schema exactly when the tenant is active. The
 * privileges of owners go without saying, and an identity's sequence needs none.
 */
#include "schema/form_sql.h"

static const char role_sql[] =
    " UNION ALL SELECT t.oid, 'schema', NULL, 'schema', 'owner ' || CASE WHEN t.owner = t.holder THEN chr(6)"
    " WHEN t.holder = t.role THEN chr(4) WHEN t.holder = t.grp THEN chr(5)"
    " ELSE quote_ident(pg_get_userbyid(t.holder)) END, '' FROM target t"
    " UNION ALL SELECT t.oid, 'role', NULL, 'role', CASE WHEN t.state = 'registry' THEN 'as it should be' "
    "ELSE coalesce(nullif(concat_ws(', ', CASE WHEN r.rolsuper THEN 'superuser' END,"
    " CASE WHEN r.rolcreaterole THEN 'may create roles' END, CASE WHEN r.rolcreatedb THEN 'may create "
    "databases' END, CASE WHEN r.rolreplication THEN 'replication' END,"
    " CASE WHEN r.rolbypassrls THEN 'bypasses row security' END, CASE WHEN r.rolcanlogin AND t.state <> "
    "'active' THEN 'may log in' END,"
    " (SELECT string_agg('member of ' || quote_ident(pg_get_userbyid(m.roleid)), ', ' ORDER BY "
    "pg_get_userbyid(m.roleid)) FROM pg_auth_members m WHERE m.member = r.oid AND m.roleid <> "
    "coalesce(t.grp, 0)),"
    " CASE WHEN t.grp IS NOT NULL AND (t.state = 'active') <> EXISTS (SELECT FROM pg_auth_members m WHERE "
    "m.member = r.oid AND m.roleid = t.grp)"
    " THEN CASE t.state WHEN 'active' THEN 'no member of ' ELSE 'member of ' END || chr(5) END), ''), 'as it "
    "should be') END, ''"
    " FROM target t JOIN pg_roles r ON r.oid = t.role WHERE t.state <> ''"
    " UNION ALL SELECT t.oid, 'access', NULL, 'schema', CASE WHEN t.state = 'registry' OR u.has = (t.state = "
    "'active') THEN 'as the state wants' WHEN u.has THEN 'USAGE, although the tenant is ' || t.state ELSE "
    "'no USAGE' END, ''"
    " FROM target t CROSS JOIN LATERAL (SELECT has_schema_privilege(t.role, t.oid, 'USAGE') AS has) u WHERE "
    "t.role IS NOT NULL AND t.state <> ''";

static const char grants_sql[] =
    " UNION ALL SELECT o.nsp, 'grant', o.parent, o.object || chr(30) || ' to ' || CASE g.grantee WHEN 0 THEN "
    "'PUBLIC' "
    "WHEN o.role THEN chr(4) WHEN o.grp THEN chr(5) WHEN o.lord THEN chr(6) ELSE "
    "quote_ident(pg_get_userbyid(g.grantee)) END, g.privileges, ''"
    " FROM (SELECT nsp, lord, role, grp, c.name AS parent, c.word || ' ' || c.name AS object, c.relowner AS "
    "owner, c.relacl AS acl, c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = "
    "'pg_class'::regclass"
    " AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i') AS own FROM rel c "
    "WHERE c.relacl IS NOT NULL"
    " UNION ALL SELECT nsp, lord, role, grp, c.name, 'column ' || c.name || '.' || a.attname, c.relowner, "
    "a.attacl, false FROM rel c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT "
    "a.attisdropped"
    " UNION ALL SELECT nsp, lord, role, grp, NULL, p.word || ' ' || p.name, p.proowner, coalesce(p.proacl, "
    "acldefault('f', p.proowner)), false FROM fn p"
    " UNION ALL SELECT nsp, lord, role, grp, NULL, 'type ' || y.typname, y.typowner, coalesce(y.typacl, "
    "acldefault('T', y.typowner)), false FROM typ y"
    " UNION ALL SELECT t.oid, t.owner, t.role, t.grp, NULL, 'schema', t.holder, t.acl, false FROM target t "
    "WHERE t.acl IS NOT NULL) o"
    " CROSS JOIN LATERAL (SELECT a.grantee, string_agg(DISTINCT a.privilege_type || CASE WHEN a.is_grantable "
    "THEN ' with grant option' ELSE '' END, ', ') AS privileges FROM aclexplode(o.acl) a"
    " WHERE a.grantee <> o.owner AND NOT (a.grantee = o.role AND (o.own OR o.object = 'schema' AND "
    "a.privilege_type = 'USAGE')) IS TRUE GROUP BY a.grantee) g"
    " UNION ALL SELECT d.nsp, 'default privileges', NULL, CASE f.defaclobjtype WHEN 'r' THEN 'tables' WHEN "
    "'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' ELSE f.defaclobjtype::text END"
    " || ' of ' || CASE f.defaclrole WHEN d.lord THEN chr(6) WHEN d.role THEN chr(4) ELSE "
    "quote_ident(pg_get_userbyid(f.defaclrole)) END || chr(30) || ' to '"
    " || CASE g.grantee WHEN 0 THEN 'PUBLIC' WHEN d.role THEN chr(4) WHEN d.grp THEN chr(5) WHEN d.lord THEN "
    "chr(6) ELSE quote_ident(pg_get_userbyid(g.grantee)) END, g.privileges, ''"
    " FROM dep d JOIN pg_default_acl f ON f.oid = d.objid"
    " CROSS JOIN LATERAL (SELECT a.grantee, string_agg(DISTINCT a.privilege_type || CASE WHEN a.is_grantable "
    "THEN ' with grant option' ELSE '' END, ', ') AS privileges FROM aclexplode(f.defaclacl) a"
    " WHERE a.grantee <> f.defaclrole AND NOT (a.grantee = d.role AND f.defaclrole <> d.lord) IS TRUE GROUP "
    "BY a.grantee) g"
    " WHERE d.classid = 'pg_default_acl'::regclass";

static const char owners_sql[] =
    " UNION ALL SELECT o.nsp, 'owner', o.parent, o.object, CASE o.owner WHEN o.role THEN chr(4) WHEN o.grp "
    "THEN chr(5) ELSE quote_ident(pg_get_userbyid(o.owner)) END, ''"
    " FROM (SELECT nsp, lord, role, grp, c.name AS parent, c.word || ' ' || c.name AS object, c.relowner AS "
    "owner FROM rel c UNION ALL SELECT nsp, lord, role, grp, NULL, p.word || ' ' || p.name, p.proowner FROM "
    "fn p"
    " UNION ALL SELECT nsp, lord, role, grp, NULL, 'type ' || y.typname, y.typowner FROM typ y) o WHERE "
    "o.owner <> o.lord"
    " UNION ALL SELECT nsp, 'policy', c.name, c.name || '.' || p.polname, CASE WHEN p.polpermissive THEN 'AS "
    "PERMISSIVE' ELSE 'AS RESTRICTIVE' END || ' FOR ' || CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN "
    "'INSERT'"
    " WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END || ' TO ' || (SELECT string_agg(w.word, "
    "', ' ORDER BY w.word COLLATE \"C\") FROM (SELECT CASE u WHEN 0 THEN 'PUBLIC' WHEN c.role THEN chr(4) "
    "WHEN c.grp THEN chr(5)"
    " WHEN c.lord THEN chr(6) ELSE quote_ident(pg_get_userbyid(u)) END AS word FROM unnest(p.polroles) u) w)"
    " || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid, true) || ')', '') || coalesce(' WITH "
    "CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid, true) || ')', ''), ''"
    " FROM rel c JOIN pg_policy p ON p.polrelid = c.oid";

void tndb_form_sql_access(tndb_buffer *sql) {
  tndb_buffer_append(sql, role_sql);
  tndb_buffer_append(sql, grants_sql);
  tndb_buffer_append(sql, owners_sql);
}

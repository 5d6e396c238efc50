/* SPDX-License-Identifier: PostgreSQL */
/* Privileges: those that are missing, and those that should not be. */
#include "tenant/diagnose_question.h"

/* Whose sessions it is about: the tenant's role, or the connected user where tenants have none. */
#define WHO "CASE WHEN a.level >= 2 THEN m.role_name ELSE current_user END"

static const char missing_sql[] =
    ", who AS (SELECT m.slug, m.state, m.schema, m.schema_name, " WHO
    " AS who FROM m, a WHERE m.schema IS NOT"
    " NULL AND (a.level < 2 OR m.role IS NOT NULL)), need AS (SELECT w.*, c.oid, c.relname, c.relkind, p FROM"
    " who w JOIN pg_class c ON c.relnamespace = w.schema CROSS JOIN a CROSS JOIN LATERAL unnest(CASE"
    " c.relkind WHEN 'S' THEN '{USAGE}' ELSE '{SELECT,INSERT,UPDATE,DELETE}' END::text[]) p WHERE"
    " c.relkind IN ('r', 'p', 'v', 'm', 'S') AND (c.relname = ANY (a.tables) OR c.relkind = 'S'"
    " AND EXISTS (SELECT FROM pg_depend d JOIN pg_class o ON o.oid = d.refobjid WHERE d.classid ="
    " 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'a' AND o.relname = ANY (a.tables))))"
    " SELECT 'schema-permission', slug, 'schema ' || quote_ident(schema_name), quote_ident(who) ||"
    " ' has not USAGE on it', format('GRANT USAGE ON SCHEMA %I TO %I', schema_name, who) FROM who"
    " WHERE state = 'active' AND NOT has_schema_privilege(who, schema, 'USAGE')"
    " UNION ALL SELECT 'table-permission', slug, format('%s %I.%I', CASE relkind WHEN 'S' THEN 'sequence'"
    " ELSE 'table' END, schema_name, relname), quote_ident(who) || ' has not ' || string_agg(p, ', '),"
    " format('GRANT %s ON %s%I.%I TO %I', string_agg(p, ', '), CASE relkind WHEN 'S' THEN 'SEQUENCE ' ELSE ''"
    " END, schema_name, relname, who) FROM need WHERE NOT CASE relkind WHEN 'S' THEN"
    " has_sequence_privilege(who, oid, p) ELSE has_table_privilege(who, oid, p) END"
    " GROUP BY slug, schema_name, relname, relkind, who";

static const char shared_sql[] =
    ", said AS (SELECT n.oid AS schema, c.oid, c.relname, c.relkind, c.relacl, string_to_array(d.rights, ', "
    "')"
    " AS rights, CASE WHEN a.level >= 2 THEN a.grp ELSE current_user END AS who FROM a,"
    " unnest(a.shared_tables, a.shared_rights) d (name, rights), pg_namespace n, pg_class c"
    " WHERE n.nspname = a.shared AND c.relnamespace = n.oid AND c.relname = d.name"
    " AND (a.level < 2 OR a.grp <> '')), lacks AS (SELECT s.*, p FROM said s, unnest(s.rights) p WHERE NOT "
    "CASE"
    " relkind WHEN 'S' THEN has_sequence_privilege(who, s.oid, CASE relkind WHEN 'S' THEN p ELSE 'USAGE' END)"
    " ELSE has_table_privilege(who, s.oid, CASE relkind WHEN 'S' THEN 'SELECT' ELSE p END) END)"
    " SELECT 'shared-permission', NULL, format('table %I.%I', a.shared, relname), quote_ident(who) ||"
    " ' has not ' || string_agg(p, ', '), format('GRANT %s ON %s%I.%I TO %I', string_agg(p, ', '),"
    " CASE relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END, a.shared, relname, who) FROM lacks, a"
    " GROUP BY a.shared, relname, relkind, who"
    " UNION ALL SELECT DISTINCT 'shared-permission', NULL, 'schema ' || quote_ident(a.shared),"
    " quote_ident(who) || ' has not USAGE on it', format('GRANT USAGE ON SCHEMA %I TO %I', a.shared, who)"
    " FROM said, a WHERE cardinality(rights) > 0 AND NOT has_schema_privilege(who, schema, 'USAGE')"
    " UNION ALL SELECT 'shared-permission-extra', NULL, format('table %I.%I', a.shared, relname),"
    " coalesce(quote_ident(g.rolname), 'PUBLIC') || ' has ' || string_agg(privilege_type, ', '),"
    " format('REVOKE %s ON %s%I.%I FROM %s', string_agg(privilege_type, ', '), CASE relkind WHEN 'S' THEN"
    " 'SEQUENCE ' ELSE '' END, a.shared, relname, coalesce(quote_ident(g.rolname), 'PUBLIC')) FROM a, said,"
    " aclexplode(relacl) x LEFT JOIN pg_roles g ON g.oid = x.grantee WHERE a.level >= 2 AND (x.grantee = 0 OR"
    " g.rolname = a.grp AND x.privilege_type <> ALL (rights))"
    " AND NOT (relkind = 'S' AND x.privilege_type = 'USAGE') GROUP BY a.shared, relname, relkind, g.rolname";

/* Functions are everybody's when they are made, which is taken back where tenants have roles. */
static const char others_sql[] =
    ", object AS (SELECT m.slug, m.role, '' AS part, 'SCHEMA ' || quote_ident(schema_name) AS what,"
    " n.nspowner AS owner, n.nspacl AS acl FROM m JOIN pg_namespace n ON n.oid = m.schema"
    " UNION ALL SELECT m.slug, m.role, '', format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE"
    " 'TABLE' END, schema_name, c.relname), c.relowner, c.relacl FROM m JOIN pg_class c"
    " ON c.relnamespace = m.schema WHERE c.relacl IS NOT NULL"
    " UNION ALL SELECT m.slug, m.role, format(' (%I)', i.attname), format('TABLE %I.%I', schema_name,"
    " c.relname), c.relowner, i.attacl FROM m JOIN pg_class c ON c.relnamespace = m.schema"
    " JOIN pg_attribute i ON i.attrelid = c.oid WHERE i.attacl IS NOT NULL"
    " UNION ALL SELECT m.slug, m.role, '', format('ROUTINE %I.%I(%s)', schema_name, p.proname,"
    " pg_get_function_identity_arguments(p.oid)), p.proowner, coalesce(p.proacl, CASE WHEN a.level >= 2 THEN"
    " acldefault('f', p.proowner) END) FROM a, m JOIN pg_proc p ON p.pronamespace = m.schema"
    " WHERE NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid"
    " AND x.deptype = 'e')), held AS (SELECT o.slug, o.part, o.what, x.grantee, string_agg(DISTINCT "
    "x.privilege_type, ', ') AS"
    " rights FROM object o, aclexplode(o.acl) x WHERE x.grantee <> o.owner AND x.grantee IS DISTINCT FROM"
    " o.role GROUP BY o.slug, o.part, o.what, x.grantee)"
    " SELECT CASE WHEN grantee = 0 THEN 'public-privilege' WHEN g.rolname = a.grp OR EXISTS (SELECT FROM t"
    " WHERE t.role = grantee) THEN 'foreign-privilege' ELSE 'other-privilege' END, slug, what || part,"
    " coalesce(quote_ident(g.rolname), 'PUBLIC') || ' has ' || rights, format('REVOKE ALL%s ON %s FROM %s',"
    " part, what, coalesce(quote_ident(g.rolname), 'PUBLIC')) FROM a, held LEFT JOIN pg_roles g"
    " ON g.oid = grantee ORDER BY slug, what, part";

/* Executing functions and using types is everybody's by itself, and not a default that somebody set. */
static const char default_sql[] =
    "SELECT 'default-privileges', o.slug, 'default privileges of ' || quote_ident(pg_get_userbyid("
    "d.defaclrole)) || coalesce(' in schema ' || quote_ident(n.nspname), ''), format('%s: %s has %s', k.word,"
    " coalesce(quote_ident(g.rolname), 'PUBLIC'), string_agg(x.privilege_type, ', ')),"
    " format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE %s ON %s FROM %s', pg_get_userbyid(d.defaclrole),"
    " coalesce(' IN SCHEMA ' || quote_ident(n.nspname), ''), string_agg(x.privilege_type, ', '), k.word,"
    " coalesce(quote_ident(g.rolname), 'PUBLIC')) FROM a, pg_default_acl d CROSS JOIN "
    "aclexplode(d.defaclacl) x"
    " JOIN (VALUES ('r', 'TABLES'), ('S', 'SEQUENCES'), ('f', 'FUNCTIONS'), ('T', 'TYPES'), ('n', 'SCHEMAS'))"
    " k (type, word) ON k.type = d.defaclobjtype LEFT JOIN pg_roles g ON g.oid = x.grantee"
    " LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace LEFT JOIN t o ON o.schema = d.defaclnamespace"
    " WHERE (x.grantee = 0 OR g.rolname = a.grp OR EXISTS (SELECT FROM t WHERE t.role = x.grantee))"
    " AND x.grantee IS DISTINCT FROM o.role AND x.grantee <> d.defaclrole"
    " AND NOT (x.grantee = 0 AND d.defaclnamespace = 0 AND k.type IN ('f', 'T'))"
    " AND (d.defaclnamespace = 0 OR o.id IS NOT NULL OR n.nspname IN (a.catalog, a.shared))"
    " AND (a.tenant IS NULL OR o.id = a.tenant)"
    " GROUP BY o.slug, d.defaclrole, n.nspname, k.word, g.rolname";

static const char public_sql[] =
    "SELECT CASE x.privilege_type WHEN 'CREATE' THEN 'public-database-create' ELSE 'public-database' END, "
    "NULL,"
    " 'database ' || quote_ident(d.datname), 'PUBLIC has ' || x.privilege_type,"
    " format('REVOKE %s ON DATABASE %I FROM PUBLIC', x.privilege_type, d.datname) FROM pg_database d,"
    " aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x WHERE d.datname = current_database()"
    " AND x.grantee = 0"
    " UNION ALL SELECT CASE x.privilege_type WHEN 'CREATE' THEN 'public-schema-create' ELSE"
    " 'public-schema-usage' END, NULL, 'schema ' || quote_ident(n.nspname), 'PUBLIC has ' || "
    "x.privilege_type,"
    " format('REVOKE %s ON SCHEMA %I FROM PUBLIC', x.privilege_type, n.nspname) FROM pg_namespace n,"
    " aclexplode(n.nspacl) x WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND x.grantee = "
    "0"
    " AND (x.privilege_type = 'CREATE' OR n.nspname = 'public')";

/* When the catalog shares a schema with the shared tables, that schema is the tenants' to use. */
static const char exposed_sql[] =
    ", object AS (SELECT 'catalog-exposed' AS code, 'SCHEMA ' || quote_ident(n.nspname) AS what, n.nspacl AS "
    "acl"
    " FROM a, pg_namespace n WHERE n.nspname = a.catalog AND a.catalog <> a.shared"
    " UNION ALL SELECT 'catalog-exposed', format('TABLE %I.%I', n.nspname, c.relname), c.relacl FROM a,"
    " pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = a.catalog"
    " AND c.relname = ANY (a.catalog_tables))"
    " SELECT code, NULL, what, coalesce(quote_ident(g.rolname), 'PUBLIC') || ' has ' ||"
    " string_agg(x.privilege_type, ', '), format('REVOKE ALL ON %s FROM %s', what,"
    " coalesce(quote_ident(g.rolname), 'PUBLIC')) FROM a, object CROSS JOIN aclexplode(acl) x"
    " LEFT JOIN pg_roles g ON g.oid = x.grantee WHERE x.grantee = 0 OR g.rolname = a.grp"
    " OR EXISTS (SELECT FROM t WHERE t.role = x.grantee) GROUP BY code, what, g.rolname";

static const char reports_sql[] =
    ", object AS (SELECT DISTINCT 'SCHEMA ' || quote_ident(n.nspname) AS what, n.nspacl AS acl FROM a,"
    " {c}views v JOIN pg_namespace n ON n.nspname = v.schema_name WHERE n.nspname <> a.shared"
    " UNION ALL SELECT DISTINCT format('TABLE %I.%I', n.nspname, c.relname), c.relacl FROM {c}views v"
    " JOIN pg_namespace n ON n.nspname = v.schema_name JOIN pg_class c ON c.relnamespace = n.oid"
    " AND c.relname = v.name)"
    " SELECT 'reports-exposed', NULL, what, coalesce(quote_ident(g.rolname), 'PUBLIC') || ' has ' ||"
    " string_agg(x.privilege_type, ', '), format('REVOKE ALL ON %s FROM %s', what,"
    " coalesce(quote_ident(g.rolname), 'PUBLIC')) FROM a, object CROSS JOIN aclexplode(acl) x"
    " LEFT JOIN pg_roles g ON g.oid = x.grantee WHERE x.grantee = 0 OR g.rolname = a.grp"
    " OR EXISTS (SELECT FROM t WHERE t.role = x.grantee) GROUP BY what, g.rolname";

#define CATALOG_TABLES                                                                         \
  ", mine AS (SELECT n.oid AS schema, c.oid, c.relname FROM a, pg_namespace n JOIN pg_class c" \
  " ON c.relnamespace = n.oid WHERE n.nspname = a.catalog AND c.relname = ANY (a.catalog_tables))"

static const char unreadable_sql[] = CATALOG_TABLES
    " SELECT DISTINCT 'catalog-unreadable', NULL, 'schema ' || quote_ident(a.catalog), quote_ident("
    "current_user) || ' has not USAGE on it', format('GRANT USAGE ON SCHEMA %I TO %I', a.catalog, "
    "current_user)"
    " FROM a, mine WHERE NOT has_schema_privilege(schema, 'USAGE')"
    " UNION ALL SELECT 'catalog-unreadable', NULL, format('table %I.%I', a.catalog, relname), quote_ident("
    "current_user) || ' has not SELECT on it', format('GRANT SELECT ON %I.%I TO %I', a.catalog, relname,"
    " current_user) FROM a, mine WHERE relname IN ('catalog', 'tenants') AND NOT has_table_privilege(oid,"
    " 'SELECT')";

static const char read_only_sql[] = CATALOG_TABLES
    " SELECT 'catalog-read-only', NULL, 'schema ' || quote_ident(a.catalog),"
    " format('%I may not change %s', current_user, string_agg(quote_ident(relname), ', ' ORDER BY relname)),"
    " string_agg(format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.%I TO %I', a.catalog, relname,"
    " current_user), '; ' ORDER BY relname) FROM a, mine WHERE NOT (has_table_privilege(oid, 'SELECT') AND"
    " has_table_privilege(oid, 'INSERT') AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid,"
    " 'DELETE')) GROUP BY a.catalog";

const tndb_question tndb_questions_grant[] = {
    {"the right to read the catalog", false, true, false, unreadable_sql},
    {"the right to change the catalog", false, false, false, read_only_sql},
    {"rights in the tenants' schemas", true, true, false, missing_sql},
    {"rights on the shared tables", true, false, false, shared_sql},
    {"others' rights in the tenants' schemas", true, true, false, others_sql},
    {"default privileges", true, true, false, default_sql},
    {"what everybody may do", false, false, false, public_sql},
    {"rights on the catalog", true, false, false, exposed_sql},
    {"rights on views over tenants", true, false, false, reports_sql},
};
const size_t tndb_n_questions_grant = TNDB_QUESTION_COUNT(tndb_questions_grant);

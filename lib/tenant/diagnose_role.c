/* SPDX-License-Identifier: PostgreSQL */
/* Roles: the tenants' and their group, what they belong to, and what is set for them. */
#include "tenant/diagnose_question.h"

/* From 16 on a membership is taken back from who gave it. */
#define GRANTED_BY(grantor)                                                         \
  "CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN format(" \
  "' GRANTED BY %I', pg_get_userbyid(" grantor ")) ELSE '' END"

static const char group_sql[] =
    "SELECT 'group-missing', NULL, 'role ' || quote_ident(c.group_role), 'there is no such role', NULL"
    " FROM {c}catalog c WHERE c.group_role IS NOT NULL AND NOT EXISTS (SELECT FROM pg_roles r"
    " WHERE r.rolname = c.group_role)"
    " UNION ALL SELECT 'catalog-older', NULL, 'schema ' || quote_ident(a.catalog),"
    " 'it was made at isolation level routing and has no group of tenants'' roles', NULL"
    " FROM a, {c}catalog c WHERE c.group_role IS NULL";

static const char missing_sql[] =
    "SELECT 'role-missing', slug, coalesce('role ' || quote_ident(role_name), 'tenant ' || slug), CASE WHEN"
    " role_name IS NULL THEN 'the tenant was provisioned without a role' ELSE 'there is no such role' END,"
    " CASE WHEN schema IS NOT NULL AND a.grp <> '' THEN format('CREATE ROLE %1$I NOLOGIN ROLE CURRENT_USER;"
    " GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %2$I TO %1$I;"
    " GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %2$I TO %1$I;"
    " GRANT EXECUTE ON ALL ROUTINES IN SCHEMA %2$I TO %1$I;"
    " ALTER DEFAULT PRIVILEGES IN SCHEMA %2$I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %1$I;"
    " ALTER DEFAULT PRIVILEGES IN SCHEMA %2$I GRANT USAGE, SELECT ON SEQUENCES TO %1$I;"
    " ALTER DEFAULT PRIVILEGES IN SCHEMA %2$I GRANT EXECUTE ON FUNCTIONS TO %1$I', role_name, schema_name)"
    " || CASE state WHEN 'active' THEN format('; GRANT USAGE ON SCHEMA %I TO %I; GRANT %I TO %2$I',"
    " schema_name, role_name, a.grp) ELSE '' END END FROM m, a WHERE role IS NULL ORDER BY slug";

static const char membership_sql[] =
    ", held AS (SELECT m.slug, m.state, m.role_name, g.rolname, g.rolname = a.grp AS is_group, x.grantor"
    " FROM a, m JOIN pg_auth_members x ON x.member = m.role JOIN pg_roles g ON g.oid = x.roleid)"
    " SELECT 'role-not-member', slug, 'role ' || quote_ident(role_name), 'not a member of ' ||"
    " quote_ident(a.grp), format('GRANT %I TO %I', a.grp, role_name) FROM m, a WHERE role IS NOT NULL"
    " AND state = 'active' AND a.grp <> '' AND NOT EXISTS (SELECT FROM held h WHERE h.role_name = m.role_name"
    " AND h.is_group)"
    " UNION ALL SELECT 'role-member-extra', slug, 'role ' || quote_ident(role_name), 'a member of ' ||"
    " quote_ident(rolname), format('REVOKE %I FROM %I', rolname, role_name) || " GRANTED_BY("grantor")
    " FROM held WHERE NOT is_group"
    " UNION ALL SELECT 'tenant-not-shut', slug, 'role ' || quote_ident(role_name), state ||"
    " ', and a member of ' || quote_ident(rolname), format('REVOKE %I FROM %I', rolname, role_name) || "
    GRANTED_BY("grantor") " FROM held WHERE is_group AND state <> 'active'"
    " UNION ALL SELECT 'tenant-not-shut', slug, 'role ' || quote_ident(role_name), state ||"
    " ', and may use its schema', format('REVOKE USAGE ON SCHEMA %I FROM %I', schema_name, role_name)"
    " FROM m JOIN pg_namespace n ON n.oid = m.schema WHERE state <> 'active' AND EXISTS (SELECT FROM"
    " aclexplode(n.nspacl) x WHERE x.grantee = m.role AND x.privilege_type = 'USAGE')"
    " UNION ALL SELECT 'user-not-member', slug, 'role ' || quote_ident(role_name), quote_ident(current_user)"
    " || ' may not take it on', format('GRANT %I TO %I', role_name, current_user) FROM m WHERE role IS NOT"
    " NULL AND state = 'active' AND NOT pg_has_role(role, CASE WHEN"
    " current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END)";

static const char attribute_sql[] =
    ", ours AS (SELECT m.slug, m.state, m.credential, r.* FROM m JOIN pg_roles r ON r.oid = m.role"
    " UNION ALL SELECT NULL, NULL, NULL, r.* FROM a JOIN pg_roles r ON r.rolname = a.grp"
    " WHERE a.tenant IS NULL), strong AS (SELECT slug, rolname, array_remove(ARRAY["
    "CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,"
    " CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolreplication THEN 'REPLICATION' END,"
    " CASE WHEN rolbypassrls THEN 'BYPASSRLS' END], NULL) AS has FROM ours)"
    " SELECT 'role-too-strong', slug, 'role ' || quote_ident(rolname), array_to_string(has, ', '),"
    " format('ALTER ROLE %I NO%s', rolname, array_to_string(has, ' NO')) FROM strong"
    " WHERE cardinality(has) > 0"
    " UNION ALL SELECT CASE WHEN state <> 'active' THEN 'tenant-not-shut' ELSE 'role-can-log-in' END, slug,"
    " 'role ' || quote_ident(rolname), coalesce(state || ', and LOGIN', 'LOGIN'),"
    " format('ALTER ROLE %I NOLOGIN', rolname) FROM ours, a WHERE rolcanlogin AND (state IS NULL OR state <>"
    " 'active' OR a.level < 4 AND credential IS NULL)"
    " UNION ALL SELECT 'role-cannot-log-in', slug, 'role ' || quote_ident(rolname), 'NOLOGIN',"
    " format('ALTER ROLE %I LOGIN', rolname) FROM ours, a WHERE NOT rolcanlogin AND state = 'active'"
    " AND a.level >= 4";

/* A path is stored as it is written when it comes from set_config(); SET would write it anew. */
static const char login_path_sql[] =
    ", path AS (SELECT m.slug, m.state, m.role, m.role_name,"
    " '\"' || replace(m.schema_name, '\"', '\"\"') || '\"' || a.tail AS wanted, s.setdatabase,"
    " substr(v, 13) AS found FROM a, m LEFT JOIN (pg_db_role_setting s CROSS JOIN unnest(s.setconfig) v)"
    " ON s.setrole = m.role AND v ~ '^search_path=' AND s.setdatabase IN (0, (SELECT oid FROM pg_database"
    " WHERE datname = current_database())) WHERE m.role IS NOT NULL)"
    " SELECT 'login-path', slug, 'role ' || quote_ident(role_name), coalesce('search_path is ' || found,"
    " 'it has no search_path'), format('BEGIN; SELECT set_config(''search_path'', %L, true);"
    " ALTER ROLE %I IN DATABASE %I SET search_path FROM CURRENT; COMMIT', wanted, role_name,"
    " current_database()) FROM path, a WHERE a.level >= 4 AND state = 'active'"
    " AND coalesce(setdatabase, 1) <> 0 AND found IS DISTINCT FROM wanted"
    " UNION ALL SELECT 'search-path-set', slug, 'role ' || quote_ident(role_name), 'search_path is ' || "
    "found,"
    " format('ALTER ROLE %I%s RESET search_path', role_name, CASE setdatabase WHEN 0 THEN '' ELSE"
    " format(' IN DATABASE %I', current_database()) END) FROM path, a WHERE found <> wanted"
    " AND (a.level < 4 OR setdatabase = 0 OR state <> 'active')";

const tndb_question tndb_questions_role[] = {
    {"the group of the tenants' roles", true, false, true, group_sql},
    {"the tenants' roles", true, true, true, missing_sql},
    {"memberships of the tenants' roles", true, true, true, membership_sql},
    {"attributes of the tenants' roles", true, true, true, attribute_sql},
    {"search paths of the tenants' roles", true, true, true, login_path_sql},
};
const size_t tndb_n_questions_role = TNDB_QUESTION_COUNT(tndb_questions_role);

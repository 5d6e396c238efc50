/* SPDX-License-Identifier: PostgreSQL */
/* Schemas and the declared tables in them. */
#include "tenant/diagnose_question.h"
#include "tenant/naming.h"

/* Names that one takes for each other: teddy-ai, teddy_ai, TeddyAI. */
#define TWIN(name)                                                                             \
  "coalesce((SELECT 'there is ' || string_agg(quote_ident(nspname), ', ' ORDER BY nspname) ||" \
  " ', which is another name' FROM pg_namespace WHERE translate(lower(nspname), '-_ ', '') ="  \
  " translate(lower(" name "), '-_ ', '')), 'there is no such schema')"

#define IS_SYSTEM(name) "(" name " ~ '^pg_' OR " name " = 'information_schema')"

/* What ALTER calls a relation of that kind. */
#define KIND_WORD(kind)                                                              \
  "CASE " kind                                                                       \
  " WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'" \
  " WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END"

static const char places_sql[] =
    "SELECT 'shared-schema-missing', NULL, 'schema ' || quote_ident(a.shared), " TWIN("a.shared")
    ", format('CREATE SCHEMA %I', a.shared) FROM a"
    " WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = a.shared)"
    " UNION ALL SELECT 'extensions-schema-missing', NULL, 'schema ' || quote_ident(a.extensions), "
    TWIN("a.extensions") ", format('CREATE SCHEMA %I; GRANT USAGE ON SCHEMA %1$I TO PUBLIC', a.extensions)"
    " FROM a WHERE a.extensions <> '' AND NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = a.extensions)"
    " UNION ALL SELECT 'scratch-left', NULL, 'schema ' || quote_ident(nspname), 'owned by ' ||"
    " quote_ident(pg_get_userbyid(nspowner)), format('DROP SCHEMA %I CASCADE', nspname)"
    " FROM pg_namespace WHERE nspname ~ '^tenantdb_scratch_'"
    " UNION ALL SELECT CASE WHEN a.ready THEN 'cannot-create' ELSE 'create-missing' END, NULL,"
    " 'database ' || quote_ident(current_database()), quote_ident(current_user) || ' has not CREATE on it',"
    " format('GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user) FROM a"
    " WHERE NOT has_database_privilege(current_database(), 'CREATE')";

static const char unclaimed_sql[] =
    "SELECT 'schema-unclaimed', NULL, 'schema ' || quote_ident(n.nspname), (SELECT count(*) FROM pg_class c"
    " WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm')) || ' tables; marked: ' ||"
    " d.description, format('DROP SCHEMA %I', n.nspname) FROM pg_namespace n JOIN pg_description d"
    " ON d.classoid = 'pg_namespace'::regclass AND d.objoid = n.oid WHERE d.description ~ '^libtenantdb "
    "tenant '"
    " AND NOT EXISTS (SELECT FROM {c}tenants x WHERE x.schema_name = n.nspname AND x.state <> 'deleted')"
    " AND NOT EXISTS (SELECT FROM {c}standby_schemas s WHERE s.schema_name = n.nspname)"
    " ORDER BY n.nspname";

static const char tenant_schema_sql[] =
    "SELECT 'tenant-schema-missing', slug, 'schema ' || quote_ident(schema_name), " TWIN("schema_name")
    ", format('CREATE SCHEMA %I; COMMENT ON SCHEMA %1$I IS %L', schema_name, 'libtenantdb tenant ' || id) ||"
    " CASE WHEN role IS NULL OR a.level < 2 THEN '' ELSE format("
    "'; ALTER DEFAULT PRIVILEGES IN SCHEMA %1$I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %2$I;"
    " ALTER DEFAULT PRIVILEGES IN SCHEMA %1$I GRANT USAGE, SELECT ON SEQUENCES TO %2$I;"
    " ALTER DEFAULT PRIVILEGES IN SCHEMA %1$I GRANT EXECUTE ON FUNCTIONS TO %2$I', schema_name, role_name) ||"
    " CASE state WHEN 'active' THEN format('; GRANT USAGE ON SCHEMA %I TO %I', schema_name, role_name)"
    " ELSE '' END END FROM m, a WHERE schema IS NULL ORDER BY slug";

/*
 * What is declared, not there, and found elsewhere may be moved only when one
 * place lacks it: whose it is cannot be told otherwise. Public comes first.
 */
static const char tenant_table_sql[] =
    ", want AS (SELECT t.*, name, count(*) OVER (PARTITION BY name) AS places FROM t, a,"
    " unnest(a.tables) name WHERE t.schema IS NOT NULL AND NOT EXISTS (SELECT FROM pg_class c"
    " WHERE c.relnamespace = t.schema AND c.relname = name)),"
    " stray AS (SELECT DISTINCT ON (c.relname) c.relname, c.relkind, n.nspname FROM a, pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname IN (SELECT name FROM want)"
    " AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND NOT " IS_SYSTEM("n.nspname")
    " AND n.nspname <> a.catalog AND NOT EXISTS (SELECT FROM {c}tenants x WHERE x.schema_name = n.nspname)"
    " AND n.nspname !~ '^" TNDB_STANDBY_PREFIX "'"
    " AND NOT (n.nspname = a.shared AND c.relname = ANY (a.shared_tables))"
    " ORDER BY c.relname, n.nspname <> 'public', n.nspname)"
    " SELECT CASE WHEN s.relname IS NULL THEN 'table-missing' ELSE 'table-elsewhere' END, w.slug,"
    " format('table %I.%I', w.schema_name, w.name), CASE WHEN s.relname IS NULL THEN 'it is nowhere'"
    " WHEN w.places = 1 THEN 'it is in schema ' || quote_ident(s.nspname) ELSE format("
    "'one is in schema %I, and %s tenants have none', s.nspname, w.places) END,"
    " CASE WHEN s.relname IS NOT NULL AND w.places = 1 THEN format('ALTER %s %I.%I SET SCHEMA %I', "
    KIND_WORD("s.relkind") ", s.nspname, s.relname, w.schema_name) END, w.schema_name, w.name,"
    " CASE WHEN a.level >= 2 THEN w.role_name END FROM want w CROSS JOIN a LEFT JOIN stray s"
    " ON s.relname = w.name WHERE a.tenant IS NULL OR w.id = a.tenant ORDER BY w.slug, w.name";

static const char shared_table_sql[] =
    ", want AS (SELECT name FROM a, unnest(a.shared_tables) name WHERE EXISTS (SELECT FROM pg_namespace"
    " WHERE nspname = a.shared) AND NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n"
    " ON n.oid = c.relnamespace WHERE n.nspname = a.shared AND c.relname = name)),"
    " stray AS (SELECT DISTINCT ON (c.relname) c.relname, c.relkind, n.nspname FROM a, pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname IN (SELECT name FROM want)"
    " AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND NOT " IS_SYSTEM("n.nspname")
    " AND n.nspname <> a.catalog AND c.relname <> ALL (a.tables)"
    " AND coalesce(obj_description(n.oid, 'pg_namespace'), '') !~ '^libtenantdb tenant '"
    " ORDER BY c.relname, n.nspname <> 'public', n.nspname)"
    " SELECT CASE WHEN s.relname IS NULL THEN 'table-missing' ELSE 'table-elsewhere' END, NULL,"
    " format('table %I.%I', a.shared, w.name), coalesce('it is in schema ' || quote_ident(s.nspname),"
    " 'it is nowhere'), CASE WHEN s.relname IS NOT NULL THEN format('ALTER %s %I.%I SET SCHEMA %I', "
    KIND_WORD("s.relkind") ", s.nspname, s.relname, a.shared) END, a.shared, w.name, NULL FROM want w CROSS JOIN a LEFT JOIN stray s"
    " ON s.relname = w.name WHERE s.relname IS NOT NULL OR a.ready ORDER BY w.name";

/* Where a tenant lacks one, it may be his: that is a table elsewhere. */
static const char astray_sql[] =
    ", stray AS MATERIALIZED (SELECT c.relname, c.relkind, n.nspname FROM a, pg_namespace n JOIN pg_class c"
    " ON c.relnamespace = n.oid WHERE n.nspname IN ('public', a.shared) AND c.relname = ANY (a.tables)"
    " AND c.relname <> ALL (a.shared_tables) AND c.relkind IN ('r', 'p', 'v', 'm')"
    " AND NOT EXISTS (SELECT FROM t WHERE t.schema = n.oid))"
    " SELECT 'table-astray', NULL, format('table %I.%I', s.nspname, s.relname), h.have ||"
    " ' tenants have one in their own schemas',"
    " format('CREATE SCHEMA IF NOT EXISTS tenantdb_aside; ALTER %s %I.%I SET SCHEMA tenantdb_aside', "
    KIND_WORD("s.relkind") ", s.nspname, s.relname) FROM stray s CROSS JOIN LATERAL (SELECT count(*) AS have"
    " FROM pg_class o WHERE o.relname = s.relname AND o.relnamespace IN (SELECT schema FROM t)) h"
    " WHERE h.have > 0 AND h.have = (SELECT count(*) FROM t WHERE schema IS NOT NULL)"
    " ORDER BY s.nspname, s.relname";

const tndb_question tndb_questions_schema[] = {
    {"the schemas", false, false, false, places_sql},
    {"the schemas' marks", true, false, false, unclaimed_sql},
    {"the tenants' schemas", true, true, false, tenant_schema_sql},
    {"the tenants' tables", true, true, false, tenant_table_sql},
    {"the shared tables", false, false, false, shared_table_sql},
    {"tables outside the tenants' schemas", true, false, false, astray_sql},
};
const size_t tndb_n_questions_schema = TNDB_QUESTION_COUNT(tndb_questions_schema);

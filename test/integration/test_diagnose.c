/* SPDX-License-Identifier: PostgreSQL */
/*
 * Diagnosis: every kind of trouble is provoked, found with the right object,
 * mended by the very SQL that the finding gives, and gone. The schemas' names
 * have a quote, a hyphen and a blank in them.
 */
#include "diagnosed.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static tenantdb_tenant *acme, *bolt;
static char *group;
static const char *me, *stranger, *other;

#define SHARED "teddy-ai"

/*
 * What breaks something, the code and a part of the object, what the tenant's
 * column must be ("" for none), and what cleans up behind the mending. @ and ^ are
 * the tenants' schemas, ~ and # their roles, & their group, ! the shared
 * schema, ? the database, | the connected user, ` and \ roles of strangers: all quoted; { and } the schemas inside of literals.
 */
typedef struct trouble {
  const char *damage, *code, *object, *tenant, *after;
} trouble;

static const trouble troubles[] = {
    /* schemas and tables */
    {"ALTER SCHEMA ! RENAME TO kept; CREATE SCHEMA teddy_ai", "shared-schema-missing", "\"" SHARED "\"", "",
     "DROP SCHEMA teddy_ai; DROP SCHEMA !; ALTER SCHEMA kept RENAME TO !"},
    {"CREATE SCHEMA tenantdb_scratch_x; CREATE TABLE tenantdb_scratch_x.t ()", "scratch-left",
     "tenantdb_scratch_x", "", NULL},
    {"CREATE SCHEMA \"of no-one\"; COMMENT ON SCHEMA \"of no-one\" IS 'libtenantdb tenant x'",
     "schema-unclaimed", "\"of no-one\"", "", NULL},
    {"ALTER SCHEMA @ RENAME TO kept", "tenant-schema-missing", "acme", "acme",
     "DROP SCHEMA @; ALTER SCHEMA kept RENAME TO @"},
    {"DROP TABLE @.notes CASCADE", "table-missing", ".notes", "acme",
     "ALTER TABLE @.items ADD FOREIGN KEY (note_id) REFERENCES @.notes (id) ON DELETE CASCADE"},
    {"ALTER TABLE @.items SET SCHEMA public", "table-elsewhere", ".items", "acme", NULL},
    {"ALTER TABLE !.plans SET SCHEMA public", "table-elsewhere", "\"" SHARED "\".plans", "", NULL},
    {"DROP TABLE !.secrets", "table-missing", "\"" SHARED "\".secrets", "", NULL},
    {"CREATE TABLE public.notes (i integer)", "table-astray", "public.notes", "",
     "DROP SCHEMA tenantdb_aside CASCADE"},
    {"CREATE EXTENSION citext SCHEMA @", "extension-in-tenant", "citext", "acme", "DROP EXTENSION citext"},
    {"ALTER TABLE @.notes OWNER TO `", "owner-differs", ".notes", "acme", "REVOKE ALL ON @.notes FROM `"},
    {"CREATE VIEW @.v AS SELECT 1 AS x; ALTER VIEW @.v OWNER TO `", "owner-differs", "VIEW", "acme",
     "DROP VIEW @.v"},
    {"CREATE FUNCTION @.f(n integer, \"a b\" text DEFAULT '') RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$;"
     " REVOKE ALL ON FUNCTION @.f(integer, text) FROM PUBLIC; ALTER FUNCTION @.f(integer, text) OWNER TO"
     " `",
     "owner-differs", "f(n integer", "acme", "DROP FUNCTION @.f(integer, text)"},
    {"CREATE TYPE @.mood AS ENUM ('x'); ALTER TYPE @.mood OWNER TO `", "owner-differs", ".mood", "acme",
     "DROP TYPE @.mood"},
    {"CREATE DOMAIN @.dom AS text; ALTER DOMAIN @.dom OWNER TO `", "owner-differs", ".dom", "acme",
     "DROP DOMAIN @.dom"},
    {"ALTER TABLE @.items ADD CONSTRAINT \"odd tie\" FOREIGN KEY (note_id) REFERENCES ^.notes (id)",
     "tie-between-tenants", "\"odd tie\"", "acme", NULL},
    {"CREATE VIEW @.spy AS SELECT * FROM ^.notes", "tie-between-tenants", "spy", "acme", NULL},
    {"ALTER TABLE @.items ALTER COLUMN n SET DEFAULT nextval('}.items_id_seq')", "tie-between-tenants",
     "default of", "acme", NULL},
    {"CREATE FUNCTION ^.g() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;"
     " REVOKE ALL ON FUNCTION ^.g() FROM PUBLIC; CREATE TRIGGER spy BEFORE INSERT ON @.notes FOR EACH ROW "
     "EXECUTE"
     " FUNCTION ^.g()",
     "tie-between-tenants", "trigger spy", "acme", "DROP FUNCTION ^.g()"},
    {"CREATE TABLE @.child () INHERITS (^.items)", "tie-between-tenants", "table \"o'N\"\"eil acme-x\".child",
     "acme", "DROP TABLE @.child"},
    {"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{.notes_at'::regclass", "index-invalid",
     ".notes_at", "acme", NULL},
    {"ALTER TABLE @.items ADD CONSTRAINT later CHECK (n < 100) NOT VALID", "constraint-unchecked", "later",
     "acme", "ALTER TABLE @.items DROP CONSTRAINT later"},
    {"CREATE FUNCTION !.d() RETURNS integer LANGUAGE sql SECURITY DEFINER AS $$ SELECT 1 $$",
     "definer-function", ".d()", "", "DROP FUNCTION !.d()"},
    {"CREATE POLICY p ON @.notes USING (true); ALTER TABLE @.notes FORCE ROW LEVEL SECURITY",
     "row-security-off", ".notes", "acme",
     "DROP POLICY p ON @.notes; ALTER TABLE @.notes DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"},
    {"ALTER TABLE !.plans ENABLE ROW LEVEL SECURITY", "row-security-not-forced", ".plans", "",
     "ALTER TABLE !.plans DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"},
    /* roles */
    {"ALTER DEFAULT PRIVILEGES IN SCHEMA @ REVOKE ALL ON TABLES FROM ~; ALTER DEFAULT PRIVILEGES IN SCHEMA @ "
     "REVOKE"
     " ALL ON SEQUENCES FROM ~; ALTER DEFAULT PRIVILEGES IN SCHEMA @ REVOKE ALL ON FUNCTIONS FROM ~;"
     " DROP OWNED BY ~; DROP ROLE ~",
     "role-missing", "tenant_role_", "acme", NULL},
    {"REVOKE & FROM ~", "role-not-member", "tenant_role_", "acme", NULL},
    {"GRANT # TO ~", "role-member-extra", "tenant_role_", "acme", NULL},
    {"GRANT \\ TO ~", "role-member-extra", "tenant_role_", "acme", NULL},
    {"ALTER ROLE ~ LOGIN", "role-can-log-in", "tenant_role_", "acme", NULL},
    {"ALTER ROLE & LOGIN", "role-can-log-in", "tenantdb_group_", "", NULL},
    {"ALTER ROLE ~ BYPASSRLS CREATEROLE", "role-too-strong", "tenant_role_", "acme", NULL},
    {"ALTER ROLE & SUPERUSER", "role-too-strong", "tenantdb_group_", "", NULL},
    {"ALTER ROLE ~ SET search_path TO ^", "search-path-set", "tenant_role_", "acme", NULL},
    {"ALTER ROLE ~ IN DATABASE ? SET search_path TO public", "search-path-set", "tenant_role_", "acme", NULL},
    /* privileges */
    {"REVOKE USAGE ON SCHEMA @ FROM ~", "schema-permission", "acme", "acme", NULL},
    {"REVOKE SELECT, DELETE ON @.notes FROM ~", "table-permission", ".notes", "acme", NULL},
    {"REVOKE ALL ON SEQUENCE @.items_id_seq FROM ~", "table-permission", "items_id_seq", "acme", NULL},
    {"REVOKE SELECT ON !.plans FROM &", "shared-permission", ".plans", "", NULL},
    {"REVOKE USAGE ON SCHEMA ! FROM &", "shared-permission", "schema \"" SHARED "\"", "", NULL},
    {"GRANT SELECT, UPDATE ON !.secrets TO &", "shared-permission-extra", ".secrets", "", NULL},
    {"GRANT INSERT ON !.plans TO PUBLIC", "shared-permission-extra", ".plans", "", NULL},
    {"GRANT USAGE ON SCHEMA @ TO #", "foreign-privilege", "SCHEMA", "acme", NULL},
    {"GRANT SELECT ON @.notes TO #", "foreign-privilege", ".notes", "acme", NULL},
    {"GRANT SELECT (body) ON @.notes TO #", "foreign-privilege", ".notes (body)", "acme", NULL},
    {"GRANT SELECT ON @.notes TO &", "foreign-privilege", ".notes", "acme", NULL},
    {"GRANT USAGE ON SCHEMA @ TO PUBLIC", "public-privilege", "SCHEMA", "acme", NULL},
    {"CREATE FUNCTION @.f(\"a b\" @.notes) RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$",
     "public-privilege", ".f(", "acme", "DROP FUNCTION @.f"},
    {"GRANT UPDATE ON @.notes TO `", "other-privilege", ".notes", "acme", NULL},
    {"ALTER DEFAULT PRIVILEGES IN SCHEMA @ GRANT SELECT ON TABLES TO #", "default-privileges", "acme", "acme",
     NULL},
    {"ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT ON TABLES TO PUBLIC", "default-privileges",
     "default privileges", "", NULL},
    {"ALTER DEFAULT PRIVILEGES IN SCHEMA ! GRANT EXECUTE ON FUNCTIONS TO &", "default-privileges", SHARED, "",
     NULL},
    {"GRANT CREATE ON SCHEMA public TO PUBLIC", "public-schema-create", "public", "", NULL},
    {"GRANT USAGE ON SCHEMA public TO PUBLIC", "public-schema-usage", "public", "",
     "GRANT USAGE ON SCHEMA public TO PUBLIC"},
    {"GRANT CREATE ON DATABASE ? TO PUBLIC", "public-database-create", "database", "", NULL},
    {"GRANT TEMPORARY ON DATABASE ? TO PUBLIC", "public-database", "database", "", NULL},
    {"GRANT USAGE ON SCHEMA tenantdb TO &", "catalog-exposed", "SCHEMA tenantdb", "", NULL},
    {"GRANT SELECT ON tenantdb.tenants TO ~", "catalog-exposed", "tenantdb.tenants", "", NULL},
    /* settings */
    {"ALTER DATABASE ? SET search_path TO @, public", "search-path-set", "database", "", NULL},
    {"ALTER DATABASE ? SET row_security TO off", "setting-harmful", "database", "", NULL},
    {"ALTER ROLE | IN DATABASE ? SET statement_timeout TO '1s'", "setting-timeout", "role ", "", NULL},
    {"ALTER DATABASE ? CONNECTION LIMIT 5", "connections-too-few", "database", "", NULL},
    {"ALTER ROLE | CONNECTION LIMIT 49", "connections-too-few", "role ", "",
     "ALTER ROLE | CONNECTION LIMIT -1"},
};

/* As a name; inside a literal its single quotes are doubled, too. */
static void append_quoted(char *sql, size_t room, size_t *length, const char *name, bool literal) {
  sql[(*length)++] = '"';
  for (; *name && *length + 4 < room; name++) {
    sql[(*length)++] = *name;
    if (*name == '"' || (literal && *name == '\'')) {
      sql[(*length)++] = *name;
    }
  }
  sql[(*length)++] = '"';
}

static void run_sql(const char *pattern) {
  char *database = harness_database_name(url);
  char sql[2048];
  size_t length = 0;
  const struct {
    char mark;
    const char *name;
  } marks[] = {{'@', tenantdb_tenant_schema(acme)},
               {'{', tenantdb_tenant_schema(acme)},
               {'}', tenantdb_tenant_schema(bolt)},
               {'^', tenantdb_tenant_schema(bolt)},
               {'~', tenantdb_tenant_role(acme)},
               {'#', tenantdb_tenant_role(bolt)},
               {'&', group},
               {'!', SHARED},
               {'?', database},
               {'`', stranger},
               {'\\', other},
               {'|', me}};
  for (; *pattern && length + 80 < sizeof sql; pattern++) {
    const char *name = NULL;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
      name = marks[i].mark == *pattern ? marks[i].name : name;
    }
    if (name) {
      append_quoted(sql, sizeof sql, &length, name, *pattern == '{' || *pattern == '}');
    } else {
      sql[length++] = *pattern;
    }
  }
  sql[length] = '\0';
  free(database);
  harness_sql(url, "SET allow_system_table_mods = on; %s", sql);
}

static int setup(void **state) {
  (void)state;
  me = harness_role("SUPERUSER LOGIN");
  stranger = harness_role("NOLOGIN");
  other = harness_role("NOLOGIN");
  url = harness_url_with(harness_database(), NULL, me, NULL);
  db = fixture_open(
      url, NULL,
      FIXTURE_OPTIONS("database.schema", SHARED, "tenant.schema_template", "o'N\"eil {slug}-x", ANY_RELEASE));
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  acme = fixture_tenant(db, "acme");
  bolt = fixture_tenant(db, "bolt");
  group = harness_value(url, "SELECT group_role FROM tenantdb.catalog");
  run_sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC; REVOKE ALL ON DATABASE ? FROM PUBLIC");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_tenant_free(acme);
  tenantdb_tenant_free(bolt);
  tenantdb_close(db);
  free(group);
  return 0;
}

static void test_clean(void **state) {
  (void)state;
  tenantdb_result *findings = diagnosed(db, NULL);
  assert_int_equal(diagnosed_alarms(findings, ""), 0);
  assert_int_equal(diagnosed_row(findings, "cannot-look", ""), -1);
  tenantdb_result_free(findings);
  findings = diagnosed(db, "acme");
  assert_int_equal(tenantdb_result_rows(findings), 0);
  tenantdb_result_free(findings);
}

/* Found with its object, not with the other tenant, mended, gone, and nothing else is left behind. */
static int provoke(const trouble *t) {
  run_sql(t->damage);
  tenantdb_result *findings = diagnosed(db, NULL);
  int32_t row = diagnosed_row(findings, t->code, t->object);
  if (row < 0) {
    print_error("%s: not found, but:\n", t->damage);
    diagnosed_print(findings);
    tenantdb_result_free(findings);
    return 1;
  }
  const char *tenant = tenantdb_result_value(findings, row, TENANT);
  int failed = strcmp(tenant ? tenant : "", t->tenant) != 0;
  char *sql = diagnosed_sql(findings, row);
  bool bolts = !strstr(t->code, "tie-") && diagnosed_has(db, "bolt", t->code, t->object);
  if (failed || bolts || (*t->tenant && !diagnosed_has(db, "acme", t->code, t->object))) {
    print_error("%s: told of the wrong tenant %s%s\n", t->damage, tenant, bolts ? " and bolt" : "");
    failed = 1;
  }
  tenantdb_result_free(findings);
  harness_sql(url, "%s", sql);
  if (diagnosed_has(db, NULL, t->code, t->object)) {
    print_error("%s: not mended by %s\n", t->damage, sql);
    failed = 1;
  }
  free(sql);
  if (t->after) {
    run_sql(t->after);
  }
  findings = diagnosed(db, NULL);
  if (diagnosed_alarms(findings, "")) {
    print_error("%s: the above was left behind\n", t->damage);
    failed = 1;
  }
  tenantdb_result_free(findings);
  return failed;
}

static void test_troubles(void **state) {
  (void)state;
  int failed = 0;
  for (size_t i = 0; i < sizeof troubles / sizeof troubles[0]; i++) {
    failed += provoke(&troubles[i]);
  }
  assert_int_equal(failed, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_clean),
      cmocka_unit_test(test_troubles),
  };
  return cmocka_run_group_tests_name("diagnose", tests, setup, teardown);
}

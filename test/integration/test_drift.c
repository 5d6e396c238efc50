/* SPDX-License-Identifier: PostgreSQL */
/* How drift and repair behave: choices, refusals, failures, neighbours at work, what changes under way. */
#include <pthread.h>

#include "drifted.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = drifted_open(url, NULL);
  static const char *const slugs[] = {"ant", "bee", "cat", "dog"};
  for (size_t i = 0; i < 4; i++) {
    tenantdb_tenant_free(fixture_tenant(db, slugs[i]));
  }
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

/* SQL in a tenant's schema, by the superuser. */
static void in_tenant(const char *slug, const char *sql) {
  char *schema =
      harness_value(url, "SELECT quote_ident(schema_name) FROM tenantdb.tenants WHERE slug = '%s'", slug);
  harness_sql(url, "SET search_path TO %s; %s", schema, sql);
  free(schema);
}

static int64_t operations(void) {
  return harness_count(url,
                       "SELECT count(*) FROM tenantdb.operations WHERE kind = 'repair' AND state = 'done'");
}

/* ---------------------------------------------------------------- arguments and choices */

static void test_arguments(void **state) {
  (void)state;
  tenantdb_result *table = (tenantdb_result *)1;
  fixture_assert_refused(tenantdb_drift(NULL, NULL, &table, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  assert_null(table);
  fixture_assert_refused(tenantdb_drift(db, NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  fixture_assert_refused(tenantdb_fingerprints(db, NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  fixture_assert_refused(tenantdb_snapshot(db, NULL, NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  fixture_assert_refused(tenantdb_repair(db, NULL, 0, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  fixture_assert_refused(tenantdb_repair(db, NULL, 2, &table, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "apply is 2");
  tenantdb_schema_options_set(NULL, "drop", "on");
  tenantdb_schema_options_tenant(NULL, "ant");
  tenantdb_schema_options_free(NULL);
}

static void test_mistakes(void **state) {
  (void)state;
  static const struct {
    const char *key, *value, *message;
    int32_t reason;
  } mistakes[] = {
      {"tenant", "x", "did you mean \"tenants\"", TENANTDB_REASON_UNKNOWN_OPTION},
      {NULL, "x", "key is NULL", TENANTDB_REASON_NULL_ARGUMENT},
      {"shown", "-1", "not a number from 0 to 10000", TENANTDB_REASON_BAD_OPTION_VALUE},
      {"shown", "many", "not a number from 0 to 10000", TENANTDB_REASON_BAD_OPTION_VALUE},
      {"batch", "0", "not a number from 1 to 10000", TENANTDB_REASON_BAD_OPTION_VALUE},
      {"drop", "maybe", "neither on nor off", TENANTDB_REASON_BAD_OPTION_VALUE},
      {"indexes", "slowly", "neither plain nor concurrently", TENANTDB_REASON_BAD_OPTION_VALUE},
      {"selector", "slug <", "selector, position", TENANTDB_REASON_BAD_OPTION_VALUE},
      {"tenants", "a,,b", "name 2 is empty", TENANTDB_REASON_BAD_OPTION_VALUE},
  };
  for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
    tenantdb_result *table = NULL;
    tenantdb_schema_options *options = tenantdb_schema_options_new();
    tenantdb_schema_options_set(options, mistakes[i].key, mistakes[i].value);
    tenantdb_schema_options_set(options, "shown", "nothing"); /* the first mistake is kept */
    fixture_assert_refused(tenantdb_drift(db, options, &table, &error), error, TENANTDB_ARGUMENT,
                           mistakes[i].reason, mistakes[i].message);
    tenantdb_schema_options_free(options);
  }
}

static void test_choice(void **state) {
  (void)state;
  tenantdb_result *table = NULL;
  tenantdb_schema_options *options =
      drifted_options(FIXTURE_OPTIONS("selector", "slug=bee|cat", "batch", "1"));
  harness_assert_ok(tenantdb_fingerprints(db, options, &table, &error), error);
  assert_int_equal(tenantdb_result_rows(table), 2);
  assert_string_equal(tenantdb_result_value(table, 0, 0), "bee");
  assert_string_equal(tenantdb_result_value(table, 0, 2), tenantdb_result_value(table, 1, 2));
  assert_int_equal(tenantdb_result_length(table, 0, 2), 64);
  tenantdb_result_free(table);
  tenantdb_schema_options_free(options);
  options = drifted_options(FIXTURE_OPTIONS("tenants", "ant"));
  tenantdb_schema_options_tenant(options, "nobody");
  fixture_assert_refused(tenantdb_fingerprints(db, options, &table, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TENANT, "nobody");
  tenantdb_schema_options_free(options);
  harness_assert_ok(tenantdb_tenant_register(db, "egg", NULL, NULL, &error), error);
  options = drifted_options(FIXTURE_OPTIONS("tenants", "egg"));
  fixture_assert_refused(tenantdb_drift(db, options, &table, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_TENANT_STATE, "tenant egg is pending");
  tenantdb_schema_options_free(options);
  /* Who is merely selected and has nothing is passed over. */
  assert_string_equal(drifted_find(db, FIXTURE_OPTIONS("selector", "state=pending")), "");
  drifted_assert_clean(db);
}

/* ---------------------------------------------------------------- what is no drift */

/* Partitions come and go: those that are not declared are content. */
static void test_partitions(void **state) {
  (void)state;
  in_tenant("ant", "CREATE TABLE log_2030 PARTITION OF log FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')");
  drifted_assert_clean(db);
  assert_non_null(strstr(fixture_findings(db, "ant"), ""));
  assert_string_equal(fixture_findings(db, "ant"), "");
  in_tenant("ant", "DROP TABLE log_2030");
  /* The order of columns is not drift either. */
  in_tenant("ant", "ALTER TABLE built DROP COLUMN \"Gr\303\266\303\237e\"");
  assert_null(strstr(drifted_repair(db, 1, NULL), "failed"));
  drifted_assert_clean(db);
}

/* ---------------------------------------------------------------- failing */

/* What rows forbid fails in one tenant; it is as before, and the others are mended. */
static void test_one_fails(void **state) {
  (void)state;
  in_tenant("bee",
            "ALTER TABLE people ALTER COLUMN active DROP NOT NULL; INSERT INTO people (active) VALUES (NULL);"
            "DROP INDEX people_lower");
  in_tenant("cat", "ALTER TABLE people ALTER COLUMN active DROP NOT NULL");
  int64_t before = operations();
  const char *text = drifted_repair(db, 1, NULL);
  assert_non_null(strstr(text, "SET NOT NULL | ACCESS EXCLUSIVE on people | t | failed: "));
  assert_non_null(strstr(text, "contains null values"));
  assert_non_null(strstr(text, "SHARE on people | t | not run\n"));
  assert_non_null(strstr(text, "| t | rolled back\n"));
  assert_non_null(strstr(text, "cat | 2 | "));
  assert_int_equal(operations(), before + 1);
  text = drifted_find(db, NULL);
  assert_non_null(strstr(text, "index people_lower"));
  assert_null(strstr(text, "cat"));
  in_tenant("bee", "DELETE FROM people");
  assert_null(strstr(drifted_repair(db, 1, NULL), "failed"));
  drifted_assert_clean(db);
}

/* What cannot be mended without losing something is left, and said. */
static void test_left(void **state) {
  (void)state;
  in_tenant("ant",
            "ALTER TYPE mood ADD VALUE 'numb'; CREATE TABLE more (i integer); GRANT SELECT ON more TO PUBLIC;"
            "DROP INDEX people_lower");
  const char *text = drifted_repair(db, 1, NULL);
  assert_non_null(
      strstr(text, "left: type mood: by hand: labels of an enum can be neither dropped nor moved"));
  assert_non_null(strstr(text, "left: table more: it may hold data"));
  assert_non_null(strstr(text, "REVOKE ALL ON TABLE"));
  assert_null(strstr(text, "failed"));
  text = drifted_find(db, NULL);
  assert_null(strstr(text, "people_lower"));
  assert_null(strstr(text, "PUBLIC"));
  assert_non_null(strstr(text, "extra | warning | table more | - | table | 1 | [\"ant\"] | 0\n"));
  in_tenant("ant", "DROP TABLE more; DELETE FROM pg_enum WHERE enumlabel = 'numb'");
  drifted_assert_clean(db);
}

static void test_gone(void **state) {
  (void)state;
  tenantdb_tenant *fox = fixture_tenant(db, "fox");
  harness_sql(url, "DROP OWNED BY \"%s\"; DROP ROLE \"%s\"", tenantdb_tenant_role(fox),
              tenantdb_tenant_role(fox));
  assert_string_equal(drifted_find(db, NULL),
                      "missing | error | role {role} | as it should be | - | 1 | [\"fox\"] | 0\n");
  assert_non_null(strstr(drifted_repair(db, 0, NULL), "left: role {role}: "));
  assert_non_null(
      strstr(drifted_repair(db, 1, NULL), "fox | 0 | - | - | - | done: gave the tenant a role\n"));
  drifted_assert_clean(db);
  harness_sql(url, "DROP SCHEMA %s CASCADE", tenantdb_tenant_schema(fox));
  assert_string_equal(drifted_find(db, NULL),
                      "missing | error | schema | the tenant's schema | - | 1 | [\"fox\"] | 0\n");
  tenantdb_result *table = NULL;
  tenantdb_schema_options *options = drifted_options(FIXTURE_OPTIONS("tenants", "fox"));
  harness_assert_ok(tenantdb_fingerprints(db, options, &table, &error), error);
  assert_int_equal(tenantdb_result_is_null(table, 0, 2), 1);
  assert_string_equal(tenantdb_result_value(table, 0, 3), "f");
  tenantdb_result_free(table);
  tenantdb_schema_options_free(options);
  assert_non_null(strstr(drifted_repair(db, 1, NULL), "left: the tenant's schema is gone"));
  harness_assert_ok(tenantdb_tenant_purge(db, "fox", 1, &error), error);
  tenantdb_tenant_free(fox);
  drifted_assert_clean(db);
}

/* The server says no: who may not change a table does not. */
static void test_permission(void **state) {
  (void)state;
  const char *role = harness_role("LOGIN NOSUPERUSER CREATEROLE");
  char *mine = harness_url_with(url, NULL, role, NULL);
  char *name = harness_database_name(url);
  harness_sql(
      url,
      "GRANT CREATE ON DATABASE \"%s\" TO \"%s\"; GRANT USAGE ON SCHEMA tenantdb TO \"%s\"; GRANT ALL ON ALL "
      "TABLES IN SCHEMA tenantdb TO \"%s\"; GRANT ALL ON ALL SEQUENCES IN SCHEMA tenantdb TO \"%s\";"
      "GRANT USAGE ON SCHEMA public TO \"%s\"; GRANT REFERENCES ON public.plans TO \"%s\"",
      name, role, role, role, role, role, role);
  char *group = harness_value(url, "SELECT group_role FROM tenantdb.catalog");
  harness_sql(url, "GRANT \"%s\" TO \"%s\" WITH ADMIN OPTION", group, role);
  tenantdb *other = fixture_open(mine, drifted_registry(), NULL);
  /* A fleet of somebody else's: not his, and no drift. */
  drifted_assert_clean(other);
  in_tenant("ant", "DROP INDEX people_lower");
  const char *text = drifted_repair(other, 1, NULL);
  assert_non_null(strstr(text, "failed: "));
  assert_non_null(strstr(text, "permission denied for schema"));
  assert_non_null(strstr(drifted_find(other, NULL), "index people_lower"));
  assert_null(strstr(drifted_repair(db, 1, NULL), "failed"));
  drifted_assert_clean(other);
  tenantdb_close(other);
  harness_sql(url, "DROP OWNED BY \"%s\"", role);
  free(group);
  free(name);
  free(mine);
}

/* ---------------------------------------------------------------- at once */

static void *repair_it(void *unused) {
  (void)unused;
  tenantdb_result *table = NULL;
  tenantdb_status status = tenantdb_repair(db, NULL, 1, &table, NULL);
  bool well = status == TENANTDB_OK;
  for (int32_t i = 0; i < tenantdb_result_rows(table); i++) {
    well = well && strncmp(tenantdb_result_value(table, i, 5), "failed", 6) != 0;
  }
  tenantdb_result_free(table);
  return well ? (void *)1 : NULL;
}

static void test_two_callers(void **state) {
  (void)state;
  static const char *const slugs[] = {"ant", "bee", "cat", "dog"};
  for (int round = 0; round < 3; round++) {
    pthread_t threads[2];
    void *well[2];
    int64_t before = operations();
    for (size_t i = 0; i < 4; i++) {
      in_tenant(slugs[i], "DROP INDEX people_lower; ALTER TABLE people DROP COLUMN doc; DROP TABLE scratch");
    }
    for (int i = 0; i < 2; i++) {
      assert_int_equal(pthread_create(&threads[i], NULL, repair_it, NULL), 0);
    }
    for (int i = 0; i < 2; i++) {
      pthread_join(threads[i], &well[i]);
      assert_non_null(well[i]);
    }
    drifted_assert_clean(db);
    assert_int_equal(operations(), before + 4); /* each tenant once */
  }
}

/* One connection is enough. */
static void test_one_connection(void **state) {
  (void)state;
  tenantdb *small =
      drifted_open(url, FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0", "pool.timeout", "5s"));
  in_tenant("ant", "DROP INDEX people_lower");
  assert_null(strstr(drifted_repair(small, 1, NULL), "failed"));
  drifted_assert_clean(small);
  assert_string_equal(fixture_findings(small, "ant"), "");
  tenantdb_close(small);
}

/* Indexes can be built without keeping writers out; the rest is done in the transaction before. */
static void test_concurrently(void **state) {
  (void)state;
  in_tenant("ant",
            "DROP INDEX people_lower; ALTER TABLE people DROP COLUMN tags;"
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'people_active'::regclass");
  const char *text = drifted_repair(db, 0, FIXTURE_OPTIONS("indexes", "concurrently"));
  assert_non_null(strstr(text, "CREATE INDEX CONCURRENTLY people_lower ON "));
  assert_non_null(strstr(text, "SHARE UPDATE EXCLUSIVE on people | f | planned\n"));
  assert_non_null(strstr(text, "DROP INDEX CONCURRENTLY IF EXISTS "));
  text = drifted_repair(db, 1, FIXTURE_OPTIONS("indexes", "concurrently"));
  assert_null(strstr(text, "failed"));
  assert_non_null(strstr(text, "SHARE UPDATE EXCLUSIVE on people | f | done\n"));
  /* A comment on an index that was built afterwards takes another run. */
  (void)drifted_repair(db, 1, NULL);
  drifted_assert_clean(db);
}

/* What fails outside of the transaction is said, and the next run takes it up. */
static void test_concurrently_fails(void **state) {
  (void)state;
  in_tenant("bee",
            "DROP INDEX people_shout; INSERT INTO people (email) VALUES ('a'), ('A');"
            "ALTER TABLE people DROP COLUMN doc");
  const char *text = drifted_repair(db, 1, FIXTURE_OPTIONS("indexes", "concurrently"));
  assert_non_null(strstr(text, "| f | failed: "));
  assert_non_null(strstr(text, "ADD COLUMN \"doc\" jsonb | ACCESS EXCLUSIVE on people | t | done\n"));
  assert_non_null(strstr(drifted_find(db, NULL), "invalid | error | index people_shout"));
  in_tenant("bee", "DELETE FROM people");
  assert_null(strstr(drifted_repair(db, 1, FIXTURE_OPTIONS("indexes", "concurrently")), "failed"));
  drifted_assert_clean(db);
}

/* From PostgreSQL 18 on NOT NULL may be declared without being proved. */
static void test_unproved_not_null(void **state) {
  (void)state;
  if (harness_count(url, "SELECT current_setting('server_version_num')::integer") < 180000) {
    /* Before version 18 there is no such thing: the server does not even read it. */
    assert_string_equal(harness_sqlstate(url, "ALTER TABLE x ADD CONSTRAINT c NOT NULL a NOT VALID"),
                        "42601");
    return;
  }
  in_tenant("ant",
            "ALTER TABLE people ALTER COLUMN active DROP NOT NULL;"
            "ALTER TABLE people ADD CONSTRAINT certain NOT NULL active NOT VALID");
  assert_string_equal(
      drifted_find(db, NULL),
      "invalid | error | column people.active | boolean not null default true | boolean not null not "
      "valid default true | 1 | [\"ant\"] | 0\n");
  assert_null(strstr(drifted_repair(db, 1, NULL), "failed"));
  drifted_assert_clean(db);
}

/* ---------------------------------------------------------------- what is kept */

/* The registry's form is made again when the server would write another. */
static void test_kept(void **state) {
  (void)state;
  drifted_assert_clean(db);
  harness_sql(url, "ALTER TABLE public.plans RENAME COLUMN id TO number");
  /* Foreign keys of tenants follow, and so does the form they are compared with. */
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_registry_free(registry);
  tenantdb_result *table = NULL;
  tenantdb_status status = tenantdb_drift(db, NULL, &table, &error);
  assert_int_not_equal(status, TENANTDB_OK); /* the registry says plans (id): there is none any more */
  assert_string_equal(tenantdb_error_sqlstate(error), "42703");
  harness_assert_message(error, "finding out what the registry's form is");
  tenantdb_error_free(error);
  error = NULL;
  harness_sql(url, "ALTER TABLE public.plans RENAME COLUMN number TO id");
  drifted_assert_clean(db);
  /* Nothing of it stays. */
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tenantdb\\_scratch%%'"), 0);
}

/* Without a right to create, what was read before is enough. */
static void test_twice(void **state) {
  (void)state;
  int64_t before = harness_count(url, "SELECT count(*) FROM pg_namespace");
  drifted_assert_clean(db);
  drifted_assert_clean(db);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_namespace"), before);
}

/* Repair under names that have to be quoted, and a schema called like its tables. */
static void test_odd_names(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb *odd = drifted_open(own, FIXTURE_OPTIONS("tenant.schema_template", "{slug}"));
  static const char *const names[] = {"o'clock", "two words", "Quo\"ted", "people"};
  for (size_t i = 0; i < 4; i++) {
    char slug[16];
    snprintf(slug, sizeof slug, "odd-%zu", i);
    tenantdb_tenant_free(fixture_tenant(odd, slug));
    harness_sql(
        own,
        "DO $do$ BEGIN EXECUTE format('ALTER SCHEMA %%I RENAME TO %%I', 'odd_%zu', $n$%s$n$);"
        " EXECUTE format('ALTER PROCEDURE %%1$I.calm SET search_path TO %%1$I, pg_temp', $n$%s$n$);"
        " UPDATE tenantdb.tenants SET schema_name = $n$%s$n$ WHERE slug = '%s';"
        " PERFORM set_config('search_path', format('%%I', $n$%s$n$), false);"
        " ALTER TABLE people DROP COLUMN id CASCADE; DROP TABLE built; DROP FUNCTION "
        "stamp()"
        " CASCADE; DROP PROCEDURE calm; ALTER TABLE people ALTER COLUMN doc TYPE json USING doc::json;"
        " DROP INDEX people_shout; ALTER TABLE people ALTER COLUMN ticket DROP DEFAULT; END $do$",
        i, names[i], names[i], names[i], slug, names[i]);
  }
  const char *text = drifted_repair(odd, 1, NULL);
  if (strstr(text, "failed")) {
    print_error("%s\n", strstr(text, "failed"));
  }
  assert_null(strstr(text, "failed"));
  drifted_assert_clean(odd);
  tenantdb_close(odd);
  harness_drop_database(own);
}

/* The same of what is declared: counters go on behind the rows, constraints of domains are dropped. */
static void test_odd_declared(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base_sql(tenantdb_registry_base(registry, "Odd", TENANTDB_BASE_TENANT),
                    "CREATE DOMAIN \"p'\"\"c\" AS integer CONSTRAINT \"in \"\"it\"\"'s\" CHECK (VALUE > 0);"
                    "CREATE TABLE \"o'clock\" (id integer GENERATED ALWAYS AS IDENTITY, share \"p'\"\"c\");"
                    "CREATE TABLE \"it's\" (id serial, line text)");
  tenantdb *odd = fixture_open(own, registry, NULL);
  harness_assert_ok(tenantdb_bootstrap(odd, &error), error);
  tenantdb_tenant *tenant = fixture_tenant(odd, "odd");
  harness_sql(
      own,
      "SET search_path TO %s; INSERT INTO \"o'clock\" (share) VALUES (1), (2); INSERT INTO \"it's\" (line)"
      " VALUES ('a'), ('b'), ('c'); ALTER TABLE \"o'clock\" ALTER COLUMN id DROP IDENTITY;"
      " DROP SEQUENCE \"it's_id_seq\" CASCADE; ALTER DOMAIN \"p'\"\"c\" DROP CONSTRAINT \"in \"\"it\"\"'s\";"
      " ALTER DOMAIN \"p'\"\"c\" ADD CONSTRAINT \"in \"\"it\"\"'s\" CHECK (VALUE > -1)",
      tenantdb_tenant_schema(tenant));
  const char *text = drifted_repair(odd, 1, NULL);
  if (strstr(text, "failed")) {
    fail_msg("%s", strstr(text, "failed"));
  }
  drifted_assert_clean(odd);
  harness_sql(
      own,
      "SET search_path TO %s; INSERT INTO \"o'clock\" DEFAULT VALUES; INSERT INTO \"it's\" DEFAULT VALUES",
      tenantdb_tenant_schema(tenant));
  assert_int_equal(harness_count(own, "SELECT max(id) FROM %s.\"o'clock\"", tenantdb_tenant_schema(tenant)),
                   3);
  assert_int_equal(harness_count(own, "SELECT max(id) FROM %s.\"it's\"", tenantdb_tenant_schema(tenant)), 4);
  tenantdb_tenant_free(tenant);
  tenantdb_close(odd);
  harness_drop_database(own);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_arguments),    cmocka_unit_test(test_mistakes),
      cmocka_unit_test(test_choice),       cmocka_unit_test(test_partitions),
      cmocka_unit_test(test_one_fails),    cmocka_unit_test(test_left),
      cmocka_unit_test(test_gone),         cmocka_unit_test(test_permission),
      cmocka_unit_test(test_two_callers),  cmocka_unit_test(test_one_connection),
      cmocka_unit_test(test_concurrently), cmocka_unit_test(test_concurrently_fails),
      cmocka_unit_test(test_kept),         cmocka_unit_test(test_twice),
      cmocka_unit_test(test_odd_names),    cmocka_unit_test(test_unproved_not_null),
      cmocka_unit_test(test_odd_declared),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

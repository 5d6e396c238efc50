/* SPDX-License-Identifier: PostgreSQL */
/* Plans: locks and rewrites as the server has them, nothing left behind, and what is refused. */
#include "fixture.h"

enum { STEP, LINE, SQL, TRANSACTIONAL, LOCKS, REWRITES, ENTRIES, BUDGET, PROBLEM, N_COLUMNS };

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static tenantdb_tenant *tenant;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(
      url, FIXTURE_OPTIONS("database.schema", "teddy-ai", "tenant.schema_template", "o'N\"eil {slug}"));
  tenant = fixture_tenant(db, "acme");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_tenant_free(tenant);
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static tenantdb_result *planned(const char *name, const char *script) {
  tenantdb_result *steps = NULL;
  harness_assert_ok(tenantdb_plan(db, name, script, &steps, &error), error);
  assert_int_equal(tenantdb_result_columns(steps), N_COLUMNS);
  return steps;
}

static const char *cell(const tenantdb_result *steps, int32_t row, int32_t column) {
  const char *value = tenantdb_result_value(steps, row, column);
  return value ? value : "";
}

/* One statement, in the scratch schema and in the tenant's: what it locks and what it rewrites. */
static const struct {
  const char *sql, *locks, *rewrites;
} statements[] = {
    {"CREATE TABLE new (id integer PRIMARY KEY, note bigint)", "", ""},
    {"CREATE TABLE new (note bigint REFERENCES notes (id))", "ShareRowExclusiveLock on table notes", ""},
    {"ALTER TABLE notes ADD COLUMN more text DEFAULT 'x'", "AccessExclusiveLock on table notes", ""},
    {"ALTER TABLE items ALTER COLUMN n TYPE bigint", "AccessExclusiveLock on table items", "table items"},
    {"CREATE INDEX ON notes (body)", "ShareLock on table notes", ""},
    {"ALTER TABLE items ADD COLUMN plan integer REFERENCES \"teddy-ai\".plans (id)",
     "ShareRowExclusiveLock on table \"teddy-ai\".plans", ""},
    {"DROP TABLE items", "AccessExclusiveLock on table items", ""},
    {"COMMENT ON TABLE notes IS 'x'", "ShareUpdateExclusiveLock on table notes", ""},
    {"TRUNCATE items", "AccessExclusiveLock on table items", "table items"},
    {"REINDEX INDEX notes_at", "AccessExclusiveLock on index notes_at", "index notes_at"},
    {"CREATE VIEW v AS SELECT * FROM notes", "AccessShareLock on table notes", ""},
    {"ALTER TABLE items ADD CONSTRAINT c CHECK (n < 9) NOT VALID", "AccessExclusiveLock on table items", ""},
    {"DO $$ BEGIN EXECUTE 'ALTER TABLE items SET UNLOGGED'; END $$", "AccessExclusiveLock on table items",
     "table items"},
};

static void test_statements(void **state) {
  (void)state;
  int failed = 0;
  char *before = harness_value(url,
                               "SELECT string_agg(oid || ':' || pg_relation_filenode(oid), ',' ORDER BY oid)"
                               " FROM pg_class WHERE relkind IN ('r', 'i') AND oid >= 16384");
  for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
    for (int k = 0; k < 2; k++) {
      tenantdb_result *steps = planned(k ? "acme" : NULL, statements[i].sql);
      assert_int_equal(tenantdb_result_rows(steps), 1);
      const char *locks = cell(steps, 0, LOCKS), *rewrites = cell(steps, 0, REWRITES);
      bool fits = *statements[i].locks ? strstr(locks, statements[i].locks) != NULL : !*locks;
      fits =
          fits && (*statements[i].rewrites ? strstr(rewrites, statements[i].rewrites) != NULL : !*rewrites);
      if (!fits || *cell(steps, 0, PROBLEM) || strcmp(cell(steps, 0, TRANSACTIONAL), "t") != 0) {
        print_error("%s: locks \"%s\", rewrites \"%s\", problem \"%s\"\n", statements[i].sql, locks, rewrites,
                    cell(steps, 0, PROBLEM));
        failed++;
      }
      tenantdb_result_free(steps);
    }
  }
  assert_int_equal(failed, 0);
  char *after = harness_value(url,
                              "SELECT string_agg(oid || ':' || pg_relation_filenode(oid), ',' ORDER BY oid)"
                              " FROM pg_class WHERE relkind IN ('r', 'i') AND oid >= 16384");
  assert_string_equal(before, after);
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^tenantdb_scratch'"), 0);
  free(before);
  free(after);
}

/* A statement that can be run in no transaction is known by its words, whatever stands between them. */
static const char *const outside[][2] = {
    {"CREATE INDEX CONCURRENTLY i ON notes (body)", "ShareUpdateExclusiveLock on notes"},
    {"create unique /* x */ index concurrently if not exists \"on\" on only \"teddy-ai\".\"plans\" (id)",
     "ShareUpdateExclusiveLock on \"teddy-ai\".\"plans\""},
    {"DROP INDEX CONCURRENTLY IF EXISTS notes_at", "notes_at"},
    {"REINDEX (VERBOSE, CONCURRENTLY) TABLE notes", "ShareUpdateExclusiveLock on notes"},
    {"REINDEX INDEX CONCURRENTLY notes_at", "ShareUpdateExclusiveLock on notes_at"},
    {"REINDEX SCHEMA s", "ShareLock on each table of on s"},
    {"ALTER TABLE log DETACH PARTITION log_1 CONCURRENTLY", "ShareUpdateExclusiveLock on log"},
    {"VACUUM notes", "ShareUpdateExclusiveLock on notes"},
    {"VACUUM (ANALYZE, FULL) notes", "AccessExclusiveLock on notes"},
    {"VACUUM FULL VERBOSE notes", "AccessExclusiveLock on notes"},
    {"VACUUM", "each table"},
    {"CLUSTER", "each clustered table"},
    {"CREATE DATABASE d", "template"},
    {"DROP DATABASE IF EXISTS d", "database on d"},
    {"CREATE TABLESPACE t LOCATION '/x'", "pg_tablespace"},
    {"DROP TABLESPACE t", "on t"},
    {"ALTER DATABASE d SET TABLESPACE t", "on d"},
    {"ALTER SYSTEM SET work_mem = '1MB'", "none"},
    {"DISCARD ALL", "none"},
    {"CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "pg_subscription"},
    {"DROP SUBSCRIPTION s", "on s"},
};

static void test_outside(void **state) {
  (void)state;
  int failed = 0;
  for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
    tenantdb_result *steps = planned("acme", outside[i][0]);
    if (strcmp(cell(steps, 0, TRANSACTIONAL), "f") != 0 || !strstr(cell(steps, 0, LOCKS), outside[i][1]) ||
        *cell(steps, 0, PROBLEM)) {
      print_error("%s: %s, locks \"%s\"\n", outside[i][0], cell(steps, 0, TRANSACTIONAL),
                  cell(steps, 0, LOCKS));
      failed++;
    }
    tenantdb_result_free(steps);
    /* The server agrees: as a transaction of several statements it is refused. */
    const char *sqlstate = harness_sqlstate(url, "BEGIN; %s; COMMIT", outside[i][0]);
    if (strcmp(sqlstate, "25001") != 0 && strcmp(sqlstate, "42P01") != 0 && strcmp(sqlstate, "42704") != 0 &&
        strcmp(sqlstate, "3D000") != 0 && strcmp(sqlstate, "42601") != 0) { /* not known to 13 */
      print_error("%s: the server answers %s\n", outside[i][0], sqlstate);
      failed++;
    }
  }
  const char *const inside[] = {"CREATE INDEX concurrently ON notes (body)",
                                "CLUSTER notes USING notes_at",
                                "REINDEX TABLE notes",
                                "ALTER TABLE notes ADD COLUMN detach integer",
                                "DISCARD PLANS",
                                "ALTER DATABASE nowhere SET work_mem = '1MB'",
                                "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false)"};
  for (size_t i = 1; i < sizeof inside / sizeof inside[0]; i++) {
    tenantdb_result *steps = planned("acme", inside[i]);
    assert_string_equal(cell(steps, 0, TRANSACTIONAL), "t");
    tenantdb_result_free(steps);
  }
  assert_int_equal(failed, 0);
}

/* Several statements: each what it adds, lines, entries that grow, and what comes behind a failure. */
static void test_script(void **state) {
  (void)state;
  tenantdb_result *steps = planned("acme",
                                   "ALTER TABLE notes ADD COLUMN a text; -- one; two\n\n"
                                   "ALTER TABLE notes ADD COLUMN b text;\n"
                                   "CREATE INDEX CONCURRENTLY ON notes (a);\n"
                                   "ALTER TABLE notes ADD COLUMN a text;\nDROP TABLE items");
  assert_int_equal(tenantdb_result_rows(steps), 5);
  assert_non_null(strstr(cell(steps, 0, LOCKS), "AccessExclusiveLock on table notes"));
  assert_string_equal(cell(steps, 1, LOCKS), "");
  assert_string_equal(cell(steps, 1, LINE), "3");
  assert_string_equal(cell(steps, 1, STEP), "2");
  assert_string_equal(cell(steps, 2, TRANSACTIONAL), "f");
  assert_true(tenantdb_result_is_null(steps, 2, ENTRIES));
  assert_non_null(strstr(cell(steps, 3, PROBLEM), "already exists"));
  assert_non_null(strstr(cell(steps, 4, PROBLEM), "not tried"));
  assert_true(tenantdb_result_is_null(steps, 4, LOCKS));
  int64_t entries = strtoll(cell(steps, 0, ENTRIES), NULL, 10);
  assert_true(entries > 2 && strtoll(cell(steps, 1, ENTRIES), NULL, 10) >= entries);
  assert_int_equal(
      strtoll(cell(steps, 0, BUDGET), NULL, 10),
      harness_count(url,
                    "SELECT current_setting('max_locks_per_transaction')::int * (current_setting("
                    "'max_connections')::int + current_setting('max_prepared_transactions')::int)"));
  tenantdb_result_free(steps);
  steps = planned(
      "acme", "DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE 'CREATE TABLE many' || i || ' ()'; END LOOP; END $$");
  assert_true(strtoll(cell(steps, 0, ENTRIES), NULL, 10) > 300);
  tenantdb_result_free(steps);
  steps = planned("acme", " ; -- nothing\n");
  assert_int_equal(tenantdb_result_rows(steps), 0);
  tenantdb_result_free(steps);
}

/* A lock that somebody holds is not waited for for long. */
static void test_busy(void **state) {
  (void)state;
  tenantdb_session *session = fixture_session(db, "acme");
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "LOCK TABLE notes IN ROW EXCLUSIVE MODE");
  int64_t start = fixture_now_ms();
  tenantdb_result *steps = planned("acme", "ALTER TABLE notes ADD COLUMN a text");
  assert_non_null(strstr(cell(steps, 0, PROBLEM), "lock timeout"));
  assert_in_range(fixture_now_ms() - start, 400, 3000);
  tenantdb_result_free(steps);
  tenantdb_session_close(session);
}

static void test_refused(void **state) {
  (void)state;
  tenantdb_result *steps = NULL;
  fixture_assert_refused(tenantdb_plan(db, NULL, NULL, &steps, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "script is NULL");
  fixture_assert_refused(tenantdb_plan(db, NULL, "", NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "steps is NULL");
  fixture_assert_refused(tenantdb_plan(NULL, NULL, "", &steps, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  fixture_assert_refused(tenantdb_plan(db, "nobody", "SELECT 1", &steps, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TENANT, "nobody");
  fixture_assert_refused(tenantdb_plan(db, NULL, "SELECT 1;\nCOMMIT", &steps, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_TRANSACTION_CONTROL, "line 2: COMMIT");
  fixture_assert_refused(tenantdb_plan(db, NULL, "COPY notes FROM STDIN", &steps, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "COPY");
  fixture_assert_refused(tenantdb_plan(db, NULL, "SELECT 1;\nSELECT 'x", &steps, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_SQL_SYNTAX, "line 2");
  harness_assert_ok(tenantdb_tenant_register(db, "unborn", NULL, NULL, &error), error);
  fixture_assert_refused(tenantdb_plan(db, "unborn", "SELECT 1", &steps, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_TENANT_STATE, "is pending");
  assert_null(steps);
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^tenantdb_scratch'"), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_statements), cmocka_unit_test(test_outside), cmocka_unit_test(test_script),
      cmocka_unit_test(test_busy),       cmocka_unit_test(test_refused),
  };
  return cmocka_run_group_tests_name("plan", tests, setup, teardown);
}

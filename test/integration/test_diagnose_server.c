/* SPDX-License-Identifier: PostgreSQL */
/*
 * Diagnosis of what belongs to a whole server, on one of the test's own: limits,
 * prepared transactions, logins; of two hundred tenants; and through a pooler.
 */
#include "diagnosed.h"

static harness_server *server;
static const char *own;
static char *url;
static tenantdb_error *error;

static int setup(void **state) {
  (void)state;
  server = harness_server_start();
  own = harness_server_url(server);
  harness_sql(own, "CREATE DATABASE fleet");
  url = harness_url_with(own, "fleet", NULL, NULL);
  harness_sql(url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  free(url);
  harness_server_remove(server);
  return 0;
}

/* Found, its SQL run, and the server started again with it. */
static void mend(const char *code, const char *object, bool restart) {
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS(ANY_RELEASE));
  tenantdb_result *findings = diagnosed(db, NULL);
  int32_t row = diagnosed_row(findings, code, object);
  if (row < 0) {
    diagnosed_print(findings);
  }
  assert_true(row >= 0);
  char *sql = diagnosed_sql(findings, row);
  tenantdb_result_free(findings);
  tenantdb_close(db);
  harness_sql(url, "%s", sql);
  free(sql);
  if (restart) {
    harness_server_restart(server);
  }
  db = fixture_open(url, NULL, FIXTURE_OPTIONS(ANY_RELEASE));
  assert_false(diagnosed_has(db, NULL, code, object));
  tenantdb_close(db);
}

static void test_limits(void **state) {
  (void)state;
  harness_sql(own, "ALTER SYSTEM SET max_locks_per_transaction = 10");
  harness_sql(own, "ALTER SYSTEM SET max_connections = 20");
  harness_sql(own, "ALTER SYSTEM SET max_prepared_transactions = 2");
  harness_server_restart(server);
  harness_sql(
      url,
      "DO $$ BEGIN FOR i IN 1..250 LOOP EXECUTE 'CREATE TABLE many' || i || ' ()'; COMMIT; END LOOP; END $$");
  mend("locks-too-few", "max_locks_per_transaction", true);
  mend("connections-too-few", "max_connections", true);
  harness_sql(url,
              "DO $$ BEGIN FOR i IN 1..250 LOOP EXECUTE 'DROP TABLE many' || i; COMMIT; END LOOP; END $$");
}

static void test_prepared_transaction(void **state) {
  (void)state;
  harness_sql(url, "BEGIN; CREATE TABLE half (i integer); PREPARE TRANSACTION 'it''s half done'");
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS(ANY_RELEASE));
  assert_false(diagnosed_has(db, NULL, "prepared-transaction", "")); /* it is young */
  tenantdb_close(db);
  db = fixture_open(url, NULL, FIXTURE_OPTIONS(ANY_RELEASE, "diagnose.idle_in_transaction", "1ms"));
  fixture_pause_us(20000);
  tenantdb_result *findings = diagnosed(db, NULL);
  int32_t row = diagnosed_row(findings, "prepared-transaction", "it's half done");
  assert_true(row >= 0);
  char *sql = diagnosed_sql(findings, row);
  tenantdb_result_free(findings);
  harness_sql(url, "%s", sql);
  free(sql);
  assert_false(diagnosed_has(db, NULL, "prepared-transaction", ""));
  tenantdb_close(db);
}

/* A login without its tenant's search path, and one that may not log in. */
static void test_login(void **state) {
  (void)state;
  const char *const *options = FIXTURE_OPTIONS(ANY_RELEASE, "isolation.level", "login", "login.passwords",
                                               "none", "tenant.schema_template", "Te\"n ant'{slug}");
  tenantdb *db = fixture_ready(url, options);
  tenantdb_tenant *tenant = fixture_tenant(db, "a");
  const char *role = tenantdb_tenant_role(tenant);
  tenantdb_result *findings = diagnosed(db, NULL);
  assert_int_equal(diagnosed_alarms(findings, ""), 0);
  tenantdb_result_free(findings);
  const char *const damages[][3] = {
      {"ALTER ROLE \"%s\" IN DATABASE fleet RESET search_path", "login-path", "it has no search_path"},
      {"ALTER ROLE \"%s\" IN DATABASE fleet SET search_path TO public", "login-path",
       "search_path is public"},
      {"ALTER ROLE \"%s\" SET search_path TO public", "search-path-set", "search_path is public"},
      {"ALTER ROLE \"%s\" NOLOGIN", "role-cannot-log-in", "NOLOGIN"},
  };
  for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
    char *sql = harness_value(url, "SELECT replace('%s', '%%s', '%s')", damages[i][0], role);
    harness_sql(url, "%s", sql);
    free(sql);
    findings = diagnosed(db, "a");
    int32_t row = diagnosed_row(findings, damages[i][1], role);
    assert_int_equal(tenantdb_result_rows(findings), 1);
    assert_int_equal(row, 0);
    assert_non_null(strstr(tenantdb_result_value(findings, row, FOUND), damages[i][2]));
    sql = diagnosed_sql(findings, row);
    tenantdb_result_free(findings);
    harness_sql(url, "%s", sql);
    free(sql);
    findings = diagnosed(db, "a");
    if (tenantdb_result_rows(findings)) {
      diagnosed_print(findings);
    }
    assert_int_equal(tenantdb_result_rows(findings), 0);
    tenantdb_result_free(findings);
  }
  tenantdb_session *session = fixture_session(db, "a");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "0");
  tenantdb_session_close(session);
  harness_assert_ok(tenantdb_tenant_purge(db, "a", 1, &error), error);
  tenantdb_tenant_free(tenant);
  tenantdb_close(db);
}

/* Many tenants are as many as one: one round of queries, and each finding once. */
static void test_many(void **state) {
  (void)state;
  enum { MANY = 200 };
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS(ANY_RELEASE, "isolation.level", "role"));
  for (int i = 0; i < MANY; i++) {
    char slug[16];
    snprintf(slug, sizeof slug, "t%d", i);
    tenantdb_tenant_free(fixture_tenant(db, slug));
  }
  tenantdb_result *findings = diagnosed(db, NULL);
  assert_int_equal(diagnosed_alarms(findings, ""), 0);
  tenantdb_result_free(findings);
  int64_t start = fixture_now_ms();
  tenantdb_result_free(diagnosed(db, NULL));
  print_message("%d tenants: %lld ms\n", MANY, (long long)(fixture_now_ms() - start));
  harness_sql(url,
              "DO $$ DECLARE s name; BEGIN FOR s IN SELECT schema_name FROM tenantdb.tenants WHERE state ="
              " 'active' LOOP EXECUTE format('DROP TABLE %%I.items', s); END LOOP; END $$");
  harness_sql(url, "CREATE TABLE public.items (i integer)");
  findings = diagnosed(db, NULL);
  int missing = 0;
  for (int32_t i = 0; i < tenantdb_result_rows(findings); i++) {
    bool elsewhere = strcmp(tenantdb_result_value(findings, i, CODE), "table-elsewhere") == 0;
    missing += elsewhere;
    /* Whose the one table is cannot be told. */
    assert_true(!elsewhere || tenantdb_result_is_null(findings, i, SQL));
  }
  assert_int_equal(missing, MANY);
  tenantdb_result_free(findings);
  findings = diagnosed(db, "t7");
  assert_int_equal(tenantdb_result_rows(findings), 1);
  tenantdb_result_free(findings);
  harness_sql(url, "DROP TABLE public.items");
  tenantdb_close(db);
}

static void test_pooler(void **state) {
  (void)state;
  const char *common = harness_database();
  harness_pooler *pooler = harness_pooler_start("transaction", 3);
  char *pooled = harness_pooler_url(pooler, common);
  tenantdb *db = fixture_open(pooled, NULL, FIXTURE_OPTIONS(ANY_RELEASE, "database.pooler", "none"));
  assert_true(diagnosed_has(db, NULL, "pooler-contradicts", "connections"));
  tenantdb_close(db);
  db = fixture_ready(pooled, FIXTURE_OPTIONS(ANY_RELEASE));
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  assert_true(diagnosed_has(db, NULL, "pooler-unproved", "connections"));
  assert_false(diagnosed_has(db, NULL, "pooler-contradicts", ""));
  assert_false(diagnosed_has(db, NULL, "cannot-look", ""));
  harness_assert_ok(tenantdb_selftest(db, NULL, &error), error);
  assert_false(diagnosed_has(db, NULL, "pooler-unproved", ""));
  tenantdb_close(db);
  harness_pooler_stop(pooler);
  free(pooled);
  harness_drop_database(common);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_limits), cmocka_unit_test(test_prepared_transaction),
      cmocka_unit_test(test_login),  cmocka_unit_test(test_many),
      cmocka_unit_test(test_pooler),
  };
  return cmocka_run_group_tests_name("diagnose server", tests, setup, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Upkeep: as many standby schemas as are wanted, of this registry, and purges that are due. */
#include <libpq-fe.h>
#include <pthread.h>

#include "catalog/work.h"
#include "fixture_standby.h"

#include "fixture_database.h"

/* ---------------------------------------------------------------- as many as are wanted */

static void test_many(void **state) {
  (void)state;
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS("tenant.standby", "3"));
  assert_string_equal(standby_maintain(db), STANDBY_MADE STANDBY_MADE STANDBY_MADE);
  assert_string_equal(standby_maintain(db), "");
  assert_int_equal(standby_halves(url), 0);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.audit WHERE action = 'prepare standby'"),
                   3);
  tenantdb_close(db);
  db = fixture_ready(url, FIXTURE_OPTIONS("tenant.standby", "1"));
  assert_string_equal(standby_maintain(db), STANDBY_DROPPED STANDBY_DROPPED);
  tenantdb_close(db);
  db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  assert_int_equal(standby_taken(url), 0); /* none is wanted here */
  assert_int_equal(standby_count(url), 1);
  assert_int_equal(standby_statistic(db, "missing"), 0);
  assert_string_equal(standby_maintain(db), STANDBY_DROPPED);
  assert_string_equal(standby_maintain(db), "");
  assert_int_equal(standby_halves(url), 0);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM pg_namespace WHERE nspname LIKE"
                                 " 'tenantdb\\_standby\\_%%'"),
                   0);
  tenantdb_close(db);
}

/* The subject is the schema; the time may be over. */
static void test_rows(void **state) {
  (void)state;
  static const char *const columns[] = {"task", "subject", "action", "outcome"};
  tenantdb_result *done = NULL;
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS("tenant.standby", "1000"));
  harness_assert_ok(tenantdb_maintain(db, 200, &done, &error), error);
  int32_t last = tenantdb_result_rows(done) - 1;
  assert_true(last >= 1 && last < 1000);
  for (int32_t i = 0; i < 4; i++) {
    assert_string_equal(tenantdb_result_name(done, i), columns[i]);
  }
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM tenantdb.standby_schemas WHERE schema_name = '%s'",
                    tenantdb_result_value(done, 0, 1)),
      1);
  assert_string_equal(tenantdb_result_value(done, last, 0), "maintain");
  assert_null(tenantdb_result_value(done, last, 1));
  assert_string_equal(tenantdb_result_value(done, last, 2), "leave");
  assert_int_equal(standby_count(url), last);
  tenantdb_result_free(done);
  tenantdb_close(db);
}

static void test_arguments(void **state) {
  (void)state;
  tenantdb_result *done = (tenantdb_result *)&url;
  fixture_assert_refused(tenantdb_maintain(NULL, 0, &done, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  assert_null(done);
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("tenant.standby", "1"));
  fixture_assert_refused(tenantdb_maintain(db, -1, &done, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "most_ms is -1");
  assert_int_equal(tenantdb_maintain(db, 0, &done, &error), TENANTDB_STATE); /* no catalog */
  assert_null(done);
  tenantdb_error_free(error);
  error = NULL;
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  harness_assert_ok(tenantdb_maintain(db, 0, NULL, &error), error);
  assert_int_equal(tenantdb_maintain(db, 0, NULL, NULL), TENANTDB_OK);
  assert_int_equal(standby_count(url), 1);
  tenantdb_close(db);
}

/* Several at once never make too many, and who finds another at it leaves it to him. */
enum { KEEPERS = 4, KEPT = 12 };

static void *keep_them(void *user) {
  tenantdb_error *failure = NULL;
  tenantdb_status status = tenantdb_maintain(user, 0, NULL, &failure);
  tenantdb_error_free(failure);
  return status ? user : NULL;
}

static void test_several(void **state) {
  (void)state;
  pthread_t threads[KEEPERS];
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS("tenant.standby", "12"));
  for (int i = 0; i < KEEPERS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, keep_them, db), 0);
  }
  for (int i = 0; i < KEEPERS; i++) {
    void *failed = NULL;
    assert_int_equal(pthread_join(threads[i], &failed), 0);
    assert_null(failed);
  }
  assert_int_equal(standby_count(url), KEPT);
  assert_int_equal(standby_halves(url), 0);
  tenantdb_close(db);
}

static void test_left(void **state) {
  (void)state;
  char sql[128];
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS("tenant.standby", "1"));
  PGconn *other = PQconnectdb(url);
  assert_int_equal(PQstatus(other), CONNECTION_OK);
  snprintf(sql, sizeof sql, "BEGIN; SELECT pg_advisory_xact_lock(%s, %d)", TNDB_LOCK_CLASS,
           (int)tndb_lock_key(db, "standby"));
  PQclear(PQexec(other, sql));
  assert_string_equal(standby_maintain(db), "standby leave somebody else is at it;");
  PQclear(PQexec(other, "ROLLBACK"));
  PQfinish(other);
  assert_string_equal(standby_maintain(db), STANDBY_MADE);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- what cannot be kept */

static tenantdb_registry *naming_itself(const char *function) {
  tenantdb_registry *registry = fixture_registry();
  tenantdb_base *more = tenantdb_registry_base(registry, "More", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(more, function);
  return registry;
}

/* A schema is renamed, and what a function says is not. */
static void test_kept_name(void **state) {
  (void)state;
  static const char *const functions[] = {
      "CREATE FUNCTION count_notes() RETURNS bigint LANGUAGE sql SET search_path = {schema} AS 'SELECT"
      " count(*) FROM notes'",
      "CREATE FUNCTION count_notes() RETURNS bigint LANGUAGE sql SET search_path FROM CURRENT AS 'SELECT"
      " count(*) FROM notes'",
  };
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    char slug[8];
    tenantdb *db = fixture_open(url, naming_itself(functions[i]), FIXTURE_OPTIONS("tenant.standby", "1"));
    harness_assert_ok(tenantdb_bootstrap(db, &error), error);
    assert_non_null(strstr(standby_maintain(db), "standby make function count_notes would keep the name"));
    assert_int_equal(standby_count(url), 0);
    assert_int_equal(standby_halves(url), 0);
    snprintf(slug, sizeof slug, "t%zu", i);
    tenantdb_tenant_free(fixture_tenant(db, slug));
    tenantdb_close(db);
  }
}

static void test_login(void **state) {
  (void)state;
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS("tenant.standby", "2"));
  (void)standby_maintain(db);
  assert_int_equal(standby_count(url), 2);
  tenantdb_close(db);
  db = fixture_ready(
      url, FIXTURE_OPTIONS("tenant.standby", "2", "isolation.level", "login", "login.passwords", "none"));
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  assert_int_equal(standby_taken(url), 0);
  assert_non_null(strstr(standby_maintain(db), STANDBY_DROPPED STANDBY_DROPPED));
  assert_int_equal(standby_count(url), 0);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- another registry */

static void test_other_registry(void **state) {
  (void)state;
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS("tenant.standby", "1"));
  (void)standby_maintain(db);
  tenantdb_registry *registry = fixture_registry();
  tenantdb_base *more = tenantdb_registry_base(registry, "More", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(more, "CREATE TABLE extras (id integer PRIMARY KEY)");
  tenantdb *newer = fixture_open(url, registry, FIXTURE_OPTIONS("tenant.standby", "1"));
  harness_assert_ok(tenantdb_bootstrap(newer, &error), error);
  tenantdb_tenant_free(fixture_tenant(newer, "a"));
  assert_int_equal(standby_taken(url), 0);
  assert_string_equal(fixture_findings(newer, "a"), "");
  assert_string_equal(standby_maintain(newer), STANDBY_MADE STANDBY_DROPPED);
  tenantdb_tenant_free(fixture_tenant(newer, "b"));
  assert_int_equal(standby_taken(url), 1);
  assert_string_equal(fixture_findings(newer, "b"), "");
  tenantdb_close(newer);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- the rest of upkeep */

static void test_purges(void **state) {
  (void)state;
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "due"));
  tenantdb_tenant_free(fixture_tenant(db, "later"));
  tenantdb_tenant_free(fixture_tenant(db, "stays"));
  harness_assert_ok(tenantdb_tenant_remove(db, "due", 0, NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_remove(db, "later", 3600, NULL, &error), error);
  tenantdb_result *done = NULL;
  harness_assert_ok(tenantdb_maintain(db, 0, &done, &error), error);
  assert_int_equal(tenantdb_result_rows(done), 1);
  assert_string_equal(tenantdb_result_value(done, 0, 0), "purge");
  assert_string_equal(tenantdb_result_value(done, 0, 1), "due");
  assert_string_equal(tenantdb_result_value(done, 0, 3), "done");
  tenantdb_result_free(done);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE state <> 'deleted'"), 2);
  /* What reconcile reports is reported; what cannot be purged says why, and keeps nobody else. */
  harness_sql(url,
              "DO $$ BEGIN EXECUTE (SELECT format('COMMENT ON SCHEMA %%I IS ''mine''', schema_name) FROM"
              " tenantdb.tenants WHERE slug = 'later'); EXECUTE (SELECT format('DROP SCHEMA %%I CASCADE',"
              " schema_name) FROM tenantdb.tenants WHERE slug = 'stays'); END $$;"
              "UPDATE tenantdb.tenants SET purge_after = now() WHERE slug = 'later'");
  harness_assert_ok(tenantdb_maintain(db, 0, &done, &error), error);
  assert_true(tenantdb_result_rows(done) >= 2);
  assert_string_equal(tenantdb_result_value(done, 0, 0), "purge");
  assert_non_null(strstr(tenantdb_result_value(done, 0, 3), "does not carry the mark"));
  int32_t last = tenantdb_result_rows(done) - 1;
  assert_string_equal(tenantdb_result_value(done, last, 0), "reconcile");
  assert_string_equal(tenantdb_result_value(done, last, 1), "stays");
  tenantdb_result_free(done);
  tenantdb_close(db);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_many, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_rows, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_arguments, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_several, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_left, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_kept_name, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_login, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_other_registry, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_purges, fixture_setup, fixture_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

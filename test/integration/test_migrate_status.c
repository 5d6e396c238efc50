/* SPDX-License-Identifier: PostgreSQL */
/* What is applied to whom: status, versions, history; and sums that somebody stands up for. */
#include "diagnosed.h"
#include "fixture_migrations.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;

static tenantdb_migrations *some_migrations(void) {
  tenantdb_migrations *set = fixture_migrations(FIXTURE_TENANT);
  tenantdb_migration_add_repeatable(set, "tenant", "ids",
                                    "CREATE OR REPLACE VIEW ids AS SELECT id FROM notes");
  return set;
}

/* Somebody who has come as far as that, by migrations. */
static void set_version(const char *slug, int64_t version) {
  harness_sql(url,
              "WITH t AS (UPDATE tenantdb.tenants SET version = %lld WHERE slug = '%s' RETURNING id),"
              " gone AS (DELETE FROM tenantdb.migrations WHERE tenant_id IN (SELECT id FROM t))"
              " SELECT 1",
              (long long)version, slug);
  harness_sql(
      url,
      "INSERT INTO tenantdb.migrations (stream, tenant_id, version, kind, title, sum, state, finished_at)"
      " SELECT 'tenant', id, v, 'versioned', 'made', repeat('0', 64), 'done', now() FROM tenantdb.tenants,"
      " generate_series(1, %lld) v WHERE slug = '%s'",
      (long long)version, slug);
}

static void fail_at(const char *slug, int64_t version, int steps_done, const char *message) {
  harness_sql(url,
              "INSERT INTO tenantdb.migrations (stream, tenant_id, version, kind, title, sum, state, steps, "
              "steps_done,"
              " error) SELECT 'tenant', id, %lld, 'versioned', 'failing', 'x', 'failed', 2, %d, '%s' FROM"
              " tenantdb.tenants WHERE slug = '%s'",
              (long long)version, steps_done, message, slug);
}

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_migrated(url, fixture_empty_registry(), some_migrations(), NULL);
  static const char *const slugs[] = {"a", "b", "c"};
  for (size_t i = 0; i < 3; i++) {
    tenantdb_tenant_free(fixture_tenant(db, slugs[i]));
  }
  set_version("b", 2);
  set_version("c", 3);
  fail_at("c", 4, 0, "relation \"x\" does not exist");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static tenantdb_result *status_of(const char *key, const char *value) {
  tenantdb_result *result = NULL;
  tenantdb_ledger_options *options = tenantdb_ledger_options_new();
  if (key) {
    tenantdb_ledger_options_set(options, key, value);
  }
  harness_assert_ok(tenantdb_migration_status(db, options, &result, &error), error);
  tenantdb_ledger_options_free(options);
  return result;
}

#define ROW(result, row, ...)                                         \
  do {                                                                \
    const char *const wanted[] = {__VA_ARGS__};                       \
    for (int32_t column = 0; column < 9; column++) {                  \
      const char *value = tenantdb_result_value(result, row, column); \
      assert_string_equal(value ? value : "-", wanted[column]);       \
    }                                                                 \
  } while (0)

static void test_status(void **state) {
  (void)state;
  tenantdb_result *result = status_of(NULL, NULL);
  assert_int_equal(tenantdb_result_rows(result), 4);
  ROW(result, 0, "-", "0", "2", "shared version 1", "0", "0", "-", "-", "-");
  ROW(result, 1, "a", "4", "0", "-", "0", "0", "-", "-", "-");
  ROW(result, 2, "b", "2", "2", "tenant version 3", "1", "0", "-", "-", "-");
  ROW(result, 3, "c", "3", "1", "tenant version 4", "1", "1", "tenant version 4",
      "relation \"x\" does not exist", "-");
  tenantdb_result_free(result);
  result = status_of("selector", "version<3");
  assert_int_equal(tenantdb_result_rows(result), 1);
  assert_string_equal(fixture_value(result, 0, "tenant"), "b");
  tenantdb_result_free(result);
  result = status_of("stream", "shared");
  assert_int_equal(tenantdb_result_rows(result), 1);
  tenantdb_result_free(result);
  result = status_of("tenants", "");
  assert_int_equal(tenantdb_result_rows(result), 0);
  tenantdb_result_free(result);
}

static void test_versions(void **state) {
  (void)state;
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_migration_versions(db, NULL, &result, &error), error);
  assert_int_equal(tenantdb_result_rows(result), 3);
  assert_string_equal(fixture_value(result, 0, "version"), "4");
  assert_string_equal(fixture_value(result, 0, "file"), "tenant version 4");
  assert_string_equal(fixture_value(result, 1, "version"), "3");
  assert_string_equal(fixture_value(result, 1, "failed"), "1");
  assert_string_equal(fixture_value(result, 1, "which"), "[\"c\"]");
  assert_string_equal(fixture_value(result, 2, "tenants"), "1");
  assert_string_equal(fixture_value(result, 2, "failed"), "0");
  tenantdb_result_free(result);
  tenantdb_ledger_options *options = tenantdb_ledger_options_new();
  tenantdb_ledger_options_set(options, "stream", "shared");
  fixture_assert_refused(tenantdb_migration_versions(db, options, &result, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_OPTION_VALUE, "tenantdb_migration_status()");
  tenantdb_ledger_options_free(options);
}

static void test_history(void **state) {
  (void)state;
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_migration_history(db, "c", &result, &error), error);
  assert_int_equal(tenantdb_result_rows(result), 4);
  assert_int_equal(tenantdb_result_columns(result), 17);
  assert_string_equal(fixture_value(result, 0, "present"), "f");
  assert_string_equal(fixture_value(result, 3, "state"), "failed");
  assert_string_equal(fixture_value(result, 3, "error"), "relation \"x\" does not exist");
  assert_non_null(strstr(fixture_value(result, 0, "started_at"), "+00"));
  tenantdb_result_free(result);
  harness_assert_ok(tenantdb_migration_history(db, "a", &result, &error), error);
  assert_string_equal(fixture_value(result, 0, "present"), "t");
  assert_string_equal(fixture_value(result, 4, "name"), "ids");
  assert_string_equal(fixture_value(result, 4, "present"), "t");
  tenantdb_result_free(result);
  harness_assert_ok(tenantdb_migration_history(db, NULL, &result, &error), error);
  assert_int_equal(tenantdb_result_rows(result), 0);
  tenantdb_result_free(result);
  fixture_assert_refused(tenantdb_migration_history(db, "nobody", &result, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TENANT, "nobody");
  fixture_assert_refused(tenantdb_migration_history(db, "a", NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
}

/* What a repair did, as "version action tenants; …". Until the next call. */
static const char *repaired(const char *key, const char *value) {
  static char all[1024];
  size_t length = 0;
  tenantdb_result *result = NULL;
  tenantdb_ledger_options *options = tenantdb_ledger_options_new();
  if (key) {
    tenantdb_ledger_options_set(options, key, value);
  }
  harness_assert_ok(tenantdb_migration_repair(db, options, &result, &error), error);
  tenantdb_ledger_options_free(options);
  all[0] = '\0';
  for (int32_t i = 0; i < tenantdb_result_rows(result); i++) {
    length +=
        (size_t)snprintf(all + length, sizeof all - length, "%s %s %s;", fixture_value(result, i, "version"),
                         fixture_value(result, i, "action"), fixture_value(result, i, "tenants"));
  }
  tenantdb_result_free(result);
  return all;
}

static void test_repair(void **state) {
  (void)state;
  tenantdb_result *result = NULL;
  assert_string_equal(repaired("tenants", "b"), "1 sum 1;2 sum 1;");
  assert_string_equal(repaired("tenants", "b"), "");
  assert_string_equal(repaired("version", "2"), "2 sum 1;");
  fail_at("b", 3, 1, "half done");
  assert_string_equal(repaired(NULL, NULL), "1 sum 1;3 sum 1;4 cleared 1;");
  result = status_of("tenants", "b,c");
  assert_string_equal(fixture_value(result, 0, "error"), "half done");
  assert_string_equal(fixture_value(result, 1, "unfinished"), "0");
  tenantdb_result_free(result);
  tenantdb_ledger_options *options = tenantdb_ledger_options_new();
  tenantdb_ledger_options_set(options, "version", "77");
  fixture_assert_refused(tenantdb_migration_repair(db, options, &result, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_HISTORY_MISSING, "no migration of version 77");
  tenantdb_ledger_options_free(options);
  assert_true(harness_count(url, "SELECT count(*) FROM tenantdb.audit WHERE action = 'repair ledger'") > 0);
}

/* What stopped on its way is told by a diagnosis, and by reconcile with what goes on with it. */
static void test_reported(void **state) {
  (void)state;
  tenantdb_result *result = NULL;
  set_version("a", 4);
  set_version("b", 3);
  fail_at("b", 4, 0, "division by zero");
  set_version("c", 4);
  harness_sql(
      url,
      "UPDATE tenantdb.migrations SET state = 'running', lease_until = now() - interval '1 s', steps = 3,"
      " steps_done = 1 WHERE version = 3 AND tenant_id = (SELECT id FROM tenantdb.tenants WHERE slug = 'c');"
      "INSERT INTO tenantdb.runs (id, state, set_hash, goal, settings, waves, total, updated_at) VALUES"
      " ('11111111-2222-3333-4444-555555555555', 'running', 'x', 4, '{}', 1, 3, now() - interval '1 h')");
  assert_true(diagnosed_has(db, NULL, "migration-failed", "migration 4"));
  assert_true(diagnosed_has(db, "c", "migration-unfinished", "migration 3"));
  assert_false(diagnosed_has(db, "c", "migration-failed", ""));
  assert_true(diagnosed_has(db, NULL, "tenant-behind", "version 3"));
  harness_assert_ok(tenantdb_reconcile(db, &result, &error), error);
  assert_int_equal(tenantdb_result_rows(result), 2);
  assert_string_equal(fixture_value(result, 0, "tenant"), "c");
  assert_string_equal(fixture_value(result, 0, "outcome"),
                      "migration 3 stopped behind 1 of 3 statements: tenantdb_migrate() goes on");
  assert_string_equal(fixture_value(result, 1, "operation"), "migrate");
  assert_non_null(strstr(fixture_value(result, 1, "outcome"), "run 11111111-2222-3333-4444-555555555555"));
  tenantdb_result_free(result);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_status), cmocka_unit_test(test_versions), cmocka_unit_test(test_history),
      cmocka_unit_test(test_repair), cmocka_unit_test(test_reported),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

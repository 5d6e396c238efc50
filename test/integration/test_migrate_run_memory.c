/* SPDX-License-Identifier: PostgreSQL */
/* Runs that run out of memory, at each allocation in turn: an error, nothing half done, nothing lost. */
#include "base/memory.h"
#include "run_fixture.h"

static const char *url;
static tenantdb *db;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  run_fleet(url, 2);
  tenantdb_migrations *set = run_set(3);
  tenantdb_migration_add_down(set, "tenant", 2,
                              "ALTER TABLE notes DROP COLUMN tag, ALTER COLUMN body DROP NOT NULL");
  tenantdb_migration_add_down(set, "tenant", 3, "DROP INDEX notes_tag");
  db = run_open(url, set, FIXTURE_OPTIONS("operation.lease", "1s"));
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

/* One call with options, as key, value, …, NULL. */
static tenantdb_status migrate(const char *const *pairs, tenantdb_error **error) {
  tenantdb_run *run = NULL;
  tenantdb_run_options *options = run_options(pairs);
  if (!options) {
    return TENANTDB_MEMORY;
  }
  tenantdb_status status = tenantdb_migrate(db, options, &run, error);
  tenantdb_run_options_free(options);
  tenantdb_run_free(run);
  return status;
}

static tenantdb_status plan(const char *const *pairs, tenantdb_error **error) {
  tenantdb_result *rows = NULL;
  tenantdb_run_options *options = run_options(pairs);
  if (!options) {
    return TENANTDB_MEMORY;
  }
  tenantdb_status status = tenantdb_run_plan(db, options, &rows, error);
  assert_int_equal(status == TENANTDB_OK, rows != NULL);
  tenantdb_run_options_free(options);
  tenantdb_result_free(rows);
  return status;
}

/* Fails each allocation that the call makes; answers how many there were. */
static int64_t sweep(tenantdb_status (*call)(const char *const *pairs, tenantdb_error **error),
                     const char *const *pairs, void (*restore)(void)) {
  tenantdb_error *error = NULL;
  (void)tndb_memory_fail(0, false);
  harness_assert_ok(call(pairs, &error), error);
  int64_t total = (int64_t)tndb_memory_fail(0, false);
  restore();
  int64_t began = fixture_now_ms();
  int tried = 0;
  for (int64_t at = 1; at <= total;
       at = fixture_next(at, total, 40, tried ? (fixture_now_ms() - began) / tried + 1 : 10,
                         fixture_budget_ms() / 3)) {
    (void)tndb_memory_fail((uint64_t)at, false);
    tenantdb_status status = call(pairs, &error);
    (void)tndb_memory_fail(0, false);
    /* Who is one of several has failed alone, and one that failed may have been tried again. */
    assert_true(status == TENANTDB_OK || status == TENANTDB_MEMORY || status == TENANTDB_UNAVAILABLE ||
                status == TENANTDB_STATE || status == TENANTDB_CONNECTION);
    tenantdb_error_free(error);
    error = NULL;
    assert_int_equal(run_lies(url), 0);
    restore();
    tried++;
  }
  return total;
}

static void nothing(void) {
}

static void go_back(void) {
  tenantdb_error *error = NULL;
  harness_assert_ok(
      migrate(FIXTURE_OPTIONS("down", "on", "stream", "tenant", "to", "1", "allow_fleet_down", "on"), &error),
      error);
  assert_int_equal(run_at(url, 1), 2);
}

static void test_plan(void **state) {
  (void)state;
  assert_true(sweep(plan, FIXTURE_OPTIONS("waves", "1,50%", "selector", "slug^=t"), nothing) > 10);
}

static void test_dry(void **state) {
  (void)state;
  assert_true(
      sweep(migrate, FIXTURE_OPTIONS("dry_run", "on", "tenants", "t001,t002", "canary", "1"), nothing) > 50);
}

static void test_migrate(void **state) {
  (void)state;
  assert_true(sweep(migrate, FIXTURE_OPTIONS("connections", "2"), go_back) > 50);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_plan), cmocka_unit_test(test_dry),
                                     cmocka_unit_test(test_migrate)};
  return cmocka_run_group_tests(tests, setup, teardown);
}

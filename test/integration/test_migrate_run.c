/* SPDX-License-Identifier: PostgreSQL */
/* Runs over a fleet: who is chosen, waves, limits, pausing, going on, going back. */
#include <stdatomic.h>

#include "catalog/database.h"
#include "run_fixture.h"

#include "fixture_database.h"

enum { FLEET = 12 };

static int setup(void **state) {
  (void)fixture_setup(state);
  run_fleet(url, FLEET);
  return 0;
}

static tenantdb_run *begin(tenantdb *db, const char *const *pairs) {
  tenantdb_run *run = NULL;
  tenantdb_run_options *options = run_options(pairs);
  harness_assert_ok(tenantdb_migrate_begin(db, options, &run, &error), error);
  tenantdb_run_options_free(options);
  return run;
}

/* ---------------------------------------------------------------- everybody */

static void test_everybody(void **state) {
  (void)state;
  tenantdb *db = run_open_at(url, 3);
  tenantdb_run *run = NULL;
  harness_assert_ok(run_migrate(db, NULL, &run, &error), error);
  assert_int_equal(run_progress(run, "total"), FLEET);
  assert_int_equal(run_progress(run, "done"), FLEET);
  assert_int_equal(run_progress(run, "goal"), 3);
  assert_string_equal(run_text(run, "state"), "done");
  assert_int_equal(run_at(url, 3), FLEET);
  assert_int_equal(run_lies(url), 0);
  tenantdb_result *rows = NULL;
  harness_assert_ok(tenantdb_run_members(run, NULL, "t005", 2, &rows, &error), error);
  assert_int_equal(tenantdb_result_rows(rows), 2);
  assert_string_equal(tenantdb_result_value(rows, 0, 0), "t006");
  assert_string_equal(tenantdb_result_value(rows, 1, 0), "t007");
  assert_string_equal(tenantdb_result_value(rows, 0, 3), "done");
  assert_string_equal(tenantdb_result_value(rows, 0, 5), "1");
  assert_string_equal(tenantdb_result_value(rows, 0, 6), "3");
  tenantdb_result_free(rows);
  /* Nothing to do, and nothing is written. */
  tenantdb_run *again = NULL;
  harness_assert_ok(run_migrate(db, NULL, &again, &error), error);
  assert_string_equal(tenantdb_run_id(again), "");
  assert_string_equal(run_text(again, "state"), "done");
  assert_int_equal(run_count(again, NULL), 0);
  harness_assert_fails(tenantdb_run_pause(again, &error), error, TENANTDB_STATE, TENANTDB_REASON_RUN_STATE);
  harness_assert_ok(tenantdb_runs(db, 0, &rows, &error), error);
  assert_int_equal(tenantdb_result_rows(rows), 1);
  assert_string_equal(tenantdb_result_value(rows, 0, 0), tenantdb_run_id(run));
  assert_string_equal(tenantdb_result_value(rows, 0, 5), "12");
  tenantdb_result_free(rows);
  tenantdb_run_free(again);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- who is chosen */

static void test_chosen(void **state) {
  (void)state;
  tenantdb *db = run_open_at(url, 3);
  tenantdb_run *run = NULL;
  harness_sql(
      url, "UPDATE tenantdb.tenants SET properties = '{\"plan\": \"pro\"}' WHERE slug IN ('t001', 't002')");
  harness_assert_ok(run_migrate(db, FIXTURE_OPTIONS("selector", "plan=pro", "to", "2"), &run, &error), error);
  assert_int_equal(run_progress(run, "total"), 2);
  assert_int_equal(run_at(url, 2), 2);
  tenantdb_run_free(run);
  harness_assert_ok(run_migrate(db, FIXTURE_OPTIONS("tenants", "T003, t004"), NULL, &error), error);
  assert_int_equal(run_at(url, 3), 2);
  harness_assert_ok(run_migrate(db, FIXTURE_OPTIONS("selector", "version<2", "to", "2"), NULL, &error),
                    error);
  assert_int_equal(run_at(url, 2), FLEET - 2);
  assert_int_equal(run_lies(url), 0);
  harness_assert_ok(tenantdb_tenant_suspend(db, "t005", NULL, &error), error);
  harness_assert_ok(run_migrate(db, FIXTURE_OPTIONS("states", "suspended"), NULL, &error), error);
  assert_int_equal(run_at(url, 3), 3);
  fixture_assert_refused(run_migrate(db, FIXTURE_OPTIONS("tenants", "t001,nobody"), NULL, &error), error,
                         TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT, "nobody");
  harness_assert_ok(tenantdb_tenant_register(db, "t900", NULL, NULL, &error), error);
  fixture_assert_refused(run_migrate(db, FIXTURE_OPTIONS("tenants", "t900"), NULL, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_BAD_OPTION_VALUE, "t900 is pending");
  harness_assert_ok(run_migrate(db, FIXTURE_OPTIONS("tenants", ""), &run, &error), error);
  assert_string_equal(tenantdb_run_id(run), "");
  tenantdb_run_free(run);
  tenantdb_close(db);
}

static void test_options(void **state) {
  (void)state;
  static const char *const wrong[][2] = {{"to", "x"},
                                         {"waves", "50%,10%"},
                                         {"waves", "0"},
                                         {"waves", "101%"},
                                         {"canary", "plan="},
                                         {"states", "gone"},
                                         {"stream", "all"},
                                         {"order", "random"},
                                         {"connections", "0"},
                                         {"failure_limit", "x%"},
                                         {"on_error", "hope"},
                                         {"lock_timeout", "0"},
                                         {"selector", "a = = b"},
                                         {"dry_run", "maybe"},
                                         {"retries", "-1"},
                                         {"tenants", "a,,b"},
                                         {"canary", "0"}};
  tenantdb *db = run_open_at(url, 3);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    tenantdb_status status = run_migrate(db, FIXTURE_OPTIONS(wrong[i][0], wrong[i][1]), NULL, &error);
    assert_int_equal(status, TENANTDB_ARGUMENT);
    harness_check_message(error, wrong[i][0], __FILE__, __LINE__);
    tenantdb_error_free(error);
  }
  fixture_assert_refused(run_migrate(db, FIXTURE_OPTIONS("wave", "1"), NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION, "did you mean \"waves\"");
  fixture_assert_refused(run_migrate(db, FIXTURE_OPTIONS("to", "99"), NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_OPTION_VALUE, "99");
  harness_assert_fails(tenantdb_run_open(db, "what", NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  tenantdb_run *run = NULL;
  harness_assert_fails(tenantdb_run_open(db, "what", &run, &error), error, TENANTDB_NOT_FOUND,
                       TENANTDB_REASON_UNKNOWN_RUN);
  harness_assert_fails(tenantdb_run_open(db, "00000000-0000-4000-8000-000000000001", &run, &error), error,
                       TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_RUN);
  harness_assert_fails(tenantdb_run_work(NULL, 0, NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  tenantdb_close(db);
  db = fixture_open(url, tenantdb_registry_new(), NULL);
  harness_assert_fails(tenantdb_migrate(db, NULL, &run, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_NO_MIGRATIONS);
  assert_null(run);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- waves */

static void check_wave(tenantdb_run *run, int wave, int size) {
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM tenantdb.run_members WHERE run_id = '%s' AND wave = %d",
                    tenantdb_run_id(run), wave),
      size);
}

static void test_waves(void **state) {
  (void)state;
  tenantdb *db = run_open_at(url, 3);
  tenantdb_run *run = begin(
      db, FIXTURE_OPTIONS("waves", "1,25%,50%,100%", "canary", "slug=t007", "pause_between_waves", "on"));
  assert_int_equal(run_progress(run, "waves"), 4);
  check_wave(run, 1, 1);
  check_wave(run, 2, 2);
  check_wave(run, 3, 3);
  check_wave(run, 4, 6);
  harness_assert_fails(tenantdb_run_work(run, 0, NULL, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_RUN_STATE);
  assert_int_equal(run_count(run, "done"), 1);
  assert_int_equal(harness_count(url, "SELECT version FROM tenantdb.tenants WHERE slug = 't007'"), 3);
  assert_string_equal(run_text(run, "state"), "paused");
  static const int done[] = {3, 6};
  for (int i = 0; i < 2; i++) {
    harness_assert_ok(tenantdb_run_resume(run, &error), error);
    harness_assert_fails(tenantdb_run_work(run, 0, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_RUN_STATE);
    assert_int_equal(run_count(run, "done"), done[i]);
  }
  harness_assert_ok(tenantdb_run_resume(run, &error), error);
  harness_assert_ok(tenantdb_run_work(run, 0, NULL, &error), error);
  assert_int_equal(run_at(url, 3), FLEET);
  assert_int_equal(run_lies(url), 0);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

/* A canary that fails is enough, without any limit; mended and resumed, the run goes on. */
static void test_canary(void **state) {
  (void)state;
  tenantdb *db = run_open_at(url, 3);
  tenantdb_run *run = NULL;
  run_spoil(url, "t002");
  fixture_assert_refused(run_migrate(db, FIXTURE_OPTIONS("canary", "3"), &run, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_RUN_STOPPED, "t002");
  assert_string_equal(run_text(run, "state"), "stopped");
  assert_int_equal(run_at(url, 3), 2);
  assert_int_equal(run_count(run, "failed"), 1);
  assert_int_equal(run_count(run, "waiting"), FLEET - 3);
  tenantdb_result *rows = NULL;
  harness_assert_ok(tenantdb_run_members(run, "failed, skipped", NULL, 0, &rows, &error), error);
  assert_string_equal(tenantdb_result_value(rows, 0, 0), "t002");
  assert_string_equal(tenantdb_result_value(rows, 0, 7), "tenant version 2");
  assert_string_equal(tenantdb_result_value(rows, 0, 8), "2");
  assert_string_equal(tenantdb_result_value(rows, 0, 9), "23502");
  assert_non_null(strstr(tenantdb_result_value(rows, 0, 10), "body"));
  tenantdb_result_free(rows);
  run_mend(url, "t002");
  harness_assert_ok(tenantdb_run_retry_failed(run, &error), error);
  harness_assert_ok(tenantdb_run_work(run, 0, NULL, &error), error);
  assert_int_equal(run_at(url, 3), FLEET);
  assert_int_equal(run_lies(url), 0);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- failures */

static void test_partly(void **state) {
  (void)state;
  tenantdb *db = run_open_at(url, 3);
  tenantdb_run *run = NULL;
  run_spoil(url, "t003");
  run_spoil(url, "t011");
  fixture_assert_refused(run_migrate(db, NULL, &run, &error), error, TENANTDB_UNAVAILABLE,
                         TENANTDB_REASON_RUN_PARTLY, "2 of 12");
  assert_int_equal(run_at(url, 3), FLEET - 2);
  assert_int_equal(run_at(url, 1), 2);
  assert_int_equal(run_lies(url), 0);
  assert_int_equal(run_progress(run, "failed"), 2);
  /* Only those who failed are tried again, and one of them has been mended. */
  run_mend(url, "t003");
  harness_assert_ok(tenantdb_run_retry_failed(run, &error), error);
  assert_int_equal(run_count(run, "waiting"), 2);
  fixture_assert_refused(tenantdb_run_work(run, 0, NULL, &error), error, TENANTDB_UNAVAILABLE,
                         TENANTDB_REASON_RUN_PARTLY, "t011");
  run_mend(url, "t011");
  /* A new run finds the one that is left. */
  tenantdb_run *other = NULL;
  harness_assert_ok(run_migrate(db, NULL, &other, &error), error);
  assert_int_equal(run_progress(other, "total"), 1);
  assert_int_equal(run_at(url, 3), FLEET);
  tenantdb_run_free(other);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

static void test_limit(void **state) {
  (void)state;
  tenantdb *db = run_open_at(url, 3);
  tenantdb_run *run = NULL;
  run_spoil(url, "t001");
  run_spoil(url, "t002");
  run_spoil(url, "t003");
  harness_assert_fails(
      run_migrate(db, FIXTURE_OPTIONS("failure_limit", "1", "connections", "1"), &run, &error), error,
      TENANTDB_STATE, TENANTDB_REASON_RUN_STOPPED);
  assert_int_equal(run_count(run, "failed"), 2);
  assert_int_equal(run_count(run, "waiting"), FLEET - 2);
  assert_int_equal(run_at(url, 3), 0);
  /* Resumed, those do not count any more, and one more may fail. */
  harness_assert_ok(tenantdb_run_resume(run, &error), error);
  harness_assert_fails(tenantdb_run_work(run, 0, NULL, &error), error, TENANTDB_UNAVAILABLE,
                       TENANTDB_REASON_RUN_PARTLY);
  assert_int_equal(run_count(run, "failed"), 3);
  assert_int_equal(run_at(url, 3), FLEET - 3);
  tenantdb_run_free(run);
  /* Of all that are left 10 % is none. */
  harness_assert_fails(
      run_migrate(db, FIXTURE_OPTIONS("failure_limit", "10%", "connections", "1"), &run, &error), error,
      TENANTDB_STATE, TENANTDB_REASON_RUN_STOPPED);
  assert_int_equal(run_count(run, "failed"), 1);
  tenantdb_run_free(run);
  harness_assert_fails(run_migrate(db, FIXTURE_OPTIONS("on_error", "stop", "connections", "1"), &run, &error),
                       error, TENANTDB_STATE, TENANTDB_REASON_RUN_STOPPED);
  assert_int_equal(run_count(run, "failed"), 1);
  harness_assert_ok(tenantdb_run_abort(run, &error), error);
  assert_int_equal(run_count(run, "skipped"), 2);
  harness_assert_fails(tenantdb_run_resume(run, &error), error, TENANTDB_STATE, TENANTDB_REASON_RUN_STATE);
  harness_assert_fails(tenantdb_run_retry_failed(run, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_RUN_STATE);
  harness_assert_fails(tenantdb_run_work(run, 0, NULL, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_RUN_STATE);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- a while at a time */

/* The last time it is told the end. */
static int32_t notes(void *user, const tenantdb_result *progress) {
  (void)strncpy(user, tenantdb_result_value(progress, 0, 1), 20);
  return 0;
}

static int32_t pauses(void *user, const tenantdb_result *progress) {
  assert_string_equal(tenantdb_result_value(progress, 0, 1), ++*(int *)user == 1 ? "running" : "paused");
  return 1;
}

static void test_pause(void **state) {
  (void)state;
  tenantdb *db = run_open_at(url, 3);
  int told = 0;
  tenantdb_run *run = begin(db, FIXTURE_OPTIONS("connections", "1"));
  tenantdb_run_on_progress(run, pauses, &told);
  harness_assert_fails(tenantdb_run_work(run, 0, NULL, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_RUN_STATE);
  assert_int_equal(told, 2); /* and at the end */
  assert_string_equal(run_text(run, "state"), "paused");
  assert_true(run_count(run, "done") < FLEET);
  assert_int_equal(run_count(run, "running"), 0);
  /* By another handle, as from another process. */
  tenantdb_run *other = NULL;
  harness_assert_ok(tenantdb_run_open(db, tenantdb_run_id(run), &other, &error), error);
  harness_assert_ok(tenantdb_run_resume(other, &error), error);
  harness_assert_ok(tenantdb_run_resume(other, &error), error);
  char last[21] = "";
  tenantdb_run_on_progress(other, notes, last);
  harness_assert_ok(tenantdb_run_work(other, 0, NULL, &error), error);
  assert_string_equal(last, "done");
  assert_int_equal(run_at(url, 3), FLEET);
  harness_assert_fails(tenantdb_run_pause(other, &error), error, TENANTDB_STATE, TENANTDB_REASON_RUN_STATE);
  harness_assert_fails(tenantdb_run_abort(other, &error), error, TENANTDB_STATE, TENANTDB_REASON_RUN_STATE);
  tenantdb_run_free(other);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

static void test_slices(void **state) {
  (void)state;
  tenantdb *db = run_open_at(url, 3);
  tenantdb_run *run = begin(db, FIXTURE_OPTIONS("connections", "1"));
  int32_t more = 1;
  int slices = 0;
  while (more && slices < 1000) {
    tndb_pool_counts counts;
    harness_assert_ok(tenantdb_run_work(run, 1, &more, &error), error);
    tndb_pool_count(db->pool, &counts);
    assert_int_equal(counts.lent, 0);
    assert_int_equal(run_count(run, "running"), 0);
    slices++;
  }
  assert_true(slices > 2);
  assert_int_equal(run_at(url, 3), FLEET);
  assert_int_equal(run_lies(url), 0);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- dry, down, planned */

static void test_dry(void **state) {
  (void)state;
  tenantdb *db = run_open_at(url, 3);
  tenantdb_run *run = NULL;
  run_spoil(url, "t009");
  fixture_assert_refused(run_migrate(db, FIXTURE_OPTIONS("dry_run", "on"), &run, &error), error,
                         TENANTDB_UNAVAILABLE, TENANTDB_REASON_RUN_PARTLY, "t009");
  assert_int_equal(run_count(run, "done"), FLEET - 1);
  assert_int_equal(run_at(url, 1), FLEET);
  assert_int_equal(run_lies(url), 0);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.migrations WHERE version > 1"), 0);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

static void test_down(void **state) {
  (void)state;
  tenantdb_migrations *set = run_set(3);
  tenantdb_migration_add_down(set, "tenant", 2,
                              "ALTER TABLE notes DROP COLUMN tag, ALTER COLUMN body DROP NOT NULL");
  tenantdb_migration_add_down(set, "tenant", 3, "DROP INDEX notes_tag");
  tenantdb *db = run_open(url, set, NULL);
  harness_assert_ok(run_migrate(db, NULL, NULL, &error), error);
  fixture_assert_refused(run_migrate(db, FIXTURE_OPTIONS("down", "on", "stream", "tenant"), NULL, &error),
                         error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "option to");
  fixture_assert_refused(run_migrate(db, FIXTURE_OPTIONS("down", "on", "to", "1"), NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "stream");
  fixture_assert_refused(
      run_migrate(db, FIXTURE_OPTIONS("down", "on", "stream", "tenant", "to", "1"), NULL, &error), error,
      TENANTDB_STATE, TENANTDB_REASON_DOWN_REFUSED, "12 tenants");
  fixture_assert_refused(
      run_migrate(db, FIXTURE_OPTIONS("down", "on", "stream", "shared", "to", "1"), NULL, &error), error,
      TENANTDB_STATE, TENANTDB_REASON_DOWN_REFUSED, "shared");
  harness_assert_ok(
      run_migrate(db, FIXTURE_OPTIONS("down", "on", "stream", "tenant", "to", "1", "tenants", "t004"), NULL,
                  &error),
      error);
  assert_int_equal(run_at(url, 1), 1);
  assert_int_equal(run_lies(url), 0);
  harness_assert_ok(
      run_migrate(db, FIXTURE_OPTIONS("down", "on", "stream", "tenant", "to", "2", "allow_fleet_down", "on"),
                  NULL, &error),
      error);
  assert_int_equal(run_at(url, 2), FLEET - 1);
  assert_int_equal(run_lies(url), 0);
  harness_assert_ok(run_migrate(db, NULL, NULL, &error), error);
  assert_int_equal(run_at(url, 3), FLEET);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- the shared stream */

static void test_shared(void **state) {
  (void)state;
  tenantdb_migrations *set = run_set(3);
  tenantdb_migration_add(set, "shared", 1, "plans", "CREATE TABLE plans (id integer PRIMARY KEY)");
  tenantdb *db = run_open(url, set, NULL);
  tenantdb_run *run = begin(db, FIXTURE_OPTIONS("stream", "shared"));
  assert_int_equal(run_progress(run, "total"), 0);
  harness_assert_ok(tenantdb_run_work(run, 0, NULL, &error), error);
  assert_int_equal(run_progress(run, "shared_version"), 1);
  assert_int_equal(run_at(url, 1), FLEET);
  tenantdb_run_free(run);
  tenantdb_close(db);
  /* When it fails nobody is begun. */
  set = run_set(3);
  tenantdb_migration_add(set, "shared", 1, "plans", "CREATE TABLE plans (id integer PRIMARY KEY)");
  tenantdb_migration_add(set, "shared", 2, "wrong", "INSERT INTO plans VALUES (1), (1)");
  db = run_open(url, set, NULL);
  fixture_assert_refused(run_migrate(db, NULL, &run, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_RUN_STOPPED, "shared");
  assert_int_equal(run_at(url, 1), FLEET);
  assert_int_equal(run_count(run, "failed"), 1);
  harness_sql(url, "CREATE RULE twice AS ON INSERT TO plans DO INSTEAD NOTHING");
  harness_assert_ok(tenantdb_run_resume(run, &error), error);
  harness_assert_ok(tenantdb_run_work(run, 0, NULL, &error), error);
  assert_int_equal(run_at(url, 3), FLEET);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- what happens meanwhile */

/* Tenants that somebody with an older set makes while the run is under way end at the right version. */
static void test_late(void **state) {
  (void)state;
  tenantdb *db = run_open_at(url, 3);
  tenantdb_run *run = begin(db, FIXTURE_OPTIONS("waves", "50%", "pause_between_waves", "on"));
  harness_assert_fails(tenantdb_run_work(run, 0, NULL, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_RUN_STATE);
  tenantdb *old = run_open(url, run_set(1), NULL);
  tenantdb_tenant_free(fixture_tenant(old, "late"));
  tenantdb_close(old);
  harness_assert_ok(tenantdb_tenant_remove(db, "t012", 0, NULL, &error), error);
  harness_sql(url, "UPDATE tenantdb.tenants SET slug = 'renamed' WHERE slug = 't011'");
  harness_assert_ok(tenantdb_run_resume(run, &error), error);
  harness_assert_ok(tenantdb_run_work(run, 0, NULL, &error), error);
  assert_int_equal(run_progress(run, "waves"), 3);
  assert_int_equal(run_progress(run, "total"), FLEET + 1);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.tenants WHERE version = 3 AND slug IN "
                                 "('late', 'renamed')"),
                   2);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)
      EACH(test_everybody), EACH(test_chosen), EACH(test_options), EACH(test_waves),  EACH(test_canary),
      EACH(test_partly),    EACH(test_limit),  EACH(test_pause),   EACH(test_slices), EACH(test_dry),
      EACH(test_down),      EACH(test_shared), EACH(test_late),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Sessions at level login: on the tenant's own connection, proved first and bare afterwards. */
#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static tenantdb_session *session;

#define LOGIN FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "none")

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_open(url, NULL, LOGIN);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  harness_assert_ok(tenantdb_tenant_create(db, "a", NULL, NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_create(db, "b", NULL, NULL, &error), error);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static int open_session(void **state) {
  (void)state;
  session = fixture_session(db, "a");
  return 0;
}

static int close_session(void **state) {
  (void)state;
  tenantdb_session_close(session);
  return 0;
}

static void test_own(void **state) {
  (void)state;
  for (int i = 0; i < 4; i++) { /* the first is proved, the others go bare */
    assert_string_equal(fixture_cell(session, "SELECT current_user = session_user"), "t");
    assert_string_equal(fixture_cell(session, "SELECT current_schema"), tenantdb_session_schema(session));
    fixture_run(session, "INSERT INTO notes (body) VALUES ('mine')");
  }
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "4");
  tenantdb_session *other = fixture_session(db, "b");
  assert_string_equal(fixture_cell(other, "SELECT count(*) FROM notes"), "0");
  tenantdb_session_close(other);
}

static void test_neighbour(void **state) {
  (void)state;
  tenantdb_session *other = fixture_session(db, "b");
  char sql[200];
  snprintf(sql, sizeof sql, "SELECT * FROM \"%s\".notes", tenantdb_session_schema(other));
  for (int i = 0; i < 2; i++) {
    fixture_assert_refused(tenantdb_session_query(session, sql, NULL, NULL, &error), error,
                           TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION, "permission denied");
  }
  snprintf(sql, sizeof sql, "SET ROLE \"%s\"", tenantdb_session_schema(other));
  assert_int_not_equal(tenantdb_session_query(session, sql, NULL, NULL, &error), TENANTDB_OK);
  tenantdb_error_free(error);
  error = NULL;
  assert_string_equal(fixture_cell(session, "SELECT 1"), "1"); /* and the session goes on */
  tenantdb_session_close(other);
}

static void test_failures(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    fixture_assert_refused(tenantdb_session_query(session, "SELECT 1 / 0", NULL, NULL, &error), error,
                           TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "division by zero");
    assert_string_equal(fixture_cell(session, "SELECT 7"), "7");
  }
  fixture_run(session, "DEALLOCATE ALL"); /* statements that are prepared no longer are prepared again */
  assert_string_equal(fixture_cell(session, "SELECT 7"), "7");
}

static void test_transaction(void **state) {
  (void)state;
  harness_assert_ok(tenantdb_session_begin(session, "isolation level serializable", &error), error);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('undone')");
  harness_assert_ok(tenantdb_session_savepoint(session, "s", &error), error);
  assert_int_not_equal(tenantdb_session_query(session, "SELECT nothing", NULL, NULL, NULL), TENANTDB_OK);
  harness_assert_ok(tenantdb_session_rollback_to(session, "s", &error), error);
  assert_string_equal(fixture_cell(session, "SELECT count(*) > 0 FROM notes"), "t");
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes WHERE body = 'undone'"), "0");
}

static void test_deadline(void **state) {
  (void)state;
  tenantdb_session *timed = NULL;
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "timeout", "200ms");
  harness_assert_ok(tenantdb_session_open(db, "a", options, &timed, &error), error);
  for (int i = 0; i < 2; i++) {
    fixture_assert_refused(tenantdb_session_query(timed, "SELECT pg_sleep(5)", NULL, NULL, &error), error,
                           TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT, "deadline");
    assert_string_equal(fixture_cell(timed, "SELECT 1"), "1");
  }
  tenantdb_session_close(timed);
  tenantdb_session_options_free(options);
}

static void test_read_only(void **state) {
  (void)state;
  tenantdb_session *reader = NULL;
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "read_only", "on");
  harness_assert_ok(tenantdb_session_open(db, "a", options, &reader, &error), error);
  for (int i = 0; i < 2; i++) {
    assert_string_equal(fixture_cell(reader, "SELECT 1"), "1");
    assert_int_not_equal(
        tenantdb_session_query(reader, "INSERT INTO notes (body) VALUES ('no')", NULL, NULL, NULL),
        TENANTDB_OK);
  }
  tenantdb_session_close(reader);
  tenantdb_session_options_free(options);
}

static void test_suspended(void **state) {
  (void)state;
  tenantdb_session *last = NULL;
  tenantdb_session *held = fixture_session(db, "b");
  assert_string_equal(fixture_cell(held, "SELECT 1"), "1");
  harness_assert_ok(tenantdb_tenant_suspend(db, "b", NULL, &error), error);
  assert_int_not_equal(tenantdb_session_query(held, "SELECT count(*) FROM notes", NULL, NULL, NULL),
                       TENANTDB_OK);
  tenantdb_session_close(held);
  fixture_assert_refused(tenantdb_session_open(db, "b", NULL, &last, &error), error, TENANTDB_UNAVAILABLE,
                         TENANTDB_REASON_TENANT_NOT_ACTIVE, "suspended");
  assert_null(last);
  harness_assert_ok(tenantdb_tenant_resume(db, "b", NULL, &error), error);
  held = fixture_session(db, "b");
  assert_string_equal(fixture_cell(held, "SELECT 1"), "1");
  tenantdb_session_close(held);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_own, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_neighbour, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_failures, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_transaction, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_deadline, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_read_only, open_session, close_session),
      cmocka_unit_test(test_suspended),
  };
  return cmocka_run_group_tests_name("login_session", tests, setup, teardown);
}

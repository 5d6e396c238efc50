/* SPDX-License-Identifier: PostgreSQL */
/* Deadlines of sessions, and connections that die under them. */
#include <pthread.h>
#include <time.h>

#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static tenantdb_session *session;
static char schema[64];

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  tenantdb_tenant *tenant = fixture_tenant(db, "a");
  snprintf(schema, sizeof schema, "%s", tenantdb_tenant_schema(tenant));
  /* A constraint that is checked at COMMIT, and takes its time. */
  harness_sql(
      url,
      "CREATE FUNCTION %s.linger() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN IF NEW.body "
      "= "
      "'slow' THEN PERFORM pg_sleep(1.5); END IF; RETURN NEW; END $$; CREATE CONSTRAINT TRIGGER linger AFTER "
      "INSERT ON %s.notes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION %s.linger()",
      schema, schema, schema);
  tenantdb_tenant_free(tenant);
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
  fixture_run(session, "DELETE FROM notes");
  return 0;
}

static int open_hasty(void **state) {
  (void)state;
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "timeout", "200ms");
  harness_assert_ok(tenantdb_session_open(db, "a", options, &session, &error), error);
  tenantdb_session_options_free(options);
  return 0;
}

static int close_session(void **state) {
  (void)state;
  tenantdb_session_close(session);
  return 0;
}

/* ---------------------------------------------------------------- deadlines */

static void test_timeout(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    int64_t began = now_ms();
    harness_assert_status(tenantdb_session_query(session, "SELECT pg_sleep(5)", NULL, NULL, &error), error,
                          TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT);
    assert_in_range(now_ms() - began, 190, 400);
    harness_assert_message(error, "the statement did not end within the deadline and was stopped");
    tenantdb_error_free(error);
    error = NULL;
    assert_string_equal(fixture_cell(session, "SELECT current_schema"), schema); /* and it goes on */
  }
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(5)%%' AND "
                    "state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()"),
      0);
}

static void test_timeout_in_transaction(void **state) {
  (void)state;
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  harness_assert_fails(tenantdb_session_query(session, "SELECT pg_sleep(5)", NULL, NULL, &error), error,
                       TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT);
  harness_assert_fails(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_TRANSACTION_FAILED);
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes WHERE body = 'x'"), "0");
}

/* The deadline passes while COMMIT is checked: it was stopped, so nothing of it was done. */
static void test_timeout_in_commit(void **state) {
  (void)state;
  for (int inside = 0; inside < 2; inside++) {
    tenantdb_status status;
    if (inside) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
      fixture_run(session, "INSERT INTO notes (body) VALUES ('slow')");
      status = tenantdb_session_commit(session, &error);
    } else {
      status =
          tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('slow')", NULL, NULL, &error);
    }
    harness_assert_status(status, error, TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT);
    tenantdb_error_free(error);
    error = NULL;
    assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes WHERE body = 'slow'"), "0");
  }
}

/* The server's own limit, and a lock that is not had. */
static void test_server_timeouts(void **state) {
  (void)state;
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "SET LOCAL statement_timeout = '100ms'");
  harness_assert_status(tenantdb_session_query(session, "SELECT pg_sleep(5)", NULL, NULL, &error), error,
                        TENANTDB_CANCELLED, TENANTDB_REASON_STATEMENT_CANCELLED);
  tenantdb_error_free(error);
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('locked')");
  tenantdb_session *other = fixture_session(db, "a");
  harness_assert_ok(tenantdb_session_begin(other, NULL, &error), error);
  fixture_run(other, "SELECT * FROM notes FOR UPDATE");
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "SET LOCAL lock_timeout = '100ms'");
  harness_assert_status(tenantdb_session_query(session, "UPDATE notes SET body = 'y'", NULL, NULL, &error),
                        error, TENANTDB_BUSY, TENANTDB_REASON_LOCK_TIMEOUT);
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_LATER);
  tenantdb_error_free(error);
  tenantdb_session_close(other);
}

/* ---------------------------------------------------------------- killed */

/* PostgreSQL 13 cannot wait for it by itself. */
static void terminate(int pid) {
  int64_t until = now_ms() + 5000;
  harness_sql(url, "SELECT pg_terminate_backend(%d)", pid);
  while (harness_count(url, "SELECT count(*) FROM pg_stat_activity WHERE pid = %d", pid) > 0) {
    assert_true(now_ms() < until);
  }
}

static int backend(void) {
  return atoi(fixture_cell(session, "SELECT pg_backend_pid()"));
}

static void check_broken(void) {
  fixture_assert_refused(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_SESSION_BROKEN,
                         "close the session and open another");
}

static void test_killed_while_idle(void **state) {
  (void)state;
  harness_break(url, backend());
  fixture_pause_us(100000);
  harness_assert_status(
      tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('x')", NULL, NULL, &error), error,
      TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_NEW_SESSION);
  tenantdb_error_free(error);
  check_broken();
  assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.notes WHERE body = 'x'", schema), 0);
}

static void test_killed_before_commit(void **state) {
  (void)state;
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('lost')");
  terminate(backend());
  harness_assert_status(
      tenantdb_session_commit(session, &error), error, TENANTDB_CONNECTION,
      TENANTDB_REASON_CONNECTION_LOST); /* found on the socket, or told by the server: certain */
  tenantdb_error_free(error);
  check_broken();
  fixture_assert_refused(tenantdb_session_rollback(session, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_SESSION_BROKEN, "connection is gone");
  assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.notes WHERE body = 'lost'", schema), 0);
}

/* Waits until COMMIT is being worked on, then ends the back end. */
static void *kill_in_commit(void *user) {
  int pid = 0;
  (void)user;
  for (int i = 0; i < 1500 && pid == 0; i++) {
    fixture_pause_us(10000);
    pid = (int)harness_count(url,
                             "SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE datname = "
                             "current_database() AND state = 'active' AND query = 'COMMIT'");
  }
  terminate(pid);
  return NULL;
}

/*
 * Killed while COMMIT runs the deferred trigger. The server says 57P01 before it
 * goes, so it is certain that nothing was committed.
 */
static void test_killed_during_commit(void **state) {
  (void)state;
  for (int inside = 0; inside < 2; inside++) {
    pthread_t thread;
    tenantdb_status status;
    if (inside) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
      fixture_run(session, "INSERT INTO notes (body) VALUES ('slow')");
    }
    assert_int_equal(pthread_create(&thread, NULL, kill_in_commit, NULL), 0);
    status = inside ? tenantdb_session_commit(session, &error)
                    : tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('slow')", NULL, NULL,
                                             &error);
    pthread_join(thread, NULL);
    harness_assert_status(status, error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
    assert_string_equal(tenantdb_error_sqlstate(error), "57P01");
    tenantdb_error_free(error);
    error = NULL;
    check_broken();
    assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.notes WHERE body = 'slow'", schema), 0);
    tenantdb_session_close(session);
    session = fixture_session(db, "a");
  }
}

#define PATIENT(function) cmocka_unit_test_setup_teardown(function, open_session, close_session)
#define HASTY(function) cmocka_unit_test_setup_teardown(function, open_hasty, close_session)

int main(void) {
  const struct CMUnitTest tests[] = {
      HASTY(test_timeout),
      HASTY(test_timeout_in_transaction),
      HASTY(test_timeout_in_commit),
      PATIENT(test_server_timeouts),
      PATIENT(test_killed_while_idle),
      PATIENT(test_killed_before_commit),
      PATIENT(test_killed_during_commit),
  };
  return cmocka_run_group_tests_name("deadline", tests, setup, teardown);
}

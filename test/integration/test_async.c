/* SPDX-License-Identifier: PostgreSQL */
/* Sessions driven without waiting, as an event loop does. */
#include <poll.h>

#include "fixture.h"

enum { TENANTS = 10, SESSIONS = 200 };

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static tenantdb_session *session;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, FIXTURE_OPTIONS("pool.size", "200", "pool.overflow", "0"));
  for (int i = 0; i < TENANTS; i++) {
    char slug[8];
    snprintf(slug, sizeof slug, "t%d", i);
    tenantdb_tenant_free(fixture_tenant(db, slug));
  }
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
  session = fixture_session(db, "t0");
  fixture_run(session, "DELETE FROM notes");
  return 0;
}

static int close_session(void **state) {
  (void)state;
  tenantdb_session_close(session);
  session = NULL;
  return 0;
}

static short poll_events(tenantdb_session *one) {
  int32_t events = tenantdb_session_events(one);
  return (short)((events & TENANTDB_EVENT_READ ? POLLIN : 0) | (events & TENANTDB_EVENT_WRITE ? POLLOUT : 0));
}

/* What an event loop with one session does. */
static tenantdb_status drive(tenantdb_session *one, tenantdb_result **result, tenantdb_error **why) {
  for (;;) {
    int32_t done = 0;
    struct pollfd socket = {tenantdb_session_socket(one), poll_events(one), 0};
    (void)poll(&socket, 1, tenantdb_session_timeout_ms(one));
    tenantdb_status status = tenantdb_session_step(one, &done, result, why);
    if (done) {
      return status;
    }
    assert_int_equal(status, TENANTDB_OK);
    assert_true(!result || !*result);
  }
}

static tenantdb_status run(const char *sql) {
  tenantdb_status status = tenantdb_session_send(session, sql, NULL, &error);
  return status ? status : drive(session, NULL, &error);
}

/* ---------------------------------------------------------------- statements */

static void test_query(void **state) {
  (void)state;
  tenantdb_result *result = NULL;
  char sql[] = "SELECT $1::text, pg_sleep(0.05)";
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_text(params, "kept");
  assert_int_equal(tenantdb_session_events(session), 0);
  assert_int_equal(tenantdb_session_timeout_ms(session), -1);
  harness_assert_ok(tenantdb_session_send(session, sql, params, &error), error);
  memset(sql, 'x', sizeof sql - 1); /* both were copied */
  tenantdb_params_free(params);
  assert_int_equal(tenantdb_session_events(session) & TENANTDB_EVENT_READ, TENANTDB_EVENT_READ);
  assert_true(tenantdb_session_socket(session) >= 0);
  assert_int_equal(tenantdb_session_timeout_ms(session), -1);
  harness_assert_ok(drive(session, &result, &error), error);
  assert_string_equal(tenantdb_result_value(result, 0, 0), "kept");
  tenantdb_result_free(result);
  assert_int_equal(tenantdb_session_events(session), 0);
  /* Stepping early and often does no harm. */
  harness_assert_ok(tenantdb_session_send(session, "SELECT pg_sleep(0.02)", NULL, &error), error);
  int32_t done = 0;
  int steps = 0;
  for (; !done; steps++) {
    harness_assert_ok(tenantdb_session_step(session, &done, NULL, &error), error);
  }
  assert_true(steps > 1);
}

static void test_statement(void **state) {
  (void)state;
  tenantdb_registry *registry = fixture_registry();
  tenantdb_statement *statement = NULL;
  tenantdb_result *result = NULL;
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_text(params, "sent");
  harness_assert_ok(tenantdb_statement_new(registry, "INSERT INTO {notes} (body) VALUES ($1) RETURNING body",
                                           &statement, &error),
                    error);
  harness_assert_ok(tenantdb_session_send_statement(session, statement, params, &error), error);
  tenantdb_statement_free(statement);
  tenantdb_params_free(params);
  harness_assert_ok(drive(session, &result, &error), error);
  assert_string_equal(tenantdb_result_value(result, 0, 0), "sent");
  assert_int_equal(tenantdb_result_affected(result), 1);
  tenantdb_result_free(result);
  tenantdb_registry_free(registry);
  fixture_assert_refused(tenantdb_session_send_statement(session, NULL, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "statement is NULL");
}

/* A value and an answer far larger than what sockets hold: the loop must write and read in turn. */
static void test_large(void **state) {
  (void)state;
  enum { SIZE = 12 << 20 };
  char *text = malloc(SIZE + 1);
  assert_non_null(text);
  memset(text, 'a', SIZE);
  text[SIZE] = '\0';
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_text(params, text);
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_session_send(session, "SELECT $1::text", params, &error), error);
  tenantdb_params_free(params);
  assert_int_equal(tenantdb_session_events(session), TENANTDB_EVENT_READ | TENANTDB_EVENT_WRITE);
  harness_assert_ok(drive(session, &result, &error), error);
  assert_int_equal(tenantdb_result_length(result, 0, 0), SIZE);
  assert_memory_equal(tenantdb_result_value(result, 0, 0), text, SIZE);
  tenantdb_result_free(result);
  free(text);
}

static void test_failures(void **state) {
  (void)state;
  fixture_assert_refused(run("SELEC 1"), error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "syntax error");
  fixture_assert_refused(run("INSERT INTO items (n) VALUES (-1)"), error, TENANTDB_CONSTRAINT,
                         TENANTDB_REASON_SERVER_CONSTRAINT, "n_positive");
  fixture_assert_refused(run("SELECT * FROM public.secrets"), error, TENANTDB_PERMISSION,
                         TENANTDB_REASON_SERVER_PERMISSION, "secrets");
  fixture_assert_refused(run("COMMIT"), error, TENANTDB_ARGUMENT, TENANTDB_REASON_TRANSACTION_CONTROL,
                         "COMMIT is not run as a query");
  fixture_assert_refused(run("  -- nothing"), error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                         "empty");
  fixture_assert_refused(run(NULL), error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "sql is NULL");
  fixture_assert_refused(tenantdb_session_send(NULL, "SELECT 1", NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "session is NULL");
  fixture_assert_refused(tenantdb_session_step(session, NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "done is NULL");
  int32_t done = 7;
  fixture_assert_refused(tenantdb_session_step(session, &done, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_CALL, "nothing was started");
  assert_int_equal(done, 0);
  fixture_assert_refused(tenantdb_session_step(NULL, &done, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "session is NULL");
  assert_int_equal(tenantdb_session_socket(NULL), -1);
  assert_int_equal(tenantdb_session_events(NULL), 0);
  assert_int_equal(tenantdb_session_timeout_ms(NULL), -1);
  harness_assert_ok(run("SELECT 1"), error);
}

static void test_under_way(void **state) {
  (void)state;
  tenantdb_result *result = NULL;
  tenantdb_batch *batch = tenantdb_batch_new();
  tenantdb_batch_add(batch, "SELECT 1", NULL);
  harness_assert_ok(tenantdb_session_send(session, "SELECT 'mine', pg_sleep(0.1)", NULL, &error), error);
  for (int call = 0; call < 11; call++) {
    tenantdb_status status = call == 0   ? tenantdb_session_query(session, "SELECT 1", NULL, &result, &error)
                             : call == 1 ? tenantdb_session_exec(session, "SELECT 1", NULL, NULL, &error)
                             : call == 2 ? tenantdb_session_send(session, "SELECT 1", NULL, &error)
                             : call == 3 ? tenantdb_session_begin(session, NULL, &error)
                             : call == 4 ? tenantdb_session_commit(session, &error)
                             : call == 5 ? tenantdb_session_rollback(session, &error)
                             : call == 6 ? tenantdb_session_batch(session, batch, &error)
                             : call == 7 ? tenantdb_session_stream(session, "SELECT 1", NULL, &result, &error)
                             : call == 8 ? tenantdb_session_copy_in(session, "COPY notes FROM STDIN", &error)
                             : call == 9 ? tenantdb_session_savepoint(session, "s", &error)
                                         : tenantdb_session_send_commit(session, &error);
    harness_assert_fails(status, error, TENANTDB_STATE, TENANTDB_REASON_CALL_UNDER_WAY);
    assert_null(result);
  }
  harness_assert_ok(drive(session, &result, &error), error);
  assert_string_equal(tenantdb_result_value(result, 0, 0), "mine");
  tenantdb_result_free(result);
  tenantdb_batch_free(batch);
}

/* ---------------------------------------------------------------- transactions */

static void test_transaction(void **state) {
  (void)state;
  fixture_assert_refused(tenantdb_session_send_commit(session, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_TRANSACTION, "no transaction");
  for (int commits = 0; commits < 2; commits++) {
    harness_assert_ok(tenantdb_session_begin(session, "isolation level repeatable read", &error), error);
    harness_assert_ok(run("INSERT INTO notes (body) VALUES ('async')"), error);
    harness_assert_ok(run("INSERT INTO notes (body) VALUES ('async')"), error);
    harness_assert_ok(commits ? tenantdb_session_send_commit(session, &error)
                              : tenantdb_session_send_rollback(session, &error),
                      error);
    harness_assert_ok(drive(session, NULL, &error), error);
    assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), commits ? "2" : "0");
  }
  /* One to which nothing was sent. */
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  harness_assert_ok(tenantdb_session_send_commit(session, &error), error);
  assert_int_equal(tenantdb_session_timeout_ms(session), 0);
  harness_assert_ok(drive(session, NULL, &error), error);
  /* One that failed. */
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_assert_refused(run("SELECT 1 / 0"), error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "zero");
  fixture_assert_refused(run("SELECT 1"), error, TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED,
                         "failed earlier");
  harness_assert_ok(tenantdb_session_send_commit(session, &error), error);
  fixture_assert_refused(drive(session, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_TRANSACTION_FAILED, "rolled back");
  harness_assert_ok(run("SELECT 1"), error);
}

/* ---------------------------------------------------------------- deadlines, cancelling, dying */

static void test_timeout(void **state) {
  (void)state;
  tenantdb_session *hasty = NULL;
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "timeout", "200ms");
  harness_assert_ok(tenantdb_session_open(db, "t1", options, &hasty, &error), error);
  tenantdb_session_options_free(options);
  for (int inside = 0; inside < 2; inside++) {
    if (inside) {
      harness_assert_ok(tenantdb_session_begin(hasty, NULL, &error), error);
    }
    harness_assert_ok(tenantdb_session_send(hasty, "SELECT pg_sleep(5)", NULL, &error), error);
    assert_in_range(tenantdb_session_timeout_ms(hasty), 1, 200);
    int64_t began = fixture_now_ms();
    harness_assert_fails(drive(hasty, NULL, &error), error, TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT);
    assert_in_range(fixture_now_ms() - began, 100, 400);
  }
  harness_assert_ok(tenantdb_session_send_rollback(hasty, &error), error);
  harness_assert_ok(drive(hasty, NULL, &error), error);
  assert_string_equal(fixture_cell(hasty, "SELECT 1"), "1");
  tenantdb_session_close(hasty);
}

static void test_cancel(void **state) {
  (void)state;
  for (int inside = 0; inside < 2; inside++) {
    if (inside) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
      harness_assert_ok(run("SELECT 1"), error);
    }
    harness_assert_ok(tenantdb_session_send(session, "SELECT pg_sleep(10)", NULL, &error), error);
    fixture_pause_us(50000); /* the server has begun */
    harness_assert_ok(tenantdb_session_cancel(session, &error), error);
    harness_assert_fails(drive(session, NULL, &error), error, TENANTDB_CANCELLED,
                         TENANTDB_REASON_STATEMENT_CANCELLED);
  }
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  harness_assert_ok(run("SELECT 1"), error);
}

static void test_terminated(void **state) {
  (void)state;
  for (int inside = 0; inside < 2; inside++) {
    tenantdb_session *one = fixture_session(db, "t2");
    int32_t done = 0;
    if (inside) {
      harness_assert_ok(tenantdb_session_begin(one, NULL, &error), error);
    }
    harness_assert_ok(tenantdb_session_send(one, "SELECT pg_sleep(10)", NULL, &error), error);
    fixture_pause_us(50000);
    harness_sql(url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                "current_database() AND state = 'active' AND query = 'SELECT pg_sleep(10)'");
    harness_assert_fails(drive(one, NULL, &error), error, TENANTDB_CONNECTION,
                         TENANTDB_REASON_CONNECTION_LOST);
    assert_int_equal(tenantdb_session_socket(one), -1);
    assert_int_equal(tenantdb_session_events(one), 0);
    harness_assert_fails(tenantdb_session_send(one, "SELECT 1", NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_SESSION_BROKEN);
    harness_assert_fails(tenantdb_session_step(one, &done, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_CALL);
    tenantdb_session_close(one);
  }
}

static int64_t active(const char *what) {
  return harness_count(url,
                       "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = "
                       "'active' AND query LIKE '%%%s%%' AND pid <> pg_backend_pid()",
                       what);
}

/* Who closes while something is under way waits for nothing, and leaves no work behind on the server. */
static void test_close_in_the_middle(void **state) {
  (void)state;
  tenantdb_session *one = fixture_session(db, "t3");
  harness_assert_ok(tenantdb_session_send(one, "SELECT pg_sleep(60.5)", NULL, &error), error);
  fixture_pause_us(50000);
  assert_int_equal(active("pg_sleep(60.5)"), 1);
  int64_t began = fixture_now_ms();
  tenantdb_session_close(one);
  assert_true(fixture_now_ms() - began < 500);
  for (int i = 0; i < 1500 && active("pg_sleep(60.5)") > 0; i++) {
    fixture_pause_us(20000);
  }
  assert_int_equal(active("pg_sleep(60.5)"), 0);
  /* Before it was sent whole, before its answer was read, and when the answer is known but was not asked for.
   */
  for (int when = 0; when < 3; when++) {
    one = fixture_session(db, "t3");
    harness_assert_ok(tenantdb_session_send(one, "SELECT 'x'", NULL, &error), error);
    fixture_pause_us(when == 1 ? 20000 : 0);
    if (when == 2) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
      harness_assert_ok(tenantdb_session_send_rollback(session, &error), error);
      tenantdb_session_close(session);
      session = fixture_session(db, "t0");
    }
    tenantdb_session_close(one);
  }
}

/* ---------------------------------------------------------------- many */

static void start_all(tenantdb_session **all) {
  for (int i = 0; i < SESSIONS; i++) {
    char slug[8], sql[200];
    snprintf(slug, sizeof slug, "t%d", i % TENANTS);
    all[i] = fixture_session(db, slug);
    snprintf(sql, sizeof sql,
             "INSERT INTO notes (body) SELECT '%d' FROM pg_sleep(0.1) RETURNING body, current_schema()", i);
    harness_assert_ok(tenantdb_session_send(all[i], sql, NULL, &error), error);
  }
}

static bool step_one(tenantdb_session *one, int i) {
  int32_t done = 0;
  tenantdb_result *result = NULL;
  char number[16];
  snprintf(number, sizeof number, "%d", i);
  harness_assert_ok(tenantdb_session_step(one, &done, &result, &error), error);
  if (done) {
    assert_string_equal(tenantdb_result_value(result, 0, 0), number);
    assert_string_equal(tenantdb_result_value(result, 0, 1), tenantdb_session_schema(one));
  }
  tenantdb_result_free(result);
  return done != 0;
}

/* Two hundred at once on one thread: they overlap, and every answer is its own tenant's. */
static void test_two_hundred(void **state) {
  (void)state;
  static tenantdb_session *all[SESSIONS];
  static struct pollfd sockets[SESSIONS];
  bool done[SESSIONS] = {false};
  tenantdb_session_close(session); /* the pool has no more than they need */
  int64_t began = fixture_now_ms();
  start_all(all);
  for (int left = SESSIONS; left > 0;) {
    for (int i = 0; i < SESSIONS; i++) {
      sockets[i] = (struct pollfd){done[i] ? -1 : tenantdb_session_socket(all[i]), poll_events(all[i]), 0};
    }
    assert_true(poll(sockets, SESSIONS, 10000) > 0);
    for (int i = 0; i < SESSIONS; i++) {
      if (sockets[i].revents && step_one(all[i], i)) {
        done[i] = true;
        left--;
      }
    }
  }
  assert_true(fixture_now_ms() - began < SESSIONS * 100 / 2);
  for (int i = 0; i < SESSIONS; i++) {
    tenantdb_session_close(all[i]);
  }
  session = fixture_session(db, "t0");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "20");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_query, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_statement, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_large, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_failures, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_under_way, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_transaction, open_session, close_session),
      cmocka_unit_test(test_timeout),
      cmocka_unit_test_setup_teardown(test_cancel, open_session, close_session),
      cmocka_unit_test(test_terminated),
      cmocka_unit_test_setup_teardown(test_close_in_the_middle, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_two_hundred, open_session, close_session),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

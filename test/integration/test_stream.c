/* SPDX-License-Identifier: PostgreSQL */
/* Streams: rows a few at a time, in bounded memory. */
#include "fixture.h"
#include "resident.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static tenantdb_session *session;
static tenantdb_result *stream;
static char schema[64];

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  tenantdb_tenant *tenant = fixture_tenant(db, "a");
  snprintf(schema, sizeof schema, "%s", tenantdb_tenant_schema(tenant));
  tenantdb_tenant_free(tenant);
  harness_sql(url, "ALTER TABLE %s.items ALTER CONSTRAINT items_note_id_fkey DEFERRABLE INITIALLY DEFERRED",
              schema);
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
  fixture_run(session, "DELETE FROM items");
  fixture_run(session, "DELETE FROM notes");
  return 0;
}

static int close_session(void **state) {
  (void)state;
  tenantdb_session_close(session);
  session = NULL;
  return 0;
}

static void start(const char *sql) {
  harness_assert_ok(tenantdb_session_stream(session, sql, NULL, &stream, &error), error);
  assert_non_null(stream);
  assert_int_equal(tenantdb_result_rows(stream), 0);
}

static int32_t next(void) {
  int32_t more = 7;
  harness_assert_ok(tenantdb_result_next(stream, &more, &error), error);
  assert_int_equal(more != 0, tenantdb_result_rows(stream) > 0);
  return more;
}

/* To the end, whatever it is; how many rows there were. */
static int64_t drain(tenantdb_status *status) {
  int64_t rows = 0;
  int32_t more = 1;
  *status = TENANTDB_OK;
  while (more && !*status) {
    *status = tenantdb_result_next(stream, &more, &error);
    rows += tenantdb_result_rows(stream);
  }
  return rows;
}

static void assert_usable(void) {
  assert_string_equal(fixture_cell(session, "SELECT current_schema()"), schema);
}

static void assert_kept(const char *count) {
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), count);
}

/* ---------------------------------------------------------------- rows */

static void test_rows(void **state) {
  (void)state;
  int64_t expected = 1;
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_int64(params, 10000);
  harness_assert_ok(
      tenantdb_session_stream(
          session, "SELECT i, NULL AS none, current_schema() FROM generate_series(1, $1::bigint) i", params,
          &stream, &error),
      error);
  tenantdb_params_free(params); /* copied */
  while (next()) {
    assert_in_range(tenantdb_result_rows(stream), 1, 1000);
    assert_int_equal(tenantdb_result_columns(stream), 3);
    assert_string_equal(tenantdb_result_name(stream, 1), "none");
    assert_int_equal(tenantdb_result_type(stream, 0), 20);
    for (int32_t row = 0; row < tenantdb_result_rows(stream); row++) {
      assert_int_equal(strtoll(tenantdb_result_value(stream, row, 0), NULL, 10), expected++);
      assert_true(tenantdb_result_is_null(stream, row, 1));
      assert_string_equal(tenantdb_result_value(stream, row, 2), schema);
    }
  }
  assert_int_equal(expected, 10001);
  assert_int_equal(next(), 0); /* asked again */
  assert_usable();             /* the result need not be freed first */
  tenantdb_result_free(stream);
}

static void test_no_rows(void **state) {
  (void)state;
  start("SELECT 1 WHERE false");
  assert_int_equal(next(), 0);
  tenantdb_result_free(stream);
  start("INSERT INTO notes (body) VALUES ('x')"); /* returns none */
  assert_int_equal(next(), 0);
  tenantdb_result_free(stream);
  assert_kept("1");
  /* A result that is no stream never has more. */
  int32_t more = 7;
  harness_assert_ok(tenantdb_session_query(session, "SELECT 1", NULL, &stream, &error), error);
  harness_assert_ok(tenantdb_result_next(stream, &more, &error), error);
  assert_int_equal(more, 0);
  assert_string_equal(tenantdb_result_value(stream, 0, 0), "1");
  tenantdb_result_free(stream);
}

static void test_writing(void **state) {
  (void)state;
  tenantdb_status status;
  start("INSERT INTO notes (body) SELECT i::text FROM generate_series(1, 3000) i RETURNING id");
  assert_int_equal(drain(&status), 3000);
  assert_int_equal(status, TENANTDB_OK);
  tenantdb_result_free(stream);
  assert_kept("3000");
  /* What COMMIT says comes with the end. */
  start("INSERT INTO items (note_id, n) VALUES (-5, 1) RETURNING n");
  assert_int_equal(drain(&status), 1);
  assert_int_equal(status, TENANTDB_CONSTRAINT);
  tenantdb_error_free(error);
  tenantdb_result_free(stream);
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM items"), "0");
}

static void test_transaction(void **state) {
  (void)state;
  tenantdb_status status;
  harness_assert_ok(tenantdb_session_begin(session, "isolation level repeatable read", &error), error);
  for (int i = 0; i < 3; i++) {
    start("INSERT INTO notes (body) SELECT 'x' FROM generate_series(1, 500) RETURNING id");
    assert_int_equal(drain(&status), 500);
    assert_int_equal(status, TENANTDB_OK);
    tenantdb_result_free(stream);
    assert_usable();
  }
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  assert_kept("0");
}

/* ---------------------------------------------------------------- failures */

static void test_failures(void **state) {
  (void)state;
  tenantdb_status status;
  for (int inside = 0; inside < 2; inside++) {
    if (inside) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
      fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
      harness_assert_ok(tenantdb_session_savepoint(session, "here", &error), error);
    }
    start("SELEC 1");
    assert_int_equal(drain(&status), 0);
    fixture_assert_error(error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "syntax error");
    assert_int_equal(next(), 0); /* it has ended */
    tenantdb_result_free(stream);
    if (inside) {
      harness_assert_ok(tenantdb_session_rollback_to(session, "here", &error), error);
    }
    start("SELECT 1 / (3000 - i) FROM generate_series(1, 5000) i");
    assert_in_range(drain(&status), 2000, 2999);
    fixture_assert_error(error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "division by zero");
    tenantdb_result_free(stream);
    if (inside) {
      harness_assert_fails(tenantdb_session_stream(session, "SELECT 1", NULL, &stream, &error), error,
                           TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED);
      harness_assert_ok(tenantdb_session_rollback_to(session, "here", &error), error);
      harness_assert_ok(tenantdb_session_commit(session, &error), error);
      assert_kept("1");
    }
    assert_usable();
  }
}

static void test_misuse(void **state) {
  (void)state;
  tenantdb_result *none = NULL;
  fixture_assert_refused(tenantdb_session_stream(NULL, "SELECT 1", NULL, &none, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "session is NULL");
  fixture_assert_refused(tenantdb_session_stream(session, NULL, NULL, &none, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "sql is NULL");
  fixture_assert_refused(tenantdb_session_stream(session, "SELECT 1", NULL, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  fixture_assert_refused(tenantdb_session_stream(session, "ROLLBACK", NULL, &none, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_TRANSACTION_CONTROL, "ROLLBACK");
  fixture_assert_refused(tenantdb_session_stream(session, "COPY notes TO STDOUT", NULL, &none, &error), error,
                         TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE, "COPY");
  assert_null(none);
  start("SELECT i FROM generate_series(1, 10000) i");
  int32_t more = 1, done = 1;
  for (int round = 0; round < 2; round++) {
    harness_assert_fails(tenantdb_session_query(session, "SELECT 1", NULL, &none, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_CALL_UNDER_WAY);
    harness_assert_fails(tenantdb_session_stream(session, "SELECT 1", NULL, &none, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_CALL_UNDER_WAY);
    harness_assert_fails(tenantdb_session_send(session, "SELECT 1", NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_CALL_UNDER_WAY);
    harness_assert_fails(tenantdb_session_step(session, &done, &none, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_CALL);
    harness_assert_fails(tenantdb_session_copy_in(session, "COPY notes FROM STDIN", &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_CALL_UNDER_WAY);
    harness_assert_fails(tenantdb_session_begin(session, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_CALL_UNDER_WAY);
    fixture_assert_refused(tenantdb_result_next(stream, NULL, &error), error, TENANTDB_ARGUMENT,
                           TENANTDB_REASON_NULL_ARGUMENT, "more is NULL");
    assert_int_equal(next(), 1); /* nothing of that did any harm */
  }
  tenantdb_result_free(stream);
  fixture_assert_refused(tenantdb_result_next(NULL, &more, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "NULL");
  assert_usable();
}

/* A scope that is refused is told as it is for a query. */
static void test_refused_scope(void **state) {
  (void)state;
  tenantdb_status status;
  tenantdb_tenant_free(fixture_tenant(db, "later"));
  tenantdb_session *kept = session;
  session = fixture_session(db, "later");
  fixture_run(session, "SELECT 1");
  tenantdb_tenant *tenant = NULL;
  harness_assert_ok(tenantdb_tenant_suspend(db, "later", &tenant, &error), error);
  tenantdb_tenant_free(tenant);
  start("SELECT i FROM generate_series(1, 1000) i");
  assert_int_equal(drain(&status), 0);
  fixture_assert_error(error, TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE, "suspended");
  tenantdb_result_free(stream);
  tenantdb_session_close(session);
  session = kept;
}

/* ---------------------------------------------------------------- ended early */

static int64_t busy(void) {
  return harness_count(url,
                       "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                       "state = 'active' AND query LIKE '%%generate_series%%' AND pid <> "
                       "pg_backend_pid()");
}

static void test_freed_early(void **state) {
  (void)state;
  for (int rows_read = 0; rows_read < 2; rows_read++) {
    start("INSERT INTO notes (body) SELECT 'early' FROM generate_series(1, 300000) RETURNING body");
    if (rows_read) {
      assert_int_equal(next(), 1);
    }
    int64_t began = fixture_now_ms();
    tenantdb_result_free(stream);
    assert_true(fixture_now_ms() - began < 4000);
    assert_int_equal(busy(), 0);
    assert_kept("0");
  }
  /* Inside a transaction that has failed by it. */
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  start("SELECT i FROM generate_series(1, 100000000) i");
  assert_int_equal(next(), 1);
  tenantdb_result_free(stream);
  harness_assert_fails(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_TRANSACTION_FAILED);
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  assert_kept("0");
}

/* The session goes first: the result is an empty one from then on. */
static void test_closed_in_the_middle(void **state) {
  (void)state;
  for (int rows_read = 0; rows_read < 2; rows_read++) {
    start("SELECT i FROM generate_series(1, 100000000) i");
    if (rows_read) {
      assert_int_equal(next(), 1);
    }
    int64_t began = fixture_now_ms();
    close_session(state);
    assert_true(fixture_now_ms() - began < 2000);
    int32_t more = 7;
    harness_assert_ok(tenantdb_result_next(stream, &more, &error), error);
    assert_int_equal(more, 0);
    tenantdb_result_free(stream);
    session = fixture_session(db, "a");
    assert_usable();
  }
  for (int i = 0; i < 1500 && busy() > 0; i++) {
    fixture_pause_us(20000);
  }
  assert_int_equal(busy(), 0);
}

/* The database handle goes first. */
static void test_database_closed(void **state) {
  (void)state;
  tenantdb_status status;
  tenantdb *other = fixture_open(url, NULL, NULL);
  tenantdb_session *kept = session;
  session = fixture_session(other, "a");
  start("SELECT i FROM generate_series(1, 3000) i");
  assert_int_equal(next(), 1);
  tenantdb_close(other);
  assert_true(drain(&status) > 0);
  assert_int_equal(status, TENANTDB_OK);
  tenantdb_result_free(stream);
  tenantdb_session_close(session);
  session = kept;
}

static void test_terminated(void **state) {
  (void)state;
  tenantdb_status status;
  tenantdb_session *kept = session;
  session = fixture_session(db, "a");
  start("SELECT i FROM generate_series(1, 100000000) i");
  assert_int_equal(next(), 1);
  harness_sql(url,
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
              "AND state = 'active' AND query LIKE 'SELECT i FROM generate_series%%'");
  (void)drain(&status);
  assert_true(status == TENANTDB_CONNECTION || status == TENANTDB_UNKNOWN);
  tenantdb_error_free(error);
  error = NULL;
  harness_assert_fails(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_SESSION_BROKEN);
  tenantdb_result_free(stream);
  tenantdb_session_close(session);
  session = kept;
}

/* ---------------------------------------------------------------- deadlines */

static void open_hasty(void) {
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "timeout", "300ms");
  harness_assert_ok(tenantdb_session_open(db, "a", options, &session, &error), error);
  tenantdb_session_options_free(options);
}

/* The deadline is of each wait for rows: who takes long over them is not punished, a silent server is. */
static void test_deadline(void **state) {
  (void)state;
  tenantdb_status status;
  tenantdb_session *kept = session;
  open_hasty();
  for (int inside = 0; inside < 2; inside++) {
    if (inside) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    }
    start("SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i"); /* more than sockets hold */
    for (int i = 0; i < 3; i++) {
      assert_int_equal(next(), 1);
      fixture_pause_us(250000);
    }
    assert_true(drain(&status) > 10000);
    harness_assert_ok(status, error);
    tenantdb_result_free(stream);
    start("SELECT i FROM generate_series(1, 1000) i WHERE i < 990 OR pg_sleep(5) IS NOT NULL");
    int64_t began = fixture_now_ms();
    (void)drain(&status);
    assert_in_range(fixture_now_ms() - began, 250, 1000);
    fixture_assert_error(error, TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT, "deadline");
    tenantdb_result_free(stream);
  }
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  /* And behind a stream in a transaction the statements have their deadline again, on the server too. */
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  start("SELECT 1");
  (void)drain(&status);
  tenantdb_result_free(stream);
  assert_string_equal(fixture_cell(session, "SHOW statement_timeout"), "300ms");
  tenantdb_session_close(session);
  session = kept;
}

/* ---------------------------------------------------------------- memory */

static int64_t many(void) {
  const char *rows = getenv("TENANTDB_TEST_ROWS");
  const char *quick = getenv("TENANTDB_TEST_QUICK");
  return rows && *rows ? strtoll(rows, NULL, 10) : quick && *quick ? 100000 : 500000;
}

static void test_memory(void **state) {
  (void)state;
  char sql[160];
  int64_t rows = 0, most = 0, before;
  snprintf(sql, sizeof sql, "SELECT i, md5(i::text), repeat('y', 100) FROM generate_series(1, %lld) i",
           (long long)many());
  start(sql);
  assert_int_equal(next(), 1);
  before = resident_kib();
  int64_t began = fixture_now_ms();
  do {
    rows += tenantdb_result_rows(stream);
    if (rows % 10000 < 256) {
      int64_t now = resident_kib();
      most = now > most ? now : most;
    }
  } while (next());
  print_message("%lld rows in %lld ms: resident set %lld KiB before, at most %lld KiB during\n",
                (long long)rows, (long long)(fixture_now_ms() - began), (long long)before, (long long)most);
  assert_int_equal(rows, many());
  assert_true(most - before < 8 * 1024);
  tenantdb_result_free(stream);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_rows, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_no_rows, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_writing, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_transaction, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_failures, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_misuse, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_refused_scope, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_freed_early, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_closed_in_the_middle, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_database_closed, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_terminated, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_deadline, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_memory, open_session, close_session),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

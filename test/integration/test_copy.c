/* SPDX-License-Identifier: PostgreSQL */
/* COPY in and out, inside the scope. */
#include <tenantdb/libpq.h>

#include "fixture.h"
#include "resident.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static tenantdb_session *session;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  tenantdb_tenant *tenant = fixture_tenant(db, "a");
  harness_sql(url, "ALTER TABLE %s.items ALTER CONSTRAINT items_note_id_fkey DEFERRABLE INITIALLY DEFERRED",
              tenantdb_tenant_schema(tenant));
  tenantdb_tenant_free(tenant);
  tenantdb_tenant_free(fixture_tenant(db, "b"));
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

static void begin_in(void) {
  harness_assert_ok(tenantdb_session_copy_in(session, "COPY notes (body) FROM STDIN", &error), error);
}

static void put(const char *text) {
  harness_assert_ok(tenantdb_session_copy_write(session, text, strlen(text), &error), error);
}

static tenantdb_status end(const char *failure, int64_t *rows) {
  return tenantdb_session_copy_end(session, failure, rows, &error);
}

/* Every row, one after the other, into `all`; the status that ends it. */
static tenantdb_status get_all(char *all, size_t size) {
  size_t used = 0;
  for (;;) {
    const void *data = NULL;
    size_t length = 0;
    tenantdb_status status = tenantdb_session_copy_read(session, &data, &length, &error);
    if (status || !data) {
      return status;
    }
    assert_true(length > 0);
    used += (size_t)snprintf(all + used, size - used, "%.*s", (int)length, (const char *)data);
  }
}

static void assert_kept(const char *count) {
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), count);
}

/* ---------------------------------------------------------------- success */

static void test_in(void **state) {
  (void)state;
  int64_t rows = -1;
  begin_in();
  put("one\nt");
  put("");
  put("wo\nth");
  put("ree\n"); /* cut anywhere */
  harness_assert_ok(end(NULL, &rows), error);
  assert_int_equal(rows, 3);
  assert_string_equal(fixture_cell(session, "SELECT string_agg(body, ',' ORDER BY id) FROM notes"),
                      "one,two,three");
  begin_in(); /* nothing at all */
  harness_assert_ok(end(NULL, &rows), error);
  assert_int_equal(rows, 0);
  begin_in();
  put("four\n");
  harness_assert_ok(end(NULL, NULL), error);
  assert_kept("4");
  /* It went where the scope says. */
  tenantdb_session *b = fixture_session(db, "b");
  assert_string_equal(fixture_cell(b, "SELECT count(*) FROM notes"), "0");
  tenantdb_session_close(b);
}

static void test_out(void **state) {
  (void)state;
  char all[256] = "";
  fixture_run(session, "INSERT INTO notes (body) VALUES ('one'), ('two'), ('three')");
  harness_assert_ok(tenantdb_session_copy_out(session, "COPY notes (body) TO STDOUT", &error), error);
  harness_assert_ok(get_all(all, sizeof all), error);
  assert_string_equal(all, "one\ntwo\nthree\n");
  all[0] = '\0';
  harness_assert_ok(
      tenantdb_session_copy_out(session, "/* x */ copy (SELECT 1 WHERE false) TO STDOUT", &error), error);
  harness_assert_ok(get_all(all, sizeof all), error);
  assert_string_equal(all, "");
  harness_assert_ok(tenantdb_session_copy_out(
                        session, "COPY (SELECT 1, 'a,b') TO STDOUT WITH (FORMAT csv, HEADER)", &error),
                    error);
  harness_assert_ok(get_all(all, sizeof all), error);
  assert_string_equal(all, "?column?,?column?\n1,\"a,b\"\n");
  assert_kept("3");
}

/* Binary, out of one tenant and into another, byte for byte. */
static void test_across(void **state) {
  (void)state;
  tenantdb_session *b = fixture_session(db, "b");
  const void *data = NULL;
  size_t length = 0;
  int64_t rows = 0;
  fixture_run(session, "INSERT INTO notes (body) SELECT repeat(i::text, 100) FROM generate_series(1, 500) i");
  harness_assert_ok(
      tenantdb_session_copy_out(session, "COPY notes (body) TO STDOUT WITH (FORMAT binary)", &error), error);
  harness_assert_ok(tenantdb_session_copy_in(b, "COPY notes (body) FROM STDIN WITH (FORMAT binary)", &error),
                    error);
  for (;;) {
    harness_assert_ok(tenantdb_session_copy_read(session, &data, &length, &error), error);
    if (!data) {
      break;
    }
    harness_assert_ok(tenantdb_session_copy_write(b, data, length, &error), error);
  }
  harness_assert_ok(tenantdb_session_copy_end(b, NULL, &rows, &error), error);
  assert_int_equal(rows, 500);
  const char *sum = "SELECT md5(string_agg(body, ',' ORDER BY id)) FROM notes";
  char of_a[64];
  snprintf(of_a, sizeof of_a, "%.60s", fixture_cell(session, sum));
  assert_string_equal(fixture_cell(b, sum), of_a);
  fixture_run(b, "DELETE FROM notes");
  tenantdb_session_close(b);
}

static void test_transaction(void **state) {
  (void)state;
  char all[64] = "";
  for (int commits = 0; commits < 2; commits++) {
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    if (commits) {
      fixture_run(session, "INSERT INTO notes (body) VALUES ('by hand')");
    }
    begin_in();
    put("copied\n");
    harness_assert_ok(end(NULL, NULL), error);
    begin_in();
    put("copied too\n");
    harness_assert_ok(end(NULL, NULL), error);
    harness_assert_ok(
        tenantdb_session_copy_out(session, "COPY (SELECT count(*) FROM notes) TO STDOUT", &error), error);
    harness_assert_ok(get_all(all, sizeof all), error);
    assert_string_equal(all, commits ? "3\n" : "2\n");
    harness_assert_ok(
        commits ? tenantdb_session_commit(session, &error) : tenantdb_session_rollback(session, &error),
        error);
    assert_kept(commits ? "3" : "0");
  }
}

/* ---------------------------------------------------------------- failures */

static void test_given_up(void **state) {
  (void)state;
  int64_t rows = 7;
  begin_in();
  put("one\n");
  harness_assert_ok(end("changed my mind", &rows), error);
  assert_int_equal(rows, 0);
  assert_kept("0");
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  begin_in();
  harness_assert_ok(end("changed my mind", NULL), error);
  harness_assert_fails(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_TRANSACTION_FAILED);
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  assert_kept("0");
}

/* The server refuses a row in the middle, or COMMIT at the end. */
static void test_bad_rows(void **state) {
  (void)state;
  int64_t rows = 7;
  for (int inside = 0; inside < 2; inside++) {
    if (inside) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
      fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
      harness_assert_ok(tenantdb_session_savepoint(session, "here", &error), error);
    }
    harness_assert_ok(tenantdb_session_copy_in(session, "COPY items (n) FROM STDIN", &error), error);
    put("1\nnot a number\n3\n");
    fixture_assert_refused(end(NULL, &rows), error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR,
                           "not a number");
    assert_int_equal(rows, 0);
    if (inside) {
      harness_assert_ok(tenantdb_session_rollback_to(session, "here", &error), error);
    }
    /* Far more behind the bad row than sockets hold: what follows is taken and thrown away. */
    harness_assert_ok(tenantdb_session_copy_in(session, "COPY items (n) FROM STDIN", &error), error);
    put("-1\n");
    tenantdb_status status = TENANTDB_OK;
    for (int i = 0; i < 300000 && !status; i++) {
      status = tenantdb_session_copy_write(session, "100000000\n", 10, &error);
    }
    status = status ? status : end(NULL, NULL);
    assert_int_equal(status, TENANTDB_CONSTRAINT);
    tenantdb_error_free(error);
    error = NULL;
    if (inside) {
      harness_assert_ok(tenantdb_session_rollback_to(session, "here", &error), error);
      harness_assert_ok(tenantdb_session_commit(session, &error), error);
    }
    assert_kept(inside ? "1" : "0");
    assert_string_equal(fixture_cell(session, "SELECT count(*) FROM items"), "0");
  }
  harness_assert_ok(tenantdb_session_copy_in(session, "COPY items (note_id, n) FROM STDIN", &error), error);
  put("-5\t1\n");
  harness_assert_status(end(NULL, &rows), error, TENANTDB_CONSTRAINT, TENANTDB_REASON_SERVER_CONSTRAINT);
  assert_string_equal(tenantdb_error_sqlstate(error), "23503");
  tenantdb_error_free(error);
  assert_int_equal(rows, 0);
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM items"), "0");
}

/*
 * Refused before the first row is read: by then the server may have answered
 * what libpq sends ahead, and the two be out of step. Nothing is kept, the
 * failure is told, and the connection either works or is given up.
 */
static void test_refused_before_rows(void **state) {
  harness_sql(url,
              "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END "
              "$$; CREATE TRIGGER no BEFORE INSERT ON %s.items EXECUTE FUNCTION public.no()",
              tenantdb_session_schema(session));
  for (int inside = 0; inside < 2; inside++) {
    if (inside) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
      fixture_run(session, "INSERT INTO notes (body) VALUES ('lost')");
    }
    harness_assert_ok(tenantdb_session_copy_in(session, "COPY items (n) FROM STDIN", &error), error);
    put("1\n2\n");
    fixture_assert_refused(end(NULL, NULL), error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "not now");
    if (inside) {
      tenantdb_status status = tenantdb_session_rollback(session, NULL);
      assert_true(status == TENANTDB_OK || status == TENANTDB_CONNECTION);
    }
    tenantdb_status status = tenantdb_session_query(session, "SELECT 1", NULL, NULL, NULL);
    assert_true(status == TENANTDB_OK || status == TENANTDB_STATE || status == TENANTDB_CONNECTION);
    close_session(state);
    session = fixture_session(db, "a");
    assert_kept("0");
  }
  harness_sql(url, "DROP FUNCTION public.no() CASCADE");
}

static void test_out_fails(void **state) {
  (void)state;
  char all[60000] = "";
  harness_assert_ok(
      tenantdb_session_copy_out(
          session, "COPY (SELECT 1 / (3000 - i) FROM generate_series(1, 5000) i) TO STDOUT", &error),
      error);
  fixture_assert_refused(get_all(all, sizeof all), error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR,
                         "division by zero");
  assert_int_equal(strlen(all), 2999 * 2);
  assert_string_equal(fixture_cell(session, "SELECT 1"), "1");
}

static tenantdb_status start(bool in, const char *sql) {
  return in ? tenantdb_session_copy_in(session, sql, &error)
            : tenantdb_session_copy_out(session, sql, &error);
}

static void test_not_started(void **state) {
  (void)state;
  static const struct {
    bool in;
    const char *sql;
    tenantdb_status status;
  } refused[] = {
      {true, "COPY nowhere FROM STDIN", TENANTDB_SQL},
      {true, "COPY notes (body FROM STDIN", TENANTDB_SQL},
      {true, "COPY public.secrets FROM STDIN", TENANTDB_PERMISSION},
      {false, "COPY public.secrets TO STDOUT", TENANTDB_PERMISSION},
      {true, "COPY notes (body) FROM STDIN; COPY notes (body) FROM STDIN", TENANTDB_SQL},
      {false, "COPY notes TO PROGRAM 'cat'", TENANTDB_PERMISSION},
      {true, "SELECT 1", TENANTDB_ARGUMENT},
      {true, "", TENANTDB_ARGUMENT},
      {false, "-- COPY notes TO STDOUT", TENANTDB_ARGUMENT},
      {false, NULL, TENANTDB_ARGUMENT},
  };
  /* One that was done, whose traces must not mislead those below. */
  begin_in();
  harness_assert_ok(end(NULL, NULL), error);
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    assert_int_equal(start(refused[i].in, refused[i].sql), refused[i].status);
    tenantdb_error_free(error);
    error = NULL;
    assert_kept("0"); /* the session goes on, outside of any transaction */
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
    assert_int_equal(start(refused[i].in, refused[i].sql), refused[i].status);
    tenantdb_error_free(error);
    error = NULL;
    tenantdb_status status = tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error);
    assert_int_equal(status, refused[i].status == TENANTDB_ARGUMENT ? TENANTDB_OK : TENANTDB_STATE);
    tenantdb_error_free(error);
    harness_assert_ok(tenantdb_session_rollback(session, &error), error); /* it is still there */
  }
}

/* The other direction is found out when the server has begun: too much to unravel. */
static void test_other_direction(void **state) {
  (void)state;
  for (int i = 0; i < 4; i++) {
    if (i >= 2) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
      fixture_run(session, "INSERT INTO notes (body) VALUES ('lost')");
    }
    harness_assert_fails(start(i % 2, i % 2 ? "COPY notes TO STDOUT" : "COPY notes (body) FROM STDIN"), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT);
    harness_assert_fails(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_SESSION_BROKEN);
    close_session(state);
    session = fixture_session(db, "a");
    assert_kept("0");
  }
}

static void test_misuse(void **state) {
  (void)state;
  tenantdb_result *none = NULL;
  const void *data = "x";
  size_t length = 1;
  int64_t rows = 7;
  int32_t done = 7;
  harness_assert_fails(tenantdb_session_copy_write(session, "x", 1, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_NO_COPY);
  harness_assert_fails(end(NULL, &rows), error, TENANTDB_STATE, TENANTDB_REASON_NO_COPY);
  assert_int_equal(rows, 0);
  harness_assert_fails(tenantdb_session_copy_read(session, &data, &length, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_NO_COPY);
  assert_true(!data && length == 0);
  harness_assert_fails(tenantdb_session_copy_in(NULL, "COPY notes FROM STDIN", &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT);
  begin_in();
  for (int call = 0; call < 8; call++) {
    tenantdb_status status = call == 0   ? tenantdb_session_query(session, "SELECT 1", NULL, &none, &error)
                             : call == 1 ? tenantdb_session_send(session, "SELECT 1", NULL, &error)
                             : call == 2 ? tenantdb_session_stream(session, "SELECT 1", NULL, &none, &error)
                             : call == 3 ? tenantdb_session_begin(session, NULL, &error)
                             : call == 4 ? tenantdb_session_commit(session, &error)
                             : call == 5 ? tenantdb_session_rollback(session, &error)
                             : call == 6 ? tenantdb_session_copy_in(session, "COPY notes FROM STDIN", &error)
                                         : tenantdb_session_savepoint(session, "s", &error);
    harness_assert_fails(status, error, TENANTDB_STATE, TENANTDB_REASON_CALL_UNDER_WAY);
  }
  harness_assert_fails(tenantdb_session_step(session, &done, NULL, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_NO_CALL);
  harness_assert_fails(tenantdb_session_copy_read(session, &data, &length, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_NO_COPY);
  harness_assert_fails(tenantdb_session_copy_write(session, NULL, 5, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  put("still there\n");
  harness_assert_ok(end(NULL, &rows), error);
  assert_int_equal(rows, 1);
  harness_assert_ok(tenantdb_session_copy_out(session, "COPY notes (body) TO STDOUT", &error), error);
  fixture_assert_refused(tenantdb_session_copy_read(session, NULL, &length, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "data is NULL");
  fixture_assert_refused(tenantdb_session_copy_read(session, &data, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "length is NULL");
  harness_assert_fails(tenantdb_session_copy_write(session, "x", 1, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_NO_COPY);
  harness_assert_ok(tenantdb_session_copy_read(session, &data, &length, &error), error);
  assert_memory_equal(data, "still there\n", 12);
  harness_assert_ok(tenantdb_session_copy_read(session, &data, &length, &error), error);
  assert_null(data);
}

/* As libpq knows it: behind a pooler its process of the server changes. */
static int connection_number(void) {
  return PQbackendPID(tenantdb_session_pgconn(session));
}

/* Closed in the middle: nothing is kept, and nobody else gets the connection. */
static void test_closed_in_the_middle(void **state) {
  (void)state;
  for (int i = 0; i < 4; i++) {
    int number = connection_number();
    if (i >= 2) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    }
    if (i % 2) {
      begin_in();
      put("never\n");
    } else {
      const void *data;
      size_t length;
      harness_assert_ok(
          tenantdb_session_copy_out(session, "COPY (SELECT generate_series(1, 100000000)) TO STDOUT", &error),
          error);
      harness_assert_ok(tenantdb_session_copy_read(session, &data, &length, &error), error);
    }
    close_session(state);
    session = fixture_session(db, "a");
    assert_int_not_equal(connection_number(), number);
    assert_kept("0");
  }
}

static void test_terminated(void **state) {
  (void)state;
  for (int in = 0; in < 2; in++) {
    const void *data = "";
    size_t length;
    harness_assert_ok(start(in, in ? "COPY notes (body) FROM STDIN"
                                   : "COPY (SELECT generate_series(1, 100000000)) TO STDOUT"),
                      error);
    harness_sql(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
        "current_database() AND pid <> pg_backend_pid() AND state = 'active' AND query LIKE 'COPY%%'");
    tenantdb_status status = TENANTDB_OK;
    while (!status && in) {
      status = tenantdb_session_copy_write(session, "row\n", 4, &error);
    }
    while (!status && data) {
      status = tenantdb_session_copy_read(session, &data, &length, &error);
    }
    fixture_assert_error(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST, "");
    harness_assert_fails(end(NULL, NULL), error, TENANTDB_STATE, TENANTDB_REASON_NO_COPY);
    error = NULL;
    close_session(state);
    session = fixture_session(db, "a");
    assert_kept("0");
  }
}

/* ---------------------------------------------------------------- deadlines, memory */

/* The deadline is of each call: who takes long over the rows is not punished, a silent server is. */
static void test_deadline(void **state) {
  (void)state;
  close_session(state);
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "timeout", "300ms");
  harness_assert_ok(tenantdb_session_open(db, "a", options, &session, &error), error);
  for (int inside = 0; inside < 2; inside++) {
    if (inside) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
      fixture_run(session, "SELECT 1");
    }
    begin_in();
    for (int i = 0; i < 3; i++) {
      put("slow\n");
      fixture_pause_us(200000);
    }
    harness_assert_ok(end(NULL, NULL), error);
    assert_string_equal(fixture_cell(session, "SHOW statement_timeout"), "300ms");
  }
  harness_assert_ok(
      tenantdb_session_copy_out(
          session, "COPY (SELECT repeat('x', 20000) UNION ALL SELECT 'y' FROM pg_sleep(5)) TO STDOUT",
          &error),
      error);
  static char all[30000];
  int64_t began = fixture_now_ms();
  fixture_assert_refused(get_all(all, sizeof all), error, TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT,
                         "no progress within the deadline");
  assert_in_range(fixture_now_ms() - began, 250, 800);
  harness_assert_fails(tenantdb_session_rollback(session, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_SESSION_BROKEN);
  tenantdb_session_options_free(options);
}

static int64_t many(void) {
  const char *quick = getenv("TENANTDB_TEST_QUICK");
  return quick && *quick ? 100000 : 1000000;
}

static void test_million(void **state) {
  (void)state;
  enum { ROW = 60 };
  char row[ROW + 1], sql[120];
  int64_t rows = 0, before = resident_kib(), began = fixture_now_ms();
  const void *data = "";
  size_t length = 0;
  begin_in();
  for (int64_t i = 0; i < many(); i++) {
    snprintf(row, sizeof row, "%0*lld\n", ROW - 1, (long long)i);
    put(row);
  }
  harness_assert_ok(end(NULL, &rows), error);
  assert_int_equal(rows, many());
  int64_t in_ms = fixture_now_ms() - began, after_in = resident_kib();
  snprintf(sql, sizeof sql, "SELECT count(*) = %lld AND max(body)::bigint = %lld FROM notes",
           (long long)many(), (long long)many() - 1);
  assert_string_equal(fixture_cell(session, sql), "t");
  began = fixture_now_ms();
  harness_assert_ok(tenantdb_session_copy_out(session, "COPY notes (body) TO STDOUT", &error), error);
  for (rows = -1; data; rows++) {
    harness_assert_ok(tenantdb_session_copy_read(session, &data, &length, &error), error);
    assert_true(!data || length == ROW);
  }
  assert_int_equal(rows, many());
  int64_t after_out = resident_kib();
  print_message("%lld rows in %lld ms in, %lld ms out; resident set %lld, %lld, %lld KiB\n", (long long)rows,
                (long long)in_ms, (long long)(fixture_now_ms() - began), (long long)before,
                (long long)after_in, (long long)after_out);
  assert_true(after_in - before < 8 * 1024 && after_out - before < 8 * 1024);
  tenantdb_session *shared = NULL;
  harness_assert_ok(tenantdb_session_open_shared(db, NULL, &shared, &error), error);
  snprintf(sql, sizeof sql, "TRUNCATE %s.notes CASCADE", tenantdb_session_schema(session));
  fixture_run(shared, sql); /* or the tests behind would delete a million rows */
  tenantdb_session_close(shared);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_in, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_out, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_across, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_transaction, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_given_up, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_bad_rows, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_refused_before_rows, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_out_fails, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_not_started, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_other_direction, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_misuse, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_closed_in_the_middle, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_terminated, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_deadline, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_million, open_session, close_session),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Batches: many statements in one flush, each with its own answer. */
#include "fixture.h"
#include "proxy.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static tenantdb_session *session;
static tenantdb_batch *batch;
static tenantdb_result *result;
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

static int begin(void **state) {
  (void)state;
  session = fixture_session(db, "a");
  fixture_run(session, "DELETE FROM items");
  fixture_run(session, "DELETE FROM notes");
  batch = tenantdb_batch_new();
  assert_non_null(batch);
  return 0;
}

static int end(void **state) {
  (void)state;
  tenantdb_batch_free(batch);
  tenantdb_session_close(session);
  batch = NULL;
  session = NULL;
  return 0;
}

static void add(const char *sql) {
  tenantdb_batch_add(batch, sql, NULL);
}

static void assert_kept(const char *count) {
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), count);
}

/* The first cell of a statement's rows; NULL when it has none. */
static void assert_cell(int32_t index, const char *cell) {
  harness_assert_ok(tenantdb_batch_result(batch, index, &result, &error), error);
  assert_non_null(result);
  if (cell) {
    assert_string_equal(tenantdb_result_value(result, 0, 0), cell);
  } else {
    assert_int_equal(tenantdb_result_rows(result), 0);
  }
  tenantdb_result_free(result);
}

/* ---------------------------------------------------------------- all goes well */

static void test_success(void **state) {
  (void)state;
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_text(params, "first");
  tenantdb_batch_add(batch, "INSERT INTO notes (body) VALUES ($1) RETURNING body", params);
  tenantdb_params_clear(params);
  tenantdb_params_int64(params, 41);
  tenantdb_params_null(params);
  tenantdb_batch_add(batch, "SELECT $1::bigint + 1, $2::text", params);
  tenantdb_params_free(params); /* copied */
  add("UPDATE notes SET body = 'other'");
  add("SELECT body FROM notes");
  add("SELECT 1 WHERE false");
  assert_int_equal(tenantdb_batch_count(batch), 5);
  /* Again, and once more inside a transaction: a batch can be used any number of times. */
  for (int run = 0; run < 3; run++) {
    fixture_run(session, "DELETE FROM notes");
    if (run == 2) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    }
    harness_assert_ok(tenantdb_session_batch(session, batch, &error), error);
    assert_cell(0, "first");
    harness_assert_ok(tenantdb_batch_result(batch, 1, &result, &error), error);
    assert_string_equal(tenantdb_result_value(result, 0, 0), "42");
    assert_true(tenantdb_result_is_null(result, 0, 1));
    tenantdb_result_free(result);
    harness_assert_ok(tenantdb_batch_result(batch, 1, &result, &error), error);
    assert_null(result); /* handed out before */
    harness_assert_ok(tenantdb_batch_result(batch, 2, &result, &error), error);
    assert_int_equal(tenantdb_result_affected(result), 1);
    tenantdb_result_free(result);
    assert_cell(3, "other");
    assert_cell(4, NULL);
    if (run == 2) {
      harness_assert_ok(tenantdb_session_rollback(session, &error), error);
    }
    assert_kept(run == 2 ? "0" : "1");
  }
}

/* Results outlive the batch and the session they came from. */
static void test_lifetime(void **state) {
  (void)state;
  add("SELECT current_schema()");
  add("SELECT 'never asked for'");
  harness_assert_ok(tenantdb_session_batch(session, batch, &error), error);
  harness_assert_ok(tenantdb_batch_result(batch, 0, &result, &error), error);
  end(state);
  assert_string_equal(tenantdb_result_value(result, 0, 0), schema);
  tenantdb_result_free(result);
  begin(state);
  /* The same batch on several sessions. */
  add("SELECT current_schema()");
  tenantdb_tenant_free(fixture_tenant(db, "other"));
  tenantdb_session *other = fixture_session(db, "other");
  harness_assert_ok(tenantdb_session_batch(session, batch, &error), error);
  harness_assert_ok(tenantdb_session_batch(other, batch, &error), error);
  assert_cell(0, tenantdb_session_schema(other));
  tenantdb_session_close(other);
}

static void test_five_thousand(void **state) {
  (void)state;
  enum { N = 5000 };
  tenantdb_params *params = tenantdb_params_new();
  for (int i = 0; i < N; i++) {
    char sql[96];
    snprintf(sql, sizeof sql, "INSERT INTO notes (body) VALUES ($1 || '%s%d') RETURNING body",
             i % 3 ? " of " : " for ", i % 3 ? 0 : i); /* many the same, many not */
    tenantdb_params_clear(params);
    tenantdb_params_int64(params, i);
    tenantdb_batch_add(batch, sql, params);
  }
  tenantdb_params_free(params);
  harness_assert_ok(tenantdb_session_batch(session, batch, &error), error);
  for (int i = 0; i < N; i++) {
    char cell[32];
    snprintf(cell, sizeof cell, "%d%s%d", i, i % 3 ? " of " : " for ", i % 3 ? 0 : i);
    assert_cell(i, cell);
  }
  assert_kept("5000");
  /* What was prepared meanwhile stays within the cap. */
  assert_in_range(atoi(fixture_cell(session, "SELECT count(*) FROM pg_prepared_statements")), 0, 257);
}

/* More in both directions than sockets hold: who only wrote or only read would wait for ever. */
static void test_large(void **state) {
  (void)state;
  enum { N = 60, SIZE = 500000 };
  char *text = malloc(SIZE + 1);
  assert_non_null(text);
  memset(text, 'b', SIZE);
  text[SIZE] = '\0';
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_text(params, text);
  for (int i = 0; i < N; i++) {
    tenantdb_batch_add(batch, "SELECT $1::text", params);
  }
  tenantdb_params_free(params);
  harness_assert_ok(tenantdb_session_batch(session, batch, &error), error);
  for (int i = 0; i < N; i++) {
    harness_assert_ok(tenantdb_batch_result(batch, i, &result, &error), error);
    assert_int_equal(tenantdb_result_length(result, 0, 0), SIZE);
    tenantdb_result_free(result);
  }
  free(text);
}

static void test_empty(void **state) {
  (void)state;
  assert_int_equal(tenantdb_batch_count(batch), 0);
  harness_assert_ok(tenantdb_session_batch(session, batch, &error), error);
  fixture_assert_refused(tenantdb_batch_result(batch, 0, &result, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "statement 0");
}

/* ---------------------------------------------------------------- something fails */

static void test_error_in_the_middle(void **state) {
  (void)state;
  add("INSERT INTO notes (body) VALUES ('before') RETURNING body");
  add("INSERT INTO items (n) VALUES (-1)");
  add("INSERT INTO notes (body) VALUES ('behind')");
  add("SELECT 1");
  for (int inside = 0; inside < 2; inside++) {
    if (inside) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    }
    harness_assert_status(tenantdb_session_batch(session, batch, &error), error, TENANTDB_CONSTRAINT,
                          TENANTDB_REASON_SERVER_CONSTRAINT);
    assert_string_equal(tenantdb_error_sqlstate(error), "23514");
    assert_string_equal(tenantdb_error_tenant(error), "a");
    tenantdb_error_free(error);
    assert_cell(0, "before");
    fixture_assert_refused(tenantdb_batch_result(batch, 1, &result, &error), error, TENANTDB_CONSTRAINT,
                           TENANTDB_REASON_SERVER_CONSTRAINT, "statement 1 of the batch");
    assert_null(result);
    for (int behind = 2; behind < 4; behind++) {
      fixture_assert_refused(tenantdb_batch_result(batch, behind, &result, &error), error, TENANTDB_STATE,
                             TENANTDB_REASON_TRANSACTION_FAILED, "was not run");
    }
    /* Asked again the answer is the same. */
    fixture_assert_refused(tenantdb_batch_result(batch, 1, &result, &error), error, TENANTDB_CONSTRAINT,
                           TENANTDB_REASON_SERVER_CONSTRAINT, "n_positive");
    if (inside) {
      harness_assert_fails(tenantdb_session_batch(session, batch, &error), error, TENANTDB_STATE,
                           TENANTDB_REASON_TRANSACTION_FAILED);
      fixture_assert_refused(tenantdb_batch_result(batch, 0, &result, &error), error, TENANTDB_ARGUMENT,
                             TENANTDB_REASON_BAD_ARGUMENT, "not run");
      harness_assert_ok(tenantdb_session_rollback(session, &error), error);
    }
    assert_kept("0");
  }
}

/* The first and the last may fail as well, and COMMIT itself: then every statement had gone well. */
static void test_error_at_the_ends(void **state) {
  (void)state;
  add("SELECT 1 / 0");
  add("SELECT 1");
  harness_assert_fails(tenantdb_session_batch(session, batch, &error), error, TENANTDB_SQL,
                       TENANTDB_REASON_SERVER_ERROR);
  harness_assert_fails(tenantdb_batch_result(batch, 0, &result, &error), error, TENANTDB_SQL,
                       TENANTDB_REASON_SERVER_ERROR);
  tenantdb_batch_free(batch);
  batch = tenantdb_batch_new();
  add("INSERT INTO notes (body) VALUES ('x') RETURNING body");
  add("SELECT 1 / 0");
  harness_assert_fails(tenantdb_session_batch(session, batch, &error), error, TENANTDB_SQL,
                       TENANTDB_REASON_SERVER_ERROR);
  assert_cell(0, "x");
  assert_kept("0");
  tenantdb_batch_free(batch);
  batch = tenantdb_batch_new();
  add("INSERT INTO notes (body) VALUES ('x')");
  add("INSERT INTO items (note_id, n) VALUES (-5, 1)"); /* its foreign key is checked at COMMIT */
  harness_assert_fails(tenantdb_session_batch(session, batch, &error), error, TENANTDB_CONSTRAINT,
                       TENANTDB_REASON_SERVER_CONSTRAINT);
  harness_assert_ok(tenantdb_batch_result(batch, 1, &result, &error), error);
  tenantdb_result_free(result);
  assert_kept("0");
  fixture_run(session, "SELECT 1");
}

static void test_mistakes(void **state) {
  (void)state;
  tenantdb_batch_add(NULL, "SELECT 1", NULL);
  assert_int_equal(tenantdb_batch_count(NULL), 0);
  tenantdb_batch_free(NULL);
  add("SELECT 1");
  fixture_assert_refused(tenantdb_session_batch(NULL, batch, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "session is NULL");
  fixture_assert_refused(tenantdb_session_batch(session, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "batch is NULL");
  fixture_assert_refused(tenantdb_batch_result(batch, 0, &result, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "not run");
  harness_assert_ok(tenantdb_session_batch(session, batch, &error), error);
  add("SELECT 2"); /* the one before keeps its answer; this one has none */
  fixture_assert_refused(tenantdb_batch_result(batch, 1, &result, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "not run");
  assert_cell(0, "1");
  static const int32_t wrong[] = {-1, 2, INT32_MIN, INT32_MAX};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    harness_assert_fails(tenantdb_batch_result(batch, wrong[i], &result, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT);
  }
  fixture_assert_refused(tenantdb_batch_result(NULL, 0, &result, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "batch is NULL");
  fixture_assert_refused(tenantdb_batch_result(batch, 0, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  static const struct {
    const char *sql;
    int32_t reason;
  } mistakes[] = {{NULL, TENANTDB_REASON_NULL_ARGUMENT},
                  {"COMMIT", TENANTDB_REASON_TRANSACTION_CONTROL},
                  {"savepoint x", TENANTDB_REASON_TRANSACTION_CONTROL},
                  {" ;; /* none */", TENANTDB_REASON_BAD_ARGUMENT}};
  for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
    tenantdb_batch *wrong_batch = tenantdb_batch_new();
    tenantdb_batch_add(wrong_batch, "INSERT INTO notes (body) VALUES ('never')", NULL);
    tenantdb_batch_add(wrong_batch, mistakes[i].sql, NULL);
    tenantdb_batch_add(wrong_batch, NULL, NULL); /* the first mistake is what is told */
    for (int again = 0; again < 2; again++) {
      harness_assert_status(tenantdb_session_batch(session, wrong_batch, &error), error, TENANTDB_ARGUMENT,
                            mistakes[i].reason);
      harness_assert_message(error, "statement 1 of the batch");
      tenantdb_error_free(error);
    }
    tenantdb_batch_free(wrong_batch);
  }
  assert_kept("0");
}

/* Two statements in one text, which the server refuses, and COPY, which is not even sent. */
static void test_unfit_statements(void **state) {
  (void)state;
  static const struct {
    const char *sql;
    tenantdb_status status;
  } unfit[] = {{"SELECT 1; SELECT 2", TENANTDB_SQL},
               {"COPY notes TO STDOUT", TENANTDB_UNSUPPORTED},
               {"COPY notes (body) FROM STDIN", TENANTDB_UNSUPPORTED}};
  for (size_t i = 0; i < sizeof unfit / sizeof unfit[0]; i++) {
    tenantdb_session *one = fixture_session(db, "a");
    tenantdb_batch *some = tenantdb_batch_new();
    tenantdb_batch_add(some, "INSERT INTO notes (body) VALUES ('x') RETURNING body", NULL);
    tenantdb_batch_add(some, unfit[i].sql, NULL);
    tenantdb_batch_add(some, "SELECT 1", NULL);
    assert_int_equal(tenantdb_session_batch(one, some, &error), unfit[i].status);
    tenantdb_error_free(error);
    error = NULL;
    assert_int_not_equal(tenantdb_batch_result(some, 1, &result, NULL), TENANTDB_OK);
    assert_int_not_equal(tenantdb_batch_result(some, 2, &result, NULL), TENANTDB_OK);
    tenantdb_batch_free(some);
    tenantdb_session_close(one);
  }
  assert_kept("0");
}

/* ---------------------------------------------------------------- the connection breaks */

/* Cut at every message of the answer: never an answer that was not given, and the count agrees with the
 * status.
 */
static void test_cut(void **state) {
  (void)state;
  char reason[200], by_proxy[400];
  tndb_proxy *proxy = proxy_start(url, reason, sizeof reason);
  assert_non_null(proxy);
  assert_true(proxy_url(proxy, url, by_proxy, sizeof by_proxy));
  tenantdb *through = fixture_open(by_proxy, NULL, NULL);
  for (int i = 0; i < 3; i++) {
    add("INSERT INTO notes (body) VALUES ('cut') RETURNING body");
  }
  int cut = 0, unknown = 0;
  for (int64_t n = 1;; n++) {
    fixture_run(session, "DELETE FROM notes");
    tenantdb_session *one = fixture_session(through, "a");
    fixture_run(one, "SELECT 1");
    proxy_arm(proxy, &(proxy_trigger){.from = PROXY_SERVER, .number = n, .action = PROXY_CLOSE});
    tenantdb_status status = tenantdb_session_batch(one, batch, &error);
    bool fired = proxy_count(proxy).fired > cut;
    proxy_disarm(proxy);
    tenantdb_error_free(error);
    error = NULL;
    fixture_pause_us(20000); /* the server notices */
    int kept = atoi(fixture_cell(session, "SELECT count(*) FROM notes"));
    for (int i = 0; i < 3; i++) {
      tenantdb_status answer = tenantdb_batch_result(batch, i, &result, NULL);
      assert_true(answer == TENANTDB_OK || answer == TENANTDB_CONNECTION);
      assert_true(answer != TENANTDB_OK || result);
      tenantdb_result_free(result);
    }
    tenantdb_session_close(one);
    if (!fired) {
      assert_int_equal(status, TENANTDB_OK);
      break;
    }
    cut++;
    unknown += status == TENANTDB_UNKNOWN;
    assert_true(status == TENANTDB_UNKNOWN || (status == TENANTDB_CONNECTION && kept == 0) ||
                (status == TENANTDB_OK && kept == 3));
    assert_true(kept == 0 || kept == 3);
  }
  print_message("%d cuts, %d of them of unknown outcome\n", cut, unknown);
  assert_true(cut > 10 && unknown > 5);
  tenantdb_close(through);
  proxy_stop(proxy);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_success, begin, end),
      cmocka_unit_test_setup_teardown(test_lifetime, begin, end),
      cmocka_unit_test_setup_teardown(test_five_thousand, begin, end),
      cmocka_unit_test_setup_teardown(test_large, begin, end),
      cmocka_unit_test_setup_teardown(test_empty, begin, end),
      cmocka_unit_test_setup_teardown(test_error_in_the_middle, begin, end),
      cmocka_unit_test_setup_teardown(test_error_at_the_ends, begin, end),
      cmocka_unit_test_setup_teardown(test_mistakes, begin, end),
      cmocka_unit_test_setup_teardown(test_unfit_statements, begin, end),
      cmocka_unit_test_setup_teardown(test_cut, begin, end),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

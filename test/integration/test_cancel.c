/* SPDX-License-Identifier: PostgreSQL */
/* Cancelling from another thread. */
#include <pthread.h>
#include <stdatomic.h>

#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static tenantdb_session *session;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  tenantdb_tenant *tenant = fixture_tenant(db, "a");
  /* A constraint that is checked at COMMIT, and takes its time. */
  harness_sql(url,
              "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN IF "
              "NEW.body = 'slow' THEN PERFORM pg_sleep(5); END IF; RETURN NEW; END $$; CREATE CONSTRAINT "
              "TRIGGER linger AFTER INSERT ON %s.notes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE "
              "FUNCTION linger()",
              tenantdb_tenant_schema(tenant));
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

static int close_session(void **state) {
  (void)state;
  tenantdb_session_close(session);
  return 0;
}

/* ---------------------------------------------------------------- one cancellation */

static void *cancel_soon(void *unused) {
  (void)unused;
  tenantdb_error *why = NULL;
  fixture_pause_us(100000);
  tenantdb_status status = tenantdb_session_cancel(session, &why);
  tenantdb_error_free(why);
  return status ? session : NULL;
}

static pthread_t soon(void) {
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, cancel_soon, NULL), 0);
  return thread;
}

static void joined(pthread_t thread) {
  void *failed = NULL;
  assert_int_equal(pthread_join(thread, &failed), 0);
  assert_null(failed);
}

/* A call that would take long, cancelled meanwhile: CANCELLED, soon, and the session can go on. */
#define assert_cancelled(call)                                                                  \
  do {                                                                                          \
    int64_t began = fixture_now_ms();                                                           \
    pthread_t canceller = soon();                                                               \
    harness_assert_fails(call, error, TENANTDB_CANCELLED, TENANTDB_REASON_STATEMENT_CANCELLED); \
    joined(canceller);                                                                          \
    assert_in_range(fixture_now_ms() - began, 90, 3000);                                        \
  } while (0)

static void test_nothing_under_way(void **state) {
  (void)state;
  harness_assert_ok(tenantdb_session_cancel(session, &error), error);
  assert_string_equal(fixture_cell(session, "SELECT 1"), "1");
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  harness_assert_ok(tenantdb_session_cancel(session, &error), error);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  harness_assert_ok(tenantdb_session_cancel(session, NULL), error);
  harness_assert_ok(tenantdb_session_commit(session, &error), error);
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "1");
  fixture_assert_refused(tenantdb_session_cancel(NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "session is NULL");
}

static void test_query(void **state) {
  (void)state;
  assert_cancelled(tenantdb_session_query(session, "INSERT INTO notes (body) SELECT 'x' FROM pg_sleep(10)",
                                          NULL, NULL, &error));
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "0");
}

static void test_transaction(void **state) {
  (void)state;
  /* The first statement, which carries BEGIN and the bind, and one behind it. */
  for (int before = 0; before < 2; before++) {
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    if (before) {
      fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
    }
    assert_cancelled(tenantdb_session_query(session, "SELECT pg_sleep(10)", NULL, NULL, &error));
    harness_assert_fails(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED);
    harness_assert_ok(tenantdb_session_rollback(session, &error), error);
    assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "0");
  }
  /* COMMIT itself. */
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('slow')");
  assert_cancelled(tenantdb_session_commit(session, &error));
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "0");
  assert_cancelled(
      tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('slow')", NULL, NULL, &error));
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "0");
}

static void test_batch(void **state) {
  (void)state;
  tenantdb_batch *batch = tenantdb_batch_new();
  tenantdb_result *result = NULL;
  tenantdb_batch_add(batch, "INSERT INTO notes (body) VALUES ('x') RETURNING body", NULL);
  tenantdb_batch_add(batch, "SELECT pg_sleep(10)", NULL);
  tenantdb_batch_add(batch, "SELECT 1", NULL);
  assert_cancelled(tenantdb_session_batch(session, batch, &error));
  harness_assert_ok(tenantdb_batch_result(batch, 0, &result, &error), error);
  tenantdb_result_free(result);
  harness_assert_fails(tenantdb_batch_result(batch, 1, &result, &error), error, TENANTDB_CANCELLED,
                       TENANTDB_REASON_STATEMENT_CANCELLED);
  harness_assert_fails(tenantdb_batch_result(batch, 2, &result, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_TRANSACTION_FAILED);
  tenantdb_batch_free(batch);
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "0");
}

static tenantdb_status read_all(tenantdb_result *result) {
  int32_t more = 1;
  tenantdb_status status = TENANTDB_OK;
  while (more && !status) {
    status = tenantdb_result_next(result, &more, &error);
  }
  return status;
}

static tenantdb_status copy_all(void) {
  const void *data = "";
  size_t length;
  tenantdb_status status = TENANTDB_OK;
  while (data && !status) {
    status = tenantdb_session_copy_read(session, &data, &length, &error);
  }
  return status;
}

static void test_stream_and_copy(void **state) {
  (void)state;
  tenantdb_result *result = NULL;
  harness_assert_ok(
      tenantdb_session_stream(session, "SELECT i, pg_sleep(0.01) FROM generate_series(1, 1000) i", NULL,
                              &result, &error),
      error);
  assert_cancelled(read_all(result));
  tenantdb_result_free(result);
  harness_assert_ok(
      tenantdb_session_copy_out(
          session, "COPY (SELECT i, pg_sleep(0.01) FROM generate_series(1, 1000) i) TO STDOUT", &error),
      error);
  assert_cancelled(copy_all());
  harness_assert_ok(tenantdb_session_copy_in(session, "COPY notes (body) FROM STDIN", &error), error);
  harness_assert_ok(tenantdb_session_copy_write(session, "a\nb\n", 4, &error), error);
  harness_assert_ok(tenantdb_session_cancel(session, &error), error);
  fixture_pause_us(50000);
  harness_assert_fails(tenantdb_session_copy_end(session, NULL, NULL, &error), error, TENANTDB_CANCELLED,
                       TENANTDB_REASON_STATEMENT_CANCELLED);
  /* Hit before the first row was read it has cost the connection (doc/guide/streams-and-copy.md). */
  close_session(state);
  session = fixture_session(db, "a");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "0");
}

/* ---------------------------------------------------------------- races */

static atomic_bool stop;
static atomic_int cancels;

static void *cancel_often(void *seed_of) {
  unsigned seed = *(unsigned *)seed_of;
  void *failed = NULL;
  while (!stop) {
    tenantdb_error *why = NULL;
    tenantdb_status status = tenantdb_session_cancel(session, &why);
    tenantdb_error_free(why);
    failed = status && status != TENANTDB_CONNECTION ? session : failed;
    cancels++;
    fixture_pause_us(fixture_random(&seed, 1000));
  }
  return failed;
}

static int rounds(void) {
  const char *quick = getenv("TENANTDB_TEST_QUICK");
  return quick && *quick ? 100 : 1000;
}

/* One of the shapes that work has; how many rows it kept. */
static int work(int shape, tenantdb_batch *batch) {
  tenantdb_status status;
  if (shape == 0) {
    status = tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('one')", NULL, NULL, &error);
  } else if (shape == 1) {
    status = tenantdb_session_batch(session, batch, &error);
  } else {
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    status = tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('tx')", NULL, NULL, &error);
    if (!status) {
      status = tenantdb_session_commit(session, &error);
    } else {
      tenantdb_status undone = tenantdb_session_rollback(session, NULL);
      assert_true(undone == TENANTDB_OK || undone == TENANTDB_CANCELLED);
    }
  }
  if (status != TENANTDB_OK && status != TENANTDB_CANCELLED) {
    harness_assert_ok(status, error);
  }
  tenantdb_error_free(error);
  error = NULL;
  return status ? 0 : shape == 1 ? 2 : 1;
}

/* Whatever moment it hits, in a flush, a batch or between them: done and OK, or cancelled and nothing of it.
 */
static void test_storm(void **state) {
  (void)state;
  unsigned seeds[3] = {fixture_seed(), 2, 3};
  pthread_t threads[3];
  int calls = 0, kept = 0, cancelled = 0;
  tenantdb_batch *batch = tenantdb_batch_new();
  tenantdb_batch_add(batch, "INSERT INTO notes (body) VALUES ('batch')", NULL);
  tenantdb_batch_add(batch, "INSERT INTO notes (body) VALUES ('batch')", NULL);
  stop = false;
  cancels = 0;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, cancel_often, &seeds[i]), 0);
  }
  for (int64_t until = fixture_now_ms() + rounds() * 2; fixture_now_ms() < until; calls++) {
    int rows = work(calls % 3, batch);
    kept += rows;
    cancelled += rows == 0;
  }
  stop = true;
  for (int i = 0; i < 3; i++) {
    joined(threads[i]);
  }
  print_message("%d rows kept, %d of %d calls cancelled by %d requests\n", kept, cancelled, calls,
                (int)cancels);
  assert_int_equal(atoi(fixture_cell(session, "SELECT count(*) FROM notes")), kept);
  tenantdb_batch_free(batch);
}

/* The connection breaks, and the session lets go of it, while others cancel on it. */
static void test_while_breaking(void **state) {
  (void)state;
  for (int i = 0; i < rounds() / 20; i++) {
    unsigned seed = (unsigned)i;
    pthread_t thread;
    session = fixture_session(db, "a");
    int pid = atoi(fixture_cell(session, "SELECT pg_backend_pid()"));
    stop = false;
    assert_int_equal(pthread_create(&thread, NULL, cancel_often, &seed), 0);
    harness_break(url, pid);
    tenantdb_status status = TENANTDB_OK;
    for (int n = 0; n < 1000 && (!status || status == TENANTDB_CANCELLED); n++) {
      status = tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error);
      tenantdb_error_free(error);
      error = NULL;
    }
    /* The server says before it goes that nothing was committed; a pooler could not know. */
    bool unknown = status == TENANTDB_UNKNOWN && harness_behind_pooler();
    assert_int_equal(unknown ? TENANTDB_CONNECTION : status, TENANTDB_CONNECTION);
    stop = true;
    joined(thread);
    tenantdb_session_close(session);
  }
}

static void *cancel_once(void *delay) {
  fixture_pause_us(*(int *)delay);
  (void)tenantdb_session_cancel(session, NULL);
  return NULL;
}

/* A request that comes as the session ends never hits who gets a connection next. */
static void test_never_the_next(void **state) {
  (void)state;
  tenantdb *narrow = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0"));
  unsigned seed = fixture_seed();
  for (int i = 0; i < rounds() / 8; i++) {
    int delay = (int)fixture_random(&seed, 1500);
    pthread_t thread;
    session = fixture_session(narrow, "a");
    assert_int_equal(pthread_create(&thread, NULL, cancel_once, &delay), 0);
    tenantdb_status status = tenantdb_session_query(session, "SELECT 1", NULL, NULL, NULL);
    assert_true(status == TENANTDB_OK || status == TENANTDB_CANCELLED);
    joined(thread); /* not after the close: that is the caller's to see to */
    tenantdb_session_close(session);
    session = fixture_session(narrow, "a");
    fixture_run(session, "SELECT 2");
    tenantdb_session_close(session);
  }
  tenantdb_close(narrow);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_nothing_under_way, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_query, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_transaction, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_batch, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_stream_and_copy, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_storm, open_session, close_session),
      cmocka_unit_test(test_while_breaking),
      cmocka_unit_test(test_never_the_next),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/* A function in a transaction, run again when it collides. */
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
  db = fixture_ready(url, FIXTURE_OPTIONS("session.retries", "100"));
  tenantdb_tenant_free(fixture_tenant(db, "a"));
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
  fixture_run(session, "INSERT INTO items (id, n) VALUES (1, 1000), (2, 1000)");
  return 0;
}

static int close_session(void **state) {
  (void)state;
  tenantdb_session_close(session);
  return 0;
}

static tenantdb_status sql(tenantdb_session *one, const char *text, tenantdb_error **why) {
  return tenantdb_session_query(one, text, NULL, NULL, why);
}

/* ---------------------------------------------------------------- one at a time */

typedef struct script {
  int calls;
  int conflicts; /* how often to collide first */
  const char *statement;
  tenantdb_status returns;
} script;

static tenantdb_status play(void *user, tenantdb_session *one, tenantdb_error **why) {
  script *self = user;
  self->calls++;
  tenantdb_status status = sql(one, "UPDATE items SET n = n + 1 WHERE id = 1", why);
  if (!status && self->calls <= self->conflicts) {
    status = sql(one, "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", why);
  }
  if (!status && self->statement) {
    status = sql(one, self->statement, why);
  }
  return status ? status : self->returns;
}

static tenantdb_status transact(script *which) {
  return tenantdb_session_transact(session, NULL, play, which, &error);
}

static void assert_n(const char *n) {
  assert_string_equal(fixture_cell(session, "SELECT n FROM items WHERE id = 1"), n);
}

static void test_success(void **state) {
  (void)state;
  script once = {0, 0, NULL, TENANTDB_OK};
  harness_assert_ok(transact(&once), error);
  assert_int_equal(once.calls, 1);
  assert_n("1001");
  harness_assert_ok(tenantdb_session_transact(session, "isolation level serializable", play, &once, &error),
                    error);
  assert_n("1002");
  script thrice = {0, 3, NULL, TENANTDB_OK};
  harness_assert_ok(transact(&thrice), error);
  assert_int_equal(thrice.calls, 4);
  assert_n("1003");
}

static void test_failures(void **state) {
  (void)state;
  script wrong = {0, 0, "SELECT 1 / 0", TENANTDB_OK};
  fixture_assert_refused(transact(&wrong), error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "zero");
  assert_int_equal(wrong.calls, 1);
  assert_n("1000");
  script refused = {0, 0, "INSERT INTO items (n) VALUES (-1)", TENANTDB_OK};
  fixture_assert_refused(transact(&refused), error, TENANTDB_CONSTRAINT, TENANTDB_REASON_SERVER_CONSTRAINT,
                         "n_positive");
  /* The function has its own reasons, and no error object. */
  script unwilling = {0, 0, NULL, TENANTDB_PERMISSION};
  fixture_assert_refused(transact(&unwilling), error, TENANTDB_PERMISSION, TENANTDB_REASON_FUNCTION_FAILED,
                         "the transaction's function returned PERMISSION");
  assert_n("1000");
  /* A conflict of its own making counts as one. */
  script made_up = {0, 0, NULL, TENANTDB_CONFLICT};
  tenantdb *hasty = fixture_open(url, NULL, FIXTURE_OPTIONS("session.retries", "3"));
  tenantdb_session *other = fixture_session(hasty, "a");
  fixture_assert_refused(tenantdb_session_transact(other, NULL, play, &made_up, &error), error,
                         TENANTDB_CONFLICT, TENANTDB_REASON_FUNCTION_FAILED, "CONFLICT");
  assert_int_equal(made_up.calls, 4);
  script always = {0, 1000, NULL, TENANTDB_OK};
  harness_assert_status(tenantdb_session_transact(other, NULL, play, &always, &error), error,
                        TENANTDB_CONFLICT, TENANTDB_REASON_SERIALIZATION);
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_SAME_SESSION);
  tenantdb_error_free(error);
  assert_int_equal(always.calls, 4);
  assert_n("1000");
  tenantdb_session_close(other);
  tenantdb_close(hasty);
  tenantdb *never = fixture_open(url, NULL, FIXTURE_OPTIONS("session.retries", "0"));
  other = fixture_session(never, "a");
  script single = {0, 1, NULL, TENANTDB_OK};
  harness_assert_fails(tenantdb_session_transact(other, NULL, play, &single, &error), error,
                       TENANTDB_CONFLICT, TENANTDB_REASON_SERIALIZATION);
  assert_int_equal(single.calls, 1);
  tenantdb_session_close(other);
  tenantdb_close(never);
}

static void test_misuse(void **state) {
  (void)state;
  script unused = {0, 0, NULL, TENANTDB_OK};
  fixture_assert_refused(tenantdb_session_transact(NULL, NULL, play, &unused, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "session is NULL");
  fixture_assert_refused(tenantdb_session_transact(session, NULL, NULL, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "function is NULL");
  fixture_assert_refused(tenantdb_session_transact(session, "sideways", play, &unused, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "transaction mode \"sideways\"");
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_assert_refused(transact(&unused), error, TENANTDB_STATE, TENANTDB_REASON_IN_TRANSACTION,
                         "savepoint");
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  assert_int_equal(unused.calls, 0);
}

static tenantdb_status ends_it(void *user, tenantdb_session *one, tenantdb_error **why) {
  tenantdb_status status = sql(one, "UPDATE items SET n = n + 1 WHERE id = 1", why);
  return status          ? status
         : *(bool *)user ? tenantdb_session_commit(one, why)
                         : tenantdb_session_rollback(one, why);
}

static tenantdb_status nests(void *user, tenantdb_session *one, tenantdb_error **why) {
  return tenantdb_session_transact(one, NULL, play, user, why);
}

static tenantdb_status swallows(void *user, tenantdb_session *one, tenantdb_error **why) {
  (void)user;
  (void)sql(one, "SELECT 1 / 0", why);
  return TENANTDB_OK; /* with an error that nobody freed */
}

static tenantdb_status leaves_open(void *user, tenantdb_session *one, tenantdb_error **why) {
  return tenantdb_session_stream(one, "SELECT generate_series(1, 100000)", NULL, user, why);
}

static tenantdb_status uses_savepoints(void *user, tenantdb_session *one, tenantdb_error **why) {
  (void)user;
  tenantdb_status status = sql(one, "UPDATE items SET n = 7 WHERE id = 1", why);
  status = status ? status : tenantdb_session_savepoint(one, "s", why);
  if (!status && sql(one, "SELECT 1 / 0", NULL)) {
    status = tenantdb_session_rollback_to(one, "s", why);
  }
  return status;
}

/* Functions that do what they should not, and one that does what it may. */
static void test_functions(void **state) {
  (void)state;
  for (int commits = 0; commits < 2; commits++) {
    bool how = commits;
    fixture_assert_refused(tenantdb_session_transact(session, NULL, ends_it, &how, &error), error,
                           TENANTDB_STATE, TENANTDB_REASON_NO_TRANSACTION, "no transaction");
    assert_n(commits ? "1001" : "1000");
  }
  script unused = {0, 0, NULL, TENANTDB_OK};
  fixture_assert_refused(tenantdb_session_transact(session, NULL, nests, &unused, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_IN_TRANSACTION, "open already");
  fixture_assert_refused(tenantdb_session_transact(session, NULL, swallows, NULL, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED, "rolled back");
  tenantdb_result *stream = NULL;
  fixture_assert_refused(tenantdb_session_transact(session, NULL, leaves_open, &stream, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_CALL_UNDER_WAY, "under way");
  tenantdb_result_free(stream);
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  harness_assert_ok(tenantdb_session_transact(session, NULL, uses_savepoints, NULL, &error), error);
  assert_n("7");
}

static tenantdb_status loses_connection(void *user, tenantdb_session *one, tenantdb_error **why) {
  ++*(int *)user;
  return sql(one, "SELECT pg_terminate_backend(pg_backend_pid())", why);
}

static void test_broken(void **state) {
  (void)state;
  int calls = 0;
  tenantdb_session *shared = NULL;
  harness_assert_ok(tenantdb_session_open_shared(db, NULL, &shared, &error), error);
  harness_assert_fails(tenantdb_session_transact(shared, NULL, loses_connection, &calls, &error), error,
                       TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
  assert_int_equal(calls, 1);
  tenantdb_session_close(shared);
}

/* ---------------------------------------------------------------- real collisions */

enum { THREADS = 2, TRANSFERS = 100 };

typedef struct worker {
  int number;
  tenantdb_transaction_function function;
  const char *mode;
  tenantdb_status worst;
} worker;

static atomic_int attempts;

static void *work(void *user) {
  worker *self = user;
  tenantdb_session *one = NULL;
  tenantdb_error *why = NULL;
  self->worst = tenantdb_session_open(db, "a", NULL, &one, &why);
  for (int i = 0; i < TRANSFERS && !self->worst; i++) {
    self->worst = tenantdb_session_transact(one, self->mode, self->function, self, &why);
  }
  tenantdb_error_free(why);
  tenantdb_session_close(one);
  return NULL;
}

static void run_workers(tenantdb_transaction_function function, const char *mode) {
  pthread_t threads[THREADS];
  worker workers[THREADS];
  attempts = 0;
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker){i, function, mode, TENANTDB_OK};
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    (void)pthread_join(threads[i], NULL);
    assert_int_equal(workers[i].worst, TENANTDB_OK);
  }
}

/* Read, then write what was read plus one: lost updates unless they are serialized. */
static tenantdb_status increments(void *user, tenantdb_session *one, tenantdb_error **why) {
  (void)user;
  tenantdb_result *result = NULL;
  attempts++;
  tenantdb_status status =
      tenantdb_session_query(one, "SELECT n + 1 FROM items WHERE id = 1", NULL, &result, why);
  if (!status) {
    fixture_pause_us(2000);
    tenantdb_params *params = tenantdb_params_new();
    tenantdb_params_text(params, tenantdb_result_value(result, 0, 0));
    status = tenantdb_session_query(one, "UPDATE items SET n = $1 WHERE id = 1", params, NULL, why);
    tenantdb_params_free(params);
  }
  tenantdb_result_free(result);
  return status;
}

static void test_serialization(void **state) {
  (void)state;
  run_workers(increments, "isolation level serializable");
  print_message("%d transactions took %d attempts\n", THREADS * TRANSFERS, (int)attempts);
  assert_true(attempts > THREADS * TRANSFERS);
  assert_n("1200");
  fixture_run(session, "UPDATE items SET n = 1000");
  run_workers(increments, "isolation level repeatable read, read write");
  assert_n("1200");
}

/* Each locks the two rows in the other order. */
static tenantdb_status locks_crosswise(void *user, tenantdb_session *one, tenantdb_error **why) {
  const worker *self = user;
  attempts++;
  tenantdb_status status = sql(
      one,
      self->number ? "UPDATE items SET n = n + 1 WHERE id = 1" : "UPDATE items SET n = n + 1 WHERE id = 2",
      why);
  fixture_pause_us(2000);
  return status ? status
                : sql(one,
                      self->number ? "UPDATE items SET n = n + 1 WHERE id = 2"
                                   : "UPDATE items SET n = n + 1 WHERE id = 1",
                      why);
}

static void test_deadlock(void **state) {
  (void)state;
  char *name = harness_database_name(url);
  harness_sql(url, "ALTER DATABASE \"%s\" SET deadlock_timeout = '10ms'", name);
  free(name);
  close_session(state);
  tenantdb_close(db);
  harness_refresh(url);
  db = fixture_open(url, NULL, FIXTURE_OPTIONS("session.retries", "100"));
  session = fixture_session(db, "a");
  run_workers(locks_crosswise, NULL);
  print_message("%d transactions took %d attempts\n", THREADS * TRANSFERS, (int)attempts);
  assert_true(attempts > THREADS * TRANSFERS);
  assert_string_equal(fixture_cell(session, "SELECT string_agg(n::text, ',') FROM items"), "1200,1200");
}

/* The same without a function: the error says whether to run it again. */
static void test_by_hand(void **state) {
  (void)state;
  tenantdb_session *other = fixture_session(db, "a");
  bool retried = false;
  for (int i = 0; i < 3; i++) {
    harness_assert_ok(tenantdb_session_begin(session, "isolation level repeatable read", &error), error);
    fixture_run(session, "SELECT n FROM items");
    if (i == 0) {
      fixture_run(other, "UPDATE items SET n = n + 1 WHERE id = 1");
    }
    tenantdb_status status = sql(session, "UPDATE items SET n = n + 1 WHERE id = 1", &error);
    if (!status) {
      harness_assert_ok(tenantdb_session_commit(session, &error), error);
      break;
    }
    assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_SAME_SESSION);
    tenantdb_error_free(error);
    harness_assert_ok(tenantdb_session_rollback(session, &error), error);
    retried = true;
  }
  assert_true(retried);
  assert_n("1002");
  tenantdb_session_close(other);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_success, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_failures, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_misuse, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_functions, open_session, close_session),
      cmocka_unit_test(test_broken),
      cmocka_unit_test_setup_teardown(test_serialization, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_by_hand, open_session, close_session),
      cmocka_unit_test_setup_teardown(test_deadlock, open_session, close_session),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Statistics: what is counted after known actions, and that every call of them fails as it should. */
#include <pthread.h>

#include "base/memory.h"
#include "fixture.h"

static const char *url;
static tenantdb_error *error;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_tenant_free(fixture_tenant(db, "b"));
  tenantdb_close(db);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  harness_drop_database(url);
  return 0;
}

static tenantdb_result *read_table(tenantdb *db) {
  tenantdb_result *table = NULL;
  harness_assert_ok(tenantdb_statistics(db, &table, &error), error);
  assert_int_equal(tenantdb_result_columns(table), 6);
  return table;
}

/* The value of a series, NULL when there is none. Lasts as long as the table. */
static const char *series(const tenantdb_result *table, const char *name, const char *labels) {
  for (int32_t row = 0; row < tenantdb_result_rows(table); row++) {
    if (strcmp(tenantdb_result_value(table, row, 0), name) == 0 &&
        strcmp(tenantdb_result_value(table, row, 1), labels) == 0) {
      return tenantdb_result_value(table, row, 4);
    }
  }
  return NULL;
}

static double value(tenantdb *db, const char *name, const char *labels) {
  tenantdb_result *table = read_table(db);
  const char *text = series(table, name, labels);
  double number = text ? strtod(text, NULL) : -1;
  tenantdb_result_free(table);
  return number;
}

#define SHARED "pool=\"shared\""

static int64_t of_pool(tenantdb *db, const char *name) {
  return (int64_t)value(db, name, SHARED);
}

static int64_t of_handle(tenantdb *db, const char *name) {
  return (int64_t)value(db, name, "");
}

static int64_t outcome(tenantdb *db, const char *how) {
  char labels[64];
  snprintf(labels, sizeof labels, "outcome=\"%s\"", how);
  return (int64_t)value(db, "tenantdb_transactions_total", labels);
}

static int64_t failures(tenantdb *db, const char *sqlstate_class) {
  char labels[64];
  snprintf(labels, sizeof labels, "sqlstate_class=\"%s\"", sqlstate_class);
  return (int64_t)value(db, "tenantdb_errors_total", labels);
}

/* ---------------------------------------------------------------- sessions */

static void fail_once(tenantdb_session *session, const char *sql) {
  assert_int_not_equal(tenantdb_session_query(session, sql, NULL, NULL, NULL), TENANTDB_OK);
}

static void test_sessions(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, NULL);
  tenantdb_session *session = fixture_session(db, "a");
  assert_int_equal(of_handle(db, "tenantdb_statements_total"), 0);
  for (int i = 0; i < 5; i++) {
    fixture_run(session, "SELECT 1");
  }
  assert_int_equal(of_handle(db, "tenantdb_statements_total"), 5);
  assert_int_equal(outcome(db, "committed"), 5);
  /* A transaction, one that is rolled back, one that fails, one that was never begun. */
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "SELECT 1");
  fixture_run(session, "SELECT 2");
  assert_int_equal(outcome(db, "committed"), 5);
  harness_assert_ok(tenantdb_session_commit(session, &error), error);
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "SELECT 1");
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fail_once(session, "SELECT 1 / 0");
  assert_int_not_equal(tenantdb_session_commit(session, NULL), TENANTDB_OK);
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  harness_assert_ok(tenantdb_session_commit(session, &error), error);
  assert_int_equal(of_handle(db, "tenantdb_statements_total"), 9);
  assert_int_equal(outcome(db, "committed"), 6);
  assert_int_equal(outcome(db, "rolled_back"), 2);
  assert_int_equal(failures(db, "22"), 1);
  assert_int_equal(failures(db, "none"), 1); /* the COMMIT of what had failed */
  fail_once(session, "SELECT * FROM nowhere");
  fail_once(session, "SELECT * FROM nowhere");
  assert_int_equal(failures(db, "42"), 2);
  assert_int_equal(outcome(db, "rolled_back"), 4);
  assert_int_equal(failures(db, "23"), -1); /* what never came has no series */
  assert_int_equal(outcome(db, "unknown"), 0);
  assert_int_equal(of_handle(db, "tenantdb_isolation_violations_total"), 0);
  tenantdb_session_close(session);
  tenantdb_close(db);
}

static void test_other_calls(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, NULL);
  tenantdb_session *session = fixture_session(db, "a");
  tenantdb_batch *batch = tenantdb_batch_new();
  for (int i = 0; i < 3; i++) {
    tenantdb_batch_add(batch, "SELECT 1", NULL);
  }
  harness_assert_ok(tenantdb_session_batch(session, batch, &error), error);
  tenantdb_batch_free(batch);
  assert_int_equal(of_handle(db, "tenantdb_statements_total"), 3);
  assert_int_equal(outcome(db, "committed"), 1);
  /* A stream to its end, and one that is given up. */
  for (int whole = 1; whole >= 0; whole--) {
    tenantdb_result *rows = NULL;
    int32_t more = 1;
    harness_assert_ok(
        tenantdb_session_stream(session, "SELECT generate_series(1, 100000)", NULL, &rows, &error), error);
    do {
      harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
    } while (whole && more);
    tenantdb_result_free(rows);
  }
  assert_int_equal(of_handle(db, "tenantdb_statements_total"), 5);
  assert_int_equal(outcome(db, "committed"), 2);
  assert_int_equal(outcome(db, "rolled_back"), 1);
  assert_int_equal(failures(db, "57"), -1);
  /* COPY, one that ends well, one that is given up, one that the server refuses. */
  int64_t rows = 0;
  harness_assert_ok(tenantdb_session_copy_in(session, "COPY notes (body) FROM STDIN", &error), error);
  harness_assert_ok(tenantdb_session_copy_write(session, "x\n", 2, &error), error);
  harness_assert_ok(tenantdb_session_copy_end(session, NULL, &rows, &error), error);
  harness_assert_ok(tenantdb_session_copy_in(session, "COPY notes (body) FROM STDIN", &error), error);
  harness_assert_ok(tenantdb_session_copy_end(session, "enough", &rows, &error), error);
  assert_int_not_equal(tenantdb_session_copy_in(session, "COPY nowhere FROM STDIN", NULL), TENANTDB_OK);
  assert_int_equal(of_handle(db, "tenantdb_statements_total"), 8);
  assert_int_equal(outcome(db, "committed"), 3);
  assert_int_equal(outcome(db, "rolled_back"), 3);
  assert_int_equal(failures(db, "42"), 1);
  assert_int_equal(failures(db, "57"), -1);
  /* On an event loop. */
  int32_t done = 0;
  harness_assert_ok(tenantdb_session_send(session, "SELECT 1", NULL, &error), error);
  while (!done) {
    harness_assert_ok(tenantdb_session_step(session, &done, NULL, &error), error);
    fixture_pause_us(200);
  }
  assert_int_equal(of_handle(db, "tenantdb_statements_total"), 9);
  assert_int_equal(outcome(db, "committed"), 4);
  /* Left open. */
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "SELECT 1");
  tenantdb_session_close(session);
  assert_int_equal(outcome(db, "rolled_back"), 4);
  tenantdb_close(db);
}

static void test_lost(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "1", "pool.pre_ping", "off"));
  for (int inside = 0; inside < 2; inside++) {
    tenantdb_session *session = fixture_session(db, "a");
    long long pid = strtoll(fixture_cell(session, "SELECT pg_backend_pid()"), NULL, 10);
    if (inside) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
      fixture_run(session, "SELECT 1");
    }
    harness_sql(url, "SELECT pg_terminate_backend(%lld)", pid);
    fixture_pause_us(50000); /* longer than an answer is trusted */
    fail_once(session, "SELECT 1");
    tenantdb_session_close(session);
    assert_int_equal(outcome(db, "rolled_back"), inside);
  }
  assert_int_equal(failures(db, "none") + (failures(db, "57") > 0 ? failures(db, "57") : 0), 2);
  tenantdb_close(db);
}

static void test_violation(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, NULL);
  tenantdb_tenant *tenant = fixture_tenant(db, "violated");
  tenantdb_session *session = fixture_session(db, "violated");
  harness_sql(url, "ALTER SCHEMA %s RENAME TO elsewhere", tenantdb_tenant_schema(tenant));
  harness_assert_fails(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                       TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED);
  tenantdb_session_close(session);
  assert_int_equal(of_handle(db, "tenantdb_isolation_violations_total"), 1);
  harness_sql(url, "ALTER SCHEMA elsewhere RENAME TO %s", tenantdb_tenant_schema(tenant));
  tenantdb_tenant_free(tenant);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- the pool */

static void test_pool(void **state) {
  (void)state;
  tenantdb *db = fixture_open(
      url, NULL, FIXTURE_OPTIONS("pool.size", "2", "pool.overflow", "1", "pool.timeout", "30ms"));
  int64_t leases = of_pool(db, "tenantdb_pool_leases_total");
  assert_int_equal(of_pool(db, "tenantdb_pool_connections_max"), 3);
  tenantdb_session *sessions[3], *fourth = NULL;
  for (int i = 0; i < 7; i++) {
    tenantdb_session_close(fixture_session(db, "a"));
  }
  assert_int_equal(of_pool(db, "tenantdb_pool_leases_total"), leases + 7);
  assert_true(of_pool(db, "tenantdb_pool_leases_affine_total") >= 5);
  for (int i = 0; i < 3; i++) {
    sessions[i] = fixture_session(db, i < 2 ? "a" : "b");
  }
  assert_int_equal(value(db, "tenantdb_pool_connections", SHARED ",state=\"used\""), 3);
  assert_int_equal(value(db, "tenantdb_pool_connections", SHARED ",state=\"idle\""), 0);
  assert_int_equal(of_pool(db, "tenantdb_pool_tenants"), 2);
  harness_assert_fails(tenantdb_session_open(db, "a", NULL, &fourth, &error), error, TENANTDB_BUSY,
                       TENANTDB_REASON_POOL_TIMEOUT);
  assert_int_equal(of_pool(db, "tenantdb_pool_timeouts_total"), 1);
  assert_int_equal(of_pool(db, "tenantdb_pool_pending_requests"), 0);
  assert_int_equal(of_pool(db, "tenantdb_pool_leases_total"), leases + 10);
  fixture_run(sessions[0], "SELECT pg_sleep(0.2)");
  for (int i = 0; i < 3; i++) {
    tenantdb_session_close(sessions[i]);
  }
  assert_true(value(db, "tenantdb_pool_use_seconds_sum", SHARED) >= 0.6); /* all three were lent meanwhile */
  assert_int_equal(of_pool(db, "tenantdb_pool_use_seconds_count"), leases + 10);
  assert_int_equal(of_pool(db, "tenantdb_pool_create_seconds_count"), 3);
  assert_true(value(db, "tenantdb_pool_create_seconds_sum", SHARED) > 0);
  /* Two are kept, so one was closed. */
  assert_int_equal(value(db, "tenantdb_pool_connections", SHARED ",state=\"idle\""), 2);
  assert_int_equal(value(db, "tenantdb_pool_resets_total", SHARED ",reason=\"idle\""), 1);
  /* A connection with a cancelled past is not handed on. */
  sessions[0] = fixture_session(db, "a");
  harness_assert_ok(tenantdb_session_cancel(sessions[0], &error), error);
  tenantdb_session_close(sessions[0]);
  assert_int_equal(value(db, "tenantdb_pool_resets_total", SHARED ",reason=\"unclean\""), 1);
  tenantdb_close(db);
}

static void *open_late(void *user) {
  tenantdb_session *session = NULL;
  tenantdb_status status = tenantdb_session_open(user, "b", NULL, &session, NULL);
  tenantdb_session_close(session);
  return (void *)(intptr_t)status;
}

static void test_waits(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0"));
  tenantdb_session *session = fixture_session(db, "a");
  double before = value(db, "tenantdb_pool_wait_seconds_sum", SHARED);
  pthread_t thread;
  void *status;
  assert_int_equal(pthread_create(&thread, NULL, open_late, db), 0);
  while (of_pool(db, "tenantdb_pool_pending_requests") == 0) {
    fixture_pause_us(1000);
  }
  fixture_pause_us(120000);
  tenantdb_session_close(session);
  pthread_join(thread, &status);
  assert_int_equal((intptr_t)status, TENANTDB_OK);
  double waited = value(db, "tenantdb_pool_wait_seconds_sum", SHARED) - before;
  assert_true(waited >= 0.11 && waited < 5);
  /* It is in the buckets above what it lasted and in none below. */
  double below = value(db, "tenantdb_pool_wait_seconds_bucket", SHARED ",le=\"0.1\"");
  double all = value(db, "tenantdb_pool_wait_seconds_bucket", SHARED ",le=\"+Inf\"");
  assert_int_equal((int64_t)all, (int64_t)below + 1);
  assert_int_equal((int64_t)all, of_pool(db, "tenantdb_pool_wait_seconds_count"));
  assert_int_equal((int64_t)all, of_pool(db, "tenantdb_pool_leases_total"));
  tenantdb_close(db);
}

static void test_failures(void **state) {
  (void)state;
  harness_server *server = harness_server_start();
  tenantdb *db = fixture_ready(harness_server_url(server), FIXTURE_OPTIONS("pool.size", "1"));
  assert_int_equal(of_pool(db, "tenantdb_pool_connect_failures_total"), 0);
  harness_server_kill(server);
  for (int i = 0; i < 4; i++) {
    tenantdb_session *session = NULL;
    (void)tenantdb_session_open_shared(db, NULL, &session, NULL);
    (void)tenantdb_session_query(session, "SELECT 1", NULL, NULL, NULL);
    tenantdb_session_close(session);
  }
  assert_true(of_pool(db, "tenantdb_pool_connect_failures_total") > 0);
  assert_true(of_pool(db, "tenantdb_pool_connect_failures_total") < 4);
  assert_true(of_pool(db, "tenantdb_pool_backed_off_total") > 0);
  tenantdb_close(db);
  harness_server_remove(server);
}

static void test_login(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb *db = fixture_ready(
      own, FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "none", "login.pool_total", "7"));
  tenantdb_tenant *tenant = fixture_tenant(db, "a");
  tenantdb_session *session = fixture_session(db, "a");
  assert_int_equal(value(db, "tenantdb_pool_connections", "pool=\"login\",state=\"used\""), 1);
  assert_int_equal(value(db, "tenantdb_pool_connections_max", "pool=\"login\""), 7);
  assert_true(of_pool(db, "tenantdb_pool_connections_max") > 7);
  tenantdb_result *table = NULL;
  harness_assert_ok(tenantdb_pool_tenants(db, &table, &error), error);
  assert_int_equal(tenantdb_result_rows(table), 1);
  assert_string_equal(tenantdb_result_value(table, 0, 0), "login");
  assert_string_equal(tenantdb_result_value(table, 0, 1), tenantdb_tenant_id(tenant));
  assert_string_equal(tenantdb_result_value(table, 0, 2), "a");
  tenantdb_result_free(table);
  tenantdb_session_close(session);
  tenantdb_tenant_free(tenant);
  tenantdb_close(db);
  harness_drop_database(own);
}

/* ---------------------------------------------------------------- who has connections */

static void test_tenants(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, NULL);
  tenantdb_session *sessions[4];
  tenantdb_result *table = NULL;
  harness_assert_ok(tenantdb_pool_tenants(db, &table, &error), error);
  assert_int_equal(tenantdb_result_rows(table), 0);
  tenantdb_result_free(table);
  for (int i = 0; i < 3; i++) {
    sessions[i] = fixture_session(db, i < 2 ? "a" : "b");
  }
  harness_assert_ok(tenantdb_session_open_shared(db, NULL, &sessions[3], &error), error);
  harness_assert_ok(tenantdb_pool_tenants(db, &table, &error), error);
  assert_int_equal(tenantdb_result_rows(table), 3);
  int seen = 0;
  for (int32_t row = 0; row < 3; row++) {
    const char *slug = tenantdb_result_value(table, row, 2);
    const char *id = tenantdb_result_value(table, row, 1);
    bool is_a = slug && strcmp(slug, "a") == 0;
    assert_string_equal(tenantdb_result_value(table, row, 0), "shared");
    assert_string_equal(id, slug ? tenantdb_session_tenant(sessions[is_a ? 0 : 2]) : "");
    assert_string_equal(tenantdb_result_value(table, row, 3), is_a ? "2" : "1");
    assert_string_equal(tenantdb_result_value(table, row, 4), "0");
    assert_true(strtoll(tenantdb_result_value(table, row, 5), NULL, 10) >= 0);
    seen += slug ? slug[0] : 1;
  }
  assert_int_equal(seen, 'a' + 'b' + 1);
  tenantdb_result_free(table);
  for (int i = 0; i < 4; i++) {
    tenantdb_session_close(sessions[i]);
  }
  tenantdb_close(db);
}

static void test_warm_up(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.minimum", "3"));
  harness_assert_ok(tenantdb_warm_up(db, &error), error);
  assert_int_equal(value(db, "tenantdb_pool_connections", SHARED ",state=\"idle\""), 3);
  harness_assert_ok(tenantdb_warm_up(db, &error), error);
  assert_int_equal(of_pool(db, "tenantdb_pool_create_seconds_count"), 3);
  tenantdb_close(db);
  harness_assert_fails(tenantdb_warm_up(NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
}

/* ---------------------------------------------------------------- arguments, memory, threads */

static void test_arguments(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, NULL);
  tenantdb_result *table = NULL;
  char *text = NULL;
  harness_assert_fails(tenantdb_statistics(NULL, &table, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_statistics(db, NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_statistics_text(NULL, &text, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_statistics_text(db, NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_pool_tenants(NULL, &table, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_pool_tenants(db, NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  tenantdb_session *session = fixture_session(db, "a");
  tenantdb_close(db);
  harness_assert_fails(tenantdb_statistics(db, &table, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_DATABASE_CLOSED);
  harness_assert_fails(tenantdb_statistics_text(db, &text, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_DATABASE_CLOSED);
  harness_assert_fails(tenantdb_pool_tenants(db, &table, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_DATABASE_CLOSED);
  harness_assert_fails(tenantdb_warm_up(db, &error), error, TENANTDB_STATE, TENANTDB_REASON_DATABASE_CLOSED);
  assert_null(table);
  assert_null(text);
  tenantdb_session_close(session);
}

static tenantdb_status use_one(tenantdb *db, int call, tenantdb_error **failure) {
  tenantdb_result *table = NULL;
  char *text = NULL;
  tenantdb_status status = call == 0   ? tenantdb_statistics(db, &table, failure)
                           : call == 1 ? tenantdb_statistics_text(db, &text, failure)
                                       : tenantdb_pool_tenants(db, &table, failure);
  assert_int_equal(status == TENANTDB_OK, table || text);
  tenantdb_result_free(table);
  tenantdb_string_free(text);
  return status;
}

static void test_out_of_memory(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, NULL);
  tenantdb_session *session = fixture_session(db, "a");
  fail_once(session, "SELECT 1 / 0");
  for (int call = 0; call < 3; call++) {
    tenantdb_status status = TENANTDB_MEMORY;
    for (uint64_t at = 1; status; at++) {
      int64_t live = tndb_memory_live();
      tndb_memory_fail(at, false);
      status = use_one(db, call, &error);
      tndb_memory_fail(0, false);
      assert_true(status == TENANTDB_OK || status == TENANTDB_MEMORY);
      tenantdb_error_free(error);
      error = NULL;
      assert_int_equal(tndb_memory_live(), live);
    }
  }
  tenantdb_session_close(session);
  tenantdb_close(db);
}

enum { THREADS = 8, EACH = 40 };

static void *work(void *user) {
  for (int i = 0; i < EACH; i++) {
    tenantdb_session *session = fixture_session(user, i % 2 ? "a" : "b");
    fixture_run(session, "SELECT 1");
    tenantdb_session_close(session);
  }
  return NULL;
}

/* Nothing is lost between threads, and counters never fall while they are read. */
static void test_threads(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "4", "pool.overflow", "0"));
  pthread_t threads[THREADS];
  int64_t leases = of_pool(db, "tenantdb_pool_leases_total"), last = 0;
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, work, db), 0);
  }
  while (last < THREADS * EACH) {
    int64_t now = of_handle(db, "tenantdb_statements_total");
    assert_true(now >= last);
    last = now;
    assert_int_equal(use_one(db, 1, NULL), TENANTDB_OK);
    assert_int_equal(use_one(db, 2, NULL), TENANTDB_OK);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
  assert_int_equal(of_handle(db, "tenantdb_statements_total"), THREADS * EACH);
  assert_int_equal(outcome(db, "committed"), THREADS * EACH);
  assert_int_equal(of_pool(db, "tenantdb_pool_leases_total"), leases + THREADS * EACH);
  assert_int_equal(of_pool(db, "tenantdb_pool_wait_seconds_count"), leases + THREADS * EACH);
  tenantdb_close(db);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sessions),  cmocka_unit_test(test_other_calls),
      cmocka_unit_test(test_lost),      cmocka_unit_test(test_violation),
      cmocka_unit_test(test_pool),      cmocka_unit_test(test_waits),
      cmocka_unit_test(test_failures),  cmocka_unit_test(test_login),
      cmocka_unit_test(test_tenants),   cmocka_unit_test(test_warm_up),
      cmocka_unit_test(test_arguments), cmocka_unit_test(test_out_of_memory),
      cmocka_unit_test(test_threads),
  };
  return cmocka_run_group_tests_name("statistics", tests, setup, teardown);
}

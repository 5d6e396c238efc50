/* SPDX-License-Identifier: PostgreSQL */
/* The self-test where something is wrong: poolers that break each of its checks, and failures that say nothing. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "proxy.h"
#include "proxy_broken.h"
#include "selftest.h"

static const char *url;
static tenantdb_error *error;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  tenantdb *db = selftest_open(url, NULL, NULL);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  tenantdb_close(db);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  harness_drop_database(url);
  return 0;
}

static broken_pooler *start(broken_way way, const char *other, int after) {
  broken_pooler *pooler = broken_start(way, url, other, after);
  assert_non_null(pooler);
  return pooler;
}

/* ---------------------------------------------------------------- each check can fail */

static void refuted(broken_way way, const char *other, const char *check, const char *observed) {
  broken_pooler *pooler = start(way, other, 0);
  log_book book = {0};
  tenantdb *db = selftest_open(broken_url(pooler), &book, NULL);
  tenantdb_result *checks = NULL;
  assert_int_equal(selftest_strategy(db), TENANTDB_STRATEGY_DIRECT);
  tenantdb_status status = tenantdb_selftest(db, &checks, &error);
  /* What a pooler mixes up may hit the test's own questions first: that proves nothing either way. */
  for (int again = 0; status == TENANTDB_CONNECTION && again < 5; again++) {
    print_message("%s: %s\n", check, tenantdb_error_message(error));
    tenantdb_error_free(error);
    status = tenantdb_selftest(db, &checks, &error);
  }
  harness_assert_status(status, error, TENANTDB_ISOLATION, TENANTDB_REASON_POOLER_BETWEEN);
  harness_assert_message(error, "isolation is refuted by check ");
  harness_assert_message(error, check);
  harness_assert_message(error, observed);
  tenantdb_error_free(error);
  int failed = 0;
  for (int32_t i = 0; i < tenantdb_result_rows(checks); i++) {
    failed += strcmp(tenantdb_result_value(checks, i, 1), "failed") == 0;
  }
  assert_int_equal(failed, 1);
  assert_string_equal(selftest_cell(checks, check, 1), "failed");
  assert_non_null(strstr(selftest_cell(checks, check, 2), observed));
  assert_true(selftest_cell(checks, check, 3)[0]);
  tenantdb_result_free(checks);
  connection_row row = selftest_connection_row(db);
  assert_string_equal(row.achieved, "refuted");
  assert_non_null(strstr(row.reason, observed));
  assert_memory_equal(row.remedy, "put nothing between", 19);
  assert_int_equal(selftest_strategy(db), TENANTDB_STRATEGY_TRANSACTION_POOLER);
  assert_int_equal(book.errors, 1);
  assert_string_equal(book.event, "isolation-refuted");
  tenantdb_close(db);
  broken_stop(pooler);
}

static void test_refuted(void **state) {
  (void)state;
  refuted(BROKEN_SWITCHED, NULL, "transaction", "no transaction was open after BEGIN");
  refuted(BROKEN_COMMIT, NULL, "transaction", "COMMIT of connection A was answered by SELECT");
  refuted(BROKEN_PIPELINE, NULL, "pipeline", "the connection breaks");
  refuted(BROKEN_SHARED, NULL, "scope_meanwhile", "connection B saw the search path pg_catalog, \"tenantdb ");
  refuted(BROKEN_LASTING, NULL, "scope_after", "after that transaction");
  refuted(BROKEN_ROLE, NULL, "role", "connection B had the role tenantdb_group_");
  refuted(BROKEN_LOCK, NULL, "lock", "did not keep connection B out");
  refuted(BROKEN_CANCEL, NULL, "cancel", "stopped connection B's");
}

static void test_two_servers(void **state) {
  (void)state;
  const char *twin = harness_database();
  refuted(BROKEN_SERVERS, twin, "server", "reached another server or database");
  harness_drop_database(twin);
  harness_server *server = harness_server_start();
  refuted(BROKEN_SERVERS, harness_server_url(server), "server", "reached another server or database");
  harness_server_remove(server);
  char *name = harness_database_name(url);
  char read_only[600];
  snprintf(read_only, sizeof read_only, "%s&options=-cdefault_transaction_read_only%%3Don", url);
  refuted(BROKEN_SERVERS, read_only, "server", "read only and another is not");
  free(name);
}

/* The stand-in itself is not what is found fault with. */
static void test_not_broken(void **state) {
  (void)state;
  broken_pooler *pooler = start(BROKEN_NOT, NULL, 0);
  tenantdb *db = selftest_open(broken_url(pooler), NULL, NULL);
  tenantdb_result_free(selftest_proved(db, TENANTDB_STRATEGY_DIRECT));
  tenantdb_close(db);
  broken_stop(pooler);
}

/* ---------------------------------------------------------------- a pooler that cannot be seen at once */

/* It names the server's own process, so that only the self-test finds it; the option was wrong. */
static void test_found_out(void **state) {
  (void)state;
  static const char *const says[] = {"none", "auto", "session"};
  broken_pooler *pooler = start(BROKEN_POOLED, NULL, 0);
  for (int i = 0; i < 3; i++) {
    log_book book = {0};
    tenantdb *db = selftest_open(broken_url(pooler), &book, FIXTURE_OPTIONS("database.pooler", says[i]));
    assert_int_equal(selftest_strategy(db),
                     i == 2 ? TENANTDB_STRATEGY_SESSION_POOLER : TENANTDB_STRATEGY_DIRECT);
    tenantdb_session *session = fixture_session(db, "acme");
    fixture_run(session, "SELECT 'kept'");
    fixture_run(session, "SELECT 'kept'");
    assert_int_equal(book.warnings, 0);
    tenantdb_result_free(selftest_proved(db, TENANTDB_STRATEGY_TRANSACTION_POOLER));
    assert_int_equal(book.warnings, 1);
    assert_string_equal(book.event, "pooler-found");
    assert_non_null(strstr(book.message, "found a transaction-pooler where "));
    /* The connection that is there follows: no name of before, and none from now on. */
    static const char named[] = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'tndb%'";
    int64_t names = strtoll(fixture_cell(session, named), NULL, 10);
    for (int k = 0; k < 4; k++) {
      assert_string_equal(fixture_cell(session, "SELECT 'kept'"), "kept");
    }
    assert_int_equal(strtoll(fixture_cell(session, named), NULL, 10), names);
    tenantdb_session_close(session);
    tenantdb_close(db);
  }
  broken_stop(pooler);
}

/*
 * A process that is replaced behind the client's back. What was prepared is gone
 * with it, or worse, somebody else's; either way nothing wrong is answered.
 */
static void test_moving(void **state) {
  (void)state;
  for (int after = 3; after < 16; after++) {
    broken_pooler *pooler = start(BROKEN_MOVING, NULL, after);
    log_book book = {0};
    tenantdb *db = selftest_open(broken_url(pooler), &book, NULL);
    tenantdb_session *session = fixture_session(db, "acme");
    for (int i = 0; i < 20; i++) {
      assert_string_equal(fixture_cell(session, "SELECT 'right'"), "right");
    }
    assert_int_equal(selftest_strategy(db), TENANTDB_STRATEGY_TRANSACTION_POOLER);
    assert_int_equal(book.warnings, 1);
    assert_string_equal(book.event, "pooler-found");
    assert_string_equal(selftest_connection_row(db).remedy, "call tenantdb_selftest(), which finds out");
    static const char named[] = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'tndb%'";
    int64_t names = strtoll(fixture_cell(session, named), NULL, 10);
    for (int i = 0; i < 4; i++) {
      assert_string_equal(fixture_cell(session, "SELECT 'new'"), "new");
    }
    assert_int_equal(strtoll(fixture_cell(session, named), NULL, 10), names);
    tenantdb_session_close(session);
    tenantdb_close(db);
    broken_stop(pooler);
  }
}

/* ---------------------------------------------------------------- failures that say nothing */

static void test_bad_handles(void **state) {
  (void)state;
  tenantdb_result *checks = (tenantdb_result *)(void *)&checks;
  int32_t strategy = 7;
  fixture_assert_refused(tenantdb_selftest(NULL, &checks, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  assert_null(checks);
  fixture_assert_refused(tenantdb_strategy(NULL, &strategy, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  assert_int_equal(strategy, 0);
  tenantdb *db = selftest_open(url, NULL, NULL);
  fixture_assert_refused(tenantdb_strategy(db, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "strategy is NULL");
  tenantdb_session *session = fixture_session(db, "acme");
  tenantdb_close(db);
  /* The session keeps it alive. */
  fixture_assert_refused(tenantdb_selftest(db, &checks, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_DATABASE_CLOSED, "the database is closed");
  fixture_assert_refused(tenantdb_strategy(db, &strategy, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_DATABASE_CLOSED, "the database is closed");
  tenantdb_session_close(session);
}

/* The second connection is one too many; the user may no longer log in; the database is gone. */
static void test_cannot_connect(void **state) {
  (void)state;
  const char *own = harness_database();
  const char *role = harness_role("LOGIN");
  char *as_role = harness_url_with(own, NULL, role, NULL);
  char *name = harness_database_name(own);
  tenantdb_result *checks = NULL;
  tenantdb *db = selftest_open(as_role, NULL, NULL);
  harness_sql(own, "ALTER ROLE \"%s\" CONNECTION LIMIT 2", role);
  harness_assert_fails(tenantdb_selftest(db, &checks, &error), error, TENANTDB_BUSY,
                       TENANTDB_REASON_SERVER_FULL);
  assert_null(checks);
  assert_int_equal(selftest_strategy(db), TENANTDB_STRATEGY_DIRECT);
  assert_memory_equal(selftest_connection_row(db).reason, "not proved", 10);
  harness_sql(own, "ALTER ROLE \"%s\" CONNECTION LIMIT -1 NOLOGIN", role);
  harness_assert_fails(tenantdb_selftest(db, &checks, &error), error, TENANTDB_PERMISSION,
                       TENANTDB_REASON_AUTHENTICATION);
  harness_sql(own, "ALTER ROLE \"%s\" LOGIN", role);
  harness_sql(own, "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_postmaster_start_time() FROM PUBLIC");
  harness_assert_fails(tenantdb_selftest(db, &checks, &error), error, TENANTDB_PERMISSION,
                       TENANTDB_REASON_SERVER_PERMISSION);
  harness_sql(harness_url(), "DROP DATABASE \"%s\" WITH (FORCE)", name);
  harness_assert_fails(tenantdb_selftest(db, &checks, &error), error, TENANTDB_NOT_FOUND,
                       TENANTDB_REASON_DATABASE_MISSING);
  assert_null(checks);
  tenantdb_close(db);
  free(name);
  free(as_role);
  harness_drop_database(own);
}

/* What the server says of itself, or of the test's SQL, is no verdict either. */
static void test_refused(void **state) {
  (void)state;
  tenantdb_result *checks = NULL;
  broken_pooler *pooler = start(BROKEN_OLD, NULL, 0);
  tenantdb *db = selftest_open(broken_url(pooler), NULL, NULL);
  harness_assert_fails(tenantdb_selftest(db, &checks, &error), error, TENANTDB_UNSUPPORTED,
                       TENANTDB_REASON_SERVER_TOO_OLD);
  assert_null(checks);
  tenantdb_close(db);
  broken_stop(pooler);
  pooler = start(BROKEN_SQL, NULL, 0);
  db = selftest_open(broken_url(pooler), NULL, NULL);
  harness_assert_fails(tenantdb_selftest(db, &checks, &error), error, TENANTDB_SQL,
                       TENANTDB_REASON_SERVER_ERROR);
  assert_null(checks);
  assert_memory_equal(selftest_connection_row(db).reason, "not proved", 10);
  tenantdb_close(db);
  broken_stop(pooler);
}

/* Statements that the server stops by itself are no fault of what stands between. */
static void test_statement_timeout(void **state) {
  (void)state;
  const char *role = harness_role("LOGIN");
  const char *own = harness_database();
  char *as_role = harness_url_with(own, NULL, role, NULL);
  tenantdb *db = selftest_open(as_role, NULL, NULL);
  harness_sql(url, "ALTER ROLE \"%s\" SET statement_timeout = '20ms'", role);
  tenantdb_result *checks = NULL;
  tenantdb_status status = tenantdb_selftest(db, &checks, &error);
  /* On a machine under load even a look may take that long. */
  if (status != TENANTDB_CANCELLED) {
    harness_assert_ok(status, error);
    assert_string_equal(selftest_cell(checks, "cancel", 1), "unknown");
  }
  tenantdb_result_free(checks);
  tenantdb_error_free(error);
  tenantdb_close(db);
  free(as_role);
  harness_drop_database(own);
}

typedef struct canceller {
  atomic_bool stop;
  const char *role;
} canceller;

static void *cancel_everything(void *argument) {
  canceller *c = argument;
  PGconn *connection = PQconnectdb(url);
  while (!atomic_load(&c->stop)) {
    PQclear(PQexecParams(connection,
                         "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND state = "
                         "'active'",
                         1, NULL, &c->role, NULL, NULL, 0));
  }
  PQfinish(connection);
  return NULL;
}

/* An administrator who cancels whatever he sees. */
static void test_cancelled(void **state) {
  (void)state;
  pthread_t thread;
  canceller c = {.role = harness_role("LOGIN")};
  const char *own = harness_database();
  char *as_role = harness_url_with(own, NULL, c.role, NULL);
  tenantdb *db = selftest_open(as_role, NULL, NULL);
  atomic_init(&c.stop, false);
  assert_int_equal(pthread_create(&thread, NULL, cancel_everything, &c), 0);
  tenantdb_status status = TENANTDB_OK;
  bool lied = false;
  for (int i = 0; i < 200 && status != TENANTDB_CANCELLED; i++) {
    tenantdb_result *checks = NULL;
    status = tenantdb_selftest(db, &checks, &error);
    lied = lied || (status != TENANTDB_OK && status != TENANTDB_CANCELLED);
    lied = lied || (checks != NULL) != (status == TENANTDB_OK);
    tenantdb_result_free(checks);
    tenantdb_error_free(error);
  }
  atomic_store(&c.stop, true);
  pthread_join(thread, NULL);
  assert_false(lied);
  assert_int_equal(status, TENANTDB_CANCELLED);
  tenantdb_close(db);
  free(as_role);
  harness_drop_database(own);
}

static bool is_failure_of_connection(tenantdb_status status) {
  return status == TENANTDB_CONNECTION;
}

/* The connection is closed at each message in turn: never a wrong verdict. */
static void test_cut(void **state) {
  (void)state;
  char reason[256];
  char by_proxy[1024];
  tndb_proxy *proxy = proxy_start(url, reason, sizeof reason);
  assert_non_null(proxy);
  assert_true(proxy_url(proxy, url, by_proxy, sizeof by_proxy));
  tenantdb *db = selftest_open(by_proxy, NULL, NULL);
  int64_t until = fixture_now_ms() + fixture_budget_ms();
  int64_t number = 0, cut = 0;
  for (bool fired = true; fired && fixture_now_ms() < until;) {
    tenantdb_result *checks = NULL;
    number += number < 60 ? 1 : 7;
    proxy_arm(proxy, &(proxy_trigger){.action = PROXY_CLOSE, .number = number});
    tenantdb_status status = tenantdb_selftest(db, &checks, &error);
    proxy_disarm(proxy);
    fired = proxy_count(proxy).fired > 0;
    proxy_reset(proxy);
    cut += fired;
    if (status != TENANTDB_OK && !is_failure_of_connection(status)) {
      fail_msg("cut at message %d: %s: %s", (int)number, tenantdb_status_name(status),
               tenantdb_error_message(error));
    }
    assert_int_equal(checks != NULL, status == TENANTDB_OK);
    tenantdb_result_free(checks);
    tenantdb_error_free(error);
  }
  assert_true(cut > 30);
  tenantdb_close(db);
  proxy_stop(proxy);
}

/* The connection falls silent: within the deadline, and no verdict. */
static void test_stalled(void **state) {
  (void)state;
  char reason[256];
  char by_proxy[1024];
  tndb_proxy *proxy = proxy_start(url, reason, sizeof reason);
  assert_non_null(proxy);
  assert_true(proxy_url(proxy, url, by_proxy, sizeof by_proxy));
  for (int64_t number = 20; number < 400; number += 90) {
    tenantdb *db = selftest_open(
        by_proxy, NULL, FIXTURE_OPTIONS("operation.timeout", "600ms", "database.connect_timeout", "300ms"));
    tenantdb_result *checks = NULL;
    proxy_arm(proxy, &(proxy_trigger){.action = PROXY_STALL, .number = number});
    int64_t began = fixture_now_ms();
    tenantdb_status status = tenantdb_selftest(db, &checks, &error);
    int64_t took = fixture_now_ms() - began;
    proxy_disarm(proxy);
    assert_int_equal(status, TENANTDB_TIMEOUT);
    assert_null(checks);
    assert_true(took < 2000);
    tenantdb_error_free(error);
    tenantdb_close(db);
  }
  proxy_stop(proxy);
}

static void *kill_soon(void *argument) {
  fixture_pause_us(30000);
  harness_server_kill(argument);
  return NULL;
}

static void test_server_gone(void **state) {
  (void)state;
  harness_server *server = harness_server_start();
  tenantdb *db = selftest_open(harness_server_url(server), NULL, NULL);
  tenantdb_result *checks = NULL;
  pthread_t thread;
  tenantdb_result_free(selftest_proved(db, TENANTDB_STRATEGY_DIRECT));
  assert_int_equal(pthread_create(&thread, NULL, kill_soon, server), 0);
  tenantdb_status status = TENANTDB_OK;
  while (!status) {
    status = tenantdb_selftest(db, &checks, &error);
    assert_int_equal(checks != NULL, status == TENANTDB_OK);
    tenantdb_result_free(checks);
    checks = NULL;
  }
  pthread_join(thread, NULL);
  assert_true(is_failure_of_connection(status) || status == TENANTDB_BUSY);
  tenantdb_error_free(error);
  harness_assert_fails(tenantdb_selftest(db, &checks, &error), error, TENANTDB_CONNECTION,
                       TENANTDB_REASON_CONNECT_FAILED);
  /* What was proved before stands. */
  assert_memory_equal(selftest_connection_row(db).reason, "proved", 6);
  harness_server_restart(server);
  tenantdb_result_free(selftest_proved(db, TENANTDB_STRATEGY_DIRECT));
  tenantdb_close(db);
  harness_server_remove(server);
}

/* ---------------------------------------------------------------- memory */

/* Each allocation fails in turn, alone and with all that follow. */
static void test_memory(void **state) {
  (void)state;
  broken_pooler *pooled = start(BROKEN_SHARED, NULL, 0);
  const char *const urls[] = {url, broken_url(pooled)};
  for (int i = 0; i < 4; i++) {
    tenantdb *db = selftest_open(urls[i % 2], NULL, NULL);
    tenantdb_status whole = i % 2 ? TENANTDB_ISOLATION : TENANTDB_OK;
    int64_t at = 0, failures = 0;
    tenantdb_status status = TENANTDB_MEMORY;
    for (bool more = true; more;) {
      tenantdb_result *checks = NULL;
      int64_t before = tndb_memory_live();
      tndb_memory_fail((uint64_t)++at, i / 2 == 1);
      status = tenantdb_selftest(db, &checks, &error);
      more = (int64_t)tndb_memory_fail(0, false) >= at;
      failures += status == TENANTDB_MEMORY;
      if (status != TENANTDB_MEMORY) {
        assert_int_equal(status, whole);
      }
      assert_int_equal(checks != NULL, status != TENANTDB_MEMORY);
      tenantdb_result_free(checks);
      tenantdb_error_free(error);
      assert_int_equal(tndb_memory_live(), before);
      at += at > 60 ? 10 : 0;
    }
    assert_int_equal(status, whole);
    assert_true(failures > 10);
    tenantdb_close(db);
  }
  broken_stop(pooled);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_refuted),
      cmocka_unit_test(test_two_servers),
      cmocka_unit_test(test_not_broken),
      cmocka_unit_test(test_found_out),
      cmocka_unit_test(test_moving),
      cmocka_unit_test(test_bad_handles),
      cmocka_unit_test(test_cannot_connect),
      cmocka_unit_test(test_refused),
      cmocka_unit_test(test_statement_timeout),
      cmocka_unit_test(test_cancelled),
      cmocka_unit_test(test_cut),
      cmocka_unit_test(test_stalled),
      cmocka_unit_test(test_server_gone),
      cmocka_unit_test(test_memory),
  };
  return cmocka_run_group_tests_name("selftest refuted", tests, setup, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/* The self-test where nothing is wrong: directly and through PgBouncer, and the strategy that follows. */
#include <pthread.h>

#include "catalog/database.h"
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

static void assert_outcomes(const tenantdb_result *checks, const char *outcome, const char *except) {
  for (int32_t i = 0; i < tenantdb_result_rows(checks); i++) {
    if (strcmp(tenantdb_result_value(checks, i, 0), except) != 0) {
      assert_string_equal(tenantdb_result_value(checks, i, 1), outcome);
      assert_true(tenantdb_result_value(checks, i, 2)[0]);
      assert_true(tenantdb_result_value(checks, i, 3)[0]);
    }
  }
}

/* ---------------------------------------------------------------- nothing between */

static void test_direct(void **state) {
  (void)state;
  static const char *const names[] = {
      "between", "transaction", "pipeline",      "scope_meanwhile",     "scope_after", "role",
      "server",  "lock",        "session_state", "prepared_statements", "cancel"};
  log_book book = {0};
  tenantdb *db = selftest_open(url, &book, NULL);
  connection_row before = selftest_connection_row(db);
  assert_int_equal(selftest_strategy(db), TENANTDB_STRATEGY_DIRECT);
  assert_string_equal(before.achieved, "direct");
  assert_memory_equal(before.reason, "not proved, but the server", 26);
  assert_string_equal(before.remedy, "call tenantdb_selftest(), which finds out");
  tenantdb_result *checks = selftest_proved(db, TENANTDB_STRATEGY_DIRECT);
  for (int32_t i = 0; i < 11; i++) {
    assert_string_equal(tenantdb_result_value(checks, i, 0), names[i]);
  }
  assert_int_equal(tenantdb_result_columns(checks), 4);
  assert_outcomes(checks, "ok", "");
  assert_string_equal(selftest_cell(checks, "between", 3), "nothing stands between");
  assert_non_null(strstr(selftest_cell(checks, "role", 2), "the tenants' group role tenantdb_group_"));
  assert_string_equal(selftest_connection_row(db).remedy, "");
  tenantdb_result_free(checks);
  harness_assert_ok(tenantdb_selftest(db, NULL, &error), error);
  assert_int_equal(tenantdb_selftest(db, NULL, NULL), TENANTDB_OK);
  assert_int_equal(book.warnings + book.errors, 0);
  tenantdb_close(db);
}

/* Well under a second; the best of three, as others use the machine too. */
static void test_quick(void **state) {
  (void)state;
  tenantdb *db = selftest_open(url, NULL, NULL);
  int64_t best = INT64_MAX;
  for (int i = 0; i < 3; i++) {
    int64_t began = fixture_now_ms();
    harness_assert_ok(tenantdb_selftest(db, NULL, &error), error);
    int64_t took = fixture_now_ms() - began;
    best = took < best ? took : best;
  }
  print_message("self-test: %d ms\n", (int)best);
  assert_true(best < 1000);
  tenantdb_close(db);
}

/* It stands beside the pool, creates nothing, and is gone afterwards. */
static void test_leaves_nothing(void **state) {
  (void)state;
  static const char objects[] =
      "SELECT (SELECT count(*) FROM pg_class) + (SELECT count(*) FROM pg_namespace) +"
      " (SELECT count(*) FROM pg_roles) + (SELECT count(*) FROM pg_proc)";
  tenantdb *db = selftest_open(url, NULL, FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0"));
  tenantdb_session *session = fixture_session(db, "acme");
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  /* Roles are the server's, so a test beside this one may make some; what is left is left every time. */
  int64_t left = 1;
  for (int i = 0; i < 5 && left != 0; i++) {
    int64_t before = harness_count(url, objects);
    tenantdb_result_free(selftest_proved(db, TENANTDB_STRATEGY_DIRECT));
    left = harness_count(url, objects) - before;
  }
  assert_int_equal(left, 0);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('y')");
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  for (int i = 0; i < 1500 && harness_count(url,
                                            "SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                            "current_database() AND backend_type = 'client backend'") > 2;
       i++) {
    fixture_pause_us(20000);
  }
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                 "current_database() AND backend_type = 'client backend'"),
                   2);
  tenantdb_session_close(session);
  tenantdb_close(db);
}

static void test_no_catalog(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb *db = selftest_open(own, NULL, NULL);
  tenantdb_result *checks = selftest_proved(db, TENANTDB_STRATEGY_DIRECT);
  assert_outcomes(checks, "ok", "");
  assert_non_null(strstr(selftest_cell(checks, "role", 2), "the connected user's own role"));
  tenantdb_result_free(checks);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM pg_namespace WHERE nspname = 'tenantdb'"), 0);
  tenantdb_close(db);
  harness_drop_database(own);
}

static void test_read_only(void **state) {
  (void)state;
  const char *own = harness_database();
  char *name = harness_database_name(own);
  harness_sql(own, "ALTER DATABASE \"%s\" SET default_transaction_read_only = on", name);
  tenantdb *db = selftest_open(own, NULL, NULL);
  tenantdb_result *checks = selftest_proved(db, TENANTDB_STRATEGY_DIRECT);
  assert_non_null(strstr(selftest_cell(checks, "server", 2), "it is read only"));
  tenantdb_result_free(checks);
  tenantdb_close(db);
  free(name);
  harness_drop_database(own);
}

/* ---------------------------------------------------------------- levels */

/* At level hardened the role that is taken on may not set anything; the user himself may. */
static void test_hardened(void **state) {
  (void)state;
  const char *own = harness_database();
  const char *owner = harness_role("LOGIN CREATEROLE");
  char *as_owner = harness_url_with(own, NULL, owner, NULL);
  char *name = harness_database_name(own);
  harness_sql(own, "GRANT CREATE ON DATABASE \"%s\" TO \"%s\"; GRANT CREATE ON SCHEMA public TO \"%s\"", name,
              owner, owner);
  tenantdb *db = selftest_open(as_owner, NULL, NULL);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_close(db);
  for (int hardened = 0; hardened < 2; hardened++) {
    if (hardened) {
      tenantdb *super =
          selftest_open(own, NULL, FIXTURE_OPTIONS("isolation.level", "role", "isolation.users", owner));
      harness_assert_ok(tenantdb_harden(super, 1, NULL, &error), error);
      tenantdb_close(super);
    }
    int32_t level;
    db = selftest_open(as_owner, NULL, NULL);
    harness_assert_ok(tenantdb_isolation(db, &level, NULL, &error), error);
    assert_int_equal(level, hardened ? TENANTDB_ISOLATION_HARDENED : TENANTDB_ISOLATION_ROLE);
    tenantdb_result *checks = selftest_proved(db, TENANTDB_STRATEGY_DIRECT);
    assert_outcomes(checks, "ok", "");
    assert_non_null(strstr(selftest_cell(checks, "role", 2), "tenantdb_group_"));
    tenantdb_result_free(checks);
    tenantdb_close(db);
  }
  free(name);
  free(as_owner);
  harness_drop_database(own);
}

/* Where the user always works as another, his taking that role on cannot be told from nothing. */
static void test_role_of_old(void **state) {
  (void)state;
  const char *own = harness_database();
  const char *owner = harness_role("NOLOGIN");
  const char *member = harness_role("LOGIN");
  char *as_member = harness_url_with(own, NULL, member, NULL);
  harness_sql(own, "GRANT \"%s\" TO \"%s\"; ALTER ROLE \"%s\" SET role = '%s'", owner, member, member, owner);
  tenantdb *db = selftest_open(as_member, NULL, FIXTURE_OPTIONS("isolation.level", "routing"));
  tenantdb_result *checks = NULL;
  harness_assert_ok(tenantdb_selftest(db, &checks, &error), error);
  assert_string_equal(selftest_cell(checks, "role", 1), "unknown");
  tenantdb_result_free(checks);
  tenantdb_close(db);
  free(as_member);
  harness_drop_database(own);
}

/* ---------------------------------------------------------------- what the option says */

static void test_option(void **state) {
  (void)state;
  tenantdb *db = selftest_open(url, NULL, FIXTURE_OPTIONS("database.pooler", "transaction"));
  assert_int_equal(selftest_strategy(db), TENANTDB_STRATEGY_TRANSACTION_POOLER);
  assert_true(tndb_database_is_pooled(db));
  assert_string_equal(selftest_connection_row(db).reason, "option database.pooler says transaction");
  tenantdb_result_free(selftest_proved(db, TENANTDB_STRATEGY_TRANSACTION_POOLER));
  connection_row row = selftest_connection_row(db);
  assert_non_null(strstr(row.reason, "which found direct; option database.pooler says transaction"));
  assert_string_equal(row.remedy, "set database.pooler to auto");
  /* Whatever the server is: nothing is prepared. */
  tenantdb_session *session = fixture_session(db, "acme");
  for (int i = 0; i < 4; i++) {
    assert_string_equal(fixture_cell(session, "SELECT count(*) FROM pg_prepared_statements"), "0");
  }
  tenantdb_session_close(session);
  tenantdb_close(db);
  db = selftest_open(url, NULL, FIXTURE_OPTIONS("database.pooler", "session"));
  assert_int_equal(selftest_strategy(db), TENANTDB_STRATEGY_SESSION_POOLER);
  tenantdb_result_free(selftest_proved(db, TENANTDB_STRATEGY_SESSION_POOLER));
  session = fixture_session(db, "acme");
  for (int i = 0; i < 3; i++) {
    fixture_run(session, "SELECT 1");
  }
  assert_string_not_equal(fixture_cell(session, "SELECT count(*) FROM pg_prepared_statements"), "0");
  tenantdb_session_close(session);
  tenantdb_close(db);
  db = selftest_open(url, NULL, FIXTURE_OPTIONS("database.pooler", "none"));
  assert_string_equal(selftest_connection_row(db).reason, "option database.pooler says none");
  tenantdb_result_free(selftest_proved(db, TENANTDB_STRATEGY_DIRECT));
  tenantdb_close(db);
}

static void test_names(void **state) {
  (void)state;
  assert_string_equal(tenantdb_strategy_name(0), "?");
  assert_string_equal(tenantdb_strategy_name(TENANTDB_STRATEGY_DIRECT), "direct");
  assert_string_equal(tenantdb_strategy_name(TENANTDB_STRATEGY_SESSION_POOLER), "session-pooler");
  assert_string_equal(tenantdb_strategy_name(TENANTDB_STRATEGY_TRANSACTION_POOLER), "transaction-pooler");
  assert_string_equal(tenantdb_strategy_name(4), "?");
}

/* ---------------------------------------------------------------- through PgBouncer */

/*
 * Every process that the pooler has, looked at from inside: `size` transactions
 * at once reach them all.
 */
static void assert_processes_clean(const char *pooled, int size) {
  PGconn *clients[8];
  int pids[8];
  for (int i = 0; i < size; i++) {
    clients[i] = PQconnectdb(pooled);
    assert_int_equal(PQstatus(clients[i]), CONNECTION_OK);
    PQclear(PQexec(clients[i], "BEGIN"));
    PGresult *row =
        PQexec(clients[i],
               "SELECT pg_backend_pid(), coalesce(current_setting('tenantdb.selftest', true), '')"
               " || coalesce(current_setting('tenantdb.selftest_scope', true), ''),"
               " current_setting('search_path') LIKE '%tenantdb %' OR current_setting('role') <> 'none',"
               " (SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'tenantdb_selftest%'),"
               " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM"
               " pg_database WHERE datname = current_database()))");
    assert_int_equal(PQresultStatus(row), PGRES_TUPLES_OK);
    pids[i] = atoi(PQgetvalue(row, 0, 0));
    assert_string_equal(PQgetvalue(row, 0, 1), "");
    assert_string_equal(PQgetvalue(row, 0, 2), "f");
    assert_string_equal(PQgetvalue(row, 0, 3), "0");
    assert_string_equal(PQgetvalue(row, 0, 4), "0");
    PQclear(row);
    for (int k = 0; k < i; k++) {
      assert_int_not_equal(pids[k], pids[i]);
    }
  }
  for (int i = 0; i < size; i++) {
    PQfinish(clients[i]);
  }
}

static void test_transaction_mode(void **state) {
  (void)state;
  for (int size = 1; size <= 4; size++) {
    harness_pooler *pooler = harness_pooler_start("transaction", size);
    char *pooled = harness_pooler_url(pooler, url);
    log_book book = {0};
    tenantdb *db = selftest_open(pooled, &book, NULL);
    connection_row row = selftest_connection_row(db);
    assert_string_equal(row.achieved, "transaction-pooler");
    assert_memory_equal(row.reason, "not proved, but something stands between", 40);
    for (int i = 0; i < 3; i++) {
      tenantdb_result *checks = selftest_proved(db, TENANTDB_STRATEGY_TRANSACTION_POOLER);
      /* One process for both: neither can hold a lock while the other asks for it. */
      assert_outcomes(checks, "ok", size == 1 ? "lock" : "");
      assert_string_equal(selftest_cell(checks, "lock", 1), size == 1 ? "unknown" : "ok");
      assert_non_null(strstr(selftest_cell(checks, "between", 3), "pooler"));
      /* The positive control: what does leak is seen to leak. */
      assert_non_null(strstr(selftest_cell(checks, "session_state", 3), "nothing may be kept for a session"));
      assert_non_null(strstr(selftest_cell(checks, "prepared_statements", 3), "not prepared under names"));
      tenantdb_result_free(checks);
    }
    assert_int_equal(book.warnings + book.errors, 0); /* what was assumed was right */
    assert_processes_clean(pooled, size);
    tenantdb_close(db);
    free(pooled);
    harness_pooler_stop(pooler);
  }
}

/* What a session pooler allows is used at once, on the connections that are there too. */
static void test_session_mode(void **state) {
  (void)state;
  harness_pooler *pooler = harness_pooler_start("session", 6);
  char *pooled = harness_pooler_url(pooler, url);
  tenantdb *db = selftest_open(pooled, NULL, NULL);
  tenantdb_session *session = fixture_session(db, "acme");
  for (int i = 0; i < 4; i++) {
    assert_string_equal(fixture_cell(session, "SELECT count(*) FROM pg_prepared_statements"), "0");
  }
  tenantdb_result *checks = selftest_proved(db, TENANTDB_STRATEGY_SESSION_POOLER);
  assert_outcomes(checks, "ok", "");
  assert_string_equal(selftest_cell(checks, "prepared_statements", 3), "statements can be prepared");
  assert_false(tndb_database_is_pooled(db));
  tenantdb_result_free(checks);
  for (int i = 0; i < 4; i++) {
    fixture_run(session, "SELECT 'again'");
  }
  assert_string_equal(
      fixture_cell(session,
                   "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%again%' AND "
                   "name LIKE 'tndb\\_%'"),
      "1");
  tenantdb_session_close(session);
  tenantdb_close(db);
  free(pooled);
  harness_pooler_stop(pooler);
}

/* A session pooler with no room for the two connections. */
static void test_no_room(void **state) {
  (void)state;
  harness_pooler *pooler = harness_pooler_start("session", 2);
  char *pooled = harness_pooler_url(pooler, url);
  tenantdb *db = selftest_open(
      pooled, NULL, FIXTURE_OPTIONS("database.connect_timeout", "300ms", "operation.timeout", "300ms"));
  tenantdb_result *checks = NULL;
  /* Whether it is the login or the first statement that waits is the pooler's affair. */
  assert_int_equal(tenantdb_selftest(db, &checks, &error), TENANTDB_TIMEOUT);
  tenantdb_error_free(error);
  assert_null(checks);
  assert_int_equal(selftest_strategy(db), TENANTDB_STRATEGY_TRANSACTION_POOLER);
  tenantdb_close(db);
  free(pooled);
  harness_pooler_stop(pooler);
}

static void test_statement_mode(void **state) {
  (void)state;
  harness_pooler *pooler = harness_pooler_start("statement", 3);
  char *pooled = harness_pooler_url(pooler, url);
  log_book book = {0};
  tenantdb *db = selftest_open(pooled, &book, NULL);
  tenantdb_result *checks = NULL;
  harness_assert_status(tenantdb_selftest(db, &checks, &error), error, TENANTDB_ISOLATION,
                        TENANTDB_REASON_POOLER_BETWEEN);
  harness_assert_message(error, "isolation is refuted by check transaction: BEGIN is refused: transaction");
  tenantdb_error_free(error);
  assert_string_equal(selftest_cell(checks, "transaction", 1), "failed");
  assert_string_equal(selftest_cell(checks, "pipeline", 1), "unknown");
  assert_string_equal(selftest_cell(checks, "cancel", 2), "not tried");
  tenantdb_result_free(checks);
  assert_string_equal(selftest_connection_row(db).achieved, "refuted");
  assert_int_equal(book.errors, 1);
  assert_string_equal(book.event, "isolation-refuted");
  harness_assert_fails(tenantdb_selftest(db, NULL, &error), error, TENANTDB_ISOLATION,
                       TENANTDB_REASON_POOLER_BETWEEN);
  assert_int_equal(tenantdb_selftest(db, NULL, NULL), TENANTDB_ISOLATION);
  tenantdb_close(db);
  free(pooled);
  harness_pooler_stop(pooler);
}

/* The configuration is wrong, and the first connection shows it. */
static void test_none_is_wrong(void **state) {
  (void)state;
  harness_pooler *pooler = harness_pooler_start("transaction", 2);
  char *pooled = harness_pooler_url(pooler, url);
  log_book book = {0};
  tenantdb *db = selftest_open(pooled, &book, FIXTURE_OPTIONS("database.pooler", "none"));
  assert_int_equal(selftest_strategy(db), TENANTDB_STRATEGY_TRANSACTION_POOLER);
  assert_int_equal(book.warnings, 1);
  assert_string_equal(book.event, "pooler-found");
  assert_non_null(strstr(book.message, "option database.pooler says none, but something stands between"));
  assert_non_null(strstr(selftest_connection_row(db).reason, "says none, but something stands between"));
  tenantdb_result_free(selftest_proved(db, TENANTDB_STRATEGY_TRANSACTION_POOLER));
  assert_int_equal(book.warnings, 2);
  tenantdb_close(db);
  free(pooled);
  harness_pooler_stop(pooler);
}

/* It says session, and it is transaction: the next bind that is answered by another process tells, too. */
static void test_session_is_wrong(void **state) {
  (void)state;
  harness_pooler *pooler = harness_pooler_start("transaction", 3);
  char *pooled = harness_pooler_url(pooler, url);
  for (int by_test = 0; by_test < 2; by_test++) {
    log_book book = {0};
    tenantdb *db = selftest_open(pooled, &book, FIXTURE_OPTIONS("database.pooler", "session"));
    assert_int_equal(selftest_strategy(db), TENANTDB_STRATEGY_SESSION_POOLER);
    tenantdb_session *session = fixture_session(db, "acme");
    if (by_test) {
      tenantdb_result_free(selftest_proved(db, TENANTDB_STRATEGY_TRANSACTION_POOLER));
    }
    PGconn *others[2] = {PQconnectdb(pooled), PQconnectdb(pooled)};
    for (int i = 0; i < 40; i++) {
      /* Somebody else keeps a process, so that the session gets now one and now another. */
      PQclear(PQexec(others[i % 2], i / 2 % 2 ? "COMMIT" : "BEGIN"));
      assert_string_equal(fixture_cell(session, "SELECT 'right'"), "right");
    }
    assert_int_equal(selftest_strategy(db), TENANTDB_STRATEGY_TRANSACTION_POOLER);
    assert_int_equal(book.warnings, 1);
    assert_string_equal(book.event, "pooler-found");
    if (!by_test) {
      assert_string_equal(selftest_connection_row(db).reason,
                          "a connection was answered by another process of the server than before");
    }
    PQfinish(others[0]);
    PQfinish(others[1]);
    tenantdb_session_close(session);
    tenantdb_close(db);
  }
  free(pooled);
  harness_pooler_stop(pooler);
}

/* ---------------------------------------------------------------- while others work */

typedef struct worker {
  tenantdb *db;
  atomic_bool *stop;
  int done;
  char failure[300];
} worker;

static void *work(void *argument) {
  worker *w = argument;
  tenantdb_error *own = NULL;
  while (!atomic_load(w->stop) && !w->failure[0]) {
    tenantdb_session *session = NULL;
    tenantdb_status status = tenantdb_session_open(w->db, "acme", NULL, &session, &own);
    for (int i = 0; i < 3 && !status; i++) {
      status = tenantdb_session_query(session, "SELECT count(*) FROM notes", NULL, NULL, &own);
      w->done += !status;
    }
    if (status) {
      snprintf(w->failure, sizeof w->failure, "%s", tenantdb_error_message(own));
      tenantdb_error_free(own);
    }
    tenantdb_session_close(session);
  }
  return NULL;
}

static void beside_others(tenantdb *db, int32_t strategy) {
  enum { WORKERS = 4, TESTS = 8 };
  atomic_bool stop;
  worker workers[WORKERS];
  pthread_t threads[WORKERS];
  atomic_init(&stop, false);
  for (int i = 0; i < WORKERS; i++) {
    workers[i] = (worker){db, &stop, 0, ""};
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  tenantdb_status status = TENANTDB_OK;
  for (int i = 0; i < TESTS && !status; i++) {
    status = tenantdb_selftest(db, NULL, &error);
  }
  atomic_store(&stop, true);
  for (int i = 0; i < WORKERS; i++) {
    pthread_join(threads[i], NULL);
  }
  harness_assert_ok(status, error);
  for (int i = 0; i < WORKERS; i++) {
    assert_string_equal(workers[i].failure, "");
    assert_true(workers[i].done > 0);
  }
  assert_int_equal(selftest_strategy(db), strategy);
}

static void test_beside_others(void **state) {
  (void)state;
  tenantdb *db = selftest_open(url, NULL, NULL);
  beside_others(db, TENANTDB_STRATEGY_DIRECT);
  tenantdb_close(db);
  for (int size = 1; size <= 3; size++) {
    harness_pooler *pooler = harness_pooler_start("transaction", size);
    char *pooled = harness_pooler_url(pooler, url);
    db = selftest_open(pooled, NULL, NULL);
    beside_others(db, TENANTDB_STRATEGY_TRANSACTION_POOLER);
    tenantdb_close(db);
    free(pooled);
    harness_pooler_stop(pooler);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_direct),
      cmocka_unit_test(test_quick),
      cmocka_unit_test(test_leaves_nothing),
      cmocka_unit_test(test_no_catalog),
      cmocka_unit_test(test_read_only),
      cmocka_unit_test(test_hardened),
      cmocka_unit_test(test_role_of_old),
      cmocka_unit_test(test_option),
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_transaction_mode),
      cmocka_unit_test(test_no_room),
      cmocka_unit_test(test_session_mode),
      cmocka_unit_test(test_statement_mode),
      cmocka_unit_test(test_none_is_wrong),
      cmocka_unit_test(test_session_is_wrong),
      cmocka_unit_test(test_beside_others),
  };
  return cmocka_run_group_tests_name("selftest", tests, setup, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Sessions behind PgBouncer in transaction mode: what is refused, how, and what is not. */
#include <poll.h>
#include <tenantdb/libpq.h>

#include "fixture.h"

static const char *url;
static harness_pooler *pooler;
static char *pooled;
static tenantdb *db; /* behind it */
static tenantdb_error *error;
static tenantdb_session *session;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  pooler = harness_pooler_start("transaction", 3);
  pooled = harness_pooler_url(pooler, url);
  db = fixture_ready(pooled, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_pooler_stop(pooler);
  free(pooled);
  harness_drop_database(url);
  return 0;
}

static int open_session(void **state) {
  (void)state;
  session = fixture_session(db, "a");
  return 0;
}

static int close_session(void **state) {
  (void)state;
  tenantdb_session_close(session);
  session = NULL;
  return 0;
}

/* Statements whose effect outlasts their transaction, and what the message names. */
static const char *const lasting[][2] = {
    {"LISTEN jobs", "LISTEN"},
    {"UNLISTEN jobs", "UNLISTEN"},
    {"PREPARE p AS SELECT 1", "PREPARE"},
    {"EXECUTE p", "EXECUTE"},
    {"DEALLOCATE ALL", "DEALLOCATE"},
    {"DECLARE c CURSOR WITH HOLD FOR SELECT 1", "WITH HOLD"},
    {"SET work_mem = '5MB'", "use SET LOCAL"},
    {"SET SESSION work_mem = '5MB'", "use SET LOCAL"},
    {"RESET work_mem", "RESET"},
    {"DISCARD ALL", "DISCARD"},
    {"CREATE TEMP TABLE t (i int)", "add ON COMMIT DROP"},
    {"CREATE TEMP TABLE u ON COMMIT DELETE ROWS AS SELECT 1 AS i", "add ON COMMIT DROP"},
    {"SELECT 1 AS i INTO TEMP v", "add ON COMMIT DROP"},
    {"CREATE TEMP SEQUENCE s", "sequence"},
    {"SELECT pg_advisory_lock(1)", "pg_advisory_xact_lock()"},
    {"SELECT pg_try_advisory_lock(1)", "pg_advisory_xact_lock()"},
    {"SELECT pg_advisory_unlock_all()", "pg_advisory_xact_lock()"},
    {"SELECT set_config('work_mem', '5MB', false)", "third argument"},
    {"UPDATE pg_settings SET setting = 5000 WHERE name = 'work_mem'", "pg_settings"},
    {"LOAD 'plpgsql'", "session_preload_libraries"},
};
enum { N_LASTING = sizeof lasting / sizeof lasting[0] };

#define assert_pooler_refuses(call, text) \
  fixture_assert_refused(call, error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_POOLER_BETWEEN, text)

/* ---------------------------------------------------------------- refused */

static void test_refused(void **state) {
  (void)state;
  for (int i = 0; i < N_LASTING; i++) {
    tenantdb_status status = tenantdb_session_query(session, lasting[i][0], NULL, NULL, &error);
    assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_NEVER);
    assert_string_equal(tenantdb_error_sqlstate(error), ""); /* the server was not asked */
    assert_non_null(strstr(tenantdb_error_message(error), "pooler"));
    assert_non_null(strstr(tenantdb_error_hint(error), "database.pooler"));
    assert_pooler_refuses(status, lasting[i][1]);
  }
  assert_string_equal(fixture_cell(session, "SHOW work_mem"), "4MB");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM pg_prepared_statements"), "0");
}

/* The transaction goes on as if nothing had been asked for. */
static void test_refused_in_transaction(void **state) {
  (void)state;
  for (int late = 0; late < 2; late++) {
    fixture_run(session, "DELETE FROM notes");
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    if (late) {
      fixture_run(session, "INSERT INTO notes (body) VALUES ('kept')");
    }
    for (int i = 0; i < N_LASTING; i++) {
      assert_pooler_refuses(tenantdb_session_query(session, lasting[i][0], NULL, NULL, &error),
                            lasting[i][1]);
    }
    fixture_run(session, "INSERT INTO notes (body) VALUES ('kept')");
    harness_assert_ok(tenantdb_session_commit(session, &error), error);
    assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), late ? "2" : "1");
  }
}

/* By whatever way a statement comes. */
static void test_every_way(void **state) {
  (void)state;
  static const char lock[] = "SELECT pg_advisory_lock(1)";
  tenantdb_result *result = (tenantdb_result *)(void *)&result;
  int64_t affected = 7;
  assert_pooler_refuses(tenantdb_session_query(session, lock, NULL, &result, &error), "lock");
  assert_null(result);
  assert_pooler_refuses(tenantdb_session_query_text(session, lock, 0, NULL, NULL, &error), "lock");
  assert_pooler_refuses(tenantdb_session_exec(session, lock, NULL, &affected, &error), "lock");
  assert_int_equal(affected, 0);
  assert_pooler_refuses(tenantdb_session_stream(session, lock, NULL, &result, &error), "lock");
  assert_pooler_refuses(tenantdb_session_send(session, lock, NULL, &error), "lock");
  assert_pooler_refuses(
      tenantdb_session_copy_out(session, "COPY (SELECT pg_advisory_lock(1)) TO STDOUT", &error), "lock");
  tenantdb_statement *statement = NULL;
  tenantdb_registry *registry = fixture_registry();
  harness_assert_ok(tenantdb_statement_new(registry, "SELECT pg_advisory_lock(count(*)) FROM {Service.notes}",
                                           &statement, &error),
                    error);
  assert_pooler_refuses(tenantdb_session_run(session, statement, NULL, NULL, &error), "lock");
  tenantdb_statement_free(statement);
  tenantdb_registry_free(registry);
  tenantdb_batch *batch = tenantdb_batch_new();
  tenantdb_batch_add(batch, "INSERT INTO notes (body) VALUES ('batch')", NULL);
  tenantdb_batch_add(batch, lock, NULL);
  assert_pooler_refuses(tenantdb_session_batch(session, batch, &error),
                        "statement 1 of the batch: an advisory");
  fixture_assert_refused(tenantdb_batch_result(batch, 0, &result, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "statement 0 of the batch was not run");
  tenantdb_batch_free(batch);
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes WHERE body = 'batch'"), "0");
  tenantdb_session *shared = NULL;
  harness_assert_ok(tenantdb_session_open_shared(db, NULL, &shared, &error), error);
  assert_pooler_refuses(tenantdb_session_query(shared, lock, NULL, NULL, &error), "lock");
  tenantdb_session_close(shared);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
                                 "(SELECT oid FROM pg_database WHERE datname = current_database())"),
                   0);
}

/* What is wrong anyway is told first. */
static void test_other_refusals_first(void **state) {
  (void)state;
  harness_assert_fails(tenantdb_session_query(session, "SET ROLE postgres", NULL, NULL, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_SCOPE_CONTROL);
  harness_assert_fails(tenantdb_session_query(session, "PREPARE TRANSACTION 'x'", NULL, NULL, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_TRANSACTION_CONTROL);
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  harness_assert_fails(tenantdb_session_query(session, "SELECT 1/0", NULL, NULL, &error), error, TENANTDB_SQL,
                       TENANTDB_REASON_SERVER_ERROR);
  harness_assert_fails(tenantdb_session_query(session, "LISTEN x", NULL, NULL, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_TRANSACTION_FAILED);
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
}

/* ---------------------------------------------------------------- allowed */

static void test_allowed(void **state) {
  (void)state;
  static const char *const allowed[] = {
      "SET LOCAL work_mem = '6MB'",
      "SET CONSTRAINTS ALL DEFERRED",
      "SELECT set_config('work_mem', '6MB', true)",
      "SELECT pg_advisory_xact_lock(1), pg_try_advisory_xact_lock(2), 'pg_advisory_lock(1)'",
      "CREATE TEMP TABLE t (i int) ON COMMIT DROP",
      "INSERT INTO pg_temp.t VALUES (1)",
      "CREATE INDEX ON pg_temp.t (i)",
      "NOTIFY jobs, 'x'",
      "SELECT pg_notify('jobs', 'LISTEN jobs')",
      "DECLARE c CURSOR FOR SELECT generate_series(1, 3)",
      "FETCH ALL FROM c",
      "CLOSE c",
      "EXPLAIN ANALYZE SELECT 1",
      "DO $$ BEGIN PERFORM 1; END $$",
  };
  tenantdb_session *other = fixture_session(db, "a");
  for (int round = 0; round < 3; round++) {
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
      fixture_run(session, allowed[i]);
      fixture_run(other, "SELECT 1"); /* in between, on another connection to the server */
    }
    assert_string_equal(fixture_cell(session, "SHOW work_mem"), "6MB");
    assert_string_equal(fixture_cell(session, "SELECT i FROM pg_temp.t"), "1");
    assert_string_equal(fixture_cell(other, "SHOW work_mem"), "4MB");
    harness_assert_ok(tenantdb_session_commit(session, &error), error);
    assert_string_equal(fixture_cell(session, "SHOW work_mem"), "4MB");
  }
  tenantdb_session_close(other);
}

static void test_copy(void **state) {
  (void)state;
  const void *data = NULL;
  size_t length = 0;
  fixture_run(session, "DELETE FROM notes");
  harness_assert_ok(tenantdb_session_copy_in(session, "COPY notes (body) FROM STDIN", &error), error);
  harness_assert_ok(tenantdb_session_copy_write(session, "one\ntwo\n", 8, &error), error);
  harness_assert_ok(tenantdb_session_copy_end(session, NULL, NULL, &error), error);
  harness_assert_ok(
      tenantdb_session_copy_out(session, "COPY (SELECT body FROM notes ORDER BY id) TO STDOUT", &error),
      error);
  harness_assert_ok(tenantdb_session_copy_read(session, &data, &length, &error), error);
  assert_int_equal(length, 4);
  assert_memory_equal(data, "one\n", 4);
  while (data) {
    harness_assert_ok(tenantdb_session_copy_read(session, &data, &length, &error), error);
  }
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "2");
}

/* Nothing is prepared; a statement that runs again and again is new every time. */
static void test_nothing_prepared(void **state) {
  (void)state;
  for (int i = 0; i < 20; i++) {
    assert_string_equal(fixture_cell(session, "SELECT count(*) FROM pg_prepared_statements"), "0");
  }
}

static void test_cancel(void **state) {
  (void)state;
  int32_t done = 0;
  tenantdb_status status = TENANTDB_OK;
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "SELECT 1");
  harness_assert_ok(tenantdb_session_send(session, "SELECT pg_sleep(20)", NULL, &error), error);
  int64_t began = fixture_now_ms();
  while (!done) {
    struct pollfd socket = {tenantdb_session_socket(session), POLLIN, 0};
    if (poll(&socket, 1, 20) == 0) {
      harness_assert_ok(tenantdb_session_cancel(session, &error), error);
    }
    status = tenantdb_session_step(session, &done, NULL, &error);
  }
  harness_assert_fails(status, error, TENANTDB_CANCELLED, TENANTDB_REASON_STATEMENT_CANCELLED);
  assert_true(fixture_now_ms() - began < 5000);
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  fixture_run(session, "SELECT 1");
}

/* ---------------------------------------------------------------- how it is known */

static void test_known_from_the_start(void **state) {
  (void)state;
  tenantdb_result *facts = NULL;
  tenantdb *fresh = fixture_open(pooled, NULL, NULL);
  session = fixture_session(fresh, "a");
  assert_pooler_refuses(tenantdb_session_query(session, "LISTEN jobs", NULL, NULL, &error), "LISTEN");
  tenantdb_session_close(session);
  session = NULL;
  harness_assert_ok(tenantdb_server(fresh, &facts, &error), error);
  for (int32_t i = 0; i < tenantdb_result_rows(facts); i++) {
    if (strcmp(tenantdb_result_value(facts, i, 0), "pooler_between") == 0) {
      assert_string_equal(tenantdb_result_value(facts, i, 1), "yes");
    }
  }
  tenantdb_result_free(facts);
  tenantdb_close(fresh);
}

/* Directly everything is allowed, and costs nothing: no statement is looked at. */
static void test_direct(void **state) {
  (void)state;
  tenantdb *direct = fixture_open(url, NULL, NULL);
  for (int i = 0; i < N_LASTING; i++) {
    session = fixture_session(direct, "a");
    if (strncmp(lasting[i][0], "EXECUTE", 7) == 0) {
      fixture_run(session, "PREPARE p AS SELECT 1");
    }
    tenantdb_status status =
        strncmp(lasting[i][0], "DISCARD", 7) == 0 || strncmp(lasting[i][0], "LOAD", 4) == 0
            ? TENANTDB_OK
            : tenantdb_session_query(session, lasting[i][0], NULL, NULL, &error);
    harness_assert_ok(status, error);
    tenantdb_session_close(session);
    session = NULL;
  }
  tenantdb_close(direct);
}

/* An adopted connection may go another way than the database's. */
static void test_adopted(void **state) {
  (void)state;
  tenantdb *direct = fixture_open(url, NULL, NULL);
  tenantdb *const databases[] = {db, direct};
  for (int i = 0; i < 4; i++) {
    bool by_pooler = i % 2 == 1;
    PGconn *own = PQconnectdb(by_pooler ? pooled : url);
    harness_assert_ok(tenantdb_session_adopt(databases[i / 2], own, "a", NULL, &session, &error), error);
    for (int late = 0; late < 2; late++) {
      tenantdb_status status = tenantdb_session_query(session, "LISTEN jobs", NULL, NULL, &error);
      if (by_pooler) {
        assert_pooler_refuses(status, "LISTEN");
      } else {
        harness_assert_ok(status, error);
      }
      assert_string_equal(fixture_cell(session, "SELECT 'still there'"), "still there");
      harness_assert_ok(
          late ? tenantdb_session_rollback(session, &error) : tenantdb_session_begin(session, NULL, &error),
          error);
    }
    harness_assert_ok(tenantdb_session_release(session, &error), error);
    session = NULL;
    PQfinish(own);
  }
  tenantdb_close(direct);
}

#define WITH_SESSION(test) cmocka_unit_test_setup_teardown(test, open_session, close_session)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_SESSION(test_refused),
      WITH_SESSION(test_refused_in_transaction),
      WITH_SESSION(test_every_way),
      WITH_SESSION(test_other_refusals_first),
      WITH_SESSION(test_allowed),
      WITH_SESSION(test_copy),
      WITH_SESSION(test_nothing_prepared),
      WITH_SESSION(test_cancel),
      cmocka_unit_test(test_known_from_the_start),
      cmocka_unit_test(test_direct),
      cmocka_unit_test(test_adopted),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

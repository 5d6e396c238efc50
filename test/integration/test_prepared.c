/* SPDX-License-Identifier: PostgreSQL */
/* Prepared statements on direct connections: what is prepared, how many, and what heals. */
#include <tenantdb/libpq.h>

#include "fixture.h"
#include "proxy.h"

static const char *url;
static tenantdb_error *error;
static tenantdb *db;
static tenantdb_session *session;

/* The library's own BEGIN, bind, COMMIT and the query that counts. */
#define COUNT "SELECT count(*) FROM pg_prepared_statements"

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
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

/* One connection, on which everything happens. */
static void begin(const char *cap) {
  db = fixture_open(
      url, NULL, FIXTURE_OPTIONS("session.prepared_statements", cap, "pool.size", "1", "pool.overflow", "0"));
  session = fixture_session(db, "a");
}

static void end(void) {
  tenantdb_session_close(session);
  tenantdb_close(db);
}

static int open_default(void **state) {
  (void)state;
  begin(NULL);
  return 0;
}

static int close_default(void **state) {
  (void)state;
  end();
  return 0;
}

/* How many statements of that text the server has. */
static int prepared(const char *text) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "SELECT count(*) FROM pg_prepared_statements WHERE statement = '%s' AND NOT from_sql", text);
  return atoi(fixture_cell(session, sql));
}

static int backend(void) {
  return PQbackendPID(tenantdb_session_pgconn(session));
}

static void switch_to(const char *tenant) {
  int pid = backend();
  tenantdb_session_close(session);
  session = fixture_session(db, tenant);
  assert_int_equal(backend(), pid); /* the same connection */
}

/* ---------------------------------------------------------------- what is prepared */

static void test_second_use(void **state) {
  (void)state;
  fixture_run(session, "SELECT 1"); /* tells that no pooler stands between */
  fixture_run(session, "SELECT 10");
  assert_int_equal(prepared("SELECT 10"), 0);
  fixture_run(session, "SELECT 10");
  assert_int_equal(prepared("SELECT 10"), 1);
  for (int i = 0; i < 5; i++) {
    fixture_run(session, "SELECT 10");
  }
  assert_int_equal(prepared("SELECT 10"), 1);
  /* Inside a transaction and in a batch it is the same one. */
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "SELECT 10");
  harness_assert_ok(tenantdb_session_commit(session, &error), error);
  tenantdb_batch *batch = tenantdb_batch_new();
  tenantdb_batch_add(batch, "SELECT 10", NULL);
  tenantdb_batch_add(batch, "SELECT 11", NULL);
  tenantdb_batch_add(batch, "SELECT 11", NULL);
  tenantdb_batch_add(batch, "SELECT 11", NULL);
  harness_assert_ok(tenantdb_session_batch(session, batch, &error), error);
  tenantdb_batch_free(batch);
  assert_int_equal(prepared("SELECT 10"), 1);
  assert_int_equal(prepared("SELECT 11"), 1);
  tenantdb_result *stream = NULL;
  for (int i = 0; i < 3; i++) {
    int32_t more = 1;
    harness_assert_ok(tenantdb_session_stream(session, "SELECT 12", NULL, &stream, &error), error);
    while (more) {
      harness_assert_ok(tenantdb_result_next(stream, &more, &error), error);
    }
    tenantdb_result_free(stream);
  }
  assert_int_equal(prepared("SELECT 12"), 1);
  /* What was refused is no more prepared than what never came. */
  for (int i = 0; i < 4; i++) {
    harness_assert_fails(tenantdb_session_query(session, "SELECT 1 FROM nowhere", NULL, NULL, &error), error,
                         TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR);
  }
  assert_int_equal(prepared("SELECT 1 FROM nowhere"), 0);
}

/* The same text means another table in another scope: one statement each, and each finds its own. */
static void test_per_tenant(void **state) {
  (void)state;
  static const char *const tenants[] = {"a", "b"};
  fixture_run(session, "INSERT INTO notes (body) VALUES ('of a')");
  switch_to("b");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('of b')");
  for (int i = 0; i < 12; i++) {
    switch_to(tenants[i % 2]);
    assert_string_equal(fixture_cell(session, "SELECT body FROM notes"), i % 2 ? "of b" : "of a");
  }
  assert_int_equal(prepared("SELECT body FROM notes"), 2);
  fixture_run(session, "DELETE FROM notes");
  switch_to("a");
  fixture_run(session, "DELETE FROM notes");
}

static void test_per_type(void **state) {
  (void)state;
  tenantdb_params *text = tenantdb_params_new(), *number = tenantdb_params_new();
  tenantdb_params_text(text, "5");
  tenantdb_params_int64(number, 5);
  const char *plain[] = {"5"};
  tenantdb_result *result = NULL;
  uint32_t types[3] = {0, 0, 0};
  for (int i = 0; i < 12; i++) {
    harness_assert_ok(
        i % 3 == 2 ? tenantdb_session_query_text(session, "SELECT $1", 1, plain, &result, &error)
                   : tenantdb_session_query(session, "SELECT $1", i % 3 ? number : text, &result, &error),
        error);
    assert_true(i < 3 || types[i % 3] == tenantdb_result_type(result, 0)); /* always the same */
    types[i % 3] = tenantdb_result_type(result, 0);
    tenantdb_result_free(result);
  }
  assert_in_range(prepared("SELECT $1"), 1, 3); /* one for each list of types that was sent */
  tenantdb_params_free(text);
  tenantdb_params_free(number);
}

static void run_numbered(int from, int to, int times) {
  for (int i = from; i < to; i++) {
    for (int n = 0; n < times; n++) {
      char sql[40];
      snprintf(sql, sizeof sql, "SELECT %d", i);
      fixture_run(session, sql);
    }
  }
}

static void test_cap(void **state) {
  (void)state;
  static const char *const caps[] = {"1", "5", "10", "50"};
  for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
    int cap = atoi(caps[i]);
    begin(caps[i]);
    run_numbered(100, 230, 3);
    assert_in_range(atoi(fixture_cell(session, COUNT)), cap > 4 ? 1 : 0, cap);
    if (cap >= 10) {
      /* The most recent ones are there, the oldest are not. */
      assert_int_equal(prepared("SELECT 229"), 1);
      assert_int_equal(prepared("SELECT 100"), 0);
      /* Use keeps alive. */
      for (int n = 300; n < 400; n++) {
        run_numbered(n, n + 1, 2);
        fixture_run(session, "SELECT 299");
      }
      assert_int_equal(prepared("SELECT 299"), 1);
    }
    /* Transactions, batches and failures between them change nothing about it. */
    for (int n = 0; n < 60; n++) {
      tenantdb_batch *batch = tenantdb_batch_new();
      char sql[40];
      for (int k = 0; k < 6; k++) {
        snprintf(sql, sizeof sql, "SELECT %d / %d", 5000 + n * 6 + k / 2, k == 1 && n % 2 ? 0 : 1);
        tenantdb_batch_add(batch, sql, NULL);
      }
      for (int k = 0; k < 3; k++) {
        tenantdb_status status = tenantdb_session_batch(session, batch, NULL);
        assert_int_equal(status, n % 2 ? TENANTDB_SQL : TENANTDB_OK);
      }
      tenantdb_batch_free(batch);
      run_numbered(n, n + 1, 2);
    }
    assert_in_range(atoi(fixture_cell(session, COUNT)), 0, cap);
    end();
  }
}

/* A failed transaction takes ROLLBACK TO alone: nothing may be dropped on the server in front of it. */
static void test_savepoint_when_full(void **state) {
  (void)state;
  begin("8");
  run_numbered(0, 40, 3);
  for (int i = 0; i < 20; i++) {
    char name[16];
    snprintf(name, sizeof name, "s%d", i);
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    harness_assert_ok(tenantdb_session_savepoint(session, name, &error), error);
    harness_assert_fails(tenantdb_session_query(session, "SELECT 1 / 0", NULL, NULL, &error), error,
                         TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR);
    harness_assert_ok(tenantdb_session_rollback_to(session, name, &error), error);
    run_numbered(i * 3, i * 3 + 5, 2);
    harness_assert_ok(tenantdb_session_commit(session, &error), error);
  }
  end();
}

static void test_none(void **state) {
  (void)state;
  begin("0"); /* as behind a pooler */
  run_numbered(0, 5, 5);
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  run_numbered(0, 5, 5);
  assert_string_equal(fixture_cell(session, COUNT), "0");
  harness_assert_ok(tenantdb_session_commit(session, &error), error);
  assert_string_equal(fixture_cell(session, COUNT), "0");
  end();
}

/* ---------------------------------------------------------------- what heals */

static void alter(const char *sql) {
  harness_sql(url, "ALTER TABLE %s.notes %s", tenantdb_session_schema(session), sql);
}

/* 0A000: the result of a prepared statement has changed its shape. */
static void test_altered(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    fixture_run(session, "SELECT * FROM notes");
  }
  tenantdb_result *result = NULL;
  alter("ADD COLUMN more integer DEFAULT 5");
  harness_assert_ok(tenantdb_session_query(session, "SELECT * FROM notes", NULL, &result, &error), error);
  assert_int_equal(tenantdb_result_columns(result), 4);
  tenantdb_result_free(result);
  for (int i = 0; i < 3; i++) {
    fixture_run(session, "SELECT * FROM notes");
  }
  assert_int_equal(prepared("SELECT * FROM notes"), 1);
  alter("DROP COLUMN more");
  /* As the first statement of a transaction nothing is lost by running it again. */
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "SELECT * FROM notes");
  harness_assert_ok(tenantdb_session_commit(session, &error), error);
  for (int i = 0; i < 3; i++) {
    fixture_run(session, "SELECT * FROM notes");
  }
  alter("ADD COLUMN more integer DEFAULT 5");
  /* As a later one the transaction has failed, and the next time it goes well. */
  for (int i = 0; i < 2; i++) {
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    fixture_run(session, "SELECT 77");
    tenantdb_status status = tenantdb_session_query(session, "SELECT * FROM notes", NULL, NULL, &error);
    if (i == 0) {
      assert_int_equal(status, TENANTDB_UNSUPPORTED);
      assert_string_equal(tenantdb_error_sqlstate(error), "0A000");
      tenantdb_error_free(error);
    } else {
      harness_assert_ok(status, error);
    }
    harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  }
  /* In a batch and as a stream. */
  for (int i = 0; i < 3; i++) {
    fixture_run(session, "SELECT * FROM notes");
  }
  alter("DROP COLUMN more");
  int32_t more = 1;
  harness_assert_ok(tenantdb_session_stream(session, "SELECT * FROM notes", NULL, &result, &error), error);
  while (more) {
    harness_assert_ok(tenantdb_result_next(result, &more, &error), error);
  }
  tenantdb_result_free(result);
  for (int i = 0; i < 3; i++) {
    fixture_run(session, "SELECT * FROM notes");
  }
  alter("ADD COLUMN more integer DEFAULT 5");
  tenantdb_batch *batch = tenantdb_batch_new();
  tenantdb_batch_add(batch, "INSERT INTO notes (body) VALUES ('once')", NULL);
  tenantdb_batch_add(batch, "SELECT * FROM notes", NULL);
  harness_assert_ok(tenantdb_session_batch(session, batch, &error), error);
  harness_assert_ok(tenantdb_batch_result(batch, 1, &result, &error), error);
  assert_int_equal(tenantdb_result_columns(result), 4);
  assert_int_equal(tenantdb_result_rows(result), 1); /* it was run once */
  tenantdb_result_free(result);
  tenantdb_batch_free(batch);
  alter("DROP COLUMN more");
  fixture_run(session, "DELETE FROM notes");
}

/* A feature that is not supported has the same SQLSTATE: run again, and told all the same. */
static void test_unsupported(void **state) {
  (void)state;
  for (int i = 0; i < 4; i++) {
    harness_assert_status(
        tenantdb_session_query(session, "DO $$ BEGIN RAISE SQLSTATE '0A000'; END $$", NULL, NULL, &error),
        error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_SERVER_ERROR);
    assert_string_equal(tenantdb_error_sqlstate(error), "0A000");
    tenantdb_error_free(error);
    assert_string_equal(fixture_cell(session, "SELECT 5"), "5");
  }
}

/* 26000: somebody has dropped them behind our back. */
static void test_dropped(void **state) {
  (void)state;
  tenantdb_session *shared = NULL;
  tenantdb_session_close(session);
  harness_assert_ok(tenantdb_session_open_shared(db, NULL, &shared, &error), error);
  session = shared;
  run_numbered(0, 4, 3);
  for (int round = 0; round < 3; round++) {
    fixture_run(session, round == 2 ? "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$" : "DEALLOCATE ALL");
    run_numbered(0, 4, 1);
    run_numbered(0, 4, 3);
    /* In a transaction, COMMIT being itself prepared. */
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    fixture_run(session, "SELECT 3");
    if (round < 2) {
      fixture_run(session, round ? "DISCARD PLANS" : "DEALLOCATE ALL");
    }
    run_numbered(0, 4, 2);
    harness_assert_ok(tenantdb_session_commit(session, &error), error);
    run_numbered(0, 4, 3);
  }
  assert_true(prepared("SELECT 3") == 1);
}

/* One name is gone: a transaction in whose middle it is found out fails once, not for ever. */
static void test_one_dropped(void **state) {
  (void)state;
  run_numbered(0, 4, 3);
  const char *drop =
      "DO $$ DECLARE n text; BEGIN SELECT name INTO n FROM pg_prepared_statements WHERE statement = 'SELECT "
      "3'; EXECUTE 'DEALLOCATE ' || quote_ident(n); END $$";
  fixture_run(session, drop);
  int failures = 0;
  for (int i = 0; i < 3; i++) {
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    fixture_run(session, "SELECT 1");
    tenantdb_status status = tenantdb_session_query(session, "SELECT 3", NULL, NULL, &error);
    failures += status != TENANTDB_OK;
    tenantdb_error_free(error);
    error = NULL;
    harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  }
  assert_int_equal(failures, 1);
  fixture_run(session, drop); /* finds none, or one: either way */
  fixture_run(session, "SELECT 3");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_second_use, open_default, close_default),
      cmocka_unit_test_setup_teardown(test_per_tenant, open_default, close_default),
      cmocka_unit_test_setup_teardown(test_per_type, open_default, close_default),
      cmocka_unit_test(test_cap),
      cmocka_unit_test(test_savepoint_when_full),
      cmocka_unit_test(test_none),
      cmocka_unit_test_setup_teardown(test_altered, open_default, close_default),
      cmocka_unit_test_setup_teardown(test_unsupported, open_default, close_default),
      cmocka_unit_test_setup_teardown(test_dropped, open_default, close_default),
      cmocka_unit_test_setup_teardown(test_one_dropped, open_default, close_default),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

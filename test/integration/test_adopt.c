/* SPDX-License-Identifier: PostgreSQL */
/* Sessions on connections of the caller's own, and libpq's objects behind ours. */
#include <tenantdb/libpq.h>

#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static PGconn *own;
static int notices;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  harness_sql(url, "CREATE TABLE public.mine (i integer)");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static void receive(void *user, const PGresult *notice) {
  (void)user;
  (void)notice;
  notices++;
}

static int connect_own(void **state) {
  (void)state;
  own = PQconnectdb(url);
  assert_int_equal(PQstatus(own), CONNECTION_OK);
  (void)PQsetNoticeReceiver(own, receive, NULL);
  return 0;
}

static int finish_own(void **state) {
  (void)state;
  PQfinish(own);
  return 0;
}

/* The first cell of a query on the caller's connection, by libpq's blocking calls; lasts until the next. */
static const char *ask(const char *sql) {
  static char cell[200];
  PGresult *rows = PQexec(own, sql);
  if (PQresultStatus(rows) != PGRES_TUPLES_OK && PQresultStatus(rows) != PGRES_COMMAND_OK) {
    fail_msg("%s: %s", sql, PQerrorMessage(own));
  }
  snprintf(cell, sizeof cell, "%s", PQntuples(rows) > 0 ? PQgetvalue(rows, 0, 0) : "");
  PQclear(rows);
  return cell;
}

static tenantdb_session *adopt(void) {
  tenantdb_session *session = NULL;
  harness_assert_ok(tenantdb_session_adopt(db, own, "a", NULL, &session, &error), error);
  return session;
}

/* What the caller finds must be what he gave. */
typedef struct facts {
  int blocking, pipeline, pid;
  PGTransactionStatusType transaction;
  char path[100], user[100], timeout[30], prepared[20], settings[40];
} facts;

static facts look(void) {
  facts now;
  memset(&now, 0, sizeof now);
  now.blocking = !PQisnonblocking(own);
  now.pipeline = (int)PQpipelineStatus(own);
  now.transaction = PQtransactionStatus(own);
  now.pid = PQbackendPID(own);
  snprintf(now.path, sizeof now.path, "%.90s", ask("SHOW search_path"));
  snprintf(now.user, sizeof now.user, "%.90s", ask("SELECT current_user"));
  snprintf(now.timeout, sizeof now.timeout, "%.20s", ask("SHOW statement_timeout"));
  snprintf(now.prepared, sizeof now.prepared, "%.10s", ask("SELECT count(*) FROM pg_prepared_statements"));
  snprintf(now.settings, sizeof now.settings, "%.32s",
           ask("SELECT md5(string_agg(name || setting, ',' ORDER BY name)) FROM pg_settings WHERE source = "
               "'session' AND name <> 'search_path'"));
  return now;
}

static void assert_as_before(const facts *before) {
  facts now = look();
  assert_int_equal(now.pid, before->pid);
  assert_int_equal(now.blocking, before->blocking);
  assert_int_equal(now.pipeline, PQ_PIPELINE_OFF);
  assert_int_equal(now.transaction, PQTRANS_IDLE);
  assert_string_equal(now.path, before->path);
  assert_string_equal(now.user, before->user);
  assert_string_equal(now.timeout, before->timeout);
  assert_string_equal(now.prepared, before->prepared);
  assert_string_equal(now.settings, before->settings);
}

/* ---------------------------------------------------------------- clean */

static void use(tenantdb_session *session, int how) {
  tenantdb_result *result = NULL;
  fixture_run(session, "INSERT INTO notes (body) VALUES ('adopted')");
  assert_string_equal(fixture_cell(session, "SELECT current_schema()"), tenantdb_session_schema(session));
  switch (how) {
    case 0:
      break;
    case 1: /* a transaction left open */
      harness_assert_ok(tenantdb_session_begin(session, "read only", &error), error);
      fixture_run(session, "SELECT 1");
      break;
    case 2: /* one that failed */
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
      fixture_assert_refused(tenantdb_session_query(session, "SELECT 1 / 0", NULL, NULL, &error), error,
                             TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "zero");
      break;
    case 3: /* one that was asked for and never begun */
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
      break;
    case 4:
      harness_assert_ok(
          tenantdb_session_stream(session, "SELECT generate_series(1, 5000)", NULL, &result, &error), error);
      for (int32_t more = 1; more;) {
        harness_assert_ok(tenantdb_result_next(result, &more, &error), error);
      }
      tenantdb_result_free(result);
      break;
    case 5: /* a stream that was given up */
      harness_assert_ok(
          tenantdb_session_stream(session, "SELECT generate_series(1, 5000000)", NULL, &result, &error),
          error);
      tenantdb_result_free(result);
      break;
    case 6:
      harness_assert_ok(tenantdb_session_copy_in(session, "COPY notes (body) FROM STDIN", &error), error);
      harness_assert_ok(tenantdb_session_copy_write(session, "x\n", 2, &error), error);
      harness_assert_ok(tenantdb_session_copy_end(session, NULL, NULL, &error), error);
      break;
    default: /* the same statement often: nothing may be prepared on a connection that is not ours */
      for (int i = 0; i < 5; i++) {
        fixture_run(session, "SELECT 'often'");
      }
      break;
  }
}

static void test_given_back(void **state) {
  (void)state;
  (void)ask("SET search_path TO public, pg_catalog");
  (void)ask("SET statement_timeout TO '17s'");
  (void)ask("PREPARE mine AS SELECT 1");
  for (int i = 0; i < 32; i++) {
    bool closes = i & 1, nonblocking = i & 2;
    assert_int_equal(PQsetnonblocking(own, nonblocking), 0);
    facts before = look();
    tenantdb_session *session = adopt();
    assert_ptr_equal(tenantdb_session_pgconn(session), own);
    assert_int_equal(PQpipelineStatus(own), PQ_PIPELINE_ON);
    use(session, i / 4);
    if (closes) {
      tenantdb_session_close(session);
    } else {
      harness_assert_ok(tenantdb_session_release(session, &error), error);
    }
    assert_as_before(&before);
    assert_string_equal(ask("EXECUTE mine"), "1");
    (void)ask("INSERT INTO mine VALUES (1)"); /* the caller's own user, his own schema */
  }
  /* Notices go where they went. */
  notices = 0;
  (void)ask("DO $$ BEGIN RAISE NOTICE 'x'; END $$");
  assert_int_equal(notices, 1);
}

/* The handle may go first. */
static void test_database_closed(void **state) {
  (void)state;
  facts before = look();
  tenantdb *other = fixture_open(url, NULL, NULL);
  tenantdb_session *session = NULL;
  harness_assert_ok(tenantdb_session_adopt(other, own, "a", NULL, &session, &error), error);
  fixture_run(session, "SELECT 1");
  tenantdb_close(other);
  harness_assert_ok(tenantdb_session_release(session, &error), error);
  assert_as_before(&before);
}

static void test_options(void **state) {
  (void)state;
  facts before = look();
  tenantdb_session *session = NULL;
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "timeout", "200ms");
  tenantdb_session_options_set(options, "read_only", "on");
  harness_assert_ok(tenantdb_session_adopt(db, own, "a", options, &session, &error), error);
  tenantdb_session_options_free(options);
  harness_assert_fails(tenantdb_session_query(session, "SELECT pg_sleep(5)", NULL, NULL, &error), error,
                       TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT);
  harness_assert_fails(
      tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('x')", NULL, NULL, &error), error,
      TENANTDB_STATE, TENANTDB_REASON_READ_ONLY_SERVER);
  harness_assert_ok(tenantdb_session_release(session, &error), error);
  assert_as_before(&before);
}

/* ---------------------------------------------------------------- refused */

static void test_not_adopted(void **state) {
  (void)state;
  facts before = look();
  tenantdb_session *session = NULL;
  fixture_assert_refused(tenantdb_session_adopt(db, NULL, "a", NULL, &session, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "connection is NULL");
  fixture_assert_refused(tenantdb_session_adopt(db, own, NULL, NULL, &session, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "tenant is NULL");
  fixture_assert_refused(tenantdb_session_adopt(db, own, "a", NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "session is NULL");
  fixture_assert_refused(tenantdb_session_adopt(NULL, own, "a", NULL, &session, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "NULL");
  harness_assert_fails(tenantdb_session_adopt(db, own, "nobody", NULL, &session, &error), error,
                       TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT);
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "min_version", "99");
  harness_assert_fails(tenantdb_session_adopt(db, own, "a", options, &session, &error), error,
                       TENANTDB_MIGRATION, TENANTDB_REASON_TENANT_BEHIND);
  tenantdb_session_options_set(options, "no_such", "1");
  harness_assert_fails(tenantdb_session_adopt(db, own, "a", options, &session, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION);
  tenantdb_session_options_free(options);
  assert_null(session);
  assert_as_before(&before); /* whatever it was refused for */
  (void)ask("BEGIN");
  harness_assert_fails(tenantdb_session_adopt(db, own, "a", NULL, &session, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_IN_TRANSACTION);
  (void)ask("ROLLBACK");
  assert_int_equal(PQenterPipelineMode(own), 1);
  harness_assert_fails(tenantdb_session_adopt(db, own, "a", NULL, &session, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_IN_TRANSACTION);
  assert_int_equal(PQexitPipelineMode(own), 1);
  assert_int_equal(PQsendQuery(own, "SELECT 1"), 1);
  harness_assert_fails(tenantdb_session_adopt(db, own, "a", NULL, &session, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_IN_TRANSACTION);
  for (PGresult *rows; (rows = PQgetResult(own)) != NULL;) {
    PQclear(rows);
  }
  (void)ask("SET client_encoding TO LATIN1");
  harness_assert_fails(tenantdb_session_adopt(db, own, "a", NULL, &session, &error), error,
                       TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_UNFIT);
  (void)ask("RESET client_encoding");
  assert_as_before(&before);
  PGconn *dead = PQconnectdb("host=/nonexistent");
  harness_assert_fails(tenantdb_session_adopt(db, dead, "a", NULL, &session, &error), error,
                       TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
  PQfinish(dead);
}

static void test_not_released(void **state) {
  (void)state;
  harness_assert_ok(tenantdb_session_release(NULL, &error), error);
  tenantdb_session *pooled = fixture_session(db, "a");
  fixture_assert_refused(tenantdb_session_release(pooled, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_HANDLE, "tenantdb_session_adopt()");
  assert_string_equal(fixture_cell(pooled, "SELECT 1"), "1"); /* it is still there */
  tenantdb_session_close(pooled);
}

/* ---------------------------------------------------------------- in doubt */

static void test_in_doubt(void **state) {
  (void)state;
  tenantdb_result *result = NULL;
  for (int how = 0; how < 4; how++) {
    tenantdb_session *session = adopt();
    if (how == 0) {
      harness_assert_ok(tenantdb_session_send(session, "SELECT pg_sleep(10)", NULL, &error), error);
    } else if (how == 1) {
      harness_assert_ok(
          tenantdb_session_stream(session, "SELECT generate_series(1, 100000000)", NULL, &result, &error),
          error);
    } else if (how == 2) {
      harness_assert_ok(tenantdb_session_copy_in(session, "COPY notes (body) FROM STDIN", &error), error);
    } else {
      harness_sql(url, "SELECT pg_terminate_backend(%d)", PQbackendPID(own));
      harness_assert_fails(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                           TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
      assert_null(tenantdb_session_pgconn(session));
    }
    int64_t began = fixture_now_ms();
    harness_assert_fails(tenantdb_session_release(session, &error), error, TENANTDB_CONNECTION,
                         TENANTDB_REASON_CONNECTION_LOST);
    assert_true(fixture_now_ms() - began < 3000);
    tenantdb_result_free(result);
    result = NULL;
    finish_own(state); /* all that may be done with it */
    connect_own(state);
  }
}

/* ---------------------------------------------------------------- borrowed */

static void test_borrowed(void **state) {
  (void)state;
  tenantdb_session *pooled = fixture_session(db, "a");
  tenantdb_result *result = NULL;
  PGconn *borrowed = tenantdb_session_pgconn(pooled);
  assert_non_null(borrowed);
  bool same = PQbackendPID(borrowed) == atoi(fixture_cell(pooled, "SELECT pg_backend_pid()"));
  assert_int_equal(same, !harness_behind_pooler()); /* a pooler makes the number up */
  assert_string_equal(PQparameterStatus(borrowed, "client_encoding"), "UTF8");
  harness_assert_ok(tenantdb_session_query(pooled, "SELECT 'x' AS name, 2", NULL, &result, &error), error);
  const PGresult *rows = tenantdb_result_pgresult(result);
  assert_int_equal(PQntuples(rows), 1);
  assert_string_equal(PQfname(rows, 0), "name");
  assert_string_equal(PQgetvalue(rows, 0, 1), "2");
  tenantdb_session_close(pooled); /* it lasts as long as the result */
  assert_string_equal(PQgetvalue(rows, 0, 0), "x");
  tenantdb_result_free(result);
  assert_null(tenantdb_session_pgconn(NULL));
  assert_null(tenantdb_result_pgresult(NULL));
  harness_assert_ok(tenantdb_config_describe(NULL, &result, &error), error);
  assert_null(tenantdb_result_pgresult(result)); /* the library made this one itself */
  tenantdb_result_free(result);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_given_back, connect_own, finish_own),
      cmocka_unit_test_setup_teardown(test_database_closed, connect_own, finish_own),
      cmocka_unit_test_setup_teardown(test_options, connect_own, finish_own),
      cmocka_unit_test_setup_teardown(test_not_adopted, connect_own, finish_own),
      cmocka_unit_test_setup_teardown(test_not_released, connect_own, finish_own),
      cmocka_unit_test_setup_teardown(test_in_doubt, connect_own, finish_own),
      cmocka_unit_test(test_borrowed),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Poolers of other modes, with users of their own, and poolers that fail. */
#include <unistd.h>

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

#define assert_pooler_refuses(call, text) \
  fixture_assert_refused(call, error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_POOLER_BETWEEN, text)

/* ---------------------------------------------------------------- other modes */

static void check_all_work(tenantdb *kept) {
  tenantdb_session *one = NULL;
  harness_assert_ok(tenantdb_session_open_shared(kept, NULL, &one, &error), error);
  fixture_run(one, "SET work_mem = '5MB'");
  fixture_run(one, "PREPARE q AS SELECT 'prepared'");
  fixture_run(one, "CREATE TEMP TABLE w AS SELECT 'stays'::text AS t");
  fixture_run(one, "LISTEN jobs");
  fixture_run(one, "SELECT pg_advisory_lock(77)");
  assert_string_equal(fixture_cell(one, "SHOW work_mem"), "5MB");
  assert_string_equal(fixture_cell(one, "EXECUTE q"), "prepared");
  assert_string_equal(fixture_cell(one, "SELECT t FROM pg_temp.w"), "stays");
  assert_string_equal(fixture_cell(one, "SELECT pg_listening_channels()"), "jobs");
  assert_string_equal(fixture_cell(one, "SELECT pg_advisory_unlock(77)"), "t");
  tenantdb_session_close(one);
}

/* A session pooler is not told from the other at first: the option does, or the self-test. */
static void test_session_mode(void **state) {
  (void)state;
  harness_pooler *keeping = harness_pooler_start("session", 6);
  char *kept = harness_pooler_url(keeping, url);
  tenantdb *told = fixture_open(kept, NULL, FIXTURE_OPTIONS("database.pooler", "session"));
  check_all_work(told);
  tenantdb_close(told);
  tenantdb *found = fixture_open(kept, NULL, NULL);
  session = fixture_session(found, "a");
  assert_pooler_refuses(tenantdb_session_query(session, "LISTEN jobs", NULL, NULL, &error), "LISTEN");
  tenantdb_session_close(session);
  session = NULL;
  harness_assert_ok(tenantdb_selftest(found, NULL, &error), error);
  check_all_work(found);
  tenantdb_close(found);
  fixture_assert_error(fixture_refused(kept, NULL,
                                       FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "none",
                                                       "database.pooler", "session")),
                       TENANTDB_UNSUPPORTED, TENANTDB_REASON_POOLER_BETWEEN, "login");
  free(kept);
  harness_pooler_stop(keeping);
}

/* The option is believed where nothing is to be seen, too. */
static void test_option_transaction(void **state) {
  (void)state;
  tenantdb *careful = fixture_open(url, NULL, FIXTURE_OPTIONS("database.pooler", "transaction"));
  session = fixture_session(careful, "a");
  assert_pooler_refuses(tenantdb_session_query(session, "LISTEN jobs", NULL, NULL, &error), "LISTEN");
  tenantdb_session_close(session);
  session = NULL;
  tenantdb_close(careful);
  fixture_assert_error(fixture_refused(url, NULL,
                                       FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "none",
                                                       "database.pooler", "transaction")),
                       TENANTDB_UNSUPPORTED, TENANTDB_REASON_POOLER_BETWEEN, "login");
}

/* In statement mode what takes one flush works, and no transaction lasts longer: the pooler ends the connection. */
static void test_statement_mode(void **state) {
  (void)state;
  harness_pooler *short_lived = harness_pooler_start("statement", 3);
  char *there = harness_pooler_url(short_lived, url);
  tenantdb *narrow = fixture_open(there, NULL, NULL);
  session = fixture_session(narrow, "a");
  fixture_run(session, "DELETE FROM notes");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('one flush')");
  assert_string_equal(fixture_cell(session, "SELECT body FROM notes"), "one flush");
  int64_t began = fixture_now_ms();
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  tenantdb_status status =
      tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('lost')", NULL, NULL, &error);
  if (!status) { /* what the pooler says of it may come with the next */
    status = tenantdb_session_commit(session, &error);
  }
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_NEVER);
  assert_pooler_refuses(status, "pool_mode transaction");
  fixture_assert_refused(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_SESSION_BROKEN, "");
  tenantdb_session_close(session);
  session = NULL;
  assert_pooler_refuses(tenantdb_bootstrap(narrow, &error), "pool_mode transaction");
  assert_true(fixture_now_ms() - began < 5000);
  tenantdb_close(narrow);
  free(there);
  harness_pooler_stop(short_lived);
  session = fixture_session(db, "a");
  assert_string_equal(fixture_cell(session, "SELECT string_agg(body, ',') FROM notes"), "one flush");
  tenantdb_session_close(session);
  session = NULL;
}

/* ---------------------------------------------------------------- whose user it is */

static void test_login_refused(void **state) {
  (void)state;
  fixture_assert_error(
      fixture_refused(pooled, NULL, FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "none")),
      TENANTDB_UNSUPPORTED, TENANTDB_REASON_POOLER_BETWEEN, "connect to the server directly");
  fixture_assert_error(
      fixture_refused(pooled, NULL, FIXTURE_OPTIONS("isolation.minimum", "login", "login.passwords", "none")),
      TENANTDB_ISOLATION, TENANTDB_REASON_ISOLATION_TOO_LOW, "a pooler stands between");
}

/* A pooler that logs in as a user of its own: that is the connected user, and level role works with him. */
static void test_forced_user(void **state) {
  (void)state;
  const char *own = harness_database();
  const char *role = harness_role("LOGIN CREATEROLE");
  char *name = harness_database_name(own);
  harness_sql(own, "ALTER DATABASE \"%s\" OWNER TO \"%s\"", name, role);
  free(name);
  harness_pooler *forcing = harness_pooler_start_as(own, "transaction", 3, role);
  char *forced = harness_pooler_url(forcing, own);
  tenantdb *theirs = fixture_ready(forced, FIXTURE_OPTIONS("isolation.minimum", "role"));
  tenantdb_tenant_free(fixture_tenant(theirs, "a"));
  session = fixture_session(theirs, "a");
  assert_string_equal(fixture_cell(session, "SELECT session_user"), role);
  assert_string_equal(fixture_cell(session, "SELECT current_user <> session_user"), "t");
  tenantdb_session_close(session);
  session = NULL;
  tenantdb_close(theirs);
  free(forced);
  harness_pooler_stop(forcing);
  harness_drop_database(own);
}

/*
 * At level login, with a pooler slipped in between after the database was
 * opened: who comes as the tenant arrives as somebody else. The proof sees it.
 */
static void test_login_slipped_in(void **state) {
  (void)state;
  const char *own = harness_database();
  char folder[64], link[96], target[200], conninfo[300];
  const char *base = getenv("TENANTDB_TEST_TMP");
  snprintf(folder, sizeof folder, "%s/tdbXXXXXX", base ? base : "/tmp");
  assert_non_null(mkdtemp(folder));
  snprintf(link, sizeof link, "%s/.s.PGSQL.5432", folder);
  tenantdb *direct = NULL;
  char *server = harness_socket(own);
  assert_int_equal(symlink(server, link), 0);
  free(server);
  char *name = harness_database_name(own);
  snprintf(conninfo, sizeof conninfo, "host=%s dbname=%s user=postgres", folder, name);
  free(name);
  direct = fixture_ready(
      conninfo, FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "none", "login.idle", "0"));
  tenantdb_tenant_free(fixture_tenant(direct, "a"));
  session = fixture_session(direct, "a");
  assert_string_equal(fixture_cell(session, "SELECT session_user = current_user"), "t");
  tenantdb_session_close(session);
  harness_pooler *forcing = harness_pooler_start_as(own, "transaction", 3, "postgres");
  char *behind = harness_pooler_url(forcing, own);
  server = harness_socket(behind);
  snprintf(target, sizeof target, "%s", server);
  free(server);
  assert_int_equal(unlink(link), 0);
  assert_int_equal(symlink(target, link), 0);
  session = NULL;
  tenantdb_status status = tenantdb_session_open(direct, "a", NULL, &session, &error);
  if (!status) {
    status = tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('x')", NULL, NULL, &error);
  }
  harness_assert_fails(status, error, TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED);
  tenantdb_session_close(session);
  session = NULL;
  tenantdb_close(direct);
  (void)unlink(link);
  (void)rmdir(folder);
  free(behind);
  harness_pooler_stop(forcing);
  harness_drop_database(own);
}

/* ---------------------------------------------------------------- the pooler itself */

static void test_startup_options(void **state) {
  (void)state;
  char with[600];
  snprintf(with, sizeof with, "%s&options=-csearch_path%%3Dpublic", pooled);
  fixture_assert_error(fixture_refused(with, NULL, NULL), TENANTDB_CONNECTION, TENANTDB_REASON_CONNECT_FAILED,
                       "unsupported startup parameter: options");
}

static void test_pooler_stops(void **state) {
  (void)state;
  harness_pooler *stopped = harness_pooler_start("transaction", 2);
  char *there = harness_pooler_url(stopped, url);
  tenantdb *left = fixture_open(there, NULL, NULL);
  tenantdb_session *idle = fixture_session(left, "a");
  tenantdb_session *inside = fixture_session(left, "a");
  fixture_run(idle, "SELECT 1");
  harness_assert_ok(tenantdb_session_begin(inside, NULL, &error), error);
  fixture_run(inside, "INSERT INTO notes (body) VALUES ('lost')");
  harness_pooler_stop(stopped);
  fixture_pause_us(20000); /* so soon after an answer a connection is not looked at */
  harness_assert_fails(tenantdb_session_query(idle, "SELECT 1", NULL, NULL, &error), error,
                       TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
  harness_assert_fails(tenantdb_session_commit(inside, &error), error, TENANTDB_CONNECTION,
                       TENANTDB_REASON_CONNECTION_LOST);
  tenantdb_session_close(idle);
  tenantdb_session_close(inside);
  tenantdb_close(left);
  free(there);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.notes WHERE body = 'lost'",
                                 tenantdb_session_schema(session)),
                   0);
}

/* COMMIT is under way when the pooler loses the server: it cannot know what became of it, and so nobody does. */
static void test_server_lost_in_commit(void **state) {
  (void)state;
  const char *schema = tenantdb_session_schema(session);
  harness_sql(
      url,
      "CREATE FUNCTION %s.slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN "
      "NULL; END';"
      "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON %s.items DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
      "EXECUTE FUNCTION %s.slow(); GRANT EXECUTE ON FUNCTION %s.slow() TO PUBLIC",
      schema, schema, schema, schema);
  harness_assert_ok(tenantdb_session_send(session, "INSERT INTO items (n) VALUES (1)", NULL, &error), error);
  char *name = harness_database_name(url);
  for (int i = 0;
       i < 1500 && harness_count(url,
                                 "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND "
                                 "state = 'active' AND datname = current_database()") == 0;
       i++) {
    int32_t done;
    fixture_pause_us(10000);
    harness_assert_ok(tenantdb_session_step(session, &done, NULL, &error), error);
  }
  harness_pooler_command(pooler, "KILL", name);
  harness_pooler_command(pooler, "RESUME", name);
  free(name);
  int32_t done = 0;
  tenantdb_status status = TENANTDB_OK;
  while (!done) {
    status = tenantdb_session_step(session, &done, NULL, &error);
  }
  harness_assert_fails(status, error, TENANTDB_UNKNOWN, TENANTDB_REASON_OUTCOME_UNKNOWN);
  harness_sql(url,
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'COMMIT' AND state = "
              "'active' AND datname = current_database()");
  harness_sql(url, "DROP TRIGGER slow ON %s.items; DROP FUNCTION %s.slow()", schema, schema);
}

/* Both of the pool's connections are taken: the pooler gives up waiting for one, and so do we. */
static void test_waited_too_long(void **state) {
  (void)state;
  tenantdb_session *all[4];
  harness_pooler *narrow = harness_pooler_start("transaction", 2);
  char *there = harness_pooler_url(narrow, url);
  tenantdb *one = fixture_open(there, NULL, NULL);
  harness_pooler_command(narrow, "SET query_wait_timeout =", "1");
  for (int i = 0; i < 3; i++) {
    all[i] = fixture_session(one, "a");
    harness_assert_ok(tenantdb_session_begin(all[i], NULL, &error), error);
    tenantdb_status status = tenantdb_session_query(all[i], "SELECT 1", NULL, NULL, &error);
    if (i < 2) {
      harness_assert_ok(status, error);
      continue;
    }
    assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_LATER);
    fixture_assert_refused(status, error, TENANTDB_BUSY, TENANTDB_REASON_SERVER_FULL, "raise its pool size");
  }
  for (int i = 0; i < 3; i++) {
    tenantdb_session_close(all[i]);
  }
  tenantdb_close(one);
  free(there);
  harness_pooler_stop(narrow);
}

#define WITH_SESSION(test) cmocka_unit_test_setup_teardown(test, open_session, close_session)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_session_mode),      cmocka_unit_test(test_option_transaction),
      cmocka_unit_test(test_statement_mode),    cmocka_unit_test(test_login_refused),
      cmocka_unit_test(test_forced_user),       cmocka_unit_test(test_login_slipped_in),
      cmocka_unit_test(test_startup_options),   WITH_SESSION(test_pooler_stops),
      WITH_SESSION(test_server_lost_in_commit), cmocka_unit_test(test_waited_too_long),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

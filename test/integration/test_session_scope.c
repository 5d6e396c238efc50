/* SPDX-License-Identifier: PostgreSQL */
/* Sessions of tenants that are not, or no longer, open; and what one session may leave to the next. */
#include <tenantdb/libpq.h>

#include "fixture.h"

static const char *url;
static tenantdb *db;    /* the one whose sessions are looked at */
static tenantdb *other; /* as another process would */
static tenantdb_error *error;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url,
                     FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "4", "session.tenant_cache", "1h"));
  other = fixture_ready(url, NULL);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  tenantdb_close(other);
  harness_drop_database(url);
  return 0;
}

static void assert_unavailable(const char *slug, const char *text) {
  tenantdb_session *session = NULL;
  harness_assert_status(tenantdb_session_open(other, slug, NULL, &session, &error), error,
                        TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE);
  harness_assert_message(error, text);
  assert_string_equal(tenantdb_error_tenant(error), slug);
  assert_null(session);
  tenantdb_error_free(error);
  error = NULL;
}

static void test_states(void **state) {
  (void)state;
  tenantdb_session *session = NULL;
  harness_assert_ok(tenantdb_tenant_register(other, "waits", NULL, NULL, &error), error);
  assert_unavailable("waits",
                     "is pending, and sessions open only on an active one; tenantdb_tenant_activate()");
  harness_assert_ok(tenantdb_tenant_activate(other, "waits", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_suspend(other, "waits", NULL, &error), error);
  assert_unavailable("waits",
                     "is suspended, and sessions open only on an active one; tenantdb_tenant_resume()");
  harness_assert_ok(tenantdb_tenant_archive(other, "waits", NULL, &error), error);
  assert_unavailable("waits",
                     "is archived, and sessions open only on an active one; tenantdb_tenant_restore()");
  harness_sql(url, "UPDATE tenantdb.tenants SET state = 'deleting' WHERE slug = 'waits'");
  assert_unavailable("waits", "tenant waits is deleting");
  harness_sql(url, "UPDATE tenantdb.tenants SET state = 'archived' WHERE slug = 'waits'");
  tenantdb_tenant *tenant = NULL;
  harness_assert_ok(tenantdb_tenant_get(other, "waits", &tenant, &error), error);
  harness_assert_ok(tenantdb_tenant_purge(other, "waits", 1, &error), error);
  harness_assert_fails(tenantdb_session_open(other, "waits", NULL, &session, &error), error,
                       TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT);
  harness_assert_fails(tenantdb_session_open(other, tenantdb_tenant_id(tenant), NULL, &session, &error),
                       error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT);
  tenantdb_tenant_free(tenant);
}

/* Suspended elsewhere while this database still believes it active: the server refuses all the same. */
static void test_suspended_elsewhere(void **state) {
  (void)state;
  tenantdb_tenant_free(fixture_tenant(db, "warm"));
  tenantdb_session *idle = fixture_session(db, "warm");
  fixture_run(idle, "INSERT INTO notes (body) VALUES ('x')");
  harness_assert_ok(tenantdb_tenant_suspend(other, "warm", NULL, &error), error);
  fixture_assert_refused(tenantdb_session_query(idle, "SELECT * FROM notes", NULL, NULL, &error), error,
                         TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE, "tenant warm is suspended");
  fixture_assert_refused(tenantdb_session_query(idle, "SELECT 1", NULL, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_SESSION_BROKEN, "close the session and open another");
  tenantdb_session_close(idle);
  harness_assert_ok(tenantdb_tenant_resume(other, "warm", NULL, &error), error);
  idle = fixture_session(db, "warm");
  harness_assert_ok(tenantdb_tenant_suspend(other, "warm", NULL, &error), error);
  harness_assert_ok(tenantdb_session_begin(idle, NULL, &error), error);
  fixture_assert_refused(
      tenantdb_session_query(idle, "INSERT INTO notes (body) VALUES ('y')", NULL, NULL, &error), error,
      TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE, "tenant warm is suspended");
  tenantdb_session_close(idle);
  harness_assert_ok(tenantdb_tenant_resume(other, "warm", NULL, &error), error);
  idle = fixture_session(db, "warm");
  assert_string_equal(fixture_cell(idle, "SELECT count(*) FROM notes"), "1");
  tenantdb_session_close(idle);
}

/* A transaction that is open when its tenant is suspended loses its rights, too. */
static void test_suspended_in_transaction(void **state) {
  (void)state;
  tenantdb_tenant_free(fixture_tenant(db, "busy"));
  tenantdb_session *session = fixture_session(db, "busy");
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  harness_assert_ok(tenantdb_tenant_suspend(other, "busy", NULL, &error), error);
  tenantdb_status status = tenantdb_session_query(session, "SELECT * FROM items", NULL, NULL, &error);
  assert_int_not_equal(status, TENANTDB_OK);
  tenantdb_error_free(error);
  error = NULL;
  tenantdb_session_close(session);
}

static void test_purged_elsewhere(void **state) {
  (void)state;
  tenantdb_tenant_free(fixture_tenant(db, "gone"));
  tenantdb_session *session = fixture_session(db, "gone");
  fixture_run(session, "SELECT 1");
  harness_assert_ok(tenantdb_tenant_purge(other, "gone", 1, &error), error);
  harness_assert_status(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                        TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT);
  tenantdb_error_free(error);
  tenantdb_session_close(session);
}

/* The schema dropped behind our back: nothing may land in another one. */
static void test_schema_dropped(void **state) {
  (void)state;
  tenantdb_tenant *tenant = fixture_tenant(db, "lost");
  harness_sql(url, "CREATE TABLE public.notes (body text)");
  for (int inside = 0; inside < 2; inside++) {
    tenantdb_session *session = fixture_session(db, "lost");
    if (!inside) {
      harness_sql(url, "DROP SCHEMA %s CASCADE", tenantdb_tenant_schema(tenant));
    } else {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    }
    fixture_assert_refused(
        tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('astray')", NULL, NULL, &error),
        error, TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED, "nothing was run");
    fixture_assert_refused(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                           TENANTDB_STATE, TENANTDB_REASON_SESSION_BROKEN, "connection is gone");
    tenantdb_session_close(session);
  }
  assert_int_equal(harness_count(url, "SELECT count(*) FROM public.notes"), 0);
  harness_sql(url, "DROP TABLE public.notes");
  tenantdb_tenant_free(tenant);
}

/* The role's rights or the role itself gone, with the tenant still active. */
static void test_role_gone(void **state) {
  (void)state;
  tenantdb_tenant *tenant = fixture_tenant(db, "rightless");
  const char *role = tenantdb_tenant_role(tenant);
  tenantdb_session *session = fixture_session(db, "rightless");
  harness_sql(url, "REVOKE USAGE ON SCHEMA %s FROM \"%s\"", tenantdb_tenant_schema(tenant), role);
  fixture_assert_refused(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                         TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED, role);
  tenantdb_session_close(session);
  harness_sql(url, "DROP OWNED BY \"%s\"; DROP ROLE \"%s\"", role, role);
  session = fixture_session(db, "rightless");
  fixture_assert_refused(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                         TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED, "cannot be taken on");
  tenantdb_session_close(session);
  tenantdb_tenant_free(tenant);
}

/* ---------------------------------------------------------------- nothing is left to the next session */

/* The connection, as libpq knows it: behind a pooler its process of the server changes. */
static int backend(tenantdb_session *session) {
  fixture_run(session, "SELECT 1");
  return PQbackendPID(tenantdb_session_pgconn(session));
}

static void test_no_leaks(void **state) {
  (void)state;
  static const char *const traces[] = {
      "SET statement_timeout = '77s'",
      "SELECT set_config('statement_timeout', '77s', false)",
      "LISTEN something",
      "CREATE TEMP TABLE t (i int)",
      "SELECT 1 AS i INTO TEMP t",
      "PREPARE p AS SELECT 1",
      "DO $$ BEGIN PERFORM set_config('statement_timeout', '77s', false); END $$",
      "SELECT pg_advisory_lock(4711)",
      "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
  };
  tenantdb_tenant_free(fixture_tenant(db, "tidy"));
  for (size_t i = 0; i < 2 * (sizeof traces / sizeof traces[0]); i++) {
    bool inside = i % 2 == 1;
    tenantdb_session *session = fixture_session(db, "tidy");
    int before = backend(session);
    if (inside) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    }
    if (harness_behind_pooler() && strncmp(traces[i / 2], "DO", 2) == 0) {
      /* What a DO block does cannot be seen, and stays: doc/guide/poolers.md says so. */
    } else if (harness_behind_pooler()) {
      /* Closing the connection would not help there: the pooler keeps its own. */
      harness_assert_fails(tenantdb_session_query(session, traces[i / 2], NULL, NULL, &error), error,
                           TENANTDB_UNSUPPORTED, TENANTDB_REASON_POOLER_BETWEEN);
    } else {
      fixture_run(session, traces[i / 2]);
    }
    if (inside) {
      harness_assert_ok(tenantdb_session_commit(session, &error), error);
    }
    tenantdb_session_close(session);
    session = fixture_session(db, "tidy");
    if (!harness_behind_pooler() && backend(session) == before) {
      fail_msg("the connection was handed on after: %s", traces[i / 2]);
    }
    assert_string_equal(fixture_cell(session, "SHOW statement_timeout"), "0");
    tenantdb_session_close(session);
  }
}

/* What leaves nothing keeps its connection, also after failures. */
static void test_clean_connection_is_kept(void **state) {
  (void)state;
  static const char *const clean[] = {"SELECT 1",
                                      "INSERT INTO notes (body) VALUES ('x')",
                                      "UPDATE notes SET body = 'y'",
                                      "DELETE FROM notes",
                                      "SELECT 1/0",
                                      "SHOW timezone",
                                      "EXPLAIN SELECT 1",
                                      "VALUES (1)",
                                      "WITH w AS (DELETE FROM notes RETURNING *) SELECT * FROM w",
                                      "SELECT * FROM nowhere"};
  tenantdb_tenant_free(fixture_tenant(db, "clean"));
  tenantdb_session *session = fixture_session(db, "clean");
  int first = backend(session);
  tenantdb_session_close(session);
  for (size_t i = 0; i < sizeof clean / sizeof clean[0]; i++) {
    session = fixture_session(db, "clean");
    (void)tenantdb_session_query(session, clean[i], NULL, NULL, NULL);
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    harness_assert_ok(tenantdb_session_savepoint(session, "s", &error), error);
    (void)tenantdb_session_query(session, clean[i], NULL, NULL, NULL);
    tenantdb_session_close(session);
    session = fixture_session(db, "clean");
    if (backend(session) != first) {
      fail_msg("the connection was closed after: %s", clean[i]);
    }
    tenantdb_session_close(session);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_states),
      cmocka_unit_test(test_suspended_elsewhere),
      cmocka_unit_test(test_suspended_in_transaction),
      cmocka_unit_test(test_purged_elsewhere),
      cmocka_unit_test(test_schema_dropped),
      cmocka_unit_test(test_role_gone),
      cmocka_unit_test(test_no_leaks),
      cmocka_unit_test(test_clean_connection_is_kept),
  };
  return cmocka_run_group_tests_name("session scope", tests, setup, teardown);
}

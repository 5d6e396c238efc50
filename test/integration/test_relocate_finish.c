/* SPDX-License-Identifier: PostgreSQL */
/* What works under both names of a table behind views, and when the old names may go. */
#include <libpq-fe.h>
#include <pthread.h>

#include "relocate_fixture.h"

static tenantdb_error *error;

static void as(const char *url, const char *role, const char *code, const char *sql) {
  char *theirs = harness_url_with(url, NULL, role, NULL);
  const char *got = harness_sqlstate(theirs, "%s", sql);
  if (strcmp(got, code) != 0) {
    fail_msg("%s: %s instead of %s", sql, got, code);
  }
  free(theirs);
}

/* Every kind of statement, under the name in schema `s`. */
static void use(const char *url, const char *s) {
  harness_sql(url, "DELETE FROM %s.users WHERE email IN ('a', 'b', 'c')", s);
  int64_t id = harness_count(url, "INSERT INTO %s.users (email) VALUES ('a') RETURNING id", s);
  assert_int_equal(
      harness_count(url, "SELECT touched FROM %s.users WHERE id = %lld AND mood = 'fine' AND short = 'a'", s,
                    (long long)id),
      0);
  assert_int_equal(harness_count(url,
                                 "INSERT INTO %s.users (email, touched) VALUES ('a', 5) ON CONFLICT (email) "
                                 "DO UPDATE SET touched = excluded.touched RETURNING touched",
                                 s),
                   6);
  assert_int_equal(
      harness_count(url,
                    "INSERT INTO %s.users (id, email) VALUES (DEFAULT, 'b'), (DEFAULT, 'c') RETURNING id", s),
      id + 2);
  harness_sql(url, "INSERT INTO %s.users (email) VALUES ('a') ON CONFLICT DO NOTHING", s);
  assert_int_equal(
      harness_count(url, "INSERT INTO %s.conversations VALUES (DEFAULT, %lld, 't') RETURNING user_id", s,
                    (long long)id),
      id);
  assert_string_equal(
      harness_sqlstate(url, "INSERT INTO %s.conversations (id, user_id, title) VALUES (1, 1, 't')", s),
      "428C9");
  assert_int_equal(harness_count(url,
                                 "INSERT INTO %s.conversations (id, user_id, title) OVERRIDING SYSTEM VALUE "
                                 "VALUES (-1, %lld, 't') RETURNING id",
                                 s, (long long)id),
                   -1);
  assert_string_equal(
      harness_sqlstate(url, "INSERT INTO %s.conversations (user_id, title) VALUES (-7, 't')", s), "23503");
  assert_string_equal(
      harness_sqlstate(url, "INSERT INTO %s.conversations (user_id, title) VALUES (1, '')", s), "23514");
  assert_int_equal(
      harness_count(
          url,
          "WITH w AS (INSERT INTO %s.users (email) VALUES ('d') RETURNING id), x AS (INSERT INTO "
          "%s.conversations (user_id, title) SELECT id, 'd' FROM w RETURNING user_id) SELECT count(*) FROM x",
          s, s),
      1);
  harness_sql(
      url, "BEGIN; SELECT * FROM %s.users WHERE id = 1 FOR UPDATE; LOCK TABLE %s.users IN SHARE MODE; COMMIT",
      s, s);
  assert_int_equal(harness_count(url, "DELETE FROM %s.users WHERE email = 'd' RETURNING 1", s), 1);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.conversations WHERE title = 'd'", s), 0);
  assert_int_equal(harness_count(url,
                                 "UPDATE %s.\"Odd Name\" SET \"select\" = 'y', moods = '{fine,sad}' WHERE "
                                 "\"a \"\"b\" = 1 RETURNING 1",
                                 s),
                   1);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.sad_users", s), 10);
}

static void rights(const char *url, const char *s, const char *app) {
  char sql[200];
#define AS(code, text) (snprintf(sql, sizeof sql, text, s), as(url, app, code, sql))
  AS("00000", "UPDATE %s.users SET mood = mood WHERE id = 1");
  AS("00000", "UPDATE %s.conversations SET title = 'y'");
  AS("42501", "UPDATE %s.conversations SET user_id = 1");
  AS("42501", "SELECT * FROM %s.conversations");
  AS("42501", "SELECT * FROM %s.\"Odd Name\"");
  AS("42501", "DELETE FROM %s.users");
#undef AS
}

static void test_both_names(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  const char *app = harness_role("LOGIN");
  harness_sql(
      url,
      "GRANT SELECT, INSERT, UPDATE ON users TO %s WITH GRANT OPTION; GRANT UPDATE (title) ON "
      "conversations TO %s; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO %s; ALTER DEFAULT PRIVILEGES "
      "IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC",
      app, app, app);
  char view[300];
  snprintf(view, sizeof view,
           "CREATE VIEW \"teddy-ai\".users %sAS SELECT id, email, mood, short, touched, ticket, at FROM "
           "public.users",
           relocate_server(url) >= 15 ? "WITH (security_invoker = true) " : "");
  tenantdb_result *plan = relocate_ok(db, 0, RELOCATE_BY_VIEWS);
  assert_int_equal(relocate_rows(plan, 4, "planned"), tenantdb_result_rows(plan) - 1);
  assert_int_equal(relocate_rows(plan, 2, view), 1);
  assert_int_equal(relocate_rows(plan, 2, "CREATE VIEW public.users "), 1);
  assert_int_equal(relocate_rows(plan, 2, "ALTER SEQUENCE \"public\".users_id_seq OWNED BY NONE"), 1);
  assert_int_equal(relocate_rows(plan, 5, "an identity column's sequence goes along"), 1);
  tenantdb_result_free(plan);
  relocate_assert_holds(url, "public", RELOCATE_OLD_TABLES " v:x_theirs");
  use(url, "public");
  relocate_do(db, RELOCATE_BY_VIEWS);
  relocate_assert_holds(url, "public", RELOCATE_OLD_VIEWS " v:x_theirs");
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_NEW_STANDING);
  use(url, "public");
  use(url, "\"teddy-ai\"");
  rights(url, "public", app);
  rights(url, "\"teddy-ai\"", app);
  as(url, app, "00000", "GRANT SELECT ON public.users TO PUBLIC");
  harness_sql(url, "SELECT nextval('public.users_id_seq'), 'sad'::public.mood < 'fine', public.shorten('x')");
  assert_true(harness_count(url, "SELECT count(*) FROM public.x_theirs") > 0);
  /* Again: all is there. At once: not before this is finished. */
  plan = relocate_ok(db, 1, RELOCATE_BY_VIEWS);
  assert_int_equal(relocate_rows(plan, 4, "there"), 1);
  tenantdb_result_free(plan);
  fixture_assert_error(relocate_refused(db, RELOCATE_AT_ONCE, NULL), TENANTDB_STATE,
                       TENANTDB_REASON_RELOCATION_OPEN, "from schema public to teddy-ai is not finished");
  fixture_assert_error(relocate_refused(db, FIXTURE_OPTIONS("to", "other", "way", "views"), NULL),
                       TENANTDB_STATE, TENANTDB_REASON_RELOCATION_OPEN, "not finished");
  tenantdb_result *done = NULL;
  harness_assert_ok(tenantdb_reconcile(db, &done, &error), error);
  assert_int_equal(relocate_rows(done, 3, "tenantdb_relocate_finish()"), 1);
  tenantdb_result_free(done);
  /* Both versions bootstrap, and both have nothing to make. */
  tenantdb *newer = relocate_open(url, RELOCATE_NEW);
  harness_assert_ok(tenantdb_bootstrap(newer, &error), error);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  relocate_assert_holds(url, "public", RELOCATE_OLD_VIEWS " v:x_theirs");
  tenantdb_relocate_options *options = relocate_options(FIXTURE_OPTIONS("force", "on"));
  harness_assert_ok(tenantdb_relocate_finish(newer, options, 0, &plan, &error), error);
  assert_int_equal(relocate_rows(plan, 2, "DROP VIEW \"public\".\"Odd Name\", \"public\".conversations"), 1);
  assert_int_equal(
      relocate_rows(plan, 2, "ALTER SEQUENCE \"teddy-ai\".users_id_seq OWNED BY \"teddy-ai\".users.id"), 1);
  tenantdb_result_free(plan);
  tenantdb_relocate_options_free(options);
  relocate_assert_holds(url, "public", RELOCATE_OLD_VIEWS " v:x_theirs");
  relocate_finish(newer, NULL);
  relocate_assert_holds(url, "public", "v:x_theirs");
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_OLD_TABLES);
  use(url, "\"teddy-ai\"");
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM pg_depend WHERE objid = '\"teddy-ai\".users_id_seq'::regclass AND "
                    "deptype = 'a' AND refobjid = '\"teddy-ai\".users'::regclass"),
      1);
  assert_int_equal(
      harness_count(
          url, "SELECT count(*) FROM tenantdb.relocations WHERE state = 'done' AND finished_at > moved_at"),
      1);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.operations WHERE state = 'running'"), 0);
  fixture_assert_error(relocate_finish_refused(newer, NULL, NULL), TENANTDB_STATE,
                       TENANTDB_REASON_NO_RELOCATION, "no relocation by views");
  /* And another one, the other way, with the other choice about sequences, types and functions. */
  relocate_do(db, FIXTURE_OPTIONS("from", RELOCATE_NEW, "to", "public", "way", "views", "names", "new"));
  relocate_assert_holds(url, "public", RELOCATE_OLD_TABLES " v:x_theirs");
  relocate_assert_holds(url, RELOCATE_NEW, "v:Odd Name v:conversations v:sad_users v:users");
  use(url, "public");
  use(url, "\"teddy-ai\"");
  relocate_finish(db, NULL);
  relocate_assert_holds(url, RELOCATE_NEW, "");
  tenantdb_close(newer);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Row security is the caller's: what he may not see of the table he does not see through the view. */
static void test_row_security(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  const char *app = harness_role("LOGIN");
  harness_sql(url,
              "GRANT SELECT ON users TO %s; ALTER TABLE users ENABLE ROW LEVEL SECURITY; CREATE POLICY few "
              "ON users TO "
              "%s USING (id < 1000); INSERT INTO users (id, email) VALUES (5000, 'hidden')",
              app, app);
  if (relocate_server(url) < 15) {
    fixture_assert_error(relocate_refused(db, RELOCATE_BY_VIEWS, NULL), TENANTDB_STATE,
                         TENANTDB_REASON_RELOCATION_REFUSED, "past its policies: relocate it at once");
    relocate_do(db, RELOCATE_AT_ONCE);
  } else {
    relocate_do(db, RELOCATE_BY_VIEWS);
    char *theirs = harness_url_with(url, NULL, app, NULL);
    assert_int_equal(harness_count(theirs, "SELECT count(*) FROM public.users"), 30);
    assert_int_equal(harness_count(theirs, "SELECT count(*) FROM \"teddy-ai\".users"), 30);
    free(theirs);
    relocate_finish(db, FIXTURE_OPTIONS("force", "on"));
  }
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_OLD_TABLES);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- finishing is refused */

static void used(tenantdb *db, const char *text, const char *const *given) {
  tenantdb_result *plan = NULL;
  fixture_assert_error(relocate_finish_refused(db, given, &plan), TENANTDB_STATE,
                       TENANTDB_REASON_OLD_NAME_USED, text);
  assert_int_equal(relocate_rows(plan, 4, "done"), 0);
  assert_true(relocate_rows(plan, 4, "refused") >= 1);
  tenantdb_result_free(plan);
}

static void test_dependents(void **state) {
  (void)state;
  static const char *const things[][4] = {
      {"CREATE VIEW report AS SELECT count(*) FROM public.users", "DROP VIEW report",
       "view public.report: it depends on view public.users", "on"},
      {"CREATE MATERIALIZED VIEW stale AS SELECT email FROM public.users", "DROP MATERIALIZED VIEW stale",
       "materialized view public.stale", "on"},
      {"CREATE FUNCTION of(u public.users) RETURNS text LANGUAGE sql AS 'SELECT u.email'", "DROP FUNCTION of",
       "function public.of(public.users): it depends on view public.users", "on"},
      {"CREATE FUNCTION body() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM "
       "public.conversations; END",
       "DROP FUNCTION body", "function public.body(): it depends on view public.conversations", "on"},
      {"CREATE FUNCTION text() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM "
       "public.users); END'",
       "DROP FUNCTION public.text", "function public.text(): its text names public.users", "off"},
      {"CREATE FUNCTION seq() RETURNS bigint LANGUAGE sql AS 'SELECT nextval(''public.users_id_seq'')'",
       "DROP FUNCTION seq", "its text names public.users_id_seq", "off"}};
  tenantdb *db;
  const char *url = relocate_old(&db);
  relocate_do(db, RELOCATE_BY_VIEWS);
  for (size_t i = 0; i < sizeof things / sizeof things[0]; i++) {
    if (strstr(things[i][0], "ATOMIC") && relocate_server(url) < 14) {
      continue;
    }
    harness_sql(url, "%s", things[i][0]);
    used(db, things[i][2], NULL);
    if (strcmp(things[i][3], "on") == 0) {
      used(db, things[i][2], FIXTURE_OPTIONS("force", "on")); /* what others made is never dropped */
    }
    harness_sql(url, "%s", things[i][1]);
  }
  relocate_finish(db, NULL);
  relocate_assert_holds(url, "public", "v:x_theirs");
  tenantdb_close(db);
  harness_drop_database(url);
}

static PGconn *connect_named(const char *url) {
  PGconn *pg = PQconnectdb(url);
  PQclear(PQexec(pg, "SET application_name = 'last year'"));
  return pg;
}

static void *use_later(void *user) {
  fixture_pause_us(150000);
  PQclear(PQexec(user, "BEGIN; SELECT count(*) FROM users; SELECT 1"));
  return NULL;
}

static void test_sessions(void **state) {
  (void)state;
  tenantdb *db;
  pthread_t later;
  const char *url = relocate_old(&db);
  relocate_do(db, RELOCATE_BY_VIEWS);
  PGconn *pg = connect_named(url);
  PQclear(PQexec(pg, "BEGIN; SELECT count(*) FROM users"));
  used(db, "application last year): it holds or waits for a lock on public.users", NULL);
  PQclear(PQexec(pg, "COMMIT"));
  PQclear(PQexec(pg, "SELECT count(*) FROM \"public\".conversations"));
  used(db, "application last year): its last statement names \"public\".conversations", NULL);
  PQclear(PQexec(pg, "SELECT 1"));
  /* Who is not seen at one look is seen by one who watches. */
  assert_int_equal(pthread_create(&later, NULL, use_later, pg), 0);
  used(db, "application last year): it holds", FIXTURE_OPTIONS("watch", "5s"));
  pthread_join(later, NULL);
  /* With force a lock is still waited for, and no longer than is said. */
  tenantdb_result *plan = NULL;
  fixture_assert_error(
      relocate_finish_refused(db, FIXTURE_OPTIONS("force", "on", "lock_timeout", "50ms", "patience", "300ms"),
                              &plan),
      TENANTDB_BUSY, TENANTDB_REASON_LOCK_TIMEOUT, "");
  assert_null(plan);
  relocate_assert_holds(url, "public", RELOCATE_OLD_VIEWS " v:x_theirs");
  PQclear(PQexec(pg, "COMMIT"));
  PQclear(PQexec(pg, "SELECT count(*) FROM public.users"));
  relocate_finish(db, FIXTURE_OPTIONS("force", "on"));
  relocate_assert_holds(url, "public", "v:x_theirs");
  PQfinish(pg);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Somebody dropped one view, put a table in another's place, and took a name in the new schema. */
static void test_meddled(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  relocate_do(db, RELOCATE_BY_VIEWS);
  harness_sql(url,
              "DROP VIEW public.users; DROP VIEW public.\"Odd Name\"; CREATE TABLE public.\"Odd Name\" (mine "
              "integer); CREATE TYPE \"teddy-ai\".mood AS ENUM ('theirs')");
  harness_assert_status(tenantdb_relocate_finish(db, NULL, 1, NULL, &error), error, TENANTDB_ALREADY_EXISTS,
                        TENANTDB_REASON_SERVER_ERROR);
  harness_assert_message(error, "mood");
  tenantdb_error_free(error);
  error = NULL;
  relocate_assert_holds(url, "public",
                        "r:Odd Name v:conversations v:sad_users S:tickets S:users_id_seq v:x_theirs");
  harness_sql(url, "DROP TYPE \"teddy-ai\".mood");
  relocate_finish(db, NULL);
  relocate_assert_holds(url, "public", "r:Odd Name v:x_theirs");
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_OLD_TABLES);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- several callers */

enum { CALLERS = 6 };

static void *relocate_one(void *user) {
  tenantdb_error *own = NULL;
  tenantdb_relocate_options *options = relocate_options(RELOCATE_BY_VIEWS);
  tenantdb_status status = tenantdb_relocate(user, options, 1, NULL, &own);
  if (status && tenantdb_error_reason(own) != TENANTDB_REASON_OPERATION_HELD) {
    print_message("%s\n", tenantdb_error_message(own));
    status = TENANTDB_INTERNAL;
  }
  tenantdb_error_free(own);
  tenantdb_relocate_options_free(options);
  return (void *)(intptr_t)status;
}

static void *finish_one(void *user) {
  tenantdb_error *own = NULL;
  tenantdb_status status = tenantdb_relocate_finish(user, NULL, 1, NULL, &own);
  if (status && tenantdb_error_reason(own) != TENANTDB_REASON_NO_RELOCATION) {
    print_message("%s\n", tenantdb_error_message(own));
    status = TENANTDB_INTERNAL;
  }
  tenantdb_error_free(own);
  return (void *)(intptr_t)status;
}

static int run_callers(void *(*what)(void *), tenantdb *db) {
  pthread_t callers[CALLERS];
  int done = 0;
  for (int i = 0; i < CALLERS; i++) {
    assert_int_equal(pthread_create(&callers[i], NULL, what, db), 0);
  }
  for (int i = 0; i < CALLERS; i++) {
    void *status;
    pthread_join(callers[i], &status);
    assert_int_not_equal((intptr_t)status, TENANTDB_INTERNAL);
    done += status == NULL;
  }
  return done;
}

static void test_callers(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  assert_true(run_callers(relocate_one, db) >= 1);
  relocate_assert_holds(url, "public", RELOCATE_OLD_VIEWS " v:x_theirs");
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_NEW_STANDING);
  assert_int_equal(run_callers(finish_one, db), 1);
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_OLD_TABLES);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Who was killed has a lease for a while; then somebody goes on where he was. */
static void test_lease(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  tenantdb_result *done = NULL;
  PGconn *pg = PQconnectdb(url);
  PQclear(PQexec(pg, "BEGIN; LOCK TABLE conversations IN SHARE UPDATE EXCLUSIVE MODE"));
  tenantdb_error *failed = relocate_refused(
      db, FIXTURE_OPTIONS("to", RELOCATE_NEW, "way", "views", "lock_timeout", "20ms", "patience", "100ms"),
      NULL);
  assert_non_null(strstr(tenantdb_error_message(failed), "moving public.conversations"));
  assert_non_null(strstr(tenantdb_error_message(failed), "held by the server's processes"));
  fixture_assert_error(failed, TENANTDB_BUSY, TENANTDB_REASON_LOCK_TIMEOUT, "");
  fixture_assert_error(relocate_finish_refused(db, NULL, NULL), TENANTDB_STATE,
                       TENANTDB_REASON_RELOCATION_OPEN, "have not all moved");
  /* He has given up himself, so it is nobody's. */
  harness_assert_ok(tenantdb_reconcile(db, &done, &error), error);
  assert_int_equal(relocate_rows(done, 3, "tenantdb_relocate() goes on"), 1);
  tenantdb_result_free(done);
  use(url, "public");
  use(url, "\"teddy-ai\"");
  harness_sql(
      url, "UPDATE tenantdb.operations SET lease_until = now() + interval '1 hour' WHERE state = 'running'");
  PQclear(PQexec(pg, "COMMIT"));
  fixture_assert_error(relocate_refused(db, RELOCATE_BY_VIEWS, NULL), TENANTDB_BUSY,
                       TENANTDB_REASON_OPERATION_HELD, "somebody else is relocating");
  harness_sql(url,
              "UPDATE tenantdb.operations SET lease_until = now() - interval '1 s' WHERE state = 'running'");
  relocate_do(db, RELOCATE_BY_VIEWS);
  relocate_assert_holds(url, "public", RELOCATE_OLD_VIEWS " v:x_theirs");
  relocate_finish(db, NULL);
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_OLD_TABLES);
  PQfinish(pg);
  tenantdb_close(db);
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_both_names), cmocka_unit_test(test_row_security),
      cmocka_unit_test(test_dependents), cmocka_unit_test(test_sessions),
      cmocka_unit_test(test_meddled),    cmocka_unit_test(test_callers),
      cmocka_unit_test(test_lease),
  };
  return cmocka_run_group_tests_name("finishing a relocation", tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Sessions: what a scope lets through and what it keeps out. */
#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static char a_schema[64], b_schema[64];

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  tenantdb_tenant *a = fixture_tenant(db, "a");
  tenantdb_tenant *b = fixture_tenant(db, "b");
  snprintf(a_schema, sizeof a_schema, "%s", tenantdb_tenant_schema(a));
  snprintf(b_schema, sizeof b_schema, "%s", tenantdb_tenant_schema(b));
  tenantdb_tenant_free(a);
  tenantdb_tenant_free(b);
  harness_sql(url, "INSERT INTO plans VALUES (1, 'gold'); INSERT INTO secrets VALUES (1, 'canary')");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

/* ---------------------------------------------------------------- the scope */

static void test_own_rows(void **state) {
  (void)state;
  tenantdb_session *a = fixture_session(db, "a");
  tenantdb_session *b = fixture_session(db, "B");
  int64_t affected = 0;
  assert_string_equal(tenantdb_session_schema(a), a_schema);
  assert_int_equal(strlen(tenantdb_session_tenant(a)), 36);
  harness_assert_ok(
      tenantdb_session_exec(a, "INSERT INTO notes (body) VALUES ('of a'), ('too')", NULL, &affected, &error),
      error);
  assert_int_equal(affected, 2);
  fixture_run(b, "INSERT INTO notes (body) VALUES ('of b')");
  fixture_run(b, "INSERT INTO items (note_id, n) VALUES (1, 5)"); /* the serial's sequence is usable */
  assert_string_equal(fixture_cell(a, "SELECT count(*) FROM notes"), "2");
  assert_string_equal(fixture_cell(b, "SELECT body FROM notes"), "of b");
  assert_string_equal(fixture_cell(a, "SELECT current_schema"), a_schema);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.notes", a_schema), 2);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.items", b_schema), 1);
  harness_assert_ok(tenantdb_session_exec(a, "UPDATE notes SET body = 'x'", NULL, &affected, &error), error);
  assert_int_equal(affected, 2);
  harness_assert_ok(tenantdb_session_exec(a, "DELETE FROM notes", NULL, &affected, &error), error);
  assert_int_equal(affected, 2);
  assert_string_equal(fixture_cell(b, "SELECT count(*) FROM notes"), "1");
  tenantdb_session_close(a);
  tenantdb_session_close(b);
}

static void test_neighbour(void **state) {
  (void)state;
  tenantdb_session *session = fixture_session(db, "a");
  static const char *const forms[][2] = {
      {"SELECT * FROM ", ".notes"},
      {"INSERT INTO ", ".notes (body) VALUES ('in')"},
      {"UPDATE ", ".notes SET body = 'x'"},
      {"DELETE FROM ", ".notes"},
      {"TRUNCATE ", ".notes"},
      {"DROP TABLE ", ".notes"},
      {"DROP SCHEMA ", " CASCADE"},
      {"CREATE TABLE ", ".mine (i int)"},
      {"SELECT nextval('", ".notes_id_seq')"},
  };
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
    char sql[256];
    snprintf(sql, sizeof sql, "%s%s%s", forms[i][0], b_schema, forms[i][1]);
    harness_assert_status(tenantdb_session_query(session, sql, NULL, NULL, &error), error,
                          TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION);
    assert_string_equal(tenantdb_error_sqlstate(error), "42501");
    assert_string_equal(tenantdb_error_tenant(error), "a");
    assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_NEVER);
    tenantdb_error_free(error);
  }
  /* Nor may it change its own schema. */
  fixture_assert_refused(tenantdb_session_query(session, "CREATE TABLE own (i int)", NULL, NULL, &error),
                         error, TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION, "permission denied");
  fixture_assert_refused(tenantdb_session_query(session, "DROP TABLE notes", NULL, NULL, &error), error,
                         TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION, "must be owner");
  tenantdb_session_close(session);
}

static void test_shared_tables(void **state) {
  (void)state;
  tenantdb_session *session = fixture_session(db, "a");
  harness_assert_status(tenantdb_session_query(session, "SELECT * FROM plans", NULL, NULL, &error), error,
                        TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR);
  assert_string_equal(tenantdb_error_sqlstate(error), "42P01");
  assert_non_null(strstr(tenantdb_error_hint(error), "{base.table}"));
  assert_int_equal(tenantdb_error_position(error), 15);
  tenantdb_error_free(error);
  assert_string_equal(fixture_cell(session, "SELECT name FROM public.plans"), "gold");
  fixture_assert_refused(tenantdb_session_query(session, "SELECT * FROM public.secrets", NULL, NULL, &error),
                         error, TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION, "secrets");
  fixture_assert_refused(
      tenantdb_session_query(session, "UPDATE public.plans SET name = 'x'", NULL, NULL, &error), error,
      TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION, "plans");
  fixture_assert_refused(
      tenantdb_session_query(session, "SELECT * FROM tenantdb.tenants", NULL, NULL, &error), error,
      TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION, "tenantdb");
  tenantdb_session_close(session);
}

static void test_base_grant(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb_registry *registry = fixture_registry();
  tenantdb_base_grant(tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED), "SELECT, INSERT");
  tenantdb *granted = fixture_open(own, registry, NULL);
  harness_assert_ok(tenantdb_bootstrap(granted, &error), error);
  tenantdb_tenant_free(fixture_tenant(granted, "t"));
  tenantdb_session *session = fixture_session(granted, "t");
  fixture_run(session, "INSERT INTO public.secrets VALUES (2, 'mine')");
  assert_string_equal(fixture_cell(session, "SELECT value FROM public.secrets"), "mine");
  fixture_assert_refused(tenantdb_session_query(session, "DELETE FROM public.secrets", NULL, NULL, &error),
                         error, TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION, "secrets");
  fixture_assert_refused(
      tenantdb_session_query(session, "INSERT INTO public.plans VALUES (1, 'x')", NULL, NULL, &error), error,
      TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION, "plans"); /* its own grant goes first */
  tenantdb_session_close(session);
  tenantdb_close(granted);
  /* With another registry the next bootstrap takes back what is not declared any more. */
  granted = fixture_ready(own, NULL);
  session = fixture_session(granted, "t");
  fixture_assert_refused(tenantdb_session_query(session, "SELECT * FROM public.secrets", NULL, NULL, &error),
                         error, TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION, "secrets");
  tenantdb_session_close(session);
  tenantdb_close(granted);
  harness_drop_database(own);
}

static void test_shared_session(void **state) {
  (void)state;
  tenantdb_session *session = NULL;
  harness_assert_ok(tenantdb_session_open_shared(db, NULL, &session, &error), error);
  assert_string_equal(tenantdb_session_tenant(session), "");
  assert_string_equal(tenantdb_session_schema(session), "public");
  assert_string_equal(fixture_cell(session, "SELECT value FROM secrets"), "canary");
  harness_assert_status(tenantdb_session_query(session, "SELECT * FROM notes", NULL, NULL, &error), error,
                        TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR);
  assert_string_equal(tenantdb_error_tenant(error), "");
  tenantdb_error_free(error);
  tenantdb_session_close(session);
}

static void test_statement(void **state) {
  (void)state;
  tenantdb_registry *registry = fixture_registry();
  tenantdb_statement *statement = NULL;
  tenantdb_session *session = fixture_session(db, "b");
  tenantdb_result *result = NULL;
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_int64(params, 1);
  harness_assert_ok(tenantdb_statement_new(registry,
                                           "SELECT p.name, (SELECT count(*) FROM {notes}), '{notes}' FROM "
                                           "{Central.plans} p WHERE id = $1",
                                           &statement, &error),
                    error);
  fixture_run(session, "DELETE FROM notes");
  harness_assert_ok(tenantdb_session_run(session, statement, params, &result, &error), error);
  assert_string_equal(tenantdb_result_value(result, 0, 0), "gold");
  assert_string_equal(tenantdb_result_value(result, 0, 1), "0");
  assert_string_equal(tenantdb_result_value(result, 0, 2), "{notes}");
  tenantdb_result_free(result);
  tenantdb_session_close(session);
  harness_assert_ok(tenantdb_session_open_shared(db, NULL, &session, &error), error);
  fixture_assert_refused(tenantdb_session_run(session, statement, params, &result, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_MISSING_SCHEMA_NAME, "schema");
  tenantdb_session_close(session);
  tenantdb_statement_free(statement);
  tenantdb_params_free(params);
  tenantdb_registry_free(registry);
}

/* A temporary table of a tenant table's name is never taken for it. */
static void test_temporary_table(void **state) {
  (void)state;
  tenantdb_session *session = fixture_session(db, "a");
  fixture_run(session, "DELETE FROM notes");
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "CREATE TEMP TABLE notes (body text) ON COMMIT DROP");
  fixture_run(session, "INSERT INTO pg_temp.notes VALUES ('false')");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('true')");
  assert_string_equal(fixture_cell(session, "SELECT body FROM notes"), "true");
  harness_assert_ok(tenantdb_session_commit(session, &error), error);
  assert_string_equal(fixture_cell(session, "SELECT string_agg(body, ',') FROM notes"), "true");
  tenantdb_session_close(session);
}

/* At level routing nothing is enforced, but names still mean the own schema only. */
static void test_routing(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb *routing = fixture_ready(own, FIXTURE_OPTIONS("isolation.level", "routing"));
  tenantdb_tenant *tenant = fixture_tenant(routing, "r");
  assert_string_equal(tenantdb_tenant_role(tenant), "");
  tenantdb_tenant_free(tenant);
  tenantdb_session *session = fixture_session(routing, "r");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "1");
  fixture_assert_refused(tenantdb_session_query(session, "SELECT * FROM plans", NULL, NULL, &error), error,
                         TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "plans");
  assert_string_equal(fixture_findings(routing, "r"), "");
  tenantdb_session_close(session);
  tenantdb_close(routing);
  harness_drop_database(own);
}

/* ---------------------------------------------------------------- misuse */

static void test_bad_calls(void **state) {
  (void)state;
  tenantdb_session *session = (tenantdb_session *)url;
  fixture_assert_refused(tenantdb_session_open(db, "nobody", NULL, &session, &error), error,
                         TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT, "there is no tenant \"nobody\"");
  assert_null(session);
  fixture_assert_refused(tenantdb_session_open(db, NULL, NULL, &session, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "tenant is NULL");
  fixture_assert_refused(tenantdb_session_open(db, "a", NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "session is NULL");
  fixture_assert_refused(tenantdb_session_query(NULL, "SELECT 1", NULL, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "session is NULL");
  tenantdb_session_close(NULL);
  session = fixture_session(db, "a");
  fixture_assert_refused(tenantdb_session_query(session, NULL, NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "sql is NULL");
  static const char *const empty[] = {"", "  ", ";", "-- nothing", "/* nothing */ ;"};
  for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
    fixture_assert_refused(tenantdb_session_query(session, empty[i], NULL, NULL, &error), error,
                           TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "empty");
  }
  fixture_assert_refused(tenantdb_session_query(session, "SELECT 1; SELECT 2", NULL, NULL, &error), error,
                         TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "multiple commands");
  fixture_assert_refused(tenantdb_session_query(session, "SELEC", NULL, NULL, &error), error, TENANTDB_SQL,
                         TENANTDB_REASON_SERVER_ERROR, "syntax error");
  fixture_assert_refused(tenantdb_session_query(session, "SELECT 1/0", NULL, NULL, &error), error,
                         TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "division by zero");
  assert_string_equal(fixture_cell(session, "SELECT 7"), "7");
  tenantdb_session_close(session);
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "timeot", "1s");
  tenantdb_session_options_set(options, "timeout", "1s");
  fixture_assert_refused(tenantdb_session_open(db, "a", options, &session, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_UNKNOWN_OPTION, "did you mean \"timeout\"?");
  tenantdb_session_options_free(options);
  options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "timeout", "soon");
  fixture_assert_refused(tenantdb_session_open(db, "a", options, &session, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_OPTION_VALUE, "\"soon\" is not a duration");
  tenantdb_session_options_free(options);
}

static void test_transaction_words(void **state) {
  (void)state;
  static const char *const words[] = {"BEGIN",
                                      "begin work",
                                      "START TRANSACTION",
                                      "COMMIT",
                                      "END",
                                      "ROLLBACK",
                                      "ABORT",
                                      "  /* c */ -- d\n commit",
                                      "SAVEPOINT a",
                                      "RELEASE a",
                                      "ROLLBACK TO a",
                                      "PREPARE TRANSACTION 'x'",
                                      "COMMIT PREPARED 'x'",
                                      "ROLLBACK PREPARED 'x'",
                                      ";COMMIT",
                                      "COMMIT AND CHAIN"};
  tenantdb_session *session = fixture_session(db, "a");
  for (int inside = 0; inside < 2; inside++) {
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
      fixture_assert_refused(tenantdb_session_query(session, words[i], NULL, NULL, &error), error,
                             TENANTDB_ARGUMENT, TENANTDB_REASON_TRANSACTION_CONTROL,
                             "tenantdb_session_begin()");
    }
    if (!inside) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
      fixture_run(session, "SELECT 1");
    }
  }
  assert_string_equal(fixture_cell(session, "SELECT current_schema"), a_schema);
  harness_assert_ok(tenantdb_session_commit(session, &error), error);
  tenantdb_session_close(session);
}

/* A DO block or procedure that commits takes the scope away: nothing may run after it unscoped. */
static void test_hidden_commit(void **state) {
  (void)state;
  tenantdb_session *session = fixture_session(db, "a");
  tenantdb_status status = tenantdb_session_query(session, "DO $$ BEGIN COMMIT; END $$", NULL, NULL, &error);
  assert_int_not_equal(status, TENANTDB_OK);
  tenantdb_error_free(error);
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  status = tenantdb_session_query(session, "DO $$ BEGIN COMMIT; END $$", NULL, NULL, &error);
  assert_int_not_equal(status, TENANTDB_OK);
  tenantdb_error_free(error);
  tenantdb_session_close(session);
  session = fixture_session(db, "a");
  assert_string_equal(fixture_cell(session, "SELECT current_schema"), a_schema);
  tenantdb_session_close(session);
}

static void test_copy(void **state) {
  (void)state;
  static const char *const copies[] = {"COPY notes TO STDOUT", "COPY notes (body) FROM STDIN"};
  for (size_t i = 0; i < 4; i++) {
    tenantdb_session *session = fixture_session(db, "a");
    if (i >= 2) {
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    }
    fixture_assert_refused(tenantdb_session_query(session, copies[i % 2], NULL, NULL, &error), error,
                           TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE,
                           "COPY cannot be run as a query");
    tenantdb_session_close(session);
  }
  tenantdb_session *session = fixture_session(db, "a");
  assert_string_equal(fixture_cell(session, "SELECT 1"), "1");
  tenantdb_session_close(session);
}

static void test_closed_database(void **state) {
  (void)state;
  tenantdb *other = fixture_ready(url, NULL);
  tenantdb_session *idle = fixture_session(other, "a");
  tenantdb_session *inside = fixture_session(other, "a");
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_session_begin(inside, NULL, &error), error);
  harness_assert_ok(tenantdb_session_query(inside, "INSERT INTO notes (body) VALUES ('lost') RETURNING body",
                                           NULL, &result, &error),
                    error);
  tenantdb_close(other);
  fixture_assert_refused(tenantdb_session_query(idle, "SELECT 1", NULL, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_DATABASE_CLOSED, "the database is closed");
  fixture_assert_refused(tenantdb_session_begin(idle, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_DATABASE_CLOSED, "the database is closed");
  fixture_assert_refused(tenantdb_session_commit(inside, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_DATABASE_CLOSED, "the database is closed");
  assert_string_equal(tenantdb_session_schema(idle), a_schema);
  tenantdb_session_close(idle);
  tenantdb_session_close(inside);
  assert_string_equal(tenantdb_result_value(result, 0, 0), "lost"); /* results outlive everything */
  tenantdb_result_free(result);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.notes WHERE body = 'lost'", a_schema), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_own_rows),        cmocka_unit_test(test_neighbour),
      cmocka_unit_test(test_shared_tables),   cmocka_unit_test(test_base_grant),
      cmocka_unit_test(test_shared_session),  cmocka_unit_test(test_statement),
      cmocka_unit_test(test_temporary_table), cmocka_unit_test(test_routing),
      cmocka_unit_test(test_bad_calls),       cmocka_unit_test(test_transaction_words),
      cmocka_unit_test(test_hidden_commit),   cmocka_unit_test(test_copy),
      cmocka_unit_test(test_closed_database),
  };
  return cmocka_run_group_tests_name("session", tests, setup, teardown);
}

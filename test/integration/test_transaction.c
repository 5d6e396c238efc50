/* SPDX-License-Identifier: PostgreSQL */
/* Transactions and savepoints of a session. */
#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static tenantdb_session *session;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static int open_session(void **state) {
  (void)state;
  session = fixture_session(db, "a");
  fixture_run(session, "DELETE FROM notes");
  return 0;
}

static int close_session(void **state) {
  (void)state;
  tenantdb_session_close(session);
  return 0;
}

static void begin(const char *mode) {
  harness_assert_ok(tenantdb_session_begin(session, mode, &error), error);
}

static const char *bodies(void) {
  return fixture_cell(session, "SELECT coalesce(string_agg(body, ',' ORDER BY id), '') FROM notes");
}

static void test_commit_rollback(void **state) {
  (void)state;
  begin(NULL);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('kept')");
  harness_assert_ok(tenantdb_session_commit(session, &error), error);
  begin(NULL);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('dropped')");
  assert_string_equal(bodies(), "kept,dropped");
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  assert_string_equal(bodies(), "kept");
  begin(NULL);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('left open')");
  tenantdb_session_close(session);
  session = fixture_session(db, "a");
  assert_string_equal(bodies(), "kept");
}

static void test_empty_transactions(void **state) {
  (void)state;
  begin(NULL);
  harness_assert_ok(tenantdb_session_commit(session, &error), error);
  begin(NULL);
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  assert_string_equal(bodies(), "");
}

static void test_out_of_place(void **state) {
  (void)state;
  fixture_assert_refused(tenantdb_session_commit(session, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_TRANSACTION, "there is no transaction");
  fixture_assert_refused(tenantdb_session_rollback(session, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_TRANSACTION, "there is no transaction");
  fixture_assert_refused(tenantdb_session_savepoint(session, "s", &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_TRANSACTION, "there is no transaction");
  fixture_assert_refused(tenantdb_session_rollback_to(session, "s", &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_TRANSACTION, "there is no transaction");
  begin(NULL);
  fixture_assert_refused(tenantdb_session_begin(session, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_IN_TRANSACTION, "a transaction is open already");
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
}

/* A failure in the middle: what follows is refused, COMMIT too, and nothing of it stays. */
static void test_failure_in_the_middle(void **state) {
  (void)state;
  begin(NULL);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('before')");
  harness_assert_status(
      tenantdb_session_query(session, "INSERT INTO items (n) VALUES (-1)", NULL, NULL, &error), error,
      TENANTDB_CONSTRAINT, TENANTDB_REASON_SERVER_CONSTRAINT);
  assert_string_equal(tenantdb_error_sqlstate(error), "23514");
  assert_string_equal(tenantdb_error_constraint(error), "n_positive");
  tenantdb_error_free(error);
  for (int i = 0; i < 2; i++) {
    fixture_assert_refused(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                           TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED,
                           "the transaction failed earlier");
  }
  fixture_assert_refused(tenantdb_session_savepoint(session, "s", &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_TRANSACTION_FAILED, "the transaction failed earlier");
  fixture_assert_refused(tenantdb_session_commit(session, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_TRANSACTION_FAILED, "rolled back instead of committed");
  assert_string_equal(bodies(), "");
  /* Rolling back does as well. */
  begin(NULL);
  fixture_assert_refused(tenantdb_session_query(session, "SELECT 1/0", NULL, NULL, &error), error,
                         TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "division by zero");
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  assert_string_equal(bodies(), "");
}

static void test_savepoint_revives(void **state) {
  (void)state;
  begin(NULL);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('one')");
  harness_assert_ok(tenantdb_session_savepoint(session, "here", &error), error);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('two')");
  fixture_assert_refused(tenantdb_session_query(session, "SELECT * FROM nowhere", NULL, NULL, &error), error,
                         TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "nowhere");
  fixture_assert_refused(tenantdb_session_rollback_to(session, "", &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_IDENTIFIER, "savepoint name");
  fixture_assert_refused(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED, "failed earlier");
  harness_assert_ok(tenantdb_session_rollback_to(session, "here", &error), error);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('three')");
  harness_assert_ok(tenantdb_session_release_savepoint(session, "here", &error), error);
  harness_assert_ok(tenantdb_session_commit(session, &error), error);
  assert_string_equal(bodies(), "one,three");
}

static void test_unknown_savepoint(void **state) {
  (void)state;
  begin(NULL);
  fixture_run(session, "SELECT 1");
  harness_assert_status(tenantdb_session_rollback_to(session, "nowhere", &error), error, TENANTDB_SQL,
                        TENANTDB_REASON_SERVER_ERROR);
  assert_string_equal(tenantdb_error_sqlstate(error), "3B001");
  tenantdb_error_free(error);
  fixture_assert_refused(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED, "failed earlier");
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
}

static void test_savepoint_names(void **state) {
  (void)state;
  static const char *const names[] = {"it's", "a\"b", "a\"; COMMIT; --", "sélection", "select", "With Blank"};
  begin(NULL);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    harness_assert_ok(tenantdb_session_savepoint(session, names[i], &error), error);
    fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
    harness_assert_ok(tenantdb_session_rollback_to(session, names[i], &error), error);
    harness_assert_ok(tenantdb_session_release_savepoint(session, names[i], &error), error);
  }
  char long_name[65];
  memset(long_name, 'n', 64);
  long_name[64] = '\0';
  fixture_assert_refused(tenantdb_session_savepoint(session, long_name, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_IDENTIFIER, "63");
  fixture_assert_refused(tenantdb_session_savepoint(session, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "name is NULL");
  harness_assert_ok(tenantdb_session_commit(session, &error), error);
  assert_string_equal(bodies(), "");
}

static void test_modes(void **state) {
  (void)state;
  static const struct {
    const char *mode, *isolation, *read_only;
  } good[] = {
      {NULL, "read committed", "off"},
      {"", "read committed", "off"},
      {"isolation level serializable", "serializable", "off"},
      {"Isolation  Level\tRepeatable Read , READ ONLY", "repeatable read", "on"},
      {"read write, not deferrable", "read committed", "off"},
      {"isolation level serializable, read only, deferrable", "serializable", "on"},
  };
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    begin(good[i].mode);
    assert_string_equal(fixture_cell(session, "SHOW transaction_isolation"), good[i].isolation);
    assert_string_equal(fixture_cell(session, "SHOW transaction_read_only"), good[i].read_only);
    harness_assert_ok(tenantdb_session_commit(session, &error), error);
  }
  static const char *const bad[] = {"serializable",           "read only; DROP TABLE notes",
                                    "isolation level",        ",",
                                    "read only,, deferrable", "read  onlyx"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    fixture_assert_refused(tenantdb_session_begin(session, bad[i], &error), error, TENANTDB_ARGUMENT,
                           TENANTDB_REASON_BAD_ARGUMENT, "is none of: isolation level serializable");
  }
  assert_string_equal(bodies(), "");
}

static void test_read_only_session(void **state) {
  (void)state;
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session *reader = NULL;
  tenantdb_session_options_set(options, "read_only", "on");
  harness_assert_ok(tenantdb_session_open(db, "a", options, &reader, &error), error);
  tenantdb_session_options_free(options);
  static const char insert[] = "INSERT INTO notes (body) VALUES ('x')";
  for (int i = 0; i < 3; i++) {
    if (i > 0) {
      harness_assert_ok(tenantdb_session_begin(reader, i == 2 ? "read write" : NULL, &error), error);
    }
    harness_assert_status(tenantdb_session_query(reader, insert, NULL, NULL, &error), error, TENANTDB_STATE,
                          TENANTDB_REASON_READ_ONLY_SERVER);
    assert_string_equal(tenantdb_error_sqlstate(error), "25006");
    tenantdb_error_free(error);
    if (i > 0) {
      harness_assert_ok(tenantdb_session_rollback(reader, &error), error);
    }
    assert_string_equal(fixture_cell(reader, "SELECT count(*) FROM notes"), "0");
  }
  tenantdb_session_close(reader);
  fixture_run(session, insert); /* the next one on that connection may write */
}

static void test_serialization_failure(void **state) {
  (void)state;
  tenantdb_session *other = fixture_session(db, "a");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  begin("isolation level repeatable read");
  assert_string_equal(bodies(), "x");
  fixture_run(other, "UPDATE notes SET body = 'y'");
  harness_assert_status(tenantdb_session_query(session, "UPDATE notes SET body = 'z'", NULL, NULL, &error),
                        error, TENANTDB_CONFLICT, TENANTDB_REASON_SERIALIZATION);
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_SAME_SESSION);
  assert_string_equal(tenantdb_error_sqlstate(error), "40001");
  tenantdb_error_free(error);
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  tenantdb_session_close(other);
}

/* A deferred constraint refuses at COMMIT: the answer is the constraint's, the session lives. */
static void test_deferred_constraint(void **state) {
  (void)state;
  char *schema = harness_value(url, "SELECT schema_name FROM tenantdb.tenants WHERE slug = 'a'");
  harness_sql(
      url,
      "ALTER TABLE %s.items DROP CONSTRAINT items_note_id_fkey, ADD CONSTRAINT late FOREIGN KEY (note_id) "
      "REFERENCES %s.notes (id) DEFERRABLE INITIALLY DEFERRED",
      schema, schema);
  free(schema);
  fixture_assert_refused(tenantdb_session_query(session, "INSERT INTO items (note_id, n) VALUES (999999, 1)",
                                                NULL, NULL, &error),
                         error, TENANTDB_CONSTRAINT, TENANTDB_REASON_SERVER_CONSTRAINT, "late");
  begin(NULL);
  fixture_run(session, "INSERT INTO items (note_id, n) VALUES (999999, 1)");
  harness_assert_status(tenantdb_session_commit(session, &error), error, TENANTDB_CONSTRAINT,
                        TENANTDB_REASON_SERVER_CONSTRAINT);
  assert_string_equal(tenantdb_error_constraint(error), "late");
  tenantdb_error_free(error);
  fixture_assert_refused(tenantdb_session_commit(session, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_TRANSACTION, "there is no transaction");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM items"), "0");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_session, close_session)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_commit_rollback),     TEST(test_empty_transactions),
      TEST(test_out_of_place),        TEST(test_failure_in_the_middle),
      TEST(test_savepoint_revives),   TEST(test_unknown_savepoint),
      TEST(test_savepoint_names),     TEST(test_modes),
      TEST(test_read_only_session),   TEST(test_serialization_failure),
      TEST(test_deferred_constraint),
  };
  return cmocka_run_group_tests_name("transaction", tests, setup, teardown);
}

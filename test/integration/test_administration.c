/* SPDX-License-Identifier: PostgreSQL */
/* Statements for a tenant that is named, in a session that is no tenant's; and their text. */
#include <tenantdb/libpq.h>

#include "base/memory.h"
#include "fixture.h"

static tenantdb_error *error;
static const char *url;
static tenantdb *db;
static tenantdb_registry *registry;
static tenantdb_statement *add, *count, *both;

static tenantdb_statement *compile(const char *sql) {
  tenantdb_statement *statement = NULL;
  harness_assert_ok(tenantdb_statement_new(registry, sql, &statement, &error), error);
  return statement;
}

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, FIXTURE_OPTIONS("isolation.level", "role"));
  registry = fixture_registry();
  add = compile("INSERT INTO {notes} (body) VALUES ($1)");
  count = compile("SELECT count(*), current_user = session_user FROM {notes}");
  both = compile("SELECT p.name FROM {plans} p WHERE EXISTS (SELECT FROM {notes})");
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  tenantdb_tenant_free(fixture_tenant(db, "bolt"));
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_statement_free(add);
  tenantdb_statement_free(count);
  tenantdb_statement_free(both);
  tenantdb_registry_free(registry);
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static tenantdb_session *open_shared(tenantdb *from) {
  tenantdb_session *session = NULL;
  harness_assert_ok(tenantdb_session_open_shared(from, NULL, &session, &error), error);
  return session;
}

static void note(tenantdb_session *session, const char *tenant) {
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_text(params, "noted");
  harness_assert_ok(tenantdb_session_run_for(session, tenant, add, params, NULL, &error), error);
  tenantdb_params_free(params);
}

static int notes(tenantdb_session *session, const char *tenant) {
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_session_run_for(session, tenant, count, NULL, &result, &error), error);
  int n = atoi(tenantdb_result_value(result, 0, 0));
  assert_string_equal(tenantdb_result_value(result, 0, 1), "t"); /* as the connected user */
  tenantdb_result_free(result);
  return n;
}

/* ---------------------------------------------------------------- running */

static void test_several_in_one(void **state) {
  (void)state;
  tenantdb_session *session = open_shared(db);
  tenantdb_tenant *acme = NULL;
  harness_assert_ok(tenantdb_tenant_get(db, "acme", &acme, &error), error);
  for (int commit = 0; commit < 2; commit++) {
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    for (int i = 0; i < 3; i++) { /* the same text in the same transaction, prepared by and by */
      note(session, "acme");
      note(session, "BOLT");
    }
    note(session, tenantdb_tenant_id(acme));
    assert_int_equal(notes(session, "acme"), 4);
    assert_int_equal(notes(session, "bolt"), 3);
    harness_assert_ok(
        commit ? tenantdb_session_commit(session, &error) : tenantdb_session_rollback(session, &error),
        error);
    assert_int_equal(notes(session, "acme"), commit ? 4 : 0);
    assert_int_equal(notes(session, "bolt"), commit ? 3 : 0);
  }
  /* The tenants see it, each his own. */
  tenantdb_session *own = fixture_session(db, "bolt");
  assert_string_equal(fixture_cell(own, "SELECT count(*) FROM notes"), "3");
  tenantdb_session_close(own);
  /* Shared tables as in any statement, and a statement without a tenant's. */
  harness_sql(url, "INSERT INTO plans VALUES (1, 'small')");
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_session_run_for(session, "bolt", both, NULL, &result, &error), error);
  assert_string_equal(tenantdb_result_value(result, 0, 0), "small");
  tenantdb_result_free(result);
  tenantdb_statement *shared = compile("SELECT count(*) FROM {plans}");
  harness_assert_ok(tenantdb_session_run_for(session, "bolt", shared, NULL, NULL, &error), error);
  tenantdb_statement_free(shared);
  tenantdb_tenant_free(acme);
  tenantdb_session_close(session);
}

static void test_states(void **state) {
  (void)state;
  tenantdb_session *session = open_shared(db);
  tenantdb_tenant *tenant = fixture_tenant(db, "kept");
  note(session, "kept");
  harness_assert_ok(tenantdb_tenant_suspend(db, "kept", NULL, &error), error);
  note(session, "kept");
  assert_int_equal(notes(session, "kept"), 2);
  harness_assert_ok(tenantdb_tenant_archive(db, "kept", NULL, &error), error);
  note(session, "kept");
  assert_int_equal(notes(session, "kept"), 3);
  char *sql = NULL;
  harness_assert_ok(tenantdb_statement_for(db, "kept", count, &sql, &error), error);
  tenantdb_string_free(sql);
  harness_assert_ok(tenantdb_tenant_purge(db, "kept", 1, &error), error);
  const char *const names[] = {"kept", tenantdb_tenant_id(tenant), "nobody"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    harness_assert_fails(tenantdb_session_run_for(session, names[i], count, NULL, NULL, &error), error,
                         TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT);
    harness_assert_fails(tenantdb_statement_for(db, names[i], count, &sql, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TENANT);
    assert_null(sql);
  }
  tenantdb_tenant_free(tenant);
  harness_assert_ok(tenantdb_tenant_register(db, "later", NULL, NULL, &error), error);
  fixture_assert_refused(tenantdb_session_run_for(session, "later", count, NULL, NULL, &error), error,
                         TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE,
                         "tenant later is pending and has no schema to run a statement in; "
                         "tenantdb_tenant_activate() provisions it");
  harness_assert_fails(tenantdb_statement_for(db, "later", count, &sql, &error), error, TENANTDB_UNAVAILABLE,
                       TENANTDB_REASON_TENANT_NOT_ACTIVE);
  harness_assert_ok(tenantdb_tenant_activate(db, "later", NULL, &error), error);
  assert_int_equal(notes(session, "later"), 0);
  tenantdb_session_close(session);
}

/* A name that is refused costs nothing of what was done before in the transaction; a statement that fails does. */
static void test_in_transaction(void **state) {
  (void)state;
  tenantdb_session *session = open_shared(db);
  tenantdb_statement *broken = compile("SELECT 1 / 0 FROM {notes}");
  tenantdb_tenant_free(fixture_tenant(db, "busy"));
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  harness_assert_fails(tenantdb_session_run_for(session, "nobody", count, NULL, NULL, &error), error,
                       TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT);
  note(session, "busy");
  harness_assert_fails(tenantdb_session_run_for(session, "nobody", count, NULL, NULL, &error), error,
                       TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT);
  harness_assert_ok(tenantdb_session_commit(session, &error), error);
  assert_int_equal(notes(session, "busy"), 1);
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  harness_assert_status(tenantdb_session_run_for(session, "busy", broken, NULL, NULL, &error), error,
                        TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR);
  assert_string_equal(tenantdb_error_tenant(error), "busy");
  tenantdb_error_free(error);
  harness_assert_fails(tenantdb_session_run_for(session, "nobody", count, NULL, NULL, &error), error,
                       TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED);
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  assert_int_equal(notes(session, "busy"), 1);
  tenantdb_statement_free(broken);
  tenantdb_session_close(session);
}

/* The catalog cannot be read: what was open is failed, what was not goes on. */
static void test_catalog_refuses(void **state) {
  (void)state;
  const char *other = harness_database();
  tenantdb *own = fixture_ready(other, FIXTURE_OPTIONS("session.tenant_cache", "0"));
  tenantdb_tenant_free(fixture_tenant(own, "acme"));
  tenantdb_session *session = open_shared(own);
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  note(session, "acme");
  harness_sql(other, "ALTER TABLE tenantdb.tenants RENAME TO gone");
  harness_assert_fails(tenantdb_session_run_for(session, "acme", count, NULL, NULL, &error), error,
                       TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR);
  harness_assert_fails(tenantdb_session_commit(session, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_TRANSACTION_FAILED);
  harness_assert_fails(tenantdb_session_run_for(session, "acme", count, NULL, NULL, &error), error,
                       TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR);
  harness_sql(other, "ALTER TABLE tenantdb.gone RENAME TO tenants");
  assert_int_equal(notes(session, "acme"), 0);
  /* The server goes while nobody looks. */
  harness_sql(other,
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
              "pid <> pg_backend_pid()");
  for (int i = 0; i < 500 && harness_count(other,
                                           "SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                           "current_database() AND pid <> pg_backend_pid()") > 0;
       i++) {
    fixture_pause_us(10000);
  }
  fixture_pause_us(20000);
  harness_assert_fails(tenantdb_session_run_for(session, "acme", count, NULL, NULL, &error), error,
                       TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
  harness_assert_fails(tenantdb_session_run_for(session, "acme", count, NULL, NULL, &error), error,
                       TENANTDB_STATE, TENANTDB_REASON_SESSION_BROKEN);
  tenantdb_session_close(session);
  tenantdb_close(own);
  harness_drop_database(other);
}

static void test_refusals(void **state) {
  (void)state;
  tenantdb_session *session = fixture_session(db, "acme");
  fixture_assert_refused(tenantdb_session_run_for(session, "bolt", count, NULL, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                         "this session is tenant acme's and reaches no other tenant");
  fixture_assert_refused(tenantdb_session_run_for(session, "acme", count, NULL, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "tenantdb_session_open_shared()");
  fixture_run(session, "SELECT 1"); /* and is as good as before */
  tenantdb_session_close(session);
  session = open_shared(db);
  tenantdb_statement *control = compile("COMMIT /* {notes} */");
  harness_assert_fails(tenantdb_session_run_for(session, "acme", control, NULL, NULL, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_TRANSACTION_CONTROL);
  tenantdb_statement_free(control);
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_uuid(params, "no uuid");
  harness_assert_fails(tenantdb_session_run_for(session, "acme", add, params, NULL, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_PARAMETER);
  tenantdb_params_free(params);
  char *sql = NULL;
  tenantdb_result *result = (tenantdb_result *)(uintptr_t)1;
  harness_assert_fails(tenantdb_session_run_for(NULL, "acme", count, NULL, &result, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT);
  assert_null(result);
  harness_assert_fails(tenantdb_session_run_for(session, NULL, count, NULL, NULL, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_session_run_for(session, "acme", NULL, NULL, NULL, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_session_run_for(session, "acme\xFF", count, NULL, NULL, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT);
  harness_assert_fails(tenantdb_statement_for(NULL, "acme", count, &sql, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_statement_for(db, NULL, count, &sql, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_statement_for(db, "acme", NULL, &sql, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_statement_for(db, "acme", count, NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  assert_null(sql);
  tenantdb_session_close(session);
}

/* ---------------------------------------------------------------- as text */

/* What is said to be sent is what the server was sent, by both ways. */
static void test_text(void **state) {
  (void)state;
  tenantdb *own = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0"));
  char *sql = NULL, *later = NULL, expected[300];
  tenantdb_tenant *acme = NULL;
  harness_assert_ok(tenantdb_tenant_get(db, "acme", &acme, &error), error);
  snprintf(expected, sizeof expected,
           "SELECT p.name FROM \"public\".\"plans\" p WHERE EXISTS (SELECT FROM \"%s\".\"notes\")",
           tenantdb_tenant_schema(acme));
  harness_assert_ok(tenantdb_statement_for(own, "acme", both, &sql, &error), error);
  assert_string_equal(sql, expected);
  harness_assert_ok(tenantdb_statement_for(own, tenantdb_tenant_id(acme), both, &later, &error), error);
  assert_string_equal(later, expected);
  static const char asked[] = "SELECT count(*) FROM pg_prepared_statements WHERE statement = $1";
  for (int shared = 0; shared < 2; shared++) {
    tenantdb_session *session = shared ? open_shared(own) : fixture_session(own, "acme");
    for (int i = 0; i < 4; i++) {
      harness_assert_ok(shared ? tenantdb_session_run_for(session, "acme", both, NULL, NULL, &error)
                               : tenantdb_session_run(session, both, NULL, NULL, &error),
                        error);
    }
    const char *value = sql;
    tenantdb_result *result = NULL;
    harness_assert_ok(tenantdb_session_query_text(session, asked, 1, &value, &result, &error), error);
    assert_string_equal(tenantdb_result_value(result, 0, 0), shared ? "2" : "1"); /* one for each scope */
    tenantdb_result_free(result);
    tenantdb_session_close(session);
  }
  /* While the only connection is in use: for a tenant that is known none is needed. */
  tenantdb_session *session = fixture_session(own, "acme");
  tenantdb_string_free(later);
  harness_assert_ok(tenantdb_statement_for(own, "acme", both, &later, &error), error);
  assert_string_equal(later, expected);
  tenantdb_session_close(session);
  tenantdb_string_free(sql);
  tenantdb_string_free(later);
  tenantdb_tenant_free(acme);
  tenantdb_close(own);
}

static void test_closed(void **state) {
  (void)state;
  tenantdb *own = fixture_open(url, NULL, NULL);
  tenantdb_session *session = open_shared(own);
  tenantdb_close(own);
  harness_assert_fails(tenantdb_session_run_for(session, "acme", count, NULL, NULL, &error), error,
                       TENANTDB_STATE, TENANTDB_REASON_DATABASE_CLOSED);
  char *sql = NULL;
  harness_assert_fails(tenantdb_statement_for(session ? own : NULL, "acme", count, &sql, &error), error,
                       TENANTDB_STATE, TENANTDB_REASON_DATABASE_CLOSED); /* the session keeps it alive */
  tenantdb_session_close(session);
  const char *empty = harness_database();
  own = fixture_open(empty, NULL, NULL);
  harness_assert_fails(tenantdb_statement_for(own, "acme", count, &sql, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_CATALOG_MISSING);
  tenantdb_close(own);
  harness_drop_database(empty);
}

/* ---------------------------------------------------------------- without memory */

static void test_out_of_memory(void **state) {
  (void)state;
  tenantdb *own = fixture_open(url, NULL, FIXTURE_OPTIONS("session.tenant_cache", "0"));
  bool done = false;
  for (uint64_t at = 1; !done && at < 1000; at++) {
    tenantdb_session *session = open_shared(own);
    (void)notes(session, "acme"); /* what is made once for the handle is there */
    char *sql = NULL;
    int64_t before = tndb_memory_live();
    tndb_memory_fail(at, false);
    tenantdb_status ran = tenantdb_session_run_for(session, "bolt", both, NULL, NULL, &error);
    tenantdb_error_free(error);
    tenantdb_status told = tenantdb_statement_for(own, "bolt", both, &sql, &error);
    done = tndb_memory_fail(0, false) < at;
    assert_true(ran == TENANTDB_OK || ran == TENANTDB_MEMORY || ran == TENANTDB_CONNECTION);
    assert_true(told == TENANTDB_OK ? sql != NULL : told == TENANTDB_MEMORY && !sql);
    tenantdb_error_free(error);
    error = NULL;
    tenantdb_string_free(sql);
    tenantdb_session_close(session);
    assert_true(tndb_memory_live() <= before + 40); /* texts and names of statements that are kept */
  }
  assert_true(done);
  tenantdb_close(own);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_several_in_one), cmocka_unit_test(test_states),
      cmocka_unit_test(test_in_transaction), cmocka_unit_test(test_catalog_refuses),
      cmocka_unit_test(test_refusals),       cmocka_unit_test(test_text),
      cmocka_unit_test(test_closed),         cmocka_unit_test(test_out_of_memory),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

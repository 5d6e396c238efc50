/* SPDX-License-Identifier: PostgreSQL */
/* Reconcile: what it mends, what it reports, and that a second run has nothing to do. */
#include "fixture.h"

static tenantdb_error *error;

static tenantdb_result *reconcile(tenantdb *db) {
  tenantdb_result *done = NULL;
  harness_assert_ok(tenantdb_reconcile(db, &done, &error), error);
  return done;
}

static int32_t reconcile_count(tenantdb *db) {
  tenantdb_result *done = reconcile(db);
  int32_t rows = tenantdb_result_rows(done);
  tenantdb_result_free(done);
  return rows;
}

static void test_nothing_to_do(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_result *done = reconcile(db);
  assert_int_equal(tenantdb_result_rows(done), 0);
  assert_int_equal(tenantdb_result_columns(done), 4);
  assert_string_equal(tenantdb_result_name(done, 0), "tenant");
  assert_string_equal(tenantdb_result_name(done, 1), "operation");
  assert_string_equal(tenantdb_result_name(done, 2), "action");
  assert_string_equal(tenantdb_result_name(done, 3), "outcome");
  tenantdb_result_free(done);
  harness_assert_ok(tenantdb_reconcile(db, NULL, &error), error);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Tenants that were provisioned at level routing, opened at level role. */
static void test_roles_are_given(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS("isolation.level", "routing"));
  tenantdb_tenant_free(fixture_tenant(db, "active"));
  tenantdb_tenant_free(fixture_tenant(db, "resting"));
  harness_assert_ok(tenantdb_tenant_suspend(db, "resting", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_register(db, "unborn", NULL, NULL, &error), error);
  tenantdb_session *session = fixture_session(db, "active");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('kept')");
  tenantdb_session_close(session);
  tenantdb_close(db);

  db = fixture_ready(url, NULL);
  fixture_assert_refused(tenantdb_session_open(db, "active", NULL, &session, &error), error,
                         TENANTDB_ISOLATION, TENANTDB_REASON_TENANT_HAS_NO_ROLE,
                         "tenant active was provisioned at isolation level routing and has no role: "
                         "tenantdb_reconcile() gives it one");
  assert_non_null(strstr(fixture_findings(db, "active"), "role active;"));
  tenantdb_result *done = reconcile(db);
  assert_int_equal(tenantdb_result_rows(done), 2);
  for (int32_t i = 0; i < 2; i++) {
    assert_string_equal(tenantdb_result_value(done, i, 2), "give role");
    assert_string_equal(tenantdb_result_value(done, i, 3), "done");
  }
  tenantdb_result_free(done);
  assert_int_equal(reconcile_count(db), 0);
  assert_string_equal(fixture_findings(db, "active"), "");
  assert_string_equal(fixture_findings(db, "resting"), "");
  session = fixture_session(db, "active");
  assert_string_equal(fixture_cell(session, "SELECT body FROM notes"), "kept");
  fixture_run(session, "INSERT INTO items (note_id, n) VALUES (1, 1)");
  tenantdb_session_close(session);
  harness_assert_ok(tenantdb_tenant_resume(db, "resting", NULL, &error), error);
  session = fixture_session(db, "resting");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  tenantdb_session_close(session);
  harness_assert_ok(tenantdb_tenant_activate(db, "unborn", NULL, &error), error);
  session = fixture_session(db, "unborn");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  tenantdb_session_close(session);
  assert_string_equal(fixture_findings(db, "unborn"), "");
  assert_int_equal(reconcile_count(db), 0);
  assert_int_equal(fixture_halves(url), 0);
  tenantdb_close(db);
  harness_drop_database(url);
}

static void test_role_dropped(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant *tenant = fixture_tenant(db, "a");
  harness_sql(url, "DROP OWNED BY \"%s\"; DROP ROLE \"%s\"", tenantdb_tenant_role(tenant),
              tenantdb_tenant_role(tenant));
  assert_int_equal(reconcile_count(db), 1);
  assert_int_equal(reconcile_count(db), 0);
  assert_string_equal(fixture_findings(db, "a"), "");
  tenantdb_session *session = fixture_session(db, "a");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  tenantdb_session_close(session);
  tenantdb_tenant_free(tenant);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* A schema that is gone cannot be mended: it is reported, every time, and nothing is made up in its place. */
static void test_schema_lost(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant *tenant = fixture_tenant(db, "lost");
  tenantdb_tenant_free(fixture_tenant(db, "fine"));
  harness_sql(url, "DROP SCHEMA %s CASCADE", tenantdb_tenant_schema(tenant));
  for (int i = 0; i < 2; i++) {
    tenantdb_result *done = reconcile(db);
    assert_int_equal(tenantdb_result_rows(done), 1);
    assert_string_equal(tenantdb_result_value(done, 0, 0), "lost");
    assert_string_equal(tenantdb_result_value(done, 0, 2), "report");
    assert_string_equal(tenantdb_result_value(done, 0, 3),
                        "the tenant's schema is gone: restore it from a backup, or purge the tenant");
    tenantdb_result_free(done);
  }
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_namespace WHERE nspname = '%s'",
                                 tenantdb_tenant_schema(tenant)),
                   0);
  harness_assert_ok(tenantdb_tenant_purge(db, "lost", 1, &error), error);
  assert_int_equal(reconcile_count(db), 0);
  tenantdb_tenant_free(tenant);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* One tenant that cannot be mended does not keep the others from it. */
static void test_one_that_fails(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant *bad = fixture_tenant(db, "bad");
  tenantdb_tenant *good = fixture_tenant(db, "good");
  tenantdb_tenant *both[] = {bad, good};
  for (int i = 0; i < 2; i++) {
    harness_sql(
        url,
        "UPDATE tenantdb.tenants SET state = 'deleting' WHERE id = '%s'; INSERT INTO tenantdb.operations "
        "(id, "
        "tenant_id, kind, state, owner, lease_until, started_at) VALUES (gen_random_uuid(), '%s', 'purge', "
        "'running', gen_random_uuid(), now() - interval '1 s', now() + interval '%d s')",
        tenantdb_tenant_id(both[i]), tenantdb_tenant_id(both[i]), i);
  }
  harness_sql(url, "COMMENT ON SCHEMA %s IS 'not ours'", tenantdb_tenant_schema(bad));
  tenantdb_result *done = reconcile(db);
  assert_int_equal(tenantdb_result_rows(done), 2);
  assert_string_equal(tenantdb_result_value(done, 0, 0), "bad");
  assert_non_null(strstr(tenantdb_result_value(done, 0, 3), "does not carry the mark"));
  assert_string_equal(tenantdb_result_value(done, 1, 0), "good");
  assert_string_equal(tenantdb_result_value(done, 1, 3), "done");
  tenantdb_result_free(done);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_namespace WHERE nspname = '%s'",
                                 tenantdb_tenant_schema(bad)),
                   1);
  tenantdb_tenant_free(bad);
  tenantdb_tenant_free(good);
  tenantdb_close(db);
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_nothing_to_do),  cmocka_unit_test(test_roles_are_given),
      cmocka_unit_test(test_role_dropped),   cmocka_unit_test(test_schema_lost),
      cmocka_unit_test(test_one_that_fails),
  };
  return cmocka_run_group_tests_name("reconcile", tests, NULL, NULL);
}

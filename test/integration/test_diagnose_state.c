/* SPDX-License-Identifier: PostgreSQL */
/* Diagnosis of the library's own state, of levels and sessions; and what its calls refuse. */
#include "base/memory.h"
#include "catalog/database.h"
#include "diagnosed.h"

static const char *url;
static tenantdb_error *error;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  harness_sql(url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  harness_drop_database(url);
  return 0;
}

/* The cell of a row that must be there; free() it. */
static char *cell_of(tenantdb *db, const char *code, const char *object, int32_t column) {
  tenantdb_result *findings = diagnosed(db, NULL);
  int32_t row = diagnosed_row(findings, code, object);
  if (row < 0) {
    diagnosed_print(findings);
  }
  assert_true(row >= 0);
  const char *value = tenantdb_result_value(findings, row, column);
  char *copy = strdup(value ? value : "");
  tenantdb_result_free(findings);
  return copy;
}

static void assert_cell(tenantdb *db, const char *code, const char *object, int32_t column,
                        const char *text) {
  char *cell = cell_of(db, code, object, column);
  if (!strstr(cell, text)) {
    print_error("%s: \"%s\" is not in \"%s\"\n", code, text, cell);
  }
  assert_non_null(strstr(cell, text));
  free(cell);
}

/* Whether anything is found about a tenant. */
static bool diagnosed_any(tenantdb *db, const char *tenant) {
  tenantdb_result *findings = diagnosed(db, tenant);
  bool any = tenantdb_result_rows(findings) > 0;
  if (any) {
    diagnosed_print(findings);
  }
  tenantdb_result_free(findings);
  return any;
}

/* Run the SQL that the finding gives. */
static void mend(tenantdb *db, const char *code, const char *object) {
  char *sql = cell_of(db, code, object, SQL);
  harness_sql(url, "%s", sql);
  free(sql);
}

static void test_arguments(void **state) {
  (void)state;
  static const char *const columns[] = {"level", "code", "tenant", "object", "found", "why", "remedy", "sql"};
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_result *findings = NULL;
  fixture_assert_refused(tenantdb_diagnose(db, NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "findings is NULL");
  fixture_assert_refused(tenantdb_diagnose(NULL, NULL, &findings, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  fixture_assert_refused(tenantdb_diagnose(db, "nobody", &findings, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TENANT, "nobody");
  fixture_assert_refused(tenantdb_diagnose(db, "\xff", &findings, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "UTF-8");
  fixture_assert_refused(tenantdb_diagnose_connection(NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "findings is NULL");
  assert_null(findings);
  findings = diagnosed(db, NULL);
  for (int32_t i = 0; i < N_COLUMNS; i++) {
    assert_string_equal(tenantdb_result_name(findings, i), columns[i]);
  }
  tenantdb_result_free(findings);
  tenantdb_close(db);
  harness_sql(url, "DROP SCHEMA tenantdb CASCADE; DROP TABLE plans, secrets");
}

/* Before anything is there: no failure, and nothing of tables that bootstrap is still to make. */
static void test_nothing_there(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS(ANY_RELEASE, "extensions.schema", "no such-place"));
  assert_cell(db, "catalog-missing", "\"tenantdb\"", REMEDY, "tenantdb_bootstrap()");
  assert_cell(db, "extensions-schema-missing", "\"no such-place\"", FOUND, "no such schema");
  assert_false(diagnosed_has(db, NULL, "table-missing", ""));
  assert_false(diagnosed_has(db, NULL, "cannot-look", ""));
  assert_true(diagnosed_has(db, "whoever", "catalog-missing", ""));
  harness_sql(url, "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.plans (id integer)");
  mend(db, "table-elsewhere", "public.plans");
  assert_false(diagnosed_has(db, NULL, "table-elsewhere", ""));
  mend(db, "extensions-schema-missing", "");
  assert_false(diagnosed_has(db, NULL, "extensions-schema-missing", ""));
  harness_sql(url, "DROP TABLE plans; DROP SCHEMA elsewhere; DROP SCHEMA \"no such-place\"");
  tenantdb_close(db);
  db = fixture_ready(url, FIXTURE_OPTIONS(ANY_RELEASE));
  tenantdb_result *findings = diagnosed(db, NULL);
  assert_int_equal(diagnosed_alarms(findings, ""), 0);
  tenantdb_result_free(findings);
  tenantdb_close(db);
}

static void test_versions(void **state) {
  (void)state;
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS(ANY_RELEASE));
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  harness_sql(url, "CREATE TABLE was AS SELECT version, group_role FROM tenantdb.catalog");
  harness_sql(url, "UPDATE tenantdb.catalog SET version = 1");
  assert_cell(db, "catalog-older", "\"tenantdb\"", FOUND, "version 1;");
  harness_sql(url, "UPDATE tenantdb.catalog SET version = 99");
  assert_cell(db, "catalog-newer", "\"tenantdb\"", FOUND, "version 99;");
  assert_true(diagnosed_has(db, "a", "catalog-newer", ""));
  harness_sql(url, "UPDATE tenantdb.catalog SET version = (SELECT version FROM was), group_role = NULL");
  assert_cell(db, "catalog-older", "tenantdb", FOUND, "level routing");
  harness_sql(url, "UPDATE tenantdb.catalog SET group_role = 'tndb \"gone\"'");
  assert_cell(db, "group-missing", "\"tndb \"\"gone\"\"\"", REMEDY, "tenantdb_bootstrap()");
  harness_sql(url, "UPDATE tenantdb.catalog SET group_role = (SELECT group_role FROM was); DROP TABLE was");
  harness_sql(url,
              "ALTER TABLE tenantdb.catalog RENAME TO hidden; CREATE TABLE tenantdb.catalog (version text);"
              " INSERT INTO tenantdb.catalog VALUES ('x')");
  assert_true(diagnosed_has(db, NULL, "cannot-open", "tenantdb"));
  harness_sql(url, "DROP TABLE tenantdb.catalog; ALTER TABLE tenantdb.hidden RENAME TO catalog");
  /* What cannot be asked is told, and the rest is asked all the same. */
  harness_sql(
      url, "ALTER TABLE tenantdb.view_members RENAME TO hidden; REVOKE USAGE ON SCHEMA public FROM PUBLIC");
  assert_cell(db, "cannot-look", "views over tenants", FOUND, "view_members");
  assert_true(diagnosed_has(db, NULL, "idle-transaction-unlimited", ""));
  harness_sql(url,
              "ALTER TABLE tenantdb.hidden RENAME TO view_members; GRANT USAGE ON SCHEMA public TO PUBLIC");
  tenantdb_close(db);
}

static void test_unfinished(void **state) {
  (void)state;
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS(ANY_RELEASE));
  tenantdb_tenant *tenant = fixture_tenant(db, "late");
  harness_sql(url,
              "INSERT INTO tenantdb.operations (id, tenant_id, kind, state, owner, lease_until) VALUES"
              " (gen_random_uuid(), '%s', 'purge', 'running', gen_random_uuid(), now() - interval '1 h')",
              tenantdb_tenant_id(tenant));
  assert_cell(db, "operation-expired", "operation", TENANT, "late");
  assert_true(diagnosed_has(db, "late", "operation-expired", ""));
  assert_false(diagnosed_has(db, "a", "operation-expired", ""));
  harness_sql(url, "DELETE FROM tenantdb.operations WHERE state = 'running'");
  assert_false(diagnosed_has(db, NULL, "operation-expired", ""));
  tenantdb_tenant_free(tenant);

  harness_assert_ok(tenantdb_view_create(db, "all notes", "notes", NULL, &error), error);
  assert_false(diagnosed_has(db, NULL, "view-stale", ""));
  harness_sql(url, "UPDATE tenantdb.views SET complete = false");
  assert_cell(db, "view-stale", "\"all notes\"", FOUND, "not complete");
  harness_assert_ok(tenantdb_view_refresh(db, "all notes", &error), error);
  assert_false(diagnosed_has(db, NULL, "view-stale", ""));
  harness_sql(url, "GRANT SELECT ON tenantdb_reports.\"all notes\" TO PUBLIC");
  assert_true(diagnosed_has(db, NULL, "reports-exposed", "\"all notes\""));
  mend(db, "reports-exposed", "\"all notes\"");
  assert_false(diagnosed_has(db, NULL, "reports-exposed", ""));
  harness_assert_ok(tenantdb_view_drop(db, "all notes", &error), error);
  tenantdb_close(db);
}

/* A suspended tenant that somebody lets in again, by each of the three ways. */
static void test_not_shut(void **state) {
  (void)state;
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS(ANY_RELEASE));
  tenantdb_tenant *tenant = fixture_tenant(db, "shut");
  char *group = harness_value(url, "SELECT group_role FROM tenantdb.catalog");
  const char *role = tenantdb_tenant_role(tenant);
  harness_assert_ok(tenantdb_tenant_suspend(db, "shut", NULL, &error), error);
  assert_false(diagnosed_any(db, "shut"));
  const char *const found[] = {"LOGIN", "may use its schema", "a member of"};
  for (int i = 0; i < 3; i++) {
    if (i == 0) {
      harness_sql(url, "ALTER ROLE \"%s\" LOGIN", role);
    } else if (i == 1) {
      harness_sql(url, "GRANT USAGE ON SCHEMA %s TO \"%s\"", tenantdb_tenant_schema(tenant), role);
    } else {
      harness_sql(url, "GRANT %s TO \"%s\"", group, role);
    }
    assert_cell(db, "tenant-not-shut", role, FOUND, found[i]);
    mend(db, "tenant-not-shut", role);
    assert_false(diagnosed_any(db, "shut"));
  }
  free(group);
  tenantdb_tenant_free(tenant);
  tenantdb_close(db);
}

static void test_settings(void **state) {
  (void)state;
  char *name = harness_database_name(url);
  harness_sql(url,
              "ALTER DATABASE %s SET track_activities TO off; ALTER DATABASE %s SET"
              " default_transaction_read_only TO on",
              name, name);
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS(ANY_RELEASE));
  assert_true(diagnosed_has(db, NULL, "server-read-only", "server"));
  assert_true(diagnosed_has(db, NULL, "idle-transaction-unlimited", name));
  mend(db, "setting-harmful", "database");
  mend(db, "activity-untracked", name);
  mend(db, "idle-transaction-unlimited", name);
  tenantdb_close(db);
  db = fixture_open(url, NULL, FIXTURE_OPTIONS(ANY_RELEASE));
  assert_false(diagnosed_has(db, NULL, "server-read-only", ""));
  assert_false(diagnosed_has(db, NULL, "setting-harmful", ""));
  assert_false(diagnosed_has(db, NULL, "activity-untracked", ""));
  assert_false(diagnosed_has(db, NULL, "idle-transaction-unlimited", ""));
  tenantdb_close(db);
  harness_sql(url, "ALTER DATABASE %s RESET ALL", name);
  free(name);
}

/* A session that hangs is seen when it has hung for long enough, and ended by the finding's SQL. */
static void test_idle_in_transaction(void **state) {
  (void)state;
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS(ANY_RELEASE, "diagnose.idle_in_transaction", "300ms"));
  tenantdb *patient = fixture_open(url, NULL, FIXTURE_OPTIONS(ANY_RELEASE));
  tenantdb_tenant_free(fixture_tenant(db, "idler"));
  tenantdb_session *session = fixture_session(db, "idler");
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "SELECT 1");
  assert_false(diagnosed_has(db, NULL, "idle-in-transaction", ""));
  fixture_pause_us(400000);
  assert_true(diagnosed_has(db, NULL, "idle-in-transaction", "process"));
  assert_false(diagnosed_has(patient, NULL, "idle-in-transaction", ""));
  mend(db, "idle-in-transaction", "process");
  fixture_pause_us(100000);
  assert_false(diagnosed_has(db, NULL, "idle-in-transaction", ""));
  tenantdb_session_close(session);
  tenantdb_close(patient);
  tenantdb_close(db);
}

static void test_releases(void **state) {
  (void)state;
  int major = (int)harness_count(url, "SELECT current_setting('server_version_num')::int / 10000");
  char list[64];
  snprintf(list, sizeof list, "13.0, %d.9999", major);
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("diagnose.releases", list));
  snprintf(list, sizeof list, "PostgreSQL %d.", major);
  assert_true(diagnosed_has(db, NULL, "server-release", list));
  tenantdb_close(db);
  snprintf(list, sizeof list, "%d.0, %d.3", major + 1, major + 2);
  db = fixture_open(url, NULL, FIXTURE_OPTIONS("diagnose.releases", list));
  assert_true(diagnosed_has(db, NULL, "server-end-of-life", "PostgreSQL"));
  assert_false(diagnosed_has(db, NULL, "server-release", ""));
  tenantdb_close(db);
  const char *const fine[] = {"", "13.0", "12.1,13.0"};
  for (size_t i = 0; i < 3; i++) {
    db = fixture_open(url, NULL, FIXTURE_OPTIONS("diagnose.releases", fine[i]));
    assert_false(diagnosed_has(db, NULL, "server-release", ""));
    assert_false(diagnosed_has(db, NULL, "server-end-of-life", ""));
    tenantdb_close(db);
  }
  const char *const wrong[] = {"15", "15.", "x", "15.2;16.3", "15.2 16.x", "15.2x"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    tenantdb_result *findings = NULL;
    db = fixture_open(url, NULL, FIXTURE_OPTIONS("diagnose.releases", wrong[i]));
    fixture_assert_refused(tenantdb_diagnose(db, NULL, &findings, &error), error, TENANTDB_ARGUMENT,
                           TENANTDB_REASON_BAD_OPTION_VALUE, "diagnose.releases");
    assert_null(findings);
    tenantdb_close(db);
  }
}

/* A clean database at every level: nothing above a notice. */
static void test_levels(void **state) {
  (void)state;
  const char *const levels[] = {"routing", "role", "hardened"};
  for (size_t i = 0; i < 3; i++) {
    const char *own = harness_database();
    harness_sql(own, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    tenantdb *db =
        fixture_ready(own, FIXTURE_OPTIONS(ANY_RELEASE, "isolation.level", i ? "role" : "routing"));
    tenantdb_tenant_free(fixture_tenant(db, "a"));
    tenantdb_tenant_free(fixture_tenant(db, "b-c"));
    harness_assert_ok(tenantdb_tenant_register(db, "unborn", NULL, NULL, &error), error);
    tenantdb_tenant_free(fixture_tenant(db, "gone"));
    harness_assert_ok(tenantdb_tenant_purge(db, "gone", 1, &error), error);
    harness_assert_ok(tenantdb_tenant_archive(db, "b-c", NULL, &error), error);
    if (i == 2) {
      harness_assert_ok(tenantdb_harden(db, 1, NULL, &error), error);
      tenantdb_close(db);
      db = fixture_ready(own, FIXTURE_OPTIONS(ANY_RELEASE, "isolation.level", "hardened"));
    }
    tenantdb_result *findings = diagnosed(db, NULL);
    assert_int_equal(diagnosed_alarms(findings, ""), 0);
    assert_int_equal(diagnosed_row(findings, "cannot-look", ""), -1);
    int32_t below = diagnosed_row(findings, "isolation-below", "level");
    assert_true(i == 2 ? below < 0 : below >= 0);
    assert_true(i == 2 || strstr(tenantdb_result_value(findings, below, OBJECT), levels[i + 1]));
    tenantdb_result_free(findings);
    assert_false(diagnosed_any(db, "a"));
    assert_false(diagnosed_any(db, "b-c"));
    assert_false(diagnosed_any(db, "unborn"));
    tenantdb_close(db);
    harness_drop_database(own);
  }
}

/* What the last selftest found, and what nobody has tested. */
static void test_strategy(void **state) {
  (void)state;
  if (harness_behind_pooler()) {
    return;
  }
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("database.pooler", "transaction"));
  assert_cell(db, "pooler-unproved", "connections", REMEDY, "tenantdb_selftest()");
  harness_assert_ok(tenantdb_selftest(db, NULL, &error), error);
  assert_false(diagnosed_has(db, NULL, "pooler-unproved", ""));
  tndb_strategy_refute(db, "now", "role was seen by another");
  assert_cell(db, "isolation-refuted", "connections", FOUND, "role was seen by another");
  tenantdb_close(db);
}

/* Each allocation fails in turn: out of memory, or the right answer, and nothing is lost. */
static void test_allocations(void **state) {
  (void)state;
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS(ANY_RELEASE));
  tenantdb_tenant *tenant = fixture_tenant(db, "poor");
  harness_sql(url, "DROP TABLE %s.items", tenantdb_tenant_schema(tenant));
  tenantdb_result_free(diagnosed(db, NULL));
  int64_t until = fixture_now_ms() + fixture_budget_ms();
  uint64_t points = 0, at = 1;
  int64_t before = 0;
  for (bool through = false; !through && fixture_now_ms() < until;) {
    tenantdb_result *findings = NULL;
    before = tndb_memory_live();
    (void)tndb_memory_fail(at, false);
    tenantdb_status status = tenantdb_diagnose(db, NULL, &findings, &error);
    points = tndb_memory_fail(0, false);
    if (status) {
      assert_null(findings);
      assert_int_equal(status, TENANTDB_MEMORY);
    } else {
      assert_true(diagnosed_row(findings, "table-missing", ".items") >= 0);
    }
    tenantdb_result_free(findings);
    tenantdb_error_free(error);
    error = NULL;
    if (status && points < at) {
      fixture_pause_us(60000); /* the pool makes a pause before it connects again */
    } else {
      through = points < at;
      at += 1 + at / 40;
    }
  }
  assert_in_range(tndb_memory_live(), 1, before + 200);
  print_message("%lu allocations\n", (unsigned long)points);
  assert_true(points > 50);
  tenantdb_tenant_free(tenant);
  tenantdb_close(db);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_arguments),
      cmocka_unit_test(test_nothing_there),
      cmocka_unit_test(test_versions),
      cmocka_unit_test(test_unfinished),
      cmocka_unit_test(test_not_shut),
      cmocka_unit_test(test_settings),
      cmocka_unit_test(test_idle_in_transaction),
      cmocka_unit_test(test_releases),
      cmocka_unit_test(test_levels),
      cmocka_unit_test(test_strategy),
      cmocka_unit_test(test_allocations),
  };
  return cmocka_run_group_tests_name("diagnose state", tests, setup, teardown);
}

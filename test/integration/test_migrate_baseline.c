/* SPDX-License-Identifier: PostgreSQL */
/* Databases that were there before their migrations: who makes shared tables, and which version schemas are of. */
#include "fixture_migrations.h"

static tenantdb_error *error;

/* Options as key, value, …, NULL. */
static tenantdb_ledger_options *options_of(const char *const *given) {
  tenantdb_ledger_options *options = tenantdb_ledger_options_new();
  for (; given && *given; given += 2) {
    tenantdb_ledger_options_set(options, given[0], given[1]);
  }
  return options;
}

static tenantdb_status baseline(tenantdb *db, const char *const *given, tenantdb_result **result) {
  tenantdb_ledger_options *options = options_of(given);
  tenantdb_status status = tenantdb_migration_baseline(db, options, result, &error);
  tenantdb_ledger_options_free(options);
  return status;
}

/* What a baseline answers, as "tenant version outcome; …". Until the next call. */
static const char *outcomes(tenantdb *db, const char *const *given) {
  static char all[4096];
  tenantdb_result *result = NULL;
  size_t length = 0;
  harness_assert_ok(baseline(db, given, &result), error);
  all[0] = '\0';
  for (int32_t i = 0; i < tenantdb_result_rows(result); i++) {
    length +=
        (size_t)snprintf(all + length, sizeof all - length, "%s %s %s;", fixture_value(result, i, "tenant"),
                         fixture_value(result, i, "version"), fixture_value(result, i, "outcome"));
  }
  tenantdb_result_free(result);
  return all;
}

static const char *cell_of_status(tenantdb *db, const char *tenant, const char *column) {
  static char cell[1024];
  tenantdb_result *result = NULL;
  tenantdb_ledger_options *options = tenantdb_ledger_options_new();
  if (*tenant) {
    tenantdb_ledger_options_tenant(options, tenant);
  } else {
    tenantdb_ledger_options_set(options, "stream", "shared");
  }
  harness_assert_ok(tenantdb_migration_status(db, options, &result, &error), error);
  assert_int_equal(tenantdb_result_rows(result), 1);
  snprintf(cell, sizeof cell, "%s", fixture_value(result, 0, column));
  tenantdb_result_free(result);
  tenantdb_ledger_options_free(options);
  return cell;
}

/* Whether an event of that name was told, and its message holds the text; empties the queue. */
static bool told(tenantdb *db, const char *name, const char *text) {
  tenantdb_result *events = NULL;
  bool found = false;
  harness_assert_ok(tenantdb_events(db, 1000, &events, &error), error);
  for (int32_t i = 0; i < tenantdb_result_rows(events); i++) {
    found = found || (strcmp(fixture_value(events, i, "event"), name) == 0 &&
                      strstr(fixture_value(events, i, "message"), text));
  }
  tenantdb_result_free(events);
  return found;
}

/* ---------------------------------------------------------------- the shared schema */

static void test_fresh(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_migrated(url, NULL, fixture_migrations(FIXTURE_TENANT), NULL);
  assert_string_equal(fixture_ledger(db, ""), "2 baseline done;");
  assert_string_equal(cell_of_status(db, "", "note"), "");
  assert_string_equal(cell_of_status(db, "", "pending"), "0");
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  assert_string_equal(fixture_ledger(db, ""), "2 baseline done;");
  assert_false(told(db, "migrations-wait", ""));
  tenantdb_close(db);
  harness_drop_database(url);
}

/* What the registry declares anew is left to the migrations that make it, and its grants wait for them. */
static void test_behind(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_close(fixture_migrated(url, NULL, fixture_migrations(FIXTURE_TENANT), NULL));
  tenantdb_registry *registry = fixture_registry();
  tenantdb_base *central = tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED);
  tenantdb_table *news = tenantdb_base_table(central, "news");
  tenantdb_table_column(news, "id", "integer", "PRIMARY KEY");
  tenantdb_table_grant(news, "SELECT");
  tenantdb_migrations *set = fixture_migrations(FIXTURE_TENANT);
  tenantdb_migration_add(set, "shared", 3, "news", "CREATE TABLE news (id integer PRIMARY KEY)");
  tenantdb *db = fixture_migrated(url, registry, set, NULL);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_class WHERE relname = 'news'"), 0);
  assert_string_equal(cell_of_status(db, "", "file"), "shared version 3");
  assert_true(told(db, "migrations-wait", "of version 2"));
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_session *session = fixture_session(db, "a");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM public.plans"), "0");
  tenantdb_session_close(session);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Who forgets to say which migrations there are does not make tables that they will make. */
static void test_forgotten(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_close(fixture_migrated(url, NULL, fixture_migrations(FIXTURE_TENANT), NULL));
  tenantdb_registry *registry = fixture_registry();
  tenantdb_base_sql(tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED),
                    "CREATE TABLE news (id integer)");
  tenantdb *db = fixture_open(url, registry, NULL);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_class WHERE relname = 'news'"), 0);
  assert_true(told(db, "migrations-wait", "tenantdb_use_migrations()"));
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Schemas with nothing in them need no baseline: the first migration is the first thing in them. */
static void test_empty(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_open(url, fixture_empty_registry(), NULL);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  fixture_use(db, fixture_migrations(2));
  assert_string_equal(cell_of_status(db, "a", "note"), "");
  assert_string_equal(cell_of_status(db, "a", "pending"), "2");
  tenantdb_close(db);
  harness_drop_database(url);
}

static void test_shared_before(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_result *result = NULL;
  tenantdb_close(fixture_ready(url, NULL));
  tenantdb *db = fixture_migrated(url, NULL, fixture_migrations(FIXTURE_TENANT), NULL);
  assert_string_equal(fixture_ledger(db, ""), "");
  assert_string_equal(cell_of_status(db, "", "note"), "baseline");
  assert_true(told(db, "migrations-wait", "tenantdb_migration_baseline()"));
  harness_sql(url,
              "ALTER TABLE public.plans DROP COLUMN name; CREATE TABLE public.foreign_to_us (id integer)");
  fixture_assert_refused(baseline(db, FIXTURE_OPTIONS("stream", "shared"), &result), error, TENANTDB_STATE,
                         TENANTDB_REASON_BASELINE_DIFFERS, "missing column plans.name");
  assert_null(result);
  harness_sql(url, "ALTER TABLE public.plans ADD COLUMN name text NOT NULL");
  assert_string_equal(outcomes(db, FIXTURE_OPTIONS("stream", "shared", "version", "1")), " 1 stamped;");
  assert_string_equal(outcomes(db, FIXTURE_OPTIONS("stream", "shared", "version", "1")), " 1 there;");
  assert_string_equal(outcomes(db, FIXTURE_OPTIONS("stream", "shared")), " 2 stamped;");
  assert_string_equal(fixture_ledger(db, ""), "1 baseline done;2 baseline done;");
  assert_string_equal(cell_of_status(db, "", "note"), "");
  tenantdb_close(db);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- tenants */

static void test_tenants_before(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_result *result = NULL;
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_tenant_free(fixture_tenant(db, "b"));
  tenantdb_tenant_free(fixture_tenant(db, "odd"));
  harness_assert_ok(tenantdb_tenant_suspend(db, "b", NULL, &error), error);
  tenantdb_close(db);
  harness_sql(
      url,
      "DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE %%I.notes DROP COLUMN at, ADD COLUMN x integer',"
      " schema_name) FROM tenantdb.tenants WHERE slug = 'odd'); END $$");
  db = fixture_migrated(url, NULL, fixture_migrations(FIXTURE_TENANT), NULL);
  assert_string_equal(cell_of_status(db, "a", "note"), "baseline");
  assert_string_equal(cell_of_status(db, "a", "pending"), "4");
  fixture_assert_refused(baseline(db, FIXTURE_OPTIONS("version", "3"), &result), error, TENANTDB_STATE,
                         TENANTDB_REASON_BASELINE_DIFFERS, "the schema of tenant a: extra table items");
  fixture_assert_refused(baseline(db, FIXTURE_OPTIONS("version", "9"), &result), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_HISTORY_MISSING, "no migration of version 9");
  assert_string_equal(outcomes(db, NULL), "a 4 stamped;b 4 stamped;odd 4 differs;");
  assert_string_equal(fixture_ledger(db, "a"), "4 baseline done;");
  assert_string_equal(fixture_ledger(db, "odd"), "");
  assert_string_equal(cell_of_status(db, "odd", "note"), "baseline");
  harness_assert_ok(baseline(db, NULL, &result), error);
  assert_string_equal(fixture_value(result, 2, "outcome"), "differs");
  assert_string_equal(fixture_value(result, 2, "note"),
                      "missing column notes.at, extra column notes.x, missing index "
                      "notes_at");
  tenantdb_result_free(result);
  assert_string_equal(outcomes(db, FIXTURE_OPTIONS("force", "on", "tenants", "odd")), "odd 4 stamped;");
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE version = 4"), 3);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.audit WHERE action = 'baseline' AND"
                                 " detail ->> 'version' = '4'"),
                   3);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* The set's own tenants are there already; repeatable ones that the schema agrees with need not be applied again. */
static void test_repeatables(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_close(db);
  harness_sql(
      url,
      "DO $$ BEGIN EXECUTE (SELECT format('CREATE VIEW %%I.ids AS SELECT id FROM %%I.notes; GRANT SELECT,"
      " INSERT, UPDATE, DELETE ON %%I.ids TO %%I', schema_name, schema_name, schema_name, role_name)"
      " FROM tenantdb.tenants); END $$");
  tenantdb_migrations *set = fixture_migrations(FIXTURE_TENANT);
  tenantdb_migration_add_repeatable(set, "tenant", "ids",
                                    "CREATE OR REPLACE VIEW ids AS SELECT id FROM notes");
  db = fixture_migrated(url, NULL, set, NULL);
  assert_string_equal(cell_of_status(db, "a", "repeatables"), "1");
  assert_string_equal(outcomes(db, NULL), "a 4 stamped;");
  assert_string_equal(fixture_ledger(db, "a"), "4 baseline done;0 ids repeatable done;");
  assert_string_equal(cell_of_status(db, "a", "repeatables"), "0");
  tenantdb_tenant_free(fixture_tenant(db, "b"));
  assert_string_equal(outcomes(db, NULL), "a 4 there;b 4 there;");
  tenantdb_close(db);
  harness_drop_database(url);
}

/* All of it: an installation without migrations, its baseline, and the first migration behind it. */
static void test_adopted(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_run *run = NULL;
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_close(db);
  tenantdb_migrations *set = fixture_migrations(FIXTURE_TENANT);
  tenantdb_migration_add(set, "shared", 3, "news", "CREATE TABLE news (id integer)");
  tenantdb_migration_add(set, "tenant", 5, "extra", "ALTER TABLE items ADD COLUMN extra text");
  db = fixture_migrated(url, NULL, set, NULL);
  fixture_assert_refused(tenantdb_migrate(db, NULL, &run, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_BASELINE, "tenantdb_migration_baseline()");
  tenantdb_run_free(run);
  run = NULL;
  assert_string_equal(outcomes(db, FIXTURE_OPTIONS("stream", "shared", "version", "2")), " 2 stamped;");
  fixture_assert_refused(tenantdb_migrate(db, NULL, &run, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_BASELINE, "the schema of tenant a");
  tenantdb_run_free(run);
  assert_string_equal(outcomes(db, FIXTURE_OPTIONS("version", "4")), "a 4 stamped;");
  harness_assert_ok(tenantdb_migrate(db, NULL, NULL, &error), error);
  assert_string_equal(fixture_ledger(db, ""), "2 baseline done;3 versioned done;");
  assert_string_equal(fixture_ledger(db, "a"), "4 baseline done;5 versioned done;");
  assert_string_equal(cell_of_status(db, "a", "pending"), "0");
  tenantdb_close(db);
  harness_drop_database(url);
}

static void test_mistakes(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_migrated(url, NULL, fixture_migrations(1), NULL);
  tenantdb_result *result = NULL;
  fixture_assert_refused(baseline(db, FIXTURE_OPTIONS("verson", "1"), &result), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_UNKNOWN_OPTION, "did you mean \"version\"");
  fixture_assert_refused(baseline(db, FIXTURE_OPTIONS("version", "one"), &result), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_OPTION_VALUE, "neither a version nor newest");
  fixture_assert_refused(baseline(db, FIXTURE_OPTIONS("force", "maybe"), &result), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_OPTION_VALUE, "neither on nor off");
  fixture_assert_refused(baseline(db, FIXTURE_OPTIONS("tenants", "nobody"), &result), error,
                         TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT, "nobody");
  fixture_assert_refused(baseline(db, FIXTURE_OPTIONS("version", "all"), &result), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_HISTORY_MISSING, "one version, not all");
  assert_int_equal(baseline(db, FIXTURE_OPTIONS("stream", "nil"), &result), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  error = NULL;
  fixture_assert_refused(tenantdb_migration_baseline(db, NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  tenantdb_ledger_options_free(NULL);
  tenantdb_ledger_options_set(NULL, "version", "1");
  tenantdb_ledger_options_tenant(NULL, "a");
  tenantdb_close(db);
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_fresh),         cmocka_unit_test(test_behind),
      cmocka_unit_test(test_shared_before), cmocka_unit_test(test_tenants_before),
      cmocka_unit_test(test_repeatables),   cmocka_unit_test(test_mistakes),
      cmocka_unit_test(test_adopted),       cmocka_unit_test(test_forgotten),
      cmocka_unit_test(test_empty),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/* What a run is to do: the plan, the order of files, what was edited, and that there is nothing to do. */
#include "run_fixture.h"

#include "fixture_database.h"

enum { FLEET = 12 };

static int setup(void **state) {
  (void)fixture_setup(state);
  run_fleet(url, FLEET);
  return 0;
}

/* ---------------------------------------------------------------- the plan */

/* One line for each row of the plan, in a buffer that lasts until the next call. */
static const char *planned(tenantdb *db, const char *const *pairs) {
  static char all[4096];
  tenantdb_result *plan = NULL;
  tenantdb_run_options *options = run_options(pairs);
  size_t length = 0;
  harness_assert_ok(tenantdb_run_plan(db, options, &plan, &error), error);
  tenantdb_run_options_free(options);
  all[0] = '\0';
  for (int32_t i = 0; i < tenantdb_result_rows(plan); i++) {
    for (int32_t k = 0; k < 7; k++) {
      const char *cell = tenantdb_result_value(plan, i, k);
      length +=
          (size_t)snprintf(all + length, sizeof all - length, "%s%s", cell ? cell : "-", k == 6 ? "\n" : " ");
    }
  }
  tenantdb_result_free(plan);
  return all;
}

static void test_plan(void **state) {
  (void)state;
  tenantdb_migrations *set = run_set(3);
  tenantdb_migration_add(set, "shared", 2, "plans", "CREATE TABLE plans (id integer PRIMARY KEY)");
  tenantdb_migration_add(set, "tenant", 4, "steps",
                         "-- tenantdb:tx none\nCREATE INDEX CONCURRENTLY notes_body ON notes (body)");
  tenantdb_migration_add_repeatable(set, "tenant", "seen",
                                    "CREATE OR REPLACE VIEW seen AS SELECT id FROM notes");
  tenantdb_migration_add_down(set, "tenant", 2, "ALTER TABLE notes DROP COLUMN tag");
  tenantdb_migration_add_down(set, "tenant", 3, "DROP INDEX notes_tag");
  tenantdb *db = run_open(url, set, NULL);
  assert_string_equal(planned(db, FIXTURE_OPTIONS("waves", "1,50%")),
                      "file shared 2 shared version 2 1 one -\n"
                      "file tenant 2 tenant version 2 12 one ACCESS EXCLUSIVE\n"
                      "file tenant 3 tenant version 3 12 one SHARE\n"
                      "file tenant 4 tenant version 4 12 steps SHARE UPDATE EXCLUSIVE\n"
                      "file tenant - tenant seen 12 one -\n"
                      "wave - - 1 1 - -\nwave - - 2 5 - -\nwave - - 3 6 - -\n");
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.runs"), 0);
  harness_assert_ok(run_migrate(db, FIXTURE_OPTIONS("to", "3", "tenants", "t001,t002,t003"), NULL, &error),
                    error);
  assert_string_equal(planned(db, FIXTURE_OPTIONS("to", "3", "stream", "tenant")),
                      "file tenant 2 tenant version 2 9 one ACCESS EXCLUSIVE\n"
                      "file tenant 3 tenant version 3 9 one SHARE\nwave - - 1 9 - -\n");
  assert_string_equal(
      planned(db, FIXTURE_OPTIONS("to", "1", "stream", "tenant", "down", "on", "tenants", "t001")),
      "file tenant 3 tenant version 3 (way back) 1 one ACCESS EXCLUSIVE\n"
      "file tenant 2 tenant version 2 (way back) 1 one ACCESS EXCLUSIVE\nwave - - 1 1 - -\n");
  assert_string_equal(planned(db, FIXTURE_OPTIONS("to", "3", "order", "any", "tenants", "t001,t004")),
                      "file tenant 2 tenant version 2 1 one ACCESS EXCLUSIVE\n"
                      "file tenant 3 tenant version 3 1 one SHARE\nwave - - 1 1 - -\n");
  harness_assert_ok(run_migrate(db, NULL, NULL, &error), error);
  assert_string_equal(planned(db, NULL), "");
  assert_int_equal(run_at(url, 4), FLEET);
  assert_int_equal(run_lies(url), 0);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- history */

static void test_history(void **state) {
  (void)state;
  tenantdb *db = run_open_at(url, 2);
  harness_assert_ok(run_migrate(db, FIXTURE_OPTIONS("tenants", "t001,t002"), NULL, &error), error);
  tenantdb_close(db);
  /* An applied file has another text: nobody is touched. */
  tenantdb_migrations *set = run_set(1);
  tenantdb_migration_add(set, "tenant", 2, "step", "ALTER TABLE notes ADD COLUMN tag integer");
  db = run_open(url, set, NULL);
  harness_assert_fails(run_migrate(db, NULL, NULL, &error), error, TENANTDB_MIGRATION,
                       TENANTDB_REASON_HISTORY_EDITED);
  assert_int_equal(run_at(url, 2), 2);
  tenantdb_close(db);
}

static void test_order(void **state) {
  (void)state;
  tenantdb_migrations *set = run_set(1);
  tenantdb_migration_add(set, "tenant", 3, "step", "ALTER TABLE notes ADD COLUMN third integer");
  tenantdb *db = run_open(url, set, NULL);
  harness_assert_ok(run_migrate(db, FIXTURE_OPTIONS("tenants", "t001,t002"), NULL, &error), error);
  tenantdb_close(db);
  set = run_set(1);
  tenantdb_migration_add(set, "tenant", 2, "late", "ALTER TABLE notes ADD COLUMN second integer");
  tenantdb_migration_add(set, "tenant", 3, "step", "ALTER TABLE notes ADD COLUMN third integer");
  db = run_open(url, set, NULL);
  fixture_assert_refused(run_migrate(db, NULL, NULL, &error), error, TENANTDB_MIGRATION,
                         TENANTDB_REASON_OUT_OF_ORDER, "version 2");
  harness_assert_ok(run_migrate(db, FIXTURE_OPTIONS("order", "linear_skip"), NULL, &error), error);
  assert_int_equal(run_at(url, 3), FLEET);
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM information_schema.columns WHERE column_name = 'second'"),
      FLEET - 2);
  harness_assert_ok(run_migrate(db, FIXTURE_OPTIONS("order", "any"), NULL, &error), error);
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM information_schema.columns WHERE column_name = 'second'"),
      FLEET);
  tenantdb_run *run = NULL;
  harness_assert_ok(run_migrate(db, NULL, &run, &error), error);
  assert_string_equal(tenantdb_run_id(run), "");
  tenantdb_run_free(run);
  tenantdb_close(db);
}

static void test_repeatable(void **state) {
  (void)state;
  for (int round = 0; round < 2; round++) {
    tenantdb_migrations *set = run_set(2);
    tenantdb_migration_add_repeatable(
        set, "tenant", "it's a view",
        round ? "CREATE OR REPLACE VIEW all_notes AS SELECT id, body, tag FROM notes"
              : "CREATE OR REPLACE VIEW all_notes AS SELECT id, body FROM notes");
    tenantdb *db = run_open(url, set, NULL);
    tenantdb_run *run = NULL;
    harness_assert_ok(run_migrate(db, NULL, &run, &error), error);
    assert_int_equal(run_progress(run, "done"), FLEET);
    tenantdb_run_free(run);
    harness_assert_ok(run_migrate(db, NULL, &run, &error), error);
    assert_string_equal(tenantdb_run_id(run), "");
    tenantdb_run_free(run);
    tenantdb_close(db);
  }
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM information_schema.columns WHERE table_name = 'all_notes' "
                    "AND column_name = 'tag'"),
      FLEET);
}

/* Ten thousand tenants of whom the planner knows nothing yet: asking must not become slow out of proportion. */
static void test_ten_thousand(void **state) {
  (void)state;
  tenantdb *db = run_open_at(url, 3);
  tenantdb_run *run = NULL;
  harness_assert_ok(run_migrate(db, NULL, NULL, &error), error);
  harness_sql(
      url,
      "ALTER TABLE tenantdb.tenants SET (autovacuum_enabled = off); ALTER TABLE tenantdb.migrations SET "
      "(autovacuum_enabled = off)");
  harness_sql(
      url,
      "INSERT INTO tenantdb.tenants (id, slug, schema_name, state, version) SELECT gen_random_uuid(), "
      "'n' || i, 'n' || i, 'active', 3 FROM generate_series(1, 10000) i");
  harness_sql(
      url,
      "INSERT INTO tenantdb.migrations (stream, tenant_id, version, kind, title, sum, state) SELECT "
      "m.stream, n.id, m.version, 'versioned', m.title, x.sum, 'done' FROM tenantdb.tenants t JOIN "
      "tenantdb.migrations m ON m.tenant_id = t.id JOIN tenantdb.tenants n ON n.slug LIKE 'n%%' JOIN LATERAL "
      "(SELECT max(sum) AS sum FROM tenantdb.migrations s WHERE s.version = m.version) x ON true WHERE "
      "t.slug = 't001'");
  for (int round = 0; round < 2; round++) {
    int64_t began = fixture_now_ms();
    harness_assert_ok(run_migrate(db, NULL, &run, &error), error);
    int64_t took = fixture_now_ms() - began;
    print_message("10,000 tenants, nothing to do%s: %lld ms\n", round ? ", the ledger compared" : "",
                  (long long)took);
    assert_string_equal(tenantdb_run_id(run), "");
    assert_true(took < 5000);
    tenantdb_run_free(run);
    harness_sql(url, "DELETE FROM tenantdb.runs");
  }
  /* One among them who was edited behind our back is found. */
  harness_sql(
      url,
      "UPDATE tenantdb.migrations SET sum = repeat('0', 64) WHERE version = 2 AND tenant_id = (SELECT id "
      "FROM tenantdb.tenants WHERE slug = 'n7777')");
  fixture_assert_refused(run_migrate(db, NULL, NULL, &error), error, TENANTDB_MIGRATION,
                         TENANTDB_REASON_HISTORY_EDITED, "n7777");
  harness_sql(url,
              "DELETE FROM tenantdb.migrations WHERE version = 2 AND tenant_id = (SELECT id FROM "
              "tenantdb.tenants WHERE slug = 'n7777')");
  fixture_assert_refused(run_migrate(db, NULL, NULL, &error), error, TENANTDB_MIGRATION,
                         TENANTDB_REASON_OUT_OF_ORDER, "n7777");
  tenantdb_close(db);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)
      EACH(test_plan), EACH(test_history), EACH(test_order), EACH(test_repeatable), EACH(test_ten_thousand),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

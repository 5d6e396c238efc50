/* SPDX-License-Identifier: PostgreSQL */
/*
 * Every allocation of drift and repair fails in turn, once and from then on:
 * no crash, nothing leaked, an answer that is documented, each tenant as he was
 * or as he should be, and the same call succeeds afterwards.
 */
#include "starve.h"

#include "fixture_database.h"

static int setup(void **state) {
  (void)fixture_setup(state);
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "ant"));
  tenantdb_tenant_free(fixture_tenant(db, "bee"));
  tenantdb_close(db);
  return 0;
}

/* Whatever is left of the last run is mended, then it is broken again. */
static void break_tenants(tenantdb *db) {
  tenantdb_result *table = NULL;
  tenantdb_schema_options *options = tenantdb_schema_options_new();
  tenantdb_schema_options_set(options, "drop", "on");
  harness_assert_ok(tenantdb_repair(db, options, 1, &table, &error), error);
  tenantdb_result_free(table);
  tenantdb_schema_options_free(options);
  harness_sql(
      url,
      "DO $$ DECLARE s text; BEGIN FOR s IN SELECT schema_name FROM tenantdb.tenants LOOP"
      " PERFORM set_config('search_path', s, true); DROP INDEX notes_at; ALTER TABLE notes ALTER COLUMN body"
      " DROP NOT NULL, ADD COLUMN more text; DROP TABLE items; COMMENT ON TABLE notes IS 'x'; GRANT SELECT ON"
      " notes TO PUBLIC; END LOOP; END $$");
}

static void check_still_broken(void) {
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE "
                    "relname = 'notes' AND attname = 'more'"),
      2);
}

/* Both are whole: what belongs together is there or not. */
static void check_whole(void) {
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.tenants t WHERE (to_regclass(schema_name || '.items') IS "
                    "NULL) <> (to_regclass(schema_name || '.notes_at') IS NULL)"),
      0);
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tenantdb\\_scratch%%'"), 0);
}

typedef struct scenario {
  const char *name;
  tenantdb_status (*act)(tenantdb *db, const tenantdb_schema_options *options, tenantdb_result **table,
                         tenantdb_error **failure);
  bool changes;
} scenario;

static tenantdb_status act_plan(tenantdb *db, const tenantdb_schema_options *options, tenantdb_result **table,
                                tenantdb_error **failure) {
  return tenantdb_repair(db, options, 0, table, failure);
}

static tenantdb_status act_apply(tenantdb *db, const tenantdb_schema_options *options,
                                 tenantdb_result **table, tenantdb_error **failure) {
  return tenantdb_repair(db, options, 1, table, failure);
}

static tenantdb_status act_snapshot(tenantdb *db, const tenantdb_schema_options *options,
                                    tenantdb_result **table, tenantdb_error **failure) {
  (void)options;
  return tenantdb_snapshot(db, "ant", NULL, table, failure);
}

/* One run with the n-th allocation failing; how many were made. The form of the registry is made anew in each. */
static int64_t run_once(const void *tried, int64_t at, bool forever) {
  const scenario *what = tried;
  int64_t before = tndb_memory_live();
  tenantdb_result *table = NULL;
  tenantdb_error *failure = NULL;
  tenantdb_status status = TENANTDB_MEMORY;
  if (what->changes) {
    tenantdb *other = fixture_open(url, NULL, NULL);
    break_tenants(other);
    tenantdb_close(other);
  }
  tenantdb *db = fixture_open(url, NULL, NULL);
  (void)tndb_memory_fail((uint64_t)at, forever);
  tenantdb_schema_options *options = tenantdb_schema_options_new();
  tenantdb_schema_options_set(options, "selector", "slug^=a|b");
  tenantdb_schema_options_tenant(options, "ant");
  tenantdb_schema_options_tenant(options, "bee");
  if (options) {
    status = what->act(db, options, &table, &failure);
  }
  int64_t made = (int64_t)tndb_memory_fail(0, false);
  starve_check_answer(what->name, at, forever, status, failure);
  assert_int_equal(status == TENANTDB_OK, table != NULL);
  tenantdb_error_free(failure);
  tenantdb_result_free(table);
  tenantdb_schema_options_free(options);
  if (what->changes) {
    check_whole();
  } else {
    check_still_broken();
  }
  tenantdb_close(db);
  starve_check_freed(what->name, at, forever, before);
  return made;
}

static void test_sweeps(void **state) {
  (void)state;
  static const scenario scenarios[] = {{"fingerprints", tenantdb_fingerprints, false},
                                       {"drift", tenantdb_drift, false},
                                       {"snapshot", act_snapshot, false},
                                       {"plan", act_plan, false},
                                       {"repair", act_apply, true}};
  tenantdb *db = fixture_open(url, NULL, NULL);
  break_tenants(db);
  tenantdb_close(db);
  for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
    starve_sweep(scenarios[i].name, &scenarios[i], run_once, fixture_budget_ms() / 5);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_sweeps)};
  return cmocka_run_group_tests_name("drift faults", tests, setup, fixture_teardown);
}

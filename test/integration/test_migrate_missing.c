/* SPDX-License-Identifier: PostgreSQL */
/* A file that was applied and is gone from the set is noticed, also when there is nothing to do. */
#include "fixture_migrations.h"

static tenantdb_error *error;

/* Versions 1 and 9, and what is named beside them. */
static tenantdb_migrations *set_of(const char *stream, int64_t more, bool checkpoint) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add(set, stream, 1, "", "CREATE TABLE one (id integer)");
  tenantdb_migration_add(set, stream, 9, "", "CREATE TABLE nine (id integer)");
  if (more) {
    tenantdb_migration_add(set, stream, more, "", "CREATE TABLE more (id integer)");
  }
  if (checkpoint) {
    tenantdb_migration_add_checkpoint(set, 8, "",
                                      "CREATE TABLE one (id integer); CREATE TABLE more (id integer)");
  }
  return set;
}

static tenantdb_status migrate(const char *url, tenantdb_migrations *set, const char *order) {
  tenantdb *db = fixture_migrated(url, fixture_empty_registry(), set, NULL);
  tenantdb_run_options *options = tenantdb_run_options_new();
  tenantdb_run_options_set(options, "order", order);
  tenantdb_status status = tenantdb_migrate(db, options, NULL, &error);
  tenantdb_run_options_free(options);
  tenantdb_close(db);
  return status;
}

static void assert_missing(const char *url, tenantdb_migrations *set, const char *order, const char *says) {
  fixture_assert_refused(migrate(url, set, order), error, TENANTDB_MIGRATION, TENANTDB_REASON_HISTORY_MISSING,
                         says);
}

static void test_tenant(void **state) {
  (void)state;
  static const char *const orders[] = {"linear", "any", "linear_skip"};
  const char *url = harness_database();
  tenantdb *db = fixture_migrated(url, fixture_empty_registry(), set_of("tenant", 0, false), NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_tenant_free(fixture_tenant(db, "b"));
  tenantdb_close(db);
  harness_assert_ok(migrate(url, set_of("tenant", 5, false), "any"), error);
  for (int i = 0; i < 3; i++) {
    assert_missing(url, set_of("tenant", 0, false), orders[i], "version 5 of stream tenant was applied");
  }
  harness_assert_ok(migrate(url, set_of("tenant", 5, false), "linear"), error);
  /* A checkpoint stands for it. */
  harness_assert_ok(migrate(url, set_of("tenant", 0, true), "linear"), error);
  /* What is above the set's newest a later release has applied. */
  tenantdb_migrations *later = set_of("tenant", 5, false);
  tenantdb_migration_add(later, "tenant", 12, "", "CREATE TABLE twelve (id integer)");
  harness_assert_ok(migrate(url, later, "linear"), error);
  harness_assert_ok(migrate(url, set_of("tenant", 5, false), "linear"), error);
  harness_drop_database(url);
}

static void test_shared(void **state) {
  (void)state;
  const char *url = harness_database();
  harness_assert_ok(migrate(url, set_of("shared", 5, false), "linear"), error);
  fixture_assert_refused(migrate(url, set_of("shared", 0, false), "linear"), error, TENANTDB_STATE,
                         TENANTDB_REASON_RUN_STOPPED, "version 5 of stream shared was applied and is not in");
  harness_assert_ok(migrate(url, set_of("shared", 5, false), "linear"), error);
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tenant),
      cmocka_unit_test(test_shared),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

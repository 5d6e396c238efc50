/* SPDX-License-Identifier: PostgreSQL */
/*
 * A client that is killed at random moments while it makes or purges tenants.
 * A creation leaves all or nothing; a purge is finished by reconcile as soon as
 * the dead owner's lease has run out.
 */
#include "lost.h"

#include "fixture_database.h"

enum { CREATIONS = 12, PURGES = 6, TABLES = 220 };

#define LEASE FIXTURE_OPTIONS("operation.lease", "1s")

static unsigned seed;

static int setup(void **state) {
  (void)fixture_setup(state);
  seed = fixture_seed();
  tenantdb_close(fixture_ready(url, LEASE));
  return 0;
}

static void kill_child(void (*work)(tenantdb *db, int round), int round, unsigned within_us) {
  fault_kill_child(url, LEASE, work, round, fixture_random(&seed, within_us));
  fault_wait_quiet(url);
}

static void create_many(tenantdb *db, int round) {
  for (int i = 0; i < 20; i++) {
    char slug[24];
    snprintf(slug, sizeof slug, "c%d-%d", round, i);
    (void)tenantdb_tenant_create(db, slug, NULL, NULL, NULL);
  }
}

static void test_creations(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, LEASE);
  for (int round = 0; round < CREATIONS; round++) {
    kill_child(create_many, round, 100000);
    assert_int_equal(fixture_halves(url), 0);
    assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE state <> 'active'"), 0);
    tenantdb_result *done = NULL;
    harness_assert_ok(tenantdb_reconcile(db, &done, &error), error);
    assert_int_equal(tenantdb_result_rows(done), 0);
    tenantdb_result_free(done);
  }
  print_message("%lld tenants made\n",
                (long long)harness_count(url, "SELECT count(*) FROM tenantdb.tenants"));
  tenantdb_close(db);
}

static void purge_one(tenantdb *db, int round) {
  char slug[24];
  snprintf(slug, sizeof slug, "p%d", round);
  (void)tenantdb_tenant_purge(db, slug, 1, NULL);
}

static void test_purges(void **state) {
  (void)state;
  int interrupted = 0;
  tenantdb *db = fixture_open(url, NULL, LEASE);
  for (int round = 0; round < PURGES; round++) {
    char slug[24];
    snprintf(slug, sizeof slug, "p%d", round);
    tenantdb_tenant *tenant = fixture_tenant(db, slug);
    harness_sql(
        url,
        "DO $$ BEGIN FOR i IN 1..%d LOOP EXECUTE format('CREATE TABLE %s.x%%s (i int)', i); END LOOP; END "
        "$$",
        TABLES, tenantdb_tenant_schema(tenant));
    kill_child(purge_one, round, 60000);
    char *found =
        harness_value(url, "SELECT state FROM tenantdb.tenants WHERE id = '%s'", tenantdb_tenant_id(tenant));
    bool begun = strcmp(found, "deleting") == 0;
    free(found);
    tenantdb_result *done = NULL;
    if (begun) {
      interrupted++;
      /* While the lease lasts nobody takes it up; afterwards one reconcile does. */
      harness_assert_ok(tenantdb_reconcile(db, &done, &error), error);
      int32_t early = tenantdb_result_rows(done);
      tenantdb_result_free(done);
      if (early == 0) {
        fixture_pause_us(1100000);
        harness_assert_ok(tenantdb_reconcile(db, &done, &error), error);
        assert_int_equal(tenantdb_result_rows(done), 1);
        assert_string_equal(tenantdb_result_value(done, 0, 0), slug);
        assert_string_equal(tenantdb_result_value(done, 0, 3), "done");
        tenantdb_result_free(done);
      }
    }
    harness_assert_ok(tenantdb_reconcile(db, &done, &error), error);
    assert_int_equal(tenantdb_result_rows(done), 0);
    tenantdb_result_free(done);
    int64_t left = harness_count(url, "SELECT count(*) FROM pg_namespace WHERE nspname = '%s'",
                                 tenantdb_tenant_schema(tenant));
    found =
        harness_value(url, "SELECT state FROM tenantdb.tenants WHERE id = '%s'", tenantdb_tenant_id(tenant));
    assert_true(strcmp(found, "deleted") == 0 ? left == 0
                                              : strcmp(found, "active") == 0 && left == 1 && !begun);
    if (left) {
      harness_assert_ok(tenantdb_tenant_purge(db, slug, 1, &error), error);
    }
    free(found);
    tenantdb_tenant_free(tenant);
    assert_int_equal(fixture_halves(url), 0);
  }
  print_message("%d of %d purges were interrupted\n", interrupted, PURGES);
  tenantdb_close(db);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_creations),
      cmocka_unit_test(test_purges),
  };
  return cmocka_run_group_tests_name("client killed", tests, setup, fixture_teardown);
}

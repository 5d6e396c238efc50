/* SPDX-License-Identifier: PostgreSQL */
/* A catalog that an older library made, with tenants in it, and libraries that upgrade it. */
#include <pthread.h>

#include "base/sha256.h"
#include "catalog/definition.h"
#include "fixture.h"

static tenantdb_error *error;

/*
 * A database as a library of that catalog version leaves it: its DDL, two tenants
 * and what is left of a third.
 */
static const char *make_old(int version) {
  static const char *const tables[] = {"tenants", "operations", "audit", "shared_objects", "hardening"};
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  tenantdb_tenant_free(fixture_tenant(db, "slow"));
  tenantdb_tenant_free(fixture_tenant(db, "dead"));
  harness_assert_ok(tenantdb_tenant_suspend(db, "slow", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_purge(db, "dead", 1, &error), error);
  tenantdb_session *session = fixture_session(db, "acme");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('kept')");
  tenantdb_session_close(session);
  tenantdb_close(db);
  harness_sql(url, "ALTER SCHEMA tenantdb RENAME TO newer; CREATE SCHEMA tenantdb");
  for (int made = 1; made <= version; made++) {
    for (const char *const *step = tndb_catalog_steps(made); *step; step++) {
      harness_sql(url, "SET search_path = tenantdb, pg_temp; %s", *step);
    }
  }
  harness_sql(url,
              "INSERT INTO tenantdb.catalog (version, library, group_role, grants_hash) SELECT %d, '0.0.9', "
              "group_role, grants_hash FROM newer.catalog",
              version);
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
    harness_sql(url, "INSERT INTO tenantdb.%s OVERRIDING SYSTEM VALUE SELECT * FROM newer.%s", tables[i],
                tables[i]);
  }
  harness_sql(url,
              "SELECT setval(pg_get_serial_sequence('tenantdb.audit', 'id'), (SELECT max(id) FROM "
              "tenantdb.audit)); DROP SCHEMA newer CASCADE");
  return url;
}

static int64_t newer_tables(const char *url) {
  return harness_count(url,
                       "SELECT count(*) FROM pg_tables WHERE schemaname = 'tenantdb' AND tablename ~ "
                       "'^(view|relocation|move|migrations|run|standby)'");
}

static void check_upgraded(const char *url) {
  assert_int_equal(harness_count(url, "SELECT version FROM tenantdb.catalog"), TNDB_CATALOG_VERSION);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.catalog WHERE library = '%s' AND upgraded_at >= "
                    "created_at",
                    tenantdb_version()),
      1);
  assert_int_equal(newer_tables(url), 12);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants"), 3);
  assert_int_equal(fixture_halves(url), 0);
}

/* What stands in catalogs everywhere: a change belongs into the next version. */
static void test_released(void **state) {
  (void)state;
  static const char *const hashes[] = {"",
                                       "79bf3e320f8672404080aa165574daeeabb5e04bee7e8eecb49033d481bd0d1e",
                                       "c948dfaf3beb68e49a186f9cd0769138dd303f443b24bc4289fc84dfe0bc0ff2",
                                       "af800ab04ab16ebe6b6f425d9f92c99337d25c646e34ba5b4a73ae160c51bce5",
                                       "c231af83918a660542abd8650bcb6dfb1028b3412c0c483cbc4028af81869cfb",
                                       "63329fbca98eca504de5d93e0d9396235d8529abd8918e311340015e8486012a"};
  for (int version = 1; version <= TNDB_CATALOG_VERSION; version++) {
    tndb_sha256 hash;
    unsigned char digest[TNDB_SHA256_BYTES];
    char hex[TNDB_SHA256_HEX];
    tndb_sha256_start(&hash);
    for (const char *const *step = tndb_catalog_steps(version); *step; step++) {
      tndb_sha256_add(&hash, *step, strlen(*step) + 1);
    }
    tndb_sha256_finish(&hash, digest);
    tndb_sha256_hex(digest, sizeof digest, hex);
    assert_string_equal(hex, hashes[version]);
  }
  assert_null(*tndb_catalog_steps(TNDB_CATALOG_VERSION + 1));
}

static void upgrade_from(int version) {
  const char *url = make_old(version);
  tenantdb *db = fixture_open(url, NULL, NULL);
  tenantdb_tenant *tenant = NULL;
  tenantdb_session *session = NULL;
  tenantdb_result *views = NULL;
  /* Nothing is done on a catalog that is not understood. */
  fixture_assert_refused(tenantdb_tenant_get(db, "acme", &tenant, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_CATALOG_OLDER, "made by an older library");
  fixture_assert_refused(tenantdb_session_open(db, "acme", NULL, &session, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_CATALOG_OLDER, "call tenantdb_bootstrap()");
  fixture_assert_refused(tenantdb_view_list(db, &views, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_CATALOG_OLDER, "tenantdb_bootstrap()");
  fixture_assert_refused(tenantdb_tenant_purge(db, "acme", 1, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_CATALOG_OLDER, "tenantdb_bootstrap()");
  assert_int_equal(harness_count(url, "SELECT version FROM tenantdb.catalog"), version);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  check_upgraded(url);
  session = fixture_session(db, "acme");
  assert_string_equal(fixture_cell(session, "SELECT body FROM notes"), "kept");
  tenantdb_session_close(session);
  assert_string_equal(fixture_findings(db, "acme"), "");
  assert_string_equal(fixture_findings(db, "slow"), "");
  /* Tenants from before are in views like those that come. */
  harness_assert_ok(tenantdb_view_create(db, "all", "notes", NULL, &error), error);
  tenantdb_tenant_free(fixture_tenant(db, "fresh"));
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb_reports.\"all\" WHERE tenant = 'acme'"),
                   1);
  assert_int_equal(harness_count(url, "SELECT members FROM tenantdb.view_parts"), 3);
  harness_assert_ok(tenantdb_tenant_purge(db, "slow", 1, &error), error);
  char *before = harness_value(url, "SELECT string_agg(c.xmin::text || c::text, '') FROM tenantdb.catalog c");
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  char *after = harness_value(url, "SELECT string_agg(c.xmin::text || c::text, '') FROM tenantdb.catalog c");
  assert_string_equal(before, after);
  free(before);
  free(after);
  tenantdb_close(db);
  harness_drop_database(url);
}

static void test_upgrade(void **state) {
  (void)state;
  for (int version = 1; version < TNDB_CATALOG_VERSION; version++) {
    upgrade_from(version);
  }
}

enum { THREADS = 6 };
static pthread_barrier_t gate;

static void *upgrade_one(void *user) {
  tenantdb_error *own = NULL;
  pthread_barrier_wait(&gate);
  tenantdb_status status = tenantdb_bootstrap(user, &own);
  if (status) {
    print_error("%s: %s\n", tenantdb_status_name(status), tenantdb_error_message(own));
  }
  tenantdb_error_free(own);
  return (void *)(intptr_t)status;
}

static void test_at_once(void **state) {
  (void)state;
  const char *url = make_old(1);
  tenantdb *dbs[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    dbs[i] = fixture_open(url, NULL, NULL);
  }
  pthread_barrier_init(&gate, NULL, THREADS);
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, upgrade_one, dbs[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    void *status;
    pthread_join(threads[i], &status);
    assert_ptr_equal(status, NULL);
  }
  pthread_barrier_destroy(&gate);
  check_upgraded(url);
  for (int i = 0; i < THREADS; i++) {
    tenantdb_session_close(fixture_session(dbs[i], "acme"));
    tenantdb_close(dbs[i]);
  }
  harness_drop_database(url);
}

/* An upgrade that cannot be done leaves the catalog as it was; the older library goes on with it. */
static void test_in_the_way(void **state) {
  (void)state;
  const char *url = make_old(1);
  tenantdb *db = fixture_open(url, NULL, NULL);
  harness_sql(url, "CREATE TABLE tenantdb.view_members (theirs text)");
  harness_assert_status(tenantdb_bootstrap(db, &error), error, TENANTDB_ALREADY_EXISTS,
                        TENANTDB_REASON_SERVER_ERROR);
  harness_assert_message(error, "creating the catalog in schema tenantdb");
  tenantdb_error_free(error);
  error = NULL;
  assert_int_equal(harness_count(url, "SELECT version FROM tenantdb.catalog"), 1);
  assert_int_equal(newer_tables(url), 1);
  harness_sql(url, "DROP TABLE tenantdb.view_members");
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  check_upgraded(url);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* A shared base must not declare what the catalog now has, when they share a schema. */
static void test_collision(void **state) {
  (void)state;
  const char *url = harness_database();
  static const char *const names[] = {
      "views",      "view_parts",  "view_members", "relocations", "relocation_steps", "moves",
      "move_steps", "move_things", "migrations",   "runs",        "run_members",      "standby_schemas"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    tenantdb_registry *registry = tenantdb_registry_new();
    tenantdb_base *base = tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED);
    tenantdb_table_column(tenantdb_base_table(base, names[i]), "id", "uuid", "PRIMARY KEY");
    fixture_assert_error(fixture_refused(url, registry, FIXTURE_OPTIONS("catalog.schema", "public")),
                         TENANTDB_ARGUMENT, TENANTDB_REASON_CATALOG_COLLISION, names[i]);
    tenantdb_registry_free(registry);
  }
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_released),   cmocka_unit_test(test_upgrade),   cmocka_unit_test(test_at_once),
      cmocka_unit_test(test_in_the_way), cmocka_unit_test(test_collision),
  };
  return cmocka_run_group_tests_name("upgrade", tests, NULL, NULL);
}

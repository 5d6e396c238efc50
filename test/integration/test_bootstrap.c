/* SPDX-License-Identifier: PostgreSQL */
/* The catalog and the shared bases: made once, by one of many, and only where they belong. */
#include <pthread.h>

#include "fixture_database.h"

/* Everything that a bootstrap could touch, by the transactions that wrote it. */
static char *fingerprint(void) {
  return harness_value(
      url,
      "SELECT (SELECT string_agg(c.xmin::text || c::text, '') FROM tenantdb.catalog c) || (SELECT "
      "string_agg(o.xmin::text || o.hash, '' ORDER BY hash) FROM tenantdb.shared_objects o) || (SELECT "
      "count(*)::text || coalesce(max(id), 0) FROM tenantdb.audit) || (SELECT count(*) FROM "
      "tenantdb.operations) || "
      "(SELECT string_agg(c.xmin::text, ',' ORDER BY c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = "
      "c.relnamespace WHERE nspname IN ('public', 'tenantdb')) || (SELECT string_agg(n.xmin::text, ',' ORDER "
      "BY oid) "
      "FROM pg_namespace n)");
}

static void test_twice(void **state) {
  (void)state;
  tenantdb *db = fixture_ready(url, NULL);
  char *before = fingerprint();
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_close(db);
  db = fixture_ready(url, NULL);
  tenantdb_close(db);
  char *after = fingerprint();
  assert_string_equal(before, after);
  free(before);
  free(after);
}

/* ---------------------------------------------------------------- at once */

enum { THREADS = 8 };
static pthread_barrier_t gate;

static void *bootstrap_one(void *user) {
  tenantdb *db = *(tenantdb **)user;
  tenantdb_error *own = NULL;
  pthread_barrier_wait(&gate);
  tenantdb_status status = tenantdb_bootstrap(db, &own);
  if (status) {
    print_error("%s: %s\n", tenantdb_status_name(status), tenantdb_error_message(own));
  }
  tenantdb_error_free(own);
  return (void *)(intptr_t)status;
}

static void test_at_once(void **state) {
  (void)state;
  for (int round = 0; round < 5; round++) {
    const char *own = harness_database();
    tenantdb *dbs[THREADS];
    pthread_t threads[THREADS];
    bool shared = round % 2 == 1;
    for (int i = 0; i < THREADS; i++) {
      dbs[i] = shared && i > 0 ? dbs[0] : fixture_open(own, NULL, NULL);
    }
    pthread_barrier_init(&gate, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
      assert_int_equal(pthread_create(&threads[i], NULL, bootstrap_one, &dbs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
      void *status;
      pthread_join(threads[i], &status);
      assert_ptr_equal(status, NULL);
    }
    pthread_barrier_destroy(&gate);
    assert_int_equal(harness_count(own, "SELECT count(*) FROM tenantdb.catalog"), 1);
    assert_int_equal(harness_count(own, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), 2);
    tenantdb_tenant_free(fixture_tenant(dbs[THREADS - 1], "acme"));
    for (int i = 0; i < (shared ? 1 : THREADS); i++) {
      tenantdb_close(dbs[i]);
    }
    harness_drop_database(own);
  }
}

/* ---------------------------------------------------------------- catalogs that will not do */

static void assert_all_missing(tenantdb *db, tenantdb_status status, int32_t reason, const char *text) {
  tenantdb_tenant *tenant = NULL;
  tenantdb_session *session = NULL;
  tenantdb_result *result = NULL;
  fixture_assert_refused(tenantdb_tenant_create(db, "x", NULL, NULL, &error), error, status, reason, text);
  fixture_assert_refused(tenantdb_tenant_get(db, "x", &tenant, &error), error, status, reason, text);
  fixture_assert_refused(tenantdb_tenant_list(db, NULL, NULL, NULL, 0, &result, &error), error, status,
                         reason, text);
  fixture_assert_refused(tenantdb_tenant_suspend(db, "x", NULL, &error), error, status, reason, text);
  fixture_assert_refused(tenantdb_tenant_purge(db, "x", 1, &error), error, status, reason, text);
  fixture_assert_refused(tenantdb_tenant_verify(db, "x", &result, &error), error, status, reason, text);
  fixture_assert_refused(tenantdb_reconcile(db, &result, &error), error, status, reason, text);
  fixture_assert_refused(tenantdb_session_open(db, "x", NULL, &session, &error), error, status, reason, text);
}

static void test_missing(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb *db = fixture_open(own, NULL, NULL);
  assert_all_missing(db, TENANTDB_STATE, TENANTDB_REASON_CATALOG_MISSING,
                     "has no catalog in schema tenantdb yet: call tenantdb_bootstrap()");
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_tenant_free(fixture_tenant(db, "x"));
  tenantdb_close(db);
  harness_drop_database(own);
}

static void test_newer(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb *db = fixture_ready(own, NULL);
  tenantdb *before = fixture_open(own, NULL, NULL);
  tenantdb_close(db);
  db = NULL;
  const char *late = harness_database();
  tenantdb *unborn = fixture_open(late, NULL, NULL); /* opened before there was a catalog */
  tenantdb_close(fixture_ready(late, NULL));
  harness_sql(own, "UPDATE tenantdb.catalog SET version = 99");
  harness_sql(
      late, "UPDATE tenantdb.catalog SET version = 99; ALTER TABLE tenantdb.catalog DROP COLUMN group_role");
  fixture_assert_error(
      fixture_refused(own, NULL, NULL), TENANTDB_UNSUPPORTED, TENANTDB_REASON_CATALOG_NEWER,
      "the catalog in schema tenantdb is of version 99, this library 0.1.0 knows up to version 5: "
      "use a newer library");
  fixture_assert_refused(tenantdb_bootstrap(before, &error), error, TENANTDB_UNSUPPORTED,
                         TENANTDB_REASON_CATALOG_NEWER, "version 99");
  assert_all_missing(unborn, TENANTDB_UNSUPPORTED, TENANTDB_REASON_CATALOG_NEWER, "of version 99");
  assert_int_equal(harness_count(own, "SELECT version FROM tenantdb.catalog"), 99);
  tenantdb_close(before);
  tenantdb_close(unborn);
  harness_drop_database(own);
  harness_drop_database(late);
}

static void test_older(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb_close(fixture_ready(own, FIXTURE_OPTIONS("isolation.level", "routing")));
  tenantdb *db = fixture_open(own, NULL, NULL);
  assert_all_missing(db, TENANTDB_STATE, TENANTDB_REASON_CATALOG_OLDER, "at a lower isolation level");
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_tenant_free(fixture_tenant(db, "x"));
  tenantdb_close(db);
  harness_drop_database(own);
}

static void test_catalog_of_others(void **state) {
  (void)state;
  const char *own = harness_database();
  harness_sql(own,
              "CREATE SCHEMA tenantdb; CREATE TABLE tenantdb.catalog (version text); INSERT INTO "
              "tenantdb.catalog VALUES ('spring')");
  fixture_assert_error(fixture_refused(own, NULL, NULL), TENANTDB_UNSUPPORTED,
                       TENANTDB_REASON_CATALOG_COLLISION,
                       "is there but is not the catalog of libtenantdb; choose another catalog.schema");
  harness_drop_database(own);
}

/* ---------------------------------------------------------------- where the catalog is */

static void test_in_public(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb *db = fixture_ready(own, FIXTURE_OPTIONS("catalog.schema", "public"));
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  assert_int_equal(harness_count(own, "SELECT count(*) FROM public.tenants"), 1);
  assert_string_equal(fixture_findings(db, "acme"), "");
  tenantdb_session *session = fixture_session(db, "acme");
  fixture_assert_refused(tenantdb_session_query(session, "SELECT * FROM public.tenants", NULL, NULL, &error),
                         error, TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION, "tenants");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM public.plans"), "0");
  tenantdb_session_close(session);
  tenantdb_close(db);
  /* As in the seed: the application's own table of tenants would be the catalog's. */
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *base = tenantdb_registry_base(registry, "TenantDBBase", TENANTDB_BASE_SHARED);
  tenantdb_table_column(tenantdb_base_table(base, "tenants"), "id", "uuid", "PRIMARY KEY");
  fixture_assert_error(
      fixture_refused(own, registry, FIXTURE_OPTIONS("catalog.schema", "public")), TENANTDB_ARGUMENT,
      TENANTDB_REASON_CATALOG_COLLISION,
      "base TenantDBBase declares a table tenants, and the catalog in the same schema public has one "
      "of that name: set catalog.schema to another schema");
  tenantdb_registry_free(registry);
  harness_drop_database(own);
}

static void test_quoted_schemas(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb *db =
      fixture_ready(own, FIXTURE_OPTIONS("catalog.schema", "o'the \"catalog\"%s", "database.schema",
                                         "Sha\"red 'one' \\", "tenant.schema_template", "T'\"{slug}"));
  tenantdb_tenant *tenant = fixture_tenant(db, "acme");
  assert_string_equal(tenantdb_tenant_schema(tenant), "T'\"acme");
  tenantdb_tenant_free(tenant);
  assert_string_equal(fixture_findings(db, "acme"), "");
  tenantdb_session *session = fixture_session(db, "acme");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM \"Sha\"\"red 'one' \\\".plans"), "0");
  tenantdb_session_close(session);
  harness_assert_ok(tenantdb_tenant_suspend(db, "acme", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_rename(db, "acme", "umbrella", NULL, &error), error);
  harness_assert_ok(tenantdb_reconcile(db, NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_purge(db, "umbrella", 1, &error), error);
  assert_int_equal(harness_count(own,
                                 "SELECT count(*) FROM \"o'the \"\"catalog\"\"%%s\".tenants WHERE state = "
                                 "'deleted'"),
                   1);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'T''%%'"), 0);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_close(db);
  harness_drop_database(own);
}

/* Two catalogs in one database do not disturb each other. */
static void test_two_catalogs(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb *one =
      fixture_ready(own, FIXTURE_OPTIONS("catalog.schema", "one", "database.schema", "one_shared"));
  tenantdb *two =
      fixture_ready(own, FIXTURE_OPTIONS("catalog.schema", "two", "database.schema", "two_shared"));
  tenantdb_tenant *tenant = NULL;
  tenantdb_tenant_free(fixture_tenant(one, "acme"));
  tenantdb_tenant_free(fixture_tenant(two, "acme"));
  harness_assert_ok(tenantdb_tenant_purge(one, "acme", 1, &error), error);
  harness_assert_ok(tenantdb_tenant_get(two, "acme", &tenant, &error), error);
  tenantdb_tenant_free(tenant);
  assert_string_equal(fixture_findings(two, "acme"), "");
  tenantdb_close(one);
  tenantdb_close(two);
  harness_drop_database(own);
}

/* ---------------------------------------------------------------- shared tables that are there already */

static void test_adopted(void **state) {
  (void)state;
  const char *own = harness_database();
  harness_sql(own,
              "CREATE TABLE plans (id integer PRIMARY KEY, name text NOT NULL, more text); INSERT INTO plans "
              "VALUES (1, 'old', 'x')");
  tenantdb_close(fixture_ready(own, NULL));
  assert_int_equal(harness_count(own, "SELECT count(*) FROM plans WHERE name = 'old'"), 1);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM tenantdb.shared_objects WHERE adopted"), 1);
  harness_drop_database(own);
}

static void test_differs(void **state) {
  (void)state;
  const char *own = harness_database();
  harness_sql(own, "CREATE TABLE plans (id integer)");
  tenantdb *db = fixture_open(own, NULL, NULL);
  fixture_assert_refused(tenantdb_bootstrap(db, &error), error, TENANTDB_ALREADY_EXISTS,
                         TENANTDB_REASON_SHARED_TABLE_DIFFERS,
                         "is in schema public already and has no column name; it was not touched");
  assert_int_equal(harness_count(own, "SELECT count(*) FROM pg_namespace WHERE nspname = 'tenantdb'"), 0);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), 1);
  tenantdb_close(db);
  harness_drop_database(own);
}

/* A registry that grew: the next bootstrap adds what is new. */
static void test_grown(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb_close(fixture_ready(own, NULL));
  tenantdb_registry *registry = fixture_registry();
  tenantdb_base_sql(tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED),
                    "CREATE TABLE coupons (id serial PRIMARY KEY, plan integer REFERENCES plans (id));"
                    "CREATE INDEX coupons_plan ON coupons (plan); COMMENT ON TABLE coupons IS 'new'");
  tenantdb *db = fixture_open(own, registry, NULL);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_close(db);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM pg_indexes WHERE tablename = 'coupons'"), 2);
  harness_drop_database(own);
}

static void test_refused_ddl(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *base = tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED);
  tenantdb_table_column(tenantdb_base_table(base, "t"), "id", "nosuchtype", NULL);
  tenantdb *db = fixture_open(own, registry, NULL);
  fixture_assert_refused(tenantdb_bootstrap(db, &error), error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR,
                         "base Central, table t");
  assert_int_equal(harness_count(own, "SELECT count(*) FROM pg_namespace WHERE nspname = 'tenantdb'"), 0);
  tenantdb_close(db);
  harness_drop_database(own);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_twice),        cmocka_unit_test(test_at_once),
      cmocka_unit_test(test_missing),      cmocka_unit_test(test_newer),
      cmocka_unit_test(test_older),        cmocka_unit_test(test_catalog_of_others),
      cmocka_unit_test(test_in_public),    cmocka_unit_test(test_quoted_schemas),
      cmocka_unit_test(test_two_catalogs), cmocka_unit_test(test_adopted),
      cmocka_unit_test(test_differs),      cmocka_unit_test(test_grown),
      cmocka_unit_test(test_refused_ddl),
  };
  return cmocka_run_group_tests_name("bootstrap", tests, fixture_setup, fixture_teardown);
}

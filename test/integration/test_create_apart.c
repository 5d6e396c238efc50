/* SPDX-License-Identifier: PostgreSQL */
/* Who brings a tenant into being, and has not come to the end of it, keeps nobody from doing the same for another. */
#include <libpq-fe.h>
#include <pthread.h>

#include "fixture.h"

#include "fixture_database.h"

/* With a table that refers to a shared one: to make it takes a lock that can be withheld. */
static tenantdb *open_referring(void) {
  tenantdb_registry *registry = fixture_registry();
  tenantdb_base *more = tenantdb_registry_base(registry, "More", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(more, "CREATE TABLE orders (id integer PRIMARY KEY, plan integer REFERENCES plans (id))");
  return fixture_open(url, registry,
                      FIXTURE_OPTIONS("isolation.level", "role", "operation.lock_timeout", "30s"));
}

typedef struct maker {
  tenantdb *db;
  const char *source; /* NULL: an empty tenant, otherwise a clone of that one */
  tenantdb_status status;
  tenantdb_error *error;
} maker;

static void *make(void *user) {
  maker *own = user;
  tenantdb_tenant *tenant = NULL;
  own->status = own->source
                    ? tenantdb_tenant_clone(own->db, own->source, "slow", NULL, NULL, &tenant, &own->error)
                    : tenantdb_tenant_create(own->db, "slow", NULL, &tenant, &own->error);
  tenantdb_tenant_free(tenant);
  return NULL;
}

static int64_t waiting(void) {
  return harness_count(url,
                       "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = "
                       "(SELECT c.oid FROM pg_class c WHERE c.relname = 'plans' AND c.relkind = 'r')");
}

static void check(const char *source) {
  tenantdb *slow = open_referring();
  tenantdb *db =
      fixture_open(url, NULL, FIXTURE_OPTIONS("isolation.level", "role", "operation.lock_timeout", "300ms"));
  harness_assert_ok(tenantdb_bootstrap(slow, &error), error);
  if (source) {
    tenantdb_tenant_free(fixture_tenant(slow, source));
  }
  char *schema = harness_value(url, "SELECT schemaname FROM pg_tables WHERE tablename = 'plans'");
  char sql[200];
  snprintf(sql, sizeof sql, "BEGIN; LOCK TABLE \"%s\".plans IN ROW EXCLUSIVE MODE", schema);
  PGconn *holder = PQconnectdb(url);
  PGresult *result = PQexec(holder, sql);
  assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
  PQclear(result);
  pthread_t thread;
  maker own = {.db = slow, .source = source};
  assert_int_equal(pthread_create(&thread, NULL, make, &own), 0);
  for (int64_t until = fixture_now_ms() + 10000; waiting() == 0 && fixture_now_ms() < until;) {
    fixture_pause_us(5000);
  }
  assert_int_equal(waiting(), 1);
  tenantdb_tenant_free(fixture_tenant(db, "quick"));
  harness_assert_ok(tenantdb_tenant_suspend(db, "quick", NULL, &error), error);
  assert_int_equal(waiting(), 1);
  PQfinish(holder);
  assert_int_equal(pthread_join(thread, NULL), 0);
  harness_assert_ok(own.status, own.error);
  assert_string_equal(fixture_findings(slow, "slow"), "");
  assert_string_equal(fixture_findings(db, "quick"), "");
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member JOIN "
                    "pg_roles g ON g.oid = m.roleid JOIN tenantdb.tenants t ON t.role_name = r.rolname "
                    "WHERE g.rolname LIKE 'tenantdb_group%%' AND t.slug IN ('slow', 'quick')"),
      1); /* the one that is active */
  free(schema);
  tenantdb_close(db);
  tenantdb_close(slow);
}

static void test_created(void **state) {
  (void)state;
  check(NULL);
}

static void test_cloned(void **state) {
  (void)state;
  check("source");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_created, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_cloned, fixture_setup, fixture_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

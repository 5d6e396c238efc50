/* SPDX-License-Identifier: PostgreSQL */
/* Views over tenants who come and go by hundreds, and all at once. */
#include <pthread.h>

#include "view_fixture.h"

/* ---------------------------------------------------------------- many */

/* What is written down of the parts is what is in them. */
static void check_parts(const char *in) {
  assert_int_equal(
      harness_count(in,
                    "SELECT count(*) FROM tenantdb.view_parts p WHERE members <> (SELECT count(*) FROM "
                    "tenantdb.view_members m WHERE m.view_id = p.view_id AND m.part = p.number) OR members "
                    "<> (SELECT (length(d) - length(replace(d, '.notes', ''))) / 6 FROM (SELECT "
                    "pg_get_viewdef(format('tenantdb.view_%%s_%%s', replace(p.view_id::text, '-', ''), "
                    "p.number)::regclass) AS d) t)"),
      0);
}

static void test_many(void **state) {
  (void)state;
  enum { MANY = 250 };
  char slug[20];
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *base = tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(base, "CREATE TABLE notes (id integer, body text, at timestamptz)");
  const char *own = harness_database();
  tenantdb *large = fixture_open(own, registry, NULL);
  harness_assert_ok(tenantdb_bootstrap(large, &error), error);
  for (int i = 0; i < MANY; i++) {
    if (i == 120) {
      harness_assert_ok(create(large, "half", NULL, &error), error);
    }
    snprintf(slug, sizeof slug, "t-%03d", i);
    tenantdb_tenant *tenant = fixture_tenant(large, slug);
    harness_sql(own, "INSERT INTO %s.notes VALUES (%d)", tenantdb_tenant_schema(tenant), i);
    tenantdb_tenant_free(tenant);
  }
  harness_assert_ok(create(large, "whole", NULL, &error), error);
  assert_int_equal(harness_count(own, "SELECT max(members) FROM tenantdb.view_parts WHERE number > 0"), 100);
  assert_in_range(harness_count(own, "SELECT max(members) FROM tenantdb.view_parts WHERE number = 0"), 0, 10);
  check_parts(own);
  int64_t parts = harness_count(own, "SELECT count(*) FROM tenantdb.view_parts");
  static const char *const names[] = {"half", "whole"};
  for (int i = 0; i < 2; i++) {
    assert_int_equal(
        harness_count(own, "SELECT count(DISTINCT tenant) + sum(id) FROM tenantdb_reports.%s", names[i]),
        MANY + MANY * (MANY - 1) / 2);
  }
  /* Places that become free are used again. */
  for (int i = 10; i < 14; i++) {
    snprintf(slug, sizeof slug, "t-%03d", i);
    harness_assert_ok(tenantdb_tenant_purge(large, slug, 1, &error), error);
  }
  for (int i = 0; i < 54; i++) {
    snprintf(slug, sizeof slug, "n-%03d", i);
    tenantdb_tenant_free(fixture_tenant(large, slug));
  }
  check_parts(own);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM tenantdb.view_parts"), parts);
  char *sql = NULL;
  harness_assert_ok(tenantdb_view_ddl(large, "whole", &sql, &error), error);
  harness_assert_ok(tenantdb_view_drop(large, "whole", &error), error);
  harness_sql(own, "%s", sql);
  tenantdb_string_free(sql);
  harness_sql(own, "DROP VIEW tenantdb_reports.whole");
  tenantdb_close(large);
  harness_drop_database(own);
}

/* ---------------------------------------------------------------- at once */

enum { THREADS = 4, ROUNDS = 12 };
static pthread_barrier_t gate;

typedef struct worker {
  int number;
  char trouble[300];
} worker;

static void keep(worker *self, const char *what, tenantdb_status status, tenantdb_error *failure) {
  if (status && !self->trouble[0]) {
    snprintf(self->trouble, sizeof self->trouble, "%s: %s: %s", what, tenantdb_status_name(status),
             tenantdb_error_message(failure));
  }
  tenantdb_error_free(failure);
}

static void *come_and_go(void *user) {
  worker *self = user;
  tenantdb_error *failure = NULL;
  pthread_barrier_wait(&gate);
  for (int i = 0; i < ROUNDS; i++) {
    char slug[20], other[20];
    snprintf(slug, sizeof slug, "w%d-%d", self->number, i);
    snprintf(other, sizeof other, "w%d-%d-b", self->number, i);
    tenantdb_status status = tenantdb_tenant_create(db, slug, NULL, NULL, &failure);
    keep(self, "create", status, failure);
    if (i % 4 == 0) {
      status = tenantdb_tenant_suspend(db, slug, NULL, &failure);
    } else if (i % 4 == 1) {
      status = tenantdb_tenant_rename(db, slug, other, NULL, &failure);
    } else if (i % 4 == 2) {
      status = tenantdb_tenant_purge(db, slug, 1, &failure);
    } else if (self->number == 0) {
      status = tenantdb_view_refresh(db, "all", &failure);
    }
    keep(self, "change", status, failure);
  }
  return NULL;
}

static void test_at_once(void **state) {
  (void)state;
  pthread_t threads[THREADS];
  worker workers[THREADS] = {{0}};
  view("all");
  harness_assert_ok(create(db, "some", "slug^=w1-|w2-", &error), error);
  pthread_barrier_init(&gate, NULL, THREADS);
  for (int i = 0; i < THREADS; i++) {
    workers[i].number = i;
    assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &workers[i]), 0);
  }
  /* Reports all the while: nobody sees a tenant twice, or one who is gone. */
  for (int i = 0; i < 20; i++) {
    (void)harness_count(reader_url, "SELECT count(*) FROM tenantdb_reports.\"all\"");
    fixture_pause_us(20000);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    if (workers[i].trouble[0]) {
      fail_msg("thread %d: %s", i, workers[i].trouble);
    }
  }
  pthread_barrier_destroy(&gate);
  harness_assert_ok(tenantdb_reconcile(db, NULL, &error),
                    error); /* where a report was in the way for too long */
  assert_int_equal(stale(), 0);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.view_members m JOIN tenantdb.tenants t ON t.id = "
                    "m.tenant_id WHERE t.state = 'deleted' OR m.part IS NULL"),
      0);
  harness_sql(
      url,
      "DO $$ DECLARE s text; BEGIN FOR s IN SELECT schema_name FROM tenantdb.tenants WHERE state <> "
      "'deleted' LOOP EXECUTE format('INSERT INTO %%I.notes (body) VALUES (''x'')', s); END LOOP; END $$");
  static const char *const conditions[] = {"true", "slug ~ '^w[12]-'"};
  static const char *const names[] = {"all", "some"};
  for (int i = 0; i < 2; i++) {
    char *expected =
        harness_value(url,
                      "SELECT string_agg(slug, ',' ORDER BY slug) FROM tenantdb.tenants WHERE state = "
                      "'active' AND %s",
                      conditions[i]);
    assert_seen(names[i], expected);
    free(expected);
  }
  assert_int_equal(fixture_halves(url), 0);
}

/* A view made while tenants are: each is in it, whoever came first. */
static void *make_views(void *user) {
  worker *self = user;
  tenantdb_error *failure = NULL;
  pthread_barrier_wait(&gate);
  for (int i = 0; i < ROUNDS; i++) {
    char name[20];
    snprintf(name, sizeof name, "v%d", i);
    tenantdb_status status = create(db, name, NULL, &failure);
    keep(self, "create view", status, failure);
    if (i % 3 == 2) {
      status = tenantdb_view_drop(db, name, &failure);
      keep(self, "drop view", status, failure);
    }
  }
  return NULL;
}

static void *make_tenants(void *user) {
  worker *self = user;
  tenantdb_error *failure = NULL;
  pthread_barrier_wait(&gate);
  for (int i = 0; i < ROUNDS; i++) {
    char slug[20];
    snprintf(slug, sizeof slug, "m%d-%d", self->number, i);
    tenantdb_status status = tenantdb_tenant_create(db, slug, NULL, NULL, &failure);
    keep(self, "create", status, failure);
  }
  return NULL;
}

static void test_born_together(void **state) {
  (void)state;
  pthread_t threads[THREADS];
  worker workers[THREADS] = {{0}};
  pthread_barrier_init(&gate, NULL, THREADS);
  for (int i = 0; i < THREADS; i++) {
    workers[i].number = i;
    assert_int_equal(pthread_create(&threads[i], NULL, i ? make_tenants : make_views, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    if (workers[i].trouble[0]) {
      fail_msg("thread %d: %s", i, workers[i].trouble);
    }
  }
  pthread_barrier_destroy(&gate);
  /* Nobody is missing, not even as somebody whom a view has yet to take in. */
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.views v CROSS JOIN tenantdb.tenants t WHERE NOT "
                    "EXISTS (SELECT FROM tenantdb.view_members m WHERE m.view_id = v.id AND "
                    "m.tenant_id = t.id)"),
      0);
  harness_assert_ok(tenantdb_reconcile(db, NULL, &error), error);
  assert_int_equal(stale(), 0);
  assert_int_equal(branches(), (ROUNDS - ROUNDS / 3) * (THREADS - 1) * ROUNDS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_many),
      TEST(test_at_once),
      TEST(test_born_together),
  };
  return cmocka_run_group_tests_name("view_many", tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Level login's connections: how many, whose, how long. The common server asks nobody for a password. */
#include <pthread.h>

#include "base/memory.h"
#include "catalog/login.h"

#include "fixture_database.h"

static tndb_pool_counts count_of(tndb_pool *pool) {
  tndb_pool_counts counts;
  tndb_pool_count(pool, &counts);
  return counts;
}

static tenantdb *open_with(const char *total, const char *size, const char *idle) {
  return fixture_ready(
      url, FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "none", "login.pool_total", total,
                           "login.pool_size", size, "login.idle", idle, "pool.timeout", "3s"));
}

/* Waits a little only: where it must fail, it does so soon. */
static tenantdb_status lease(tenantdb *db, const tenantdb_tenant *tenant, tndb_conn **conn) {
  return tndb_login_lease(db, tenant, tndb_deadline_in(300), conn, &error);
}

static void purge(tenantdb *db, tenantdb_tenant *tenant) {
  harness_assert_ok(tenantdb_tenant_purge(db, tenantdb_tenant_id(tenant), 1, &error), error);
  tenantdb_tenant_free(tenant);
}

static void test_no_passwords(void **state) {
  (void)state;
  const char *trusting = harness_database();
  tenantdb *db =
      fixture_ready(trusting, FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "none"));
  tenantdb_tenant *tenant = fixture_tenant(db, "open");
  tndb_conn *conn = NULL;
  harness_assert_ok(lease(db, tenant, &conn), error);
  PGresult *rows = NULL;
  harness_assert_ok(
      tndb_exchange_single(conn, "SELECT session_user", NULL, tndb_deadline_in(3000), &rows, &error), error);
  assert_string_equal(PQgetvalue(rows, 0, 0), tenantdb_tenant_role(tenant));
  PQclear(rows);
  tndb_pool_release(conn);
  purge(db, tenant);
  tenantdb_close(db);
}

static void test_bounds(void **state) {
  (void)state;
  tenantdb *db = open_with("3", "2", "1min");
  tenantdb_tenant *a = fixture_tenant(db, "bound-a");
  tenantdb_tenant *b = fixture_tenant(db, "bound-b");
  tndb_conn *c[4] = {NULL};
  harness_assert_ok(lease(db, a, &c[0]), error);
  harness_assert_ok(lease(db, a, &c[1]), error);
  fixture_assert_refused(lease(db, a, &c[2]), error, TENANTDB_BUSY, TENANTDB_REASON_TENANT_SHARE,
                         "login.pool_size");
  harness_assert_ok(lease(db, b, &c[2]), error);
  harness_assert_fails(lease(db, b, &c[3]), error, TENANTDB_BUSY, TENANTDB_REASON_POOL_TIMEOUT);
  /* What one does not use makes way for another. */
  tndb_pool_release(c[0]);
  harness_assert_ok(lease(db, b, &c[3]), error);
  assert_int_equal(count_of(db->logins).open, 3);
  assert_int_equal(count_of(db->logins).idle, 0);
  for (int i = 1; i < 4; i++) {
    tndb_pool_release(c[i]);
  }
  assert_int_equal(count_of(db->logins).idle, 3);
  purge(db, a);
  purge(db, b);
  assert_int_equal(count_of(db->logins).open, 0);
  tenantdb_close(db);
}

static void test_idle(void **state) {
  (void)state;
  tenantdb *db = open_with("50", "4", "50ms");
  tenantdb_tenant *a = fixture_tenant(db, "idle-a");
  tenantdb_tenant *b = fixture_tenant(db, "idle-b");
  tndb_conn *conn = NULL;
  harness_assert_ok(lease(db, a, &conn), error);
  tndb_pool_release(conn);
  assert_int_equal(count_of(db->logins).idle, 1);
  tndb_clock_sleep_ms(80);
  harness_assert_ok(lease(db, b, &conn), error);
  tndb_pool_release(conn);
  assert_int_equal(count_of(db->logins).open, 1);
  purge(db, a);
  purge(db, b);
  tenantdb_close(db);
}

#define THREADS 6

typedef struct worker {
  tenantdb *db;
  tenantdb_tenant *const *tenants;
  int number;
  int wrong;
} worker;

static void *work(void *argument) {
  worker *w = argument;
  for (int i = 0; i < 60; i++) {
    const tenantdb_tenant *tenant = w->tenants[(w->number + i) % 3];
    tndb_conn *conn = NULL;
    tenantdb_error *own = NULL;
    PGresult *rows = NULL;
    tenantdb_status status = tndb_login_lease(w->db, tenant, tndb_deadline_in(20000), &conn, &own);
    if (!status) {
      status = tndb_exchange_single(conn, "SELECT session_user", NULL, tndb_deadline_in(10000), &rows, &own);
    }
    w->wrong += status || strcmp(PQgetvalue(rows, 0, 0), tenant->role) != 0;
    tenantdb_error_free(own);
    PQclear(rows);
    if (conn) {
      conn->tainted = i % 7 == 0;
    }
    tndb_pool_release(conn);
  }
  return NULL;
}

/* Three tenants, two connections each, four altogether, six at once: everybody gets his own, and nobody waits for ever. */
static void test_threads(void **state) {
  (void)state;
  tenantdb *db = open_with("4", "2", "1min");
  tenantdb_tenant *tenants[] = {fixture_tenant(db, "many-a"), fixture_tenant(db, "many-b"),
                                fixture_tenant(db, "many-c")};
  worker workers[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker){db, tenants, i, 0};
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(workers[i].wrong, 0);
  }
  tndb_pool_counts counts = count_of(db->logins);
  assert_true(counts.open <= 4);
  assert_int_equal(counts.open, counts.idle);
  assert_int_equal(counts.waiting, 0);
  for (int i = 0; i < 3; i++) {
    purge(db, tenants[i]);
  }
  tenantdb_close(db);
}

/* Every allocation fails in turn, in making a tenant and in connecting as him. */
static void test_no_memory(void **state) {
  (void)state;
  int64_t live = tndb_memory_live();
  tenantdb *db = open_with("50", "4", "1min");
  tenantdb_tenant *tenant = NULL;
  tndb_conn *conn = NULL;
  for (uint64_t n = 1; !tenant; n++) {
    tndb_memory_fail(n, false);
    tenantdb_status status = tenantdb_tenant_create(db, "scarce", NULL, &tenant, &error);
    tndb_memory_fail(0, false);
    tenantdb_error_free(error);
    error = NULL;
    if (status == TENANTDB_OK || status == TENANTDB_ALREADY_EXISTS) {
      tenantdb_tenant_free(tenant);
      harness_assert_ok(tenantdb_tenant_get(db, "scarce", &tenant, &error), error);
    } else {
      /* Only the answer may have been lost: then it is there, whole. */
      assert_true(status == TENANTDB_MEMORY || status == TENANTDB_CONNECTION);
    }
  }
  for (uint64_t n = 1; !conn; n++) {
    assert_true(n < 1000);
    tndb_memory_fail(n, false);
    tenantdb_status status = lease(db, tenant, &conn);
    tndb_memory_fail(0, false);
    assert_true(status == TENANTDB_OK ? conn != NULL : conn == NULL);
    tenantdb_error_free(error);
    error = NULL;
    assert_int_equal(count_of(db->logins).open, conn ? 1 : 0);
  }
  tndb_pool_release(conn);
  purge(db, tenant);
  tenantdb_close(db);
  assert_int_equal(tndb_memory_live(), live);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_no_passwords), cmocka_unit_test(test_bounds),    cmocka_unit_test(test_idle),
      cmocka_unit_test(test_threads),      cmocka_unit_test(test_no_memory),
  };
  return cmocka_run_group_tests_name("login_pool", tests, fixture_setup, fixture_teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/* The pool among tenants: whose turn, whose share, whose connection, and when one is replaced. */
#include <pthread.h>
#include <stdatomic.h>

#include "catalog/database.h"
#include "catalog/tenants.h"
#include "fixture.h"

static const char *url;
static tenantdb_error *error;
static char ids[4][64]; /* of the tenants a, b, c, d */

static int setup(void **state) {
  static const char *const slugs[] = {"a", "b", "c", "d"};
  (void)state;
  url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  for (int i = 0; i < 4; i++) {
    tenantdb_tenant *tenant = fixture_tenant(db, slugs[i]);
    snprintf(ids[i], sizeof ids[i], "%s", tenantdb_tenant_id(tenant));
    tenantdb_tenant_free(tenant);
  }
  tenantdb_close(db);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  harness_drop_database(url);
  return 0;
}

static tndb_pool_counts count_of(const tenantdb *db) {
  tndb_pool_counts counts;
  tndb_pool_count(db->pool, &counts);
  return counts;
}

static tndb_conn *borrow(tenantdb *db, const char *key) {
  tndb_conn *conn = NULL;
  tndb_lease lease = {.key = key, .deadline = tndb_deadline_in(10000)};
  harness_assert_ok(tndb_pool_lease_for(db->pool, &lease, &conn, &error), error);
  assert_non_null(conn);
  return conn;
}

static void borrow_refused(tenantdb *db, const char *key, int32_t reason, const char *text) {
  tndb_conn *conn = NULL;
  tndb_lease lease = {.key = key, .deadline = tndb_deadline_in(100)};
  fixture_assert_refused(tndb_pool_lease_for(db->pool, &lease, &conn, &error), error, TENANTDB_BUSY, reason,
                         text);
  assert_null(conn);
}

/* The library's connections, as the server counts them. */
static int64_t on_server(void) {
  return harness_count(url,
                       "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                       "application_name = 'tenantdb'");
}

/* A process of the server takes a moment to end. */
static void await_on_server(int64_t expected) {
  for (int i = 0; i < 500 && on_server() != expected; i++) {
    tndb_clock_sleep_ms(10);
  }
  assert_int_equal(on_server(), expected);
}

static void kill_all(void) {
  harness_sql(url,
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
              "application_name = 'tenantdb'");
  await_on_server(0);
  tndb_clock_sleep_ms(20); /* later than what was said last is taken for a sign of life */
}

/* ---------------------------------------------------------------- turns */

enum { CROWD = 1000 };

static struct {
  tenantdb *db;
  atomic_int served; /* leases that anybody got, in their order */
  atomic_int crowd_waits;
  atomic_int failures;
} crowd;

static void *want_one(void *user) {
  const char *key = user;
  tndb_conn *conn = NULL;
  tndb_lease lease = {.key = key, .deadline = tndb_deadline_in(60000)};
  if (tndb_pool_lease_for(crowd.db->pool, &lease, &conn, NULL)) {
    atomic_fetch_add(&crowd.failures, 1);
    return NULL;
  }
  atomic_fetch_add(&crowd.served, 1);
  tndb_clock_sleep_ms(2);
  tndb_pool_release(conn);
  return NULL;
}

/* A thousand wait for one tenant; another's first request gets the connection that becomes free next. */
static void test_a_thousand_waiters(void **state) {
  (void)state;
  static pthread_t threads[CROWD];
  pthread_attr_t small;
  crowd.db =
      fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "2", "pool.overflow", "0", "pool.timeout", "60s"));
  tndb_conn *held[2] = {borrow(crowd.db, ids[0]), borrow(crowd.db, ids[0])};
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 256 * 1024);
  for (int i = 0; i < CROWD; i++) {
    assert_int_equal(pthread_create(&threads[i], &small, want_one, ids[0]), 0);
  }
  while (count_of(crowd.db).waiting < CROWD) {
    tndb_clock_sleep_ms(1);
  }
  tndb_pool_release(held[0]);
  tndb_pool_release(held[1]);
  for (int round = 0; round < 5; round++) {
    int before = atomic_load(&crowd.served);
    tndb_conn *conn = borrow(crowd.db, round < 4 ? ids[1] : ids[2]);
    int passed = atomic_load(&crowd.served) - before;
    /* Those that had theirs already, and one that took the other connection meanwhile, may be counted late. */
    assert_in_range(passed, 0, 4);
    assert_true(count_of(crowd.db).waiting > CROWD / 2);
    tndb_pool_release(conn);
  }
  for (int i = 0; i < CROWD; i++) {
    pthread_join(threads[i], NULL);
  }
  pthread_attr_destroy(&small);
  assert_int_equal(atomic_load(&crowd.failures), 0);
  assert_int_equal(atomic_load(&crowd.served), CROWD);
  assert_int_equal(count_of(crowd.db).waiting, 0);
  assert_int_equal(count_of(crowd.db).lent, 0);
  tenantdb_close(crowd.db);
}

/* Who gives up leaves no gap: the others are served all the same. */
static void test_deadlines_in_the_queue(void **state) {
  (void)state;
  static char nobody[] = ""; /* the application's own work */
  pthread_t patient[3];
  crowd.db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0"));
  atomic_store(&crowd.served, 0);
  tndb_conn *held = borrow(crowd.db, ids[0]);
  pthread_create(&patient[0], NULL, want_one, ids[0]);
  borrow_refused(crowd.db, ids[0], TENANTDB_REASON_POOL_TIMEOUT, "all 1 connections of the pool are in use");
  pthread_create(&patient[1], NULL, want_one, ids[1]);
  borrow_refused(crowd.db, ids[1], TENANTDB_REASON_POOL_TIMEOUT, "pool.overflow");
  pthread_create(&patient[2], NULL, want_one, nobody);
  tndb_pool_release(held);
  for (int i = 0; i < 3; i++) {
    pthread_join(patient[i], NULL);
  }
  assert_int_equal(atomic_load(&crowd.served), 3);
  tndb_pool_counts counts = count_of(crowd.db);
  assert_int_equal(counts.timeouts, 2);
  assert_int_equal(counts.waiting, 0);
  assert_in_range(counts.waited, 3, 4);
  int64_t sum = 0;
  for (int i = 0; i < TNDB_POOL_BUCKETS; i++) {
    sum += counts.wait_buckets[i];
  }
  assert_int_equal(sum, counts.leases);
  tenantdb_close(crowd.db);
}

/* ---------------------------------------------------------------- shares */

static void test_share_of_one_tenant(void **state) {
  (void)state;
  tenantdb *db = fixture_open(
      url, NULL, FIXTURE_OPTIONS("pool.size", "4", "pool.overflow", "0", "pool.tenant_connections", "2"));
  tndb_conn *first = borrow(db, ids[0]);
  tndb_conn *second = borrow(db, ids[0]);
  borrow_refused(db, ids[0], TENANTDB_REASON_TENANT_SHARE,
                 "the tenant has 2 connections in use, all that pool.tenant_connections allows him");
  /* Others are not held up by those who wait for their own. */
  tndb_conn *other = borrow(db, ids[1]);
  /* The application itself has no limit of that kind. */
  tndb_conn *own = borrow(db, "");
  borrow_refused(db, "", TENANTDB_REASON_POOL_TIMEOUT, "all 4 connections");
  tndb_pool_release(own);
  tndb_pool_release(other);
  /* One that is given back is for the tenant again. */
  tndb_pool_release(second);
  second = borrow(db, ids[0]);
  /* What was borrowed under another name turns out to be his: that is too many. */
  other = borrow(db, "a");
  assert_false(tndb_pool_reassign(db->pool, other, ids[0]));
  assert_true(tndb_pool_reassign(db->pool, other, ids[1]));
  tndb_pool_key keys[4];
  assert_int_equal(tndb_pool_keys(db->pool, keys, 4), 2);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(keys[i].lent, strcmp(keys[i].key, ids[0]) == 0 ? 2 : 1);
  }
  tndb_pool_release(first);
  tndb_pool_release(second);
  tndb_pool_release(other);
  assert_int_equal(count_of(db).lent, 0);
  tenantdb_close(db);
}

/* The same as applications meet it, by slug and by id. */
static void test_share_of_sessions(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL,
                              FIXTURE_OPTIONS("pool.size", "5", "pool.tenant_connections", "2",
                                              "pool.timeout", "200ms", "session.tenant_cache", "0"));
  tenantdb_session *sessions[3] = {fixture_session(db, "a"), fixture_session(db, ids[0]), NULL};
  fixture_assert_refused(tenantdb_session_open(db, "a", NULL, &sessions[2], &error), error, TENANTDB_BUSY,
                         TENANTDB_REASON_TENANT_SHARE, "pool.tenant_connections");
  fixture_assert_refused(tenantdb_session_open(db, "A", NULL, &sessions[2], &error), error, TENANTDB_BUSY,
                         TENANTDB_REASON_TENANT_SHARE, "pool.tenant_connections");
  tenantdb_session *other = fixture_session(db, "b");
  assert_string_equal(fixture_cell(other, "SELECT 1"), "1");
  tenantdb_session_close(other);
  tenantdb_session_close(sessions[0]);
  sessions[0] = fixture_session(db, "a");
  tenantdb_session_close(sessions[0]);
  tenantdb_session_close(sessions[1]);
  tenantdb_close(db);
}

static void test_try(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "2", "pool.overflow", "0"));
  tndb_lease lease = {.key = ids[0], .deadline = TNDB_NEVER};
  tndb_conn *conn[3] = {NULL};
  harness_assert_ok(tndb_pool_try(db->pool, &lease, &conn[0], &error), error);
  harness_assert_ok(tndb_pool_try(db->pool, &lease, &conn[1], &error), error);
  assert_non_null(conn[0]);
  assert_non_null(conn[1]);
  harness_assert_ok(tndb_pool_try(db->pool, &lease, &conn[2], &error), error);
  assert_null(conn[2]);
  /* It never goes before somebody who waits. */
  pthread_t patient;
  crowd.db = db;
  pthread_create(&patient, NULL, want_one, ids[1]);
  while (count_of(db).waiting == 0) {
    tndb_clock_sleep_ms(1);
  }
  tndb_pool_release(conn[0]);
  harness_assert_ok(tndb_pool_try(db->pool, &lease, &conn[2], &error), error);
  assert_null(conn[2]);
  pthread_join(patient, NULL);
  tndb_pool_release(conn[1]);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- whose connection */

static int backend_of(const tndb_conn *conn) {
  return PQbackendPID(conn->pg);
}

static void test_affinity(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "3", "pool.overflow", "0"));
  tndb_conn *conn[3];
  int backend[3];
  for (int i = 0; i < 3; i++) {
    conn[i] = borrow(db, ids[i]);
    backend[i] = backend_of(conn[i]);
  }
  for (int i = 0; i < 3; i++) {
    tndb_pool_release(conn[i]);
  }
  int64_t before = count_of(db).affine;
  for (int round = 0; round < 30; round++) {
    int who = (round * 7) % 3;
    conn[who] = borrow(db, ids[who]);
    assert_int_equal(backend_of(conn[who]), backend[who]);
    tndb_pool_release(conn[who]);
  }
  assert_int_equal(count_of(db).affine - before, 30);
  /* Many tenants settle on the few connections, each where it was served last. */
  int home[40];
  for (int i = 0; i < 40; i++) {
    char key[32];
    snprintf(key, sizeof key, "tenant %d", i);
    tndb_conn *one = borrow(db, key);
    home[i] = backend_of(one);
    tndb_pool_release(one);
  }
  before = count_of(db).affine;
  for (int i = 0; i < 200; i++) {
    char key[32];
    snprintf(key, sizeof key, "tenant %d", (i * 17) % 40);
    tndb_conn *one = borrow(db, key);
    assert_int_equal(backend_of(one), home[(i * 17) % 40]);
    tndb_pool_release(one);
  }
  assert_int_equal(count_of(db).affine - before, 200);
  /* A stranger gets the one used longest ago. */
  for (int i = 0; i < 3; i++) {
    tndb_pool_release(borrow(db, ids[(i + 1) % 3]));
  }
  tndb_conn *strange = borrow(db, ids[3]);
  assert_int_equal(backend_of(strange), backend[1]);
  tndb_pool_release(strange);
  assert_int_equal(count_of(db).open, 3);
  tenantdb_close(db);
}

static void test_recycled_after_tenants(void **state) {
  (void)state;
  tenantdb *db = fixture_open(
      url, NULL, FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0", "pool.recycle_tenants", "3"));
  tndb_conn *conn = borrow(db, "");
  int first = backend_of(conn);
  tndb_pool_release(conn);
  /* Two tenants however often, and the application itself, are two. */
  for (int i = 0; i < 20; i++) {
    conn = borrow(db, i % 3 == 2 ? "" : ids[i % 3]);
    assert_int_equal(backend_of(conn), first);
    tndb_pool_release(conn);
  }
  conn = borrow(db, ids[2]);
  assert_int_equal(backend_of(conn), first); /* the third is still served */
  tndb_pool_release(conn);
  conn = borrow(db, ids[2]);
  assert_int_not_equal(backend_of(conn), first);
  tndb_pool_release(conn);
  assert_int_equal(count_of(db).closed_tenants, 1);
  tenantdb_close(db);
  /* 0: never. */
  db = fixture_open(url, NULL,
                    FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0", "pool.recycle_tenants", "0"));
  for (int i = 0; i < 500; i++) {
    char key[32];
    snprintf(key, sizeof key, "tenant %d", i);
    tndb_pool_release(borrow(db, key));
  }
  assert_int_equal(count_of(db).opened, 1);
  assert_int_equal(count_of(db).keys, 500); /* known while the connection is there */
  kill_all();
  tndb_pool_release(borrow(db, ids[0]));
  assert_int_equal(count_of(db).keys, 1); /* what has nothing is forgotten */
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- how many are kept */

static void test_kept_and_idle(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL,
                              FIXTURE_OPTIONS("pool.size", "3", "pool.overflow", "2", "pool.minimum", "1",
                                              "pool.idle_timeout", "150ms"));
  tndb_conn *conn[5];
  for (int i = 0; i < 5; i++) {
    conn[i] = borrow(db, ids[i % 4]);
  }
  for (int i = 0; i < 5; i++) {
    tndb_pool_release(conn[i]);
  }
  assert_int_equal(count_of(db).open, 3);
  assert_int_equal(count_of(db).idle, 3);
  tndb_clock_sleep_ms(200);
  harness_assert_ok(tndb_pool_warm_up(db->pool, &error), error);
  assert_int_equal(count_of(db).open, 1);
  await_on_server(1);
  tenantdb_close(db);
}

static void test_warm_up(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.minimum", "4", "pool.warm_up", "on"));
  assert_int_equal(count_of(db).idle, 4);
  harness_assert_ok(tndb_pool_warm_up(db->pool, &error), error);
  assert_int_equal(count_of(db).opened, 4);
  kill_all();
  /* Nobody is told: the dead are found and replaced. */
  for (int i = 0; i < 4; i++) {
    tenantdb_session *session = fixture_session(db, "a");
    assert_string_equal(fixture_cell(session, "SELECT 1"), "1");
    tenantdb_session_close(session);
  }
  tenantdb_close(db);
  db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.minimum", "4"));
  assert_int_equal(count_of(db).open, 1);
  tenantdb_close(db);
}

/* Closing wakes who waits, with an answer. */
static void test_closed_while_waiting(void **state) {
  (void)state;
  pthread_t patient;
  crowd.db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0"));
  tenantdb *db = tndb_database_hold(crowd.db);
  atomic_store(&crowd.failures, 0);
  tndb_conn *held = borrow(db, ids[0]);
  pthread_create(&patient, NULL, want_one, ids[1]);
  while (count_of(db).waiting == 0) {
    tndb_clock_sleep_ms(1);
  }
  tndb_pool_close(db->pool);
  pthread_join(patient, NULL);
  assert_int_equal(atomic_load(&crowd.failures), 1);
  tndb_pool_release(held);
  assert_int_equal(count_of(db).open, 0);
  tndb_conn *conn = NULL;
  harness_assert_fails(tndb_pool_lease(db->pool, TNDB_NEVER, &conn, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_DATABASE_CLOSED);
  tenantdb_close(db);
  tndb_database_release(db);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_thousand_waiters),
      cmocka_unit_test(test_deadlines_in_the_queue),
      cmocka_unit_test(test_share_of_one_tenant),
      cmocka_unit_test(test_share_of_sessions),
      cmocka_unit_test(test_try),
      cmocka_unit_test(test_affinity),
      cmocka_unit_test(test_recycled_after_tenants),
      cmocka_unit_test(test_kept_and_idle),
      cmocka_unit_test(test_warm_up),
      cmocka_unit_test(test_closed_while_waiting),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

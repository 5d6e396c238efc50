/* SPDX-License-Identifier: PostgreSQL */
/* A fleet query and the others: its share of the pool, its memory, and the levels of isolation. */
#include <pthread.h>

#include "fleet_fixture.h"
#include "resident.h"

static const char *url;
static tenantdb *db; /* with room enough */
static tenantdb_error *error;

enum { MANY = 100 };

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  fleet_make(db, url, MANY, 1);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

#define IN_TENANT(slug, then, otherwise) \
  "CASE WHEN current_schema() LIKE 'tenant\\_" slug "\\_%' THEN " then " ELSE " otherwise " END"

static tenantdb *open_small(const char *size, const char *timeout) {
  return fixture_open(url, NULL,
                      FIXTURE_OPTIONS("pool.size", size, "pool.overflow", "0", "pool.timeout", timeout));
}

/* ---------------------------------------------------------------- neighbours */

typedef struct neighbour {
  pthread_t thread;
  tenantdb *db;
  int after_ms;
  int hold_ms;
  int64_t waited_ms;
  int rounds;
  tenantdb_status status;
} neighbour;

static void *live_next_door(void *user) {
  neighbour *who = user;
  fixture_pause_us((int64_t)who->after_ms * 1000);
  for (int i = 0; i < who->rounds && !who->status; i++) {
    tenantdb_session *session = NULL;
    int64_t began = fixture_now_ms();
    who->status = tenantdb_session_open(who->db, "t001", NULL, &session, NULL);
    if (!who->status) {
      who->status = tenantdb_session_query(session, "SELECT 1", NULL, NULL, NULL);
    }
    int64_t waited = fixture_now_ms() - began;
    who->waited_ms = waited > who->waited_ms ? waited : who->waited_ms;
    fixture_pause_us((int64_t)who->hold_ms * 1000);
    tenantdb_session_close(session);
  }
  return NULL;
}

/* Over a pool of two a session gets its connection when the next tenant is done, not when all are. */
static void test_fair(void **state) {
  (void)state;
  static const char *const orders[] = {"tenant", "any"};
  tenantdb *small = open_small("2", "30s");
  for (int i = 0; i < 2; i++) {
    neighbour who = {.db = small, .after_ms = 100, .hold_ms = 20, .rounds = 5};
    tenantdb_result *rows = fleet_start(small, "SELECT pg_sleep(0.15)",
                                        FIXTURE_OPTIONS("order", orders[i], "selector", "slug^=t00|t01"));
    int64_t began = fixture_now_ms();
    tenantdb_status status;
    assert_int_equal(pthread_create(&who.thread, NULL, live_next_door, &who), 0);
    fleet_text all = fleet_drain(rows, &status, &error);
    int64_t took = fixture_now_ms() - began;
    harness_assert_ok(status, error);
    pthread_join(who.thread, NULL);
    print_message("fleet query %lld ms, longest wait of its neighbour %lld ms\n", (long long)took,
                  (long long)who.waited_ms);
    assert_int_equal(who.status, TENANTDB_OK);
    assert_int_equal(all.rows, 20);
    assert_true(took > 1200);
    assert_true(who.waited_ms < 600);
    tenantdb_result_free(rows);
    free(all.text);
  }
  assert_true(
      harness_count(url,
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
                    "pg_backend_pid()") <= 2 + 2);
  tenantdb_close(small);
}

/* All of the pool in use by others: waits as long as anybody, then says so, and nothing was run. */
static void test_nothing_to_be_had(void **state) {
  (void)state;
  tenantdb_status status;
  tenantdb *small = open_small("1", "300ms");
  tenantdb_result *rows = fleet_start(small, "SELECT 1", NULL);
  tenantdb_session *session = fixture_session(small, "t001");
  int64_t began = fixture_now_ms();
  fleet_text all = fleet_drain(rows, &status, &error);
  assert_in_range(fixture_now_ms() - began, 250, 15000);
  assert_int_equal(all.rows, 0);
  fixture_assert_error(error, TENANTDB_BUSY, TENANTDB_REASON_POOL_TIMEOUT, "all 1 connections of the pool");
  error = NULL;
  assert_non_null(strstr(fleet_failures(rows), "t099 BUSY POOL_TIMEOUT 0;"));
  tenantdb_result_free(rows);
  /* The list needs one as well. */
  harness_assert_fails(tenantdb_fleet_query(small, "SELECT 1", NULL, NULL, &rows, &error), error,
                       TENANTDB_BUSY, TENANTDB_REASON_POOL_TIMEOUT);
  tenantdb_session_close(session);
  tenantdb_close(small);
  free(all.text);
}

static void *cancel_soon(void *user) {
  fixture_pause_us(300000);
  (void)tenantdb_fleet_cancel(user, NULL);
  return NULL;
}

/* Cancelled, and out of time, while it waits for a connection. */
static void test_cancelled_in_the_queue(void **state) {
  (void)state;
  tenantdb_status status;
  pthread_t thread;
  tenantdb *small = open_small("1", "30s");
  for (int timed = 0; timed < 2; timed++) {
    tenantdb_result *rows =
        fleet_start(small, "SELECT 1", timed ? FIXTURE_OPTIONS("timeout", "400ms") : NULL);
    tenantdb_session *session = fixture_session(small, "t001");
    int64_t began = fixture_now_ms();
    if (!timed) {
      assert_int_equal(pthread_create(&thread, NULL, cancel_soon, rows), 0);
    }
    fleet_text all = fleet_drain(rows, &status, &error);
    assert_in_range(fixture_now_ms() - began, 250, 15000);
    fixture_assert_error(error, timed ? TENANTDB_TIMEOUT : TENANTDB_CANCELLED,
                         timed ? TENANTDB_REASON_CALL_TIMEOUT : TENANTDB_REASON_STATEMENT_CANCELLED,
                         "after 0 of 100");
    error = NULL;
    if (!timed) {
      pthread_join(thread, NULL);
    }
    tenantdb_session_close(session);
    tenantdb_result_free(rows);
    free(all.text);
  }
  tenantdb_close(small);
}

/* A tenant that has all the connections it may have: the others are read first, and then it is waited for. */
static void test_share(void **state) {
  (void)state;
  tenantdb_status status;
  tenantdb *capped =
      fixture_open(url, NULL, FIXTURE_OPTIONS("pool.tenant_connections", "1", "pool.timeout", "300ms"));
  tenantdb_session *session = fixture_session(capped, "t000");
  fixture_run(session, "SELECT 1");
  static const char *const orders[] = {"any", "tenant"};
  for (int i = 0; i < 2; i++) {
    tenantdb_result *rows = fleet_start(capped, "SELECT 1", FIXTURE_OPTIONS("order", orders[i]));
    fleet_text all = fleet_drain(rows, &status, &error);
    assert_int_equal(all.rows, MANY - 1);
    fixture_assert_error(error, TENANTDB_UNAVAILABLE, TENANTDB_REASON_FLEET_PARTLY,
                         "1 of 100 tenants failed, t000");
    error = NULL;
    assert_string_equal(fleet_failures(rows), "t000 BUSY TENANT_SHARE 0;");
    tenantdb_result_free(rows);
    free(all.text);
  }
  tenantdb_session_close(session);
  fleet_assert_rows(capped, "SELECT 1", FIXTURE_OPTIONS("tenants", "t000"), "t000|1\n");
  tenantdb_close(capped);
}

/* ---------------------------------------------------------------- running ahead */

/* Who runs ahead of a slow first tenant keeps its rows, but not without bound; the order stands. */
static void test_ahead(void **state) {
  (void)state;
  tenantdb_status status = TENANTDB_OK;
  int64_t rows_seen = 0, before = resident_kib(), most = 0;
  char last[16] = "";
  tenantdb_result *rows = fleet_start(db,
                                      "SELECT generate_series(1, 5000), repeat('x', 1000) FROM "
                                      "pg_sleep(" IN_TENANT("t000", "0.6", "0") ")",
                                      FIXTURE_OPTIONS("selector", "slug^=t00", "connections", "6"));
  for (int32_t more = 1; more;) {
    status = tenantdb_result_next(rows, &more, &error);
    harness_assert_ok(status, error);
    for (int32_t i = 0; i < tenantdb_result_rows(rows); i++, rows_seen++) {
      assert_true(strcmp(last, tenantdb_result_value(rows, i, 0)) <= 0);
      assert_int_equal(strtol(tenantdb_result_value(rows, i, 1), NULL, 10), rows_seen % 5000 + 1);
    }
    if (more) {
      snprintf(last, sizeof last, "%s", tenantdb_result_value(rows, 0, 0));
    }
    most = resident_kib() > most ? resident_kib() : most;
  }
  assert_int_equal(rows_seen, 50000);
  assert_string_equal(last, "t009");
  print_message("50 MB ahead of a slow tenant: resident set grew by %lld KiB\n", (long long)(most - before));
  assert_true(before < 0 || most - before < 12 * 1024);
  tenantdb_result_free(rows);
}

/*
 * The tenant whose turn it is loses its connection, a neighbour takes the place, and
 * the other one is ahead and full: it has to make way, or nothing would ever move.
 */
static void *end_sleeper(void *user) {
  (void)user;
  fixture_pause_us(300000);
  harness_sql(url,
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
              "wait_event = 'PgSleep'");
  return NULL;
}

static void test_makes_way(void **state) {
  (void)state;
  tenantdb_status status;
  pthread_t ender;
  tenantdb *small = open_small("2", "5s");
  neighbour who = {.db = small, .after_ms = 100, .hold_ms = 2500, .rounds = 1};
  tenantdb_result *rows = fleet_start(small,
                                      "SELECT generate_series(1, 3000), repeat('x', 1000) FROM "
                                      "pg_sleep(" IN_TENANT("t002", "0.8", "0") ")",
                                      FIXTURE_OPTIONS("tenants", "t002,t003,t004", "connections", "2"));
  int64_t began = fixture_now_ms();
  assert_int_equal(pthread_create(&who.thread, NULL, live_next_door, &who), 0);
  assert_int_equal(pthread_create(&ender, NULL, end_sleeper, NULL), 0);
  fleet_text all = fleet_drain(rows, &status, &error);
  harness_assert_ok(status, error);
  int64_t took = fixture_now_ms() - began;
  pthread_join(ender, NULL);
  pthread_join(who.thread, NULL);
  assert_int_equal(who.status, TENANTDB_OK);
  assert_true(who.waited_ms < 1000); /* it got the place that was left */
  assert_true(took >= 1000);         /* asked twice */
  assert_true(took < 2500);          /* and not only when the neighbour was done */
  assert_int_equal(all.rows, 9000);
  tenantdb_result_free(rows);
  tenantdb_close(small);
  free(all.text);
}

/* ---------------------------------------------------------------- memory */

static int64_t many(void) {
  const char *rows = getenv("TENANTDB_TEST_ROWS");
  const char *quick = getenv("TENANTDB_TEST_QUICK");
  return rows && *rows ? strtoll(rows, NULL, 10) / MANY : quick && *quick ? 1000 : 10000;
}

/* A million rows of a hundred tenants, in a resident set that does not grow. */
static void test_memory(void **state) {
  (void)state;
  static const char *const orders[] = {"tenant", "any"};
  char sql[160];
  snprintf(sql, sizeof sql, "SELECT i, md5(i::text), repeat('y', 100) FROM generate_series(1, %lld) i",
           (long long)many());
  for (int i = 0; i < 2; i++) {
    tenantdb_result *rows = fleet_start(db, sql, FIXTURE_OPTIONS("order", orders[i]));
    int64_t seen = 0, before = -1, most = 0, began = fixture_now_ms();
    for (int32_t more = 1; more;) {
      harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
      seen += tenantdb_result_rows(rows);
      int64_t now = resident_kib();
      before = seen > many() && before < 0 ? now : before;
      most = now > most ? now : most;
    }
    print_message(
        "order %s: %lld rows in %lld ms: resident set %lld KiB after the first tenant, at most %lld\n",
        orders[i], (long long)seen, (long long)(fixture_now_ms() - began), (long long)before,
        (long long)most);
    assert_int_equal(seen, many() * MANY);
    assert_true(most - before < 8 * 1024);
    tenantdb_result_free(rows);
  }
}

/* ---------------------------------------------------------------- levels */

static void check_level(const char *level, const char *const *pairs, const char *who) {
  const char *other = harness_database();
  tenantdb *at = fixture_ready(other, strcmp(level, "hardened") == 0 ? NULL : pairs);
  fleet_make(at, other, 5, 2);
  if (strcmp(level, "hardened") == 0) {
    harness_assert_ok(tenantdb_harden(at, 1, NULL, &error), error);
    tenantdb_close(at);
    at = fixture_open(other, NULL, pairs);
  }
  for (int i = 0; i < 3; i++) { /* with what the connections have learnt meanwhile */
    char sql[200];
    snprintf(sql, sizeof sql,
             "SELECT count(*), min(body), current_schema() LIKE 'tenant\\_t00%%', %s FROM notes", who);
    fleet_assert_rows(
        at, sql, FIXTURE_OPTIONS("order", "tenant", "connections", "3"),
        "t000|2|t000 1|t|t\nt001|2|t001 1|t|t\nt002|2|t002 1|t|t\nt003|2|t003 1|t|t\nt004|2|t004 "
        "1|t|t\n");
  }
  tenantdb_close(at);
  harness_drop_database(other);
}

static void test_levels(void **state) {
  (void)state;
  check_level("routing", FIXTURE_OPTIONS("isolation.level", "routing"), "current_user = session_user");
  check_level("role", FIXTURE_OPTIONS("isolation.level", "role"), "current_user <> session_user");
  check_level("hardened", FIXTURE_OPTIONS("isolation.level", "hardened"), "current_user <> session_user");
  check_level("login", FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "none"),
              "session_user::text LIKE 'tenant_role_%'");
}

/* At level login fewer connections than tenants: they make way for each other. */
static void test_login(void **state) {
  (void)state;
  const char *other = harness_database();
  tenantdb_status status;
  const char *const *pairs =
      FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "none", "login.pool_total", "3");
  tenantdb *at = fixture_ready(other, pairs);
  fleet_make(at, other, 10, 1);
  for (int i = 0; i < 2; i++) {
    fleet_text all = fleet_rows(at, "SELECT body FROM notes", FIXTURE_OPTIONS("connections", "8"));
    assert_int_equal(all.rows, 10);
    free(all.text);
  }
  /* All that there are in use by others. */
  tenantdb *hasty = fixture_open(other, NULL,
                                 FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "none",
                                                 "login.pool_total", "1", "pool.timeout", "300ms"));
  tenantdb_session *session = fixture_session(hasty, "t005");
  tenantdb_result *late = fleet_start(hasty, "SELECT 1", NULL);
  fleet_text none = fleet_drain(late, &status, &error);
  assert_int_equal(none.rows, 0);
  fixture_assert_error(error, TENANTDB_BUSY, TENANTDB_REASON_POOL_TIMEOUT, "login.pool_total");
  error = NULL;
  free(none.text);
  tenantdb_result_free(late);
  tenantdb_session_close(session);
  tenantdb_close(hasty);
  /* One that cannot log in is a failure of its own. */
  harness_sql(other,
              "DO $$ BEGIN EXECUTE (SELECT format('ALTER ROLE %%I NOLOGIN', role_name) FROM tenantdb.tenants "
              "WHERE slug = 't003'); END $$");
  tenantdb *fresh = fixture_open(other, NULL, pairs);
  tenantdb_result *rows = fleet_start(fresh, "SELECT body FROM notes", NULL);
  fleet_text all = fleet_drain(rows, &status, &error);
  assert_int_equal(all.rows, 9);
  fixture_assert_error(error, TENANTDB_UNAVAILABLE, TENANTDB_REASON_FLEET_PARTLY,
                       "1 of 10 tenants failed, t003");
  error = NULL;
  assert_string_equal(fleet_failures(rows), "t003 PERMISSION AUTHENTICATION 0;");
  tenantdb_result_free(rows);
  free(all.text);
  tenantdb_close(fresh);
  tenantdb_close(at);
  harness_drop_database(other);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_fair),
      cmocka_unit_test(test_nothing_to_be_had),
      cmocka_unit_test(test_cancelled_in_the_queue),
      cmocka_unit_test(test_share),
      cmocka_unit_test(test_ahead),
      cmocka_unit_test(test_makes_way),
      cmocka_unit_test(test_memory),
      cmocka_unit_test(test_levels),
      cmocka_unit_test(test_login),
  };
  return cmocka_run_group_tests_name("fleet and pool", tests, setup, teardown);
}

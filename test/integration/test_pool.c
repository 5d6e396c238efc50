/* SPDX-License-Identifier: PostgreSQL */
/* The pool: who waits, in what order, and which connections are handed on. */
#include <pthread.h>
#include <time.h>

#include "fixture.h"

static const char *url;
static tenantdb_error *error;

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(long ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

static int setup(void **state) {
  (void)state;
  url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_close(db);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  harness_drop_database(url);
  return 0;
}

static int64_t connections(void) {
  return harness_count(url,
                       "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                       "application_name = 'tenantdb'");
}

static void test_full(void **state) {
  (void)state;
  tenantdb *db = fixture_open(
      url, NULL, FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0", "pool.timeout", "200ms"));
  tenantdb_session *first = fixture_session(db, "a");
  tenantdb_session *second = NULL;
  int64_t began = now_ms();
  harness_assert_status(tenantdb_session_open(db, "a", NULL, &second, &error), error, TENANTDB_BUSY,
                        TENANTDB_REASON_POOL_TIMEOUT);
  assert_in_range(now_ms() - began, 190, 1000);
  harness_assert_message(error, "all 1 connections of the pool are in use and none became free in time");
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_LATER);
  tenantdb_error_free(error);
  error = NULL;
  assert_null(second);
  assert_string_equal(fixture_cell(first, "SELECT 1"), "1");
  tenantdb_session_close(first);
  second = fixture_session(db, "a");
  tenantdb_session_close(second);
  /* The session's own deadline may be the earlier one. */
  first = fixture_session(db, "a");
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "timeout", "50ms");
  began = now_ms();
  harness_assert_fails(tenantdb_session_open(db, "a", options, &second, &error), error, TENANTDB_BUSY,
                       TENANTDB_REASON_POOL_TIMEOUT);
  assert_in_range(now_ms() - began, 40, 180);
  tenantdb_session_options_free(options);
  tenantdb_session_close(first);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- the queue */

enum { WAITERS = 5 };
static struct {
  pthread_mutex_t mutex;
  int served[WAITERS];
  int count;
} order = {.mutex = PTHREAD_MUTEX_INITIALIZER};

typedef struct waiter {
  tenantdb *db;
  int number;
  tenantdb_status status;
} waiter;

static void *wait_in_line(void *user) {
  waiter *who = user;
  tenantdb_session *session = NULL;
  who->status = tenantdb_session_open(who->db, "a", NULL, &session, NULL);
  pthread_mutex_lock(&order.mutex);
  if (session) {
    order.served[order.count++] = who->number;
  }
  pthread_mutex_unlock(&order.mutex);
  tenantdb_session_close(session);
  return NULL;
}

static void test_first_come_first_served(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0"));
  tenantdb_session *holder = fixture_session(db, "a");
  pthread_t threads[WAITERS];
  waiter waiters[WAITERS];
  for (int i = 0; i < WAITERS; i++) {
    waiters[i] = (waiter){db, i, TENANTDB_OK};
    assert_int_equal(pthread_create(&threads[i], NULL, wait_in_line, &waiters[i]), 0);
    pause_ms(30);
  }
  tenantdb_session_close(holder);
  for (int i = 0; i < WAITERS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(waiters[i].status, TENANTDB_OK);
  }
  assert_int_equal(order.count, WAITERS);
  for (int i = 0; i < WAITERS; i++) {
    assert_int_equal(order.served[i], i);
  }
  tenantdb_close(db);
}

/* Sessions that are given back by other threads while one waits. */
static void *close_later(void *user) {
  pause_ms(100);
  tenantdb_session_close(user);
  return NULL;
}

static void test_busy_threads(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "2", "pool.overflow", "1"));
  tenantdb_session *held[3];
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) {
    held[i] = fixture_session(db, "a");
  }
  for (int i = 0; i < 3; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, close_later, held[i]), 0);
  }
  tenantdb_session *next = fixture_session(db, "a");
  for (int i = 0; i < 3; i++) {
    pthread_join(threads[i], NULL);
  }
  assert_in_range(connections(), 1, 3);
  tenantdb_session_close(next);
  pause_ms(50);
  assert_in_range(connections(), 1, 2); /* what is over pool.size is closed */
  tenantdb_close(db);
  pause_ms(50);
  assert_int_equal(connections(), 0);
}

/* ---------------------------------------------------------------- what is handed on */

static int backend(tenantdb_session *session) {
  return atoi(fixture_cell(session, "SELECT pg_backend_pid()"));
}

static void test_reuse_and_recycle(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.recycle", "300ms"));
  tenantdb_session *session = fixture_session(db, "a");
  int first = backend(session);
  tenantdb_session_close(session);
  session = fixture_session(db, "a");
  assert_int_equal(backend(session), first);
  tenantdb_session_close(session);
  pause_ms(350);
  session = fixture_session(db, "a");
  assert_int_not_equal(backend(session), first);
  tenantdb_session_close(session);
  tenantdb_close(db);
}

/* Every idle connection killed by an administrator: the next sessions do not notice. */
static void test_idle_terminated(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, NULL);
  tenantdb_session *sessions[4];
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 4; i++) {
      sessions[i] = fixture_session(db, "a");
    }
    for (int i = 0; i < 4; i++) {
      tenantdb_session_close(sessions[i]);
    }
    assert_int_equal(harness_count(url,
                                   "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                                   "datname = current_database() AND application_name = 'tenantdb'"),
                     4);
    while (harness_count(url,
                         "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                         " AND application_name = 'tenantdb'") > 0) {
    }
    fixture_pause_us(20000); /* a connection that answered a moment ago is not looked at */
    for (int i = 0; i < 4; i++) {
      sessions[i] = fixture_session(db, "a");
      assert_string_equal(fixture_cell(sessions[i], "SELECT 1"), "1");
    }
    for (int i = 0; i < 4; i++) {
      tenantdb_session_close(sessions[i]);
    }
  }
  tenantdb_close(db);
}

static void test_server_restart(void **state) {
  (void)state;
  harness_server *server = harness_server_start();
  tenantdb *db = fixture_ready(harness_server_url(server), NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_session *open = fixture_session(db, "a");
  fixture_run(open, "INSERT INTO notes (body) VALUES ('x')");
  harness_server_restart(server);
  tenantdb_session *session = fixture_session(db, "a");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "1");
  harness_assert_status(tenantdb_session_query(open, "SELECT 1", NULL, NULL, &error), error,
                        TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_NEW_SESSION);
  tenantdb_error_free(error);
  error = NULL;
  tenantdb_session_close(open);
  tenantdb_session_close(session);
  harness_server_kill(server);
  harness_assert_status(tenantdb_session_open(db, "a", NULL, &session, &error), error, TENANTDB_CONNECTION,
                        TENANTDB_REASON_CONNECT_FAILED);
  tenantdb_error_free(error);
  error = NULL;
  harness_server_restart(server);
  tenantdb_tenant_free(fixture_tenant(db, "b"));
  tenantdb_close(db);
  harness_server_remove(server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_full),
      cmocka_unit_test(test_first_come_first_served),
      cmocka_unit_test(test_busy_threads),
      cmocka_unit_test(test_reuse_and_recycle),
      cmocka_unit_test(test_idle_terminated),
      cmocka_unit_test(test_server_restart),
  };
  return cmocka_run_group_tests_name("pool", tests, setup, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Threads that call the same database again and again while something is wrong
 * with its server, and an account of what they were answered. What is no
 * success, no known failure, or another tenant's row stops the test.
 */
#ifndef TNDB_LOAD_H
#define TNDB_LOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "catalog/database.h"
#include "fixture.h"

enum { LOAD_MOST = 64, LOAD_STATUSES = 32 };

typedef struct load {
  tenantdb *db;
  const char *const *tenants; /* NULL at the end: one for each thread, from the beginning again */
  bool writes;
  int pause_us; /* after each call */
  atomic_bool over;
  atomic_llong calls;
  atomic_llong answered[LOAD_STATUSES]; /* by status */
  atomic_llong slowest_ms;
  pthread_t threads[LOAD_MOST];
  int n_threads;
  atomic_int next;
  pthread_mutex_t mutex;
  char strange[400]; /* the first answer that nobody may get */
} load;

/* A failure of the server, or of the way to it: its status and reason belong together. */
static inline bool load_is_fault(const tenantdb_error *error) {
  int32_t reason = tenantdb_error_reason(error);
  switch (tenantdb_error_status(error)) {
    case TENANTDB_CONNECTION:
      return reason == TENANTDB_REASON_CONNECTION_LOST || reason == TENANTDB_REASON_CONNECT_FAILED ||
             reason == TENANTDB_REASON_PROTOCOL;
    case TENANTDB_BUSY:
      return reason == TENANTDB_REASON_SERVER_STARTING || reason == TENANTDB_REASON_SERVER_FULL ||
             reason == TENANTDB_REASON_POOL_TIMEOUT;
    case TENANTDB_TIMEOUT:
      return reason == TENANTDB_REASON_CONNECT_TIMEOUT || reason == TENANTDB_REASON_CALL_TIMEOUT;
    case TENANTDB_UNKNOWN:
      return reason == TENANTDB_REASON_OUTCOME_UNKNOWN;
    case TENANTDB_STATE:
      return reason == TENANTDB_REASON_READ_ONLY_SERVER;
    default:
      return false;
  }
}

static inline void load_strange(load *all, const char *what, const tenantdb_error *error) {
  pthread_mutex_lock(&all->mutex);
  if (!all->strange[0]) {
    snprintf(all->strange, sizeof all->strange, "%s: %s, %s: %s", what,
             tenantdb_status_name(tenantdb_error_status(error)),
             tenantdb_reason_name(tenantdb_error_reason(error)), tenantdb_error_message(error));
  }
  pthread_mutex_unlock(&all->mutex);
}

static inline void load_count(load *all, tenantdb_status status, const tenantdb_error *error, int64_t began) {
  long long took = fixture_now_ms() - began;
  long long slowest = atomic_load(&all->slowest_ms);
  while (took > slowest && !atomic_compare_exchange_weak(&all->slowest_ms, &slowest, took)) {
  }
  atomic_fetch_add(&all->calls, 1);
  atomic_fetch_add(&all->answered[status >= 0 && status < LOAD_STATUSES ? status : LOAD_STATUSES - 1], 1);
  if (status && !load_is_fault(error)) {
    load_strange(all, "a call was answered", error);
  }
}

/* One session, one statement in it. */
static inline void load_call(load *all, const char *tenant) {
  tenantdb_session *session = NULL;
  tenantdb_error *failure = NULL;
  tenantdb_result *result = NULL;
  int64_t began = fixture_now_ms();
  tenantdb_status status = tenantdb_session_open(all->db, tenant, NULL, &session, &failure);
  if (!status) {
    status = tenantdb_session_query(
        session,
        all->writes ? "INSERT INTO notes (body) VALUES ('w') RETURNING body" : "SELECT current_schema()",
        NULL, &result, &failure);
  }
  if (!status && !all->writes &&
      strcmp(tenantdb_result_value(result, 0, 0), tenantdb_session_schema(session)) != 0) {
    load_strange(all, "another tenant's schema", NULL);
  }
  load_count(all, status, failure, began);
  tenantdb_result_free(result);
  tenantdb_session_close(session);
  tenantdb_error_free(failure);
}

static inline void *load_run(void *user) {
  load *all = user;
  int n_tenants = 0;
  while (all->tenants[n_tenants]) {
    n_tenants++;
  }
  const char *tenant = all->tenants[atomic_fetch_add(&all->next, 1) % n_tenants];
  while (!atomic_load(&all->over)) {
    load_call(all, tenant);
    fixture_pause_us(all->pause_us);
  }
  return NULL;
}

static inline void load_start(load *all, int n_threads) {
  assert_true(n_threads <= LOAD_MOST);
  pthread_mutex_init(&all->mutex, NULL);
  all->n_threads = n_threads;
  for (int i = 0; i < n_threads; i++) {
    assert_int_equal(pthread_create(&all->threads[i], NULL, load_run, all), 0);
  }
}

static inline int64_t load_answered(load *all, tenantdb_status status) {
  return atomic_load(&all->answered[status]);
}

/* Wait for so many calls more that were answered so. */
static inline void load_await(load *all, tenantdb_status status, int64_t more) {
  int64_t until = fixture_now_ms() + 30000;
  int64_t wanted = load_answered(all, status) + more;
  while (load_answered(all, status) < wanted) {
    if (fixture_now_ms() > until) {
      fail_msg("%lld calls, of them only %lld answered %s; %s", (long long)atomic_load(&all->calls),
               (long long)load_answered(all, status), tenantdb_status_name(status), all->strange);
    }
    fixture_pause_us(1000);
  }
}

static inline void load_end(load *all) {
  atomic_store(&all->over, true);
  for (int i = 0; i < all->n_threads; i++) {
    pthread_join(all->threads[i], NULL);
  }
  pthread_mutex_destroy(&all->mutex);
  if (all->strange[0]) {
    fail_msg("%s", all->strange);
  }
  print_message("%lld calls, the slowest %lld ms:", (long long)all->calls, (long long)all->slowest_ms);
  for (int i = 0; i < LOAD_STATUSES; i++) {
    if (all->answered[i]) {
      print_message(" %lld %s", (long long)all->answered[i], tenantdb_status_name(i));
    }
  }
  print_message("\n");
}

static inline tndb_pool_counts load_pool(const tenantdb *db) {
  tndb_pool_counts counts;
  tndb_pool_count(db->pool, &counts);
  return counts;
}

#endif

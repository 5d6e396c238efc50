/* SPDX-License-Identifier: PostgreSQL */
#include "pool/pool.h"

#include <stdatomic.h>

#include "base/memory.h"
#include "base/mutex.h"
#include "pg/exchange.h"

/* One who waits: its own condition, so that the first in the queue is woken and nobody else. */
typedef struct waiter {
  tndb_condition condition;
  bool called; /* a connection or a free place is due to this one */
  struct waiter *next;
} waiter;

struct tndb_pool {
  const tenantdb_config *config;
  tndb_mutex mutex;
  tndb_conn **idle; /* a stack: the warmest is lent first, the coldest ages out */
  int64_t n_idle;
  int64_t n_lent; /* connections lent, being opened, or promised to a waiter */
  int64_t n_waiting;
  int64_t n_opened;
  waiter *first;
  waiter *last;
  atomic_bool closed; /* written under the mutex, read without it */
};

static int64_t number(const tndb_pool *pool, tndb_option option) {
  return tndb_config_number(pool->config, option);
}

tenantdb_status tndb_pool_new(const tenantdb_config *config, tndb_pool **out, tenantdb_error **error) {
  *out = NULL;
  tndb_pool *pool = tndb_new(tndb_pool);
  if (!pool) {
    return tndb_no_memory(error);
  }
  pool->config = config;
  pool->idle = tndb_alloc_array((size_t)number(pool, TNDB_POOL_SIZE), sizeof(tndb_conn *));
  if (!pool->idle || !tndb_mutex_init(&pool->mutex)) {
    tndb_free(pool->idle);
    tndb_free(pool);
    return tndb_no_memory(error);
  }
  *out = pool;
  return TENANTDB_OK;
}

void tndb_pool_free(tndb_pool *pool) {
  if (pool) {
    tndb_pool_close(pool);
    tndb_mutex_destroy(&pool->mutex);
    tndb_free(pool->idle);
    tndb_free(pool);
  }
}

/* ---------------------------------------------------------------- the queue; the mutex is held */

static void enqueue(tndb_pool *pool, waiter *who) {
  who->next = NULL;
  if (pool->last) {
    pool->last->next = who;
  } else {
    pool->first = who;
  }
  pool->last = who;
  pool->n_waiting++;
}

static void dequeue(tndb_pool *pool, const waiter *who) {
  waiter *before = NULL;
  for (waiter *at = pool->first; at; before = at, at = at->next) {
    if (at == who) {
      *(before ? &before->next : &pool->first) = at->next;
      pool->last = pool->last == at ? before : pool->last;
      pool->n_waiting--;
      return;
    }
  }
}

/* A place became free: it goes to the first who waits. The place stays counted as lent for him. */
static bool call_first(tndb_pool *pool) {
  waiter *who = pool->first;
  if (!who) {
    return false;
  }
  dequeue(pool, who);
  who->called = true;
  tndb_condition_signal(&who->condition);
  return true;
}

static void give_place_back(tndb_pool *pool) {
  if (!call_first(pool)) {
    pool->n_lent--;
  }
}

static tenantdb_status closed_error(tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_DATABASE_CLOSED, "the database is closed");
}

/* Wait for a place. On OK one place is counted as lent for the caller. */
static tenantdb_status take_place(tndb_pool *pool, tndb_deadline deadline, tenantdb_error **error) {
  int64_t most = number(pool, TNDB_POOL_SIZE) + number(pool, TNDB_POOL_OVERFLOW);
  if (pool->closed) {
    return closed_error(error);
  }
  if (pool->n_lent < most && !pool->first) {
    pool->n_lent++;
    return TENANTDB_OK;
  }
  waiter self = {.called = false};
  if (!tndb_condition_init(&self.condition)) {
    return tndb_no_memory(error);
  }
  enqueue(pool, &self);
  bool in_time = true;
  while (!self.called && !pool->closed && in_time) {
    in_time = tndb_condition_wait(&self.condition, &pool->mutex, deadline);
  }
  tenantdb_status status = TENANTDB_OK;
  if (!self.called) {
    dequeue(pool, &self);
    status =
        pool->closed
            ? closed_error(error)
            : tndb_origin(error, TENANTDB_BUSY, TENANTDB_REASON_POOL_TIMEOUT,
                          "all %lld connections of the pool are in use and none became free in time; raise "
                          "pool.size or pool.overflow, or close sessions sooner",
                          (long long)most);
  } else if (pool->closed) {
    give_place_back(pool);
    status = closed_error(error);
  }
  tndb_condition_destroy(&self.condition);
  return status;
}

/* ---------------------------------------------------------------- health; no lock is held */

static bool is_old(const tndb_pool *pool, const tndb_conn *conn) {
  int64_t age = number(pool, TNDB_POOL_RECYCLE);
  return age > 0 && tndb_clock_ms() - conn->opened_ms >= age;
}

static bool answers(const tndb_pool *pool, tndb_conn *conn, tndb_deadline deadline) {
  if (!number(pool, TNDB_POOL_PRE_PING)) {
    return true;
  }
  if (tndb_conn_is_stale(conn)) {
    return false;
  }
  if (tndb_clock_ms() - conn->idle_since_ms < number(pool, TNDB_POOL_PRE_PING_IDLE)) {
    return true;
  }
  tndb_deadline soon = tndb_deadline_in(number(pool, TNDB_DATABASE_CONNECT_TIMEOUT));
  return tndb_exchange_single(conn, "SELECT 1", NULL, tndb_deadline_min(deadline, soon), NULL, NULL) ==
         TENANTDB_OK;
}

static void close_connection(const tndb_pool *pool, tndb_conn *conn, const char *why) {
  tndb_config_write_log(pool->config, TENANTDB_LOG_DEBUG, "connection-closed", why);
  tndb_conn_close(conn);
}

static tndb_conn *pop_idle(tndb_pool *pool) {
  tndb_mutex_lock(&pool->mutex);
  tndb_conn *conn = pool->n_idle > 0 ? pool->idle[--pool->n_idle] : NULL;
  tndb_mutex_unlock(&pool->mutex);
  return conn;
}

/* The caller has a place: find a healthy idle connection for it, or open one. */
static tenantdb_status fill_place(tndb_pool *pool, tndb_deadline deadline, tndb_conn **out,
                                  tenantdb_error **error) {
  tndb_conn *conn;
  while ((conn = pop_idle(pool)) != NULL) {
    const char *fault = is_old(pool, conn)              ? "older than pool.recycle"
                        : answers(pool, conn, deadline) ? NULL
                                                        : "found dead while idle";
    if (!fault) {
      *out = conn;
      return TENANTDB_OK;
    }
    close_connection(pool, conn, fault);
  }
  tenantdb_status status = tndb_conn_open(pool->config, out, error);
  tndb_mutex_lock(&pool->mutex);
  pool->n_opened += status == TENANTDB_OK;
  tndb_mutex_unlock(&pool->mutex);
  return status;
}

tenantdb_status tndb_pool_lease(tndb_pool *pool, tndb_deadline deadline, tndb_conn **conn,
                                tenantdb_error **error) {
  *conn = NULL;
  deadline = tndb_deadline_min(deadline, tndb_deadline_in(number(pool, TNDB_POOL_TIMEOUT)));
  tndb_mutex_lock(&pool->mutex);
  tenantdb_status status = take_place(pool, deadline, error);
  tndb_mutex_unlock(&pool->mutex);
  if (status) {
    return status;
  }
  status = fill_place(pool, deadline, conn, error);
  if (status) {
    tndb_mutex_lock(&pool->mutex);
    give_place_back(pool);
    tndb_mutex_unlock(&pool->mutex);
  }
  return status;
}

void tndb_pool_release(tndb_pool *pool, tndb_conn *conn) {
  if (!conn) {
    return;
  }
  bool clean = tndb_conn_is_idle(conn) && !conn->tainted && tndb_conn_is_home(conn);
  if (clean) {
    tndb_exchange_begin(conn); /* lets go of the last results */
  }
  conn->idle_since_ms = tndb_clock_ms();
  bool keep = clean && !is_old(pool, conn);
  tndb_mutex_lock(&pool->mutex);
  keep = keep && !pool->closed && pool->n_idle < number(pool, TNDB_POOL_SIZE);
  if (keep) {
    pool->idle[pool->n_idle++] = conn;
  }
  give_place_back(pool);
  tndb_mutex_unlock(&pool->mutex);
  if (!keep) {
    close_connection(pool, conn, clean ? "not needed" : "not provably clean");
  }
}

/* ---------------------------------------------------------------- the end */

void tndb_pool_close(tndb_pool *pool) {
  tndb_mutex_lock(&pool->mutex);
  pool->closed = true;
  for (waiter *at = pool->first; at; at = at->next) {
    tndb_condition_signal(&at->condition);
  }
  tndb_mutex_unlock(&pool->mutex);
  tndb_conn *conn;
  while ((conn = pop_idle(pool)) != NULL) {
    tndb_conn_close(conn);
  }
}

bool tndb_pool_is_closed(tndb_pool *pool) {
  return atomic_load_explicit(&pool->closed, memory_order_relaxed);
}

tndb_pool_counts tndb_pool_count(tndb_pool *pool) {
  tndb_mutex_lock(&pool->mutex);
  tndb_pool_counts counts = {pool->n_idle, pool->n_lent, pool->n_waiting, pool->n_opened};
  tndb_mutex_unlock(&pool->mutex);
  return counts;
}

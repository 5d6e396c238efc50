/* SPDX-License-Identifier: PostgreSQL */
/* Borrowing and giving back. */
#include "pool/pool.h"

#include "base/memory.h"
#include "config/events.h"
#include "pg/exchange.h"
#include "pool/berth.h"

/* How many connections that expired one call closes: it is not the caller's work. */
#define MOST_EXPIRED 2
/* A connection that has said nothing for so long says something about those idle for as long. */
#define SILENCE_MS 1000

/* One who borrows. */
typedef struct borrowing {
  const tndb_lease *lease;
  tndb_deadline deadline;
  int64_t began_us;
  bool waits;
  bool waited;
  tndb_waiter self;
} borrowing;

/* ---------------------------------------------------------------- who gets what; the mutex is held */

/*
 * Give a share a place: an idle connection, or an empty berth, for which, in a
 * bound pool, another's idle one may have to go. False when there is nothing.
 */
static bool take(tndb_pool *pool, tndb_waiter *who, int64_t now_ms) {
  tndb_share *share = who->share;
  if (!tndb_share_may_have_more(pool, share)) {
    return false;
  }
  tndb_berth *berth = tndb_berth_idle_for(pool, share, now_ms);
  if (berth) {
    pool->counts.affine += tndb_berth_knows(berth, share);
    tndb_berth_lend(berth, share);
    berth->lent_at_us = now_ms * 1000;
    who->given = berth;
    return true;
  }
  if (!who->spare || !tndb_back_off_allows(&pool->back_off, now_ms)) {
    return false;
  }
  if (pool->n_open >= pool->limits.most) {
    if (!pool->limits.bound || !pool->oldest) {
      return false;
    }
    who->victim = pool->oldest;
    tndb_berth_leave(who->victim);
    pool->counts.closed_for++;
  }
  who->given = who->spare;
  who->spare = NULL;
  who->given->probe = tndb_back_off_begin(&pool->back_off);
  tndb_berth_enter(pool, who->given, share);
  tndb_queue_set_eligible(&pool->queue, share, tndb_share_may_have_more(pool, share));
  return true;
}

void tndb_pool_serve(tndb_pool *pool, int64_t now_ms) {
  tndb_share *share;
  while ((share = tndb_queue_next(&pool->queue)) != NULL && take(pool, share->first, now_ms)) {
    tndb_waiter *who = tndb_queue_serve(&pool->queue, share);
    tndb_condition_signal(&who->condition);
  }
  pool->exhausted = pool->exhausted && pool->queue.n_waiting > 0;
}

/* Nothing can be opened, nothing is being opened and nothing will come back: waiting would be in vain. */
static bool is_hopeless(const tndb_pool *pool) {
  return pool->back_off.pause_ms > 0 && pool->n_open == pool->n_idle;
}

void tndb_pool_wake_all(tndb_pool *pool) {
  size_t at = 0;
  const char *key;
  void *value;
  while (tndb_map_next(&pool->shares, &at, &key, &value)) {
    for (tndb_waiter *who = ((tndb_share *)value)->first; who; who = who->next) {
      tndb_condition_signal(&who->condition);
    }
  }
}

/* ---------------------------------------------------------------- waiting; the mutex is held */

static tenantdb_status closed_error(tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_DATABASE_CLOSED, "the database is closed");
}

static tenantdb_status back_off_error(tndb_pool *pool, tenantdb_error **error) {
  pool->counts.backed_off++;
  return tndb_back_off_raise(&pool->back_off, error);
}

static tenantdb_status late_error(tndb_pool *pool, const borrowing *b, tenantdb_error **error) {
  const tndb_share *share = b->self.share;
  pool->counts.timeouts += !b->lease->again;
  if (!tndb_share_may_have_more(pool, share)) {
    return tndb_origin(
        error, TENANTDB_BUSY, TENANTDB_REASON_TENANT_SHARE,
        "the tenant has %lld connections in use, all that %s allows him, and none became free in time",
        (long long)(pool->limits.bound ? share->open : share->lent),
        pool->limits.bound ? "login.pool_size" : "pool.tenant_connections");
  }
  if (pool->back_off.pause_ms > 0) {
    return back_off_error(pool, error);
  }
  return tndb_origin(error, TENANTDB_BUSY, TENANTDB_REASON_POOL_TIMEOUT,
                     "all %lld connections of the pool are in use and none became free in time; raise %s, or "
                     "close sessions sooner",
                     (long long)pool->limits.most,
                     pool->limits.bound ? "login.pool_total" : "pool.size or pool.overflow");
}

/* Wait until one is given, or it is certain that none will be. */
static tenantdb_status wait_for_turn(tndb_pool *pool, borrowing *b, tenantdb_error **error) {
  tndb_waiter *self = &b->self;
  tndb_deadline deadline = b->deadline;
  if (!tndb_queue_add(&pool->queue, self, tndb_share_may_have_more(pool, self->share))) {
    return tndb_no_memory(error);
  }
  b->waited = true;
  while (!self->given && !pool->closed) {
    int64_t now = tndb_clock_ms();
    if (is_hopeless(pool) && now < pool->back_off.until) {
      break;
    }
    tndb_pool_serve(pool, now); /* a pause may have ended, and nobody else looks at the clock */
    if (self->given || now >= deadline) {
      break;
    }
    tndb_deadline until =
        pool->back_off.pause_ms > 0 && !pool->back_off.probing ? pool->back_off.until : TNDB_NEVER;
    (void)tndb_condition_wait(&self->condition, &pool->mutex, tndb_deadline_min(deadline, until));
  }
  if (self->given) {
    return TENANTDB_OK;
  }
  tndb_queue_remove(&pool->queue, self);
  return pool->closed                 ? closed_error(error)
         : tndb_clock_ms() < deadline ? back_off_error(pool, error)
                                      : late_error(pool, b, error);
}

/* ---------------------------------------------------------------- opening */

static void tell(const tndb_pool *pool, tndb_event_kind kind, const tndb_conn *conn, const char *message) {
  tndb_config_write_event(
      pool->config,
      &(tndb_event){.kind = kind, .backend_pid = conn ? PQbackendPID(conn->pg) : 0, .message = message});
}

static void tell_failure(const tndb_pool *pool, tndb_event_kind kind, const tenantdb_error *failure) {
  tndb_config_write_event(pool->config, &(tndb_event){.kind = kind,
                                                      .tenant = tenantdb_error_tenant(failure),
                                                      .sqlstate = tenantdb_error_sqlstate(failure),
                                                      .message = tenantdb_error_message(failure)});
}

/* Whether a failure says something about the server, and not about one login or this process. */
static bool concerns_server(const tndb_pool *pool, tenantdb_status status) {
  return status == TENANTDB_CONNECTION || status == TENANTDB_TIMEOUT || status == TENANTDB_BUSY ||
         (!pool->limits.bound && (status == TENANTDB_PERMISSION || status == TENANTDB_NOT_FOUND));
}

tenantdb_status tndb_pool_open_berth(tndb_pool *pool, tndb_berth *berth, const tndb_lease *lease,
                                     tenantdb_error **error) {
  tndb_conn *conn = NULL;
  tenantdb_error *own = NULL;
  int64_t began = tndb_clock_us();
  tenantdb_status status =
      lease->open ? lease->open(lease->user, &conn, &own) : tndb_conn_open(pool->config, &conn, &own);
  bool said = false;
  tndb_mutex_lock(&pool->mutex);
  pool->counts.opening_us += tndb_clock_us() - began;
  if (status) {
    pool->counts.open_failures++;
    tndb_berth_leave(berth);
    if (concerns_server(pool, status)) {
      said = tndb_back_off_failed(&pool->back_off, berth->probe, own);
    } else {
      tndb_back_off_ended(&pool->back_off, berth->probe);
    }
    if (is_hopeless(pool)) {
      tndb_pool_wake_all(pool);
    }
  } else {
    pool->counts.opened++;
    pool->n_opening--;
    berth->conn = conn;
    conn->berth = berth;
    berth->lent_at_us = tndb_clock_us();
    said = tndb_back_off_succeeded(&pool->back_off);
  }
  tndb_pool_serve(pool, tndb_clock_ms());
  tndb_mutex_unlock(&pool->mutex);
  if (!status) {
    tndb_config_write_event(pool->config, &(tndb_event){.kind = TNDB_EVENT_CONNECTION_OPENED,
                                                        .backend_pid = PQbackendPID(conn->pg),
                                                        .tenant = lease->key,
                                                        .message = "a connection was opened"});
    if (said) {
      tell(pool, TNDB_EVENT_BACK_OFF_ENDED, conn, "the server can be reached again");
    }
    return TENANTDB_OK;
  }
  tell_failure(pool, TNDB_EVENT_CONNECT_FAILED, own);
  if (said) {
    tell_failure(pool, TNDB_EVENT_BACK_OFF_BEGUN, own);
  }
  tndb_berth_free(berth);
  return tndb_error_pass(error, own);
}

/* ---------------------------------------------------------------- health; no lock is held */

static bool is_old(const tndb_pool *pool, const tndb_conn *conn, int64_t now_ms) {
  return pool->recycle_ms > 0 && now_ms - conn->opened_ms >= pool->recycle_ms;
}

static bool answers(tndb_pool *pool, tndb_conn *conn, tndb_deadline deadline, int64_t now_ms) {
  if (pool->ping_idle_ms < 0) {
    return true;
  }
  if (tndb_conn_is_stale(conn, now_ms)) {
    return false;
  }
  if (now_ms - conn->idle_since_ms < pool->ping_idle_ms) {
    return true;
  }
  tndb_deadline soon = tndb_deadline_in(tndb_config_number(pool->config, TNDB_DATABASE_CONNECT_TIMEOUT));
  soon = tndb_deadline_min(deadline, soon);
  if (!tndb_exchange_single(conn, "SELECT 1", NULL, soon, NULL, NULL)) {
    return true;
  }
  if (conn->silent && tndb_clock_ms() - now_ms >= SILENCE_MS) {
    tndb_pool_doubt(pool, conn->idle_since_ms); /* or whoever comes would lose as much time on each of them */
  }
  return false;
}

/* ---------------------------------------------------------------- borrowing */

static void count_lease(tndb_pool *pool, tndb_share *share, int64_t waited_us) {
  size_t bucket = 0;
  pool->counts.leases++;
  share->leases++;
  if (waited_us > 0) {
    pool->counts.waited++;
    pool->counts.waited_us += waited_us;
    while (bucket < TNDB_POOL_BUCKETS - 1 && waited_us > tndb_pool_bucket_us[bucket]) {
      bucket++;
    }
  }
  pool->counts.wait_buckets[bucket]++;
}

/* Without going before anybody who waits. */
static bool take_in_turn(tndb_pool *pool, borrowing *b) {
  bool took = !tndb_queue_next(&pool->queue) && take(pool, &b->self, tndb_clock_ms());
  if (took) {
    tndb_queue_count_turn(&pool->queue, b->self.share);
  }
  return took;
}

/* He will have to wait: whoever operates the application hears of it, once an episode, and before the wait. */
static void tell_shortage(tndb_pool *pool, const borrowing *b) {
  tndb_share *share = b->self.share;
  bool exhausted = !pool->exhausted && pool->n_open >= pool->limits.most;
  bool full = !share->told_full && !tndb_share_may_have_more(pool, share);
  pool->exhausted = pool->exhausted || exhausted;
  share->told_full = share->told_full || full;
  if (!exhausted && !full) {
    return;
  }
  tndb_mutex_unlock(&pool->mutex);
  if (exhausted) {
    tell(pool, TNDB_EVENT_POOL_EXHAUSTED, NULL, "every connection of the pool is in use");
  }
  if (full) {
    tndb_config_write_event(pool->config,
                            &(tndb_event){.kind = TNDB_EVENT_TENANT_SHARE_REACHED,
                                          .tenant = b->lease->key,
                                          .message = "the tenant has all the connections it may have"});
  }
  tndb_mutex_lock(&pool->mutex);
}

/* Nothing is free as it stands: with an empty berth one may be opened; else he waits. */
static tenantdb_status take_slowly(tndb_pool *pool, borrowing *b, tenantdb_error **error) {
  tndb_waiter *self = &b->self;
  tndb_mutex_unlock(&pool->mutex);
  self->spare = tndb_new(tndb_berth);
  bool ready = self->spare && tndb_condition_init(&self->condition);
  tndb_mutex_lock(&pool->mutex);
  if (!ready) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = TENANTDB_OK;
  bool took = !pool->closed && take_in_turn(pool, b);
  if (!took && !pool->closed && b->waits) {
    tell_shortage(pool, b);
    took = !pool->closed && take_in_turn(pool, b);
  }
  if (pool->closed && !took) {
    status = closed_error(error);
  } else if (!took && b->waits) {
    status = wait_for_turn(pool, b, error);
  }
  tndb_condition_destroy(&self->condition);
  return status;
}

/* On OK the borrower has a berth, unless he would not wait. */
static tenantdb_status take_berth(tndb_pool *pool, borrowing *b, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  tndb_waiter *self = &b->self;
  tndb_mutex_lock(&pool->mutex);
  self->share = tndb_share_of(pool, b->lease->key);
  if (pool->closed) {
    status = closed_error(error);
  } else if (!self->share) {
    status = tndb_no_memory(error);
  } else if (!tndb_queue_next(&pool->queue) && take(pool, self, b->began_us / 1000)) {
    tndb_queue_count_turn(&pool->queue, self->share);
  } else {
    status = take_slowly(pool, b, error);
  }
  if (self->given) {
    count_lease(pool, self->share, b->waited ? tndb_clock_us() - b->began_us : 0);
  }
  tndb_share_drop(pool, self->share);
  tndb_mutex_unlock(&pool->mutex);
  tndb_berth_free(self->victim);
  tndb_free(self->spare);
  return status;
}

static void remove_dead(tndb_pool *pool, tndb_berth *berth, const char *why, int64_t *counter) {
  tndb_mutex_lock(&pool->mutex);
  (*counter)++;
  tndb_berth_leave(berth);
  tndb_mutex_unlock(&pool->mutex);
  tell(pool, TNDB_EVENT_CONNECTION_CLOSED, berth->conn, why);
  tndb_berth_free(berth);
}

static tenantdb_status borrow(tndb_pool *pool, borrowing *b, tndb_conn **conn, tenantdb_error **error) {
  for (;;) {
    b->self = (tndb_waiter){.given = NULL};
    b->waited = false;
    tenantdb_status status = take_berth(pool, b, error);
    tndb_berth *berth = b->self.given;
    if (status || !berth) {
      return status;
    }
    if (!berth->conn) {
      status = tndb_pool_open_berth(pool, berth, b->lease, error);
      if (!status) {
        *conn = berth->conn;
      }
      return status;
    }
    int64_t now = tndb_clock_ms();
    if (is_old(pool, berth->conn, now)) {
      remove_dead(pool, berth, "older than pool.recycle", &pool->counts.closed_old);
    } else if (!answers(pool, berth->conn, b->deadline, now)) {
      remove_dead(pool, berth, "found dead while idle", &pool->counts.closed_dead);
    } else {
      *conn = berth->conn;
      return TENANTDB_OK;
    }
    b->self.given = NULL;
    b->began_us = tndb_clock_us();
    if (tndb_deadline_left(b->deadline) == 0) {
      return tndb_origin(error, TENANTDB_TIMEOUT, TENANTDB_REASON_CONNECT_TIMEOUT,
                         "the idle connections did not answer, and no time was left to open another");
    }
  }
}

/*
 * The server has no connection left for us, but some of ours are in use: then
 * the pool is as large as it can be for now, and one of those will come back.
 */
static bool is_worth_waiting(tndb_pool *pool, tenantdb_status status, const borrowing *b) {
  tndb_mutex_lock(&pool->mutex);
  bool worth = status == TENANTDB_BUSY && b->waits && tndb_deadline_left(b->deadline) != 0 &&
               (!is_hopeless(pool) || pool->n_idle > 0);
  tndb_mutex_unlock(&pool->mutex);
  return worth;
}

static tenantdb_status lease_on(tndb_pool *pool, const tndb_lease *lease, bool waits, tndb_conn **conn,
                                tenantdb_error **error) {
  *conn = NULL;
  int64_t now_us = tndb_clock_us();
  borrowing b = {.lease = lease, .began_us = now_us, .waits = waits};
  b.deadline = tndb_deadline_min(lease->deadline, now_us / 1000 + pool->timeout_ms);
  for (;;) {
    tenantdb_error *own = NULL;
    bool opened = false;
    tenantdb_status status = borrow(pool, &b, conn, &own);
    opened = b.self.given != NULL;
    if (!status) {
      return TENANTDB_OK;
    }
    if (!opened || !is_worth_waiting(pool, status, &b)) {
      int32_t reason = tenantdb_error_reason(own);
      bool late = reason == TENANTDB_REASON_POOL_TIMEOUT || reason == TENANTDB_REASON_TENANT_SHARE;
      if (late && !lease->again) {
        tndb_config_write_event(pool->config, &(tndb_event){.kind = TNDB_EVENT_POOL_TIMEOUT,
                                                            .tenant = lease->key,
                                                            .message = tenantdb_error_message(own)});
      }
      return tndb_error_pass(error, own);
    }
    tenantdb_error_free(own);
    b.began_us = tndb_clock_us();
  }
}

tenantdb_status tndb_pool_lease_for(tndb_pool *pool, const tndb_lease *lease, tndb_conn **conn,
                                    tenantdb_error **error) {
  return lease_on(pool, lease, true, conn, error);
}

tenantdb_status tndb_pool_try(tndb_pool *pool, const tndb_lease *lease, tndb_conn **conn,
                              tenantdb_error **error) {
  return lease_on(pool, lease, false, conn, error);
}

tenantdb_status tndb_pool_lease(tndb_pool *pool, tndb_deadline deadline, tndb_conn **conn,
                                tenantdb_error **error) {
  tndb_lease lease = {.key = "", .deadline = deadline};
  return lease_on(pool, &lease, true, conn, error);
}

bool tndb_pool_reassign(tndb_pool *pool, tndb_conn *conn, const char *key) {
  tndb_mutex_lock(&pool->mutex);
  tndb_share *share = tndb_share_of(pool, key);
  bool may = !share || conn->berth->share == share || tndb_share_may_have_more(pool, share);
  if (may && share) { /* without memory it stays counted where it is */
    conn->berth->share->leases--;
    share->leases++;
    tndb_berth_turn_to(conn->berth, share);
  }
  tndb_share_drop(pool, share);
  tndb_pool_serve(pool, tndb_clock_ms());
  tndb_mutex_unlock(&pool->mutex);
  return may;
}

/* ---------------------------------------------------------------- giving back */

/* Why it is not handed on, and where that is counted; NULL when it is. */
static const char *fault_of(tndb_pool *pool, const tndb_berth *berth, bool clean, int64_t now_ms,
                            int64_t **counter) {
  if (!clean) {
    *counter = &pool->counts.closed_unclean;
    return "not provably clean";
  }
  if (berth->doomed || pool->closed) {
    *counter = &pool->counts.closed_distrust;
    return "no longer wanted";
  }
  if (is_old(pool, berth->conn, now_ms)) {
    *counter = &pool->counts.closed_old;
    return "older than pool.recycle";
  }
  if (pool->limits.tenants && berth->n_seen >= pool->limits.tenants) {
    *counter = &pool->counts.closed_tenants;
    return "has served pool.recycle_tenants tenants";
  }
  return NULL;
}

/* In a child nobody may wait for the lock: its holder may not have come along. */
static void let_go(tndb_conn *conn) {
  tndb_berth *berth = conn->berth;
  if (!tndb_mutex_try_lock(&berth->pool->mutex)) {
    tndb_conn_close(conn);
    return;
  }
  tndb_berth_leave(berth);
  tndb_mutex_unlock(&berth->pool->mutex);
  tndb_berth_free(berth);
}

void tndb_pool_release(tndb_conn *conn) {
  tndb_berth *berth = conn ? conn->berth : NULL;
  if (!berth) {
    tndb_conn_close(conn);
    return;
  }
  if (tndb_conn_is_foreign(conn)) {
    let_go(conn);
    return;
  }
  tndb_pool *pool = berth->pool;
  tndb_berth *expired[MOST_EXPIRED] = {NULL};
  int64_t *counter = NULL;
  int64_t now_us = tndb_clock_us();
  bool clean = tndb_conn_is_idle(conn) && !conn->tainted && tndb_conn_is_home(conn);
  if (clean) {
    tndb_exchange_begin(conn); /* lets go of the last results */
  }
  conn->idle_since_ms = now_us / 1000;
  tndb_mutex_lock(&pool->mutex);
  pool->counts.used_us += now_us - berth->lent_at_us;
  const char *fault = fault_of(pool, berth, clean, conn->idle_since_ms, &counter);
  if (fault) {
    (*counter)++;
    tndb_berth_leave(berth);
  } else {
    tndb_berth_rest(berth);
  }
  tndb_pool_serve(pool, conn->idle_since_ms);
  for (int i = 0; i < MOST_EXPIRED; i++) {
    expired[i] = tndb_berth_expired(pool, now_us / 1000);
  }
  if (is_hopeless(pool)) {
    tndb_pool_wake_all(pool);
  }
  tndb_mutex_unlock(&pool->mutex);
  if (fault) {
    tell(pool, TNDB_EVENT_CONNECTION_CLOSED, conn, fault);
    tndb_berth_free(berth);
  }
  for (int i = 0; i < MOST_EXPIRED && expired[i]; i++) {
    tell(pool, TNDB_EVENT_CONNECTION_CLOSED, expired[i]->conn, "not needed");
    tndb_berth_free(expired[i]);
  }
}

/* SPDX-License-Identifier: PostgreSQL */
/* A pool's beginning, upkeep and end. */
#include "base/memory.h"
#include "pool/berth.h"

static int64_t number(const tenantdb_config *config, tndb_option option) {
  return tndb_config_number(config, option);
}

tndb_pool_limits tndb_pool_limits_read(const tenantdb_config *config) {
  int64_t size = number(config, TNDB_POOL_SIZE);
  int64_t most = size + number(config, TNDB_POOL_OVERFLOW);
  int64_t minimum = number(config, TNDB_POOL_MINIMUM);
  return (tndb_pool_limits){.most = most,
                            .kept = size,
                            .minimum = minimum < size ? minimum : size,
                            .per_key = number(config, TNDB_POOL_TENANT_CONNECTIONS),
                            .tenants = number(config, TNDB_POOL_RECYCLE_TENANTS),
                            .idle_ms = number(config, TNDB_POOL_IDLE_TIMEOUT)};
}

tndb_pool_limits tndb_pool_limits_of_logins(const tenantdb_config *config) {
  int64_t most = number(config, TNDB_LOGIN_POOL_TOTAL);
  return (tndb_pool_limits){.most = most,
                            .kept = most,
                            .per_key = number(config, TNDB_LOGIN_POOL_SIZE),
                            .idle_ms = number(config, TNDB_LOGIN_IDLE),
                            .bound = true};
}

tenantdb_status tndb_pool_new(const tenantdb_config *config, const tndb_pool_limits *limits, tndb_pool **out,
                              tenantdb_error **error) {
  *out = NULL;
  tndb_pool *pool = tndb_new(tndb_pool);
  if (!pool || !tndb_mutex_init(&pool->mutex)) {
    tndb_free(pool);
    return tndb_no_memory(error);
  }
  pool->config = config;
  pool->limits = *limits;
  pool->timeout_ms = number(config, TNDB_POOL_TIMEOUT);
  pool->recycle_ms = number(config, TNDB_POOL_RECYCLE);
  pool->ping_idle_ms = number(config, TNDB_POOL_PRE_PING) ? number(config, TNDB_POOL_PRE_PING_IDLE) : -1;
  pool->back_off.longest_ms = number(config, TNDB_POOL_BACK_OFF);
  pool->fork = tndb_fork_generation();
  *out = pool;
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- letting go */

/* What is idle and has to go leaves the pool, as a chain. The mutex is held. */
static tndb_berth *pull_doomed(tndb_pool *pool, int64_t *counter) {
  tndb_berth *chain = NULL;
  tndb_berth *next;
  for (tndb_berth *berth = pool->all; berth; berth = next) {
    next = berth->next;
    if (berth->doomed && !berth->lent) {
      (*counter)++;
      tndb_berth_leave(berth);
      berth->next = chain;
      chain = berth;
    }
  }
  return chain;
}

static void free_chain(tndb_berth *chain) {
  while (chain) {
    tndb_berth *next = chain->next;
    tndb_berth_free(chain);
    chain = next;
  }
}

/* All berths, or one share's, are to go: the idle ones now, the others when they come back. */
static void doom(tndb_pool *pool, const tndb_share *share) {
  for (tndb_berth *berth = pool->all; berth; berth = berth->next) {
    berth->doomed = berth->doomed || !share || berth->share == share;
  }
}

void tndb_pool_shut(tndb_pool *pool, const char *key) {
  tndb_mutex_lock(&pool->mutex);
  const tndb_share *share = tndb_map_get(&pool->shares, key);
  if (share) {
    doom(pool, share);
  }
  tndb_berth *chain = pull_doomed(pool, &pool->counts.closed_distrust);
  tndb_pool_serve(pool, tndb_clock_ms());
  tndb_mutex_unlock(&pool->mutex);
  free_chain(chain);
}

void tndb_pool_doubt(tndb_pool *pool, int64_t since_ms) {
  tndb_mutex_lock(&pool->mutex);
  for (tndb_berth *berth = pool->oldest; berth; berth = berth->newer) {
    berth->doomed = berth->doomed || berth->conn->idle_since_ms <= since_ms;
  }
  tndb_berth *chain = pull_doomed(pool, &pool->counts.closed_dead);
  tndb_mutex_unlock(&pool->mutex);
  free_chain(chain);
}

bool tndb_pool_distrust(tndb_pool *pool) {
  int64_t now = tndb_clock_ms();
  tndb_berth *chain = NULL;
  tndb_mutex_lock(&pool->mutex);
  /* Where every connection leads to a standby, this must not become a storm of new ones. */
  bool does = pool->distrusted_ms == 0 || now - pool->distrusted_ms >= pool->back_off.longest_ms;
  if (does) {
    pool->distrusted_ms = now;
    doom(pool, NULL);
    chain = pull_doomed(pool, &pool->counts.closed_distrust);
    tndb_pool_serve(pool, now);
  }
  tndb_mutex_unlock(&pool->mutex);
  free_chain(chain);
  return does;
}

/* ---------------------------------------------------------------- warming up */

static void expire(tndb_pool *pool) {
  tndb_berth *berth;
  do {
    tndb_mutex_lock(&pool->mutex);
    berth = tndb_berth_expired(pool, tndb_clock_ms());
    if (berth) {
      tndb_pool_serve(pool, tndb_clock_ms());
    }
    tndb_mutex_unlock(&pool->mutex);
    tndb_berth_free(berth);
  } while (berth);
}

/* One more for nobody in particular; `spare` is taken when there is room and need for it. */
static bool enter_spare(tndb_pool *pool, tndb_berth *spare) {
  tndb_mutex_lock(&pool->mutex);
  tndb_share *share = tndb_share_of(pool, "");
  bool wanted = share && !pool->closed && pool->n_open < pool->limits.minimum &&
                tndb_back_off_allows(&pool->back_off, tndb_clock_ms());
  if (wanted) {
    spare->probe = tndb_back_off_begin(&pool->back_off);
    tndb_berth_enter(pool, spare, share);
  }
  tndb_share_drop(pool, share);
  tndb_mutex_unlock(&pool->mutex);
  return wanted;
}

tenantdb_status tndb_pool_warm_up(tndb_pool *pool, tenantdb_error **error) {
  tndb_lease lease = {.key = "", .deadline = TNDB_NEVER};
  expire(pool);
  for (;;) {
    tndb_berth *spare = tndb_new(tndb_berth);
    if (!spare) {
      return tndb_no_memory(error);
    }
    if (!enter_spare(pool, spare)) {
      tndb_free(spare);
      return TENANTDB_OK;
    }
    tenantdb_status status = tndb_pool_open_berth(pool, spare, &lease, error);
    if (status) {
      return status;
    }
    tndb_pool_release(spare->conn);
  }
}

/* ---------------------------------------------------------------- the end */

void tndb_pool_close(tndb_pool *pool) {
  if (!pool) {
    return;
  }
  tndb_mutex_lock(&pool->mutex);
  pool->closed = true;
  tndb_pool_wake_all(pool);
  doom(pool, NULL);
  tndb_berth *chain = pull_doomed(pool, &pool->counts.closed_distrust);
  tndb_mutex_unlock(&pool->mutex);
  free_chain(chain);
}

bool tndb_pool_is_closed(tndb_pool *pool) {
  return atomic_load_explicit(&pool->closed, memory_order_relaxed);
}

bool tndb_pool_abandon(tndb_pool *pool) {
  if (!pool) {
    return true;
  }
  /* Held at the moment of fork() it is held for ever, and what it guards may be half done. */
  if (!tndb_mutex_try_lock(&pool->mutex)) {
    return false;
  }
  /* Who waits is not in this process; to signal his condition could mean to wait for him for ever. */
  pool->closed = true;
  doom(pool, NULL);
  tndb_berth *chain = pull_doomed(pool, &pool->counts.closed_distrust);
  for (const tndb_berth *berth = pool->all; berth; berth = berth->next) {
    if (berth->conn) {
      (void)tndb_conn_let_go(berth->conn); /* its user may be a thread that did not come along */
    }
  }
  tndb_mutex_unlock(&pool->mutex);
  free_chain(chain);
  return true;
}

void tndb_pool_free(tndb_pool *pool) {
  if (!pool) {
    return;
  }
  if (pool->fork == tndb_fork_generation()) {
    tndb_pool_close(pool);
  }
  tndb_mutex_destroy(&pool->mutex);
  tndb_queue_free(&pool->queue);
  tndb_back_off_free(&pool->back_off);
  tndb_map_free(&pool->shares);
  tndb_free(pool);
}

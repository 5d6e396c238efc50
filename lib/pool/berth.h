/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is behind a pool: berths, each with a connection, or the place of one
 * that is being opened; and the shares that they are lent to. Everything here
 * wants the pool's mutex held, unless it says otherwise.
 */
#ifndef TNDB_POOL_BERTH_H
#define TNDB_POOL_BERTH_H

#include <stdatomic.h>

#include "base/map.h"
#include "pool/back_off.h"
#include "pool/pool.h"
#include "pool/queue.h"

typedef struct tndb_berth {
  tndb_pool *pool;
  tndb_conn *conn;   /* NULL: being opened */
  tndb_share *share; /* whom it is lent to, or served last; whose it is, in a bound pool */
  bool lent;
  bool doomed; /* to be closed when it comes back */
  bool probe;  /* being opened to see whether the server can be reached again */
  int64_t lent_at_us;
  uint64_t *seen; /* hashes of the keys it has served, by open addressing; 0 is a free slot */
  size_t seen_room;
  int64_t n_seen;
  tndb_share *residents;   /* shares that are at home here */
  struct tndb_berth *next; /* all of the pool */
  struct tndb_berth *previous;
  struct tndb_berth *newer; /* idle ones in the order of use */
  struct tndb_berth *older;
  struct tndb_berth *share_newer; /* the same, of one share */
  struct tndb_berth *share_older;
} tndb_berth;

struct tndb_pool {
  const tenantdb_config *config;
  tndb_pool_limits limits;
  int64_t timeout_ms; /* options that are asked for at every lease */
  int64_t recycle_ms;
  int64_t ping_idle_ms; /* -1: never */
  uint32_t fork;
  tndb_mutex mutex;
  tndb_map shares;
  tndb_queue queue;
  tndb_berth *all;
  tndb_berth *newest; /* idle */
  tndb_berth *oldest;
  int64_t n_open; /* berths */
  int64_t n_idle;
  int64_t n_opening;
  bool exhausted; /* and said so, until nobody waits */
  int64_t distrusted_ms;
  tndb_back_off back_off;
  tndb_pool_counts counts;
  atomic_bool closed; /* written under the mutex, read without it */
};

/* Shares. Finding one holds on to it; drop lets go, and frees what nobody holds. NULL when memory ran out. */
tndb_share *tndb_share_of(tndb_pool *pool, const char *key);
void tndb_share_drop(tndb_pool *pool, tndb_share *share);
/* Whether it may have one more of what is there or can be opened. */
bool tndb_share_may_have_more(const tndb_pool *pool, const tndb_share *share);

/* A place for a connection that is to be opened for a share: `berth` becomes part of the pool, lent. */
void tndb_berth_enter(tndb_pool *pool, tndb_berth *berth, tndb_share *share);
/* No longer part of it. tndb_berth_free() remains to be done, without the mutex. */
void tndb_berth_leave(tndb_berth *berth);
/* Lend one that is idle, give back one that is lent and has a connection. */
void tndb_berth_lend(tndb_berth *berth, tndb_share *share);
void tndb_berth_rest(tndb_berth *berth);
/* Lent already, for another share from now on. */
void tndb_berth_turn_to(tndb_berth *berth, tndb_share *share);
/* Whether it has served the share before. */
bool tndb_berth_knows(const tndb_berth *berth, const tndb_share *share);
/* An idle one that suits the share best, NULL when there is none. */
tndb_berth *tndb_berth_idle_for(const tndb_pool *pool, const tndb_share *share, int64_t now_ms);
/* One that has been idle for too long, or that is more than are kept: out of the pool already. */
tndb_berth *tndb_berth_expired(tndb_pool *pool, int64_t now_ms);
/* Close the connection. The mutex is not held. NULL is allowed. */
void tndb_berth_free(tndb_berth *berth);

/* Idle connections not used since then are closed: another such one has proved dead. The mutex is not held. */
void tndb_pool_doubt(tndb_pool *pool, int64_t since_ms);
/* Everybody who waits looks again. */
void tndb_pool_wake_all(tndb_pool *pool);
/* Something became free: whoever can go on now does, in the order of turns. */
void tndb_pool_serve(tndb_pool *pool, int64_t now_ms);
/* Open a connection for a berth that was entered. The mutex is not held; a berth that fails is gone. */
tenantdb_status tndb_pool_open_berth(tndb_pool *pool, tndb_berth *berth, const tndb_lease *lease,
                                     tenantdb_error **error);

#endif

/* SPDX-License-Identifier: PostgreSQL */
#include "pool/berth.h"

#include <string.h>

#include "base/memory.h"

/* ---------------------------------------------------------------- shares */

static uint64_t hash_of(const char *key) {
  uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
  for (; *key; key++) {
    h = (h ^ (unsigned char)*key) * UINT64_C(1099511628211);
  }
  return h ? h : 1;
}

static tndb_share *make_share(tndb_pool *pool, const char *key) {
  tndb_share *share = tndb_new(tndb_share);
  if (share) {
    share->key = tndb_strdup(key);
  }
  if (!share || !share->key || !tndb_map_put(&pool->shares, key, share)) {
    tndb_free(share ? share->key : NULL);
    tndb_free(share);
    return NULL;
  }
  share->hash = *key ? hash_of(key) : 0;
  return share;
}

tndb_share *tndb_share_of(tndb_pool *pool, const char *key) {
  tndb_share *share = tndb_map_get(&pool->shares, key);
  share = share ? share : make_share(pool, key);
  if (share) {
    share->users++;
  }
  return share;
}

void tndb_share_drop(tndb_pool *pool, tndb_share *share) {
  if (share && --share->users == 0) {
    (void)tndb_map_remove(&pool->shares, share->key);
    tndb_free(share->key);
    tndb_free(share);
  }
}

bool tndb_share_may_have_more(const tndb_pool *pool, const tndb_share *share) {
  if (!pool->limits.per_key || !share->hash) {
    return true;
  }
  return pool->limits.bound ? share->newest || share->open < pool->limits.per_key
                            : share->lent < pool->limits.per_key;
}

static void take_share(tndb_berth *berth, tndb_share *share) {
  berth->share = share;
  share->users++;
  share->open++;
}

static void leave_share(tndb_berth *berth) {
  berth->share->open--;
  tndb_share_drop(berth->pool, berth->share);
  berth->share = NULL;
}

/* ---------------------------------------------------------------- where a share is at home */

static void leave_home(tndb_pool *pool, tndb_share *share) {
  tndb_berth *home = share->home;
  if (!home) {
    return;
  }
  *(share->previous_at_home ? &share->previous_at_home->next_at_home : &home->residents) =
      share->next_at_home;
  if (share->next_at_home) {
    share->next_at_home->previous_at_home = share->previous_at_home;
  }
  share->home = NULL;
  share->next_at_home = share->previous_at_home = NULL;
  tndb_share_drop(pool, share);
}

static void move_home(tndb_berth *berth, tndb_share *share) {
  if (share->home == berth || !share->hash || berth->pool->limits.bound) {
    return;
  }
  share->users++;
  leave_home(berth->pool, share);
  share->home = berth;
  share->next_at_home = berth->residents;
  if (berth->residents) {
    berth->residents->previous_at_home = share;
  }
  berth->residents = share;
}

/* ---------------------------------------------------------------- which keys a connection has served */

static bool has_seen(const tndb_berth *berth, const tndb_share *share) {
  size_t mask = berth->seen_room - 1;
  for (size_t at = (size_t)(share->hash ^ (share->hash >> 32)) & mask; berth->seen_room && berth->seen[at];
       at = (at + 1) & mask) {
    if (berth->seen[at] == share->hash) {
      return true;
    }
  }
  return false;
}

bool tndb_berth_knows(const tndb_berth *berth, const tndb_share *share) {
  return berth->share == share || has_seen(berth, share);
}

static bool see(uint64_t *slots, size_t room, uint64_t hash) {
  size_t at = (size_t)(hash ^ (hash >> 32)) & (room - 1);
  while (slots[at] && slots[at] != hash) {
    at = (at + 1) & (room - 1);
  }
  bool is_new = !slots[at];
  slots[at] = hash;
  return is_new;
}

static bool make_room(tndb_berth *berth) {
  if ((size_t)berth->n_seen * 2 < berth->seen_room) {
    return true;
  }
  size_t room = berth->seen_room ? berth->seen_room * 2 : 16;
  uint64_t *seen = tndb_alloc_array(room, sizeof *seen);
  if (!seen) {
    return false;
  }
  for (size_t i = 0; i < berth->seen_room; i++) {
    if (berth->seen[i]) {
      (void)see(seen, room, berth->seen[i]);
    }
  }
  tndb_free(berth->seen);
  berth->seen = seen;
  berth->seen_room = room;
  return true;
}

/* The application's own work is no tenant's. Without memory to look it up every key counts as another. */
static void count_key(tndb_berth *berth, const tndb_share *share) {
  if (share->hash && !berth->pool->limits.bound) {
    berth->n_seen += !make_room(berth) || see(berth->seen, berth->seen_room, share->hash);
  }
}

/* ---------------------------------------------------------------- idle ones */

static void unlink_idle(tndb_berth *berth) {
  tndb_pool *pool = berth->pool;
  *(berth->newer ? &berth->newer->older : &pool->newest) = berth->older;
  *(berth->older ? &berth->older->newer : &pool->oldest) = berth->newer;
  *(berth->share_newer ? &berth->share_newer->share_older : &berth->share->newest) = berth->share_older;
  if (berth->share_older) {
    berth->share_older->share_newer = berth->share_newer;
  }
  berth->newer = berth->older = berth->share_newer = berth->share_older = NULL;
  pool->n_idle--;
}

static void link_idle(tndb_berth *berth) {
  tndb_pool *pool = berth->pool;
  berth->older = pool->newest;
  *(pool->newest ? &pool->newest->newer : &pool->oldest) = berth;
  pool->newest = berth;
  berth->share_older = berth->share->newest;
  if (berth->share->newest) {
    berth->share->newest->share_newer = berth;
  }
  berth->share->newest = berth;
  pool->n_idle++;
}

/*
 * One that served the key last. Else one whose process knows the tenant's tables:
 * the one used latest, whose memory is warm in the processor that this thread
 * runs on, more likely than not; or the one that served him last of all. Else the
 * one used longest ago. But when even that has not been used for long there are
 * more than are needed: then the latest is taken, and the others are left to
 * expire.
 */
tndb_berth *tndb_berth_idle_for(const tndb_pool *pool, const tndb_share *share, int64_t now_ms) {
  if (share->newest || pool->limits.bound || !pool->oldest) {
    return share->newest;
  }
  if (has_seen(pool->newest, share)) {
    return pool->newest;
  }
  if (share->home && !share->home->lent) {
    return share->home;
  }
  bool rests =
      now_ms - pool->oldest->conn->idle_since_ms >= (pool->ping_idle_ms > 0 ? pool->ping_idle_ms : 30000);
  return rests ? pool->newest : pool->oldest;
}

tndb_berth *tndb_berth_expired(tndb_pool *pool, int64_t now_ms) {
  tndb_berth *berth = pool->oldest;
  if (!berth) {
    return NULL;
  }
  bool too_many = pool->n_idle > pool->limits.kept;
  bool too_old = (pool->limits.idle_ms > 0 || pool->limits.bound) && pool->n_open > pool->limits.minimum &&
                 now_ms - berth->conn->idle_since_ms >= pool->limits.idle_ms;
  if (!too_many && !too_old) {
    return NULL;
  }
  pool->counts.closed_idle++;
  tndb_berth_leave(berth);
  return berth;
}

/* ---------------------------------------------------------------- coming and going */

void tndb_berth_enter(tndb_pool *pool, tndb_berth *berth, tndb_share *share) {
  berth->pool = pool;
  berth->lent = true;
  berth->next = pool->all;
  if (pool->all) {
    pool->all->previous = berth;
  }
  pool->all = berth;
  pool->n_open++;
  pool->n_opening++;
  take_share(berth, share);
  share->lent++;
  count_key(berth, share);
  move_home(berth, share);
}

void tndb_berth_leave(tndb_berth *berth) {
  tndb_pool *pool = berth->pool;
  if (berth->lent) {
    berth->share->lent--;
    berth->share->told_full = false;
    pool->n_opening -= !berth->conn;
  } else {
    unlink_idle(berth);
  }
  *(berth->previous ? &berth->previous->next : &pool->all) = berth->next;
  if (berth->next) {
    berth->next->previous = berth->previous;
  }
  pool->n_open--;
  while (berth->residents) {
    leave_home(pool, berth->residents);
  }
  tndb_share *share = berth->share;
  share->users++;
  leave_share(berth);
  tndb_queue_set_eligible(&pool->queue, share, tndb_share_may_have_more(pool, share));
  tndb_share_drop(pool, share);
}

void tndb_berth_turn_to(tndb_berth *berth, tndb_share *share) {
  tndb_share *old = berth->share;
  move_home(berth, share);
  if (old == share) {
    return;
  }
  old->users++;
  if (berth->lent) {
    old->lent--;
    share->lent++;
  }
  leave_share(berth);
  take_share(berth, share);
  count_key(berth, share);
  tndb_queue_set_eligible(&berth->pool->queue, old, tndb_share_may_have_more(berth->pool, old));
  tndb_queue_set_eligible(&berth->pool->queue, share, tndb_share_may_have_more(berth->pool, share));
  tndb_share_drop(berth->pool, old);
}

void tndb_berth_lend(tndb_berth *berth, tndb_share *share) {
  unlink_idle(berth);
  tndb_berth_turn_to(berth, share);
  berth->lent = true;
  share->lent++;
  tndb_queue_set_eligible(&berth->pool->queue, share, tndb_share_may_have_more(berth->pool, share));
}

void tndb_berth_rest(tndb_berth *berth) {
  berth->lent = false;
  berth->share->lent--;
  berth->share->told_full = false;
  link_idle(berth);
  tndb_queue_set_eligible(&berth->pool->queue, berth->share,
                          tndb_share_may_have_more(berth->pool, berth->share));
}

void tndb_berth_free(tndb_berth *berth) {
  if (berth) {
    tndb_conn_close(berth->conn);
    tndb_free(berth->seen);
    tndb_free(berth);
  }
}

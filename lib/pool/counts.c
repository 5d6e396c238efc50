/* SPDX-License-Identifier: PostgreSQL */
/* What a pool can tell of itself. */
#include <string.h>

#include "pool/berth.h"

const int64_t tndb_pool_bucket_us[TNDB_POOL_BUCKETS - 1] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 1000000, 10000000};

void tndb_pool_count(tndb_pool *pool, tndb_pool_counts *counts) {
  tndb_mutex_lock(&pool->mutex);
  *counts = pool->counts;
  counts->open = pool->n_open;
  counts->idle = pool->n_idle;
  counts->lent = pool->n_open - pool->n_idle;
  counts->waiting = pool->queue.n_waiting;
  counts->most = pool->limits.most;
  counts->keys = (int64_t)pool->shares.count;
  tndb_mutex_unlock(&pool->mutex);
}

size_t tndb_pool_keys(tndb_pool *pool, tndb_pool_key *keys, size_t room) {
  size_t at = 0, count = 0;
  const char *key;
  void *value;
  tndb_mutex_lock(&pool->mutex);
  while (tndb_map_next(&pool->shares, &at, &key, &value)) {
    const tndb_share *share = value;
    if (!share->lent && !share->waiting) {
      continue;
    }
    if (count < room) {
      size_t length = strlen(key) < sizeof keys->key ? strlen(key) : sizeof keys->key - 1;
      keys[count] = (tndb_pool_key){"", share->lent, share->waiting, share->leases};
      memcpy(keys[count].key, key, length);
    }
    count++;
  }
  tndb_mutex_unlock(&pool->mutex);
  return count;
}

/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/cache.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "catalog/tenants.h"

/* Beyond this many names everything is forgotten: simpler than a queue, and it costs one read each. */
#define MOST 10000

typedef struct entry {
  tenantdb_tenant *tenant;
  int64_t read_ms;
} entry;

static void entry_free(entry *e) {
  if (e) {
    tenantdb_tenant_free(e->tenant);
    tndb_free(e);
  }
}

tenantdb_tenant *tndb_cache_find(const tndb_cache *cache, const char *name, int64_t max_age_ms) {
  const entry *e = tndb_map_get(&cache->entries, name);
  return e && tndb_clock_ms() - e->read_ms < max_age_ms ? e->tenant : NULL;
}

const tenantdb_tenant *tndb_cache_search(const tndb_cache *cache, const char *key) {
  size_t at = 0;
  const char *name;
  void *value;
  while (*key && tndb_map_next(&cache->entries, &at, &name, &value)) {
    const entry *e = value;
    if (strcmp(e->tenant->id, key) == 0 || strcmp(e->tenant->role, key) == 0) {
      return e->tenant;
    }
  }
  return NULL;
}

void tndb_cache_keep(tndb_cache *cache, const char *name, tenantdb_tenant *tenant, uint64_t generation) {
  if (cache->entries.count >= MOST) {
    tndb_cache_clear(cache);
    generation = cache->generation;
  }
  entry *e = tenant && generation == cache->generation ? tndb_new(entry) : NULL;
  if (!e) {
    tenantdb_tenant_free(tenant);
    return;
  }
  *e = (entry){tenant, tndb_clock_ms()};
  entry *old = tndb_map_get(&cache->entries, name);
  if (tndb_map_put(&cache->entries, name, e)) {
    entry_free(old);
  } else {
    entry_free(e);
  }
}

void tndb_cache_clear(tndb_cache *cache) {
  size_t at = 0;
  const char *name;
  void *value;
  while (tndb_map_next(&cache->entries, &at, &name, &value)) {
    entry_free(value);
  }
  tndb_map_free(&cache->entries);
  cache->generation++;
}

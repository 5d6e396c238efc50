/* SPDX-License-Identifier: PostgreSQL */
/* Tenants that were read a short while ago, by the name they were asked for. The caller holds the lock. */
#ifndef TNDB_CATALOG_CACHE_H
#define TNDB_CATALOG_CACHE_H

#include <stdint.h>
#include <tenantdb/tenant.h>

#include "base/map.h"

typedef struct tndb_cache {
  tndb_map entries;
  uint64_t generation; /* changes whenever everything is forgotten */
} tndb_cache;

/* The tenant kept under a name when it is younger than that, else NULL. Belongs to the cache. */
tenantdb_tenant *tndb_cache_find(const tndb_cache *cache, const char *name, int64_t max_age_ms);
/* The tenant of that id or role, however long ago it was read, or NULL. Looks at all of them. */
const tenantdb_tenant *tndb_cache_search(const tndb_cache *cache, const char *key);
/*
 * Keep a tenant (taken in both outcomes). Dropped when the cache was cleared
 * since `generation` was read: it may be older than what cleared it.
 */
void tndb_cache_keep(tndb_cache *cache, const char *name, tenantdb_tenant *tenant, uint64_t generation);
void tndb_cache_clear(tndb_cache *cache);

#endif

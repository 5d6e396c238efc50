/* SPDX-License-Identifier: PostgreSQL */
#include "base/map.h"

#include <stdint.h>
#include <string.h>

#include "base/memory.h"

static size_t hash(const char *key) {
  uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
  for (; *key; key++) {
    h = (h ^ (unsigned char)*key) * UINT64_C(1099511628211);
  }
  return (size_t)(h ^ (h >> 32));
}

/* The slot that holds the key, or the free one where it would go. */
static size_t find(const tndb_map *map, const char *key) {
  size_t at = hash(key) & (map->capacity - 1);
  while (map->slots[at].key && strcmp(map->slots[at].key, key) != 0) {
    at = (at + 1) & (map->capacity - 1);
  }
  return at;
}

void *tndb_map_get(const tndb_map *map, const char *key) {
  return map->capacity ? map->slots[find(map, key)].value : NULL;
}

static bool grow(tndb_map *map) {
  tndb_map bigger = {NULL, map->capacity ? map->capacity * 2 : 16, map->count};
  bigger.slots = tndb_alloc_array(bigger.capacity, sizeof *bigger.slots);
  if (!bigger.slots) {
    return false;
  }
  for (size_t i = 0; i < map->capacity; i++) {
    if (map->slots[i].key) {
      bigger.slots[find(&bigger, map->slots[i].key)] = map->slots[i];
    }
  }
  tndb_free(map->slots);
  *map = bigger;
  return true;
}

bool tndb_map_put(tndb_map *map, const char *key, void *value) {
  if (map->count * 4 >= map->capacity * 3 && !grow(map)) {
    return false;
  }
  size_t at = find(map, key);
  if (!map->slots[at].key) {
    map->slots[at].key = tndb_strdup(key);
    if (!map->slots[at].key) {
      return false;
    }
    map->count++;
  }
  map->slots[at].value = value;
  return true;
}

void *tndb_map_remove(tndb_map *map, const char *key) {
  if (!map->capacity) {
    return NULL;
  }
  size_t hole = find(map, key);
  if (!map->slots[hole].key) {
    return NULL;
  }
  void *value = map->slots[hole].value;
  tndb_free(map->slots[hole].key);
  map->count--;
  /* Close the gap: whoever probed past the hole moves into it. */
  size_t mask = map->capacity - 1;
  for (size_t at = (hole + 1) & mask; map->slots[at].key; at = (at + 1) & mask) {
    size_t home = hash(map->slots[at].key) & mask;
    if (((at - home) & mask) >= ((at - hole) & mask)) {
      map->slots[hole] = map->slots[at];
      hole = at;
    }
  }
  map->slots[hole] = (tndb_map_slot){NULL, NULL};
  return value;
}

bool tndb_map_next(const tndb_map *map, size_t *at, const char **key, void **value) {
  while (*at < map->capacity) {
    const tndb_map_slot *slot = &map->slots[(*at)++];
    if (slot->key) {
      *key = slot->key;
      *value = slot->value;
      return true;
    }
  }
  return false;
}

void tndb_map_free(tndb_map *map) {
  for (size_t i = 0; i < map->capacity; i++) {
    tndb_free(map->slots[i].key);
  }
  tndb_free(map->slots);
  *map = (tndb_map){NULL, 0, 0};
}

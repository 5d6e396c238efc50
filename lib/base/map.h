/* SPDX-License-Identifier: PostgreSQL */
/* A map from strings to pointers (open addressing). Keys are copied, values are the caller's. */
#ifndef TNDB_BASE_MAP_H
#define TNDB_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

typedef struct tndb_map_slot {
  char *key;
  void *value;
} tndb_map_slot;

typedef struct tndb_map {
  tndb_map_slot *slots;
  size_t capacity;
  size_t count;
} tndb_map;

/* The value, or NULL. */
void *tndb_map_get(const tndb_map *map, const char *key);
/* Put or replace; false when memory ran out, with the map unchanged. */
bool tndb_map_put(tndb_map *map, const char *key, void *value);
/* Take out; returns the value, NULL when it was not there. */
void *tndb_map_remove(tndb_map *map, const char *key);
/* Walk in no particular order: start with *at = 0; false at the end. */
bool tndb_map_next(const tndb_map *map, size_t *at, const char **key, void **value);
/* Frees the keys and the slots, not the values. */
void tndb_map_free(tndb_map *map);

#endif

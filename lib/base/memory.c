/* SPDX-License-Identifier: PostgreSQL */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <tenantdb/api.h>

static atomic_ullong calls;
static atomic_ullong fail_at;
static atomic_bool fail_forever;
static atomic_llong live;

static bool refused(void) {
  unsigned long long number = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
  unsigned long long at = atomic_load_explicit(&fail_at, memory_order_relaxed);
  if (at == 0) {
    return false;
  }
  return atomic_load_explicit(&fail_forever, memory_order_relaxed) ? number >= at : number == at;
}

void *tndb_alloc(size_t size) {
  if (refused()) {
    return NULL;
  }
  void *block = calloc(1, size ? size : 1);
  if (block) {
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
  }
  return block;
}

void *tndb_alloc_array(size_t n, size_t size) {
  if (size && n > SIZE_MAX / size) {
    return NULL;
  }
  return tndb_alloc(n * size);
}

void *tndb_realloc(void *block, size_t size) {
  if (!block) {
    return tndb_alloc(size);
  }
  return refused() ? NULL : realloc(block, size ? size : 1);
}

void tndb_free(void *block) {
  if (block) {
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    free(block);
  }
}

char *tndb_strdup(const char *string) {
  return tndb_strndup(string, strlen(string));
}

char *tndb_strndup(const char *string, size_t length) {
  char *copy = tndb_alloc(length + 1);
  if (copy) {
    memcpy(copy, string, length);
  }
  return copy;
}

void tndb_free_cleanup(void *variable) {
  void *block;
  memcpy(&block, variable, sizeof block);
  tndb_free(block);
}

void tenantdb_string_free(char *string) {
  tndb_free(string);
}

uint64_t tndb_memory_fail(uint64_t at, bool forever) {
  uint64_t before = atomic_exchange(&calls, 0);
  atomic_store(&fail_forever, forever);
  atomic_store(&fail_at, at);
  return before;
}

int64_t tndb_memory_live(void) {
  return atomic_load(&live);
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Memory: the only place that calls malloc and free.
 *
 * All allocations are counted, and a test may ask for the n-th one to fail
 * (once, or from then on), so that every path that runs out of memory is run.
 */
#ifndef TNDB_BASE_MEMORY_H
#define TNDB_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory, or NULL. A size of 0 gives a valid pointer. */
void *tndb_alloc(size_t size);
/* As alloc for n * size; NULL when the product overflows. */
void *tndb_alloc_array(size_t n, size_t size);
/* As realloc; what is added is not zeroed. On NULL the old block is untouched. */
void *tndb_realloc(void *block, size_t size);
void tndb_free(void *block);
char *tndb_strdup(const char *string);
char *tndb_strndup(const char *string, size_t length);

#define tndb_new(type) ((type *)tndb_alloc(sizeof(type)))

/* Frees what a `tndb_auto_free` variable points to when it leaves its scope. */
void tndb_free_cleanup(void *variable);
#define tndb_auto_free __attribute__((cleanup(tndb_free_cleanup)))

/*
 * Fault injection for tests: the allocation with number `at` (from 1) fails,
 * and all that follow too when `forever`. 0 switches it off. Returns how many
 * allocations were made since the last call.
 */
uint64_t tndb_memory_fail(uint64_t at, bool forever);
/* How many allocations are alive: what a leak test compares. */
int64_t tndb_memory_live(void);

#endif

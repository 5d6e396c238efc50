/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the sessions of a database count. Relaxed atomics: the numbers are read
 * one by one, and nobody concludes from one of them to another.
 */
#ifndef TNDB_CATALOG_COUNTERS_H
#define TNDB_CATALOG_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* SQLSTATE classes: two characters of 36 each, and one place for failures that the server did not name. */
#define TNDB_N_CLASSES (36 * 36 + 1)
#define TNDB_NO_CLASS (TNDB_N_CLASSES - 1)

/* What every call adds to stands between what hardly anything does, so that no neighbour shares its line. */
typedef struct tndb_counters {
  atomic_llong errors[TNDB_N_CLASSES];
  atomic_llong whole; /* one statement in a transaction of its own, done: the commonest call, one addition */
  atomic_llong statements; /* the others */
  atomic_llong committed;
  atomic_llong rolled_back;
  atomic_llong unknown;
  atomic_llong violations;      /* scopes that were not what was asked for */
  atomic_llong standby_taken;   /* by new tenants */
  atomic_llong standby_missing; /* for new tenants */
  atomic_llong read_only_ms;    /* when the server was last told to be read only */
  char apart[64];
} tndb_counters;

static inline void tndb_counter_add(atomic_llong *counter, int64_t n) {
  (void)atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline int64_t tndb_counter_read(const atomic_llong *counter) {
  return (int64_t)atomic_load_explicit(counter, memory_order_relaxed);
}

/* The place of a SQLSTATE's class in `errors`, and its two characters. */
int tndb_class_of(const char *sqlstate);
void tndb_class_name(int place, char name[5]);

#endif

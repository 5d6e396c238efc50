/* SPDX-License-Identifier: PostgreSQL */
#include "base/fork.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_uint generation = 1;

/* Runs in the child before anything else of it does; an atomic is all that may be touched there. */
static void count_child(void) {
  atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
}

static void watch(void) {
  (void)pthread_atfork(NULL, NULL, count_child);
}

uint32_t tndb_fork_generation(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  (void)pthread_once(&once, watch);
  return atomic_load_explicit(&generation, memory_order_relaxed);
}

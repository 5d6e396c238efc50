/* SPDX-License-Identifier: PostgreSQL */
/* Calls of which every allocation fails in turn, once and from then on. */
#ifndef TNDB_FAULT_STARVE_H
#define TNDB_FAULT_STARVE_H

#include "base/memory.h"
#include "fixture.h"

/* One run whose n-th allocation fails (0: none), checked; how many it makes. */
typedef int64_t (*starve_run)(const void *what, int64_t at, bool forever);

/* Each of the two ways may take share_ms. */
static inline void starve_sweep(const char *name, const void *what, starve_run run, int64_t share_ms) {
  int64_t began = fixture_now_ms(), tried = 0;
  int64_t total = run(what, 0, false);
  int64_t cost = fixture_now_ms() - began;
  assert_true(total > 0);
  for (int forever = 0; forever < 2; forever++) {
    for (int64_t at = 1; at <= total + 1; at = fixture_next(at, total, 0, cost, share_ms)) {
      (void)run(what, at, forever == 1);
      tried++;
    }
  }
  print_message("%s: %lld allocations, %lld runs in %lld ms\n", name, (long long)total, (long long)tried,
                (long long)(fixture_now_ms() - began));
}

static inline const char *starve_name(bool forever) {
  return forever ? " and on" : "";
}

/* What may be answered: a connection is not made, or is not usable, without memory. */
static inline void starve_check_answer(const char *name, int64_t at, bool forever, tenantdb_status status,
                                       const tenantdb_error *failure) {
  if (status != TENANTDB_OK && status != TENANTDB_MEMORY && status != TENANTDB_CONNECTION) {
    fail_msg("%s, allocation %lld%s: %s: %s", name, (long long)at, starve_name(forever),
             tenantdb_status_name(status), tenantdb_error_message(failure));
  }
}

/* `before`: of tndb_memory_live(). */
static inline void starve_check_freed(const char *name, int64_t at, bool forever, int64_t before) {
  if (tndb_memory_live() != before) {
    fail_msg("%s, allocation %lld%s: %lld allocations were not given back", name, (long long)at,
             starve_name(forever), (long long)(tndb_memory_live() - before));
  }
}

#endif

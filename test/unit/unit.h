/* SPDX-License-Identifier: PostgreSQL */
/* cmocka with what it wants before it, and the loop that fails every allocation. */
#ifndef TNDB_UNIT_H
#define TNDB_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"

/*
 * Run `work` again and again: its first allocation fails, then its second, …,
 * until it ran without one failing. Every run must give back all its memory.
 * Returns how many allocations there were to fail.
 */
static inline uint64_t unit_fail_each(void (*work)(void *), void *user, bool forever) {
  for (uint64_t at = 1;; at++) {
    int64_t before = tndb_memory_live();
    tndb_memory_fail(at, forever);
    work(user);
    uint64_t made = tndb_memory_fail(0, false);
    assert_int_equal(tndb_memory_live(), before);
    if (made < at) {
      return at - 1;
    }
    assert_true(at < 1000000);
  }
}

#endif

/* SPDX-License-Identifier: PostgreSQL */
/* The ways in which a connection is cut at a message, and calls that are cut at each. */
#ifndef TNDB_FAULT_CUTS_H
#define TNDB_FAULT_CUTS_H

#include "fixture.h"
#include "proxy.h"

static const struct {
  const char *name;
  proxy_action action;
} cuts[] = {{"close", PROXY_CLOSE}, {"close after", PROXY_CLOSE_AFTER}, {"half", PROXY_HALF}};
enum { CUTS = sizeof cuts / sizeof cuts[0] };

/*
 * One run that is cut at a message (0: at none) and checked: whether that came to
 * pass, and how many messages there were.
 */
typedef int64_t (*cut_run)(const void *what, size_t cut, int64_t number, bool *fired);

/* Each way may take share_ms; the last `tail` messages, of which COMMIT is one, are always cut at. */
static inline void cut_sweep(const char *name, const void *what, cut_run run, int64_t tail,
                             int64_t share_ms) {
  bool fired;
  int64_t began = fixture_now_ms(), runs = 0;
  int64_t total = run(what, 0, 0, &fired);
  int64_t cost = 2 * (fixture_now_ms() - began);
  assert_true(total > 10);
  for (size_t cut = 0; cut < CUTS; cut++) {
    int64_t at = 1;
    do {
      (void)run(what, cut, at, &fired);
      runs++;
      at = fixture_next(at, total, tail, cost, share_ms);
    } while (fired && at < 2 * total);
  }
  print_message("%s: %lld messages, %lld cuts in %lld ms\n", name, (long long)total, (long long)runs,
                (long long)(fixture_now_ms() - began));
}

#endif

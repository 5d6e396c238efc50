/* SPDX-License-Identifier: PostgreSQL */
/* The one database of a program, and a proxy before it. To be included last, as that. */
#ifndef TNDB_FAULT_BETWEEN_H
#define TNDB_FAULT_BETWEEN_H

#include "cuts.h"
#include "fixture_database.h"

static char by_proxy[1024]; /* the same database, through it */
static tndb_proxy *proxy;
static tenantdb *direct; /* past it */

/* Before a database that is there: url. */
static inline void between_start(void) {
  char reason[256];
  proxy = proxy_start(url, reason, sizeof reason);
  if (!proxy) {
    fail_msg("%s", reason);
  }
  assert_true(proxy_url(proxy, url, by_proxy, sizeof by_proxy));
}

static inline int between_setup(void **state) {
  (void)fixture_setup(state);
  direct = fixture_ready(url, NULL);
  between_start();
  return 0;
}

static inline int between_teardown(void **state) {
  proxy_stop(proxy);
  tenantdb_close(direct);
  return fixture_teardown(state);
}

#endif

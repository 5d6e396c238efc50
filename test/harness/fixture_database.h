/* SPDX-License-Identifier: PostgreSQL */
/*
 * The one database that a program works in, and what its calls fail with. To be
 * included last: functions of other headers have parameters of these names.
 */
#ifndef TNDB_FIXTURE_DATABASE_H
#define TNDB_FIXTURE_DATABASE_H

#include "fixture.h"

static const char *url;
static tenantdb_error *error;

/* A new one, empty. */
static inline int fixture_setup(void **state) {
  (void)state;
  url = harness_database();
  return 0;
}

static inline int fixture_teardown(void **state) {
  (void)state;
  harness_drop_database(url);
  return 0;
}

#endif

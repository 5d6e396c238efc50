/* SPDX-License-Identifier: PostgreSQL */
/* A group of tests of jobs: a database for all of them, and a tenant for each. */
#ifndef TNDB_JOB_GROUP_H
#define TNDB_JOB_GROUP_H

#include "job_fixture.h"

static const char *url;
static tenantdb *db;
static job_tenant a; /* the tenant of the test */

static inline int job_setup_with(const char *const *options) {
  url = harness_database();
  db = fixture_ready(url, options);
  return 0;
}

static inline int job_teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

/* A tenant of its own for each test. */
static inline int job_fresh(void **state) {
  static int made;
  (void)state;
  char slug[20];
  snprintf(slug, sizeof slug, "t%d", made++);
  tenantdb_tenant_free(fixture_tenant(db, slug));
  a = job_find(url, slug);
  return 0;
}

#endif

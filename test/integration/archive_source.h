/* SPDX-License-Identifier: PostgreSQL */
/* The one database of a program, with a tenant who has rows of every kind. To be included last. */
#ifndef TNDB_ARCHIVE_SOURCE_H
#define TNDB_ARCHIVE_SOURCE_H

#include "archive_registry.h"

#include "fixture_database.h"

static tenantdb *db;
static char *source; /* the quoted schema of acme */

static inline int archive_setup(void **state) {
  (void)fixture_setup(state);
  db = archive_open(url, NULL);
  archive_shared(url);
  source = archive_fill(url, db, "acme");
  return 0;
}

static inline int archive_teardown(void **state) {
  free(source);
  tenantdb_close(db);
  return fixture_teardown(state);
}

static inline void purge(const char *slug) {
  harness_assert_ok(tenantdb_tenant_purge(db, slug, 1, &error), error);
}

#endif

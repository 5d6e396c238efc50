/* SPDX-License-Identifier: PostgreSQL */
/* Saying which version schemas are of that were there before migrations were. */
#ifndef TNDB_MIGRATE_BASELINE_H
#define TNDB_MIGRATE_BASELINE_H

#include "base/result.h"
#include "migrate/ledger_options.h"
#include "schema/difference.h"

typedef struct tndb_baseline {
  tenantdb *db;
  const tenantdb_migrations *set;
  tndb_ledger_settings settings; /* the version is one of the stream */
  tndb_table *table;
  size_t fit; /* targets that were stamped, or had been before */
  size_t differ;
  tndb_buffer first; /* who differs, and in what: the first */
} tndb_baseline;

/* The differences that matter, for people: "missing column notes.at, extra index i, and 2 more". */
void tndb_baseline_tell(tndb_buffer *text, const tndb_differences *differences);
/* Add a row; a `why` says in what the target (NULL: the shared schema) differs. */
void tndb_baseline_row(tndb_baseline *b, const char *slug, const char *outcome, const char *why);
/* The two streams. */
tenantdb_status tndb_baseline_tenants(tndb_baseline *b, tenantdb_error **error);
tenantdb_status tndb_baseline_shared(tndb_baseline *b, tenantdb_error **error);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Statistics: families of series, as Prometheus understands them.
 *
 * One table (catalog/statistics.c) says what there is; every series is a number
 * somewhere in a snapshot. The snapshot is taken first, each pool's under its
 * lock, and is then written twice over: as a table or as text.
 */
#ifndef TNDB_CATALOG_STATISTICS_H
#define TNDB_CATALOG_STATISTICS_H

#include "catalog/database.h"

/* What the handle itself counts; a snapshot of tndb_counters and of the queue of events. */
typedef struct tndb_tally {
  int64_t statements;
  int64_t committed;
  int64_t rolled_back;
  int64_t unknown;
  int64_t violations;
  int64_t standby_taken;
  int64_t standby_missing;
  int64_t events;
  int64_t events_dropped;
  int64_t errors[TNDB_N_CLASSES];
} tndb_tally;

#define TNDB_MOST_POOLS 2

typedef struct tndb_snapshot {
  tndb_tally tally;
  size_t n_pools;
  const char *pool_names[TNDB_MOST_POOLS];
  tndb_pool_counts pools[TNDB_MOST_POOLS];
  const tenantdb *db; /* for what does not change: version, names */
} tndb_snapshot;

void tndb_snapshot_take(tenantdb *db, tndb_snapshot *snapshot);

/* Where series go. `suffix` is "" but for the parts of a histogram or summary. */
typedef struct tndb_family {
  const char *name;
  const char *kind; /* counter, gauge, histogram, summary */
  const char *unit;
  const char *help;
} tndb_family;

typedef struct tndb_sink {
  void (*begin)(void *to, const tndb_family *family);
  void (*series)(void *to, const tndb_family *family, const char *suffix, const char *labels,
                 const char *value);
  void *to;
  bool failed; /* a label or a value could not be made */
} tndb_sink;

/* All families, each with all its series, in one order. */
void tndb_snapshot_write(const tndb_snapshot *snapshot, tndb_sink *sink);
/* A label's value between its quotes, with what must be escaped. */
void tndb_label_append(tndb_buffer *labels, const char *name, const char *value);

#endif

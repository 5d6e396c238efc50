/* SPDX-License-Identifier: PostgreSQL */
/* Differences of many tenants gathered, so that those which are alike are one. */
#ifndef TNDB_TENANT_DRIFT_GROUP_H
#define TNDB_TENANT_DRIFT_GROUP_H

#include "base/map.h"
#include "base/result.h"
#include "schema/difference.h"

typedef struct tndb_drift_groups {
  struct tndb_drift_group **items;
  size_t count;
  size_t capacity;
  tndb_map by_text;
  bool failed;
} tndb_drift_groups;

/* One more tenant has the difference; of the first `shown` the slug is kept. What is given is copied. */
void tndb_drift_groups_add(tndb_drift_groups *groups, const tndb_difference *difference, const char *slug,
                           int64_t shown);
/* One row each, the worst and most frequent first. */
tenantdb_status tndb_drift_groups_write(tndb_drift_groups *groups, tndb_table *table, tenantdb_error **error);
void tndb_drift_groups_free(tndb_drift_groups *groups);

#endif

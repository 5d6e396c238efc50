/* SPDX-License-Identifier: PostgreSQL */
/* Running a repair for one tenant. */
#ifndef TNDB_TENANT_REPAIR_APPLY_H
#define TNDB_TENANT_REPAIR_APPLY_H

#include "base/result.h"
#include "tenant/drift_fleet.h"

/*
 * Adds rows that tell what was done, or why it failed; itself it fails only
 * when there is no use in going on with others.
 */
tenantdb_status tndb_repair_apply(tenantdb *db, const tndb_drift_fleet *fleet, size_t tenant,
                                  tndb_table *table, tenantdb_error **error);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Tenants of one fingerprint have the same differences. So however many have
 * drifted, only one of each kind is read in full.
 */
#ifndef TNDB_TENANT_DRIFT_SAMPLE_H
#define TNDB_TENANT_DRIFT_SAMPLE_H

#include "schema/difference.h"
#include "tenant/drift_fleet.h"

/* What is seen of tenants that are alike. */
typedef struct tndb_drift_sample {
  const tndb_registry_form *wanted;
  tndb_form found;
  tndb_differences differences;
  const size_t *tenants;
  size_t count;
} tndb_drift_sample;

typedef tenantdb_status tndb_drift_visit(void *user, const tndb_drift_sample *sample, tenantdb_error **error);

/* Visit each kind of drifted tenants; those without a schema are none. */
tenantdb_status tndb_drift_samples_visit(tenantdb *db, const tndb_drift_fleet *fleet, tndb_drift_visit *visit,
                                         void *user, tenantdb_error **error);

#endif

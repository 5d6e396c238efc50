/* SPDX-License-Identifier: PostgreSQL */
/* The tenants that drift is about, with their fingerprints and those they should have. */
#ifndef TNDB_TENANT_DRIFT_FLEET_H
#define TNDB_TENANT_DRIFT_FLEET_H

#include "tenant/registry_form.h"
#include "tenant/schema_options.h"

typedef struct tndb_drift_fleet {
  tndb_schema_settings settings;
  tndb_fleet_list list;
  tndb_registry_form *forms[2];    /* of tenants without and with a role; NULL: not needed */
  char (*prints)[TNDB_SHA256_HEX]; /* "" when there is no schema */
} tndb_drift_fleet;

/* tndb_drift_fleet_free() in both outcomes. */
tenantdb_status tndb_drift_fleet_read(tenantdb *db, const tenantdb_schema_options *options,
                                      tndb_drift_fleet *fleet, tenantdb_error **error);
void tndb_drift_fleet_free(tndb_drift_fleet *fleet);
/*
 * The same for who knows the tenants and what they should hold: list, forms and settings.batch are set.
 * Read their fingerprints. tndb_drift_fleet_free() in both outcomes.
 */
tenantdb_status tndb_drift_fleet_print(tenantdb *db, tndb_drift_fleet *fleet, tenantdb_error **error);
/* What the tenant should hold. */
tndb_registry_form *tndb_drift_fleet_form(const tndb_drift_fleet *fleet, const tenantdb *db, size_t tenant);
bool tndb_drift_fleet_is_equal(const tndb_drift_fleet *fleet, const tenantdb *db, size_t tenant);
/* Read forms or fingerprints of some tenants in one query, by `which` of schema/form.h; again when it met DDL. */
typedef tenantdb_status tndb_form_reader(tndb_work *work, tndb_form_targets *targets,
                                         const tndb_form_expected *expected, PGresult **rows,
                                         tenantdb_error **error);
tenantdb_status tndb_drift_fleet_ask(tenantdb *db, const tndb_drift_fleet *fleet, const size_t *tenants,
                                     size_t count, tndb_form_reader *which, PGresult **rows,
                                     tenantdb_error **error);

#endif

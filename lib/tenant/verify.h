/* SPDX-License-Identifier: PostgreSQL */
/* Verification as a part of somebody else's transaction. */
#ifndef TNDB_TENANT_VERIFY_H
#define TNDB_TENANT_VERIFY_H

#include "catalog/tenants.h"
#include "catalog/work.h"

/* Columns of the findings, which are those of tenantdb_tenant_verify(). */
enum {
  TNDB_FINDING_LEVEL,
  TNDB_FINDING_NAME,
  TNDB_FINDING_OBJECT,
  TNDB_FINDING_EXPECTED,
  TNDB_FINDING_FOUND,
  TNDB_FINDING_REMEDY
};

/*
 * Compare what a tenant has, as the transaction sees it, with what he should have.
 * What is made for that is gone again afterwards. The result is yours.
 */
tenantdb_status tndb_verify(tndb_work *work, const tenantdb_tenant *tenant, tenantdb_result **findings,
                            tenantdb_error **error);

#endif

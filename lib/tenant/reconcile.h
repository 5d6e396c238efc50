/* SPDX-License-Identifier: PostgreSQL */
#ifndef TNDB_TENANT_RECONCILE_H
#define TNDB_TENANT_RECONCILE_H

#include "catalog/work.h"

/* Give a tenant that has a schema and no role one, with all that provisioning grants. */
tenantdb_status tndb_reconcile_give_role(tenantdb *db, const char *id, tenantdb_error **error);

#endif

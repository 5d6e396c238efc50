/* SPDX-License-Identifier: PostgreSQL */
/*
 * Purging: dropping a tenant's schema and role for good, in batches.
 *
 * The first transaction makes the tenant deleting and opens an operation with
 * a lease; each batch renews the lease and would find out if it had lost it;
 * the last drops schema and role and closes the operation. Whoever finds the
 * lease expired may go on where it was left.
 */
#ifndef TNDB_TENANT_PURGE_H
#define TNDB_TENANT_PURGE_H

#include "catalog/database.h"

/* Go on with a tenant in state deleting whose operation nobody works on. */
tenantdb_status tndb_purge_resume(tenantdb *db, const char *id, tenantdb_error **error);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * The set of migrations that a database uses, and what that means for schemas
 * that come into being (catalog/newborn.h).
 *
 * New tenants are at the newest version from the first moment: their schema is
 * made by what the registry declares, or by the newest checkpoint and what comes
 * after it, and the ledger says so by a row of kind baseline, or checkpoint.
 *
 * A set once in use stays as long as the database: others may be at it.
 */
#ifndef TNDB_MIGRATE_USE_H
#define TNDB_MIGRATE_USE_H

#include "catalog/newborn.h"
#include "migrate/set.h"

/* The set in use, frozen; as long as the database. NO_MIGRATIONS when there is none. */
tenantdb_status tndb_migrations_of(tenantdb *db, const tenantdb_migrations **set, tenantdb_error **error);

/*
 * A condition on rows of the catalog's table tenants, called t: there is something in his schema and the
 * ledger knows nothing of him, so that a baseline is needed before any migration can be applied. One %s: the
 * catalog.
 */
#define TNDB_LACKS_BASELINE                                                                               \
  "(NOT EXISTS (SELECT FROM %smigrations lb WHERE lb.tenant_id = t.id AND lb.state = 'done') AND EXISTS " \
  "(SELECT FROM pg_catalog.pg_namespace ln JOIN pg_catalog.pg_depend ld ON ld.refclassid = "              \
  "'pg_catalog.pg_namespace'::pg_catalog.regclass AND ld.refobjid = ln.oid AND ld.classid = "             \
  "'pg_catalog.pg_class'::pg_catalog.regclass WHERE ln.nspname = t.schema_name))"

/*
 * The same of the shared stream, asked in any transaction that may read: refuses, naming
 * tenantdb_migration_baseline(), when shared tables were made from the registry and the ledger knows nothing.
 */
tenantdb_status tndb_shared_lacks_baseline(tndb_work *work, bool *lacks, tenantdb_error **error);
tenantdb_status tndb_shared_require_baseline(tndb_work *work, tenantdb_error **error);
/*
 * After shared migrations were applied: what the registry grants tenants on shared tables that there are
 * now. In a transaction of its own; nothing when it is as it was.
 */
tenantdb_status tndb_shared_settle(tenantdb *db, tenantdb_error **error);
/* The refusal itself, for a tenant (his slug) or the shared schema (NULL). */
tenantdb_status tndb_refuse_without_baseline(const char *slug, tenantdb_error **error);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Diagnosis: what is wrong in a database, why it matters, and what mends it.
 *
 * A missing schema, a missing grant, tables in the wrong schema, a search path
 * that somebody has set, row security that is switched off, rights that everybody
 * has: each finding is of a closed list of codes and, where SQL can mend it,
 * brings that SQL, quoted and ready to be run as it stands. Nothing is changed.
 */
#ifndef TENANTDB_DIAGNOSE_H
#define TENANTDB_DIAGNOSE_H

#include <tenantdb/api.h>
#include <tenantdb/config.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * tenantdb_diagnose() - what is wrong, and the SQL that mends it
 * @db:       a database; it need not be bootstrapped
 * @tenant:   slug or id, NUL-terminated UTF-8: only what concerns him; NULL for everything
 * @findings: receives a table: level (error, warning or notice), code, tenant, object, found, why,
 *            remedy, sql; the worst first; no row means that nothing was found
 * @error:    as everywhere
 *
 * One read-only transaction of a few dozen queries in one flush, however many
 * tenants there are. What the connected user may not look at is a finding
 * (cannot-look), not a failure. A code means the same for ever; new ones may come
 * with any release; doc/guide/diagnosis.md lists them. sql is NULL where SQL does
 * not mend it; who runs it needs the rights of the object's owner, and often is a
 * superuser.
 *
 * Ownership: *findings is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, CONNECTION, PERMISSION, TIMEOUT, BUSY, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_diagnose(tenantdb *db, const char *tenant, tenantdb_result **findings, tenantdb_error **error);

/**
 * tenantdb_diagnose_connection() - why tenantdb_open() fails with a configuration, and what mends it
 * @config:   a configuration; NULL for the defaults
 * @findings: receives a table as that of tenantdb_diagnose()
 * @error:    as everywhere
 *
 * A host that is not known, a server that does not answer, a refused login, a
 * missing database, a catalog that is newer or may not be read, an isolation
 * level that cannot be had: each is a finding with its way out, and OK is
 * returned. When the server can be talked to, it is also asked what
 * tenantdb_diagnose() asks, as far as no registry is needed.
 *
 * May take as long as opening the database twice, and looking up the host's name
 * once.
 *
 * Ownership: *findings is yours, tenantdb_result_free(); @config stays yours.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, CONNECTION, TIMEOUT.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_diagnose_connection(const tenantdb_config *config, tenantdb_result **findings, tenantdb_error **error);

#ifdef __cplusplus
}
#endif

#endif

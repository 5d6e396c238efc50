/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is really in the database: snapshots, fingerprints, drift and repair.
 *
 * A schema is born once and lives for years. These calls say whether the schemas
 * of all tenants are what the registry declares, in what they differ, and how
 * that is mended:
 *
 *   tenantdb_drift(db, NULL, &drift, &error);            // one row a difference, however many tenants have it
 *   tenantdb_repair(db, NULL, 0, &plan, &error);         // the statements, to be read
 *   tenantdb_repair(db, NULL, 1, &done, &error);         // … and run
 *
 * What the registry declares is written down by PostgreSQL itself: everything is
 * created in a scratch schema, read and rolled back. Fingerprints of all tenants
 * come from a few queries, and only schemas whose fingerprint is another are read
 * in full.
 */
#ifndef TENANTDB_SCHEMA_H
#define TENANTDB_SCHEMA_H

#include <tenantdb/api.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Which tenants, and how. */
typedef struct tenantdb_schema_options tenantdb_schema_options;

/**
 * tenantdb_schema_options_new() - options at their defaults: all tenants that have a schema
 *
 * Returns NULL when memory ran out.
 *
 * Ownership: yours, tenantdb_schema_options_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_schema_options *tenantdb_schema_options_new(void);

/**
 * tenantdb_schema_options_set() - set one option
 * @options: options; NULL is allowed
 * @key:     one of: tenants (slugs or ids separated by commas; an empty list is no tenant), selector
 *           (conditions as for fleets, see doc/guide/fleet.md), shown (how many tenants a row of
 *           tenantdb_drift() names, 0 to 10000; default 20), batch (how many schemas one query reads, 1 to
 *           10000; default 500), drop (on: repair also drops undeclared tables, columns and all else that
 *           may hold data; default off), indexes (plain, or concurrently: repair builds indexes without
 *           keeping writers out, outside of the transaction; default plain)
 * @value:   its value; NULL puts the default back
 *
 * Without tenants and without a condition on the state, active, suspended and
 * archived tenants are chosen.
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_schema_options_set(tenantdb_schema_options *options, const char *key, const char *value);

/**
 * tenantdb_schema_options_tenant() - add one tenant to the list of option tenants
 * @options: options; NULL is allowed
 * @tenant:  slug or id, NUL-terminated UTF-8
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_schema_options_tenant(tenantdb_schema_options *options, const char *tenant);

/**
 * tenantdb_schema_options_free() - release options
 * @options: options, or NULL
 *
 * Ownership: takes @options.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_schema_options_free(tenantdb_schema_options *options);

/**
 * tenantdb_snapshot() - what a schema holds
 * @db:     a database
 * @tenant: a tenant's slug or id; NULL when it is no tenant's schema
 * @schema: any schema's name; NULL for the tenant's, or for the shared schema when @tenant is NULL, too
 * @result: receives a table: kind, object, definition, parent
 * @error:  as everywhere
 *
 * One row an object, with its definition as PostgreSQL writes it. Names of the
 * schema's own are unqualified and others that differ between tenants stand as
 * {shared}, {role}, {group}, {owner} and {schema}, so that two snapshots can be
 * compared as text. "parent" is the relation that the object belongs to, or NULL.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, CONNECTION, TIMEOUT, BUSY, PERMISSION, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_snapshot(tenantdb *db, const char *tenant, const char *schema, tenantdb_result **result,
                                               tenantdb_error **error);

/**
 * tenantdb_fingerprints() - one line a tenant: is its schema what the registry declares?
 * @db:      a database
 * @options: NULL for the defaults
 * @result:  receives a table: tenant, schema, fingerprint, equal
 * @error:   as everywhere
 *
 * "fingerprint" is the SHA-256 of the schema's canonical form, NULL when there
 * is no such schema; "equal" is t when it is that of the registry, else f. Equal
 * fingerprints mean equal schemas, on the same server. In the order of slugs.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, CONNECTION, TIMEOUT, BUSY, PERMISSION, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_fingerprints(tenantdb *db, const tenantdb_schema_options *options,
                                                   tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_drift() - in what tenants' schemas differ from the registry
 * @db:      a database
 * @options: NULL for the defaults
 * @result:  receives a table: kind, level, object, expected, found, tenants, which, more
 * @error:   as everywhere
 *
 * One row a difference, and no row when there is none. "kind" is missing, extra,
 * changed, invalid (there, but not in force) or security (somebody may do or see
 * more than he should); "level" is critical, error or warning. "tenants" is how
 * many have it, "which" a JSON array of the first of their slugs, and "more" how
 * many it leaves out.
 *
 * What follows from a difference is not listed beside it: of a table that is
 * missing, columns and indexes are not.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, CONNECTION, TIMEOUT, BUSY, PERMISSION, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_drift(tenantdb *db, const tenantdb_schema_options *options,
                                            tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_repair() - make tenants' schemas what the registry declares
 * @db:      a database
 * @options: NULL for the defaults
 * @apply:   0 for the plan alone, 1 to carry it out
 * @result:  receives a table: tenant, step, sql, lock, transaction, outcome
 * @error:   as everywhere
 *
 * One row a statement, in order, for each tenant that differs. "lock" says what
 * it locks ("ACCESS EXCLUSIVE on notes", NULL for nothing that anybody would
 * notice), "transaction" is t for what runs in the tenant's transaction and f for
 * what has to run outside of one. "outcome" is "planned"; with @apply "done", or
 * "failed: " and why, or "rolled back", or "not run". What is reported and never
 * changed by a repair has no sql, and its outcome begins with "left: ".
 *
 * Each tenant is a transaction of its own, with an operation and an audit row,
 * and is committed only when its schema is then found to be what was asked for.
 * A tenant that fails does not keep the others from being mended: the call
 * succeeds, and the rows tell. Running it again takes up what is left.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, CONNECTION, TIMEOUT, BUSY, PERMISSION, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_repair(tenantdb *db, const tenantdb_schema_options *options, int32_t apply,
                                             tenantdb_result **result, tenantdb_error **error);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * The fleet: one statement over many tenants.
 *
 * tenantdb_fleet_query() runs a statement once in every chosen tenant's scope,
 * over several connections at once, and answers with one stream of rows whose
 * first column names the tenant:
 *
 *   tenantdb_fleet_query(db, "SELECT count(*) FROM notes", NULL, NULL, &rows, &error);
 *   for (int32_t more = 1; !(status = tenantdb_result_next(rows, &more, &error)) && more;) {
 *     for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) ...
 *   }
 *   tenantdb_result_free(rows);
 *
 * A tenant that fails does not hold up the others: their rows come all the same,
 * and behind the last of them tenantdb_result_next() answers once with status
 * UNAVAILABLE and reason TENANTDB_REASON_FLEET_PARTLY. tenantdb_fleet_failures()
 * says who failed, and why.
 *
 * Each tenant's run is a transaction of its own, under the tenant's own rights,
 * and read only unless that is switched off. There is no snapshot over all of
 * them: a row that moves from one tenant to another may be seen twice, or never.
 */
#ifndef TENANTDB_FLEET_H
#define TENANTDB_FLEET_H

#include <tenantdb/api.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/params.h>
#include <tenantdb/result.h>
#include <tenantdb/statement.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Which tenants, and how. */
typedef struct tenantdb_fleet_options tenantdb_fleet_options;

/**
 * tenantdb_fleet_options_new() - options at their defaults: all active tenants
 *
 * Returns NULL when memory ran out.
 *
 * Ownership: yours, tenantdb_fleet_options_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_fleet_options *tenantdb_fleet_options_new(void);

/**
 * tenantdb_fleet_options_set() - set one option
 * @options: options; NULL is allowed
 * @key:     one of: tenants (slugs or ids separated by commas; an empty list is no tenant), selector
 *           (conditions that all have to hold, as "plan=pro, version<5, slug^=eu-"; see
 *           doc/guide/fleet.md), order (tenant: by slug, each tenant's rows together; any: as they come;
 *           default tenant), connections (how many at once at the most; default: option
 *           fleet.connections), on_error (continue, or stop: the first failure ends the query; default
 *           continue), timeout (of the whole, as "2min"; 0 for none; default 0), tenant_timeout (of each
 *           tenant; default: option session.timeout), columns (of the tenant: slug, id or both; default
 *           slug), read_only (on or off; default on), binary (on or off: results come in binary form;
 *           default off)
 * @value:   its value; NULL puts the default back
 *
 * Without tenants and without a condition on the state, only active tenants are
 * chosen. One that is chosen and not active is a failure of that tenant, with
 * status UNAVAILABLE; a name that no tenant has is one with NOT_FOUND.
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_fleet_options_set(tenantdb_fleet_options *options, const char *key,
                                             const char *value);

/**
 * tenantdb_fleet_options_tenant() - add one tenant to the list of option tenants
 * @options: options; NULL is allowed
 * @tenant:  slug or id, NUL-terminated UTF-8
 *
 * Naming one twice, in whichever way, runs the statement there once.
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_fleet_options_tenant(tenantdb_fleet_options *options, const char *tenant);

/**
 * tenantdb_fleet_options_free() - release options
 * @options: options, or NULL
 *
 * Ownership: takes @options.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_fleet_options_free(tenantdb_fleet_options *options);

/**
 * tenantdb_fleet_query() - run a statement in many tenants and stream their rows
 * @db:      a database
 * @sql:     one statement; its unqualified names are each tenant's own tables
 * @params:  values for $1, $2 …; NULL for none
 * @options: NULL for the defaults
 * @rows:    receives the stream, without rows at first: tenantdb_result_next() gets them
 * @error:   as everywhere
 *
 * Reads the list of tenants, once, and returns; connections are taken while
 * tenantdb_result_next() runs. The columns behind the tenant's are those of the
 * first answer; with order "tenant" that is the first tenant's. A tenant whose
 * columns have other names or types is a failure of that tenant.
 *
 * When some tenants failed the last tenantdb_result_next() has reason
 * TENANTDB_REASON_FLEET_PARTLY.
 *
 * At most so many connections are used as option connections says, and none that
 * somebody else waits for: after each tenant a connection goes back to the pool.
 * One that breaks before a row of its tenant was handed out is replaced once. When
 * no connection can be had at all, tenantdb_result_next() says so and the query
 * is over.
 *
 * The rows wait in bounded memory: who takes them slowly slows the servers down,
 * and keeps the connections that are under way.
 *
 * Ownership: *rows is yours, tenantdb_result_free(), at any time: what is under way is stopped.
 *            @params, and the strings, are copied.
 * Thread:    any; the result one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, CONNECTION, TIMEOUT, BUSY, PERMISSION, UNSUPPORTED, SQL; and from
 *            tenantdb_result_next(): UNAVAILABLE when some tenants failed, CANCELLED, and with on_error = stop
 *            what the tenant failed with.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_fleet_query(tenantdb *db, const char *sql, const tenantdb_params *params,
                                                  const tenantdb_fleet_options *options, tenantdb_result **rows,
                                                  tenantdb_error **error);

/**
 * tenantdb_fleet_query_statement() - the same with a compiled statement
 * @db:        a database
 * @statement: rendered for each tenant; it is not needed afterwards
 * @params:    as for tenantdb_fleet_query()
 * @options:   as for tenantdb_fleet_query()
 * @rows:      as for tenantdb_fleet_query()
 * @error:     as everywhere
 *
 * Ownership: as for tenantdb_fleet_query().
 * Thread:    any; the result one at a time.
 * Status:    as for tenantdb_fleet_query(): MEMORY, ARGUMENT, STATE, CONNECTION, TIMEOUT, BUSY, PERMISSION,
 *            UNSUPPORTED, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_fleet_query_statement(tenantdb *db, const tenantdb_statement *statement,
                                                            const tenantdb_params *params,
                                                            const tenantdb_fleet_options *options,
                                                            tenantdb_result **rows, tenantdb_error **error);

/**
 * tenantdb_fleet_failures() - which tenants failed so far, and why
 * @rows:  a result of tenantdb_fleet_query()
 * @table: receives a table: tenant, id, status, reason, sqlstate, message, rows_delivered
 * @error: as everywhere
 *
 * One row a tenant, in the order in which they failed. When the query ended
 * before its time, the tenants that were not read to their end follow, with the
 * status CANCELLED, TIMEOUT … that it ended with. "rows_delivered" tells how many
 * rows of the tenant were handed out all the same.
 *
 * Ownership: *table is yours, tenantdb_result_free().
 * Thread:    the one that uses @rows, one at a time.
 * Status:    MEMORY, ARGUMENT.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_fleet_failures(const tenantdb_result *rows, tenantdb_result **table,
                                                     tenantdb_error **error);

/**
 * tenantdb_fleet_progress() - how far a fleet query is
 * @rows:  a result of tenantdb_fleet_query()
 * @table: receives a table of one row: total, done, failed, running, waiting (tenants), rows (handed out),
 *         affected (rows that statements without an answer have touched)
 * @error: as everywhere
 *
 * Ownership: *table is yours, tenantdb_result_free().
 * Thread:    any, as long as @rows is not freed.
 * Status:    MEMORY, ARGUMENT.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_fleet_progress(const tenantdb_result *rows, tenantdb_result **table,
                                                     tenantdb_error **error);

/**
 * tenantdb_fleet_cancel() - stop a fleet query
 * @rows:  a result of tenantdb_fleet_query()
 * @error: as everywhere
 *
 * A tenantdb_result_next() that is under way, or the next one, stops what is
 * running, gives the connections back and answers with status CANCELLED. After
 * the end it has no effect.
 *
 * Ownership: nothing is handed over.
 * Thread:    any, as long as @rows is not freed.
 * Status:    ARGUMENT.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_fleet_cancel(const tenantdb_result *rows, tenantdb_error **error);

#ifdef __cplusplus
}
#endif

#endif

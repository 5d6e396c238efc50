/* SPDX-License-Identifier: PostgreSQL */
/*
 * Moving one tenant to another database while the application works with him,
 * by logical replication.
 *
 *   tenantdb_move_options_set(options, "connection", "host=old-server dbname=app user=mover");
 *   tenantdb_tenant_move(old, "acme", new, options, &report, &error);
 *
 * His tables are made in the other database, as for a new tenant there; the
 * server of the other database fetches the rows and follows what is written
 * meanwhile; when it has caught up, writes pause for a moment, both sides are
 * compared, and he is served by the other database from then on. The rows stay
 * behind, archived, unless option source says otherwise.
 *
 * Every step is recorded in the catalogs. Whatever interrupts a call, calling it
 * again with the same arguments goes on, and tenantdb_tenant_move_undo() goes
 * back as long as the other database does not serve him. At no time do both
 * serve him. doc/guide/move.md tells what the servers must allow.
 */
#ifndef TENANTDB_MOVE_H
#define TENANTDB_MOVE_H

#include <tenantdb/api.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How a tenant is to be moved. */
typedef struct tenantdb_move_options tenantdb_move_options;

/**
 * tenantdb_move_options_new() - options at their defaults
 *
 * Returns NULL when memory ran out.
 *
 * Ownership: yours, tenantdb_move_options_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_move_options *tenantdb_move_options_new(void);

/**
 * tenantdb_move_options_set() - set one option
 * @options: options; NULL is allowed
 * @key:     one of: connection (how the target's server reaches the source's database: a libpq
 *           connection string or URI, the password in it where one is needed; default: host, port,
 *           database and user of the source's own connection, without a password), slug (the slug in
 *           the other database; default: the one he has), write_pause (how long writes may pause before
 *           they are let go on and the switch is tried again; default 5s, 100ms to 10min), patience (how
 *           long one call goes on waiting for rows and for a moment to switch; default 1h, 1s to 30d),
 *           lock_timeout (how long writers may have to wait for us at a time; default 500ms, 10ms to
 *           10s), identity (what to do with tables without a primary key: refuse, or full, to give them
 *           REPLICA IDENTITY FULL for as long as the move takes; default refuse), verify (after: counts
 *           in the pause, and checksums of that very moment when he is served again; pause: checksums
 *           in the pause; counts: counts only; default after), match and references (as for
 *           tenantdb_archive_options_set()), source (what becomes of the rows at the source: keep or
 *           remove; default keep)
 * @value:   its value; NULL puts the default back
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_move_options_set(tenantdb_move_options *options, const char *key, const char *value);

/**
 * tenantdb_move_options_free() - release options
 * @options: options, or NULL
 *
 * Ownership: takes @options.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_move_options_free(tenantdb_move_options *options);

/**
 * tenantdb_tenant_move() - move a tenant to another database, or go on with it
 * @from:    the database where he is
 * @tenant:  slug or id of a tenant that is active or suspended
 * @to:      the database where he is to be, bootstrapped, with the same tenant bases
 * @options: NULL for the defaults
 * @report:  receives a table, also on failure: step, state (done, failed, refused, open), note, remedy,
 *           seconds; may be NULL
 * @error:   as everywhere
 *
 * Takes as long as the rows do; the row of step pause tells how long writes
 * paused. Whoever writes in the pause gets TENANTDB_BUSY; whoever opens a session
 * on the source afterwards is told where the tenant is. Called for a tenant who was
 * moved to @to already it only reports.
 *
 * What the servers, the users or the tables lack is TENANTDB_STATE with reason
 * MOVE_REFUSED: the rows with state refused say what, and in the column remedy
 * what mends it. Nothing has been changed then. A tenant whose tables were changed
 * during the move is TENANT_DIFFERS: undo it. TENANTDB_BUSY: somebody else is
 * moving him, or did so and died within option operation.lease. TENANTDB_TIMEOUT with
 * reason MOVE_PATIENCE: patience ended before he was switched; he is served where
 * he was, and rows go on being copied until the call is made again.
 *
 * Ownership: *report is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, ALREADY_EXISTS, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, CONSTRAINT, SQL, ISOLATION, UNSUPPORTED, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_move(tenantdb *from, const char *tenant, tenantdb *to, const tenantdb_move_options *options, tenantdb_result **report, tenantdb_error **error);

/**
 * tenantdb_tenant_move_undo() - give up a move: the tenant stays where he is
 * @from:   the database where he is
 * @tenant: his slug or id there
 * @to:     the database where he was to be
 * @report: receives a table as that of tenantdb_tenant_move(); may be NULL
 * @error:  as everywhere
 *
 * Takes away what the move made on both sides, and lets writes go on. Refused
 * with TENANTDB_STATE, reason TENANT_MOVED, once the other database serves him:
 * move him back instead. When it is interrupted, call it again.
 *
 * Ownership: *report is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_move_undo(tenantdb *from, const char *tenant, tenantdb *to, tenantdb_result **report, tenantdb_error **error);

#ifdef __cplusplus
}
#endif

#endif

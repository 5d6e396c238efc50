/* SPDX-License-Identifier: PostgreSQL */
/*
 * The database: configuration, registry and a pool of connections, opened.
 *
 * tenantdb_open() connects once, learns what the server is and who the connected
 * user is, and settles on an isolation level. tenantdb_bootstrap() creates the
 * library's catalog and the shared bases; it may be called at every start, by
 * several processes at once.
 */
#ifndef TENANTDB_DATABASE_H
#define TENANTDB_DATABASE_H

#include <tenantdb/api.h>
#include <tenantdb/config.h>
#include <tenantdb/error.h>
#include <tenantdb/registry.h>
#include <tenantdb/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One open database. */
typedef struct tenantdb tenantdb;

/** Isolation levels, from the weakest to the strongest. */
enum {
  TENANTDB_ISOLATION_ROUTING = 1,  /**< the search path only: stops accidents, enforces nothing */
  TENANTDB_ISOLATION_ROLE = 2,     /**< a role per tenant: the server refuses another tenant's tables */
  TENANTDB_ISOLATION_HARDENED = 3, /**< and a statement cannot leave the role, injected SQL included */
  TENANTDB_ISOLATION_LOGIN = 4     /**< a login role and connections of its own per tenant */
};

/**
 * What is taken to stand between this process and the server, and so what a
 * connection can be relied on for from one transaction to the next.
 */
enum {
  TENANTDB_STRATEGY_DIRECT = 1,            /**< nothing: a connection is one process of the server */
  TENANTDB_STRATEGY_SESSION_POOLER = 2,    /**< a pooler that gives every client a process of its own */
  TENANTDB_STRATEGY_TRANSACTION_POOLER = 3 /**< one that may give every transaction another process */
};

/**
 * tenantdb_open() - check, connect, settle on an isolation level
 * @config:   a configuration, copied; NULL for the defaults
 * @registry: what should exist; frozen from here on; NULL for an empty one
 * @db:       receives the database
 * @error:    as everywhere
 *
 * Reports the registry's first mistake before it connects. Refuses a server
 * older than 13, a catalog written by a newer library, and an isolation level
 * below option isolation.minimum.
 *
 * Ownership: *db is yours, tenantdb_close(); @config and @registry stay yours and may be freed at once.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, CONNECTION, PERMISSION, NOT_FOUND, TIMEOUT, BUSY, UNSUPPORTED, ISOLATION.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_open(const tenantdb_config *config, tenantdb_registry *registry, tenantdb **db, tenantdb_error **error);

/**
 * tenantdb_close() - close a database
 * @db: a database, or NULL
 *
 * Idle connections are closed at once. Sessions that are still open answer
 * TENANTDB_STATE from now on and keep what they need until they are closed.
 *
 * Ownership: takes @db.
 * Thread:    any; no other call may be using @db itself.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_close(tenantdb *db);

/**
 * tenantdb_bootstrap() - create or upgrade the catalog and the shared bases
 * @db:    a database
 * @error: as everywhere
 *
 * One transaction; safe when several processes do it at once; changes nothing
 * when there is nothing to do. A shared table that is already there is adopted
 * when it has the declared columns, and refused by name when it has not.
 *
 * Option database.schema moves nothing: when the shared tables were made in
 * another schema than it names now, this is refused with SHARED_TABLES_ELSEWHERE,
 * naming that schema. tenantdb_relocate() moves them. The same when all of them
 * are gone from the database.
 *
 * Ownership: nothing is handed over.
 * Thread:    any.
 * Status:    MEMORY, CONNECTION, PERMISSION, TIMEOUT, BUSY, CONFLICT, ALREADY_EXISTS, UNSUPPORTED, SQL, STATE, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_bootstrap(tenantdb *db, tenantdb_error **error);

/**
 * tenantdb_isolation() - which isolation level is in force, and why not a higher one
 * @db:      a database
 * @level:   receives a TENANTDB_ISOLATION_ number; may be NULL
 * @reasons: receives a table of all levels: level, achieved, reason, remedy; may be NULL
 * @error:   as everywhere
 *
 * As it was found when the database was opened: after tenantdb_harden() open it
 * again. A remedy is SQL, or an option to be set.
 *
 * The last row is no level but tells of the connections: its level is
 * "connection", achieved the strategy's name (or "refuted", when
 * tenantdb_selftest() found that transactions are not kept apart), reason how
 * that is known.
 *
 * Ownership: *reasons is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_isolation(tenantdb *db, int32_t *level, tenantdb_result **reasons, tenantdb_error **error);

/**
 * tenantdb_isolation_name() - a level's name: "routing", "role", "hardened", "login"
 * @level: a TENANTDB_ISOLATION_ number
 *
 * Returns "?" for any other number.
 *
 * Ownership: the string is static.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_isolation_name(int32_t level);

/**
 * tenantdb_selftest() - prove or refute isolation through whatever stands between
 * @db:     a database
 * @checks: receives a table: check, outcome (ok, failed or unknown), observed, meaning; may be NULL
 * @error:  as everywhere
 *
 * Opens two connections of its own, beside the pool, and makes them take turns
 * in transactions that are bound as a session's are, so that a pooler, if there
 * is one, swaps the server's processes between them. Creates nothing in the
 * database and needs no catalog. Checks:
 *
 * - between: whether something stands between
 * - transaction: a transaction holds together over several messages
 * - pipeline: several statements in one flush; an error stops the rest, and a scope that is not in force is refused
 * - scope_meanwhile: what one transaction sets is not seen in another meanwhile
 * - scope_after: nor by anybody after COMMIT, ROLLBACK or an error
 * - role: nor the role
 * - server: both connections reach one and the same server
 * - lock: a lock that one transaction holds keeps the other out
 * - session_state: whether what is set for a session stays with its connection
 * - prepared_statements: whether named statements do
 * - cancel: cancelling stops the statement that was meant
 *
 * The first check that fails ends it: isolation is refuted, and the status is
 * ISOLATION, with *checks given all the same. Proved or refuted, the answer is
 * the database's strategy at once, for connections that are open too, unless
 * option database.pooler names a more careful one; a strategy more careful than
 * the one before is also an event. Some of the statements fail on purpose, so
 * the server's log shows errors. A pooler in session mode needs room for the two
 * connections, or the answer is TIMEOUT; BUSY when it is the first to lose
 * patience.
 *
 * With any other failure nothing is changed and *checks is NULL.
 *
 * Ownership: *checks is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, CONNECTION, PERMISSION, NOT_FOUND, TIMEOUT, CANCELLED, BUSY, UNSUPPORTED, SQL, ISOLATION.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_selftest(tenantdb *db, tenantdb_result **checks, tenantdb_error **error);

/**
 * tenantdb_strategy() - what is taken to stand between this process and the server
 * @db:       a database
 * @strategy: receives a TENANTDB_STRATEGY_ number
 * @error:    as everywhere
 *
 * Settled by tenantdb_open() from option database.pooler and from whether
 * somebody stands between: then it is a transaction pooler, which is the careful
 * assumption, until tenantdb_selftest() finds out. It is also settled on that
 * when a connection turns out to have another process of the server than before.
 *
 * Ownership: nothing is handed over.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_strategy(tenantdb *db, int32_t *strategy, tenantdb_error **error);

/**
 * tenantdb_strategy_name() - a strategy's name: "direct", "session-pooler", "transaction-pooler"
 * @strategy: a TENANTDB_STRATEGY_ number
 *
 * Returns "?" for any other number.
 *
 * Ownership: the string is static.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_strategy_name(int32_t strategy);

/**
 * tenantdb_harden() - take from PUBLIC what a tenant's role could leave its scope with
 * @db:    a database, bootstrapped
 * @apply: 0: only the plan; 1: carry it out
 * @plan:  receives a table: step, sql, undo_sql, state (done, needed or refused), reason; may be NULL
 * @error: as everywhere
 *
 * Revokes EXECUTE on set_config() and on the functions that run a text as SQL,
 * USAGE of the languages of DO, TEMPORARY on the database, and CREATE on schema
 * public. The connected user, the users in option isolation.users and those who
 * belong to the group of tenants' roles are granted set_config(), the languages
 * and TEMPORARY themselves. Concerns this database alone, but everybody in it;
 * doc/guide/isolation.md tells whom and how.
 *
 * One transaction. What was changed is written down for tenantdb_harden_undo().
 * Only the owner of each of these may change it, which for most of them is the
 * superuser: a step that may not be done has the state refused, and with @apply
 * nothing is changed and the answer is PERMISSION. Handles that are open keep
 * the level they were opened with.
 *
 * Ownership: *plan is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, CONNECTION, PERMISSION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_harden(tenantdb *db, int32_t apply, tenantdb_result **plan, tenantdb_error **error);

/**
 * tenantdb_harden_undo() - put back what tenantdb_harden() changed, and nothing else
 * @db:    a database
 * @apply: 0: only the plan; 1: carry it out
 * @plan:  receives a table as that of tenantdb_harden(); may be NULL
 * @error: as everywhere
 *
 * What had been revoked before, by others, stays revoked; no row means that
 * nothing is written down.
 *
 * Ownership: *plan is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, CONNECTION, PERMISSION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_harden_undo(tenantdb *db, int32_t apply, tenantdb_result **plan, tenantdb_error **error);

/**
 * tenantdb_server() - what the server is and what the connected user may do
 * @db:    a database
 * @facts: receives a table: name, value; names are version, user, database, superuser,
 *         may_create_roles, may_create_schemas, pooler_between, read_only, extensions
 * @error: as everywhere
 *
 * As it was found when the database was opened.
 *
 * Ownership: *facts is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_server(tenantdb *db, tenantdb_result **facts, tenantdb_error **error);

/**
 * tenantdb_reconcile() - finish or undo what was interrupted
 * @db:    a database
 * @done:  receives a table: tenant, operation, action, outcome; may be NULL
 * @error: as everywhere
 *
 * Takes up removals whose owner died, gives tenants that were provisioned at a
 * lower isolation level the role they lack, and reports tenants whose schema or
 * role is gone, relocations that are not finished, and moves to or from another
 * database that nobody works on. Safe to run at any time, by several processes,
 * and to kill; a second run changes nothing.
 *
 * Ownership: *done is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, CONNECTION, PERMISSION, TIMEOUT, BUSY, CONFLICT, SQL, STATE, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_reconcile(tenantdb *db, tenantdb_result **done, tenantdb_error **error);

#ifdef __cplusplus
}
#endif

#endif

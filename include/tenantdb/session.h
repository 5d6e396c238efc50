/* SPDX-License-Identifier: PostgreSQL */
/*
 * Sessions: a connection bound to one tenant.
 *
 * Every transaction of a session begins by binding: the search path and, from
 * level role up, the tenant's role are set for that transaction only, and the
 * server itself refuses to go on when what is in force is not what was asked for.
 * A single query travels as one message: BEGIN, bind, query, COMMIT. Nothing is
 * left on the connection when the transaction ends.
 *
 * When a call answers TENANTDB_ISOLATION, TENANTDB_CONNECTION or TENANTDB_UNKNOWN
 * the session is of no more use: close it.
 */
#ifndef TENANTDB_SESSION_H
#define TENANTDB_SESSION_H

#include <tenantdb/api.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/params.h>
#include <tenantdb/result.h>
#include <tenantdb/statement.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A connection inside a tenant's scope. */
typedef struct tenantdb_session tenantdb_session;
/** How a session should be opened. */
typedef struct tenantdb_session_options tenantdb_session_options;

/**
 * tenantdb_session_options_new() - options at their defaults
 *
 * Returns NULL when memory ran out.
 *
 * Ownership: yours, tenantdb_session_options_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_session_options *tenantdb_session_options_new(void);

/**
 * tenantdb_session_options_set() - set one option
 * @options: options; NULL is allowed
 * @key:     one of: timeout (of each call, as "500ms", "2s", "1min"; 0 for none; default: option session.timeout),
 *           read_only (on or off: every transaction is read only; default off)
 * @value:   its value; NULL puts the default back
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_session_options_set(tenantdb_session_options *options, const char *key, const char *value);

/**
 * tenantdb_session_options_free() - release options
 * @options: options, or NULL
 *
 * Ownership: takes @options.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_session_options_free(tenantdb_session_options *options);

/**
 * tenantdb_session_open() - take a connection for one tenant
 * @db:      a database
 * @tenant:  slug or id, NUL-terminated UTF-8
 * @options: NULL for the defaults
 * @session: receives the session
 * @error:   as everywhere
 *
 * Waits up to option pool.timeout for a connection. Only an active tenant can be
 * opened. What is known of a tenant is believed for option session.tenant_cache;
 * at level role a tenant that was suspended meanwhile is refused by
 * the server all the same.
 *
 * Ownership: *session is yours, tenantdb_session_close().
 * Thread:    any; the session itself one at a time, it may move.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, UNAVAILABLE, ISOLATION, BUSY, TIMEOUT, CONNECTION, PERMISSION, STATE, UNSUPPORTED, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_open(tenantdb *db, const char *tenant, const tenantdb_session_options *options, tenantdb_session **session, tenantdb_error **error);

/**
 * tenantdb_session_open_shared() - take a connection for the shared bases, as the application itself
 * @db:      a database
 * @options: NULL for the defaults
 * @session: receives the session
 * @error:   as everywhere
 *
 * The search path is the shared schema and the connected user keeps his own
 * rights: for the application's own work on shared tables and for administration,
 * never for input that a tenant controls.
 *
 * Ownership: *session is yours, tenantdb_session_close().
 * Thread:    any; the session itself one at a time, it may move.
 * Status:    MEMORY, ARGUMENT, BUSY, TIMEOUT, CONNECTION, PERMISSION, STATE.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_open_shared(tenantdb *db, const tenantdb_session_options *options, tenantdb_session **session, tenantdb_error **error);

/**
 * tenantdb_session_query() - run one statement and get its rows
 * @session: a session
 * @sql:     one SQL statement; not one that begins or ends a transaction
 * @params:  values for $1, $2 …; NULL for none
 * @result:  receives the rows; may be NULL
 * @error:   as everywhere
 *
 * Outside a transaction it is one of its own, in one round trip. Inside one, a
 * failure leaves the transaction failed until it is rolled back.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED, BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_query(tenantdb_session *session, const char *sql, const tenantdb_params *params, tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_session_query_text() - the same with an array of text values
 * @session:  a session
 * @sql:      one SQL statement
 * @n_values: how many values, 0 to 65535
 * @values:   text in the form PostgreSQL reads; an entry NULL is SQL NULL
 * @result:   receives the rows; may be NULL
 * @error:    as everywhere
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED, BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_query_text(tenantdb_session *session, const char *sql, int32_t n_values, const char *const *values, tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_session_exec() - run one statement and get the number of rows it touched
 * @session:  a session
 * @sql:      one SQL statement
 * @params:   values for $1, $2 …; NULL for none
 * @affected: receives the number; may be NULL
 * @error:    as everywhere
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED, BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_exec(tenantdb_session *session, const char *sql, const tenantdb_params *params, int64_t *affected, tenantdb_error **error);

/**
 * tenantdb_session_run() - run a compiled statement, rendered for the session's tenant
 * @session:   a session
 * @statement: a compiled statement
 * @params:    values for $1, $2 …; NULL for none
 * @result:    receives the rows; may be NULL
 * @error:     as everywhere
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED, BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_run(tenantdb_session *session, const tenantdb_statement *statement, const tenantdb_params *params, tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_session_begin() - begin a transaction
 * @session: a session
 * @mode:    NULL, or words as in SQL: "isolation level serializable", "read only", "deferrable",
 *           separated by commas
 * @error:   as everywhere
 *
 * Sends nothing: BEGIN and the bind travel with the first statement.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_begin(tenantdb_session *session, const char *mode, tenantdb_error **error);

/**
 * tenantdb_session_commit() - commit the transaction
 * @session: a session
 * @error:   as everywhere
 *
 * TENANTDB_OK means that the server said COMMIT. A transaction that had failed is
 * rolled back and answers TENANTDB_STATE. When the connection breaks on the way
 * the answer is TENANTDB_UNKNOWN.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, CONSTRAINT, CONFLICT, CONNECTION, TIMEOUT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_commit(tenantdb_session *session, tenantdb_error **error);

/**
 * tenantdb_session_rollback() - roll the transaction back
 * @session: a session
 * @error:   as everywhere
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, CONNECTION, TIMEOUT.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_rollback(tenantdb_session *session, tenantdb_error **error);

/**
 * tenantdb_session_savepoint() - set a savepoint
 * @session: a session
 * @name:    any name of at most 63 bytes
 * @error:   as everywhere
 *
 * Ownership: @name stays yours.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED, BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_savepoint(tenantdb_session *session, const char *name, tenantdb_error **error);

/**
 * tenantdb_session_rollback_to() - go back to a savepoint, also after a failure
 * @session: a session
 * @name:    a savepoint's name
 * @error:   as everywhere
 *
 * Ownership: @name stays yours.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED, BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_rollback_to(tenantdb_session *session, const char *name, tenantdb_error **error);

/**
 * tenantdb_session_release() - forget a savepoint, keeping what was done since
 * @session: a session
 * @name:    a savepoint's name
 * @error:   as everywhere
 *
 * Ownership: @name stays yours.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED, BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_release(tenantdb_session *session, const char *name, tenantdb_error **error);

/**
 * tenantdb_session_tenant() - the id of the session's tenant; "" for a shared session
 * @session: a session; NULL gives ""
 *
 * Ownership: the string belongs to @session.
 * Thread:    one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_session_tenant(const tenantdb_session *session);

/**
 * tenantdb_session_schema() - the schema that unqualified names mean in this session
 * @session: a session; NULL gives ""
 *
 * Ownership: the string belongs to @session, unquoted.
 * Thread:    one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_session_schema(const tenantdb_session *session);

/**
 * tenantdb_session_close() - give the connection back
 * @session: a session, or NULL
 *
 * An open transaction is rolled back. A connection that cannot be proved clean is
 * closed instead.
 *
 * Ownership: takes @session.
 * Thread:    one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_session_close(tenantdb_session *session);

#ifdef __cplusplus
}
#endif

#endif

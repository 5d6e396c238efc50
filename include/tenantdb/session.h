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
 * Behind a pooler that may give every transaction another connection to the
 * server (tenantdb_strategy()) a statement whose effect would outlast its
 * transaction is refused with UNSUPPORTED, POOLER_BETWEEN before it is sent:
 * LISTEN, SET without LOCAL, PREPARE, locks of the session and others, all in
 * doc/guide/poolers.md.
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
/** Statements to be run together. */
typedef struct tenantdb_batch tenantdb_batch;

/** What tenantdb_session_events() asks to wait for. */
enum {
  TENANTDB_EVENT_READ = 1, /**< until the socket can be read */
  TENANTDB_EVENT_WRITE = 2 /**< or until it can be written */
};

/**
 * What tenantdb_session_transact() runs inside a transaction, perhaps several
 * times: it must not do outside the database what may not be done twice. It
 * returns TENANTDB_OK, or the status of what failed with the error in @error.
 */
typedef tenantdb_status (*tenantdb_transaction_function)(void *user, tenantdb_session *session,
                                                         tenantdb_error **error);

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
 * @key:     one of: timeout (of each call, as "500ms", "2s", "1min"; 0 for none; default: option
 * session.timeout), read_only (on or off: every transaction is read only; default off),
 *           binary (on or off: results come in binary form, for the typed getters; default off),
 *           min_version (the least version of the tenant's schema; default 0), wait_version (how long to
 *           wait for that version; default 0)
 * @value:   its value; NULL puts the default back
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_session_options_set(tenantdb_session_options *options, const char *key,
                                               const char *value);

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
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, UNAVAILABLE, MIGRATION, ISOLATION, BUSY, TIMEOUT, CONNECTION, PERMISSION,
 *            STATE, UNSUPPORTED, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_open(tenantdb *db, const char *tenant,
                                                   const tenantdb_session_options *options,
                                                   tenantdb_session **session, tenantdb_error **error);

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
TENANTDB_API tenantdb_status tenantdb_session_open_shared(tenantdb *db,
                                                          const tenantdb_session_options *options,
                                                          tenantdb_session **session, tenantdb_error **error);

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
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_query(tenantdb_session *session, const char *sql,
                                                    const tenantdb_params *params, tenantdb_result **result,
                                                    tenantdb_error **error);

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
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_query_text(tenantdb_session *session, const char *sql,
                                                         int32_t n_values, const char *const *values,
                                                         tenantdb_result **result, tenantdb_error **error);

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
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_exec(tenantdb_session *session, const char *sql,
                                                   const tenantdb_params *params, int64_t *affected,
                                                   tenantdb_error **error);

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
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_run(tenantdb_session *session,
                                                  const tenantdb_statement *statement,
                                                  const tenantdb_params *params, tenantdb_result **result,
                                                  tenantdb_error **error);

/**
 * tenantdb_session_run_for() - run a compiled statement for a tenant that is named, for administration
 * @session:   a session of tenantdb_session_open_shared()
 * @tenant:    slug or id, NUL-terminated UTF-8
 * @statement: a compiled statement
 * @params:    values for $1, $2 …; NULL for none
 * @result:    receives the rows; may be NULL
 * @error:     as everywhere
 *
 * The markers of tenants' tables become those of @tenant, and the connected user
 * runs it with his own rights: nothing confines the statement to the tenant.
 * Names that are not markers mean the shared schema's. Several tenants may be
 * worked on in one transaction. A tenant that is suspended or archived is reached as
 * well; one that has no schema yet, or none any more, is refused. Only a tenant that is not in
 * the cache (option session.tenant_cache) costs another round trip. A tenant's own
 * session is refused with ARGUMENT.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, PERMISSION, UNAVAILABLE, UNSUPPORTED, ISOLATION, CONNECTION,
 *            TIMEOUT, CANCELLED, BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_run_for(tenantdb_session *session, const char *tenant,
                                                      const tenantdb_statement *statement,
                                                      const tenantdb_params *params,
                                                      tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_statement_for() - the text of a statement as it would be sent for a tenant
 * @db:        a database
 * @tenant:    slug or id, NUL-terminated UTF-8
 * @statement: a compiled statement
 * @sql:       receives the text
 * @error:     as everywhere
 *
 * What tenantdb_session_run() in a session of @tenant sends, and tenantdb_session_run_for():
 * to look at, or for another driver. Nothing is run. Tenants are refused as there. Only a tenant
 * that is not in the cache takes a connection.
 *
 * Ownership: *sql is yours, tenantdb_string_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, UNAVAILABLE, STATE, BUSY, TIMEOUT, CONNECTION, PERMISSION,
 *            UNSUPPORTED, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_statement_for(tenantdb *db, const char *tenant,
                                                    const tenantdb_statement *statement, char **sql,
                                                    tenantdb_error **error);

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
TENANTDB_API tenantdb_status tenantdb_session_begin(tenantdb_session *session, const char *mode,
                                                    tenantdb_error **error);

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
 * Status:    MEMORY, ARGUMENT, STATE, CONSTRAINT, CONFLICT, CONNECTION, TIMEOUT, CANCELLED, SQL, UNKNOWN.
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
 * Status:    MEMORY, ARGUMENT, STATE, CONNECTION, TIMEOUT, CANCELLED.
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
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_savepoint(tenantdb_session *session, const char *name,
                                                        tenantdb_error **error);

/**
 * tenantdb_session_rollback_to() - go back to a savepoint, also after a failure
 * @session: a session
 * @name:    a savepoint's name
 * @error:   as everywhere
 *
 * Ownership: @name stays yours.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_rollback_to(tenantdb_session *session, const char *name,
                                                          tenantdb_error **error);

/**
 * tenantdb_session_release_savepoint() - forget a savepoint, keeping what was done since
 * @session: a session
 * @name:    a savepoint's name
 * @error:   as everywhere
 *
 * Ownership: @name stays yours.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_release_savepoint(tenantdb_session *session, const char *name,
                                                      tenantdb_error **error);

/**
 * tenantdb_batch_new() - an empty batch
 *
 * Returns NULL when memory ran out.
 *
 * Ownership: yours, tenantdb_batch_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_batch *tenantdb_batch_new(void);

/**
 * tenantdb_batch_add() - append a statement
 * @batch:  a batch; NULL is allowed
 * @sql:    one SQL statement; not one that begins or ends a transaction
 * @params: values for $1, $2 …; NULL for none
 *
 * Ownership: @sql and @params stay yours and are copied.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_session_batch().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_batch_add(tenantdb_batch *batch, const char *sql, const tenantdb_params *params);

/**
 * tenantdb_session_batch() - run all statements of a batch in one round trip
 * @session: a session
 * @batch:   a batch; it can be run again
 * @error:   as everywhere
 *
 * Outside a transaction the batch is one of its own: all of it is done, or
 * nothing. Returns the first failure; tenantdb_batch_result() tells of each
 * statement.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_batch(tenantdb_session *session, tenantdb_batch *batch,
                                                    tenantdb_error **error);

/**
 * tenantdb_batch_count() - how many statements there are
 * @batch: a batch; NULL gives 0
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_batch_count(const tenantdb_batch *batch);

/**
 * tenantdb_batch_result() - what became of one statement of a batch that was run
 * @batch:  a batch
 * @index:  from 0, in the order of adding
 * @result: receives the rows, once; NULL when they were handed out before
 * @error:  as everywhere
 *
 * OK also for a statement that succeeded and was undone with the batch when a
 * later one failed. Those behind the failure answer STATE: they were not run.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    one at a time.
 * Status:    ARGUMENT, MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT,
 *            CANCELLED, BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_batch_result(tenantdb_batch *batch, int32_t index,
                                                   tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_batch_free() - release a batch
 * @batch: a batch, or NULL
 *
 * Ownership: takes @batch.
 * Thread:    one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_batch_free(tenantdb_batch *batch);

/**
 * tenantdb_session_stream() - run one statement and get its rows a few at a time
 * @session: a session
 * @sql:     one SQL statement
 * @params:  values for $1, $2 …; NULL for none
 * @result:  receives a result with no rows yet; tenantdb_result_next() brings them
 * @error:   as everywhere
 *
 * Memory is bounded by a few rows, whatever their number. Until the end, or until
 * the result is freed, the session can do nothing else. Freeing it early cancels
 * the statement; outside a transaction it is then rolled back.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_stream(tenantdb_session *session, const char *sql,
                                                     const tenantdb_params *params, tenantdb_result **result,
                                                     tenantdb_error **error);

/**
 * tenantdb_session_copy_in() - begin COPY ... FROM STDIN
 * @session: a session
 * @sql:     a COPY statement
 * @error:   as everywhere
 *
 * Then tenantdb_session_copy_write() any number of times and
 * tenantdb_session_copy_end(); until then the session can do nothing else.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_copy_in(tenantdb_session *session, const char *sql,
                                                      tenantdb_error **error);

/**
 * tenantdb_session_copy_write() - send a piece of the data
 * @session: a session
 * @data:    bytes in the form the COPY statement says; rows may be cut anywhere
 * @length:  how many
 * @error:   as everywhere
 *
 * Waits while the server is slower than the caller.
 *
 * Ownership: @data stays yours.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_copy_write(tenantdb_session *session, const void *data,
                                                         size_t length, tenantdb_error **error);

/**
 * tenantdb_session_copy_end() - end COPY ... FROM STDIN
 * @session: a session
 * @failure: NULL when all was sent; else why it is given up: nothing of it is kept
 * @rows:    receives how many rows were taken; may be NULL
 * @error:   as everywhere
 *
 * Outside a transaction the COPY is committed here.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_copy_end(tenantdb_session *session, const char *failure,
                                                       int64_t *rows, tenantdb_error **error);

/**
 * tenantdb_session_copy_out() - begin COPY ... TO STDOUT
 * @session: a session
 * @sql:     a COPY statement
 * @error:   as everywhere
 *
 * Then tenantdb_session_copy_read() until it gives no data.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_copy_out(tenantdb_session *session, const char *sql,
                                                       tenantdb_error **error);

/**
 * tenantdb_session_copy_read() - receive a piece of the data
 * @session: a session
 * @data:    receives the bytes of one row, NULL at the end
 * @length:  receives how many
 * @error:   as everywhere
 *
 * At the end the transaction is committed when it was one of its own.
 *
 * Ownership: *data belongs to @session and lasts until the next call.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_copy_read(tenantdb_session *session, const void **data,
                                                        size_t *length, tenantdb_error **error);

/**
 * tenantdb_session_cancel() - ask the server to stop what the session is doing
 * @session: a session
 * @error:   as everywhere
 *
 * From another thread, while a call is under way; that call answers CANCELLED
 * unless it was finished already. Without a call under way nothing happens.
 *
 * Ownership: nothing is handed over.
 * Thread:    any, also while another thread uses @session; not while it is being closed.
 * Status:    ARGUMENT, STATE, CONNECTION.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_cancel(tenantdb_session *session, tenantdb_error **error);

/**
 * tenantdb_session_transact() - run a function in a transaction, again when it collides
 * @session:  a session
 * @mode:     as for tenantdb_session_begin()
 * @function: what to do; called with @user and @session
 * @user:     handed to @function
 * @error:    as everywhere
 *
 * Begins, calls @function, commits. When the function or the commit answers
 * TENANTDB_CONFLICT with the advice to run the transaction again, that is done
 * after a short random pause, up to option session.retries times. Any other
 * failure is rolled back and returned.
 *
 * Ownership: @user stays yours.
 * Thread:    one at a time.
 * Status:    what @function returns, and MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION,
 *            CONNECTION, TIMEOUT, CANCELLED, BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_transact(tenantdb_session *session, const char *mode,
                                                       tenantdb_transaction_function function, void *user,
                                                       tenantdb_error **error);

/**
 * tenantdb_session_send() - start a statement without waiting
 * @session: a session
 * @sql:     one SQL statement
 * @params:  values for $1, $2 …; NULL for none
 * @error:   as everywhere
 *
 * For event loops: then wait until tenantdb_session_socket() is ready for
 * tenantdb_session_events() or tenantdb_session_timeout_ms() has passed, call
 * tenantdb_session_step(), and again until it is done.
 *
 * Ownership: @sql and @params stay yours and are copied.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, CONNECTION, TIMEOUT, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_send(tenantdb_session *session, const char *sql,
                                                   const tenantdb_params *params, tenantdb_error **error);

/**
 * tenantdb_session_send_statement() - start a compiled statement without waiting
 * @session:   a session
 * @statement: a compiled statement
 * @params:    values for $1, $2 …; NULL for none
 * @error:     as everywhere
 *
 * Ownership: @statement and @params stay yours.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, CONNECTION, TIMEOUT, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_send_statement(tenantdb_session *session,
                                                             const tenantdb_statement *statement,
                                                             const tenantdb_params *params,
                                                             tenantdb_error **error);

/**
 * tenantdb_session_send_commit() - start committing without waiting
 * @session: a session
 * @error:   as everywhere
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, CONNECTION.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_send_commit(tenantdb_session *session, tenantdb_error **error);

/**
 * tenantdb_session_send_rollback() - start rolling back without waiting
 * @session: a session
 * @error:   as everywhere
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, CONNECTION.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_send_rollback(tenantdb_session *session,
                                                            tenantdb_error **error);

/**
 * tenantdb_session_step() - do what can be done without waiting
 * @session: a session
 * @done:    receives 1 when what was started has ended, else 0
 * @result:  receives the rows when a statement has ended well, else NULL; may be NULL
 * @error:   as everywhere
 *
 * When it has ended, the status is that of what was started. Until then it is OK.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, UNAVAILABLE, ISOLATION, CONNECTION, TIMEOUT, CANCELLED,
 *            BUSY, CONFLICT, CONSTRAINT, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_step(tenantdb_session *session, int32_t *done,
                                                   tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_session_socket() - the descriptor to wait for
 * @session: a session; NULL gives -1
 *
 * Returns -1 when there is none, and in a child after fork(). Ask again after every
 * step: it may change.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_session_socket(const tenantdb_session *session);

/**
 * tenantdb_session_events() - what to wait for, TENANTDB_EVENT_ numbers added up
 * @session: a session; NULL gives 0
 *
 * Returns 0 when nothing is under way.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_session_events(const tenantdb_session *session);

/**
 * tenantdb_session_timeout_ms() - how long to wait at the most before stepping, in milliseconds
 * @session: a session; NULL gives -1
 *
 * Returns -1 when there is no limit.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_session_timeout_ms(const tenantdb_session *session);

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

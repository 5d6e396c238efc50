/* SPDX-License-Identifier: PostgreSQL */
/*
 * For programs that use libpq themselves: scopes on connections of their own,
 * and libpq's objects behind ours. Opt-in: tenantdb.h does not include it, and
 * who includes it links libpq too (pkg-config --libs tenantdb libpq).
 */
#ifndef TENANTDB_LIBPQ_H
#define TENANTDB_LIBPQ_H

#include <libpq-fe.h>

#include <tenantdb/api.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/result.h>
#include <tenantdb/session.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * tenantdb_session_adopt() - a session on a connection of the caller's
 * @db:         an open database, whose catalog the connection must reach
 * @connection: connected and idle, in no transaction and no pipeline, with client_encoding UTF8
 * @tenant:     slug or id, NUL-terminated UTF-8
 * @options:    NULL for the defaults
 * @session:    receives the session
 * @error:      as everywhere
 *
 * Until tenantdb_session_release() the connection is in pipeline mode and
 * nobody else may touch it. Nothing is prepared on it, and its notice receiver
 * is left as it is. tenantdb_session_close() does the same as release and
 * keeps silent about the outcome.
 *
 * Ownership: @connection stays yours; *session is yours, tenantdb_session_release().
 * Thread:    any; the session itself one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, UNAVAILABLE, MIGRATION, ISOLATION, BUSY, TIMEOUT, CONNECTION,
 *            PERMISSION, UNSUPPORTED, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_adopt(tenantdb *db, PGconn *connection, const char *tenant,
                                                    const tenantdb_session_options *options,
                                                    tenantdb_session **session, tenantdb_error **error);

/**
 * tenantdb_session_release() - give an adopted connection back
 * @session: a session of tenantdb_session_adopt(), or NULL
 * @error:   as everywhere
 *
 * An open transaction is rolled back; scope and pipeline mode are gone. When
 * the answer is not TENANTDB_OK the connection is in doubt: close it. In a child
 * after fork() the answer is STATE, and the connection is to be left alone.
 *
 * Ownership: takes @session in both outcomes; the connection stays yours.
 * Thread:    one at a time.
 * Status:    ARGUMENT, STATE, CONNECTION, TIMEOUT, MEMORY.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_session_release(tenantdb_session *session, tenantdb_error **error);

/**
 * tenantdb_session_pgconn() - the connection behind a session
 * @session: a session
 *
 * To look at (PQbackendPID(), PQparameterStatus()), not to send with: it is
 * in pipeline mode and in the middle of the session's conversation. Returns
 * NULL when there is none, and in a child after fork().
 *
 * Ownership: it belongs to @session, or to whom it was adopted from.
 * Thread:    one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API PGconn *tenantdb_session_pgconn(const tenantdb_session *session);

/**
 * tenantdb_result_pgresult() - the PGresult behind a result
 * @result: a result
 *
 * Returns NULL when the library composed the table itself.
 *
 * Ownership: it belongs to @result; do not clear it.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const PGresult *tenantdb_result_pgresult(const tenantdb_result *result);

#ifdef __cplusplus
}
#endif

#endif

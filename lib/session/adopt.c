/* SPDX-License-Identifier: PostgreSQL */
/* Sessions on connections of the caller's own. */
#include <tenantdb/libpq.h>

#include "session/session.h"

tenantdb_status tenantdb_session_adopt(tenantdb *db, PGconn *connection, const char *tenant,
                                       const tenantdb_session_options *options, tenantdb_session **session,
                                       tenantdb_error **error) {
  tndb_error_reset(error);
  if (session) {
    *session = NULL;
  }
  if (!session || !tenant || !connection) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       !session ? "session"
                       : tenant ? "connection"
                                : "tenant");
  }
  tndb_conn *conn = NULL;
  tenantdb_status status = tndb_database_check(db, error);
  if (!status) {
    status = tndb_conn_adopt(db->config, connection, &conn, error);
  }
  return status ? status : tndb_session_open_on(db, conn, tenant, options, session, error);
}

tenantdb_status tenantdb_session_release(tenantdb_session *session, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!session) {
    return TENANTDB_OK;
  }
  if (session->magic != TNDB_SESSION_MAGIC || !session->adopted) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE,
                       "the session was not made by tenantdb_session_adopt()");
  }
  bool foreign = session->db->fork != tndb_fork_generation();
  if (tndb_session_end(session)) {
    return TENANTDB_OK;
  }
  return foreign ? tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_FORKED,
                               "the connection was adopted before fork() and is the parent's: leave it alone")
                 : tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
                               "the adopted connection is in doubt: close it");
}

PGconn *tenantdb_session_pgconn(const tenantdb_session *session) {
  bool there = session && session->magic == TNDB_SESSION_MAGIC && session->conn;
  return there && !tndb_conn_is_foreign(session->conn) ? session->conn->pg : NULL;
}

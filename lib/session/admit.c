/* SPDX-License-Identifier: PostgreSQL */
/* Statements that a session does not run, refused before anything is sent. */
#include "catalog/strategy.h"
#include "session/call.h"
#include "sql/classify.h"
#include "sql/lasting.h"

tenantdb_status tndb_session_admit(const char *sql, tenantdb_error **error) {
  const char *word = NULL;
  if (tndb_sql_is_plain(sql)) {
    return TENANTDB_OK;
  }
  if (tndb_sql_is_transaction_control(sql, &word)) {
    return tndb_origin(
        error, TENANTDB_ARGUMENT, TENANTDB_REASON_TRANSACTION_CONTROL,
        "%s is not run as a query: use tenantdb_session_begin(), _commit(), _rollback(), _savepoint(), "
        "_rollback_to() or _release()",
        word ? word : "a transaction statement");
  }
  if (tndb_sql_is_client_copy(sql)) {
    return tndb_origin(
        error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE,
        "COPY cannot be run as a query: use tenantdb_session_copy_in() or tenantdb_session_copy_out()");
  }
  if (tndb_sql_changes_role(sql)) {
    return tndb_origin(
        error, TENANTDB_ARGUMENT, TENANTDB_REASON_SCOPE_CONTROL,
        "SET ROLE and SET SESSION AUTHORIZATION are not run as queries: a session keeps the role "
        "of its scope; open another session for another tenant");
  }
  return tndb_sql_is_empty(sql)
             ? tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "the SQL is empty")
             : TENANTDB_OK;
}

/*
 * A connection of the caller's own may go another way than the pool's. What
 * stands on it is asked the first time that it matters, which is a round trip;
 * hardly any session comes here.
 */
static tenantdb_status look_at_adopted(tndb_conn *conn, tndb_deadline deadline, tenantdb_error **error) {
  PGresult *row;
  if (conn->backend) {
    return TENANTDB_OK;
  }
  tenantdb_status status =
      tndb_exchange_single(conn, "SELECT pg_catalog.pg_backend_pid()", NULL, deadline, &row, error);
  if (status) {
    return status;
  }
  bool told = PQntuples(row) == 1 && tndb_number_parse(PQgetvalue(row, 0, 0), &conn->backend);
  PQclear(row);
  return told ? TENANTDB_OK
              : tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_PROTOCOL,
                            "the server does not tell which of its processes answers");
}

/* Whether this session's next transaction may run on another connection to the server than this one. */
static tenantdb_status is_pooled(tenantdb_session *session, bool *pooled, tenantdb_error **error) {
  tndb_conn *conn = session->conn;
  *pooled = tndb_database_is_pooled(session->db);
  if (!session->adopted) {
    return TENANTDB_OK;
  }
  tenantdb_status status = look_at_adopted(conn, tndb_deadline_in(session->timeout_ms), error);
  bool kept = atomic_load(&session->db->strategy) == TENANTDB_STRATEGY_SESSION_POOLER;
  *pooled = !status && !kept && conn->backend != PQbackendPID(conn->pg);
  return status;
}

tenantdb_status tndb_session_admit_here(tenantdb_session *session, const char *sql, tenantdb_error **error) {
  tndb_lasting what;
  bool pooled = false;
  bool possible = session->adopted || tndb_database_is_pooled(session->db);
  if (!possible || !tndb_sql_is_lasting(sql, &what)) {
    return TENANTDB_OK;
  }
  tenantdb_status status = is_pooled(session, &pooled, error);
  if (status || !pooled) {
    return status;
  }
  status =
      tndb_origin(error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_POOLER_BETWEEN,
                  "%s: not through a pooler that gives every transaction another connection, where %s; %s",
                  what.statement, what.why, what.way_out);
  tndb_error_set_hint(error,
                      "tenantdb_isolation() tells how the pooler became known; where it is one that gives "
                      "every client a connection of its own, set option database.pooler to session.");
  return status;
}

tenantdb_status tndb_session_admit_all(tenantdb_session *session, const tndb_call_item *items, size_t count,
                                       tenantdb_error **error) {
  for (size_t i = 0; i < count; i++) {
    tenantdb_status status = tndb_session_admit_here(session, items[i].sql, error);
    if (status && count > 1) {
      tndb_error_prefix(error, "statement %zu of the batch", i);
    }
    if (status) {
      return status;
    }
  }
  return TENANTDB_OK;
}

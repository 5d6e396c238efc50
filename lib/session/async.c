/* SPDX-License-Identifier: PostgreSQL */
/* Driving a session from an event loop. */
#include "base/buffer.h"
#include "pg/rows.h"
#include "session/call.h"
#include "session/values.h"

/* What a call that could be begun goes on with: its flush is got under way. */
static tenantdb_status started(tenantdb_session *session, tenantdb_status status) {
  if (!status) {
    session->step = tndb_call_step(session, false);
  }
  return status;
}

tenantdb_status tenantdb_session_send(tenantdb_session *session, const char *sql,
                                      const tenantdb_params *params, tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_session_check(session, error);
  if (!status && !sql) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "sql is NULL");
  }
  return status ? status : started(session, tndb_call_run_copy(session, sql, params, TNDB_CALL_WHOLE, error));
}

tenantdb_status tenantdb_session_send_statement(tenantdb_session *session,
                                                const tenantdb_statement *statement,
                                                const tenantdb_params *params, tenantdb_error **error) {
  tndb_text *text;
  tndb_error_reset(error);
  tenantdb_status status = tndb_session_text(session, statement, &text, error);
  if (!status) {
    status = started(session, tndb_call_run_text(session, text, params, error));
  }
  tndb_text_release(text);
  return status;
}

static tenantdb_status end_transaction(tenantdb_session *session, bool commit, tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_session_require_transaction(session, error);
  if (!status) {
    status = started(session, commit ? tndb_call_commit(session, error) : tndb_call_rollback(session, error));
  }
  return status;
}

tenantdb_status tenantdb_session_send_commit(tenantdb_session *session, tenantdb_error **error) {
  return end_transaction(session, true, error);
}

tenantdb_status tenantdb_session_send_rollback(tenantdb_session *session, tenantdb_error **error) {
  return end_transaction(session, false, error);
}

tenantdb_status tenantdb_session_step(tenantdb_session *session, int32_t *done, tenantdb_result **result,
                                      tenantdb_error **error) {
  tndb_error_reset(error);
  if (result) {
    *result = NULL;
  }
  if (!done) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "done is NULL");
  }
  *done = 0;
  tenantdb_status status = tndb_session_check_handle(session, error);
  if (!status && (session->call.stage == TNDB_CALL_NONE || session->call.kind != TNDB_CALL_WHOLE)) {
    status =
        tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_NO_CALL, "nothing was started on this session");
  }
  if (status) {
    return status;
  }
  session->step = tndb_call_step(session, true);
  if (session->step != TNDB_STEP_DONE) {
    return TENANTDB_OK;
  }
  *done = 1;
  bool has_rows = session->call.count > 0;
  status = tndb_call_outcome(session, error);
  PGresult *rows = !status && has_rows ? tndb_exchange_take(session->conn, session->item.place) : NULL;
  tndb_item_free(&session->item);
  if (rows && result) {
    return tndb_rows_wrap(rows, result, error);
  }
  PQclear(rows);
  return status;
}

/* ---------------------------------------------------------------- what to wait for */

static bool is_under_way(const tenantdb_session *session) {
  return session && tndb_session_check_handle(session, NULL) == TENANTDB_OK && session->conn &&
         session->call.stage != TNDB_CALL_NONE;
}

int32_t tenantdb_session_socket(const tenantdb_session *session) {
  return session && session->conn && !tndb_conn_is_foreign(session->conn) ? PQsocket(session->conn->pg) : -1;
}

int32_t tenantdb_session_events(const tenantdb_session *session) {
  if (!is_under_way(session) || session->call.stage == TNDB_CALL_ENDED) {
    return 0;
  }
  return TENANTDB_EVENT_READ | (session->step == TNDB_STEP_READ_WRITE ? TENANTDB_EVENT_WRITE : 0);
}

int32_t tenantdb_session_timeout_ms(const tenantdb_session *session) {
  if (!is_under_way(session)) {
    return session && session->call.stage == TNDB_CALL_ENDED ? 0 : -1;
  }
  return session->call.stage == TNDB_CALL_ENDED ? 0 : tndb_deadline_left(session->call.deadline);
}

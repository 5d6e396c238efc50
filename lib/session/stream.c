/* SPDX-License-Identifier: PostgreSQL */
/* Streams: the rows of one statement, a few at a time. */
#include "base/memory.h"
#include "pg/rows.h"
#include "session/call.h"
#include "session/values.h"

#define CANCEL_MS 5000
#define AGAIN_MS 200
#define AGAIN_PARTS 1000

/* The stream is over, whichever way: the session is free again and the result stands alone. */
static void detach(tenantdb_result *result) {
  tenantdb_session *session = result->owner;
  result->stream = NULL;
  result->owner = NULL;
  session->stream = NULL;
  tndb_item_free(&session->item);
}

void tndb_stream_orphan(tenantdb_session *session) {
  if (session->stream) {
    detach(session->stream);
  }
}

static tenantdb_status next(tenantdb_result *result, tenantdb_error **error) {
  tenantdb_session *session = result->owner;
  if (session->conn && tndb_conn_is_foreign(session->conn)) {
    return tndb_session_check_handle(session, error);
  }
  tndb_rows_clear(result);
  session->call.allowed_ms = session->timeout_ms; /* the deadline is of each call, not of the whole stream */
  session->call.deadline = tndb_deadline_in(session->timeout_ms);
  if (session->call.stage != TNDB_CALL_ENDED && tndb_call_wait(session) == TNDB_STEP_ROWS) {
    tndb_rows_set(result, tndb_exchange_take(session->conn, session->item.place));
    return TENANTDB_OK;
  }
  tenantdb_status status = tndb_call_outcome(session, error);
  detach(result);
  return status;
}

/* Freed before its end: the server is asked to stop, and what is still coming is thrown away. */
static void abandon(tenantdb_result *result) {
  tenantdb_session *session = result->owner;
  if (session->conn && tndb_conn_is_foreign(session->conn)) {
    session->call.stage = TNDB_CALL_ENDED; /* in a child: the parent may still be reading */
    session->call.abandoned = true;
    session->conn->dead = true;
  }
  if (session->call.stage != TNDB_CALL_ENDED && session->conn) {
    tndb_deadline patience = tndb_deadline_in(CANCEL_MS);
    tndb_conn_cancel(session->conn);
    session->call.abandoned = true;
    /* A request that came before the statement began was lost: it is repeated when nothing happens, */
    session->call.allowed_ms = CANCEL_MS * 10;
    session->call.deadline = tndb_deadline_in(AGAIN_MS);
    for (int parts = 1; tndb_call_wait(session) == TNDB_STEP_ROWS; parts++) {
      PQclear(tndb_exchange_take(session->conn, session->item.place));
      if (parts == AGAIN_PARTS) {
        tndb_conn_cancel(session->conn); /* or more comes than can have been on the way. */
      }
      /* Rows that were computed before the request came are sent all the same, however many. */
      session->conn->dead = session->conn->dead || tndb_deadline_left(patience) == 0;
    }
  }
  (void)tndb_call_outcome(session, NULL);
  detach(result);
}

tenantdb_status tenantdb_session_stream(tenantdb_session *session, const char *sql,
                                        const tenantdb_params *params, tenantdb_result **result,
                                        tenantdb_error **error) {
  static const tndb_result_stream stream = {next, abandon};
  tndb_error_reset(error);
  if (!result) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  }
  *result = NULL;
  tenantdb_status status = tndb_session_check(session, error);
  if (!status && !sql) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "sql is NULL");
  }
  tenantdb_result *made = NULL;
  if (!status) {
    status = tndb_rows_empty(&made, error);
  }
  if (!status) {
    status = tndb_call_run_copy(session, sql, params, TNDB_CALL_STREAM, error);
  }
  if (status) {
    tenantdb_result_free(made);
    return status;
  }
  made->stream = &stream;
  made->owner = session;
  session->stream = made;
  *result = made;
  return TENANTDB_OK;
}

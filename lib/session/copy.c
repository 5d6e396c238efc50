/* SPDX-License-Identifier: PostgreSQL */
/* COPY in and out, inside the scope. */
#include "pg/copy.h"

#include <string.h>

#include "session/account.h"
#include "session/call.h"
#include "session/traces.h"
#include "session/values.h"
#include "sql/cursor.h"

static tndb_deadline deadline_of(const tenantdb_session *session) {
  return tndb_deadline_in(session->timeout_ms);
}

static bool is_copy(const char *sql) {
  tndb_cursor cursor;
  tndb_cursor_start(&cursor, sql, strlen(sql), 1);
  return tndb_cursor_is_word(&cursor, "copy");
}

static tenantdb_status run_alone(tenantdb_session *session, tndb_call_kind kind, tenantdb_error **error) {
  tenantdb_status status = tndb_call_run(session, kind, NULL, 0, error);
  if (!status) {
    (void)tndb_call_wait(session);
    status = tndb_call_outcome(session, error);
  }
  return status;
}

/* BEGIN and the bind, where they are due; the COPY itself cannot travel in their flush. */
static tenantdb_status enter_scope(tenantdb_session *session, tenantdb_error **error) {
  session->copy_alone = session->state == TNDB_SESSION_IDLE;
  tenantdb_status status = session->copy_alone ? tenantdb_session_begin(session, NULL, error) : TENANTDB_OK;
  if (!status && (session->state != TNDB_SESSION_OPEN || session->scope.timeout)) {
    status = run_alone(session, TNDB_CALL_ENTER, error);
  }
  if (status && session->copy_alone &&
      (session->state == TNDB_SESSION_BEGUN || session->state == TNDB_SESSION_FAILED)) {
    (void)tenantdb_session_rollback(session, NULL);
  }
  return status;
}

/* After the COPY: what the transaction is now, and its end when it was the COPY's own. */
static tenantdb_status end_copy(tenantdb_session *session, tenantdb_status status, tenantdb_error **error) {
  session->copying = TNDB_COPY_NONE;
  if (session->conn && session->conn->dead) {
    tndb_session_break(session);
    return status;
  }
  if (!session->conn) {
    return status;
  }
  session->state = status ? TNDB_SESSION_FAILED : TNDB_SESSION_OPEN;
  if (session->copy_alone) {
    tenantdb_status ended =
        status ? tenantdb_session_rollback(session, NULL) : tenantdb_session_commit(session, error);
    return status ? status : ended;
  }
  return status || !session->scope.timeout ? status : run_alone(session, TNDB_CALL_LEAVE, error);
}

/* What the COPY failed with is counted before it is handed over: the caller may not want to know. */
static tenantdb_status leave(tenantdb_session *session, tenantdb_status status, tenantdb_error *own,
                             tenantdb_error **error) {
  tndb_account_copy(session, status, own);
  if (status) {
    (void)tndb_error_pass(error, own);
  }
  return end_copy(session, status, error);
}

static tenantdb_status start(tenantdb_session *session, const char *sql, int32_t direction,
                             tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_session_check(session, error);
  if (!status && !sql) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "sql is NULL");
  }
  if (!status && !is_copy(sql)) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                         "the SQL is not a COPY statement");
  }
  if (!status && session->state == TNDB_SESSION_FAILED) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED,
                         "the transaction failed earlier: roll it back, or to a savepoint");
  }
  if (!status) {
    status = tndb_session_admit_here(session, sql, error);
  }
  if (!status) {
    status = enter_scope(session, error);
  }
  if (status) {
    return status;
  }
  tenantdb_error *own = NULL;
  status = tndb_copy_start(session->conn, sql, direction == TNDB_COPY_IN, deadline_of(session), &own);
  if (status) {
    return leave(session, status, own, error);
  }
  tndb_traces_note_copy(session->conn, sql);
  session->copying = direction;
  return TENANTDB_OK;
}

static tenantdb_status check_copying(tenantdb_session *session, int32_t direction, tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_session_check_handle(session, error);
  if (!status && session->copying != direction) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_NO_COPY, "no COPY %s is under way",
                         direction == TNDB_COPY_IN ? "FROM STDIN" : "TO STDOUT");
  }
  return status;
}

static void release_row(tenantdb_session *session) {
  tndb_copy_release(session->copy_row);
  session->copy_row = NULL;
}

tenantdb_status tenantdb_session_copy_in(tenantdb_session *session, const char *sql, tenantdb_error **error) {
  return start(session, sql, TNDB_COPY_IN, error);
}

tenantdb_status tenantdb_session_copy_write(tenantdb_session *session, const void *data, size_t length,
                                            tenantdb_error **error) {
  tenantdb_status status = check_copying(session, TNDB_COPY_IN, error);
  if (!status && !data && length > 0) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "data is NULL");
  }
  if (status || length == 0) {
    return status;
  }
  tenantdb_error *own = NULL;
  status = tndb_copy_put(session->conn, data, length, deadline_of(session), &own);
  return status ? leave(session, status, own, error) : TENANTDB_OK;
}

tenantdb_status tenantdb_session_copy_end(tenantdb_session *session, const char *failure, int64_t *rows,
                                          tenantdb_error **error) {
  int64_t taken = 0;
  if (rows) {
    *rows = 0;
  }
  tenantdb_status status = check_copying(session, TNDB_COPY_IN, error);
  if (status) {
    return status;
  }
  tenantdb_error *own = NULL;
  status = tndb_copy_finish(session->conn, failure, &taken, deadline_of(session), &own);
  if (failure && strcmp(tenantdb_error_sqlstate(own), "57014") == 0) {
    /* Given up as asked: the server's "COPY from stdin failed" is the success of that. */
    tenantdb_error_free(own);
    tndb_account_copy(session, TENANTDB_OK, NULL);
    (void)end_copy(session, TENANTDB_CANCELLED, NULL);
    return TENANTDB_OK;
  }
  status = leave(session, status, own, error);
  if (!status && rows) {
    *rows = taken;
  }
  return status;
}

tenantdb_status tenantdb_session_copy_out(tenantdb_session *session, const char *sql,
                                          tenantdb_error **error) {
  return start(session, sql, TNDB_COPY_OUT, error);
}

tenantdb_status tenantdb_session_copy_read(tenantdb_session *session, const void **data, size_t *length,
                                           tenantdb_error **error) {
  if (data) {
    *data = NULL;
  }
  if (length) {
    *length = 0;
  }
  tenantdb_status status = check_copying(session, TNDB_COPY_OUT, error);
  if (!status && (!data || !length)) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                         data ? "length" : "data");
  }
  if (status) {
    return status;
  }
  release_row(session);
  tenantdb_error *own = NULL;
  status = tndb_copy_get(session->conn, &session->copy_row, length, deadline_of(session), &own);
  if (status || !session->copy_row) {
    return leave(session, status, own, error);
  }
  *data = session->copy_row;
  return TENANTDB_OK;
}

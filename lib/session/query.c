/* SPDX-License-Identifier: PostgreSQL */
/* Running statements: alone in one flush, or inside a transaction. */
#include <string.h>

#include "base/buffer.h"
#include "pg/prepared.h"
#include "pg/rows.h"
#include "session/session.h"
#include "sql/classify.h"
#include "statement/params.h"
#include "statement/statement.h"

#define MOST_VALUES 65535

/* ---------------------------------------------------------------- what a statement may leave behind */

/*
 * After these nothing but rows has changed. Every other command may leave
 * something on the connection beyond the transaction (SET, LISTEN, PREPARE, a
 * temporary table, whatever DO and CALL did): then the connection is closed
 * when the session ends instead of being handed on.
 */
static bool leaves_nothing(PGresult *result) {
  static const char *const clean[] = {"INSERT",       "UPDATE",         "DELETE",     "MERGE",
                                      "EXPLAIN",      "SHOW",           "FETCH",      "MOVE",
                                      "CLOSE CURSOR", "TRUNCATE TABLE", "LOCK TABLE", "ANALYZE"};
  const char *tag = PQcmdStatus(result);
  if (strncmp(tag, "SELECT", 6) == 0) {
    return PQresultStatus(result) ==
           PGRES_TUPLES_OK; /* SELECT INTO, which may make a temporary table, has no rows */
  }
  for (size_t i = 0; i < sizeof clean / sizeof clean[0]; i++) {
    if (strncmp(tag, clean[i], strlen(clean[i])) == 0) {
      return true;
    }
  }
  return false;
}

/* Whether the text at `at` is the word, in any case. */
static bool has_word(const char *at, const char *lower) {
  while (*lower && (*at == *lower || (*at >= 'A' && *at <= 'Z' && *at + 32 == *lower))) {
    at++;
    lower++;
  }
  return *lower == '\0';
}

/* Calls that reach beyond the transaction. Their names hold an underscore: only those places are looked at.
 */
static bool calls_beyond(const char *sql) {
  for (const char *at = strchr(sql, '_'); at; at = strchr(at + 1, '_')) {
    if ((at - sql >= 3 && has_word(at - 3, "set_config")) ||
        (at - sql >= 8 && has_word(at - 8, "advisory_lock"))) {
      return true;
    }
  }
  return false;
}

static void note_traces(tndb_conn *conn, const char *sql, PGresult *result) {
  if (!leaves_nothing(result) || calls_beyond(sql)) {
    conn->tainted = true;
  }
}

/* ---------------------------------------------------------------- after the exchange */

/* The connection died. What the server said last is certain; without it a COMMIT that was sent is not. */
static tenantdb_status died(tenantdb_session *session, bool commit_sent, tenantdb_error *own,
                            tenantdb_error **error) {
  size_t failed = tndb_exchange_failed(session->conn);
  const PGresult *last = failed == TNDB_NONE ? NULL : tndb_exchange_result(session->conn, failed);
  bool server_said = last && PQresultErrorField(last, PG_DIAG_SQLSTATE);
  bool certain = !commit_sent || server_said || session->read_only || session->conn->send_failed ||
                 session->conn->copy_answered;
  tndb_session_break(session);
  if (certain) {
    return tndb_error_pass(error, own);
  }
  tenantdb_status status =
      tndb_origin(error, TENANTDB_UNKNOWN, TENANTDB_REASON_OUTCOME_UNKNOWN,
                  "%s; it happened while the transaction was committed, so nobody can tell whether it was",
                  tenantdb_error_message(own));
  tenantdb_error_free(own);
  return status;
}

/* A statement failed and the server still has the transaction open. */
static void roll_back(tenantdb_session *session) {
  if (!tndb_conn_is_idle(session->conn) &&
      tndb_exchange_rollback(session->conn, tndb_session_deadline(session), NULL)) {
    tndb_session_break(session); /* the statement's own failure is what the caller needs to know */
  }
}

static void add_hint(tenantdb_session *session, tenantdb_error **error) {
  if (!error || !*error) {
    return;
  }
  tndb_error_set_tenant(error, session->tenant ? session->tenant->slug : "");
  if (strcmp(tenantdb_error_sqlstate(*error), "42P01") == 0 && !tenantdb_error_hint(*error)[0]) {
    tndb_error_set_hint(
        error, session->tenant
                   ? "Only the tenant's own tables are found without a schema; a shared table is named "
                     "{base.table} in a compiled statement."
                   : "Only the shared schema's tables are found without a schema.");
  }
}

/* ---------------------------------------------------------------- a statement of its own */

/* Where the four parts of a flush of our own stand in it. */
typedef struct flush {
  size_t bind;
  size_t query;
  size_t commit;
} flush;

static tenantdb_status send_alone(tenantdb_session *session, const char *sql, const tndb_values *values,
                                  flush *places, tenantdb_error **own) {
  tndb_conn *conn = session->conn;
  tndb_exchange_begin(conn);
  if (session->read_only) {
    (void)tndb_prepared_send_fixed(conn, "begin read only", "BEGIN READ ONLY", NULL);
  } else {
    (void)tndb_prepared_send_fixed(conn, "begin", "BEGIN", NULL);
  }
  places->bind = tndb_scope_bind(&session->scope, conn);
  places->query = tndb_prepared_send(conn, session->scope.path, sql, values);
  places->commit = tndb_prepared_send_fixed(conn, "commit", "COMMIT", NULL);
  return tndb_exchange_finish(conn, tndb_session_deadline(session), own);
}

/*
 * A prepared statement that is no longer there, or whose result has changed its
 * shape since: the transaction did nothing, so it can be run again unprepared.
 */
static bool is_stale_statement(const tndb_conn *conn) {
  size_t failed = tndb_exchange_failed(conn);
  const char *code =
      failed == TNDB_NONE ? NULL : PQresultErrorField(tndb_exchange_result(conn, failed), PG_DIAG_SQLSTATE);
  return conn->direct && code && (strcmp(code, "26000") == 0 || strcmp(code, "0A000") == 0);
}

static tenantdb_status finish_alone(tenantdb_session *session, const char *sql, const flush *places,
                                    PGresult **rows, tenantdb_error **error) {
  tndb_conn *conn = session->conn;
  size_t failed = tndb_exchange_failed(conn);
  if (failed == TNDB_NONE) {
    if (!tndb_exchange_committed(conn, places->commit)) {
      tndb_session_break(session);
      return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_TRANSACTION_LOST,
                         "the server rolled back where it was asked to commit");
    }
    tndb_scope_bound(conn, places->bind);
    note_traces(conn, sql, tndb_exchange_result(conn, places->query));
    *rows = tndb_exchange_take(conn, places->query);
    return TENANTDB_OK;
  }
  tenantdb_status status;
  if (failed == places->bind) {
    status = tndb_session_refused(session, tndb_exchange_result(conn, failed), error);
  } else {
    status = tndb_exchange_check(conn, error);
    add_hint(session, error);
  }
  if (session->state != TNDB_SESSION_BROKEN) {
    roll_back(session);
  }
  return status;
}

static tenantdb_status run_alone(tenantdb_session *session, const char *sql, const tndb_values *values,
                                 PGresult **rows, tenantdb_error **error) {
  flush places;
  tenantdb_error *own = NULL;
  tenantdb_status status = send_alone(session, sql, values, &places, &own);
  if (!status && is_stale_statement(session->conn)) {
    tndb_prepared_forget(session->conn);
    roll_back(session);
    if (session->state != TNDB_SESSION_BROKEN) {
      status = send_alone(session, sql, values, &places, &own);
    }
  }
  if (session->state == TNDB_SESSION_BROKEN) {
    return tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
                       "the connection broke; nothing of the statement was done");
  }
  return status ? died(session, places.commit != TNDB_NONE, own, error)
                : finish_alone(session, sql, &places, rows, error);
}

/* ---------------------------------------------------------------- a statement of a transaction */

/* The transaction must still be there: a procedure or a trick that ended it has ended the scope too. */
static tenantdb_status follow_transaction(tenantdb_session *session, tenantdb_error **error) {
  switch (PQtransactionStatus(session->conn->pg)) {
    case PQTRANS_INTRANS:
      session->state = TNDB_SESSION_OPEN;
      return TENANTDB_OK;
    case PQTRANS_INERROR:
      session->state = TNDB_SESSION_FAILED;
      return TENANTDB_OK;
    default:
      tndb_session_break(session);
      return tndb_origin(
          error, TENANTDB_ISOLATION, TENANTDB_REASON_TRANSACTION_LOST,
          "the transaction ended without being asked to, and the scope with it; the connection is "
          "closed");
  }
}

/* BEGIN and the bind go with the first statement. */
static tenantdb_status send_inside(tenantdb_session *session, const char *sql, const tndb_values *values,
                                   flush *places, tenantdb_error **own) {
  tndb_conn *conn = session->conn;
  places->bind = TNDB_NONE;
  tndb_exchange_begin(conn);
  if (session->state == TNDB_SESSION_BEGUN) {
    (void)tndb_prepared_send_fixed(conn, session->begin_sql, session->begin_sql, NULL);
    places->bind = tndb_scope_bind(&session->scope, conn);
  }
  places->query = tndb_prepared_send(conn, session->scope.path, sql, values);
  return tndb_exchange_finish(conn, tndb_session_deadline(session), own);
}

static tenantdb_status finish_inside(tenantdb_session *session, const char *sql, const flush *places,
                                     PGresult **rows, tenantdb_error **error) {
  tndb_conn *conn = session->conn;
  size_t failed = tndb_exchange_failed(conn);
  if (failed != TNDB_NONE && failed == places->bind) {
    tenantdb_status status = tndb_session_refused(session, tndb_exchange_result(conn, failed), error);
    if (session->state != TNDB_SESSION_BROKEN) {
      session->state = TNDB_SESSION_FAILED;
    }
    return status;
  }
  tenantdb_status status = tndb_exchange_check(conn, error);
  add_hint(session, error);
  if (!status) {
    tndb_scope_bound(conn, places->bind);
    note_traces(conn, sql, tndb_exchange_result(conn, places->query));
  }
  tenantdb_status followed = follow_transaction(session, error);
  if (!status && !followed) {
    *rows = tndb_exchange_take(conn, places->query);
  }
  return followed ? followed : status;
}

static tenantdb_status run_inside(tenantdb_session *session, const char *sql, const tndb_values *values,
                                  PGresult **rows, tenantdb_error **error) {
  flush places;
  tenantdb_error *own = NULL;
  bool first = session->state == TNDB_SESSION_BEGUN;
  tenantdb_status status = send_inside(session, sql, values, &places, &own);
  if (!status && first && is_stale_statement(session->conn)) {
    tndb_prepared_forget(session->conn); /* nothing was done in this transaction yet */
    roll_back(session);
    if (session->state != TNDB_SESSION_BROKEN) {
      status = send_inside(session, sql, values, &places, &own);
    }
  }
  if (session->state == TNDB_SESSION_BROKEN) {
    return tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
                       "the connection broke; the transaction was rolled back");
  }
  return status ? died(session, false, own, error) : finish_inside(session, sql, &places, rows, error);
}

tenantdb_status tndb_session_send(tenantdb_session *session, const char *sql, const tndb_values *values,
                                  PGresult **rows, tenantdb_error **error) {
  *rows = NULL;
  if (session->state == TNDB_SESSION_FAILED) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED,
                       "the transaction failed earlier: roll it back, or to a savepoint");
  }
  /* A server that has closed the connection says so on the socket: then nothing is sent, and that is certain.
   */
  if (tndb_conn_is_stale(session->conn)) {
    tndb_session_break(session);
    return tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
                       "the server has closed the connection; the statement was not sent");
  }
  return session->state == TNDB_SESSION_IDLE ? run_alone(session, sql, values, rows, error)
                                             : run_inside(session, sql, values, rows, error);
}

tenantdb_status tndb_session_statement(tenantdb_session *session, const char *sql, const tndb_values *values,
                                       PGresult **rows, tenantdb_error **error) {
  const char *word = NULL;
  *rows = NULL;
  if (tndb_sql_is_transaction_control(sql, &word)) {
    return tndb_origin(
        error, TENANTDB_ARGUMENT, TENANTDB_REASON_TRANSACTION_CONTROL,
        "%s is not run as a query: use tenantdb_session_begin(), _commit(), _rollback(), _savepoint(), "
        "_rollback_to() or _release()",
        word ? word : "a transaction statement");
  }
  if (tndb_sql_is_empty(sql)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "the SQL is empty");
  }
  return tndb_session_send(session, sql, values, rows, error);
}

/* ---------------------------------------------------------------- the public calls */

static tenantdb_status check_call(const tenantdb_session *session, const char *sql, tenantdb_error **error) {
  tenantdb_status status = tndb_session_check(session, error);
  if (!status && !sql) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "sql is NULL");
  }
  return status;
}

/* Hand the rows out as a result, or drop them when the caller wants none. */
static tenantdb_status hand_out(PGresult *rows, tenantdb_result **result, tenantdb_error **error) {
  if (!result) {
    PQclear(rows);
    return TENANTDB_OK;
  }
  return tndb_rows_wrap(rows, result, error);
}

static tenantdb_status run_with_params(tenantdb_session *session, const char *sql,
                                       const tenantdb_params *params, PGresult **rows,
                                       tenantdb_error **error) {
  tenantdb_status status = tndb_params_mistake(params, error);
  if (status) {
    return status;
  }
  tndb_values values = {tndb_params_count(params), tndb_params_values(params), tndb_params_lengths(params),
                        NULL};
  return tndb_session_statement(session, sql, &values, rows, error);
}

tenantdb_status tenantdb_session_query(tenantdb_session *session, const char *sql,
                                       const tenantdb_params *params, tenantdb_result **result,
                                       tenantdb_error **error) {
  PGresult *rows;
  tndb_error_reset(error);
  if (result) {
    *result = NULL;
  }
  tenantdb_status status = check_call(session, sql, error);
  if (!status) {
    status = run_with_params(session, sql, params, &rows, error);
  }
  return status ? status : hand_out(rows, result, error);
}

tenantdb_status tenantdb_session_query_text(tenantdb_session *session, const char *sql, int32_t n_values,
                                            const char *const *values, tenantdb_result **result,
                                            tenantdb_error **error) {
  PGresult *rows;
  tndb_error_reset(error);
  if (result) {
    *result = NULL;
  }
  tenantdb_status status = check_call(session, sql, error);
  if (!status && (n_values < 0 || n_values > MOST_VALUES)) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                         "n_values is %d, out of its range 0 to %d", (int)n_values, MOST_VALUES);
  }
  if (!status && n_values > 0 && !values) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "values is NULL");
  }
  if (!status) {
    tndb_values with = {n_values, values, NULL, NULL};
    status = tndb_session_statement(session, sql, &with, &rows, error);
  }
  return status ? status : hand_out(rows, result, error);
}

tenantdb_status tenantdb_session_exec(tenantdb_session *session, const char *sql,
                                      const tenantdb_params *params, int64_t *affected,
                                      tenantdb_error **error) {
  PGresult *rows;
  tndb_error_reset(error);
  if (affected) {
    *affected = 0;
  }
  tenantdb_status status = check_call(session, sql, error);
  if (!status) {
    status = run_with_params(session, sql, params, &rows, error);
  }
  if (status) {
    return status;
  }
  if (affected) {
    *affected = tndb_rows_affected(rows);
  }
  PQclear(rows);
  return TENANTDB_OK;
}

tenantdb_status tenantdb_session_run(tenantdb_session *session, const tenantdb_statement *statement,
                                     const tenantdb_params *params, tenantdb_result **result,
                                     tenantdb_error **error) {
  PGresult *rows;
  tndb_error_reset(error);
  if (result) {
    *result = NULL;
  }
  tenantdb_status status = tndb_session_check(session, error);
  if (!status && !statement) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "statement is NULL");
  }
  if (status) {
    return status;
  }
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *schema = session->tenant ? session->scope.schema : NULL;
  status = tndb_statement_render(statement, schema, tndb_database_shared_schema(session->db), &sql, error);
  if (!status) {
    status = run_with_params(session, tndb_buffer_text(&sql), params, &rows, error);
  }
  return status ? status : hand_out(rows, result, error);
}

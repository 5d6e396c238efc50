/* SPDX-License-Identifier: PostgreSQL */
/* Running statements, the blocking way. */
#include "base/buffer.h"
#include "pg/rows.h"
#include "session/call.h"
#include "session/values.h"
#include "sql/classify.h"
#include "statement/statement.h"

#define MOST_VALUES 65535

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

tenantdb_status tndb_session_render(const tenantdb_session *session, const tenantdb_statement *statement,
                                    tndb_buffer *sql, tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_session_check(session, error);
  if (!status && !statement) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "statement is NULL");
  }
  return status ? status
                : tndb_statement_render(statement, session->tenant ? session->scope.schema : NULL,
                                        tndb_database_shared_schema(session->db), sql, error);
}

static tenantdb_status run_statement(tenantdb_session *session, const char *sql, const tndb_values *values,
                                     PGresult **rows, tenantdb_error **error) {
  tenantdb_status status = tndb_session_admit(sql, error);
  return status ? status : tndb_session_send_now(session, sql, values, rows, error);
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
  tndb_values values = tndb_values_of(params);
  return run_statement(session, sql, &values, rows, error);
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
    tndb_values with = {n_values, values, NULL, NULL, NULL};
    status = run_statement(session, sql, &with, &rows, error);
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
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tenantdb_status status = tndb_session_render(session, statement, &sql, error);
  if (!status) {
    status = run_with_params(session, tndb_buffer_text(&sql), params, &rows, error);
  }
  return status ? status : hand_out(rows, result, error);
}

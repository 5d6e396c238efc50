/* SPDX-License-Identifier: PostgreSQL */
/* Running statements, the blocking way. */
#include "pg/prepared.h"
#include "pg/rows.h"
#include "session/call.h"
#include "session/values.h"
#include "statement/statement.h"

#define MOST_VALUES 65535

tenantdb_status tndb_session_text_for(tenantdb_session *session, const tenantdb_statement *statement,
                                      const char *schema, tndb_text **text, tenantdb_error **error) {
  tenantdb_status status = tndb_prepared_text(session->conn, statement, schema,
                                              tndb_database_shared_schema(session->db), text, error);
  if (!status && !(*text)->admitted) {
    status = tndb_session_admit((*text)->sql, error);
    (*text)->admitted = !status;
  }
  return status;
}

tenantdb_status tndb_session_text(tenantdb_session *session, const tenantdb_statement *statement,
                                  tndb_text **text, tenantdb_error **error) {
  *text = NULL;
  tenantdb_status status = tndb_session_check(session, error);
  if (!status) {
    status = tndb_statement_check(statement, error);
  }
  if (!status && !session->tenant && tndb_statement_names_tenant(statement)) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_MISSING_SCHEMA_NAME,
                         "the statement names a tenant's table or {schema}, and this session is no tenant's: "
                         "open one with tenantdb_session_open(), or name the tenant with "
                         "tenantdb_session_run_for()");
  }
  return status ? status : tndb_session_text_for(session, statement, session->scope.schema, text, error);
}

/* The session's item from beginning to end. */
static tenantdb_status run_item(tenantdb_session *session, PGresult **rows, tenantdb_error **error) {
  *rows = NULL;
  tenantdb_status status = tndb_call_run(session, TNDB_CALL_WHOLE, &session->item, 1, error);
  if (status) {
    return status;
  }
  (void)tndb_call_wait(session);
  status = tndb_call_outcome(session, error);
  if (!status) {
    *rows = tndb_exchange_take(session->conn, session->item.place);
  }
  return status;
}

tenantdb_status tndb_session_send_now(tenantdb_session *session, const char *sql, const tndb_values *values,
                                      PGresult **rows, tenantdb_error **error) {
  static const tndb_values none = {0, NULL, NULL, NULL, NULL};
  session->item = (tndb_call_item){sql, values ? *values : none, TNDB_NONE, NULL, NULL};
  return run_item(session, rows, error);
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

tenantdb_status tndb_session_run_text(tenantdb_session *session, tndb_text *text,
                                      const tenantdb_params *params, tenantdb_result **result,
                                      tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status = tndb_params_mistake(params, error);
  if (!status) {
    tndb_values values = tndb_values_of(params);
    session->item = (tndb_call_item){text->sql, values, TNDB_NONE, NULL, text};
    status = run_item(session, &rows, error);
    session->item.text = NULL; /* it is held for the time of the call alone */
  }
  return status ? status : hand_out(rows, result, error);
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
  tndb_text *text;
  tndb_error_reset(error);
  if (result) {
    *result = NULL;
  }
  tenantdb_status status = tndb_session_text(session, statement, &text, error);
  if (!status) {
    status = tndb_session_run_text(session, text, params, result, error);
  }
  tndb_text_release(text);
  return status;
}

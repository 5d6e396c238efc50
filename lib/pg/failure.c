/* SPDX-License-Identifier: PostgreSQL */
#include "pg/failure.h"

#include <string.h>

#include "config/property.h"
#include "pg/pooler.h"
#include "pg/sqlstate.h"

static int32_t position_of(const PGresult *result) {
  const char *text = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
  int64_t position = 0;
  return text && tndb_number_parse(text, &position) && position > 0 && position < INT32_MAX
             ? (int32_t)position
             : 0;
}

static const tndb_sqlstate farewell = {"08P01", TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
                                       TENANTDB_RETRY_NEW_SESSION};

/* 08P01 is a mistake in a statement to the server, but a pooler ends connections with it. */
static bool is_farewell(const PGresult *result) {
  const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  severity = severity ? severity : PQresultErrorField(result, PG_DIAG_SEVERITY);
  return sqlstate && severity && strcmp(sqlstate, "08P01") == 0 && strcmp(severity, "FATAL") == 0;
}

tenantdb_status tndb_failure_of_result(const PGresult *result, tenantdb_error **error) {
  if (!result) {
    return tndb_no_memory(error);
  }
  const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const tndb_pooler_word *pooler = tndb_pooler_word_find(sqlstate, message);
  const tndb_sqlstate *row = pooler                ? &pooler->row
                             : is_farewell(result) ? &farewell
                                                   : tndb_sqlstate_find(sqlstate);
  if (!message || !*message) {
    message = PQresultErrorMessage(result);
  }
  if (!message || !*message) {
    message = "the server refused without saying why";
  }
  const char *way_out = pooler ? pooler->way_out : NULL;
  (void)tndb_origin(error, row->status, row->reason, "%s%s%s", message, way_out ? ": " : "",
                    way_out ? way_out : "");
  tndb_server_fields fields = {sqlstate, PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL),
                               PQresultErrorField(result, PG_DIAG_MESSAGE_HINT),
                               PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME), position_of(result)};
  tndb_error_set_server(error, &fields);
  tndb_error_set_retry(error, row->retry);
  return row->status;
}

bool tndb_failure_is_check(const PGresult *result, char text[200]) {
  const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
  const char *at = message ? strstr(message, TNDB_CHECK_PREFIX) : NULL;
  if (!at) {
    return false;
  }
  at += strlen(TNDB_CHECK_PREFIX);
  size_t length = strlen(at);
  if (length > 0 && at[length - 1] == '"') {
    length--; /* the server quotes what it could not cast */
  }
  length = length < 199 ? length : 199;
  memcpy(text, at, length);
  text[length] = '\0';
  return true;
}

/* ---------------------------------------------------------------- connecting */

static bool is_code(const char *at) {
  for (int i = 0; i < 5; i++) {
    if (!((at[i] >= '0' && at[i] <= '9') || (at[i] >= 'A' && at[i] <= 'Z'))) {
      return false;
    }
  }
  return true;
}

/*
 * libpq gives no SQLSTATE for a refused connection, but with verbose errors the
 * text carries it: "... FATAL:  28P01: password authentication failed". The
 * words around it may be in any language.
 */
static const char *find_code(const char *message) {
  for (const char *at = strstr(message, ":  "); at; at = strstr(at + 1, ":  ")) {
    if (strlen(at) > 9 && is_code(at + 3) && at[8] == ':' && at[9] == ' ') {
      return at + 3;
    }
  }
  return NULL;
}

tenantdb_status tndb_failure_of_connect(PGconn *pg, tenantdb_error **error) {
  const char *message = PQerrorMessage(pg);
  const char *code = find_code(message);
  size_t length = strcspn(message, "\n");
  if (!code) {
    bool wants_password = PQconnectionNeedsPassword(pg) == 1;
    (void)tndb_origin(error, wants_password ? TENANTDB_PERMISSION : TENANTDB_CONNECTION,
                      wants_password ? TENANTDB_REASON_AUTHENTICATION : TENANTDB_REASON_CONNECT_FAILED,
                      "cannot connect: %.*s", (int)length, message);
    tndb_error_set_retry(error, wants_password ? TENANTDB_RETRY_NEVER : TENANTDB_RETRY_LATER);
    return wants_password ? TENANTDB_PERMISSION : TENANTDB_CONNECTION;
  }
  char sqlstate[6] = {code[0], code[1], code[2], code[3], code[4], '\0'};
  const char *said = code + 7;
  const tndb_pooler_word *pooler = tndb_pooler_word_find(sqlstate, said);
  const char *way_out = pooler ? pooler->way_out : NULL;
  const tndb_sqlstate *row = pooler ? &pooler->row : tndb_sqlstate_find(sqlstate);
  if (row->status == TENANTDB_SQL) {
    /* There is no SQL yet: a start-up parameter that the server, or a pooler, does not take. */
    static const tndb_sqlstate refused = {"", TENANTDB_CONNECTION, TENANTDB_REASON_CONNECT_FAILED,
                                          TENANTDB_RETRY_NEVER};
    row = &refused;
  }
  (void)tndb_origin(error, row->status, row->reason, "cannot connect: %.*s%s%s", (int)strcspn(said, "\n"),
                    said, way_out ? ": " : "", way_out ? way_out : "");
  tndb_server_fields fields = {sqlstate, NULL, NULL, NULL, 0};
  tndb_error_set_server(error, &fields);
  tndb_error_set_retry(error, row->retry);
  return row->status;
}

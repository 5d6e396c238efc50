/* SPDX-License-Identifier: PostgreSQL */
/* What is behind a tenantdb_session, for the files of this room. */
#ifndef TNDB_SESSION_SESSION_H
#define TNDB_SESSION_SESSION_H

#include <tenantdb/session.h>

#include "catalog/tenants.h"
#include "session/scope.h"

typedef enum tndb_session_state {
  TNDB_SESSION_IDLE,   /* no transaction */
  TNDB_SESSION_BEGUN,  /* asked to begin; BEGIN and the bind go with the first statement */
  TNDB_SESSION_OPEN,   /* in a transaction, bound and proved */
  TNDB_SESSION_FAILED, /* in a transaction that can only be rolled back */
  TNDB_SESSION_BROKEN  /* no connection, or one in doubt */
} tndb_session_state;

struct tenantdb_session {
  uint32_t magic;
  tenantdb *db;
  tndb_conn *conn;
  tndb_scope scope;
  tndb_session_state state;
  tenantdb_tenant *tenant; /* as it was known when the session was opened; NULL for a shared session */
  char *path;              /* a shared session's own */
  int64_t timeout_ms;
  bool read_only;
  char *begin_sql; /* of the transaction begun */
};

/* Options as they are needed. */
typedef struct tndb_session_settings {
  int64_t timeout_ms;
  bool read_only;
} tndb_session_settings;
tenantdb_status tndb_session_settings_read(const tenantdb *db, const tenantdb_session_options *options,
                                           tndb_session_settings *settings, tenantdb_error **error);

/* Every public call on a session begins with this: NULL, foreign or freed, database closed, broken. */
tenantdb_status tndb_session_check(const tenantdb_session *session, tenantdb_error **error);
tndb_deadline tndb_session_deadline(const tenantdb_session *session);
/* Give the session up: the connection is closed, later calls are refused. */
void tndb_session_break(tenantdb_session *session);
/*
 * After a bind was refused: close the connection and say why, by asking the
 * catalog whether the tenant is still open.
 */
tenantdb_status tndb_session_refused(tenantdb_session *session, PGresult *result, tenantdb_error **error);
/* Raise UNAVAILABLE or NOT_FOUND unless the tenant is active. */
tenantdb_status tndb_session_require_active(const tenantdb_tenant *tenant, tenantdb_error **error);

/* One statement with its values, wherever they came from. */
tenantdb_status tndb_session_statement(tenantdb_session *session, const char *sql, const tndb_values *values,
                                       PGresult **rows, tenantdb_error **error);
/* The same without the check for statements that control transactions. */
tenantdb_status tndb_session_send(tenantdb_session *session, const char *sql, const tndb_values *values,
                                  PGresult **rows, tenantdb_error **error);

#endif

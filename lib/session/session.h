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

/* One statement of a call, and where in the exchange it stands. */
typedef struct tndb_call_item {
  const char *sql;
  tndb_values values;
  size_t place;
} tndb_call_item;

typedef enum tndb_stage {
  TNDB_CALL_NONE,     /* no call under way */
  TNDB_CALL_RUN,      /* the flush that does what was asked for */
  TNDB_CALL_RETRY,    /* ROLLBACK, then the same again, unprepared */
  TNDB_CALL_RECOVER,  /* ROLLBACK after a failure that is known already */
  TNDB_CALL_LOOK,     /* ROLLBACK, and what the catalog says of a tenant whose scope was refused */
  TNDB_CALL_COMMIT,   /* the caller's COMMIT */
  TNDB_CALL_ROLLBACK, /* the caller's ROLLBACK */
  TNDB_CALL_ENDED     /* the outcome is there */
} tndb_stage;

typedef struct tndb_call {
  tndb_stage stage;
  tndb_call_item *items;
  size_t count;
  bool stream;
  bool begins;  /* BEGIN and the bind are part of the flush */
  bool commits; /* COMMIT is part of the flush */
  bool retried;
  size_t bind; /* places in the exchange */
  size_t commit;
  size_t look;
  int64_t allowed_ms;
  tndb_deadline deadline;
  tenantdb_status status;
  tenantdb_error *error;
} tndb_call;

struct tenantdb_session {
  uint32_t magic;
  tenantdb *db;
  tndb_conn *conn;
  tndb_scope scope;
  tndb_session_state state;
  tndb_call call;
  tndb_call_item item;     /* of calls that run one statement */
  tenantdb_tenant *tenant; /* as it was known when the session was opened; NULL for a shared session */
  char *path;              /* a shared session's own */
  char timeout_text[24];
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

/* Every public call on a session begins with this: NULL, foreign or freed, database closed, broken, busy. */
tenantdb_status tndb_session_check(const tenantdb_session *session, tenantdb_error **error);
/* Give the session up: the connection is closed, later calls are refused. */
void tndb_session_break(tenantdb_session *session);
/* Raise UNAVAILABLE or NOT_FOUND for a tenant in any state but active. */
tenantdb_status tndb_session_require_active(const char *slug, int32_t state, tenantdb_error **error);

#endif

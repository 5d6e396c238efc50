/* SPDX-License-Identifier: PostgreSQL */
/* What is behind a tenantdb_session, for the files of this room. */
#ifndef TNDB_SESSION_SESSION_H
#define TNDB_SESSION_SESSION_H

#include <tenantdb/session.h>

#include "catalog/tenants.h"
#include "session/scope.h"
#include "statement/cache.h"

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
  void *block;     /* what a copy of our own consists of, or NULL */
  tndb_text *text; /* whose SQL it is, held, when it is a compiled statement's */
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

/*
 * A stream and a COPY last as long as the caller takes over them. So the server
 * is not told the deadline, and a stream's COMMIT waits for its end, or one that
 * is given up halfway might be committed all the same. Unless it is read only:
 * then that makes no difference, and COMMIT goes along.
 */
typedef enum tndb_call_kind {
  TNDB_CALL_WHOLE,  /* the answers come whole */
  TNDB_CALL_STREAM, /* the rows of the only statement come a few at a time */
  TNDB_CALL_ENTER,  /* no statement: makes the transaction ready for a COPY */
  TNDB_CALL_LEAVE   /* no statement: after it */
} tndb_call_kind;

typedef struct tndb_call {
  tndb_stage stage;
  tndb_call_item *items;
  size_t count;
  tndb_call_kind kind;
  bool begins;    /* BEGIN and the bind are part of the flush */
  bool alone;     /* the transaction is the call's own */
  bool bare;      /* … and the server's: one statement on the tenant's own connection, proved before */
  bool commits;   /* … and its COMMIT is part of the flush */
  bool abandoned; /* … and is not to be committed */
  bool rows_seen; /* rows were handed out: too late to run it again */
  bool retried;
  bool suspected;  /* the statement may have failed since the tenant was shut */
  bool was_failed; /* the COMMIT of a failed transaction: a ROLLBACK that answers STATE */
  bool inside;     /* a transaction is open, or begun by the call */
  bool undoes;     /* the caller's ROLLBACK */
  int backend_pid; /* for who is told of it when the connection is gone */
  int rollbacks;   /* how often ROLLBACK had to be repeated */
  void (*collect)(void *batch, tndb_conn *conn); /* takes the answers before anything else is sent */
  void *batch;
  size_t bind; /* places in the exchange */
  size_t commit;
  size_t look;
  int64_t allowed_ms;
  tndb_deadline deadline;
  tenantdb_status status;
  tenantdb_error *error;
} tndb_call;

#define TNDB_SESSION_MAGIC 0x73657373u /* "sess" */

struct tenantdb_session {
  uint32_t magic;
  tenantdb *db;
  tndb_conn *conn;
  tndb_scope scope;
  tndb_session_state state;
  tndb_call call;
  tndb_call_item item;     /* of calls that run one statement */
  tndb_step step;          /* what the call waits for, on an event loop */
  tenantdb_result *stream; /* the stream that is open, or NULL */
  int32_t copying;         /* 0, or which way a COPY goes */
  char *copy_row;          /* the row last read */
  bool copy_alone;         /* … in a transaction of its own */
  tndb_mutex cancel_mutex; /* guards conn against being closed while another thread cancels */
  tenantdb_tenant *tenant; /* as it was known when the session was opened; NULL for a shared session */
  char *path;              /* a shared session's own */
  char timeout_text[24];
  int64_t timeout_ms;
  bool read_only;
  bool binary;     /* results come in binary form */
  bool unprepared; /* its statements are not run again: none is kept prepared */
  bool proved;     /* the scope was proved on this connection, which is the tenant's own */
  bool adopted;    /* the connection is the caller's own */
  char *begin_sql; /* of the transaction begun */
};

/* Values of `copying`. */
enum { TNDB_COPY_NONE, TNDB_COPY_IN, TNDB_COPY_OUT };

/* Options as they are needed. */
typedef struct tndb_session_settings {
  int64_t timeout_ms;
  bool read_only;
  bool binary;
  int64_t min_version;
  int64_t wait_version_ms;
} tndb_session_settings;
tenantdb_status tndb_session_settings_read(const tenantdb *db, const tenantdb_session_options *options,
                                           tndb_session_settings *settings, tenantdb_error **error);

/* An empty session, to be given its connection and scope. tndb_session_end() in every case. */
tenantdb_status tndb_session_new(tenantdb *db, const tndb_session_settings *settings, tenantdb_session **out,
                                 tenantdb_error **error);
/* Every public call on a session begins with this: NULL, foreign or freed, database closed, broken, busy. */
tenantdb_status tndb_session_check(const tenantdb_session *session, tenantdb_error **error);
/* The same for the calls that go on with what is under way. */
tenantdb_status tndb_session_check_handle(const tenantdb_session *session, tenantdb_error **error);
tenantdb_status tndb_session_require_transaction(const tenantdb_session *session, tenantdb_error **error);
/* Open on a connection that is given, or on one of the pool when it is NULL; `tenant` NULL: a shared session.
 */
tenantdb_status tndb_session_open_on(tenantdb *db, tndb_conn *conn, const char *tenant,
                                     const tenantdb_session_options *options, tenantdb_session **out,
                                     tenantdb_error **error);
/* Close; false when an adopted connection is in doubt. */
bool tndb_session_end(tenantdb_session *session);
/* The session is going away: a stream that is still open ends. */
void tndb_stream_orphan(tenantdb_session *session);
/* Give the session up: the connection is closed, later calls are refused. */
void tndb_session_break(tenantdb_session *session);
/* Raise UNAVAILABLE or NOT_FOUND for a tenant in any state but active; his properties tell where he moved. */
tenantdb_status tndb_session_require_active(const char *slug, int32_t state, const char *properties,
                                            tenantdb_error **error);
/* Raise ISOLATION for one without the role that the level asks for. */
tenantdb_status tndb_session_require_role(const tenantdb *db, const tenantdb_tenant *tenant,
                                          tenantdb_error **error);

#endif

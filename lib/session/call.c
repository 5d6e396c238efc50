/* SPDX-License-Identifier: PostgreSQL */
#include "session/call.h"

#include <string.h>

#include "base/buffer.h"
#include "pg/prepared.h"
#include "pg/wait.h"
#include "session/account.h"
#include "session/traces.h"

/* How long cleaning up may take where the session has no deadline of its own. */
#define CLEAN_UP_MS 10000
/* How many requests to cancel may hit one ROLLBACK after the other before the connection is given up. */
#define MOST_ROLLBACKS 5

/* ---------------------------------------------------------------- beginning a flush */

static void start_exchange(tenantdb_session *session, tndb_stage stage) {
  tndb_call *call = &session->call;
  bool cleaning = stage == TNDB_CALL_RETRY || stage == TNDB_CALL_RECOVER || stage == TNDB_CALL_LOOK;
  call->stage = stage;
  call->allowed_ms = cleaning && (session->timeout_ms <= 0 || session->timeout_ms > CLEAN_UP_MS)
                         ? CLEAN_UP_MS
                         : session->timeout_ms;
  call->deadline = tndb_deadline_in(call->allowed_ms);
  session->conn->cancel_asked = false;
  tndb_exchange_begin(session->conn);
}

static void send_begin(tenantdb_session *session) {
  tndb_conn *conn = session->conn;
  if (session->state == TNDB_SESSION_BEGUN) {
    (void)tndb_prepared_send_fixed(conn, session->begin_sql, session->begin_sql, NULL);
  } else if (session->read_only) {
    (void)tndb_prepared_send_fixed(conn, "begin read only", "BEGIN READ ONLY", NULL);
  } else {
    (void)tndb_prepared_send_fixed(conn, "begin", "BEGIN", NULL);
  }
}

static size_t send_item(tenantdb_session *session, const tndb_call_item *item) {
  tndb_conn *conn = session->conn;
  if (session->unprepared) {
    return tndb_exchange_send(conn, item->sql, &item->values);
  }
  return item->text ? tndb_prepared_send_text(conn, session->scope.path, item->text, &item->values)
                    : tndb_prepared_send(conn, session->scope.path, item->sql, &item->values);
}

static void send_run(tenantdb_session *session) {
  tndb_call *call = &session->call;
  tndb_conn *conn = session->conn;
  bool timed = call->kind != TNDB_CALL_STREAM && call->kind != TNDB_CALL_ENTER;
  start_exchange(session, TNDB_CALL_RUN);
  tndb_strategy_apply(session->db, conn);
  call->bind = call->commit = TNDB_NONE;
  if (call->begins) {
    send_begin(session);
    call->bind = tndb_scope_bind(&session->scope, conn, timed);
  } else if (!timed) {
    tndb_scope_limit(&session->scope, conn, false);
  }
  conn->binary = session->binary;
  for (size_t i = 0; i < call->count; i++) {
    tndb_call_item *item = &call->items[i];
    item->place = send_item(session, item);
  }
  conn->binary = 0;
  if (call->commits) {
    call->commit = tndb_prepared_send_fixed(conn, "commit", "COMMIT", NULL);
  }
  if (call->kind == TNDB_CALL_STREAM) {
    tndb_exchange_stream(conn, call->items[0].place);
  }
  if (call->kind == TNDB_CALL_LEAVE || (call->kind == TNDB_CALL_STREAM && !call->alone)) {
    tndb_scope_limit(&session->scope, conn, true);
  }
  tndb_exchange_close(conn);
}

static void send_commit(tenantdb_session *session) {
  start_exchange(session, TNDB_CALL_COMMIT);
  session->call.commit = tndb_prepared_send_fixed(session->conn, "commit", "COMMIT", NULL);
  tndb_exchange_close(session->conn);
}

static void send_rollback(tenantdb_session *session, tndb_stage stage) {
  start_exchange(session, stage);
  (void)tndb_exchange_send(session->conn, "ROLLBACK", NULL);
  if (stage != TNDB_CALL_LOOK) {
    tndb_exchange_close(session->conn);
  }
}

/*
 * After the rollback the connection is the application's own user again, who
 * may ask the catalog: a tenant that was suspended meanwhile has lost its role's
 * rights, which is no breach and has its own status.
 */
static void send_look(tenantdb_session *session) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *id = session->tenant->id;
  send_rollback(session, TNDB_CALL_LOOK);
  tndb_buffer_format(&sql, "SELECT state, properties FROM %stenants WHERE id = $1", session->db->catalog);
  session->call.look =
      sql.failed ? TNDB_NONE : tndb_exchange_send_text(session->conn, tndb_buffer_text(&sql), 1, &id);
  tndb_exchange_close(session->conn);
}

/*
 * The proof came before the statement, and the tenant may have been shut between
 * the two: then his schema is as if it were not there. Looking comes with the
 * rollback that is due anyway, in one round trip.
 */
static bool may_be_shut(const tenantdb_session *session) {
  static const char *const codes[] = {"42P01", "42501", "42883", "42704", "3F000"};
  const char *code = tenantdb_error_sqlstate(session->call.error);
  for (size_t i = 0; session->tenant && session->scope.role && i < sizeof codes / sizeof codes[0]; i++) {
    if (strcmp(code, codes[i]) == 0) {
      return true;
    }
  }
  return false;
}

/* A request to cancel may hit the ROLLBACK itself: then the transaction is still there. */
static bool roll_back_again(tenantdb_session *session) {
  tndb_call *call = &session->call;
  if (session->conn->dead || tndb_conn_is_idle(session->conn) || call->rollbacks >= MOST_ROLLBACKS) {
    return false;
  }
  call->rollbacks++;
  send_rollback(session, call->stage);
  return true;
}

/* ---------------------------------------------------------------- after a flush */

/* The connection died. What the server said last is certain; without it a COMMIT that was sent is not. */
static void died(tenantdb_session *session, bool commit_sent) {
  tndb_call *call = &session->call;
  tndb_conn *conn = session->conn;
  bool certain = !commit_sent || tndb_exchange_is_certain(conn) || session->read_only || conn->send_failed;
  call->status = tndb_exchange_death(conn, &call->error);
  tndb_session_break(session);
  if (!certain) {
    tndb_error_prefix(&call->error,
                      "the transaction was being committed, so nobody can tell whether it was done");
    call->status = tndb_error_fold(&call->error, TENANTDB_UNKNOWN, TENANTDB_REASON_OUTCOME_UNKNOWN);
  }
}

static void add_hint(tenantdb_session *session) {
  tenantdb_error **error = &session->call.error;
  tndb_error_set_tenant(error, session->tenant ? session->tenant->slug : "");
  if (strcmp(tenantdb_error_sqlstate(*error), "42P01") == 0 && !tenantdb_error_hint(*error)[0]) {
    tndb_error_set_hint(
        error, session->tenant
                   ? "Only the tenant's own tables are found without a schema; a shared table is named "
                     "{base.table} in a compiled statement."
                   : "Only the shared schema's tables are found without a schema.");
  }
  /* At level routing it is the connected user who lacks the right, and no declaration helps. */
  if (strcmp(tenantdb_error_sqlstate(*error), "42501") == 0 && !tenantdb_error_hint(*error)[0] &&
      session->tenant && session->db->level >= TENANTDB_ISOLATION_ROLE) {
    tndb_error_set_hint(error,
                        "What tenants may do with a shared table is declared with tenantdb_base_grant() "
                        "or tenantdb_table_grant(), and granted by tenantdb_bootstrap().");
  }
}

/*
 * A prepared statement that is no longer there, or whose result has changed its
 * shape since: as long as the transaction began in this flush it did nothing,
 * so it can be run again unprepared.
 */
static bool is_stale_statement(const tenantdb_session *session, size_t failed) {
  const char *code = PQresultErrorField(tndb_exchange_result(session->conn, failed), PG_DIAG_SQLSTATE);
  return session->conn->direct && code && (strcmp(code, "26000") == 0 || strcmp(code, "0A000") == 0);
}

static bool may_run_again(const tenantdb_session *session) {
  return (session->call.begins || session->call.bare) && !session->call.retried && !session->call.rows_seen;
}

/*
 * The server stopped the statement: because it was told the deadline, unless
 * somebody asked to cancel it. PostgreSQL has one SQLSTATE for both.
 */
static void tell_timeout(tenantdb_session *session) {
  tndb_call *call = &session->call;
  bool late = session->scope.timeout && tndb_deadline_left(call->deadline) * 10 <= call->allowed_ms;
  if (call->status == TENANTDB_CANCELLED && late && !session->conn->cancel_asked) {
    call->status =
        tndb_origin(&call->error, TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT,
                    "the statement did not end within the deadline and was stopped; nothing of it was done");
  }
}

/* The transaction must still be there: a procedure or a trick that ended it has ended the scope too. */
static void follow_transaction(tenantdb_session *session) {
  tndb_call *call = &session->call;
  const char *path = PQparameterStatus(session->conn->pg, "search_path");
  PGTransactionStatusType now = PQtransactionStatus(session->conn->pg);
  bool strayed = now == PQTRANS_INTRANS && path && strcmp(path, session->scope.path) != 0;
  if (now == PQTRANS_INERROR) {
    session->state = TNDB_SESSION_FAILED;
  } else if (now == PQTRANS_INTRANS && !strayed) {
    session->state = TNDB_SESSION_OPEN;
  } else {
    tndb_session_break(session);
    call->status =
        strayed
            ? tndb_origin(&call->error, TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED,
                          "the search path was changed inside the transaction; the connection is closed")
            : tndb_origin(
                  &call->error, TENANTDB_ISOLATION, TENANTDB_REASON_TRANSACTION_LOST,
                  "the transaction ended without being asked to, and the scope with it; the connection is "
                  "closed");
  }
}

/* True when another flush is under way. */
static bool succeeded(tenantdb_session *session) {
  tndb_call *call = &session->call;
  if (call->begins) {
    tndb_scope_bound(session->db, session->conn, call->bind);
    session->proved = session->scope.own;
  }
  for (size_t i = 0; i < call->count; i++) {
    PGresult *answer = tndb_exchange_result(session->conn, call->items[i].place);
    if (!answer) {
      session->conn->tainted = true; /* lost for want of memory: what it did is not known */
      continue;
    }
    tndb_traces_note(session->conn, call->items[i].sql, call->items[i].text, answer);
    if (strncmp(PQcmdStatus(answer), "DEALLOCATE", 10) == 0) {
      tndb_prepared_forget(session->conn); /* else the caller's COMMIT, itself prepared, would fail */
    }
  }
  if (call->collect) {
    call->collect(call->batch, session->conn);
  }
  if (call->commits && !tndb_exchange_committed(session->conn, call->commit)) {
    tndb_session_break(session);
    call->status = tndb_origin(&call->error, TENANTDB_INTERNAL, TENANTDB_REASON_TRANSACTION_LOST,
                               "the server rolled back where it was asked to commit");
  } else if (!call->commits && !call->bare) {
    follow_transaction(session);
  }
  if (call->alone && session->state == TNDB_SESSION_OPEN) {
    if (call->abandoned) {
      session->state = TNDB_SESSION_IDLE;
      send_rollback(session, TNDB_CALL_RECOVER);
    } else {
      send_commit(session);
    }
    return true;
  }
  return false;
}

/* Memory ran out inside libpq: what was answered is not known, and whether it was committed only if it was not to be. */
static bool lost_an_answer(tenantdb_session *session) {
  tndb_call *call = &session->call;
  bool commits = call->commits || call->bare;
  if (call->collect) {
    session->conn->dead = true; /* a batch tells of what is missing as of what a broken connection left out */
    call->collect(call->batch, session->conn);
  }
  tndb_session_break(session);
  call->status =
      commits ? tndb_origin(&call->error, TENANTDB_UNKNOWN, TENANTDB_REASON_OUTCOME_UNKNOWN,
                            "memory ran out while the answer was read; the transaction may be committed")
              : tndb_no_memory(&call->error);
  return false;
}

/* Each of these ends a stage: true when another flush is under way, false when the call has ended. */
static bool after_run(tenantdb_session *session) {
  tndb_call *call = &session->call;
  tndb_conn *conn = session->conn;
  if (conn->dead) {
    if (call->collect) {
      call->collect(call->batch, conn);
    }
    died(session, call->commit != TNDB_NONE || call->bare);
    return false;
  }
  size_t failed = tndb_exchange_failed(conn);
  if (failed == TNDB_NONE && call->kind != TNDB_CALL_STREAM && !tndb_exchange_is_whole(conn)) {
    return lost_an_answer(session);
  }
  if (failed == TNDB_NONE) {
    return succeeded(session);
  }
  for (size_t i = 0; i < call->count; i++) {
    tndb_traces_note_failed(conn, call->items[i].sql);
  }
  if (is_stale_statement(session, failed)) {
    tndb_prepared_forget(conn);
    if (may_run_again(session)) {
      call->retried = true;
      send_rollback(session, TNDB_CALL_RETRY);
      return true;
    }
  }
  if (call->collect) {
    call->collect(call->batch, conn);
  }
  if (failed == call->bind) {
    call->status = tndb_scope_refused(&session->scope, tndb_exchange_result(conn, failed), &call->error);
    if (call->status == TENANTDB_ISOLATION && session->scope.own) {
      tndb_session_break(session); /* a tenant's login cannot ask the catalog why */
      return false;
    }
    if (call->status == TENANTDB_ISOLATION && session->tenant) {
      send_look(session);
      return true;
    }
  } else {
    call->status = tndb_exchange_check(conn, &call->error);
    tell_timeout(session);
    add_hint(session);
  }
  if (call->bare && tndb_conn_is_idle(conn)) {
    return false;
  }
  bool scoped = !call->begins || (failed > call->bind && !call->alone);
  if (scoped) {
    follow_transaction(session);
    return false;
  }
  if (tndb_conn_is_idle(conn)) {
    /* BEGIN or COMMIT itself failed, and the server has rolled back. */
    session->state = session->state == TNDB_SESSION_BEGUN ? TNDB_SESSION_FAILED : session->state;
    return false;
  }
  if (may_be_shut(session)) {
    call->suspected = true;
    send_look(session);
  } else {
    send_rollback(session, TNDB_CALL_RECOVER);
  }
  return true;
}

static bool after_recover(tenantdb_session *session) {
  if (roll_back_again(session)) {
    return true;
  }
  if (!tndb_conn_is_idle(session->conn)) {
    tndb_session_break(session); /* the failure that is known is what the caller needs to hear */
  } else if (session->state == TNDB_SESSION_BEGUN) {
    session->state = TNDB_SESSION_FAILED;
  }
  return false;
}

static bool after_retry(tenantdb_session *session) {
  tndb_call *call = &session->call;
  if (roll_back_again(session)) {
    return true;
  }
  if (tndb_conn_is_idle(session->conn)) {
    send_run(session);
    return true;
  }
  tndb_session_break(session);
  call->status = tndb_origin(&call->error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
                             "the connection broke; nothing was done");
  return false;
}

static bool after_look(tenantdb_session *session) {
  tndb_call *call = &session->call;
  PGresult *row = session->conn->dead ? NULL : tndb_exchange_result(session->conn, call->look);
  if (row && PQresultStatus(row) == PGRES_TUPLES_OK && PQntuples(row) == 1) {
    tenantdb_error *unavailable = NULL;
    tenantdb_status status = tndb_session_require_active(
        session->tenant->slug, tndb_tenant_state(PQgetvalue(row, 0, 0)), PQgetvalue(row, 0, 1), &unavailable);
    if (status) {
      call->status = tndb_error_pass(&call->error, unavailable);
      call->suspected = false;
    }
  }
  if (call->suspected) { /* in vain: it is the statement's own failure */
    call->stage = TNDB_CALL_RECOVER;
    return after_recover(session);
  }
  tndb_error_set_tenant(&call->error, session->tenant->slug);
  tndb_tenants_forget(session->db);
  tndb_session_break(session);
  return false;
}

static bool after_commit(tenantdb_session *session) {
  tndb_call *call = &session->call;
  tndb_conn *conn = session->conn;
  bool committed = tndb_exchange_committed(conn, call->commit);
  if (conn->dead && committed) {
    tndb_session_break(session); /* only the end of the exchange was lost */
    return false;
  }
  if (conn->dead) {
    died(session, true);
    return false;
  }
  call->status = tndb_exchange_check(conn, &call->error);
  tell_timeout(session);
  if (!call->status && !committed) {
    call->status = tndb_origin(&call->error, TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED,
                               "the transaction had failed and was rolled back instead of committed");
  }
  session->state = TNDB_SESSION_IDLE;
  if (!tndb_conn_is_idle(conn)) {
    send_rollback(session, TNDB_CALL_RECOVER); /* COMMIT was refused before it began */
    return true;
  }
  return false;
}

static bool after_rollback(tenantdb_session *session) {
  tndb_call *call = &session->call;
  if (roll_back_again(session)) {
    return true;
  }
  if (session->conn->dead) {
    call->status = tndb_exchange_death(session->conn, &call->error);
    tndb_session_break(session);
  } else {
    call->status = tndb_exchange_check(session->conn, &call->error);
    session->state = TNDB_SESSION_IDLE;
    if (!call->status && call->was_failed) {
      call->status = tndb_origin(&call->error, TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED,
                                 "the transaction had failed and was rolled back instead of committed");
    }
    if (!tndb_conn_is_idle(session->conn)) {
      tndb_session_break(session);
    }
  }
  return false;
}

static bool advance(tenantdb_session *session) {
  switch (session->call.stage) {
    case TNDB_CALL_RUN:
      return after_run(session);
    case TNDB_CALL_RETRY:
      return after_retry(session);
    case TNDB_CALL_RECOVER:
      return after_recover(session);
    case TNDB_CALL_LOOK:
      return after_look(session);
    case TNDB_CALL_COMMIT:
      return after_commit(session);
    case TNDB_CALL_ROLLBACK:
      return after_rollback(session);
    default:
      return false;
  }
}

/* ---------------------------------------------------------------- stepping */

tndb_step tndb_call_step(tenantdb_session *session, bool readable) {
  tndb_call *call = &session->call;
  while (call->stage != TNDB_CALL_NONE && call->stage != TNDB_CALL_ENDED) {
    tndb_step step = tndb_exchange_step(session->conn, readable);
    readable = false;
    if (step == TNDB_STEP_ROWS) {
      call->rows_seen = true;
      return step;
    }
    if (step == TNDB_STEP_READ || step == TNDB_STEP_READ_WRITE) {
      (void)tndb_exchange_expired(session->conn, call->allowed_ms, &call->deadline);
      if (!session->conn->dead) {
        return step;
      }
    }
    if (!advance(session)) {
      call->stage = TNDB_CALL_ENDED;
    }
  }
  return TNDB_STEP_DONE;
}

tndb_step tndb_call_wait(tenantdb_session *session) {
  tndb_step step = tndb_call_step(session, false);
  while (step == TNDB_STEP_READ || step == TNDB_STEP_READ_WRITE) {
    tndb_ready ready =
        tndb_wait(PQsocket(session->conn->pg), true, step == TNDB_STEP_READ_WRITE, session->call.deadline);
    session->conn->dead = session->conn->dead || ready == TNDB_READY_FAILED;
    step = tndb_call_step(session, (ready & TNDB_READY_READ) != 0);
  }
  return step;
}

tenantdb_status tndb_call_outcome(tenantdb_session *session, tenantdb_error **error) {
  tenantdb_status status = session->call.status;
  tndb_account_call(session);
  if (status) {
    /* Without an object (out of memory on the way) the status still tells. */
    (void)tndb_error_pass(error, session->call.error);
  }
  session->call = (tndb_call){.stage = TNDB_CALL_NONE};
  return status;
}

/* ---------------------------------------------------------------- beginning a call */

/* A server that has closed the connection says so on the socket: then nothing is sent, and that is certain.
 */
static tenantdb_status check_alive(tenantdb_session *session, tenantdb_error **error) {
  if (!tndb_conn_is_stale(session->conn, tndb_clock_ms())) {
    return TENANTDB_OK;
  }
  tndb_account_lost(session, session->state == TNDB_SESSION_OPEN || session->state == TNDB_SESSION_FAILED);
  tndb_session_break(session);
  return tndb_origin(
      error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
      "the server has closed the connection; nothing was sent, and an open transaction is rolled back");
}

tenantdb_status tndb_call_run(tenantdb_session *session, tndb_call_kind kind, tndb_call_item *items,
                              size_t count, tenantdb_error **error) {
  if (session->state == TNDB_SESSION_FAILED) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED,
                       "the transaction failed earlier: roll it back, or to a savepoint");
  }
  tenantdb_status status = tndb_session_admit_all(session, items, count, error);
  if (!status) {
    status = check_alive(session, error);
  }
  if (status) {
    return status;
  }
  bool idle = session->state == TNDB_SESSION_IDLE;
  bool one_flush = kind == TNDB_CALL_WHOLE || (kind == TNDB_CALL_STREAM && session->read_only);
  bool bare = idle && kind == TNDB_CALL_WHOLE && count == 1 && session->scope.own && session->proved &&
              !session->read_only && !session->scope.timeout;
  session->call = (tndb_call){.items = items,
                              .count = count,
                              .kind = kind,
                              .begins = !bare && (idle || session->state == TNDB_SESSION_BEGUN),
                              .alone = idle,
                              .bare = bare,
                              .commits = !bare && idle && one_flush,
                              .inside = true,
                              .backend_pid = PQbackendPID(session->conn->pg)};
  send_run(session);
  return TENANTDB_OK;
}

tenantdb_status tndb_call_commit(tenantdb_session *session, tenantdb_error **error) {
  session->call = (tndb_call){.stage = TNDB_CALL_ENDED};
  if (session->state == TNDB_SESSION_BEGUN) {
    session->state =
        TNDB_SESSION_IDLE; /* an empty transaction: nothing was sent, nothing is to be committed */
    return TENANTDB_OK;
  }
  session->call.inside = true;
  session->call.backend_pid = PQbackendPID(session->conn->pg);
  if (session->state == TNDB_SESSION_FAILED) {
    session->call.was_failed = true;
    send_rollback(session, TNDB_CALL_ROLLBACK);
    return TENANTDB_OK;
  }
  tenantdb_status status = check_alive(session, error);
  if (status) {
    session->call.stage = TNDB_CALL_NONE;
    return status;
  }
  send_commit(session);
  return TENANTDB_OK;
}

tenantdb_status tndb_call_rollback(tenantdb_session *session, tenantdb_error **error) {
  (void)error;
  session->call = (tndb_call){.stage = TNDB_CALL_ENDED};
  if (session->state == TNDB_SESSION_BEGUN) {
    session->state = TNDB_SESSION_IDLE; /* nothing was sent yet */
  } else {
    session->call.inside = session->call.undoes = true;
    session->call.backend_pid = PQbackendPID(session->conn->pg);
    send_rollback(session, TNDB_CALL_ROLLBACK);
  }
  return TENANTDB_OK;
}

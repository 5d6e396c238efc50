/* SPDX-License-Identifier: PostgreSQL */
#include "pg/exchange.h"

#include <string.h>

#include "base/memory.h"
#include "pg/failure.h"
#include "pg/pooler.h"
#include "pg/prepared.h"
#include "pg/wait.h"

#define CHUNK_ROWS 256

void tndb_exchange_begin(tndb_conn *conn) {
  for (size_t i = 0; i < conn->sent; i++) {
    PQclear(conn->results[i]);
    conn->results[i] = NULL;
  }
  conn->sent = 0;
  conn->received = 0;
  conn->send_failed = false;
  conn->no_room = false;
  conn->synced = false;
  conn->flushed = false;
  conn->copy_answered = false;
  conn->timed_out = false;
  conn->stream = TNDB_NONE;
  conn->binary = 0;
}

void tndb_exchange_stream(tndb_conn *conn, size_t place) {
  conn->stream = place;
}

static bool reserve(tndb_conn *conn) {
  if (conn->sent < conn->capacity) {
    return true;
  }
  size_t capacity = conn->capacity ? conn->capacity * 2 : 16;
  PGresult **results = tndb_realloc(conn->results, capacity * sizeof *results);
  if (!results) {
    return false;
  }
  memset(results + conn->capacity, 0, (capacity - conn->capacity) * sizeof *results);
  conn->results = results;
  conn->capacity = capacity;
  return true;
}

/* What every way of queueing ends with: `sent` is libpq's answer. */
static size_t queued(tndb_conn *conn, int sent) {
  if (sent != 1) {
    conn->send_failed = true;
    return TNDB_NONE;
  }
  return conn->sent++;
}

static bool can_queue(tndb_conn *conn) {
  if (conn->dead || conn->send_failed) {
    return false;
  }
  conn->no_room = !reserve(conn);
  conn->send_failed = conn->no_room;
  return !conn->send_failed;
}

static const tndb_values no_values = {0, NULL, NULL, NULL, NULL};

size_t tndb_exchange_send(tndb_conn *conn, const char *sql, const tndb_values *values) {
  const tndb_values *with = values ? values : &no_values;
  return can_queue(conn)
             ? queued(conn, PQsendQueryParams(conn->pg, sql, with->count, with->types, with->values,
                                              with->lengths, with->formats, conn->binary))
             : TNDB_NONE;
}

size_t tndb_exchange_send_parse(tndb_conn *conn, const char *name, const char *sql,
                                const tndb_values *values) {
  bool typed = values && values->types;
  return can_queue(conn) ? queued(conn, PQsendPrepare(conn->pg, name, sql, typed ? values->count : 0,
                                                      typed ? values->types : NULL))
                         : TNDB_NONE;
}

size_t tndb_exchange_send_named(tndb_conn *conn, const char *name, const tndb_values *values) {
  const tndb_values *with = values ? values : &no_values;
  return can_queue(conn) ? queued(conn, PQsendQueryPrepared(conn->pg, name, with->count, with->values,
                                                            with->lengths, with->formats, conn->binary))
                         : TNDB_NONE;
}

size_t tndb_exchange_send_text(tndb_conn *conn, const char *sql, int32_t count, const char *const *values) {
  tndb_values with = {count, values, NULL, NULL, NULL};
  return tndb_exchange_send(conn, sql, &with);
}

/* Rows of the statement whose turn it is are to come a few at a time. Must be said before the first is
 * parsed. */
static void begin_streaming(tndb_conn *conn) {
#ifdef LIBPQ_HAS_CHUNK_MODE
  if (PQsetChunkedRowsMode(conn->pg, CHUNK_ROWS) == 1) {
    return;
  }
#endif
  /* Behind a failure the server skips it: there is nothing to be streamed. */
  if (PQsetSingleRowMode(conn->pg) != 1 && PQpipelineStatus(conn->pg) != PQ_PIPELINE_ABORTED) {
    conn->dead = true;
  }
}

void tndb_exchange_close(tndb_conn *conn) {
  if (conn->dead || conn->synced) {
    return;
  }
  /* A statement that could not be queued leaves what was queued incomplete: it must not be sent. */
  if (conn->send_failed || PQpipelineSync(conn->pg) != 1) {
    conn->dead = true;
  }
  conn->synced = true;
  if (conn->stream == 0 && !conn->dead) {
    begin_streaming(conn);
  }
}

static bool is_part(ExecStatusType status) {
#ifdef LIBPQ_HAS_CHUNK_MODE
  if (status == PGRES_TUPLES_CHUNK) {
    return true;
  }
#endif
  return status == PGRES_SINGLE_TUPLE;
}

typedef enum collected { WANT_MORE, HAVE_ROWS, AT_END } collected;

/* A result of the statement whose turn it is. */
static collected place_result(tndb_conn *conn, PGresult *result, ExecStatusType status) {
  PGresult **place = &conn->results[conn->received];
  if (*place && is_part(PQresultStatus(*place))) {
    PQclear(*place); /* rows that nobody took */
    *place = NULL;
  }
  if (*place) {
    PQclear(result); /* more than one answer to one statement: not the protocol we speak */
    conn->dead = true;
    return AT_END;
  }
  *place = result;
  if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
    conn->copy_answered = true;
    conn->dead = true;
    return AT_END;
  }
  return is_part(status) ? HAVE_ROWS : WANT_MORE;
}

/* Put what libpq has parsed into its place. */
static collected collect(tndb_conn *conn) {
  while (!PQisBusy(conn->pg)) {
    PGresult *result = PQgetResult(conn->pg);
    ExecStatusType status = result ? PQresultStatus(result) : PGRES_EMPTY_QUERY;
    if (!result && (PQstatus(conn->pg) == CONNECTION_BAD || conn->received >= conn->sent)) {
      conn->dead = true;
      return AT_END;
    }
    if (!result) {
      if (++conn->received == conn->stream) {
        begin_streaming(conn);
      }
      continue;
    }
    if (status == PGRES_PIPELINE_SYNC) {
      PQclear(result);
      conn->dead = conn->received < conn->sent; /* the end of something before: out of step */
      return AT_END;
    }
    if (conn->received >= conn->sent) {
      PQclear(result);
      conn->dead = true;
      return AT_END;
    }
    collected got = place_result(conn, result, status);
    if (got != WANT_MORE) {
      return got;
    }
  }
  return WANT_MORE;
}

tndb_step tndb_exchange_step(tndb_conn *conn, bool readable) {
  if (conn->dead) {
    return TNDB_STEP_DEAD;
  }
  if (readable && PQconsumeInput(conn->pg) != 1) {
    conn->dead = true;
    (void)collect(conn); /* what had arrived before may say why */
    return TNDB_STEP_DEAD;
  }
  if (!conn->flushed) {
    int left = PQflush(conn->pg);
    if (left < 0) {
      /* The server may have said its last word before it closed; read it. */
      (void)PQconsumeInput(conn->pg);
      (void)collect(conn);
      conn->dead = true;
      return TNDB_STEP_DEAD;
    }
    conn->flushed = left == 0;
  }
  collected got = collect(conn);
  if (got == AT_END && !conn->dead) {
    conn->answered_ms = tndb_clock_ms();
    tndb_prepared_settle(conn);
    return TNDB_STEP_DONE;
  }
  if (got != WANT_MORE) {
    return got == HAVE_ROWS ? TNDB_STEP_ROWS : TNDB_STEP_DEAD;
  }
  return conn->flushed ? TNDB_STEP_READ : TNDB_STEP_READ_WRITE;
}

/* Why the connection died: what the server said last, else what libpq says. */
tenantdb_status tndb_exchange_death(tndb_conn *conn, tenantdb_error **error) {
  size_t failed = tndb_exchange_failed(conn);
  if (conn->silent) {
    return tndb_origin(error, TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT,
                       "no answer from the server within the deadline; the connection is given up");
  }
  if (conn->copy_answered) {
    return tndb_origin(error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE,
                       "COPY cannot be run as a query");
  }
  if (failed != TNDB_NONE && PQresultErrorField(conn->results[failed], PG_DIAG_SQLSTATE)) {
    const PGresult *said = conn->results[failed];
    tenantdb_status status = tndb_failure_of_result(said, error);
    bool pooler = tndb_pooler_word_find(PQresultErrorField(said, PG_DIAG_SQLSTATE),
                                        PQresultErrorField(said, PG_DIAG_MESSAGE_PRIMARY));
    return status == TENANTDB_CONNECTION || pooler
               ? status
               : tndb_error_fold(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
  }
  if (conn->no_room) {
    return tndb_no_memory(error); /* what libpq says then is of an earlier call */
  }
  if (conn->send_failed && PQstatus(conn->pg) == CONNECTION_OK) {
    /* Refused by libpq before anything left: too many values, or no memory. */
    const char *why = PQerrorMessage(conn->pg);
    return *why ? tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "%s", why)
                : tndb_no_memory(error);
  }
  const char *message = PQerrorMessage(conn->pg);
  size_t length = strcspn(message, "\n");
  return tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
                     "the connection broke%s%.*s", length ? ": " : "", (int)length, message);
}

/*
 * When the deadline passes the server is asked to stop, and gets a tenth of the
 * time again to say that it did: then what happened is known, and the
 * connection can live on. A server that stays silent costs the connection.
 */
bool tndb_exchange_expired(tndb_conn *conn, int64_t allowed_ms, tndb_deadline *deadline) {
  if (*deadline == TNDB_NEVER || tndb_deadline_left(*deadline) > 0) {
    return false;
  }
  if (conn->timed_out) {
    conn->silent = true;
    conn->dead = true;
    return true;
  }
  conn->timed_out = true;
  tndb_conn_cancel(conn);
  *deadline = tndb_deadline_in(allowed_ms / 10 > 20 ? allowed_ms / 10 : 20);
  return true;
}

static tndb_step run(tndb_conn *conn, tndb_deadline deadline) {
  int64_t allowed = deadline == TNDB_NEVER ? 0 : deadline - tndb_clock_ms();
  tndb_step step = tndb_exchange_step(conn, false);
  while (step == TNDB_STEP_READ || step == TNDB_STEP_READ_WRITE) {
    tndb_ready ready = tndb_wait(PQsocket(conn->pg), true, step == TNDB_STEP_READ_WRITE, deadline);
    if (ready == TNDB_READY_FAILED) {
      conn->dead = true;
    } else if (ready == TNDB_READY_TIMEOUT) {
      (void)tndb_exchange_expired(conn, allowed, &deadline);
    }
    step = tndb_exchange_step(conn, (ready & TNDB_READY_READ) != 0);
  }
  return step;
}

tenantdb_status tndb_exchange_finish(tndb_conn *conn, tndb_deadline deadline, tenantdb_error **error) {
  tndb_exchange_close(conn);
  return run(conn, deadline) == TNDB_STEP_DONE ? TENANTDB_OK : tndb_exchange_death(conn, error);
}

/* ---------------------------------------------------------------- results */

PGresult *tndb_exchange_result(const tndb_conn *conn, size_t place) {
  return place < conn->sent ? conn->results[place] : NULL;
}

PGresult *tndb_exchange_take(tndb_conn *conn, size_t place) {
  PGresult *result = tndb_exchange_result(conn, place);
  if (result) {
    conn->results[place] = NULL;
  }
  return result;
}

size_t tndb_exchange_failed(const tndb_conn *conn) {
  for (size_t i = 0; i < conn->sent; i++) {
    if (conn->results[i] && PQresultStatus(conn->results[i]) == PGRES_FATAL_ERROR) {
      return i;
    }
  }
  return TNDB_NONE;
}

bool tndb_exchange_is_certain(const tndb_conn *conn) {
  size_t failed = tndb_exchange_failed(conn);
  const PGresult *said = failed == TNDB_NONE ? NULL : conn->results[failed];
  return said && tndb_pooler_is_certain(PQresultErrorField(said, PG_DIAG_SQLSTATE),
                                        PQresultErrorField(said, PG_DIAG_MESSAGE_PRIMARY));
}

bool tndb_exchange_is_whole(const tndb_conn *conn) {
  for (size_t i = 0; i < conn->sent; i++) {
    if (!conn->results[i]) {
      return false;
    }
  }
  return true;
}

tenantdb_status tndb_exchange_check(const tndb_conn *conn, tenantdb_error **error) {
  size_t failed = tndb_exchange_failed(conn);
  if (failed == TNDB_NONE) {
    return tndb_exchange_is_whole(conn) ? TENANTDB_OK : tndb_no_memory(error);
  }
  tenantdb_status status = tndb_failure_of_result(conn->results[failed], error);
  if (status == TENANTDB_CANCELLED && conn->timed_out) {
    status =
        tndb_origin(error, TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT,
                    "the statement did not end within the deadline and was stopped; nothing of it was done");
  }
  return status;
}

bool tndb_exchange_committed(const tndb_conn *conn, size_t place) {
  PGresult *result = tndb_exchange_result(conn, place);
  /* COMMIT of a failed transaction is answered with success and the tag ROLLBACK. */
  return result && PQresultStatus(result) == PGRES_COMMAND_OK && strcmp(PQcmdStatus(result), "COMMIT") == 0;
}

tenantdb_status tndb_exchange_single(tndb_conn *conn, const char *sql, const tndb_values *values,
                                     tndb_deadline deadline, PGresult **result, tenantdb_error **error) {
  if (result) {
    *result = NULL;
  }
  tndb_exchange_begin(conn);
  size_t place = tndb_exchange_send(conn, sql, values);
  tenantdb_status status = tndb_exchange_finish(conn, deadline, error);
  if (!status) {
    status = tndb_exchange_check(conn, error);
  }
  if (!status && result) {
    *result = tndb_exchange_take(conn, place);
  }
  return status;
}

tenantdb_status tndb_exchange_rollback(tndb_conn *conn, tndb_deadline deadline, tenantdb_error **error) {
  tenantdb_status status = tndb_exchange_single(conn, "ROLLBACK", NULL, deadline, NULL, error);
  if (!tndb_conn_is_idle(conn)) {
    conn->dead = true;
  }
  return status;
}

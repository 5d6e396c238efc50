/* SPDX-License-Identifier: PostgreSQL */
/*
 * Exchanges: several statements sent in one flush, each answered by a result.
 *
 *   tndb_exchange_begin(conn);
 *   tndb_exchange_send(conn, "BEGIN", NULL);
 *   size_t bind = tndb_exchange_send(conn, sql, &values);
 *   status = tndb_exchange_finish(conn, deadline, error);   // one round trip
 *
 * A statement that fails makes the server skip the rest up to the end of the
 * exchange; that is no failure of the exchange. The exchange itself fails only
 * when the connection dies.
 */
#ifndef TNDB_PG_EXCHANGE_H
#define TNDB_PG_EXCHANGE_H

#include "pg/connection.h"

/* The values of $1, $2 …; text unless `lengths` and `formats` say otherwise. */
typedef struct tndb_values {
  int32_t count;
  const char *const *values;
  const int *lengths;
  const int *formats;
  const uint32_t *types; /* the OIDs of their types, 0 for the server to find out; NULL for all of them */
} tndb_values;

#define TNDB_NONE ((size_t)-1)

void tndb_exchange_begin(tndb_conn *conn);
/* Queue one statement; returns its place. Mistakes are kept until the end. */
size_t tndb_exchange_send(tndb_conn *conn, const char *sql, const tndb_values *values);
/* Queue preparing a statement under a name, and running one that was prepared (pg/prepared.h decides). */
size_t tndb_exchange_send_parse(tndb_conn *conn, const char *name, const char *sql,
                                const tndb_values *values);
size_t tndb_exchange_send_named(tndb_conn *conn, const char *name, const tndb_values *values);
/* As send, with text values given one by one. */
size_t tndb_exchange_send_text(tndb_conn *conn, const char *sql, int32_t count, const char *const *values);

/* What stepping an exchange needs next. */
typedef enum tndb_step {
  TNDB_STEP_DONE,
  TNDB_STEP_READ,
  TNDB_STEP_READ_WRITE,
  TNDB_STEP_ROWS, /* rows of the streamed statement are there: take them before stepping on */
  TNDB_STEP_DEAD
} tndb_step;
/* The rows of the statement at that place are to come a few at a time instead of all at once. */
void tndb_exchange_stream(tndb_conn *conn, size_t place);
/* Close the exchange: nothing more can be queued. */
void tndb_exchange_close(tndb_conn *conn);
/* Do what can be done without waiting. `readable`: the socket was found readable. */
tndb_step tndb_exchange_step(tndb_conn *conn, bool readable);
/*
 * Close the exchange and step it to its end. OK: every result is there. Else
 * TIMEOUT, CONNECTION or MEMORY, and the connection is dead; results that had
 * arrived can still be asked for.
 */
tenantdb_status tndb_exchange_finish(tndb_conn *conn, tndb_deadline deadline, tenantdb_error **error);

/*
 * For who steps by himself: has the deadline passed? The first time the
 * server is asked to stop and the deadline is put off a little; the second time
 * the connection is dead. `allowed_ms` is how long the call was given.
 */
bool tndb_exchange_expired(tndb_conn *conn, int64_t allowed_ms, tndb_deadline *deadline);
/* Raise why the connection died. */
tenantdb_status tndb_exchange_death(tndb_conn *conn, tenantdb_error **error);

/* The result of a statement, NULL when none came. Belongs to the connection until the next begin. */
PGresult *tndb_exchange_result(const tndb_conn *conn, size_t place);
/* The same, handed over. */
PGresult *tndb_exchange_take(tndb_conn *conn, size_t place);
/* The place of the first statement that failed, TNDB_NONE when all went well. */
size_t tndb_exchange_failed(const tndb_conn *conn);
/*
 * After the connection died: whether the server said why, and so what it had not
 * answered is not done. A pooler that gives up on the server cannot know that.
 */
bool tndb_exchange_is_certain(const tndb_conn *conn);
/* Whether every statement has its answer: libpq may lose one when memory runs out. Before any is taken. */
bool tndb_exchange_is_whole(const tndb_conn *conn);
/* OK when all went well, else raise what the first failure says. */
tenantdb_status tndb_exchange_check(const tndb_conn *conn, tenantdb_error **error);
/* Whether the answer to COMMIT at that place says that it was committed. */
bool tndb_exchange_committed(const tndb_conn *conn, size_t place);

/* One statement as an exchange of its own, with its result handed over. */
tenantdb_status tndb_exchange_single(tndb_conn *conn, const char *sql, const tndb_values *values,
                                     tndb_deadline deadline, PGresult **result, tenantdb_error **error);
/* Send ROLLBACK and wait; a connection that does not become idle by it is dead. */
tenantdb_status tndb_exchange_rollback(tndb_conn *conn, tndb_deadline deadline, tenantdb_error **error);

#endif

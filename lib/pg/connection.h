/* SPDX-License-Identifier: PostgreSQL */
/*
 * One connection to the server. It is always in pipeline mode and never blocks
 * inside libpq: what is sent and received goes through exchanges
 * (pg/exchange.h), and all waiting through pg/wait.h.
 *
 * A connection is dead once anything about it is in doubt: it broke, a deadline
 * passed while an answer was due, or the protocol was not kept. Nothing is
 * tried on a dead connection; it can only be closed.
 */
#ifndef TNDB_PG_CONNECTION_H
#define TNDB_PG_CONNECTION_H

#include <libpq-fe.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"
#include "config/config.h"

typedef struct tndb_conn {
  PGconn *pg;
  const tenantdb_config *config; /* for the log; outlives the connection */
  PGresult **results;            /* of the exchange under way, one for each statement sent */
  size_t capacity;
  size_t sent;
  size_t received;
  size_t stream; /* the place of the statement whose rows are streamed, or none */
  bool send_failed;
  int binary;   /* 1: the statements queued next are answered in binary form */
  bool no_room; /* … for want of memory of our own */
  bool synced;
  bool flushed;   /* all of the exchange has left, the closing Sync included */
  bool timed_out; /* the deadline passed, so a cancelled statement was cancelled by us */
  bool adopted;   /* the PGconn is the caller's */
  bool was_blocking;
  bool direct;     /* known to stay with one process of the server: prepared statements last */
  int64_t backend; /* that process, as the last bind told; 0: not known */
  struct tndb_prepared *prepared;
  char *home_path;  /* the search path it began with, as far as the server reports it (18 and later) */
  PGcancel *cancel; /* made when the connection was, so that any thread may use it */
  bool silent;      /* … and even the request to stop was not answered */
  bool dead;
  atomic_bool cancel_asked; /* somebody asked from outside for the call under way to be cancelled */
  atomic_bool tainted;      /* may carry state of a session's own SQL: close rather than hand on */
  bool copy_answered;       /* a statement turned out to be COPY, which a pipeline cannot do */
  int64_t opened_ms;
  int64_t idle_since_ms;
  int64_t answered_ms;      /* when the last exchange ended well */
  uint32_t fork;            /* of the process that made it (base/fork.h) */
  struct tndb_berth *berth; /* its place in a pool, or NULL */
} tndb_conn;

/* Connect and check that the server is one we can talk to. */
tenantdb_status tndb_conn_open(const tenantdb_config *config, tndb_conn **conn, tenantdb_error **error);
void tndb_conn_close(tndb_conn *conn);
/* Whether it belongs to the process this one was forked from: then all one may do is close it. */
bool tndb_conn_is_foreign(const tndb_conn *conn);
/* Of a foreign one that somebody may be in the middle of using: this process lets go of the socket, and says nothing. */
bool tndb_conn_let_go(const tndb_conn *conn);
/*
 * Use a connection of the caller's. tndb_conn_close() then leaves it open, out
 * of the pipeline and as blocking as it was; false tells that it is in doubt.
 */
tenantdb_status tndb_conn_adopt(const tenantdb_config *config, PGconn *pg, tndb_conn **conn,
                                tenantdb_error **error);
bool tndb_conn_give_back(tndb_conn *conn);
/*
 * Whether an idle connection's socket has something to say: then it has been
 * closed by the other side. Not asked within milliseconds of an answer.
 */
bool tndb_conn_is_stale(const tndb_conn *conn, int64_t now_ms);
/*
 * Whether the search path is what it was when the connection was made: a free
 * look at what PostgreSQL 18 reports by itself. True where nothing is reported.
 */
bool tndb_conn_is_home(const tndb_conn *conn);
/* Nothing under way, no transaction open. */
bool tndb_conn_is_idle(const tndb_conn *conn);
/* Whether the server's version can be worked with. */
tenantdb_status tndb_conn_check_version(int version, tenantdb_error **error);
/*
 * For another thread than the one that uses the connection, which must not be
 * closed meanwhile. The connection is not handed on afterwards: the request
 * could arrive when it does somebody else's work.
 */
bool tndb_conn_cancel_from_outside(tndb_conn *conn);
/* Ask the server to stop what the connection is doing, without waiting long. Best effort. */
void tndb_conn_cancel(tndb_conn *conn);

#endif

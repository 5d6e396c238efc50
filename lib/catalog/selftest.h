/* SPDX-License-Identifier: PostgreSQL */
/*
 * The self-test, for the files that do it.
 *
 * Two sides, A and B, each with a connection of its own, take turns. Whoever is
 * in a transaction holds a process of the server; when he ends it a transaction
 * pooler gives that process to the next who asks. So in the rounds of
 * selftest_scope.c each side works, again and again, on the process that the
 * other has just left, and looks for what he may have left there.
 *
 * What a side sets carries the test's token, its letter and the number of its
 * transaction: whatever is seen in the wrong place tells where it came from.
 *
 * A pooler with a single connection to the server lets one side wait for the
 * other's transaction. Waiting is noticed by patience: then the other's
 * transaction is ended first, and from then on ("serial") without waiting.
 *
 * A step returns false when the test is over: because isolation is refuted, or
 * because of a failure that says nothing about it (`status`).
 */
#ifndef TNDB_CATALOG_SELFTEST_H
#define TNDB_CATALOG_SELFTEST_H

#include "base/buffer.h"
#include "catalog/database.h"
#include "pg/exchange.h"

typedef enum tndb_check {
  TNDB_CHECK_BETWEEN,
  TNDB_CHECK_TRANSACTION,
  TNDB_CHECK_PIPELINE,
  TNDB_CHECK_SCOPE_MEANWHILE,
  TNDB_CHECK_SCOPE_AFTER,
  TNDB_CHECK_ROLE,
  TNDB_CHECK_SERVER,
  TNDB_CHECK_LOCK,
  TNDB_CHECK_SESSION_STATE,
  TNDB_CHECK_PREPARED,
  TNDB_CHECK_CANCEL,
  TNDB_N_CHECKS
} tndb_check;

typedef enum tndb_outcome { TNDB_OUTCOME_UNKNOWN, TNDB_OUTCOME_OK, TNDB_OUTCOME_FAILED } tndb_outcome;

typedef struct tndb_finding {
  tndb_outcome outcome;
  tndb_buffer observed;
  const char *meaning;
} tndb_finding;

/* How a transaction of the test ends. */
typedef enum tndb_ending { TNDB_END_COMMIT, TNDB_END_ROLLBACK, TNDB_END_ERROR, TNDB_N_ENDINGS } tndb_ending;

typedef struct tndb_side {
  tndb_conn *conn;
  char letter;
  bool held;          /* in a transaction */
  tndb_ending ending; /* which will end so */
  int64_t number;     /* of its transactions */
  char mark[40];      /* what the last one set */
  char path[100];
  char began[40];  /* when, to tell it from another */
  int64_t backend; /* the process that answered last; 0: none yet */
  char role[64];   /* the setting, at its last look from outside */
  bool has_mark;   /* the session's setting was there at that look */
} tndb_side;

typedef struct tndb_selftest {
  tenantdb *db;
  tndb_deadline deadline;
  tenantdb_status status;
  tenantdb_error **error;
  bool refuted;
  tndb_finding findings[TNDB_N_CHECKS];
  tndb_side sides[2];
  char token[17];
  char named[40];      /* a statement's name, with the token */
  char role[64];       /* what transactions take on: the tenants' group, else the connected user himself */
  bool is_group;       /* … the former */
  bool role_shows;     /* outside of them it is not in force anyway */
  bool between;        /* the process that answers is not the one named at start-up */
  char at[24];         /* when, by the server's clock */
  char server[100];    /* which one answers: when it started, and the database's oid */
  char read_only[8];   /* whether it is */
  int64_t patience_ms; /* how long one side is let wait for the other */
  bool serial;
  int64_t looks_meanwhile;
  int64_t looks_after;
  bool moved;      /* a side's process changed between its transactions */
  bool shared;     /* one process has answered both */
  bool leaked;     /* what one side set for its session was seen by the other */
  bool lost;       /* … or not by itself */
  bool named_last; /* a statement of A's, named in one transaction, was there in a later one */
  bool named_elsewhere;
} tndb_selftest;

/* ---------------------------------------------------------------- selftest.c: how it ends */

/* The test ends with this status, whose error is there; OK goes on. */
bool tndb_selftest_go_on(tndb_selftest *test, tenantdb_status status);
bool tndb_selftest_refute(tndb_selftest *test, tndb_check check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void tndb_selftest_tell(tndb_selftest *test, tndb_check check, tndb_outcome outcome, const char *meaning,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Whether nothing so far speaks against each connection having a process of the server to itself. */
bool tndb_selftest_stays(const tndb_selftest *test);
bool tndb_selftest_open_side(tndb_selftest *test, tndb_side *side);

/* ---------------------------------------------------------------- selftest_turn.c: taking turns */

/* Step a closed exchange for so long; what it needs next then. */
tndb_step tndb_selftest_wait(tndb_conn *conn, int64_t milliseconds);
tndb_side *tndb_selftest_other(tndb_selftest *test, const tndb_side *side);
/*
 * Send what is queued for a side and wait, ending the other's transaction when
 * that is in the way. True when the answers are there, good or bad.
 */
bool tndb_selftest_exchange(tndb_selftest *test, tndb_side *side);
/* The same, and every statement must have succeeded. */
bool tndb_selftest_run(tndb_selftest *test, tndb_side *side);
/* Queue what a side sets in its next transaction: a setting, the path, the role. False: MEMORY. */
bool tndb_selftest_queue_scope(tndb_selftest *test, tndb_side *side);
size_t tndb_selftest_queue_look(tndb_side *side);
/* Begin a transaction, set the scope and see that it is in force. */
bool tndb_selftest_take(tndb_selftest *test, tndb_side *side, tndb_ending ending);
/* Inside: the scope is still one's own, and it is still the same transaction. */
bool tndb_selftest_own(tndb_selftest *test, tndb_side *side);
/* After an exchange with the scope and a look in it, in that place. */
bool tndb_selftest_begun(tndb_selftest *test, tndb_side *side, size_t look);
bool tndb_selftest_end(tndb_selftest *test, tndb_side *side);
/* Outside of a transaction: nothing of anybody's scope is to be seen. */
bool tndb_selftest_outside(tndb_selftest *test, tndb_side *side);

/* ---------------------------------------------------------------- the checks */

/* selftest_scope.c: what isolation rests on. */
bool tndb_selftest_transaction(tndb_selftest *test);
bool tndb_selftest_pipeline(tndb_selftest *test);
bool tndb_selftest_rounds(tndb_selftest *test);
/* selftest_session.c: what the strategy is found out by, and locks and cancelling. */
bool tndb_selftest_lock(tndb_selftest *test);
bool tndb_selftest_session_state(tndb_selftest *test);
bool tndb_selftest_prepared(tndb_selftest *test);
bool tndb_selftest_cancel(tndb_selftest *test);

#endif

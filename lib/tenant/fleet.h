/* SPDX-License-Identifier: PostgreSQL */
/*
 * The fleet query: one thread, the caller's, that polls many connections.
 *
 * The list of tenants is read once. Each tenant under way has a slot: a
 * connection borrowed for it, a session on it, and a read-only (or not) stream of
 * the statement, stepped by the same state machine as every call of a session.
 * When a tenant is done its connection goes back to the pool and the slot takes
 * the next one; the pool gives none when somebody else waits for it, so that a
 * fleet query shrinks as others come. It waits for a connection only while
 * nothing of its own is under way.
 *
 * Rows are copied into chunks. In order "any" a chunk is handed out when it is
 * full, when its tenant is done, or when there is nothing else to do; in order
 * "tenant" only that of the tenant whose turn it is, and who runs ahead keeps his.
 * What is kept is bounded: beyond the bound a slot's socket is not read any more
 * (it is paused), and no further tenant is begun. The tenant whose turn it is, is
 * never paused; should it be without a connection while the others are all paused,
 * the last of those is sent back to where it was before it began.
 *
 * What a tenant fails with is kept in a list and concerns nobody else. What no
 * other tenant could escape either (no memory, no connection) ends the query.
 */
#ifndef TNDB_TENANT_FLEET_H
#define TNDB_TENANT_FLEET_H

#include <poll.h>
#include <stdatomic.h>

#include "base/result.h"
#include "pg/wake.h"
#include "session/session.h"
#include "tenant/fleet_chunk.h"
#include "tenant/fleet_list.h"
#include "tenant/fleet_text.h"

/* How much may wait to be handed out, of all tenants and of one that runs ahead of its turn. */
#define TNDB_FLEET_HELD_MOST ((size_t)4 * 1024 * 1024)
#define TNDB_FLEET_AHEAD_MOST ((size_t)1024 * 1024)

typedef enum tndb_fleet_stage {
  TNDB_FLEET_WAITING,
  TNDB_FLEET_RUNNING,
  TNDB_FLEET_OVER,
  TNDB_FLEET_FAILED
} tndb_fleet_stage;

typedef struct tndb_fleet_tenant {
  tndb_fleet_stage stage;
  bool tried;        /* once already, on a connection that broke */
  int64_t delivered; /* rows handed out */
  tndb_chunks ready; /* in order "tenant" */
} tndb_fleet_tenant;

typedef struct tndb_fleet_slot {
  struct tndb_fleet *fleet;
  size_t tenant;
  tenantdb_session *session; /* NULL: nothing is under way here */
  tndb_step step;            /* ROWS: can go on at once */
  bool paused;
  int64_t paused_at;
  bool checked;            /* its columns were compared */
  bool answered;           /* the end of its answer came */
  int64_t discarded;       /* rows of an answer that is not wanted */
  tndb_chunk *open;        /* being filled */
  size_t held;             /* bytes in its chunks, the open one included */
  tndb_buffer sql;         /* the statement as rendered for the tenant */
  tenantdb_status verdict; /* what is wrong with the answer, although the server is content */
  tenantdb_error *error;
  int64_t affected;
} tndb_fleet_slot;

typedef struct tndb_fleet_failure {
  size_t tenant; /* or the number of tenants, for a name that is none's */
  const char *name;
  tenantdb_status status;
  tenantdb_error *error;
  int64_t delivered;
} tndb_fleet_failure;

typedef struct tndb_fleet {
  tenantdb *db;
  tndb_fleet_settings settings; /* without the names and the selector, which are the caller's */
  tndb_session_settings session;
  tndb_fleet_text text;
  tndb_fleet_list list;
  tndb_fleet_tenant *tenants;
  tndb_fleet_slot *slots;
  size_t n_slots;
  struct pollfd *sockets; /* one more than slots: the wake's */
  size_t next;            /* the first tenant that was never begun */
  size_t *again;          /* those before it that wait all the same, in order */
  size_t n_again;
  size_t most_again;
  size_t turn; /* in order "tenant": whose rows are handed out */
  tndb_chunks ready;
  tndb_chunk *shown; /* what the result shows */
  size_t held;       /* bytes in chunks that wait */
  PGresult *shape;   /* without rows: the columns of the first answer */
  tndb_fleet_failure *failures;
  size_t n_failures;
  size_t most_failures;
  bool
      shares; /* tenants have connections of their own, or so many at the most: what one lacks another may get */
  bool stopped;
  tenantdb_status end; /* what the query ended with before its time, or OK */
  tenantdb_error *end_error;
  tndb_deadline deadline;
  int64_t left_at; /* when the caller was given back control */
  tndb_wake wake;
  atomic_bool cancelled;
  atomic_llong done;
  atomic_llong failed;
  atomic_llong running;
  atomic_llong rows;
  atomic_llong affected;
} tndb_fleet;

static inline bool tndb_fleet_slot_is_free(const tndb_fleet_slot *slot) {
  return !slot->session;
}

/* ---------------------------------------------------------------- one tenant (fleet_slot.c) */

/* How beginning a tenant went. */
typedef enum tndb_fleet_start {
  TNDB_FLEET_BEGUN,        /* it may be over already */
  TNDB_FLEET_NO_CONNECTION /* none is to be had now: it is as it was */
} tndb_fleet_start;

/*
 * Begin a tenant in a free slot. With a deadline that is not 0 a connection is
 * waited for until then. A failure is the query's.
 */
tenantdb_status tndb_fleet_begin(tndb_fleet *fleet, tndb_fleet_slot *slot, size_t tenant, tndb_deadline wait,
                                 tndb_fleet_start *outcome, tenantdb_error **error);
/* Do what can be done without waiting. A failure is the query's. */
tenantdb_status tndb_fleet_advance(tndb_fleet_slot *slot, bool readable, tenantdb_error **error);
/* Whether its rows have to stay with the server for now. */
bool tndb_fleet_must_pause(const tndb_fleet_slot *slot);
/* Hand what is in the open chunk over to those that are ready. */
void tndb_fleet_close_chunk(tndb_fleet_slot *slot);
/* The rows that were not handed out yet are not wanted any more. */
void tndb_fleet_drop_rows(tndb_fleet_slot *slot);
/* Close the session: the connection goes back to the pool. */
void tndb_fleet_let_go(tndb_fleet_slot *slot);
/* The tenant has to be begun again. */
void tndb_fleet_put_back(tndb_fleet *fleet, size_t tenant);
/* It has failed; takes the error. False when memory ran out. */
bool tndb_fleet_fail(tndb_fleet *fleet, size_t tenant, tenantdb_status status, tenantdb_error *failure);

/* ---------------------------------------------------------------- stopping (fleet_halt.c) */

/* Stop everything that is under way and wait, not for long, until it has. */
void tndb_fleet_halt(tndb_fleet *fleet);
/* Stop one tenant, to begin it again later. */
void tndb_fleet_retreat(tndb_fleet_slot *slot);

/* ---------------------------------------------------------------- all of them (fleet_run.c) */

/*
 * Go on until there is a chunk to be shown: taken out, *chunk; NULL when all
 * tenants are over. A failure is the query's.
 */
tenantdb_status tndb_fleet_run(tndb_fleet *fleet, tndb_chunk **chunk, tenantdb_error **error);
/* In order "tenant": pass those whose rows have all been handed out. */
void tndb_fleet_advance_turn(tndb_fleet *fleet);

/* ---------------------------------------------------------------- the result (fleet_result.c) */

/* Takes the fleet in both outcomes. */
tenantdb_status tndb_fleet_result(tndb_fleet *fleet, tenantdb_result **result, tenantdb_error **error);
/* The fleet behind a result; raises BAD_HANDLE for any other. */
tenantdb_status tndb_fleet_of(const tenantdb_result *result, tndb_fleet **fleet, tenantdb_error **error);
void tndb_fleet_free(tndb_fleet *fleet);

#endif

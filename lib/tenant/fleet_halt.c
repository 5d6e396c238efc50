/* SPDX-License-Identifier: PostgreSQL */
/* Stopping what is under way, with as many connections as possible fit for others afterwards. */
#include "pg/wait.h"
#include "session/call.h"
#include "tenant/fleet.h"

/* How long a server may take to stop before its connection is closed instead. */
#define PATIENCE_MS 3000
/* A request to stop that came before the statement began was lost: it is repeated. */
#define AGAIN_MS 200
/* More than can have been on the way when the server was asked. */
#define AGAIN_PARTS 1000

/* Throw away what has come. True when the call has ended. */
static bool drain(tndb_fleet_slot *slot, bool readable) {
  tenantdb_session *session = slot->session;
  for (int parts = 1; parts <= AGAIN_PARTS; parts++) {
    slot->step = tndb_call_step(session, readable);
    readable = false;
    if (slot->step != TNDB_STEP_ROWS) {
      return slot->step == TNDB_STEP_DONE;
    }
    PQclear(tndb_exchange_take(session->conn, session->item.place));
  }
  tndb_conn_cancel(session->conn);
  return false;
}

/* Ask the server to stop, unless it is done already. */
static void stop(tndb_fleet_slot *slot) {
  tenantdb_session *session = slot->session;
  session->call.abandoned = true;
  if (session->conn && tndb_conn_is_foreign(session->conn)) {
    session->call.stage = TNDB_CALL_ENDED; /* in a child: the parent may still be reading */
    session->conn->dead = true;
  }
  slot->paused = false;
  if (drain(slot, true)) {
    return;
  }
  tndb_conn_cancel(session->conn);
  session->call.allowed_ms = PATIENCE_MS * 10;
  session->call.deadline = tndb_deadline_in(AGAIN_MS);
}

static void end(tndb_fleet_slot *slot) {
  if (slot->step != TNDB_STEP_DONE && slot->session->conn) {
    slot->session->conn->dead = true;
    (void)tndb_call_step(slot->session, false);
  }
  (void)tndb_call_outcome(slot->session, NULL);
  tndb_fleet_let_go(slot);
  tndb_fleet_drop_rows(slot);
  tenantdb_error_free(slot->error);
  slot->error = NULL;
  slot->fleet->tenants[slot->tenant].stage = TNDB_FLEET_WAITING;
}

/* Wait for one of those that are being stopped; how many there still are. */
static size_t wait_for_some(tndb_fleet *fleet, const tndb_fleet_slot *only, tndb_deadline patience) {
  size_t left = 0;
  for (size_t i = 0; i < fleet->n_slots; i++) {
    const tndb_fleet_slot *slot = &fleet->slots[i];
    bool waits = slot->session && (!only || only == slot) && slot->step != TNDB_STEP_DONE;
    fleet->sockets[i] =
        (struct pollfd){waits ? PQsocket(slot->session->conn->pg) : -1,
                        (short)(slot->step == TNDB_STEP_READ_WRITE ? POLLIN | POLLOUT : POLLIN), 0};
    left += waits;
    if (waits) {
      patience = tndb_deadline_min(patience, slot->session->call.deadline);
    }
    if (waits && slot->step == TNDB_STEP_ROWS) {
      patience = tndb_clock_ms();
    }
  }
  if (left > 0) {
    (void)tndb_wait_many(fleet->sockets, fleet->n_slots, patience);
  }
  return left;
}

/* All of them, or only one. */
static void halt(tndb_fleet *fleet, tndb_fleet_slot *only) {
  tndb_deadline patience = tndb_deadline_in(PATIENCE_MS);
  for (size_t i = 0; i < fleet->n_slots; i++) {
    if (fleet->slots[i].session && (!only || only == &fleet->slots[i])) {
      stop(&fleet->slots[i]);
    }
  }
  while (tndb_deadline_left(patience) > 0 && wait_for_some(fleet, only, patience) > 0) {
    for (size_t i = 0; i < fleet->n_slots; i++) {
      tndb_fleet_slot *slot = &fleet->slots[i];
      if (slot->session && (!only || only == slot) && slot->step != TNDB_STEP_DONE) {
        (void)drain(slot, (fleet->sockets[i].revents & ~POLLOUT) != 0);
      }
    }
  }
  for (size_t i = 0; i < fleet->n_slots; i++) {
    if (fleet->slots[i].session && (!only || only == &fleet->slots[i])) {
      end(&fleet->slots[i]);
    }
  }
}

void tndb_fleet_halt(tndb_fleet *fleet) {
  halt(fleet, NULL);
}

void tndb_fleet_retreat(tndb_fleet_slot *slot) {
  size_t tenant = slot->tenant;
  halt(slot->fleet, slot);
  tndb_fleet_put_back(slot->fleet, tenant);
}

/* SPDX-License-Identifier: PostgreSQL */
/* All tenants of a fleet query: who begins, who is waited for, whose rows are next. */
#include "pg/wait.h"
#include "session/call.h"
#include "tenant/fleet.h"

/* How many tenants that lack a connection of their own are passed over for others. */
#define PASSED_MOST 8

/* ---------------------------------------------------------------- whose rows are next */

void tndb_fleet_advance_turn(tndb_fleet *fleet) {
  while (fleet->turn < fleet->list.count && fleet->tenants[fleet->turn].stage >= TNDB_FLEET_OVER &&
         !fleet->tenants[fleet->turn].ready.first) {
    fleet->turn++;
  }
}

static tndb_chunks *next_queue(tndb_fleet *fleet) {
  if (!fleet->settings.by_tenant) {
    return &fleet->ready;
  }
  tndb_fleet_advance_turn(fleet);
  return fleet->turn < fleet->list.count ? &fleet->tenants[fleet->turn].ready : &fleet->ready;
}

static bool has_chunk(tndb_fleet *fleet) {
  return next_queue(fleet)->first != NULL;
}

static tndb_chunk *take_chunk(tndb_fleet *fleet) {
  tndb_chunk *chunk = tndb_chunks_take(next_queue(fleet));
  if (chunk) {
    fleet->held -= tndb_chunk_size(chunk);
  }
  return chunk;
}

/* A slot that has rows for handing out, though not many. */
static tndb_fleet_slot *find_partial(tndb_fleet *fleet) {
  for (size_t i = 0; i < fleet->n_slots; i++) {
    tndb_fleet_slot *slot = &fleet->slots[i];
    bool next = !fleet->settings.by_tenant || slot->tenant == fleet->turn;
    if (slot->session && next && slot->open && slot->open->rows > 0) {
      return slot;
    }
  }
  return NULL;
}

/* ---------------------------------------------------------------- who begins */

/* The k-th of those who wait, taken out of their number. */
static bool take_waiting(tndb_fleet *fleet, size_t k, size_t *tenant) {
  if (k >= fleet->n_again) {
    *tenant = fleet->next;
    fleet->next += fleet->next < fleet->list.count;
    return *tenant < fleet->list.count;
  }
  *tenant = fleet->again[k];
  fleet->n_again--;
  for (size_t i = k; i < fleet->n_again; i++) {
    fleet->again[i] = fleet->again[i + 1];
  }
  return true;
}

static bool has_waiting(const tndb_fleet *fleet) {
  return fleet->n_again > 0 || fleet->next < fleet->list.count;
}

static bool may_begin(const tndb_fleet *fleet, size_t tenant) {
  bool is_next = fleet->settings.by_tenant && tenant == fleet->turn;
  return is_next || fleet->held < TNDB_FLEET_HELD_MOST;
}

/* Give a free slot one of those who wait. *refused: there is no connection for any of them now. */
static tenantdb_status fill_slot(tndb_fleet *fleet, tndb_fleet_slot *slot, bool *refused,
                                 tenantdb_error **error) {
  size_t tenant, passed = 0;
  while (!slot->session && !*refused && take_waiting(fleet, passed, &tenant)) {
    tndb_fleet_start outcome = TNDB_FLEET_NO_CONNECTION;
    tenantdb_status status = TENANTDB_OK;
    if (may_begin(fleet, tenant)) {
      status = tndb_fleet_begin(fleet, slot, tenant, 0, &outcome, error);
    } else {
      *refused = true;
    }
    if (outcome == TNDB_FLEET_NO_CONNECTION) {
      tndb_fleet_put_back(fleet, tenant);
      *refused = *refused || !fleet->shares || ++passed > PASSED_MOST;
    }
    if (status) {
      return status;
    }
    tndb_fleet_advance_turn(fleet);
  }
  return TENANTDB_OK;
}

static tenantdb_status fill(tndb_fleet *fleet, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  bool refused = false;
  bool over = fleet->settings.stops && fleet->n_failures > 0;
  for (size_t i = 0; i < fleet->n_slots && !status && !refused && !over; i++) {
    status = fill_slot(fleet, &fleet->slots[i], &refused, error);
    over = fleet->settings.stops && fleet->n_failures > 0;
  }
  return status;
}

/* ---------------------------------------------------------------- waiting */

static void resume(tndb_fleet_slot *slot) {
  tndb_call *call = &slot->session->call;
  if (call->deadline != TNDB_NEVER) {
    call->deadline += tndb_clock_ms() - slot->paused_at; /* it was not the server that took that long */
  }
  slot->paused = false;
  slot->step = TNDB_STEP_ROWS;
}

typedef struct situation {
  bool running; /* something is under way */
  bool moving;  /* … and not all of it is paused */
  bool at_once; /* … and something can be done without waiting */
} situation;

static situation look(tndb_fleet *fleet) {
  situation now = {false, false, false};
  tndb_fleet_advance_turn(fleet);
  for (size_t i = 0; i < fleet->n_slots; i++) {
    tndb_fleet_slot *slot = &fleet->slots[i];
    if (slot->session && slot->paused && !tndb_fleet_must_pause(slot)) {
      resume(slot);
    }
    now.running = now.running || slot->session;
    now.moving = now.moving || (slot->session && !slot->paused);
    now.at_once = now.at_once || (slot->session && !slot->paused && slot->step == TNDB_STEP_ROWS);
  }
  return now;
}

static int wait_for_sockets(tndb_fleet *fleet, tndb_deadline until) {
  for (size_t i = 0; i < fleet->n_slots; i++) {
    const tndb_fleet_slot *slot = &fleet->slots[i];
    bool waits = slot->session && !slot->paused;
    fleet->sockets[i] =
        (struct pollfd){waits ? PQsocket(slot->session->conn->pg) : -1,
                        (short)(slot->step == TNDB_STEP_READ_WRITE ? POLLIN | POLLOUT : POLLIN), 0};
    if (waits) {
      until = tndb_deadline_min(until, slot->session->call.deadline);
    }
  }
  fleet->sockets[fleet->n_slots] = (struct pollfd){fleet->wake.read_end, POLLIN, 0};
  return tndb_wait_many(fleet->sockets, fleet->n_slots + 1, tndb_deadline_min(until, fleet->deadline));
}

static tenantdb_status advance_all(tndb_fleet *fleet, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; i < fleet->n_slots && !status; i++) {
    tndb_fleet_slot *slot = &fleet->slots[i];
    short events = fleet->sockets[i].revents;
    /* What is read on top of rows that wait to be taken would make libpq's buffer grow. */
    bool readable = slot->step != TNDB_STEP_ROWS && (events & ~POLLOUT) != 0;
    if (slot->session && !slot->paused &&
        (events || slot->step == TNDB_STEP_ROWS || tndb_deadline_left(slot->session->call.deadline) == 0)) {
      status = tndb_fleet_advance(slot, readable, error);
    }
  }
  return status;
}

/* ---------------------------------------------------------------- when nothing moves */

/* Nothing is under way, and somebody waits: now it is for us to wait for a connection. */
static tenantdb_status begin_one(tndb_fleet *fleet, tenantdb_error **error) {
  size_t tenant = 0;
  tndb_fleet_start outcome;
  tndb_deadline patience = tndb_deadline_in(tndb_config_number(fleet->db->config, TNDB_POOL_TIMEOUT));
  (void)take_waiting(fleet, 0, &tenant);
  tenantdb_status status = tndb_fleet_begin(fleet, &fleet->slots[0], tenant,
                                            tndb_deadline_min(patience, fleet->deadline), &outcome, error);
  bool late = status && fleet->deadline != TNDB_NEVER && tndb_deadline_left(fleet->deadline) == 0;
  if (status && (late || atomic_load(&fleet->cancelled))) {
    tenantdb_error_free(error ? *error : NULL);
    tndb_error_reset(error);
    return TENANTDB_OK; /* which is what will be told */
  }
  return status;
}

/*
 * All are paused, so the one whose turn it is has no connection: the last of the
 * others makes way for it, and for nobody else, or that one would be begun again
 * and again.
 */
static tenantdb_status make_way(tndb_fleet *fleet, tenantdb_error **error) {
  tndb_fleet_slot *last = NULL;
  size_t tenant = 0;
  tndb_fleet_start outcome;
  for (size_t i = 0; i < fleet->n_slots; i++) {
    tndb_fleet_slot *slot = &fleet->slots[i];
    if (slot->session && (!last || slot->tenant > last->tenant)) {
      last = slot;
    }
  }
  if (!last) {
    return TENANTDB_OK;
  }
  tndb_fleet_retreat(last);
  (void)take_waiting(fleet, 0, &tenant);
  tenantdb_status status = tndb_fleet_begin(fleet, last, tenant, 0, &outcome, error);
  if (!status && outcome == TNDB_FLEET_NO_CONNECTION) {
    tndb_fleet_put_back(fleet, tenant);
  }
  return status;
}

static tenantdb_status get_going(tndb_fleet *fleet, const situation *now, tenantdb_error **error) {
  tndb_fleet_slot *partial = find_partial(fleet);
  if (!partial) {
    return now->running ? make_way(fleet, error) : begin_one(fleet, error);
  }
  tndb_fleet_close_chunk(partial);
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- all together */

/* Whether the query is to end before its time. */
static tenantdb_status interrupted(tndb_fleet *fleet, tenantdb_error **error) {
  long long done = atomic_load(&fleet->done);
  if (atomic_load(&fleet->cancelled)) {
    return tndb_origin(error, TENANTDB_CANCELLED, TENANTDB_REASON_STATEMENT_CANCELLED,
                       "the fleet query was cancelled after %lld of %zu tenants", done, fleet->list.count);
  }
  if (fleet->deadline != TNDB_NEVER && tndb_deadline_left(fleet->deadline) == 0) {
    return tndb_origin(error, TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT,
                       "the fleet query's timeout passed after %lld of %zu tenants", done, fleet->list.count);
  }
  if (fleet->settings.stops && fleet->n_failures > 0) {
    const tndb_fleet_failure *first = &fleet->failures[0];
    (void)tndb_error_pass(error, tndb_error_copy(first->error));
    tndb_error_prefix(error, "tenant %s", first->name);
    return first->status;
  }
  return TENANTDB_OK;
}

/* One turn of the wheel. */
static tenantdb_status turn(tndb_fleet *fleet, const situation *now, tenantdb_error **error) {
  tndb_fleet_slot *partial = find_partial(fleet);
  bool hurry = now->at_once || has_chunk(fleet) || partial;
  int n = wait_for_sockets(fleet, hurry ? tndb_clock_ms() : TNDB_NEVER);
  if (n < 0) {
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                       "the system refuses to wait for %zu sockets", fleet->n_slots + 1);
  }
  if (n == 0 && partial && !now->at_once && !has_chunk(fleet)) {
    tndb_fleet_close_chunk(partial);
  }
  tenantdb_status status = advance_all(fleet, error);
  return status ? status : fill(fleet, error);
}

tenantdb_status tndb_fleet_run(tndb_fleet *fleet, tndb_chunk **chunk, tenantdb_error **error) {
  *chunk = NULL;
  tenantdb_status status = fill(fleet, error);
  while (!status && !*chunk) {
    status = interrupted(fleet, error);
    if (status) {
      break;
    }
    situation now = look(fleet);
    if (now.moving) {
      status = turn(fleet, &now, error);
    } else if (has_chunk(fleet)) {
      /* Nothing to be looked after meanwhile. */
    } else if (now.running || has_waiting(fleet)) {
      status = get_going(fleet, &now, error);
    } else {
      break;
    }
    *chunk = status ? NULL : take_chunk(fleet);
  }
  return status;
}

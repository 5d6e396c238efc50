/* SPDX-License-Identifier: PostgreSQL */
/* One tenant of a fleet query: begun, stepped, done. */
#include <string.h>

#include "base/memory.h"
#include "catalog/login.h"
#include "pg/rows.h"
#include "session/call.h"
#include "session/known.h"
#include "tenant/fleet.h"

/* Rows that are not wanted: beyond so many it is cheaper to ask the server to stop. */
#define DISCARDED_MOST 10000
/* How long to wait for a connection before looking whether somebody has cancelled. */
#define LEASE_SLICE_MS 250
/* Types from here on are made by users, and a tenant's own have an OID of their own. */
#define FIRST_USER_TYPE 16384

/* ---------------------------------------------------------------- rows */

static tndb_chunks *queue_of(tndb_fleet *fleet, size_t tenant) {
  return fleet->settings.by_tenant ? &fleet->tenants[tenant].ready : &fleet->ready;
}

void tndb_fleet_close_chunk(tndb_fleet_slot *slot) {
  if (slot->open && slot->open->rows > 0) {
    tndb_chunks_add(queue_of(slot->fleet, slot->tenant), slot->open);
    slot->open = NULL;
  }
}

static void drop_open(tndb_fleet_slot *slot) {
  if (slot->open) {
    slot->fleet->held -= tndb_chunk_size(slot->open);
    tndb_chunk_free(slot->open);
    slot->open = NULL;
  }
}

void tndb_fleet_drop_rows(tndb_fleet_slot *slot) {
  tndb_fleet *fleet = slot->fleet;
  fleet->held -= tndb_chunks_drop(queue_of(fleet, slot->tenant), slot->tenant);
  drop_open(slot);
}

bool tndb_fleet_must_pause(const tndb_fleet_slot *slot) {
  const tndb_fleet *fleet = slot->fleet;
  if (!fleet->settings.by_tenant) {
    return fleet->held >= TNDB_FLEET_HELD_MOST;
  }
  /* And whose columns are the right ones is for the first tenant to say. */
  return slot->tenant != fleet->turn &&
         (!fleet->shape || slot->held >= TNDB_FLEET_AHEAD_MOST || fleet->held >= TNDB_FLEET_HELD_MOST);
}

static bool append(tndb_fleet_slot *slot, const PGresult *rows) {
  if (!slot->open) {
    slot->open = tndb_chunk_new(slot->tenant, PQnfields(rows));
    slot->held += slot->open ? tndb_chunk_size(slot->open) : 0;
    slot->fleet->held += slot->open ? tndb_chunk_size(slot->open) : 0;
  }
  if (!slot->open) {
    return false;
  }
  size_t before = tndb_chunk_size(slot->open);
  bool kept = tndb_chunk_append(slot->open, rows);
  size_t grown = tndb_chunk_size(slot->open) - before;
  slot->held += grown;
  slot->fleet->held += grown;
  return kept;
}

/* ---------------------------------------------------------------- columns */

static bool is_same_type(uint32_t a, uint32_t b) {
  return a == b || (a >= FIRST_USER_TYPE && b >= FIRST_USER_TYPE);
}

static tenantdb_status other_column(tndb_fleet_slot *slot, const PGresult *rows, int column) {
  const PGresult *shape = slot->fleet->shape;
  return tndb_origin(
      &slot->error, TENANTDB_STATE, TENANTDB_REASON_WRONG_TYPE,
      "column %d is \"%.63s\" of type %s where the first tenant that answered has \"%.63s\" of "
      "type %s",
      column + 1, PQfname(rows, column), tenantdb_result_type_name(PQftype(rows, column)),
      PQfname(shape, column), tenantdb_result_type_name(PQftype(shape, column)));
}

/* The columns of an answer: the first says what they are, the others have to agree. */
static void check_columns(tndb_fleet_slot *slot, const PGresult *rows) {
  tndb_fleet *fleet = slot->fleet;
  slot->checked = true;
  if (!fleet->shape) {
    fleet->shape = PQcopyResult(rows, PG_COPYRES_ATTRS);
    slot->verdict = fleet->shape ? TENANTDB_OK : tndb_no_memory(&slot->error);
    return;
  }
  int n = PQnfields(rows);
  if (n != PQnfields(fleet->shape)) {
    slot->verdict = tndb_origin(&slot->error, TENANTDB_STATE, TENANTDB_REASON_WRONG_TYPE,
                                "the answer has %d columns where the first tenant that answered has %d", n,
                                PQnfields(fleet->shape));
  }
  for (int i = 0; i < n && !slot->verdict; i++) {
    if (strcmp(PQfname(rows, i), PQfname(fleet->shape, i)) != 0 ||
        !is_same_type(PQftype(rows, i), PQftype(fleet->shape, i))) {
      slot->verdict = other_column(slot, rows, i);
    }
  }
}

/* Before COMMIT, when that is still to be sent: the end of the answer. */
static void collect(void *user, tndb_conn *conn) {
  tndb_fleet_slot *slot = user;
  PGresult *rows = tndb_exchange_result(conn, slot->session->item.place);
  ExecStatusType status = rows ? PQresultStatus(rows) : PGRES_FATAL_ERROR;
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    return;
  }
  slot->answered = true;
  slot->affected = status == PGRES_COMMAND_OK ? tndb_rows_affected(rows) : 0;
  if (!slot->checked) {
    check_columns(slot, rows);
  }
  slot->session->call.abandoned = slot->session->call.abandoned || slot->verdict;
}

/* False when memory ran out. */
static bool take_rows(tndb_fleet_slot *slot, const PGresult *rows) {
  if (!rows) {
    return true;
  }
  if (!slot->checked) {
    check_columns(slot, rows);
    slot->session->call.abandoned = slot->verdict != TENANTDB_OK;
  }
  if (!slot->verdict) {
    return append(slot, rows);
  }
  int64_t before = slot->discarded;
  slot->discarded += PQntuples(rows);
  if (before < DISCARDED_MOST && slot->discarded >= DISCARDED_MOST) {
    tndb_conn_cancel(slot->session->conn);
  }
  return true;
}

/* ---------------------------------------------------------------- the end */

void tndb_fleet_let_go(tndb_fleet_slot *slot) {
  tenantdb_session *session = slot->session;
  slot->session = NULL;
  slot->paused = false;
  tenantdb_session_close(session);
  atomic_fetch_sub(&slot->fleet->running, 1);
}

void tndb_fleet_put_back(tndb_fleet *fleet, size_t tenant) {
  size_t at = fleet->n_again++;
  fleet->tenants[tenant].stage = TNDB_FLEET_WAITING;
  for (; at > 0 && fleet->again[at - 1] > tenant; at--) {
    fleet->again[at] = fleet->again[at - 1];
  }
  fleet->again[at] = tenant;
}

bool tndb_fleet_fail(tndb_fleet *fleet, size_t tenant, tenantdb_status status, tenantdb_error *failure) {
  const tndb_fleet_list *list = &fleet->list;
  bool known = tenant < list->count;
  if (fleet->n_failures == fleet->most_failures) {
    size_t most = fleet->most_failures ? fleet->most_failures * 2 : 8;
    tndb_fleet_failure *bigger = tndb_realloc(fleet->failures, most * sizeof *bigger);
    if (!bigger) {
      tenantdb_error_free(failure);
      return false;
    }
    fleet->failures = bigger;
    fleet->most_failures = most;
  }
  if (known) {
    fleet->tenants[tenant].stage = TNDB_FLEET_FAILED;
  }
  const char *name = known ? tndb_fleet_list_slug(list, tenant) : list->missing[tenant - list->count];
  fleet->failures[fleet->n_failures++] =
      (tndb_fleet_failure){tenant, name, status, failure, known ? fleet->tenants[tenant].delivered : 0};
  atomic_fetch_add(&fleet->failed, 1);
  return true;
}

/* What the tenant came to: its own matter, unless any other's would have been the same. */
static tenantdb_status settle(tndb_fleet_slot *slot, tenantdb_status status, tenantdb_error *own,
                              tenantdb_error **error) {
  tndb_fleet *fleet = slot->fleet;
  tndb_fleet_tenant *tenant = &fleet->tenants[slot->tenant];
  tndb_fleet_let_go(slot);
  if (!status) {
    tndb_fleet_close_chunk(slot);
    drop_open(slot); /* one without rows */
    tenant->stage = TNDB_FLEET_OVER;
    atomic_fetch_add(&fleet->affected, slot->affected);
    atomic_fetch_add(&fleet->done, 1);
    return TENANTDB_OK;
  }
  tndb_fleet_drop_rows(slot);
  if (status == TENANTDB_MEMORY) {
    tenant->stage = TNDB_FLEET_WAITING;
    (void)tndb_error_pass(error, own);
    return status;
  }
  if (status == TENANTDB_CONNECTION && !tenant->tried && tenant->delivered == 0) {
    tenant->tried = true;
    tenantdb_error_free(own);
    tndb_fleet_put_back(fleet, slot->tenant);
    return TENANTDB_OK;
  }
  return tndb_fleet_fail(fleet, slot->tenant, status, own) ? TENANTDB_OK : tndb_no_memory(error);
}

static tenantdb_status finish(tndb_fleet_slot *slot, tenantdb_error **error) {
  tenantdb_error *own = NULL;
  tenantdb_status status = tndb_call_outcome(slot->session, &own);
  if (slot->verdict) {
    tenantdb_error_free(own);
    own = slot->error;
    status = slot->verdict;
    slot->error = NULL;
    tndb_error_set_tenant(&own, tndb_fleet_list_slug(&slot->fleet->list, slot->tenant));
  } else if (!status && !slot->answered) {
    status = tndb_no_memory(&own); /* libpq lost the end of it */
  }
  return settle(slot, status, own, error);
}

tenantdb_status tndb_fleet_advance(tndb_fleet_slot *slot, bool readable, tenantdb_error **error) {
  tenantdb_session *session = slot->session;
  while (!slot->paused) {
    slot->step = tndb_call_step(session, readable);
    readable = false;
    if (slot->step == TNDB_STEP_DONE) {
      return finish(slot, error);
    }
    if (slot->step != TNDB_STEP_ROWS) {
      return TENANTDB_OK;
    }
    PGresult *rows = tndb_exchange_take(session->conn, session->item.place);
    bool kept = take_rows(slot, rows);
    PQclear(rows);
    if (!kept || slot->verdict == TENANTDB_MEMORY) {
      return tndb_no_memory(error);
    }
    slot->paused = tndb_fleet_must_pause(slot);
    slot->paused_at = tndb_clock_ms();
    if (slot->open && tndb_chunk_is_full(slot->open)) {
      tndb_fleet_close_chunk(slot);
      return TENANTDB_OK; /* others may have something by now */
    }
  }
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- the beginning */

/* Whether a failure to get a connection is one of all tenants. */
static bool concerns_all(const tndb_fleet *fleet, tenantdb_status status, int32_t reason) {
  if (reason == TENANTDB_REASON_TENANT_SHARE) {
    return false;
  }
  return fleet->db->level < TENANTDB_ISOLATION_LOGIN || status == TENANTDB_MEMORY ||
         status == TENANTDB_CONNECTION || status == TENANTDB_TIMEOUT || status == TENANTDB_INTERNAL ||
         reason == TENANTDB_REASON_POOL_TIMEOUT || reason == TENANTDB_REASON_DATABASE_CLOSED;
}

/* Waiting may help, if not here then later. */
static bool is_passing(tenantdb_status status) {
  return status == TENANTDB_BUSY || status == TENANTDB_CONNECTION || status == TENANTDB_TIMEOUT;
}

static tenantdb_status borrow(tndb_fleet *fleet, const tenantdb_tenant *tenant, bool waits,
                              tndb_deadline deadline, tndb_conn **conn, tenantdb_error **error) {
  tenantdb *db = fleet->db;
  if (db->level >= TENANTDB_ISOLATION_LOGIN) {
    return waits ? tndb_login_lease(db, tenant, deadline, conn, error)
                 : tndb_login_try(db, tenant, conn, error);
  }
  tndb_lease wanted = {.key = tenant->id, .deadline = waits ? deadline : TNDB_NEVER, .again = true};
  return waits ? tndb_pool_lease_for(db->pool, &wanted, conn, error)
               : tndb_pool_try(db->pool, &wanted, conn, error);
}

/* Wait in slices, since somebody may cancel meanwhile and nothing else would tell. */
static tenantdb_status wait_for(tndb_fleet *fleet, const tenantdb_tenant *tenant, tndb_deadline patience,
                                tndb_conn **conn, tenantdb_error **error) {
  for (;;) {
    tenantdb_error *own = NULL;
    tndb_deadline slice = tndb_deadline_min(patience, tndb_deadline_in(LEASE_SLICE_MS));
    tenantdb_status status = borrow(fleet, tenant, true, slice, conn, &own);
    int32_t reason = tenantdb_error_reason(own);
    bool early = (reason == TENANTDB_REASON_POOL_TIMEOUT || reason == TENANTDB_REASON_TENANT_SHARE) &&
                 tndb_deadline_left(patience) != 0;
    if (!early || atomic_load(&fleet->cancelled)) {
      return status ? tndb_error_pass(error, own) : TENANTDB_OK;
    }
    tenantdb_error_free(own);
  }
}

static tenantdb_status start_call(tndb_fleet_slot *slot, const char *schema, tenantdb_error **error) {
  const tndb_call_item *common = &slot->fleet->text.item;
  tenantdb_session *session = slot->session;
  const char *sql = tndb_fleet_text_for(&slot->fleet->text, schema, &slot->sql);
  if (!sql) {
    return tndb_no_memory(error);
  }
  session->item = (tndb_call_item){.sql = sql, .values = common->values, .place = TNDB_NONE};
  tenantdb_status status = tndb_call_run(session, TNDB_CALL_STREAM, &session->item, 1, error);
  if (!status) {
    session->call.collect = collect;
    session->call.batch = slot;
  }
  return status;
}

/* On a connection, which is taken. */
static tenantdb_status run_in(tndb_fleet_slot *slot, size_t tenant, tenantdb_tenant *known, tndb_conn *conn,
                              tenantdb_error **error) {
  tndb_fleet *fleet = slot->fleet;
  tenantdb_status status =
      tndb_session_open_known(fleet->db, known, conn, &fleet->session, &slot->session, error);
  if (status) {
    return status;
  }
  slot->tenant = tenant;
  slot->paused = slot->checked = slot->answered = false;
  slot->discarded = slot->affected = 0;
  slot->held = 0;
  slot->verdict = TENANTDB_OK;
  fleet->tenants[tenant].stage = TNDB_FLEET_RUNNING;
  atomic_fetch_add(&fleet->running, 1);
  tenantdb_error *own = NULL;
  status = start_call(slot, known->schema, &own);
  if (status) {
    return settle(slot, status, own, error);
  }
  slot->step = tndb_call_step(slot->session, false); /* gets the flush under way */
  if (slot->step == TNDB_STEP_DONE) {
    return finish(slot, error);
  }
  slot->paused = tndb_fleet_must_pause(slot);
  slot->paused_at = tndb_clock_ms();
  return TENANTDB_OK;
}

tenantdb_status tndb_fleet_begin(tndb_fleet *fleet, tndb_fleet_slot *slot, size_t tenant, tndb_deadline wait,
                                 tndb_fleet_start *outcome, tenantdb_error **error) {
  tenantdb_tenant *known = NULL;
  tndb_conn *conn = NULL;
  tenantdb_error *own = NULL;
  *outcome = TNDB_FLEET_BEGUN;
  tenantdb_status status = tndb_fleet_list_tenant(&fleet->list, fleet->db, tenant, &known, &own);
  bool ours = status == TENANTDB_MEMORY;
  if (!status) {
    status = tndb_session_require_open(fleet->db, known, &own);
    ours = status == TENANTDB_MEMORY;
  }
  if (!status) {
    status = wait ? wait_for(fleet, known, wait, &conn, &own) : borrow(fleet, known, false, 0, &conn, &own);
    ours = status && concerns_all(fleet, status, tenantdb_error_reason(own));
    if (!conn && !wait && (!status || (is_passing(status) && ours))) {
      *outcome = TNDB_FLEET_NO_CONNECTION;
    }
  }
  if (conn) {
    return run_in(slot, tenant, known, conn, error);
  }
  tenantdb_tenant_free(known);
  if (*outcome == TNDB_FLEET_NO_CONNECTION) {
    tenantdb_error_free(own);
    return TENANTDB_OK;
  }
  if (ours) {
    (void)tndb_error_pass(error, own);
    return status;
  }
  return tndb_fleet_fail(fleet, tenant, status, own) ? TENANTDB_OK : tndb_no_memory(error);
}

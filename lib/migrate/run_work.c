/* SPDX-License-Identifier: PostgreSQL */
/* Working on a run: one thread, the caller's, that polls its connections. */
#include <string.h>

#include "base/memory.h"
#include "config/events.h"
#include "migrate/run.h"
#include "pg/wait.h"

/* Connections that may break under the run's own questions, one after the other. */
#define MOST_LOSSES 3
#define TELL_MS 500
/* How often to look again while the last members of a wave are in the hands of others. */
#define OTHERS_MS 100
/* The longest wait while nothing of ours is due. */
#define IDLE_MS 250
/* How long to try to give back what was taken. */
#define LEAVE_MS 2000

/* ---------------------------------------------------------------- one connection for a moment */

/* Without waiting for others: *conn is NULL when there is none now. */
static tenantdb_status borrow(tenantdb_run *run, const char *key, bool waits, tndb_conn **conn,
                              tenantdb_error **error) {
  tndb_lease wanted = {.key = key, .deadline = TNDB_NEVER, .again = !waits};
  return waits ? tndb_pool_lease_for(run->db->pool, &wanted, conn, error)
               : tndb_pool_try(run->db->pool, &wanted, conn, error);
}

/* One connection that broke is no reason to give up; nothing is lost by saying it all again. */
static tenantdb_status forgive(tenantdb_run *run, tenantdb_status status, tenantdb_error **error) {
  if (!status) {
    run->losses = 0;
  } else if (status == TENANTDB_CONNECTION && ++run->losses <= MOST_LOSSES) {
    run->starved = true;
    run->beat_at = 0;
    tenantdb_error_free(error ? *error : NULL);
    tndb_error_reset(error);
    return TENANTDB_OK;
  }
  return status;
}

/* Whether what a connection is wanted for can wait until somebody of ours gives one back. */
static bool is_busy(const tenantdb_run *run) {
  return run->active > 0 || run->beat.conn;
}

/* A beat begins, when there is a connection for it; when nothing is under way one is waited for. */
static tenantdb_status beat(tenantdb_run *run, tenantdb_error **error) {
  tndb_conn *conn = NULL;
  tenantdb_status status = borrow(run, "", !is_busy(run), &conn, error);
  run->starved = !conn;
  return conn ? forgive(run, tndb_run_beat_begin(run, conn, error), error) : status;
}

static bool wants_beat(const tenantdb_run *run) {
  bool hungry = !run->empty && tndb_run_is_hungry(run);
  return run->starved || run->urgent || hungry || tndb_clock_ms() >= run->beat_at;
}

/* ---------------------------------------------------------------- beginning members */

/* The shared stream: nobody else of the run is under way meanwhile. */
static void migrate_shared(tenantdb_run *run, tndb_run_member *member) {
  const tndb_run_settings *settings = &run->settings;
  tndb_shared_order order = {.set = run->set,
                             .goal = settings->to >= 0 ? settings->to : INT64_MAX,
                             .down = settings->down,
                             .dry = settings->dry,
                             .any_order = settings->order == TNDB_RUN_ANY,
                             .skip_older = settings->order == TNDB_RUN_SKIP,
                             .lock_timeout_ms = settings->lock_timeout_ms,
                             .lock_retries = (int32_t)settings->lock_retries,
                             .run = run->id};
  tenantdb_error *failure = NULL;
  tndb_shared_result result;
  member->began_ms = tndb_clock_ms();
  member->renewed = true;
  tenantdb_status status = tndb_migrate_shared(run->db, &order, &result, &failure);
  member->to = result.version;
  member->file = result.file;
  member->line = result.line;
  tndb_free(member->blocker);
  member->blocker = result.holders;
  tndb_run_settle(run, member, status ? TNDB_JOB_FAILED : TNDB_JOB_APPLIED, failure);
}

static bool may_begin(const tenantdb_run *run) {
  return !run->draining && run->state == TNDB_RUN_RUNNING && !run->urgent && !run->starved;
}

static void put_first(tndb_run_queue *queue, tndb_run_member *member) {
  member->next = queue->first;
  queue->first = member;
  queue->last = queue->last ? queue->last : member;
  queue->count++;
}

/*
 * The connection that the slot has had, unless somebody waits for one, or it has served so many tenants
 * that the server's process is to be replaced: one process that goes on is quicker than two in turn.
 */
static tndb_conn *keep(tenantdb_run *run, tndb_run_slot *slot, const tndb_run_member *member) {
  int64_t most = tndb_config_number(run->db->config, TNDB_POOL_RECYCLE_TENANTS);
  tndb_pool_counts counts;
  tndb_conn *conn = slot->conn;
  if (!conn) {
    return NULL;
  }
  tndb_pool_count(run->db->pool, &counts);
  bool may = (most == 0 || slot->served < most) && counts.waiting == 0 &&
             tndb_pool_reassign(run->db->pool, conn, member->id);
  if (!may) {
    tndb_run_slot_rest(slot);
  }
  return may ? conn : NULL;
}

static tenantdb_status begin_one(tenantdb_run *run, tndb_run_slot *slot, bool *none, tenantdb_error **error) {
  tndb_run_member *member = tndb_run_pop(&run->ready, tndb_clock_ms());
  *none = !member;
  if (!member) {
    return TENANTDB_OK;
  }
  if (member->shared && run->beat.conn) { /* that is waited for: when nothing is under way */
    put_first(&run->ready, member);
    *none = true;
    return TENANTDB_OK;
  }
  if (member->shared) {
    migrate_shared(run, member);
    return TENANTDB_OK;
  }
  tndb_conn *conn = keep(run, slot, member);
  tenantdb_status status = conn ? TENANTDB_OK : borrow(run, member->id, !is_busy(run), &conn, error);
  if (conn) {
    status = tndb_run_slot_begin(slot, member, conn, error);
    if (status) {
      put_first(&run->ready, member);
    }
    return status;
  }
  put_first(&run->ready, member);
  *none = true;
  if (status && is_busy(run)) { /* those under way will find out by themselves */
    tenantdb_error_free(error ? *error : NULL);
    tndb_error_reset(error);
    status = TENANTDB_OK;
  }
  return status;
}

static tenantdb_status fill(tenantdb_run *run, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  bool none = false;
  for (size_t i = 0; i < run->n_slots && !status && !none; i++) {
    while (!run->slots[i].member && !status && !none && may_begin(run)) {
      status = begin_one(run, &run->slots[i], &none, error);
    }
  }
  for (size_t i = 0; i < run->n_slots; i++) { /* others may use what we do not */
    tndb_run_slot_rest(&run->slots[i]);
  }
  return status;
}

/* ---------------------------------------------------------------- waiting */

static tndb_deadline due(const tndb_run_slot *slot) {
  return slot->again_at                 ? slot->again_at
         : slot->step == TNDB_JOB_PAUSE ? slot->job.again_at
                                        : slot->job.deadline;
}

static bool talks(const tndb_run_slot *slot) {
  return slot->member && !slot->again_at &&
         (slot->step == TNDB_JOB_READ || slot->step == TNDB_JOB_READ_WRITE);
}

static void advance_all(tenantdb_run *run) {
  for (size_t i = 0; i < run->n_slots; i++) {
    tndb_run_slot *slot = &run->slots[i];
    short events = run->sockets[i].revents;
    if (slot->member && ((talks(slot) && events) || tndb_deadline_left(due(slot)) == 0)) {
      tndb_run_slot_advance(slot, (events & ~POLLOUT) != 0);
    }
  }
}

/* The beat's connection is the last of those that are polled. */
static tenantdb_status advance_beat(tenantdb_run *run, tenantdb_error **error) {
  short events = run->sockets[run->n_slots].revents;
  if (!run->beat.conn || (events == 0 && tndb_deadline_left(run->beat.deadline) != 0)) {
    return TENANTDB_OK;
  }
  return forgive(run, tndb_run_beat_step(run, (events & ~POLLOUT) != 0, error), error);
}

static tenantdb_status wait_for_any(tenantdb_run *run, tenantdb_error **error) {
  const tndb_run_beat *talk = &run->beat;
  tndb_deadline until = tndb_clock_ms() + IDLE_MS;
  until = talk->conn     ? tndb_deadline_min(until, talk->deadline)
          : run->starved ? until
                         : tndb_deadline_min(until, run->beat_at);
  run->sockets[run->n_slots] = (struct pollfd){talk->conn ? PQsocket(talk->conn->pg) : -1, talk->events, 0};
  for (size_t i = 0; i < run->n_slots; i++) {
    const tndb_run_slot *slot = &run->slots[i];
    bool polled = talks(slot);
    short events = slot->step == TNDB_JOB_READ_WRITE ? POLLIN | POLLOUT : POLLIN;
    run->sockets[i] = (struct pollfd){polled ? PQsocket(slot->job.conn->pg) : -1, events, 0};
    until = slot->member ? tndb_deadline_min(until, due(slot)) : until;
  }
  if (tndb_wait_many(run->sockets, run->n_slots + 1, until) < 0) {
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                       "the system refuses to wait for %zu sockets", run->n_slots);
  }
  advance_all(run);
  return advance_beat(run, error);
}

/* Nothing of ours is under way. Wait for members who may begin later, or for what others do. */
static void wait_a_little(const tenantdb_run *run) {
  tndb_deadline until = tndb_clock_ms() + OTHERS_MS;
  for (const tndb_run_member *member = run->ready.first; member; member = member->next) {
    until = tndb_deadline_min(until, member->not_before > 0 ? member->not_before : until);
  }
  (void)tndb_wait_many(run->sockets, 0, tndb_deadline_min(until, run->until));
}

/* ---------------------------------------------------------------- telling */

static tenantdb_status tell_on(tenantdb_run *run, tndb_conn *conn, tenantdb_error **error) {
  tenantdb_result *progress = NULL;
  tenantdb_status status = tndb_run_read_progress(run, conn, &progress, error);
  if (!status && run->tells(run->user, progress) != 0) {
    status = tndb_run_pause_on(run, conn, error);
    run->beat_at = 0;
    if (status == TENANTDB_STATE) { /* it is over anyway */
      tenantdb_error_free(error ? *error : NULL);
      tndb_error_reset(error);
      status = TENANTDB_OK;
    }
  }
  tenantdb_result_free(progress);
  return status;
}

/* When there is a connection for it: what is under way cannot wait for one. */
static tenantdb_status tell(tenantdb_run *run, tenantdb_error **error) {
  tndb_conn *conn = NULL;
  if (!run->tells || tndb_clock_ms() < run->tell_at) {
    return TENANTDB_OK;
  }
  tenantdb_status status = borrow(run, "", !is_busy(run), &conn, error);
  if (conn) {
    run->tell_at = tndb_clock_ms() + TELL_MS;
    status = forgive(run, tell_on(run, conn, error), error);
    tndb_pool_release(conn);
  }
  return status;
}

static void tell_state(tenantdb_run *run, bool begins) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  if (begins) {
    tndb_buffer_format(&text, "run %s", run->id);
  } else {
    tndb_buffer_format(&text, "run %s is %s", run->id, tndb_run_state_name(run->state));
  }
  tndb_event event = {.kind = begins ? TNDB_EVENT_RUN_STARTED : TNDB_EVENT_RUN_ENDED,
                      .message = tndb_buffer_text(&text)};
  tndb_config_write_event(run->db->config, &event);
}

/* ---------------------------------------------------------------- all together */

static bool is_over(const tenantdb_run *run) {
  return !is_busy(run) && run->results.count == 0 && (run->draining || run->state != TNDB_RUN_RUNNING);
}

/* One turn of the wheel. */
static tenantdb_status turn(tenantdb_run *run, tenantdb_error **error) {
  bool waits = false;
  run->draining = run->draining || tndb_deadline_left(run->until) == 0;
  tenantdb_status status = fill(run, error);
  bool done = run->active == 0 && !run->settled &&
              (run->ready.count == 0 || run->draining || run->state != TNDB_RUN_RUNNING);
  if (!status && !run->beat.conn && (wants_beat(run) || done)) {
    status = beat(run, error);
  }
  if (!status && is_busy(run)) {
    status = wait_for_any(run, error);
  } else if (!status && run->ready.count > 0 && !run->draining) {
    wait_a_little(run);
  } else if (!status && run->state == TNDB_RUN_RUNNING && !run->draining && run->settled) {
    run->settled = false;
    status = forgive(run, tndb_run_next_wave(run, &waits, error), error);
    run->beat_at = 0;
    if (!status && waits) {
      wait_a_little(run);
    }
  }
  return status ? status : tell(run, error);
}

static tenantdb_status make_room(tenantdb_run *run, tenantdb_error **error) {
  run->n_slots = (size_t)run->settings.connections;
  run->slots = tndb_alloc_array(run->n_slots, sizeof *run->slots);
  run->sockets = tndb_alloc_array(run->n_slots + 1, sizeof *run->sockets); /* and the beat's */
  for (size_t i = 0; run->slots && i < run->n_slots; i++) {
    run->slots[i].run = run;
  }
  return run->slots && run->sockets ? TENANTDB_OK : tndb_no_memory(error);
}

/* What was taken and not begun goes back; what is under way after a failure is given up. */
static tenantdb_status leave(tenantdb_run *run, tenantdb_status status) {
  tndb_conn *conn = NULL;
  tndb_run_beat_end(run, tndb_deadline_in(LEAVE_MS));
  for (size_t i = 0; run->slots && i < run->n_slots; i++) {
    if (run->slots[i].member) {
      tndb_run_slot_drop(&run->slots[i]);
    }
    tndb_run_slot_rest(&run->slots[i]); /* the connection kept for the next, who does not come */
  }
  bool ours = run->ready.count > 0 || status;
  if (ours && !tndb_pool_lease(run->db->pool, tndb_deadline_in(LEAVE_MS), &conn, NULL)) {
    (void)tndb_run_put_back(run, conn, NULL); /* else their leases run out */
    tndb_pool_release(conn);
  }
  tndb_run_queue_clear(&run->ready);
  tndb_run_queue_clear(&run->results);
  tndb_free(run->slots);
  tndb_free(run->sockets);
  run->slots = NULL;
  run->sockets = NULL;
  run->n_slots = 0;
  if (run->views) {
    run->views = false;
    tndb_job_follow_views(run->db);
  }
  return status;
}

static tenantdb_status work(tenantdb_run *run, int64_t max_ms, tenantdb_error **error) {
  run->until = TNDB_NEVER;
  run->lease_ms = tndb_config_number(run->db->config, TNDB_OPERATION_LEASE);
  run->state = TNDB_RUN_RUNNING;
  run->draining = run->starved = run->urgent = run->empty = run->settled = false;
  run->beat = (tndb_run_beat){0};
  run->beat_at = run->tell_at = 0;
  run->losses = 0;
  run->n_over = run->over_ms = 0;
  run->renew_at = tndb_clock_ms() + run->lease_ms / 3;
  tenantdb_status status = make_room(run, error);
  if (!status) {
    status = beat(run, error);
  }
  while (!status && run->beat.conn) {
    status = wait_for_any(run, error);
  }
  if (max_ms > 0) { /* from here: else a short time is over before anybody was begun, each time again */
    run->until = tndb_clock_ms() + max_ms;
  }
  if (!status && run->state == TNDB_RUN_RUNNING && !run->told_start) {
    run->told_start = true;
    tell_state(run, true);
  }
  while (!status && !is_over(run)) {
    status = turn(run, error);
  }
  if (!status) { /* the last word; whether it was heard changes nothing */
    run->tell_at = 0;
    (void)tell(run, NULL);
  }
  return leave(run, status);
}

static tenantdb_status check_set(const tenantdb_run *run, tenantdb_error **error) {
  if (!run->set) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_NO_MIGRATIONS,
                       "no set of migrations was in use when the run was opened: call "
                       "tenantdb_use_migrations() first");
  }
  if (strcmp(run->set->hash, run->hash) != 0) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_RUN_STATE,
                       "run %s was planned with another set of migrations than the one in use: work on it "
                       "with that one, or abort it and begin another",
                       run->id);
  }
  return TENANTDB_OK;
}

tenantdb_status tenantdb_run_work(tenantdb_run *run, int64_t max_ms, int32_t *more, tenantdb_error **error) {
  tndb_error_reset(error);
  if (more) {
    *more = 0;
  }
  tenantdb_status status = tndb_run_check(run, error);
  if (status || !run->id[0]) {
    return status;
  }
  status = check_set(run, error);
  if (status) {
    return status;
  }
  if (atomic_exchange(&run->working, true)) {
    return tndb_origin(error, TENANTDB_BUSY, TENANTDB_REASON_CALL_UNDER_WAY,
                       "another thread works on the run with this handle: open it once more");
  }
  status = work(run, max_ms, error);
  bool goes_on = !status && run->state == TNDB_RUN_RUNNING;
  if (!status && !goes_on) {
    tell_state(run, false);
    status = tndb_run_verdict(run, error);
  }
  if (more) {
    *more = goes_on;
  }
  atomic_store(&run->working, false);
  return status;
}

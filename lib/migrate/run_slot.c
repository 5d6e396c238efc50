/* SPDX-License-Identifier: PostgreSQL */
/* One connection of a run, and what becomes of the member on it. */
#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "config/events.h"
#include "migrate/run.h"
#include "pg/prepared.h"

#define FIRST_PAUSE_MS 50
#define LONGEST_PAUSE_MS 3000
#define RECONNECT_MS 50

/* ---------------------------------------------------------------- queues */

void tndb_run_member_free(tndb_run_member *member) {
  if (member) {
    tndb_free(member->slug);
    tndb_free(member->schema);
    tndb_free(member->role);
    tndb_ledger_clear(&member->ledger);
    tenantdb_error_free(member->error);
    tndb_free(member->blocker);
    tndb_free(member);
  }
}

void tndb_run_push(tndb_run_queue *queue, tndb_run_member *member) {
  member->next = NULL;
  *(queue->last ? &queue->last->next : &queue->first) = member;
  queue->last = member;
  queue->count++;
}

tndb_run_member *tndb_run_pop(tndb_run_queue *queue, int64_t now) {
  tndb_run_member *before = NULL;
  for (tndb_run_member *member = queue->first; member; before = member, member = member->next) {
    if (!member->stale && member->not_before <= now) {
      *(before ? &before->next : &queue->first) = member->next;
      queue->last = queue->last == member ? before : queue->last;
      queue->count--;
      return member;
    }
  }
  return NULL;
}

void tndb_run_queue_clear(tndb_run_queue *queue) {
  for (tndb_run_member *next, *member = queue->first; member; member = next) {
    next = member->next;
    tndb_run_member_free(member);
  }
  *queue = (tndb_run_queue){0};
}

/* ---------------------------------------------------------------- the result */

static void pause_member(tndb_run_member *member, int32_t times) {
  int64_t pause = FIRST_PAUSE_MS;
  for (int32_t i = 1; i < times && pause < LONGEST_PAUSE_MS; i++) {
    pause *= 2;
  }
  unsigned char random = 0;
  (void)tndb_random_bytes(&random, sizeof random);
  member->not_before = tndb_clock_ms() + pause / 2 + pause * random / 510;
}

/* Back to the others, to be read again before he begins. */
static void again(tenantdb_run *run, tndb_run_member *member) {
  tenantdb_error_free(member->error);
  tndb_free(member->blocker);
  member->error = NULL;
  member->blocker = NULL;
  member->stale = true;
  tndb_run_push(&run->ready, member);
}

static void result(tenantdb_run *run, tndb_run_member *member, const char *state) {
  member->state = state;
  member->took_ms = member->began_ms ? tndb_clock_ms() - member->began_ms : 0;
  tndb_run_push(&run->results, member);
  if (strcmp(state, "failed") == 0) {
    run->urgent = true;
    tndb_event event = {.kind = TNDB_EVENT_MIGRATION_FAILED,
                        .tenant = member->slug ? member->slug : member->id,
                        .sqlstate = tenantdb_error_sqlstate(member->error),
                        .message = tenantdb_error_message(member->error)};
    tndb_config_write_event(run->db->config, &event);
  }
}

/* Somebody else is at him. For as long as a lock is waited for, we look again; then it is as if one was not had. */
static void taken(tenantdb_run *run, tndb_run_member *member) {
  int64_t now = tndb_clock_ms();
  int64_t patience = run->settings.lock_timeout_ms * (run->settings.lock_retries + 1);
  member->taken_since = member->taken_since ? member->taken_since : now;
  if (now - member->taken_since < patience || now - member->taken_since < run->lease_ms) {
    pause_member(member, 3);
    again(run, member);
    return;
  }
  member->taken_since = 0;
  (void)tndb_origin(&member->error, TENANTDB_BUSY, TENANTDB_REASON_LOCK_TIMEOUT,
                    "somebody else is migrating %s, and has been for %lld s", member->slug,
                    (long long)(patience / 1000));
  tndb_run_settle(run, member, TNDB_JOB_BLOCKED, member->error);
}

static bool is_passing(const tenantdb_error *error) {
  tenantdb_status status = tenantdb_error_status(error);
  return status != TENANTDB_MIGRATION && tenantdb_error_retry(error) != TENANTDB_RETRY_NEVER;
}

/*
 * It looks as if what we know of him is not true any more: renamed, moved, removed. A standby schema may
 * have become a tenant's at any moment, and then anything fails.
 */
static bool may_have_changed(const tenantdb_error *error) {
  switch (tenantdb_error_status(error)) {
    case TENANTDB_STATE:
    case TENANTDB_NOT_FOUND:
    case TENANTDB_UNAVAILABLE:
    case TENANTDB_ISOLATION:
      return true;
    default:
      return false;
  }
}

static void failed(tenantdb_run *run, tndb_run_member *member) {
  if (is_passing(member->error) && member->tries < run->settings.retries) {
    member->attempts++;
    pause_member(member, ++member->tries + 1);
    again(run, member);
  } else if ((may_have_changed(member->error) || member->standby) && !member->renewed) {
    member->renewed = true;
    again(run, member);
  } else {
    result(run, member, "failed");
  }
}

void tndb_run_settle(tenantdb_run *run, tndb_run_member *member, tndb_job_outcome outcome,
                     tenantdb_error *failure) {
  member->error = failure;
  switch (outcome) {
    case TNDB_JOB_APPLIED:
    case TNDB_JOB_NOTHING:
      result(run, member, "done");
      break;
    case TNDB_JOB_TAKEN:
      taken(run, member);
      break;
    case TNDB_JOB_BLOCKED:
      member->by_lock = true;
      result(run, member, member->attempts <= TNDB_RUN_DEFERRED_MOST ? "deferred" : "failed");
      break;
    default:
      failed(run, member);
      break;
  }
}

/* ---------------------------------------------------------------- the job */

/* His result, in the transaction of his last migration. The ledger is his proof; this saves writing it apart. */
static void add(void *user, tndb_conn *conn) {
  tndb_run_slot *slot = user;
  const tndb_run_member *member = slot->member;
  const tenantdb_run *run = slot->run;
  char to[TNDB_INT64_TEXT], attempts[TNDB_INT64_TEXT], before[TNDB_INT64_TEXT];
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(&sql,
                     "UPDATE %srun_members SET state = 'done', to_version = $4, attempts = $5, file = NULL,"
                     " line = NULL, status = NULL, sqlstate = NULL, error = NULL, blocker = NULL, owner ="
                     " NULL, lease_until = NULL, slug = $7, standby = $8, started_at = now() - $6 * interval"
                     " '1 millisecond',"
                     " finished_at = pg_catalog.clock_timestamp(), duration_ms = $6 + extract(epoch FROM"
                     " pg_catalog.clock_timestamp() - now()) * 1000 WHERE run_id = $1 AND tenant_id = $2 AND"
                     " owner = $3",
                     run->db->catalog);
  tndb_int64_write(member->to, to);
  tndb_int64_write(member->attempts, attempts);
  tndb_int64_write(tndb_clock_ms() - member->began_ms, before);
  if (sql.failed) {
    conn->send_failed = conn->no_room = true;
    return;
  }
  static const uint32_t types[] = {0, 0, 0, 20, 23, 20, 25, 16};
  const char *values[] = {run->id,  member->id, run->owner,   to,
                          attempts, before,     member->slug, member->standby ? "t" : "f"};
  (void)tndb_prepared_send_fixed(conn, "run member done", tndb_buffer_text(&sql),
                                 &(tndb_values){8, values, NULL, NULL, types});
}

static int64_t version_to_be(const tenantdb_run *run, const tndb_run_member *member) {
  int64_t newest = tndb_migrations_newest(run->set, TNDB_STREAM_TENANT);
  int64_t to = run->settings.to;
  to = to >= 0 && to < newest ? to : newest;
  return run->settings.down || to > member->version ? to : member->version;
}

void tndb_run_slot_rest(tndb_run_slot *slot) {
  if (!slot->member) {
    tndb_pool_release(slot->conn);
    slot->conn = NULL;
    slot->served = 0;
  }
}

static void let_go(tndb_run_slot *slot) {
  tndb_job_free(&slot->job);
  slot->conn = slot->job.conn;
  slot->job.conn = NULL;
  slot->member = NULL;
  slot->run->active--;
  if (slot->conn && (slot->conn->dead || atomic_load(&slot->conn->tainted))) {
    tndb_run_slot_rest(slot);
  }
}

static void over(tndb_run_slot *slot) {
  tenantdb_run *run = slot->run;
  tndb_run_member *member = slot->member;
  tndb_job *job = &slot->job;
  tndb_job_outcome outcome = job->outcome;
  tenantdb_error *failure = job->error;
  bool written = outcome == TNDB_JOB_APPLIED && job->added;
  job->error = NULL;
  tndb_free(member->blocker);
  member->blocker = job->holders;
  job->holders = NULL;
  member->to = job->version;
  member->file = job->failed ? job->failed->file : NULL;
  member->line = job->failed_line;
  run->views = run->views || job->views;
  run->n_over++;
  run->over_ms += tndb_clock_ms() - member->began_ms;
  let_go(slot);
  if (written) {
    tndb_run_member_free(member);
  } else {
    tndb_run_settle(run, member, outcome, failure);
  }
}

/* Its connection is dead: another, when there is one, or it waits for one, or is told why there will be none. */
static void reconnect(tndb_run_slot *slot) {
  tndb_conn *conn = NULL;
  tenantdb_error *failure = NULL;
  tndb_pool_release(slot->job.conn);
  slot->job.conn = NULL;
  tndb_lease wanted = {.key = slot->member->id, .deadline = TNDB_NEVER, .again = true};
  tenantdb_status status = tndb_pool_try(slot->run->db->pool, &wanted, &conn, &failure);
  if (!status && !conn) {
    slot->again_at = tndb_clock_ms() + RECONNECT_MS;
    return;
  }
  slot->again_at = 0;
  tndb_job_connect(&slot->job, conn, failure);
}

void tndb_run_slot_advance(tndb_run_slot *slot, bool readable) {
  do {
    if (slot->again_at) {
      reconnect(slot);
      if (slot->again_at) {
        return;
      }
    }
    slot->step = tndb_job_advance(&slot->job, readable);
    readable = false;
    slot->again_at = slot->step == TNDB_JOB_CONNECT ? 1 : 0;
  } while (slot->again_at);
  if (slot->step == TNDB_JOB_OVER) {
    over(slot);
  }
}

tenantdb_status tndb_run_slot_begin(tndb_run_slot *slot, tndb_run_member *member, tndb_conn *conn,
                                    tenantdb_error **error) {
  tenantdb_run *run = slot->run;
  const tndb_run_settings *settings = &run->settings;
  tndb_job_order order = {.db = run->db,
                          .set = run->set,
                          .target = {.stream = TNDB_STREAM_TENANT,
                                     .id = member->id,
                                     .slug = member->slug,
                                     .schema = member->schema,
                                     .role = member->role,
                                     .standby = member->standby},
                          .state = &member->ledger,
                          .goal = settings->to >= 0 ? settings->to : INT64_MAX,
                          .down = settings->down,
                          .dry = settings->dry,
                          .any_order = settings->order == TNDB_RUN_ANY,
                          .skip_older = settings->order == TNDB_RUN_SKIP,
                          .lock_timeout_ms = settings->lock_timeout_ms,
                          .lock_retries = (int32_t)settings->lock_retries,
                          .run = run->id,
                          .shared_version = run->shared_version,
                          .add = add,
                          .user = slot};
  member->to = version_to_be(run, member);
  member->began_ms = tndb_clock_ms();
  slot->member = member;
  slot->again_at = 0;
  slot->conn = NULL;
  slot->served++;
  tenantdb_status status = tndb_job_start(&slot->job, &order, conn, error);
  if (status) {
    slot->member = NULL;
    tndb_pool_release(conn);
    return status;
  }
  run->active++;
  tndb_run_slot_advance(slot, false);
  return TENANTDB_OK;
}

void tndb_run_slot_drop(tndb_run_slot *slot) {
  tndb_run_member *member = slot->member;
  let_go(slot);
  tndb_run_slot_rest(slot);
  tndb_run_member_free(member);
}

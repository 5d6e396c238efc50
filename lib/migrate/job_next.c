/* SPDX-License-Identifier: PostgreSQL */
/* Which file of a job is next, and what the ledger says when that is in doubt. */
#include <string.h>

#include "base/memory.h"
#include "catalog/database.h"
#include "migrate/job_state.h"

#define FIRST_LOOK_MS 10
#define LONGEST_LOOK_MS 500

/* ---------------------------------------------------------------- what is next */

/* Nothing goes back below a baseline, and what was half done is brought to its end first. */
static bool may_go_back(tndb_job *job, const tndb_migration *file, const tndb_ledger_row *row) {
  tenantdb_status status = TENANTDB_OK;
  if (!row || row->covers) {
    status = tndb_origin(&job->error, TENANTDB_MIGRATION, TENANTDB_REASON_NO_WAY_BACK,
                         "%s is part of what %s began with: there is no way back behind version %lld",
                         file->file, job->order.target.slug, (long long)job->order.state->baseline);
  } else if (row->state != 'd' && row->steps >= 0) {
    status = tndb_origin(&job->error, TENANTDB_MIGRATION, TENANTDB_REASON_NO_WAY_BACK,
                         "%s is half applied, %d of %d statements: bring it to its end first", file->file,
                         (int)row->steps_done, (int)row->steps);
  } else if (!file->down) {
    status = tndb_origin(&job->error, TENANTDB_MIGRATION, TENANTDB_REASON_NO_WAY_BACK,
                         "%s says nothing about how to undo it", file->file);
  }
  return !status;
}

static bool is_to_go(const tndb_job *job, const tndb_migration *migration) {
  const tndb_ledger_state *state = job->order.state;
  const tndb_ledger_row *row = tndb_ledger_find(state, migration);
  if (migration->kind != TNDB_MIGRATION_VERSIONED || migration->version <= job->order.goal) {
    return false;
  }
  return migration->version <= state->baseline ||
         (row && (row->state == 'd' || row->steps_done > 0 || row->steps < 0));
}

static bool is_pending(const tndb_job *job, const tndb_migration *migration) {
  const tndb_job_order *order = &job->order;
  if (order->down) {
    return is_to_go(job, migration);
  }
  bool left = migration->kind == TNDB_MIGRATION_REPEATABLE &&
              tndb_ledger_is_ahead(order->state, order->set, order->target.stream);
  return !left && tndb_ledger_lacks(order->state, migration, order->goal, order->any_order);
}

/* The place of the first pending one from `at` on, in the job's direction; n when there is none. */
static size_t find_pending(const tndb_job *job, size_t at) {
  const tenantdb_migrations *set = job->order.set;
  size_t first = set->first[job->order.target.stream];
  size_t n = set->first[job->order.target.stream + 1] - first;
  for (; at < n; at++) {
    size_t place = job->order.down ? n - 1 - at : at;
    if (is_pending(job, set->items[first + place])) {
      return at;
    }
  }
  return n;
}

static const tndb_migration *pending_at(const tndb_job *job, size_t at) {
  const tenantdb_migrations *set = job->order.set;
  size_t first = set->first[job->order.target.stream];
  size_t n = set->first[job->order.target.stream + 1] - first;
  return at < n ? set->items[first + (job->order.down ? n - 1 - at : at)] : NULL;
}

static void rolled_back(tndb_job *job) {
  tndb_job_end(job, job->applied || job->passed_over ? TNDB_JOB_APPLIED : TNDB_JOB_NOTHING);
}

static void finish(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  s->file = NULL;
  if (s->open && tndb_job_open(job, rolled_back)) {
    s->open = false;
    tndb_job_send(job, "ROLLBACK");
    tndb_job_talk(job, rolled_back, tndb_job_own_ms(job));
  } else if (!s->open) {
    rolled_back(job);
  }
}

/* Whether the file can be begun; if not, the job has failed. */
static bool is_possible(tndb_job *job, const tndb_migration *file) {
  const tndb_job_order *order = &job->order;
  if (order->down && !may_go_back(job, file, tndb_ledger_find(order->state, file))) {
    return false;
  }
  const tndb_ledger_row *row = tndb_ledger_find(order->state, file);
  bool begun = row && row->state != 'd';
  if (!order->down && begun && row->steps < 0) {
    (void)tndb_origin(&job->error, TENANTDB_MIGRATION, TENANTDB_REASON_NO_WAY_BACK,
                      "%s is half taken back: bring that to its end first", file->file);
    return false;
  }
  if (!order->down && begun && file->transactional && row->steps_done > 0) {
    (void)tndb_origin(
        &job->error, TENANTDB_MIGRATION, TENANTDB_REASON_HISTORY_EDITED,
        "%s: %d of its statements were done when it was not transactional; as one transaction they "
        "would be done again",
        file->file, (int)row->steps_done);
    return false;
  }
  if (!order->down && file->requires > order->shared_version) {
    (void)tndb_origin(&job->error, TENANTDB_MIGRATION, TENANTDB_REASON_REQUIRES_SHARED,
                      "%s requires version %lld of the shared stream, which is at %lld: migrate that first",
                      file->file, (long long)file->requires, (long long)order->shared_version);
    return false;
  }
  return true;
}

void tndb_job_next(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  s->at = find_pending(job, s->at);
  const tndb_migration *file = pending_at(job, s->at);
  tndb_job_lease_clear(&s->lease);
  if (!file) {
    finish(job);
    return;
  }
  if (file != s->file) {
    s->file = file;
    s->steps = job->order.down ? &file->down_steps : &file->steps;
    s->tries = 0;
    s->denied = false;
    if (!job->order.dry) { /* which begins again as a whole */
      s->waits = 0;
      s->pause_ms = 0;
    }
  }
  s->last = !job->order.dry && !pending_at(job, find_pending(job, s->at + 1));
  if (!is_possible(job, file)) {
    tndb_job_fail(job);
  } else if (tndb_job_is_transactional(job)) {
    tndb_job_apply(job);
  } else if (job->order.dry) {
    job->passed_over++;
    s->at++;
    tndb_job_pause(job, 0, tndb_job_next);
  } else {
    tndb_job_claim(job);
  }
}

void tndb_job_done(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  job->applied++;
  job->attempts = s->tries;
  s->losses = 0;
  s->uncertain = s->defaults = false;
  job->added = job->added || s->with_add;
  s->with_add = false;
  if (job->order.dry) {
    s->at++;
  } else {
    bool noted = true;
    if (job->order.down) {
      tndb_ledger_forget(job->order.state, s->file);
    } else {
      noted = tndb_ledger_note(job->order.state, s->file);
    }
    job->version = job->order.state->version;
    if (!noted) {
      (void)tndb_no_memory(&job->error);
      tndb_job_fail(job);
      return;
    }
  }
  tndb_job_next(job);
}

/* ---------------------------------------------------------------- looking at the ledger again */

/* Whether the file that was under way is done by this job, as the ledger says now. */
static bool is_ours(const tndb_job *job) {
  const struct tndb_job_state *s = job->state;
  const tndb_ledger_row *row = s->file ? tndb_ledger_find(job->order.state, s->file) : NULL;
  if (job->order.down) {
    return s->file && !row; /* rows that are gone carry no name; whoever did it, it is done */
  }
  return row && row->state == 'd' && strcmp(row->owner, s->me) == 0;
}

static void go_on(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  bool denied = s->denied;
  if (s->uncertain && is_ours(job)) {
    job->views = true; /* nobody has told whether */
    s->at = 0;
    tndb_job_done(job);
    return;
  }
  s->uncertain = s->with_add = false;
  s->at = 0;
  if (s->losses > TNDB_JOB_MOST_LOSSES) {
    (void)tndb_origin(&job->error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
                      "%s: the connection broke %d times; nothing of it was done",
                      s->file ? tndb_job_file_name(job) : job->order.target.slug, (int)s->losses);
    tndb_job_fail(job);
    return;
  }
  const tndb_migration *before = s->file;
  if (denied && before && is_pending(job, before)) {
    /* It is said to be done, or being done, and the ledger does not say so: somebody has begun it. */
    tndb_job_end(job, TNDB_JOB_TAKEN);
    return;
  }
  if (job->order.dry) {
    job->applied = job->passed_over = 0;
  }
  tndb_job_next(job);
}

static void looked(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  tenantdb_error_free(job->error);
  job->error = NULL;
  tenantdb_status status = tndb_exchange_check(job->conn, &job->error);
  if (status) {
    tndb_job_fail(job);
    return;
  }
  const PGresult *lock = tndb_exchange_result(job->conn, s->places.bind);
  if (PQgetvalue(lock, 0, 0)[0] != 't') {
    if (tndb_deadline_left(s->patience) > 0) {
      int64_t pause = (int64_t)FIRST_LOOK_MS << (s->looks < 6 ? s->looks : 6);
      s->looks++;
      tndb_job_pause(job, tndb_job_jitter(pause < LONGEST_LOOK_MS ? pause : LONGEST_LOOK_MS), tndb_job_look);
    } else if (s->uncertain) {
      tndb_job_end_unknown(job);
    } else {
      tndb_job_end(job, TNDB_JOB_TAKEN);
    }
    return;
  }
  tndb_ledger_state state;
  status = tndb_ledger_take(tndb_exchange_result(job->conn, s->places.rows), 1, &state, &job->error);
  if (status) {
    tndb_ledger_clear(&state);
    tndb_job_fail(job);
    return;
  }
  tndb_ledger_clear(job->order.state);
  *job->order.state = state;
  go_on(job);
}

/* The lock first: without it the old process may still be committing. */
void tndb_job_look(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  if (!tndb_job_open(job, tndb_job_look)) {
    return;
  }
  tndb_auto_buffer ids = TNDB_BUFFER_INIT;
  tndb_buffer_format(&ids, "{%s}", job->order.target.id);
  tndb_job_send_begin(job);
  s->places.bind = tndb_job_send_lock(job);
  s->places.rows = tndb_ledger_send(job->conn, job->order.db, tndb_buffer_text(&ids));
  tndb_job_send(job, "COMMIT");
  job->conn->send_failed = job->conn->send_failed || ids.failed;
  job->conn->no_room = job->conn->no_room || ids.failed;
  tndb_job_talk(job, looked, tndb_job_own_ms(job));
}

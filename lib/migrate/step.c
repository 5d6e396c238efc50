/* SPDX-License-Identifier: PostgreSQL */
/*
 * A file that is not transactional: claimed by a lease, then step by step, each counted in the
 * ledger. Who comes after a crash claims it and goes on at the first that is not counted.
 */
#include <string.h>

#include "base/memory.h"
#include "catalog/bind.h"
#include "catalog/database.h"
#include "config/property.h"
#include "migrate/job_state.h"
#include "migrate/step_name.h"

#define BUSY_PAUSE_MS 200

enum { FENCE, STEPS_DONE, PROGRESS, STEPS_SUM, ATTEMPTS };

void tndb_job_lease_clear(tndb_job_lease *lease) {
  bool prepared = lease->prepared, resumed = lease->resumed;
  PQclear(lease->found);
  tndb_free(lease->progress);
  *lease = (tndb_job_lease){.prepared = prepared, .resumed = resumed};
}

static bool is_whole(tndb_job *job) {
  bool whole = tndb_exchange_is_whole(job->conn);
  if (!whole) {
    tndb_job_doubt(job);
  }
  return whole;
}

/* job->error is set: the file has failed between statements. */
static void give_up(tndb_job *job) {
  job->state->verdict = TNDB_VERDICT_FAIL;
  tndb_job_undo(job);
}

/* ---------------------------------------------------------------- markers */

static bool has_markers(const char *sql) {
  return strpbrk(sql, "{}") != NULL;
}

char *tndb_job_render(tndb_job *job, const tndb_migration_step *step) {
  const tndb_job_order *order = &job->order;
  if (!has_markers(step->sql)) {
    char *copy = tndb_strdup(step->sql);
    if (!copy) {
      (void)tndb_no_memory(&job->error);
    }
    return copy;
  }
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const tndb_step_place at = {order->db->registry, order->target.schema,
                              tndb_database_shared_schema(order->db)};
  if (tndb_step_names(&sql, &at, step->sql, &job->error)) {
    tndb_job_place_error(job, step);
    return NULL;
  }
  char *text = tndb_buffer_take(&sql);
  if (!text) {
    (void)tndb_no_memory(&job->error);
  }
  return text;
}

/* Behind a pooler no search path stays with us outside of a transaction. */
static bool is_possible_here(tndb_job *job) {
  const struct tndb_job_state *s = job->state;
  for (size_t i = 0; tndb_database_is_pooled(job->order.db) && i < s->steps->count; i++) {
    const tndb_migration_step *step = &s->steps->items[i];
    if (step->way == TNDB_WAY_OUTSIDE && !has_markers(step->sql)) {
      (void)tndb_origin(
          &job->error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_POOLER_BETWEEN,
          "a pooler stands between, and a statement outside of a transaction finds its tables "
          "only when it names them by markers: write {schema}.name or {table}, or connect to the "
          "server directly");
      tndb_job_place_error(job, step);
      return false;
    }
  }
  return true;
}

/* ---------------------------------------------------------------- the end */

static void released(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  if (tndb_job_judge(job, s->steps, 0)) {
    tndb_job_undo(job);
    return;
  }
  if (!is_whole(job)) {
    return;
  }
  if (!tndb_exchange_committed(job->conn, s->places.commit)) {
    (void)tndb_origin(&job->error, TENANTDB_INTERNAL, TENANTDB_REASON_TRANSACTION_LOST,
                      "%s: the server rolled back where it was asked to commit", tndb_job_file_name(job));
    tndb_job_fail(job);
    return;
  }
  const PGresult *row = tndb_exchange_result(job->conn, s->places.ledger);
  job->views = job->views || strcmp(PQgetvalue(row, 0, 1), "0") != 0;
  s->lease.resumed = false;
  tndb_job_done(job);
}

static void finish(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  if (!tndb_job_open(job, tndb_job_look)) {
    return;
  }
  tndb_job_send_begin(job);
  s->places.bind = tndb_job_send_scope(job); /* its lock_timeout, above all */
  s->places.proof = tndb_job_send_proof(job);
  s->places.ledger = tndb_job_send_ledger(job);
  s->with_add = s->last && job->order.add;
  if (s->with_add) {
    job->order.add(job->order.user, job->conn);
  }
  s->places.commit = tndb_exchange_send(job->conn, "COMMIT", NULL);
  tndb_job_talk(job, released, tndb_job_own_ms(job));
}

/* ---------------------------------------------------------------- inside */

static void inside_done(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  if (tndb_job_judge(job, s->steps, s->lease.step)) {
    tndb_job_undo(job);
  } else if (is_whole(job)) {
    s->lease.step = s->lease.batch_to;
    tndb_job_walk(job);
  }
}

/* Queue steps, their markers replaced. False when that could not be done; then the job goes on elsewhere. */
static bool send_steps(tndb_job *job, size_t from, size_t to) {
  struct tndb_job_state *s = job->state;
  const tndb_values progress = {1, (const char *const *)&s->lease.progress, NULL, NULL,
                                (const uint32_t[]){TNDB_TYPE_TEXT}};
  bool functions = false;
  s->places.first = job->conn->sent;
  s->places.n_steps = to - from;
  for (size_t i = from; i < to; i++) {
    const tndb_migration_step *step = &s->steps->items[i];
    char *sql = tndb_job_render(job, step);
    if (!sql) {
      job->conn->send_failed = true;
      return false;
    }
    s->places.rows = tndb_exchange_send(job->conn, sql, step->way == TNDB_WAY_REPEAT ? &progress : NULL);
    functions = functions || tndb_job_makes_function(sql);
    tndb_free(sql);
  }
  if (functions && job->order.target.stream == TNDB_STREAM_TENANT) {
    tndb_job_send_revoke(job);
  }
  return true;
}

/* Steps `from` to before `to` are one transaction, in which the ledger says `done`. */
static void send_transaction(tndb_job *job, size_t to, size_t done, tndb_job_function answered) {
  struct tndb_job_state *s = job->state;
  s->lease.batch_to = to;
  for (size_t i = s->lease.step; i < to; i++) {
    char *sql =
        tndb_job_render(job, &s->steps->items[i]); /* what cannot be is found before anything is queued */
    if (!sql) {
      give_up(job);
      return;
    }
    tndb_free(sql);
  }
  if (!tndb_job_open(job, tndb_job_look)) {
    return;
  }
  tndb_job_send_begin(job);
  s->places.bind = tndb_job_send_scope(job);
  if (send_steps(job, s->lease.step, to)) {
    s->places.proof = tndb_job_send_proof(job);
    s->places.ledger = tndb_job_send_mark(job, done, done == s->lease.step ? s->lease.progress : NULL);
    s->places.commit = tndb_exchange_send(job->conn, "COMMIT", NULL);
  }
  tndb_job_talk(job, answered, tndb_job_steps_ms(job, to - s->lease.step));
}

/* ---------------------------------------------------------------- again and again */

/* The ledger has the progress with which the batch began: to begin again with an older one is safe. */
static void batch_done(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  if (tndb_job_judge(job, s->steps, s->lease.step)) {
    tndb_job_undo(job);
    return;
  }
  if (!is_whole(job)) {
    return;
  }
  const PGresult *row = tndb_exchange_result(job->conn, s->places.rows);
  s->waits = 0;
  s->pause_ms = 0;
  if (PQntuples(row) != 1 || PQgetisnull(row, 0, 0)) {
    tndb_free(s->lease.progress);
    s->lease.progress = NULL;
    s->lease.step++;
    tndb_job_walk(job);
    return;
  }
  char *progress = tndb_strdup(PQgetvalue(row, 0, 0));
  if (!progress) {
    (void)tndb_no_memory(&job->error);
    give_up(job);
    return;
  }
  tndb_free(s->lease.progress);
  s->lease.progress = progress;
  tndb_job_walk(job);
}

/* ---------------------------------------------------------------- outside */

static void cleaned(tndb_job *job) {
  job->state->lease.to_clean = false;
  tndb_job_undo(job);
}

static void outside_done(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  const tndb_migration_step *step = &s->steps->items[s->lease.step];
  const PGresult *answer = tndb_exchange_result(job->conn, s->places.first);
  const char *code = answer ? PQresultErrorField(answer, PG_DIAG_SQLSTATE) : NULL;
  if (code && strcmp(code, "55P03") == 0) {
    s->waits = job->order.lock_retries; /* it has waited for all of them */
  }
  if (tndb_job_judge(job, s->steps, s->lease.step)) {
    s->lease.to_clean = tndb_job_has_index(step);
    if (s->lease.to_clean) {
      tndb_job_survey(job, cleaned);
    } else {
      tndb_job_undo(job);
    }
  } else if (is_whole(job)) {
    s->lease.step++;
    tndb_job_walk(job);
  }
}

static void run_outside(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  const tndb_migration_step *step = &s->steps->items[s->lease.step];
  if (step->index && ((step->done_if_there && s->lease.is_there) ||
                      (step->done_if_gone && s->lease.is_gone && s->lease.resumed))) {
    s->lease.step++;
    tndb_job_walk(job);
    return;
  }
  char *sql = tndb_job_render(job, step);
  if (!sql) {
    give_up(job);
    return;
  }
  if (tndb_job_open(job, tndb_job_look)) {
    s->places.first = tndb_exchange_send(job->conn, sql, NULL);
    s->places.n_steps = 1;
    tndb_job_talk(job, outside_done, tndb_job_steps_ms(job, 1));
  }
  tndb_free(sql);
}

static void renewed(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  if (tndb_job_judge(job, s->steps, s->lease.step)) {
    tndb_job_undo(job);
  } else {
    run_outside(job);
  }
}

static void look_first(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  if (tndb_job_has_index(&s->steps->items[s->lease.step])) {
    tndb_job_survey(job, run_outside);
  } else if (tndb_job_open(job, tndb_job_look)) {
    (void)tndb_job_send_mark(job, s->lease.step, NULL);
    tndb_job_talk(job, renewed, tndb_job_own_ms(job));
  }
}

static void prepared(tndb_job *job) {
  if (tndb_job_judge(job, job->state->steps, 0)) {
    tndb_job_undo(job);
  } else if (is_whole(job)) {
    job->state->lease.prepared = true;
    look_first(job);
  }
}

/*
 * What no transaction carries has to be the session's, on a connection that is closed afterwards. What
 * such statements wait for they wait for in one go: it lets others read and write meanwhile.
 */
static void prepare(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  char lock_ms[TNDB_INT64_TEXT], statement_ms[TNDB_INT64_TEXT];
  if (!tndb_job_open(job, tndb_job_look)) {
    return;
  }
  (void)tndb_int64_write(tndb_job_lock_ms(job) * (job->order.lock_retries + 1), lock_ms);
  (void)tndb_int64_write(job->order.statement_timeout_ms, statement_ms);
  const char *values[] = {tndb_buffer_text(&s->path), lock_ms, statement_ms};
  atomic_store(&job->conn->tainted, true);
  (void)tndb_exchange_send_text(
      job->conn,
      "SELECT pg_catalog.set_config('search_path', $1, false), pg_catalog.set_config('lock_timeout', $2, "
      "false), pg_catalog.set_config('statement_timeout', $3, false)",
      3, values);
  tndb_job_talk(job, prepared, tndb_job_own_ms(job));
}

/* ---------------------------------------------------------------- walking */

void tndb_job_walk(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  if (s->lease.step >= s->steps->count) {
    finish(job);
    return;
  }
  const tndb_migration_step *step = &s->steps->items[s->lease.step];
  size_t to = s->lease.step + 1;
  switch (step->way) {
    case TNDB_WAY_INSIDE:
      while (to < s->steps->count && s->steps->items[to].joined) {
        to++;
      }
      send_transaction(job, to, to, inside_done);
      break;
    case TNDB_WAY_REPEAT:
      send_transaction(job, to, s->lease.step, batch_done);
      break;
    default:
      if (!s->lease.prepared && !tndb_database_is_pooled(job->order.db)) {
        prepare(job);
      } else {
        look_first(job);
      }
      break;
  }
}

/* ---------------------------------------------------------------- claiming */

/* What was done is not what the file says now: to go on by number would leave something out. */
static bool fits_steps(tndb_job *job, const char *sum_then) {
  const struct tndb_job_state *s = job->state;
  char sum[TNDB_SHA256_HEX];
  tndb_job_sum_steps(job, s->lease.step, sum);
  if (s->lease.step == 0 || (s->lease.step <= s->steps->count && strcmp(sum, sum_then) == 0)) {
    return true;
  }
  (void)tndb_origin(
      &job->error, TENANTDB_MIGRATION, TENANTDB_REASON_HISTORY_EDITED,
      "%s: the first %zu statements are done already, and have been edited since: put their old "
      "text back; what failed may be changed, and what comes after it",
      tndb_job_file_name(job), s->lease.step);
  return false;
}

/* Nobody got it. Who has it, or why may it not be had? */
static void not_claimed(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  const PGresult *row = tndb_exchange_result(job->conn, s->places.rows);
  int64_t steps = 0;
  bool there = PQntuples(row) == 1 && tndb_number_parse(PQgetvalue(row, 0, 1), &steps);
  if (there && !job->order.down && steps < 0) {
    (void)tndb_origin(&job->error, TENANTDB_MIGRATION, TENANTDB_REASON_NO_WAY_BACK,
                      "%s is half taken back: bring that to its end first", tndb_job_file_name(job));
    tndb_job_fail(job);
  } else if (there && PQgetvalue(row, 0, 2)[0] == 't' && tndb_deadline_left(s->patience) > 0) {
    /* It is ours, and a process of the server is still at what we asked of it on a connection that broke. */
    tndb_job_pause(job, tndb_job_jitter(BUSY_PAUSE_MS), tndb_job_claim);
  } else {
    tndb_job_end(job, TNDB_JOB_TAKEN);
  }
}

static void claimed(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  tndb_strategy_observe(job->order.db, job->conn, tndb_bind_backend(job->conn, s->places.bind));
  if (tndb_job_judge(job, s->steps, 0)) {
    tndb_job_undo(job);
    return;
  }
  if (!is_whole(job)) {
    return;
  }
  const PGresult *row = tndb_exchange_result(job->conn, s->places.ledger);
  if (PQntuples(row) != 1) {
    not_claimed(job);
    return;
  }
  int64_t steps_done = 0, attempts = 1, fence = 0;
  (void)tndb_number_parse(PQgetvalue(row, 0, STEPS_DONE), &steps_done);
  (void)tndb_number_parse(PQgetvalue(row, 0, ATTEMPTS), &attempts);
  (void)tndb_number_parse(PQgetvalue(row, 0, FENCE), &fence);
  (void)tndb_int64_write(fence, s->lease.fence);
  s->lease.step = (size_t)steps_done;
  s->lease.resumed = s->lease.resumed || attempts > 1;
  s->tries = (int32_t)attempts;
  if (!PQgetisnull(row, 0, PROGRESS)) {
    s->lease.progress = tndb_strdup(PQgetvalue(row, 0, PROGRESS));
    if (!s->lease.progress) {
      (void)tndb_no_memory(&job->error);
      give_up(job);
      return;
    }
  }
  if (!fits_steps(job, PQgetvalue(row, 0, STEPS_SUM)) || !is_possible_here(job)) {
    give_up(job);
  } else {
    tndb_job_walk(job);
  }
}

void tndb_job_claim(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  if (!tndb_job_open(job, tndb_job_look)) {
    return;
  }
  if (!s->patience) {
    s->patience = tndb_deadline_in(tndb_config_number(job->order.db->config, TNDB_OPERATION_LOCK_TIMEOUT));
  }
  tndb_job_send_begin(job);
  s->places.bind = tndb_job_send_bind(job);
  if (s->defaults) {
    tndb_job_send_defaults(job);
  }
  s->places.ledger = tndb_job_send_claim(job);
  s->places.rows = tndb_job_send_claimed(job);
  s->places.commit = tndb_exchange_send(job->conn, "COMMIT", NULL);
  tndb_job_talk(job, claimed, tndb_job_own_ms(job));
}

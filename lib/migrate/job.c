/* SPDX-License-Identifier: PostgreSQL */
/* Stepping a job: talking, waiting, losing a connection and getting another. */
#include <string.h>

#include "base/memory.h"
#include "catalog/database.h"
#include "migrate/job_state.h"
#include "pg/prepared.h"

/* ---------------------------------------------------------------- what may take how long */

int64_t tndb_job_own_ms(const tndb_job *job) {
  return tndb_config_number(job->order.db->config, TNDB_OPERATION_TIMEOUT);
}

int64_t tndb_job_steps_ms(const tndb_job *job, size_t count) {
  int64_t each = job->order.statement_timeout_ms;
  return each ? each * (int64_t)(count + 1) + tndb_job_own_ms(job) : 0;
}

int64_t tndb_job_lock_ms(const tndb_job *job) {
  int64_t own = job->state->file->lock_timeout_ms;
  return own >= 0 ? own : job->order.lock_timeout_ms;
}

bool tndb_job_is_transactional(const tndb_job *job) {
  const tndb_migration *file = job->state->file;
  return job->order.down ? file->down_transactional : file->transactional;
}

const char *tndb_job_file_name(const tndb_job *job) {
  const tndb_migration *file = job->state->file;
  return job->order.down && file->down_file ? file->down_file : file->file;
}

/* ---------------------------------------------------------------- talking */

bool tndb_job_open(tndb_job *job, tndb_job_function resume) {
  struct tndb_job_state *s = job->state;
  if (!job->conn || job->conn->dead) {
    s->doing = TNDB_JOB_LOST;
    s->resume = resume;
    return false;
  }
  tndb_exchange_begin(job->conn);
  s->places =
      (tndb_job_places){TNDB_NONE, TNDB_NONE, 0, TNDB_NONE, TNDB_NONE, TNDB_NONE, TNDB_NONE, TNDB_NONE};
  return true;
}

void tndb_job_talk(tndb_job *job, tndb_job_function answered, int64_t allowed_ms) {
  struct tndb_job_state *s = job->state;
  s->answered = answered;
  s->allowed_ms = allowed_ms;
  s->talks_since = tndb_clock_ms();
  job->deadline = tndb_deadline_in(allowed_ms);
  s->doing = TNDB_JOB_TALKS;
  tndb_exchange_close(job->conn);
}

void tndb_job_pause(tndb_job *job, int64_t ms, tndb_job_function resume) {
  job->again_at = tndb_clock_ms() + ms;
  job->state->resume = resume;
  job->state->doing = TNDB_JOB_WAITS;
}

void tndb_job_end(tndb_job *job, tndb_job_outcome outcome) {
  job->outcome = outcome;
  job->state->doing = TNDB_JOB_ENDED;
  job->version = job->order.state->version;
}

void tndb_job_fail(tndb_job *job) {
  tndb_error_set_tenant(&job->error, job->order.target.slug);
  job->failed = job->state->file;
  tndb_job_end(job, TNDB_JOB_FAILED);
}

/* The connection is gone. What it was about to do is found out, or done again, on another. */
static void lose(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  tenantdb_error_free(job->error);
  job->error = NULL;
  tenantdb_status status = tndb_exchange_death(job->conn, &job->error);
  bool asked = s->places.commit != TNDB_NONE && !job->conn->send_failed;
  bool open = asked && !tndb_exchange_is_certain(job->conn);
  s->uncertain = s->uncertain || open || tndb_exchange_committed(job->conn, s->places.commit);
  s->open = false;
  s->lease.prepared = false;
  s->lease.resumed = true;
  s->losses++;
  if (!s->uncertain && (status == TENANTDB_MEMORY || s->losses > TNDB_JOB_MOST_LOSSES)) {
    if (s->file) {
      tndb_error_prefix(&job->error, "%s", tndb_job_file_name(job));
    }
    tndb_job_fail(job);
    return;
  }
  s->looks = 0;
  s->patience = tndb_deadline_in(tndb_config_number(job->order.db->config, TNDB_DATABASE_CONNECT_TIMEOUT) +
                                 tndb_config_number(job->order.db->config, TNDB_OPERATION_LOCK_TIMEOUT));
  s->resume = tndb_job_look;
  s->doing = TNDB_JOB_LOST;
}

void tndb_job_doubt(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  job->conn->dead = true;
  s->uncertain = s->uncertain || s->places.commit != TNDB_NONE;
  s->losses++;
  s->looks = 0;
  s->patience = tndb_deadline_in(tndb_job_own_ms(job));
  s->resume = tndb_job_look;
  s->doing = TNDB_JOB_LOST;
}

/* Nobody knows whether the file was done. */
void tndb_job_end_unknown(tndb_job *job) {
  tenantdb_error_free(job->error);
  job->error = NULL;
  (void)tndb_origin(&job->error, TENANTDB_UNKNOWN, TENANTDB_REASON_OUTCOME_UNKNOWN,
                    "%s: the connection broke during COMMIT and the server could not be asked what became of "
                    "it; to run it again is safe",
                    tndb_job_file_name(job));
  tndb_error_set_retry(&job->error, TENANTDB_RETRY_LATER);
  tndb_job_fail(job);
}

void tndb_job_connect(tndb_job *job, tndb_conn *conn, tenantdb_error *failure) {
  struct tndb_job_state *s = job->state;
  job->conn = conn;
  if (conn) {
    tenantdb_error_free(failure);
    tndb_strategy_apply(job->order.db, conn);
    tndb_job_pause(job, 0, s->resume);
    return;
  }
  if (s->uncertain) {
    tenantdb_error_free(failure);
    tndb_job_end_unknown(job);
    return;
  }
  tenantdb_error_free(job->error);
  job->error = failure;
  if (!failure) {
    (void)tndb_origin(&job->error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
                      "the connection broke, and there is no other");
  }
  tndb_job_fail(job);
}

static tndb_job_step talk(tndb_job *job, bool readable) {
  struct tndb_job_state *s = job->state;
  for (;;) {
    tndb_step step = tndb_exchange_step(job->conn, readable);
    readable = false;
    if (step == TNDB_STEP_DONE) {
      s->answered(job);
      return TNDB_JOB_PAUSE;
    }
    if (step == TNDB_STEP_READ || step == TNDB_STEP_READ_WRITE) {
      if (!tndb_exchange_expired(job->conn, s->allowed_ms, &job->deadline)) {
        return step == TNDB_STEP_READ ? TNDB_JOB_READ : TNDB_JOB_READ_WRITE;
      }
    } else {
      lose(job);
      return TNDB_JOB_PAUSE;
    }
  }
}

tndb_job_step tndb_job_advance(tndb_job *job, bool readable) {
  struct tndb_job_state *s = job->state;
  for (;;) {
    tndb_job_step step = TNDB_JOB_PAUSE;
    switch (s->doing) {
      case TNDB_JOB_TALKS:
        step = talk(job, readable);
        readable = false;
        if (step != TNDB_JOB_PAUSE) {
          return step;
        }
        break;
      case TNDB_JOB_WAITS:
        if (tndb_clock_ms() < job->again_at) {
          return TNDB_JOB_PAUSE;
        }
        s->resume(job);
        break;
      case TNDB_JOB_LOST:
        return TNDB_JOB_CONNECT;
      default:
        return TNDB_JOB_OVER;
    }
  }
}

/* ---------------------------------------------------------------- beginning and end */

static void begin(tndb_job *job) {
  const tndb_job_order *order = &job->order;
  const tndb_job_target *target = &order->target;
  /* Nothing goes back from under what only a later release can take back. */
  tenantdb_status status =
      tndb_ledger_fits(order->state, order->set, target->stream, !order->down, target->slug, &job->error);
  if (!status && !order->down && !order->any_order && !order->skip_older) {
    status = tndb_ledger_in_order(order->state, order->set, target->stream, order->goal, target->slug,
                                  &job->error);
  }
  if (status) {
    tndb_job_fail(job);
  } else {
    tndb_job_next(job);
  }
}

tenantdb_status tndb_job_start(tndb_job *job, const tndb_job_order *order, tndb_conn *conn,
                               tenantdb_error **error) {
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  *job = (tndb_job){.order = *order, .conn = conn, .version = order->state->version};
  job->state = tndb_new(struct tndb_job_state);
  if (!job->state) {
    return tndb_no_memory(error);
  }
  struct tndb_job_state *s = job->state;
  tndb_buffer_format(&lock, "migrate:%s", order->target.id);
  tndb_path_append(&s->path, order->db, order->target.schema);
  if (lock.failed || s->path.failed) {
    tndb_job_free(job);
    return tndb_no_memory(error);
  }
  if (!tndb_uuid_new(s->me)) {
    tndb_job_free(job);
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                       "the system gives no random bytes");
  }
  s->lock_key = tndb_lock_key(order->db, tndb_buffer_text(&lock));
  tndb_strategy_apply(order->db, conn);
  tndb_job_pause(job, 0, begin);
  return TENANTDB_OK;
}

void tndb_job_free(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  tndb_conn *conn = job->conn;
  if (!s) {
    return;
  }
  if (conn && !conn->dead && s->doing == TNDB_JOB_TALKS) {
    tndb_conn_cancel(conn); /* an index that is being built would go on without us */
    conn->dead = true;
  } else if (conn && !conn->dead && !tndb_conn_is_idle(conn)) {
    (void)tndb_exchange_rollback(conn, tndb_deadline_in(tndb_job_own_ms(job)), NULL);
  }
  tndb_job_lease_clear(&s->lease);
  tndb_buffer_free(&s->path);
  tndb_free(s);
  job->state = NULL;
  tndb_free(job->holders);
  job->holders = NULL;
  tenantdb_error_free(job->error);
  job->error = NULL;
}

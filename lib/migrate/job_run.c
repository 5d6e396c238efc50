/* SPDX-License-Identifier: PostgreSQL */
/* Jobs that are waited for: of one target, and of the shared schema. */
#include <string.h>

#include "base/memory.h"
#include "catalog/database.h"
#include "config/events.h"
#include "migrate/job_state.h"
#include "migrate/use.h"
#include "pg/wait.h"
#include "tenant/view_settle.h"

#define TAKEN_PAUSE_MS 200
#define VIEW_PATIENCE_MS 1000

/* ---------------------------------------------------------------- one */

static void reconnect(tndb_job *job) {
  tndb_pool *pool = job->order.db->pool;
  tenantdb_error *failure = NULL;
  tndb_conn *conn = NULL;
  /* The dead connection must not take up the last place that the new one needs. */
  tndb_pool_release(job->conn);
  job->conn = NULL;
  (void)tndb_pool_lease(pool, tndb_deadline_in(tndb_job_own_ms(job)), &conn, &failure);
  tndb_job_connect(job, conn, failure);
}

tenantdb_status tndb_job_run(tndb_job *job, const tndb_job_order *order, tndb_conn *conn,
                             tenantdb_error **error) {
  tenantdb_status status = tndb_job_start(job, order, conn, error);
  bool readable = false;
  while (!status) {
    tndb_job_step step = tndb_job_advance(job, readable);
    readable = false;
    if (step == TNDB_JOB_OVER) {
      break;
    }
    if (step == TNDB_JOB_CONNECT) {
      reconnect(job);
    } else if (step == TNDB_JOB_PAUSE) {
      tndb_clock_sleep_ms(job->again_at - tndb_clock_ms());
    } else {
      tndb_ready ready = tndb_wait(PQsocket(job->conn->pg), true, step == TNDB_JOB_READ_WRITE, job->deadline);
      job->conn->dead = job->conn->dead || ready == TNDB_READY_FAILED;
      readable = (ready & TNDB_READY_READ) != 0;
    }
  }
  return status;
}

/* ---------------------------------------------------------------- views */

static void tell_stale(const tenantdb *db, const tenantdb_error *error) {
  tndb_config_write_event(db->config, &(tndb_event){.kind = TNDB_EVENT_VIEW_STALE,
                                                    .sqlstate = tenantdb_error_sqlstate(error),
                                                    .message = tenantdb_error_message(error)});
}

static tenantdb_status follow_view(tenantdb *db, const char *name, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (bool last = false; !status && !last;) {
    status = tndb_view_settle_batch(db, name, VIEW_PATIENCE_MS, &last, error);
  }
  return status;
}

void tndb_job_follow_views(tenantdb *db) {
  PGresult *names = NULL;
  tenantdb_error *error = NULL;
  if (tndb_views_stale(db, &names, &error)) {
    tell_stale(db, error);
  }
  for (int i = 0; i < PQntuples(names); i++) {
    tenantdb_error_free(error);
    error = NULL;
    if (follow_view(db, PQgetvalue(names, i, 0), &error) &&
        tenantdb_error_reason(error) != TENANTDB_REASON_UNKNOWN_VIEW) {
      tndb_error_prefix(&error, "view %s", PQgetvalue(names, i, 0));
      tell_stale(db, error);
    }
  }
  tenantdb_error_free(error);
  PQclear(names);
}

/* ---------------------------------------------------------------- the shared stream */

static tenantdb_status read_shared(tenantdb *db, tndb_ledger_state *state, tndb_conn **conn,
                                   tenantdb_error **error) {
  tndb_work work;
  *conn = NULL;
  *state = (tndb_ledger_state){0};
  tenantdb_status status = tndb_work_start_reading(&work, db, error);
  if (!status) {
    status = tndb_ledger_read(&work, "{" TNDB_LEDGER_SHARED "}", 1, state, error);
  }
  if (!status && state->count == 0) {
    status = tndb_shared_require_baseline(&work, error);
  }
  if (!status) {
    *conn = work.conn; /* from here on it is the job's */
    work.conn = NULL;
  }
  tndb_work_end(&work);
  return status;
}

/* What a job came to; its error is handed on. */
static tenantdb_status take_result(tndb_job *job, tndb_shared_result *result, tenantdb_error **error) {
  result->version = job->order.state->version;
  if (!job->error) {
    result->applied += job->applied;
    return TENANTDB_OK;
  }
  tenantdb_status status = tenantdb_error_status(job->error);
  result->file = job->failed ? job->failed->file : NULL;
  result->line = job->failed_line;
  result->holders = job->holders;
  job->holders = NULL;
  (void)tndb_error_pass(error, job->error);
  job->error = NULL;
  return status;
}

static tenantdb_status run_shared(tenantdb *db, const tndb_shared_order *wanted, tndb_shared_result *result,
                                  bool *taken, tenantdb_error **error) {
  tndb_job job;
  tndb_ledger_state state;
  tndb_conn *conn;
  tenantdb_status status = read_shared(db, &state, &conn, error);
  tndb_job_order order = {.db = db,
                          .set = wanted->set,
                          .target = {.stream = TNDB_STREAM_SHARED,
                                     .id = TNDB_LEDGER_SHARED,
                                     .slug = "shared",
                                     .schema = tndb_database_shared_schema(db),
                                     .role = ""},
                          .state = &state,
                          .goal = wanted->goal,
                          .down = wanted->down,
                          .dry = wanted->dry,
                          .any_order = wanted->any_order,
                          .skip_older = wanted->skip_older,
                          .lock_timeout_ms = wanted->lock_timeout_ms,
                          .lock_retries = wanted->lock_retries,
                          .statement_timeout_ms = wanted->statement_timeout_ms,
                          .run = wanted->run};
  if (!status) {
    status = tndb_job_run(&job, &order, conn, error);
    if (!status) {
      status = take_result(&job, result, error);
      *taken = job.outcome == TNDB_JOB_TAKEN;
      conn = job.conn;
      tndb_job_free(&job);
    }
    tndb_pool_release(conn);
  }
  tndb_ledger_clear(&state);
  return status;
}

tenantdb_status tndb_migrate_shared(tenantdb *db, const tndb_shared_order *order, tndb_shared_result *result,
                                    tenantdb_error **error) {
  int64_t patience = order->lock_timeout_ms * (order->lock_retries + 1);
  int64_t lease = tndb_config_number(db->config, TNDB_OPERATION_LEASE);
  tndb_deadline until = tndb_deadline_in(patience > lease ? patience : lease);
  tenantdb_status status;
  bool taken = false;
  *result = (tndb_shared_result){0};
  do {
    taken = false;
    status = run_shared(db, order, result, &taken, error);
    if (taken) {
      tndb_clock_sleep_ms(tndb_job_jitter(TAKEN_PAUSE_MS));
    }
  } while (taken && tndb_deadline_left(until) != 0);
  if (taken) {
    status = tndb_origin(error, TENANTDB_BUSY, TENANTDB_REASON_OPERATION_HELD,
                         "somebody else is migrating the shared schema");
  }
  /* Also when nothing was applied: whoever did it may have been killed before. */
  if (!status && !order->dry) {
    status = tndb_shared_settle(db, error);
  }
  return status;
}

/* SPDX-License-Identifier: PostgreSQL */
/* Batches: many statements in one flush. */
#include "base/memory.h"
#include "pg/failure.h"
#include "pg/rows.h"
#include "session/call.h"
#include "session/values.h"

typedef struct outcome {
  tenantdb_status status;
  tenantdb_error *error;
  PGresult *rows;
} outcome;

struct tenantdb_batch {
  tndb_call_item *items;
  outcome *outcomes; /* of the last run */
  size_t count;
  size_t capacity;
  size_t n_run; /* how many of them have an outcome */
  tenantdb_error *mistake;
};

tenantdb_batch *tenantdb_batch_new(void) {
  return tndb_new(tenantdb_batch);
}

static void forget_outcomes(tenantdb_batch *batch) {
  for (size_t i = 0; i < batch->count; i++) {
    tenantdb_error_free(batch->outcomes[i].error);
    PQclear(batch->outcomes[i].rows);
    batch->outcomes[i] = (outcome){TENANTDB_OK, NULL, NULL};
  }
}

void tenantdb_batch_free(tenantdb_batch *batch) {
  if (!batch) {
    return;
  }
  forget_outcomes(batch);
  for (size_t i = 0; i < batch->count; i++) {
    tndb_item_free(&batch->items[i]);
  }
  tndb_free(batch->items);
  tndb_free(batch->outcomes);
  tenantdb_error_free(batch->mistake);
  tndb_free(batch);
}

int32_t tenantdb_batch_count(const tenantdb_batch *batch) {
  return batch ? (int32_t)batch->count : 0;
}

static bool reserve(tenantdb_batch *batch) {
  if (batch->count < batch->capacity) {
    return true;
  }
  size_t capacity = batch->capacity ? batch->capacity * 2 : 16;
  tndb_call_item *items = tndb_realloc(batch->items, capacity * sizeof *items);
  if (!items) {
    return false;
  }
  batch->items = items;
  outcome *outcomes = tndb_realloc(batch->outcomes, capacity * sizeof *outcomes);
  if (!outcomes) {
    return false;
  }
  batch->outcomes = outcomes;
  batch->capacity = capacity;
  return true;
}

static tenantdb_status add(tenantdb_batch *batch, const char *sql, const tenantdb_params *params,
                           tenantdb_error **error) {
  tenantdb_status status = tndb_params_mistake(params, error);
  if (!status) {
    status = tndb_session_admit(sql, error);
  }
  if (!status && (batch->count >= INT32_MAX || !reserve(batch))) {
    status = tndb_no_memory(error);
  }
  if (!status) {
    tndb_values values = tndb_values_of(params);
    status = tndb_item_copy(sql, &values, &batch->items[batch->count], error);
  }
  if (!status) {
    batch->outcomes[batch->count++] = (outcome){TENANTDB_OK, NULL, NULL};
  } else {
    tndb_error_prefix(error, "statement %zu of the batch", batch->count);
  }
  return status;
}

void tenantdb_batch_add(tenantdb_batch *batch, const char *sql, const tenantdb_params *params) {
  if (!batch || batch->mistake) {
    return;
  }
  if (!sql) {
    (void)tndb_origin(&batch->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                      "statement %zu of the batch is NULL", batch->count);
    return;
  }
  (void)add(batch, sql, params, &batch->mistake);
}

/* Take each statement's answer out of the exchange before anything else is sent. */
static void collect(void *what_for, tndb_conn *conn) {
  tenantdb_batch *batch = what_for;
  bool failed = false;
  for (size_t i = 0; i < batch->count; i++) {
    outcome *what = &batch->outcomes[i];
    PGresult *rows = tndb_exchange_result(conn, batch->items[i].place);
    ExecStatusType status = rows ? PQresultStatus(rows) : PGRES_PIPELINE_ABORTED;
    if (status == PGRES_FATAL_ERROR) {
      what->status = tndb_failure_of_result(rows, &what->error);
      failed = !conn->dead; /* where the connection broke, nobody knows of those behind */
      tndb_error_prefix(&what->error, "statement %zu of the batch", i);
    } else if (!failed && conn->dead && !rows) {
      what->status = tndb_origin(&what->error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
                                 "the connection broke before statement %zu of the batch was answered", i);
    } else if (failed || status == PGRES_PIPELINE_ABORTED) {
      what->status = tndb_origin(&what->error, TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED,
                                 "statement %zu of the batch was not run: something before it failed", i);
    } else {
      what->rows = tndb_exchange_take(conn, batch->items[i].place);
    }
  }
}

tenantdb_status tenantdb_session_batch(tenantdb_session *session, tenantdb_batch *batch,
                                       tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_session_check(session, error);
  if (!status && !batch) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "batch is NULL");
  }
  if (!status && batch->mistake) {
    status = tndb_error_pass(error, tndb_error_copy(batch->mistake));
  }
  if (status || batch->count == 0) {
    return status;
  }
  forget_outcomes(batch);
  batch->n_run = 0;
  status = tndb_call_run(session, TNDB_CALL_WHOLE, batch->items, batch->count, error);
  if (status) {
    return status;
  }
  session->call.collect = collect;
  session->call.batch = batch;
  (void)tndb_call_wait(session);
  batch->n_run = batch->count;
  return tndb_call_outcome(session, error);
}

tenantdb_status tenantdb_batch_result(tenantdb_batch *batch, int32_t index, tenantdb_result **result,
                                      tenantdb_error **error) {
  tndb_error_reset(error);
  if (result) {
    *result = NULL;
  }
  if (!batch || !result) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       batch ? "result" : "batch");
  }
  if (index < 0 || (size_t)index >= batch->n_run) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                       index < 0 || (size_t)index >= batch->count ? "there is no statement %d in the batch"
                                                                  : "statement %d of the batch was not run",
                       (int)index);
  }
  outcome *what = &batch->outcomes[index];
  if (what->status) {
    (void)tndb_error_pass(error, tndb_error_copy(what->error));
    return what->status;
  }
  PGresult *rows = what->rows;
  what->rows = NULL;
  return rows ? tndb_rows_wrap(rows, result, error) : TENANTDB_OK;
}

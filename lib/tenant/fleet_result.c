/* SPDX-License-Identifier: PostgreSQL */
/* A fleet query as a result: its cells, its next rows, and what it tells of itself. */
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/types.h"
#include "tenant/fleet.h"

/* ---------------------------------------------------------------- cells */

static int32_t n_own(const tndb_fleet *fleet) {
  return (fleet->settings.with_slug ? 1 : 0) + (fleet->settings.with_id ? 1 : 0);
}

static bool is_slug(const tndb_fleet *fleet, int32_t column) {
  return column == 0 && fleet->settings.with_slug;
}

static const char *own_value(const tndb_fleet *fleet, int32_t column) {
  size_t tenant = fleet->shown->tenant;
  return is_slug(fleet, column) ? tndb_fleet_list_slug(&fleet->list, tenant)
                                : tndb_fleet_list_id(&fleet->list, tenant);
}

static const char *value(const void *data, int32_t row, int32_t column) {
  const tndb_fleet *fleet = data;
  int32_t own = n_own(fleet);
  size_t length;
  return column < own ? own_value(fleet, column) : tndb_chunk_value(fleet->shown, row, column - own, &length);
}

static size_t length(const void *data, int32_t row, int32_t column) {
  const tndb_fleet *fleet = data;
  int32_t own = n_own(fleet);
  size_t length = 0;
  if (column < own) {
    return strlen(own_value(fleet, column));
  }
  (void)tndb_chunk_value(fleet->shown, row, column - own, &length);
  return length;
}

static const char *name(const void *data, int32_t column) {
  const tndb_fleet *fleet = data;
  int32_t own = n_own(fleet);
  return column >= own            ? PQfname(fleet->shape, column - own)
         : is_slug(fleet, column) ? "tenant"
                                  : "tenant_id";
}

static uint32_t type(const void *data, int32_t column) {
  const tndb_fleet *fleet = data;
  int32_t own = n_own(fleet);
  return column < own ? TNDB_TYPE_TEXT : PQftype(fleet->shape, column - own);
}

static int32_t format(const void *data, int32_t column) {
  const tndb_fleet *fleet = data;
  int32_t own = n_own(fleet);
  return column < own ? 0 : PQfformat(fleet->shape, column - own);
}

static void release(void *data) {
  tndb_fleet_free(data);
}

static const tndb_result_source source = {value, length, name, type, release, format};

/* ---------------------------------------------------------------- going on */

static void show(tenantdb_result *result, tndb_chunk *chunk) {
  tndb_fleet *fleet = result->data;
  tndb_result_forget(result);
  tndb_chunk_free(fleet->shown);
  fleet->shown = chunk;
  result->rows = chunk ? chunk->rows : 0;
  result->columns = n_own(fleet) + (fleet->shape ? PQnfields(fleet->shape) : 0);
  result->affected = result->rows;
  if (chunk) {
    fleet->tenants[chunk->tenant].delivered += chunk->rows;
    atomic_fetch_add(&fleet->rows, chunk->rows);
  }
}

/* Deadlines of tenants do not count what the caller took for the rows. */
static void catch_up(tndb_fleet *fleet) {
  int64_t away = tndb_clock_ms() - fleet->left_at;
  for (size_t i = 0; i < fleet->n_slots; i++) {
    tndb_fleet_slot *slot = &fleet->slots[i];
    if (slot->session && !slot->paused && slot->session->call.deadline != TNDB_NEVER) {
      slot->session->call.deadline += away;
    }
  }
}

/* All the others' rows have been handed out; now for those who failed. */
static tenantdb_status sum_up(const tndb_fleet *fleet, tenantdb_error **error) {
  if (fleet->n_failures == 0) {
    return TENANTDB_OK;
  }
  const tndb_fleet_failure *first = &fleet->failures[0];
  (void)tndb_origin(error, TENANTDB_UNAVAILABLE, TENANTDB_REASON_FLEET_PARTLY,
                    "%zu of %zu tenants failed, %s first: %s; tenantdb_fleet_failures() lists them",
                    fleet->n_failures, fleet->list.count + fleet->list.n_missing, first->name,
                    tenantdb_error_message(first->error));
  tndb_error_set_tenant(error, first->name);
  return TENANTDB_UNAVAILABLE;
}

/* Rows that are not handed out any more: their tenants were not read to the end. */
static void forget_chunks(tndb_fleet *fleet, tndb_chunks *chunks) {
  for (tndb_chunk *chunk = tndb_chunks_take(chunks); chunk; chunk = tndb_chunks_take(chunks)) {
    tndb_fleet_tenant *tenant = &fleet->tenants[chunk->tenant];
    if (tenant->stage == TNDB_FLEET_OVER) {
      tenant->stage = TNDB_FLEET_WAITING;
      atomic_fetch_sub(&fleet->done, 1);
    }
    tndb_chunk_free(chunk);
  }
}

static void close_stream(tenantdb_result *result, tenantdb_status status, const tenantdb_error *error) {
  tndb_fleet *fleet = result->data;
  result->stream = NULL;
  tndb_fleet_halt(fleet);
  fleet->end = status;
  fleet->end_error = tndb_error_copy(error);
  forget_chunks(fleet, &fleet->ready);
  for (size_t i = 0; i < fleet->list.count; i++) {
    forget_chunks(fleet, &fleet->tenants[i].ready);
  }
}

static tenantdb_status next(tenantdb_result *result, tenantdb_error **error) {
  tndb_fleet *fleet = result->data;
  tndb_chunk *chunk = NULL;
  tenantdb_error *own = NULL;
  show(result, NULL);
  catch_up(fleet);
  tenantdb_status status = tndb_database_check(fleet->db, &own);
  if (!status) {
    status = tndb_fleet_run(fleet, &chunk, &own);
  }
  if (status || !chunk) {
    close_stream(result, status, own);
    status = status ? status : sum_up(fleet, &own);
  }
  show(result, chunk);
  fleet->left_at = tndb_clock_ms();
  (void)tndb_error_pass(error, own);
  return status;
}

static void abandon(tenantdb_result *result) {
  tndb_fleet_halt(result->data);
}

tenantdb_status tndb_fleet_result(tndb_fleet *fleet, tenantdb_result **result, tenantdb_error **error) {
  static const tndb_result_stream stream = {next, abandon};
  *result = tndb_result_wrap(&source, fleet, 0, n_own(fleet), 0);
  if (!*result) {
    return tndb_no_memory(error);
  }
  (*result)->stream = &stream;
  fleet->left_at = tndb_clock_ms();
  return TENANTDB_OK;
}

tenantdb_status tndb_fleet_of(const tenantdb_result *result, tndb_fleet **fleet, tenantdb_error **error) {
  *fleet = NULL;
  if (!result) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "rows is NULL");
  }
  if (result->source != &source) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE,
                       "rows is not the result of tenantdb_fleet_query()");
  }
  *fleet = result->data;
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- what it tells of itself */

static tenantdb_status finish_table(tndb_table *table, bool added, tenantdb_result **result,
                                    tenantdb_error **error) {
  if (!added) {
    tndb_table_free(table);
    table = NULL;
  }
  return tndb_table_finish(table, result, error);
}

/* False when memory ran out; so it is below. */
static bool add_failure(tndb_table *table, const tndb_fleet *fleet, const tndb_fleet_failure *failure) {
  tndb_auto_buffer delivered = TNDB_BUFFER_INIT;
  bool known = failure->tenant < fleet->list.count;
  const char *sqlstate = tenantdb_error_sqlstate(failure->error);
  tndb_buffer_format(&delivered, "%lld", (long long)failure->delivered);
  const char *cells[] = {failure->name,
                         known ? tndb_fleet_list_id(&fleet->list, failure->tenant) : NULL,
                         tenantdb_status_name(failure->status),
                         tenantdb_reason_name(tenantdb_error_reason(failure->error)),
                         *sqlstate ? sqlstate : NULL,
                         tenantdb_error_message(failure->error),
                         tndb_buffer_text(&delivered)};
  tndb_table_row(table, cells);
  return !delivered.failed;
}

/* Those whom the end of the query kept from being read. */
static bool add_unread(tndb_table *table, const tndb_fleet *fleet) {
  bool stopped = fleet->settings.stops && fleet->n_failures > 0;
  tenantdb_status status = stopped ? TENANTDB_CANCELLED : fleet->end;
  int32_t reason = stopped ? TENANTDB_REASON_STATEMENT_CANCELLED : tenantdb_error_reason(fleet->end_error);
  tenantdb_error *why = NULL;
  bool added = true;
  (void)tndb_origin(&why, status, reason, "not read to the end: %s",
                    tenantdb_error_message(fleet->end_error));
  for (size_t i = 0; added && i < fleet->list.count; i++) {
    const tndb_fleet_tenant *tenant = &fleet->tenants[i];
    if (tenant->stage == TNDB_FLEET_WAITING) {
      tndb_fleet_failure failure = {i, tndb_fleet_list_slug(&fleet->list, i), status, why, tenant->delivered};
      added = add_failure(table, fleet, &failure);
    }
  }
  tenantdb_error_free(why);
  return added;
}

tenantdb_status tenantdb_fleet_failures(const tenantdb_result *rows, tenantdb_result **result,
                                        tenantdb_error **error) {
  static const char *const names[] = {"tenant",   "id",      "status",        "reason",
                                      "sqlstate", "message", "rows_delivered"};
  tndb_fleet *fleet;
  tndb_error_reset(error);
  if (!result) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "table is NULL");
  }
  *result = NULL;
  tenantdb_status status = tndb_fleet_of(rows, &fleet, error);
  if (status) {
    return status;
  }
  tndb_table *table = tndb_table_new(names, sizeof names / sizeof names[0]);
  bool added = table != NULL;
  for (size_t i = 0; added && i < fleet->n_failures; i++) {
    added = add_failure(table, fleet, &fleet->failures[i]);
  }
  if (added && fleet->end) {
    added = add_unread(table, fleet);
  }
  return finish_table(table, added, result, error);
}

tenantdb_status tenantdb_fleet_progress(const tenantdb_result *rows, tenantdb_result **result,
                                        tenantdb_error **error) {
  static const char *const names[] = {"total", "done", "failed", "running", "waiting", "rows", "affected"};
  enum { N = sizeof names / sizeof names[0] };
  tndb_fleet *fleet;
  tndb_error_reset(error);
  if (!result) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "table is NULL");
  }
  *result = NULL;
  tenantdb_status status = tndb_fleet_of(rows, &fleet, error);
  if (status) {
    return status;
  }
  int64_t total = (int64_t)(fleet->list.count + fleet->list.n_missing);
  int64_t done = atomic_load(&fleet->done), failed = atomic_load(&fleet->failed);
  int64_t running = atomic_load(&fleet->running);
  int64_t waiting = total - done - failed - running; /* of four numbers that may change in between */
  const int64_t numbers[N] = {total,
                              done,
                              failed,
                              running,
                              waiting > 0 ? waiting : 0,
                              atomic_load(&fleet->rows),
                              atomic_load(&fleet->affected)};
  tndb_buffer text[N];
  const char *cells[N];
  for (int i = 0; i < N; i++) {
    text[i] = (tndb_buffer)TNDB_BUFFER_INIT;
    tndb_buffer_format(&text[i], "%lld", (long long)numbers[i]);
    cells[i] = tndb_buffer_text(&text[i]);
  }
  tndb_table *table = tndb_table_new(names, N);
  bool added = true;
  tndb_table_row(table, cells);
  for (int i = 0; i < N; i++) {
    added = added && !text[i].failed;
    tndb_buffer_free(&text[i]);
  }
  return finish_table(table, added, result, error);
}

tenantdb_status tenantdb_fleet_cancel(const tenantdb_result *rows, tenantdb_error **error) {
  tndb_fleet *fleet;
  tndb_error_reset(error);
  tenantdb_status status = tndb_fleet_of(rows, &fleet, error);
  if (!status) {
    atomic_store(&fleet->cancelled, true);
    tndb_wake_raise(&fleet->wake);
  }
  return status;
}

/* SPDX-License-Identifier: PostgreSQL */
/* Beginning a fleet query: everything that is decided once. */
#include "base/memory.h"
#include "session/values.h"
#include "tenant/fleet.h"

void tndb_fleet_free(tndb_fleet *fleet) {
  if (!fleet) {
    return;
  }
  for (size_t i = 0; fleet->slots && i < fleet->n_slots; i++) {
    tndb_buffer_free(&fleet->slots[i].sql);
  }
  for (size_t i = 0; fleet->tenants && i < fleet->list.count; i++) {
    tndb_chunks_clear(&fleet->tenants[i].ready);
  }
  for (size_t i = 0; i < fleet->n_failures; i++) {
    tenantdb_error_free(fleet->failures[i].error);
  }
  tndb_chunks_clear(&fleet->ready);
  tndb_chunk_free(fleet->shown);
  PQclear(fleet->shape);
  tenantdb_error_free(fleet->end_error);
  tndb_free(fleet->failures);
  tndb_free(fleet->again);
  tndb_free(fleet->sockets);
  tndb_free(fleet->slots);
  tndb_free(fleet->tenants);
  tndb_fleet_list_free(&fleet->list);
  tndb_fleet_text_free(&fleet->text);
  tndb_wake_close(&fleet->wake);
  tndb_database_release(fleet->db);
  tndb_free(fleet);
}

static tenantdb_status make_room(tndb_fleet *fleet, tenantdb_error **error) {
  size_t count = fleet->list.count;
  size_t most = (size_t)fleet->settings.connections;
  fleet->n_slots = count < most ? count : most;
  fleet->tenants = tndb_alloc_array(count, sizeof *fleet->tenants);
  fleet->again = tndb_alloc_array(count, sizeof *fleet->again);
  fleet->slots = tndb_alloc_array(fleet->n_slots, sizeof *fleet->slots);
  fleet->sockets = tndb_alloc_array(fleet->n_slots + 1, sizeof *fleet->sockets);
  if (!fleet->tenants || !fleet->again || !fleet->slots || !fleet->sockets) {
    return tndb_no_memory(error);
  }
  for (size_t i = 0; i < fleet->n_slots; i++) {
    fleet->slots[i].fleet = fleet;
  }
  if (!tndb_wake_open(&fleet->wake)) {
    return tndb_origin(error, TENANTDB_BUSY, TENANTDB_REASON_INTERNAL,
                       "the process has no file descriptors left");
  }
  return TENANTDB_OK;
}

/* Names that are nobody's are failures from the beginning. */
static tenantdb_status fail_missing(tndb_fleet *fleet, tenantdb_error **error) {
  for (size_t i = 0; i < fleet->list.n_missing; i++) {
    tenantdb_error *failure = NULL;
    tenantdb_status status = tndb_tenant_unknown(fleet->list.missing[i], &failure);
    if (!tndb_fleet_fail(fleet, fleet->list.count + i, status, failure)) {
      return tndb_no_memory(error);
    }
  }
  return TENANTDB_OK;
}

static tenantdb_status prepare(tndb_fleet *fleet, const tenantdb_fleet_options *options,
                               tenantdb_error **error) {
  tenantdb *db = fleet->db;
  tndb_fleet_settings *settings = &fleet->settings;
  tenantdb_status status = tndb_fleet_settings_read(db, options, settings, error);
  if (status) {
    return status;
  }
  fleet->session = (tndb_session_settings){.timeout_ms = settings->tenant_timeout_ms,
                                           .read_only = settings->read_only,
                                           .binary = settings->binary};
  fleet->shares = db->level >= TENANTDB_ISOLATION_LOGIN ||
                  tndb_config_number(db->config, TNDB_POOL_TENANT_CONNECTIONS) > 0;
  fleet->deadline = tndb_deadline_in(settings->timeout_ms);
  tndb_deadline soon = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
  status =
      tndb_fleet_list_read(db, &settings->who, tndb_deadline_min(soon, fleet->deadline), &fleet->list, error);
  settings->who.names = NULL; /* the caller's, who may free them now */
  settings->who.selector = NULL;
  if (!status) {
    status = make_room(fleet, error);
  }
  return status ? status : fail_missing(fleet, error);
}

/* One of `sql` and `statement`. */
static tenantdb_status query(tenantdb *db, const char *sql, const tenantdb_statement *statement,
                             const tenantdb_params *params, const tenantdb_fleet_options *options,
                             tenantdb_result **rows, tenantdb_error **error) {
  tenantdb_status status = tndb_database_check(db, error);
  tndb_fleet *fleet = status ? NULL : tndb_new(tndb_fleet);
  if (!fleet) {
    return status ? status : tndb_no_memory(error);
  }
  fleet->db = tndb_database_hold(db);
  fleet->wake = (tndb_wake)TNDB_WAKE_NONE;
  status = tndb_fleet_text_make(db, sql, statement, params, &fleet->text, error);
  if (!status) {
    status = prepare(fleet, options, error);
  }
  if (status) {
    tndb_fleet_free(fleet);
    return status;
  }
  return tndb_fleet_result(fleet, rows, error);
}

static tenantdb_status check_arguments(const char *name, const void *given, tenantdb_result **rows,
                                       tenantdb_error **error) {
  tndb_error_reset(error);
  if (!rows) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "rows is NULL");
  }
  *rows = NULL;
  return given ? TENANTDB_OK
               : tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL", name);
}

tenantdb_status tenantdb_fleet_query(tenantdb *db, const char *sql, const tenantdb_params *params,
                                     const tenantdb_fleet_options *options, tenantdb_result **rows,
                                     tenantdb_error **error) {
  tenantdb_status status = check_arguments("sql", sql, rows, error);
  return status ? status : query(db, sql, NULL, params, options, rows, error);
}

tenantdb_status tenantdb_fleet_query_statement(tenantdb *db, const tenantdb_statement *statement,
                                               const tenantdb_params *params,
                                               const tenantdb_fleet_options *options, tenantdb_result **rows,
                                               tenantdb_error **error) {
  tenantdb_status status = check_arguments("statement", statement, rows, error);
  return status ? status : query(db, NULL, statement, params, options, rows, error);
}

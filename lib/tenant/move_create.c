/* SPDX-License-Identifier: PostgreSQL */
/*
 * The tenant at the target: provisioned as every tenant is, under the name that
 * his schema has at the source, and served to nobody.
 */
#include <string.h>

#include "tenant/access.h"
#include "tenant/move.h"
#include "tenant/view.h"

static const char insert_sql[] =
    "INSERT INTO %smoves (id, side, tenant_id, slug, schema_name, tenant_state, other_tenant, other_slug,"
    " other_database, other_place, state, owner, lease_until) VALUES ($1, 'target', $2, $3, $4, $5, $6, $7,"
    " '', $8, 'moving', $9, now() + $10::text::interval)";

/* Also checks that he is not there already, or was undone by somebody while we believed to be moving him. */
static void queue_row(tndb_work *work, const tndb_move *move) {
  tndb_auto_buffer lease = TNDB_BUFFER_INIT;
  tndb_move_format_lease(&lease, move);
  const char *values[] = {move->id,
                          move->target,
                          move->slug,
                          move->source->schema,
                          tndb_tenant_state_name(move->state),
                          move->source->id,
                          move->source->slug,
                          move->here,
                          move->owner,
                          tndb_buffer_text(&lease)};
  tndb_work_fail_if(work, lease.failed);
  (void)tndb_view_send(work, insert_sql, 10, values);
}

static tenantdb_status prepare(tndb_creation *creation, const tndb_move *move, tenantdb_error **error) {
  tenantdb_status status = tndb_creation_prepare(creation, "move", NULL, error);
  if (status) {
    return status;
  }
  memcpy(creation->spec.id, move->target, sizeof creation->spec.id);
  creation->spec.name = move->source->name[0] ? move->source->name : NULL;
  creation->spec.properties = move->source->properties;
  status = tndb_naming_make(move->to, move->slug, move->target, &creation->names, error);
  if (!status) {
    status = tndb_naming_check_schema(move->to, "schema", move->source->schema, error);
    status = status ? tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_MOVE_REFUSED,
                                  "schema %s cannot be a tenant's in the other database; rename it first by "
                                  "tenantdb_relocate() with what = tenant",
                                  move->source->schema)
                    : TENANTDB_OK;
  }
  if (!status) {
    tndb_auto_buffer name = TNDB_BUFFER_INIT;
    tndb_buffer_append(&name, move->source->schema);
    status =
        name.failed || name.length >= sizeof creation->names.schema ? tndb_no_memory(error) : TENANTDB_OK;
    if (!status) {
      memcpy(creation->names.schema, name.data, name.length + 1);
    }
  }
  return status;
}

/* ---------------------------------------------------------------- what the source has */

static tenantdb_status read_ledger(const tndb_move *move, tndb_work *source, PGresult **ledger,
                                   tenantdb_error **error) {
  static const char ledger_sql[] =
      "SELECT pg_catalog.json_agg(m) FROM %smigrations m WHERE m.tenant_id = $1"
      " AND m.state = 'done'";
  const char *id = move->source->id;
  return tndb_view_query(source, ledger_sql, 1, &id, ledger, error);
}

/* *ledger: of one row, a text that queue_ledger() takes; freed by PQclear(). */
static tenantdb_status read_source(const tndb_move *move, tndb_shape *here, PGresult **ledger,
                                   tenantdb_error **error) {
  tndb_work source;
  tenantdb_status status = tndb_work_start(&source, move->from, "move", true, error);
  status = status ? status : tndb_shape_read(&source, move->source->schema, here, error);
  status = status ? status : tndb_shape_read_sequences(&source, move->source->schema, here, error);
  status = status ? status : read_ledger(move, &source, ledger, error);
  tndb_work_end(&source);
  return status;
}

/* What was done to him is what was done to the rows that come; one who was never migrated is as the set says. */
static void queue_ledger(const tndb_creation *creation, tndb_work *work, const PGresult *ledger) {
  static const char copy_sql[] =
      "INSERT INTO %smigrations (stream, tenant_id, version, name, kind, title, sum, state, steps, "
      "steps_done,"
      " steps_sum, progress, attempts, started_at, finished_at, duration_ms, actor) SELECT m.stream, $1,"
      " m.version, m.name, m.kind, m.title, m.sum, m.state, m.steps, m.steps_done, m.steps_sum, m.progress,"
      " m.attempts, m.started_at, m.finished_at, m.duration_ms, m.actor"
      " FROM pg_catalog.json_populate_recordset(NULL::%smigrations, $2::json) m";
  const char *values[] = {creation->spec.id, PQgetvalue(ledger, 0, 0)};
  if (PQgetisnull(ledger, 0, 0)) {
    tndb_birth_queue(&creation->birth, work, creation->spec.id);
  } else if (creation->birth.newborn) {
    (void)tndb_view_send(work, copy_sql, 2, values);
  }
}

/* ---------------------------------------------------------------- the tables */

/* Tables of the source that the target's could not take, while nothing is there yet. */
static tenantdb_status compare(const tndb_creation *creation, const tndb_move *move, tndb_work *target,
                               tenantdb_error **error) {
  const char *schema = move->source->schema;
  tndb_shape there = {NULL, 0, NULL, 0};
  tndb_shape here = {NULL, 0, NULL, 0};
  PGresult *ledger = NULL;
  tndb_auto_buffer what = TNDB_BUFFER_INIT;
  tndb_buffer_append(&what, "tenant ");
  tndb_buffer_append(&what, move->source->slug);
  tenantdb_status status = tndb_shape_read(target, schema, &there, error);
  if (!status) {
    status = tndb_shape_read_sequences(target, schema, &there, error);
  }
  if (!status) {
    status = read_source(move, &here, &ledger, error);
  }
  if (!status) {
    status = tndb_shape_compare(&here, &there, tndb_buffer_text(&what), true, false, error);
  }
  if (!status && creation->birth.replays) {
    status = tndb_shape_empty(target, schema, &there, error);
  }
  if (!status) {
    queue_ledger(creation, target, ledger);
  }
  PQclear(ledger);
  tndb_shape_free(&there);
  tndb_shape_free(&here);
  return status;
}

static tenantdb_status explain(const tndb_creation *creation, const tndb_provision *provision,
                               const tndb_work *work, tenantdb_status status, tenantdb_error **error) {
  size_t failed = work->conn ? tndb_exchange_failed(work->conn) : TNDB_NONE;
  if (failed == TNDB_NONE || !*error) {
    return status;
  }
  if (strcmp(tenantdb_error_constraint(*error), "moves_pkey") == 0) {
    return tndb_origin(error, TENANTDB_CONFLICT, TENANTDB_REASON_TENANT_CHANGED,
                       "the move was undone, or begun, by somebody else meanwhile");
  }
  if (failed == creation->insert) {
    return tndb_creation_explain(creation, error);
  }
  return tndb_provision_explain(provision, work, error) ? tenantdb_error_status(*error) : status;
}

static tenantdb_status create(tndb_creation *creation, tndb_move *move, tndb_work *work,
                              tenantdb_error **error) {
  tndb_provision provision = {0};
  const char *schema = creation->names.schema;
  queue_row(work, move);
  tndb_creation_queue_row(creation, work);
  tenantdb_status status =
      tndb_provision_queue(&provision, work, creation->spec.id, schema, creation->names.role, creation->login,
                           &creation->birth, error);
  if (!status) {
    if (creation->names.role[0]) {
      tndb_access_close(work, schema, creation->names.role);
    }
    tndb_record record = {creation->spec.id, "move in", NULL, "provisioning", NULL, NULL, NULL};
    tndb_work_record(work, &record);
    status = tndb_work_sync(work, error);
    status = status ? explain(creation, &provision, work, status, error) : TENANTDB_OK;
  }
  tndb_provision_free(&provision);
  if (!status) {
    status = compare(creation, move, work, error);
  }
  if (!status) {
    status = tndb_move_drop_keys(work, move, schema, error);
  }
  return status ? status : tndb_work_commit(work, error);
}

static tenantdb_status create_with_login(tndb_creation *creation, tndb_move *move, tenantdb_error **error) {
  char lock[TNDB_CREATION_LOCK_SIZE];
  tndb_work work = {0};
  tndb_login login;
  bool has_login = move->to->level >= TENANTDB_ISOLATION_LOGIN;
  tenantdb_status status =
      has_login ? tndb_login_make(&login, move->to, move->target, creation->names.role, NULL, error)
                : TENANTDB_OK;
  if (status) {
    return status;
  }
  creation->login = has_login ? &login : NULL;
  tndb_creation_lock(creation, lock);
  status = tndb_work_start(&work, move->to, lock, true, error);
  if (!status) {
    status = create(creation, move, &work, error);
  }
  tndb_work_end(&work);
  if (has_login) {
    tndb_login_settle(&login, status, NULL);
  }
  return status;
}

tenantdb_status tndb_move_create(tndb_move *move, tenantdb_error **error) {
  tndb_creation creation = {
      .db = move->to, .slug = move->slug, .action = "move in", .state = TENANTDB_TENANT_PROVISIONING};
  tenantdb_error *own = NULL;
  tenantdb_status status = prepare(&creation, move, &own);
  if (!status) {
    status = tndb_birth_at(&creation.birth, move->source->version, "the tenant", &own);
  }
  if (!status) {
    status = create_with_login(&creation, move, &own);
  }
  if (!status) {
    move->told_ms = tndb_clock_ms();
  }
  if (status == TENANTDB_UNKNOWN) { /* whoever goes on looks whether it is there */
    status = tndb_error_fold(&own, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

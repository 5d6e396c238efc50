/* SPDX-License-Identifier: PostgreSQL */
/* A move as the catalogs have it: found, begun, taken over, and how far it is. */
#include <string.h>

#include "base/memory.h"
#include "tenant/move.h"
#include "tenant/transition.h"
#include "tenant/view.h"

/* $1 the tenant's id when he was found by the name $2. */
static const char find_sql[] =
    "SELECT m.id, m.tenant_id, m.other_tenant, m.other_slug, m.other_database, m.other_place, m.state,"
    " m.paused_at IS NOT NULL, m.fingerprint, m.tenant_state FROM %smoves m WHERE m.side = 'source' AND "
    "m.state <> 'undone'"
    " AND CASE WHEN $1::text IS NULL THEN lower(m.slug) = lower($2::text) OR m.tenant_id::text = "
    "lower($2::text)"
    " ELSE m.tenant_id = $1::text::uuid END ORDER BY m.state = 'done', m.begun_at DESC LIMIT 1";
enum { ID, TENANT, OTHER, SLUG, DATABASE, PLACE, STATE, PAUSED, FINGERPRINT, TENANT_STATE };
static const char steps_sql[] =
    "SELECT number, state, note, ms FROM %smove_steps WHERE move_id = $1 ORDER BY number";
static const char insert_sql[] =
    "INSERT INTO %smoves (id, side, tenant_id, slug, schema_name, tenant_state, other_tenant, other_slug,"
    " other_database, other_place, state, owner) VALUES ($1, 'source', $2, $3, $4, $5, $6, $7, $8, $9,"
    " 'moving', $10)";
static const char operation_sql[] =
    "INSERT INTO %soperations (id, tenant_id, kind, state, owner, lease_until)"
    " VALUES ($1, $2, 'move', 'running', $3, now() + $4::text::interval)";
static const char audit_sql[] =
    "INSERT INTO %saudit (operation_id, tenant_id, action, detail) VALUES ($1, $2, 'move',"
    " jsonb_build_object('to', $3::text, 'id', $4::text))";
static const char take_over_sql[] =
    "UPDATE %soperations SET owner = $2, lease_until = now() + $3::text::interval, attempts = attempts + 1"
    " WHERE tenant_id = $1 AND kind = 'move' AND state = 'running' AND (lease_until < now() OR owner = $2)"
    " RETURNING id";
static const char running_sql[] =
    "SELECT kind FROM %soperations WHERE tenant_id = $1 AND kind = 'move' AND state = 'running'";
static const char renew_sql[] =
    "UPDATE %soperations SET lease_until = now() + $3::text::interval"
    " WHERE id = $1 AND owner = $2 AND state = 'running'";
static const char release_sql[] =
    "UPDATE %soperations SET lease_until = now() - interval '1 second'"
    " WHERE id = $1 AND owner = $2 AND state = 'running'";
static const char own_sql[] =
    "UPDATE %smoves SET owner = $2, lease_until = now() + $3::text::interval WHERE id = $1 AND side = "
    "'target'"
    " RETURNING state";
/* Whoever holds the row is at work on it, and is not waited for. */
static const char tell_sql[] =
    "UPDATE %smoves SET lease_until = now() + $3::text::interval WHERE id = (SELECT m.id FROM %smoves m WHERE"
    " m.id = $1 AND m.side = 'target' AND m.owner = $2 FOR UPDATE SKIP LOCKED)";
static const char owned_sql[] =
    "SELECT state FROM %smoves WHERE id = $1 AND side = 'target' AND owner = $2 FOR UPDATE";
static const char step_sql[] =
    "INSERT INTO %smove_steps AS s (move_id, number, step, state, note, ms, finished_at) VALUES ($1, $2, $3,"
    " $4, $5, $6, CASE WHEN $4 = 'done' THEN now() END) ON CONFLICT (move_id, number) DO UPDATE SET"
    " state = excluded.state, note = coalesce(excluded.note, s.note), ms = excluded.ms,"
    " finished_at = excluded.finished_at";
static const char steal_sql[] =
    "UPDATE %soperations o SET owner = NULL FROM %smoves m WHERE m.id = $1 AND o.tenant_id = m.tenant_id"
    " AND o.kind = 'move' AND o.state = 'running' AND o.lease_until < now()";
static const char opened_sql[] =
    "UPDATE %smoves SET paused_at = NULL WHERE id = $1 AND side = 'source' AND state = 'moving' AND paused_at"
    " IS NOT NULL RETURNING schema_name, slug";

const char tndb_move_unfinished_sql[] =
    "SELECT m.id, m.slug, m.other_place, m.state, m.paused_at IS NOT NULL FROM %smoves m WHERE m.side = "
    "'source' AND"
    " m.state IN ('moving', 'switched') AND NOT EXISTS (SELECT FROM %soperations o WHERE o.tenant_id = "
    "m.tenant_id"
    " AND o.kind = 'move' AND o.state = 'running' AND o.lease_until >= now()) ORDER BY m.begun_at, m.id";

const char tndb_move_incoming_sql[] =
    "SELECT m.slug, m.other_place, m.other_slug, m.state FROM %smoves m WHERE m.side = 'target' AND m.state "
    "IN"
    " ('moving', 'switched') AND coalesce(m.lease_until < now(), true) ORDER BY m.begun_at, m.id";

const char *tndb_move_step_name(tndb_move_step step) {
  static const char *const names[TNDB_MOVE_N_STEPS] = {
      "check",        "create",  "references",  "guard",     "publish", "slot",
      "subscribe",    "copy",    "catch up",    "pause",     "switch",  "verify",
      "foreign keys", "refresh", "unsubscribe", "unpublish", "source"};
  return names[step];
}

static void format_lease(tndb_buffer *text, const tenantdb *db) {
  tndb_buffer_format(text, "%lld milliseconds",
                     (long long)tndb_config_number(db->config, TNDB_OPERATION_LEASE));
}

void tndb_move_format_lease(tndb_buffer *text, const tndb_move *move) {
  format_lease(text, move->from);
}

/* Of the tenant nothing is in doubt that the next look would not settle. */
static tenantdb_status commit(tndb_work *work, tenantdb_error **error) {
  tenantdb_status status = tndb_work_commit(work, error);
  return status == TENANTDB_UNKNOWN
             ? tndb_error_fold(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST)
             : status;
}

static tenantdb_status held_by_other(const tndb_move *move, tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_BUSY, TENANTDB_REASON_OPERATION_HELD,
                     "somebody else is moving tenant %s; when he dies his lease runs out and "
                     "tenantdb_tenant_move() goes on",
                     move->source ? move->source->slug : move->name);
}

/* ---------------------------------------------------------------- finding */

static bool keep(char **text, const PGresult *rows, int column) {
  tndb_free(*text);
  *text = PQgetisnull(rows, 0, column) ? NULL : tndb_strdup(PQgetvalue(rows, 0, column));
  return *text || PQgetisnull(rows, 0, column);
}

static tenantdb_status take_steps(tndb_move *move, const PGresult *rows, tenantdb_error **error) {
  for (int i = 0; i < PQntuples(rows); i++) {
    int64_t number = 0;
    if (!tndb_number_parse(PQgetvalue(rows, i, 0), &number) || number < 0 || number >= TNDB_MOVE_N_STEPS) {
      continue;
    }
    tndb_move_record *step = &move->steps[number];
    step->begun = true;
    step->done = strcmp(PQgetvalue(rows, i, 1), "done") == 0;
    (void)tndb_number_parse(PQgetvalue(rows, i, 3), &step->ms);
    if (!PQgetisnull(rows, i, 2)) {
      tndb_free(step->note);
      step->note = tndb_strdup(PQgetvalue(rows, i, 2));
      if (!step->note) {
        return tndb_no_memory(error);
      }
    }
  }
  return TENANTDB_OK;
}

static tenantdb_status take_row(tndb_move *move, const PGresult *rows, tenantdb_error **error) {
  const char *state = PQgetvalue(rows, 0, STATE);
  (void)tndb_uuid_parse(PQgetvalue(rows, 0, ID), move->id);
  (void)tndb_uuid_parse(PQgetvalue(rows, 0, OTHER), move->target);
  move->stage = strcmp(state, "moving") == 0     ? TNDB_STAGE_MOVING
                : strcmp(state, "switched") == 0 ? TNDB_STAGE_SWITCHED
                                                 : TNDB_STAGE_DONE;
  move->paused = PQgetvalue(rows, 0, PAUSED)[0] == 't';
  move->state = tndb_tenant_state(PQgetvalue(rows, 0, TENANT_STATE));
  return keep(&move->slug, rows, SLUG) && keep(&move->identity, rows, DATABASE) &&
                 keep(&move->there, rows, PLACE) && keep(&move->fingerprint, rows, FINGERPRINT)
             ? TENANTDB_OK
             : tndb_no_memory(error);
}

static tenantdb_status find_row(tndb_move *move, tndb_work *work, tenantdb_error **error) {
  PGresult *rows, *steps = NULL;
  const char *values[] = {move->source ? move->source->id : NULL, move->name};
  tenantdb_status status = tndb_view_query(work, find_sql, 2, values, &rows, error);
  if (status) {
    return status;
  }
  bool there = PQntuples(rows) == 1;
  if (there && !move->source) {
    status = tndb_tenant_read(move->from, work->conn, PQgetvalue(rows, 0, TENANT), false, work->deadline,
                              &move->source, error);
  }
  move->stage = TNDB_STAGE_NEW;
  if (there && !status) {
    status = take_row(move, rows, error);
  }
  /* Somebody has brought back by hand who had been moved away. */
  bool living = move->source && (move->source->state == TENANTDB_TENANT_ACTIVE ||
                                 move->source->state == TENANTDB_TENANT_SUSPENDED);
  if (move->stage == TNDB_STAGE_DONE && living) {
    move->stage = TNDB_STAGE_NEW;
  }
  const char *id = move->id;
  if (!status && there && move->stage != TNDB_STAGE_NEW) {
    status = tndb_view_query(work, steps_sql, 1, &id, &steps, error);
    status = status ? status : take_steps(move, steps, error);
  }
  PQclear(steps);
  PQclear(rows);
  return status;
}

tenantdb_status tndb_move_find(tndb_move *move, tenantdb_error **error) {
  tndb_work work;
  tenantdb_error *own = NULL;
  tenantdb_tenant_free(move->source);
  move->source = NULL;
  tenantdb_status status = tndb_work_start_reading(&work, move->from, error);
  if (!status) {
    status = tndb_tenant_read(move->from, work.conn, move->name, false, work.deadline, &move->source, &own);
    bool unknown = status == TENANTDB_NOT_FOUND;
    status = unknown ? TENANTDB_OK : status ? tndb_error_pass(error, own) : TENANTDB_OK;
    status = status ? status : find_row(move, &work, error);
    if (!status && !move->source) {
      status = tndb_tenant_unknown(move->name, error);
    }
    if (unknown) {
      tenantdb_error_free(own);
    }
  }
  tndb_work_end(&work);
  return status;
}

tenantdb_status tndb_move_ask(tenantdb *db, const char *sql, int32_t count, const char *const *values,
                              tndb_deadline deadline, PGresult **rows, tenantdb_error **error) {
  tndb_conn *conn;
  tndb_values with = {.count = count, .values = values};
  *rows = NULL;
  tenantdb_status status = tndb_pool_lease(db->pool, deadline, &conn, error);
  if (!status) {
    status = tndb_exchange_single(conn, sql, &with, deadline, rows, error);
  }
  tndb_pool_release(conn);
  return status;
}

/* ---------------------------------------------------------------- beginning */

tenantdb_status tndb_move_begin(tndb_move *move, tenantdb_error **error) {
  tndb_work work;
  tndb_auto_buffer lease = TNDB_BUFFER_INIT;
  tenantdb_tenant *now = NULL;
  tenantdb_error *own = NULL;
  format_lease(&lease, move->from);
  tenantdb_status status = tndb_change_start(&work, move->from, move->source->id, &now, &own);
  if (!status) {
    status = tndb_change_require(
        now, TNDB_STATE_BIT(TENANTDB_TENANT_ACTIVE) | TNDB_STATE_BIT(TENANTDB_TENANT_SUSPENDED), "move",
        &own);
  }
  if (!status) {
    memcpy(move->operation, work.operation, sizeof move->operation);
    move->state = now->state;
    const char *row[] = {
        move->id,     now->id,    now->slug,      now->schema, tndb_tenant_state_name(now->state),
        move->target, move->slug, move->identity, move->there, move->owner};
    const char *operation[] = {move->operation, now->id, move->owner, tndb_buffer_text(&lease)};
    const char *audit[] = {move->operation, now->id, move->there, move->id};
    tndb_work_fail_if(&work, lease.failed);
    (void)tndb_view_send(&work, operation_sql, 4, operation);
    (void)tndb_view_send(&work, insert_sql, 10, row);
    (void)tndb_view_send(&work, audit_sql, 4, audit);
    tndb_move_queue_step(&work, move, TNDB_MOVE_CHECK, true);
    work.recorded = true; /* the operation's row tells whether this was committed */
    status = tndb_work_commit(&work, &own);
    bool held = status && strcmp(tenantdb_error_constraint(own), "operations_running_key") == 0;
    status = held ? tndb_origin(&own, TENANTDB_BUSY, TENANTDB_REASON_OPERATION_HELD,
                                "somebody else is working on tenant %s", now->slug)
                  : status;
  }
  if (!status) {
    move->stage = TNDB_STAGE_MOVING;
    move->steps[TNDB_MOVE_CHECK].begun = move->steps[TNDB_MOVE_CHECK].done = true;
    move->renewed_ms = tndb_clock_ms();
  } else {
    move->operation[0] = '\0';
  }
  tndb_work_end(&work);
  tenantdb_tenant_free(now);
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

static tenantdb_status start_locked(tndb_work *work, tenantdb *db, const char *id, tenantdb_error **error) {
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  *work = (tndb_work){0};
  tndb_buffer_append(&lock, "tenant:");
  tndb_buffer_append(&lock, id);
  return lock.failed ? tndb_no_memory(error)
                     : tndb_work_start(work, db, tndb_buffer_text(&lock), true, error);
}

tenantdb_status tndb_move_take_over(tndb_move *move, tenantdb_error **error) {
  tndb_work work;
  tndb_auto_buffer lease = TNDB_BUFFER_INIT;
  format_lease(&lease, move->from);
  const char *tenant = move->source->id;
  const char *values[] = {tenant, move->owner, tndb_buffer_text(&lease)};
  tenantdb_status status = start_locked(&work, move->from, tenant, error);
  if (!status) {
    tndb_work_fail_if(&work, lease.failed);
    size_t taken = tndb_view_send(&work, take_over_sql, 3, values);
    size_t running = tndb_view_send(&work, running_sql, 1, &tenant);
    status = tndb_work_sync(&work, error);
    const PGresult *row = status ? NULL : tndb_exchange_result(work.conn, taken);
    bool mine = row && PQntuples(row) == 1;
    if (mine) {
      memcpy(move->operation, PQgetvalue(row, 0, 0), sizeof move->operation);
    } else if (!status && PQntuples(tndb_exchange_result(work.conn, running)) > 0) {
      status = held_by_other(move, error);
    }
    status = status || !mine ? status : commit(&work, error);
  }
  tndb_work_end(&work);
  move->renewed_ms = tndb_clock_ms();
  if (status) {
    move->operation[0] = '\0';
  }
  return status;
}

/* ---------------------------------------------------------------- transactions that are ours */

tenantdb_status tndb_move_start_source(tndb_move *move, tndb_work *work, tenantdb_error **error) {
  tndb_auto_buffer lease = TNDB_BUFFER_INIT;
  tndb_auto_buffer limit = TNDB_BUFFER_INIT;
  format_lease(&lease, move->from);
  tndb_buffer_format(&limit, "SET LOCAL lock_timeout = %lld", (long long)move->settings.lock_ms);
  tenantdb_status status = start_locked(work, move->from, move->source->id, error);
  if (status) {
    return status;
  }
  const char *values[] = {move->operation, move->owner, tndb_buffer_text(&lease)};
  size_t renewed = TNDB_NONE;
  tndb_work_fail_if(work, lease.failed || limit.failed);
  if (move->operation[0]) {
    renewed = tndb_view_send(work, renew_sql, 3, values);
  }
  (void)tndb_work_send(work, tndb_buffer_text(&limit), 0, NULL);
  status = tndb_work_sync(work, error);
  if (!status && renewed != TNDB_NONE &&
      strcmp(PQcmdTuples(tndb_exchange_result(work->conn, renewed)), "1") != 0) {
    status = held_by_other(move, error);
  }
  move->renewed_ms = status ? move->renewed_ms : tndb_clock_ms();
  return status;
}

tenantdb_status tndb_move_start_target(tndb_move *move, tndb_work *work, const char *state,
                                       tenantdb_error **error) {
  const char *values[] = {move->id, move->owner};
  tndb_auto_buffer limit = TNDB_BUFFER_INIT;
  tndb_buffer_format(&limit, "SET LOCAL lock_timeout = %lld", (long long)move->settings.lock_ms);
  tenantdb_status status = start_locked(work, move->to, move->target, error);
  if (status) {
    return status;
  }
  tndb_work_fail_if(work, limit.failed);
  size_t owned = tndb_view_send(work, owned_sql, 2, values);
  (void)tndb_work_send(work, tndb_buffer_text(&limit), 0, NULL);
  status = tndb_work_sync(work, error);
  const PGresult *row = status ? NULL : tndb_exchange_result(work->conn, owned);
  if (!status && (PQntuples(row) != 1 || strcmp(PQgetvalue(row, 0, 0), state) != 0)) {
    status = PQntuples(row) != 1
                 ? held_by_other(move, error)
                 : tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_CHANGED,
                               "the move of tenant %s is %s in the other database, where it should be %s",
                               move->source->slug, PQgetvalue(row, 0, 0), state);
  }
  return status;
}

tenantdb_status tndb_move_own_target(tndb_move *move, char **state, tenantdb_error **error) {
  tndb_work work;
  tndb_auto_buffer lease = TNDB_BUFFER_INIT;
  format_lease(&lease, move->from);
  const char *values[] = {move->id, move->owner, tndb_buffer_text(&lease)};
  *state = NULL;
  tenantdb_status status = start_locked(&work, move->to, move->target, error);
  if (!status) {
    tndb_work_fail_if(&work, lease.failed);
    size_t place = tndb_view_send(&work, own_sql, 3, values);
    status = tndb_work_sync(&work, error);
    const PGresult *row = status ? NULL : tndb_exchange_result(work.conn, place);
    if (row && PQntuples(row) == 1) {
      *state = tndb_strdup(PQgetvalue(row, 0, 0));
      status = *state ? commit(&work, error) : tndb_no_memory(error);
      move->told_ms = tndb_clock_ms();
    }
  }
  tndb_work_end(&work);
  return status;
}

/* ---------------------------------------------------------------- steps */

void tndb_move_queue_step(tndb_work *work, const tndb_move *move, tndb_move_step step, bool done) {
  tndb_auto_buffer number = TNDB_BUFFER_INIT;
  tndb_auto_buffer ms = TNDB_BUFFER_INIT;
  tndb_buffer_format(&number, "%d", (int)step);
  tndb_buffer_format(&ms, "%lld", (long long)move->steps[step].ms);
  const char *values[] = {move->id,
                          tndb_buffer_text(&number),
                          tndb_move_step_name(step),
                          done ? "done" : "begun",
                          move->steps[step].note,
                          tndb_buffer_text(&ms)};
  tndb_work_fail_if(work, number.failed || ms.failed);
  (void)tndb_view_send(work, step_sql, 6, values);
}

tenantdb_status tndb_move_record_step(tndb_move *move, tndb_move_step step, bool done,
                                      tenantdb_error **error) {
  tndb_work work;
  tenantdb_status status = tndb_move_start_source(move, &work, error);
  if (!status) {
    tndb_move_queue_step(&work, move, step, done);
    status = commit(&work, error);
  }
  tndb_work_end(&work);
  move->steps[step].begun = move->steps[step].begun || !status;
  move->steps[step].done = move->steps[step].done || (!status && done);
  return status;
}

/* ---------------------------------------------------------------- the lease */

static tenantdb_status run_single(tenantdb *db, const char *pattern, int32_t count, const char *const *values,
                                  int64_t ms, bool *done, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows;
  for (const char *at; (at = strstr(pattern, "%s")) != NULL; pattern = at + 2) {
    tndb_buffer_append_n(&sql, pattern, (size_t)(at - pattern));
    tndb_buffer_append(&sql, db->catalog);
  }
  tndb_buffer_append(&sql, pattern);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status =
      tndb_move_ask(db, tndb_buffer_text(&sql), count, values, tndb_deadline_in(ms), &rows, error);
  *done = !status && strcmp(PQcmdTuples(rows), "1") == 0;
  PQclear(rows);
  return status;
}

/* Best effort: nothing depends on it but what the target's reconcile says. */
static void tell_target(tndb_move *move, const char *lease) {
  const char *values[] = {move->id, move->owner, lease};
  bool done;
  if (move->told_ms > 0) {
    (void)run_single(move->to, tell_sql, 3, values,
                     tndb_config_number(move->to->config, TNDB_OPERATION_LOCK_TIMEOUT), &done, NULL);
    move->told_ms = tndb_clock_ms();
  }
}

tenantdb_status tndb_move_renew(tndb_move *move, tenantdb_error **error) {
  int64_t lease_ms = tndb_config_number(move->from->config, TNDB_OPERATION_LEASE);
  int64_t now = tndb_clock_ms();
  if (move->told_ms > 0 && now - move->told_ms >= lease_ms / 3) {
    tndb_auto_buffer lasting = TNDB_BUFFER_INIT;
    format_lease(&lasting, move->from);
    tell_target(move, tndb_buffer_text(&lasting));
  }
  if (!move->operation[0] || now - move->renewed_ms < lease_ms / 3) {
    return TENANTDB_OK;
  }
  tndb_auto_buffer lease = TNDB_BUFFER_INIT;
  bool mine = false;
  format_lease(&lease, move->from);
  const char *values[] = {move->operation, move->owner, tndb_buffer_text(&lease)};
  tenantdb_status status =
      lease.failed ? tndb_no_memory(error)
                   : run_single(move->from, renew_sql, 3, values,
                                tndb_config_number(move->from->config, TNDB_OPERATION_TIMEOUT), &mine, error);
  move->renewed_ms = mine ? now : move->renewed_ms;
  return status || mine ? status : held_by_other(move, error);
}

void tndb_move_release(tndb_move *move) {
  const char *values[] = {move->operation, move->owner};
  bool done;
  if (move->operation[0]) {
    (void)run_single(move->from, release_sql, 2, values,
                     tndb_config_number(move->from->config, TNDB_OPERATION_LOCK_TIMEOUT), &done, NULL);
  }
  tell_target(move, "-1 second");
}

/* ---------------------------------------------------------------- for reconcile */

tenantdb_status tndb_move_reopen(tenantdb *db, const char *id, tenantdb_error **error) {
  tndb_work work;
  PGresult *rows = NULL;
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  tndb_buffer_append(&lock, "move:");
  tndb_buffer_append(&lock, id);
  tenantdb_status status =
      lock.failed ? tndb_no_memory(error) : tndb_work_start(&work, db, tndb_buffer_text(&lock), true, error);
  if (lock.failed) {
    return status;
  }
  size_t stolen = TNDB_NONE;
  if (!status) {
    stolen = tndb_view_send(&work, steal_sql, 1, &id);
    status = tndb_work_sync(&work, error);
  }
  if (!status && strcmp(PQcmdTuples(tndb_exchange_result(work.conn, stolen)), "1") == 0) {
    status = tndb_view_query(&work, opened_sql, 1, &id, &rows, error);
    if (!status && PQntuples(rows) == 1) {
      tndb_move_queue_guard(&work, PQgetvalue(rows, 0, 0), PQgetvalue(rows, 0, 1), false);
    }
    status = status ? status : commit(&work, error);
  }
  PQclear(rows);
  tndb_work_end(&work);
  return status;
}

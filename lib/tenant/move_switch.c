/* SPDX-License-Identifier: PostgreSQL */
/* The pause and the switch. */
#include <string.h>

#include "base/json.h"
#include "tenant/access.h"
#include "tenant/move.h"
#include "tenant/transition.h"
#include "tenant/view.h"

#define MOVABLE (TNDB_STATE_BIT(TENANTDB_TENANT_ACTIVE) | TNDB_STATE_BIT(TENANTDB_TENANT_SUSPENDED))
#define MOST_THAWS 5
#define LOOKS_TO_PRESS 5
#define LOOK_MS 2 /* between two looks whether the target has caught up, while writes pause */
#define FIRST_REST_MS 500
#define LONGEST_REST_MS 15000

/* ---------------------------------------------------------------- pausing */

static void send_timeout(tndb_work *work, int64_t ms) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_format(&text, "SELECT pg_catalog.set_config('statement_timeout', '%lld', true)", (long long)ms);
  tndb_work_fail_if(work, text.failed);
  (void)tndb_work_send(work, tndb_buffer_text(&text), 0, NULL);
}

/* From the first lock that was asked for writers may wait for us. */
static tenantdb_status wait_for_writers(tndb_move *move, tndb_work *work, tenantdb_error **error) {
  tndb_shape shape = {NULL, 0, NULL, 0};
  tenantdb_error *own = NULL;
  tenantdb_status status = tndb_shape_read(work, move->source->schema, &shape, &own);
  if (!status) {
    send_timeout(work, move->settings.lock_ms); /* of all locks together */
    tndb_move_queue_lock(work, move->source->schema, &shape, "SHARE ROW EXCLUSIVE");
    send_timeout(work, tndb_config_number(move->from->config, TNDB_OPERATION_TIMEOUT));
    move->paused_ms = tndb_clock_ms();
    status = tndb_work_sync(work, &own);
  }
  tndb_shape_free(&shape);
  if (status && strcmp(tenantdb_error_sqlstate(own), "57014") == 0) {
    status = tndb_origin(&own, TENANTDB_BUSY, TENANTDB_REASON_LOCK_TIMEOUT,
                         "the tenant's tables could not be locked within %lld ms",
                         (long long)move->settings.lock_ms);
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

static tenantdb_status freeze(tndb_move *move, tenantdb_error **error) {
  static const char paused_sql[] =
      "UPDATE %smoves SET paused_at = now(), tenant_state = $2 WHERE id = $1 AND state = 'moving'";
  tndb_work work;
  tenantdb_tenant *now = NULL;
  tenantdb_status status = tndb_move_start_source(move, &work, error);
  if (!status) {
    status = tndb_tenant_read(move->from, work.conn, move->source->id, true, work.deadline, &now, error);
  }
  if (!status) {
    status = tndb_change_require(now, MOVABLE, "move", error);
  }
  if (!status) {
    status = wait_for_writers(move, &work, error);
  }
  if (!status) {
    const char *values[] = {move->id, tndb_tenant_state_name(now->state)};
    tenantdb_tenant_free(move->source);
    move->source = tndb_tenant_hold(now);
    move->state = now->state;
    /* What was written before is on the disk with it, and so on its way to the target. */
    (void)tndb_work_send(&work, "SET LOCAL synchronous_commit = on", 0, NULL);
    tndb_move_queue_guard(&work, now->schema, now->slug, true);
    (void)tndb_view_send(&work, paused_sql, 2, values);
    move->paused = true; /* or perhaps: then letting writes go on does no harm */
    status = tndb_work_commit(&work, error);
    if (status == TENANTDB_UNKNOWN) {
      status = tndb_error_fold(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
    }
  }
  tndb_work_end(&work);
  tenantdb_tenant_free(now);
  return status;
}

static tenantdb_status thaw_once(tndb_move *move, tenantdb_error **error) {
  static const char going_sql[] =
      "UPDATE %smoves SET paused_at = NULL WHERE id = $1 AND state IN ('moving', 'undone')";
  const char *id = move->id;
  tndb_work work;
  tenantdb_status status = tndb_move_start_source(move, &work, error);
  if (!status) {
    tndb_move_queue_guard(&work, move->source->schema, move->source->slug, false);
    (void)tndb_view_send(&work, going_sql, 1, &id);
    status = tndb_work_commit(&work, error);
    if (status == TENANTDB_UNKNOWN) {
      status = tndb_error_fold(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
    }
  }
  tndb_work_end(&work);
  return status;
}

tenantdb_status tndb_move_thaw(tndb_move *move, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (int i = 0; move->paused && i < MOST_THAWS; i++) {
    tenantdb_error *own = NULL;
    status = thaw_once(move, &own);
    move->paused = status != TENANTDB_OK;
    if (i + 1 == MOST_THAWS || (status != TENANTDB_CONNECTION && status != TENANTDB_BUSY)) {
      return status ? tndb_error_pass(error, own) : TENANTDB_OK;
    }
    tenantdb_error_free(own);
    tndb_clock_sleep_ms(20);
  }
  return status;
}

/* ---------------------------------------------------------------- is it all there? */

/* Before the pause, for all that takes long; whether it stays so is a short question then. */
tenantdb_status tndb_move_check_unchanged(tndb_move *move, tenantdb_error **error) {
  char fingerprint[TNDB_SHA256_HEX];
  tndb_work work;
  tenantdb_tenant *now = NULL;
  tenantdb_status status = tndb_move_start_source(move, &work, error);
  if (!status) {
    status = tndb_tenant_read(move->from, work.conn, move->source->id, false, work.deadline, &now, error);
  }
  if (!status) { /* his state is part of what the schema should be */
    tenantdb_tenant_free(move->source);
    move->source = now;
    status = tndb_move_fingerprint(&work, move, move->source->schema, fingerprint, error);
  }
  tndb_work_end(&work);
  if (!status && (!move->fingerprint || strcmp(fingerprint, move->fingerprint) != 0)) {
    status =
        tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_DIFFERS,
                    "schema %s was changed, or migrated, while tenant %s was being moved, which replication "
                    "does not follow: tenantdb_tenant_move_undo(), and begin anew",
                    move->source->schema, move->source->slug);
  }
  return status;
}

/*
 * The target's workers commit without waiting for its disk, and what is not on
 * the disk they do not report. A commit that waits brings everything before it
 * there. Who may not write the message is only waited for longer.
 */
static void press(tndb_move *move, tndb_deadline deadline) {
  static const char message_sql[] = "SELECT pg_catalog.pg_logical_emit_message(true, 'tenantdb', '')";
  PGresult *rows = NULL;
  (void)tndb_move_ask(move->to, message_sql, 0, NULL, deadline, &rows, NULL);
  PQclear(rows);
}

/* Until the target has applied all that was written before the pause. */
static tenantdb_status drain(tndb_move_pair *pair, tndb_deadline deadline, tenantdb_error **error) {
  PGresult *rows;
  bool applied = false;
  int looks = 0;
  tenantdb_status status =
      tndb_work_query(&pair->out.work, "SELECT pg_catalog.pg_current_wal_flush_lsn()", 0, NULL, &rows, error);
  while (!status && !applied) {
    status = tndb_move_has_applied(pair->move, PQgetvalue(rows, 0, 0), deadline, &applied, error);
    if (!status && !applied && tndb_deadline_left(deadline) == 0) {
      status = tndb_origin(error, TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT,
                           "the other database did not catch up in time");
    }
    if (!status && !applied) {
      if (++looks % LOOKS_TO_PRESS == 0) {
        press(pair->move, deadline);
      }
      tndb_clock_sleep_ms(LOOK_MS);
    }
  }
  PQclear(rows);
  return status;
}

static tenantdb_status compare(tndb_move_pair *pair, tndb_deadline deadline, tenantdb_error **error) {
  tenantdb_status status = drain(pair, deadline, error);
  if (!status) {
    status = tndb_pair_count(pair, error);
  }
  if (!status && pair->move->settings.verify == TNDB_VERIFY_PAUSE) {
    status = tndb_pair_checksums(pair, &pair->out.work, &pair->in.filling.work, error);
  }
  return status;
}

/* ---------------------------------------------------------------- the target's half */

static void queue_subscription_end(tndb_work *work, const tndb_move *move) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(&sql, "ALTER SUBSCRIPTION %s DISABLE", move->link); /* of letters, digits and _ */
  tndb_work_fail_if(work, sql.failed);
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
}

static void queue_tenant(tndb_move_pair *pair, const tenantdb_tenant *target, size_t *changed,
                         size_t *views) {
  static const char tenant_sql[] =
      "UPDATE %stenants t SET state = $2, name = $3, properties = $4::jsonb, generation = t.generation + 1,"
      " updated_at = now() WHERE t.id = $1 AND t.state = 'provisioning'";
  static const char move_sql[] =
      "UPDATE %smoves SET state = 'switched', switched_at = now(), tenant_state = $2 WHERE id = $1";
  const tndb_move *move = pair->move;
  tndb_work *work = &pair->in.filling.work;
  const char *state = tndb_tenant_state_name(move->state);
  const char *tenant[] = {move->target, state, move->source->name[0] ? move->source->name : NULL,
                          move->source->properties};
  const char *row[] = {move->id, state};
  tndb_record record = {move->target, "moved here", "provisioning", state, NULL, NULL, NULL};
  *changed = tndb_view_send(work, tenant_sql, 4, tenant);
  (void)tndb_view_send(work, move_sql, 2, row);
  tndb_work_record(work, &record);
  *views = tndb_views_mark(work, move->target);
  if (target->role[0] && move->state == TENANTDB_TENANT_ACTIVE) {
    tndb_access_open(work, target->schema, target->role);
  }
}

/* Everything but the commit. */
static tenantdb_status prepare_target(tndb_move_pair *pair, tenantdb_error **error) {
  tndb_move *move = pair->move;
  tndb_work *work = &pair->in.filling.work;
  tndb_shape *source = &pair->out.archive.shape;
  const char *schema = move->source->schema;
  tenantdb_tenant *target = NULL;
  size_t changed = TNDB_NONE, views = TNDB_NONE;
  tenantdb_status status =
      tndb_tenant_read(move->to, work->conn, move->target, true, work->deadline, &target, error);
  if (!status) {
    status = tndb_pair_references(pair, true, error);
  }
  if (!status) {
    status = tndb_shape_read_sequences(&pair->out.work, schema, source, error);
  }
  if (!status) {
    status = tndb_shape_set_sequences(work, schema, &pair->in.filling.shape, source, error);
  }
  if (!status) {
    status = tndb_move_add_keys(work, move, schema, error);
  }
  if (!status) {
    queue_subscription_end(work, move);
    queue_tenant(pair, target, &changed, &views);
    status = tndb_work_sync(work, error);
  }
  if (!status && strcmp(PQcmdTuples(tndb_exchange_result(work->conn, changed)), "1") != 0) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_CHANGED,
                         "tenant %s is not waiting in the other database any more", move->slug);
  }
  if (!status) {
    pair->marked = tndb_views_marked(work, views);
  }
  tenantdb_tenant_free(target);
  return status;
}

static tenantdb_status commit_target(tndb_move_pair *pair, tenantdb_error **error) {
  tndb_move *move = pair->move;
  tndb_work *work = &pair->in.filling.work;
  work->deadline = tndb_deadline_in(tndb_config_number(move->to->config, TNDB_OPERATION_TIMEOUT));
  tenantdb_status status = tndb_work_commit(work, error);
  if (status) {
    return status;
  }
  tndb_work_end(work);
  tndb_tenants_forget(move->to);
  tndb_config_write_event(move->to->config, &(tndb_event){.kind = TNDB_EVENT_TENANT_ACTIVATED,
                                                          .tenant = move->slug,
                                                          .message = "moved here from another database"});
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- the source's half */

static void note_pause(tndb_move *move, int64_t ms) {
  tndb_auto_buffer note = TNDB_BUFFER_INIT;
  move->steps[TNDB_MOVE_PAUSE].ms = ms;
  tndb_buffer_format(&note, "writes paused for %lld ms", (long long)ms);
  tndb_move_note(move, TNDB_MOVE_PAUSE, tndb_buffer_text(&note));
}

static tenantdb_status commit_source(tndb_move_pair *pair, tenantdb_error **error) {
  static const char tenant_sql[] =
      "UPDATE %stenants t SET state = 'archived', properties = t.properties ||"
      " jsonb_build_object('" TNDB_TENANT_MOVED_TO
      "', $2::text), generation = t.generation + 1, updated_at = now()"
      " WHERE t.id = $1 AND t.state = $3 AND t.generation = $4::bigint AND t.version = $5::bigint";
  static const char move_sql[] =
      "UPDATE %smoves SET state = 'switched', switched_at = now() WHERE id = $1 AND state = 'moving' AND"
      " paused_at IS NOT NULL";
  tndb_move *move = pair->move;
  tndb_work *work = &pair->out.work;
  const tenantdb_tenant *tenant = move->source;
  tndb_auto_buffer generation = TNDB_BUFFER_INIT;
  tndb_auto_buffer version = TNDB_BUFFER_INIT;
  tndb_auto_buffer detail = TNDB_BUFFER_INIT;
  tndb_auto_buffer place = TNDB_BUFFER_INIT;
  const char *state = tndb_tenant_state_name(move->state), *id = move->id;
  tndb_buffer_format(&generation, "%lld", (long long)tenant->generation);
  tndb_buffer_format(&version, "%lld", (long long)tenant->version);
  tndb_buffer_append(&place, move->there);
  if (strcmp(move->slug, tenant->slug) != 0) {
    tndb_buffer_append(&place, ", as ");
    tndb_buffer_append(&place, move->slug);
  }
  tndb_buffer_append(&detail, "{\"to\": ");
  tndb_json_string(&detail, tndb_buffer_text(&place), place.length);
  tndb_buffer_append(&detail, "}");
  tndb_work_fail_if(work, generation.failed || version.failed || detail.failed || place.failed);
  const char *values[] = {tenant->id, tndb_buffer_text(&place), state, tndb_buffer_text(&generation),
                          tndb_buffer_text(&version)};
  size_t changed = tndb_view_send(work, tenant_sql, 5, values);
  size_t moved = tndb_view_send(work, move_sql, 1, &id);
  tndb_record record = {tenant->id, "moved away", state, "archived", NULL, NULL, tndb_buffer_text(&detail)};
  tndb_work_record(work, &record);
  if (tenant->role[0] && tenant->state == TENANTDB_TENANT_ACTIVE) {
    tndb_access_shut(work, tenant->schema, tenant->role);
  }
  note_pause(move, tndb_clock_ms() - move->paused_ms); /* so far; who lives to see its end writes it again */
  tndb_move_queue_step(work, move, TNDB_MOVE_PAUSE, true);
  tenantdb_status status = tndb_work_sync(work, error);
  if (!status && (strcmp(PQcmdTuples(tndb_exchange_result(work->conn, changed)), "1") != 0 ||
                  strcmp(PQcmdTuples(tndb_exchange_result(work->conn, moved)), "1") != 0)) {
    status = tndb_origin(error, TENANTDB_CONFLICT, TENANTDB_REASON_TENANT_CHANGED,
                         "tenant %s was changed while writes paused", tenant->slug);
  }
  return status ? status : tndb_work_commit(work, error);
}

static void tell_source(tndb_move *move) {
  tndb_tenants_forget(move->from);
  tndb_config_write_event(move->from->config, &(tndb_event){.kind = TNDB_EVENT_TENANT_ARCHIVED,
                                                            .tenant = move->source->slug,
                                                            .message = "moved to another database"});
  tndb_login_end(move->from, move->source->role);
}

/* ---------------------------------------------------------------- checksums afterwards */

/* Of the target as it was when it had caught up, and the source, which cannot change any more. */
static tenantdb_status verify_after(tndb_move_pair *pair, tenantdb_error **error) {
  tndb_move *move = pair->move;
  tndb_work source;
  int64_t began = tndb_clock_ms();
  tenantdb_status status = tndb_work_start_reading(&source, move->from, error);
  if (!status) {
    (void)tndb_work_send(&source, "BEGIN READ ONLY", 0, NULL);
    source.begun = true;
    tndb_shape_settle_text(&source);
    (void)tndb_work_set_path(&source, move->source->schema, NULL);
    source.deadline = pair->seen.deadline = tndb_deadline_in(move->settings.patience_ms);
    (void)tndb_work_set_path(&pair->seen, move->source->schema, NULL);
    status = tndb_pair_checksums(pair, &source, &pair->seen, error);
  }
  tndb_work_end(&source);
  move->steps[TNDB_MOVE_VERIFY].ms += tndb_clock_ms() - began;
  if (tenantdb_error_reason(error ? *error : NULL) == TENANTDB_REASON_COPY_DIFFERS) {
    tndb_error_prefix(error, "tenant %s is served by the other database since the switch", move->slug);
  }
  return status;
}

/* ---------------------------------------------------------------- all of it */

/* Behind the switch nothing fails it any more. */
static void follow(tndb_move_pair *pair) {
  tndb_views_follow(pair->move->to, pair->marked, pair->move->target);
  pair->marked = NULL;
}

/* Writes are paused: compare, and switch. Nothing has happened when it fails in stage MOVING. */
static tenantdb_status switch_now(tndb_move_pair *pair, tndb_deadline deadline, tenantdb_error **error) {
  tndb_move *move = pair->move;
  bool first = move->stage == TNDB_STAGE_MOVING;
  tenantdb_status status = tndb_pair_enter(pair, deadline, error);
  if (!status) {
    status = compare(pair, deadline, error);
  }
  if (!status) {
    status = prepare_target(pair, error);
  }
  if (!status && first && tndb_deadline_left(deadline) == 0) {
    status = tndb_origin(error, TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT,
                         "the switch took longer than option write_pause allows");
  }
  if (!status && first) {
    pair->out.work.deadline =
        tndb_deadline_in(tndb_config_number(move->from->config, TNDB_OPERATION_TIMEOUT));
    status = commit_source(pair, error);
    if (!status) {
      move->stage = TNDB_STAGE_SWITCHED;
      move->paused = false;
    }
  }
  tndb_work_end(&pair->out.work);
  if (!status) {
    status = commit_target(pair, error);
  }
  if (first && move->stage == TNDB_STAGE_SWITCHED) {
    note_pause(move, tndb_clock_ms() - move->paused_ms);
    tell_source(move);
  }
  return status;
}

static tenantdb_status attempt(tndb_move *move, tenantdb_error **error) {
  tndb_move_pair pair;
  bool first = move->stage == TNDB_STAGE_MOVING;
  tenantdb_status status = tndb_pair_open(&pair, move, error);
  if (!status && first) {
    status = tndb_move_check_unchanged(move, error);
  }
  if (!status && first) {
    status = freeze(move, error);
  }
  if (!status) {
    status = switch_now(&pair, first ? move->paused_ms + move->settings.pause_ms : move->until, error);
  }
  if (!status) {
    follow(&pair);
    if (move->settings.verify == TNDB_VERIFY_AFTER) {
      status = verify_after(&pair, error);
    }
    if (!status) {
      move->steps[TNDB_MOVE_VERIFY].done = true; /* to be recorded with the others */
    }
  }
  tndb_pair_close(&pair);
  /* Whose commit nobody knows the outcome of is looked at by the next call. */
  if (move->paused && status != TENANTDB_UNKNOWN) {
    tenantdb_error *own = NULL;
    if (tndb_move_thaw(move, &own)) {
      tndb_error_prefix(error,
                        "writes of tenant %s are still paused, until this or "
                        "tenantdb_tenant_move_undo() is called again",
                        move->source->slug);
    }
    tenantdb_error_free(own);
  }
  return status;
}

/* It came to nothing because somebody had to be waited for, and may come to something later. */
static bool is_passing(tenantdb_status status, const tenantdb_error *error) {
  return status == TENANTDB_TIMEOUT || tenantdb_error_reason(error) == TENANTDB_REASON_LOCK_TIMEOUT ||
         tenantdb_error_reason(error) == TENANTDB_REASON_SERIALIZATION ||
         tenantdb_error_reason(error) == TENANTDB_REASON_STATEMENT_CANCELLED ||
         tenantdb_error_reason(error) == TENANTDB_REASON_STATEMENT_TIMEOUT;
}

tenantdb_status tndb_move_switch(tndb_move *move, tenantdb_error **error) {
  for (int64_t rest = FIRST_REST_MS;; rest = rest < LONGEST_REST_MS ? rest * 2 : rest) {
    tenantdb_error *own = NULL;
    tenantdb_status status = attempt(move, &own);
    if (!status || move->paused || move->stage != TNDB_STAGE_MOVING || !is_passing(status, own)) {
      return status ? tndb_error_pass(error, own) : TENANTDB_OK;
    }
    tndb_auto_buffer what = TNDB_BUFFER_INIT;
    tndb_buffer_append(&what, "no moment to switch yet, ");
    tndb_buffer_append(&what, tenantdb_error_message(own));
    tndb_move_note(move, TNDB_MOVE_PAUSE, tndb_buffer_text(&what));
    tenantdb_error_free(own);
    status = tndb_move_wait(move, rest, tndb_buffer_text(&what), error);
    if (!status) {
      status = tndb_move_catch_up(move, error);
    }
    if (status) {
      return status;
    }
  }
}

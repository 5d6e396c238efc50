/* SPDX-License-Identifier: PostgreSQL */
/* What is left to do at both sides when the tenant is served by the other one; and giving up. */
#include <string.h>

#include "sql/identifier.h"
#include "tenant/access.h"
#include "tenant/move.h"
#include "tenant/provision.h"
#include "tenant/view.h"

#define DROP_TRIES 20
#define DROP_REST_MS 100

static tenantdb_status commit(tndb_work *work, tenantdb_error **error) {
  tenantdb_status status = tndb_work_commit(work, error);
  return status == TENANTDB_UNKNOWN
             ? tndb_error_fold(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST)
             : status;
}

/* ---------------------------------------------------------------- at the target */

static tenantdb_status list(tndb_move *move, const char *sql, PGresult **rows, tenantdb_error **error) {
  const char *schema = move->source->schema;
  return tndb_move_ask(move->to, sql, 1, &schema,
                       tndb_deadline_in(tndb_config_number(move->to->config, TNDB_OPERATION_TIMEOUT)), rows,
                       error);
}

static tenantdb_status run_each(tndb_move *move, const PGresult *rows, const char *verb,
                                tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    tndb_auto_buffer sql = TNDB_BUFFER_INIT;
    PGresult *done = NULL;
    tndb_buffer_append(&sql, verb);
    tndb_shape_name(&sql, move->source->schema, PQgetvalue(rows, i, 0));
    status = sql.failed ? tndb_no_memory(error)
                        : tndb_move_ask(move->to, tndb_buffer_text(&sql), 0, NULL,
                                        tndb_deadline_in(move->settings.patience_ms), &done, error);
    PQclear(done);
    status = status ? status : tndb_move_renew(move, error);
  }
  return status;
}

/* The planner knows nothing of tables that replication has filled. */
tenantdb_status tndb_move_analyze(tndb_move *move, tenantdb_error **error) {
  static const char tables_sql[] = TNDB_SHAPE_IN_SCHEMA
      " SELECT r.relname FROM rel r WHERE r.relkind IN ('r', 'p') AND NOT r.relispartition"
      " ORDER BY r.relname";
  PGresult *rows;
  tenantdb_status status = list(move, tables_sql, &rows, error);
  if (!status) {
    status = run_each(move, rows, "ANALYZE ", error);
  }
  PQclear(rows);
  return status;
}

/* In the order they were made in, which is one that works. */
tenantdb_status tndb_move_refresh(tndb_move *move, tenantdb_error **error) {
  static const char views_sql[] = TNDB_SHAPE_IN_SCHEMA
      " SELECT r.relname FROM rel r WHERE r.relkind = 'm' AND r.relispopulated ORDER BY r.oid";
  PGresult *rows;
  tenantdb_status status = list(move, views_sql, &rows, error);
  if (!status) {
    status = run_each(move, rows, "REFRESH MATERIALIZED VIEW ", error);
  }
  PQclear(rows);
  return status;
}

static tenantdb_status set_state(tndb_work *work, const tndb_move *move, const char *state) {
  static const char state_sql[] =
      "UPDATE %smoves SET state = $2, finished_at = now(), paused_at = NULL WHERE id = $1";
  const char *values[] = {move->id, state};
  (void)tndb_view_send(work, state_sql, 2, values);
  return TENANTDB_OK;
}

static tenantdb_status finish_target(tndb_move *move, tenantdb_error **error) {
  tndb_work work;
  tenantdb_error *own = NULL;
  tenantdb_status status = tndb_move_start_target(move, &work, "switched", &own);
  if (!status) {
    (void)set_state(&work, move, "done");
    status = commit(&work, &own);
  } else if (tenantdb_error_reason(own) == TENANTDB_REASON_TENANT_CHANGED) {
    status = TENANTDB_OK; /* done already */
    tenantdb_error_free(own);
    own = NULL;
  }
  tndb_work_end(&work);
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

/* ---------------------------------------------------------------- at the source */

static void queue_operation_end(tndb_work *work, tndb_move *move) {
  static const char done_sql[] =
      "UPDATE %soperations SET state = 'done', finished_at = now(), lease_until = NULL WHERE id = $1";
  const char *operation = move->operation;
  if (*operation) {
    (void)tndb_view_send(work, done_sql, 1, &operation);
  }
}

/* The end of the operation, and of the move unless the tenant is still to be purged. */
static tenantdb_status end_source(tndb_move *move, const char *state, tenantdb_error **error) {
  tndb_work work;
  tenantdb_status status = tndb_move_start_source(move, &work, error);
  if (!status) {
    queue_operation_end(&work, move);
    if (state) {
      (void)set_state(&work, move, state);
    }
    if (state && !move->undoing) {
      tndb_move_queue_step(&work, move, TNDB_MOVE_SOURCE, true);
    }
    status = commit(&work, error);
  }
  tndb_work_end(&work);
  if (!status) {
    move->operation[0] = '\0';
  }
  return status;
}

tenantdb_status tndb_move_finish_source(tndb_move *move, tenantdb_error **error) {
  bool verified = move->steps[TNDB_MOVE_VERIFY].done;
  bool remove = move->settings.remove_source && verified;
  bool gone =
      move->source->state == TENANTDB_TENANT_DELETING || move->source->state == TENANTDB_TENANT_DELETED;
  tenantdb_status status = finish_target(move, error);
  if (!status && !gone) {
    status = tndb_move_put_back(move, false, error);
  }
  if (!status && (remove || gone)) {
    status = end_source(move, NULL, error);
    status = status ? status : tenantdb_tenant_purge(move->from, move->source->id, 1, error);
  }
  tndb_move_note(move, TNDB_MOVE_SOURCE,
                 remove || gone                 ? "removed"
                 : move->settings.remove_source ? "kept, archived, since checksums were not compared; "
                                                  "tenantdb_tenant_purge() removes it"
                                                : "kept, archived; tenantdb_tenant_purge() removes it");
  return status ? status : end_source(move, "done", error);
}

/* ---------------------------------------------------------------- giving up */

/* From here on nobody can switch. Also stops what still comes in; *oid: of the subscription, freed by PQclear. */
static tenantdb_status fence(tndb_move *move, PGresult **oid, tenantdb_error **error) {
  static const char state_sql[] = "SELECT state FROM %smoves WHERE id = $1 AND side = 'target' FOR UPDATE";
  static const char undone_sql[] = "UPDATE %smoves SET state = 'undone', owner = NULL WHERE id = $1";
  static const char never_sql[] =
      "INSERT INTO %smoves (id, side, tenant_id, slug, schema_name, tenant_state, other_tenant, other_slug,"
      " other_database, other_place, state) VALUES ($1, 'target', $2, $3, $4, 'deleted', $5, $3, '', '',"
      " 'undone')";
  const char *id = move->id, *link = move->link;
  const char *never[] = {move->id, move->target, move->slug, move->source->schema, move->source->id};
  tndb_work work;
  PGresult *rows = NULL;
  bool there;
  tenantdb_status status = tndb_work_start(&work, move->to, "moves", true, error);
  if (!status) {
    status = tndb_view_query(&work, state_sql, 1, &id, &rows, error);
  }
  const char *state = !status && PQntuples(rows) == 1 ? PQgetvalue(rows, 0, 0) : "";
  if (!status && (strcmp(state, "switched") == 0 || strcmp(state, "done") == 0)) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_MOVED,
                         "tenant %s is served by %s already: tenantdb_tenant_move() finishes the move, and "
                         "another one brings him back",
                         move->source->slug, move->there);
  }
  if (!status) {
    (void)tndb_view_send(&work, *state ? undone_sql : never_sql, *state ? 1 : 5, *state ? &id : never);
    status = tndb_work_query(&work,
                             "SELECT s.oid FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON"
                             " d.oid = s.subdbid WHERE s.subname = $1 AND d.datname ="
                             " pg_catalog.current_database()",
                             1, &link, oid, error);
  }
  if (!status) {
    status = tndb_move_queue_unsubscribe(&work, move, &there, error);
  }
  status = status ? status : commit(&work, error);
  PQclear(rows);
  tndb_work_end(&work);
  return status;
}

/* Whether the schema is what our creation made; one that is not is not touched. */
static tenantdb_status is_ours(tndb_work *work, const tndb_move *move, bool *ours, tenantdb_error **error) {
  static const char mark_sql[] =
      "SELECT pg_catalog.obj_description(n.oid, 'pg_namespace') FROM pg_catalog.pg_namespace n WHERE"
      " n.nspname = $1";
  tndb_auto_buffer mark = TNDB_BUFFER_INIT;
  const char *schema = move->source->schema;
  PGresult *rows;
  tndb_provision_mark(&mark, move->target);
  tenantdb_status status = tndb_work_query(work, mark_sql, 1, &schema, &rows, error);
  *ours = !status && PQntuples(rows) == 1 && strcmp(PQgetvalue(rows, 0, 0), tndb_buffer_text(&mark)) == 0;
  PQclear(rows);
  return status || !mark.failed ? status : tndb_no_memory(error);
}

static tenantdb_status drop_target(tndb_move *move, tenantdb_error **error) {
  static const char tenant_sql[] =
      "DELETE FROM %stenants WHERE id = $1 AND state = 'provisioning' RETURNING role_name";
  static const char things_sql[] = "DELETE FROM %smove_things WHERE move_id = $1";
  static const char ledger_sql[] = "DELETE FROM %smigrations WHERE tenant_id = $1";
  const char *target = move->target, *id = move->id;
  tndb_work work;
  PGresult *rows = NULL;
  bool ours = false;
  tenantdb_status status = tndb_work_start(&work, move->to, "moves", true, error);
  if (!status) {
    (void)tndb_view_send(&work, things_sql, 1, &id);
    status = tndb_view_query(&work, tenant_sql, 1, &target, &rows, error);
  }
  bool there = !status && PQntuples(rows) == 1;
  if (there) {
    status = is_ours(&work, move, &ours, error);
  }
  if (there && !status && ours) {
    tndb_auto_buffer sql = TNDB_BUFFER_INIT;
    tndb_buffer_append(&sql, "DROP SCHEMA ");
    tndb_quote_identifier(&sql, move->source->schema);
    tndb_buffer_append(&sql, " CASCADE");
    tndb_work_fail_if(&work, sql.failed);
    (void)tndb_work_send(&work, tndb_buffer_text(&sql), 0, NULL);
    if (!PQgetisnull(rows, 0, 0)) {
      tndb_access_drop_role(&work, PQgetvalue(rows, 0, 0));
    }
  }
  if (there && !status) {
    (void)tndb_view_send(&work, ledger_sql, 1,
                         &target); /* he may come again, under that id, at another version */
    tndb_record what = {move->target, "move undone", "provisioning", NULL, NULL, NULL, NULL};
    tndb_work_record(&work, &what);
  }
  status = status ? status : commit(&work, error);
  PQclear(rows);
  tndb_work_end(&work);
  return status;
}

/* The server's workers need a moment to let go of the tables. */
static tenantdb_status drop_target_patiently(tndb_move *move, tenantdb_error **error) {
  for (int i = 0;; i++) {
    tenantdb_error *own = NULL;
    tenantdb_status status = drop_target(move, &own);
    bool again = tenantdb_error_reason(own) == TENANTDB_REASON_LOCK_TIMEOUT ||
                 tenantdb_error_reason(own) == TENANTDB_REASON_SERIALIZATION;
    if (!status || !again || i >= DROP_TRIES) {
      return status ? tndb_error_pass(error, own) : TENANTDB_OK;
    }
    tenantdb_error_free(own);
    tndb_clock_sleep_ms(DROP_REST_MS);
  }
}

/* He had been archived for the switch that did not come: as he was, and writes go on. */
static tenantdb_status reopen_source(tndb_move *move, tenantdb_error **error) {
  static const char tenant_sql[] =
      "UPDATE %stenants t SET state = $2, properties = t.properties - '" TNDB_TENANT_MOVED_TO
      "', generation ="
      " t.generation + 1, updated_at = now() WHERE t.id = $1 AND t.state = 'archived'";
  static const char move_sql[] =
      "UPDATE %smoves SET state = 'moving', paused_at = NULL, switched_at = NULL WHERE id = $1";
  const tenantdb_tenant *tenant = move->source;
  const char *state = tndb_tenant_state_name(move->state), *id = move->id;
  const char *values[] = {tenant->id, state};
  tndb_work work;
  tenantdb_status status = tndb_move_start_source(move, &work, error);
  if (!status) {
    tndb_record what = {tenant->id, "move given up", "archived", state, NULL, NULL, NULL};
    (void)tndb_view_send(&work, tenant_sql, 2, values);
    (void)tndb_view_send(&work, move_sql, 1, &id);
    tndb_move_queue_guard(&work, tenant->schema, tenant->slug, false);
    if (tenant->role[0] && move->state == TENANTDB_TENANT_ACTIVE) {
      tndb_access_open(&work, tenant->schema, tenant->role);
    }
    tndb_work_record(&work, &what);
    status = commit(&work, error);
  }
  tndb_work_end(&work);
  tndb_tenants_forget(move->from);
  if (!status) {
    move->stage = TNDB_STAGE_MOVING;
    move->paused = false;
  }
  return status;
}

/* Slots for copying tables that the target's server had no time to drop. Best effort. */
static void drop_sync_slots(tndb_move *move, const PGresult *oid) {
  static const char drop_sql[] =
      "SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots WHERE"
      " slot_name::text ~ ('^pg_' || $1::text || '_sync_[0-9]+_' || $2::text || '$') AND NOT active";
  tndb_auto_buffer system = TNDB_BUFFER_INIT;
  PGresult *rows = NULL;
  if (!oid || PQntuples(oid) != 1) {
    return;
  }
  tndb_buffer_append_n(&system, move->identity, strcspn(move->identity, "/"));
  const char *values[] = {PQgetvalue(oid, 0, 0), tndb_buffer_text(&system)};
  if (!system.failed) {
    (void)tndb_move_ask(move->from, drop_sql, 2, values,
                        tndb_deadline_in(tndb_config_number(move->from->config, TNDB_OPERATION_TIMEOUT)),
                        &rows, NULL);
  }
  PQclear(rows);
}

tenantdb_status tndb_move_give_up(tndb_move *move, tenantdb_error **error) {
  PGresult *oid = NULL;
  tenantdb_status status = fence(move, &oid, error);
  if (!status && move->stage == TNDB_STAGE_SWITCHED) {
    status = reopen_source(move, error);
  } else if (!status) {
    status = tndb_move_thaw(move, error);
  }
  if (!status) {
    status = drop_target_patiently(move, error);
  }
  if (!status) {
    status = tndb_move_unpublish(move, error);
  }
  if (!status) {
    drop_sync_slots(move, oid);
    status = tndb_move_put_back(move, true, error);
  }
  PQclear(oid);
  return status ? status : end_source(move, "undone", error);
}

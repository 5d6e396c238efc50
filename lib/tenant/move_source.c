/* SPDX-License-Identifier: PostgreSQL */
/* What a move makes at the source, and takes away again: guard, identities, publication, slot. */
#include <string.h>

#include "base/sha256.h"
#include "catalog/text_array.h"
#include "sql/identifier.h"
#include "tenant/move.h"
#include "tenant/registry_form.h"
#include "tenant/view.h"

#define FIRST_PAUSE_MS 50
#define LONGEST_PAUSE_MS 2000
#define SLOT_FREE_MS 5000 /* how long a walsender may take to notice that nobody listens any more */

/* Steps are looked at again by whoever goes on. */
static tenantdb_status commit(tndb_work *work, tenantdb_error **error) {
  tenantdb_status status = tndb_work_commit(work, error);
  return status == TENANTDB_UNKNOWN
             ? tndb_error_fold(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST)
             : status;
}

/* ---------------------------------------------------------------- trying again */

typedef tenantdb_status (*attempt)(tndb_move *move, tndb_work *work, tenantdb_error **error);

/* One transaction at the source, again and again while a lock of it is not had in time. */
static tenantdb_status persist(tndb_move *move, attempt run, const char *what, tenantdb_error **error) {
  for (int64_t pause = FIRST_PAUSE_MS;; pause = pause < LONGEST_PAUSE_MS ? pause * 2 : pause) {
    tndb_work work;
    tenantdb_error *own = NULL;
    tenantdb_status status = tndb_move_start_source(move, &work, &own);
    if (!status) {
      status = run(move, &work, &own);
      status = status ? status : commit(&work, &own);
    }
    tndb_work_end(&work);
    bool again = tenantdb_error_reason(own) == TENANTDB_REASON_LOCK_TIMEOUT ||
                 strcmp(tenantdb_error_sqlstate(own), "40P01") == 0;
    if (!again) {
      return status ? tndb_error_pass(error, own) : TENANTDB_OK;
    }
    tenantdb_error_free(own);
    status = tndb_move_wait(move, pause, what, error);
    if (status) {
      return status;
    }
  }
}

/* ---------------------------------------------------------------- the guard */

void tndb_move_queue_guard(tndb_work *work, const char *schema, const char *slug, bool closed) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer body = TNDB_BUFFER_INIT;
  tndb_auto_buffer message = TNDB_BUFFER_INIT;
  tndb_buffer_append(&message, "tenant ");
  tndb_buffer_append(&message, slug);
  tndb_buffer_append(&message,
                     " is being moved to another database, and for a moment nothing can be written");
  tndb_buffer_append(&body, "BEGIN ");
  if (closed) {
    tndb_buffer_append(&body, "RAISE EXCEPTION USING ERRCODE = 'lock_not_available', MESSAGE = ");
    tndb_quote_literal(&body, tndb_buffer_text(&message));
    tndb_buffer_append(&body, ", HINT = 'Try again later.'; ");
  }
  tndb_buffer_append(&body, "RETURN NULL; END");
  tndb_buffer_append(&sql, "CREATE OR REPLACE FUNCTION ");
  tndb_shape_name(&sql, schema, TNDB_MOVE_GUARD);
  tndb_buffer_append(&sql, "() RETURNS pg_catalog.trigger LANGUAGE plpgsql AS ");
  tndb_quote_literal(&sql, tndb_buffer_text(&body));
  tndb_work_fail_if(work, sql.failed || body.failed || message.failed);
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
}

void tndb_move_queue_lock(tndb_work *work, const char *schema, const tndb_shape *shape, const char *mode) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < shape->n_tables; i++) {
    tndb_buffer_append(&sql, i ? ", " : "LOCK TABLE ");
    tndb_shape_name(&sql, schema, shape->tables[i].name);
  }
  tndb_buffer_append(&sql, " IN ");
  tndb_buffer_append(&sql, mode);
  tndb_buffer_append(&sql, " MODE");
  tndb_work_fail_if(work, sql.failed);
  if (shape->n_tables > 0) {
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
}

/* What has been migrated, as text: a migration may have changed rows alone, and would be carried out there again. */
static tenantdb_status read_ledger(tndb_work *work, const char *id, tndb_buffer *text,
                                   tenantdb_error **error) {
  static const char ledger_sql[] =
      "SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', m.version, m.name, m.state, m.steps_done, "
      "m.sum),"
      " ',' ORDER BY m.version, m.name COLLATE \"C\") FROM %smigrations m WHERE " TNDB_MOVE_MIGRATED("$1");
  PGresult *rows;
  tenantdb_status status = tndb_view_query(work, ledger_sql, 1, &id, &rows, error);
  if (!status) {
    tndb_buffer_append(text, PQgetvalue(rows, 0, 0));
  }
  PQclear(rows);
  return status || !text->failed ? status : tndb_no_memory(error);
}

tenantdb_status tndb_move_fingerprint(tndb_work *work, const tndb_move *move, const char *schema,
                                      char fingerprint[TNDB_SHA256_HEX], tenantdb_error **error) {
  tndb_auto_buffer all = TNDB_BUFFER_INIT;
  tndb_form_targets targets = TNDB_FORM_TARGETS_INIT;
  PGresult *rows = NULL;
  tndb_form_targets_add(&targets, schema, move->source->role, tndb_tenant_state_name(move->source->state));
  tenantdb_status status = tndb_form_fingerprints(work, &targets, NULL, &rows, error);
  fingerprint[0] = '\0';
  if (!status && PQntuples(rows) == 1) {
    tndb_buffer_append(&all, PQgetvalue(rows, 0, 1));
    tndb_buffer_append(&all, " ");
    status = read_ledger(work, move->source->id, &all, error);
  }
  if (!status && all.length > 0) {
    tndb_sha256_hex(all.data, all.length, fingerprint);
  }
  PQclear(rows);
  tndb_form_targets_free(&targets);
  return status;
}

/* Partitions, too: a statement that names one does not fire the triggers of the whole. */
static const char guarded_sql[] = TNDB_SHAPE_IN_SCHEMA
    ", t AS (SELECT r.*, c.relreplident FROM rel r JOIN pg_catalog.pg_class c ON c.oid = r.oid"
    " WHERE r.relkind IN ('r', 'p'))"
    " SELECT t.relname, EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = t.oid AND g.tgname = "
    "'" TNDB_MOVE_GUARD
    "'), t.relkind = 'r' AND t.relreplident IN ('d', 'n') AND NOT (t.relreplident = 'd' AND EXISTS (SELECT"
    " FROM pg_catalog.pg_index i WHERE i.indrelid = t.oid AND i.indisprimary)), t.relreplident"
    " FROM t ORDER BY t.relname COLLATE \"C\"";

static void queue_identity(tndb_work *work, const tndb_move *move, const char *table, const char *was) {
  static const char thing_sql[] =
      "INSERT INTO %smove_things (move_id, kind, table_name, name, definition) VALUES ($1, 'identity', $2, "
      "'', "
      "$3)"
      " ON CONFLICT DO NOTHING";
  const char *values[] = {move->id, table, strcmp(was, "n") == 0 ? "NOTHING" : "DEFAULT"};
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, "ALTER TABLE ");
  tndb_shape_name(&sql, move->source->schema, table);
  tndb_buffer_append(&sql, " REPLICA IDENTITY FULL");
  tndb_work_fail_if(work, sql.failed);
  (void)tndb_view_send(work, thing_sql, 3, values);
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
}

static void queue_trigger(tndb_work *work, const char *schema, const char *table) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer always = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql,
                     "CREATE TRIGGER " TNDB_MOVE_GUARD " BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ");
  tndb_shape_name(&sql, schema, table);
  tndb_buffer_append(&sql, " FOR EACH STATEMENT EXECUTE FUNCTION ");
  tndb_shape_name(&sql, schema, TNDB_MOVE_GUARD);
  tndb_buffer_append(&sql, "()");
  tndb_buffer_append(&always, "ALTER TABLE ");
  tndb_shape_name(&always, schema, table);
  tndb_buffer_append(&always, " ENABLE ALWAYS TRIGGER " TNDB_MOVE_GUARD);
  tndb_work_fail_if(work, sql.failed || always.failed);
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  (void)tndb_work_send(work, tndb_buffer_text(&always), 0, NULL);
}

/* Function, triggers, identities; and what the schema looks like with them. */
static tenantdb_status guard_tables(tndb_move *move, tndb_work *work, tenantdb_error **error) {
  static const char print_sql[] = "UPDATE %smoves SET fingerprint = $2 WHERE id = $1";
  const char *schema = move->source->schema;
  char fingerprint[TNDB_SHA256_HEX];
  PGresult *rows;
  tndb_auto_buffer revoke = TNDB_BUFFER_INIT;
  tenantdb_status status = tndb_work_query(work, guarded_sql, 1, &schema, &rows, error);
  if (status) {
    return status;
  }
  tndb_move_queue_guard(work, schema, move->source->slug, false);
  tndb_buffer_append(&revoke, "REVOKE ALL ON FUNCTION ");
  tndb_shape_name(&revoke, schema, TNDB_MOVE_GUARD);
  tndb_buffer_append(&revoke, "() FROM PUBLIC");
  tndb_work_fail_if(work, revoke.failed);
  (void)tndb_work_send(work, tndb_buffer_text(&revoke), 0, NULL);
  for (int i = 0; i < PQntuples(rows); i++) {
    if (PQgetvalue(rows, i, 1)[0] != 't') {
      queue_trigger(work, schema, PQgetvalue(rows, i, 0));
    }
    if (PQgetvalue(rows, i, 2)[0] == 't') {
      queue_identity(work, move, PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 3));
    }
  }
  PQclear(rows);
  status = tndb_work_sync(work, error);
  if (!status) {
    status = tndb_move_fingerprint(work, move, schema, fingerprint, error);
  }
  if (!status) {
    const char *values[] = {move->id, fingerprint};
    (void)tndb_view_send(work, print_sql, 2, values);
    status = tndb_work_sync(work, error);
  }
  return status;
}

static tenantdb_status read_side(tenantdb *db, const char *id, tndb_buffer *text, tenantdb_error **error) {
  tndb_work work;
  tenantdb_status status = tndb_work_start_reading(&work, db, error);
  status = status ? status : read_ledger(&work, id, text, error);
  tndb_work_end(&work);
  return status;
}

/* From the guard on the fingerprint tells of migrations; before it one may have come behind the target's tables. */
static tenantdb_status check_migrated(tndb_move *move, tenantdb_error **error) {
  tndb_auto_buffer here = TNDB_BUFFER_INIT;
  tndb_auto_buffer there = TNDB_BUFFER_INIT;
  tenantdb_status status = read_side(move->from, move->source->id, &here, error);
  if (!status && here.length > 0) {
    status = read_side(move->to, move->target, &there, error);
  }
  if (!status && here.length > 0 && strcmp(tndb_buffer_text(&here), tndb_buffer_text(&there)) != 0) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_DIFFERS,
                         "tenant %s was migrated while he was being moved, and his tables in the other "
                         "database are as they were before: tenantdb_tenant_move_undo(), and begin anew",
                         move->source->slug);
  }
  return status;
}

tenantdb_status tndb_move_guard(tndb_move *move, tenantdb_error **error) {
  tenantdb_status status =
      persist(move, guard_tables, "waiting for the tenant's tables to be guarded", error);
  status = status ? status : tndb_move_find(move, error); /* the fingerprint */
  return status ? status : check_migrated(move, error);
}

/* ---------------------------------------------------------------- the publication */

static tenantdb_status is_published(tndb_work *work, const tndb_move *move, bool *there,
                                    tenantdb_error **error) {
  const char *name = move->link;
  PGresult *rows;
  tenantdb_status status = tndb_work_query(work, "SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = $1",
                                           1, &name, &rows, error);
  *there = !status && PQntuples(rows) == 1;
  PQclear(rows);
  return status;
}

/* Naming each table: who may do so need be no superuser, and PostgreSQL 13 can. */
static tenantdb_status publish(tndb_move *move, tndb_work *work, tenantdb_error **error) {
  tndb_shape shape = {NULL, 0, NULL, 0};
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  bool there;
  tenantdb_status status = is_published(work, move, &there, error);
  if (!status && !there) {
    status = tndb_shape_read(work, move->source->schema, &shape, error);
  }
  if (!status && !there) {
    tndb_buffer_append(&sql, "CREATE PUBLICATION ");
    tndb_quote_identifier(&sql, move->link);
    for (size_t i = 0; i < shape.n_tables; i++) {
      tndb_buffer_append(&sql, i ? ", " : " FOR TABLE ");
      tndb_shape_from(&sql, move->source->schema, &shape.tables[i]);
    }
    tndb_buffer_append(&sql, " WITH (publish_via_partition_root = true)");
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
    status = tndb_work_sync(work, error);
  }
  tndb_shape_free(&shape);
  return status;
}

tenantdb_status tndb_move_publish(tndb_move *move, tenantdb_error **error) {
  return persist(move, publish, "waiting for the tenant's tables to be published", error);
}

/* ---------------------------------------------------------------- the slot */

static tenantdb_status find_slot(tndb_move *move, bool *there, bool *active, tenantdb_error **error) {
  const char *name = move->link;
  PGresult *rows;
  tenantdb_status status = tndb_move_ask(
      move->from, "SELECT active FROM pg_catalog.pg_replication_slots WHERE slot_name = $1", 1, &name,
      tndb_deadline_in(tndb_config_number(move->from->config, TNDB_OPERATION_TIMEOUT)), &rows, error);
  *there = !status && PQntuples(rows) == 1;
  *active = *there && PQgetvalue(rows, 0, 0)[0] == 't';
  PQclear(rows);
  return status;
}

/*
 * Made by itself, and not by the subscription, which would wait for transactions
 * in its own; in one cluster for itself. It waits for every transaction that
 * was writing when it began, anybody's.
 */
tenantdb_status tndb_move_make_slot(tndb_move *move, tenantdb_error **error) {
  const char *name = move->link;
  bool there, active;
  tenantdb_status status = find_slot(move, &there, &active, error);
  if (!status && !there) {
    int64_t left = tndb_deadline_left(move->until);
    PGresult *rows;
    tenantdb_error *own = NULL;
    status = tndb_move_ask(move->from,
                           "SELECT pg_catalog.pg_create_logical_replication_slot($1::name, 'pgoutput'::name)",
                           1, &name, tndb_deadline_in(left > 0 ? left : 1), &rows, &own);
    PQclear(rows);
    if (status && strcmp(tenantdb_error_sqlstate(own), "42710") == 0) {
      tenantdb_error_free(own); /* there, since an answer was lost */
      return TENANTDB_OK;
    }
    if (status) {
      tndb_error_prefix(&own, "making a replication slot, which waits for all transactions that write");
      return tndb_error_pass(error, own);
    }
  }
  return status;
}

/*
 * A walsender that serves it still belongs to the user of option connection: who
 * may not end it waits for it to find out by itself.
 */
static tenantdb_status drop_slot(tndb_move *move, tenantdb_error **error) {
  static const char drop_sql[] =
      "SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots"
      " WHERE slot_name = $1 AND NOT active";
  static const char end_sql[] =
      "SELECT pg_catalog.pg_terminate_backend(active_pid) FROM pg_catalog.pg_replication_slots"
      " WHERE slot_name = $1 AND active";
  const char *name = move->link;
  bool there, active, ended = false;
  int64_t began = tndb_clock_ms();
  for (;;) {
    PGresult *rows;
    tenantdb_error *own = NULL;
    tndb_deadline deadline = tndb_deadline_in(tndb_config_number(move->from->config, TNDB_OPERATION_TIMEOUT));
    tenantdb_status status = find_slot(move, &there, &active, error);
    if (status || !there) {
      return status;
    }
    bool end = active && !ended && tndb_clock_ms() - began > SLOT_FREE_MS;
    if (!active || end) {
      status = tndb_move_ask(move->from, end ? end_sql : drop_sql, 1, &name, deadline, &rows, &own);
      PQclear(rows);
      ended = ended || end;
      bool in_use = strcmp(tenantdb_error_sqlstate(own), end ? "42501" : "55006") == 0;
      if (status && !in_use) {
        return tndb_error_pass(error, own);
      }
      tenantdb_error_free(own);
    }
    status = tndb_move_wait(move, 20, "waiting for the replication slot to be let go of", error);
    if (status) {
      return status;
    }
  }
}

static tenantdb_status unpublish(tndb_move *move, tndb_work *work, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  (void)error;
  tndb_buffer_append(&sql, "DROP PUBLICATION IF EXISTS ");
  tndb_quote_identifier(&sql, move->link);
  tndb_work_fail_if(work, sql.failed);
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  return tndb_work_sync(work, error);
}

tenantdb_status tndb_move_unpublish(tndb_move *move, tenantdb_error **error) {
  tenantdb_status status = drop_slot(move, error);
  return status ? status : persist(move, unpublish, "waiting for the publication to be dropped", error);
}

/* ---------------------------------------------------------------- putting back */

static tenantdb_status put_identities_back(tndb_move *move, tndb_work *work, tenantdb_error **error) {
  static const char things_sql[] =
      "SELECT table_name, definition FROM %smove_things WHERE move_id = $1 AND kind = 'identity'";
  static const char forget_sql[] = "DELETE FROM %smove_things WHERE move_id = $1 AND kind = 'identity'";
  const char *id = move->id;
  PGresult *rows;
  tenantdb_status status = tndb_view_query(work, things_sql, 1, &id, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    tndb_auto_buffer sql = TNDB_BUFFER_INIT;
    tndb_buffer_append(&sql, "ALTER TABLE IF EXISTS ");
    tndb_shape_name(&sql, move->source->schema, PQgetvalue(rows, i, 0));
    tndb_buffer_append(&sql, " REPLICA IDENTITY ");
    tndb_buffer_append(&sql, PQgetvalue(rows, i, 1));
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
  if (!status) {
    (void)tndb_view_send(work, forget_sql, 1, &id);
    status = tndb_work_sync(work, error);
  }
  PQclear(rows);
  return status;
}

static tenantdb_status put_all_back(tndb_move *move, tndb_work *work, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tenantdb_status status = put_identities_back(move, work, error);
  tndb_buffer_append(&sql, "DROP FUNCTION IF EXISTS ");
  tndb_shape_name(&sql, move->source->schema, TNDB_MOVE_GUARD);
  tndb_buffer_append(&sql, "() CASCADE");
  tndb_work_fail_if(work, sql.failed);
  if (!status) {
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
    status = tndb_work_sync(work, error);
  }
  return status;
}

tenantdb_status tndb_move_put_back(tndb_move *move, bool guard, tenantdb_error **error) {
  return persist(move, guard ? put_all_back : put_identities_back,
                 "waiting for the tenant's tables to be as they were", error);
}

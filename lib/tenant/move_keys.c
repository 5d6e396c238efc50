/* SPDX-License-Identifier: PostgreSQL */
/* References to shared rows while a tenant moves, and the foreign keys that prove them. */
#include <string.h>

#include "base/memory.h"
#include "pg/copy.h"
#include "sql/identifier.h"
#include "tenant/move.h"
#include "tenant/view.h"

/* ---------------------------------------------------------------- looking up */

/* From the source's COPY into the target's; the keys that came are counted. */
static tenantdb_status pass_keys(tndb_move_pair *pair, size_t which, tenantdb_error **error) {
  tndb_conn *from = pair->out.work.conn;
  tndb_conn *to = pair->in.filling.work.conn;
  tndb_deadline deadline = pair->out.work.deadline;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  uint64_t *count = &pair->in.archive.references[which].keys;
  *count = 0;
  tndb_export_keys_sql(&sql, &pair->out, which);
  tenantdb_status status = sql.failed ? tndb_no_memory(error)
                                      : tndb_copy_start(from, tndb_buffer_text(&sql), false, deadline, error);
  pair->out.copying = !status;
  while (!status && pair->out.copying) {
    char *row;
    size_t length;
    status = tndb_copy_get(from, &row, &length, deadline, error);
    pair->out.copying = !status && row;
    if (row) {
      (*count)++;
      status = tndb_copy_put(to, row, length, deadline, error);
      tndb_copy_release(row);
    }
  }
  return status;
}

static tenantdb_status look_up(tndb_move_pair *pair, size_t which, tenantdb_error **error) {
  tenantdb_import *in = &pair->in;
  in->archive.read_references = which + 1;
  tenantdb_status status = tndb_import_keys_begin(in, error);
  if (!status && !in->skipping) {
    status = pass_keys(pair, which, error);
  }
  return status ? status : tndb_import_keys_end(in, error);
}

/* The application's triggers have fired at the source, for what is the same row. */
static tenantdb_status queue_triggers(tndb_move_pair *pair, const PGresult *triggers, bool on,
                                      tenantdb_error **error) {
  tndb_work *work = &pair->in.filling.work;
  for (int i = 0; i < PQntuples(triggers); i++) {
    tndb_auto_buffer sql = TNDB_BUFFER_INIT;
    tndb_buffer_append(&sql, "ALTER TABLE ");
    tndb_shape_name(&sql, pair->move->source->schema, PQgetvalue(triggers, i, 0));
    tndb_buffer_append(&sql, on ? " ENABLE TRIGGER " : " DISABLE TRIGGER ");
    tndb_quote_identifier(&sql, PQgetvalue(triggers, i, 1));
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
  return tndb_work_sync(work, error);
}

static tenantdb_status apply_keys(tndb_move_pair *pair, tenantdb_error **error) {
  static const char triggers_sql[] = TNDB_SHAPE_IN_SCHEMA
      " SELECT r.relname, g.tgname FROM rel r JOIN pg_catalog.pg_trigger g ON g.tgrelid = r.oid"
      " WHERE NOT g.tgisinternal AND g.tgenabled = 'O' AND g.tgparentid = 0 ORDER BY 1, 2";
  const tenantdb_import *in = &pair->in;
  const char *schema = pair->move->source->schema;
  PGresult *triggers = NULL;
  bool changes = false;
  for (size_t i = 0; i < in->archive.read_references; i++) {
    changes = changes || in->resolved[i].mapped + in->resolved[i].nulled > 0;
  }
  tenantdb_status status =
      changes ? tndb_work_query(&pair->in.filling.work, triggers_sql, 1, &schema, &triggers, error)
              : TENANTDB_OK;
  if (!status) {
    status = queue_triggers(pair, triggers, false, error);
  }
  if (!status) {
    status = tndb_import_apply_keys(&pair->in, error);
  }
  status = status ? status : queue_triggers(pair, triggers, true, error);
  PQclear(triggers);
  return status;
}

tenantdb_status tndb_pair_references(tndb_move_pair *pair, bool apply, tenantdb_error **error) {
  tenantdb_import *in = &pair->in;
  size_t count = pair->out.archive.read_references;
  in->resolved = tndb_alloc_array(count ? count : 1, sizeof *in->resolved);
  if (!in->resolved) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; !status && i < count; i++) {
    status = look_up(pair, i, error);
  }
  return status || !apply ? status : apply_keys(pair, error);
}

/* Early, so that nobody has to wait for rows first to learn that a plan is missing over there. */
tenantdb_status tndb_move_references(tndb_move *move, tenantdb_error **error) {
  tndb_move_pair pair;
  int64_t mapped = 0, nulled = 0, kept = 0;
  tenantdb_status status = tndb_pair_open(&pair, move, error);
  if (!status) {
    int64_t allowed = tndb_config_number(move->from->config, TNDB_OPERATION_TIMEOUT);
    status = tndb_pair_enter(&pair, tndb_deadline_in(allowed), error);
  }
  if (!status) {
    status = tndb_pair_references(&pair, false, error);
  }
  for (size_t i = 0; !status && i < pair.out.archive.read_references; i++) {
    kept += pair.in.resolved[i].kept;
    mapped += pair.in.resolved[i].mapped;
    nulled += pair.in.resolved[i].nulled;
  }
  tndb_pair_close(&pair);
  if (!status) {
    tndb_auto_buffer note = TNDB_BUFFER_INIT;
    tndb_buffer_format(&note, "keys of shared rows so far: %lld kept, %lld changed, %lld set to NULL",
                       (long long)kept, (long long)mapped, (long long)nulled);
    tndb_move_note(move, TNDB_MOVE_REFERENCES, tndb_buffer_text(&note));
  }
  return status;
}

/* ---------------------------------------------------------------- foreign keys */

static const char outward_sql[] = TNDB_SHAPE_IN_SCHEMA
    " SELECT r.relname, k.conname, pg_catalog.pg_get_constraintdef(k.oid) FROM rel r"
    " JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid JOIN pg_catalog.pg_class t ON t.oid = k.confrelid"
    " WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT r.relispartition AND t.relnamespace <> r.ns"
    " ORDER BY r.relname COLLATE \"C\", k.conname COLLATE \"C\"";
/* Those of partitioned tables cannot be made without being validated. */
static const char things_sql[] =
    "SELECT t.table_name, t.name, t.definition, c.relkind = 'p' FROM %smove_things t"
    " JOIN pg_catalog.pg_namespace n ON n.nspname = $2 JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid"
    " AND c.relname = t.table_name WHERE t.move_id = $1 AND t.kind = 'reference'"
    " ORDER BY t.table_name COLLATE \"C\", t.name COLLATE \"C\"";

tenantdb_status tndb_move_drop_keys(tndb_work *work, const tndb_move *move, const char *schema,
                                    tenantdb_error **error) {
  static const char thing_sql[] =
      "INSERT INTO %smove_things (move_id, kind, table_name, name, definition) VALUES ($1, 'reference', $2, "
      "$3, "
      "$4)";
  PGresult *rows;
  tenantdb_status status = tndb_work_query(work, outward_sql, 1, &schema, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    tndb_auto_buffer sql = TNDB_BUFFER_INIT;
    const char *values[] = {move->id, PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1), PQgetvalue(rows, i, 2)};
    tndb_buffer_append(&sql, "ALTER TABLE ");
    tndb_shape_name(&sql, schema, values[1]);
    tndb_buffer_append(&sql, " DROP CONSTRAINT ");
    tndb_quote_identifier(&sql, values[2]);
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_view_send(work, thing_sql, 4, values);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
  PQclear(rows);
  return status ? status : tndb_work_sync(work, error);
}

tenantdb_status tndb_move_add_keys(tndb_work *work, const tndb_move *move, const char *schema,
                                   tenantdb_error **error) {
  static const char not_valid[] = " NOT VALID";
  const char *values[] = {move->id, schema};
  PGresult *rows;
  tenantdb_status status = tndb_view_query(work, things_sql, 2, values, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    tndb_auto_buffer sql = TNDB_BUFFER_INIT;
    const char *definition = PQgetvalue(rows, i, 2);
    tndb_buffer_append(&sql, "ALTER TABLE ");
    tndb_shape_name(&sql, schema, PQgetvalue(rows, i, 0));
    tndb_buffer_append(&sql, " ADD CONSTRAINT ");
    tndb_quote_identifier(&sql, PQgetvalue(rows, i, 1));
    tndb_buffer_append_char(&sql, ' ');
    tndb_buffer_append(&sql, definition);
    tndb_buffer_append(&sql,
                       PQgetvalue(rows, i, 3)[0] == 't' || strstr(definition, not_valid) ? "" : not_valid);
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
  PQclear(rows);
  return status ? status : tndb_work_sync(work, error);
}

static tenantdb_status validate(tndb_move *move, const char *table, const char *name, bool whole,
                                tenantdb_error **error) {
  static const char forget_sql[] =
      "DELETE FROM %smove_things WHERE move_id = $1 AND kind = 'reference' AND table_name = $2 AND name = $3";
  tndb_work work;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *values[] = {move->id, table, name};
  tenantdb_status status = tndb_move_start_target(move, &work, "switched", error);
  if (!status) {
    tndb_buffer_append(&sql, "ALTER TABLE ");
    tndb_shape_name(&sql, move->source->schema, table);
    tndb_buffer_append(&sql, " VALIDATE CONSTRAINT ");
    tndb_quote_identifier(&sql, name);
    tndb_work_fail_if(&work, sql.failed);
    tndb_shape_settle_text(&work); /* a long table may take long */
    work.deadline = tndb_deadline_in(move->settings.patience_ms);
    if (!whole) {
      (void)tndb_work_send(&work, tndb_buffer_text(&sql), 0, NULL);
    }
    (void)tndb_view_send(&work, forget_sql, 3, values);
    status = tndb_work_commit(&work, error);
    if (status == TENANTDB_UNKNOWN) {
      status = tndb_error_fold(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
    }
  }
  tndb_work_end(&work);
  return status;
}

tenantdb_status tndb_move_validate_keys(tndb_move *move, tenantdb_error **error) {
  tndb_work work;
  const char *values[] = {move->id, move->source->schema};
  PGresult *rows = NULL;
  tenantdb_status status = tndb_work_start_reading(&work, move->to, error);
  if (!status) {
    status = tndb_view_query(&work, things_sql, 2, values, &rows, error);
  }
  tndb_work_end(&work);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    status = validate(move, PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1), PQgetvalue(rows, i, 3)[0] == 't',
                      error);
  }
  PQclear(rows);
  return status;
}

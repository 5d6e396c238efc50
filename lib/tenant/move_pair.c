/* SPDX-License-Identifier: PostgreSQL */
/* Two open transactions, one on each side, and comparing what they see. */
#include <string.h>

#include "base/memory.h"
#include "pg/copy.h"
#include "tenant/move.h"
#include "tenant/view.h"

#define GIVE_UP_MS 1000

/*
 * Every row of PostgreSQL's catalogs that makes the tables what they are, and which
 * transaction wrote it: a few milliseconds, where a fingerprint takes many. What
 * VACUUM and ANALYZE write there keeps the transaction. Not the guard's function,
 * which is written to pause. And the ledger's: a migration may change rows alone.
 */
static const char definitions_sql[] = TNDB_SHAPE_IN_SCHEMA
    ", t AS (SELECT c.xmin, c.oid AS n FROM rel r JOIN pg_catalog.pg_class c ON c.oid = r.oid"
    " UNION ALL SELECT a.xmin, a.attrelid FROM rel r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid"
    " UNION ALL SELECT d.xmin, d.oid FROM rel r JOIN pg_catalog.pg_attrdef d ON d.adrelid = r.oid"
    " UNION ALL SELECT k.xmin, k.oid FROM rel r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid"
    " UNION ALL SELECT g.xmin, g.oid FROM rel r JOIN pg_catalog.pg_trigger g ON g.tgrelid = r.oid"
    " UNION ALL SELECT i.xmin, i.indexrelid FROM rel r JOIN pg_catalog.pg_index i ON i.indrelid = r.oid"
    " UNION ALL SELECT p.xmin, p.oid FROM s JOIN pg_catalog.pg_proc p ON p.pronamespace = s.oid"
    " WHERE p.proname <> '" TNDB_MOVE_GUARD
    "' UNION ALL SELECT m.xmin, 0::pg_catalog.oid FROM %smigrations m WHERE " TNDB_MOVE_MIGRATED(
    "$2")
    ")"
    " SELECT pg_catalog.count(*) || '/' || coalesce(pg_catalog.sum(pg_catalog.hashtextextended("
    "t.n || ' ' || t.xmin::text, 0)), 0) FROM t";

static tenantdb_status read_definitions(tndb_move_pair *pair, char **sum, tenantdb_error **error) {
  const char *values[] = {pair->move->source->schema, pair->move->source->id};
  PGresult *rows;
  tenantdb_status status = tndb_view_query(&pair->out.work, definitions_sql, 2, values, &rows, error);
  *sum = status ? NULL : tndb_strdup(PQgetvalue(rows, 0, 0));
  PQclear(rows);
  return status || *sum ? status : tndb_no_memory(error);
}

static tenantdb_status read_source(tndb_move_pair *pair, tenantdb_error **error) {
  tndb_move *move = pair->move;
  tenantdb_export *out = &pair->out;
  out->tenant = move->source;
  tenantdb_status status = tndb_work_start_reading(&out->work, move->from, error);
  if (!status) {
    (void)tndb_work_send(&out->work, "BEGIN READ ONLY", 0, NULL);
    out->work.begun = true;
    status = tndb_work_sync(&out->work, error);
  }
  if (!status) {
    status = read_definitions(pair, &pair->definitions, error);
  }
  if (!status) {
    status = tndb_shape_read(&out->work, move->source->schema, &out->archive.shape, error);
  }
  if (!status) {
    status = tndb_export_find_references(out, error);
  }
  tndb_work_end(&out->work);
  return status;
}

tenantdb_status tndb_pair_enter(tndb_move_pair *pair, tndb_deadline deadline, tenantdb_error **error) {
  tndb_move *move = pair->move;
  tenantdb_export *out = &pair->out;
  char *now = NULL;
  out->tenant = move->source;
  tenantdb_status status = tndb_move_start_source(move, &out->work, error);
  tndb_pair_deadline(pair, deadline);
  if (!status) { /* nobody alters them from here on */
    tndb_shape_settle_text(&out->work);
    tndb_move_queue_lock(&out->work, move->source->schema, &out->archive.shape, "ACCESS SHARE");
    status = tndb_work_set_path(&out->work, move->source->schema, error);
  }
  if (!status) {
    status = read_definitions(pair, &now, error);
  }
  if (!status && strcmp(now, pair->definitions) != 0) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_DIFFERS,
                         "schema %s was changed just before the switch; call again to see whether it matters",
                         move->source->schema);
  }
  tndb_free(now);
  return status;
}

static tenantdb_status open_target(tndb_move_pair *pair, tenantdb_error **error) {
  tndb_move *move = pair->move;
  tenantdb_import *in = &pair->in;
  tndb_filling *filling = &in->filling;
  const char *schema = move->source->schema;
  filling->creation.db = move->to;
  memcpy(filling->creation.names.schema, schema,
         strlen(schema) < TNDB_NAME_SIZE ? strlen(schema) + 1 : TNDB_NAME_SIZE);
  filling->creation.names.schema[TNDB_NAME_SIZE - 1] = '\0';
  filling->settings =
      (tndb_archive_settings){.data = true,
                              .match_ids = move->settings.match_ids,
                              .null_missing = move->settings.null_missing,
                              .timeout_ms = tndb_config_number(move->to->config, TNDB_OPERATION_TIMEOUT)};
  in->archive = pair->out.archive; /* what the other side read; it is the one to free it */
  in->archive.n_references = in->archive.read_references;
  tenantdb_status status = tndb_move_start_target(move, &filling->work, "moving", error);
  if (!status) {
    tndb_shape_settle_text(&filling->work);
    status = tndb_shape_read(&filling->work, schema, &filling->shape, error);
  }
  return status ? status : tndb_shape_read_sequences(&filling->work, schema, &filling->shape, error);
}

/* Its first look at a table is what it sees from then on. */
static tenantdb_status open_seen(tndb_move_pair *pair, tenantdb_error **error) {
  tenantdb_status status = tndb_work_start_reading(&pair->seen, pair->move->to, error);
  if (!status) {
    (void)tndb_work_send(&pair->seen, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", 0, NULL);
    pair->seen.begun = true;
    tndb_shape_settle_text(&pair->seen);
    status = tndb_work_sync(&pair->seen, error);
  }
  return status;
}

tenantdb_status tndb_pair_open(tndb_move_pair *pair, tndb_move *move, tenantdb_error **error) {
  *pair = (tndb_move_pair){.move = move};
  tenantdb_status status = read_source(pair, error);
  if (!status) {
    status = open_target(pair, error);
  }
  if (!status && move->settings.verify == TNDB_VERIFY_AFTER) {
    status = open_seen(pair, error);
  }
  return status;
}

void tndb_pair_deadline(tndb_move_pair *pair, tndb_deadline deadline) {
  int left = tndb_deadline_left(deadline);
  pair->out.work.deadline = deadline;
  pair->in.filling.work.deadline = deadline;
  pair->seen.deadline = deadline;
  pair->in.filling.settings.timeout_ms = left > 0 ? left : 1; /* what its steps count anew */
}

void tndb_pair_close(tndb_move_pair *pair) {
  tndb_work *source = &pair->out.work, *target = &pair->in.filling.work;
  if (source->conn && pair->out.copying) {
    tndb_conn_cancel(source->conn);
    source->conn->dead = true; /* how many rows are still to come, nobody knows */
  }
  if (target->conn && pair->in.copying && !target->conn->dead) {
    (void)tndb_copy_finish(target->conn, "the move was interrupted", NULL, tndb_deadline_in(GIVE_UP_MS),
                           NULL);
  }
  tndb_pair_deadline(pair, tndb_deadline_in(GIVE_UP_MS)); /* for rolling back */
  tndb_work_end(source);
  tndb_work_end(target);
  tndb_work_end(&pair->seen);
  tndb_archive_free(&pair->out.archive);
  tndb_shape_free(&pair->in.filling.shape);
  tndb_free(pair->in.resolved);
  tndb_free(pair->definitions);
  PQclear(pair->marked);
  pair->in.resolved = NULL;
  pair->definitions = NULL;
  pair->marked = NULL;
}

/* ---------------------------------------------------------------- comparing */

static tenantdb_status query(tndb_work *work, const tndb_buffer *sql, PGresult **rows,
                             tenantdb_error **error) {
  *rows = NULL;
  return sql->failed ? tndb_no_memory(error)
                     : tndb_work_query(work, tndb_buffer_text(sql), 0, NULL, rows, error);
}

static tenantdb_status differs(const char *table, const char *what, const char *here, const char *there,
                               tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_COPY_DIFFERS,
                     "table %s has %s %s at the source, and %s in the other database", table, what, here,
                     there);
}

static tenantdb_status count_one(const tndb_move_pair *pair, tndb_work *work, PGresult **rows,
                                 tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const tndb_shape *shape = &pair->out.archive.shape;
  for (size_t i = 0; i < shape->n_tables; i++) {
    tndb_buffer_format(&sql, "%sSELECT %zu AS n, pg_catalog.count(*) FROM ", i ? " UNION ALL " : "", i);
    tndb_shape_from(&sql, pair->move->source->schema, &shape->tables[i]);
  }
  tndb_buffer_append(&sql, shape->n_tables ? " ORDER BY n" : "SELECT 1 WHERE false");
  return query(work, &sql, rows, error);
}

tenantdb_status tndb_pair_count(tndb_move_pair *pair, tenantdb_error **error) {
  const tndb_shape *shape = &pair->out.archive.shape;
  PGresult *here, *there = NULL;
  int64_t all = 0;
  tenantdb_status status = count_one(pair, &pair->out.work, &here, error);
  if (!status) {
    status = count_one(pair, pair->seen.conn ? &pair->seen : &pair->in.filling.work, &there, error);
  }
  for (int i = 0; !status && i < (int)shape->n_tables; i++) {
    int64_t count = 0;
    if (strcmp(PQgetvalue(here, i, 1), PQgetvalue(there, i, 1)) != 0) {
      status = differs(shape->tables[i].name, "a row count of", PQgetvalue(here, i, 1),
                       PQgetvalue(there, i, 1), error);
    }
    (void)tndb_number_parse(PQgetvalue(here, i, 1), &count);
    all += count;
  }
  PQclear(here);
  PQclear(there);
  if (!status) {
    tndb_auto_buffer note = TNDB_BUFFER_INIT;
    tndb_buffer_format(&note, "%lld rows in %zu tables, as many on both sides", (long long)all,
                       shape->n_tables);
    tndb_move_note(pair->move, TNDB_MOVE_SWITCH, tndb_buffer_text(&note));
  }
  return status;
}

/* Hashes depend on the machine's order of bytes. */
static tenantdb_status are_comparable(tndb_work *source, tndb_work *target, bool *comparable,
                                      tenantdb_error **error) {
  static const char probe_sql[] = "SELECT pg_catalog.hashtextextended('libtenantdb', 0)";
  PGresult *here, *there = NULL;
  tenantdb_status status = tndb_work_query(source, probe_sql, 0, NULL, &here, error);
  if (!status) {
    status = tndb_work_query(target, probe_sql, 0, NULL, &there, error);
  }
  *comparable = !status && strcmp(PQgetvalue(here, 0, 0), PQgetvalue(there, 0, 0)) == 0;
  PQclear(here);
  PQclear(there);
  return status;
}

static tenantdb_status compare_table(const tndb_move_pair *pair, size_t which, tndb_work *source,
                                     tndb_work *target, tenantdb_error **error) {
  const tndb_shape_table *table = &pair->out.archive.shape.tables[which];
  PGresult *here = NULL, *there = NULL;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_shape_checksum(&sql, pair->move->source->schema, table, table, 0);
  tenantdb_status status = query(source, &sql, &here, error);
  if (!status) {
    status = query(target, &sql, &there, error);
  }
  if (!status && (strcmp(PQgetvalue(here, 0, 1), PQgetvalue(there, 0, 1)) != 0 ||
                  strcmp(PQgetvalue(here, 0, 2), PQgetvalue(there, 0, 2)) != 0)) {
    status = differs(table->name, "the checksum", PQgetvalue(here, 0, 2), PQgetvalue(there, 0, 2), error);
  }
  PQclear(here);
  PQclear(there);
  return status;
}

tenantdb_status tndb_pair_checksums(tndb_move_pair *pair, tndb_work *source, tndb_work *target,
                                    tenantdb_error **error) {
  const tndb_shape *shape = &pair->out.archive.shape;
  tndb_auto_buffer note = TNDB_BUFFER_INIT;
  bool comparable;
  tenantdb_status status = are_comparable(source, target, &comparable, error);
  for (size_t i = 0; !status && comparable && i < shape->n_tables; i++) {
    status = compare_table(pair, i, source, target, error);
  }
  if (!status) {
    tndb_buffer_format(&note,
                       comparable ? "checksums of %zu tables agree"
                                  : "checksums of %zu tables cannot be compared between these machines",
                       shape->n_tables);
    tndb_move_note(pair->move, TNDB_MOVE_VERIFY, tndb_buffer_text(&note));
  }
  return status;
}

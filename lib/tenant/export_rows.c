/* SPDX-License-Identifier: PostgreSQL */
/* What an export consists of, one record after the other. */
#include <string.h>

#include "base/memory.h"
#include "pg/copy.h"
#include "sql/identifier.h"
#include "tenant/export.h"

static const tndb_shape_table *table_at(const tenantdb_export *source) {
  return &source->archive.shape.tables[source->at];
}

/* ---------------------------------------------------------------- COPY */

static tenantdb_status start_copy(tenantdb_export *source, const tndb_buffer *sql, tenantdb_error **error) {
  source->rows = 0;
  if (sql->failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status =
      tndb_copy_start(source->work.conn, tndb_buffer_text(sql), false, tndb_export_step(source), error);
  source->copying = !status;
  return status;
}

/* Records of what was collected: full ones, and at the end the rest. */
static void emit(tenantdb_export *source, char type, bool rest) {
  tndb_buffer *part = &source->part;
  size_t at = 0;
  source->out.bytes.failed = source->out.bytes.failed || part->failed;
  while (!part->failed && (part->length - at >= TNDB_ARCHIVE_CHUNK || (rest && at < part->length))) {
    size_t length = part->length - at < TNDB_ARCHIVE_CHUNK ? part->length - at : TNDB_ARCHIVE_CHUNK;
    tndb_archive_out_record(&source->out, type, part->data + at, length);
    at += length;
  }
  if (at > 0) {
    memmove(part->data, part->data + at, part->length - at);
    part->length -= at;
  }
}

/* Rows until there is a record of them; *ended when the COPY is over. */
static tenantdb_status read_rows(tenantdb_export *source, char type, bool *ended, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  *ended = false;
  while (!status && !*ended && source->part.length < TNDB_ARCHIVE_CHUNK && !source->part.failed) {
    char *row;
    size_t length;
    status = tndb_copy_get(source->work.conn, &row, &length, tndb_export_step(source), error);
    *ended = !status && !row;
    if (row) {
      source->rows++;
      tndb_buffer_append_n(&source->part, row, length);
      tndb_copy_release(row);
    }
  }
  source->copying = !*ended && !status;
  emit(source, type, *ended);
  if (source->part.capacity > 16 * TNDB_ARCHIVE_CHUNK && source->part.length == 0) {
    tndb_buffer_free(&source->part); /* a row was long; the next ones need not be */
  }
  return status;
}

/* ---------------------------------------------------------------- references */

static void append_pairs(tndb_buffer *sql, const tndb_archive_reference *reference) {
  for (size_t i = 0; i < reference->columns.count; i++) {
    tndb_buffer_append(sql, i ? " AND s." : " ON s.");
    tndb_quote_identifier(sql, reference->target.items[i]);
    tndb_buffer_append(sql, " = c.");
    tndb_quote_identifier(sql, reference->columns.items[i]);
  }
  for (size_t i = 0; i < reference->columns.count; i++) {
    tndb_buffer_append(sql, i ? " AND c." : " WHERE c.");
    tndb_quote_identifier(sql, reference->columns.items[i]);
    tndb_buffer_append(sql, " IS NOT NULL");
  }
}

void tndb_export_keys_sql(tndb_buffer *sql, const tenantdb_export *source, size_t which) {
  const tndb_archive_reference *reference = &source->archive.references[which];
  tndb_buffer_append(sql, "COPY (SELECT DISTINCT ");
  for (size_t i = 0; i < reference->columns.count; i++) {
    tndb_buffer_append(sql, i ? ", c." : "c.");
    tndb_quote_identifier(sql, reference->columns.items[i]);
  }
  for (size_t i = 0; i < reference->natural.count; i++) {
    tndb_buffer_append(sql, ", s.");
    tndb_quote_identifier(sql, reference->natural.items[i]);
  }
  tndb_buffer_append(sql, " FROM ");
  tndb_shape_from(sql, source->tenant->schema, &source->archive.shape.tables[reference->table]);
  tndb_buffer_append(sql, " c LEFT JOIN ");
  tndb_shape_name(sql, tndb_database_shared_schema(source->work.db), reference->shared);
  tndb_buffer_append(sql, " s");
  append_pairs(sql, reference);
  tndb_buffer_append(sql, ") TO STDOUT");
}

static tenantdb_status start_keys(tenantdb_export *source, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_archive_put_reference(&source->out, &source->archive.references[source->at]);
  tndb_export_keys_sql(&sql, source, source->at);
  source->stage = TNDB_EXPORT_KEYS;
  return start_copy(source, &sql, error);
}

static tenantdb_status read_keys(tenantdb_export *source, tenantdb_error **error) {
  bool ended;
  tenantdb_status status = read_rows(source, TNDB_ARCHIVE_KEYS, &ended, error);
  if (!status && ended) {
    tndb_archive_put_keys_end(&source->out, source->rows);
    source->at++;
    source->stage = TNDB_EXPORT_REFERENCE;
  }
  return status;
}

/* ---------------------------------------------------------------- tables */

static tenantdb_status start_table(tenantdb_export *source, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_archive_put_begin(&source->out, source->at);
  tndb_buffer_append(&sql, "COPY (SELECT ");
  tndb_shape_columns(&sql, table_at(source));
  tndb_buffer_append(&sql, " FROM ");
  tndb_shape_from(&sql, source->tenant->schema, table_at(source));
  tndb_buffer_append(&sql, ") TO STDOUT");
  source->stage = TNDB_EXPORT_ROWS;
  return start_copy(source, &sql, error);
}

/* The table once more, by the server: what an import compares its own with. */
static tenantdb_status end_table(tenantdb_export *source, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *found;
  int64_t rows;
  tndb_shape_checksum(&sql, source->tenant->schema, table_at(source), table_at(source), 0);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  (void)tndb_export_step(source);
  tenantdb_status status = tndb_work_query(&source->work, tndb_buffer_text(&sql), 0, NULL, &found, error);
  if (status) {
    return status;
  }
  if (!tndb_number_parse(PQgetvalue(found, 0, 1), &rows) || (uint64_t)rows != source->rows) {
    status = tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_COPY_DIFFERS,
                         "table %s has %s rows, and %llu were read", table_at(source)->name,
                         PQgetvalue(found, 0, 1), (unsigned long long)source->rows);
  }
  const tndb_archive_rows sum = {source->rows, 0, PQgetvalue(found, 0, 2)};
  if (!status) {
    tndb_archive_put_rows_end(&source->out, &sum);
    source->archive.total += source->rows;
    source->at++;
    source->stage = TNDB_EXPORT_TABLE;
  }
  PQclear(found);
  return status;
}

static tenantdb_status read_table(tenantdb_export *source, tenantdb_error **error) {
  bool ended;
  tenantdb_status status = read_rows(source, TNDB_ARCHIVE_ROWS, &ended, error);
  if (!status && ended) {
    status = end_table(source, error);
  }
  if (status && error) {
    tndb_error_prefix(error, "reading table %s", table_at(source)->name);
  }
  return status;
}

/* ---------------------------------------------------------------- head and end */

static void put_head(tenantdb_export *source) {
  tndb_archive_put_header(&source->out, &source->archive);
  for (size_t i = 0; i < source->archive.shape.n_tables; i++) {
    tndb_archive_put_table(&source->out, &source->archive.shape.tables[i]);
  }
  source->stage = TNDB_EXPORT_REFERENCE;
}

/* Sequences are of no moment. Read at the end, they stand behind every number that was copied. */
static tenantdb_status put_sequences(tenantdb_export *source, tenantdb_error **error) {
  tndb_shape *shape = &source->archive.shape;
  (void)tndb_export_step(source);
  tenantdb_status status = tndb_shape_read_sequences(&source->work, source->tenant->schema, shape, error);
  for (size_t i = 0; !status && i < shape->n_sequences; i++) {
    tndb_archive_put_sequence(&source->out, &shape->sequences[i]);
  }
  if (!status) {
    tndb_archive_put_end(&source->out, source->archive.total);
    source->stage = TNDB_EXPORT_DONE;
  }
  return status;
}

tenantdb_status tndb_export_advance(tenantdb_export *source, tenantdb_error **error) {
  const tndb_archive *archive = &source->archive;
  switch (source->stage) {
    case TNDB_EXPORT_HEAD:
      put_head(source);
      return TENANTDB_OK;
    case TNDB_EXPORT_REFERENCE:
      if (source->at < archive->n_references) {
        return start_keys(source, error);
      }
      source->at = 0;
      source->stage = TNDB_EXPORT_TABLE;
      return TENANTDB_OK;
    case TNDB_EXPORT_KEYS:
      return read_keys(source, error);
    case TNDB_EXPORT_TABLE:
      if (source->at < archive->n_tables) {
        return start_table(source, error);
      }
      source->stage = TNDB_EXPORT_SEQUENCES;
      return TENANTDB_OK;
    case TNDB_EXPORT_ROWS:
      return read_table(source, error);
    case TNDB_EXPORT_SEQUENCES:
      return put_sequences(source, error);
    default:
      return TENANTDB_OK;
  }
}

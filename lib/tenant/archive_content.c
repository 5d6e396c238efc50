/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/archive_content.h"

#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "sql/identifier.h"

enum { NOT_NULL = 1, IDENTITY = 2, GENERATED = 4, OPTIONAL = 8 };

/* ---------------------------------------------------------------- keeping */

void tndb_archive_free(tndb_archive *archive) {
  for (int i = 0; i < TNDB_ARCHIVE_N_TEXTS; i++) {
    tndb_free(archive->texts[i]);
  }
  for (size_t i = 0; i < archive->read_references; i++) {
    tndb_archive_reference *reference = &archive->references[i];
    tndb_names_free(&reference->columns);
    tndb_names_free(&reference->target);
    tndb_names_free(&reference->natural);
    tndb_free(reference->shared);
  }
  for (size_t i = 0; i < archive->read_rows; i++) {
    tndb_free(archive->rows[i].checksum);
  }
  tndb_free(archive->references);
  tndb_free(archive->rows);
  tndb_shape_free(&archive->shape);
  *archive = (tndb_archive){.texts = {NULL}};
}

tndb_archive_reference *tndb_archive_add_reference(tndb_archive *archive) {
  tndb_archive_reference *bigger =
      tndb_array_room(archive->references, archive->read_references, sizeof *bigger);
  if (!bigger) {
    return NULL;
  }
  archive->references = bigger;
  return &bigger[archive->read_references++];
}

tndb_archive_rows *tndb_archive_add_rows(tndb_archive *archive) {
  tndb_archive_rows *bigger = tndb_array_room(archive->rows, archive->read_rows, sizeof *bigger);
  if (!bigger) {
    return NULL;
  }
  archive->rows = bigger;
  return &bigger[archive->read_rows++];
}

/* ---------------------------------------------------------------- writing */

static void put(tndb_archive_out *out, char type, const tndb_buffer *payload) {
  out->bytes.failed = out->bytes.failed || payload->failed;
  tndb_archive_out_record(out, type, payload->data, payload->length);
}

void tndb_archive_put_header(tndb_archive_out *out, const tndb_archive *archive) {
  tndb_auto_buffer payload = TNDB_BUFFER_INIT;
  for (int i = 0; i < TNDB_ARCHIVE_N_TEXTS; i++) {
    tndb_put_text(&payload, archive->texts[i]);
  }
  tndb_put_number(&payload, archive->server, 4);
  tndb_put_number(&payload, (uint64_t)archive->version, 8);
  tndb_put_number(&payload, archive->n_tables, 4);
  tndb_put_number(&payload, archive->n_references, 4);
  put(out, TNDB_ARCHIVE_HEADER, &payload);
}

void tndb_archive_put_table(tndb_archive_out *out, const tndb_shape_table *table) {
  tndb_auto_buffer payload = TNDB_BUFFER_INIT;
  tndb_put_text(&payload, table->name);
  tndb_put_number(&payload, (unsigned char)table->kind, 1);
  tndb_put_number(&payload, table->n_columns, 4);
  for (size_t i = 0; i < table->n_columns; i++) {
    const tndb_shape_column *column = &table->columns[i];
    tndb_put_text(&payload, column->name);
    tndb_put_text(&payload, column->type);
    tndb_put_number(&payload,
                    (column->not_null ? NOT_NULL : 0u) | (column->identity ? IDENTITY : 0u) |
                        (column->generated ? GENERATED : 0u) | (column->optional ? OPTIONAL : 0u),
                    1);
  }
  put(out, TNDB_ARCHIVE_TABLE, &payload);
}

static void put_names(tndb_buffer *payload, const tndb_names *names) {
  tndb_put_number(payload, names->count, 4);
  for (size_t i = 0; i < names->count; i++) {
    tndb_put_text(payload, names->items[i]);
  }
}

void tndb_archive_put_reference(tndb_archive_out *out, const tndb_archive_reference *reference) {
  tndb_auto_buffer payload = TNDB_BUFFER_INIT;
  tndb_put_number(&payload, reference->table, 4);
  tndb_put_text(&payload, reference->shared);
  put_names(&payload, &reference->columns);
  put_names(&payload, &reference->target);
  put_names(&payload, &reference->natural);
  put(out, TNDB_ARCHIVE_REFERENCE, &payload);
}

void tndb_archive_put_keys_end(tndb_archive_out *out, uint64_t keys) {
  tndb_auto_buffer payload = TNDB_BUFFER_INIT;
  tndb_put_number(&payload, keys, 8);
  put(out, TNDB_ARCHIVE_KEYS_END, &payload);
}

void tndb_archive_put_begin(tndb_archive_out *out, size_t table) {
  tndb_auto_buffer payload = TNDB_BUFFER_INIT;
  tndb_put_number(&payload, table, 4);
  put(out, TNDB_ARCHIVE_BEGIN, &payload);
}

void tndb_archive_put_rows_end(tndb_archive_out *out, const tndb_archive_rows *rows) {
  tndb_auto_buffer payload = TNDB_BUFFER_INIT;
  tndb_put_number(&payload, rows->rows, 8);
  tndb_put_text(&payload, rows->checksum);
  put(out, TNDB_ARCHIVE_ROWS_END, &payload);
}

void tndb_archive_put_sequence(tndb_archive_out *out, const tndb_shape_sequence *sequence) {
  tndb_auto_buffer payload = TNDB_BUFFER_INIT;
  tndb_put_text(&payload, sequence->name);
  tndb_put_text(&payload, sequence->table);
  tndb_put_text(&payload, sequence->column);
  tndb_put_number(&payload, (uint64_t)sequence->last_value, 8);
  tndb_put_number(&payload, sequence->is_called, 1);
  put(out, TNDB_ARCHIVE_SEQUENCE, &payload);
}

void tndb_archive_put_end(tndb_archive_out *out, uint64_t total) {
  tndb_auto_buffer payload = TNDB_BUFFER_INIT;
  unsigned char digest[TNDB_SHA256_BYTES];
  tndb_archive_out_sum(out, digest);
  tndb_put_number(&payload, out->records, 8);
  tndb_put_number(&payload, total, 8);
  tndb_buffer_append_n(&payload, (const char *)digest, sizeof digest);
  put(out, TNDB_ARCHIVE_END, &payload);
}

/* ---------------------------------------------------------------- reading */

/* What may come next. */
enum { WANT_HEADER, WANT_TABLE, WANT_REFERENCE, IN_KEYS, WANT_BEGIN, IN_ROWS, WANT_SEQUENCE, ENDED };

static tenantdb_status wrong(const tndb_archive_in *in, const char *what, tenantdb_error **error) {
  return tndb_origin(
      error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARCHIVE,
      "the archive is not what this library writes: %s (record %llu, which begins at byte %llu)", what,
      (unsigned long long)in->records + 1, (unsigned long long)in->offset);
}

/* What the counts say comes next, past what there is none of. */
static void settle(tndb_archive *archive) {
  if (archive->stage == WANT_TABLE && archive->shape.n_tables == archive->n_tables) {
    archive->stage = WANT_REFERENCE;
  }
  if (archive->stage == WANT_REFERENCE && archive->read_references == archive->n_references) {
    archive->stage = WANT_BEGIN;
  }
  if (archive->stage == WANT_BEGIN && archive->read_rows == archive->n_tables) {
    archive->stage = WANT_SEQUENCE;
  }
}

static void take_header(tndb_archive *archive, tndb_payload *payload) {
  for (int i = 0; i < TNDB_ARCHIVE_N_TEXTS; i++) {
    archive->texts[i] = tndb_take_text(payload);
  }
  archive->server = (uint32_t)tndb_take_number(payload, 4);
  archive->version = (int64_t)tndb_take_number(payload, 8);
  archive->n_tables = (size_t)tndb_take_number(payload, 4);
  archive->n_references = (size_t)tndb_take_number(payload, 4);
  payload->wrong = payload->wrong || (archive->texts[TNDB_ARCHIVE_ID] &&
                                      !tndb_uuid_parse(archive->texts[TNDB_ARCHIVE_ID], NULL));
  archive->stage = WANT_TABLE;
}

static bool is_name(const char *text) {
  return *text && strlen(text) <= TNDB_IDENTIFIER_BYTES;
}

/* A name; "" is one where `optional`. */
static char *take_name(tndb_payload *payload, bool optional) {
  char *name = tndb_take_text(payload);
  payload->wrong = payload->wrong || (name && !is_name(name) && !(optional && !*name));
  return name;
}

static void take_column(tndb_shape_table *table, tndb_payload *payload) {
  char *name = take_name(payload, false);
  char *type = tndb_take_text(payload);
  unsigned flags = (unsigned)tndb_take_number(payload, 1);
  if (name && type) {
    payload->wrong = payload->wrong || tndb_shape_find_column(table, name);
    tndb_shape_column *column = tndb_shape_add_column(table, name, type);
    payload->no_memory = payload->no_memory || !column;
    if (column) {
      column->not_null = flags & NOT_NULL;
      column->identity = flags & IDENTITY;
      column->generated = flags & GENERATED;
      column->optional = flags & OPTIONAL;
    }
  }
  tndb_free(name);
  tndb_free(type);
}

static void take_table(tndb_archive *archive, tndb_payload *payload) {
  char *name = take_name(payload, false);
  char kind = (char)tndb_take_number(payload, 1);
  uint64_t count = tndb_take_number(payload, 4);
  payload->wrong =
      payload->wrong || (kind != 'r' && kind != 'p') || (name && tndb_shape_find(&archive->shape, name));
  tndb_shape_table *table =
      name && !payload->wrong ? tndb_shape_add_table(&archive->shape, name, kind) : NULL;
  payload->no_memory = payload->no_memory || (name && !payload->wrong && !table);
  for (uint64_t i = 0; table && i < count && !payload->wrong && !payload->no_memory; i++) {
    take_column(table, payload);
  }
  tndb_free(name);
}

static void take_names(tndb_payload *payload, tndb_names *names) {
  uint64_t count = tndb_take_number(payload, 4);
  for (uint64_t i = 0; i < count && !payload->wrong && !payload->no_memory; i++) {
    char *name = take_name(payload, false);
    payload->no_memory = payload->no_memory || (name && !tndb_names_add(names, name));
    tndb_free(name);
  }
}

static void take_reference(tndb_archive *archive, tndb_payload *payload) {
  tndb_archive_reference *reference = tndb_archive_add_reference(archive);
  if (!reference) {
    payload->no_memory = true;
    return;
  }
  reference->table = (size_t)tndb_take_number(payload, 4);
  reference->shared = take_name(payload, false);
  take_names(payload, &reference->columns);
  take_names(payload, &reference->target);
  take_names(payload, &reference->natural);
  payload->wrong = payload->wrong || reference->table >= archive->n_tables || reference->columns.count == 0 ||
                   reference->columns.count != reference->target.count;
  for (size_t i = 0; !payload->wrong && !payload->no_memory && i < reference->columns.count; i++) {
    payload->wrong =
        !tndb_shape_find_column(&archive->shape.tables[reference->table], reference->columns.items[i]);
  }
  archive->stage = IN_KEYS;
}

static void take_begin(tndb_archive *archive, tndb_payload *payload) {
  payload->wrong = tndb_take_number(payload, 4) != archive->read_rows || payload->wrong;
  archive->bytes = 0;
  archive->stage = IN_ROWS;
}

static void take_rows_end(tndb_archive *archive, tndb_payload *payload) {
  tndb_archive_rows *rows = tndb_archive_add_rows(archive);
  if (!rows) {
    payload->no_memory = true;
    return;
  }
  rows->rows = tndb_take_number(payload, 8);
  rows->checksum = tndb_take_text(payload);
  rows->bytes = archive->bytes;
  archive->total += rows->rows;
  archive->stage = WANT_BEGIN;
}

static void take_sequence(tndb_archive *archive, tndb_payload *payload) {
  char *name = take_name(payload, false);
  char *table = take_name(payload, true);
  char *column = take_name(payload, true);
  int64_t last = (int64_t)tndb_take_number(payload, 8);
  uint64_t called = tndb_take_number(payload, 1);
  if (name && table && column) {
    tndb_shape_sequence *sequence = tndb_shape_add_sequence(&archive->shape, name, table, column);
    payload->no_memory = payload->no_memory || !sequence;
    payload->wrong = payload->wrong || called > 1;
    if (sequence) {
      sequence->last_value = last;
      sequence->is_called = called == 1;
    }
  }
  tndb_free(name);
  tndb_free(table);
  tndb_free(column);
}

static void take_end(tndb_archive *archive, const tndb_archive_in *in, tndb_payload *payload) {
  uint64_t records = tndb_take_number(payload, 8);
  uint64_t total = tndb_take_number(payload, 8);
  payload->wrong = payload->wrong || records != in->records || total != archive->total ||
                   payload->left < TNDB_SHA256_BYTES || memcmp(payload->at, in->sum, TNDB_SHA256_BYTES) != 0;
  archive->stage = ENDED;
}

static bool may_come(const tndb_archive *archive, char type) {
  static const char *const allowed[] = {"H", "T", "F", "KL", "B", "DE", "QZ", ""};
  return type && strchr(allowed[archive->stage], type);
}

tenantdb_status tndb_archive_accept(tndb_archive *archive, const tndb_archive_in *in, char type,
                                    const unsigned char *bytes, size_t length, tenantdb_error **error) {
  tndb_payload payload = {bytes, length, false, false};
  if (!may_come(archive, type)) {
    return wrong(in, "a record is not where it belongs", error);
  }
  switch (type) {
    case TNDB_ARCHIVE_HEADER:
      take_header(archive, &payload);
      break;
    case TNDB_ARCHIVE_TABLE:
      take_table(archive, &payload);
      break;
    case TNDB_ARCHIVE_REFERENCE:
      take_reference(archive, &payload);
      break;
    case TNDB_ARCHIVE_KEYS_END:
      archive->references[archive->read_references - 1].keys = tndb_take_number(&payload, 8);
      archive->stage = WANT_REFERENCE;
      break;
    case TNDB_ARCHIVE_BEGIN:
      take_begin(archive, &payload);
      break;
    case TNDB_ARCHIVE_ROWS:
      archive->bytes += length;
      break;
    case TNDB_ARCHIVE_ROWS_END:
      take_rows_end(archive, &payload);
      break;
    case TNDB_ARCHIVE_SEQUENCE:
      take_sequence(archive, &payload);
      break;
    case TNDB_ARCHIVE_END:
      take_end(archive, in, &payload);
      break;
    default:
      break; /* keys: whoever reads takes them from the record */
  }
  settle(archive);
  return payload.no_memory ? tndb_no_memory(error)
         : payload.wrong   ? wrong(in, "a record says what cannot be", error)
                           : TENANTDB_OK;
}

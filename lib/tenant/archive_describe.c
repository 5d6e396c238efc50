/* SPDX-License-Identifier: PostgreSQL */
/* What is in an archive, without a database: every check is made on the way. */
#include <string.h>
#include <tenantdb/archive.h>

#include "base/memory.h"
#include "base/result.h"
#include "tenant/archive_content.h"
#include "tenant/archive_file.h"

typedef struct reading {
  tndb_archive_in in;
  tndb_archive archive;
} reading;

static tenantdb_status take(void *user, char type, const unsigned char *payload, size_t length,
                            tenantdb_error **error) {
  reading *r = user;
  return tndb_archive_accept(&r->archive, &r->in, type, payload, length, error);
}

static void start(reading *r) {
  *r = (reading){.archive = {.texts = {NULL}}};
  tndb_archive_in_start(&r->in);
}

/* ---------------------------------------------------------------- the table */

static void add(tndb_table *table, const char *kind, const char *name, const char *detail, const char *rows,
                const char *bytes) {
  const char *cells[] = {kind, name, detail, rows, bytes};
  tndb_table_row(table, cells);
}

static bool add_number(tndb_table *table, const char *name, int64_t number) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_format(&text, "%lld", (long long)number);
  add(table, "archive", name, tndb_buffer_text(&text), NULL, NULL);
  return !text.failed;
}

static bool add_head(tndb_table *table, const reading *r) {
  static const char *const names[TNDB_ARCHIVE_N_TEXTS] = {
      "library", "created", "id", "slug", "name", "state", "properties", "registry_hash", NULL};
  bool all = add_number(table, "format", TNDB_ARCHIVE_VERSION);
  for (int i = 0; i < TNDB_ARCHIVE_N_TEXTS; i++) {
    if (names[i]) {
      add(table, "archive", names[i], r->archive.texts[i], NULL, NULL);
    }
  }
  all = add_number(table, "server_version", r->archive.server) && all;
  all = add_number(table, "schema_version", r->archive.version) && all;
  return add_number(table, "bytes", (int64_t)r->in.read) && all;
}

static void add_names(tndb_buffer *text, const tndb_names *names) {
  tndb_buffer_append(text, "(");
  for (size_t i = 0; i < names->count; i++) {
    tndb_buffer_append(text, i ? ", " : "");
    tndb_buffer_append(text, names->items[i]);
  }
  tndb_buffer_append(text, ")");
}

static bool add_table(tndb_table *table, const tndb_shape_table *is, const tndb_archive_rows *held) {
  tndb_auto_buffer detail = TNDB_BUFFER_INIT;
  tndb_auto_buffer rows = TNDB_BUFFER_INIT;
  tndb_auto_buffer bytes = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < is->n_columns; i++) {
    tndb_buffer_append(&detail, i ? ", " : "");
    tndb_buffer_append(&detail, is->columns[i].name);
    tndb_buffer_append_char(&detail, ' ');
    tndb_buffer_append(&detail, is->columns[i].type);
  }
  tndb_buffer_format(&rows, "%llu", (unsigned long long)held->rows);
  tndb_buffer_format(&bytes, "%llu", (unsigned long long)held->bytes);
  add(table, "table", is->name, tndb_buffer_text(&detail), tndb_buffer_text(&rows), tndb_buffer_text(&bytes));
  return !detail.failed && !rows.failed && !bytes.failed;
}

static bool add_reference(tndb_table *table, const tndb_archive *archive,
                          const tndb_archive_reference *reference) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_auto_buffer detail = TNDB_BUFFER_INIT;
  tndb_auto_buffer keys = TNDB_BUFFER_INIT;
  tndb_buffer_append(&name, archive->shape.tables[reference->table].name);
  tndb_buffer_append_char(&name, ' ');
  add_names(&name, &reference->columns);
  tndb_buffer_append(&detail, reference->shared);
  tndb_buffer_append_char(&detail, ' ');
  add_names(&detail, &reference->target);
  if (reference->natural.count > 0) {
    tndb_buffer_append(&detail, " known by ");
    add_names(&detail, &reference->natural);
  }
  tndb_buffer_format(&keys, "%llu", (unsigned long long)reference->keys);
  add(table, "reference", tndb_buffer_text(&name), tndb_buffer_text(&detail), tndb_buffer_text(&keys), NULL);
  return !name.failed && !detail.failed && !keys.failed;
}

static bool add_sequence(tndb_table *table, const tndb_shape_sequence *sequence) {
  tndb_auto_buffer detail = TNDB_BUFFER_INIT;
  tndb_buffer_format(&detail, "%lld%s", (long long)sequence->last_value,
                     sequence->is_called ? "" : ", not used yet");
  add(table, "sequence", sequence->name, tndb_buffer_text(&detail), NULL, NULL);
  return !detail.failed;
}

static bool add_all(tndb_table *table, const tndb_archive *archive) {
  bool all = true;
  for (size_t i = 0; i < archive->shape.n_tables; i++) {
    all = add_table(table, &archive->shape.tables[i], &archive->rows[i]) && all;
  }
  for (size_t i = 0; i < archive->read_references; i++) {
    all = add_reference(table, archive, &archive->references[i]) && all;
  }
  for (size_t i = 0; i < archive->shape.n_sequences; i++) {
    all = add_sequence(table, &archive->shape.sequences[i]) && all;
  }
  return all;
}

static tenantdb_status finish(reading *r, tenantdb_result **result, tenantdb_error **error) {
  static const char *const columns[] = {"kind", "name", "detail", "rows", "bytes"};
  tenantdb_status status = tndb_archive_in_finish(&r->in, error);
  if (status) {
    return status;
  }
  tndb_table *table = tndb_table_new(columns, 5);
  if (!add_head(table, r) || !add_all(table, &r->archive)) {
    tndb_table_free(table);
    return tndb_no_memory(error);
  }
  return tndb_table_finish(table, result, error);
}

static void end(reading *r) {
  tndb_archive_free(&r->archive);
  tndb_archive_in_free(&r->in);
}

tenantdb_status tenantdb_archive_describe(const void *bytes, size_t length, tenantdb_result **result,
                                          tenantdb_error **error) {
  tndb_error_reset(error);
  if (result) {
    *result = NULL;
  }
  if (!result || (!bytes && length > 0)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       result ? "bytes" : "result");
  }
  reading r;
  start(&r);
  tenantdb_status status = tndb_archive_in_feed(&r.in, bytes, length, take, &r, error);
  status = status ? status : finish(&r, result, error);
  end(&r);
  return status;
}

static tenantdb_status read_file(reading *r, int file, const char *path, tenantdb_error **error) {
  char *part = tndb_alloc(TNDB_FILE_PART);
  size_t length = 1;
  tenantdb_status status = part ? TENANTDB_OK : tndb_no_memory(error);
  while (!status && length > 0) {
    status = tndb_file_read(file, path, part, TNDB_FILE_PART, &length, error);
    if (!status) {
      status = tndb_archive_in_feed(&r->in, part, length, take, r, error);
    }
  }
  tndb_free(part);
  return status;
}

tenantdb_status tenantdb_archive_describe_file(const char *path, tenantdb_result **result,
                                               tenantdb_error **error) {
  tndb_error_reset(error);
  if (result) {
    *result = NULL;
  }
  if (!path || !result) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       path ? "result" : "path");
  }
  int file;
  reading r;
  tenantdb_status status = tndb_file_open(path, &file, error);
  if (status) {
    return status;
  }
  start(&r);
  status = read_file(&r, file, path, error);
  status = status ? status : finish(&r, result, error);
  end(&r);
  tndb_file_close(file);
  return status;
}

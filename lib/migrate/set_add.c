/* SPDX-License-Identifier: PostgreSQL */
/* Migrations that are added in code. */
#include <string.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "migrate/source.h"

/* The place, for messages. */
static void describe(tndb_buffer *file, const tndb_source *source, bool down) {
  if (source->kind == TNDB_MIGRATION_REPEATABLE) {
    tndb_buffer_format(file, "%s %s", tndb_stream_name(source->stream), source->name);
    return;
  }
  tndb_buffer_format(
      file, "%s version %lld%s%s", tndb_stream_name(source->stream), (long long)source->version,
      source->kind == TNDB_MIGRATION_CHECKPOINT ? " (checkpoint)" : "", down ? " (way back)" : "");
}

static tenantdb_status check(const tndb_source *source, const char *stream, tenantdb_error **error) {
  bool named = source->kind == TNDB_MIGRATION_REPEATABLE;
  size_t bad = 0;
  if (!source->text || !source->name) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                       "a migration added to stream %s: its %s is NULL", stream,
                       source->text ? "name" : "text");
  }
  if (named && (*source->name == '\0' || strlen(source->name) > 200)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                       "a repeatable migration added to stream %s: its name has %zu bytes; it has 1 to 200",
                       stream, strlen(source->name));
  }
  if (!named && (source->version < 1 || source->version > TNDB_VERSION_MOST)) {
    return tndb_origin(
        error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
        "a migration added to stream %s: %lld is no version; it is 1 or more and has at most 18 "
        "digits",
        stream, (long long)source->version);
  }
  const char *words = named ? source->name : source->title;
  if (!tndb_utf8_valid(words, strlen(words), &bad)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                       "a migration added to stream %s: its %s is not valid UTF-8 at byte %zu", stream,
                       named ? "name" : "title", bad + 1);
  }
  return TENANTDB_OK;
}

static tenantdb_status take(tenantdb_migrations *set, tndb_source *source, const char *stream, bool down,
                            tenantdb_error **error) {
  tndb_auto_buffer file = TNDB_BUFFER_INIT;
  tenantdb_status status = tndb_stream_of(stream, &source->stream, error);
  if (!status) {
    status = check(source, stream, error);
  }
  if (status) {
    return status;
  }
  describe(&file, source, down);
  if (file.failed) {
    return tndb_no_memory(error);
  }
  source->file = tndb_buffer_text(&file);
  source->length = strlen(source->text);
  return down ? tndb_source_take_down(set, source, error) : tndb_source_take(set, source, NULL, error);
}

static void add(tenantdb_migrations *set, tndb_source source, const char *stream, bool down) {
  if (tndb_migrations_check(set, NULL) || !tndb_migrations_open_for(set) || set->mistake) {
    return;
  }
  tenantdb_error *mistake = NULL;
  (void)take(set, &source, stream, down, &mistake);
  tndb_migrations_keep(set, mistake);
}

void tenantdb_migration_add(tenantdb_migrations *set, const char *stream, int64_t version, const char *title,
                            const char *sql) {
  add(set, (tndb_source){.version = version, .title = title ? title : "", .name = "", .text = sql}, stream,
      false);
}

void tenantdb_migration_add_down(tenantdb_migrations *set, const char *stream, int64_t version,
                                 const char *sql) {
  add(set, (tndb_source){.version = version, .title = "", .name = "", .text = sql}, stream, true);
}

void tenantdb_migration_add_repeatable(tenantdb_migrations *set, const char *stream, const char *name,
                                       const char *sql) {
  add(set,
      (tndb_source){.kind = TNDB_MIGRATION_REPEATABLE, .title = name ? name : "", .name = name, .text = sql},
      stream, false);
}

void tenantdb_migration_add_checkpoint(tenantdb_migrations *set, int64_t version, const char *title,
                                       const char *sql) {
  add(set,
      (tndb_source){.kind = TNDB_MIGRATION_CHECKPOINT,
                    .version = version,
                    .title = title ? title : "",
                    .name = "",
                    .text = sql},
      "tenant", false);
}

/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/source.h"

#include <stdarg.h>
#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "migrate/marker.h"
#include "migrate/set_steps.h"
#include "sql/classify.h"

tenantdb_status tndb_source_refuse(tenantdb_error **error, const char *file, int32_t line, const char *format,
                                   ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)tndb_vorigin(error, TENANTDB_MIGRATION, TENANTDB_REASON_BAD_MIGRATION, format, arguments);
  va_end(arguments);
  if (line == 0) {
    tndb_error_prefix(error, "%s", file);
  } else {
    tndb_error_prefix(error, "%s, line %d", file, (int)line);
  }
  return TENANTDB_MIGRATION;
}

bool tndb_source_version(const char *digits, size_t length, int64_t *version) {
  int64_t value = 0;
  for (; length > 1 && *digits == '0'; length--) {
    digits++;
  }
  if (length == 0 || length > 18) {
    return false;
  }
  for (size_t i = 0; i < length; i++) {
    if (digits[i] < '0' || digits[i] > '9') {
      return false;
    }
    value = value * 10 + (digits[i] - '0');
  }
  *version = value;
  return value > 0;
}

/* ---------------------------------------------------------------- text */

static int32_t line_of(const char *text, size_t at) {
  int32_t line = 1;
  for (size_t i = 0; i < at; i++) {
    line += text[i] == '\n';
  }
  return line;
}

tenantdb_status tndb_source_normalise(const char *file, const char *from, size_t length, tndb_buffer *text,
                                      tenantdb_error **error) {
  static const char mark[] = "\xef\xbb\xbf";
  size_t bad = 0;
  if (length > TNDB_SOURCE_MOST_BYTES) {
    return tndb_source_refuse(error, file, 0,
                              "it has %zu bytes; a migration has at most %zu. Rows in bulk are no migration",
                              length, TNDB_SOURCE_MOST_BYTES);
  }
  if (length >= 3 && memcmp(from, mark, 3) == 0) {
    from += 3;
    length -= 3;
  }
  const char *null = length ? memchr(from, '\0', length) : NULL;
  if (null) {
    return tndb_source_refuse(error, file, line_of(from, (size_t)(null - from)),
                              "a NUL byte, which no text has; is the file in UTF-16? It must be in UTF-8");
  }
  if (!tndb_utf8_valid(from, length, &bad)) {
    return tndb_source_refuse(error, file, line_of(from, bad),
                              "byte 0x%02x is not valid UTF-8; save the file in UTF-8",
                              (unsigned)(unsigned char)from[bad]);
  }
  for (size_t at = 0; at < length;) {
    const char *end = memchr(from + at, '\r', length - at);
    size_t stop = end ? (size_t)(end - from) : length;
    tndb_buffer_append_n(text, from + at, stop - at);
    at = stop;
    if (end && !(at + 1 < length && from[at + 1] == '\n')) {
      tndb_buffer_append_char(text, '\r');
    }
    at += end != NULL;
  }
  tndb_buffer_append_n(text, "", 0);
  return text->failed ? tndb_no_memory(error) : TENANTDB_OK;
}

/* Flyway puts values in the place of ${name}; here that would reach the server as it is. */
static tenantdb_status check_placeholders(const tndb_source *source, const char *text,
                                          tenantdb_error **error) {
  if (source->naming != TNDB_NAMING_FLYWAY || source->placeholders) {
    return TENANTDB_OK;
  }
  for (const char *at = text; (at = strstr(at, "${")) != NULL; at += 2) {
    size_t length = strspn(at + 2, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-");
    if (length > 0 && at[2 + length] == '}') {
      return tndb_source_refuse(
          error, source->file, line_of(text, (size_t)(at - text)),
          "the placeholder %.*s is not replaced here: write what is meant, or, if it is meant "
          "literally, placeholderReplacement=false in %s.conf",
          (int)(length < 60 ? length + 3 : 60), at, source->file);
    }
  }
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- a migration */

/* What a file's name says of the tool, and what stands in the file. */
static tenantdb_status check_tool(const tndb_source *source, const tndb_layout *layout,
                                  tenantdb_error **error) {
  static const char *const names[TNDB_N_NAMINGS] = {"auto",           "tenantdb", "Flyway",
                                                    "golang-migrate", "goose",    "dbmate"};
  bool sections = layout->tool != TNDB_NAMING_TENANTDB;
  bool wanted = source->naming == TNDB_NAMING_GOOSE || source->naming == TNDB_NAMING_DBMATE;
  if (sections && source->naming != TNDB_NAMING_AUTO && source->naming != layout->tool) {
    return tndb_source_refuse(error, source->file, 0, "it has markers of %s, but is a file of %s",
                              names[layout->tool], names[source->naming]);
  }
  if (wanted && source->strict && !sections) {
    return tndb_source_refuse(
        error, source->file, 0,
        "it has no section for the way there (%s), as files of %s do; set option naming "
        "otherwise if it is none of those",
        source->naming == TNDB_NAMING_GOOSE ? "-- +goose Up" : "-- migrate:up", names[source->naming]);
  }
  return TENANTDB_OK;
}

/* Tools without a word for it run some files outside of a transaction by what is in them. */
static bool runs_outside_by_nature(const tndb_source *source, const tndb_steps *steps) {
  bool all = steps->count > 0;
  for (size_t i = 0; i < steps->count; i++) {
    all = all && steps->items[i].way == TNDB_WAY_OUTSIDE;
  }
  return all && (source->naming == TNDB_NAMING_FLYWAY ||
                 (source->naming == TNDB_NAMING_GOLANG_MIGRATE && steps->count == 1));
}

/* golang-migrate knows no transactions: its users write BEGIN and COMMIT around a file. */
static void drop_enclosing(const tndb_source *source, tndb_steps *steps) {
  const char *first = NULL, *last = NULL;
  if (source->naming != TNDB_NAMING_GOLANG_MIGRATE || steps->count < 3 ||
      !tndb_sql_is_transaction_control(steps->items[0].sql, &first) ||
      !tndb_sql_is_transaction_control(steps->items[steps->count - 1].sql, &last)) {
    return;
  }
  bool begins = strcmp(first, "BEGIN") == 0 || strcmp(first, "START TRANSACTION") == 0;
  bool ends = strcmp(last, "COMMIT") == 0 || strcmp(last, "END") == 0;
  if (begins && ends) {
    tndb_step_clear(&steps->items[0]);
    tndb_step_clear(&steps->items[steps->count - 1]);
    steps->count -= 2;
    memmove(&steps->items[0], &steps->items[1], steps->count * sizeof *steps->items);
  }
}

/* `none` is whether it was said that there is no transaction, and `*transactional` what comes of it. */
static tenantdb_status make_steps(const tndb_source *source, const char *text, const tndb_layout *layout,
                                  bool down, bool none, tndb_steps *steps, bool *transactional,
                                  tenantdb_error **error) {
  *transactional = !none;
  tenantdb_status status = tndb_steps_make(source->file, text, layout, down, !none, steps, error);
  if (!status && *transactional && !layout->tx_said && source->tx == TNDB_TX_UNSAID &&
      runs_outside_by_nature(source, steps)) {
    tndb_steps_clear(steps);
    *transactional = false;
    status = tndb_steps_make(source->file, text, layout, down, false, steps, error);
  }
  if (!status && *transactional) {
    drop_enclosing(source, steps);
  }
  return status;
}

static bool copy(char **to, const char *text, size_t length) {
  *to = tndb_strndup(text, length);
  return *to != NULL;
}

static tenantdb_status check_kind(const tndb_source *source, const tndb_layout *layout,
                                  const tndb_migration *made, tenantdb_error **error) {
  if (made->kind == TNDB_MIGRATION_CHECKPOINT && made->stream == TNDB_STREAM_SHARED) {
    return tndb_source_refuse(
        error, source->file, 0,
        "a checkpoint is of the tenant stream: there is one shared schema, and it has begun");
  }
  if (layout->checkpoint && source->kind == TNDB_MIGRATION_REPEATABLE) {
    return tndb_source_refuse(error, source->file, 0, "a repeatable migration is no checkpoint");
  }
  if (made->kind == TNDB_MIGRATION_CHECKPOINT && !made->transactional) {
    return tndb_source_refuse(
        error, source->file, 0,
        "a checkpoint is part of the transaction that makes a tenant; it cannot be tx none");
  }
  if (made->kind != TNDB_MIGRATION_VERSIONED && layout->has_down && made->down_steps.count > 0) {
    return tndb_source_refuse(
        error, source->file, 0, "there is no way back from a %s",
        made->kind == TNDB_MIGRATION_CHECKPOINT ? "checkpoint" : "repeatable migration");
  }
  if (layout->requires && source->stream == TNDB_STREAM_SHARED) {
    return tndb_source_refuse(error, source->file, 0,
                              "directive requires is for the tenant stream; the shared one has an order");
  }
  if (made->steps.count == 0) {
    return tndb_source_refuse(
        error, source->file, 0,
        "there is no statement in it%s; an empty migration is most often a mistake: write "
        "SELECT 1 if nothing is to be done",
        layout->has_up ? "s way there" : "");
  }
  return TENANTDB_OK;
}

/* All but the sum. */
static tenantdb_status make(const tndb_source *source, const char *text, const tndb_layout *layout,
                            tndb_migration *made, tenantdb_error **error) {
  bool none = source->tx == TNDB_TX_NONE || layout->tx_none;
  made->stream = source->stream;
  made->kind = layout->checkpoint ? TNDB_MIGRATION_CHECKPOINT : source->kind;
  made->version = source->version;
  made->lock_timeout_ms = layout->lock_timeout_ms;
  made->requires = layout->requires;
  made->nolint = layout->nolint;
  if (!copy(&made->title, source->title, strlen(source->title)) ||
      !copy(&made->name, source->name, strlen(source->name)) ||
      !copy(&made->file, source->file, strlen(source->file)) ||
      !copy(&made->sql, text + layout->up_start, layout->up_end - layout->up_start)) {
    return tndb_no_memory(error);
  }
  tenantdb_status status =
      make_steps(source, text, layout, false, none, &made->steps, &made->transactional, error);
  made->down_transactional = true;
  if (!status && layout->has_down) {
    status = make_steps(source, text, layout, true, layout->down_tx_none, &made->down_steps,
                        &made->down_transactional, error);
  }
  if (!status && made->down_steps.count > 0 &&
      !copy(&made->down, text + layout->down_start, layout->down_end - layout->down_start)) {
    status = tndb_no_memory(error);
  }
  return status ? status : check_kind(source, layout, made, error);
}

tenantdb_status tndb_source_take(tenantdb_migrations *set, const tndb_source *source, tndb_naming *tool,
                                 tenantdb_error **error) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_layout layout = {.count = 0};
  tndb_migration made = {.lock_timeout_ms = -1};
  tenantdb_status status = tndb_source_normalise(source->file, source->text, source->length, &text, error);
  if (!status) {
    status = check_placeholders(source, tndb_buffer_text(&text), error);
  }
  if (!status) {
    tndb_sha256_hex(tndb_buffer_text(&text), text.length, made.sum);
    status = tndb_layout_read(source->file, tndb_buffer_text(&text), text.length, &layout, error);
  }
  if (!status) {
    status = check_tool(source, &layout, error);
  }
  if (!status) {
    status = make(source, tndb_buffer_text(&text), &layout, &made, error);
  }
  if (tool) {
    *tool = source->naming == TNDB_NAMING_AUTO ? layout.tool : source->naming;
  }
  tndb_layout_clear(&layout);
  if (status) {
    tndb_migration_clear(&made);
    return status;
  }
  return tndb_migrations_take(set, &made, error);
}

/* ---------------------------------------------------------------- a way back of its own */

static tenantdb_status check_down(const tndb_source *source, const tndb_layout *layout,
                                  tenantdb_error **error) {
  if (layout->tool != TNDB_NAMING_TENANTDB) {
    return tndb_source_refuse(error, source->file, 0,
                              "a file that is a way back as a whole has no sections of a tool");
  }
  if (layout->lock_timeout_ms >= 0 || layout->requires || layout->checkpoint) {
    return tndb_source_refuse(error, source->file, 0,
                              "of the directives only tx none and nolint have a meaning in a way back");
  }
  return TENANTDB_OK;
}

tenantdb_status tndb_source_take_down(tenantdb_migrations *set, const tndb_source *source,
                                      tenantdb_error **error) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_layout layout = {.count = 0};
  tndb_down made = {.stream = source->stream, .version = source->version};
  tenantdb_status status = tndb_source_normalise(source->file, source->text, source->length, &text, error);
  if (!status) {
    status = check_placeholders(source, tndb_buffer_text(&text), error);
  }
  if (!status) {
    status = tndb_layout_read(source->file, tndb_buffer_text(&text), text.length, &layout, error);
  }
  if (!status) {
    status = check_down(source, &layout, error);
  }
  if (!status) {
    bool none = source->tx == TNDB_TX_NONE || layout.tx_none;
    made.nolint = layout.nolint;
    status = make_steps(source, tndb_buffer_text(&text), &layout, false, none, &made.steps,
                        &made.transactional, error);
  }
  tndb_layout_clear(&layout);
  if (!status && made.steps.count == 0) {
    status = tndb_source_refuse(error, source->file, 0,
                                "there is no statement in it; leave out the way back where there is none");
  }
  if (!status && (!copy(&made.file, source->file, strlen(source->file)) ||
                  !copy(&made.sql, tndb_buffer_text(&text), text.length))) {
    status = tndb_no_memory(error);
  }
  if (status) {
    tndb_down_clear(&made);
    return status;
  }
  return tndb_migrations_take_down(set, &made, error);
}

/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/set_steps.h"

#include <string.h>

#include "base/memory.h"
#include "migrate/change.h"
#include "sql/cursor.h"
#include "sql/splitter.h"
#include "tenant/trial_outside.h"

void tndb_step_clear(tndb_migration_step *step) {
  tndb_free(step->sql);
  tndb_free(step->index);
  *step = (tndb_migration_step){.sql = NULL};
}

void tndb_steps_clear(tndb_steps *steps) {
  for (size_t i = 0; i < steps->count; i++) {
    tndb_step_clear(&steps->items[i]);
  }
  tndb_free(steps->items);
  *steps = (tndb_steps){NULL, 0};
}

tenantdb_status tndb_steps_add(tndb_steps *steps, tndb_migration_step *step, tenantdb_error **error) {
  /* Others append, too: no more room than there are steps. */
  tndb_migration_step *items = tndb_realloc(steps->items, (steps->count + 1) * sizeof *items);
  if (!items) {
    tndb_step_clear(step);
    return tndb_no_memory(error);
  }
  steps->items = items;
  items[steps->count++] = *step;
  *step = (tndb_migration_step){.sql = NULL};
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- indexes */

/* The last part of a qualified name. */
static void last_name(tndb_cursor at, tndb_buffer *name) {
  while (tndb_cursor_name(&at, true, name)) {
    tndb_cursor_advance(&at);
    if (!tndb_cursor_take(&at, '.')) {
      return;
    }
  }
}

static void skip_if_exists(tndb_cursor *at) {
  if (tndb_cursor_take_word(at, "if")) {
    (void)tndb_cursor_take_word(at, "not");
    (void)tndb_cursor_take_word(at, "exists");
  }
}

tndb_index_work tndb_step_index(const char *sql, tndb_buffer *name) {
  tndb_cursor at;
  tndb_cursor_start(&at, sql, strlen(sql), 1);
  tndb_buffer_clear(name);
  if (tndb_cursor_take_word(&at, "create")) {
    (void)tndb_cursor_take_word(&at, "unique");
    if (!tndb_cursor_take_words(&at, "index", "concurrently")) {
      return TNDB_INDEX_NONE;
    }
    skip_if_exists(&at);
    if (!tndb_cursor_is_word(&at, "on")) {
      last_name(at, name);
    }
    return TNDB_INDEX_CREATE;
  }
  if (tndb_cursor_take_word(&at, "drop")) {
    if (!tndb_cursor_take_words(&at, "index", "concurrently")) {
      return TNDB_INDEX_NONE;
    }
    skip_if_exists(&at);
    last_name(at, name);
    return TNDB_INDEX_DROP;
  }
  if (!tndb_cursor_take_word(&at, "reindex")) {
    return TNDB_INDEX_NONE;
  }
  if (tndb_cursor_is(&at, '(')) {
    (void)tndb_cursor_skip(&at);
  }
  if (!tndb_cursor_take_word(&at, "index")) {
    return TNDB_INDEX_NONE;
  }
  (void)tndb_cursor_take_word(&at, "concurrently");
  last_name(at, name);
  return TNDB_INDEX_REINDEX;
}

/* ---------------------------------------------------------------- steps */

static tenantdb_status describe_index(tndb_migration_step *step, tenantdb_error **error) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_index_work work = tndb_step_index(step->sql, &name);
  if (name.failed) {
    return tndb_no_memory(error);
  }
  if (work == TNDB_INDEX_NONE || name.length == 0) {
    return TENANTDB_OK; /* a CREATE without a name is refused by the lint of the set */
  }
  step->done_if_there = work == TNDB_INDEX_CREATE;
  step->done_if_gone = work == TNDB_INDEX_DROP;
  step->index = tndb_buffer_take(&name);
  return step->index ? TENANTDB_OK : tndb_no_memory(error);
}

static tenantdb_status add_statement(const tndb_piece *piece, int32_t line, tndb_steps *steps,
                                     tenantdb_error **error) {
  tndb_auto_buffer locks = TNDB_BUFFER_INIT;
  tndb_migration_step step = {.sql = tndb_strndup(piece->text, piece->length), .line = line};
  if (!step.sql) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = TENANTDB_OK;
  if (tndb_trial_is_outside(step.sql, piece->length, &locks)) {
    step.way = TNDB_WAY_OUTSIDE;
    status = locks.failed ? tndb_no_memory(error) : describe_index(&step, error);
  }
  if (status) {
    tndb_step_clear(&step);
    return status;
  }
  return tndb_steps_add(steps, &step, error);
}

static tenantdb_status add_change(const char *file, const char *text, const tndb_stretch_of_file *stretch,
                                  bool transactional, tndb_steps *steps, tenantdb_error **error) {
  if (transactional) {
    return tndb_source_refuse(
        error, file, stretch->line,
        "a change of a table is made in several transactions; put -- tenantdb:tx none at the "
        "head of the file");
  }
  size_t before = steps->count;
  tenantdb_status status = tndb_change_expand_line(text + stretch->start, stretch->end - stretch->start,
                                                   stretch->line, steps, error);
  if (status && status != TENANTDB_MEMORY) {
    tndb_error_prefix(error, "%s, line %d", file, (int)stretch->line);
  }
  for (size_t i = before; !status && i < steps->count; i++) {
    steps->items[i].made = true;
  }
  return status;
}

static tenantdb_status add_stretch(const char *file, const char *text, const tndb_stretch_of_file *stretch,
                                   bool transactional, tndb_steps *steps, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  tndb_splitter splitter;
  tndb_piece piece;
  tndb_splitter_start(&splitter, text + stretch->start, stretch->end - stretch->start, !transactional);
  while (!status && tndb_splitter_next(&splitter, &piece)) {
    status = add_statement(&piece, stretch->line + piece.line - 1, steps, error);
  }
  if (!status && splitter.lexer.mistake) {
    status = tndb_source_refuse(error, file, stretch->line + splitter.mistake_line - 1, "%s",
                                splitter.lexer.mistake);
  }
  return status;
}

tenantdb_status tndb_steps_make(const char *file, const char *text, const tndb_layout *layout, bool down,
                                bool transactional, tndb_steps *steps, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  *steps = (tndb_steps){NULL, 0};
  for (size_t i = 0; i < layout->count && !status; i++) {
    const tndb_stretch_of_file *stretch = &layout->stretches[i];
    if (stretch->down == down) {
      status = stretch->change ? add_change(file, text, stretch, transactional, steps, error)
                               : add_stretch(file, text, stretch, transactional, steps, error);
    }
  }
  if (status) {
    tndb_steps_clear(steps);
  }
  return status;
}

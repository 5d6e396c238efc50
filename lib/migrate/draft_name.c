/* SPDX-License-Identifier: PostgreSQL */
/*
 * Constraints that have no name in a statement get the one that they have in the form that is wanted: what
 * PostgreSQL calls them depends on what is there already, and a migration is run where other things are.
 */
#include <string.h>

#include "migrate/draft.h"
#include "migrate/unnamed.h"
#include "registry/model.h"
#include "sql/cursor.h"
#include "sql/identifier.h"

typedef struct naming {
  const char *sql;
  const tndb_form *form;
  tndb_buffer *out;
  size_t copied; /* of the text */
  tndb_buffer table;
  tndb_names used;
  bool failed;
} naming;

/* ---------------------------------------------------------------- the wanted form */

/* The constraint's name when the row is one of the table's that nobody has yet; else NULL. */
static const char *free_name(const naming *n, int row) {
  const char *kind = tndb_form_cell(n->form, row, TNDB_FORM_KIND);
  const char *parent = tndb_form_cell(n->form, row, TNDB_FORM_PARENT);
  const char *object = tndb_form_cell(n->form, row, TNDB_FORM_OBJECT);
  if (strcmp(kind, "constraint") != 0 || !parent || strcmp(parent, tndb_buffer_text(&n->table)) != 0) {
    return NULL;
  }
  const char *name = tndb_plan_last_name(object, parent);
  return tndb_names_has(&n->used, name) ? NULL : name;
}

/* The names in the next brackets, one a line. */
static void read_list(tndb_cursor at, tndb_buffer *list) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  while (!tndb_cursor_at_end(&at) && !tndb_cursor_is(&at, '(')) {
    tndb_cursor_advance(&at);
  }
  for (tndb_cursor_advance(&at); tndb_cursor_name(&at, true, &name); tndb_cursor_advance(&at)) {
    tndb_buffer_append(list, tndb_buffer_text(&name));
    tndb_buffer_append_char(list, '\n');
    tndb_cursor_advance(&at);
    if (!tndb_cursor_is(&at, ',')) {
      break;
    }
  }
  list->failed = list->failed || name.failed;
}

static bool begins(const char *text, const char *with) {
  return strncmp(text, with, strlen(with)) == 0;
}

/* FOREIGN KEY and UNIQUE: by their columns. */
static const char *find_by_columns(const naming *n, const char *kind, const char *columns) {
  for (int row = 0; row < n->form->count; row++) {
    const char *name = free_name(n, row);
    const char *definition = tndb_form_cell(n->form, row, TNDB_FORM_DEFINITION);
    tndb_auto_buffer list = TNDB_BUFFER_INIT;
    tndb_cursor at;
    if (!name || !begins(definition, kind)) {
      continue;
    }
    tndb_cursor_start(&at, definition, strlen(definition), 1);
    read_list(at, &list);
    if (strcmp(tndb_buffer_text(&list), columns) == 0) {
      return name;
    }
  }
  return NULL;
}

/* The column of the table that is the only one in an expression, as PostgreSQL looks for it. */
static bool only_column(const naming *n, tndb_cursor at, tndb_buffer *column) {
  tndb_auto_buffer object = TNDB_BUFFER_INIT, name = TNDB_BUFFER_INIT;
  tndb_cursor behind = at;
  size_t found = 0;
  (void)tndb_cursor_skip(&behind);
  for (; !tndb_cursor_at_end(&at) && at.token.offset < behind.token.offset; tndb_cursor_advance(&at)) {
    if (!tndb_cursor_name(&at, true, &name)) {
      continue;
    }
    tndb_buffer_clear(&object);
    tndb_buffer_append(&object, tndb_buffer_text(&n->table));
    tndb_buffer_append_char(&object, '.');
    tndb_buffer_append(&object, tndb_buffer_text(&name));
    if (tndb_form_find(n->form, "column", tndb_buffer_text(&object)) &&
        (!found || strcmp(tndb_buffer_text(&name), tndb_buffer_text(column)) != 0)) {
      found++;
      tndb_buffer_clear(column);
      tndb_buffer_append(column, tndb_buffer_text(&name));
    }
  }
  column->failed = column->failed || object.failed || name.failed;
  return found == 1;
}

/* CHECK and EXCLUDE: by the name that PostgreSQL makes; or the only one there is. */
static const char *find_by_name(const naming *n, const char *kind, const char *stem) {
  const char *only = NULL;
  size_t count = 0;
  for (int row = 0; row < n->form->count; row++) {
    const char *name = free_name(n, row);
    if (!name || !begins(tndb_form_cell(n->form, row, TNDB_FORM_DEFINITION), kind)) {
      continue;
    }
    if (begins(name, stem) && name[strlen(stem) + strspn(name + strlen(stem), "0123456789")] == '\0') {
      return name;
    }
    only = name;
    count++;
  }
  return count == 1 ? only : NULL;
}

static const char *find_check(const naming *n, tndb_cursor at, tndb_buffer *work) {
  tndb_auto_buffer column = TNDB_BUFFER_INIT;
  tndb_cursor_advance(&at);
  tndb_buffer_append(work, tndb_buffer_text(&n->table));
  if (only_column(n, at, &column)) {
    tndb_buffer_append_char(work, '_');
    tndb_buffer_append(work, tndb_buffer_text(&column));
  }
  tndb_buffer_append(work, "_check");
  work->failed = work->failed || column.failed;
  return find_by_name(n, "CHECK", tndb_buffer_text(work));
}

/* ---------------------------------------------------------------- the statement */

static void name_it(void *user, const tndb_cursor *at, const char *column) {
  naming *n = user;
  tndb_auto_buffer work = TNDB_BUFFER_INIT;
  const char *name;
  bool key = tndb_cursor_is_word(at, "foreign") || tndb_cursor_is_word(at, "references");
  if (key || tndb_cursor_is_word(at, "unique")) {
    if (*column) {
      tndb_buffer_append(&work, column);
      tndb_buffer_append_char(&work, '\n');
    } else {
      read_list(*at, &work);
    }
    name = find_by_columns(n, key ? "FOREIGN KEY" : "UNIQUE", tndb_buffer_text(&work));
  } else if (tndb_cursor_is_word(at, "check")) {
    name = find_check(n, *at, &work);
  } else {
    name = find_by_name(n, "EXCLUDE", "\n");
  }
  n->failed = n->failed || work.failed;
  if (name) {
    tndb_buffer_append_n(n->out, n->sql + n->copied, at->token.offset - n->copied);
    n->copied = at->token.offset;
    tndb_buffer_append(n->out, "CONSTRAINT ");
    tndb_draft_name(n->out, name);
    tndb_buffer_append_char(n->out, ' ');
    n->failed = n->failed || !tndb_names_add(&n->used, name);
  }
}

static void name_element(naming *n, tndb_cursor *at) {
  n->failed = !tndb_unnamed_in(at, name_it, n) || n->failed;
}

static void create_table(naming *n, tndb_cursor at) {
  while (!tndb_cursor_at_end(&at) && !tndb_cursor_is(&at, '(')) {
    if (tndb_cursor_is_word(&at, "as") || tndb_cursor_is_word(&at, "partition")) {
      return;
    }
    tndb_cursor_advance(&at);
  }
  (void)tndb_cursor_take(&at, '(');
  while (!tndb_cursor_at_end(&at) && !tndb_cursor_is(&at, ')')) {
    name_element(n, &at);
    (void)tndb_cursor_take(&at, ',');
    if (tndb_cursor_is(&at, ';')) {
      return;
    }
  }
}

static void alter_table(naming *n, tndb_cursor at) {
  while (!tndb_cursor_at_end(&at)) {
    if (tndb_cursor_take_word(&at, "add")) {
      (void)tndb_cursor_take_word(&at, "column");
      name_element(n, &at);
    }
    while (tndb_element_goes_on(&at)) {
      (void)tndb_cursor_skip(&at);
    }
    tndb_cursor_advance(&at);
  }
}

/* Names that stand there are not free. */
static void note_names(naming *n, tndb_cursor at) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  while (!tndb_cursor_at_end(&at)) {
    if (tndb_cursor_take_word(&at, "constraint") && tndb_cursor_name(&at, true, &name)) {
      n->failed = n->failed || !tndb_names_add(&n->used, tndb_buffer_text(&name));
    }
    tndb_cursor_advance(&at);
  }
  n->failed = n->failed || name.failed;
}

/* Behind TABLE [IF [NOT] EXISTS] [ONLY]. */
static bool take_table(naming *n, tndb_cursor *at) {
  if (!tndb_cursor_take_word(at, "table")) {
    return false;
  }
  if (tndb_cursor_take_word(at, "if")) {
    (void)tndb_cursor_take_word(at, "not");
    (void)tndb_cursor_take_word(at, "exists");
  }
  (void)tndb_cursor_take_word(at, "only");
  bool taken = tndb_cursor_name(at, true, &n->table);
  tndb_cursor_advance(at);
  return taken;
}

void tndb_draft_name_constraints(tndb_buffer *out, const char *sql, const tndb_form *form) {
  naming n = {.sql = sql, .form = form, .out = out};
  tndb_cursor at;
  tndb_cursor_start(&at, sql, strlen(sql), 1);
  note_names(&n, at);
  bool alter = tndb_cursor_take_word(&at, "alter");
  if (alter || tndb_cursor_take_word(&at, "create")) {
    (void)tndb_cursor_take_word(&at, "unlogged");
    if (take_table(&n, &at)) {
      (alter ? alter_table : create_table)(&n, at);
    }
  }
  tndb_buffer_append(out, sql + n.copied);
  out->failed = out->failed || n.failed || n.table.failed;
  tndb_buffer_free(&n.table);
  tndb_names_free(&n.used);
}

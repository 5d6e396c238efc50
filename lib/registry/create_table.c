/* SPDX-License-Identifier: PostgreSQL */
/*
 * CREATE TABLE, read into the structure the builders make. What the library
 * has no opinion about (types, defaults, storage, partition bounds) stays text.
 */
#include <string.h>

#include "base/memory.h"
#include "registry/script.h"

/* The text of one element, and the dialect with its line. */
typedef struct part {
  char *text;
  tndb_dialect dialect;
  tndb_cursor at;
} part;

static tenantdb_status note_need(tenantdb_table *table, const char *name, tenantdb_error **error) {
  table->open = true;
  return tndb_names_add(&table->needs, name) ? TENANTDB_OK : tndb_no_memory(error);
}

static tenantdb_status add_like(tenantdb_table *table, part *p, tenantdb_error **error) {
  tndb_element element = {.kind = TNDB_ELEMENT_LIKE};
  tndb_cursor_advance(&p->at);
  tenantdb_status status = tndb_target_parse(&p->at, &p->dialect, &element.name, error);
  if (status == TENANTDB_OK) {
    status = note_need(table, element.name, error);
  }
  if (status == TENANTDB_OK) {
    element.text = tndb_fragment_cut(p->text, p->at.token.offset, p->at.lexer.length);
    status = element.text ? TENANTDB_OK : tndb_no_memory(error);
  }
  if (status != TENANTDB_OK) {
    tndb_free(element.name);
    return status;
  }
  return tndb_table_add_element(table, &element, error);
}

static bool begins_constraint(const tndb_cursor *at) {
  static const char *const words[] = {"constraint", "primary", "unique", "check", "foreign"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (tndb_cursor_is_word(at, words[i])) {
      return true;
    }
  }
  /* EXCLUDE alone may be a column. */
  tndb_cursor ahead = *at;
  return tndb_cursor_take_word(&ahead, "exclude") &&
         (tndb_cursor_is(&ahead, '(') || tndb_cursor_is_word(&ahead, "using"));
}

static tenantdb_status add_element(tndb_script *s, tenantdb_table *table, part *p, tenantdb_error **error) {
  s->place.line = p->dialect.line;
  if (tndb_cursor_is_word(&p->at, "like")) {
    return add_like(table, p, error);
  }
  if (begins_constraint(&p->at)) {
    return tndb_table_add_constraint(table, p->text, &p->dialect, error);
  }
  if (!tndb_cursor_name(&p->at, true, &s->name)) {
    return tndb_script_expected("the name of a column", error);
  }
  if (s->name.failed) {
    return tndb_no_memory(error);
  }
  tndb_cursor_advance(&p->at);
  s->place.what = "column";
  s->place.name = tndb_buffer_text(&s->name);
  tndb_auto_free char *text = tndb_fragment_cut(p->text, p->at.token.offset, p->at.lexer.length);
  tenantdb_status status =
      text ? tndb_table_add_column(table, tndb_buffer_text(&s->name), text, &p->dialect, error)
           : tndb_no_memory(error);
  if (status == TENANTDB_OK) {
    s->place.what = s->place.name = NULL;
  }
  return status;
}

/* From the cursor to the next comma or closing parenthesis of its level. */
static tenantdb_status take_element(tndb_script *s, tenantdb_table *table, tenantdb_error **error) {
  size_t from = s->at.token.offset;
  part p = {.dialect = {s->at.token.line, true}};
  while (!tndb_cursor_is(&s->at, ',') && !tndb_cursor_is(&s->at, ')')) {
    if (!tndb_cursor_skip(&s->at)) {
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                         "the list of columns has unbalanced parentheses");
    }
  }
  p.text = tndb_fragment_cut(s->text, from, s->at.token.offset);
  if (!p.text) {
    return tndb_no_memory(error);
  }
  tndb_cursor_start(&p.at, p.text, strlen(p.text), p.dialect.line);
  tenantdb_status status = add_element(s, table, &p, error);
  tndb_free(p.text);
  return status;
}

static tenantdb_status take_elements(tndb_script *s, tenantdb_table *table, tenantdb_error **error) {
  tndb_cursor_advance(&s->at);
  if (tndb_cursor_take(&s->at, ')')) {
    return TENANTDB_OK;
  }
  tenantdb_status status;
  do {
    status = take_element(s, table, error);
  } while (status == TENANTDB_OK && tndb_cursor_take(&s->at, ','));
  if (status == TENANTDB_OK) {
    tndb_cursor_advance(&s->at);
  }
  return status;
}

/* INHERITS (a, b): the names become markers, so that they are resolved like any other target. */
static tenantdb_status take_inherits(tndb_script *s, tenantdb_table *table, tndb_buffer *suffix,
                                     tenantdb_error **error) {
  const char *before = " INHERITS (";
  tndb_cursor_advance(&s->at);
  if (!tndb_cursor_is(&s->at, '(')) {
    return tndb_script_expected("( after INHERITS", error);
  }
  do {
    tndb_cursor_advance(&s->at);
    tndb_auto_free char *target = NULL;
    tenantdb_status status = tndb_target_parse(&s->at, &s->dialect, &target, error);
    if (status == TENANTDB_OK) {
      status = note_need(table, target, error);
    }
    if (status != TENANTDB_OK) {
      return status;
    }
    tndb_buffer_append(suffix, before);
    tndb_buffer_append_char(suffix, '{');
    tndb_buffer_append(suffix, target);
    tndb_buffer_append_char(suffix, '}');
    before = ", ";
  } while (tndb_cursor_is(&s->at, ','));
  tndb_buffer_append_char(suffix, ')');
  return tndb_cursor_take(&s->at, ')') ? TENANTDB_OK : tndb_script_expected(") after the parents", error);
}

/* What stands behind the columns, up to the end. */
static tenantdb_status take_suffix(tndb_script *s, tenantdb_table *table, tenantdb_error **error) {
  tndb_auto_buffer suffix = TNDB_BUFFER_INIT;
  size_t kept = s->at.token.offset;
  while (!tndb_cursor_at_end(&s->at)) {
    if (tndb_cursor_is_word(&s->at, "as")) {
      return tndb_script_refused(error, "CREATE TABLE AS", "it holds no data; declare the columns");
    }
    if (tndb_cursor_is_word(&s->at, "inherits")) {
      tndb_buffer_append_n(&suffix, s->text + kept, s->at.token.offset - kept);
      tenantdb_status status = take_inherits(s, table, &suffix, error);
      if (status != TENANTDB_OK) {
        return status;
      }
      kept = s->at.token.offset;
      tndb_buffer_append_char(&suffix, ' ');
      continue;
    }
    if (tndb_cursor_take_words(&s->at, "partition", "by")) {
      table->kind = 'p';
      continue;
    }
    if (!tndb_cursor_skip(&s->at)) {
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                         "what follows the columns has unbalanced parentheses");
    }
  }
  tndb_buffer_append_n(&suffix, s->text + kept, s->at.lexer.length - kept);
  if (!suffix.failed) {
    table->suffix = tndb_fragment_cut(tndb_buffer_text(&suffix), 0, suffix.length);
  }
  return table->suffix ? TENANTDB_OK : tndb_no_memory(error);
}

static tenantdb_status take_body(tndb_script *s, tenantdb_table *table, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  if (tndb_cursor_take_words(&s->at, "partition", "of")) {
    status = tndb_target_parse(&s->at, &s->dialect, &table->parent, error);
    if (status == TENANTDB_OK) {
      status = note_need(table, table->parent, error);
    }
  } else if (tndb_cursor_is_word(&s->at, "of")) {
    table->open = table->typed = true;
  } else if (tndb_cursor_is(&s->at, '(')) {
    status = take_elements(s, table, error);
  } else if (tndb_cursor_is_word(&s->at, "as")) {
    return tndb_script_refused(error, "CREATE TABLE AS", "it holds no data; declare the columns");
  } else {
    return tndb_script_expected("( after the table's name", error);
  }
  return status == TENANTDB_OK ? take_suffix(s, table, error) : status;
}

tenantdb_status tndb_script_table(tndb_script *s, tenantdb_error **error) {
  tndb_script_if_not_exists(s);
  tenantdb_status status = tndb_script_name(s, "table", error);
  if (status != TENANTDB_OK) {
    return status;
  }
  tenantdb_table *table;
  status = tndb_base_add_table(s->base, tndb_buffer_text(&s->name), s->dialect.line, &table, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  s->place.table = table;
  table->unlogged = s->unlogged;
  return take_body(s, table, error);
}

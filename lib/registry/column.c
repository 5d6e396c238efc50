/* SPDX-License-Identifier: PostgreSQL */
/*
 * Columns. Type and what follows it come as one text and are taken apart here,
 * whoever wrote them, so that a REFERENCES in a builder's line is a foreign key
 * like any other: it takes part in the order and in the checks.
 */
#include <string.h>

#include "base/memory.h"
#include "registry/element.h"
#include "sql/identifier.h"

size_t tndb_table_column_count(const tenantdb_table *table) {
  size_t count = 0;
  for (size_t i = 0; i < table->n_elements; i++) {
    count += table->elements[i].kind == TNDB_ELEMENT_COLUMN;
  }
  return count;
}

const char *tndb_table_column_name(const tenantdb_table *table, size_t number) {
  for (size_t i = 0; i < table->n_elements; i++) {
    if (table->elements[i].kind == TNDB_ELEMENT_COLUMN && number-- == 0) {
      return table->elements[i].name;
    }
  }
  return NULL;
}

bool tndb_table_columns_known(const tenantdb_table *table) {
  return !table->open;
}

static const char *find(const tenantdb_table *table, const char *name) {
  for (size_t i = 0; i < table->n_elements; i++) {
    const tndb_element *element = &table->elements[i];
    if (element->kind == TNDB_ELEMENT_COLUMN && strcmp(element->name, name) == 0) {
      return element->name;
    }
  }
  return NULL;
}

const char *tndb_table_find_column(const tenantdb_table *table, const char *name, bool folds) {
  const char *found = find(table, name);
  char folded[TNDB_IDENTIFIER_BYTES + 1];
  if (!found && folds && strlen(name) < sizeof folded) {
    memcpy(folded, name, strlen(name) + 1);
    tndb_fold_case(folded);
    found = find(table, folded);
  }
  return found;
}

typedef struct parse {
  tenantdb_table *table;
  const char *column;
  const tndb_dialect *dialect;
  tndb_cursor at;
  tndb_buffer rest;       /* what follows the type, without REFERENCES */
  size_t kept;            /* up to here the text is in `rest` or dropped */
  tndb_buffer constraint; /* the name behind CONSTRAINT */
  bool named;
  size_t named_at;
} parse;

/* The words that end a type. */
static bool ends_type(const tndb_cursor *at) {
  static const char *const words[] = {"constraint", "not",        "null",      "default",     "primary",
                                      "unique",     "check",      "collate",   "references",  "generated",
                                      "storage",    "deferrable", "initially", "compression", "options"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (tndb_cursor_is_word(at, words[i])) {
      return true;
    }
  }
  return false;
}

/* The first token belongs to the type whatever it is, and so does what follows a dot. */
static bool skip_type(tndb_cursor *at) {
  bool first = true, dotted = false;
  while (!tndb_cursor_at_end(at) && (first || dotted || !ends_type(at))) {
    dotted = tndb_cursor_is(at, '.');
    first = false;
    if (!tndb_cursor_skip(at)) {
      return false;
    }
  }
  return true;
}

static bool is_serial(const char *type) {
  static const char *const names[] = {"serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"};
  tndb_cursor at;
  tndb_cursor_start(&at, type, strlen(type), 1);
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (tndb_cursor_is_word(&at, names[i])) {
      return true;
    }
  }
  return false;
}

/* ON DELETE ..., MATCH ..., DEFERRABLE ...: what belongs to REFERENCES and not to the next constraint. */
static bool skip_action(tndb_cursor *at) {
  tndb_cursor ahead = *at;
  if (tndb_cursor_take_word(&ahead, "on")) {
    tndb_cursor_advance(&ahead); /* DELETE or UPDATE */
    bool sets = tndb_cursor_take_word(&ahead, "set");
    if (tndb_cursor_take_word(&ahead, "no") || sets) {
      tndb_cursor_advance(&ahead); /* ACTION; NULL or DEFAULT */
      if (sets && tndb_cursor_is(&ahead, '(')) {
        tndb_cursor_skip(&ahead);
      }
    } else {
      tndb_cursor_advance(&ahead); /* RESTRICT or CASCADE */
    }
  } else if (tndb_cursor_take_word(&ahead, "match") || tndb_cursor_take_word(&ahead, "initially")) {
    tndb_cursor_advance(&ahead);
  } else if (!tndb_cursor_take_word(&ahead, "deferrable") && !tndb_cursor_take_word(&ahead, "enforced") &&
             !tndb_cursor_take_words(&ahead, "not", "deferrable") &&
             !tndb_cursor_take_words(&ahead, "not", "enforced")) {
    return false;
  }
  *at = ahead;
  return true;
}

static tenantdb_status take_references(parse *p, tenantdb_error **error) {
  const char *text = p->at.lexer.text;
  size_t from = p->named ? p->named_at : p->at.token.offset;
  tndb_buffer_append_n(&p->rest, text + p->kept, from - p->kept);
  tndb_cursor_advance(&p->at);
  tndb_foreign_key key = {0};
  tenantdb_status status = tndb_references_parse(&p->at, p->dialect, &key, error);
  if (status == TENANTDB_OK) {
    size_t actions = p->at.token.offset;
    while (skip_action(&p->at)) {
    }
    key.actions = tndb_fragment_cut(text, actions, p->at.token.offset);
    key.name = p->named ? tndb_strdup(tndb_buffer_text(&p->constraint)) : NULL;
    if (!key.actions || (p->named && !key.name) || !tndb_names_add(&key.columns, p->column)) {
      status = tndb_no_memory(error);
    }
  }
  p->kept = p->at.token.offset;
  p->named = false;
  if (status != TENANTDB_OK) {
    tndb_foreign_key_clear(&key);
    return status;
  }
  return tndb_table_add_foreign_key(p->table, &key, error);
}

static tenantdb_status take_key(parse *p, char kind, tenantdb_error **error) {
  tndb_key key = {.kind = kind};
  key.name = p->named ? tndb_strdup(tndb_buffer_text(&p->constraint)) : NULL;
  if ((p->named && !key.name) || !tndb_names_add(&key.columns, p->column)) {
    tndb_free(key.name);
    tndb_names_free(&key.columns);
    return tndb_no_memory(error);
  }
  return tndb_table_add_key(p->table, &key, error);
}

static tenantdb_status take_constraint_name(parse *p, tenantdb_error **error) {
  p->named_at = p->at.token.offset;
  tndb_cursor_advance(&p->at);
  if (!tndb_cursor_name(&p->at, p->dialect->script, &p->constraint)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                       "a name is expected after CONSTRAINT");
  }
  if (p->constraint.failed) {
    return tndb_no_memory(error);
  }
  tndb_cursor_advance(&p->at);
  p->named = true;
  return tndb_table_note_constraint(p->table, tndb_buffer_text(&p->constraint), error);
}

static tenantdb_status walk_rest(parse *p, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  bool dotted = false;
  while (status == TENANTDB_OK && !tndb_cursor_at_end(&p->at)) {
    bool word = p->at.token.kind == TNDB_TOKEN_WORD && !dotted;
    dotted = tndb_cursor_is(&p->at, '.');
    if (word && tndb_cursor_is_word(&p->at, "constraint")) {
      status = take_constraint_name(p, error);
      continue;
    }
    if (word && tndb_cursor_is_word(&p->at, "references")) {
      status = take_references(p, error);
      continue;
    }
    if (word && tndb_cursor_is_word(&p->at, "primary")) {
      status = take_key(p, 'p', error);
    } else if (word && tndb_cursor_is_word(&p->at, "unique")) {
      status = take_key(p, 'u', error);
    }
    p->named = false;
    tndb_cursor_skip(&p->at);
  }
  return status;
}

static tenantdb_status finish(parse *p, size_t type_end, tenantdb_error **error) {
  const char *text = p->at.lexer.text;
  tndb_buffer_append_n(&p->rest, text + p->kept, p->at.lexer.length - p->kept);
  tndb_element element = {.kind = TNDB_ELEMENT_COLUMN};
  element.name = tndb_strdup(p->column);
  element.text = tndb_fragment_cut(text, 0, type_end);
  element.rest = p->rest.failed ? NULL : tndb_fragment_cut(tndb_buffer_text(&p->rest), 0, p->rest.length);
  if (!element.name || !element.text || !element.rest) {
    tndb_free(element.name);
    tndb_free(element.text);
    tndb_free(element.rest);
    return tndb_no_memory(error);
  }
  p->table->serial = p->table->serial || is_serial(element.text);
  return tndb_table_add_element(p->table, &element, error);
}

tenantdb_status tndb_table_add_column(tenantdb_table *table, const char *name, const char *text,
                                      const tndb_dialect *dialect, tenantdb_error **error) {
  tenantdb_status status = tndb_identifier_check("the name", name, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  if (find(table, name)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME, "declared twice");
  }
  parse p = {.table = table, .column = name, .dialect = dialect};
  tndb_cursor_start(&p.at, text, strlen(text), dialect->line);
  if (tndb_cursor_at_end(&p.at)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION, "the type is empty");
  }
  if (!skip_type(&p.at)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                       "the type has unbalanced parentheses");
  }
  size_t type_end = p.kept = p.at.token.offset;
  status = walk_rest(&p, error);
  if (status == TENANTDB_OK) {
    status = finish(&p, type_end, error);
  }
  tndb_buffer_free(&p.rest);
  tndb_buffer_free(&p.constraint);
  return status;
}

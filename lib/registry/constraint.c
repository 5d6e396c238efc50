/* SPDX-License-Identifier: PostgreSQL */
/* Table constraints: keys and foreign keys are understood, the rest is kept as text. */
#include <string.h>

#include "base/memory.h"
#include "registry/element.h"
#include "sql/identifier.h"

tenantdb_status tndb_table_note_constraint(tenantdb_table *table, const char *name, tenantdb_error **error) {
  tenantdb_status status = tndb_identifier_check("a constraint's name", name, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  if (tndb_names_has(&table->constraints, name)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME,
                       "constraint \"%s\" is declared twice", name);
  }
  return tndb_names_add(&table->constraints, name) ? TENANTDB_OK : tndb_no_memory(error);
}

tenantdb_status tndb_table_add_element(tenantdb_table *table, tndb_element *element, tenantdb_error **error) {
  tndb_element *elements = tndb_array_room(table->elements, table->n_elements, sizeof *elements);
  if (!elements) {
    tndb_free(element->name);
    tndb_free(element->text);
    tndb_free(element->rest);
    return tndb_no_memory(error);
  }
  table->elements = elements;
  elements[table->n_elements++] = *element;
  return TENANTDB_OK;
}

static bool has_primary_key(const tenantdb_table *table) {
  for (size_t i = 0; i < table->n_keys; i++) {
    if (table->keys[i].kind == 'p') {
      return true;
    }
  }
  return false;
}

tenantdb_status tndb_table_add_key(tenantdb_table *table, tndb_key *key, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  tndb_key *keys = tndb_array_room(table->keys, table->n_keys, sizeof *keys);
  if (!keys) {
    status = tndb_no_memory(error);
  } else {
    table->keys = keys;
    if (key->kind == 'p' && has_primary_key(table)) {
      status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                           "a second primary key; a table has one, over several columns if need be");
    }
  }
  if (status != TENANTDB_OK) {
    tndb_free(key->name);
    tndb_names_free(&key->columns);
    return status;
  }
  keys[table->n_keys++] = *key;
  return TENANTDB_OK;
}

tenantdb_status tndb_table_add_foreign_key(tenantdb_table *table, tndb_foreign_key *key,
                                           tenantdb_error **error) {
  tndb_foreign_key *keys = tndb_array_room(table->foreign_keys, table->n_foreign_keys, sizeof *keys);
  if (!keys) {
    tndb_foreign_key_clear(key);
    return tndb_no_memory(error);
  }
  table->foreign_keys = keys;
  keys[table->n_foreign_keys++] = *key;
  return TENANTDB_OK;
}

/* ------------------------------------------------------------------ targets */

tenantdb_status tndb_target_parse(tndb_cursor *cursor, const tndb_dialect *dialect, char **target,
                                  tenantdb_error **error) {
  *target = NULL;
  tndb_auto_buffer name = TNDB_BUFFER_INIT, second = TNDB_BUFFER_INIT;
  if (!tndb_cursor_name(cursor, dialect->script, &name)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                       "the name of a table is expected");
  }
  tndb_cursor_advance(cursor);
  if (tndb_cursor_take(cursor, '.')) {
    if (dialect->script) {
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_SCRIPT_QUALIFIED,
                         "\"%s\" qualifies a name with a schema; write the name alone, or {base.table} for "
                         "a table of another base",
                         tndb_buffer_text(&name));
    }
    if (!tndb_cursor_name(cursor, false, &second)) {
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                         "the name of a table is expected after \"%s.\"", tndb_buffer_text(&name));
    }
    tndb_cursor_advance(cursor);
    tndb_buffer_append_char(&name, '.');
    tndb_buffer_append_n(&name, tndb_buffer_text(&second), second.length);
    name.failed = name.failed || second.failed;
  }
  if (!name.failed && name.length == 0) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER, "a table's name is empty");
  }
  *target = tndb_buffer_take(&name);
  return *target ? TENANTDB_OK : tndb_no_memory(error);
}

tenantdb_status tndb_references_parse(tndb_cursor *cursor, const tndb_dialect *dialect, tndb_foreign_key *key,
                                      tenantdb_error **error) {
  key->line = dialect->line;
  key->folds = !dialect->script && cursor->token.kind == TNDB_TOKEN_WORD;
  tenantdb_status status = tndb_target_parse(cursor, dialect, &key->target, error);
  if (status == TENANTDB_OK && tndb_cursor_is(cursor, '(')) {
    bool period;
    status = tndb_names_sql(cursor, dialect->script, &key->target_columns, &period, error);
  }
  return status;
}

/* -------------------------------------------------------------- constraints */

typedef struct parse {
  tenantdb_table *table;
  const tndb_dialect *dialect;
  tndb_cursor at;
  const char *name; /* of the constraint, or NULL */
} parse;

static tenantdb_status add_foreign_key(parse *p, tenantdb_error **error) {
  tndb_foreign_key key = {0};
  const char *text = p->at.lexer.text;
  tenantdb_status status = TENANTDB_OK;
  if (!tndb_cursor_take_word(&p->at, "key")) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                         "KEY is expected after FOREIGN");
  } else {
    status = tndb_names_sql(&p->at, p->dialect->script, &key.columns, &key.period, error);
  }
  if (status == TENANTDB_OK && !tndb_cursor_take_word(&p->at, "references")) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                         "REFERENCES is expected after the columns of a foreign key");
  }
  if (status == TENANTDB_OK) {
    status = tndb_references_parse(&p->at, p->dialect, &key, error);
  }
  if (status == TENANTDB_OK) {
    key.name = p->name ? tndb_strdup(p->name) : NULL;
    key.actions = tndb_fragment_cut(text, p->at.token.offset, p->at.lexer.length);
    if (!key.actions || (p->name && !key.name)) {
      status = tndb_no_memory(error);
    }
  }
  if (status != TENANTDB_OK) {
    tndb_foreign_key_clear(&key);
    return status;
  }
  return tndb_table_add_foreign_key(p->table, &key, error);
}

/* PRIMARY KEY (...), UNIQUE [NULLS [NOT] DISTINCT] (...), EXCLUDE: what makes an index. */
static tenantdb_status add_key(parse *p, char kind, tenantdb_error **error) {
  tndb_key key = {.kind = kind};
  tndb_cursor at = p->at; /* behind the first word */
  tenantdb_status status = TENANTDB_OK;
  if (kind != 'x') {
    while (!tndb_cursor_at_end(&at) && !tndb_cursor_is(&at, '(')) {
      tndb_cursor_advance(&at);
    }
    status = tndb_names_sql(&at, p->dialect->script, &key.columns, NULL, error);
    /* (a, b WITHOUT OVERLAPS) is a list all the same. */
    if (status != TENANTDB_OK && tndb_cursor_is_word(&at, "without")) {
      tndb_error_cleanup(error);
      status = TENANTDB_OK;
    }
  }
  if (status == TENANTDB_OK && p->name) {
    key.name = tndb_strdup(p->name);
    status = key.name ? TENANTDB_OK : tndb_no_memory(error);
  }
  if (status != TENANTDB_OK) {
    tndb_names_free(&key.columns);
    return status;
  }
  return tndb_table_add_key(p->table, &key, error);
}

static tenantdb_status add_text(parse *p, size_t from, tenantdb_error **error) {
  tndb_element element = {.kind = TNDB_ELEMENT_CONSTRAINT};
  element.name = p->name ? tndb_strdup(p->name) : NULL;
  element.text = tndb_fragment_cut(p->at.lexer.text, from, p->at.lexer.length);
  if (!element.text || (p->name && !element.name)) {
    tndb_free(element.name);
    tndb_free(element.text);
    return tndb_no_memory(error);
  }
  return tndb_table_add_element(p->table, &element, error);
}

static tenantdb_status add_named(parse *p, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  size_t from = p->at.token.offset;
  if (tndb_cursor_take_word(&p->at, "foreign")) {
    return add_foreign_key(p, error);
  }
  if (tndb_cursor_take_word(&p->at, "primary")) {
    status = add_key(p, 'p', error);
  } else if (tndb_cursor_take_word(&p->at, "unique")) {
    status = add_key(p, 'u', error);
  } else if (tndb_cursor_take_word(&p->at, "exclude")) {
    status = add_key(p, 'x', error);
  } else if (!tndb_cursor_is_word(&p->at, "check") && !tndb_cursor_is_word(&p->at, "not")) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                       "\"%.*s\" begins no table constraint", (int)p->at.token.length,
                       tndb_cursor_text(&p->at));
  }
  return status == TENANTDB_OK ? add_text(p, from, error) : status;
}

tenantdb_status tndb_table_add_constraint(tenantdb_table *table, const char *text,
                                          const tndb_dialect *dialect, tenantdb_error **error) {
  parse p = {.table = table, .dialect = dialect};
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_cursor_start(&p.at, text, strlen(text), dialect->line);
  if (tndb_cursor_take_word(&p.at, "constraint")) {
    if (!tndb_cursor_name(&p.at, dialect->script, &name)) {
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                         "a name is expected after CONSTRAINT");
    }
    if (name.failed) {
      return tndb_no_memory(error);
    }
    p.name = tndb_buffer_text(&name);
    tenantdb_status status = tndb_table_note_constraint(table, p.name, error);
    if (status != TENANTDB_OK) {
      return status;
    }
    tndb_cursor_advance(&p.at);
  }
  return add_named(&p, error);
}

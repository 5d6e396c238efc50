/* SPDX-License-Identifier: PostgreSQL */
#include "statement/column_facts.h"

#include <string.h>

#include "sql/cursor.h"
#include "sql/identifier.h"

static const tndb_element *find(const tenantdb_table *table, const char *name) {
  for (size_t i = 0; table && i < table->n_elements; i++) {
    const tndb_element *element = &table->elements[i];
    if (element->kind == TNDB_ELEMENT_COLUMN && strcmp(element->name, name) == 0) {
      return element;
    }
  }
  return NULL;
}

const tndb_key *tndb_primary_key(const tenantdb_table *table) {
  for (size_t i = 0; table && i < table->n_keys; i++) {
    if (table->keys[i].kind == 'p' && table->keys[i].columns.count > 0) {
      return &table->keys[i];
    }
  }
  return NULL;
}

/* The constraints of a column; what stands in parentheses is somebody's expression. */
static void read_rest(tndb_column_facts *facts, const char *rest) {
  tndb_cursor at;
  tndb_cursor_start(&at, rest, strlen(rest), 1);
  while (!tndb_cursor_at_end(&at)) {
    if (tndb_cursor_take_words(&at, "not", "null")) {
      facts->not_null = true;
    } else if (tndb_cursor_take_word(&at, "generated")) {
      bool always = tndb_cursor_take_word(&at, "always");
      bool identity = !always || tndb_cursor_take_words(&at, "as", "identity");
      facts->not_null = facts->not_null || identity;
      facts->identity = always && identity;
      facts->generated = always && !identity;
    } else {
      tndb_cursor_skip(&at);
    }
  }
}

typedef struct type_name {
  const char *const words[3];
  const char *array_of;
  bool serial;
} type_name;

/* Types whose name without a length means a length of 1, and those that are no types. */
static const type_name names[] = {
    {{"national", "character", NULL}, "bpchar", false},
    {{"national", "char", NULL}, "bpchar", false},
    {{"character", NULL, NULL}, "bpchar", false},
    {{"char", NULL, NULL}, "bpchar", false},
    {{"nchar", NULL, NULL}, "bpchar", false},
    {{"bit", NULL, NULL}, "varbit", false},
    {{"serial", NULL, NULL}, "int4", true},
    {{"serial4", NULL, NULL}, "int4", true},
    {{"bigserial", NULL, NULL}, "int8", true},
    {{"serial8", NULL, NULL}, "int8", true},
    {{"smallserial", NULL, NULL}, "int2", true},
    {{"serial2", NULL, NULL}, "int2", true},
};

static const type_name *known_name(const char *type) {
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    tndb_cursor at;
    tndb_cursor_start(&at, type, strlen(type), 1);
    size_t n = 0;
    while (names[i].words[n] && tndb_cursor_take_word(&at, names[i].words[n])) {
      n++;
    }
    if (!names[i].words[n] && !tndb_cursor_is(&at, '.') && !tndb_cursor_is_word(&at, "varying")) {
      return &names[i];
    }
  }
  return NULL;
}

static bool is_array(const char *type) {
  tndb_cursor at;
  tndb_cursor_start(&at, type, strlen(type), 1);
  tndb_cursor_advance(&at); /* a type's name may be "array" */
  while (!tndb_cursor_at_end(&at)) {
    if (tndb_cursor_is(&at, '[') || tndb_cursor_is_word(&at, "array")) {
      return true;
    }
    tndb_cursor_advance(&at);
  }
  return false;
}

void tndb_column_facts_find(tndb_column_facts *facts, const tenantdb_table *table, const char *name) {
  *facts = (tndb_column_facts){NULL, false, false, false};
  const tndb_element *element = find(table, name);
  const tndb_key *key = tndb_primary_key(table);
  if (element) {
    const type_name *known = known_name(element->text);
    facts->type = element->text;
    facts->not_null = known && known->serial;
    read_rest(facts, element->rest);
  }
  /* ALTER may have taken NOT NULL away again, but not from a key. */
  facts->not_null =
      (facts->not_null && table && !table->open) || (key && tndb_names_has(&key->columns, name));
}

/* A type that is declared beside the table lies in its schema, which need not be in the path. */
static bool is_declared(const tenantdb_table *table, const char *name) {
  const tenantdb_registry *registry = table->base->registry;
  for (size_t b = 0; b < registry->n_bases; b++) {
    const tenantdb_base *base = registry->bases[b];
    for (size_t i = 0; base->kind == table->base->kind && i < base->n_items; i++) {
      if (base->items[i].kind == TNDB_DDL_TYPE && strcmp(base->items[i].name, name) == 0) {
        return true;
      }
    }
  }
  return false;
}

static void write_schema(const tenantdb_table *table, tndb_template *out) {
  tndb_target schema = {table->base, NULL};
  tndb_template_target(out, &schema);
}

/* Without what stands in parentheses: a cast to varchar(3) cuts silently, a column of it refuses. */
static void write_plain(const char *type, tndb_template *out) {
  tndb_cursor at;
  size_t copied = 0;
  tndb_cursor_start(&at, type, strlen(type), 1);
  while (!tndb_cursor_at_end(&at)) {
    size_t from = at.token.offset;
    bool parenthesis = tndb_cursor_is(&at, '(');
    if (!tndb_cursor_skip(&at)) {
      break;
    }
    if (parenthesis) {
      tndb_buffer_append_n(&out->text, type + copied, from - copied);
      copied = at.last_end;
    }
  }
  tndb_buffer_append(&out->text, type + copied);
}

/* The type itself; a marker {schema} in it means the schema of the table. */
static bool write_name(const tenantdb_table *table, const char *type, tndb_template *out) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_cursor at;
  tndb_cursor_start(&at, type, strlen(type), 1);
  if (at.token.kind == TNDB_TOKEN_MARKER) {
    if (!tndb_cursor_name(&at, false, &name) || strcmp(tndb_buffer_text(&name), "schema") != 0) {
      return false;
    }
    write_schema(table, out);
    write_plain(type + at.token.offset + at.token.length, out);
    return true;
  }
  if (tndb_cursor_name(&at, true, &name) && is_declared(table, tndb_buffer_text(&name))) {
    write_schema(table, out);
    tndb_buffer_append_char(&out->text, '.');
  }
  out->text.failed = out->text.failed || name.failed;
  write_plain(type, out);
  return true;
}

/* Braces that are no marker in front have no meaning that is known here. */
static bool has_braces(const char *type) {
  tndb_cursor at;
  tndb_cursor_start(&at, type, strlen(type), 1);
  for (tndb_cursor_advance(&at); !tndb_cursor_at_end(&at); tndb_cursor_advance(&at)) {
    if (at.token.kind == TNDB_TOKEN_MARKER || at.token.kind == TNDB_TOKEN_BRACE) {
      return true;
    }
  }
  return false;
}

bool tndb_array_type_write(const tenantdb_table *table, const char *type, tndb_template *out) {
  if (!type || is_array(type) || has_braces(type)) {
    return false;
  }
  const type_name *known = known_name(type);
  if (known) {
    tndb_buffer_append(&out->text, known->array_of);
  } else if (!write_name(table, type, out)) {
    return false;
  }
  tndb_buffer_append(&out->text, "[]");
  return true;
}

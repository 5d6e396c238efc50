/* SPDX-License-Identifier: PostgreSQL */
/* The builders of one table. Each makes the text SQL would have and gives it to the same functions. */
#include <string.h>

#include "base/memory.h"
#include "registry/element.h"
#include "registry/index.h"
#include "registry/mistake.h"
#include "registry/privilege.h"
#include "sql/identifier.h"

static const tndb_dialect builder = {0, false};

static bool may_declare(const tenantdb_table *table) {
  return table && tndb_registry_open_for(table->base->registry);
}

static void keep(tenantdb_table *table, const char *what, const char *name, tenantdb_error *mistake) {
  if (mistake) {
    bool shown = name && strlen(name) <= TNDB_IDENTIFIER_BYTES;
    tndb_place place = {.base = table->base, .table = table, .what = what, .name = shown ? name : NULL};
    tndb_registry_keep(table->base->registry, &place, mistake);
  }
}

static tenantdb_status need(const char *what, const char *argument, tenantdb_error **error) {
  return argument ? TENANTDB_OK
                  : tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL", what);
}

/* --------------------------------------------------------------- columns */

static tenantdb_status column(tenantdb_table *table, const char *name, const char *type, const char *rest,
                              tenantdb_error **error) {
  tenantdb_status status = need("the name", name, error);
  if (status == TENANTDB_OK) {
    status = need("the type", type, error);
  }
  tndb_auto_free char *clean_type = NULL;
  tndb_auto_free char *clean_rest = NULL;
  if (status == TENANTDB_OK) {
    status = tndb_fragment("the type", type, false, &clean_type, error);
  }
  if (status == TENANTDB_OK) {
    status = tndb_fragment("what follows the type", rest, false, &clean_rest, error);
  }
  if (status == TENANTDB_OK && !*clean_type) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION, "the type is empty");
  }
  if (status != TENANTDB_OK) {
    return status;
  }
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_append(&text, clean_type);
  tndb_buffer_append_char(&text, ' ');
  tndb_buffer_append(&text, clean_rest);
  return text.failed ? tndb_no_memory(error)
                     : tndb_table_add_column(table, name, tndb_buffer_text(&text), &builder, error);
}

void tenantdb_table_column(tenantdb_table *table, const char *name, const char *type, const char *rest) {
  if (may_declare(table)) {
    tenantdb_error *mistake = NULL;
    column(table, name, type, rest, &mistake);
    keep(table, "column", name, mistake);
  }
}

/* ----------------------------------------------------------- constraints */

/* CONSTRAINT "name" in front, when there is one. */
static tenantdb_status begin(tndb_buffer *text, const char *name, tenantdb_error **error) {
  if (name) {
    tenantdb_status status = tndb_identifier_check("a constraint's name", name, error);
    if (status != TENANTDB_OK) {
      return status;
    }
    tndb_buffer_append(text, "CONSTRAINT ");
    tndb_quote_identifier(text, name);
    tndb_buffer_append_char(text, ' ');
  }
  return TENANTDB_OK;
}

static tenantdb_status add(tenantdb_table *table, const tndb_buffer *text, tenantdb_error **error) {
  return text->failed ? tndb_no_memory(error)
                      : tndb_table_add_constraint(table, tndb_buffer_text(text), &builder, error);
}

static tenantdb_status key(tenantdb_table *table, const char *name, const char *what, const char *columns,
                           tenantdb_error **error) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_names names = {NULL, 0};
  tenantdb_status status = need("the list of columns", columns, error);
  if (status == TENANTDB_OK) {
    status = begin(&text, name, error);
  }
  if (status == TENANTDB_OK) {
    status = tndb_names_literal(columns, &names, error);
  }
  if (status == TENANTDB_OK) {
    tndb_buffer_append(&text, what);
    for (size_t i = 0; i < names.count; i++) {
      tndb_buffer_append(&text, i ? ", " : " (");
      tndb_quote_identifier(&text, names.items[i]);
    }
    tndb_buffer_append_char(&text, ')');
    status = add(table, &text, error);
  }
  tndb_names_free(&names);
  return status;
}

void tenantdb_table_primary_key(tenantdb_table *table, const char *columns) {
  if (may_declare(table)) {
    tenantdb_error *mistake = NULL;
    key(table, NULL, "PRIMARY KEY", columns, &mistake);
    keep(table, "primary key", NULL, mistake);
  }
}

void tenantdb_table_unique(tenantdb_table *table, const char *name, const char *columns) {
  if (may_declare(table)) {
    tenantdb_error *mistake = NULL;
    key(table, name, "UNIQUE", columns, &mistake);
    keep(table, "unique constraint", name, mistake);
  }
}

/* A constraint that is a piece of SQL between `before` and `after`. */
static tenantdb_status piece(tenantdb_table *table, const char *name, const char *const around[2],
                             const char *sql, tenantdb_error **error) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_auto_free char *clean = NULL;
  tenantdb_status status = need("the definition", sql, error);
  if (status == TENANTDB_OK) {
    status = begin(&text, name, error);
  }
  if (status == TENANTDB_OK) {
    status = tndb_fragment("the definition", sql, false, &clean, error);
  }
  if (status == TENANTDB_OK && !*clean) {
    status =
        tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION, "the definition is empty");
  }
  if (status != TENANTDB_OK) {
    return status;
  }
  tndb_buffer_append(&text, around[0]);
  tndb_buffer_append(&text, clean);
  tndb_buffer_append(&text, around[1]);
  return add(table, &text, error);
}

void tenantdb_table_check(tenantdb_table *table, const char *name, const char *expression) {
  static const char *const around[2] = {"CHECK (", ")"};
  if (may_declare(table)) {
    tenantdb_error *mistake = NULL;
    piece(table, name, around, expression, &mistake);
    keep(table, "check", name, mistake);
  }
}

void tenantdb_table_exclude(tenantdb_table *table, const char *name, const char *definition) {
  static const char *const around[2] = {"EXCLUDE ", ""};
  if (may_declare(table)) {
    tenantdb_error *mistake = NULL;
    tndb_cursor at;
    tndb_cursor_start(&at, definition ? definition : "", definition ? strlen(definition) : 0, 1);
    if (definition && !tndb_cursor_is(&at, '(') && !tndb_cursor_is_word(&at, "using")) {
      tndb_origin(&mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                  "the definition begins with ( or USING: \"USING gist (room WITH =, during WITH &&)\"");
    } else {
      piece(table, name, around, definition, &mistake);
    }
    keep(table, "exclusion", name, mistake);
  }
}

static tenantdb_status foreign_key(tenantdb_table *table, tndb_foreign_key *key, const char *columns,
                                   const char *target_columns, const char *actions, tenantdb_error **error) {
  tenantdb_status status = need("the list of columns", columns, error);
  if (status == TENANTDB_OK) {
    status = need("the target", key->target, error);
  }
  if (status == TENANTDB_OK && key->name) {
    status = tndb_table_note_constraint(table, key->name, error);
  }
  char *target = status == TENANTDB_OK ? tndb_strdup(key->target) : NULL;
  char *name = status == TENANTDB_OK && key->name ? tndb_strdup(key->name) : NULL;
  if (status == TENANTDB_OK && (!target || (key->name && !name))) {
    status = tndb_no_memory(error);
  }
  key->target = target;
  key->name = name;
  if (status == TENANTDB_OK) {
    status = tndb_names_literal(columns, &key->columns, error);
  }
  if (status == TENANTDB_OK && target_columns) {
    status = tndb_names_literal(target_columns, &key->target_columns, error);
  }
  if (status == TENANTDB_OK) {
    status = tndb_fragment("what follows the target", actions, false, &key->actions, error);
  }
  return status;
}

void tenantdb_table_foreign_key(tenantdb_table *table, const char *name, const char *columns,
                                const char *target, const char *target_columns, const char *actions) {
  if (may_declare(table)) {
    tenantdb_error *mistake = NULL;
    /* Lent until foreign_key() has its own copies, whatever the outcome. */
    tndb_foreign_key made = {.name = (char *)name, .target = (char *)target};
    if (foreign_key(table, &made, columns, target_columns, actions, &mistake) == TENANTDB_OK) {
      tndb_table_add_foreign_key(table, &made, &mistake);
    } else {
      tndb_foreign_key_clear(&made);
    }
    keep(table, "foreign key", name ? name : target, mistake);
  }
}

/* --------------------------------------------------- indexes and comments */

static void index_of(tenantdb_table *table, const char *name, const char *definition, bool unique) {
  if (!may_declare(table)) {
    return;
  }
  tenantdb_error *mistake = NULL;
  tndb_item item = {.kind = TNDB_DDL_INDEX, .table = table, .unique = unique};
  tenantdb_status status = need("the definition", definition, &mistake);
  if (status == TENANTDB_OK && name) {
    status = tndb_identifier_check("the name", name, &mistake);
  }
  if (status == TENANTDB_OK) {
    status = tndb_fragment("the definition", definition, false, &item.text, &mistake);
  }
  if (status == TENANTDB_OK) {
    status = tndb_index_check(item.text, &mistake);
  }
  if (status == TENANTDB_OK && name) {
    item.name = tndb_strdup(name);
    status = item.name ? TENANTDB_OK : tndb_no_memory(&mistake);
  }
  if (status == TENANTDB_OK) {
    tndb_base_add_item(table->base, &item, &mistake);
  } else {
    tndb_item_clear(&item);
  }
  keep(table, "index", name, mistake);
}

void tenantdb_table_index(tenantdb_table *table, const char *name, const char *definition) {
  index_of(table, name, definition, false);
}

void tenantdb_table_unique_index(tenantdb_table *table, const char *name, const char *definition) {
  index_of(table, name, definition, true);
}

void tenantdb_table_comment(tenantdb_table *table, const char *column_name, const char *text) {
  if (!may_declare(table)) {
    return;
  }
  tenantdb_error *mistake = NULL;
  if (need("the text", text, &mistake) == TENANTDB_OK) {
    tndb_item item = {.kind = TNDB_DDL_COMMENT, .table = table};
    item.text = tndb_strdup(text);
    item.column = column_name ? tndb_strdup(column_name) : NULL;
    if (!item.text || (column_name && !item.column)) {
      tndb_item_clear(&item);
      tndb_no_memory(&mistake);
    } else {
      tndb_base_add_item(table->base, &item, &mistake);
    }
  }
  keep(table, "comment", column_name, mistake);
}

void tenantdb_table_grant(tenantdb_table *table, const char *privileges) {
  if (!may_declare(table)) {
    return;
  }
  tenantdb_error *mistake = NULL;
  int32_t mask;
  if (table->base->kind != TENANTDB_BASE_SHARED) {
    tndb_origin(&mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                "grants are for shared bases; a tenant's sessions may use all of their own tables");
  } else if (tndb_privilege_parse(privileges, &mask, &mistake) == TENANTDB_OK) {
    table->grant = mask;
  }
  keep(table, "grant", NULL, mistake);
}

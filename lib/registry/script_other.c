/* SPDX-License-Identifier: PostgreSQL */
/* What a script may hold besides tables. Its text is kept; only names and forms are looked at. */
#include <string.h>

#include "base/memory.h"
#include "registry/index.h"
#include "registry/resolve.h"
#include "registry/script.h"

/* The statement as an item; takes nothing. */
static tenantdb_status add_raw(tndb_script *s, tndb_item *item, const char *name, tenantdb_error **error) {
  item->line = s->dialect.line;
  item->raw = true;
  item->name = name ? tndb_strdup(name) : NULL;
  if (!item->text) {
    item->text = tndb_strdup(s->text);
  }
  if (!item->text || (name && !item->name)) {
    tndb_item_clear(item);
    return tndb_no_memory(error);
  }
  return tndb_base_add_item(s->base, item, error);
}

/* The statement without text[from, to). */
static char *without(const char *text, size_t from, size_t to) {
  tndb_buffer out = TNDB_BUFFER_INIT;
  tndb_buffer_append_n(&out, text, from);
  tndb_buffer_append(&out, text + to);
  return tndb_buffer_take(&out);
}

/* The table after the next ON: CREATE TRIGGER, COMMENT ON CONSTRAINT or TRIGGER. */
static tenantdb_status table_after_on(tndb_script *s, char **table, tenantdb_error **error) {
  while (!tndb_cursor_at_end(&s->at) && !tndb_cursor_is_word(&s->at, "on")) {
    tndb_cursor_skip(&s->at);
  }
  if (!tndb_cursor_take_word(&s->at, "on")) {
    return tndb_script_expected("ON and a table", error);
  }
  tenantdb_status status = tndb_script_name(s, "table", error);
  if (status == TENANTDB_OK) {
    *table = tndb_strdup(tndb_buffer_text(&s->name));
    status = *table ? TENANTDB_OK : tndb_no_memory(error);
  }
  return status;
}

tenantdb_status tndb_script_object(tndb_script *s, int32_t kind, const char *what, char entry,
                                   tenantdb_error **error) {
  tndb_item item = {.kind = kind};
  size_t from = s->at.token.offset;
  tndb_script_if_not_exists(s);
  size_t to = s->at.token.offset;
  tenantdb_status status = tndb_script_name(s, what, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  tndb_auto_free char *name = tndb_strdup(tndb_buffer_text(&s->name));
  if (!name) {
    return tndb_no_memory(error);
  }
  if (entry) {
    tndb_entry *made;
    status = tndb_base_add_entry(s->base, name, entry, &made, error);
  }
  if (status == TENANTDB_OK && kind == TNDB_DDL_TRIGGER) {
    status = table_after_on(s, &item.table_name, error);
  }
  if (status == TENANTDB_OK && to > from) {
    item.text = without(s->text, from, to);
    status = item.text ? TENANTDB_OK : tndb_no_memory(error);
  }
  if (status != TENANTDB_OK) {
    tndb_item_clear(&item);
    return status;
  }
  return add_raw(s, &item, name, error);
}

/* ------------------------------------------------------------------ indexes */

static tenantdb_status index_parts(tndb_script *s, tndb_item *item, tenantdb_error **error) {
  tndb_script_if_not_exists(s);
  tenantdb_status status = TENANTDB_OK;
  if (!tndb_cursor_is_word(&s->at, "on")) {
    status = tndb_script_name(s, "index", error);
    if (status != TENANTDB_OK) {
      return status;
    }
    item->name = tndb_strdup(tndb_buffer_text(&s->name));
    if (!item->name) {
      return tndb_no_memory(error);
    }
  }
  if (!tndb_cursor_take_word(&s->at, "on")) {
    return tndb_script_expected("ON and a table", error);
  }
  item->only = tndb_cursor_take_word(&s->at, "only");
  status = tndb_script_name(s, "table", error);
  if (status != TENANTDB_OK) {
    return status;
  }
  item->table_name = tndb_strdup(tndb_buffer_text(&s->name));
  tndb_auto_free char *definition = tndb_fragment_cut(s->text, s->at.token.offset, s->at.lexer.length);
  if (!item->table_name || !definition) {
    return tndb_no_memory(error);
  }
  status = tndb_fragment("the definition", definition, false, &item->text, error);
  return status == TENANTDB_OK ? tndb_index_check(item->text, error) : status;
}

tenantdb_status tndb_script_index(tndb_script *s, tenantdb_error **error) {
  if (tndb_cursor_is_word(&s->at, "concurrently")) {
    return tndb_script_refused(
        error, "CREATE INDEX CONCURRENTLY",
        "it cannot run in the transaction that creates a schema, and a new table needs no "
        "care; leave CONCURRENTLY out");
  }
  tndb_item item = {.kind = TNDB_DDL_INDEX, .line = s->dialect.line, .unique = s->unique};
  tenantdb_status status = index_parts(s, &item, error);
  if (status != TENANTDB_OK) {
    tndb_item_clear(&item);
    return status;
  }
  return tndb_base_add_item(s->base, &item, error);
}

/* ----------------------------------------------------------------- comments */

/* COMMENT ON COLUMN table.column */
static tenantdb_status comment_column(tndb_script *s, tndb_item *item, tenantdb_error **error) {
  if (!tndb_cursor_name(&s->at, true, &s->name)) {
    return tndb_script_expected("the name of a table", error);
  }
  item->table_name = s->name.failed ? NULL : tndb_strdup(tndb_buffer_text(&s->name));
  if (!item->table_name) {
    return tndb_no_memory(error);
  }
  tndb_cursor_advance(&s->at);
  if (!tndb_cursor_take(&s->at, '.')) {
    return tndb_script_expected("table.column", error);
  }
  if (!tndb_cursor_name(&s->at, true, &s->name)) {
    return tndb_script_expected("the name of a column", error);
  }
  item->column = s->name.failed ? NULL : tndb_strdup(tndb_buffer_text(&s->name));
  if (!item->column) {
    return tndb_no_memory(error);
  }
  tndb_cursor_advance(&s->at);
  if (tndb_cursor_is(&s->at, '.')) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_SCRIPT_QUALIFIED,
                       "table name qualified with \"%s\": write table.column alone", item->table_name);
  }
  return TENANTDB_OK;
}

static tenantdb_status comment_target(tndb_script *s, tndb_item *item, tenantdb_error **error) {
  static const char *const others[] = {"index", "type", "domain", "sequence", "function", "procedure"};
  if (tndb_cursor_take_word(&s->at, "column")) {
    return comment_column(s, item, error);
  }
  if (tndb_cursor_is_word(&s->at, "constraint") || tndb_cursor_is_word(&s->at, "trigger")) {
    item->late = tndb_cursor_is_word(&s->at, "constraint");
    return table_after_on(s, &item->table_name, error);
  }
  if (tndb_cursor_take_word(&s->at, "table") || tndb_cursor_take_word(&s->at, "view") ||
      tndb_cursor_take_words(&s->at, "materialized", "view")) {
    tenantdb_status status = tndb_script_name(s, "table", error);
    if (status == TENANTDB_OK) {
      item->table_name = tndb_strdup(tndb_buffer_text(&s->name));
      status = item->table_name ? TENANTDB_OK : tndb_no_memory(error);
    }
    return status;
  }
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    if (tndb_cursor_take_word(&s->at, others[i])) {
      return tndb_script_name(s, others[i], error);
    }
  }
  return tndb_script_refused(
      error, "a comment on this",
      "it takes comments on what it declares: tables, columns, constraints, indexes, views, "
      "types, sequences, functions and triggers");
}

tenantdb_status tndb_script_comment(tndb_script *s, tenantdb_error **error) {
  tndb_item item = {.kind = TNDB_DDL_COMMENT};
  tenantdb_status status = comment_target(s, &item, error);
  if (status != TENANTDB_OK) {
    tndb_item_clear(&item);
    return status;
  }
  return add_raw(s, &item, NULL, error);
}

/* -------------------------------------------------------------------- ALTER */

static tenantdb_status check_actions(tndb_script *s, tenantdb_error **error) {
  while (!tndb_cursor_at_end(&s->at)) {
    if (tndb_cursor_take_words(&s->at, "rename", "to")) {
      return tndb_script_refused(error, "RENAME TO", "declare it under its new name");
    }
    if (tndb_cursor_take_words(&s->at, "set", "schema")) {
      return tndb_script_refused(error, "SET SCHEMA", "what is declared stays in its schema");
    }
    if (tndb_cursor_take_words(&s->at, "owner", "to")) {
      return tndb_script_refused(error, "OWNER TO", "the library decides who owns a schema's tables");
    }
    if (tndb_cursor_is_word(&s->at, "references")) {
      tndb_cursor_advance(&s->at);
      tndb_auto_free char *target = NULL;
      tenantdb_status status = tndb_target_parse(&s->at, &s->dialect, &target, error);
      if (status != TENANTDB_OK) {
        return status;
      }
      continue;
    }
    tndb_cursor_skip(&s->at);
  }
  return TENANTDB_OK;
}

tenantdb_status tndb_script_alter(tndb_script *s, tenantdb_error **error) {
  bool table = tndb_cursor_take_word(&s->at, "table");
  if (!table && !tndb_cursor_take_word(&s->at, "sequence")) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_SCRIPT_STATEMENT,
                       "ALTER %.*s does not belong in a registry: it takes ALTER TABLE and ALTER SEQUENCE",
                       (int)s->at.token.length, tndb_cursor_text(&s->at));
  }
  tndb_cursor_take_words(&s->at, "if", "exists");
  tndb_cursor_take_word(&s->at, "only");
  tenantdb_status status = tndb_script_name(s, table ? "table" : "sequence", error);
  if (status != TENANTDB_OK) {
    return status;
  }
  tndb_item item = {.kind = TNDB_DDL_ALTER};
  tndb_auto_free char *name = tndb_strdup(tndb_buffer_text(&s->name));
  if (!name) {
    return tndb_no_memory(error);
  }
  if (table) {
    /* It stands where it stands, so what it alters must be there already. */
    tndb_target target;
    status = tndb_registry_resolve_declared(s->base, name, false, &target, error);
    if (status == TENANTDB_OK && target.base->kind != s->base->kind) {
      status =
          tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_REFERENCE,
                      "\"%s\" is a table of the shared base %s; alter it there", name, target.base->name);
    }
    if (status == TENANTDB_OK && target.entry->table) {
      target.entry->table->open = true;
    }
    if (status == TENANTDB_OK) {
      item.table_name = tndb_strdup(name);
      status = item.table_name ? check_actions(s, error) : tndb_no_memory(error);
    }
  }
  if (status != TENANTDB_OK) {
    tndb_item_clear(&item);
    return status;
  }
  return add_raw(s, &item, name, error);
}

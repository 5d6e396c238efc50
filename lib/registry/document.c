/* SPDX-License-Identifier: PostgreSQL */
/* A registry as a document. */
#include "registry/document.h"

#include <string.h>
#include <tenantdb/document.h>

#include "base/memory.h"
#include "registry/model.h"
#include "sql/cursor.h"

/* The text behind IS of a COMMENT statement, when it is a plain string. */
static bool read_comment(const char *sql, tndb_buffer *text) {
  tndb_cursor at;
  tndb_cursor_start(&at, sql, strlen(sql), 1);
  while (!tndb_cursor_at_end(&at) && !tndb_cursor_is_word(&at, "is")) {
    tndb_cursor_advance(&at);
  }
  tndb_cursor_advance(&at);
  if (at.token.kind != TNDB_TOKEN_STRING || *tndb_cursor_text(&at) != '\'') {
    return false;
  }
  const char *from = tndb_cursor_text(&at);
  for (size_t i = 1; i + 1 < at.token.length; i++) {
    tndb_buffer_append_char(text, from[i]);
    i += from[i] == '\'';
  }
  return true;
}

static bool concerns(const tndb_item *item, const tenantdb_table *table) {
  return item->table == table || (item->table_name && strcmp(item->table_name, table->name) == 0);
}

/* Whether the statement is about the table itself or a column, and not about a constraint of it. */
static bool is_plain_comment(const tndb_item *item) {
  tndb_cursor at;
  if (!item->raw) {
    return true;
  }
  tndb_cursor_start(&at, item->text, strlen(item->text), 1);
  (void)tndb_cursor_take_words(&at, "comment", "on");
  return tndb_cursor_is_word(&at, "table") || tndb_cursor_is_word(&at, "column");
}

/* The last comment on the table, or on a column of it, counts. */
static void comment_of(const tenantdb_table *table, const char *column, tndb_buffer *text) {
  const tenantdb_base *base = table->base;
  for (size_t i = 0; i < base->n_items; i++) {
    const tndb_item *item = &base->items[i];
    bool same = item->column ? column && strcmp(item->column, column) == 0 : !column;
    if (item->kind != TNDB_DDL_COMMENT || !concerns(item, table) || !same || !is_plain_comment(item)) {
      continue;
    }
    tndb_buffer_clear(text);
    if (!item->raw) {
      tndb_buffer_append(text, item->text);
    } else {
      (void)read_comment(item->text, text);
    }
  }
}

static void append_names(tndb_buffer *text, const tndb_names *names) {
  tndb_buffer_append(text, "(");
  for (size_t i = 0; i < names->count; i++) {
    tndb_buffer_append(text, i ? ", " : "");
    tndb_buffer_append(text, names->items[i]);
  }
  tndb_buffer_append(text, ")");
}

static void write_foreign_keys(tndb_document *d, const tenantdb_table *table) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < table->n_foreign_keys; i++) {
    const tndb_foreign_key *key = &table->foreign_keys[i];
    tndb_buffer_clear(&text);
    append_names(&text, &key->columns);
    tndb_buffer_format(&text, " REFERENCES %s", key->target);
    if (key->target_columns.count) {
      tndb_buffer_append(&text, " ");
      append_names(&text, &key->target_columns);
    }
    if (key->actions && *key->actions) {
      tndb_buffer_format(&text, " %s", key->actions);
    }
    const char *cells[] = {key->name, tndb_buffer_text(&text)};
    tndb_document_row(d, TNDB_DOCUMENT_FOREIGN_KEYS, cells);
  }
  d->out.failed = d->out.failed || text.failed;
}

static void write_indexes(tndb_document *d, const tenantdb_table *table) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < table->base->n_items; i++) {
    const tndb_item *item = &table->base->items[i];
    if (item->kind == TNDB_DDL_INDEX && concerns(item, table)) {
      tndb_buffer_clear(&text);
      tndb_buffer_format(&text, "%s%s", item->unique ? "UNIQUE " : "", item->text);
      const char *cells[] = {item->name, tndb_buffer_text(&text)};
      tndb_document_row(d, TNDB_DOCUMENT_INDEXES, cells);
    }
  }
  d->out.failed = d->out.failed || text.failed;
}

static void write_table(tndb_document *d, const tenantdb_table *table) {
  tndb_auto_buffer comment = TNDB_BUFFER_INIT;
  comment_of(table, NULL, &comment);
  tndb_document_table(d, table->name, table->kind == 'p' ? "partitioned table" : "table",
                      comment.length ? tndb_buffer_text(&comment) : NULL);
  for (size_t i = 0; i < table->n_elements; i++) {
    const tndb_element *e = &table->elements[i];
    if (e->kind == TNDB_ELEMENT_COLUMN) {
      tndb_buffer_clear(&comment);
      comment_of(table, e->name, &comment);
      const char *cells[] = {e->name, e->text, e->rest && *e->rest ? e->rest : NULL,
                             comment.length ? tndb_buffer_text(&comment) : NULL};
      tndb_document_row(d, TNDB_DOCUMENT_COLUMNS, cells);
    }
  }
  for (size_t i = 0; i < table->n_elements; i++) {
    const tndb_element *e = &table->elements[i];
    tndb_buffer_clear(&comment);
    tndb_buffer_format(&comment, "%s%s%s%s", e->kind == TNDB_ELEMENT_LIKE ? "LIKE " : "",
                       e->kind == TNDB_ELEMENT_LIKE ? e->name : "",
                       e->kind == TNDB_ELEMENT_LIKE && e->text && *e->text ? " " : "",
                       e->text ? e->text : "");
    if (e->kind != TNDB_ELEMENT_COLUMN) {
      const char *cells[] = {e->kind == TNDB_ELEMENT_LIKE ? NULL : e->name, tndb_buffer_text(&comment)};
      tndb_document_row(d, TNDB_DOCUMENT_CONSTRAINTS, cells);
    }
  }
  write_foreign_keys(d, table);
  write_indexes(d, table);
  d->out.failed = d->out.failed || comment.failed;
}

/* A comment that stands with its table or column. */
static bool is_told(const tenantdb_base *base, const tndb_item *item) {
  const tndb_entry *entry = item->table_name ? tndb_base_find(base, item->table_name) : NULL;
  return item->kind == TNDB_DDL_COMMENT && (item->table || (entry && entry->table)) && is_plain_comment(item);
}

/* What is no table, and belongs to none of the sections of one. */
static void write_objects(tndb_document *d, const tenantdb_base *base) {
  static const char *const words[] = {"",         "table", "index",    "foreign key", "comment", "type",
                                      "sequence", "view",  "function", "trigger",     "alter"};
  for (size_t i = 0; i < base->n_items; i++) {
    const tndb_item *item = &base->items[i];
    bool elsewhere = item->kind == TNDB_DDL_TABLE || item->kind == TNDB_DDL_INDEX ||
                     item->kind == TNDB_DDL_FOREIGN_KEY || is_told(base, item);
    if (!elsewhere) {
      const char *cells[] = {item->name ? item->name : item->table_name, words[item->kind], item->text};
      tndb_document_row(d, TNDB_DOCUMENT_OBJECTS, cells);
    }
  }
}

tenantdb_status tenantdb_registry_document(const tenantdb_registry *registry, const char *format, char **text,
                                           tenantdb_error **error) {
  tndb_error_reset(error);
  if (!text) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "text is NULL");
  }
  *text = NULL;
  tenantdb_status status = tenantdb_registry_check(registry, error);
  tndb_document d;
  if (!status) {
    status = tndb_document_begin(&d, format, "Registry", "bases", error);
  }
  if (status) {
    return status;
  }
  for (size_t b = 0; b < registry->n_bases; b++) {
    const tenantdb_base *base = registry->bases[b];
    tndb_document_group(&d, base->name, base->kind == TENANTDB_BASE_SHARED ? "shared" : "tenant");
    for (size_t i = 0; i < base->n_entries; i++) {
      if (base->entries[i]->table) {
        write_table(&d, base->entries[i]->table);
      }
    }
    write_objects(&d, base);
  }
  return tndb_document_end(&d, text, error);
}

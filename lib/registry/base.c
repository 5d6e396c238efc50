/* SPDX-License-Identifier: PostgreSQL */
/* Bases and what the model's structures need: growing, finding, releasing. */
#include <string.h>

#include "base/memory.h"
#include "registry/mistake.h"
#include "registry/privilege.h"
#include "sql/identifier.h"

/* Arrays grow at powers of two, so their capacity need not be stored. */
void *tndb_array_room(void *array, size_t count, size_t size) {
  if (count >= 4 && (count & (count - 1)) != 0) {
    return array;
  }
  if (count > 0 && count < 4) {
    return array;
  }
  size_t capacity = count ? count * 2 : 4;
  char *grown = capacity > SIZE_MAX / size ? NULL : tndb_realloc(array, capacity * size);
  if (grown) {
    memset(grown + count * size, 0, (capacity - count) * size);
  }
  return grown;
}

bool tndb_names_add(tndb_names *names, const char *name) {
  char **items = tndb_array_room(names->items, names->count, sizeof(char *));
  if (!items) {
    return false;
  }
  names->items = items;
  items[names->count] = tndb_strdup(name);
  if (!items[names->count]) {
    return false;
  }
  names->count++;
  return true;
}

bool tndb_names_has(const tndb_names *names, const char *name) {
  for (size_t i = 0; i < names->count; i++) {
    if (strcmp(names->items[i], name) == 0) {
      return true;
    }
  }
  return false;
}

void tndb_names_free(tndb_names *names) {
  for (size_t i = 0; i < names->count; i++) {
    tndb_free(names->items[i]);
  }
  tndb_free(names->items);
  *names = (tndb_names){NULL, 0};
}

void tndb_item_clear(tndb_item *item) {
  tndb_free(item->table_name);
  tndb_free(item->name);
  tndb_free(item->column);
  tndb_free(item->text);
  *item = (tndb_item){0};
}

void tndb_foreign_key_clear(tndb_foreign_key *key) {
  tndb_free(key->name);
  tndb_free(key->target);
  tndb_free(key->actions);
  tndb_names_free(&key->columns);
  tndb_names_free(&key->target_columns);
}

void tndb_table_release(tenantdb_table *table) {
  if (!table) {
    return;
  }
  for (size_t i = 0; i < table->n_elements; i++) {
    tndb_free(table->elements[i].name);
    tndb_free(table->elements[i].text);
    tndb_free(table->elements[i].rest);
  }
  for (size_t i = 0; i < table->n_foreign_keys; i++) {
    tndb_foreign_key_clear(&table->foreign_keys[i]);
  }
  for (size_t i = 0; i < table->n_keys; i++) {
    tndb_free(table->keys[i].name);
    tndb_names_free(&table->keys[i].columns);
  }
  tndb_names_free(&table->constraints);
  tndb_names_free(&table->needs);
  tndb_free(table->elements);
  tndb_free(table->foreign_keys);
  tndb_free(table->keys);
  tndb_free(table->parent);
  tndb_free(table->suffix);
  tndb_free(table->name);
  tndb_free(table);
}

/* ------------------------------------------------------------- declaring */

tndb_entry *tndb_base_find(const tenantdb_base *base, const char *name) {
  return tndb_map_get(&base->names, name);
}

tenantdb_status tndb_base_add_entry(tenantdb_base *base, const char *name, char kind, tndb_entry **out,
                                    tenantdb_error **error) {
  *out = NULL;
  tenantdb_status status = tndb_identifier_check("the name", name, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  if (tndb_base_find(base, name)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME,
                       "\"%s\" is declared twice in this base", name);
  }
  tndb_entry **entries = tndb_array_room(base->entries, base->n_entries, sizeof(tndb_entry *));
  if (!entries) {
    return tndb_no_memory(error);
  }
  base->entries = entries;
  tndb_entry *entry = tndb_new(tndb_entry);
  if (!entry) {
    return tndb_no_memory(error);
  }
  entry->name = tndb_strdup(name);
  entry->kind = kind;
  if (!entry->name || !tndb_map_put(&base->names, name, entry)) {
    tndb_free(entry->name);
    tndb_free(entry);
    return tndb_no_memory(error);
  }
  entries[base->n_entries++] = entry;
  *out = entry;
  return TENANTDB_OK;
}

tenantdb_status tndb_base_add_item(tenantdb_base *base, tndb_item *item, tenantdb_error **error) {
  tndb_item *items = tndb_array_room(base->items, base->n_items, sizeof *items);
  if (!items) {
    tndb_item_clear(item);
    return tndb_no_memory(error);
  }
  base->items = items;
  items[base->n_items] = *item;
  items[base->n_items++].base = base;
  *item = (tndb_item){0};
  return TENANTDB_OK;
}

tenantdb_status tndb_base_add_table(tenantdb_base *base, const char *name, int32_t line, tenantdb_table **out,
                                    tenantdb_error **error) {
  *out = NULL;
  tndb_entry *entry;
  tenantdb_status status = tndb_base_add_entry(base, name, 'r', &entry, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  tenantdb_table *table = tndb_new(tenantdb_table);
  if (!table) {
    return tndb_no_memory(error);
  }
  entry->table = table;
  table->base = base;
  table->number = base->registry->n_tables++;
  table->line = line;
  table->grant = -1;
  table->kind = 'r';
  table->name = tndb_strdup(name);
  if (!table->name) {
    entry->table = NULL;
    tndb_table_release(table);
    return tndb_no_memory(error);
  }
  *out = table;
  tndb_item item = {.kind = TNDB_DDL_TABLE, .line = line, .table = table};
  return tndb_base_add_item(base, &item, error);
}

/* ---------------------------------------------------------------- public */

tenantdb_table *tenantdb_base_table(tenantdb_base *base, const char *name) {
  if (!base) {
    return NULL;
  }
  tndb_entry *known = name ? tndb_base_find(base, name) : NULL;
  if (known && known->table) {
    return known->table;
  }
  if (!tndb_registry_open_for(base->registry)) {
    return NULL;
  }
  tenantdb_table *table = NULL;
  tenantdb_error *mistake = NULL;
  if (!name) {
    tndb_origin(&mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "the name is NULL");
  } else {
    tndb_base_add_table(base, name, 0, &table, &mistake);
  }
  tndb_place place = {.base = base, .what = "table", .name = name && strlen(name) <= 63 ? name : NULL};
  tndb_registry_keep(base->registry, &place, mistake);
  return table;
}

void tenantdb_base_grant(tenantdb_base *base, const char *privileges) {
  if (!base || !tndb_registry_open_for(base->registry)) {
    return;
  }
  tenantdb_error *mistake = NULL;
  if (base->kind != TENANTDB_BASE_SHARED) {
    tndb_origin(&mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                "grants are for shared bases; a tenant's sessions own their tables' data anyway");
  } else {
    int32_t mask;
    if (tndb_privilege_parse(privileges, &mask, &mistake) == TENANTDB_OK) {
      base->grant = mask;
    }
  }
  tndb_place place = {.base = base, .what = "grant"};
  tndb_registry_keep(base->registry, &place, mistake);
}

/* SPDX-License-Identifier: PostgreSQL */
/* What no builder can see alone: targets, columns named elsewhere, names that meet in one schema. */
#include "registry/check.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/nearest.h"
#include "registry/mistake.h"
#include "registry/resolve.h"

static tenantdb_status placed(const tndb_place *place, tenantdb_status status, tenantdb_error **error) {
  if (status != TENANTDB_OK) {
    tndb_place_error(place, error);
  }
  return status;
}

static tenantdb_status unknown_column(const tenantdb_table *table, const char *name, int32_t reason,
                                      tenantdb_error **error) {
  tndb_nearest nearest = TNDB_NEAREST_INIT(name);
  for (size_t i = 0; i < table->n_elements; i++) {
    if (table->elements[i].kind == TNDB_ELEMENT_COLUMN) {
      tndb_nearest_try(&nearest, table->elements[i].name);
    }
  }
  if (nearest.best) {
    return tndb_origin(error, TENANTDB_ARGUMENT, reason,
                       "table %s has no column \"%s\"; did you mean \"%s\"?", table->name, name,
                       nearest.best);
  }
  return tndb_origin(error, TENANTDB_ARGUMENT, reason, "table %s has no column \"%s\"", table->name, name);
}

static tenantdb_status check_columns(const tenantdb_table *table, const tndb_names *names, bool folds,
                                     int32_t reason, tenantdb_error **error) {
  for (size_t i = 0; i < names->count && !table->open; i++) {
    if (!tndb_table_find_column(table, names->items[i], folds)) {
      return unknown_column(table, names->items[i], reason, error);
    }
  }
  return TENANTDB_OK;
}

/* ------------------------------------------------------------ foreign keys */

static const tndb_key *primary_key(const tenantdb_table *table) {
  for (size_t i = 0; i < table->n_keys; i++) {
    if (table->keys[i].kind == 'p') {
      return &table->keys[i];
    }
  }
  return NULL;
}

static tenantdb_status check_pairing(const tndb_foreign_key *key, const tenantdb_table *target,
                                     tenantdb_error **error) {
  size_t count = key->target_columns.count;
  if (count == 0) {
    const tndb_key *primary = primary_key(target);
    if (target->open) {
      return TENANTDB_OK;
    }
    if (!primary) {
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_REFERENCE,
                         "table %s has no primary key; name the columns referred to", target->name);
    }
    count = primary->columns.count;
  }
  if (count != key->columns.count) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_REFERENCE,
                       "%zu columns refer to %zu columns of table %s", key->columns.count, count,
                       target->name);
  }
  return TENANTDB_OK;
}

static tenantdb_status check_foreign_key(const tenantdb_table *table, const tndb_foreign_key *key,
                                         tenantdb_error **error) {
  tndb_target target;
  tenantdb_status status = tndb_foreign_key_resolve(table, key, &target, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  status = check_columns(table, &key->columns, false, TENANTDB_REASON_UNKNOWN_COLUMN, error);
  if (status == TENANTDB_OK) {
    status = check_columns(target.entry->table, &key->target_columns, key->folds,
                           TENANTDB_REASON_BAD_REFERENCE, error);
  }
  if (status == TENANTDB_OK) {
    status = check_pairing(key, target.entry->table, error);
  }
  tndb_place place = {table->base, table, key->line, "foreign key to", key->target};
  return placed(&place, status, error);
}

static tenantdb_status check_table(const tenantdb_table *table, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; i < table->n_keys && status == TENANTDB_OK; i++) {
    const tndb_key *key = &table->keys[i];
    const char *what = key->kind == 'p' ? "primary key" : "unique constraint";
    tndb_place place = {table->base, table, table->line, what, key->name};
    status = placed(&place, check_columns(table, &key->columns, false, TENANTDB_REASON_UNKNOWN_COLUMN, error),
                    error);
  }
  for (size_t i = 0; i < table->n_foreign_keys && status == TENANTDB_OK; i++) {
    status = check_foreign_key(table, &table->foreign_keys[i], error);
  }
  return status;
}

/* ------------------------------------------------- indexes, comments, triggers */

static tenantdb_status check_about(const tndb_item *item, const tenantdb_table **table,
                                   tenantdb_error **error) {
  *table = item->table;
  if (!item->table_name) {
    return TENANTDB_OK;
  }
  tndb_target target;
  tenantdb_status status =
      tndb_registry_resolve_declared(item->base, item->table_name, false, &target, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  if (target.base->kind != item->base->kind) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_REFERENCE,
                       "\"%s\" is a table of the shared base %s; declare this there", item->table_name,
                       target.base->name);
  }
  *table = target.entry->table;
  return TENANTDB_OK;
}

static tenantdb_status check_item(const tndb_item *item, tenantdb_error **error) {
  const tenantdb_table *table;
  tndb_place place = {item->base, item->table, item->line, NULL, NULL};
  place.what = item->kind == TNDB_DDL_INDEX ? "index" : item->kind == TNDB_DDL_COMMENT ? "comment" : NULL;
  place.name = item->name ? item->name : item->column;
  tenantdb_status status = check_about(item, &table, error);
  if (status == TENANTDB_OK && item->column && table && !table->open &&
      !tndb_table_find_column(table, item->column, false)) {
    status = unknown_column(table, item->column, TENANTDB_REASON_UNKNOWN_COLUMN, error);
  }
  return placed(&place, status, error);
}

/* ----------------------------------------------------------------- meeting */

/*
 * What shares a schema shares one space of names for tables, views, sequences
 * and indexes, and another for types, to which every table adds its own.
 */
typedef struct meeting {
  tndb_map relations;
  tndb_map types;
} meeting;

/* The base is the map's value: who had the name first. */
static tenantdb_status claim(tndb_map *names, const tndb_place *place, const char *name,
                             tenantdb_error **error) {
  const tenantdb_base *first = tndb_map_get(names, name);
  if (first && first != place->base) {
    tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME,
                "\"%s\" is declared in base %s too, and both would meet in one schema", name, first->name);
  } else if (first) {
    tndb_origin(
        error, TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME,
        "\"%s\" is declared twice in this base: tables, views, sequences, indexes and the constraints "
        "that make indexes share their names",
        name);
  } else {
    return tndb_map_put(names, name, (void *)place->base) ? TENANTDB_OK : tndb_no_memory(error);
  }
  return placed(place, TENANTDB_ARGUMENT, error);
}

static tenantdb_status meet_table(meeting *m, const tenantdb_table *table, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; i < table->n_keys && status == TENANTDB_OK; i++) {
    if (table->keys[i].name) {
      tndb_place place = {table->base, table, table->line, "constraint", table->keys[i].name};
      status = claim(&m->relations, &place, table->keys[i].name, error);
    }
  }
  return status;
}

static tenantdb_status meet_base(meeting *m, const tenantdb_base *base, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; i < base->n_entries && status == TENANTDB_OK; i++) {
    const tndb_entry *entry = base->entries[i];
    tndb_place place = {base, entry->table, entry->table ? entry->table->line : 0, NULL, NULL};
    status = claim(&m->relations, &place, entry->name, error);
    if (status == TENANTDB_OK && entry->kind != 'S') {
      status = claim(&m->types, &place, entry->name, error);
    }
    if (status == TENANTDB_OK && entry->table) {
      status = meet_table(m, entry->table, error);
    }
  }
  for (size_t i = 0; i < base->n_items && status == TENANTDB_OK; i++) {
    const tndb_item *item = &base->items[i];
    bool index = item->kind == TNDB_DDL_INDEX && item->name;
    if (index || item->kind == TNDB_DDL_TYPE) {
      tndb_place place = {base, item->table, item->line, index ? "index" : "type", item->name};
      status = claim(index ? &m->relations : &m->types, &place, item->name, error);
    }
  }
  return status;
}

static tenantdb_status check_meeting(const tenantdb_registry *registry, int32_t kind,
                                     tenantdb_error **error) {
  meeting m = {{NULL, 0, 0}, {NULL, 0, 0}};
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; i < registry->n_bases && status == TENANTDB_OK; i++) {
    if (registry->bases[i]->kind == kind) {
      status = meet_base(&m, registry->bases[i], error);
    }
  }
  tndb_map_free(&m.relations);
  tndb_map_free(&m.types);
  return status;
}

/* ---------------------------------------------------------------- together */

static tenantdb_status check_base(const tenantdb_base *base, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; i < base->n_items && status == TENANTDB_OK; i++) {
    const tndb_item *item = &base->items[i];
    status = item->kind == TNDB_DDL_TABLE ? check_table(item->table, error) : check_item(item, error);
  }
  return status;
}

/* Order and markers are checked by making the statements once. */
static tenantdb_status check_kind(const tenantdb_registry *registry, int32_t kind, tenantdb_error **error) {
  tndb_ddl ddl;
  tenantdb_status status = check_meeting(registry, kind, error);
  if (status == TENANTDB_OK) {
    status = tndb_ddl_make(registry, kind, NULL, "schema", "shared", &ddl, error);
  }
  if (status == TENANTDB_OK) {
    tndb_ddl_free(&ddl);
  }
  return status;
}

tenantdb_status tndb_registry_verify(const tenantdb_registry *registry, tenantdb_error **error) {
  if (registry->mistake) {
    return tndb_error_pass(error, tndb_error_copy(registry->mistake));
  }
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; i < registry->n_bases && status == TENANTDB_OK; i++) {
    status = check_base(registry->bases[i], error);
  }
  if (status == TENANTDB_OK) {
    status = check_kind(registry, TENANTDB_BASE_SHARED, error);
  }
  if (status == TENANTDB_OK) {
    status = check_kind(registry, TENANTDB_BASE_TENANT, error);
  }
  if (status == TENANTDB_OK && atomic_load_explicit(&registry->late, memory_order_relaxed)) {
    status =
        tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_REGISTRY_FROZEN,
                    "something was declared after the registry was opened with a database, and was refused; "
                    "declare everything first");
  }
  return status;
}

tenantdb_status tenantdb_registry_check(const tenantdb_registry *registry, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!registry) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "the registry is NULL");
  }
  if (!tndb_registry_valid(registry)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE, "this is no registry");
  }
  return tndb_registry_verify(registry, error);
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Room registry: what should exist, without a server.
 *
 * Declaring (base.c, table.c, script.c and what they call) writes the model;
 * everything else only reads it. A mistake is kept by the registry, the first
 * one with its place, so that declaring needs no check per line. What cannot be
 * seen line by line (targets of foreign keys, names that meet in one schema) is
 * looked at by check.c. From the model order.c works out an order that works and
 * ddl.c writes the statements; nothing is stored there, so a frozen registry is
 * never written and any number of threads may read it.
 *
 * A registry is counted: every database opened with it holds it, and the last
 * one to let go frees it.
 */
#include "registry/registry.h"

#include <string.h>

#include "base/memory.h"
#include "registry/mistake.h"
#include "sql/identifier.h"

#define MAGIC UINT32_C(0x74726567)

tenantdb_registry *tenantdb_registry_new(void) {
  tenantdb_registry *registry = tndb_new(tenantdb_registry);
  if (registry) {
    registry->magic = MAGIC;
    atomic_init(&registry->references, 1);
    atomic_init(&registry->frozen, false);
    atomic_init(&registry->late, false);
  }
  return registry;
}

bool tndb_registry_valid(const tenantdb_registry *registry) {
  return registry && registry->magic == MAGIC;
}

tenantdb_registry *tndb_registry_hold(tenantdb_registry *registry) {
  atomic_store_explicit(&registry->frozen, true, memory_order_release);
  atomic_fetch_add_explicit(&registry->references, 1, memory_order_relaxed);
  return registry;
}

void tenantdb_registry_version(tenantdb_registry *registry, int64_t version) {
  if (!tndb_registry_valid(registry) || !tndb_registry_open_for(registry)) {
    return;
  }
  if (version < 0) {
    tenantdb_error *mistake = NULL;
    (void)tndb_origin(&mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                      "the registry's version %lld is negative", (long long)version);
    tndb_registry_keep(registry, NULL, mistake);
    return;
  }
  registry->version = version;
}

static void release_base(tenantdb_base *base) {
  for (size_t i = 0; i < base->n_items; i++) {
    tndb_item_clear(&base->items[i]);
  }
  for (size_t i = 0; i < base->n_entries; i++) {
    tndb_table_release(base->entries[i]->table);
    tndb_free(base->entries[i]->name);
    tndb_free(base->entries[i]);
  }
  tndb_free(base->items);
  tndb_free(base->entries);
  tndb_map_free(&base->names);
  tndb_free(base->name);
  tndb_free(base);
}

void tenantdb_registry_free(tenantdb_registry *registry) {
  if (!tndb_registry_valid(registry) ||
      atomic_fetch_sub_explicit(&registry->references, 1, memory_order_acq_rel) > 1) {
    return;
  }
  for (size_t i = 0; i < registry->n_bases; i++) {
    release_base(registry->bases[i]);
  }
  tndb_free(registry->bases);
  tenantdb_error_free(registry->mistake);
  registry->magic = 0;
  tndb_free(registry);
}

/* ------------------------------------------------------------------- bases */

static tenantdb_base *find_base(const tenantdb_registry *registry, const char *name) {
  for (size_t i = 0; i < registry->n_bases; i++) {
    if (strcmp(registry->bases[i]->name, name) == 0) {
      return registry->bases[i];
    }
  }
  return NULL;
}

static tenantdb_status check_base(const tenantdb_base *known, const char *name, int32_t kind,
                                  tenantdb_error **error) {
  if (!name) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "a base's name is NULL");
  }
  tenantdb_status status = tndb_identifier_check("a base's name", name, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  if (strpbrk(name, ".{}")) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER,
                       "base %s: a base's name holds no dot and no brace", name);
  }
  if (kind == TENANTDB_BASE_ROW) {
    return tndb_origin(error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE,
                       "base %s: bases of kind row are not available yet; use a tenant base", name);
  }
  if (kind != TENANTDB_BASE_SHARED && kind != TENANTDB_BASE_TENANT) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                       "base %s: %d is not a kind of base", name, (int)kind);
  }
  if (known && known->kind != kind) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                       "base %s: declared as both a shared and a tenant base", name);
  }
  return TENANTDB_OK;
}

static tenantdb_base *add_base(tenantdb_registry *registry, const char *name, int32_t kind) {
  tenantdb_base **bases = tndb_array_room(registry->bases, registry->n_bases, sizeof(tenantdb_base *));
  if (!bases) {
    return NULL;
  }
  registry->bases = bases;
  tenantdb_base *base = tndb_new(tenantdb_base);
  if (!base) {
    return NULL;
  }
  base->name = tndb_strdup(name);
  if (!base->name) {
    tndb_free(base);
    return NULL;
  }
  base->registry = registry;
  base->kind = kind;
  bases[registry->n_bases++] = base;
  return base;
}

tenantdb_base *tenantdb_registry_base(tenantdb_registry *registry, const char *name, int32_t kind) {
  if (!tndb_registry_valid(registry)) {
    return NULL;
  }
  tenantdb_base *base = name ? find_base(registry, name) : NULL;
  if (base && base->kind == kind) {
    return base;
  }
  if (!tndb_registry_open_for(registry)) {
    return NULL;
  }
  tenantdb_error *mistake = NULL;
  if (check_base(base, name, kind, &mistake) == TENANTDB_OK) {
    base = add_base(registry, name, kind);
    if (!base) {
      tndb_no_memory(&mistake);
    }
  } else {
    base = NULL;
  }
  tndb_registry_keep(registry, NULL, mistake);
  return base;
}

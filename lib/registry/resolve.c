/* SPDX-License-Identifier: PostgreSQL */
#include "registry/resolve.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/nearest.h"
#include "registry/mistake.h"
#include "sql/identifier.h"

/* Base, dot and table at their longest. */
#define LONGEST (2 * TNDB_IDENTIFIER_BYTES + 2)

static bool visible(const tenantdb_base *from, const tenantdb_base *base) {
  return !from || from->kind == TENANTDB_BASE_TENANT || base->kind == from->kind;
}

/* How near a base is: 0 is itself, then its kind, then the shared ones. */
static int distance(const tenantdb_base *from, const tenantdb_base *base) {
  if (!from || from == base) {
    return 0;
  }
  return from->kind == base->kind ? 1 : 2;
}

/* The nearest bases' table of that name; `several` when two are equally near and would not meet anyway. */
static bool look_up(const tenantdb_registry *registry, const tenantdb_base *from, const char *name,
                    tndb_target *target, bool *several) {
  int best = 3;
  *several = false;
  for (size_t i = 0; i < registry->n_bases; i++) {
    const tenantdb_base *base = registry->bases[i];
    const tndb_entry *entry = visible(from, base) ? tndb_base_find(base, name) : NULL;
    if (!entry) {
      continue;
    }
    int d = distance(from, base);
    if (d < best) {
      best = d;
      *several = false;
      *target = (tndb_target){base, entry};
    } else if (d == best) {
      *several = true;
    }
  }
  return best < 3;
}

static const tenantdb_base *find_base(const tenantdb_registry *registry, const char *name, size_t length) {
  for (size_t i = 0; i < registry->n_bases; i++) {
    const char *known = registry->bases[i]->name;
    if (strlen(known) == length && memcmp(known, name, length) == 0) {
      return registry->bases[i];
    }
  }
  return NULL;
}

/* -------------------------------------------------------------- failures */

static tenantdb_status unknown(tenantdb_error **error, int32_t reason, const char *what, const char *name,
                               const char *nearest) {
  if (nearest) {
    return tndb_origin(error, TENANTDB_NOT_FOUND, reason, "no %s \"%s\" is declared; did you mean \"%s\"?",
                       what, name, nearest);
  }
  return tndb_origin(error, TENANTDB_NOT_FOUND, reason, "no %s \"%s\" is declared", what, name);
}

static void try_base(tndb_nearest *nearest, const tenantdb_base *base) {
  for (size_t i = 0; i < base->n_entries; i++) {
    tndb_nearest_try(nearest, base->entries[i]->name);
  }
}

static tenantdb_status unknown_in(const tenantdb_base *base, const char *name, tenantdb_error **error) {
  tndb_nearest nearest = TNDB_NEAREST_INIT(name);
  try_base(&nearest, base);
  unknown(error, TENANTDB_REASON_UNKNOWN_TABLE, "table", name, nearest.best);
  tndb_error_prefix(error, "in base %s", base->name);
  return TENANTDB_NOT_FOUND;
}

static tenantdb_status unknown_base(const tenantdb_registry *registry, const char *name,
                                    tenantdb_error **error) {
  tndb_nearest nearest = TNDB_NEAREST_INIT(name);
  for (size_t i = 0; i < registry->n_bases; i++) {
    tndb_nearest_try(&nearest, registry->bases[i]->name);
  }
  return unknown(error, TENANTDB_REASON_UNKNOWN_BASE, "base", name, nearest.best);
}

static tenantdb_status unknown_anywhere(const tenantdb_registry *registry, const tenantdb_base *from,
                                        const char *name, tenantdb_error **error) {
  tndb_nearest nearest = TNDB_NEAREST_INIT(name);
  for (size_t i = 0; i < registry->n_bases; i++) {
    const tenantdb_base *base = registry->bases[i];
    if (visible(from, base)) {
      try_base(&nearest, base);
    } else if (tndb_base_find(base, name)) {
      return tndb_origin(
          error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_REFERENCE,
          "\"%s\" is a table of the tenant base %s, of which every tenant has a copy: a shared "
          "base cannot refer to it",
          name, base->name);
    }
  }
  return unknown(error, TENANTDB_REASON_UNKNOWN_TABLE, "table", name, nearest.best);
}

static tenantdb_status ambiguous(const tenantdb_registry *registry, const tenantdb_base *from,
                                 const char *name, tenantdb_error **error) {
  tndb_auto_buffer list = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < registry->n_bases; i++) {
    const tenantdb_base *base = registry->bases[i];
    if (visible(from, base) && tndb_base_find(base, name)) {
      tndb_buffer_append(&list, list.length ? " or {" : "{");
      tndb_buffer_append(&list, base->name);
      tndb_buffer_append_char(&list, '.');
      tndb_buffer_append(&list, name);
      tndb_buffer_append_char(&list, '}');
    }
  }
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_AMBIGUOUS_TABLE,
                     "several bases have a table \"%s\": write %s", name, tndb_buffer_text(&list));
}

/* ---------------------------------------------------------------- public */

static tenantdb_status resolve_in(const tenantdb_base *base, const tenantdb_base *from, const char *name,
                                  tndb_target *target, tenantdb_error **error) {
  const tndb_entry *entry = tndb_base_find(base, name);
  if (!entry) {
    return unknown_in(base, name, error);
  }
  if (!visible(from, base)) {
    return unknown_anywhere(base->registry, from, name, error);
  }
  *target = (tndb_target){base, entry};
  return TENANTDB_OK;
}

tenantdb_status tndb_registry_resolve(const tenantdb_registry *registry, const tenantdb_base *from,
                                      const char *name, size_t length, tndb_target *target,
                                      tenantdb_error **error) {
  *target = (tndb_target){NULL, NULL};
  char text[LONGEST];
  if (length >= sizeof text) {
    return tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TABLE,
                       "no table is declared whose name has %zu bytes", length);
  }
  memcpy(text, name, length);
  text[length] = '\0';
  char *dot = strchr(text, '.');
  const tenantdb_base *base = dot ? find_base(registry, text, (size_t)(dot - text)) : NULL;
  if (base) {
    return resolve_in(base, from, dot + 1, target, error);
  }
  bool several;
  if (look_up(registry, from, text, target, &several)) {
    return several ? ambiguous(registry, from, text, error) : TENANTDB_OK;
  }
  if (dot) {
    *dot = '\0';
    return unknown_base(registry, text, error);
  }
  return unknown_anywhere(registry, from, text, error);
}

tenantdb_status tndb_registry_resolve_declared(const tenantdb_base *from, const char *name, bool folds,
                                               tndb_target *target, tenantdb_error **error) {
  size_t length = strlen(name);
  tenantdb_status status = tndb_registry_resolve(from->registry, from, name, length, target, error);
  if (status == TENANTDB_NOT_FOUND && folds && length <= TNDB_IDENTIFIER_BYTES) {
    char folded[TNDB_IDENTIFIER_BYTES + 1];
    memcpy(folded, name, length + 1);
    tndb_fold_case(folded);
    if (tndb_registry_find(from, folded, target)) {
      if (error) {
        tndb_error_cleanup(error);
      }
      return TENANTDB_OK;
    }
  }
  if (status == TENANTDB_NOT_FOUND) {
    if (error) {
      tndb_error_fold(error, TENANTDB_ARGUMENT, tenantdb_error_reason(*error));
    }
    return TENANTDB_ARGUMENT;
  }
  return status;
}

tenantdb_status tndb_foreign_key_resolve(const tenantdb_table *table, const tndb_foreign_key *key,
                                         tndb_target *target, tenantdb_error **error) {
  tenantdb_status status =
      tndb_registry_resolve_declared(table->base, key->target, key->folds, target, error);
  if (status == TENANTDB_OK && target->entry->table) {
    return TENANTDB_OK;
  }
  if (status == TENANTDB_OK) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_REFERENCE, "\"%s\" is not a table",
                         key->target);
  } else if (error && tenantdb_error_reason(*error) != TENANTDB_REASON_AMBIGUOUS_TABLE) {
    tndb_error_fold(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_REFERENCE);
  }
  tndb_place place = {table->base, table, key->line, "foreign key to", key->target};
  tndb_place_error(&place, error);
  return status;
}

bool tndb_registry_find(const tenantdb_base *from, const char *name, tndb_target *target) {
  bool several;
  *target = (tndb_target){NULL, NULL};
  return look_up(from->registry, from, name, target, &several) && !several;
}

/* SPDX-License-Identifier: PostgreSQL */
/* Finding what a name means. */
#ifndef TNDB_REGISTRY_RESOLVE_H
#define TNDB_REGISTRY_RESOLVE_H

#include "registry/model.h"

typedef struct tndb_target {
  const tenantdb_base *base;
  const tndb_entry *entry;
} tndb_target;

/*
 * What "name" or "base.name" (of `length` bytes) means. From a base: its own
 * first, then bases of the same kind, then from a tenant base the shared ones.
 * From nowhere (NULL, a statement): all bases, and it must be unambiguous.
 * Fails with NOT_FOUND (unknown table or base, naming the nearest) or ARGUMENT
 * (ambiguous; a shared base naming a tenant's table).
 */
tenantdb_status tndb_registry_resolve(const tenantdb_registry *registry, const tenantdb_base *from,
                                      const char *name, size_t length, tndb_target *target,
                                      tenantdb_error **error);
/* The same for a name in a declaration: status ARGUMENT always; `folds` tries lower case too. */
tenantdb_status tndb_registry_resolve_declared(const tenantdb_base *from, const char *name, bool folds,
                                               tndb_target *target, tenantdb_error **error);
/* A foreign key's target, which must be a table; the error has its place and BAD_REFERENCE. */
tenantdb_status tndb_foreign_key_resolve(const tenantdb_table *table, const tndb_foreign_key *key,
                                         tndb_target *target, tenantdb_error **error);
/* The same without an error, for guesses: false when there is none. */
bool tndb_registry_find(const tenantdb_base *from, const char *name, tndb_target *target);

#endif

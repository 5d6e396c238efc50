/* SPDX-License-Identifier: PostgreSQL */
/* What the registry says about a schema's contents, for whoever grants and verifies. */
#include "base/memory.h"
#include "registry/privilege.h"
#include "registry/registry.h"

static const char *privileges_of(const tenantdb_base *base, const tndb_entry *entry) {
  if (base->kind != TENANTDB_BASE_SHARED) {
    return "";
  }
  if (entry->kind == 'S') {
    /* Whoever may write rows may draw the numbers for them. */
    return base->grant & (TNDB_PRIVILEGE_INSERT | TNDB_PRIVILEGE_UPDATE) ? "USAGE" : "";
  }
  int32_t own = entry->table ? entry->table->grant : -1;
  return tndb_privilege_text(own >= 0 ? own : base->grant);
}

size_t tndb_registry_relations(const tenantdb_registry *registry, int32_t kind, tndb_relation *out,
                               size_t room) {
  size_t count = 0;
  for (size_t b = 0; b < registry->n_bases; b++) {
    const tenantdb_base *base = registry->bases[b];
    for (size_t i = 0; base->kind == kind && i < base->n_entries; i++, count++) {
      const tndb_entry *entry = base->entries[i];
      if (count < room) {
        char relkind = entry->table ? entry->table->kind : entry->kind;
        out[count] =
            (tndb_relation){base->name, entry->name, relkind, privileges_of(base, entry), entry->table};
      }
    }
  }
  return count;
}

bool tndb_registry_has_functions(const tenantdb_registry *registry, int32_t kind) {
  for (size_t b = 0; b < registry->n_bases; b++) {
    const tenantdb_base *base = registry->bases[b];
    for (size_t i = 0; base->kind == kind && i < base->n_items; i++) {
      if (base->items[i].kind == TNDB_DDL_FUNCTION) {
        return true;
      }
    }
  }
  return false;
}

bool tndb_registry_has_serials(const tenantdb_registry *registry, int32_t kind) {
  for (size_t b = 0; b < registry->n_bases; b++) {
    const tenantdb_base *base = registry->bases[b];
    for (size_t i = 0; base->kind == kind && i < base->n_entries; i++) {
      if (base->entries[i]->table && base->entries[i]->table->serial) {
        return true;
      }
    }
  }
  return false;
}

tenantdb_status tndb_registry_hash(const tenantdb_registry *registry, int32_t kind, char hex[TNDB_SHA256_HEX],
                                   tenantdb_error **error) {
  static const char digits[] = "0123456789abcdef";
  tndb_ddl ddl;
  hex[0] = '\0';
  tenantdb_status status = tndb_registry_statements(registry, kind, "schema", "shared", &ddl, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  tndb_sha256 hash;
  unsigned char digest[TNDB_SHA256_BYTES];
  tndb_sha256_start(&hash);
  for (size_t i = 0; i < ddl.count; i++) {
    const char *sql = ddl.items[i].sql;
    size_t length = 0;
    while (sql[length]) {
      length++;
    }
    tndb_sha256_add(&hash, sql, length + 1); /* with its NUL: the border between statements counts */
  }
  tndb_sha256_finish(&hash, digest);
  for (size_t i = 0; i < TNDB_SHA256_BYTES; i++) {
    hex[2 * i] = digits[digest[i] >> 4];
    hex[2 * i + 1] = digits[digest[i] & 15];
  }
  hex[TNDB_SHA256_HEX - 1] = '\0';
  tndb_ddl_free(&ddl);
  return TENANTDB_OK;
}

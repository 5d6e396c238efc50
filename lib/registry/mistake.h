/* SPDX-License-Identifier: PostgreSQL */
/* Where a declaration stands, and keeping the first mistake. */
#ifndef TNDB_REGISTRY_MISTAKE_H
#define TNDB_REGISTRY_MISTAKE_H

#include "base/buffer.h"
#include "registry/model.h"

/* "base Service, script line 12, table requests, column id"; all but the base may be missing. */
typedef struct tndb_place {
  const tenantdb_base *base;
  const tenantdb_table *table;
  int32_t line;
  const char *what;
  const char *name;
} tndb_place;

void tndb_place_write(const tndb_place *place, tndb_buffer *buffer);
/* Put the place before an error's message. */
void tndb_place_error(const tndb_place *place, tenantdb_error **error);
/* False when the registry is frozen: declare nothing, the refusal is noted. */
bool tndb_registry_open_for(const tenantdb_registry *registry);
/* Keep a mistake if it is the first; takes `mistake`, which may be NULL. */
void tndb_registry_keep(tenantdb_registry *registry, const tndb_place *place, tenantdb_error *mistake);

#endif

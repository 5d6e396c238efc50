/* SPDX-License-Identifier: PostgreSQL */
#include "registry/mistake.h"

void tndb_place_write(const tndb_place *place, tndb_buffer *buffer) {
  tndb_buffer_append(buffer, "base ");
  tndb_buffer_append(buffer, place->base->name);
  if (place->line > 0) {
    tndb_buffer_format(buffer, ", script line %d", (int)place->line);
  }
  if (place->table) {
    tndb_buffer_append(buffer, ", table ");
    tndb_buffer_append(buffer, place->table->name);
  }
  if (place->what) {
    tndb_buffer_append(buffer, ", ");
    tndb_buffer_append(buffer, place->what);
  }
  if (place->what && place->name && *place->name) {
    tndb_buffer_append_char(buffer, ' ');
    tndb_buffer_append(buffer, place->name);
  }
}

void tndb_place_error(const tndb_place *place, tenantdb_error **error) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_place_write(place, &text);
  tndb_error_prefix(error, "%s", tndb_buffer_text(&text));
}

bool tndb_registry_open_for(const tenantdb_registry *registry) {
  if (!atomic_load_explicit(&registry->frozen, memory_order_acquire)) {
    return true;
  }
  /* Other threads read the registry: this flag is all that may change. */
  atomic_store_explicit(&((tenantdb_registry *)registry)->late, true, memory_order_relaxed);
  return false;
}

void tndb_registry_keep(tenantdb_registry *registry, const tndb_place *place, tenantdb_error *mistake) {
  if (!mistake) {
    return;
  }
  if (registry->mistake) {
    tenantdb_error_free(mistake);
    return;
  }
  if (place) {
    tndb_place_error(place, &mistake);
  }
  registry->mistake = mistake;
}

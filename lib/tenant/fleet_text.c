/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/fleet_text.h"

#include <string.h>

#include "base/memory.h"
#include "session/call.h"
#include "sql/identifier.h"
#include "statement/statement.h"

/*
 * Rendered for a schema "a" and for a schema "b", a statement differs exactly
 * where the schema's name stands. So the compiled statement is not needed any
 * more when this has returned.
 */
static tenantdb_status find_places(const char *as_a, const char *as_b, tndb_fleet_text *text,
                                   tenantdb_error **error) {
  size_t count = 0;
  for (size_t i = 0; as_a[i]; i++) {
    count += as_a[i] != as_b[i];
  }
  text->places = tndb_alloc_array(count, sizeof *text->places);
  if (!text->places) {
    return tndb_no_memory(error);
  }
  for (size_t i = 0; as_a[i]; i++) {
    if (as_a[i] != as_b[i]) {
      text->places[text->n_places++] = i;
    }
  }
  return TENANTDB_OK;
}

/* In memory of our own. */
static tenantdb_status render(const tenantdb *db, const tenantdb_statement *statement, const char *schema,
                              char **sql, tenantdb_error **error) {
  tndb_rendering rendering;
  tenantdb_status status =
      tndb_rendering_start(&rendering, statement, schema, tndb_database_shared_schema(db), error);
  if (status) {
    return status;
  }
  *sql = tndb_alloc(rendering.length + 1);
  if (!*sql) {
    return tndb_no_memory(error);
  }
  tndb_rendering_write(&rendering, *sql, rendering.length + 1);
  return TENANTDB_OK;
}

tenantdb_status tndb_fleet_text_make(const tenantdb *db, const char *sql, const tenantdb_statement *statement,
                                     const tenantdb_params *params, tndb_fleet_text *text,
                                     tenantdb_error **error) {
  tndb_auto_free char *as_a = NULL;
  tndb_auto_free char *as_b = NULL;
  *text = (tndb_fleet_text){.places = NULL};
  tenantdb_status status = tndb_params_mistake(params, error);
  if (!status && statement) {
    status = render(db, statement, "a", &as_a, error);
  }
  if (!status && statement) {
    status = render(db, statement, "b", &as_b, error);
  }
  if (!status && statement) {
    status = find_places(as_a, as_b, text, error);
    sql = as_a;
  }
  if (!status) {
    status = tndb_session_admit(sql, error);
  }
  if (!status) {
    tndb_values values = tndb_values_of(params);
    status = tndb_item_copy(sql, &values, &text->item, error);
  }
  return status;
}

void tndb_fleet_text_free(tndb_fleet_text *text) {
  tndb_item_free(&text->item);
  tndb_free(text->places);
  *text = (tndb_fleet_text){.places = NULL};
}

const char *tndb_fleet_text_for(const tndb_fleet_text *text, const char *schema, tndb_buffer *buffer) {
  const char *sql = text->item.sql;
  size_t copied = 0;
  if (text->n_places == 0) {
    return sql;
  }
  tndb_buffer_clear(buffer);
  for (size_t i = 0; i < text->n_places; i++) {
    /* The quotes around the name are part of the text, and of what quoting makes. */
    tndb_buffer_append_n(buffer, sql + copied, text->places[i] - 1 - copied);
    tndb_quote_identifier(buffer, schema);
    copied = text->places[i] + 2;
  }
  tndb_buffer_append(buffer, sql + copied);
  return buffer->failed ? NULL : tndb_buffer_text(buffer);
}

/* SPDX-License-Identifier: PostgreSQL */
/* The statement of a fleet query, its values, and where in it the tenant's schema stands. */
#ifndef TNDB_TENANT_FLEET_TEXT_H
#define TNDB_TENANT_FLEET_TEXT_H

#include <tenantdb/statement.h>

#include "session/values.h"

typedef struct tndb_fleet_text {
  tndb_call_item item; /* text and values, copied once for all tenants */
  size_t *places;      /* of the schema in the text, where one byte stands for it */
  size_t n_places;
} tndb_fleet_text;

/* One of `sql` and `statement`. tndb_fleet_text_free() in both outcomes. */
tenantdb_status tndb_fleet_text_make(const tenantdb *db, const char *sql, const tenantdb_statement *statement,
                                     const tenantdb_params *params, tndb_fleet_text *text,
                                     tenantdb_error **error);
void tndb_fleet_text_free(tndb_fleet_text *text);
/* The text for a schema: the common one, or in the buffer; NULL when memory ran out. */
const char *tndb_fleet_text_for(const tndb_fleet_text *text, const char *schema, tndb_buffer *buffer);

#endif

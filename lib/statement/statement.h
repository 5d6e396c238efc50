/* SPDX-License-Identifier: PostgreSQL */
/* Rendering for the rooms that send statements. */
#ifndef TNDB_STATEMENT_STATEMENT_H
#define TNDB_STATEMENT_STATEMENT_H

#include <tenantdb/statement.h>

#include "base/buffer.h"
#include "base/error.h"

/* Append the rendered text. Schemas as in tenantdb_statement_render(). */
tenantdb_status tndb_statement_render(const tenantdb_statement *statement, const char *schema,
                                      const char *shared_schema, tndb_buffer *out, tenantdb_error **error);

#endif

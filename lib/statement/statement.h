/* SPDX-License-Identifier: PostgreSQL */
/* Rendering for the rooms that send statements. */
#ifndef TNDB_STATEMENT_STATEMENT_H
#define TNDB_STATEMENT_STATEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include <tenantdb/statement.h>

#include "base/error.h"
#include "sql/identifier.h"

/* A schema's name as it stands between quotes: itself, or a copy with its quotes doubled. */
typedef struct tndb_quoted {
  const char *text;
  size_t length;
  char doubled[2 * TNDB_IDENTIFIER_BYTES];
} tndb_quoted;

/* A statement with the names that are due: checked, measured, and still to be written. */
typedef struct tndb_rendering {
  const tenantdb_statement *statement;
  size_t length; /* of the whole text, without a NUL */
  tndb_quoted schemas[2];
} tndb_rendering;

/* Schemas as in tenantdb_statement_render(); they must last until the text is written. */
tenantdb_status tndb_rendering_start(tndb_rendering *rendering, const tenantdb_statement *statement,
                                     const char *schema, const char *shared_schema, tenantdb_error **error);
/* Write the text and its NUL; there is room for `size` bytes, which is more than the length. */
void tndb_rendering_write(const tndb_rendering *rendering, char *to, size_t size);

/* NULL, foreign or freed. */
tenantdb_status tndb_statement_check(const tenantdb_statement *statement, tenantdb_error **error);
/* Never 0, and never given again while the process lives, unlike an address. */
uint64_t tndb_statement_serial(const tenantdb_statement *statement);
/* Whether a tenant's schema stands in it; without one its text is the same for all tenants. */
bool tndb_statement_names_tenant(const tenantdb_statement *statement);

#endif

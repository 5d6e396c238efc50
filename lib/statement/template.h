/* SPDX-License-Identifier: PostgreSQL */
/*
 * The text of a statement that the library writes itself. Names stand in quotes;
 * where a schema or a table belongs there is an empty marker {}, and what it
 * means is in a list beside the text: so a name may hold anything, and nothing
 * is looked up twice.
 */
#ifndef TNDB_STATEMENT_TEMPLATE_H
#define TNDB_STATEMENT_TEMPLATE_H

#include "base/buffer.h"
#include "registry/resolve.h"
#include "statement/parameters.h"
#include "statement/statement.h"

typedef struct tndb_template {
  tndb_buffer text; /* its `failed` says that memory ran out for either */
  tndb_target *targets;
  size_t count;
} tndb_template;

#define TNDB_TEMPLATE_INIT \
  { TNDB_BUFFER_INIT, NULL, 0 }

/* A marker: of a table with its schema, or of the schema of a base alone (entry NULL). */
void tndb_template_target(tndb_template *out, const tndb_target *target);
void tndb_template_number(tndb_template *out, size_t number);
/* $n */
void tndb_template_parameter(tndb_template *out, size_t number);
void tndb_template_free(tndb_template *out);
/* Compile it. Takes the parameters in both outcomes. */
tenantdb_status tndb_template_finish(const tndb_template *template, const tenantdb_registry *registry,
                                     tndb_parameters *parameters, tenantdb_statement **statement,
                                     tenantdb_error **error);

#endif

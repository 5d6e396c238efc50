/* SPDX-License-Identifier: PostgreSQL */
/* What each parameter of a built statement is for. It belongs to its statement and is never written again. */
#ifndef TNDB_STATEMENT_PARAMETERS_H
#define TNDB_STATEMENT_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tndb_parameters tndb_parameters;

/* One parameter; name and type are copied, role and comparison are static. */
typedef struct tndb_parameter {
  const char *name;       /* the column's as the caller wrote it, NULL for none */
  const char *type;       /* as declared, NULL when it is not */
  bool array;             /* of that type */
  const char *role;       /* "value", "where" … */
  const char *comparison; /* or NULL */
} tndb_parameter;

/* `rows` of it: what is added is one row's, numbered on from row to row. At least 1. */
tndb_parameters *tndb_parameters_new(size_t rows);
/* The next one. Sticky: ask tndb_parameters_failed() once, of a NULL too. */
void tndb_parameters_add(tndb_parameters *parameters, const tndb_parameter *parameter);
bool tndb_parameters_failed(const tndb_parameters *parameters);
size_t tndb_parameters_count(const tndb_parameters *parameters);
void tndb_parameters_free(tndb_parameters *parameters);

#endif

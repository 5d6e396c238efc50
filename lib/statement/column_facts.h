/* SPDX-License-Identifier: PostgreSQL */
/* What a declaration says about a column, for who writes statements from it. */
#ifndef TNDB_STATEMENT_COLUMN_FACTS_H
#define TNDB_STATEMENT_COLUMN_FACTS_H

#include "registry/resolve.h"
#include "statement/template.h"

typedef struct tndb_column_facts {
  const char *type; /* as declared; NULL when the column is not */
  bool not_null;    /* said or implied; false when that is not known */
  bool generated;   /* GENERATED ALWAYS AS (expression) */
  bool identity;    /* GENERATED ALWAYS AS IDENTITY */
} tndb_column_facts;

/* `table` is NULL for a view. */
void tndb_column_facts_find(tndb_column_facts *facts, const tenantdb_table *table, const char *name);
/* NULL when none is declared, or its columns are not known. */
const tndb_key *tndb_primary_key(const tenantdb_table *table);
/*
 * Write the type that an array of a column's values has, without length and
 * precision: a cast would cut silently what the column itself refuses. False, and
 * nothing is written, when there is none: the type is not declared, or an array
 * itself.
 */
bool tndb_array_type_write(const tenantdb_table *table, const char *type, tndb_template *out);

#endif

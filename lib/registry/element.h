/* SPDX-License-Identifier: PostgreSQL */
/* Adding to a table what stands between the parentheses of CREATE TABLE; shared by builders and SQL. */
#ifndef TNDB_REGISTRY_ELEMENT_H
#define TNDB_REGISTRY_ELEMENT_H

#include "registry/fragment.h"

/* How the text at hand was written. */
typedef struct tndb_dialect {
  int32_t line; /* of the text's beginning in its script, 0 in a builder */
  bool script;  /* plain names are folded, and "a.b" is not base.table */
} tndb_dialect;

/* A column: `text` is the type and what follows it, clean. */
tenantdb_status tndb_table_add_column(tenantdb_table *table, const char *name, const char *text,
                                      const tndb_dialect *dialect, tenantdb_error **error);
/* A table constraint, with or without CONSTRAINT name; clean. */
tenantdb_status tndb_table_add_constraint(tenantdb_table *table, const char *text,
                                          const tndb_dialect *dialect, tenantdb_error **error);
/* Takes what the key owns in both outcomes. */
tenantdb_status tndb_table_add_foreign_key(tenantdb_table *table, tndb_foreign_key *key,
                                           tenantdb_error **error);
/* Takes the strings in both outcomes. */
tenantdb_status tndb_table_add_element(tenantdb_table *table, tndb_element *element, tenantdb_error **error);
tenantdb_status tndb_table_add_key(tenantdb_table *table, tndb_key *key, tenantdb_error **error);
/* Note a constraint's name; refused when the table has one of it. */
tenantdb_status tndb_table_note_constraint(tenantdb_table *table, const char *name, tenantdb_error **error);

/* The table at the cursor as a target: "name" or "base.name"; the cursor then stands behind it. */
tenantdb_status tndb_target_parse(tndb_cursor *cursor, const tndb_dialect *dialect, char **target,
                                  tenantdb_error **error);
/* Behind REFERENCES: target and columns. */
tenantdb_status tndb_references_parse(tndb_cursor *cursor, const tndb_dialect *dialect, tndb_foreign_key *key,
                                      tenantdb_error **error);

#endif

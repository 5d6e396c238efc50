/* SPDX-License-Identifier: PostgreSQL */
/* A plan's statements as people write migrations: names without the schema, one file for each way to run. */
#ifndef TNDB_MIGRATE_DRAFT_H
#define TNDB_MIGRATE_DRAFT_H

#include "catalog/database.h"
#include "migrate/change_open.h"
#include "schema/plan.h"

typedef struct tndb_draft {
  tndb_buffer inside;  /* what may be one transaction; "" when there is nothing */
  tndb_buffer outside; /* what may not, with its directive */
  size_t left;         /* differences that no statement ends */
} tndb_draft;

/* Free it in both outcomes. `wanted` is what is planned for; `open` is told, and left alone. */
tenantdb_status tndb_draft_write(const tenantdb *db, const tndb_plan *plan, const tndb_form *wanted,
                                 const tndb_open_changes *open, tndb_draft *draft, tenantdb_error **error);
void tndb_draft_free(tndb_draft *draft);

/* Append a name, in quotes only where it needs them. */
void tndb_draft_name(tndb_buffer *out, const char *name);
/* Append a statement, with names for its constraints as they are in the form. */
void tndb_draft_name_constraints(tndb_buffer *out, const char *sql, const tndb_form *form);

#endif

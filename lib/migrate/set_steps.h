/* SPDX-License-Identifier: PostgreSQL */
/* From a migration's text to its steps. */
#ifndef TNDB_MIGRATE_SET_STEPS_H
#define TNDB_MIGRATE_SET_STEPS_H

#include "migrate/marker.h"

/* The steps of the way there, or of the way back. On failure there are none. */
tenantdb_status tndb_steps_make(const char *file, const char *text, const tndb_layout *layout, bool down,
                                bool transactional, tndb_steps *steps, tenantdb_error **error);
/* Append one: takes what it holds in both outcomes. */
tenantdb_status tndb_steps_add(tndb_steps *steps, tndb_migration_step *step, tenantdb_error **error);
void tndb_step_clear(tndb_migration_step *step);

/* What a statement does to an index on its own, outside of a transaction. */
typedef enum tndb_index_work {
  TNDB_INDEX_NONE,
  TNDB_INDEX_CREATE,
  TNDB_INDEX_REINDEX,
  TNDB_INDEX_DROP
} tndb_index_work;

/* `name` is empty when a CREATE leaves it to the server. Sets the buffer's `failed`. */
tndb_index_work tndb_step_index(const char *sql, tndb_buffer *name);

#endif

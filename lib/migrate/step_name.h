/* SPDX-License-Identifier: PostgreSQL */
/* What a marker in a step stands for. */
#ifndef TNDB_MIGRATE_STEP_NAME_H
#define TNDB_MIGRATE_STEP_NAME_H

#include "base/buffer.h"
#include "migrate/set.h"
#include "registry/model.h"
#include "sql/lexer.h"

typedef struct tndb_step_place {
  const tenantdb_registry *registry;
  const char *schema; /* the target's */
  const char *shared;
} tndb_step_place;

bool tndb_step_is_name(const tndb_token *token);
/*
 * Append what stands for such a token of `text`: a marker's table with its schema, one brace of two. What
 * the registry does not declare is the target's own: migrations know more tables than it, old ones
 * among them, and it may declare none.
 */
tenantdb_status tndb_step_name(tndb_buffer *out, const tndb_step_place *at, const char *text,
                               const tndb_token *token, tenantdb_error **error);
/* The same of a whole step. */
tenantdb_status tndb_step_names(tndb_buffer *out, const tndb_step_place *at, const char *text,
                                tenantdb_error **error);

#endif

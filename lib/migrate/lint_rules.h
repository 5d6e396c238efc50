/* SPDX-License-Identifier: PostgreSQL */
/* What the rules of lint share: the migration under the glass, and what was found. */
#ifndef TNDB_MIGRATE_LINT_RULES_H
#define TNDB_MIGRATE_LINT_RULES_H

#include "base/map.h"
#include "migrate/lint.h"
#include "registry/model.h"
#include "sql/cursor.h"

typedef struct tndb_lint_finding {
  tndb_lint_rule rule;
  const tndb_migration *migration;
  const char *file;
  int32_t line;
  char *message;
  const char *way_out; /* static, or NULL for the rule's own */
} tndb_lint_finding;

/* Which names are tables, views or sequences of a stream: from a registry, and of what the set creates. */
typedef struct tndb_lint_names {
  tndb_map of[TNDB_N_STREAMS];
} tndb_lint_names;

typedef struct tndb_lint {
  const tenantdb_migrations *set;
  const tndb_lint_names *names; /* NULL: refusals only */
  const tndb_migration *migration;
  const tndb_steps *steps;
  const char *file;
  bool down;
  bool transactional;
  tndb_names created; /* tables of this file, which nobody uses yet */
  tndb_lint_finding *items;
  size_t count;
  bool failed; /* memory ran out */
} tndb_lint;

/* Note one, unless the file switched the rule off. Sticky when memory runs out. */
void tndb_lint_found(tndb_lint *lint, tndb_lint_rule rule, int32_t line, const char *way_out,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));

/* A cursor at the beginning of a step. */
void tndb_lint_start(tndb_cursor *at, const tndb_migration_step *step);
/* IF EXISTS, IF NOT EXISTS, ONLY and CONCURRENTLY. */
void tndb_lint_skip_options(tndb_cursor *at);
/* The last part of a name that may be qualified, or a marker's; the cursor goes behind it. */
bool tndb_lint_take_name(tndb_cursor *at, tndb_buffer *name);
/* Whether a name is that of a table of one stream and of none of the other. */
bool tndb_lint_is_of(const tndb_lint *lint, const char *name, tndb_stream stream);

/* The rules, each for what is set in `lint`. */
void tndb_lint_refusals(tndb_lint *lint);
void tndb_lint_references(tndb_lint *lint);
void tndb_lint_tables(tndb_lint *lint);
void tndb_lint_functions(tndb_lint *lint);

tenantdb_status tndb_lint_names_read(const tenantdb_migrations *set, const tenantdb_registry *registry,
                                     tndb_lint_names *names, tenantdb_error **error);
void tndb_lint_names_free(tndb_lint_names *names);

#endif

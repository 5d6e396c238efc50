/* SPDX-License-Identifier: PostgreSQL */
/*
 * Plans: statements that make of the form that is the form that should be.
 *
 * Written with marks, so that one plan serves all tenants that are alike. Steps
 * are ordered by phases: what is in the way goes first, then types, functions,
 * tables, columns, constraints, views, indexes, triggers, at last owners and
 * grants. Nothing is dropped with what depends on it (CASCADE), and what may hold
 * data is not dropped at all unless that was asked for: it is left, with a note.
 */
#ifndef TNDB_SCHEMA_PLAN_H
#define TNDB_SCHEMA_PLAN_H

#include "registry/registry.h"
#include "schema/difference.h"

typedef enum tndb_phase {
  TNDB_PHASE_LEFT, /* no statement: what is not mended, and why */
  TNDB_PHASE_ROLE,
  TNDB_PHASE_DEFAULTS,
  TNDB_PHASE_DROP_VIEWS,
  TNDB_PHASE_DROP_REFERENCES,
  TNDB_PHASE_DROP_PARTS,
  TNDB_PHASE_DROP_TABLES,
  TNDB_PHASE_DROP_COLUMNS,
  TNDB_PHASE_TYPES,
  TNDB_PHASE_SEQUENCES,
  TNDB_PHASE_FUNCTIONS,
  TNDB_PHASE_COLUMNS,
  TNDB_PHASE_KEYS,
  TNDB_PHASE_TABLES, /* their foreign keys go to keys that may have been missing */
  TNDB_PHASE_REFERENCES,
  TNDB_PHASE_VALIDATE,
  TNDB_PHASE_VIEWS,
  TNDB_PHASE_INDEXES,
  TNDB_PHASE_TRIGGERS,
  TNDB_PHASE_SECURITY,
  TNDB_PHASE_SETTLE,
  TNDB_PHASE_DROP_LATE,
  TNDB_PHASE_OWNERS,
  TNDB_PHASE_COMMENTS,
  TNDB_PHASE_GRANTS,
  TNDB_PHASE_OUTSIDE /* of the transaction, after it */
} tndb_phase;

typedef struct tndb_plan_step {
  tndb_phase phase;
  size_t order; /* within the phase */
  char *sql;    /* or the note of what is left */
  char *lock;   /* for people; NULL: nothing that anybody would notice */
} tndb_plan_step;

/* What a plan is made from; everything outlives it. */
typedef struct tndb_plan_input {
  const tndb_form *expected;
  const tndb_form *found;
  const tndb_differences *differences;
  PGresult *functions;    /* "function f(integer)", statement that creates or replaces it */
  const tndb_ddl *ddl;    /* the registry's statements … */
  const char *ddl_schema; /* … rendered for a schema of this unmistakable name */
  int version;            /* the server's */
  bool drop;              /* also what may hold data */
  bool concurrently;      /* indexes */
} tndb_plan_input;

typedef struct tndb_plan {
  tndb_plan_step *steps;
  size_t count;
  size_t capacity;
  bool answered; /* something was said of the difference that is looked at */
  bool failed;   /* memory ran out */
} tndb_plan;

/* tndb_plan_free() in both outcomes. */
tenantdb_status tndb_plan_make(const tndb_plan_input *input, tndb_plan *plan, tenantdb_error **error);
void tndb_plan_free(tndb_plan *plan);

/* For the parts that make steps. A statement that is in the phase already is not added again. */
void tndb_plan_add(tndb_plan *plan, tndb_phase phase, size_t order, const char *lock, const char *sql);
void tndb_plan_addf(tndb_plan *plan, tndb_phase phase, const char *mode, const char *relation,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A statement of the registry's; it comes at its place among those. */
void tndb_plan_item(const tndb_plan_input *input, tndb_plan *plan, tndb_phase phase, size_t at,
                    const char *mode);
/* It is not mended; why. */
void tndb_plan_leave(tndb_plan *plan, const tndb_difference *d, const char *why);

/* Text for statements; released with the buffer. */
typedef struct tndb_words {
  tndb_buffer relation; /* own and quoted: parent */
  tndb_buffer name;     /* quoted: the last part of the object's name */
} tndb_words;
void tndb_words_of(tndb_words *words, const tndb_difference *d);
void tndb_words_free(tndb_words *words);
#define tndb_auto_words __attribute__((cleanup(tndb_words_free))) tndb_words

/* The object's name behind its relation's: "id" of "notes.id". */
const char *tndb_plan_last_name(const char *object, const char *parent);
/* The definition of an object, NULL when it is not in the form. */
const char *tndb_form_find(const tndb_form *form, const char *kind, const char *object);
/* The n-th part of a definition, from 0 on, copied; "" behind the last. NULL when memory ran out. */
char *tndb_form_part(const char *definition, size_t n);
/* Whether the table is partitioned, or a partition. */
bool tndb_plan_is_partitioned(const tndb_plan_input *input, const char *table);
bool tndb_plan_is_partition(const tndb_plan_input *input, const char *table);
/* Whether a table's definition says that it is a partition of the table, or inherits from it. */
bool tndb_plan_is_child(const char *definition, const char *table);
/* Why a table that is there is left although no ALTER TABLE makes it right; NULL: nothing of the kind. */
const char *tndb_plan_why_fixed(const tndb_difference *d);
/* What was created anew has to get its indexes, triggers, comments and grants again. */
void tndb_plan_restore(const tndb_plan_input *input, tndb_plan *plan, const char *what, const char *object);

/* One kind of object each. */
void tndb_plan_table(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_column(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_constraint(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_index(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_trigger(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_rule(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_policy(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_row_security(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_view(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_function(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_type(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_sequence(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_statistics(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_schema(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_role(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_access(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_grant(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_defaults(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_owner(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
void tndb_plan_comment(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
/* Views that read a column ("": any) are in the way of changing it: drop and create those that are declared. */
void tndb_plan_lift_views(const tndb_plan_input *input, tndb_plan *plan, const char *relation,
                          const char *column);

#endif

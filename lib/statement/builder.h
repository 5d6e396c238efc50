/* SPDX-License-Identifier: PostgreSQL */
/* What a builder has been told so far; for the files of the builders alone. */
#ifndef TNDB_STATEMENT_BUILDER_H
#define TNDB_STATEMENT_BUILDER_H

#include <tenantdb/builder.h>

#include "registry/resolve.h"
#include "statement/column_facts.h"
#include "statement/template.h"

/* Bits, so that a call can name those it is for. */
enum {
  TNDB_BUILD_INSERT = 1,
  TNDB_BUILD_UPSERT = 2,
  TNDB_BUILD_SELECT = 4,
  TNDB_BUILD_UPDATE = 8,
  TNDB_BUILD_DELETE = 16
};

enum {
  TNDB_STEP_COLUMN,  /* read, inserted or set */
  TNDB_STEP_ADD,     /* set to itself and a parameter */
  TNDB_STEP_KEEP,    /* inserted, and left as it is on a conflict */
  TNDB_STEP_VERSION, /* compared with a parameter, and counted up */
  TNDB_STEP_CONDITION,
  TNDB_STEP_OR,
  TNDB_STEP_ORDER,
  TNDB_STEP_AFTER,
  TNDB_STEP_LIMIT,
  TNDB_STEP_OFFSET,
  TNDB_STEP_CONFLICT,
  TNDB_STEP_RETURNING
};

enum { TNDB_OPERATOR_BINARY, TNDB_OPERATOR_UNARY, TNDB_OPERATOR_ARRAY };

typedef struct tndb_operator {
  const char *name;
  const char *sql; /* what stands between column and parameter */
  int32_t shape;
} tndb_operator;

typedef struct tndb_direction {
  const char *name;
  const char *sql; /* behind the column */
  bool descending;
  bool nulls_first;
} tndb_direction;

typedef struct tndb_lock {
  const char *name;
  const char *strength;
  const char *wait; /* what follows the table */
} tndb_lock;

/* One call, in the order of the calls. */
typedef struct tndb_step {
  int32_t kind;
  size_t source; /* the column's table */
  char *name;    /* the column's */
  char *written; /* as the caller wrote it */
  const tndb_operator *comparison;
  const tndb_direction *direction;
  bool key;      /* a condition of tenantdb_builder_key() */
  size_t number; /* of its first parameter, given by finish; 0 for none */
} tndb_step;

/* A table of the statement: the first is its own, the others are joined. */
typedef struct tndb_source {
  tndb_target target;
  char *on;   /* the condition of the join, complete */
  bool outer; /* its columns may all be NULL */
  bool many;  /* several rows of it may meet one of the others */
} tndb_source;

struct tenantdb_builder {
  uint32_t magic;
  int32_t verb;
  tenantdb_registry *registry;
  tndb_source *sources;
  size_t n_sources;
  tndb_step *steps;
  size_t n_steps;
  int32_t rows; /* 0: nothing was said, which means one */
  bool arrays;
  bool do_nothing;
  bool all;
  const tndb_lock *lock;
  tenantdb_error *mistake;
};

/* ------------------------------------------------- what every call does */

/* Whether a call has to be looked at: there is no mistake yet, and it is one for this kind of statement. */
bool tndb_builder_takes(tenantdb_builder *builder, int32_t verbs, const char *call);
/* Keep a mistake, with its place; takes `mistake`, which may be NULL. `argument` may be NULL. */
void tndb_builder_keep_mistake(tenantdb_builder *builder, const char *call, const char *argument,
                               tenantdb_error *mistake);
/* "update of Service.notes: " before an error. Gives the status back. */
tenantdb_status tndb_builder_place(const tenantdb_builder *builder, tenantdb_status status,
                                   tenantdb_error **error);
/* Room for one more; the caller counts it. NULL when memory ran out. */
tndb_step *tndb_builder_next_step(tenantdb_builder *builder);
/* Find a column and write it into the step that is due, whose kind is given. */
tenantdb_status tndb_builder_column_step(tenantdb_builder *builder, int32_t kind, const char *column,
                                         tndb_step **step, tenantdb_error **error);
bool tndb_builder_has_step(const tenantdb_builder *builder, int32_t kind);
/* Whether a condition stands behind the last "or", if there was one. */
bool tndb_builder_may_alternate(const tenantdb_builder *builder);
const tenantdb_table *tndb_builder_table(const tenantdb_builder *builder, size_t source);

/* ------------------------------------------------------- what finish does */

/* Whether columns stand behind t1., t2. … in the text. */
bool tndb_builder_has_aliases(const tenantdb_builder *builder);
/* "t2" */
void tndb_builder_write_alias(size_t source, tndb_template *out);
void tndb_builder_write_column(const tenantdb_builder *builder, size_t source, const char *name,
                               tndb_template *out);
/* Give the step its number and describe its parameter. */
void tndb_builder_number(const tenantdb_builder *builder, tndb_step *step, const char *role,
                         tndb_parameters *parameters);
/* WHERE with all conditions but those of keyset pages; false when there was none to write. */
bool tndb_builder_write_where(const tenantdb_builder *builder, tndb_template *out);
void tndb_builder_write_returning(const tenantdb_builder *builder, tndb_template *out);

tenantdb_status tndb_builder_finish_insert(tenantdb_builder *builder, tndb_template *out,
                                           tndb_parameters **parameters, tenantdb_error **error);
tenantdb_status tndb_builder_finish_select(tenantdb_builder *builder, tndb_template *out,
                                           tndb_parameters *parameters, tenantdb_error **error);
tenantdb_status tndb_builder_finish_change(tenantdb_builder *builder, tndb_template *out,
                                           tndb_parameters *parameters, tenantdb_error **error);

#endif

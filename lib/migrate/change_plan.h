/* SPDX-License-Identifier: PostgreSQL */
/*
 * The steps of a change while they are written.
 *
 * Statements are written from templates in which a name between two @ stands for a text
 * that was given one by tndb_change_let(), or for a value of the change by its key; the
 * character behind the first @ says how:
 *
 *   @column@    "column", as a name in quotes
 *   @.table@    {schema}."table"
 *   @'column@   'column', as a string
 *   @^table@    the table's oid, in places where {schema} is not replaced: by the search path
 *   @=type@     as it is
 *   @$body@     between dollar signs that do not occur in it
 *
 * Writing is sticky: memory that ran out is told once, at the end.
 */
#ifndef TNDB_MIGRATE_CHANGE_PLAN_H
#define TNDB_MIGRATE_CHANGE_PLAN_H

#include "base/buffer.h"
#include "migrate/change_words.h"
#include "migrate/set.h"

#define TNDB_CHANGE_NAMES 40

typedef struct tndb_change_name {
  const char *name;
  char *text;
} tndb_change_name;

/* What a step takes and why it is done: for those who read it. Static strings. */
typedef struct tndb_change_about {
  const char *locks;
  const char *why;
} tndb_change_about;

typedef struct tndb_change_plan {
  const tenantdb_change *change;
  tndb_change_name names[TNDB_CHANGE_NAMES];
  size_t n_names;
  tndb_steps steps;
  tndb_change_about *about; /* as many as steps */
  size_t capacity;
  int32_t line;
  bool failed;
} tndb_change_plan;

/* Make all steps of a change; tndb_change_plan_clear() in both outcomes. */
tenantdb_status tndb_change_plan_make(tndb_change_plan *plan, const tenantdb_change *change, int32_t line,
                                      tenantdb_error **error);
void tndb_change_plan_clear(tndb_change_plan *plan);

/* ---------------------------------------------------------------- for the kinds */

/* Give a text a name, or another text to a name. */
void tndb_change_let(tndb_change_plan *plan, const char *name, const char *text);
/* The same with a text out of a template. */
void tndb_change_let_text(tndb_change_plan *plan, const char *name, const char *template);
/*
 * The same with a name that is made: `first`_`second``suffix`, at most 63 bytes. A longer one is cut
 * and told apart by a sum. `second` may be NULL.
 */
void tndb_change_let_made(tndb_change_plan *plan, const char *name, const char *first, const char *second,
                          const char *suffix);
/* What a name stands for; NULL when it is a key for which nothing was said. */
const char *tndb_change_text(const tndb_change_plan *plan, const char *name);

/* A step with a transaction of its own, one that joins it, one without, and one that is repeated. */
void tndb_change_begin(tndb_change_plan *plan, const char *template, const char *locks, const char *why);
void tndb_change_join(tndb_change_plan *plan, const char *template, const char *locks, const char *why);
void tndb_change_outside(tndb_change_plan *plan, const char *template, const char *index, bool drops,
                         const char *why);
void tndb_change_repeat(tndb_change_plan *plan, const char *template, const char *why);

/* ---------------------------------------------------------------- what several kinds do */

#define TNDB_LOCK_NONE "none"
#define TNDB_LOCK_BRIEF "ACCESS EXCLUSIVE, for a moment"
#define TNDB_LOCK_WRITES "SHARE ROW EXCLUSIVE, for a moment"
#define TNDB_LOCK_SHARED "SHARE UPDATE EXCLUSIVE: others read and write"
#define TNDB_LOCK_ROWS "ROW EXCLUSIVE, and the rows of the batch"

/*
 * A trigger by the names `trigger` and `function`, whose function's body is `body`, joined to what
 * is begun. `when` is "INSERT OR UPDATE" or the like with what else belongs behind it.
 */
void tndb_change_trigger(tndb_change_plan *plan, const char *body, const char *events, const char *when);
/* Take it away again; `begin` in a transaction of its own. */
void tndb_change_untrigger(tndb_change_plan *plan, bool begin, bool if_exists);
/*
 * Fill `target`, the name of a column: in batches, rows for which `wanted` holds get `value`. While it
 * runs nobody may write a row for which `wanted` still holds.
 */
void tndb_change_fill(tndb_change_plan *plan, const char *target, const char *wanted, const char *value);
/* Make `target`, the name of a column, NOT NULL. */
void tndb_change_not_null(tndb_change_plan *plan, const char *target);
/* Raise what is in the way of `name` becoming the name of a relation. */
void tndb_change_name_is_free(tndb_change_plan *plan, const char *name, bool begin);
/* Whether an expression is the same for all rows, so that the server need not write it into each. */
bool tndb_change_is_constant(const char *expression);
/* A list of names of the change as SQL writes it, under another name: `"a", "b"`. */
tenantdb_status tndb_change_let_list(tndb_change_plan *plan, const char *name, tndb_change_key key,
                                     tenantdb_error **error);

#endif

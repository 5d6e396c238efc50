/* SPDX-License-Identifier: PostgreSQL */
/*
 * Relocation: what is there goes to another schema; no row is copied.
 *
 * By views, a table that moves is in one of three states, and found under both
 * names in each of them:
 *
 *              old schema                         new schema
 *   prepared   the table                          a view of it
 *   moved      a view of it                       the table
 *   finished   -                                  the table
 *
 * Preparing all tables is one transaction that waits for nobody. Moving is one
 * for each table: drop the new view, lock the table, ALTER TABLE SET SCHEMA, create
 * the old view. A statement that waits for such a lock looks the name up again when
 * it has it, so it finds whatever stands there now: nothing fails, it only waits.
 * And it waits for option lock_timeout at most, because a lock that is not had by
 * then is given up. That it is less than the server's deadlock_timeout matters:
 * where an application's transaction and ours wait for each other, ours gives way
 * before the server begins to look whose fault it is. The view is locked before
 * its table, as everybody does who reads through it.
 *
 * The views are simple, so the server writes through them: INSERT with RETURNING,
 * defaults and ON CONFLICT, UPDATE, DELETE, SELECT FOR UPDATE. From PostgreSQL 15 on
 * they are security_invoker; before that the table's owner, who owns the view,
 * reads through it, which is why row security is refused there.
 *
 * A view cannot stand for a sequence, a type or a function (a domain over an
 * enumeration has not got its operators). They move at the end, or, with option
 * names = new, at the beginning. A serial column's sequence has to be let go of
 * by its column for that: an owned one is always where its table is.
 *
 * What was begun is in the catalog's tables relocations and relocation_steps; a
 * step's row changes in the transaction that takes the step.
 */
#ifndef TNDB_TENANT_RELOCATE_H
#define TNDB_TENANT_RELOCATE_H

#include "catalog/work.h"
#include "tenant/relocate_options.h"

/* One row of the plan. Members may be NULL: `state` is, of what is to be done. */
typedef struct tndb_relocate_row {
  const char *step;
  const char *object;
  const char *sql;
  const char *locks;
  const char *state;
  const char *note;
} tndb_relocate_row;

typedef struct tndb_relocation {
  tenantdb *db;
  tndb_relocate_settings settings;
  bool apply;
  bool refused;  /* by the plan, which is handed out then */
  int64_t until; /* when patience is over */
  struct tndb_relocate_rows *rows;
  PGresult *found;                /* the relocation that is open */
  PGresult *steps;                /* and its steps */
  char id[TNDB_UUID_TEXT];        /* of the relocation in the catalog */
  char operation[TNDB_UUID_TEXT]; /* that is under way, */
  char owner[TNDB_UUID_TEXT];     /* and whose it is */
} tndb_relocation;

/* The id that operations on the shared bases carry where others carry a tenant's. */
#define TNDB_RELOCATE_NOBODY "00000000-0000-0000-0000-000000000000"
/* What everybody waits for who makes or moves shared things. */
#define TNDB_RELOCATE_LOCK "bootstrap"

/* ---------------------------------------------------------------- the plan (relocate_plan.c) */

void tndb_relocate_add(tndb_relocation *job, const tndb_relocate_row *row);
/* A statement to be run: in `format`, %I is the next of the names, quoted, and %s the next as it is. */
void tndb_relocate_statement(tndb_relocation *job, const char *step, const char *object, const char *locks,
                             const char *format, const char *const *names);
/* A reason not to do it; `kind` is what its error is when it is the first. */
typedef enum tndb_refusal {
  TNDB_REFUSAL_OTHER,
  TNDB_REFUSAL_TAKEN,
  TNDB_REFUSAL_PERMISSION,
  TNDB_REFUSAL_USED,
  TNDB_REFUSAL_DIFFERS
} tndb_refusal;
void tndb_relocate_refuse(tndb_relocation *job, tndb_refusal kind, const char *step, const char *object,
                          const char *remedy, const char *note);
/* What is suspected only: with force it is a row all the same, and no reason. */
void tndb_relocate_suspect(tndb_relocation *job, tndb_refusal kind, const char *step, const char *object,
                           const char *remedy, const char *note);
size_t tndb_relocate_count(const tndb_relocation *job);
/* OK unless something is refused, or memory ran out; `what` begins the message. */
tenantdb_status tndb_relocate_judge(tndb_relocation *job, const char *what, tenantdb_error **error);
/* Forget the rows from `count` on, before they are made again. */
void tndb_relocate_rewind(tndb_relocation *job, size_t count);
/* Queue the statements of the rows from `first` on. */
void tndb_relocate_send(tndb_work *work, const tndb_relocation *job, size_t first);
tenantdb_status tndb_relocate_rows_new(tndb_relocation *job, tenantdb_error **error);
/* Everything as a table, what is to be done as done (or as planned); takes the rows. */
tenantdb_status tndb_relocate_report(tndb_relocation *job, bool done, tenantdb_result **plan,
                                     tenantdb_error **error);

/* ---------------------------------------------------------------- waiting (relocate_wait.c) */

/* One transaction that can be tried again. */
typedef tenantdb_status (*tndb_relocate_try)(void *user, tenantdb_error **error);
typedef struct tndb_relocate_attempt {
  tndb_relocate_try run;
  void *user;
  const char *relations; /* it may wait for: an array of qualified names, for the message; or NULL */
  bool twice;            /* it does not matter whether it is done twice: also when the connection is lost */
} tndb_relocate_attempt;
/* Try until it is done, fails otherwise than by waiting too long, or patience is over. */
tenantdb_status tndb_relocate_persist(const tndb_relocation *job, const tndb_relocate_attempt *attempt,
                                      tenantdb_error **error);
/* Begin a transaction in which nothing is waited for longer than `share`-th of lock_timeout. */
tenantdb_status tndb_relocate_start(tndb_work *work, const tndb_relocation *job, tenantdb_error **error);
/* Queue that from here on a lock may take lock_timeout divided by `share`. */
void tndb_relocate_limit(tndb_work *work, const tndb_relocation *job, size_t share);
/* Queue a statement that may wait for several locks, one of `share`: lock_timeout in all. */
void tndb_relocate_lock(tndb_work *work, const tndb_relocation *job, const char *sql, size_t share);
/* Send what was queued so and wait; BUSY when one was not had. */
tenantdb_status tndb_relocate_locked(tndb_work *work, const tndb_relocation *job, size_t share,
                                     tenantdb_error **error);

/* ---------------------------------------------------------------- what is there (relocate_survey.c) */

/* What there is to know before anything moves. */
typedef struct tndb_survey {
  PGresult *things;   /* in the order in which they move */
  PGresult *grantees; /* of USAGE on the new schema, quoted */
} tndb_survey;

enum {
  TNDB_THING_KIND,     /* relation, sequence, identity, type, function, statistics; there, kept, missing */
  TNDB_THING_NAME,     /* as a person would write it */
  TNDB_THING_IDENTITY, /* quoted, without schema, a function's with its arguments */
  TNDB_THING_RELKIND,
  TNDB_THING_OWNED_BY, /* of a sequence: table and column, quoted */
  TNDB_THING_NOTE,
  TNDB_THING_OID
};

/* Find out what would move, and refuse in the plan what cannot. tndb_survey_free() in both outcomes. */
tenantdb_status tndb_survey_read(tndb_work *work, tndb_relocation *job, tndb_survey *survey,
                                 tenantdb_error **error);

void tndb_survey_free(tndb_survey *survey);
const char *tndb_survey_cell(const tndb_survey *survey, int row, int column);
bool tndb_survey_is(const tndb_survey *survey, int row, const char *kind);
bool tndb_survey_has(const tndb_survey *survey, const char *kind);
/* The rows that make the new schema ready: itself, and who may use it. */
tenantdb_status tndb_survey_schema(tndb_work *work, tndb_relocation *job, const tndb_survey *survey,
                                   tenantdb_error **error);
/* ALTER … SET SCHEMA of one thing, and what it locks. */
void tndb_relocate_alter(tndb_relocation *job, const char *kind, const char *relkind, const char *name,
                         const char *identity);

/* From where to where, as an object of JSON. */
void tndb_relocate_detail(tndb_buffer *detail, const tndb_relocation *job);

/* ---------------------------------------------------------------- who uses it (relocate_uses.c) */

/* All take an array of names in the old schema, and refuse in the plan. */

/* Functions whose text names one of them with the schema. */
tenantdb_status tndb_relocate_texts(tndb_work *work, tndb_relocation *job, const char *names,
                                    tenantdb_error **error);
/* What depends on views of these names. */
tenantdb_status tndb_relocate_dependents(tndb_work *work, tndb_relocation *job, const char *names,
                                         tenantdb_error **error);
/* Sessions that have to do with them, as far as that can be seen within option watch. */
tenantdb_status tndb_relocate_sessions(tndb_work *work, tndb_relocation *job, const char *names,
                                       tenantdb_error **error);

/* ---------------------------------------------------------------- the ways */

tenantdb_status tndb_relocate_at_once(tndb_relocation *job, tenantdb_error **error);
tenantdb_status tndb_relocate_by_views(tndb_relocation *job, tenantdb_error **error);
tenantdb_status tndb_relocate_tenant(tndb_relocation *job, tenantdb_error **error);
tenantdb_status tndb_relocate_adopt(tndb_relocation *job, tenantdb_error **error);
tenantdb_status tndb_relocate_end(tndb_relocation *job, tenantdb_error **error);

/* ---------------------------------------------------------------- in the catalog (relocate_record.c) */

/* The relocation that is open, which the job keeps. */
enum { TNDB_FOUND_ID, TNDB_FOUND_FROM, TNDB_FOUND_TO, TNDB_FOUND_NAMES, TNDB_FOUND_STATE };
tenantdb_status tndb_relocate_find(tndb_work *work, tndb_relocation *job, bool *open, tenantdb_error **error);
const char *tndb_relocate_found(const tndb_relocation *job, int what);
/* Queue the rows of a new one, whose operation is the job's for as long as its lease lasts. */
tenantdb_status tndb_relocate_begin(tndb_work *work, tndb_relocation *job, const tndb_survey *survey,
                                    tenantdb_error **error);
/* Make the operation that nobody works on any more the job's own, and commit. */
tenantdb_status tndb_relocate_take_over(tndb_work *work, tndb_relocation *job, tenantdb_error **error);
/* Begin a transaction of a step, if the operation is still the job's. *over: it has ended, well. */
tenantdb_status tndb_relocate_step(tndb_work *work, const tndb_relocation *job, bool *over,
                                   tenantdb_error **error);
/* Queue that everything has moved, and the end of the operation. */
void tndb_relocate_moved(tndb_work *work, const tndb_relocation *job);
/* Who gives up says so, so that the next need not wait. Best effort. */
void tndb_relocate_release(const tndb_relocation *job);

/* The steps of the relocation, in order. */
enum {
  TNDB_STEP_NUMBER,
  TNDB_STEP_KIND,
  TNDB_STEP_RELKIND,
  TNDB_STEP_NAME,
  TNDB_STEP_IDENTITY,
  TNDB_STEP_OWNED_BY,
  TNDB_STEP_STATE
};
tenantdb_status tndb_relocate_steps(tndb_work *work, const tndb_relocation *job, PGresult **steps,
                                    tenantdb_error **error);

/* For reconcile: what is not finished, as rows of what to call for it. */
extern const char tndb_relocate_unfinished_sql[];

#endif

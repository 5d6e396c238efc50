/* SPDX-License-Identifier: PostgreSQL */
/* What is behind tndb_newborn here, and the ledger's rows of those who are made. */
#ifndef TNDB_MIGRATE_USE_ROWS_H
#define TNDB_MIGRATE_USE_ROWS_H

#include "catalog/text_array.h"
#include "migrate/scratch.h"
#include "migrate/use.h"

/* Rows of the ledger as columns, for one statement. */
typedef struct tndb_use_rows {
  tndb_text_array versions, names, kinds, titles, sums, steps;
  size_t count;
} tndb_use_rows;

/* A form that was made, and for what. */
typedef struct tndb_use_form {
  tndb_stream stream;
  int64_t version;
  bool with_role;
  tndb_registry_form *form;
} tndb_use_form;

typedef struct tndb_use {
  tndb_newborn newborn; /* the first member: the one is found by the other */
  tenantdb_migrations *set;
  char *why;         /* newborn.why */
  bool shared_waits; /* what the shared stream makes must be made by it, since a change in it is unfinished */
  tndb_use_rows rows; /* of a tenant at the newest version */
  tndb_mutex mutex;   /* guards what follows */
  tndb_use_form *kept;
  size_t n_kept;
} tndb_use;

/*
 * Rows for who has the version: one baseline, or, when `replays`, one for each migration that is carried
 * out; and the repeatable ones when it is the newest. False when memory ran out; free them in both outcomes.
 */
bool tndb_use_rows_make(const tenantdb_migrations *set, int64_t version, bool replays, tndb_use_rows *rows);
/* The same for schemas that were there before; `equal`: they are what the migrations make. */
bool tndb_use_rows_baseline(const tenantdb_migrations *set, tndb_stream stream, int64_t version, bool equal,
                            tndb_use_rows *rows);
void tndb_use_rows_free(tndb_use_rows *rows);
void tndb_use_rows_add(tndb_use_rows *rows, const char *kind, int64_t version, const char *name,
                       const char *title, const char *sum, size_t steps);
/* Nothing may be added afterwards. False when memory ran out. */
bool tndb_use_rows_finish(tndb_use_rows *rows);
/* Queue writing them for a target; those that it has stay as they are. */
void tndb_use_rows_queue(const tndb_use_rows *rows, tndb_work *work, tndb_stream stream, const char *id);

/* The functions of catalog/newborn.h that write. */
void tndb_use_queue(const tndb_birth *birth, tndb_work *work, const char *id);
tenantdb_status tndb_use_shared(const tndb_newborn *newborn, tndb_work *work, tndb_shared_way *way,
                                tenantdb_error **error);
void tndb_use_queue_shared(const tndb_newborn *newborn, tndb_work *work);

#endif

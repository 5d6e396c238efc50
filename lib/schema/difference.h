/* SPDX-License-Identifier: PostgreSQL */
/*
 * What two forms differ in: the one that should be and the one that is.
 *
 * What follows from another difference is not one of its own: a table that is
 * missing is one difference, not one for each of its columns.
 */
#ifndef TNDB_SCHEMA_DIFFERENCE_H
#define TNDB_SCHEMA_DIFFERENCE_H

#include "schema/form.h"

typedef enum tndb_drift_kind {
  TNDB_DRIFT_MISSING,
  TNDB_DRIFT_EXTRA,
  TNDB_DRIFT_CHANGED,
  TNDB_DRIFT_INVALID, /* as it should be, but not in force: a failed index, a constraint that was not proved */
  TNDB_DRIFT_SECURITY /* somebody may do or see more than he should */
} tndb_drift_kind;

/* The strings belong to the forms. */
typedef struct tndb_difference {
  tndb_drift_kind kind;
  const char *what;   /* the kind of the object */
  const char *parent; /* the relation it belongs to, or "" */
  const char *object;
  const char *expected; /* NULL: nothing of that name */
  const char *found;    /* NULL: nothing of that name */
} tndb_difference;

typedef struct tndb_differences {
  tndb_difference *items;
  size_t count;
  size_t capacity;
} tndb_differences;

/* tndb_differences_free() in both outcomes. */
tenantdb_status tndb_differences_find(const tndb_form *expected, const tndb_form *found,
                                      tndb_differences *out, tenantdb_error **error);
void tndb_differences_free(tndb_differences *differences);

/* "missing", "extra" …; "error", "warning", "critical". */
const char *tndb_drift_kind_name(tndb_drift_kind kind);
const char *tndb_difference_level(const tndb_difference *difference);
/* For people: "index notes_at", "grant on table notes to PUBLIC"; and a definition, without its marks. */
void tndb_difference_name(tndb_buffer *out, const char *what, const char *object);

#endif

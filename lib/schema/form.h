/* SPDX-License-Identifier: PostgreSQL */
/*
 * Canonical forms: what a schema holds, one row an object, written by PostgreSQL
 * itself and with every name that differs from tenant to tenant replaced by a
 * mark. Two schemas made by the same DDL on one server have equal forms.
 *
 * Left out on purpose: the order of columns, which nobody can mend without
 * copying the table; names of NOT NULL constraints, which PostgreSQL has had only
 * since 18; contents, counters of sequences and statistics.
 */
#ifndef TNDB_SCHEMA_FORM_H
#define TNDB_SCHEMA_FORM_H

#include "catalog/text_array.h"
#include "catalog/work.h"

/* Columns of the rows that forms are read as. */
enum {
  TNDB_FORM_ORD,
  TNDB_FORM_KIND,
  TNDB_FORM_PARENT, /* the relation that it belongs to, or NULL */
  TNDB_FORM_OBJECT,
  TNDB_FORM_DEFINITION
};

/* A form within rows that belong to somebody else. */
typedef struct tndb_form {
  PGresult *rows;
  int first;
  int count;
} tndb_form;

const char *tndb_form_cell(const tndb_form *form, int row, int column);
/* The rows of the target with this number, from 1 on. */
tndb_form tndb_form_of(PGresult *rows, int64_t ord);

/* Which schemas are to be read. */
typedef struct tndb_form_targets {
  tndb_text_array schemas;
  tndb_text_array roles;
  tndb_text_array states;
  bool finished;
} tndb_form_targets;

#define TNDB_FORM_TARGETS_INIT \
  { TNDB_TEXT_ARRAY_INIT, TNDB_TEXT_ARRAY_INIT, TNDB_TEXT_ARRAY_INIT, false }

/* Until they are first asked for. `role` may be ""; `state`: a tenant's, "registry" for a scratch schema, "" for a schema that is no tenant's. */
void tndb_form_targets_add(tndb_form_targets *targets, const char *schema, const char *role,
                           const char *state);
void tndb_form_targets_free(tndb_form_targets *targets);

/* What the registry wants, of the kinds for which the query compares with it; NULL members: nothing. */
typedef struct tndb_form_expected {
  const char *kinds; /* text arrays */
  const char *objects;
  const char *definitions;
  const char
      *partitions; /* tables that count although they are partitions: the declared; NULL: all there are */
} tndb_form_expected;

/*
 * Begin reading: a connection, and a transaction that is read only and sees the
 * catalogs as they are now. tndb_work_end() in every case.
 */
tenantdb_status tndb_form_start(tndb_work *work, tenantdb *db, tenantdb_error **error);
/* Read the forms of all targets, or their fingerprints. In any transaction; it sets the search path. */
tenantdb_status tndb_form_rows(tndb_work *work, tndb_form_targets *targets,
                               const tndb_form_expected *expected, PGresult **rows, tenantdb_error **error);
tenantdb_status tndb_form_fingerprints(tndb_work *work, tndb_form_targets *targets,
                                       const tndb_form_expected *expected, PGresult **rows,
                                       tenantdb_error **error);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Changes that a set begins and does not end: whose other half (finish_..., or drop_column behind
 * retire_column) is in none of its files. While there is one, two releases of an application
 * are at the tables, and a schema is not what the registry declares, but that and what the
 * older release needs.
 *
 * Files say it, no server: a half is found by its kind, table and column. A table that a change
 * renames goes by its new name from there on.
 */
#ifndef TNDB_MIGRATE_CHANGE_OPEN_H
#define TNDB_MIGRATE_CHANGE_OPEN_H

#include "base/buffer.h"
#include "migrate/set.h"

typedef struct tndb_open_change {
  const char *kind;                /* "rename_column" */
  const char *finish;              /* "finish_rename_column" */
  const tndb_migration *migration; /* which begins it; the set's */
  char *table;                     /* as it is called in the end */
  char *column;                    /* NULL of rename_table */
  char *to;                        /* the other name, or NULL */
  char *indexes;                   /* as it was said, or NULL */
} tndb_open_change;

typedef struct tndb_open_changes {
  tndb_open_change *items;
  size_t count;
} tndb_open_changes;

/* Of a stream of a frozen set, in the order in which they begin. tndb_open_changes_free() in both outcomes. */
tenantdb_status tndb_open_changes_read(const tenantdb_migrations *set, tndb_stream stream,
                                       tndb_open_changes *open, tenantdb_error **error);
void tndb_open_changes_free(tndb_open_changes *open);
/* The steps of the halves that are missing: renamed tables first, since columns in their views cannot go. */
tenantdb_status tndb_open_changes_finish(const tndb_open_changes *open, tndb_steps *steps,
                                         tenantdb_error **error);
/* "rename_column of notes.body (tenant/2_expand.sql) lacks its finish_rename_column" */
void tndb_open_change_describe(const tndb_open_change *change, tndb_buffer *text);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * The shape of a schema, as far as rows care: its tables with their columns,
 * and its sequences with where they stand. What travels in an archive, and what
 * a source and a target are compared by before a row is copied.
 *
 * Types are written as the server writes them, without the schema's own name.
 * Partitions are no tables of their own: rows go through the partitioned table.
 */
#ifndef TNDB_TENANT_SHAPE_H
#define TNDB_TENANT_SHAPE_H

#include "catalog/work.h"

typedef struct tndb_shape_column {
  char *name;
  char *type;
  bool not_null;
  bool identity;
  bool generated; /* computed from others: not copied */
  bool optional;  /* may be left out of an INSERT */
  bool own;       /* of a type that belongs to the schema */
  bool names;     /* of a type that names something of the database by its OID, such as regclass */
} tndb_shape_column;

typedef struct tndb_shape_table {
  char *name;
  char kind; /* 'r', or 'p' of a partitioned one */
  tndb_shape_column *columns;
  size_t n_columns;
} tndb_shape_table;

typedef struct tndb_shape_sequence {
  char *name;
  char *table; /* whose column it feeds, or "" */
  char *column;
  int64_t last_value;
  bool is_called;
} tndb_shape_sequence;

typedef struct tndb_shape {
  tndb_shape_table *tables;
  size_t n_tables;
  tndb_shape_sequence *sequences;
  size_t n_sequences;
} tndb_shape;

/* Read the tables. Sets the transaction's search path to the schema. Free it in both outcomes. */
tenantdb_status tndb_shape_read(tndb_work *work, const char *schema, tndb_shape *shape,
                                tenantdb_error **error);
/* Read the sequences into it, when the rows that were made with them have been seen. */
tenantdb_status tndb_shape_read_sequences(tndb_work *work, const char *schema, tndb_shape *shape,
                                          tenantdb_error **error);
/* Set the sequences of `schema`, whose shape is `target`, to where those of `source` stand. */
tenantdb_status tndb_shape_set_sequences(tndb_work *work, const char *schema, const tndb_shape *target,
                                         const tndb_shape *source, tenantdb_error **error);
void tndb_shape_free(tndb_shape *shape);

/* Adding what was read from elsewhere; strings are copied. False when memory ran out. */
tndb_shape_table *tndb_shape_add_table(tndb_shape *shape, const char *name, char kind);
tndb_shape_column *tndb_shape_add_column(tndb_shape_table *table, const char *name, const char *type);
tndb_shape_sequence *tndb_shape_add_sequence(tndb_shape *shape, const char *name, const char *table,
                                             const char *column);

const tndb_shape_table *tndb_shape_find(const tndb_shape *shape, const char *name);
const tndb_shape_column *tndb_shape_find_column(const tndb_shape_table *table, const char *name);

/*
 * Refuse with TENANT_DIFFERS when rows of `source` (called `what`) cannot be
 * copied into `target`. `strict`: no column may be missing either; `extra`:
 * tables of the source that the target has not are left behind.
 */
tenantdb_status tndb_shape_compare(const tndb_shape *source, const tndb_shape *target, const char *what,
                                   bool strict, bool extra, tenantdb_error **error);

/*
 * The head of a query on what stands in schema $1: rel is its relations, ns and
 * prefix the schema. They are found by what depends on it, since pg_class has no
 * index on schemas.
 */
#define TNDB_SHAPE_IN_SCHEMA                                                                              \
  "WITH s AS (SELECT oid, pg_catalog.quote_ident(nspname) || '.' AS prefix FROM pg_catalog.pg_namespace"  \
  " WHERE nspname = $1), rel AS (SELECT c.oid, c.relname, c.relkind, c.relispartition, c.relispopulated," \
  " s.oid AS ns, s.prefix"                                                                                \
  " FROM s JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass"  \
  " AND d.refobjid = s.oid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0" \
  " JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relnamespace = s.oid)"

/* Its place in SQL: "schema"."table", behind ONLY where it has no partitions. */
void tndb_shape_from(tndb_buffer *sql, const char *schema, const tndb_shape_table *table);
void tndb_shape_name(tndb_buffer *sql, const char *schema, const char *name);
/* The columns that are copied, in parentheses; nothing when there are none. */
void tndb_shape_list(tndb_buffer *sql, const tndb_shape_table *table);
/* The same without parentheses, for SELECT. */
void tndb_shape_columns(tndb_buffer *sql, const tndb_shape_table *table);
/*
 * Queue taking the rows away that migrations wrote which made these tables anew: they come once more, with those that
 * are copied. Only tables that have some: another may have a trigger that forbids it.
 */
tenantdb_status tndb_shape_empty(tndb_work *work, const char *schema, const tndb_shape *shape,
                                 tenantdb_error **error);
/*
 * "SELECT label, rows, checksum FROM …" of the columns that `columns` copies: the
 * checksum is the same in whatever order the rows come.
 */
void tndb_shape_checksum(tndb_buffer *sql, const char *schema, const tndb_shape_table *table,
                         const tndb_shape_table *columns, size_t label);
/* Queue the settings under which the text of a value is the same everywhere. */
void tndb_shape_settle_text(tndb_work *work);

#endif

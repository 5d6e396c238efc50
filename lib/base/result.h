/* SPDX-License-Identifier: PostgreSQL */
/*
 * The result behind tenantdb_result: cells from somewhere. Room pg puts a
 * PGresult behind it without copying; every room can compose a table of text.
 */
#ifndef TNDB_BASE_RESULT_H
#define TNDB_BASE_RESULT_H

#include <tenantdb/result.h>

#include "base/error.h"

/* How the cells of a source are read; row and column are within bounds. */
typedef struct tndb_result_source {
  const char *(*value)(const void *data, int32_t row, int32_t column); /* NULL for SQL NULL */
  size_t (*length)(const void *data, int32_t row, int32_t column);
  const char *(*name)(const void *data, int32_t column);
  uint32_t (*type)(const void *data, int32_t column);
  void (*release)(void *data);
  int32_t (*format)(const void *data, int32_t column); /* 1 for binary cells; NULL: all are text */
} tndb_result_source;

/*
 * A result that goes on: `next` puts other rows into it, or none at the end;
 * `abandon` is called when it is freed before that.
 */
typedef struct tndb_result_stream {
  tenantdb_status (*next)(tenantdb_result *result, tenantdb_error **error);
  void (*abandon)(tenantdb_result *result);
} tndb_result_stream;

struct tenantdb_result {
  const tndb_result_stream *stream; /* NULL: there is no more than this */
  void *owner;                      /* the stream's */
  const tndb_result_source *source;
  void *data;
  int32_t rows;
  int32_t columns;
  int64_t affected;
  struct tndb_decoded *decoded; /* bytes that typed getters handed out; NULL while there are none */
};

/* For who puts other rows into a result: what was made of the ones before is gone. */
void tndb_result_forget(tenantdb_result *result);

/* Wrap data; on failure NULL, and the data is released. */
tenantdb_result *tndb_result_wrap(const tndb_result_source *source, void *data, int32_t rows, int32_t columns,
                                  int64_t affected);

/* A table of text to be filled: appends are sticky, tndb_table_finish() reports. */
typedef struct tndb_table tndb_table;
/* `names` are `columns` static strings. */
tndb_table *tndb_table_new(const char *const *names, int32_t columns);
/* One row of `columns` cells, copied; NULL is SQL NULL. Accepts a NULL table. */
void tndb_table_row(tndb_table *table, const char *const *cells);
int32_t tndb_table_rows(const tndb_table *table);
/* Takes the table in both outcomes. */
tenantdb_status tndb_table_finish(tndb_table *table, tenantdb_result **result, tenantdb_error **error);
void tndb_table_free(tndb_table *table);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Chunks: rows of one tenant, copied out of what libpq gave. It gives them one by
 * one, each with two kilobytes around it; here they lie close together.
 */
#ifndef TNDB_TENANT_FLEET_CHUNK_H
#define TNDB_TENANT_FLEET_CHUNK_H

#include "pg/rows.h"

typedef struct tndb_chunk_cell {
  size_t at;
  int32_t length; /* -1: NULL */
} tndb_chunk_cell;

typedef struct tndb_chunk {
  struct tndb_chunk *next;
  size_t tenant;
  int32_t rows;
  int32_t columns;
  tndb_chunk_cell *cells;
  size_t n_cells; /* that there is room for */
  char *data;     /* every value with a NUL behind it */
  size_t used;
  size_t capacity;
} tndb_chunk;

tndb_chunk *tndb_chunk_new(size_t tenant, int32_t columns);
void tndb_chunk_free(tndb_chunk *chunk);
/* Copy all rows of a result that has as many columns; false when memory ran out. */
bool tndb_chunk_append(tndb_chunk *chunk, const PGresult *rows);
/* Large enough to be handed out. */
bool tndb_chunk_is_full(const tndb_chunk *chunk);
/* What it takes up. */
size_t tndb_chunk_size(const tndb_chunk *chunk);
/* NULL for SQL NULL. */
const char *tndb_chunk_value(const tndb_chunk *chunk, int32_t row, int32_t column, size_t *length);

/* A row of chunks, first in, first out. */
typedef struct tndb_chunks {
  tndb_chunk *first;
  tndb_chunk *last;
} tndb_chunks;
void tndb_chunks_add(tndb_chunks *chunks, tndb_chunk *chunk);
tndb_chunk *tndb_chunks_take(tndb_chunks *chunks);
/* Drop those of one tenant; returns what they took up. */
size_t tndb_chunks_drop(tndb_chunks *chunks, size_t tenant);
void tndb_chunks_clear(tndb_chunks *chunks);

#endif

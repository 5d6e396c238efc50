/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/fleet_chunk.h"

#include <string.h>

#include "base/memory.h"

#define FULL_ROWS 1024
#define FULL_BYTES ((size_t)64 * 1024)

tndb_chunk *tndb_chunk_new(size_t tenant, int32_t columns) {
  tndb_chunk *chunk = tndb_new(tndb_chunk);
  if (chunk) {
    chunk->tenant = tenant;
    chunk->columns = columns;
  }
  return chunk;
}

void tndb_chunk_free(tndb_chunk *chunk) {
  if (chunk) {
    tndb_free(chunk->cells);
    tndb_free(chunk->data);
    tndb_free(chunk);
  }
}

/* In few and uniform steps: memory of a size that was given back is then of use for the next chunk. */
static size_t grown(size_t room, size_t least, size_t needed) {
  room = room ? room * 8 : least;
  return room > needed ? room : needed;
}

static bool reserve_cells(tndb_chunk *chunk, size_t needed) {
  if (needed <= chunk->n_cells) {
    return true;
  }
  size_t room = grown(chunk->n_cells, (size_t)chunk->columns * 16, needed);
  tndb_chunk_cell *bigger = tndb_realloc(chunk->cells, room * sizeof *bigger);
  if (bigger) {
    chunk->cells = bigger;
    chunk->n_cells = room;
  }
  return bigger != NULL;
}

static bool reserve_data(tndb_chunk *chunk, size_t more) {
  if (more <= chunk->capacity - chunk->used) {
    return true;
  }
  size_t room = grown(chunk->capacity, FULL_BYTES / 64, chunk->used + more);
  char *bigger = tndb_realloc(chunk->data, room);
  if (bigger) {
    chunk->data = bigger;
    chunk->capacity = room;
  }
  return bigger != NULL;
}

static void copy_cell(tndb_chunk *chunk, tndb_chunk_cell *cell, const PGresult *rows, int row, int column) {
  *cell = (tndb_chunk_cell){chunk->used, -1};
  if (!PQgetisnull(rows, row, column)) {
    cell->length = PQgetlength(rows, row, column);
    memcpy(chunk->data + chunk->used, PQgetvalue(rows, row, column), (size_t)cell->length);
    chunk->used += (size_t)cell->length;
    chunk->data[chunk->used++] = '\0';
  }
}

bool tndb_chunk_append(tndb_chunk *chunk, const PGresult *rows) {
  size_t columns = (size_t)chunk->columns;
  for (int row = 0; row < PQntuples(rows); row++) {
    size_t bytes = 0, at = (size_t)chunk->rows * columns;
    for (int column = 0; column < chunk->columns; column++) {
      bytes += (size_t)PQgetlength(rows, row, column) + 1;
    }
    if (!reserve_cells(chunk, at + columns) || !reserve_data(chunk, bytes)) {
      return false;
    }
    for (int column = 0; column < chunk->columns; column++) {
      copy_cell(chunk, &chunk->cells[at + (size_t)column], rows, row, column);
    }
    chunk->rows++;
  }
  return true;
}

/* Rather a row too few than a block that has to grow for one. */
bool tndb_chunk_is_full(const tndb_chunk *chunk) {
  size_t average = chunk->rows ? chunk->used / (size_t)chunk->rows : 0;
  return chunk->rows >= FULL_ROWS || chunk->used + 2 * average >= FULL_BYTES;
}

size_t tndb_chunk_size(const tndb_chunk *chunk) {
  return sizeof *chunk + chunk->n_cells * sizeof *chunk->cells + chunk->capacity;
}

const char *tndb_chunk_value(const tndb_chunk *chunk, int32_t row, int32_t column, size_t *length) {
  const tndb_chunk_cell *cell = &chunk->cells[(size_t)row * (size_t)chunk->columns + (size_t)column];
  *length = cell->length < 0 ? 0 : (size_t)cell->length;
  return cell->length < 0 ? NULL : chunk->data + cell->at;
}

/* ---------------------------------------------------------------- rows of chunks */

void tndb_chunks_add(tndb_chunks *chunks, tndb_chunk *chunk) {
  *(chunks->last ? &chunks->last->next : &chunks->first) = chunk;
  chunks->last = chunk;
  chunk->next = NULL;
}

tndb_chunk *tndb_chunks_take(tndb_chunks *chunks) {
  tndb_chunk *first = chunks->first;
  if (first) {
    chunks->first = first->next;
    chunks->last = chunks->first ? chunks->last : NULL;
    first->next = NULL;
  }
  return first;
}

size_t tndb_chunks_drop(tndb_chunks *chunks, size_t tenant) {
  tndb_chunks kept = {NULL, NULL};
  size_t dropped = 0;
  for (tndb_chunk *chunk = tndb_chunks_take(chunks); chunk; chunk = tndb_chunks_take(chunks)) {
    if (chunk->tenant == tenant) {
      dropped += tndb_chunk_size(chunk);
      tndb_chunk_free(chunk);
    } else {
      tndb_chunks_add(&kept, chunk);
    }
  }
  *chunks = kept;
  return dropped;
}

void tndb_chunks_clear(tndb_chunks *chunks) {
  for (tndb_chunk *chunk = tndb_chunks_take(chunks); chunk; chunk = tndb_chunks_take(chunks)) {
    tndb_chunk_free(chunk);
  }
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Splitting a script into its statements, without allocating: semicolons inside
 * strings, comments, dollar quotes, parentheses and BEGIN ATOMIC ... END bodies
 * do not separate. Empty statements are skipped.
 */
#ifndef TNDB_SQL_SPLITTER_H
#define TNDB_SQL_SPLITTER_H

#include "sql/lexer.h"

/* One statement, from its first token to its last; points into the script. */
typedef struct tndb_piece {
  const char *text;
  size_t length;
  size_t offset;
  int32_t line; /* of its first token, from 1 */
} tndb_piece;

typedef struct tndb_splitter {
  tndb_lexer lexer;
  int32_t mistake_line; /* where lexer.mistake is */
  size_t mistake_offset;
} tndb_splitter;

void tndb_splitter_start(tndb_splitter *splitter, const char *script, size_t length, bool markers);
/* The next statement; false at the end and on a mistake (lexer.mistake is set then). */
bool tndb_splitter_next(tndb_splitter *splitter, tndb_piece *piece);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Statements whose effect belongs to the connection and outlives the
 * transaction: a setting, a prepared statement, a temporary table, a lock of
 * the session. Behind a pooler that hands connections on at the end of each
 * transaction they reach somebody else, and are missing where they are wanted.
 *
 * Found by the lexer, so that a name in a string or a comment is none. What
 * functions and DO blocks of the application's own do cannot be seen here.
 */
#ifndef TNDB_SQL_LASTING_H
#define TNDB_SQL_LASTING_H

#include <stdbool.h>

/* All three are static. The sentence is "STATEMENT …: WHY; WAY OUT". */
typedef struct tndb_lasting {
  const char *statement;
  const char *why;
  const char *way_out;
} tndb_lasting;

/* Whether the statement is one; `what` tells which. No allocation; most statements cost one look at the text. */
bool tndb_sql_is_lasting(const char *sql, tndb_lasting *what);

#endif

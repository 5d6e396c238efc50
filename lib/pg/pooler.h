/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a pooler says in its own name. PgBouncer has one SQLSTATE for nearly all
 * of it, that of a violated protocol, and then closes the connection; which of
 * them it is only its words tell. They are those of PgBouncer 1.18 to 1.25.
 */
#ifndef TNDB_PG_POOLER_H
#define TNDB_PG_POOLER_H

#include <stdbool.h>

#include "pg/sqlstate.h"

typedef struct tndb_pooler_word {
  const char *text; /* how the message begins */
  tndb_sqlstate row;
  bool undone;         /* whatever was sent has not been done, or is rolled back */
  const char *way_out; /* to be added to the message, or NULL */
} tndb_pooler_word;

/* The row for a message that came with that SQLSTATE; NULL when it is not a pooler's, or not a known one. */
const tndb_pooler_word *tndb_pooler_word_find(const char *sqlstate, const char *message);
/*
 * Whether whoever ended the connection could know what had been committed: the
 * server does, and says so with any SQLSTATE but those of connections, which
 * are a pooler's.
 */
bool tndb_pooler_is_certain(const char *sqlstate, const char *message);

#endif

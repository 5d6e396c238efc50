/* SPDX-License-Identifier: PostgreSQL */
/* What a session's own SQL may leave behind on a connection beyond its transaction. */
#ifndef TNDB_SESSION_TRACES_H
#define TNDB_SESSION_TRACES_H

#include "pg/connection.h"
#include "statement/cache.h"

/*
 * After a statement succeeded: mark the connection when it may have left something. `text` is the one it
 * belongs to, which remembers what was found, or NULL.
 */
void tndb_traces_note(tndb_conn *conn, const char *sql, tndb_text *text, PGresult *result);
/*
 * After a flush in which something failed: session locks and prepared statements outlive the rollback, whether
 * the statement itself failed or one behind it.
 */
void tndb_traces_note_failed(tndb_conn *conn, const char *sql);
/* The same of a COPY: it leaves what the functions in its query do. */
void tndb_traces_note_copy(tndb_conn *conn, const char *sql);

#endif

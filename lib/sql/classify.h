/* SPDX-License-Identifier: PostgreSQL */
/* What a query is, by its first word. Runs before every query: no allocation, no more text read than needed.
 */
#ifndef TNDB_SQL_CLASSIFY_H
#define TNDB_SQL_CLASSIFY_H

#include <stdbool.h>

/*
 * Whether it begins as reading and changing rows does: then none of the
 * questions below has to be asked. What most statements are is found out first.
 */
bool tndb_sql_is_plain(const char *sql);
/*
 * Whether a statement begins or ends a transaction or a savepoint; `word` (may
 * be NULL) receives what it is, in capitals, static, or NULL.
 */
bool tndb_sql_is_transaction_control(const char *sql, const char **word);
/* Whether it is COPY from or to the client. */
bool tndb_sql_is_client_copy(const char *sql);
/* Whether there is nothing but blanks, comments and semicolons. */
bool tndb_sql_is_empty(const char *sql);

/* Whether the text is SET ROLE, SET SESSION AUTHORIZATION or their RESET, in any spelling. */
bool tndb_sql_changes_role(const char *sql);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/* Pieces of SQL that will stand inside larger ones: cleaned, and proved not to spill over. */
#ifndef TNDB_REGISTRY_FRAGMENT_H
#define TNDB_REGISTRY_FRAGMENT_H

#include "registry/model.h"
#include "sql/cursor.h"

/*
 * A copy without comments and outer blanks, with its lines kept. Refused: what
 * has no end, unbalanced parentheses, a semicolon outside of them, and unless
 * `commas` a comma outside of them. `what` begins the message ("the type").
 */
tenantdb_status tndb_fragment(const char *what, const char *text, bool commas, char **clean,
                              tenantdb_error **error);
/* Only the cleaning, of a statement that was split from a script. */
tenantdb_status tndb_fragment_clean(const char *text, size_t length, char **clean, tenantdb_error **error);
/* A copy of text[from, to) without outer blanks; NULL when memory ran out. */
char *tndb_fragment_cut(const char *text, size_t from, size_t to);
/* What a lexer could not take. */
tenantdb_status tndb_fragment_lexer_error(const tndb_lexer *lexer, tenantdb_error **error);

/* A builder's list of columns: literal names with commas, each of them quoted or not. */
tenantdb_status tndb_names_literal(const char *text, tndb_names *names, tenantdb_error **error);
/* "(a, "b")" at the cursor, which then stands behind it. `period` may be NULL. */
tenantdb_status tndb_names_sql(tndb_cursor *cursor, bool fold, tndb_names *names, bool *period,
                               tenantdb_error **error);

#endif

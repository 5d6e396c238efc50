/* SPDX-License-Identifier: PostgreSQL */
/* Names and literals: what may be one, and how it is written in SQL. */
#ifndef TNDB_SQL_IDENTIFIER_H
#define TNDB_SQL_IDENTIFIER_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

/* PostgreSQL's NAMEDATALEN - 1; it cuts longer names silently, so they are refused here. */
#define TNDB_IDENTIFIER_BYTES 63

/* Always in quotes: no name is special then. */
void tndb_quote_identifier(tndb_buffer *buffer, const char *name);
/* For standard_conforming_strings on, which every connection is checked for. */
void tndb_quote_literal(tndb_buffer *buffer, const char *text);
/* Whether `name` can be a name; `what` begins the message ("column name"). */
tenantdb_status tndb_identifier_check(const char *what, const char *name, tenantdb_error **error);
/* Fold to lower case as PostgreSQL folds plain identifiers: ASCII only. */
void tndb_fold_case(char *text);
/* Whether a word cannot be a table or column name without quotes in PostgreSQL 13 to 18. */
bool tndb_keyword_is_reserved(const char *word);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * The small SQL lexer: where words, names, strings and comments begin and end.
 *
 * It knows PostgreSQL's lexical rules with standard_conforming_strings on, and
 * nothing of the grammar. Operators come one character at a time, but `::` and
 * `:=` are whole. It never fails on unknown characters; what it refuses is what
 * has no end (strings, quoted names, comments, dollar quotes, markers).
 */
#ifndef TNDB_SQL_LEXER_H
#define TNDB_SQL_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
  TNDB_TOKEN_END,
  TNDB_TOKEN_WORD,      /* keyword or plain identifier */
  TNDB_TOKEN_QUOTED,    /* "name", U&"name" */
  TNDB_TOKEN_NUMBER,    /* 1, .5, 1e3, 0xFF */
  TNDB_TOKEN_STRING,    /* '...' with any prefix, and what continues it on the next line */
  TNDB_TOKEN_DOLLAR,    /* $tag$ ... $tag$ */
  TNDB_TOKEN_PARAMETER, /* $1 */
  TNDB_TOKEN_OPERATOR,  /* one character, `::` or `:=` */
  TNDB_TOKEN_COMMENT,   /* only from tndb_lexer_raw() */
  TNDB_TOKEN_MARKER,    /* {name}, when markers are asked for */
  TNDB_TOKEN_BRACE,     /* {{ or }}, when markers are asked for */
  TNDB_TOKEN_ERROR      /* see mistake; then the end */
};

typedef struct tndb_token {
  int32_t kind;
  int32_t line; /* of its first character, from 1 */
  size_t offset;
  size_t length;
} tndb_token;

/* Small and without ownership: copy it to look ahead. */
typedef struct tndb_lexer {
  const char *text;
  size_t length;
  size_t at;
  int32_t line;
  bool markers;
  const char *mistake; /* after TNDB_TOKEN_ERROR: what is wrong, static */
  int32_t reason;      /* and its TENANTDB_REASON_ */
} tndb_lexer;

/* `text` need not end with NUL. */
void tndb_lexer_start(tndb_lexer *lexer, const char *text, size_t length, bool markers);
/* The next token; false at the end and on an error (token.kind tells which). */
bool tndb_lexer_next(tndb_lexer *lexer, tndb_token *token);
/* The same, with comments. */
bool tndb_lexer_raw(tndb_lexer *lexer, tndb_token *token);

/* Whether a WORD token is that keyword (given in lower case). */
bool tndb_token_is_word(const char *text, const tndb_token *token, const char *word);
/* Whether a token is that one character. */
bool tndb_token_is_char(const char *text, const tndb_token *token, char c);

#endif

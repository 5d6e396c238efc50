/* SPDX-License-Identifier: PostgreSQL */
/*
 * A lexer with the current token in hand: what a small recursive parser needs.
 * Copy it to look ahead. Markers are always tokens here.
 */
#ifndef TNDB_SQL_CURSOR_H
#define TNDB_SQL_CURSOR_H

#include "base/buffer.h"
#include "sql/lexer.h"

typedef struct tndb_cursor {
  tndb_lexer lexer;
  tndb_token token;
  size_t last_end; /* where the token before the current one ended */
} tndb_cursor;

/* Stands on the first token; lines are counted from `line`. */
void tndb_cursor_start(tndb_cursor *cursor, const char *text, size_t length, int32_t line);
void tndb_cursor_advance(tndb_cursor *cursor);
/* The end, or an error of the lexer. */
bool tndb_cursor_at_end(const tndb_cursor *cursor);
bool tndb_cursor_failed(const tndb_cursor *cursor);
bool tndb_cursor_is_word(const tndb_cursor *cursor, const char *word);
bool tndb_cursor_is(const tndb_cursor *cursor, char c);
/* Step over it when it is there. */
bool tndb_cursor_take_word(tndb_cursor *cursor, const char *word);
bool tndb_cursor_take(tndb_cursor *cursor, char c);
/* Two words in a row. */
bool tndb_cursor_take_words(tndb_cursor *cursor, const char *first, const char *second);
/* On "(" or "[": go behind its partner; false when it has none. Otherwise one token. */
bool tndb_cursor_skip(tndb_cursor *cursor);
/* The text of the current token. */
const char *tndb_cursor_text(const tndb_cursor *cursor);

/*
 * The name the current token is, as SQL means it: a plain word is folded when
 * `fold`, quotes are taken off, a marker {name} is literal. False when the token
 * is no name (U&"..." is none: nobody writes it, and decoding it wrongly is worse).
 */
bool tndb_cursor_name(const tndb_cursor *cursor, bool fold, tndb_buffer *name);
/* Whether the current token can be a name. */
bool tndb_cursor_is_name(const tndb_cursor *cursor);

#endif

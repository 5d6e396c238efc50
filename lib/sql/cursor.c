/* SPDX-License-Identifier: PostgreSQL */
#include "sql/cursor.h"

#include <string.h>

#include "sql/identifier.h"

void tndb_cursor_start(tndb_cursor *cursor, const char *text, size_t length, int32_t line) {
  tndb_lexer_start(&cursor->lexer, text, length, true);
  cursor->lexer.line = line;
  cursor->token = (tndb_token){TNDB_TOKEN_END, line, 0, 0};
  tndb_cursor_advance(cursor);
  cursor->last_end = cursor->token.offset;
}

void tndb_cursor_advance(tndb_cursor *cursor) {
  cursor->last_end = cursor->token.offset + cursor->token.length;
  tndb_lexer_next(&cursor->lexer, &cursor->token);
}

bool tndb_cursor_at_end(const tndb_cursor *cursor) {
  return cursor->token.kind == TNDB_TOKEN_END || cursor->token.kind == TNDB_TOKEN_ERROR;
}

bool tndb_cursor_failed(const tndb_cursor *cursor) {
  return cursor->token.kind == TNDB_TOKEN_ERROR;
}

bool tndb_cursor_is_word(const tndb_cursor *cursor, const char *word) {
  return tndb_token_is_word(cursor->lexer.text, &cursor->token, word);
}

bool tndb_cursor_is(const tndb_cursor *cursor, char c) {
  return tndb_token_is_char(cursor->lexer.text, &cursor->token, c);
}

bool tndb_cursor_take_word(tndb_cursor *cursor, const char *word) {
  bool there = tndb_cursor_is_word(cursor, word);
  if (there) {
    tndb_cursor_advance(cursor);
  }
  return there;
}

bool tndb_cursor_take(tndb_cursor *cursor, char c) {
  bool there = tndb_cursor_is(cursor, c);
  if (there) {
    tndb_cursor_advance(cursor);
  }
  return there;
}

bool tndb_cursor_take_words(tndb_cursor *cursor, const char *first, const char *second) {
  tndb_cursor ahead = *cursor;
  if (tndb_cursor_take_word(&ahead, first) && tndb_cursor_take_word(&ahead, second)) {
    *cursor = ahead;
    return true;
  }
  return false;
}

bool tndb_cursor_skip(tndb_cursor *cursor) {
  size_t depth = 0;
  do {
    if (tndb_cursor_at_end(cursor)) {
      return false;
    }
    if (tndb_cursor_is(cursor, '(') || tndb_cursor_is(cursor, '[')) {
      depth++;
    } else if (depth && (tndb_cursor_is(cursor, ')') || tndb_cursor_is(cursor, ']'))) {
      depth--;
    }
    tndb_cursor_advance(cursor);
  } while (depth);
  return true;
}

const char *tndb_cursor_text(const tndb_cursor *cursor) {
  return cursor->lexer.text + cursor->token.offset;
}

bool tndb_cursor_is_name(const tndb_cursor *cursor) {
  int32_t kind = cursor->token.kind;
  return kind == TNDB_TOKEN_WORD || kind == TNDB_TOKEN_MARKER ||
         (kind == TNDB_TOKEN_QUOTED && *tndb_cursor_text(cursor) == '"');
}

bool tndb_cursor_name(const tndb_cursor *cursor, bool fold, tndb_buffer *name) {
  if (!tndb_cursor_is_name(cursor)) {
    return false;
  }
  const char *text = tndb_cursor_text(cursor);
  size_t length = cursor->token.length;
  tndb_buffer_clear(name);
  if (cursor->token.kind == TNDB_TOKEN_WORD) {
    tndb_buffer_append_n(name, text, length);
    if (fold && !name->failed) {
      tndb_fold_case(name->data);
    }
    return true;
  }
  size_t start = 1, end = length - 1;
  if (cursor->token.kind == TNDB_TOKEN_MARKER) {
    while (start < end && text[start] == ' ') {
      start++;
    }
    while (end > start && text[end - 1] == ' ') {
      end--;
    }
    tndb_buffer_append_n(name, text + start, end - start);
    return true;
  }
  for (size_t i = start; i < end; i++) {
    tndb_buffer_append_char(name, text[i]);
    i += text[i] == '"'; /* the second of two */
  }
  tndb_buffer_append_n(name, "", 0); /* "" is a name too, an empty one */
  return true;
}

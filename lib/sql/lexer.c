/* SPDX-License-Identifier: PostgreSQL */
/*
 * Room sql: names and text of SQL, without grammar and without a server.
 *
 * Everything that must know where a string or a comment ends (markers, scripts,
 * the check for transaction control) goes through this one lexer, so that the
 * rules are written once. Where PostgreSQL's releases differ it keeps to the
 * reading that ends a token where the server ends it in all of them.
 */
#include "sql/lexer.h"

#include <string.h>

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool starts_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool continues_word(char c) {
  return starts_word(c) || is_digit(c) || c == '$';
}

static bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_newline(char c) {
  return c == '\n' || c == '\r';
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The character at an offset, NUL beyond the end. */
static char at(const tndb_lexer *lexer, size_t offset) {
  return offset < lexer->length ? lexer->text[offset] : '\0';
}

void tndb_lexer_start(tndb_lexer *lexer, const char *text, size_t length, bool markers) {
  *lexer = (tndb_lexer){text, length, 0, 1, markers, NULL, 0};
}

static bool fail(tndb_lexer *lexer, tndb_token *token, int32_t reason, const char *mistake) {
  lexer->mistake = mistake;
  lexer->reason = reason;
  lexer->at = lexer->length;
  token->kind = TNDB_TOKEN_ERROR;
  token->length = 0;
  return false;
}

static bool endless(tndb_lexer *lexer, tndb_token *token, const char *mistake) {
  return fail(lexer, token, TENANTDB_REASON_SQL_SYNTAX, mistake);
}

/* The token reaches to `end`. */
static bool finish(tndb_lexer *lexer, tndb_token *token, int32_t kind, size_t end) {
  token->kind = kind;
  token->length = end - token->offset;
  for (const char *p = lexer->text + token->offset, *last = lexer->text + end;
       p < last && (p = memchr(p, '\n', (size_t)(last - p))) != NULL; p++) {
    lexer->line++;
  }
  lexer->at = end;
  return true;
}

static size_t line_comment_end(const tndb_lexer *lexer, size_t i) {
  while (i < lexer->length && !is_newline(lexer->text[i])) {
    i++;
  }
  return i;
}

static bool block_comment(tndb_lexer *lexer, tndb_token *token) {
  size_t depth = 0;
  for (size_t i = token->offset; i < lexer->length; i++) {
    if (lexer->text[i] == '/' && at(lexer, i + 1) == '*') {
      depth++;
      i++;
    } else if (lexer->text[i] == '*' && at(lexer, i + 1) == '/') {
      i++;
      if (--depth == 0) {
        return finish(lexer, token, TNDB_TOKEN_COMMENT, i + 1);
      }
    }
  }
  return endless(lexer, token, "a comment /* has no end */");
}

/*
 * 'a' <newline> 'b' is one string, and its second part follows the escape rules
 * of the first. Returns the offset of the quote that continues it, or 0.
 */
static size_t continued(const tndb_lexer *lexer, size_t i) {
  bool newline = false;
  while (i < lexer->length) {
    if (is_space(lexer->text[i])) {
      newline = newline || is_newline(lexer->text[i]);
      i++;
    } else if (lexer->text[i] == '-' && at(lexer, i + 1) == '-') {
      i = line_comment_end(lexer, i);
    } else {
      return newline && lexer->text[i] == '\'' ? i : 0;
    }
  }
  return 0;
}

/* A string whose opening quote is at `i`. */
static bool string(tndb_lexer *lexer, tndb_token *token, size_t i, bool escapes) {
  for (i++; i < lexer->length; i++) {
    if (escapes && lexer->text[i] == '\\') {
      i++;
    } else if (lexer->text[i] == '\'') {
      size_t more = continued(lexer, i + 1);
      if (at(lexer, i + 1) == '\'') {
        i++;
      } else if (more) {
        i = more;
      } else {
        return finish(lexer, token, TNDB_TOKEN_STRING, i + 1);
      }
    }
  }
  return endless(lexer, token, "a string has no closing quote");
}

static bool quoted_name(tndb_lexer *lexer, tndb_token *token, size_t i) {
  for (i++; i < lexer->length; i++) {
    if (lexer->text[i] == '"') {
      if (at(lexer, i + 1) != '"') {
        return finish(lexer, token, TNDB_TOKEN_QUOTED, i + 1);
      }
      i++;
    }
  }
  return endless(lexer, token, "a quoted name has no closing quote");
}

/* $1, $tag$...$tag$ or a lone dollar. */
static bool dollar(tndb_lexer *lexer, tndb_token *token) {
  size_t i = token->offset + 1;
  if (is_digit(at(lexer, i))) {
    while (is_digit(at(lexer, i))) {
      i++;
    }
    return finish(lexer, token, TNDB_TOKEN_PARAMETER, i);
  }
  if (starts_word(at(lexer, i))) {
    while (continues_word(at(lexer, i)) && at(lexer, i) != '$') {
      i++;
    }
  }
  if (at(lexer, i) != '$') {
    return finish(lexer, token, TNDB_TOKEN_OPERATOR, token->offset + 1);
  }
  const char *tag = lexer->text + token->offset;
  size_t length = i + 1 - token->offset;
  for (i++; i < lexer->length; i++) {
    const char *next = memchr(lexer->text + i, '$', lexer->length - i);
    if (!next) {
      break;
    }
    i = (size_t)(next - lexer->text);
    if (lexer->length - i >= length && memcmp(next, tag, length) == 0) {
      return finish(lexer, token, TNDB_TOKEN_DOLLAR, i + length);
    }
  }
  return endless(lexer, token, "a dollar quote has no end");
}

static bool number(tndb_lexer *lexer, tndb_token *token) {
  size_t i = token->offset;
  char radix = lower(at(lexer, i + 1));
  if (at(lexer, i) == '0' && (radix == 'x' || radix == 'o' || radix == 'b')) {
    /* Before PostgreSQL 16 this is a number and a word; both readings end here. */
    for (i += 2; continues_word(at(lexer, i)) && at(lexer, i) != '$';) {
      i++;
    }
    return finish(lexer, token, TNDB_TOKEN_NUMBER, i);
  }
  while (is_digit(at(lexer, i)) || (at(lexer, i) == '_' && is_digit(at(lexer, i + 1)))) {
    i++;
  }
  if (at(lexer, i) == '.' && at(lexer, i + 1) != '.') {
    for (i++; is_digit(at(lexer, i)) || (at(lexer, i) == '_' && is_digit(at(lexer, i + 1)));) {
      i++;
    }
  }
  if (lower(at(lexer, i)) == 'e') {
    size_t sign = at(lexer, i + 1) == '+' || at(lexer, i + 1) == '-';
    if (is_digit(at(lexer, i + 1 + sign))) {
      for (i += 1 + sign; is_digit(at(lexer, i));) {
        i++;
      }
    }
  }
  return finish(lexer, token, TNDB_TOKEN_NUMBER, i);
}

/* A word, or a string or quoted name with a prefix. */
static bool word(tndb_lexer *lexer, tndb_token *token) {
  size_t i = token->offset;
  char first = lower(lexer->text[i]);
  char second = at(lexer, i + 1);
  if (second == '\'' && (first == 'e' || first == 'b' || first == 'x' || first == 'n')) {
    return string(lexer, token, i + 1, first == 'e');
  }
  if (first == 'u' && second == '&' && at(lexer, i + 2) == '\'') {
    return string(lexer, token, i + 2, false);
  }
  if (first == 'u' && second == '&' && at(lexer, i + 2) == '"') {
    return quoted_name(lexer, token, i + 2);
  }
  while (continues_word(at(lexer, i))) {
    i++;
  }
  return finish(lexer, token, TNDB_TOKEN_WORD, i);
}

/* A marker ends on its own line: a forgotten brace must not swallow the script. */
static bool brace(tndb_lexer *lexer, tndb_token *token) {
  size_t i = token->offset;
  if (at(lexer, i + 1) == lexer->text[i]) {
    return finish(lexer, token, TNDB_TOKEN_BRACE, i + 2);
  }
  if (lexer->text[i] == '}') {
    return fail(lexer, token, TENANTDB_REASON_BAD_MARKER,
                "a } closes no marker; a brace itself is written }}");
  }
  for (i++; i < lexer->length && !is_newline(lexer->text[i]) && lexer->text[i] != '{'; i++) {
    if (lexer->text[i] == '}') {
      return finish(lexer, token, TNDB_TOKEN_MARKER, i + 1);
    }
  }
  return fail(lexer, token, TENANTDB_REASON_BAD_MARKER,
              "a marker { has no closing }; a brace itself is written {{");
}

bool tndb_lexer_raw(tndb_lexer *lexer, tndb_token *token) {
  while (lexer->at < lexer->length && is_space(lexer->text[lexer->at])) {
    lexer->line += lexer->text[lexer->at++] == '\n';
  }
  size_t i = lexer->at;
  *token = (tndb_token){TNDB_TOKEN_END, lexer->line, i, 0};
  if (i >= lexer->length) {
    return false;
  }
  char c = lexer->text[i], next = at(lexer, i + 1);
  if (c == '-' && next == '-') {
    return finish(lexer, token, TNDB_TOKEN_COMMENT, line_comment_end(lexer, i));
  }
  if (c == '/' && next == '*') {
    return block_comment(lexer, token);
  }
  if (starts_word(c)) {
    return word(lexer, token);
  }
  if (is_digit(c) || (c == '.' && is_digit(next))) {
    return number(lexer, token);
  }
  switch (c) {
    case '\'':
      return string(lexer, token, i, false);
    case '"':
      return quoted_name(lexer, token, i);
    case '$':
      return dollar(lexer, token);
    case ':':
      return finish(lexer, token, TNDB_TOKEN_OPERATOR, i + 1 + (next == ':' || next == '='));
    case '{':
    case '}':
      if (lexer->markers) {
        return brace(lexer, token);
      }
      break;
    default:
      break;
  }
  return finish(lexer, token, TNDB_TOKEN_OPERATOR, i + 1);
}

bool tndb_lexer_next(tndb_lexer *lexer, tndb_token *token) {
  bool more;
  do {
    more = tndb_lexer_raw(lexer, token);
  } while (more && token->kind == TNDB_TOKEN_COMMENT);
  return more;
}

bool tndb_token_is_word(const char *text, const tndb_token *token, const char *word) {
  if (token->kind != TNDB_TOKEN_WORD) {
    return false;
  }
  const char *start = text + token->offset;
  for (size_t i = 0; i < token->length; i++) {
    if (word[i] == '\0' || lower(start[i]) != word[i]) {
      return false;
    }
  }
  return word[token->length] == '\0';
}

bool tndb_token_is_char(const char *text, const tndb_token *token, char c) {
  return token->kind == TNDB_TOKEN_OPERATOR && token->length == 1 && text[token->offset] == c;
}

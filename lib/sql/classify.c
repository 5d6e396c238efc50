/* SPDX-License-Identifier: PostgreSQL */
#include "sql/classify.h"

#include <string.h>

#include "sql/lexer.h"

/* The first token that says something. */
static bool first(tndb_lexer *lexer, tndb_token *token, const char *sql) {
  tndb_lexer_start(lexer, sql, strlen(sql), false);
  while (tndb_lexer_next(lexer, token)) {
    if (!tndb_token_is_char(sql, token, ';') && !tndb_token_is_char(sql, token, '(')) {
      return true;
    }
  }
  return false;
}

bool tndb_sql_is_plain(const char *sql) {
  static const char *const words[] = {"select", "insert", "update", "delete", "with"};
  tndb_lexer lexer;
  tndb_token token;
  if (!first(&lexer, &token, sql)) {
    return false;
  }
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (tndb_token_is_word(sql, &token, words[i])) {
      return true;
    }
  }
  return false;
}

bool tndb_sql_is_transaction_control(const char *sql, const char **word) {
  static const struct {
    const char *word;
    const char *name;
  } words[] = {
      {"begin", "BEGIN"},
      {"start", "START TRANSACTION"},
      {"commit", "COMMIT"},
      {"end", "END"},
      {"abort", "ABORT"},
      {"rollback", "ROLLBACK"},
      {"savepoint", "SAVEPOINT"},
      {"release", "RELEASE"},
      {"prepare", "PREPARE TRANSACTION"},
  };
  if (word) {
    *word = NULL;
  }
  tndb_lexer lexer;
  tndb_token token;
  if (!first(&lexer, &token, sql)) {
    return false;
  }
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (!tndb_token_is_word(sql, &token, words[i].word)) {
      continue;
    }
    if (words[i].word[0] == 'p' &&
        !(tndb_lexer_next(&lexer, &token) && tndb_token_is_word(sql, &token, "transaction"))) {
      return false;
    }
    if (word) {
      *word = words[i].name;
    }
    return true;
  }
  return false;
}

bool tndb_sql_is_client_copy(const char *sql) {
  tndb_lexer lexer;
  tndb_token token;
  if (!first(&lexer, &token, sql) || !tndb_token_is_word(sql, &token, "copy")) {
    return false;
  }
  while (tndb_lexer_next(&lexer, &token)) {
    if (tndb_token_is_word(sql, &token, "stdin") || tndb_token_is_word(sql, &token, "stdout")) {
      return true;
    }
  }
  return false;
}

/* A setting's name may be quoted, and with escapes it could be any. */
static bool names_role(const char *sql, const tndb_token *token) {
  static const char *const names[] = {"role", "authorization", "session_authorization"};
  const char *name = sql + token->offset;
  if (token->kind == TNDB_TOKEN_QUOTED && *name != '"') {
    return true;
  }
  tndb_token bare = *token;
  if (token->kind == TNDB_TOKEN_QUOTED) {
    bare = (tndb_token){TNDB_TOKEN_WORD, token->line, token->offset + 1, token->length - 2};
  }
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (tndb_token_is_word(sql, &bare, names[i])) {
      return true;
    }
  }
  return false;
}

bool tndb_sql_changes_role(const char *sql) {
  tndb_lexer lexer;
  tndb_token token;
  if (!first(&lexer, &token, sql) ||
      !(tndb_token_is_word(sql, &token, "set") || tndb_token_is_word(sql, &token, "reset"))) {
    return false;
  }
  bool more = tndb_lexer_next(&lexer, &token);
  while (more && (tndb_token_is_word(sql, &token, "session") || tndb_token_is_word(sql, &token, "local"))) {
    more = tndb_lexer_next(&lexer, &token);
  }
  return more && names_role(sql, &token);
}

bool tndb_sql_is_empty(const char *sql) {
  tndb_lexer lexer;
  tndb_token token;
  tndb_lexer_start(&lexer, sql, strlen(sql), false);
  while (tndb_lexer_next(&lexer, &token)) {
    if (!tndb_token_is_char(sql, &token, ';')) {
      return false;
    }
  }
  return token.kind == TNDB_TOKEN_END;
}

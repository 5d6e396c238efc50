/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a statement keeps others from doing, by its first words: for a plan to be
 * read by people. What runs inside of functions cannot be seen.
 */
#include <string.h>

#include "migrate/run.h"
#include "sql/lexer.h"

typedef enum lock { NONE, ANALYZING, BUILDING, REFERRING, EXCLUSIVE, N_LOCKS } lock;

static const char *const names[N_LOCKS] = {NULL, "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE",
                                           "ACCESS EXCLUSIVE"};

/* Two words that a statement begins with ("" is any), and what it takes; with `word` in it, what it takes instead. */
static const struct {
  const char *first;
  const char *second;
  lock usual;
  const char *word;
  lock with;
} rules[] = {
    {"alter", "table", EXCLUSIVE, "validate", ANALYZING},
    {"alter", "", EXCLUSIVE, NULL, NONE},
    {"drop", "index", EXCLUSIVE, "concurrently", ANALYZING},
    {"drop", "", EXCLUSIVE, NULL, NONE},
    {"truncate", "", EXCLUSIVE, NULL, NONE},
    {"lock", "", EXCLUSIVE, NULL, NONE},
    {"cluster", "", EXCLUSIVE, NULL, NONE},
    {"create", "index", BUILDING, "concurrently", ANALYZING},
    {"create", "unique", BUILDING, "concurrently", ANALYZING},
    {"create", "trigger", REFERRING, NULL, NONE},
    {"create", "constraint", REFERRING, NULL, NONE},
    {"create", "table", NONE, "references", REFERRING},
    {"reindex", "", EXCLUSIVE, "concurrently", ANALYZING},
    {"refresh", "", EXCLUSIVE, "concurrently", ANALYZING},
    {"vacuum", "", ANALYZING, "full", EXCLUSIVE},
    {"analyze", "", ANALYZING, NULL, NONE},
    {"comment", "", ANALYZING, NULL, NONE},
};

static bool has_word(const char *sql, const char *word) {
  tndb_lexer lexer;
  tndb_token token;
  tndb_lexer_start(&lexer, sql, strlen(sql), true);
  while (tndb_lexer_next(&lexer, &token)) {
    if (tndb_token_is_word(sql, &token, word)) {
      return true;
    }
  }
  return false;
}

static lock lock_of(const char *sql) {
  tndb_lexer lexer;
  tndb_token first, second;
  tndb_lexer_start(&lexer, sql, strlen(sql), true);
  if (!tndb_lexer_next(&lexer, &first)) {
    return NONE;
  }
  bool more = tndb_lexer_next(&lexer, &second);
  for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
    bool fits = !rules[i].second[0] || (more && tndb_token_is_word(sql, &second, rules[i].second));
    if (fits && tndb_token_is_word(sql, &first, rules[i].first)) {
      return rules[i].word && has_word(sql, rules[i].word) ? rules[i].with : rules[i].usual;
    }
  }
  return NONE;
}

const char *tndb_run_lock_of(const tndb_steps *steps) {
  lock strongest = NONE;
  for (size_t i = 0; i < steps->count; i++) {
    lock here = lock_of(steps->items[i].sql);
    strongest = here > strongest ? here : strongest;
  }
  return names[strongest];
}

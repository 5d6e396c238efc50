/* SPDX-License-Identifier: PostgreSQL */
#include "sql/splitter.h"

/* What has to be known about the statement so far. */
typedef struct state {
  const char *text;
  size_t words;  /* of its beginning that may still lead to CREATE FUNCTION */
  bool routine;  /* CREATE [OR REPLACE] FUNCTION or PROCEDURE: its body may hold semicolons */
  bool label;    /* the token before makes this word a name: AS end, t.end */
  bool begin;    /* the token before is BEGIN */
  size_t blocks; /* open BEGIN ATOMIC and CASE */
  size_t parentheses;
} state;

void tndb_splitter_start(tndb_splitter *splitter, const char *script, size_t length, bool markers) {
  tndb_lexer_start(&splitter->lexer, script, length, markers);
  splitter->mistake_line = 0;
  splitter->mistake_offset = 0;
}

static bool is(const state *s, const tndb_token *token, const char *word) {
  return tndb_token_is_word(s->text, token, word);
}

/* CREATE [OR REPLACE] {FUNCTION | PROCEDURE}, followed word by word. */
static void follow_beginning(state *s, const tndb_token *token) {
  static const char *const expected[] = {"create", "or", "replace"};
  if (s->words > 3) {
    return;
  }
  if (s->words != 0 && s->words != 2 && (is(s, token, "function") || is(s, token, "procedure"))) {
    s->routine = true;
    s->words = 4;
  } else if (s->words < 3 && is(s, token, expected[s->words])) {
    s->words++;
  } else {
    s->words = 4;
  }
}

static void follow_blocks(state *s, const tndb_token *token) {
  if (is(s, token, "atomic") && s->begin) {
    s->blocks++;
  } else if (s->blocks && !s->label && is(s, token, "case")) {
    s->blocks++;
  } else if (s->blocks && !s->label && is(s, token, "end")) {
    s->blocks--;
  }
  s->begin = !s->label && is(s, token, "begin");
  s->label = is(s, token, "as") || tndb_token_is_char(s->text, token, '.');
}

static void follow(state *s, const tndb_token *token) {
  follow_beginning(s, token);
  if (s->routine) {
    follow_blocks(s, token);
  }
  if (tndb_token_is_char(s->text, token, '(')) {
    s->parentheses++;
  } else if (s->parentheses && tndb_token_is_char(s->text, token, ')')) {
    s->parentheses--;
  }
}

bool tndb_splitter_next(tndb_splitter *splitter, tndb_piece *piece) {
  const char *text = splitter->lexer.text;
  state s = {text, 0, false, false, false, 0, 0};
  *piece = (tndb_piece){NULL, 0, 0, 0};
  tndb_token token;
  while (tndb_lexer_next(&splitter->lexer, &token)) {
    if (s.blocks == 0 && s.parentheses == 0 && tndb_token_is_char(text, &token, ';')) {
      if (piece->text) {
        return true;
      }
      continue;
    }
    if (!piece->text) {
      *piece = (tndb_piece){text + token.offset, 0, token.offset, token.line};
    }
    piece->length = token.offset + token.length - piece->offset;
    follow(&s, &token);
  }
  if (token.kind == TNDB_TOKEN_ERROR) {
    splitter->mistake_line = token.line;
    splitter->mistake_offset = token.offset;
    return false;
  }
  return piece->text != NULL;
}

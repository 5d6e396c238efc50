/* SPDX-License-Identifier: PostgreSQL */
/*
 * Markers that nothing here understands: "-- +migrate Down", "-- !Downs", "-- //@UNDO",
 * "-- Down Migration", "--changeset …". They look like remarks, and what follows them
 * would be run.
 */
#include <string.h>

#include "migrate/marker.h"

/* Words that head the way there or the way back. */
static const char *const ways[] = {"up",       "ups",      "down",     "downs",  "undo",
                                   "rollback", "revert",   "reverse",  "deploy", "forward",
                                   "forwards", "backward", "backwards"};
/* What such a word may have beside it. */
static const char *const beside[] = {"migration", "migrations", "migrate", "section",
                                     "script",    "part",       "sql"};
/* What tools put before a colon, or before such a word. */
static const char *const tools[] = {"migrate",   "goose",   "dbmate",    "atlas",   "flyway",
                                    "liquibase", "sqitch",  "changeset", "rambler", "tern",
                                    "migration", "alembic", "knex",      "umzug",   "evolutions"};
static const char *const verbs[] = {"drop",     "alter",  "create", "delete", "insert", "update",
                                    "truncate", "select", "empty",  "not",    "grant",  "revoke"};

#define IS_ONE_OF(remark, list) is_one_of((remark), (list), sizeof(list) / sizeof *(list))

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(const tndb_remark *word, const char *const *list, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (strlen(list[i]) == word->length && tndb_remark_begins(word, list[i])) {
      return true;
    }
  }
  return false;
}

/* The word at the beginning, taken off with the blanks behind it. */
static tndb_remark take_word(tndb_remark *rest) {
  tndb_remark word = *rest;
  size_t length = 0;
  while (length < rest->length && (is_letter(rest->text[length]) || rest->text[length] == '_' ||
                                   (rest->text[length] >= '0' && rest->text[length] <= '9'))) {
    length++;
  }
  word.length = length;
  while (length < rest->length && (rest->text[length] == ' ' || rest->text[length] == '\t')) {
    length++;
  }
  rest->text += length;
  rest->length -= length;
  return word;
}

static void strip_ornaments(tndb_remark *remark) {
  static const char ornaments[] = " \t-=*#/@!+<>[]():.~_";
  while (remark->length && strchr(ornaments, remark->text[0])) {
    remark->text++;
    remark->length--;
  }
  while (remark->length && strchr(ornaments, remark->text[remark->length - 1])) {
    remark->length--;
  }
}

/* "UP", "Down Migration", "migrate down", "!Downs", "//@UNDO". */
static bool is_heading(tndb_remark remark) {
  strip_ornaments(&remark);
  tndb_remark rest = remark;
  tndb_remark first = take_word(&rest);
  if (IS_ONE_OF(&first, ways)) {
    return rest.length == 0 || IS_ONE_OF(&rest, beside);
  }
  return (IS_ONE_OF(&first, tools) || IS_ONE_OF(&first, beside)) && IS_ONE_OF(&rest, ways);
}

/* "word:word" without a blank, of a tool or about a way. */
static bool is_pair(tndb_remark remark) {
  tndb_remark rest = remark;
  tndb_remark first = take_word(&rest);
  if (first.length == 0 || first.length >= remark.length || remark.text[first.length] != ':') {
    return false;
  }
  rest.text = remark.text + first.length + 1;
  rest.length = remark.length - first.length - 1;
  tndb_remark second = take_word(&rest);
  return second.length > 0 && (IS_ONE_OF(&first, tools) || IS_ONE_OF(&second, ways));
}

/* "+foo", with a way behind it or between statements. */
static bool is_plus(tndb_remark remark) {
  if (remark.length < 2 || remark.text[0] != '+' || !is_letter(remark.text[1])) {
    return false;
  }
  tndb_remark rest = remark;
  rest.text++;
  rest.length--;
  (void)take_word(&rest);
  tndb_remark second = take_word(&rest);
  return remark.between || IS_ONE_OF(&second, ways);
}

static bool is_liquibase(tndb_remark remark) {
  tndb_remark rest = remark;
  tndb_remark first = take_word(&rest);
  if (tndb_remark_begins(&first, "liquibase") && first.length == 9) {
    return tndb_remark_begins(&rest, "formatted");
  }
  if (tndb_remark_begins(&first, "changeset") && first.length == 9) {
    return memchr(rest.text, ':', rest.length) != NULL;
  }
  tndb_remark second = take_word(&rest);
  return tndb_remark_begins(&first, "rollback") && first.length == 8 && IS_ONE_OF(&second, verbs);
}

/* tern: "---- create above / drop below ----" */
static bool is_tern(tndb_remark remark) {
  strip_ornaments(&remark);
  return tndb_remark_begins(&remark, "create above / drop below");
}

tenantdb_status tndb_marker_refuse_unknown(const tndb_remark *remark, tenantdb_error **error) {
  bool marker = is_plus(*remark) || is_pair(*remark) || is_liquibase(*remark) || is_tern(*remark) ||
                (remark->between && is_heading(*remark));
  if (!marker) {
    return TENANTDB_OK;
  }
  return tndb_source_refuse(error, remark->file, remark->line,
                            "\"-- %.*s\" looks like a marker of a tool that is not known here, and what "
                            "follows it would be run; put "
                            "the way back into a file X.down.sql, or reword the line if it is only a remark",
                            (int)(remark->length < 60 ? remark->length : 60), remark->text);
}

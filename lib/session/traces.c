/* SPDX-License-Identifier: PostgreSQL */
#include "session/traces.h"

#include <string.h>

#include "sql/cursor.h"

/*
 * After these nothing but rows has changed. Every other command may leave
 * something on the connection beyond the transaction (SET, LISTEN, PREPARE, a
 * temporary table, whatever DO and CALL did): then the connection is closed
 * when the session ends instead of being handed on.
 */
static bool leaves_nothing(PGresult *result) {
  static const char *const clean[] = {"INSERT",       "UPDATE",         "DELETE",     "MERGE",
                                      "EXPLAIN",      "SHOW",           "FETCH",      "MOVE",
                                      "CLOSE CURSOR", "TRUNCATE TABLE", "LOCK TABLE", "ANALYZE"};
  const char *tag = PQcmdStatus(result);
  if (strncmp(tag, "SELECT", 6) == 0) {
    return PQresultStatus(result) ==
           PGRES_TUPLES_OK; /* SELECT INTO, which may make a temporary table, has no rows */
  }
  for (size_t i = 0; i < sizeof clean / sizeof clean[0]; i++) {
    if (strncmp(tag, clean[i], strlen(clean[i])) == 0) {
      return true;
    }
  }
  return false;
}

/* Whether the text at `at` is the word, in any case. */
static bool has_word(const char *at, const char *lower) {
  while (*lower && (*at == *lower || (*at >= 'A' && *at <= 'Z' && *at + 32 == *lower))) {
    at++;
    lower++;
  }
  return *lower == '\0';
}

/* Whether the word stands around `at`, which is its character number `offset`. */
static bool is_inside(const char *sql, const char *at, size_t offset, const char *lower) {
  return (size_t)(at - sql) >= offset && has_word(at - offset, lower);
}

/* Each name at its underscore, so that a search for that finds all of them. */
static bool names_with_underscore(const char *sql, const char *at) {
  static const struct {
    size_t offset;
    const char *word;
  } names[] = {{3, "set_config"}, {8, "advisory_lock"}, {2, "pg_settings"}, {0, "_to_xml"},
               {2, "ts_stat"},    {2, "ts_rewrite"}, /* these run a text, and so may hide the others */
               {5, "xpath_table"}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (is_inside(sql, at, names[i].offset, names[i].word)) {
      return true;
    }
  }
  return false;
}

/*
 * Calls that reach beyond the transaction, or may: those that run a text, and
 * names with escapes (U&"..."), which could be any. What functions of the
 * application's own do cannot be seen here.
 */
static bool calls_beyond(const char *sql) {
  for (const char *at = sql; *at; at++) {
    bool found = false;
    switch (*at) {
      case '_':
        found = names_with_underscore(sql, at);
        break;
      case '&':
        found = at[1] == '"' && is_inside(sql, at, 1, "u&");
        break;
      case 's':
      case 'S':
        found = has_word(at, "setseed");
        break;
      case 'd':
      case 'D':
        found = has_word(at, "dblink");
        break;
      case 'c':
      case 'C':
        found = has_word(at, "crosstab") || has_word(at, "connectby");
        break;
      default:
        break;
    }
    if (found) {
      return true;
    }
  }
  return false;
}

/* EXPLAIN ANALYZE CREATE TABLE ... AS makes the table, which may be a temporary one. */
static bool explains_creation(const char *sql, PGresult *result) {
  const char *at = strncmp(PQcmdStatus(result), "EXPLAIN", 7) == 0 ? sql : "";
  while (*at && !has_word(at, "create")) {
    at++;
  }
  return *at != '\0';
}

void tndb_traces_note(tndb_conn *conn, const char *sql, tndb_text *text, PGresult *result) {
  bool traceless = (text && text->traceless) || !calls_beyond(sql);
  if (text) {
    text->traceless = traceless;
  }
  if (!traceless || !leaves_nothing(result) || explains_creation(sql, result)) {
    conn->tainted = true;
  }
}

void tndb_traces_note_copy(tndb_conn *conn, const char *sql) {
  if (calls_beyond(sql)) {
    conn->tainted = true;
  }
}

void tndb_traces_note_failed(tndb_conn *conn, const char *sql) {
  tndb_cursor cursor;
  tndb_cursor_start(&cursor, sql, strlen(sql), 1);
  if (calls_beyond(sql) || tndb_cursor_is_word(&cursor, "prepare") ||
      tndb_cursor_is_word(&cursor, "deallocate")) {
    conn->tainted = true;
  }
}

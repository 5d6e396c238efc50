/* SPDX-License-Identifier: PostgreSQL */
#include "session/traces.h"

#include <string.h>

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

/* Calls that reach beyond the transaction. Their names hold an underscore: only those places are looked at.
 */
static bool calls_beyond(const char *sql) {
  for (const char *at = strchr(sql, '_'); at; at = strchr(at + 1, '_')) {
    if ((at - sql >= 3 && has_word(at - 3, "set_config")) ||
        (at - sql >= 8 && has_word(at - 8, "advisory_lock"))) {
      return true;
    }
  }
  return false;
}

void tndb_traces_note(tndb_conn *conn, const char *sql, PGresult *result) {
  if (!leaves_nothing(result) || calls_beyond(sql)) {
    conn->tainted = true;
  }
}

/* SPDX-License-Identifier: PostgreSQL */
#include "sql/lasting.h"

#include <string.h>

#include "sql/cursor.h"

static const tndb_lasting listening = {
    "LISTEN and UNLISTEN", "the server would notify whoever has that connection by then",
    "listen on a connection of your own that goes to the server directly (NOTIFY works)"};
static const tndb_lasting preparing = {
    "PREPARE, EXECUTE and DEALLOCATE",
    "the next transaction may run on a connection that does not know the statement",
    "run the statement itself with parameters"};
static const tndb_lasting holding = {
    "DECLARE CURSOR WITH HOLD", "the cursor would stay on a connection of others",
    "use tenantdb_session_stream(), or a cursor WITHOUT HOLD in a transaction"};
static const tndb_lasting setting = {
    "SET without LOCAL", "the setting would stay on a connection of others and be missing on yours",
    "use SET LOCAL in a transaction"};
static const tndb_lasting resetting = {"RESET", "it would change a connection of others",
                                       "use SET LOCAL, which ends with its transaction"};
static const tndb_lasting discarding = {"DISCARD", "it would change a connection of others",
                                        "leave it out: nothing is kept on a connection"};
static const tndb_lasting temporary = {"a temporary table without ON COMMIT DROP",
                                       "it would stay on a connection of others and be missing on yours",
                                       "add ON COMMIT DROP and use it in the same transaction"};
static const tndb_lasting temporary_other = {
    "a temporary view, sequence, function or type",
    "it would stay on a connection of others and be missing on yours", "use WITH inside the statement"};
static const tndb_lasting locking = {"an advisory lock of the session",
                                     "it would be held or given up by whoever has that connection by then",
                                     "use the functions of the transaction, such as pg_advisory_xact_lock()"};
static const tndb_lasting configuring = {
    "set_config() without true as its third argument",
    "the setting would stay on a connection of others and be missing on yours", "write true there"};
static const tndb_lasting updating = {
    "UPDATE pg_settings", "the setting would stay on a connection of others and be missing on yours",
    "use SET LOCAL in a transaction"};
static const tndb_lasting loading = {"LOAD", "the library would be loaded into a connection of others",
                                     "name it in the server's session_preload_libraries"};

/* ---------------------------------------------------------------- is a closer look worth while */

/* Whether the word stands at `at`, in any case. */
static bool stands_at(const char *at, const char *lower) {
  for (; *lower; at++, lower++) {
    if (*at != *lower && !(*at >= 'A' && *at <= 'Z' && *at + 32 == *lower)) {
      return false;
    }
  }
  return true;
}

/* The letters of what is looked for, wherever they stand. Each is found at a letter that is rare. */
static bool hints_at_one(const char *sql) {
  for (const char *at = sql; *at; at++) {
    switch (*at) {
      case '_':
        if (stands_at(at, "_config") || stands_at(at, "_advisory_") || stands_at(at, "_settings")) {
          return true;
        }
        break;
      case 'm': /* TEMP, TEMPORARY, pg_temp */
      case 'M':
        if (at - sql >= 2 && stands_at(at - 2, "temp")) {
          return true;
        }
        break;
      default:
        break;
    }
  }
  return false;
}

/* ---------------------------------------------------------------- names inside */

/* Whether the current token is that name, quoted or not. */
static bool is_name(const tndb_cursor *cursor, const char *name) {
  const tndb_token *token = &cursor->token;
  size_t length = strlen(name);
  return tndb_cursor_is_word(cursor, name) ||
         (token->kind == TNDB_TOKEN_QUOTED && token->length == length + 2 &&
          *tndb_cursor_text(cursor) == '"' && memcmp(tndb_cursor_text(cursor) + 1, name, length) == 0);
}

static bool is_one_of(const tndb_cursor *cursor, const char *const *words) {
  for (; *words; words++) {
    if (tndb_cursor_is_word(cursor, *words)) {
      return true;
    }
  }
  return false;
}

static bool is_session_lock(const tndb_cursor *cursor) {
  static const char *const names[] = {"pg_advisory_lock",      "pg_advisory_lock_shared",
                                      "pg_try_advisory_lock",  "pg_try_advisory_lock_shared",
                                      "pg_advisory_unlock",    "pg_advisory_unlock_shared",
                                      "pg_advisory_unlock_all"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (is_name(cursor, names[i])) {
      return true;
    }
  }
  return false;
}

/* On the "(" of set_config: whether the third argument is anything but true. */
static bool sets_for_session(tndb_cursor cursor) {
  int commas = 0;
  tndb_cursor_advance(&cursor);
  while (!tndb_cursor_at_end(&cursor) && !tndb_cursor_is(&cursor, ')') && commas < 2) {
    commas += tndb_cursor_is(&cursor, ',');
    (void)tndb_cursor_skip(&cursor);
  }
  bool local = tndb_cursor_take_word(&cursor, "true") && tndb_cursor_is(&cursor, ')');
  return commas == 2 && !local;
}

/* UPDATE [ONLY] [pg_catalog.]pg_settings */
static bool updates_settings(tndb_cursor cursor) {
  if (!tndb_cursor_take_word(&cursor, "update")) {
    return false;
  }
  (void)tndb_cursor_take_word(&cursor, "only");
  if (is_name(&cursor, "pg_catalog")) {
    tndb_cursor_advance(&cursor);
    (void)tndb_cursor_take(&cursor, '.');
  }
  return is_name(&cursor, "pg_settings");
}

/* SELECT … INTO TEMP t; INSERT INTO temp is a table of that name, and so is INTO temp FROM. */
static bool selects_into_temporary(tndb_cursor cursor) {
  if (!tndb_cursor_take_word(&cursor, "into") ||
      !(tndb_cursor_take_word(&cursor, "temp") || tndb_cursor_take_word(&cursor, "temporary"))) {
    return false;
  }
  static const char *const clauses[] = {"from",   "where", "group", "having", "window", "union", "intersect",
                                        "except", "order", "limit", "offset", "fetch",  "for",   NULL};
  return tndb_cursor_is_name(&cursor) && !is_one_of(&cursor, clauses);
}

/*
 * A name is a call when "(" follows, and the server's own when no schema or
 * pg_catalog stands before it.
 */
static bool calls_lasting(tndb_cursor cursor, tndb_lasting *what) {
  bool qualified = false, own = false, inserting = false;
  for (; !tndb_cursor_at_end(&cursor); tndb_cursor_advance(&cursor)) {
    tndb_cursor next = cursor;
    tndb_cursor_advance(&next);
    bool calls = tndb_cursor_is(&next, '(') && (!qualified || own);
    const tndb_lasting *found = calls && is_session_lock(&cursor) ? &locking
                                : calls && is_name(&cursor, "set_config") && sets_for_session(next)
                                    ? &configuring
                                : !qualified && updates_settings(cursor)       ? &updating
                                : !inserting && selects_into_temporary(cursor) ? &temporary
                                                                               : NULL;
    if (found) {
      *what = *found;
      return true;
    }
    inserting = tndb_cursor_is_word(&cursor, "insert") || tndb_cursor_is_word(&cursor, "merge");
    if (tndb_cursor_is(&cursor, '.')) {
      qualified = true;
    } else {
      qualified = false;
      own = is_name(&cursor, "pg_catalog");
    }
  }
  return false;
}

/* ---------------------------------------------------------------- by the first word */

/* SET LOCAL, SET TRANSACTION and SET CONSTRAINTS end with the transaction; SET SESSION CHARACTERISTICS does not. */
static bool sets(tndb_cursor *cursor) {
  return !tndb_cursor_is_word(cursor, "local") && !tndb_cursor_is_word(cursor, "transaction") &&
         !tndb_cursor_is_word(cursor, "constraints");
}

/* DECLARE name … CURSOR [WITH HOLD] FOR */
static bool holds(tndb_cursor *cursor) {
  while (!tndb_cursor_at_end(cursor) && !tndb_cursor_is_word(cursor, "for")) {
    if (tndb_cursor_take_words(cursor, "with", "hold")) {
      return true;
    }
    tndb_cursor_advance(cursor);
  }
  return false;
}

/* From here to the query behind AS, or to the end. */
static bool drops_on_commit(tndb_cursor *cursor) {
  while (!tndb_cursor_at_end(cursor) && !tndb_cursor_is_word(cursor, "as")) {
    tndb_cursor ahead = *cursor;
    if (tndb_cursor_take_words(&ahead, "on", "commit") && tndb_cursor_is_word(&ahead, "drop")) {
      return true;
    }
    (void)tndb_cursor_skip(cursor);
  }
  return false;
}

/* Whether the object's name, before what it consists of, is pg_temp.something. What belongs to a table goes with it. */
static bool names_temporary_schema(tndb_cursor cursor) {
  static const char *const kinds[] = {"table",     "view", "recursive", "sequence",  "function",
                                      "procedure", "type", "domain",    "aggregate", NULL};
  if (!is_one_of(&cursor, kinds)) {
    return false;
  }
  while (!tndb_cursor_at_end(&cursor) && !tndb_cursor_is(&cursor, '(') &&
         !tndb_cursor_is_word(&cursor, "as")) {
    bool schema = is_name(&cursor, "pg_temp");
    tndb_cursor_advance(&cursor);
    if (schema && tndb_cursor_is(&cursor, '.')) {
      return true;
    }
  }
  return false;
}

/* Behind CREATE. `runs` tells whether it holds a query that is run now. */
static bool creates(tndb_cursor *cursor, bool *runs, tndb_lasting *what) {
  (void)tndb_cursor_take_words(cursor, "or", "replace");
  bool marked = tndb_cursor_take_word(cursor, "global") || tndb_cursor_take_word(cursor, "local");
  marked = tndb_cursor_take_word(cursor, "temp") || tndb_cursor_take_word(cursor, "temporary") || marked;
  (void)tndb_cursor_take_word(cursor, "unlogged");
  bool table = tndb_cursor_is_word(cursor, "table");
  *runs = table || tndb_cursor_is_word(cursor, "materialized");
  if (!marked && !names_temporary_schema(*cursor)) {
    return false;
  }
  *what = table ? temporary : temporary_other;
  tndb_cursor rest = *cursor;
  return !table || !drops_on_commit(&rest);
}

/* EXPLAIN runs a statement when it has ANALYZE; the cursor stands on that statement then. */
static bool explains_by_running(tndb_cursor *cursor) {
  bool runs = false;
  if (tndb_cursor_take(cursor, '(')) {
    while (!tndb_cursor_at_end(cursor) && !tndb_cursor_take(cursor, ')')) {
      runs = runs || tndb_cursor_is_word(cursor, "analyze") || tndb_cursor_is_word(cursor, "analyse");
      tndb_cursor_advance(cursor);
    }
    return runs;
  }
  runs = tndb_cursor_take_word(cursor, "analyze") || tndb_cursor_take_word(cursor, "analyse");
  (void)tndb_cursor_take_word(cursor, "verbose");
  return runs;
}

static void go_to_first_word(tndb_cursor *cursor) {
  while (tndb_cursor_is(cursor, ';') || tndb_cursor_is(cursor, '(')) {
    tndb_cursor_advance(cursor);
  }
}

static bool found(tndb_lasting *what, const tndb_lasting *which) {
  *what = *which;
  return true;
}

/* Statements that run no query at once are done with after their first words. */
static bool begins_lasting(tndb_cursor *cursor, bool *queries, tndb_lasting *what) {
  static const char *const querying[] = {"select", "insert", "update", "delete", "with", "merge",
                                         "values", "table",  "copy",   "call",   NULL};
  static const char *const prepared[] = {"prepare", "execute", "deallocate", NULL};
  static const char *const listens[] = {"listen", "unlisten", NULL};
  *queries = is_one_of(cursor, querying);
  if (*queries) {
    return false;
  }
  if (is_one_of(cursor, listens)) {
    return found(what, &listening);
  }
  if (is_one_of(cursor, prepared)) {
    return found(what, &preparing);
  }
  if (tndb_cursor_take_word(cursor, "set")) {
    return sets(cursor) && found(what, &setting);
  }
  if (tndb_cursor_take_word(cursor, "create")) {
    return creates(cursor, queries, what);
  }
  if (tndb_cursor_take_word(cursor, "declare")) {
    *queries = true;
    return holds(cursor) && found(what, &holding);
  }
  return tndb_cursor_is_word(cursor, "reset")     ? found(what, &resetting)
         : tndb_cursor_is_word(cursor, "discard") ? found(what, &discarding)
         : tndb_cursor_is_word(cursor, "load")    ? found(what, &loading)
                                                  : false;
}

bool tndb_sql_is_lasting(const char *sql, tndb_lasting *what) {
  tndb_cursor cursor;
  bool queries = false;
  tndb_cursor_start(&cursor, sql, strlen(sql), 1);
  go_to_first_word(&cursor);
  if (tndb_cursor_take_word(&cursor, "explain")) {
    if (!explains_by_running(&cursor)) {
      return false;
    }
    go_to_first_word(&cursor);
  }
  if (begins_lasting(&cursor, &queries, what)) {
    return true;
  }
  return queries && hints_at_one(sql) && calls_lasting(cursor, what);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Measured on 13 to 18: each is refused with 25001 between BEGIN and COMMIT. */
#include "tenant/trial_outside.h"

#include <string.h>

#include "sql/cursor.h"

/* What follows a name: qualified, quoted, as it is written. */
static void append_name(tndb_buffer *out, tndb_cursor at) {
  while (tndb_cursor_is_name(&at) && !tndb_cursor_at_end(&at)) {
    tndb_buffer_append_n(out, tndb_cursor_text(&at), at.token.length);
    tndb_cursor_advance(&at);
    if (!tndb_cursor_take(&at, '.')) {
      return;
    }
    tndb_buffer_append_char(out, '.');
  }
}

static void skip_if_exists(tndb_cursor *at) {
  if (tndb_cursor_take_word(at, "if")) {
    (void)tndb_cursor_take_word(at, "not");
    (void)tndb_cursor_take_word(at, "exists");
  }
}

static bool tell(tndb_buffer *locks, const char *mode, const tndb_cursor *name) {
  tndb_buffer_append(locks, mode);
  if (name) {
    tndb_buffer_append(locks, " on ");
    append_name(locks, *name);
  }
  return true;
}

/* Go to a word outside of parentheses. */
static bool find_word(tndb_cursor *at, const char *word) {
  while (!tndb_cursor_at_end(at) && !tndb_cursor_is_word(at, word)) {
    (void)tndb_cursor_skip(at);
  }
  return tndb_cursor_take_word(at, word);
}

static bool create(tndb_cursor at, tndb_buffer *locks) {
  (void)tndb_cursor_take_word(&at, "unique");
  if (tndb_cursor_take_word(&at, "index")) {
    if (!tndb_cursor_take_word(&at, "concurrently") || !find_word(&at, "on")) {
      return false;
    }
    (void)tndb_cursor_take_word(&at, "only");
    return tell(locks, "ShareUpdateExclusiveLock", &at);
  }
  if (tndb_cursor_take_word(&at, "database")) {
    return tell(locks, "ShareLock on the template, and everybody's connections to it must be gone", NULL);
  }
  if (tndb_cursor_take_word(&at, "tablespace")) {
    return tell(locks, "RowExclusiveLock on pg_tablespace", NULL);
  }
  /* Without a slot to be made on another server it may run in one. */
  if (!tndb_cursor_take_word(&at, "subscription")) {
    return false;
  }
  tndb_cursor ahead = at;
  while (find_word(&ahead, "with")) {
    tndb_cursor option = ahead;
    tndb_cursor_advance(&option);
    for (; !tndb_cursor_at_end(&option); tndb_cursor_advance(&option)) {
      bool slot = tndb_cursor_is_word(&option, "create_slot") || tndb_cursor_is_word(&option, "connect");
      tndb_cursor value = option;
      tndb_cursor_advance(&value);
      if (slot && tndb_cursor_take(&value, '=') && tndb_cursor_is_word(&value, "false")) {
        return false;
      }
    }
  }
  return tell(locks, "RowExclusiveLock on pg_subscription", NULL);
}

static bool drop(tndb_cursor at, tndb_buffer *locks) {
  if (tndb_cursor_take_word(&at, "index")) {
    bool outside = tndb_cursor_take_word(&at, "concurrently");
    skip_if_exists(&at);
    return outside && tell(locks, "ShareUpdateExclusiveLock on the index's table, and", &at);
  }
  bool database = tndb_cursor_take_word(&at, "database");
  if (!database && !tndb_cursor_take_word(&at, "tablespace") && !tndb_cursor_take_word(&at, "subscription")) {
    return false;
  }
  skip_if_exists(&at);
  return tell(locks, database ? "AccessExclusiveLock on database" : "AccessExclusiveLock", &at);
}

static bool alter(tndb_cursor at, tndb_buffer *locks) {
  if (tndb_cursor_take_word(&at, "system")) {
    return tell(locks, "none", NULL);
  }
  if (tndb_cursor_take_word(&at, "database")) {
    tndb_cursor name = at;
    return find_word(&at, "set") && tndb_cursor_is_word(&at, "tablespace") &&
           tell(locks, "AccessExclusiveLock on database", &name);
  }
  if (!tndb_cursor_take_word(&at, "table")) {
    return false;
  }
  skip_if_exists(&at);
  (void)tndb_cursor_take_word(&at, "only");
  tndb_cursor name = at;
  return find_word(&at, "detach") && find_word(&at, "concurrently") &&
         tell(locks, "ShareUpdateExclusiveLock", &name);
}

static bool reindex(tndb_cursor at, tndb_buffer *locks) {
  tndb_cursor from = at;
  bool options = tndb_cursor_is(&at, '(');
  bool concurrently = false;
  if (options) {
    tndb_cursor_advance(&from);
    concurrently = tndb_cursor_is_word(&from, "concurrently") || find_word(&from, "concurrently");
    (void)tndb_cursor_skip(&at);
  }
  bool single = tndb_cursor_is_word(&at, "index") || tndb_cursor_is_word(&at, "table");
  tndb_cursor_advance(&at);
  concurrently = tndb_cursor_take_word(&at, "concurrently") || concurrently;
  if (single) {
    return concurrently && tell(locks, "ShareUpdateExclusiveLock", &at);
  }
  return tell(locks,
              concurrently ? "ShareUpdateExclusiveLock on each table of" : "ShareLock on each table of", &at);
}

static bool cluster(tndb_cursor at, tndb_buffer *locks) {
  (void)tndb_cursor_take_word(&at, "verbose");
  if (tndb_cursor_is(&at, '(')) {
    (void)tndb_cursor_skip(&at);
  }
  return tndb_cursor_at_end(&at) && tell(locks, "AccessExclusiveLock on each clustered table", NULL);
}

static bool vacuum(tndb_cursor at, tndb_buffer *locks) {
  bool full = false;
  if (tndb_cursor_is(&at, '(')) {
    tndb_cursor inside = at;
    tndb_cursor_advance(&inside);
    for (; !tndb_cursor_at_end(&inside) && !tndb_cursor_is(&inside, ')'); tndb_cursor_advance(&inside)) {
      full = full || tndb_cursor_is_word(&inside, "full");
    }
    (void)tndb_cursor_skip(&at);
  }
  while (tndb_cursor_is_word(&at, "full") || tndb_cursor_is_word(&at, "freeze") ||
         tndb_cursor_is_word(&at, "verbose") || tndb_cursor_is_word(&at, "analyze")) {
    full = full || tndb_cursor_is_word(&at, "full");
    tndb_cursor_advance(&at);
  }
  const char *mode = full ? "AccessExclusiveLock" : "ShareUpdateExclusiveLock";
  if (!tndb_cursor_at_end(&at)) {
    return tell(locks, mode, &at);
  }
  tndb_buffer_format(locks, "%s on each table, one after the other", mode);
  return true;
}

bool tndb_trial_is_outside(const char *sql, size_t length, tndb_buffer *locks) {
  tndb_cursor at;
  tndb_cursor_start(&at, sql, length, 1);
  if (tndb_cursor_take_word(&at, "create")) {
    return create(at, locks);
  }
  if (tndb_cursor_take_word(&at, "drop")) {
    return drop(at, locks);
  }
  if (tndb_cursor_take_word(&at, "alter")) {
    return alter(at, locks);
  }
  if (tndb_cursor_take_word(&at, "reindex")) {
    return reindex(at, locks);
  }
  if (tndb_cursor_take_word(&at, "cluster")) {
    return cluster(at, locks);
  }
  if (tndb_cursor_take_word(&at, "vacuum")) {
    return vacuum(at, locks);
  }
  return tndb_cursor_take_words(&at, "discard", "all") && tell(locks, "none", NULL);
}

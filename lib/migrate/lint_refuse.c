/* SPDX-License-Identifier: PostgreSQL */
/* Statements that cannot be part of a migration as it is written. */
#include <string.h>

#include "base/memory.h"
#include "migrate/lint_rules.h"
#include "migrate/set_steps.h"
#include "sql/classify.h"
#include "sql/identifier.h"
#include "sql/lasting.h"

/* The first words of a statement, on one line. */
static void excerpt(const char *sql, char text[64]) {
  size_t length = 0;
  bool blank = false;
  for (; *sql && length < 48; sql++) {
    bool space = *sql == ' ' || (*sql >= '\t' && *sql <= '\r');
    if (!space && blank && length) {
      text[length++] = ' ';
    }
    if (!space) {
      text[length++] = *sql;
    }
    blank = space;
  }
  bool cut = *sql != '\0';
  while (cut && length > 0 && ((unsigned char)*sql & 0xc0) == 0x80) {
    sql--; /* not in the middle of a character */
    length--;
  }
  memcpy(text + length, cut ? "..." : "", cut ? 4 : 1);
}

static void refuse_outside(tndb_lint *lint, const tndb_migration_step *step) {
  if (lint->transactional && step->way == TNDB_WAY_OUTSIDE) {
    char text[64];
    excerpt(step->sql, text);
    tndb_lint_found(lint, TNDB_LINT_OUTSIDE_TRANSACTION, step->line, NULL,
                    "PostgreSQL refuses \"%s\" in a transaction, and the file is one", text);
  }
}

/* ---------------------------------------------------------------- scope and settings */

/* SET [LOCAL | SESSION] search_path, SET SCHEMA, set_config('search_path' or 'role', ...). */
static bool sets_path(const tndb_migration_step *step) {
  tndb_cursor at;
  tndb_lint_start(&at, step);
  if (tndb_cursor_take_word(&at, "set")) {
    (void)(tndb_cursor_take_word(&at, "local") || tndb_cursor_take_word(&at, "session"));
    bool quoted = at.token.kind == TNDB_TOKEN_QUOTED && at.token.length == 13 &&
                  memcmp(tndb_cursor_text(&at), "\"search_path\"", 13) == 0;
    return quoted || tndb_cursor_is_word(&at, "search_path") || tndb_cursor_is_word(&at, "schema");
  }
  for (; !tndb_cursor_at_end(&at); tndb_cursor_advance(&at)) {
    tndb_cursor next = at;
    if (tndb_cursor_take_word(&next, "set_config") && tndb_cursor_take(&next, '(') &&
        next.token.kind == TNDB_TOKEN_STRING) {
      const char *name = tndb_cursor_text(&next);
      static const char *const names[] = {"'search_path'", "'role'", "'session_authorization'"};
      for (size_t i = 0; i < 3; i++) {
        if (strlen(names[i]) == next.token.length && memcmp(name, names[i], next.token.length) == 0) {
          return true;
        }
      }
    }
  }
  return false;
}

static bool is_setting_of(const tndb_migration_step *step, const char *name) {
  tndb_cursor at;
  tndb_lint_start(&at, step);
  return tndb_cursor_take_word(&at, "set") &&
         (tndb_cursor_take_word(&at, "session") || !tndb_cursor_is_word(&at, "local")) &&
         tndb_cursor_is_word(&at, name);
}

static void refuse_settings(tndb_lint *lint, const tndb_migration_step *step) {
  tndb_lasting what;
  tndb_cursor at;
  char text[64];
  tndb_lint_start(&at, step);
  excerpt(step->sql, text);
  if (tndb_sql_changes_role(step->sql) || sets_path(step)) {
    tndb_lint_found(lint, TNDB_LINT_LEAVES_SCOPE, step->line, NULL,
                    "\"%s\" would run what follows with another role or in another schema", text);
  } else if (is_setting_of(step, "lock_timeout")) {
    tndb_lint_found(lint, TNDB_LINT_LASTING_SETTING, step->line,
                    "write -- tenantdb:lock_timeout 3s at the head of the file instead",
                    "\"%s\" would stay on the connection", text);
  } else if (tndb_sql_is_lasting(step->sql, &what)) {
    tndb_lint_found(lint, TNDB_LINT_LASTING_SETTING, step->line, what.way_out, "%s: %s", what.statement,
                    what.why);
  } else if (!lint->transactional && tndb_cursor_take_words(&at, "set", "local")) {
    tndb_lint_found(lint, TNDB_LINT_LASTING_SETTING, step->line,
                    "leave it out, or write SET into the statement's own function",
                    "\"%s\" ends with its statement, as each is a transaction of its own in this file", text);
  }
}

static void refuse_control(tndb_lint *lint, const tndb_migration_step *step) {
  const char *word = NULL;
  if (tndb_sql_is_transaction_control(step->sql, &word)) {
    tndb_lint_found(lint, TNDB_LINT_TRANSACTION_CONTROL, step->line, NULL,
                    "%s would end or divide the transaction that the ledger's row is part of", word);
  }
}

static void refuse_extension(tndb_lint *lint, const tndb_migration_step *step) {
  tndb_cursor at;
  tndb_lint_start(&at, step);
  if (lint->migration->stream == TNDB_STREAM_TENANT && tndb_cursor_take_words(&at, "create", "extension")) {
    tndb_lint_found(
        lint, TNDB_LINT_TENANT_EXTENSION, step->line, NULL,
        "CREATE EXTENSION in the tenant stream: there is one in a database, and it would land in the "
        "schema of whoever comes first");
  }
}

static void refuse_index(tndb_lint *lint, const tndb_migration_step *step) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  if (lint->transactional || step->way != TNDB_WAY_OUTSIDE ||
      tndb_step_index(step->sql, &name) != TNDB_INDEX_CREATE) {
    lint->failed = lint->failed || name.failed;
    return;
  }
  if (name.length == 0) {
    tndb_lint_found(
        lint, TNDB_LINT_UNNAMED_INDEX, step->line, NULL,
        "CREATE INDEX CONCURRENTLY without a name: if it is interrupted, what it left cannot be told "
        "from other indexes");
  } else if (name.length > TNDB_IDENTIFIER_BYTES) {
    tndb_lint_found(
        lint, TNDB_LINT_UNNAMED_INDEX, step->line, "choose a shorter name",
        "the index's name has %zu bytes and PostgreSQL would cut it to %d, so that it could not be "
        "found again",
        name.length, TNDB_IDENTIFIER_BYTES);
  }
  lint->failed = lint->failed || name.failed;
}

static void refuse_markers(tndb_lint *lint, const tndb_migration_step *step) {
  tndb_cursor at;
  tndb_lint_start(&at, step);
  while (lint->transactional && !tndb_cursor_at_end(&at) && at.token.kind != TNDB_TOKEN_MARKER &&
         at.token.kind != TNDB_TOKEN_BRACE) {
    tndb_cursor_advance(&at);
  }
  if (lint->transactional && at.token.kind != TNDB_TOKEN_END) {
    tndb_lint_found(lint, TNDB_LINT_MARKER, at.token.line, NULL,
                    "a marker {table} is for files with -- tenantdb:tx none, which have no search path");
  }
}

/* ---------------------------------------------------------------- values of enums */

/* ALTER TYPE name ADD VALUE [IF NOT EXISTS] 'value': the cursor stands on the value. */
static bool adds_value(const tndb_migration_step *step, tndb_cursor *at, tndb_buffer *type) {
  tndb_lint_start(at, step);
  if (!tndb_cursor_take_words(at, "alter", "type") || !tndb_lint_take_name(at, type) ||
      !tndb_cursor_take_words(at, "add", "value")) {
    return false;
  }
  tndb_lint_skip_options(at);
  return at->token.kind == TNDB_TOKEN_STRING;
}

/* A literal of the same text anywhere in a statement that is run, not only described. */
static bool uses_value(const tndb_migration_step *step, const char *value, size_t length, int32_t *line) {
  tndb_cursor at;
  tndb_lint_start(&at, step);
  tndb_cursor first = at;
  if (tndb_cursor_take_words(&first, "alter", "type") || tndb_cursor_is_word(&at, "comment")) {
    return false;
  }
  for (; !tndb_cursor_at_end(&at); tndb_cursor_advance(&at)) {
    if (at.token.kind == TNDB_TOKEN_STRING && at.token.length == length &&
        memcmp(tndb_cursor_text(&at), value, length) == 0) {
      *line = at.token.line;
      return true;
    }
  }
  return false;
}

static void refuse_enum(tndb_lint *lint, size_t i) {
  tndb_auto_buffer type = TNDB_BUFFER_INIT;
  tndb_cursor value;
  int32_t line = 0;
  if (!lint->transactional || !adds_value(&lint->steps->items[i], &value, &type)) {
    return;
  }
  for (size_t later = i + 1; later < lint->steps->count; later++) {
    if (uses_value(&lint->steps->items[later], tndb_cursor_text(&value), value.token.length, &line)) {
      tndb_lint_found(lint, TNDB_LINT_ENUM_VALUE_USED, line, NULL,
                      "%.*s is added to type %s in line %d, and PostgreSQL lets nobody use it before that is "
                      "committed",
                      (int)(value.token.length < 60 ? value.token.length : 60), tndb_cursor_text(&value),
                      tndb_buffer_text(&type), (int)value.token.line);
      return;
    }
  }
}

/* ---------------------------------------------------------------- what changes with time */

static bool is_changing(const tndb_cursor *at) {
  static const char *const plain[] = {"current_timestamp", "current_date", "current_time", "localtime",
                                      "localtimestamp"};
  static const char *const calls[] = {
      "now",    "clock_timestamp", "statement_timestamp", "transaction_timestamp",
      "random", "gen_random_uuid", "timeofday",           "nextval"};
  for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
    if (tndb_cursor_is_word(at, plain[i])) {
      return true;
    }
  }
  tndb_cursor next = *at;
  tndb_cursor_advance(&next);
  for (size_t i = 0; i < sizeof calls / sizeof calls[0] && tndb_cursor_is(&next, '('); i++) {
    if (tndb_cursor_is_word(at, calls[i])) {
      return true;
    }
  }
  return false;
}

/* From here to `end`, an offset. */
static void look_for_changing(tndb_lint *lint, tndb_cursor at, size_t end, const char *where) {
  bool qualified = false;
  for (; !tndb_cursor_at_end(&at) && at.token.offset < end; tndb_cursor_advance(&at)) {
    if (!qualified && is_changing(&at)) {
      tndb_lint_found(
          lint, TNDB_LINT_NOT_IMMUTABLE, at.token.line, NULL,
          "%.*s in %s: what it gives changes from one moment to the next, and only what is always "
          "the same can be stored there (42P17)",
          (int)at.token.length, tndb_cursor_text(&at), where);
      return;
    }
    qualified = tndb_cursor_is(&at, '.');
  }
}

static void refuse_changing(tndb_lint *lint, const tndb_migration_step *step) {
  tndb_cursor at;
  tndb_lint_start(&at, step);
  tndb_cursor index = at;
  bool create = tndb_cursor_take_word(&index, "create");
  (void)tndb_cursor_take_word(&index, "unique");
  if (create && tndb_cursor_take_word(&index, "index")) {
    look_for_changing(lint, index, strlen(step->sql), "an index");
    return;
  }
  if (!tndb_cursor_is_word(&at, "create") && !tndb_cursor_is_word(&at, "alter")) {
    return;
  }
  for (; !tndb_cursor_at_end(&at); tndb_cursor_advance(&at)) {
    tndb_cursor inside = at;
    if (tndb_cursor_take_words(&inside, "generated", "always") && tndb_cursor_take_word(&inside, "as") &&
        tndb_cursor_is(&inside, '(')) {
      tndb_cursor behind = inside;
      (void)tndb_cursor_skip(&behind);
      look_for_changing(lint, inside, behind.last_end, "a generated column");
    }
  }
}

void tndb_lint_refusals(tndb_lint *lint) {
  for (size_t i = 0; i < lint->steps->count; i++) {
    const tndb_migration_step *step = &lint->steps->items[i];
    if (step->made) {
      continue;
    }
    refuse_outside(lint, step);
    refuse_control(lint, step);
    refuse_settings(lint, step);
    refuse_extension(lint, step);
    refuse_index(lint, step);
    refuse_markers(lint, step);
    refuse_enum(lint, i);
    refuse_changing(lint, step);
  }
}

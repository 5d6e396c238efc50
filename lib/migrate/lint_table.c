/* SPDX-License-Identifier: PostgreSQL */
/* Statements about tables: what locks them for long, and what has no name of its own. */
#include <string.h>

#include "migrate/lint_rules.h"
#include "migrate/unnamed.h"

/* Nobody waits for a table that the same file creates, nor for anything in a schema that is being made. */
static bool is_new(const tndb_lint *lint, const char *table) {
  return lint->migration->kind == TNDB_MIGRATION_CHECKPOINT || tndb_names_has(&lint->created, table);
}

/* Whether two words stand beside each other before the action ends. */
static bool has_words(tndb_cursor at, const char *first, const char *second) {
  for (; tndb_element_goes_on(&at); (void)tndb_cursor_skip(&at)) {
    tndb_cursor pair = at;
    if (second ? tndb_cursor_take_words(&pair, first, second) : tndb_cursor_is_word(&at, first)) {
      return true;
    }
  }
  return false;
}

static bool begins_constraint(const tndb_cursor *at) {
  static const char *const words[] = {"constraint", "primary", "unique", "check", "foreign", "exclude"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (tndb_cursor_is_word(at, words[i])) {
      return true;
    }
  }
  return false;
}

/* The table behind the next REFERENCES. */
static bool referenced(tndb_cursor at, tndb_buffer *name) {
  while (tndb_element_goes_on(&at) && !tndb_cursor_is_word(&at, "references")) {
    (void)tndb_cursor_skip(&at);
  }
  return tndb_cursor_take_word(&at, "references") && tndb_lint_take_name(&at, name);
}

static void check_foreign_key(tndb_lint *lint, const tndb_cursor *at, const char *table) {
  tndb_auto_buffer target = TNDB_BUFFER_INIT;
  if (!referenced(*at, &target) || has_words(*at, "not", "valid")) {
    return;
  }
  const char *name = tndb_buffer_text(&target);
  bool shared =
      lint->migration->stream == TNDB_STREAM_TENANT && tndb_lint_is_of(lint, name, TNDB_STREAM_SHARED);
  if (shared && is_new(lint, table)) {
    tndb_lint_found(
        lint, TNDB_LINT_FOREIGN_KEY_VALIDATES, at->token.line,
        "leave it so and keep the file short: the lock is had for as long as its transaction takes, since "
        "there are no rows to be looked at, and lock_timeout bounds the wait for it; -- tenantdb:nolint "
        "foreign-key-validates says that it is known",
        "a foreign key to the shared table %s takes SHARE ROW EXCLUSIVE on it, once for every tenant: "
        "nobody writes it until the file is committed",
        name);
  } else if (shared) {
    tndb_lint_found(lint, TNDB_LINT_FOREIGN_KEY_VALIDATES, at->token.line, NULL,
                    "a foreign key to the shared table %s locks it against writing, once for every tenant",
                    name);
  } else if (!is_new(lint, table)) {
    tndb_lint_found(lint, TNDB_LINT_FOREIGN_KEY_VALIDATES, at->token.line, NULL,
                    "a foreign key on %s reads all of it while it and %s are locked against writing", table,
                    name);
  }
  lint->failed = lint->failed || target.failed;
}

/* ---------------------------------------------------------------- ALTER TABLE */

static void add_constraint(tndb_lint *lint, tndb_cursor at, const char *table) {
  int32_t line = at.token.line;
  bool named = tndb_cursor_take_word(&at, "constraint");
  if (named) {
    tndb_cursor_advance(&at);
  }
  bool primary = tndb_cursor_is_word(&at, "primary");
  if (!named && !primary) {
    tndb_lint_found(lint, TNDB_LINT_UNNAMED_CONSTRAINT, line, NULL,
                    "a constraint on %s has no name: what PostgreSQL calls it depends on what is there",
                    table);
  }
  if ((primary || tndb_cursor_is_word(&at, "unique")) && !is_new(lint, table) &&
      !has_words(at, "using", "index")) {
    tndb_lint_found(lint, TNDB_LINT_BLOCKING_INDEX, line,
                    "build a unique index CONCURRENTLY first, then ADD CONSTRAINT ... USING INDEX",
                    "%s cannot be read or written while the index of the key is built", table);
  }
  if (tndb_cursor_is_word(&at, "foreign")) {
    check_foreign_key(lint, &at, table);
  }
}

static void add_column(tndb_lint *lint, tndb_cursor at, const char *table) {
  int32_t line = at.token.line;
  tndb_cursor name = at;
  tndb_cursor_advance(&at);
  bool filled = has_words(at, "default", NULL) || has_words(at, "generated", NULL) ||
                tndb_cursor_is_word(&at, "serial") || tndb_cursor_is_word(&at, "bigserial") ||
                tndb_cursor_is_word(&at, "smallserial");
  if (has_words(at, "not", "null") && !filled && !is_new(lint, table)) {
    tndb_lint_found(lint, TNDB_LINT_NOT_NULL_WITHOUT_DEFAULT, line, NULL,
                    "column %.*s is NOT NULL and has no default: it fails in every %s that has rows",
                    (int)(name.token.length < 63 ? name.token.length : 63), tndb_cursor_text(&name), table);
  }
  check_foreign_key(lint, &at, table);
}

static void alter_action(tndb_lint *lint, tndb_cursor at, const char *table) {
  if (tndb_cursor_take_word(&at, "add")) {
    bool column = tndb_cursor_take_word(&at, "column");
    if (!column && begins_constraint(&at)) {
      add_constraint(lint, at, table);
    } else {
      tndb_lint_skip_options(&at);
      add_column(lint, at, table);
    }
    return;
  }
  if (!tndb_cursor_take_word(&at, "alter") || tndb_cursor_is_word(&at, "constraint")) {
    return;
  }
  int32_t line = at.token.line;
  (void)tndb_cursor_take_word(&at, "column");
  tndb_cursor_advance(&at);
  (void)tndb_cursor_take_words(&at, "set", "data");
  if (tndb_cursor_is_word(&at, "type") && !is_new(lint, table)) {
    tndb_lint_found(
        lint, TNDB_LINT_COLUMN_TYPE_CHANGE, line, NULL,
        "another type of a column writes %s and its indexes anew while nobody can read it, unless the "
        "types are stored alike",
        table);
  }
}

static void alter_table(tndb_lint *lint, tndb_cursor at) {
  tndb_auto_buffer table = TNDB_BUFFER_INIT;
  tndb_lint_skip_options(&at);
  if (tndb_lint_take_name(&at, &table)) {
    (void)tndb_cursor_take(&at, '*');
    while (!tndb_cursor_at_end(&at)) {
      alter_action(lint, at, tndb_buffer_text(&table));
      while (!tndb_cursor_at_end(&at) && !tndb_cursor_is(&at, ',')) {
        (void)tndb_cursor_skip(&at);
      }
      (void)tndb_cursor_take(&at, ',');
    }
  }
  lint->failed = lint->failed || table.failed;
}

/* ---------------------------------------------------------------- CREATE TABLE */

typedef struct element {
  tndb_lint *lint;
  const char *table;
} element;

static void unnamed(void *user, const tndb_cursor *at, const char *column) {
  const element *of = user;
  (void)column;
  tndb_lint_found(of->lint, TNDB_LINT_UNNAMED_CONSTRAINT, at->token.line, NULL,
                  "a constraint of %s has no name: what PostgreSQL calls it depends on what is there",
                  of->table);
}

/* One column or constraint, up to its comma. */
static void check_element(tndb_lint *lint, tndb_cursor *at, const char *table) {
  tndb_cursor first = *at;
  element of = {lint, table};
  lint->failed = !tndb_unnamed_in(at, unnamed, &of) || lint->failed;
  check_foreign_key(lint, &first, table);
}

static void create_table(tndb_lint *lint, tndb_cursor at) {
  tndb_auto_buffer table = TNDB_BUFFER_INIT;
  tndb_lint_skip_options(&at);
  if (!tndb_lint_take_name(&at, &table) || table.failed || !tndb_names_add(&lint->created, table.data)) {
    lint->failed =
        lint->failed || table.failed || (table.length && !tndb_names_has(&lint->created, table.data));
    return;
  }
  while (!tndb_cursor_at_end(&at) && !tndb_cursor_is(&at, '(') && !tndb_cursor_is_word(&at, "as")) {
    tndb_cursor_advance(&at);
  }
  if (!tndb_cursor_take(&at, '(')) {
    return;
  }
  while (!tndb_cursor_at_end(&at) && !tndb_cursor_is(&at, ')')) {
    check_element(lint, &at, tndb_buffer_text(&table));
    (void)tndb_cursor_take(&at, ',');
    if (tndb_cursor_is(&at, ';')) {
      return;
    }
  }
}

/* ---------------------------------------------------------------- CREATE INDEX */

static void create_index(tndb_lint *lint, tndb_cursor at, int32_t line) {
  tndb_auto_buffer table = TNDB_BUFFER_INIT;
  bool concurrently = tndb_cursor_take_word(&at, "concurrently");
  if (tndb_cursor_is_word(&at, "if")) {
    tndb_lint_found(lint, TNDB_LINT_IF_NOT_EXISTS_INDEX, line, NULL,
                    "IF NOT EXISTS is content with any index of that name, an invalid one too");
  }
  while (!tndb_cursor_at_end(&at) && !tndb_cursor_is_word(&at, "on")) {
    tndb_cursor_advance(&at);
  }
  tndb_cursor_advance(&at);
  tndb_lint_skip_options(&at);
  if (!concurrently && tndb_lint_take_name(&at, &table) && !is_new(lint, tndb_buffer_text(&table))) {
    tndb_lint_found(lint, TNDB_LINT_BLOCKING_INDEX, line, NULL,
                    "%s cannot be written while the index is built", tndb_buffer_text(&table));
  }
  lint->failed = lint->failed || table.failed;
}

/* ---------------------------------------------------------------- the file as a whole */

/* Whether a statement waits for others: what has to be had alone. */
static bool takes_locks(const tndb_migration_step *step) {
  static const char *const words[] = {"alter", "drop", "truncate", "lock", "reindex", "cluster", "refresh"};
  tndb_cursor at;
  tndb_lint_start(&at, step);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (tndb_cursor_is_word(&at, words[i])) {
      return true;
    }
  }
  if (!tndb_cursor_take_word(&at, "create")) {
    return false;
  }
  (void)tndb_cursor_take_word(&at, "unique");
  return tndb_cursor_is_word(&at, "index") || tndb_cursor_is_word(&at, "trigger");
}

static void check_lock_timeout(tndb_lint *lint) {
  bool never = lint->migration->lock_timeout_ms == 0;
  if (!never && (lint->migration->lock_timeout_ms > 0 || !lint->set->options.lock_timeout_off)) {
    return;
  }
  for (size_t i = 0; i < lint->steps->count; i++) {
    if (takes_locks(&lint->steps->items[i])) {
      tndb_lint_found(
          lint, TNDB_LINT_NO_LOCK_TIMEOUT, lint->steps->items[i].line, NULL,
          "without a lock timeout it waits behind a long reader, and everybody else waits behind it");
      return;
    }
  }
}

static void check_mixed(tndb_lint *lint) {
  const tndb_migration_step *inside = NULL;
  bool outside = false;
  for (size_t i = 0; i < lint->steps->count; i++) {
    const tndb_migration_step *step = &lint->steps->items[i];
    outside = outside || (step->way == TNDB_WAY_OUTSIDE && !step->made);
    inside = inside || step->way != TNDB_WAY_INSIDE || step->made ? inside : step;
  }
  if (!lint->transactional && outside && inside) {
    tndb_lint_found(
        lint, TNDB_LINT_MIXED_KINDS, inside->line, NULL,
        "it could be in a transaction, and others here cannot: a failure leaves the file half applied "
        "until it is gone on with");
  }
}

void tndb_lint_tables(tndb_lint *lint) {
  check_lock_timeout(lint);
  check_mixed(lint);
  for (size_t i = 0; i < lint->steps->count; i++) {
    const tndb_migration_step *step = &lint->steps->items[i];
    tndb_cursor at;
    tndb_lint_start(&at, step);
    if (step->made) {
      continue;
    }
    if (tndb_cursor_take_words(&at, "alter", "table")) {
      alter_table(lint, at);
    } else if (tndb_cursor_take_word(&at, "create")) {
      (void)tndb_cursor_take_word(&at, "unlogged");
      (void)tndb_cursor_take_word(&at, "unique");
      if (tndb_cursor_take_word(&at, "table")) {
        create_table(lint, at);
      } else if (tndb_cursor_take_word(&at, "index")) {
        create_index(lint, at, step->line);
      }
    }
  }
}

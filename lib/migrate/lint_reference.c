/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where statements name tables: behind FROM, JOIN, INTO, REFERENCES, CREATE TABLE and
 * the like. A name in an expression is a column or a function and is left alone; so a
 * table's alias in front of a column is never taken for a schema.
 */
#include <string.h>

#include "migrate/lint_rules.h"

/* Going through a statement. */
typedef struct walk {
  tndb_lint *lint;
  const tndb_migration_step *step;
  tndb_cursor at;
  const char *verb; /* the statement's first word, as far as it matters here */
  int depth;
  int list_depth; /* where a comma is followed by another table; -1 for nowhere */
  bool on_table;  /* of CREATE INDEX, TRIGGER, POLICY: what follows the first ON is a table */
} walk;

static bool is_one_of(const tndb_cursor *at, const char *const *words) {
  for (; *words; words++) {
    if (tndb_cursor_is_word(at, *words)) {
      return true;
    }
  }
  return false;
}

/* ---------------------------------------------------------------- judging a name */

static bool begins_with(const char *text, const char *prefix) {
  return *prefix && strncmp(text, prefix, strlen(prefix)) == 0;
}

static void judge_qualified(tndb_lint *lint, const char *schema, const char *name, int32_t line) {
  const tndb_set_options *options = &lint->set->options;
  const char *shared = options->shared_schema ? options->shared_schema : "public";
  const char *prefix = options->tenant_prefix ? options->tenant_prefix : "tenant_";
  bool tenants = tndb_lint_is_of(lint, name, TNDB_STREAM_TENANT);
  if (begins_with(schema, "pg_") || strcmp(schema, "information_schema") == 0) {
    return;
  }
  if (strcmp(schema, shared) != 0 && begins_with(schema, prefix)) {
    tndb_lint_found(lint, TNDB_LINT_OTHER_TENANT, line, NULL, "%s.%s is in the schema of one tenant", schema,
                    name);
  } else if (lint->migration->stream == TNDB_STREAM_TENANT && tenants) {
    tndb_lint_found(lint, TNDB_LINT_QUALIFIED_TENANT_OBJECT, line, NULL,
                    "%s.%s: %s is a table of the tenants, and has another schema in each of them", schema,
                    name, name);
  } else if (strcmp(schema, shared) != 0) {
    tndb_lint_found(lint, TNDB_LINT_LITERAL_SCHEMA, line, NULL,
                    "%s.%s: the schema %s is not the shared one (%s)", schema, name, schema, shared);
  }
}

/* WITH name AS (...) is a table of the statement's own. */
static bool is_with_query(const walk *w, const char *name) {
  tndb_auto_buffer found = TNDB_BUFFER_INIT;
  tndb_cursor at;
  tndb_lint_start(&at, w->step);
  for (; !tndb_cursor_at_end(&at); tndb_cursor_advance(&at)) {
    tndb_cursor next = at;
    if (!tndb_cursor_name(&at, true, &found) || strcmp(tndb_buffer_text(&found), name) != 0) {
      continue;
    }
    tndb_cursor_advance(&next);
    if (tndb_cursor_is(&next, '(')) {
      (void)tndb_cursor_skip(&next);
    }
    if (tndb_cursor_take_word(&next, "as")) {
      (void)tndb_cursor_take_word(&next, "not");
      (void)tndb_cursor_take_word(&next, "materialized");
      if (tndb_cursor_is(&next, '(')) {
        return true;
      }
    }
  }
  return false;
}

/* The cursor stands where a table's name is to be, and goes behind it. */
static void take_reference(walk *w) {
  tndb_auto_buffer first = TNDB_BUFFER_INIT;
  tndb_auto_buffer second = TNDB_BUFFER_INIT;
  int32_t line = w->at.token.line;
  bool marker = w->at.token.kind == TNDB_TOKEN_MARKER;
  if (!tndb_cursor_name(&w->at, true, &first)) {
    return;
  }
  tndb_cursor_advance(&w->at);
  bool qualified = tndb_cursor_is(&w->at, '.');
  if (qualified) {
    tndb_cursor_advance(&w->at);
    marker = marker || w->at.token.kind == TNDB_TOKEN_MARKER;
    if (tndb_cursor_name(&w->at, true, &second)) {
      tndb_cursor_advance(&w->at);
    }
  }
  const char *name = tndb_buffer_text(&first);
  w->lint->failed = w->lint->failed || first.failed || second.failed;
  if (marker || w->lint->failed) {
    return;
  }
  if (qualified) {
    judge_qualified(w->lint, name, tndb_buffer_text(&second), line);
  } else if (w->lint->migration->stream == TNDB_STREAM_TENANT && !tndb_cursor_is(&w->at, '(') &&
             tndb_lint_is_of(w->lint, name, TNDB_STREAM_SHARED) && !is_with_query(w, name)) {
    tndb_lint_found(w->lint, TNDB_LINT_UNQUALIFIED_SHARED_OBJECT, line, NULL,
                    "%s is a shared table, which the search path of a migration does not find", name);
  }
}

/* ---------------------------------------------------------------- finding names */

static void take_list(walk *w) {
  w->list_depth = w->depth;
  take_reference(w);
}

/* CREATE, ALTER, DROP …: KIND [options] name. True when the word is such a kind. */
static bool take_object(walk *w) {
  static const char *const kinds[] = {"table",    "view",      "sequence", "type", "domain",
                                      "function", "procedure", "index",    NULL};
  static const char *const verbs[] = {"create",   "alter",   "drop",  "comment", "refresh", "lock",
                                      "truncate", "reindex", "grant", "revoke",  NULL};
  bool verb = false;
  for (const char *const *at = verbs; *at; at++) {
    verb = verb || strcmp(w->verb, *at) == 0;
  }
  if (!verb || w->depth > 0 || !is_one_of(&w->at, kinds)) {
    return false;
  }
  bool index = tndb_cursor_is_word(&w->at, "index") && strcmp(w->verb, "create") == 0;
  bool function = tndb_cursor_is_word(&w->at, "function") || tndb_cursor_is_word(&w->at, "procedure");
  tndb_cursor_advance(&w->at);
  tndb_lint_skip_options(&w->at);
  if (index) {
    return true; /* its name has no schema; the table stands behind ON */
  }
  if (tndb_cursor_is_word(&w->at, "on") || tndb_cursor_is(&w->at, '(')) {
    return true;
  }
  if (function) {
    take_reference(w);
  } else {
    take_list(w);
  }
  return true;
}

static bool take_from(walk *w) {
  bool using = tndb_cursor_is_word(&w->at, "using");
  if (!tndb_cursor_is_word(&w->at, "from") &&
      !(using && (strcmp(w->verb, "delete") == 0 || strcmp(w->verb, "merge") == 0))) {
    return false;
  }
  tndb_cursor_advance(&w->at);
  if (strcmp(w->verb, "revoke") == 0) {
    return true; /* a role */
  }
  (void)tndb_cursor_take_word(&w->at, "only");
  (void)tndb_cursor_take_word(&w->at, "lateral");
  take_list(w);
  return true;
}

/* ON of CREATE INDEX … ON t, of GRANT … ON t: not of ON DELETE, ON TABLE t. */
static bool take_on(walk *w) {
  static const char *const others[] = {"delete",   "update",     "commit",    "conflict",     "all",
                                       "schema",   "type",       "function",  "procedure",    "sequence",
                                       "domain",   "column",     "table",     "view",         "index",
                                       "database", "constraint", "routine",   "language",     "foreign",
                                       "large",    "tablespace", "parameter", "materialized", "trigger",
                                       "policy",   "rule",       "role",      "extension",    NULL};
  if (!tndb_cursor_is_word(&w->at, "on") || !w->on_table || w->depth > 0) {
    return false;
  }
  tndb_cursor_advance(&w->at);
  if (!is_one_of(&w->at, others)) {
    w->on_table = false;
    (void)tndb_cursor_take_word(&w->at, "only");
    take_list(w);
  }
  return true;
}

static bool take_word_of_one(walk *w) {
  tndb_cursor next = w->at;
  if (tndb_cursor_take_word(&next, "join") || tndb_cursor_take_word(&next, "into") ||
      tndb_cursor_take_word(&next, "references") || tndb_cursor_take_words(&next, "partition", "of") ||
      tndb_cursor_take_words(&next, "attach", "partition") ||
      tndb_cursor_take_words(&next, "detach", "partition")) {
    w->at = next;
    tndb_lint_skip_options(&w->at);
    (void)tndb_cursor_take_word(&w->at, "lateral");
    take_reference(w);
    return true;
  }
  return false;
}

/* extract(… FROM …), IS DISTINCT FROM. */
static bool skip_false_from(walk *w) {
  static const char *const calls[] = {"extract", "substring", "trim", "overlay", "position", NULL};
  if (tndb_cursor_take_words(&w->at, "distinct", "from")) {
    return true;
  }
  tndb_cursor next = w->at;
  if (!is_one_of(&w->at, calls)) {
    return false;
  }
  tndb_cursor_advance(&next);
  if (tndb_cursor_is(&next, '(')) {
    w->at = next;
    (void)tndb_cursor_skip(&w->at); /* expressions; a query in there is rare enough */
    return true;
  }
  return false;
}

static void step_over(walk *w) {
  static const char *const ends[] = {"where", "group",     "order",  "having",    "limit",  "union",
                                     "set",   "except",    "values", "intersect", "offset", "window",
                                     "for",   "returning", "when",   "add",       "rename", "select",
                                     "to",    "alter",     "drop",   NULL};
  if (tndb_cursor_is(&w->at, '(') || tndb_cursor_is(&w->at, '[')) {
    w->depth++;
  } else if (tndb_cursor_is(&w->at, ')') || tndb_cursor_is(&w->at, ']')) {
    w->depth--;
    w->list_depth = w->list_depth > w->depth ? -1 : w->list_depth;
  } else if (w->depth == w->list_depth && is_one_of(&w->at, ends)) {
    w->list_depth = -1;
  }
  bool another = tndb_cursor_is(&w->at, ',') && w->depth == w->list_depth;
  tndb_cursor_advance(&w->at);
  if (another) {
    (void)tndb_cursor_take_word(&w->at, "only");
    (void)tndb_cursor_take_word(&w->at, "lateral");
    take_reference(w);
  }
}

/* The first word, and what stands right behind it. */
static void begin(walk *w) {
  static const char *const verbs[] = {"create", "alter",    "drop",    "comment", "refresh",
                                      "lock",   "truncate", "reindex", "grant",   "revoke",
                                      "delete", "merge",    "update",  "copy",    NULL};
  static const char *const on_tables[] = {"index", "trigger", "policy", NULL};
  w->verb = "";
  for (const char *const *verb = verbs; *verb; verb++) {
    w->verb = tndb_cursor_is_word(&w->at, *verb) ? *verb : w->verb;
  }
  bool direct = strcmp(w->verb, "update") == 0 || strcmp(w->verb, "copy") == 0 ||
                strcmp(w->verb, "truncate") == 0 || strcmp(w->verb, "lock") == 0;
  w->on_table = strcmp(w->verb, "grant") == 0 || strcmp(w->verb, "revoke") == 0;
  if (direct) {
    tndb_cursor_advance(&w->at);
    tndb_lint_skip_options(&w->at);
    if (!tndb_cursor_is_word(&w->at, "table")) {
      take_list(w);
    }
    return;
  }
  tndb_cursor kind = w->at;
  tndb_cursor_advance(&kind);
  (void)tndb_cursor_take_words(&kind, "or", "replace");
  (void)tndb_cursor_take_word(&kind, "unique");
  (void)tndb_cursor_take_word(&kind, "constraint");
  w->on_table = w->on_table || is_one_of(&kind, on_tables);
}

void tndb_lint_references(tndb_lint *lint) {
  for (size_t i = 0; i < lint->steps->count; i++) {
    walk w = {.lint = lint, .step = &lint->steps->items[i], .list_depth = -1};
    if (w.step->made) {
      continue;
    }
    tndb_lint_start(&w.at, w.step);
    begin(&w);
    while (!tndb_cursor_at_end(&w.at)) {
      if (!skip_false_from(&w) && !take_from(&w) && !take_object(&w) && !take_on(&w) &&
          !take_word_of_one(&w)) {
        step_over(&w);
      }
    }
  }
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Text is copied up to the names that must be written differently, so that what
 * the author wrote stays what he wrote. In queries a plain name behind FROM,
 * JOIN or INTO that only a shared base knows is qualified: the search path of a
 * tenant does not hold the shared schema, on purpose.
 */
#include "registry/render.h"

#include <string.h>

#include "sql/cursor.h"
#include "sql/identifier.h"

#define DEEPEST 64

/* Where a query is: by depth of parentheses, whether a FROM list is open, and whether FROM is no clause. */
typedef struct scan {
  tndb_cursor at;
  const tndb_render *render;
  int32_t mode;
  size_t copied;
  size_t depth;
  bool from[DEEPEST];
  bool function[DEEPEST]; /* inside extract(... FROM ...) and the like */
  bool expects;           /* a table's name comes next */
  bool distinct;          /* after DISTINCT, FROM compares */
  bool takes_from;        /* after a function with its own FROM */
} scan;

tenantdb_status tndb_render_target(const tndb_render *render, const tndb_target *target,
                                   tenantdb_error **error) {
  if (target->base->kind != render->base->kind) {
    if (!render->shared_schema) {
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_MISSING_SCHEMA_NAME,
                         "the shared schema's name is needed: \"%s\" is a table of the shared base %s",
                         target->entry->name, target->base->name);
    }
    tndb_quote_identifier(render->out, render->shared_schema);
    tndb_buffer_append_char(render->out, '.');
  }
  tndb_quote_identifier(render->out, target->entry->name);
  return TENANTDB_OK;
}

/* Copy up to the current token and step over it; what replaces it is written by the caller. */
static void replace_token(scan *s) {
  const char *text = s->at.lexer.text;
  tndb_buffer_append_n(s->render->out, text + s->copied, s->at.token.offset - s->copied);
  s->copied = s->at.token.offset + s->at.token.length;
}

static tenantdb_status marker(scan *s, tenantdb_error **error) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_cursor_name(&s->at, false, &name);
  if (name.failed) {
    return tndb_no_memory(error);
  }
  replace_token(s);
  if (name.length == 0) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_MARKER,
                       "a marker {} is empty; a brace itself is written {{");
  }
  if (strcmp(tndb_buffer_text(&name), "schema") == 0) {
    tndb_quote_identifier(s->render->out, s->render->schema);
    return TENANTDB_OK;
  }
  tndb_target target;
  tenantdb_status status =
      tndb_registry_resolve_declared(s->render->base, tndb_buffer_text(&name), false, &target, error);
  return status == TENANTDB_OK ? tndb_render_target(s->render, &target, error) : status;
}

static void brace(scan *s) {
  char c = *tndb_cursor_text(&s->at);
  replace_token(s);
  tndb_buffer_append_char(s->render->out, c);
}

/* "name AS (" or "name (a, b) AS (" somewhere: WITH has taken the name. */
static bool is_with_name(const scan *s, const char *wanted) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_cursor at;
  tndb_cursor_start(&at, s->at.lexer.text, s->at.lexer.length, 1);
  while (!tndb_cursor_at_end(&at)) {
    bool same = tndb_cursor_name(&at, true, &name) && strcmp(tndb_buffer_text(&name), wanted) == 0;
    tndb_cursor_advance(&at);
    tndb_cursor ahead = at;
    if (same && tndb_cursor_is(&ahead, '(')) {
      tndb_cursor_skip(&ahead);
    }
    if (same && tndb_cursor_take_word(&ahead, "as")) {
      tndb_cursor_take_word(&ahead, "not");
      tndb_cursor_take_word(&ahead, "materialized");
      if (tndb_cursor_is(&ahead, '(')) {
        return true;
      }
    }
  }
  return false;
}

/* A name where a table stands, on the current token. */
static tenantdb_status table_name(scan *s, tenantdb_error **error) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_cursor ahead = s->at;
  if (s->at.token.kind == TNDB_TOKEN_MARKER || !tndb_cursor_name(&s->at, true, &name)) {
    return TENANTDB_OK;
  }
  if (name.failed) {
    return tndb_no_memory(error);
  }
  tndb_cursor_advance(&ahead);
  const char *text = tndb_buffer_text(&name);
  if (tndb_cursor_take(&ahead, '.')) {
    tndb_cursor_advance(&ahead);
    if (tndb_cursor_is(&ahead, '(') || strcmp(text, "pg_catalog") == 0 ||
        strcmp(text, "information_schema") == 0) {
      return TENANTDB_OK;
    }
    return tndb_origin(
        error, TENANTDB_ARGUMENT, TENANTDB_REASON_SCRIPT_QUALIFIED,
        "a table is qualified with the schema \"%s\": write its name alone, or {base.table} for a "
        "table of another base",
        text);
  }
  tndb_target target;
  if (tndb_cursor_is(&ahead, '(') || !tndb_registry_find(s->render->base, text, &target) ||
      target.base->kind == s->render->base->kind || is_with_name(s, text)) {
    return TENANTDB_OK;
  }
  replace_token(s);
  return tndb_render_target(s->render, &target, error);
}

static bool is_any(const tndb_cursor *at, const char *const *words, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (tndb_cursor_is_word(at, words[i])) {
      return true;
    }
  }
  return false;
}

#define IS_ANY(at, words) is_any((at), (words), sizeof(words) / sizeof((words)[0]))

/* What the current token says about the next one. */
static void follow_query(scan *s) {
  static const char *const ends[] = {"where", "group", "having", "window", "union",     "intersect", "except",
                                     "order", "limit", "offset", "fetch",  "returning", "set"};
  static const char *const takes_from[] = {"extract", "substring", "trim", "overlay", "position"};
  bool *from = &s->from[s->depth];
  bool comma = tndb_cursor_is(&s->at, ',') && *from;
  bool clause = tndb_cursor_is_word(&s->at, "from") && !s->distinct && !s->function[s->depth];
  bool joins = tndb_cursor_is_word(&s->at, "join") || tndb_cursor_is_word(&s->at, "into");
  bool only = s->expects && (tndb_cursor_is_word(&s->at, "only") || tndb_cursor_is(&s->at, '('));
  s->expects = comma || clause || joins || only;
  *from = (*from || clause) && !IS_ANY(&s->at, ends);
  if (tndb_cursor_is(&s->at, '(') && s->depth + 1 < DEEPEST) {
    s->depth++;
    s->from[s->depth] = only;
    s->function[s->depth] = s->takes_from;
  } else if (tndb_cursor_is(&s->at, ')') && s->depth > 0) {
    s->depth--;
  }
  s->distinct = tndb_cursor_is_word(&s->at, "distinct");
  s->takes_from = IS_ANY(&s->at, takes_from);
}

/* REFERENCES name: the name. */
static tenantdb_status reference(scan *s, tenantdb_error **error) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_target target;
  if (s->at.token.kind == TNDB_TOKEN_MARKER || !tndb_cursor_name(&s->at, true, &name)) {
    return TENANTDB_OK;
  }
  if (name.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status =
      tndb_registry_resolve_declared(s->render->base, tndb_buffer_text(&name), false, &target, error);
  if (status == TENANTDB_OK) {
    replace_token(s);
    status = tndb_render_target(s->render, &target, error);
  }
  return status;
}

static tenantdb_status step(scan *s, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  if (s->expects) {
    status = s->mode == TNDB_RENDER_QUERY ? table_name(s, error) : reference(s, error);
  }
  if (status != TENANTDB_OK) {
    return status;
  }
  if (s->at.token.kind == TNDB_TOKEN_MARKER) {
    status = marker(s, error);
  } else if (s->at.token.kind == TNDB_TOKEN_BRACE) {
    brace(s);
  }
  if (s->mode == TNDB_RENDER_QUERY) {
    follow_query(s);
  } else if (s->mode == TNDB_RENDER_REFERENCES) {
    s->expects = tndb_cursor_is_word(&s->at, "references");
  }
  return status;
}

tenantdb_status tndb_render_text(const tndb_render *render, const char *text, int32_t mode,
                                 tenantdb_error **error) {
  size_t length = strlen(text);
  if (mode == TNDB_RENDER_MARKERS && !strpbrk(text, "{}")) {
    tndb_buffer_append_n(render->out, text, length);
    return TENANTDB_OK;
  }
  scan s = {.render = render, .mode = mode};
  tenantdb_status status = TENANTDB_OK;
  for (tndb_cursor_start(&s.at, text, length, 1); status == TENANTDB_OK && !tndb_cursor_at_end(&s.at);
       tndb_cursor_advance(&s.at)) {
    status = step(&s, error);
  }
  tndb_buffer_append_n(render->out, text + s.copied, length - s.copied);
  return status;
}

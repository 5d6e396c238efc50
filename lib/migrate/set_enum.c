/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/set_enum.h"

#include <string.h>

#include "base/memory.h"
#include "sql/cursor.h"

/* ALTER TYPE type ADD VALUE [IF NOT EXISTS] 'value' [BEFORE | AFTER 'neighbour'] */
typedef struct addition {
  const char *sql;
  tndb_buffer type;
  tndb_buffer other; /* the type that another statement is about */
  tndb_token value;
  tndb_token neighbour; /* its length is 0 when there is none */
  bool before;
  bool if_missing;
} addition;

static void start(tndb_cursor *at, const char *sql) {
  tndb_cursor_start(at, sql, strlen(sql), 1);
}

/* A plain or quoted name and nothing qualified. */
static bool take_type(tndb_cursor *at, tndb_buffer *name) {
  if (!tndb_cursor_name(at, true, name)) {
    return false;
  }
  tndb_cursor_advance(at);
  return !tndb_cursor_is(at, '.') && !name->failed;
}

static bool is_addition(const char *sql, addition *found) {
  tndb_cursor at;
  start(&at, sql);
  if (!tndb_cursor_take_words(&at, "alter", "type") || !take_type(&at, &found->type) ||
      !tndb_cursor_take_words(&at, "add", "value")) {
    return false;
  }
  found->sql = sql;
  found->if_missing = tndb_cursor_take_word(&at, "if");
  if (found->if_missing) {
    (void)tndb_cursor_take_words(&at, "not", "exists");
  }
  found->value = at.token;
  tndb_cursor_advance(&at);
  found->before = tndb_cursor_take_word(&at, "before");
  bool placed = found->before || tndb_cursor_take_word(&at, "after");
  found->neighbour = (tndb_token){TNDB_TOKEN_END, 0, 0, 0};
  if (placed) {
    found->neighbour = at.token;
    tndb_cursor_advance(&at);
  }
  return found->value.kind == TNDB_TOKEN_STRING && (!placed || found->neighbour.kind == TNDB_TOKEN_STRING) &&
         tndb_cursor_at_end(&at);
}

/* Whether a statement begins with these two words and that type. */
static bool is_about(addition *added, const char *sql, const char *verb, tndb_cursor *behind) {
  start(behind, sql);
  return tndb_cursor_take_words(behind, verb, "type") && take_type(behind, &added->other) &&
         strcmp(tndb_buffer_text(&added->other), tndb_buffer_text(&added->type)) == 0;
}

static bool is_same(const addition *added, const tndb_token *token, const tndb_cursor *at) {
  return token->length == at->token.length &&
         memcmp(added->sql + token->offset, tndb_cursor_text(at), token->length) == 0;
}

typedef enum where { NOWHERE, HERE, THERE_ALREADY } where;

/* Where in CREATE TYPE … AS ENUM (…) the value belongs; the cursor is behind the type's name. */
static where find_place(const addition *added, tndb_cursor at, size_t *offset, bool *any) {
  if (!tndb_cursor_take_words(&at, "as", "enum") || !tndb_cursor_take(&at, '(')) {
    return NOWHERE;
  }
  bool placed = false;
  *any = false;
  for (; !tndb_cursor_at_end(&at) && !tndb_cursor_is(&at, ')'); tndb_cursor_advance(&at)) {
    if (is_same(added, &added->value, &at)) {
      return THERE_ALREADY;
    }
    if (added->neighbour.length && is_same(added, &added->neighbour, &at)) {
      placed = true;
      *offset = added->before ? at.token.offset : at.token.offset + at.token.length;
    }
    *any = true;
  }
  if (!added->neighbour.length) {
    placed = tndb_cursor_is(&at, ')');
    *offset = at.token.offset;
  }
  return placed ? HERE : NOWHERE;
}

static bool insert(char **sql, const addition *added, size_t offset, bool any) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_append_n(&text, *sql, offset);
  tndb_buffer_append(&text, any && !added->before ? ", " : "");
  tndb_buffer_append_n(&text, added->sql + added->value.offset, added->value.length);
  tndb_buffer_append(&text, added->before ? ", " : "");
  tndb_buffer_append(&text, *sql + offset);
  char *grown = tndb_buffer_take(&text);
  if (grown) {
    tndb_free(*sql);
    *sql = grown;
  }
  return grown != NULL;
}

/* Whether it became part of a CREATE TYPE of the first `count`; false with `failed` when memory ran out. */
static bool fold(tndb_ddl *ddl, size_t count, addition *added, bool *failed) {
  tndb_cursor behind;
  size_t offset = 0, k = count;
  bool any = false;
  do {
    if (k-- == 0) {
      return false;
    }
    if (is_about(added, ddl->items[k].sql, "alter", &behind) && tndb_cursor_is_word(&behind, "rename")) {
      return false; /* its values may have other names since */
    }
  } while (!is_about(added, ddl->items[k].sql, "create", &behind));
  where found = find_place(added, behind, &offset, &any);
  if (found != HERE) {
    return found == THERE_ALREADY && added->if_missing;
  }
  *failed = !insert(&ddl->items[k].sql, added, offset, any);
  return !*failed;
}

tenantdb_status tndb_enums_fold(tndb_ddl *ddl, tenantdb_error **error) {
  addition added = {.type = TNDB_BUFFER_INIT, .other = TNDB_BUFFER_INIT};
  bool failed = false;
  size_t kept = 0;
  for (size_t i = 0; i < ddl->count; i++) {
    tndb_ddl_item item = ddl->items[i];
    if (!failed && is_addition(item.sql, &added) && fold(ddl, kept, &added, &failed)) {
      tndb_free(item.sql);
      tndb_free(item.place);
    } else {
      ddl->items[kept++] = item;
    }
    failed = failed || added.type.failed || added.other.failed;
  }
  ddl->count = kept;
  tndb_buffer_free(&added.type);
  tndb_buffer_free(&added.other);
  return failed ? tndb_no_memory(error) : TENANTDB_OK;
}

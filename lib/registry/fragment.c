/* SPDX-License-Identifier: PostgreSQL */
#include "registry/fragment.h"

#include <string.h>

#include "base/memory.h"
#include "sql/identifier.h"

static bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

char *tndb_fragment_cut(const char *text, size_t from, size_t to) {
  while (from < to && is_space(text[from])) {
    from++;
  }
  while (to > from && is_space(text[to - 1])) {
    to--;
  }
  return tndb_strndup(text + from, to - from);
}

tenantdb_status tndb_fragment_lexer_error(const tndb_lexer *lexer, tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_ARGUMENT, lexer->reason, "%s", lexer->mistake);
}

/* A comment becomes a blank and its newlines: tokens stay apart and lines stay where they are. */
static void append_blank(tndb_buffer *out, const char *text, size_t length) {
  if (text[0] == '/') {
    tndb_buffer_append_char(out, ' ');
  }
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '\n') {
      tndb_buffer_append_char(out, '\n');
    }
  }
}

tenantdb_status tndb_fragment_clean(const char *text, size_t length, char **clean, tenantdb_error **error) {
  *clean = NULL;
  tndb_auto_buffer out = TNDB_BUFFER_INIT;
  tndb_lexer lexer;
  tndb_token token;
  tndb_lexer_start(&lexer, text, length, true);
  size_t done = 0;
  while (tndb_lexer_raw(&lexer, &token)) {
    if (token.kind == TNDB_TOKEN_COMMENT) {
      tndb_buffer_append_n(&out, text + done, token.offset - done);
      append_blank(&out, text + token.offset, token.length);
      done = token.offset + token.length;
    }
  }
  if (token.kind == TNDB_TOKEN_ERROR) {
    return tndb_fragment_lexer_error(&lexer, error);
  }
  tndb_buffer_append_n(&out, text + done, length - done);
  if (!out.failed) {
    *clean = tndb_fragment_cut(tndb_buffer_text(&out), 0, out.length);
  }
  return *clean ? TENANTDB_OK : tndb_no_memory(error);
}

static tenantdb_status refuse(tenantdb_error **error, const char *what, const char *why) {
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION, "%s %s", what, why);
}

/* How deep brackets may nest; deeper than anything PostgreSQL's parser itself survives being given. */
#define DEEPEST 256

static tenantdb_status check_balance(const char *what, const char *text, bool commas,
                                     tenantdb_error **error) {
  char open[DEEPEST];
  size_t depth = 0;
  tndb_cursor at;
  for (tndb_cursor_start(&at, text, strlen(text), 1); !tndb_cursor_at_end(&at); tndb_cursor_advance(&at)) {
    if (at.token.kind != TNDB_TOKEN_OPERATOR) {
      continue;
    }
    char c = *tndb_cursor_text(&at);
    if (c == '(' || c == '[') {
      if (depth == DEEPEST) {
        return refuse(error, what, "nests parentheses too deeply");
      }
      open[depth++] = c;
    } else if (c == ')' || c == ']') {
      if (depth == 0 || open[--depth] != (c == ')' ? '(' : '[')) {
        return refuse(error, what, "has unbalanced parentheses");
      }
    } else if (depth == 0 && c == ';') {
      return refuse(error, what, "holds a semicolon");
    } else if (depth == 0 && c == ',' && !commas) {
      return refuse(error, what, "holds a comma outside parentheses");
    }
  }
  return depth ? refuse(error, what, "has unbalanced parentheses") : TENANTDB_OK;
}

tenantdb_status tndb_fragment(const char *what, const char *text, bool commas, char **clean,
                              tenantdb_error **error) {
  tenantdb_status status = tndb_fragment_clean(text ? text : "", text ? strlen(text) : 0, clean, error);
  if (status == TENANTDB_OK) {
    status = check_balance(what, *clean, commas, error);
  }
  if (status != TENANTDB_OK) {
    tndb_free(*clean);
    *clean = NULL;
  }
  return status;
}

/* ------------------------------------------------------------ lists of names */

static tenantdb_status add_column_name(tndb_names *names, const char *name, tenantdb_error **error) {
  tenantdb_status status = tndb_identifier_check("a column's name", name, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  if (tndb_names_has(names, name)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME,
                       "column \"%s\" is listed twice", name);
  }
  return tndb_names_add(names, name) ? TENANTDB_OK : tndb_no_memory(error);
}

/* The end of a list's item: the next comma outside double quotes. */
static size_t item_end(const char *text) {
  bool quoted = false;
  size_t i = 0;
  for (; text[i] && (quoted || text[i] != ','); i++) {
    quoted = quoted != (text[i] == '"');
  }
  return i;
}

/* Take the quotes off an item that stands in them; otherwise it is literal. */
static bool unquote(char *item) {
  size_t length = strlen(item), out = 0;
  if (*item != '"') {
    return true;
  }
  for (size_t i = 1; i < length; i++) {
    if (item[i] == '"') {
      if (i + 1 == length) {
        item[out] = '\0';
        return true;
      }
      if (item[++i] != '"') {
        return false;
      }
    }
    item[out++] = item[i];
  }
  return false;
}

tenantdb_status tndb_names_literal(const char *text, tndb_names *names, tenantdb_error **error) {
  for (;;) {
    size_t end = item_end(text);
    tndb_auto_free char *item = tndb_fragment_cut(text, 0, end);
    if (!item) {
      return tndb_no_memory(error);
    }
    if (!unquote(item)) {
      size_t from = strspn(text, " ");
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                         "in the list of columns, %.*s is not quoted properly", (int)(end - from),
                         text + from);
    }
    tenantdb_status status = add_column_name(names, item, error);
    if (status != TENANTDB_OK || text[end] == '\0') {
      return status;
    }
    text += end + 1;
  }
}

tenantdb_status tndb_names_sql(tndb_cursor *cursor, bool fold, tndb_names *names, bool *period,
                               tenantdb_error **error) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  if (tndb_cursor_take(cursor, '(')) {
    do {
      tndb_cursor ahead = *cursor;
      if (period && tndb_cursor_take_word(&ahead, "period") && tndb_cursor_is_name(&ahead)) {
        *cursor = ahead;
        *period = true;
      }
      if (!tndb_cursor_name(cursor, fold, &name)) {
        break;
      }
      if (name.failed) {
        return tndb_no_memory(error);
      }
      tenantdb_status status = add_column_name(names, tndb_buffer_text(&name), error);
      if (status != TENANTDB_OK) {
        return status;
      }
      tndb_cursor_advance(cursor);
    } while (tndb_cursor_take(cursor, ','));
    if (tndb_cursor_take(cursor, ')')) {
      return TENANTDB_OK;
    }
  }
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                     "a list of columns in parentheses is expected");
}

/* SPDX-License-Identifier: PostgreSQL */
#include "registry/index.h"

#include <string.h>

#include "sql/cursor.h"

static tenantdb_status bad_form(tenantdb_error **error) {
  return tndb_origin(
      error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
      "an index's definition begins with ( or USING, and its columns stand in one pair of parentheses: not "
      "\"tenant_id USING gin (body)\" or \"(tenant_id) USING gin (body)\" but \"USING gin (body)\", or with "
      "the "
      "extension btree_gin \"USING gin (tenant_id, body)\"");
}

/* What gives another answer tomorrow; functions only when they are called. */
static bool is_volatile(const tndb_cursor *at) {
  static const char *const words[] = {"current_date", "current_time", "current_timestamp", "localtime",
                                      "localtimestamp"};
  static const char *const functions[] = {
      "now",    "clock_timestamp", "statement_timestamp", "timeofday", "transaction_timestamp",
      "random", "gen_random_uuid"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (tndb_cursor_is_word(at, words[i])) {
      return true;
    }
  }
  tndb_cursor ahead = *at;
  tndb_cursor_advance(&ahead);
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    if (tndb_cursor_is_word(at, functions[i])) {
      return tndb_cursor_is(&ahead, '(');
    }
  }
  return false;
}

static tenantdb_status check_predicate(tndb_cursor *at, tenantdb_error **error) {
  for (; !tndb_cursor_at_end(at); tndb_cursor_advance(at)) {
    if (is_volatile(at)) {
      return tndb_origin(
          error, TENANTDB_ARGUMENT, TENANTDB_REASON_VOLATILE_PREDICATE,
          "the predicate uses %.*s: which rows an index holds is decided when they are written "
          "and cannot depend on the time of day; index the column itself and compare with the "
          "time in the query",
          (int)at->token.length, tndb_cursor_text(at));
    }
  }
  return TENANTDB_OK;
}

tenantdb_status tndb_index_check(const char *definition, tenantdb_error **error) {
  tndb_cursor at;
  tndb_cursor_start(&at, definition, strlen(definition), 1);
  if (tndb_cursor_take_word(&at, "using")) {
    tndb_cursor_advance(&at);
  }
  if (!tndb_cursor_is(&at, '(')) {
    return bad_form(error);
  }
  tndb_cursor inside = at;
  tndb_cursor_advance(&inside);
  if (tndb_cursor_is(&inside, ')')) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION, "the index has no columns");
  }
  while (!tndb_cursor_at_end(&at)) {
    if (tndb_cursor_is_word(&at, "using")) {
      return bad_form(error);
    }
    if (tndb_cursor_take_word(&at, "where")) {
      return check_predicate(&at, error);
    }
    tndb_cursor_skip(&at);
  }
  return TENANTDB_OK;
}

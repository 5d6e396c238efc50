/* SPDX-License-Identifier: PostgreSQL */
#include "registry/privilege.h"

#include <string.h>

#include "sql/cursor.h"

static const char *const words[] = {"select", "insert", "update", "delete"};

tenantdb_status tndb_privilege_parse(const char *text, int32_t *mask, tenantdb_error **error) {
  *mask = 0;
  if (!text) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                       "the list of privileges is NULL; \"\" is nothing");
  }
  tndb_cursor at;
  tndb_cursor_start(&at, text, strlen(text), 1);
  if (at.token.kind == TNDB_TOKEN_END) {
    return TENANTDB_OK;
  }
  do {
    size_t i = 0;
    while (i < 4 && !tndb_cursor_is_word(&at, words[i])) {
      i++;
    }
    if (i == 4) {
      break;
    }
    *mask |= 1 << i;
    tndb_cursor_advance(&at);
    if (at.token.kind == TNDB_TOKEN_END) {
      return TENANTDB_OK;
    }
  } while (tndb_cursor_take(&at, ','));
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                     "\"%s\" is not a list out of SELECT, INSERT, UPDATE, DELETE", text);
}

const char *tndb_privilege_text(int32_t mask) {
  static const char *const texts[] = {
      "",
      "SELECT",
      "INSERT",
      "SELECT, INSERT",
      "UPDATE",
      "SELECT, UPDATE",
      "INSERT, UPDATE",
      "SELECT, INSERT, UPDATE",
      "DELETE",
      "SELECT, DELETE",
      "INSERT, DELETE",
      "SELECT, INSERT, DELETE",
      "UPDATE, DELETE",
      "SELECT, UPDATE, DELETE",
      "INSERT, UPDATE, DELETE",
      "SELECT, INSERT, UPDATE, DELETE",
  };
  return texts[mask & 15];
}

/* SPDX-License-Identifier: PostgreSQL */
#include "sql/identifier.h"

#include <string.h>

#include "base/utf8.h"

/* How much of a bad name a message repeats. */
#define SHOWN 40

static void quote(tndb_buffer *buffer, const char *text, char mark) {
  tndb_buffer_append_char(buffer, mark);
  for (const char *next; (next = strchr(text, mark)) != NULL; text = next + 1) {
    tndb_buffer_append_n(buffer, text, (size_t)(next - text) + 1);
    tndb_buffer_append_char(buffer, mark);
  }
  tndb_buffer_append(buffer, text);
  tndb_buffer_append_char(buffer, mark);
}

void tndb_quote_identifier(tndb_buffer *buffer, const char *name) {
  quote(buffer, name, '"');
}

void tndb_quote_literal(tndb_buffer *buffer, const char *text) {
  quote(buffer, text, '\'');
}

void tndb_fold_case(char *text) {
  for (; *text; text++) {
    if (*text >= 'A' && *text <= 'Z') {
      *text = (char)(*text - 'A' + 'a');
    }
  }
}

tenantdb_status tndb_identifier_check(const char *what, const char *name, tenantdb_error **error) {
  size_t length = strlen(name), bad = 0;
  if (length == 0) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER, "%s is empty", what);
  }
  if (!tndb_utf8_valid(name, length, &bad)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER,
                       "%s is not valid UTF-8 at byte %zu", what, bad + 1);
  }
  if (length > TNDB_IDENTIFIER_BYTES) {
    size_t shown = 0;
    while (shown < SHOWN) {
      shown += tndb_utf8_decode(name + shown, length - shown, NULL);
    }
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER,
                       "%s \"%.*s...\" has %zu bytes; a name has at most %d", what, (int)shown, name, length,
                       TNDB_IDENTIFIER_BYTES);
  }
  return TENANTDB_OK;
}

/* SPDX-License-Identifier: PostgreSQL */
#include "base/json.h"

#include "base/utf8.h"

static void escape(tndb_buffer *buffer, char c) {
  switch (c) {
    case '"':
      tndb_buffer_append(buffer, "\\\"");
      break;
    case '\\':
      tndb_buffer_append(buffer, "\\\\");
      break;
    case '\n':
      tndb_buffer_append(buffer, "\\n");
      break;
    case '\t':
      tndb_buffer_append(buffer, "\\t");
      break;
    case '\r':
      tndb_buffer_append(buffer, "\\r");
      break;
    default:
      tndb_buffer_format(buffer, "\\u%04x", (unsigned)(unsigned char)c);
  }
}

void tndb_json_string(tndb_buffer *buffer, const char *text, size_t length) {
  tndb_buffer_append_char(buffer, '"');
  for (size_t i = 0; i < length;) {
    size_t size = tndb_utf8_decode(text + i, length - i, NULL);
    unsigned char c = (unsigned char)text[i];
    if (size == 0) {
      tndb_buffer_append(buffer, "\xEF\xBF\xBD");
      size = 1;
    } else if (size == 1 && (c < 0x20 || c == '"' || c == '\\' || c == 0x7F)) {
      escape(buffer, (char)c);
    } else {
      tndb_buffer_append_n(buffer, text + i, size);
    }
    i += size;
  }
  tndb_buffer_append_char(buffer, '"');
}

static size_t digits(const char *text, size_t length, size_t at) {
  while (at < length && text[at] >= '0' && text[at] <= '9') {
    at++;
  }
  return at;
}

bool tndb_json_is_number(const char *text, size_t length) {
  size_t at = length > 0 && text[0] == '-' ? 1 : 0;
  size_t end = digits(text, length, at);
  if (end == at || (text[at] == '0' && end > at + 1)) {
    return false;
  }
  at = end;
  if (at < length && text[at] == '.') {
    end = digits(text, length, at + 1);
    if (end == at + 1) {
      return false;
    }
    at = end;
  }
  if (at < length && (text[at] == 'e' || text[at] == 'E')) {
    at++;
    if (at < length && (text[at] == '+' || text[at] == '-')) {
      at++;
    }
    end = digits(text, length, at);
    if (end == at) {
      return false;
    }
    at = end;
  }
  return at == length;
}

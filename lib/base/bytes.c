/* SPDX-License-Identifier: PostgreSQL */
#include "base/bytes.h"

void tndb_bytes_write(tndb_buffer *buffer, const void *bytes, size_t length) {
  static const char digits[] = "0123456789abcdef";
  const unsigned char *from = bytes;
  char text[128];
  size_t at = 2;
  text[0] = '\\';
  text[1] = 'x';
  for (size_t i = 0; i < length; i++) {
    if (at == sizeof text) {
      tndb_buffer_append_n(buffer, text, at);
      at = 0;
    }
    text[at++] = digits[from[i] >> 4];
    text[at++] = digits[from[i] & 0x0F];
  }
  tndb_buffer_append_n(buffer, text, at);
}

static int hex_digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

static tndb_reading read_hex(const char *text, size_t length, unsigned char *bytes, size_t *n_bytes) {
  for (size_t i = 0; i + 1 < length; i += 2) {
    int high = hex_digit(text[i]);
    int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) {
      return TNDB_READ_MALFORMED;
    }
    bytes[(*n_bytes)++] = (unsigned char)(high * 16 + low);
  }
  return length % 2 ? TNDB_READ_MALFORMED : TNDB_READ;
}

static bool is_octal(const char *text) {
  return text[0] >= '0' && text[0] <= '3' && text[1] >= '0' && text[1] <= '7' && text[2] >= '0' &&
         text[2] <= '7';
}

static tndb_reading read_escaped(const char *text, size_t length, unsigned char *bytes, size_t *n_bytes) {
  for (size_t i = 0; i < length;) {
    if (text[i] != '\\') {
      bytes[(*n_bytes)++] = (unsigned char)text[i];
      i++;
    } else if (i + 1 < length && text[i + 1] == '\\') {
      bytes[(*n_bytes)++] = '\\';
      i += 2;
    } else if (i + 3 < length && is_octal(text + i + 1)) {
      int byte = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
      bytes[(*n_bytes)++] = (unsigned char)byte;
      i += 4;
    } else {
      return TNDB_READ_MALFORMED;
    }
  }
  return TNDB_READ;
}

tndb_reading tndb_bytes_read(const char *text, size_t length, unsigned char *bytes, size_t *n_bytes) {
  *n_bytes = 0;
  if (length >= 2 && text[0] == '\\' && text[1] == 'x') {
    return read_hex(text + 2, length - 2, bytes, n_bytes);
  }
  return read_escaped(text, length, bytes, n_bytes);
}

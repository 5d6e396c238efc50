/* SPDX-License-Identifier: PostgreSQL */
#include "base/integer.h"

#include <string.h>

size_t tndb_int64_write(int64_t value, char text[TNDB_INT64_TEXT]) {
  char digits[TNDB_INT64_TEXT];
  size_t at = sizeof digits - 1;
  uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  digits[at] = '\0';
  do {
    digits[--at] = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest);
  if (value < 0) {
    digits[--at] = '-';
  }
  memcpy(text, digits + at, sizeof digits - at);
  return sizeof digits - 1 - at;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* What follows the digits of a whole number: nothing, or decimals. */
static tndb_reading read_decimals(const char *text, size_t length) {
  tndb_reading reading = TNDB_READ;
  if (length == 1 || (length && text[0] != '.')) {
    return TNDB_READ_MALFORMED;
  }
  for (size_t i = 1; i < length; i++) {
    if (!is_digit(text[i])) {
      return TNDB_READ_MALFORMED;
    }
    reading = text[i] == '0' ? reading : TNDB_READ_OUT_OF_RANGE;
  }
  return reading;
}

tndb_reading tndb_int64_read(const char *text, size_t length, int64_t *value) {
  size_t at = length && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  uint64_t most = length && text[0] == '-' ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
  uint64_t number = 0;
  bool fits = true;
  size_t first = at;
  for (; at < length && is_digit(text[at]); at++) {
    uint64_t digit = (uint64_t)(text[at] - '0');
    fits = fits && number <= (most - digit) / 10;
    number = number * 10 + digit;
  }
  if (at == first) {
    return TNDB_READ_MALFORMED;
  }
  tndb_reading rest = read_decimals(text + at, length - at);
  if (rest != TNDB_READ || !fits) {
    return rest == TNDB_READ ? TNDB_READ_OUT_OF_RANGE : rest;
  }
  *value = text[0] != '-' ? (int64_t)number : number == 0 ? 0 : -(int64_t)(number - 1) - 1;
  return TNDB_READ;
}

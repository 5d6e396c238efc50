/* SPDX-License-Identifier: PostgreSQL */
#include "base/utf8.h"

size_t tndb_utf8_decode(const char *bytes, size_t length, uint32_t *code) {
  const unsigned char *b = (const unsigned char *)bytes;
  if (length == 0) {
    return 0;
  }
  size_t size = b[0] < 0x80                   ? 1
                : b[0] >= 0xC2 && b[0] < 0xE0 ? 2
                : b[0] >= 0xE0 && b[0] < 0xF0 ? 3
                : b[0] >= 0xF0 && b[0] < 0xF5 ? 4
                                              : 0;
  if (size == 0 || size > length) {
    return 0;
  }
  static const unsigned char lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  uint32_t value = b[0] & lead_bits[size];
  for (size_t i = 1; i < size; i++) {
    if ((b[i] & 0xC0) != 0x80) {
      return 0;
    }
    value = (value << 6) | (b[i] & 0x3FU);
  }
  if (value < least[size] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
    return 0;
  }
  if (code) {
    *code = value;
  }
  return size;
}

bool tndb_utf8_valid(const char *bytes, size_t length, size_t *at) {
  size_t i = 0;
  while (i < length) {
    size_t size = tndb_utf8_decode(bytes + i, length - i, NULL);
    if (size == 0) {
      if (at) {
        *at = i;
      }
      return false;
    }
    i += size;
  }
  return true;
}

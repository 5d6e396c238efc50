/* SPDX-License-Identifier: PostgreSQL */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

bool tndb_random_bytes(void *bytes, size_t length) {
  unsigned char *at = bytes;
  while (length > 0) {
    ssize_t got = getrandom(at, length, 0);
    if (got < 0 && errno != EINTR) {
      return false;
    }
    if (got > 0) {
      at += got;
      length -= (size_t)got;
    }
  }
  return true;
}

static const char hex[] = "0123456789abcdef";

bool tndb_uuid_new(char text[TNDB_UUID_TEXT]) {
  unsigned char bytes[16];
  if (!tndb_random_bytes(bytes, sizeof bytes)) {
    return false;
  }
  bytes[6] = (unsigned char)((bytes[6] & 0x0F) | 0x40);
  bytes[8] = (unsigned char)((bytes[8] & 0x3F) | 0x80);
  size_t at = 0;
  for (size_t i = 0; i < sizeof bytes; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      text[at++] = '-';
    }
    text[at++] = hex[bytes[i] >> 4];
    text[at++] = hex[bytes[i] & 0x0F];
  }
  text[at] = '\0';
  return true;
}

bool tndb_uuid_parse(const char *text, char out[TNDB_UUID_TEXT]) {
  char lower[TNDB_UUID_TEXT] = {0};
  for (size_t i = 0; i < TNDB_UUID_TEXT - 1; i++) {
    char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') {
        return false;
      }
    } else if (c >= 'A' && c <= 'F') {
      c = (char)(c - 'A' + 'a');
    } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
      return false;
    }
    lower[i] = c;
  }
  if (text[TNDB_UUID_TEXT - 1] != '\0') {
    return false;
  }
  for (size_t i = 0; out && i < TNDB_UUID_TEXT; i++) {
    out[i] = lower[i];
  }
  return true;
}

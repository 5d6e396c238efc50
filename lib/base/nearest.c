/* SPDX-License-Identifier: PostgreSQL */
#include "base/nearest.h"

#include <string.h>

/* Edit distance over the first bytes of both; names are short and a guess is only advice. */
#define LONGEST 64

static char fold(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t smallest(size_t a, size_t b, size_t c) {
  size_t least = a < b ? a : b;
  return least < c ? least : c;
}

static size_t distance(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b);
  n = n > LONGEST ? LONGEST : n;
  m = m > LONGEST ? LONGEST : m;
  size_t row[LONGEST + 1];
  for (size_t j = 0; j <= m; j++) {
    row[j] = j;
  }
  for (size_t i = 1; i <= n; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= m; j++) {
      size_t above = row[j];
      row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (fold(a[i - 1]) != fold(b[j - 1])));
      diagonal = above;
    }
  }
  return row[m];
}

void tndb_nearest_try(tndb_nearest *nearest, const char *candidate) {
  size_t length = strlen(nearest->wanted);
  size_t limit = length < 4 ? 1 : length / 3 + 1;
  size_t d = distance(nearest->wanted, candidate);
  if (d <= limit && (!nearest->best || d < nearest->distance)) {
    nearest->best = candidate;
    nearest->distance = d;
  }
}

/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/counters.h"

#include <string.h>

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

int tndb_class_of(const char *sqlstate) {
  const char *first = *sqlstate ? strchr(digits, sqlstate[0]) : NULL;
  const char *second = first && sqlstate[1] ? strchr(digits, sqlstate[1]) : NULL;
  return second ? (int)(first - digits) * 36 + (int)(second - digits) : TNDB_NO_CLASS;
}

void tndb_class_name(int place, char name[5]) {
  memcpy(name, "none", 5);
  if (place != TNDB_NO_CLASS) {
    name[0] = digits[place / 36];
    name[1] = digits[place % 36];
    name[2] = '\0';
  }
}

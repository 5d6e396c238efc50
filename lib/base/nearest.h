/* SPDX-License-Identifier: PostgreSQL */
/* The nearest of several names, for "did you mean". */
#ifndef TNDB_BASE_NEAREST_H
#define TNDB_BASE_NEAREST_H

#include <stddef.h>

/* Feed candidates one by one; `best` is the nearest so far, NULL while none is near enough. */
typedef struct tndb_nearest {
  const char *wanted;
  const char *best;
  size_t distance;
} tndb_nearest;

#define TNDB_NEAREST_INIT(name) \
  { (name), NULL, 0 }

void tndb_nearest_try(tndb_nearest *nearest, const char *candidate);

#endif

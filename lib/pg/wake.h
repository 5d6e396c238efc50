/* SPDX-License-Identifier: PostgreSQL */
/* A socket that any thread can make readable, to end another's wait. It stays readable. */
#ifndef TNDB_PG_WAKE_H
#define TNDB_PG_WAKE_H

#include <stdbool.h>

typedef struct tndb_wake {
  int read_end; /* to be waited for */
  int write_end;
} tndb_wake;

#define TNDB_WAKE_NONE \
  { -1, -1 }

/* False when the process has no descriptors left. */
bool tndb_wake_open(tndb_wake *wake);
void tndb_wake_raise(const tndb_wake *wake);
/* Does nothing where it was not opened. */
void tndb_wake_close(tndb_wake *wake);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/* The one place that waits for sockets. */
#ifndef TNDB_PG_WAIT_H
#define TNDB_PG_WAIT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"

typedef enum tndb_ready {
  TNDB_READY_TIMEOUT = 0,
  TNDB_READY_READ = 1,
  TNDB_READY_WRITE = 2,
  TNDB_READY_BOTH = 3,
  TNDB_READY_FAILED = 4
} tndb_ready;

/* Wait until the socket can be read, or written when that is wanted too, or the deadline passes. */
tndb_ready tndb_wait(int socket, bool read, bool write, tndb_deadline deadline);
/*
 * Wait for any of several, as poll() does; those below 0 are passed over. Returns
 * how many have something to tell, 0 when the deadline passed, -1 on failure.
 */
int tndb_wait_many(struct pollfd *sockets, size_t count, tndb_deadline deadline);

#endif

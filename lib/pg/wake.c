/* SPDX-License-Identifier: PostgreSQL */
#include "pg/wake.h"

#include <fcntl.h>
#include <unistd.h>

static bool prepare(int end) {
  int flags = fcntl(end, F_GETFL);
  return flags >= 0 && fcntl(end, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(end, F_SETFD, FD_CLOEXEC) == 0;
}

bool tndb_wake_open(tndb_wake *wake) {
  int ends[2];
  if (pipe(ends) != 0) {
    return false;
  }
  *wake = (tndb_wake){ends[0], ends[1]};
  if (prepare(ends[0]) && prepare(ends[1])) {
    return true;
  }
  tndb_wake_close(wake);
  return false;
}

void tndb_wake_raise(const tndb_wake *wake) {
  /* A pipe that is full is readable as well. */
  ssize_t written = write(wake->write_end, "", 1);
  (void)written;
}

void tndb_wake_close(tndb_wake *wake) {
  if (wake->read_end >= 0) {
    (void)close(wake->read_end);
    (void)close(wake->write_end);
  }
  *wake = (tndb_wake)TNDB_WAKE_NONE;
}

/* SPDX-License-Identifier: PostgreSQL */
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

int64_t tndb_clock_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t tndb_clock_utc_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t tndb_clock_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

tndb_deadline tndb_deadline_in(int64_t milliseconds) {
  return milliseconds <= 0 ? TNDB_NEVER : tndb_clock_ms() + milliseconds;
}

tndb_deadline tndb_deadline_min(tndb_deadline a, tndb_deadline b) {
  return a < b ? a : b;
}

int tndb_deadline_left(tndb_deadline deadline) {
  if (deadline == TNDB_NEVER) {
    return -1;
  }
  int64_t left = deadline - tndb_clock_ms();
  return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

void tndb_clock_sleep_ms(int64_t milliseconds) {
  struct timespec rest = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000L};
  while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
  }
}

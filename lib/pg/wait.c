/* SPDX-License-Identifier: PostgreSQL */
#include "pg/wait.h"

#include <errno.h>
#include <poll.h>

tndb_ready tndb_wait(int socket, bool read, bool write, tndb_deadline deadline) {
  struct pollfd poll_for = {socket, (short)((read ? POLLIN : 0) | (write ? POLLOUT : 0)), 0};
  for (;;) {
    int n = poll(&poll_for, 1, tndb_deadline_left(deadline));
    if (n > 0) {
      /* A hang-up is found out by reading. */
      bool readable = (poll_for.revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) != 0;
      bool writable = (poll_for.revents & POLLOUT) != 0;
      return (tndb_ready)((readable ? TNDB_READY_READ : 0) | (writable ? TNDB_READY_WRITE : 0));
    }
    if (n == 0) {
      /* poll() cuts a wait that is longer than its argument can say. */
      if (tndb_deadline_left(deadline) == 0) {
        return TNDB_READY_TIMEOUT;
      }
    } else if (errno != EINTR && errno != EAGAIN) {
      return TNDB_READY_FAILED;
    }
  }
}

int tndb_wait_many(struct pollfd *sockets, size_t count, tndb_deadline deadline) {
  for (;;) {
    int n = poll(sockets, (nfds_t)count, tndb_deadline_left(deadline));
    bool again = n < 0 ? errno == EINTR || errno == EAGAIN : n == 0 && tndb_deadline_left(deadline) != 0;
    if (!again) {
      return n;
    }
  }
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * What passes through the proxy in one direction: bytes read but not yet
 * judged, then segments that may be written from a certain moment on.
 */
#ifndef TEST_HARNESS_PROXY_FLOW_H
#define TEST_HARNESS_PROXY_FLOW_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FLOW_CHUNK ((size_t)65536)

struct segment {
  struct segment *next;
  int64_t due;
  size_t length, sent, capacity;
  unsigned char bytes[];
};

struct flow {
  unsigned char *in;
  size_t length, capacity;
  struct segment *first, *last;
  size_t queued;
  int64_t last_due;
  bool counted; /* the message at the front of `in` was counted before the connection stalled */
  bool eof;     /* the sender is gone */
  bool broken;  /* the receiver is gone: what comes is dropped */
};

static inline void flow_clear(struct flow *flow) {
  while (flow->first) {
    struct segment *segment = flow->first;
    flow->first = segment->next;
    free(segment);
  }
  flow->last = NULL;
  flow->queued = 0;
}

/* Out of memory breaks the flow: the test then sees a lost connection, never lost bytes. */
static inline bool flow_put(struct flow *flow, const unsigned char *bytes, size_t length, int64_t due) {
  if (flow->broken || length == 0)
    return true;
  if (due < flow->last_due)
    due = flow->last_due;
  flow->last_due = due;
  struct segment *last = flow->last;
  if (!last || last->due != due || last->capacity - last->length < length) {
    size_t capacity = length < FLOW_CHUNK ? FLOW_CHUNK : length;
    last = malloc(sizeof *last + capacity);
    if (!last)
      return false;
    *last = (struct segment){.due = due, .capacity = capacity};
    if (flow->last)
      flow->last->next = last;
    else
      flow->first = last;
    flow->last = last;
  }
  memcpy(last->bytes + last->length, bytes, length);
  last->length += length;
  flow->queued += length;
  return true;
}

static inline void flow_write(struct flow *flow, int fd, int64_t now) {
  while (flow->first && flow->first->due <= now) {
    struct segment *segment = flow->first;
    ssize_t n = send(fd, segment->bytes + segment->sent, segment->length - segment->sent, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR)
        continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) {
        flow->broken = true;
        flow_clear(flow);
      }
      return;
    }
    segment->sent += (size_t)n;
    flow->queued -= (size_t)n;
    if (segment->sent < segment->length)
      return;
    flow->first = segment->next;
    if (!flow->first)
      flow->last = NULL;
    free(segment);
  }
}

/* True when bytes were read that may complete a message. */
static inline bool flow_read(struct flow *flow, int fd) {
  if (flow->capacity - flow->length < FLOW_CHUNK) {
    size_t capacity = flow->capacity ? flow->capacity * 2 : FLOW_CHUNK * 2;
    unsigned char *in = realloc(flow->in, capacity);
    if (!in) {
      flow->eof = true;
      return false;
    }
    flow->in = in;
    flow->capacity = capacity;
  }
  ssize_t n = recv(fd, flow->in + flow->length, flow->capacity - flow->length, 0);
  if (n > 0)
    flow->length += (size_t)n;
  else if (n == 0 || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK))
    flow->eof = true;
  return n > 0;
}

#endif

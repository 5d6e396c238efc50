/* SPDX-License-Identifier: PostgreSQL */
/*
 * The queue of events: a ring of a fixed number of slots, made when the database
 * is opened, so that writing an event allocates nothing and cannot fail. Events
 * are numbered from 1; the newest takes the oldest one's slot, and how many were
 * lost that way follows from the numbers alone.
 */
#ifndef TNDB_CONFIG_EVENT_QUEUE_H
#define TNDB_CONFIG_EVENT_QUEUE_H

#include <tenantdb/operate.h>

#include "base/buffer.h"
#include "config/events.h"

#define TNDB_EVENT_TENANT 64   /* a slug or an id, with its NUL */
#define TNDB_EVENT_MESSAGE 400 /* with its NUL */

/* As it is kept in the queue and handed to a callback. */
struct tenantdb_event {
  int64_t sequence;
  int64_t at_ms;     /* since 1970, UTC */
  tndb_buffer *json; /* where tenantdb_event_json() writes; in a callback only */
  tndb_event_kind kind;
  int32_t level;
  int32_t backend_pid;
  char sqlstate[6];
  char tenant[TNDB_EVENT_TENANT];
  char message[TNDB_EVENT_MESSAGE];
};

typedef struct tndb_event_queue tndb_event_queue;

/* Room for so many events; with 0 they are only numbered. NULL when memory ran out. */
tndb_event_queue *tndb_event_queue_new(int64_t room);
/* Configurations share it with those that are copied from them. Both accept NULL. */
tndb_event_queue *tndb_event_queue_hold(tndb_event_queue *queue);
void tndb_event_queue_release(tndb_event_queue *queue);
/* Numbers the event and keeps a copy. */
void tndb_event_queue_put(tndb_event_queue *queue, tenantdb_event *event);
/*
 * Up to `most` rows (0: all there are), the oldest first. When events were lost
 * since the last take, the first row is "events-dropped", with the number of the
 * last one lost. What cannot be handed out for want of memory stays where it is.
 * A NULL queue is an empty one.
 */
tenantdb_status tndb_event_queue_take(tndb_event_queue *queue, int32_t most, tenantdb_result **events,
                                      tenantdb_error **error);
/* How many were written, and how many of them were lost before they were taken. A NULL queue has none. */
void tndb_event_queue_count(tndb_event_queue *queue, int64_t *written, int64_t *dropped);
/* Such as "2024-02-29T13:00:00.125Z". */
#define TNDB_EVENT_AT 32
void tndb_event_at(int64_t at_ms, char text[TNDB_EVENT_AT]);

#endif

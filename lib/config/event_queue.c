/* SPDX-License-Identifier: PostgreSQL */
#include "config/event_queue.h"

#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/moment.h"
#include "base/mutex.h"
#include "base/result.h"

struct tndb_event_queue {
  atomic_int references;
  tndb_mutex taking; /* held by who takes, from looking until what he has is gone from the queue */
  tndb_mutex mutex;  /* guards what follows; held for the time of copying, never while anything is called */
  int64_t written;   /* the number of the last event */
  int64_t taken;     /* the number of the last one that was handed out, or told as lost */
  int64_t dropped;   /* what earlier takes told as lost */
  int64_t room;
  tenantdb_event *slots; /* that of event n is n modulo the room */
};

tndb_event_queue *tndb_event_queue_new(int64_t room) {
  tndb_event_queue *queue = tndb_new(tndb_event_queue);
  tenantdb_event *slots = queue ? tndb_alloc_array((size_t)room, sizeof *slots) : NULL;
  if (!slots || !tndb_mutex_init(&queue->mutex)) {
    tndb_free(slots);
    tndb_free(queue);
    return NULL;
  }
  if (!tndb_mutex_init(&queue->taking)) {
    tndb_mutex_destroy(&queue->mutex);
    tndb_free(slots);
    tndb_free(queue);
    return NULL;
  }
  atomic_init(&queue->references, 1);
  queue->room = room;
  queue->slots = slots;
  return queue;
}

tndb_event_queue *tndb_event_queue_hold(tndb_event_queue *queue) {
  if (queue) {
    atomic_fetch_add(&queue->references, 1);
  }
  return queue;
}

void tndb_event_queue_release(tndb_event_queue *queue) {
  if (queue && atomic_fetch_sub(&queue->references, 1) == 1) {
    tndb_mutex_destroy(&queue->mutex);
    tndb_mutex_destroy(&queue->taking);
    tndb_free(queue->slots);
    tndb_free(queue);
  }
}

void tndb_event_queue_put(tndb_event_queue *queue, tenantdb_event *event) {
  tndb_mutex_lock(&queue->mutex);
  event->sequence = ++queue->written;
  if (queue->room > 0) {
    queue->slots[event->sequence % queue->room] = *event;
  } else {
    queue->taken = queue->written; /* nobody expects it, so it is not lost */
  }
  tndb_mutex_unlock(&queue->mutex);
}

/* ---------------------------------------------------------------- taking */

/* What one take hands out: the events from `first` on, after `dropped` that are lost. */
typedef struct taking {
  int64_t dropped;
  int64_t first;
  int64_t count;
  tenantdb_event *events;
} taking;

/* The slots may be written again as soon as the mutex is free, so they are copied. */
static bool look(tndb_event_queue *queue, int64_t most, taking *what) {
  tndb_mutex_lock(&queue->mutex);
  int64_t waiting = queue->written - queue->taken;
  tndb_mutex_unlock(&queue->mutex);
  waiting = waiting < queue->room ? waiting : queue->room;
  int64_t wanted = most < waiting ? most : waiting;
  what->events = tndb_alloc_array((size_t)wanted, sizeof *what->events);
  if (!what->events) {
    return false;
  }
  tndb_mutex_lock(&queue->mutex);
  int64_t oldest = queue->written - queue->room + 1;
  what->first = oldest > queue->taken + 1 ? oldest : queue->taken + 1;
  what->dropped = what->first - queue->taken - 1;
  what->count =
      what->dropped > 0 && wanted == most ? wanted - 1 : wanted; /* one row tells of the lost ones */
  for (int64_t i = 0; i < what->count; i++) {
    what->events[i] = queue->slots[(what->first + i) % queue->room];
  }
  tndb_mutex_unlock(&queue->mutex);
  return true;
}

void tndb_event_at(int64_t at_ms, char text[TNDB_EVENT_AT]) {
  char moment[TNDB_MOMENT_TEXT];
  int64_t part = at_ms % 1000;
  (void)tndb_moment_write((at_ms - part) * 1000, moment); /* 2024-02-29 13:00:00+00 */
  memcpy(text, moment, 19);
  text[10] = 'T';
  text[19] = '.';
  text[20] = (char)('0' + part / 100);
  text[21] = (char)('0' + part / 10 % 10);
  text[22] = (char)('0' + part % 10);
  text[23] = 'Z';
  text[24] = '\0';
}

static const char *or_null(const char *text) {
  return *text ? text : NULL;
}

static void add_row(tndb_table *table, const tenantdb_event *event) {
  char at[TNDB_EVENT_AT], sequence[TNDB_INT64_TEXT], at_ms[TNDB_INT64_TEXT], backend_pid[TNDB_INT64_TEXT];
  tndb_event_at(event->at_ms, at);
  (void)tndb_int64_write(event->sequence, sequence);
  (void)tndb_int64_write(event->at_ms, at_ms);
  (void)tndb_int64_write(event->backend_pid, backend_pid);
  const char *cells[] = {sequence,
                         at,
                         at_ms,
                         tndb_event_level_name(event->level),
                         tndb_event_name_of(event->kind)->name,
                         or_null(event->tenant),
                         or_null(event->sqlstate),
                         event->message,
                         event->backend_pid ? backend_pid : NULL};
  tndb_table_row(table, cells);
}

static void add_dropped(tndb_table *table, const taking *what) {
  static const char text[] =
      " events were dropped before they were taken; take them sooner or raise events.queue";
  tenantdb_event lost = {.kind = TNDB_EVENT_EVENTS_DROPPED,
                         .level = tndb_event_name_of(TNDB_EVENT_EVENTS_DROPPED)->level,
                         .sequence = what->first - 1,
                         .at_ms = tndb_clock_utc_ms()};
  size_t length = tndb_int64_write(what->dropped, lost.message);
  memcpy(lost.message + length, text, sizeof text);
  add_row(table, &lost);
}

static tenantdb_status compose(const taking *what, tenantdb_result **events, tenantdb_error **error) {
  static const char *const columns[] = {"sequence", "at",       "at_ms",   "level",      "event",
                                        "tenant",   "sqlstate", "message", "backend_pid"};
  tndb_table *table = tndb_table_new(columns, 9);
  if (what->dropped > 0) {
    add_dropped(table, what);
  }
  for (int64_t i = 0; i < what->count; i++) {
    add_row(table, &what->events[i]);
  }
  return tndb_table_finish(table, events, error);
}

tenantdb_status tndb_event_queue_take(tndb_event_queue *queue, int32_t most, tenantdb_result **events,
                                      tenantdb_error **error) {
  taking what = {0, 0, 0, NULL};
  if (!queue || queue->room == 0) {
    return compose(&what, events, error);
  }
  tndb_mutex_lock(&queue->taking);
  tenantdb_status status =
      look(queue, most > 0 ? most : INT64_MAX, &what) ? compose(&what, events, error) : tndb_no_memory(error);
  if (!status) {
    tndb_mutex_lock(&queue->mutex);
    queue->taken = what.first + what.count - 1;
    queue->dropped += what.dropped;
    tndb_mutex_unlock(&queue->mutex);
  }
  tndb_mutex_unlock(&queue->taking);
  tndb_free(what.events);
  return status;
}

void tndb_event_queue_count(tndb_event_queue *queue, int64_t *written, int64_t *dropped) {
  *written = *dropped = 0;
  if (queue) {
    tndb_mutex_lock(&queue->mutex);
    int64_t waiting = queue->written - queue->taken;
    *written = queue->written;
    *dropped = queue->dropped + (waiting > queue->room ? waiting - queue->room : 0);
    tndb_mutex_unlock(&queue->mutex);
  }
}

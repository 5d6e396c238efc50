/* SPDX-License-Identifier: PostgreSQL */
#include "pool/queue.h"

#include "base/memory.h"

#define TURN (UINT64_C(1) << 20)

/* ---------------------------------------------------------------- the heap */

/* Of two that start together the one goes first that was served longer ago. */
static bool is_before(const tndb_share *a, const tndb_share *b) {
  return a->start != b->start ? a->start < b->start : a->served < b->served;
}

static void put(tndb_queue *queue, size_t place, tndb_share *share) {
  queue->heap[place - 1] = share;
  share->place = place;
}

static void rise(tndb_queue *queue, tndb_share *share) {
  size_t place = share->place;
  while (place > 1 && is_before(share, queue->heap[place / 2 - 1])) {
    put(queue, place, queue->heap[place / 2 - 1]);
    place /= 2;
  }
  put(queue, place, share);
}

static void sink(tndb_queue *queue, tndb_share *share) {
  size_t place = share->place;
  for (size_t child = place * 2; child <= queue->count; child = place * 2) {
    if (child < queue->count && is_before(queue->heap[child], queue->heap[child - 1])) {
      child++;
    }
    if (!is_before(queue->heap[child - 1], share)) {
      break;
    }
    put(queue, place, queue->heap[child - 1]);
    place = child;
  }
  put(queue, place, share);
}

static void enter(tndb_queue *queue, tndb_share *share) {
  queue->count++;
  share->place = queue->count;
  rise(queue, share);
}

static void leave(tndb_queue *queue, tndb_share *share) {
  tndb_share *last = queue->heap[--queue->count];
  size_t hole = share->place;
  share->place = 0;
  if (last != share) {
    put(queue, hole, last);
    rise(queue, last);
    sink(queue, last);
  }
}

/* ---------------------------------------------------------------- turns */

static void begin_turn(tndb_queue *queue, tndb_share *share) {
  if (share->start > queue->now) {
    queue->now = share->start;
  }
  share->start = queue->now + TURN;
  share->served = ++queue->turns;
}

void tndb_queue_count_turn(tndb_queue *queue, tndb_share *share) {
  begin_turn(queue, share);
  if (share->place) {
    sink(queue, share);
  }
}

/* ---------------------------------------------------------------- waiting */

static bool reserve(tndb_queue *queue) {
  if (queue->n_shares < queue->room) {
    return true;
  }
  size_t room = queue->room ? queue->room * 2 : 16;
  tndb_share **heap = tndb_realloc(queue->heap, room * sizeof(tndb_share *));
  if (heap) {
    queue->heap = heap;
    queue->room = room;
  }
  return heap != NULL;
}

bool tndb_queue_add(tndb_queue *queue, tndb_waiter *who, bool eligible) {
  tndb_share *share = who->share;
  who->next = NULL;
  if (share->last) {
    share->last->next = who;
    share->last = who;
  } else {
    if (!reserve(queue)) {
      return false;
    }
    queue->n_shares++;
    share->first = share->last = who;
    share->start = share->start > queue->now ? share->start : queue->now;
    tndb_queue_set_eligible(queue, share, eligible);
  }
  share->waiting++;
  queue->n_waiting++;
  return true;
}

/* One waiter fewer; the share stays in line as long as others wait in it. */
static void count_out(tndb_queue *queue, tndb_share *share) {
  share->waiting--;
  queue->n_waiting--;
  if (!share->first) {
    queue->n_shares--;
    tndb_queue_set_eligible(queue, share, false);
  }
}

void tndb_queue_remove(tndb_queue *queue, tndb_waiter *who) {
  tndb_share *share = who->share;
  tndb_waiter *before = NULL;
  tndb_waiter *at = share->first;
  while (at && at != who) {
    before = at;
    at = at->next;
  }
  if (!at) {
    return;
  }
  *(before ? &before->next : &share->first) = who->next;
  share->last = share->last == who ? before : share->last;
  count_out(queue, share);
}

void tndb_queue_set_eligible(tndb_queue *queue, tndb_share *share, bool eligible) {
  eligible = eligible && share->first;
  if (eligible && !share->place) {
    enter(queue, share);
  } else if (!eligible && share->place) {
    leave(queue, share);
  }
}

tndb_share *tndb_queue_next(const tndb_queue *queue) {
  return queue->count ? queue->heap[0] : NULL;
}

tndb_waiter *tndb_queue_serve(tndb_queue *queue, tndb_share *share) {
  tndb_waiter *who = share->first;
  uint64_t drift = TURN / (queue->n_shares + 1);
  begin_turn(queue, share);
  queue->now += drift;
  if (share->place) {
    sink(queue, share);
  }
  share->first = who->next;
  share->last = share->first ? share->last : NULL;
  count_out(queue, share);
  return who;
}

void tndb_queue_free(tndb_queue *queue) {
  tndb_free(queue->heap);
  *queue = (tndb_queue){0};
}

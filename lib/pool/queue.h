/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who waits for a connection, and who is next: start-time fair queueing.
 *
 * Every key has a share with a queue of its own. Being served puts a share's
 * start one turn behind; the share with the earliest start is next, however
 * many wait in it. A key that comes anew starts now, so a tenant with a thousand
 * waiters delays another's first request by no more than the connection that
 * becomes free next. The clock of turns also moves on a little with every turn,
 * so that an endless stream of new keys cannot hold up an old one for ever.
 */
#ifndef TNDB_POOL_QUEUE_H
#define TNDB_POOL_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mutex.h"

struct tndb_berth;
struct tndb_conn;

/* One who waits: its own condition, so that nobody else is woken. */
typedef struct tndb_waiter {
  tndb_condition condition;
  struct tndb_share *share;
  struct tndb_berth *spare;  /* becomes his when one has to be opened for him */
  struct tndb_berth *given;  /* what he was waiting for */
  struct tndb_berth *victim; /* to be closed by him: it makes way for his */
  struct tndb_waiter *next;
} tndb_waiter;

/* What one key has and waits for. Gone when it has nothing. */
typedef struct tndb_share {
  char *key;
  uint64_t hash;
  size_t users; /* who holds on to it: one for each berth and call under way, and its home */
  int64_t lent;
  int64_t open; /* berths that belong to it: those lent to it, and idle ones that served it last */
  int64_t waiting;
  int64_t leases;
  bool told_full;            /* that it has all it may have, until that changes */
  struct tndb_berth *newest; /* idle ones that served it last, the latest first */
  struct tndb_berth *home;   /* the one it was lent last, as long as that is open, whomever it served since */
  struct tndb_share *next_at_home; /* others that are at home there */
  struct tndb_share *previous_at_home;
  tndb_waiter *first;
  tndb_waiter *last;
  uint64_t start;  /* of its next turn */
  uint64_t served; /* the number of its last turn */
  size_t place;    /* in the heap, counted from 1; 0: not there */
} tndb_share;

typedef struct tndb_queue {
  tndb_share **heap; /* shares that wait and may have more, the next one first */
  size_t count;
  size_t room;
  size_t n_shares; /* that wait, whether they may have more or not */
  int64_t n_waiting;
  uint64_t now;
  uint64_t turns;
} tndb_queue;

/* Wait. False when memory ran out. `eligible`: the share may have more than it has. */
bool tndb_queue_add(tndb_queue *queue, tndb_waiter *who, bool eligible);
/* Give up waiting. */
void tndb_queue_remove(tndb_queue *queue, tndb_waiter *who);
/* Whether the share may have more has changed. */
void tndb_queue_set_eligible(tndb_queue *queue, tndb_share *share, bool eligible);
/* The share whose turn it is, or NULL. */
tndb_share *tndb_queue_next(const tndb_queue *queue);
/* Its first waiter is served: takes him out and counts the turn. */
tndb_waiter *tndb_queue_serve(tndb_queue *queue, tndb_share *share);
/* A share is served without having waited. */
void tndb_queue_count_turn(tndb_queue *queue, tndb_share *share);
void tndb_queue_free(tndb_queue *queue);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * A pooler that is wrong on purpose, each time in one way, so that a test of
 * what stands between client and server can be seen to fail.
 *
 * It speaks protocol 3 on a Unix socket in a folder of its own, lets everybody
 * in and is, with one thread, as simple as a pooler can be: what a client sends
 * up to its Sync is one unit; a process of the server answers one unit at a
 * time. The process that it names at start-up is really the server's, so that
 * who only compares these numbers sees nothing.
 */
#ifndef TEST_HARNESS_PROXY_BROKEN_H
#define TEST_HARNESS_PROXY_BROKEN_H

#include <stdbool.h>
#include <stddef.h>

typedef enum broken_way {
  BROKEN_NOT,    /* each client has a process of its own: nothing is wrong */
  BROKEN_POOLED, /* all clients share one process, a transaction each: a transaction pooler with a small pool */
  BROKEN_SHARED,   /* all clients share one process, a unit each, inside of transactions too */
  BROKEN_SWITCHED, /* the units of a client go to two processes in turn */
  BROKEN_LASTING,  /* as pooled, and what is set for a transaction is set for the session */
  BROKEN_ROLE,     /* … only the role */
  BROKEN_COMMIT,   /* as pooled, and COMMIT does not commit */
  BROKEN_PIPELINE, /* an error does not stop what follows in a flush */
  BROKEN_LOCK,     /* locks are always given */
  BROKEN_CANCEL,   /* cancelling stops what another client does */
  BROKEN_SERVERS,  /* every other client is led to the other server */
  BROKEN_OLD,      /* every other client is told that the server is of version 12 */
  BROKEN_SQL,      /* a function's name does not reach the server as it was written */
  BROKEN_MOVING    /* after a client's first `after` units its process is replaced by another, once */
} broken_way;

typedef struct broken_pooler broken_pooler;

/* NULL when it cannot be. `other_url` is for BROKEN_SERVERS, `after` for BROKEN_MOVING. */
broken_pooler *broken_start(broken_way way, const char *url, const char *other_url, int after);
/* Close everything, join the thread, remove the socket. NULL is allowed. */
void broken_stop(broken_pooler *pooler);
/* The URI by which the database and user of the server's URI are reached through it; lasts as long as it does. */
const char *broken_url(const broken_pooler *pooler);

#endif

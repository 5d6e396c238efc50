/* SPDX-License-Identifier: PostgreSQL */
/*
 * A proxy between clients and a PostgreSQL server that sees protocol messages
 * and can do harm at a chosen one.
 *
 * It listens on a Unix socket in a folder of its own, splits what passes in both
 * directions into messages of protocol 3, counts them, and holds at most one
 * armed trigger. When a message meets the trigger its action is carried out and
 * the trigger is gone, so that a client can connect again (unless it is sticky).
 *
 * One thread runs everything; all functions may be called from any thread.
 * CancelRequest connections are passed on uncounted and unharmed. After TLS was
 * agreed on bytes are passed on unread: use it with sslmode=disable.
 */
#ifndef TEST_HARNESS_PROXY_H
#define TEST_HARNESS_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tndb_proxy tndb_proxy;

/* The type of packets that have none: start-up, SSL and GSS requests. */
#define PROXY_UNTYPED '^'
/* Messages longer than this end the counting on their connection. */
#define PROXY_MESSAGE_MAX (64u << 20)
#define PROXY_CONNECTIONS_MAX 128
#define PROXY_TEXT_MAX 256

typedef enum proxy_side { PROXY_EITHER = 0, PROXY_CLIENT = 1, PROXY_SERVER = 2 } proxy_side;

typedef enum proxy_action {
  PROXY_CLOSE = 1,       /* close both sides; the message is not forwarded, those before it are */
  PROXY_CLOSE_AFTER = 2, /* forward the message, then close both sides */
  PROXY_RST = 3,         /* as close, but a TCP server gets a reset */
  PROXY_HALF = 4,        /* forward the first half of the message, then close */
  PROXY_STALL = 5,       /* forward nothing on this connection, either way, until disarmed */
  PROXY_DELAY = 6        /* hold the message, and what follows it, for delay_ms */
} proxy_action;

/* Zero is the widest choice of every member but action. */
typedef struct proxy_trigger {
  proxy_side from;  /* whose messages are counted */
  char type;        /* only messages of this type byte are counted; 0 for all */
  const char *text; /* only messages whose bytes hold this are counted; NULL for all; copied */
  int64_t number;   /* the message that fires, from 1, counted since it was armed; 0 means 1 */
  proxy_action action;
  int delay_ms; /* for PROXY_DELAY */
  bool sticky;  /* fire again at every counted message from then on, on every connection */
} proxy_trigger;

typedef struct proxy_counters {
  int64_t from_client; /* messages */
  int64_t from_server;
  int64_t flushes; /* runs of client messages between answers of the server: round trips; Terminate is none */
  int64_t connections;   /* accepted */
  int64_t fired;         /* actions carried out */
  char fired_type;       /* of the last message that fired: its type, */
  proxy_side fired_from; /* who sent it, */
  int64_t fired_number;  /* and which it was since arming */
} proxy_counters;

/*
 * Start in front of the server that a URI or conninfo names by host (a folder
 * or one address) and port. NULL on failure, with a line in `reason`.
 */
tndb_proxy *proxy_start(const char *server_url, char *reason, size_t reason_size);
/* Close all connections, join the thread, remove the socket. NULL is allowed. */
void proxy_stop(tndb_proxy *proxy);

/*
 * The same database, user and options as `server_url`, by way of the proxy.
 * False when `url` is too small or `server_url` does not parse.
 */
bool proxy_url(const tndb_proxy *proxy, const char *server_url, char *url, size_t size);

/* Replace the trigger; its count starts at 0. Connections that a trigger before it stalled stay stalled. */
void proxy_arm(tndb_proxy *proxy, const proxy_trigger *trigger);
/* Drop the trigger and let stalled connections go on with what was held back. */
void proxy_disarm(tndb_proxy *proxy);
/* Wait until an action was carried out since arming; false when the time ran out. */
bool proxy_wait_fired(tndb_proxy *proxy, int timeout_ms);

/* A standing delay for everything in each direction: 500 makes a link of 1 ms round trip. */
void proxy_set_delay(tndb_proxy *proxy, int64_t microseconds);

proxy_counters proxy_count(tndb_proxy *proxy);
void proxy_reset(tndb_proxy *proxy);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Work for many tenants written by hand on libpq: several connections in pipeline
 * mode, polled, with one flush a tenant, so that one that fails does not take the
 * others with it.
 */
#ifndef TEST_BENCH_LANES_H
#define TEST_BENCH_LANES_H

#include <libpq-fe.h>
#include <stdbool.h>

enum { LANES_MAX = 16, LANE_DEPTH_MAX = 16 };

/* A connection and the tenants that were sent on it and are not answered yet, the oldest first. */
struct lane {
  PGconn *conn;
  int sent[LANE_DEPTH_MAX];
  int n_sent;
  int place; /* which result of the oldest is due */
  bool flushed;
};

struct lanes {
  struct lane lane[LANES_MAX];
  int connections;
  int depth; /* tenants queued on a connection */
};

struct lanes_work {
  /* Queue all of a tenant but the Sync; false when libpq would not. */
  bool (*send)(void *user, PGconn *conn, int tenant);
  /* See a result of the oldest; may be NULL. What failed is not shown: it ends the program. */
  void (*see)(void *user, const struct lane *lane, PGresult *result);
  void *user;
};

/* Connect and prepare the statements of `names`, each a name and its text. */
void lanes_open(struct lanes *lanes, const char *url, const char *const names[][2], int n);
/* Tenants 0 to n - 1. */
void lanes_run(struct lanes *lanes, const struct lanes_work *work, int n);
void lanes_close(struct lanes *lanes);

#endif

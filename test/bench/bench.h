/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the benchmarks share: options, pinning, alternation, medians, the table.
 *
 * A figure is only as good as what it is compared with, so contenders run in
 * the same process, on the same core, in short alternated blocks. A ratio is
 * taken inside a repetition and the median of those is reported: what the
 * machine does meanwhile then meets all of them alike.
 */
#ifndef TEST_BENCH_BENCH_H
#define TEST_BENCH_BENCH_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tenantdb.h>

#include "proxy.h"

#define BENCH_FORMAT(at, first) __attribute__((format(printf, at, first)))
#define BENCH_CONTENDERS_MAX 10

typedef struct bench_options {
  const char *url;    /* --url; else TENANTDB_TEST_URL, DATABASE_URL */
  int repetitions;    /* --repetitions */
  int tenants;        /* --tenants: how many are made, or queried */
  int rounds;         /* --rounds: alternations in a repetition */
  int block;          /* --block: operations in a row of one contender */
  double delay_ms;    /* --delay-ms: a round trip of that length, through the proxy */
  uint64_t seed;      /* --seed */
  const char *levels; /* --levels: routing,role,login */
  bool floors_only;   /* --floors-only: raw libpq alone */
} bench_options;

/* `options` holds the defaults; prints `about` and the options and exits when asked for help or misused. */
void bench_parse(bench_options *options, int argc, char **argv, const char *about);

/* One line to stderr and exit(1). */
void bench_die(const char *format, ...) BENCH_FORMAT(1, 2) __attribute__((noreturn));
/* Dies unless the call succeeds, saying what failed. The error is looked at after the call. */
#define bench_check(call, error, what)                 \
  do {                                                 \
    tenantdb_status bench_status = (call);             \
    bench_check_status(bench_status, (error), (what)); \
  } while (0)
void bench_check_status(tenantdb_status status, const tenantdb_error *error, const char *what);

double bench_now_us(void);
/* The same numbers for the same seed. */
uint64_t bench_random(uint64_t *state);
/* Sorts. */
double bench_median(double *values, int n);

PGconn *bench_connect(const char *url);
/* Dies unless it succeeds; the result is cleared. */
void bench_sql(PGconn *conn, const char *sql);
/* Dies when a result is not of the status. */
void bench_expect(PGconn *conn, PGresult *result, ExecStatusType status, const char *what);

/* A database handle of one pooled connection, so that what is measured is one connection's work. */
tenantdb *bench_open(const char *url, tenantdb_registry *registry, const char *level);

#define BENCH_URL_MAX 1024
/*
 * With --delay-ms: a proxy, not slow yet, and `url` leads through it; else NULL and options->url. To be called
 * before this thread is pinned: the proxy's is the network, and takes the other core.
 */
tndb_proxy *bench_proxy(const bench_options *options, char url[BENCH_URL_MAX]);

/* Pin this thread to one core; later bench_pin_backends() brings the server's processes there. */
void bench_pin_self(void);
/* Pin all client backends of conn's database to our core; says once when that is not possible. */
void bench_pin_backends(PGconn *conn);
/* One line: the server, where things run, the seed. */
void bench_print_setting(PGconn *conn, const bench_options *options);

typedef struct bench_contender {
  const char *name;
  /* Do n operations and write how long each took. */
  void (*block)(void *user, int n, double *microseconds);
  void *user;
} bench_contender;

typedef struct bench_plan {
  const bench_options *options;
  PGconn *control; /* for pinning; takes no part */
  const bench_contender *contenders;
  int n_contenders;
  int bases[BENCH_CONTENDERS_MAX]; /* contenders that the others are compared with */
  int n_bases;
  const char *unit; /* "ms" or "us" */
  double unit_us;   /* how many microseconds a unit has */
  /* Round trips so far, when somebody counts them; NULL otherwise. */
  int64_t (*round_trips)(void *user);
  void *round_trips_user;
} bench_plan;

/* Run it all and print the table. */
void bench_run(const bench_plan *plan, const char *title);

#endif

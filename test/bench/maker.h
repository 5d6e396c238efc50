/* SPDX-License-Identifier: PostgreSQL */
/* Who makes standard tenants, by hand or by the library, and the comparison of several of them. */
#ifndef TEST_BENCH_MAKER_H
#define TEST_BENCH_MAKER_H

#include "bench.h"
#include "standard.h"

/* Every tenant of a run has a new name: nothing is dropped, and a database may be used again. */
struct maker {
  PGconn *conn;
  tenantdb *db;
  const char *kind; /* the slug of one made by the library begins with it */
  bool stands_by;   /* standby schemas are made between blocks, not measured */
  char tag[32];
  int made;
  char sql[STANDARD_SQL_MAX];
};

/* The options of such a program, --rounds worked out; this process is pinned from here on. */
bench_options maker_options(int argc, char **argv);
/* One text that is in `sql`, timed. */
void maker_exec(struct maker *maker, double *microseconds);
/* Contenders: the bare DDL, and tenantdb_tenant_create(). */
void maker_bare(void *user, int n, double *microseconds);
void maker_library(void *user, int n, double *microseconds);
void maker_tag(struct maker *const *makers, int n); /* one for all of them */
/* Warm them up, and compare all with the first two. */
void maker_compare(const bench_options *options, PGconn *control, const bench_contender *contenders, int n,
                   const char *title);

#endif

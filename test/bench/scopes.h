/* SPDX-License-Identifier: PostgreSQL */
/* The tenants that the benchmarks of sessions work in: the standard tenant, with rows. */
#ifndef TEST_BENCH_SCOPES_H
#define TEST_BENCH_SCOPES_H

#include "bench.h"
#include "floor.h"

/* As many as the options say, named after `name`; dies when it cannot. free() it. */
struct scope *scopes_make(PGconn *conn, const bench_options *options, const char *name);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/* Many threads and many tenants: throughput, the price of a lease, fairness, the server's memory. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "floor.h"
#include "scopes.h"
#include "standard.h"

enum { MOST_THREADS = 8, SLICE_MS = 300 };

/* ---------------------------------------------------------------- throughput */

/* One thread's part: as many queries as it can do until it is told to stop. */
struct worker {
  tenantdb *db;     /* NULL: raw libpq */
  floor_conn floor; /* a connection of its own */
  const struct scope *scopes;
  int n_scopes;
  uint64_t random;
  atomic_int *stop;
  int64_t done;
};

static void *work(void *user) {
  struct worker *w = user;
  tenantdb_error *error = NULL;
  char id[FLOOR_UUID];
  const char *values[] = {id};
  while (!atomic_load_explicit(w->stop, memory_order_relaxed)) {
    int tenant = (int)(bench_random(&w->random) % (uint64_t)w->n_scopes);
    floor_row_id((int)(bench_random(&w->random) % FLOOR_ROWS), id);
    if (!w->db) {
      floor_run(&w->floor, tenant, id);
    } else {
      tenantdb_session *session;
      tenantdb_result *result;
      bench_check(tenantdb_session_open(w->db, w->scopes[tenant].slug, NULL, &session, &error), error,
                  "session");
      bench_check(tenantdb_session_query_text(session, floor_query(), 1, values, &result, &error), error,
                  "query");
      floor_check_text(&w->scopes[tenant], tenantdb_result_value(result, 0, 0));
      tenantdb_result_free(result);
      tenantdb_session_close(session);
    }
    w->done++;
  }
  return NULL;
}

static double per_second(struct worker *workers, int n) {
  pthread_t threads[MOST_THREADS];
  atomic_int stop = 0;
  struct timespec slice = {0, SLICE_MS * 1000000L};
  int64_t done = 0;
  for (int i = 0; i < n; i++) {
    workers[i].stop = &stop;
    workers[i].done = 0;
  }
  double before = bench_now_us();
  for (int i = 0; i < n; i++) {
    if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
      bench_die("no thread");
  }
  nanosleep(&slice, NULL);
  atomic_store(&stop, 1);
  for (int i = 0; i < n; i++) {
    pthread_join(threads[i], NULL);
    done += workers[i].done;
  }
  return (double)done / (bench_now_us() - before) * 1e6;
}

static tenantdb *open_pool(const bench_options *options, int size, const char *recycle) {
  tenantdb *db;
  tenantdb_error *error = NULL;
  char text[16];
  tenantdb_registry *registry = standard_registry();
  tenantdb_config *config = tenantdb_config_new();
  snprintf(text, sizeof text, "%d", size);
  const char *const set[][2] = {{"database.url", options->url},
                                {"pool.size", text},
                                {"pool.overflow", "0"},
                                {"pool.recycle_tenants", recycle},
                                {"session.tenant_cache", "1h"},
                                {"isolation.level", "role"},
                                {"session.prepared_statements", "4096"}};
  for (size_t i = 0; i < sizeof set / sizeof set[0]; i++)
    bench_check(tenantdb_config_set(config, set[i][0], set[i][1], &error), error, set[i][0]);
  bench_check(tenantdb_open(config, registry, &db, &error), error, "open");
  tenantdb_config_free(config);
  tenantdb_registry_free(registry);
  return db;
}

static void throughput(const bench_options *options, const struct scope *scopes) {
  static const int counts[] = {1, 2, 4, 8};
  printf(
      "Queries a second, each of a random tenant of %d (level role), a session for every query, against the\n"
      "same loop in raw libpq with a connection and its prepared flush per thread; medians of %d\n\n"
      "  threads      libpq   libtenantdb   ratio\n",
      options->tenants, options->repetitions);
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
    struct worker raw[MOST_THREADS] = {0}, ours[MOST_THREADS] = {0};
    double *rates[3];
    tenantdb *db = open_pool(options, counts[c], "0");
    for (int i = 0; i < counts[c]; i++) {
      raw[i] = (struct worker){
          .scopes = scopes, .n_scopes = options->tenants, .random = options->seed + (uint64_t)i};
      raw[i].floor =
          (floor_conn){.form = FLOOR_PREPARED, .role = true, .scopes = scopes, .n_scopes = options->tenants};
      floor_open(&raw[i].floor, options->url);
      ours[i] = (struct worker){
          .db = db, .scopes = scopes, .n_scopes = options->tenants, .random = options->seed + (uint64_t)i};
    }
    for (int i = 0; i < 3; i++)
      rates[i] = calloc((size_t)options->repetitions, sizeof **rates);
    (void)per_second(ours, counts[c]); /* prepares */
    (void)per_second(raw, counts[c]);
    for (int r = 0; r < options->repetitions; r++) {
      rates[0][r] = per_second(raw, counts[c]);
      rates[1][r] = per_second(ours, counts[c]);
      rates[2][r] = rates[1][r] / rates[0][r];
    }
    printf("  %7d %10.0f    %10.0f    %4.2f\n", counts[c], bench_median(rates[0], options->repetitions),
           bench_median(rates[1], options->repetitions), bench_median(rates[2], options->repetitions));
    for (int i = 0; i < 3; i++)
      free(rates[i]);
    for (int i = 0; i < counts[c]; i++)
      floor_close(&raw[i].floor);
    tenantdb_close(db);
  }
  printf("\n");
}

/* ---------------------------------------------------------------- sessions */

static tenantdb_session *open_one(tenantdb *db, const char *slug) {
  tenantdb_session *session;
  tenantdb_error *error = NULL;
  bench_check(tenantdb_session_open(db, slug, NULL, &session, &error), error, "session");
  return session;
}

/* `n` tenants by turns, over as many connections as there are. */
static void opening(const bench_options *options, const struct scope *scopes, const char *name, int n,
                    int connections) {
  enum { TIMES = 20000 };
  tenantdb *db = open_pool(options, connections, "0");
  double *times = calloc((size_t)options->repetitions, sizeof *times);
  tenantdb_session *held[MOST_THREADS];
  for (int i = 0; i < connections; i++)
    held[i] = open_one(db, scopes[i].slug);
  for (int i = 0; i < connections; i++)
    tenantdb_session_close(held[i]);
  for (int i = 0; i < n; i++)
    tenantdb_session_close(open_one(db, scopes[i].slug)); /* known from now on */
  for (int r = 0; r < options->repetitions; r++) {
    double before = bench_now_us();
    for (int i = 0; i < TIMES; i++)
      tenantdb_session_close(open_one(db, scopes[i % n].slug));
    times[r] = (bench_now_us() - before) * 1000 / TIMES;
  }
  printf("  %-52s %6.0f ns\n", name, bench_median(times, options->repetitions));
  free(times);
  tenantdb_close(db);
}

static void sessions(const bench_options *options, const struct scope *scopes) {
  printf("Opening and closing a session, nothing run (no round trip), uncontended; medians of %d\n\n",
         options->repetitions);
  opening(options, scopes, "one tenant, one connection", 1, 1);
  opening(options, scopes, "two tenants by turns, a connection each", 2, 2);
  opening(options, scopes, "all tenants by turns, one connection", options->tenants, 1);
  printf("\n");
}

int main(int argc, char **argv) {
  bench_options options = {.repetitions = 9, .tenants = 100, .seed = 1};
  bench_parse(&options, argc, argv,
              "bench_pool: throughput of threads against raw libpq, and the price of a session");
  PGconn *control = bench_connect(options.url);
  struct scope *scopes = scopes_make(control, &options, "pool");
  bench_print_setting(control, &options);
  printf("\n");
  throughput(&options, scopes);
  sessions(&options, scopes);
  free(scopes);
  PQfinish(control);
  return 0;
}

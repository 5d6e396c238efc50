/* SPDX-License-Identifier: PostgreSQL */
/* How long tenants wait for a connection when one of them asks for very much. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "scopes.h"
#include "standard.h"

enum { CROWD = 1000, LIGHT = 8, CONNECTIONS = 4, SERVICE_MS = 2, REQUESTS = 40, MOST_TIMES = 200000 };

/* A tenant's requests, each for SERVICE_MS on the server. */
struct asker {
  tenantdb *db;
  const char *slug;
  bool shared;  /* not as the tenant: one queue for all, in the order of arrival */
  int requests; /* 0: until told to stop */
  int pause_ms; /* between them */
  atomic_int *stop;
  double *waits; /* of all askers of one kind */
  atomic_int *n_waits;
};

static void nap(int ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
  nanosleep(&time, NULL);
}

static void *ask(void *user) {
  const struct asker *asker = user;
  tenantdb_error *error = NULL;
  for (int i = 0; asker->requests ? i < asker->requests : !atomic_load(asker->stop); i++) {
    tenantdb_session *session;
    char sql[64];
    double before = bench_now_us();
    bench_check(asker->shared ? tenantdb_session_open_shared(asker->db, NULL, &session, &error)
                              : tenantdb_session_open(asker->db, asker->slug, NULL, &session, &error),
                error, "session");
    int at = atomic_fetch_add(asker->n_waits, 1);
    if (at < MOST_TIMES)
      asker->waits[at] = (bench_now_us() - before) / 1000;
    snprintf(sql, sizeof sql, "SELECT pg_sleep(%d / 1000.0)", SERVICE_MS);
    bench_check(tenantdb_session_query(session, sql, NULL, NULL, &error), error, "sleep");
    tenantdb_session_close(session);
    nap(asker->pause_ms);
  }
  return NULL;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void print_waits(const char *who, double *waits, int n) {
  n = n < MOST_TIMES ? n : MOST_TIMES;
  if (n == 0)
    return;
  qsort(waits, (size_t)n, sizeof *waits, ascending);
  printf("  %-46s %8d %9.1f %9.1f %9.1f\n", who, n, waits[n / 2], waits[n * 99 / 100], waits[n - 1]);
}

static tenantdb *open_pool(const char *url, const char *share) {
  tenantdb *db;
  tenantdb_error *error = NULL;
  tenantdb_registry *registry = standard_registry();
  tenantdb_config *config = tenantdb_config_new();
  char size[16];
  snprintf(size, sizeof size, "%d", CONNECTIONS);
  const char *const set[][2] = {{"database.url", url},       {"pool.size", size},
                                {"pool.overflow", "0"},      {"pool.tenant_connections", share},
                                {"pool.timeout", "10min"},   {"session.tenant_cache", "1h"},
                                {"isolation.level", "role"}, {"pool.warm_up", "on"},
                                {"pool.minimum", size}};
  for (size_t i = 0; i < sizeof set / sizeof set[0]; i++)
    bench_check(tenantdb_config_set(config, set[i][0], set[i][1], &error), error, set[i][0]);
  bench_check(tenantdb_open(config, registry, &db, &error), error, "open");
  tenantdb_config_free(config);
  tenantdb_registry_free(registry);
  return db;
}

static void scenario(const char *url, const struct scope *scopes, const char *name, int crowd, bool shared,
                     const char *share) {
  static pthread_t heavy[CROWD], light[LIGHT];
  static struct asker heavies[CROWD], lights[LIGHT];
  static double waits[2][MOST_TIMES];
  atomic_int n[2] = {0}, stop = 0;
  tenantdb *db = open_pool(url, share);
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 256 * 1024);
  for (int i = 0; i < crowd; i++) {
    heavies[i] = (struct asker){db, scopes[0].slug, shared, 0, 0, &stop, waits[0], &n[0]};
    if (pthread_create(&heavy[i], &small, ask, &heavies[i]) != 0)
      bench_die("no thread");
  }
  nap(crowd ? 500 : 0);
  for (int i = 0; i < LIGHT; i++) {
    lights[i] = (struct asker){db, scopes[1 + i].slug, shared, REQUESTS, 20, &stop, waits[1], &n[1]};
    if (pthread_create(&light[i], &small, ask, &lights[i]) != 0)
      bench_die("no thread");
  }
  for (int i = 0; i < LIGHT; i++)
    pthread_join(light[i], NULL);
  atomic_store(&stop, 1);
  for (int i = 0; i < crowd; i++)
    pthread_join(heavy[i], NULL);
  printf("%s\n", name);
  print_waits("the tenant with the crowd", waits[0], atomic_load(&n[0]));
  print_waits("eight others, one request at a time", waits[1], atomic_load(&n[1]));
  pthread_attr_destroy(&small);
  tenantdb_close(db);
}

int main(int argc, char **argv) {
  bench_options options = {.tenants = 1 + LIGHT, .repetitions = 1, .seed = 1};
  bench_parse(&options, argc, argv, "bench_fair: waiting times beside a tenant who asks for very much");
  options.tenants = 1 + LIGHT;
  PGconn *control = bench_connect(options.url);
  struct scope *scopes = scopes_make(control, &options, "fair");
  printf(
      "Waiting for one of %d connections, each used for %d ms; a crowd is %d threads of one tenant, always "
      "asking\n\n  %-46s %8s %9s %9s %9s\n",
      CONNECTIONS, SERVICE_MS, CROWD, "", "requests", "p50 ms", "p99 ms", "most ms");
  scenario(options.url, scopes, "no crowd", 0, false, "0");
  scenario(options.url, scopes, "beside the crowd, one queue for all", CROWD, true, "0");
  scenario(options.url, scopes, "beside the crowd, fair", CROWD, false, "0");
  scenario(options.url, scopes, "beside the crowd, which may have 2 connections", CROWD, false, "2");
  printf("\n");
  free(scopes);
  PQfinish(control);
  return 0;
}

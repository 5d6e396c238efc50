/* SPDX-License-Identifier: PostgreSQL */
/* The price of borrowing a connection from the pool and giving it back, by itself and in a crowd. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "pool/pool.h"

enum { TIMES = 200000, MOST_THREADS = 8 };

static tndb_pool *pool;

static void borrow(const char *key) {
  tndb_conn *conn;
  tenantdb_error *error = NULL;
  tndb_lease lease = {.key = key, .deadline = TNDB_NEVER};
  bench_check(tndb_pool_lease_for(pool, &lease, &conn, &error), error, "lease");
  conn->answered_ms = tndb_clock_ms(); /* as if it had been used: nobody looks at its socket */
  tndb_pool_release(conn);
}

struct thread {
  char key[40];
  int times;
};

static void *run(void *user) {
  const struct thread *thread = user;
  for (int i = 0; i < thread->times; i++)
    borrow(thread->key);
  return NULL;
}

/* Nanoseconds a lease, `n` threads each on a tenant and a connection of its own. */
static double crowd(int n) {
  pthread_t threads[MOST_THREADS];
  struct thread them[MOST_THREADS];
  double before = bench_now_us();
  for (int i = 0; i < n; i++) {
    them[i].times = TIMES / n;
    snprintf(them[i].key, sizeof them[i].key, "00000000-0000-4000-8000-%012d", i);
    if (pthread_create(&threads[i], NULL, run, &them[i]) != 0)
      bench_die("no thread");
  }
  for (int i = 0; i < n; i++)
    pthread_join(threads[i], NULL);
  return (bench_now_us() - before) * 1000 / TIMES;
}

/* Sixteen tenants by turns on one connection: it changes hands every time. */
static double by_turns(void) {
  char keys[16][40];
  for (int i = 0; i < 16; i++)
    snprintf(keys[i], sizeof keys[i], "00000000-0000-4000-8000-%012d", i);
  double before = bench_now_us();
  for (int i = 0; i < TIMES; i++)
    borrow(keys[i % 16]);
  return (bench_now_us() - before) * 1000 / TIMES;
}

static double mutex_pair(void) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  double before = bench_now_us();
  for (int i = 0; i < TIMES; i++) {
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
  }
  return (bench_now_us() - before) * 1000 / TIMES;
}

static void row(const char *name, double (*measure)(int), int n, int repetitions) {
  double *times = calloc((size_t)repetitions, sizeof *times);
  for (int r = 0; r < repetitions; r++)
    times[r] = measure(n);
  printf("  %-52s %6.0f ns\n", name, bench_median(times, repetitions));
  free(times);
}

static double measure_turns(int n) {
  (void)n;
  return by_turns();
}

static double measure_mutex(int n) {
  (void)n;
  return mutex_pair();
}

int main(int argc, char **argv) {
  bench_options options = {.repetitions = 9, .seed = 1};
  tenantdb_error *error = NULL;
  bench_parse(&options, argc, argv, "bench_lease: acquiring and returning a connection of the pool");
  tenantdb_config *config = tenantdb_config_new();
  bench_check(tenantdb_config_set(config, "database.url", options.url, &error), error, "url");
  tndb_pool_limits limits = tndb_pool_limits_read(config);
  limits.most = limits.kept = MOST_THREADS;
  limits.tenants = 0;
  bench_check(tndb_pool_new(config, &limits, &pool, &error), error, "pool");
  printf("A lease acquired and returned; medians of %d times %d\n\n", options.repetitions, TIMES);
  row("(locking and unlocking a free mutex twice)", measure_mutex, 1, options.repetitions);
  row("one thread, one tenant", crowd, 1, options.repetitions);
  row("one thread, 16 tenants by turns on one connection", measure_turns, 1, options.repetitions);
  row("2 threads, a tenant and a connection each", crowd, 2, options.repetitions);
  row("8 threads, a tenant and a connection each", crowd, MOST_THREADS, options.repetitions);
  printf("\n");
  tndb_pool_free(pool);
  tenantdb_config_free(config);
  return 0;
}

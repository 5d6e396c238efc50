/* SPDX-License-Identifier: PostgreSQL */
#define _GNU_SOURCE /* sched_setaffinity */

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

void bench_die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("bench: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

void bench_check_status(tenantdb_status status, const tenantdb_error *error, const char *what) {
  if (status != TENANTDB_OK)
    bench_die("%s: status %d: %s", what, (int)status, tenantdb_error_message(error));
}

double bench_now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* splitmix64: any seed will do. */
uint64_t bench_random(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double bench_median(double *values, int n) {
  qsort(values, (size_t)n, sizeof *values, compare);
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* ---- options ---- */

static double number(const char *option, const char *text, double least) {
  char *end;
  errno = 0;
  double value = strtod(text, &end);
  if (errno || *end || end == text || !(value >= least) || value > 1e9)
    bench_die("%s wants a number of at least %g, not \"%s\"", option, least, text);
  return value;
}

static void usage(const bench_options *options, const char *about) {
  printf(
      "%s\n\n"
      "  --url URI          the server (TENANTDB_TEST_URL, DATABASE_URL)\n"
      "  --repetitions N    a ratio is taken in each, the median reported (%d)\n"
      "  --tenants N        (%d)\n"
      "  --rounds N         alternations in a repetition (%d)\n"
      "  --block N          operations of one contender in a row (%d)\n"
      "  --delay-ms X       through a proxy that makes a round trip so long (%g)\n"
      "  --levels LIST      routing,role,login (%s)\n"
      "  --seed N           (%llu)\n"
      "  --floors-only      raw libpq alone\n",
      about, options->repetitions, options->tenants, options->rounds, options->block, options->delay_ms,
      options->levels, (unsigned long long)options->seed);
  exit(0);
}

static bool take(bench_options *options, const char *option, const char *value) {
  if (strcmp(option, "--url") == 0)
    options->url = value;
  else if (strcmp(option, "--levels") == 0)
    options->levels = value;
  else if (strcmp(option, "--repetitions") == 0)
    options->repetitions = (int)number(option, value, 1);
  else if (strcmp(option, "--tenants") == 0)
    options->tenants = (int)number(option, value, 1);
  else if (strcmp(option, "--rounds") == 0)
    options->rounds = (int)number(option, value, 1);
  else if (strcmp(option, "--block") == 0)
    options->block = (int)number(option, value, 1);
  else if (strcmp(option, "--seed") == 0)
    options->seed = (uint64_t)number(option, value, 0);
  else if (strcmp(option, "--delay-ms") == 0)
    options->delay_ms = number(option, value, 0);
  else
    return false;
  return true;
}

void bench_parse(bench_options *options, int argc, char **argv, const char *about) {
  options->url = getenv("TENANTDB_TEST_URL");
  if (!options->url)
    options->url = getenv("DATABASE_URL");
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0)
      usage(options, about);
    else if (strcmp(argv[i], "--floors-only") == 0)
      options->floors_only = true;
    else if (i + 1 < argc && take(options, argv[i], argv[i + 1]))
      i++;
    else
      bench_die("\"%s\" is no option, or lacks its value; see --help", argv[i]);
  }
  if (!options->url)
    bench_die("no server: give --url or set TENANTDB_TEST_URL");
}

/* ---- the server ---- */

PGconn *bench_connect(const char *url) {
  PGconn *conn = PQconnectdb(url);
  if (PQstatus(conn) != CONNECTION_OK)
    bench_die("%s", PQerrorMessage(conn));
  return conn;
}

void bench_expect(PGconn *conn, PGresult *result, ExecStatusType status, const char *what) {
  if (PQresultStatus(result) != status)
    bench_die("%s: %s, %s", what, PQresStatus(PQresultStatus(result)), PQerrorMessage(conn));
}

void bench_sql(PGconn *conn, const char *sql) {
  PGresult *result = PQexec(conn, sql);
  ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    bench_die("%.60s: %s", sql, PQerrorMessage(conn));
  PQclear(result);
}

tenantdb *bench_open(const char *url, tenantdb_registry *registry, const char *level) {
  static const char *const settings[][2] = {
      {"pool.size", "1"}, {"pool.overflow", "0"}, {"session.tenant_cache", "1h"}};
  tenantdb_error *error = NULL;
  tenantdb_config *config = tenantdb_config_new();
  bench_check(tenantdb_config_set(config, "database.url", url, &error), error, "option database.url");
  bench_check(tenantdb_config_set(config, "isolation.level", level, &error), error, "option isolation.level");
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
    bench_check(tenantdb_config_set(config, settings[i][0], settings[i][1], &error), error, settings[i][0]);
  /* A private server asks nobody for a password. */
  bench_check(tenantdb_config_set(config, "login.passwords", "none", &error), error, "login.passwords");
  tenantdb *db = NULL;
  bench_check(tenantdb_open(config, registry, &db, &error), error, "open");
  bench_check(tenantdb_bootstrap(db, &error), error, "bootstrap");
  tenantdb_config_free(config);
  return db;
}

tndb_proxy *bench_proxy(const bench_options *options, char url[BENCH_URL_MAX]) {
  char reason[256];
  snprintf(url, BENCH_URL_MAX, "%s", options->url);
  if (options->delay_ms <= 0)
    return NULL;
  tndb_proxy *proxy = proxy_start(options->url, reason, sizeof reason);
  if (!proxy || !proxy_url(proxy, options->url, url, BENCH_URL_MAX))
    bench_die("%s", proxy ? "the server's address is too long" : reason);
  return proxy;
}

/* ---- pinning ---- */

#define NO_CORE SIZE_MAX
static size_t our_core = NO_CORE;
static const char *pinning = "not pinned";

void bench_pin_self(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0)
    return;
  size_t core = NO_CORE;
  for (size_t i = 0; i < CPU_SETSIZE; i++)
    core = CPU_ISSET(i, &set) ? i : core;
  if (core == NO_CORE)
    return;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (sched_setaffinity(0, sizeof set, &set) == 0) {
    our_core = core;
    pinning = "client pinned, server not";
  }
}

/* A process id from the server means something here only when it is a server process of this machine. */
static bool is_local_backend(int pid) {
  char path[64], name[32] = "";
  snprintf(path, sizeof path, "/proc/%d/comm", pid);
  FILE *file = fopen(path, "r");
  if (!file)
    return false;
  bool local = fgets(name, sizeof name, file) && strncmp(name, "postgres", 8) == 0;
  fclose(file);
  return local;
}

void bench_pin_backends(PGconn *conn) {
  static bool told;
  if (our_core == NO_CORE)
    return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(our_core, &set);
  PGresult *result = PQexec(conn,
                            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND "
                            "backend_type = 'client backend'");
  bench_expect(conn, result, PGRES_TUPLES_OK, "pg_stat_activity");
  bool all = true;
  for (int i = 0; i < PQntuples(result); i++) {
    int pid = (int)strtol(PQgetvalue(result, i, 0), NULL, 10);
    all = is_local_backend(pid) && sched_setaffinity(pid, sizeof set, &set) == 0 && all;
  }
  PQclear(result);
  if (all)
    pinning = "client and server processes pinned to one core";
  else if (!told)
    fprintf(
        stderr,
        "bench: the server's processes could not be pinned (that takes its user, or root, on its machine)\n");
  told = !all;
}

void bench_print_setting(PGconn *conn, const bench_options *options) {
  PGresult *result = PQexec(conn, "SELECT current_setting('server_version'), current_setting('fsync')");
  bench_expect(conn, result, PGRES_TUPLES_OK, "settings");
  printf("PostgreSQL %s, fsync %s, libpq %d, tenantdb %s, %s, seed %llu, round trip +%g ms\n",
         PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1), PQlibVersion(), tenantdb_version(), pinning,
         (unsigned long long)options->seed, options->delay_ms);
  PQclear(result);
}

/* ---- running ---- */

struct figures {
  double *medians[BENCH_CONTENDERS_MAX]; /* one a repetition */
  double *samples[BENCH_CONTENDERS_MAX];
  int64_t round_trips[BENCH_CONTENDERS_MAX];
};

static double *room_for(int n) {
  double *values = calloc((size_t)n, sizeof *values);
  if (!values)
    bench_die("out of memory");
  return values;
}

static void run_repetition(const bench_plan *plan, struct figures *figures, int repetition) {
  int block = plan->options->block, n = plan->n_contenders;
  bench_pin_backends(plan->control);
  for (int round = 0; round < plan->options->rounds; round++) {
    for (int i = 0; i < n; i++) {
      /* Everybody comes after everybody else in turn, and begins in turn. */
      int which = round % 2 ? (n - 1 - i + round + repetition) % n : (i + round + repetition) % n;
      const bench_contender *contender = &plan->contenders[which];
      int64_t before = plan->round_trips ? plan->round_trips(plan->round_trips_user) : 0;
      contender->block(contender->user, block, figures->samples[which] + (ptrdiff_t)round * block);
      if (plan->round_trips)
        figures->round_trips[which] += plan->round_trips(plan->round_trips_user) - before;
    }
  }
  for (int i = 0; i < n; i++)
    figures->medians[i][repetition] = bench_median(figures->samples[i], plan->options->rounds * block);
}

static void print_ratio(const bench_plan *plan, const struct figures *figures, int which, int base) {
  int n = plan->options->repetitions;
  double *ratios = room_for(n);
  for (int i = 0; i < n; i++)
    ratios[i] = figures->medians[which][i] / figures->medians[base][i];
  double median = bench_median(ratios, n); /* sorts */
  if (which == base)
    printf("  %-18s", "1");
  else
    printf("  %5.3f (%.2f-%.2f)", median, ratios[0], ratios[n - 1]);
  free(ratios);
}

static void print_table(const bench_plan *plan, const struct figures *figures, const char *title) {
  const bench_options *options = plan->options;
  int operations = options->rounds * options->block;
  printf(
      "\n%s\n%d repetitions of %d rounds of %d; medians, ratios as median (least-most) over repetitions\n\n",
      title, options->repetitions, options->rounds, options->block);
  printf("%-46s %9s", "", plan->unit);
  for (int i = 0; i < plan->n_bases; i++) {
    char head[32];
    snprintf(head, sizeof head, "ratio to %.3s", plan->contenders[plan->bases[i]].name);
    printf("  %-18s", head);
  }
  puts(plan->round_trips ? "  round trips" : "");
  for (int which = 0; which < plan->n_contenders; which++) {
    double *medians = room_for(options->repetitions);
    memcpy(medians, figures->medians[which], (size_t)options->repetitions * sizeof *medians);
    printf("%-46s %9.2f", plan->contenders[which].name,
           bench_median(medians, options->repetitions) / plan->unit_us);
    free(medians);
    for (int i = 0; i < plan->n_bases; i++)
      print_ratio(plan, figures, which, plan->bases[i]);
    if (plan->round_trips)
      printf("  %11.2f", (double)figures->round_trips[which] / operations / options->repetitions);
    putchar('\n');
  }
  fflush(stdout);
}

void bench_run(const bench_plan *plan, const char *title) {
  struct figures figures = {0};
  for (int i = 0; i < plan->n_contenders; i++) {
    figures.medians[i] = room_for(plan->options->repetitions);
    figures.samples[i] = room_for(plan->options->rounds * plan->options->block);
  }
  for (int i = 0; i < plan->options->repetitions; i++)
    run_repetition(plan, &figures, i);
  print_table(plan, &figures, title);
  for (int i = 0; i < plan->n_contenders; i++) {
    free(figures.medians[i]);
    free(figures.samples[i]);
  }
}

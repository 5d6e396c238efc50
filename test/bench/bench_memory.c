/* SPDX-License-Identifier: PostgreSQL */
/* What the server's processes grow to as connections go from tenant to tenant. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "scopes.h"
#include "standard.h"

enum { CONNECTIONS = 4, MOST_TABLES = 16 };

/* Anonymous memory of a process in KiB: what it has for itself, shared buffers apart. -1 when it is gone. */
static int64_t anonymous_kib(int pid) {
  char path[64], line[256];
  int64_t kib = 0;
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
  FILE *file = fopen(path, "r");
  if (!file)
    return -1; /* it has ended meanwhile */
  while (fgets(line, sizeof line, file)) {
    if (strncmp(line, "Anonymous:", 10) == 0)
      kib = strtoll(line + 10, NULL, 10);
  }
  fclose(file);
  return kib;
}

struct sum {
  int64_t all, largest;
  int n;
};

static struct sum of_backends(PGconn *control) {
  struct sum sum = {0};
  PGresult *rows = PQexec(control,
                          "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND "
                          "application_name = 'tenantdb'");
  bench_expect(control, rows, PGRES_TUPLES_OK, "pg_stat_activity");
  for (int i = 0; i < PQntuples(rows); i++) {
    int64_t kib = anonymous_kib((int)strtol(PQgetvalue(rows, i, 0), NULL, 10));
    if (kib < 0)
      continue;
    sum.all += kib;
    sum.largest = kib > sum.largest ? kib : sum.largest;
    sum.n++;
  }
  PQclear(rows);
  return sum;
}

static tenantdb *open_pool(const char *url, const char *recycle) {
  tenantdb *db;
  tenantdb_error *error = NULL;
  tenantdb_registry *registry = standard_registry();
  tenantdb_config *config = tenantdb_config_new();
  char size[16];
  snprintf(size, sizeof size, "%d", CONNECTIONS);
  const char *const set[][2] = {{"database.url", url},          {"pool.size", size},
                                {"pool.overflow", "0"},         {"pool.recycle_tenants", recycle},
                                {"session.tenant_cache", "1h"}, {"isolation.level", "role"}};
  for (size_t i = 0; i < sizeof set / sizeof set[0]; i++)
    bench_check(tenantdb_config_set(config, set[i][0], set[i][1], &error), error, set[i][0]);
  bench_check(tenantdb_open(config, registry, &db, &error), error, "open");
  tenantdb_config_free(config);
  tenantdb_registry_free(registry);
  return db;
}

/* All eight tables of a tenant. */
static void touch(tenantdb_session *session, char names[][64], int n) {
  tenantdb_error *error = NULL;
  for (int i = 0; i < n; i++) {
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT 1 FROM \"%.63s\" LIMIT 1", names[i]);
    bench_check(tenantdb_session_query(session, sql, NULL, NULL, &error), error, names[i]);
  }
}

static int table_names(PGconn *control, const char *schema, char names[MOST_TABLES][64]) {
  const char *values[] = {schema};
  PGresult *rows = PQexecParams(control, "SELECT tablename FROM pg_tables WHERE schemaname = $1", 1, NULL,
                                values, NULL, NULL, 0);
  bench_expect(control, rows, PGRES_TUPLES_OK, "pg_tables");
  int n = PQntuples(rows) < MOST_TABLES ? PQntuples(rows) : MOST_TABLES;
  for (int i = 0; i < n; i++)
    snprintf(names[i], 64, "%s", PQgetvalue(rows, i, 0));
  PQclear(rows);
  return n;
}

static void scenario(PGconn *control, const bench_options *options, const struct scope *scopes,
                     const char *recycle) {
  char names[MOST_TABLES][64];
  int n = table_names(control, scopes[0].schema, names);
  tenantdb *db = open_pool(options->url, recycle);
  tenantdb_session *held[CONNECTIONS];
  tenantdb_error *error = NULL;
  int64_t most = 0;
  double before = bench_now_us();
  for (int i = 0; i < options->tenants; i += CONNECTIONS) {
    int together = options->tenants - i < CONNECTIONS ? options->tenants - i : CONNECTIONS;
    for (int k = 0; k < together; k++)
      bench_check(tenantdb_session_open(db, scopes[i + k].slug, NULL, &held[k], &error), error, "session");
    for (int k = 0; k < together; k++)
      touch(held[k], names, n);
    for (int k = 0; k < together; k++)
      tenantdb_session_close(held[k]);
    if (i / CONNECTIONS % 25 == 0 || i + CONNECTIONS >= options->tenants) {
      struct sum now = of_backends(control);
      most = now.all > most ? now.all : most;
    }
  }
  double seconds = (bench_now_us() - before) / 1e6;
  struct sum end = of_backends(control);
  if (most == 0)
    bench_die("the memory of the server's processes cannot be read: is it on this machine?");
  printf("  %-24s %9.1f %9.1f %9.1f %10.2f\n", recycle[0] == '0' ? "never recycled" : recycle,
         (double)most / 1024, (double)end.all / 1024, (double)end.largest / 1024, seconds);
  tenantdb_close(db);
}

int main(int argc, char **argv) {
  bench_options options = {.tenants = 2000, .repetitions = 1, .seed = 1};
  bench_parse(&options, argc, argv,
              "bench_memory: the server's memory with and without recycling connections");
  PGconn *control = bench_connect(options.url);
  struct scope *scopes = scopes_make(control, &options, "memory");
  printf(
      "Anonymous memory of %d server processes in MiB, %d tenants of 8 tables touched once each\n\n"
      "  %-24s %9s %9s %9s %10s\n",
      CONNECTIONS, options.tenants, "pool.recycle_tenants", "most", "at end", "largest", "seconds");
  static const char *const recycles[] = {"0", "200", "50", "0", "200"};
  for (size_t i = 0; i < sizeof recycles / sizeof recycles[0]; i++)
    scenario(control, &options, scopes, recycles[i]);
  printf("\n");
  free(scopes);
  PQfinish(control);
  return 0;
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Is every tenant what the registry says? A snapshot per schema, by the standard's views, by pg_dump and by the
 * library, against fingerprints of the whole fleet. What visits schemas one by one does so for a sample of
 * --block tenants; all figures are a tenant's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "scopes.h"
#include "standard.h"

struct work {
  tenantdb *db;
  PGconn *conn;
  const char *url;
  const struct scope *scopes;
  int tenants;
  int at;
};

/* What tools ask of one schema: its columns, constraints with their columns, and indexes. */
static const char *const questions[] = {
    "SELECT table_name, column_name, data_type, column_default, is_nullable FROM information_schema.columns "
    "WHERE "
    "table_schema = $1 ORDER BY 1, ordinal_position",
    "SELECT c.table_name, c.constraint_name, c.constraint_type, k.column_name FROM "
    "information_schema.table_constraints c LEFT JOIN information_schema.key_column_usage k USING "
    "(constraint_schema, constraint_name) WHERE c.table_schema = $1 ORDER BY 1, 2",
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = $1 ORDER BY 1, 2",
};

static void block_standard(void *user, int n, double *microseconds) {
  struct work *work = user;
  for (int i = 0; i < n; i++) {
    const char *schema = work->scopes[work->at++ % work->tenants].schema;
    double begun = bench_now_us();
    for (size_t q = 0; q < sizeof questions / sizeof questions[0]; q++) {
      PGresult *rows = PQexecParams(work->conn, questions[q], 1, NULL, &schema, NULL, NULL, 0);
      bench_expect(work->conn, rows, PGRES_TUPLES_OK, "reading a schema");
      PQclear(rows);
    }
    microseconds[i] = bench_now_us() - begun;
  }
}

static void block_snapshot(void *user, int n, double *microseconds) {
  struct work *work = user;
  for (int i = 0; i < n; i++) {
    tenantdb_result *rows = NULL;
    tenantdb_error *error = NULL;
    const char *schema = work->scopes[work->at++ % work->tenants].schema;
    double begun = bench_now_us();
    bench_check(tenantdb_snapshot(work->db, NULL, schema, &rows, &error), error, "snapshot");
    microseconds[i] = bench_now_us() - begun;
    tenantdb_result_free(rows);
  }
}

static void block_dump(void *user, int n, double *microseconds) {
  struct work *work = user;
  for (int i = 0; i < n; i++) {
    char command[1024];
    snprintf(command, sizeof command, "pg_dump --schema-only -n '\"%s\"' '%s' > /dev/null",
             work->scopes[work->at++ % work->tenants].schema, work->url);
    double begun = bench_now_us();
    FILE *pipe = popen(command, "r");
    if (!pipe || pclose(pipe) != 0)
      bench_die("pg_dump failed");
    microseconds[i] = bench_now_us() - begun;
  }
}

/* The whole fleet at once: each of the n operations is told as its share. */
static void block_fleet(void *user, int n, double *microseconds,
                        tenantdb_status (*ask)(tenantdb *, const tenantdb_schema_options *,
                                               tenantdb_result **, tenantdb_error **)) {
  struct work *work = user;
  tenantdb_result *rows = NULL;
  tenantdb_error *error = NULL;
  double begun = bench_now_us();
  bench_check(ask(work->db, NULL, &rows, &error), error, "the fleet");
  double each = (bench_now_us() - begun) / work->tenants;
  for (int i = 0; i < n; i++)
    microseconds[i] = each;
  tenantdb_result_free(rows);
}

static void block_fingerprints(void *user, int n, double *microseconds) {
  block_fleet(user, n, microseconds, tenantdb_fingerprints);
}

static void block_drift(void *user, int n, double *microseconds) {
  block_fleet(user, n, microseconds, tenantdb_drift);
}

int main(int argc, char **argv) {
  bench_options options = {
      .repetitions = 5, .tenants = 1000, .rounds = 1, .block = 20, .seed = 1, .levels = "role"};
  bench_parse(
      &options, argc, argv,
      "Makes --tenants tenants, and asks whether they are what the registry says: one by one for --block of "
      "them, and all at once. Every tenth has lost an index.");
  bench_pin_self();
  PGconn *control = bench_connect(options.url);
  static struct work work;
  work.url = options.url;
  work.tenants = options.tenants;
  work.scopes = scopes_make(control, &options, "drift");
  work.conn = bench_connect(options.url);
  tenantdb_registry *registry = standard_registry();
  work.db = bench_open(options.url, registry, "role");
  tenantdb_registry_free(registry);
  for (int i = 0; i < options.tenants; i += 10) {
    char sql[256];
    snprintf(sql, sizeof sql, "DROP INDEX IF EXISTS \"%s\".job_queue_next", work.scopes[i].schema);
    bench_sql(control, sql);
  }
  bench_sql(control, "ANALYZE");
  const bench_contender contenders[] = {
      {"P pg_dump --schema-only of one schema", block_dump, &work},
      {"I information_schema and pg_indexes of one schema", block_standard, &work},
      {"S tenantdb_snapshot of one schema", block_snapshot, &work},
      {"F tenantdb_fingerprints of the fleet, a tenant's share", block_fingerprints, &work},
      {"D tenantdb_drift of the fleet, a tenant's share", block_drift, &work},
  };
  bench_plan plan = {.options = &options,
                     .control = control,
                     .contenders = contenders,
                     .n_contenders = 5,
                     .bases = {1, 2},
                     .n_bases = 2,
                     .unit = "ms",
                     .unit_us = 1000};
  bench_pin_backends(control);
  bench_print_setting(control, &options);
  bench_run(&plan, "Is every tenant what the registry says? A tenant's share, every tenth without an index");
  tenantdb_close(work.db);
  PQfinish(work.conn);
  PQfinish(control);
  free((void *)work.scopes);
  return 0;
}

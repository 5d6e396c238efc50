/* SPDX-License-Identifier: PostgreSQL */
/* Making tenants: the library against raw libpq sending one text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "standard.h"

/* Every tenant of a run has a new name: nothing is dropped, and a database may be used again. */
struct maker {
  PGconn *conn;
  tenantdb *db;
  char tag[32];
  int made;
  char sql[STANDARD_SQL_MAX];
};

static void exec_timed(struct maker *maker, double *microseconds) {
  double before = bench_now_us();
  PGresult *result = PQexec(maker->conn, maker->sql);
  *microseconds = bench_now_us() - before;
  bench_expect(maker->conn, result, PGRES_COMMAND_OK, "provisioning by hand");
  PQclear(result);
}

static void block_bare(void *user, int n, double *microseconds) {
  struct maker *maker = user;
  for (int i = 0; i < n; i++) {
    char schema[64];
    snprintf(schema, sizeof schema, "bare_%s_%d", maker->tag, maker->made++);
    standard_bare_sql(maker->sql, sizeof maker->sql, schema);
    exec_timed(maker, &microseconds[i]);
  }
}

static void block_same(void *user, int n, double *microseconds) {
  struct maker *maker = user;
  for (int i = 0; i < n; i++) {
    char slug[64], schema[80], role[80];
    snprintf(slug, sizeof slug, "same-%s-%d", maker->tag, maker->made++);
    snprintf(schema, sizeof schema, "tenant_%s", slug);
    snprintf(role, sizeof role, "tenant_role_%s", slug);
    standard_provision_sql(maker->sql, sizeof maker->sql, slug, schema, role);
    exec_timed(maker, &microseconds[i]);
  }
}

static void block_library(void *user, int n, double *microseconds) {
  struct maker *maker = user;
  for (int i = 0; i < n; i++) {
    char slug[64];
    snprintf(slug, sizeof slug, "lib-%s-%d", maker->tag, maker->made++);
    tenantdb_error *error = NULL;
    double before = bench_now_us();
    tenantdb_status status = tenantdb_tenant_create(maker->db, slug, NULL, NULL, &error);
    microseconds[i] = bench_now_us() - before;
    bench_check(status, error, slug);
  }
}

/* What a new tenant has, so that everybody is seen to do the same work. */
static void check_objects(PGconn *conn, const char *kind, const char *like) {
  char sql[512];
  snprintf(sql, sizeof sql,
           "SELECT count(DISTINCT n.oid), count(*) FILTER (WHERE c.relkind = 'r'), count(*) FILTER (WHERE "
           "c.relkind = "
           "'i') FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid WHERE n.nspname LIKE '%s'",
           like);
  PGresult *result = PQexec(conn, sql);
  bench_expect(conn, result, PGRES_TUPLES_OK, "counting");
  int schemas = atoi(PQgetvalue(result, 0, 0)), tables = atoi(PQgetvalue(result, 0, 1));
  int indexes = atoi(PQgetvalue(result, 0, 2));
  PQclear(result);
  if (schemas == 0 || tables != schemas * STANDARD_TABLES || indexes != schemas * STANDARD_INDEXES)
    bench_die("%s: %d schemas with %d tables and %d indexes", kind, schemas, tables, indexes);
}

int main(int argc, char **argv) {
  bench_options options = {
      .repetitions = 7, .tenants = 25, .rounds = 5, .block = 5, .seed = 1, .levels = "role"};
  bench_parse(
      &options, argc, argv,
      "Makes --tenants tenants a repetition with each contender.\n--rounds is worked out from --tenants and "
      "--block.");
  options.rounds = (options.tenants + options.block - 1) / options.block;
  bench_pin_self();
  PGconn *control = bench_connect(options.url);
  standard_make_catalog(control);
  static struct maker bare, same, library;
  snprintf(bare.tag, sizeof bare.tag, "%llx", (unsigned long long)time(NULL));
  memcpy(same.tag, bare.tag, sizeof bare.tag);
  memcpy(library.tag, bare.tag, sizeof bare.tag);
  bare.conn = bench_connect(options.url);
  same.conn = bench_connect(options.url);
  if (!options.floors_only) {
    tenantdb_registry *registry = standard_registry();
    library.db = bench_open(options.url, registry, strstr(options.levels, "role") ? "role" : "routing");
    tenantdb_registry_free(registry);
  }
  const bench_contender contenders[] = {
      {"(a) bare DDL, one PQexec", block_bare, &bare},
      {"(b) all of provisioning by hand, one PQexec", block_same, &same},
      {"(c) tenantdb_tenant_create", block_library, &library},
  };
  bench_plan plan = {.options = &options,
                     .control = control,
                     .contenders = contenders,
                     .n_contenders = options.floors_only ? 2 : 3,
                     .bases = {0, 1},
                     .n_bases = 2,
                     .unit = "ms",
                     .unit_us = 1000};
  double warm[3];
  for (int i = 0; i < plan.n_contenders; i++)
    contenders[i].block(contenders[i].user, 3, warm);
  bench_pin_backends(control);
  bench_print_setting(control, &options);
  bench_run(&plan, "Provisioning one tenant: 8 tables, 24 indexes, 3 foreign keys");
  char like[64];
  snprintf(like, sizeof like, "bare\\_%s%%", bare.tag);
  check_objects(control, "bare", like);
  snprintf(like, sizeof like, "tenant_same_%s%%", bare.tag);
  check_objects(control, "by hand", like);
  snprintf(like, sizeof like, "tenant_lib_%s%%", bare.tag);
  if (!options.floors_only)
    check_objects(control, "library", like);
  tenantdb_close(library.db);
  PQfinish(bare.conn);
  PQfinish(same.conn);
  PQfinish(control);
  return 0;
}

/* SPDX-License-Identifier: PostgreSQL */
/* Onboarding: a tenant made anew, and one from a standby schema, against the bare DDL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "standard.h"

/* Every tenant of a run has a new name: nothing is dropped. */
struct maker {
  PGconn *conn;
  tenantdb *db;
  const char *kind;
  bool stands_by;
  char tag[32];
  int made;
  char sql[STANDARD_SQL_MAX];
};

static void block_bare(void *user, int n, double *microseconds) {
  struct maker *maker = user;
  for (int i = 0; i < n; i++) {
    char schema[64];
    snprintf(schema, sizeof schema, "bare_%s_%d", maker->tag, maker->made++);
    standard_bare_sql(maker->sql, sizeof maker->sql, schema);
    double before = bench_now_us();
    PGresult *result = PQexec(maker->conn, maker->sql);
    microseconds[i] = bench_now_us() - before;
    bench_expect(maker->conn, result, PGRES_COMMAND_OK, "the bare DDL");
    PQclear(result);
  }
}

static void block_library(void *user, int n, double *microseconds) {
  struct maker *maker = user;
  tenantdb_error *error = NULL;
  if (maker->stands_by) /* not measured */
    bench_check(tenantdb_maintain(maker->db, 0, NULL, &error), error, "tenantdb_maintain");
  for (int i = 0; i < n; i++) {
    char slug[64];
    snprintf(slug, sizeof slug, "%s-%s-%d", maker->kind, maker->tag, maker->made++);
    double before = bench_now_us();
    tenantdb_status status = tenantdb_tenant_create(maker->db, slug, NULL, NULL, &error);
    microseconds[i] = bench_now_us() - before;
    bench_check(status, error, slug);
  }
}

static tenantdb *open_with(const bench_options *options, int standby) {
  char number[16];
  tenantdb_error *error = NULL;
  tenantdb *db = NULL;
  tenantdb_config *config = tenantdb_config_new();
  tenantdb_registry *registry = standard_registry();
  const char *const settings[][2] = {
      {"database.url", options->url},
      {"isolation.level", strstr(options->levels, "role") ? "role" : "routing"},
      {"pool.size", "1"},
      {"pool.overflow", "0"},
      {"tenant.standby", number}};
  snprintf(number, sizeof number, "%d", standby);
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
    bench_check(tenantdb_config_set(config, settings[i][0], settings[i][1], &error), error, settings[i][0]);
  bench_check(tenantdb_open(config, registry, &db, &error), error, "open");
  bench_check(tenantdb_bootstrap(db, &error), error, "bootstrap");
  tenantdb_config_free(config);
  tenantdb_registry_free(registry);
  return db;
}

/* What took a standby schema, and that every tenant has what he has to have. */
static void check_made(PGconn *conn, const struct maker *standby) {
  char sql[1024];
  snprintf(
      sql, sizeof sql,
      "SELECT (SELECT count(*) FROM tenantdb.audit a JOIN tenantdb.tenants t ON t.id = a.tenant_id WHERE"
      " a.action = 'create' AND a.detail IS NOT NULL AND t.slug LIKE 'standby-%s-%%'), (SELECT count(*) FROM"
      " tenantdb.tenants t WHERE (SELECT count(*) FROM pg_class c WHERE c.relkind IN ('r', 'i') AND"
      " c.relnamespace = to_regnamespace(quote_ident(t.schema_name))) <> %d)",
      standby->tag, STANDARD_TABLES + STANDARD_INDEXES);
  PGresult *result = PQexec(conn, sql);
  bench_expect(conn, result, PGRES_TUPLES_OK, "counting");
  if (atoi(PQgetvalue(result, 0, 0)) != standby->made || atoi(PQgetvalue(result, 0, 1)) != 0)
    bench_die("%s of %d tenants took a standby schema, and %s lack something", PQgetvalue(result, 0, 0),
              standby->made, PQgetvalue(result, 0, 1));
  PQclear(result);
}

int main(int argc, char **argv) {
  bench_options options = {
      .repetitions = 7, .tenants = 25, .rounds = 5, .block = 5, .seed = 1, .levels = "role"};
  bench_parse(
      &options, argc, argv,
      "Makes --tenants tenants a repetition with each contender.\n--rounds is worked out from --tenants "
      "and --block.");
  options.rounds = (options.tenants + options.block - 1) / options.block;
  bench_pin_self();
  PGconn *control = bench_connect(options.url);
  static struct maker bare, cold = {.kind = "cold"}, standby = {.kind = "standby", .stands_by = true};
  snprintf(bare.tag, sizeof bare.tag, "%llx", (unsigned long long)time(NULL));
  memcpy(cold.tag, bare.tag, sizeof bare.tag);
  memcpy(standby.tag, bare.tag, sizeof bare.tag);
  bare.conn = bench_connect(options.url);
  cold.db = open_with(&options, 0);
  standby.db = open_with(&options, options.block > 3 ? options.block : 3);
  const bench_contender contenders[] = {
      {"(a) bare DDL, one PQexec", block_bare, &bare},
      {"(b) tenantdb_tenant_create, made anew", block_library, &cold},
      {"(c) tenantdb_tenant_create, from a standby schema", block_library, &standby},
  };
  bench_plan plan = {.options = &options,
                     .control = control,
                     .contenders = contenders,
                     .n_contenders = 3,
                     .bases = {0, 1},
                     .n_bases = 2,
                     .unit = "ms",
                     .unit_us = 1000};
  double warm[3];
  for (int i = 0; i < plan.n_contenders; i++)
    contenders[i].block(contenders[i].user, 3, warm);
  bench_pin_backends(control);
  bench_print_setting(control, &options);
  bench_run(&plan, "Onboarding one tenant: 8 tables, 24 indexes, 3 foreign keys");
  check_made(control, &standby);
  tenantdb_close(cold.db);
  tenantdb_close(standby.db);
  PQfinish(bare.conn);
  PQfinish(control);
  return 0;
}

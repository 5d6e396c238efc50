/* SPDX-License-Identifier: PostgreSQL */
#include "maker.h"

#include <stdio.h>
#include <time.h>

bench_options maker_options(int argc, char **argv) {
  bench_options options = {
      .repetitions = 7, .tenants = 25, .rounds = 5, .block = 5, .seed = 1, .levels = "role"};
  bench_parse(
      &options, argc, argv,
      "Makes --tenants tenants a repetition with each contender.\n--rounds is worked out from --tenants and "
      "--block.");
  options.rounds = (options.tenants + options.block - 1) / options.block;
  bench_pin_self();
  return options;
}

void maker_exec(struct maker *maker, double *microseconds) {
  double before = bench_now_us();
  PGresult *result = PQexec(maker->conn, maker->sql);
  *microseconds = bench_now_us() - before;
  bench_expect(maker->conn, result, PGRES_COMMAND_OK, "a tenant by hand");
  PQclear(result);
}

void maker_bare(void *user, int n, double *microseconds) {
  struct maker *maker = user;
  for (int i = 0; i < n; i++) {
    char schema[64];
    snprintf(schema, sizeof schema, "bare_%s_%d", maker->tag, maker->made++);
    standard_bare_sql(maker->sql, sizeof maker->sql, schema);
    maker_exec(maker, &microseconds[i]);
  }
}

void maker_library(void *user, int n, double *microseconds) {
  struct maker *maker = user;
  tenantdb_error *error = NULL;
  if (maker->stands_by)
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

void maker_tag(struct maker *const *makers, int n) {
  time_t now = time(NULL);
  for (int i = 0; i < n; i++)
    snprintf(makers[i]->tag, sizeof makers[i]->tag, "%llx", (unsigned long long)now);
}

void maker_compare(const bench_options *options, PGconn *control, const bench_contender *contenders, int n,
                   const char *title) {
  bench_plan plan = {.options = options,
                     .control = control,
                     .contenders = contenders,
                     .n_contenders = n,
                     .bases = {0, 1},
                     .n_bases = 2,
                     .unit = "ms",
                     .unit_us = 1000};
  double warm[3];
  for (int i = 0; i < n; i++)
    contenders[i].block(contenders[i].user, 3, warm);
  bench_pin_backends(control);
  bench_print_setting(control, options);
  bench_run(&plan, title);
}

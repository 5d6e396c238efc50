/* SPDX-License-Identifier: PostgreSQL */
/* Onboarding: a tenant made anew, and one from a standby schema, against the bare DDL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "maker.h"

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
  bench_options options = maker_options(argc, argv);
  PGconn *control = bench_connect(options.url);
  static struct maker bare, cold = {.kind = "cold"}, standby = {.kind = "standby", .stands_by = true};
  maker_tag((struct maker *const[]){&bare, &cold, &standby}, 3);
  bare.conn = bench_connect(options.url);
  cold.db = open_with(&options, 0);
  standby.db = open_with(&options, options.block > 3 ? options.block : 3);
  const bench_contender contenders[] = {
      {"(a) bare DDL, one PQexec", maker_bare, &bare},
      {"(b) tenantdb_tenant_create, made anew", maker_library, &cold},
      {"(c) tenantdb_tenant_create, from a standby schema", maker_library, &standby},
  };
  maker_compare(&options, control, contenders, 3,
                "Onboarding one tenant: 8 tables, 24 indexes, 3 foreign keys");
  check_made(control, &standby);
  tenantdb_close(cold.db);
  tenantdb_close(standby.db);
  PQfinish(bare.conn);
  PQfinish(control);
  return 0;
}

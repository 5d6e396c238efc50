/* SPDX-License-Identifier: PostgreSQL */
/* Making tenants: the library against raw libpq sending one text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "maker.h"

static void block_same(void *user, int n, double *microseconds) {
  struct maker *maker = user;
  for (int i = 0; i < n; i++) {
    char slug[64], schema[80], role[80];
    snprintf(slug, sizeof slug, "same-%s-%d", maker->tag, maker->made++);
    snprintf(schema, sizeof schema, "tenant_%s", slug);
    snprintf(role, sizeof role, "tenant_role_%s", slug);
    standard_provision_sql(maker->sql, sizeof maker->sql, slug, schema, role);
    maker_exec(maker, &microseconds[i]);
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
  bench_options options = maker_options(argc, argv);
  PGconn *control = bench_connect(options.url);
  standard_make_catalog(control);
  static struct maker bare, same, library = {.kind = "lib"};
  maker_tag((struct maker *const[]){&bare, &same, &library}, 3);
  bare.conn = bench_connect(options.url);
  same.conn = bench_connect(options.url);
  if (!options.floors_only) {
    tenantdb_registry *registry = standard_registry();
    library.db = bench_open(options.url, registry, strstr(options.levels, "role") ? "role" : "routing");
    tenantdb_registry_free(registry);
  }
  const bench_contender contenders[] = {
      {"(a) bare DDL, one PQexec", maker_bare, &bare},
      {"(b) all of provisioning by hand, one PQexec", block_same, &same},
      {"(c) tenantdb_tenant_create", maker_library, &library},
  };
  maker_compare(&options, control, contenders, options.floors_only ? 2 : 3,
                "Provisioning one tenant: 8 tables, 24 indexes, 3 foreign keys");
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

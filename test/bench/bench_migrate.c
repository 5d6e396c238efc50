/* SPDX-License-Identifier: PostgreSQL */
/*
 * One column and one index for every tenant of a fleet: the library's runs against
 * libpq by hand, with as many connections. And the answer that there is nothing to do.
 *
 * Every contender has a table of its own in each tenant, which gets a new column
 * and index each time: so the tables of all of them grow alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "lanes.h"

enum { VERSIONS_MAX = 4000, NOBODY = 10000 };

struct tenant {
  char id[40];
  char schema[64];
};

static struct tenant *tenants;
static int n_tenants;

/* ---- by hand ---- */

struct hand {
  const char *table;
  bool bare; /* without proof, lock and account: what is quickly written */
  int times;
  struct lanes lanes;
};

static const char *const statements[][2] = {
    {"begin", "BEGIN"},
    {"commit", "COMMIT"},
    {"bare", "SELECT set_config('search_path', $1, true), set_config('lock_timeout', '3s', true)"},
    {"bind",
     "SELECT set_config('search_path', $1, true), set_config('lock_timeout', '3s', true), coalesce(CASE "
     "WHEN "
     "current_schema() IS DISTINCT FROM $2 THEN 'wrong schema' END, CASE WHEN NOT "
     "pg_try_advisory_xact_lock(7, "
     "hashtext($3)) THEN 'taken' END, (SELECT 'state' FROM public.bench_tenants t WHERE t.id = $3::uuid "
     "AND "
     "t.state <> 'active'), (SELECT 'done' FROM public.bench_ledger m WHERE m.tenant_id = $3::uuid AND "
     "m.version = $4 AND m.name = ''))::integer"},
    {"proof",
     "SELECT CASE WHEN current_schema() IS DISTINCT FROM $1 THEN 'left' END::integer, "
     "set_config('search_path', 'pg_catalog, pg_temp', true)"},
    {"member",
     "UPDATE public.bench_members SET state = 'done', finished_at = clock_timestamp() WHERE run_id = "
     "$1 AND "
     "tenant_id = $1"},
    {"ledger",
     "INSERT INTO public.bench_ledger (stream, tenant_id, version, kind, title, sum, state, steps, "
     "steps_done, "
     "finished_at, duration_ms) VALUES ('tenant', $1, $2, 'versioned', 'bench', $3, 'done', 2, 2, "
     "clock_timestamp(), 0)"},
    {"version", "UPDATE public.bench_tenants SET version = $2 WHERE id = $1"},
};

static bool send_migration(void *user, PGconn *conn, int tenant) {
  const struct hand *hand = user;
  static const char *const sum = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  char column[160], index[160], path[140], version[24];
  snprintf(column, sizeof column, "ALTER TABLE %s ADD COLUMN c%d integer", hand->table, hand->times);
  snprintf(index, sizeof index, "CREATE INDEX %s_c%d ON %s (c%d)", hand->table, hand->times, hand->table,
           hand->times);
  snprintf(path, sizeof path, "\"%s\", pg_temp", tenants[tenant].schema);
  snprintf(version, sizeof version, "%d%03d", hand->times,
           hand->bare * 100 + hand->lanes.connections * 10 + hand->lanes.depth);
  const char *const bind[] = {path, tenants[tenant].schema, tenants[tenant].id, version};
  const char *const ledger[] = {tenants[tenant].id, version, sum};
  return PQsendQueryPrepared(conn, "begin", 0, NULL, NULL, NULL, 0) &&
         PQsendQueryPrepared(conn, hand->bare ? "bare" : "bind", hand->bare ? 1 : 4, bind, NULL, NULL, 0) &&
         PQsendQueryParams(conn, column, 0, NULL, NULL, NULL, NULL, 0) &&
         PQsendQueryParams(conn, index, 0, NULL, NULL, NULL, NULL, 0) &&
         (hand->bare || PQsendQueryPrepared(conn, "proof", 1, bind + 1, NULL, NULL, 0)) &&
         PQsendQueryPrepared(conn, "ledger", 3, ledger, NULL, NULL, 0) &&
         PQsendQueryPrepared(conn, "version", 2, ledger, NULL, NULL, 0) &&
         (hand->bare || PQsendQueryPrepared(conn, "member", 1, ledger, NULL, NULL, 0)) &&
         PQsendQueryPrepared(conn, "commit", 0, NULL, NULL, NULL, 0);
}

static void block_hand(void *user, int n, double *microseconds) {
  struct hand *hand = user;
  const struct lanes_work work = {send_migration, NULL, hand};
  for (int i = 0; i < n; i++) {
    hand->times++;
    double before = bench_now_us();
    lanes_run(&hand->lanes, &work, n_tenants);
    microseconds[i] = bench_now_us() - before;
  }
}

/* ---- the library ---- */

/* All that was applied so far, by whichever of them: a set only grows. */
static struct {
  const char *table;
  int number;
} applied[VERSIONS_MAX];
static int n_applied;

struct runner {
  const char *table;
  const char *connections;
  const char *recycle;
  tenantdb *db;
  int times;
};

static tenantdb_migrations *make_set(void) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add(set, "tenant", 1, "tables",
                         "CREATE TABLE b1 (id bigint PRIMARY KEY, body text);"
                         "CREATE TABLE h1 (id bigint PRIMARY KEY, body text);"
                         "CREATE TABLE l1 (id bigint PRIMARY KEY, body text);"
                         "CREATE TABLE h2 (id bigint PRIMARY KEY, body text);"
                         "CREATE TABLE l2 (id bigint PRIMARY KEY, body text);"
                         "CREATE TABLE b4 (id bigint PRIMARY KEY, body text);"
                         "CREATE TABLE h4 (id bigint PRIMARY KEY, body text);"
                         "CREATE TABLE h8 (id bigint PRIMARY KEY, body text);"
                         "CREATE TABLE l4 (id bigint PRIMARY KEY, body text);"
                         "CREATE TABLE l9 (id bigint PRIMARY KEY, body text);");
  for (int i = 0; i < n_applied; i++) {
    char sql[300];
    const char *table = applied[i].table;
    snprintf(sql, sizeof sql, "ALTER TABLE %s ADD COLUMN c%d integer;\nCREATE INDEX %s_c%d ON %s (c%d)",
             table, applied[i].number, table, applied[i].number, table, applied[i].number);
    tenantdb_migration_add(set, "tenant", i + 2, "bench", sql);
  }
  return set;
}

static tenantdb *open_with(const char *url, const char *recycle) {
  tenantdb_error *error = NULL;
  tenantdb *db = NULL;
  tenantdb_config *config = tenantdb_config_new();
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_migrations *set = make_set();
  bench_check(tenantdb_config_set(config, "database.url", url, &error), error, "url");
  bench_check(tenantdb_config_set(config, "pool.recycle_tenants", recycle, &error), error, "recycle");
  bench_check(tenantdb_open(config, registry, &db, &error), error, "open");
  bench_check(tenantdb_use_migrations(db, set, &error), error, "use");
  bench_check(tenantdb_bootstrap(db, &error), error, "bootstrap");
  tenantdb_migrations_free(set);
  tenantdb_config_free(config);
  tenantdb_registry_free(registry);
  return db;
}

static void use_newer(tenantdb *db) {
  tenantdb_error *error = NULL;
  tenantdb_migrations *set = make_set();
  bench_check(tenantdb_use_migrations(db, set, &error), error, "use");
  tenantdb_migrations_free(set);
}

static void block_library(void *user, int n, double *microseconds) {
  struct runner *runner = user;
  for (int i = 0; i < n; i++) {
    tenantdb_error *error = NULL;
    tenantdb_run *run = NULL;
    if (n_applied == VERSIONS_MAX)
      bench_die("too many rounds");
    applied[n_applied].table = runner->table;
    applied[n_applied++].number = ++runner->times;
    use_newer(runner->db);
    tenantdb_run_options *options = tenantdb_run_options_new();
    tenantdb_run_options_set(options, "connections", runner->connections);
    double before = bench_now_us();
    bench_check(tenantdb_migrate(runner->db, options, &run, &error), error, "migrate");
    microseconds[i] = bench_now_us() - before;
    tenantdb_run_options_free(options);
    tenantdb_run_free(run);
  }
}

/* ---- nothing to do ---- */

static void block_nothing(void *user, int n, double *microseconds) {
  for (int i = 0; i < n; i++) {
    tenantdb_error *error = NULL;
    tenantdb_run *run = NULL;
    double before = bench_now_us();
    bench_check(tenantdb_migrate(user, NULL, &run, &error), error, "migrate");
    microseconds[i] = bench_now_us() - before;
    if (tenantdb_run_id(run)[0])
      bench_die("there was something to do");
    tenantdb_run_free(run);
  }
}

/* The same question in the shortest words: is anybody behind? */
static void block_question(void *user, int n, double *microseconds) {
  for (int i = 0; i < n; i++) {
    double before = bench_now_us();
    PGresult *result = PQexec(user,
                              "SELECT count(*) FROM tenantdb.tenants WHERE state IN ('active', 'suspended', "
                              "'archived') AND version < 9000");
    microseconds[i] = bench_now_us() - before;
    bench_expect(user, result, PGRES_TUPLES_OK, "the question");
    PQclear(result);
  }
}

/* Catalog rows of tenants that have no schema, each with as many rows in the ledger as the set has files. */
static void nobodies(PGconn *control, int n) {
  char sql[1024];
  tenantdb_error *error = NULL;
  tenantdb_result *list = NULL;
  tenantdb_migrations *set = make_set();
  bench_check(tenantdb_migrations_list(set, &list, &error), error, "list");
  int32_t sum = tenantdb_result_column(list, "sum"), version = tenantdb_result_column(list, "version");
  bench_sql(control, "DELETE FROM tenantdb.migrations");
  bench_sql(control, "DELETE FROM tenantdb.tenants");
  snprintf(
      sql, sizeof sql,
      "INSERT INTO tenantdb.tenants (id, slug, schema_name, state, version) SELECT gen_random_uuid(), 'n' || "
      "i, 'n' || i, 'active', %d FROM generate_series(1, %d) i",
      n_applied + 1, n);
  bench_sql(control, sql);
  for (int32_t i = 0; i < tenantdb_result_rows(list); i++) {
    snprintf(sql, sizeof sql,
             "INSERT INTO tenantdb.migrations (stream, tenant_id, version, kind, title, sum, state) SELECT "
             "'tenant', "
             "id, %s, 'versioned', 'bench', '%s', 'done' FROM tenantdb.tenants",
             tenantdb_result_value(list, i, version), tenantdb_result_value(list, i, sum));
    bench_sql(control, sql);
  }
  tenantdb_result_free(list);
  tenantdb_migrations_free(set);
  bench_sql(control, "VACUUM ANALYZE tenantdb.tenants");
  bench_sql(control, "VACUUM ANALYZE tenantdb.migrations");
}

/* ---- all of it ---- */

static void make_tenants(PGconn *control, const char *url, int n) {
  tenantdb *db = open_with(url, "0");
  tenants = calloc((size_t)n, sizeof *tenants);
  for (int i = 0; i < n; i++) {
    char slug[32];
    tenantdb_tenant *tenant = NULL;
    tenantdb_error *error = NULL;
    snprintf(slug, sizeof slug, "bench-%d", i);
    bench_check(tenantdb_tenant_create(db, slug, NULL, &tenant, &error), error, "create");
    snprintf(tenants[i].id, sizeof tenants[i].id, "%s", tenantdb_tenant_id(tenant));
    snprintf(tenants[i].schema, sizeof tenants[i].schema, "%s", tenantdb_tenant_schema(tenant));
    tenantdb_tenant_free(tenant);
  }
  n_tenants = n;
  tenantdb_close(db);
  bench_sql(control, "CREATE TABLE public.bench_ledger (LIKE tenantdb.migrations INCLUDING ALL)");
  bench_sql(control, "CREATE TABLE public.bench_tenants (LIKE tenantdb.tenants INCLUDING ALL)");
  bench_sql(control, "CREATE TABLE public.bench_members (LIKE tenantdb.run_members INCLUDING ALL)");
  bench_sql(
      control,
      "INSERT INTO public.bench_members (run_id, tenant_id, slug, wave, position, state) SELECT id, id, "
      "slug, 1, 1, 'running' FROM tenantdb.tenants");
  bench_sql(control, "INSERT INTO public.bench_tenants SELECT * FROM tenantdb.tenants");
}

static void measure_nothing(PGconn *control, const bench_options *options, tenantdb *db, const char *how) {
  bench_options many = *options;
  many.rounds = 5;
  bench_contender contenders[] = {{"Q   one count over the catalog, by hand", block_question, control},
                                  {"N   a run, nothing to do", block_nothing, db}};
  bench_plan plan = {.options = &many,
                     .control = control,
                     .contenders = contenders,
                     .n_contenders = 2,
                     .bases = {0},
                     .n_bases = 1,
                     .unit = "ms",
                     .unit_us = 1000};
  char title[160];
  snprintf(title, sizeof title, "Nothing to do for %d tenants of %d migrations each: %s", NOBODY,
           n_applied + 1, how);
  printf("\n");
  bench_run(&plan, title);
}

/* The last run before was of all tenants and without failures: the ledger need not be compared again. */
static void show_nothing(PGconn *control, const bench_options *options) {
  nobodies(control, NOBODY);
  tenantdb *db = open_with(options->url, "0");
  measure_nothing(control, options, db, "as after a run for everybody");
  bench_sql(control, "DELETE FROM tenantdb.runs");
  measure_nothing(control, options, db, "the whole ledger is compared");
  tenantdb_close(db);
}

int main(int argc, char **argv) {
  bench_options options = {
      .repetitions = 5, .tenants = 1000, .rounds = 1, .block = 1, .seed = 1, .levels = "role"};
  bench_parse(&options, argc, argv, "One column and one index for every tenant of a fleet.");
  if (options.floors_only)
    return 0; /* each is measured beside its own floor */
  char url[BENCH_URL_MAX], title[128];
  tndb_proxy *proxy = bench_proxy(&options, url);
  PGconn *control = bench_connect(options.url); /* nobody is pinned: parallel work is what is measured */
  make_tenants(control, options.url, options.tenants);
  bench_print_setting(control, &options);
  struct hand hands[] = {{.table = "b1", .lanes = {.connections = 1, .depth = 1}, .bare = true},
                         {.table = "h1", .lanes = {.connections = 1, .depth = 1}},
                         {.table = "h2", .lanes = {.connections = 2, .depth = 1}},
                         {.table = "b4", .lanes = {.connections = 4, .depth = 1}, .bare = true},
                         {.table = "h4", .lanes = {.connections = 4, .depth = 1}},
                         {.table = "h8", .lanes = {.connections = 4, .depth = 4}}};
  struct runner runners[] = {{.table = "l1", .connections = "1", .recycle = "0"},
                             {.table = "l2", .connections = "2", .recycle = "0"},
                             {.table = "l4", .connections = "4", .recycle = "0"},
                             {.table = "l9", .connections = "4", .recycle = "200"}};
  for (int i = 0; i < 6; i++)
    lanes_open(&hands[i].lanes, url, statements, sizeof statements / sizeof *statements);
  for (int i = 0; i < 4; i++)
    runners[i].db = open_with(url, runners[i].recycle);
  const bench_contender contenders[] = {{"H1  by hand, 1 connection", block_hand, &hands[1]},
                                        {"L1  a run, 1 connection", block_library, &runners[0]},
                                        {"B1  by hand, 1 connection, bare", block_hand, &hands[0]},
                                        {"H2  by hand, 2 connections", block_hand, &hands[2]},
                                        {"L2  a run, 2 connections", block_library, &runners[1]},
                                        {"H4  by hand, 4 connections", block_hand, &hands[4]},
                                        {"L4  a run, 4 connections", block_library, &runners[2]},
                                        {"B4  by hand, 4 connections, bare", block_hand, &hands[3]},
                                        {"H4p by hand, 4 tenants queued on each of 4", block_hand, &hands[5]},
                                        {"L4r a run, 4, recycled by default", block_library, &runners[3]}};
  enum { N = sizeof contenders / sizeof *contenders };
  for (int i = 0; i < N; i++) {
    double ignored[1];
    contenders[i].block(contenders[i].user, 1, ignored);
  }
  if (proxy)
    proxy_set_delay(proxy, (int64_t)(options.delay_ms * 500));
  bench_plan plan = {.options = &options,
                     .control = control,
                     .contenders = contenders,
                     .n_contenders = N,
                     .bases = {0, 3, 5},
                     .n_bases = 3,
                     .unit = "ms",
                     .unit_us = 1000};
  snprintf(title, sizeof title, "One column and one index for each of %d tenants", options.tenants);
  bench_run(&plan, title);
  for (int i = 0; i < 6; i++)
    lanes_close(&hands[i].lanes);
  for (int i = 0; i < 4; i++)
    tenantdb_close(runners[i].db);
  if (!proxy && options.tenants >= 1000)
    show_nothing(control, &options);
  free(tenants);
  PQfinish(control);
  proxy_stop(proxy);
  return 0;
}

/* SPDX-License-Identifier: PostgreSQL */
/* One statement over all tenants: the library against hand-written libpq, and against one UNION ALL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "floor.h"
#include "lanes.h"
#include "scopes.h"
#include "standard.h"

enum { ROWS = 5 };

/* The same rows for everybody: five of each tenant. */
#define QUERY "SELECT id, source_text FROM %s%snmt_requests ORDER BY id LIMIT 5"

/* What came, to be compared with what must come. */
struct tally {
  int64_t rows;
  size_t bytes;
};

static void check_tally(const struct tally *tally, int tenants) {
  if (tally->rows != (int64_t)tenants * ROWS || tally->bytes == 0)
    bench_die("%lld rows instead of %d", (long long)tally->rows, tenants * ROWS);
}

/* ---- by hand ---- */

struct hand {
  struct lanes lanes;
  const struct scope *scopes;
  int n_scopes;
  struct tally tally;
  char sql[128];
};

static void hand_open(struct hand *hand, const char *url) {
  const char *const statements[][2] = {
      {"begin", "BEGIN READ ONLY"}, {"commit", "COMMIT"}, {"bind", floor_bind(true)}};
  snprintf(hand->sql, sizeof hand->sql, QUERY, "", "");
  lanes_open(&hand->lanes, url, statements, 3);
}

static bool send_query(void *user, PGconn *conn, int tenant) {
  const struct hand *hand = user;
  const struct scope *scope = &hand->scopes[tenant];
  const char *const bind[] = {scope->path, scope->schema, scope->role};
  return PQsendQueryPrepared(conn, "begin", 0, NULL, NULL, NULL, 0) &&
         PQsendQueryPrepared(conn, "bind", 3, bind, NULL, NULL, 0) &&
         PQsendQueryParams(conn, hand->sql, 0, NULL, NULL, NULL, NULL, 0) &&
         PQsendQueryPrepared(conn, "commit", 0, NULL, NULL, NULL, 0);
}

/* Of BEGIN, bind, query, COMMIT the third has the rows. */
static void see_rows(void *user, const struct lane *lane, PGresult *result) {
  struct hand *hand = user;
  if (lane->place != 2)
    return;
  bench_expect(lane->conn, result, PGRES_TUPLES_OK, "the query");
  for (int row = 0; row < PQntuples(result); row++) {
    floor_check_text(&hand->scopes[lane->sent[0]], PQgetvalue(result, row, 1));
    hand->tally.bytes += (size_t)PQgetlength(result, row, 0) + (size_t)PQgetlength(result, row, 1);
  }
  hand->tally.rows += PQntuples(result);
}

static void block_hand(void *user, int n, double *microseconds) {
  struct hand *hand = user;
  const struct lanes_work work = {send_query, see_rows, hand};
  for (int i = 0; i < n; i++) {
    hand->tally = (struct tally){0, 0};
    double before = bench_now_us();
    lanes_run(&hand->lanes, &work, hand->n_scopes);
    microseconds[i] = bench_now_us() - before;
    check_tally(&hand->tally, hand->n_scopes);
  }
}

/* ---- one text ---- */

struct unioned {
  PGconn *conn;
  char *sql;
  int n_scopes;
};

static void union_open(struct unioned *all, const char *url, const struct scope *scopes, int n) {
  size_t size = (size_t)n * 400, used = 0;
  all->conn = bench_connect(url);
  all->n_scopes = n;
  all->sql = malloc(size);
  if (!all->sql)
    bench_die("out of memory");
  for (int i = 0; i < n; i++) {
    char schema[80];
    snprintf(schema, sizeof schema, "\"%s\"", scopes[i].schema);
    used +=
        (size_t)snprintf(all->sql + used, size - used, "%s(SELECT '%s' AS tenant, * FROM (" QUERY ") q%d)",
                         i ? " UNION ALL " : "", scopes[i].slug, schema, ".", i);
    if (used >= size)
      bench_die("the text does not fit");
  }
}

static void block_union(void *user, int n, double *microseconds) {
  struct unioned *all = user;
  for (int i = 0; i < n; i++) {
    struct tally tally = {0, 0};
    double before = bench_now_us();
    PGresult *result = PQexecParams(all->conn, all->sql, 0, NULL, NULL, NULL, NULL, 0);
    bench_expect(all->conn, result, PGRES_TUPLES_OK, "UNION ALL");
    for (int row = 0; row < PQntuples(result); row++)
      tally.bytes += (size_t)PQgetlength(result, row, 1) + (size_t)PQgetlength(result, row, 2);
    tally.rows = PQntuples(result);
    PQclear(result);
    microseconds[i] = bench_now_us() - before;
    check_tally(&tally, all->n_scopes);
  }
}

/* ---- the library ---- */

struct asker {
  tenantdb *db;
  tenantdb_fleet_options *options;
  char sql[128];
  int n_scopes;
};

static void asker_open(struct asker *asker, const char *url, const char *recycle, const char *connections,
                       const char *order, const char *prefix) {
  const char *const settings[][2] = {
      {"database.url", url}, {"isolation.level", "role"}, {"pool.recycle_tenants", recycle}};
  tenantdb_error *error = NULL;
  tenantdb_config *config = tenantdb_config_new();
  tenantdb_registry *registry = standard_registry();
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
    bench_check(tenantdb_config_set(config, settings[i][0], settings[i][1], &error), error, settings[i][0]);
  bench_check(tenantdb_open(config, registry, &asker->db, &error), error, "open");
  tenantdb_config_free(config);
  tenantdb_registry_free(registry);
  asker->options = tenantdb_fleet_options_new();
  tenantdb_fleet_options_set(asker->options, "connections", connections);
  tenantdb_fleet_options_set(asker->options, "order", order);
  tenantdb_fleet_options_set(asker->options, "selector", prefix);
  snprintf(asker->sql, sizeof asker->sql, QUERY, "", "");
}

static void asker_close(struct asker *asker) {
  tenantdb_fleet_options_free(asker->options);
  tenantdb_close(asker->db);
}

static void block_library(void *user, int n, double *microseconds) {
  struct asker *asker = user;
  tenantdb_error *error = NULL;
  for (int i = 0; i < n; i++) {
    struct tally tally = {0, 0};
    tenantdb_result *rows = NULL;
    double before = bench_now_us();
    bench_check(tenantdb_fleet_query(asker->db, asker->sql, NULL, asker->options, &rows, &error), error,
                "fleet query");
    for (int32_t more = 1; more;) {
      bench_check(tenantdb_result_next(rows, &more, &error), error, "next");
      for (int32_t row = 0; row < tenantdb_result_rows(rows); row++)
        tally.bytes += tenantdb_result_length(rows, row, 1) + tenantdb_result_length(rows, row, 2);
      tally.rows += tenantdb_result_rows(rows);
    }
    tenantdb_result_free(rows);
    microseconds[i] = bench_now_us() - before;
    check_tally(&tally, asker->n_scopes);
  }
}

/* ---- all of them ---- */

static void warm(const bench_contender *contenders, int n) {
  for (int i = 0; i < n; i++) {
    double ignored[2];
    contenders[i].block(contenders[i].user, 2, ignored);
  }
}

int main(int argc, char **argv) {
  bench_options options = {
      .repetitions = 5, .tenants = 1000, .rounds = 3, .block = 1, .seed = 1, .levels = "role"};
  bench_parse(&options, argc, argv, "One statement over all tenants.");
  char url[BENCH_URL_MAX], prefix[128];
  if (options.floors_only)
    return 0; /* each is measured beside its own floor */
  tndb_proxy *proxy = bench_proxy(&options, url);
  PGconn *control = bench_connect(options.url); /* nobody is pinned: parallel work is what is measured */
  struct scope *scopes = scopes_make(control, &options, "fleet");
  snprintf(prefix, sizeof prefix, "slug^='%.*s'", (int)(strrchr(scopes[0].slug, '-') - scopes[0].slug + 1),
           scopes[0].slug);
  bench_print_setting(control, &options);
  struct hand one = {.lanes = {.connections = 1, .depth = 1}, .scopes = scopes, .n_scopes = options.tenants};
  struct hand four = {.lanes = {.connections = 4, .depth = 1}, .scopes = scopes, .n_scopes = options.tenants};
  struct hand queued = {
      .lanes = {.connections = 4, .depth = 8}, .scopes = scopes, .n_scopes = options.tenants};
  struct unioned all;
  struct asker askers[4] = {{.n_scopes = options.tenants},
                            {.n_scopes = options.tenants},
                            {.n_scopes = options.tenants},
                            {.n_scopes = options.tenants}};
  hand_open(&one, url);
  hand_open(&four, url);
  hand_open(&queued, url);
  union_open(&all, url, scopes, options.tenants);
  asker_open(&askers[0], url, "0", "1", "tenant", prefix);
  asker_open(&askers[1], url, "0", "4", "tenant", prefix);
  asker_open(&askers[2], url, "0", "4", "any", prefix);
  asker_open(&askers[3], url, "200", "4", "any", prefix);
  const bench_contender contenders[] = {
      {"H1  by hand, 1 connection, one after the other", block_hand, &one},
      {"H4  by hand, 4 connections, polled", block_hand, &four},
      {"H4p the same, 8 tenants queued on each", block_hand, &queued},
      {"U   one UNION ALL, as superuser", block_union, &all},
      {"L1  fleet query, 1 connection", block_library, &askers[0]},
      {"L4t fleet query, 4 connections, by tenant", block_library, &askers[1]},
      {"L4  fleet query, 4 connections, any order", block_library, &askers[2]},
      {"L4r the same, connections recycled by default", block_library, &askers[3]}};
  enum { N = sizeof contenders / sizeof *contenders };
  warm(contenders, N);
  if (proxy)
    proxy_set_delay(proxy, (int64_t)(options.delay_ms * 500));
  bench_plan plan = {.options = &options,
                     .control = control,
                     .contenders = contenders,
                     .n_contenders = N,
                     .bases = {0, 1},
                     .n_bases = 2,
                     .unit = "ms",
                     .unit_us = 1000};
  char title[128];
  snprintf(title, sizeof title, "Five rows of each of %d tenants, level role", options.tenants);
  bench_run(&plan, title);
  lanes_close(&one.lanes);
  lanes_close(&four.lanes);
  lanes_close(&queued.lanes);
  PQfinish(all.conn);
  free(all.sql);
  for (int i = 0; i < 4; i++)
    asker_close(&askers[i]);
  free(scopes);
  PQfinish(control);
  proxy_stop(proxy);
  return 0;
}

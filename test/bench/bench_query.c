/* SPDX-License-Identifier: PostgreSQL */
/* One row by its primary key in the scope of one of many tenants: the library against raw libpq. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "floor.h"
#include "scopes.h"
#include "standard.h"

/* What one contender is given. */
struct asker {
  const char *url;
  tenantdb *db;
  floor_conn floor;
  const struct scope *scopes;
  int n_scopes;
  uint64_t random;
  int in_turn;     /* the next tenant, while all are warmed in turn; -1 at random */
  bool one_tenant; /* the same tenant for a block */
};

static int next_tenant(struct asker *asker) {
  if (asker->in_turn >= 0)
    return asker->in_turn++ % asker->n_scopes;
  return (int)(bench_random(&asker->random) % (uint64_t)asker->n_scopes);
}

static void next_row(struct asker *asker, char id[FLOOR_UUID]) {
  floor_row_id((int)(bench_random(&asker->random) % FLOOR_ROWS), id);
}

/* ---- contenders ---- */

static void block_floor(void *user, int n, double *microseconds) {
  struct asker *asker = user;
  char id[FLOOR_UUID];
  int tenant = next_tenant(asker);
  for (int i = 0; i < n; i++) {
    next_row(asker, id);
    double before = bench_now_us();
    floor_run(&asker->floor, tenant, id);
    microseconds[i] = bench_now_us() - before;
    if (!asker->one_tenant)
      tenant = next_tenant(asker);
  }
}

static tenantdb_session *open_session(const struct asker *asker, int tenant) {
  tenantdb_error *error = NULL;
  tenantdb_session *session = NULL;
  bench_check(tenantdb_session_open(asker->db, asker->scopes[tenant].slug, NULL, &session, &error), error,
              "session");
  return session;
}

static void ask(const struct asker *asker, tenantdb_session *session, int tenant, const char *id) {
  tenantdb_error *error = NULL;
  tenantdb_result *result = NULL;
  bench_check(tenantdb_session_query_text(session, floor_query(), 1, &id, &result, &error), error, "query");
  if (tenantdb_result_rows(result) != 1)
    bench_die("%d rows instead of one", (int)tenantdb_result_rows(result));
  floor_check_text(&asker->scopes[tenant], tenantdb_result_value(result, 0, 0));
  tenantdb_result_free(result);
}

/* The unit of work of a server that answers requests: open, query, close. */
static void block_open_query_close(void *user, int n, double *microseconds) {
  struct asker *asker = user;
  char id[FLOOR_UUID];
  for (int i = 0; i < n; i++) {
    int tenant = next_tenant(asker);
    next_row(asker, id);
    double before = bench_now_us();
    tenantdb_session *session = open_session(asker, tenant);
    ask(asker, session, tenant, id);
    tenantdb_session_close(session);
    microseconds[i] = bench_now_us() - before;
  }
}

static void block_session(void *user, int n, double *microseconds) {
  struct asker *asker = user;
  char id[FLOOR_UUID];
  int tenant = next_tenant(asker);
  tenantdb_session *session = open_session(asker, tenant);
  for (int i = 0; i < n; i++) {
    next_row(asker, id);
    double before = bench_now_us();
    ask(asker, session, tenant, id);
    microseconds[i] = bench_now_us() - before;
  }
  tenantdb_session_close(session);
}

/* ---- a level ---- */

enum { QUALIFIED, PREPARED, UNPREPARED, PREPARED_ONE, N_FLOORS, LIBRARY = N_FLOORS, LIBRARY_ONE, N_ALL };

/*
 * Every tenant often enough that the server has settled on its generic plan
 * (from the sixth run) and all caches are as full as they get.
 */
static void warm(const bench_contender *contender, struct asker *asker) {
  enum { TIMES = 7 };
  double *ignored = calloc((size_t)asker->n_scopes, sizeof *ignored);
  if (!ignored)
    bench_die("out of memory");
  for (int i = 0; i < TIMES * asker->n_scopes; i++) {
    asker->in_turn = i;
    contender->block(asker, 1, ignored);
  }
  asker->in_turn = -1;
  free(ignored);
}

static int64_t count_round_trips(void *user) {
  return proxy_count(user).flushes;
}

static void run_level(const bench_options *options, PGconn *control, const struct scope *scopes,
                      const char *level, tndb_proxy *proxy, const char *url) {
  static const floor_form forms[N_FLOORS] = {FLOOR_QUALIFIED, FLOOR_PREPARED, FLOOR_UNPREPARED,
                                             FLOOR_PREPARED};
  static const char *const names[N_ALL] = {
      "A   qualified, prepared, held connection", "B   flush by hand, prepared",
      "C   flush by hand, nothing prepared",      "B1  as B, one tenant a block",
      "D   library: open, query, close",          "E   library: one session a block"};
  static struct asker askers[N_ALL];
  bench_contender contenders[N_ALL];
  tenantdb *db = NULL;
  if (!options->floors_only) {
    tenantdb_registry *registry = standard_registry();
    db = bench_open(url, registry, level);
    tenantdb_registry_free(registry);
    if (strcmp(level, "login") == 0) { /* the tenants were made at level role: they get their logins */
      tenantdb_error *error = NULL;
      bench_check(tenantdb_reconcile(db, NULL, &error), error, "reconcile");
    }
  }
  int n = options->floors_only ? (int)N_FLOORS : (int)N_ALL;
  for (int i = 0; i < n; i++) {
    askers[i] = (struct asker){.url = url,
                               .db = db,
                               .scopes = scopes,
                               .n_scopes = options->tenants,
                               .random = options->seed, /* the same tenants and rows for everybody */
                               .one_tenant = i == PREPARED_ONE};
    contenders[i] = (bench_contender){names[i],
                                      i < N_FLOORS   ? block_floor
                                      : i == LIBRARY ? block_open_query_close
                                                     : block_session,
                                      &askers[i]};
    if (i < N_FLOORS) {
      askers[i].floor = (floor_conn){.form = forms[i],
                                     .role = strcmp(level, "routing") != 0,
                                     .scopes = scopes,
                                     .n_scopes = options->tenants};
      floor_open(&askers[i].floor, url);
    }
  }
  bench_pin_backends(control);
  for (int i = 0; i < n; i++)
    warm(&contenders[i], &askers[i]);
  bench_pin_backends(control); /* at level login every tenant has one of his own by now */
  if (proxy)
    proxy_set_delay(proxy, (int64_t)(options->delay_ms * 500));
  bench_plan plan = {.options = options,
                     .control = control,
                     .contenders = contenders,
                     .n_contenders = n,
                     .bases = {QUALIFIED, PREPARED, UNPREPARED, PREPARED_ONE},
                     .n_bases = 4,
                     .unit = "us p50",
                     .unit_us = 1,
                     .round_trips = proxy ? count_round_trips : NULL,
                     .round_trips_user = proxy};
  char title[128];
  snprintf(title, sizeof title, "One row by primary key, %d tenants, level %s", options->tenants, level);
  bench_run(&plan, title);
  if (proxy)
    proxy_set_delay(proxy, 0);
  for (int i = 0; i < N_FLOORS; i++)
    floor_close(&askers[i].floor);
  tenantdb_close(db);
}

int main(int argc, char **argv) {
  bench_options options = {
      .repetitions = 7, .tenants = 200, .rounds = 40, .block = 50, .seed = 1, .levels = "routing,role"};
  bench_parse(&options, argc, argv, "Queries one row of a random one of --tenants tenants.");
  char url[BENCH_URL_MAX];
  tndb_proxy *proxy = bench_proxy(&options, url);
  bench_pin_self();
  PGconn *control = bench_connect(options.url);
  struct scope *scopes = scopes_make(control, &options, "query");
  bench_pin_backends(control);
  bench_print_setting(control, &options);
  if (strstr(options.levels, "routing"))
    run_level(&options, control, scopes, "routing", proxy, url);
  if (strstr(options.levels, "role"))
    run_level(&options, control, scopes, "role", proxy, url);
  if (strstr(options.levels, "login"))
    run_level(&options, control, scopes, "login", proxy, url);
  free(scopes);
  PQfinish(control);
  proxy_stop(proxy);
  return 0;
}

/* SPDX-License-Identifier: PostgreSQL */
/* Transactions, batches, streams and rendering: the library against raw libpq. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "floor.h"
#include "scopes.h"
#include "standard.h"

enum { QUERIES = 3, BATCH = 10, RENDERS = 1000 };

/* What one contender is given. */
struct asker {
  tenantdb *db;
  tenantdb_session *session; /* of the block under way */
  floor_conn floor;
  const struct scope *scopes;
  int n_scopes;
  int tenant;
  int n;           /* queries of a transaction or batch */
  const char *sql; /* of a stream */
  uint64_t random;
};

static void pick(struct asker *asker, char ids[BATCH][FLOOR_UUID], const char *values[BATCH]) {
  for (int i = 0; i < asker->n; i++) {
    floor_row_id((int)(bench_random(&asker->random) % FLOOR_ROWS), ids[i]);
    values[i] = ids[i];
  }
}

/* One tenant a block, the same for everybody. */
static void next_tenant(struct asker *asker) {
  asker->tenant = (int)(bench_random(&asker->random) % (uint64_t)asker->n_scopes);
}

static void open_session(struct asker *asker) {
  tenantdb_error *error = NULL;
  next_tenant(asker);
  bench_check(
      tenantdb_session_open(asker->db, asker->scopes[asker->tenant].slug, NULL, &asker->session, &error),
      error, "session");
}

static void check(const struct asker *asker, tenantdb_result *result) {
  if (tenantdb_result_rows(result) != 1)
    bench_die("%d rows instead of one", (int)tenantdb_result_rows(result));
  floor_check_text(&asker->scopes[asker->tenant], tenantdb_result_value(result, 0, 0));
  tenantdb_result_free(result);
}

/* ---- a transaction of three queries ---- */

static void block_transaction_floor(void *user, int n, double *microseconds) {
  struct asker *asker = user;
  char ids[BATCH][FLOOR_UUID];
  const char *values[BATCH];
  next_tenant(asker);
  for (int i = 0; i < n; i++) {
    pick(asker, ids, values);
    double before = bench_now_us();
    floor_transaction(&asker->floor, asker->tenant, values, asker->n);
    microseconds[i] = bench_now_us() - before;
  }
}

static void block_transaction(void *user, int n, double *microseconds) {
  struct asker *asker = user;
  char ids[BATCH][FLOOR_UUID];
  const char *values[BATCH];
  tenantdb_error *error = NULL;
  open_session(asker);
  for (int i = 0; i < n; i++) {
    pick(asker, ids, values);
    double before = bench_now_us();
    bench_check(tenantdb_session_begin(asker->session, NULL, &error), error, "begin");
    for (int k = 0; k < asker->n; k++) {
      tenantdb_result *result = NULL;
      bench_check(tenantdb_session_query_text(asker->session, floor_query(), 1, &values[k], &result, &error),
                  error, "query");
      check(asker, result);
    }
    bench_check(tenantdb_session_commit(asker->session, &error), error, "commit");
    microseconds[i] = bench_now_us() - before;
  }
  tenantdb_session_close(asker->session);
}

/* ---- a batch of ten ---- */

static void block_batch_floor(void *user, int n, double *microseconds) {
  struct asker *asker = user;
  char ids[BATCH][FLOOR_UUID];
  const char *values[BATCH];
  next_tenant(asker);
  for (int i = 0; i < n; i++) {
    pick(asker, ids, values);
    double before = bench_now_us();
    floor_batch(&asker->floor, asker->tenant, values, asker->n);
    microseconds[i] = bench_now_us() - before;
  }
}

static void run_batch(struct asker *asker, const char *const *values) {
  tenantdb_error *error = NULL;
  tenantdb_batch *batch = tenantdb_batch_new();
  tenantdb_params *params = tenantdb_params_new();
  for (int k = 0; k < asker->n; k++) {
    tenantdb_params_clear(params);
    tenantdb_params_text(params, values[k]);
    tenantdb_batch_add(batch, floor_query(), params);
  }
  bench_check(tenantdb_session_batch(asker->session, batch, &error), error, "batch");
  for (int k = 0; k < asker->n; k++) {
    tenantdb_result *result = NULL;
    bench_check(tenantdb_batch_result(batch, k, &result, &error), error, "result");
    check(asker, result);
  }
  tenantdb_params_free(params);
  tenantdb_batch_free(batch);
}

static void block_batch(void *user, int n, double *microseconds) {
  struct asker *asker = user;
  char ids[BATCH][FLOOR_UUID];
  const char *values[BATCH];
  open_session(asker);
  for (int i = 0; i < n; i++) {
    pick(asker, ids, values);
    double before = bench_now_us();
    run_batch(asker, values);
    microseconds[i] = bench_now_us() - before;
  }
  tenantdb_session_close(asker->session);
}

/* ---- a stream ---- */

#define STREAM_ROWS 50000

static void block_stream_floor(void *user, int n, double *microseconds) {
  struct asker *asker = user;
  next_tenant(asker);
  for (int i = 0; i < n; i++) {
    double before = bench_now_us();
    if (floor_stream(&asker->floor, asker->tenant, asker->sql) != STREAM_ROWS)
      bench_die("not all rows of the stream");
    microseconds[i] = bench_now_us() - before;
  }
}

static void block_stream(void *user, int n, double *microseconds) {
  struct asker *asker = user;
  tenantdb_error *error = NULL;
  open_session(asker);
  for (int i = 0; i < n; i++) {
    double before = bench_now_us();
    tenantdb_result *stream = NULL;
    int64_t rows = 0;
    size_t bytes = 0;
    bench_check(tenantdb_session_stream(asker->session, asker->sql, NULL, &stream, &error), error, "stream");
    for (int32_t more = 1; more;) {
      bench_check(tenantdb_result_next(stream, &more, &error), error, "next");
      for (int32_t row = 0; row < tenantdb_result_rows(stream); row++, rows++)
        bytes += tenantdb_result_length(stream, row, 1);
    }
    tenantdb_result_free(stream);
    if (rows != STREAM_ROWS || bytes == 0)
      bench_die("not all rows of the stream");
    microseconds[i] = bench_now_us() - before;
  }
  tenantdb_session_close(asker->session);
}

/* ---- rendering ---- */

struct renderer {
  tenantdb_statement *statement;
  const char *schema;
  char text[2048];
  size_t length;
  char buffer[2048];
};

/* A copy that the compiler may not leave out or merge with the next. */
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;

static void block_memcpy(void *user, int n, double *microseconds) {
  struct renderer *renderer = user;
  for (int i = 0; i < n; i++) {
    double before = bench_now_us();
    for (int k = 0; k < RENDERS; k++)
      (void)copy(renderer->buffer, renderer->text, renderer->length + 1);
    microseconds[i] = bench_now_us() - before;
  }
}

static void block_render(void *user, int n, double *microseconds) {
  struct renderer *renderer = user;
  size_t length = 0;
  for (int i = 0; i < n; i++) {
    double before = bench_now_us();
    for (int k = 0; k < RENDERS; k++)
      (void)tenantdb_statement_render(renderer->statement, renderer->schema, "public", renderer->buffer,
                                      sizeof renderer->buffer, &length, NULL);
    microseconds[i] = bench_now_us() - before;
    if (length != renderer->length)
      bench_die("rendered %zu bytes instead of %zu", length, renderer->length);
  }
}

static void run_rendering(const bench_options *options, PGconn *control) {
  static const char *const templates[][2] = {
      {"one table, a short statement", "SELECT source_text, status FROM {nmt_requests} WHERE id = $1"},
      {"four tables, a long one",
       "SELECT r.id, r.user_id, r.model, r.source_language, r.target_language, r.source_text, r.status, "
       "t.id, "
       "t.status, a.id, a.status FROM {nmt_requests} r LEFT JOIN {tts_requests} t ON t.user_id = r.user_id "
       "AND "
       "t.status = r.status LEFT JOIN {asr_requests} a ON a.user_id = r.user_id AND a.status <> 'failed' "
       "WHERE "
       "r.id = $1 AND r.user_id = $2 AND EXISTS (SELECT 1 FROM {nmt_requests} x WHERE x.user_id = r.user_id "
       "AND x.status = 'done' AND x.source_language = r.source_language) ORDER BY r.id, t.id, a.id LIMIT "
       "100"},
  };
  tenantdb_registry *registry = standard_registry();
  for (size_t i = 0; i < sizeof templates / sizeof templates[0]; i++) {
    tenantdb_error *error = NULL;
    static struct renderer renderer;
    renderer = (struct renderer){.schema = "tenant_acme_corp_5d448a"};
    bench_check(tenantdb_statement_new(registry, templates[i][1], &renderer.statement, &error), error,
                "statement");
    bench_check(tenantdb_statement_render(renderer.statement, renderer.schema, "public", renderer.text,
                                          sizeof renderer.text, &renderer.length, &error),
                error, "render");
    const bench_contender contenders[] = {{"F   memcpy of the finished text", block_memcpy, &renderer},
                                          {"L   tenantdb_statement_render", block_render, &renderer}};
    bench_plan plan = {.options = options,
                       .control = control,
                       .contenders = contenders,
                       .n_contenders = 2,
                       .bases = {0},
                       .n_bases = 1,
                       .unit = "ns p50",
                       .unit_us = RENDERS / 1e3};
    char title[128];
    snprintf(title, sizeof title, "Rendering a statement: %s, %zu bytes", templates[i][0], renderer.length);
    bench_run(&plan, title);
    tenantdb_statement_free(renderer.statement);
  }
  tenantdb_registry_free(registry);
}

/* ---- all of them ---- */

static int64_t count_round_trips(void *user) {
  return proxy_count(user).flushes;
}

struct work {
  const char *title;
  void (*floor)(void *user, int n, double *microseconds);
  void (*library)(void *user, int n, double *microseconds);
  int n;
  int divide_rounds; /* it takes longer: fewer of it */
};

/* Everybody so often that the server has settled on its plans. */
static void warm(const bench_contender *contender) {
  double ignored[8];
  for (int i = 0; i < 40; i++)
    contender->block(contender->user, 8, ignored);
}

static void run_work(const bench_options *given, PGconn *control, const struct scope *scopes,
                     const char *level, tndb_proxy *proxy, const char *url, const struct work *work) {
  static struct asker askers[2];
  bench_options options = *given;
  tenantdb_registry *registry = standard_registry();
  tenantdb *db = bench_open(url, registry, level);
  tenantdb_registry_free(registry);
  const bench_contender contenders[] = {{"F   by hand", work->floor, &askers[0]},
                                        {"L   library", work->library, &askers[1]}};
  for (int i = 0; i < 2; i++) {
    askers[i] = (struct asker){
        .db = db,
        .scopes = scopes,
        .n_scopes = options.tenants,
        .n = work->n,
        .sql = "SELECT i, 'a row of a stream that has some length ' || i FROM generate_series(1, 50000) i",
        .random = options.seed};
  }
  askers[0].floor = (floor_conn){.form = FLOOR_PREPARED,
                                 .role = strcmp(level, "role") == 0,
                                 .scopes = scopes,
                                 .n_scopes = options.tenants};
  floor_open(&askers[0].floor, url);
  bench_pin_backends(control);
  if (work->divide_rounds > 1) {
    options.rounds = options.rounds / work->divide_rounds > 0 ? options.rounds / work->divide_rounds : 1;
    options.block = 2;
  } else {
    warm(&contenders[0]);
    warm(&contenders[1]);
  }
  if (proxy)
    proxy_set_delay(proxy, (int64_t)(options.delay_ms * 500));
  bench_plan plan = {.options = &options,
                     .control = control,
                     .contenders = contenders,
                     .n_contenders = 2,
                     .bases = {0},
                     .n_bases = 1,
                     .unit = "us p50",
                     .unit_us = 1,
                     .round_trips = proxy ? count_round_trips : NULL,
                     .round_trips_user = proxy};
  char title[128];
  snprintf(title, sizeof title, "%s, level %s", work->title, level);
  bench_run(&plan, title);
  if (proxy)
    proxy_set_delay(proxy, 0);
  floor_close(&askers[0].floor);
  tenantdb_close(db);
}

int main(int argc, char **argv) {
  static const struct work works[] = {
      {"A transaction of 3 queries", block_transaction_floor, block_transaction, QUERIES, 1},
      {"A batch of 10 queries", block_batch_floor, block_batch, BATCH, 1},
      {"A stream of 50,000 rows", block_stream_floor, block_stream, 0, 8},
  };
  bench_options options = {
      .repetitions = 7, .tenants = 20, .rounds = 40, .block = 50, .seed = 1, .levels = "routing,role"};
  bench_parse(&options, argc, argv, "Transactions, batches, streams and rendering.");
  char url[BENCH_URL_MAX];
  if (options.floors_only)
    return 0; /* each is measured beside its own floor */
  tndb_proxy *proxy = bench_proxy(&options, url);
  bench_pin_self();
  PGconn *control = bench_connect(options.url);
  struct scope *scopes = scopes_make(control, &options, "session");
  bench_pin_backends(control);
  bench_print_setting(control, &options);
  for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
    if (strstr(options.levels, "routing"))
      run_work(&options, control, scopes, "routing", proxy, url, &works[i]);
    if (strstr(options.levels, "role"))
      run_work(&options, control, scopes, "role", proxy, url, &works[i]);
  }
  if (!proxy)
    run_rendering(&options, control);
  free(scopes);
  PQfinish(control);
  proxy_stop(proxy);
  return 0;
}

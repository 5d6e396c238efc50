/* SPDX-License-Identifier: PostgreSQL */
/*
 * Sixty-four threads on one database handle with eight connections, doing
 * whatever can be done with it: nobody sees another tenant's rows, nothing fails
 * that was not cancelled, and at the end nothing is lent and nobody waits.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <tenantdb/fleet.h>
#include <tenantdb/operate.h>

#include "base/memory.h"
#include "catalog/database.h"
#include "fixture.h"

enum { THREADS = 64, TENANTS = 12, CONNECTIONS = 8 };

static const char *url;
static tenantdb *db;
static tenantdb_registry *registry;
static tenantdb_statement *statement; /* one for all threads: it is read-only */
static tenantdb_error *error;
static int64_t until;
static atomic_bool strange;
static atomic_llong cancelled;

/* The session a thread works with, for others to cancel. */
typedef struct worker {
  pthread_t thread;
  pthread_mutex_t mutex;
  tenantdb_session *session;
  unsigned seed;
  int number;
  long long calls;
} worker;

static worker workers[THREADS];

static void name_of(char name[24], int tenant) {
  snprintf(name, 24, "tenant-%d", tenant);
}

static int setup(void **state) {
  (void)state;
  url = harness_database();
  registry = fixture_registry();
  tenantdb_config *config = fixture_config(
      url, FIXTURE_OPTIONS("pool.size", "6", "pool.overflow", "2", "pool.tenant_connections", "4",
                           "pool.timeout", "2min", "pool.recycle_tenants", "8", "statement.cache", "16",
                           "events.queue", "64", "pool.minimum", "2", "database.pooler", "none"));
  harness_assert_ok(tenantdb_open(config, registry, &db, &error), error);
  tenantdb_config_free(config);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  harness_assert_ok(
      tenantdb_statement_new(registry, "SELECT min(body), max(body) FROM {notes} WHERE id <= $1", &statement,
                             &error),
      error);
  for (int i = 0; i < TENANTS; i++) {
    char name[24], sql[100];
    name_of(name, i);
    tenantdb_tenant_free(fixture_tenant(db, name));
    tenantdb_session *session = fixture_session(db, name);
    snprintf(sql, sizeof sql, "INSERT INTO notes (body) SELECT '%s' FROM generate_series(1, 500)", name);
    fixture_run(session, sql);
    tenantdb_session_close(session);
  }
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  tenantdb_statement_free(statement);
  tenantdb_registry_free(registry);
  harness_drop_database(url);
  return 0;
}

/* ---------------------------------------------------------------- what an answer may be */

static void report(const char *what, tenantdb_status status, const tenantdb_error *failure) {
  if (!atomic_exchange(&strange, true)) {
    print_error("%s: %s, %s: %s\n", what, tenantdb_status_name(status),
                tenantdb_reason_name(tenantdb_error_reason(failure)), tenantdb_error_message(failure));
  }
}

/* True: it succeeded. A session's call may have been cancelled, and its transaction have failed by that. */
static bool took(const char *what, tenantdb_status status, tenantdb_error **error_of, bool of_session) {
  tenantdb_error *failure = *error_of;
  int32_t reason = tenantdb_error_reason(failure);
  if (status == TENANTDB_CANCELLED && of_session) {
    atomic_fetch_add(&cancelled, 1);
  } else if (status && !(of_session && reason == TENANTDB_REASON_TRANSACTION_FAILED)) {
    report(what, status, failure);
  }
  tenantdb_error_free(failure);
  *error_of = NULL;
  return status == TENANTDB_OK;
}

static void check_marker(const char *what, const tenantdb_result *rows, int32_t column, const char *name) {
  for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
    const char *value = tenantdb_result_value(rows, i, column);
    if (value && strcmp(value, name) != 0) {
      print_error("%s: %s reads %s\n", what, name, value);
      atomic_store(&strange, true);
    }
  }
}

/* ---------------------------------------------------------------- a session's work */

static void run_query(tenantdb_session *session, const char *name) {
  tenantdb_result *rows = NULL;
  tenantdb_error *failure = NULL;
  tenantdb_status status =
      tenantdb_session_query(session, "SELECT body FROM notes ORDER BY id LIMIT 20", NULL, &rows, &failure);
  if (took("query", status, &failure, true)) {
    check_marker("query", rows, 0, name);
  }
  tenantdb_result_free(rows);
}

static void run_statement(tenantdb_session *session, const char *name) {
  tenantdb_result *rows = NULL;
  tenantdb_error *failure = NULL;
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_int64(params, 300);
  if (took("statement", tenantdb_session_run(session, statement, params, &rows, &failure), &failure, true)) {
    check_marker("statement", rows, 0, name);
    check_marker("statement", rows, 1, name);
  }
  tenantdb_params_free(params);
  tenantdb_result_free(rows);
}

static void run_transaction(tenantdb_session *session, const char *name, bool commits) {
  tenantdb_result *rows = NULL;
  tenantdb_error *failure = NULL;
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_text(params, name);
  bool open = took("begin", tenantdb_session_begin(session, NULL, &failure), &failure, true);
  bool done = open && took("insert",
                           tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ($1)", params,
                                                  NULL, &failure),
                           &failure, true);
  if (done && took("select",
                   tenantdb_session_query(session, "SELECT DISTINCT body FROM notes", NULL, &rows, &failure),
                   &failure, true)) {
    check_marker("transaction", rows, 0, name);
  }
  if (open) {
    (void)took(
        "end",
        commits ? tenantdb_session_commit(session, &failure) : tenantdb_session_rollback(session, &failure),
        &failure, true);
  }
  tenantdb_params_free(params);
  tenantdb_result_free(rows);
}

static void run_stream(tenantdb_session *session, const char *name, int32_t parts) {
  tenantdb_result *rows = NULL;
  tenantdb_error *failure = NULL;
  int32_t more = 1;
  bool open = took("stream",
                   tenantdb_session_stream(session, "SELECT a.body FROM notes a, generate_series(1, 5)", NULL,
                                           &rows, &failure),
                   &failure, true);
  for (int32_t i = 0; open && more && i < parts; i++) {
    open = took("next", tenantdb_result_next(rows, &more, &failure), &failure, true);
    check_marker("stream", rows, 0, name);
  }
  tenantdb_result_free(rows);
}

static void run_slow(tenantdb_session *session, const char *name) {
  tenantdb_error *failure = NULL;
  (void)name;
  (void)took("slow", tenantdb_session_query(session, "SELECT pg_sleep(0.02)", NULL, NULL, &failure), &failure,
             true);
}

static void run_batch(tenantdb_session *session, const char *name) {
  tenantdb_result *rows = NULL;
  tenantdb_error *failure = NULL;
  tenantdb_batch *batch = tenantdb_batch_new();
  tenantdb_batch_add(batch, "SELECT body FROM notes LIMIT 3", NULL);
  tenantdb_batch_add(batch, "INSERT INTO items (n) VALUES (1)", NULL);
  if (took("batch", tenantdb_session_batch(session, batch, &failure), &failure, true)) {
    (void)tenantdb_batch_result(batch, 0, &rows, NULL);
    check_marker("batch", rows, 0, name);
  }
  tenantdb_result_free(rows);
  tenantdb_batch_free(batch);
}

/* The session is shown to the other threads, and hidden before it is closed. */
static void show(worker *self, tenantdb_session *session) {
  pthread_mutex_lock(&self->mutex);
  self->session = session;
  pthread_mutex_unlock(&self->mutex);
}

static void work_in_session(worker *self) {
  char name[24];
  tenantdb_session *session = NULL;
  tenantdb_error *failure = NULL;
  name_of(name, (int)fixture_random(&self->seed, TENANTS));
  if (!took("open", tenantdb_session_open(db, name, NULL, &session, &failure), &failure, false)) {
    return;
  }
  show(self, session);
  for (unsigned n = 1 + fixture_random(&self->seed, 3); n > 0; n--) {
    unsigned what = fixture_random(&self->seed, 14);
    what < 4    ? run_query(session, name)
    : what < 6  ? run_statement(session, name)
    : what < 8  ? run_transaction(session, name, what == 6)
    : what < 10 ? run_stream(session, name, (int32_t)fixture_random(&self->seed, 15))
    : what < 13 ? run_slow(session, name)
                : run_batch(session, name);
    self->calls++;
  }
  show(self, NULL);
  tenantdb_session_close(session);
}

/* ---------------------------------------------------------------- everything else */

static void cancel_another(worker *self) {
  tenantdb_error *failure = NULL;
  tenantdb_status status = TENANTDB_OK;
  bool asked = false;
  for (int i = 0; i < THREADS && !asked; i++) { /* most of them wait for a connection */
    worker *other = &workers[fixture_random(&self->seed, THREADS)];
    pthread_mutex_lock(&other->mutex);
    asked = other->session != NULL;
    if (asked) {
      status = tenantdb_session_cancel(other->session, &failure);
    }
    pthread_mutex_unlock(&other->mutex);
  }
  (void)took("cancel", status, &failure, false);
}

static void read_catalog(worker *self) {
  char name[24];
  tenantdb_error *failure = NULL;
  tenantdb_tenant *tenant = NULL;
  tenantdb_result *list = NULL;
  name_of(name, (int)fixture_random(&self->seed, TENANTS));
  if (took("get", tenantdb_tenant_get(db, name, &tenant, &failure), &failure, false) &&
      strcmp(tenantdb_tenant_slug(tenant), name) != 0) {
    report("get", TENANTDB_INTERNAL, NULL);
  }
  if (took("list", tenantdb_tenant_list(db, NULL, "tenant-", NULL, 100, &list, &failure), &failure, false) &&
      tenantdb_result_rows(list) != TENANTS) {
    report("list", TENANTDB_INTERNAL, NULL);
  }
  tenantdb_tenant_free(tenant);
  tenantdb_result_free(list);
}

/* A tenant of the thread's own comes, is closed and opened, and goes. */
static void live(worker *self) {
  char name[24];
  tenantdb_error *failure = NULL;
  tenantdb_session *session = NULL;
  snprintf(name, sizeof name, "own-%d-%lld", self->number, self->calls);
  bool ok = took("create", tenantdb_tenant_create(db, name, NULL, NULL, &failure), &failure, false);
  ok = ok && took("suspend", tenantdb_tenant_suspend(db, name, NULL, &failure), &failure, false);
  if (ok && tenantdb_session_open(db, name, NULL, &session, &failure) != TENANTDB_UNAVAILABLE) {
    report("a suspended tenant's session", TENANTDB_OK, failure);
  }
  tenantdb_error_free(failure);
  failure = NULL;
  tenantdb_session_close(session);
  ok = ok && took("resume", tenantdb_tenant_resume(db, name, NULL, &failure), &failure, false);
  (void)(ok && took("purge", tenantdb_tenant_purge(db, name, 1, &failure), &failure, false));
  self->calls++;
}

static void operate(worker *self) {
  tenantdb_error *failure = NULL;
  tenantdb_result *table = NULL;
  char *text = NULL;
  int32_t level = 0;
  switch (fixture_random(&self->seed, 6)) {
    case 0:
      (void)took("events", tenantdb_events(db, (int32_t)fixture_random(&self->seed, 20), &table, &failure),
                 &failure, false);
      break;
    case 1:
      (void)took("statistics", tenantdb_statistics(db, &table, &failure), &failure, false);
      break;
    case 2:
      (void)took("text", tenantdb_statistics_text(db, &text, &failure), &failure, false);
      break;
    case 3:
      (void)took("tenants", tenantdb_pool_tenants(db, &table, &failure), &failure, false);
      break;
    case 4:
      (void)took("warm up", tenantdb_warm_up(db, &failure), &failure, false);
      break;
    default:
      (void)took("isolation", tenantdb_isolation(db, &level, &table, &failure), &failure, false);
      break;
  }
  tenantdb_string_free(text);
  tenantdb_result_free(table);
}

static void test_self(void) {
  tenantdb_error *failure = NULL;
  int32_t strategy = -1;
  (void)took("selftest", tenantdb_selftest(db, NULL, &failure), &failure, false);
  if (took("strategy", tenantdb_strategy(db, &strategy, &failure), &failure, false) &&
      strategy != TENANTDB_STRATEGY_DIRECT) {
    report("strategy", TENANTDB_INTERNAL, NULL);
  }
}

static void ask_fleet(void) {
  tenantdb_error *failure = NULL;
  tenantdb_result *rows = NULL;
  tenantdb_fleet_options *options = tenantdb_fleet_options_new();
  int32_t more = 1;
  tenantdb_fleet_options_set(options, "selector", "slug^=tenant-");
  bool open = took(
      "fleet", tenantdb_fleet_query(db, "SELECT DISTINCT body FROM notes", NULL, options, &rows, &failure),
      &failure, false);
  while (open && more) {
    open = took("fleet next", tenantdb_result_next(rows, &more, &failure), &failure, false);
    for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
      if (strcmp(tenantdb_result_value(rows, i, 0), tenantdb_result_value(rows, i, 1)) != 0) {
        report("fleet", TENANTDB_ISOLATION, NULL);
      }
    }
  }
  tenantdb_result_free(rows);
  tenantdb_fleet_options_free(options);
}

static void *work(void *user) {
  worker *self = user;
  while (fixture_now_ms() < until && !atomic_load(&strange)) {
    unsigned what = fixture_random(&self->seed, 1000);
    what < 800   ? work_in_session(self)
    : what < 860 ? cancel_another(self)
    : what < 920 ? read_catalog(self)
    : what < 980 ? operate(self)
    : what < 990 ? live(self)
    : what < 994 ? ask_fleet()
    : what < 996 ? test_self()
                 : fixture_pause_us(1000);
  }
  return NULL;
}

static void test_threads(void **state) {
  (void)state;
  long long calls = 0;
  unsigned seed = fixture_seed();
  until = fixture_now_ms() + fixture_budget_ms();
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker){.seed = seed + (unsigned)i * 7919, .number = i};
    pthread_mutex_init(&workers[i].mutex, NULL);
  }
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(workers[i].thread, NULL);
    calls += workers[i].calls;
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_mutex_destroy(&workers[i].mutex);
  }
  assert_false(atomic_load(&strange));
  tndb_pool_counts counts;
  tndb_pool_count(db->pool, &counts);
  print_message("%lld calls, %lld cancelled; %lld leases, %lld waited, %lld opened, %lld closed unclean\n",
                calls, (long long)cancelled, (long long)counts.leases, (long long)counts.waited,
                (long long)counts.opened, (long long)counts.closed_unclean);
  assert_true(calls > 200);
  assert_int_equal(counts.lent, 0);
  assert_int_equal(counts.waiting, 0);
  assert_int_equal(counts.open, counts.idle);
  assert_in_range(counts.open, 1, CONNECTIONS);
  assert_int_equal(tndb_pool_keys(db->pool, NULL, 0), 0);
  assert_int_equal(fixture_halves(url), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};
  return cmocka_run_group_tests_name("threads", tests, setup, teardown);
}

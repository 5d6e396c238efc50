/* SPDX-License-Identifier: PostgreSQL */
/*
 * A soak: threads do random work for many tenants while the server, the network
 * and the limits go wrong at random. Every answer is right or a failure that is
 * known, what was acknowledged is there, once, and what certainly failed is not;
 * at the end nothing is lent, nothing is lost and memory is flat.
 *
 * TENANTDB_TEST_BUDGET is its length in seconds.
 */
#include <signal.h>
#include <unistd.h>

#include "base/memory.h"
#include "load.h"
#include "proxy.h"
#include "resident.h"

enum { WORKERS = 8, TENANTS = 104, MOST_WRITES = 150000, CONNECTIONS = 10, MOST_STOPPED = 16 };

/* What became of a write, as its author was told; how often it was found. */
enum { NOT_TRIED, ACKNOWLEDGED, FAILED, UNDECIDED };
static unsigned char outcomes[WORKERS][MOST_WRITES];
static unsigned char found[WORKERS][MOST_WRITES];

static harness_server *server;
static tndb_proxy *proxy;
static char *direct; /* the tenants' database, as a superuser */
static char by_proxy[1024];
static tenantdb *db;
static tenantdb_error *error;
static load account = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static int64_t memory_before;

typedef struct worker {
  pthread_t thread;
  unsigned seed;
  int number;
  int writes;
} worker;
static worker workers[WORKERS];

static void name_of(char name[24], int tenant) {
  snprintf(name, 24, "soak-%d", tenant);
}

static int setup(void **state) {
  (void)state;
  char reason[256];
  tenantdb_tenant *tenant = NULL;
  memset(outcomes, NOT_TRIED, sizeof outcomes); /* in core from the beginning */
  memset(found, 0, sizeof found);
  server = harness_server_start();
  const char *url = harness_server_url(server);
  harness_sql(url, "CREATE ROLE soak LOGIN CREATEROLE");
  harness_sql(url, "CREATE DATABASE soak OWNER soak");
  direct = harness_url_with(url, "soak", NULL, NULL);
  char *own = harness_url_with(url, "soak", "soak", NULL);
  proxy = proxy_start(own, reason, sizeof reason);
  assert_non_null(proxy);
  assert_true(proxy_url(proxy, own, by_proxy, sizeof by_proxy));
  free(own);
  memory_before = tndb_memory_live();
  db = fixture_ready(
      by_proxy,
      FIXTURE_OPTIONS("pool.size", "7", "pool.overflow", "3", "pool.timeout", "3s", "pool.back_off", "300ms",
                      "pool.recycle", "20s", "pool.recycle_tenants", "60", "pool.idle_timeout", "5s",
                      "pool.pre_ping_idle", "300ms", "pool.tenant_connections", "4", "session.timeout", "2s",
                      "database.connect_timeout", "1s", "operation.timeout", "5s", "operation.lock_timeout",
                      "1s", "events.queue", "100"));
  for (int i = 0; i < TENANTS; i++) {
    char name[24], sql[100];
    name_of(name, i);
    harness_assert_ok(tenantdb_tenant_create(db, name, NULL, &tenant, &error), error);
    tenantdb_tenant_free(tenant);
    tenantdb_session *session = fixture_session(db, name);
    snprintf(sql, sizeof sql, "INSERT INTO notes (body) SELECT '%s' FROM generate_series(1, 300)", name);
    fixture_run(session, sql);
    tenantdb_session_close(session);
  }
  return 0;
}

static int teardown(void **state) {
  (void)state;
  proxy_stop(proxy);
  harness_server_remove(server);
  free(direct);
  return 0;
}

/* ---------------------------------------------------------------- what an answer may be */

/* Besides the faults themselves: what follows from one in the same session. */
static bool is_expected(const tenantdb_error *failure) {
  int32_t reason = tenantdb_error_reason(failure);
  return load_is_fault(failure) || tenantdb_error_status(failure) == TENANTDB_CANCELLED ||
         reason == TENANTDB_REASON_SESSION_BROKEN || reason == TENANTDB_REASON_TRANSACTION_FAILED ||
         reason == TENANTDB_REASON_TENANT_SHARE;
}

/* The error is freed. True when the call succeeded. */
static bool took(const char *what, tenantdb_status status, tenantdb_error **failure, int64_t began) {
  long long ms = fixture_now_ms() - began;
  long long slowest = atomic_load(&account.slowest_ms);
  while (ms > slowest && !atomic_compare_exchange_weak(&account.slowest_ms, &slowest, ms)) {
  }
  atomic_fetch_add(&account.calls, 1);
  atomic_fetch_add(&account.answered[status], 1);
  if (status && !is_expected(*failure)) {
    load_strange(&account, what, *failure);
  }
  tenantdb_error_free(*failure);
  *failure = NULL;
  return status == TENANTDB_OK;
}

#define TOOK(what, call) took((what), (call), &failure, fixture_now_ms())

/* Rows are the tenant's own: his name, and behind a bar which write it was. */
static void check_marker(const tenantdb_result *rows, int32_t column, const char *name) {
  size_t length = strlen(name);
  for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
    const char *value = tenantdb_result_value(rows, i, column);
    if (!value || strncmp(value, name, length) != 0 || (value[length] && value[length] != '|')) {
      load_strange(&account, "a row of another tenant", NULL);
    }
  }
}

/* ---------------------------------------------------------------- the work */

static void run_query(tenantdb_session *session, const char *name) {
  tenantdb_result *rows = NULL;
  tenantdb_error *failure = NULL;
  if (TOOK("query", tenantdb_session_query(session, "SELECT body FROM notes ORDER BY id DESC LIMIT 20", NULL,
                                           &rows, &failure))) {
    check_marker(rows, 0, name);
  }
  tenantdb_result_free(rows);
}

static void run_stream(tenantdb_session *session, const char *name, unsigned parts) {
  tenantdb_result *rows = NULL;
  tenantdb_error *failure = NULL;
  int32_t more = 1;
  bool open =
      TOOK("stream", tenantdb_session_stream(session, "SELECT a.body FROM notes a, generate_series(1, 4)",
                                             NULL, &rows, &failure));
  for (unsigned i = 0; open && more && i < parts; i++) {
    open = TOOK("next", tenantdb_result_next(rows, &more, &failure));
    check_marker(rows, 0, name);
  }
  tenantdb_result_free(rows);
}

static void run_batch(tenantdb_session *session, const char *name) {
  tenantdb_result *rows = NULL;
  tenantdb_error *failure = NULL;
  tenantdb_batch *batch = tenantdb_batch_new();
  tenantdb_batch_add(batch, "SELECT body FROM notes LIMIT 5", NULL);
  tenantdb_batch_add(batch, "INSERT INTO items (n) VALUES (1)", NULL);
  tenantdb_batch_add(batch, "DELETE FROM items", NULL);
  if (TOOK("batch", tenantdb_session_batch(session, batch, &failure))) {
    (void)tenantdb_batch_result(batch, 0, &rows, NULL);
    check_marker(rows, 0, name);
  }
  tenantdb_result_free(rows);
  tenantdb_batch_free(batch);
}

static void note_outcome(unsigned char *outcome, tenantdb_status status) {
  *outcome = status == TENANTDB_OK ? ACKNOWLEDGED : status == TENANTDB_UNKNOWN ? UNDECIDED : FAILED;
}

/* A write in one flush, or in a transaction with a look at what was written. */
static void run_write(worker *self, tenantdb_session *session, const char *name, bool whole) {
  if (self->writes == MOST_WRITES) {
    return;
  }
  unsigned char *outcome = &outcomes[self->number][self->writes];
  char body[64];
  tenantdb_result *rows = NULL;
  tenantdb_error *failure = NULL;
  tenantdb_params *params = tenantdb_params_new();
  snprintf(body, sizeof body, "%s|%d-%d", name, self->number, self->writes++);
  tenantdb_params_text(params, body);
  int64_t began = fixture_now_ms();
  tenantdb_status status = whole ? TENANTDB_OK : tenantdb_session_begin(session, NULL, &failure);
  if (!status) {
    status = tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ($1) RETURNING body", params,
                                    &rows, &failure);
    check_marker(rows, 0, name);
    tenantdb_result_free(rows);
    rows = NULL;
  }
  if (!status && !whole) {
    status = tenantdb_session_query(session, "SELECT body FROM notes ORDER BY id DESC LIMIT 1", NULL, &rows,
                                    &failure);
    check_marker(rows, 0, name);
  }
  if (!status && !whole) {
    status = tenantdb_session_commit(session, &failure);
  } else if (!whole) {
    (void)tenantdb_session_rollback(session, NULL);
  }
  note_outcome(outcome, status);
  (void)took("write", status, &failure, began);
  tenantdb_params_free(params);
  tenantdb_result_free(rows);
}

static void work_in_session(worker *self) {
  char name[24];
  tenantdb_session *session = NULL;
  tenantdb_error *failure = NULL;
  name_of(name, (int)fixture_random(&self->seed, TENANTS));
  if (!TOOK("open", tenantdb_session_open(db, name, NULL, &session, &failure))) {
    return;
  }
  for (unsigned n = 1 + fixture_random(&self->seed, 3); n > 0; n--) {
    unsigned what = fixture_random(&self->seed, 10);
    what < 3   ? run_query(session, name)
    : what < 7 ? run_write(self, session, name, what < 5)
    : what < 9 ? run_stream(session, name, fixture_random(&self->seed, 6))
               : run_batch(session, name);
  }
  if (fixture_random(&self->seed, 20) == 0) {
    (void)TOOK("begin", tenantdb_session_begin(session, NULL, &failure)); /* left open */
    run_query(session, name);
  }
  tenantdb_session_close(session);
}

static void look_around(worker *self) {
  char name[24];
  tenantdb_tenant *tenant = NULL;
  tenantdb_result *table = NULL;
  tenantdb_error *failure = NULL;
  name_of(name, (int)fixture_random(&self->seed, TENANTS));
  if (TOOK("get", tenantdb_tenant_get(db, name, &tenant, &failure)) &&
      strcmp(tenantdb_tenant_slug(tenant), name) != 0) {
    load_strange(&account, "another tenant", NULL);
  }
  tenantdb_tenant_free(tenant);
  (void)TOOK("events", tenantdb_events(db, 0, &table, &failure));
  tenantdb_result_free(table);
  (void)TOOK("statistics", tenantdb_statistics(db, &table, &failure));
  tenantdb_result_free(table);
  (void)TOOK("warm up", tenantdb_warm_up(db, &failure));
}

static void *work(void *user) {
  worker *self = user;
  while (!atomic_load(&account.over)) {
    if (fixture_random(&self->seed, 50) == 0) {
      look_around(self);
    } else {
      work_in_session(self);
    }
    fixture_pause_us(500 + fixture_random(&self->seed, 3000));
  }
  return NULL;
}

/* ---------------------------------------------------------------- the faults */

static void terminate_some(unsigned percent) {
  harness_sql(
      direct,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'soak' AND random() * 100 < %u",
      percent);
}

static void cancel_some(unsigned *seed) {
  for (unsigned i = 0; i < 5; i++) {
    harness_sql(direct, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'soak'");
    fixture_pause_us(fixture_random(seed, 20000));
  }
}

static void stop_some(unsigned *seed) {
  pid_t stopped[MOST_STOPPED];
  int n = 0;
  char *pids = harness_value(direct,
                             "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE usename = 'soak'"
                             " AND random() < 0.5");
  for (char *at = pids; at && *at && n < MOST_STOPPED;) {
    pid_t pid = (pid_t)strtol(at, &at, 10);
    if (kill(pid, SIGSTOP) == 0) {
      stopped[n++] = pid;
    }
  }
  free(pids);
  fixture_pause_us(100000 + fixture_random(seed, 2900000));
  while (n > 0) {
    (void)kill(stopped[--n], SIGCONT);
  }
}

static void harm_messages(unsigned *seed, proxy_action action) {
  proxy_trigger trigger = {.action = action,
                           .number = 1 + (int64_t)fixture_random(seed, 200),
                           .delay_ms = (int)fixture_random(seed, 500)};
  for (unsigned i = 1 + fixture_random(seed, 5); i > 0; i--) {
    proxy_arm(proxy, &trigger);
    (void)proxy_wait_fired(proxy, 200);
  }
  if (action == PROXY_STALL) {
    fixture_pause_us(fixture_random(seed, 3000000));
  }
  proxy_disarm(proxy);
}

static void be_read_only(unsigned *seed) {
  harness_sql(direct, "ALTER SYSTEM SET default_transaction_read_only = on");
  harness_sql(direct, "SELECT pg_reload_conf()");
  fixture_pause_us(fixture_random(seed, 800000));
  harness_sql(direct, "ALTER SYSTEM RESET default_transaction_read_only");
  harness_sql(direct, "SELECT pg_reload_conf()");
}

static void be_narrow(unsigned *seed) {
  harness_sql(direct, "ALTER ROLE soak CONNECTION LIMIT %u", fixture_random(seed, 4));
  terminate_some(70);
  fixture_pause_us(fixture_random(seed, 1500000));
  harness_sql(direct, "ALTER ROLE soak CONNECTION LIMIT -1");
}

static void be_slow(unsigned *seed) {
  proxy_set_delay(proxy, 1000 + fixture_random(seed, 20000));
  fixture_pause_us(fixture_random(seed, 500000));
  proxy_set_delay(proxy, 0);
}

static const char *const fault_names[] = {"terminate", "cancel", "crash", "restart", "stop",
                                          "stall",     "close",  "reset", "half",    "delay",
                                          "read only", "narrow", "slow"};
enum { FAULTS = sizeof fault_names / sizeof fault_names[0] };

static void do_fault(unsigned which, unsigned *seed) {
  static const proxy_action actions[] = {PROXY_STALL, PROXY_CLOSE, PROXY_RST, PROXY_HALF, PROXY_DELAY};
  switch (which) {
    case 0:
      terminate_some(1 + fixture_random(seed, 100));
      break;
    case 1:
      cancel_some(seed);
      break;
    case 2:
      harness_server_kill(server);
      fixture_pause_us(fixture_random(seed, 1500000));
      harness_server_restart(server);
      break;
    case 3:
      harness_server_restart(server);
      break;
    case 4:
      stop_some(seed);
      break;
    case 10:
      be_read_only(seed);
      break;
    case 11:
      be_narrow(seed);
      break;
    case 12:
      be_slow(seed);
      break;
    default:
      harm_messages(seed, actions[which - 5]);
      break;
  }
}

/* ---------------------------------------------------------------- what is left */

static void check_writes(void) {
  long long counted[4] = {0};
  for (int i = 0; i < TENANTS; i++) {
    char name[24];
    name_of(name, i);
    tenantdb_session *session = fixture_session(db, name);
    tenantdb_result *rows = NULL;
    harness_assert_ok(tenantdb_session_query(session, "SELECT body FROM notes", NULL, &rows, &error), error);
    check_marker(rows, 0, name);
    for (int32_t row = 0; row < tenantdb_result_rows(rows); row++) {
      const char *bar = strchr(tenantdb_result_value(rows, row, 0), '|');
      if (bar) {
        char *dash = NULL;
        long author = strtol(bar + 1, &dash, 10);
        found[author][strtol(dash + 1, NULL, 10)]++;
      }
    }
    tenantdb_result_free(rows);
    tenantdb_session_close(session);
  }
  for (int w = 0; w < WORKERS; w++) {
    for (int n = 0; n < workers[w].writes; n++) {
      unsigned char outcome = outcomes[w][n], times = found[w][n];
      counted[outcome]++;
      if (times > 1 || (outcome == ACKNOWLEDGED && times == 0) || (outcome == FAILED && times > 0)) {
        fail_msg("write %d of worker %d: outcome %d, found %d times", n, w, outcome, times);
      }
    }
  }
  print_message("writes: %lld acknowledged, %lld failed, %lld unknown\n", counted[ACKNOWLEDGED],
                counted[FAILED], counted[UNDECIDED]);
}

static void check_pool(void) {
  tndb_pool_counts c = load_pool(db);
  print_message(
      "pool: %lld leases, %lld waited, %lld timeouts; opened %lld, failed %lld, backed off %lld; closed %lld "
      "old, %lld tenants, %lld idle, %lld dead, %lld unclean, %lld distrusted\n",
      (long long)c.leases, (long long)c.waited, (long long)c.timeouts, (long long)c.opened,
      (long long)c.open_failures, (long long)c.backed_off, (long long)c.closed_old,
      (long long)c.closed_tenants, (long long)c.closed_idle, (long long)c.closed_dead,
      (long long)c.closed_unclean, (long long)c.closed_distrust);
  assert_int_equal(c.lent, 0);
  assert_int_equal(c.waiting, 0);
  assert_int_equal(c.open, c.idle);
  assert_in_range(c.open, 1, CONNECTIONS);
  assert_int_equal(tndb_pool_keys(db->pool, NULL, 0), 0);
  int64_t closed =
      c.closed_old + c.closed_tenants + c.closed_idle + c.closed_dead + c.closed_unclean + c.closed_distrust;
  assert_int_equal(c.opened, closed + c.open);
}

/* What the server closes late, because it was busy when its client went, is waited for. */
static void check_server(int64_t most) {
  int64_t until = fixture_now_ms() + 10000, there;
  while ((there = harness_count(direct, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'soak'")) >
             most &&
         fixture_now_ms() < until) {
    fixture_pause_us(50000);
  }
  assert_true(there <= most);
}

static void start_workers(unsigned seed) {
  account.db = db;
  for (int i = 0; i < WORKERS; i++) {
    workers[i] = (worker){.seed = seed + 7919 * (unsigned)i, .number = i};
    assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
  }
}

static void end_workers(void) {
  atomic_store(&account.over, true);
  for (int i = 0; i < WORKERS; i++) {
    pthread_join(workers[i].thread, NULL);
  }
  print_message("%lld calls, the slowest %lld ms:", (long long)account.calls, (long long)account.slowest_ms);
  for (int i = 0; i < LOAD_STATUSES; i++) {
    if (account.answered[i]) {
      print_message(" %lld %s", (long long)account.answered[i], tenantdb_status_name(i));
    }
  }
  print_message("\n");
  if (account.strange[0]) {
    fail_msg("%s", account.strange);
  }
}

static void test_soak(void **state) {
  (void)state;
  int done[FAULTS] = {0};
  int64_t resident[6] = {0};
  int64_t budget = fixture_budget_ms(), began = fixture_now_ms();
  unsigned seed = fixture_seed();
  start_workers(seed);
  for (int fifth = 1; fifth <= 5; fifth++) {
    while (fixture_now_ms() - began < budget * fifth / 5 && !account.strange[0]) {
      unsigned which = fixture_random(&seed, FAULTS);
      do_fault(which, &seed);
      done[which]++;
      fixture_pause_us(fixture_random(&seed, 300000));
    }
    resident[fifth] = resident_kib();
    tndb_pool_counts now = load_pool(db);
    print_message("%lld s: %lld KiB resident, %lld live allocations, %lld connections, %lld waiting\n",
                  (long long)(fixture_now_ms() - began) / 1000, (long long)resident[fifth],
                  (long long)tndb_memory_live(), (long long)now.open, (long long)now.waiting);
  }
  end_workers();
  for (int i = 0; i < FAULTS; i++) {
    print_message("%d %s%s", done[i], fault_names[i], i < FAULTS - 1 ? ", " : "\n");
  }
  assert_true(account.slowest_ms < 15000);
  assert_true(load_answered(&account, TENANTDB_OK) > 100);
  fixture_pause_us(400000);
  check_writes();
  check_pool();
  check_server(load_pool(db).open);
  tenantdb_close(db);
  check_server(0);
  assert_int_equal(tndb_memory_live(), memory_before);
  if (resident[1] > 0) {
    assert_true(resident[5] <= resident[1] + resident[1] / 10 + 2048);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_soak)};
  return cmocka_run_group_tests_name("soak", tests, setup, teardown);
}

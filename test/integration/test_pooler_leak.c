/* SPDX-License-Identifier: PostgreSQL */
/*
 * Eight clients on three connections to the server, by PgBouncer in transaction
 * mode: every read must be of the own tenant's row. The same clients with the
 * path set for the session, as applications do it by hand, read others' rows:
 * that shows that the pool here would betray a leak.
 *
 * By hand comes first, so that the library works on the connections that it has
 * left in disorder.
 */
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "fixture.h"

enum { CLIENTS = 8, SERVERS = 3, TENANTS = 50, BY_HAND = 4000 };

static const char *url;
static char *pooled;
static char slugs[TENANTS][16];
static char schemas[TENANTS][64];
static tenantdb *routing;
static tenantdb *by_role;
static tenantdb_error *error;

static atomic_int reads;
static atomic_int reads_by_role;
static atomic_int wrong;
static atomic_int failures; /* calls that answered what they must not */

static int enough(void) {
  const char *quick = getenv("TENANTDB_TEST_QUICK");
  return quick && *quick ? 5000 : 50000;
}

static int setup(void **state) {
  (void)state;
  url = harness_database();
  pooled = harness_pooler_url(harness_pooler_start("transaction", SERVERS), url);
  by_role = fixture_ready(pooled, FIXTURE_OPTIONS("isolation.level", "role"));
  routing = fixture_open(pooled, NULL, FIXTURE_OPTIONS("isolation.level", "routing"));
  for (int i = 0; i < TENANTS; i++) {
    snprintf(slugs[i], sizeof slugs[i], "t%02d", i);
    tenantdb_tenant *tenant = fixture_tenant(by_role, slugs[i]);
    snprintf(schemas[i], sizeof schemas[i], "%s", tenantdb_tenant_schema(tenant));
    harness_sql(url, "INSERT INTO %s.notes (body) VALUES ('%s')", schemas[i], slugs[i]);
    tenantdb_tenant_free(tenant);
  }
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(routing);
  tenantdb_close(by_role);
  free(pooled);
  harness_drop_database(url);
  return 0;
}

/* ---------------------------------------------------------------- by hand */

static void *client_by_hand(void *number) {
  unsigned seed = *(unsigned *)number;
  PGconn *connection = PQconnectdb(pooled);
  for (int i = 0; i < BY_HAND / CLIENTS; i++) {
    char set[100];
    int tenant = (int)fixture_random(&seed, TENANTS);
    snprintf(set, sizeof set, "SET search_path TO %s", schemas[tenant]);
    PQclear(PQexec(connection, set));
    PGresult *rows = PQexec(connection, "SELECT body FROM notes");
    if (PQntuples(rows) == 1) {
      atomic_fetch_add(&reads, 1);
      atomic_fetch_add(&wrong, strcmp(PQgetvalue(rows, 0, 0), slugs[tenant]) != 0);
    }
    PQclear(rows);
  }
  PQfinish(connection);
  return NULL;
}

static void run_clients(void *(*client)(void *)) {
  pthread_t threads[CLIENTS];
  unsigned seeds[CLIENTS];
  unsigned seed = fixture_seed();
  atomic_store(&reads, 0);
  atomic_store(&wrong, 0);
  for (unsigned i = 0; i < CLIENTS; i++) {
    seeds[i] = seed + i * 7919;
    assert_int_equal(pthread_create(&threads[i], NULL, client, &seeds[i]), 0);
  }
  for (int i = 0; i < CLIENTS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  }
}

static void test_by_hand_leaks(void **state) {
  (void)state;
  run_clients(client_by_hand);
  print_message("by hand, SET search_path for the session: %d of %d reads were of another tenant\n",
                (int)wrong, (int)reads);
  /* The others found no table, on a connection whose path nobody had set yet. */
  assert_in_range(reads, BY_HAND / 2, BY_HAND);
  assert_true(wrong > 0);
}

/* ---------------------------------------------------------------- the library */

typedef struct visit {
  tenantdb *db;
  tenantdb_session *session;
  int tenant;
} visit;

/* A call went as it must, or is counted and told. The error is freed. */
static bool expect(const char *what, tenantdb_status status, tenantdb_status wanted, tenantdb_error **why) {
  if (status != wanted) {
    atomic_fetch_add(&failures, 1);
    print_error("%s: %s\n", what, tenantdb_error_message(*why));
  }
  tenantdb_error_free(*why);
  *why = NULL;
  return status == wanted;
}

static void check_rows(const visit *v, const tenantdb_result *rows) {
  bool right = tenantdb_result_rows(rows) == 1 &&
               strcmp(tenantdb_result_value(rows, 0, 0), slugs[v->tenant]) == 0 &&
               strcmp(tenantdb_result_value(rows, 0, 1), schemas[v->tenant]) == 0;
  atomic_fetch_add(&reads, 1);
  atomic_fetch_add(&reads_by_role, v->db == by_role);
  atomic_fetch_add(&wrong, !right);
}

#define READ "SELECT body, current_schema() FROM notes"

static void read_once(visit *v) {
  tenantdb_result *rows = NULL;
  tenantdb_error *why = NULL;
  tenantdb_status status = tenantdb_session_query(v->session, READ, NULL, &rows, &why);
  if (expect("read", status, TENANTDB_OK, &why)) {
    check_rows(v, rows);
  }
  tenantdb_result_free(rows);
}

static void read_some(visit *v) {
  for (int i = 0; i < 4; i++) {
    read_once(v);
  }
}

static bool begin(visit *v) {
  tenantdb_error *why = NULL;
  return expect("begin", tenantdb_session_begin(v->session, NULL, &why), TENANTDB_OK, &why);
}

static void read_in_transaction(visit *v) {
  tenantdb_error *why = NULL;
  if (begin(v)) {
    read_some(v);
    expect("commit", tenantdb_session_commit(v->session, &why), TENANTDB_OK, &why);
  }
}

static void fail_alone(visit *v) {
  tenantdb_error *why = NULL;
  expect("division", tenantdb_session_query(v->session, "SELECT 1 / 0", NULL, NULL, &why), TENANTDB_SQL,
         &why);
  read_once(v);
}

static void fail_in_transaction(visit *v) {
  tenantdb_error *why = NULL;
  if (begin(v)) {
    read_once(v);
    expect("division", tenantdb_session_query(v->session, "SELECT 1 / 0", NULL, NULL, &why), TENANTDB_SQL,
           &why);
    expect("rollback", tenantdb_session_rollback(v->session, &why), TENANTDB_OK, &why);
    read_once(v);
  }
}

static void write_and_undo(visit *v) {
  tenantdb_error *why = NULL;
  if (begin(v)) {
    expect("write", tenantdb_session_query(v->session, "UPDATE notes SET body = 'x'", NULL, NULL, &why),
           TENANTDB_OK, &why);
    expect("rollback", tenantdb_session_rollback(v->session, &why), TENANTDB_OK, &why);
    read_once(v);
  }
}

/* Until it is stopped: a request that comes while no server works for the client is dropped by the pooler. */
static void be_cancelled(visit *v) {
  tenantdb_error *why = NULL;
  int32_t done = 0;
  tenantdb_status status = tenantdb_session_send(v->session, "SELECT pg_sleep(20)", NULL, &why);
  if (!expect("send", status, TENANTDB_OK, &why)) {
    return;
  }
  while (!done) {
    struct pollfd socket = {tenantdb_session_socket(v->session), POLLIN, 0};
    if (poll(&socket, 1, 3) == 0) {
      (void)tenantdb_session_cancel(v->session, NULL);
    }
    status = tenantdb_session_step(v->session, &done, NULL, &why);
  }
  /* A request that comes late may meet what the pooler itself does on the connection, which it then gives up. */
  if (status == TENANTDB_UNKNOWN || status == TENANTDB_CONNECTION) {
    print_message("cancelled: %s\n", tenantdb_error_message(why));
    tenantdb_error_free(why);
    return;
  }
  expect("cancelled", status, TENANTDB_CANCELLED, &why);
  read_once(v);
}

/* The session is dropped as it is by who comes back from here. */
static void drop_in_transaction(visit *v) {
  if (begin(v)) {
    read_once(v);
  }
}

static void drop_in_stream(visit *v) {
  int32_t more = 0;
  tenantdb_result *rows = NULL;
  tenantdb_error *why = NULL;
  tenantdb_status status =
      tenantdb_session_stream(v->session, "SELECT generate_series(1, 100000)", NULL, &rows, &why);
  if (expect("stream", status, TENANTDB_OK, &why)) {
    (void)tenantdb_result_next(rows, &more, NULL);
  }
  tenantdb_session_close(v->session);
  v->session = NULL;
  tenantdb_result_free(rows);
}

/* What sessions do, how often in a hundred, and what it is called in the report. */
static const struct {
  int share;
  void (*act)(visit *v);
  const char *what;
} kinds[] = {{60, read_some, "read"},
             {15, read_in_transaction, "read in a transaction"},
             {4, fail_alone, "failed"},
             {6, fail_in_transaction, "failed in a transaction"},
             {7, write_and_undo, "undid"},
             {1, be_cancelled, "were cancelled"},
             {5, drop_in_transaction, "were dropped in a transaction"},
             {2, drop_in_stream, "were dropped in a stream"}};

enum { KINDS = sizeof kinds / sizeof kinds[0] };
static atomic_int done_of[KINDS];

static void visit_tenant(unsigned *seed) {
  tenantdb_error *why = NULL;
  int dice = (int)fixture_random(seed, 100), kind = 0;
  visit v = {fixture_random(seed, 4) == 0 ? by_role : routing, NULL, (int)fixture_random(seed, TENANTS)};
  tenantdb_status status = tenantdb_session_open(v.db, slugs[v.tenant], NULL, &v.session, &why);
  if (!expect("open", status, TENANTDB_OK, &why)) {
    return;
  }
  while (dice >= kinds[kind].share) {
    dice -= kinds[kind++].share;
  }
  kinds[kind].act(&v);
  atomic_fetch_add(&done_of[kind], 1);
  tenantdb_session_close(v.session);
}

static void *client_of_library(void *number) {
  unsigned seed = *(unsigned *)number;
  while (atomic_load(&reads) < enough() && atomic_load(&failures) < 10) {
    visit_tenant(&seed);
  }
  return NULL;
}

/* How many the pooler has; those of dropped clients, which it closes, take a moment to go. */
static int64_t few_servers(void) {
  int64_t n = 0;
  for (int i = 0; i < 1500 && (n == 0 || n > SERVERS); i++) {
    fixture_pause_us(i > 0 ? 30000 : 0);
    n = harness_count(url,
                      "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
                      "pg_backend_pid() AND backend_type = 'client backend'");
  }
  return n;
}

static void test_library_does_not(void **state) {
  (void)state;
  int64_t began = fixture_now_ms();
  int32_t strategy = 0;
  harness_assert_ok(tenantdb_strategy(routing, &strategy, &error), error);
  assert_int_equal(strategy, TENANTDB_STRATEGY_TRANSACTION_POOLER);
  run_clients(client_of_library);
  print_message("the library: %d of %d reads (%d of them at level role) were of another tenant, in %lld ms\n",
                (int)wrong, (int)reads, (int)reads_by_role, (long long)(fixture_now_ms() - began));
  for (int i = 0; i < KINDS; i++) {
    print_message("  %d sessions %s\n", (int)done_of[i], kinds[i].what);
    assert_true(done_of[i] > 0);
  }
  assert_int_equal(failures, 0);
  assert_int_equal(wrong, 0);
  assert_true(reads >= enough());
  assert_true(reads_by_role > reads / 8);
  /* And nothing that was undone, cancelled or dropped has been written. */
  for (int i = 0; i < TENANTS; i++) {
    assert_int_equal(
        harness_count(url, "SELECT count(*) FROM %s.notes WHERE body <> '%s'", schemas[i], slugs[i]), 0);
  }
  assert_in_range(few_servers(), 1, SERVERS);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_by_hand_leaks),
      cmocka_unit_test(test_library_does_not),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * The pool and a server that cannot be reached, is full, refuses or says
 * nothing: typed errors, few attempts however many callers, and all works again
 * on the same handle when the fault is over.
 */
#include <libpq-fe.h>
#include <unistd.h>

#include "load.h"
#include "proxy.h"

static harness_server *server;
static const char *url;
static tenantdb_error *error;
static const char *const tenants[] = {"a", "b", "c", NULL};

static int setup(void **state) {
  (void)state;
  server = harness_server_start();
  url = harness_server_url(server);
  tenantdb *db = fixture_ready(url, NULL);
  for (int i = 0; tenants[i]; i++) {
    tenantdb_tenant_free(fixture_tenant(db, tenants[i]));
  }
  tenantdb_close(db);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  harness_server_remove(server);
  return 0;
}

static void assert_works(tenantdb *db) {
  for (int i = 0; i < 8; i++) {
    tenantdb_session *session = fixture_session(db, tenants[i % 3]);
    assert_string_equal(fixture_cell(session, "SELECT 1 + count(*) * 0 FROM notes"), "1");
    tenantdb_session_close(session);
  }
}

static void assert_nothing_lent(const tenantdb *db) {
  tndb_pool_counts counts = load_pool(db);
  assert_int_equal(counts.lent, 0);
  assert_int_equal(counts.waiting, 0);
  assert_int_equal(counts.open, counts.idle);
}

/* Opening a session fails in this way. */
static void assert_no_session(tenantdb *db, tenantdb_status status, int32_t reason, const char *sqlstate) {
  tenantdb_session *session = NULL;
  harness_assert_status(tenantdb_session_open(db, "a", NULL, &session, &error), error, status, reason);
  assert_null(session);
  assert_string_equal(tenantdb_error_sqlstate(error), sqlstate);
  tenantdb_error_free(error);
  error = NULL;
}

/* Very many calls while nothing can be opened: one in a pause tries. */
static void assert_no_storm(tenantdb *db, tenantdb_status status, int32_t reason, const char *sqlstate,
                            int64_t for_ms, int64_t most) {
  int64_t until = fixture_now_ms() + for_ms;
  int64_t calls = 0;
  tndb_pool_counts before = load_pool(db);
  while (fixture_now_ms() < until) {
    assert_no_session(db, status, reason, sqlstate);
    calls++;
  }
  tndb_pool_counts after = load_pool(db);
  int64_t attempts = after.open_failures - before.open_failures;
  print_message("%lld calls, %lld attempts, %lld told of an earlier one\n", (long long)calls,
                (long long)attempts, (long long)(after.backed_off - before.backed_off));
  assert_true(calls > 500);
  assert_in_range(attempts, 1, most);
  assert_int_equal(attempts + after.backed_off - before.backed_off, calls);
}

/* ---------------------------------------------------------------- down */

static void test_restart_under_load(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.back_off", "500ms"));
  load all = {.db = db, .tenants = tenants, .pause_us = 500};
  load_start(&all, 8);
  load_await(&all, TENANTDB_OK, 500);
  harness_server_kill(server);
  load_await(&all, TENANTDB_CONNECTION, 100);
  tndb_pool_counts before = load_pool(db);
  long long calls = atomic_load(&all.calls);
  fixture_pause_us(2000000);
  tndb_pool_counts after = load_pool(db);
  calls = atomic_load(&all.calls) - calls;
  int64_t attempts = after.open_failures - before.open_failures;
  print_message("2 s down: %lld calls, %lld attempts to connect\n", calls, (long long)attempts);
  assert_true(calls > 1000);
  assert_in_range(attempts, 2, 10);
  assert_true(after.backed_off - before.backed_off > calls - 100);
  assert_int_equal(after.open, 0);
  assert_true(before.open_failures <= 8 + 5);
  harness_server_restart(server);
  load_await(&all, TENANTDB_OK, 500);
  /* Once more, as an administrator does it, and quickly. */
  harness_server_restart(server);
  load_await(&all, TENANTDB_OK, 500);
  load_end(&all);
  assert_true(all.slowest_ms < 5000);
  assert_nothing_lent(db);
  assert_works(db);
  tenantdb_close(db);
}

static void test_down_at_open(void **state) {
  (void)state;
  harness_server_kill(server);
  tenantdb_error *refused = fixture_refused(url, NULL, NULL);
  assert_int_equal(tenantdb_error_retry(refused), TENANTDB_RETRY_LATER);
  fixture_assert_error(refused, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECT_FAILED, "cannot connect");
  harness_server_restart(server);
  tenantdb_close(fixture_ready(url, NULL));
}

static void test_nobody_there(void **state) {
  (void)state;
  static const char *const urls[] = {"postgresql://u:secret@127.0.0.1:1/d", "postgresql:///d?host=/nowhere",
                                     "postgresql://u:secret@no-such-host.invalid/d"};
  for (int i = 0; i < 3; i++) {
    int64_t began = fixture_now_ms();
    tenantdb_error *refused = fixture_refused(urls[i], NULL, NULL);
    assert_int_equal(tenantdb_error_retry(refused), TENANTDB_RETRY_LATER);
    assert_null(strstr(tenantdb_error_message(refused), "secret"));
    print_message("%lld ms: %s\n", (long long)(fixture_now_ms() - began), tenantdb_error_message(refused));
    fixture_assert_error(refused, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECT_FAILED, "cannot connect");
  }
}

/* A name that cannot be resolved is no more than a server that is down: the next one of the list is taken. */
static void test_one_of_two_names(void **state) {
  (void)state;
  PQconninfoOption *options = PQconninfoParse(url, NULL);
  char both[512] = "";
  for (const PQconninfoOption *o = options; o->keyword; o++) {
    if (strcmp(o->keyword, "host") == 0) {
      snprintf(both, sizeof both, "host=no-such-host.invalid,%s dbname=postgres user=postgres", o->val);
    }
  }
  PQconninfoFree(options);
  tenantdb *db = fixture_open(both, NULL, NULL);
  assert_works(db);
  tenantdb_close(db);
}

/* Hot standby switched off: a server that is starting up, for as long as one wants. */
static void test_starting_up(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.back_off", "200ms"));
  char *folder = harness_value(url, "SHOW data_directory");
  char signal[160];
  snprintf(signal, sizeof signal, "%s/standby.signal", folder);
  free(folder);
  harness_sql(url, "ALTER SYSTEM SET hot_standby = off");
  harness_sql(url, "COPY (SELECT 1) TO '%s'", signal);
  harness_server_restart(server);
  assert_no_session(db, TENANTDB_BUSY, TENANTDB_REASON_SERVER_STARTING, "57P03");
  assert_no_storm(db, TENANTDB_BUSY, TENANTDB_REASON_SERVER_STARTING, "57P03", 1000, 10);
  assert_int_equal(unlink(signal), 0);
  harness_server_restart(server);
  fixture_pause_us(300000);
  assert_works(db);
  harness_sql(url, "ALTER SYSTEM RESET hot_standby");
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- full */

typedef struct waiter {
  tenantdb *db;
  pthread_t thread;
  tenantdb_session *session;
  tenantdb_status status;
  int64_t took_ms;
} waiter;

static void *wait_for_session(void *user) {
  waiter *who = user;
  int64_t began = fixture_now_ms();
  who->status = tenantdb_session_open(who->db, "a", NULL, &who->session, NULL);
  who->took_ms = fixture_now_ms() - began;
  return NULL;
}

/* The server has no connection left, one of ours is in use: the next caller waits for that. */
static void assert_waits_for_lent(tenantdb *db, tenantdb_session *lent) {
  waiter who = {.db = db};
  tndb_pool_counts before = load_pool(db);
  assert_int_equal(pthread_create(&who.thread, NULL, wait_for_session, &who), 0);
  fixture_pause_us(400000);
  tndb_pool_counts during = load_pool(db);
  for (int i = 0; i < 500 && during.waiting == 0; i++) { /* out of the queue while he tries to open one */
    fixture_pause_us(1000);
    during = load_pool(db);
  }
  assert_int_equal(during.waiting, 1);
  /* He tries to open one now and then, with the pauses of a server that is away. */
  assert_in_range(during.open_failures - before.open_failures, 1, 6);
  tenantdb_session_close(lent);
  pthread_join(who.thread, NULL);
  assert_int_equal(who.status, TENANTDB_OK);
  assert_in_range(who.took_ms, 390, 1500);
  assert_string_equal(fixture_cell(who.session, "SELECT 1"), "1");
  tenantdb_session_close(who.session);
}

static void assert_times_out_full(tenantdb *db) {
  int64_t began = fixture_now_ms();
  assert_no_session(db, TENANTDB_BUSY, TENANTDB_REASON_SERVER_FULL, "53300");
  assert_in_range(fixture_now_ms() - began, 990, 2000);
}

enum { SLOTS = 12 };

static int occupy(PGconn *taken[SLOTS]) {
  int n = 0;
  while (n < SLOTS) {
    taken[n] = PQconnectdb(url);
    if (PQstatus(taken[n]) != CONNECTION_OK) {
      PQfinish(taken[n]);
      break;
    }
    n++;
  }
  return n;
}

static void test_max_connections(void **state) {
  (void)state;
  PGconn *taken[SLOTS];
  harness_sql(url, "ALTER SYSTEM SET max_connections = 10");
  harness_server_restart(server);
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.timeout", "1s", "pool.back_off", "200ms"));
  tenantdb_session *lent = fixture_session(db, "a");
  int n = occupy(taken);
  assert_in_range(n, 5, 9);
  assert_times_out_full(db);
  assert_waits_for_lent(db, lent);
  assert_nothing_lent(db);
  /* Now that one goes, too, and somebody else gets its place. */
  fixture_pause_us(250000);
  assert_true(tndb_pool_distrust(db->pool));
  assert_int_equal(load_pool(db).open, 0);
  PGconn *last = NULL;
  do {
    PQfinish(last);
    last = PQconnectdb(url);
  } while (PQstatus(last) != CONNECTION_OK);
  int64_t began = fixture_now_ms();
  assert_no_session(db, TENANTDB_BUSY, TENANTDB_REASON_SERVER_FULL, "53300");
  assert_true(fixture_now_ms() - began < 500); /* nobody to wait for */
  assert_no_storm(db, TENANTDB_BUSY, TENANTDB_REASON_SERVER_FULL, "53300", 1000, 10);
  PQfinish(last);
  while (n > 0) {
    PQfinish(taken[--n]);
  }
  fixture_pause_us(300000);
  assert_works(db);
  harness_sql(url, "ALTER SYSTEM RESET max_connections");
  harness_server_restart(server);
  tenantdb_close(db);
}

/* Of threads that start together some find the server full: they wait for what the others have got. */
static void test_full_from_the_start(void **state) {
  (void)state;
  harness_sql(url, "CREATE ROLE narrow LOGIN SUPERUSER");
  char *narrow = harness_url_with(url, NULL, "narrow", NULL);
  tenantdb *db = fixture_open(narrow, NULL, NULL);
  /* A superuser is not held to a limit: as an ordinary user it sees its own rights only. */
  harness_sql(url, "ALTER ROLE narrow NOSUPERUSER CREATEROLE CONNECTION LIMIT 3");
  harness_sql(
      url, "GRANT ALL ON ALL TABLES IN SCHEMA tenantdb TO narrow; GRANT USAGE ON SCHEMA tenantdb TO narrow");
  harness_sql(url,
              "DO $$ DECLARE r record; BEGIN FOR r IN SELECT role_name FROM tenantdb.tenants LOOP "
              "EXECUTE format('GRANT %%I TO narrow', r.role_name); END LOOP; END $$");
  assert_true(tndb_pool_distrust(db->pool));
  load all = {.db = db, .tenants = tenants, .pause_us = 100};
  load_start(&all, 16);
  load_await(&all, TENANTDB_OK, 2000);
  load_end(&all);
  assert_int_equal(load_answered(&all, TENANTDB_OK), all.calls);
  tndb_pool_counts counts = load_pool(db);
  assert_in_range(counts.open, 1, 3);
  assert_true(counts.open_failures > 0);
  assert_nothing_lent(db);
  tenantdb_close(db);
  free(narrow);
}

static void test_role_limit(void **state) {
  (void)state;
  char *narrow = harness_url_with(url, NULL, "narrow", NULL);
  harness_sql(url, "ALTER ROLE narrow CONNECTION LIMIT 1");
  tenantdb *db = fixture_open(narrow, NULL, FIXTURE_OPTIONS("pool.timeout", "1s", "pool.back_off", "200ms"));
  tenantdb_session *lent = fixture_session(db, "a");
  assert_times_out_full(db);
  assert_waits_for_lent(db, lent);
  harness_sql(url, "ALTER ROLE narrow CONNECTION LIMIT 0");
  fixture_pause_us(250000);
  assert_true(tndb_pool_distrust(db->pool));
  assert_no_session(db, TENANTDB_BUSY, TENANTDB_REASON_SERVER_FULL, "53300");
  harness_sql(url, "ALTER ROLE narrow CONNECTION LIMIT -1");
  fixture_pause_us(300000);
  assert_works(db);
  tenantdb_close(db);
  free(narrow);
}

/* ---------------------------------------------------------------- refused */

static void test_password_changed(void **state) {
  (void)state;
  harness_sql(url, "CREATE ROLE password_user LOGIN SUPERUSER PASSWORD 'secret one'");
  char *own = harness_url_with(url, NULL, "password_user", "secret one");
  tenantdb *db = fixture_open(own, NULL, FIXTURE_OPTIONS("pool.back_off", "300ms"));
  assert_works(db);
  harness_sql(url, "ALTER ROLE password_user PASSWORD 'secret two'");
  assert_works(db); /* what is connected stays so */
  harness_server_restart(server);
  tenantdb_session *session = NULL;
  harness_assert_status(tenantdb_session_open(db, "a", NULL, &session, &error), error, TENANTDB_PERMISSION,
                        TENANTDB_REASON_AUTHENTICATION);
  assert_null(strstr(tenantdb_error_message(error), "secret"));
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_NEVER);
  tenantdb_error_free(error);
  error = NULL;
  assert_no_storm(db, TENANTDB_PERMISSION, TENANTDB_REASON_AUTHENTICATION, "28P01", 1000, 8);
  harness_sql(url, "ALTER ROLE password_user PASSWORD 'secret one'");
  fixture_pause_us(400000);
  assert_works(db);
  tenantdb_close(db);
  free(own);
}

static void test_database_dropped(void **state) {
  (void)state;
  harness_sql(url, "CREATE DATABASE passing");
  char *passing = harness_url_with(url, "passing", NULL, NULL);
  tenantdb *db = fixture_ready(passing, FIXTURE_OPTIONS("pool.back_off", "300ms"));
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  harness_sql(url, "DROP DATABASE passing WITH (FORCE)");
  fixture_pause_us(20000);
  assert_no_session(db, TENANTDB_NOT_FOUND, TENANTDB_REASON_DATABASE_MISSING, "3D000");
  assert_no_storm(db, TENANTDB_NOT_FOUND, TENANTDB_REASON_DATABASE_MISSING, "3D000", 1000, 8);
  harness_sql(url, "CREATE DATABASE passing");
  fixture_pause_us(400000);
  tenantdb_session *session = NULL;
  harness_assert_ok(tenantdb_session_open_shared(db, NULL, &session, &error), error);
  assert_string_equal(fixture_cell(session, "SELECT current_database()"), "passing");
  tenantdb_session_close(session);
  tenantdb_close(db);
  free(passing);
}

/* ---------------------------------------------------------------- dead while idle, and silent */

enum { MANY = 30 };

static void make_idle(tenantdb *db, int n) {
  tenantdb_session *sessions[MANY];
  for (int i = 0; i < n; i++) {
    sessions[i] = fixture_session(db, tenants[i % 3]);
  }
  for (int i = 0; i < n; i++) {
    tenantdb_session_close(sessions[i]);
  }
  assert_int_equal(load_pool(db).idle, n);
}

static void test_all_idle_killed(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "30"));
  make_idle(db, MANY);
  harness_sql(url,
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tenantdb'");
  while (harness_count(url, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tenantdb'") >
         0) {
  }
  fixture_pause_us(20000);
  assert_works(db);
  tndb_pool_counts counts = load_pool(db);
  assert_in_range(counts.closed_dead, 1, MANY);
  assert_int_equal(counts.closed_dead + counts.open, MANY + counts.open - counts.idle + 1);
  make_idle(db, MANY);
  tenantdb_close(db);
}

static void test_silence(void **state) {
  (void)state;
  char by_proxy[1024], reason[256];
  tndb_proxy *proxy = proxy_start(url, reason, sizeof reason);
  assert_non_null(proxy);
  assert_true(proxy_url(proxy, url, by_proxy, sizeof by_proxy));
  tenantdb *db = fixture_open(by_proxy, NULL,
                              FIXTURE_OPTIONS("database.connect_timeout", "1100ms", "pool.pre_ping_idle", "0",
                                              "pool.back_off", "200ms"));
  make_idle(db, 10);
  /* Every idle connection is black: the first caller loses time on one of them, nobody else on the others. */
  fixture_pause_us(20000);
  proxy_arm(proxy, &(proxy_trigger){
                       .from = PROXY_CLIENT, .text = "SELECT 1", .action = PROXY_STALL, .sticky = true});
  int64_t began = fixture_now_ms();
  tenantdb_session_close(fixture_session(db, "a"));
  assert_in_range(fixture_now_ms() - began, 1000, 2000);
  assert_int_equal(load_pool(db).closed_dead, 10);
  proxy_disarm(proxy);
  assert_works(db);
  /* The server accepts, and says nothing more. */
  assert_true(tndb_pool_distrust(db->pool));
  proxy_arm(proxy, &(proxy_trigger){
                       .from = PROXY_CLIENT, .type = PROXY_UNTYPED, .action = PROXY_STALL, .sticky = true});
  began = fixture_now_ms();
  assert_no_session(db, TENANTDB_TIMEOUT, TENANTDB_REASON_CONNECT_TIMEOUT, "");
  assert_in_range(fixture_now_ms() - began, 1090, 1700);
  fixture_assert_error(fixture_refused(by_proxy, NULL, FIXTURE_OPTIONS("database.connect_timeout", "200ms")),
                       TENANTDB_TIMEOUT, TENANTDB_REASON_CONNECT_TIMEOUT, "database.connect_timeout");
  proxy_disarm(proxy);
  fixture_pause_us(300000);
  assert_works(db);
  assert_nothing_lent(db);
  tenantdb_close(db);
  proxy_stop(proxy);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_restart_under_load),  cmocka_unit_test(test_down_at_open),
      cmocka_unit_test(test_nobody_there),        cmocka_unit_test(test_one_of_two_names),
      cmocka_unit_test(test_starting_up),         cmocka_unit_test(test_max_connections),
      cmocka_unit_test(test_full_from_the_start), cmocka_unit_test(test_role_limit),
      cmocka_unit_test(test_password_changed),    cmocka_unit_test(test_database_dropped),
      cmocka_unit_test(test_all_idle_killed),     cmocka_unit_test(test_silence),
  };
  return cmocka_run_group_tests_name("pool faults", tests, setup, teardown);
}

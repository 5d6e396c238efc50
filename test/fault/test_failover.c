/* SPDX-License-Identifier: PostgreSQL */
/*
 * Fail-over: a server that has become read only, is replaced by a standby, or is
 * one of two. Writes are refused with a typed error, the connections to it are
 * replaced without a storm, and the same handle goes on.
 */
#include <libpq-fe.h>

#include <tenantdb/operate.h>

#include "load.h"

static harness_server *server;
static const char *url;
static tenantdb_error *error;
static const char *const tenants[] = {"a", "b", NULL};

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

static void set_read_only(const char *where, bool on) {
  harness_sql(where, on ? "ALTER SYSTEM SET default_transaction_read_only = on"
                        : "ALTER SYSTEM RESET default_transaction_read_only");
  harness_sql(where, "SELECT pg_reload_conf()");
  while (harness_count(where, "SELECT (current_setting('default_transaction_read_only') = 'on')::int") !=
         on) {
    fixture_pause_us(10000);
  }
  fixture_pause_us(100000); /* until every back end has heard of it */
}

static void write_one(tenantdb *db, const char *tenant) {
  tenantdb_session *session = fixture_session(db, tenant);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('w')");
  tenantdb_session_close(session);
}

static void assert_refused(tenantdb_session *session) {
  harness_assert_status(
      tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('w')", NULL, NULL, &error), error,
      TENANTDB_STATE, TENANTDB_REASON_READ_ONLY_SERVER);
  assert_string_equal(tenantdb_error_sqlstate(error), "25006");
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_NEW_SESSION);
  tenantdb_error_free(error);
  error = NULL;
}

/* Four connections that nobody uses; their processes. */
static void make_idle(tenantdb *db, int pids[4]) {
  tenantdb_session *sessions[4];
  for (int i = 0; i < 4; i++) {
    sessions[i] = fixture_session(db, tenants[i % 2]);
    pids[i] = atoi(fixture_cell(sessions[i], "SELECT pg_backend_pid()"));
  }
  for (int i = 0; i < 4; i++) {
    tenantdb_session_close(sessions[i]);
  }
}

static int still_there(const int pids[4], const int now[4]) {
  int n = 0;
  for (int i = 0; i < 16; i++) {
    n += pids[i / 4] == now[i % 4];
  }
  return n;
}

/* How often an event was told since the last look. */
static int told(tenantdb *db, const char *event) {
  tenantdb_result *events = NULL;
  int n = 0;
  harness_assert_ok(tenantdb_events(db, 0, &events, &error), error);
  for (int32_t i = 0; i < tenantdb_result_rows(events); i++) {
    n += strcmp(tenantdb_result_value(events, i, 4), event) == 0;
  }
  tenantdb_result_free(events);
  return n;
}

/* ---------------------------------------------------------------- switched */

static void test_switched(void **state) {
  (void)state;
  int before[4], after[4];
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.back_off", "300ms"));
  make_idle(db, before);
  tenantdb_session *other = fixture_session(db, "b");
  tenantdb_session *session = fixture_session(db, "a");
  set_read_only(url, true);
  assert_refused(session);
  assert_string_equal(fixture_cell(session, "SELECT 1"), "1"); /* reading goes on */
  assert_int_equal(load_pool(db).idle, 0);
  assert_string_equal(fixture_cell(other, "SELECT 1"), "1"); /* what is in use is not torn away */
  assert_int_equal(load_pool(db).lent, 2);
  tenantdb_session_close(session);
  tenantdb_session_close(other);
  assert_int_equal(load_pool(db).open, 0);
  assert_int_equal(load_pool(db).closed_distrust, 4);
  assert_int_equal(told(db, "connections-distrusted"), 1);
  make_idle(db, after);
  assert_int_equal(still_there(before, after), 0);
  set_read_only(url, false);
  write_one(db, "a");
  tenantdb_close(db);
}

/* A tenant who asks for a read-only transaction, in whatever way, and writes in it, costs nobody anything. */
static void test_asked_for(void **state) {
  (void)state;
  static const char *const ways[] = {"SET TRANSACTION READ ONLY", "SET LOCAL transaction_read_only = on"};
  int before[4], after[4];
  tenantdb *db = fixture_open(url, NULL, NULL);
  make_idle(db, before);
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "read_only", "on");
  tenantdb_session *session = NULL;
  harness_assert_ok(tenantdb_session_open(db, "a", options, &session, &error), error);
  assert_refused(session);
  tenantdb_session_close(session);
  session = fixture_session(db, "a");
  harness_assert_ok(tenantdb_session_begin(session, "READ ONLY", &error), error);
  assert_refused(session);
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  assert_int_equal(told(db, "server-read-only"), 0); /* nor does it alarm anybody */
  for (int i = 0; i < 2; i++) {
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    fixture_run(session, ways[i]);
    assert_refused(session);
    harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  }
  tenantdb_session_close(session);
  make_idle(db, after);
  assert_int_equal(still_there(before, after), 3); /* after SET, LOCAL or not, its own is not handed on */
  assert_int_equal(load_pool(db).closed_distrust, 0);
  /* A setting that lasts: its own connection is not handed on, the others are not suspected. */
  session = fixture_session(db, "a");
  fixture_run(session, "SET default_transaction_read_only = on");
  assert_refused(session);
  tenantdb_session_close(session);
  make_idle(db, before);
  assert_int_equal(still_there(before, after), 3);
  assert_int_equal(load_pool(db).closed_distrust, 0);
  tenantdb_session_options_free(options);
  tenantdb_close(db);
}

/* Everybody writes on a server that stays read only: its connections are replaced now and then, not each time. */
static void test_no_storm(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.back_off", "500ms"));
  load all = {.db = db, .tenants = tenants, .writes = true, .pause_us = 500};
  load_start(&all, 8);
  load_await(&all, TENANTDB_OK, 300);
  set_read_only(url, true);
  load_await(&all, TENANTDB_STATE, 100);
  int64_t opened = load_pool(db).opened;
  fixture_pause_us(2000000);
  opened = load_pool(db).opened - opened;
  print_message("2 s read only, 8 writers: %lld connections opened, %lld writes refused\n", (long long)opened,
                (long long)load_answered(&all, TENANTDB_STATE));
  assert_in_range(opened, 1, 8 * 5);
  set_read_only(url, false);
  load_await(&all, TENANTDB_OK, 300);
  load_end(&all);
  assert_int_equal(load_pool(db).lent, 0);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- a standby */

static void test_standby(void **state) {
  (void)state;
  int before[4], after[4];
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.back_off", "200ms"));
  int64_t notes = harness_count(url, "SELECT count(*) FROM tenantdb.tenants");
  make_idle(db, before);
  char *folder = harness_value(url, "SHOW data_directory");
  harness_sql(url, "COPY (SELECT 1) TO '%s/standby.signal'", folder);
  free(folder);
  harness_server_restart(server);
  fixture_pause_us(300000);
  assert_int_equal(harness_count(url, "SELECT pg_is_in_recovery()::int"), 1);
  tenantdb_session *session = fixture_session(db, "a");
  assert_string_equal(fixture_cell(session, "SELECT count(*) > 0 FROM notes"), "t");
  assert_refused(session);
  harness_assert_fails(tenantdb_tenant_create(db, "late", NULL, NULL, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_READ_ONLY_SERVER);
  make_idle(db, before);
  fixture_pause_us(300000);
  harness_sql(url, "SELECT pg_promote()");
  assert_int_equal(harness_count(url, "SELECT pg_is_in_recovery()::int"), 0);
  /* The session that was there all the time, and new ones; nothing has to be replaced any more. */
  fixture_run(session, "INSERT INTO notes (body) VALUES ('w')");
  tenantdb_session_close(session);
  write_one(db, "b");
  tenantdb_tenant_free(fixture_tenant(db, "late"));
  make_idle(db, after);
  assert_true(still_there(before, after) >= 3);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants"), notes + 1);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- two servers */

static char *folder_of(const char *where) {
  char *folder = NULL;
  PQconninfoOption *options = PQconninfoParse(where, NULL);
  for (const PQconninfoOption *o = options; o->keyword; o++) {
    folder = strcmp(o->keyword, "host") == 0 ? strdup(o->val) : folder;
  }
  PQconninfoFree(options);
  return folder;
}

/* Another server with the same contents. */
static harness_server *copy_server(harness_server *from) {
  harness_server *to = harness_server_start();
  char *there = folder_of(harness_server_url(to));
  char *here = folder_of(harness_server_url(from));
  char command[1024];
  harness_server_kill(from);
  harness_server_kill(to);
  snprintf(
      command, sizeof command,
      "cd '%s/data' && for f in *; do case $f in postgresql.conf|pg_hba.conf) ;; *) rm -rf '%s/data/'$f && "
      "cp -a $f '%s/data/' ;; esac; done",
      here, there, there);
  assert_int_equal(system(command), 0);
  harness_server_restart(from);
  harness_server_restart(to);
  free(here);
  free(there);
  return to;
}

static int64_t written(const char *where) {
  char *schema = harness_value(where, "SELECT schema_name FROM tenantdb.tenants WHERE slug = 'a'");
  int64_t n = harness_count(where, "SELECT count(*) FROM \"%s\".notes", schema);
  free(schema);
  return n;
}

static void test_two_servers(void **state) {
  (void)state;
  harness_server *second = copy_server(server);
  const char *url_2 = harness_server_url(second);
  char both[512];
  char *here = folder_of(url), *there = folder_of(url_2);
  snprintf(both, sizeof both, "host=%s,%s dbname=postgres user=postgres target_session_attrs=read-write",
           here, there);
  tenantdb *db = fixture_open(both, NULL, FIXTURE_OPTIONS("pool.back_off", "300ms"));
  load all = {.db = db, .tenants = tenants, .writes = true, .pause_us = 500};
  load_start(&all, 8);
  load_await(&all, TENANTDB_OK, 300);
  int64_t first_rows = written(url), second_rows = written(url_2);
  /* The first becomes read only: after a few refusals everybody writes on the second. */
  set_read_only(url, true);
  load_await(&all, TENANTDB_OK, 1000);
  assert_true(written(url_2) > second_rows + 100);
  assert_true(load_answered(&all, TENANTDB_STATE) <= 16);
  first_rows = written(url);
  load_await(&all, TENANTDB_OK, 300);
  assert_int_equal(written(url), first_rows);
  /* Both are read only: refused, then told that there is none to connect to; few attempts. */
  fixture_pause_us(400000); /* connections are replaced once in pool.back_off */
  int64_t refused = load_answered(&all, TENANTDB_STATE);
  set_read_only(url_2, true);
  load_await(&all, TENANTDB_CONNECTION, 100);
  tndb_pool_counts before = load_pool(db);
  fixture_pause_us(2000000);
  tndb_pool_counts after = load_pool(db);
  print_message("2 s without a server to write on: %lld attempts, %lld told of an earlier one\n",
                (long long)(after.open_failures - before.open_failures),
                (long long)(after.backed_off - before.backed_off));
  assert_in_range(after.open_failures - before.open_failures, 2, 14);
  assert_int_equal(after.opened, before.opened);
  assert_true(load_answered(&all, TENANTDB_STATE) - refused <= 16);
  /* The first one is back, the second is gone for good. */
  set_read_only(url, false);
  harness_server_kill(second);
  load_await(&all, TENANTDB_OK, 300);
  assert_true(written(url) > first_rows);
  load_end(&all);
  assert_int_equal(load_pool(db).lent, 0);
  tenantdb_close(db);
  harness_server_remove(second);
  free(here);
  free(there);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_switched), cmocka_unit_test(test_asked_for),   cmocka_unit_test(test_no_storm),
      cmocka_unit_test(test_standby),  cmocka_unit_test(test_two_servers),
  };
  return cmocka_run_group_tests_name("failover", tests, setup, teardown);
}

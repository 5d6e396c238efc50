/* SPDX-License-Identifier: PostgreSQL */
/* What a move lacks is told all together, with what mends it, before anything was changed. */
#include "move_fixture.h"

static move_sides s;
static tenantdb_result *report;
static tenantdb_error *error;

static int setup(void **state) {
  (void)move_setup(state);
  s = move_make(first, second, NULL);
  archive_shared(s.to_url);
  free(archive_fill(s.from_url, s.from, "acme"));
  return 0;
}

static int teardown(void **state) {
  move_end(&s);
  return move_teardown(state);
}

/* Whether a row of the report says it, and in its remedy what helps. */
static bool says(const char *note, const char *remedy) {
  for (int32_t row = 0; row < tenantdb_result_rows(report); row++) {
    if (strcmp(tenantdb_result_value(report, row, 1), "refused") == 0 &&
        strstr(tenantdb_result_value(report, row, 2), note) &&
        strstr(tenantdb_result_value(report, row, 3), remedy)) {
      return true;
    }
  }
  return false;
}

static void refuse(tenantdb *from, tenantdb *to, const char *const *options) {
  tenantdb_result_free(report);
  report = NULL;
  harness_assert_fails(move_call(from, "acme", to, options, &report, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_MOVE_REFUSED);
  assert_non_null(report);
  assert_int_equal(move_left(s.from_url) + move_left(s.to_url), 0);
}

#define assert_says(note, remedy)                                       \
  do {                                                                  \
    if (!says(note, remedy)) {                                          \
      move_print(report);                                               \
      fail_msg("no row says \"%s\" and then \"%s\"", (note), (remedy)); \
    }                                                                   \
  } while (0)

/* ---------------------------------------------------------------- tables */

static void test_tables(void **state) {
  (void)state;
  char *schema = archive_schema(s.from_url, "acme");
  refuse(s.from, s.to, NULL);
  assert_says(".\"odd \"\" table\" has no primary key", "option identity to full");
  assert_says(".events_old has no primary key", "identity");
  assert_int_equal(tenantdb_result_rows(report),
                   7); /* links, events_old, events_new, odd, plus, minus, empty */
  harness_sql(s.from_url,
              "ALTER TABLE %s.empty SET UNLOGGED; ALTER TABLE %s.notes ENABLE ALWAYS TRIGGER betray;"
              "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;"
              "CREATE FOREIGN TABLE %s.far (a integer) SERVER nowhere",
              schema, schema, schema);
  refuse(s.from, s.to, move_full);
  assert_int_equal(tenantdb_result_rows(report), 3);
  assert_says(".empty is unlogged", " SET LOGGED");
  assert_says("trigger betray on ", "ENABLE TRIGGER");
  assert_says("foreign table ", "drop it");
  harness_sql(
      s.from_url,
      "ALTER TABLE %s.empty SET LOGGED; ALTER TABLE %s.notes ENABLE TRIGGER betray; DROP FOREIGN DATA "
      "WRAPPER nothing CASCADE",
      schema, schema);
  free(schema);
}

/* Different from what the other registry declares: found while nothing is kept of it. */
static void test_differs(void **state) {
  (void)state;
  char *schema = archive_schema(s.from_url, "acme");
  harness_sql(s.from_url, "ALTER TABLE %s.plus ADD COLUMN more text", schema);
  fixture_assert_refused(move_call(s.from, "acme", s.to, move_full, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_TENANT_DIFFERS, "more");
  assert_string_equal(move_state(s.to_url, "acme"), "");
  harness_sql(s.from_url, "ALTER TABLE %s.plus DROP COLUMN more", schema);
  harness_assert_ok(tenantdb_tenant_move_undo(s.from, "acme", s.to, NULL, &error), error);
  assert_int_equal(move_left(s.from_url) + move_left(s.to_url), 0);
  free(schema);
}

/* ---------------------------------------------------------------- the other database */

static void test_other_database(void **state) {
  (void)state;
  char *schema = archive_schema(s.from_url, "acme");
  tenantdb_tenant_free(fixture_tenant(s.to, "Acme"));
  harness_sql(s.to_url, "CREATE SCHEMA %s", schema);
  refuse(s.from, s.to, move_full);
  assert_int_equal(tenantdb_result_rows(report), 2);
  assert_says("has a living tenant of that slug", "option slug");
  assert_says("has a schema ", "rename one of the two");
  harness_sql(s.to_url, "DROP SCHEMA %s", schema);
  harness_assert_ok(tenantdb_tenant_purge(s.to, "Acme", 1, &error), error);
  char *url = move_database(second, "others");
  tenantdb *others = fixture_ready(url, NULL);
  refuse(s.from, others, move_full);
  assert_says("different tenant bases", "same registry");
  tenantdb_close(others);
  free(url);
  free(schema);
}

/* ---------------------------------------------------------------- servers */

static void set(harness_server *server, const char *name, const char *value) {
  harness_sql(harness_server_url(server), "ALTER SYSTEM SET %s = '%s'", name, value);
  harness_server_restart(server);
}

static void test_source_server(void **state) {
  (void)state;
  set(first, "wal_level", "replica");
  set(first, "max_replication_slots", "1");
  set(first, "max_wal_senders", "1");
  refuse(s.from, s.to, move_full);
  assert_int_equal(tenantdb_result_rows(report), 3);
  assert_says("wal_level is not logical", "ALTER SYSTEM SET wal_level = logical");
  assert_says("fewer than 2 replication slots", "max_replication_slots");
  assert_says("fewer than 2 WAL senders", "max_wal_senders");
  set(first, "wal_level", "logical");
  set(first, "max_replication_slots", "40");
  set(first, "max_wal_senders", "40");
}

static void test_target_server(void **state) {
  (void)state;
  set(second, "max_logical_replication_workers", "1");
  set(second, "max_sync_workers_per_subscription", "0");
  refuse(s.from, s.to, move_full);
  assert_int_equal(tenantdb_result_rows(report), 2);
  assert_says("workers for logical replication", "max_logical_replication_workers");
  assert_says("max_sync_workers_per_subscription is 0", "max_sync_workers_per_subscription = 2");
  set(second, "max_logical_replication_workers", "12");
  set(second, "max_sync_workers_per_subscription", "2");
}

/* ---------------------------------------------------------------- users */

static tenantdb *open_as(const harness_server *server, const char *database, const char *user, char **url) {
  harness_sql(harness_server_url(server), "CREATE ROLE %s LOGIN CREATEROLE", user);
  harness_sql(harness_server_url(server), "CREATE DATABASE \"%s\" OWNER %s", database, user);
  *url = harness_url_with(harness_server_url(server), database, user, NULL);
  return archive_open(*url, NULL);
}

static void test_users(void **state) {
  (void)state;
  char *from_url, *to_url;
  tenantdb *from = open_as(first, "poor", "poor", &from_url);
  tenantdb *to = open_as(second, "poor", "poor", &to_url);
  tenantdb_tenant_free(fixture_tenant(from, "acme"));
  refuse(from, to, move_full);
  assert_int_equal(tenantdb_result_rows(report), 2);
  assert_says("at the source the connected user may not use replication slots",
              "ALTER ROLE <user> REPLICATION");
  assert_says("at the target the connected user may not create a subscription",
              harness_count(to_url, "SELECT (current_setting('server_version_num')::int >= 160000)::int")
                  ? "GRANT pg_create_subscription"
                  : "superuser");
  harness_sql(harness_server_url(first),
              "REVOKE CREATE ON DATABASE poor FROM poor; ALTER DATABASE poor OWNER TO "
              "postgres");
  refuse(from, to, move_full);
  assert_says("may not create a publication", "GRANT CREATE ON DATABASE");
  /* Who may replicate needs be no superuser at the source. */
  harness_sql(harness_server_url(first),
              "GRANT CREATE ON DATABASE poor TO poor; ALTER ROLE poor REPLICATION");
  harness_sql(harness_server_url(second), "ALTER ROLE poor SUPERUSER");
  tenantdb_close(to);
  to = archive_open(to_url, NULL);
  harness_assert_ok(move_call(from, "acme", to, move_full, NULL, &error), error);
  assert_string_equal(fixture_findings(to, "acme"), "");
  tenantdb_close(from);
  tenantdb_close(to);
  free(from_url);
  free(to_url);
}

/* Who is no superuser can be the target's user from PostgreSQL 16 on, and proves who he is at the source. */
static void test_subscriber(void **state) {
  (void)state;
  char *from_url, *to_url;
  tenantdb *from = open_as(first, "sub", "mover", &from_url);
  tenantdb *to = open_as(second, "sub", "subscriber", &to_url);
  char *here = harness_url_with(harness_server_url(first), "sub", NULL, NULL);
  char *there = harness_url_with(harness_server_url(second), "sub", NULL, NULL);
  bool able = harness_count(there, "SELECT (current_setting('server_version_num')::int >= 160000)::int") == 1;
  harness_sql(here,
              "ALTER ROLE mover REPLICATION; CREATE ROLE password_user LOGIN REPLICATION PASSWORD 'geheim'");
  archive_shared(here);
  archive_shared(there);
  char *schema = archive_fill(here, from, "acme");
  char *connection = harness_url_with(here, NULL, "password_user", "geheim");
  const char *const options[] = {"identity", "full", "patience", "60s", "connection", connection, NULL};
  refuse(from, to, options);
  assert_int_equal(tenantdb_result_rows(report), 1);
  assert_says("may not create a subscription", able ? "GRANT pg_create_subscription" : "superuser");
  if (able) {
    harness_sql(there, "GRANT pg_create_subscription TO subscriber");
    refuse(from, to, move_full);
    assert_int_equal(tenantdb_result_rows(report), 1);
    assert_says("subscriptions need a password", "option connection");
    harness_sql(here, "GRANT pg_read_all_data TO password_user");
    harness_assert_ok(move_call(from, "acme", to, options, NULL, &error), error);
    archive_assert_same(here, schema, there, schema);
    assert_string_equal(fixture_findings(to, "acme"), "");
    assert_string_equal(move_state(there, "acme"), "active");
  }
  assert_int_equal(move_left(here) + move_left(there), 0);
  tenantdb_close(from);
  tenantdb_close(to);
  free(connection);
  free(schema);
  free(here);
  free(there);
  free(from_url);
  free(to_url);
}

/* ---------------------------------------------------------------- how to get there */

/* The password is in no message and, the target's user being a superuser, in no log. */
static void test_connection(void **state) {
  (void)state;
  static const char secret[] = "geheim-4711";
  char wrong[200];
  snprintf(wrong, sizeof wrong, "host=/nowhere/at/all dbname=x user=y password=%s", secret);
  harness_sql(harness_server_url(second), "ALTER SYSTEM SET log_statement = 'all'");
  harness_sql(harness_server_url(second), "SELECT pg_reload_conf()");
  fixture_pause_us(100000);
  tenantdb_result_free(report);
  report = NULL;
  tenantdb_status status =
      move_call(s.from, "acme", s.to,
                FIXTURE_OPTIONS("identity", "full", "patience", "5s", "connection", wrong), &report, &error);
  assert_true(status == TENANTDB_CONNECTION || status == TENANTDB_SQL);
  harness_assert_message(error, "option connection");
  assert_null(strstr(tenantdb_error_message(error), secret));
  assert_null(strstr(tenantdb_error_detail(error), secret));
  tenantdb_error_free(error);
  error = NULL;
  assert_string_equal(move_cell(report, "subscribe", "state"), "failed");
  assert_null(strstr(move_cell(report, "subscribe", "note"), secret));
  /* Another database of the same server is found out before a row is missed. */
  char *elsewhere = harness_url_with(harness_server_url(first), "postgres", NULL, NULL);
  fixture_assert_refused(
      move_call(s.from, "acme", s.to,
                FIXTURE_OPTIONS("identity", "full", "patience", "20s", "connection", elsewhere), NULL,
                &error),
      error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "leads to another database");
  harness_assert_ok(tenantdb_tenant_move_undo(s.from, "acme", s.to, NULL, &error), error);
  assert_int_equal(move_left(s.from_url) + move_left(s.to_url), 0);
  /* A password that is not needed, and is not to be seen either. */
  char right[300];
  snprintf(right, sizeof right, "%s&password=%s", s.from_url, secret);
  harness_assert_ok(
      move_call(s.from, "acme", s.to,
                FIXTURE_OPTIONS("identity", "full", "patience", "60s", "connection", right), NULL, &error),
      error);
  assert_int_equal(move_left(s.from_url) + move_left(s.to_url), 0);
  char *log =
      harness_value(harness_server_url(second),
                    "SELECT position('%.6s' || '%s' IN pg_read_file(regexp_replace(setting, 'data$', 'log')))"
                    " FROM pg_settings WHERE name = 'data_directory'",
                    secret, secret + 6);
  assert_string_equal(log, "0");
  int64_t kept =
      harness_count(s.from_url, "SELECT count(*) FROM tenantdb.moves m WHERE m::text LIKE '%%%s%%'", secret) +
      harness_count(s.to_url, "SELECT count(*) FROM tenantdb.moves m WHERE m::text LIKE '%%%s%%'", secret);
  assert_int_equal(kept, 0);
  free(log);
  free(elsewhere);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tables),         cmocka_unit_test(test_differs),
      cmocka_unit_test(test_other_database), cmocka_unit_test(test_source_server),
      cmocka_unit_test(test_target_server),  cmocka_unit_test(test_users),
      cmocka_unit_test(test_subscriber),     cmocka_unit_test(test_connection),
  };
  return cmocka_run_group_tests_name("moves refused", tests, setup, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Opening a database: servers, logins and catalogs that will not do, each with its status and message. */
#include "fixture_database.h"

/* ---------------------------------------------------------------- no connection */

static void test_no_server(void **state) {
  (void)state;
  static const char *const nowhere[] = {"postgresql:///x?host=/nonexistent/place",
                                        "host=127.0.0.1 port=1 user=x"};
  for (size_t i = 0; i < 2; i++) {
    error = fixture_refused(nowhere[i], NULL, NULL);
    assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_LATER);
    fixture_assert_error(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECT_FAILED, "cannot connect: ");
  }
}

static void test_bad_conninfo(void **state) {
  (void)state;
  fixture_assert_error(fixture_refused("nonsense=1 password=hush", NULL, NULL), TENANTDB_CONNECTION,
                       TENANTDB_REASON_CONNECT_FAILED, "cannot connect: ");
  error = fixture_refused("postgresql://u:hush@/x?host=/nonexistent&bad=%zz", NULL, NULL);
  assert_null(strstr(tenantdb_error_message(error), "hush"));
  tenantdb_error_free(error);
}

static void test_wrong_password(void **state) {
  (void)state;
  harness_server *server = harness_server_start();
  const char *own = harness_server_url(server);
  harness_sql(
      own,
      "CREATE ROLE password_user LOGIN PASSWORD 'right' CREATEROLE; GRANT CREATE ON DATABASE postgres "
      "TO password_user; GRANT CREATE ON SCHEMA public TO password_user");
  char *wrong = harness_url_with(own, NULL, "password_user", "wrong-secret");
  error = fixture_refused(wrong, NULL, NULL);
  assert_string_equal(tenantdb_error_sqlstate(error), "28P01");
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_NEVER);
  assert_null(strstr(tenantdb_error_message(error), "wrong-secret"));
  fixture_assert_error(error, TENANTDB_PERMISSION, TENANTDB_REASON_AUTHENTICATION,
                       "cannot connect: password authentication failed for user \"password_user\"");
  free(wrong);
  char *none = harness_url_with(own, NULL, "password_user", NULL);
  fixture_assert_error(fixture_refused(none, NULL, NULL), TENANTDB_PERMISSION, TENANTDB_REASON_AUTHENTICATION,
                       "no password supplied");
  free(none);
  char *right = harness_url_with(own, NULL, "password_user", "right");
  tenantdb_close(fixture_ready(right, NULL));
  free(right);
  harness_server_remove(server);
}

static void test_no_such_user(void **state) {
  (void)state;
  char *stranger = harness_url_with(url, NULL, "tdb_no_such_user", NULL);
  fixture_assert_error(fixture_refused(stranger, NULL, NULL), TENANTDB_PERMISSION,
                       TENANTDB_REASON_AUTHENTICATION,
                       harness_behind_pooler() ? "no such user" : "tdb_no_such_user");
  free(stranger);
}

static void test_database_missing(void **state) {
  (void)state;
  char *missing = harness_url_with(url, "tdb_no_such_database", NULL, NULL);
  error = fixture_refused(missing, NULL, NULL);
  assert_string_equal(tenantdb_error_sqlstate(error), harness_behind_pooler() ? "08P01" : "3D000");
  fixture_assert_error(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_DATABASE_MISSING,
                       "cannot connect: database \"tdb_no_such_database\" does not exist");
  free(missing);
}

static void test_server_full(void **state) {
  (void)state;
  const char *role = harness_role("LOGIN CONNECTION LIMIT 0");
  char *crowded = harness_url_with(url, NULL, role, NULL);
  error = fixture_refused(crowded, NULL, NULL);
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_LATER);
  fixture_assert_error(error, TENANTDB_BUSY, TENANTDB_REASON_SERVER_FULL, "too many connections for role");
  free(crowded);
}

/* A start-up parameter that the server does not take is no failure of some SQL. */
static void test_bad_startup_option(void **state) {
  (void)state;
  char wrong[512];
  snprintf(wrong, sizeof wrong, "%s&options=-cno_such_setting%%3D1", url);
  error = fixture_refused(wrong, NULL, NULL);
  if (harness_behind_pooler()) {
    fixture_assert_error(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECT_FAILED,
                         "unsupported startup parameter: options");
    return;
  }
  assert_string_equal(tenantdb_error_sqlstate(error), "42704");
  fixture_assert_error(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECT_FAILED, "no_such_setting");
  snprintf(wrong, sizeof wrong, "%s&options=-cstandard_conforming_strings%%3Doff", url);
  fixture_assert_error(fixture_refused(wrong, NULL, NULL), TENANTDB_CONNECTION,
                       TENANTDB_REASON_CONNECTION_UNFIT, "standard_conforming_strings is off instead of on");
}

/* ---------------------------------------------------------------- rights */

static void test_without_create(void **state) {
  (void)state;
  const char *own = harness_database();
  const char *role = harness_role("LOGIN CREATEROLE");
  char *as_role = harness_url_with(own, NULL, role, NULL);
  char *name = harness_database_name(own);
  char expected[300];
  tenantdb *db = fixture_open(as_role, NULL, NULL);
  snprintf(expected, sizeof expected,
           "user %s may not create schema tenantdb: GRANT CREATE ON DATABASE \"%s\" TO \"%s\"", role, name,
           role);
  fixture_assert_refused(tenantdb_bootstrap(db, &error), error, TENANTDB_PERMISSION,
                         TENANTDB_REASON_SERVER_PERMISSION, expected);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM pg_namespace WHERE nspname = 'tenantdb'"), 0);
  tenantdb_close(db);
  /* Taken away later: an existing catalog can be used, a tenant cannot be made. */
  harness_sql(own, "GRANT CREATE ON DATABASE \"%s\" TO \"%s\"; GRANT CREATE ON SCHEMA public TO \"%s\"", name,
              role, role);
  tenantdb_close(fixture_ready(as_role, NULL));
  harness_sql(own, "REVOKE CREATE ON DATABASE \"%s\" FROM \"%s\"", name, role);
  db = fixture_ready(as_role, NULL);
  harness_assert_status(tenantdb_tenant_create(db, "acme", NULL, NULL, &error), error, TENANTDB_PERMISSION,
                        TENANTDB_REASON_SERVER_PERMISSION);
  harness_assert_message(error, "creating schema tenant_acme_");
  assert_string_equal(tenantdb_error_hint(error), "The connected user needs CREATE on the database.");
  tenantdb_error_free(error);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM tenantdb.tenants"), 0);
  tenantdb_close(db);
  free(name);
  free(as_role);
  harness_drop_database(own);
}

static void test_without_createrole(void **state) {
  (void)state;
  const char *own = harness_database();
  const char *role = harness_role("LOGIN");
  char *as_role = harness_url_with(own, NULL, role, NULL);
  char *name = harness_database_name(own);
  harness_sql(own, "GRANT CREATE ON DATABASE \"%s\" TO \"%s\"; GRANT CREATE ON SCHEMA public TO \"%s\"", name,
              role, role);
  tenantdb *db = fixture_ready(as_role, NULL);
  tenantdb_result *reasons = NULL;
  int32_t level = 0;
  char text[200];
  harness_assert_ok(tenantdb_isolation(db, &level, &reasons, &error), error);
  assert_int_equal(level, TENANTDB_ISOLATION_ROUTING);
  assert_int_equal(tenantdb_result_rows(reasons), 5);
  assert_string_equal(tenantdb_result_value(reasons, 4, 0), "connection");
  assert_string_equal(tenantdb_result_value(reasons, 0, 1), "yes");
  assert_string_equal(tenantdb_result_value(reasons, 1, 0), "role");
  assert_string_equal(tenantdb_result_value(reasons, 1, 1), "no");
  snprintf(text, sizeof text, "user %s may not create roles", role);
  assert_string_equal(tenantdb_result_value(reasons, 1, 2), text);
  snprintf(text, sizeof text, "ALTER ROLE \"%s\" CREATEROLE", role);
  assert_string_equal(tenantdb_result_value(reasons, 1, 3), text);
  tenantdb_result_free(reasons);
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  tenantdb_session *session = fixture_session(db, "acme");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  tenantdb_session_close(session);
  tenantdb_close(db);
  error = fixture_refused(as_role, NULL, FIXTURE_OPTIONS("isolation.level", "role"));
  harness_assert_message(error, role);
  fixture_assert_error(error, TENANTDB_ISOLATION, TENANTDB_REASON_ISOLATION_TOO_LOW,
                       "isolation.level is role, but user ");
  fixture_assert_error(fixture_refused(as_role, NULL, FIXTURE_OPTIONS("isolation.minimum", "role")),
                       TENANTDB_ISOLATION, TENANTDB_REASON_ISOLATION_TOO_LOW,
                       "isolation.minimum is role, but user ");
  fixture_assert_error(
      fixture_refused(url, NULL, FIXTURE_OPTIONS("isolation.minimum", "role", "isolation.level", "routing")),
      TENANTDB_ISOLATION, TENANTDB_REASON_ISOLATION_TOO_LOW, "the most that isolation.level asks for");
  free(name);
  free(as_role);
  harness_drop_database(own);
}

static void test_isolation_of_superuser(void **state) {
  (void)state;
  tenantdb_result *reasons = NULL;
  int32_t level = 0;
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("isolation.minimum", "role"));
  harness_assert_ok(tenantdb_isolation(db, &level, &reasons, &error), error);
  assert_int_equal(level, TENANTDB_ISOLATION_ROLE);
  assert_string_equal(tenantdb_result_value(reasons, 1, 1), "yes");
  assert_int_equal(tenantdb_result_is_null(reasons, 1, 3), 1);
  tenantdb_result_free(reasons);
  harness_assert_ok(tenantdb_isolation(db, NULL, NULL, &error), error);
  tenantdb_close(db);
}

/* An application's user who may do nothing but open sessions, let in through the group role. */
static void test_plain_user_of_sessions(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb *db = fixture_ready(own, NULL);
  tenantdb_tenant *tenant = fixture_tenant(db, "acme");
  const char *role = harness_role("LOGIN");
  char *group = harness_value(own, "SELECT group_role FROM tenantdb.catalog");
  char *as_role = harness_url_with(own, NULL, role, NULL);
  harness_sql(
      own,
      "GRANT \"%s\" TO \"%s\"; GRANT \"%s\" TO \"%s\"; GRANT USAGE ON SCHEMA tenantdb TO \"%s\"; GRANT "
      "SELECT ON ALL TABLES IN SCHEMA tenantdb TO \"%s\"",
      group, role, tenantdb_tenant_role(tenant), role, role, role);
  tenantdb *plain = fixture_open(as_role, NULL, FIXTURE_OPTIONS("isolation.minimum", "role"));
  tenantdb_session *session = fixture_session(plain, "acme");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  tenantdb_session_close(session);
  fixture_assert_refused(tenantdb_tenant_create(plain, "more", NULL, NULL, &error), error,
                         TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION, "denied");
  tenantdb_close(plain);
  tenantdb_tenant_free(tenant);
  tenantdb_close(db);
  free(group);
  free(as_role);
  harness_drop_database(own);
}

/* ---------------------------------------------------------------- misuse */

static void test_bad_handles(void **state) {
  (void)state;
  tenantdb *db = NULL;
  fixture_assert_refused(tenantdb_open(NULL, NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  fixture_assert_refused(tenantdb_bootstrap(NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  fixture_assert_refused(tenantdb_bootstrap((tenantdb *)(void *)(uint64_t[64]){0}, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE, "not an open database");
  tenantdb_close(NULL);
  tenantdb_config *config = harness_config(url);
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *base = tenantdb_registry_base(registry, "B", TENANTDB_BASE_TENANT);
  tenantdb_table_column(tenantdb_base_table(base, "t"), "id", "integer", NULL);
  tenantdb_table_column(tenantdb_base_table(base, "t"), "id", "integer", NULL);
  fixture_assert_refused(tenantdb_open(config, registry, &db, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_DUPLICATE_NAME, "base B, table t, column id");
  assert_null(db);
  tenantdb_registry_free(registry);
  registry = tenantdb_registry_new();
  base = tenantdb_registry_base(registry, "B", TENANTDB_BASE_TENANT);
  tenantdb_table_column(tenantdb_base_table(base, "t"), "id", "integer", "REFERENCES nowhere (id)");
  fixture_assert_refused(tenantdb_open(config, registry, &db, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_REFERENCE, "nowhere");
  tenantdb_registry_free(registry);
  tenantdb_config_free(config);
  /* A failure whose object nobody wants. */
  assert_int_equal(tenantdb_open(NULL, NULL, NULL, NULL), TENANTDB_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_no_server),
      cmocka_unit_test(test_bad_conninfo),
      cmocka_unit_test(test_wrong_password),
      cmocka_unit_test(test_no_such_user),
      cmocka_unit_test(test_database_missing),
      cmocka_unit_test(test_server_full),
      cmocka_unit_test(test_bad_startup_option),
      cmocka_unit_test(test_without_create),
      cmocka_unit_test(test_without_createrole),
      cmocka_unit_test(test_isolation_of_superuser),
      cmocka_unit_test(test_plain_user_of_sessions),
      cmocka_unit_test(test_bad_handles),
  };
  return cmocka_run_group_tests_name("open", tests, fixture_setup, fixture_teardown);
}

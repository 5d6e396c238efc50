/* SPDX-License-Identifier: PostgreSQL */
/* The harness itself: what every integration test relies on. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

static void test_database(void **state) {
  (void)state;
  const char *url = harness_database();
  char *name = harness_database_name(url);
  char *current = harness_value(url, "SELECT current_database()");
  assert_string_equal(name, current);
  harness_sql(url, "CREATE TABLE t (i int); INSERT INTO t VALUES (%d)", 41);
  assert_int_equal(harness_count(url, "SELECT i FROM t"), 41);
  assert_null(harness_value(url, "SELECT NULL"));
  assert_string_equal(harness_sqlstate(url, "SELECT 1"), "00000");
  assert_string_equal(harness_sqlstate(url, "SELECT * FROM nowhere"), "42P01");
  harness_drop_database(url);
  assert_int_equal(
      harness_count(harness_url(), "SELECT count(*) FROM pg_database WHERE datname = '%s'", name), 0);
  free(name);
  free(current);
}

/* Roles that the library makes go with the database; roles used elsewhere stay. */
static void test_roles(void **state) {
  (void)state;
  const char *url = harness_database();
  char *name = harness_database_name(url);
  harness_sql(url,
              "CREATE SCHEMA tenantdb; CREATE TABLE tenantdb.tenants (role_name text); CREATE ROLE \"%s_a\";"
              "CREATE ROLE \"%s_b\"; CREATE ROLE \"%s_c\"; CREATE SCHEMA s AUTHORIZATION \"%s_b\";"
              "GRANT SELECT ON tenantdb.tenants TO \"%s_b\";"
              "INSERT INTO tenantdb.tenants VALUES ('%s_a'), (NULL), ('postgres')",
              name, name, name, name, name, name);
  const char *other = harness_database();
  harness_sql(other, "CREATE SCHEMA s AUTHORIZATION \"%s_c\"", name);
  harness_drop_database(url);
  char *left = harness_value(
      harness_url(), "SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolname LIKE '%s\\__'", name);
  assert_string_equal(left + strlen(left) - 2, "_c");
  assert_null(strchr(left, ','));
  free(left);
  harness_drop_database(other);
  assert_int_equal(harness_count(harness_url(), "SELECT count(*) FROM pg_roles WHERE rolname = '%s_c'", name),
                   0);
  free(name);
}

static void test_login(void **state) {
  (void)state;
  const char *url = harness_database();
  const char *role = harness_role("LOGIN");
  char *as_role = harness_url_with(url, NULL, role, NULL);
  char *user = harness_value(as_role, "SELECT current_user");
  assert_string_equal(user, role);
  free(user);
  free(as_role);
  harness_drop_database(url);
}

static void test_server(void **state) {
  (void)state;
  harness_server *server = harness_server_start();
  harness_sql(harness_server_url(server), "CREATE TABLE kept (i int)");
  harness_server_kill(server);
  assert_string_equal(harness_sqlstate(harness_server_url(server), "SELECT 1"), "08006");
  harness_server_restart(server);
  assert_int_equal(harness_count(harness_server_url(server), "SELECT count(*) FROM kept"), 0);
  harness_sql(harness_server_url(server), "CREATE ROLE password_user LOGIN PASSWORD 'right'");
  char *wrong = harness_url_with(harness_server_url(server), NULL, "password_user", "wrong");
  char *right = harness_url_with(harness_server_url(server), NULL, "password_user", "right");
  assert_string_equal(harness_sqlstate(wrong, "SELECT 1"), "08006");
  assert_string_equal(harness_sqlstate(right, "SELECT 1"), "00000");
  free(wrong);
  free(right);
  harness_server_remove(server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_database),
      cmocka_unit_test(test_roles),
      cmocka_unit_test(test_login),
      cmocka_unit_test(test_server),
  };
  return cmocka_run_group_tests_name("harness", tests, NULL, NULL);
}

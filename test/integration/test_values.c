/* SPDX-License-Identifier: PostgreSQL */
/* Values on their way to the server and back. */
#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static tenantdb_session *session;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  session = fixture_session(db, "a");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_session_close(session);
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static tenantdb_result *query(const char *sql, const tenantdb_params *params) {
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_session_query(session, sql, params, &result, &error), error);
  return result;
}

static void test_nulls_and_empty(void **state) {
  (void)state;
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_null(params);
  tenantdb_params_text(params, "");
  tenantdb_params_text(params, NULL);
  tenantdb_params_int64(params, INT64_MIN);
  tenantdb_result *result = query("SELECT $1::text, $2::text, $3::int, $4::bigint, $2 IS NULL AS n", params);
  assert_int_equal(tenantdb_result_rows(result), 1);
  assert_int_equal(tenantdb_result_columns(result), 5);
  assert_int_equal(tenantdb_result_is_null(result, 0, 0), 1);
  assert_null(tenantdb_result_value(result, 0, 0));
  assert_int_equal(tenantdb_result_is_null(result, 0, 1), 0);
  assert_string_equal(tenantdb_result_value(result, 0, 1), "");
  assert_int_equal(tenantdb_result_is_null(result, 0, 2), 1);
  assert_string_equal(tenantdb_result_value(result, 0, 3), "-9223372036854775808");
  assert_string_equal(tenantdb_result_value(result, 0, 4), "f");
  assert_int_equal(tenantdb_result_column(result, "n"), 4);
  assert_int_equal(tenantdb_result_type(result, 3), 20);
  assert_null(tenantdb_result_value(result, 1, 0));
  assert_null(tenantdb_result_value(result, -1, 0));
  assert_null(tenantdb_result_value(result, 0, 5));
  tenantdb_result_free(result);
  const char *values[] = {NULL, "x"};
  harness_assert_ok(
      tenantdb_session_query_text(session, "SELECT $1::text IS NULL, $2::text", 2, values, &result, &error),
      error);
  assert_string_equal(tenantdb_result_value(result, 0, 0), "t");
  assert_string_equal(tenantdb_result_value(result, 0, 1), "x");
  tenantdb_result_free(result);
  tenantdb_params_free(params);
}

static void test_utf8(void **state) {
  (void)state;
  static const char *const texts[] = {"Größe", "日本語", "\xf0\x9f\x90\x98", "a'b\"c\\d", "{\"x\": 1}\n\t"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    tenantdb_result *result = NULL;
    harness_assert_ok(tenantdb_session_query_text(session, "SELECT $1::text", 1, &texts[i], &result, &error),
                      error);
    assert_string_equal(tenantdb_result_value(result, 0, 0), texts[i]);
    assert_int_equal(tenantdb_result_length(result, 0, 0), strlen(texts[i]));
    tenantdb_result_free(result);
  }
  const char *bad = "\xc3\x28";
  harness_assert_status(tenantdb_session_query_text(session, "SELECT $1::text", 1, &bad, NULL, &error), error,
                        TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR);
  assert_string_equal(tenantdb_error_sqlstate(error), "22021");
  tenantdb_error_free(error);
  assert_string_equal(fixture_cell(session, "SELECT 1"), "1");
}

static void test_large_value(void **state) {
  (void)state;
  size_t size = 10u << 20;
  char *large = malloc(size + 1);
  memset(large, 'x', size);
  large[size] = '\0';
  const char *values[] = {large};
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_session_query_text(session, "SELECT $1::text, length($1), $1 || $1", 1, values,
                                                &result, &error),
                    error);
  assert_int_equal(tenantdb_result_length(result, 0, 0), size);
  assert_int_equal(memcmp(tenantdb_result_value(result, 0, 0), large, size), 0);
  assert_string_equal(tenantdb_result_value(result, 0, 1), "10485760");
  assert_int_equal(tenantdb_result_length(result, 0, 2), 2 * size);
  tenantdb_result_free(result);
  free(large);
}

static void test_many_rows(void **state) {
  (void)state;
  tenantdb_result *result = query("SELECT i, NULL FROM generate_series(1, 100000) i", NULL);
  assert_int_equal(tenantdb_result_rows(result), 100000);
  assert_int_equal(tenantdb_result_affected(result), 100000);
  assert_string_equal(tenantdb_result_value(result, 99999, 0), "100000");
  tenantdb_result_free(result);
  result = query("SELECT 1 WHERE false", NULL);
  assert_int_equal(tenantdb_result_rows(result), 0);
  assert_int_equal(tenantdb_result_columns(result), 1);
  tenantdb_result_free(result);
}

/* As many parameters as the protocol can count, and one more. */
static void test_most_parameters(void **state) {
  (void)state;
  enum { MOST = 65535 };
  char *sql = malloc(16 * (MOST + 1));
  const char **values = malloc((MOST + 1) * sizeof *values);
  size_t length = (size_t)sprintf(sql, "SELECT $1::int");
  for (int i = 0; i < MOST + 1; i++) {
    values[i] = "1";
    if (i > 0 && i < MOST && i % 500 == 0) {
      length += (size_t)sprintf(sql + length, "+$%d::int", i + 1);
    }
  }
  /* A statement may leave parameters out only when their types are known: name the last. */
  sprintf(sql + length, "+$%d::int", MOST);
  tenantdb_result *result = NULL;
  tenantdb_status status = tenantdb_session_query_text(session, sql, MOST, values, &result, &error);
  assert_true(status == TENANTDB_OK || status == TENANTDB_SQL);
  tenantdb_error_free(error);
  tenantdb_result_free(result);
  fixture_assert_refused(tenantdb_session_query_text(session, sql, MOST + 1, values, &result, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "0 to 65535");
  fixture_assert_refused(tenantdb_session_query_text(session, "SELECT 1", -1, values, &result, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "n_values is -1");
  fixture_assert_refused(tenantdb_session_query_text(session, "SELECT 1", 1, NULL, &result, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "values is NULL");
  tenantdb_params *params = tenantdb_params_new();
  for (int i = 0; i < MOST + 1; i++) {
    tenantdb_params_int64(params, i);
  }
  harness_assert_status(tenantdb_session_query(session, "SELECT 1", params, NULL, &error), error,
                        TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT);
  tenantdb_error_free(error);
  tenantdb_params_free(params);
  assert_string_equal(fixture_cell(session, "SELECT 1"), "1");
  free(sql);
  free(values);
}

/* 65,535 values that are all used. */
static void test_all_parameters_used(void **state) {
  (void)state;
  enum { MOST = 65535 };
  char *sql = malloc(8 * MOST + 100);
  const char **values = malloc(MOST * sizeof *values);
  size_t length = (size_t)sprintf(sql, "SELECT count(*), max(v::int) FROM unnest(ARRAY[$1::text");
  values[0] = "7";
  for (int i = 1; i < MOST; i++) {
    values[i] = i == MOST - 1 ? "9" : "8";
    length += (size_t)sprintf(sql + length, ",$%d", i + 1);
  }
  sprintf(sql + length, "]) v");
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_session_query_text(session, sql, MOST, values, &result, &error), error);
  assert_string_equal(tenantdb_result_value(result, 0, 0), "65535");
  assert_string_equal(tenantdb_result_value(result, 0, 1), "9");
  tenantdb_result_free(result);
  free(sql);
  free(values);
}

static void test_wrong_number(void **state) {
  (void)state;
  const char *values[] = {"1", "2"};
  harness_assert_status(tenantdb_session_query_text(session, "SELECT $1::int", 2, values, NULL, &error),
                        error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR);
  assert_string_equal(tenantdb_error_sqlstate(error), "08P01");
  tenantdb_error_free(error);
}

static void test_json(void **state) {
  (void)state;
  char *json = NULL;
  tenantdb_result *result = query(
      "SELECT 1 AS i, 2.50::numeric AS n, true AS b, NULL AS z, 'a\"b\\' || chr(10) || 'ü' AS t,"
      " '{\"k\": [1, null]}'::jsonb AS j, 'NaN'::float8 AS x, '[1]'::json AS l, ARRAY[1,2] AS a",
      NULL);
  harness_assert_ok(tenantdb_result_json(result, &json, &error), error);
  assert_string_equal(json,
                      "[{\"i\":1,\"n\":2.50,\"b\":true,\"z\":null,\"t\":\"a\\\"b\\\\\\nü\",\"j\":{\"k\": [1, "
                      "null]},\"x\":\"NaN\",\"l\":[1],\"a\":\"{1,2}\"}]");
  tenantdb_string_free(json);
  tenantdb_result_free(result);
  result = query("SELECT 1 WHERE false", NULL);
  harness_assert_ok(tenantdb_result_json(result, &json, &error), error);
  assert_string_equal(json, "[]");
  tenantdb_string_free(json);
  tenantdb_result_free(result);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_nulls_and_empty), cmocka_unit_test(test_utf8),
      cmocka_unit_test(test_large_value),     cmocka_unit_test(test_many_rows),
      cmocka_unit_test(test_most_parameters), cmocka_unit_test(test_all_parameters_used),
      cmocka_unit_test(test_wrong_number),    cmocka_unit_test(test_json),
  };
  return cmocka_run_group_tests_name("values", tests, setup, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
#include "base/result.h"

#include <string.h>

#include "unit.h"

static const char *const names[] = {"level", "finding", "level"};

static tenantdb_result *table(int rows) {
  tenantdb_error *error = NULL;
  tenantdb_result *result = NULL;
  tndb_table *made = tndb_table_new(names, 3);
  for (int i = 0; i < rows; i++) {
    const char *const cells[] = {i % 2 ? "warning" : NULL, "a \"quoted\" one", ""};
    tndb_table_row(made, cells);
  }
  assert_int_equal(tndb_table_rows(made), rows);
  assert_int_equal(tndb_table_finish(made, &result, &error), TENANTDB_OK);
  assert_null(error);
  return result;
}

static void test_null(void **state) {
  (void)state;
  assert_int_equal(tenantdb_result_rows(NULL), 0);
  assert_int_equal(tenantdb_result_columns(NULL), 0);
  assert_int_equal(tenantdb_result_affected(NULL), 0);
  assert_string_equal(tenantdb_result_name(NULL, 0), "");
  assert_int_equal(tenantdb_result_column(NULL, "x"), -1);
  assert_int_equal(tenantdb_result_type(NULL, 0), 0);
  assert_null(tenantdb_result_value(NULL, 0, 0));
  assert_int_equal(tenantdb_result_length(NULL, 0, 0), 0);
  assert_int_equal(tenantdb_result_is_null(NULL, 0, 0), 1);
  tenantdb_result_free(NULL);
  tndb_table_free(NULL);
}

static void test_cells(void **state) {
  (void)state;
  tenantdb_result *result = table(20);
  assert_int_equal(tenantdb_result_rows(result), 20);
  assert_int_equal(tenantdb_result_columns(result), 3);
  assert_int_equal(tenantdb_result_affected(result), 20);
  assert_string_equal(tenantdb_result_name(result, 1), "finding");
  assert_int_equal(tenantdb_result_column(result, "level"), 0);
  assert_int_equal(tenantdb_result_column(result, "Level"), -1);
  assert_int_equal(tenantdb_result_column(result, NULL), -1);
  assert_int_equal(tenantdb_result_type(result, 2), 25);
  assert_int_equal(tenantdb_result_is_null(result, 0, 0), 1);
  assert_int_equal(tenantdb_result_length(result, 0, 0), 0);
  assert_string_equal(tenantdb_result_value(result, 19, 0), "warning");
  assert_int_equal(tenantdb_result_length(result, 19, 0), 7);
  assert_int_equal(tenantdb_result_is_null(result, 19, 2), 0);
  assert_string_equal(tenantdb_result_value(result, 19, 2), "");
  tenantdb_result_free(result);
}

static void test_out_of_bounds(void **state) {
  (void)state;
  tenantdb_result *result = table(2);
  const int32_t bad[][2] = {{-1, 0}, {2, 0}, {0, -1}, {0, 3}, {INT32_MAX, INT32_MAX}, {INT32_MIN, INT32_MIN}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_null(tenantdb_result_value(result, bad[i][0], bad[i][1]));
    assert_int_equal(tenantdb_result_length(result, bad[i][0], bad[i][1]), 0);
    assert_int_equal(tenantdb_result_is_null(result, bad[i][0], bad[i][1]), 1);
  }
  assert_string_equal(tenantdb_result_name(result, 3), "");
  assert_string_equal(tenantdb_result_name(result, -1), "");
  assert_int_equal(tenantdb_result_type(result, 3), 0);
  tenantdb_result_free(result);
}

static void test_json_text(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  char *json = NULL;
  tenantdb_result *result = table(2);
  assert_int_equal(tenantdb_result_json(result, &json, &error), TENANTDB_OK);
  assert_string_equal(json,
                      "[{\"level\":null,\"finding\":\"a \\\"quoted\\\" one\",\"level\":\"\"},\n"
                      "{\"level\":\"warning\",\"finding\":\"a \\\"quoted\\\" one\",\"level\":\"\"}]");
  tenantdb_string_free(json);
  tenantdb_result_free(result);
  result = table(0);
  assert_int_equal(tenantdb_result_json(result, &json, &error), TENANTDB_OK);
  assert_string_equal(json, "[]");
  tenantdb_string_free(json);
  tenantdb_result_free(result);
}

static void test_json_arguments(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  char *json = (char *)&error;
  assert_int_equal(tenantdb_result_json(NULL, &json, &error), TENANTDB_ARGUMENT);
  assert_null(json);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_NULL_ARGUMENT);
  tenantdb_error_free(error);
  tenantdb_result *result = table(1);
  assert_int_equal(tenantdb_result_json(result, NULL, &error), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_result_json(result, NULL, NULL), TENANTDB_ARGUMENT);
  tenantdb_result_free(result);
}

/* A source of typed cells, as the server's results are: one row, a cell for each type. */
static const struct {
  uint32_t type;
  const char *value, *json;
} typed[] = {
    {16, "t", "true"},
    {16, "f", "false"},
    {20, "-5", "-5"},
    {21, "7", "7"},
    {23, "42", "42"},
    {26, "16384", "16384"},
    {114, "{\"a\": 1}", "{\"a\": 1}"},
    {3802, "[1, 2]", "[1, 2]"},
    {700, "1.5", "1.5"},
    {701, "NaN", "\"NaN\""},
    {701, "-Infinity", "\"-Infinity\""},
    {701, "1e+100", "1e+100"},
    {1700, "0.10", "0.10"},
    {1700, "NaN", "\"NaN\""},
    {25, "42", "\"42\""},
    {1043, "x", "\"x\""},
    {25, NULL, "null"},
};
enum { TYPED = sizeof typed / sizeof typed[0] };

static int released;

static const char *typed_value(const void *data, int32_t row, int32_t column) {
  (void)data;
  (void)row;
  return typed[column].value;
}

static size_t typed_length(const void *data, int32_t row, int32_t column) {
  (void)data;
  (void)row;
  return typed[column].value ? strlen(typed[column].value) : 0;
}

static const char *typed_name(const void *data, int32_t column) {
  (void)data;
  (void)column;
  return "c";
}

static uint32_t typed_type(const void *data, int32_t column) {
  (void)data;
  return typed[column].type;
}

static void typed_release(void *data) {
  (void)data;
  released++;
}

static const tndb_result_source typed_source = {typed_value, typed_length,  typed_name,
                                                typed_type,  typed_release, NULL};

static void test_json_types(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  char *json = NULL;
  released = 0;
  tenantdb_result *result = tndb_result_wrap(&typed_source, NULL, 1, TYPED, 0);
  assert_int_equal(tenantdb_result_json(result, &json, &error), TENANTDB_OK);
  const char *at = json + 1;
  for (size_t i = 0; i < TYPED; i++) {
    assert_memory_equal(at, i ? "," : "{", 1);
    at += 1;
    assert_memory_equal(at, "\"c\":", 4);
    at += 4;
    assert_memory_equal(at, typed[i].json, strlen(typed[i].json));
    at += strlen(typed[i].json);
  }
  assert_string_equal(at, "}]");
  tenantdb_string_free(json);
  tenantdb_result_free(result);
  assert_int_equal(released, 1);
}

static void test_wrap_releases(void **state) {
  (void)state;
  released = 0;
  tndb_memory_fail(1, false);
  assert_null(tndb_result_wrap(&typed_source, NULL, 1, TYPED, 0));
  tndb_memory_fail(0, false);
  assert_int_equal(released, 1);
}

static void build(void *user) {
  (void)user;
  tenantdb_error *error = NULL;
  tenantdb_result *result = NULL;
  char *json = NULL;
  tndb_table *made = tndb_table_new(names, 3);
  for (int i = 0; i < 20; i++) {
    const char *const cells[] = {"one", NULL, "three"};
    tndb_table_row(made, cells);
  }
  tenantdb_status status = tndb_table_finish(made, &result, &error);
  if (status == TENANTDB_OK) {
    assert_int_equal(tenantdb_result_rows(result), 20);
    status = tenantdb_result_json(result, &json, &error);
  } else {
    assert_null(result);
  }
  assert_int_equal(tenantdb_error_status(error), status);
  assert_true(status == TENANTDB_OK || status == TENANTDB_MEMORY);
  assert_int_equal(json != NULL, status == TENANTDB_OK);
  tenantdb_string_free(json);
  tenantdb_result_free(result);
  tenantdb_error_free(error);
}

static void test_memory(void **state) {
  (void)state;
  assert_true(unit_fail_each(build, NULL, false) > 40);
  assert_true(unit_fail_each(build, NULL, true) > 40);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_null),           cmocka_unit_test(test_cells),
      cmocka_unit_test(test_out_of_bounds),  cmocka_unit_test(test_json_text),
      cmocka_unit_test(test_json_arguments), cmocka_unit_test(test_json_types),
      cmocka_unit_test(test_wrap_releases),  cmocka_unit_test(test_memory),
  };
  return cmocka_run_group_tests_name("base/result", tests, NULL, NULL);
}

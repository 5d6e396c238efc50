/* SPDX-License-Identifier: PostgreSQL */
/* Typed values and arrays, as they would be sent. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/types.h"
#include "statement/params.h"
#include "unit.h"

static tenantdb_params *params;

static int setup(void **state) {
  (void)state;
  params = tenantdb_params_new();
  return params ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_params_free(params);
  return 0;
}

/* The newest value is this text of that type. */
static void is_text(uint32_t type, const char *text) {
  int32_t at = tndb_params_count(params) - 1;
  assert_int_equal(tndb_params_mistake(params, NULL), TENANTDB_OK);
  assert_true(at >= 0);
  assert_int_equal(tndb_params_types(params) ? tndb_params_types(params)[at] : 0, type);
  assert_int_equal(tndb_params_formats(params) ? tndb_params_formats(params)[at] : 0, 0);
  if (text) {
    assert_string_equal(tndb_params_values(params)[at], text);
    assert_int_equal(tndb_params_lengths(params)[at], strlen(text));
  } else {
    assert_null(tndb_params_values(params)[at]);
  }
}

static void is_binary(uint32_t type, const void *bytes, size_t length) {
  int32_t at = tndb_params_count(params) - 1;
  assert_int_equal(tndb_params_mistake(params, NULL), TENANTDB_OK);
  assert_true(at >= 0);
  assert_int_equal(tndb_params_types(params)[at], type);
  assert_int_equal(tndb_params_formats(params)[at], 1);
  assert_int_equal(tndb_params_lengths(params)[at], length);
  assert_memory_equal(tndb_params_values(params)[at], bytes, length + 1);
}

static void test_scalars(void **state) {
  (void)state;
  tenantdb_params_text(params, "x");
  tenantdb_params_null(params);
  assert_null(tndb_params_types(params));
  assert_null(tndb_params_formats(params));
  tenantdb_params_bool(params, 1);
  is_text(16, "t");
  assert_int_equal(tndb_params_types(params)[0], 0);
  tenantdb_params_bool(params, 0);
  is_text(16, "f");
  tenantdb_params_bool(params, -5);
  is_text(16, "t");
  tenantdb_params_int32(params, INT32_MIN);
  is_text(23, "-2147483648");
  tenantdb_params_int64(params, INT64_MIN);
  is_text(20, "-9223372036854775808");
  tenantdb_params_double(params, 0.1);
  is_text(701, "0.1");
  tenantdb_params_double(params, -INFINITY);
  is_text(701, "-Infinity");
  tenantdb_params_double(params, NAN);
  is_text(701, "NaN");
  tenantdb_params_double(params, 5e-324);
  is_text(701, "5e-324");
  tenantdb_params_typed(params, 1082, "2024-02-29");
  is_text(1082, "2024-02-29");
  tenantdb_params_typed(params, 1082, NULL);
  is_text(1082, NULL);
  tenantdb_params_json(params, "{\"a\": \"ü\"}");
  is_text(114, "{\"a\": \"ü\"}");
  tenantdb_params_jsonb(params, "[]");
  is_text(3802, "[]");
  tenantdb_params_json(params, NULL);
  is_text(114, NULL);
  tenantdb_params_uuid(params, "6E9B3C52-0000-4000-8000-00000000000f");
  is_text(2950, "6E9B3C52-0000-4000-8000-00000000000f");
  tenantdb_params_uuid(params, NULL);
  is_text(2950, NULL);
  assert_null(tndb_params_formats(params));
}

static void test_bytes(void **state) {
  (void)state;
  tenantdb_params_bytea(params, "a\0b\x80", 4);
  is_binary(17, "a\0b\x80", 4);
  tenantdb_params_bytea(params, "", 0);
  is_binary(17, "", 0);
  tenantdb_params_bytea(params, NULL, 0);
  is_text(17, NULL);
}

static void test_timestamps(void **state) {
  (void)state;
  tenantdb_params_timestamptz(params, INT64_C(946684800000000));
  is_binary(1184, "\0\0\0\0\0\0\0\0", 8);
  tenantdb_params_timestamptz(params, INT64_C(946684800000000) - 1);
  is_binary(1184, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
  tenantdb_params_timestamptz(params, INT64_MAX);
  is_binary(1184, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8);
  tenantdb_params_timestamptz(params, INT64_MIN);
  is_binary(1184, "\x80\0\0\0\0\0\0\0", 8);
  tenantdb_params_timestamptz(params, -INT64_C(210866803200000000));
  is_binary(1184, "\xfd\x0f\x7c\xc1\x41\x1f\xa0\x00", 8);
}

static void test_numeric(void **state) {
  (void)state;
  static const char *const good[] = {"0",
                                     "-1",
                                     "+12.50",
                                     ".5",
                                     "5.",
                                     "1e6",
                                     "1.5E-3",
                                     "NaN",
                                     "nan",
                                     "inf",
                                     "-Infinity",
                                     "+inf",
                                     "99999999999999999999999.9"};
  static const char *const bad[] = {"",     "-",  ".",     "e5",    "1e",    "1e+",  "1,5",
                                    " 1",   "1 ", "0x1",   "1_0",   "--1",   "-nan", "na",
                                    "nanx", "$1", "infin", "1.2.3", "1'; --"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    tenantdb_params_numeric(params, good[i]);
    is_text(1700, good[i]);
  }
  tenantdb_params_numeric(params, NULL);
  is_text(1700, NULL);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    tenantdb_params_clear(params);
    tenantdb_params_numeric(params, bad[i]);
    assert_int_equal(tndb_params_mistake(params, NULL), TENANTDB_ARGUMENT);
  }
}

static void mistaken(int32_t reason, const char *message) {
  tenantdb_error *error = NULL;
  assert_int_equal(tndb_params_mistake(params, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), reason);
  assert_string_equal(tenantdb_error_message(error), message);
  tenantdb_error_free(error);
  tenantdb_params_clear(params);
  assert_int_equal(tndb_params_mistake(params, NULL), TENANTDB_OK);
  assert_null(tndb_params_types(params));
}

/* The first mistake is kept with its place; the value itself is never told. */
static void test_mistakes(void **state) {
  (void)state;
  tenantdb_params_int32(params, 1);
  tenantdb_params_uuid(params, "secret");
  tenantdb_params_numeric(params, "also wrong");
  tenantdb_params_int32(params, 2);
  assert_int_equal(tndb_params_count(params), 1);
  mistaken(TENANTDB_REASON_BAD_PARAMETER,
           "parameter 2 is not a uuid of the form 00000000-0000-0000-0000-000000000000");
  tenantdb_params_json(params, "\"\xc3\x28\"");
  mistaken(TENANTDB_REASON_BAD_PARAMETER, "parameter 1 is not valid UTF-8");
  tenantdb_params_timestamptz(params, INT64_MIN + 1);
  mistaken(TENANTDB_REASON_BAD_PARAMETER,
           "parameter 1 is earlier than 4713 BC, where PostgreSQL's time begins");
  tenantdb_params_bytea(params, NULL, 1);
  mistaken(TENANTDB_REASON_NULL_ARGUMENT, "parameter 1 has a length, but its data is NULL");
  static const char *const uuids[] = {"6e9b3c52-0000-4000-8000-00000000000f", NULL, "{6e9b}"};
  tenantdb_params_array_uuid(params, 3, uuids);
  mistaken(TENANTDB_REASON_BAD_PARAMETER,
           "parameter 1, values[2] is not a uuid of the form 00000000-0000-0000-0000-000000000000");
  static const int64_t early[] = {0, INT64_MIN + 1};
  tenantdb_params_array_timestamptz(params, 2, early, NULL);
  mistaken(TENANTDB_REASON_BAD_PARAMETER,
           "parameter 1, values[1] is earlier than 4713 BC, where PostgreSQL's time begins");
  tenantdb_params_array_int32(params, -1, NULL, NULL);
  mistaken(TENANTDB_REASON_BAD_ARGUMENT, "parameter 1 is an array of less than 0 values");
  tenantdb_params_array_text(params, 1, NULL);
  mistaken(TENANTDB_REASON_NULL_ARGUMENT, "parameter 1 has a number of values, but values is NULL");
  static const void *const blocks[] = {"x"};
  tenantdb_params_array_bytea(params, 1, blocks, NULL);
  mistaken(TENANTDB_REASON_NULL_ARGUMENT, "parameter 1 is an array of bytea, but lengths is NULL");
}

static void test_arrays(void **state) {
  (void)state;
  static const char *const texts[] = {"", "NULL", NULL, "a\"b\\c{d},e '", "ü\n"};
  static const int32_t nulls[] = {0, 1, 0, 0};
  static const int32_t ints[] = {1, 2, INT32_MIN, INT32_MAX};
  static const int64_t wide[] = {1, 2, INT64_MIN, INT64_MAX};
  static const double reals[] = {0.1, 2, -INFINITY, NAN};
  static const int64_t times[] = {0, 7, INT64_MAX, -62135596800000001};
  static const void *const blocks[] = {"a\0", NULL, "", "\xff"};
  static const size_t lengths[] = {2, 9, 0, 1};
  static const char *const numbers[] = {"1.50", NULL, "-1e5"};
  static const char *const uuids[] = {"6e9b3c52-0000-4000-8000-00000000000f", NULL};
  tenantdb_params_array_text(params, 5, texts);
  is_text(1009, "{\"\",\"NULL\",NULL,\"a\\\"b\\\\c{d},e '\",\"ü\n\"}");
  tenantdb_params_array_text(params, 0, NULL);
  is_text(1009, "{}");
  tenantdb_params_array_int32(params, 4, ints, nulls);
  is_text(1007, "{1,NULL,-2147483648,2147483647}");
  tenantdb_params_array_int32(params, 1, ints, NULL);
  is_text(1007, "{1}");
  tenantdb_params_array_int64(params, 4, wide, nulls);
  is_text(1016, "{1,NULL,-9223372036854775808,9223372036854775807}");
  tenantdb_params_array_double(params, 4, reals, nulls);
  is_text(1022, "{0.1,NULL,-Infinity,NaN}");
  tenantdb_params_array_bool(params, 4, ints, nulls);
  is_text(1000, "{t,NULL,t,t}");
  tenantdb_params_array_timestamptz(params, 4, times, nulls);
  is_text(1185, "{\"1970-01-01 00:00:00+00\",NULL,\"infinity\",\"0001-12-31 23:59:59.999999+00 BC\"}");
  tenantdb_params_array_bytea(params, 4, blocks, lengths);
  is_text(1001, "{\\\\x6100,NULL,\\\\x,\\\\xff}");
  tenantdb_params_array_numeric(params, 3, numbers);
  is_text(1231, "{1.50,NULL,-1e5}");
  tenantdb_params_array_uuid(params, 2, uuids);
  is_text(2951, "{6e9b3c52-0000-4000-8000-00000000000f,NULL}");
  tenantdb_params_array_uuid(params, 0, NULL);
  is_text(2951, "{}");
}

/* Everything accepts NULL for the list. */
static void test_null(void **state) {
  (void)state;
  static const int64_t wide[] = {INT64_MIN + 1};
  static const char *const texts[] = {"x"};
  tenantdb_params_bool(NULL, 1);
  tenantdb_params_double(NULL, 1);
  tenantdb_params_bytea(NULL, NULL, 3);
  tenantdb_params_uuid(NULL, "x");
  tenantdb_params_timestamptz(NULL, INT64_MIN + 1);
  tenantdb_params_array_text(NULL, 1, texts);
  tenantdb_params_array_uuid(NULL, 1, texts);
  tenantdb_params_array_timestamptz(NULL, 1, wide, NULL);
  tenantdb_params_array_int64(NULL, -1, NULL, NULL);
  assert_null(tndb_params_types(NULL));
  assert_null(tndb_params_formats(NULL));
}

static void append_some(tenantdb_params *list) {
  static const char *const texts[] = {"one", NULL, "three \"3\""};
  static const double reals[] = {0.1, 2};
  tenantdb_params_int64(list, 7);
  tenantdb_params_text(list, "a title of usual length");
  tenantdb_params_bytea(list, "\0\1\2", 3);
  tenantdb_params_array_text(list, 3, texts);
  tenantdb_params_array_double(list, 2, reals, NULL);
  tenantdb_params_timestamptz(list, 0);
  tenantdb_params_null(list);
}

/* A list that is used again allocates nothing; a fresh one with three values two blocks. */
static void test_allocations(void **state) {
  (void)state;
  append_some(params);
  append_some(params);
  tndb_memory_fail(0, false);
  for (int round = 0; round < 3; round++) {
    tenantdb_params_clear(params);
    append_some(params);
    append_some(params);
  }
  assert_int_equal(tndb_memory_fail(0, false), 0);
  tenantdb_params *fresh = tenantdb_params_new();
  tenantdb_params_int64(fresh, 1);
  tenantdb_params_text(fresh, "two");
  tenantdb_params_uuid(fresh, NULL);
  assert_int_equal(tndb_memory_fail(0, false), 2);
  tenantdb_params_free(fresh);
}

/* The pointers stay right while everything grows, also when the first values are NULL. */
static void test_growth(void **state) {
  (void)state;
  tenantdb_params_null(params);
  for (int32_t i = 0; i < 1000; i++) {
    char text[16];
    snprintf(text, sizeof text, "v%d", (int)i);
    if (i % 3) {
      tenantdb_params_text(params, text);
    } else {
      tenantdb_params_bytea(params, text, strlen(text));
    }
  }
  tenantdb_params_null(params);
  assert_int_equal(tndb_params_count(params), 1002);
  for (int32_t i = 0; i < 1000; i++) {
    char text[16];
    snprintf(text, sizeof text, "v%d", (int)i);
    assert_string_equal(tndb_params_values(params)[i + 1], text);
    assert_int_equal(tndb_params_formats(params)[i + 1], i % 3 == 0);
    assert_int_equal(tndb_params_types(params)[i + 1], i % 3 ? 0 : 17);
  }
}

static void fill(void *user) {
  bool *done = user;
  tenantdb_error *error = NULL;
  tenantdb_params *list = tenantdb_params_new();
  for (int i = 0; i < 10; i++) {
    append_some(list);
  }
  tenantdb_status status = tndb_params_mistake(list, &error);
  assert_true(status == TENANTDB_OK || (status == TENANTDB_MEMORY && error));
  *done = list && status == TENANTDB_OK && tndb_params_count(list) == 70;
  tenantdb_error_free(error);
  tenantdb_params_free(list);
}

static void test_memory(void **state) {
  (void)state;
  bool done = false;
  assert_true(unit_fail_each(fill, &done, false) > 5);
  assert_true(done);
  assert_true(unit_fail_each(fill, &done, true) > 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),
      cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
      cmocka_unit_test_setup_teardown(test_timestamps, setup, teardown),
      cmocka_unit_test_setup_teardown(test_numeric, setup, teardown),
      cmocka_unit_test_setup_teardown(test_mistakes, setup, teardown),
      cmocka_unit_test_setup_teardown(test_arrays, setup, teardown),
      cmocka_unit_test(test_null),
      cmocka_unit_test_setup_teardown(test_allocations, setup, teardown),
      cmocka_unit_test_setup_teardown(test_growth, setup, teardown),
      cmocka_unit_test(test_memory),
  };
  return cmocka_run_group_tests_name("statement/params typed", tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Typed getters on cells as a server would send them, in text and in binary form. */
#include <math.h>
#include <string.h>

#include "base/binary.h"
#include "base/result.h"
#include "base/types.h"
#include "unit.h"

/* A result of one cell. */
static struct {
  uint32_t type;
  int32_t format;
  const char *bytes; /* NULL for SQL NULL */
  size_t length;
} held;

static const char *held_value(const void *data, int32_t row, int32_t column) {
  (void)data;
  (void)row;
  (void)column;
  return held.bytes;
}

static size_t held_length(const void *data, int32_t row, int32_t column) {
  (void)data;
  (void)row;
  (void)column;
  return held.length;
}

static const char *held_name(const void *data, int32_t column) {
  (void)data;
  (void)column;
  return "amount";
}

static uint32_t held_type(const void *data, int32_t column) {
  (void)data;
  (void)column;
  return held.type;
}

static void held_release(void *data) {
  (void)data;
}

static int32_t held_format(const void *data, int32_t column) {
  (void)data;
  (void)column;
  return held.format;
}

static const tndb_result_source source = {held_value, held_length,  held_name,
                                          held_type,  held_release, held_format};

static tenantdb_result *of(uint32_t type, int32_t format, const char *bytes, size_t length) {
  held.type = type;
  held.format = format;
  held.bytes = bytes;
  held.length = bytes ? length : 0;
  tenantdb_result *result = tndb_result_wrap(&source, NULL, 1, 1, 0);
  assert_non_null(result);
  return result;
}

static tenantdb_result *text(uint32_t type, const char *value) {
  return of(type, 0, value, value ? strlen(value) : 0);
}

/* Frees result and error. */
static void failed(tenantdb_result *result, tenantdb_status status, tenantdb_error *error, int32_t reason,
                   const char *message) {
  assert_int_equal(status, TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), reason);
  if (message) {
    assert_string_equal(tenantdb_error_message(error), message);
  }
  tenantdb_error_free(error);
  tenantdb_result_free(result);
}

/* ---------------------------------------------------------------- whole numbers */

static void int64_is(tenantdb_result *result, int64_t expected) {
  tenantdb_error *error = NULL;
  int64_t value = 42;
  assert_int_equal(tenantdb_result_int64(result, 0, 0, &value, &error), TENANTDB_OK);
  assert_int_equal(value, expected);
  tenantdb_result_free(result);
}

static void int64_fails(tenantdb_result *result, int32_t reason, const char *message) {
  tenantdb_error *error = NULL;
  int64_t value = 42;
  tenantdb_status status = tenantdb_result_int64(result, 0, 0, &value, &error);
  assert_int_equal(value, 0);
  failed(result, status, error, reason, message);
}

static void int32_fails(tenantdb_result *result, int32_t reason, const char *message) {
  tenantdb_error *error = NULL;
  int32_t value = 42;
  tenantdb_status status = tenantdb_result_int32(result, 0, 0, &value, &error);
  assert_int_equal(value, 0);
  failed(result, status, error, reason, message);
}

static void test_integers(void **state) {
  (void)state;
  int64_is(text(TNDB_TYPE_INT8, "-9223372036854775808"), INT64_MIN);
  int64_is(text(TNDB_TYPE_INT2, "-7"), -7);
  int64_is(text(TNDB_TYPE_OID, "4294967295"), 4294967295);
  int64_is(text(TNDB_TYPE_NUMERIC, "12.00"), 12);
  int64_is(text(TNDB_TYPE_TEXT, "12"), 12);
  int64_is(of(TNDB_TYPE_INT2, 1, "\xff\xff", 2), -1);
  int64_is(of(TNDB_TYPE_INT4, 1, "\x80\0\0\0", 4), INT32_MIN);
  int64_is(of(TNDB_TYPE_INT8, 1, "\x80\0\0\0\0\0\0\0", 8), INT64_MIN);
  int64_is(of(TNDB_TYPE_INT8, 1, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8), INT64_MAX);
  int64_is(of(TNDB_TYPE_OID, 1, "\xff\xff\xff\xff", 4), 4294967295);
  int64_is(of(TNDB_TYPE_TEXT, 1, "-12", 3), -12);
  int64_is(of(TNDB_TYPE_NUMERIC, 1, "\0\2\0\1\x40\0\0\2\0\1\x23\x45", 12), -19029);
  int64_fails(text(TNDB_TYPE_NUMERIC, "12.50"), TENANTDB_REASON_VALUE_RANGE,
              "row 0, column \"amount\" (numeric) is not a whole number of 64 bits");
  int64_fails(text(TNDB_TYPE_NUMERIC, "9223372036854775808"), TENANTDB_REASON_VALUE_RANGE, NULL);
  int64_fails(text(TNDB_TYPE_NUMERIC, "NaN"), TENANTDB_REASON_BAD_VALUE, NULL);
  int64_fails(text(TNDB_TYPE_TEXT, "twelve"), TENANTDB_REASON_BAD_VALUE,
              "row 0, column \"amount\" (text) does not hold a whole number");
  int64_fails(text(TNDB_TYPE_TEXT, ""), TENANTDB_REASON_BAD_VALUE, NULL);
  int64_fails(text(TNDB_TYPE_FLOAT8, "1"), TENANTDB_REASON_WRONG_TYPE,
              "row 0, column \"amount\" (float8) is not of a type of whole numbers");
  int64_fails(text(16402, "1"), TENANTDB_REASON_WRONG_TYPE,
              "row 0, column \"amount\" (type 16402) is not of a type of whole numbers");
  int64_fails(text(TNDB_TYPE_INT8, NULL), TENANTDB_REASON_NULL_VALUE,
              "row 0, column \"amount\" (int8) is NULL; ask tenantdb_result_is_null() first");
  int64_fails(of(TNDB_TYPE_INT4, 1, "\0\0\0", 3), TENANTDB_REASON_BAD_VALUE, NULL);
  int64_fails(of(TNDB_TYPE_NUMERIC, 1, "\0\1\0\0\0\0\0\1\0\1", 9), TENANTDB_REASON_BAD_VALUE, NULL);
  int32_fails(
      text(TNDB_TYPE_INT8, "2147483648"), TENANTDB_REASON_VALUE_RANGE,
      "row 0, column \"amount\" (int8) is not a whole number of 32 bits; ask tenantdb_result_int64()");
  int32_fails(text(TNDB_TYPE_INT8, "-2147483649"), TENANTDB_REASON_VALUE_RANGE, NULL);
  int32_fails(text(TNDB_TYPE_BOOL, "t"), TENANTDB_REASON_WRONG_TYPE, NULL);
  tenantdb_result *result = text(TNDB_TYPE_INT8, "-2147483648");
  int32_t value = 0;
  assert_int_equal(tenantdb_result_int32(result, 0, 0, &value, NULL), TENANTDB_OK);
  assert_int_equal(value, INT32_MIN);
  tenantdb_result_free(result);
}

/* ---------------------------------------------------------------- doubles */

static void double_is(tenantdb_result *result, double expected) {
  double value = 42;
  assert_int_equal(tenantdb_result_double(result, 0, 0, &value, NULL), TENANTDB_OK);
  assert_true(isnan(expected) ? isnan(value) : memcmp(&value, &expected, sizeof value) == 0);
  tenantdb_result_free(result);
}

static void double_fails(tenantdb_result *result, int32_t reason, const char *message) {
  tenantdb_error *error = NULL;
  double value = 42;
  tenantdb_status status = tenantdb_result_double(result, 0, 0, &value, &error);
  assert_true(value == 0);
  failed(result, status, error, reason, message);
}

static void test_doubles(void **state) {
  (void)state;
  double_is(text(TNDB_TYPE_FLOAT8, "0.1"), 0.1);
  double_is(text(TNDB_TYPE_FLOAT8, "5e-324"), 5e-324);
  double_is(text(TNDB_TYPE_FLOAT8, "-0"), -0.0);
  double_is(text(TNDB_TYPE_FLOAT8, "-Infinity"), -INFINITY);
  double_is(text(TNDB_TYPE_FLOAT8, "NaN"), NAN);
  double_is(text(TNDB_TYPE_FLOAT4, "0.1"), (double)0.1f);
  double_is(text(TNDB_TYPE_NUMERIC, "0.10000000000000000000001"), 0.1);
  double_is(text(TNDB_TYPE_INT8, "9007199254740993"), 9007199254740992.0);
  double_is(text(TNDB_TYPE_VARCHAR, "1e3"), 1000);
  double_is(of(TNDB_TYPE_FLOAT8, 1, "\x3f\xf8\0\0\0\0\0\0", 8), 1.5);
  double_is(of(TNDB_TYPE_FLOAT4, 1, "\x3d\xcc\xcc\xcd", 4), (double)0.1f);
  double_is(of(TNDB_TYPE_INT2, 1, "\xff\xfe", 2), -2);
  double_is(of(TNDB_TYPE_NUMERIC, 1, "\0\0\0\0\xc0\0\0\0", 8), NAN);
  double_is(of(TNDB_TYPE_NUMERIC, 1, "\0\0\0\0\xf0\0\0\0", 8), -INFINITY);
  double_is(of(TNDB_TYPE_NUMERIC, 1, "\0\1\xff\xff\0\0\0\2\x04\xb0", 10), 0.12);
  double_fails(text(TNDB_TYPE_NUMERIC,
                    "1" /* and 400 zeros would do; an exponent is shorter */ "e400"),
               TENANTDB_REASON_VALUE_RANGE, "row 0, column \"amount\" (numeric) does not fit a double");
  double_fails(text(TNDB_TYPE_TEXT, "1,5"), TENANTDB_REASON_BAD_VALUE, NULL);
  double_fails(text(790, "$1.00"), TENANTDB_REASON_WRONG_TYPE,
               "row 0, column \"amount\" (money) is not of a type of numbers");
  double_fails(text(TNDB_TYPE_FLOAT8, NULL), TENANTDB_REASON_NULL_VALUE, NULL);
  double_fails(of(TNDB_TYPE_FLOAT8, 1, "\0\0\0\0", 4), TENANTDB_REASON_BAD_VALUE, NULL);
}

/* ---------------------------------------------------------------- truth, time */

static void test_bool(void **state) {
  (void)state;
  static const struct {
    uint32_t type;
    int32_t format;
    const char *bytes;
    int32_t value;
  } good[] = {
      {TNDB_TYPE_BOOL, 0, "t", 1},    {TNDB_TYPE_BOOL, 0, "f", 0},     {TNDB_TYPE_BOOL, 1, "\1", 1},
      {TNDB_TYPE_TEXT, 0, "true", 1}, {TNDB_TYPE_TEXT, 1, "false", 0},
  };
  int32_t value;
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    tenantdb_result *result = of(good[i].type, good[i].format, good[i].bytes, strlen(good[i].bytes));
    value = 42;
    assert_int_equal(tenantdb_result_bool(result, 0, 0, &value, NULL), TENANTDB_OK);
    assert_int_equal(value, good[i].value);
    tenantdb_result_free(result);
  }
  tenantdb_result *result = of(TNDB_TYPE_BOOL, 1, "\0", 1);
  assert_int_equal(tenantdb_result_bool(result, 0, 0, &value, NULL), TENANTDB_OK);
  assert_int_equal(value, 0);
  tenantdb_result_free(result);
  tenantdb_error *error = NULL;
  result = text(TNDB_TYPE_TEXT, "yes");
  tenantdb_status status = tenantdb_result_bool(result, 0, 0, &value, &error);
  failed(result, status, error, TENANTDB_REASON_BAD_VALUE,
         "row 0, column \"amount\" (text) is neither true nor false");
  result = text(TNDB_TYPE_INT4, "1");
  status = tenantdb_result_bool(result, 0, 0, &value, &error);
  failed(result, status, error, TENANTDB_REASON_WRONG_TYPE, NULL);
}

static void moment_is(tenantdb_result *result, int64_t expected) {
  int64_t value = 42;
  assert_int_equal(tenantdb_result_timestamptz(result, 0, 0, &value, NULL), TENANTDB_OK);
  assert_int_equal(value, expected);
  tenantdb_result_free(result);
}

static void moment_fails(tenantdb_result *result, int32_t reason, const char *message) {
  tenantdb_error *error = NULL;
  int64_t value = 42;
  tenantdb_status status = tenantdb_result_timestamptz(result, 0, 0, &value, &error);
  assert_int_equal(value, 0);
  failed(result, status, error, reason, message);
}

static void test_timestamps(void **state) {
  (void)state;
  moment_is(text(TNDB_TYPE_TIMESTAMPTZ, "1970-01-01 01:00:00.5+01"), 500000);
  moment_is(text(TNDB_TYPE_TIMESTAMPTZ, "-infinity"), INT64_MIN);
  moment_is(text(TNDB_TYPE_TEXT, "1970-01-01T00:00:01Z"), 1000000);
  moment_is(of(TNDB_TYPE_TIMESTAMPTZ, 1, "\0\0\0\0\0\0\0\0", 8), INT64_C(946684800000000));
  moment_is(of(TNDB_TYPE_TIMESTAMPTZ, 1, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8), INT64_MAX);
  moment_is(of(TNDB_TYPE_TIMESTAMPTZ, 1, "\x80\0\0\0\0\0\0\0", 8), INT64_MIN);
  moment_fails(
      text(TNDB_TYPE_TIMESTAMPTZ, "01.01.1970 00:00:00 CET"), TENANTDB_REASON_BAD_VALUE,
      "row 0, column \"amount\" (timestamptz) is not in ISO form with an offset; DateStyle has to be ISO");
  moment_fails(text(TNDB_TYPE_TIMESTAMPTZ, "294276-12-31 23:59:59.999999+00"), TENANTDB_REASON_VALUE_RANGE,
               NULL);
  moment_fails(of(TNDB_TYPE_TIMESTAMPTZ, 1, "\x7f\xff\xff\xff\xff\xff\xff\xfe", 8),
               TENANTDB_REASON_VALUE_RANGE, NULL);
  moment_fails(of(TNDB_TYPE_TIMESTAMPTZ, 1, "\0", 1), TENANTDB_REASON_BAD_VALUE, NULL);
  moment_fails(
      text(1114, "1970-01-01 00:00:00"), TENANTDB_REASON_WRONG_TYPE,
      "row 0, column \"amount\" (timestamp) is not of type timestamptz; a timestamp becomes one by AT "
      "TIME ZONE");
}

/* ---------------------------------------------------------------- bytes */

static void test_bytes(void **state) {
  (void)state;
  const void *data = NULL;
  const void *again = NULL;
  size_t length = 42;
  tenantdb_error *error = NULL;
  tenantdb_result *result = text(TNDB_TYPE_BYTEA, "\\x61004280ff");
  assert_int_equal(tenantdb_result_bytea(result, 0, 0, &data, &length, &error), TENANTDB_OK);
  assert_int_equal(length, 5);
  assert_memory_equal(data, "a\0B\x80\xff", 5);
  tndb_memory_fail(0, false);
  assert_int_equal(tenantdb_result_bytea(result, 0, 0, &again, &length, &error), TENANTDB_OK);
  assert_ptr_equal(again, data);
  assert_int_equal(tndb_memory_fail(0, false), 0);
  assert_string_equal(tenantdb_result_value(result, 0, 0), "\\x61004280ff");
  tndb_result_forget(result);
  assert_int_equal(tenantdb_result_bytea(result, 0, 0, &again, &length, &error), TENANTDB_OK);
  assert_int_equal(length, 5);
  tenantdb_result_free(result);
  result = text(TNDB_TYPE_BYTEA, "");
  assert_int_equal(tenantdb_result_bytea(result, 0, 0, &data, &length, &error), TENANTDB_OK);
  assert_non_null(data);
  assert_int_equal(length, 0);
  tenantdb_result_free(result);
  result = text(TNDB_TYPE_BYTEA, "it\\\\s\\000\\377");
  assert_int_equal(tenantdb_result_bytea(result, 0, 0, &data, &length, &error), TENANTDB_OK);
  assert_int_equal(length, 6);
  assert_memory_equal(data, "it\\s\0\xff", 6);
  tenantdb_result_free(result);
  result = of(TNDB_TYPE_BYTEA, 1, "a\0b", 3);
  assert_int_equal(tenantdb_result_bytea(result, 0, 0, &data, &length, &error), TENANTDB_OK);
  assert_ptr_equal(data, held.bytes);
  assert_int_equal(length, 3);
  tenantdb_result_free(result);
  result = text(TNDB_TYPE_BYTEA, "\\x6");
  tenantdb_status status = tenantdb_result_bytea(result, 0, 0, &data, &length, &error);
  assert_null(data);
  failed(result, status, error, TENANTDB_REASON_BAD_VALUE,
         "row 0, column \"amount\" (bytea) is not in a form that bytea_output knows");
  result = text(TNDB_TYPE_TEXT, "\\x61");
  status = tenantdb_result_bytea(result, 0, 0, &data, &length, &error);
  failed(result, status, error, TENANTDB_REASON_WRONG_TYPE, NULL);
}

static void decode(void *user) {
  (void)user;
  static const char hex[] = "\\x616263";
  const void *data = NULL;
  size_t length = 0;
  tenantdb_error *error = NULL;
  held.type = TNDB_TYPE_BYTEA;
  held.format = 0;
  held.bytes = hex;
  held.length = sizeof hex - 1;
  tenantdb_result *result = tndb_result_wrap(&source, NULL, 1, 1, 0);
  if (result) {
    tenantdb_status status = tenantdb_result_bytea(result, 0, 0, &data, &length, &error);
    assert_true(status == TENANTDB_OK ? length == 3 : status == TENANTDB_MEMORY && !data && error);
    tenantdb_error_free(error);
    /* What ran out of memory can be asked again. */
    tndb_memory_fail(0, false);
    assert_int_equal(tenantdb_result_bytea(result, 0, 0, &data, &length, NULL), TENANTDB_OK);
  }
  tenantdb_result_free(result);
}

static void numbers(void *user) {
  (void)user;
  double value = 0;
  char *json = NULL;
  held.type = TNDB_TYPE_NUMERIC;
  held.format = 1;
  held.bytes = "\0\1\xff\xff\0\0\0\2\x04\xb0";
  held.length = 10;
  tenantdb_result *result = tndb_result_wrap(&source, NULL, 1, 1, 0);
  if (result) {
    tenantdb_status status = tenantdb_result_double(result, 0, 0, &value, NULL);
    assert_true(status == TENANTDB_OK ? value == 0.12 : status == TENANTDB_MEMORY);
    status = tenantdb_result_json(result, &json, NULL);
    assert_true(status == TENANTDB_OK ? strcmp(json, "[{\"amount\":0.12}]") == 0 : status == TENANTDB_MEMORY);
    tenantdb_string_free(json);
  }
  tenantdb_result_free(result);
}

static void test_memory(void **state) {
  (void)state;
  /* The result, the list, its columns, the column, the cell: each was failed. decode() stops the counting. */
  for (uint64_t at = 1; at <= 5; at++) {
    int64_t before = tndb_memory_live();
    tndb_memory_fail(at, false);
    decode(NULL);
    tndb_memory_fail(0, false);
    assert_int_equal(tndb_memory_live(), before);
  }
  assert_true(unit_fail_each(numbers, NULL, false) >= 3);
  assert_true(unit_fail_each(numbers, NULL, true) >= 3);
}

/* ---------------------------------------------------------------- arguments, JSON, names */

static void test_arguments(void **state) {
  (void)state;
  static const struct {
    int32_t row;
    int32_t column;
    const char *message;
  } rows[] = {
      {1, 0, "row is 1; the result has 1, counted from 0"},
      {-1, 0, "row is -1; the result has 1, counted from 0"},
      {0, 1, "column is 1; the result has 1, counted from 0"},
      {0, -1, "column is -1; the result has 1, counted from 0"},
  };
  tenantdb_result *result = text(TNDB_TYPE_INT8, "1");
  tenantdb_error *error = NULL;
  int64_t value = 42;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    assert_int_equal(tenantdb_result_int64(result, rows[i].row, rows[i].column, &value, &error),
                     TENANTDB_ARGUMENT);
    assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_BAD_ARGUMENT);
    assert_string_equal(tenantdb_error_message(error), rows[i].message);
    tenantdb_error_free(error);
  }
  assert_int_equal(tenantdb_result_int64(NULL, 0, 0, &value, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_result_int64(result, 0, 0, NULL, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_result_int32(result, 0, 0, NULL, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_result_double(result, 0, 0, NULL, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_result_bool(result, 0, 0, NULL, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_result_timestamptz(result, 0, 0, NULL, NULL), TENANTDB_ARGUMENT);
  const void *data = "";
  size_t length = 1;
  assert_int_equal(tenantdb_result_bytea(result, 0, 0, NULL, &length, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_result_bytea(result, 0, 0, &data, NULL, NULL), TENANTDB_ARGUMENT);
  assert_null(data);
  assert_int_equal(tenantdb_result_bytea(NULL, 0, 0, &data, &length, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_result_format(NULL, 0), 0);
  assert_int_equal(tenantdb_result_format(result, 1), 0);
  tenantdb_result_free(result);
}

static void json_is(tenantdb_result *result, const char *expected) {
  char *json = NULL;
  assert_int_equal(tenantdb_result_format(result, 0), 1);
  assert_int_equal(tenantdb_result_json(result, &json, NULL), TENANTDB_OK);
  char *end = strrchr(json, '}');
  *end = '\0';
  assert_string_equal(json + strlen("[{\"amount\":"), expected);
  tenantdb_string_free(json);
  tenantdb_result_free(result);
}

static void test_binary_json(void **state) {
  (void)state;
  json_is(of(TNDB_TYPE_BOOL, 1, "\1", 1), "true");
  json_is(of(TNDB_TYPE_BOOL, 1, "\0", 1), "false");
  json_is(of(TNDB_TYPE_INT4, 1, "\xff\xff\xff\xfe", 4), "-2");
  json_is(of(TNDB_TYPE_FLOAT4, 1, "\x3d\xcc\xcc\xcd", 4), "0.1");
  json_is(of(TNDB_TYPE_FLOAT8, 1, "\x7f\xf0\0\0\0\0\0\0", 8), "\"Infinity\"");
  json_is(of(TNDB_TYPE_NUMERIC, 1, "\0\0\0\0\0\0\0\2", 8), "0.00");
  json_is(of(TNDB_TYPE_NUMERIC, 1, "\0\1\0\2\0\0\0\0\0\1", 10), "100000000");
  json_is(of(TNDB_TYPE_NUMERIC, 1, "\0\1\xff\xfe\x40\0\0\6\x04\xb0", 10), "-0.000012");
  json_is(of(TNDB_TYPE_TEXT, 1, "a\"b", 3), "\"a\\\"b\"");
  json_is(of(TNDB_TYPE_JSON, 1, "[1]", 3), "[1]");
  json_is(of(TNDB_TYPE_JSONB, 1, "\1[1]", 4), "[1]");
  json_is(of(TNDB_TYPE_JSONB, 1, "\2[1]", 4), "\"\\\\x025b315d\"");
  json_is(of(TNDB_TYPE_UUID, 1, "\x6e\x9b\x3c\x52\0\0\x40\0\x80\0\0\0\0\0\0\x0f", 16),
          "\"6e9b3c52-0000-4000-8000-00000000000f\"");
  json_is(of(TNDB_TYPE_TIMESTAMPTZ, 1, "\0\0\0\0\0\0\0\1", 8), "\"2000-01-01 00:00:00.000001+00\"");
  json_is(of(TNDB_TYPE_BYTEA, 1, "a\0", 2), "\"\\\\x6100\"");
  json_is(of(16402, 1, "\x80", 1), "\"\\\\x80\"");
  json_is(of(TNDB_TYPE_INT4, 1, "\x80", 1), "\"\\\\x80\"");
  json_is(of(TNDB_TYPE_INT4, 1, NULL, 0), "null");
}

static void test_type_names(void **state) {
  (void)state;
  assert_string_equal(tenantdb_result_type_name(16), "bool");
  assert_string_equal(tenantdb_result_type_name(1184), "timestamptz");
  assert_string_equal(tenantdb_result_type_name(5069), "xid8");
  assert_string_equal(tenantdb_result_type_name(1009), "text[]");
  assert_string_equal(tenantdb_result_type_name(0), "?");
  assert_string_equal(tenantdb_result_type_name(22), "?");
  assert_string_equal(tenantdb_result_type_name(UINT32_MAX), "?");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_integers),   cmocka_unit_test(test_doubles),
      cmocka_unit_test(test_bool),       cmocka_unit_test(test_timestamps),
      cmocka_unit_test(test_bytes),      cmocka_unit_test(test_memory),
      cmocka_unit_test(test_arguments),  cmocka_unit_test(test_binary_json),
      cmocka_unit_test(test_type_names),
  };
  return cmocka_run_group_tests_name("base/result typed", tests, NULL, NULL);
}

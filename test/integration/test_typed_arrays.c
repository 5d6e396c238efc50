/* SPDX-License-Identifier: PostgreSQL */
/* Arrays to a server, results in binary form, JSON. */
#include <math.h>

#include "fixture.h"
#include "pg/rows.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static tenantdb_session *session;
static tenantdb_params *params;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  session = fixture_session(db, "a");
  params = tenantdb_params_new();
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_params_free(params);
  tenantdb_session_close(session);
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static tenantdb_result *query(const char *sql) {
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_session_query(session, sql, params, &result, &error), error);
  return result;
}

static int64_t whole(const tenantdb_result *result, int32_t row, int32_t column) {
  int64_t value = 0;
  harness_assert_ok(tenantdb_result_int64(result, row, column, &value, &error), error);
  return value;
}

static void test_text_array(void **state) {
  (void)state;
  static const char *const texts[] = {
      "",  "NULL",   "null", NULL, "a b",    "it's", "\"", "\\",       "{}",     "{a,b}",
      ",", "\\\\\"", " x ",  "ü",  "\n\t\r", "\x7f", "$1", "E'\\000'", "日本語", "\xf0\x9f\x90\x98"};
  enum { TEXTS = sizeof texts / sizeof texts[0] };
  tenantdb_params_clear(params);
  tenantdb_params_array_text(params, TEXTS, texts);
  tenantdb_result *result = query("SELECT v FROM unnest($1) WITH ORDINALITY AS u(v, n) ORDER BY n");
  assert_int_equal(tenantdb_result_rows(result), TEXTS);
  for (int32_t i = 0; i < TEXTS; i++) {
    if (texts[i]) {
      assert_string_equal(tenantdb_result_value(result, i, 0), texts[i]);
    } else {
      assert_int_equal(tenantdb_result_is_null(result, i, 0), 1);
    }
  }
  tenantdb_result_free(result);
}

static void test_number_arrays(void **state) {
  (void)state;
  static const int32_t nulls[] = {0, 1, 0, 0};
  static const int32_t ints[] = {1, 2, INT32_MIN, INT32_MAX};
  static const int64_t wide[] = {1, 2, INT64_MIN, INT64_MAX};
  static const double reals[] = {5e-324, 2, -INFINITY, 0.1};
  static const int32_t truths[] = {1, 1, 0, 5};
  static const int64_t times[] = {0, 1, INT64_MAX, -INT64_C(210866803200000000)};
  tenantdb_params_clear(params);
  tenantdb_params_array_int32(params, 4, ints, nulls);
  tenantdb_params_array_int64(params, 4, wide, nulls);
  tenantdb_params_array_double(params, 4, reals, nulls);
  tenantdb_params_array_bool(params, 4, truths, nulls);
  tenantdb_params_array_timestamptz(params, 4, times, nulls);
  tenantdb_result *result = query("SELECT * FROM unnest($1, $2, $3, $4, $5) AS u(i, w, r, t, m)");
  assert_int_equal(tenantdb_result_rows(result), 4);
  for (int32_t row = 0; row < 4; row++) {
    for (int32_t column = 0; column < 5; column++) {
      assert_int_equal(tenantdb_result_is_null(result, row, column), nulls[row]);
    }
    if (!nulls[row]) {
      double real = 0;
      int32_t truth = 42;
      int64_t moment = 42;
      assert_int_equal(whole(result, row, 0), ints[row]);
      assert_int_equal(whole(result, row, 1), wide[row]);
      harness_assert_ok(tenantdb_result_double(result, row, 2, &real, &error), error);
      assert_memory_equal(&real, &reals[row], sizeof real);
      harness_assert_ok(tenantdb_result_bool(result, row, 3, &truth, &error), error);
      assert_int_equal(truth, truths[row] != 0);
      harness_assert_ok(tenantdb_result_timestamptz(result, row, 4, &moment, &error), error);
      assert_int_equal(moment, times[row]);
    }
  }
  tenantdb_result_free(result);
}

static void test_other_arrays(void **state) {
  (void)state;
  static const char *const uuids[] = {"6e9b3c52-0000-4000-8000-00000000000f", NULL,
                                      "00000000-0000-0000-0000-000000000000"};
  static const char *const numbers[] = {"1.50", NULL, "NaN"};
  static const void *const blocks[] = {"a\0\x80\\", NULL, ""};
  static const size_t lengths[] = {4, 0, 0};
  tenantdb_params_clear(params);
  tenantdb_params_array_uuid(params, 3, uuids);
  tenantdb_params_array_numeric(params, 3, numbers);
  tenantdb_params_array_bytea(params, 3, blocks, lengths);
  tenantdb_result *result = query("SELECT * FROM unnest($1, $2, $3) AS u(i, n, b)");
  assert_int_equal(tenantdb_result_rows(result), 3);
  for (int32_t row = 0; row < 3; row += 2) {
    const void *data = NULL;
    size_t length = 42;
    assert_string_equal(tenantdb_result_value(result, row, 0), uuids[row]);
    assert_string_equal(tenantdb_result_value(result, row, 1), numbers[row]);
    harness_assert_ok(tenantdb_result_bytea(result, row, 2, &data, &length, &error), error);
    assert_int_equal(length, lengths[row]);
    assert_int_equal(memcmp(data, blocks[row], length), 0);
  }
  for (int32_t column = 0; column < 3; column++) {
    assert_int_equal(tenantdb_result_is_null(result, 1, column), 1);
  }
  tenantdb_result_free(result);
}

static void test_empty_arrays(void **state) {
  (void)state;
  tenantdb_params_clear(params);
  tenantdb_params_array_text(params, 0, NULL);
  tenantdb_params_array_int32(params, 0, NULL, NULL);
  tenantdb_params_array_double(params, 0, NULL, NULL);
  tenantdb_params_array_bytea(params, 0, NULL, NULL);
  tenantdb_result *result =
      query("SELECT cardinality($1) + cardinality($2) + cardinality($3) + cardinality($4), 1 = ANY ($2)");
  assert_int_equal(whole(result, 0, 0), 0);
  assert_string_equal(tenantdb_result_value(result, 0, 1), "f");
  tenantdb_result_free(result);
}

/* A thousand ids in one parameter, as who looks up many rows at once will do. */
static void test_large_array(void **state) {
  (void)state;
  static int64_t ids[100000];
  for (int64_t i = 0; i < 100000; i++) {
    ids[i] = i * 1000003;
  }
  tenantdb_params_clear(params);
  tenantdb_params_array_int64(params, 100000, ids, NULL);
  tenantdb_result *result = query("SELECT count(*), sum(v) FROM unnest($1) v");
  assert_int_equal(whole(result, 0, 0), 100000);
  assert_int_equal(whole(result, 0, 1), INT64_C(99999) * 50000 * 1000003);
  tenantdb_result_free(result);
}

/* ---------------------------------------------------------------- binary form */

static const char every_type[] =
    "SELECT true AS b, (-7)::int2 AS s, 2147483647 AS i, (-9223372036854775808)::int8 AS w, 4294967295::oid "
    "AS o, "
    "0.1::float4 AS f, 5e-324::float8 AS d, -12345678.000900::numeric(20, 6) AS n, 100000000::numeric AS h, "
    "'NaN'::numeric AS x, 'it\"s ü' AS t, 'abc'::varchar AS v, '\\x00ff41'::bytea AS y, "
    "'6e9b3c52-0000-4000-8000-00000000000f'::uuid AS u, '[1, null]'::json AS j, '{\"a\": 1}'::jsonb AS k, "
    "timestamptz '2024-02-29 12:00:00.5+00' AS z, 'infinity'::timestamptz AS e, NULL::int AS l, "
    "12345::numeric AS m";

/* By libpq alone: text for 0, binary for 1. */
static tenantdb_result *answered(const char *sql, int format) {
  tenantdb_result *result = NULL;
  PGconn *pg = PQconnectdb(url);
  PQclear(PQexec(pg, "SET TimeZone = 'UTC'"));
  harness_assert_ok(tndb_rows_wrap(PQexecParams(pg, sql, 0, NULL, NULL, NULL, NULL, format), &result, &error),
                    error);
  PQfinish(pg);
  return result;
}

/* Both forms hold the same values, and make the same JSON. */
static void test_binary(void **state) {
  (void)state;
  tenantdb_result *results[] = {answered(every_type, 0), answered(every_type, 1)};
  for (int i = 0; i < 2; i++) {
    const tenantdb_result *result = results[i];
    int32_t truth = 0;
    int64_t moment = 0;
    double real = 0;
    const void *data = NULL;
    size_t length = 0;
    assert_int_equal(tenantdb_result_rows(result), 1);
    for (int32_t column = 0; column < tenantdb_result_columns(result); column++) {
      assert_int_equal(tenantdb_result_format(result, column), i);
    }
    harness_assert_ok(tenantdb_result_bool(result, 0, 0, &truth, &error), error);
    assert_int_equal(truth, 1);
    assert_int_equal(whole(result, 0, 1), -7);
    assert_int_equal(whole(result, 0, 2), INT32_MAX);
    assert_int_equal(whole(result, 0, 3), INT64_MIN);
    assert_int_equal(whole(result, 0, 4), 4294967295);
    assert_int_equal(whole(result, 0, 8), 100000000);
    assert_int_equal(whole(result, 0, 19), 12345);
    harness_assert_ok(tenantdb_result_double(result, 0, 5, &real, &error), error);
    assert_true(real == (double)0.1f);
    harness_assert_ok(tenantdb_result_double(result, 0, 6, &real, &error), error);
    assert_true(real == 5e-324);
    harness_assert_ok(tenantdb_result_double(result, 0, 7, &real, &error), error);
    assert_true(real == -12345678.0009);
    harness_assert_ok(tenantdb_result_double(result, 0, 9, &real, &error), error);
    assert_true(isnan(real));
    harness_assert_ok(tenantdb_result_bytea(results[i], 0, 12, &data, &length, &error), error);
    assert_int_equal(length, 3);
    assert_memory_equal(data, "\0\xff\x41", 3);
    harness_assert_ok(tenantdb_result_timestamptz(result, 0, 16, &moment, &error), error);
    assert_int_equal(moment, INT64_C(1709208000500000));
    harness_assert_ok(tenantdb_result_timestamptz(result, 0, 17, &moment, &error), error);
    assert_int_equal(moment, INT64_MAX);
    assert_int_equal(tenantdb_result_is_null(result, 0, 18), 1);
  }
  char *as_text = NULL;
  char *as_binary = NULL;
  harness_assert_ok(tenantdb_result_json(results[0], &as_text, &error), error);
  harness_assert_ok(tenantdb_result_json(results[1], &as_binary, &error), error);
  assert_string_equal(as_binary, as_text);
  assert_string_equal(as_text,
                      "[{\"b\":true,\"s\":-7,\"i\":2147483647,\"w\":-9223372036854775808,\"o\":4294967295,"
                      "\"f\":0.1,\"d\":5e-324,"
                      "\"n\":-12345678.000900,\"h\":100000000,\"x\":\"NaN\",\"t\":\"it\\\"s "
                      "ü\",\"v\":\"abc\",\"y\":\"\\\\x00ff41\","
                      "\"u\":\"6e9b3c52-0000-4000-8000-00000000000f\",\"j\":[1, null],\"k\":{\"a\": 1},"
                      "\"z\":\"2024-02-29 12:00:00.5+00\",\"e\":\"infinity\",\"l\":null,\"m\":12345}]");
  tenantdb_string_free(as_text);
  tenantdb_string_free(as_binary);
  tenantdb_result_free(results[0]);
  tenantdb_result_free(results[1]);
}

/* Binary numerics of every shape, judged by the server's own text of them. */
static void test_binary_numerics(void **state) {
  (void)state;
  tenantdb_result *result = answered(
      "SELECT n, n::text AS text FROM (SELECT s * m * 10::numeric ^ e FROM "
      "unnest(ARRAY[0, 1, 9, 10, 9999, 10000, 12345, 1000000001, 1234567890123456789]::numeric[]) m, "
      "unnest(ARRAY[1, -1]) s, generate_series(-22, 30) e) AS q(n)",
      1);
  char *json = NULL;
  harness_assert_ok(tenantdb_result_json(result, &json, &error), error);
  assert_int_equal(tenantdb_result_rows(result), 9 * 2 * 53);
  /* {"n":1.50,"text":"1.50"} */
  int32_t rows = 0;
  for (char *at = json; (at = strstr(at, "{\"n\":")) != NULL; rows++) {
    at += strlen("{\"n\":");
    size_t length = strcspn(at, ",");
    const char *text = strstr(at, "\"text\":\"") + strlen("\"text\":\"");
    assert_memory_equal(at, text, length);
    assert_int_equal(text[length], '"');
  }
  assert_int_equal(rows, tenantdb_result_rows(result));
  tenantdb_string_free(json);
  tenantdb_result_free(result);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_text_array),      cmocka_unit_test(test_number_arrays),
      cmocka_unit_test(test_other_arrays),    cmocka_unit_test(test_empty_arrays),
      cmocka_unit_test(test_large_array),     cmocka_unit_test(test_binary),
      cmocka_unit_test(test_binary_numerics),
  };
  return cmocka_run_group_tests_name("typed arrays", tests, setup, teardown);
}

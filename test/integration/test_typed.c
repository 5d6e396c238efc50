/* SPDX-License-Identifier: PostgreSQL */
/* Typed values to a server and back, in text and in binary form. */
#include <float.h>
#include <math.h>

#include "fixture.h"

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

/* The values are used up. */
static tenantdb_result *query(const char *sql) {
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_session_query(session, sql, params, &result, &error), error);
  tenantdb_params_clear(params);
  return result;
}

/* The first column of the only row; the result is freed, the text lasts until the next call. */
static const char *answer(const char *sql) {
  static char cell[8192];
  tenantdb_result *result = query(sql);
  const char *value = tenantdb_result_value(result, 0, 0);
  snprintf(cell, sizeof cell, "%s", value ? value : "(null)");
  tenantdb_result_free(result);
  return cell;
}

/* No value needs a cast: the server knows what it is. */
static void test_types_are_known(void **state) {
  (void)state;
  static const int32_t ints[] = {1};
  static const int64_t wide[] = {1};
  static const double reals[] = {1};
  static const char *const numbers[] = {"1"};
  static const char *const uuids[] = {"6e9b3c52-0000-4000-8000-00000000000f"};
  static const void *const blocks[] = {"x"};
  static const size_t lengths[] = {1};
  static const char *const names[] = {"boolean",
                                      "integer",
                                      "bigint",
                                      "double precision",
                                      "bytea",
                                      "uuid",
                                      "timestamp with time zone",
                                      "numeric",
                                      "json",
                                      "jsonb",
                                      "date",
                                      "text[]",
                                      "integer[]",
                                      "bigint[]",
                                      "double precision[]",
                                      "boolean[]",
                                      "uuid[]",
                                      "numeric[]",
                                      "timestamp with time zone[]",
                                      "bytea[]"};
  enum { KINDS = sizeof names / sizeof names[0] };
  tenantdb_params_bool(params, 1);
  tenantdb_params_int32(params, 1);
  tenantdb_params_int64(params, 1);
  tenantdb_params_double(params, 1);
  tenantdb_params_bytea(params, "x", 1);
  tenantdb_params_uuid(params, uuids[0]);
  tenantdb_params_timestamptz(params, 1);
  tenantdb_params_numeric(params, "1");
  tenantdb_params_json(params, "1");
  tenantdb_params_jsonb(params, "1");
  tenantdb_params_typed(params, 1082, "2024-02-29");
  tenantdb_params_array_text(params, 1, numbers);
  tenantdb_params_array_int32(params, 1, ints, NULL);
  tenantdb_params_array_int64(params, 1, wide, NULL);
  tenantdb_params_array_double(params, 1, reals, NULL);
  tenantdb_params_array_bool(params, 1, ints, NULL);
  tenantdb_params_array_uuid(params, 1, uuids);
  tenantdb_params_array_numeric(params, 1, numbers);
  tenantdb_params_array_timestamptz(params, 1, wide, NULL);
  tenantdb_params_array_bytea(params, 1, blocks, lengths);
  char sql[1024] = "SELECT ";
  for (int i = 0; i < KINDS; i++) {
    snprintf(sql + strlen(sql), sizeof sql - strlen(sql), "%spg_typeof($%d)", i ? "," : "", i + 1);
  }
  tenantdb_result *result = query(sql);
  for (int32_t i = 0; i < KINDS; i++) {
    assert_string_equal(tenantdb_result_value(result, 0, i), names[i]);
  }
  tenantdb_result_free(result);
  tenantdb_params_bool(params, 0);
  tenantdb_params_uuid(params, NULL);
  assert_string_equal(answer("SELECT $1 IS FALSE AND $2 IS NULL"), "t");
}

/* The same SQL with values of other types, again and again: prepared statements do not mix them up. */
static void test_types_change(void **state) {
  (void)state;
  for (int i = 0; i < 8; i++) {
    tenantdb_params_int32(params, 7);
    assert_string_equal(answer("SELECT pg_typeof($1)"), "integer");
    tenantdb_params_int64(params, 7);
    assert_string_equal(answer("SELECT pg_typeof($1)"), "bigint");
    tenantdb_params_timestamptz(params, 7);
    assert_string_equal(answer("SELECT pg_typeof($1)"), "timestamp with time zone");
    tenantdb_params_bytea(params, "a\0b", 3);
    assert_string_equal(answer("SELECT length($1)"), "3");
    tenantdb_params_text(params, "a\\000b");
    assert_string_equal(answer("SELECT length($1)"), "6");
  }
}

static void test_integers(void **state) {
  (void)state;
  static const int64_t wide[] = {0, -1, INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN};
  static const int32_t narrow[] = {0, -1, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
    tenantdb_params_int64(params, wide[i]);
    tenantdb_result *result = query("SELECT $1, $1::numeric(30, 2), $1::text");
    for (int32_t column = 0; column < 3; column++) {
      int64_t value = 42;
      harness_assert_ok(tenantdb_result_int64(result, 0, column, &value, &error), error);
      assert_int_equal(value, wide[i]);
    }
    tenantdb_result_free(result);
  }
  for (size_t i = 0; i < sizeof narrow / sizeof narrow[0]; i++) {
    int32_t value = 42;
    tenantdb_params_int32(params, narrow[i]);
    tenantdb_result *result = query("SELECT $1");
    harness_assert_ok(tenantdb_result_int32(result, 0, 0, &value, &error), error);
    assert_int_equal(value, narrow[i]);
    tenantdb_result_free(result);
  }
  tenantdb_result *result = query("SELECT 2147483648, true AS b, NULL::int, '1'::oid");
  int32_t value = 42;
  fixture_assert_refused(tenantdb_result_int32(result, 0, 0, &value, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_VALUE_RANGE,
                         "row 0, column \"?column?\" (int8) is not a whole number");
  fixture_assert_refused(tenantdb_result_int32(result, 0, 1, &value, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_WRONG_TYPE, "row 0, column \"b\" (bool)");
  fixture_assert_refused(tenantdb_result_int32(result, 0, 2, &value, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_VALUE, "is NULL");
  harness_assert_ok(tenantdb_result_int32(result, 0, 3, &value, &error), error);
  assert_int_equal(value, 1);
  tenantdb_result_free(result);
}

static void test_bool(void **state) {
  (void)state;
  int32_t yes = 42;
  int32_t no = 42;
  tenantdb_params_bool(params, 1);
  tenantdb_params_bool(params, 0);
  tenantdb_result *result = query("SELECT $1, $2");
  harness_assert_ok(tenantdb_result_bool(result, 0, 0, &yes, &error), error);
  harness_assert_ok(tenantdb_result_bool(result, 0, 1, &no, &error), error);
  assert_int_equal(yes, 1);
  assert_int_equal(no, 0);
  tenantdb_result_free(result);
}

static const double reals[] = {
    0.0,      -0.0,     0.1,     -1.5,   1e15,   1e16,    1e22, 1e23,
    DBL_MAX,  -DBL_MAX, DBL_MIN, 5e-324, 1e-310, 1.0 / 3, 2e-5, 123456789.123456789,
    INFINITY, -INFINITY};

static void double_comes_back(const tenantdb_result *result, int32_t column, double expected) {
  double value = 42;
  harness_assert_ok(tenantdb_result_double(result, 0, column, &value, &error), error);
  assert_memory_equal(&value, &expected, sizeof value);
}

static void test_doubles(void **state) {
  (void)state;
  double value = 0;
  for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
    /* As it came, as text, and by the bytes that the server holds. */
    tenantdb_params_double(params, reals[i]);
    tenantdb_result *result = query("SELECT $1, $1::text, encode(float8send($1), 'hex')");
    double_comes_back(result, 0, reals[i]);
    double_comes_back(result, 1, reals[i]);
    uint64_t bits;
    char hex[17];
    memcpy(&bits, &reals[i], sizeof bits);
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)bits);
    assert_string_equal(tenantdb_result_value(result, 0, 2), hex);
    tenantdb_result_free(result);
  }
  tenantdb_params_double(params, NAN);
  tenantdb_result *result =
      query("SELECT $1, 0.1::float4, 1.25::numeric, repeat('9', 400)::numeric, '1 day'::interval");
  harness_assert_ok(tenantdb_result_double(result, 0, 0, &value, &error), error);
  assert_true(isnan(value));
  double_comes_back(result, 1, (double)0.1f);
  double_comes_back(result, 2, 1.25);
  fixture_assert_refused(tenantdb_result_double(result, 0, 3, &value, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_VALUE_RANGE, "does not fit a double");
  fixture_assert_refused(tenantdb_result_double(result, 0, 4, &value, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_WRONG_TYPE, "(interval)");
  tenantdb_result_free(result);
  /* The server's own shortest decimals, and those of other settings. */
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  for (int digits = -15; digits <= 3; digits++) {
    tenantdb_params_int32(params, digits);
    tenantdb_result_free(query("SELECT set_config('extra_float_digits', $1::text, true)"));
    result = query("SELECT 1.0 / 3::float8, 1e300::float8, 'Infinity'::float8, 1e-320::float8 + 0");
    harness_assert_ok(tenantdb_result_double(result, 0, 0, &value, &error), error);
    assert_true(fabs(value - 1.0 / 3) < 0.1 && (digits < 1 || value == 1.0 / 3));
    double_comes_back(result, 1, 1e300);
    double_comes_back(result, 2, INFINITY);
    harness_assert_ok(tenantdb_result_double(result, 0, 3, &value, &error), error);
    tenantdb_result_free(result);
  }
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
}

static void bytes_come_back(const unsigned char *bytes, size_t length) {
  const void *data = NULL;
  size_t got = 0;
  tenantdb_params_bytea(params, bytes, length);
  tenantdb_result *result = query("SELECT $1, length($1), md5($1)");
  harness_assert_ok(tenantdb_result_bytea(result, 0, 0, &data, &got, &error), error);
  assert_int_equal(got, length);
  assert_int_equal(memcmp(data, bytes, length), 0);
  int64_t seen = -1;
  harness_assert_ok(tenantdb_result_int64(result, 0, 1, &seen, &error), error);
  assert_int_equal(seen, length);
  tenantdb_result_free(result);
}

static void test_bytea(void **state) {
  (void)state;
  unsigned char all[1024];
  for (size_t i = 0; i < sizeof all; i++) {
    all[i] = (unsigned char)(i * 7 + i / 256);
  }
  static const char *const outputs[] = {"hex", "escape"};
  for (size_t i = 0; i < 2; i++) {
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    tenantdb_params_text(params, outputs[i]);
    tenantdb_result_free(query("SELECT set_config('bytea_output', $1, true)"));
    bytes_come_back(all, sizeof all);
    bytes_come_back(all, 0);
    bytes_come_back((const unsigned char *)"\0", 1);
    bytes_come_back((const unsigned char *)"\0\0a\\b'\"\\x41", 12);
    bytes_come_back((const unsigned char *)"\x80\xff\xc3", 3);
    harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  }
  tenantdb_params_bytea(params, NULL, 0);
  assert_string_equal(answer("SELECT $1 IS NULL"), "t");
  tenantdb_result *result = query("SELECT decode(md5(i::text), 'hex') FROM generate_series(1, 300) i");
  for (int round = 0; round < 2; round++) {
    for (int32_t row = 0; row < 300; row++) {
      const void *data = NULL;
      size_t length = 0;
      harness_assert_ok(tenantdb_result_bytea(result, row, 0, &data, &length, &error), error);
      assert_int_equal(length, 16);
    }
  }
  tenantdb_result_free(result);
}

static void test_texts(void **state) {
  (void)state;
  static const char *const numbers[] = {"0",  "-12.50", "1e6",
                                        ".5", "NaN",    "123456789012345678901234567890.123456789"};
  static const char *const uuid = "6E9B3C52-0000-4000-8000-00000000000F";
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    tenantdb_params_numeric(params, numbers[i]);
    tenantdb_params_text(params, numbers[i]);
    assert_string_equal(answer("SELECT $1 = $2::numeric"), "t");
  }
  tenantdb_params_uuid(params, uuid);
  assert_string_equal(answer("SELECT $1"), "6e9b3c52-0000-4000-8000-00000000000f");
  tenantdb_params_json(params, "{\"b\": 1,  \"a\": \"ü\\u0041\"}");
  assert_string_equal(answer("SELECT $1"), "{\"b\": 1,  \"a\": \"ü\\u0041\"}");
  tenantdb_params_jsonb(params, "{\"b\": 1,  \"a\": [null]}");
  assert_string_equal(answer("SELECT $1"), "{\"a\": [null], \"b\": 1}");
  tenantdb_params_jsonb(params, "{\"b\": 1}");
  assert_string_equal(answer("SELECT '{\"b\": 1, \"c\": 2}'::jsonb @> $1"), "t");
  tenantdb_params_json(params, "{broken");
  harness_assert_fails(tenantdb_session_query(session, "SELECT $1", params, NULL, &error), error,
                       TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR);
  tenantdb_params_clear(params);
  tenantdb_params_int32(params, 1);
  tenantdb_params_uuid(params, "not one");
  fixture_assert_refused(tenantdb_session_query(session, "SELECT $1, $2", params, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_PARAMETER, "parameter 2 is not a uuid");
  tenantdb_params_clear(params);
  tenantdb_params_typed(params, 869, "10.0.0.1/8");
  assert_string_equal(answer("SELECT host($1)"), "10.0.0.1");
}

#define SECOND INT64_C(1000000)

static const int64_t moments[] = {0,
                                  -1,
                                  1,
                                  INT64_C(1709164800123456),
                                  -62135596800 * SECOND,
                                  -62135596800 * SECOND - 1,
                                  -INT64_C(210866803200000000),
                                  253402300800 * SECOND,
                                  INT64_C(9223371158400000000),
                                  INT64_MAX,
                                  INT64_MIN,
                                  -2208988800 * SECOND};
enum { MOMENTS = sizeof moments / sizeof moments[0] };

static void moment_comes_back(int64_t moment) {
  int64_t value = 42;
  tenantdb_params_timestamptz(params, moment);
  tenantdb_result *result =
      query("SELECT $1, CASE WHEN isfinite($1) THEN extract(epoch FROM $1) * 1000000 END::numeric, $1::text");
  harness_assert_ok(tenantdb_result_timestamptz(result, 0, 0, &value, &error), error);
  assert_int_equal(value, moment);
  harness_assert_ok(tenantdb_result_timestamptz(result, 0, 2, &value, &error), error);
  assert_int_equal(value, moment);
  if (moment != INT64_MIN && moment != INT64_MAX) {
    harness_assert_ok(tenantdb_result_int64(result, 0, 1, &value, &error), error);
    /* Before PostgreSQL 14 the server reckoned this in floating point. */
    assert_true(value == moment || value / 10000000 == moment / 10000000);
  }
  tenantdb_result_free(result);
}

static void test_timestamps(void **state) {
  (void)state;
  /* The last two have offsets with minutes, and with seconds in 1900. */
  static const char *const zones[] = {"UTC", "America/New_York", "Asia/Kathmandu", "Europe/Amsterdam"};
  for (size_t zone = 0; zone < sizeof zones / sizeof zones[0]; zone++) {
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    tenantdb_params_text(params, zones[zone]);
    tenantdb_result_free(query("SELECT set_config('TimeZone', $1, true)"));
    for (size_t i = 0; i < MOMENTS; i++) {
      moment_comes_back(moments[i]);
    }
    harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  }
  tenantdb_params_timestamptz(params, INT64_C(1709164800123456));
  assert_string_equal(answer("SELECT ($1 AT TIME ZONE 'UTC')::text"), "2024-02-29 00:00:00.123456");
  tenantdb_params_timestamptz(params, -INT64_C(210866803200000001));
  fixture_assert_refused(tenantdb_session_query(session, "SELECT $1", params, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_PARAMETER, "4713 BC");
  tenantdb_params_clear(params);
  int64_t value = 42;
  tenantdb_result *result =
      query("SELECT timestamptz '294276-12-31 23:59:59.999999+00', now()::timestamp, now()::date");
  fixture_assert_refused(tenantdb_result_timestamptz(result, 0, 0, &value, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_VALUE_RANGE, "later");
  fixture_assert_refused(tenantdb_result_timestamptz(result, 0, 1, &value, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_WRONG_TYPE, "(timestamp)");
  fixture_assert_refused(tenantdb_result_timestamptz(result, 0, 2, &value, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_WRONG_TYPE, "(date)");
  tenantdb_result_free(result);
}

/* What is sent means the same in every style; what is answered in another than ISO is refused, not guessed. */
static void test_date_styles(void **state) {
  (void)state;
  static const char *const styles[] = {"German",        "SQL, DMY",      "SQL, MDY",
                                       "Postgres, DMY", "Postgres, MDY", "ISO, DMY"};
  for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++) {
    bool iso = strncmp(styles[i], "ISO", 3) == 0;
    int64_t value = 42;
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    tenantdb_params_text(params, styles[i]);
    tenantdb_result_free(query("SELECT set_config('DateStyle', $1, true)"));
    tenantdb_params_timestamptz(params, INT64_C(1704164645000000));
    tenantdb_params_array_timestamptz(params, MOMENTS, moments, NULL);
    tenantdb_result *result =
        query("SELECT $1, extract(epoch FROM $1)::int8, ($2::timestamptz[])[4] = $1, $2");
    if (iso) {
      harness_assert_ok(tenantdb_result_timestamptz(result, 0, 0, &value, &error), error);
      assert_int_equal(value, INT64_C(1704164645000000));
    } else {
      fixture_assert_refused(tenantdb_result_timestamptz(result, 0, 0, &value, &error), error,
                             TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_VALUE, "DateStyle has to be ISO");
    }
    harness_assert_ok(tenantdb_result_int64(result, 0, 1, &value, &error), error);
    assert_int_equal(value, 1704164645);
    tenantdb_result_free(result);
    harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  }
}

/* A session that asks for the binary form: the getters and JSON give the same. */
static void test_binary_session(void **state) {
  (void)state;
  static const char sql[] =
      "SELECT 1::int2 AS i, -7::int8 AS l, 2.5::float8 AS d, true AS b, '\\x00ff'::bytea AS y, 'é'::text AS "
      "t,"
      " timestamptz '2024-01-02 03:04:05+00' AS m, NULL::int4 AS n, '{\"a\": 1}'::jsonb AS j";
  tenantdb_session *binary = NULL;
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "binary", "on");
  harness_assert_ok(tenantdb_session_open(db, "a", options, &binary, &error), error);
  for (int i = 0; i < 3; i++) { /* unprepared, being prepared, prepared */
    tenantdb_result *result = NULL;
    int64_t whole = 0;
    int32_t truth = 0;
    double real = 0;
    const void *bytes = NULL;
    size_t length = 0;
    harness_assert_ok(tenantdb_session_query(binary, sql, NULL, &result, &error), error);
    assert_int_equal(tenantdb_result_format(result, 0), 1);
    harness_assert_ok(tenantdb_result_int64(result, 0, 0, &whole, &error), error);
    assert_int_equal(whole, 1);
    harness_assert_ok(tenantdb_result_int64(result, 0, 1, &whole, &error), error);
    assert_int_equal(whole, -7);
    harness_assert_ok(tenantdb_result_double(result, 0, 2, &real, &error), error);
    assert_true(real == 2.5);
    harness_assert_ok(tenantdb_result_bool(result, 0, 3, &truth, &error), error);
    assert_int_equal(truth, 1);
    harness_assert_ok(tenantdb_result_bytea(result, 0, 4, &bytes, &length, &error), error);
    assert_int_equal(length, 2);
    assert_memory_equal(bytes, "\0\xff", 2);
    assert_string_equal(tenantdb_result_value(result, 0, 5), "é");
    harness_assert_ok(tenantdb_result_timestamptz(result, 0, 6, &whole, &error), error);
    assert_int_equal(whole, INT64_C(1704164645000000));
    assert_int_equal(tenantdb_result_is_null(result, 0, 7), 1);
    tenantdb_result_free(result);
    tenantdb_result *text = query(sql); /* another session of the same tenant, in text */
    assert_int_equal(tenantdb_result_format(text, 0), 0);
    tenantdb_result_free(text);
  }
  tenantdb_session_close(binary);
  tenantdb_session_options_free(options);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_types_are_known), cmocka_unit_test(test_types_change),
      cmocka_unit_test(test_integers),        cmocka_unit_test(test_bool),
      cmocka_unit_test(test_doubles),         cmocka_unit_test(test_bytea),
      cmocka_unit_test(test_texts),           cmocka_unit_test(test_timestamps),
      cmocka_unit_test(test_date_styles),     cmocka_unit_test(test_binary_session),
  };
  return cmocka_run_group_tests_name("typed", tests, setup, teardown);
}

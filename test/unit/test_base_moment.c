/* SPDX-License-Identifier: PostgreSQL */
/* Moments, whole numbers and bytes as text and back. */
#include <string.h>

#include "base/bytes.h"
#include "base/integer.h"
#include "base/moment.h"
#include "unit.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)

static void test_moments(void **state) {
  (void)state;
  static const struct {
    int64_t moment;
    const char *text;
  } rows[] = {
      {0, "1970-01-01 00:00:00+00"},
      {1, "1970-01-01 00:00:00.000001+00"},
      {-1, "1969-12-31 23:59:59.999999+00"},
      {500000, "1970-01-01 00:00:00.5+00"},
      {951782400 * SECOND, "2000-02-29 00:00:00+00"},
      {951782400 * SECOND + DAY, "2000-03-01 00:00:00+00"},
      {TNDB_MOMENT_EPOCH, "2000-01-01 00:00:00+00"},
      {-62135596800 * SECOND, "0001-01-01 00:00:00+00"},
      {-62135596800 * SECOND - 1, "0001-12-31 23:59:59.999999+00 BC"},
      {TNDB_MOMENT_FIRST, "4714-11-24 00:00:00+00 BC"},
      {253402300799 * SECOND, "9999-12-31 23:59:59+00"},
      {253402300800 * SECOND, "10000-01-01 00:00:00+00"},
      {INT64_MAX, "infinity"},
      {INT64_MIN, "-infinity"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char text[TNDB_MOMENT_TEXT];
    int64_t moment = 42;
    assert_int_equal(tndb_moment_write(rows[i].moment, text), strlen(rows[i].text));
    assert_string_equal(text, rows[i].text);
    assert_int_equal(tndb_moment_read(text, strlen(text), &moment), TNDB_READ);
    assert_int_equal(moment, rows[i].moment);
  }
}

/* Every day of the proleptic calendar from 4714 BC to beyond the year 10000 follows the one before. */
static void test_calendar(void **state) {
  (void)state;
  static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int64_t year = -4713;
  int month = 11;
  int day = 24;
  for (int64_t moment = TNDB_MOMENT_FIRST; year <= 10001; moment += DAY) {
    char text[TNDB_MOMENT_TEXT];
    int64_t shown = year > 0 ? year : 1 - year;
    tndb_moment_write(moment, text);
    const char *at = strchr(text, '-');
    int64_t number = 0;
    assert_int_equal(tndb_int64_read(text, (size_t)(at - text), &number), TNDB_READ);
    assert_int_equal(number, shown);
    assert_int_equal((at[1] - '0') * 10 + at[2] - '0', month);
    assert_int_equal((at[4] - '0') * 10 + at[5] - '0', day);
    assert_int_equal(strstr(text, " BC") != NULL, year <= 0);
    int64_t back = 0;
    assert_int_equal(tndb_moment_read(text, strlen(text), &back), TNDB_READ);
    assert_int_equal(back, moment);
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (++day > lengths[month - 1] + (month == 2 && leap)) {
      day = 1;
      month = month % 12 + 1;
      year += month == 1;
    }
  }
}

static void test_moment_forms(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t moment;
  } good[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"1970-01-01 01:00:00+01", 0},
      {"1969-12-31 19:30:00-04:30", 0},
      {"1970-01-01 00:53:28+00:53:28", 0},
      {"1970-01-01 00:00Z", 0},
      {"1970-01-01 24:00:00+00", DAY},
      {"1969-12-31 23:59:60+00", 0},
      {"1970-01-01 00:00:00.123456+00", 123456},
      {"294246-12-31 00:00:00+00", INT64_C(9223371158400000000)},
  };
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    int64_t moment = 42;
    assert_int_equal(tndb_moment_read(good[i].text, strlen(good[i].text), &moment), TNDB_READ);
    assert_int_equal(moment, good[i].moment);
  }
  static const char *const bad[] = {"",
                                    "1970-01-01",
                                    "1970-01-01 00:00:00",
                                    "01.01.1970 00:00:00+00",
                                    "Thu Jan 01 00:00:00 1970 UTC",
                                    "01/01/1970 00:00:00 UTC",
                                    "1970-02-29 00:00:00+00",
                                    "1970-13-01 00:00:00+00",
                                    "1970-00-01 00:00:00+00",
                                    "1970-01-00 00:00:00+00",
                                    "1970-01-01 25:00:00+00",
                                    "1970-01-01 00:60:00+00",
                                    "1970-01-01 00:00:61+00",
                                    "1970-01-01 00:00:00.+00",
                                    "1970-01-01 00:00:00.1234567+00",
                                    "1970-01-01 00:00:00+0",
                                    "0000-01-01 00:00:00+00",
                                    "1970-01-01 00:00:00+00 B",
                                    "1970-01-01 00:00:00+00 AD",
                                    "1970-01-01 00:00:00+00x",
                                    "Infinity",
                                    "now",
                                    "1970-01-01 00:00:00 UTC",
                                    "1900-02-29 00:00:00+00"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    int64_t moment = 42;
    assert_int_equal(tndb_moment_read(bad[i], strlen(bad[i]), &moment), TNDB_READ_MALFORMED);
    assert_int_equal(moment, 42);
  }
  static const char *const far[] = {"294276-12-31 23:59:59.999999+00", "294247-01-10 04:00:55+00",
                                    "999999-01-01 00:00:00+00 BC"};
  for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
    int64_t moment = 42;
    assert_int_equal(tndb_moment_read(far[i], strlen(far[i]), &moment), TNDB_READ_OUT_OF_RANGE);
  }
}

static void test_integers(void **state) {
  (void)state;
  static const struct {
    const char *text;
    tndb_reading reading;
    int64_t value;
  } rows[] = {
      {"0", TNDB_READ, 0},
      {"-0", TNDB_READ, 0},
      {"+7", TNDB_READ, 7},
      {"007", TNDB_READ, 7},
      {"9223372036854775807", TNDB_READ, INT64_MAX},
      {"-9223372036854775808", TNDB_READ, INT64_MIN},
      {"12.000", TNDB_READ, 12},
      {"9223372036854775808", TNDB_READ_OUT_OF_RANGE, 0},
      {"-9223372036854775809", TNDB_READ_OUT_OF_RANGE, 0},
      {"99999999999999999999999999", TNDB_READ_OUT_OF_RANGE, 0},
      {"12.50", TNDB_READ_OUT_OF_RANGE, 0},
      {"", TNDB_READ_MALFORMED, 0},
      {"-", TNDB_READ_MALFORMED, 0},
      {"1 ", TNDB_READ_MALFORMED, 0},
      {" 1", TNDB_READ_MALFORMED, 0},
      {"1.", TNDB_READ_MALFORMED, 0},
      {".5", TNDB_READ_MALFORMED, 0},
      {"1e5", TNDB_READ_MALFORMED, 0},
      {"1.0x", TNDB_READ_MALFORMED, 0},
      {"0x10", TNDB_READ_MALFORMED, 0},
      {"NaN", TNDB_READ_MALFORMED, 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    int64_t value = 42;
    assert_int_equal(tndb_int64_read(rows[i].text, strlen(rows[i].text), &value), rows[i].reading);
    assert_int_equal(value, rows[i].reading == TNDB_READ ? rows[i].value : 42);
  }
  char text[TNDB_INT64_TEXT];
  assert_int_equal(tndb_int64_write(INT64_MIN, text), 20);
  assert_string_equal(text, "-9223372036854775808");
  assert_int_equal(tndb_int64_write(0, text), 1);
  assert_string_equal(text, "0");
}

static void test_bytes(void **state) {
  (void)state;
  unsigned char all[256];
  unsigned char back[1024];
  size_t length = 0;
  for (size_t i = 0; i < sizeof all; i++) {
    all[i] = (unsigned char)i;
  }
  tndb_buffer text = TNDB_BUFFER_INIT;
  for (size_t n = 0; n <= sizeof all; n++) {
    tndb_buffer_clear(&text);
    tndb_bytes_write(&text, all, n);
    assert_int_equal(text.length, 2 + 2 * n);
    assert_int_equal(tndb_bytes_read(text.data, text.length, back, &length), TNDB_READ);
    assert_int_equal(length, n);
    assert_int_equal(memcmp(back, all, n), 0);
  }
  tndb_buffer_free(&text);
  assert_int_equal(tndb_bytes_read("a\\\\b\\000\\377'", 13, back, &length), TNDB_READ);
  assert_int_equal(length, 6);
  assert_memory_equal(back, "a\\b\0\xff'", 6);
  assert_int_equal(tndb_bytes_read("\\xAbFf", 6, back, &length), TNDB_READ);
  assert_memory_equal(back, "\xab\xff", 2);
  assert_int_equal(tndb_bytes_read("", 0, back, &length), TNDB_READ);
  assert_int_equal(length, 0);
  static const char *const bad[] = {"\\x4", "\\x4g", "\\", "a\\", "\\12", "\\400", "\\08a", "\\q"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_int_equal(tndb_bytes_read(bad[i], strlen(bad[i]), back, &length), TNDB_READ_MALFORMED);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_moments),  cmocka_unit_test(test_calendar), cmocka_unit_test(test_moment_forms),
      cmocka_unit_test(test_integers), cmocka_unit_test(test_bytes),
  };
  return cmocka_run_group_tests_name("base/moment", tests, NULL, NULL);
}

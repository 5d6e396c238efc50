/* SPDX-License-Identifier: PostgreSQL */
/* Doubles as text and back: exact, the shortest, and whatever the locale. */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/double.h"
#include "unit.h"

static void written(double value, const char *expected) {
  char text[TNDB_DOUBLE_TEXT];
  size_t length = tndb_double_write(value, text);
  assert_string_equal(text, expected);
  assert_int_equal(length, strlen(expected));
}

static void test_write(void **state) {
  (void)state;
  written(0.0, "0");
  written(-0.0, "-0");
  written(1, "1");
  written(-1.5, "-1.5");
  written(0.1, "0.1");
  written(0.1 + 0.2, "0.30000000000000004");
  written(100, "100");
  written(123456.789, "123456.789");
  written(1e15, "1000000000000000");
  written(1e16, "1e+16");
  written(1e22, "1e+22");
  written(1e23, "1e+23");
  written(0.0001, "0.0001");
  written(0.00001, "1e-05");
  written(9007199254740993.0, "9007199254740992");
  written(123456789012345678.0, "1.2345678901234568e+17");
  written(5e-324, "5e-324");
  written(2.2250738585072014e-308, "2.2250738585072014e-308");
  written(2.225073858507201e-308, "2.225073858507201e-308");
  written(DBL_MAX, "1.7976931348623157e+308");
  written(-DBL_MAX, "-1.7976931348623157e+308");
  written(9.5367431640625e-07, "9.5367431640625e-07"); /* a power of two: its lower neighbour is nearer */
  written(5.684341886080802e-14, "5.684341886080802e-14");
  written(INFINITY, "Infinity");
  written(-INFINITY, "-Infinity");
  written(NAN, "NaN");
  written(-NAN, "NaN");
}

static void float_written(float value, const char *expected) {
  char text[TNDB_DOUBLE_TEXT];
  assert_int_equal(tndb_float_write(value, text), strlen(expected));
  assert_string_equal(text, expected);
}

static void test_write_float(void **state) {
  (void)state;
  float_written(0.0f, "0");
  float_written(-0.0f, "-0");
  float_written(0.1f, "0.1");
  float_written(16777216.0f, "16777216");
  float_written(1e-45f, "1e-45");
  float_written(FLT_MAX, "3.4028235e+38");
  float_written(-FLT_MIN, "-1.1754944e-38");
  float_written((float)INFINITY, "Infinity");
  float_written(-(float)INFINITY, "-Infinity");
  float_written((float)NAN, "NaN");
}

static void reads(const char *text, double expected) {
  double value = 42;
  assert_int_equal(tndb_double_read(text, strlen(text), &value), TNDB_READ);
  assert_memory_equal(&value, &expected, sizeof value);
}

static void refuses(const char *text, tndb_reading reading) {
  double value = 42;
  assert_int_equal(tndb_double_read(text, strlen(text), &value), reading);
  assert_true(value == 42);
}

static void test_read(void **state) {
  (void)state;
  reads("0", 0.0);
  reads("-0", -0.0);
  reads("0.000", 0.0);
  reads("0e99999999999999999999", 0.0);
  reads("+1", 1);
  reads(".5", 0.5);
  reads("5.", 5);
  reads("007", 7);
  reads("1E2", 100);
  reads("1e+2", 100);
  reads("1e-2", 0.01);
  reads("0.30000000000000004", 0.1 + 0.2);
  reads("9007199254740993", 9007199254740992.0); /* half way: to the even one */
  reads("9007199254740995", 9007199254740996.0);
  reads("9007199254740993.0000000000000000000001", 9007199254740994.0);
  reads("18446744073709551615", 18446744073709551616.0);
  reads("1.7976931348623157e308", DBL_MAX);
  reads("1.797693134862315807e308", DBL_MAX); /* just below the middle to what would be infinity */
  reads("5e-324", 5e-324);
  reads("2.4703282292062328e-324", 5e-324); /* just above half of the smallest */
  reads("2.2250738585072011e-308", 2.2250738585072011e-308);
  reads("inf", INFINITY);
  reads("-Infinity", -INFINITY);
  reads("INFINITY", INFINITY);
  double value = 0;
  assert_int_equal(tndb_double_read("NaN", 3, &value), TNDB_READ);
  assert_true(isnan(value));
  assert_int_equal(tndb_double_read("1.25xyz", 4, &value), TNDB_READ);
  assert_true(value == 1.25);
}

static void test_refused(void **state) {
  (void)state;
  static const char *const malformed[] = {"",    " ",     "-",    "+",    ".",    "-.",   "e5",
                                          "1e",  "1e+",   "1x",   " 1",   "1 ",   "1,5",  "0x10",
                                          "--1", "1.2.3", "1e5.", "nane", "infi", "-nan", "1_000"};
  for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
    refuses(malformed[i], TNDB_READ_MALFORMED);
  }
  static const char *const out[] = {
      "1e309",  "-1e309",        "1.7976931348623159e308", "1e-324",
      "2e-324", "1e99999999999", "1e-99999999999",         "2.4703282292062327e-324"};
  for (size_t i = 0; i < sizeof out / sizeof out[0]; i++) {
    refuses(out[i], TNDB_READ_OUT_OF_RANGE);
  }
}

static uint64_t seed = 88172645463325252u;

static uint64_t next(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static size_t significant(const char *text) {
  char digits[TNDB_DOUBLE_TEXT];
  size_t count = 0;
  for (; *text && *text != 'e'; text++) {
    if (*text >= '0' && *text <= '9' && (count || *text != '0')) {
      digits[count++] = *text;
    }
  }
  while (count > 1 && digits[count - 1] == '0') {
    count--;
  }
  return count;
}

static size_t shortest(double value, char text[64]) {
  for (int precision = 1;; precision++) {
    snprintf(text, 64, "%.*e", precision - 1, value);
    if (strtod(text, NULL) == value) {
      return (size_t)precision;
    }
  }
}

/* Against the C library, in the C locale: patterns of all kinds. */
static void test_random(void **state) {
  (void)state;
  char text[TNDB_DOUBLE_TEXT];
  char theirs[1200];
  for (int i = 0; i < 60000; i++) {
    uint64_t bits = next();
    bits = i % 4 == 0 ? bits & 0x000FFFFFFFFFFFFF : i % 4 == 1 ? bits & 0xFFF0000000000001 : bits;
    double value = i % 4 == 2 ? (double)(int64_t)(next() % 100000000) / 1000 : tndb_double_of_bits(bits);
    double back = 0;
    if (!isfinite(value) || value == 0) {
      continue;
    }
    size_t length = tndb_double_write(value, text);
    assert_int_equal(tndb_double_read(text, length, &back), TNDB_READ);
    assert_memory_equal(&back, &value, sizeof value);
    assert_true(strtod(text, NULL) == value);
    assert_true(significant(text) <= shortest(value, theirs));
    int digits = snprintf(theirs, sizeof theirs, "%.*e", (int)(next() % 800), value);
    double wanted = strtod(theirs, NULL);
    if (isfinite(wanted) && wanted != 0) {
      assert_int_equal(tndb_double_read(theirs, (size_t)digits, &back), TNDB_READ);
      assert_memory_equal(&back, &wanted, sizeof back);
    }
  }
}

/* Decimals in the very middle between two doubles, and a hair above it. */
static void test_middles(void **state) {
  (void)state;
  char text[1300];
  for (int i = 0; i < 3000; i++) {
    uint64_t bits = next() & 0x7FEFFFFFFFFFFFFE;
    long double middle =
        ((long double)tndb_double_of_bits(bits) + (long double)tndb_double_of_bits(bits + 1)) / 2;
    int length = snprintf(text, sizeof text, "%.1150Le", middle);
    for (int hair = 0; hair < 2; hair++) {
      double wanted = strtod(text, NULL);
      double value = 0;
      if (wanted != 0 && isfinite(wanted)) {
        assert_int_equal(tndb_double_read(text, (size_t)length, &value), TNDB_READ);
        assert_memory_equal(&value, &wanted, sizeof value);
      }
      *(strchr(text, 'e') - 1) = '1';
    }
  }
}

/* Under a locale with a decimal comma, where the system has one. */
static void test_locale(void **state) {
  (void)state;
  static const char *const commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nl_NL.UTF-8", "de_DE"};
  bool found = false;
  for (size_t i = 0; i < sizeof commas / sizeof commas[0] && !found; i++) {
    found = setlocale(LC_ALL, commas[i]) != NULL;
  }
  written(1.5, "1.5");
  written(-2.5e-7, "-2.5e-07");
  reads("1.5", 1.5);
  reads("1.2345678901234567", 1.2345678901234567);
  refuses("1,5", TNDB_READ_MALFORMED);
  assert_true(!found || strcmp(localeconv()->decimal_point, ",") == 0);
  setlocale(LC_ALL, "C");
  if (!found) {
    print_message("no locale with a decimal comma is installed\n");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_write),   cmocka_unit_test(test_write_float), cmocka_unit_test(test_read),
      cmocka_unit_test(test_refused), cmocka_unit_test(test_random),      cmocka_unit_test(test_middles),
      cmocka_unit_test(test_locale),
  };
  return cmocka_run_group_tests_name("base/double", tests, NULL, NULL);
}

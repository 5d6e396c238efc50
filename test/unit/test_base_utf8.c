/* SPDX-License-Identifier: PostgreSQL */
#include "base/utf8.h"

#include <string.h>

#include "unit.h"

/* The bytes of a code point, overlong when asked for more than it needs. */
static size_t encode(uint32_t code, size_t size, char bytes[4]) {
  static const unsigned char lead[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
  for (size_t i = size - 1; i > 0; i--) {
    bytes[i] = (char)(0x80 | (code & 0x3F));
    code >>= 6;
  }
  bytes[0] = (char)(lead[size] | code);
  return size;
}

static size_t size_of(uint32_t code) {
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/* Every code point there is comes back, but for the surrogates. */
static void test_every_code_point(void **state) {
  (void)state;
  for (uint32_t code = 0; code <= 0x10FFFF; code++) {
    char bytes[4];
    uint32_t got = 0xFFFFFFFF;
    size_t size = encode(code, size_of(code), bytes);
    size_t decoded = tndb_utf8_decode(bytes, size, &got);
    if (code >= 0xD800 && code <= 0xDFFF) {
      assert_int_equal(decoded, 0);
    } else {
      assert_int_equal(decoded, size);
      assert_int_equal(got, code);
    }
  }
}

static void test_overlong(void **state) {
  (void)state;
  char bytes[4];
  for (uint32_t code = 0; code <= 0xFFFF; code++) {
    for (size_t size = size_of(code) + 1; size <= 4; size++) {
      assert_int_equal(tndb_utf8_decode(bytes, encode(code, size, bytes), NULL), 0);
    }
  }
}

static void test_truncated(void **state) {
  (void)state;
  const char *const whole[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\x98"};
  for (size_t i = 0; i < 3; i++) {
    size_t length = strlen(whole[i]);
    assert_int_equal(tndb_utf8_decode(whole[i], length, NULL), length);
    for (size_t part = 0; part < length; part++) {
      assert_int_equal(tndb_utf8_decode(whole[i], part, NULL), 0);
    }
  }
}

static void test_invalid(void **state) {
  (void)state;
  /* A lone continuation, bytes that are never used, past U+10FFFF, a start where a continuation should be. */
  const char *const bad[] = {"\x80",     "\xBF",         "\xC0\x80",         "\xC1\xBF", "\xF5\x80\x80\x80",
                             "\xFF",     "\xFE",         "\xF4\x90\x80\x80", "\xC3\x28", "\xE2\x28\xA1",
                             "\xE2\x82", "\xED\xA0\x80", "\xED\xBF\xBF",     "\xF0\x28"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_int_equal(tndb_utf8_decode(bad[i], strlen(bad[i]), NULL), 0);
  }
}

static void test_valid(void **state) {
  (void)state;
  size_t at = 99;
  assert_true(tndb_utf8_valid("", 0, &at));
  assert_true(tndb_utf8_valid("caf\xC3\xA9 \xF0\x9F\x90\x98", 10, &at));
  assert_int_equal(at, 99);
  assert_false(tndb_utf8_valid("caf\xC3\xA9 \xF0\x9F\x90", 9, &at));
  assert_int_equal(at, 6);
  assert_false(tndb_utf8_valid("\xFFx", 2, NULL));
  /* NUL is a character to it; who wants none looks for it. */
  assert_true(tndb_utf8_valid("a\0b", 3, NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_code_point),
      cmocka_unit_test(test_overlong),
      cmocka_unit_test(test_truncated),
      cmocka_unit_test(test_invalid),
      cmocka_unit_test(test_valid),
  };
  return cmocka_run_group_tests_name("base/utf8", tests, NULL, NULL);
}

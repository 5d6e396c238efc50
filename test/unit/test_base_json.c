/* SPDX-License-Identifier: PostgreSQL */
#include "base/json.h"

#include <string.h>

#include "unit.h"

static void expect(const char *text, size_t length, const char *json) {
  tndb_auto_buffer buffer = TNDB_BUFFER_INIT;
  tndb_json_string(&buffer, text, length);
  assert_string_equal(tndb_buffer_text(&buffer), json);
}

static void test_escape(void **state) {
  (void)state;
  expect("", 0, "\"\"");
  expect("plain", 5, "\"plain\"");
  expect("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
  expect("\n\r\t", 3, "\"\\n\\r\\t\"");
  expect("\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\"");
  expect("caf\xC3\xA9", 5, "\"caf\xC3\xA9\"");
  expect("\xF0\x9F\x90\x98", 4, "\"\xF0\x9F\x90\x98\"");
}

static void test_invalid_utf8(void **state) {
  (void)state;
  expect(
      "a\xFF"
      "b",
      3,
      "\"a\xEF\xBF\xBD"
      "b\"");
  expect("\xE2\x82", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static void test_every_byte(void **state) {
  (void)state;
  for (int c = 0; c < 256; c++) {
    char byte = (char)c;
    tndb_auto_buffer buffer = TNDB_BUFFER_INIT;
    tndb_json_string(&buffer, &byte, 1);
    for (size_t i = 0; i < buffer.length; i++) {
      assert_true((unsigned char)buffer.data[i] >= 0x20);
    }
  }
}

static void test_number(void **state) {
  (void)state;
  const struct {
    const char *text;
    bool number;
  } rows[] = {
      {"0", true},         {"-0", true},         {"7", true},      {"1234567890123456789", true},
      {"0.5", true},       {"-12.25", true},     {"1e9", true},    {"1E+9", true},
      {"1.5e-10", true},   {"0e0", true},        {"", false},      {"-", false},
      {"007", false},      {"-01", false},       {"1.", false},    {".5", false},
      {"1e", false},       {"1e+", false},       {"+1", false},    {"NaN", false},
      {"Infinity", false}, {"-Infinity", false}, {"0x10", false},  {"1 ", false},
      {" 1", false},       {"1,5", false},       {"1.2.3", false}, {"--1", false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (tndb_json_is_number(rows[i].text, strlen(rows[i].text)) != rows[i].number) {
      fail_msg("\"%s\"", rows[i].text);
    }
  }
  /* The length counts, not the NUL. */
  assert_true(tndb_json_is_number("12x", 2));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_escape),
      cmocka_unit_test(test_invalid_utf8),
      cmocka_unit_test(test_every_byte),
      cmocka_unit_test(test_number),
  };
  return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}

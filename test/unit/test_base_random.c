/* SPDX-License-Identifier: PostgreSQL */
#include "base/random.h"

#include <string.h>

#include "unit.h"

static void test_bytes(void **state) {
  (void)state;
  unsigned char bytes[1024] = {0}, others[1024] = {0};
  assert_true(tndb_random_bytes(bytes, sizeof bytes));
  assert_true(tndb_random_bytes(others, sizeof others));
  assert_memory_not_equal(bytes, others, sizeof bytes);
  assert_true(tndb_random_bytes(bytes, 0));
}

static void test_uuid_new(void **state) {
  (void)state;
  char last[TNDB_UUID_TEXT] = "";
  for (int i = 0; i < 1000; i++) {
    char text[TNDB_UUID_TEXT], parsed[TNDB_UUID_TEXT];
    assert_true(tndb_uuid_new(text));
    assert_int_equal(strlen(text), 36);
    assert_int_equal(text[14], '4');
    assert_non_null(strchr("89ab", text[19]));
    assert_true(tndb_uuid_parse(text, parsed));
    assert_string_equal(text, parsed);
    assert_string_not_equal(text, last);
    memcpy(last, text, sizeof last);
  }
}

static void test_uuid_parse(void **state) {
  (void)state;
  char out[TNDB_UUID_TEXT];
  assert_true(tndb_uuid_parse("6F9619FF-8B86-D011-B42D-00CF4FC964FF", out));
  assert_string_equal(out, "6f9619ff-8b86-d011-b42d-00cf4fc964ff");
  assert_true(tndb_uuid_parse("00000000-0000-0000-0000-000000000000", NULL));
  static const char *const bad[] = {
      "",
      "acme",
      "6f9619ff-8b86-d011-b42d-00cf4fc964f",
      "6f9619ff-8b86-d011-b42d-00cf4fc964fff",
      "6f9619ff-8b86-d011-b42d-00cf4fc964fg",
      "6f9619ff8b86d011b42d00cf4fc964ff",
      "{6f9619ff-8b86-d011-b42d-00cf4fc964ff}",
      "6f9619ff_8b86-d011-b42d-00cf4fc964ff",
      "6f9619f-f8b86-d011-b42d-00cf4fc964ff",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char untouched[TNDB_UUID_TEXT] = "untouched";
    assert_false(tndb_uuid_parse(bad[i], untouched));
    assert_string_equal(untouched, "untouched");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bytes),
      cmocka_unit_test(test_uuid_new),
      cmocka_unit_test(test_uuid_parse),
  };
  return cmocka_run_group_tests_name("base/random", tests, NULL, NULL);
}

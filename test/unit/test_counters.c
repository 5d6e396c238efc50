/* SPDX-License-Identifier: PostgreSQL */
/* Where a failure is counted: by the class of its SQLSTATE. */
#include <string.h>

#include "catalog/counters.h"
#include "unit.h"

static void assert_class(const char *sqlstate, const char *name) {
  char found[5];
  int place = tndb_class_of(sqlstate);
  assert_in_range(place, 0, TNDB_N_CLASSES - 1);
  tndb_class_name(place, found);
  assert_string_equal(found, name);
}

static void test_known(void **state) {
  (void)state;
  assert_class("42P01", "42");
  assert_class("57014", "57");
  assert_class("0A000", "0A");
  assert_class("XX000", "XX");
  assert_class("00000", "00");
  assert_class("ZZZZZ", "ZZ");
}

/* What is no SQLSTATE: of a failure the server had no part in, or of a server that is none. */
static void test_none(void **state) {
  (void)state;
  assert_class("", "none");
  assert_class("4", "none");
  assert_class("ab", "none");
  assert_class("4\"", "none");
  assert_class("\xFF\xFF", "none");
}

static void test_all_apart(void **state) {
  (void)state;
  char name[5];
  for (int place = 0; place < TNDB_NO_CLASS; place++) {
    tndb_class_name(place, name);
    assert_int_equal(strlen(name), 2);
    assert_int_equal(tndb_class_of(name), place);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_known),
      cmocka_unit_test(test_none),
      cmocka_unit_test(test_all_apart),
  };
  return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}

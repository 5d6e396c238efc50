/* SPDX-License-Identifier: PostgreSQL */
#include "base/nearest.h"

#include <string.h>

#include "unit.h"

static const char *nearest(const char *wanted) {
  static const char *const candidates[] = {"nmt_requests", "nmt_results", "asr_requests", "usage_records",
                                           "ab"};
  tndb_nearest best = TNDB_NEAREST_INIT(wanted);
  for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
    tndb_nearest_try(&best, candidates[i]);
  }
  return best.best;
}

static void test_nearest(void **state) {
  (void)state;
  assert_string_equal(nearest("nmt_request"), "nmt_requests");
  assert_string_equal(nearest("ntm_results"), "nmt_results");
  assert_string_equal(nearest("USAGE_RECORD"), "usage_records");
  assert_string_equal(nearest("asr_requests"), "asr_requests");
  assert_string_equal(nearest("a"), "ab");
}

/* No advice is better than wild advice. */
static void test_nothing_near(void **state) {
  (void)state;
  assert_null(nearest("customers_of_the_shop"));
  assert_null(nearest("xyz"));
  assert_null(nearest("zzzzzzzzzzzz"));
}

static void test_first_of_equals(void **state) {
  (void)state;
  tndb_nearest best = TNDB_NEAREST_INIT("tables");
  tndb_nearest_try(&best, "tablet");
  tndb_nearest_try(&best, "tabled");
  assert_string_equal(best.best, "tablet");
}

static void test_long_names(void **state) {
  (void)state;
  char a[300], b[300];
  memset(a, 'a', sizeof a);
  memset(b, 'b', sizeof b);
  a[299] = b[299] = '\0';
  tndb_nearest best = TNDB_NEAREST_INIT(a);
  tndb_nearest_try(&best, a);
  assert_ptr_equal(best.best, a);
  tndb_nearest_try(&best, b);
  assert_ptr_equal(best.best, a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_nearest),
      cmocka_unit_test(test_nothing_near),
      cmocka_unit_test(test_first_of_equals),
      cmocka_unit_test(test_long_names),
  };
  return cmocka_run_group_tests_name("base/nearest", tests, NULL, NULL);
}

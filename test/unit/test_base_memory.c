/* SPDX-License-Identifier: PostgreSQL */
#include <string.h>

#include "unit.h"

static void test_zeroed(void **state) {
  (void)state;
  int64_t before = tndb_memory_live();
  unsigned char *block = tndb_alloc(100);
  for (size_t i = 0; i < 100; i++) {
    assert_int_equal(block[i], 0);
  }
  assert_int_equal(tndb_memory_live(), before + 1);
  void *empty = tndb_alloc(0);
  assert_non_null(empty);
  tndb_free(empty);
  tndb_free(block);
  tndb_free(NULL);
  assert_int_equal(tndb_memory_live(), before);
}

static void test_array_overflow(void **state) {
  (void)state;
  assert_null(tndb_alloc_array(SIZE_MAX / 2, 3));
  assert_null(tndb_alloc_array(2, SIZE_MAX));
  void *none = tndb_alloc_array(SIZE_MAX, 0);
  assert_non_null(none);
  tndb_free(none);
}

static void test_reallocated(void **state) {
  (void)state;
  char *block = tndb_realloc(NULL, 4);
  memcpy(block, "abc", 4);
  tndb_memory_fail(1, false);
  assert_null(tndb_realloc(block, 1000));
  tndb_memory_fail(0, false);
  assert_string_equal(block, "abc");
  block = tndb_realloc(block, 1000);
  assert_string_equal(block, "abc");
  block = tndb_realloc(block, 0);
  assert_non_null(block);
  tndb_free(block);
}

static void test_strings(void **state) {
  (void)state;
  char *all = tndb_strdup("tenant");
  char *part = tndb_strndup("tenant", 3);
  char *empty = tndb_strndup("", 0);
  assert_string_equal(all, "tenant");
  assert_string_equal(part, "ten");
  assert_string_equal(empty, "");
  tndb_free(all);
  tndb_free(part);
  tndb_free(empty);
}

/* The n-th fails, once or from then on; the count starts again at every call. */
static void test_counters(void **state) {
  (void)state;
  tndb_memory_fail(0, false);
  for (int i = 0; i < 5; i++) {
    tndb_free(tndb_alloc(1));
  }
  assert_int_equal(tndb_memory_fail(3, false), 5);
  for (int i = 1; i <= 5; i++) {
    void *block = tndb_alloc(1);
    assert_int_equal(block == NULL, i == 3);
    tndb_free(block);
  }
  assert_int_equal(tndb_memory_fail(3, true), 5);
  for (int i = 1; i <= 5; i++) {
    void *block = tndb_alloc(1);
    assert_int_equal(block == NULL, i >= 3);
    tndb_free(block);
  }
  assert_int_equal(tndb_memory_fail(0, false), 5);
  assert_int_equal(tndb_memory_fail(0, false), 0);
}

static void test_cleanup(void **state) {
  (void)state;
  int64_t before = tndb_memory_live();
  {
    tndb_auto_free char *text = tndb_strdup("gone at the end of the block");
    tndb_auto_free void *nothing = NULL;
    assert_non_null(text);
    assert_null(nothing);
  }
  assert_int_equal(tndb_memory_live(), before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_zeroed),      cmocka_unit_test(test_array_overflow),
      cmocka_unit_test(test_reallocated), cmocka_unit_test(test_strings),
      cmocka_unit_test(test_counters),    cmocka_unit_test(test_cleanup),
  };
  return cmocka_run_group_tests_name("base/memory", tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
#include "base/buffer.h"

#include <string.h>

#include "unit.h"

static void test_append(void **state) {
  (void)state;
  tndb_buffer buffer = TNDB_BUFFER_INIT;
  assert_string_equal(tndb_buffer_text(&buffer), "");
  tndb_buffer_append(&buffer, "CREATE ");
  tndb_buffer_append_n(&buffer, "TABLEAU", 5);
  tndb_buffer_append_char(&buffer, ' ');
  tndb_buffer_append_n(&buffer, NULL, 0);
  tndb_buffer_format(&buffer, "%s_%d", "t", 7);
  assert_string_equal(tndb_buffer_text(&buffer), "CREATE TABLE t_7");
  assert_int_equal(buffer.length, strlen("CREATE TABLE t_7"));
  tndb_buffer_clear(&buffer);
  assert_string_equal(tndb_buffer_text(&buffer), "");
  tndb_buffer_append(&buffer, "again");
  char *taken = tndb_buffer_take(&buffer);
  assert_string_equal(taken, "again");
  assert_null(buffer.data);
  tndb_free(taken);
}

static void test_take_of_nothing(void **state) {
  (void)state;
  tndb_buffer buffer = TNDB_BUFFER_INIT;
  char *taken = tndb_buffer_take(&buffer);
  assert_string_equal(taken, "");
  tndb_free(taken);
}

static void test_bytes(void **state) {
  (void)state;
  tndb_auto_buffer buffer = TNDB_BUFFER_INIT;
  tndb_buffer_append_n(&buffer, "a\0b", 3);
  assert_int_equal(buffer.length, 3);
  assert_memory_equal(buffer.data, "a\0b", 4);
}

static void test_growth(void **state) {
  (void)state;
  tndb_auto_buffer buffer = TNDB_BUFFER_INIT;
  for (int i = 0; i < 100000; i++) {
    tndb_buffer_append_char(&buffer, (char)('a' + i % 26));
  }
  assert_int_equal(buffer.length, 100000);
  for (int i = 0; i < 100000; i++) {
    assert_int_equal(buffer.data[i], 'a' + i % 26);
  }
}

/* A failure sticks: what comes after it is not appended, and take tells. */
static void test_sticky(void **state) {
  (void)state;
  int64_t before = tndb_memory_live();
  tndb_buffer buffer = TNDB_BUFFER_INIT;
  tndb_buffer_append(&buffer, "kept");
  tndb_buffer_append_n(&buffer, "x", SIZE_MAX);
  assert_true(buffer.failed);
  tndb_buffer_append(&buffer, "more");
  assert_string_equal(tndb_buffer_text(&buffer), "kept");
  assert_null(tndb_buffer_take(&buffer));
  assert_int_equal(tndb_memory_live(), before);
  assert_false(buffer.failed);
}

static void append_and_take(void *user) {
  tndb_buffer buffer = TNDB_BUFFER_INIT;
  for (int i = 0; i < 50; i++) {
    tndb_buffer_format(&buffer, "line %d of the text\n", i);
    tndb_buffer_append(&buffer, "and its end\n");
  }
  char *text = tndb_buffer_take(&buffer);
  assert_true(!text || strlen(text) > 1000);
  tndb_free(text);
  (void)user;
}

static void test_memory(void **state) {
  (void)state;
  assert_true(unit_fail_each(append_and_take, NULL, false) > 3);
  assert_true(unit_fail_each(append_and_take, NULL, true) > 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_append), cmocka_unit_test(test_take_of_nothing), cmocka_unit_test(test_bytes),
      cmocka_unit_test(test_growth), cmocka_unit_test(test_sticky),          cmocka_unit_test(test_memory),
  };
  return cmocka_run_group_tests_name("base/buffer", tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
#include "base/map.h"

#include <string.h>

#include "base/buffer.h"
#include "unit.h"

static void test_small(void **state) {
  (void)state;
  tndb_map map = {NULL, 0, 0};
  int one = 1, two = 2;
  assert_null(tndb_map_get(&map, "a"));
  assert_null(tndb_map_remove(&map, "a"));
  assert_true(tndb_map_put(&map, "a", &one));
  assert_true(tndb_map_put(&map, "", &two));
  assert_ptr_equal(tndb_map_get(&map, "a"), &one);
  assert_ptr_equal(tndb_map_get(&map, ""), &two);
  assert_true(tndb_map_put(&map, "a", &two));
  assert_int_equal(map.count, 2);
  assert_ptr_equal(tndb_map_remove(&map, "a"), &two);
  assert_null(tndb_map_get(&map, "a"));
  assert_int_equal(map.count, 1);
  tndb_map_free(&map);
  tndb_map_free(&map);
}

static void test_keys_are_copied(void **state) {
  (void)state;
  tndb_map map = {NULL, 0, 0};
  char key[] = "name";
  assert_true(tndb_map_put(&map, key, key));
  key[0] = 'g';
  assert_null(tndb_map_get(&map, key));
  assert_ptr_equal(tndb_map_get(&map, "name"), key);
  tndb_map_free(&map);
}

/* A generator of our own, so that a failure comes again. */
static uint32_t next_random(uint64_t *seed) {
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(*seed >> 33);
}

enum { KEYS = 300 };

static void key_name(tndb_buffer *name, size_t key) {
  tndb_buffer_clear(name);
  tndb_buffer_format(name, "table_%zu", key);
}

static void compare(const tndb_map *map, void *const model[KEYS]) {
  size_t at = 0, seen = 0, expected = 0;
  const char *key;
  void *value;
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  while (tndb_map_next(map, &at, &key, &value)) {
    seen++;
    assert_ptr_equal(tndb_map_get(map, key), value);
  }
  for (size_t i = 0; i < KEYS; i++) {
    key_name(&name, i);
    assert_ptr_equal(tndb_map_get(map, tndb_buffer_text(&name)), model[i]);
    expected += model[i] != NULL;
  }
  assert_int_equal(seen, expected);
  assert_int_equal(map->count, expected);
}

/* Random puts and removals, against an array that cannot be wrong. */
static void test_model(void **state) {
  (void)state;
  static char values[1000];
  for (uint64_t seed = 1; seed <= 20; seed++) {
    uint64_t random = seed;
    tndb_map map = {NULL, 0, 0};
    void *model[KEYS] = {0};
    tndb_auto_buffer name = TNDB_BUFFER_INIT;
    for (int step = 0; step < 3000; step++) {
      size_t key = next_random(&random) % KEYS;
      key_name(&name, key);
      if (next_random(&random) % 5 < 3) {
        void *value = &values[next_random(&random) % sizeof values];
        assert_true(tndb_map_put(&map, tndb_buffer_text(&name), value));
        model[key] = value;
      } else {
        assert_ptr_equal(tndb_map_remove(&map, tndb_buffer_text(&name)), model[key]);
        model[key] = NULL;
      }
      if (step % 100 == 0) {
        compare(&map, model);
      }
    }
    compare(&map, model);
    tndb_map_free(&map);
  }
}

/* A put that fails changes nothing. */
static void fill(void *user) {
  tndb_map map = {NULL, 0, 0};
  static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j",
                                      "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    size_t count = map.count;
    if (tndb_map_put(&map, names[i], user)) {
      assert_ptr_equal(tndb_map_get(&map, names[i]), user);
    } else {
      assert_int_equal(map.count, count);
      assert_null(tndb_map_get(&map, names[i]));
    }
  }
  tndb_map_free(&map);
}

static void test_memory(void **state) {
  int value = 0;
  (void)state;
  assert_true(unit_fail_each(fill, &value, false) >= 20);
  assert_true(unit_fail_each(fill, &value, true) >= 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_small),
      cmocka_unit_test(test_keys_are_copied),
      cmocka_unit_test(test_model),
      cmocka_unit_test(test_memory),
  };
  return cmocka_run_group_tests_name("base/map", tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
#include "base/clock.h"

#include <limits.h>

#include "base/mutex.h"
#include "unit.h"

static void test_deadline(void **state) {
  (void)state;
  assert_true(tndb_deadline_in(0) == TNDB_NEVER);
  assert_true(tndb_deadline_in(-5) == TNDB_NEVER);
  int64_t now = tndb_clock_ms();
  tndb_deadline soon = tndb_deadline_in(60000);
  assert_true(soon >= now + 60000 && soon <= now + 61000);
  assert_in_range(tndb_deadline_left(soon), 59000, 60000);
  assert_int_equal(tndb_deadline_left(TNDB_NEVER), -1);
  assert_int_equal(tndb_deadline_left(now - 1), 0);
  assert_int_equal(tndb_deadline_left(now + (int64_t)INT_MAX * 4), INT_MAX);
}

static void test_min(void **state) {
  (void)state;
  assert_int_equal(tndb_deadline_min(5, 7), 5);
  assert_int_equal(tndb_deadline_min(7, 5), 5);
  assert_int_equal(tndb_deadline_min(TNDB_NEVER, 5), 5);
  assert_true(tndb_deadline_min(TNDB_NEVER, TNDB_NEVER) == TNDB_NEVER);
}

static void test_sleep(void **state) {
  (void)state;
  int64_t before = tndb_clock_ms();
  tndb_clock_sleep_ms(30);
  assert_true(tndb_clock_ms() - before >= 29);
  tndb_clock_sleep_ms(0);
}

/* Nobody signals: the wait ends at its deadline, not earlier. */
static void test_condition_deadline(void **state) {
  (void)state;
  tndb_mutex mutex;
  tndb_condition condition;
  assert_true(tndb_mutex_init(&mutex));
  assert_true(tndb_condition_init(&condition));
  tndb_mutex_lock(&mutex);
  tndb_deadline until = tndb_deadline_in(40);
  while (tndb_condition_wait(&condition, &mutex, until)) {
  }
  assert_int_equal(tndb_deadline_left(until), 0);
  tndb_mutex_unlock(&mutex);
  tndb_condition_destroy(&condition);
  tndb_mutex_destroy(&mutex);
}

struct turn {
  tndb_mutex mutex;
  tndb_condition condition;
  bool done;
};

static void *take_turn(void *user) {
  struct turn *turn = user;
  tndb_mutex_lock(&turn->mutex);
  turn->done = true;
  tndb_condition_signal(&turn->condition);
  tndb_mutex_unlock(&turn->mutex);
  return NULL;
}

static void test_condition_signal(void **state) {
  (void)state;
  struct turn turn = {.done = false};
  assert_true(tndb_mutex_init(&turn.mutex));
  assert_true(tndb_condition_init(&turn.condition));
  tndb_mutex_lock(&turn.mutex);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, take_turn, &turn), 0);
  tndb_deadline until = tndb_deadline_in(60000);
  while (!turn.done) {
    assert_true(tndb_condition_wait(&turn.condition, &turn.mutex, until));
  }
  tndb_mutex_unlock(&turn.mutex);
  assert_int_equal(pthread_join(thread, NULL), 0);
  tndb_condition_destroy(&turn.condition);
  tndb_mutex_destroy(&turn.mutex);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_deadline),
      cmocka_unit_test(test_min),
      cmocka_unit_test(test_sleep),
      cmocka_unit_test(test_condition_deadline),
      cmocka_unit_test(test_condition_signal),
  };
  return cmocka_run_group_tests_name("base/clock and base/mutex", tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Keeping off a server that is away: how long, and who may try. */
#include "pool/back_off.h"
#include "unit.h"

static tndb_back_off off;
static tenantdb_error *failure;

static int setup(void **state) {
  (void)state;
  off = (tndb_back_off){.longest_ms = 400};
  (void)tndb_origin(&failure, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECT_FAILED, "nobody there");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tndb_back_off_free(&off);
  tenantdb_error_free(failure);
  failure = NULL;
  return 0;
}

/* When the pause ends, give or take a quarter and the time that the test takes. */
static void assert_pause(int64_t ms) {
  assert_int_equal(off.pause_ms, ms);
  int64_t left = off.until - tndb_clock_ms();
  assert_in_range(left + 1000, 1000 + ms * 3 / 4 - 20, 1000 + ms * 5 / 4 + 1);
  assert_false(tndb_back_off_allows(&off, off.until - 1));
  assert_true(tndb_back_off_allows(&off, off.until));
}

static void test_grows(void **state) {
  (void)state;
  static const int64_t pauses[] = {100, 200, 400, 400, 400};
  assert_true(tndb_back_off_allows(&off, 0));
  assert_false(tndb_back_off_begin(&off));
  assert_true(tndb_back_off_failed(&off, false, failure));
  assert_pause(50);
  for (int i = 0; i < 5; i++) {
    assert_true(tndb_back_off_begin(&off));
    assert_false(tndb_back_off_allows(&off, INT64_MAX)); /* one alone */
    assert_false(tndb_back_off_failed(&off, true, failure));
    assert_pause(pauses[i]);
  }
}

/* A hundred that were under way when the first failed tell nothing new, nor do they end somebody's probe. */
static void test_stragglers(void **state) {
  (void)state;
  for (int i = 0; i < 100; i++) {
    assert_false(tndb_back_off_begin(&off));
  }
  assert_true(tndb_back_off_failed(&off, false, failure));
  for (int i = 1; i < 99; i++) {
    assert_false(tndb_back_off_failed(&off, false, failure));
  }
  assert_pause(50);
  assert_true(tndb_back_off_begin(&off));
  assert_false(tndb_back_off_failed(&off, false, failure));
  tndb_back_off_ended(&off, false);
  assert_false(tndb_back_off_allows(&off, INT64_MAX));
  tndb_back_off_ended(&off, true); /* it said nothing about the server: the next may try at once */
  assert_true(tndb_back_off_allows(&off, off.until));
  assert_int_equal(off.pause_ms, 50);
}

static void test_ends(void **state) {
  (void)state;
  assert_false(tndb_back_off_succeeded(&off));
  assert_true(tndb_back_off_failed(&off, false, failure));
  assert_true(tndb_back_off_begin(&off));
  assert_true(tndb_back_off_succeeded(&off));
  assert_true(tndb_back_off_allows(&off, 0));
  assert_null(off.failure);
  assert_true(tndb_back_off_failed(&off, false, failure));
  assert_pause(50); /* from the beginning again */
}

/* Each who asks is told what the last attempt was told, in an error of his own. */
static void test_told(void **state) {
  (void)state;
  tenantdb_error *first = NULL, *second = NULL;
  (void)tndb_back_off_failed(&off, false, failure);
  assert_int_equal(tndb_back_off_raise(&off, &first), TENANTDB_CONNECTION);
  assert_int_equal(tndb_back_off_raise(&off, &second), TENANTDB_CONNECTION);
  assert_int_equal(tndb_back_off_raise(&off, NULL), TENANTDB_CONNECTION);
  assert_ptr_not_equal(first, second);
  assert_string_equal(tenantdb_error_message(first), "nobody there");
  assert_int_equal(tenantdb_error_reason(second), TENANTDB_REASON_CONNECT_FAILED);
  tenantdb_error_free(first);
  tenantdb_error_free(second);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_grows, setup, teardown),
      cmocka_unit_test_setup_teardown(test_stragglers, setup, teardown),
      cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
      cmocka_unit_test_setup_teardown(test_told, setup, teardown),
  };
  return cmocka_run_group_tests_name("pool back-off", tests, NULL, NULL);
}

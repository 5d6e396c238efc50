/* SPDX-License-Identifier: PostgreSQL */
#include <limits.h>
#include <string.h>

#include "statement/params.h"
#include "unit.h"

static void nothing(void **state) {
  (void)state;
  assert_int_equal(tndb_params_count(NULL), 0);
  assert_null(tndb_params_values(NULL));
  assert_null(tndb_params_lengths(NULL));
  assert_int_equal(tndb_params_mistake(NULL, NULL), TENANTDB_OK);
  tenantdb_params_text(NULL, "x");
  tenantdb_params_int64(NULL, 1);
  tenantdb_params_null(NULL);
  tenantdb_params_clear(NULL);
  tenantdb_params_free(NULL);
  tenantdb_params *params = tenantdb_params_new();
  assert_int_equal(tndb_params_count(params), 0);
  assert_null(tndb_params_values(params));
  assert_int_equal(tndb_params_mistake(params, NULL), TENANTDB_OK);
  tenantdb_params_free(params);
}

static void values(void **state) {
  (void)state;
  tenantdb_params *params = tenantdb_params_new();
  static const char *const expected[] = {NULL, "",   "it's", "-9223372036854775808", "9223372036854775807",
                                         "0",  NULL, "-7"};
  for (int round = 0; round < 2; round++) {
    tenantdb_params_text(params, NULL);
    tenantdb_params_text(params, "");
    tenantdb_params_text(params, "it's");
    tenantdb_params_int64(params, INT64_MIN);
    tenantdb_params_int64(params, INT64_MAX);
    tenantdb_params_int64(params, 0);
    tenantdb_params_null(params);
    tenantdb_params_int64(params, -7);
    assert_int_equal(tndb_params_count(params), 8);
    for (size_t i = 0; i < 8; i++) {
      const char *value = tndb_params_values(params)[i];
      if (expected[i]) {
        assert_string_equal(value, expected[i]);
        assert_int_equal(tndb_params_lengths(params)[i], strlen(expected[i]));
      } else {
        assert_null(value);
      }
    }
    tenantdb_params_clear(params);
    assert_int_equal(tndb_params_count(params), 0);
  }
  tenantdb_params_free(params);
}

static void many(void **state) {
  (void)state;
  tenantdb_params *params = tenantdb_params_new();
  for (int64_t i = 0; i < TNDB_PARAMS_MOST; i++) {
    tenantdb_params_int64(params, i * 1000003);
  }
  assert_int_equal(tndb_params_mistake(params, NULL), TENANTDB_OK);
  for (int64_t i = 0; i < TNDB_PARAMS_MOST; i += 997) {
    const char *text = tndb_params_values(params)[i];
    int64_t value = 0;
    for (; *text; text++) {
      value = value * 10 + (*text - '0');
    }
    assert_int_equal(value, i * 1000003);
  }
  tenantdb_params_null(params);
  tenantdb_error *error = NULL;
  assert_int_equal(tndb_params_mistake(params, &error), TENANTDB_ARGUMENT);
  assert_string_equal(tenantdb_error_message(error), "a query takes at most 65535 parameters");
  tenantdb_error_free(error);
  tenantdb_params_clear(params);
  assert_int_equal(tndb_params_mistake(params, NULL), TENANTDB_OK);
  tenantdb_params_free(params);
}

static void fill(void *user) {
  tenantdb_status *last = user;
  tenantdb_error *error = NULL;
  tenantdb_params *params = tenantdb_params_new();
  for (int64_t i = 0; i < 100; i++) {
    tenantdb_params_int64(params, i);
  }
  *last = tndb_params_mistake(params, &error);
  assert_true(*last == TENANTDB_OK || (*last == TENANTDB_MEMORY && error));
  tenantdb_error_free(error);
  tenantdb_params_clear(params);
  tenantdb_params_free(params);
}

static void out_of_memory(void **state) {
  (void)state;
  tenantdb_status last = TENANTDB_MEMORY;
  assert_true(unit_fail_each(fill, &last, false) > 5);
  assert_int_equal(last, TENANTDB_OK);
  assert_true(unit_fail_each(fill, &last, true) > 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing),
      cmocka_unit_test(values),
      cmocka_unit_test(many),
      cmocka_unit_test(out_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
#include "base/error.h"

#include <string.h>

#include "unit.h"

static void test_null(void **state) {
  (void)state;
  assert_int_equal(tenantdb_error_status(NULL), TENANTDB_OK);
  assert_int_equal(tenantdb_error_reason(NULL), 0);
  assert_int_equal(tenantdb_error_position(NULL), 0);
  assert_int_equal(tenantdb_error_retry(NULL), TENANTDB_RETRY_NEVER);
  assert_string_equal(tenantdb_error_message(NULL), "");
  assert_string_equal(tenantdb_error_sqlstate(NULL), "");
  assert_string_equal(tenantdb_error_detail(NULL), "");
  assert_string_equal(tenantdb_error_hint(NULL), "");
  assert_string_equal(tenantdb_error_constraint(NULL), "");
  assert_string_equal(tenantdb_error_tenant(NULL), "");
  assert_string_equal(tenantdb_error_operation(NULL), "");
  tenantdb_error_free(NULL);
}

/* Whoever wants no error, or has none, can be handed to all of them. */
static void test_no_error_wanted(void **state) {
  (void)state;
  tenantdb_error *none = NULL;
  const tndb_server_fields fields = {"42P01", NULL, NULL, NULL, 3};
  tndb_error_reset(NULL);
  assert_int_equal(tndb_origin(NULL, TENANTDB_STATE, TENANTDB_REASON_TENANT_STATE, "%d", 1), TENANTDB_STATE);
  assert_int_equal(tndb_no_memory(NULL), TENANTDB_MEMORY);
  tenantdb_error **both[] = {NULL, &none};
  for (int i = 0; i < 2; i++) {
    tndb_error_set_server(both[i], &fields);
    tndb_error_set_hint(both[i], "hint");
    tndb_error_set_tenant(both[i], "acme");
    tndb_error_set_operation(both[i], "id");
    tndb_error_set_retry(both[i], TENANTDB_RETRY_LATER);
    tndb_error_prefix(both[i], "place");
    assert_int_equal(tndb_error_fold(both[i], TENANTDB_SQL, 1), TENANTDB_SQL);
    assert_int_equal(tndb_error_pass(both[i], NULL), TENANTDB_OK);
  }
  assert_null(none);
  assert_null(tndb_error_copy(NULL));
}

static void test_fields(void **state) {
  (void)state;
  tndb_auto_error *error = NULL;
  assert_int_equal(tndb_origin(&error, TENANTDB_CONSTRAINT, TENANTDB_REASON_SERVER_CONSTRAINT, "row %d of %s",
                               3, "nmt_requests"),
                   TENANTDB_CONSTRAINT);
  const tndb_server_fields fields = {"23505", "Key (id)=(1) already exists.", "none", "nmt_requests_pkey",
                                     17};
  tndb_error_set_server(&error, &fields);
  tndb_error_set_tenant(&error, "acme");
  tndb_error_set_operation(&error, "6f9619ff-8b86-d011-b42d-00cf4fc964ff");
  assert_int_equal(tenantdb_error_status(error), TENANTDB_CONSTRAINT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_SERVER_CONSTRAINT);
  assert_string_equal(tenantdb_error_message(error), "row 3 of nmt_requests");
  assert_string_equal(tenantdb_error_sqlstate(error), "23505");
  assert_string_equal(tenantdb_error_detail(error), "Key (id)=(1) already exists.");
  assert_string_equal(tenantdb_error_hint(error), "none");
  assert_string_equal(tenantdb_error_constraint(error), "nmt_requests_pkey");
  assert_string_equal(tenantdb_error_tenant(error), "acme");
  assert_string_equal(tenantdb_error_operation(error), "6f9619ff-8b86-d011-b42d-00cf4fc964ff");
  assert_int_equal(tenantdb_error_position(error), 17);
  tndb_error_set_hint(&error, NULL);
  assert_string_equal(tenantdb_error_hint(error), "");
}

static void test_one_line(void **state) {
  (void)state;
  tndb_auto_error *error = NULL;
  tndb_origin(&error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "syntax\nerror\tat\x7f\"x\"\r\n\n");
  assert_string_equal(tenantdb_error_message(error), "syntax error at \"x\"");
  tndb_error_prefix(&error, "base %s\n, table %s", "b", "t");
  assert_string_equal(tenantdb_error_message(error), "base b , table t: syntax error at \"x\"");
}

/* A second failure takes the place of the first, and may quote it. */
static void test_replaced(void **state) {
  (void)state;
  tndb_auto_error *error = NULL;
  tndb_origin(&error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "inner");
  tndb_origin(&error, TENANTDB_STATE, TENANTDB_REASON_TENANT_STATE, "outer: %s",
              tenantdb_error_message(error));
  assert_string_equal(tenantdb_error_message(error), "outer: inner");
  assert_int_equal(tenantdb_error_status(error), TENANTDB_STATE);
}

static void test_retry(void **state) {
  (void)state;
  const struct {
    tenantdb_status status;
    int32_t retry;
  } rows[] = {
      {TENANTDB_MEMORY, TENANTDB_RETRY_LATER},          {TENANTDB_BUSY, TENANTDB_RETRY_LATER},
      {TENANTDB_TIMEOUT, TENANTDB_RETRY_LATER},         {TENANTDB_CONNECTION, TENANTDB_RETRY_NEW_SESSION},
      {TENANTDB_CONFLICT, TENANTDB_RETRY_SAME_SESSION}, {TENANTDB_ARGUMENT, TENANTDB_RETRY_NEVER},
      {TENANTDB_CONSTRAINT, TENANTDB_RETRY_NEVER},      {TENANTDB_ISOLATION, TENANTDB_RETRY_NEVER},
      {TENANTDB_UNKNOWN, TENANTDB_RETRY_NEVER},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    tndb_auto_error *error = NULL;
    tndb_origin(&error, rows[i].status, TENANTDB_REASON_INTERNAL, "x");
    assert_int_equal(tenantdb_error_retry(error), rows[i].retry);
    tndb_error_set_retry(&error, TENANTDB_RETRY_SAME_SESSION);
    assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_SAME_SESSION);
  }
}

static void test_fold(void **state) {
  (void)state;
  tndb_auto_error *error = NULL;
  const tndb_server_fields fields = {"42501", "d", "h", "", 0};
  tndb_origin(&error, TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION, "permission denied");
  tndb_error_set_server(&error, &fields);
  assert_int_equal(tndb_error_fold(&error, TENANTDB_CONFLICT, TENANTDB_REASON_TENANT_CHANGED),
                   TENANTDB_CONFLICT);
  assert_int_equal(tenantdb_error_status(error), TENANTDB_CONFLICT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_TENANT_CHANGED);
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_SAME_SESSION);
  assert_string_equal(tenantdb_error_message(error), "permission denied");
  assert_string_equal(tenantdb_error_sqlstate(error), "42501");
}

static void test_pass(void **state) {
  (void)state;
  int64_t before = tndb_memory_live();
  tenantdb_error *kept = NULL, *mine = NULL;
  tndb_origin(&kept, TENANTDB_STATE, TENANTDB_REASON_TENANT_STATE, "kept");
  tndb_origin(&mine, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "mine");
  assert_int_equal(tndb_error_pass(&mine, kept), TENANTDB_STATE);
  assert_ptr_equal(mine, kept);
  assert_int_equal(tndb_error_pass(&mine, mine), TENANTDB_STATE);
  assert_int_equal(tndb_error_pass(NULL, mine), TENANTDB_STATE);
  assert_int_equal(tndb_memory_live(), before);
}

static void test_copy(void **state) {
  (void)state;
  tndb_auto_error *error = NULL;
  tndb_origin(&error, TENANTDB_STATE, TENANTDB_REASON_TENANT_STATE, "message");
  tndb_error_set_tenant(&error, "acme");
  tndb_auto_error *copy = tndb_error_copy(error);
  assert_ptr_not_equal(copy, error);
  assert_string_equal(tenantdb_error_message(copy), "message");
  assert_string_equal(tenantdb_error_tenant(copy), "acme");
  assert_int_equal(tenantdb_error_reason(copy), TENANTDB_REASON_TENANT_STATE);
}

/* The out-of-memory error is static: nothing can be set on it, and it is the same to all. */
static void test_static(void **state) {
  (void)state;
  int64_t before = tndb_memory_live();
  tenantdb_error *error = NULL;
  tndb_origin(&error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "x");
  assert_int_equal(tndb_no_memory(&error), TENANTDB_MEMORY);
  assert_int_equal(tndb_memory_live(), before);
  assert_int_equal(tenantdb_error_status(error), TENANTDB_MEMORY);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_OUT_OF_MEMORY);
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_LATER);
  tndb_error_set_tenant(&error, "acme");
  tndb_error_prefix(&error, "place");
  tndb_error_fold(&error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR);
  tndb_error_set_retry(&error, TENANTDB_RETRY_NEVER);
  assert_string_equal(tenantdb_error_tenant(error), "");
  assert_string_equal(tenantdb_error_message(error), "out of memory");
  assert_int_equal(tenantdb_error_status(error), TENANTDB_MEMORY);
  assert_ptr_equal(tndb_error_copy(error), error);
  tenantdb_error_free(error);
  assert_int_equal(tndb_memory_live(), before);
}

/* Whichever allocation fails, the status that is returned stays what it was. */
static void raise_and_fill(void *user) {
  (void)user;
  const tndb_server_fields fields = {"23505", "detail", "hint", "constraint", 1};
  tndb_auto_error *error = NULL;
  assert_int_equal(
      tndb_origin(&error, TENANTDB_CONSTRAINT, TENANTDB_REASON_SERVER_CONSTRAINT, "a %s", "message"),
      TENANTDB_CONSTRAINT);
  assert_non_null(error);
  tndb_error_set_server(&error, &fields);
  tndb_error_set_tenant(&error, "acme");
  tndb_error_prefix(&error, "place");
  tndb_auto_error *copy = tndb_error_copy(error);
  assert_non_null(copy);
  assert_true(*tenantdb_error_message(copy));
}

static void test_memory(void **state) {
  (void)state;
  assert_true(unit_fail_each(raise_and_fill, NULL, false) > 8);
  assert_true(unit_fail_each(raise_and_fill, NULL, true) > 8);
}

static void test_names(void **state) {
  (void)state;
  assert_string_equal(tenantdb_status_name(TENANTDB_OK), "OK");
  assert_string_equal(tenantdb_status_name(TENANTDB_MEMORY), "MEMORY");
  assert_string_equal(tenantdb_status_name(TENANTDB_UNAVAILABLE), "UNAVAILABLE");
  assert_string_equal(tenantdb_status_name(TENANTDB_CONSTRAINT), "CONSTRAINT");
  assert_string_equal(tenantdb_status_name(TENANTDB_UNKNOWN), "UNKNOWN");
  assert_string_equal(tenantdb_status_name(TENANTDB_UNKNOWN + 1), "?");
  assert_string_equal(tenantdb_status_name(-1), "?");
  assert_string_equal(tenantdb_reason_name(TENANTDB_REASON_SLUG_TAKEN), "SLUG_TAKEN");
  assert_string_equal(tenantdb_reason_name(0), "?");
  assert_string_equal(tenantdb_reason_name(-1), "?");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_null),     cmocka_unit_test(test_no_error_wanted),
      cmocka_unit_test(test_fields),   cmocka_unit_test(test_one_line),
      cmocka_unit_test(test_replaced), cmocka_unit_test(test_retry),
      cmocka_unit_test(test_fold),     cmocka_unit_test(test_pass),
      cmocka_unit_test(test_copy),     cmocka_unit_test(test_static),
      cmocka_unit_test(test_memory),   cmocka_unit_test(test_names),
  };
  return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}

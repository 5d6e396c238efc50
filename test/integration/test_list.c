/* SPDX-License-Identifier: PostgreSQL */
/* Finding tenants: one by its name or id, many by state, prefix and page. */
#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;

enum { MANY = 250 };

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  for (int i = 0; i < MANY; i++) {
    char slug[16];
    snprintf(slug, sizeof slug, i % 2 ? "p-%03d" : "P-%03d", i);
    harness_assert_ok(tenantdb_tenant_register(db, slug, NULL, NULL, &error), error);
  }
  tenantdb_tenant_free(fixture_tenant(db, "Active-One"));
  tenantdb_tenant_free(fixture_tenant(db, "gone"));
  tenantdb_tenant_free(fixture_tenant(db, "resting"));
  harness_assert_ok(tenantdb_tenant_purge(db, "gone", 1, &error), error);
  harness_assert_ok(tenantdb_tenant_remove(db, "resting", 60, NULL, &error), error);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static tenantdb_result *list(const char *states, const char *prefix, const char *after, int32_t limit) {
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_tenant_list(db, states, prefix, after, limit, &result, &error), error);
  return result;
}

static int32_t count(const char *states, const char *prefix) {
  tenantdb_result *result = list(states, prefix, NULL, 10000);
  int32_t rows = tenantdb_result_rows(result);
  tenantdb_result_free(result);
  return rows;
}

static void test_columns(void **state) {
  (void)state;
  static const char *const columns[] = {"id",         "slug",       "name",        "schema",
                                        "role",       "state",      "generation",  "registry_hash",
                                        "created_at", "updated_at", "purge_after", "properties"};
  tenantdb_result *result = list("archived", NULL, NULL, 0);
  int32_t at[12];
  for (int32_t i = 0; i < 12; i++) {
    at[i] = tenantdb_result_column(result, columns[i]);
    assert_true(at[i] >= 0);
  }
  assert_int_equal(at[0], 0);
  assert_int_equal(at[1], 1);
  assert_int_equal(tenantdb_result_rows(result), 1);
  assert_string_equal(tenantdb_result_value(result, 0, at[1]), "resting");
  assert_int_equal(tenantdb_result_is_null(result, 0, at[2]), 1);
  assert_string_equal(tenantdb_result_value(result, 0, at[5]), "archived");
  assert_int_equal(tenantdb_result_is_null(result, 0, at[10]), 0);
  assert_string_equal(tenantdb_result_value(result, 0, at[11]), "{}");
  tenantdb_result_free(result);
}

static void test_states(void **state) {
  (void)state;
  assert_int_equal(count(NULL, NULL), MANY + 2);
  assert_int_equal(count("active", NULL), 1);
  assert_int_equal(count("deleted", NULL), 1);
  assert_int_equal(count("active, archived,deleted", NULL), 3);
  assert_int_equal(count("pending", NULL), MANY);
  assert_int_equal(count("", NULL), 0);
  tenantdb_result *result = (tenantdb_result *)url;
  fixture_assert_refused(tenantdb_tenant_list(db, "active, asleep", NULL, NULL, 0, &result, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_STATE, "there is no state \"asleep\"");
  assert_null(result);
  fixture_assert_refused(tenantdb_tenant_list(db, NULL, NULL, NULL, -1, &result, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "limit is -1");
  fixture_assert_refused(tenantdb_tenant_list(db, NULL, NULL, NULL, 10001, &result, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "0 to 10000");
  fixture_assert_refused(tenantdb_tenant_list(db, NULL, NULL, NULL, 0, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
}

static void test_prefix(void **state) {
  (void)state;
  assert_int_equal(count(NULL, "p-00"), 10);
  assert_int_equal(count(NULL, "P-00"), 10);
  assert_int_equal(count(NULL, "ACTIVE"), 1);
  assert_int_equal(count(NULL, "p%"), 0); /* no pattern */
  assert_int_equal(count(NULL, "p_"), 0);
  assert_int_equal(count(NULL, "it's"), 0);
  assert_int_equal(count(NULL, ""), MANY + 2);
}

static void test_pages(void **state) {
  (void)state;
  tenantdb_result *first = list(NULL, NULL, NULL, 0);
  assert_int_equal(tenantdb_result_rows(first), 100); /* the default */
  assert_string_equal(tenantdb_result_value(first, 0, 1), "Active-One");
  tenantdb_result_free(first);
  char after[64] = "";
  int seen = 0, pages = 0;
  for (;; pages++) {
    tenantdb_result *page = list("pending", "p-", pages ? after : NULL, 37);
    int32_t rows = tenantdb_result_rows(page);
    for (int32_t i = 0; i < rows; i++) {
      int number = atoi(tenantdb_result_value(page, i, 1) + 2);
      assert_int_equal(number, seen);
      seen++;
    }
    if (rows > 0) {
      snprintf(after, sizeof after, "%s", tenantdb_result_value(page, rows - 1, 1));
    }
    tenantdb_result_free(page);
    if (rows == 0) {
      break;
    }
  }
  assert_int_equal(seen, MANY);
  assert_int_equal(pages, 7);
}

static void test_get(void **state) {
  (void)state;
  tenantdb_tenant *tenant = NULL, *again = NULL;
  harness_assert_ok(tenantdb_tenant_get(db, "ACTIVE-one", &tenant, &error), error);
  assert_string_equal(tenantdb_tenant_slug(tenant), "Active-One");
  char upper[37];
  for (size_t i = 0; i < sizeof upper; i++) {
    char c = tenantdb_tenant_id(tenant)[i];
    upper[i] = c >= 'a' && c <= 'f' ? (char)(c - 32) : c;
  }
  harness_assert_ok(tenantdb_tenant_get(db, upper, &again, &error), error);
  assert_string_equal(tenantdb_tenant_id(again), tenantdb_tenant_id(tenant));
  tenantdb_tenant_free(again);
  tenantdb_tenant_free(tenant);
  char *gone = harness_value(url, "SELECT id FROM tenantdb.tenants WHERE slug = 'gone'");
  harness_assert_ok(tenantdb_tenant_get(db, gone, &tenant, &error), error);
  assert_int_equal(tenantdb_tenant_state(tenant), TENANTDB_TENANT_DELETED);
  assert_string_equal(tenantdb_tenant_slug(tenant), "gone");
  tenantdb_tenant_free(tenant);
  free(gone);
  fixture_assert_refused(tenantdb_tenant_get(db, "gone", &tenant, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TENANT,
                         "there is no tenant \"gone\"; tenantdb_tenant_list()");
  assert_null(tenant);
  fixture_assert_refused(tenantdb_tenant_get(db, NULL, &tenant, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "tenant is NULL");
  fixture_assert_refused(tenantdb_tenant_get(db, "x", NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
}

/* A slug may look like an id: then the id goes first. */
static void test_slug_like_an_id(void **state) {
  (void)state;
  tenantdb_tenant *one = NULL, *two = NULL, *found = NULL;
  harness_assert_ok(tenantdb_tenant_register(db, "first", NULL, &one, &error), error);
  tenantdb *by_id = fixture_open(url, NULL, FIXTURE_OPTIONS("tenant.schema_template", "t_{id}"));
  harness_assert_ok(tenantdb_tenant_register(by_id, tenantdb_tenant_id(one), NULL, &two, &error), error);
  harness_assert_ok(tenantdb_tenant_get(db, tenantdb_tenant_id(one), &found, &error), error);
  assert_string_equal(tenantdb_tenant_slug(found), "first");
  tenantdb_tenant_free(found);
  harness_assert_fails(tenantdb_tenant_suspend(db, tenantdb_tenant_id(two), NULL, &error), error,
                       TENANTDB_STATE, TENANTDB_REASON_TENANT_STATE);
  harness_assert_ok(tenantdb_tenant_purge(db, tenantdb_tenant_id(two), 1, &error), error);
  harness_assert_ok(tenantdb_tenant_purge(db, "first", 1, &error), error);
  tenantdb_tenant_free(one);
  tenantdb_tenant_free(two);
  tenantdb_close(by_id);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_columns), cmocka_unit_test(test_states), cmocka_unit_test(test_prefix),
      cmocka_unit_test(test_pages),   cmocka_unit_test(test_get),    cmocka_unit_test(test_slug_like_an_id),
  };
  return cmocka_run_group_tests_name("list", tests, setup, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Sessions that demand a least version of the tenant's schema. */
#include <pthread.h>

#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;

static tenantdb *open_at(int64_t version, const char *const *options) {
  tenantdb_registry *registry = fixture_registry();
  tenantdb_registry_version(registry, version);
  return fixture_open(url, registry, options);
}

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = open_at(20240501, NULL);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static void set_version(const char *slug, int64_t version) {
  harness_sql(url, "UPDATE tenantdb.tenants SET version = %lld WHERE slug = '%s'", (long long)version, slug);
}

static tenantdb_status open_with(tenantdb *from, const char *slug, const char *least, const char *wait,
                                 tenantdb_session **session) {
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "min_version", least);
  tenantdb_session_options_set(options, "wait_version", wait);
  tenantdb_status status = tenantdb_session_open(from, slug, options, session, &error);
  tenantdb_session_options_free(options);
  return status;
}

static void test_provisioned(void **state) {
  (void)state;
  assert_int_equal(harness_count(url, "SELECT version FROM tenantdb.tenants WHERE slug = 'a'"), 20240501);
  tenantdb_session *session = NULL;
  static const char *const enough[] = {NULL, "0", "1", "20240501"};
  for (size_t i = 0; i < sizeof enough / sizeof enough[0]; i++) {
    harness_assert_ok(open_with(db, "a", enough[i], NULL, &session), error);
    assert_string_equal(fixture_cell(session, "SELECT 1"), "1");
    tenantdb_session_close(session);
  }
}

static void test_behind(void **state) {
  (void)state;
  tenantdb_session *session = NULL;
  int64_t began = fixture_now_ms();
  harness_assert_status(open_with(db, "a", "20240502", NULL, &session), error, TENANTDB_MIGRATION,
                        TENANTDB_REASON_TENANT_BEHIND);
  assert_null(session);
  assert_true(fixture_now_ms() - began < 1000);
  harness_assert_message(error, "tenant a has its schema at version 20240501");
  harness_assert_message(error, "needs 20240502");
  assert_string_equal(tenantdb_error_tenant(error), "a");
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_LATER);
  tenantdb_error_free(error);
  began = fixture_now_ms();
  harness_assert_fails(open_with(db, "a", "9223372036854775807", "350ms", &session), error,
                       TENANTDB_MIGRATION, TENANTDB_REASON_TENANT_BEHIND);
  assert_in_range(fixture_now_ms() - began, 340, 1500);
  /* The connection that waited was given back. */
  harness_assert_ok(open_with(db, "a", "1", NULL, &session), error);
  tenantdb_session_close(session);
}

static void test_bad_options(void **state) {
  (void)state;
  tenantdb_session *session = NULL;
  static const char *const bad[] = {"-1", "one", "", "9223372036854775808", "1.5"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    fixture_assert_refused(open_with(db, "a", bad[i], NULL, &session), error, TENANTDB_ARGUMENT,
                           TENANTDB_REASON_BAD_OPTION_VALUE, "session option min_version");
  }
  fixture_assert_refused(open_with(db, "a", "1", "soon", &session), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_OPTION_VALUE, "session option wait_version");
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "min_versions", "1");
  fixture_assert_refused(tenantdb_session_open(db, "a", options, &session, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_UNKNOWN_OPTION, "did you mean \"min_version\"");
  tenantdb_session_options_free(options);
  /* A shared session has no tenant that could be behind. */
  options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "min_version", "99");
  harness_assert_ok(tenantdb_session_open_shared(db, options, &session, &error), error);
  tenantdb_session_close(session);
  tenantdb_session_options_free(options);
}

/* What the cache knows may be old: the catalog is asked before anybody is refused. */
static void test_cached(void **state) {
  (void)state;
  tenantdb *cached = open_at(1, FIXTURE_OPTIONS("session.tenant_cache", "1h"));
  tenantdb_session *session = fixture_session(cached, "a");
  tenantdb_session_close(session);
  set_version("a", 20250101);
  harness_assert_ok(open_with(cached, "a", "20250101", NULL, &session), error);
  tenantdb_session_close(session);
  set_version("a", 20240501);
  tenantdb_close(cached);
}

static void *migrate_soon(void *slug) {
  fixture_pause_us(400000);
  harness_sql(url, "UPDATE tenantdb.tenants SET version = 20260101 WHERE slug = '%s'", (const char *)slug);
  return NULL;
}

static void test_waiting(void **state) {
  (void)state;
  pthread_t thread;
  tenantdb_session *session = NULL;
  tenantdb_tenant_free(fixture_tenant(db, "late"));
  /* However short what the library does by itself may take. */
  tenantdb *hasty = open_at(1, FIXTURE_OPTIONS("operation.timeout", "200ms"));
  int64_t began = fixture_now_ms();
  static char slug[] = "late";
  assert_int_equal(pthread_create(&thread, NULL, migrate_soon, slug), 0);
  harness_assert_ok(open_with(hasty, "late", "20260101", "10s", &session), error);
  assert_in_range(fixture_now_ms() - began, 350, 1500);
  (void)pthread_join(thread, NULL);
  assert_string_equal(fixture_cell(session, "SELECT 1"), "1");
  tenantdb_session_close(session);
  tenantdb_close(hasty);
}

static void *suspend_soon(void *unused) {
  (void)unused;
  fixture_pause_us(200000);
  (void)tenantdb_tenant_suspend(db, "gone", NULL, NULL);
  return NULL;
}

/* A tenant that is closed while somebody waits for its version, or was before, is not waited for. */
static void test_closed_meanwhile(void **state) {
  (void)state;
  pthread_t thread;
  tenantdb_session *session = NULL;
  tenantdb_tenant_free(fixture_tenant(db, "gone"));
  assert_int_equal(pthread_create(&thread, NULL, suspend_soon, NULL), 0);
  for (int i = 0; i < 2; i++) {
    int64_t began = fixture_now_ms();
    harness_assert_fails(open_with(db, "gone", "20260101", "10s", &session), error, TENANTDB_UNAVAILABLE,
                         TENANTDB_REASON_TENANT_NOT_ACTIVE);
    assert_true(fixture_now_ms() - began < 3000);
  }
  (void)pthread_join(thread, NULL);
}

static void test_registry(void **state) {
  (void)state;
  tenantdb_registry *registry = fixture_registry();
  tenantdb_registry_version(NULL, 1);
  tenantdb_registry_version(registry, -1);
  harness_assert_status(tenantdb_registry_check(registry, &error), error, TENANTDB_ARGUMENT,
                        TENANTDB_REASON_BAD_DECLARATION);
  tenantdb_error_free(error);
  tenantdb_registry_free(registry);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_provisioned), cmocka_unit_test(test_behind),
      cmocka_unit_test(test_bad_options), cmocka_unit_test(test_cached),
      cmocka_unit_test(test_waiting),     cmocka_unit_test(test_closed_meanwhile),
      cmocka_unit_test(test_registry),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}

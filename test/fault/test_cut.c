/* SPDX-License-Identifier: PostgreSQL */
/*
 * The connection is cut at every message of the calls that change a tenant. What
 * was answered OK is there, whole; what was not is not there; and nobody is told
 * UNKNOWN while the server can be asked.
 */
#include "lifecycle.h"

#include "between.h"

/* One run with the message cut; how many messages there were. */
static int64_t run_once(const void *call, size_t cut, int64_t number, bool *fired) {
  const fault_call *what = call;
  tenantdb *db = fixture_open(by_proxy, NULL, FIXTURE_OPTIONS("operation.lock_timeout", "5s"));
  tenantdb_error *failure = NULL;
  if (what->prepare) {
    what->prepare(direct);
  }
  proxy_reset(proxy);
  proxy_trigger trigger = {.action = cuts[cut].action, .number = number};
  if (number > 0) {
    proxy_arm(proxy, &trigger);
  }
  tenantdb_status status = what->act(db, &failure);
  proxy_counters counted = proxy_count(proxy);
  proxy_disarm(proxy);
  *fired = counted.fired > 0;
  fault_wait_quiet(url);
  bool done = what->is_done(url);
  bool wrong = (status == TENANTDB_OK) != done || status == TENANTDB_UNKNOWN || status == TENANTDB_INTERNAL ||
               fixture_halves(url) != 0;
  if (wrong) {
    fail_msg("%s, %s at message %lld (%c from %s): answered %s (%s), it is %s, %lld halves", what->name,
             cuts[cut].name, (long long)number, counted.fired_type,
             counted.fired_from == PROXY_CLIENT ? "client" : "server", tenantdb_status_name(status),
             tenantdb_error_message(failure), done ? "done" : "not done", (long long)fixture_halves(url));
  }
  tenantdb_error_free(failure);
  what->restore(direct, url);
  tenantdb_close(db);
  assert_int_equal(fixture_halves(url), 0);
  return counted.from_client + counted.from_server;
}

static void test_calls(void **state) {
  (void)state;
  for (size_t i = 0; i < FAULT_CALLS; i++) {
    cut_sweep(fault_calls[i].name, &fault_calls[i], run_once, 12,
              fixture_budget_ms() / ((int64_t)CUTS * FAULT_CALLS));
  }
}

/*
 * Cut, and no way to the server afterwards: then nobody can tell, and the answer
 * is UNKNOWN with the operation's id, under which the catalog knows.
 */
static void test_unreachable(void **state) {
  (void)state;
  for (int64_t at = 1; at <= 40; at += 13) {
    tenantdb *db =
        fixture_open(by_proxy, NULL,
                     FIXTURE_OPTIONS("database.connect_timeout", "200ms", "operation.lock_timeout", "200ms"));
    proxy_trigger trigger = {.action = PROXY_CLOSE, .from = PROXY_SERVER, .number = at, .sticky = true};
    proxy_arm(proxy, &trigger);
    tenantdb_status status = tenantdb_tenant_create(db, "faulty", NULL, NULL, &error);
    proxy_disarm(proxy);
    fault_wait_quiet(url);
    harness_assert_status(status, error, TENANTDB_UNKNOWN, TENANTDB_REASON_OUTCOME_UNKNOWN);
    assert_string_equal(tenantdb_error_tenant(error), "faulty");
    assert_int_equal(
        harness_count(url, "SELECT count(*) FROM tenantdb.operations WHERE id = '%s' AND kind = 'create'",
                      tenantdb_error_operation(error)),
        fault_is_active(url));
    assert_int_equal(fixture_halves(url), 0);
    tenantdb_error_free(error);
    error = NULL;
    fault_remove(direct, url);
    tenantdb_close(db);
  }
}

/* ---------------------------------------------------------------- bootstrap */

static int64_t count_tables(const char *in) {
  return harness_count(in, "SELECT count(*) FROM pg_tables WHERE schemaname IN ('tenantdb', 'public')");
}

/* How many messages one takes, and how many tables it makes. */
static int64_t count_bootstrap(int64_t *tables) {
  const char *own = harness_database();
  char between[1024];
  assert_true(proxy_url(proxy, own, between, sizeof between));
  tenantdb *db = fixture_open(between, NULL, NULL);
  proxy_reset(proxy);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  proxy_counters counted = proxy_count(proxy);
  *tables = count_tables(own);
  tenantdb_close(db);
  harness_drop_database(own);
  return counted.from_client + counted.from_server;
}

static void test_bootstrap(void **state) {
  (void)state;
  int64_t began = fixture_now_ms();
  int64_t all, runs = 0;
  int64_t total = count_bootstrap(&all);
  bool fired = true;
  for (int64_t at = 1; fired && at < 2 * total;
       at = fixture_next(at, total, 12, 150, fixture_budget_ms() / 4)) {
    const char *own = harness_database();
    char between[1024];
    assert_true(proxy_url(proxy, own, between, sizeof between));
    tenantdb *db = fixture_open(between, NULL, NULL);
    proxy_reset(proxy);
    proxy_trigger trigger = {.action = cuts[runs % CUTS].action, .number = at};
    proxy_arm(proxy, &trigger);
    tenantdb_status status = tenantdb_bootstrap(db, &error);
    proxy_counters counted = proxy_count(proxy);
    proxy_disarm(proxy);
    fired = counted.fired > 0;
    fault_wait_quiet(own);
    int64_t tables = count_tables(own);
    bool whole = tables == all;
    /* It is idempotent and has no record of its own: UNKNOWN may be answered, and asks to be done again. */
    if ((tables != 0 && !whole) || (status == TENANTDB_OK && !whole) || status == TENANTDB_INTERNAL ||
        (whole && status != TENANTDB_OK && status != TENANTDB_UNKNOWN)) {
      fail_msg("bootstrap, message %lld: answered %s (%s), %lld tables", (long long)at,
               tenantdb_status_name(status), tenantdb_error_message(error), (long long)tables);
    }
    if (status == TENANTDB_UNKNOWN) {
      assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_LATER);
    }
    tenantdb_error_free(error);
    error = NULL;
    tenantdb_close(db);
    db = fixture_ready(own, NULL); /* by another way, and again */
    tenantdb_tenant_free(fixture_tenant(db, "after"));
    tenantdb_close(db);
    harness_drop_database(own);
    runs++;
  }
  print_message("bootstrap: %lld cuts in %lld ms\n", (long long)runs, (long long)(fixture_now_ms() - began));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_calls),
      cmocka_unit_test(test_unreachable),
      cmocka_unit_test(test_bootstrap),
  };
  return cmocka_run_group_tests_name("cut", tests, between_setup, between_teardown);
}

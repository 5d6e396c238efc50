/* SPDX-License-Identifier: PostgreSQL */
/*
 * A session's connection is cut at every message: OK means that it was done,
 * CONNECTION that it was not, and UNKNOWN is said only when COMMIT had left and
 * nothing was heard of it.
 */
#include "lost.h"

#include "between.h"

static char schema[64];

static int setup(void **state) {
  (void)between_setup(state);
  tenantdb_tenant *tenant = fixture_tenant(direct, "standing");
  snprintf(schema, sizeof schema, "%s", tenantdb_tenant_schema(tenant));
  tenantdb_tenant_free(tenant);
  return 0;
}

enum { ALONE, INSIDE, READ_ONLY, WAYS };

static tenantdb_status use(tenantdb *db, int way, const proxy_trigger *trigger, tenantdb_error **failure) {
  tenantdb_session *session = NULL;
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "read_only", way == READ_ONLY ? "on" : "off");
  tenantdb_status status = tenantdb_session_open(db, "standing", options, &session, failure);
  tenantdb_session_options_free(options);
  assert_int_equal(status, TENANTDB_OK);
  proxy_reset(proxy);
  proxy_arm(proxy, trigger);
  if (way == INSIDE) {
    status = tenantdb_session_begin(session, NULL, failure);
  }
  if (!status) {
    const char *sql =
        way == READ_ONLY ? "SELECT count(*) FROM notes" : "INSERT INTO notes (body) VALUES ('x')";
    status = tenantdb_session_query(session, sql, NULL, NULL, failure);
  }
  if (!status && way == INSIDE) {
    status = tenantdb_session_commit(session, failure);
  }
  tenantdb_session_close(session);
  return status;
}

static void check(int way, const proxy_trigger *trigger, tenantdb_status status,
                  const proxy_counters *counted) {
  int64_t rows = harness_count(url, "SELECT count(*) FROM %s.notes", schema);
  bool right = status == TENANTDB_OK           ? rows == (way != READ_ONLY)
               : status == TENANTDB_CONNECTION ? rows == 0
                                               : status == TENANTDB_UNKNOWN && way != READ_ONLY;
  if (!right) {
    fail_msg("way %d, action %d at message %lld (%c from %s): answered %s (%s), %lld rows", way,
             (int)trigger->action, (long long)trigger->number, counted->fired_type,
             counted->fired_from == PROXY_CLIENT ? "client" : "server", tenantdb_status_name(status),
             tenantdb_error_message(error), (long long)rows);
  }
  if (status == TENANTDB_UNKNOWN) {
    assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_OUTCOME_UNKNOWN);
    assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_NEVER);
  }
}

/* Whoever watches hears of every outcome that is not known, and of no other. */
static void check_told(tenantdb *db, tenantdb_status status) {
  tenantdb_result *events = NULL, *table = NULL;
  int told = 0;
  harness_assert_ok(tenantdb_events(db, 0, &events, NULL), NULL);
  for (int32_t row = 0; row < tenantdb_result_rows(events); row++) {
    told += strcmp(tenantdb_result_value(events, row, 4), "outcome-unknown") == 0;
  }
  tenantdb_result_free(events);
  assert_int_equal(told, status == TENANTDB_UNKNOWN);
  harness_assert_ok(tenantdb_statistics(db, &table, NULL), NULL);
  for (int32_t row = 0; row < tenantdb_result_rows(table); row++) {
    if (strcmp(tenantdb_result_value(table, row, 1), "outcome=\"unknown\"") == 0) {
      assert_string_equal(tenantdb_result_value(table, row, 4), told ? "1" : "0");
    }
  }
  tenantdb_result_free(table);
}

static void test_every_message(void **state) {
  (void)state;
  for (int way = 0; way < WAYS; way++) {
    int unknown = 0, runs = 0;
    for (size_t cut = 0; cut < CUTS; cut++) {
      bool fired = true;
      for (int64_t at = 1; fired && at < 100; at++) {
        tenantdb *db = fixture_open(by_proxy, NULL, FIXTURE_OPTIONS("pool.size", "1"));
        proxy_trigger trigger = {.action = cuts[cut].action, .number = at};
        tenantdb_status status = use(db, way, &trigger, &error);
        proxy_counters counted = proxy_count(proxy);
        proxy_disarm(proxy);
        fired = counted.fired > 0;
        fault_wait_quiet(url);
        check(way, &trigger, status, &counted);
        check_told(db, status);
        unknown += status == TENANTDB_UNKNOWN;
        runs++;
        tenantdb_error_free(error);
        error = NULL;
        tenantdb_close(db);
        harness_sql(url, "DELETE FROM %s.notes", schema);
      }
      assert_false(fired);
    }
    print_message("way %d: %d cuts, %d unknown\n", way, runs, unknown);
    assert_true(way == READ_ONLY ? unknown == 0 : unknown > 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_message)};
  return cmocka_run_group_tests_name("commit lost", tests, setup, between_teardown);
}

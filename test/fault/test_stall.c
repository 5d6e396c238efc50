/* SPDX-License-Identifier: PostgreSQL */
/*
 * The connection falls silent at each message: an error within the deadline and
 * a half, nothing half done, and the next call works.
 */
#include "lifecycle.h"

#include "between.h"

enum { OPERATION_MS = 300, LOCK_MS = 150, CONNECT_MS = 150, SESSION_MS = 150, SLACK_MS = 250 };

#define SHORT_DEADLINES                                                            \
  FIXTURE_OPTIONS("operation.timeout", "300ms", "operation.lock_timeout", "150ms", \
                  "database.connect_timeout", "150ms", "session.timeout", "150ms")

static int setup(void **state) {
  (void)between_setup(state);
  tenantdb_tenant_free(fixture_tenant(direct, "standing"));
  return 0;
}

static void stall_at(int64_t number) {
  proxy_trigger trigger = {.action = PROXY_STALL, .number = number};
  proxy_reset(proxy);
  if (number > 0) {
    proxy_arm(proxy, &trigger);
  }
}

/* ---------------------------------------------------------------- changes of tenants */

/*
 * Longest that may take: the work's own deadline, half as much again, and when
 * COMMIT had left the time that is spent on finding out what became of it.
 */
static const int64_t longest = (OPERATION_MS + CONNECT_MS + LOCK_MS) * 3 / 2 + SLACK_MS;

static int64_t run_once(const fault_call *what, int64_t number, bool *fired) {
  tenantdb *db = fixture_open(by_proxy, NULL, SHORT_DEADLINES);
  tenantdb_error *failure = NULL;
  if (what->prepare) {
    what->prepare(direct);
  }
  stall_at(number);
  int64_t began = fixture_now_ms();
  tenantdb_status status = what->act(db, &failure);
  int64_t took = fixture_now_ms() - began;
  proxy_counters counted = proxy_count(proxy);
  *fired = counted.fired > 0;
  tenantdb_close(db);
  proxy_disarm(proxy);
  fault_wait_quiet(url);
  bool done = what->is_done(url);
  bool allowed = status == TENANTDB_OK ? done
                                       : status == TENANTDB_UNKNOWN || status == TENANTDB_CONNECTION ||
                                             status == TENANTDB_TIMEOUT || status == TENANTDB_BUSY;
  /* An error that is certain means that it was not done; a purge may have gone a part of its way. */
  bool lied = done && status != TENANTDB_OK && status != TENANTDB_UNKNOWN;
  bool many = strstr(what->name, "purge") || strstr(what->name, "view"); /* transactions */
  int64_t most = longest * (many ? 4 : 1);
  if (!allowed || lied || took > most || fixture_halves(url) != 0) {
    fail_msg("%s, stalled at message %lld (%c from %s): answered %s (%s) after %lld ms, it is %s", what->name,
             (long long)number, counted.fired_type, counted.fired_from == PROXY_CLIENT ? "client" : "server",
             tenantdb_status_name(status), tenantdb_error_message(failure), (long long)took,
             done ? "done" : "not done");
  }
  if (status == TENANTDB_UNKNOWN) {
    assert_int_equal(strlen(tenantdb_error_operation(failure)), 36);
  }
  tenantdb_error_free(failure);
  what->restore(direct, url);
  return counted.from_client + counted.from_server;
}

static void test_calls(void **state) {
  (void)state;
  for (size_t i = 0; i < FAULT_CALLS; i++) {
    bool fired = true;
    int64_t began = fixture_now_ms(), runs = 0;
    int64_t total = run_once(&fault_calls[i], 0, &fired);
    fired = true;
    for (int64_t at = 1; fired && at < 2 * total;
         at = fixture_next(at, total, 4, 600, fixture_budget_ms() / (FAULT_CALLS + 1))) {
      (void)run_once(&fault_calls[i], at, &fired);
      runs++;
    }
    print_message("%s: %lld messages, %lld stalls in %lld ms\n", fault_calls[i].name, (long long)total,
                  (long long)runs, (long long)(fixture_now_ms() - began));
  }
}

/* ---------------------------------------------------------------- sessions */

static tenantdb_status use_session(tenantdb *db, bool inside, tenantdb_error **failure) {
  tenantdb_session *session = NULL;
  tenantdb_status status = tenantdb_session_open(db, "standing", NULL, &session, failure);
  if (!status && inside) {
    status = tenantdb_session_begin(session, NULL, failure);
  }
  if (!status) {
    status = tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('x')", NULL, NULL, failure);
  }
  if (!status && inside) {
    status = tenantdb_session_commit(session, failure);
  }
  tenantdb_session_close(session);
  return status;
}

static int64_t count_session(bool inside) {
  tenantdb *db = fixture_open(by_proxy, NULL, SHORT_DEADLINES);
  stall_at(0);
  tenantdb_status status = use_session(db, inside, &error);
  proxy_counters counted = proxy_count(proxy);
  harness_assert_ok(status, error);
  tenantdb_close(db);
  tenantdb_session *session = fixture_session(direct, "standing");
  fixture_run(session, "DELETE FROM notes");
  tenantdb_session_close(session);
  return counted.from_client + counted.from_server;
}

static void test_sessions(void **state) {
  (void)state;
  for (int inside = 0; inside < 2; inside++) {
    bool fired = true;
    int64_t total = count_session(inside == 1);
    for (int64_t at = 1; fired && at < 200; at = fixture_next(at, total, 4, 500, fixture_budget_ms() / 4)) {
      tenantdb *db = fixture_open(by_proxy, NULL, SHORT_DEADLINES);
      stall_at(at);
      int64_t began = fixture_now_ms();
      tenantdb_status status = use_session(db, inside == 1, &error);
      int64_t took = fixture_now_ms() - began;
      proxy_counters counted = proxy_count(proxy);
      fired = counted.fired > 0;
      tenantdb_close(db);
      proxy_disarm(proxy);
      fault_wait_quiet(url);
      int64_t rows =
          harness_count(url,
                        "SELECT (xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM "
                        "%%I.notes', schema_name), false, true, '')))[1]::text FROM tenantdb.tenants WHERE "
                        "slug = 'standing'");
      /* Open and query have a deadline each; what was open is rolled back within a third. */
      int64_t most = (3 * SESSION_MS + OPERATION_MS) * 3 / 2 + SLACK_MS;
      bool allowed = status == TENANTDB_OK
                         ? rows == 1
                         : status == TENANTDB_UNKNOWN ||
                               (rows == 0 && (status == TENANTDB_TIMEOUT || status == TENANTDB_CONNECTION));
      if (!allowed || took > most) {
        fail_msg("session, stalled at message %lld (%c from %s): answered %s (%s) after %lld ms, %lld rows",
                 (long long)at, counted.fired_type, counted.fired_from == PROXY_CLIENT ? "client" : "server",
                 tenantdb_status_name(status), tenantdb_error_message(error), (long long)took,
                 (long long)rows);
      }
      tenantdb_error_free(error);
      error = NULL;
      tenantdb_session *session = fixture_session(direct, "standing");
      fixture_run(session, "DELETE FROM notes");
      tenantdb_session_close(session);
    }
    assert_false(fired); /* every message was stalled at */
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_calls),
      cmocka_unit_test(test_sessions),
  };
  return cmocka_run_group_tests_name("stall", tests, setup, between_teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * A move that is interrupted: the connection to either side cut at every message,
 * the client killed at every message, every allocation failed. Whatever happened,
 * never do both sides serve the tenant; afterwards either the call made again
 * finishes, or undoing leaves what was; and nothing written is lost.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../integration/move_fixture.h"
#include "base/memory.h"
#include "cuts.h"

enum { ROWS = 40 };

#define QUICKLY FIXTURE_OPTIONS("operation.lease", "1s", "operation.lock_timeout", "3s")

static char *urls[2];
static tenantdb *direct[2];
static tndb_proxy *proxies[2];
static char by_proxy[2][1024];
static tenantdb_error *error;
static int64_t resumed, undone, paused, neither, turn;

static int setup(void **state) {
  char reason[256];
  (void)move_setup(state);
  urls[0] = move_database(first, "here");
  urls[1] = move_database(second, "there");
  for (int i = 0; i < 2; i++) {
    direct[i] = fixture_ready(urls[i], QUICKLY);
    proxies[i] = proxy_start(urls[i], reason, sizeof reason);
    if (!proxies[i]) {
      fail_msg("%s", reason);
    }
    assert_true(proxy_url(proxies[i], urls[i], by_proxy[i], sizeof by_proxy[i]));
  }
  return 0;
}

static int teardown(void **state) {
  for (int i = 0; i < 2; i++) {
    proxy_stop(proxies[i]);
    tenantdb_close(direct[i]);
    free(urls[i]);
  }
  return move_teardown(state);
}

/* ---------------------------------------------------------------- what must hold */

static bool serves(int side) {
  return strcmp(move_state(urls[side], "faulty"), "active") == 0;
}

static void check_not_both(const char *when) {
  if (serves(0) && serves(1)) {
    fail_msg("%s: both serve the tenant", when);
  }
  neither += !serves(0) && !serves(1);
}

/* All rows, and a new one. */
static void check_served_by(int side, const char *when) {
  tenantdb_session *session = NULL;
  if (!serves(side) || serves(!side)) {
    fail_msg("%s: the tenant is %s there and %s here", when, move_state(urls[1], "faulty"),
             move_state(urls[0], "faulty"));
  }
  session = fixture_session(direct[side], "faulty");
  assert_int_equal(atoi(fixture_cell(session, "SELECT count(*) FROM notes")), ROWS);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('more')");
  assert_int_equal(atoi(fixture_cell(session, "SELECT max(id) FROM notes")), ROWS + 1);
  tenantdb_session_close(session);
  if (move_left(urls[0]) + move_left(urls[1]) > 0) {
    fail_msg("%s: something is left of the move", when);
  }
}

static const char *const *options_for(bool starving) {
  static const char *options[12];
  int n = 0;
  options[n++] = "connection";
  options[n++] = urls[0];
  options[n++] = "patience";
  options[n++] = "20s";
  options[n++] = "write_pause";
  options[n++] = "3s";
  options[n++] = "verify";
  options[n++] = starving ? "pause" : "after";
  options[n] = NULL;
  return options;
}

/* Until whoever died has no lease any more. */
static tenantdb_status again(bool undo, tenantdb_error **failure) {
  tenantdb_status status;
  for (int i = 0;; i++) {
    status = undo ? tenantdb_tenant_move_undo(direct[0], "faulty", direct[1], NULL, failure)
                  : move_call(direct[0], "faulty", direct[1], options_for(false), NULL, failure);
    if (status != TENANTDB_BUSY || i >= 100) {
      return status;
    }
    tenantdb_error_free(*failure);
    *failure = NULL;
    fixture_pause_us(100000);
  }
}

/* By turns: make the call again, or undo it; where it is too late for that, or nothing had begun, go on. */
static void settle(bool undo, const char *when) {
  tenantdb_error *failure = NULL;
  check_not_both(when);
  paused += harness_count(urls[0],
                          "SELECT count(*) FROM tenantdb.moves WHERE paused_at IS NOT NULL AND state = "
                          "'moving'");
  tenantdb_status status = again(undo, &failure);
  int32_t reason = tenantdb_error_reason(failure);
  if (undo && (reason == TENANTDB_REASON_TENANT_MOVED || reason == TENANTDB_REASON_NO_MOVE)) {
    tenantdb_error_free(failure);
    failure = NULL;
    undo = reason == TENANTDB_REASON_NO_MOVE;
    status = undo ? TENANTDB_OK : again(false, &failure);
  }
  harness_check_ok(status, failure, when, __FILE__, __LINE__);
  undone += undo;
  resumed += !undo;
  check_served_by(undo ? 0 : 1, when);
}

static void make(void) {
  tenantdb_tenant_free(fixture_tenant(direct[0], "faulty"));
  tenantdb_session *session = fixture_session(direct[0], "faulty");
  fixture_run(session, "INSERT INTO notes (body) SELECT i::text FROM generate_series(1, 40) i");
  fixture_run(session, "INSERT INTO items (note_id, n) SELECT id, id FROM notes");
  tenantdb_session_close(session);
}

static void clear(void) {
  for (int i = 0; i < 2; i++) {
    if (*move_state(urls[i], "faulty")) {
      harness_assert_ok(tenantdb_tenant_purge(direct[i], "faulty", 1, &error), error);
    }
  }
}

/* ---------------------------------------------------------------- cut */

static tenantdb *open_by(int side, bool proxied) {
  return fixture_open(proxied ? by_proxy[side] : urls[side], NULL, QUICKLY);
}

static int64_t cut_once(int side, const char *text, size_t cut, int64_t number, bool *fired) {
  char when[160];
  tenantdb *dbs[2];
  tenantdb_error *failure = NULL;
  make();
  int64_t before = tndb_memory_live();
  for (int i = 0; i < 2; i++) {
    dbs[i] = open_by(i, i == side);
  }
  proxy_reset(proxies[side]);
  if (number > 0) {
    proxy_arm(proxies[side], &(proxy_trigger){.action = cuts[cut].action,
                                              .from = text ? PROXY_CLIENT : PROXY_EITHER,
                                              .text = text,
                                              .number = number});
  }
  tenantdb_status status = move_call(dbs[0], "faulty", dbs[1], options_for(false), NULL, &failure);
  proxy_counters counted = proxy_count(proxies[side]);
  proxy_disarm(proxies[side]);
  *fired = counted.fired > 0;
  snprintf(when, sizeof when, "side %d, %s at message %lld %s, answered %s", side, cuts[cut].name,
           (long long)number, text ? text : "", tenantdb_status_name(status));
  if (status == TENANTDB_INTERNAL || status == TENANTDB_SQL ||
      (status && !*tenantdb_error_message(failure))) {
    fail_msg("%s: %s", when, tenantdb_error_message(failure));
  }
  tenantdb_error_free(failure);
  tenantdb_close(dbs[0]);
  tenantdb_close(dbs[1]);
  int64_t leaked = tndb_memory_live() - before;
  if (leaked > 0) {
    fail_msg("%s: %lld allocations were not given back", when, (long long)leaked);
  }
  if (status == TENANTDB_OK) {
    check_served_by(1, when);
  } else {
    settle(turn++ % 2 == 0, when);
  }
  clear();
  return counted.from_client + counted.from_server;
}

static void test_cut(void **state) {
  (void)state;
  int64_t shares = 2 * (int64_t)CUTS;
  for (int side = 0; side < 2; side++) {
    for (size_t cut = 0; cut < CUTS; cut++) {
      bool fired;
      int64_t began = fixture_now_ms(), runs = 0;
      int64_t total = cut_once(side, NULL, cut, 0, &fired);
      int64_t cost = fixture_now_ms() - began;
      int64_t at = 1 + (int64_t)cut * total / 7; /* not the same points each time */
      do {
        (void)cut_once(side, NULL, cut, at, &fired);
        runs++;
        at = fixture_next(at, total, 3, cost, fixture_budget_ms() / shares);
      } while (fired && at <= total);
      print_message("side %d, %s: %lld messages, %lld cuts in %lld ms\n", side, cuts[cut].name,
                    (long long)total, (long long)runs, (long long)(fixture_now_ms() - began));
    }
  }
}

/* ---------------------------------------------------------------- killed */

/* The lease is over: the side that he goes to tells of him as well. */
static void check_told_there(const char *when) {
  tenantdb_result *done = NULL;
  int64_t told = 0;
  harness_assert_ok(tenantdb_reconcile(direct[1], &done, &error), error);
  for (int32_t row = 0; row < tenantdb_result_rows(done); row++) {
    told += strstr(tenantdb_result_value(done, row, 3), "interrupted on the way from database here") != NULL;
  }
  tenantdb_result_free(done);
  int64_t open = harness_count(
      urls[1],
      "SELECT count(*) FROM tenantdb.moves WHERE side = 'target' AND state IN ('moving', 'switched')");
  if (told != open) {
    fail_msg("%s: reconcile tells of %lld moves of %lld", when, (long long)told, (long long)open);
  }
}

static bool kill_once(int side, const char *text, int64_t number) {
  char when[120];
  make();
  proxy_reset(proxies[side]);
  pid_t child = fork();
  if (child == 0) {
    tenantdb *dbs[2];
    for (int i = 0; i < 2; i++) {
      dbs[i] = open_by(i, i == side);
    }
    (void)move_call(dbs[0], "faulty", dbs[1], options_for(false), NULL, NULL);
    _exit(0);
  }
  assert_true(child > 0);
  proxy_arm(
      proxies[side],
      &(proxy_trigger){
          .action = PROXY_STALL, .from = text ? PROXY_CLIENT : PROXY_EITHER, .text = text, .number = number});
  bool fired = false, over = false;
  for (int i = 0; i < 400 && !fired && !over; i++) {
    fired = proxy_wait_fired(proxies[side], 50);
    over = waitpid(child, NULL, WNOHANG) == child;
  }
  if (!over) {
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
  }
  if (text || number % 2 == 0) { /* else what was held back still arrives, after the death of who sent it */
    harness_sql(urls[side],
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                "current_database() AND state = 'idle in transaction'");
    fixture_pause_us(50000);
  }
  proxy_disarm(proxies[side]);
  snprintf(when, sizeof when, "side %d, killed at message %lld %s", side, (long long)number,
           text ? text : "");
  if (turn % 3 == 0) { /* who reconciles ends the pause at least, once the lease is over */
    tenantdb_result *done = NULL;
    fixture_pause_us(1100000);
    harness_assert_ok(tenantdb_reconcile(direct[0], &done, &error), error);
    tenantdb_result_free(done);
    assert_int_equal(harness_count(urls[0],
                                   "SELECT count(*) FROM tenantdb.moves WHERE paused_at IS NOT NULL AND "
                                   "state = 'moving'"),
                     0);
    check_told_there(when);
  }
  if (over && strcmp(move_state(urls[0], "faulty"), "archived") == 0 && !fired) {
    check_served_by(1, when);
  } else {
    settle(turn++ % 2 == 0, when);
  }
  clear();
  return fired;
}

static void test_killed(void **state) {
  (void)state;
  for (int side = 0; side < 2; side++) {
    int64_t began = fixture_now_ms(), runs = 0, at = 1;
    bool fired;
    int64_t total = cut_once(side, NULL, 0, 0, &fired) + 30; /* and what opening it takes */
    int64_t cost = fixture_now_ms() - began + 1200;
    do {
      fired = kill_once(side, NULL, at);
      runs++;
      at = fixture_next(at, total, 2, cost, fixture_budget_ms());
    } while (fired && at <= total);
    print_message("side %d: %lld messages, %lld kills in %lld ms\n", side, (long long)total, (long long)runs,
                  (long long)(fixture_now_ms() - began));
  }
  print_message("%lld resumed, %lld undone; found with writes paused %lld, served by neither %lld\n",
                (long long)resumed, (long long)undone, (long long)paused, (long long)neither);
}

/* ---------------------------------------------------------------- at every step */

/* What is in a message at which it happens: the name of every step as it is recorded, and what decides. */
static const struct {
  int side;
  const char *text;
  int64_t number; /* of those that hold it */
} points[] = {{0, "'moving', $10", 1},
              {1, "CREATE SCHEMA", 1},
              {1, "DROP CONSTRAINT", 1},
              {0, "references", 1},
              {0, "CREATE TRIGGER", 1},
              {0, "CREATE PUBLICATION", 1},
              {0, "pg_create_logical", 1},
              {1, "CREATE SUBSCRIPTION", 1},
              {0, "subscribe", 1},
              {0, "copy", 1},
              {1, "ANALYZE", 1},
              {0, "catch up", 1},
              {0, "switch", 1},
              {1, "REPEATABLE READ", 1},
              {0, "SHARE ROW EXCLUSIVE", 1},
              {0, "lock_not_available", 1},
              {0, "paused_at = now()", 1},
              {0, "IN ACCESS SHARE", 1},
              {0, "flush_lsn()", 1},
              {0, "confirmed_flush_lsn", 1},
              {1, "UNION ALL SELECT 1", 1},
              {1, "setval", 1},
              {1, "DISABLE", 1},
              {1, "moved here", 1},
              {0, "jsonb_build_object('tenantdb.moved_to'", 1},
              {0, "moved away", 1},
              {0, "hashtextextended", 1},
              {0, "foreign keys", 1},
              {0, "refresh", 1},
              {1, "slot_name = NONE", 1},
              {1, "DROP SUBSCRIPTION", 1},
              {0, "unsubscribe", 1},
              {0, "pg_drop_replication_slot", 1},
              {0, "DROP PUBLICATION", 1},
              {0, "unpublish", 1},
              {0, "finished_at = now(), paused_at", 1},
              {1, "COMMIT", 2}, /* BEGIN says COMMITTED; one is the switch */
              {1, "COMMIT", 3},
              {1, "COMMIT", 4},
              {1, "COMMIT", 5},
              {1, "COMMIT", 6},
              {1, "COMMIT", 7},
              {1, "COMMIT", 8},
              {1, "COMMIT", 9},
              {1, "COMMIT", 10},
              {1, "COMMIT", 11},
              {1, "COMMIT", 12},
              {1, "COMMIT", 13}};

/* Killed there, or cut behind it. With little time some of them, others each time. */
static void test_steps(void **state) {
  (void)state;
  enum { POINTS = sizeof points / sizeof points[0] };
  int64_t began = fixture_now_ms(), runs = 0, missed = 0;
  int64_t at = fixture_budget_ms() > 200000 ? 0 : began % 3;
  while (at < 2 * POINTS) {
    int side = points[at / 2].side;
    const char *text = points[at / 2].text;
    int64_t started = fixture_now_ms();
    bool fired = false;
    if (at % 2 == 0) {
      fired = kill_once(side, text, points[at / 2].number);
    } else {
      (void)cut_once(side, text, 1, points[at / 2].number, &fired);
    }
    missed += !fired;
    if (!fired && strcmp(text, "DROP CONSTRAINT") != 0 && strcmp(text, "COMMIT") != 0) {
      fail_msg("no message to side %d holds %s", side, text);
    }
    runs++;
    at = fixture_next(at, 2 * POINTS, 0, fixture_now_ms() - started, 2 * fixture_budget_ms());
  }
  if (runs == 2 * POINTS) {
    assert_true(neither > 0 && paused > 0 && undone > 0);
  }
  print_message(
      "%lld of %d points, %lld missed, in %lld ms; %lld resumed, %lld undone; found with writes paused "
      "%lld, served by neither %lld\n",
      (long long)runs, 2 * POINTS, (long long)missed, (long long)(fixture_now_ms() - began),
      (long long)resumed, (long long)undone, (long long)paused, (long long)neither);
}

/* ---------------------------------------------------------------- allocations */

static int64_t starve_once(int64_t at, bool forever) {
  char when[80];
  make();
  int64_t before = tndb_memory_live();
  tenantdb *from = open_by(0, false), *to = open_by(1, false);
  tenantdb_error *failure = NULL;
  tenantdb_result *report = NULL;
  tenantdb_move_options *options = move_options(options_for(true));
  (void)tndb_memory_fail((uint64_t)at, forever);
  tenantdb_status status = tenantdb_tenant_move(from, "faulty", to, options, &report, &failure);
  int64_t made = (int64_t)tndb_memory_fail(0, false);
  tenantdb_move_options_free(options);
  snprintf(when, sizeof when, "allocation %lld%s, answered %s", (long long)at, forever ? " and on" : "",
           tenantdb_status_name(status));
  if (status != TENANTDB_OK && status != TENANTDB_MEMORY && status != TENANTDB_CONNECTION) {
    fail_msg("%s: %s", when, tenantdb_error_message(failure));
  }
  tenantdb_result_free(report);
  tenantdb_error_free(failure);
  tenantdb_close(from);
  tenantdb_close(to);
  int64_t leaked = tndb_memory_live() - before;
  if (leaked > 0) {
    fail_msg("%s: %lld allocations were not given back", when, (long long)leaked);
  }
  settle(at % 2 == 1 && status != TENANTDB_OK, when);
  clear();
  return made;
}

static void test_allocations(void **state) {
  (void)state;
  int64_t began = fixture_now_ms(), tried = 0;
  int64_t total = starve_once(0, false);
  int64_t cost = fixture_now_ms() - began;
  assert_true(total > 100);
  for (int forever = 0; forever < 2; forever++) {
    for (int64_t at = 1; at <= total; at = fixture_next(at, total, 1, cost, fixture_budget_ms() / 2)) {
      (void)starve_once(at, forever == 1);
      tried++;
    }
  }
  print_message("%lld allocations, %lld runs in %lld ms\n", (long long)total, (long long)tried,
                (long long)(fixture_now_ms() - began));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_steps),
      cmocka_unit_test(test_cut),
      cmocka_unit_test(test_killed),
      cmocka_unit_test(test_allocations),
  };
  return cmocka_run_group_tests_name("moves interrupted", tests, setup, teardown);
}

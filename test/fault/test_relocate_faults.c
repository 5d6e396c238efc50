/* SPDX-License-Identifier: PostgreSQL */
/*
 * The connection is cut at every message of a relocation. What is one transaction
 * was done exactly when OK was answered; what is many leaves every old name in
 * use, and goes on when it is called again.
 */
#include "relocations.h"
#include "starve.h"

static int64_t run_once(const void *relocation, size_t cut, int64_t number, bool *fired) {
  const fault_relocation *what = relocation;
  tenantdb *db = fixture_open(by_proxy, relocate_registry(), FIXTURE_OPTIONS("operation.lock_timeout", "5s"));
  tenantdb_error *failure = NULL;
  tenantdb_relocate_options *options = relocate_options(what->options);
  if (what->prepare) {
    what->prepare();
  }
  proxy_reset(proxy);
  proxy_trigger trigger = {.action = cuts[cut].action, .number = number};
  if (number > 0) {
    proxy_arm(proxy, &trigger);
  }
  tenantdb_relocate_options_set(options, "lock_timeout", "2s"); /* what was cut goes on for a moment */
  tenantdb_relocate_options_set(options, "force", "on");
  tenantdb_status status = what->options ? tenantdb_relocate(db, options, 1, NULL, &failure)
                                         : tenantdb_relocate_finish(db, options, 1, NULL, &failure);
  proxy_counters counted = proxy_count(proxy);
  proxy_disarm(proxy);
  *fired = counted.fired > 0;
  fault_wait_quiet(url);
  bool done = what->is_done(), whole = what->is_whole();
  if (!whole || (status == TENANTDB_OK && !done) || (status != TENANTDB_OK && done && !what->resumes) ||
      status == TENANTDB_UNKNOWN || status == TENANTDB_INTERNAL) {
    fail_msg("%s, %s at message %lld (%c from %s): answered %s (%s), it is %s, %s", what->name,
             cuts[cut].name, (long long)number, counted.fired_type,
             counted.fired_from == PROXY_CLIENT ? "client" : "server", tenantdb_status_name(status),
             tenantdb_error_message(failure), done ? "done" : "not done", whole ? "whole" : "broken");
  }
  tenantdb_error_free(failure);
  tenantdb_relocate_options_free(options);
  tenantdb_close(db);
  what->restore();
  return counted.from_client + counted.from_server;
}

static void test_relocations(void **state) {
  (void)state;
  for (size_t i = 0; i < RELOCATIONS; i++) {
    cut_sweep(relocations[i].name, &relocations[i], run_once, 8,
              fixture_budget_ms() / ((int64_t)CUTS * RELOCATIONS));
  }
}

/* ---------------------------------------------------------------- allocations */

static int64_t run_starved(const void *relocation, int64_t at, bool forever) {
  const fault_relocation *what = relocation;
  int64_t before = tndb_memory_live();
  tenantdb *db = fixture_open(url, relocate_registry(), NULL);
  tenantdb_error *failure = NULL;
  tenantdb_result *plan = NULL;
  if (what->prepare) {
    what->prepare();
  }
  (void)tndb_memory_fail((uint64_t)at, forever);
  tenantdb_relocate_options *options = relocate_options(what->options);
  tenantdb_relocate_options_set(options, "force", "on");
  tenantdb_status status = !options        ? (tenantdb_status)TENANTDB_MEMORY
                           : what->options ? tenantdb_relocate(db, options, 1, &plan, &failure)
                                           : tenantdb_relocate_finish(db, options, 1, &plan, &failure);
  int64_t made = (int64_t)tndb_memory_fail(0, false);
  tenantdb_relocate_options_free(options);
  fault_wait_quiet(url);
  bool whole = what->is_whole(), done = what->is_done();
  starve_check_answer(what->name, at, forever, status, failure);
  if (!whole || (status == TENANTDB_OK && !done)) {
    fail_msg("%s, allocation %lld%s: %s (%s), it is %s, %s", what->name, (long long)at, starve_name(forever),
             tenantdb_status_name(status), tenantdb_error_message(failure), done ? "done" : "not done",
             whole ? "whole" : "broken");
  }
  tenantdb_result_free(plan);
  tenantdb_error_free(failure);
  what->restore();
  tenantdb_close(db);
  int64_t leaked = tndb_memory_live() - before;
  if (leaked > 0) {
    fail_msg("%s, allocation %lld%s: %lld allocations were not given back", what->name, (long long)at,
             starve_name(forever), (long long)leaked);
  }
  return made;
}

static void test_allocations(void **state) {
  (void)state;
  for (size_t i = 0; i < RELOCATIONS; i++) {
    (void)run_starved(&relocations[i], 0,
                      false); /* what the handle that brings things back keeps is there now */
    starve_sweep(relocations[i].name, &relocations[i], run_starved, fixture_budget_ms() / (2 * RELOCATIONS));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_relocations),
      cmocka_unit_test(test_allocations),
  };
  return cmocka_run_group_tests_name("relocations cut", tests, setup, between_teardown);
}

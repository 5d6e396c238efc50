/* SPDX-License-Identifier: PostgreSQL */
/*
 * The client of a relocation is killed at every statement: before the server has
 * it, and when the server has done it and its answer is under way. Afterwards
 * there is the old state or the new one, and by views both names work; somebody
 * else is told that it is under way as long as the dead one's lease lasts, and
 * then brings it to its end by calling it again.
 */
#include <poll.h>

#include "relocations.h"

static const struct {
  const char *name;
  proxy_trigger trigger;
} deaths[] = {
    /* Whatever the client tries from then on, nothing of it arrives: he is dead to the server. */
    {"before", {.from = PROXY_CLIENT, .type = 'P', .action = PROXY_CLOSE, .sticky = true}},
    /* What was under way still arrives when he is dead, as from any process with a full socket. */
    {"after", {.from = PROXY_SERVER, .type = 'C', .action = PROXY_STALL}},
};
enum { DEATHS = sizeof deaths / sizeof deaths[0] };

/* In the child: open, say so, wait for the word, do it. */
static void relocate_in_child(const fault_relocation *what, int ready, int go) {
  char byte;
  tenantdb *db = fixture_open(by_proxy, relocate_registry(), FIXTURE_OPTIONS("operation.lock_timeout", "5s"));
  tenantdb_relocate_options *options = relocate_options(what->options);
  tenantdb_relocate_options_set(options, "lock_timeout", "2s");
  tenantdb_relocate_options_set(options, "force", "on");
  if (write(ready, "x", 1) == 1 && read(go, &byte, 1) == 1) {
    tenantdb_status status = what->options ? tenantdb_relocate(db, options, 1, NULL, NULL)
                                           : tenantdb_relocate_finish(db, options, 1, NULL, NULL);
    byte = status ? 'f' : 'd';
    (void)!write(ready, &byte, 1);
  }
  pause();
}

/* Kills the child at the statement; false when he had done it before. */
static bool kill_at(const fault_relocation *what, size_t death, int64_t number) {
  int ready[2], go[2];
  char byte = 0;
  assert_int_equal(pipe(ready), 0);
  assert_int_equal(pipe(go), 0);
  pid_t child = fork();
  if (child == 0) {
    relocate_in_child(what, ready[1], go[0]);
    _exit(0);
  }
  assert_true(child > 0);
  close(ready[1]);
  assert_int_equal(read(ready[0], &byte, 1), 1);
  proxy_trigger trigger = deaths[death].trigger;
  trigger.number = number;
  proxy_arm(proxy, &trigger);
  assert_int_equal(write(go[1], "x", 1), 1);
  bool fired = false;
  for (int i = 0; i < 1000 && !fired; i++) {
    fired = proxy_wait_fired(proxy, 10);
    struct pollfd done = {.fd = ready[0], .events = POLLIN};
    if (!fired && poll(&done, 1, 0) == 1) {
      break;
    }
  }
  fired = fired || proxy_wait_fired(proxy, 0);
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, NULL, 0), child);
  proxy_disarm(proxy);
  if (!fired && read(ready[0], &byte, 1) == 1 && byte != 'd') {
    fail_msg("%s: it failed although nobody was killed", what->name);
  }
  close(ready[0]);
  close(go[0]);
  close(go[1]);
  fault_wait_quiet(url);
  return fired;
}

/* The next to call is told that it is under way, as long as it may be. */
static void check_held(const fault_relocation *what) {
  tenantdb_error *failure = NULL;
  tenantdb_relocate_options *options = relocate_options(what->options);
  tenantdb_relocate_options_set(options, "patience", "0");
  tenantdb_status status = tenantdb_relocate(direct, options, 1, NULL, &failure);
  if (status != TENANTDB_BUSY) {
    fail_msg("%s: the next one is told %s: %s", what->name, tenantdb_status_name(status),
             tenantdb_error_message(failure));
  }
  tenantdb_error_free(failure);
  tenantdb_relocate_options_free(options);
}

static bool is_moving(void) {
  return harness_count(url,
                       "SELECT count(*) FROM tenantdb.relocations r, tenantdb.operations o WHERE r.state = "
                       "'moving' AND o.state = 'running'") > 0;
}

static int killed, done, resumed;

static bool run_once(const fault_relocation *what, size_t death, int64_t number) {
  if (what->prepare) {
    what->prepare();
  }
  bool fired = kill_at(what, death, number);
  bool whole = what->is_whole(), is = what->is_done();
  if (!whole || (!fired && !is)) {
    fail_msg("%s, killed %s statement %lld: it is %s, %s", what->name, deaths[death].name, (long long)number,
             is ? "done" : "not done", whole ? "whole" : "broken");
  }
  killed += fired;
  done += fired && is;
  if (is_moving()) {
    check_held(what);
    resumed++;
  }
  what->restore();
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM public.users JOIN public.conversations ON "
                                 "user_id = users.id WHERE users.id BETWEEN 1 AND 30"),
                   30);
  return fired;
}

static void sweep(const fault_relocation *what) {
  int64_t began = fixture_now_ms(), runs = 0;
  killed = done = resumed = 0;
  (void)run_once(what, 0, 1);
  int64_t cost = fixture_now_ms() - began;
  for (size_t death = 0; death < DEATHS; death++) {
    int64_t total = 1, at = 1;
    while (run_once(what, death, at)) { /* how many there are is seen when nobody is killed any more */
      total = at;
      at *= 2;
    }
    for (int64_t step = total; step > 0; step /= 2) {
      at = total + step;
      total = run_once(what, death, at) ? at : total;
    }
    at = 1;
    do {
      assert_true(run_once(what, death, at));
      runs++;
      at = fixture_next(at, total, 4, cost, fixture_budget_ms() / (DEATHS * RELOCATIONS));
    } while (at <= total);
    print_message("%s, %s: %lld statements\n", what->name, deaths[death].name, (long long)total);
  }
  print_message("%s: %d kills in %lld ms, of which %d left it done and %d half way\n", what->name, killed,
                (long long)(fixture_now_ms() - began), done, resumed);
  assert_true(killed > 10 && killed > done);
}

static void test_killed(void **state) {
  (void)state;
  for (size_t i = 0; i < RELOCATIONS; i++) {
    sweep(&relocations[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_killed),
  };
  return cmocka_run_group_tests_name("relocations killed", tests, setup, between_teardown);
}

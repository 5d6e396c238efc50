/* SPDX-License-Identifier: PostgreSQL */
/*
 * Standby schemas when things fail: the connection is cut at every message,
 * every allocation fails, the client is killed. A tenant is there exactly when the
 * call said so; a standby schema is his, or stands by; and nothing is half.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "fixture_standby.h"
#include "proxy.h"

enum { KEPT = 2 };
#define KEEP FIXTURE_OPTIONS("tenant.standby", "2", "operation.lock_timeout", "5s")

static const char *url;
static char by_proxy[1024];
static tndb_proxy *proxy;
static tenantdb *direct;
static tenantdb_error *error;

static int setup(void **state) {
  (void)state;
  char reason[256];
  url = harness_database();
  direct = fixture_ready(url, KEEP);
  proxy = proxy_start(url, reason, sizeof reason);
  if (!proxy) {
    fail_msg("%s", reason);
  }
  assert_true(proxy_url(proxy, url, by_proxy, sizeof by_proxy));
  return 0;
}

static int teardown(void **state) {
  (void)state;
  proxy_stop(proxy);
  tenantdb_close(direct);
  harness_drop_database(url);
  return 0;
}

static void wait_quiet(void) {
  for (int i = 0; i < 500; i++) {
    if (harness_count(url,
                      "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state"
                      " <> 'idle' AND pid <> pg_backend_pid() AND application_name = 'tenantdb'") == 0) {
      return;
    }
    fixture_pause_us(10000);
  }
  fail_msg("a back end goes on for more than five seconds");
}

static int64_t living(void) {
  return harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE state <> 'deleted'");
}

/* ---------------------------------------------------------------- what is tried */

typedef struct trial {
  const char *name;
  void (*prepare)(void);
  tenantdb_status (*act)(tenantdb *db, tenantdb_error **failure);
  /* NULL, or what is wrong. */
  const char *(*check)(tenantdb_status status);
} trial;

/* As many as are wanted, and no tenant. */
static void prepare_kept(void) {
  if (living() > 0) {
    harness_assert_ok(tenantdb_tenant_purge(direct, "faulty", 1, &error), error);
  }
  (void)standby_maintain(direct);
  assert_int_equal(standby_count(url), KEPT);
}

static tenantdb_status act_create(tenantdb *db, tenantdb_error **failure) {
  tenantdb_tenant *tenant = NULL;
  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
  tenantdb_tenant_spec_set(spec, "properties", "{\"a\": 1}");
  tenantdb_status status =
      spec ? tenantdb_tenant_create(db, "faulty", spec, &tenant, failure) : (tenantdb_status)TENANTDB_MEMORY;
  assert_int_equal(status == TENANTDB_OK, tenant != NULL);
  tenantdb_tenant_free(tenant);
  tenantdb_tenant_spec_free(spec);
  return status;
}

/* Out of memory behind COMMIT he is there, and cannot be handed out. */
static const char *check_create(tenantdb_status status) {
  bool there = living() == 1;
  return status == TENANTDB_OK && !there                               ? "said to be there and is not"
         : status != TENANTDB_OK && status != TENANTDB_MEMORY && there ? "there in spite of the failure"
         : standby_count(url) != KEPT - there                          ? "not as many stand by as have to"
                                                                       : NULL;
}

static void prepare_empty(void) {
  tenantdb *db = fixture_open(url, NULL, NULL);
  (void)standby_maintain(db);
  assert_int_equal(standby_count(url), 0);
  tenantdb_close(db);
}

/* None fits any more, and others have to be made. */
static void prepare_stale(void) {
  (void)standby_maintain(direct);
  harness_sql(url, "UPDATE tenantdb.standby_schemas SET registry_hash = 'another'");
}

static tenantdb_status act_maintain(tenantdb *db, tenantdb_error **failure) {
  tenantdb_result *done = NULL;
  tenantdb_status status = tenantdb_maintain(db, 0, &done, failure);
  assert_int_equal(status == TENANTDB_OK, done != NULL);
  tenantdb_result_free(done);
  return status;
}

static const char *check_maintain(tenantdb_status status) {
  (void)status;
  if (standby_count(url) > 2 * KEPT) {
    return "too many stand by";
  }
  (void)standby_maintain(direct);
  return standby_count(url) == KEPT && strcmp(standby_maintain(direct), "") == 0
             ? NULL
             : "the next upkeep does not end where it has to";
}

static const trial trials[] = {
    {"create", prepare_kept, act_create, check_create},
    {"create anew", prepare_empty, act_create, NULL},
    {"make", prepare_empty, act_maintain, check_maintain},
    {"replace", prepare_stale, act_maintain, check_maintain},
};
enum { TRIALS = sizeof trials / sizeof trials[0] };

static void judge(const trial *what, const char *how, int64_t number, tenantdb_status status,
                  const tenantdb_error *failure) {
  int64_t halves = standby_halves(url);
  const char *wrong = what->check ? what->check(status) : NULL;
  if (!wrong && !what->check && (status == TENANTDB_OK) != (living() == 1) && status != TENANTDB_MEMORY) {
    wrong = "there and said not to be, or the other way round";
  }
  if (wrong || halves != 0 || status == TENANTDB_INTERNAL) {
    fail_msg("%s, %s at %lld: %s (%s): %s, %lld halves", what->name, how, (long long)number,
             tenantdb_status_name(status), tenantdb_error_message(failure), wrong ? wrong : "",
             (long long)halves);
  }
}

static void clean(void) {
  if (living() > 0) {
    harness_assert_ok(tenantdb_tenant_purge(direct, "faulty", 1, &error), error);
  }
}

/* ---------------------------------------------------------------- cut at every message */

static const struct {
  const char *name;
  proxy_action action;
} actions[] = {{"close", PROXY_CLOSE}, {"close after", PROXY_CLOSE_AFTER}, {"half", PROXY_HALF}};
enum { ACTIONS = sizeof actions / sizeof actions[0] };

static int64_t cut_once(const trial *what, size_t action, int64_t number, bool *fired) {
  tenantdb *db = fixture_open(by_proxy, NULL, KEEP);
  tenantdb_error *failure = NULL;
  what->prepare();
  proxy_reset(proxy);
  proxy_trigger trigger = {.action = actions[action].action, .number = number};
  if (number > 0) {
    proxy_arm(proxy, &trigger);
  }
  tenantdb_status status = what->act(db, &failure);
  proxy_counters counted = proxy_count(proxy);
  proxy_disarm(proxy);
  *fired = counted.fired > 0;
  wait_quiet();
  assert_int_not_equal(status, TENANTDB_UNKNOWN); /* the server can be asked */
  judge(what, actions[action].name, number, status, failure);
  tenantdb_error_free(failure);
  tenantdb_close(db);
  clean();
  return counted.from_client + counted.from_server;
}

static void test_cut(void **state) {
  (void)state;
  for (size_t i = 0; i < TRIALS; i++) {
    bool fired;
    int64_t began = fixture_now_ms(), runs = 0;
    int64_t total = cut_once(&trials[i], 0, 0, &fired);
    int64_t cost = fixture_now_ms() - began;
    for (size_t action = 0; action < ACTIONS; action++) {
      int64_t at = 1;
      do {
        (void)cut_once(&trials[i], action, at, &fired);
        runs++;
        at = fixture_next(at, total, 12, cost, fixture_budget_ms() / (ACTIONS * TRIALS));
      } while (fired && at < 2 * total);
    }
    print_message("%s: %lld messages, %lld cuts in %lld ms\n", trials[i].name, (long long)total,
                  (long long)runs, (long long)(fixture_now_ms() - began));
  }
}

/* ---------------------------------------------------------------- every allocation */

static int64_t starve_once(const trial *what, int64_t at, bool forever) {
  what->prepare();
  int64_t before = tndb_memory_live();
  tenantdb *db = fixture_open(url, NULL, KEEP);
  tenantdb_error *failure = NULL;
  (void)tndb_memory_fail((uint64_t)at, forever);
  tenantdb_status status = what->act(db, &failure);
  int64_t made = (int64_t)tndb_memory_fail(0, false);
  if (status != TENANTDB_OK && status != TENANTDB_MEMORY && status != TENANTDB_CONNECTION) {
    fail_msg("%s, allocation %lld: %s", what->name, (long long)at, tenantdb_error_message(failure));
  }
  wait_quiet();
  judge(what, forever ? "allocations from" : "allocation", at, status, failure);
  tenantdb_error_free(failure);
  tenantdb_close(db);
  if (tndb_memory_live() != before) {
    fail_msg("%s, allocation %lld: %lld were not given back", what->name, (long long)at,
             (long long)(tndb_memory_live() - before));
  }
  clean();
  return made;
}

static void test_allocations(void **state) {
  (void)state;
  for (size_t i = 0; i < TRIALS; i++) {
    int64_t began = fixture_now_ms(), tried = 0;
    int64_t total = starve_once(&trials[i], 0, false);
    int64_t cost = fixture_now_ms() - began;
    for (int forever = 0; forever < 2; forever++) {
      for (int64_t at = 1; at <= total + 1;
           at = fixture_next(at, total, 0, cost, fixture_budget_ms() / (2 * TRIALS))) {
        (void)starve_once(&trials[i], at, forever == 1);
        tried++;
      }
    }
    print_message("%s: %lld allocations, %lld tried in %lld ms\n", trials[i].name, (long long)total,
                  (long long)tried, (long long)(fixture_now_ms() - began));
  }
}

/* ---------------------------------------------------------------- the client is killed */

static void make_and_take(tenantdb *db, int round) {
  for (int i = 0; i < 30; i++) {
    char slug[24];
    snprintf(slug, sizeof slug, "k%d-%d", round, i);
    (void)tenantdb_maintain(db, 0, NULL, NULL);
    (void)tenantdb_tenant_create(db, slug, NULL, NULL, NULL);
  }
}

static void kill_child(int round, unsigned within_us) {
  int ready[2];
  char byte = 0;
  assert_int_equal(pipe(ready), 0);
  pid_t child = fork();
  if (child == 0) {
    tenantdb *db = fixture_open(url, NULL, KEEP);
    if (write(ready[1], "x", 1) == 1) {
      make_and_take(db, round);
    }
    pause();
    _exit(0);
  }
  assert_true(child > 0);
  assert_int_equal(read(ready[0], &byte, 1), 1);
  fixture_pause_us(within_us);
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, NULL, 0), child);
  close(ready[0]);
  close(ready[1]);
  wait_quiet();
}

static void test_killed(void **state) {
  (void)state;
  unsigned seed = fixture_seed();
  tenantdb_close(direct);
  for (int round = 0; round < 20; round++) {
    kill_child(round, fixture_random(&seed, 200000));
    assert_int_equal(standby_halves(url), 0);
    assert_true(standby_count(url) <= KEPT);
  }
  print_message("%lld tenants, %lld from standby schemas\n", (long long)living(),
                (long long)standby_taken(url));
  direct = fixture_open(url, NULL, KEEP);
  (void)standby_maintain(direct);
  assert_int_equal(standby_count(url), KEPT);
  standby_assert_alike(direct, (int32_t)living());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
      cmocka_unit_test_setup_teardown(test_allocations, setup, teardown),
      cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

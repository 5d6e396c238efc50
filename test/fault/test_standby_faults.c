/* SPDX-License-Identifier: PostgreSQL */
/*
 * Standby schemas when things fail: the connection is cut at every message,
 * every allocation fails, the client is killed. A tenant is there exactly when the
 * call said so; a standby schema is his, or stands by; and nothing is half.
 */
#include "fixture_standby.h"
#include "lost.h"
#include "starve.h"

#include "between.h"

enum { KEPT = 2 };
#define KEEP FIXTURE_OPTIONS("tenant.standby", "2", "operation.lock_timeout", "5s")

static int setup(void **state) {
  (void)fixture_setup(state);
  direct = fixture_ready(url, KEEP);
  between_start();
  return 0;
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

static int64_t cut_once(const void *tried, size_t cut, int64_t number, bool *fired) {
  const trial *what = tried;
  tenantdb *db = fixture_open(by_proxy, NULL, KEEP);
  tenantdb_error *failure = NULL;
  what->prepare();
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
  assert_int_not_equal(status, TENANTDB_UNKNOWN); /* the server can be asked */
  judge(what, cuts[cut].name, number, status, failure);
  tenantdb_error_free(failure);
  tenantdb_close(db);
  clean();
  return counted.from_client + counted.from_server;
}

static void test_cut(void **state) {
  (void)state;
  for (size_t i = 0; i < TRIALS; i++) {
    cut_sweep(trials[i].name, &trials[i], cut_once, 12, 2 * fixture_budget_ms() / ((int64_t)CUTS * TRIALS));
  }
}

/* ---------------------------------------------------------------- every allocation */

static int64_t starve_once(const void *tried, int64_t at, bool forever) {
  const trial *what = tried;
  what->prepare();
  int64_t before = tndb_memory_live();
  tenantdb *db = fixture_open(url, NULL, KEEP);
  tenantdb_error *failure = NULL;
  (void)tndb_memory_fail((uint64_t)at, forever);
  tenantdb_status status = what->act(db, &failure);
  int64_t made = (int64_t)tndb_memory_fail(0, false);
  starve_check_answer(what->name, at, forever, status, failure);
  fault_wait_quiet(url);
  judge(what, forever ? "allocations from" : "allocation", at, status, failure);
  tenantdb_error_free(failure);
  tenantdb_close(db);
  starve_check_freed(what->name, at, forever, before);
  clean();
  return made;
}

static void test_allocations(void **state) {
  (void)state;
  for (size_t i = 0; i < TRIALS; i++) {
    starve_sweep(trials[i].name, &trials[i], starve_once, fixture_budget_ms() / (2 * TRIALS));
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

static void test_killed(void **state) {
  (void)state;
  unsigned seed = fixture_seed();
  tenantdb_close(direct);
  for (int round = 0; round < 20; round++) {
    fault_kill_child(url, KEEP, make_and_take, round, fixture_random(&seed, 200000));
    fault_wait_quiet(url);
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
      cmocka_unit_test_setup_teardown(test_cut, setup, between_teardown),
      cmocka_unit_test_setup_teardown(test_allocations, setup, between_teardown),
      cmocka_unit_test_setup_teardown(test_killed, setup, between_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Migrations under faults: the connection is cut at every message, memory fails at every allocation, whoever
 * carries them out is killed. Nothing is done twice, nothing is left out, no index stays invalid.
 *
 * Each step writes that it was done into a table, so that twice can be told from once; those
 * that have no transaction make an index, of which there cannot be two.
 */
#include "../integration/job_fixture.h"
#include "lost.h"
#include "starve.h"

#include "between.h"

static tenantdb_migrations *whole; /* transactional files */
static tenantdb_migrations *steps; /* one that is not, and one behind it */
static int made;

#define LOG(n) "INSERT INTO log VALUES (" #n ")"
#define REPEAT                                                                                          \
  "WITH few AS (SELECT id FROM t WHERE id > coalesce($1::integer, 0) ORDER BY id LIMIT 40), filled AS " \
  "(UPDATE"                                                                                             \
  " t SET filled = 1 FROM few WHERE t.id = few.id RETURNING t.id) SELECT max(id)::text, count(*) FROM " \
  "filled"

static tenantdb_migrations *make_whole(void) {
  tenantdb_migrations *set = job_set();
  job_add(set, 1,
          "CREATE TABLE log (n integer); CREATE TABLE t (id integer PRIMARY KEY, filled integer); "
          "INSERT INTO t SELECT generate_series(1, 100); " LOG(1));
  job_add(set, 2, "ALTER TABLE t ADD COLUMN two integer NOT NULL DEFAULT 2; " LOG(2));
  job_add(set, 3, "CREATE INDEX t_two ON t (two); " LOG(3) "; CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS "
                  "'SELECT 1'");
  tenantdb_migration_add_repeatable(set, "tenant", "view", "CREATE VIEW v AS SELECT 1 AS x; " LOG(4));
  job_freeze(set);
  return set;
}

static tenantdb_migrations *make_steps(void) {
  tenantdb_migrations *set = job_set();
  job_add(set, 1,
          "CREATE TABLE log (n integer); CREATE TABLE t (id integer PRIMARY KEY, filled integer); "
          "INSERT INTO t SELECT generate_series(1, 100)");
  job_add(set, 2,
          "-- tenantdb:tx none\n" LOG(1) ";\nCREATE UNIQUE INDEX CONCURRENTLY t_one ON t (id, filled);\n"
          LOG(2) ";\nSELECT 1;\nREINDEX INDEX CONCURRENTLY t_one;\nDROP INDEX CONCURRENTLY t_one;\n"
          "CREATE INDEX CONCURRENTLY t_two ON t (filled)");
  job_add(set, 3, LOG(3));
  job_freeze(set);
  tndb_migration_step *step = &set->items[1]->steps.items[3];
  tndb_free(step->sql);
  step->sql = tndb_strdup(REPEAT);
  step->way = TNDB_WAY_REPEAT;
  return set;
}

static int setup(void **state) {
  (void)between_setup(state);
  whole = make_whole();
  steps = make_steps();
  return 0;
}

static int teardown(void **state) {
  tenantdb_migrations_free(whole);
  tenantdb_migrations_free(steps);
  return between_teardown(state);
}

/* Its own schema is enough of a tenant, and cheaper. */
static job_tenant fresh(void) {
  job_tenant tenant = {.role = ""};
  snprintf(tenant.slug, sizeof tenant.slug, "f%d", made);
  snprintf(tenant.schema, sizeof tenant.schema, "schema \"%d\"", made);
  snprintf(tenant.id, sizeof tenant.id, "00000000-0000-4000-8000-%012d", made++);
  char *quoted = harness_value(url, "SELECT quote_ident('%s')", tenant.schema);
  harness_sql(
      url,
      "CREATE SCHEMA %s; INSERT INTO tenantdb.tenants (id, slug, schema_name, state) VALUES ('%s', '%s', "
      "'%s', 'active')",
      quoted, tenant.id, tenant.slug, tenant.schema);
  free(quoted);
  return tenant;
}

static int64_t count_in(const job_tenant *tenant, const char *sql) {
  char *quoted = harness_value(url, "SELECT quote_ident('%s')", tenant->schema);
  int64_t n = harness_count(url,
                            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                            "WHERE n.nspname = '%s' AND c.relname = 'log'",
                            tenant->schema);
  if (n > 0) {
    n = harness_count(url, "SELECT %s FROM %s.log", sql, quoted);
  }
  free(quoted);
  return n;
}

static int64_t invalid(const job_tenant *tenant) {
  return harness_count(
      url,
      "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n "
      "ON n.oid = c.relnamespace WHERE n.nspname = '%s' AND NOT i.indisvalid",
      tenant->schema);
}

/* Nothing twice, whatever happened; all of it once when it is said to be done. */
static bool is_once(const job_tenant *tenant) {
  return count_in(tenant, "count(*) - count(DISTINCT n)") == 0;
}

static bool is_done(const tenantdb_migrations *set, const job_tenant *tenant) {
  int64_t version = harness_count(url, "SELECT version FROM tenantdb.tenants WHERE id = '%s'", tenant->id);
  int64_t rows = harness_count(
      url, "SELECT count(*) FROM tenantdb.migrations WHERE tenant_id = '%s' AND state = 'done'", tenant->id);
  if (version != 3 || rows != (set == whole ? 4 : 3)) {
    return false;
  }
  assert_int_equal(count_in(tenant, "count(*)"), set == whole ? 4 : 3);
  assert_int_equal(invalid(tenant), 0);
  if (set == steps) {
    char *quoted = harness_value(url, "SELECT quote_ident('%s')", tenant->schema);
    assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.t WHERE filled = 1", quoted), 100);
    assert_int_equal(
        harness_count(
            url,
            "SELECT count(*) FROM pg_indexes WHERE schemaname = '%s' AND indexname IN ('t_one', 't_two')",
            tenant->schema),
        1);
    free(quoted);
  }
  return true;
}

static void expire(const job_tenant *tenant) {
  harness_sql(
      url,
      "UPDATE tenantdb.migrations SET lease_until = now() - interval '1 s' WHERE state = 'running' AND "
      "tenant_id = '%s'",
      tenant->id);
}

/* Somebody comes after it, and brings it to its end. */
static void bring_to_end(const tenantdb_migrations *set, const job_tenant *tenant, const char *what) {
  tenantdb *db = fixture_open(url, NULL, NULL);
  for (int i = 0; i < 100 && !is_done(set, tenant); i++) {
    expire(tenant);
    job_result result = job_run(db, set, tenant, &(job_wish){.lock_timeout_ms = 2000, .lock_retries = 2});
    if (result.outcome == TNDB_JOB_FAILED || result.outcome == TNDB_JOB_BLOCKED) {
      fail_msg("%s: it cannot be brought to its end: %s", what, tenantdb_error_message(result.error));
    }
    tenantdb_error_free(result.error);
    if (result.outcome == TNDB_JOB_TAKEN) {
      fixture_pause_us(20000);
    }
  }
  if (!is_done(set, tenant) || !is_once(tenant)) {
    fail_msg("%s: it was not brought to its end", what);
  }
  tenantdb_close(db);
  char *quoted = harness_value(url, "SELECT quote_ident('%s')", tenant->schema);
  harness_sql(url, "SET client_min_messages = error; DROP SCHEMA %s CASCADE", quoted);
  free(quoted);
}

static const char *which_name(int which) {
  return which ? "steps" : "whole";
}

static const tenantdb_migrations *set_of(int which) {
  return which ? steps : whole;
}

/* ---------------------------------------------------------------- cut */

static int64_t run_cut(int which, size_t cut, int64_t number, bool sticky, bool *fired) {
  const tenantdb_migrations *set = set_of(which);
  job_tenant tenant = fresh();
  tenantdb *db = fixture_open(by_proxy, NULL,
                              FIXTURE_OPTIONS("operation.lock_timeout", "3s", "database.connect_timeout",
                                              "2s", "pool.back_off", "1ms"));
  tenantdb_error *failure = NULL;
  job_result result;
  proxy_reset(proxy);
  if (number > 0) {
    proxy_arm(proxy, &(proxy_trigger){.action = cuts[cut].action, .number = number, .sticky = sticky});
  }
  tenantdb_status status =
      job_try(db, set, &tenant, &(job_wish){.lock_timeout_ms = 2000, .lock_retries = 2}, &result, &failure);
  proxy_counters counted = proxy_count(proxy);
  proxy_disarm(proxy);
  *fired = counted.fired > 0;
  fault_wait_quiet(url);
  char what[200];
  snprintf(what, sizeof what, "%s, %s%s at message %lld (%c from %s)", which_name(which), cuts[cut].name,
           sticky ? " and on" : "", (long long)number, counted.fired_type,
           counted.fired_from == PROXY_CLIENT ? "client" : "server");
  bool applied = !status && result.outcome == TNDB_JOB_APPLIED;
  bool done = is_done(set, &tenant);
  /* A single cut is got over, except before the job began. */
  if (!is_once(&tenant) || (applied && !done) || (!sticky && !status && !applied) ||
      tenantdb_error_status(result.error) == TENANTDB_INTERNAL) {
    fail_msg("%s: %s (%s), it is %s, %s", what, status ? "not begun" : job_outcome_name(result.outcome),
             tenantdb_error_message(status ? failure : result.error), done ? "done" : "not done",
             is_once(&tenant) ? "once" : "twice");
  }
  tenantdb_error_free(result.error);
  tenantdb_error_free(failure);
  tenantdb_close(db);
  bring_to_end(set, &tenant, what);
  return counted.from_client + counted.from_server;
}

static void sweep_cuts(int which) {
  bool fired;
  int64_t began = fixture_now_ms(), runs = 0;
  int64_t total = run_cut(which, 0, 0, false, &fired);
  int64_t cost = 2 * (fixture_now_ms() - began);
  assert_true(total > 10);
  for (size_t cut = 0; cut < CUTS; cut++) {
    for (int64_t at = 1; at <= total + 2; at = fixture_next(at, total, 8, cost, fixture_budget_ms() / 12)) {
      (void)run_cut(which, cut, at, false, &fired);
      runs++;
    }
  }
  for (int64_t at = 1; at <= total + 2; at = fixture_next(at, total, 8, 3 * cost, fixture_budget_ms() / 12)) {
    (void)run_cut(which, 0, at, true, &fired);
    runs++;
  }
  print_message("%s: %lld messages, %lld cuts in %lld ms\n", which_name(which), (long long)total,
                (long long)runs, (long long)(fixture_now_ms() - began));
}

static void test_cut(void **state) {
  (void)state;
  sweep_cuts(0);
  sweep_cuts(1);
}

/*
 * COMMIT is on its way, and there is no other connection to ask: nobody knows, and it is said so. When the server
 * has said that it ends the connection it is known.
 */
static void test_unknown(void **state) {
  (void)state;
  static const tenantdb_status expected[] = {TENANTDB_UNKNOWN, TENANTDB_CONNECTION};
  for (size_t i = 0; i < 2; i++) {
    job_tenant tenant = fresh();
    tenantdb *db = fixture_open(by_proxy, NULL, NULL);
    tndb_ledger_state before;
    tndb_conn *conn;
    tndb_job job;
    harness_assert_ok(job_read(db, tenant.id, &before, &conn, &error), error);
    tndb_job_order order = job_order(db, whole, &tenant, NULL, &before);
    harness_assert_ok(tndb_job_start(&job, &order, conn, &error), error);
    if (i == 0) {
      proxy_arm(proxy, &(proxy_trigger){.from = PROXY_CLIENT, .text = "COMMIT", .action = PROXY_CLOSE_AFTER});
    } else {
      harness_sql(
          url,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid "
          "<> pg_backend_pid() AND application_name = 'tenantdb'");
      fixture_pause_us(50000);
    }
    tndb_job_step step;
    while ((step = tndb_job_advance(&job, true)) != TNDB_JOB_CONNECT && step != TNDB_JOB_OVER) {
      fixture_pause_us(1000);
    }
    proxy_disarm(proxy);
    assert_int_equal(step, TNDB_JOB_CONNECT);
    assert_true(job.conn->dead);
    tndb_pool_release(job.conn);
    tndb_job_connect(&job, NULL, NULL);
    assert_int_equal(tndb_job_advance(&job, false), TNDB_JOB_OVER);
    assert_int_equal(job.outcome, TNDB_JOB_FAILED);
    assert_int_equal(tenantdb_error_status(job.error), expected[i]);
    assert_int_not_equal(tenantdb_error_retry(job.error), TENANTDB_RETRY_NEVER);
    tndb_job_free(&job);
    tndb_ledger_clear(&before);
    tenantdb_close(db);
    fault_wait_quiet(url);
    bring_to_end(whole, &tenant, "unknown");
  }
}

/* ---------------------------------------------------------------- memory */

static int64_t run_starved(const void *tried, int64_t at, bool forever) {
  int which = *(const int *)tried;
  const tenantdb_migrations *set = set_of(which);
  job_tenant tenant = fresh();
  int64_t before = tndb_memory_live();
  tenantdb *db = fixture_open(url, NULL, NULL);
  tenantdb_error *failure = NULL;
  job_result result;
  (void)tndb_memory_fail((uint64_t)at, forever);
  tenantdb_status status = job_try(db, set, &tenant, &(job_wish){.lock_timeout_ms = 2000}, &result, &failure);
  int64_t made_now = (int64_t)tndb_memory_fail(0, false);
  fault_wait_quiet(url);
  char what[100];
  snprintf(what, sizeof what, "%s, allocation %lld%s", which_name(which), (long long)at,
           starve_name(forever));
  tenantdb_status told = status ? status : tenantdb_error_status(result.error);
  bool applied = !status && result.outcome == TNDB_JOB_APPLIED;
  bool done = is_done(set, &tenant);
  if (!is_once(&tenant) || (applied && !done) ||
      (told != TENANTDB_OK && told != TENANTDB_MEMORY && told != TENANTDB_CONNECTION &&
       told != TENANTDB_UNKNOWN)) {
    fail_msg("%s: %s %s (%s), it is %s", what, status ? "not begun" : job_outcome_name(result.outcome),
             tenantdb_status_name(told), tenantdb_error_message(status ? failure : result.error),
             done ? "done" : "not done");
  }
  tenantdb_error_free(result.error);
  tenantdb_error_free(failure);
  tenantdb_close(db);
  starve_check_freed(which_name(which), at, forever, before);
  bring_to_end(set, &tenant, what);
  return made_now;
}

static void test_memory(void **state) {
  (void)state;
  for (int which = 0; which < 2; which++) {
    starve_sweep(which_name(which), &which, run_starved, fixture_budget_ms() / 10);
  }
}

/* ---------------------------------------------------------------- killed */

static const job_tenant *killed_at;

static void migrate_until_killed(tenantdb *db, int which) {
  job_result result;
  (void)job_try(db, set_of(which), killed_at, &(job_wish){.lock_timeout_ms = 2000}, &result, NULL);
}

static void test_killed(void **state) {
  (void)state;
  unsigned seed = fixture_seed();
  int64_t until = fixture_now_ms() + fixture_budget_ms() / 4;
  int round = 0, early = 0;
  do {
    int which = round % 2;
    job_tenant tenant = fresh();
    killed_at = &tenant;
    fault_kill_child(url, NULL, migrate_until_killed, which, fixture_random(&seed, which ? 60000 : 12000));
    early += !is_done(set_of(which), &tenant);
    assert_true(is_once(&tenant));
    bring_to_end(set_of(which), &tenant, "killed");
    round++;
  } while (fixture_now_ms() < until);
  print_message("killed %d times, %d of them before the end\n", round, early);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_unknown),
      cmocka_unit_test(test_cut),
      cmocka_unit_test(test_memory),
      cmocka_unit_test(test_killed),
  };
  return cmocka_run_group_tests_name("migrations under faults", tests, setup, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Several runners: on one run, in threads and processes, and on two runs over the same tenants. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run_fixture.h"

#include "fixture_database.h"

enum { FLEET = 40, RUNNERS = 3 };

#define OPTIONS FIXTURE_OPTIONS("operation.lease", "1s")

static int setup(void **state) {
  (void)fixture_setup(state);
  run_fleet(url, FLEET);
  return 0;
}

/* A set whose last step takes a while, so that runners meet. */
static tenantdb_migrations *slow_set(void) {
  tenantdb_migrations *set = run_set(3);
  tenantdb_migration_add(set, "tenant", 4, "slow", "SELECT pg_sleep(0.02)");
  tenantdb_migration_add(
      set, "tenant", 5, "steps",
      "-- tenantdb:tx none\nCREATE INDEX CONCURRENTLY notes_body ON {schema}.notes (body)");
  return set;
}

/* Everything applied exactly once, by whoever it was. */
static void check_all(int64_t runs) {
  assert_int_equal(run_at(url, 5), FLEET);
  assert_int_equal(run_lies(url), 0);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.migrations WHERE state <> 'done'"), 0);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.run_members WHERE state = 'done'"),
                   FLEET * runs);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.runs WHERE state = 'done'"), runs);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_class WHERE relname = 'notes_body'"), FLEET);
}

/* ---------------------------------------------------------------- threads */

typedef struct runner {
  tenantdb *db;
  const char *id; /* NULL: a run of its own */
  tenantdb_status status;
} runner;

static void *work(void *user) {
  runner *own = user;
  tenantdb_run *run = NULL;
  tenantdb_run_options *options = run_options(FIXTURE_OPTIONS("connections", "2"));
  own->status = own->id ? tenantdb_run_open(own->db, own->id, &run, NULL)
                        : tenantdb_migrate_begin(own->db, options, &run, NULL);
  if (!own->status) {
    own->status = tenantdb_run_work(run, 0, NULL, NULL);
  }
  tenantdb_run_options_free(options);
  tenantdb_run_free(run);
  return NULL;
}

static void run_threads(tenantdb *db, const char *id) {
  pthread_t threads[RUNNERS];
  runner runners[RUNNERS];
  for (int i = 0; i < RUNNERS; i++) {
    runners[i] = (runner){db, id, TENANTDB_INTERNAL};
    assert_int_equal(pthread_create(&threads[i], NULL, work, &runners[i]), 0);
  }
  for (int i = 0; i < RUNNERS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(runners[i].status, TENANTDB_OK);
  }
}

static void test_one_run(void **state) {
  (void)state;
  tenantdb *db = run_open(url, slow_set(), OPTIONS);
  tenantdb_run *run = NULL;
  tenantdb_run_options *options = run_options(FIXTURE_OPTIONS("connections", "2", "waves", "5,50%"));
  harness_assert_ok(tenantdb_migrate_begin(db, options, &run, &error), error);
  tenantdb_run_options_free(options);
  run_threads(db, tenantdb_run_id(run));
  check_all(1);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

static void test_many_runs(void **state) {
  (void)state;
  tenantdb *db = run_open(url, slow_set(), OPTIONS);
  tenantdb *others[RUNNERS];
  tenantdb_run *runs[RUNNERS];
  pthread_t threads[RUNNERS];
  runner runners[RUNNERS];
  for (int i = 0; i < RUNNERS; i++) {
    others[i] = run_open(url, slow_set(), OPTIONS);
    harness_assert_ok(tenantdb_migrate_begin(others[i], NULL, &runs[i], &error), error);
  }
  for (int i = 0; i < RUNNERS; i++) {
    runners[i] = (runner){others[i], tenantdb_run_id(runs[i]), TENANTDB_INTERNAL};
    assert_int_equal(pthread_create(&threads[i], NULL, work, &runners[i]), 0);
  }
  for (int i = 0; i < RUNNERS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(runners[i].status, TENANTDB_OK);
    tenantdb_run_free(runs[i]);
    tenantdb_close(others[i]);
  }
  check_all(RUNNERS);
  tenantdb_close(db);
}

/* Another thread with the same handle is told so. */
static int32_t meets(void *user, const tenantdb_result *progress) {
  (void)progress;
  tenantdb_error *failure = NULL;
  harness_assert_fails(tenantdb_run_work(user, 1, NULL, &failure), failure, TENANTDB_BUSY,
                       TENANTDB_REASON_CALL_UNDER_WAY);
  return 0;
}

static void test_same_handle(void **state) {
  (void)state;
  tenantdb *db = run_open(url, slow_set(), OPTIONS);
  tenantdb_run *run = NULL;
  harness_assert_ok(tenantdb_migrate_begin(db, NULL, &run, &error), error);
  tenantdb_run_on_progress(run, meets, run);
  harness_assert_ok(tenantdb_run_work(run, 0, NULL, &error), error);
  check_all(1);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- threads with one handle */

/* Works whenever nobody else does, and asks and steers while somebody does. */
typedef struct sharer {
  tenantdb_run *run;
  int busy;            /* how often somebody else was at work */
  tenantdb_status odd; /* an answer that nobody should get */
} sharer;

static int32_t count_told(void *user, const tenantdb_result *progress) {
  (void)progress;
  ++*(int *)user; /* no atomic one: only one thread works at a time */
  return 0;
}

static tenantdb_status ask_and_steer(tenantdb_run *run) {
  tenantdb_result *rows = NULL;
  tenantdb_status status = tenantdb_run_progress(run, &rows, NULL);
  tenantdb_result_free(rows);
  if (!status) {
    status = tenantdb_run_members(run, "done, running", NULL, 0, &rows, NULL);
    tenantdb_result_free(rows);
  }
  if (!status && *tenantdb_run_id(run)) {
    status = tenantdb_run_pause(run, NULL);
  }
  if (!status) {
    status = tenantdb_run_resume(run, NULL);
  }
  return status == TENANTDB_STATE ? TENANTDB_OK : status; /* by then it may be over */
}

static void *share(void *user) {
  sharer *own = user;
  for (int32_t more = 1; more && !own->odd;) {
    tenantdb_error *failure = NULL;
    tenantdb_status status = tenantdb_run_work(own->run, 20, &more, &failure);
    int32_t reason = failure ? tenantdb_error_reason(failure) : 0;
    if (status == TENANTDB_BUSY && reason == TENANTDB_REASON_CALL_UNDER_WAY) {
      own->busy++;
      own->odd = ask_and_steer(own->run);
      more = 1;
    } else if (status == TENANTDB_STATE && reason == TENANTDB_REASON_RUN_STATE) {
      more = 1; /* paused by another */
    } else {
      own->odd = status;
    }
    tenantdb_error_free(failure);
  }
  return NULL;
}

static void test_threads_with_one_handle(void **state) {
  (void)state;
  tenantdb *db = run_open(url, slow_set(), OPTIONS);
  tenantdb_run *run = NULL;
  pthread_t threads[RUNNERS];
  sharer sharers[RUNNERS];
  int told = 0, busy = 0;
  harness_assert_ok(tenantdb_migrate_begin(db, NULL, &run, &error), error);
  tenantdb_run_on_progress(run, count_told, &told);
  for (int i = 0; i < RUNNERS; i++) {
    sharers[i] = (sharer){.run = run};
    assert_int_equal(pthread_create(&threads[i], NULL, share, &sharers[i]), 0);
  }
  for (int i = 0; i < RUNNERS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(sharers[i].odd, TENANTDB_OK);
    busy += sharers[i].busy;
  }
  assert_true(busy > 0);
  assert_true(told > 0);
  check_all(1);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- processes */

static pid_t child_works(const char *id) {
  pid_t child = fork();
  if (child == 0) {
    tenantdb *db = run_open(url, slow_set(), OPTIONS);
    runner own = {db, id, TENANTDB_INTERNAL};
    (void)work(&own);
    tenantdb_close(db);
    _exit(own.status == TENANTDB_OK ? 0 : 1);
  }
  assert_true(child > 0);
  return child;
}

/* Two processes share it, one is killed in the middle; what it had is taken up when its leases are over. */
static void test_processes(void **state) {
  (void)state;
  tenantdb *db = run_open(url, slow_set(), OPTIONS);
  tenantdb_run *run = NULL;
  harness_assert_ok(tenantdb_migrate_begin(db, NULL, &run, &error), error);
  pid_t doomed = child_works(tenantdb_run_id(run));
  pid_t child = child_works(tenantdb_run_id(run));
  int64_t until = fixture_now_ms() + 20000;
  while (run_count(run, "done") < FLEET / 4 && fixture_now_ms() < until) {
    fixture_pause_us(5000);
  }
  assert_int_equal(kill(doomed, SIGKILL), 0);
  int status = 0;
  assert_int_equal(waitpid(doomed, NULL, 0), doomed);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  check_all(1);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- locks of others */

static void *hold(void *user) {
  const char *schema = user;
  harness_sql(url,
              "SET application_name = 'nightly dump'; BEGIN; LOCK TABLE \"%s\".notes IN ACCESS SHARE MODE; "
              "SELECT pg_sleep(2.5); COMMIT",
              schema);
  return NULL;
}

/* A tenant whose table is in use is put off, the others are not held up, and in the end he has failed with the name. */
static void test_blocked(void **state) {
  (void)state;
  tenantdb *db = run_open(url, run_set(3), OPTIONS);
  tenantdb_run *run = NULL;
  pthread_t holder;
  char *schema = harness_value(url, "SELECT schema_name FROM tenantdb.tenants WHERE slug = 't002'");
  assert_int_equal(pthread_create(&holder, NULL, hold, schema), 0);
  fixture_pause_us(300000);
  tenantdb_run_options *options = run_options(FIXTURE_OPTIONS("lock_timeout", "50ms", "lock_retries", "1"));
  tenantdb_status status = tenantdb_migrate(db, options, &run, &error);
  tenantdb_result *rows = NULL;
  if (fixture_now_ms() > 0 && status == TENANTDB_UNAVAILABLE) {
    tenantdb_error_free(error);
    error = NULL;
    harness_assert_ok(tenantdb_run_members(run, "failed", NULL, 0, &rows, &error), error);
    assert_int_equal(tenantdb_result_rows(rows), 1);
    assert_string_equal(tenantdb_result_value(rows, 0, 0), "t002");
    assert_string_equal(tenantdb_result_value(rows, 0, 4), "3");
    assert_string_equal(tenantdb_result_value(rows, 0, 9), "55P03");
    assert_non_null(strstr(tenantdb_result_value(rows, 0, 12), "nightly dump"));
    tenantdb_result_free(rows);
    assert_int_equal(run_at(url, 3), FLEET - 1);
    harness_assert_ok(tenantdb_run_retry_failed(run, &error), error);
  } else {
    harness_check_ok(status, error, "tenantdb_migrate", __FILE__, __LINE__);
    fail_msg("nobody was blocked");
  }
  assert_int_equal(pthread_join(holder, NULL), 0);
  harness_assert_ok(tenantdb_run_work(run, 0, NULL, &error), error);
  assert_int_equal(run_at(url, 3), FLEET);
  assert_int_equal(run_lies(url), 0);
  free(schema);
  tenantdb_run_options_free(options);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

/* A pool of one connection is enough, with everything a run has to ask beside. */
static void test_small_pool(void **state) {
  (void)state;
  tenantdb *db = run_open(url, run_set(3), FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0"));
  tenantdb_run *run = NULL;
  harness_assert_ok(tenantdb_migrate(db, NULL, &run, &error), error);
  assert_int_equal(run_at(url, 3), FLEET);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

/* A program of an older release, which knows no migrations, makes a tenant while a run is under way. */
static void test_release_without(void **state) {
  (void)state;
  tenantdb *db = run_open(url, run_set(3), OPTIONS);
  tenantdb_run *run = NULL;
  harness_assert_ok(tenantdb_migrate_begin(db, NULL, &run, &error), error);
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *base = tenantdb_registry_base(registry, "Notes", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(base, RUN_V1);
  tenantdb *old = fixture_open(url, registry, NULL);
  tenantdb_tenant_free(fixture_tenant(old, "late"));
  tenantdb_close(old);
  harness_assert_fails(tenantdb_run_work(run, 0, NULL, &error), error, TENANTDB_UNAVAILABLE,
                       TENANTDB_REASON_RUN_PARTLY);
  tenantdb_result *rows = NULL;
  harness_assert_ok(tenantdb_run_members(run, "failed", NULL, 0, &rows, &error), error);
  assert_int_equal(tenantdb_result_rows(rows), 1);
  assert_string_equal(tenantdb_result_value(rows, 0, 0), "late");
  assert_non_null(strstr(tenantdb_result_value(rows, 0, 10), "tenantdb_migration_baseline()"));
  tenantdb_result_free(rows);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.migrations WHERE state <> 'done'"), 0);
  /* Said what he is he is migrated like others. */
  tenantdb_ledger_options *options = tenantdb_ledger_options_new();
  tenantdb_ledger_options_set(options, "version", "1");
  tenantdb_ledger_options_set(options, "tenants", "late");
  harness_assert_ok(tenantdb_migration_baseline(db, options, &rows, &error), error);
  tenantdb_result_free(rows);
  harness_assert_ok(tenantdb_run_retry_failed(run, &error), error);
  harness_assert_ok(tenantdb_run_work(run, 0, NULL, &error), error);
  assert_int_equal(run_at(url, 3), FLEET + 1);
  assert_int_equal(run_lies(url), 0);
  tenantdb_ledger_options_free(options);
  tenantdb_run_free(run);
  tenantdb_close(db);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)
      EACH(test_one_run),   EACH(test_many_runs), EACH(test_same_handle), EACH(test_threads_with_one_handle),
      EACH(test_processes), EACH(test_blocked),   EACH(test_small_pool),  EACH(test_release_without),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

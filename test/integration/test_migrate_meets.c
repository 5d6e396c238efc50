/* SPDX-License-Identifier: PostgreSQL */
/* What a migration meets: locks of others, views over tenants, another user, the shared schema. */
#include <pthread.h>

#include "job_group.h"

static int setup(void **state) {
  (void)state;
  return job_setup_with(NULL);
}

static tenantdb_migrations *one_file(const char *sql) {
  tenantdb_migrations *set = job_set();
  job_add(set, 1, sql);
  return set;
}

/* ---------------------------------------------------------------- locks */

typedef struct holder {
  int64_t for_ms;
  const char *sql;
  atomic_int ready;
} holder;

/* Hold something for a while, as a report or a dump does. */
static void *hold(void *user) {
  holder *h = user;
  tndb_conn *conn = NULL;
  if (tndb_pool_lease(db->pool, TNDB_NEVER, &conn, NULL)) {
    return NULL;
  }
  tndb_exchange_begin(conn);
  (void)tndb_exchange_send(conn, "BEGIN", NULL);
  (void)tndb_exchange_send(conn, "SET LOCAL application_name = 'the report'", NULL);
  (void)tndb_exchange_send(conn, h->sql, NULL);
  (void)tndb_exchange_finish(conn, TNDB_NEVER, NULL);
  atomic_store(&h->ready, 1);
  tndb_clock_sleep_ms(h->for_ms);
  (void)tndb_exchange_rollback(conn, TNDB_NEVER, NULL);
  tndb_pool_release(conn);
  return NULL;
}

static job_result run_under(holder *h, const tenantdb_migrations *set, const job_wish *wish) {
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, hold, h), 0);
  while (!atomic_load(&h->ready)) {
    tndb_clock_sleep_ms(1);
  }
  job_result result = job_run(db, set, &a, wish);
  assert_int_equal(pthread_join(thread, NULL), 0);
  return result;
}

/* A lock that is not had is given up, so that nobody queues behind us, and tried for again. */
static void test_lock_had_later(void **state) {
  (void)state;
  char sql[200];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM \"%s\".notes", a.schema);
  tenantdb_migrations *set = one_file("CREATE TABLE one (); ALTER TABLE notes ADD COLUMN more integer");
  holder h = {.for_ms = 700, .sql = sql};
  job_result result = run_under(&h, set, &(job_wish){.lock_timeout_ms = 50, .lock_retries = 30});
  assert_true(result.attempts > 1);
  job_assert(result, TNDB_JOB_APPLIED, 1);
  assert_int_equal(
      harness_count(url,
                    "SELECT attempts FROM tenantdb.migrations WHERE tenant_id = '%s' AND state = "
                    "'done'",
                    a.id),
      result.attempts);
  tenantdb_migrations_free(set);
}

static void test_lock_not_had(void **state) {
  (void)state;
  char sql[200];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM \"%s\".notes", a.schema);
  tenantdb_migrations *set = one_file("CREATE TABLE one ();\nALTER TABLE notes ADD COLUMN more integer");
  holder h = {.for_ms = 1500, .sql = sql};
  job_result result = run_under(&h, set, &(job_wish){.lock_timeout_ms = 50, .lock_retries = 2});
  assert_int_equal(result.outcome, TNDB_JOB_BLOCKED);
  assert_int_equal(result.attempts, 3);
  assert_int_equal(result.line, 2);
  assert_int_equal(tenantdb_error_reason(result.error), TENANTDB_REASON_LOCK_TIMEOUT);
  assert_int_equal(tenantdb_error_retry(result.error), TENANTDB_RETRY_LATER);
  harness_assert_message(result.error, "a lock was not had in 3 tries, held by process ");
  harness_assert_message(result.error, "the report");
  harness_assert_message(result.error, "in a transaction for ");
  harness_assert_message(result.error, "tenant version 1, line 2: ALTER TABLE notes ADD COLUMN more integer");
  tenantdb_error_free(result.error);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.migrations WHERE tenant_id = '%s' AND state = "
                    "'failed' AND sqlstate = '55P03' AND attempts = 3",
                    a.id),
      1);
  tenantdb_migrations_free(set);
}

/* A file's own limit is the one in force: this one waits. */
static void test_lock_timeout_of_file(void **state) {
  (void)state;
  char sql[200];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM \"%s\".notes", a.schema);
  tenantdb_migrations *set =
      one_file("-- tenantdb:lock_timeout 20s\nALTER TABLE notes ADD COLUMN more integer");
  holder h = {.for_ms = 400, .sql = sql};
  job_result result = run_under(&h, set, &(job_wish){.lock_timeout_ms = 20});
  assert_int_equal(result.attempts, 1);
  job_assert(result, TNDB_JOB_APPLIED, 1);
  tenantdb_migrations_free(set);
}

static void test_dry_is_tried_again(void **state) {
  (void)state;
  char sql[200];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM \"%s\".notes", a.schema);
  tenantdb_migrations *set = one_file("CREATE TABLE one ()");
  job_add(set, 2, "ALTER TABLE notes ADD COLUMN more integer");
  holder h = {.for_ms = 500, .sql = sql};
  job_result result = run_under(&h, set, &(job_wish){.lock_timeout_ms = 50, .lock_retries = 30, .dry = true});
  job_assert(result, TNDB_JOB_APPLIED, 2);
  holder again = {.for_ms = 1000, .sql = sql};
  result = run_under(&again, set, &(job_wish){.lock_timeout_ms = 50, .lock_retries = 1, .dry = true});
  assert_int_equal(result.outcome, TNDB_JOB_BLOCKED);
  tenantdb_error_free(result.error);
  tenantdb_migrations_free(set);
}

static void test_statement_timeout(void **state) {
  (void)state;
  tenantdb_migrations *set = one_file("CREATE TABLE one ();\nSELECT pg_sleep(5)");
  job_result result = job_run(db, set, &a, &(job_wish){.statement_timeout_ms = 100});
  assert_string_equal(tenantdb_error_sqlstate(result.error), "57014");
  assert_int_equal(tenantdb_error_retry(result.error),
                   TENANTDB_RETRY_NEVER); /* it would take as long again */
  assert_int_equal(result.line, 2);
  job_assert_fails(result, TENANTDB_CANCELLED, TENANTDB_REASON_STATEMENT_CANCELLED, "line 2");
  tenantdb_migrations_free(set);
}

/* What an administrator stops is not at fault itself. */
static void test_cancelled(void **state) {
  (void)state;
  tenantdb_migrations *set = one_file("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(5)");
  job_result result = job_run(db, set, &a, &(job_wish){.statement_timeout_ms = 4000});
  assert_string_equal(tenantdb_error_sqlstate(result.error), "57014");
  assert_int_equal(tenantdb_error_retry(result.error), TENANTDB_RETRY_LATER);
  job_assert_fails(result, TENANTDB_CANCELLED, TENANTDB_REASON_STATEMENT_CANCELLED, "line 1");
  tenantdb_migrations_free(set);
}

/* Given up while the server is at it: nothing of it stays, and the connection is not handed on. */
static void test_given_up(void **state) {
  (void)state;
  tenantdb_migrations *set = one_file("CREATE TABLE one ()");
  job_add(set, 2, "CREATE TABLE two (); SELECT pg_sleep(30)");
  tenantdb_error *error = NULL;
  tndb_ledger_state before;
  tndb_conn *conn;
  tndb_job job;
  job_freeze(set);
  harness_assert_ok(job_read(db, a.id, &before, &conn, &error), error);
  tndb_job_order order = job_order(db, set, &a, NULL, &before);
  harness_assert_ok(tndb_job_start(&job, &order, conn, &error), error);
  while (job.applied == 0) {
    assert_int_not_equal(tndb_job_advance(&job, true), TNDB_JOB_OVER);
    tndb_clock_sleep_ms(1);
  }
  tndb_clock_sleep_ms(20);
  int64_t began = fixture_now_ms();
  tndb_job_free(&job);
  assert_true(job.conn->dead);
  tndb_pool_release(job.conn);
  tndb_ledger_clear(&before);
  while (harness_count(url,
                       "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(30)%%' AND "
                       "state = 'active'") > 0) {
    tndb_clock_sleep_ms(10);
  }
  assert_true(fixture_now_ms() - began < 10000);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM pg_tables WHERE schemaname = '%s' AND tablename IN "
                                 "('one', 'two')",
                                 a.schema),
                   1);
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- an ended process of the server */

static void *terminate(void *user) {
  (void)user;
  for (int i = 0; i < 500; i++) {
    tndb_clock_sleep_ms(10);
    if (harness_count(
            url,
            "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query "
            "LIKE 'SELECT pg_sleep(0.7)%%' AND datname = current_database()) t") > 0) {
      return NULL;
    }
  }
  return NULL;
}

/* It is begun again on another connection, and done once. */
static void test_terminated(void **state) {
  (void)state;
  tenantdb_migrations *set =
      one_file("CREATE TABLE one (); SELECT pg_sleep(0.7); INSERT INTO notes (body) VALUES ('x')");
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, terminate, NULL), 0);
  job_result result = job_run(db, set, &a, NULL);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_int_equal(result.attempts, 2);
  job_assert(result, TNDB_JOB_APPLIED, 1);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM \"%s\".notes", a.schema), 1);
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- views over tenants */

static void test_view_in_the_way(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_view_create(db, "all \"notes\"", "notes", NULL, &error), error);
  tenantdb_migrations *set = one_file("ALTER TABLE notes DROP COLUMN body");
  job_result result = job_run(db, set, &a, NULL);
  assert_string_equal(tenantdb_error_sqlstate(result.error), "2BP01");
  assert_non_null(strstr(tenantdb_error_hint(result.error), "tenantdb_view_drop()"));
  job_assert_fails(result, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR,
                   "the view over tenants \"all \"notes\"\" needs it: tenant version 1, line 1: ALTER TABLE");
  tenantdb_migrations_free(set);
  set = one_file("ALTER TABLE notes ALTER COLUMN body TYPE varchar(10)");
  result = job_run(db, set, &a, NULL);
  assert_string_equal(tenantdb_error_sqlstate(result.error), "0A000");
  harness_assert_message(result.error, "the view over tenants \"all \"notes\"\" needs it");
  tenantdb_error_free(result.error);
  harness_assert_ok(tenantdb_view_drop(db, "all \"notes\"", &error), error);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  tenantdb_migrations_free(set);
}

/* Chosen by version: he comes into it with his migration. */
static void test_view_follows(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  harness_sql(url, "INSERT INTO \"%s\".notes (body) VALUES ('x')", a.schema);
  tenantdb_view_options *options = tenantdb_view_options_new();
  tenantdb_view_options_set(options, "selector", "version>=1");
  harness_assert_ok(tenantdb_view_create(db, "new", "notes", options, &error), error);
  tenantdb_view_options_free(options);
#define SEEN "SELECT count(*) FROM tenantdb_reports.new WHERE tenant = '%s'"
  assert_int_equal(harness_count(url, SEEN, a.slug), 0);
  tenantdb_migrations *set = one_file("CREATE TABLE one ()");
  job_result result = job_run(db, set, &a, NULL);
  assert_true(result.views);
  job_assert(result, TNDB_JOB_APPLIED, 1);
  tndb_job_follow_views(db);
  assert_int_equal(harness_count(url, SEEN, a.slug), 1);
  harness_assert_ok(tenantdb_view_drop(db, "new", &error), error);
  tenantdb_migrations_free(set);
}

/* Left out for the column that he lacked: not any more. */
static void test_view_takes_in(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  harness_sql(url,
              "INSERT INTO \"%s\".notes (body) VALUES ('x'); ALTER TABLE \"%s\".notes DROP COLUMN at CASCADE",
              a.schema, a.schema);
  harness_assert_ok(tenantdb_view_create(db, "whole", "notes", NULL, &error), error);
#define SEEN_WHOLE "SELECT count(*) FROM tenantdb_reports.whole WHERE tenant = '%s'"
  assert_int_equal(harness_count(url, SEEN_WHOLE, a.slug), 0);
  tenantdb_migrations *set = one_file("ALTER TABLE notes ADD COLUMN at timestamptz NOT NULL DEFAULT now()");
  job_result result = job_run(db, set, &a, NULL);
  assert_true(result.views);
  job_assert(result, TNDB_JOB_APPLIED, 1);
  tndb_job_follow_views(db);
  assert_int_equal(harness_count(url, SEEN_WHOLE, a.slug), 1);
  harness_assert_ok(tenantdb_view_drop(db, "whole", &error), error);
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- another user */

/* What he makes is the tenant's to use, though the schema was made by somebody else. */
static void test_other_user(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  const char *role = harness_role("LOGIN SUPERUSER");
  char *as = harness_url_with(url, NULL, role, NULL);
  tenantdb *other = fixture_open(as, NULL, NULL);
  tenantdb_migrations *set = one_file(
      "CREATE TABLE one (id serial PRIMARY KEY); CREATE FUNCTION f() RETURNS integer "
      "LANGUAGE sql AS 'SELECT 1'");
  job_result result = job_run(other, set, &a, NULL);
  assert_int_equal(result.attempts, 1);
  job_assert(result, TNDB_JOB_APPLIED, 1);
  tenantdb_session *session = NULL;
  harness_assert_ok(tenantdb_session_open(other, a.slug, NULL, &session, &error), error);
  fixture_run(session, "INSERT INTO one DEFAULT VALUES");
  assert_string_equal(fixture_cell(session, "SELECT f() + count(*) FROM one"), "2");
  tenantdb_session_close(session);
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM tenantdb.migrations WHERE tenant_id = '%s' AND actor = '%s'",
                    a.id, role),
      1);
  tenantdb_migrations_free(set);
  tenantdb_close(other);
  free(as);
}

/* ---------------------------------------------------------------- standby schemas, the shared schema */

static void test_standby(void **state) {
  (void)state;
  job_tenant spare = {
      .id = "8a0b3f0e-0000-4000-8000-000000000001", .slug = "spare", .schema = "spare 1", .role = ""};
  harness_sql(url,
              "CREATE SCHEMA \"spare 1\"; INSERT INTO tenantdb.standby_schemas (id, schema_name, version, "
              "registry_hash) VALUES ('%s', 'spare 1', 0, '')",
              spare.id);
  tenantdb_migrations *set = one_file("CREATE TABLE one ()");
  job_assert(job_run(db, set, &spare, &(job_wish){.standby = true}), TNDB_JOB_APPLIED, 1);
  assert_int_equal(harness_count(url, "SELECT version FROM tenantdb.standby_schemas"), 1);
  job_add(set, 2, "CREATE TABLE two ()");
  tenantdb_migrations_free(set);
  harness_sql(url, "DELETE FROM tenantdb.standby_schemas");
  set = one_file("CREATE TABLE one ()");
  job_add(set, 2, "CREATE TABLE two ()");
  job_assert_fails(job_run(db, set, &spare, &(job_wish){.standby = true}), TENANTDB_STATE,
                   TENANTDB_REASON_TENANT_STATE, "spare is gone");
  tenantdb_migrations_free(set);
}

static tenantdb_status migrate_shared(const tenantdb_migrations *set, bool down, int32_t *applied,
                                      int64_t *version, tenantdb_error **error) {
  tndb_shared_order order = {
      .set = set, .goal = down ? 1 : INT64_MAX, .down = down, .lock_timeout_ms = 300, .lock_retries = 3};
  tndb_shared_result result;
  job_freeze(set);
  tenantdb_status status = tndb_migrate_shared(db, &order, &result, error);
  *applied = result.applied;
  *version = result.version;
  tndb_free(result.holders);
  return status;
}

static void test_shared(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  int32_t applied = -1;
  int64_t version = -1;
  char *group = harness_value(url, "SELECT group_role FROM tenantdb.catalog");
  harness_sql(
      url,
      "INSERT INTO tenantdb.migrations (stream, tenant_id, version, kind, title, state) VALUES ('shared', "
      "'" TNDB_LEDGER_SHARED "', 1, 'baseline', 'b', 'done')");
  tenantdb_migrations *set = job_set();
  /* What is declared is dropped and made again: what tenants may do with it is granted again. */
  tenantdb_migration_add(set, "shared", 5, "plans",
                         "DROP TABLE plans; CREATE TABLE plans (id integer PRIMARY KEY, name text)");
  tenantdb_migration_add(set, "shared", 6, "index",
                         "-- tenantdb:tx none\nCREATE INDEX CONCURRENTLY plans_name ON {plans} (name)");
  tenantdb_migration_add_down(
      set, "shared", 5, "DROP TABLE plans; CREATE TABLE plans (id integer PRIMARY KEY, name text NOT NULL)");
  tenantdb_migration_add_down(set, "shared", 6, "DROP INDEX plans_name");
  harness_assert_ok(migrate_shared(set, false, &applied, &version, &error), error);
  assert_int_equal(applied, 2);
  assert_int_equal(version, 6);
  assert_int_equal(harness_count(url, "SELECT has_table_privilege('%s', 'plans', 'SELECT')::integer", group),
                   1);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.migrations WHERE stream = 'shared' AND state = "
                    "'done' AND tenant_id = '" TNDB_LEDGER_SHARED "'"),
      3);
  harness_assert_ok(migrate_shared(set, false, &applied, &version, &error), error);
  assert_int_equal(applied, 0);
  harness_assert_ok(migrate_shared(set, true, &applied, &version, &error), error);
  assert_int_equal(applied, 2);
  assert_int_equal(version, 1);
  assert_int_equal(harness_count(url, "SELECT has_table_privilege('%s', 'plans', 'SELECT')::integer", group),
                   1);
  tenantdb_migrations_free(set);
  set = job_set();
  tenantdb_migration_add(set, "shared", 5, "wrong", "CREATE TABLE plans ()");
  harness_assert_fails(migrate_shared(set, false, &applied, &version, &error), error, TENANTDB_ALREADY_EXISTS,
                       TENANTDB_REASON_SERVER_ERROR);
  tenantdb_migrations_free(set);
  harness_sql(url, "DELETE FROM tenantdb.migrations WHERE stream = 'shared'");
  free(group);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_lock_had_later, job_fresh),
      cmocka_unit_test_setup(test_lock_not_had, job_fresh),
      cmocka_unit_test_setup(test_lock_timeout_of_file, job_fresh),
      cmocka_unit_test_setup(test_dry_is_tried_again, job_fresh),
      cmocka_unit_test_setup(test_statement_timeout, job_fresh),
      cmocka_unit_test_setup(test_cancelled, job_fresh),
      cmocka_unit_test_setup(test_given_up, job_fresh),
      cmocka_unit_test_setup(test_terminated, job_fresh),
      cmocka_unit_test_setup(test_view_in_the_way, job_fresh),
      cmocka_unit_test_setup(test_view_follows, job_fresh),
      cmocka_unit_test_setup(test_view_takes_in, job_fresh),
      cmocka_unit_test_setup(test_other_user, job_fresh),
      cmocka_unit_test_setup(test_standby, job_fresh),
      cmocka_unit_test_setup(test_shared, job_fresh),
  };
  return cmocka_run_group_tests_name("what a migration meets", tests, setup, job_teardown);
}

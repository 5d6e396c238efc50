/* SPDX-License-Identifier: PostgreSQL */
/* One target's transactional migrations: what is applied, in which order, what is refused, and what is kept. */
#include <pthread.h>

#include "job_group.h"

static int setup(void **state) {
  (void)state;
  return job_setup_with(NULL);
}

static int64_t version_of(const job_tenant *tenant) {
  return harness_count(url, "SELECT version FROM tenantdb.tenants WHERE id = '%s'", tenant->id);
}

/* The ledger as "version name state kind steps_done/steps" separated by ";". Lasts until the next call. */
static const char *ledger(const job_tenant *tenant) {
  static char text[2000];
  job_copy(
      text, sizeof text,
      harness_value(url,
                    "SELECT string_agg(version || name || ' ' || state || ' ' || steps_done || '/' || steps, "
                    "';' ORDER BY version, name) FROM tenantdb.migrations WHERE tenant_id = '%s'",
                    tenant->id));
  return text;
}

static bool has_table(const job_tenant *tenant, const char *name) {
  return harness_count(url, "SELECT count(*) FROM pg_tables WHERE schemaname = '%s' AND tablename = '%s'",
                       tenant->schema, name) == 1;
}

/* Two files with tables, and what they make is the tenant's. */
static tenantdb_migrations *two_files(void) {
  tenantdb_migrations *set = job_set();
  job_add(set, 1,
          "CREATE TABLE one (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n integer);\n"
          "CREATE INDEX one_n ON one (n);");
  job_add(set, 2,
          "ALTER TABLE one ADD COLUMN note text NOT NULL DEFAULT 'x';\nINSERT INTO one (n) VALUES (1)");
  return set;
}

/* ---------------------------------------------------------------- applying */

static void test_applies(void **state) {
  (void)state;
  tenantdb_migrations *set = two_files();
  job_result result = job_run(db, set, &a, NULL);
  assert_int_equal(result.version, 2);
  assert_false(result.tainted);
  assert_false(result.views);
  job_assert(result, TNDB_JOB_APPLIED, 2);
  assert_int_equal(version_of(&a), 2);
  assert_string_equal(ledger(&a), "1 done 2/2;2 done 2/2");
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.migrations WHERE tenant_id = '%s' AND stream = "
                    "'tenant' AND kind = 'versioned' AND title = 'a step' AND length(sum) = 64 AND "
                    "attempts = 1 AND duration_ms >= 0 AND finished_at >= started_at AND actor = "
                    "session_user AND lease_until IS NULL AND run_id IS NULL",
                    a.id),
      2);
  /* It is the tenant's to use, as what provisioning makes. */
  tenantdb_session *session = fixture_session(db, a.slug);
  fixture_run(session, "INSERT INTO one (n) VALUES (2)");
  assert_string_equal(fixture_cell(session, "SELECT string_agg(note, ',') FROM one"), "x,x");
  tenantdb_session_close(session);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_NOTHING, 0);
  tenantdb_migrations_free(set);
}

static void test_order(void **state) {
  (void)state;
  tenantdb_migrations *set = job_set();
  job_add(set, 20, "CREATE TABLE b ()");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  tenantdb_migrations_free(set);
  set = job_set();
  job_add(set, 10, "CREATE TABLE a ()");
  job_add(set, 20, "CREATE TABLE b ()");
  job_add(set, 30, "CREATE TABLE c ()");
  job_assert_fails(job_run(db, set, &a, NULL), TENANTDB_MIGRATION, TENANTDB_REASON_OUT_OF_ORDER,
                   "is at version 20 and was never given tenant version 10");
  assert_int_equal(version_of(&a), 20);
  job_assert(job_run(db, set, &a, &(job_wish){.skip_older = true}), TNDB_JOB_APPLIED, 1);
  assert_string_equal(ledger(&a), "20 done 1/1;30 done 1/1");
  job_result result = job_run(db, set, &a, &(job_wish){.any_order = true});
  assert_int_equal(result.version, 30);
  job_assert(result, TNDB_JOB_APPLIED, 1);
  assert_int_equal(version_of(&a), 30);
  assert_string_equal(ledger(&a), "10 done 1/1;20 done 1/1;30 done 1/1");
  tenantdb_migrations_free(set);
}

static void test_goal(void **state) {
  (void)state;
  tenantdb_migrations *set = two_files();
  tenantdb_migration_add_repeatable(set, "tenant", "views", "CREATE OR REPLACE VIEW v AS SELECT 1 AS x");
  job_assert(job_run(db, set, &a, &(job_wish){.goal = 1}), TNDB_JOB_APPLIED, 1);
  assert_string_equal(ledger(&a), "1 done 2/2");
  job_assert(job_run(db, set, &a, &(job_wish){.goal = 2}), TNDB_JOB_APPLIED, 1);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_string_equal(ledger(&a), "0views done 1/1;1 done 2/2;2 done 2/2");
  tenantdb_migrations_free(set);
}

/* Behind all versioned ones, again when its text is another, and never because of its age. */
static void test_repeatable(void **state) {
  (void)state;
  tenantdb_migrations *set = two_files();
  tenantdb_migration_add_repeatable(set, "tenant", "views",
                                    "CREATE OR REPLACE VIEW v AS SELECT note FROM one");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 3);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_NOTHING, 0);
  tenantdb_migrations_free(set);
  set = two_files();
  tenantdb_migration_add_repeatable(set, "tenant", "views",
                                    "CREATE OR REPLACE VIEW v AS SELECT note, 1 AS more FROM one");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_int_equal(version_of(&a), 2);
  assert_string_equal(ledger(&a), "0views done 1/1;1 done 2/2;2 done 2/2");
  assert_int_equal(
      harness_count(url, "SELECT attempts FROM tenantdb.migrations WHERE tenant_id = '%s' AND name = 'views'",
                    a.id),
      2);
  tenantdb_migrations_free(set);
}

static void test_requires(void **state) {
  (void)state;
  tenantdb_migrations *set = job_set();
  tenantdb_migration_add(set, "shared", 7, "", "SELECT 1");
  job_add(set, 1, "-- tenantdb:requires 7\nCREATE TABLE one ()");
  job_assert_fails(job_run(db, set, &a, &(job_wish){.shared_version = 6}), TENANTDB_MIGRATION,
                   TENANTDB_REASON_REQUIRES_SHARED, "requires version 7 of the shared stream, which is at 6");
  job_assert(job_run(db, set, &a, &(job_wish){.shared_version = 7}), TNDB_JOB_APPLIED, 1);
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- history */

static void test_edited(void **state) {
  (void)state;
  tenantdb_migrations *set = two_files();
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 2);
  tenantdb_migrations_free(set);
  set = job_set();
  job_add(set, 1, "CREATE TABLE one (id bigint)");
  job_add(set, 2, "SELECT 1");
  job_add(set, 3, "CREATE TABLE three ()");
  job_assert_fails(job_run(db, set, &a, NULL), TENANTDB_MIGRATION, TENANTDB_REASON_HISTORY_EDITED,
                   "tenant version 1 was applied with the sum ");
  assert_false(has_table(&a, "three"));
  tenantdb_migrations_free(set);
  set = job_set();
  job_add(set, 3, "CREATE TABLE three ()");
  job_assert_fails(job_run(db, set, &a, NULL), TENANTDB_MIGRATION, TENANTDB_REASON_HISTORY_MISSING,
                   "version 1 of stream tenant was applied and is not in the set");
  tenantdb_migrations_free(set);
}

/* What a checkpoint stands for may be gone from the set, but not for who has not come so far. */
static void test_checkpoint(void **state) {
  (void)state;
  tenantdb_migrations *set = two_files();
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 2);
  tenantdb_migrations_free(set);
  set = job_set();
  tenantdb_migration_add_checkpoint(set, 2, "all", "CREATE TABLE one (id bigint)");
  job_add(set, 3, "CREATE TABLE three ()");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_string_equal(ledger(&a), "1 done 2/2;2 done 2/2;3 done 1/1");
  job_fresh(NULL);
  job_assert_fails(job_run(db, set, &a, NULL), TENANTDB_MIGRATION, TENANTDB_REASON_HISTORY_MISSING,
                   "is at version 0, and of what leads to the checkpoint of version 2");
  assert_false(has_table(&a, "three"));
  tenantdb_migrations_free(set);
}

static void test_baseline(void **state) {
  (void)state;
  harness_sql(
      url,
      "INSERT INTO tenantdb.migrations (stream, tenant_id, version, kind, title, state) VALUES ('tenant',"
      " '%s', 1, 'baseline', 'b', 'done'); UPDATE tenantdb.tenants SET version = 1 WHERE id = '%s'",
      a.id, a.id);
  tenantdb_migrations *set = job_set();
  job_add(set, 1, "CREATE TABLE one ()");
  job_add(set, 2, "CREATE TABLE two ()");
  job_assert(job_run(db, set, &a, &(job_wish){.any_order = true}), TNDB_JOB_APPLIED, 1);
  assert_false(has_table(&a, "one"));
  assert_true(has_table(&a, "two"));
  job_assert_fails(job_run(db, set, &a, &(job_wish){.down = true, .goal = 1}), TENANTDB_MIGRATION,
                   TENANTDB_REASON_NO_WAY_BACK, "tenant version 2 says nothing about how to undo it");
  job_assert_fails(job_run(db, set, &a, &(job_wish){.down = true}), TENANTDB_MIGRATION,
                   TENANTDB_REASON_NO_WAY_BACK, "");
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- failing */

static void test_fails(void **state) {
  (void)state;
  tenantdb_migrations *set = two_files();
  job_add(set, 3,
          "CREATE TABLE three ();\n\n-- why\nINSERT INTO one (n, note)\n  VALUES (5, 'hush',\n  missing)");
  job_result result = job_run(db, set, &a, NULL);
  assert_int_equal(result.applied, 2);
  assert_int_equal(result.version, 2);
  assert_int_equal(result.line, 6);
  assert_string_equal(result.file, "tenant version 3");
  assert_string_equal(tenantdb_error_tenant(result.error), a.slug);
  assert_string_equal(tenantdb_error_sqlstate(result.error), "42703");
  assert_int_equal(tenantdb_error_retry(result.error), TENANTDB_RETRY_NEVER);
  assert_null(strstr(tenantdb_error_message(result.error), "hush"));
  job_assert_fails(result, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR,
                   "tenant version 3, line 6: INSERT INTO one (n, note) VALUES (5,...: column");
  assert_false(has_table(&a, "three"));
  assert_int_equal(version_of(&a), 2);
  assert_string_equal(ledger(&a), "1 done 2/2;2 done 2/2;3 failed 0/2");
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.migrations WHERE tenant_id = '%s' AND version = 3 "
                    "AND line = 6 AND sqlstate = '42703' AND error LIKE 'tenant version 3, line 6%%' AND "
                    "attempts = 1",
                    a.id),
      1);
  job_assert_fails(job_run(db, set, &a, NULL), TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "line 6");
  assert_int_equal(
      harness_count(url, "SELECT attempts FROM tenantdb.migrations WHERE tenant_id = '%s' AND version = 3",
                    a.id),
      2);
  tenantdb_migrations_free(set);
  /* A failed one may be edited, and its row does not stand in the way. */
  set = two_files();
  job_add(set, 3, "CREATE TABLE three ()");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_string_equal(ledger(&a), "1 done 2/2;2 done 2/2;3 done 1/1");
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.migrations WHERE tenant_id = '%s' AND version = 3 "
                    "AND line IS NULL AND sqlstate IS NULL AND error IS NULL AND attempts = 3",
                    a.id),
      1);
  tenantdb_migrations_free(set);
}

/* A constraint that is looked at by COMMIT. */
static void test_fails_at_commit(void **state) {
  (void)state;
  tenantdb_migrations *set = job_set();
  job_add(set, 1,
          "CREATE TABLE p (id integer PRIMARY KEY);"
          "CREATE TABLE c (p integer REFERENCES p DEFERRABLE INITIALLY DEFERRED);"
          "INSERT INTO c VALUES (1)");
  job_result result = job_run(db, set, &a, NULL);
  assert_string_equal(tenantdb_error_sqlstate(result.error), "23503");
  job_assert_fails(result, TENANTDB_CONSTRAINT, TENANTDB_REASON_SERVER_CONSTRAINT, "tenant version 1: ");
  assert_false(has_table(&a, "p"));
  assert_string_equal(ledger(&a), "1 failed 0/3");
  tenantdb_migrations_free(set);
}

/* Whatever a function does behind the text that was looked at. */
static void test_leaves_scope(void **state) {
  (void)state;
  static const char *const ways[] = {
      "DO $$ BEGIN PERFORM set_config('search_path', 'public', true); END $$",
      "DO $$ BEGIN PERFORM set_config('search_path', current_setting('search_path') || ', public', true); "
      "END $$",
      "DO $$ BEGIN PERFORM set_config('search_path', current_setting('search_path') || ', public', false); "
      "END $$",
      "DO $$ BEGIN EXECUTE 'SET LOCAL ROLE ' || quote_ident((SELECT rolname FROM pg_roles WHERE rolname LIKE "
      "'tenant%' LIMIT 1)); END $$"};
  static const char *const says[] = {
      "tenant version 2 leaves its scope: it ends with the search path public, and has to end with that of",
      ", public, and has to end with that of schema ", ", public, and has to end with that of schema ",
      "leaves its scope: it ends with the role tenant"};
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    tenantdb_migrations *set = job_set();
    job_add(set, 1, "CREATE TABLE one ()");
    char text[400];
    snprintf(text, sizeof text, "CREATE TABLE two (); %s", ways[i]);
    job_add(set, 2, text);
    job_assert_fails(job_run(db, set, &a, NULL), TENANTDB_MIGRATION, TENANTDB_REASON_LEFT_SCOPE, says[i]);
    assert_false(has_table(&a, "two"));
    assert_string_equal(ledger(&a), "1 done 1/1;2 failed 0/2");
    tenantdb_migrations_free(set);
  }
}

/* New functions are the tenant's, not everybody's. */
static void test_functions(void **state) {
  (void)state;
  tenantdb_migrations *set = job_set();
  job_add(set, 1,
          "CREATE OR REPLACE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE PROCEDURE p() "
          "LANGUAGE sql AS ''");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM pg_proc p WHERE pronamespace = '%s'::regnamespace AND "
                                 "has_function_privilege('%s', p.oid, 'EXECUTE') AND NOT EXISTS (SELECT FROM "
                                 "aclexplode(proacl) WHERE grantee = 0)",
                                 a.schema, a.role),
                   2);
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- dry and down */

static void test_dry(void **state) {
  (void)state;
  tenantdb_migrations *set = two_files();
  job_add(set, 3, "-- tenantdb:tx none\nCREATE INDEX CONCURRENTLY one_note ON one (note)");
  job_add(set, 4, "CREATE TABLE four ()");
  job_result result = job_run(db, set, &a, &(job_wish){.dry = true});
  assert_int_equal(result.passed_over, 1);
  assert_int_equal(result.version, 0);
  job_assert(result, TNDB_JOB_APPLIED, 3);
  assert_string_equal(ledger(&a), "");
  assert_false(has_table(&a, "one"));
  assert_int_equal(version_of(&a), 0);
  tenantdb_migrations_free(set);
  set = two_files();
  job_add(set, 3, "ALTER TABLE one ADD COLUMN note text");
  result = job_run(db, set, &a, &(job_wish){.dry = true});
  assert_int_equal(result.applied, 2);
  job_assert_fails(result, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR,
                   "tenant version 3, line 1: ALTER TABLE");
  assert_string_equal(ledger(&a), "");
  assert_false(has_table(&a, "one"));
  tenantdb_migrations_free(set);
}

static void test_down(void **state) {
  (void)state;
  tenantdb_migrations *set = two_files();
  job_add(set, 3, "CREATE TABLE three ()");
  tenantdb_migration_add_down(set, "tenant", 1, "DROP TABLE one");
  tenantdb_migration_add_down(set, "tenant", 2, "ALTER TABLE one DROP COLUMN note");
  tenantdb_migration_add_down(set, "tenant", 3, "DROP TABLE three");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 3);
  job_result result = job_run(db, set, &a, &(job_wish){.down = true, .goal = 1});
  assert_int_equal(result.version, 1);
  job_assert(result, TNDB_JOB_APPLIED, 2);
  assert_string_equal(ledger(&a), "1 done 2/2");
  assert_int_equal(version_of(&a), 1);
  assert_true(has_table(&a, "one"));
  assert_false(has_table(&a, "three"));
  job_assert(job_run(db, set, &a, &(job_wish){.down = true, .goal = 1}), TNDB_JOB_NOTHING, 0);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 2);
  job_assert(job_run(db, set, &a, &(job_wish){.down = true}), TNDB_JOB_APPLIED, 3);
  assert_int_equal(version_of(&a), 0);
  assert_string_equal(ledger(&a), "");
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- whose it is */

static void test_states(void **state) {
  (void)state;
  static const struct {
    const char *state;
    bool migrated;
  } states[] = {{"active", true},        {"suspended", true}, {"archived", true}, {"pending", false},
                {"provisioning", false}, {"failed", false},   {"deleting", false}};
  for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
    job_fresh(NULL);
    harness_sql(url, "UPDATE tenantdb.tenants SET state = '%s' WHERE id = '%s'", states[i].state, a.id);
    tenantdb_migrations *set = two_files();
    if (states[i].migrated) {
      job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 2);
    } else {
      job_assert_fails(job_run(db, set, &a, NULL), TENANTDB_STATE, TENANTDB_REASON_TENANT_STATE,
                       states[i].state);
      assert_string_equal(ledger(&a), "");
      assert_false(has_table(&a, "one"));
    }
    tenantdb_migrations_free(set);
    harness_sql(url, "UPDATE tenantdb.tenants SET state = 'active' WHERE id = '%s'", a.id);
  }
}

/* He is suspended, or moved, while his migration runs: it is for nothing, and can be tried again. */
static void test_changed_meanwhile(void **state) {
  (void)state;
  char text[400];
  tenantdb_migrations *set = job_set();
  snprintf(text, sizeof text,
           "CREATE TABLE one (); UPDATE tenantdb.tenants SET state = 'deleting' WHERE id = '%s'", a.id);
  job_add(set, 1, text);
  job_result result = job_run(db, set, &a, NULL);
  assert_int_equal(tenantdb_error_retry(result.error), TENANTDB_RETRY_LATER);
  job_assert_fails(result, TENANTDB_CONFLICT, TENANTDB_REASON_TENANT_CHANGED, "while it was migrated");
  assert_false(has_table(&a, "one"));
  job_tenant other = a;
  snprintf(other.schema, sizeof other.schema, "elsewhere");
  job_assert_fails(job_run(db, set, &other, NULL), TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED,
                   "in force is schema ");
  harness_sql(url, "CREATE SCHEMA IF NOT EXISTS elsewhere");
  job_assert_fails(job_run(db, set, &other, NULL), TENANTDB_CONFLICT, TENANTDB_REASON_TENANT_CHANGED,
                   "moved");
  tenantdb_migrations_free(set);
}

/* Somebody else has done it, whom our reading of the ledger does not know of yet. */
static void add_nothing(void *user, tndb_conn *conn) {
  (*(int *)user)++;
  (void)tndb_exchange_send(conn, "SELECT 1", NULL);
}

static void test_done_meanwhile(void **state) {
  (void)state;
  tenantdb_migrations *set = two_files();
  tenantdb_error *error = NULL;
  tndb_ledger_state before = {0};
  tndb_conn *conn = NULL;
  tndb_job job;
  int asked = 0;
  job_freeze(set);
  harness_assert_ok(job_read(db, a.id, &before, &conn, &error), error);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 2);
  tndb_job_order order = job_order(db, set, &a, &(job_wish){.add = add_nothing, .user = &asked}, &before);
  harness_assert_ok(tndb_job_run(&job, &order, conn, &error), error);
  assert_int_equal(job.outcome, TNDB_JOB_NOTHING);
  assert_int_equal(job.version, 2);
  assert_false(job.added);
  assert_int_equal(before.count, 2);
  tndb_pool_release(job.conn);
  job.conn = NULL;
  tndb_job_free(&job);
  tndb_ledger_clear(&before);
  assert_int_equal(asked, 0); /* only with the last file, to which it did not come */
  tenantdb_migrations_free(set);
}

static void test_taken(void **state) {
  (void)state;
  tenantdb_migrations *set = two_files();
  char name[80];
  snprintf(name, sizeof name, "migrate:%s", a.id);
  /* Somebody else holds the lock, in a transaction of his. */
  tndb_conn *conn = NULL;
  tenantdb_error *error = NULL;
  char sql[200];
  snprintf(sql, sizeof sql, "SELECT pg_advisory_xact_lock(" TNDB_LOCK_CLASS ", %d)",
           (int)tndb_lock_key(db, name));
  harness_assert_ok(tndb_pool_lease(db->pool, TNDB_NEVER, &conn, &error), error);
  tndb_exchange_begin(conn);
  (void)tndb_exchange_send(conn, "BEGIN", NULL);
  (void)tndb_exchange_send(conn, sql, NULL);
  harness_assert_ok(tndb_exchange_finish(conn, TNDB_NEVER, &error), error);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_TAKEN, 0);
  assert_string_equal(ledger(&a), "");
  harness_assert_ok(tndb_exchange_rollback(conn, TNDB_NEVER, &error), error);
  tndb_pool_release(conn);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 2);
  tenantdb_migrations_free(set);
}

static void test_add(void **state) {
  (void)state;
  tenantdb_migrations *set = two_files();
  int asked = 0;
  job_result result = job_run(db, set, &a, &(job_wish){.add = add_nothing, .user = &asked});
  assert_true(result.added);
  assert_int_equal(asked, 1);
  job_assert(result, TNDB_JOB_APPLIED, 2);
  result = job_run(db, set, &a, &(job_wish){.add = add_nothing, .user = &asked});
  assert_false(result.added);
  job_assert(result, TNDB_JOB_NOTHING, 0);
  assert_int_equal(asked, 1);
  tenantdb_migrations_free(set);
}

/* Eight at once on one tenant, each with what it read before: everything is done once. */
static const char *race_on(const tenantdb_migrations *set) {
  for (int i = 0; i < 200; i++) {
    tenantdb_error *error = NULL;
    job_result result;
    if (job_try(db, set, &a, NULL, &result, &error)) {
      print_error("%s\n", tenantdb_error_message(error));
      tenantdb_error_free(error);
      return "a job did not begin";
    }
    bool failed = result.outcome == TNDB_JOB_FAILED || result.outcome == TNDB_JOB_BLOCKED;
    tenantdb_error_free(result.error);
    if (failed) {
      return "a job failed";
    }
    if (result.outcome == TNDB_JOB_NOTHING || result.outcome == TNDB_JOB_APPLIED) {
      return NULL;
    }
    fixture_pause_us(2000);
  }
  return "somebody is always at it";
}

typedef struct racer {
  const tenantdb_migrations *set;
  const char *failure;
} racer;

static void *race(void *user) {
  racer *me = user;
  me->failure = race_on(me->set);
  return NULL;
}

static void test_race(void **state) {
  (void)state;
  tenantdb_migrations *set = job_set();
  for (int i = 1; i <= 20; i++) {
    char text[200];
    snprintf(text, sizeof text, "CREATE TABLE IF NOT EXISTS log (n integer); INSERT INTO log VALUES (%d)", i);
    job_add(set, i, text);
  }
  job_freeze(set);
  pthread_t threads[8];
  racer racers[8];
  for (size_t i = 0; i < 8; i++) {
    racers[i] = (racer){.set = set};
    assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
  }
  for (size_t i = 0; i < 8; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
    if (racers[i].failure) {
      fail_msg("%s", racers[i].failure);
    }
  }
  assert_int_equal(harness_count(url, "SELECT count(*) FROM \"%s\".log", a.schema), 20);
  assert_int_equal(harness_count(url, "SELECT count(DISTINCT n) FROM \"%s\".log", a.schema), 20);
  assert_int_equal(version_of(&a), 20);
  tenantdb_migrations_free(set);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_applies, job_fresh),
      cmocka_unit_test_setup(test_order, job_fresh),
      cmocka_unit_test_setup(test_goal, job_fresh),
      cmocka_unit_test_setup(test_repeatable, job_fresh),
      cmocka_unit_test_setup(test_requires, job_fresh),
      cmocka_unit_test_setup(test_edited, job_fresh),
      cmocka_unit_test_setup(test_checkpoint, job_fresh),
      cmocka_unit_test_setup(test_baseline, job_fresh),
      cmocka_unit_test_setup(test_fails, job_fresh),
      cmocka_unit_test_setup(test_fails_at_commit, job_fresh),
      cmocka_unit_test_setup(test_leaves_scope, job_fresh),
      cmocka_unit_test_setup(test_functions, job_fresh),
      cmocka_unit_test_setup(test_dry, job_fresh),
      cmocka_unit_test_setup(test_down, job_fresh),
      cmocka_unit_test_setup(test_states, job_fresh),
      cmocka_unit_test_setup(test_changed_meanwhile, job_fresh),
      cmocka_unit_test_setup(test_done_meanwhile, job_fresh),
      cmocka_unit_test_setup(test_taken, job_fresh),
      cmocka_unit_test_setup(test_add, job_fresh),
      cmocka_unit_test_setup(test_race, job_fresh),
  };
  return cmocka_run_group_tests_name("a migration job", tests, setup, job_teardown);
}

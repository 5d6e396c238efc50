/* SPDX-License-Identifier: PostgreSQL */
/* Migrations that are not transactional: step by step, counted, taken up where they stopped, without invalid indexes. */
#include <pthread.h>

#include "job_group.h"

static int setup(void **state) {
  (void)state;
  return job_setup_with(FIXTURE_OPTIONS("operation.lease", "1s", "operation.lock_timeout", "500ms"));
}

/* A tenant with a table of a hundred rows, two of which have the same n. */
static int fresh(void **state) {
  (void)job_fresh(state);
  harness_sql(url,
              "CREATE TABLE \"%s\".t (id integer PRIMARY KEY, n integer, filled text); INSERT INTO \"%s\".t "
              "SELECT i, greatest(i, 2) FROM generate_series(1, 100) i",
              a.schema, a.schema);
  return 0;
}

static int64_t indexes(const char *condition) {
  return harness_count(url,
                       "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE "
                       "c.relnamespace = '\"%s\"'::regnamespace AND %s",
                       a.schema, condition);
}

static const char *ledger(int64_t version) {
  static char text[400];
  job_copy(text, sizeof text,
           harness_value(url,
                         "SELECT state || ' ' || steps_done || '/' || steps || ' ' || attempts FROM "
                         "tenantdb.migrations WHERE tenant_id = '%s' AND version = %lld",
                         a.id, (long long)version));
  return text;
}

/* "{t}" is not declared: it is a table by hand. {schema} is. */
#define UNIQUE "CREATE UNIQUE INDEX CONCURRENTLY t_n ON t (n)"

static tenantdb_migrations *one_file(const char *sql) {
  tenantdb_migrations *set = job_set();
  char text[2000];
  snprintf(text, sizeof text, "-- tenantdb:tx none\n%s", sql);
  job_add(set, 1, text);
  return set;
}

static void repair(void) {
  harness_sql(url, "UPDATE \"%s\".t SET n = id", a.schema);
}

/* ---------------------------------------------------------------- applying */

static void test_applies(void **state) {
  (void)state;
  repair();
  tenantdb_migrations *set =
      one_file("ALTER TABLE t ADD COLUMN more integer;\n" UNIQUE
               ";\n"
               "INSERT INTO t VALUES (1000, 1000);\nCREATE INDEX CONCURRENTLY t_more ON t (more)");
  job_add(set, 2, "CREATE TABLE u ()");
  job_result result = job_run(db, set, &a, NULL);
  assert_true(result.tainted);
  assert_int_equal(result.version, 2);
  job_assert(result, TNDB_JOB_APPLIED, 2);
  assert_string_equal(ledger(1), "done 4/4 1");
  assert_string_equal(ledger(2), "done 1/1 1");
  assert_int_equal(indexes("NOT indisvalid"), 0);
  assert_int_equal(indexes("c.relname IN ('t_n', 't_more') AND indisvalid"), 2);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.migrations WHERE tenant_id = '%s' AND lease_until "
                    "IS NULL AND progress IS NULL AND finished_at IS NOT NULL AND duration_ms >= 0",
                    a.id),
      2);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_NOTHING, 0);
  tenantdb_migrations_free(set);
}

/* Unique where rows are not: the index stays invalid, is dropped at once, and what was done is done once. */
static void test_invalid(void **state) {
  (void)state;
  tenantdb_migrations *set = one_file("INSERT INTO t VALUES (1000, 1000);\n" UNIQUE
                                      ";\nCREATE INDEX CONCURRENTLY t_f ON t (filled)");
  job_result result = job_run(db, set, &a, NULL);
  assert_int_equal(result.line, 3);
  job_assert_fails(
      result, TENANTDB_CONSTRAINT, TENANTDB_REASON_SERVER_CONSTRAINT,
      "tenant version 1, line 3: CREATE UNIQUE INDEX CONCURRENTLY t_n ON t (n): could not create");
  assert_string_equal(ledger(1), "failed 1/3 1");
  assert_int_equal(indexes("NOT indisvalid"), 0);
  assert_int_equal(indexes("c.relname = 't_f'"), 0);
  assert_int_equal(harness_count(url, "SELECT version FROM tenantdb.tenants WHERE id = '%s'", a.id), 0);
  repair();
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_string_equal(ledger(1), "done 3/3 2");
  assert_int_equal(indexes("NOT indisvalid"), 0);
  assert_int_equal(indexes("c.relname IN ('t_n', 't_f') AND indisvalid"), 2);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM \"%s\".t WHERE id = 1000", a.schema), 1);
  tenantdb_migrations_free(set);
}

/* One that somebody left, with every right to be taken for the real one by IF NOT EXISTS. */
static void test_left_behind(void **state) {
  (void)state;
  (void)harness_sqlstate(url, "CREATE UNIQUE INDEX CONCURRENTLY t_n ON \"%s\".t (n)", a.schema);
  (void)harness_sqlstate(url, "CREATE UNIQUE INDEX CONCURRENTLY t_n_ccnew ON \"%s\".t (n)", a.schema);
  (void)harness_sqlstate(url, "CREATE UNIQUE INDEX CONCURRENTLY t_n_ccnew1 ON \"%s\".t (n)", a.schema);
  (void)harness_sqlstate(url, "CREATE UNIQUE INDEX CONCURRENTLY other_ccnew ON \"%s\".t (n)", a.schema);
  assert_int_equal(indexes("NOT indisvalid"), 4);
  repair();
  tenantdb_migrations *set = one_file("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_n ON t (n)");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_int_equal(indexes("c.relname = 't_n' AND indisvalid"), 1);
  assert_int_equal(indexes("NOT indisvalid"), 1); /* the other's, of which this file knows nothing */
  tenantdb_migrations_free(set);
  /* Of a name with no room for more, it keeps a part. */
  fresh(NULL);
  (void)harness_sqlstate(url, "CREATE UNIQUE INDEX CONCURRENTLY \"%.57s_ccnew\" ON \"%s\".t (n)",
                         "an_index_with_a_very_long_name_that_takes_all_the_bytes_there_i", a.schema);
  assert_int_equal(indexes("NOT indisvalid"), 1);
  set = one_file(
      "CREATE INDEX CONCURRENTLY an_index_with_a_very_long_name_that_takes_all_the_bytes_there_i ON t (n)");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_int_equal(indexes("NOT indisvalid"), 0);
  tenantdb_migrations_free(set);
}

static void test_reindex(void **state) {
  (void)state;
  repair();
  tenantdb_migrations *set = one_file(UNIQUE ";\nREINDEX INDEX CONCURRENTLY t_n");
  char *before;
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_int_equal(indexes("c.relname = 't_n' AND indisvalid"), 1);
  tenantdb_migrations_free(set);
  /* What an earlier one left goes, and the index itself is made anew. */
  before = harness_value(url, "SELECT '\"%s\".t_n'::regclass::oid", a.schema);
  harness_sql(url, "DROP INDEX \"%s\".t_n", a.schema);
  harness_sql(url, "UPDATE \"%s\".t SET n = 1", a.schema);
  (void)harness_sqlstate(url, "CREATE UNIQUE INDEX CONCURRENTLY t_n_ccnew ON \"%s\".t (n)", a.schema);
  harness_sql(url, "CREATE INDEX t_n ON \"%s\".t (n)", a.schema);
  free(before);
  before = harness_value(url, "SELECT '\"%s\".t_n'::regclass::oid", a.schema);
  set = job_set();
  job_add(set, 1, "-- tenantdb:tx none\n" UNIQUE ";\nREINDEX INDEX CONCURRENTLY t_n");
  job_add(set, 2, "-- tenantdb:tx none\nREINDEX INDEX CONCURRENTLY t_n");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  char *after = harness_value(url, "SELECT '\"%s\".t_n'::regclass::oid", a.schema);
  assert_string_not_equal(before, after);
  assert_int_equal(indexes("NOT indisvalid"), 0);
  free(before);
  free(after);
  tenantdb_migrations_free(set);
}

/* A table's: the index that was left bears any index's name. */
static void test_reindex_table(void **state) {
  (void)state;
  (void)harness_sqlstate(url, "CREATE UNIQUE INDEX CONCURRENTLY other_ccnew ON \"%s\".t (n)", a.schema);
  repair();
  tenantdb_migrations *set = one_file("REINDEX TABLE CONCURRENTLY t");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_int_equal(indexes("c.relname LIKE '%ccnew%'"), 0);
  tenantdb_migrations_free(set);
}

static void test_drop(void **state) {
  (void)state;
  harness_sql(url, "CREATE INDEX t_n ON \"%s\".t (n)", a.schema);
  tenantdb_migrations *set = one_file("DROP INDEX CONCURRENTLY t_n");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_int_equal(indexes("c.relname = 't_n'"), 0);
  tenantdb_migrations_free(set);
  /* One that is not there is a mistake at first. */
  fresh(NULL);
  set = one_file("DROP INDEX CONCURRENTLY t_n");
  job_result result = job_run(db, set, &a, NULL);
  assert_string_equal(tenantdb_error_sqlstate(result.error), "42704");
  job_assert_fails(result, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "line 2: DROP INDEX CONCURRENTLY t_n");
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- going on */

/* A step that is inside a transaction is counted in it: done once, whatever becomes of the rest. */
static void test_edited(void **state) {
  (void)state;
  tenantdb_migrations *set =
      one_file("INSERT INTO t VALUES (1000, 1000);\nINSERT INTO t VALUES (1001, 1001);\n" UNIQUE);
  job_assert_fails(job_run(db, set, &a, NULL), TENANTDB_CONSTRAINT, TENANTDB_REASON_SERVER_CONSTRAINT,
                   "line 4");
  assert_string_equal(ledger(1), "failed 2/3 1");
  tenantdb_migrations_free(set);
  set = one_file("INSERT INTO t VALUES (1001, 1001);\n" UNIQUE);
  job_assert_fails(job_run(db, set, &a, NULL), TENANTDB_MIGRATION, TENANTDB_REASON_HISTORY_EDITED,
                   "tenant version 1: the first 2 statements are done already, and have been edited since");
  assert_string_equal(ledger(1), "failed 2/2 2");
  tenantdb_migrations_free(set);
  /* What failed may be changed, and what comes after it. */
  set = one_file(
      "INSERT INTO t VALUES (1000, 1000);\n\nINSERT INTO t VALUES (1001, 1001);\nCREATE INDEX "
      "CONCURRENTLY t_n ON t (n)");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_string_equal(ledger(1), "done 3/3 3");
  tenantdb_migrations_free(set);
}

/* What was begun without a transaction does not go on in one, but for what has nothing to show yet. */
static void test_became_transactional(void **state) {
  (void)state;
  tenantdb_migrations *set = one_file("INSERT INTO t VALUES (1000, 1000);\n" UNIQUE);
  job_assert_fails(job_run(db, set, &a, NULL), TENANTDB_CONSTRAINT, TENANTDB_REASON_SERVER_CONSTRAINT,
                   "line 3");
  tenantdb_migrations_free(set);
  set = job_set();
  job_add(set, 1, "INSERT INTO t VALUES (1000, 1000); CREATE INDEX t_n ON t (n)");
  job_assert_fails(job_run(db, set, &a, NULL), TENANTDB_MIGRATION, TENANTDB_REASON_HISTORY_EDITED,
                   "1 of its statements were done when it was not transactional");
  harness_sql(
      url,
      "UPDATE tenantdb.migrations SET state = 'running', steps_done = 0, lease_until = now() + interval '1 "
      "min' WHERE tenant_id = '%s'; DELETE FROM \"%s\".t WHERE id = 1000",
      a.id, a.schema);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_TAKEN, 0);
  harness_sql(url,
              "UPDATE tenantdb.migrations SET lease_until = now() - interval '1 s' WHERE tenant_id = '%s'",
              a.id);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_string_equal(ledger(1), "done 2/2 2");
  tenantdb_migrations_free(set);
}

/* Somebody's lease is his until it has run out, and until the server is done with what he asked for. */
static void test_lease(void **state) {
  (void)state;
  repair();
  tenantdb_migrations *set = one_file("INSERT INTO t VALUES (1000, 1000);\n" UNIQUE);
  job_freeze(set);
  harness_sql(
      url,
      "INSERT INTO tenantdb.migrations (stream, tenant_id, version, kind, title, state, steps, owner, "
      "lease_until) VALUES ('tenant', '%s', 1, 'versioned', '', 'running', 2, gen_random_uuid(), "
      "now() + interval '1 min')",
      a.id);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_TAKEN, 0);
  assert_string_equal(ledger(1), "running 0/2 1");
  harness_sql(url,
              "UPDATE tenantdb.migrations SET lease_until = now() - interval '1 s' WHERE tenant_id = '%s'",
              a.id);
  /* His process holds what an index that is being built holds. */
  tndb_conn *conn = NULL;
  tenantdb_error *error = NULL;
  char sql[200];
  snprintf(sql, sizeof sql, "LOCK TABLE \"%s\".t IN SHARE UPDATE EXCLUSIVE MODE", a.schema);
  harness_assert_ok(tndb_pool_lease(db->pool, TNDB_NEVER, &conn, &error), error);
  tndb_exchange_begin(conn);
  (void)tndb_exchange_send(conn, "BEGIN", NULL);
  (void)tndb_exchange_send(conn, sql, NULL);
  harness_assert_ok(tndb_exchange_finish(conn, TNDB_NEVER, &error), error);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_TAKEN, 0);
  harness_assert_ok(tndb_exchange_rollback(conn, TNDB_NEVER, &error), error);
  tndb_pool_release(conn);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_string_equal(ledger(1), "done 2/2 2");
  tenantdb_migrations_free(set);
}

/* Whose lease was taken over meanwhile does not go on: his step is rolled back. */
static void test_fence(void **state) {
  (void)state;
  char text[600];
  snprintf(
      text, sizeof text,
      "INSERT INTO t VALUES (1000, 1000);\nINSERT INTO t VALUES (1001, 1001); UPDATE tenantdb.migrations SET "
      "fence = fence + 1 WHERE tenant_id = '%s'; INSERT INTO t VALUES (1002, 1002)",
      a.id);
  tenantdb_migrations *set = one_file(text);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_TAKEN, 0);
  assert_string_equal(ledger(1), "running 2/4 1");
  assert_int_equal(harness_count(url, "SELECT count(*) FROM \"%s\".t WHERE id > 999", a.schema), 2);
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- batches */

/* A step as a change would make it: fills by key, thirty at a time. */
static tenantdb_migrations *repeated(const char *value) {
  tenantdb_migrations *set = one_file("ALTER TABLE t ADD COLUMN extra text;\nSELECT 1");
  char sql[400];
  job_freeze(set);
  snprintf(
      sql, sizeof sql,
      "WITH few AS (SELECT id FROM {schema}.t WHERE id > coalesce($1::integer, 0) ORDER BY id LIMIT 30), "
      "filled AS (UPDATE {schema}.t SET filled = %s FROM few WHERE t.id = few.id RETURNING t.id) "
      "SELECT max(id)::text, count(*) FROM filled",
      value);
  tndb_migration_step *step = &set->items[0]->steps.items[1];
  tndb_free(step->sql);
  step->way = TNDB_WAY_REPEAT;
  step->sql = tndb_strdup(sql);
  return set;
}

static void test_repeats(void **state) {
  (void)state;
  tenantdb_migrations *set = repeated("coalesce(filled, '') || 'x'");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM \"%s\".t WHERE filled = 'x'", a.schema), 100);
  assert_string_equal(ledger(1), "done 2/2 1");
  tenantdb_migrations_free(set);
}

static void test_repeat_goes_on(void **state) {
  (void)state;
  tenantdb_migrations *set = repeated("CASE WHEN t.id = 75 THEN (1 / (t.id - 75))::text ELSE 'x' END");
  job_result result = job_run(db, set, &a, NULL);
  assert_string_equal(tenantdb_error_sqlstate(result.error), "22012");
  assert_int_equal(result.line, 3);
  job_assert_fails(result, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "tenant version 1, line 3: ");
  assert_string_equal(ledger(1), "failed 1/2 1");
  /* Two batches are in, and the ledger knows of one: the next begins with it. */
  assert_int_equal(harness_count(url, "SELECT count(*) FROM \"%s\".t WHERE filled = 'x'", a.schema), 60);
  assert_int_equal(
      harness_count(url, "SELECT progress::integer FROM tenantdb.migrations WHERE tenant_id = '%s'", a.id),
      30);
  harness_sql(url, "UPDATE \"%s\".t SET id = -1 WHERE id = 75; UPDATE \"%s\".t SET filled = NULL", a.schema,
              a.schema);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_int_equal(harness_count(url, "SELECT min(id) FROM \"%s\".t WHERE filled = 'x'", a.schema), 31);
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- locks */

static tndb_conn *hold(const char *before, const char *after) {
  tndb_conn *conn = NULL;
  tenantdb_error *error = NULL;
  char sql[300];
  snprintf(sql, sizeof sql, "%s \"%s\".t %s", before, a.schema, after);
  harness_assert_ok(tndb_pool_lease(db->pool, TNDB_NEVER, &conn, &error), error);
  tndb_exchange_begin(conn);
  (void)tndb_exchange_send(conn, "BEGIN", NULL);
  (void)tndb_exchange_send(conn, "SET LOCAL application_name = 'the dump'", NULL);
  (void)tndb_exchange_send(conn, sql, NULL);
  harness_assert_ok(tndb_exchange_finish(conn, TNDB_NEVER, &error), error);
  harness_assert_ok(tndb_exchange_check(conn, &error), error);
  return conn;
}

static void let_go(tndb_conn *conn) {
  tenantdb_error *error = NULL;
  harness_assert_ok(tndb_exchange_rollback(conn, TNDB_NEVER, &error), error);
  tndb_pool_release(conn);
}

/* An index waits for those who read, as long in one go as others do in all their tries. */
static void test_index_waits(void **state) {
  (void)state;
  repair();
  tenantdb_migrations *set = one_file(UNIQUE);
  tndb_conn *conn = hold("INSERT INTO", "VALUES (5000, 5000)");
  int64_t began = fixture_now_ms();
  job_result result = job_run(db, set, &a, &(job_wish){.lock_timeout_ms = 100, .lock_retries = 4});
  int64_t took = fixture_now_ms() - began;
  assert_true(took >= 450 && took < 5000);
  assert_int_equal(result.outcome, TNDB_JOB_BLOCKED);
  harness_assert_message(result.error, "held by process ");
  harness_assert_message(result.error, "the dump");
  assert_string_equal(tenantdb_error_sqlstate(result.error), "55P03");
  tenantdb_error_free(result.error);
  assert_string_equal(ledger(1), "failed 0/1 1");
  /* Who is waited for is waited for by dropping what is left, too: that is for the next time. */
  let_go(conn);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_int_equal(indexes("NOT indisvalid"), 0);
  assert_int_equal(indexes("c.relname = 't_n' AND indisvalid"), 1);
  tenantdb_migrations_free(set);
}

static void test_step_blocked(void **state) {
  (void)state;
  tenantdb_migrations *set = one_file("ALTER TABLE t ADD COLUMN more integer");
  tndb_conn *conn = hold("SELECT * FROM", "");
  job_result result = job_run(db, set, &a, &(job_wish){.lock_timeout_ms = 50, .lock_retries = 2});
  assert_int_equal(result.outcome, TNDB_JOB_BLOCKED);
  assert_int_equal(result.line, 2);
  harness_assert_message(result.error, "a lock was not had in 3 tries, held by process ");
  harness_assert_message(result.error, "the dump");
  tenantdb_error_free(result.error);
  let_go(conn);
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- back */

static void test_down(void **state) {
  (void)state;
  repair();
  tenantdb_migrations *set = one_file("ALTER TABLE t ADD COLUMN more integer;\n" UNIQUE);
  tenantdb_migration_add_down(
      set, "tenant", 1,
      "-- tenantdb:tx none\nDROP INDEX CONCURRENTLY t_n;\nALTER TABLE t DROP COLUMN more;\n"
      "ALTER TABLE t DROP COLUMN extra");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  job_assert_fails(job_run(db, set, &a, &(job_wish){.down = true}), TENANTDB_SQL,
                   TENANTDB_REASON_SERVER_ERROR, "line 4: ALTER TABLE t DROP COLUMN extra");
  assert_string_equal(ledger(1), "failed 2/-3 2");
  assert_int_equal(indexes("c.relname = 't_n'"), 0);
  job_assert_fails(job_run(db, set, &a, NULL), TENANTDB_MIGRATION, TENANTDB_REASON_NO_WAY_BACK,
                   "is half taken back");
  harness_sql(url, "ALTER TABLE \"%s\".t ADD COLUMN extra integer", a.schema);
  job_assert(job_run(db, set, &a, &(job_wish){.down = true}), TNDB_JOB_APPLIED, 1);
  assert_string_equal(ledger(1), "");
  assert_int_equal(harness_count(url, "SELECT version FROM tenantdb.tenants WHERE id = '%s'", a.id), 0);
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- markers */

static void test_markers(void **state) {
  (void)state;
  tenantdb_migrations *set = one_file(
      "CREATE INDEX CONCURRENTLY notes_body ON {notes} (body);\n"
      "ALTER TABLE {schema}.t ADD COLUMN more text DEFAULT '{}'");
  job_assert(job_run(db, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  assert_int_equal(indexes("c.relname = 'notes_body' AND indisvalid"), 1);
  tenantdb_migrations_free(set);
  /* What the registry does not declare is the tenant's own, as t is; it is there or it is not. */
  fresh(NULL);
  set =
      one_file("ALTER TABLE {t} ADD COLUMN more text;\nCREATE INDEX CONCURRENTLY nots_body ON {nots} (body)");
  job_result result = job_run(db, set, &a, NULL);
  assert_int_equal(result.line, 3);
  assert_string_equal(tenantdb_error_sqlstate(result.error), "42P01");
  job_assert_fails(result, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "tenant version 1, line 3");
  assert_string_equal(ledger(1), "failed 1/2 1");
  tenantdb_migrations_free(set);
  fresh(NULL);
  set = one_file("SELECT 1;\nCREATE INDEX CONCURRENTLY nots_body ON {No.nots} (body)");
  job_assert_fails(job_run(db, set, &a, NULL), TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_BASE,
                   "tenant version 1, line 3");
  tenantdb_migrations_free(set);
}

/* Behind a pooler no search path lasts: markers, or a refusal before anything is done. */
static void test_pooler(void **state) {
  (void)state;
  harness_pooler *pooler = harness_pooler_start("transaction", 3);
  char *pooled = harness_pooler_url(pooler, url);
  tenantdb *by_pooler = fixture_open(pooled, NULL, FIXTURE_OPTIONS("database.pooler", "transaction"));
  tenantdb_migrations *set =
      one_file("ALTER TABLE t ADD COLUMN more integer;\nCREATE INDEX CONCURRENTLY t_m ON t (more)");
  job_assert_fails(job_run(by_pooler, set, &a, NULL), TENANTDB_UNSUPPORTED, TENANTDB_REASON_POOLER_BETWEEN,
                   "tenant version 1, line 3");
  assert_string_equal(ledger(1), "failed 0/2 1");
  tenantdb_migrations_free(set);
  set =
      one_file("ALTER TABLE t ADD COLUMN more integer;\nCREATE INDEX CONCURRENTLY t_m ON {schema}.t (more)");
  job_result result = job_run(by_pooler, set, &a, NULL);
  assert_false(result.tainted);
  job_assert(result, TNDB_JOB_APPLIED, 1);
  assert_int_equal(indexes("c.relname = 't_m' AND indisvalid"), 1);
  tenantdb_migrations_free(set);
  set = job_set();
  job_add(set, 1,
          "-- tenantdb:tx none\nALTER TABLE t ADD COLUMN more integer;\nCREATE INDEX CONCURRENTLY t_m ON "
          "{schema}.t (more)");
  job_add(set, 2, "CREATE TABLE u ()");
  job_assert(job_run(by_pooler, set, &a, NULL), TNDB_JOB_APPLIED, 1);
  tenantdb_migrations_free(set);
  tenantdb_close(by_pooler);
  free(pooled);
  harness_pooler_stop(pooler);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_applies, fresh),
      cmocka_unit_test_setup(test_invalid, fresh),
      cmocka_unit_test_setup(test_left_behind, fresh),
      cmocka_unit_test_setup(test_reindex, fresh),
      cmocka_unit_test_setup(test_reindex_table, fresh),
      cmocka_unit_test_setup(test_drop, fresh),
      cmocka_unit_test_setup(test_edited, fresh),
      cmocka_unit_test_setup(test_lease, fresh),
      cmocka_unit_test_setup(test_became_transactional, fresh),
      cmocka_unit_test_setup(test_fence, fresh),
      cmocka_unit_test_setup(test_repeats, fresh),
      cmocka_unit_test_setup(test_repeat_goes_on, fresh),
      cmocka_unit_test_setup(test_index_waits, fresh),
      cmocka_unit_test_setup(test_step_blocked, fresh),
      cmocka_unit_test_setup(test_down, fresh),
      cmocka_unit_test_setup(test_markers, fresh),
      cmocka_unit_test_setup(test_pooler, fresh),
  };
  return cmocka_run_group_tests_name("migrations without a transaction", tests, setup, job_teardown);
}

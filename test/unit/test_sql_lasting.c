/* SPDX-License-Identifier: PostgreSQL */
/* What outlives its transaction, and what only looks like it. */
#include <string.h>

#include "sql/lasting.h"
#include "unit.h"

/* Lines of what the message must name and the statement. */
static const char *const lasting[][2] = {
    {"LISTEN", "LISTEN jobs"},
    {"LISTEN", "-- x\n listen \"jobs\""},
    {"UNLISTEN", "unlisten *"},
    {"PREPARE", "PREPARE p AS SELECT 1"},
    {"EXECUTE", "/* x */ Execute p(1)"},
    {"DEALLOCATE", "DEALLOCATE ALL"},
    {"EXECUTE", "EXPLAIN ANALYZE EXECUTE p"},
    {"WITH HOLD", "DECLARE c CURSOR WITH HOLD FOR SELECT 1"},
    {"WITH HOLD", "declare c no scroll cursor with /* x */ hold for select 'without hold'"},
    {"SET", "SET work_mem = '4MB'"},
    {"SET", ";SET SESSION work_mem TO 4"},
    {"SET", "set session characteristics as transaction read only"},
    {"SET", "SET TIME ZONE 'UTC'"},
    {"SET", "SET \"local\" = 1"},
    {"RESET", "RESET ALL"},
    {"DISCARD", "DISCARD TEMP"},
    {"LOAD", "LOAD 'auto_explain'"},
    {"temporary table", "CREATE TEMP TABLE t (a int)"},
    {"temporary table", "create temporary table if not exists t (a text default 'on commit drop')"},
    {"temporary table", "CREATE LOCAL TEMP TABLE t (a int) ON COMMIT DELETE ROWS"},
    {"temporary table", "CREATE TEMP TABLE t AS SELECT 'x' AS a -- ON COMMIT DROP"},
    {"temporary table", "CREATE TABLE pg_temp.t (a int)"},
    {"temporary table", "CREATE UNLOGGED TABLE \"pg_temp\" . t (a int)"},
    {"temporary table", "SELECT 1 AS a INTO TEMP t"},
    {"temporary table", "WITH x AS (SELECT 1 AS a) SELECT a INTO TEMPORARY TABLE t FROM x"},
    {"temporary table", "select 1 into temp \"from\""},
    {"temporary table", "EXPLAIN (ANALYZE, COSTS off) CREATE TEMP TABLE t AS SELECT 1"},
    {"temporary view", "CREATE OR REPLACE TEMP VIEW v AS SELECT 1"},
    {"temporary view", "CREATE TEMPORARY SEQUENCE s"},
    {"temporary view", "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"},
    {"advisory lock", "SELECT pg_advisory_lock(1)"},
    {"advisory lock", "select pg_catalog.PG_Try_Advisory_Lock (1, 2)"},
    {"advisory lock", "SELECT 'it''s', \"pg_advisory_lock_shared\"(1)"},
    {"advisory lock", "WITH l AS MATERIALIZED (SELECT pg_advisory_unlock_all()) SELECT 1 FROM l"},
    {"advisory lock", "INSERT INTO t SELECT pg_try_advisory_lock_shared(1)"},
    {"advisory lock", "(VALUES (pg_advisory_unlock(1)))"},
    {"advisory lock", "COPY (SELECT pg_advisory_unlock_shared(1)) TO STDOUT"},
    {"advisory lock", "CREATE TABLE t AS SELECT pg_advisory_lock(1)"},
    {"advisory lock", "EXPLAIN ANALYZE VERBOSE SELECT pg_advisory_lock(1)"},
    {"advisory lock", "DECLARE c CURSOR FOR SELECT pg_advisory_lock(1)"},
    {"advisory lock", "SELECT pg_advisory_xact_lock(1), pg_advisory_lock(1)"},
    {"set_config", "SELECT set_config('a.b', 'c', false)"},
    {"set_config", "SELECT pg_catalog.set_config($1, (SELECT f(1, 2)), $3)"},
    {"set_config", "SELECT set_config('a.b', 'c', true and x)"},
    {"set_config", "SELECT set_config('a.b', 'c', true), set_config('a.b', 'c', 'f')"},
    {"pg_settings", "UPDATE pg_settings SET setting = 1"},
    {"pg_settings", "WITH u AS (update only pg_catalog.\"pg_settings\" SET setting = 1) SELECT 1"},
};

static const char *const passing[] = {
    "",
    ";",
    "SELECT 1",
    "SELECT 'pg_advisory_lock(1)'",
    "SELECT $$pg_advisory_lock(1)$$, $x$ set_config('a', 'b', false) $x$",
    "SELECT 1 /* pg_advisory_lock(1) */ -- pg_advisory_lock(1)",
    "SELECT E'\\'pg_advisory_lock(1)'",
    "SELECT pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(1, 2)",
    "SELECT pg_advisory_lock FROM locks",
    "SELECT app.pg_advisory_lock(1)",
    "SELECT my_pg_advisory_lock(1)",
    "SELECT set_config('a.b', 'c', true)",
    "SELECT set_config('a.b', f(1, 'false'), TRUE)",
    "SELECT app.set_config('a.b', 'c', false)",
    "SELECT * FROM pg_settings",
    "UPDATE app.pg_settings SET setting = 1",
    "UPDATE t SET note = 'UPDATE pg_settings'",
    "SELECT 'SELECT 1 INTO TEMP t'",
    "INSERT INTO temp VALUES (1)",
    "INSERT INTO temp (a) SELECT 1",
    "INSERT INTO temp SELECT a FROM b",
    "SELECT 1 AS a INTO temp FROM b",
    "MERGE INTO temp t USING b ON t.a = b.a WHEN MATCHED THEN DELETE",
    "SELECT temp, temporary FROM weather",
    "SET LOCAL work_mem = '4MB'",
    "set local time zone 'UTC'",
    "SET TRANSACTION READ ONLY",
    "SET CONSTRAINTS ALL DEFERRED",
    "NOTIFY jobs, 'listen'",
    "SELECT pg_notify('jobs', 'x')",
    "DECLARE c CURSOR FOR SELECT 'with hold'",
    "DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1",
    "CREATE TEMP TABLE t (a int) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE t ON COMMIT /* */ DROP AS SELECT 1 AS a",
    "CREATE TABLE pg_temp.t (a int, b text DEFAULT ')') ON COMMIT DROP",
    "CREATE INDEX i ON pg_temp.t (a)",
    "CREATE TABLE temp (a int)",
    "CREATE TABLE t (temp int)",
    "CREATE TABLE t AS SELECT a FROM pg_temp.u",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_lock(1) $$",
    "CREATE FUNCTION f() RETURNS void BEGIN ATOMIC SELECT pg_advisory_lock(1); END",
    "CREATE VIEW v AS SELECT pg_advisory_lock(1)",
    "GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO x",
    "COMMENT ON FUNCTION set_config(text, text, boolean) IS 'x'",
    "EXPLAIN SELECT pg_advisory_lock(1)",
    "EXPLAIN CREATE TEMP TABLE t AS SELECT 1",
    "EXPLAIN (COSTS off) SELECT pg_advisory_lock(1)",
    "COPY t FROM STDIN",
    "VACUUM t",
    "loading",
    "\"listen\"",
    "SELECT 'unfinished pg_advisory_lock(1)",
    "/* unfinished pg_advisory_lock(1)",
    "SELECT set_config",
    "SELECT set_config(",
    "CREATE",
    "DECLARE",
    "EXPLAIN",
    "EXPLAIN (ANALYZE",
};

static void refused(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof lasting / sizeof lasting[0]; i++) {
    tndb_lasting what = {NULL, NULL, NULL};
    if (!tndb_sql_is_lasting(lasting[i][1], &what) || !strstr(what.statement, lasting[i][0])) {
      fail_msg("taken for %s: %s", what.statement ? what.statement : "nothing", lasting[i][1]);
    }
    assert_true(what.why && what.way_out);
  }
}

static void allowed(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
    tndb_lasting what = {NULL, NULL, NULL};
    if (tndb_sql_is_lasting(passing[i], &what)) {
      fail_msg("taken for %s: %s", what.statement, passing[i]);
    }
  }
}

/* Cut anywhere it is still no crash, and what remains of a plain statement is plain. */
static void cut_anywhere(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof lasting / sizeof lasting[0]; i++) {
    size_t length = strlen(lasting[i][1]);
    for (size_t n = 0; n <= length; n++) {
      char text[200];
      tndb_lasting what;
      memcpy(text, lasting[i][1], n);
      text[n] = '\0';
      (void)tndb_sql_is_lasting(text, &what);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refused),
      cmocka_unit_test(allowed),
      cmocka_unit_test(cut_anywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

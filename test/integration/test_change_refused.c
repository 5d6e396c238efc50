/* SPDX-License-Identifier: PostgreSQL */
/* Changes that must wait, that cannot be made, and what they leave for whom. */
#include "change_fixture.h"

static void run_in(const char *url, const char *sql) {
  PGconn *pg = change_connect(url);
  change_do(pg, "CREATE SCHEMA IF NOT EXISTS here; SET search_path = here, pg_temp");
  change_do(pg, sql);
  PQfinish(pg);
}

static int64_t count_in(const char *url, const char *sql) {
  char cell[256];
  PGconn *pg = change_connect(url);
  change_do(pg, "SET search_path = here, pg_temp");
  assert_string_equal(change_try(pg, sql, NULL, cell), "00000");
  PQfinish(pg);
  return strtoll(cell, NULL, 10);
}

#define NOTES                                                                                      \
  "CREATE TABLE notes (id bigint PRIMARY KEY, body text, n integer); INSERT INTO notes SELECT i, " \
  "'Note ' || i, i FROM generate_series(1, 1000) i"

/* ---------------------------------------------------------------- locks */

/* A step's lock is not had while somebody reads; whoever comes behind it waits no longer than the step does. */
static void a_long_reader(void **state) {
  (void)state;
  static const char *const writes[] = {"INSERT INTO notes (id) VALUES ($1)", NULL};
  const char *url = harness_database();
  run_in(url, NOTES);
  PGconn *reader = change_connect(url);
  change_do(reader, "BEGIN; SELECT count(*) FROM here.notes");
  change_writer writer;
  change_writer_start(&writer, url, "here", writes, 5000);
  change_runner runner = change_runner_of(url, "here");
  tndb_steps steps =
      change_steps("-- tenantdb:change add_column table=notes column=c type=text backfill=body");
  char cell[256];
  for (int i = 0; i < 3; i++) {
    int64_t began = fixture_now_ms();
    assert_string_equal(change_transaction(&runner, &steps, 0, 4, NULL, "COMMIT", cell), "55P03");
    assert_true(fixture_now_ms() - began < 10 * CHANGE_LOCK_MS);
    change_writer_wait(&writer, 5);
  }
  change_do(reader, "COMMIT");
  PQfinish(reader);
  change_steps_free(&steps);
  change_run(&runner, "-- tenantdb:change add_column table=notes column=c type=text backfill=body");
  (void)change_writer_stop(&writer);
  assert_true(writer.longest_ms < 10 * CHANGE_LOCK_MS);
  assert_int_equal(count_in(url, "SELECT count(*) FROM notes WHERE c IS NULL AND body IS NOT NULL"), 0);
  PQfinish(runner.pg);
  harness_drop_database(url);
}

/* The first time through locked rows are passed over, the second time they are waited for. */
static void a_locked_row(void **state) {
  (void)state;
  const char *url = harness_database();
  run_in(url, NOTES);
  change_runner runner = change_runner_of(url, "here");
  tndb_steps steps = change_steps(
      "-- tenantdb:change add_column table=notes column=c type=text backfill=lower(body) batch=50");
  assert_int_equal(steps.count, 6);
  char cell[256];
  assert_string_equal(change_transaction(&runner, &steps, 0, 4, NULL, "COMMIT", cell), "00000");
  PGconn *one = change_connect(url), *two = change_connect(url), *three = change_connect(url);
  change_do(one, "BEGIN; SELECT FROM here.notes WHERE id IN (7, 8) FOR UPDATE");
  change_do(two, "BEGIN; UPDATE here.notes SET body = 'Mine' WHERE id = 990");
  change_do(three, "BEGIN; UPDATE here.notes SET body = 'Lost' WHERE id = 991");
  assert_string_equal(change_batches(&runner, &steps, 4), "00000");
  assert_int_equal(count_in(url, "SELECT count(*) FROM notes WHERE c IS NULL"), 4);
  assert_int_equal(runner.waits, 0);
  assert_string_equal(change_transaction(&runner, &steps, 5, 6, NULL, "COMMIT", cell), "55P03");
  change_do(one, "COMMIT");
  change_do(two, "COMMIT");
  change_do(three, "ROLLBACK");
  assert_string_equal(change_batches(&runner, &steps, 5), "00000");
  assert_int_equal(count_in(url, "SELECT count(*) FROM notes WHERE c IS DISTINCT FROM lower(body)"), 0);
  assert_int_equal(count_in(url, "SELECT count(*) FROM notes WHERE c = 'mine'"), 1);
  PQfinish(one);
  PQfinish(two);
  PQfinish(three);
  change_steps_free(&steps);
  PQfinish(runner.pg);
  harness_drop_database(url);
}

/* An application that writes its rows in the other order is not made to fail. */
static void no_deadlock(void **state) {
  (void)state;
  static const char *const writes[] = {"SELECT two_rows($1::bigint)", NULL};
  const char *url = harness_database();
  run_in(url, NOTES
         "; CREATE FUNCTION two_rows(i bigint) RETURNS void LANGUAGE plpgsql AS $$BEGIN"
         " UPDATE notes SET n = n + 1 WHERE id = 1000 - i % 400; PERFORM pg_sleep(0.003);"
         " UPDATE notes SET n = n + 1 WHERE id = 1 + i % 400; END$$");
  change_runner runner = change_runner_of(url, "here");
  runner.lock_ms = 10000; /* longer than the server takes to see a deadlock */
  change_writer writers[2];
  change_writer_start(&writers[0], url, "here", writes, 1);
  change_writer_start(&writers[1], url, "here", writes, 200);
  for (int i = 0; i < 8; i++) {
    char line[160];
    snprintf(line, sizeof line,
             "-- tenantdb:change add_column table=notes column=c%d type=text backfill=body batch=10000", i);
    change_run(&runner, line);
  }
  (void)change_writer_stop(&writers[0]);
  (void)change_writer_stop(&writers[1]);
  PQfinish(runner.pg);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- backfills */

static void backfills_that_end(void **state) {
  (void)state;
  const char *url = harness_database();
  run_in(url, NOTES "; CREATE TABLE none (id integer); CREATE SEQUENCE asked");
  change_runner runner = change_runner_of(url, "here");
  /* Rows for which there is nothing to fill in. */
  change_run(&runner,
             "-- tenantdb:change add_column table=notes column=a type=text backfill=\"nullif(body, 'Note "
             "5')\" batch=3");
  assert_int_equal(count_in(url, "SELECT count(*) FROM notes WHERE a IS NULL"), 1);
  /* More rows in a block than in a batch, and a default that gives NULL now and then. */
  change_run(&runner,
             "-- tenantdb:change add_column table=notes column=b type=boolean "
             "default=\"nullif(random() > 2, false)\" batch=2");
  assert_int_equal(count_in(url, "SELECT count(*) FROM notes WHERE b IS NOT NULL"), 0);
  runner.batches = 0;
  change_run(&runner,
             "-- tenantdb:change add_column table=none column=c type=text backfill='x' not_null=yes");
  assert_int_equal(runner.batches, 2);
  /* A default that has an effect has it once for each row. */
  change_run(&runner,
             "-- tenantdb:change add_column table=notes column=d type=bigint default=\"nextval('asked')\" "
             "not_null=yes");
  assert_int_equal(count_in(url, "SELECT max(d) FROM notes"), 1000);
  assert_int_equal(count_in(url, "SELECT count(DISTINCT d) FROM notes"), 1000);
  PQfinish(runner.pg);
  harness_drop_database(url);
}

/* What breaks the proof is told; once it is gone the same step goes on. */
static void a_row_that_breaks_it(void **state) {
  (void)state;
  const char *url = harness_database();
  run_in(url,
         NOTES "; UPDATE notes SET n = NULL WHERE id = 500; UPDATE notes SET body = 'x' WHERE id IN (3, 4)");
  change_runner runner = change_runner_of(url, "here");
  tndb_steps steps = change_steps("-- tenantdb:change set_not_null table=notes column=n");
  char cell[256];
  assert_string_equal(change_transaction(&runner, &steps, 0, 1, NULL, "COMMIT", cell), "00000");
  assert_string_equal(change_transaction(&runner, &steps, 1, 2, NULL, "COMMIT", cell), "23514");
  run_in(url, "UPDATE notes SET n = 0 WHERE n IS NULL");
  assert_string_equal(change_transaction(&runner, &steps, 1, 2, NULL, "COMMIT", cell), "00000");
  assert_string_equal(change_transaction(&runner, &steps, 2, 4, NULL, "COMMIT", cell), "00000");
  change_steps_free(&steps);
  assert_string_equal(
      change_run_all(&runner, "-- tenantdb:change add_unique table=notes name=u columns=body"), "23505");
  assert_string_equal(
      change_run_all(&runner, "-- tenantdb:change add_check table=notes name=k check=\"id > 5\""), "23514");
  run_in(url, "CREATE TABLE refs (id bigint); INSERT INTO refs VALUES (0)");
  assert_string_equal(change_run_all(&runner,
                                     "-- tenantdb:change add_foreign_key table=refs name=f columns=id "
                                     "references=notes"),
                      "23503");
  PQfinish(runner.pg);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- what cannot be */

static void assert_refused(change_runner *runner, const char *line, const char *text) {
  const char *code = change_run_all(runner, line);
  if (strcmp(code, "55000") != 0 || !strstr(runner->said, text) ||
      !strstr(runner->said, "tenantdb check: change ")) {
    fail_msg("%s\ngives %s: %s\ninstead of: %s", line, code, runner->said, text);
  }
}

#define TYPE_OF(column, more) \
  "-- tenantdb:change change_type table=t column=" column " type=text using=1::text " more

static void columns_that_are_used(void **state) {
  (void)state;
  const char *url = harness_database();
  run_in(
      url,
      "CREATE TABLE t (id bigint PRIMARY KEY, ident bigint GENERATED ALWAYS AS IDENTITY, base integer, made "
      "integer "
      "GENERATED ALWAYS AS (base + 1) STORED, must integer NOT NULL, may integer, checked integer CONSTRAINT "
      "t_checked CHECK (checked > 0), indexed integer, viewed integer, granted integer, s serial, fk bigint "
      "REFERENCES t (id) CONSTRAINT fk_positive CHECK (fk > 0));"
      "CREATE INDEX t_indexed ON t (indexed, may); CREATE VIEW v AS SELECT viewed FROM t;"
      "GRANT SELECT (granted) ON t TO pg_monitor; CREATE TABLE child (own integer) INHERITS (t);"
      "CREATE TABLE p (k integer, x integer) PARTITION BY LIST (k)");
  change_runner runner = change_runner_of(url, "here");
  assert_refused(&runner, TYPE_OF("nowhere", ""), "change change_type of t.nowhere: there is no such column");
  assert_refused(&runner, TYPE_OF("id", ""), "it is NOT NULL: say not_null=yes");
  assert_refused(&runner, TYPE_OF("id", "not_null=yes"),
                 "it is used by constraint t_fk_fkey on table t, constraint t_pkey");
  assert_refused(&runner, TYPE_OF("ident", "not_null=yes"), "it is an identity column");
  assert_refused(&runner, TYPE_OF("made", ""), "it is a generated column");
  assert_refused(&runner, TYPE_OF("base", ""), "it is used by");
  assert_refused(&runner, TYPE_OF("must", ""), "it is NOT NULL: say not_null=yes");
  assert_refused(&runner, TYPE_OF("may", "not_null=yes indexes=\"t_indexed (indexed, may)\""),
                 "it may be NULL");
  assert_refused(&runner, TYPE_OF("checked", ""), "it is used by constraint t_checked on table t");
  assert_refused(&runner, TYPE_OF("indexed", ""), "it is used by index t_indexed");
  assert_refused(&runner, TYPE_OF("viewed", ""), "it is used by rule _RETURN on view v");
  assert_refused(&runner, TYPE_OF("granted", ""), "it has privileges of its own");
  assert_refused(&runner, TYPE_OF("s", "not_null=yes"), "it is used by sequence t_s_seq");
  assert_refused(&runner, TYPE_OF("fk", "leave=fk_positive"),
                 "it is used by constraint t_fk_fkey on table t");
  assert_refused(&runner, "-- tenantdb:change change_type table=child column=base type=text using=base::text",
                 "it is inherited");
  assert_refused(&runner, "-- tenantdb:change rename_column table=p column=k to=l",
                 "it is part of the partition key");
  /* Whoever looks after it himself may have it. */
  run_in(url, "DROP TABLE child");
  change_run(&runner, TYPE_OF("checked", "leave=t_checked"));
  change_run(&runner, TYPE_OF("fk", "leave=\"fk_positive, t_fk_fkey\""));
  assert_refused(&runner, "-- tenantdb:change add_index table=t name=t_indexed columns=id",
                 "there is a relation t_indexed already");
  assert_refused(&runner, "-- tenantdb:change add_unique table=t name=v columns=id",
                 "there is a relation v already");
  assert_refused(&runner, "-- tenantdb:change rename_table table=v to=w",
                 "change rename_table of v: it is no table");
  assert_refused(&runner, "-- tenantdb:change rename_table table=t to=w",
                 "a column has privileges of its own");
  PQfinish(runner.pg);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- rights */

/* The view that stands for a table gives nobody more than the table did, nor less. */
static void rights_of_a_renamed_table(void **state) {
  (void)state;
  const char *url = harness_database();
  const char *reader = harness_role("NOLOGIN"), *writer = harness_role("NOLOGIN"),
             *stranger = harness_role("NOLOGIN");
  char sql[1024];
  run_in(url, NOTES "; CREATE INDEX notes_n ON notes (n)");
  snprintf(sql, sizeof sql,
           "GRANT USAGE ON SCHEMA here TO PUBLIC; GRANT SELECT ON notes TO %s; GRANT SELECT, INSERT, UPDATE, "
           "DELETE ON "
           "notes TO %s WITH GRANT OPTION; ALTER DEFAULT PRIVILEGES IN SCHEMA here GRANT ALL ON TABLES TO "
           "%s, PUBLIC",
           reader, writer, stranger);
  run_in(url, sql);
  change_runner runner = change_runner_of(url, "here");
  change_run(&runner, "-- tenantdb:change rename_table table=notes to=entries");
  assert_int_equal(
      count_in(url,
               "SELECT count(*) FROM pg_class v, pg_class t WHERE v.oid = 'notes'::regclass AND t.oid "
               "= 'entries'::regclass AND (SELECT array_agg(a::text ORDER BY a::text) FROM "
               "aclexplode(v.relacl) a WHERE a.grantee <> v.relowner) = (SELECT array_agg(a::text "
               "ORDER BY a::text) FROM aclexplode(t.relacl) a WHERE a.grantee <> t.relowner)"),
      1);
  static const char *const tries[][3] = {{"SELECT count(*) FROM here.notes", "1", "1"},
                                         {"INSERT INTO here.notes (id) VALUES (-1)", "0", "1"},
                                         {"DELETE FROM here.notes WHERE id = -1", "0", "1"}};
  for (size_t i = 0; i < 3; i++) {
    const char *who[] = {reader, writer, stranger};
    for (size_t role = 0; role < 3; role++) {
      bool may = role < 2 && *tries[i][role + 1] == '1';
      snprintf(sql, sizeof sql, "SET ROLE %s", who[role]);
      change_do(runner.pg, sql);
      assert_string_equal(change_try(runner.pg, tries[i][0], NULL, NULL), may ? "00000" : "42501");
      change_do(runner.pg, "RESET ROLE");
    }
  }
  PQfinish(runner.pg);
  harness_drop_database(url);
}

static void nobody_calls_its_functions(void **state) {
  (void)state;
  const char *url = harness_database();
  run_in(url, NOTES);
  change_runner runner = change_runner_of(url, "here");
  change_run(&runner, "-- tenantdb:change add_column table=notes column=c type=text backfill=body");
  change_run(&runner, "-- tenantdb:change rename_column table=notes column=n to=m");
  assert_int_equal(
      count_in(url,
               "SELECT count(*) FROM pg_proc WHERE pronamespace = 'here'::regnamespace AND proacl IS NOT "
               "NULL AND NOT EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0) AND "
               "proconfig = ARRAY['search_path=here, pg_temp'] AND NOT prosecdef"),
      2);
  PQfinish(runner.pg);
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_long_reader),
      cmocka_unit_test(a_locked_row),
      cmocka_unit_test(no_deadlock),
      cmocka_unit_test(backfills_that_end),
      cmocka_unit_test(a_row_that_breaks_it),
      cmocka_unit_test(columns_that_are_used),
      cmocka_unit_test(rights_of_a_renamed_table),
      cmocka_unit_test(nobody_calls_its_functions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/* One statement over many tenants, some of which fail: the others' rows come all the same. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "fleet_fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;

enum { MANY = 12, NOTES = 2 };

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  fleet_make(db, url, MANY, NOTES);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

#define COUNT_SQL "SELECT count(*) FROM notes"
/* In the schema of one tenant one thing, elsewhere another. */
#define IN_TENANT(slug, then, otherwise) \
  "CASE WHEN current_schema() LIKE 'tenant\\_" slug "\\_%' THEN " then " ELSE " otherwise " END"

/* The query has to end with FLEET_PARTLY; returns the rows there were. */
static int64_t drain_partly(tenantdb_result *rows, const char *message) {
  tenantdb_status status;
  int32_t more = 7;
  fleet_text all = fleet_drain(rows, &status, &error);
  assert_int_equal(status, TENANTDB_UNAVAILABLE);
  fixture_assert_error(error, TENANTDB_UNAVAILABLE, TENANTDB_REASON_FLEET_PARTLY, message);
  error = NULL;
  harness_assert_ok(tenantdb_result_next(rows, &more, &error), error); /* it is told once */
  assert_int_equal(more, 0);
  free(all.text);
  return all.rows;
}

/* ---------------------------------------------------------------- tenants that cannot answer */

static void test_some_fail(void **state) {
  (void)state;
  static const char *const orders[] = {"tenant", "any"};
  char schema[80];
  snprintf(schema, sizeof schema, "%s", fleet_schema(db, "t002"));
  harness_sql(url, "ALTER TABLE %s.notes RENAME TO gone", schema);
  harness_assert_ok(tenantdb_tenant_suspend(db, "t004", NULL, &error), error);
  for (int i = 0; i < 2; i++) {
    tenantdb_result *rows = fleet_start(
        db, COUNT_SQL, FIXTURE_OPTIONS("order", orders[i], "tenants", "t001,t002,t003,t004,t005,nobody"));
    assert_int_equal(fleet_progress(rows, "failed"), 1); /* nobody, from the beginning */
    assert_int_equal(drain_partly(rows, "3 of 6 tenants failed, nobody first: there is no tenant \"nobody\""),
                     3);
    const char *failures = fleet_failures(rows);
    assert_non_null(strstr(failures, "nobody NOT_FOUND UNKNOWN_TENANT 0;"));
    assert_non_null(strstr(failures, "t002 SQL SERVER_ERROR 0;"));
    assert_non_null(strstr(failures, "t004 UNAVAILABLE TENANT_NOT_ACTIVE 0;"));
    assert_int_equal(fleet_progress(rows, "done"), 3);
    assert_int_equal(fleet_progress(rows, "failed"), 3);
    tenantdb_result_free(rows);
  }
  /* Without being named the suspended one is not in the fleet; chosen by its state it is a failure. */
  tenantdb_result *rows = fleet_start(db, COUNT_SQL, NULL);
  assert_int_equal(fleet_progress(rows, "total"), MANY - 1);
  assert_int_equal(drain_partly(rows, "1 of 11 tenants failed, t002 first: "), MANY - 2);
  tenantdb_result_free(rows);
  rows = fleet_start(db, COUNT_SQL, FIXTURE_OPTIONS("selector", "state=suspended"));
  assert_int_equal(drain_partly(rows, "1 of 1 tenants failed, t004 first: tenant t004 is suspended"), 0);
  tenantdb_result_free(rows);
  harness_assert_ok(tenantdb_tenant_resume(db, "t004", NULL, &error), error);
  harness_sql(url, "ALTER TABLE %s.gone RENAME TO notes", schema);
}

static void test_failure_table(void **state) {
  (void)state;
  tenantdb_result *rows = fleet_start(db, "SELECT 1 / " IN_TENANT("t003", "0", "1"), NULL);
  tenantdb_result *table = NULL;
  tenantdb_tenant *tenant = NULL;
  static const char *const names[] = {"tenant",   "id",      "status",        "reason",
                                      "sqlstate", "message", "rows_delivered"};
  assert_int_equal(drain_partly(rows, "1 of 12 tenants failed, t003 first: division by zero"), MANY - 1);
  harness_assert_ok(tenantdb_fleet_failures(rows, &table, &error), error);
  tenantdb_result_free(rows); /* the table stands alone */
  harness_assert_ok(tenantdb_tenant_get(db, "t003", &tenant, &error), error);
  assert_int_equal(tenantdb_result_columns(table), 7);
  for (int32_t i = 0; i < 7; i++) {
    assert_string_equal(tenantdb_result_name(table, i), names[i]);
  }
  assert_int_equal(tenantdb_result_rows(table), 1);
  assert_string_equal(tenantdb_result_value(table, 0, 1), tenantdb_tenant_id(tenant));
  assert_string_equal(tenantdb_result_value(table, 0, 4), "22012");
  assert_string_equal(tenantdb_result_value(table, 0, 5), "division by zero");
  tenantdb_result_free(table);
  tenantdb_tenant_free(tenant);
}

/* A tenant whose tables have drifted: its rows are not mixed in under other columns. */
static void test_drifted(void **state) {
  (void)state;
  static const struct {
    const char *change, *back, *message;
  } drifts[] = {
      {"RENAME COLUMN body TO bodies", "RENAME COLUMN bodies TO body",
       "column 2 is \"bodies\" of type text where the first tenant that answered has \"body\""},
      {"ALTER COLUMN body TYPE varchar(40)", "ALTER COLUMN body TYPE text", "of type varchar where"},
      {"ADD COLUMN more int", "DROP COLUMN more", "has 4 columns where the first tenant that answered has 3"},
  };
  char schema[80];
  snprintf(schema, sizeof schema, "%s", fleet_schema(db, "t005"));
  for (size_t i = 0; i < sizeof drifts / sizeof drifts[0]; i++) {
    harness_sql(url, "ALTER TABLE %s.notes %s", schema, drifts[i].change);
    for (int empty = 0; empty < 2; empty++) { /* an answer without rows has columns, too */
      tenantdb_result *rows =
          fleet_start(db, empty ? "SELECT * FROM notes WHERE false" : "SELECT * FROM notes", NULL);
      assert_int_equal(drain_partly(rows, "1 of 12 tenants failed, t005 first: "),
                       empty ? 0 : (MANY - 1) * NOTES);
      assert_string_equal(fleet_failures(rows), "t005 STATE WRONG_TYPE 0;");
      tenantdb_result *table = NULL;
      harness_assert_ok(tenantdb_fleet_failures(rows, &table, &error), error);
      assert_non_null(strstr(tenantdb_result_value(table, 0, 5), drifts[i].message));
      tenantdb_result_free(table);
      tenantdb_result_free(rows);
    }
    /* However many rows it has. */
    tenantdb_result *many = fleet_start(db, "SELECT notes.* FROM notes, generate_series(1, 20000)",
                                        FIXTURE_OPTIONS("tenants", "t004,t005,t006"));
    assert_int_equal(drain_partly(many, "1 of 3 tenants failed, t005 first: "), 2 * NOTES * 20000);
    tenantdb_result_free(many);
    /* Writing, its work is undone. */
    tenantdb_result *rows =
        fleet_start(db,
                    "INSERT INTO notes (id, at) OVERRIDING SYSTEM VALUE SELECT 100, now() "
                    "WHERE false RETURNING *",
                    FIXTURE_OPTIONS("read_only", "off"));
    (void)drain_partly(rows, "t005 first: ");
    tenantdb_result_free(rows);
    harness_sql(url, "ALTER TABLE %s.notes %s", schema, drifts[i].back);
  }
  /* Types of a tenant's own have an OID of their own in each schema. */
  harness_sql(url,
              "DO $$ DECLARE s text; BEGIN FOR s IN SELECT schema_name FROM tenantdb.tenants LOOP EXECUTE "
              "format('CREATE "
              "TYPE %%I.mood AS ENUM (''fine'')', s); END LOOP; END $$");
  fleet_text all = fleet_rows(db, "SELECT 'fine'::mood", NULL);
  assert_int_equal(all.rows, MANY);
  free(all.text);
}

/* Whoever writes and has other columns is rolled back. */
static void test_drifted_writer(void **state) {
  (void)state;
  tenantdb_result *rows = fleet_start(db, "INSERT INTO notes (body) VALUES ('w') RETURNING *",
                                      FIXTURE_OPTIONS("read_only", "off", "tenants", "t000"));
  tenantdb_status status;
  fleet_text all = fleet_drain(rows, &status, &error);
  harness_assert_ok(status, error);
  tenantdb_result_free(rows);
  free(all.text);
  char schema[80];
  snprintf(schema, sizeof schema, "%s", fleet_schema(db, "t001"));
  harness_sql(url, "ALTER TABLE %s.notes ADD COLUMN more int", schema);
  rows = fleet_start(db, "INSERT INTO notes (body) VALUES ('w') RETURNING *",
                     FIXTURE_OPTIONS("read_only", "off", "tenants", "t000,t001,t002"));
  assert_int_equal(drain_partly(rows, "t001 first: "), 2);
  tenantdb_result_free(rows);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.notes", schema), NOTES);
  harness_sql(url, "ALTER TABLE %s.notes DROP COLUMN more", schema);
  harness_sql(url, "DELETE FROM %s.notes WHERE body = 'w'", fleet_schema(db, "t000"));
  harness_sql(url, "DELETE FROM %s.notes WHERE body = 'w'", fleet_schema(db, "t002"));
}

static void test_stop(void **state) {
  (void)state;
  tenantdb_status status;
  tenantdb_result *rows = fleet_start(db, "SELECT 1 / " IN_TENANT("t003", "0", "1"),
                                      FIXTURE_OPTIONS("on_error", "stop", "connections", "1"));
  fleet_text all = fleet_drain(rows, &status, &error);
  assert_int_equal(status, TENANTDB_SQL);
  fixture_assert_error(error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "tenant t003: division by zero");
  error = NULL;
  assert_true(all.rows <= 3);
  const char *failures = fleet_failures(rows);
  assert_int_equal(strncmp(failures, "t003 SQL SERVER_ERROR 0;", 24), 0);
  assert_non_null(strstr(failures, "t011 CANCELLED STATEMENT_CANCELLED 0;"));
  assert_int_equal(fleet_progress(rows, "running"), 0);
  tenantdb_result_free(rows);
  free(all.text);
  rows = fleet_start(db, COUNT_SQL, FIXTURE_OPTIONS("on_error", "stop", "tenants", "t001,nobody"));
  all = fleet_drain(rows, &status, &error);
  assert_int_equal(all.rows, 0); /* nothing was run */
  fixture_assert_error(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT, "tenant nobody: ");
  error = NULL;
  tenantdb_result_free(rows);
  free(all.text);
}

/* ---------------------------------------------------------------- connections that break */

/* A thread that ends whoever sleeps in a statement with this text, so many times. */
typedef struct breaking {
  pthread_t thread;
  const char *text;
  int times;
} breaking;

static void *break_sleepers(void *user) {
  const breaking *what = user;
  int64_t last = 0;
  for (int broken = 0, tries = 0; broken < what->times && tries < 500; tries++) {
    char *pid = harness_value(url,
                              "SELECT pid FROM pg_stat_activity WHERE pid <> %lld AND wait_event = 'PgSleep' "
                              "AND query LIKE '%%%s%%' AND "
                              "query NOT LIKE '%%pg_stat_activity%%'",
                              (long long)last, what->text);
    if (pid) {
      last = strtoll(pid, NULL, 10);
      harness_sql(url, "SELECT pg_terminate_backend(%lld)", (long long)last);
      broken++;
    }
    free(pid);
    fixture_pause_us(20000);
  }
  return NULL;
}

static void start_breaking(breaking *what, const char *text, int times) {
  *what = (breaking){.text = text, .times = times};
  assert_int_equal(pthread_create(&what->thread, NULL, break_sleepers, what), 0);
}

/* Broken before a row was handed out: the tenant is asked again, and nobody notices. */
static void test_broken_once(void **state) {
  (void)state;
  breaking what;
  harness_sql(url,
              "CREATE SEQUENCE IF NOT EXISTS public.once; GRANT ALL ON SEQUENCE public.once TO PUBLIC; "
              "GRANT USAGE ON SCHEMA public TO PUBLIC");
  tenantdb_result *rows = fleet_start(
      db,
      "SELECT 'broken once', " IN_TENANT("t003",
                                         "CASE WHEN nextval('public.once') = 1 THEN pg_sleep(5)::text "
                                         "ELSE 'again' END",
                                         "'fine'"),
      FIXTURE_OPTIONS("read_only", "off"));
  tenantdb_status status;
  start_breaking(&what, "broken once", 1);
  fleet_text all = fleet_drain(rows, &status, &error);
  harness_assert_ok(status, error);
  pthread_join(what.thread, NULL);
  assert_int_equal(all.rows, MANY);
  assert_non_null(strstr(all.text, "t003|broken once|again\n"));
  tenantdb_result_free(rows);
  free(all.text);
  harness_sql(url, "DROP SEQUENCE public.once");
}

/* Broken each time: a failure, of that tenant alone. */
static void test_broken_twice(void **state) {
  (void)state;
  breaking what;
  tenantdb_result *rows =
      fleet_start(db, "SELECT 'broken twice', " IN_TENANT("t003", "pg_sleep(20)::text", "'fine'"), NULL);
  start_breaking(&what, "broken twice", 2);
  assert_int_equal(drain_partly(rows, "1 of 12 tenants failed, t003 first: "), MANY - 1);
  pthread_join(what.thread, NULL);
  assert_string_equal(fleet_failures(rows), "t003 CONNECTION CONNECTION_LOST 0;");
  tenantdb_result_free(rows);
}

/* Broken when rows of it were handed out: they cannot be taken back, and how many they were is told. */
static void test_broken_in_the_middle(void **state) {
  (void)state;
  breaking what;
  int32_t more = 0;
  int64_t of_t000 = 0;
  tenantdb_status status = TENANTDB_OK;
  tenantdb_result *rows = fleet_start(
      db, /* with more than the server keeps back */
      "SELECT 'in the middle', i, repeat('x', 2000) FROM generate_series(1, 30) i WHERE i < 30 OR "
      "pg_sleep(" IN_TENANT("t000", "20", "0") ") IS NOT NULL",
      NULL);
  harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
  assert_int_equal(more, 1);
  start_breaking(&what, "in the middle", 1);
  for (; more && !status; status = tenantdb_result_next(rows, &more, &error)) {
    for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
      of_t000 += strcmp(tenantdb_result_value(rows, i, 0), "t000") == 0;
    }
  }
  pthread_join(what.thread, NULL);
  fixture_assert_error(error, TENANTDB_UNAVAILABLE, TENANTDB_REASON_FLEET_PARTLY, "1 of 12");
  error = NULL;
  assert_int_equal(fleet_progress(rows, "rows"), (MANY - 1) * 30 + of_t000);
  assert_in_range(of_t000, 1, 29);
  char expected[80];
  snprintf(expected, sizeof expected, "t000 CONNECTION CONNECTION_LOST %lld;", (long long)of_t000);
  assert_string_equal(fleet_failures(rows), expected);
  tenantdb_result_free(rows);
}

/* ---------------------------------------------------------------- tenants that change meanwhile */

static void test_suspended_meanwhile(void **state) {
  (void)state;
  int32_t more = 0;
  tenantdb_tenant_free(fixture_tenant(db, "u1"));
  tenantdb_tenant_free(fixture_tenant(db, "u2"));
  tenantdb_result *rows =
      fleet_start(db, "SELECT count(*), pg_sleep(0) FROM notes", FIXTURE_OPTIONS("connections", "1"));
  harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
  assert_int_equal(more, 1);
  harness_assert_ok(tenantdb_tenant_suspend(db, "u1", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_purge(db, "u2", 1, &error), error);
  assert_int_equal(drain_partly(rows, "2 of 14 tenants failed"), MANY - 1);
  assert_string_equal(fleet_failures(rows),
                      "u1 UNAVAILABLE TENANT_NOT_ACTIVE 0;u2 NOT_FOUND UNKNOWN_TENANT 0;");
  tenantdb_result_free(rows);
  harness_assert_ok(tenantdb_tenant_purge(db, "u1", 1, &error), error);
}

/* ---------------------------------------------------------------- deadlines */

static void test_tenant_timeout(void **state) {
  (void)state;
  int64_t began = fixture_now_ms();
  tenantdb_result *rows = fleet_start(db, "SELECT pg_sleep(" IN_TENANT("t002", "20", "0") ")",
                                      FIXTURE_OPTIONS("tenant_timeout", "300ms"));
  assert_int_equal(drain_partly(rows, "1 of 12 tenants failed, t002 first: "), MANY - 1);
  assert_in_range(fixture_now_ms() - began, 250, 15000);
  assert_string_equal(fleet_failures(rows), "t002 TIMEOUT CALL_TIMEOUT 0;");
  tenantdb_result_free(rows);
  assert_int_equal(fleet_busy(url), 0);
}

/* What the caller takes for the rows does not count for a tenant's time, nor does waiting for one's turn. */
static void test_slow_caller(void **state) {
  (void)state;
  tenantdb_status status;
  tenantdb_result *rows = fleet_start(db, "SELECT i, repeat('x', 1000) FROM generate_series(1, 3000) i",
                                      FIXTURE_OPTIONS("tenant_timeout", "400ms", "connections", "3"));
  fleet_text all = {0};
  int32_t more = 1;
  for (int i = 0; i < 4; i++) {
    harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
    fleet_append_rows(&all, rows, 0);
    fixture_pause_us(300000);
  }
  fleet_text rest = fleet_drain(rows, &status, &error);
  harness_assert_ok(status, error);
  assert_int_equal(all.rows + rest.rows, MANY * 3000);
  tenantdb_result_free(rows);
  free(all.text);
  free(rest.text);
}

static void test_timeout(void **state) {
  (void)state;
  tenantdb_status status;
  int64_t began = fixture_now_ms();
  tenantdb_result *rows =
      fleet_start(db, "SELECT pg_sleep(" IN_TENANT("t006", "20", "0") ")",
                  FIXTURE_OPTIONS("timeout", "500ms", "order", "any", "connections", "2"));
  fleet_text all = fleet_drain(rows, &status, &error);
  assert_in_range(fixture_now_ms() - began, 400, 15000);
  fixture_assert_error(error, TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT, "after 11 of 12 tenants");
  error = NULL;
  assert_int_equal(all.rows, MANY - 1);
  assert_string_equal(fleet_failures(rows), "t006 TIMEOUT CALL_TIMEOUT 0;");
  tenantdb_result_free(rows);
  free(all.text);
  assert_int_equal(fleet_busy(url), 0);
}

/* ---------------------------------------------------------------- stopping */

static void *cancel_soon(void *user) {
  tenantdb_error *failure = NULL;
  fixture_pause_us(300000);
  tenantdb_status status = tenantdb_fleet_cancel(user, &failure);
  return (void *)(intptr_t)status;
}

static void test_cancel(void **state) {
  (void)state;
  tenantdb_status status;
  pthread_t thread;
  void *answer = NULL;
  tenantdb_result *rows = fleet_start(db, "SELECT pg_sleep(30)", NULL);
  assert_int_equal(pthread_create(&thread, NULL, cancel_soon, rows), 0);
  int64_t began = fixture_now_ms();
  fleet_text all = fleet_drain(rows, &status, &error);
  assert_in_range(fixture_now_ms() - began, 200, 15000);
  pthread_join(thread, &answer);
  assert_int_equal((intptr_t)answer, TENANTDB_OK);
  fixture_assert_error(error, TENANTDB_CANCELLED, TENANTDB_REASON_STATEMENT_CANCELLED,
                       "after 0 of 12 tenants");
  error = NULL;
  assert_int_equal(fleet_progress(rows, "waiting"), MANY);
  assert_non_null(strstr(fleet_failures(rows), "t011 CANCELLED STATEMENT_CANCELLED 0;"));
  tenantdb_result_free(rows);
  free(all.text);
  assert_int_equal(fleet_busy(url), 0);
  /* Before it has begun to go on. */
  rows = fleet_start(db, COUNT_SQL, NULL);
  harness_assert_ok(tenantdb_fleet_cancel(rows, &error), error);
  all = fleet_drain(rows, &status, &error);
  assert_int_equal(all.rows, 0);
  fixture_assert_error(error, TENANTDB_CANCELLED, TENANTDB_REASON_STATEMENT_CANCELLED, "cancelled");
  error = NULL;
  tenantdb_result_free(rows);
  free(all.text);
}

/* Freed at any moment: the servers stop, and the connections are fit for others. */
static void test_freed_early(void **state) {
  (void)state;
  static const char *const sqls[] = {"SELECT pg_sleep(30)", "SELECT generate_series(1, 100000000)",
                                     "SELECT generate_series(1, 3)"};
  tenantdb *small =
      fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "3", "pool.overflow", "0", "pool.timeout", "2s"));
  for (size_t i = 0; i < sizeof sqls / sizeof sqls[0]; i++) {
    for (int steps = 0; steps < 3; steps++) {
      int32_t more = 0;
      tenantdb_result *rows =
          fleet_start(small, sqls[i], FIXTURE_OPTIONS("order", steps == 1 ? "any" : "tenant"));
      if (i == 0 && steps > 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, cancel_soon, rows);
        (void)tenantdb_result_next(rows, &more, NULL);
        pthread_join(thread, NULL);
      }
      for (int k = 0; i > 0 && k < steps; k++) {
        harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
      }
      int64_t began = fixture_now_ms();
      tenantdb_result_free(rows);
      assert_true(fixture_now_ms() - began < 10000);
      /* All three can be had at once. */
      tenantdb_session *sessions[3];
      for (int k = 0; k < 3; k++) {
        sessions[k] = fixture_session(small, "t001");
        assert_string_equal(fixture_cell(sessions[k], COUNT_SQL), "2");
      }
      for (int k = 0; k < 3; k++) {
        tenantdb_session_close(sessions[k]);
      }
    }
  }
  assert_int_equal(fleet_busy(url), 0);
  tenantdb_close(small);
}

/* Every allocation fails in turn, once and from then on, with all slots in use. */
static void test_no_memory(void **state) {
  (void)state;
  static const char *const orders[] = {"tenant", "any"};
  int64_t live = tndb_memory_live();
  tenantdb *other = fixture_open(url, NULL, NULL);
  for (int kind = 0; kind < 4; kind++) {
    tenantdb_status status = TENANTDB_MEMORY;
    int64_t n = 0, made = 1;
    for (; n <= made; n += n < 60 ? 1 : 7) {
      tenantdb_result *rows = NULL;
      tenantdb_error *failure = NULL;
      int64_t seen = 0;
      tenantdb_fleet_options *options = fleet_options(FIXTURE_OPTIONS("order", orders[kind % 2]));
      tndb_memory_fail((uint64_t)n, kind >= 2);
      status = tenantdb_fleet_query(other, "SELECT generate_series(1, 200), body FROM notes", NULL, options,
                                    &rows, &failure);
      for (int32_t more = 1; !status && more;) {
        status = tenantdb_result_next(rows, &more, &failure);
        seen += tenantdb_result_rows(rows);
      }
      int64_t allocated = (int64_t)tndb_memory_fail(0, false);
      made = n == 0 ? allocated : made;
      if (status && status != TENANTDB_MEMORY && status != TENANTDB_CONNECTION) {
        fail_msg("allocation %lld: %s: %s", (long long)n, tenantdb_status_name(status),
                 tenantdb_error_message(failure));
      }
      assert_true(status || seen == MANY * NOTES * 200);
      tenantdb_error_free(failure);
      tenantdb_result_free(rows);
      tenantdb_fleet_options_free(options);
    }
    print_message("%lld allocations in order %s\n", (long long)made, orders[kind % 2]);
  }
  tenantdb_close(other);
  assert_int_equal(tndb_memory_live(), live);
}

/* A child that was forked meanwhile must not disturb what its parent does. */
static void test_forked(void **state) {
  (void)state;
  tenantdb_status status;
  int32_t more = 0;
  int outcome = -1;
  tenantdb_result *rows = fleet_start(db, "SELECT i FROM generate_series(1, 20000) i", NULL);
  harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
  int64_t before = tenantdb_result_rows(rows);
  pid_t child = fork();
  if (child == 0) {
    tenantdb_error *failure = NULL;
    status = tenantdb_result_next(rows, &more, &failure);
    bool told = status == TENANTDB_STATE && tenantdb_error_reason(failure) == TENANTDB_REASON_FORKED;
    tenantdb_error_free(failure);
    tenantdb_result_free(rows);
    _exit(told ? 0 : 1);
  }
  assert_true(child > 0);
  assert_int_equal(waitpid(child, &outcome, 0), child);
  assert_int_equal(outcome, 0);
  fleet_text all = fleet_drain(rows, &status, &error);
  harness_assert_ok(status, error);
  assert_int_equal(before + all.rows, MANY * 20000);
  tenantdb_result_free(rows);
  free(all.text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_some_fail),
      cmocka_unit_test(test_failure_table),
      cmocka_unit_test(test_drifted),
      cmocka_unit_test(test_drifted_writer),
      cmocka_unit_test(test_stop),
      cmocka_unit_test(test_broken_once),
      cmocka_unit_test(test_broken_twice),
      cmocka_unit_test(test_broken_in_the_middle),
      cmocka_unit_test(test_suspended_meanwhile),
      cmocka_unit_test(test_tenant_timeout),
      cmocka_unit_test(test_slow_caller),
      cmocka_unit_test(test_timeout),
      cmocka_unit_test(test_cancel),
      cmocka_unit_test(test_freed_early),
      cmocka_unit_test(test_no_memory),
      cmocka_unit_test(test_forked),
  };
  return cmocka_run_group_tests_name("fleet failures", tests, setup, teardown);
}

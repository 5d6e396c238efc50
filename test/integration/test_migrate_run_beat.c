/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a runner has to tell the catalog takes long, or breaks: who has something to do goes on
 * meanwhile, and nothing is done twice or forgotten. Held up by a lock on the table of runs.
 */
#include <libpq-fe.h>
#include <pthread.h>

#include "run_fixture.h"

#include "fixture_database.h"

/* As many as are taken at first for one connection, and more than can be done before the next beat is due. */
enum { FLEET = 20, FIRST = 8, PATIENCE_MS = 20000 };

static int setup(void **state) {
  (void)fixture_setup(state);
  run_fleet(url, FLEET);
  return 0;
}

static tenantdb_migrations *slow_set(void) {
  tenantdb_migrations *set = run_set(1);
  tenantdb_migration_add(set, "tenant", 2, "slow",
                         "SELECT pg_sleep(0.1);\nALTER TABLE notes ADD COLUMN tag text;\n"
                         "INSERT INTO notes (body) VALUES ('once')");
  return set;
}

typedef struct runner {
  pthread_t thread;
  tenantdb *db;
  tenantdb_status status;
} runner;

static void *work(void *user) {
  runner *own = user;
  own->status = run_migrate(own->db, FIXTURE_OPTIONS("connections", "1"), NULL, &error);
  return NULL;
}

static char *schema_of(int i) {
  return harness_value(url, "SELECT schema_name FROM tenantdb.tenants WHERE slug = 't%03d'", i);
}

static void begin(runner *own) {
  own->db = run_open(url, slow_set(), NULL);
  assert_int_equal(pthread_create(&own->thread, NULL, work, own), 0);
}

static void end(runner *own) {
  assert_int_equal(pthread_join(own->thread, NULL), 0);
  tenantdb_close(own->db);
  harness_assert_ok(own->status, error);
  assert_int_equal(run_at(url, 2), FLEET);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.migrations WHERE version = 2 AND state <> "
                                 "'done'"),
                   0);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.run_members WHERE state = 'done'"),
                   FLEET);
  for (int i = 1; i <= FLEET; i++) {
    char *schema = schema_of(i);
    assert_int_equal(harness_count(url, "SELECT count(*) FROM \"%s\".notes WHERE body = 'once'", schema), 1);
    free(schema);
  }
}

/* Until so many tenants have it, or for so long. Returns how many have. */
static int64_t wait_for(int64_t tenants) {
  int64_t until = fixture_now_ms() + PATIENCE_MS, have;
  while ((have = run_at(url, 2)) < tenants && fixture_now_ms() < until) {
    fixture_pause_us(5000);
  }
  return have;
}

/* Nobody can read the table of runs from when the first tenant has it; those who were taken then get it all the same. */
static PGconn *hold_up(void) {
  PGconn *conn = PQconnectdb(url);
  assert_true(wait_for(1) > 0);
  PQclear(PQexec(conn, "BEGIN"));
  PGresult *locked = PQexec(conn, "LOCK TABLE tenantdb.runs IN ACCESS EXCLUSIVE MODE");
  assert_int_equal(PQresultStatus(locked), PGRES_COMMAND_OK);
  PQclear(locked);
  return conn;
}

static void test_held_up(void **state) {
  (void)state;
  runner own;
  begin(&own);
  PGconn *conn = hold_up();
  assert_true(wait_for(FIRST) >= FIRST);
  assert_true(run_at(url, 2) < FLEET); /* whom to take next cannot be asked */
  PQfinish(conn);
  end(&own);
}

static void test_broken(void **state) {
  (void)state;
  runner own;
  begin(&own);
  PGconn *conn = hold_up();
  int64_t ended = 0, until = fixture_now_ms() + PATIENCE_MS;
  for (; ended == 0 && fixture_now_ms() < until; fixture_pause_us(5000)) {
    ended =
        harness_count(url,
                      "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE NOT granted AND relation"
                      " = 'tenantdb.runs'::regclass");
  }
  assert_int_equal(ended, 1);
  assert_true(wait_for(FIRST) >= FIRST);
  PQfinish(conn);
  end(&own);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_held_up, setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_broken, setup, fixture_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

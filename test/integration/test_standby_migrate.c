/* SPDX-License-Identifier: PostgreSQL */
/* Standby schemas and migrations: they are migrated, also while creators take them, or replaced. */
#include <libpq-fe.h>
#include <pthread.h>

#include "fixture_migrations.h"
#include "fixture_standby.h"

#include "fixture_database.h"

/* ---------------------------------------------------------------- migrated or replaced */

/* The tenant stream up to a version; version 4 has the two tables that fixture_registry() declares. */
static tenantdb *open_at(int version, const char *repeatable, const char *const *options) {
  static const char *const sql[] = {fixture_notes_sql,
                                    "ALTER TABLE notes ADD COLUMN at timestamptz NOT NULL DEFAULT now()",
                                    "CREATE INDEX notes_at ON notes (at DESC)", fixture_items_sql};
  tenantdb *db = fixture_open(url, tenantdb_registry_new(), options);
  tenantdb_migrations *set = tenantdb_migrations_new();
  for (int i = 0; i < version; i++) {
    tenantdb_migration_add(set, "tenant", i + 1, "step", sql[i]);
  }
  tenantdb_migration_add_repeatable(set, "tenant", "names", repeatable);
  fixture_use(db, set);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  return db;
}

static void migrate(tenantdb *db) {
  tenantdb_run *run = NULL;
  harness_assert_ok(tenantdb_migrate(db, NULL, &run, &error), error);
  tenantdb_run_free(run);
}

#define VIEW_1 "CREATE OR REPLACE VIEW names AS SELECT body FROM notes"
#define VIEW_2 "CREATE OR REPLACE VIEW names AS SELECT body, id FROM notes"
#define TWO FIXTURE_OPTIONS("tenant.standby", "2")

/* A migration includes them: then they are as good as before. */
static void test_migrated(void **state) {
  (void)state;
  tenantdb *db = open_at(2, VIEW_1, TWO);
  tenantdb_tenant_free(fixture_tenant(db, "old"));
  assert_string_equal(standby_maintain(db), STANDBY_MADE STANDBY_MADE);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.migrations m JOIN tenantdb.standby_schemas s"
                                 " ON s.id = m.tenant_id WHERE m.state = 'done'"),
                   2 * 3);
  tenantdb_close(db);
  db = open_at(FIXTURE_TENANT, VIEW_1, TWO);
  tenantdb_tenant_free(fixture_tenant(db, "between")); /* made anew: what there is is older */
  assert_int_equal(standby_taken(url), 0);
  migrate(db);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.standby_schemas WHERE version = 4"), 2);
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM tenantdb.run_members WHERE state = 'done' AND standby"), 2);
  tenantdb_tenant *tenant = fixture_tenant(db, "new");
  assert_int_equal(standby_taken(url), 1);
  assert_int_equal(tenantdb_tenant_version(tenant), FIXTURE_TENANT);
  tenantdb_tenant_free(tenant);
  standby_assert_alike(db, 3);
  assert_string_equal(standby_maintain(db), STANDBY_MADE);
  assert_int_equal(standby_halves(url), 0);
  tenantdb_close(db);
  /* The text of a repeatable one is another: one that has not got it is not taken. */
  db = open_at(FIXTURE_TENANT, VIEW_2, TWO);
  tenantdb_tenant_free(fixture_tenant(db, "later"));
  assert_int_equal(standby_taken(url), 1);
  migrate(db);
  tenantdb_tenant_free(fixture_tenant(db, "latest"));
  assert_int_equal(standby_taken(url), 2);
  standby_assert_alike(db, 5);
  assert_int_equal(standby_halves(url), 0);
  tenantdb_close(db);
}

/* Without a run upkeep replaces them. */
static void test_replaced(void **state) {
  (void)state;
  tenantdb *db = open_at(2, VIEW_1, TWO);
  (void)standby_maintain(db);
  tenantdb_close(db);
  db = open_at(FIXTURE_TENANT, VIEW_1, TWO);
  assert_string_equal(standby_maintain(db), STANDBY_MADE STANDBY_MADE STANDBY_DROPPED STANDBY_DROPPED);
  tenantdb_tenant *tenant = fixture_tenant(db, "a");
  assert_int_equal(standby_taken(url), 1);
  assert_int_equal(tenantdb_tenant_version(tenant), FIXTURE_TENANT);
  tenantdb_tenant_free(tenant);
  /* An older program leaves the newer ones alone, and makes none. */
  tenantdb *older = open_at(2, VIEW_1, TWO);
  tenant = fixture_tenant(older, "b");
  assert_int_equal(tenantdb_tenant_version(tenant), 2);
  tenantdb_tenant_free(tenant);
  assert_int_equal(standby_taken(url), 1);
  assert_string_equal(standby_maintain(older),
                      "standby leave a program that has newer migrations keeps newer ones;");
  assert_int_equal(standby_count(url), 1);
  tenantdb_close(older);
  migrate(db);
  standby_assert_alike(db, 2);
  assert_int_equal(standby_halves(url), 0);
  tenantdb_close(db);
}

/* Made as the registry declares, and brought further by migrations that the registry knows by then. */
static void test_declared(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, TWO);
  fixture_use(db, fixture_migrations(FIXTURE_TENANT));
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  (void)standby_maintain(db);
  assert_int_equal(standby_count(url), 2);
  tenantdb_tenant_free(fixture_tenant(db, "old"));
  assert_int_equal(standby_taken(url), 1);
  tenantdb_close(db);
  tenantdb_registry *registry = fixture_registry();
  tenantdb_base *more = tenantdb_registry_base(registry, "More", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(more,
                    "CREATE TABLE extras (id integer PRIMARY KEY, n integer);"
                    "CREATE INDEX extras_n ON extras (n)");
  db = fixture_open(url, registry, TWO);
  tenantdb_migrations *set = fixture_migrations(FIXTURE_TENANT);
  tenantdb_migration_add(set, "tenant", 5, "extras",
                         "CREATE TABLE extras (id integer PRIMARY KEY, n integer)");
  tenantdb_migration_add(set, "tenant", 6, "index",
                         "-- tenantdb:tx none\nCREATE INDEX CONCURRENTLY extras_n ON {extras} (n)");
  fixture_use(db, set);
  tenantdb_tenant_free(fixture_tenant(db, "between"));
  assert_int_equal(standby_taken(url), 1);
  migrate(db);
  tenantdb_tenant_free(fixture_tenant(db, "new"));
  assert_int_equal(standby_taken(url), 2);
  assert_string_equal(fixture_findings(db, "new"), "");
  standby_assert_alike(db, 3);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- while a run is under way */

static int64_t members_not_done(void) {
  return harness_count(url, "SELECT count(*) FROM tenantdb.run_members WHERE state <> 'done'");
}

/* One made before migrations were in use begins at no version that a run could go on from. */
static void test_made_before(void **state) {
  (void)state;
  tenantdb *db = fixture_ready(url, TWO);
  (void)standby_maintain(db);
  assert_int_equal(standby_count(url), 2);
  tenantdb_close(db);
  db = fixture_migrated(url, NULL, fixture_migrations(FIXTURE_TENANT), TWO);
  tenantdb_run_options *options = tenantdb_run_options_new();
  tenantdb_run_options_set(options, "stream", "tenant");
  harness_assert_ok(tenantdb_migrate(db, options, NULL, &error), error);
  tenantdb_run_options_free(options);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.run_members WHERE standby"), 0);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  assert_int_equal(standby_taken(url), 0);
  assert_string_equal(standby_maintain(db), STANDBY_MADE STANDBY_MADE STANDBY_DROPPED STANDBY_DROPPED);
  tenantdb_tenant_free(fixture_tenant(db, "b"));
  assert_int_equal(standby_taken(url), 1);
  standby_assert_alike(db, 2);
  assert_int_equal(standby_halves(url), 0);
  tenantdb_close(db);
}

static tenantdb_registry *of_version(int64_t version) {
  tenantdb_registry *registry = fixture_registry();
  tenantdb_registry_version(registry, version);
  return registry;
}

/* The same of the very version that the migrations lead to: who took it would have no ledger. */
static void test_without_ledger(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, of_version(FIXTURE_TENANT), TWO);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  (void)standby_maintain(db);
  tenantdb_close(db);
  db = fixture_migrated(url, of_version(FIXTURE_TENANT), fixture_migrations(FIXTURE_TENANT), TWO);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  assert_int_equal(standby_taken(url), 0);
  assert_string_equal(fixture_ledger(db, "a"), "4 baseline done;");
  assert_string_equal(standby_maintain(db), STANDBY_MADE STANDBY_MADE STANDBY_DROPPED STANDBY_DROPPED);
  tenantdb_tenant_free(fixture_tenant(db, "b"));
  assert_int_equal(standby_taken(url), 1);
  assert_string_equal(fixture_ledger(db, "b"), "4 baseline done;");
  tenantdb_close(db);
}

/* A set whose first file somebody has edited, up to a version. */
static tenantdb *open_edited(int version) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add(set, "tenant", 1, "notes",
                         "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text"
                         " NOT NULL) /* edited */");
  if (version > 1) {
    tenantdb_migration_add(set, "tenant", 2, "items", fixture_items_sql);
  }
  return fixture_migrated(url, tenantdb_registry_new(), set, TWO);
}

/* What a repair did, as "version action tenants;". Until the next call. */
static const char *repaired(tenantdb *db, const char *tenants) {
  static char all[256];
  tenantdb_result *result = NULL;
  tenantdb_ledger_options *options = tenantdb_ledger_options_new();
  tenantdb_ledger_options_set(options, "tenants", tenants);
  harness_assert_ok(tenantdb_migration_repair(db, options, &result, &error), error);
  tenantdb_ledger_options_free(options);
  all[0] = '\0';
  for (int32_t i = 0; i < tenantdb_result_rows(result); i++) {
    size_t length = strlen(all);
    snprintf(all + length, sizeof all - length, "%s %s %s;", fixture_value(result, i, "version"),
             fixture_value(result, i, "action"), fixture_value(result, i, "tenants"));
  }
  tenantdb_result_free(result);
  return all;
}

/* Their ledger is repaired with the tenants': else the next run would refuse them. */
static void test_repaired(void **state) {
  (void)state;
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add(set, "tenant", 1, "notes", fixture_notes_sql);
  tenantdb *db = fixture_migrated(url, tenantdb_registry_new(), set, TWO);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  (void)standby_maintain(db);
  tenantdb_close(db);
  db = open_edited(2);
  harness_assert_fails(tenantdb_migrate(db, NULL, NULL, &error), error, TENANTDB_MIGRATION,
                       TENANTDB_REASON_HISTORY_EDITED);
  assert_string_equal(repaired(db, "a"), "1 sum 1;");
  harness_assert_fails(tenantdb_migrate(db, NULL, NULL, &error), error, TENANTDB_MIGRATION,
                       TENANTDB_REASON_HISTORY_EDITED);
  assert_string_equal(repaired(db, NULL), "1 sum 2;");
  assert_string_equal(repaired(db, NULL), "");
  migrate(db);
  assert_int_equal(members_not_done(), 0);
  tenantdb_tenant_free(fixture_tenant(db, "b"));
  assert_int_equal(standby_taken(url), 1);
  assert_int_equal(standby_count(url), 1);
  standby_assert_alike(db, 2);
  tenantdb_close(db);
}

/* Whose schema is not there any more is told so, whatever the server makes of its name. */
static void test_renamed(void **state) {
  (void)state;
  tenantdb *db = open_at(2, VIEW_1, TWO);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_close(db);
  harness_sql(url,
              "DO $$ BEGIN EXECUTE (SELECT format('ALTER SCHEMA %%I RENAME TO elsewhere', schema_name)"
              " FROM tenantdb.tenants); END $$");
  db = open_at(FIXTURE_TENANT, VIEW_1, TWO);
  harness_assert_fails(tenantdb_migrate(db, NULL, NULL, &error), error, TENANTDB_UNAVAILABLE,
                       TENANTDB_REASON_RUN_PARTLY);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.run_members WHERE state = 'failed' AND"
                                 " error LIKE 'the scope of a could not be proved%%'"),
                   1);
  tenantdb_close(db);
}

/* They were planned for as standby schemas, and are tenants when their turn comes. */
static void test_taken_before(void **state) {
  (void)state;
  tenantdb_run *run = NULL;
  tenantdb *older = open_at(2, VIEW_1, TWO);
  (void)standby_maintain(older);
  tenantdb *newer = open_at(FIXTURE_TENANT, VIEW_1, TWO);
  harness_assert_ok(tenantdb_migrate_begin(newer, NULL, &run, &error), error);
  tenantdb_tenant_free(fixture_tenant(older, "a"));
  tenantdb_tenant_free(fixture_tenant(older, "b"));
  assert_int_equal(standby_taken(url), 2);
  harness_assert_ok(tenantdb_run_work(run, 0, NULL, &error), error);
  tenantdb_run_free(run);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.run_members"), 2);
  assert_int_equal(members_not_done(), 0);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE version = 4"), 2);
  standby_assert_alike(newer, 2);
  assert_int_equal(standby_halves(url), 0);
  tenantdb_close(older);
  tenantdb_close(newer);
}

typedef struct runner {
  pthread_t thread;
  tenantdb *db;
  const char *lock_timeout;
  const char *lock_retries;
  tenantdb_status status;
} runner;

static void *run_thread(void *user) {
  runner *r = user;
  tenantdb_run_options *options = tenantdb_run_options_new();
  tenantdb_run_options_set(options, "lock_timeout", r->lock_timeout);
  tenantdb_run_options_set(options, "lock_retries", r->lock_retries);
  r->status = tenantdb_migrate(r->db, options, NULL, NULL);
  tenantdb_run_options_free(options);
  return NULL;
}

/* Somebody who keeps a migration from the only standby schema. */
static PGconn *hold(void) {
  char *lock = harness_value(url,
                             "SELECT format('BEGIN; LOCK TABLE %%I.notes IN ACCESS SHARE MODE', schema_name)"
                             " FROM tenantdb.standby_schemas");
  PGconn *other = PQconnectdb(url);
  assert_int_equal(PQstatus(other), CONNECTION_OK);
  PQclear(PQexec(other, lock));
  assert_int_equal(PQtransactionStatus(other), PQTRANS_INTRANS);
  free(lock);
  return other;
}

static void await_waiter(void) {
  for (int i = 0; i < 1000; i++) {
    if (harness_count(url,
                      "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND"
                      " wait_event_type = 'Lock'") > 0) {
      return;
    }
    fixture_pause_us(5000);
  }
  fail_msg("no migration waits for the lock");
}

/* What a migration is at is given to nobody. */
static void test_passed_over(void **state) {
  (void)state;
  tenantdb *older = open_at(1, VIEW_1, FIXTURE_OPTIONS("tenant.standby", "1"));
  (void)standby_maintain(older);
  tenantdb *newer = open_at(FIXTURE_TENANT, VIEW_1, FIXTURE_OPTIONS("tenant.standby", "1"));
  runner r = {.db = newer, .lock_timeout = "60s", .lock_retries = "0"};
  PGconn *other = hold();
  assert_int_equal(pthread_create(&r.thread, NULL, run_thread, &r), 0);
  await_waiter();
  tenantdb_tenant_free(fixture_tenant(older, "a"));
  assert_int_equal(standby_taken(url), 0);
  PQfinish(other);
  assert_int_equal(pthread_join(r.thread, NULL), 0);
  assert_int_equal(r.status, TENANTDB_OK);
  assert_int_equal(members_not_done(), 0);
  tenantdb_tenant_free(fixture_tenant(newer, "b"));
  assert_int_equal(standby_taken(url), 1);
  standby_assert_alike(newer, 2);
  assert_int_equal(standby_halves(url), 0);
  tenantdb_close(older);
  tenantdb_close(newer);
}

/* One whose migration was begun, pauses, and is a tenant's when it goes on: under his name, and no failure. */
static void test_taken_from_under(void **state) {
  (void)state;
  tenantdb *older = open_at(1, VIEW_1, FIXTURE_OPTIONS("tenant.standby", "1"));
  (void)standby_maintain(older);
  tenantdb *newer = open_at(FIXTURE_TENANT, VIEW_1, FIXTURE_OPTIONS("tenant.standby", "1"));
  runner r = {.db = newer, .lock_timeout = "20ms", .lock_retries = "100"};
  PGconn *other = hold();
  int tenants = 0;
  assert_int_equal(pthread_create(&r.thread, NULL, run_thread, &r), 0);
  await_waiter();
  for (; standby_taken(url) == 0 && tenants < 100; tenants++) {
    char slug[8];
    snprintf(slug, sizeof slug, "t%d", tenants);
    tenantdb_tenant_free(fixture_tenant(older, slug));
  }
  assert_int_equal(standby_taken(url), 1);
  PQfinish(other);
  assert_int_equal(pthread_join(r.thread, NULL), 0);
  assert_int_equal(r.status, TENANTDB_OK);
  assert_int_equal(members_not_done(), 0);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE version = 4"), tenants);
  standby_assert_alike(newer, tenants);
  assert_int_equal(standby_halves(url), 0);
  tenantdb_close(older);
  tenantdb_close(newer);
}

/* An older program creates tenants out of what a newer one migrates: everybody ends at the version. */
enum { DURING = 12 };
#define TWELVE FIXTURE_OPTIONS("tenant.standby", "12")

static void *create_meanwhile(void *user) {
  tenantdb *older = user;
  for (int i = 0; i < DURING; i++) {
    char slug[8];
    snprintf(slug, sizeof slug, "m%d", i);
    if (tenantdb_tenant_create(older, slug, NULL, NULL, NULL)) {
      return user;
    }
  }
  return NULL;
}

static void meet(tenantdb *older, tenantdb *newer) {
  pthread_t thread;
  void *failed = NULL;
  tenantdb_run *run = NULL;
  (void)standby_maintain(older);
  harness_assert_ok(tenantdb_migrate_begin(newer, NULL, &run, &error), error);
  assert_int_equal(pthread_create(&thread, NULL, create_meanwhile, older), 0);
  harness_assert_ok(tenantdb_run_work(run, 0, NULL, &error), error);
  tenantdb_run_free(run);
  assert_int_equal(pthread_join(thread, &failed), 0);
  assert_null(failed);
  migrate(newer); /* who was created behind its end */
  assert_int_equal(members_not_done(), 0);
  print_message("%lld of %d took one\n", (long long)standby_taken(url), DURING);
  standby_assert_alike(newer, DURING);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE version = 4"), DURING);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.standby_schemas WHERE version = 4"),
                   DURING - standby_taken(url));
  assert_int_equal(standby_halves(url), 0);
  tenantdb_close(older);
  tenantdb_close(newer);
}

static void test_meanwhile(void **state) {
  (void)state;
  tenantdb *older = open_at(2, VIEW_1, TWELVE);
  meet(older, open_at(FIXTURE_TENANT, VIEW_1, TWELVE));
}

/* The same with a migration that is not one transaction. */
static void test_meanwhile_in_steps(void **state) {
  (void)state;
  tenantdb *older = fixture_migrated(url, tenantdb_registry_new(), fixture_migrations(2), TWELVE);
  meet(older, fixture_migrated(url, tenantdb_registry_new(), fixture_migrations(FIXTURE_TENANT), TWELVE));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_migrated, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_replaced, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_declared, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_made_before, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_without_ledger, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_repaired, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_renamed, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_taken_before, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_passed_over, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_taken_from_under, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_meanwhile, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_meanwhile_in_steps, fixture_setup, fixture_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

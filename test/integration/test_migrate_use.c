/* SPDX-License-Identifier: PostgreSQL */
/* A set of migrations in use: who is made with which version, and what the ledger says of him. */
#include <pthread.h>
#include <unistd.h>

#include "fixture_migrations.h"
#include "relocate_fixture.h"

static tenantdb_error *error;

/* ---------------------------------------------------------------- the set itself */

static void test_arguments(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_result *result = NULL;
  fixture_assert_refused(tenantdb_use_migrations(NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  assert_int_equal(tenantdb_use_migrations(db, NULL, &error), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  fixture_assert_refused(tenantdb_migration_status(db, NULL, &result, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_MIGRATIONS, "tenantdb_use_migrations()");
  assert_null(result);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* A set that has all of the one in use may take its place, any other may not. */
static void test_again(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_open(url, NULL, NULL);
  fixture_use(db, fixture_migrations(2));
  fixture_use(db, fixture_migrations(2));
  fixture_use(db, fixture_migrations(3));
  tenantdb_migrations *less = fixture_migrations(1);
  fixture_assert_refused(tenantdb_use_migrations(db, less, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_HISTORY_MISSING, "only a set that extends the one in use");
  tenantdb_migrations_free(less);
  tenantdb_migrations *other = fixture_migrations(1);
  tenantdb_migration_add(other, "tenant", 2, "other", "SELECT 1");
  tenantdb_migration_add(other, "tenant", 3, "third", "SELECT 1");
  fixture_assert_refused(tenantdb_use_migrations(db, other, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_HISTORY_EDITED, "with sum");
  tenantdb_migrations_free(other);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_tenant *tenant = fixture_tenant(db, "a");
  assert_int_equal(tenantdb_tenant_version(tenant), 3);
  tenantdb_tenant_free(tenant);
  tenantdb_close(db);
  harness_drop_database(url);
}

static void test_registry_version(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_registry *registry = fixture_registry();
  tenantdb_registry_version(registry, 7);
  tenantdb *db = fixture_open(url, registry, NULL);
  tenantdb_migrations *set = fixture_migrations(FIXTURE_TENANT);
  fixture_assert_refused(tenantdb_use_migrations(db, set, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_BAD_MIGRATION, "declares version 7");
  tenantdb_migrations_free(set);
  tenantdb_close(db);
  registry = fixture_registry();
  tenantdb_registry_version(registry, FIXTURE_TENANT);
  db = fixture_open(url, registry, NULL);
  fixture_use(db, fixture_migrations(FIXTURE_TENANT));
  tenantdb_close(db);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- who is made */

static void assert_fingerprints(tenantdb *db, int32_t tenants) {
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_fingerprints(db, NULL, &result, &error), error);
  assert_int_equal(tenantdb_result_rows(result), tenants);
  for (int32_t i = 0; i < tenants; i++) {
    assert_string_equal(fixture_value(result, i, "equal"), "t");
    assert_string_equal(fixture_value(result, i, "fingerprint"), fixture_value(result, 0, "fingerprint"));
  }
  tenantdb_result_free(result);
}

static void drop_everywhere(const char *url, const char *what, const char *name) {
  harness_sql(url,
              "DO $$ DECLARE s text; BEGIN FOR s IN SELECT schema_name FROM tenantdb.tenants LOOP EXECUTE"
              " format('DROP %s IF EXISTS %%I.%%I', s, '%s'); END LOOP; END $$",
              what, name);
}

/* By the registry, by the whole history, by a checkpoint and what comes behind it: all end alike. */
static void test_ways(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_migrated(url, NULL, fixture_migrations(FIXTURE_TENANT), NULL);
  tenantdb *whole = fixture_migrated(url, NULL, fixture_migrations(FIXTURE_TENANT),
                                     FIXTURE_OPTIONS("migrate.new_tenants", "checkpoint"));
  tenantdb *late = fixture_migrated(url, NULL, fixture_migrations_from_checkpoint(),
                                    FIXTURE_OPTIONS("migrate.new_tenants", "checkpoint"));
  tenantdb_tenant *tenant = fixture_tenant(db, "by-registry");
  assert_int_equal(tenantdb_tenant_version(tenant), FIXTURE_TENANT);
  tenantdb_tenant_free(tenant);
  tenant = fixture_tenant(whole, "by-history");
  assert_int_equal(tenantdb_tenant_version(tenant), FIXTURE_TENANT);
  tenantdb_tenant_free(tenant);
  tenantdb_tenant_free(fixture_tenant(late, "from-checkpoint"));
  assert_string_equal(fixture_ledger(db, "by-registry"), "4 baseline done;");
  assert_string_equal(fixture_ledger(db, "by-history"),
                      "1 versioned done;2 versioned done;3 versioned done;4 versioned done;");
  assert_string_equal(fixture_ledger(late, "from-checkpoint"),
                      "2 checkpoint done;3 versioned done;4 versioned done;");
  assert_fingerprints(db, 3);
  assert_string_equal(fixture_findings(db, "by-history"), "");
  assert_string_equal(fixture_findings(db, "from-checkpoint"), "");
  tenantdb_session *session = fixture_session(whole, "by-history");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  fixture_run(session, "INSERT INTO items (note_id, n) VALUES (1, 1)");
  tenantdb_session_close(session);
  tenantdb_close(late);
  tenantdb_close(whole);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Without tables in the registry, tenants are made by migrations of themselves. */
static void test_without_registry(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add(set, "tenant", 1, "all",
                         "CREATE TABLE notes (id integer PRIMARY KEY);"
                         "CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1'");
  tenantdb_migration_add_repeatable(set, "tenant", "reports",
                                    "CREATE OR REPLACE VIEW ids AS SELECT id FROM notes");
  tenantdb *db = fixture_migrated(url, fixture_empty_registry(), set, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_session *session = fixture_session(db, "a");
  fixture_run(session, "INSERT INTO notes VALUES (1)");
  assert_string_equal(fixture_cell(session, "SELECT id FROM ids"), "1");
  tenantdb_session_close(session);
  assert_string_equal(fixture_ledger(db, "a"), "1 versioned done;0 reports repeatable done;");
  /* What should be there is what the migrations make. */
  assert_fingerprints(db, 1);
  assert_string_equal(fixture_findings(db, "a"), "");
  drop_everywhere(url, "VIEW", "ids");
  assert_string_equal(fixture_findings(db, "a"), "missing view ids;");
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM pg_proc p WHERE proname = 'one' AND"
                                 " has_function_privilege('public', p.oid, 'EXECUTE')"),
                   0);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* A migration that fails names itself, and nothing is left. */
static void test_fails(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_migrations *set = fixture_migrations(1);
  tenantdb_migration_add(set, "tenant", 2, "bad", "SELECT 1;\nALTER TABLE nothing ADD COLUMN x integer;");
  tenantdb *db = fixture_migrated(url, fixture_empty_registry(), set, NULL);
  tenantdb_tenant *tenant = NULL;
  assert_int_not_equal(tenantdb_tenant_create(db, "a", NULL, &tenant, &error), TENANTDB_OK);
  harness_assert_message(error, "line 2");
  harness_assert_message(error, "nothing");
  tenantdb_error_free(error);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants"), 0);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.migrations WHERE stream = 'tenant'"), 0);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* What migrations make is not what the registry declares: nobody is made so. */
static void test_disagree(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_migrated(url, NULL, fixture_migrations(1),
                                  FIXTURE_OPTIONS("migrate.new_tenants", "checkpoint"));
  tenantdb_tenant *tenant = NULL;
  fixture_assert_refused(tenantdb_tenant_create(db, "a", NULL, &tenant, &error), error, TENANTDB_INTERNAL,
                         TENANTDB_REASON_VERIFICATION_FAILED, "items");
  tenantdb_close(db);
  harness_drop_database(url);
}

static void test_activate_and_purge(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_migrated(url, NULL, fixture_migrations(FIXTURE_TENANT), NULL);
  tenantdb_tenant *tenant = NULL;
  harness_assert_ok(tenantdb_tenant_register(db, "a", NULL, NULL, &error), error);
  assert_string_equal(fixture_ledger(db, "a"), "");
  harness_assert_ok(tenantdb_tenant_activate(db, "a", &tenant, &error), error);
  assert_int_equal(tenantdb_tenant_version(tenant), FIXTURE_TENANT);
  tenantdb_tenant_free(tenant);
  assert_string_equal(fixture_ledger(db, "a"), "4 baseline done;");
  harness_assert_ok(tenantdb_tenant_rename(db, "a", "b", NULL, &error), error);
  assert_string_equal(fixture_ledger(db, "b"), "4 baseline done;");
  harness_assert_ok(tenantdb_tenant_purge(db, "b", 1, &error), error);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.migrations WHERE stream = 'tenant'"), 0);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- who is made with rows */

static void set_behind(const char *url, const char *slug, int64_t version) {
  harness_sql(
      url,
      "UPDATE tenantdb.tenants SET version = %lld WHERE slug = '%s';"
      "UPDATE tenantdb.migrations SET version = %lld WHERE tenant_id = (SELECT id FROM tenantdb.tenants"
      " WHERE slug = '%s') AND kind = 'baseline'",
      (long long)version, slug, (long long)version, slug);
}

static void test_clone(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_migrated(url, NULL, fixture_migrations(FIXTURE_TENANT), NULL);
  tenantdb_tenant *copy = NULL;
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_session *session = fixture_session(db, "a");
  fixture_run(session, "INSERT INTO notes (body) SELECT 'n' || i FROM generate_series(1, 5) i");
  tenantdb_session_close(session);
  harness_sql(
      url,
      "INSERT INTO tenantdb.migrations (stream, tenant_id, version, kind, title, sum, state) SELECT 'tenant',"
      " id, 2, 'versioned', 'at', 'x', 'done' FROM tenantdb.tenants WHERE slug = 'a'");
  harness_assert_ok(tenantdb_tenant_clone(db, "a", "b", NULL, NULL, &copy, &error), error);
  assert_int_equal(tenantdb_tenant_version(copy), FIXTURE_TENANT);
  tenantdb_tenant_free(copy);
  assert_string_equal(fixture_ledger(db, "b"), "2 versioned done;4 baseline done;");
  /* Rows of a version get a schema of that version, triggers and all. */
  harness_sql(url, "DELETE FROM tenantdb.migrations WHERE version = 2 AND kind = 'versioned'");
  set_behind(url, "a", 2);
  drop_everywhere(url, "TABLE", "items");
  harness_assert_ok(tenantdb_tenant_clone(db, "a", "c", NULL, NULL, &copy, &error), error);
  assert_int_equal(tenantdb_tenant_version(copy), 2);
  tenantdb_tenant_free(copy);
  session = fixture_session(db, "c");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "5");
  assert_string_equal(fixture_cell(session, "SELECT to_regclass('items')::text"), "");
  tenantdb_session_close(session);
  /* A repair leaves him to the migrations. */
  tenantdb_result *repair = NULL;
  harness_assert_ok(tenantdb_repair(db, NULL, 1, &repair, &error), error);
  for (int32_t i = 0; i < tenantdb_result_rows(repair); i++) {
    bool behind = strcmp(fixture_value(repair, i, "tenant"), "b") != 0;
    assert_int_equal(strncmp(fixture_value(repair, i, "outcome"), "left: of version 2", 18) == 0, behind);
  }
  tenantdb_result_free(repair);
  harness_sql(url, "UPDATE tenantdb.tenants SET version = 0 WHERE slug = 'a'");
  fixture_assert_refused(tenantdb_tenant_clone(db, "a", "d", NULL, NULL, &copy, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_NO_BASELINE, "tenantdb_migration_baseline()");
  set_behind(url, "a", 9);
  fixture_assert_refused(tenantdb_tenant_clone(db, "a", "d", NULL, NULL, &copy, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_HISTORY_MISSING, "tenant a is of version 9");
  tenantdb_close(db);
  harness_drop_database(url);
}

/* An archive is taken in at the version that it was made at, by the registry or by the migrations up to there. */
static void test_import(void **state) {
  (void)state;
  const char *url = harness_database();
  char folder[] = "/tmp/tenantdb-migrate-XXXXXX";
  char path[200];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/archive", folder);
  tenantdb *old = fixture_migrated(url, fixture_empty_registry(), fixture_migrations(2), NULL);
  tenantdb_tenant *tenant = NULL;
  tenantdb_tenant_free(fixture_tenant(old, "a"));
  tenantdb_session *session = fixture_session(old, "a");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('kept')");
  tenantdb_session_close(session);
  harness_assert_ok(tenantdb_tenant_export_file(old, "a", path, NULL, &error), error);
  tenantdb *db = fixture_migrated(url, NULL, fixture_migrations(FIXTURE_TENANT), NULL);
  harness_assert_ok(tenantdb_tenant_import_file(db, "b", NULL, path, NULL, &tenant, &error), error);
  assert_int_equal(tenantdb_tenant_version(tenant), 2);
  tenantdb_tenant_free(tenant);
  assert_string_equal(fixture_ledger(db, "b"), "1 versioned done;2 versioned done;");
  session = fixture_session(db, "b");
  assert_string_equal(fixture_cell(session, "SELECT body FROM notes"), "kept");
  tenantdb_session_close(session);
  tenantdb_close(db);
  tenantdb_close(old);
  remove(path);
  rmdir(folder);
  harness_drop_database(url);
}

static void check_cities(tenantdb *db, const char *slug) {
  tenantdb_session *session = fixture_session(db, slug);
  assert_string_equal(
      fixture_cell(session, "SELECT string_agg(id || ':' || name, ' ' ORDER BY id) FROM cities"),
      "2:Linz 3:Graz");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM log"),
                      "1"); /* it has no key to collide on */
  tenantdb_session_close(session);
}

/* Rows that migrations wrote are among those that are copied, or have been deleted since: they are not written anew. */
static void test_copy_with_rows(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add(
      set, "tenant", 1, "all",
      "CREATE TABLE cities (id integer PRIMARY KEY, name text);"
      "CREATE TABLE log (body text, city integer REFERENCES cities (id));"
      "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;"
      "INSERT INTO cities VALUES (1, 'Wien'), (2, 'Linz'); INSERT INTO log VALUES ('made', 2);"
      "CREATE TRIGGER keep BEFORE TRUNCATE ON log EXECUTE FUNCTION keep()");
  tenantdb *db = fixture_migrated(url, fixture_empty_registry(), set, NULL);
  char folder[] = "/tmp/tenantdb-migrate-XXXXXX";
  char path[200];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/archive", folder);
  tenantdb_tenant *copy = NULL;
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_session *session = fixture_session(db, "a");
  fixture_run(session, "DELETE FROM cities WHERE id = 1");
  fixture_run(session, "INSERT INTO cities VALUES (3, 'Graz')");
  tenantdb_session_close(session);
  harness_assert_ok(tenantdb_tenant_clone(db, "a", "b", NULL, NULL, &copy, &error), error);
  tenantdb_tenant_free(copy);
  check_cities(db, "b");
  harness_assert_ok(tenantdb_tenant_export_file(db, "a", path, NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_import_file(db, "c", NULL, path, NULL, &copy, &error), error);
  tenantdb_tenant_free(copy);
  check_cities(db, "c");
  tenantdb_close(db);
  remove(path);
  rmdir(folder);
  harness_drop_database(url);
}

/* Triggers of migrations that are made with their table do not see the rows that are copied. */
static void test_clone_with_triggers(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add(
      set, "tenant", 1, "all",
      "CREATE TABLE notes (id integer PRIMARY KEY, body text, seen integer DEFAULT 0);"
      "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.seen := NEW.seen + 1;"
      " RETURN NEW; END $$;"
      "CREATE TRIGGER stamp BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION stamp();"
      "CREATE TABLE parts (id integer REFERENCES notes (id));"
      "ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ALTER TABLE notes FORCE ROW LEVEL SECURITY;"
      "CREATE POLICY few ON notes USING (id < 3)");
  tenantdb *db = fixture_migrated(url, fixture_empty_registry(), set, NULL);
  tenantdb_tenant *copy = NULL;
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_session *session = fixture_session(db, "a");
  fixture_run(session, "INSERT INTO notes VALUES (1, 'x'), (2, 'y')");
  fixture_run(session, "INSERT INTO parts VALUES (1)");
  tenantdb_session_close(session);
  harness_assert_ok(tenantdb_tenant_clone(db, "a", "b", NULL, NULL, &copy, &error), error);
  tenantdb_tenant_free(copy);
  session = fixture_session(db, "b");
  assert_string_equal(
      fixture_cell(session, "SELECT string_agg(id || ':' || seen, ' ' ORDER BY id) FROM notes"), "1:1 2:1");
  assert_string_equal(fixture_cell(session,
                                   "SELECT tgenabled FROM pg_trigger WHERE tgname = 'stamp' AND tgrelid ="
                                   " 'notes'::regclass"),
                      "O");
  assert_string_equal(
      fixture_cell(session, "SELECT relforcerowsecurity FROM pg_class WHERE oid = 'notes'::regclass"), "t");
  tenantdb_session_close(session);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* A schema that somebody made by hand is as the registry declares it, so it is of the newest version. */
static void test_adopt(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_migrated(url, NULL, fixture_migrations(FIXTURE_TENANT), NULL);
  harness_sql(
      url,
      "CREATE SCHEMA old; SET search_path = old; %s; ALTER TABLE notes ADD COLUMN at timestamptz NOT NULL"
      " DEFAULT now(); CREATE INDEX notes_at ON notes (at DESC); %s",
      fixture_notes_sql, fixture_items_sql);
  relocate_do(db, FIXTURE_OPTIONS("what", "adopt", "tenant", "a", "from", "old"));
  assert_string_equal(fixture_ledger(db, "a"), "4 baseline done;");
  /* One that differs has no version, and the ledger does not know him. */
  harness_sql(url, "CREATE SCHEMA odd; CREATE TABLE odd.notes (id integer)");
  relocate_do(db, FIXTURE_OPTIONS("what", "adopt", "tenant", "b", "from", "odd", "force", "on"));
  assert_string_equal(fixture_ledger(db, "b"), "");
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Sets that grow come into use while tenants are made: each is whole, of one of the sets. */
typedef struct worker {
  tenantdb *db;
  int number;
} worker;

static void *use_or_create(void *argument) {
  const worker *w = argument;
  tenantdb_error *own = NULL;
  for (int i = 0; i < 4; i++) {
    char slug[40];
    snprintf(slug, sizeof slug, "t%d-%d", w->number, i);
    tenantdb_migrations *set = fixture_migrations(i + 1);
    tenantdb_status used = tenantdb_use_migrations(w->db, set, &own); /* somebody may be further */
    tenantdb_error_free(own);
    tenantdb_migrations_free(set);
    if ((used && used != TENANTDB_STATE) || tenantdb_tenant_create(w->db, slug, NULL, NULL, &own)) {
      return argument;
    }
  }
  return NULL;
}

static void test_threads(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_migrated(url, fixture_empty_registry(), fixture_migrations(1), NULL);
  pthread_t threads[4];
  worker workers[4];
  for (int i = 0; i < 4; i++) {
    workers[i] = (worker){db, i};
    assert_int_equal(pthread_create(&threads[i], NULL, use_or_create, &workers[i]), 0);
  }
  for (int i = 0; i < 4; i++) {
    void *failed;
    assert_int_equal(pthread_join(threads[i], &failed), 0);
    assert_null(failed);
  }
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants"), 16);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.tenants t WHERE version <> (SELECT max(version) FROM"
                    " tenantdb.migrations m WHERE m.tenant_id = t.id) OR (version >= 4) <>"
                    " (to_regclass(quote_ident(schema_name) || '.items') IS NOT NULL)"),
      0);
  assert_int_equal(harness_count(url, "SELECT max(version) FROM tenantdb.tenants"), 4);
  tenantdb_close(db);
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_arguments),
      cmocka_unit_test(test_again),
      cmocka_unit_test(test_registry_version),
      cmocka_unit_test(test_ways),
      cmocka_unit_test(test_without_registry),
      cmocka_unit_test(test_fails),
      cmocka_unit_test(test_disagree),
      cmocka_unit_test(test_activate_and_purge),
      cmocka_unit_test(test_clone),
      cmocka_unit_test(test_import),
      cmocka_unit_test(test_clone_with_triggers),
      cmocka_unit_test(test_copy_with_rows),
      cmocka_unit_test(test_adopt),
      cmocka_unit_test(test_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * While a change is unfinished: who is made meanwhile serves both releases of an application, and
 * a draft leaves alone what the older one still needs.
 */
#include "change_fixture.h"
#include "change_releases.h"

static tenantdb_error *error;

/* What the newer release declares: the tables as they will be in the end. */
static const char entries_sql[] =
    "CREATE TABLE entries (id bigint GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME notes_id_seq) CONSTRAINT"
    " notes_pkey PRIMARY KEY, content text NOT NULL, n bigint NOT NULL DEFAULT 0, slug text NOT NULL);"
    "CREATE INDEX notes_body ON entries (content)";

static const char old_write[] = "INSERT INTO notes (body, n, kind) VALUES ('Old', 1, 'x')";
static const char new_write[] = "INSERT INTO entries (content, n, slug) VALUES ('New', 5000000000, 'new')";

static tenantdb_registry *registry_of(const char *sql) {
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base_sql(tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT), sql);
  return registry;
}

static tenantdb *open_release(const char *url, const char *declared, int count) {
  return fixture_migrated(url, registry_of(declared), migrations(count), NULL);
}

static void migrate(tenantdb *db) {
  harness_assert_ok(tenantdb_migrate(db, NULL, NULL, &error), error);
}

static void write_to(tenantdb *db, const char *tenant, const char *sql) {
  tenantdb_session *session = fixture_session(db, tenant);
  fixture_run(session, sql);
  tenantdb_session_close(session);
}

static void assert_cell(tenantdb *db, const char *tenant, const char *sql, const char *cell) {
  tenantdb_session *session = fixture_session(db, tenant);
  assert_string_equal(fixture_cell(session, sql), cell);
  tenantdb_session_close(session);
}

static void assert_alike(tenantdb *db, int32_t tenants) {
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_fingerprints(db, NULL, &result, &error), error);
  assert_int_equal(tenantdb_result_rows(result), tenants);
  for (int32_t i = 1; i < tenants; i++) {
    assert_string_equal(fixture_value(result, i, "fingerprint"), fixture_value(result, 0, "fingerprint"));
  }
  tenantdb_result_free(result);
}

/* ---------------------------------------------------------------- new tenants */

static void both_releases_write(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *older = open_release(url, notes_sql, 1);
  tenantdb_tenant_free(fixture_tenant(older, "a"));
  tenantdb *newer = open_release(url, entries_sql, 2);
  migrate(newer);
  tenantdb_tenant *tenant = fixture_tenant(newer, "c");
  assert_int_equal(tenantdb_tenant_version(tenant), 2);
  tenantdb_tenant_free(tenant);
  assert_string_equal(fixture_ledger(newer, "c"), "1 versioned done;2 versioned done;");
  static const char *const tenants[] = {"a", "c"};
  for (int i = 0; i < 2; i++) {
    write_to(older, tenants[i], old_write);
    write_to(newer, tenants[i], new_write);
    write_to(older, tenants[i], "UPDATE notes SET body = body || '!'");
    assert_cell(newer, tenants[i],
                "SELECT string_agg(concat_ws(' ', content, slug, n), ', ' ORDER BY id) FROM entries",
                "Old! old 1, New! new 5000000000");
    assert_cell(older, tenants[i], "SELECT string_agg(body, ', ' ORDER BY id) FROM notes", "Old!, New!");
  }
  assert_alike(newer, 2);
  tenantdb_close(older);
  /* From here on the registry says it all again. */
  tenantdb *newest = open_release(url, entries_sql, 3);
  migrate(newest);
  tenantdb_tenant_free(fixture_tenant(newest, "d"));
  assert_string_equal(fixture_ledger(newest, "d"), "3 baseline done;");
  write_to(newer, "c", new_write);
  write_to(newest, "d", new_write);
  assert_alike(newest, 3);
  tenantdb_close(newer);
  tenantdb_close(newest);
  harness_drop_database(url);
}

/* From a checkpoint that was made before the change, and the files behind it. */
static void from_a_checkpoint(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_migrations *set = migrations(2);
  tenantdb_migration_add_checkpoint(set, 1, "", notes_sql);
  tenantdb *db = fixture_migrated(url, registry_of(entries_sql), set, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  assert_string_equal(fixture_ledger(db, "a"), "1 checkpoint done;2 versioned done;");
  write_to(db, "a", old_write);
  write_to(db, "a", new_write);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Who says that the registry makes them gets what it declares. */
static void by_the_registry(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_migrated(url, registry_of(entries_sql), migrations(2),
                                  FIXTURE_OPTIONS("migrate.new_tenants", "registry"));
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  assert_string_equal(fixture_ledger(db, "a"), "2 baseline done;");
  write_to(db, "a", new_write);
  assert_cell(db, "a", "SELECT to_regclass('notes') IS NULL", "t");
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Files that begin in the middle make no schema: that is told, with what is to be done. */
static void files_that_make_no_schema(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add(set, "tenant", 2, "expand", expand_sql);
  tenantdb *db = fixture_migrated(url, registry_of(entries_sql), set, NULL);
  tenantdb_tenant *tenant = NULL;
  assert_int_equal(tenantdb_tenant_create(db, "a", NULL, &tenant, &error), TENANTDB_SQL);
  harness_assert_message(error, "migration tenant version 2, line 2");
  const char *hint = tenantdb_error_hint(error);
  if (!strstr(hint, "add_column of entries.slug (tenant version 2) lacks its finish_add_column") ||
      !strstr(hint, "migrate.new_tenants")) {
    fail_msg("%s", hint);
  }
  tenantdb_error_free(error);
  error = NULL;
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants"), 0);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* A number that the registry says is held against the set's, whoever makes the schema. */
static void registry_version(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_registry *registry = registry_of(entries_sql);
  tenantdb_registry_version(registry, 3);
  tenantdb *db = fixture_open(url, registry, NULL);
  tenantdb_migrations *set = migrations(2);
  fixture_assert_refused(tenantdb_use_migrations(db, set, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_BAD_MIGRATION, "declares version 3");
  tenantdb_migrations_free(set);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* The shared schema of a database that begins is made by its files, then. */
static void shared_tables(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base_sql(tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED),
                    "CREATE TABLE plans (id integer PRIMARY KEY, label text)");
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add(set, "shared", 1, "plans", "CREATE TABLE plans (id integer PRIMARY KEY, name text)");
  tenantdb_migration_add(set, "shared", 2, "expand",
                         "-- tenantdb:tx none\n-- tenantdb:change rename_column table=plans column=name "
                         "to=label\n");
  tenantdb *db = fixture_migrated(url, registry, set, NULL);
  assert_string_equal(fixture_ledger(db, ""), "");
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_class WHERE relname = 'plans'"), 0);
  migrate(db);
  harness_sql(url, "INSERT INTO public.plans (id, name) VALUES (1, 'one')");
  assert_int_equal(harness_count(url, "SELECT count(*) FROM public.plans WHERE label = 'one'"), 1);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- drafts */

static void assert_draft(tenantdb *db, const char *const *parts, const char *const *not_in) {
  tenantdb_result *files = NULL;
  harness_assert_ok(tenantdb_migration_draft(db, "tenant", &files, &error), error);
  if (!parts) {
    if (tenantdb_result_rows(files)) {
      fail_msg("%s", fixture_value(files, 0, "sql"));
    }
    tenantdb_result_free(files);
    return;
  }
  assert_true(tenantdb_result_rows(files) > 0);
  const char *sql = fixture_value(files, 0, "sql");
  for (; *parts; parts++) {
    if (!strstr(sql, *parts)) {
      fail_msg("%s\nis not in\n%s", *parts, sql);
    }
  }
  for (; *not_in; not_in++) {
    if (strstr(sql, *not_in)) {
      fail_msg("%s\nis in\n%s", *not_in, sql);
    }
  }
  tenantdb_result_free(files);
}

static void drafts(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = open_release(url, entries_sql, 2);
  assert_draft(db, NULL, NULL);
  tenantdb_close(db);
  char more[2000];
  snprintf(more, sizeof more, "%s;CREATE TABLE tags (id integer PRIMARY KEY)", entries_sql);
  db = open_release(url, more, 2);
  assert_draft(
      db,
      (const char *const[]){"CREATE TABLE tags",
                            "-- UNFINISHED, and left alone: rename_column of entries.body (tenant "
                            "version 2) lacks its finish_rename_column\n",
                            "rename_table of notes (tenant version 2) lacks its finish_rename_table",
                            "retire_column of entries.kind (tenant version 2) lacks its drop_column", NULL},
      (const char *const[]){"LEFT TO YOU", "_tenantdb_", "DROP", "SET DEFAULT", NULL});
  tenantdb_close(db);
  harness_drop_database(url);
}

/* What cannot be finished yet is compared as it is: a view of the older release uses what would go. */
static void drafts_of_what_is_used(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb_migrations *set = migrations(2);
  tenantdb_migration_add_repeatable(set, "tenant", "bodies",
                                    "CREATE OR REPLACE VIEW bodies AS SELECT body FROM entries");
  tenantdb *db = fixture_migrated(url, registry_of(entries_sql), set, NULL);
  assert_draft(db, (const char *const[]){"-- UNFINISHED, and left alone", "-- LEFT TO YOU", NULL},
               (const char *const[]){NULL});
  tenantdb_close(db);
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(both_releases_write),
      cmocka_unit_test(from_a_checkpoint),
      cmocka_unit_test(by_the_registry),
      cmocka_unit_test(files_that_make_no_schema),
      cmocka_unit_test(registry_version),
      cmocka_unit_test(shared_tables),
      cmocka_unit_test(drafts),
      cmocka_unit_test(drafts_of_what_is_used),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

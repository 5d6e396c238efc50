/* SPDX-License-Identifier: PostgreSQL */
/* Drafts: what the registry declares and migrations do not make, as the next files. */
#include "fixture_migrations.h"

static tenantdb_error *error;

static tenantdb_result *draft(tenantdb *db, const char *stream) {
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_migration_draft(db, stream, &result, &error), error);
  return result;
}

static void assert_none(tenantdb *db, const char *stream) {
  tenantdb_result *result = draft(db, stream);
  if (tenantdb_result_rows(result) > 0) {
    print_message("%s\n", fixture_value(result, 0, "sql"));
  }
  assert_int_equal(tenantdb_result_rows(result), 0);
  tenantdb_result_free(result);
}

/* A draft's own text gives lint nothing to say, unless it is about a lock that the change needs. */
static void assert_lint(const char *stream, tenantdb_registry *(*registry)(void), tenantdb_result *files) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_registry *declared = registry();
  tenantdb_result *findings = NULL;
  for (int32_t i = 0; i < tenantdb_result_rows(files); i++) {
    tenantdb_migration_add(set, stream, i + 1, NULL, fixture_value(files, i, "sql"));
  }
  harness_assert_ok(tenantdb_migrations_lint(set, declared, &findings, &error), error);
  for (int32_t i = 0; i < tenantdb_result_rows(findings); i++) {
    if (strcmp(fixture_value(findings, i, "rule"), "foreign-key-validates") != 0) {
      fail_msg("%s: %s, line %s: %s\n%s", fixture_value(findings, i, "rule"),
               fixture_value(findings, i, "file"), fixture_value(findings, i, "line"),
               fixture_value(findings, i, "message"), fixture_value(files, 0, "sql"));
    }
  }
  tenantdb_result_free(findings);
  tenantdb_registry_free(declared);
  tenantdb_migrations_free(set);
}

/* Add a draft's files to a set as the versions from `version` on, until there is nothing left to draft. */
static void apply(const char *url, tenantdb_registry *(*registry)(void), tenantdb_migrations *(*begin)(void),
                  const char *stream, int64_t version) {
  tenantdb *db = fixture_open(url, registry(), NULL);
  fixture_use(db, begin());
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_result *files = draft(db, stream);
  assert_lint(stream, registry, files);
  tenantdb_migrations *set = begin();
  assert_true(tenantdb_result_rows(files) > 0);
  for (int32_t i = 0; i < tenantdb_result_rows(files); i++) {
    tenantdb_migration_add(set, stream, version + i, NULL, fixture_value(files, i, "sql"));
  }
  tenantdb_result_free(files);
  tenantdb_close(db);
  db = fixture_open(url, registry(), NULL);
  fixture_use(db, set);
  assert_none(db, stream);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- nothing to do */

static void test_equal(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_migrated(url, NULL, fixture_migrations(FIXTURE_TENANT), NULL);
  assert_none(db, "tenant");
  assert_none(db, "shared");
  tenantdb_close(db);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- a table, a column, an index */

static tenantdb_migrations *first(void) {
  return fixture_migrations(1);
}

static tenantdb_migrations *first_three(void) {
  return fixture_migrations(3);
}

static void test_parts(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_migrated(url, NULL, fixture_migrations(1), NULL);
  tenantdb_result *files = draft(db, "tenant");
  assert_int_equal(tenantdb_result_rows(files), 2);
  assert_string_equal(fixture_value(files, 0, "file"), "tenant/2_draft.sql");
  assert_string_equal(fixture_value(files, 1, "file"), "tenant/3_draft_concurrently.sql");
  assert_non_null(strstr(fixture_value(files, 0, "sql"), "ADD COLUMN at "));
  assert_non_null(strstr(fixture_value(files, 0, "sql"), "CREATE TABLE"));
  assert_null(strstr(fixture_value(files, 0, "sql"), "scratch"));
  assert_int_equal(strncmp(fixture_value(files, 1, "sql"), "-- tenantdb:tx none\n", 20), 0);
  assert_non_null(strstr(fixture_value(files, 1, "sql"), "CREATE INDEX CONCURRENTLY notes_at ON {notes} "));
  tenantdb_result_free(files);
  tenantdb_close(db);
  apply(url, fixture_registry, first, "tenant", 2);
  apply(url, fixture_registry, first_three, "tenant", 4);
  harness_drop_database(url);
}

/* From nothing: the whole of what is declared, as the first file. */
static tenantdb_migrations *nothing(void) {
  return tenantdb_migrations_new();
}

static void test_first(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_migrated(url, NULL, nothing(), NULL);
  tenantdb_result *files = draft(db, "shared");
  assert_int_equal(tenantdb_result_rows(files), 1);
  assert_int_equal(strlen(fixture_value(files, 0, "file")), strlen("shared/20240101120000_draft.sql"));
  tenantdb_result_free(files);
  tenantdb_close(db);
  apply(url, fixture_registry, nothing, "tenant", 1);
  apply(url, fixture_registry, nothing, "shared", 1);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- everything else */

static tenantdb_registry *rich_registry(void) {
  tenantdb_registry *registry = fixture_registry();
  tenantdb_base *service = tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT);
  tenantdb_base *central = tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED);
  tenantdb_base_sql(
      service,
      "CREATE TYPE mood AS ENUM ('good', 'bad');"
      "CREATE TABLE \"Order\" (id integer PRIMARY KEY, \"from\" text, mood mood DEFAULT 'good',"
      " plan integer REFERENCES plans (id));"
      "CREATE TABLE odd (a integer UNIQUE CHECK (a > 0) CHECK (a < 9), \"C d\" text CHECK (\"C d\" <> ''),"
      " up integer CONSTRAINT odd_up REFERENCES odd (a), x integer, y integer, CHECK (x > y), UNIQUE "
      "(y, x),"
      " CHECK (y > x OR y < a), FOREIGN KEY (x, y) REFERENCES odd (y, x), CHECK (x > 5),"
      " EXCLUDE USING btree (x WITH =));"
      "COMMENT ON TABLE \"Order\" IS 'it''s; a -- comment';"
      "CREATE VIEW bodies AS SELECT body FROM notes;"
      "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN"
      " NEW.at := now(); RETURN NEW; END $$;"
      "CREATE TRIGGER stamp BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION stamp();"
      "CREATE UNIQUE INDEX items_n ON items (n) WHERE n > 5;");
  tenantdb_base_sql(central,
                    "CREATE TABLE news (id integer PRIMARY KEY, plan integer REFERENCES plans (id));"
                    "CREATE INDEX news_plan ON news (plan);");
  return registry;
}

static tenantdb_migrations *all(void) {
  return fixture_migrations(FIXTURE_TENANT);
}

static void test_rich(void **state) {
  (void)state;
  const char *url = harness_database();
  apply(url, rich_registry, all, "tenant", 5);
  apply(url, rich_registry, all, "shared", 3);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- what would lose data */

static tenantdb_migrations *too_much(void) {
  tenantdb_migrations *set = fixture_migrations(FIXTURE_TENANT);
  tenantdb_migration_add(set, "tenant", 20240101120000, "more",
                         "CREATE TABLE gone (id integer); ALTER TABLE notes ADD COLUMN old text;"
                         " ALTER TABLE items DROP CONSTRAINT n_positive;");
  return set;
}

static void test_left(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_migrated(url, NULL, too_much(), NULL);
  tenantdb_result *files = draft(db, "tenant");
  assert_int_equal(tenantdb_result_rows(files), 1);
  assert_true(strcmp(fixture_value(files, 0, "file"), "tenant/20240101120001_draft.sql") > 0);
  assert_non_null(strstr(fixture_value(files, 0, "file"), "_draft.sql"));
  assert_non_null(strstr(fixture_value(files, 0, "sql"), "-- LEFT TO YOU: table gone"));
  assert_non_null(strstr(fixture_value(files, 0, "sql"), "-- LEFT TO YOU: column notes.old"));
  assert_non_null(strstr(fixture_value(files, 0, "sql"), "n_positive"));
  assert_string_equal(fixture_value(files, 0, "note"), "2 differences are left to you: see the comments");
  tenantdb_result_free(files);
  tenantdb_close(db);
  harness_drop_database(url);
}

static void test_mistakes(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_result *result = NULL;
  fixture_assert_refused(tenantdb_migration_draft(db, "tenant", &result, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_MIGRATIONS, "tenantdb_use_migrations()");
  fixture_assert_refused(tenantdb_migration_draft(db, NULL, &result, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "stream is NULL");
  assert_int_equal(tenantdb_migration_draft(db, "both", &result, &error), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  error = NULL;
  tenantdb_migrations *set = fixture_migrations(1);
  tenantdb_migration_add(set, "tenant", 2, "bad", "ALTER TABLE nothing ADD COLUMN x integer");
  fixture_use(db, set);
  assert_int_equal(tenantdb_migration_draft(db, "tenant", &result, &error), TENANTDB_SQL);
  harness_assert_message(error, "migration tenant version 2, line 1");
  tenantdb_error_free(error);
  tenantdb_close(db);
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_equal), cmocka_unit_test(test_parts), cmocka_unit_test(test_rich),
      cmocka_unit_test(test_first), cmocka_unit_test(test_left),  cmocka_unit_test(test_mistakes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Folders of migrations: names, tools, and everything that may lie in one. */
#include "migrate/set.h"
#include "migrations.h"

/* Load a flat folder as the tenant stream, with one option; the message it fails with, or NULL. */
static void load_flat(const char *folder, const char *key, const char *value, const char *message) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_error *error = NULL;
  if (key) {
    tenantdb_migrations_set(set, key, value);
  }
  tenantdb_status status = tenantdb_migrations_load_stream(set, "tenant", folder, &error);
  if (status) {
    /* The set remembers it. */
    tenantdb_error *again = NULL;
    assert_int_equal(tenantdb_migrations_check(set, &again), status);
    assert_string_equal(tenantdb_error_message(again), tenantdb_error_message(error));
    tenantdb_error_free(again);
  } else {
    status = tenantdb_migrations_check(set, &error);
  }
  const char *told = status ? tenantdb_error_message(error) : "OK";
  if (message ? !strstr(told, message) : status != TENANTDB_OK) {
    fail_msg("wanted \"%s\", got \"%s\"", message ? message : "OK", told);
  }
  tenantdb_error_free(error);
  tenantdb_migrations_free(set);
}

/* The same, without an option, of a folder with that file added or written again. */
static void load_with(const char *folder, const char *name, const char *text, const char *message) {
  file_in(folder, name, text);
  load_flat(folder, NULL, NULL, message);
}

/* A folder with one file of that name, and perhaps an option. */
static void name_is(const char *name, const char *key, const char *value, const char *message) {
  char *folder = folder_new();
  file_in(folder, name, "SELECT 1;");
  load_flat(folder, key, value, message);
  folder_remove(folder);
}

static tenantdb_migrations *loaded(const char *folder, const char *key, const char *value) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_error *error = NULL;
  tenantdb_migrations_set(set, key ? key : "naming", value);
  if (tenantdb_migrations_load_stream(set, "tenant", folder, &error) ||
      tenantdb_migrations_check(set, &error)) {
    fail_msg("%s", tenantdb_error_message(error));
  }
  return set;
}

/* ---------------------------------------------------------------- names */

static void names(void **state) {
  (void)state;
  static const char *const right[] = {"1_a.sql",
                                      "000001_a.sql",
                                      "999999999999999999_a.sql",
                                      "000000000999999999999999999_a.sql",
                                      "20261101120000_create orders, \xc3\xa4 la carte.sql",
                                      "1_a.b.c.sql",
                                      "R__views.sql",
                                      "V1__a.sql",
                                      "V007__a__b.sql",
                                      "V999999999999999999__a.sql",
                                      "B3__all.sql",
                                      "1_x.up.sql"};
  for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
    name_is(right[i], NULL, NULL, NULL);
  }
  static const char *const wrong[][2] = {
      {"0_a.sql", "is no number from 1 on"},
      {"1000000000000000000_a.sql", "is no number from 1 on of at most 18 digits"},
      {"1.sql", "no _ between version and title"},
      {"1a.sql", "no _ between version and title"},
      {"1-a.sql", "no _ between"},
      {"1_.sql", "has no title"},
      {"1_.up.sql", "has no title"},
      {"a.sql", "its name is not understood"},
      {"notes.txt", "its name is not understood"},
      {"1_a.SQL", "its name is not understood"},
      {"1_a.sql.bak", "its name is not understood"},
      {"20170506082420_a.go", "is written in Go"},
      {"V1_a.sql", "has no __"},
      {"V1__.sql", "has no title"},
      {"V0__a.sql", "its version is 0"},
      {"V1000000000000000000__a.sql", "its version is not made of numbers"},
      {"V1.2__a.sql", "more parts than option flyway_parts"},
      {"V1_2__a.sql", "more parts than option flyway_parts"},
      {"V1.__a.sql", "ends in a dot"},
      {"V1x__a.sql", "not made of numbers"},
      {"v1__a.sql", "its name is not understood"},
      {"R__.sql", "has no title"},
      {"afterMigrate.sql", "one of Flyway's callbacks"},
      {"beforeEachMigrate__x.sql", "one of Flyway's callbacks"},
      {"1_a.down.sql", "leads back from version 1 of stream tenant, which is not there"},
      {"U1__a.sql", "leads back from version 1"},
      {"V1__a.sql.conf", "there is no file that it belongs to"},
      {"1_a\x01.sql", "control characters"},
      {"1_a\xff.sql", "not UTF-8"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    name_is(wrong[i][0], NULL, NULL, wrong[i][1]);
  }
}

static void namings(void **state) {
  (void)state;
  static const char *const rows[][3] = {
      {"1_a.sql", "tenantdb", NULL},
      {"R__a.sql", "tenantdb", NULL},
      {"V1__a.sql", "tenantdb", "is none of tenantdb"},
      {"1_a.up.sql", "tenantdb", "is none of tenantdb"},
      {"V1__a.sql", "flyway", NULL},
      {"R__a.sql", "flyway", NULL},
      {"1_a.sql", "flyway", "is none of flyway"},
      {"1_a.up.sql", "golang-migrate", NULL},
      {"1_a.sql", "golang-migrate", "is none of golang-migrate"},
      {"R__a.sql", "golang-migrate", "is none of golang-migrate"},
      {"V1__a.sql", "golang-migrate", "is none of golang-migrate"},
      {"1_a.sql", "goose", "no section for the way there (-- +goose Up)"},
      {"1_a.sql", "dbmate", "no section for the way there (-- migrate:up)"},
      {"1_a.up.sql", "goose", "is none of goose"},
      {"R__a.sql", "dbmate", "is none of dbmate"},
      {"1_a.down.sql", "goose", "is none of goose"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    name_is(rows[i][0], "naming", rows[i][1], rows[i][2]);
  }
  char *folder = folder_new();
  file_in(folder, "1_a.sql", "-- +goose Up\nSELECT 1;");
  load_flat(folder, "naming", "goose", NULL);
  load_flat(folder, "naming", "auto", NULL);
  load_flat(folder, "naming", "tenantdb", "it has markers of goose, but is a file of tenantdb");
  load_flat(folder, "naming", "dbmate", "it has markers of goose, but is a file of dbmate");
  folder_remove(folder);
}

/* ---------------------------------------------------------------- Flyway */

static int64_t flyway_version(const char *name, const char *parts) {
  char *folder = folder_new();
  file_in(folder, name, "SELECT 1;");
  tenantdb_migrations *set = loaded(folder, "flyway_parts", parts);
  int64_t version = set->items[0]->version;
  tenantdb_migrations_free(set);
  folder_remove(folder);
  return version;
}

static void flyway_parts(void **state) {
  (void)state;
  assert_int_equal(flyway_version("V7__a.sql", "1"), 7);
  assert_int_equal(flyway_version("V7__a.sql", "2"), 70000);
  assert_int_equal(flyway_version("V7.1__a.sql", "2"), 70001);
  assert_int_equal(flyway_version("V7_10__a.sql", "2"), 70010);
  assert_int_equal(flyway_version("V7.0__a.sql", "2"), 70000);
  assert_int_equal(flyway_version("V0.1__a.sql", "2"), 1);
  assert_int_equal(flyway_version("V1.2.3__a.sql", "3"), INT64_C(100020003));
  assert_int_equal(flyway_version("V1.2__a.sql", "3"), INT64_C(100020000));
  assert_int_equal(flyway_version("V2026.11.01.1030__a.sql", "4"), INT64_C(2026001100011030));
  assert_int_equal(flyway_version("V20261101120000.9999__a.sql", "2"), INT64_C(202611011200009999));
  name_is("V1.2.3__a.sql", "flyway_parts", "2", "more parts than option flyway_parts");
  name_is("V1.10000__a.sql", "flyway_parts", "2", "part 2 of its version has more than 4 digits");
  name_is("V100000000000000.1__a.sql", "flyway_parts", "2", "part 1 of its version has more than 14 digits");
  name_is("V1000000__a.sql", "flyway_parts", "4", "part 1 of its version has more than 6 digits");
  name_is("V0.0__a.sql", "flyway_parts", "2", "its version is 0");
  char *folder = folder_new();
  file_in(folder, "V1__a.sql", "SELECT 1;");
  file_in(folder, "V1.0__b.sql", "SELECT 1;");
  load_flat(folder, "flyway_parts", "2", "V1.0__b.sql and V1__a.sql have one version, 10000");
  folder_remove(folder);
}

static void flyway(void **state) {
  (void)state;
  char *folder = folder_new();
  file_in(folder, "V2__index.sql", "CREATE INDEX CONCURRENTLY a_i ON a (x);\nVACUUM a;");
  file_in(folder, "V10__later.sql", "SELECT '${literally}'; SELECT 1;");
  file_in(folder, "V10__later.sql.conf",
          "# a remark\n\nplaceholderReplacement = false\nexecuteInTransaction=false\n");
  file_in(folder, "V1__a.sql", "CREATE TABLE a (x int);");
  file_in(folder, "U1__a.sql", "DROP TABLE a;");
  file_in(folder, "B2__all.sql", "CREATE TABLE a (x int); CREATE INDEX a_i ON a (x);");
  file_in(folder, "R__views.sql", "SELECT 1;");
  tenantdb_migrations *set = loaded(folder, NULL, NULL);
  static const struct {
    int64_t version;
    tndb_migration_kind kind;
    bool transactional;
  } expected[] = {{1, TNDB_MIGRATION_VERSIONED, true},
                  {2, TNDB_MIGRATION_VERSIONED, false}, /* by what is in it */
                  {2, TNDB_MIGRATION_CHECKPOINT, true},
                  {10, TNDB_MIGRATION_VERSIONED, false},
                  {0, TNDB_MIGRATION_REPEATABLE, true}};
  assert_int_equal(set->count, 5);
  for (size_t i = 0; i < 5; i++) {
    assert_int_equal(set->items[i]->version, expected[i].version);
    assert_int_equal(set->items[i]->kind, expected[i].kind);
    assert_int_equal(set->items[i]->transactional, expected[i].transactional);
  }
  assert_string_equal(set->items[0]->down_file, "U1__a.sql");
  assert_string_equal(set->items[0]->title, "a");
  assert_string_equal(set->items[4]->name, "views");
  tenantdb_migrations_free(set);

  load_with(folder, "V11__mixed.sql", "CREATE TABLE b (x int);\nCREATE INDEX CONCURRENTLY b_i ON b (x);",
            "V11__mixed.sql, line 2: PostgreSQL refuses \"CREATE INDEX CONCURRENTLY");
  load_with(folder, "V11__mixed.sql", "SELECT 1;\nCREATE TABLE ${schema}.b (x int);",
            "V11__mixed.sql, line 2: the placeholder ${schema} is not replaced");
  file_in(folder, "V11__mixed.sql", "SELECT 1;");
  load_with(folder, "V11__mixed.sql.conf", "executeInTransaction=maybe\n",
            "V11__mixed.sql.conf, line 1: \"executeInTransaction=maybe\" is not understood");
  load_with(folder, "V11__mixed.sql.conf", "\nshouldExecute=false\n",
            "line 2: \"shouldExecute=false\" is not understood");
  folder_remove(folder);
}

/* ---------------------------------------------------------------- golang-migrate */

static void golang_migrate(void **state) {
  (void)state;
  char *folder = folder_new();
  file_in(folder, "000001_a.up.sql", "BEGIN;\nCREATE TABLE a (x int);\nCREATE TABLE b (x int);\nCOMMIT;\n");
  file_in(folder, "000001_a.down.sql", "BEGIN;\nDROP TABLE b;\nDROP TABLE a;\nEND;\n");
  file_in(folder, "000002_i.up.sql", "CREATE INDEX CONCURRENTLY a_i ON a (x);");
  file_in(folder, "000002_i.down.sql", "DROP INDEX CONCURRENTLY a_i;");
  tenantdb_migrations *set = loaded(folder, NULL, NULL);
  assert_int_equal(set->count, 2);
  assert_int_equal(set->items[0]->steps.count, 2);
  assert_string_equal(set->items[0]->steps.items[0].sql, "CREATE TABLE a (x int)");
  assert_int_equal(set->items[0]->steps.items[0].line, 2);
  assert_int_equal(set->items[0]->down_steps.count, 2);
  assert_string_equal(set->items[0]->title, "a");
  assert_true(set->items[0]->transactional && set->items[0]->down_transactional);
  assert_false(set->items[1]->transactional || set->items[1]->down_transactional);
  tenantdb_migrations_free(set);
  load_with(folder, "000003_c.up.sql", "BEGIN;\nSELECT 1;\nCOMMIT;\nBEGIN;\nSELECT 2;\nCOMMIT;",
            "000003_c.up.sql, line 3: COMMIT would end");
  load_with(folder, "000003_c.up.sql", "SELECT 1; CREATE INDEX CONCURRENTLY b_i ON b (x);",
            "000003_c.up.sql, line 1: PostgreSQL refuses");
  load_with(folder, "000003_c.up.sql", "BEGIN;\nSELECT 1;\nROLLBACK;",
            "000003_c.up.sql, line 1: BEGIN would end");
  folder_remove(folder);
  folder = folder_new();
  load_with(folder, "1_a.sql", "BEGIN; SELECT 1; COMMIT;", "1_a.sql, line 1: BEGIN would end");
  folder_remove(folder);
}

/* ---------------------------------------------------------------- mixtures */

static void mixed_tools(void **state) {
  (void)state;
  static const char *const rows[][5] = {
      {"1_a.sql", "-- +goose Up\nSELECT 1;", "2_b.sql", "-- migrate:up\nSELECT 1;",
       "2_b.sql: it is a file of dbmate, and 1_a.sql is one of goose"},
      {"1_a.sql", "-- +goose Up\nSELECT 1;", "2_b.sql", "SELECT 1;",
       "2_b.sql: it is a file of tenantdb, and 1_a.sql is one of goose"},
      {"1_a.sql", "SELECT 1;", "V2__b.sql", "SELECT 1;",
       "1_a.sql: it is a file of tenantdb, and V2__b.sql is one of Flyway"},
      {"1_a.up.sql", "SELECT 1;", "V2__b.sql", "SELECT 1;",
       "V2__b.sql: it is a file of Flyway, and 1_a.up.sql"},
      {"1_a.up.sql", "SELECT 1;", "2_b.sql", "SELECT 1;",
       "2_b.sql: it is a file of tenantdb, and 1_a.up.sql"},
      {"1_a.sql", "SELECT 1;", "01_b.sql", "SELECT 1;", "01_b.sql and 1_a.sql have one version, 1"},
      {"1_a.up.sql", "SELECT 1;", "1_b.up.sql", "SELECT 1;", "1_a.up.sql and 1_b.up.sql have one version"},
      {"1_a.up.sql", "-- +goose Up\nSELECT 1;", "2_b.up.sql", "SELECT 1;",
       "it has markers of goose, but is a file of golang-migrate"},
      {"V1__a.sql", "-- migrate:up\nSELECT 1;", "V2__b.sql", "SELECT 1;",
       "it has markers of dbmate, but is a file of Flyway"},
      {"1_a.sql", "SELECT 1;", "1_a.down.sql", "-- +goose Up\nSELECT 1;",
       "1_a.down.sql: a file that is a way back"},
      {"1_a.sql", "SELECT 1;", "R__x.sql", "SELECT 1;", NULL},
      {"1_a.sql", "SELECT 1;", "1_b.down.sql", "SELECT 1;", NULL},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char *folder = folder_new();
    file_in(folder, rows[i][0], rows[i][1]);
    file_in(folder, rows[i][2], rows[i][3]);
    load_flat(folder, NULL, NULL, rows[i][4]);
    folder_remove(folder);
  }
}

/* Old files of another tool and what was written since: two folders of one stream. */
static void two_folders(void **state) {
  (void)state;
  char *old = folder_new(), *own = folder_new();
  file_in(old, "1_a.sql", "-- +goose Up\nSELECT 1;");
  file_in(own, "2_b.sql", "SELECT 2;");
  tenantdb_migrations *set = tenantdb_migrations_new();
  assert_int_equal(tenantdb_migrations_load_stream(set, "tenant", old, NULL), TENANTDB_OK);
  assert_int_equal(tenantdb_migrations_load_stream(set, "tenant", own, NULL), TENANTDB_OK);
  check_message(set, NULL, 0);
  folder_remove(old);
  folder_remove(own);
}

/* ---------------------------------------------------------------- what lies about */

static void what_is_ignored(void **state) {
  (void)state;
  static const char *const names_of[] = {".gitkeep", ".1_a.sql.swp", "1_a.sql~", "#1_a.sql#",
                                         "README",   "README.md",    "atlas.sum"};
  char *folder = folder_new();
  file_in(folder, "1_a.sql", "SELECT 1;");
  for (size_t i = 0; i < sizeof names_of / sizeof names_of[0]; i++) {
    file_in(folder, names_of[i], "\xff DROP TABLE everything");
  }
  folder_in(folder, ".git");
  tenantdb_migrations *set = loaded(folder, NULL, NULL);
  assert_int_equal(set->count, 1);
  tenantdb_migrations_free(set);
  load_with(folder, "README.sql", "SELECT 1;", "README.sql: its name is not understood");
  folder_remove(folder);
}

static void what_is_no_file(void **state) {
  (void)state;
  char path[600];
  char *folder = folder_new(), *other = folder_new();
  folder_in(folder, "1_a.sql");
  load_flat(folder, NULL, NULL, "1_a.sql: it is a folder, and folders are read one level deep");
  folder_empty(folder);
  path_of(path, folder, "1_a.sql");
  assert_int_equal(symlink("nowhere", path), 0);
  load_flat(folder, NULL, NULL, "1_a.sql: it is a link that leads nowhere");
  folder_empty(folder);
  assert_int_equal(symlink(other, path), 0);
  load_flat(folder, NULL, NULL, "1_a.sql: it is a folder");
  folder_empty(folder);
  assert_int_equal(mkfifo(path, 0600), 0); /* reading one would wait for ever */
  load_flat(folder, NULL, NULL, "1_a.sql: it is neither a file nor a folder");
  folder_empty(folder);
  assert_int_equal(symlink("1_a.sql", path), 0);
  load_flat(folder, NULL, NULL, "cannot be opened");
  folder_empty(folder);
  /* Mounted configuration: the file is a link into a hidden folder. */
  folder_in(folder, "..data");
  char target[600];
  path_of(target, folder, "..data");
  file_in(target, "1_a.sql", "SELECT 1;");
  assert_int_equal(symlink("..data/1_a.sql", path), 0);
  load_flat(folder, NULL, NULL, NULL);
  folder_remove(folder);
  folder_remove(other);
}

static void contents(void **state) {
  (void)state;
  char *folder = folder_new();
  load_with(folder, "1_a.sql", "", "1_a.sql: there is no statement in it");
  file_bytes(folder, "1_a.sql", "SELECT 1;\nSELECT \0 2;", 20);
  load_flat(folder, NULL, NULL, "1_a.sql, line 2: a NUL byte");
  file_bytes(folder, "1_a.sql", "S\0E\0L\0", 6);
  load_flat(folder, NULL, NULL, "is the file in UTF-16?");
  load_with(folder, "1_a.sql", "SELECT 1;\n\nSELECT '\xe4';",
            "1_a.sql, line 3: byte 0xe4 is not valid UTF-8");
  file_in(folder, "1_a.sql", "\xef\xbb\xbfSELECT 1;\r\nSELECT\r\n2;\r\n");
  tenantdb_migrations *set = loaded(folder, NULL, NULL);
  assert_string_equal(set->items[0]->steps.items[1].sql, "SELECT\n2");
  assert_int_equal(set->items[0]->steps.items[1].line, 2);
  tenantdb_migrations_free(set);
  size_t length = 16 * 1024 * 1024 + 1;
  char *large = malloc(length);
  assert_non_null(large);
  memset(large, ' ', length);
  file_bytes(folder, "1_a.sql", large, length);
  free(large);
  load_flat(folder, NULL, NULL, "1_a.sql: it has 1");
  folder_remove(folder);
}

/* ---------------------------------------------------------------- the folder itself */

static void load_both(const char *folder, const char *message, tenantdb_status wanted) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_error *error = NULL;
  tenantdb_status status = tenantdb_migrations_load(set, folder, &error);
  if (status != wanted || (message && !strstr(tenantdb_error_message(error), message))) {
    fail_msg("wanted %d \"%s\", got %d \"%s\"", (int)wanted, message ? message : "OK", (int)status,
             status ? tenantdb_error_message(error) : "OK");
  }
  tenantdb_error_free(error);
  tenantdb_migrations_free(set);
}

static void both_streams(void **state) {
  (void)state;
  char path[600];
  char *folder = folder_new();
  load_both(folder, "neither a folder shared nor a folder tenant", TENANTDB_MIGRATION);
  folder_in(folder, "tenant");
  load_both(folder, NULL, TENANTDB_OK);
  folder_in(folder, "shared");
  path_of(path, folder, "shared");
  file_in(path, "1_plans.sql", "SELECT 1;");
  path_of(path, folder, "tenant");
  file_in(path, "1_a.sql", "-- +goose Up\nSELECT 1;"); /* streams may be of different tools */
  tenantdb_migrations *set = tenantdb_migrations_new();
  assert_int_equal(tenantdb_migrations_load(set, folder, NULL), TENANTDB_OK);
  assert_int_equal(tenantdb_migrations_check(set, NULL), TENANTDB_OK);
  assert_int_equal(set->count, 2);
  assert_string_equal(set->items[0]->file, "shared/1_plans.sql");
  assert_string_equal(set->items[1]->file, "tenant/1_a.sql");
  tenantdb_migrations_free(set);

  file_in(folder, "3_lost.sql", "SELECT 1;");
  load_both(folder, "3_lost.sql: it stands beside the folders shared and tenant", TENANTDB_MIGRATION);
  path_of(path, folder, "3_lost.sql");
  assert_int_equal(unlink(path), 0);
  folder_in(folder, "tenants");
  load_both(folder, "tenants: it stands beside", TENANTDB_MIGRATION);
  path_of(path, folder, "tenants");
  assert_int_equal(rmdir(path), 0);
  path_of(path, folder, "shared");
  file_in(path, "tenantdb.sum", "x");
  load_both(folder, "shared/tenantdb.sum: its name is not understood", TENANTDB_MIGRATION);
  load_flat(folder, NULL, NULL, "shared: it is a folder");
  folder_empty(folder);
  file_in(folder, "shared", "SELECT 1;");
  load_both(folder, "shared: it is no folder", TENANTDB_MIGRATION);
  folder_empty(folder);
  path_of(path, folder, "nothing");
  load_both(path, "there is no such file or folder", TENANTDB_NOT_FOUND);
  file_in(folder, "nothing", "");
  load_both(path, "no folder", TENANTDB_NOT_FOUND);
  load_both(NULL, "folder is NULL", TENANTDB_ARGUMENT);
  folder_remove(folder);
}

static void arguments(void **state) {
  (void)state;
  char *folder = folder_new();
  tenantdb_error *error = NULL;
  tenantdb_migrations *set = tenantdb_migrations_new();
  assert_int_equal(tenantdb_migrations_load_stream(set, "both", folder, &error), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_migrations_load_stream(set, NULL, folder, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_migrations_load_stream(set, "tenant", NULL, NULL), TENANTDB_ARGUMENT);
  tenantdb_migrations_free(set);
  set = tenantdb_migrations_new();
  tenantdb_migrations_set(set, "naming", "x");
  assert_int_equal(tenantdb_migrations_load_stream(set, "tenant", folder, NULL), TENANTDB_ARGUMENT);
  tenantdb_migrations_free(set);
  folder_remove(folder);
}

/* ---------------------------------------------------------------- memory */

static void load_all(void *user) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_error *error = NULL;
  tenantdb_status status = tenantdb_migrations_load_stream(set, "tenant", user, &error);
  if (set && status) {
    assert_int_equal(status, TENANTDB_MEMORY);
  }
  tenantdb_error_free(error);
  tenantdb_migrations_free(set);
}

static void memory(void **state) {
  (void)state;
  char *folder = folder_new();
  file_in(folder, "V1__a.sql", "CREATE TABLE a (x int);");
  file_in(folder, "V1__a.sql.conf", "executeInTransaction=true");
  file_in(folder, "U1__a.sql", "DROP TABLE a;");
  file_in(folder, "R__b.sql", "SELECT 1;");
  assert_int_equal(tenantdb_migrations_hash(folder, 1, NULL, NULL), TENANTDB_OK);
  assert_true(unit_fail_each(load_all, folder, false) > 20);
  assert_true(unit_fail_each(load_all, folder, true) > 20);
  folder_remove(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names),       cmocka_unit_test(namings),         cmocka_unit_test(flyway_parts),
      cmocka_unit_test(flyway),      cmocka_unit_test(golang_migrate),  cmocka_unit_test(mixed_tools),
      cmocka_unit_test(two_folders), cmocka_unit_test(what_is_ignored), cmocka_unit_test(what_is_no_file),
      cmocka_unit_test(contents),    cmocka_unit_test(both_streams),    cmocka_unit_test(arguments),
      cmocka_unit_test(memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

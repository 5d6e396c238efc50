/* SPDX-License-Identifier: PostgreSQL */
/* Sets of migrations that are made in code. */
#include "migrate/set.h"
#include "migrations.h"

static void cell_is(tenantdb_result *rows, int32_t row, const char *column, const char *text) {
  for (int32_t i = 0; i < tenantdb_result_columns(rows); i++) {
    if (strcmp(tenantdb_result_name(rows, i), column) == 0) {
      if (text) {
        assert_string_equal(tenantdb_result_value(rows, row, i), text);
      } else {
        assert_true(tenantdb_result_is_null(rows, row, i));
      }
      return;
    }
  }
  fail_msg("there is no column %s", column);
}

static tenantdb_migrations *full_set(void) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add_repeatable(set, "tenant", "views", "CREATE OR REPLACE VIEW v AS SELECT 1 AS one");
  tenantdb_migration_add_down(set, "tenant", 20, "DROP TABLE b; DROP TABLE b2");
  tenantdb_migration_add(set, "tenant", 20, "b",
                         "-- tenantdb:requires 5\n-- tenantdb:lock_timeout 250ms\nCREATE TABLE b (x int);\n\n"
                         "CREATE TABLE b2 (\n  y int);");
  tenantdb_migration_add(set, "tenant", 3, NULL, "CREATE TABLE a (x int)");
  tenantdb_migration_add_checkpoint(set, 20, "all", "CREATE TABLE a (x int); CREATE TABLE b (x int)");
  tenantdb_migration_add(set, "shared", 5, "plans", "CREATE TABLE plans (x int)");
  tenantdb_migration_add(
      set, "tenant", 100, "index",
      "-- tenantdb:tx none\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"A_idx\" ON {a} (x);"
      "REINDEX INDEX CONCURRENTLY x.a_IDX; DROP INDEX CONCURRENTLY old; VACUUM {a};"
      "UPDATE {a} SET x = 1");
  return set;
}

static void order(void **state) {
  (void)state;
  static const struct {
    const char *stream, *kind, *version, *steps, *down;
  } expected[] = {{"shared", "versioned", "5", "1", NULL},   {"tenant", "versioned", "3", "1", NULL},
                  {"tenant", "versioned", "20", "2", "2"},   {"tenant", "checkpoint", "20", "2", NULL},
                  {"tenant", "versioned", "100", "5", NULL}, {"tenant", "repeatable", NULL, "1", NULL}};
  tenantdb_migrations *set = full_set();
  tenantdb_result *rows = NULL;
  assert_int_equal(tenantdb_migrations_list(set, &rows, NULL), TENANTDB_OK);
  assert_int_equal(tenantdb_result_rows(rows), 6);
  for (int32_t i = 0; i < 6; i++) {
    cell_is(rows, i, "stream", expected[i].stream);
    cell_is(rows, i, "kind", expected[i].kind);
    cell_is(rows, i, "version", expected[i].version);
    cell_is(rows, i, "steps", expected[i].steps);
    cell_is(rows, i, "down", expected[i].down);
  }
  cell_is(rows, 2, "requires", "5");
  cell_is(rows, 2, "lock_timeout", "250ms");
  cell_is(rows, 2, "tx", "transaction");
  cell_is(rows, 2, "title", "b");
  cell_is(rows, 2, "file", "tenant version 20");
  cell_is(rows, 1, "requires", NULL);
  cell_is(rows, 1, "lock_timeout", NULL);
  cell_is(rows, 1, "title", "");
  cell_is(rows, 4, "tx", "none");
  cell_is(rows, 5, "file", "tenant views");
  tenantdb_result_free(rows);

  assert_int_equal(tndb_migrations_newest(set, TNDB_STREAM_TENANT), 100);
  assert_int_equal(tndb_migrations_newest(set, TNDB_STREAM_SHARED), 5);
  assert_non_null(tndb_migrations_find(set, TNDB_STREAM_TENANT, 3));
  assert_null(tndb_migrations_find(set, TNDB_STREAM_SHARED, 3));
  assert_null(tndb_migrations_find(set, TNDB_STREAM_TENANT, 4));
  assert_int_equal(tndb_migrations_find(set, TNDB_STREAM_TENANT, 20)->kind, TNDB_MIGRATION_VERSIONED);
  assert_null(tndb_migrations_checkpoint(set, 19));
  assert_int_equal(tndb_migrations_checkpoint(set, 20)->version, 20);
  assert_int_equal(tndb_migrations_checkpoint(set, INT64_MAX)->version, 20);
  assert_non_null(tndb_migrations_find_repeatable(set, TNDB_STREAM_TENANT, "views"));
  assert_null(tndb_migrations_find_repeatable(set, TNDB_STREAM_SHARED, "views"));
  assert_null(tndb_migrations_find_repeatable(set, TNDB_STREAM_TENANT, "view"));
  tenantdb_migrations_free(set);
}

static void steps(void **state) {
  (void)state;
  tenantdb_migrations *set = full_set();
  assert_int_equal(tenantdb_migrations_check(set, NULL), TENANTDB_OK);
  const tndb_migration *b = tndb_migrations_find(set, TNDB_STREAM_TENANT, 20);
  assert_string_equal(b->steps.items[1].sql, "CREATE TABLE b2 (\n  y int)");
  assert_int_equal(b->steps.items[0].line, 3);
  assert_int_equal(b->steps.items[1].line, 5);
  assert_string_equal(b->down_steps.items[1].sql, "DROP TABLE b2");
  assert_string_equal(b->down_file, "tenant version 20 (way back)");
  assert_true(b->down_transactional);

  const tndb_migration *index = tndb_migrations_find(set, TNDB_STREAM_TENANT, 100);
  assert_false(index->transactional);
  static const struct {
    const char *index;
    bool there, gone;
    tndb_step_way way;
  } expected[] = {{"A_idx", true, false, TNDB_WAY_OUTSIDE},
                  {"a_idx", false, false, TNDB_WAY_OUTSIDE},
                  {"old", false, true, TNDB_WAY_OUTSIDE},
                  {NULL, false, false, TNDB_WAY_OUTSIDE},
                  {NULL, false, false, TNDB_WAY_INSIDE}};
  for (size_t i = 0; i < 5; i++) {
    const tndb_migration_step *step = &index->steps.items[i];
    assert_int_equal(step->way, expected[i].way);
    assert_int_equal(step->done_if_there, expected[i].there);
    assert_int_equal(step->done_if_gone, expected[i].gone);
    if (expected[i].index) {
      assert_string_equal(step->index, expected[i].index);
    } else {
      assert_null(step->index);
    }
  }
  tenantdb_migrations_free(set);
}

static void a_file_and_code_have_one_sum(void **state) {
  (void)state;
  tenantdb_migrations *unix_lines = set_of("SELECT 1;\nSELECT 2;\n");
  tenantdb_migrations *windows_lines = set_of("\xef\xbb\xbfSELECT 1;\r\nSELECT 2;\r\n");
  tenantdb_migrations *another = set_of("SELECT 1;\nSELECT 2; \n");
  assert_int_equal(tenantdb_migrations_check(unix_lines, NULL), TENANTDB_OK);
  assert_int_equal(tenantdb_migrations_check(windows_lines, NULL), TENANTDB_OK);
  assert_int_equal(tenantdb_migrations_check(another, NULL), TENANTDB_OK);
  assert_string_equal(unix_lines->items[0]->sum, windows_lines->items[0]->sum);
  assert_string_equal(unix_lines->hash, windows_lines->hash);
  assert_string_not_equal(unix_lines->items[0]->sum, another->items[0]->sum);
  assert_string_not_equal(unix_lines->hash, another->hash);
  assert_string_equal(windows_lines->items[0]->sql, "SELECT 1;\nSELECT 2;\n");
  tenantdb_migrations_free(unix_lines);
  tenantdb_migrations_free(windows_lines);
  tenantdb_migrations_free(another);
}

static void only_checkpoints(void **state) {
  (void)state;
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add_checkpoint(set, 7, NULL, "SELECT 1");
  tenantdb_migration_add_checkpoint(set, 9, NULL, "SELECT 1");
  assert_int_equal(tenantdb_migrations_check(set, NULL), TENANTDB_OK);
  assert_int_equal(tndb_migrations_newest(set, TNDB_STREAM_TENANT), 9);
  assert_int_equal(tndb_migrations_checkpoint(set, 8)->version, 7);
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- mistakes */

static void mistakes_of_a_line(void **state) {
  (void)state;
  static const char long_name[] =
      "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
      "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
      "0123456789012345678901234567890123456789";
  const struct {
    const char *stream;
    int64_t version;
    const char *title, *sql, *message;
    int32_t reason;
  } rows[] = {
      {"tenants", 1, "t", "SELECT 1", "no stream \"tenants\"", TENANTDB_REASON_BAD_ARGUMENT},
      {NULL, 1, "t", "SELECT 1", "stream is NULL", TENANTDB_REASON_NULL_ARGUMENT},
      {"tenant", 0, "t", "SELECT 1", "0 is no version", TENANTDB_REASON_BAD_ARGUMENT},
      {"tenant", -5, "t", "SELECT 1", "-5 is no version", TENANTDB_REASON_BAD_ARGUMENT},
      {"tenant", INT64_C(1000000000000000000), "t", "SELECT 1", "at most 18", TENANTDB_REASON_BAD_ARGUMENT},
      {"tenant", 1, "t", NULL, "text is NULL", TENANTDB_REASON_NULL_ARGUMENT},
      {"tenant", 1, "\xff", "SELECT 1", "title is not valid UTF-8", TENANTDB_REASON_BAD_ARGUMENT},
      {"tenant", 1, "t", "SELECT '\xff'", "line 1: byte 0xff is not valid UTF-8",
       TENANTDB_REASON_BAD_MIGRATION},
      {"tenant", 1, "t", "", "there is no statement in it", TENANTDB_REASON_BAD_MIGRATION},
      {"tenant", 1, "t", "-- nothing\n;;", "there is no statement in it", TENANTDB_REASON_BAD_MIGRATION},
      {"tenant", 1, "t", "SELECT 1;\nSELECT 'x", "tenant version 1, line 2: a string has no",
       TENANTDB_REASON_BAD_MIGRATION},
      {"tenant", 1, "t", "-- tenantdb:tx none\nSELECT 1;\nSELECT {x", "line 3: a marker {",
       TENANTDB_REASON_BAD_MIGRATION},
      {"tenant", INT64_C(999999999999999999), "t", "SELECT 1", NULL, 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    tenantdb_migrations *set = tenantdb_migrations_new();
    tenantdb_migration_add(set, rows[i].stream, rows[i].version, rows[i].title, rows[i].sql);
    tenantdb_migration_add(set, "nobody looks at this any more", 1, "", "");
    if (!rows[i].message) {
      tenantdb_migrations_free(set);
      set = tenantdb_migrations_new();
      tenantdb_migration_add(set, rows[i].stream, rows[i].version, rows[i].title, rows[i].sql);
    }
    check_message(set, rows[i].message, rows[i].reason);
  }
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add_repeatable(set, "tenant", NULL, "SELECT 1");
  check_message(set, "name is NULL", TENANTDB_REASON_NULL_ARGUMENT);
  set = tenantdb_migrations_new();
  tenantdb_migration_add_repeatable(set, "tenant", "", "SELECT 1");
  check_message(set, "has 0 bytes", TENANTDB_REASON_BAD_ARGUMENT);
  set = tenantdb_migrations_new();
  tenantdb_migration_add_repeatable(set, "tenant", long_name, "SELECT 1");
  check_message(set, "has 220 bytes", TENANTDB_REASON_BAD_ARGUMENT);
}

static void too_large(void **state) {
  (void)state;
  size_t length = 16 * 1024 * 1024;
  char *text = malloc(length + 2);
  assert_non_null(text);
  memset(text, ' ', length);
  memcpy(text, "SELECT 1", 8);
  text[length] = '\0';
  check_text(text, NULL);
  text[length] = ' ';
  text[length + 1] = '\0';
  check_text(text, "it has 16777217 bytes; a migration has at most 16777216");
  free(text);
}

static void mistakes_of_a_set(void **state) {
  (void)state;
  tenantdb_migrations *set = set_of("SELECT 1");
  tenantdb_migration_add(set, "tenant", 1, "two", "SELECT 2");
  check_message(set, "have one version, 1, in stream tenant", TENANTDB_REASON_BAD_MIGRATION);

  set = set_of("SELECT 1");
  tenantdb_migration_add(set, "shared", 1, "two", "SELECT 2");
  check_message(set, NULL, 0);

  set = tenantdb_migrations_new();
  tenantdb_migration_add_repeatable(set, "shared", "v", "SELECT 1");
  tenantdb_migration_add_repeatable(set, "shared", "v", "SELECT 2");
  check_message(set, "have one name, v, in stream shared", TENANTDB_REASON_BAD_MIGRATION);

  set = set_of("SELECT 1");
  tenantdb_migration_add_down(set, "shared", 1, "SELECT 2");
  check_message(set, "leads back from version 1 of stream shared, which is not there", 0);

  set = set_of("SELECT 1");
  tenantdb_migration_add_down(set, "tenant", 1, "SELECT 2");
  tenantdb_migration_add_down(set, "tenant", 1, "SELECT 3");
  check_message(set, "has two ways back", TENANTDB_REASON_BAD_MIGRATION);

  set = set_of("-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;");
  tenantdb_migration_add_down(set, "tenant", 1, "SELECT 2");
  check_message(set, "has two ways back: one in tenant version 1, another in", 0);

  set = set_of("SELECT 1");
  tenantdb_migration_add_down(set, "tenant", 1, "-- nothing");
  check_message(set, "leave out the way back", TENANTDB_REASON_BAD_MIGRATION);

  set = set_of("SELECT 1");
  tenantdb_migration_add_down(set, "tenant", 1, "-- tenantdb:lock_timeout 1s\nSELECT 1");
  check_message(set, "only tx none and nolint have a meaning", TENANTDB_REASON_BAD_MIGRATION);

  set = set_of("-- tenantdb:requires 4\nSELECT 1");
  tenantdb_migration_add(set, "shared", 5, "", "SELECT 1");
  check_message(set, "requires version 4 of the shared stream, which the set does not have", 0);

  check_text("-- tenantdb:requires 4\nSELECT 1", "does not have: it has no shared stream");

  set = tenantdb_migrations_new();
  tenantdb_migration_add(set, "shared", 5, "", "-- tenantdb:requires 4\nSELECT 1");
  check_message(set, "directive requires is for the tenant stream", TENANTDB_REASON_BAD_MIGRATION);

  set = tenantdb_migrations_new();
  tenantdb_migration_add(set, "shared", 5, "", "-- tenantdb:checkpoint\nSELECT 1");
  check_message(set, "a checkpoint is of the tenant stream", TENANTDB_REASON_BAD_MIGRATION);

  set = tenantdb_migrations_new();
  tenantdb_migration_add_checkpoint(set, 5, "", "-- tenantdb:tx none\nSELECT 1");
  check_message(set, "it cannot be tx none", TENANTDB_REASON_BAD_MIGRATION);

  set = tenantdb_migrations_new();
  tenantdb_migration_add_repeatable(set, "tenant", "v", "-- tenantdb:checkpoint\nSELECT 1");
  check_message(set, "a repeatable migration is no checkpoint", TENANTDB_REASON_BAD_MIGRATION);

  set = tenantdb_migrations_new();
  tenantdb_migration_add_repeatable(set, "tenant", "v",
                                    "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;");
  check_message(set, "no way back from a repeatable migration", TENANTDB_REASON_BAD_MIGRATION);

  set = tenantdb_migrations_new();
  tenantdb_migration_add_checkpoint(set, 5, "a", "SELECT 1");
  tenantdb_migration_add_checkpoint(set, 5, "b", "SELECT 1");
  check_message(set, "have one version, 5", TENANTDB_REASON_BAD_MIGRATION);
}

static void options(void **state) {
  (void)state;
  static const struct {
    const char *key, *value, *message;
    int32_t reason;
  } rows[] = {{"naming", "gose", "\"gose\" is none of auto", TENANTDB_REASON_BAD_OPTION_VALUE},
              {"sums", "", "none of check, require and ignore", TENANTDB_REASON_BAD_OPTION_VALUE},
              {"flyway_parts", "5", "not a number from 1 to 4", TENANTDB_REASON_BAD_OPTION_VALUE},
              {"default_lock_timeout", "3s", "neither on nor off", TENANTDB_REASON_BAD_OPTION_VALUE},
              {"shared_schema", "", "shared_schema is empty", TENANTDB_REASON_BAD_IDENTIFIER},
              {"naming", "\xff", "\"?\" is not valid UTF-8", TENANTDB_REASON_BAD_OPTION_VALUE},
              {"nameing", "auto", "did you mean \"naming\"?", TENANTDB_REASON_UNKNOWN_OPTION},
              {NULL, "auto", "key is NULL", TENANTDB_REASON_NULL_ARGUMENT}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    tenantdb_migrations *set = tenantdb_migrations_new();
    tenantdb_migrations_set(set, rows[i].key, rows[i].value);
    check_message(set, rows[i].message, rows[i].reason);
  }
  static const char *const right[][2] = {
      {"naming", "golang-migrate"}, {"naming", NULL},         {"sums", "require"},
      {"flyway_parts", "4"},        {"shared_schema", "app"}, {"shared_schema", "other"},
      {"shared_schema", NULL},      {"tenant_prefix", "t_"},  {"default_lock_timeout", "off"}};
  tenantdb_migrations *set = tenantdb_migrations_new();
  for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
    tenantdb_migrations_set(set, right[i][0], right[i][1]);
  }
  assert_int_equal(set->options.naming, TNDB_NAMING_AUTO);
  assert_int_equal(set->options.sums, TNDB_SUMS_REQUIRE);
  assert_int_equal(set->options.flyway_parts, 4);
  assert_null(set->options.shared_schema);
  assert_string_equal(set->options.tenant_prefix, "t_");
  assert_true(set->options.lock_timeout_off);
  check_message(set, NULL, 0);
}

static void frozen(void **state) {
  (void)state;
  tenantdb_migrations *set = set_of("SELECT 1");
  tenantdb_error *error = NULL;
  assert_int_equal(tenantdb_migrations_check(set, &error), TENANTDB_OK);
  assert_int_equal(tenantdb_migrations_check(set, &error), TENANTDB_OK);
  assert_int_equal(tenantdb_migrations_load(set, "/", &error), TENANTDB_STATE);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_BAD_MIGRATION);
  tenantdb_error_free(error);
  assert_int_equal(set->count, 1);
  tenantdb_migration_add(set, "tenant", 2, "", "SELECT 1");
  assert_int_equal(set->count, 1);
  assert_int_equal(tenantdb_migrations_check(set, &error), TENANTDB_STATE);
  tenantdb_error_free(error);
  tenantdb_migrations *held = tndb_migrations_hold(set);
  tenantdb_migrations_free(set);
  assert_int_equal(held->count, 1);
  tndb_migrations_release(held);
}

static void handles(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  tenantdb_result *result = (tenantdb_result *)&error;
  tenantdb_migrations_free(NULL);
  tenantdb_migrations_set(NULL, "naming", "auto");
  tenantdb_migration_add(NULL, "tenant", 1, "", "SELECT 1");
  tenantdb_migration_add_down(NULL, "tenant", 1, "SELECT 1");
  tenantdb_migration_add_repeatable(NULL, "tenant", "x", "SELECT 1");
  tenantdb_migration_add_checkpoint(NULL, 1, "", "SELECT 1");
  assert_int_equal(tenantdb_migrations_check(NULL, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_NULL_ARGUMENT);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_migrations_list(NULL, &result, &error), TENANTDB_ARGUMENT);
  assert_null(result);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_migrations_load(NULL, "/", NULL), TENANTDB_ARGUMENT);
  uint32_t none[64] = {1};
  assert_int_equal(tenantdb_migrations_check((tenantdb_migrations *)(void *)none, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_BAD_HANDLE);
  tenantdb_error_free(error);
  tenantdb_migrations *set = set_of("SELECT 1");
  assert_int_equal(tenantdb_migrations_list(set, NULL, NULL), TENANTDB_ARGUMENT);
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- memory */

static void all_of_it(void *user) {
  (void)user;
  tenantdb_migrations *set = full_set();
  tenantdb_result *rows = NULL;
  tenantdb_error *error = NULL;
  tenantdb_migration_add(set, "tenant", 5, "g", "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;");
  tenantdb_migrations_set(set, "shared_schema", "app");
  tenantdb_status status = tenantdb_migrations_list(set, &rows, &error);
  if (!status) {
    assert_int_equal(tenantdb_result_rows(rows), 7);
  } else if (set) {
    assert_int_equal(status, TENANTDB_MEMORY);
    assert_null(rows);
  }
  tenantdb_error_free(error);
  tenantdb_result_free(rows);
  tenantdb_migrations_free(set);
}

static void memory(void **state) {
  (void)state;
  assert_true(unit_fail_each(all_of_it, NULL, false) > 50);
  assert_true(unit_fail_each(all_of_it, NULL, true) > 50);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(order),
      cmocka_unit_test(steps),
      cmocka_unit_test(a_file_and_code_have_one_sum),
      cmocka_unit_test(only_checkpoints),
      cmocka_unit_test(mistakes_of_a_line),
      cmocka_unit_test(too_large),
      cmocka_unit_test(mistakes_of_a_set),
      cmocka_unit_test(options),
      cmocka_unit_test(frozen),
      cmocka_unit_test(handles),
      cmocka_unit_test(memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

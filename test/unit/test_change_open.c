/* SPDX-License-Identifier: PostgreSQL */
/* Which changes a set begins and does not end. */
#include "migrate/change_open.h"

#include "base/memory.h"
#include "migrations.h"

#define TX_NONE "-- tenantdb:tx none\n"
#define CHANGE "-- tenantdb:change "

/* What is unfinished in files of one line or more each, described one after the other. Static. */
static const char *open_of(const char *const *files) {
  static char all[4096];
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_error *error = NULL;
  tndb_open_changes open;
  tndb_buffer text = TNDB_BUFFER_INIT;
  for (int64_t version = 1; *files; files++, version++) {
    tenantdb_migration_add(set, "tenant", version, "", *files);
  }
  if (tenantdb_migrations_check(set, &error) ||
      tndb_open_changes_read(set, TNDB_STREAM_TENANT, &open, &error)) {
    fail_msg("%s", tenantdb_error_message(error));
  }
  for (size_t i = 0; i < open.count; i++) {
    tndb_open_change_describe(&open.items[i], &text);
    tndb_buffer_append(&text, ";");
  }
  snprintf(all, sizeof all, "%s", tndb_buffer_text(&text));
  tndb_buffer_free(&text);
  tndb_open_changes_free(&open);
  assert_int_equal(tndb_open_changes_read(set, TNDB_STREAM_SHARED, &open, &error), TENANTDB_OK);
  assert_int_equal(open.count, 0);
  tenantdb_migrations_free(set);
  return all;
}

#define OPEN(...) open_of((const char *const[]){__VA_ARGS__, NULL})

static void kinds(void **state) {
  (void)state;
  static const char *const begun[][3] = {
      {"add_column table=a column=b type=text backfill=lower(c)", "add_column of a.b", "finish_add_column"},
      {"set_not_null table=a column=b backfill=1", "set_not_null of a.b", "finish_set_not_null"},
      {"retire_column table=a column=b", "retire_column of a.b", "drop_column"},
      {"change_type table=a column=b type=text using=b::text", "change_type of a.b", "finish_change_type"},
      {"rename_column table=a column=b to=c", "rename_column of a.b", "finish_rename_column"},
      {"rename_table table=a to=c", "rename_table of a", "finish_rename_table"}};
  static const char *const ends[] = {"table=a column=b", "table=a column=b",      "table=a column=b",
                                     "table=a column=b", "table=a column=b to=c", "table=a to=c"};
  for (size_t i = 0; i < sizeof begun / sizeof *begun; i++) {
    char begin[200], end[200], other[200], said[200];
    snprintf(begin, sizeof begin, TX_NONE CHANGE "%s\n", begun[i][0]);
    snprintf(end, sizeof end, TX_NONE CHANGE "%s %s\n", begun[i][2], ends[i]);
    snprintf(other, sizeof other, TX_NONE CHANGE "%s table=o%s\n", begun[i][2], strchr(ends[i], 'a') + 6);
    snprintf(said, sizeof said, "%s (tenant version 1) lacks its %s;", begun[i][1], begun[i][2]);
    assert_string_equal(OPEN(begin), said);
    assert_string_equal(OPEN(begin, other), said);
    assert_string_equal(OPEN(begin, end), "");
    snprintf(said, sizeof said, "%s (tenant version 3) lacks its %s;", begun[i][1], begun[i][2]);
    assert_string_equal(OPEN(begin, end, begin), said);
    assert_string_equal(OPEN(end, "SELECT 1"), "");
  }
}

/* What leaves nothing behind is whole. */
static void whole(void **state) {
  (void)state;
  assert_string_equal(OPEN("SELECT 1"), "");
  assert_string_equal(OPEN("/* -- tenantdb:tx none\n-- tenantdb:change x */ SELECT 1"), "");
  assert_string_equal(
      OPEN(TX_NONE CHANGE "add_column table=a column=b type=int\n" CHANGE
                          "add_column table=a column=c type=int default=1\n" CHANGE
                          "add_column table=a column=d type=int default=1 backfill=2\n" CHANGE
                          "set_not_null table=a column=b\n" CHANGE
                          "add_index table=a name=i columns=b\n" CHANGE "drop_column table=a column=z\n"),
      "");
}

/* A table that is renamed goes by its new name in the halves that end the others. */
static void renamed(void **state) {
  (void)state;
  static const char begin[] = TX_NONE CHANGE "rename_column table=a column=b to=c\n" CHANGE
                                             "rename_table table=a to=\"New \"\"one\"\"\"\n";
  assert_string_equal(OPEN(begin),
                      "rename_column of New \"one\".b (tenant version 1) lacks its finish_rename_column;"
                      "rename_table of a (tenant version 1) lacks its finish_rename_table;");
  assert_string_equal(
      OPEN(begin, TX_NONE CHANGE "finish_rename_table table=a to=\"New \"\"one\"\"\"\n" CHANGE
                                 "finish_rename_column table=\"New \"\"one\"\"\" column=b to=c\n"),
      "");
}

/* Tables come first, since columns that their views show cannot go. */
static void finished(void **state) {
  (void)state;
  tenantdb_migrations *set =
      set_of(TX_NONE CHANGE "rename_column table=a column=b to=c indexes=\"i (b)\"\n" CHANGE
                            "rename_table table=a to=d\n" CHANGE "retire_column table=d column=e\n");
  tndb_open_changes open;
  tndb_steps steps;
  assert_int_equal(tenantdb_migrations_check(set, NULL), TENANTDB_OK);
  assert_int_equal(tndb_open_changes_read(set, TNDB_STREAM_TENANT, &open, NULL), TENANTDB_OK);
  assert_int_equal(tndb_open_changes_finish(&open, &steps, NULL), TENANTDB_OK);
  assert_true(steps.count > 4);
  assert_string_equal(steps.items[0].sql, "DROP VIEW {schema}.\"a\"");
  assert_string_equal(steps.items[steps.count - 1].sql, "ALTER TABLE {schema}.\"d\" DROP COLUMN \"e\"");
  bool swapped = false;
  for (size_t i = 0; i < steps.count; i++) {
    swapped = swapped || strcmp(steps.items[i].sql, "DROP INDEX {schema}.\"i\"") == 0;
  }
  assert_true(swapped);
  tndb_steps_clear(&steps);
  tndb_open_changes_free(&open);
  tenantdb_migrations_free(set);
}

static void read_and_finish(void *user) {
  tndb_open_changes open = {NULL, 0};
  tndb_steps steps = {NULL, 0};
  tenantdb_error *error = NULL;
  tenantdb_status status = tndb_open_changes_read(user, TNDB_STREAM_TENANT, &open, &error);
  if (!status) {
    status = tndb_open_changes_finish(&open, &steps, &error);
  }
  assert_true(status == TENANTDB_MEMORY || status == TENANTDB_OK);
  tenantdb_error_free(error);
  tndb_steps_clear(&steps);
  tndb_open_changes_free(&open);
}

/* Wherever memory runs out, it is said, and all is given back. */
static void without_memory(void **state) {
  (void)state;
  tenantdb_migrations *set =
      set_of(TX_NONE CHANGE "rename_column table=a column=b to=c indexes=\"i (b)\"\n" CHANGE
                            "rename_table table=a to=d\n" CHANGE "finish_rename_table table=a to=d\n");
  assert_int_equal(tenantdb_migrations_check(set, NULL), TENANTDB_OK);
  assert_true(unit_fail_each(read_and_finish, set, false) > 20);
  assert_true(unit_fail_each(read_and_finish, set, true) > 20);
  tenantdb_migrations_free(set);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(kinds),    cmocka_unit_test(whole),          cmocka_unit_test(renamed),
      cmocka_unit_test(finished), cmocka_unit_test(without_memory),
  };
  return cmocka_run_group_tests_name("unfinished changes", tests, NULL, NULL);
}

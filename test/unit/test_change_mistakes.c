/* SPDX-License-Identifier: PostgreSQL */
/* Changes of tables: everything that can be said wrongly, and every allocation that can fail. */
#include <string.h>
#include <tenantdb.h>

#include "base/buffer.h"
#include "base/error.h"
#include "migrate/change.h"
#include "unit.h"

static void assert_wrong(const char *line, const char *text) {
  tndb_steps steps = {NULL, 0};
  tenantdb_error *error = NULL;
  tenantdb_status status = tndb_change_expand_line(line, strlen(line), 1, &steps, &error);
  if (status != TENANTDB_MIGRATION || tenantdb_error_reason(error) != TENANTDB_REASON_BAD_CHANGE ||
      !strstr(tenantdb_error_message(error), text)) {
    fail_msg("%s\ngives %d: %s\ninstead of: %s", line, (int)status,
             error ? tenantdb_error_message(error) : "nothing", text);
  }
  assert_null(steps.items);
  assert_int_equal(steps.count, 0);
  tenantdb_error_free(error);
}

/* ---------------------------------------------------------------- mistakes */

static void kinds_and_keys_that_are_not_there(void **state) {
  (void)state;
  assert_wrong("-- tenantdb:change add_colum table=t",
               "there is no change \"add_colum\"; did you mean \"add_column\"?");
  assert_wrong("-- tenantdb:change", "there is no change \"\"");
  assert_wrong("-- tenantdb:change frobnicate", "there is no change \"frobnicate\"; doc/guide/changes.md");
  assert_wrong("-- tenantdb:change add_column tabel=t",
               "change add_column: it takes no key \"tabel\"; did you mean "
               "\"table\"?");
  assert_wrong("-- tenantdb:change add_column to=t", "it takes no key \"to\"");
  assert_wrong("-- tenantdb:change add_column table=t type=text", "it needs a key \"column\"");
  assert_wrong("-- tenantdb:change drop_index", "it needs a key \"name\"");
  assert_wrong("-- tenantdb:change drop_index name=a name=b", "it has two keys \"name\"");
  assert_wrong("-- tenantdb:change drop_index name", "\"name\" is no key=value");
  assert_wrong("-- tenantdb:change drop_index name=a b",
               "\"b\" is no key=value; a value with blanks stands in double");
  assert_wrong("-- tenantdb:change drop_index =a", "\"\" is no key=value");
  assert_wrong("-- tenantdb:change drop_index name=\"a", "the value of name has no closing double quote");
  assert_wrong("-- tenantdb:change drop_index name=\"a\"b", "a blank is missing behind the value of name");
}

static void values_that_cannot_be(void **state) {
  (void)state;
  assert_wrong("-- tenantdb:change drop_index name=\"\"", "change drop_index: name is empty");
  assert_wrong("-- tenantdb:change drop_index name=a\x01", "name holds a line end or a control character");
  assert_wrong("-- tenantdb:change drop_index name=a\xFF", "name is not valid UTF-8");
  assert_wrong(
      "-- tenantdb:change drop_index "
      "name=abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl",
      "a name has at most 63");
  static const struct {
    const char *value;
    const char *why;
  } bad[] = {{"", "is empty"},
             {"1 -- x", "holds a comment"},
             {"1 /* x */", "holds a comment"},
             {"f({t})", "holds a marker; write the plain name"},
             {"{{", "holds a marker"},
             {"$1", "holds a parameter"},
             {"1; DROP TABLE t", "holds a semicolon"},
             {"(1", "has a bracket that nothing closes"},
             {"1) , (1", "has a closing bracket that nothing opens"},
             {"a[1)", "has a closing bracket that nothing opens"},
             {"'a", "string"},
             {"$x$ a", "dollar"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    tndb_buffer line = TNDB_BUFFER_INIT;
    tndb_buffer_format(&line, "-- tenantdb:change set_default table=t column=c default=\"%s\"", bad[i].value);
    assert_wrong(tndb_buffer_text(&line), bad[i].why);
    tndb_buffer_free(&line);
  }
  assert_wrong("-- tenantdb:change add_column table=t column=c type=text not_null=perhaps",
               "is neither yes nor no");
  assert_wrong("-- tenantdb:change add_column table=t column=c type=text batch=0",
               "is no number from 1 to 1000000");
  assert_wrong("-- tenantdb:change add_column table=t column=c type=text batch=1000001", "is no number");
  assert_wrong("-- tenantdb:change add_column table=t column=c type=text batch=many", "is no number");
  assert_wrong("-- tenantdb:change add_foreign_key on_delete=explode", "is none of its words");
  assert_wrong("-- tenantdb:change add_foreign_key on_delete=|cascade|", "is none of its words");
  assert_wrong("-- tenantdb:change add_foreign_key on_delete=\"\"", "is none of its words");
  assert_wrong("-- tenantdb:change add_foreign_key references={}", "is no marker such as {plans}");
  assert_wrong("-- tenantdb:change add_foreign_key references={a}{b}", "is no marker such as {plans}");
  assert_wrong("-- tenantdb:change add_unique table=t name=n columns=lower(a)",
               "columns is no list of names");
  assert_wrong("-- tenantdb:change add_unique table=t name=n columns=\"a,\"", "columns is no list of names");
}

static void keys_that_need_each_other(void **state) {
  (void)state;
  assert_wrong("-- tenantdb:change add_column table=t column=c type=text not_null=yes",
               "not_null=yes needs a default or a backfill");
  assert_wrong("-- tenantdb:change rename_column table=t column=a to=b using=a", "needs both using and back");
  assert_wrong("-- tenantdb:change rename_column table=t column=a to=b type=text", "another type needs both");
  assert_wrong("-- tenantdb:change rename_column table=t column=a to=b indexes=i",
               "index i: behind its name");
  assert_wrong("-- tenantdb:change rename_column table=t column=a to=b indexes=\"i (x)\"",
               "column a must be one");
  assert_wrong("-- tenantdb:change rename_column table=t column=a to=b indexes=\"i (a(x))\"",
               "column a must be");
  assert_wrong("-- tenantdb:change rename_column table=t column=a to=b indexes=\"(a)\"",
               "indexes is no list");
  assert_wrong("-- tenantdb:change rename_column table=t column=a to=b leave=\"x y\"",
               "leave is no list of names");
}

static void lines_that_are_none(void **state) {
  (void)state;
  static const char *const lines[] = {
      "-- tenantdb:changes x", "- tenantdb:change", "-- tenantdb:tx none", "--", "", "-- a tenantdb:change"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    assert_false(tndb_change_is_line(lines[i], strlen(lines[i])));
  }
  assert_true(tndb_change_is_line("--\ttenantdb:change\tadd_column", 29));
  assert_true(tndb_change_is_line("--tenantdb:change", 17));
}

/* ---------------------------------------------------------------- from code */

static tenantdb_change *sample(void) {
  tenantdb_change *change = tenantdb_change_new("add_column");
  tenantdb_change_set(change, "table", "My \"t\"");
  tenantdb_change_set(change, "column", "c");
  tenantdb_change_set(change, "type", "text");
  tenantdb_change_set(change, "backfill", "'a' || title");
  tenantdb_change_set(change, "batch", "7");
  tenantdb_change_set(change, "batch", NULL);
  return change;
}

static void mistakes_from_code(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  tenantdb_result *steps = (tenantdb_result *)&error;
  char *line = (char *)&error;
  tenantdb_change *change = tenantdb_change_new("add_indx");
  tenantdb_change_set(change, "table", "t");
  assert_int_equal(tenantdb_change_sql(change, &steps, &error), TENANTDB_MIGRATION);
  assert_non_null(strstr(tenantdb_error_message(error), "did you mean \"add_index\"?"));
  assert_null(steps);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_change_line(change, &line, &error), TENANTDB_MIGRATION);
  assert_null(line);
  tenantdb_error_free(error);
  tenantdb_change_free(change);
  /* The first mistake stays. */
  change = sample();
  tenantdb_change_set(change, "not_null", "maybe");
  tenantdb_change_set(change, "colour", "red");
  assert_int_equal(tenantdb_change_sql(change, &steps, &error), TENANTDB_MIGRATION);
  assert_non_null(strstr(tenantdb_error_message(error), "not_null: \"maybe\" is neither yes nor no"));
  tenantdb_error_free(error);
  tenantdb_change_free(change);
  change = tenantdb_change_new(NULL);
  tenantdb_change_set(change, NULL, NULL);
  assert_int_equal(tenantdb_change_sql(change, &steps, NULL), TENANTDB_MIGRATION);
  tenantdb_change_free(change);
  change = sample();
  tenantdb_change_set(change, NULL, "x");
  assert_int_equal(tenantdb_change_sql(change, &steps, &error), TENANTDB_MIGRATION);
  assert_non_null(strstr(tenantdb_error_message(error), "a key is NULL"));
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_change_sql(change, NULL, &error), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_change_line(change, NULL, &error), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_change_sql(NULL, &steps, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_NULL_ARGUMENT);
  tenantdb_error_free(error);
  uint64_t foreign[64] = {0};
  assert_int_equal(tenantdb_change_sql((tenantdb_change *)foreign, &steps, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_BAD_HANDLE);
  tenantdb_error_free(error);
  tenantdb_change_set(NULL, "a", "b");
  tenantdb_change_free(NULL);
  tenantdb_change_free(change);
}

/* ---------------------------------------------------------------- memory */

typedef struct attempt {
  const char *line;
} attempt;

static void expand_once(void *user) {
  const char *line = ((attempt *)user)->line;
  tndb_steps steps = {NULL, 0};
  tenantdb_error *error = NULL;
  tenantdb_status status = tndb_change_expand_line(line, strlen(line), 1, &steps, &error);
  assert_true(status == TENANTDB_OK || status == TENANTDB_MEMORY);
  assert_true(status == TENANTDB_OK || steps.count == 0);
  for (size_t i = 0; i < steps.count; i++) {
    assert_non_null(steps.items[i].sql);
    tndb_free(steps.items[i].sql);
    tndb_free(steps.items[i].index);
  }
  tndb_free(steps.items);
  tenantdb_error_free(error);
}

static void mistake_once(void *user) {
  const char *line = ((attempt *)user)->line;
  tndb_steps steps = {NULL, 0};
  tenantdb_error *error = NULL;
  tenantdb_status status = tndb_change_expand_line(line, strlen(line), 1, &steps, &error);
  assert_true(status == TENANTDB_MIGRATION || status == TENANTDB_MEMORY);
  tenantdb_error_free(error);
}

static void code_once(void *user) {
  (void)user;
  tenantdb_error *error = NULL;
  tenantdb_result *steps = NULL;
  char *line = NULL;
  tenantdb_change *change = sample();
  (void)tenantdb_change_sql(change, &steps, &error);
  tenantdb_error_free(error);
  (void)tenantdb_change_line(change, &line, &error);
  tenantdb_error_free(error);
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add_change(set, "tenant", 1, NULL, change);
  tenantdb_migrations_free(set);
  tenantdb_result_free(steps);
  tenantdb_string_free(line);
  tenantdb_change_free(change);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  static attempt good[] = {
      {"-- tenantdb:change add_column table=t column=c type=text backfill=lower(title) not_null=yes"},
      {"-- tenantdb:change change_type table=t column=a type=text using=a::text indexes=\"i (a); unique j "
       "(a)\" "
       "leave=x not_null=yes"},
      {"-- tenantdb:change finish_rename_column table=t column=a to=b indexes=\"i (a)\""},
      {"-- tenantdb:change rename_table table=t to=u"},
      {"-- tenantdb:change add_foreign_key table=t name=f columns=a references=u ref_columns=id "
       "on_delete=cascade"},
      {"-- tenantdb:change add_unique table=t name=f columns=a"}};
  static attempt bad[] = {
      {"-- tenantdb:change x"},
      {"-- tenantdb:change add_index tabl=t"},
      {"-- tenantdb:change drop_index name=\"\""},
      {"-- tenantdb:change drop_index"},
      {"-- tenantdb:change rename_column table=t column=a to=b indexes=\"\"\"\"\"\" (a)\""}};
  for (int forever = 0; forever < 2; forever++) {
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
      assert_true(unit_fail_each(expand_once, &good[i], forever) > 5);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
      assert_true(unit_fail_each(mistake_once, &bad[i], forever) > 2);
    }
    assert_true(unit_fail_each(code_once, NULL, forever) > 20);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(kinds_and_keys_that_are_not_there),
      cmocka_unit_test(values_that_cannot_be),
      cmocka_unit_test(keys_that_need_each_other),
      cmocka_unit_test(lines_that_are_none),
      cmocka_unit_test(mistakes_from_code),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

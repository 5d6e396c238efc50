/* SPDX-License-Identifier: PostgreSQL */
/* The texts that a connection keeps of compiled statements. */
#include "statement/cache.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

static tenantdb_registry *registry;

static int declare(void **state) {
  (void)state;
  registry = tenantdb_registry_new();
  tenantdb_base *central = tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED);
  tenantdb_base *service = tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT);
  tenantdb_table_column(tenantdb_base_table(central, "plans"), "id", "int", "PRIMARY KEY");
  tenantdb_table_column(tenantdb_base_table(service, "notes"), "id", "int", "PRIMARY KEY");
  return 0;
}

static int undeclare(void **state) {
  (void)state;
  tenantdb_registry_free(registry);
  return 0;
}

static tenantdb_statement *compile(const char *sql) {
  tenantdb_statement *statement;
  assert_int_equal(tenantdb_statement_new(registry, sql, &statement, NULL), TENANTDB_OK);
  return statement;
}

/* The text must be there and be that; it is let go, but its address tells whether it was there before. */
static const tndb_text *find(tndb_texts *texts, size_t most, const tenantdb_statement *statement,
                             const char *schema, const char *expected) {
  tndb_text *text;
  tenantdb_error *error = NULL;
  assert_int_equal(tndb_texts_find(texts, most, statement, schema, "s", &text, &error), TENANTDB_OK);
  assert_string_equal(text->sql, expected);
  assert_int_equal(text->length, strlen(expected));
  tndb_text_release(text);
  return text;
}

static void found_again(void **state) {
  (void)state;
  tndb_texts texts = {0};
  tenantdb_statement *notes = compile("SELECT * FROM {notes}, {plans}"), *plans = compile("{plans}");
  const tndb_text *a = find(&texts, 10, notes, "a", "SELECT * FROM \"a\".\"notes\", \"s\".\"plans\"");
  const tndb_text *b = find(&texts, 10, notes, "b\"c", "SELECT * FROM \"b\"\"c\".\"notes\", \"s\".\"plans\"");
  const tndb_text *shared = find(&texts, 10, plans, "a", "\"s\".\"plans\"");
  assert_int_equal(texts.count, 3);
  (void)tndb_memory_fail(0, false);
  assert_ptr_equal(find(&texts, 10, notes, "a", a->sql), a);
  assert_ptr_equal(find(&texts, 10, notes, "b\"c", b->sql), b);
  /* Where no tenant's table is named the text is everybody's. */
  assert_ptr_equal(find(&texts, 10, plans, "b", shared->sql), shared);
  assert_ptr_equal(find(&texts, 10, plans, NULL, shared->sql), shared);
  assert_int_equal(tndb_memory_fail(0, false), 0); /* found, not made */
  assert_int_equal(texts.count, 3);
  tenantdb_statement_free(notes);
  tenantdb_statement_free(plans);
  tndb_texts_free(&texts);
  assert_int_equal(texts.count, 0);
}

/* The address of a statement that was freed is given out again; its texts are not the new one's. */
static void same_address(void **state) {
  (void)state;
  tndb_texts texts = {0};
  char sql[40], expected[60];
  for (int i = 0; i < 1000; i++) {
    snprintf(sql, sizeof sql, "SELECT %d FROM {notes}", i % 10);
    snprintf(expected, sizeof expected, "SELECT %d FROM \"t\".\"notes\"", i % 10);
    tenantdb_statement *statement = compile(sql);
    find(&texts, 100, statement, "t", expected);
    tenantdb_statement_free(statement);
  }
  assert_int_equal(texts.count, 100);
  tndb_texts_free(&texts);
}

static int n_left;

static void count_leaving(tndb_text *text) {
  assert_true(text->kept);
  assert_non_null(text->sql);
  n_left++;
}

/* The least recently used one goes, a thousand tenants or not. */
static void bounded(void **state) {
  (void)state;
  enum { MOST = 50, ALL = 1000 };
  tndb_texts texts = {.leaving = count_leaving};
  tenantdb_statement *notes = compile("{notes}");
  char schema[40], expected[60];
  n_left = 0;
  const tndb_text *first = find(&texts, MOST, notes, "first", "\"first\".\"notes\"");
  for (int i = 0; i < ALL; i++) {
    snprintf(schema, sizeof schema, "tenant_%d", i);
    snprintf(expected, sizeof expected, "\"tenant_%d\".\"notes\"", i);
    find(&texts, MOST, notes, schema, expected);
    assert_true(texts.count <= MOST);
    assert_ptr_equal(find(&texts, MOST, notes, "first", first->sql), first); /* in use all the time */
  }
  assert_int_equal(texts.count, MOST);
  assert_int_equal(n_left, ALL + 1 - MOST);
  (void)tndb_memory_fail(0, false);
  for (int i = ALL - MOST + 1; i < ALL; i++) {
    snprintf(schema, sizeof schema, "tenant_%d", i);
    snprintf(expected, sizeof expected, "\"tenant_%d\".\"notes\"", i);
    find(&texts, MOST, notes, schema, expected);
  }
  assert_int_equal(tndb_memory_fail(0, false), 0);
  tndb_texts_free(&texts);
  assert_int_equal(n_left, ALL + 1);
  tenantdb_statement_free(notes);
}

/* One that is held outlives its place, the cache and the statement. */
static void held(void **state) {
  (void)state;
  tndb_texts texts = {0};
  tenantdb_statement *notes = compile("{notes}");
  tndb_text *text, *again;
  assert_int_equal(tndb_texts_find(&texts, 1, notes, "a", "s", &text, NULL), TENANTDB_OK);
  assert_true(text->kept);
  find(&texts, 1, notes, "b", "\"b\".\"notes\"");
  assert_false(text->kept);
  assert_int_equal(tndb_texts_find(&texts, 1, notes, "a", "s", &again, NULL), TENANTDB_OK);
  assert_ptr_not_equal(again, text);
  tndb_texts_free(&texts);
  tenantdb_statement_free(notes);
  assert_string_equal(text->sql, "\"a\".\"notes\"");
  assert_string_equal(again->sql, "\"a\".\"notes\"");
  tndb_text_release(tndb_text_hold(text));
  tndb_text_release(text);
  tndb_text_release(again);
  tndb_text_release(NULL);
}

static void none_kept(void **state) {
  (void)state;
  tndb_texts texts = {0};
  tenantdb_statement *notes = compile("{notes}");
  find(&texts, 0, notes, "a", "\"a\".\"notes\"");
  assert_int_equal(texts.count, 0);
  tndb_texts_free(&texts);
  tenantdb_statement_free(notes);
}

static void refused(void **state) {
  (void)state;
  tndb_texts texts = {0};
  tenantdb_statement *notes = compile("{notes}");
  tndb_text *text = (tndb_text *)(uintptr_t)1;
  tenantdb_error *error = NULL;
  assert_int_equal(tndb_texts_find(&texts, 9, notes, NULL, "s", &text, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_MISSING_SCHEMA_NAME);
  assert_null(text);
  tenantdb_error_free(error);
  assert_int_equal(tndb_texts_find(&texts, 9, notes, "", "s", &text, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tndb_texts_find(&texts, 9, NULL, "a", "s", &text, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(texts.count, 0);
  tenantdb_statement_free(notes);
  tndb_texts_free(&texts);
}

static void fill(void *user) {
  tndb_texts texts = {0};
  char schema[20];
  for (int i = 0; i < 40; i++) {
    tndb_text *text = NULL;
    tenantdb_error *error = NULL;
    snprintf(schema, sizeof schema, "t%d", i);
    tenantdb_status status = tndb_texts_find(&texts, 35, user, schema, "s", &text, &error);
    assert_true(status == TENANTDB_OK ? text && strstr(text->sql, schema) : status == TENANTDB_MEMORY);
    tndb_text_release(text);
    tenantdb_error_free(error);
  }
  tndb_texts_free(&texts);
}

static void out_of_memory(void **state) {
  (void)state;
  tenantdb_statement *notes = compile("{notes}");
  assert_true(unit_fail_each(fill, notes, false) > 40);
  unit_fail_each(fill, notes, true);
  tenantdb_statement_free(notes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(found_again),   cmocka_unit_test(same_address), cmocka_unit_test(bounded),
      cmocka_unit_test(held),          cmocka_unit_test(none_kept),    cmocka_unit_test(refused),
      cmocka_unit_test(out_of_memory),
  };
  return cmocka_run_group_tests(tests, declare, undeclare);
}

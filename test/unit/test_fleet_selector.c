/* SPDX-License-Identifier: PostgreSQL */
/* Selectors of tenants: what they become, and where a mistake is. */
#include <string.h>

#include "tenant/fleet_selector.h"
#include "unit.h"

static void expect(const char *text, const char *sql, const char *values) {
  tndb_selector selector;
  tenantdb_error *error = NULL;
  tndb_buffer all = TNDB_BUFFER_INIT;
  assert_int_equal(tndb_selector_compile(text, 3, &selector, &error), TENANTDB_OK);
  assert_null(error);
  assert_string_equal(tndb_buffer_text(&selector.sql), sql);
  for (int32_t i = 0; i < selector.count; i++) {
    tndb_buffer_append(&all, selector.values[i]);
    tndb_buffer_append_char(&all, ';');
  }
  assert_string_equal(tndb_buffer_text(&all), values);
  tndb_buffer_free(&all);
  tndb_selector_free(&selector);
}

static void test_conditions(void **state) {
  (void)state;
  expect("", "true", "");
  expect(" \t\n", "true", "");
  expect("slug=Acme|b-1", "true AND coalesce(lower(t.slug COLLATE \"C\") = ANY ($3::text[]), false)",
         "{\"acme\",\"b-1\"};");
  expect("slug ^= EU-",
         "true AND EXISTS (SELECT FROM pg_catalog.unnest($3::text[]) p WHERE "
         "pg_catalog.starts_with(lower(t.slug COLLATE \"C\"), p))",
         "{\"eu-\"};");
  expect("id!=6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
         "true AND NOT coalesce(t.id::text = ANY ($3::text[]), false)",
         "{\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"};");
  expect("version>=12", "true AND t.version >= ($3::bigint[])[1]", "{\"12\"};");
  expect("version=1|2", "true AND coalesce(t.version = ANY ($3::bigint[]), false)", "{\"1\",\"2\"};");
  expect("state = suspended", "true AND coalesce(t.state = ANY ($3::text[]), false)", "{\"suspended\"};");
  expect("plan=pro and a.b.c != 'x''y \"z'",
         "true AND coalesce((t.properties #>> $3::text[]) = ANY ($4::text[]), false) AND NOT "
         "coalesce((t.properties #>> $5::text[]) = ANY ($6::text[]), false)",
         "{\"plan\"};{\"pro\"};{\"a\",\"b\",\"c\"};{\"x'y \\\"z\"};");
  expect("\"a.b\"=1,properties.slug=2, properties.\"id\"=3",
         "true AND coalesce((t.properties #>> $3::text[]) = ANY ($4::text[]), false) AND "
         "coalesce((t.properties #>> $5::text[]) = ANY ($6::text[]), false) AND "
         "coalesce((t.properties #>> $7::text[]) = ANY ($8::text[]), false)",
         "{\"a.b\"};{\"1\"};{\"slug\"};{\"2\"};{\"id\"};{\"3\"};");
  expect("andrew=and", "true AND coalesce((t.properties #>> $3::text[]) = ANY ($4::text[]), false)",
         "{\"andrew\"};{\"and\"};");
  expect("version.major=3", "true AND coalesce((t.properties #>> $3::text[]) = ANY ($4::text[]), false)",
         "{\"version\",\"major\"};{\"3\"};");
  expect("größe='ä b'", "true AND coalesce((t.properties #>> $3::text[]) = ANY ($4::text[]), false)",
         "{\"größe\"};{\"ä b\"};");
}

static void test_state_is_noticed(void **state) {
  (void)state;
  tndb_selector selector;
  assert_int_equal(tndb_selector_compile("properties.state=x", 1, &selector, NULL), TENANTDB_OK);
  assert_false(selector.on_state);
  tndb_selector_free(&selector);
  assert_int_equal(tndb_selector_compile("plan=x, state!=active", 1, &selector, NULL), TENANTDB_OK);
  assert_true(selector.on_state);
  tndb_selector_free(&selector);
}

static void refuse(const char *text, int32_t position, const char *message) {
  tndb_selector selector;
  tenantdb_error *error = NULL;
  assert_int_equal(tndb_selector_compile(text, 1, &selector, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_BAD_OPTION_VALUE);
  if (!strstr(tenantdb_error_message(error), message)) {
    fail_msg("%s: %s", text, tenantdb_error_message(error));
  }
  assert_int_equal(tenantdb_error_position(error), position);
  tenantdb_error_free(error);
  tndb_selector_free(&selector);
}

static void test_mistakes(void **state) {
  (void)state;
  refuse("=x", 1, "slug, id, state, version or the name of a property is expected");
  refuse("plan", 5, "an operator is expected");
  refuse("plan ~ x", 6, "an operator is expected");
  refuse("plan=", 6, "a value is expected");
  refuse("plan=a|", 8, "a value is expected");
  refuse("plan=a,", 8, "another condition is expected");
  refuse("plan=a and", 11, "another condition is expected");
  refuse("plan=a b=c", 8, "a comma or \"and\" is expected");
  refuse("plan=a or b=c", 8, "a comma or \"and\" is expected");
  refuse("plan<5", 5, "only versions are compared");
  refuse("slug<b", 5, "only versions are compared");
  refuse("version^=1", 8, "^= is for slugs and properties");
  refuse("version<1|2", 11, "a comparison has one value");
  refuse("version=one", 9, "a version is a whole number");
  refuse("version=99999999999999999999", 9, "a version is a whole number");
  refuse("state=asleep", 7, "there is no such state");
  refuse("id=7", 4, "an id is a uuid");
  refuse("plan='a", 6, "the quotes are not closed");
  refuse("\"plan=a", 1, "the quotes are not closed");
  refuse("a..b=c", 3, "behind the dot");
  refuse("properties.=c", 12, "behind the dot");
  refuse("größe=ä, b", 11, "an operator is expected"); /* positions are characters */
  refuse("a=b;drop table t", 4, "a comma or \"and\" is expected");
  refuse("\xff=1", 0, "not valid UTF-8");
}

static void test_many(void **state) {
  (void)state;
  tndb_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_append(&text, "a=1");
  for (int i = 1; i < 1000; i++) {
    tndb_buffer_append(&text, ",a=1");
  }
  tndb_selector selector;
  assert_int_equal(tndb_selector_compile(tndb_buffer_text(&text), 1, &selector, NULL), TENANTDB_OK);
  assert_int_equal(selector.count, 2000);
  tndb_selector_free(&selector);
  tndb_buffer_append(&text, ",a=1");
  refuse(tndb_buffer_text(&text), 4001, "too many conditions");
  tndb_buffer_free(&text);
}

static void test_no_memory(void **state) {
  (void)state;
  int64_t live = tndb_memory_live();
  tenantdb_status status = TENANTDB_MEMORY;
  for (uint64_t n = 1; status == TENANTDB_MEMORY; n++) {
    tndb_selector selector;
    tenantdb_error *error = NULL;
    tndb_memory_fail(n, false);
    status = tndb_selector_compile("plan=pro|'b c', \"x\".y, slug^=a, version<3", 1, &selector, &error);
    tndb_memory_fail(0, false);
    tenantdb_error_free(error);
    tndb_selector_free(&selector);
    assert_int_equal(tndb_memory_live(), live);
    assert_true(n < 1000);
  }
  assert_int_equal(status, TENANTDB_ARGUMENT); /* "x".y is a mistake: a quoted name stands alone */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_conditions), cmocka_unit_test(test_state_is_noticed),
      cmocka_unit_test(test_mistakes),   cmocka_unit_test(test_many),
      cmocka_unit_test(test_no_memory),
  };
  return cmocka_run_group_tests_name("fleet selector", tests, NULL, NULL);
}

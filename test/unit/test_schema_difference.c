/* SPDX-License-Identifier: PostgreSQL */
/* Marks in definitions, for people and for the server; the parts of a definition. */
#include "base/memory.h"
#include "schema/marker.h"
#include "schema/plan.h"
#include "unit.h"

static void test_show(void **state) {
  (void)state;
  tndb_auto_buffer out = TNDB_BUFFER_INIT;
  tndb_marks_show(&out,
                  "\x01notes \x1e"
                  "REFERENCES \x02plans TO \x04, \x05, \x06 IN \x03");
  assert_string_equal(tndb_buffer_text(&out),
                      "notes REFERENCES {shared}.plans TO {role}, {group}, {owner} IN {schema}");
}

static void test_fill(void **state) {
  (void)state;
  static const tndb_mark_names names = {"o'clock", "pub\"lic", "r", "g", "o"};
  tndb_auto_buffer out = TNDB_BUFFER_INIT;
  tndb_marks_fill(&out, "nextval('\x01s'::regclass) \x1e\x01t \x02p \x03 \x04 \x05 \x06", &names);
  assert_string_equal(
      tndb_buffer_text(&out),
      "nextval('\"o''clock\".s'::regclass) \"o'clock\".t \"pub\"\"lic\".p \"o'clock\" \"r\" \"g\" \"o\"");
}

static void test_parts(void **state) {
  (void)state;
  static const char *const parts[] = {"integer", "", " not null", ""};
  for (size_t i = 0; i < 4; i++) {
    tndb_auto_free char *part = tndb_form_part("integer\x1e\x1e not null", i);
    assert_string_equal(part, parts[i]);
  }
  assert_string_equal(tndb_plan_last_name("notes.id", "notes"), "id");
  assert_string_equal(tndb_plan_last_name("a.b.c", "a.b"), "c");
  assert_string_equal(tndb_plan_last_name("notes_at", "notes"), "notes_at");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_show), cmocka_unit_test(test_fill),
                                     cmocka_unit_test(test_parts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Options objects: tables of rows, what is set by them, and every mistake that they tell. */
#include "config/option.h"

#include <stdio.h>

#include "unit.h"

enum { NAME, HIDDEN, WORD, COLOUR, FLAG, COUNT, ANY, TIME, EVER, LIST, N_KEYS };

static tenantdb_status check_name(const char *what, const char *value, tenantdb_error **error) {
  return value[0] == 'x' ? tndb_value_refuse(what, value, "begins with an x", error) : TENANTDB_OK;
}

static const tndb_option_row rows[N_KEYS] = {
    [NAME] = {"name", .type = TNDB_TYPE_PLAIN},
    [HIDDEN] = {"hidden", .type = TNDB_TYPE_SECRET},
    [WORD] = {"word", .type = TNDB_TYPE_CHOICE, .choices = "one|two"},
    [COLOUR] = {"colour", .type = TNDB_TYPE_CHOICE, .choices = "red|green|blue"},
    [FLAG] = {"flag", .type = TNDB_TYPE_FLAG},
    [COUNT] = {"count", .type = TNDB_TYPE_NUMBER, .minimum = 2, .maximum = 40},
    [ANY] = {"any", .type = TNDB_TYPE_NUMBER, .maximum = INT64_MAX},
    [TIME] = {"time", .type = TNDB_TYPE_DURATION, .minimum = 1500, .maximum = 7200000},
    [EVER] = {"ever", .type = TNDB_TYPE_DURATION, .maximum = INT64_MAX},
    [LIST] = {"list", .type = TNDB_TYPE_LIST, .check = check_name}};
static const tndb_option_table table = TNDB_OPTION_TABLE("test option", rows);

static void assert_mistake(const char *key, const char *value, int32_t reason, const char *message) {
  tndb_options options = {.mistake = NULL};
  tenantdb_error *error = NULL;
  tndb_options_set(&options, &table, "count", "7");
  tndb_options_set(&options, &table, key, value);
  tndb_options_set(&options, &table, "count", "8"); /* only the first mistake counts, and nothing behind it */
  tndb_options_add(&options, &table, LIST, "late");
  assert_int_equal(tndb_option_number(&options, COUNT, 0), 7);
  assert_false(tndb_option_given(&options, LIST));
  for (int i = 0; i < 2; i++) { /* as often as it is asked for */
    assert_int_equal(tndb_options_check(&options, &error), TENANTDB_ARGUMENT);
    assert_int_equal(tenantdb_error_reason(error), reason);
    assert_string_equal(tenantdb_error_message(error), message);
    tenantdb_error_free(error);
    error = NULL;
  }
  tndb_options_clear(&options);
}

static void test_keys(void **state) {
  (void)state;
  assert_mistake("coutn", "1", TENANTDB_REASON_UNKNOWN_OPTION,
                 "there is no test option \"coutn\"; did you mean \"count\"?; there are name, hidden, word, "
                 "colour, flag, count, any, time, ever and list");
  assert_mistake("something else", NULL, TENANTDB_REASON_UNKNOWN_OPTION,
                 "there is no test option \"something else\"; there are name, hidden, word, colour, flag, "
                 "count, any, time, ever and list");
  assert_mistake(NULL, "1", TENANTDB_REASON_NULL_ARGUMENT, "test option: key is NULL");
}

static void test_values(void **state) {
  (void)state;
  static const struct {
    const char *key, *value, *message;
  } bad[] = {
      {"name", "a\xff", "test option name: \"?\" is not valid UTF-8"},
      {"hidden", "geheim\xff", "test option hidden: \"...\" is not valid UTF-8"},
      {"word", "three", "test option word: \"three\" is neither one nor two"},
      {"word", "one|two", "test option word: \"one|two\" is neither one nor two"},
      {"word", "tw", "test option word: \"tw\" is neither one nor two"},
      {"colour", "", "test option colour: \"\" is none of red, green and blue"},
      {"flag", "On", "test option flag: \"On\" is neither on nor off"},
      {"count", "1", "test option count: \"1\" is not a number from 2 to 40"},
      {"count", "41", "test option count: \"41\" is not a number from 2 to 40"},
      {"count", "7 ", "test option count: \"7 \" is not a number from 2 to 40"},
      {"any", "-1", "test option any: \"-1\" is not a number from 0 on"},
      {"any", "9223372036854775808", "test option any: \"9223372036854775808\" is not a number from 0 on"},
      {"time", "1.4s",
       "test option time: \"1.4s\" is not a duration from 1500ms to 2h: a number and ms, s, min, h or d "
       "(seconds without a unit)"},
      {"time", "7201",
       "test option time: \"7201\" is not a duration from 1500ms to 2h: a number and ms, s, min, h or d "
       "(seconds without a unit)"},
      {"ever", "soon",
       "test option ever: \"soon\" is not a duration: a number and ms, s, min, h or d (seconds without a "
       "unit)"},
      {"list", "a,,b", "test option list: name 2 is empty"},
      {"list", "a,", "test option list: name 2 is empty"},
      {"list", " , a", "test option list: name 1 is empty"},
      {"list", "a, \xff", "test option list: name 2 is not valid UTF-8"},
      {"list", "a, xy", "test option list: name 2: \"xy\" begins with an x"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_mistake(bad[i].key, bad[i].value, TENANTDB_REASON_BAD_OPTION_VALUE, bad[i].message);
  }
}

/* A character is repeated as a whole or not at all. */
static void test_long_values(void **state) {
  (void)state;
  static const struct {
    const char *value, *shown;
  } rows_of[] = {
      {"123456789 123456789 123456789 123456789 123456789 1234567890", NULL},
      {"123456789 123456789 123456789 123456789 123456789 12345678901",
       "123456789 123456789 123456789 123456789 123456789 1234567890..."},
      {"123456789 123456789 123456789 123456789 123456789 12345678\xc3\xa4", NULL},
      {"123456789 123456789 123456789 123456789 123456789 123456789\xc3\xa4",
       "123456789 123456789 123456789 123456789 123456789 123456789..."},
      {"123456789 123456789 123456789 123456789 123456789 1234567\xf0\x9f\x8c\xb3 tree",
       "123456789 123456789 123456789 123456789 123456789 1234567..."},
      {"123456789 123456789 123456789 123456789 123456789 123456\xf0\x9f\x8c\xb3 tree",
       "123456789 123456789 123456789 123456789 123456789 123456\xf0\x9f\x8c\xb3..."},
  };
  for (size_t i = 0; i < sizeof rows_of / sizeof rows_of[0]; i++) {
    const char *shown = rows_of[i].shown ? rows_of[i].shown : rows_of[i].value;
    char message[200];
    (void)snprintf(message, sizeof message, "test option word: \"%s\" is neither one nor two", shown);
    assert_mistake("word", rows_of[i].value, TENANTDB_REASON_BAD_OPTION_VALUE, message);
    (void)snprintf(message, sizeof message,
                   "there is no test option \"%s\"; there are name, hidden, word, colour, flag, count, any, "
                   "time, ever and list",
                   shown);
    assert_mistake(rows_of[i].value, "1", TENANTDB_REASON_UNKNOWN_OPTION, message);
  }
}

static void test_reading(void **state) {
  (void)state;
  static const char *const good[][2] = {{"name", ""},    {"hidden", "host=x password=y"},
                                        {"word", "two"}, {"colour", "blue"},
                                        {"flag", "yes"}, {"count", "40"},
                                        {"any", "0"},    {"time", "1.5s"},
                                        {"ever", "0"},   {"list", " a b ,c"}};
  tndb_options options = {.mistake = NULL};
  size_t count = 9;
  for (int i = 0; i < N_KEYS; i++) { /* nothing was given, neither with an object nor without */
    assert_false(tndb_option_given(&options, i) || tndb_option_given(NULL, i));
    assert_int_equal(tndb_option_number(&options, i, -5), -5);
    assert_int_equal(tndb_option_number(NULL, i, -5), -5);
    assert_null(tndb_option_text(&options, i, NULL));
    assert_string_equal(tndb_option_text(NULL, i, "else"), "else");
  }
  assert_null(tndb_option_names(NULL, LIST, &count));
  assert_int_equal(count, 0);
  assert_int_equal(tndb_options_check(NULL, NULL), TENANTDB_OK);
  for (size_t i = 0; i < N_KEYS; i++) {
    tndb_options_set(&options, &table, good[i][0], good[i][1]);
  }
  assert_int_equal(tndb_options_check(&options, NULL), TENANTDB_OK);
  assert_string_equal(tndb_option_text(&options, NAME, "else"), "");
  assert_string_equal(tndb_option_text(&options, HIDDEN, "else"), "host=x password=y");
  assert_string_equal(tndb_option_text(&options, COUNT, "else"), "40");
  static const int64_t numbers[N_KEYS] = {0, 0, 1, 2, 1, 40, 0, 1500, 0, 2};
  for (int i = WORD; i < N_KEYS; i++) {
    assert_int_equal(tndb_option_number(&options, i, -5), numbers[i]);
  }
  const char *const *names = tndb_option_names(&options, LIST, &count);
  assert_int_equal(count, 2);
  assert_string_equal(names[0], "a b");
  assert_string_equal(names[1], "c");
  for (int i = 0; i < N_KEYS; i++) { /* NULL puts the default back */
    tndb_options_set(&options, &table, rows[i].key, NULL);
    assert_false(tndb_option_given(&options, i));
  }
  tndb_options_clear(&options);
}

static void test_lists(void **state) {
  (void)state;
  tndb_options options = {.mistake = NULL};
  tenantdb_error *error = NULL;
  size_t count = 9;
  tndb_options_set(&options, &table, "list", "  ");
  assert_true(tndb_option_given(&options, LIST)); /* an empty list is one, too */
  (void)tndb_option_names(&options, LIST, &count);
  assert_int_equal(count, 0);
  tndb_options_set(&options, &table, "list", "a,b,c");
  for (int i = 0; i < 1000; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "n,%d", i); /* what is added is one name, whatever is in it */
    tndb_options_add(&options, &table, LIST, name);
  }
  const char *const *names = tndb_option_names(&options, LIST, &count);
  assert_int_equal(count, 1003);
  assert_string_equal(names[2], "c");
  assert_string_equal(names[3], "n,0");
  assert_string_equal(names[1002], "n,999");
  tndb_options_set(&options, &table, "list", "z"); /* takes the place of all */
  names = tndb_option_names(&options, LIST, &count);
  assert_int_equal(count, 1);
  assert_string_equal(names[0], "z");
  tndb_options_add(&options, &table, LIST, NULL);
  assert_int_equal(tndb_options_check(&options, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_NULL_ARGUMENT);
  assert_string_equal(tenantdb_error_message(error), "test option list: the name is NULL");
  tenantdb_error_free(error);
  error = NULL;
  tndb_options_clear(&options);
  tndb_options_add(&options, &table, LIST, "xy");
  assert_int_equal(tndb_options_check(&options, &error), TENANTDB_ARGUMENT);
  assert_string_equal(tenantdb_error_message(error), "test option list: name 1: \"xy\" begins with an x");
  tenantdb_error_free(error);
  tndb_options_clear(&options);
}

static void use(void *outcome) {
  tndb_options options = {.mistake = NULL};
  tndb_options_set(&options, &table, "list", "a, b, c");
  tndb_options_add(&options, &table, LIST, "d");
  tndb_options_set(&options, &table, "name", "n");
  tndb_options_set(&options, &table, "count", "3");
  *(tenantdb_status *)outcome = tndb_options_check(&options, NULL);
  tndb_options_clear(&options);
}

static void mistake(void *outcome) {
  tndb_options options = {.mistake = NULL};
  tndb_options_set(&options, &table, "list", "a, xy");
  *(tenantdb_status *)outcome = tndb_options_check(&options, NULL);
  tndb_options_clear(&options);
}

/* Memory that runs out is the mistake that is told, whichever allocation it was. */
static void test_no_memory(void **state) {
  (void)state;
  tenantdb_status status = TENANTDB_MEMORY;
  assert_true(unit_fail_each(use, &status, true) > 10);
  assert_int_equal(status, TENANTDB_OK); /* of the run in which nothing failed */
  assert_true(unit_fail_each(mistake, &status, true) > 5);
  assert_int_equal(status, TENANTDB_ARGUMENT);
  int64_t number = 0; /* a value that is fine takes none: a new configuration reads all its defaults */
  (void)tndb_memory_fail(1, true);
  status = tndb_option_read(&table, TIME, "2s", &number, NULL);
  (void)tndb_memory_fail(0, false);
  assert_int_equal(status, TENANTDB_OK);
  assert_int_equal(number, 2000);
  for (uint64_t at = 1; at <= 8; at++) {
    (void)tndb_memory_fail(at, false);
    use(&status);
    (void)tndb_memory_fail(0, false);
    assert_int_equal(status, TENANTDB_MEMORY);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_keys),    cmocka_unit_test(test_values), cmocka_unit_test(test_long_values),
      cmocka_unit_test(test_reading), cmocka_unit_test(test_lists),  cmocka_unit_test(test_no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

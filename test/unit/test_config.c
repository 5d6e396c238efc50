/* SPDX-License-Identifier: PostgreSQL */
/* Options: defaults, values that parse and values that do not, the environment, the list of them all. */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

/* A value that must be refused, with its reason and a part of the message. */
static void assert_refused(const char *key, const char *value, int32_t reason, const char *text) {
  tenantdb_config *config = tenantdb_config_new();
  tenantdb_error *error = NULL;
  assert_int_equal(tenantdb_config_set(config, key, value, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), reason);
  if (!strstr(tenantdb_error_message(error), text)) {
    fail_msg("\"%s\" is not in \"%s\"", text, tenantdb_error_message(error));
  }
  tenantdb_error_free(error);
  tenantdb_config_free(config);
}

static int64_t number_of(const char *key, const char *value) {
  tenantdb_config *config = tenantdb_config_new();
  tenantdb_error *error = NULL;
  if (tenantdb_config_set(config, key, value, &error)) {
    fail_msg("%s", tenantdb_error_message(error));
  }
  int64_t number = tndb_config_number(config, tndb_property_find(key, NULL)->option);
  tenantdb_config_free(config);
  return number;
}

static void test_table(void **state) {
  (void)state;
  for (int i = 0; i < TNDB_N_OPTIONS; i++) {
    const tndb_property *property = tndb_property_of((tndb_option)i);
    tenantdb_error *error = NULL;
    int64_t number = -1;
    assert_int_equal(property->option, i);
    assert_ptr_equal(tndb_property_find(property->key, &error), property);
    /* Its default is a value that it takes. */
    assert_int_equal(tndb_property_parse(property, property->initial, &number, &error), TENANTDB_OK);
    assert_int_equal(property->type == TNDB_TYPE_CHOICE, property->choices != NULL);
    assert_true(strlen(property->description) > 20);
    assert_true(property->minimum <= property->maximum);
    for (const char *at = property->key; *at; at++) {
      assert_true((*at >= 'a' && *at <= 'z') || *at == '.' || *at == '_');
    }
  }
}

static void test_set_and_get(void **state) {
  (void)state;
  tenantdb_config *config = tenantdb_config_new();
  tenantdb_error *error = NULL;
  const char *value = NULL;
  assert_int_equal(tenantdb_config_get(config, "pool.size", &value, &error), TENANTDB_OK);
  assert_string_equal(value, "20");
  assert_int_equal(tenantdb_config_set(config, "pool.size", "7", &error), TENANTDB_OK);
  assert_int_equal(tenantdb_config_get(config, "pool.size", &value, &error), TENANTDB_OK);
  assert_string_equal(value, "7");
  assert_int_equal(tenantdb_config_set(config, "pool.size", "none", &error), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  error = NULL;
  assert_int_equal(tenantdb_config_get(config, "pool.size", &value, &error), TENANTDB_OK);
  assert_string_equal(value, "7"); /* as it was */
  tenantdb_config *copy = NULL;
  assert_int_equal(tndb_config_copy(config, &copy, &error), TENANTDB_OK);
  assert_int_equal(tenantdb_config_set(config, "pool.size", NULL, &error), TENANTDB_OK);
  assert_int_equal(tndb_config_number(config, TNDB_POOL_SIZE), 20);
  assert_int_equal(tndb_config_number(copy, TNDB_POOL_SIZE), 7);
  tenantdb_config_free(copy);
  assert_int_equal(tndb_config_copy(NULL, &copy, &error), TENANTDB_OK);
  assert_int_equal(tndb_config_number(copy, TNDB_POOL_SIZE), 20);
  tenantdb_config_free(copy);
  assert_int_equal(tenantdb_config_set(NULL, "pool.size", "7", &error), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_config_set(config, NULL, "7", &error), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_config_get(config, "pool.size", NULL, &error), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_config_get(config, "pool.site", &value, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_UNKNOWN_OPTION);
  assert_null(value);
  tenantdb_error_free(error);
  tenantdb_config_free(config);
  tenantdb_config_free(NULL);
}

static void test_unknown(void **state) {
  (void)state;
  assert_refused("pool.sise", "1", TENANTDB_REASON_UNKNOWN_OPTION,
                 "there is no option \"pool.sise\"; did you mean "
                 "\"pool.size\"?");
  assert_refused("POOL.SIZE", "1", TENANTDB_REASON_UNKNOWN_OPTION, "there is no option \"POOL.SIZE\"");
  assert_refused("", "1", TENANTDB_REASON_UNKNOWN_OPTION, "there is no option \"\"");
  assert_refused("something else altogether", "1", TENANTDB_REASON_UNKNOWN_OPTION,
                 "tenantdb_config_describe()");
}

static void test_numbers(void **state) {
  (void)state;
  assert_int_equal(number_of("pool.size", "1"), 1);
  assert_int_equal(number_of("pool.size", "10000"), 10000);
  assert_refused("pool.size", "0", TENANTDB_REASON_BAD_OPTION_VALUE,
                 "option pool.size: \"0\" is not a number from 1 to 10000");
  assert_refused("pool.size", "10001", TENANTDB_REASON_BAD_OPTION_VALUE, "from 1 to 10000");
  assert_refused("pool.size", "-1", TENANTDB_REASON_BAD_OPTION_VALUE, "from 1 to 10000");
  static const char *const bad[] = {"", " 1", "1 ", "1.5", "0x10", "ten", "-", "99999999999999999999"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_refused("pool.size", bad[i], TENANTDB_REASON_BAD_OPTION_VALUE, "is not a number from");
  }
}

static void test_durations(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t ms;
  } good[] = {{"0", 0},        {"5", 5000},      {"5s", 5000},       {"5 s", 5000},
              {"250ms", 250},  {"1.5s", 1500},   {"0.001s", 1},      {"2min", 120000},
              {"1h", 3600000}, {"1d", 86400000}, {"0.5 min", 30000}, {"1.0009s", 1000}};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    assert_int_equal(number_of("session.timeout", good[i].text), good[i].ms);
  }
  static const char *const bad[] = {"",
                                    "s",
                                    "-1s",
                                    "1 second",
                                    "1m",
                                    "1.s",
                                    ".5s",
                                    "1e3",
                                    "5 s s",
                                    "99999999999999999999s",
                                    "1000000000000d"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    int64_t ms;
    assert_false(tndb_duration_parse(bad[i], &ms));
    assert_refused("session.timeout", bad[i], TENANTDB_REASON_BAD_OPTION_VALUE, "is not a duration");
  }
  assert_refused("session.timeout", "2d", TENANTDB_REASON_BAD_OPTION_VALUE, "is not a duration from 0 to 1d");
  assert_refused("operation.lease", "999ms", TENANTDB_REASON_BAD_OPTION_VALUE, "is not a duration from 1s");
}

static void test_flags_and_choices(void **state) {
  (void)state;
  static const char *const on[] = {"on", "true", "yes", "1"};
  static const char *const off[] = {"off", "false", "no", "0"};
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(number_of("pool.pre_ping", on[i]), 1);
    assert_int_equal(number_of("pool.pre_ping", off[i]), 0);
  }
  assert_refused("pool.pre_ping", "ON", TENANTDB_REASON_BAD_OPTION_VALUE, "is neither on nor off");
  assert_refused("pool.pre_ping", "", TENANTDB_REASON_BAD_OPTION_VALUE, "is neither on nor off");
  assert_int_equal(number_of("isolation.level", "auto"), 0);
  assert_int_equal(number_of("isolation.level", "role"), 2);
  assert_refused("isolation.level", "rol", TENANTDB_REASON_BAD_OPTION_VALUE,
                 "is none of auto, routing, role, hardened and login");
  assert_refused("isolation.level", "auto|routing", TENANTDB_REASON_BAD_OPTION_VALUE, "is none of");
  assert_refused("isolation.level", "", TENANTDB_REASON_BAD_OPTION_VALUE, "is none of");
}

static void test_names_and_templates(void **state) {
  (void)state;
  char name[65];
  memset(name, 'n', 64);
  name[64] = '\0';
  assert_refused("catalog.schema", "", TENANTDB_REASON_BAD_OPTION_VALUE, "is empty");
  assert_refused("catalog.schema", name, TENANTDB_REASON_BAD_OPTION_VALUE, "longer than the 63 bytes");
  assert_refused("catalog.schema", "a\xff", TENANTDB_REASON_BAD_OPTION_VALUE, "not valid UTF-8");
  name[63] = '\0';
  (void)number_of("catalog.schema", name);
  (void)number_of("extensions.schema", "");
  assert_refused("extensions.schema", "\xc3", TENANTDB_REASON_BAD_OPTION_VALUE, "not valid UTF-8");
  static const char *const good[] = {"tenant_{slug}_{hash}", "project_{id}", "{slug}", "{id}", "T-{slug}",
                                     "{slug}{slug}"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    (void)number_of("tenant.schema_template", good[i]);
  }
  static const struct {
    const char *pattern, *text;
  } bad[] = {{"tenant", "holds neither {slug} nor {id}"},
             {"t_{hash}", "holds neither {slug} nor {id}"},
             {"", "holds neither"},
             {"{slug", "a marker other than"},
             {"{name}", "a marker other than"},
             {"{slug}}", "a } without its {"},
             {"{SLUG}", "a marker other than"},
             {"{ slug }", "a marker other than"}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_refused("tenant.schema_template", bad[i].pattern, TENANTDB_REASON_BAD_OPTION_VALUE, bad[i].text);
  }
}

static void test_secret(void **state) {
  (void)state;
  tenantdb_config *config = tenantdb_config_new();
  tenantdb_result *options = NULL;
  tenantdb_error *error = NULL;
  static const char url[] = "postgresql://user:hush@host/db";
  assert_int_equal(tenantdb_config_set(config, "database.url", url, &error), TENANTDB_OK);
  assert_string_equal(tndb_config_text(config, TNDB_DATABASE_URL), url);
  assert_int_equal(tenantdb_config_describe(config, &options, &error), TENANTDB_OK);
  assert_int_equal(tenantdb_result_rows(options), TNDB_N_OPTIONS);
  assert_int_equal(tenantdb_result_columns(options), 7);
  for (int32_t row = 0; row < TNDB_N_OPTIONS; row++) {
    for (int32_t column = 0; column < 7; column++) {
      const char *cell = tenantdb_result_value(options, row, column);
      assert_true(!cell || !strstr(cell, "hush"));
    }
  }
  assert_string_equal(tenantdb_result_value(options, 0, 2), "(given)");
  tenantdb_result_free(options);
  assert_refused("database.url", "hush\xff", TENANTDB_REASON_BAD_OPTION_VALUE, "\"...\" is not valid UTF-8");
  assert_int_equal(tenantdb_config_describe(NULL, &options, &error), TENANTDB_OK);
  assert_string_equal(tenantdb_result_value(options, 0, 2), "");
  tenantdb_result_free(options);
  assert_int_equal(tenantdb_config_describe(config, NULL, &error), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  tenantdb_config_free(config);
}

static void test_environment(void **state) {
  (void)state;
  tenantdb_config *config = tenantdb_config_new();
  tenantdb_error *error = NULL;
  setenv("DATABASE_URL", "host=there", 1);
  setenv("DATABASE_SCHEMA", "teddy-ai", 1);
  setenv("TENANTDB_POOL_SIZE", "9", 1);
  setenv("TENANTDB_POOL_PRE_PING", "", 1);
  assert_int_equal(tenantdb_config_load_env(config, &error), TENANTDB_OK);
  assert_string_equal(tndb_config_text(config, TNDB_DATABASE_URL), "host=there");
  assert_string_equal(tndb_config_text(config, TNDB_DATABASE_SCHEMA), "teddy-ai");
  assert_int_equal(tndb_config_number(config, TNDB_POOL_SIZE), 9);
  assert_int_equal(tndb_config_number(config, TNDB_POOL_PRE_PING), 1);
  setenv("TENANTDB_DATABASE_URL", "host=elsewhere", 1); /* the library's own name goes last */
  assert_int_equal(tenantdb_config_load_env(config, &error), TENANTDB_OK);
  assert_string_equal(tndb_config_text(config, TNDB_DATABASE_URL), "host=elsewhere");
  setenv("TENANTDB_POOL_SIZE", "many", 1);
  assert_int_equal(tenantdb_config_load_env(config, &error), TENANTDB_ARGUMENT);
  assert_non_null(
      strstr(tenantdb_error_message(error), "environment variable TENANTDB_POOL_SIZE: option pool.size"));
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_config_load_env(NULL, &error), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  tenantdb_config_free(config);
  unsetenv("DATABASE_URL");
  unsetenv("DATABASE_SCHEMA");
  unsetenv("TENANTDB_POOL_SIZE");
  unsetenv("TENANTDB_POOL_PRE_PING");
  unsetenv("TENANTDB_DATABASE_URL");
}

static void receive(void *user, int32_t level, const char *event, const char *message) {
  assert_int_equal(level, TENANTDB_LOG_WARNING);
  assert_string_equal(event, "notice");
  assert_string_equal(message, "text");
  *(int *)user += 1;
}

static void test_log(void **state) {
  (void)state;
  const tndb_event warning = {.kind = TNDB_EVENT_NOTICE, .level = TENANTDB_LOG_WARNING, .message = "text"};
  int lines = 0;
  tenantdb_config *config = tenantdb_config_new();
  tndb_config_write_event(config, &warning);
  tenantdb_config_log(config, receive, &lines);
  tndb_config_write_event(config, &warning);
  tenantdb_config *copy = NULL;
  assert_int_equal(tndb_config_copy(config, &copy, NULL), TENANTDB_OK);
  tenantdb_config_log(config, NULL, NULL);
  tndb_config_write_event(config, &warning);
  tndb_config_write_event(copy, &warning);
  assert_int_equal(lines, 2);
  tenantdb_config_log(NULL, receive, &lines);
  tenantdb_config_free(config);
  tenantdb_config_free(copy);
}

static void use_all(void *user) {
  (void)user;
  tenantdb_config *copy = NULL;
  tenantdb_result *options = NULL;
  tenantdb_error *error = NULL;
  tenantdb_config *config = tenantdb_config_new();
  (void)tenantdb_config_set(config, "database.url", "host=there", &error);
  tenantdb_error_free(error);
  error = NULL;
  (void)tenantdb_config_set(config, "pool.siz", "1", &error);
  tenantdb_error_free(error);
  error = NULL;
  (void)tndb_config_copy(config, &copy, &error);
  tenantdb_error_free(error);
  error = NULL;
  (void)tenantdb_config_describe(config, &options, &error);
  tenantdb_error_free(error);
  error = NULL;
  if (config) {
    (void)tenantdb_config_load_env(config, &error);
  }
  tenantdb_error_free(error);
  tenantdb_result_free(options);
  tenantdb_config_free(copy);
  tenantdb_config_free(config);
}

static void test_out_of_memory(void **state) {
  (void)state;
  assert_true(unit_fail_each(use_all, NULL, false) > 5);
  assert_true(unit_fail_each(use_all, NULL, true) > 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_table),
      cmocka_unit_test(test_set_and_get),
      cmocka_unit_test(test_unknown),
      cmocka_unit_test(test_numbers),
      cmocka_unit_test(test_durations),
      cmocka_unit_test(test_flags_and_choices),
      cmocka_unit_test(test_names_and_templates),
      cmocka_unit_test(test_secret),
      cmocka_unit_test(test_environment),
      cmocka_unit_test(test_log),
      cmocka_unit_test(test_out_of_memory),
  };
  return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}

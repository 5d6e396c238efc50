/* SPDX-License-Identifier: PostgreSQL */
#include "statement/statement.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

static tenantdb_registry *declare(void) {
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *central = tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED);
  tenantdb_base *service = tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT);
  tenantdb_table_column(tenantdb_base_table(central, "plans"), "id", "int", "PRIMARY KEY");
  tenantdb_table_column(tenantdb_base_table(central, "both"), "id", "int", "PRIMARY KEY");
  tenantdb_table_column(tenantdb_base_table(service, "both"), "id", "int", "PRIMARY KEY");
  tenantdb_table_column(tenantdb_base_table(service, "requests"), "id", "int", "PRIMARY KEY");
  tenantdb_table_column(tenantdb_base_table(service, "user"), "id", "int", "PRIMARY KEY");
  tenantdb_table_column(tenantdb_base_table(service, "schema"), "id", "int", NULL);
  tenantdb_table_column(tenantdb_base_table(service, "odd \"one\".x"), "id", "int", NULL);
  tenantdb_base_sql(service, "CREATE VIEW v AS SELECT 1; CREATE SEQUENCE s");
  return registry;
}

static void renders(const char *sql, const char *expected) {
  tenantdb_registry *registry = declare();
  tenantdb_statement *statement;
  tenantdb_error *error = NULL;
  if (tenantdb_statement_new(registry, sql, &statement, &error) != TENANTDB_OK) {
    fail_msg("%s: %s", sql, tenantdb_error_message(error));
  }
  tenantdb_registry_free(registry); /* it is not needed any more */
  char *text;
  assert_int_equal(tenantdb_statement_text(statement, "t", "s", &text, &error), TENANTDB_OK);
  assert_null(error);
  assert_string_equal(text, expected);
  tenantdb_string_free(text);
  char buffer[512];
  size_t length;
  assert_int_equal(tenantdb_statement_render(statement, "t", "s", buffer, sizeof buffer, &length, &error),
                   TENANTDB_OK);
  assert_string_equal(buffer, expected);
  assert_int_equal(length, strlen(expected));
  tenantdb_statement_free(statement);
}

static void markers(void **state) {
  (void)state;
  renders("SELECT 1", "SELECT 1");
  renders("SELECT 1;", "SELECT 1;");
  renders("{requests}", "\"t\".\"requests\"");
  renders("SELECT * FROM {requests} JOIN {plans} USING (id)",
          "SELECT * FROM \"t\".\"requests\" JOIN \"s\".\"plans\" USING (id)");
  renders("SELECT {Service.both}.id, { Central.both }.id", "SELECT \"t\".\"both\".id, \"s\".\"both\".id");
  renders("SELECT * FROM {schema}.f({user})", "SELECT * FROM \"t\".f(\"t\".\"user\")");
  renders("SELECT * FROM {Service.schema}, {v}, {s}",
          "SELECT * FROM \"t\".\"schema\", \"t\".\"v\", \"t\".\"s\"");
  renders("SELECT * FROM {odd \"one\".x}", "SELECT * FROM \"t\".\"odd \"\"one\"\".x\"");
  renders("SELECT {{1}}, {{requests}} {requests}{requests}",
          "SELECT {1}, {requests} \"t\".\"requests\"\"t\".\"requests\"");
}

static void what_is_left_alone(void **state) {
  (void)state;
  static const char *const plain[] = {
      "SELECT '{1,2}'::int[], '{requests}'", "SELECT E'\\'{requests}' || U&'{x}'",
      "SELECT \"{requests}\" -- {nothing\n", "SELECT /* {requests} /* } */ */ $${requests}$$, $x${$x$",
      "SELECT a::text, b[1:2], :x, c := 1",  "SELECT '''{requests}'''",
  };
  for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
    renders(plain[i], plain[i]);
  }
  renders("SELECT '}'{requests}'{'", "SELECT '}'\"t\".\"requests\"'{'");
  renders("SELECT $a${$a${requests}::text", "SELECT $a${$a$\"t\".\"requests\"::text");
}

static void refuses_from(const tenantdb_registry *registry, const char *sql, tenantdb_status status,
                         int32_t reason, int32_t position, const char *message) {
  tenantdb_statement *statement = (tenantdb_statement *)(uintptr_t)1;
  tenantdb_error *error = NULL;
  assert_int_equal(tenantdb_statement_new(registry, sql, &statement, &error), status);
  assert_null(statement);
  assert_int_equal(tenantdb_error_status(error), status);
  assert_string_equal(tenantdb_reason_name(tenantdb_error_reason(error)), tenantdb_reason_name(reason));
  assert_string_equal(tenantdb_error_message(error), message);
  assert_int_equal(tenantdb_error_position(error), position);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_statement_new(registry, sql, &statement, NULL), status);
}

static void mistakes(void **state) {
  (void)state;
  tenantdb_registry *registry = declare();
  refuses_from(registry, "SELECT 1\nFROM {request}", TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TABLE, 16,
               "statement, line 2, byte 16: no table \"request\" is declared; did you mean \"requests\"?");
  refuses_from(registry, "SELECT '\xC3\xA9', {zzzzzz}", TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TABLE, 14,
               "statement, line 1, byte 15: no table \"zzzzzz\" is declared");
  refuses_from(registry, "{both}", TENANTDB_ARGUMENT, TENANTDB_REASON_AMBIGUOUS_TABLE, 2,
               "statement, line 1, byte 2: several bases have a table \"both\": write {Central.both} or "
               "{Service.both}");
  refuses_from(registry, "{Servic.user}", TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_BASE, 2,
               "statement, line 1, byte 2: no base \"Servic\" is declared; did you mean \"Service\"?");
  refuses_from(
      registry, "{Service.users}", TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TABLE, 2,
      "statement, line 1, byte 2: in base Service: no table \"users\" is declared; did you mean \"user\"?");
  refuses_from(registry, "{ }", TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_MARKER, 1,
               "statement, line 1, byte 1: a marker {} is empty; a brace itself is written {{");
  refuses_from(registry, "a {user", TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_MARKER, 3,
               "statement, line 1, byte 3: a marker { has no closing }; a brace itself is written {{");
  refuses_from(registry, "a }", TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_MARKER, 3,
               "statement, line 1, byte 3: a } closes no marker; a brace itself is written }}");
  refuses_from(registry, "SELECT 'x", TENANTDB_ARGUMENT, TENANTDB_REASON_SQL_SYNTAX, 8,
               "statement, line 1, byte 8: a string has no closing quote");
  refuses_from(registry, "SELECT 1; \n SELECT 2", TENANTDB_ARGUMENT, TENANTDB_REASON_MULTIPLE_STATEMENTS, 13,
               "statement, line 2, byte 13: a second statement begins here; compile each one by itself");
  refuses_from(registry, " -- nothing\n;", TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, 0,
               "the statement is empty");
  refuses_from(registry, "SELECT '\xFF'", TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, 0,
               "the statement is not valid UTF-8 at byte 9");
  refuses_from(NULL, "SELECT 1", TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, 0, "the registry is NULL");
  refuses_from(registry, NULL, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, 0, "sql is NULL");
  assert_int_equal(tenantdb_statement_new(registry, "x", NULL, NULL), TENANTDB_ARGUMENT);
  char longest[400];
  memset(longest, 'a', sizeof longest - 1);
  longest[0] = '{';
  longest[sizeof longest - 2] = '}';
  longest[sizeof longest - 1] = '\0';
  refuses_from(registry, longest, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TABLE, 2,
               "statement, line 1, byte 2: no table is declared whose name has 397 bytes");
  tenantdb_registry_base(registry, "", TENANTDB_BASE_SHARED);
  refuses_from(registry, "SELECT 1", TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER, 0,
               "a base's name is empty");
  tenantdb_registry_free(registry);
}

static tenantdb_statement *compile(const char *sql) {
  tenantdb_registry *registry = declare();
  tenantdb_statement *statement;
  assert_int_equal(tenantdb_statement_new(registry, sql, &statement, NULL), TENANTDB_OK);
  tenantdb_registry_free(registry);
  return statement;
}

static void every_size(void **state) {
  (void)state;
  tenantdb_statement *statement = compile("SELECT * FROM {requests}, {plans} WHERE {{}}");
  const char *expected = "SELECT * FROM \"a\"\"b\".\"requests\", \"public\".\"plans\" WHERE {}";
  size_t needed = strlen(expected), length;
  tenantdb_error *error = NULL;
  /* Beyond the exact size there is room to copy in steps. */
  for (size_t size = 0; size <= needed + 100; size++) {
    char *buffer = tndb_alloc(size); /* exactly this much, so that a checker sees one byte too many */
    tenantdb_status status =
        tenantdb_statement_render(statement, "a\"b", "public", size ? buffer : NULL, size, &length, &error);
    assert_int_equal(length, needed);
    if (size <= needed) {
      assert_int_equal(status, TENANTDB_ARGUMENT);
      assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_BUFFER_TOO_SMALL);
      assert_true(size == 0 || buffer[0] == '\0');
    } else {
      assert_int_equal(status, TENANTDB_OK);
      assert_string_equal(buffer, expected);
    }
    tenantdb_error_free(error);
    tndb_free(buffer);
  }
  assert_int_equal(tenantdb_statement_render(statement, "a", "b", NULL, 0, NULL, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_statement_render(statement, "a", "b", NULL, 5, NULL, NULL), TENANTDB_ARGUMENT);
  tenantdb_statement_free(statement);
}

/* Every length of a name and of what is around it, in rooms of exact and of ample size. */
static void every_length(void **state) {
  (void)state;
  char sql[600], name[64], expected[900];
  for (size_t fill = 1; fill < 300; fill += fill < 40 ? 1 : 17) {
    snprintf(sql, sizeof sql, "%*s{schema}.f({requests})%*s", (int)fill, "x", (int)fill / 2 + 1, "y");
    tenantdb_statement *statement = compile(sql);
    for (size_t length = 1; length <= 63; length++) {
      for (size_t i = 0; i < length; i++) {
        name[i] = (char)('a' + (i * 7 + length) % 26);
      }
      name[length] = '\0';
      snprintf(expected, sizeof expected, "%*s\"%s\".f(\"%s\".\"requests\")%*s", (int)fill, "x", name, name,
               (int)fill / 2 + 1, "y");
      for (size_t extra = 1; extra <= 65; extra += 32) {
        char *buffer = tndb_alloc(strlen(expected) + extra);
        size_t got;
        assert_int_equal(
            tenantdb_statement_render(statement, name, NULL, buffer, strlen(expected) + extra, &got, NULL),
            TENANTDB_OK);
        assert_string_equal(buffer, expected);
        assert_int_equal(got, strlen(expected));
        tndb_free(buffer);
      }
    }
    tenantdb_statement_free(statement);
  }
}

/* One special byte at each place of a name: it is doubled, or refused. */
static void every_place(void **state) {
  (void)state;
  tenantdb_statement *statement = compile("{requests}");
  char name[64], expected[200], buffer[400];
  for (size_t length = 1; length <= 63; length++) {
    for (size_t at = 0; at < length; at++) {
      memset(name, 'n', length);
      name[length] = '\0';
      name[at] = '"';
      snprintf(expected, sizeof expected, "\"%.*s\"\"%s\".\"requests\"", (int)at, name, name + at + 1);
      assert_int_equal(tenantdb_statement_render(statement, name, NULL, buffer, sizeof buffer, NULL, NULL),
                       TENANTDB_OK);
      assert_string_equal(buffer, expected);
      name[at] = '\xFF';
      assert_int_equal(tenantdb_statement_render(statement, name, NULL, buffer, sizeof buffer, NULL, NULL),
                       TENANTDB_ARGUMENT);
      assert_string_equal(buffer, "");
    }
  }
  tenantdb_statement_free(statement);
}

/* Into a buffer nothing is allocated, whatever the name. */
static void allocates_nothing(void **state) {
  (void)state;
  static const char *const names[] = {"t", "tenant_acme_corp_5d448a", "a \"quoted\" one", "\xC3\xA9"};
  tenantdb_statement *statement = compile("SELECT * FROM {requests}, {plans}");
  char buffer[200];
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    (void)tndb_memory_fail(0, false);
    assert_int_equal(
        tenantdb_statement_render(statement, names[i], "public", buffer, sizeof buffer, NULL, NULL),
        TENANTDB_OK);
    assert_int_equal(tndb_memory_fail(0, false), 0);
  }
  tenantdb_statement_free(statement);
}

static void schema_names(void **state) {
  (void)state;
  tenantdb_statement *statement = compile("{requests}{plans}");
  tenantdb_statement *shared = compile("{plans}");
  tenantdb_statement *none = compile("SELECT 1");
  char name[80], *text;
  tenantdb_error *error = NULL;
  assert_int_equal(tenantdb_statement_text(statement, NULL, "s", &text, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_MISSING_SCHEMA_NAME);
  assert_string_equal(tenantdb_error_message(error),
                      "the schema's name is NULL, and the statement has a marker that needs it");
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_statement_text(statement, "t", NULL, &text, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_MISSING_SCHEMA_NAME);
  tenantdb_error_free(error);
  assert_null(text);
  static const char *const bad[] = {"", "a\xFF"};
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(tenantdb_statement_text(statement, bad[i], "s", &text, &error), TENANTDB_ARGUMENT);
    assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_BAD_IDENTIFIER);
    tenantdb_error_free(error);
  }
  memset(name, '"', sizeof name);
  name[64] = '\0';
  assert_int_equal(tenantdb_statement_text(statement, name, "s", &text, NULL), TENANTDB_ARGUMENT);
  name[63] = '\0';
  assert_int_equal(tenantdb_statement_text(statement, name, name, &text, &error), TENANTDB_OK);
  assert_int_equal(strlen(text), 2 * 128 + strlen(".\"requests\".\"plans\""));
  tenantdb_string_free(text);
  assert_int_equal(tenantdb_statement_text(statement, "\xC3\xA9\"", "s", &text, &error), TENANTDB_OK);
  assert_string_equal(text, "\"\xC3\xA9\"\"\".\"requests\"\"s\".\"plans\"");
  tenantdb_string_free(text);
  assert_int_equal(tenantdb_statement_text(shared, NULL, "s", &text, &error), TENANTDB_OK);
  tenantdb_string_free(text);
  assert_int_equal(tenantdb_statement_text(none, NULL, NULL, &text, &error), TENANTDB_OK);
  assert_string_equal(text, "SELECT 1");
  tenantdb_string_free(text);
  assert_int_equal(tenantdb_statement_text(NULL, "a", "b", &text, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_statement_text(none, "a", "b", NULL, NULL), TENANTDB_ARGUMENT);
  tenantdb_statement_free(statement);
  tenantdb_statement_free(shared);
  uint32_t nothing[16] = {0};
  assert_int_equal(tenantdb_statement_text((tenantdb_statement *)(void *)nothing, "a", "b", &text, &error),
                   TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_BAD_HANDLE);
  tenantdb_error_free(error);
  tenantdb_statement_free(none);
  tenantdb_statement_free(NULL);
}

static void compile_and_render(void *user) {
  const tenantdb_registry *registry = user;
  tenantdb_error *error = NULL;
  tenantdb_statement *statement;
  char *text = NULL;
  tenantdb_status status = tenantdb_statement_new(
      registry, "SELECT * FROM {requests}, {plans}, {Central.both}, {schema}.x WHERE {{}}", &statement,
      &error);
  if (status == TENANTDB_OK) {
    status = tenantdb_statement_text(statement, "a tenant", "public", &text, &error);
  }
  assert_true(status == TENANTDB_OK || (status == TENANTDB_MEMORY && error));
  tenantdb_error_free(error);
  tenantdb_string_free(text);
  tenantdb_statement_free(statement);
}

/* A refusal that has no memory for its words is a refusal all the same. */
static void refuse(void *user) {
  tenantdb_error *error = NULL;
  tenantdb_statement *statement;
  tenantdb_status status = tenantdb_statement_new(user, "{request}", &statement, &error);
  assert_true(status == TENANTDB_NOT_FOUND || status == TENANTDB_MEMORY);
  assert_non_null(error);
  tenantdb_error_free(error);
  status = tenantdb_statement_new(user, "{both}", &statement, &error);
  assert_true(status == TENANTDB_ARGUMENT || status == TENANTDB_MEMORY);
  assert_non_null(error);
  tenantdb_error_free(error);
}

static void out_of_memory(void **state) {
  (void)state;
  tenantdb_registry *registry = declare();
  assert_true(unit_fail_each(compile_and_render, registry, false) > 4);
  unit_fail_each(compile_and_render, registry, true);
  unit_fail_each(refuse, registry, false);
  unit_fail_each(refuse, registry, true);
  tenantdb_registry_free(registry);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(markers),           cmocka_unit_test(what_is_left_alone),
      cmocka_unit_test(mistakes),          cmocka_unit_test(every_size),
      cmocka_unit_test(schema_names),      cmocka_unit_test(out_of_memory),
      cmocka_unit_test(every_length),      cmocka_unit_test(every_place),
      cmocka_unit_test(allocates_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/* What builders refuse: each mistake with its place and its way out, the first one kept. */
#include "builder_registry.h"

#include <string.h>

#include "base/buffer.h"

static tenantdb_registry *registry;

static int declare(void **state) {
  (void)state;
  registry = builder_registry();
  return 0;
}

static int forget(void **state) {
  (void)state;
  tenantdb_registry_free(registry);
  return 0;
}

static void tables(void **state) {
  (void)state;
  refused(tenantdb_builder_select(NULL, "people"), NULL_ARGUMENT, "select from: the registry is NULL");
  refused(tenantdb_builder_select(registry, NULL), NULL_ARGUMENT, "select from: the table's name is NULL");
  char none[sizeof(void *) * 4] = {0};
  refused(tenantdb_builder_insert((tenantdb_registry *)(void *)none, "people"), TENANTDB_ARGUMENT,
          TENANTDB_REASON_BAD_HANDLE, "insert into: this is no registry");
  refused(tenantdb_builder_insert(registry, "poeple"), TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TABLE,
          "insert into: no table \"poeple\" is declared; did you mean \"people\"?");
  refused(tenantdb_builder_update(registry, "both"), TENANTDB_ARGUMENT, TENANTDB_REASON_AMBIGUOUS_TABLE,
          "update of: several bases have a table \"both\": write {Central.both} or {Service.both}");
  refused(tenantdb_builder_delete(registry, "Centrel.both"), TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_BASE,
          "delete from: no base \"Centrel\" is declared; did you mean \"Central\"?");
  refused(tenantdb_builder_upsert(registry, "a\xFF"), TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER,
          "upsert into: the table's name is not valid UTF-8 at byte 2");
  refused(tenantdb_builder_select(registry, "numbers"), BAD_BUILDER,
          "select from: \"numbers\" is a sequence");
  refused(tenantdb_builder_insert(registry, "cheap"), BAD_BUILDER,
          "insert into: \"cheap\" is a view: it can be selected from; what changes data needs a table");
  /* A registry's own mistake comes first. */
  tenantdb_registry *bad = tenantdb_registry_new();
  tenantdb_registry_base(bad, "", TENANTDB_BASE_SHARED);
  refused(tenantdb_builder_select(bad, "people"), TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER,
          "select from: a base's name is empty");
  tenantdb_registry_free(bad);
  bad = tenantdb_registry_new();
  tenantdb_registry_base(bad, "Rows", TENANTDB_BASE_ROW);
  refused(tenantdb_builder_delete(bad, "people"), TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE,
          "delete from: base Rows: bases of kind row are not available yet; use a tenant base");
  tenantdb_registry_free(bad);
}

static void handles(void **state) {
  (void)state;
  tenantdb_statement *statement;
  tenantdb_result *result;
  tenantdb_error *error = NULL;
  assert_int_equal(tenantdb_builder_finish(NULL, &statement, &error), TENANTDB_ARGUMENT);
  assert_string_equal(tenantdb_error_message(error), "the builder is NULL");
  tenantdb_error_free(error);
  uint64_t none[64] = {0};
  assert_int_equal(tenantdb_builder_finish((tenantdb_builder *)(void *)none, &statement, &error),
                   TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_BAD_HANDLE);
  tenantdb_error_free(error);
  tenantdb_builder_column((tenantdb_builder *)(void *)none, "x");
  tenantdb_builder_free((tenantdb_builder *)(void *)none);
  tenantdb_builder *b = tenantdb_builder_select(registry, "people");
  assert_int_equal(tenantdb_builder_finish(b, NULL, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_builder_finish(b, &statement, NULL), TENANTDB_OK);
  tenantdb_builder_free(b);
  assert_int_equal(tenantdb_statement_parameters(statement, NULL, NULL), TENANTDB_ARGUMENT);
  tenantdb_statement_free(statement);
  assert_int_equal(tenantdb_statement_parameters(NULL, &result, &error), TENANTDB_ARGUMENT);
  assert_null(result);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_statement_parameters((tenantdb_statement *)(void *)none, &result, &error),
                   TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_BAD_HANDLE);
  tenantdb_error_free(error);
}

/* Every call accepts NULL, and does nothing once there is a mistake. */
static void call_all(tenantdb_builder *b) {
  tenantdb_builder_column(b, "x");
  tenantdb_builder_add(b, "x");
  tenantdb_builder_keep(b, "x");
  tenantdb_builder_version(b, "x");
  tenantdb_builder_returning(b, "x");
  tenantdb_builder_rows(b, -1);
  tenantdb_builder_arrays(b);
  tenantdb_builder_conflict(b, "x");
  tenantdb_builder_do_nothing(b);
  tenantdb_builder_where(b, "x", "x");
  tenantdb_builder_or(b);
  tenantdb_builder_key(b);
  tenantdb_builder_all(b);
  tenantdb_builder_join(b, "x", "x");
  tenantdb_builder_left_join(b, "x", "x");
  tenantdb_builder_order(b, "x", "x");
  tenantdb_builder_limit(b);
  tenantdb_builder_offset(b);
  tenantdb_builder_after(b);
  tenantdb_builder_lock(b, "x");
}

static void the_first_is_kept(void **state) {
  (void)state;
  call_all(NULL);
  tenantdb_builder_free(NULL);
  tenantdb_builder *b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_where(b, "nam", "=");
  call_all(b);
  refused(
      b, UNKNOWN_COLUMN,
      "select from Service.people, where nam: table people has no column \"nam\"; did you mean \"name\"?");
}

/* The calls, to be made through a pointer. */
#define CALL(name, ...)                          \
  static void call_##name(tenantdb_builder *b) { \
    tenantdb_builder_##name(b, __VA_ARGS__);     \
  }
CALL(column, "name")
CALL(add, "name")
CALL(keep, "name")
CALL(version, "name")
CALL(returning, "name")
CALL(rows, 1)
CALL(conflict, "name")
CALL(where, "name", "=")
CALL(join, "comments", NULL)
CALL(left_join, "comments", NULL)
CALL(order, "name", NULL)
CALL(lock, "share")

/* Which calls are for which statements. */
static void other_statements(void **state) {
  (void)state;
  static const struct {
    void (*call)(tenantdb_builder *);
    const char *name;
    const char *takes; /* i, p, s, u, d: insert, upsert … */
    const char *names;
  } calls[] = {
      {call_column, "column", "ipsu", "insert, upsert, select, update"},
      {call_add, "add", "pu", "upsert, update"},
      {call_keep, "keep", "p", "upsert"},
      {call_version, "version", "ud", "update, delete"},
      {call_returning, "returning", "ipud", "insert, upsert, update, delete"},
      {call_rows, "rows", "ip", "insert, upsert"},
      {tenantdb_builder_arrays, "arrays", "ip", "insert, upsert"},
      {call_conflict, "conflict", "p", "upsert"},
      {tenantdb_builder_do_nothing, "do_nothing", "p", "upsert"},
      {call_where, "where", "sud", "select, update, delete"},
      {tenantdb_builder_or, "or", "sud", "select, update, delete"},
      {tenantdb_builder_key, "key", "sud", "select, update, delete"},
      {tenantdb_builder_all, "all", "ud", "update, delete"},
      {call_join, "join", "s", "select"},
      {call_left_join, "left_join", "s", "select"},
      {call_order, "order", "s", "select"},
      {tenantdb_builder_limit, "limit", "s", "select"},
      {tenantdb_builder_offset, "offset", "s", "select"},
      {tenantdb_builder_after, "after", "s", "select"},
      {call_lock, "lock", "s", "select"},
  };
  static tenantdb_builder *(*const makers[])(const tenantdb_registry *, const char *) = {
      tenantdb_builder_insert, tenantdb_builder_upsert, tenantdb_builder_select, tenantdb_builder_update,
      tenantdb_builder_delete};
  static const char *const verbs[] = {"insert into", "upsert into", "select from", "update of",
                                      "delete from"};
  for (size_t v = 0; v < 5; v++) {
    for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++) {
      if (strchr(calls[c].takes, "ipsud"[v])) {
        continue;
      }
      tenantdb_builder *b = makers[v](registry, "people");
      calls[c].call(b);
      tndb_auto_buffer message = TNDB_BUFFER_INIT;
      tndb_buffer_format(&message, "%s Service.people, %s: this is for %s only", verbs[v], calls[c].name,
                         calls[c].names);
      refused(b, BAD_BUILDER, tndb_buffer_text(&message));
    }
  }
}

static void column_names(void **state) {
  (void)state;
  static const struct {
    const char *name;
    tenantdb_status status;
    int32_t reason;
    const char *message;
  } bad[] = {
      {NULL, NULL_ARGUMENT, "select from Service.people, column: the column's name is NULL"},
      {"", UNKNOWN_COLUMN, "select from Service.people, column: table people has no column \"\""},
      {"Name", UNKNOWN_COLUMN,
       "select from Service.people, column Name: table people has no column \"Name\"; did you mean "
       "\"name\"?"},
      {"author", UNKNOWN_COLUMN,
       "select from Service.people, column author: table people has no column \"author\"; table comments has "
       "one: write comments.author"},
      {"comments.autor", UNKNOWN_COLUMN,
       "select from Service.people, column comments.autor: table comments has no column \"autor\"; did you "
       "mean \"author\"?"},
      {"contents.title", UNKNOWN_COLUMN,
       "select from Service.people, column contents.title: table people has no column \"contents.title\", "
       "and "
       "there is no such table in this statement (yet)"},
      {"a\xC3", TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER,
       "select from Service.people, column: the column's name is not valid UTF-8 at byte 2"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    tenantdb_builder *b = tenantdb_builder_select(registry, "people");
    tenantdb_builder_join(b, "comments", "editor");
    tenantdb_builder_column(b, bad[i].name);
    refused(b, bad[i].status, bad[i].reason, bad[i].message);
  }
  /* Where other columns may be, what is asked for must at least be a name. */
  tenantdb_builder *b = tenantdb_builder_select(registry, "parts");
  tenantdb_builder_column(b, "");
  refused(b, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER,
          "select from Service.parts, column: the column's name is empty");
  char longest[301];
  memset(longest, 'n', sizeof longest - 1);
  longest[300] = '\0';
  b = tenantdb_builder_select(registry, "parts");
  tenantdb_builder_column(b, longest);
  refused(b, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER,
          "select from Service.parts, column: the column's name "
          "\"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn...\" has 300 bytes; a name has at most 63");
  b = tenantdb_builder_select(registry, "parts");
  tenantdb_builder_column(b, "other.a");
  refused(b, UNKNOWN_COLUMN,
          "select from Service.parts, column other.a: table parts has no column \"other.a\", and there is no "
          "such table in this statement (yet)");
}

static void values(void **state) {
  (void)state;
  tenantdb_builder *b = tenantdb_builder_insert(registry, "events");
  tenantdb_builder_column(b, "id");
  refused(b, BAD_BUILDER,
          "insert into Service.events, column id: it is GENERATED ALWAYS AS IDENTITY: the server numbers it "
          "and takes no other value; leave it out, or declare it GENERATED BY DEFAULT");
  b = tenantdb_builder_update(registry, "contents");
  tenantdb_builder_column(b, "words");
  refused(
      b, BAD_BUILDER,
      "update of Service.contents, column words: it is GENERATED ALWAYS: the server computes it; leave it "
      "out");
  b = tenantdb_builder_upsert(registry, "contents");
  tenantdb_builder_keep(b, "words");
  refused(
      b, BAD_BUILDER,
      "upsert into Service.contents, keep words: it is GENERATED ALWAYS: the server computes it; leave it "
      "out");
  b = tenantdb_builder_update(registry, "contents");
  tenantdb_builder_version(b, "version");
  tenantdb_builder_add(b, "version");
  refused(b, TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME,
          "update of Service.contents, add version: it is given a value twice");
  b = tenantdb_builder_update(registry, "contents");
  tenantdb_builder_version(b, "maybe");
  refused(b, BAD_BUILDER,
          "update of Service.contents, version maybe: it may be NULL, and then no version would ever match: "
          "declare it NOT NULL");
  b = tenantdb_builder_delete(registry, "contents");
  tenantdb_builder_version(b, "version");
  tenantdb_builder_version(b, "rank");
  refused(b, BAD_BUILDER, "delete from Service.contents, version rank: there is a version column already");
  b = tenantdb_builder_insert(registry, "people");
  refused(b, BAD_BUILDER,
          "insert into Service.people: no column was named; an insert needs those it gives values to");
  b = tenantdb_builder_update(registry, "people");
  tenantdb_builder_key(b);
  refused(b, BAD_BUILDER, "update of Service.people: no column was named to be set");
}

static void rows(void **state) {
  (void)state;
  static const char range[] =
      "is no number of rows; 1 to 65535 can be written so, any number by tenantdb_builder_arrays()";
  static const int32_t bad[] = {0, -1, 65536, INT32_MIN};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    tndb_auto_buffer message = TNDB_BUFFER_INIT;
    tndb_buffer_format(&message, "insert into Service.both, rows: %d %s", (int)bad[i], range);
    tenantdb_builder *b = tenantdb_builder_insert(registry, "Service.both");
    tenantdb_builder_rows(b, bad[i]);
    refused(b, BAD_BUILDER, tndb_buffer_text(&message));
  }
  tenantdb_builder *b = tenantdb_builder_insert(registry, "Service.both");
  tenantdb_builder_rows(b, 2);
  tenantdb_builder_rows(b, 2);
  refused(b, BAD_BUILDER, "insert into Service.both, rows: the number of rows was said already");
  b = tenantdb_builder_insert(registry, "Service.both");
  tenantdb_builder_arrays(b);
  tenantdb_builder_rows(b, 2);
  refused(b, BAD_BUILDER, "insert into Service.both, rows: the number of rows was said already");
  b = tenantdb_builder_insert(registry, "Service.both");
  tenantdb_builder_rows(b, 2);
  tenantdb_builder_arrays(b);
  refused(b, BAD_BUILDER,
          "insert into Service.both, arrays: the number of rows was said already; arrays have any number");
  b = tenantdb_builder_insert(registry, "contents");
  tenantdb_builder_column(b, "tags");
  tenantdb_builder_arrays(b);
  refused(
      b, BAD_BUILDER,
      "insert into Service.contents: column \"tags\" cannot come from an array: its type is one itself, or "
      "not to be told; use tenantdb_builder_rows()");
  b = tenantdb_builder_insert(registry, "parts");
  tenantdb_builder_column(b, "b");
  tenantdb_builder_arrays(b);
  refused(b, BAD_BUILDER,
          "insert into Service.parts: column \"b\" cannot come from an array: its type is not declared; use "
          "tenantdb_builder_rows()");
}

/* 65535 parameters are taken, 65536 are not. */
static void the_limit_of_parameters(void **state) {
  (void)state;
  tenantdb_statement *statement;
  tenantdb_result *result;
  tenantdb_builder *b = tenantdb_builder_insert(registry, "Service.both");
  tenantdb_builder_column(b, "id");
  tenantdb_builder_rows(b, 65535);
  assert_int_equal(tenantdb_builder_finish(b, &statement, NULL), TENANTDB_OK);
  assert_int_equal(tenantdb_statement_parameters(statement, &result, NULL), TENANTDB_OK);
  assert_int_equal(tenantdb_result_rows(result), 65535);
  assert_string_equal(tenantdb_result_value(result, 65534, 0), "65535");
  tenantdb_result_free(result);
  tenantdb_statement_free(statement);
  tenantdb_builder_column(b, "note");
  refused(
      b, BAD_BUILDER,
      "insert into Service.both: 65535 rows of 2 columns take 131070 parameters, and a query takes at most "
      "65535; tenantdb_builder_arrays() takes one for each column");
  b = tenantdb_builder_insert(registry, "Service.both");
  tenantdb_builder_column(b, "id");
  tenantdb_builder_column(b, "note");
  tenantdb_builder_rows(b, 32768);
  refused(
      b, BAD_BUILDER,
      "insert into Service.both: 32768 rows of 2 columns take 65536 parameters, and a query takes at most "
      "65535; tenantdb_builder_arrays() takes one for each column");
  b = tenantdb_builder_delete(registry, "Service.both");
  for (int i = 0; i < 65536; i++) {
    tenantdb_builder_where(b, "id", "<>");
  }
  refused(b, BAD_BUILDER,
          "delete from Service.both: it has 65536 parameters, and a query takes at most 65535");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tables),
      cmocka_unit_test(handles),
      cmocka_unit_test(the_first_is_kept),
      cmocka_unit_test(other_statements),
      cmocka_unit_test(column_names),
      cmocka_unit_test(values),
      cmocka_unit_test(rows),
      cmocka_unit_test(the_limit_of_parameters),
  };
  return cmocka_run_group_tests(tests, declare, forget);
}

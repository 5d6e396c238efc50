/* SPDX-License-Identifier: PostgreSQL */
/*
 * Builders called at random, and with every allocation failed in turn: whatever
 * the calls, nothing crashes, and what is made is one statement whose parameters
 * are those that it says it has.
 */
#include "builder_registry.h"

#include <stdlib.h>
#include <time.h>

#include "sql/splitter.h"

static tenantdb_registry *registry;
static uint32_t seed;

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

static uint32_t below(uint32_t n) {
  seed = seed * 1664525u + 1013904223u;
  return (seed >> 8) % n;
}

#define ONE_OF(list) list[below((uint32_t)(sizeof list / sizeof list[0]))]

static const char *const tables[] = {"contents",      "comments",     "people",  "covers",
                                     "object_models", "llm_usage",    "a}b{c",   "x}; DROP TABLE \"y\" {",
                                     "Service.both",  "Central.both", "keyless", "parts",
                                     "events",        "user",         "loose",   "cheap"};

/* A column of the first table or of one that may be joined, seldom one that is nowhere. */
static const char *column(const char *table) {
  static const char *const odd[] = {NULL, "", "x", "$1", "a.b", "contents.id", "\"", "\xFF", "it's \"x\""};
  static const char *const known[][12] = {
      {"id", "title", "body", "rank", "version", "maybe", "code", "flags", "tags", "words", "created_at",
       "state"},
      {"content_id", "n", "author", "editor", "contents.title", "people.name", "object_models.kind"},
      {"id", "name", "comments.n", "contents.rank"},
      {"content_id", "url", "contents.code", "comments.author"},
      {"id", "name", "kind", "contents.created_at", "contents.maybe"},
      {"id", "tokens", "cost"},
      {"id", "{id}"},
      {"$1", "-- c"},
      {"id", "note"},
      {"id", "note"},
      {"a", "b"},
      {"a", "b", "extra", "' ; {"},
      {"id", "number", "name"},
      {"order", "Group", "it's \"x\"", "a.b"},
      {"a", "b"},
      {"one", "two"},
  };
  for (size_t i = 0; i < sizeof tables / sizeof tables[0] && below(40); i++) {
    if (tables[i] == table) {
      size_t n = 0;
      while (n < 12 && known[i][n]) {
        n++;
      }
      return known[i][below((uint32_t)n)];
    }
  }
  return ONE_OF(odd);
}

static void random_call(tenantdb_builder *b, uint32_t verb, const char *table) {
  static const char *const operators[] = {"=",     "<",       ">=", "in",         "not in",
                                          "ilike", "is null", "@>", "IS NOT NULL"};
  static const char *const directions[] = {NULL, "asc", "desc", "desc nulls last", "asc nulls first"};
  static const char *const locks[] = {"update", "share nowait", "key share skip locked"};
  static const char *const by[] = {NULL, NULL, "editor", "model_id", "x"};
  /* Calls for inserts and upserts, for selects, for updates and deletes; now and then one that does not fit. */
  static const char calls[][24] = {"ccccckrKanR", "ccccckrKavR", "cccwwwkoOOOlLfjJA", "cccwwwkoavRAw",
                                   "wwwkovRAw"};
  char call = below(60) ? calls[verb][below((uint32_t)strlen(calls[verb]))] : "cakvRrnwoAjJOlfLK"[below(17)];
  switch (call) {
    case 'c':
      tenantdb_builder_column(b, column(table));
      break;
    case 'a':
      tenantdb_builder_add(b, column(table));
      break;
    case 'K':
      tenantdb_builder_keep(b, column(table));
      break;
    case 'v':
      tenantdb_builder_version(b, column(table));
      break;
    case 'R':
      tenantdb_builder_returning(b, column(table));
      break;
    case 'r':
      below(2) ? tenantdb_builder_rows(b, (int32_t)below(5)) : tenantdb_builder_arrays(b);
      break;
    case 'n':
      tenantdb_builder_do_nothing(b);
      break;
    case 'w':
      tenantdb_builder_where(b, column(table), ONE_OF(operators));
      break;
    case 'k':
      below(2) ? tenantdb_builder_key(b) : tenantdb_builder_conflict(b, column(table));
      break;
    case 'o':
      tenantdb_builder_or(b);
      break;
    case 'A':
      below(2) ? tenantdb_builder_all(b) : tenantdb_builder_lock(b, ONE_OF(locks));
      break;
    case 'j':
      tenantdb_builder_join(b, ONE_OF(tables), ONE_OF(by));
      break;
    case 'J':
      tenantdb_builder_left_join(b, ONE_OF(tables), ONE_OF(by));
      break;
    case 'O':
      tenantdb_builder_order(b, column(table), ONE_OF(directions));
      break;
    case 'l':
      tenantdb_builder_limit(b);
      break;
    case 'f':
      tenantdb_builder_offset(b);
      break;
    default:
      tenantdb_builder_after(b);
      break;
  }
}

/* One statement, in which exactly the parameters 1 to n stand. */
static void check_text(const char *sql, int32_t n) {
  tndb_splitter splitter;
  tndb_piece piece;
  tndb_splitter_start(&splitter, sql, strlen(sql), true);
  assert_true(tndb_splitter_next(&splitter, &piece));
  assert_int_equal(piece.length, strlen(sql));
  assert_false(tndb_splitter_next(&splitter, &piece));
  assert_null(splitter.lexer.mistake);
  unsigned char found[1000] = {0};
  tndb_lexer lexer;
  tndb_token token;
  tndb_lexer_start(&lexer, sql, strlen(sql), true);
  while (tndb_lexer_next(&lexer, &token)) {
    assert_int_not_equal(token.kind, TNDB_TOKEN_MARKER);
    assert_int_not_equal(token.kind, TNDB_TOKEN_BRACE);
    assert_int_not_equal(token.kind, TNDB_TOKEN_STRING);
    if (token.kind == TNDB_TOKEN_PARAMETER) {
      long number = strtol(sql + token.offset + 1, NULL, 10);
      assert_in_range(number, 1, n);
      found[number] = 1;
    }
  }
  for (int32_t i = 1; i <= n; i++) {
    assert_true(found[i]);
  }
}

/* Finish, as may be done after every call, and look at what comes of it. */
static bool finish(tenantdb_builder *b) {
  tenantdb_statement *statement;
  tenantdb_error *error = NULL;
  tenantdb_status status = tenantdb_builder_finish(b, &statement, &error);
  if (status != TENANTDB_OK) {
    assert_true(status == TENANTDB_ARGUMENT || status == TENANTDB_NOT_FOUND);
    assert_int_equal(tenantdb_error_status(error), status);
    assert_true(*tenantdb_error_message(error));
    tenantdb_error_free(error);
    return false;
  }
  char *text;
  tenantdb_result *result;
  assert_int_equal(tenantdb_statement_text(statement, "a\"b{}", "s'{{", &text, &error), TENANTDB_OK);
  assert_int_equal(tenantdb_statement_parameters(statement, &result, &error), TENANTDB_OK);
  check_text(text, tenantdb_result_rows(result));
  tenantdb_string_free(text);
  tenantdb_result_free(result);
  tenantdb_statement_free(statement);
  return true;
}

static int make_some(void) {
  static tenantdb_builder *(*const makers[])(const tenantdb_registry *, const char *) = {
      tenantdb_builder_insert, tenantdb_builder_upsert, tenantdb_builder_select, tenantdb_builder_update,
      tenantdb_builder_delete};
  uint32_t verb = below(5), calls = below(16);
  const char *table = ONE_OF(tables);
  tenantdb_builder *b = makers[verb](registry, table);
  int made = 0;
  for (uint32_t i = 0; i < calls; i++) {
    random_call(b, verb, table);
    made += finish(b);
  }
  tenantdb_builder_free(b);
  return made;
}

static void random_calls(void **state) {
  (void)state;
  const char *given = getenv("TENANTDB_TEST_SEED"), *quick = getenv("TENANTDB_TEST_QUICK");
  seed = given && *given ? (uint32_t)strtoul(given, NULL, 10) : (uint32_t)time(NULL);
  print_message("TENANTDB_TEST_SEED=%u\n", (unsigned)seed);
  int made = 0, tried = quick && *quick ? 20000 : 100000;
  for (int i = 0; i < tried; i++) {
    made += make_some();
  }
  print_message("%d statements of %d builders\n", made, tried);
  assert_true(made > tried / 4);
}

/* ------------------------------------------------------------ out of memory */

static void build(void *user) {
  tenantdb_error *error = NULL;
  tenantdb_statement *statement = NULL;
  tenantdb_builder *b;
  char *text = NULL;
  tenantdb_result *result = NULL;
  switch (*(const int *)user) {
    case 0:
      b = tenantdb_builder_select(registry, "contents");
      tenantdb_builder_join(b, "comments", NULL);
      tenantdb_builder_left_join(b, "people", "editor");
      tenantdb_builder_column(b, "people.name");
      tenantdb_builder_where(b, "state", "in");
      tenantdb_builder_or(b);
      tenantdb_builder_key(b);
      tenantdb_builder_order(b, "maybe", "desc");
      tenantdb_builder_order(b, "people.name", NULL);
      tenantdb_builder_limit(b);
      tenantdb_builder_after(b);
      break;
    case 1:
      b = tenantdb_builder_upsert(registry, "contents");
      tenantdb_builder_column(b, "state");
      tenantdb_builder_column(b, "rank");
      tenantdb_builder_add(b, "version");
      tenantdb_builder_keep(b, "code");
      tenantdb_builder_conflict(b, "rank");
      tenantdb_builder_conflict(b, "code");
      tenantdb_builder_arrays(b);
      tenantdb_builder_returning(b, "id");
      break;
    case 2:
      b = tenantdb_builder_update(registry, "x}; DROP TABLE \"y\" {");
      tenantdb_builder_column(b, "-- c");
      tenantdb_builder_key(b);
      tenantdb_builder_returning(b, "-- c");
      break;
    case 3:
      b = tenantdb_builder_select(registry, "comments");
      tenantdb_builder_join(b, "people", NULL); /* ambiguous */
      break;
    default:
      b = tenantdb_builder_insert(registry, "contents");
      tenantdb_builder_where(b, "nothing", "="); /* not for an insert */
      break;
  }
  tenantdb_status status = tenantdb_builder_finish(b, &statement, &error);
  tenantdb_builder_free(b);
  if (status == TENANTDB_OK) {
    status = tenantdb_statement_text(statement, "t", "s", &text, &error);
  }
  if (status == TENANTDB_OK) {
    status = tenantdb_statement_parameters(statement, &result, &error);
  }
  /* Without memory for the builder itself there is none to report by. */
  assert_true(status == TENANTDB_OK || error);
  assert_true(status == TENANTDB_OK || status == TENANTDB_MEMORY || status == TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  tenantdb_string_free(text);
  tenantdb_result_free(result);
  tenantdb_statement_free(statement);
}

static void out_of_memory(void **state) {
  (void)state;
  for (int i = 0; i < 5; i++) {
    assert_true(unit_fail_each(build, &i, false) > 5);
    unit_fail_each(build, &i, true);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(random_calls), cmocka_unit_test(out_of_memory)};
  return cmocka_run_group_tests(tests, declare, forget);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Selects made by builders: keyset pages against the whole in order, joins with shared tables, locks, views. */
#include "built.h"

static const char *url;
static tenantdb *db;
static tenantdb_registry *registry;
static tenantdb_session *session;

/* 1,000 posts with ties and NULLs in every column but the key. */
static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = built_open(url);
  registry = built_registry();
  session = fixture_session(db, "a");
  fixture_run(
      session,
      "INSERT INTO posts SELECT n, n * 7919 % 10, nullif(n * 104729 % 6, 0), (ARRAY['a', 'B', 'ä', "
      "'it''s', ''])[n * 31 % 5 + 1], CASE WHEN n % 3 > 0 THEN '2024-01-01'::timestamptz + (n * 613 % "
      "11) * interval '1.000001 second' END FROM generate_series(1, 1000) n");
  fixture_run(session,
              "INSERT INTO public.object_models SELECT n, 'model ' || n, (ARRAY['text', "
              "'image']::public.model_kind[])[n % 2 + 1] FROM generate_series(1, 5) n");
  fixture_run(session,
              "INSERT INTO contents SELECT n, 'title ' || n % 4, nullif(n % 6, 0) FROM "
              "generate_series(1, 60) n");
  fixture_run(session,
              "INSERT INTO comments SELECT c, n, 'c' || n FROM generate_series(1, 60) c, "
              "generate_series(1, c % 4) n");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_session_close(session);
  tenantdb_registry_free(registry);
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

/* ------------------------------------------------------------------- pages */

typedef struct keyset {
  const char *order[10]; /* column, direction, … */
  const char *sql;       /* the same as SQL, complete */
} keyset;

static const char *const columns[] = {"id", "a", "b", "c", "d"};
enum { N_COLUMNS = sizeof columns / sizeof columns[0] };

static tenantdb_statement *page(const keyset *k, bool after) {
  tenantdb_builder *b = tenantdb_builder_select(registry, "posts");
  for (size_t i = 0; i < N_COLUMNS; i++) {
    tenantdb_builder_column(b, columns[i]);
  }
  tenantdb_builder_limit(b);
  for (size_t i = 0; k->order[i]; i += 2) {
    tenantdb_builder_order(b, k->order[i], k->order[i + 1]);
  }
  if (after) {
    tenantdb_builder_after(b);
  }
  return built(b);
}

/* The parameters by their names, as a binding would: the limit, and the columns of the last row. */
static tenantdb_params *page_params(const tenantdb_statement *statement, const char *limit,
                                    char last[N_COLUMNS][64]) {
  tenantdb_error *error = NULL;
  tenantdb_result *names = NULL;
  tenantdb_params *params = tenantdb_params_new();
  harness_assert_ok(tenantdb_statement_parameters(statement, &names, &error), error);
  for (int32_t row = 0; row < tenantdb_result_rows(names); row++) {
    const char *name = tenantdb_result_value(names, row, 1);
    const char *value = limit;
    for (size_t i = 0; name && i < N_COLUMNS; i++) {
      if (strcmp(name, columns[i]) == 0) {
        value = strcmp(last[i], "NULL") == 0 ? NULL : last[i];
      }
    }
    tenantdb_params_text(params, value);
  }
  tenantdb_result_free(names);
  return params;
}

/* One page: ids are appended, the last row is kept; returns the number of rows. */
static int32_t turn(const tenantdb_statement *statement, const char *limit, char last[N_COLUMNS][64],
                    int *ids, int *n) {
  tenantdb_error *error = NULL;
  tenantdb_result *result = NULL;
  tenantdb_params *params = page_params(statement, limit, last);
  harness_assert_ok(tenantdb_session_run(session, statement, params, &result, &error), error);
  int32_t rows = tenantdb_result_rows(result);
  for (int32_t row = 0; row < rows; row++) {
    ids[(*n)++] = atoi(tenantdb_result_value(result, row, 0));
  }
  for (int32_t i = 0; rows && i < N_COLUMNS; i++) {
    const char *value = tenantdb_result_value(result, rows - 1, i);
    snprintf(last[i], sizeof last[i], "%s", value ? value : "NULL");
  }
  tenantdb_result_free(result);
  tenantdb_params_free(params);
  return rows;
}

static const keyset keysets[] = {
    {{NULL}, "id"},
    {{"id", "desc"}, "id DESC"},
    {{"a", NULL}, "a, id"},
    {{"a", "desc"}, "a DESC, id DESC"},
    {{"a", "asc", "c", "desc"}, "a, c DESC, id DESC"},
    {{"c", "desc", "a", "asc"}, "c DESC, a, id"},
    {{"c", "desc", "a", "desc"}, "c DESC, a DESC, id DESC"},
    {{"b", NULL}, "b, id"},
    {{"b", "desc"}, "b DESC, id DESC"},
    {{"b", "asc nulls first"}, "b NULLS FIRST, id"},
    {{"b", "desc nulls last"}, "b DESC NULLS LAST, id DESC"},
    {{"b", "desc nulls last", "d", "asc nulls first"}, "b DESC NULLS LAST, d NULLS FIRST, id"},
    {{"d", "desc", "c", "asc", "b", "asc"}, "d DESC, c, b, id"},
    {{"a", "desc", "b", "asc nulls first", "d", "desc nulls first", "c", "asc"},
     "a DESC, b NULLS FIRST, d DESC NULLS FIRST, c, id"},
    {{"d", "asc", "id", "desc", "a", "asc"}, "d, id DESC, a"},
    {{"a", "asc", "b", "asc", "c", "asc", "d", "asc"}, "a, b, c, d, id"},
};

/* Every page by its own statement, against one query by hand. */
static void test_keysets(void **state) {
  (void)state;
  static int ids[2000];
  for (size_t i = 0; i < sizeof keysets / sizeof keysets[0]; i++) {
    static const char *const limits[] = {"1", "37", "999", "1000"};
    tenantdb_error *error = NULL;
    tenantdb_result *expected = NULL;
    tenantdb_statement *first = page(&keysets[i], false), *next = page(&keysets[i], true);
    char sql[300], last[N_COLUMNS][64] = {{0}};
    snprintf(sql, sizeof sql, "SELECT id FROM posts ORDER BY %s", keysets[i].sql);
    harness_assert_ok(tenantdb_session_query(session, sql, NULL, &expected, &error), error);
    for (size_t l = i == 0 || i == 11 ? 0 : 1; l < sizeof limits / sizeof limits[0]; l++) {
      int n = 0, pages = 1;
      harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
      for (int32_t got = turn(first, limits[l], last, ids, &n); got > 0 && n <= 1000; pages++) {
        got = turn(next, limits[l], last, ids, &n);
      }
      harness_assert_ok(tenantdb_session_rollback(session, &error), error);
      assert_int_equal(n, 1000);
      assert_int_equal(pages, 1 + (999 + atoi(limits[l])) / atoi(limits[l]));
      for (int row = 0; row < n; row++) {
        if (ids[row] != atoi(tenantdb_result_value(expected, row, 0))) {
          fail_msg("order by %s, pages of %s: row %d is %d and not %s", keysets[i].sql, limits[l], row,
                   ids[row], tenantdb_result_value(expected, row, 0));
        }
      }
    }
    tenantdb_result_free(expected);
    tenantdb_statement_free(first);
    tenantdb_statement_free(next);
  }
}

/* Rows come and go between the pages; those that stay come exactly once. */
static void test_moving_pages(void **state) {
  (void)state;
  static int ids[2000];
  static const keyset k = {{"b", "desc", "c", NULL}, "b DESC, c, id"};
  tenantdb_error *error = NULL;
  tenantdb_statement *first = page(&k, false), *next = page(&k, true);
  char last[N_COLUMNS][64] = {{0}};
  int n = 0, new_id = 1000000, seen[1001] = {0};
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  for (int32_t got = turn(first, "50", last, ids, &n); got > 0; got = turn(next, "50", last, ids, &n)) {
    char sql[400];
    int gone = ids[n - 1];
    for (int i = 0; i < 20; i++, new_id++) {
      snprintf(sql, sizeof sql, "INSERT INTO posts SELECT %d, a, b, c, d FROM posts WHERE id = %d", new_id,
               ids[i * n / 20]);
      fixture_run(session, sql);
    }
    /* The very row that the next page begins behind, too. */
    snprintf(sql, sizeof sql, "DELETE FROM posts WHERE id = %d", gone);
    fixture_run(session, sql);
    assert_true(n < 1900);
  }
  for (int i = 0; i < n; i++) {
    if (ids[i] <= 1000) {
      seen[ids[i]]++;
    }
  }
  for (int id = 1; id <= 1000; id++) {
    assert_int_equal(seen[id], 1);
  }
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  tenantdb_statement_free(first);
  tenantdb_statement_free(next);
}

/* Whether a page is found by an index, told by the server's plan. */
static bool uses_index(const char *column, const char *direction, const char *column2,
                       const char *direction2) {
  tenantdb_error *error = NULL;
  tenantdb_builder *b = tenantdb_builder_select(registry, "posts");
  tenantdb_builder_column(b, "id");
  tenantdb_builder_order(b, column, direction);
  tenantdb_builder_order(b, column2, direction2);
  tenantdb_builder_after(b);
  tenantdb_statement *statement = built(b);
  char *schema = harness_value(url, "SELECT schema_name FROM tenantdb.tenants WHERE slug = 'a'"), *text;
  harness_assert_ok(tenantdb_statement_text(statement, schema, "public", &text, &error), error);
  harness_sql(url,
              "CREATE OR REPLACE FUNCTION plan(query text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE "
              "line text; whole text := ''; BEGIN FOR line IN EXECUTE 'EXPLAIN ' || query LOOP whole := "
              "whole || line || ' '; END LOOP; RETURN whole; END $$");
  harness_sql(url,
              "CREATE TABLE IF NOT EXISTS told (plan text); DELETE FROM told; SET plan_cache_mode = "
              "force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off; PREPARE p AS %s; "
              "INSERT INTO told SELECT plan('EXECUTE p(1, %s, 3)')",
              text, strcmp(column2, "c") == 0 ? "''x''" : "2");
  char *plan = harness_value(url, "SELECT plan FROM told");
  bool uses = strstr(plan, "Index Cond: ") != NULL;
  free(plan);
  free(schema);
  tenantdb_string_free(text);
  tenantdb_statement_free(statement);
  return uses;
}

static void test_index(void **state) {
  (void)state;
  char *schema = harness_value(url, "SELECT schema_name FROM tenantdb.tenants WHERE slug = 'a'");
  harness_sql(url, "CREATE INDEX posts_a_c ON \"%s\".posts (a, c, id)", schema);
  assert_true(uses_index("a", NULL, "c", NULL));
  assert_true(uses_index("a", "desc", "c", "desc"));
  assert_true(uses_index("a", "desc", "c", NULL)); /* by its first column */
  harness_sql(url, "DROP INDEX \"%s\".posts_a_c", schema);
  assert_false(uses_index("b", NULL, "a", NULL));
  free(schema);
}

/* ------------------------------------------------------------------- joins */

static void compare(tenantdb_builder *b, const char *const *values, size_t n, const char *sql) {
  tenantdb_error *error = NULL;
  tenantdb_result *result = NULL;
  const char *got = built_run(session, b, values, n, NULL);
  harness_assert_ok(tenantdb_session_query(session, sql, NULL, &result, &error), error);
  assert_true(tenantdb_result_rows(result) > 0);
  assert_string_equal(got, built_rows(result));
  tenantdb_result_free(result);
}

static void test_joins(void **state) {
  (void)state;
  tenantdb_builder *b = tenantdb_builder_select(registry, "contents");
  tenantdb_builder_join(b, "object_models", NULL);
  tenantdb_builder_column(b, "id");
  tenantdb_builder_column(b, "object_models.name");
  tenantdb_builder_where(b, "object_models.kind", "in");
  tenantdb_builder_order(b, "object_models.name", "desc");
  tenantdb_builder_order(b, "id", NULL);
  compare(
      b, VALUES("{image}"),
      "SELECT c.id, m.name FROM contents c JOIN public.object_models m ON m.id = c.model_id WHERE m.kind = "
      "'image' ORDER BY 2 DESC, 1");
  /* Contents without a model stay. */
  b = tenantdb_builder_select(registry, "contents");
  tenantdb_builder_left_join(b, "object_models", NULL);
  tenantdb_builder_column(b, "id");
  tenantdb_builder_column(b, "object_models.name");
  tenantdb_builder_order(b, "id", NULL);
  compare(
      b, NO_VALUES,
      "SELECT c.id, m.name FROM contents c LEFT JOIN public.object_models m ON m.id = c.model_id ORDER BY 1");
  b = tenantdb_builder_select(registry, "object_models");
  tenantdb_builder_join(b, "contents", NULL);
  tenantdb_builder_join(b, "comments", NULL);
  tenantdb_builder_column(b, "name");
  tenantdb_builder_column(b, "contents.title");
  tenantdb_builder_column(b, "comments.n");
  tenantdb_builder_order(b, "contents.id", NULL);
  tenantdb_builder_order(b, "comments.n", NULL);
  compare(b, NO_VALUES,
          "SELECT m.name, c.title, o.n FROM public.object_models m JOIN contents c ON m.id = c.model_id JOIN "
          "comments o ON o.content_id = c.id ORDER BY c.id, o.n");
  b = tenantdb_builder_select(registry, "titles");
  tenantdb_builder_where(b, "title", "=");
  tenantdb_builder_order(b, "id", "desc");
  tenantdb_builder_limit(b);
  compare(b, VALUES("title 2", "3"),
          "SELECT id, title FROM contents WHERE title = 'title 2' ORDER BY id DESC LIMIT 3");
}

/* Columns of joined tables have names of their own in the result. */
static void test_labels(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  tenantdb_result *result = NULL;
  tenantdb_builder *b = tenantdb_builder_select(registry, "contents");
  tenantdb_builder_join(b, "Central.object_models", "model_id");
  tenantdb_statement *statement = built(b);
  harness_assert_ok(tenantdb_session_run(session, statement, NULL, &result, &error), error);
  static const char *const names[] = {
      "id", "title", "model_id", "object_models.id", "object_models.name", "object_models.kind"};
  assert_int_equal(tenantdb_result_columns(result), 6);
  for (int32_t i = 0; i < 6; i++) {
    assert_string_equal(tenantdb_result_name(result, i), names[i]);
  }
  tenantdb_result_free(result);
  tenantdb_statement_free(statement);
}

/* All pages of contents with their comments; `terms` are the columns of the order, as it is completed. */
static void turn_join(const char *const terms[4], const char *direction, const char *order) {
  tenantdb_error *error = NULL;
  char last[4][64] = {{0}}, sql[300], got[200];
  int32_t n_terms = terms[3] ? 4 : 3, rows = 7;
  int n = 0;
  for (bool first = true; rows == 7; first = false) {
    tenantdb_builder *b = tenantdb_builder_select(registry, "contents");
    tenantdb_builder_left_join(b, "comments", NULL);
    for (int32_t i = 0; i < n_terms; i++) {
      tenantdb_builder_column(b, terms[i]);
    }
    tenantdb_builder_order(b, terms[0], direction);
    if (!first) {
      tenantdb_builder_after(b);
    }
    tenantdb_builder_limit(b);
    tenantdb_result *result = NULL;
    tenantdb_statement *statement = built(b);
    tenantdb_params *params = tenantdb_params_new();
    for (int32_t i = 0; i < n_terms && !first; i++) {
      tenantdb_params_text(params, *last[i] ? last[i] : NULL);
    }
    tenantdb_params_text(params, "7");
    harness_assert_ok(tenantdb_session_run(session, statement, params, &result, &error), error);
    rows = tenantdb_result_rows(result);
    for (int32_t row = 0; row < rows; row++, n++) {
      size_t length = 0;
      for (int32_t i = 0; i < n_terms; i++) {
        const char *value = tenantdb_result_value(result, row, i);
        snprintf(last[i], sizeof last[i], "%s", value ? value : "");
        length += (size_t)snprintf(got + length, sizeof got - length, "%s ", last[i]);
      }
      snprintf(sql, sizeof sql,
               "SELECT %s FROM contents LEFT JOIN comments ON contents.id = content_id ORDER BY %s OFFSET %d "
               "LIMIT 1",
               n_terms == 4 ? "concat(title, ' ', id, ' ', content_id, ' ', n, ' ')"
                            : "concat(n, ' ', id, ' ', content_id, ' ')",
               order, n);
      assert_string_equal(got, fixture_cell(session, sql));
    }
    tenantdb_result_free(result);
    tenantdb_params_free(params);
    tenantdb_statement_free(statement);
  }
  assert_int_equal(n, 15 + 15 + 30 + 45);
}

/* A content comes once for each of its comments, and once when it has none. */
static void test_pages_of_a_join(void **state) {
  (void)state;
  static const char *const by_title[4] = {"title", "id", "comments.content_id", "comments.n"};
  static const char *const by_comment[4] = {"comments.n", "id", "comments.content_id", NULL};
  turn_join(by_title, "desc", "title DESC, id DESC, content_id DESC, n DESC");
  turn_join(by_title, NULL, "title, id, content_id, n");
  turn_join(by_comment, NULL, "n, id, content_id");
  turn_join(by_comment, "desc", "n DESC, id DESC, content_id DESC");
  turn_join(by_comment, "asc nulls first", "n NULLS FIRST, id, content_id");
}

static void test_locks(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  tenantdb_session *second = fixture_session(db, "a");
  static const char *const locks[] = {"update",        "update nowait",        "update skip locked",
                                      "no key update", "no key update nowait", "no key update skip locked",
                                      "share",         "share nowait",         "share skip locked",
                                      "key share",     "key share nowait",     "key share skip locked"};
  for (size_t i = 0; i < sizeof locks / sizeof locks[0]; i++) {
    tenantdb_builder *b = tenantdb_builder_select(registry, "contents");
    tenantdb_builder_left_join(b, "object_models", NULL);
    tenantdb_builder_column(b, "id");
    tenantdb_builder_where(b, "id", "=");
    tenantdb_builder_lock(b, locks[i]);
    assert_string_equal(built_run(session, b, VALUES("1"), NULL), "1");
  }
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "SELECT FROM contents WHERE id = 1 FOR UPDATE");
  tenantdb_builder *b = tenantdb_builder_select(registry, "contents");
  tenantdb_builder_column(b, "id");
  tenantdb_builder_key(b);
  tenantdb_builder_lock(b, "share nowait");
  assert_string_equal(built_refused(second, b, VALUES("1")), "55P03");
  b = tenantdb_builder_select(registry, "contents");
  tenantdb_builder_column(b, "id");
  tenantdb_builder_where(b, "id", "<=");
  tenantdb_builder_order(b, "id", NULL);
  tenantdb_builder_lock(b, "update skip locked");
  assert_string_equal(built_run(second, b, VALUES("3"), NULL), "2 3");
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  tenantdb_session_close(second);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_keysets), cmocka_unit_test(test_moving_pages),
      cmocka_unit_test(test_index),   cmocka_unit_test(test_joins),
      cmocka_unit_test(test_labels),  cmocka_unit_test(test_pages_of_a_join),
      cmocka_unit_test(test_locks),
  };
  return cmocka_run_group_tests_name("builder pages", tests, setup, teardown);
}

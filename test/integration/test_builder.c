/* SPDX-License-Identifier: PostgreSQL */
/* Statements made by builders, run against a server. */
#include "built.h"

static const char *url;
static tenantdb *db;
static tenantdb_registry *registry;
static tenantdb_session *session, *other; /* of tenants a and b */

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = built_open(url);
  registry = built_registry();
  session = fixture_session(db, "a");
  other = fixture_session(db, "b");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_session_close(session);
  tenantdb_session_close(other);
  tenantdb_registry_free(registry);
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static int64_t affected;

/* All operations on one table, in a tenant's schema and in the shared one. */
static void operations(const char *table) {
  tenantdb_builder *b = tenantdb_builder_insert(registry, table);
  tenantdb_builder_column(b, "name");
  tenantdb_builder_column(b, "id");
  tenantdb_builder_returning(b, "id");
  tenantdb_builder_returning(b, "version");
  assert_string_equal(built_run(session, b, VALUES("it's one", "1"), &affected), "1|1");
  assert_int_equal(affected, 1);
  b = tenantdb_builder_insert(registry, table);
  tenantdb_builder_column(b, "id");
  tenantdb_builder_column(b, "name");
  tenantdb_builder_column(b, "n");
  tenantdb_builder_rows(b, 3);
  built_run(session, b, VALUES("2", "two", "20", "3", "three", "30", "4", NULL, "40"), &affected);
  assert_int_equal(affected, 3);

  b = tenantdb_builder_select(registry, table);
  tenantdb_builder_key(b);
  assert_string_equal(built_run(session, b, VALUES("2"), NULL), "2|two|20|-|1");
  b = tenantdb_builder_select(registry, table);
  tenantdb_builder_column(b, "id");
  tenantdb_builder_where(b, "n", ">=");
  tenantdb_builder_where(b, "name", "is not null");
  tenantdb_builder_or(b);
  tenantdb_builder_where(b, "id", "in");
  tenantdb_builder_order(b, "id", "desc");
  tenantdb_builder_offset(b);
  tenantdb_builder_limit(b);
  assert_string_equal(built_run(session, b, VALUES("20", "{1,4,NULL,77}", "1", "2"), NULL), "3 2");

  b = tenantdb_builder_update(registry, table);
  tenantdb_builder_column(b, "name");
  tenantdb_builder_add(b, "n");
  tenantdb_builder_key(b);
  tenantdb_builder_returning(b, "n");
  assert_string_equal(built_run(session, b, VALUES("zwei", "-5", "2"), &affected), "15");
  b = tenantdb_builder_update(registry, table);
  tenantdb_builder_column(b, "kept");
  tenantdb_builder_all(b);
  built_run(session, b, VALUES("all"), &affected);
  assert_int_equal(affected, 4);

  b = tenantdb_builder_delete(registry, table);
  tenantdb_builder_where(b, "n", "<");
  tenantdb_builder_returning(b, "name");
  assert_string_equal(built_run(session, b, VALUES("20"), &affected), "it's one zwei");
  b = tenantdb_builder_delete(registry, table);
  tenantdb_builder_all(b);
  built_run(session, b, NO_VALUES, &affected);
  assert_int_equal(affected, 2);
}

static void test_operations(void **state) {
  (void)state;
  fixture_run(other, "INSERT INTO things (id) SELECT generate_series(1, 10)");
  operations("Service.things");
  assert_string_equal(fixture_cell(other, "SELECT count(*) FROM things"), "10");
  assert_string_equal(fixture_cell(other, "SELECT count(*) FROM things WHERE kept IS NULL AND n = 0"), "10");
  operations("Central.things");
}

/* One compiled statement serves every tenant. */
static void test_two_tenants(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  tenantdb_builder *b = tenantdb_builder_insert(registry, "numbered");
  tenantdb_builder_column(b, "n");
  tenantdb_statement *statement = built(b);
  tenantdb_params *params = built_params(VALUES("7"));
  for (int i = 0; i < 2; i++) {
    harness_assert_ok(tenantdb_session_run(i ? other : session, statement, params, NULL, &error), error);
  }
  harness_assert_fails(tenantdb_session_run(session, statement, params, NULL, &error), error,
                       TENANTDB_CONSTRAINT, TENANTDB_REASON_SERVER_CONSTRAINT);
  tenantdb_params_free(params);
  tenantdb_statement_free(statement);
  fixture_run(session, "DELETE FROM numbered");
  assert_string_equal(fixture_cell(other, "SELECT string_agg(n::text, ',') FROM numbered"), "7");
}

static void test_names(void **state) {
  (void)state;
  static const char *const tables[] = {"user", "x}; DROP TABLE \"y\" {", "Sélect", "a}b{{c\"d'e"};
  static const char group[] = "{\"Group\"}";
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
    tenantdb_builder *b = tenantdb_builder_upsert(registry, tables[i]);
    tenantdb_builder_column(b, "order");
    tenantdb_builder_column(b, group);
    tenantdb_builder_arrays(b);
    tenantdb_builder_returning(b, group);
    assert_string_equal(built_run(session, b, VALUES("{1,2}", "{it's,\"\\\"\"}"), NULL), "it's \"");
    b = tenantdb_builder_update(registry, tables[i]);
    tenantdb_builder_column(b, group);
    tenantdb_builder_where(b, "order", "not in");
    built_run(session, b, VALUES("'; DROP TABLE user; --", "{2,3}"), &affected);
    assert_int_equal(affected, 1);
    b = tenantdb_builder_select(registry, tables[i]);
    tenantdb_builder_order(b, group, "desc nulls last");
    tenantdb_builder_after(b);
    tenantdb_builder_limit(b);
    assert_string_equal(built_run(session, b, VALUES("'", "9", "10"), NULL), "2|\"");
    b = tenantdb_builder_delete(registry, tables[i]);
    tenantdb_builder_key(b);
    built_run(session, b, VALUES("1"), &affected);
    assert_int_equal(affected, 1);
  }
}

/* Every operator against rows with NULL, compared with the same written by hand. */
static void test_operators(void **state) {
  (void)state;
  static const char *const checks[][3] = {
      {"=", "b", "name = 'b'"},
      {"<>", "b", "name <> 'b'"},
      {"!=", "b", "name <> 'b'"},
      {"<", "b", "name < 'b'"},
      {"<=", "b", "name <= 'b'"},
      {">", "b", "name > 'b'"},
      {">=", "b", "name >= 'b'"},
      {"in", "{a,b,x}", "name IN ('a', 'b', 'x')"},
      {"in", "{}", "false"},
      {"not in", "{a,b,x}", "name NOT IN ('a', 'b', 'x')"},
      {"not in", "{a,NULL}", "false"},
      {"like", "_b%", "name LIKE '_b%'"},
      {"not like", "%b%", "name NOT LIKE '%b%'"},
      {"ilike", "A%", "name ILIKE 'A%'"},
      {"not ilike", "A%", "name NOT ILIKE 'A%'"},
      {"is distinct from", "a", "name IS NULL OR name <> 'a'"},
      {"is distinct from", NULL, "name IS NOT NULL"},
      {"is not distinct from", NULL, "name IS NULL"},
      {"=", NULL, "false"},
  };
  fixture_run(session, "DELETE FROM things");
  fixture_run(session,
              "INSERT INTO things (id, name) SELECT n, v FROM unnest('{a,b,Ab,abc,c,NULL}'::text[]) "
              "WITH ORDINALITY AS u(v, n)");
  for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
    char sql[200];
    snprintf(sql, sizeof sql,
             "SELECT coalesce(string_agg(id::text, ' ' ORDER BY id), '') FROM things WHERE %s", checks[i][2]);
    tenantdb_builder *b = tenantdb_builder_select(registry, "Service.things");
    tenantdb_builder_column(b, "id");
    tenantdb_builder_where(b, "name", checks[i][0]);
    tenantdb_builder_order(b, "id", NULL);
    assert_string_equal(built_run(session, b, VALUES(checks[i][1]), NULL), fixture_cell(session, sql));
  }
  tenantdb_builder *b = tenantdb_builder_select(registry, "typed");
  tenantdb_builder_where(b, "j", "@>");
  tenantdb_builder_where(b, "t", "&&");
  tenantdb_builder_where(b, "t", "<@");
  assert_string_equal(built_run(session, b, VALUES("{\"a\": 1}", "{x}", "{x,y}"), NULL), "");
  fixture_run(session, "DELETE FROM things");
}

static const char *const typed_columns[] = {"id", "v",   "c", "b", "vb",    "s",  "d", "num",
                                            "at", "day", "j", "u", "bytes", "ok", "f"};
enum { N_TYPED = sizeof typed_columns / sizeof typed_columns[0] };

static tenantdb_builder *insert_typed(void) {
  tenantdb_builder *b = tenantdb_builder_insert(registry, "typed");
  for (size_t i = 0; i < N_TYPED; i++) {
    tenantdb_builder_column(b, typed_columns[i]);
  }
  return b;
}

static const char typed_sql[] =
    "SELECT v || '|' || c || '|' || b || '|' || vb || '|' || s || '|' || d || '|' || num || '|' || (at AT "
    "TIME "
    "ZONE 'UTC') || '|' || day || '|' || j || '|' || u || '|' || bytes || '|' || ok || '|' || f || '|' || "
    "twice "
    "FROM typed WHERE id = ";

/* Every family of types, by a row and by arrays: the same comes of both. */
static void test_types(void **state) {
  (void)state;
  static const char *const row[] = {"1",
                                    "fünf5",
                                    "abc",
                                    "1010",
                                    "101",
                                    "done",
                                    "99",
                                    "12.345",
                                    "2024-05-06 07:08:09.6+00",
                                    "2024-05-06",
                                    "{\"a\": [1]}",
                                    "00000000-0000-4000-8000-000000000001",
                                    "\\x00ff",
                                    "t",
                                    "0.1"};
  static const char *const arrays[] = {"{2,3}",
                                       "{fünf5,NULL}",
                                       "{abc,NULL}",
                                       "{1010,NULL}",
                                       "{101,NULL}",
                                       "{done,NULL}",
                                       "{99,NULL}",
                                       "{12.345,NULL}",
                                       "{2024-05-06 07:08:09.6+00,NULL}",
                                       "{2024-05-06,NULL}",
                                       "{\"{\\\"a\\\": [1]}\",NULL}",
                                       "{00000000-0000-4000-8000-000000000001,NULL}",
                                       "{\"\\\\x00ff\",NULL}",
                                       "{t,NULL}",
                                       "{0.1,NULL}"};
  built_run(session, insert_typed(), row, N_TYPED, NULL);
  tenantdb_builder *b = insert_typed();
  tenantdb_builder_arrays(b);
  built_run(session, b, arrays, N_TYPED, &affected);
  assert_int_equal(affected, 2);
  char sql[2][600], first[4096];
  snprintf(sql[0], sizeof sql[0], "%s1", typed_sql);
  snprintf(sql[1], sizeof sql[1], "%s2", typed_sql);
  snprintf(first, sizeof first, "%s", fixture_cell(session, sql[0]));
  assert_string_equal(first,
                      "fünf5|abc|1010|101|done|99|12.35|2024-05-06 07:08:10|2024-05-06|{\"a\": "
                      "[1]}|00000000-0000-4000-8000-000000000001|\\x00ff|true|0.1|24.70");
  assert_string_equal(fixture_cell(session, sql[1]), first);
  /* An array of one type goes into any column that text can become. */
  for (size_t i = 1; i < N_TYPED; i++) {
    if (strcmp(typed_columns[i], "j") != 0) {
      b = tenantdb_builder_select(registry, "typed");
      tenantdb_builder_column(b, "id");
      tenantdb_builder_where(b, typed_columns[i], "in");
      tenantdb_builder_order(b, "id", NULL);
      tenantdb_statement *statement = built(b);
      tenantdb_params *params = tenantdb_params_new();
      tenantdb_params_array_text(params, 1, &row[i]);
      tenantdb_result *result = NULL;
      tenantdb_error *error = NULL;
      harness_assert_ok(tenantdb_session_run(session, statement, params, &result, &error), error);
      /* Values that the column rounded are not equal to what was given. */
      bool rounded = strcmp(typed_columns[i], "num") == 0 || strcmp(typed_columns[i], "at") == 0;
      assert_string_equal(built_rows(result), rounded ? "" : "1 2");
      tenantdb_result_free(result);
      tenantdb_params_free(params);
      tenantdb_statement_free(statement);
    }
  }
}

/* Too long is refused by arrays as by rows, and not cut; so is what is out of a domain's or a type's range. */
static void test_nothing_is_cut(void **state) {
  (void)state;
  static const struct {
    const char *column;
    const char *value;
    const char *sqlstate;
  } bad[] = {{"v", "sixsix", "22001"},  {"c", "abcd", "22001"},     {"b", "10101", "22026"},
             {"b", "101", "22026"},     {"vb", "1010101", "22001"}, {"d", "100", "23514"},
             {"num", "12345", "22003"}, {"s", "lost", "22P02"}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    for (int by_array = 0; by_array < 2; by_array++) {
      char array[40];
      snprintf(array, sizeof array, "{%s}", bad[i].value);
      tenantdb_builder *b = tenantdb_builder_insert(registry, "typed");
      tenantdb_builder_column(b, "id");
      tenantdb_builder_column(b, bad[i].column);
      if (by_array) {
        tenantdb_builder_arrays(b);
      }
      const char *got =
          built_refused(session, b, VALUES(by_array ? "{50}" : "50", by_array ? array : bad[i].value));
      assert_string_equal(got, bad[i].sqlstate);
    }
  }
}

enum { MANY = 10000 };

static void test_many_rows(void **state) {
  (void)state;
  static int32_t ids[MANY], numbers[MANY], nulls[MANY];
  static char names[MANY][24];
  static const char *texts[MANY];
  tenantdb_error *error = NULL;
  for (int32_t i = 0; i < MANY; i++) {
    ids[i] = i;
    numbers[i] = i % 7;
    nulls[i] = 0;
    snprintf(names[i], sizeof names[i], "it's, {\"%d\"}", (int)i);
    texts[i] = i % 10 ? names[i] : NULL;
  }
  tenantdb_builder *b = tenantdb_builder_insert(registry, "Service.things");
  tenantdb_builder_column(b, "id");
  tenantdb_builder_column(b, "name");
  tenantdb_builder_column(b, "n");
  tenantdb_builder_arrays(b);
  tenantdb_statement *statement = built(b);
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_array_int32(params, MANY, ids, NULL);
  tenantdb_params_array_text(params, MANY, texts);
  tenantdb_params_array_int32(params, MANY, numbers, nulls);
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_session_run(session, statement, params, &result, &error), error);
  assert_int_equal(tenantdb_result_affected(result), MANY);
  tenantdb_result_free(result);
  tenantdb_params_free(params);
  tenantdb_statement_free(statement);
  assert_string_equal(
      fixture_cell(session,
                   "SELECT count(*) || ' ' || count(name) || ' ' || sum(n) || ' ' || count(*) FILTER "
                   "(WHERE name = 'it''s, {\"' || id || '\"}' AND n = id % 7) FROM things"),
      "10000 9000 29994 9000");
  /* Shorter arrays are filled up with NULL, as documented: here a NOT NULL column notices. */
  b = tenantdb_builder_insert(registry, "Service.things");
  tenantdb_builder_column(b, "n");
  tenantdb_builder_column(b, "id");
  tenantdb_builder_arrays(b);
  assert_string_equal(built_refused(session, b, VALUES("{1,2}", "{20001}")), "23502");
  fixture_run(session, "DELETE FROM things");
}

/* As many parameters as the protocol can count. */
static void test_the_limit_of_parameters(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  tenantdb_builder *b = tenantdb_builder_upsert(registry, "numbered");
  tenantdb_builder_column(b, "n");
  tenantdb_builder_do_nothing(b);
  tenantdb_builder_rows(b, 65535);
  tenantdb_statement *statement = built(b);
  tenantdb_params *params = tenantdb_params_new();
  for (int32_t i = 0; i < 65535; i++) {
    tenantdb_params_int32(params, i);
  }
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_session_run(session, statement, params, &result, &error), error);
  assert_int_equal(tenantdb_result_affected(result), 65535);
  tenantdb_result_free(result);
  tenantdb_params_free(params);
  tenantdb_statement_free(statement);
  fixture_run(session, "DELETE FROM numbered");
}

static void upserts(const char *table) {
  for (int i = 0; i < 3; i++) {
    tenantdb_builder *b = tenantdb_builder_upsert(registry, table);
    tenantdb_builder_column(b, "id");
    tenantdb_builder_column(b, "name");
    tenantdb_builder_add(b, "n");
    tenantdb_builder_keep(b, "kept");
    tenantdb_builder_add(b, "version");
    tenantdb_builder_returning(b, "n");
    tenantdb_builder_returning(b, "kept");
    tenantdb_builder_returning(b, "version");
    static const char *const expected[] = {"5|first|1", "10|first|2", "15|first|3"};
    assert_string_equal(
        built_run(session, b, VALUES("1", i ? "again" : "new", "5", i ? "later" : "first", "1"), &affected),
        expected[i]);
    assert_int_equal(affected, 1);
  }
  /* Another key than the primary one, by arrays: one is new, one is there. */
  tenantdb_builder *b = tenantdb_builder_upsert(registry, table);
  tenantdb_builder_keep(b, "id");
  tenantdb_builder_column(b, "name");
  tenantdb_builder_add(b, "n");
  tenantdb_builder_conflict(b, "name");
  tenantdb_builder_arrays(b);
  tenantdb_builder_returning(b, "id");
  tenantdb_builder_returning(b, "n");
  assert_string_equal(built_run(session, b, VALUES("{77,2}", "{again,two}", "{100,3}"), NULL), "1|115 2|3");
  b = tenantdb_builder_upsert(registry, table);
  tenantdb_builder_column(b, "id");
  tenantdb_builder_column(b, "name");
  tenantdb_builder_rows(b, 2);
  tenantdb_builder_do_nothing(b);
  tenantdb_builder_returning(b, "id");
  assert_string_equal(built_run(session, b, VALUES("1", "x", "3", "y"), &affected), "3");
  assert_int_equal(affected, 1);
  b = tenantdb_builder_upsert(registry, table);
  tenantdb_builder_column(b, "id");
  tenantdb_builder_column(b, "n");
  tenantdb_builder_rows(b, 2);
  assert_string_equal(built_refused(session, b, VALUES("1", "1", "1", "2")), "21000");
  b = tenantdb_builder_delete(registry, table);
  tenantdb_builder_all(b);
  built_run(session, b, NO_VALUES, &affected);
  assert_int_equal(affected, 3);
}

static void test_upserts(void **state) {
  (void)state;
  upserts("Service.things");
  upserts("Central.things");
}

/* Outside a scope, for administration: the text says which schemas, types included. */
static void test_chosen_tenant(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  char *schema = harness_value(url, "SELECT schema_name FROM tenantdb.tenants WHERE slug = 'b'");
  char *text;
  tenantdb_builder *b = tenantdb_builder_insert(registry, "typed");
  tenantdb_builder_column(b, "id");
  tenantdb_builder_column(b, "s");
  tenantdb_builder_column(b, "d");
  tenantdb_builder_arrays(b);
  tenantdb_builder_returning(b, "id");
  tenantdb_statement *statement = built(b);
  harness_assert_ok(tenantdb_statement_text(statement, schema, "public", &text, &error), error);
  harness_sql(url, "SET search_path = ''; PREPARE p AS %s; EXECUTE p('{5}', '{done}', '{5}')", text);
  assert_string_equal(fixture_cell(other, "SELECT id || ' ' || s FROM typed"), "5 done");
  tenantdb_string_free(text);
  tenantdb_statement_free(statement);
  free(schema);
}

/* What a binding does: values found by their names. */
static void test_by_name(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  tenantdb_builder *b = tenantdb_builder_upsert(registry, "Service.things");
  tenantdb_builder_column(b, "name");
  tenantdb_builder_column(b, "n");
  tenantdb_builder_column(b, "id");
  tenantdb_builder_returning(b, "n");
  tenantdb_statement *statement = built(b);
  tenantdb_result *names = NULL, *result = NULL;
  harness_assert_ok(tenantdb_statement_parameters(statement, &names, &error), error);
  static const char *const given[][2] = {{"id", "4"}, {"n", "11"}, {"name", "x"}};
  tenantdb_params *params = tenantdb_params_new();
  for (int32_t row = 0; row < tenantdb_result_rows(names); row++) {
    for (size_t i = 0; i < 3; i++) {
      if (strcmp(tenantdb_result_value(names, row, tenantdb_result_column(names, "name")), given[i][0]) ==
          0) {
        tenantdb_params_text(params, given[i][1]);
      }
    }
  }
  harness_assert_ok(tenantdb_session_run(session, statement, params, &result, &error), error);
  assert_string_equal(built_rows(result), "11");
  assert_string_equal(fixture_cell(session, "SELECT id || name || n FROM things"), "4x11");
  tenantdb_result_free(result);
  tenantdb_result_free(names);
  tenantdb_params_free(params);
  tenantdb_statement_free(statement);
  fixture_run(session, "DELETE FROM things");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_operations), cmocka_unit_test(test_two_tenants),
      cmocka_unit_test(test_names),      cmocka_unit_test(test_operators),
      cmocka_unit_test(test_types),      cmocka_unit_test(test_nothing_is_cut),
      cmocka_unit_test(test_many_rows),  cmocka_unit_test(test_the_limit_of_parameters),
      cmocka_unit_test(test_upserts),    cmocka_unit_test(test_chosen_tenant),
      cmocka_unit_test(test_by_name),
  };
  return cmocka_run_group_tests_name("builder", tests, setup, teardown);
}

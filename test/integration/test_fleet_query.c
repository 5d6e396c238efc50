/* SPDX-License-Identifier: PostgreSQL */
/* One statement over many tenants: which of them, in which order, with what rights. */
#include "fleet_fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;

enum { MANY = 200, NOTES = 3 };

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  fleet_make(db, url, MANY, NOTES);
  harness_sql(
      url,
      "UPDATE tenantdb.tenants SET version = substr(slug, 2)::int %% 5, properties = "
      "jsonb_build_object('plan', CASE WHEN substr(slug, 2)::int %% 4 = 0 THEN 'pro' ELSE 'basic' END, "
      "'seats', substr(slug, 2)::int, 'it''s', '\"yes\"', 'billing', jsonb_build_object('country', "
      "CASE WHEN slug < 't005' THEN 'de' END)); INSERT INTO plans VALUES (1, 'pro'), (2, 'basic')");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

#define NOTES_SQL "SELECT id, body FROM notes ORDER BY id"

/* What asking each tenant in turn gives. */
static fleet_text one_by_one(const char *sql) {
  fleet_text all = {0};
  for (int i = 0; i < MANY; i++) {
    char slug[16];
    tenantdb_result *rows = NULL;
    snprintf(slug, sizeof slug, "t%03d", i);
    tenantdb_session *session = fixture_session(db, slug);
    harness_assert_ok(tenantdb_session_query(session, sql, NULL, &rows, &error), error);
    for (int32_t row = 0; row < tenantdb_result_rows(rows); row++) {
      char line[200];
      int length = snprintf(line, sizeof line, "%s|%s|%s\n", slug, tenantdb_result_value(rows, row, 0),
                            tenantdb_result_value(rows, row, 1));
      fleet_append(&all, line, (size_t)length);
      all.rows++;
    }
    tenantdb_result_free(rows);
    tenantdb_session_close(session);
  }
  return all;
}

static int compare_lines(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The same lines in the order of their bytes. */
static void sort_lines(fleet_text *text) {
  char **lines = calloc((size_t)text->rows, sizeof *lines);
  char *copy = strdup(text->text);
  size_t n = 0;
  assert_true(lines && copy);
  for (char *at = copy; *at; at = strchr(at, '\0') + 1) {
    *strchr(at, '\n') = '\0';
    lines[n++] = at;
  }
  assert_int_equal(n, text->rows);
  qsort(lines, n, sizeof *lines, compare_lines);
  text->length = 0;
  for (size_t i = 0; i < n; i++) {
    fleet_append(text, lines[i], strlen(lines[i]));
    fleet_append(text, "\n", 1);
  }
  free(copy);
  free(lines);
}

/* ---------------------------------------------------------------- all of them */

static void test_all(void **state) {
  (void)state;
  fleet_text expected = one_by_one(NOTES_SQL);
  assert_int_equal(expected.rows, MANY * NOTES);
  static const char *const connections[] = {"1", "4", "20"};
  for (size_t i = 0; i < sizeof connections / sizeof connections[0]; i++) {
    fleet_text by_tenant = fleet_rows(db, NOTES_SQL, FIXTURE_OPTIONS("connections", connections[i]));
    assert_string_equal(by_tenant.text, expected.text);
    fleet_text any =
        fleet_rows(db, NOTES_SQL, FIXTURE_OPTIONS("order", "any", "connections", connections[i]));
    assert_int_equal(any.rows, expected.rows);
    sort_lines(&any);
    assert_string_equal(any.text, expected.text);
    free(by_tenant.text);
    free(any.text);
  }
  free(expected.text);
}

static void test_end_is_told_once(void **state) {
  (void)state;
  int32_t more = 7;
  tenantdb_status status;
  tenantdb_result *rows = fleet_start(db, "SELECT count(*) FROM notes", NULL);
  assert_int_equal(tenantdb_result_columns(rows), 1);
  assert_string_equal(tenantdb_result_name(rows, 0), "tenant");
  assert_int_equal(fleet_progress(rows, "total"), MANY);
  assert_int_equal(fleet_progress(rows, "waiting"), MANY);
  fleet_text all = fleet_drain(rows, &status, &error);
  harness_assert_ok(status, error);
  assert_int_equal(all.rows, MANY);
  for (int i = 0; i < 2; i++) {
    harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
    assert_int_equal(more, 0);
  }
  assert_int_equal(tenantdb_result_rows(rows), 0);
  assert_int_equal(tenantdb_result_columns(rows), 2); /* which is known by now */
  assert_int_equal(fleet_progress(rows, "done"), MANY);
  assert_int_equal(fleet_progress(rows, "rows"), MANY);
  assert_int_equal(fleet_progress(rows, "failed") + fleet_progress(rows, "running") +
                       fleet_progress(rows, "waiting") + fleet_progress(rows, "affected"),
                   0);
  assert_string_equal(fleet_failures(rows), "");
  harness_assert_ok(tenantdb_fleet_cancel(rows, &error), error); /* too late to matter */
  harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
  tenantdb_result_free(rows);
  free(all.text);
}

static void test_no_rows(void **state) {
  (void)state;
  fleet_assert_rows(db, "SELECT id FROM notes WHERE id < 0", NULL, "");
  fleet_text empty = fleet_rows(db, "SELECT FROM notes", NULL); /* rows without columns of their own */
  assert_int_equal(empty.rows, MANY * NOTES);
  assert_memory_equal(empty.text, "t000\nt000\nt000\nt001\n", 20);
  free(empty.text);
}

/* ---------------------------------------------------------------- some of them */

static void test_list(void **state) {
  (void)state;
  static const char sql[] = "SELECT min(body) FROM notes";
  char names[200];
  tenantdb_tenant *tenant = NULL;
  harness_assert_ok(tenantdb_tenant_get(db, "t007", &tenant, &error), error);
  snprintf(names, sizeof names, "t012, %s ,T003,t012,t007", tenantdb_tenant_id(tenant));
  fleet_assert_rows(db, sql, FIXTURE_OPTIONS("tenants", names), "t003|t003 1\nt007|t007 1\nt012|t012 1\n");
  fleet_assert_rows(db, sql, FIXTURE_OPTIONS("tenants", names, "selector", "plan=pro"), "t012|t012 1\n");
  /* A list that came out empty is nobody, not everybody. */
  fleet_assert_rows(db, sql, FIXTURE_OPTIONS("tenants", ""), "");
  fleet_assert_rows(db, sql, FIXTURE_OPTIONS("tenants", " ", "order", "any"), "");
  tenantdb_fleet_options *options = fleet_options(FIXTURE_OPTIONS("tenants", "t001"));
  tenantdb_fleet_options_tenant(options, "t002");
  tenantdb_fleet_options_tenant(options, tenantdb_tenant_id(tenant));
  tenantdb_result *rows = NULL;
  tenantdb_status status;
  harness_assert_ok(tenantdb_fleet_query(db, sql, NULL, options, &rows, &error), error);
  tenantdb_fleet_options_free(options);
  fleet_text all = fleet_drain(rows, &status, &error);
  harness_assert_ok(status, error);
  assert_string_equal(all.text, "t001|t001 1\nt002|t002 1\nt007|t007 1\n");
  tenantdb_result_free(rows);
  tenantdb_tenant_free(tenant);
  free(all.text);
}

static int64_t selected(const char *selector) {
  fleet_text all = fleet_rows(db, "SELECT 1", FIXTURE_OPTIONS("selector", selector));
  free(all.text);
  return all.rows;
}

static void test_selector(void **state) {
  (void)state;
  assert_int_equal(selected(""), MANY);
  assert_int_equal(selected("plan=pro"), MANY / 4);
  assert_int_equal(selected("plan = pro | basic"), MANY);
  assert_int_equal(selected("plan != pro"), MANY - MANY / 4);
  assert_int_equal(selected("plan=pro, version<2"), 20);
  assert_int_equal(selected("plan='pro' and version <= 2 and version >= 2"), 10);
  assert_int_equal(selected("version=1|3"), 2 * MANY / 5);
  assert_int_equal(selected("version != 0, version>3"), MANY / 5);
  assert_int_equal(selected("slug^=T01"), 10);
  assert_int_equal(selected("slug ^= t01|t1"), 110);
  assert_int_equal(selected("slug=T015|t016|nobody"), 2);
  assert_int_equal(selected("seats=15"), 1); /* a number, compared as text */
  assert_int_equal(selected("billing.country=de"), 5);
  assert_int_equal(selected("properties.billing.country != de"), MANY - 5); /* null, too, is different */
  assert_int_equal(selected("\"it's\" = '\"yes\"'"), MANY);
  assert_int_equal(selected("properties.\"it's\"^='\"y'"), MANY);
  assert_int_equal(selected("nothing=x"), 0);
  assert_int_equal(selected("nothing!=x"), MANY);
  assert_int_equal(selected("plan='pro'''"), 0); /* a quote in a value is a value */
  assert_int_equal(selected("state=active"), MANY);
  assert_int_equal(selected("state=suspended|archived"), 0);
}

/* ---------------------------------------------------------------- columns */

static void test_columns(void **state) {
  (void)state;
  int32_t more = 0;
  int64_t n = 0;
  tenantdb_tenant *tenant = NULL;
  harness_assert_ok(tenantdb_tenant_get(db, "t001", &tenant, &error), error);
  tenantdb_result *rows = fleet_start(db, "SELECT 5::int8 AS n, NULL::text AS tenant, now() AS at",
                                      FIXTURE_OPTIONS("tenants", "t001", "columns", "both"));
  harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
  assert_int_equal(tenantdb_result_rows(rows), 1);
  assert_int_equal(tenantdb_result_columns(rows), 5);
  assert_string_equal(tenantdb_result_name(rows, 0), "tenant");
  assert_string_equal(tenantdb_result_name(rows, 1), "tenant_id");
  assert_string_equal(tenantdb_result_name(rows, 2), "n");
  assert_int_equal(tenantdb_result_column(rows, "tenant"), 0);
  assert_int_equal(tenantdb_result_type(rows, 0), 25);
  assert_int_equal(tenantdb_result_type(rows, 2), 20);
  assert_string_equal(tenantdb_result_value(rows, 0, 0), "t001");
  assert_string_equal(tenantdb_result_value(rows, 0, 1), tenantdb_tenant_id(tenant));
  assert_int_equal(tenantdb_result_length(rows, 0, 1), 36);
  assert_int_equal(tenantdb_result_is_null(rows, 0, 3), 1);
  assert_int_equal(tenantdb_result_length(rows, 0, 3), 0);
  harness_assert_ok(tenantdb_result_int64(rows, 0, 2, &n, &error), error);
  assert_int_equal(n, 5);
  tenantdb_result_free(rows);
  char expected[64];
  snprintf(expected, sizeof expected, "%s|1\n", tenantdb_tenant_id(tenant));
  fleet_assert_rows(db, "SELECT 1", FIXTURE_OPTIONS("tenants", "t001", "columns", "id"), expected);
  tenantdb_tenant_free(tenant);
}

/* Values of all kinds go to every tenant; the caller may change them as soon as the query has begun. */
static void test_parameters(void **state) {
  (void)state;
  static const int64_t ids[] = {1, 3};
  tenantdb_status status;
  tenantdb_result *rows = NULL;
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_array_int64(params, 2, ids, NULL);
  tenantdb_params_bytea(params, "a\0b", 3);
  tenantdb_params_text(params, "o'clock");
  tenantdb_params_null(params);
  tenantdb_fleet_options *options = fleet_options(FIXTURE_OPTIONS("selector", "slug^=t19"));
  harness_assert_ok(
      tenantdb_fleet_query(db,
                           "SELECT count(*), length($2), $3::text, $4::int FROM notes WHERE id = "
                           "ANY ($1)",
                           params, options, &rows, &error),
      error);
  tenantdb_fleet_options_free(options);
  tenantdb_params_free(params);
  fleet_text all = fleet_drain(rows, &status, &error);
  harness_assert_ok(status, error);
  assert_int_equal(all.rows, 10);
  assert_memory_equal(all.text, "t190|2|3|o'clock|(null)\n", 24);
  tenantdb_result_free(rows);
  free(all.text);
}

static void test_binary(void **state) {
  (void)state;
  int32_t more = 0;
  int64_t n = 0;
  const void *data = NULL;
  size_t length = 0;
  char *json = NULL;
  tenantdb_result *rows = fleet_start(db, "SELECT max(id), '\\x6100'::bytea AS b FROM notes",
                                      FIXTURE_OPTIONS("tenants", "t005", "binary", "on"));
  harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
  assert_int_equal(tenantdb_result_format(rows, 0), 0);
  assert_int_equal(tenantdb_result_format(rows, 1), 1);
  assert_int_equal(tenantdb_result_length(rows, 0, 1), 8);
  harness_assert_ok(tenantdb_result_int64(rows, 0, 1, &n, &error), error);
  assert_int_equal(n, NOTES);
  harness_assert_ok(tenantdb_result_bytea(rows, 0, 2, &data, &length, &error), error);
  assert_int_equal(length, 2);
  assert_memory_equal(data, "a", 2);
  harness_assert_ok(tenantdb_result_json(rows, &json, &error), error);
  assert_string_equal(json, "[{\"tenant\":\"t005\",\"max\":3,\"b\":\"\\\\x6100\"}]");
  tenantdb_string_free(json);
  tenantdb_result_free(rows);
}

/* ---------------------------------------------------------------- compiled statements */

static void test_statement(void **state) {
  (void)state;
  tenantdb_status status;
  tenantdb_statement *statement = NULL;
  tenantdb_result *rows = NULL;
  tenantdb_registry *registry = fixture_registry();
  harness_assert_ok(
      tenantdb_statement_new(registry,
                             "SELECT '{notes} ab \"a\"', p.name, count(*), min(n.body) FROM {notes} "
                             "n, {Central.plans} p WHERE p.id = $1 AND NOT EXISTS (SELECT FROM "
                             "{schema}.items) GROUP BY 2",
                             &statement, &error),
      error);
  tenantdb_registry_free(registry);
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_int64(params, 2);
  tenantdb_fleet_options *options = fleet_options(FIXTURE_OPTIONS("tenants", "t010,t020"));
  harness_assert_ok(tenantdb_fleet_query_statement(db, statement, params, options, &rows, &error), error);
  tenantdb_statement_free(statement); /* before the first row was asked for */
  tenantdb_params_free(params);
  tenantdb_fleet_options_free(options);
  fleet_text all = fleet_drain(rows, &status, &error);
  harness_assert_ok(status, error);
  assert_string_equal(all.text,
                      "t010|{notes} ab \"a\"|basic|3|t010 1\nt020|{notes} ab \"a\"|basic|3|t020 1\n");
  tenantdb_result_free(rows);
  free(all.text);
}

/* Schemas whose names have to be quoted. */
static void test_quoted_schemas(void **state) {
  (void)state;
  const char *other = harness_database();
  tenantdb_status status;
  tenantdb_statement *statement = NULL;
  tenantdb_result *rows = NULL;
  tenantdb *quoted = fixture_ready(other, FIXTURE_OPTIONS("tenant.schema_template", "x \"{slug}\" y"));
  fleet_make(quoted, other, 3, 1);
  assert_string_equal(fleet_schema(quoted, "t001"), "x \"t001\" y");
  fleet_assert_rows(quoted, "SELECT body FROM notes", NULL, "t000|t000 1\nt001|t001 1\nt002|t002 1\n");
  tenantdb_registry *registry = fixture_registry();
  harness_assert_ok(tenantdb_statement_new(registry, "SELECT body FROM {notes}", &statement, &error), error);
  harness_assert_ok(tenantdb_fleet_query_statement(quoted, statement, NULL, NULL, &rows, &error), error);
  fleet_text all = fleet_drain(rows, &status, &error);
  harness_assert_ok(status, error);
  assert_string_equal(all.text, "t000|t000 1\nt001|t001 1\nt002|t002 1\n");
  free(all.text);
  tenantdb_result_free(rows);
  tenantdb_statement_free(statement);
  tenantdb_registry_free(registry);
  tenantdb_close(quoted);
  harness_drop_database(other);
}

/* ---------------------------------------------------------------- writing */

static void test_read_only(void **state) {
  (void)state;
  tenantdb_status status;
  tenantdb_result *rows =
      fleet_start(db, "INSERT INTO notes (body) VALUES ('w')", FIXTURE_OPTIONS("tenants", "t001,t002"));
  fleet_text all = fleet_drain(rows, &status, &error);
  assert_int_equal(all.rows, 0);
  fixture_assert_error(error, TENANTDB_UNAVAILABLE, TENANTDB_REASON_FLEET_PARTLY,
                       "2 of 2 tenants failed, t001 first: ");
  error = NULL;
  tenantdb_result *table = NULL;
  harness_assert_ok(tenantdb_fleet_failures(rows, &table, &error), error);
  assert_int_equal(tenantdb_result_rows(table), 2);
  assert_string_equal(tenantdb_result_value(table, 1, tenantdb_result_column(table, "sqlstate")), "25006");
  tenantdb_result_free(table);
  tenantdb_result_free(rows);
  free(all.text);
  fleet_assert_rows(db, "SELECT count(*) FROM notes", FIXTURE_OPTIONS("tenants", "t001,t002"),
                    "t001|3\nt002|3\n");
}

static void test_writing(void **state) {
  (void)state;
  tenantdb_status status;
  static const char *const orders[] = {"tenant", "any"};
  for (int i = 0; i < 2; i++) {
    const char *const *pairs =
        FIXTURE_OPTIONS("selector", "slug^=t00", "read_only", "off", "order", orders[i]);
    fleet_text all = fleet_rows(db, "INSERT INTO notes (body) VALUES ('w') RETURNING body", pairs);
    assert_int_equal(all.rows, 10);
    free(all.text);
    tenantdb_result *rows = fleet_start(db, "DELETE FROM notes WHERE body = 'w'", pairs);
    all = fleet_drain(rows, &status, &error);
    harness_assert_ok(status, error);
    assert_int_equal(all.rows, 0);
    assert_int_equal(fleet_progress(rows, "affected"), 10);
    assert_int_equal(fleet_progress(rows, "done"), 10);
    tenantdb_result_free(rows);
    free(all.text);
  }
}

/* Freed before its end, a tenant's work is undone as a whole. */
static void test_writing_given_up(void **state) {
  (void)state;
  int32_t more = 0;
  tenantdb_result *rows =
      fleet_start(db, "INSERT INTO notes (body) SELECT 'w' FROM generate_series(1, 50000) RETURNING body",
                  FIXTURE_OPTIONS("tenants", "t001", "read_only", "off"));
  harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
  assert_int_equal(more, 1);
  tenantdb_result_free(rows);
  fleet_assert_rows(db, "SELECT count(*) FROM notes", FIXTURE_OPTIONS("tenants", "t001"), "t001|3\n");
}

/* ---------------------------------------------------------------- misuse */

static void refuse_option(const char *key, const char *value, int32_t reason, const char *text) {
  tenantdb_result *rows = (tenantdb_result *)url;
  tenantdb_fleet_options *options = tenantdb_fleet_options_new();
  tenantdb_fleet_options_set(options, key, value);
  tenantdb_fleet_options_set(options, "order", "sideways"); /* the first mistake is the one that is told */
  fixture_assert_refused(tenantdb_fleet_query(db, "SELECT 1", NULL, options, &rows, &error), error,
                         TENANTDB_ARGUMENT, reason, text);
  assert_null(rows);
  tenantdb_fleet_options_free(options);
}

static void test_options(void **state) {
  (void)state;
  static const struct {
    const char *key, *value, *text;
  } bad[] = {
      {"order", "sideways", "neither tenant nor any"},
      {"on_error", "panic", "neither continue nor stop"},
      {"connections", "0", "from 1 to 10000"},
      {"connections", "many", "from 1 to 10000"},
      {"timeout", "soon", "not a duration"},
      {"tenant_timeout", "-1s", "not a duration"},
      {"columns", "name", "none of slug, id and both"},
      {"read_only", "perhaps", "neither on nor off"},
      {"binary", "2", "neither on nor off"},
      {"tenants", "a,,b", "name 2 is empty"},
      {"tenants", "a,", "name 2 is empty"},
      {"tenants", "a,\xff", "name 2 is not valid UTF-8"},
      {"selector", "plan", "position 5: an operator is expected"},
      {"selector", "plan=\xff", "not valid UTF-8"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    refuse_option(bad[i].key, bad[i].value, TENANTDB_REASON_BAD_OPTION_VALUE, bad[i].text);
  }
  refuse_option("tenant", "a", TENANTDB_REASON_UNKNOWN_OPTION, "did you mean \"tenants\"?");
  refuse_option(NULL, "a", TENANTDB_REASON_NULL_ARGUMENT, "key is NULL");
  tenantdb_fleet_options *options = tenantdb_fleet_options_new();
  tenantdb_fleet_options_tenant(options, NULL);
  tenantdb_result *rows = NULL;
  fixture_assert_refused(tenantdb_fleet_query(db, "SELECT 1", NULL, options, &rows, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "tenants: the name is NULL");
  tenantdb_fleet_options_free(options);
  /* NULL puts every default back. */
  fleet_text all = fleet_rows(
      db, "SELECT 1",
      FIXTURE_OPTIONS("tenants", "t001", "tenants", NULL, "order", "any", "order", NULL, "connections", "2",
                      "connections", NULL, "on_error", "stop", "on_error", NULL, "timeout", "1ms", "timeout",
                      NULL, "tenant_timeout", "1ms", "tenant_timeout", NULL, "columns", "both", "columns",
                      NULL, "read_only", "off", "read_only", NULL, "binary", "on", "binary", NULL, "selector",
                      "plan=x", "selector", NULL));
  assert_int_equal(all.rows, MANY);
  free(all.text);
  tenantdb_fleet_options_set(NULL, "order", "any");
  tenantdb_fleet_options_tenant(NULL, "a");
  tenantdb_fleet_options_free(NULL);
}

static void test_misuse(void **state) {
  (void)state;
  tenantdb_result *rows = (tenantdb_result *)url, *table = (tenantdb_result *)url;
  tenantdb_registry *registry = fixture_registry();
  tenantdb_statement *statement = NULL;
  harness_assert_fails(tenantdb_fleet_query(NULL, "SELECT 1", NULL, NULL, &rows, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT);
  assert_null(rows);
  harness_assert_fails(tenantdb_fleet_query(db, NULL, NULL, NULL, &rows, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_fleet_query(db, "SELECT 1", NULL, NULL, NULL, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_fleet_query_statement(db, NULL, NULL, NULL, &rows, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_fleet_query(db, " -- nothing", NULL, NULL, &rows, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT);
  harness_assert_fails(tenantdb_fleet_query(db, "COMMIT", NULL, NULL, &rows, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_TRANSACTION_CONTROL);
  harness_assert_fails(tenantdb_fleet_query(db, "SET ROLE x", NULL, NULL, &rows, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_SCOPE_CONTROL);
  harness_assert_fails(tenantdb_fleet_query(db, "COPY notes TO STDOUT", NULL, NULL, &rows, &error), error,
                       TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE);
  harness_assert_ok(tenantdb_statement_new(registry, "ROLLBACK", &statement, &error), error);
  harness_assert_fails(tenantdb_fleet_query_statement(db, statement, NULL, NULL, &rows, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_TRANSACTION_CONTROL);
  tenantdb_statement_free(statement);
  tenantdb_registry_free(registry);
  tenantdb_result *list = NULL;
  harness_assert_ok(tenantdb_tenant_list(db, NULL, NULL, NULL, 1, &list, &error), error);
  harness_assert_fails(tenantdb_fleet_failures(list, &table, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_BAD_HANDLE);
  assert_null(table);
  harness_assert_fails(tenantdb_fleet_progress(list, &table, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_BAD_HANDLE);
  harness_assert_fails(tenantdb_fleet_cancel(list, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_BAD_HANDLE);
  harness_assert_fails(tenantdb_fleet_cancel(NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_fleet_failures(NULL, &table, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_fleet_progress(list, NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_fleet_failures(list, NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  tenantdb_result_free(list);
}

/* ---------------------------------------------------------------- handles */

static void test_second_handle(void **state) {
  (void)state;
  tenantdb *other = fixture_open(url, NULL, FIXTURE_OPTIONS("fleet.connections", "2"));
  tenantdb_result *ours = fleet_start(db, NOTES_SQL, NULL);
  tenantdb_result *theirs = fleet_start(other, NOTES_SQL, NULL);
  fleet_text a = {0}, b = {0};
  for (int32_t more = 1, also = 1; more || also;) { /* in turn, in one thread */
    harness_assert_ok(tenantdb_result_next(ours, &more, &error), error);
    fleet_append_rows(&a, ours, 0);
    harness_assert_ok(tenantdb_result_next(theirs, &also, &error), error);
    fleet_append_rows(&b, theirs, 0);
    assert_true(fleet_progress(theirs, "running") <= 2);
  }
  assert_string_equal(a.text, b.text);
  assert_int_equal(a.rows, MANY * NOTES);
  tenantdb_result_free(ours);
  tenantdb_result_free(theirs);
  tenantdb_close(other);
  free(a.text);
  free(b.text);
}

static void test_database_closed(void **state) {
  (void)state;
  int32_t more = 0;
  tenantdb *other = fixture_open(url, NULL, NULL);
  tenantdb_result *rows = fleet_start(other, NOTES_SQL, NULL);
  harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
  tenantdb_close(other);
  harness_assert_fails(tenantdb_result_next(rows, &more, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_DATABASE_CLOSED);
  assert_non_null(strstr(fleet_failures(rows), "t199 STATE DATABASE_CLOSED 0;"));
  harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
  assert_int_equal(more, 0);
  tenantdb_result_free(rows);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_all),
      cmocka_unit_test(test_end_is_told_once),
      cmocka_unit_test(test_no_rows),
      cmocka_unit_test(test_list),
      cmocka_unit_test(test_selector),
      cmocka_unit_test(test_columns),
      cmocka_unit_test(test_parameters),
      cmocka_unit_test(test_binary),
      cmocka_unit_test(test_statement),
      cmocka_unit_test(test_quoted_schemas),
      cmocka_unit_test(test_read_only),
      cmocka_unit_test(test_writing),
      cmocka_unit_test(test_writing_given_up),
      cmocka_unit_test(test_options),
      cmocka_unit_test(test_misuse),
      cmocka_unit_test(test_second_handle),
      cmocka_unit_test(test_database_closed),
  };
  return cmocka_run_group_tests_name("fleet query", tests, setup, teardown);
}

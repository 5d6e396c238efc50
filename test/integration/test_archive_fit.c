/* SPDX-License-Identifier: PostgreSQL */
/* Archives where they do not fit as they are: other shared rows, other registries, wrong calls. */
#include "archive_bytes.h"

#include "archive_source.h"

/* ---------------------------------------------------------------- references */

/* What an import says became of them, as "plans kept/mapped/nulled;…". Static. */
static const char *import_reporting(tenantdb *into, const bytes *all,
                                    const tenantdb_archive_options *options) {
  static char report[400];
  tenantdb_import *target = NULL;
  tenantdb_result *result = NULL;
  size_t length = 0;
  harness_assert_ok(tenantdb_import_open(into, "there", NULL, options, &target, &error), error);
  harness_assert_fails(tenantdb_import_references(target, &result, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_BAD_HANDLE);
  harness_assert_ok(tenantdb_import_write(target, all->data, all->length, &error), error);
  harness_assert_ok(tenantdb_import_finish(target, NULL, &error), error);
  harness_assert_ok(tenantdb_import_references(target, &result, &error), error);
  report[0] = '\0';
  for (int32_t i = 0; i < tenantdb_result_rows(result); i++) {
    length += (size_t)snprintf(report + length, sizeof report - length, "%s %s/%s/%s;",
                               tenantdb_result_value(result, i, 2), tenantdb_result_value(result, i, 3),
                               tenantdb_result_value(result, i, 4), tenantdb_result_value(result, i, 5));
  }
  tenantdb_result_free(result);
  tenantdb_import_close(target);
  assert_string_equal(fixture_findings(into, "there"), "");
  return report;
}

static int64_t notes_of(const char *other_url, const char *condition) {
  char *copy = archive_schema(other_url, "there");
  int64_t count = harness_count(other_url, "SELECT count(*) FROM %s.notes WHERE %s", copy, condition);
  free(copy);
  return count;
}

/* The same plans under other ids, swapped even: their names tell. */
static void test_mapped(void **state) {
  (void)state;
  const char *other_url;
  tenantdb *other = second(&other_url,
                           "INSERT INTO plans VALUES (2, 'free'), (1, E'\"gold\"\\n'), (3, 'other');"
                           "INSERT INTO regions VALUES ('AT', '7')",
                           NULL);
  bytes all = export_of(db, "acme");
  assert_string_equal(import_reporting(other, &all, NULL), "regions 1/0/0;plans 0/2/0;");
  assert_int_equal(notes_of(other_url, "plan_id = 2 AND id % 5 = 0"), 20);
  assert_int_equal(notes_of(other_url, "plan_id = 1 AND id % 5 = 1"), 20);
  assert_int_equal(notes_of(other_url, "plan_id IS NOT NULL"), 40);
  harness_assert_ok(tenantdb_tenant_purge(other, "there", 1, &error), error);
  /* By ids they are taken for each other, as was asked. */
  tenantdb_archive_options *options = option("match", "id");
  assert_string_equal(import_reporting(other, &all, options), "regions 1/0/0;plans 2/0/0;");
  assert_int_equal(notes_of(other_url, "plan_id = 1 AND id % 5 = 0"), 20);
  tenantdb_archive_options_free(options);
  free(all.data);
  tenantdb_close(other);
  harness_drop_database(other_url);
}

static void test_unresolved(void **state) {
  (void)state;
  const char *other_url;
  tenantdb *other = second(&other_url, "INSERT INTO plans VALUES (1, 'renamed'), (9, 'free')", NULL);
  bytes all = export_of(db, "acme");
  tenantdb_status status = import_as(other, "there", &all, NULL, &error);
  harness_assert_status(status, error, TENANTDB_CONSTRAINT, TENANTDB_REASON_REFERENCE_UNRESOLVED);
  harness_assert_message(error, "1 rows of shared table regions that notes (country, region) refers to");
  assert_string_equal(tenantdb_error_detail(error), "(AT,7)");
  assert_string_equal(tenantdb_error_tenant(error), "there");
  tenantdb_error_free(error);
  error = NULL;
  harness_sql(other_url, "INSERT INTO regions VALUES ('AT', '7')");
  status = import_as(other, "there", &all, NULL, &error);
  harness_assert_status(status, error, TENANTDB_CONSTRAINT, TENANTDB_REASON_REFERENCE_UNRESOLVED);
  harness_assert_message(error, "by their natural key");
  assert_non_null(strstr(tenantdb_error_detail(error), "gold"));
  tenantdb_error_free(error);
  error = NULL;
  assert_int_equal(harness_count(other_url, "SELECT count(*) FROM tenantdb.tenants"), 0);
  tenantdb_archive_options *options = option("references", "null");
  assert_string_equal(import_reporting(other, &all, options), "regions 1/0/0;plans 0/1/1;");
  assert_int_equal(notes_of(other_url, "plan_id = 9 AND id % 5 = 0"), 20);
  assert_int_equal(notes_of(other_url, "plan_id IS NULL"), 80);
  tenantdb_archive_options_free(options);
  free(all.data);
  tenantdb_close(other);
  harness_drop_database(other_url);
}

/* ---------------------------------------------------------------- other registries */

static void test_differs(void **state) {
  (void)state;
  static const struct {
    const char *sql;
    const char *text; /* NULL: it fits */
  } others[] = {
      {"CREATE TABLE things (id integer PRIMARY KEY, body text, n integer)", NULL},
      {"CREATE TABLE things (n integer, body text, id integer PRIMARY KEY)", NULL},
      {"CREATE TABLE things (id integer PRIMARY KEY, body text, n integer, more text DEFAULT 'x')", NULL},
      {"CREATE TABLE things (id integer PRIMARY KEY, body text, n integer, more text)", NULL},
      {"CREATE TABLE things (id integer PRIMARY KEY, body text, n integer, "
       "more bigint GENERATED ALWAYS AS IDENTITY)",
       NULL},
      {"CREATE TABLE things (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text, n integer)",
       NULL},
      {"CREATE TABLE things (id integer PRIMARY KEY, body text, n integer, more text NOT NULL)",
       "table things has no column more"},
      {"CREATE TABLE things (id integer PRIMARY KEY, body text)", "column things.n is not declared"},
      {"CREATE TABLE things (id integer PRIMARY KEY, body text, n bigint)",
       "column things.n is integer and the registry says bigint"},
      {"CREATE TABLE things (id integer PRIMARY KEY, body text, n integer GENERATED ALWAYS AS (id) STORED)",
       "computed in the registry"},
      {"CREATE TABLE other (id integer PRIMARY KEY)", "table other is missing; table things is not declared"},
      {"CREATE TABLE things (id integer PRIMARY KEY, body text, n integer); CREATE TABLE other ()",
       "the archive is not what the registry declares: table other is missing"},
  };
  const char *from_url;
  tenantdb *from =
      with_things(&from_url, "CREATE TABLE things (id integer PRIMARY KEY, body text, n integer)");
  tenantdb_tenant_free(fixture_tenant(from, "there"));
  char *schema = archive_schema(from_url, "there");
  harness_sql(from_url, "INSERT INTO %s.things VALUES (1, 'a', NULL), (7, NULL, 3)", schema);
  bytes all = export_of(from, "there");
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    const char *into_url;
    tenantdb *into = with_things(&into_url, others[i].sql);
    tenantdb_status status = import_as(into, "there", &all, NULL, &error);
    if (others[i].text) {
      fixture_assert_refused(status, error, TENANTDB_STATE, TENANTDB_REASON_TENANT_DIFFERS, others[i].text);
      assert_int_equal(harness_count(into_url, "SELECT count(*) FROM tenantdb.tenants"), 0);
    } else {
      harness_assert_ok(status, error);
      char *copy = archive_schema(into_url, "there");
      char *rows = harness_value(
          into_url, "SELECT string_agg((id, body, n)::text, '' ORDER BY id) FROM %s.things", copy);
      assert_string_equal(rows, "(1,a,)(7,,3)");
      free(rows);
      if (strstr(others[i].sql, "(id integer GENERATED")) {
        harness_sql(into_url, "INSERT INTO %s.things (body) VALUES ('next')", copy);
        assert_int_equal(harness_count(into_url, "SELECT max(id) FROM %s.things", copy), 8);
      }
      free(copy);
    }
    tenantdb_close(into);
    harness_drop_database(into_url);
  }
  free(schema);
  free(all.data);
  tenantdb_close(from);
  harness_drop_database(from_url);
}

/* A table that the registry here does not know is left behind only when that is asked for. */
static void test_extra(void **state) {
  (void)state;
  harness_sql(
      url, "CREATE TABLE %s.own (a integer, plan integer REFERENCES plans); INSERT INTO %s.own VALUES (1, 3)",
      source, source);
  bytes all = export_of(db, "acme");
  tenantdb_archive_options *options = option("extra", "ignore");
  fixture_assert_refused(import_as(db, "less", &all, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_TENANT_DIFFERS, "table own is not declared");
  harness_assert_ok(import_as(db, "less", &all, options, &error), error);
  assert_string_equal(fixture_findings(db, "less"), "");
  tenantdb_archive_options_free(options);
  harness_sql(url, "DROP TABLE %s.own", source);
  free(all.data);
  purge("less");
}

/* Rows that what is declared here refuses. */
static void test_bad_rows(void **state) {
  (void)state;
  const char *from_url, *into_url;
  tenantdb *from = with_things(&from_url, "CREATE TABLE things (id integer, n integer)");
  tenantdb *into =
      with_things(&into_url, "CREATE TABLE things (id integer PRIMARY KEY, n integer CHECK (n > 0))");
  tenantdb_tenant_free(fixture_tenant(from, "there"));
  char *schema = archive_schema(from_url, "there");
  static const char *const rows[] = {"(1, 1), (1, 2)", "(1, 0)", "(NULL, 1)"};
  for (size_t i = 0; i < 3; i++) {
    harness_sql(from_url, "TRUNCATE %s.things; INSERT INTO %s.things VALUES %s", schema, schema, rows[i]);
    bytes all = export_of(from, "there");
    fixture_assert_refused(import_as(into, "there", &all, NULL, &error), error, TENANTDB_CONSTRAINT,
                           TENANTDB_REASON_SERVER_CONSTRAINT, "table things");
    free(all.data);
  }
  assert_int_equal(harness_count(into_url, "SELECT count(*) FROM tenantdb.tenants"), 0);
  free(schema);
  tenantdb_close(from);
  tenantdb_close(into);
  harness_drop_database(from_url);
  harness_drop_database(into_url);
}

/* A row for which there is no partition here: the registry does not declare the one it was in. */
static void test_partitions(void **state) {
  (void)state;
  const char *from_url;
  tenantdb *from = with_things(&from_url,
                               "CREATE TABLE things (id integer) PARTITION BY LIST (id);"
                               "CREATE TABLE things_1 PARTITION OF things FOR VALUES IN (1)");
  tenantdb_tenant_free(fixture_tenant(from, "there"));
  char *schema = archive_schema(from_url, "there");
  harness_sql(from_url,
              "SET search_path = %s; CREATE TABLE things_2 PARTITION OF things FOR VALUES IN (2); INSERT "
              "INTO things VALUES (1)",
              schema);
  harness_assert_ok(tenantdb_tenant_copy(from, "there", from, "one", NULL, NULL, NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_clone(from, "there", "two", NULL, NULL, NULL, &error), error);
  harness_sql(from_url, "INSERT INTO %s.things VALUES (2)", schema);
  for (int i = 0; i < 2; i++) {
    tenantdb_status status = i ? tenantdb_tenant_copy(from, "there", from, "no", NULL, NULL, NULL, &error)
                               : tenantdb_tenant_clone(from, "there", "no", NULL, NULL, NULL, &error);
    harness_assert_status(status, error, TENANTDB_CONSTRAINT, TENANTDB_REASON_SERVER_CONSTRAINT);
    assert_non_null(strstr(tenantdb_error_hint(error), "partition"));
    tenantdb_error_free(error);
    error = NULL;
  }
  free(schema);
  tenantdb_close(from);
  harness_drop_database(from_url);
}

/* ---------------------------------------------------------------- arguments and states */

static int32_t refuse_bytes(void *user, const void *part, size_t length) {
  (void)user;
  (void)part;
  (void)length;
  return 3;
}

static int32_t refuse_to_give(void *user, void *buffer, size_t size, size_t *length) {
  (void)user;
  (void)buffer;
  (void)size;
  *length = 0;
  return 4;
}

static int32_t give_too_much(void *user, void *buffer, size_t size, size_t *length) {
  (void)user;
  (void)buffer;
  *length = size + 1;
  return 0;
}

static void test_functions(void **state) {
  (void)state;
  fixture_assert_refused(tenantdb_tenant_export(db, "acme", NULL, refuse_bytes, NULL, &error), error,
                         TENANTDB_CANCELLED, TENANTDB_REASON_FUNCTION_FAILED, "returned 3");
  fixture_assert_refused(tenantdb_tenant_import(db, "x", NULL, refuse_to_give, NULL, NULL, NULL, &error),
                         error, TENANTDB_CANCELLED, TENANTDB_REASON_FUNCTION_FAILED, "returned 4");
  fixture_assert_refused(tenantdb_tenant_import(db, "x", NULL, give_too_much, NULL, NULL, NULL, &error),
                         error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "there was room for");
}

#define NULL_ARGUMENT(call) \
  harness_assert_fails(call, error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT)

static void test_arguments(void **state) {
  (void)state;
  tenantdb_export *from = (tenantdb_export *)1;
  tenantdb_import *into = (tenantdb_import *)1;
  char buffer[8];
  size_t length;
  NULL_ARGUMENT(tenantdb_export_open(NULL, "acme", NULL, &from, &error));
  assert_null(from);
  NULL_ARGUMENT(tenantdb_export_open(db, NULL, NULL, &from, &error));
  NULL_ARGUMENT(tenantdb_export_open(db, "acme", NULL, NULL, &error));
  NULL_ARGUMENT(tenantdb_export_read(NULL, buffer, 8, &length, &error));
  NULL_ARGUMENT(tenantdb_tenant_export(db, NULL, NULL, collect, NULL, &error));
  NULL_ARGUMENT(tenantdb_tenant_export(db, "acme", NULL, NULL, NULL, &error));
  NULL_ARGUMENT(tenantdb_tenant_export_file(db, "acme", NULL, NULL, &error));
  NULL_ARGUMENT(tenantdb_tenant_export_file(NULL, "acme", "/tmp/x", NULL, &error));
  NULL_ARGUMENT(tenantdb_import_open(NULL, "x", NULL, NULL, &into, &error));
  assert_null(into);
  NULL_ARGUMENT(tenantdb_import_open(db, NULL, NULL, NULL, &into, &error));
  NULL_ARGUMENT(tenantdb_import_open(db, "x", NULL, NULL, NULL, &error));
  NULL_ARGUMENT(tenantdb_import_write(NULL, "x", 1, &error));
  NULL_ARGUMENT(tenantdb_import_finish(NULL, NULL, &error));
  NULL_ARGUMENT(tenantdb_import_references(NULL, NULL, &error));
  NULL_ARGUMENT(tenantdb_tenant_import(db, "x", NULL, NULL, NULL, NULL, NULL, &error));
  NULL_ARGUMENT(tenantdb_tenant_import_file(db, "x", NULL, NULL, NULL, NULL, &error));
  NULL_ARGUMENT(tenantdb_tenant_copy(NULL, "acme", db, "x", NULL, NULL, NULL, &error));
  NULL_ARGUMENT(tenantdb_tenant_copy(db, NULL, db, "x", NULL, NULL, NULL, &error));
  NULL_ARGUMENT(tenantdb_tenant_copy(db, "acme", NULL, "x", NULL, NULL, NULL, &error));
  tenantdb_export_close(NULL);
  tenantdb_import_close(NULL);
  harness_assert_ok(tenantdb_export_open(db, "acme", NULL, &from, &error), error);
  NULL_ARGUMENT(tenantdb_export_read(from, NULL, 8, &length, &error));
  NULL_ARGUMENT(tenantdb_export_read(from, buffer, 8, NULL, &error));
  harness_assert_fails(tenantdb_export_read(from, buffer, 0, &length, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_BAD_ARGUMENT);
  tenantdb_export_close(from);
  harness_assert_ok(tenantdb_import_open(db, "x", NULL, NULL, &into, &error), error);
  NULL_ARGUMENT(tenantdb_import_write(into, NULL, 1, &error));
  harness_assert_ok(tenantdb_import_write(into, NULL, 0, &error), error);
  harness_assert_fails(tenantdb_import_finish(into, NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_BAD_ARCHIVE);
  tenantdb_import_close(into);
  harness_assert_fails(tenantdb_export_open(db, "nobody", NULL, &from, &error), error, TENANTDB_NOT_FOUND,
                       TENANTDB_REASON_UNKNOWN_TENANT);
  harness_assert_ok(tenantdb_tenant_register(db, "waiting", NULL, NULL, &error), error);
  harness_assert_fails(tenantdb_export_open(db, "waiting", NULL, &from, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_TENANT_STATE);
  purge("waiting");
}

/* The slug is taken, or the key was used: by the same request, which gets the same tenant. */
static void test_again(void **state) {
  (void)state;
  bytes all = export_of(db, "acme");
  fixture_assert_refused(import_as(db, "acme", &all, NULL, &error), error, TENANTDB_ALREADY_EXISTS,
                         TENANTDB_REASON_SLUG_TAKEN, "there is a tenant \"acme\" already");
  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
  tenantdb_tenant_spec_set(spec, "idempotency_key", "import-1");
  tenantdb_tenant_spec_set(spec, "name", "Mine");
  char ids[2][40];
  for (int i = 0; i < 2; i++) {
    tenantdb_tenant *tenant = NULL;
    supply from = {&all, 0};
    harness_assert_ok(tenantdb_tenant_import(db, "once", spec, give, &from, NULL, &tenant, &error), error);
    snprintf(ids[i], sizeof ids[i], "%s", tenantdb_tenant_id(tenant));
    assert_string_equal(tenantdb_tenant_name(tenant), "Mine");
    tenantdb_tenant_free(tenant);
  }
  assert_string_equal(ids[0], ids[1]);
  supply from = {&all, 0};
  harness_assert_fails(tenantdb_tenant_import(db, "twice", spec, give, &from, NULL, NULL, &error), error,
                       TENANTDB_CONFLICT, TENANTDB_REASON_IDEMPOTENCY_MISMATCH);
  tenantdb_tenant_spec_free(spec);
  free(all.data);
  purge("once");
}

static void test_suspended(void **state) {
  (void)state;
  bytes all = export_of(db, "acme");
  tenantdb_archive_options *options = option("state", "suspended");
  tenantdb_session *session = NULL;
  harness_assert_ok(import_as(db, "asleep", &all, options, &error), error);
  assert_string_equal(fixture_findings(db, "asleep"), "");
  harness_assert_fails(tenantdb_session_open(db, "asleep", NULL, &session, &error), error,
                       TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE);
  harness_assert_ok(tenantdb_tenant_resume(db, "asleep", NULL, &error), error);
  session = fixture_session(db, "asleep");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "100");
  tenantdb_session_close(session);
  tenantdb_archive_options_free(options);
  free(all.data);
  purge("asleep");
}

/* The database's handle may go first; and then nothing more is to be had. */
static void test_closed(void **state) {
  (void)state;
  tenantdb *other = fixture_open(url, archive_registry(), NULL);
  tenantdb_export *from = NULL;
  tenantdb_import *into = NULL;
  char buffer[64];
  size_t length;
  harness_assert_ok(tenantdb_export_open(other, "acme", NULL, &from, &error), error);
  harness_assert_ok(tenantdb_import_open(other, "late", NULL, NULL, &into, &error), error);
  harness_assert_ok(tenantdb_export_read(from, buffer, sizeof buffer, &length, &error), error);
  harness_assert_ok(tenantdb_import_write(into, buffer, length, &error), error);
  tenantdb_close(other);
  harness_assert_fails(tenantdb_export_read(from, buffer, sizeof buffer, &length, &error), error,
                       TENANTDB_STATE, TENANTDB_REASON_DATABASE_CLOSED);
  harness_assert_fails(tenantdb_import_write(into, buffer, 1, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_DATABASE_CLOSED);
  tenantdb_export_close(from);
  tenantdb_import_close(into);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_mapped),    cmocka_unit_test(test_unresolved), cmocka_unit_test(test_differs),
      cmocka_unit_test(test_extra),     cmocka_unit_test(test_bad_rows),   cmocka_unit_test(test_partitions),
      cmocka_unit_test(test_functions), cmocka_unit_test(test_arguments),  cmocka_unit_test(test_again),
      cmocka_unit_test(test_suspended), cmocka_unit_test(test_closed),
  };
  return cmocka_run_group_tests_name("archive fit", tests, archive_setup, archive_teardown);
}

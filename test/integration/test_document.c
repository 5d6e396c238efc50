/* SPDX-License-Identifier: PostgreSQL */
/* Documents of registries and of living schemas: whole, in a stable order, and readable by who reads JSON. */
#include "base/memory.h"
#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;

static tenantdb_registry *odd_registry(void) {
  tenantdb_registry *registry = fixture_registry();
  tenantdb_base *base = tenantdb_registry_base(registry, "Odd", TENANTDB_BASE_TENANT);
  tenantdb_table *table = tenantdb_base_table(base, "a|b `c`");
  tenantdb_table_column(table, "x\"y", "text", "NOT NULL DEFAULT 'a|b\nc'");
  tenantdb_table_column(table, "plan", "integer", NULL);
  tenantdb_table_primary_key(table, "\"x\"\"y\"");
  tenantdb_table_foreign_key(table, "fk", "plan", "Central.plans", "id", "ON DELETE SET NULL");
  tenantdb_table_comment(table, NULL, "first line\n| second * line");
  tenantdb_table_comment(table, "plan", "which plan");
  tenantdb_base_sql(base,
                    "CREATE TYPE mood AS ENUM ('sad', 'it''s ok');"
                    "CREATE TABLE log (at date NOT NULL, line text COLLATE \"C\") PARTITION BY RANGE (at);"
                    "COMMENT ON COLUMN log.line IS 'it''s a line';"
                    "CREATE VIEW lines AS SELECT line FROM log;"
                    "CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS $$ SELECT 1 $$;"
                    "CREATE TABLE bare ()");
  return registry;
}

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_open(url, odd_registry(), NULL);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  tenantdb_tenant_free(fixture_tenant(db, "bolt"));
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static char *of_registry(const char *format) {
  tenantdb_registry *registry = odd_registry();
  char *text = NULL;
  harness_assert_ok(tenantdb_registry_document(registry, format, &text, &error), error);
  tenantdb_registry_free(registry);
  return text;
}

static char *of_schema(const char *tenant, const char *schema, const char *format) {
  char *text = NULL;
  harness_assert_ok(tenantdb_document(db, tenant, schema, format, &text, &error), error);
  return text;
}

/* What PostgreSQL, which is strict about JSON, reads at a path of the document. */
static void assert_json(const char *text, const char *path, const char *wanted) {
  char *value = harness_value(url, "SELECT $d$%s$d$::jsonb #>> '%s'", text, path);
  if (!value || strcmp(value, wanted) != 0) {
    print_error("%s is %s, not %s\n", path, value ? value : "NULL", wanted);
  }
  assert_true(value && strcmp(value, wanted) == 0);
  free(value);
}

static void assert_holds(const char *text, const char *part) {
  bool found = strstr(text, part) != NULL;
  if (!found) {
    print_error("not found: %s\nin:\n%s\n", part, text);
  }
  assert_true(found);
}

static void test_registry_json(void **state) {
  (void)state;
  char *text = of_registry("json"), *again = of_registry("json");
  assert_string_equal(text, again);
  assert_json(text, "{document}", "1");
  assert_json(text, "{bases,0,name}", "Central");
  assert_json(text, "{bases,0,kind}", "shared");
  assert_json(text, "{bases,0,tables,1,columns,1,type}", "text");
  assert_json(text, "{bases,1,kind}", "tenant");
  assert_json(text, "{bases,1,tables,0,indexes,0,name}", "notes_at");
  assert_json(text, "{bases,1,tables,1,foreign_keys,0,definition}",
              "(note_id) REFERENCES notes (id) ON DELETE CASCADE");
  assert_json(text, "{bases,2,tables,0,name}", "a|b `c`");
  assert_json(text, "{bases,2,tables,0,comment}", "first line\n| second * line");
  assert_json(text, "{bases,2,tables,0,columns,0,name}", "x\"y");
  assert_json(text, "{bases,2,tables,0,columns,1,comment}", "which plan");
  assert_json(text, "{bases,2,tables,0,foreign_keys,0,name}", "fk");
  assert_json(text, "{bases,2,tables,1,kind}", "partitioned table");
  assert_json(text, "{bases,2,tables,1,columns,1,comment}", "it's a line");
  assert_json(text, "{bases,2,tables,2,name}", "bare");
  assert_json(text, "{bases,2,objects,0,name}", "mood");
  assert_json(text, "{bases,2,objects,1,kind}", "view");
  tenantdb_string_free(text);
  tenantdb_string_free(again);
}

static void test_registry_markdown(void **state) {
  (void)state;
  char *text = of_registry("markdown");
  assert_holds(text,
               "# Registry\n\n## Central (shared)\n\n### plans\n\nColumns\n\n| name | type | definition | "
               "comment |\n");
  assert_holds(text, "| `id` | `integer` | `PRIMARY KEY` | |\n");
  assert_holds(text, "\n### a\\|b \\`c\\`\n\nfirst line \\| second \\* line\n");
  assert_holds(text, "| `x\"y` | `text` | `NOT NULL DEFAULT 'a\\|b c'` | |\n");
  assert_holds(text, "| `fk` | `(plan) REFERENCES Central.plans (id) ON DELETE SET NULL` |\n");
  assert_holds(text, "### log (partitioned table)\n");
  assert_holds(text, "### Other objects\n\n| name | kind | definition |\n|---|---|---|\n| `mood` | type | ");
  tenantdb_string_free(text);
}

static void test_schema(void **state) {
  (void)state;
  char *text = of_schema("acme", NULL, "json");
  assert_json(text, "{schemas,0,kind}", "schema");
  assert_json(text, "{schemas,0,tables,0,name}", "a|b `c`");
  assert_json(text, "{schemas,0,tables,0,constraints,0,definition}", "PRIMARY KEY (\"x\"\"y\")");
  assert_json(text, "{schemas,0,tables,0,foreign_keys,0,definition}",
              "FOREIGN KEY (plan) REFERENCES public.plans(id) ON DELETE SET NULL");
  assert_json(text, "{schemas,0,tables,1,name}", "bare");
  assert_json(text, "{schemas,0,tables,1,columns}", "[]");
  assert_json(text, "{schemas,0,tables,3,kind}", "view");
  assert_json(text, "{schemas,0,tables,4,columns,1,definition}", "COLLATE \"C\"");
  assert_json(text, "{schemas,0,tables,4,columns,1,comment}", "it's a line");
  assert_json(text, "{schemas,0,tables,5,indexes,0,name}", "notes_at");
  assert_json(text, "{schemas,0,objects,0,kind}", "enumeration");
  assert_json(text, "{schemas,0,objects,0,definition}", "'sad', 'it''s ok'");
  tenantdb_string_free(text);
  /* Equal schemas have equal documents. */
  char *acme = of_schema("acme", NULL, "markdown"), *bolt = of_schema("bolt", NULL, "markdown");
  char *equal = harness_value(url,
                              "SELECT replace($a$%s$a$, 'acme', 'bolt') ~ '' AND"
                              " regexp_replace($a$%s$a$, 'tenant\\\\?_acme\\\\?_[0-9a-f]*', 'X', 'g') ="
                              " regexp_replace($b$%s$b$, 'tenant\\\\?_bolt\\\\?_[0-9a-f]*', 'X', 'g')",
                              acme, acme, bolt);
  assert_string_equal(equal, "t");
  assert_holds(acme, "| `body` | `text` | `NOT NULL` | |\n");
  free(equal);
  tenantdb_string_free(acme);
  tenantdb_string_free(bolt);
  text = of_schema(NULL, NULL, "json");
  assert_json(text, "{schemas,0,name}", "public");
  assert_json(text, "{schemas,0,tables,0,name}", "plans");
  tenantdb_string_free(text);
  harness_sql(url, "CREATE SCHEMA \"teddy-ai\"");
  text = of_schema(NULL, "teddy-ai", "json");
  assert_json(text, "{schemas,0,name}", "teddy-ai");
  assert_json(text, "{schemas,0,tables}", "[]");
  assert_json(text, "{schemas,0,objects}", "[]");
  tenantdb_string_free(text);
}

static void test_refused(void **state) {
  (void)state;
  char *text = NULL;
  tenantdb_registry *registry = tenantdb_registry_new();
  fixture_assert_refused(tenantdb_registry_document(registry, "html", &text, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "\"html\"");
  fixture_assert_refused(tenantdb_registry_document(registry, NULL, &text, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "format is NULL");
  fixture_assert_refused(tenantdb_registry_document(NULL, "json", &text, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "");
  fixture_assert_refused(tenantdb_registry_document(registry, "json", NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "text is NULL");
  harness_assert_ok(tenantdb_registry_document(registry, "json", &text, &error), error);
  assert_json(text, "{bases}", "[]");
  tenantdb_string_free(text);
  tenantdb_registry_base(registry, "", TENANTDB_BASE_SHARED);
  assert_int_equal(tenantdb_registry_document(registry, "json", &text, NULL), TENANTDB_ARGUMENT);
  tenantdb_registry_free(registry);
  fixture_assert_refused(tenantdb_document(db, "acme", "public", "json", &text, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "both");
  fixture_assert_refused(tenantdb_document(db, "nobody", NULL, "json", &text, &error), error,
                         TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT, "nobody");
  fixture_assert_refused(tenantdb_document(db, NULL, "no such", "json", &text, &error), error,
                         TENANTDB_NOT_FOUND, TENANTDB_REASON_MISSING_SCHEMA_NAME, "\"no such\"");
  fixture_assert_refused(tenantdb_document(db, NULL, NULL, "JSON", &text, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "\"JSON\"");
  fixture_assert_refused(tenantdb_document(NULL, NULL, NULL, "json", &text, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  assert_null(text);
}

/* Each allocation of the pure part fails in turn. */
static void test_allocations(void **state) {
  (void)state;
  tenantdb_registry *registry = odd_registry();
  uint64_t hit = 1;
  for (uint64_t at = 1; hit >= at; at++) {
    char *text = NULL;
    int64_t before = tndb_memory_live();
    (void)tndb_memory_fail(at, false);
    tenantdb_status status =
        tenantdb_registry_document(registry, at % 2 ? "json" : "markdown", &text, &error);
    hit = tndb_memory_fail(0, false);
    assert_true(status == (hit >= at ? TENANTDB_MEMORY : TENANTDB_OK));
    assert_true(status ? !text : text != NULL);
    tenantdb_string_free(text);
    tenantdb_error_free(error);
    error = NULL;
    assert_int_equal(tndb_memory_live(), before);
  }
  tenantdb_registry_free(registry);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_registry_json), cmocka_unit_test(test_registry_markdown),
      cmocka_unit_test(test_schema),        cmocka_unit_test(test_refused),
      cmocka_unit_test(test_allocations),
  };
  return cmocka_run_group_tests_name("document", tests, setup, teardown);
}

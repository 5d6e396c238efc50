/* SPDX-License-Identifier: PostgreSQL */
/*
 * Folders as other tools have them (test/migrations) run as they are: tenants of the first
 * version come to the newest one, where one who is made now is too, and back as far as there is a way.
 */
#include <stdio.h>
#include <unistd.h>

#include "run_fixture.h"

#include "fixture_database.h"

typedef struct tool {
  const char *name;
  const char *first; /* the file that tenants have to begin with */
  int64_t versions;  /* of files that are versioned */
  int64_t rows;      /* of the ledger for who begins at the first: a baseline, and everything later */
  int64_t newest;
  const char *check; /* counts what must be there, per tenant: 1 */
  int64_t back_to;   /* 0: nobody goes back */
  const char *gone;  /* what must be then: 1 */
} tool;

static const tool tools[] = {
    {"goose", "20240108091500_create_customers.sql", 9, 9, INT64_C(20240311070000),
     "SELECT count(*) FROM products p WHERE p.state = 'archived' AND p.sku = 'cup-01' AND (SELECT "
     "order_total(1)) "
     "= 0 AND (SELECT count(*) FROM order_totals) = 0",
     0, NULL},
    {"flyway", "V1__customers.sql", 7, 8, 7,
     "SELECT count(*) FROM audit_log WHERE was->>'state' = 'draft' AND became->>'state' = 'archived' AND "
     "(SELECT count(*) FROM order_totals) = 0",
     0, NULL},
    {"golang-migrate", "000001_create_authors.up.sql", 6, 6, 6,
     "SELECT count(*) FROM (SELECT publish(1) AS is) p WHERE NOT p.is AND (SELECT count(*) FROM comments) = "
     "0",
     1,
     "SELECT count(*) FROM pg_type WHERE typnamespace = current_schema::regnamespace AND typname = "
     "'authors'"},
    {"dbmate", "20230301120000_create_accounts.sql", 9, 9, INT64_C(20230612083000),
     "SELECT count(*) FROM articles WHERE slug = 'hello-world-o-hara' AND seen_by = 'friends' AND words = 4",
     INT64_C(20230501110000),
     "SELECT count(*) FROM articles WHERE slug = 'hello-world-editor' AND seen_by = 'hidden'"},
};

/* The tree's folder of that tool's files, beside the script that makes servers. free() it. */
static char *folder_of(const tool *whose) {
  const char *script = getenv("TENANTDB_TEST_SERVER");
  assert_non_null(script);
  char *path = malloc(strlen(script) + 100);
  assert_non_null(path);
  strcpy(path, script);
  for (int i = 0; i < 2; i++) {
    char *slash = strrchr(path, '/');
    assert_non_null(slash);
    *slash = '\0';
  }
  strcat(path, "/migrations/");
  strcat(path, whose->name);
  return path;
}

static tenantdb_migrations *whole_set(const tool *whose) {
  char *folder = folder_of(whose);
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_result *rows = NULL;
  harness_assert_ok(tenantdb_migrations_load_stream(set, "tenant", folder, &error), error);
  harness_assert_ok(tenantdb_migrations_list(set, &rows, &error), error);
  int64_t versions = 0;
  for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
    versions += strcmp(tenantdb_result_value(rows, i, 1), "versioned") == 0;
  }
  assert_int_equal(versions, whose->versions);
  tenantdb_result_free(rows);
  free(folder);
  return set;
}

/* Only the first file: copied, since a folder is read as a whole. */
static tenantdb_migrations *first_set(const tool *whose) {
  char *folder = folder_of(whose), place[] = "/tmp/tenantdb-first-XXXXXX", from[1000], to[200];
  static char text[20000];
  assert_non_null(mkdtemp(place));
  assert_true(snprintf(from, sizeof from, "%s/%s", folder, whose->first) < (int)sizeof from);
  assert_true(snprintf(to, sizeof to, "%s/%s", place, whose->first) < (int)sizeof to);
  FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
  assert_true(in && out);
  size_t length = fread(text, 1, sizeof text, in);
  assert_int_equal(fwrite(text, 1, length, out), length);
  fclose(in);
  fclose(out);
  tenantdb_migrations *set = tenantdb_migrations_new();
  harness_assert_ok(tenantdb_migrations_load_stream(set, "tenant", place, &error), error);
  assert_int_equal(unlink(to), 0);
  assert_int_equal(rmdir(place), 0);
  free(folder);
  return set;
}

/* Plain names outside of a transaction need a connection that no pooler stands before. */
#define direct FIXTURE_OPTIONS("database.url", url)

static void make_fleet(const tool *whose) {
  static const char *const slugs[] = {"anna", "o-hara", "zoe"};
  tenantdb *db = run_open(url, first_set(whose), direct);
  for (size_t i = 0; i < 3; i++) {
    tenantdb_tenant_free(fixture_tenant(db, slugs[i]));
  }
  tenantdb_close(db);
}

static void migrate(tenantdb *db, const char *const *pairs) {
  tenantdb_run *run = NULL;
  tenantdb_run_options *options = run_options(pairs);
  tenantdb_status status = tenantdb_migrate(db, options, &run, &error);
  if (status && run) {
    tenantdb_result *rows = NULL;
    harness_assert_ok(tenantdb_run_members(run, "failed", NULL, 1, &rows, NULL), NULL);
    for (int32_t i = 0; tenantdb_result_rows(rows) && i < tenantdb_result_columns(rows); i++) {
      const char *value = tenantdb_result_value(rows, 0, i);
      print_error("%s: %s\n", tenantdb_result_name(rows, i), value ? value : "");
    }
    tenantdb_result_free(rows);
  }
  harness_assert_ok(status, error);
  tenantdb_run_options_free(options);
  tenantdb_run_free(run);
}

/* In the schema of everybody who is of a version, the query gives 1. */
static void check_each(int64_t version, int64_t tenants, const char *query) {
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE version = %lld", (long long)version),
      tenants);
  for (int64_t i = 0; i < tenants; i++) {
    char *schema = harness_value(
        url,
        "SELECT schema_name FROM tenantdb.tenants WHERE version = %lld ORDER BY slug OFFSET %lld LIMIT 1",
        (long long)version, (long long)i);
    int64_t found = harness_count(url, "SET search_path = \"%s\"; %s", schema, query);
    if (found != 1) {
      fail_msg("%s: %lld: %s", schema, (long long)found, query);
    }
    free(schema);
  }
}

static int64_t forms(void) {
  return harness_count(
      url,
      "SELECT count(DISTINCT form) FROM (SELECT t.id, string_agg(concat_ws(' ', c.relname, c.relkind, "
      "a.attname, format_type(a.atttypid, a.atttypmod) ~ 'char', a.attnotnull, a.atthasdef, "
      "i.indisvalid), ',' ORDER BY c.relname, a.attnum) AS form FROM tenantdb.tenants t JOIN pg_class c ON "
      "c.relnamespace = quote_ident(t.schema_name)::regnamespace LEFT JOIN pg_attribute a ON a.attrelid = "
      "c.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_index i ON i.indexrelid = c.oid GROUP BY "
      "t.id) s");
}

static void run_tool(const tool *whose) {
  make_fleet(whose);
  tenantdb *db = run_open(url, whole_set(whose), direct);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE version = %lld",
                                 (long long)whose->newest),
                   0);
  migrate(db, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "new")); /* at the newest version from the first moment */
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.migrations WHERE state <> 'done'"), 0);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.migrations m JOIN tenantdb.tenants t ON t.id = "
                    "m.tenant_id WHERE t.slug = 'anna'"),
      whose->rows);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
  check_each(whose->newest, 4, whose->check);
  assert_int_equal(forms(), 1);

  if (whose->back_to) {
    char version[30];
    snprintf(version, sizeof version, "%lld", (long long)whose->back_to);
    migrate(db, FIXTURE_OPTIONS("tenants", "anna,o-hara,zoe", "down", "on", "allow_fleet_down", "on",
                                "stream", "tenant", "to", version));
    check_each(whose->back_to, 3, whose->gone);
    migrate(db, NULL);
    check_each(whose->newest, 4, whose->check);
    assert_int_equal(forms(), 1);
  }
  tenantdb_close(db);
}

static void test_goose(void **state) {
  (void)state;
  run_tool(&tools[0]);
}

static void test_flyway(void **state) {
  (void)state;
  run_tool(&tools[1]);
}

static void test_golang_migrate(void **state) {
  (void)state;
  run_tool(&tools[2]);
}

static void test_dbmate(void **state) {
  (void)state;
  run_tool(&tools[3]);
}

/* Lint has something to say of none of these files that would stop them. */
static void test_lint(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++) {
    tenantdb_migrations *set = whole_set(&tools[i]);
    tenantdb_result *rows = NULL;
    harness_assert_ok(tenantdb_migrations_lint(set, NULL, &rows, &error), error);
    for (int32_t k = 0; k < tenantdb_result_rows(rows); k++) {
      const char *rule = tenantdb_result_value(rows, k, 1);
      if (strcmp(tenantdb_result_value(rows, k, 0), "error") == 0 || strstr(rule, "schema") ||
          strstr(rule, "object") || strcmp(rule, "function-path") == 0 ||
          strcmp(rule, "unnamed-constraint") == 0) {
        fail_msg("%s line %s: %s: %s", tenantdb_result_value(rows, k, 3), tenantdb_result_value(rows, k, 4),
                 rule, tenantdb_result_value(rows, k, 5));
      }
    }
    tenantdb_result_free(rows);
    tenantdb_migrations_free(set);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_goose, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_flyway, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_golang_migrate, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_dbmate, fixture_setup, fixture_teardown),
      cmocka_unit_test(test_lint),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/* No false alarm: fleets made in every way there is, under every name that a schema may have. */
#include "drifted.h"

#include "fixture_database.h"

static void expect_clean(tenantdb *db, int32_t tenants) {
  int32_t equal, other;
  assert_string_equal(drifted_find(db, NULL), "");
  drifted_count(db, &equal, &other);
  assert_int_equal(other, 0);
  assert_int_equal(equal, tenants);
}

/* Created; registered and activated; suspended, archived. */
static void test_ways(void **state) {
  (void)state;
  tenantdb *db = drifted_open(url, NULL);
  for (int i = 0; i < 6; i++) {
    char slug[32];
    snprintf(slug, sizeof slug, "way-%d", i);
    if (i % 2) {
      harness_assert_ok(tenantdb_tenant_register(db, slug, NULL, NULL, &error), error);
      harness_assert_ok(tenantdb_tenant_activate(db, slug, NULL, &error), error);
    } else {
      tenantdb_tenant_free(fixture_tenant(db, slug));
    }
  }
  expect_clean(db, 6);
  harness_assert_ok(tenantdb_tenant_register(db, "unborn", NULL, NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_suspend(db, "way-1", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_archive(db, "way-2", NULL, &error), error);
  expect_clean(db, 6);
  /* What somebody does with his tables is no drift. */
  tenantdb_session *session = fixture_session(db, "way-0");
  fixture_run(session, "INSERT INTO people (first, last, email) VALUES ('Ada', 'L', 'a@b')");
  fixture_run(session, "SELECT nextval('tickets')");
  tenantdb_session_close(session);
  char *schema = harness_value(url, "SELECT schema_name FROM tenantdb.tenants WHERE slug = 'way-0'");
  harness_sql(url, "REFRESH MATERIALIZED VIEW %s.totals; ANALYZE", schema);
  free(schema);
  expect_clean(db, 6);
  harness_assert_ok(tenantdb_tenant_rename(db, "way-3", "way-else", NULL, &error), error);
  expect_clean(db, 6);
  tenantdb_close(db);
}

/* Schemas that are called like a table, a view's alias, what stands in literals and comments, or oddly. */
static void test_names(void **state) {
  (void)state;
  static const char *const slugs[] = {"app",    "people", "happy", "teams", "pub",
                                      "totals", "built",  "old",   "id",    "scratch"};
  const char *own = harness_database();
  tenantdb *db = drifted_open(own, FIXTURE_OPTIONS("tenant.schema_template", "{slug}"));
  for (size_t i = 0; i < sizeof slugs / sizeof slugs[0]; i++) {
    tenantdb_tenant_free(fixture_tenant(db, slugs[i]));
  }
  expect_clean(db, (int32_t)(sizeof slugs / sizeof slugs[0]));
  /* Names that no template makes, but that an adopted schema may have. */
  static const char *const names[] = {"o'clock", "two words",   "Quo\"ted", "back\\slash",
                                      "dot.ted", "d\303\266s$", "a,b"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    harness_sql(own,
                "DO $do$ BEGIN EXECUTE format('ALTER SCHEMA %%I RENAME TO %%I', '%s', $n$%s$n$);"
                " UPDATE tenantdb.tenants SET schema_name = $n$%s$n$ WHERE slug = '%s'; END $do$",
                slugs[i], names[i], names[i], slugs[i]);
    harness_sql(
        own,
        "DO $do$ BEGIN EXECUTE format('ALTER PROCEDURE %%1$I.calm SET search_path TO %%1$I, pg_temp', "
        "$n$%s$n$); END $do$",
        names[i]);
  }
  expect_clean(db, (int32_t)(sizeof slugs / sizeof slugs[0]));
  tenantdb_close(db);
  harness_drop_database(own);
}

/* Made without roles; then the roles are given; then looked at by who knows of none. */
static void test_levels(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb *db = drifted_open(own, FIXTURE_OPTIONS("isolation.level", "routing"));
  tenantdb_tenant_free(fixture_tenant(db, "early"));
  tenantdb_tenant_free(fixture_tenant(db, "bird"));
  expect_clean(db, 2);
  tenantdb_close(db);
  db = drifted_open(own, NULL);
  assert_non_null(
      strstr(drifted_find(db, NULL),
             "missing | error | role {role} | as it should be | - | 2 | [\"bird\",\"early\"] | 0\n"));
  harness_assert_ok(tenantdb_reconcile(db, NULL, &error), error);
  tenantdb_tenant_free(fixture_tenant(db, "late"));
  expect_clean(db, 3);
  tenantdb_close(db);
  db = drifted_open(own, FIXTURE_OPTIONS("isolation.level", "routing"));
  expect_clean(db, 3);
  tenantdb_close(db);
  harness_drop_database(own);
}

static void test_snapshot(void **state) {
  (void)state;
  tenantdb *db = drifted_open(url, NULL);
  tenantdb_result *a = NULL, *b = NULL;
  harness_assert_ok(tenantdb_snapshot(db, "way-0", NULL, &a, &error), error);
  char *text = strdup(drifted_text(a));
  harness_assert_ok(tenantdb_snapshot(db, "way-4", NULL, &b, &error), error);
  assert_string_equal(text, drifted_text(b));
  static const char *const rows[] = {
      "access | schema | as the state wants | -\n",
      "column | people.feeling | mood not null default 'happy'::mood | people\n",
      "column | people.id | integer not null default nextval('people_id_seq'::regclass) | people\n",
      "column | teams.Odd Name | character varying(20) collate \"C\" | teams\n",
      "column | teams.id | bigint not null identity always | teams\n",
      "column | people.full_name | text generated ((first || ' '::text) || last) | people\n",
      "comment | table people | who's who in \"app\".people, app.people | people\n",
      "constraint | people.people_plan_fkey | FOREIGN KEY (plan) REFERENCES {shared}.plans(id) | people\n",
      "index | people_active | CREATE INDEX people_active ON people USING btree (last DESC NULLS LAST, "
      "first) WHERE active | people\n",
      "grant | table people to {role} | DELETE, INSERT, SELECT, UPDATE | people\n",
      "row security | teams | enabled | teams\n",
      "schema | schema | owner {owner} | -\n",
      "sequence | tickets | bigint start 1000 increment 5 min 1 max 9223372036854775807 cache 1 | -\n",
      "table | log_old | table partition of log FOR VALUES FROM ('2000-01-01') TO ('2020-01-01') | -\n",
      "table | scratch | table unlogged | -\n",
      "type | mood | enum 'sad', 'it''s ok', 'happy' | -\n",
      "type | percent | domain over integer default 0 constraint percent_check CHECK (VALUE >= 0 AND VALUE "
      "<= 100) | -\n",
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (!strstr(text, rows[i])) {
      print_error("not there: %s\n%s", rows[i], text);
      fail();
    }
  }
  tenantdb_result_free(a);
  tenantdb_result_free(b);
  harness_assert_ok(tenantdb_snapshot(db, NULL, NULL, &a, &error), error);
  assert_non_null(strstr(drifted_text(a), "constraint | plans.plans_name_key | UNIQUE (name) | plans\n"));
  tenantdb_result_free(a);
  harness_assert_ok(tenantdb_snapshot(db, NULL, "tenantdb", &a, &error), error);
  assert_non_null(strstr(drifted_text(a), "table | tenants | table | -\n"));
  tenantdb_result_free(a);
  fixture_assert_refused(tenantdb_snapshot(db, NULL, "nowhere", &a, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_MISSING_SCHEMA_NAME, "there is no schema \"nowhere\"");
  fixture_assert_refused(tenantdb_snapshot(db, "nobody", NULL, &a, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TENANT, "nobody");
  fixture_assert_refused(tenantdb_snapshot(db, "way-0", "public", &a, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "a tenant and a schema");
  assert_null(a);
  free(text);
  tenantdb_close(db);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ways),
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_levels),
      cmocka_unit_test(test_snapshot),
  };
  return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}

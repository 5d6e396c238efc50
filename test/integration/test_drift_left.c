/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a repair does not do: each is found, stands in the plan as a row that says
 * why, and does not keep what else is wrong with the same tenant from being mended.
 */
#include "drifted.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;

/* What is done to a tenant's schema, @, and the row of the plan that is about it. */
static const struct left {
  const char *name, *damage, *row;
} lefts[] = {
    {"label added", "ALTER TYPE @.mood ADD VALUE 'numb'",
     "left: type mood: by hand: labels of an enum can be neither dropped nor moved"},
    {"label added between", "ALTER TYPE @.mood ADD VALUE 'numb' BEFORE 'happy'",
     "left: type mood: by hand: labels of an enum can be neither dropped nor moved"},
    {"labels in another order",
     "UPDATE pg_enum SET enumsortorder = 9 WHERE enumlabel = 'sad' AND enumtypid = '@.mood'::regtype",
     "left: type mood: by hand: labels of an enum can be neither dropped nor moved"},
    {"domain of another type",
     "ALTER TABLE @.people DROP COLUMN share; DROP DOMAIN @.percent; CREATE DOMAIN @.percent AS bigint "
     "DEFAULT 0 "
     "CHECK (VALUE BETWEEN 0 AND 100); ALTER TABLE @.people ADD COLUMN share @.percent",
     "left: type percent: by hand: the type that a domain stands on cannot be changed"},
    {"composite changed", "ALTER TYPE @.pair ADD ATTRIBUTE c date",
     "left: type pair: by hand: such a type cannot be changed in place"},
    {"composite lacks something", "ALTER TYPE @.pair DROP ATTRIBUTE b",
     "left: type pair: by hand: such a type cannot be changed in place"},
    {"range of another type", "DROP TYPE @.span; CREATE TYPE @.span AS RANGE (subtype = bigint)",
     "left: type span: by hand: such a type cannot be changed in place"},
    {"range in another order",
     "DROP TYPE @.words; CREATE TYPE @.words AS RANGE (subtype = text, subtype_opclass = text_pattern_ops)",
     "left: type words: by hand: such a type cannot be changed in place"},
    {"type of another kind", "DROP TYPE @.pair; CREATE TYPE @.pair AS ENUM ('a', 'b')",
     "left: type pair: by hand: such a type cannot be changed in place"},
    {"partitioned no more",
     "DROP TABLE @.log; CREATE TABLE @.log (at date NOT NULL, line text); CREATE TABLE @.log_old (at date "
     "NOT NULL, "
     "line text)",
     "left: table log: by hand: a table that is there cannot be partitioned in place"},
    {"partitioned", "DROP TABLE @.plain; CREATE TABLE @.plain (at date, line text) PARTITION BY LIST (line)",
     "left: table plain: by hand: a partitioned table cannot be made a plain one in place"},
    {"partitioned otherwise",
     "DROP TABLE @.log; CREATE TABLE @.log (at date NOT NULL, line text) PARTITION BY LIST (at)",
     "left: table log: by hand: what a table is partitioned by cannot be changed"},
    {"partition detached", "ALTER TABLE @.log DETACH PARTITION @.log_old",
     "left: table log_old: by hand: it is no partition any more; ALTER TABLE ... ATTACH PARTITION"},
    {"made a partition",
     "CREATE TABLE @.more (at date, line text) PARTITION BY LIST (line); ALTER TABLE @.more ATTACH PARTITION "
     "@.plain DEFAULT",
     "left: table plain: by hand: it was made a partition"},
    {"other bounds",
     "ALTER TABLE @.log DETACH PARTITION @.log_old; ALTER TABLE @.log ATTACH PARTITION @.log_old FOR VALUES "
     "FROM "
     "('2000-01-01') TO ('2021-01-01')",
     "left: table log_old: by hand: it is a partition of another table or with other bounds"},
    {"partition of something undeclared, which is dropped with all in it",
     "CREATE TABLE @.\"Mo re\" (at date, line text) PARTITION BY LIST (line); ALTER TABLE @.\"Mo re\" ATTACH "
     "PARTITION @.plain DEFAULT; INSERT INTO @.plain VALUES ('2000-01-01', 'kept')",
     "left: table Mo re: by hand: a declared table is a partition of it"},
    {"inherits from something undeclared",
     "CREATE TABLE @.more (at date); ALTER TABLE @.plain INHERIT @.more",
     "left: table more: by hand: a declared table is a partition of it"},
    {"inherits", "ALTER TABLE @.plain INHERIT @.heir",
     "left: table plain: by hand: it inherits; ALTER TABLE ... NO INHERIT"},
};
enum { N_LEFTS = sizeof lefts / sizeof lefts[0] };

static void slug_of(char slug[16], int tenant) {
  snprintf(slug, 16, "left-%02d", tenant);
}

static void damage(int tenant, const char *pattern) {
  char slug[16], sql[2000];
  size_t length = 0;
  slug_of(slug, tenant);
  char *schema = harness_value(
      url, "SELECT quote_ident(schema_name) FROM tenantdb.tenants WHERE slug = '%s' AND state <> 'deleted'",
      slug);
  for (; *pattern && length + 100 < sizeof sql; pattern++) {
    length += (size_t)snprintf(sql + length, sizeof sql - length, *pattern == '@' ? "%s" : "%.1s",
                               *pattern == '@' ? schema : pattern);
  }
  harness_sql(url, "SET allow_system_table_mods = on; %s", sql);
  free(schema);
}

static int setup(void **state) {
  (void)state;
  url = harness_database();
  tenantdb_registry *registry = drifted_registry();
  tenantdb_base_sql(
      tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT),
      "CREATE TYPE words AS RANGE (subtype = text); CREATE TABLE heir (at date); CREATE TABLE plain "
      "(at date, line text)");
  db = fixture_open(url, registry, NULL);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  for (int i = 0; i < N_LEFTS; i++) {
    char slug[16];
    slug_of(slug, i);
    tenantdb_tenant_free(fixture_tenant(db, slug));
    damage(i, lefts[i].damage);
  }
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

/* Whether the tenant has a row that says so, with no statement; prints all he has when not. */
static bool says(const char *text, int tenant) {
  char slug[20];
  slug_of(slug, tenant);
  strcat(slug, " | ");
  for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line != 0) {
    const char *row = strstr(line, "- | - | - | left: ");
    if (strncmp(line, slug, strlen(slug)) == 0 && row && row < strchr(line, '\n') &&
        strncmp(row + strlen("- | - | - | "), lefts[tenant].row, strlen(lefts[tenant].row)) == 0) {
      return true;
    }
  }
  print_error("%s: nothing says so\n", lefts[tenant].name);
  for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line != 0) {
    if (strncmp(line, slug, strlen(slug)) == 0) {
      print_error("  %.*s\n", (int)strcspn(line, "\n"), line);
    }
  }
  return false;
}

static void check_rows(const char *text) {
  int silent = 0;
  for (int i = 0; i < N_LEFTS; i++) {
    silent += !says(text, i);
  }
  assert_int_equal(silent, 0);
}

static void test_planned(void **state) {
  (void)state;
  check_rows(drifted_repair(db, 0, NULL));
}

/* With something beside it that can be mended: that is, and the row is there still. */
static void test_applied(void **state) {
  (void)state;
  for (int i = 0; i < N_LEFTS; i++) {
    damage(i, "DROP INDEX @.people_lower");
  }
  const char *text = drifted_repair(db, 1, FIXTURE_OPTIONS("drop", "on"));
  if (strstr(text, "failed")) {
    fail_msg("%s", strstr(text, "failed"));
  }
  check_rows(text);
  text = drifted_find(db, NULL);
  assert_null(strstr(text, "people_lower"));
  int32_t equal, other;
  drifted_count(db, &equal, &other);
  assert_int_equal(other, N_LEFTS); /* it is drift as before */
  check_rows(drifted_repair(db, 0, FIXTURE_OPTIONS("drop", "on")));
}

/* A schema that is lost is a row of the plan and of what was done, and holds up nobody. */
static void test_lost(void **state) {
  (void)state;
  tenantdb_tenant *lost = fixture_tenant(db, "lost");
  harness_sql(url, "DROP SCHEMA %s CASCADE", tenantdb_tenant_schema(lost));
  tenantdb_tenant_free(lost);
  damage(0, "DROP INDEX @.people_lower");
  for (int32_t apply = 0; apply < 2; apply++) {
    const char *text = drifted_repair(db, apply, FIXTURE_OPTIONS("tenants", "lost,left-00"));
    assert_non_null(strstr(text,
                           "lost | 1 | - | - | - | left: the tenant's schema is gone: restore it from a "
                           "backup, or purge the tenant\n"));
    assert_non_null(strstr(text, apply ? "CREATE INDEX people_lower" : "people_lower"));
  }
  assert_null(strstr(drifted_find(db, NULL), "people_lower"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_planned),
      cmocka_unit_test(test_applied),
      cmocka_unit_test(test_lost),
  };
  return cmocka_run_group_tests_name("drift left", tests, setup, teardown);
}

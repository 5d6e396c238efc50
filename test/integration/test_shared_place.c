/* SPDX-License-Identifier: PostgreSQL */
/*
 * The shared tables are in one schema and the configuration names another: who
 * bootstraps is told, whatever led there, and nobody is told who has them where
 * he says.
 */
#include "base/memory.h"
#include "relocate_fixture.h"

static tenantdb_error *error;

static tenantdb_status bootstrap_in(const char *url, tenantdb_registry *registry, const char *schema) {
  tenantdb *db = fixture_open(url, registry, FIXTURE_OPTIONS("database.schema", schema));
  tenantdb_status status = tenantdb_bootstrap(db, &error);
  tenantdb_close(db);
  return status;
}

#define ASSERT_ELSEWHERE(url, schema, text)                                                         \
  fixture_assert_refused(bootstrap_in((url), relocate_registry(), (schema)), error, TENANTDB_STATE, \
                         TENANTDB_REASON_SHARED_TABLES_ELSEWHERE, (text))
#define ASSERT_THERE(url, schema) harness_assert_ok(bootstrap_in((url), relocate_registry(), (schema)), error)

static int64_t schemas(const char *url) {
  return harness_count(url, "SELECT count(*) FROM pg_namespace");
}

/* The classic: DATABASE_SCHEMA was set, and nobody moved anything. */
static void test_renamed(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  tenantdb_close(db);
  int64_t before = schemas(url);
  ASSERT_ELSEWHERE(
      url, RELOCATE_NEW,
      "the shared table \"Odd Name\" and 2 more are in schema \"public\", and option database.schema "
      "says \"teddy-ai\": set it to \"public\", or move what is there by tenantdb_relocate() with "
      "from = public and to = teddy-ai; another installation in the same database needs a "
      "catalog.schema of its own");
  assert_int_equal(schemas(url), before); /* not even the schema was made */
  harness_sql(url, "CREATE SCHEMA \"teddy-ai\"");
  ASSERT_ELSEWHERE(url, RELOCATE_NEW, "in schema \"public\"");
  ASSERT_THERE(url, "public");
  /* A thing of another kind with the name of a table is none. */
  harness_sql(url, "CREATE SEQUENCE \"teddy-ai\".users");
  ASSERT_ELSEWHERE(url, RELOCATE_NEW, "and 2 more are in schema \"public\"");
  harness_drop_database(url);
}

/* Who may not make schemas is told the same, and not to get himself the right. */
static void test_unprivileged(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  tenantdb_close(db);
  const char *user = harness_role("LOGIN");
  harness_sql(url,
              "GRANT USAGE ON SCHEMA tenantdb TO %s; GRANT ALL ON ALL TABLES IN SCHEMA tenantdb TO %s; DO $$ "
              "BEGIN EXECUTE 'GRANT ' || group_role || ' TO %s' FROM tenantdb.catalog; END $$",
              user, user, user);
  char *as = harness_url_with(url, NULL, user, NULL);
  ASSERT_ELSEWHERE(as, RELOCATE_NEW, "in schema \"public\"");
  free(as);
  harness_drop_database(url);
}

static void test_relocated(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  relocate_do(db, RELOCATE_AT_ONCE);
  ASSERT_ELSEWHERE(url, "public",
                   "and 2 more are in schema \"teddy-ai\", and option database.schema says \"public\"");
  ASSERT_THERE(url, RELOCATE_NEW);
  relocate_do(db, FIXTURE_OPTIONS("from", RELOCATE_NEW, "to", "public"));
  ASSERT_THERE(url, "public");
  ASSERT_ELSEWHERE(url, RELOCATE_NEW, "in schema \"public\"");
  /* Behind views both are right, until one is not there any more. */
  relocate_do(db, RELOCATE_BY_VIEWS);
  ASSERT_THERE(url, "public");
  ASSERT_THERE(url, RELOCATE_NEW);
  relocate_finish(db, FIXTURE_OPTIONS("force", "on"));
  ASSERT_THERE(url, RELOCATE_NEW);
  ASSERT_ELSEWHERE(url, "public", "in schema \"teddy-ai\"");
  tenantdb_close(db);
  harness_drop_database(url);
}

/* A table that cannot be had for a moment stops a relocation by views half way: both are right then, too. */
static void test_half_way(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  tenantdb_session *session = NULL;
  harness_assert_ok(tenantdb_session_open_shared(db, NULL, &session, &error), error);
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "LOCK TABLE users IN ROW EXCLUSIVE MODE");
  fixture_assert_error(relocate_refused(db,
                                        FIXTURE_OPTIONS("from", "public", "to", RELOCATE_NEW, "way", "views",
                                                        "lock_timeout", "50ms", "patience", "300ms"),
                                        NULL),
                       TENANTDB_BUSY, TENANTDB_REASON_LOCK_TIMEOUT, "users");
  tenantdb_session_close(session);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.relocations WHERE state = 'moving'"), 1);
  ASSERT_THERE(url, "public");
  ASSERT_THERE(url, RELOCATE_NEW);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Some tables moved and some did not: no schema is right, and that is said. */
static void test_some(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  relocate_do(db, FIXTURE_OPTIONS("to", "we\"ird", "tables", "Odd Name"));
  ASSERT_ELSEWHERE(url, "public", "the shared table \"Odd Name\" is in schema \"we\"ird\"");
  ASSERT_ELSEWHERE(url, "we\"ird", "the shared table \"conversations\" and 1 more are in schema \"public\"");
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Two applications, each with its own catalog; and two with one, whose bases have nothing to do with each other. */
static void test_others(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  tenantdb_close(db);
  db = fixture_open(url, relocate_registry(),
                    FIXTURE_OPTIONS("database.schema", RELOCATE_NEW, "catalog.schema", "teddy catalog"));
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_close(db);
  ASSERT_THERE(url, "public");
  harness_assert_ok(bootstrap_in(url, NULL, "fixture"), error);
  harness_assert_ok(bootstrap_in(url, NULL, "fixture"), error);
  ASSERT_THERE(url, "public");
  harness_drop_database(url);
}

/* What was dropped on purpose is no reason, whatever has its name elsewhere; that everything is gone is one. */
static void test_dropped(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant *tenant = fixture_tenant(db, "acme");
  harness_sql(url,
              "DROP TABLE plans; CREATE SCHEMA shop; CREATE TABLE shop.plans (of text); CREATE TABLE "
              "\"%s\".plans (id integer, name text)",
              tenantdb_tenant_schema(tenant));
  tenantdb_tenant_free(tenant);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  harness_sql(url, "DROP TABLE secrets");
  fixture_assert_refused(
      tenantdb_bootstrap(db, &error), error, TENANTDB_STATE, TENANTDB_REASON_SHARED_TABLES_ELSEWHERE,
      "the shared table \"plans\" and all others that were made in this database are in no "
      "schema any more: restore them into schema \"public\"; or have them made anew, without a "
      "row, after DELETE FROM \"tenantdb\".shared_objects");
  harness_sql(url, "DELETE FROM \"tenantdb\".shared_objects");
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), 2);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* A statement that says {schema} has another fingerprint in each; a copy in a third schema deceives nobody. */
static void test_marked(void **state) {
  (void)state;
  const char *url = harness_database();
  for (int i = 0; i < 2; i++) {
    tenantdb_registry *registry = tenantdb_registry_new();
    tenantdb_base_sql(tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED),
                      "CREATE FUNCTION next() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'; CREATE "
                      "TABLE a (id bigint DEFAULT {schema}.next()); "
                      "CREATE TABLE b (id bigint DEFAULT {schema}.next(), c text)");
    if (i == 0) {
      harness_assert_ok(bootstrap_in(url, registry, "first"), error);
      harness_sql(url, "CREATE SCHEMA backup; CREATE TABLE backup.b AS SELECT * FROM first.b");
    } else {
      fixture_assert_refused(bootstrap_in(url, registry, "second"), error, TENANTDB_STATE,
                             TENANTDB_REASON_SHARED_TABLES_ELSEWHERE,
                             "the shared table \"a\" and 1 more are in schema \"first\"");
    }
  }
  harness_drop_database(url);
}

/* Saying so fails cleanly when memory runs out. */
static void test_allocations(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  tenantdb_close(db);
  db = relocate_open(url, RELOCATE_NEW);
  for (int way = 0; way < 2; way++) {
    if (way == 1) {
      harness_sql(url, "DROP TABLE users, conversations, \"Odd Name\" CASCADE");
    }
    uint64_t made = 1;
    for (uint64_t at = 0; at <= made; at++) {
      int64_t before = tndb_memory_live();
      (void)tndb_memory_fail(at, false);
      tenantdb_status status = tenantdb_bootstrap(db, &error);
      uint64_t count = tndb_memory_fail(0, false);
      made = at == 0 ? count : made;
      assert_true(status == TENANTDB_STATE || (at > 0 && status == TENANTDB_MEMORY) ||
                  (at > 0 && status == TENANTDB_CONNECTION));
      assert_true(at > 0 || tenantdb_error_reason(error) == TENANTDB_REASON_SHARED_TABLES_ELSEWHERE);
      tenantdb_error_free(error);
      error = NULL;
      assert_true(at == 0 || tndb_memory_live() <= before);
    }
    print_message("%d allocations\n", (int)made);
  }
  tenantdb_close(db);
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_renamed),     cmocka_unit_test(test_unprivileged),
      cmocka_unit_test(test_relocated),   cmocka_unit_test(test_half_way),
      cmocka_unit_test(test_some),        cmocka_unit_test(test_others),
      cmocka_unit_test(test_dropped),     cmocka_unit_test(test_marked),
      cmocka_unit_test(test_allocations),
  };
  return cmocka_run_group_tests_name("shared place", tests, NULL, NULL);
}

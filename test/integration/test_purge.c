/* SPDX-License-Identifier: PostgreSQL */
/* Purging: what goes, in what portions, and what must stay. */
#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static void check_gone(const tenantdb_tenant *tenant) {
  tenantdb_tenant *after = NULL;
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_namespace WHERE nspname = '%s'",
                                 tenantdb_tenant_schema(tenant)),
                   0);
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM pg_roles WHERE rolname = '%s'", tenantdb_tenant_role(tenant)),
      0);
  harness_assert_ok(tenantdb_tenant_get(db, tenantdb_tenant_id(tenant), &after, &error), error);
  assert_int_equal(tenantdb_tenant_state(after), TENANTDB_TENANT_DELETED);
  tenantdb_tenant_free(after);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.operations WHERE tenant_id = '%s' AND state = "
                    "'running'",
                    tenantdb_tenant_id(tenant)),
      0);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.audit WHERE tenant_id = '%s' AND to_state = "
                                 "'deleted'",
                                 tenantdb_tenant_id(tenant)),
                   1);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.tenants WHERE id = '%s' AND deleted_at IS NOT "
                    "NULL AND purge_after IS NULL",
                    tenantdb_tenant_id(tenant)),
      1);
}

static void test_states(void **state) {
  (void)state;
  static const char *const froms[] = {"active", "suspended", "archived"};
  for (size_t i = 0; i < 3; i++) {
    tenantdb_tenant *tenant = fixture_tenant(db, "goes");
    if (i == 1) {
      harness_assert_ok(tenantdb_tenant_suspend(db, "goes", NULL, &error), error);
    } else if (i == 2) {
      harness_assert_ok(tenantdb_tenant_archive(db, "goes", NULL, &error), error);
    }
    if (i < 2) {
      char text[64];
      snprintf(text, sizeof text, "tenant goes is %s; to purge without force it", froms[i]);
      fixture_assert_refused(tenantdb_tenant_purge(db, "goes", 0, &error), error, TENANTDB_STATE,
                             TENANTDB_REASON_TENANT_STATE, text);
    }
    harness_assert_ok(tenantdb_tenant_purge(db, "goes", 1, &error), error);
    check_gone(tenant);
    /* Again, by id: nothing is left to do. By slug: there is no such tenant, or it is another one. */
    harness_assert_ok(tenantdb_tenant_purge(db, tenantdb_tenant_id(tenant), 1, &error), error);
    harness_assert_fails(tenantdb_tenant_purge(db, "goes", 1, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TENANT);
    tenantdb_tenant_free(tenant);
  }
  tenantdb_tenant *pending = NULL;
  harness_assert_ok(tenantdb_tenant_register(db, "goes", NULL, &pending, &error), error);
  harness_assert_ok(tenantdb_tenant_purge(db, "goes", 1, &error), error);
  check_gone(pending);
  tenantdb_tenant_free(pending);
}

/* 250 tables are three transactions; with a schema that has other things, too. */
static void test_batches(void **state) {
  (void)state;
  tenantdb_tenant *tenant = fixture_tenant(db, "large");
  const char *schema = tenantdb_tenant_schema(tenant);
  harness_sql(
      url,
      "DO $$ BEGIN FOR i IN 1..248 LOOP EXECUTE format('CREATE TABLE %s.x%%s (id int PRIMARY KEY, before int "
      "REFERENCES %s.x%%s)', i, greatest(i - 1, 1)); END LOOP; END $$;"
      "CREATE TABLE %s.parts (i int) PARTITION BY LIST (i); CREATE TABLE %s.part1 PARTITION OF %s.parts FOR "
      "VALUES IN (1); CREATE VIEW %s.v AS SELECT * FROM %s.x1; CREATE SEQUENCE %s.s; CREATE TYPE %s.e AS "
      "ENUM "
      "('a'); CREATE FUNCTION %s.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE MATERIALIZED VIEW %s.m "
      "AS "
      "SELECT 1 AS i; CREATE TABLE %s.\"quo\"\"ted\" (i int)",
      schema, schema, schema, schema, schema, schema, schema, schema, schema, schema, schema, schema);
  harness_sql(
      url,
      "CREATE TABLE public.dropped (tx bigint, n bigint); CREATE FUNCTION public.note_drops() RETURNS "
      "event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.dropped SELECT txid_current(), count(*) "
      "FROM pg_event_trigger_dropped_objects() WHERE object_type = 'table'; END $$;"
      "CREATE EVENT TRIGGER drops ON sql_drop EXECUTE FUNCTION public.note_drops()");
  harness_assert_ok(tenantdb_tenant_purge(db, "large", 1, &error), error);
  check_gone(tenant);
  assert_int_equal(harness_count(url, "SELECT sum(n) FROM public.dropped"), 253);
  assert_in_range(
      harness_count(url, "SELECT max(n) FROM (SELECT sum(n) AS n FROM public.dropped GROUP BY tx) t"), 1,
      100);
  harness_sql(url, "DROP EVENT TRIGGER drops; DROP TABLE public.dropped");
  tenantdb_tenant_free(tenant);
}

/* Without its mark a schema is not the tenant's: nothing of it is dropped. */
static void test_mark(void **state) {
  (void)state;
  static const char *const marks[] = {"NULL", "'something else'", "'libtenantdb tenant 00000000-0000-0000'"};
  tenantdb_tenant *tenant = fixture_tenant(db, "marked");
  const char *schema = tenantdb_tenant_schema(tenant);
  for (size_t i = 0; i < 3; i++) {
    harness_sql(url, "COMMENT ON SCHEMA %s IS %s", schema, marks[i]);
    harness_assert_status(tenantdb_tenant_purge(db, "marked", 1, &error), error, TENANTDB_STATE,
                          TENANTDB_REASON_SCHEMA_TAKEN);
    harness_assert_message(error, "does not carry the mark \"libtenantdb tenant ");
    harness_assert_message(error, schema);
    assert_string_equal(tenantdb_error_tenant(error), "marked");
    tenantdb_error_free(error);
    error = NULL;
    assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_tables WHERE schemaname = '%s'", schema), 2);
  }
  /* The tenant is deleting, unusable, and goes when the mark is set right. */
  tenantdb_session *session = NULL;
  fixture_assert_refused(tenantdb_session_open(db, "marked", NULL, &session, &error), error,
                         TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE,
                         "tenant marked is deleting");
  harness_sql(url, "COMMENT ON SCHEMA %s IS 'libtenantdb tenant %s'", schema, tenantdb_tenant_id(tenant));
  harness_assert_ok(tenantdb_tenant_purge(db, "marked", 0, &error), error);
  check_gone(tenant);
  tenantdb_tenant_free(tenant);
}

/* The schema or the role gone already: the rest goes. */
static void test_already_gone(void **state) {
  (void)state;
  tenantdb_tenant *tenant = fixture_tenant(db, "schemaless");
  harness_sql(url, "DROP SCHEMA %s CASCADE", tenantdb_tenant_schema(tenant));
  harness_assert_ok(tenantdb_tenant_purge(db, "schemaless", 1, &error), error);
  check_gone(tenant);
  tenantdb_tenant_free(tenant);
  tenant = fixture_tenant(db, "roleless");
  harness_sql(url, "DROP OWNED BY \"%s\"; DROP ROLE \"%s\"", tenantdb_tenant_role(tenant),
              tenantdb_tenant_role(tenant));
  harness_assert_ok(tenantdb_tenant_purge(db, "roleless", 1, &error), error);
  check_gone(tenant);
  tenantdb_tenant_free(tenant);
}

/* The neighbour, the shared tables and what refers to the tenant from outside stay. */
static void test_others_stay(void **state) {
  (void)state;
  tenantdb_tenant *tenant = fixture_tenant(db, "leaves");
  tenantdb_tenant_free(fixture_tenant(db, "stays"));
  tenantdb_session *session = fixture_session(db, "stays");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  harness_sql(
      url,
      "CREATE TABLE public.watcher (note bigint REFERENCES %s.notes (id)); INSERT INTO public.watcher "
      "VALUES (NULL)",
      tenantdb_tenant_schema(tenant));
  harness_assert_ok(tenantdb_tenant_purge(db, "leaves", 1, &error), error);
  check_gone(tenant);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM public.watcher"), 1);
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "1");
  tenantdb_session_close(session);
  assert_string_equal(fixture_findings(db, "stays"), "");
  harness_sql(url, "DROP TABLE public.watcher");
  tenantdb_tenant_free(tenant);
}

/* Somebody else's lease is respected until it runs out. */
static void test_lease(void **state) {
  (void)state;
  tenantdb_tenant *tenant = fixture_tenant(db, "held");
  tenantdb_result *done = NULL;
  harness_sql(
      url,
      "UPDATE tenantdb.tenants SET state = 'deleting' WHERE id = '%s'; INSERT INTO tenantdb.operations (id, "
      "tenant_id, kind, state, owner, lease_until) VALUES (gen_random_uuid(), '%s', 'purge', 'running', "
      "gen_random_uuid(), now() + interval '1 hour')",
      tenantdb_tenant_id(tenant), tenantdb_tenant_id(tenant));
  harness_assert_status(tenantdb_tenant_purge(db, "held", 1, &error), error, TENANTDB_BUSY,
                        TENANTDB_REASON_OPERATION_HELD);
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_LATER);
  harness_assert_message(error, "somebody else is purging tenant");
  tenantdb_error_free(error);
  error = NULL;
  harness_assert_ok(tenantdb_reconcile(db, &done, &error), error);
  assert_int_equal(tenantdb_result_rows(done), 0);
  tenantdb_result_free(done);
  harness_sql(
      url,
      "UPDATE tenantdb.operations SET lease_until = now() - interval '1 second' WHERE state = 'running'");
  harness_assert_ok(tenantdb_reconcile(db, &done, &error), error);
  assert_int_equal(tenantdb_result_rows(done), 1);
  assert_string_equal(tenantdb_result_value(done, 0, 0), "held");
  assert_string_equal(tenantdb_result_value(done, 0, 1), "purge");
  assert_string_equal(tenantdb_result_value(done, 0, 2), "resume");
  assert_string_equal(tenantdb_result_value(done, 0, 3), "done");
  tenantdb_result_free(done);
  check_gone(tenant);
  tenantdb_tenant_free(tenant);
}

/* A purge that cannot have its lock says so, and goes on later. */
static void test_locked(void **state) {
  (void)state;
  tenantdb *impatient = fixture_open(url, NULL, FIXTURE_OPTIONS("operation.lock_timeout", "200ms"));
  tenantdb_tenant *tenant = fixture_tenant(db, "locked");
  tenantdb_session *session = fixture_session(db, "locked");
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  harness_assert_status(tenantdb_tenant_purge(impatient, "locked", 1, &error), error, TENANTDB_BUSY,
                        TENANTDB_REASON_LOCK_TIMEOUT);
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_LATER);
  tenantdb_error_free(error);
  error = NULL;
  tenantdb_session_close(session);
  harness_assert_ok(tenantdb_tenant_purge(impatient, "locked", 1, &error), error);
  check_gone(tenant);
  tenantdb_tenant_free(tenant);
  tenantdb_close(impatient);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_states),       cmocka_unit_test(test_batches),     cmocka_unit_test(test_mark),
      cmocka_unit_test(test_already_gone), cmocka_unit_test(test_others_stay), cmocka_unit_test(test_lease),
      cmocka_unit_test(test_locked),
  };
  return cmocka_run_group_tests_name("purge", tests, setup, teardown);
}

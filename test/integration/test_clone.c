/* SPDX-License-Identifier: PostgreSQL */
/* Cloning a tenant within one database. */
#include <pthread.h>

#include "archive_source.h"

static tenantdb_archive_options *option(const char *key, const char *value) {
  tenantdb_archive_options *options = tenantdb_archive_options_new();
  tenantdb_archive_options_set(options, key, value);
  return options;
}

/* A clone that must succeed; its quoted schema, to be freed. */
static char *clone_as(const char *slug) {
  tenantdb_tenant *tenant = NULL;
  harness_assert_ok(tenantdb_tenant_clone(db, "acme", slug, NULL, NULL, &tenant, &error), error);
  assert_string_equal(tenantdb_tenant_slug(tenant), slug);
  assert_int_equal(tenantdb_tenant_state(tenant), TENANTDB_TENANT_ACTIVE);
  tenantdb_tenant_free(tenant);
  return archive_schema(url, slug);
}

/* ---------------------------------------------------------------- with data */

static void test_same(void **state) {
  (void)state;
  char *copy = clone_as("acme-copy");
  assert_string_equal(fixture_findings(db, "acme-copy"), "");
  archive_assert_same(url, source, url, copy);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.notes WHERE body = 'fired'", copy), 0);
  /* The trigger is there, and fires for those who come later. */
  tenantdb_session *session = fixture_session(db, "acme-copy");
  fixture_run(session, "INSERT INTO notes (author_id, body) VALUES (1, 'later')");
  assert_string_equal(fixture_cell(session, "SELECT id || body FROM notes ORDER BY id DESC LIMIT 1"),
                      "101fired");
  fixture_run(session, "INSERT INTO authors (name) VALUES ('next')");
  assert_string_equal(fixture_cell(session, "SELECT max(id) FROM authors"), "4");
  tenantdb_session_close(session);
  /* Nothing of it is the other tenant's. */
  assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.authors", source), 3);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE "
                    "a.attrelid = '%s.authors'::regclass AND t.typnamespace = '%s'::regnamespace",
                    copy, source),
      0);
  char *comment =
      harness_value(url,
                    "SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = "
                    "'notes_plan_id_fkey' AND connamespace = '%s'::regnamespace AND convalidated",
                    copy);
  assert_string_equal(comment, "the plan");
  free(comment);
  free(copy);
  purge("acme-copy");
}

static void test_properties(void **state) {
  (void)state;
  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
  tenantdb_tenant_spec_set(spec, "name", "Origin");
  tenantdb_tenant_spec_set(spec, "properties", "{\"tier\": \"gold\"}");
  harness_assert_ok(tenantdb_tenant_create(db, "origin", spec, NULL, &error), error);
  tenantdb_tenant *tenant = NULL;
  harness_assert_ok(tenantdb_tenant_clone(db, "origin", "one", NULL, NULL, &tenant, &error), error);
  assert_string_equal(tenantdb_tenant_name(tenant), "Origin");
  assert_string_equal(tenantdb_tenant_properties(tenant), "{\"tier\": \"gold\"}");
  tenantdb_tenant_free(tenant);
  tenantdb_tenant_spec_set(spec, "name", "Other");
  tenantdb_tenant_spec_set(spec, "properties", "{}");
  harness_assert_ok(tenantdb_tenant_clone(db, "origin", "two", spec, NULL, &tenant, &error), error);
  assert_string_equal(tenantdb_tenant_name(tenant), "Other");
  assert_string_equal(tenantdb_tenant_properties(tenant), "{}");
  tenantdb_tenant_free(tenant);
  tenantdb_tenant_spec_free(spec);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.audit a JOIN tenantdb.tenants s ON "
                    "a.detail->>'clone_of' = s.id::text WHERE a.action = 'clone' AND s.slug = 'origin'"),
      2);
  purge("origin");
  purge("one");
  purge("two");
}

static void test_without_data(void **state) {
  (void)state;
  tenantdb_archive_options *options = option("data", "off");
  tenantdb_tenant *tenant = NULL;
  harness_assert_ok(tenantdb_tenant_clone(db, "acme", "bare", NULL, options, &tenant, &error), error);
  tenantdb_tenant_free(tenant);
  char *copy = archive_schema(url, "bare");
  assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.notes", copy), 0);
  assert_string_equal(fixture_findings(db, "bare"), "");
  assert_int_equal(harness_count(url, "SELECT nextval('%s.tickets')", copy), 100);
  free(copy);
  tenantdb_archive_options_free(options);
  purge("bare");
}

/* Suspended: nobody gets in before somebody resumes him, with data and without. */
static void test_suspended(void **state) {
  (void)state;
  for (int data = 0; data < 2; data++) {
    tenantdb_archive_options *options = option("state", "suspended");
    tenantdb_archive_options_set(options, "data", data ? "on" : "off");
    tenantdb_tenant *tenant = NULL;
    tenantdb_session *session = NULL;
    harness_assert_ok(tenantdb_tenant_clone(db, "acme", "asleep", NULL, options, &tenant, &error), error);
    assert_int_equal(tenantdb_tenant_state(tenant), TENANTDB_TENANT_SUSPENDED);
    assert_string_equal(fixture_findings(db, "asleep"), "");
    harness_assert_fails(tenantdb_session_open(db, "asleep", NULL, &session, &error), error,
                         TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE);
    assert_int_equal(harness_count(url,
                                   "SELECT count(*) FROM pg_roles WHERE rolname = '%s' AND "
                                   "has_schema_privilege(oid, '%s', 'USAGE')",
                                   tenantdb_tenant_role(tenant), tenantdb_tenant_schema(tenant)),
                     0);
    tenantdb_tenant_free(tenant);
    harness_assert_ok(tenantdb_tenant_resume(db, "asleep", NULL, &error), error);
    session = fixture_session(db, "asleep");
    assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), data ? "100" : "0");
    tenantdb_session_close(session);
    tenantdb_archive_options_free(options);
    purge("asleep");
  }
}

/* ---------------------------------------------------------------- refusals */

static void test_arguments(void **state) {
  (void)state;
  tenantdb_tenant *tenant = (tenantdb_tenant *)1;
  harness_assert_fails(tenantdb_tenant_clone(NULL, "acme", "x", NULL, NULL, &tenant, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT);
  assert_null(tenant);
  harness_assert_fails(tenantdb_tenant_clone(db, NULL, "x", NULL, NULL, NULL, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_tenant_clone(db, "acme", NULL, NULL, NULL, NULL, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_tenant_clone(db, "nobody", "x", NULL, NULL, NULL, &error), error,
                       TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT);
  harness_assert_fails(tenantdb_tenant_clone(db, "acme", "Acme", NULL, NULL, NULL, &error), error,
                       TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SLUG_TAKEN);
  static const char *const wrong[][3] = {{"data", "yes", "neither on nor off"},
                                         {"state", "archived", "neither active nor suspended"},
                                         {"timeout", "soon", "not a duration"},
                                         {"timeout", "0", "not a duration"},
                                         {"dat", "on", "did you mean \"data\""}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    tenantdb_archive_options *options = option(wrong[i][0], wrong[i][1]);
    fixture_assert_refused(
        tenantdb_tenant_clone(db, "acme", "x", NULL, options, NULL, &error), error, TENANTDB_ARGUMENT,
        i < 4 ? TENANTDB_REASON_BAD_OPTION_VALUE : TENANTDB_REASON_UNKNOWN_OPTION, wrong[i][2]);
    tenantdb_archive_options_free(options);
  }
  tenantdb_archive_options *options = option(NULL, "x");
  harness_assert_fails(tenantdb_tenant_clone(db, "acme", "x", NULL, options, NULL, &error), error,
                       TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT);
  tenantdb_archive_options_free(options);
  tenantdb_archive_options_set(NULL, "data", "on");
  tenantdb_archive_options_free(NULL);
}

static void test_state(void **state) {
  (void)state;
  harness_assert_ok(tenantdb_tenant_register(db, "waiting", NULL, NULL, &error), error);
  harness_assert_fails(tenantdb_tenant_clone(db, "waiting", "x", NULL, NULL, NULL, &error), error,
                       TENANTDB_STATE, TENANTDB_REASON_TENANT_STATE);
  tenantdb_archive_options *options = option("data", "off");
  harness_assert_fails(tenantdb_tenant_clone(db, "waiting", "x", NULL, options, NULL, &error), error,
                       TENANTDB_STATE, TENANTDB_REASON_TENANT_STATE);
  tenantdb_archive_options_free(options);
  harness_assert_ok(tenantdb_tenant_suspend(db, "acme", NULL, &error), error);
  free(clone_as("of-a-suspended"));
  harness_assert_ok(tenantdb_tenant_archive(db, "acme", NULL, &error), error);
  free(clone_as("of-an-archived"));
  harness_assert_ok(tenantdb_tenant_restore(db, "acme", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_resume(db, "acme", NULL, &error), error);
  purge("waiting");
  purge("of-a-suspended");
  purge("of-an-archived");
}

/* What drifted is named, and nothing is left of the attempt. */
static void refused(const char *sql, const char *back, const char *text) {
  harness_sql(url, "SET search_path = %s; %s", source, sql);
  int64_t schemas = harness_count(url, "SELECT count(*) FROM pg_namespace");
  fixture_assert_refused(tenantdb_tenant_clone(db, "acme", "drifted", NULL, NULL, NULL, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_TENANT_DIFFERS, text);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_namespace"), schemas);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE slug = 'drifted'"), 0);
  harness_sql(url, "SET search_path = %s; %s", source, back);
}

static void test_drift(void **state) {
  (void)state;
  refused("ALTER TABLE empty RENAME TO other", "ALTER TABLE other RENAME TO empty", "table empty is missing");
  refused("CREATE TABLE own (a integer)", "DROP TABLE own", "table own is not declared");
  refused("ALTER TABLE empty ADD c integer", "ALTER TABLE empty DROP c", "column empty.c is not declared");
  refused("ALTER TABLE empty RENAME b TO c", "ALTER TABLE empty RENAME c TO b",
          "table empty has no column b");
  refused("ALTER TABLE empty ALTER b TYPE varchar(9)", "ALTER TABLE empty ALTER b TYPE text",
          "column empty.b is character varying(9) and the registry says text");
  refused("CREATE SEQUENCE own", "DROP SEQUENCE own", "sequence own is not declared");
  refused(
      "CREATE TABLE w1 (); CREATE TABLE w2 (); CREATE TABLE w3 (); CREATE TABLE w4 (); CREATE TABLE w5 (); "
      "CREATE TABLE w6 ()",
      "DROP TABLE w1, w2, w3, w4, w5, w6", "and 1 more");
  /* Only what is not declared may be left behind, and only when that is asked for. */
  harness_sql(url, "CREATE TABLE %s.own (a integer)", source);
  tenantdb_archive_options *options = option("extra", "ignore");
  harness_assert_ok(tenantdb_tenant_clone(db, "acme", "less", NULL, options, NULL, &error), error);
  assert_string_equal(fixture_findings(db, "less"), "");
  harness_sql(url, "DROP TABLE %s.own", source);
  tenantdb_archive_options_free(options);
  purge("less");
}

/* Data that the registry's constraints refuse: what a NOT VALID or a drift let in. */
static void test_bad_rows(void **state) {
  (void)state;
  harness_sql(url, "SET session_replication_role = replica; UPDATE %s.notes SET plan_id = 77 WHERE id = 3",
              source);
  fixture_assert_refused(tenantdb_tenant_clone(db, "acme", "broken", NULL, NULL, NULL, &error), error,
                         TENANTDB_CONSTRAINT, TENANTDB_REASON_SERVER_CONSTRAINT,
                         "table notes, foreign key to plans");
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE slug = 'broken'"), 0);
  harness_sql(url, "SET session_replication_role = replica; UPDATE %s.notes SET plan_id = NULL WHERE id = 3",
              source);
}

/* A row that policies hide must not be missing in a clone without a word. */
static void test_hidden_rows(void **state) {
  (void)state;
  const char *role = harness_role("LOGIN CREATEROLE");
  const char *own = harness_database();
  char *name = harness_database_name(own);
  harness_sql(own, "GRANT ALL ON DATABASE %s TO %s; GRANT ALL ON SCHEMA public TO %s", name, role, role);
  char *as_role = harness_url_with(own, NULL, role, NULL);
  tenantdb *other = fixture_ready(as_role, NULL);
  tenantdb_tenant *tenant = fixture_tenant(other, "hidden");
  tenantdb_tenant_free(tenant);
  char *schema = archive_schema(own, "hidden");
  harness_sql(
      own,
      "INSERT INTO %s.notes (body) VALUES ('seen'), ('hidden'); ALTER TABLE %s.notes ENABLE ROW LEVEL "
      "SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY p ON %s.notes USING (body = 'seen')",
      schema, schema, schema);
  harness_assert_fails(tenantdb_tenant_clone(other, "hidden", "copy", NULL, NULL, NULL, &error), error,
                       TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION);
  harness_assert_fails(tenantdb_tenant_copy(other, "hidden", other, "copy", NULL, NULL, NULL, &error), error,
                       TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION);
  harness_sql(own, "ALTER TABLE %s.notes NO FORCE ROW LEVEL SECURITY", schema);
  harness_assert_ok(tenantdb_tenant_clone(other, "hidden", "copy", NULL, NULL, NULL, &error), error);
  char *copy = archive_schema(own, "copy");
  assert_int_equal(harness_count(own, "SELECT count(*) FROM %s.notes", copy), 2);
  free(copy);
  free(schema);
  free(name);
  free(as_role);
  tenantdb_close(other);
  harness_drop_database(own);
}

static void test_again(void **state) {
  (void)state;
  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
  tenantdb_tenant *first = NULL, *second = NULL;
  tenantdb_tenant_spec_set(spec, "idempotency_key", "clone-1");
  harness_assert_ok(tenantdb_tenant_clone(db, "acme", "once", spec, NULL, &first, &error), error);
  harness_assert_ok(tenantdb_tenant_clone(db, "acme", "once", spec, NULL, &second, &error), error);
  assert_string_equal(tenantdb_tenant_id(first), tenantdb_tenant_id(second));
  tenantdb_archive_options *options = option("data", "off");
  harness_assert_fails(tenantdb_tenant_clone(db, "acme", "once", spec, options, NULL, &error), error,
                       TENANTDB_CONFLICT, TENANTDB_REASON_IDEMPOTENCY_MISMATCH);
  tenantdb_archive_options_free(options);
  tenantdb_tenant_free(first);
  tenantdb_tenant_free(second);
  tenantdb_tenant_spec_free(spec);
  purge("once");
}

/* ---------------------------------------------------------------- others */

/* An independent witness: a clone's schema is what a creation makes. */
static void test_dump(void **state) {
  (void)state;
  free(clone_as("cloned"));
  tenantdb_tenant_free(fixture_tenant(db, "fresh"));
  char *found = archive_dump(url, "cloned"), *expected = archive_dump(url, "fresh");
  assert_string_equal(found, expected);
  free(found);
  free(expected);
  purge("cloned");
  purge("fresh");
}

/* A column whose values name objects by their OIDs would name the other tenant's. */
static void test_names(void **state) {
  (void)state;
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base_sql(tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT),
                    "CREATE TABLE notes (a integer); CREATE TABLE watched (what regclass)");
  const char *own = harness_database();
  tenantdb *other = fixture_open(own, registry, NULL);
  harness_assert_ok(tenantdb_bootstrap(other, &error), error);
  tenantdb_tenant_free(fixture_tenant(other, "a"));
  char *schema = archive_schema(own, "a");
  harness_sql(own, "INSERT INTO %s.watched VALUES ('%s.notes')", schema, schema);
  fixture_assert_refused(tenantdb_tenant_clone(other, "a", "b", NULL, NULL, NULL, &error), error,
                         TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE,
                         "column watched.what is regclass");
  harness_assert_ok(tenantdb_tenant_copy(other, "a", other, "b", NULL, NULL, NULL, &error), error);
  char *copy = archive_schema(own, "b");
  char *what = harness_value(own, "SELECT what FROM %s.watched", copy);
  assert_memory_equal(what, copy, strlen(copy)); /* his own table */
  free(what);
  free(copy);
  free(schema);
  tenantdb_close(other);
  harness_drop_database(own);
}

/* ---------------------------------------------------------------- others at work */

static const char *slow_url;
static tenantdb *slow;
static volatile tenantdb_status slow_status;

static void *clone_slowly(void *user) {
  (void)user;
  slow_status = tenantdb_tenant_clone(slow, "a", "b", NULL, NULL, NULL, NULL);
  return NULL;
}

static void open_slow(const char *limit) {
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base_sql(tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED),
                    "CREATE TABLE plans (id integer PRIMARY KEY)");
  tenantdb_base_sql(
      tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT),
      "CREATE FUNCTION slow(integer) RETURNS boolean LANGUAGE sql AS $$ SELECT pg_sleep(0.02) IS NOT NULL $$;"
      "CREATE TABLE notes (a integer CHECK (slow(a)), plan integer REFERENCES plans (id))");
  slow_url = harness_database();
  slow = fixture_open(slow_url, registry, FIXTURE_OPTIONS("operation.lock_timeout", limit));
  harness_assert_ok(tenantdb_bootstrap(slow, &error), error);
  tenantdb_tenant_free(fixture_tenant(slow, "a"));
  char *schema = archive_schema(slow_url, "a");
  harness_sql(slow_url,
              "INSERT INTO plans VALUES (1); INSERT INTO %s.notes SELECT i, 1 FROM generate_series(1, 100) i",
              schema);
  free(schema);
}

/*
 * A foreign key to a shared table locks it against writers: a clone in the making
 * takes that lock at its end only. Nor does it stop who writes to the source.
 */
static void test_writers_go_on(void **state) {
  (void)state;
  pthread_t thread;
  open_slow("10s");
  char *schema = archive_schema(slow_url, "a");
  slow_status = TENANTDB_INTERNAL;
  assert_int_equal(pthread_create(&thread, NULL, clone_slowly, NULL), 0);
  while (harness_count(slow_url,
                       "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE "
                       "'WITH i0%%' AND datname = current_database()") == 0) {
    fixture_pause_us(2000);
  }
  harness_sql(
      slow_url,
      "SET lock_timeout = '500ms'; INSERT INTO plans VALUES (2); UPDATE plans SET id = 3 WHERE id = 2;"
      "DELETE FROM %s.notes WHERE a = 1",
      schema);
  assert_int_equal(harness_count(slow_url,
                                 "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'WITH i0%%' AND "
                                 "state = 'active' AND datname = current_database()"),
                   1); /* or nothing was shown */
  pthread_join(thread, NULL);
  assert_int_equal(slow_status, TENANTDB_OK);
  char *copy = archive_schema(slow_url, "b");
  assert_int_equal(harness_count(slow_url, "SELECT count(*) FROM %s.notes", copy), 100);
  free(copy);
  free(schema);
  tenantdb_close(slow);
  harness_drop_database(slow_url);
}

static void *hold_table(void *user) {
  harness_sql(slow_url, "BEGIN; LOCK TABLE %s.notes IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(1.5); COMMIT",
              (const char *)user);
  return NULL;
}

/* Somebody alters the source: the clone waits as long as it is told to. And a step that takes too long ends. */
static void test_busy(void **state) {
  (void)state;
  pthread_t thread;
  open_slow("200ms");
  char *schema = archive_schema(slow_url, "a");
  assert_int_equal(pthread_create(&thread, NULL, hold_table, schema), 0);
  while (harness_count(slow_url,
                       "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND "
                       "relation = '%s.notes'::regclass",
                       schema) == 0) {
    fixture_pause_us(2000);
  }
  fixture_assert_refused(tenantdb_tenant_clone(slow, "a", "b", NULL, NULL, NULL, &error), error,
                         TENANTDB_BUSY, TENANTDB_REASON_LOCK_TIMEOUT,
                         "somebody is changing tables of tenant a");
  pthread_join(thread, NULL);
  tenantdb_archive_options *options = option("timeout", "300ms");
  harness_assert_fails(tenantdb_tenant_clone(slow, "a", "b", NULL, options, NULL, &error), error,
                       TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT);
  assert_int_equal(harness_count(slow_url, "SELECT count(*) FROM tenantdb.tenants WHERE slug = 'b'"), 0);
  tenantdb_archive_options_free(options);
  free(schema);
  tenantdb_close(slow);
  harness_drop_database(slow_url);
}

static void test_levels(void **state) {
  (void)state;
  static const char *const levels[] = {"routing", "role", "login"};
  for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
    const char *own = harness_database();
    tenantdb *other =
        archive_open(own, FIXTURE_OPTIONS("isolation.level", levels[i], "login.passwords", "none"));
    archive_shared(own);
    char *from = archive_fill(own, other, "a-b");
    harness_assert_ok(tenantdb_tenant_clone(other, "a-b", "c-d", NULL, NULL, NULL, &error), error);
    char *copy = archive_schema(own, "c-d");
    archive_assert_same(own, from, own, copy);
    assert_string_equal(fixture_findings(other, "c-d"), "");
    tenantdb_session *session = fixture_session(other, "c-d");
    assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "100");
    tenantdb_session_close(session);
    free(from);
    free(copy);
    tenantdb_close(other);
    harness_drop_database(own);
  }
}

/* By a user without special rights, on a database that was hardened by somebody who has them. */
static void test_hardened(void **state) {
  (void)state;
  const char *role = harness_role("LOGIN CREATEROLE");
  const char *own = harness_database();
  char *name = harness_database_name(own);
  char *as_role = harness_url_with(own, NULL, role, NULL);
  harness_sql(own, "GRANT CREATE ON DATABASE %s TO %s; GRANT CREATE, USAGE ON SCHEMA public TO %s", name,
              role, role);
  tenantdb *other = archive_open(as_role, NULL);
  archive_shared(own);
  char *from = archive_fill(own, other, "a");
  tenantdb_close(other);
  other = fixture_open(own, archive_registry(), NULL);
  harness_assert_ok(tenantdb_harden(other, 1, NULL, &error), error);
  tenantdb_close(other);
  other = archive_open(as_role, FIXTURE_OPTIONS("isolation.level", "hardened"));
  harness_assert_ok(tenantdb_tenant_clone(other, "a", "b", NULL, NULL, NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_copy(other, "a", other, "c", NULL, NULL, NULL, &error), error);
  static const char *const slugs[] = {"b", "c"};
  for (int i = 0; i < 2; i++) {
    char *copy = archive_schema(own, slugs[i]);
    archive_assert_same(own, from, own, copy);
    assert_string_equal(fixture_findings(other, slugs[i]), "");
    free(copy);
  }
  tenantdb_close(other);
  other = fixture_open(own, archive_registry(), NULL);
  harness_assert_ok(tenantdb_harden_undo(other, 1, NULL, &error), error);
  tenantdb_close(other);
  free(from);
  free(name);
  free(as_role);
  harness_drop_database(own);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_same),          cmocka_unit_test(test_properties),
      cmocka_unit_test(test_without_data),  cmocka_unit_test(test_suspended),
      cmocka_unit_test(test_arguments),     cmocka_unit_test(test_state),
      cmocka_unit_test(test_drift),         cmocka_unit_test(test_bad_rows),
      cmocka_unit_test(test_hidden_rows),   cmocka_unit_test(test_again),
      cmocka_unit_test(test_dump),          cmocka_unit_test(test_names),
      cmocka_unit_test(test_writers_go_on), cmocka_unit_test(test_busy),
      cmocka_unit_test(test_levels),        cmocka_unit_test(test_hardened),
  };
  return cmocka_run_group_tests_name("clone", tests, archive_setup, archive_teardown);
}

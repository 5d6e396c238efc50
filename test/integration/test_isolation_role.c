/* SPDX-License-Identifier: PostgreSQL */
/* Level role: what tenants' roles may do with what is made later, and that they go away whole. */
#include <pthread.h>

#include "fixture.h"

static tenantdb_error *error;

/* A database that a user without special rights owns the library's part of. */
static const char *url;
static const char *owner;
static char *as_owner;
static tenantdb *db;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  owner = harness_role("LOGIN CREATEROLE");
  as_owner = harness_url_with(url, NULL, owner, NULL);
  char *name = harness_database_name(url);
  harness_sql(url,
              "GRANT CREATE ON DATABASE \"%s\" TO \"%s\"; GRANT CREATE, USAGE ON SCHEMA public TO \"%s\"",
              name, owner, owner);
  free(name);
  tenantdb_registry *registry = fixture_registry();
  tenantdb_base *central = tenantdb_registry_base(registry, "Functions", TENANTDB_BASE_SHARED);
  tenantdb_base_sql(central,
                    "CREATE FUNCTION twice(n integer) RETURNS integer LANGUAGE sql AS 'SELECT n * 2'");
  db = fixture_open(as_owner, registry, NULL);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  free(as_owner);
  harness_drop_database(url);
  return 0;
}

/* A migration's tables, sequences, views and functions are the tenant's to use, and nobody else's. */
static void test_made_later(void **state) {
  (void)state;
  tenantdb_tenant *tenant = fixture_tenant(db, "later");
  tenantdb_tenant_free(fixture_tenant(db, "other"));
  const char *schema = tenantdb_tenant_schema(tenant);
  harness_sql(
      as_owner,
      "CREATE TABLE %s.added (id serial PRIMARY KEY, n integer); CREATE VIEW %s.seen AS SELECT n FROM "
      "%s.added; CREATE FUNCTION %s.one() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
      schema, schema, schema, schema);
  tenantdb_session *session = fixture_session(db, "later");
  fixture_run(session, "INSERT INTO added (n) VALUES (7)");
  assert_string_equal(fixture_cell(session, "SELECT n FROM seen"), "7");
  assert_string_equal(fixture_cell(session, "SELECT one()"), "1");
  harness_assert_fails(tenantdb_session_query(session, "DROP TABLE added", NULL, NULL, &error), error,
                       TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION);
  tenantdb_session_close(session);
  session = fixture_session(db, "other");
  char sql[300];
  snprintf(sql, sizeof sql, "SELECT n FROM %s.added", schema);
  harness_assert_fails(tenantdb_session_query(session, sql, NULL, NULL, &error), error, TENANTDB_PERMISSION,
                       TENANTDB_REASON_SERVER_PERMISSION);
  tenantdb_session_close(session);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM pg_shdepend WHERE deptype = 'o' AND refobjid = "
                                 "'\"%s\"'::regrole",
                                 tenantdb_tenant_role(tenant)),
                   0);
  /* The privileges that stand for later go with the tenant. */
  harness_assert_ok(tenantdb_tenant_purge(db, "later", 1, &error), error);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM pg_default_acl a JOIN pg_namespace n ON n.oid = "
                                 "a.defaclnamespace WHERE n.nspname = '%s'",
                                 schema),
                   0);
  tenantdb_tenant_free(tenant);
}

/* ---------------------------------------------------------------- shut meanwhile */

typedef struct late {
  pthread_t thread;
  tenantdb_session *session;
  tenantdb_status status;
  tenantdb_error *error;
} late;

/* Waits until it is let go on, and only then names a table. */
static void *run_late(void *user) {
  late *l = user;
  l->status = tenantdb_session_query(
      l->session, "DO $$ BEGIN PERFORM pg_advisory_xact_lock(4711); PERFORM count(*) FROM notes; END $$",
      NULL, NULL, &l->error);
  return NULL;
}

/* Of which the tenant's scope has been proved, and nothing else has happened yet. */
static void start_late(late *l, tenantdb_session *session) {
  *l = (late){.session = session};
  assert_int_equal(pthread_create(&l->thread, NULL, run_late, l), 0);
  for (int i = 0; i < 5000; i++) {
    if (harness_count(url,
                      "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND "
                      "NOT granted") == 1) {
      return;
    }
    fixture_pause_us(1000);
  }
  fail_msg("the statement does not wait");
}

static tenantdb_session *hold(void) {
  tenantdb_session *holder = NULL;
  harness_assert_ok(tenantdb_session_open_shared(db, NULL, &holder, &error), error);
  harness_assert_ok(tenantdb_session_begin(holder, NULL, &error), error);
  fixture_run(holder, "SELECT pg_advisory_xact_lock(4711)");
  return holder;
}

static void let_go(tenantdb_session *holder, late *l) {
  harness_assert_ok(tenantdb_session_rollback(holder, &error), error);
  tenantdb_session_close(holder);
  pthread_join(l->thread, NULL);
}

/* His schema is as if it were not there, and the answer tells why, not what the server made of it. */
static void test_shut_meanwhile(void **state) {
  (void)state;
  late l;
  tenantdb_tenant_free(fixture_tenant(db, "shut"));
  tenantdb_session *session = fixture_session(db, "shut");
  tenantdb_session *holder = hold();
  start_late(&l, session);
  harness_assert_ok(tenantdb_tenant_suspend(db, "shut", NULL, &error), error);
  let_go(holder, &l);
  harness_check_status(l.status, l.error, TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE, "late",
                       __FILE__, __LINE__);
  assert_string_equal(tenantdb_error_sqlstate(l.error), "");
  assert_string_equal(tenantdb_error_tenant(l.error), "shut");
  tenantdb_error_free(l.error);
  tenantdb_session_close(session);
  harness_assert_ok(tenantdb_tenant_resume(db, "shut", NULL, &error), error);
  /* Who is not shut hears what was wrong with his statement, and his session goes on. */
  session = fixture_session(db, "shut");
  harness_assert_status(tenantdb_session_query(session, "SELECT 1 FROM nowhere", NULL, NULL, &error), error,
                        TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR);
  assert_string_equal(tenantdb_error_sqlstate(error), "42P01");
  assert_string_not_equal(tenantdb_error_hint(error), "");
  tenantdb_error_free(error);
  error = NULL;
  harness_assert_fails(tenantdb_session_query(session, "DROP TABLE notes", NULL, NULL, &error), error,
                       TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION);
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "0");
  tenantdb_session_close(session);
}

/* In the caller's own transaction asking would end it: the server's answer, and the next transaction tells. */
static void test_shut_in_transaction(void **state) {
  (void)state;
  late l;
  tenantdb_tenant_free(fixture_tenant(db, "shut-2"));
  tenantdb_session *session = fixture_session(db, "shut-2");
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  fixture_run(session, "SELECT 1");
  tenantdb_session *holder = hold();
  start_late(&l, session);
  harness_assert_ok(tenantdb_tenant_suspend(db, "shut-2", NULL, &error), error);
  let_go(holder, &l);
  harness_check_status(l.status, l.error, TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR, "late", __FILE__,
                       __LINE__);
  assert_string_equal(tenantdb_error_sqlstate(l.error), "42P01");
  tenantdb_error_free(l.error);
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  harness_assert_fails(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                       TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE);
  tenantdb_session_close(session);
}

/* What the owner makes is nobody else's; a shared base's functions are the tenants' by their group. */
static void test_functions(void **state) {
  (void)state;
  tenantdb_tenant_free(fixture_tenant(db, "calls"));
  harness_sql(as_owner, "CREATE FUNCTION public.own() RETURNS integer LANGUAGE sql AS 'SELECT 1'");
  tenantdb_session *session = fixture_session(db, "calls");
  assert_string_equal(fixture_cell(session, "SELECT public.twice(4)"), "8");
  harness_assert_fails(tenantdb_session_query(session, "SELECT public.own()", NULL, NULL, &error), error,
                       TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION);
  tenantdb_session_close(session);
}

/* Made at level routing, given a role later: the same rights as one that was made with it. */
static void test_role_given_later(void **state) {
  (void)state;
  tenantdb *routing = fixture_open(as_owner, NULL, FIXTURE_OPTIONS("isolation.level", "routing"));
  tenantdb_tenant *tenant = fixture_tenant(routing, "late");
  tenantdb_close(routing);
  harness_assert_ok(tenantdb_reconcile(db, NULL, &error), error);
  harness_sql(as_owner, "CREATE TABLE %s.added (id serial PRIMARY KEY)", tenantdb_tenant_schema(tenant));
  tenantdb_session *session = fixture_session(db, "late");
  fixture_run(session, "INSERT INTO added DEFAULT VALUES");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  fixture_run(session, "INSERT INTO items (n) VALUES (1)");
  tenantdb_session_close(session);
  tenantdb_tenant_free(tenant);
}

/* Schemas that bootstrap makes are not PUBLIC's, whatever the defaults; those that were there are not touched. */
static void test_schemas(void **state) {
  (void)state;
  const char *own = harness_database();
  harness_sql(own,
              "CREATE SCHEMA there; GRANT USAGE, CREATE ON SCHEMA there TO PUBLIC; ALTER DEFAULT PRIVILEGES "
              "GRANT USAGE ON SCHEMAS TO PUBLIC");
  tenantdb_close(fixture_ready(own, FIXTURE_OPTIONS("database.schema", "there")));
  static const char asked[] =
      "SELECT count(*) FROM pg_namespace, aclexplode(nspacl) a WHERE nspname = '%s' AND "
      "a.grantee = 0";
  assert_int_equal(harness_count(own, asked, "tenantdb"), 0);
  assert_int_equal(harness_count(own, asked, "there"), 2);
  harness_drop_database(own);
}

/* ---------------------------------------------------------------- roles in other databases */

static int64_t role_count(const tenantdb_tenant *tenant) {
  return harness_count(url, "SELECT count(*) FROM pg_roles WHERE rolname = '%s'",
                       tenantdb_tenant_role(tenant));
}

static void test_granted_elsewhere(void **state) {
  (void)state;
  tenantdb *super = fixture_open(url, NULL, NULL);
  tenantdb_tenant *tenant = fixture_tenant(super, "abroad");
  const char *second = harness_database();
  const char *third = harness_database();
  const char *role = tenantdb_tenant_role(tenant);
  for (int i = 0; i < 2; i++) {
    harness_sql(
        i ? third : second,
        "CREATE TABLE kept (id integer); INSERT INTO kept VALUES (1); GRANT SELECT ON kept TO \"%s\"; ALTER "
        "DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO \"%s\"",
        role, role);
  }
  char *name = harness_database_name(third);
  harness_sql(url, "GRANT CREATE ON DATABASE \"%s\" TO \"%s\"", name, role);
  harness_assert_ok(tenantdb_tenant_purge(super, "abroad", 1, &error), error);
  assert_int_equal(role_count(tenant), 0);
  assert_int_equal(harness_count(second, "SELECT count(*) FROM kept"), 1);
  assert_int_equal(
      harness_count(third,
                    "SELECT count(*) FROM pg_class, aclexplode(relacl) WHERE relname = 'kept' AND "
                    "grantee <> grantor"),
      0);
  free(name);
  tenantdb_tenant_free(tenant);
  tenantdb_close(super);
  harness_drop_database(second);
  harness_drop_database(third);
}

/* What cannot be cleaned from here is named; when it was cleaned by hand, the purge goes on. */
static void test_out_of_reach(void **state) {
  (void)state;
  tenantdb_tenant *tenant = fixture_tenant(db, "stuck");
  const char *second = harness_database();
  char *name = harness_database_name(second);
  harness_sql(second,
              "CREATE TABLE kept (id integer); GRANT SELECT ON kept TO \"%s\"; REVOKE CONNECT ON DATABASE "
              "\"%s\" FROM "
              "PUBLIC",
              tenantdb_tenant_role(tenant), name);
  harness_assert_status(tenantdb_tenant_purge(db, "stuck", 1, &error), error, TENANTDB_STATE,
                        TENANTDB_REASON_ROLE_IN_USE);
  harness_assert_message(error, name);
  harness_assert_message(error, "DROP OWNED BY");
  harness_assert_message(error, "permission denied for database");
  tenantdb_error_free(error);
  error = NULL;
  assert_int_equal(role_count(tenant), 1);
  harness_sql(second, "DROP OWNED BY \"%s\"", tenantdb_tenant_role(tenant));
  harness_assert_ok(tenantdb_tenant_purge(db, "stuck", 1, &error), error);
  assert_int_equal(role_count(tenant), 0);
  free(name);
  tenantdb_tenant_free(tenant);
  harness_drop_database(second);
}

/* Data in another database is nobody's to drop: the purge does not even begin. */
static void test_owner_elsewhere(void **state) {
  (void)state;
  tenantdb_tenant *tenant = fixture_tenant(db, "rich");
  const char *second = harness_database();
  char *name = harness_database_name(second);
  harness_sql(second, "CREATE TABLE owned (id integer); ALTER TABLE owned OWNER TO \"%s\"",
              tenantdb_tenant_role(tenant));
  harness_assert_status(tenantdb_tenant_purge(db, "rich", 1, &error), error, TENANTDB_STATE,
                        TENANTDB_REASON_ROLE_IN_USE);
  harness_assert_message(error, name);
  tenantdb_error_free(error);
  error = NULL;
  tenantdb_tenant *after = NULL;
  harness_assert_ok(tenantdb_tenant_get(db, "rich", &after, &error), error);
  assert_int_equal(tenantdb_tenant_state(after), TENANTDB_TENANT_ACTIVE);
  tenantdb_tenant_free(after);
  assert_int_equal(harness_count(second, "SELECT count(*) FROM pg_class WHERE relname = 'owned'"), 1);
  harness_sql(second, "ALTER TABLE owned OWNER TO CURRENT_USER");
  harness_sql(url, "ALTER DATABASE \"%s\" OWNER TO \"%s\"", name, tenantdb_tenant_role(tenant));
  harness_assert_status(tenantdb_tenant_purge(db, "rich", 1, &error), error, TENANTDB_STATE,
                        TENANTDB_REASON_ROLE_IN_USE);
  harness_assert_message(error, "database ");
  tenantdb_error_free(error);
  error = NULL;
  harness_sql(url, "ALTER DATABASE \"%s\" OWNER TO CURRENT_USER", name);
  harness_assert_ok(tenantdb_tenant_purge(db, "rich", 1, &error), error);
  free(name);
  tenantdb_tenant_free(tenant);
  harness_drop_database(second);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_made_later),          cmocka_unit_test(test_functions),
      cmocka_unit_test(test_role_given_later),    cmocka_unit_test(test_schemas),
      cmocka_unit_test(test_granted_elsewhere),   cmocka_unit_test(test_out_of_reach),
      cmocka_unit_test(test_owner_elsewhere),     cmocka_unit_test(test_shut_meanwhile),
      cmocka_unit_test(test_shut_in_transaction),
  };
  return cmocka_run_group_tests_name("isolation_role", tests, setup, teardown);
}

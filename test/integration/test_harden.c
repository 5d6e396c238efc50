/* SPDX-License-Identifier: PostgreSQL */
/* Hardening: what it takes away, what goes on working, who may do it, and that it can be undone exactly. */
#include "base/memory.h"
#include "fixture.h"

static tenantdb_error *error;

/* A database, an owner without special rights who bootstrapped it with a tenant acme, and a superuser's URI.
 */
typedef struct place {
  const char *url;
  const char *owner;
  char *as_owner;
  char *name;
} place;

static place make_place(const char *attributes) {
  place p = {.url = harness_database()};
  p.owner = harness_role(attributes);
  p.as_owner = harness_url_with(p.url, NULL, p.owner, NULL);
  p.name = harness_database_name(p.url);
  harness_sql(p.url,
              "GRANT CREATE ON DATABASE \"%s\" TO \"%s\"; GRANT CREATE, USAGE ON SCHEMA public TO \"%s\"",
              p.name, p.owner, p.owner);
  tenantdb *db = fixture_ready(p.as_owner, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  tenantdb_close(db);
  return p;
}

static void drop_place(place *p) {
  free(p->as_owner);
  free(p->name);
  harness_drop_database(p->url);
}

static int64_t count_state(const tenantdb_result *plan, const char *state) {
  int64_t count = 0;
  for (int32_t i = 0; i < tenantdb_result_rows(plan); i++) {
    count += strcmp(tenantdb_result_value(plan, i, 3), state) == 0;
  }
  return count;
}

/* Everything hardening touches, as text that does not tell NULL from the default. */
static char *privileges(const char *url) {
  return harness_value(
      url,
      "SELECT string_agg(x, E'\\n' ORDER BY x) FROM (SELECT 'f ' || p.oid::regprocedure || a.grantee || "
      "a.privilege_type AS x FROM pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner))) a WHERE "
      "pronamespace = 'pg_catalog'::regnamespace UNION ALL SELECT 'l ' || lanname || a.grantee || "
      "a.privilege_type FROM pg_language, aclexplode(coalesce(lanacl, acldefault('l', lanowner))) a UNION "
      "ALL "
      "SELECT 'd ' || a.grantee || a.privilege_type FROM pg_database, aclexplode(coalesce(datacl, "
      "acldefault('d', datdba))) a WHERE datname = current_database() UNION ALL SELECT 'n ' || nspname || "
      "a.grantee || a.privilege_type FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', "
      "nspowner))) a WHERE nspname = 'public') all_of_it");
}

/* As the superuser, with the choice of level that works before and after. */
static tenantdb_result *harden(const char *url, bool undo, int32_t apply) {
  tenantdb *db = fixture_open(url, NULL, FIXTURE_OPTIONS("isolation.level", "role"));
  tenantdb_result *plan = NULL;
  harness_assert_ok(
      undo ? tenantdb_harden_undo(db, apply, &plan, &error) : tenantdb_harden(db, apply, &plan, &error),
      error);
  tenantdb_close(db);
  return plan;
}

/* ---------------------------------------------------------------- the plan */

static void test_plan_changes_nothing(void **state) {
  (void)state;
  place p = make_place("LOGIN CREATEROLE");
  char *before = privileges(p.url);
  tenantdb_result *plan = harden(p.url, false, 0);
  assert_string_equal(tenantdb_result_name(plan, 0), "step");
  assert_string_equal(tenantdb_result_name(plan, 1), "sql");
  assert_string_equal(tenantdb_result_name(plan, 2), "undo_sql");
  /* The grants go first, or the owner would be locked out between two statements. */
  char expected[300];
  snprintf(expected, sizeof expected,
           "GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO %s", p.owner);
  assert_string_equal(tenantdb_result_value(plan, 0, 1), expected);
  snprintf(expected, sizeof expected,
           "REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM %s", p.owner);
  assert_string_equal(tenantdb_result_value(plan, 0, 2), expected);
  assert_true(count_state(plan, "needed") >= 20);
  assert_int_equal(count_state(plan, "refused"), 0);
  tenantdb_result_free(plan);
  char *after = privileges(p.url);
  assert_string_equal(before, after);
  assert_int_equal(harness_count(p.url, "SELECT count(*) FROM tenantdb.hardening"), 0);
  free(before);
  free(after);
  drop_place(&p);
}

static void test_arguments(void **state) {
  (void)state;
  place p = make_place("LOGIN CREATEROLE");
  tenantdb *db = fixture_open(p.url, NULL, NULL);
  tenantdb_result *plan = (tenantdb_result *)(void *)&p;
  fixture_assert_refused(tenantdb_harden(db, 2, &plan, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "apply is 2");
  assert_null(plan);
  fixture_assert_refused(tenantdb_harden_undo(NULL, 0, &plan, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  tenantdb_close(db);
  const char *bare = harness_database();
  db = fixture_open(bare, NULL, NULL);
  harness_assert_fails(tenantdb_harden(db, 0, &plan, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_CATALOG_MISSING);
  tenantdb_close(db);
  harness_drop_database(bare);
  drop_place(&p);
}

/* ---------------------------------------------------------------- applied */

static void assert_refused_in(tenantdb_session *session, const char *sql) {
  tenantdb_status status = tenantdb_session_query(session, sql, NULL, NULL, &error);
  if (harness_behind_pooler() && strncmp(sql, "UPDATE pg_settings", 18) == 0) {
    harness_assert_fails(status, error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_POOLER_BETWEEN);
    return;
  }
  if (status != TENANTDB_PERMISSION) {
    print_error("%s: %s\n", sql, tenantdb_error_message(error));
  }
  harness_assert_fails(status, error, TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION);
}

static void check_tenant_is_held(tenantdb *db) {
  static const char *const escapes[] = {
      "SELECT set_config('role', session_user, true)",
      "SELECT set_config('search_path', 'public', true)",
      "UPDATE pg_settings SET setting = session_user WHERE name = 'role'",
      "SELECT query_to_xml('SELECT 1', true, false, '')",
      "SELECT table_to_xml('pg_class', true, false, '')",
      "SELECT * FROM ts_stat('SELECT ''a''::tsvector')",
      "SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, ''b''::tsquery')",
      "DO $$ BEGIN RESET ROLE; END $$",
      "CREATE TEMPORARY TABLE notes (id integer) ON COMMIT DROP",
      "CREATE TABLE public.planted (id integer)",
  };
  for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
    tenantdb_session *session = fixture_session(db, "acme");
    assert_refused_in(session, escapes[i]);
    /* … and when the transaction is under way, where the bind is not in the same flush. */
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
    assert_refused_in(session, escapes[i]);
    harness_assert_ok(tenantdb_session_rollback(session, &error), error);
    tenantdb_session_close(session);
  }
}

static void test_applied(void **state) {
  (void)state;
  place p = make_place("LOGIN CREATEROLE");
  char *before = privileges(p.url);
  fixture_assert_error(fixture_refused(p.as_owner, NULL, FIXTURE_OPTIONS("isolation.level", "hardened")),
                       TENANTDB_ISOLATION, TENANTDB_REASON_ISOLATION_TOO_LOW, "call tenantdb_harden()");
  tenantdb_result_free(harden(p.url, false, 1));
  int32_t level = 0;
  tenantdb *db = fixture_ready(p.as_owner, FIXTURE_OPTIONS("isolation.minimum", "hardened"));
  harness_assert_ok(tenantdb_isolation(db, &level, NULL, &error), error);
  assert_int_equal(level, TENANTDB_ISOLATION_HARDENED);
  /* The owner works on: the bind, a new tenant, bootstrap, a shared session's own settings. */
  tenantdb_tenant_free(fixture_tenant(db, "globex"));
  tenantdb_session *session = fixture_session(db, "globex");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "1");
  assert_string_equal(fixture_cell(session, "SELECT current_user <> session_user"), "t");
  tenantdb_session_close(session);
  harness_assert_ok(tenantdb_session_open_shared(db, NULL, &session, &error), error);
  fixture_run(session, "CREATE TEMPORARY TABLE mine (id integer) ON COMMIT DROP");
  fixture_run(session, "SELECT set_config('work_mem', '8MB', true)");
  fixture_run(session, "DO $$ BEGIN NULL; END $$");
  tenantdb_session_close(session);
  check_tenant_is_held(db);
  tenantdb_close(db);
  /* Again: nothing is left to do. */
  tenantdb_result *plan = harden(p.url, false, 1);
  assert_int_equal(count_state(plan, "done"), tenantdb_result_rows(plan));
  tenantdb_result_free(plan);
  /* And back, exactly. */
  plan = harden(p.url, true, 0);
  assert_true(count_state(plan, "needed") >= 20);
  tenantdb_result_free(plan);
  plan = harden(p.url, true, 1);
  assert_int_equal(count_state(plan, "needed"), 0);
  tenantdb_result_free(plan);
  char *after = privileges(p.url);
  assert_string_equal(before, after);
  plan = harden(p.url, true, 1);
  assert_int_equal(tenantdb_result_rows(plan), 0);
  tenantdb_result_free(plan);
  free(before);
  free(after);
  drop_place(&p);
}

/* What an administrator had revoked or granted before stays as it was. */
static void test_undo_leaves_the_rest(void **state) {
  (void)state;
  place p = make_place("LOGIN CREATEROLE");
  harness_sql(p.url,
              "REVOKE EXECUTE ON FUNCTION pg_catalog.ts_stat(text) FROM PUBLIC; REVOKE TEMPORARY ON DATABASE "
              "\"%s\" FROM PUBLIC; GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO "
              "\"%s\"",
              p.name, p.owner);
  char *before = privileges(p.url);
  tenantdb_result_free(harden(p.url, false, 1));
  tenantdb_result_free(harden(p.url, true, 1));
  char *after = privileges(p.url);
  assert_string_equal(before, after);
  /* What stands in the table is only names: a line that somebody put there undoes nothing else. */
  harness_sql(p.url,
              "INSERT INTO tenantdb.hardening (action, object, who) VALUES ('revoke', 'EXECUTE ON FUNCTION "
              "pg_catalog.pg_read_file(text)', 'PUBLIC')");
  tenantdb_result *plan = harden(p.url, true, 1);
  assert_int_equal(tenantdb_result_rows(plan), 1);
  assert_string_equal(tenantdb_result_value(plan, 0, 4), "no longer there");
  tenantdb_result_free(plan);
  free(after);
  after = privileges(p.url);
  assert_string_equal(before, after);
  free(before);
  free(after);
  drop_place(&p);
}

/* A user of sessions in the group, and one named by the option, keep what they need. */
static void test_users_kept(void **state) {
  (void)state;
  place p = make_place("LOGIN CREATEROLE");
  const char *member = harness_role("LOGIN");
  const char *named = harness_role("LOGIN");
  const char *other = harness_role("LOGIN");
  char *group = harness_value(p.url, "SELECT group_role FROM tenantdb.catalog");
  harness_sql(p.url, "GRANT \"%s\" TO \"%s\"", group, member);
  char list[200];
  snprintf(list, sizeof list, " nobody , %s", named);
  tenantdb *db =
      fixture_open(p.url, NULL, FIXTURE_OPTIONS("isolation.level", "role", "isolation.users", list));
  harness_assert_ok(tenantdb_harden(db, 1, NULL, &error), error);
  tenantdb_close(db);
  static const char asked[] =
      "SELECT has_function_privilege('%s', 'set_config(text,text,boolean)', 'EXECUTE')::int";
  assert_int_equal(harness_count(p.url, asked, member), 1);
  assert_int_equal(harness_count(p.url, asked, named), 1);
  assert_int_equal(harness_count(p.url, asked, other), 0);
  assert_int_equal(harness_count(p.url, asked, group), 0);
  assert_int_equal(
      harness_count(p.url,
                    "SELECT count(*) FROM tenantdb.tenants WHERE has_function_privilege(role_name, "
                    "'set_config(text,text,boolean)', 'EXECUTE')"),
      0);
  tenantdb_result_free(harden(p.url, true, 1));
  assert_int_equal(harness_count(p.url, asked, other), 1);
  assert_int_equal(
      harness_count(p.url,
                    "SELECT count(*) FROM pg_proc, aclexplode(proacl) a WHERE proname = 'set_config' AND "
                    "a.grantee NOT IN (0, proowner)"),
      0);
  free(group);
  drop_place(&p);
}

/* The group was given the right by somebody: taking it from PUBLIC would not be enough. */
static void test_group_granted(void **state) {
  (void)state;
  place p = make_place("LOGIN CREATEROLE");
  char *group = harness_value(p.url, "SELECT group_role FROM tenantdb.catalog");
  harness_sql(p.url, "GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO \"%s\"", group);
  tenantdb_result_free(harden(p.url, false, 1));
  tenantdb *db = fixture_open(p.as_owner, NULL, FIXTURE_OPTIONS("isolation.minimum", "hardened"));
  check_tenant_is_held(db);
  tenantdb_close(db);
  tenantdb_result_free(harden(p.url, true, 1));
  assert_int_equal(harness_count(p.url,
                                 "SELECT has_function_privilege('%s', 'set_config(text,text,boolean)', "
                                 "'EXECUTE')::int",
                                 group),
                   1);
  free(group);
  drop_place(&p);
}

/* Somebody opens one thing again: then it is not hardened any more, and that is said. */
static void test_opened_again(void **state) {
  (void)state;
  place p = make_place("LOGIN CREATEROLE");
  tenantdb_result_free(harden(p.url, false, 1));
  harness_sql(p.url,
              "GRANT EXECUTE ON FUNCTION pg_catalog.query_to_xml(text, boolean, boolean, text) TO PUBLIC");
  error = fixture_refused(p.as_owner, NULL, FIXTURE_OPTIONS("isolation.minimum", "hardened"));
  harness_assert_message(error, "query_to_xml");
  fixture_assert_error(error, TENANTDB_ISOLATION, TENANTDB_REASON_ISOLATION_TOO_LOW,
                       "isolation.minimum is hardened, but 1 things can be used to leave a tenant's scope");
  tenantdb *db = fixture_open(p.as_owner, NULL, NULL);
  tenantdb_result *reasons = NULL;
  int32_t level = 0;
  harness_assert_ok(tenantdb_isolation(db, &level, &reasons, &error), error);
  assert_int_equal(level, TENANTDB_ISOLATION_ROLE);
  assert_string_equal(
      tenantdb_result_value(reasons, 2, 3),
      "REVOKE EXECUTE ON FUNCTION pg_catalog.query_to_xml(text, boolean, boolean, text) FROM PUBLIC;\n");
  tenantdb_result_free(reasons);
  tenantdb_close(db);
  drop_place(&p);
}

/* ---------------------------------------------------------------- who may */

static void test_not_superuser(void **state) {
  (void)state;
  place p = make_place("LOGIN CREATEROLE");
  char *before = privileges(p.url);
  harness_sql(p.url, "ALTER DATABASE \"%s\" OWNER TO \"%s\"", p.name, p.owner);
  free(before);
  before = privileges(p.url);
  tenantdb *db = fixture_open(p.as_owner, NULL, NULL);
  tenantdb_result *plan = NULL;
  harness_assert_ok(tenantdb_harden(db, 0, &plan, &error), error);
  assert_true(count_state(plan, "refused") >= 18);
  assert_true(count_state(plan, "needed") >= 1); /* TEMPORARY, as the owner of the database */
  for (int32_t i = 0; i < tenantdb_result_rows(plan); i++) {
    if (strcmp(tenantdb_result_value(plan, i, 3), "refused") == 0) {
      assert_non_null(
          strstr(tenantdb_result_value(plan, i, 4), "and superusers may; the connected user is "));
    }
  }
  tenantdb_result_free(plan);
  fixture_assert_refused(tenantdb_harden(db, 1, &plan, &error), error, TENANTDB_PERMISSION,
                         TENANTDB_REASON_HARDEN_REFUSED, "set_config");
  assert_null(plan);
  tenantdb_close(db);
  char *after = privileges(p.url);
  assert_string_equal(before, after);
  free(before);
  free(after);
  drop_place(&p);
}

/* Who works as a superuser is not held by what others may not do; the tenant's role is. */
static void test_superuser_works(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  harness_assert_ok(tenantdb_harden(db, 1, NULL, &error), error);
  check_tenant_is_held(db);
  tenantdb_close(db);
  assert_string_equal(harness_sqlstate(url, "SELECT pg_catalog.set_config('search_path', '', false)"),
                      "00000");
  harness_drop_database(url);
}

static void test_extensions(void **state) {
  (void)state;
  const char *url = harness_database();
  if (harness_count(
          url, "SELECT count(*) FROM pg_available_extensions WHERE name IN ('dblink', 'tablefunc')") < 2) {
    harness_drop_database(url);
    skip();
  }
  harness_sql(url, "CREATE EXTENSION dblink; CREATE EXTENSION tablefunc");
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  harness_assert_ok(tenantdb_harden(db, 1, NULL, &error), error);
  tenantdb_session *session = fixture_session(db, "acme");
  assert_refused_in(session,
                    "SELECT * FROM public.crosstab('SELECT ''a''::text, ''b''::text, ''c''::text') AS t (a "
                    "text, b text)");
  assert_refused_in(session, "SELECT public.dblink_connect('dbname=postgres')");
  tenantdb_session_close(session);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Every allocation fails in turn: the plan is whole or there is none, and nothing is left over. */
static void test_no_memory(void **state) {
  (void)state;
  place p = make_place("LOGIN CREATEROLE");
  int64_t live = tndb_memory_live();
  tenantdb *db = fixture_open(p.url, NULL, FIXTURE_OPTIONS("isolation.users", "a, b"));
  for (int32_t apply = 0; apply < 2; apply++) {
    tenantdb_status status = TENANTDB_MEMORY;
    for (uint64_t n = 1; status == TENANTDB_MEMORY; n++) {
      tenantdb_result *plan = NULL;
      assert_true(n < 2000);
      tndb_memory_fail(n, false);
      status = tenantdb_harden(db, apply, &plan, &error);
      tndb_memory_fail(0, false);
      assert_true(status ? plan == NULL : plan != NULL);
      assert_true(!status || status == TENANTDB_MEMORY || status == TENANTDB_UNKNOWN);
      tenantdb_error_free(error);
      error = NULL;
      tenantdb_result_free(plan);
    }
    assert_int_equal(status, TENANTDB_OK);
  }
  tenantdb_close(db);
  assert_int_equal(tndb_memory_live(), live);
  tenantdb_result_free(harden(p.url, true, 1));
  drop_place(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_plan_changes_nothing),
      cmocka_unit_test(test_arguments),
      cmocka_unit_test(test_applied),
      cmocka_unit_test(test_undo_leaves_the_rest),
      cmocka_unit_test(test_users_kept),
      cmocka_unit_test(test_group_granted),
      cmocka_unit_test(test_opened_again),
      cmocka_unit_test(test_not_superuser),
      cmocka_unit_test(test_no_memory),
      cmocka_unit_test(test_superuser_works),
      cmocka_unit_test(test_extensions),
  };
  return cmocka_run_group_tests_name("harden", tests, NULL, NULL);
}

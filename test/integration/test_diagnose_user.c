/* SPDX-License-Identifier: PostgreSQL */
/*
 * Diagnosis by users who are no superusers, and of configurations by which
 * nothing can be opened.
 */
#include "base/memory.h"
#include "diagnosed.h"

static const char *url;     /* a superuser's */
static const char *creator; /* may create roles, and owns the database */
static const char *plain;   /* may connect, and no more */
static char *creator_url, *plain_url;
static tenantdb_error *error;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  creator = harness_role("LOGIN CREATEROLE");
  plain = harness_role("LOGIN");
  creator_url = harness_url_with(url, NULL, creator, NULL);
  plain_url = harness_url_with(url, NULL, plain, NULL);
  char *name = harness_database_name(url);
  harness_sql(url, "ALTER DATABASE %s OWNER TO %s; REVOKE CREATE ON SCHEMA public FROM PUBLIC", name,
              creator);
  harness_sql(url, "GRANT CREATE ON SCHEMA public TO %s", creator);
  free(name);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  free(creator_url);
  free(plain_url);
  harness_drop_database(url);
  return 0;
}

static void run_found(const tenantdb_result *findings, const char *code, const char *object) {
  int32_t row = diagnosed_row(findings, code, object);
  if (row < 0) {
    diagnosed_print(findings);
  }
  assert_true(row >= 0);
  char *sql = diagnosed_sql(findings, row);
  harness_sql(url, "%s", sql);
  free(sql);
}

static void mend(tenantdb *db, const char *code, const char *object) {
  tenantdb_result *findings = diagnosed(db, NULL);
  run_found(findings, code, object);
  tenantdb_result_free(findings);
  if (diagnosed_has(db, NULL, code, object)) {
    print_error("%s %s is still there\n", code, object);
  }
  assert_false(diagnosed_has(db, NULL, code, object));
}

/* Who owns everything: a clean database is clean for him, and a stranger's row security is his affair. */
static void test_creator(void **state) {
  (void)state;
  tenantdb *db = fixture_open(creator_url, NULL, FIXTURE_OPTIONS(ANY_RELEASE));
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_tenant *tenant = fixture_tenant(db, "a");
  tenantdb_result *findings = diagnosed(db, NULL);
  assert_int_equal(diagnosed_alarms(findings, ""), 0);
  assert_int_equal(diagnosed_row(findings, "connected-superuser", ""), -1);
  tenantdb_result_free(findings);
  harness_sql(
      url,
      "ALTER ROLE %s BYPASSRLS; ALTER TABLE %s.notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
      creator, tenantdb_tenant_schema(tenant));
  mend(db, "row-security-bypassed", creator);
  harness_sql(url, "ALTER TABLE %s.notes DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
              tenantdb_tenant_schema(tenant));
  harness_sql(url, "ALTER ROLE %s CONNECTION LIMIT 10", creator);
  mend(db, "connections-too-few", creator);
  harness_sql(url, "ALTER ROLE %s CONNECTION LIMIT -1", creator);
  harness_sql(url, "ALTER ROLE %s SET search_path TO nowhere", creator);
  mend(db, "search-path-set", creator);
  /* The path of a whole application in one schema is as it should be. */
  harness_sql(url, "ALTER ROLE %s SET search_path TO \"$user\", public", creator);
  assert_false(diagnosed_has(db, NULL, "search-path-set", ""));
  harness_sql(url, "ALTER ROLE %s RESET search_path", creator);
  tenantdb_tenant_free(tenant);
  tenantdb_close(db);
}

/* One who may do nothing yet: every right he lacks is found, and what he then still lacks. */
static void test_plain(void **state) {
  (void)state;
  tenantdb_result *findings = NULL;
  tenantdb_config *config =
      fixture_config(plain_url, FIXTURE_OPTIONS(ANY_RELEASE, "isolation.level", "role"));
  tenantdb *db = NULL;
  fixture_assert_refused(tenantdb_open(config, NULL, &db, &error), error, TENANTDB_PERMISSION,
                         TENANTDB_REASON_SERVER_PERMISSION, "permission denied");
  int64_t live = tndb_memory_live();
  const char *const objects[] = {"schema tenantdb", "tenantdb.catalog", "tenantdb.tenants"};
  for (size_t i = 0; i < 3; i++) {
    harness_assert_ok(tenantdb_diagnose_connection(config, &findings, &error), error);
    run_found(findings, "catalog-unreadable", objects[i]);
    tenantdb_result_free(findings);
  }
  harness_assert_ok(tenantdb_diagnose_connection(config, &findings, &error), error);
  assert_int_equal(diagnosed_row(findings, "catalog-unreadable", ""), -1);
  run_found(findings, "isolation-too-low", "level role");
  tenantdb_result_free(findings);
  assert_int_equal(tndb_memory_live(), live);
  tenantdb_config_free(config);

  db = fixture_open(plain_url, NULL, FIXTURE_OPTIONS(ANY_RELEASE));
  int32_t level = 0;
  harness_assert_ok(tenantdb_isolation(db, &level, NULL, &error), error);
  assert_int_equal(level, TENANTDB_ISOLATION_ROLE);
  mend(db, "user-not-member", "tenant_role_");
  tenantdb_session *session = fixture_session(db, "a");
  fixture_run(session, "SELECT count(*) FROM notes");
  tenantdb_session_close(session);
  mend(db, "catalog-read-only", "schema tenantdb");
  mend(db, "cannot-create", "database");
  tenantdb_close(db);
}

/* Without a catalog it matters more that no schema may be made. */
static void test_bare(void **state) {
  (void)state;
  const char *own = harness_database(), *kept = url;
  char *own_url = harness_url_with(own, NULL, plain, NULL);
  tenantdb *db = fixture_open(own_url, NULL, FIXTURE_OPTIONS(ANY_RELEASE));
  assert_true(diagnosed_has(db, NULL, "catalog-missing", ""));
  url = own;
  mend(db, "create-missing", "database");
  url = kept;
  tenantdb_close(db);
  free(own_url);
  harness_drop_database(own);
}

/* At level routing it is the connected user who needs the rights: the seed's second trouble. */
static void test_routing(void **state) {
  (void)state;
  const char *own = harness_database();
  char *own_url = harness_url_with(own, NULL, plain, NULL);
  tenantdb *super = fixture_ready(own, FIXTURE_OPTIONS(ANY_RELEASE, "isolation.level", "routing"));
  tenantdb_tenant *tenant = fixture_tenant(super, "a");
  harness_sql(own,
              "REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA tenantdb TO %s;"
              " GRANT SELECT ON tenantdb.catalog, tenantdb.tenants TO %s",
              plain, plain);
  tenantdb *db = fixture_open(own_url, NULL, FIXTURE_OPTIONS(ANY_RELEASE, "isolation.level", "routing"));
  const char *const mended[][2] = {{"schema-permission", "schema tenant_a"},
                                   {"table-permission", ".notes"},
                                   {"table-permission", "items_id_seq"},
                                   {"table-permission", ".items"},
                                   {"shared-permission", "plans"}};
  const char *kept = url;
  url = own;
  for (size_t i = 0; i < sizeof mended / sizeof mended[0]; i++) {
    mend(db, mended[i][0], mended[i][1]);
  }
  url = kept;
  tenantdb_result *findings = diagnosed(db, NULL);
  assert_int_equal(diagnosed_alarms(findings, ""), 0);
  assert_true(diagnosed_row(findings, "cannot-look", "") >= 0); /* the catalog's other tables */
  tenantdb_result_free(findings);
  tenantdb_session *session = fixture_session(db, "a");
  fixture_run(session, "INSERT INTO items (n) VALUES (1)");
  fixture_run(session, "SELECT name FROM public.plans");
  tenantdb_session_close(session);
  /* A catalog that is taken away while the handle is open. */
  harness_sql(own, "REVOKE USAGE ON SCHEMA tenantdb FROM %s", plain);
  assert_true(diagnosed_has(db, NULL, "catalog-unreadable", "schema tenantdb"));
  assert_true(diagnosed_has(db, "a", "catalog-unreadable", "schema tenantdb"));
  tenantdb_tenant_free(tenant);
  tenantdb_close(super);
  tenantdb_close(db);
  free(own_url);
  harness_drop_database(own);
}

/* ---------------------------------------------------------------- what cannot be opened */

/* The one finding of a configuration; its object holds the text. */
static tenantdb_result *refused(const char *to, const char *code, const char *object) {
  tenantdb_result *findings = NULL;
  tenantdb_config *config = fixture_config(to, FIXTURE_OPTIONS("database.connect_timeout", "5s"));
  harness_assert_ok(tenantdb_diagnose_connection(config, &findings, &error), error);
  tenantdb_config_free(config);
  if (diagnosed_row(findings, code, object) != 0) {
    print_error("%s is not found:\n", code);
    diagnosed_print(findings);
  }
  assert_int_equal(tenantdb_result_rows(findings), 1);
  assert_int_equal(diagnosed_row(findings, code, object), 0);
  assert_string_equal(tenantdb_result_value(findings, 0, LEVEL), "error");
  return findings;
}

static void test_unreachable(void **state) {
  (void)state;
  tenantdb_result_free(
      refused("host=no-such-host.invalid user=a dbname=b", "host-not-found", "no-such-host.invalid"));
  tenantdb_result_free(
      refused("host=127.0.0.1 port=1 user=a dbname=b", "server-unreachable", "host 127.0.0.1, port 1"));
  tenantdb_result_free(refused("host=/no/such/place user=a dbname=b", "server-unreachable",
                               "socket /no/such/place/.s.PGSQL."));
  tenantdb_result_free(refused("postgresql://%%%", "cannot-open", "database.url"));
}

static void test_refused(void **state) {
  (void)state;
  char *to = harness_url_with(url, "no such \"base\"", NULL, NULL);
  tenantdb_result *findings = refused(to, "database-missing", "\"no such \"\"base\"\"\"");
  run_found(findings, "database-missing", "base");
  tenantdb_result_free(findings);
  tenantdb_config *config = fixture_config(to, NULL);
  harness_assert_ok(tenantdb_diagnose_connection(config, &findings, &error), error);
  assert_true(diagnosed_row(findings, "catalog-missing", "") >= 0);
  tenantdb_result_free(findings);
  tenantdb_config_free(config);
  harness_sql(url, "DROP DATABASE \"no such \"\"base\"\"\"");
  free(to);

  to = harness_url_with(url, NULL, "nobody at all", NULL);
  tenantdb_result_free(refused(to, "login-refused", "\"nobody at all\""));
  free(to);

  char *name = harness_database_name(url);
  harness_sql(url, "REVOKE CONNECT ON DATABASE %s FROM PUBLIC", name);
  findings = refused(plain_url, "connect-not-granted", name);
  run_found(findings, "connect-not-granted", name);
  tenantdb_result_free(findings);
  harness_sql(url, "GRANT CONNECT ON DATABASE %s TO PUBLIC", name);
  harness_sql(url, "ALTER ROLE %s CONNECTION LIMIT 0", plain);
  tenantdb_result_free(refused(plain_url, "server-not-ready", ""));
  harness_sql(url, "ALTER ROLE %s CONNECTION LIMIT -1", plain);
  free(name);
}

/* One that can be opened, and one whose catalog is of another time. */
static void test_open(void **state) {
  (void)state;
  tenantdb_result *findings = NULL;
  tenantdb_config *config = fixture_config(url, FIXTURE_OPTIONS(ANY_RELEASE));
  harness_assert_ok(tenantdb_diagnose_connection(config, &findings, &error), error);
  assert_int_equal(diagnosed_alarms(findings, "shared-permission-extra owner-differs"), 0);
  tenantdb_result_free(findings);
  harness_sql(url, "UPDATE tenantdb.catalog SET version = version + 90");
  fixture_assert_error(fixture_refused(url, NULL, NULL), TENANTDB_UNSUPPORTED, TENANTDB_REASON_CATALOG_NEWER,
                       "newer");
  harness_assert_ok(tenantdb_diagnose_connection(config, &findings, &error), error);
  assert_int_equal(diagnosed_row(findings, "catalog-newer", "\"tenantdb\""), 0);
  tenantdb_result_free(findings);
  harness_sql(url, "UPDATE tenantdb.catalog SET version = version - 90");
  tenantdb_config_free(config);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_creator), cmocka_unit_test(test_plain),       cmocka_unit_test(test_bare),
      cmocka_unit_test(test_routing), cmocka_unit_test(test_unreachable), cmocka_unit_test(test_refused),
      cmocka_unit_test(test_open),
  };
  return cmocka_run_group_tests_name("diagnose user", tests, setup, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Level login: passwords and who keeps them, connections that are a tenant's alone, and their end. */
#include "catalog/login.h"
#include "fixture.h"

static harness_server *server;
static char *url;   /* a superuser, who needs no password */
static char *owner; /* a user who may create roles, and needs none either */
static tenantdb_error *error;

static tndb_pool_counts count_of(tndb_pool *pool) {
  tndb_pool_counts counts;
  tndb_pool_count(pool, &counts);
  return counts;
}

/* Everybody but those two needs a password. */
static int setup(void **state) {
  (void)state;
  server = harness_server_start();
  const char *own = harness_server_url(server);
  harness_sql(own, "CREATE ROLE app LOGIN CREATEROLE");
  harness_sql(own, "CREATE DATABASE fleet OWNER app");
  char *place = harness_value(own, "SELECT current_setting('hba_file')");
  harness_sql(own,
              "COPY (VALUES ('local all postgres trust'), ('local all app trust'), ('local all all "
              "scram-sha-256')) TO '%s'; SELECT pg_reload_conf()",
              place);
  free(place);
  url = harness_url_with(own, "fleet", NULL, NULL);
  owner = harness_url_with(own, "fleet", "app", NULL);
  harness_sql(url, "GRANT CREATE ON SCHEMA public TO app");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  free(url);
  free(owner);
  harness_server_remove(server);
  return 0;
}

/* ---------------------------------------------------------------- one who keeps passwords */

#define KEPT 64

static struct keeper {
  char credential[KEPT][40];
  char role[KEPT][64];
  char password[KEPT][80];
  int stored;
  int forgotten;
  int fetched;
  int32_t answer; /* what the next store answers */
  int32_t fetch_answer;
} keeper;

static int32_t store(void *user, const char *tenant, const char *role, const char *credential,
                     const char *password) {
  struct keeper *k = user;
  assert_int_equal(strlen(tenant), 36);
  for (int i = 0; i < KEPT; i++) {
    if (!password && strcmp(k->credential[i], credential) == 0) {
      k->credential[i][0] = '\0';
      k->forgotten++;
      return 0;
    }
    assert_true(!password || strcmp(k->credential[i], credential) != 0); /* nothing is overwritten */
  }
  for (int i = 0; password && !k->answer && i < KEPT; i++) {
    if (!k->credential[i][0]) {
      snprintf(k->credential[i], sizeof k->credential[i], "%s", credential);
      snprintf(k->role[i], sizeof k->role[i], "%s", role);
      snprintf(k->password[i], sizeof k->password[i], "%s", password);
      k->stored++;
      return 0;
    }
  }
  return k->answer;
}

static int32_t fetch(void *user, const char *tenant, const char *role, const char *credential, char *buffer,
                     size_t size) {
  struct keeper *k = user;
  (void)tenant;
  k->fetched++;
  for (int i = 0; !k->fetch_answer && i < KEPT; i++) {
    if (strcmp(k->credential[i], credential) == 0) {
      assert_string_equal(k->role[i], role);
      snprintf(buffer, size, "%s", k->password[i]);
      return 0;
    }
  }
  return k->fetch_answer ? k->fetch_answer : 404;
}

static int kept(void) {
  int count = 0;
  for (int i = 0; i < KEPT; i++) {
    count += keeper.credential[i][0] != '\0';
  }
  return count;
}

static tenantdb *open_login(const char *as, const char *const *options) {
  tenantdb_config *config = fixture_config(as, options);
  tenantdb_registry *registry = fixture_registry();
  tenantdb *db = NULL;
  harness_assert_ok(tenantdb_config_set(config, "isolation.level", "login", &error), error);
  tenantdb_config_credentials(config, store, fetch, &keeper);
  harness_assert_ok(tenantdb_open(config, registry, &db, &error), error);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_config_free(config);
  tenantdb_registry_free(registry);
  return db;
}

static tenantdb_status lease(tenantdb *db, const tenantdb_tenant *tenant, tndb_conn **conn) {
  return tndb_login_lease(db, tenant, tndb_deadline_in(3000), conn, &error);
}

/* What a connection answers, or the SQLSTATE it refuses with. */
static const char *answer(tndb_conn *conn, const char *sql) {
  static char text[400];
  PGresult *rows = NULL;
  tenantdb_error *own = NULL;
  if (tndb_exchange_single(conn, sql, NULL, tndb_deadline_in(10000), &rows, &own)) {
    snprintf(text, sizeof text, "%s", tenantdb_error_sqlstate(own));
  } else {
    snprintf(text, sizeof text, "%s", PQntuples(rows) ? PQgetvalue(rows, 0, 0) : "");
  }
  tenantdb_error_free(own);
  PQclear(rows);
  return text;
}

static void purge(tenantdb *db, tenantdb_tenant *tenant) {
  harness_assert_ok(tenantdb_tenant_purge(db, tenantdb_tenant_id(tenant), 1, &error), error);
  tenantdb_tenant_free(tenant);
}

/* ---------------------------------------------------------------- opening */

static void test_who_keeps_passwords(void **state) {
  (void)state;
  fixture_assert_error(fixture_refused(owner, NULL, FIXTURE_OPTIONS("isolation.level", "login")),
                       TENANTDB_ISOLATION, TENANTDB_REASON_ISOLATION_TOO_LOW, "nobody keeps the passwords");
  fixture_assert_error(
      fixture_refused(owner, NULL, FIXTURE_OPTIONS("isolation.minimum", "login", "login.passwords", "none")),
      TENANTDB_ISOLATION, TENANTDB_REASON_ISOLATION_TOO_LOW, "set isolation.level to login");
  tenantdb *db = open_login(owner, FIXTURE_OPTIONS("isolation.minimum", "login"));
  tenantdb_result *reasons = NULL;
  int32_t level = 0;
  harness_assert_ok(tenantdb_isolation(db, &level, &reasons, &error), error);
  assert_int_equal(level, TENANTDB_ISOLATION_LOGIN);
  assert_string_equal(tenantdb_result_value(reasons, 3, 0), "login");
  assert_string_equal(tenantdb_result_value(reasons, 3, 1), "yes");
  assert_string_equal(tenantdb_result_value(reasons, 2, 1), "no"); /* this server is not hardened */
  tenantdb_result_free(reasons);
  tenantdb_close(db);
  db = fixture_open(owner, NULL, NULL);
  fixture_assert_refused(tenantdb_tenant_use_password(db, "x", "y", &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TENANT, "x");
  tenantdb_tenant *tenant = fixture_tenant(db, "low");
  fixture_assert_refused(tenantdb_tenant_rotate_password(db, "low", &error), error, TENANTDB_UNSUPPORTED,
                         TENANTDB_REASON_UNSUPPORTED_HERE, "isolation level role");
  purge(db, tenant);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- a tenant's own connection */

static void check_alone(tenantdb *db) {
  tenantdb_tenant *tenant = fixture_tenant(db, "acme");
  tenantdb_tenant *other = fixture_tenant(db, "other");
  char *verifier = harness_value(url, "SELECT rolpassword FROM pg_authid WHERE rolname = '%s'",
                                 tenantdb_tenant_role(tenant));
  assert_memory_equal(verifier, "SCRAM-SHA-256$4096:", 19);
  free(verifier);
  tndb_conn *conn = NULL;
  harness_assert_ok(lease(db, tenant, &conn), error);
  assert_string_equal(answer(conn, "SELECT session_user"), tenantdb_tenant_role(tenant));
  assert_string_equal(answer(conn, "SHOW search_path"), tenant->path);
  assert_string_equal(answer(conn, "INSERT INTO notes (body) VALUES ('mine') RETURNING body"), "mine");
  assert_string_equal(answer(conn, "SELECT count(*) FROM plans"), "42P01");
  assert_string_equal(answer(conn, "SELECT count(*) FROM public.plans"), "0");
  assert_string_equal(answer(conn, "SELECT count(*) FROM public.secrets"), "42501");
  /* Nothing to go back to, and nowhere to go. */
  char sql[300];
  snprintf(sql, sizeof sql, "SELECT body FROM \"%s\".notes", tenantdb_tenant_schema(other));
  assert_string_equal(answer(conn, sql), "42501");
  snprintf(sql, sizeof sql, "SET ROLE \"%s\"", tenantdb_tenant_role(other));
  assert_string_equal(answer(conn, sql), "42501");
  assert_string_equal(answer(conn, "SET ROLE app"), "42501");
  assert_string_equal(answer(conn, "RESET SESSION AUTHORIZATION"), "");
  assert_string_equal(answer(conn, "SELECT current_user"), tenantdb_tenant_role(tenant));
  assert_string_equal(answer(conn, "CREATE TABLE own (id integer)"), "42501");
  tndb_pool_release(conn);
  /* The same again, and for another another. */
  tndb_conn *again = NULL;
  harness_assert_ok(lease(db, tenant, &again), error);
  assert_ptr_equal(again, conn);
  tndb_conn *others = NULL;
  harness_assert_ok(lease(db, other, &others), error);
  assert_string_equal(answer(others, "SELECT count(*) FROM notes"), "0");
  tndb_pool_release(others);
  again->tainted = true;
  tndb_pool_release(again);
  assert_int_equal(count_of(db->logins).idle, 1);
  purge(db, tenant);
  purge(db, other);
}

static void test_alone(void **state) {
  (void)state;
  int before = kept();
  tenantdb *db = open_login(owner, NULL);
  check_alone(db);
  tenantdb_close(db);
  db = open_login(url, NULL);
  check_alone(db);
  tenantdb_close(db);
  assert_int_equal(kept(), before);
}

/* What set_config() is taken for does not matter to a connection of one's own; nothing here needs it. */
static void test_hardened_too(void **state) {
  (void)state;
  tenantdb *super = fixture_ready(url, FIXTURE_OPTIONS("isolation.users", "app"));
  harness_assert_ok(tenantdb_harden(super, 1, NULL, &error), error);
  tenantdb *db = open_login(owner, NULL);
  tenantdb_result *reasons = NULL;
  harness_assert_ok(tenantdb_isolation(db, NULL, &reasons, &error), error);
  assert_string_equal(tenantdb_result_value(reasons, 2, 1), "yes");
  tenantdb_result_free(reasons);
  check_alone(db);
  tenantdb_close(db);
  harness_assert_ok(tenantdb_harden_undo(super, 1, NULL, &error), error);
  tenantdb_close(super);
}

/* ---------------------------------------------------------------- failures of one side or the other */

static void test_store_fails(void **state) {
  (void)state;
  tenantdb *db = open_login(owner, NULL);
  int before = kept();
  keeper.answer = 7;
  fixture_assert_refused(tenantdb_tenant_create(db, "unkept", NULL, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_CREDENTIALS_FAILED, "answered 7");
  harness_assert_fails(tenantdb_tenant_get(db, "unkept", &(tenantdb_tenant *){NULL}, &error), error,
                       TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT);
  keeper.answer = 0;
  tenantdb_tenant *tenant = fixture_tenant(db, "kept");
  keeper.answer = 7;
  harness_assert_fails(tenantdb_tenant_rotate_password(db, "kept", &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_CREDENTIALS_FAILED);
  keeper.answer = 0;
  /* The old one is still in force, and still kept. */
  tndb_conn *conn = NULL;
  harness_assert_ok(lease(db, tenant, &conn), error);
  tndb_pool_release(conn);
  keeper.fetch_answer = 9;
  tndb_pool_shut(db->logins, tenantdb_tenant_role(tenant));
  fixture_assert_refused(lease(db, tenant, &conn), error, TENANTDB_STATE, TENANTDB_REASON_CREDENTIALS_FAILED,
                         "answered 9 for tenant kept");
  assert_null(conn);
  assert_int_equal(count_of(db->logins).open, 0);
  keeper.fetch_answer = 0;
  purge(db, tenant);
  assert_int_equal(kept(), before);
  tenantdb_close(db);
}

/* The server refuses: what was kept for it is forgotten, and nobody else's password is touched. */
static void test_server_refuses(void **state) {
  (void)state;
  tenantdb *db = open_login(owner, NULL);
  tenantdb_tenant *tenant = fixture_tenant(db, "first");
  int before = kept();
  harness_assert_fails(tenantdb_tenant_create(db, "FIRST", NULL, NULL, &error), error,
                       TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SLUG_TAKEN);
  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
  tenantdb_tenant_spec_set(spec, "id", tenantdb_tenant_id(tenant));
  harness_assert_fails(tenantdb_tenant_create(db, "second", spec, NULL, &error), error,
                       TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_ID_TAKEN);
  tenantdb_tenant_spec_free(spec);
  assert_int_equal(kept(), before);
  tndb_conn *conn = NULL;
  harness_assert_ok(lease(db, tenant, &conn), error);
  tndb_pool_release(conn);
  purge(db, tenant);
  tenantdb_close(db);
}

static void test_activate(void **state) {
  (void)state;
  tenantdb *db = open_login(owner, NULL);
  int before = kept();
  tenantdb_tenant *tenant = NULL;
  harness_assert_ok(tenantdb_tenant_register(db, "wait", NULL, NULL, &error), error);
  assert_int_equal(kept(), before);
  harness_assert_ok(tenantdb_tenant_activate(db, "wait", &tenant, &error), error);
  assert_int_equal(kept(), before + 1);
  tndb_conn *conn = NULL;
  harness_assert_ok(lease(db, tenant, &conn), error);
  tndb_pool_release(conn);
  harness_assert_fails(tenantdb_tenant_activate(db, "wait", NULL, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_TENANT_STATE);
  assert_int_equal(kept(), before + 1);
  purge(db, tenant);
  assert_int_equal(kept(), before);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- changes */

static void test_rotate(void **state) {
  (void)state;
  tenantdb *db = open_login(owner, NULL);
  tenantdb *elsewhere = open_login(owner, FIXTURE_OPTIONS("session.tenant_cache", "1h"));
  tenantdb_tenant *old = fixture_tenant(db, "turn");
  int before = kept();
  tndb_conn *conn = NULL;
  harness_assert_ok(lease(db, old, &conn), error);
  harness_assert_ok(tenantdb_tenant_rotate_password(db, "turn", &error), error);
  assert_int_equal(kept(), before);
  assert_string_equal(answer(conn, "SELECT 1"), "1"); /* what is open stays */
  tndb_pool_release(conn);
  assert_int_equal(
      harness_count(
          url, "SELECT count(*) FROM tenantdb.audit WHERE tenant_id = '%s' AND action = 'rotate password'",
          tenantdb_tenant_id(old)),
      1);
  /* Another process knows the tenant as he was: what it is refused makes it look again. */
  tndb_conn *theirs = NULL;
  harness_assert_ok(lease(elsewhere, old, &theirs), error);
  tndb_pool_release(theirs);
  purge(db, old);
  tenantdb_close(elsewhere);
  tenantdb_close(db);
}

/* However often he comes: the server is asked a few times only, and everybody is told the same. */
static void assert_not_tried_each_time(tenantdb *db, const tenantdb_tenant *tenant) {
  tndb_conn *conn = NULL;
  int before = keeper.fetched;
  int64_t until = fixture_now_ms() + 500;
  int calls = 0;
  for (; fixture_now_ms() < until; calls++) {
    harness_assert_status(lease(db, tenant, &conn), error, TENANTDB_PERMISSION,
                          TENANTDB_REASON_AUTHENTICATION);
    assert_string_equal(tenantdb_error_sqlstate(error), "28P01");
    assert_string_equal(tenantdb_error_tenant(error), "locked");
    tenantdb_error_free(error);
    error = NULL;
  }
  assert_true(calls > 50);
  assert_in_range(keeper.fetched - before, 1, 6);
}

/* A password that the server refuses because it was changed behind the keeper's back. */
static void test_refused_password(void **state) {
  (void)state;
  tenantdb *db = open_login(owner, NULL);
  tenantdb_tenant *tenant = fixture_tenant(db, "locked");
  tndb_conn *conn = NULL;
  harness_sql(url, "ALTER ROLE \"%s\" PASSWORD 'another'", tenantdb_tenant_role(tenant));
  harness_assert_status(lease(db, tenant, &conn), error, TENANTDB_PERMISSION, TENANTDB_REASON_AUTHENTICATION);
  assert_string_equal(tenantdb_error_tenant(error), "locked");
  tenantdb_error_free(error);
  error = NULL;
  assert_not_tried_each_time(db, tenant);
  harness_assert_ok(tenantdb_tenant_rotate_password(db, "locked", &error), error);
  tenantdb_tenant *now = NULL;
  harness_assert_ok(tenantdb_tenant_get(db, "locked", &now, &error), error);
  harness_assert_ok(lease(db, now, &conn), error);
  tndb_pool_release(conn);
  tenantdb_tenant_free(now);
  purge(db, tenant);
  tenantdb_close(db);
}

static void test_suspend(void **state) {
  (void)state;
  tenantdb *db = open_login(owner, NULL);
  tenantdb *elsewhere = open_login(owner, NULL);
  tenantdb_tenant *tenant = fixture_tenant(db, "pause");
  tndb_conn *idle = NULL, *theirs = NULL, *conn = NULL;
  harness_assert_ok(lease(db, tenant, &idle), error);
  tndb_pool_release(idle);
  harness_assert_ok(lease(elsewhere, tenant, &theirs), error);
  harness_assert_ok(tenantdb_tenant_suspend(db, "pause", NULL, &error), error);
  assert_int_equal(count_of(db->logins).open, 0);
  for (int i = 0; i < 1500 && harness_count(url, "SELECT count(*) FROM pg_stat_activity WHERE usename = '%s'",
                                            tenantdb_tenant_role(tenant));
       i++) {
    tndb_clock_sleep_ms(20);
  }
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_stat_activity WHERE usename = '%s'",
                                 tenantdb_tenant_role(tenant)),
                   0);
  tndb_clock_sleep_ms(30); /* so soon after an answer nobody looks whether a connection is alive */
  tndb_pool_release(theirs);
  tenantdb_status status = lease(elsewhere, tenant, &conn);
  harness_assert_fails(status, error, TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE);
  harness_assert_ok(tenantdb_tenant_resume(db, "pause", NULL, &error), error);
  harness_assert_ok(lease(elsewhere, tenant, &conn), error);
  tndb_pool_release(conn);
  purge(db, tenant);
  tenantdb_close(elsewhere);
  tenantdb_close(db);
}

/* Made at a lower level, or with another path: reconcile makes them what the level asks for. */
static void test_reconcile(void **state) {
  (void)state;
  tenantdb *role = fixture_ready(owner, FIXTURE_OPTIONS("isolation.level", "role"));
  tenantdb *routing = fixture_ready(owner, FIXTURE_OPTIONS("isolation.level", "routing"));
  tenantdb_tenant *first = fixture_tenant(role, "had-role");
  tenantdb_tenant *second = fixture_tenant(routing, "had-none");
  tenantdb *db = open_login(owner, NULL);
  tndb_conn *conn = NULL;
  fixture_assert_refused(lease(db, first, &conn), error, TENANTDB_PERMISSION,
                         TENANTDB_REASON_CREDENTIALS_NOT_GIVEN, "tenantdb_reconcile()");
  tenantdb_result *done = NULL;
  harness_assert_ok(tenantdb_reconcile(db, &done, &error), error);
  assert_int_equal(tenantdb_result_rows(done), 3);
  tenantdb_result_free(done);
  const tenantdb_tenant *both[] = {first, second};
  for (int i = 0; i < 2; i++) {
    tenantdb_tenant *now = NULL;
    harness_assert_ok(tenantdb_tenant_get(db, tenantdb_tenant_id(both[i]), &now, &error), error);
    harness_assert_ok(lease(db, now, &conn), error);
    tndb_pool_release(conn);
    tenantdb_tenant_free(now);
  }
  harness_assert_ok(tenantdb_reconcile(db, &done, &error), error);
  assert_int_equal(tenantdb_result_rows(done), 0);
  tenantdb_result_free(done);
  /* The path is the role's own, so another extensions.schema is none of it yet: refused, never wrong. */
  harness_sql(url, "CREATE SCHEMA ext");
  tenantdb *other = open_login(owner, FIXTURE_OPTIONS("extensions.schema", "ext"));
  tenantdb_tenant *seen = NULL;
  harness_assert_ok(tenantdb_tenant_get(other, "had-role", &seen, &error), error);
  fixture_assert_refused(lease(other, seen, &conn), error, TENANTDB_ISOLATION,
                         TENANTDB_REASON_SCOPE_NOT_PROVED, "tenantdb_reconcile() sets the path");
  tenantdb_tenant_free(seen);
  harness_assert_ok(tenantdb_reconcile(other, NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_get(other, "had-role", &seen, &error), error);
  harness_assert_ok(lease(other, seen, &conn), error);
  tndb_pool_release(conn);
  tenantdb_tenant_free(seen);
  tenantdb_close(other);
  purge(db, first);
  purge(db, second);
  tenantdb_close(role);
  tenantdb_close(routing);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- without functions */

static void test_caller(void **state) {
  (void)state;
  tenantdb *db =
      fixture_ready(owner, FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "caller"));
  tenantdb *next =
      fixture_ready(owner, FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "caller"));
  tenantdb_tenant *tenant = fixture_tenant(db, "mine");
  tndb_conn *conn = NULL;
  fixture_assert_refused(lease(db, tenant, &conn), error, TENANTDB_PERMISSION,
                         TENANTDB_REASON_CREDENTIALS_NOT_GIVEN, "tenantdb_tenant_use_password()");
  fixture_assert_refused(tenantdb_tenant_rotate_password(db, "mine", &error), error, TENANTDB_UNSUPPORTED,
                         TENANTDB_REASON_UNSUPPORTED_HERE, "tenantdb_tenant_set_password()");
  fixture_assert_refused(tenantdb_tenant_set_password(db, "mine", "", &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "empty");
  harness_assert_ok(tenantdb_tenant_set_password(db, "mine", "o'pen \\ s\xc3\xa9same", &error), error);
  harness_assert_ok(lease(db, tenant, &conn), error);
  tndb_pool_release(conn);
  harness_assert_ok(tenantdb_tenant_use_password(next, "mine", "wrong", &error), error);
  harness_assert_fails(lease(next, tenant, &conn), error, TENANTDB_PERMISSION,
                       TENANTDB_REASON_AUTHENTICATION);
  harness_assert_ok(tenantdb_tenant_use_password(next, "mine", "o'pen \\ s\xc3\xa9same", &error), error);
  harness_assert_ok(lease(next, tenant, &conn), error);
  tndb_pool_release(conn);
  harness_assert_ok(tenantdb_tenant_use_password(next, "mine", NULL, &error), error);
  tndb_pool_shut(next->logins, tenantdb_tenant_role(tenant));
  harness_assert_fails(lease(next, tenant, &conn), error, TENANTDB_PERMISSION,
                       TENANTDB_REASON_CREDENTIALS_NOT_GIVEN);
  purge(db, tenant);
  tenantdb_close(next);
  tenantdb_close(db);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_who_keeps_passwords),
      cmocka_unit_test(test_alone),
      cmocka_unit_test(test_hardened_too),
      cmocka_unit_test(test_store_fails),
      cmocka_unit_test(test_server_refuses),
      cmocka_unit_test(test_activate),
      cmocka_unit_test(test_rotate),
      cmocka_unit_test(test_refused_password),
      cmocka_unit_test(test_suspend),
      cmocka_unit_test(test_reconcile),
      cmocka_unit_test(test_caller),
  };
  return cmocka_run_group_tests_name("login", tests, setup, teardown);
}

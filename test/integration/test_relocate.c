/* SPDX-License-Identifier: PostgreSQL */
/* Shared tables go to another schema at once: with everything that is x_theirs, or not at all. */
#include <pthread.h>

#include "dumped.h"
#include "relocate_fixture.h"

static tenantdb_error *error;

static const char *run_as(const char *url, const char *role, const char *sql) {
  char *as = harness_url_with(url, NULL, role, NULL);
  const char *code = harness_sqlstate(as, "%s", sql);
  free(as);
  return code;
}

/* Everything that worked before works under the new name. */
static void check_use(const char *url, const char *app) {
  assert_int_equal(harness_count(url, "SELECT count(*) FROM \"teddy-ai\".users"), 30);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM public.x_theirs"), 30);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM \"teddy-ai\".sad_users"), 10);
  assert_int_equal(harness_count(url, "INSERT INTO \"teddy-ai\".users (email) VALUES ('new') RETURNING id"),
                   31);
  assert_int_equal(harness_count(url, "SELECT ticket FROM \"teddy-ai\".users WHERE email = 'new'"), 31);
  assert_int_equal(
      harness_count(url, "UPDATE \"teddy-ai\".users SET email = 'newer' WHERE id = 31 RETURNING touched"), 1);
  assert_string_equal(
      harness_sqlstate(url, "INSERT INTO \"teddy-ai\".conversations (user_id, title) VALUES (99, 'x')"),
      "23503");
  assert_string_equal(harness_sqlstate(url, "INSERT INTO \"teddy-ai\".users (email) VALUES ('u1')"), "23505");
  assert_string_equal(run_as(url, app, "UPDATE \"teddy-ai\".users SET mood = 'sad' WHERE id = 1"), "00000");
  assert_string_equal(run_as(url, app, "INSERT INTO \"teddy-ai\".users (email) VALUES ('app')"), "00000");
  assert_string_equal(run_as(url, app, "UPDATE \"teddy-ai\".conversations SET title = 'y'"), "00000");
  assert_string_equal(run_as(url, app, "UPDATE \"teddy-ai\".conversations SET user_id = 1"), "42501");
  assert_string_equal(run_as(url, app, "SELECT * FROM \"teddy-ai\".\"Odd Name\""), "42501");
  harness_sql(url, "DELETE FROM \"teddy-ai\".users WHERE id = 30");
  assert_int_equal(harness_count(url, "SELECT count(*) FROM public.x_theirs"), 29);
}

static void check_tenant(tenantdb *db) {
  tenantdb_session *session = fixture_session(db, "acme");
  fixture_run(session, "INSERT INTO notes (user_id, body) VALUES (1, 'x')");

  tenantdb_session_close(session);
  assert_string_equal(fixture_findings(db, "acme"), "");
}

/* A handle with the new schema finds everything, and has nothing to make. */
static void check_reopened(const char *url) {
  char *before =
      harness_value(url, "SELECT string_agg(c.oid::text || c.xmin, ' ' ORDER BY c.oid) FROM pg_class c");
  tenantdb *db = relocate_open(url, RELOCATE_NEW);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  char *after =
      harness_value(url, "SELECT string_agg(c.oid::text || c.xmin, ' ' ORDER BY c.oid) FROM pg_class c");
  assert_string_equal(before, after);
  free(before);
  free(after);
  check_tenant(db);
  tenantdb_session *shared = NULL;
  harness_assert_ok(tenantdb_session_open_shared(db, NULL, &shared, &error), error);
  assert_string_equal(fixture_cell(shared, "SELECT count(*) FROM conversations"), "29");
  tenantdb_session_close(shared);
  tenantdb_tenant_free(fixture_tenant(db, "after"));
  tenantdb_close(db);
}

static void test_at_once(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  const char *app = harness_role("LOGIN");
  harness_sql(url,
              "GRANT SELECT, INSERT, UPDATE, DELETE ON users TO %s; GRANT UPDATE (title) ON conversations TO"
              " %s; GRANT USAGE ON SEQUENCE users_id_seq, tickets TO %s",
              app, app, app);
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  tenantdb_result *plan = relocate_ok(db, 0, RELOCATE_AT_ONCE);
  assert_int_equal(relocate_rows(plan, 4, "planned"), tenantdb_result_rows(plan));
  assert_int_equal(relocate_rows(plan, 2, "ALTER TABLE \"public\".\"Odd Name\" SET SCHEMA \"teddy-ai\""), 1);
  assert_int_equal(relocate_rows(plan, 3, "ACCESS EXCLUSIVE on the table"), 3);
  assert_int_equal(relocate_rows(plan, 2, "x_theirs"), 0);
  tenantdb_result_free(plan);
  relocate_assert_holds(url, "public", RELOCATE_OLD_TABLES " v:x_theirs");
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'teddy-ai'"), 0);
  plan = relocate_ok(db, 1, RELOCATE_AT_ONCE);
  assert_int_equal(relocate_rows(plan, 4, "done"), tenantdb_result_rows(plan));
  tenantdb_result_free(plan);
  relocate_assert_holds(url, "public", "v:x_theirs");
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_OLD_TABLES);
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"), 0);
  assert_int_equal(
      harness_count(
          url, "SELECT count(*) FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'"),
      0);
  assert_string_equal(harness_sqlstate(url, "SELECT * FROM public.users"), "42P01");
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.audit WHERE action = 'relocate' AND detail = "
                                 "'{\"from\": \"public\", \"to\": \"teddy-ai\"}'"),
                   1);
  check_use(url, app);
  check_reopened(url);
  /* Again: everything is there, and nothing is done. */
  plan = relocate_ok(db, 1, RELOCATE_AT_ONCE);
  assert_int_equal(relocate_rows(plan, 4, "there"), tenantdb_result_rows(plan));
  assert_int_equal(tenantdb_result_rows(plan), 5);
  tenantdb_result_free(plan);
  /* And back, which is the same thing. */
  relocate_do(db, FIXTURE_OPTIONS("from", RELOCATE_NEW, "to", "public"));
  relocate_assert_holds(url, "public", RELOCATE_OLD_TABLES " v:x_theirs");
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  check_tenant(db);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* An independent witness: the schema is what bootstrap makes in it when it is empty. */
static void test_dump(void **state) {
  (void)state;
  tenantdb *db;
  const char *moved = relocate_old(&db);
  harness_sql(moved, "DROP VIEW x_theirs");
  relocate_do(db, RELOCATE_AT_ONCE);
  tenantdb_close(db);
  const char *fresh = harness_database();
  db = relocate_open(fresh, RELOCATE_NEW);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_close(db);
  char *found = dumped(moved, RELOCATE_NEW, false), *expected = dumped(fresh, RELOCATE_NEW, false);
  assert_true(dumped_is("relocated", found, expected));
  free(found);
  free(expected);
  harness_drop_database(moved);
  harness_drop_database(fresh);
}

/* One schema for the whole application, which the environment names. */
static void test_environment(void **state) {
  (void)state;
  static const char *const values[][2] = {
      {NULL, "public"}, {"", "public"}, {"teddy-ai", "teddy-ai"}, {"teddy_ai", "teddy_ai"}};
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    const char *url = harness_database();
    tenantdb *db = NULL;
    tenantdb_session *session = NULL;
    tenantdb_config *config = tenantdb_config_new();
    tenantdb_registry *registry = relocate_registry();
    char *by = harness_library_url(url);
    setenv("DATABASE_URL", by, 1);
    unsetenv("DATABASE_SCHEMA");
    if (values[i][0]) {
      setenv("DATABASE_SCHEMA", values[i][0], 1);
    }
    harness_assert_ok(tenantdb_config_load_env(config, &error), error);
    unsetenv("DATABASE_URL");
    unsetenv("DATABASE_SCHEMA");
    harness_assert_ok(tenantdb_open(config, registry, &db, &error), error);
    harness_assert_ok(tenantdb_bootstrap(db, &error), error);
    relocate_assert_holds(url, values[i][1], RELOCATE_OLD_TABLES);
    tenantdb_tenant_free(fixture_tenant(db, "acme"));
    assert_string_equal(fixture_findings(db, "acme"), "");
    harness_assert_ok(tenantdb_session_open_shared(db, NULL, &session, &error), error);
    fixture_run(session, "INSERT INTO users (email) VALUES ('x')");
    tenantdb_session_close(session);
    free(by);
    tenantdb_config_free(config);
    tenantdb_registry_free(registry);
    tenantdb_close(db);
    harness_drop_database(url);
  }
}

/* ---------------------------------------------------------------- what is refused */

static void test_arguments(void **state) {
  (void)state;
  static const struct {
    const char *options[7];
    int32_t reason;
    const char *text;
  } cases[] = {
      {{NULL}, TENANTDB_REASON_BAD_OPTION_VALUE, "relocate option to must be given with what = shared"},
      {{"to", "public"}, TENANTDB_REASON_BAD_OPTION_VALUE, "from and to are both \"public\""},
      {{"to", ""}, TENANTDB_REASON_BAD_IDENTIFIER, "relocate option to"},
      {{"to", "tenantdb"}, TENANTDB_REASON_BAD_OPTION_VALUE, "the catalog's schema"},
      {{"to", "pg_mine"}, TENANTDB_REASON_BAD_OPTION_VALUE, "PostgreSQL keeps for itself"},
      {{"to", "information_schema"}, TENANTDB_REASON_BAD_OPTION_VALUE, "PostgreSQL's own"},
      {{"tp", "x"}, TENANTDB_REASON_UNKNOWN_OPTION, "did you mean \"to\"?"},
      {{"way", "view"}, TENANTDB_REASON_BAD_OPTION_VALUE, "neither at_once nor views"},
      {{"lock_timeout", "1h"}, TENANTDB_REASON_BAD_OPTION_VALUE, "from 10ms to 10s"},
      {{"tables", "a,,b"}, TENANTDB_REASON_BAD_OPTION_VALUE, "name 2 is empty"},
      {{"to", "x", "tables", "tenants", "from", "tenantdb"},
       TENANTDB_REASON_BAD_OPTION_VALUE,
       "a table of the catalog"},
      {{"to", "x", "tenant", "acme"},
       TENANTDB_REASON_BAD_OPTION_VALUE,
       "tenant means nothing with what = shared"},
      {{"what", "tenant", "to", "x"}, TENANTDB_REASON_BAD_OPTION_VALUE, "tenant must be given"},
      {{"what", "adopt", "tenant", "x"}, TENANTDB_REASON_BAD_OPTION_VALUE, "from must be given"},
      {{"what", "adopt", "tenant", "x", "to", "y"}, TENANTDB_REASON_BAD_OPTION_VALUE, "to means nothing"},
      {{"what", "tenant", "tenant", "x", "to", "PUBLIC"},
       TENANTDB_REASON_BAD_OPTION_VALUE,
       "the shared schema"},
      {{"what", "tenant", "tenant", "x", "to", "y", NULL}, TENANTDB_REASON_UNKNOWN_TENANT, "no tenant"},
  };
  const char *url = harness_database();
  tenantdb *db = relocate_open(url, "public");
  fixture_assert_error(relocate_refused(db, RELOCATE_AT_ONCE, NULL), TENANTDB_STATE,
                       TENANTDB_REASON_CATALOG_MISSING, "tenantdb_bootstrap()");
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tenantdb_result *plan = NULL;
    bool unknown = cases[i].reason == TENANTDB_REASON_UNKNOWN_TENANT;
    fixture_assert_error(relocate_refused(db, cases[i].options, &plan),
                         unknown ? TENANTDB_NOT_FOUND : TENANTDB_ARGUMENT, cases[i].reason, cases[i].text);
    assert_null(plan);
  }
  tenantdb_relocate_options *options = tenantdb_relocate_options_new();
  tenantdb_relocate_options_set(options, NULL, "x");
  tenantdb_relocate_options_set(options, "to", "later mistakes do not count");
  fixture_assert_refused(tenantdb_relocate(db, options, 1, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "key is NULL");
  tenantdb_relocate_options_free(options);
  fixture_assert_refused(tenantdb_relocate(NULL, NULL, 1, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "NULL");
  fixture_assert_refused(tenantdb_relocate(db, NULL, 2, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "neither 0 nor 1");
  tenantdb_relocate_options_set(NULL, "to", "x");
  tenantdb_relocate_options_table(NULL, "x");
  tenantdb_relocate_options_free(NULL);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Refused with the plan in hand, and nothing changed. */
static void refused(tenantdb *db, const char *url, const char *const *options, tenantdb_status status,
                    int32_t reason, const char *text) {
  tenantdb_result *plan = NULL;
  fixture_assert_error(relocate_refused(db, options, &plan), status, reason, text);
  assert_non_null(plan);
  assert_true(relocate_rows(plan, 4, "refused") > 0);
  assert_int_equal(relocate_rows(plan, 4, "done"), 0);
  tenantdb_result_free(plan);
  relocate_assert_holds(url, "public", RELOCATE_OLD_TABLES " v:x_theirs");
  tenantdb_relocate_options *given = relocate_options(options);
  harness_assert_ok(tenantdb_relocate(db, given, 0, &plan, &error), error);
  assert_true(relocate_rows(plan, 4, "refused") > 0);
  tenantdb_result_free(plan);
  tenantdb_relocate_options_free(given);
}

static void test_taken(void **state) {
  (void)state;
  static const char *const things[][3] = {
      {"CREATE TABLE \"teddy-ai\".users (x integer)", "DROP TABLE \"teddy-ai\".users",
       "users: something of that name is in schema teddy-ai already"},
      {"CREATE VIEW \"teddy-ai\".users_at AS SELECT 1", "DROP VIEW \"teddy-ai\".users_at",
       "users_at: something of that name"},
      {"CREATE SEQUENCE \"teddy-ai\".users_id_seq", "DROP SEQUENCE \"teddy-ai\".users_id_seq",
       "users_id_seq: something of that name"},
      {"CREATE DOMAIN \"teddy-ai\".mood AS text", "DROP DOMAIN \"teddy-ai\".mood",
       "mood: a type of that name"},
      {"CREATE FUNCTION \"teddy-ai\".shorten(text) RETURNS text LANGUAGE sql AS 'SELECT NULL'",
       "DROP FUNCTION \"teddy-ai\".shorten", "shorten(t text): a function like it"}};
  tenantdb *db;
  const char *url = relocate_old(&db);
  harness_sql(url, "CREATE SCHEMA \"teddy-ai\"");
  for (size_t i = 0; i < sizeof things / sizeof things[0]; i++) {
    harness_sql(url, "%s", things[i][0]);
    refused(db, url, RELOCATE_AT_ONCE, TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_RELOCATION_NAME_TAKEN,
            things[i][2]);
    refused(db, url, RELOCATE_BY_VIEWS, TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_RELOCATION_NAME_TAKEN,
            things[i][2]);
    harness_sql(url, "%s", things[i][1]);
  }
  harness_sql(url,
              "CREATE FUNCTION \"teddy-ai\".shorten(integer) RETURNS text LANGUAGE sql AS 'SELECT ''x'''");
  relocate_do(db, RELOCATE_AT_ONCE);
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_OLD_TABLES);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* What a text names is no dependency, and would be wrong afterwards. */
static void test_texts(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  harness_sql(
      url,
      "CREATE FUNCTION report() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM Public . \"users\"'");
  refused(db, url, RELOCATE_AT_ONCE, TENANTDB_STATE, TENANTDB_REASON_OLD_NAME_USED,
          "function public.report(): its text names Public . \"users\"");
  harness_sql(url,
              "DROP FUNCTION report(); CREATE FUNCTION report() RETURNS bigint LANGUAGE sql SET search_path "
              "= public, pg_temp AS 'SELECT count(*) FROM users'");
  refused(db, url, RELOCATE_AT_ONCE, TENANTDB_STATE, TENANTDB_REASON_OLD_NAME_USED,
          "it sets its search path to schema public and names users");
  harness_sql(url, "ALTER FUNCTION report() SET search_path = \"teddy-ai\", public");
  harness_sql(url,
              "CREATE FUNCTION harmless() RETURNS text LANGUAGE sql AS 'SELECT ''public.users_of_old "
              "republic.users users.public'''");
  tenantdb_result *plan = relocate_ok(db, 0, RELOCATE_AT_ONCE);
  assert_int_equal(relocate_rows(plan, 4, "refused"), 0);
  tenantdb_result_free(plan);
  harness_sql(url,
              "DROP FUNCTION report(); CREATE FUNCTION report() RETURNS bigint LANGUAGE sql AS 'SELECT "
              "count(*) FROM public.users'");
  plan = relocate_ok(db, 1, FIXTURE_OPTIONS("to", RELOCATE_NEW, "force", "on"));
  assert_int_equal(relocate_rows(plan, 4, "kept"), 1);
  tenantdb_result_free(plan);
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_OLD_TABLES);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Somebody else's table, somebody else's schema, an extension's view, a missing table, a tenant's schema. */
static void test_obstacles(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  const char *mover = harness_role("LOGIN CREATEROLE"), *other = harness_role("NOLOGIN");
  char *as = harness_url_with(url, NULL, mover, NULL);
  char *name = harness_database_name(url);
  harness_sql(url,
              "GRANT ALL ON SCHEMA tenantdb TO %s; GRANT ALL ON ALL TABLES IN SCHEMA tenantdb TO %s; GRANT "
              "ALL ON ALL SEQUENCES IN SCHEMA tenantdb TO %s",
              mover, mover, mover);
  tenantdb *poor = relocate_open(as, "public");
  refused(poor, url, RELOCATE_AT_ONCE, TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION, "owns it and");
  harness_sql(url, "GRANT CREATE ON DATABASE \"%s\" TO %s", name, mover);
  harness_sql(url,
              "ALTER TABLE users OWNER TO %s; ALTER TABLE conversations OWNER TO %s; ALTER TABLE \"Odd "
              "Name\" OWNER TO %s; ALTER VIEW sad_users OWNER TO %s; ALTER SEQUENCE tickets OWNER TO %s",
              mover, mover, mover, mover, mover);
  harness_sql(url, "CREATE SCHEMA \"teddy-ai\"");
  refused(poor, url, RELOCATE_AT_ONCE, TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION,
          "schema teddy-ai: ");
  harness_sql(url, "GRANT ALL ON SCHEMA \"teddy-ai\" TO %s", mover);
  refused(poor, url, RELOCATE_AT_ONCE, TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION,
          "it could not use the new schema");
  harness_sql(url, "ALTER SCHEMA \"teddy-ai\" OWNER TO %s", mover);
  /* What no question foresaw is the server's to refuse: a function that is not his. */
  fixture_assert_error(relocate_refused(poor, RELOCATE_AT_ONCE, NULL), TENANTDB_PERMISSION,
                       TENANTDB_REASON_SERVER_PERMISSION, "must be owner of function");
  relocate_assert_holds(url, "public", RELOCATE_OLD_TABLES " v:x_theirs");
  harness_sql(url,
              "ALTER TABLE \"Odd Name\" OWNER TO %s; ALTER FUNCTION shorten OWNER TO %s; ALTER FUNCTION "
              "touch OWNER TO %s; ALTER TYPE mood OWNER TO %s",
              other, mover, mover, mover);
  refused(poor, url, RELOCATE_AT_ONCE, TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION,
          "is no member of that role");
  harness_sql(url, "GRANT %s TO %s", other, mover);
  relocate_do(poor, RELOCATE_AT_ONCE);
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_OLD_TABLES);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM (SELECT 1 WHERE has_schema_privilege('%s', 'teddy-ai', 'USAGE')) x",
                    other),
      1);
  tenantdb_close(poor);
  relocate_do(db, FIXTURE_OPTIONS("from", RELOCATE_NEW, "to", "public"));
  refused(db, url, FIXTURE_OPTIONS("to", RELOCATE_NEW, "tables", "users,nobody"), TENANTDB_STATE,
          TENANTDB_REASON_RELOCATION_REFUSED, "nobody: it is in neither schema");
  harness_sql(url, "CREATE EXTENSION pg_stat_statements");
  refused(db, url, FIXTURE_OPTIONS("to", RELOCATE_NEW, "tables", "pg_stat_statements"), TENANTDB_STATE,
          TENANTDB_REASON_RELOCATION_REFUSED, "it belongs to extension pg_stat_statements");
  harness_sql(url, "DROP EXTENSION pg_stat_statements");
  tenantdb_tenant *tenant = fixture_tenant(db, "acme");
  refused(db, url, FIXTURE_OPTIONS("to", tenantdb_tenant_schema(tenant)), TENANTDB_STATE,
          TENANTDB_REASON_RELOCATION_REFUSED, "it is the schema of tenant acme");
  tenantdb_tenant_free(tenant);
  free(as);
  free(name);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Some tables, with what is x_theirs alone; partitions go along. */
static void test_some(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  harness_sql(url,
              "CREATE TABLE visits (at date NOT NULL, u integer REFERENCES users (id), m mood, kind text) "
              "PARTITION BY RANGE (at);"
              "CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');"
              "CREATE STATISTICS visits_stats ON u, kind FROM visits_1;"
              "CREATE TYPE place AS (x integer, y integer); CREATE TYPE colour AS ENUM ('red');"
              "CREATE TABLE shapes (at place, colours colour[]); INSERT INTO visits VALUES ('2025-05-05', 1, "
              "'sad', 'k')");
  tenantdb_relocate_options *options = relocate_options(FIXTURE_OPTIONS("to", "Q \"x\""));
  tenantdb_relocate_options_table(options, "visits");
  tenantdb_relocate_options_table(options, "shapes");
  tenantdb_result *plan = NULL;
  harness_assert_ok(tenantdb_relocate(db, options, 1, &plan, &error), error);
  assert_int_equal(relocate_rows(plan, 5, "it stays where it is: used by a column of public."), 1);
  tenantdb_result_free(plan);
  tenantdb_relocate_options_free(options);
  relocate_assert_holds(url, "Q \"\"x\"\"", "r:shapes p:visits r:visits_1");
  relocate_assert_holds(url, "public", RELOCATE_OLD_TABLES " v:x_theirs");
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace "
                                 "WHERE nspname = 'Q \"x\"' AND typname IN ('place', 'colour')"),
                   2);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = "
                                 "stxnamespace WHERE nspname = 'Q \"x\"'"),
                   1);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM \"Q \"\"x\"\"\".visits WHERE m = 'sad'"), 1);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- waiting, and at the same time */

static void *hold_a_while(void *user) {
  harness_sql(user, "BEGIN; LOCK TABLE conversations IN SHARE MODE; SELECT pg_sleep(1.2); COMMIT");
  return NULL;
}

static void test_waiting(void **state) {
  (void)state;
  tenantdb *db;
  pthread_t holder;
  const char *url = relocate_old(&db);
  assert_int_equal(pthread_create(&holder, NULL, hold_a_while, (void *)(uintptr_t)url), 0);
  fixture_pause_us(200000);
  tenantdb_result *plan = NULL;
  fixture_assert_error(
      relocate_refused(db, FIXTURE_OPTIONS("to", RELOCATE_NEW, "lock_timeout", "50ms", "patience", "0"),
                       &plan),
      TENANTDB_BUSY, TENANTDB_REASON_LOCK_TIMEOUT, "");
  assert_null(plan);
  relocate_assert_holds(url, "public", RELOCATE_OLD_TABLES " v:x_theirs");
  int64_t began = fixture_now_ms();
  relocate_do(db, FIXTURE_OPTIONS("to", RELOCATE_NEW, "lock_timeout", "50ms"));
  assert_in_range(fixture_now_ms() - began, 500, 10000);
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_OLD_TABLES);
  pthread_join(holder, NULL);
  tenantdb_close(db);
  harness_drop_database(url);
}

enum { CALLERS = 6 };

static void *relocate_one(void *user) {
  tenantdb_error *own = NULL;
  tenantdb_relocate_options *options = relocate_options(RELOCATE_AT_ONCE);
  tenantdb_status status = tenantdb_relocate(user, options, 1, NULL, &own);
  if (status) {
    print_message("%s\n", tenantdb_error_message(own));
  }
  tenantdb_error_free(own);
  tenantdb_relocate_options_free(options);
  return (void *)(intptr_t)status;
}

static void test_callers(void **state) {
  (void)state;
  tenantdb *db;
  pthread_t callers[CALLERS];
  const char *url = relocate_old(&db);
  for (int i = 0; i < CALLERS; i++) {
    assert_int_equal(pthread_create(&callers[i], NULL, relocate_one, db), 0);
  }
  for (int i = 0; i < CALLERS; i++) {
    void *status;
    pthread_join(callers[i], &status);
    assert_ptr_equal(status, NULL);
  }
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_OLD_TABLES);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.audit WHERE action = 'relocate'"), 1);
  tenantdb_close(db);
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_at_once),   cmocka_unit_test(test_dump),  cmocka_unit_test(test_environment),
      cmocka_unit_test(test_arguments), cmocka_unit_test(test_taken), cmocka_unit_test(test_texts),
      cmocka_unit_test(test_obstacles), cmocka_unit_test(test_some),  cmocka_unit_test(test_waiting),
      cmocka_unit_test(test_callers),
  };
  return cmocka_run_group_tests_name("relocate", tests, NULL, NULL);
}

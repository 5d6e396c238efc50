/* SPDX-License-Identifier: PostgreSQL */
/* A tenant's schema gets another name; a schema that is there becomes a tenant's. */
#include <pthread.h>
#include <stdatomic.h>

#include "relocate_fixture.h"

static tenantdb_error *error;

#define RENAME(slug, to) FIXTURE_OPTIONS("what", "tenant", "tenant", slug, "to", to)
#define ADOPT(slug, from) FIXTURE_OPTIONS("what", "adopt", "tenant", slug, "from", from)

static char *schema_of(const char *url, const char *slug) {
  return harness_value(url, "SELECT schema_name FROM tenantdb.tenants WHERE slug = '%s'", slug);
}

/* ---------------------------------------------------------------- rename */

static void test_rename(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  tenantdb_tenant_free(fixture_tenant(db, "other"));
  char *old = schema_of(url, "acme");
  harness_assert_ok(tenantdb_view_create(db, "all_notes", "notes", NULL, &error), error);
  harness_sql(url,
              "CREATE FUNCTION \"%s\".mine() RETURNS bigint LANGUAGE sql SET search_path = \"%s\", pg_temp "
              "AS 'SELECT count(*) FROM notes'",
              old, old);
  tenantdb_session *idle = fixture_session(db, "acme"), *open = fixture_session(db, "acme");
  fixture_run(idle, "INSERT INTO notes (body) VALUES ('one')");
  harness_assert_ok(tenantdb_session_begin(open, NULL, &error), error);
  fixture_run(open, "SELECT 1");
  tenantdb_result *plan = relocate_ok(db, 0, RENAME("acme", "Acme \"1\""));
  assert_int_equal(relocate_rows(plan, 2, "RENAME TO \"Acme \"\"1\"\"\""), 1);
  assert_int_equal(relocate_rows(plan, 2, "SET search_path TO \"Acme \"\"1\"\"\", pg_temp"), 1);
  tenantdb_result_free(plan);
  relocate_do(db, RENAME("acme", "Acme \"1\""));
  /* What was open has the old name in its path: nothing is found, and nothing is written elsewhere. */
  assert_int_not_equal(
      tenantdb_session_query(open, "INSERT INTO notes (body) VALUES ('lost')", NULL, NULL, &error),
      TENANTDB_OK);
  tenantdb_error_free(error);
  error = NULL;
  harness_assert_fails(
      tenantdb_session_query(idle, "INSERT INTO notes (body) VALUES ('lost')", NULL, NULL, &error), error,
      TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED);
  tenantdb_session_close(idle);
  tenantdb_session_close(open);
  idle = fixture_session(db, "acme");
  assert_string_equal(tenantdb_session_schema(idle), "Acme \"1\"");
  fixture_run(idle, "INSERT INTO notes (body) VALUES ('two')");
  assert_string_equal(fixture_cell(idle, "SELECT mine()"), "2");
  tenantdb_session_close(idle);
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM tenantdb_reports.all_notes WHERE tenant = 'acme'"), 2);
  harness_assert_ok(tenantdb_view_refresh(db, NULL, &error), error);
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM tenantdb_reports.all_notes WHERE tenant = 'acme'"), 2);
  assert_string_equal(fixture_findings(db, "acme"), "extra function mine();granted_to_others mine();");
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.audit WHERE action = 'relocate' AND detail "
                                 "->> 'to' = 'Acme \"1\"' AND detail ->> 'from' = '%s'",
                                 old),
                   1);
  plan = relocate_ok(db, 1, RENAME("acme", "Acme \"1\""));
  assert_int_equal(relocate_rows(plan, 4, "there"), 1);
  tenantdb_result_free(plan);
  /* Names that are taken, texts that name the schema, states that have none. */
  char *other = schema_of(url, "other");
  fixture_assert_error(relocate_refused(db, RENAME("acme", other), NULL), TENANTDB_ALREADY_EXISTS,
                       TENANTDB_REASON_RELOCATION_NAME_TAKEN, "there is a schema of that name already");
  tenantdb_tenant *pending = NULL;
  harness_assert_ok(tenantdb_tenant_register(db, "later", NULL, &pending, &error), error);
  fixture_assert_error(relocate_refused(db, RENAME("acme", tenantdb_tenant_schema(pending)), NULL),
                       TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SCHEMA_TAKEN,
                       "another tenant has the schema");
  fixture_assert_error(relocate_refused(db, RENAME("later", "x"), NULL), TENANTDB_STATE,
                       TENANTDB_REASON_TENANT_STATE, "to relocate it, it must be one of");
  tenantdb_tenant_free(pending);
  harness_sql(url,
              "CREATE FUNCTION public.text() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM \"Acme "
              "\"\"1\"\"\".notes'");
  fixture_assert_error(relocate_refused(db, RENAME("acme", "x"), NULL), TENANTDB_STATE,
                       TENANTDB_REASON_OLD_NAME_USED, "function public.text(): its text names \"Acme");
  harness_assert_ok(tenantdb_tenant_suspend(db, "acme", NULL, &error), error);
  relocate_do(db, FIXTURE_OPTIONS("what", "tenant", "tenant", "acme", "to", "x", "force", "on"));
  assert_int_equal(fixture_halves(url), 0);
  harness_assert_ok(tenantdb_tenant_resume(db, "acme", NULL, &error), error);
  harness_sql(url, "ALTER SCHEMA x RENAME TO gone");
  fixture_assert_error(relocate_refused(db, RENAME("acme", "y"), NULL), TENANTDB_STATE,
                       TENANTDB_REASON_RELOCATION_REFUSED, "x: the schema is gone");
  harness_sql(url, "ALTER SCHEMA gone RENAME TO x");
  harness_assert_ok(tenantdb_tenant_purge(db, "acme", 1, &error), error);
  free(old);
  free(other);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* At level login the role finds its schema by a path of its own. */
static void test_login(void **state) {
  (void)state;
  const char *url = harness_database();
  const char *const options[] = {"isolation.level", "login", "login.passwords", "none", NULL};
  tenantdb *db = fixture_ready(url, options);
  tenantdb_tenant *tenant = fixture_tenant(db, "acme");
  tenantdb_session *session = fixture_session(db, "acme");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('one')");
  relocate_do(db, RENAME("acme", "acme-new"));
  assert_int_not_equal(
      tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('lost')", NULL, NULL, &error),
      TENANTDB_OK);
  tenantdb_error_free(error);
  error = NULL;
  tenantdb_session_close(session);
  session = fixture_session(db, "acme");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "1");
  tenantdb_session_close(session);
  char *theirs = harness_url_with(url, NULL, tenantdb_tenant_role(tenant), NULL);
  assert_int_equal(harness_count(theirs, "SELECT count(*) FROM notes"), 1);
  free(theirs);
  tenantdb_tenant_free(tenant);
  /* An adopted one can log in as well. */
  harness_sql(url,
              "CREATE SCHEMA \"by-hand\"; SET search_path = \"by-hand\"; CREATE TABLE notes (id bigint "
              "GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL, at timestamptz NOT NULL DEFAULT "
              "now()); CREATE INDEX notes_at ON notes (at DESC); CREATE TABLE items (id serial PRIMARY KEY, "
              "note_id bigint REFERENCES notes (id) ON DELETE CASCADE, n integer CONSTRAINT n_positive CHECK "
              "(n > 0)); CREATE INDEX items_note ON items (note_id)");
  relocate_do(db, ADOPT("hand", "by-hand"));
  session = fixture_session(db, "hand");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "0");
  tenantdb_session_close(session);
  harness_assert_ok(tenantdb_tenant_purge(db, "hand", 1, &error), error);
  harness_assert_ok(tenantdb_tenant_purge(db, "acme", 1, &error), error);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- adopt */

/* A schema as another tool leaves it: the registry's tables, a comment, another owner. */
static void make_by_hand(const char *url, const char *schema, const char *owner) {
  harness_sql(url,
              "CREATE SCHEMA \"%s\"; SET search_path = \"%s\";"
              "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL, "
              "at timestamptz NOT NULL DEFAULT now());"
              "CREATE INDEX notes_at ON notes (at DESC);"
              "CREATE TABLE items (id serial PRIMARY KEY, note_id bigint REFERENCES notes (id) ON DELETE "
              "CASCADE, n integer CONSTRAINT n_positive CHECK (n > 0));"
              "CREATE INDEX items_note ON items (note_id); INSERT INTO notes (body) VALUES ('kept');"
              "COMMENT ON SCHEMA \"%s\" IS 'made by \"hand\"'",
              schema, schema, schema);
  if (owner) {
    harness_sql(url,
                "ALTER SCHEMA \"%s\" OWNER TO %s; ALTER TABLE \"%s\".notes OWNER TO %s; ALTER TABLE "
                "\"%s\".items OWNER TO %s",
                schema, owner, schema, owner, schema, owner);
  }
}

static void test_adopt(void **state) {
  (void)state;
  const char *url = harness_database();
  const char *owner = harness_role("NOLOGIN");
  tenantdb *db = fixture_ready(url, NULL);
  harness_assert_ok(tenantdb_view_create(db, "all_notes", "notes", NULL, &error), error);
  make_by_hand(url, "teddy-ai", owner);
  tenantdb_result *plan = relocate_ok(db, 0, ADOPT("teddy", "teddy-ai"));
  assert_int_equal(relocate_rows(plan, 4, "refused"), 0);
  assert_int_equal(relocate_rows(plan, 2, "OWNER TO postgres"), 3);
  assert_int_equal(relocate_rows(plan, 2, "COMMENT ON SCHEMA \"teddy-ai\""), 1);
  tenantdb_result_free(plan);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants"), 0);
  assert_int_equal(
      harness_count(
          url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'teddy-ai' AND nspowner = '%s'::regrole",
          owner),
      1);
  relocate_do(db, ADOPT("teddy", "teddy-ai"));
  assert_string_equal(fixture_findings(db, "teddy"), "");
  assert_int_equal(fixture_halves(url), 0);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.audit WHERE action = 'adopt' AND detail ->> "
                                 "'comment' = 'made by \"hand\"' AND detail ->> 'schema' = 'teddy-ai'"),
                   1);
  tenantdb_session *session = fixture_session(db, "teddy");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('two')");
  fixture_run(session, "INSERT INTO items (note_id, n) VALUES (1, 1)");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "2");
  tenantdb_session_close(session);
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM tenantdb_reports.all_notes WHERE tenant = 'teddy'"), 2);
  fixture_assert_error(relocate_refused(db, ADOPT("again", "teddy-ai"), NULL), TENANTDB_STATE,
                       TENANTDB_REASON_RELOCATION_REFUSED, "its comment says that it is a tenant's");
  fixture_assert_error(
      relocate_refused(
          db, FIXTURE_OPTIONS("what", "adopt", "tenant", "again", "from", "teddy-ai", "force", "on"), NULL),
      TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SCHEMA_TAKEN, "another tenant has the schema");
  make_by_hand(url, "two", NULL);
  fixture_assert_error(relocate_refused(db, ADOPT("Teddy", "two"), NULL), TENANTDB_ALREADY_EXISTS,
                       TENANTDB_REASON_SLUG_TAKEN, "there is a tenant \"Teddy\" already");
  fixture_assert_error(relocate_refused(db, ADOPT("x", "nowhere"), NULL), TENANTDB_NOT_FOUND,
                       TENANTDB_REASON_RELOCATION_REFUSED, "there is no schema \"nowhere\"");
  fixture_assert_error(relocate_refused(db, ADOPT("x", "public"), NULL), TENANTDB_ARGUMENT,
                       TENANTDB_REASON_BAD_OPTION_VALUE, "the shared schema");
  assert_int_equal(fixture_halves(url), 0);
  harness_assert_ok(tenantdb_tenant_purge(db, "teddy", 1, &error), error);
  tenantdb_close(db);
  harness_drop_database(url);
}

static void test_adopt_differs(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  make_by_hand(url, "odd", NULL);
  harness_sql(url,
              "DROP TABLE odd.items; ALTER TABLE odd.notes DROP COLUMN at, ADD COLUMN more text; CREATE "
              "TABLE odd.extra (i integer); GRANT SELECT ON odd.notes TO PUBLIC");
  tenantdb_result *plan = NULL;
  fixture_assert_error(relocate_refused(db, ADOPT("odd", "odd"), &plan), TENANTDB_STATE,
                       TENANTDB_REASON_SCHEMA_DIFFERS, "it is not what the registry declares");
  assert_int_equal(relocate_rows(plan, 5, "missing"), 11);
  assert_true(relocate_rows(plan, 5, "extra") >= 2);
  assert_int_equal(relocate_rows(plan, 1, "column notes.at"), 1);
  assert_int_equal(relocate_rows(plan, 5, "granted_to_others"), 1);
  tenantdb_result_free(plan);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants"), 0);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'tenant\\_role%%' AND "
                                 "EXISTS (SELECT FROM pg_shdepend WHERE refobjid = pg_roles.oid AND dbid = "
                                 "(SELECT oid FROM pg_database WHERE datname = current_database()))"),
                   0);
  char *comment = harness_value(url, "SELECT obj_description('odd'::regnamespace, 'pg_namespace')");
  assert_string_equal(comment, "made by \"hand\"");
  free(comment);
  relocate_do(db, FIXTURE_OPTIONS("what", "adopt", "tenant", "odd", "from", "odd", "force", "on"));
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.tenants WHERE slug = 'odd' AND version = 0 "
                                 "AND registry_hash IS NULL"),
                   1);
  tenantdb_session *session = fixture_session(db, "odd");
  assert_string_equal(fixture_cell(session, "SELECT body FROM notes"), "kept");
  tenantdb_session_close(session);
  harness_sql(url, "DROP SCHEMA odd CASCADE");
  tenantdb_close(db);
  harness_drop_database(url);
}

/* Somebody else's things cannot be taken, and nothing is half done. */
static void test_adopt_denied(void **state) {
  (void)state;
  const char *url = harness_database();
  const char *owner = harness_role("NOLOGIN"), *user = harness_role("LOGIN CREATEROLE");
  char *as = harness_url_with(url, NULL, user, NULL), *name = harness_database_name(url);
  harness_sql(url, "GRANT CREATE ON DATABASE \"%s\" TO %s; GRANT CREATE ON SCHEMA public TO %s", name, user,
              user);
  tenantdb *db = fixture_ready(as, NULL);
  make_by_hand(url, "theirs", owner);
  tenantdb_result *plan = NULL;
  fixture_assert_error(relocate_refused(db, ADOPT("theirs", "theirs"), &plan), TENANTDB_PERMISSION,
                       TENANTDB_REASON_SERVER_PERMISSION,
                       "owns it and the connected user is no member of that role");
  assert_int_equal(relocate_rows(plan, 4, "refused"), 3);
  tenantdb_result_free(plan);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants"), 0);
  harness_sql(url, "GRANT %s TO %s", owner, user);
  relocate_do(db, ADOPT("theirs", "theirs"));
  assert_string_equal(fixture_findings(db, "theirs"), "");
  harness_assert_ok(tenantdb_tenant_purge(db, "theirs", 1, &error), error);
  free(as);
  free(name);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* One schema, several callers who want it: one has it. */
enum { CALLERS = 6 };

static void *adopt_one(void *user) {
  tenantdb_error *own = NULL;
  static atomic_int number;
  char slug[16];
  snprintf(slug, sizeof slug, "caller%d", atomic_fetch_add(&number, 1));
  tenantdb_relocate_options *options = relocate_options(ADOPT(slug, "wanted"));
  tenantdb_status status = tenantdb_relocate(user, options, 1, NULL, &own);
  tenantdb_error_free(own);
  tenantdb_relocate_options_free(options);
  return (void *)(intptr_t)status;
}

static void test_adopt_callers(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  pthread_t callers[CALLERS];
  int done = 0;
  make_by_hand(url, "wanted", NULL);
  for (int i = 0; i < CALLERS; i++) {
    assert_int_equal(pthread_create(&callers[i], NULL, adopt_one, db), 0);
  }
  for (int i = 0; i < CALLERS; i++) {
    void *status;
    pthread_join(callers[i], &status);
    done += status == NULL;
  }
  assert_int_equal(done, 1);
  assert_int_equal(fixture_halves(url), 0);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* At level routing there is no role to give. */
static void test_adopt_routing(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS("isolation.level", "routing"));
  make_by_hand(url, "plain", NULL);
  relocate_do(db, ADOPT("plain", "plain"));
  relocate_do(db, RENAME("plain", "plainer"));
  tenantdb_session *session = fixture_session(db, "plain");
  assert_string_equal(fixture_cell(session, "SELECT body FROM notes"), "kept");
  tenantdb_session_close(session);
  assert_string_equal(fixture_findings(db, "plain"), "");
  tenantdb_close(db);
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rename),        cmocka_unit_test(test_login),
      cmocka_unit_test(test_adopt),         cmocka_unit_test(test_adopt_differs),
      cmocka_unit_test(test_adopt_denied),  cmocka_unit_test(test_adopt_callers),
      cmocka_unit_test(test_adopt_routing),
  };
  return cmocka_run_group_tests_name("relocating tenants", tests, NULL, NULL);
}

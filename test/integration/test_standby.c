/* SPDX-License-Identifier: PostgreSQL */
/* Tenants from standby schemas: they are what they would be anyway, and who has none is made as ever. */
#include <libpq-fe.h>
#include <pthread.h>

#include "fixture_standby.h"

#include "fixture_database.h"

/* With so many of them, made. */
static tenantdb *ready(const char *standby, const char *const *more) {
  const char *options[16] = {"tenant.standby", standby};
  for (int i = 0; more && more[i] && i < 12; i++) {
    options[i + 2] = more[i];
  }
  tenantdb *db = fixture_ready(url, options);
  (void)standby_maintain(db);
  assert_int_equal(standby_count(url), strtoll(standby, NULL, 10));
  assert_int_equal(standby_halves(url), 0);
  return db;
}

/* ---------------------------------------------------------------- taken */

static void test_taken(void **state) {
  (void)state;
  tenantdb *db = ready("2", NULL);
  char *ids = harness_value(url, "SELECT string_agg(id::text, ' ') FROM tenantdb.standby_schemas");
  tenantdb_tenant *tenant = fixture_tenant(db, "Acme-Corp");
  const char *id = tenantdb_tenant_id(tenant), *schema = tenantdb_tenant_schema(tenant);
  assert_non_null(strstr(ids, id));
  assert_int_equal(strncmp(schema, "tenant_acme_corp_", 17), 0);
  assert_int_equal(strncmp(schema + 17, id, 6), 0);
  assert_string_equal(tenantdb_tenant_role(tenant) + strlen("tenant_role_"), id);
  assert_int_equal(tenantdb_tenant_state(tenant), TENANTDB_TENANT_ACTIVE);
  assert_string_equal(tenantdb_tenant_properties(tenant), "{}");
  assert_int_equal(standby_count(url), 1);
  assert_int_equal(standby_taken(url), 1);
  assert_int_equal(standby_statistic(db, "taken"), 1);
  assert_int_equal(standby_statistic(db, "missing"), 0);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.operations WHERE tenant_id = '%s' AND kind ="
                                 " 'create' AND state = 'done'",
                                 id),
                   1);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.audit WHERE tenant_id = '%s' AND action ="
                                 " 'create' AND from_state IS NULL AND to_state = 'active'",
                                 id),
                   1);
  assert_string_equal(fixture_findings(db, "acme-corp"), "");
  tenantdb_session *session = fixture_session(db, "acme-corp");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  fixture_run(session, "INSERT INTO items (note_id, n) SELECT id, 1 FROM notes");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM items"), "1");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM public.plans"), "0"); /* by the group */
  tenantdb_session_close(session);
  assert_int_equal(standby_halves(url), 0);
  tenantdb_tenant_free(tenant);
  free(ids);
  tenantdb_close(db);
}

/* As many as there are, then anew: and nobody can tell which is which. */
static void test_exhausted(void **state) {
  (void)state;
  tenantdb *db = ready("2", NULL);
  for (int i = 0; i < 4; i++) {
    char slug[8];
    snprintf(slug, sizeof slug, "t%d", i);
    tenantdb_tenant_free(fixture_tenant(db, slug));
    assert_string_equal(fixture_findings(db, slug), "");
  }
  assert_int_equal(standby_count(url), 0);
  assert_int_equal(standby_taken(url), 2);
  assert_int_equal(standby_statistic(db, "taken"), 2);
  assert_int_equal(standby_statistic(db, "missing"), 2);
  assert_int_equal(standby_halves(url), 0);
  standby_assert_alike(db, 4);
  tenantdb_result *events = NULL;
  int missing = 0;
  harness_assert_ok(tenantdb_events(db, 0, &events, &error), error);
  for (int32_t i = 0; i < tenantdb_result_rows(events); i++) {
    missing += strcmp(tenantdb_result_value(events, i, 4), "standby-missing") == 0;
  }
  tenantdb_result_free(events);
  assert_int_equal(missing, 2);
  /* The same rights, too: what is granted to whom, but for the names. */
  assert_int_equal(
      harness_count(url,
                    "SELECT count(DISTINCT replace(array_to_string(n.nspacl, ' '), t.role_name, 'he')) FROM"
                    " tenantdb.tenants t JOIN pg_namespace n ON n.nspname = t.schema_name"),
      1);
  assert_int_equal(
      harness_count(
          url,
          "SELECT count(DISTINCT (SELECT string_agg(d.defaclobjtype::text || replace("
          "d.defaclacl::text, t.role_name, 'he'), ' ' ORDER BY d.defaclobjtype) FROM pg_default_acl d"
          " JOIN pg_namespace n ON n.oid = d.defaclnamespace WHERE n.nspname = t.schema_name)) FROM"
          " tenantdb.tenants t"),
      1);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(DISTINCT (SELECT string_agg(g.rolname, ' ') FROM"
                    " pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member ="
                    " r.oid)) FROM tenantdb.tenants t JOIN pg_roles r ON r.rolname = t.role_name"),
      1);
  tenantdb_close(db);
}

/* While nobody has it nobody sees it. */
static void test_nobodys(void **state) {
  (void)state;
  tenantdb *db = ready("2", NULL);
  tenantdb_result *result = NULL;
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  (void)standby_maintain(db);
  harness_assert_ok(tenantdb_tenant_list(db, NULL, NULL, NULL, 10, &result, &error), error);
  assert_int_equal(tenantdb_result_rows(result), 1);
  tenantdb_result_free(result);
  standby_assert_alike(db, 1);
  harness_assert_ok(tenantdb_drift(db, NULL, &result, &error), error);
  assert_int_equal(tenantdb_result_rows(result), 0);
  tenantdb_result_free(result);
  harness_assert_ok(tenantdb_diagnose(db, NULL, &result, &error), error);
  for (int32_t i = 0; i < tenantdb_result_rows(result); i++) {
    for (int32_t k = 0; k < tenantdb_result_columns(result); k++) {
      const char *cell = tenantdb_result_value(result, i, k);
      assert_false(cell && strstr(cell, "tenantdb_standby_"));
    }
  }
  tenantdb_result_free(result);
  /* A table that a tenant lacks is not looked for in one. */
  harness_sql(url,
              "DO $$ BEGIN EXECUTE (SELECT format('DROP TABLE %%I.notes CASCADE', schema_name) FROM"
              " tenantdb.tenants); END $$");
  harness_assert_ok(tenantdb_diagnose(db, NULL, &result, &error), error);
  bool missing = false;
  for (int32_t i = 0; i < tenantdb_result_rows(result); i++) {
    for (int32_t k = 0; k < tenantdb_result_columns(result); k++) {
      const char *cell = tenantdb_result_value(result, i, k);
      missing = missing || (cell && strcmp(cell, "table-missing") == 0);
      assert_false(cell && strstr(cell, "tenantdb_standby_"));
    }
  }
  assert_true(missing);
  tenantdb_result_free(result);
  harness_assert_ok(tenantdb_reconcile(db, &result, &error), error);
  assert_int_equal(tenantdb_result_rows(result), 0);
  tenantdb_result_free(result);
  assert_int_equal(standby_count(url), 2);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- names */

static void test_names(void **state) {
  (void)state;
  static const struct {
    const char *schema, *role, *wanted_schema, *wanted_role;
  } templates[] = {
      {"{slug}", "r_{slug}_{hash}", "a_b", "r_a_b_"},
      {"project_{id}", "owner of {id}", "project_", "owner of "},
      {"it's \"{slug}\"", "\"{slug}\"'s", "it's \"a_b\"", "\"a_b\"'s"},
  };
  for (size_t i = 0; i < sizeof templates / sizeof templates[0]; i++) {
    const char *own = harness_database();
    tenantdb *db =
        fixture_ready(own, FIXTURE_OPTIONS("tenant.standby", "1", "tenant.schema_template",
                                           templates[i].schema, "tenant.role_template", templates[i].role));
    assert_string_equal(standby_maintain(db), STANDBY_MADE);
    char *before = harness_value(own, "SELECT role_name FROM tenantdb.standby_schemas");
    tenantdb_tenant *tenant = fixture_tenant(db, "A-b");
    const char *schema = tenantdb_tenant_schema(tenant), *role = tenantdb_tenant_role(tenant);
    assert_int_equal(standby_taken(own), 1);
    assert_int_equal(strncmp(schema, templates[i].wanted_schema, strlen(templates[i].wanted_schema)), 0);
    assert_int_equal(strncmp(role, templates[i].wanted_role, strlen(templates[i].wanted_role)), 0);
    assert_int_equal(strcmp(before, role) != 0, strstr(templates[i].role, "{slug}") != NULL);
    assert_string_equal(fixture_findings(db, "a-b"), "");
    tenantdb_session *session = fixture_session(db, "a-b");
    fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
    tenantdb_session_close(session);
    assert_int_equal(standby_halves(own), 0);
    harness_assert_ok(tenantdb_tenant_purge(db, "a-b", 1, &error), error);
    assert_int_equal(harness_count(own, "SELECT count(*) FROM pg_roles WHERE rolname = '%s'", before), 0);
    free(before);
    tenantdb_tenant_free(tenant);
    tenantdb_close(db);
    harness_drop_database(own);
  }
}

static void test_quoted_catalog(void **state) {
  (void)state;
  tenantdb *db =
      fixture_ready(url, FIXTURE_OPTIONS("tenant.standby", "2", "catalog.schema", "the \"'catalog'\"",
                                         "database.schema", "shared \"one\""));
  assert_string_equal(standby_maintain(db), STANDBY_MADE STANDBY_MADE);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  assert_int_equal(standby_statistic(db, "taken"), 1);
  assert_string_equal(fixture_findings(db, "a"), "");
  tenantdb_close(db);
  db = fixture_ready(
      url, FIXTURE_OPTIONS("catalog.schema", "the \"'catalog'\"", "database.schema", "shared \"one\""));
  assert_string_equal(standby_maintain(db), STANDBY_DROPPED);
  tenantdb_close(db);
}

/* No tenant's schema is called as if it stood by. */
static void test_reserved(void **state) {
  (void)state;
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS("tenant.schema_template", "{slug}"));
  fixture_assert_refused(tenantdb_tenant_create(db, "TenantDB-standby_x", NULL, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_SLUG_RESERVED, "reserved for standby schemas");
  tenantdb_close(db);
}

static void test_levels(void **state) {
  (void)state;
  tenantdb *db = ready("1", FIXTURE_OPTIONS("isolation.level", "routing"));
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM tenantdb.standby_schemas WHERE role_name IS NULL"), 1);
  tenantdb_tenant *tenant = fixture_tenant(db, "a");
  assert_string_equal(tenantdb_tenant_role(tenant), "");
  assert_int_equal(standby_taken(url), 1);
  assert_string_equal(fixture_findings(db, "a"), "");
  tenantdb_tenant_free(tenant);
  (void)standby_maintain(db);
  tenantdb_close(db);
  /* One without a role is none at level role. */
  db = ready("1", FIXTURE_OPTIONS("isolation.level", "role"));
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM tenantdb.standby_schemas WHERE role_name IS NULL"), 0);
  tenant = fixture_tenant(db, "b");
  assert_string_not_equal(tenantdb_tenant_role(tenant), "");
  assert_int_equal(standby_taken(url), 2);
  assert_int_equal(standby_statistic(db, "taken"), 1);
  tenantdb_tenant_free(tenant);
  tenantdb_close(db);
}

/* No superuser: who may create schemas and roles may rename his own. */
static void test_user(void **state) {
  (void)state;
  const char *user = harness_role("LOGIN CREATEROLE NOSUPERUSER");
  char *as_user = harness_url_with(url, NULL, user, NULL), *database = harness_database_name(url);
  harness_sql(url, "GRANT CREATE ON DATABASE \"%s\" TO %s; GRANT CREATE ON SCHEMA public TO %s", database,
              user, user);
  tenantdb *db =
      fixture_ready(as_user, FIXTURE_OPTIONS("tenant.standby", "1", "tenant.role_template", "r_{slug}_{id}"));
  assert_string_equal(standby_maintain(db), STANDBY_MADE);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  assert_int_equal(standby_taken(url), 1);
  tenantdb_session *session = fixture_session(db, "a");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  tenantdb_session_close(session);
  assert_string_equal(standby_maintain(db), STANDBY_MADE);
  /* What another user would own is not taken, and not his to drop. */
  tenantdb *other = fixture_open(
      url, NULL, FIXTURE_OPTIONS("tenant.standby", "1", "tenant.role_template", "r_{slug}_{id}"));
  tenantdb_tenant_free(fixture_tenant(other, "b"));
  assert_int_equal(standby_taken(url), 1);
  tenantdb_close(other);
  tenantdb_close(db);
  db = fixture_open(as_user, NULL, NULL);
  assert_string_equal(standby_maintain(db), STANDBY_DROPPED);
  assert_int_equal(standby_halves(url), 0);
  tenantdb_close(db);
  free(as_user);
  free(database);
}

/* ---------------------------------------------------------------- refused as ever */

/* What fails leaves the standby schema where it was. */
static void test_refused(void **state) {
  (void)state;
  tenantdb *db =
      ready("2", FIXTURE_OPTIONS("tenant.schema_template", "{slug}", "tenant.role_template", "r_{slug}_x"));
  tenantdb_tenant_free(fixture_tenant(db, "taken"));
  (void)standby_maintain(db);
  harness_sql(url, "CREATE SCHEMA foreign_one; CREATE ROLE r_other_x");
  fixture_assert_refused(tenantdb_tenant_create(db, "Taken", NULL, NULL, &error), error,
                         TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SLUG_TAKEN, "\"Taken\" already");
  fixture_assert_refused(tenantdb_tenant_create(db, "foreign-one", NULL, NULL, &error), error,
                         TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SCHEMA_TAKEN,
                         "there is a schema \"foreign_one\"");
  fixture_assert_refused(tenantdb_tenant_create(db, "other", NULL, NULL, &error), error,
                         TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_ROLE_TAKEN,
                         "there is a role \"r_other_x\"");
  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
  tenantdb_tenant_spec_set(spec, "properties", "[1]");
  fixture_assert_refused(tenantdb_tenant_create(db, "list", spec, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_PROPERTIES, "not a JSON object");
  tenantdb_tenant_spec_free(spec);
  assert_int_equal(standby_count(url), 2);
  assert_int_equal(standby_halves(url), 0);
  assert_int_equal(standby_statistic(db, "taken"), 1);
  tenantdb_tenant_free(fixture_tenant(db, "still"));
  assert_int_equal(standby_statistic(db, "taken"), 2);
  tenantdb_close(db);
  harness_sql(url, "DROP ROLE r_other_x");
}

static void test_key(void **state) {
  (void)state;
  static const char id[] = "0a1b2c3d-4e5f-4678-9abc-def012345678";
  tenantdb *db = ready("3", NULL);
  tenantdb_tenant *first = NULL, *second = NULL;
  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
  tenantdb_tenant_spec_set(spec, "idempotency_key", "k");
  tenantdb_tenant_spec_set(spec, "name", "It's \"he\"");
  harness_assert_ok(tenantdb_tenant_create(db, "a", spec, &first, &error), error);
  harness_assert_ok(tenantdb_tenant_create(db, "a", spec, &second, &error), error);
  assert_string_equal(tenantdb_tenant_id(first), tenantdb_tenant_id(second));
  assert_string_equal(tenantdb_tenant_name(second), "It's \"he\"");
  harness_assert_fails(tenantdb_tenant_create(db, "b", spec, NULL, &error), error, TENANTDB_CONFLICT,
                       TENANTDB_REASON_IDEMPOTENCY_MISMATCH);
  assert_int_equal(standby_count(url), 2);
  tenantdb_tenant_free(first);
  tenantdb_tenant_free(second);
  tenantdb_tenant_spec_free(spec);
  /* Whose id is given has it, and so no standby schema; nor has one who is only registered. */
  spec = tenantdb_tenant_spec_new();
  tenantdb_tenant_spec_set(spec, "id", id);
  harness_assert_ok(tenantdb_tenant_create(db, "c", spec, &first, &error), error);
  assert_string_equal(tenantdb_tenant_id(first), id);
  tenantdb_tenant_free(first);
  tenantdb_tenant_spec_free(spec);
  harness_assert_ok(tenantdb_tenant_register(db, "d", NULL, NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_activate(db, "d", NULL, &error), error);
  assert_int_equal(standby_count(url), 2);
  assert_int_equal(standby_statistic(db, "missing"), 0);
  standby_assert_alike(db, 3);
  tenantdb_close(db);
}

/* A view over tenants has who came out of one. */
static void test_view(void **state) {
  (void)state;
  tenantdb *db = ready("1", NULL);
  harness_assert_ok(tenantdb_view_create(db, "seen", "notes", NULL, &error), error);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  assert_int_equal(standby_taken(url), 1);
  tenantdb_session *session = fixture_session(db, "a");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  tenantdb_session_close(session);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb_reports.seen"), 1);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- at once */

enum { CREATORS = 8, STANDBYS = 5, ROUNDS = 5 };

typedef struct creator {
  pthread_t thread;
  tenantdb *db;
  int number;
  tenantdb_status status;
} creator;

static void *create_one(void *user) {
  creator *c = user;
  char slug[16];
  snprintf(slug, sizeof slug, "c%d", c->number);
  c->status = tenantdb_tenant_create(c->db, slug, NULL, NULL, NULL);
  return NULL;
}

static void test_at_once(void **state) {
  (void)state;
  creator creators[CREATORS];
  tenantdb *db = ready("5", NULL);
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < CREATORS; i++) {
      creators[i] = (creator){.db = db, .number = round * CREATORS + i};
      assert_int_equal(pthread_create(&creators[i].thread, NULL, create_one, &creators[i]), 0);
    }
    for (int i = 0; i < CREATORS; i++) {
      assert_int_equal(pthread_join(creators[i].thread, NULL), 0);
      assert_int_equal(creators[i].status, TENANTDB_OK);
    }
    assert_int_equal(standby_count(url), 0);
    assert_int_equal(standby_taken(url), STANDBYS * (round + 1));
    assert_int_equal(standby_halves(url), 0);
    (void)standby_maintain(db);
  }
  standby_assert_alike(db, ROUNDS * CREATORS);
  tenantdb_close(db);
}

/*
 * All of them have come as far as their COMMIT, each with a standby schema, before the first of them is through it; behind
 * a pooler as many as it lets in at once.
 */
static void meet_at_commit(tenantdb *db) {
  creator creators[CREATORS];
  const int64_t most = harness_behind_pooler() ? HARNESS_POOLER_SIZE : CREATORS;
  int64_t arrived = 0;
  PGconn *gate = PQconnectdb(url);
  harness_sql(url,
              "CREATE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
              " PERFORM pg_advisory_xact_lock_shared(77); RETURN NULL; END $$;"
              "CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON tenantdb.tenants DEFERRABLE INITIALLY"
              " DEFERRED FOR EACH ROW EXECUTE FUNCTION public.gate()");
  assert_int_equal(PQstatus(gate), CONNECTION_OK);
  PQclear(PQexec(gate, "SELECT pg_advisory_lock(77)"));
  for (int i = 0; i < CREATORS; i++) {
    creators[i] = (creator){.db = db, .number = i};
    assert_int_equal(pthread_create(&creators[i].thread, NULL, create_one, &creators[i]), 0);
  }
  for (int i = 0; i < 1000 && arrived < most; i++) {
    arrived = harness_count(url,
                            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                            " AND objid = 77 AND database = (SELECT oid FROM pg_database WHERE datname ="
                            " current_database())");
    fixture_pause_us(5000);
  }
  PQfinish(gate);
  for (int i = 0; i < CREATORS; i++) {
    assert_int_equal(pthread_join(creators[i].thread, NULL), 0);
    assert_int_equal(creators[i].status, TENANTDB_OK);
  }
  assert_int_equal(arrived, most);
  assert_int_equal(standby_taken(url), CREATORS);
  assert_int_equal(standby_halves(url), 0);
}

#define EIGHT "tenant.standby", "8", "pool.size", "10", "operation.lock_timeout", "60s"

static void test_at_commit(void **state) {
  (void)state;
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS(EIGHT));
  (void)standby_maintain(db);
  meet_at_commit(db);
  tenantdb_close(db);
}

/* Who creates roles without being a superuser is made a member of them by newer servers; and their names change, too. */
static void test_at_commit_as_user(void **state) {
  (void)state;
  const char *user = harness_role("LOGIN CREATEROLE NOSUPERUSER");
  char *as_user = harness_url_with(url, NULL, user, NULL), *database = harness_database_name(url);
  harness_sql(url, "GRANT CREATE ON DATABASE \"%s\" TO %s; GRANT CREATE ON SCHEMA public TO %s", database,
              user, user);
  tenantdb *db = fixture_ready(as_user, FIXTURE_OPTIONS(EIGHT, "tenant.role_template", "r_{slug}_{id}"));
  (void)standby_maintain(db);
  meet_at_commit(db);
  tenantdb_close(db);
  free(as_user);
  free(database);
}

/* Somebody who has one and does not come to an end: the others go round him. */
static void test_no_waiting(void **state) {
  (void)state;
  tenantdb *db = ready("2", FIXTURE_OPTIONS("operation.lock_timeout", "1s"));
  char *lock = harness_value(url,
                             "SELECT format('SELECT 1 FROM tenantdb.standby_schemas WHERE id = %%L FOR"
                             " UPDATE', id) FROM tenantdb.standby_schemas LIMIT 1");
  PGconn *other = PQconnectdb(url);
  assert_int_equal(PQstatus(other), CONNECTION_OK);
  PQclear(PQexec(other, "BEGIN"));
  PQclear(PQexec(other, lock));
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  assert_int_equal(standby_taken(url), 1);
  tenantdb_tenant_free(fixture_tenant(db, "b"));
  assert_int_equal(standby_taken(url), 1);
  PQclear(PQexec(other, "ROLLBACK"));
  PQfinish(other);
  tenantdb_tenant_free(fixture_tenant(db, "c"));
  assert_int_equal(standby_taken(url), 2);
  standby_assert_alike(db, 3);
  free(lock);
  tenantdb_close(db);
}

/* ---------------------------------------------------------------- what cannot be taken */

#define WITH_EACH(text)                      \
  "DO $$ BEGIN EXECUTE (SELECT format(" text \
  ", schema_name, role_name) FROM tenantdb.standby_schemas); END $$"

/* What somebody did to one behind the library's back. */
static void test_spoilt(void **state) {
  (void)state;
  static const struct {
    const char *sql;
    const char *maintained;
  } ways[] = {
      {WITH_EACH("'DROP SCHEMA %1$I CASCADE'"), STANDBY_MADE STANDBY_DROPPED},
      {WITH_EACH("'DROP OWNED BY %2$I; DROP ROLE %2$I'"), STANDBY_MADE STANDBY_DROPPED},
      {WITH_EACH("'CREATE FUNCTION %1$I.f() RETURNS text LANGUAGE sql SET search_path = %1$I AS $f$ SELECT"
                 " ''x'' $f$'"),
       STANDBY_MADE STANDBY_DROPPED},
      {WITH_EACH("'CREATE FUNCTION %1$I.f() RETURNS text LANGUAGE sql AS $f$ SELECT body FROM %1$I.notes"
                 " $f$'"),
       STANDBY_MADE STANDBY_DROPPED},
      {"INSERT INTO tenantdb.migrations (stream, tenant_id, version, kind, title, state) SELECT 'tenant', id,"
       " 7, 'versioned', 'x', 'failed' FROM tenantdb.standby_schemas",
       STANDBY_MADE STANDBY_DROPPED},
      {"UPDATE tenantdb.standby_schemas SET registry_hash = 'x'", STANDBY_MADE STANDBY_DROPPED},
      {WITH_EACH("'COMMENT ON SCHEMA %1$I IS ''mine'''"),
       STANDBY_MADE "standby drop only its row: the schema's comment is not our mark any more, so it and its"
                    " role stay;"},
  };
  enum { WAYS = sizeof ways / sizeof ways[0] };
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS("tenant.standby", "1"));
  for (size_t i = 0; i < WAYS; i++) {
    char slug[8];
    (void)standby_maintain(db);
    assert_int_equal(standby_halves(url), 0);
    harness_sql(url, "%s", ways[i].sql);
    snprintf(slug, sizeof slug, "t%zu", i);
    tenantdb_tenant_free(fixture_tenant(db, slug));
    assert_int_equal(standby_taken(url), 0);
    assert_string_equal(standby_maintain(db), ways[i].maintained);
    assert_int_equal(standby_count(url), 1);
    assert_int_equal(harness_count(url,
                                   "SELECT count(*) FROM tenantdb.standby_schemas s JOIN pg_namespace n"
                                   " ON n.nspname = s.schema_name"),
                     1);
  }
  assert_int_equal(standby_statistic(db, "missing"), WAYS);
  standby_assert_alike(db, WAYS);
  tenantdb_close(db);
}

/* He would stay its owner. */
static void test_other_owner(void **state) {
  (void)state;
  tenantdb *db = ready("1", NULL);
  const char *role = harness_role("NOLOGIN");
  harness_sql(url,
              "DO $$ BEGIN EXECUTE (SELECT format('ALTER SCHEMA %%I OWNER TO %s', schema_name) FROM"
              " tenantdb.standby_schemas); END $$",
              role);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  assert_int_equal(standby_taken(url), 0);
  tenantdb_close(db);
}

/* The server does not let it be renamed: then he is made anew, under an id of his own. */
static void test_not_renamed(void **state) {
  (void)state;
  tenantdb *db = ready("1", NULL);
  harness_sql(url,
              "CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE"
              " 'no renaming'; END $$;"
              " CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('ALTER SCHEMA') EXECUTE"
              " FUNCTION public.refuse()");
  tenantdb_tenant *tenant = fixture_tenant(db, "a");
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.standby_schemas WHERE id = '%s'",
                                 tenantdb_tenant_id(tenant)),
                   0);
  assert_int_equal(standby_count(url), 1);
  assert_int_equal(standby_taken(url), 0);
  assert_int_equal(standby_statistic(db, "missing"), 1);
  assert_int_equal(standby_halves(url), 0);
  harness_sql(url, "DROP EVENT TRIGGER refuse");
  tenantdb_tenant_free(fixture_tenant(db, "b"));
  assert_int_equal(standby_taken(url), 1);
  standby_assert_alike(db, 2);
  tenantdb_tenant_free(tenant);
  tenantdb_close(db);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_taken, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_exhausted, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_nobodys, fixture_setup, fixture_teardown),
      cmocka_unit_test(test_names),
      cmocka_unit_test_setup_teardown(test_quoted_catalog, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_reserved, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_levels, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_user, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_refused, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_key, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_view, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_at_once, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_at_commit, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_at_commit_as_user, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_no_waiting, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_spoilt, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_other_owner, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_not_renamed, fixture_setup, fixture_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

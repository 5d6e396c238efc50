/* SPDX-License-Identifier: PostgreSQL */
/*
 * pg_dump as a witness: however a schema came to be, provisioned, cloned,
 * imported, copied, renamed, adopted, or moved to in one of the ways, it is the
 * one that is made when there is nothing.
 */
#include "drifted.h"
#include "dumped.h"
#include "relocate_fixture.h"

#include <unistd.h>

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static char *expected;    /* of a tenant who was just created */
static const char *maker; /* the connected user, NULL: a superuser */
static bool is_role;      /* the tenants have roles */

/* What there is in shared bases: as the tenants', but that it refers to itself. */
static const char shared_sql[] =
    "CREATE TYPE tone AS ENUM ('low', 'it''s high');"
    "CREATE DOMAIN share AS integer DEFAULT 0 CHECK (VALUE BETWEEN 0 AND 100);"
    "CREATE TYPE duo AS (a integer, b tone);"
    "CREATE SEQUENCE numbers START 1000 INCREMENT 5;"
    "CREATE FUNCTION loud(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper(t) $$;"
    "CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.touched := now(); RETURN NEW; "
    "END $$;"
    "CREATE TABLE clubs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \"Odd Name\" varchar(20) "
    "COLLATE "
    "\"C\", both duo, kept share);"
    "CREATE TABLE members (id serial PRIMARY KEY, club bigint REFERENCES clubs (id) ON DELETE SET NULL,"
    " tone tone NOT NULL DEFAULT 'low', first text, last text, full_name text GENERATED ALWAYS AS (first || "
    "' ' || last) STORED, email text UNIQUE, touched timestamptz, number bigint DEFAULT nextval('numbers'),"
    " score numeric(10, 2) DEFAULT 0.00 CHECK (score >= 0));"
    "ALTER TABLE clubs ADD COLUMN lead integer;"
    "ALTER TABLE clubs ADD CONSTRAINT clubs_lead FOREIGN KEY (lead) REFERENCES members (id) DEFERRABLE "
    "INITIALLY DEFERRED;"
    "CREATE TABLE \"order\" (room integer, during int4range, EXCLUDE USING gist (during WITH &&));"
    "CREATE TABLE events (at date NOT NULL, line text) PARTITION BY RANGE (at);"
    "CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');"
    "CREATE TABLE events_rest PARTITION OF events DEFAULT;"
    "CREATE INDEX events_at ON events (at);"
    "CREATE INDEX members_last ON members (last DESC NULLS LAST, first) WHERE score > 1;"
    "CREATE UNIQUE INDEX members_loud ON members (loud(email)) INCLUDE (id);"
    "CREATE VIEW low AS SELECT id, full_name FROM members WHERE tone = 'low';"
    "CREATE VIEW lowest AS SELECT l.id FROM low l WHERE l.full_name LIKE 'A%';"
    "CREATE TRIGGER members_seen BEFORE UPDATE ON members FOR EACH ROW EXECUTE FUNCTION seen();"
    "COMMENT ON TABLE members IS 'who''s who'; COMMENT ON COLUMN members.email IS 'unique';"
    "COMMENT ON INDEX members_last IS 'of names'; COMMENT ON TYPE tone IS 'of members';"
    "COMMENT ON CONSTRAINT clubs_lead ON clubs IS 'theirs'; COMMENT ON VIEW low IS 'who is'";

static tenantdb_registry *shared_registry(void) {
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *base = tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED);
  tenantdb_base_sql(base, shared_sql);
  tenantdb_base_grant(base, "SELECT, INSERT");
  return registry;
}

/* A new database, and its URI for who makes everything in it. */
static const char *new_database(char **as) {
  const char *made = harness_database();
  *as = harness_url_with(made, NULL, maker, NULL);
  if (maker) {
    char *name = harness_database_name(made);
    harness_sql(made, "GRANT CREATE ON DATABASE \"%s\" TO %s; GRANT CREATE ON SCHEMA public TO %s", name,
                maker, maker);
    free(name);
  }
  return made;
}

static int setup_as(const char *who, const char *level) {
  char *as;
  maker = who;
  is_role = strcmp(level, "role") == 0;
  url = new_database(&as);
  db = drifted_open(as, FIXTURE_OPTIONS("tenant.schema_template", "dumped-{slug}", "isolation.level", level));
  tenantdb_tenant_free(fixture_tenant(db, "fresh"));
  expected = dumped(url, "dumped-fresh", false);
  free(as);
  return 0;
}

static int setup(void **state) {
  (void)state;
  return setup_as(NULL, "role");
}

/* Whose own rights, and defaults, are others than a superuser's. */
static int setup_plain(void **state) {
  (void)state;
  return setup_as(harness_role("LOGIN CREATEROLE"), "role");
}

static int setup_routing(void **state) {
  (void)state;
  return setup_as(harness_role("LOGIN"), "routing");
}

static int teardown(void **state) {
  (void)state;
  free(expected);
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

/* The witness says nothing when it sees nothing. */
static void test_witness(void **state) {
  (void)state;
  static const char *const there[] = {
      "CREATE TYPE SCHEMA.mood AS ENUM",
      "CREATE DOMAIN SCHEMA.percent",
      "CREATE TYPE SCHEMA.span AS RANGE",
      "CREATE SEQUENCE SCHEMA.tickets",
      "GENERATED ALWAYS AS IDENTITY",
      "GENERATED ALWAYS AS (((first",
      "PARTITION BY RANGE",
      "ATTACH PARTITION SCHEMA.log_old",
      "CREATE PROCEDURE SCHEMA.calm",
      "CREATE TRIGGER people_stamp",
      "CREATE MATERIALIZED VIEW SCHEMA.totals",
      "CREATE VIEW SCHEMA.happier",
      "WHERE active",
      "REFERENCES public.plans(id)",
      "ENABLE ROW LEVEL SECURITY",
      "COMMENT ON INDEX SCHEMA.people_tags",
      "COMMENT ON SCHEMA SCHEMA IS 'libtenantdb tenant ID'",
      "GRANT USAGE ON SCHEMA SCHEMA TO ROLE",
      "GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE SCHEMA.people TO ROLE",
      "ALTER DEFAULT PRIVILEGES FOR ROLE",
      "OWNER TO",
  };
  for (size_t i = 0; expected && i < sizeof there / sizeof there[0]; i++) {
    if (!strstr(expected, there[i]) && (is_role || !strstr(there[i], "ROLE"))) {
      fail_msg("pg_dump does not tell of %s", there[i]);
    }
  }
}

/* ---------------------------------------------------------------- a tenant's schema */

static void test_provisioned(void **state) {
  (void)state;
  tenantdb_tenant *tenant = NULL;
  tenantdb_tenant_free(fixture_tenant(db, "second"));
  assert_true(dumped_tenant_is("created", url, "second", expected));
  harness_assert_ok(tenantdb_tenant_register(db, "third", NULL, NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_activate(db, "third", &tenant, &error), error);
  tenantdb_tenant_free(tenant);
  assert_true(dumped_tenant_is("activated", url, "third", expected));
  harness_assert_ok(tenantdb_tenant_suspend(db, "third", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_resume(db, "third", NULL, &error), error);
  assert_true(dumped_tenant_is("suspended and resumed", url, "third", expected));
  harness_assert_ok(tenantdb_tenant_archive(db, "third", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_restore(db, "third", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_resume(db, "third", NULL, &error), error);
  assert_true(dumped_tenant_is("archived and restored", url, "third", expected));
}

static void fill(const char *slug) {
  tenantdb_session *session = fixture_session(db, slug);
  fixture_run(session,
              "INSERT INTO people (first, last, email) SELECT 'Ada', i::text, i || '@x' FROM "
              "generate_series(1, 50) i");
  fixture_run(session, "INSERT INTO log VALUES ('2010-01-01', 'x')");
  fixture_run(session, "INSERT INTO scratch DEFAULT VALUES");
  tenantdb_session_close(session);
}

static void test_cloned(void **state) {
  (void)state;
  static const char *const data[] = {"on", "off"};
  tenantdb_tenant_free(fixture_tenant(db, "source"));
  fill("source");
  for (size_t i = 0; i < 2; i++) {
    char slug[32];
    tenantdb_archive_options *options = tenantdb_archive_options_new();
    tenantdb_archive_options_set(options, "data", data[i]);
    snprintf(slug, sizeof slug, "clone_%s", data[i]);
    harness_assert_ok(tenantdb_tenant_clone(db, "source", slug, NULL, options, NULL, &error), error);
    tenantdb_archive_options_free(options);
    assert_true(dumped_tenant_is(slug, url, slug, expected));
    assert_int_equal(harness_count(url, "SELECT count(*) FROM \"dumped-%s\".people", slug), i == 0 ? 50 : 0);
  }
}

static void test_imported(void **state) {
  (void)state;
  char path[] = "/tmp/tdbXXXXXX";
  char *as;
  const char *other_url = new_database(&as);
  tenantdb *other = drifted_open(
      as, FIXTURE_OPTIONS("isolation.level", is_role ? "role" : "routing", "tenant.schema_template",
                          "else-{slug}", "database.schema", "elsewhere"));
  tenantdb_tenant_free(fixture_tenant(other, "fresh"));
  char *fresh = dumped(other_url, "else-fresh", false);
  assert_true(!fresh || strstr(fresh, "REFERENCES elsewhere.plans(id)"));
  close(mkstemp(path));
  harness_assert_ok(tenantdb_tenant_export_file(db, "source", path, NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_import_file(db, "imported", NULL, path, NULL, NULL, &error), error);
  assert_true(dumped_tenant_is("imported", url, "imported", expected));
  harness_assert_ok(tenantdb_tenant_import_file(other, "other", NULL, path, NULL, NULL, &error), error);
  assert_true(dumped_tenant_is("imported elsewhere", other_url, "other", fresh));
  harness_assert_ok(tenantdb_tenant_copy(db, "source", other, "copied", NULL, NULL, NULL, &error), error);
  assert_true(dumped_tenant_is("copied", other_url, "copied", fresh));
  assert_int_equal(harness_count(other_url, "SELECT count(*) FROM \"else-copied\".people"), 50);
  assert_true(dumped_tenant_is("whose copies these are", url, "source", expected));
  unlink(path);
  free(fresh);
  free(as);
  tenantdb_close(other);
  harness_drop_database(other_url);
}

static void test_renamed(void **state) {
  (void)state;
  tenantdb_tenant_free(fixture_tenant(db, "renamed"));
  relocate_do(db, FIXTURE_OPTIONS("what", "tenant", "tenant", "renamed", "to", "Another Name"));
  assert_true(dumped_tenant_is("renamed", url, "renamed", expected));
  harness_assert_ok(tenantdb_tenant_rename(db, "renamed", "yet-another", NULL, &error), error);
  assert_true(dumped_tenant_is("called otherwise", url, "yet-another", expected));
}

/* Somebody else, whose things the maker may take. */
static const char *strange_owner(void) {
  const char *owner = harness_role("NOLOGIN");
  if (maker) {
    harness_sql(url, "GRANT %s TO %s", owner, maker);
  }
  return owner;
}

/* The registry's own DDL, run by somebody else than the library. */
static void test_adopted(void **state) {
  (void)state;
  char *sql = NULL;
  tenantdb_registry *registry = drifted_registry();
  const char *owner = strange_owner();
  harness_assert_ok(tenantdb_registry_ddl(registry, TENANTDB_BASE_TENANT, "by-hand", "public", &sql, &error),
                    error);
  harness_sql(url, "%s", sql);
  harness_sql(
      url,
      "DO $$ DECLARE what text; BEGIN FOR what IN SELECT 'SCHEMA \"by-hand\"' UNION ALL SELECT 'TABLE ' || "
      "oid::regclass FROM pg_class WHERE relnamespace = 'by-hand'::regnamespace AND relkind IN ('r', 'p', "
      "'v', 'm') UNION ALL SELECT 'SEQUENCE ' || oid::regclass FROM pg_class c WHERE relnamespace = "
      "'by-hand'::regnamespace AND relkind = 'S' AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = "
      "'pg_class'::regclass AND objid = c.oid AND deptype IN ('a', 'i')) UNION ALL SELECT 'ROUTINE ' || "
      "oid::regprocedure FROM pg_proc WHERE pronamespace = 'by-hand'::regnamespace UNION ALL SELECT 'TYPE ' "
      "|| oid::regtype FROM pg_type t WHERE typnamespace = 'by-hand'::regnamespace AND (typtype IN ('e', "
      "'d', 'r') OR EXISTS (SELECT FROM pg_class WHERE oid = t.typrelid AND relkind = 'c'))"
      " LOOP EXECUTE 'ALTER ' || what || ' OWNER TO %s'; END LOOP; END $$",
      owner);
  tenantdb_string_free(sql);
  tenantdb_registry_free(registry);
  relocate_do(db, FIXTURE_OPTIONS("what", "adopt", "tenant", "adopted", "from", "by-hand"));
  assert_true(dumped_tenant_is("adopted", url, "adopted", expected));
}

static void test_repaired(void **state) {
  (void)state;
  const char *owner = strange_owner();
  tenantdb_tenant_free(fixture_tenant(db, "broken"));
  harness_sql(
      url,
      "SET search_path = \"dumped-broken\"; DROP TYPE span; DROP TABLE built; DROP VIEW happier; DROP INDEX "
      "people_tags; DROP TABLE log; GRANT SELECT ON teams TO PUBLIC; ALTER TABLE people ALTER active "
      "DROP NOT NULL; DROP TRIGGER people_stamp ON people; ALTER TYPE mood RENAME VALUE 'sad' TO "
      "'sad.'; ALTER TYPE mood RENAME VALUE 'sad.' TO 'sad'; DROP PROCEDURE calm; ALTER TABLE teams "
      "DISABLE ROW LEVEL SECURITY; COMMENT ON VIEW happy IS NULL; ALTER SEQUENCE tickets OWNER TO %s",
      owner);
  const char *failed = strstr(drifted_repair(db, 1, FIXTURE_OPTIONS("tenants", "broken")), "failed");
  if (failed) {
    fail_msg("%.300s", failed);
  }
  assert_true(dumped_tenant_is("repaired", url, "broken", expected));
}

/* ---------------------------------------------------------------- the shared schema */

static tenantdb *open_shared(const char *where, const char *schema) {
  tenantdb *opened = fixture_open(
      where, shared_registry(),
      FIXTURE_OPTIONS("database.schema", schema, "isolation.level", is_role ? "role" : "routing"));
  harness_assert_ok(tenantdb_bootstrap(opened, &error), error);
  return opened;
}

static void move_at_once(tenantdb *from, const char *to) {
  relocate_do(from, FIXTURE_OPTIONS("to", to));
}

static void move_by_views(tenantdb *from, const char *to) {
  relocate_do(from, FIXTURE_OPTIONS("to", to, "way", "views"));
  relocate_finish(from, FIXTURE_OPTIONS("force", "on"));
}

static void move_by_new_names(tenantdb *from, const char *to) {
  relocate_do(from, FIXTURE_OPTIONS("to", to, "way", "views", "names", "new"));
  relocate_finish(from, FIXTURE_OPTIONS("force", "on"));
}

static void move_twice(tenantdb *from, const char *to) {
  relocate_do(from, FIXTURE_OPTIONS("to", "between"));
  relocate_do(from, FIXTURE_OPTIONS("from", "between", "to", to, "way", "views"));
  relocate_finish(from, FIXTURE_OPTIONS("force", "on"));
}

static void test_relocated(void **state) {
  (void)state;
  static const struct {
    const char *name;
    void (*move)(tenantdb *from, const char *to);
  } ways[] = {{"at once", move_at_once},
              {"by views", move_by_views},
              {"by views, new names", move_by_new_names},
              {"twice", move_twice}};
  char *as;
  const char *fresh_url = new_database(&as);
  tenantdb_close(open_shared(as, "teddy-ai"));
  free(as);
  char *fresh = dumped(fresh_url, "teddy-ai", false);
  assert_true(!fresh || !is_role || strstr(fresh, "GRANT SELECT,INSERT ON TABLE SCHEMA.members TO GROUP"));
  int differ = 0;
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    const char *moved_url = new_database(&as);
    tenantdb *moved = open_shared(as, "first place");
    free(as);
    ways[i].move(moved, "teddy-ai");
    char *found = dumped(moved_url, "teddy-ai", false);
    differ += !dumped_is(ways[i].name, found, fresh);
    assert_int_equal(
        harness_count(moved_url,
                      "SELECT count(*) FROM pg_class WHERE relnamespace IN (to_regnamespace('\"first "
                      "place\"'), to_regnamespace('between'))"),
        0);
    free(found);
    tenantdb_close(moved);
    harness_drop_database(moved_url);
  }
  free(fresh);
  harness_drop_database(fresh_url);
  assert_int_equal(differ, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_witness),  cmocka_unit_test(test_provisioned), cmocka_unit_test(test_cloned),
      cmocka_unit_test(test_imported), cmocka_unit_test(test_renamed),     cmocka_unit_test(test_adopted),
      cmocka_unit_test(test_repaired), cmocka_unit_test(test_relocated),
  };
  return cmocka_run_group_tests_name("dumped", tests, setup, teardown) +
         cmocka_run_group_tests_name("dumped, of a plain user", tests, setup_plain, teardown) +
         cmocka_run_group_tests_name("dumped, without roles", tests, setup_routing, teardown);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Views over tenants: what is in them, who may read them, and what is refused. */
#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static const char *reader;
static char *reader_url;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  reader = harness_role("LOGIN");
  reader_url = harness_url_with(url, NULL, reader, NULL);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  free(reader_url);
  harness_drop_database(url);
  return 0;
}

/* A tenant with one note that says whose it is. */
static void make(tenantdb *in, const char *on, const char *slug) {
  tenantdb_tenant *tenant = fixture_tenant(in, slug);
  harness_sql(on, "INSERT INTO \"%s\".notes (body) VALUES ('of %s')", tenantdb_tenant_schema(tenant), slug);
  tenantdb_tenant_free(tenant);
}

static char *schema_of(const char *slug) {
  return harness_value(
      url, "SELECT schema_name FROM tenantdb.tenants WHERE slug = '%s' AND state <> 'deleted'", slug);
}

static void gone(const char *slug) {
  harness_assert_ok(tenantdb_tenant_purge(db, slug, 1, &error), error);
}

/* Options as key, value, …, NULL. */
static tenantdb_view_options *options_of(const char *const *pairs) {
  tenantdb_view_options *options = tenantdb_view_options_new();
  for (; *pairs; pairs += 2) {
    tenantdb_view_options_set(options, pairs[0], pairs[1]);
  }
  return options;
}

#define OPTIONS(...) options_of((const char *const[]){__VA_ARGS__, NULL})

static tenantdb_status create(tenantdb *in, const char *name, const char *table,
                              tenantdb_view_options *options, tenantdb_error **failure) {
  tenantdb_status status = tenantdb_view_create(in, name, table, options, failure);
  tenantdb_view_options_free(options);
  return status;
}

static void drop(const char *name) {
  harness_assert_ok(tenantdb_view_drop(db, name, &error), error);
}

/* A cell of tenantdb_view_list(), free() it. */
static char *listed(tenantdb *in, const char *name, const char *column) {
  tenantdb_result *result = NULL;
  char *value = NULL;
  harness_assert_ok(tenantdb_view_list(in, &result, &error), error);
  for (int32_t row = 0; row < tenantdb_result_rows(result); row++) {
    for (int32_t c = 0; c < tenantdb_result_columns(result); c++) {
      const char *cell = tenantdb_result_value(result, row, c);
      if (cell && strcmp(tenantdb_result_value(result, row, 0), name) == 0 &&
          strcmp(tenantdb_result_name(result, c), column) == 0) {
        value = strdup(cell);
      }
    }
  }
  tenantdb_result_free(result);
  return value;
}

static void assert_listed(tenantdb *in, const char *name, const char *column, const char *expected) {
  char *value = listed(in, name, column);
  assert_string_equal(value ? value : "NULL", expected);
  free(value);
}

static void assert_value(const char *on, const char *sql, const char *expected) {
  char *value = harness_value(on, "%s", sql);
  assert_string_equal(value ? value : "NULL", expected);
  free(value);
}

/* ---------------------------------------------------------------- what is in it */

static void test_all(void **state) {
  (void)state;
  make(db, url, "acme");
  make(db, url, "beta-two");
  harness_assert_ok(create(db, "all_notes", "notes", OPTIONS("reader", reader), &error), error);
  assert_value(
      reader_url,
      "SELECT string_agg(tenant || ' ' || body, '; ' ORDER BY tenant) FROM tenantdb_reports.all_notes",
      "acme of acme; beta-two of beta-two");
  assert_value(
      url,
      "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM "
      "pg_attribute WHERE attrelid = 'tenantdb_reports.all_notes'::regclass",
      "tenant text, id bigint, body text, at timestamp with time zone");
  assert_listed(db, "all_notes", "schema", "tenantdb_reports");
  assert_listed(db, "all_notes", "table", "Service.notes");
  assert_listed(db, "all_notes", "reader", reader);
  assert_listed(db, "all_notes", "tenants", "2");
  assert_listed(db, "all_notes", "stale", "f");
  assert_listed(db, "all_notes", "left_out", "NULL");
  assert_listed(db, "all_notes", "chosen", "all");
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.audit a JOIN tenantdb.operations o ON o.id = "
                    "a.operation_id JOIN tenantdb.views v ON v.id = a.tenant_id WHERE a.action = "
                    "'create view' AND a.detail->>'view' = 'all_notes'"),
      1);
  /* One tenant named in the query is one table read, as if there were no others. */
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM tenantdb_reports.all_notes WHERE tenant = 'acme'"), 1);
  drop("all_notes");
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_views WHERE schemaname LIKE 'tenantdb%%'"), 0);
  assert_int_equal(harness_count(url,
                                 "SELECT (SELECT count(*) FROM tenantdb.views) + (SELECT count(*) FROM "
                                 "tenantdb.view_parts) + (SELECT count(*) FROM tenantdb.view_members)"),
                   0);
  gone("acme");
  gone("beta-two");
}

/* The planner sees through it: another tenant's branch is not even looked at. */
static void test_pruned(void **state) {
  (void)state;
  make(db, url, "near");
  make(db, url, "far");
  harness_assert_ok(create(db, "pruned", "notes", NULL, &error), error);
  harness_sql(
      url,
      "CREATE FUNCTION plan_of(q text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE l text; r text = ''; "
      "BEGIN FOR l IN EXECUTE 'EXPLAIN (COSTS OFF) ' || q LOOP r = r || l || chr(10); END LOOP; RETURN "
      "r; END $$");
  assert_int_equal(harness_count(url,
                                 "SELECT (length(p) - length(replace(p, 'on notes', ''))) / 8 FROM plan_of('"
                                 "SELECT * FROM tenantdb_reports.pruned WHERE tenant = ''near''') p"),
                   1);
  /* In the order of an index of every tenant's, without sorting. */
  assert_int_equal(harness_count(url,
                                 "SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT (p LIKE "
                                 "'%%Merge Append%%Index Scan%%')::int FROM plan_of('SELECT * FROM "
                                 "tenantdb_reports.pruned ORDER BY at DESC LIMIT 3') p"),
                   1);
  harness_sql(url, "DROP FUNCTION plan_of");
  drop("pruned");
  gone("near");
  gone("far");
}

static void test_columns(void **state) {
  (void)state;
  make(db, url, "acme");
  char *id = harness_value(url, "SELECT id FROM tenantdb.tenants WHERE slug = 'acme' AND state = 'active'");
  harness_assert_ok(
      create(db, "some", "Service.notes",
             OPTIONS("columns", "body, id", "tenant_column", "whose", "tenant_shows", "id"), &error),
      error);
  assert_value(url,
               "SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = "
               "'tenantdb_reports.some'::regclass",
               "whose, body, id");
  assert_value(url, "SELECT whose FROM tenantdb_reports.some", id);
  free(id);
  fixture_assert_refused(create(db, "more", "notes", OPTIONS("columns", "body, bodi"), &error), error,
                         TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_COLUMN,
                         "notes has no column \"bodi\"; did you mean \"body\"?");
  fixture_assert_refused(create(db, "more", "notes", OPTIONS("columns", "body, id, body"), &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME, "columns: body is named twice");
  fixture_assert_refused(create(db, "more", "notes", OPTIONS("tenant_column", "body"), &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME, "set view option tenant_column");
  /* A column that is not in the view may have its name. */
  harness_assert_ok(create(db, "more", "notes", OPTIONS("tenant_column", "body", "columns", "id"), &error),
                    error);
  drop("more");
  drop("some");
  gone("acme");
}

/* Types of a tenant's own schema, collations, lengths, a view and a partitioned table: in a database apart. */
static void test_types(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *base = tenantdb_registry_base(registry, "Own", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(base,
                    "CREATE TYPE mood AS ENUM ('good', 'bad');"
                    "CREATE TABLE things (id integer PRIMARY KEY, m mood, ms mood[], code varchar(3), price "
                    "numeric(6,2), fixed char(2), bits bit(3), de text COLLATE \"C\", \"Odd \"\"name\" text, "
                    "\"comma,ed\" jsonb);"
                    "CREATE VIEW good_things AS SELECT id, upper(code) AS loud FROM things WHERE m = 'good';"
                    "CREATE TABLE parted (i integer, n text) PARTITION BY LIST (i);"
                    "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)");
  tenantdb *typed = fixture_open(own, registry, NULL);
  harness_assert_ok(tenantdb_bootstrap(typed, &error), error);
  harness_assert_ok(create(typed, "all_things", "things", NULL, &error),
                    error); /* while there is no tenant */
  harness_assert_ok(create(typed, "goods", "good_things", NULL, &error), error);
  harness_assert_ok(create(typed, "parts", "parted", NULL, &error), error);
  tenantdb_view_options *options = tenantdb_view_options_new();
  tenantdb_view_options_column(options, "comma,ed");
  tenantdb_view_options_column(options, "Odd \"name");
  harness_assert_ok(create(typed, "odd", "things", options, &error), error);
  assert_value(
      own,
      "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM "
      "pg_attribute WHERE attrelid = 'tenantdb_reports.all_things'::regclass",
      "tenant text, id integer, m text, ms text[], code character varying, price numeric, fixed bpchar, "
      "bits \"bit\", de text, Odd \"name text, comma,ed jsonb");
  assert_int_equal(harness_count(own, "SELECT count(*) FROM tenantdb_reports.all_things"), 0);
  for (int i = 0; i < 2; i++) {
    tenantdb_tenant *tenant = fixture_tenant(typed, i ? "two" : "one");
    harness_sql(own,
                "INSERT INTO %s.things VALUES (%d, 'good', '{bad,good}', 'abc', 1.5, 'x', '101', 'd', 'o', "
                "'{\"a\": 1}'); INSERT INTO %s.parted VALUES (1, 'p')",
                tenantdb_tenant_schema(tenant), i, tenantdb_tenant_schema(tenant));
    tenantdb_tenant_free(tenant);
  }
  assert_value(
      own,
      "SELECT string_agg(concat_ws(' ', tenant, m, ms, code, price, fixed, bits, de, \"Odd \"\"name\", "
      "\"comma,ed\"), '; ' ORDER BY id) FROM tenantdb_reports.all_things",
      "one good {bad,good} abc 1.50 x  101 d o {\"a\": 1}; two good {bad,good} abc 1.50 x  101 d o "
      "{\"a\": 1}");
  assert_value(
      own,
      "SELECT collname FROM pg_attribute a JOIN pg_collation c ON c.oid = attcollation WHERE attrelid = "
      "'tenantdb_reports.all_things'::regclass AND attname = 'de'",
      "C");
  assert_value(own, "SELECT string_agg(tenant || loud, ',' ORDER BY tenant) FROM tenantdb_reports.goods",
               "oneABC,twoABC");
  assert_value(own, "SELECT string_agg(tenant || n, ',' ORDER BY tenant) FROM tenantdb_reports.parts",
               "onep,twop");
  assert_int_equal(
      harness_count(own, "SELECT count(*) FROM tenantdb_reports.odd WHERE \"Odd \"\"name\" = 'o'"), 2);
  tenantdb_close(typed);
  harness_drop_database(own);
}

/* ---------------------------------------------------------------- which tenants */

static void create_with(const char *slug, const char *properties) {
  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
  tenantdb_tenant_spec_set(spec, "properties", properties);
  harness_assert_ok(tenantdb_tenant_create(db, slug, spec, NULL, &error), error);
  tenantdb_tenant_spec_free(spec);
  char *schema = schema_of(slug);
  harness_sql(url, "INSERT INTO %s.notes (body) VALUES ('of %s')", schema, slug);
  free(schema);
}

#define WHO(view) "SELECT string_agg(tenant, ',' ORDER BY tenant) FROM tenantdb_reports." view

static void test_list(void **state) {
  (void)state;
  make(db, url, "in-1");
  make(db, url, "out-1");
  tenantdb_tenant *later = NULL;
  harness_assert_ok(tenantdb_tenant_register(db, "later", NULL, &later, &error), error);
  tenantdb_view_options *options = OPTIONS("tenants", " IN-1 ,later");
  tenantdb_view_options_tenant(options, tenantdb_tenant_id(later));
  harness_assert_ok(create(db, "few", "notes", options, &error), error);
  assert_value(url, WHO("few"), "in-1");
  assert_listed(db, "few", "chosen", "list");
  harness_assert_ok(tenantdb_tenant_activate(db, "later", NULL, &error), error);
  harness_sql(url, "INSERT INTO %s.notes (body) VALUES ('late')", tenantdb_tenant_schema(later));
  tenantdb_tenant_free(later);
  make(db, url, "out-2");
  assert_value(url, WHO("few"), "in-1,later");
  fixture_assert_refused(create(db, "none", "notes", OPTIONS("tenants", "in-1,nobody"), &error), error,
                         TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT, "there is no tenant \"nobody\"");
  harness_assert_ok(create(db, "none", "notes", OPTIONS("tenants", ""), &error), error);
  assert_value(url, WHO("none"), "NULL");
  drop("none");
  drop("few");
  gone("in-1");
  gone("out-1");
  gone("out-2");
  gone("later");
}

static void test_selector(void **state) {
  (void)state;
  create_with("gold-1", "{\"plan\": \"gold\"}");
  create_with("tin-1", "{\"plan\": \"tin\"}");
  harness_assert_ok(create(db, "gold", "notes", OPTIONS("selector", "plan=gold|platinum"), &error), error);
  create_with("gold-2", "{\"plan\": \"platinum\"}");
  create_with("tin-2", "{}");
  assert_value(url, WHO("gold"), "gold-1,gold-2");
  assert_listed(db, "gold", "stale", "f");
  assert_listed(db, "gold", "chosen", "selector");
  assert_listed(db, "gold", "selector", "plan=gold|platinum");
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.view_members"), 2);
  /* Properties that changed are seen by a refresh, in both directions. */
  harness_sql(url,
              "UPDATE tenantdb.tenants SET properties = CASE slug WHEN 'gold-1' THEN '{}'::jsonb ELSE "
              "'{\"plan\": \"gold\"}' END WHERE slug IN ('gold-1', 'tin-1')");
  harness_assert_ok(tenantdb_view_refresh(db, "gold", &error), error);
  assert_value(url, WHO("gold"), "gold-2,tin-1");
  /* By slug: whoever is called so now. */
  harness_assert_ok(create(db, "named", "notes", OPTIONS("selector", "slug^=tin-"), &error), error);
  assert_value(url, WHO("named"), "tin-1,tin-2");
  harness_assert_ok(tenantdb_tenant_rename(db, "tin-1", "iron-1", NULL, &error), error);
  assert_value(url, WHO("named"), "tin-2");
  assert_value(url, WHO("gold"), "gold-2,iron-1");
  harness_assert_ok(tenantdb_tenant_rename(db, "iron-1", "tin-3", NULL, &error), error);
  assert_value(url, WHO("named"), "tin-2,tin-3");
  fixture_assert_refused(create(db, "bad", "notes", OPTIONS("selector", "state=active"), &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "a view shows active tenants");
  fixture_assert_refused(create(db, "bad", "notes", OPTIONS("selector", "plan ~ gold"), &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "an operator is expected");
  /* With a list both have to hold. */
  harness_assert_ok(create(db, "both", "notes",
                           OPTIONS("selector", "plan=gold|platinum", "tenants", "gold-1,gold-2"), &error),
                    error);
  assert_value(url, WHO("both"), "gold-2");
  assert_listed(db, "both", "chosen", "list");
  drop("both");
  drop("gold");
  drop("named");
  gone("gold-1");
  gone("gold-2");
  gone("tin-2");
  gone("tin-3");
}

/* ---------------------------------------------------------------- who may read it */

static void test_rights(void **state) {
  (void)state;
  make(db, url, "acme");
  make(db, url, "beta");
  const char *other = harness_role("LOGIN");
  char *other_url = harness_url_with(url, NULL, other, NULL);
  /* Whatever default privileges give away is taken back. */
  harness_sql(url,
              "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO %s, PUBLIC; ALTER DEFAULT PRIVILEGES GRANT "
              "USAGE ON SCHEMAS TO PUBLIC",
              other);
  harness_assert_ok(
      create(db, "guarded", "notes", OPTIONS("reader", reader, "schema", "for \"reports\""), &error), error);
  assert_int_equal(harness_count(reader_url, "SELECT count(*) FROM \"for \"\"reports\"\"\".guarded"), 2);
  assert_string_equal(harness_sqlstate(other_url, "SELECT * FROM \"for \"\"reports\"\"\".guarded"), "42501");
  harness_sql(
      url,
      "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM %s, PUBLIC; ALTER DEFAULT PRIVILEGES REVOKE "
      "USAGE ON SCHEMAS FROM PUBLIC",
      other);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM pg_class c, aclexplode(relacl) a WHERE (relname = "
                                 "'guarded' OR relname LIKE 'view\\_%%' AND relkind = 'v' AND relnamespace = "
                                 "'tenantdb'::regnamespace) AND grantee <> "
                                 "relowner AND grantee <> '%s'::regrole",
                                 reader),
                   0);
  /* The reader has the view and nothing behind it; neither has a tenant. */
  char *schema = schema_of("acme"),
       *role = harness_value(url,
                             "SELECT role_name FROM tenantdb.tenants WHERE slug = "
                             "'acme' AND state = 'active'");
  char *part = harness_value(url, "SELECT viewname FROM pg_views WHERE schemaname = 'tenantdb'");
  assert_string_equal(harness_sqlstate(reader_url, "SELECT * FROM %s.notes", schema), "42501");
  assert_string_equal(harness_sqlstate(reader_url, "SELECT * FROM tenantdb.%s", part), "42501");
  assert_string_equal(harness_sqlstate(reader_url, "SELECT * FROM tenantdb.tenants"), "42501");
  assert_string_equal(harness_sqlstate(reader_url, "DELETE FROM \"for \"\"reports\"\"\".guarded"), "55000");
  assert_string_equal(
      harness_sqlstate(url, "SET ROLE \"%s\"; SELECT * FROM \"for \"\"reports\"\"\".guarded", role), "42501");
  tenantdb_session *session = fixture_session(db, "acme");
  fixture_assert_refused(
      tenantdb_session_query(session, "SELECT * FROM \"for \"\"reports\"\"\".guarded", NULL, NULL, &error),
      error, TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION, "for \"reports\"");
  tenantdb_session_close(session);
  /* It reads with its owner's rights. */
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM pg_class WHERE relkind = 'v' AND reloptions::text LIKE "
                    "'%%invoker%%'"),
      0);
  assert_string_equal(fixture_findings(db, "acme"), "");
  fixture_assert_refused(create(db, "x", "notes", OPTIONS("reader", role), &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_OPTION_VALUE, "would read one another's rows");
  char *group = harness_value(url, "SELECT group_role FROM tenantdb.catalog");
  fixture_assert_refused(create(db, "x", "notes", OPTIONS("reader", group), &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_OPTION_VALUE, "would read one another's rows");
  fixture_assert_refused(create(db, "x", "notes", OPTIONS("reader", "public"), &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "there is no role \"public\"");
  drop("guarded");
  assert_string_equal(harness_sqlstate(reader_url, "SELECT * FROM \"for \"\"reports\"\"\".guarded"), "42501");
  harness_sql(url, "DROP SCHEMA \"for \"\"reports\"\"\"");
  free(schema);
  free(role);
  free(part);
  free(group);
  free(other_url);
  gone("acme");
  gone("beta");
}

/* With a barrier a function of the reader's sees only what the view shows. */
static void test_barrier(void **state) {
  (void)state;
  make(db, url, "acme");
  harness_assert_ok(create(db, "walled", "notes", OPTIONS("security_barrier", "on"), &error), error);
  assert_value(url, "SELECT reloptions::text FROM pg_class WHERE relname = 'walled'",
               "{security_barrier=true}");
  assert_value(url, WHO("walled"), "acme");
  harness_assert_ok(tenantdb_view_refresh(db, "walled", &error), error);
  assert_value(url, "SELECT reloptions::text FROM pg_class WHERE relname = 'walled'",
               "{security_barrier=true}");
  drop("walled");
  gone("acme");
}

/* ---------------------------------------------------------------- names, and what is refused */

#define N63 "123456789b123456789c123456789d123456789e123456789f12345678_'-\"x"

static void test_names(void **state) {
  (void)state;
  static const char *const names[] = {"it's", "quo\"ted", "hy-phen", "Über Äll", N63};
  make(db, url, "acme");
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char *sql = NULL;
    harness_assert_ok(
        create(db, names[i], "notes",
               OPTIONS("schema", names[i], "tenant_column", names[i], "reader", reader), &error),
        error);
    assert_listed(db, names[i], "tenants", "1");
    harness_assert_ok(tenantdb_view_ddl(db, names[i], &sql, &error), error);
    harness_sql(url, "%s", sql);
    tenantdb_string_free(sql);
    harness_assert_ok(tenantdb_view_refresh(db, names[i], &error), error);
    fixture_assert_refused(create(db, names[i], "notes", NULL, &error), error, TENANTDB_ALREADY_EXISTS,
                           TENANTDB_REASON_VIEW_EXISTS, "already; it was not touched");
  }
  make(db, url, "beta");
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    assert_listed(db, names[i], "tenants", "2");
    drop(names[i]);
  }
  fixture_assert_refused(create(db, N63 "y", "notes", NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_IDENTIFIER, "the view's name");
  fixture_assert_refused(create(db, "", "notes", NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_IDENTIFIER, "the view's name is empty");
  gone("acme");
  gone("beta");
}

static void test_taken(void **state) {
  (void)state;
  harness_sql(
      url,
      "CREATE SCHEMA IF NOT EXISTS tenantdb_reports; CREATE VIEW tenantdb_reports.theirs AS SELECT 1 AS "
      "i; CREATE TYPE tenantdb_reports.type_of_theirs AS (i int)");
  fixture_assert_refused(create(db, "theirs", "notes", NULL, &error), error, TENANTDB_ALREADY_EXISTS,
                         TENANTDB_REASON_VIEW_EXISTS, "\"theirs\"");
  fixture_assert_refused(create(db, "type_of_theirs", "notes", NULL, &error), error, TENANTDB_ALREADY_EXISTS,
                         TENANTDB_REASON_VIEW_EXISTS, "");
  /* Somebody put his own view in the place of ours: it is neither replaced nor dropped. */
  harness_assert_ok(create(db, "ours", "notes", NULL, &error), error);
  harness_sql(url, "DROP VIEW tenantdb_reports.ours; CREATE VIEW tenantdb_reports.ours AS SELECT 2 AS i");
  fixture_assert_refused(tenantdb_view_refresh(db, "ours", &error), error, TENANTDB_ALREADY_EXISTS,
                         TENANTDB_REASON_VIEW_EXISTS, "does not carry the mark \"libtenantdb view ");
  drop("ours");
  assert_value(url, "SELECT i FROM tenantdb_reports.ours", "2");
  harness_sql(url,
              "DROP VIEW tenantdb_reports.ours; DROP VIEW tenantdb_reports.theirs; DROP TYPE "
              "tenantdb_reports.type_of_theirs");
  /* Something depends on it. */
  harness_assert_ok(create(db, "needed", "notes", NULL, &error), error);
  harness_sql(url, "CREATE VIEW public.needs AS SELECT * FROM tenantdb_reports.needed");
  harness_assert_status(tenantdb_view_drop(db, "needed", &error), error, TENANTDB_SQL,
                        TENANTDB_REASON_SERVER_ERROR);
  assert_string_equal(tenantdb_error_sqlstate(error), "2BP01");
  harness_assert_message(error, "dropping view needed");
  tenantdb_error_free(error);
  error = NULL;
  harness_sql(url, "DROP VIEW public.needs");
  drop("needed");
}

static void test_refused(void **state) {
  (void)state;
  tenantdb_result *result = NULL;
  char *sql = NULL;
  fixture_assert_refused(create(db, "x", "notez", NULL, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TABLE, "did you mean \"notes\"?");
  fixture_assert_refused(create(db, "x", "Nobase.notes", NULL, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_BASE, "Nobase");
  fixture_assert_refused(create(db, "x", "plans", NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "plans is no table or view of a tenant base");
  fixture_assert_refused(create(db, "x", "notes", OPTIONS("readr", "x"), &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_UNKNOWN_OPTION, "did you mean \"reader\"?");
  tenantdb_view_options *keyless = tenantdb_view_options_new();
  tenantdb_view_options_set(keyless, NULL, "x");
  fixture_assert_refused(create(db, "x", "notes", keyless, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "key is NULL");
  fixture_assert_refused(create(db, "x", "notes", OPTIONS("tenant_shows", "name"), &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "neither slug nor id");
  fixture_assert_refused(create(db, "x", "notes", OPTIONS("security_barrier", "yes"), &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "neither off nor on");
  fixture_assert_refused(create(db, "x", "notes", OPTIONS("columns", "a,,b"), &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "columns: name 2 is empty");
  fixture_assert_refused(create(db, "x", "notes", OPTIONS("tenants", "a,"), &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_OPTION_VALUE, "tenants: name 2 is empty");
  fixture_assert_refused(create(db, "x", "notes", OPTIONS("schema", "pg_mine"), &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "keeps for itself");
  fixture_assert_refused(create(db, "x", "notes", OPTIONS("schema", "tenantdb"), &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "is the catalog's schema");
  fixture_assert_refused(create(db, "x", "notes", OPTIONS("reader", "nobody-of-that-name"), &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "there is no role");
  make(db, url, "acme");
  char *schema = schema_of("acme");
  fixture_assert_refused(create(db, "x", "notes", OPTIONS("schema", schema), &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "is a tenant's schema");
  free(schema);
  fixture_assert_refused(tenantdb_view_refresh(db, "x", &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_VIEW, "there is no view over tenants \"x\"");
  fixture_assert_refused(tenantdb_view_drop(db, "x", &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_VIEW, "tenantdb_view_list()");
  fixture_assert_refused(tenantdb_view_ddl(db, "x", &sql, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_VIEW, "\"x\"");
  assert_null(sql);
  harness_assert_fails(tenantdb_view_ddl(db, NULL, &sql, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_view_ddl(db, "x", NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_view_list(db, NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_view_list(NULL, &result, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_view_create(db, NULL, "notes", NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_view_create(db, "x", NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_view_create(NULL, "x", "notes", NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_view_drop(db, NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_view_refresh(NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  tenantdb_view_options_set(NULL, "schema", "x");
  tenantdb_view_options_tenant(NULL, "x");
  tenantdb_view_options_column(NULL, "x");
  tenantdb_view_options_free(NULL);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.views"), 0);
  gone("acme");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_all),   TEST(test_pruned),   TEST(test_columns), TEST(test_types),
      TEST(test_list),  TEST(test_selector), TEST(test_rights),  TEST(test_barrier),
      TEST(test_names), TEST(test_taken),    TEST(test_refused),
  };
  return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}

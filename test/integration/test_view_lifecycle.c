/* SPDX-License-Identifier: PostgreSQL */
/* Views over tenants while tenants come and go, one by one. */
#include <libpq-fe.h>

#include "view_fixture.h"

/* ---------------------------------------------------------------- every transition */

typedef tenantdb_status (*change)(tenantdb *, const char *, tenantdb_tenant **, tenantdb_error **);

static tenantdb_status removed(tenantdb *in, const char *tenant, tenantdb_tenant **result,
                               tenantdb_error **failure) {
  return tenantdb_tenant_remove(in, tenant, 3600, result, failure);
}

static void test_transitions(void **state) {
  (void)state;
  static const struct {
    change call;
    const char *seen;
  } steps[] = {{tenantdb_tenant_suspend, "stays"},      {tenantdb_tenant_resume, "moves,stays"},
               {tenantdb_tenant_archive, "stays"},      {tenantdb_tenant_restore, "stays"},
               {tenantdb_tenant_resume, "moves,stays"}, {removed, "stays"},
               {tenantdb_tenant_restore, "stays"},      {tenantdb_tenant_resume, "moves,stays"}};
  view("all");
  make("stays");
  assert_seen("all", "stays");
  harness_assert_ok(tenantdb_tenant_register(db, "moves", NULL, NULL, &error), error);
  assert_seen("all", "stays");
  harness_assert_ok(tenantdb_tenant_activate(db, "moves", NULL, &error), error);
  note("moves");
  assert_seen("all", "moves,stays");
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    harness_assert_ok(steps[i].call(db, "moves", NULL, &error), error);
    assert_seen("all", steps[i].seen);
    assert_int_equal(stale(), 0);
  }
  /* None of this touched the text. */
  assert_int_equal(branches(), 2);
  harness_assert_ok(tenantdb_tenant_rename(db, "moves", "renamed", NULL, &error), error);
  assert_seen("all", "renamed,stays");
  make("moves"); /* another one of that name */
  assert_seen("all", "moves,renamed,stays");
  harness_assert_ok(tenantdb_tenant_purge(db, "renamed", 1, &error), error);
  assert_seen("all", "moves,stays");
  assert_int_equal(branches(), 2);
  harness_assert_ok(tenantdb_tenant_archive(db, "moves", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_purge(db, "moves", 1, &error), error);
  harness_assert_ok(tenantdb_tenant_purge(db, "stays", 1, &error), error);
  assert_seen("all", "");
  assert_int_equal(branches(), 0);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.view_members"), 0);
  make("late");
  assert_seen("all", "late");
  assert_int_equal(stale(), 0);
}

/* The state itself is what the view looks at, by whatever way it was changed. */
static void test_by_hand(void **state) {
  (void)state;
  make("acme");
  view("all");
  PGconn *report = PQconnectdb(reader_url);
  PQclear(
      PQexec(report, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM tenantdb_reports.\"all\""));
  /* A report that goes on keeps nobody from suspending, and sees what it saw when it began. */
  int64_t began = fixture_now_ms();
  harness_assert_ok(tenantdb_tenant_suspend(db, "acme", NULL, &error), error);
  assert_true(fixture_now_ms() - began < 5000);
  assert_seen("all", "");
  PGresult *rows = PQexec(report, "SELECT count(*) FROM tenantdb_reports.\"all\"");
  assert_string_equal(PQgetvalue(rows, 0, 0), "1");
  PQclear(rows);
  PQfinish(report);
  harness_sql(url, "UPDATE tenantdb.tenants SET state = 'active'");
  assert_seen("all", "acme");
  harness_sql(
      url,
      "UPDATE tenantdb.tenants SET slug = 'Acme'"); /* the text does not know it yet: nobody is misnamed */
  assert_seen("all", "");
  harness_assert_ok(tenantdb_view_refresh(db, "all", &error), error);
  assert_seen("all", "Acme");
}

/* ---------------------------------------------------------------- a report in the way */

static void test_report_in_the_way(void **state) {
  (void)state;
  tenantdb *impatient = fixture_open(url, NULL, FIXTURE_OPTIONS("operation.lock_timeout", "200ms"));
  make("acme");
  make("goes");
  view("all");
  PGconn *report = PQconnectdb(reader_url);
  PQclear(PQexec(report, "BEGIN; SELECT count(*) FROM tenantdb_reports.\"all\""));
  /* Who comes is there; only the view has to wait. */
  int64_t began = fixture_now_ms();
  make("comes");
  assert_true(fixture_now_ms() - began < 8000);
  assert_seen("all", "acme,goes");
  assert_int_equal(stale(), 1);
  tenantdb_result *events = NULL;
  int told = 0;
  harness_assert_ok(tenantdb_events(db, 0, &events, &error), error);
  for (int32_t i = 0; i < tenantdb_result_rows(events); i++) {
    told += strcmp(tenantdb_result_value(events, i, 4), "view-stale") == 0;
  }
  tenantdb_result_free(events);
  assert_int_equal(told, 1);
  /* Asked for it by name, one is told; so is who purges. */
  harness_assert_status(tenantdb_view_refresh(impatient, "all", &error), error, TENANTDB_BUSY,
                        TENANTDB_REASON_LOCK_TIMEOUT);
  harness_assert_message(error, "view all, which somebody reads");
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_LATER);
  tenantdb_error_free(error);
  error = NULL;
  harness_assert_status(tenantdb_tenant_purge(impatient, "goes", 1, &error), error, TENANTDB_BUSY,
                        TENANTDB_REASON_LOCK_TIMEOUT);
  harness_assert_message(error, "view all");
  tenantdb_error_free(error);
  error = NULL;
  assert_seen("all", "acme"); /* he is deleting, and out of it */
  PQfinish(report);
  tenantdb_result *done = NULL;
  harness_assert_ok(tenantdb_reconcile(db, &done, &error), error);
  int settled = 0;
  for (int32_t i = 0; i < tenantdb_result_rows(done); i++) {
    const char *operation = tenantdb_result_value(done, i, 1);
    settled += operation && strcmp(operation, "all") == 0 &&
               strcmp(tenantdb_result_value(done, i, 2), "settle view") == 0 &&
               strcmp(tenantdb_result_value(done, i, 3), "done") == 0;
    settled +=
        strcmp(tenantdb_result_value(done, i, 2), "resume") == 0; /* the purge, which settles it, too */
  }
  assert_true(settled >= 1);
  tenantdb_result_free(done);
  assert_seen("all", "acme,comes");
  assert_int_equal(stale(), 0);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE state = 'deleted'"), 1);
  tenantdb_close(impatient);
}

/* ---------------------------------------------------------------- who does not fit */

static void assert_left_out(const char *expected) {
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_view_list(db, &result, &error), error);
  const char *value = tenantdb_result_value(result, 0, 6);
  assert_string_equal(value ? value : "NULL", expected);
  tenantdb_result_free(result);
}

static char *schema_of(const char *slug) {
  return harness_value(url, "SELECT schema_name FROM tenantdb.tenants WHERE slug = '%s'", slug);
}

static void test_drift(void **state) {
  (void)state;
  static const char *const slugs[] = {"a-whole", "b-tableless", "c-columnless", "d-typed", "e-shorter"};
  char *schemas[5];
  for (int i = 0; i < 5; i++) {
    make(slugs[i]);
    schemas[i] = schema_of(slugs[i]);
  }
  harness_sql(
      url,
      "DROP TABLE %s.notes CASCADE; ALTER TABLE %s.notes DROP COLUMN at CASCADE; ALTER TABLE %s.notes ALTER "
      "body TYPE jsonb USING '1'; ALTER TABLE %s.notes ALTER body TYPE varchar(5), ALTER id TYPE integer",
      schemas[1], schemas[2], schemas[3], schemas[4]);
  view("all");
  assert_seen("all", "a-whole,e-shorter");
  char expected[600];
  snprintf(
      expected, sizeof expected,
      "[{\"why\": \"schema %s has no table or view notes\", \"tenant\": \"b-tableless\"}, {\"why\": \"there "
      "is no "
      "column at\", \"tenant\": \"c-columnless\"}, {\"why\": \"column body is jsonb, not text\", \"tenant\": "
      "\"d-typed\"}]",
      schemas[1]);
  assert_left_out(expected);
  /* Others come and go past them. */
  make("f-new");
  assert_seen("all", "a-whole,e-shorter,f-new");
  assert_int_equal(stale(), 0);
  /* What is mended is seen by a refresh, what breaks later by the next one who looks. */
  harness_sql(url, "ALTER TABLE %s.notes ADD at timestamptz; ALTER TABLE %s.notes ALTER body TYPE text",
              schemas[2], schemas[3]);
  harness_assert_ok(tenantdb_view_refresh(db, NULL, &error), error);
  assert_seen("all", "a-whole,c-columnless,d-typed,e-shorter,f-new");
  assert_string_equal(harness_sqlstate(url, "DROP TABLE %s.notes", schemas[0]), "2BP01");
  harness_sql(url, "DROP TABLE %s.notes CASCADE", schemas[0]); /* the part, and the view with it */
  assert_int_equal(stale(), 1);
  make("g-newer"); /* finds the part gone, and one of its tables */
  assert_int_equal(stale(), 0);
  assert_seen("all", "c-columnless,d-typed,e-shorter,f-new,g-newer");
  /* Not the owner's to read. */
  const char *other = harness_role("NOLOGIN");
  harness_sql(
      url,
      "ALTER VIEW tenantdb_reports.\"all\" OWNER TO %s; GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT ON "
      "%s.notes TO %s",
      other, schemas[2], other, schemas[2], other);
  harness_assert_ok(tenantdb_view_refresh(db, "all", &error), error);
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_view_list(db, &result, &error), error);
  assert_non_null(strstr(tenantdb_result_value(result, 0, 6), "who owns the view, may not read"));
  tenantdb_result_free(result);
  for (int i = 0; i < 5; i++) {
    free(schemas[i]);
  }
}

/* The registry changes: a column more, or another type. */
static void test_new_columns(void **state) {
  (void)state;
  make("acme");
  view("all");
  harness_assert_ok(tenantdb_view_refresh(db, "all", &error), error);
  int64_t oid = harness_count(url, "SELECT 'tenantdb_reports.\"all\"'::regclass::oid");
  harness_assert_ok(tenantdb_view_refresh(db, "all", &error), error);
  assert_int_equal(harness_count(url, "SELECT 'tenantdb_reports.\"all\"'::regclass::oid"),
                   oid); /* replaced */
  tenantdb_registry *registry = fixture_registry();
  tenantdb_table_column(
      tenantdb_base_table(tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT), "notes"),
      "stars", "smallint", "NOT NULL DEFAULT 0");
  tenantdb *newer = fixture_open(url, registry, NULL);
  harness_assert_ok(tenantdb_view_refresh(newer, "all", &error), error);
  assert_seen("all", ""); /* the tenant has yet to be migrated */
  char *schema = schema_of("acme");
  harness_sql(url, "ALTER TABLE %s.notes ADD stars smallint NOT NULL DEFAULT 5", schema);
  harness_assert_ok(tenantdb_view_refresh(newer, "all", &error), error);
  assert_int_equal(harness_count(reader_url, "SELECT stars FROM tenantdb_reports.\"all\""), 5);
  tenantdb_close(newer);
  /* A registry without the table: the view stays as it is. */
  registry = tenantdb_registry_new();
  newer = fixture_open(url, registry, NULL);
  fixture_assert_refused(tenantdb_view_refresh(newer, "all", &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TABLE, "declares no Service.notes any more");
  assert_seen("all", "acme");
  tenantdb_close(newer);
  free(schema);
}

/* ---------------------------------------------------------------- at every level */

static void test_levels(void **state) {
  (void)state;
  static const char *const levels[] = {"routing", "role", "hardened", "login"};
  for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
    const char *own = harness_database();
    char *own_reader = harness_url_with(own, NULL, reader, NULL);
    if (i == 2) {
      tenantdb *first = fixture_ready(own, FIXTURE_OPTIONS("isolation.level", "role"));
      harness_assert_ok(tenantdb_harden(first, 1, NULL, &error), error);
      tenantdb_close(first);
    }
    tenantdb *level =
        fixture_ready(own, FIXTURE_OPTIONS("isolation.level", levels[i], "login.passwords", "none"));
    harness_assert_ok(create(level, "all", NULL, &error), error);
    tenantdb_tenant *tenant = fixture_tenant(level, "acme");
    harness_sql(own, "INSERT INTO %s.notes (body) VALUES ('x')", tenantdb_tenant_schema(tenant));
    tenantdb_tenant_free(tenant);
    assert_int_equal(harness_count(own_reader, "SELECT count(*) FROM tenantdb_reports.\"all\""), 1);
    harness_assert_ok(tenantdb_tenant_suspend(level, "acme", NULL, &error), error);
    assert_int_equal(harness_count(own_reader, "SELECT count(*) FROM tenantdb_reports.\"all\""), 0);
    harness_assert_ok(tenantdb_tenant_purge(level, "acme", 1, &error), error);
    harness_assert_ok(tenantdb_view_drop(level, "all", &error), error);
    tenantdb_close(level);
    free(own_reader);
    harness_drop_database(own);
  }
}

/* Who runs the library need not be a superuser. */
static void test_plain_owner(void **state) {
  (void)state;
  const char *own = harness_database();
  const char *owner = harness_role("LOGIN CREATEROLE NOSUPERUSER");
  char *owner_url = harness_url_with(own, NULL, owner, NULL);
  char *own_reader = harness_url_with(own, NULL, reader, NULL);
  char *database = harness_database_name(own);
  harness_sql(own, "GRANT CREATE ON DATABASE \"%s\" TO %s; GRANT CREATE ON SCHEMA public TO %s", database,
              owner, owner);
  tenantdb *plain = fixture_ready(owner_url, NULL);
  harness_assert_ok(create(plain, "all", NULL, &error), error);
  for (int i = 0; i < 12; i++) { /* one more than the small part takes */
    char slug[8];
    snprintf(slug, sizeof slug, "p%d", i);
    tenantdb_tenant *tenant = fixture_tenant(plain, slug);
    harness_sql(owner_url, "INSERT INTO %s.notes (body) VALUES ('x')", tenantdb_tenant_schema(tenant));
    tenantdb_tenant_free(tenant);
  }
  harness_assert_ok(tenantdb_tenant_suspend(plain, "p3", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_purge(plain, "p4", 1, &error), error);
  assert_int_equal(harness_count(own_reader, "SELECT count(*) FROM tenantdb_reports.\"all\""), 10);
  harness_assert_ok(tenantdb_view_refresh(plain, NULL, &error), error);
  assert_int_equal(harness_count(own_reader, "SELECT count(*) FROM tenantdb_reports.\"all\""), 10);
  harness_assert_ok(tenantdb_view_drop(plain, "all", &error), error);
  tenantdb_close(plain);
  free(database);
  free(owner_url);
  free(own_reader);
  harness_drop_database(own);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_transitions), TEST(test_by_hand), TEST(test_report_in_the_way), TEST(test_drift),
      TEST(test_new_columns), TEST(test_levels),  TEST(test_plain_owner),
  };
  return cmocka_run_group_tests_name("view_lifecycle", tests, NULL, NULL);
}

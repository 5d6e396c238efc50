/* SPDX-License-Identifier: PostgreSQL */
/* Creating tenants: what is made, what slugs and specifications may be, what must not be touched. */
#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

/* ---------------------------------------------------------------- what is made */

static void test_whole(void **state) {
  (void)state;
  tenantdb_tenant *tenant = fixture_tenant(db, "Acme-Corp");
  const char *schema = tenantdb_tenant_schema(tenant);
  assert_int_equal(strlen(tenantdb_tenant_id(tenant)), 36);
  assert_string_equal(tenantdb_tenant_slug(tenant), "Acme-Corp");
  assert_string_equal(tenantdb_tenant_name(tenant), "");
  assert_int_equal(strncmp(schema, "tenant_acme_corp_", 17), 0);
  assert_int_equal(strlen(schema), 23);
  assert_int_equal(strncmp(schema + 17, tenantdb_tenant_id(tenant), 6), 0);
  assert_int_equal(strncmp(tenantdb_tenant_role(tenant), "tenant_role_", 12), 0);
  assert_string_equal(tenantdb_tenant_role(tenant) + 12, tenantdb_tenant_id(tenant));
  assert_int_equal(tenantdb_tenant_state(tenant), TENANTDB_TENANT_ACTIVE);
  assert_string_equal(tenantdb_tenant_state_name(tenant), "active");
  assert_int_equal(tenantdb_tenant_generation(tenant), 1);
  assert_string_equal(tenantdb_tenant_purge_after(tenant), "");
  assert_string_equal(tenantdb_tenant_properties(tenant), "{}");
  assert_int_equal(strncmp(tenantdb_tenant_created_at(tenant), "20", 2), 0);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_tables WHERE schemaname = '%s'", schema), 2);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_indexes WHERE schemaname = '%s'", schema), 4);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM pg_roles WHERE rolname = '%s' AND NOT (rolcanlogin OR "
                    "rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication)",
                    tenantdb_tenant_role(tenant)),
      1);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.audit WHERE tenant_id = '%s' AND action "
                                 "= 'create' AND from_state IS NULL AND to_state = 'active'",
                                 tenantdb_tenant_id(tenant)),
                   1);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.operations WHERE tenant_id = '%s' AND "
                                 "state = 'done'",
                                 tenantdb_tenant_id(tenant)),
                   1);
  assert_string_equal(fixture_findings(db, "acme-corp"), "");
  assert_int_equal(fixture_halves(url), 0);
  tenantdb_tenant_free(tenant);
}

static void test_specification(void **state) {
  (void)state;
  static const char id[] = "6F9619FF-8B86-D011-B42D-00C04FC964FF";
  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
  tenantdb_tenant *tenant = NULL;
  tenantdb_tenant_spec_set(spec, "name", "Größe & \"Co\"");
  tenantdb_tenant_spec_set(spec, "id", id);
  tenantdb_tenant_spec_set(spec, "properties", "{\"plan\": \"gold\"}");
  harness_assert_ok(tenantdb_tenant_create(db, "specified", spec, &tenant, &error), error);
  assert_string_equal(tenantdb_tenant_id(tenant), "6f9619ff-8b86-d011-b42d-00c04fc964ff");
  assert_string_equal(tenantdb_tenant_name(tenant), "Größe & \"Co\"");
  assert_string_equal(tenantdb_tenant_properties(tenant), "{\"plan\": \"gold\"}");
  tenantdb_tenant_free(tenant);
  fixture_assert_refused(tenantdb_tenant_create(db, "another", spec, &tenant, &error), error,
                         TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_ID_TAKEN, "6f9619ff-8b86-d011-b42d");
  assert_null(tenant);
  tenantdb_tenant_spec_free(spec);
}

static void test_bad_specification(void **state) {
  (void)state;
  static const struct {
    const char *key, *value;
    int32_t reason;
    const char *text;
  } cases[] = {
      {"properties", "[1]", TENANTDB_REASON_BAD_PROPERTIES, "not a JSON object"},
      {"properties", "{", TENANTDB_REASON_BAD_PROPERTIES, "not a JSON object"},
      {"properties", "null", TENANTDB_REASON_BAD_PROPERTIES, "not a JSON object"},
      {"id", "12", TENANTDB_REASON_BAD_ARGUMENT, "\"12\" is not a uuid"},
      {"idempotency_key", "", TENANTDB_REASON_BAD_ARGUMENT, "0 bytes"},
      {"nam", "x", TENANTDB_REASON_UNKNOWN_OPTION, "did you mean \"name\"?"},
      {"name", "\xff", TENANTDB_REASON_BAD_ARGUMENT, "not valid UTF-8"},
      {NULL, "x", TENANTDB_REASON_NULL_ARGUMENT, "key is NULL"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
    tenantdb_tenant_spec_set(spec, cases[i].key, cases[i].value);
    if (cases[i].reason != TENANTDB_REASON_BAD_PROPERTIES) { /* which the server finds out */
      tenantdb_tenant_spec_set(spec, "id", "a second mistake is not the first");
    }
    fixture_assert_refused(tenantdb_tenant_create(db, "ill", spec, NULL, &error), error, TENANTDB_ARGUMENT,
                           cases[i].reason, cases[i].text);
    tenantdb_tenant_spec_free(spec);
  }
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE slug = 'ill'"), 0);
  assert_int_equal(fixture_halves(url), 0);
}

static void test_register_then_activate(void **state) {
  (void)state;
  tenantdb_tenant *tenant = NULL;
  tenantdb_session *session = NULL;
  harness_assert_ok(tenantdb_tenant_register(db, "later", NULL, &tenant, &error), error);
  assert_int_equal(tenantdb_tenant_state(tenant), TENANTDB_TENANT_PENDING);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_namespace WHERE nspname = '%s'",
                                 tenantdb_tenant_schema(tenant)),
                   0);
  fixture_assert_refused(tenantdb_session_open(db, "later", NULL, &session, &error), error,
                         TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE, "tenant later is pending");
  fixture_assert_refused(tenantdb_tenant_create(db, "LATER", NULL, NULL, &error), error,
                         TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SLUG_TAKEN, "\"LATER\" already");
  tenantdb_tenant_free(tenant);
  harness_assert_ok(tenantdb_tenant_activate(db, "LATER", &tenant, &error), error);
  assert_int_equal(tenantdb_tenant_state(tenant), TENANTDB_TENANT_ACTIVE);
  assert_int_equal(tenantdb_tenant_generation(tenant), 2);
  session = fixture_session(db, "later");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  tenantdb_session_close(session);
  fixture_assert_refused(tenantdb_tenant_activate(db, "later", NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_TENANT_STATE, "tenant later is active; to activate it");
  assert_string_equal(fixture_findings(db, "later"), "");
  tenantdb_tenant_free(tenant);
}

/* ---------------------------------------------------------------- slugs */

static void test_slugs(void **state) {
  (void)state;
  static const char long_slug[] = "a2345678901234567890123456789012345678901234567890";
  static const struct {
    const char *slug;
    int32_t reason;
    const char *text;
  } cases[] = {
      {"", TENANTDB_REASON_SLUG_EMPTY, "the slug is empty"},
      {long_slug, TENANTDB_REASON_SLUG_TOO_LONG, "a slug may have 49"},
      {"it's", TENANTDB_REASON_SLUG_CHARACTER, "U+0027 at offset 2"},
      {"a\"b", TENANTDB_REASON_SLUG_CHARACTER, "U+0022 at offset 1"},
      {"a; DROP TABLE x", TENANTDB_REASON_SLUG_CHARACTER, "U+003B"},
      {"größe", TENANTDB_REASON_SLUG_CHARACTER, "U+00F6 at offset 2"},
      {"-a", TENANTDB_REASON_SLUG_CHARACTER, "begins with a letter or digit"},
      {"a\xc3", TENANTDB_REASON_SLUG_NOT_UTF8, "0xc3 at offset 1"},
      {"\xed\xa0\x80", TENANTDB_REASON_SLUG_NOT_UTF8, "not valid UTF-8"},
      {"pg_x", TENANTDB_REASON_SLUG_RESERVED, "reserved by PostgreSQL"},
      {"PG_X", TENANTDB_REASON_SLUG_RESERVED, "reserved by PostgreSQL"},
      {"public", TENANTDB_REASON_SLUG_RESERVED, "\"public\" is reserved"},
      {"tenantdb", TENANTDB_REASON_SLUG_RESERVED, "the catalog's schema"},
      {"TenantDB", TENANTDB_REASON_SLUG_RESERVED, "the catalog's schema"},
      {"select", TENANTDB_REASON_SLUG_RESERVED, "\"select\" is reserved"},
      {"Information_Schema", TENANTDB_REASON_SLUG_RESERVED, "reserved"},
  };
  tenantdb_tenant *tenant = NULL;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    fixture_assert_refused(tenantdb_tenant_create(db, cases[i].slug, NULL, &tenant, &error), error,
                           TENANTDB_ARGUMENT, cases[i].reason, cases[i].text);
    assert_null(tenant);
    fixture_assert_refused(tenantdb_tenant_register(db, cases[i].slug, NULL, &tenant, &error), error,
                           TENANTDB_ARGUMENT, cases[i].reason, cases[i].text);
  }
  fixture_assert_refused(tenantdb_tenant_create(db, NULL, NULL, &tenant, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "slug is NULL");
  fixture_assert_refused(tenantdb_tenant_create(NULL, "a", NULL, &tenant, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  char fits[50];
  memcpy(fits, long_slug, 49);
  fits[49] = '\0';
  tenant = fixture_tenant(db, fits);
  assert_int_equal(strlen(tenantdb_tenant_schema(tenant)), 63);
  tenantdb_tenant_free(tenant);
}

static void test_slug_of_shared_schema(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb *other = fixture_ready(own, FIXTURE_OPTIONS("database.schema", "Shared-Data"));
  fixture_assert_refused(tenantdb_tenant_create(other, "shared-data", NULL, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_SLUG_RESERVED, "the shared schema");
  tenantdb_close(other);
  harness_drop_database(own);
}

static void test_case_only(void **state) {
  (void)state;
  tenantdb_tenant *tenant = fixture_tenant(db, "twin");
  tenantdb_tenant *second = NULL;
  fixture_assert_refused(tenantdb_tenant_create(db, "TWIN", NULL, &second, &error), error,
                         TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SLUG_TAKEN,
                         "there is a tenant \"TWIN\" already (slugs are compared without regard to case)");
  assert_null(second);
  harness_assert_ok(tenantdb_tenant_get(db, "tWiN", &second, &error), error);
  assert_string_equal(tenantdb_tenant_id(second), tenantdb_tenant_id(tenant));
  tenantdb_tenant_free(second);
  tenantdb_tenant_free(tenant);
}

/* ---------------------------------------------------------------- what must not be touched */

static void test_schema_of_another(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb *other = fixture_ready(own, FIXTURE_OPTIONS("tenant.schema_template", "{slug}"));
  harness_sql(own,
              "CREATE SCHEMA bakery; CREATE TABLE bakery.notes (bread text); INSERT INTO bakery.notes "
              "VALUES ('rye')");
  fixture_assert_refused(tenantdb_tenant_create(other, "bakery", NULL, NULL, &error), error,
                         TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SCHEMA_TAKEN,
                         "there is a schema \"bakery\" already and it is not ours; it was not touched");
  assert_int_equal(harness_count(own, "SELECT count(*) FROM bakery.notes WHERE bread = 'rye'"), 1);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM pg_tables WHERE schemaname = 'bakery'"), 1);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM tenantdb.tenants"), 0);
  /* The same through register and activate: the tenant stays pending, the schema stays as it was. */
  harness_assert_ok(tenantdb_tenant_register(other, "bakery", NULL, NULL, &error), error);
  fixture_assert_refused(tenantdb_tenant_activate(other, "bakery", NULL, &error), error,
                         TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SCHEMA_TAKEN, "\"bakery\" already");
  harness_assert_ok(tenantdb_tenant_purge(other, "bakery", 1, &error), error);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM bakery.notes WHERE bread = 'rye'"), 1);
  tenantdb_close(other);
  harness_drop_database(own);
}

static void test_role_of_another(void **state) {
  (void)state;
  const char *own = harness_database();
  const char *role = harness_role("NOLOGIN");
  const char *options[] = {"tenant.role_template", NULL, "tenant.schema_template", "{slug}", NULL};
  char pattern[100];
  snprintf(pattern, sizeof pattern, "%.*s{slug}", (int)(strlen(role) - 1), role);
  options[1] = pattern;
  tenantdb *other = fixture_ready(own, options);
  const char *slug = role + strlen(role) - 1;
  fixture_assert_refused(tenantdb_tenant_create(other, slug, NULL, NULL, &error), error,
                         TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_ROLE_TAKEN, "there is a role ");
  assert_int_equal(harness_count(own, "SELECT count(*) FROM pg_roles WHERE rolname = '%s'", role), 1);
  assert_int_equal(harness_count(own,
                                 "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid IN "
                                 "(m.member, m.roleid) WHERE r.rolname = '%s'",
                                 role),
                   0);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM tenantdb.tenants"), 0);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM pg_namespace WHERE nspname = '%s'", slug), 0);
  tenantdb_close(other);
  harness_drop_database(own);
}

/* Two tenants whose names come out the same: "a-b" and "a_b" without {hash}. */
static void test_names_that_meet(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb *other = fixture_ready(own, FIXTURE_OPTIONS("tenant.schema_template", "{slug}"));
  tenantdb_tenant_free(fixture_tenant(other, "a-b"));
  fixture_assert_refused(tenantdb_tenant_create(other, "a_b", NULL, NULL, &error), error,
                         TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SCHEMA_TAKEN,
                         "another tenant has the schema \"a_b\"");
  assert_int_equal(fixture_halves(own), 0);
  tenantdb_close(other);
  harness_drop_database(own);
}

/* ---------------------------------------------------------------- a registry that the server refuses */

static void test_invalid_type(void **state) {
  (void)state;
  const char *own = harness_database();
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *base = tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT);
  tenantdb_table_column(tenantdb_base_table(base, "fine"), "id", "integer", "PRIMARY KEY");
  tenantdb_table_column(tenantdb_base_table(base, "requests"), "id", "uuuid", "PRIMARY KEY");
  tenantdb *other = fixture_open(own, registry, NULL);
  harness_assert_ok(tenantdb_bootstrap(other, &error), error);
  tenantdb_tenant *tenant = NULL;
  harness_assert_status(tenantdb_tenant_create(other, "ill", NULL, &tenant, &error), error, TENANTDB_SQL,
                        TENANTDB_REASON_SERVER_ERROR);
  harness_assert_message(error, "base Service, table requests");
  harness_assert_message(error, "type \"uuuid\" does not exist");
  assert_string_equal(tenantdb_error_sqlstate(error), "42704");
  assert_string_equal(tenantdb_error_tenant(error), "ill");
  assert_non_null(strstr(tenantdb_error_hint(error), "extensions.schema"));
  tenantdb_error_free(error);
  error = NULL;
  assert_null(tenant);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM tenantdb.tenants"), 0);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM tenantdb.operations"), 0);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM tenantdb.audit"), 0);
  assert_int_equal(harness_count(own, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tenant\\_%%'"),
                   0);
  assert_int_equal(harness_count(own,
                                 "SELECT count(*) FROM pg_roles r JOIN pg_auth_members m ON m.member = "
                                 "r.oid WHERE m.roleid = (SELECT oid FROM pg_roles WHERE rolname = "
                                 "(SELECT group_role FROM tenantdb.catalog)) AND NOT rolcanlogin"),
                   0);
  harness_assert_status(tenantdb_tenant_get(other, "ill", &tenant, &error), error, TENANTDB_NOT_FOUND,
                        TENANTDB_REASON_UNKNOWN_TENANT);
  tenantdb_error_free(error);
  error = NULL;
  /* The same by activate: the tenant stays pending and can be activated again. */
  harness_assert_ok(tenantdb_tenant_register(other, "ill", NULL, NULL, &error), error);
  fixture_assert_refused(tenantdb_tenant_activate(other, "ill", NULL, &error), error, TENANTDB_SQL,
                         TENANTDB_REASON_SERVER_ERROR, "table requests");
  harness_assert_ok(tenantdb_tenant_get(other, "ill", &tenant, &error), error);
  assert_int_equal(tenantdb_tenant_state(tenant), TENANTDB_TENANT_PENDING);
  tenantdb_tenant_free(tenant);
  tenantdb_close(other);
  harness_drop_database(own);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_whole),
      cmocka_unit_test(test_specification),
      cmocka_unit_test(test_bad_specification),
      cmocka_unit_test(test_register_then_activate),
      cmocka_unit_test(test_slugs),
      cmocka_unit_test(test_slug_of_shared_schema),
      cmocka_unit_test(test_case_only),
      cmocka_unit_test(test_schema_of_another),
      cmocka_unit_test(test_role_of_another),
      cmocka_unit_test(test_names_that_meet),
      cmocka_unit_test(test_invalid_type),
  };
  return cmocka_run_group_tests_name("create", tests, setup, teardown);
}

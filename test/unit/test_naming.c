/* SPDX-License-Identifier: PostgreSQL */
/* Slugs, and the names that are made of them. */
#include "tenant/naming.h"

#include <string.h>
#include <tenantdb/tenant.h>

#include "unit.h"

static const char id[] = "0a1b2c3d-4e5f-4678-9abc-def012345678";

/* ---------------------------------------------------------------- which bytes may be a slug */

static void assert_slug(const char *slug, size_t length, int32_t reason, const char *text) {
  tenantdb_error *error = NULL;
  tenantdb_status status = tenantdb_slug_check(slug, length, &error);
  if (tenantdb_error_reason(error) != reason || !strstr(tenantdb_error_message(error), text)) {
    fail_msg("%.*s: %s", (int)length, slug, tenantdb_error_message(error));
  }
  assert_int_equal(status, reason ? TENANTDB_ARGUMENT : TENANTDB_OK);
  tenantdb_error_free(error);
}

static void test_good_slugs(void **state) {
  (void)state;
  static const char *const good[] = {
      "a",    "A",   "0",   "acme-corp", "Acme_Corp", "a-",       "a_",
      "a--b", "123", "9-a", "selection", "pgx",       "tenantdb", "a1b2c3d4-4e5f-4678-9abc-def012345678"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    assert_slug(good[i], strlen(good[i]), 0, "");
  }
  char longest[63];
  memset(longest, 'x', sizeof longest);
  assert_slug(longest, sizeof longest, 0, ""); /* counted: no NUL behind it */
}

static void test_bad_slugs(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t length;
    int32_t reason;
    const char *text;
  } bad[] = {
      {"", 0, TENANTDB_REASON_SLUG_EMPTY, "the slug is empty"},
      {"a\0b", 3, TENANTDB_REASON_SLUG_CHARACTER, "U+0000 at offset 1"},
      {"\0", 1, TENANTDB_REASON_SLUG_CHARACTER, "U+0000 at offset 0"},
      {"a b", 3, TENANTDB_REASON_SLUG_CHARACTER, "U+0020 at offset 1"},
      {"a'b", 3, TENANTDB_REASON_SLUG_CHARACTER, "U+0027 at offset 1"},
      {"a\"b", 3, TENANTDB_REASON_SLUG_CHARACTER, "U+0022 at offset 1"},
      {"a;b", 3, TENANTDB_REASON_SLUG_CHARACTER, "tenantdb_slug_from_name()"},
      {"a.b", 3, TENANTDB_REASON_SLUG_CHARACTER, "U+002E"},
      {"a\n", 2, TENANTDB_REASON_SLUG_CHARACTER, "U+000A"},
      {"-a", 2, TENANTDB_REASON_SLUG_CHARACTER, "begins with a letter or digit"},
      {"_a", 2, TENANTDB_REASON_SLUG_CHARACTER, "begins with a letter or digit"},
      {"\xc3\xa9", 2, TENANTDB_REASON_SLUG_CHARACTER, "U+00E9 at offset 0"},
      {"\xc3", 1, TENANTDB_REASON_SLUG_NOT_UTF8, "byte 0xc3 at offset 0"},
      {"ab\xff", 3, TENANTDB_REASON_SLUG_NOT_UTF8, "byte 0xff at offset 2"},
      {"\xc0\x80", 2, TENANTDB_REASON_SLUG_NOT_UTF8, "byte 0xc0"},
      {"pg_a", 4, TENANTDB_REASON_SLUG_RESERVED, "\"pg_a\" is reserved"},
      {"PG-a", 4, TENANTDB_REASON_SLUG_RESERVED, "\"pg-a\" is reserved"},
      {"public", 6, TENANTDB_REASON_SLUG_RESERVED, "reserved"},
      {"Postgres", 8, TENANTDB_REASON_SLUG_RESERVED, "reserved"},
      {"none", 4, TENANTDB_REASON_SLUG_RESERVED, "reserved"},
      {"user", 4, TENANTDB_REASON_SLUG_RESERVED, "reserved"},
      {"SELECT", 6, TENANTDB_REASON_SLUG_RESERVED, "reserved"},
      {"information_schema", 18, TENANTDB_REASON_SLUG_RESERVED, "reserved"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_slug(bad[i].bytes, bad[i].length, bad[i].reason, bad[i].text);
  }
  char longer[64];
  memset(longer, 'x', sizeof longer);
  assert_slug(longer, sizeof longer, TENANTDB_REASON_SLUG_TOO_LONG, "64 bytes long");
  tenantdb_error *error = NULL;
  assert_int_equal(tenantdb_slug_check(NULL, 3, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_NULL_ARGUMENT);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_slug_check("a b", 3, NULL), TENANTDB_ARGUMENT);
}

/* ---------------------------------------------------------------- from a display name */

static void test_from_name(void **state) {
  (void)state;
  static const struct {
    const char *name, *slug;
  } cases[] = {
      {"Acme Corp", "acme-corp"},
      {"  Acme,  Corp. ", "acme-corp"},
      {"Größe & Co", "grosse-co"},
      {"ÅNGSTRÖM", "angstrom"},
      {"Łódź", "lodz"},
      {"Smith's", "smith-s"},
      {"œuvre Æsop", "oeuvre-aesop"},
      {"42", "42"},
      {"a_b", "a-b"},
      {"日本 Ltd", "ltd"},
      {"Žižkov", "zizkov"},
      {"São Paulo", "sao-paulo"},
      {"---x---", "x"},
      {"C++ & D", "c-d"},
      {"ſ", "s"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char *slug = NULL;
    tenantdb_error *error = NULL;
    if (tenantdb_slug_from_name(cases[i].name, &slug, &error)) {
      fail_msg("%s: %s", cases[i].name, tenantdb_error_message(error));
    }
    assert_string_equal(slug, cases[i].slug);
    tenantdb_string_free(slug);
  }
}

static void test_from_bad_name(void **state) {
  (void)state;
  static const struct {
    const char *name;
    int32_t reason;
  } cases[] = {{"", TENANTDB_REASON_SLUG_EMPTY},          {"!!!", TENANTDB_REASON_SLUG_EMPTY},
               {"日本", TENANTDB_REASON_SLUG_EMPTY},      {"a\xff", TENANTDB_REASON_SLUG_NOT_UTF8},
               {"Public", TENANTDB_REASON_SLUG_RESERVED}, {"PG fan", TENANTDB_REASON_SLUG_RESERVED},
               {NULL, TENANTDB_REASON_NULL_ARGUMENT}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char *slug = (char *)(uintptr_t)id;
    tenantdb_error *error = NULL;
    assert_int_equal(tenantdb_slug_from_name(cases[i].name, &slug, &error), TENANTDB_ARGUMENT);
    assert_int_equal(tenantdb_error_reason(error), cases[i].reason);
    assert_null(slug);
    tenantdb_error_free(error);
  }
  char longer[100];
  char *slug = NULL;
  memset(longer, 'x', 99);
  longer[99] = '\0';
  assert_int_equal(tenantdb_slug_from_name(longer, &slug, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_slug_from_name("x", NULL, NULL), TENANTDB_ARGUMENT);
}

/* ---------------------------------------------------------------- names */

/* A database that knows nothing but its options and its level. */
static void prepare(tenantdb *with, const char *schema, const char *role, int32_t level) {
  memset(with, 0, sizeof *with);
  with->level = level;
  with->config = tenantdb_config_new();
  assert_int_equal(tenantdb_config_set(with->config, "tenant.schema_template", schema, NULL), TENANTDB_OK);
  if (role) {
    assert_int_equal(tenantdb_config_set(with->config, "tenant.role_template", role, NULL), TENANTDB_OK);
  }
}

static void test_templates(void **state) {
  (void)state;
  static const struct {
    const char *pattern, *slug, *name;
  } cases[] = {
      {"tenant_{slug}_{hash}", "Acme-Corp", "tenant_acme_corp_0a1b2c"},
      {"project_{id}", "x", "project_0a1b2c3d-4e5f-4678-9abc-def012345678"},
      {"{slug}", "A-b_C", "a_b_c"},
      {"{id}", "x", "0a1b2c3d-4e5f-4678-9abc-def012345678"},
      {"T \"{slug}\" {slug}", "x-y", "T \"x_y\" x_y"},
      {"{hash}{slug}", "9", "0a1b2c9"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    tenantdb with;
    tndb_names_of_tenant names;
    prepare(&with, cases[i].pattern, NULL, TENANTDB_ISOLATION_ROLE);
    assert_int_equal(tndb_naming_make(&with, cases[i].slug, id, &names, NULL), TENANTDB_OK);
    assert_string_equal(names.schema, cases[i].name);
    assert_string_equal(names.role, "tenant_role_0a1b2c3d-4e5f-4678-9abc-def012345678");
    with.level = TENANTDB_ISOLATION_ROUTING;
    assert_int_equal(tndb_naming_make(&with, cases[i].slug, id, &names, NULL), TENANTDB_OK);
    assert_string_equal(names.role, "");
    tenantdb_config_free(with.config);
  }
}

static void assert_names_refused(const char *schema, const char *role, const char *slug, int32_t reason,
                                 const char *text) {
  tenantdb with;
  tndb_names_of_tenant names;
  tenantdb_error *error = NULL;
  prepare(&with, schema, role, TENANTDB_ISOLATION_ROLE);
  assert_int_equal(tndb_naming_make(&with, slug, id, &names, &error), TENANTDB_ARGUMENT);
  if (tenantdb_error_reason(error) != reason || !strstr(tenantdb_error_message(error), text)) {
    fail_msg("%s, %s: %s", schema, slug, tenantdb_error_message(error));
  }
  assert_string_equal(tenantdb_error_tenant(error), slug);
  tenantdb_error_free(error);
  tenantdb_config_free(with.config);
}

static void test_refused_names(void **state) {
  (void)state;
  char slug[64];
  memset(slug, 's', 63);
  slug[63] = '\0';
  assert_names_refused("x{slug}", NULL, slug, TENANTDB_REASON_SLUG_TOO_LONG, "a slug may have 62");
  assert_names_refused("{slug}{slug}", NULL, slug, TENANTDB_REASON_SLUG_TOO_LONG, "of 126 bytes");
  assert_names_refused("{slug}", "role_{slug}", slug, TENANTDB_REASON_SLUG_TOO_LONG, "a slug may have 58");
  assert_names_refused("pg_{slug}", NULL, "x", TENANTDB_REASON_SLUG_RESERVED,
                       "which is reserved by PostgreSQL");
  assert_names_refused("{slug}_{slug}", "PG_{slug}", "x", TENANTDB_REASON_SLUG_RESERVED,
                       "reserved by PostgreSQL");
  assert_names_refused("{slug}db", NULL, "tenant", TENANTDB_REASON_SLUG_RESERVED,
                       "which is the catalog's schema");
  assert_names_refused("pub{slug}", NULL, "lic", TENANTDB_REASON_SLUG_RESERVED, "which is the shared schema");
  assert_names_refused("t_{slug}", NULL, "tenantdb", TENANTDB_REASON_SLUG_RESERVED,
                       "is the name of the catalog's schema");
  assert_names_refused("information_{slug}", NULL, "schema", TENANTDB_REASON_SLUG_RESERVED,
                       "reserved by PostgreSQL");
}

/* Before it is a tenant's: no template makes such a name, and the role's is his already where it can be. */
static void test_standby(void **state) {
  (void)state;
  static const char schema[] = "tenantdb_standby_0a1b2c3d4e5f46789abcdef012345678";
  static const struct {
    const char *pattern, *role;
  } cases[] = {
      {NULL, "tenant_role_0a1b2c3d-4e5f-4678-9abc-def012345678"},
      {"{id}_r", "0a1b2c3d-4e5f-4678-9abc-def012345678_r"},
      {"r_{slug}_{id}", schema},
  };
  tenantdb with;
  tndb_names_of_tenant names;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    prepare(&with, "{slug}", cases[i].pattern, TENANTDB_ISOLATION_ROLE);
    assert_int_equal(tndb_naming_make_standby(&with, id, &names, NULL), TENANTDB_OK);
    assert_string_equal(names.schema, schema);
    assert_string_equal(names.role, cases[i].role);
    with.level = TENANTDB_ISOLATION_ROUTING;
    assert_int_equal(tndb_naming_make_standby(&with, id, &names, NULL), TENANTDB_OK);
    assert_string_equal(names.role, "");
    tenantdb_config_free(with.config);
  }
  assert_names_refused("TenantDB_standby_{slug}", NULL, "x", TENANTDB_REASON_SLUG_RESERVED,
                       "which is reserved for standby schemas");
  assert_names_refused("{slug}", NULL, "tenantdb-STANDBY-", TENANTDB_REASON_SLUG_RESERVED,
                       "which is reserved for standby schemas");
  prepare(&with, "{slug}", NULL, TENANTDB_ISOLATION_ROLE);
  tenantdb_error *error = NULL;
  assert_int_equal(tndb_naming_check_schema(&with, "to", "TENANTDB_standby_x", &error), TENANTDB_ARGUMENT);
  assert_non_null(strstr(tenantdb_error_message(error), "is reserved for standby schemas"));
  tenantdb_error_free(error);
  assert_int_equal(tndb_naming_check_schema(&with, "to", "tenantdb_stand", NULL), TENANTDB_OK);
  tenantdb_config_free(with.config);
}

static void test_fold(void **state) {
  (void)state;
  char folded[TNDB_NAME_SIZE];
  tndb_naming_fold("ACME-Corp_9", folded);
  assert_string_equal(folded, "acme-corp_9");
  char longer[200];
  memset(longer, 'X', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  tndb_naming_fold(longer, folded);
  assert_int_equal(strlen(folded), 63);
}

static void use_names(void *user) {
  tndb_names_of_tenant names;
  tenantdb_error *error = NULL;
  char *slug = NULL;
  (void)tndb_naming_make((tenantdb *)user, "acme", id, &names, &error);
  tenantdb_error_free(error);
  (void)tndb_naming_make_standby((tenantdb *)user, id, &names, &error);
  tenantdb_error_free(error);
  (void)tenantdb_slug_from_name("Acme Corp and more", &slug, &error);
  tenantdb_error_free(error);
  tenantdb_string_free(slug);
}

static void test_out_of_memory(void **state) {
  (void)state;
  tenantdb with;
  prepare(&with, "tenant_{slug}_{hash}", NULL, TENANTDB_ISOLATION_ROLE);
  assert_true(unit_fail_each(use_names, &with, false) > 2);
  assert_true(unit_fail_each(use_names, &with, true) > 2);
  tenantdb_config_free(with.config);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_good_slugs),    cmocka_unit_test(test_bad_slugs),
      cmocka_unit_test(test_from_name),     cmocka_unit_test(test_from_bad_name),
      cmocka_unit_test(test_templates),     cmocka_unit_test(test_refused_names),
      cmocka_unit_test(test_standby),       cmocka_unit_test(test_fold),
      cmocka_unit_test(test_out_of_memory),
  };
  return cmocka_run_group_tests_name("naming", tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/* A tenant out of a database as an archive, and into one again. */
#include "archive_fixture.h"

/* ---------------------------------------------------------------- there and back */

static void test_other_name(void **state) {
  (void)state;
  bytes all = export_of(db, "acme");
  harness_assert_ok(import_as(db, "acme-2", &all, NULL), error);
  char *copy = archive_schema(url, "acme-2");
  archive_assert_same(url, source, url, copy);
  assert_string_equal(fixture_findings(db, "acme-2"), "");
  /* The trigger did not fire, and does now. */
  tenantdb_session *session = fixture_session(db, "acme-2");
  fixture_run(session, "INSERT INTO notes (author_id, body) VALUES (1, 'later')");
  assert_string_equal(fixture_cell(session, "SELECT id || body FROM notes ORDER BY id DESC LIMIT 1"),
                      "101fired");
  tenantdb_session_close(session);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM pg_class WHERE relnamespace = '%s'::regnamespace AND "
                                 "relname LIKE 'tenantdb%%'",
                                 copy),
                   0);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.audit WHERE action = 'import' AND "
                                 "detail->>'import_of' = (SELECT id::text FROM tenantdb.tenants WHERE slug = "
                                 "'acme')"),
                   1);
  free(copy);
  free(all.data);
  purge("acme-2");
}

static void test_other_database(void **state) {
  (void)state;
  const char *other_url;
  tenantdb *other = second(&other_url, SAME_SHARED, FIXTURE_OPTIONS("tenant.schema_template", "t_{slug}"));
  tenantdb_tenant *tenant = NULL;
  harness_assert_ok(tenantdb_tenant_copy(db, "acme", other, "moved", NULL, NULL, &tenant, &error), error);
  assert_string_equal(tenantdb_tenant_slug(tenant), "moved");
  tenantdb_tenant_free(tenant);
  char *copy = archive_schema(other_url, "moved");
  archive_assert_same(url, source, other_url, copy);
  assert_string_equal(fixture_findings(other, "moved"), "");
  free(copy);
  /* An independent witness: the schema is what a creation makes. */
  tenantdb_tenant_free(fixture_tenant(other, "fresh"));
  char *found = archive_dump(other_url, "moved"), *expected = archive_dump(other_url, "fresh");
  assert_string_equal(found, expected);
  free(found);
  free(expected);
  tenantdb_close(other);
  harness_drop_database(other_url);
}

/* Read by 1 to 4096 bytes at a time, written by as many. */
static void test_by_hand(void **state) {
  (void)state;
  static const size_t sizes[] = {1, 7, 4096};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    tenantdb_export *from = NULL;
    tenantdb_import *into = NULL;
    tenantdb_tenant *tenant = NULL;
    char buffer[4096];
    size_t length = 1;
    harness_assert_ok(tenantdb_export_open(db, "acme", NULL, &from, &error), error);
    harness_assert_ok(tenantdb_import_open(db, "by-hand", NULL, NULL, &into, &error), error);
    while (length > 0) {
      harness_assert_ok(tenantdb_export_read(from, buffer, sizes[i], &length, &error), error);
      assert_true(length <= sizes[i]);
      harness_assert_ok(tenantdb_import_write(into, buffer, length, &error), error);
    }
    harness_assert_ok(tenantdb_export_read(from, buffer, 1, &length, &error), error);
    assert_int_equal(length, 0);
    tenantdb_export_close(from);
    harness_assert_ok(tenantdb_import_finish(into, &tenant, &error), error);
    assert_string_equal(tenantdb_tenant_slug(tenant), "by-hand");
    tenantdb_tenant_free(tenant);
    harness_assert_fails(tenantdb_import_finish(into, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_BAD_HANDLE);
    harness_assert_fails(tenantdb_import_write(into, "x", 1, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_BAD_HANDLE);
    tenantdb_import_close(into);
    char *copy = archive_schema(url, "by-hand");
    archive_assert_same(url, source, url, copy);
    free(copy);
    purge("by-hand");
  }
}

/* Closed at any place, nothing is left, and the connections go on. */
static void test_given_up(void **state) {
  (void)state;
  bytes all = export_of(db, "acme");
  int64_t schemas = harness_count(url, "SELECT count(*) FROM pg_namespace");
  for (size_t part = 1; part <= all.length; part += 997) {
    tenantdb_import *into = NULL;
    harness_assert_ok(tenantdb_import_open(db, "given-up", NULL, NULL, &into, &error), error);
    harness_assert_ok(tenantdb_import_write(into, all.data, part, &error), error);
    if (part % 2 && part < all.length) {
      harness_assert_fails(tenantdb_import_finish(into, NULL, &error), error, TENANTDB_ARGUMENT,
                           TENANTDB_REASON_BAD_ARCHIVE);
      harness_assert_fails(tenantdb_import_write(into, all.data + part, 1, &error), error, TENANTDB_ARGUMENT,
                           TENANTDB_REASON_BAD_ARCHIVE);
    }
    tenantdb_import_close(into);
    tenantdb_export *from = NULL;
    char buffer[512];
    size_t length, read = 0;
    harness_assert_ok(tenantdb_export_open(db, "acme", NULL, &from, &error), error);
    while (read < part) {
      harness_assert_ok(tenantdb_export_read(from, buffer, sizeof buffer, &length, &error), error);
      read += length ? length : part;
    }
    tenantdb_export_close(from);
  }
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_namespace"), schemas);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE slug = 'given-up'"), 0);
  harness_assert_ok(import_as(db, "given-up", &all, NULL), error);
  purge("given-up");
  free(all.data);
}

static void test_damaged(void **state) {
  (void)state;
  bytes all = export_of(db, "acme");
  for (size_t at = 0; at < all.length; at += 463) {
    all.data[at] ^= 0x10;
    tenantdb_status status = import_as(db, "damaged", &all, NULL);
    harness_assert_status(status, error, at >= 8 && at < 12 ? TENANTDB_UNSUPPORTED : TENANTDB_ARGUMENT,
                          at >= 8 && at < 12 ? TENANTDB_REASON_ARCHIVE_NEWER : TENANTDB_REASON_BAD_ARCHIVE);
    tenantdb_error_free(error);
    error = NULL;
    all.data[at] ^= 0x10;
  }
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE slug = 'damaged'"), 0);
  free(all.data);
}

/* An archive written anew with every check right, and one thing in it changed. */
typedef struct forgery {
  tndb_archive_out out;
  int what;
  uint64_t total;
} forgery;

static tenantdb_status forge(void *user, char type, const unsigned char *payload, size_t length,
                             tenantdb_error **failure) {
  forgery *f = user;
  (void)failure;
  char copy[TNDB_ARCHIVE_CHUNK];
  assert_true(length <= sizeof copy);
  memcpy(copy, payload, length);
  if (type == TNDB_ARCHIVE_ROWS_END) {
    tndb_payload numbers = {payload, length, false, false};
    uint64_t rows = tndb_take_number(&numbers, 8);
    if (f->what == 0 && rows == 100) {
      copy[length - 1] = copy[length - 1] == '0' ? '1' : '0'; /* the checksum's last digit */
    }
    if (f->what == 1 && rows == 100) {
      copy[7] = 101;
      rows++;
    }
    f->total += rows;
  }
  if (type == TNDB_ARCHIVE_ROWS && f->what == 2 && length > 5000) {
    length = (size_t)(strchr(copy, '\n') - copy) + 1; /* only the first row */
  }
  if (type == TNDB_ARCHIVE_ROWS && f->what == 3 && length > 5000) {
    copy[0] = copy[0] == '1' ? '7' : copy[0]; /* another id, 7 for 1: there are two then */
  }
  if (type == TNDB_ARCHIVE_KEYS_END && f->what == 4) {
    copy[7] = 99;
  }
  if (type == TNDB_ARCHIVE_END) {
    tndb_archive_put_end(&f->out, f->total);
  } else {
    tndb_archive_out_record(&f->out, type, copy, length);
  }
  return TENANTDB_OK;
}

/* What is loaded is compared with what the archive says was there. */
static void test_forged(void **state) {
  (void)state;
  static const char *const texts[] = {"table notes", "table notes", "table notes", "table notes",
                                      "keys were loaded"};
  bytes all = export_of(db, "acme");
  for (int what = 0; what < 5; what++) {
    forgery f = {.what = what};
    tndb_archive_in in;
    tndb_archive_out_start(&f.out);
    tndb_archive_in_start(&in);
    assert_int_equal(tndb_archive_in_feed(&in, all.data, all.length, forge, &f, NULL), TENANTDB_OK);
    bytes forged = {f.out.bytes.data, f.out.bytes.length};
    tenantdb_status status = import_as(db, "forged", &forged, NULL);
    fixture_assert_refused(status, error, what == 3 ? TENANTDB_CONSTRAINT : TENANTDB_INTERNAL,
                           what == 3 ? TENANTDB_REASON_SERVER_CONSTRAINT : TENANTDB_REASON_COPY_DIFFERS,
                           texts[what]);
    tndb_archive_in_free(&in);
    tndb_archive_out_free(&f.out);
  }
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE slug = 'forged'"), 0);
  free(all.data);
}

/* ---------------------------------------------------------------- files */

static void test_files(void **state) {
  (void)state;
  char folder[] = "/tmp/tenantdb-archive-XXXXXX";
  char path[200], command[300];
  tenantdb_result *result = NULL;
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/an \"archive\"", folder);
  for (int i = 0; i < 2; i++) { /* and once over the one that is there */
    harness_assert_ok(tenantdb_tenant_export_file(db, "acme", path, NULL, &error), error);
  }
  struct stat status;
  assert_int_equal(stat(path, &status), 0);
  assert_int_equal(status.st_mode & 0777, 0600);
  harness_assert_ok(tenantdb_archive_describe_file(path, &result, &error), error);
  tenantdb_result_free(result);
  harness_assert_ok(tenantdb_tenant_import_file(db, "filed", NULL, path, NULL, NULL, &error), error);
  purge("filed");
  /* What fails leaves the file that was there, and no other. */
  harness_assert_fails(tenantdb_tenant_export_file(db, "nobody", path, NULL, &error), error,
                       TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT);
  snprintf(command, sizeof command, "test \"$(ls %s | wc -l)\" = 1", folder);
  assert_int_equal(system(command), 0);
  assert_int_equal(truncate(path, status.st_size - 1), 0);
  fixture_assert_refused(tenantdb_tenant_import_file(db, "filed", NULL, path, NULL, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARCHIVE, "cut off");
  fixture_assert_refused(tenantdb_archive_describe_file(path, &result, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARCHIVE, "cut off");
  fixture_assert_refused(tenantdb_tenant_import_file(db, "filed", NULL, "/no/such", NULL, NULL, &error),
                         error, TENANTDB_NOT_FOUND, TENANTDB_REASON_FILE, "/no/such cannot be opened");
  fixture_assert_refused(tenantdb_archive_describe_file(folder, &result, &error), error, TENANTDB_UNSUPPORTED,
                         TENANTDB_REASON_FILE, "it is a folder");
  fixture_assert_refused(tenantdb_tenant_export_file(db, "acme", "/no/such", NULL, &error), error,
                         TENANTDB_NOT_FOUND, TENANTDB_REASON_FILE, "cannot be created");
  fixture_assert_refused(tenantdb_tenant_export_file(db, "acme", "/dev/full/x", NULL, &error), error,
                         TENANTDB_NOT_FOUND, TENANTDB_REASON_FILE, "no folder");
  unlink(path);
  assert_int_equal(rmdir(folder), 0);
}

static const char *describe(tenantdb_result *result, const char *kind, const char *name, int32_t column) {
  for (int32_t i = 0; i < tenantdb_result_rows(result); i++) {
    if (strcmp(tenantdb_result_value(result, i, 0), kind) == 0 &&
        strcmp(tenantdb_result_value(result, i, 1), name) == 0) {
      return tenantdb_result_value(result, i, column);
    }
  }
  return "";
}

static void test_describe(void **state) {
  (void)state;
  bytes all = export_of(db, "acme");
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_archive_describe(all.data, all.length, &result, &error), error);
  assert_string_equal(describe(result, "archive", "format", 2), "1");
  assert_string_equal(describe(result, "archive", "slug", 2), "acme");
  assert_string_equal(describe(result, "archive", "state", 2), "active");
  assert_string_equal(describe(result, "archive", "properties", 2), "{}");
  assert_int_equal(strlen(describe(result, "archive", "registry_hash", 2)), 64);
  assert_int_equal(strtoll(describe(result, "archive", "bytes", 2), NULL, 10), all.length);
  assert_string_equal(describe(result, "table", "notes", 3), "100");
  assert_true(strtoll(describe(result, "table", "notes", 4), NULL, 10) > 5000);
  assert_non_null(strstr(describe(result, "table", "authors", 2), "moods mood[], part share"));
  assert_string_equal(describe(result, "table", "odd \" table", 3), "2");
  assert_string_equal(describe(result, "table", "empty", 3), "0");
  assert_string_equal(describe(result, "table", "events_old", 3), ""); /* goes with events */
  assert_string_equal(describe(result, "reference", "notes (plan_id)", 2), "plans (id) known by (name)");
  assert_string_equal(describe(result, "reference", "notes (plan_id)", 3), "2");
  assert_string_equal(describe(result, "reference", "notes (country, region)", 2), "regions (country, code)");
  assert_string_equal(describe(result, "sequence", "tickets", 2), "101");
  tenantdb_result_free(result);
  harness_assert_fails(tenantdb_archive_describe(NULL, 1, &result, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_archive_describe("x", 1, NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_archive_describe_file(NULL, &result, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_archive_describe("", 0, &result, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_BAD_ARCHIVE);
  free(all.data);
}

/* ---------------------------------------------------------------- references */

/* What an import says became of them, as "plans kept/mapped/nulled;…". Static. */
static const char *import_reporting(tenantdb *into, const bytes *all,
                                    const tenantdb_archive_options *options) {
  static char report[400];
  tenantdb_import *target = NULL;
  tenantdb_result *result = NULL;
  size_t length = 0;
  harness_assert_ok(tenantdb_import_open(into, "there", NULL, options, &target, &error), error);
  harness_assert_fails(tenantdb_import_references(target, &result, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_BAD_HANDLE);
  harness_assert_ok(tenantdb_import_write(target, all->data, all->length, &error), error);
  harness_assert_ok(tenantdb_import_finish(target, NULL, &error), error);
  harness_assert_ok(tenantdb_import_references(target, &result, &error), error);
  report[0] = '\0';
  for (int32_t i = 0; i < tenantdb_result_rows(result); i++) {
    length += (size_t)snprintf(report + length, sizeof report - length, "%s %s/%s/%s;",
                               tenantdb_result_value(result, i, 2), tenantdb_result_value(result, i, 3),
                               tenantdb_result_value(result, i, 4), tenantdb_result_value(result, i, 5));
  }
  tenantdb_result_free(result);
  tenantdb_import_close(target);
  assert_string_equal(fixture_findings(into, "there"), "");
  return report;
}

static int64_t notes_of(const char *other_url, const char *condition) {
  char *copy = archive_schema(other_url, "there");
  int64_t count = harness_count(other_url, "SELECT count(*) FROM %s.notes WHERE %s", copy, condition);
  free(copy);
  return count;
}

/* The same plans under other ids, swapped even: their names tell. */
static void test_mapped(void **state) {
  (void)state;
  const char *other_url;
  tenantdb *other = second(&other_url,
                           "INSERT INTO plans VALUES (2, 'free'), (1, E'\"gold\"\\n'), (3, 'other');"
                           "INSERT INTO regions VALUES ('AT', '7')",
                           NULL);
  bytes all = export_of(db, "acme");
  assert_string_equal(import_reporting(other, &all, NULL), "regions 1/0/0;plans 0/2/0;");
  assert_int_equal(notes_of(other_url, "plan_id = 2 AND id % 5 = 0"), 20);
  assert_int_equal(notes_of(other_url, "plan_id = 1 AND id % 5 = 1"), 20);
  assert_int_equal(notes_of(other_url, "plan_id IS NOT NULL"), 40);
  harness_assert_ok(tenantdb_tenant_purge(other, "there", 1, &error), error);
  /* By ids they are taken for each other, as was asked. */
  tenantdb_archive_options *options = option("match", "id");
  assert_string_equal(import_reporting(other, &all, options), "regions 1/0/0;plans 2/0/0;");
  assert_int_equal(notes_of(other_url, "plan_id = 1 AND id % 5 = 0"), 20);
  tenantdb_archive_options_free(options);
  free(all.data);
  tenantdb_close(other);
  harness_drop_database(other_url);
}

static void test_unresolved(void **state) {
  (void)state;
  const char *other_url;
  tenantdb *other = second(&other_url, "INSERT INTO plans VALUES (1, 'renamed'), (9, 'free')", NULL);
  bytes all = export_of(db, "acme");
  tenantdb_status status = import_as(other, "there", &all, NULL);
  harness_assert_status(status, error, TENANTDB_CONSTRAINT, TENANTDB_REASON_REFERENCE_UNRESOLVED);
  harness_assert_message(error, "1 rows of shared table regions that notes (country, region) refers to");
  assert_string_equal(tenantdb_error_detail(error), "(AT,7)");
  assert_string_equal(tenantdb_error_tenant(error), "there");
  tenantdb_error_free(error);
  error = NULL;
  harness_sql(other_url, "INSERT INTO regions VALUES ('AT', '7')");
  status = import_as(other, "there", &all, NULL);
  harness_assert_status(status, error, TENANTDB_CONSTRAINT, TENANTDB_REASON_REFERENCE_UNRESOLVED);
  harness_assert_message(error, "by their natural key");
  assert_non_null(strstr(tenantdb_error_detail(error), "gold"));
  tenantdb_error_free(error);
  error = NULL;
  assert_int_equal(harness_count(other_url, "SELECT count(*) FROM tenantdb.tenants"), 0);
  tenantdb_archive_options *options = option("references", "null");
  assert_string_equal(import_reporting(other, &all, options), "regions 1/0/0;plans 0/1/1;");
  assert_int_equal(notes_of(other_url, "plan_id = 9 AND id % 5 = 0"), 20);
  assert_int_equal(notes_of(other_url, "plan_id IS NULL"), 80);
  tenantdb_archive_options_free(options);
  free(all.data);
  tenantdb_close(other);
  harness_drop_database(other_url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_other_name), cmocka_unit_test(test_other_database),
      cmocka_unit_test(test_by_hand),    cmocka_unit_test(test_given_up),
      cmocka_unit_test(test_damaged),    cmocka_unit_test(test_forged),
      cmocka_unit_test(test_files),      cmocka_unit_test(test_describe),
      cmocka_unit_test(test_mapped),     cmocka_unit_test(test_unresolved),
  };
  return cmocka_run_group_tests_name("archive", tests, setup, teardown);
}

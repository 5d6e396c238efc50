/* SPDX-License-Identifier: PostgreSQL */
/* A tenant out of a database as an archive, and into one again. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive_bytes.h"
#include "resident.h"
#include "tenant/archive_content.h"

#include "archive_source.h"

/* ---------------------------------------------------------------- there and back */

static void test_other_name(void **state) {
  (void)state;
  bytes all = export_of(db, "acme");
  harness_assert_ok(import_as(db, "acme-2", &all, NULL, &error), error);
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
  harness_assert_ok(import_as(db, "given-up", &all, NULL, &error), error);
  purge("given-up");
  free(all.data);
}

static void test_damaged(void **state) {
  (void)state;
  bytes all = export_of(db, "acme");
  for (size_t at = 0; at < all.length; at += 463) {
    all.data[at] ^= 0x10;
    tenantdb_status status = import_as(db, "damaged", &all, NULL, &error);
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
    tenantdb_status status = import_as(db, "forged", &forged, NULL, &error);
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

/* ---------------------------------------------------------------- one moment */

static atomic_bool writing;

static void *write_pairs(void *user) {
  (void)user;
  while (atomic_load(&writing)) {
    harness_sql(url,
                "SET search_path = %s; BEGIN; INSERT INTO plus SELECT i FROM generate_series(1, 20) i;"
                "INSERT INTO minus SELECT -i FROM generate_series(1, 20) i; COMMIT",
                source);
  }
  return NULL;
}

/* Whoever writes both tables at once is seen in both or in none. */
static void test_one_moment(void **state) {
  (void)state;
  pthread_t writers[2];
  atomic_store(&writing, true);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(pthread_create(&writers[i], NULL, write_pairs, NULL), 0);
  }
  for (int i = 0; i < 5; i++) {
    bytes all = export_of(db, "acme");
    harness_assert_ok(import_as(db, "moment", &all, NULL, &error), error);
    harness_assert_ok(tenantdb_tenant_clone(db, "acme", "moment-2", NULL, NULL, NULL, &error), error);
    free(all.data);
    static const char *const slugs[] = {"moment", "moment-2"};
    for (int k = 0; k < 2; k++) {
      char *copy = archive_schema(url, slugs[k]);
      assert_int_equal(harness_count(url,
                                     "SELECT sum(amount) FROM (SELECT * FROM %s.plus UNION ALL SELECT * FROM "
                                     "%s.minus) q",
                                     copy, copy),
                       0);
      free(copy);
      purge(slugs[k]);
    }
  }
  atomic_store(&writing, false);
  for (int i = 0; i < 2; i++) {
    pthread_join(writers[i], NULL);
  }
  assert_true(harness_count(url, "SELECT count(*) FROM %s.plus", source) > 100);
}

/* ---------------------------------------------------------------- size */

static int32_t count_bytes(void *user, const void *part, size_t length) {
  (void)part;
  *(size_t *)user += length;
  return 0;
}

/* However many rows there are: the memory of a few, and of one that is long. */
static void test_flat(void **state) {
  (void)state;
  const char *quick = getenv("TENANTDB_TEST_QUICK");
  int rows = quick && *quick ? 100000 : 1000000;
  const char *from_url;
  tenantdb *from = with_things(&from_url, "CREATE TABLE things (id integer, n integer, body text)");
  tenantdb_tenant_free(fixture_tenant(from, "there"));
  char *schema = archive_schema(from_url, "there");
  harness_sql(from_url, "INSERT INTO %s.things SELECT i, i, 'row number ' || i FROM generate_series(1, %d) i",
              schema, rows);
  size_t size = 0;
  harness_assert_ok(tenantdb_tenant_export(from, "there", NULL, count_bytes, &size, &error), error);
  int64_t before = resident_kib();
  size = 0;
  harness_assert_ok(tenantdb_tenant_export(from, "there", NULL, count_bytes, &size, &error), error);
  harness_assert_ok(tenantdb_tenant_copy(from, "there", from, "copied", NULL, NULL, NULL, &error), error);
  int64_t grown = resident_kib() - before;
  print_message("%d rows, %zu bytes; %lld KiB more in core\n", rows, size, (long long)grown);
  assert_true(size > (size_t)rows * 20);
  assert_true(before < 0 || grown < 2048);
  char *copy = archive_schema(from_url, "copied");
  assert_int_equal(harness_count(from_url, "SELECT count(*) FROM %s.things", copy), rows);
  /* One row of 20 MB among small ones. */
  harness_sql(from_url, "INSERT INTO %s.things VALUES (0, 0, repeat('x', 20000000))", schema);
  harness_assert_ok(tenantdb_tenant_copy(from, "there", from, "long", NULL, NULL, NULL, &error), error);
  free(copy);
  copy = archive_schema(from_url, "long");
  assert_int_equal(harness_count(from_url, "SELECT max(length(body)) FROM %s.things", copy), 20000000);
  free(copy);
  free(schema);
  tenantdb_close(from);
  harness_drop_database(from_url);
}

static void test_levels(void **state) {
  (void)state;
  static const char *const levels[] = {"routing", "role", "login"};
  bytes all = export_of(db, "acme");
  for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
    const char *own;
    tenantdb *other =
        second(&own, SAME_SHARED, FIXTURE_OPTIONS("isolation.level", levels[i], "login.passwords", "none"));
    harness_assert_ok(import_as(other, "there", &all, NULL, &error), error);
    char *copy = archive_schema(own, "there");
    assert_string_equal(fixture_findings(other, "there"), "");
    tenantdb_session *session = fixture_session(other, "there");
    assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "100");
    tenantdb_session_close(session);
    harness_assert_ok(tenantdb_tenant_copy(other, "there", other, "again", NULL, NULL, NULL, &error), error);
    free(copy);
    tenantdb_close(other);
    harness_drop_database(own);
  }
  free(all.data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_other_name), cmocka_unit_test(test_other_database),
      cmocka_unit_test(test_by_hand),    cmocka_unit_test(test_given_up),
      cmocka_unit_test(test_damaged),    cmocka_unit_test(test_forged),
      cmocka_unit_test(test_files),      cmocka_unit_test(test_describe),
      cmocka_unit_test(test_one_moment), cmocka_unit_test(test_flat),
      cmocka_unit_test(test_levels),
  };
  return cmocka_run_group_tests_name("archive", tests, archive_setup, archive_teardown);
}

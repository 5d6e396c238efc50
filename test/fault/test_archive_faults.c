/* SPDX-License-Identifier: PostgreSQL */
/*
 * Cloning, exporting, importing and copying while the connection is cut at every
 * message, and while every allocation fails: what was answered OK is there,
 * whole, with all its rows; what was not is not there; and what goes on is as it was.
 */
#include "lifecycle.h"
#include "starve.h"

#include "between.h"

/* An archive of the standing tenant. */
static char *archive;
static size_t archive_length;

static int32_t collect(void *user, const void *part, size_t length) {
  (void)user;
  archive = realloc(archive, archive_length + length);
  memcpy(archive + archive_length, part, length);
  archive_length += length;
  return 0;
}

static int setup(void **state) {
  (void)between_setup(state);
  tenantdb_tenant *tenant = fixture_tenant(direct, "standing");
  harness_sql(
      url,
      "SET search_path = %s; INSERT INTO notes (body) SELECT repeat('x', i) FROM generate_series(1, 500) i;"
      "INSERT INTO items (note_id, n) SELECT i, i FROM generate_series(1, 500) i",
      tenantdb_tenant_schema(tenant));
  tenantdb_tenant_free(tenant);
  harness_assert_ok(tenantdb_tenant_export(direct, "standing", NULL, collect, NULL, &error), error);
  return 0;
}

static int teardown(void **state) {
  free(archive);
  return between_teardown(state);
}

/* ---------------------------------------------------------------- what is tried */

static tenantdb_status act_clone(tenantdb *db, tenantdb_error **failure) {
  tenantdb_tenant *tenant = NULL;
  tenantdb_status status = tenantdb_tenant_clone(db, "standing", "faulty", NULL, NULL, &tenant, failure);
  assert_int_equal(status == TENANTDB_OK, tenant != NULL);
  tenantdb_tenant_free(tenant);
  return status;
}

static size_t given;

static int32_t give(void *user, void *buffer, size_t size, size_t *length) {
  (void)user;
  size_t left = archive_length - given;
  *length = left < size ? left : size;
  *length = *length < 5000 ? *length : 5000;
  memcpy(buffer, archive + given, *length);
  given += *length;
  return 0;
}

static tenantdb_status act_import(tenantdb *db, tenantdb_error **failure) {
  tenantdb_tenant *tenant = NULL;
  given = 0;
  tenantdb_status status = tenantdb_tenant_import(db, "faulty", NULL, give, NULL, NULL, &tenant, failure);
  assert_int_equal(status == TENANTDB_OK, tenant != NULL);
  tenantdb_tenant_free(tenant);
  return status;
}

static tenantdb_status act_copy(tenantdb *db, tenantdb_error **failure) {
  return tenantdb_tenant_copy(db, "standing", db, "faulty", NULL, NULL, NULL, failure);
}

static int32_t count_bytes(void *user, const void *part, size_t length) {
  (void)part;
  *(size_t *)user += length;
  return 0;
}

/* Nothing is changed; OK means all of it. */
static tenantdb_status act_export(tenantdb *db, tenantdb_error **failure) {
  size_t length = 0;
  tenantdb_status status = tenantdb_tenant_export(db, "standing", NULL, count_bytes, &length, failure);
  if (status == TENANTDB_OK && length != archive_length) {
    fail_msg("an archive of %zu bytes instead of %zu", length, archive_length);
  }
  return status;
}

typedef struct attempt {
  const char *name;
  tenantdb_status (*act)(tenantdb *db, tenantdb_error **failure);
  bool makes;
} attempt;

static const attempt attempts[] = {{"clone", act_clone, true},
                                   {"import", act_import, true},
                                   {"copy", act_copy, true},
                                   {"export", act_export, false}};
enum { ATTEMPTS = sizeof attempts / sizeof attempts[0] };

/* Whether the tenant is there; with all rows, or not at all. */
static bool is_there(void) {
  if (fault_tenants(url, "state = 'active'") == 0) {
    return false;
  }
  char *schema = harness_value(url,
                               "SELECT quote_ident(schema_name) FROM tenantdb.tenants WHERE slug = 'faulty' "
                               "AND state = 'active'");
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM %s.notes n JOIN %s.items i ON i.note_id = n.id WHERE "
                                 "length(n.body) = i.n",
                                 schema, schema),
                   500);
  assert_int_equal(harness_count(url, "SELECT nextval('%s.items_id_seq')", schema), 501);
  free(schema);
  return true;
}

/* ---------------------------------------------------------------- cuts */

static int64_t cut_once(const void *tried, size_t cut, int64_t number, bool *fired) {
  const attempt *what = tried;
  tenantdb *db = fixture_open(by_proxy, NULL, FIXTURE_OPTIONS("operation.lock_timeout", "5s"));
  tenantdb_error *failure = NULL;
  proxy_reset(proxy);
  proxy_trigger trigger = {.action = cuts[cut].action, .number = number};
  if (number > 0) {
    proxy_arm(proxy, &trigger);
  }
  tenantdb_status status = what->act(db, &failure);
  proxy_counters counted = proxy_count(proxy);
  proxy_disarm(proxy);
  *fired = counted.fired > 0;
  fault_wait_quiet(url);
  bool done = what->makes ? is_there() : status == TENANTDB_OK;
  if ((status == TENANTDB_OK) != done || status == TENANTDB_UNKNOWN || status == TENANTDB_INTERNAL ||
      fixture_halves(url) != 0) {
    fail_msg("%s, %s at message %lld (%c): answered %s (%s), it is %s, %lld halves", what->name,
             cuts[cut].name, (long long)number, counted.fired_type, tenantdb_status_name(status),
             tenantdb_error_message(failure), done ? "done" : "not done", (long long)fixture_halves(url));
  }
  tenantdb_error_free(failure);
  /* The same handle goes on. */
  fault_remove(direct, url);
  tenantdb_tenant *tenant = NULL;
  harness_assert_ok(tenantdb_tenant_get(db, "standing", &tenant, &error), error);
  tenantdb_tenant_free(tenant);
  tenantdb_close(db);
  return counted.from_client + counted.from_server;
}

static void test_cuts(void **state) {
  (void)state;
  for (size_t i = 0; i < ATTEMPTS; i++) {
    cut_sweep(attempts[i].name, &attempts[i], cut_once, 8, fixture_budget_ms() / ((int64_t)CUTS * ATTEMPTS));
  }
}

/* ---------------------------------------------------------------- memory */

static int64_t starve_once(const void *tried, int64_t at, bool forever) {
  const attempt *what = tried;
  int64_t before = tndb_memory_live();
  tenantdb *db = fixture_open(url, NULL, NULL);
  tenantdb_error *failure = NULL;
  (void)tndb_memory_fail((uint64_t)at, forever);
  tenantdb_status status = what->act(db, &failure);
  int64_t made = (int64_t)tndb_memory_fail(0, false);
  bool there = what->makes && is_there();
  starve_check_answer(what->name, at, forever, status, failure);
  if ((what->makes && status == TENANTDB_OK && !there) || fixture_halves(url) != 0) {
    fail_msg("%s, allocation %lld%s: %s, it is %s, %lld halves", what->name, (long long)at,
             starve_name(forever), tenantdb_status_name(status), there ? "there" : "not there",
             (long long)fixture_halves(url));
  }
  tenantdb_error_free(failure);
  tenantdb_close(db);
  fault_remove(direct, url);
  starve_check_freed(what->name, at, forever, before);
  return made;
}

static void test_starved(void **state) {
  (void)state;
  for (size_t i = 0; i < ATTEMPTS; i++) {
    (void)starve_once(&attempts[i], 0, false); /* so that direct has its connections */
    starve_sweep(attempts[i].name, &attempts[i], starve_once, fixture_budget_ms() / (2 * ATTEMPTS));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cuts),
      cmocka_unit_test(test_starved),
  };
  return cmocka_run_group_tests_name("archive faults", tests, setup, teardown);
}

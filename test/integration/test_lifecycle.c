/* SPDX-License-Identifier: PostgreSQL */
/* The states of a tenant: every transition there is, and every one there is not. */
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

/* ---------------------------------------------------------------- every pair of state and action */

static tenantdb_status remove_soft(tenantdb *in, const char *tenant, tenantdb_tenant **result,
                                   tenantdb_error **failure) {
  return tenantdb_tenant_remove(in, tenant, 3600, result, failure);
}

static const struct {
  const char *name;
  tenantdb_status (*call)(tenantdb *, const char *, tenantdb_tenant **, tenantdb_error **);
} actions[] = {
    {"activate", tenantdb_tenant_activate}, {"suspend", tenantdb_tenant_suspend},
    {"resume", tenantdb_tenant_resume},     {"archive", tenantdb_tenant_archive},
    {"restore", tenantdb_tenant_restore},   {"remove", remove_soft},
};
enum { N_ACTIONS = sizeof actions / sizeof actions[0] };

/* Where each action leads from each state; NULL where it must be refused. */
static const struct {
  const char *state;
  const char *to[N_ACTIONS];
} states[] = {
    {"pending", {"active", NULL, NULL, NULL, NULL, NULL}},
    {"provisioning", {NULL, NULL, NULL, NULL, NULL, NULL}},
    {"active", {NULL, "suspended", NULL, "archived", NULL, "archived"}},
    {"failed", {"active", NULL, NULL, NULL, NULL, NULL}},
    {"suspended", {NULL, NULL, "active", "archived", NULL, "archived"}},
    {"archived", {NULL, NULL, NULL, NULL, "suspended", "archived"}},
    {"deleting", {NULL, NULL, NULL, NULL, NULL, NULL}},
    {"deleted", {NULL, NULL, NULL, NULL, NULL, NULL}},
};
enum { N_STATES = sizeof states / sizeof states[0] };

/* A tenant in that state, made by the library where it can be. */
static tenantdb_tenant *tenant_in(const char *state, const char *slug) {
  tenantdb_tenant *tenant = NULL;
  if (strcmp(state, "pending") == 0 || strcmp(state, "failed") == 0 || strcmp(state, "provisioning") == 0) {
    harness_assert_ok(tenantdb_tenant_register(db, slug, NULL, &tenant, &error), error);
  } else {
    tenant = fixture_tenant(db, slug);
  }
  if (strcmp(state, "suspended") == 0) {
    harness_assert_ok(tenantdb_tenant_suspend(db, slug, NULL, &error), error);
  } else if (strcmp(state, "archived") == 0) {
    harness_assert_ok(tenantdb_tenant_archive(db, slug, NULL, &error), error);
  } else if (strcmp(state, "deleted") == 0) {
    harness_assert_ok(tenantdb_tenant_purge(db, slug, 1, &error), error);
  } else if (strcmp(state, "pending") != 0 && strcmp(state, "active") != 0) {
    harness_sql(url, "UPDATE tenantdb.tenants SET state = '%s' WHERE id = '%s'", state,
                tenantdb_tenant_id(tenant));
  }
  return tenant;
}

/* The role may use the schema exactly when the tenant is active, and is in the group exactly then. */
static void check_access(const tenantdb_tenant *tenant, bool open) {
  assert_int_equal(
      harness_count(url,
                    "SELECT (has_schema_privilege('%s', '%s', 'USAGE'))::int + (SELECT count(*) FROM "
                    "pg_auth_members WHERE member = '\"%s\"'::regrole AND roleid = (SELECT "
                    "quote_ident(group_role)::regrole FROM tenantdb.catalog))",
                    tenantdb_tenant_role(tenant), tenantdb_tenant_schema(tenant),
                    tenantdb_tenant_role(tenant)),
      open ? 2 : 0);
}

static void check_refused(const char *id, size_t from, size_t action) {
  char *before = harness_value(url, "SELECT t::text || xmin FROM tenantdb.tenants t WHERE id = '%s'", id);
  int64_t audit = harness_count(url, "SELECT count(*) FROM tenantdb.audit");
  tenantdb_tenant *result = NULL;
  harness_assert_status(actions[action].call(db, id, &result, &error), error, TENANTDB_STATE,
                        TENANTDB_REASON_TENANT_STATE);
  char text[100];
  snprintf(text, sizeof text, " is %s; to %s it, it must be one of: ", states[from].state,
           actions[action].name);
  harness_assert_message(error, text);
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_NEVER);
  assert_int_not_equal(tenantdb_error_tenant(error)[0], 0);
  tenantdb_error_free(error);
  error = NULL;
  assert_null(result);
  char *after = harness_value(url, "SELECT t::text || xmin FROM tenantdb.tenants t WHERE id = '%s'", id);
  assert_string_equal(before, after);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.audit"), audit);
  free(before);
  free(after);
}

static void check_allowed(const char *id, size_t from, size_t action, const char *to) {
  tenantdb_tenant *result = NULL;
  int64_t generation = harness_count(url, "SELECT generation FROM tenantdb.tenants WHERE id = '%s'", id);
  harness_assert_ok(actions[action].call(db, id, &result, &error), error);
  assert_string_equal(tenantdb_tenant_state_name(result), to);
  assert_int_equal(tenantdb_tenant_generation(result), generation + 1);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.audit a JOIN tenantdb.operations o ON o.id = "
                    "a.operation_id WHERE a.tenant_id = '%s' AND a.action = '%s' AND from_state = '%s' "
                    "AND to_state = '%s' AND o.state = 'done' AND actor = session_user",
                    id, actions[action].name, states[from].state, to),
      1);
  check_access(result, strcmp(to, "active") == 0);
  if (strcmp(to, "active") == 0) {
    assert_string_equal(fixture_findings(db, id), "");
  }
  assert_int_equal(tenantdb_tenant_purge_after(result)[0] != '\0',
                   strcmp(actions[action].name, "remove") == 0);
  tenantdb_tenant_free(result);
}

static void test_every_transition(void **state) {
  (void)state;
  for (size_t s = 0; s < N_STATES; s++) {
    for (size_t a = 0; a < N_ACTIONS; a++) {
      char slug[32];
      snprintf(slug, sizeof slug, "t%zu-%zu", s, a);
      tenantdb_tenant *tenant = tenant_in(states[s].state, slug);
      if (states[s].to[a]) {
        check_allowed(tenantdb_tenant_id(tenant), s, a, states[s].to[a]);
      } else {
        check_refused(tenantdb_tenant_id(tenant), s, a);
      }
      tenantdb_tenant_free(tenant);
    }
  }
}

/* ---------------------------------------------------------------- remove, grace, restore */

static void test_grace(void **state) {
  (void)state;
  tenantdb_tenant *tenant = NULL;
  tenantdb_tenant_free(fixture_tenant(db, "graceful"));
  harness_assert_ok(tenantdb_tenant_remove(db, "graceful", -1, &tenant, &error), error);
  assert_int_equal(tenantdb_tenant_state(tenant), TENANTDB_TENANT_ARCHIVED);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.tenants WHERE slug = 'graceful' AND "
                                 "abs(extract(epoch FROM purge_after - now()) - 30 * 86400) < 60"),
                   1);
  fixture_assert_refused(tenantdb_tenant_purge(db, "graceful", 0, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_GRACE_NOT_OVER, "tenant graceful can be restored until 20");
  tenantdb_tenant_free(tenant);
  harness_assert_ok(tenantdb_tenant_restore(db, "graceful", &tenant, &error), error);
  assert_int_equal(tenantdb_tenant_state(tenant), TENANTDB_TENANT_SUSPENDED);
  assert_string_equal(tenantdb_tenant_purge_after(tenant), "");
  tenantdb_tenant_free(tenant);
  harness_assert_ok(tenantdb_tenant_resume(db, "graceful", NULL, &error), error);
  assert_string_equal(fixture_findings(db, "graceful"), "");
  /* Archived without a date: nothing may purge it but force. */
  harness_assert_ok(tenantdb_tenant_archive(db, "graceful", NULL, &error), error);
  fixture_assert_refused(tenantdb_tenant_purge(db, "graceful", 0, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_GRACE_NOT_OVER, "can be restored until");
  harness_assert_ok(tenantdb_tenant_remove(db, "graceful", 0, NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_purge(db, "graceful", 0, &error), error);
  fixture_assert_refused(tenantdb_tenant_get(db, "graceful", &tenant, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TENANT, "there is no tenant \"graceful\"");
}

static void test_bad_arguments(void **state) {
  (void)state;
  tenantdb_tenant_free(fixture_tenant(db, "arguments"));
  fixture_assert_refused(tenantdb_tenant_remove(db, "arguments", -2, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "grace_seconds is -2");
  fixture_assert_refused(tenantdb_tenant_remove(db, "arguments", INT64_MAX, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "out of its range -1 to 315576000");
  fixture_assert_refused(tenantdb_tenant_purge(db, "arguments", 2, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_BAD_ARGUMENT, "force is 2");
  fixture_assert_refused(tenantdb_tenant_purge(db, NULL, 0, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "tenant is NULL");
  static const char *const nobody[] = {"nobody", "", "it's", "00000000-0000-0000-0000-000000000000"};
  for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++) {
    for (size_t a = 0; a < N_ACTIONS; a++) {
      fixture_assert_refused(actions[a].call(db, nobody[i], NULL, &error), error, TENANTDB_NOT_FOUND,
                             TENANTDB_REASON_UNKNOWN_TENANT, "there is no tenant");
    }
    harness_assert_fails(tenantdb_tenant_purge(db, nobody[i], 1, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TENANT);
  }
  for (size_t a = 0; a < N_ACTIONS; a++) {
    fixture_assert_refused(actions[a].call(db, "a\xff", NULL, &error), error, TENANTDB_ARGUMENT,
                           TENANTDB_REASON_BAD_ARGUMENT, "not valid UTF-8");
    fixture_assert_refused(actions[a].call(db, NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                           TENANTDB_REASON_NULL_ARGUMENT, "tenant is NULL");
    fixture_assert_refused(actions[a].call(NULL, "arguments", NULL, &error), error, TENANTDB_ARGUMENT,
                           TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  }
}

/* ---------------------------------------------------------------- rename */

static void test_rename(void **state) {
  (void)state;
  tenantdb_tenant *before = fixture_tenant(db, "Old-Name");
  tenantdb_tenant *after = NULL;
  tenantdb_session *session = fixture_session(db, "old-name");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  harness_assert_ok(tenantdb_tenant_rename(db, "old-name", "New-Name", &after, &error), error);
  assert_string_equal(tenantdb_tenant_slug(after), "New-Name");
  assert_string_equal(tenantdb_tenant_schema(after), tenantdb_tenant_schema(before));
  assert_string_equal(tenantdb_tenant_role(after), tenantdb_tenant_role(before));
  assert_int_equal(tenantdb_tenant_generation(after), 2);
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes"), "1");
  tenantdb_session_close(session);
  tenantdb_tenant_free(after);
  harness_assert_fails(tenantdb_tenant_get(db, "old-name", &after, &error), error, TENANTDB_NOT_FOUND,
                       TENANTDB_REASON_UNKNOWN_TENANT);
  harness_assert_fails(tenantdb_session_open(db, "old-name", NULL, &session, &error), error,
                       TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.audit WHERE action = 'rename' AND detail = "
                                 "'{\"from\": \"Old-Name\", \"to\": \"New-Name\"}'"),
                   1);
  /* Only the case; and to what it is already. */
  harness_assert_ok(tenantdb_tenant_rename(db, "new-name", "NEW-name", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_rename(db, "new-name", "NEW-name", NULL, &error), error);
  tenantdb_tenant_free(fixture_tenant(db, "old-name")); /* the old name is free */
  fixture_assert_refused(tenantdb_tenant_rename(db, "new-name", "OLD-name", NULL, &error), error,
                         TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SLUG_TAKEN, "\"OLD-name\" already");
  fixture_assert_refused(tenantdb_tenant_rename(db, "new-name", "pg_catalog", NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_SLUG_RESERVED, "reserved");
  fixture_assert_refused(tenantdb_tenant_rename(db, "new-name", NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "slug is NULL");
  fixture_assert_refused(tenantdb_tenant_rename(db, "nobody", "somebody", NULL, &error), error,
                         TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT, "nobody");
  tenantdb_tenant *gone = tenant_in("deleted", "goes");
  fixture_assert_refused(tenantdb_tenant_rename(db, tenantdb_tenant_id(gone), "comes", NULL, &error), error,
                         TENANTDB_STATE, TENANTDB_REASON_TENANT_STATE, "is deleted; to rename it");
  tenantdb_tenant_free(gone);
  tenantdb_tenant_free(before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_transition),
      cmocka_unit_test(test_grace),
      cmocka_unit_test(test_bad_arguments),
      cmocka_unit_test(test_rename),
  };
  return cmocka_run_group_tests_name("lifecycle", tests, setup, teardown);
}

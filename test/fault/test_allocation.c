/* SPDX-License-Identifier: PostgreSQL */
/*
 * Every allocation of the library fails in turn, once and from then on: no
 * crash, nothing leaked, an answer that is documented, and a database in which
 * everything is whole or absent and the same call succeeds afterwards.
 */
#include "starve.h"

#include "fixture_database.h"

static int setup(void **state) {
  (void)fixture_setup(state);
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "standing"));
  tenantdb_close(db);
  return 0;
}

/* ---------------------------------------------------------------- scenarios */

typedef struct scenario {
  const char *name;
  bool opens; /* what is tried is tenantdb_open() itself */
  void (*prepare)(tenantdb *db);
  tenantdb_status (*act)(tenantdb *db, tenantdb_error **failure);
  void (*check)(tenantdb *db, tenantdb_status status);
} scenario;

static tenantdb_status act_open(tenantdb *db, tenantdb_error **failure) {
  (void)db;
  tenantdb *opened = NULL;
  tenantdb_config *config = tenantdb_config_new();
  if (!config) {
    return TENANTDB_MEMORY;
  }
  tenantdb_status status = tenantdb_config_set(config, "database.url", url, failure);
  tenantdb_registry *registry = status ? NULL : fixture_registry();
  if (!status && registry) {
    status = tenantdb_open(config, registry, &opened, failure);
    assert_int_equal(status == TENANTDB_OK, opened != NULL);
  }
  tenantdb_registry_free(registry);
  tenantdb_config_free(config);
  tenantdb_close(opened);
  return status;
}

static tenantdb_status act_create(tenantdb *db, tenantdb_error **failure) {
  tenantdb_tenant *tenant = NULL;
  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
  tenantdb_tenant_spec_set(spec, "name", "A Name");
  tenantdb_tenant_spec_set(spec, "properties", "{}");
  tenantdb_status status =
      spec ? tenantdb_tenant_create(db, "fresh", spec, &tenant, failure) : (tenantdb_status)TENANTDB_MEMORY;
  tenantdb_tenant_free(tenant);
  tenantdb_tenant_spec_free(spec);
  return status;
}

static void expect_tenant(tenantdb *db, const char *slug, bool there) {
  tenantdb_tenant *tenant = NULL;
  tenantdb_status status = tenantdb_tenant_get(db, slug, &tenant, NULL);
  assert_int_equal(status, there ? TENANTDB_OK : TENANTDB_NOT_FOUND);
  tenantdb_tenant_free(tenant);
  assert_int_equal(fixture_halves(url), 0);
}

/*
 * Out of memory after COMMIT: the tenant is there, and the caller was told MEMORY
 * because it could not be handed out. Whole it must be either way.
 */
static void check_create(tenantdb *db, tenantdb_status status) {
  tenantdb_tenant *tenant = NULL;
  tenantdb_status found = tenantdb_tenant_get(db, "fresh", &tenant, NULL);
  assert_int_equal(fixture_halves(url), 0);
  if (found == TENANTDB_OK) {
    harness_assert_ok(tenantdb_tenant_purge(db, "fresh", 1, &error), error);
  } else {
    assert_int_equal(found, TENANTDB_NOT_FOUND);
    assert_int_not_equal(status, TENANTDB_OK);
  }
  tenantdb_tenant_free(tenant);
}

static void prepare_change(tenantdb *db) {
  (void)tenantdb_tenant_resume(db, "standing", NULL, NULL);
}

static tenantdb_status act_suspend(tenantdb *db, tenantdb_error **failure) {
  tenantdb_tenant *tenant = NULL;
  tenantdb_status status = tenantdb_tenant_suspend(db, "standing", &tenant, failure);
  tenantdb_tenant_free(tenant);
  return status;
}

static void check_change(tenantdb *db, tenantdb_status status) {
  (void)status;
  expect_tenant(db, "standing", true);
  assert_int_equal(harness_count(url,
                                 "SELECT count(*) FROM tenantdb.tenants WHERE slug = 'standing' AND (state = "
                                 "'active') = has_schema_privilege(role_name, schema_name, 'USAGE')"),
                   1);
}

static tenantdb_status act_session(tenantdb *db, tenantdb_error **failure) {
  tenantdb_session *session = NULL;
  tenantdb_result *result = NULL;
  tenantdb_params *params = tenantdb_params_new();
  if (!params) {
    return TENANTDB_MEMORY;
  }
  tenantdb_params_text(params, "x");
  tenantdb_status status = tenantdb_session_open(db, "standing", NULL, &session, failure);
  if (!status) {
    status = tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ($1) RETURNING id", params,
                                    &result, failure);
  }
  tenantdb_result_free(result);
  result = NULL;
  if (!status) {
    status = tenantdb_session_begin(session, "isolation level serializable", failure);
  }
  if (!status) {
    status = tenantdb_session_savepoint(session, "s", failure);
  }
  if (!status) {
    (void)tenantdb_session_query(session, "SELECT * FROM nowhere", NULL, NULL, NULL);
    status = tenantdb_session_rollback_to(session, "s", failure);
  }
  if (!status) {
    status = tenantdb_session_query(session, "SELECT * FROM notes", NULL, &result, failure);
  }
  if (!status) {
    char *json = NULL;
    status = tenantdb_result_json(result, &json, failure);
    tenantdb_string_free(json);
  }
  if (!status) {
    status = tenantdb_session_commit(session, failure);
  }
  tenantdb_result_free(result);
  tenantdb_session_close(session);
  tenantdb_params_free(params);
  return status;
}

static void check_session(tenantdb *db, tenantdb_status status) {
  (void)status;
  tenantdb_session *session = fixture_session(db, "standing");
  fixture_run(session, "DELETE FROM notes");
  tenantdb_session_close(session);
}

static tenantdb_status act_statement(tenantdb *db, tenantdb_error **failure) {
  (void)db;
  char *sql = NULL;
  tenantdb_statement *statement = NULL;
  tenantdb_registry *registry = fixture_registry();
  tenantdb_status status =
      registry
          ? tenantdb_statement_new(registry, "SELECT * FROM {notes}, {Central.plans}", &statement, failure)
          : (tenantdb_status)TENANTDB_MEMORY;
  if (!status) {
    status = tenantdb_statement_text(statement, "s", "public", &sql, failure);
  }
  tenantdb_string_free(sql);
  tenantdb_statement_free(statement);
  tenantdb_registry_free(registry);
  return status;
}

static void check_nothing(tenantdb *db, tenantdb_status status) {
  (void)db;
  (void)status;
}

static tenantdb_status act_verify(tenantdb *db, tenantdb_error **failure) {
  tenantdb_result *findings = NULL;
  tenantdb_status status = tenantdb_tenant_verify(db, "standing", &findings, failure);
  if (!status) {
    assert_int_equal(tenantdb_result_rows(findings), 0); /* never a false alarm */
  }
  tenantdb_result_free(findings);
  return status;
}

static void check_verify(tenantdb *db, tenantdb_status status) {
  (void)status;
  expect_tenant(db, "standing", true);
  assert_int_equal(
      harness_count(url, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tenantdb\\_scratch%%'"), 0);
}

static void prepare_purge(tenantdb *db) {
  tenantdb_tenant_free(fixture_tenant(db, "leaving"));
}

static tenantdb_status act_purge(tenantdb *db, tenantdb_error **failure) {
  return tenantdb_tenant_purge(db, "leaving", 1, failure);
}

static void check_purge(tenantdb *db, tenantdb_status status) {
  if (status) {
    /* Whoever ran out of memory may not have been able to give his lease back either. */
    harness_sql(
        url, "UPDATE tenantdb.operations SET lease_until = now() - interval '1 s' WHERE state = 'running'");
    harness_assert_ok(tenantdb_reconcile(db, NULL, &error), error);
    tenantdb_status left = tenantdb_tenant_purge(db, "leaving", 1, NULL);
    assert_true(left == TENANTDB_OK || left == TENANTDB_NOT_FOUND);
  }
  expect_tenant(db, "leaving", false);
}

static tenantdb_status act_list(tenantdb *db, tenantdb_error **failure) {
  tenantdb_result *list = NULL;
  tenantdb_status status = tenantdb_tenant_list(db, "active, suspended", "s", "a", 10, &list, failure);
  tenantdb_result_free(list);
  if (!status) {
    status = tenantdb_reconcile(db, &list, failure);
    tenantdb_result_free(list);
  }
  if (!status) {
    status = tenantdb_isolation(db, NULL, &list, failure);
    tenantdb_result_free(list);
  }
  return status;
}

/* To its end, and what it tells of itself; that there is no tenant "nobody" is no failure of the query. */
static tenantdb_status drain_fleet(tenantdb_result *rows, tenantdb_error **failure) {
  tenantdb_result *table = NULL;
  tenantdb_status status = TENANTDB_OK;
  for (int32_t more = 1; more && !status;) {
    status = tenantdb_result_next(rows, &more, failure);
  }
  if (status == TENANTDB_UNAVAILABLE) { /* the words for it may have been lost */
    tenantdb_error_free(*failure);
    *failure = NULL;
    status = tenantdb_fleet_failures(rows, &table, failure);
    assert_true(status ||
                tenantdb_result_rows(table) == 1); /* the other one must not be told to have failed */
    tenantdb_result_free(table);
  }
  if (!status) {
    status = tenantdb_fleet_progress(rows, &table, failure);
    tenantdb_result_free(table);
  }
  return status;
}

static tenantdb_status act_fleet(tenantdb *db, tenantdb_error **failure) {
  tenantdb_result *rows = NULL;
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_fleet_options *options = tenantdb_fleet_options_new();
  if (!params || !options) {
    tenantdb_params_free(params);
    tenantdb_fleet_options_free(options);
    return TENANTDB_MEMORY;
  }
  tenantdb_params_int64(params, 2000);
  tenantdb_fleet_options_set(options, "tenants", "standing,nobody");
  tenantdb_fleet_options_set(options, "selector", "slug^=s, nothing!=x");
  tenantdb_status status = tenantdb_fleet_query(db, "SELECT generate_series(1, $1), 'x', count(*) FROM notes",
                                                params, options, &rows, failure);
  assert_int_equal(status == TENANTDB_OK, rows != NULL);
  if (!status) {
    status = drain_fleet(rows, failure);
  }
  tenantdb_result_free(rows);
  tenantdb_fleet_options_free(options);
  tenantdb_params_free(params);
  return status;
}

/* ---------------------------------------------------------------- the sweep */

static bool is_documented(tenantdb_status status) {
  return status == TENANTDB_OK || status == TENANTDB_MEMORY || status == TENANTDB_CONNECTION;
}

/* One run with the n-th allocation failing; how many were made. */
static int64_t run_once(const scenario *what, int64_t at, bool forever) {
  int64_t before = tndb_memory_live();
  tenantdb *db = what->opens ? NULL : fixture_open(url, NULL, NULL);
  if (what->prepare) {
    what->prepare(db);
  }
  tenantdb_error *failure = NULL;
  (void)tndb_memory_fail((uint64_t)at, forever);
  tenantdb_status status = what->act(db, &failure);
  int64_t made = (int64_t)tndb_memory_fail(0, false);
  if (!is_documented(status)) {
    fail_msg("%s, allocation %lld%s: %s: %s", what->name, (long long)at, forever ? " and on" : "",
             tenantdb_status_name(status), tenantdb_error_message(failure));
  }
  if (failure) {
    assert_int_equal(tenantdb_error_status(failure), status);
    assert_true(*tenantdb_error_message(failure));
  }
  tenantdb_error_free(failure);
  what->check(db, status);
  tenantdb_close(db);
  if (tndb_memory_live() != before) {
    fail_msg("%s, allocation %lld%s: %lld allocations were not given back", what->name, (long long)at,
             forever ? " and on" : "", (long long)(tndb_memory_live() - before));
  }
  return made;
}

static void sweep(const scenario *what) {
  int64_t began = fixture_now_ms();
  int64_t total = run_once(what, 0, false);
  int64_t cost = fixture_now_ms() - began;
  int64_t tried = 0;
  assert_true(total > 0);
  for (int forever = 0; forever < 2; forever++) {
    for (int64_t at = 1; at <= total + 1; at = fixture_next(at, total, 0, cost, fixture_budget_ms() / 8)) {
      (void)run_once(what, at, forever == 1);
      tried++;
    }
  }
  print_message("%s: %lld allocations, %lld runs in %lld ms\n", what->name, (long long)total,
                (long long)tried, (long long)(fixture_now_ms() - began));
}

static const scenario scenarios[] = {
    {"open", true, NULL, act_open, check_nothing},
    {"create", false, NULL, act_create, check_create},
    {"suspend", false, prepare_change, act_suspend, check_change},
    {"session", false, prepare_change, act_session, check_session},
    {"statement", true, NULL, act_statement, check_nothing},
    {"verify", false, prepare_change, act_verify, check_verify},
    {"purge", false, prepare_purge, act_purge, check_purge},
    {"list", false, NULL, act_list, check_nothing},
    {"fleet", false, prepare_change, act_fleet, check_nothing},
};

static void test_sweeps(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
    sweep(&scenarios[i]);
  }
}

/* ---------------------------------------------------------------- bootstrap, which changes what is there */

static void forget_catalog(void) {
  harness_sql(
      url,
      "DO $$ DECLARE g text; BEGIN IF to_regclass('tenantdb.catalog') IS NOT NULL THEN SELECT group_role "
      "INTO g "
      "FROM tenantdb.catalog; END IF; DROP SCHEMA IF EXISTS tenantdb CASCADE; DROP TABLE IF EXISTS plans, "
      "secrets; IF g IS NOT NULL THEN EXECUTE format('DROP OWNED BY %%I', g); EXECUTE format('DROP ROLE "
      "%%I', "
      "g); END IF; END $$");
}

static tenantdb_status act_bootstrap(tenantdb *db, tenantdb_error **failure) {
  return tenantdb_bootstrap(db, failure);
}

static int64_t all_tables;

static int64_t count_tables(void) {
  return harness_count(url, "SELECT count(*) FROM pg_tables WHERE schemaname IN ('tenantdb', 'public')");
}

static void check_bootstrap(tenantdb *db, tenantdb_status status) {
  int64_t there = count_tables();
  all_tables = all_tables ? all_tables : there; /* the first run is one without a failure */
  assert_true(there == 0 || there == all_tables);
  assert_true(status != TENANTDB_OK || there == all_tables);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  assert_int_equal(count_tables(), all_tables);
  forget_catalog();
}

static void test_bootstrap(void **state) {
  (void)state;
  const char *common = url;
  static const scenario bootstrap = {"bootstrap", false, NULL, act_bootstrap, check_bootstrap};
  url = harness_database();
  sweep(&bootstrap);
  harness_drop_database(url);
  url = common;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sweeps),
      cmocka_unit_test(test_bootstrap),
  };
  return cmocka_run_group_tests_name("allocation", tests, setup, fixture_teardown);
}

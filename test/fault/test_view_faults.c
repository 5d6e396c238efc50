/* SPDX-License-Identifier: PostgreSQL */
/*
 * Views over tenants when memory runs out at every allocation, and when who
 * works on them is killed at a random moment: what is read is right, and one
 * reconcile later the text is, too.
 */
#include "lost.h"
#include "starve.h"

#include "fixture_database.h"

static int setup(void **state) {
  (void)fixture_setup(state);
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "standing"));
  tenantdb_session *session = fixture_session(db, "standing");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  tenantdb_session_close(session);
  tenantdb_close(db);
  return 0;
}

/* Once reconciled: every living tenant is in every view, the parts are as written down, nothing is left over. */
static void check_views(tenantdb *db) {
  harness_sql(url,
              "UPDATE tenantdb.operations SET lease_until = now() - interval '1 s' WHERE state = 'running'");
  harness_assert_ok(tenantdb_reconcile(db, NULL, &error), error);
  assert_int_equal(
      harness_count(url,
                    "SELECT (SELECT count(*) FROM tenantdb.views WHERE NOT complete) + (SELECT count(*) "
                    "FROM tenantdb.view_members WHERE done < wish)"),
      0);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.views v CROSS JOIN tenantdb.tenants t LEFT JOIN "
                    "tenantdb.view_members m ON m.view_id = v.id AND m.tenant_id = t.id WHERE (t.state IN "
                    "('active', 'suspended')) <> (m.part IS NOT NULL) OR m.shown <> t.slug"),
      0);
  assert_int_equal(
      harness_count(url,
                    "SELECT count(*) FROM tenantdb.view_parts p WHERE members <> (SELECT (length(d) - "
                    "length(replace(d, '.notes', ''))) / 6 FROM (SELECT pg_get_viewdef(format("
                    "'tenantdb.view_%%s_%%s', replace(p.view_id::text, '-', ''), p.number)::regclass) AS "
                    "d) t)"),
      0);
  assert_int_equal(
      harness_count(url,
                    "SELECT (SELECT count(*) FROM pg_views WHERE schemaname = 'tenantdb') - (SELECT "
                    "count(*) FROM tenantdb.view_parts)"),
      0);
  assert_int_equal(fixture_halves(url), 0);
}

static void drop_views(tenantdb *db) {
  if (harness_count(url, "SELECT count(*) FROM tenantdb.views") > 0) {
    harness_assert_ok(tenantdb_view_drop(db, "seen", &error), error);
  }
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_views WHERE schemaname LIKE 'tenantdb%%'"), 0);
}

/* ---------------------------------------------------------------- memory */

typedef struct scenario {
  const char *name;
  void (*prepare)(tenantdb *db);
  tenantdb_status (*act)(tenantdb *db, tenantdb_error **failure);
} scenario;

static tenantdb_status act_view(tenantdb *db, tenantdb_error **failure) {
  tenantdb_view_options *options = tenantdb_view_options_new();
  if (!options) {
    return TENANTDB_MEMORY;
  }
  tenantdb_view_options_set(options, "selector", "slug^=st|fr, nothing!=x");
  tenantdb_view_options_set(options, "columns", "body, id");
  tenantdb_view_options_column(options, "at");
  tenantdb_status status = tenantdb_view_create(db, "seen", "notes", options, failure);
  tenantdb_view_options_free(options);
  if (!status) {
    options = tenantdb_view_options_new();
    tenantdb_view_options_tenant(options, "standing");
    status = options ? tenantdb_view_create(db, "few", "notes", options, failure)
                     : (tenantdb_status)TENANTDB_MEMORY;
    tenantdb_view_options_free(options);
  }
  return status;
}

static void prepare_view(tenantdb *db) {
  harness_assert_ok(tenantdb_view_create(db, "seen", "notes", NULL, &error), error);
}

static tenantdb_status act_uses(tenantdb *db, tenantdb_error **failure) {
  tenantdb_result *list = NULL;
  char *sql = NULL;
  tenantdb_status status = tenantdb_view_refresh(db, NULL, failure);
  if (!status) {
    status = tenantdb_view_list(db, &list, failure);
    assert_int_equal(status == TENANTDB_OK, list != NULL);
    tenantdb_result_free(list);
  }
  if (!status) {
    status = tenantdb_view_ddl(db, "seen", &sql, failure);
    assert_int_equal(status == TENANTDB_OK, sql != NULL);
    tenantdb_string_free(sql);
  }
  return status ? status : tenantdb_view_drop(db, "seen", failure);
}

static tenantdb_status act_tenant(tenantdb *db, tenantdb_error **failure) {
  tenantdb_status status = tenantdb_tenant_create(db, "fresh", NULL, NULL, failure);
  if (!status) {
    status = tenantdb_tenant_rename(db, "fresh", "fresher", NULL, failure);
  }
  return status ? status : tenantdb_tenant_purge(db, "fresher", 1, failure);
}

static void clean_up(tenantdb *db) {
  (void)tenantdb_view_drop(db, "few", NULL); /* of a list: not what check_views() expects */
  if (harness_count(url, "SELECT count(*) FROM tenantdb.views WHERE selector IS NOT NULL") == 0) {
    check_views(db);
  } else {
    harness_assert_ok(tenantdb_reconcile(db, NULL, &error), error);
    assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb_reports.seen"), 1);
  }
  drop_views(db);
  (void)tenantdb_tenant_purge(db, "fresh", 1, NULL);
  (void)tenantdb_tenant_purge(db, "fresher", 1, NULL);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE state <> 'deleted'"), 1);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.view_members"), 0);
}

static int64_t run_once(const void *tried, int64_t at, bool forever) {
  const scenario *what = tried;
  int64_t before = tndb_memory_live();
  tenantdb *db = fixture_open(url, NULL, NULL);
  if (what->prepare) {
    what->prepare(db);
  }
  tenantdb_error *failure = NULL;
  (void)tndb_memory_fail((uint64_t)at, forever);
  tenantdb_status status = what->act(db, &failure);
  int64_t made = (int64_t)tndb_memory_fail(0, false);
  starve_check_answer(what->name, at, forever, status, failure);
  tenantdb_error_free(failure);
  clean_up(db);
  tenantdb_close(db);
  starve_check_freed(what->name, at, forever, before);
  return made;
}

static void test_memory(void **state) {
  (void)state;
  static const scenario scenarios[] = {{"view", NULL, act_view},
                                       {"refresh, list, ddl, drop", prepare_view, act_uses},
                                       {"tenant", prepare_view, act_tenant}};
  enum { COUNT = sizeof scenarios / sizeof scenarios[0] };
  for (size_t i = 0; i < COUNT; i++) {
    starve_sweep(scenarios[i].name, &scenarios[i], run_once, fixture_budget_ms() / (3 * COUNT));
  }
}

/* ---------------------------------------------------------------- killed */

/* What the connections of who is killed are called. */
#define KILLED "killed"

static void work_on(tenantdb *db, int round) {
  for (int i = 0;; i++) {
    char slug[40], other[40];
    snprintf(slug, sizeof slug, "k%d-%d", round, i);
    snprintf(other, sizeof other, "k%d-%d-b", round, i);
    (void)tenantdb_tenant_create(db, slug, NULL, NULL, NULL);
    (void)tenantdb_tenant_rename(db, slug, other, NULL, NULL);
    if (i % 3 == 0) {
      (void)tenantdb_tenant_purge(db, other, 1, NULL);
    } else if (i % 3 == 1) {
      (void)tenantdb_view_refresh(db, "seen", NULL);
    }
  }
}

/* His back ends go on to the end of what they were told, and may mark a member behind a reconcile's back. */
static void wait_for_killed(void) {
  for (int i = 0; i < 500; i++) {
    if (harness_count(url,
                      "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                      "application_name LIKE '" KILLED "%%'") == 0) {
      return;
    }
    fixture_pause_us(10000);
  }
  fail_msg("a back end of a killed client is there for more than five seconds");
}

static void test_killed(void **state) {
  (void)state;
  unsigned seed = fixture_seed();
  tenantdb *db = fixture_open(url, NULL, NULL);
  prepare_view(db);
  int64_t until = fixture_now_ms() + fixture_budget_ms() / 2;
  int round = 0;
  do {
    fault_kill_child(url, FIXTURE_OPTIONS("database.application_name", KILLED), work_on, round,
                     fixture_random(&seed, 300000));
    /* At once: whoever is shown is active. He may not be there yet, but nobody who is gone is. */
    assert_true(harness_count(url, "SELECT count(*) FROM tenantdb_reports.seen") == 1);
    wait_for_killed();
    check_views(db);
    round++;
  } while (fixture_now_ms() < until);
  print_message("killed %d times, %lld tenants\n", round,
                (long long)harness_count(url, "SELECT count(*) FROM tenantdb.tenants"));
  drop_views(db);
  tenantdb_close(db);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_memory, setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(test_killed, setup, fixture_teardown),
  };
  return cmocka_run_group_tests_name("view faults", tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * The connection is cut at every message of a relocation. What is one transaction
 * was done exactly when OK was answered; what is many leaves every old name in
 * use, and goes on when it is called again.
 */
#include "../integration/relocate_fixture.h"
#include "base/memory.h"
#include "lifecycle.h"
#include "proxy.h"

static const char *url;
static char by_proxy[1024];
static tndb_proxy *proxy;
static tenantdb *direct;
static tenantdb_error *error;

static int setup(void **state) {
  (void)state;
  char reason[256];
  url = relocate_old(&direct);
  harness_sql(
      url,
      "CREATE SCHEMA \"by hand\"; CREATE TABLE \"by hand\".notes (id bigint GENERATED ALWAYS AS IDENTITY "
      "PRIMARY KEY, user_id integer REFERENCES users (id), body text)");
  proxy = proxy_start(url, reason, sizeof reason);
  if (!proxy) {
    fail_msg("%s", reason);
  }
  assert_true(proxy_url(proxy, url, by_proxy, sizeof by_proxy));
  return 0;
}

static int teardown(void **state) {
  (void)state;
  proxy_stop(proxy);
  tenantdb_close(direct);
  harness_drop_database(url);
  return 0;
}

typedef struct fault_relocation {
  const char *name;
  const char *const *options; /* NULL: finish */
  void (*prepare)(void);
  bool (*is_done)(void);
  bool (*is_whole)(void); /* neither half done nor out of use */
  void (*restore)(void);
  bool resumes; /* what failed may have begun */
} fault_relocation;

/* ---------------------------------------------------------------- shared tables */

static int64_t in_schema(const char *schema, const char *kinds) {
  return harness_count(
      url,
      "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('\"%s\"') AND relkind::text = "
      "ANY ('{%s}') AND relname IN ('users', 'conversations', 'Odd Name', 'sad_users', 'tickets', "
      "'users_id_seq', 'conversations_id_seq')",
      schema, kinds);
}

static bool has_moved(void) {
  return in_schema(RELOCATE_NEW, "r,S,v") == 7 && in_schema("public", "r,S,v") == 0;
}

static bool is_old_or_new(void) {
  return has_moved() || (in_schema("public", "r,S,v") == 7 && in_schema(RELOCATE_NEW, "r,S,v") == 0);
}

/* Every name of the old version is found and can be written to, and every name of the new one when it is there. */
static bool are_in_use(const char *schema) {
  const char *code = harness_sqlstate(url,
                                      "BEGIN; INSERT INTO \"%s\".users (email) VALUES ('probe') ON CONFLICT "
                                      "(email) DO UPDATE SET at = now(); INSERT INTO "
                                      "\"%s\".conversations (user_id, title) SELECT id, 'probe' FROM "
                                      "\"%s\".users WHERE email = 'probe'; SELECT * FROM "
                                      "\"%s\".\"Odd Name\", \"%s\".sad_users; ROLLBACK",
                                      schema, schema, schema, schema, schema);
  return strcmp(code, "00000") == 0;
}

static bool are_usable(void) {
  return are_in_use("public") && (in_schema(RELOCATE_NEW, "r,v") == 0 || are_in_use(RELOCATE_NEW));
}

static bool is_standing(void) {
  return harness_count(url, "SELECT count(*) FROM tenantdb.relocations WHERE state = 'standing'") == 1;
}

static void go_by_views(void) {
  relocate_do(direct, RELOCATE_BY_VIEWS);
}

static void expire(void) {
  harness_sql(url,
              "UPDATE tenantdb.operations SET lease_until = now() - interval '1 s' WHERE state = 'running'");
}

/* Whatever there is, to its end, and back. */
static void bring_back(void) {
  expire();
  if (harness_count(url, "SELECT count(*) FROM tenantdb.relocations WHERE state = 'moving'") == 1) {
    go_by_views();
    assert_true(is_standing());
    assert_true(are_usable());
  }
  if (is_standing()) {
    relocate_finish(direct, FIXTURE_OPTIONS("force", "on"));
  }
  if (has_moved()) {
    relocate_do(direct, FIXTURE_OPTIONS("from", RELOCATE_NEW, "to", "public"));
  }
  assert_int_equal(in_schema("public", "r,S,v"), 7);
  harness_sql(url, "DROP SCHEMA IF EXISTS \"teddy-ai\"");
}

/* The old names are all there, or none. */
static bool is_finished_or_not(void) {
  return has_moved() || are_usable();
}

/* ---------------------------------------------------------------- tenants */

static bool is_adopted(void) {
  return fault_tenants(url, "state = 'active' AND schema_name = 'by hand'") == 1;
}

static bool is_adopted_or_not(void) {
  bool marked = harness_count(url,
                              "SELECT count(*) FROM pg_namespace WHERE nspname = 'by hand' AND "
                              "obj_description(oid, 'pg_namespace') LIKE 'libtenantdb%%'") == 1;
  bool role =
      harness_count(url,
                    "SELECT count(*) FROM pg_roles r JOIN tenantdb.tenants t ON t.role_name = r.rolname "
                    "WHERE t.slug = 'faulty' AND t.state <> 'deleted'") == 1;
  return is_adopted() == marked && is_adopted() == role;
}

static void give_up(void) {
  if (fault_tenants(url, "state <> 'deleted'") > 0) {
    /* As it was: only the schema stays. */
    harness_sql(url, "COMMENT ON SCHEMA \"by hand\" IS NULL; ALTER SCHEMA \"by hand\" RENAME TO keep");
    tenantdb_status status = tenantdb_tenant_purge(direct, "faulty", 1, &error);
    fault_must(status, error);
    harness_sql(url, "ALTER SCHEMA keep RENAME TO \"by hand\"");
  }
}

static void make(void) {
  fault_make(direct);
}

static bool is_renamed(void) {
  return fault_tenants(
             url,
             "schema_name = 'renamed' AND to_regnamespace('renamed') IS NOT NULL AND state <> 'deleted'") ==
         1;
}

static bool has_schema(void) {
  return fault_tenants(url, "to_regnamespace(quote_ident(schema_name)) IS NOT NULL AND state = 'active'") ==
         1;
}

static void remove_him(void) {
  fault_remove(direct, url);
}

static const char *const at_once[] = {"to", RELOCATE_NEW, NULL};
static const char *const by_views[] = {"to", RELOCATE_NEW, "way", "views", NULL};
static const char *const adopt[] = {"what", "adopt", "tenant", "faulty", "from", "by hand", NULL};
static const char *const rename_schema[] = {"what", "tenant", "tenant", "faulty", "to", "renamed", NULL};

static const fault_relocation relocations[] = {
    {"at once", at_once, NULL, has_moved, is_old_or_new, bring_back, false},
    {"by views", by_views, NULL, is_standing, are_usable, bring_back, true},
    {"finish", NULL, go_by_views, has_moved, is_finished_or_not, bring_back, false},
    {"adopt", adopt, NULL, is_adopted, is_adopted_or_not, give_up, false},
    {"rename", rename_schema, make, is_renamed, has_schema, remove_him, false},
};
enum { RELOCATIONS = sizeof relocations / sizeof relocations[0] };

static const struct {
  const char *name;
  proxy_action action;
} actions[] = {{"close", PROXY_CLOSE}, {"close after", PROXY_CLOSE_AFTER}, {"half", PROXY_HALF}};

static int64_t run_once(const fault_relocation *what, size_t action, int64_t number, bool *fired) {
  tenantdb *db = fixture_open(by_proxy, relocate_registry(), FIXTURE_OPTIONS("operation.lock_timeout", "5s"));
  tenantdb_error *failure = NULL;
  tenantdb_relocate_options *options = relocate_options(what->options);
  if (what->prepare) {
    what->prepare();
  }
  proxy_reset(proxy);
  proxy_trigger trigger = {.action = actions[action].action, .number = number};
  if (number > 0) {
    proxy_arm(proxy, &trigger);
  }
  tenantdb_relocate_options_set(options, "lock_timeout", "2s"); /* what was cut goes on for a moment */
  tenantdb_relocate_options_set(options, "force", "on");
  tenantdb_status status = what->options ? tenantdb_relocate(db, options, 1, NULL, &failure)
                                         : tenantdb_relocate_finish(db, options, 1, NULL, &failure);
  proxy_counters counted = proxy_count(proxy);
  proxy_disarm(proxy);
  *fired = counted.fired > 0;
  fault_wait_quiet(url);
  bool done = what->is_done(), whole = what->is_whole();
  if (!whole || (status == TENANTDB_OK && !done) || (status != TENANTDB_OK && done && !what->resumes) ||
      status == TENANTDB_UNKNOWN || status == TENANTDB_INTERNAL) {
    fail_msg("%s, %s at message %lld (%c from %s): answered %s (%s), it is %s, %s", what->name,
             actions[action].name, (long long)number, counted.fired_type,
             counted.fired_from == PROXY_CLIENT ? "client" : "server", tenantdb_status_name(status),
             tenantdb_error_message(failure), done ? "done" : "not done", whole ? "whole" : "broken");
  }
  tenantdb_error_free(failure);
  tenantdb_relocate_options_free(options);
  tenantdb_close(db);
  what->restore();
  return counted.from_client + counted.from_server;
}

static void sweep(const fault_relocation *what) {
  bool fired;
  int64_t began = fixture_now_ms();
  int64_t total = run_once(what, 0, 0, &fired);
  int64_t cost = 2 * (fixture_now_ms() - began);
  int64_t runs = 0;
  assert_true(total > 10);
  for (size_t action = 0; action < sizeof actions / sizeof actions[0]; action++) {
    int64_t at = 1;
    do {
      (void)run_once(what, action, at, &fired);
      runs++;
      at = fixture_next(at, total, 8, cost, fixture_budget_ms() / (3 * RELOCATIONS));
    } while (fired && at < 2 * total);
  }
  print_message("%s: %lld messages, %lld cuts in %lld ms\n", what->name, (long long)total, (long long)runs,
                (long long)(fixture_now_ms() - began));
}

static void test_relocations(void **state) {
  (void)state;
  for (size_t i = 0; i < RELOCATIONS; i++) {
    sweep(&relocations[i]);
  }
}

/* ---------------------------------------------------------------- allocations */

static int64_t run_starved(const fault_relocation *what, int64_t at, bool forever) {
  int64_t before = tndb_memory_live();
  tenantdb *db = fixture_open(url, relocate_registry(), NULL);
  tenantdb_error *failure = NULL;
  tenantdb_result *plan = NULL;
  if (what->prepare) {
    what->prepare();
  }
  (void)tndb_memory_fail((uint64_t)at, forever);
  tenantdb_relocate_options *options = relocate_options(what->options);
  tenantdb_relocate_options_set(options, "force", "on");
  tenantdb_status status = !options        ? (tenantdb_status)TENANTDB_MEMORY
                           : what->options ? tenantdb_relocate(db, options, 1, &plan, &failure)
                                           : tenantdb_relocate_finish(db, options, 1, &plan, &failure);
  int64_t made = (int64_t)tndb_memory_fail(0, false);
  tenantdb_relocate_options_free(options);
  fault_wait_quiet(url);
  bool whole = what->is_whole(), done = what->is_done();
  if (!whole || (status == TENANTDB_OK && !done) ||
      (status != TENANTDB_OK && status != TENANTDB_MEMORY && status != TENANTDB_CONNECTION)) {
    fail_msg("%s, allocation %lld%s: %s (%s), it is %s", what->name, (long long)at, forever ? " and on" : "",
             tenantdb_status_name(status), tenantdb_error_message(failure), whole ? "whole" : "broken");
  }
  tenantdb_result_free(plan);
  tenantdb_error_free(failure);
  what->restore();
  tenantdb_close(db);
  int64_t leaked = tndb_memory_live() - before;
  if (leaked > 0) {
    fail_msg("%s, allocation %lld%s: %lld allocations were not given back", what->name, (long long)at,
             forever ? " and on" : "", (long long)leaked);
  }
  return made;
}

static void starve(const fault_relocation *what) {
  int64_t began = fixture_now_ms();
  int64_t total = run_starved(what, 0, false);
  (void)run_starved(what, 0, false); /* what the handle that brings things back keeps is there now */
  int64_t cost = (fixture_now_ms() - began) / 2;
  int64_t tried = 0;
  assert_true(total > 0);
  for (int forever = 0; forever < 2; forever++) {
    for (int64_t at = 1; at <= total + 1;
         at = fixture_next(at, total, 0, cost, fixture_budget_ms() / (2 * RELOCATIONS))) {
      (void)run_starved(what, at, forever == 1);
      tried++;
    }
  }
  print_message("%s: %lld allocations, %lld runs in %lld ms\n", what->name, (long long)total,
                (long long)tried, (long long)(fixture_now_ms() - began));
}

static void test_allocations(void **state) {
  (void)state;
  for (size_t i = 0; i < RELOCATIONS; i++) {
    starve(&relocations[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_relocations),
      cmocka_unit_test(test_allocations),
  };
  return cmocka_run_group_tests_name("relocations cut", tests, setup, teardown);
}

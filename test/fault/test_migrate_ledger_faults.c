/* SPDX-License-Identifier: PostgreSQL */
/*
 * Every allocation of bringing migrations into use, of tenants that are made meanwhile, of
 * baselines, drafts, status and repairs fails in turn, once and from then on: no crash, nothing leaked,
 * the ledger and the tenants agree, nothing of a scratch schema stays.
 */
#include "fixture_migrations.h"
#include "starve.h"

#include "fixture_database.h"

static tenantdb_migrations *used; /* made before memory fails */

static tenantdb_registry *more_registry(void) {
  tenantdb_registry *registry = fixture_registry();
  tenantdb_base *service = tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(service,
                    "CREATE TABLE more (id integer PRIMARY KEY); CREATE INDEX notes_body ON notes (body)");
  return registry;
}

static int setup(void **state) {
  (void)fixture_setup(state);
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "ant"));
  tenantdb_tenant_free(fixture_tenant(db, "bee"));
  tenantdb_close(db);
  harness_sql(
      url,
      "DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE %%I.notes ADD COLUMN odd text', schema_name) FROM"
      " tenantdb.tenants WHERE slug = 'bee'); END $$");
  return 0;
}

/* Whatever was done before: nobody has rows in the ledger. */
static void forget(void) {
  harness_sql(url, "DELETE FROM tenantdb.migrations; UPDATE tenantdb.tenants SET version = 0");
}

static void check_agree(const char *what) {
  int64_t wrong = harness_count(
      url,
      "SELECT (SELECT count(*) FROM tenantdb.tenants t WHERE t.state IN ('active', 'suspended')"
      " AND t.version <> coalesce((SELECT max(m.version) FROM tenantdb.migrations m WHERE"
      " m.tenant_id = t.id AND m.state = 'done'), 0)) + (SELECT count(*) FROM pg_namespace WHERE"
      " nspname LIKE 'tenantdb\\_scratch%%') + (SELECT count(*) FROM tenantdb.migrations m WHERE"
      " m.stream = 'tenant' AND NOT EXISTS (SELECT FROM tenantdb.tenants t WHERE t.id = m.tenant_id"
      " AND t.state <> 'deleted'))");
  if (wrong) {
    fail_msg("%s: %lld things do not agree", what, (long long)wrong);
  }
}

/* ---------------------------------------------------------------- what is done */

static tenantdb_status act_use(tenantdb *db, const tenantdb_ledger_options *options, tenantdb_result **table,
                               tenantdb_error **failure) {
  (void)options;
  (void)table;
  return tenantdb_use_migrations(db, used, failure);
}

static tenantdb_status act_bootstrap(tenantdb *db, const tenantdb_ledger_options *options,
                                     tenantdb_result **table, tenantdb_error **failure) {
  (void)options;
  (void)table;
  return tenantdb_bootstrap(db, failure);
}

static tenantdb_status act_create(tenantdb *db, const tenantdb_ledger_options *options,
                                  tenantdb_result **table, tenantdb_error **failure) {
  (void)options;
  (void)table;
  return tenantdb_tenant_create(db, "new", NULL, NULL, failure);
}

static tenantdb_status act_shared(tenantdb *db, const tenantdb_ledger_options *options,
                                  tenantdb_result **table, tenantdb_error **failure) {
  tenantdb_ledger_options_set((tenantdb_ledger_options *)options, "stream", "shared");
  return tenantdb_migration_baseline(db, options, table, failure);
}

static tenantdb_status act_force(tenantdb *db, const tenantdb_ledger_options *options,
                                 tenantdb_result **table, tenantdb_error **failure) {
  tenantdb_ledger_options_set((tenantdb_ledger_options *)options, "force", "on");
  return tenantdb_migration_baseline(db, options, table, failure);
}

static tenantdb_status act_history(tenantdb *db, const tenantdb_ledger_options *options,
                                   tenantdb_result **table, tenantdb_error **failure) {
  (void)options;
  return tenantdb_migration_history(db, "ant", table, failure);
}

static tenantdb_status act_draft(tenantdb *db, const tenantdb_ledger_options *options,
                                 tenantdb_result **table, tenantdb_error **failure) {
  (void)options;
  return tenantdb_migration_draft(db, "tenant", table, failure);
}

typedef struct scenario {
  const char *name;
  tenantdb_status (*act)(tenantdb *db, const tenantdb_ledger_options *options, tenantdb_result **table,
                         tenantdb_error **failure);
  bool tells;   /* a table */
  bool chooses; /* tenants by options */
  bool bare;    /* no set is in use yet */
  bool replays; /* tenants are made by migrations */
  bool creates;
} scenario;

static tenantdb *open_for(const scenario *what) {
  tenantdb *db = fixture_open(url, what->act == act_draft ? more_registry() : NULL,
                              what->replays ? FIXTURE_OPTIONS("migrate.new_tenants", "checkpoint") : NULL);
  if (!what->bare) {
    fixture_use(db,
                what->replays ? fixture_migrations_from_checkpoint() : fixture_migrations(FIXTURE_TENANT));
  }
  return db;
}

/* One run with the n-th allocation failing; how many were made. */
static int64_t run_once(const void *tried, int64_t at, bool forever) {
  const scenario *what = tried;
  int64_t before = tndb_memory_live();
  tenantdb_result *table = NULL;
  tenantdb_error *failure = NULL;
  tenantdb_status status = TENANTDB_MEMORY;
  forget();
  if (what->creates && harness_count(url,
                                     "SELECT count(*) FROM tenantdb.tenants WHERE slug = 'new'"
                                     " AND state <> 'deleted'") > 0) {
    tenantdb *other = fixture_open(url, NULL, NULL);
    harness_assert_ok(tenantdb_tenant_purge(other, "new", 1, &error), error);
    tenantdb_close(other);
  }
  tenantdb *db = open_for(what);
  used = fixture_migrations(FIXTURE_TENANT);
  (void)tndb_memory_fail((uint64_t)at, forever);
  tenantdb_ledger_options *options = tenantdb_ledger_options_new();
  if (what->chooses) {
    tenantdb_ledger_options_set(options, "selector", "slug^=a|b");
    tenantdb_ledger_options_tenant(options, "ant");
    tenantdb_ledger_options_tenant(options, "bee");
  }
  if (options) {
    status = what->act(db, options, &table, &failure);
  }
  int64_t made = (int64_t)tndb_memory_fail(0, false);
  starve_check_answer(what->name, at, forever, status, failure);
  if (what->tells) {
    assert_int_equal(status == TENANTDB_OK, table != NULL);
  }
  tenantdb_error_free(failure);
  tenantdb_result_free(table);
  tenantdb_ledger_options_free(options);
  check_agree(what->name);
  tenantdb_close(db);
  tenantdb_migrations_free(used);
  starve_check_freed(what->name, at, forever, before);
  return made;
}

static void test_sweeps(void **state) {
  (void)state;
  static const scenario scenarios[] = {
      {"use", act_use, .bare = true},
      {"bootstrap", act_bootstrap, .tells = false},
      {"create", act_create, .creates = true},
      {"create by migrations", act_create, .replays = true, .creates = true},
      {"baseline", tenantdb_migration_baseline, .tells = true, .chooses = true},
      {"baseline by force", act_force, .tells = true, .chooses = true},
      {"baseline of the shared schema", act_shared, .tells = true},
      {"status", tenantdb_migration_status, .tells = true},
      {"versions", tenantdb_migration_versions, .tells = true, .chooses = true},
      {"history", act_history, .tells = true},
      {"repair", tenantdb_migration_repair, .tells = true, .chooses = true},
      {"draft", act_draft, .tells = true}};
  size_t count = sizeof scenarios / sizeof scenarios[0];
  for (size_t i = 0; i < count; i++) {
    starve_sweep(scenarios[i].name, &scenarios[i], run_once, fixture_budget_ms() / (int64_t)count);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_sweeps)};
  return cmocka_run_group_tests_name("ledger faults", tests, setup, fixture_teardown);
}

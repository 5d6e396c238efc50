/* SPDX-License-Identifier: PostgreSQL */
/* Changes as migrations of tenants: two releases of an application side by side, and new tenants in between. */
#include "change_fixture.h"
#include "change_releases.h"

static tenantdb_error *error;

static const char *const options[] = {"migrate.new_tenants", "checkpoint", NULL};

static void migrate(tenantdb *db) {
  tenantdb_run *run = NULL;
  tenantdb_result *members = NULL;
  tenantdb_status status = tenantdb_migrate(db, NULL, &run, &error);
  if (status && run) {
    tenantdb_error *other = NULL;
    if (tenantdb_run_members(run, "failed,deferred", NULL, 10, &members, &other) == TENANTDB_OK) {
      for (int32_t i = 0; i < tenantdb_result_rows(members); i++) {
        print_message("%s\n", fixture_value(members, i, "error"));
      }
    }
  }
  harness_assert_ok(status, error);
  tenantdb_run_free(run);
}

/* The first one's schema is what the others' are, and where it is not, says in what. */
static void assert_alike(const char *url, tenantdb *db, int32_t tenants) {
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_fingerprints(db, NULL, &result, &error), error);
  assert_int_equal(tenantdb_result_rows(result), tenants);
  for (int32_t i = 1; i < tenants; i++) {
    if (strcmp(fixture_value(result, i, "fingerprint"), fixture_value(result, 0, "fingerprint")) != 0) {
      char *roles = harness_value(
          url, "SELECT string_agg(role_name, ' ') FROM tenantdb.tenants WHERE schema_name = '%s'",
          fixture_value(result, 0, "schema"));
      char *others = harness_value(
          url, "SELECT string_agg(role_name, ' ') FROM tenantdb.tenants WHERE schema_name = '%s'",
          fixture_value(result, i, "schema"));
      change_assert_same(url, fixture_value(result, 0, "schema"), roles, fixture_value(result, i, "schema"),
                         others);
    }
    assert_string_equal(fixture_value(result, i, "fingerprint"), fixture_value(result, 0, "fingerprint"));
  }
  tenantdb_result_free(result);
}

/* ---------------------------------------------------------------- releases */

typedef struct release {
  tenantdb *db;
  const char *sql;
  const char *min_version;
  atomic_bool stop;
  atomic_int written[2];
  char failure[512];
  pthread_t thread;
} release;

static tenantdb_status write_once(release *of, const char *tenant, tenantdb_error **failure) {
  tenantdb_session *session = NULL;
  tenantdb_session_options *wanted = tenantdb_session_options_new();
  if (of->min_version) {
    tenantdb_session_options_set(wanted, "min_version", of->min_version);
  }
  tenantdb_status status = tenantdb_session_open(of->db, tenant, wanted, &session, failure);
  if (!status) {
    status = tenantdb_session_query(session, of->sql, NULL, NULL, failure);
  }
  tenantdb_session_close(session);
  tenantdb_session_options_free(wanted);
  return status;
}

static void *write_on(void *user) {
  static const char *const tenants[] = {"a", "b"};
  release *of = user;
  for (int i = 0; !atomic_load(&of->stop); i++) {
    tenantdb_error *failure = NULL;
    if (write_once(of, tenants[i % 2], &failure)) {
      snprintf(of->failure, sizeof of->failure, "%s", tenantdb_error_message(failure));
      tenantdb_error_free(failure);
      return NULL;
    }
    atomic_fetch_add(&of->written[i % 2], 1);
    fixture_pause_us(1000);
  }
  return NULL;
}

static void begin_release(release *of, tenantdb *db, const char *sql, const char *min_version) {
  memset(of, 0, sizeof *of);
  of->db = db;
  of->sql = sql;
  of->min_version = min_version;
  assert_int_equal(pthread_create(&of->thread, NULL, write_on, of), 0);
  for (int i = 0; i < 5000 && atomic_load(&of->written[1]) < 3 && !of->failure[0]; i++) {
    fixture_pause_us(2000);
  }
}

static void end_release(release *of) {
  atomic_store(&of->stop, true);
  pthread_join(of->thread, NULL);
  if (of->failure[0]) {
    fail_msg("%s", of->failure);
  }
  assert_true(atomic_load(&of->written[0]) > 0 && atomic_load(&of->written[1]) > 0);
}

static tenantdb *open_release(const char *url, int count) {
  return fixture_migrated(url, fixture_empty_registry(), migrations(count), options);
}

static void side_by_side(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *older = open_release(url, 1);
  tenantdb_tenant_free(fixture_tenant(older, "a"));
  tenantdb_tenant_free(fixture_tenant(older, "b"));
  for (int i = 0; i < 2; i++) {
    tenantdb_session *session = fixture_session(older, i ? "b" : "a");
    fixture_run(session, "INSERT INTO notes (body) SELECT 'Note ' || i FROM generate_series(1, 2000) i");
    tenantdb_session_close(session);
  }
  tenantdb *newer = fixture_open(url, fixture_empty_registry(), options);
  fixture_use(newer, migrations(2));
  /* The newer release meets no tenant that is not ready for it. */
  release early = {.db = newer, .sql = "SELECT 1", .min_version = "2"};
  harness_assert_fails(write_once(&early, "a", &error), error, TENANTDB_MIGRATION,
                       TENANTDB_REASON_TENANT_BEHIND);
  release old, new;
  begin_release(&old, older, "INSERT INTO notes (body, n, kind) VALUES ('Old', 1, 'x')", NULL);
  migrate(newer);
  begin_release(&new, newer, "INSERT INTO entries (content, slug, n) VALUES ('New', 'new', 5000000000)", "2");
  fixture_pause_us(100000);
  /* A tenant that is made now is like those who have come the long way. */
  tenantdb_tenant_free(fixture_tenant(newer, "c"));
  assert_alike(url, newer, 3);
  end_release(&old);
  end_release(&new);
  for (int i = 0; i < 2; i++) {
    tenantdb_session *session = fixture_session(newer, i ? "b" : "a");
    assert_int_equal(strtol(fixture_cell(session, "SELECT count(*) FROM entries"), NULL, 10),
                     2000 + atomic_load(&old.written[i]) + atomic_load(&new.written[i]));
    assert_string_equal(
        fixture_cell(session,
                     "SELECT count(*) FROM entries WHERE body IS DISTINCT FROM content OR slug "
                     "IS NULL OR n IS NULL"),
        "0");
    tenantdb_session_close(session);
  }
  tenantdb_close(older);
  tenantdb *newest = fixture_open(url, fixture_empty_registry(), options);
  fixture_use(newest, migrations(3));
  begin_release(&new, newer, "INSERT INTO entries (content, slug, n) VALUES ('New', 'new', 5000000000)", "2");
  migrate(newest);
  fixture_pause_us(100000);
  end_release(&new);
  tenantdb_tenant_free(fixture_tenant(newest, "d"));
  assert_alike(url, newest, 4);
  tenantdb_close(newer);
  tenantdb_close(newest);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- refusals */

static void a_refusal_names_the_place(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = open_release(url, 1);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_close(db);
  tenantdb_migrations *set = migrations(1);
  tenantdb_change *change = tenantdb_change_new("change_type");
  tenantdb_change_set(change, "table", "notes");
  tenantdb_change_set(change, "column", "id");
  tenantdb_change_set(change, "type", "text");
  tenantdb_change_set(change, "using", "id::text");
  tenantdb_migration_add_change(set, "tenant", 2, "ids", change);
  tenantdb_change_free(change);
  db = fixture_open(url, fixture_empty_registry(), options);
  fixture_use(db, set);
  tenantdb_run *run = NULL;
  tenantdb_result *members = NULL;
  assert_int_not_equal(tenantdb_migrate(db, NULL, &run, &error), TENANTDB_OK);
  tenantdb_error_free(error);
  harness_assert_ok(tenantdb_run_members(run, "failed", NULL, 10, &members, &error), error);
  assert_int_equal(tenantdb_result_rows(members), 1);
  const char *said = fixture_value(members, 0, "error");
  if (!strstr(said, "change_type of notes.id: it is an identity column") || !strstr(said, "line 2")) {
    fail_msg("%s", said);
  }
  tenantdb_result_free(members);
  tenantdb_run_free(run);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- killed */

typedef struct killer {
  const char *url;
  atomic_bool stop;
  atomic_int kills;
  pthread_t thread;
} killer;

/* Ends whatever works on the database, again and again, for some seconds. */
static void *kill_on(void *user) {
  killer *of = user;
  PGconn *pg = change_connect(of->url);
  int64_t began = fixture_now_ms();
  while (!atomic_load(&of->stop) && fixture_now_ms() - began < 4000) {
    fixture_pause_us(40000 + 7000 * (atomic_load(&of->kills) % 9));
    change_do(
        pg,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid "
        "<> pg_backend_pid() AND state <> 'idle'");
    atomic_fetch_add(&of->kills, 1);
  }
  PQfinish(pg);
  return NULL;
}

/* Migrate until everybody has come to the end. */
static void migrate_under_fire(const char *url, tenantdb *db) {
  killer of = {.url = url};
  assert_int_equal(pthread_create(&of.thread, NULL, kill_on, &of), 0);
  int64_t began = fixture_now_ms();
  tenantdb_status status = TENANTDB_OK;
  do {
    tenantdb_run *run = NULL;
    status = tenantdb_migrate(db, NULL, &run, &error);
    tenantdb_run_free(run);
    if (status && fixture_now_ms() - began > 120000) {
      fail_msg("%s", tenantdb_error_message(error));
    }
    tenantdb_error_free(error);
    error = NULL;
  } while (status);
  atomic_store(&of.stop, true);
  pthread_join(of.thread, NULL);
  print_message("%d times cut\n", atomic_load(&of.kills));
  assert_true(atomic_load(&of.kills) > 3);
}

static void cut_at_any_moment(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = open_release(url, 1);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_tenant_free(fixture_tenant(db, "b"));
  for (int i = 0; i < 2; i++) {
    tenantdb_session *session = fixture_session(db, i ? "b" : "a");
    fixture_run(session, "INSERT INTO notes (body) SELECT 'Note ' || i FROM generate_series(1, 5000) i");
    tenantdb_session_close(session);
  }
  tenantdb_close(db);
  db = fixture_open(url, fixture_empty_registry(), options);
  fixture_use(db, migrations(2));
  migrate_under_fire(url, db);
  for (int i = 0; i < 2; i++) {
    tenantdb_session *session = fixture_session(db, i ? "b" : "a");
    assert_string_equal(
        fixture_cell(session,
                     "SELECT count(*) FILTER (WHERE body = content AND slug = lower(body) AND n "
                     "= n_tenantdb_old) || ' of ' || count(*) FROM entries"),
        "5000 of 5000");
    tenantdb_session_close(session);
  }
  tenantdb_close(db);
  db = fixture_open(url, fixture_empty_registry(), options);
  fixture_use(db, migrations(3));
  migrate(db);
  tenantdb_tenant_free(fixture_tenant(db, "c"));
  assert_alike(url, db, 3);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
  tenantdb_close(db);
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(side_by_side),
      cmocka_unit_test(a_refusal_names_the_place),
      cmocka_unit_test(cut_at_any_moment),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

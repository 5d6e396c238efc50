/* SPDX-License-Identifier: PostgreSQL */
/*
 * A fleet is migrated while things go wrong: one tenant in a hundred cannot be
 * migrated (a row that breaks a NOT NULL; a lock that somebody holds), the server's
 * processes that work on it are terminated now and then, and whoever carries it out is
 * killed three times. Meanwhile sessions read in all tenants, and none fails or has to wait for long.
 *
 * How long a call takes is also a matter of the machine. What a reader can be made to wait for by a migration is the
 * time that it waits for its own lock, and the server ends that after lock_timeout: an event trigger looks at the setting
 * in whatever the runners do. What it comes to is asked of the server, which knows since when a reader waits.
 *
 * 120 tenants; with a TENANTDB_TEST_BUDGET of a minute or more, 1,000.
 */
#include <libpq-fe.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../integration/run_fixture.h"

enum { KILLS = 3, READERS = 2, LOCK_MS = 400, NEWEST = 4 };

static const char *url;
static tenantdb_error *error;
static unsigned seed;
static int fleet;

/* The text of each version also tells, by a row, how often it was applied. */
static tenantdb_migrations *set_of(int upto) {
  static const char *const sql[NEWEST] = {RUN_V1, RUN_V2 ";\nINSERT INTO notes (body) VALUES ('two')",
                                          RUN_V3 ";\nINSERT INTO notes (body) VALUES ('three')",
                                          "-- tenantdb:tx none\nCREATE INDEX CONCURRENTLY notes_body ON "
                                          "notes (body);\nINSERT INTO notes (body) VALUES ('four')"};
  tenantdb_migrations *set = tenantdb_migrations_new();
  for (int i = 0; i < upto; i++) {
    tenantdb_migration_add(set, "tenant", i + 1, "step", sql[i]);
  }
  return set;
}

#define RUNNER FIXTURE_OPTIONS("operation.lease", "1s", "database.application_name", "runner")

/* An index that is made concurrently is in nobody's way, and waits for all readers there are. */
static void watch_settings(void) {
  harness_sql(
      url,
      "CREATE FUNCTION public.look() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
      " IF current_setting('application_name') = 'runner' AND current_query() !~* 'concurrently' AND"
      " current_setting('lock_timeout') <> '%dms' THEN RAISE EXCEPTION '%% with lock_timeout %%', tg_tag,"
      " current_setting('lock_timeout'); END IF; END $$;"
      "CREATE EVENT TRIGGER look ON ddl_command_start EXECUTE FUNCTION public.look()",
      LOCK_MS);
}

/* ---------------------------------------------------------------- the load */

typedef struct account {
  long long calls;
  long long slowest_ms;
  long long waited_ms; /* for one lock, at the longest that was seen */
  char strange[300];
} account;

typedef struct load {
  tenantdb *db;
  atomic_bool over;
  account total;
  pthread_mutex_t mutex;
} load;

static void count_call(load *all, const char *slug, int64_t began, const tenantdb_error *failure) {
  long long took = fixture_now_ms() - began;
  pthread_mutex_lock(&all->mutex);
  all->total.calls++;
  all->total.slowest_ms = took > all->total.slowest_ms ? took : all->total.slowest_ms;
  if (failure && !all->total.strange[0]) {
    snprintf(all->total.strange, sizeof all->total.strange, "%s: %s", slug, tenantdb_error_message(failure));
  }
  pthread_mutex_unlock(&all->mutex);
}

static void *read_all(void *user) {
  load *all = user;
  unsigned own = 7;
  while (!atomic_load(&all->over)) {
    char slug[16];
    tenantdb_session *session = NULL;
    tenantdb_result *rows = NULL;
    tenantdb_error *failure = NULL;
    snprintf(slug, sizeof slug, "t%03d", (int)fixture_random(&own, (unsigned)fleet) + 1);
    int64_t began = fixture_now_ms();
    tenantdb_status status = tenantdb_session_open(all->db, slug, NULL, &session, &failure);
    if (!status) {
      status = tenantdb_session_query(session, "SELECT count(*), max(id) FROM notes WHERE body <> 'x'", NULL,
                                      &rows, &failure);
    }
    count_call(all, slug, began, status ? failure : NULL);
    tenantdb_error_free(failure);
    tenantdb_result_free(rows);
    tenantdb_session_close(session);
    fixture_pause_us(2000);
  }
  return NULL;
}

/* Before PostgreSQL 14 the server does not tell. */
static void *watch_waits(void *user) {
  static const char waits_sql[] =
      "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart) * 1000), 0)::bigint"
      " FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND l.waitstart IS NOT NULL"
      " AND a.datname = current_database() AND a.application_name = 'reader'";
  load *all = user;
  PGconn *conn = PQconnectdb(url);
  while (!atomic_load(&all->over) && PQserverVersion(conn) >= 140000) {
    PGresult *result = PQexec(conn, waits_sql);
    long long waited = PQntuples(result) == 1 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : LLONG_MAX;
    all->total.waited_ms = waited > all->total.waited_ms ? waited : all->total.waited_ms;
    PQclear(result);
    fixture_pause_us(10000);
  }
  PQfinish(conn);
  return NULL;
}

/* In a process of its own, until a byte comes; then it gives account. */
static void run_load(int orders, int answers) {
  load all = {.db = run_open(url, set_of(1), FIXTURE_OPTIONS("database.application_name", "reader")),
              .mutex = PTHREAD_MUTEX_INITIALIZER};
  pthread_t readers[READERS], watcher;
  char byte;
  for (int i = 0; i < READERS; i++) {
    pthread_create(&readers[i], NULL, read_all, &all);
  }
  pthread_create(&watcher, NULL, watch_waits, &all);
  (void)!read(orders, &byte, 1);
  atomic_store(&all.over, true);
  for (int i = 0; i < READERS; i++) {
    pthread_join(readers[i], NULL);
  }
  pthread_join(watcher, NULL);
  tenantdb_close(all.db);
  (void)!write(answers, &all.total, sizeof all.total);
  _exit(0);
}

/* ---------------------------------------------------------------- the runner */

static bool is_passing(tenantdb_status status) {
  return status == TENANTDB_CONNECTION || status == TENANTDB_BUSY || status == TENANTDB_TIMEOUT ||
         status == TENANTDB_UNKNOWN;
}

static tenantdb_status open_runner(tenantdb **db) {
  tenantdb_config *config = fixture_config(url, RUNNER);
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_migrations *set = set_of(NEWEST);
  tenantdb_status status = tenantdb_open(config, registry, db, NULL);
  status = status ? status : tenantdb_use_migrations(*db, set, NULL);
  status = status ? status : tenantdb_bootstrap(*db, NULL);
  tenantdb_migrations_free(set);
  tenantdb_registry_free(registry);
  tenantdb_config_free(config);
  return status;
}

/* In a process of its own. Terminated processes of the server may cost it several tries, from opening on. */
static pid_t start_runner(const char *id) {
  pid_t child = fork();
  if (child == 0) {
    tenantdb_status status = TENANTDB_BUSY;
    for (int i = 0; i < 20 && is_passing(status); i++) {
      tenantdb *db = NULL;
      tenantdb_run *run = NULL;
      status = open_runner(&db);
      status = status ? status : tenantdb_run_open(db, id, &run, NULL);
      status = status ? status : tenantdb_run_work(run, 0, NULL, NULL);
      tenantdb_run_free(run);
      tenantdb_close(db);
    }
    _exit((int)status);
  }
  assert_true(child > 0);
  return child;
}

static int64_t over_of(const char *id) {
  return harness_count(
      url, "SELECT count(*) FROM tenantdb.run_members WHERE run_id = '%s' AND state IN ('done', 'failed')",
      id);
}

static void terminate_one(void) {
  harness_sql(url,
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'runner' AND "
              "datname = current_database() ORDER BY random() LIMIT 1");
}

/* Killed when a fifth, then when two fifths, then when three fifths are done; and the last one comes to the end. */
static int run_and_kill(const char *id) {
  int terminations = fleet / 100 + 2, status = 0;
  for (int kills = 0; kills < KILLS; kills++) {
    pid_t child = start_runner(id);
    int64_t until = fixture_now_ms() + 120000;
    while (over_of(id) < (int64_t)fleet * (kills + 1) / 5 && fixture_now_ms() < until) {
      fixture_pause_us(5000);
      if (terminations > 0 && fixture_random(&seed, 20) == 0) {
        terminations--;
        terminate_one();
      }
    }
    fixture_pause_us(fixture_random(&seed, 20000));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
  }
  pid_t child = start_runner(id);
  for (; terminations > 0; terminations--) {
    fixture_pause_us(30000);
    terminate_one();
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

/* ---------------------------------------------------------------- what is wrong with some */

static void slug_of(char slug[16], int i) {
  snprintf(slug, 16, "t%03d", i);
}

/* Every hundredth: in turn one with a row that cannot be, and one whose table is locked. */
static PGconn *spoil(int *spoiled, int *locked) {
  PGconn *holder = PQconnectdb(url);
  char slug[16];
  *spoiled = *locked = 0;
  assert_int_equal(PQstatus(holder), CONNECTION_OK);
  PQclear(PQexec(holder, "SET application_name = 'nightly dump'; BEGIN"));
  for (int i = 7; i <= fleet; i += fleet / 10 < 100 ? 40 : 100) {
    slug_of(slug, i);
    if (*spoiled > *locked) {
      char *schema = harness_value(url, "SELECT schema_name FROM tenantdb.tenants WHERE slug = '%s'", slug);
      char sql[200];
      snprintf(sql, sizeof sql, "LOCK TABLE \"%s\".notes IN ACCESS SHARE MODE", schema);
      PGresult *result = PQexec(holder, sql);
      assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
      PQclear(result);
      free(schema);
      ++*locked;
    } else {
      run_spoil(url, slug);
      ++*spoiled;
    }
  }
  return holder;
}

static void mend(void) {
  char *all =
      harness_value(url,
                    "SELECT string_agg(format('DELETE FROM %%I.notes WHERE body IS NULL', schema_name), "
                    "';') FROM tenantdb.tenants");
  harness_sql(url, "%s", all);
  free(all);
}

/* ---------------------------------------------------------------- what must hold */

static void check_failures(tenantdb_run *run, int spoiled, int locked) {
  tenantdb_result *rows = NULL;
  int found[2] = {0, 0};
  harness_assert_ok(tenantdb_run_members(run, "failed", NULL, 100000, &rows, &error), error);
  for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
    bool is_lock = strcmp(tenantdb_result_value(rows, i, 9), "55P03") == 0;
    const char *text = tenantdb_result_value(rows, i, 10);
    if (!is_lock && strcmp(tenantdb_result_value(rows, i, 9), "23502") != 0) {
      fail_msg("%s: %s", tenantdb_result_value(rows, i, 9), text);
    }
    assert_string_equal(tenantdb_result_value(rows, i, 7), "tenant version 2");
    assert_non_null(strstr(text, "ALTER TABLE notes"));
    assert_true(!is_lock || strstr(tenantdb_result_value(rows, i, 12), "nightly dump") != NULL);
    found[is_lock]++;
  }
  tenantdb_result_free(rows);
  assert_int_equal(found[0], spoiled);
  assert_int_equal(found[1], locked);
}

/* What those of the newest version have: every file once, no invalid index, one fingerprint. */
static void check_fleet(tenantdb *db, int at_newest) {
  assert_int_equal(run_at(url, NEWEST), at_newest);
  assert_int_equal(run_at(url, 1), fleet - at_newest);
  assert_int_equal(run_lies(url), 0);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_class WHERE relname = 'notes_body'"),
                   at_newest);
  char *wrong = harness_value(
      url,
      "SELECT count(*) FROM tenantdb.tenants t, LATERAL (SELECT xpath('/row/x/text()', query_to_xml(format("
      "'SELECT count(*) FILTER (WHERE body = ''two'') * 100 + count(*) FILTER (WHERE body = ''three'') * 10 "
      "+ "
      "count(*) FILTER (WHERE body = ''four'') AS x FROM %%I.notes', schema_name), false, true, '')) AS n) x "
      "WHERE "
      "(x.n)[1]::text::int <> CASE WHEN t.version = %d THEN 111 ELSE 0 END",
      NEWEST);
  assert_string_equal(wrong, "0");
  free(wrong);
  tenantdb_result *rows = NULL;
  harness_assert_ok(tenantdb_fingerprints(db, NULL, &rows, &error), error);
  assert_int_equal(tenantdb_result_rows(rows), fleet);
  char first[80] = "";
  int alike = 0;
  for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
    int64_t version = harness_count(url, "SELECT version FROM tenantdb.tenants WHERE slug = '%s'",
                                    tenantdb_result_value(rows, i, 0));
    if (version == NEWEST && !first[0]) {
      snprintf(first, sizeof first, "%s", tenantdb_result_value(rows, i, 2));
    }
    bool same = strcmp(first, tenantdb_result_value(rows, i, 2)) == 0;
    assert_int_equal(same, version == NEWEST);
    alike += same;
  }
  assert_int_equal(alike, at_newest);
  tenantdb_result_free(rows);
}

/* ---------------------------------------------------------------- all of it */

static void make_fleet(void) {
  tenantdb *db = run_open(url, set_of(1), NULL);
  for (int i = 1; i <= fleet; i++) {
    char slug[16];
    slug_of(slug, i);
    tenantdb_tenant_free(fixture_tenant(db, slug));
  }
  tenantdb_close(db);
}

static void test_fleet(void **state) {
  (void)state;
  int orders[2], answers[2], spoiled, locked;
  account seen;
  seed = fixture_seed();
  fleet = fixture_budget_ms() >= 60000 ? 1000 : 120;
  url = harness_database();
  make_fleet();
  PGconn *holder = spoil(&spoiled, &locked);
  assert_int_equal(pipe(orders), 0);
  assert_int_equal(pipe(answers), 0);
  pid_t reader = fork();
  if (reader == 0) {
    run_load(orders[0], answers[1]);
  }
  watch_settings();
  tenantdb *db = run_open(url, set_of(NEWEST), RUNNER);
  tenantdb_run *run = NULL;
  char lock[16];
  snprintf(lock, sizeof lock, "%dms", LOCK_MS);
  tenantdb_run_options *options = run_options(
      FIXTURE_OPTIONS("lock_timeout", lock, "lock_retries", "1", "waves", "5,10%,50%", "connections", "3"));
  harness_assert_ok(tenantdb_migrate_begin(db, options, &run, &error), error);
  tenantdb_run_options_free(options);

  int64_t began = fixture_now_ms();
  int status = run_and_kill(tenantdb_run_id(run));
  int64_t took = fixture_now_ms() - began;
  assert_int_equal(write(orders[1], "x", 1), 1);
  assert_int_equal(read(answers[0], &seen, sizeof seen), sizeof seen);
  assert_int_equal(waitpid(reader, NULL, 0), reader);
  print_message(
      "%d tenants in %lld ms with %d kills; %lld calls meanwhile, the slowest %lld ms, of which it waited "
      "%lld ms for a lock\n",
      fleet, (long long)took, KILLS, seen.calls, seen.slowest_ms, seen.waited_ms);
  assert_int_equal(status, TENANTDB_UNAVAILABLE);
  assert_string_equal(seen.strange, "");
  assert_true(seen.calls > fleet);
  assert_true(seen.waited_ms < 2 * LOCK_MS); /* whoever tried twice has let readers by between */
  harness_sql(url, "DROP EVENT TRIGGER look");
  check_failures(run, spoiled, locked);
  check_fleet(db, fleet - spoiled - locked);

  PQfinish(holder);
  mend();
  harness_assert_ok(tenantdb_run_retry_failed(run, &error), error);
  harness_assert_ok(tenantdb_run_work(run, 0, NULL, &error), error);
  check_fleet(db, fleet);
  tenantdb_run_free(run);
  tenantdb_close(db);
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_fleet)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Events: which are told, when, of whom; taken from the queue and heard by a function. */
#include <pthread.h>

#include "base/memory.h"
#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "standing"));
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

/* ---------------------------------------------------------------- reading them */

static tenantdb_result *take(tenantdb *from) {
  tenantdb_result *events = NULL;
  harness_assert_ok(tenantdb_events(from, 0, &events, &error), error);
  return events;
}

static void forget(tenantdb *from) {
  tenantdb_result_free(take(from));
}

static const char *cell(const tenantdb_result *events, int32_t row, const char *column) {
  const char *value = tenantdb_result_value(events, row, tenantdb_result_column(events, column));
  return value ? value : "";
}

/* The row of the n-th event of that name, from 0; -1 when there are not so many. */
static int32_t find(const tenantdb_result *events, const char *name, int n) {
  for (int32_t row = 0; row < tenantdb_result_rows(events); row++) {
    if (strcmp(cell(events, row, "event"), name) == 0 && n-- == 0) {
      return row;
    }
  }
  return -1;
}

static int count(const tenantdb_result *events, const char *name) {
  int n = 0;
  while (find(events, name, n) >= 0) {
    n++;
  }
  return n;
}

/* Exactly one event of that name, whose tenant and SQLSTATE are those; its row. */
static int32_t assert_one(const tenantdb_result *events, const char *name, const char *tenant,
                          const char *sqlstate) {
  int32_t row = find(events, name, 0);
  if (count(events, name) != 1) {
    char *json = NULL;
    (void)tenantdb_result_json(events, &json, NULL);
    fail_msg("%d events %s in %s", count(events, name), name, json);
  }
  assert_string_equal(cell(events, row, "tenant"), tenant);
  assert_string_equal(cell(events, row, "sqlstate"), sqlstate);
  return row;
}

static int64_t pid_of(tenantdb_session *session) {
  return strtoll(fixture_cell(session, "SELECT pg_backend_pid()"), NULL, 10);
}

/* ---------------------------------------------------------------- the calls */

static void test_arguments(void **state) {
  (void)state;
  tenantdb_result *events = NULL;
  harness_assert_fails(tenantdb_events(NULL, 0, &events, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_events(db, 0, NULL, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_NULL_ARGUMENT);
  harness_assert_fails(tenantdb_events(db, -1, &events, &error), error, TENANTDB_ARGUMENT,
                       TENANTDB_REASON_BAD_ARGUMENT);
  assert_null(events);
  tenantdb *closed = fixture_open(url, NULL, NULL);
  tenantdb_session *session = fixture_session(closed, "standing");
  tenantdb_close(closed);
  harness_assert_fails(tenantdb_events(closed, 0, &events, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_DATABASE_CLOSED);
  tenantdb_session_close(session);
}

static void test_queue_option(void **state) {
  (void)state;
  tenantdb *none = fixture_open(url, NULL, FIXTURE_OPTIONS("events.queue", "0"));
  tenantdb_session *session = fixture_session(none, "standing");
  fixture_run(session, "DO $$BEGIN RAISE NOTICE 'unheard'; END$$");
  tenantdb_result *events = take(none);
  assert_int_equal(tenantdb_result_rows(events), 0);
  tenantdb_result_free(events);
  tenantdb_session_close(session);
  tenantdb_close(none);
  tenantdb *two = fixture_open(url, NULL, FIXTURE_OPTIONS("events.queue", "2"));
  session = fixture_session(two, "standing");
  forget(two);
  fixture_run(session, "DO $$BEGIN FOR i IN 1..5 LOOP RAISE NOTICE '%', i; END LOOP; END$$");
  harness_assert_ok(tenantdb_events(two, 2, &events, &error), error);
  assert_int_equal(tenantdb_result_rows(events), 2);
  assert_string_equal(cell(events, 0, "event"), "events-dropped");
  assert_non_null(strstr(cell(events, 0, "message"), "3 events were dropped"));
  assert_string_equal(cell(events, 1, "message"), "4");
  tenantdb_result_free(events);
  events = take(two);
  assert_int_equal(tenantdb_result_rows(events), 1);
  assert_string_equal(cell(events, 0, "message"), "5");
  tenantdb_result_free(events);
  tenantdb_session_close(session);
  tenantdb_close(two);
}

/* ---------------------------------------------------------------- connections */

static void test_connections(void **state) {
  (void)state;
  tenantdb *own = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0"));
  tenantdb_session *session = fixture_session(own, "standing");
  tenantdb_result *events = take(own);
  int32_t row = find(events, "connection-opened", 0);
  assert_true(row >= 0);
  assert_int_equal(count(events, "connection-opened"), 1);
  int64_t pid = pid_of(session);
  assert_int_equal(strtoll(cell(events, row, "backend_pid"), NULL, 10), pid);
  assert_string_equal(cell(events, row, "level"), "debug");
  tenantdb_result_free(events);
  fixture_run(session,
              "DO $$BEGIN RAISE NOTICE 'a\nb'; RAISE WARNING 'careful' USING ERRCODE = '01P01'; END$$");
  events = take(own);
  assert_int_equal(count(events, "notice"), 2);
  row = find(events, "notice", 0);
  assert_string_equal(cell(events, row, "message"), "a b");
  assert_string_equal(cell(events, row, "level"), "notice");
  assert_string_equal(cell(events, row, "sqlstate"), "00000");
  assert_int_equal(strtoll(cell(events, row, "backend_pid"), NULL, 10), pid);
  row = find(events, "notice", 1);
  assert_string_equal(cell(events, row, "message"), "careful");
  assert_string_equal(cell(events, row, "level"), "warning");
  assert_string_equal(cell(events, row, "sqlstate"), "01P01");
  tenantdb_result_free(events);
  harness_sql(url, "SELECT pg_terminate_backend(%lld)", (long long)pid);
  assert_int_not_equal(tenantdb_session_query(session, "SELECT 1", NULL, NULL, NULL), TENANTDB_OK);
  tenantdb_session_close(session);
  events = take(own);
  row = find(events, "connection-closed", 0);
  assert_true(row >= 0);
  assert_true(cell(events, row, "message")[0]);
  tenantdb_result_free(events);
  tenantdb_close(own);
}

static void test_full_pool(void **state) {
  (void)state;
  tenantdb *own = fixture_open(
      url, NULL, FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0", "pool.timeout", "50ms"));
  tenantdb_session *session = fixture_session(own, "standing"), *other = NULL;
  forget(own);
  for (int i = 0; i < 3; i++) {
    harness_assert_fails(tenantdb_session_open(own, "standing", NULL, &other, &error), error, TENANTDB_BUSY,
                         TENANTDB_REASON_POOL_TIMEOUT);
  }
  tenantdb_result *events = take(own);
  assert_int_equal(count(events, "pool-exhausted"), 1); /* one episode */
  assert_int_equal(count(events, "pool-timeout"), 3);
  tenantdb_result_free(events);
  tenantdb_session_close(session);
  tenantdb_close(own);
}

/* The queue goes on when the server does not. */
static void test_server_gone(void **state) {
  (void)state;
  harness_server *server = harness_server_start();
  tenantdb *own = fixture_ready(harness_server_url(server), FIXTURE_OPTIONS("pool.size", "1"));
  tenantdb_tenant_free(fixture_tenant(own, "a"));
  forget(own);
  harness_server_kill(server);
  tenantdb_session *session = NULL;
  for (int i = 0; i < 2; i++) { /* the connection that was there, and a new one */
    if (tenantdb_session_open(own, "a", NULL, &session, NULL) == TENANTDB_OK) {
      assert_int_not_equal(tenantdb_session_query(session, "SELECT 1", NULL, NULL, NULL), TENANTDB_OK);
      tenantdb_session_close(session);
    }
  }
  tenantdb_result *events = take(own);
  assert_true(count(events, "connection-closed") > 0);
  assert_true(count(events, "connect-failed") > 0);
  tenantdb_result_free(events);
  tenantdb_close(own);
  harness_server_remove(server);
}

/* ---------------------------------------------------------------- tenants */

static void test_tenants(void **state) {
  (void)state;
  static const char *const expected[] = {"tenant-registered", "tenant-activated", "tenant-suspended",
                                         "tenant-resumed",    "tenant-archived",  "tenant-restored",
                                         "tenant-removed",    "tenant-renamed",   "tenant-purged"};
  tenantdb_tenant *tenant = NULL;
  forget(db);
  harness_assert_ok(tenantdb_tenant_register(db, "life", NULL, &tenant, &error), error);
  harness_assert_ok(tenantdb_tenant_activate(db, "life", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_suspend(db, "life", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_resume(db, "life", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_archive(db, "life", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_restore(db, "life", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_remove(db, "life", 0, NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_rename(db, "life", "after-life", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_purge(db, "after-life", 0, &error), error);
  tenantdb_result *events = take(db);
  int32_t last = -1;
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    int32_t row = assert_one(events, expected[i], i < 7 ? "life" : tenantdb_tenant_id(tenant), "");
    assert_true(row > last);
    last = row;
  }
  assert_non_null(strstr(cell(events, find(events, "tenant-suspended", 0), "message"), "which was active"));
  tenantdb_result_free(events);
  tenantdb_tenant_free(tenant);
}

/* What did not happen is not told: a refusal, a repetition. Of a tenant that never was more than registered the purge is. */
static void test_tenants_refused(void **state) {
  (void)state;
  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
  tenantdb_tenant_spec_set(spec, "idempotency_key", "once");
  forget(db);
  for (int i = 0; i < 2; i++) {
    harness_assert_ok(tenantdb_tenant_create(db, "twice", spec, NULL, &error), error);
  }
  harness_assert_fails(tenantdb_tenant_resume(db, "twice", NULL, &error), error, TENANTDB_STATE,
                       TENANTDB_REASON_TENANT_STATE);
  harness_assert_fails(tenantdb_tenant_create(db, "twice", NULL, NULL, &error), error,
                       TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SLUG_TAKEN);
  harness_assert_ok(tenantdb_tenant_register(db, "never", NULL, NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_purge(db, "never", 1, &error), error);
  tenantdb_result *events = take(db);
  (void)assert_one(events, "tenant-created", "twice", "");
  assert_int_equal(count(events, "tenant-resumed"), 0);
  assert_int_equal(count(events, "tenant-purged"), 1);
  assert_string_equal(cell(events, find(events, "tenant-purged", 0), "message"), "never");
  tenantdb_result_free(events);
  tenantdb_tenant_spec_free(spec);
}

/* ---------------------------------------------------------------- sessions */

static void test_leak(void **state) {
  (void)state;
  tenantdb_session *session = fixture_session(db, "standing");
  forget(db);
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  tenantdb_session_close(session); /* nothing was sent: nothing is left open */
  session = fixture_session(db, "standing");
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  int64_t pid = pid_of(session);
  tenantdb_session_close(session);
  tenantdb_result *events = take(db);
  int32_t row = assert_one(events, "session-leak", "standing", "");
  assert_string_equal(cell(events, row, "level"), "warning");
  assert_int_equal(strtoll(cell(events, row, "backend_pid"), NULL, 10), pid);
  tenantdb_result_free(events);
}

static void test_scope_refused(void **state) {
  (void)state;
  tenantdb_tenant *tenant = fixture_tenant(db, "lost");
  tenantdb_session *session = fixture_session(db, "lost");
  int64_t pid = pid_of(session);
  harness_sql(url, "DROP SCHEMA %s CASCADE", tenantdb_tenant_schema(tenant));
  forget(db);
  harness_assert_fails(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &error), error,
                       TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED);
  tenantdb_session_close(session);
  tenantdb_result *events = take(db);
  int32_t row = find(events, "scope-refused", 0);
  assert_int_equal(count(events, "scope-refused"), 1);
  assert_string_equal(cell(events, row, "tenant"), "lost");
  assert_string_equal(cell(events, row, "level"), "error");
  assert_int_equal(strtoll(cell(events, row, "backend_pid"), NULL, 10), pid);
  tenantdb_result_free(events);
  tenantdb_tenant_free(tenant);
}

static void test_stopped(void **state) {
  (void)state;
  tenantdb_session *session = NULL;
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "timeout", "50ms");
  harness_assert_ok(tenantdb_session_open(db, "standing", options, &session, &error), error);
  tenantdb_session_options_free(options);
  forget(db);
  harness_assert_fails(tenantdb_session_query(session, "SELECT pg_sleep(5)", NULL, NULL, &error), error,
                       TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT);
  tenantdb_result *events = take(db);
  (void)assert_one(events, "statement-stopped", "standing", "");
  tenantdb_result_free(events);
  tenantdb_session_close(session);
  /* A stream that is given up is stopped as well, but nobody is to be told. */
  session = fixture_session(db, "standing");
  tenantdb_result *rows = NULL;
  forget(db);
  harness_assert_ok(
      tenantdb_session_stream(session, "SELECT generate_series(1, 100000000)", NULL, &rows, &error), error);
  int32_t more = 0;
  harness_assert_ok(tenantdb_result_next(rows, &more, &error), error);
  tenantdb_result_free(rows);
  events = take(db);
  assert_int_equal(count(events, "statement-stopped"), 0);
  tenantdb_result_free(events);
  tenantdb_session_close(session);
}

static void *cancel_soon(void *user) {
  fixture_pause_us(100000);
  (void)tenantdb_session_cancel(user, NULL);
  return NULL;
}

static void test_cancelled(void **state) {
  (void)state;
  pthread_t thread;
  tenantdb_session *session = fixture_session(db, "standing");
  forget(db);
  assert_int_equal(pthread_create(&thread, NULL, cancel_soon, session), 0);
  harness_assert_fails(tenantdb_session_query(session, "SELECT pg_sleep(5)", NULL, NULL, &error), error,
                       TENANTDB_CANCELLED, TENANTDB_REASON_STATEMENT_CANCELLED);
  pthread_join(thread, NULL);
  tenantdb_session_close(session);
  tenantdb_result *events = take(db);
  (void)assert_one(events, "statement-stopped", "standing", "57014");
  tenantdb_result_free(events);
}

/* Once in a second, however many are refused; and not where the caller asked for it. */
static void test_read_only(void **state) {
  (void)state;
  char *name = harness_database_name(url);
  harness_sql(url, "ALTER DATABASE \"%s\" SET default_transaction_read_only = on", name);
  tenantdb *own = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "1"));
  tenantdb_session *session = NULL;
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "read_only", "on");
  harness_assert_ok(tenantdb_session_open(own, "standing", options, &session, &error), error);
  tenantdb_session_options_free(options);
  forget(own);
  harness_assert_fails(
      tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('x')", NULL, NULL, &error), error,
      TENANTDB_STATE, TENANTDB_REASON_READ_ONLY_SERVER);
  tenantdb_session_close(session);
  session = fixture_session(own, "standing");
  harness_assert_ok(tenantdb_session_begin(session, "read only", &error), error);
  harness_assert_fails(
      tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('x')", NULL, NULL, &error), error,
      TENANTDB_STATE, TENANTDB_REASON_READ_ONLY_SERVER);
  harness_assert_ok(tenantdb_session_rollback(session, &error), error);
  tenantdb_session_close(session);
  tenantdb_result *events = take(own);
  assert_int_equal(count(events, "server-read-only"), 0);
  tenantdb_result_free(events);
  for (int i = 0; i < 3; i++) {
    session = fixture_session(own, "standing");
    harness_assert_fails(
        tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('x')", NULL, NULL, &error), error,
        TENANTDB_STATE, TENANTDB_REASON_READ_ONLY_SERVER);
    tenantdb_session_close(session);
  }
  harness_sql(url, "BEGIN READ WRITE; ALTER DATABASE \"%s\" RESET default_transaction_read_only; COMMIT",
              name);
  events = take(own);
  (void)assert_one(events, "server-read-only", "standing", "25006");
  tenantdb_result_free(events);
  tenantdb_close(own);
  free(name);
}

/* ---------------------------------------------------------------- a function */

typedef struct heard {
  pthread_t thread;
  int events;
  int lines;
  int elsewhere;
  int64_t last;
  char json[2000]; /* of the last */
} heard;

static void hear(void *user, const tenantdb_event *event) {
  heard *what = user;
  what->events++;
  what->elsewhere += !pthread_equal(what->thread, pthread_self());
  what->last = tenantdb_event_sequence(event);
  snprintf(what->json, sizeof what->json, "%s", tenantdb_event_json(event));
}

static void hear_line(void *user, int32_t level, const char *event, const char *message) {
  heard *what = user;
  what->lines += level > 0 && *event && message;
}

/* Everything that waits in the queue was heard as well, on the thread that called, opening included. */
static void test_function(void **state) {
  (void)state;
  heard what = {.thread = pthread_self()};
  tenantdb_config *config = fixture_config(url, FIXTURE_OPTIONS("pool.size", "1", "pool.overflow", "0"));
  tenantdb_registry *registry = fixture_registry();
  tenantdb *own = NULL;
  tenantdb_config_events(config, hear, &what);
  tenantdb_config_log(config, hear_line, &what);
  harness_assert_ok(tenantdb_open(config, registry, &own, &error), error);
  tenantdb_config_free(config);
  tenantdb_registry_free(registry);
  assert_true(what.events > 0);
  tenantdb_tenant_free(fixture_tenant(own, "heard"));
  tenantdb_session *session = fixture_session(own, "heard");
  fixture_run(session, "DO $$BEGIN RAISE NOTICE 'hear \"me\"'; END$$");
  tenantdb_result *events = take(own);
  int32_t rows = tenantdb_result_rows(events);
  assert_int_equal(what.events, rows);
  assert_int_equal(what.lines, rows);
  assert_int_equal(what.elsewhere, 0);
  char number[32];
  snprintf(number, sizeof number, "%lld", (long long)what.last);
  assert_string_equal(cell(events, rows - 1, "sequence"), number);
  /* The object is the row, but that the row's cells are all text. */
  assert_non_null(strstr(what.json,
                         "\"event\":\"notice\",\"tenant\":null,\"sqlstate\":\"00000\","
                         "\"message\":\"hear \\\"me\\\"\",\"backend_pid\":"));
  tenantdb_result_free(events);
  tenantdb_session_close(session);
  tenantdb_close(own);
}

/* ---------------------------------------------------------------- threads, memory */

enum { THREADS = 8, EACH = 50 };

static void *make_noise(void *user) {
  for (int i = 0; i < EACH; i++) {
    tenantdb_session *session = fixture_session(user, "standing");
    fixture_run(session, "DO $$BEGIN RAISE NOTICE 'noise'; END$$");
    tenantdb_session_close(session);
  }
  return NULL;
}

static void test_threads(void **state) {
  (void)state;
  tenantdb *own = fixture_open(url, NULL, FIXTURE_OPTIONS("pool.size", "4", "events.queue", "100000"));
  pthread_t threads[THREADS];
  int heard_of = 0;
  forget(own);
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, make_noise, own), 0);
  }
  while (heard_of < THREADS * EACH) {
    tenantdb_result *events = take(own);
    heard_of += count(events, "notice");
    assert_int_equal(count(events, "events-dropped"), 0);
    tenantdb_result_free(events);
  }
  assert_int_equal(heard_of, THREADS * EACH);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
  tenantdb_close(own);
}

static void test_out_of_memory(void **state) {
  (void)state;
  bool done = false;
  forget(db);
  tenantdb_session *session = fixture_session(db, "standing");
  fixture_run(session, "DO $$BEGIN RAISE NOTICE 'kept'; END$$");
  tenantdb_session_close(session);
  for (uint64_t at = 1; !done; at++) {
    tenantdb_result *events = NULL;
    int64_t live = tndb_memory_live();
    tndb_memory_fail(at, false);
    tenantdb_status status = tenantdb_events(db, 0, &events, &error);
    tndb_memory_fail(0, false);
    done = status == TENANTDB_OK;
    if (done) {
      assert_int_equal(count(events, "notice"), 1);
      tenantdb_result_free(events);
    } else {
      assert_int_equal(status, TENANTDB_MEMORY);
      tenantdb_error_free(error);
      error = NULL;
    }
    assert_int_equal(tndb_memory_live(), live);
    assert_true(at < 1000);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_arguments),       cmocka_unit_test(test_queue_option),
      cmocka_unit_test(test_connections),     cmocka_unit_test(test_full_pool),
      cmocka_unit_test(test_server_gone),     cmocka_unit_test(test_tenants),
      cmocka_unit_test(test_tenants_refused), cmocka_unit_test(test_leak),
      cmocka_unit_test(test_scope_refused),   cmocka_unit_test(test_stopped),
      cmocka_unit_test(test_cancelled),       cmocka_unit_test(test_read_only),
      cmocka_unit_test(test_function),        cmocka_unit_test(test_threads),
      cmocka_unit_test(test_out_of_memory),
  };
  return cmocka_run_group_tests_name("events", tests, setup, teardown);
}

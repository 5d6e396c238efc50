/* SPDX-License-Identifier: PostgreSQL */
/*
 * After fork(): the child is refused everywhere, may free all it has in any
 * order, and says nothing on the parent's connections, which the parent goes on
 * with. The child's own handle works, and so on for its children.
 */
#include <fcntl.h>
#include <libpq-fe.h>
#include <sys/wait.h>
#include <tenantdb/fleet.h>
#include <tenantdb/libpq.h>
#include <tenantdb/operate.h>
#include <tenantdb/view.h>
#include <unistd.h>

#include "base/memory.h"
#include "load.h"
#include "pool/berth.h"
#include "proxy.h"
#include "session/session.h"

enum { ROWS = 100000, MOST_SOCKETS = 32 };

static harness_server *server;
static const char *url;
static char by_proxy[1024];
static char log_path[256];
static tndb_proxy *proxy;
static tenantdb_error *error;

static int setup(void **state) {
  (void)state;
  char reason[256];
  server = harness_server_start();
  url = harness_server_url(server);
  proxy = proxy_start(url, reason, sizeof reason);
  assert_non_null(proxy);
  assert_true(proxy_url(proxy, url, by_proxy, sizeof by_proxy));
  char *folder = harness_value(url, "SHOW data_directory");
  snprintf(log_path, sizeof log_path, "%s/../log", folder);
  free(folder);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  proxy_stop(proxy);
  harness_server_remove(server);
  return 0;
}

/* ---------------------------------------------------------------- in the child */

/* cmocka's assertions would go on with the parent's tests. */
#define CHECK(condition)                                             \
  do {                                                               \
    if (!(condition)) {                                              \
      fprintf(stderr, "child, line %d: " #condition "\n", __LINE__); \
      _exit(1);                                                      \
    }                                                                \
  } while (0)

#define CHECK_OK(call)                                                                        \
  do {                                                                                        \
    tenantdb_error *child_error = NULL;                                                       \
    if (call) {                                                                               \
      fprintf(stderr, "child, line %d: %s\n", __LINE__, tenantdb_error_message(child_error)); \
      _exit(1);                                                                               \
    }                                                                                         \
    CHECK(!child_error);                                                                      \
  } while (0)

#define CHECK_FORKED(call)                                                                                \
  do {                                                                                                    \
    tenantdb_error *child_error = NULL;                                                                   \
    tenantdb_status child_status = (call);                                                                \
    if (child_status != TENANTDB_STATE || tenantdb_error_reason(child_error) != TENANTDB_REASON_FORKED) { \
      fprintf(stderr, "child, line %d: " #call " answered %s: %s\n", __LINE__,                            \
              tenantdb_status_name(child_status), tenantdb_error_message(child_error));                   \
      _exit(1);                                                                                           \
    }                                                                                                     \
    tenantdb_error_free(child_error);                                                                     \
  } while (0)

static tenantdb_status in_transaction(void *user, tenantdb_session *session, tenantdb_error **failure) {
  (void)user;
  (void)session;
  (void)failure;
  _exit(3);
}

static void check_database_refused(tenantdb *db, const tenantdb_statement *statement) {
  tenantdb_tenant *tenant = NULL;
  tenantdb_result *table = NULL;
  tenantdb_session *session = NULL;
  int32_t number = 0;
  char *text = NULL;
  CHECK_FORKED(tenantdb_session_open(db, "a", NULL, &session, &child_error));
  CHECK_FORKED(tenantdb_session_open_shared(db, NULL, &session, &child_error));
  CHECK_FORKED(tenantdb_bootstrap(db, &child_error));
  CHECK_FORKED(tenantdb_isolation(db, &number, &table, &child_error));
  CHECK_FORKED(tenantdb_strategy(db, &number, &child_error));
  CHECK_FORKED(tenantdb_selftest(db, &table, &child_error));
  CHECK_FORKED(tenantdb_harden(db, 0, &table, &child_error));
  CHECK_FORKED(tenantdb_harden_undo(db, 0, &table, &child_error));
  CHECK_FORKED(tenantdb_server(db, &table, &child_error));
  CHECK_FORKED(tenantdb_reconcile(db, &table, &child_error));
  CHECK_FORKED(tenantdb_events(db, 0, &table, &child_error));
  CHECK_FORKED(tenantdb_statistics(db, &table, &child_error));
  CHECK_FORKED(tenantdb_statistics_text(db, &text, &child_error));
  CHECK_FORKED(tenantdb_pool_tenants(db, &table, &child_error));
  CHECK_FORKED(tenantdb_warm_up(db, &child_error));
  CHECK_FORKED(tenantdb_tenant_create(db, "new", NULL, &tenant, &child_error));
  CHECK_FORKED(tenantdb_tenant_register(db, "new", NULL, &tenant, &child_error));
  CHECK_FORKED(tenantdb_tenant_activate(db, "a", &tenant, &child_error));
  CHECK_FORKED(tenantdb_tenant_get(db, "a", &tenant, &child_error));
  CHECK_FORKED(tenantdb_tenant_list(db, NULL, NULL, NULL, 10, &table, &child_error));
  CHECK_FORKED(tenantdb_tenant_suspend(db, "a", &tenant, &child_error));
  CHECK_FORKED(tenantdb_tenant_resume(db, "a", &tenant, &child_error));
  CHECK_FORKED(tenantdb_tenant_archive(db, "a", &tenant, &child_error));
  CHECK_FORKED(tenantdb_tenant_restore(db, "a", &tenant, &child_error));
  CHECK_FORKED(tenantdb_tenant_remove(db, "a", 0, &tenant, &child_error));
  CHECK_FORKED(tenantdb_tenant_purge(db, "a", 1, &child_error));
  CHECK_FORKED(tenantdb_tenant_rename(db, "a", "z", &tenant, &child_error));
  CHECK_FORKED(tenantdb_tenant_rotate_password(db, "a", &child_error));
  CHECK_FORKED(tenantdb_tenant_set_password(db, "a", "x", &child_error));
  CHECK_FORKED(tenantdb_tenant_use_password(db, "a", "x", &child_error));
  CHECK_FORKED(tenantdb_tenant_verify(db, "a", &table, &child_error));
  CHECK_FORKED(tenantdb_statement_for(db, "a", statement, &text, &child_error));
  CHECK_FORKED(tenantdb_fleet_query(db, "SELECT 1", NULL, NULL, &table, &child_error));
  CHECK_FORKED(tenantdb_fleet_query_statement(db, statement, NULL, NULL, &table, &child_error));
  CHECK_FORKED(tenantdb_view_create(db, "v", "notes", NULL, &child_error));
  CHECK_FORKED(tenantdb_view_refresh(db, NULL, &child_error));
  CHECK_FORKED(tenantdb_view_drop(db, "v", &child_error));
  CHECK_FORKED(tenantdb_view_list(db, &table, &child_error));
  CHECK_FORKED(tenantdb_view_ddl(db, "v", &text, &child_error));
  CHECK(!tenant && !table && !session && !text);
}

static void check_session_refused(tenantdb_session *session, tenantdb_statement *statement) {
  tenantdb_result *table = NULL;
  tenantdb_batch *batch = tenantdb_batch_new();
  int32_t done = 0;
  int64_t rows = 0;
  size_t length = 0;
  const void *data = NULL;
  tenantdb_batch_add(batch, "SELECT 1", NULL);
  CHECK_FORKED(tenantdb_session_query(session, "SELECT 1", NULL, &table, &child_error));
  CHECK_FORKED(tenantdb_session_query_text(session, "SELECT 1", 0, NULL, &table, &child_error));
  CHECK_FORKED(tenantdb_session_exec(session, "SELECT 1", NULL, &rows, &child_error));
  CHECK_FORKED(tenantdb_session_run(session, statement, NULL, &table, &child_error));
  CHECK_FORKED(tenantdb_session_run_for(session, "a", statement, NULL, &table, &child_error));
  CHECK_FORKED(tenantdb_session_begin(session, NULL, &child_error));
  CHECK_FORKED(tenantdb_session_commit(session, &child_error));
  CHECK_FORKED(tenantdb_session_rollback(session, &child_error));
  CHECK_FORKED(tenantdb_session_savepoint(session, "s", &child_error));
  CHECK_FORKED(tenantdb_session_rollback_to(session, "s", &child_error));
  CHECK_FORKED(tenantdb_session_release_savepoint(session, "s", &child_error));
  CHECK_FORKED(tenantdb_session_batch(session, batch, &child_error));
  CHECK_FORKED(tenantdb_session_stream(session, "SELECT 1", NULL, &table, &child_error));
  CHECK_FORKED(tenantdb_session_copy_in(session, "COPY notes FROM STDIN", &child_error));
  CHECK_FORKED(tenantdb_session_copy_write(session, "1\n", 2, &child_error));
  CHECK_FORKED(tenantdb_session_copy_end(session, NULL, &rows, &child_error));
  CHECK_FORKED(tenantdb_session_copy_out(session, "COPY notes TO STDOUT", &child_error));
  CHECK_FORKED(tenantdb_session_copy_read(session, &data, &length, &child_error));
  CHECK_FORKED(tenantdb_session_cancel(session, &child_error));
  CHECK_FORKED(tenantdb_session_transact(session, NULL, in_transaction, NULL, &child_error));
  CHECK_FORKED(tenantdb_session_send(session, "SELECT 1", NULL, &child_error));
  CHECK_FORKED(tenantdb_session_send_statement(session, statement, NULL, &child_error));
  CHECK_FORKED(tenantdb_session_send_commit(session, &child_error));
  CHECK_FORKED(tenantdb_session_send_rollback(session, &child_error));
  CHECK_FORKED(tenantdb_session_step(session, &done, &table, &child_error));
  CHECK(!table);
  CHECK(tenantdb_session_socket(session) == -1);
  CHECK(tenantdb_session_events(session) == 0);
  CHECK(!tenantdb_session_pgconn(session));
  CHECK(tenantdb_session_timeout_ms(session) <= 0);
  CHECK(*tenantdb_session_schema(session));
  CHECK(*tenantdb_session_tenant(session));
  tenantdb_batch_free(batch);
}

/* ---------------------------------------------------------------- what the parent has */

enum { IDLE, OPEN, BEGUN, FAILED, STREAMING, SENT, COPY_IN, COPY_OUT, ADOPTED, N_SESSIONS };

typedef struct scene {
  tenantdb *db;
  tenantdb_session *sessions[N_SESSIONS];
  tenantdb_result *stream;
  tenantdb_result *fleet;
  tenantdb_statement *statement;
  PGconn *own;
  int pids[N_SESSIONS];
  int sockets[MOST_SOCKETS];
  int n_sockets;
  int64_t memory; /* before all of it */
  const char *level;
} scene;

static void note_sockets(scene *all, const tndb_pool *pool) {
  for (const tndb_berth *berth = pool ? pool->all : NULL; berth; berth = berth->next) {
    assert_true(all->n_sockets < MOST_SOCKETS);
    all->sockets[all->n_sockets++] = PQsocket(berth->conn->pg);
  }
}

static void make_sessions(scene *all, bool adopts) {
  tenantdb_session **s = all->sessions;
  for (int i = 0; i < N_SESSIONS; i++) {
    s[i] = i < ADOPTED ? fixture_session(all->db, i % 2 ? "b" : "a") : NULL;
  }
  if (adopts) {
    all->own = PQconnectdb(by_proxy);
    harness_assert_ok(tenantdb_session_adopt(all->db, all->own, "a", NULL, &s[ADOPTED], &error), error);
  }
  for (int i = 0; i < N_SESSIONS; i++) {
    all->pids[i] = s[i] ? atoi(fixture_cell(s[i], "SELECT pg_backend_pid()")) : 0;
  }
  for (int i = OPEN; i <= FAILED; i++) {
    harness_assert_ok(tenantdb_session_begin(s[i], NULL, &error), error);
  }
  fixture_run(s[OPEN], "INSERT INTO notes (body) VALUES ('open')");
  harness_assert_ok(tenantdb_session_savepoint(s[FAILED], "before", &error), error);
  harness_assert_fails(tenantdb_session_query(s[FAILED], "SELECT 1/0", NULL, NULL, &error), error,
                       TENANTDB_SQL, TENANTDB_REASON_SERVER_ERROR);
  int32_t more = 0;
  harness_assert_ok(
      tenantdb_session_stream(s[STREAMING], "SELECT n, repeat('x', 100) FROM generate_series(1, 100000) n",
                              NULL, &all->stream, &error),
      error);
  harness_assert_ok(tenantdb_result_next(all->stream, &more, &error), error);
  assert_true(more);
  harness_assert_ok(tenantdb_session_copy_in(s[COPY_IN], "COPY notes (body) FROM STDIN", &error), error);
  harness_assert_ok(tenantdb_session_copy_write(s[COPY_IN], "one\n", 4, &error), error);
  harness_assert_ok(
      tenantdb_session_copy_out(s[COPY_OUT], "COPY (SELECT generate_series(1, 50000)) TO STDOUT", &error),
      error);
  harness_assert_ok(tenantdb_session_send(
                        s[SENT], "INSERT INTO notes (body) SELECT 'sent' FROM pg_sleep(0.7)", NULL, &error),
                    error);
}

/* Rows of both tenants, on connections that the fleet query has for itself. */
static void ask_fleet(scene *all) {
  int32_t more = 0;
  harness_assert_ok(
      tenantdb_fleet_query(all->db, "SELECT n, repeat('y', 100) FROM generate_series(1, 30000) n", NULL, NULL,
                           &all->fleet, &error),
      error);
  harness_assert_ok(tenantdb_result_next(all->fleet, &more, &error), error);
  assert_true(more);
}

static scene make_scene(const char *level) {
  scene all = {.memory = tndb_memory_live(), .level = level};
  all.db = fixture_ready(by_proxy, FIXTURE_OPTIONS("isolation.level", level, "login.passwords", "none",
                                                   "login.pool_size", "20"));
  if (harness_count(url, "SELECT count(*) FROM tenantdb.tenants") == 0) {
    tenantdb_tenant_free(fixture_tenant(all.db, "a"));
    tenantdb_tenant_free(fixture_tenant(all.db, "b"));
  }
  tenantdb_registry *registry = fixture_registry();
  harness_assert_ok(tenantdb_statement_new(registry, "SELECT count(*) FROM {notes}", &all.statement, &error),
                    error);
  tenantdb_registry_free(registry);
  tenantdb_session *spare[3];
  make_sessions(&all, strcmp(level, "login") != 0);
  for (int i = 0; i < 3; i++) {
    spare[i] = fixture_session(all.db, "a");
  }
  for (int i = 0; i < 3; i++) {
    tenantdb_session_close(spare[i]);
  }
  ask_fleet(&all);
  note_sockets(&all, all.db->pool);
  note_sockets(&all, all.db->logins);
  assert_true(all.n_sockets >= N_SESSIONS - 1 + 3);
  return all;
}

static void close_all(scene *all, int order) {
  for (int i = 0; i < N_SESSIONS && order != 1; i++) {
    tenantdb_session_close(all->sessions[order == 2 ? N_SESSIONS - 1 - i : i]);
  }
  if (order == 0) {
    tenantdb_result_free(all->stream);
    tenantdb_result_free(all->fleet);
  }
  tenantdb_statement_free(all->statement);
  tenantdb_close(all->db);
  if (order != 0) {
    tenantdb_result_free(all->fleet);
    tenantdb_result_free(all->stream);
  }
  for (int i = 0; i < N_SESSIONS && order == 1; i++) {
    tenantdb_session_close(all->sessions[i]);
  }
}

/* The parent goes on where it was. */
static void go_on(scene *all) {
  tenantdb_session **s = all->sessions;
  tenantdb_result *rows = NULL;
  const void *data = NULL;
  size_t length = 1;
  int64_t n = 0;
  int32_t more = 1, done = 0;
  harness_assert_ok(tenantdb_session_commit(s[OPEN], &error), error);
  fixture_run(s[BEGUN], "INSERT INTO notes (body) VALUES ('begun')");
  harness_assert_ok(tenantdb_session_commit(s[BEGUN], &error), error);
  harness_assert_ok(tenantdb_session_rollback_to(s[FAILED], "before", &error), error);
  harness_assert_ok(tenantdb_session_rollback(s[FAILED], &error), error);
  while (more) {
    n += tenantdb_result_rows(all->stream);
    harness_assert_ok(tenantdb_result_next(all->stream, &more, &error), error);
  }
  assert_int_equal(n, ROWS);
  for (n = 0, more = 1; more;) {
    n += tenantdb_result_rows(all->fleet);
    harness_assert_ok(tenantdb_result_next(all->fleet, &more, &error), error);
  }
  assert_int_equal(n, 60000);
  harness_assert_ok(tenantdb_session_copy_write(s[COPY_IN], "two\n", 4, &error), error);
  harness_assert_ok(tenantdb_session_copy_end(s[COPY_IN], NULL, &n, &error), error);
  assert_int_equal(n, 2);
  for (n = -1; length > 0; n++) {
    harness_assert_ok(tenantdb_session_copy_read(s[COPY_OUT], &data, &length, &error), error);
  }
  assert_int_equal(n, 50000);
  while (!done) {
    harness_assert_ok(tenantdb_session_step(s[SENT], &done, &rows, &error), error);
    fixture_pause_us(1000);
  }
  tenantdb_result_free(rows);
  for (int i = 0; i < N_SESSIONS; i++) {
    if (s[i]) {
      assert_int_equal(atoi(fixture_cell(s[i], "SELECT pg_backend_pid()")), all->pids[i]);
    }
  }
  if (s[ADOPTED]) {
    harness_assert_ok(tenantdb_session_release(s[ADOPTED], &error), error);
    s[ADOPTED] = NULL;
    assert_int_equal(PQbackendPID(all->own), all->pids[ADOPTED]);
  }
  tndb_pool_counts counts = load_pool(all->db);
  assert_int_equal(counts.closed_dead, 0);
  close_all(all, 0);
  PQfinish(all->own);
}

/* ---------------------------------------------------------------- the child */

static bool is_socket(int descriptor) {
  char path[64], what[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(path, what, sizeof what - 1);
  return length > 6 && strncmp(what, "socket", 6) == 0;
}

static int sockets_left(const scene *all) {
  int n = 0;
  for (int i = 0; i < all->n_sockets; i++) {
    n += is_socket(all->sockets[i]);
  }
  return n;
}

static int reap(pid_t child) {
  int status = -1;
  while (waitpid(child, &status, 0) != child) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* A handle of its own works; its own child is refused, and does it no harm. */
static void use_own(const char *level) {
  tenantdb *db = NULL;
  tenantdb_session *session = NULL;
  tenantdb_config *config = tenantdb_config_new();
  tenantdb_registry *registry = fixture_registry();
  CHECK_OK(tenantdb_config_set(config, "database.url", url, &child_error));
  CHECK_OK(tenantdb_config_set(config, "isolation.level", level, &child_error));
  CHECK_OK(tenantdb_config_set(config, "login.passwords", "none", &child_error));
  CHECK_OK(tenantdb_open(config, registry, &db, &child_error));
  CHECK_OK(tenantdb_session_open(db, "a", NULL, &session, &child_error));
  CHECK_OK(tenantdb_session_begin(session, NULL, &child_error));
  CHECK_OK(
      tenantdb_session_query(session, "INSERT INTO notes (body) VALUES ('child')", NULL, NULL, &child_error));
  pid_t grandchild = fork();
  if (grandchild == 0) {
    tenantdb_result *table = NULL;
    CHECK_FORKED(tenantdb_session_query(session, "SELECT 1", NULL, &table, &child_error));
    CHECK_FORKED(tenantdb_server(db, &table, &child_error));
    tenantdb_session_close(session);
    tenantdb_close(db);
    _exit(0);
  }
  CHECK(grandchild > 0 && reap(grandchild) == 0);
  CHECK_OK(tenantdb_session_query(session, "SELECT count(*) FROM notes", NULL, NULL, &child_error));
  CHECK_OK(tenantdb_session_rollback(session, &child_error));
  tenantdb_session_close(session);
  tenantdb_close(db);
  tenantdb_config_free(config);
  tenantdb_registry_free(registry);
}

static void run_child(scene *all, int order) {
  tenantdb_session **s = all->sessions;
  int32_t more = 0;
  alarm(60);
  if (order == 3) {
    _exit(0);
  }
  check_database_refused(all->db, all->statement);
  for (int i = 0; i < N_SESSIONS; i++) {
    if (s[i]) {
      check_session_refused(s[i], all->statement);
    }
  }
  CHECK_FORKED(tenantdb_result_next(all->stream, &more, &child_error));
  CHECK(tenantdb_result_rows(all->stream) > 0); /* what it holds already is its own */
  CHECK_FORKED(tenantdb_result_next(all->fleet, &more, &child_error));
  if (order == 4) {
    tenantdb_close(all->db); /* and the sessions are left as they are */
    CHECK(sockets_left(all) == 0);
    use_own(all->level);
    _exit(0);
  }
  if (s[ADOPTED] && order == 0) {
    CHECK_FORKED(tenantdb_session_release(s[ADOPTED], &child_error));
    s[ADOPTED] = NULL;
  }
  close_all(all, order);
  CHECK(sockets_left(all) == 0);
  if (tndb_memory_live() != all->memory) {
    fprintf(stderr, "child: %lld allocations left\n", (long long)(tndb_memory_live() - all->memory));
    _exit(1);
  }
  use_own(all->level);
  _exit(0);
}

/* When all that was sent has come by. */
static proxy_counters count_quiet(void) {
  proxy_counters last, now = proxy_count(proxy);
  do {
    last = now;
    fixture_pause_us(100000);
    now = proxy_count(proxy);
  } while (now.from_client != last.from_client);
  return now;
}

static void fork_once(const char *level, int order) {
  scene all = make_scene(level);
  proxy_counters before = count_quiet();
  pid_t child = fork();
  if (child == 0) {
    run_child(&all, order);
  }
  assert_true(child > 0);
  assert_int_equal(reap(child), 0);
  proxy_counters after = count_quiet();
  assert_int_equal(after.from_client, before.from_client);
  assert_int_equal(after.connections, before.connections);
  go_on(&all);
}

/* What a server writes down when a client breaks off, is cancelled, or talks nonsense. */
static void assert_quiet_log(const char *level) {
  static const char *const words[] = {"EOF",    "FATAL",    "PANIC",   "could not",
                                      "cancel", "terminat", "invalid", "protocol"};
  char line[1024];
  FILE *file = fopen(log_path, "r");
  assert_non_null(file);
  while (fgets(line, sizeof line, file)) {
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
      if (strstr(line, words[i])) {
        fclose(file);
        fail_msg("level %s: the server says: %s", level, line);
      }
    }
  }
  fclose(file);
}

static void test_levels(void **state) {
  (void)state;
  static const char *const levels[] = {"routing", "role", "login"};
  for (int i = 0; i < 3; i++) {
    for (int order = 0; order < 5; order++) {
      fork_once(levels[i], order);
    }
    assert_quiet_log(levels[i]);
    harness_sql(
        url,
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT schema_name, role_name FROM tenantdb.tenants LOOP "
        "EXECUTE format('DROP SCHEMA %%I CASCADE', r.schema_name); END LOOP; END $$; "
        "DROP SCHEMA tenantdb CASCADE; DROP TABLE plans, secrets");
  }
}

/* ---------------------------------------------------------------- locks */

/* Whatever lock another thread holds at that moment, the child does not wait for it. */
static void test_locks_held(void **state) {
  (void)state;
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "none"));
  tenantdb_tenant_free(fixture_tenant(db, "locked"));
  tenantdb_session *session = fixture_session(db, "locked");
  fixture_run(session, "SELECT 1");
  tndb_mutex *const locks[] = {&db->pool->mutex, &db->logins->mutex, &db->mutex, &session->cancel_mutex};
  for (int i = 0; i < 8; i++) {
    tndb_mutex_lock(locks[i % 4]);
    pid_t child = fork();
    if (child == 0) {
      alarm(10);
      CHECK_FORKED(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &child_error));
      CHECK_FORKED(tenantdb_session_cancel(session, &child_error));
      if (i < 4) {
        tenantdb_close(db);
        tenantdb_session_close(session);
      } else {
        tenantdb_session_close(session);
        tenantdb_close(db);
      }
      _exit(0);
    }
    tndb_mutex_unlock(locks[i % 4]);
    assert_int_equal(reap(child), 0);
    fixture_run(session, "SELECT 1");
  }
  tenantdb_session_close(session);
  tenantdb_close(db);
}

static void test_under_load(void **state) {
  (void)state;
  static const char *const slugs[] = {"l1", "l2", "l3", NULL};
  enum { FORKS = 200 };
  tenantdb *db = fixture_ready(url, FIXTURE_OPTIONS("pool.size", "3", "pool.overflow", "0"));
  for (int i = 0; slugs[i]; i++) {
    tenantdb_tenant_free(fixture_tenant(db, slugs[i]));
  }
  tenantdb_session *session = fixture_session(db, "l1");
  load all = {.db = db, .tenants = slugs};
  load_start(&all, 6);
  load_await(&all, TENANTDB_OK, 100);
  for (int i = 0; i < FORKS; i++) {
    pid_t child = fork();
    if (child == 0) {
      tenantdb_session *none = NULL;
      alarm(20);
      CHECK_FORKED(tenantdb_session_open(db, "l1", NULL, &none, &child_error));
      CHECK_FORKED(tenantdb_session_query(session, "SELECT 1", NULL, NULL, &child_error));
      tenantdb_session_close(session);
      tenantdb_close(db);
      _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(reap(child), 0);
  }
  load_await(&all, TENANTDB_OK, 100);
  load_end(&all);
  assert_int_equal(load_answered(&all, TENANTDB_OK), all.calls);
  assert_int_equal(load_pool(db).opened, 3);
  fixture_run(session, "SELECT 1");
  tenantdb_session_close(session);
  tenantdb_close(db);
  assert_quiet_log("role, under load");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_levels),
      cmocka_unit_test(test_locks_held),
      cmocka_unit_test(test_under_load),
  };
  return cmocka_run_group_tests_name("fork", tests, setup, teardown);
}

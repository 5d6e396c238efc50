/* SPDX-License-Identifier: PostgreSQL */
/* Statements that join a tenant's tables with shared ones, and the texts kept of them. */
#include <pthread.h>

#include "base/memory.h"
#include "fixture.h"

static tenantdb_error *error;

/* Shared: plans (to read), usage (to add to), secrets (nothing granted). Tenant: notes, and plans once more. */
static tenantdb_registry *declare(void) {
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *central = tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED);
  tenantdb_base *service = tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(central,
                    "CREATE TABLE plans (id integer PRIMARY KEY, name text NOT NULL);"
                    "CREATE TABLE usage (tenant text NOT NULL, note integer NOT NULL);"
                    "CREATE TABLE secrets (id integer PRIMARY KEY);");
  tenantdb_table_grant(tenantdb_base_table(central, "plans"), "SELECT");
  tenantdb_table_grant(tenantdb_base_table(central, "usage"), "SELECT, INSERT");
  tenantdb_base_sql(service,
                    "CREATE TABLE notes (id integer PRIMARY KEY, plan integer, body text NOT NULL);"
                    "CREATE TABLE plans (id integer PRIMARY KEY);");
  return registry;
}

static tenantdb_registry *registry;

/* A database of the level, whose shared schema's name must be quoted, with two tenants. */
static tenantdb *ready(const char *url, const char *level) {
  tenantdb *db;
  bool hardened = strcmp(level, "hardened") == 0;
  const char *first = hardened ? "role" : level;
  registry = declare();
  db = fixture_open(url, declare(),
                    FIXTURE_OPTIONS("isolation.level", first, "database.schema", "the \"shared\" one"));
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  if (hardened) {
    harness_assert_ok(tenantdb_harden(db, 1, NULL, &error), error);
    tenantdb_close(db);
    db = fixture_open(url, declare(),
                      FIXTURE_OPTIONS("isolation.level", level, "database.schema", "the \"shared\" one"));
  }
  harness_sql(url, "INSERT INTO \"the \"\"shared\"\" one\".plans VALUES (1, 'small'), (2, 'large')");
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  tenantdb_tenant_free(fixture_tenant(db, "bolt"));
  return db;
}

static void end(tenantdb *db, const char *url) {
  tenantdb_close(db);
  tenantdb_registry_free(registry);
  harness_drop_database(url);
}

static tenantdb_statement *compile(const char *sql) {
  tenantdb_statement *statement = NULL;
  harness_assert_ok(tenantdb_statement_new(registry, sql, &statement, &error), error);
  return statement;
}

/* Run it once, in a text that is compiled for this one time. */
static void run(tenantdb_session *session, const char *sql) {
  tenantdb_statement *statement = compile(sql);
  harness_assert_ok(tenantdb_session_run(session, statement, NULL, NULL, &error), error);
  tenantdb_statement_free(statement);
}

/* The first cell. Lasts until the next call. */
static const char *cell(tenantdb_session *session, const tenantdb_statement *statement,
                        const tenantdb_params *params) {
  static char text[200];
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_session_run(session, statement, params, &result, &error), error);
  const char *value = tenantdb_result_value(result, 0, 0);
  snprintf(text, sizeof text, "%s", value ? value : "");
  tenantdb_result_free(result);
  return text;
}

static int64_t used(const char *url, const char *tenant) {
  return harness_count(url, "SELECT count(*) FROM \"the \"\"shared\"\" one\".usage WHERE tenant = '%s'",
                       tenant);
}

/* ---------------------------------------------------------------- at every level */

static void joins(tenantdb *db) {
  tenantdb_session *acme = fixture_session(db, "acme"), *bolt = fixture_session(db, "bolt");
  tenantdb_statement *add = compile("INSERT INTO {notes} VALUES ($1, $2, $3)");
  tenantdb_statement *join = compile(
      "SELECT string_agg(n.body || '/' || p.name, ',' ORDER BY n.id) FROM {notes} n"
      " JOIN {Central.plans} p ON p.id = n.plan");
  for (int i = 1; i <= 2; i++) {
    tenantdb_params *params = tenantdb_params_new();
    tenantdb_params_int32(params, i);
    tenantdb_params_int32(params, i);
    tenantdb_params_text(params, "a");
    harness_assert_ok(tenantdb_session_run(acme, add, params, NULL, &error), error);
    if (i == 2) {
      harness_assert_ok(tenantdb_session_run(bolt, add, params, NULL, &error), error);
    }
    tenantdb_params_free(params);
  }
  for (int i = 0; i < 4; i++) { /* rendered, then found, then prepared, then run by name */
    assert_string_equal(cell(acme, join, NULL), "a/small,a/large");
    assert_string_equal(cell(bolt, join, NULL), "a/large");
  }
  /* The tenant's table of the same name is another one. */
  tenantdb_statement *own = compile("SELECT count(*) FROM {Service.plans}");
  assert_string_equal(cell(acme, own, NULL), "0");
  tenantdb_statement_free(own);
  tenantdb_statement_free(join);
  tenantdb_statement_free(add);
  tenantdb_session_close(acme);
  tenantdb_session_close(bolt);
}

static void writes_both(tenantdb *db, const char *url) {
  tenantdb_session *session = fixture_session(db, "acme");
  for (int commit = 0; commit < 2; commit++) {
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    run(session, "INSERT INTO {notes} VALUES (10, 1, 'both')");
    run(session, "INSERT INTO {usage} VALUES ('acme', 10)");
    harness_assert_ok(
        commit ? tenantdb_session_commit(session, &error) : tenantdb_session_rollback(session, &error),
        error);
    assert_int_equal(used(url, "acme"), commit);
    assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes WHERE id = 10"),
                        commit ? "1" : "0");
  }
  run(session,
      "WITH n AS (INSERT INTO {notes} VALUES (11, 2, 'one') RETURNING id)"
      " INSERT INTO {Central.usage} SELECT 'acme', id FROM n");
  assert_int_equal(used(url, "acme"), 2);
  /* When the second half is refused the first is not done either. */
  tenantdb_statement *broken = compile(
      "WITH n AS (INSERT INTO {notes} VALUES (12, 2, 'one') RETURNING id)"
      " INSERT INTO {usage} SELECT NULL, id FROM n");
  harness_assert_fails(tenantdb_session_run(session, broken, NULL, NULL, &error), error, TENANTDB_CONSTRAINT,
                       TENANTDB_REASON_SERVER_CONSTRAINT);
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM notes WHERE id = 12"), "0");
  tenantdb_statement_free(broken);
  tenantdb_session_close(session);
}

static void not_granted(tenantdb *db, bool enforced) {
  static const char *const refused[] = {"SELECT * FROM {secrets}", "DELETE FROM {Central.plans}",
                                        "SELECT s.id FROM {notes} n JOIN {secrets} s ON s.id = n.id"};
  tenantdb_session *session = fixture_session(db, "acme");
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    tenantdb_statement *statement = compile(refused[i]);
    harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
    if (enforced) {
      harness_assert_status(tenantdb_session_run(session, statement, NULL, NULL, &error), error,
                            TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION);
      const char *hint = tenantdb_error_hint(error);
      assert_non_null(strstr(hint, "tenantdb_base_grant()"));
      assert_non_null(strstr(hint, "tenantdb_table_grant()"));
      assert_string_equal(tenantdb_error_tenant(error), "acme");
      tenantdb_error_free(error);
    } else {
      harness_assert_ok(tenantdb_session_run(session, statement, NULL, NULL, &error), error);
    }
    (void)tenantdb_session_rollback(session, NULL);
    tenantdb_statement_free(statement);
  }
  tenantdb_session_close(session);
}

static void at_level(const char *level) {
  const char *url = harness_database();
  tenantdb *db = ready(url, level);
  joins(db);
  writes_both(db, url);
  not_granted(db, strcmp(level, "routing") != 0);
  end(db, url);
}

static void test_routing(void **state) {
  (void)state;
  at_level("routing");
}

static void test_role(void **state) {
  (void)state;
  at_level("role");
}

static void test_hardened(void **state) {
  (void)state;
  at_level("hardened");
}

/* At level routing it is the connected user who lacks a right: no advice that would not help. */
static void test_no_wrong_advice(void **state) {
  (void)state;
  const char *url = harness_database();
  const char *user = harness_role("LOGIN NOSUPERUSER");
  char *as_user = harness_url_with(url, NULL, user, NULL), *database = harness_database_name(url);
  harness_sql(url, "GRANT CREATE ON DATABASE \"%s\" TO \"%s\"; GRANT CREATE ON SCHEMA public TO \"%s\"",
              database, user, user);
  registry = declare();
  tenantdb *db = fixture_open(as_user, declare(), FIXTURE_OPTIONS("isolation.level", "routing"));
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  harness_sql(url, "ALTER TABLE public.secrets OWNER TO postgres");
  tenantdb_session *session = fixture_session(db, "acme");
  tenantdb_statement *statement = compile("SELECT * FROM {secrets}");
  harness_assert_status(tenantdb_session_run(session, statement, NULL, NULL, &error), error,
                        TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION);
  assert_string_equal(tenantdb_error_hint(error), "");
  tenantdb_error_free(error);
  error = NULL;
  tenantdb_statement_free(statement);
  tenantdb_session_close(session);
  free(as_user);
  free(database);
  end(db, url);
}

static void test_shared_session(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = ready(url, "role");
  tenantdb_session *shared = NULL;
  harness_assert_ok(tenantdb_session_open_shared(db, NULL, &shared, &error), error);
  static const char *const tenants[] = {"SELECT * FROM {notes}", "SELECT * FROM {usage}, {schema}.x"};
  for (size_t i = 0; i < 2; i++) {
    tenantdb_statement *statement = compile(tenants[i]);
    fixture_assert_refused(tenantdb_session_run(shared, statement, NULL, NULL, &error), error,
                           TENANTDB_ARGUMENT, TENANTDB_REASON_MISSING_SCHEMA_NAME,
                           "open one with tenantdb_session_open(), or name the tenant with "
                           "tenantdb_session_run_for()");
    fixture_assert_refused(tenantdb_session_send_statement(shared, statement, NULL, &error), error,
                           TENANTDB_ARGUMENT, TENANTDB_REASON_MISSING_SCHEMA_NAME,
                           "tenantdb_session_run_for()");
    tenantdb_statement_free(statement);
  }
  tenantdb_statement *plans = compile("SELECT name FROM {Central.plans} WHERE id = 2");
  assert_string_equal(cell(shared, plans, NULL), "large");
  tenantdb_statement_free(plans);
  tenantdb_session_close(shared);
  end(db, url);
}

/* ---------------------------------------------------------------- texts that are kept */

/* One connection for everybody, so that all texts are kept in one place. */
static tenantdb *narrow(const char *url, const char *cache, const char *prepared) {
  tenantdb *db =
      fixture_open(url, declare(),
                   FIXTURE_OPTIONS("statement.cache", cache, "session.prepared_statements", prepared,
                                   "pool.size", "1", "pool.overflow", "0", "isolation.level", "routing"));
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  registry = declare();
  return db;
}

/* How many statements of that beginning the server has. */
static int prepared(tenantdb_session *session, const char *begin) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%s%%' AND NOT from_sql", begin);
  return atoi(fixture_cell(session, sql));
}

/* More tenants and statements than are kept: everybody gets his own rows, whatever was thrown out. */
static void test_bound(void **state) {
  (void)state;
  enum { TENANTS = 12, STATEMENTS = 3, RUNS = 400 };
  static const char *const caches[][2] = {
      {"4", "256"}, {"4096", "4"}, {"0", "256"}, {"4096", "0"}, {"1", "1"}};
  const char *url = harness_database();
  tenantdb *db = narrow(url, "16", "16");
  char slug[20], expected[20];
  for (int i = 0; i < TENANTS; i++) {
    snprintf(slug, sizeof slug, "t%d", i);
    tenantdb_tenant_free(fixture_tenant(db, slug));
    tenantdb_session *session = fixture_session(db, slug);
    char sql[100];
    snprintf(sql, sizeof sql, "INSERT INTO {notes} VALUES (1, 1, 't%d')", i);
    run(session, sql);
    tenantdb_session_close(session);
  }
  tenantdb_close(db);
  tenantdb_registry_free(registry);
  unsigned seed = fixture_seed();
  for (size_t c = 0; c < sizeof caches / sizeof caches[0]; c++) {
    db = narrow(url, caches[c][0], caches[c][1]);
    tenantdb_statement *statements[STATEMENTS] = {NULL};
    for (int i = 0; i < RUNS; i++) {
      unsigned which = fixture_random(&seed, STATEMENTS);
      if (fixture_random(&seed, 20) == 0) { /* while texts of it are kept */
        tenantdb_statement_free(statements[which]);
        statements[which] = NULL;
      }
      if (!statements[which]) {
        char sql[100];
        snprintf(sql, sizeof sql, "SELECT body || '-%d' FROM {notes}", (int)fixture_random(&seed, 2));
        statements[which] = compile(sql);
        char *text = NULL;
        harness_assert_ok(tenantdb_statement_text(statements[which], "x", NULL, &text, &error), error);
        tenantdb_string_free(text);
      }
      unsigned tenant = fixture_random(&seed, TENANTS);
      snprintf(slug, sizeof slug, "t%u", tenant);
      tenantdb_session *session = fixture_session(db, slug);
      char *text = NULL;
      harness_assert_ok(tenantdb_statement_text(statements[which], "x", NULL, &text, &error), error);
      snprintf(expected, sizeof expected, "t%u-%c", tenant, strstr(text, "-0") ? '0' : '1');
      tenantdb_string_free(text);
      assert_string_equal(cell(session, statements[which], NULL), expected);
      tenantdb_session_close(session);
    }
    for (int i = 0; i < STATEMENTS; i++) {
      tenantdb_statement_free(statements[i]);
    }
    tenantdb_close(db);
    tenantdb_registry_free(registry);
  }
  harness_drop_database(url);
}

/* It is the statement that is prepared, once for each list of types, also when no text is kept. */
static void test_prepared_once(void **state) {
  (void)state;
  const char *url = harness_database();
  for (int kept = 0; kept < 2; kept++) {
    tenantdb *db = narrow(url, kept ? "100" : "0", "100");
    if (!kept) {
      tenantdb_tenant_free(fixture_tenant(db, "acme"));
      tenantdb_tenant_free(fixture_tenant(db, "bolt"));
    }
    tenantdb_session *session = fixture_session(db, "acme");
    fixture_run(session, "SELECT 1"); /* tells that no pooler stands between */
    tenantdb_statement *statement = compile("SELECT $1 FROM {notes} -- here");
    for (int typed = 0; typed < 4; typed++) {
      tenantdb_params *params = tenantdb_params_new();
      if (typed == 1) {
        tenantdb_params_int32(params, 1);
      } else if (typed == 2) {
        tenantdb_params_int64(params, 1);
      } else {
        tenantdb_params_text(params, "1");
      }
      for (int i = 0; i < 5; i++) {
        (void)cell(session, statement, params);
        assert_int_equal(prepared(session, "SELECT $1 FROM"), typed == 3 ? 3 : typed + (i > 0));
      }
      tenantdb_params_free(params);
    }
    tenantdb_session_close(session);
    tenantdb_statement_free(statement);
    tenantdb_close(db);
    tenantdb_registry_free(registry);
  }
  harness_drop_database(url);
}

/* A result that changed its shape, and names that the server has forgotten: run again, and right. */
static void test_stale(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = narrow(url, "100", "100");
  tenantdb_tenant *tenant = fixture_tenant(db, "acme");
  tenantdb_session *session = fixture_session(db, "acme");
  tenantdb_statement *statement = compile("SELECT * FROM {notes}");
  for (int i = 0; i < 3; i++) {
    (void)cell(session, statement, NULL);
  }
  harness_sql(url, "ALTER TABLE %s.notes ADD COLUMN more text; INSERT INTO %s.notes VALUES (1, 1, 'x', 'y')",
              tenantdb_tenant_schema(tenant), tenantdb_tenant_schema(tenant));
  for (int i = 0; i < 3; i++) {
    tenantdb_result *result = NULL;
    harness_assert_ok(tenantdb_session_run(session, statement, NULL, &result, &error), error);
    assert_int_equal(tenantdb_result_columns(result), 4);
    tenantdb_result_free(result);
  }
  fixture_run(session, "DEALLOCATE ALL");
  for (int i = 0; i < 3; i++) {
    assert_string_equal(cell(session, statement, NULL), "1");
  }
  /* From an event loop the statement may be gone while it runs, also when it has to be run again. */
  for (int i = 0; i < 4; i++) {
    int32_t done = 0;
    tenantdb_result *result = NULL;
    tenantdb_statement *short_lived = compile("SELECT *, more FROM {notes}");
    harness_assert_ok(tenantdb_session_send_statement(session, i < 3 ? statement : short_lived, NULL, &error),
                      error);
    tenantdb_statement_free(short_lived);
    if (i == 2) {
      tenantdb_statement_free(statement);
    }
    while (!done) {
      harness_assert_ok(tenantdb_session_step(session, &done, &result, &error), error);
    }
    assert_int_equal(tenantdb_result_columns(result), i < 2 ? 4 : i == 2 ? 5 : 6);
    tenantdb_result_free(result);
    if (i == 1) {
      harness_sql(url, "ALTER TABLE %s.notes ADD COLUMN yet text", tenantdb_tenant_schema(tenant));
    }
  }
  tenantdb_tenant_free(tenant);
  tenantdb_session_close(session);
  end(db, url);
}

/* What may be left on the connection is found however often the text was seen before. */
static void test_traces(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = narrow(url, "100", "100");
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  tenantdb_statement *leaves =
      compile("SELECT set_config('tenantdb.test', 'left', false) FROM {Central.plans}");
  tenantdb_statement *clean = compile("SELECT current_setting('tenantdb.test', true) FROM {Central.plans}");
  harness_sql(url, "INSERT INTO public.plans VALUES (1, 'one')");
  for (int i = 0; i < 5; i++) {
    tenantdb_session *session = fixture_session(db, "acme");
    assert_string_equal(cell(session, clean, NULL), "");
    assert_string_equal(cell(session, leaves, NULL), "left");
    tenantdb_session_close(session);
  }
  tenantdb_statement *control = compile("COMMIT /* {notes} */");
  tenantdb_session *session = fixture_session(db, "acme");
  for (int i = 0; i < 2; i++) {
    harness_assert_fails(tenantdb_session_run(session, control, NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_TRANSACTION_CONTROL);
  }
  tenantdb_session_close(session);
  tenantdb_statement_free(control);
  tenantdb_statement_free(clean);
  tenantdb_statement_free(leaves);
  end(db, url);
}

/* Each allocation of running a text fails once, found or not, waiting for its end or not. */
static void test_out_of_memory(void **state) {
  (void)state;
  const char *url = harness_database();
  tenantdb *db = narrow(url, "3", "3");
  tenantdb_tenant_free(fixture_tenant(db, "acme"));
  tenantdb_statement *known = compile("SELECT count(*) FROM {notes} WHERE id = $1");
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_params_int32(params, 1);
  bool done = false;
  for (uint64_t at = 1; !done && at < 1000; at++) {
    tenantdb_session *session = fixture_session(db, "acme");
    tenantdb_statement *fresh = compile("SELECT count(*) + 1 FROM {notes} WHERE id = $1");
    tenantdb_status status = tenantdb_session_run(session, known, params, NULL, &error);
    assert_int_equal(status, TENANTDB_OK);
    tndb_memory_fail(at, false);
    for (int i = 0; i < 6 && !status; i++) {
      tenantdb_result *result = NULL;
      int32_t ended = i < 3;
      const tenantdb_statement *statement = i % 2 ? known : fresh;
      status = ended ? tenantdb_session_run(session, statement, params, &result, &error)
                     : tenantdb_session_send_statement(session, statement, params, &error);
      while (!status && !ended) {
        status = tenantdb_session_step(session, &ended, &result, &error);
      }
      assert_true(status || strcmp(tenantdb_result_value(result, 0, 0), i % 2 ? "0" : "1") == 0);
      tenantdb_result_free(result);
    }
    done = tndb_memory_fail(0, false) < at;
    assert_true(status == TENANTDB_OK || status == TENANTDB_MEMORY || status == TENANTDB_CONNECTION ||
                status == TENANTDB_UNKNOWN);
    tenantdb_error_free(error);
    error = NULL;
    tenantdb_statement_free(fresh);
    tenantdb_session_close(session);
  }
  assert_true(done);
  tenantdb_params_free(params);
  tenantdb_statement_free(known);
  tenantdb_close(db);
  tenantdb_registry_free(registry);
  harness_drop_database(url);
}

/* ---------------------------------------------------------------- many threads, one statement */

struct worker {
  tenantdb *db;
  const tenantdb_statement *statement;
  int number;
  int wrong;
};

static void *work(void *user) {
  struct worker *worker = user;
  for (int i = 0; i < 60; i++) {
    tenantdb_session *session = NULL;
    tenantdb_result *result = NULL;
    const char *slug = (i + worker->number) % 2 ? "acme" : "bolt";
    bool right = tenantdb_session_open(worker->db, slug, NULL, &session, NULL) == TENANTDB_OK &&
                 tenantdb_session_run(session, worker->statement, NULL, &result, NULL) == TENANTDB_OK &&
                 strcmp(tenantdb_result_value(result, 0, 0), slug) == 0;
    worker->wrong += !right;
    tenantdb_result_free(result);
    tenantdb_session_close(session);
  }
  return NULL;
}

static void test_threads(void **state) {
  (void)state;
  enum { THREADS = 4 };
  const char *url = harness_database();
  tenantdb *db = ready(url, "role");
  for (int i = 0; i < 2; i++) {
    tenantdb_session *session = fixture_session(db, i ? "acme" : "bolt");
    run(session,
        i ? "INSERT INTO {notes} VALUES (1, 1, 'acme')" : "INSERT INTO {notes} VALUES (1, 1, 'bolt')");
    tenantdb_session_close(session);
  }
  tenantdb_statement *statement =
      compile("SELECT n.body FROM {notes} n JOIN {Central.plans} p ON p.id = n.plan");
  struct worker workers[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (struct worker){db, statement, i, 0};
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(workers[i].wrong, 0);
  }
  tenantdb_statement_free(statement);
  end(db, url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_routing),        cmocka_unit_test(test_role),
      cmocka_unit_test(test_hardened),       cmocka_unit_test(test_no_wrong_advice),
      cmocka_unit_test(test_shared_session), cmocka_unit_test(test_bound),
      cmocka_unit_test(test_prepared_once),  cmocka_unit_test(test_stale),
      cmocka_unit_test(test_traces),         cmocka_unit_test(test_threads),
      cmocka_unit_test(test_out_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

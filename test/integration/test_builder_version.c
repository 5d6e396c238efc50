/* SPDX-License-Identifier: PostgreSQL */
/* Optimistic versions: of two who read the same row one changes it, and none of many changes is lost. */
#include <pthread.h>

#include "built.h"

static const char *url;
static tenantdb *db;
static tenantdb_registry *registry;
static tenantdb_session *session, *second;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  db = built_open(url);
  registry = built_registry();
  session = fixture_session(db, "a");
  second = fixture_session(db, "a");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tenantdb_session_close(session);
  tenantdb_session_close(second);
  tenantdb_registry_free(registry);
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static tenantdb_builder *rename_it(void) {
  tenantdb_builder *b = tenantdb_builder_update(registry, "Service.things");
  tenantdb_builder_column(b, "name");
  tenantdb_builder_key(b);
  tenantdb_builder_version(b, "version");
  tenantdb_builder_returning(b, "version");
  return b;
}

/* The version that a row has now, "" when there is none: how to tell changed from gone. */
static const char *look(tenantdb_session *at, const char *id) {
  tenantdb_builder *b = tenantdb_builder_select(registry, "Service.things");
  tenantdb_builder_column(b, "version");
  tenantdb_builder_key(b);
  return built_run(at, b, VALUES(id), NULL);
}

static void test_one_after_the_other(void **state) {
  (void)state;
  int64_t affected;
  fixture_run(session, "INSERT INTO things (id, name) VALUES (1, 'one')");
  assert_string_equal(built_run(session, rename_it(), VALUES("first", "1", "1"), &affected), "2");
  assert_int_equal(affected, 1);
  built_run(second, rename_it(), VALUES("second", "1", "1"), &affected);
  assert_int_equal(affected, 0);
  assert_string_equal(look(second, "1"), "2");
  built_run(second, rename_it(), VALUES("second", "99", "1"), &affected);
  assert_int_equal(affected, 0);
  assert_string_equal(look(second, "99"), "");
  tenantdb_builder *b = tenantdb_builder_delete(registry, "Service.things");
  tenantdb_builder_key(b);
  tenantdb_builder_version(b, "version");
  built_run(second, b, VALUES("1", "1"), &affected);
  assert_int_equal(affected, 0);
  b = tenantdb_builder_delete(registry, "Service.things");
  tenantdb_builder_version(b, "version");
  tenantdb_builder_key(b);
  built_run(second, b, VALUES("2", "1"), &affected);
  assert_int_equal(affected, 1);
}

typedef struct waiter {
  pthread_t thread;
  int64_t affected;
} waiter;

static void *rename_meanwhile(void *user) {
  waiter *w = user;
  built_run(second, rename_it(), VALUES("second", "1", "1"), &w->affected);
  return NULL;
}

/* The second has read version 1 and waits for the first one's lock: it changes nothing once it has it. */
static void test_while_another_commits(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  waiter w = {.affected = -1};
  int64_t affected;
  fixture_run(session, "INSERT INTO things (id, name) VALUES (1, 'one')");
  harness_assert_ok(tenantdb_session_begin(session, NULL, &error), error);
  built_run(session, rename_it(), VALUES("first", "1", "1"), &affected);
  assert_int_equal(affected, 1);
  assert_int_equal(pthread_create(&w.thread, NULL, rename_meanwhile, &w), 0);
  while (harness_count(url, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0) {
    fixture_pause_us(1000);
  }
  harness_assert_ok(tenantdb_session_commit(session, &error), error);
  pthread_join(w.thread, NULL);
  assert_int_equal(w.affected, 0);
  assert_string_equal(fixture_cell(session, "SELECT name || version FROM things"), "first2");
  fixture_run(session, "DELETE FROM things");
}

enum { THREADS = 4, TIMES = 25 };

typedef struct counter {
  pthread_t thread;
  bool careful; /* with the version */
  tenantdb_session *session;
  int64_t again;
} counter;

/* Read, add one here, write: again and again until it was let through. */
static void *count(void *user) {
  counter *c = user;
  tenantdb_error *error = NULL;
  tenantdb_builder *b = tenantdb_builder_select(registry, "Service.things");
  tenantdb_builder_column(b, "n");
  tenantdb_builder_column(b, "version");
  tenantdb_builder_key(b);
  tenantdb_statement *read = built(b);
  b = tenantdb_builder_update(registry, "Service.things");
  tenantdb_builder_column(b, "n");
  tenantdb_builder_key(b);
  if (c->careful) {
    tenantdb_builder_version(b, "version");
  }
  tenantdb_statement *write = built(b);
  for (int done = 0; done < TIMES;) {
    tenantdb_result *result = NULL;
    tenantdb_params *key = built_params(VALUES("1")), *values = tenantdb_params_new();
    int64_t n, version;
    harness_assert_ok(tenantdb_session_run(c->session, read, key, &result, &error), error);
    harness_assert_ok(tenantdb_result_int64(result, 0, 0, &n, &error), error);
    harness_assert_ok(tenantdb_result_int64(result, 0, 1, &version, &error), error);
    tenantdb_result_free(result);
    tenantdb_params_int64(values, n + 1);
    tenantdb_params_int64(values, 1);
    if (c->careful) {
      tenantdb_params_int64(values, version);
    }
    harness_assert_ok(tenantdb_session_run(c->session, write, values, &result, &error), error);
    int64_t affected = tenantdb_result_affected(result);
    done += affected == 1;
    c->again += affected == 0;
    tenantdb_result_free(result);
    tenantdb_params_free(key);
    tenantdb_params_free(values);
  }
  tenantdb_statement_free(read);
  tenantdb_statement_free(write);
  return NULL;
}

static int64_t race(bool careful) {
  counter counters[THREADS] = {{0}};
  int64_t again = 0;
  fixture_run(session, "INSERT INTO things (id) VALUES (1)");
  for (int i = 0; i < THREADS; i++) {
    counters[i].careful = careful;
    counters[i].session = fixture_session(db, "a");
  }
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&counters[i].thread, NULL, count, &counters[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(counters[i].thread, NULL);
    tenantdb_session_close(counters[i].session);
    again += counters[i].again;
  }
  int64_t n = atoll(fixture_cell(session, "SELECT n FROM things"));
  int64_t version = atoll(fixture_cell(session, "SELECT version FROM things"));
  fixture_run(session, "DELETE FROM things");
  print_message("%s version: %d counted of %d, %d times again\n", careful ? "with" : "without", (int)n,
                THREADS * TIMES, (int)again);
  assert_int_equal(version, careful ? 1 + THREADS * TIMES : 1);
  return n;
}

static void test_no_change_is_lost(void **state) {
  (void)state;
  assert_int_equal(race(true), THREADS * TIMES);
  /* Without it some are lost, or this race would show nothing. */
  int64_t counted = THREADS * TIMES;
  for (int i = 0; i < 20 && counted == THREADS * TIMES; i++) {
    counted = race(false);
  }
  assert_true(counted < THREADS * TIMES);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_one_after_the_other),
      cmocka_unit_test(test_while_another_commits),
      cmocka_unit_test(test_no_change_is_lost),
  };
  return cmocka_run_group_tests_name("builder version", tests, setup, teardown);
}

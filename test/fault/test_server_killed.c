/* SPDX-License-Identifier: PostgreSQL */
/*
 * A server that dies at once at random moments while tenants are made and
 * purged. After its restart and one reconcile every tenant is whole or absent,
 * and what was answered OK is there.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "fixture.h"

enum { ROUNDS = 20, MOST = 4000 };

static harness_server *server;
static const char *url;
static tenantdb_error *error;
static unsigned seed;
static char created[MOST][24];
static int n_created;
static char purged[MOST][24];
static int n_purged;

static int setup(void **state) {
  (void)state;
  seed = fixture_seed();
  server = harness_server_start();
  url = harness_server_url(server);
  tenantdb_close(fixture_ready(url, NULL));
  return 0;
}

static int teardown(void **state) {
  (void)state;
  harness_server_remove(server);
  return 0;
}

typedef struct worker {
  int round;
  atomic_bool begun;
  tenantdb_status status; /* what ended it */
  char message[200];
} worker;

/* Makes tenants, and purges every third again, until the server is gone. */
static void *work(void *user) {
  worker *own = user;
  tenantdb *db = fixture_open(
      url, NULL, FIXTURE_OPTIONS("database.connect_timeout", "200ms", "operation.lock_timeout", "200ms"));
  tenantdb_error *failure = NULL;
  for (int i = 0; i < 150 && n_created < MOST && !own->status; i++) {
    char slug[24];
    snprintf(slug, sizeof slug, "r%d-%d", own->round, i);
    own->status = tenantdb_tenant_create(db, slug, NULL, NULL, &failure);
    atomic_store(&own->begun, true);
    if (!own->status) {
      strcpy(created[n_created++], slug);
    }
    if (!own->status && i % 3 == 2) {
      n_created--; /* from here on it may be there or not */
      own->status = tenantdb_tenant_purge(db, slug, 1, &failure);
      if (!own->status) {
        strcpy(purged[n_purged++], slug);
      }
    }
  }
  snprintf(own->message, sizeof own->message, "%s", tenantdb_error_message(failure));
  tenantdb_error_free(failure);
  tenantdb_close(db);
  return NULL;
}

static void check_acknowledged(tenantdb *db) {
  for (int i = 0; i < n_created; i++) {
    tenantdb_tenant *tenant = NULL;
    harness_assert_ok(tenantdb_tenant_get(db, created[i], &tenant, &error), error);
    assert_int_equal(tenantdb_tenant_state(tenant), TENANTDB_TENANT_ACTIVE);
    tenantdb_tenant_free(tenant);
  }
  for (int i = 0; i < n_purged; i++) {
    tenantdb_tenant *tenant = NULL;
    harness_assert_fails(tenantdb_tenant_get(db, purged[i], &tenant, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TENANT);
  }
}

static void test_killed(void **state) {
  (void)state;
  for (int round = 0; round < ROUNDS; round++) {
    worker own = {.round = round};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, work, &own), 0);
    while (!atomic_load(&own.begun)) {
      fixture_pause_us(1000);
    }
    fixture_pause_us(fixture_random(&seed, 60000));
    harness_server_kill(server);
    pthread_join(thread, NULL);
    if (own.status != TENANTDB_CONNECTION && own.status != TENANTDB_UNKNOWN && own.status != TENANTDB_BUSY &&
        own.status != TENANTDB_OK) {
      fail_msg("round %d: ended with %s: %s", round, tenantdb_status_name(own.status), own.message);
    }
    harness_server_restart(server);
    tenantdb *db = fixture_open(url, NULL, NULL);
    /* The owner of an interrupted purge is dead; its lease would run out on its own. */
    harness_sql(
        url, "UPDATE tenantdb.operations SET lease_until = now() - interval '1 s' WHERE state = 'running'");
    harness_assert_ok(tenantdb_reconcile(db, NULL, &error), error);
    tenantdb_result *again = NULL;
    harness_assert_ok(tenantdb_reconcile(db, &again, &error), error);
    assert_int_equal(tenantdb_result_rows(again), 0);
    tenantdb_result_free(again);
    assert_int_equal(fixture_halves(url), 0);
    assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE state = 'deleting'"), 0);
    check_acknowledged(db);
    tenantdb_close(db);
  }
  print_message("%d tenants kept, %d purged\n", n_created, n_purged);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed)};
  return cmocka_run_group_tests_name("server killed", tests, setup, teardown);
}

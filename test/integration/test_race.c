/* SPDX-License-Identifier: PostgreSQL */
/* Several at once: of those who create the same tenant one does; of those who change it one wins. */
#include <pthread.h>

#include "fixture.h"

enum { THREADS = 8, ROUNDS = 20 };

static const char *url;
static tenantdb *dbs[THREADS];
static tenantdb_error *error;
static pthread_barrier_t gate;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  for (int i = 0; i < THREADS; i++) {
    dbs[i] = fixture_ready(url, NULL);
  }
  pthread_barrier_init(&gate, NULL, THREADS);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  for (int i = 0; i < THREADS; i++) {
    tenantdb_close(dbs[i]);
  }
  pthread_barrier_destroy(&gate);
  harness_drop_database(url);
  return 0;
}

typedef struct job {
  tenantdb *db;
  char slug[40];
  const char *key;
  tenantdb_status (*change)(tenantdb *, const char *, tenantdb_tenant **, tenantdb_error **);
  tenantdb_status status;
  int32_t reason;
  char message[200];
  char id[40];
} job;

static void *run_one(void *user) {
  job *own = user;
  tenantdb_error *failure = NULL;
  tenantdb_tenant *tenant = NULL;
  tenantdb_tenant_spec *spec = own->key ? tenantdb_tenant_spec_new() : NULL;
  tenantdb_tenant_spec_set(spec, "idempotency_key", own->key);
  pthread_barrier_wait(&gate);
  own->status = own->change ? own->change(own->db, own->slug, &tenant, &failure)
                            : tenantdb_tenant_create(own->db, own->slug, spec, &tenant, &failure);
  own->reason = tenantdb_error_reason(failure);
  snprintf(own->message, sizeof own->message, "%s", tenantdb_error_message(failure));
  snprintf(own->id, sizeof own->id, "%s", tenantdb_tenant_id(tenant));
  tenantdb_error_free(failure);
  tenantdb_tenant_free(tenant);
  tenantdb_tenant_spec_free(spec);
  return NULL;
}

/* All at once; how many succeeded. */
static int run_all(job jobs[THREADS]) {
  pthread_t threads[THREADS];
  int succeeded = 0;
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, run_one, &jobs[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    succeeded += jobs[i].status == TENANTDB_OK;
  }
  return succeeded;
}

static void prepare(job jobs[THREADS], int round, const char *prefix) {
  memset(jobs, 0, THREADS * sizeof *jobs);
  for (int i = 0; i < THREADS; i++) {
    jobs[i].db = round % 2 ? dbs[0] : dbs[i]; /* half of the rounds share one database */
    snprintf(jobs[i].slug, sizeof jobs[i].slug, "%s-%d", prefix, round);
    if (i % 2) {
      jobs[i].slug[0] = (char)(jobs[i].slug[0] - 32); /* only the case differs */
    }
  }
}

static void test_one_slug(void **state) {
  (void)state;
  for (int round = 0; round < ROUNDS; round++) {
    job jobs[THREADS];
    prepare(jobs, round, "same");
    assert_int_equal(run_all(jobs), 1);
    for (int i = 0; i < THREADS; i++) {
      if (jobs[i].status &&
          (jobs[i].status != TENANTDB_ALREADY_EXISTS || jobs[i].reason != TENANTDB_REASON_SLUG_TAKEN)) {
        fail_msg("round %d: %s: %s", round, tenantdb_status_name(jobs[i].status), jobs[i].message);
      }
    }
    assert_int_equal(
        harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE lower(slug) = 'same-%d'", round), 1);
  }
  assert_int_equal(fixture_halves(url), 0);
}

static void test_one_key(void **state) {
  (void)state;
  for (int round = 0; round < ROUNDS; round++) {
    job jobs[THREADS];
    char key[32];
    prepare(jobs, round, "key");
    snprintf(key, sizeof key, "request %d", round);
    for (int i = 0; i < THREADS; i++) {
      jobs[i].key = key;
      jobs[i].slug[0] = 'k'; /* the same request, to the letter */
    }
    int succeeded = run_all(jobs);
    for (int i = 0; i < THREADS; i++) {
      if (jobs[i].status) {
        fail_msg("round %d: %s: %s", round, tenantdb_status_name(jobs[i].status), jobs[i].message);
      }
      assert_string_equal(jobs[i].id, jobs[0].id);
    }
    assert_int_equal(succeeded, THREADS);
  }
  assert_int_equal(fixture_halves(url), 0);
}

static void test_key_of_another_request(void **state) {
  (void)state;
  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
  tenantdb_tenant *first = NULL, *again = NULL;
  tenantdb_tenant_spec_set(spec, "idempotency_key", "the key");
  tenantdb_tenant_spec_set(spec, "name", "One");
  harness_assert_ok(tenantdb_tenant_create(dbs[0], "keyed", spec, &first, &error), error);
  harness_assert_ok(tenantdb_tenant_create(dbs[1], "keyed", spec, &again, &error), error);
  assert_string_equal(tenantdb_tenant_id(again), tenantdb_tenant_id(first));
  tenantdb_tenant_free(again);
  fixture_assert_refused(tenantdb_tenant_create(dbs[1], "other", spec, &again, &error), error,
                         TENANTDB_CONFLICT, TENANTDB_REASON_IDEMPOTENCY_MISMATCH,
                         "the idempotency key was used for another request");
  assert_null(again);
  fixture_assert_refused(tenantdb_tenant_register(dbs[1], "keyed", spec, &again, &error), error,
                         TENANTDB_CONFLICT, TENANTDB_REASON_IDEMPOTENCY_MISMATCH,
                         "use a new key for a new request");
  tenantdb_tenant_spec_set(spec, "name", "Two");
  harness_assert_status(tenantdb_tenant_create(dbs[1], "keyed", spec, &again, &error), error,
                        TENANTDB_CONFLICT, TENANTDB_REASON_IDEMPOTENCY_MISMATCH);
  assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_NEVER);
  tenantdb_error_free(error);
  error = NULL;
  /* A key of one's own for a slug that is taken. */
  tenantdb_tenant_spec_set(spec, "idempotency_key", "another key");
  fixture_assert_refused(tenantdb_tenant_create(dbs[1], "keyed", spec, &again, &error), error,
                         TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SLUG_TAKEN, "\"keyed\" already");
  tenantdb_tenant_free(first);
  tenantdb_tenant_spec_free(spec);
}

/* Eight who suspend: one does, the others find it suspended. */
static void test_one_change(void **state) {
  (void)state;
  tenantdb_tenant_free(fixture_tenant(dbs[0], "changed-0"));
  for (int round = 0; round < 6; round++) {
    job jobs[THREADS];
    prepare(jobs, round, "changed");
    for (int i = 0; i < THREADS; i++) {
      strcpy(jobs[i].slug, "changed-0");
      jobs[i].change = round % 2 ? tenantdb_tenant_resume : tenantdb_tenant_suspend;
    }
    assert_int_equal(run_all(jobs), 1);
    for (int i = 0; i < THREADS; i++) {
      if (jobs[i].status && jobs[i].status != TENANTDB_STATE && jobs[i].status != TENANTDB_CONFLICT) {
        fail_msg("round %d: %s: %s", round, tenantdb_status_name(jobs[i].status), jobs[i].message);
      }
    }
  }
  assert_int_equal(harness_count(url, "SELECT generation FROM tenantdb.tenants WHERE slug = 'changed-0'"), 7);
  assert_string_equal(fixture_findings(dbs[0], "changed-0"), "");
}

/* By slug and by id at once: the locks have different names, the row's is what counts. */
static void test_by_slug_and_id(void **state) {
  (void)state;
  tenantdb_tenant *tenant = fixture_tenant(dbs[0], "twofold");
  for (int round = 0; round < 6; round++) {
    job jobs[THREADS];
    prepare(jobs, 0, "twofold");
    for (int i = 0; i < THREADS; i++) {
      snprintf(jobs[i].slug, sizeof jobs[i].slug, "%s", i % 4 < 2 ? "twofold" : tenantdb_tenant_id(tenant));
      jobs[i].change = i % 2 ? tenantdb_tenant_suspend : tenantdb_tenant_resume;
    }
    (void)run_all(jobs);
    for (int i = 0; i < THREADS; i++) {
      if (jobs[i].status && jobs[i].status != TENANTDB_STATE && jobs[i].status != TENANTDB_CONFLICT) {
        fail_msg("round %d: %s: %s", round, tenantdb_status_name(jobs[i].status), jobs[i].message);
      }
    }
    assert_int_equal(
        harness_count(url,
                      "SELECT count(*) FROM tenantdb.tenants WHERE slug = 'twofold' AND (state = 'active') = "
                      "has_schema_privilege(role_name, schema_name, 'USAGE')"),
        1);
  }
  assert_int_equal(
      harness_count(
          url,
          "SELECT t.generation - 1 - (SELECT count(*) FROM tenantdb.audit a WHERE a.tenant_id = "
          "t.id AND action IN ('suspend', 'resume')) FROM tenantdb.tenants t WHERE slug = 'twofold'"),
      0);
  tenantdb_tenant_free(tenant);
}

static tenantdb_status purge(tenantdb *db, const char *tenant, tenantdb_tenant **result,
                             tenantdb_error **failure) {
  (void)result;
  return tenantdb_tenant_purge(db, tenant, 1, failure);
}

static void test_one_purge(void **state) {
  (void)state;
  for (int round = 0; round < 3; round++) {
    tenantdb_tenant *tenant = fixture_tenant(dbs[0], "purged");
    job jobs[THREADS];
    prepare(jobs, round, "purged");
    for (int i = 0; i < THREADS; i++) {
      strcpy(jobs[i].slug, "purged");
      jobs[i].change = purge;
    }
    assert_in_range(run_all(jobs), 1, THREADS);
    for (int i = 0; i < THREADS; i++) {
      if (jobs[i].status && jobs[i].status != TENANTDB_BUSY && jobs[i].status != TENANTDB_NOT_FOUND &&
          jobs[i].status != TENANTDB_CONFLICT) {
        fail_msg("round %d: %s: %s", round, tenantdb_status_name(jobs[i].status), jobs[i].message);
      }
    }
    assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_namespace WHERE nspname = '%s'",
                                   tenantdb_tenant_schema(tenant)),
                     0);
    tenantdb_tenant_free(tenant);
  }
  assert_int_equal(fixture_halves(url), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_one_slug),
      cmocka_unit_test(test_one_key),
      cmocka_unit_test(test_key_of_another_request),
      cmocka_unit_test(test_one_change),
      cmocka_unit_test(test_by_slug_and_id),
      cmocka_unit_test(test_one_purge),
  };
  return cmocka_run_group_tests_name("race", tests, setup, teardown);
}

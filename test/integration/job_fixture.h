/* SPDX-License-Identifier: PostgreSQL */
/* Jobs for tests: a tenant, a set made in code, one job at a time, and what became of it. */
#ifndef TNDB_JOB_FIXTURE_H
#define TNDB_JOB_FIXTURE_H

#include "base/memory.h"
#include "fixture.h"
#include "migrate/job.h"

/* What a test asks for besides the set; zero is what most want. */
typedef struct job_wish {
  int64_t goal; /* 0: the newest */
  bool down;
  bool dry;
  bool any_order;
  bool skip_older;
  bool standby;
  int64_t lock_timeout_ms; /* 0: 300 */
  int32_t lock_retries;
  int64_t statement_timeout_ms;
  int64_t shared_version;
  const char *schema; /* NULL: as the catalog says */
  void (*add)(void *user, tndb_conn *conn);
  void *user;
} job_wish;

/* What became of it; the error is the caller's, job_done() frees it. */
typedef struct job_result {
  tndb_job_outcome outcome;
  tenantdb_error *error;
  char file[80];
  int32_t line;
  int32_t applied;
  int32_t passed_over;
  int32_t attempts;
  int64_t version;
  bool added;
  bool views;
  bool tainted;
} job_result;

typedef struct job_tenant {
  char id[TNDB_UUID_TEXT];
  char slug[64];
  char schema[64];
  char role[64];
} job_tenant;

static inline void job_copy(char *to, size_t size, char *from) {
  snprintf(to, size, "%s", from ? from : "");
  free(from);
}

static inline job_tenant job_find(const char *url, const char *slug) {
  job_tenant tenant;
  snprintf(tenant.slug, sizeof tenant.slug, "%s", slug);
  job_copy(
      tenant.id, sizeof tenant.id,
      harness_value(url, "SELECT id FROM tenantdb.tenants WHERE slug = '%s' ORDER BY created_at DESC", slug));
  job_copy(tenant.schema, sizeof tenant.schema,
           harness_value(url, "SELECT schema_name FROM tenantdb.tenants WHERE id = '%s'", tenant.id));
  job_copy(tenant.role, sizeof tenant.role,
           harness_value(url, "SELECT role_name FROM tenantdb.tenants WHERE id = '%s'", tenant.id));
  return tenant;
}

static inline tenantdb_migrations *job_set(void) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  assert_non_null(set);
  return set;
}

static inline void job_add(tenantdb_migrations *set, int64_t version, const char *sql) {
  tenantdb_migration_add(set, "tenant", version, "a step", sql);
}

static inline void job_freeze(const tenantdb_migrations *set) {
  tenantdb_error *error = NULL;
  harness_assert_ok(tndb_migrations_freeze(set, &error), error);
}

/* The order of a tenant's job, whose ledger is read. The state is the caller's. */
static inline tndb_job_order job_order(tenantdb *db, const tenantdb_migrations *set, const job_tenant *tenant,
                                       const job_wish *wish, tndb_ledger_state *state) {
  static const job_wish nothing = {0};
  const job_wish *w = wish ? wish : &nothing;
  return (tndb_job_order){.db = db,
                          .set = set,
                          .target = {.stream = TNDB_STREAM_TENANT,
                                     .id = tenant->id,
                                     .slug = tenant->slug,
                                     .schema = w->schema ? w->schema : tenant->schema,
                                     .role = tenant->role,
                                     .standby = w->standby},
                          .state = state,
                          .goal = w->goal || w->down ? w->goal : INT64_MAX,
                          .down = w->down,
                          .dry = w->dry,
                          .any_order = w->any_order,
                          .skip_older = w->skip_older,
                          .lock_timeout_ms = w->lock_timeout_ms ? w->lock_timeout_ms : 300,
                          .lock_retries = w->lock_retries,
                          .statement_timeout_ms = w->statement_timeout_ms,
                          .shared_version = w->shared_version,
                          .add = w->add,
                          .user = w->user};
}

/* Read a target's ledger, and a connection to go on with. */
static inline tenantdb_status job_read(tenantdb *db, const char *id, tndb_ledger_state *state,
                                       tndb_conn **conn, tenantdb_error **error) {
  char ids[64];
  tndb_work work;
  snprintf(ids, sizeof ids, "{%s}", id);
  *state = (tndb_ledger_state){0};
  *conn = NULL;
  tenantdb_status status = tndb_work_start_reading(&work, db, error);
  if (!status) {
    status = tndb_ledger_read(&work, ids, 1, state, error);
  }
  if (!status) {
    *conn = work.conn;
    work.conn = NULL;
  }
  tndb_work_end(&work);
  return status;
}

/* A whole job. A failure to begin is the status. */
static inline tenantdb_status job_try(tenantdb *db, const tenantdb_migrations *set, const job_tenant *tenant,
                                      const job_wish *wish, job_result *result, tenantdb_error **error) {
  tndb_ledger_state state;
  tndb_conn *conn;
  tndb_job job;
  *result = (job_result){.outcome = TNDB_JOB_FAILED};
  tenantdb_status status = job_read(db, tenant->id, &state, &conn, error);
  if (!status) {
    tndb_job_order order = job_order(db, set, tenant, wish, &state);
    status = tndb_job_run(&job, &order, conn, error);
    if (status) {
      tndb_pool_release(conn);
    }
  }
  if (!status) {
    *result = (job_result){.outcome = job.outcome,
                           .error = job.error,
                           .line = job.failed_line,
                           .applied = job.applied,
                           .passed_over = job.passed_over,
                           .attempts = job.attempts,
                           .version = job.version,
                           .added = job.added,
                           .views = job.views,
                           .tainted = job.conn && atomic_load(&job.conn->tainted)};
    snprintf(result->file, sizeof result->file, "%s", job.failed ? job.failed->file : "");
    job.error = NULL;
    conn = job.conn;
    tndb_job_free(&job);
    assert_true(!conn || conn->dead || tndb_conn_is_idle(conn));
    tndb_pool_release(conn);
  }
  tndb_ledger_clear(&state);
  return status;
}

static inline job_result job_run(tenantdb *db, const tenantdb_migrations *set, const job_tenant *tenant,
                                 const job_wish *wish) {
  tenantdb_error *error = NULL;
  job_result result;
  job_freeze(set);
  harness_assert_ok(job_try(db, set, tenant, wish, &result, &error), error);
  return result;
}

static inline const char *job_outcome_name(tndb_job_outcome outcome) {
  static const char *const names[] = {"APPLIED", "NOTHING", "FAILED", "TAKEN", "BLOCKED"};
  return names[outcome];
}

static inline void job_expect(job_result result, tndb_job_outcome outcome, int32_t applied, const char *file,
                              int line) {
  if (result.outcome != outcome || result.applied != applied) {
    fail_msg("%s:%d: the job is %s with %d files, not %s with %d: %s (%s; %s)", file, line,
             job_outcome_name(result.outcome), (int)result.applied, job_outcome_name(outcome), (int)applied,
             tenantdb_error_message(result.error), tenantdb_error_detail(result.error),
             tenantdb_error_hint(result.error));
  }
  tenantdb_error_free(result.error);
}

/* A job that must end so. */
#define job_assert(result, outcome, applied) job_expect((result), (outcome), (applied), __FILE__, __LINE__)

/* One that must fail with that status and reason, and these words in its message. */
static inline void job_expect_failure(job_result result, tenantdb_status status, int32_t reason,
                                      const char *text, const char *file, int line) {
  assert_int_equal(result.outcome, TNDB_JOB_FAILED);
  harness_check_status(tenantdb_error_status(result.error), result.error, status, reason, "the job", file,
                       line);
  harness_check_message(result.error, text, file, line);
  tenantdb_error_free(result.error);
}
#define job_assert_fails(result, status, reason, text) \
  job_expect_failure((result), (status), (reason), (text), __FILE__, __LINE__)

#endif

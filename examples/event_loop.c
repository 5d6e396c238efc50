/* SPDX-License-Identifier: PostgreSQL */
/*
 * An event loop: 200 scoped queries under way at the same time, on one thread
 * with poll() and no other.
 *
 * Ten tenants, twenty sessions each. Every query is started without waiting,
 * then the loop steps whichever session has something to say. Each query takes
 * the server 50 ms; one after the other they would take ten seconds.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenantdb.h>
#include <time.h>

#define TENANTS 10
#define PER_TENANT 20
#define QUERIES (TENANTS * PER_TENANT)

typedef struct query {
  tenantdb_session *session;
  char slug[32];
  int done;
} query;

static int fail(const char *what, tenantdb_error *error) {
  fprintf(stderr, "%s: %s: %s\n", what, tenantdb_status_name(tenantdb_error_status(error)),
          tenantdb_error_message(error));
  tenantdb_error_free(error);
  return EXIT_FAILURE;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static tenantdb_status open_database(tenantdb **db, tenantdb_error **error) {
  tenantdb_config *config = tenantdb_config_new();
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *service = tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(service, "CREATE TABLE settings (name text PRIMARY KEY, value text NOT NULL)");
  tenantdb_status status = tenantdb_config_load_env(config, error);
  if (!status) {
    status = tenantdb_config_set(config, "pool.size", "200", error);
  }
  if (!status) {
    status = tenantdb_config_set(config, "pool.overflow", "0", error);
  }
  if (!status) {
    status = tenantdb_open(config, registry, db, error);
  }
  if (!status) {
    status = tenantdb_bootstrap(*db, error);
  }
  tenantdb_registry_free(registry);
  tenantdb_config_free(config);
  return status;
}

/* A tenant whose only row says who it is, so that every answer can be checked. */
static tenantdb_status make_tenant(tenantdb *db, const char *slug, tenantdb_error **error) {
  tenantdb_session *session = NULL;
  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
  tenantdb_params *params = tenantdb_params_new();
  tenantdb_tenant_spec_set(spec, "idempotency_key", slug);
  tenantdb_params_text(params, slug);
  tenantdb_status status = tenantdb_tenant_create(db, slug, spec, NULL, error);
  if (!status) {
    status = tenantdb_session_open(db, slug, NULL, &session, error);
  }
  if (!status) {
    status = tenantdb_session_exec(session, "INSERT INTO settings VALUES ('who', $1) ON CONFLICT DO NOTHING",
                                   params, NULL, error);
  }
  tenantdb_session_close(session);
  tenantdb_params_free(params);
  tenantdb_tenant_spec_free(spec);
  return status;
}

/* Step one session; when its query has ended, check that the answer is its own tenant's. */
static tenantdb_status step(query *one, int *left, tenantdb_error **error) {
  int32_t done = 0;
  tenantdb_result *result = NULL;
  tenantdb_status status = tenantdb_session_step(one->session, &done, &result, error);
  if (!status && done) {
    const char *who = tenantdb_result_value(result, 0, 0);
    if (!who || strcmp(who, one->slug) != 0) {
      fprintf(stderr, "a session of %s was answered %s\n", one->slug, who ? who : "nothing");
      exit(EXIT_FAILURE);
    }
    one->done = 1;
    (*left)--;
  }
  tenantdb_result_free(result);
  return status;
}

static tenantdb_status loop(query *queries, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  int left = QUERIES;
  while (left > 0 && !status) {
    struct pollfd sockets[QUERIES];
    int timeout = -1;
    for (int i = 0; i < QUERIES; i++) {
      int32_t events = queries[i].done ? 0 : tenantdb_session_events(queries[i].session);
      int32_t wait = queries[i].done ? -1 : tenantdb_session_timeout_ms(queries[i].session);
      sockets[i].fd = queries[i].done ? -1 : tenantdb_session_socket(queries[i].session);
      sockets[i].events = (short)((events & TENANTDB_EVENT_READ ? POLLIN : 0) |
                                  (events & TENANTDB_EVENT_WRITE ? POLLOUT : 0));
      sockets[i].revents = 0;
      timeout = wait >= 0 && (timeout < 0 || wait < timeout) ? wait : timeout;
    }
    int ready = poll(sockets, QUERIES, timeout);
    for (int i = 0; i < QUERIES && !status; i++) {
      if (!queries[i].done && (ready == 0 || sockets[i].revents)) {
        status = step(&queries[i], &left, error);
      }
    }
  }
  return status;
}

static tenantdb_status start_all(tenantdb *db, query *queries, tenantdb_error **error) {
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_status status = TENANTDB_OK;
  tenantdb_session_options_set(options, "timeout", "30s");
  for (int i = 0; i < QUERIES && !status; i++) {
    snprintf(queries[i].slug, sizeof queries[i].slug, "loop-%d", i % TENANTS);
    status = tenantdb_session_open(db, queries[i].slug, options, &queries[i].session, error);
  }
  for (int i = 0; i < QUERIES && !status; i++) {
    status = tenantdb_session_send(
        queries[i].session, "SELECT value, pg_sleep(0.05) FROM settings WHERE name = 'who'", NULL, error);
  }
  tenantdb_session_options_free(options);
  return status;
}

int main(void) {
  tenantdb *db = NULL;
  tenantdb_error *error = NULL;
  static query queries[QUERIES];
  char slug[32];
  if (open_database(&db, &error)) {
    return fail("opening the database", error);
  }
  for (int i = 0; i < TENANTS; i++) {
    snprintf(slug, sizeof slug, "loop-%d", i);
    if (make_tenant(db, slug, &error)) {
      return fail("making a tenant", error);
    }
  }
  if (start_all(db, queries, &error)) {
    return fail("starting the queries", error);
  }
  double began = now();
  if (loop(queries, &error)) {
    return fail("stepping", error);
  }
  double took = now() - began;
  printf("%d scoped queries of %d tenants, all under way at once on one thread: every answer was its own\n",
         QUERIES, TENANTS);
  fprintf(stderr, "%.2f s; one after the other: %.0f s\n", took, QUERIES * 0.05);
  for (int i = 0; i < QUERIES; i++) {
    tenantdb_session_close(queries[i].session);
  }
  tenantdb_close(db);
  return EXIT_SUCCESS;
}

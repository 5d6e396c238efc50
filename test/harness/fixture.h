/* SPDX-License-Identifier: PostgreSQL */
/*
 * A small registry, a database opened with some options, and one-line answers:
 * what most tests of tenants and sessions begin with.
 */
#ifndef TNDB_FIXTURE_H
#define TNDB_FIXTURE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness.h"

/* Shared: plans, which tenants may read, and secrets, which they may not. Tenant: notes and items. */
static inline tenantdb_registry *fixture_registry(void) {
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *central = tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED);
  tenantdb_base *service = tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(central,
                    "CREATE TABLE plans (id integer PRIMARY KEY, name text NOT NULL);"
                    "CREATE TABLE secrets (id integer PRIMARY KEY, value text);");
  tenantdb_table_grant(tenantdb_base_table(central, "plans"), "SELECT");
  tenantdb_table *notes = tenantdb_base_table(service, "notes");
  tenantdb_table_column(notes, "id", "bigint", "GENERATED ALWAYS AS IDENTITY PRIMARY KEY");
  tenantdb_table_column(notes, "body", "text", "NOT NULL");
  tenantdb_table_column(notes, "at", "timestamptz", "NOT NULL DEFAULT now()");
  tenantdb_table_index(notes, "notes_at", "(at DESC)");
  tenantdb_base_sql(
      service,
      "CREATE TABLE items (id serial PRIMARY KEY, note_id bigint REFERENCES notes (id) ON DELETE "
      "CASCADE, n integer CONSTRAINT n_positive CHECK (n > 0));"
      "CREATE INDEX items_note ON items (note_id)");
  return registry;
}

/* A configuration with options as key, value, …, NULL; "url" is just the database's. */
static inline tenantdb_config *fixture_config(const char *url, const char *const *options) {
  tenantdb_error *error = NULL;
  tenantdb_config *config = harness_config(url);
  for (; options && *options; options += 2) {
    harness_assert_ok(tenantdb_config_set(config, options[0], options[1], &error), error);
  }
  return config;
}

#define FIXTURE_OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Opened with the registry (taken; NULL for the fixture's) and options, not bootstrapped. */
static inline tenantdb *fixture_open(const char *url, tenantdb_registry *registry,
                                     const char *const *options) {
  tenantdb *db = NULL;
  tenantdb_error *error = NULL;
  tenantdb_config *config = fixture_config(url, options);
  registry = registry ? registry : fixture_registry();
  harness_assert_ok(tenantdb_open(config, registry, &db, &error), error);
  tenantdb_config_free(config);
  tenantdb_registry_free(registry);
  return db;
}

/* The same, bootstrapped. */
static inline tenantdb *fixture_ready(const char *url, const char *const *options) {
  tenantdb_error *error = NULL;
  tenantdb *db = fixture_open(url, NULL, options);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  return db;
}

/* What tenantdb_open() fails with; the error is the caller's. */
static inline tenantdb_error *fixture_refused(const char *url, tenantdb_registry *registry,
                                              const char *const *options) {
  tenantdb *db = NULL;
  tenantdb_error *error = NULL;
  tenantdb_config *config = fixture_config(url, options);
  (void)tenantdb_open(config, registry, &db, &error);
  assert_null(db);
  assert_non_null(error);
  tenantdb_config_free(config);
  return error;
}

/* Status, reason and a part of the message of an error, which is freed. */
#define fixture_assert_error(error, status, reason, text)                                                 \
  do {                                                                                                    \
    tenantdb_error *fixture_error = (error);                                                              \
    harness_check_status(tenantdb_error_status(fixture_error), fixture_error, (status), (reason), #error, \
                         __FILE__, __LINE__);                                                             \
    harness_check_message(fixture_error, (text), __FILE__, __LINE__);                                     \
    tenantdb_error_free(fixture_error);                                                                   \
  } while (0)

/* A call that must fail so: the error goes into a variable `error` and is freed. */
#define fixture_assert_refused(call, error, status, reason, text) \
  do {                                                            \
    harness_assert_status(call, error, status, reason);           \
    harness_check_message((error), (text), __FILE__, __LINE__);   \
    tenantdb_error_free(error);                                   \
    (error) = NULL;                                               \
  } while (0)

static inline tenantdb_tenant *fixture_tenant(tenantdb *db, const char *slug) {
  tenantdb_tenant *tenant = NULL;
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_tenant_create(db, slug, NULL, &tenant, &error), error);
  return tenant;
}

static inline tenantdb_session *fixture_session(tenantdb *db, const char *tenant) {
  tenantdb_session *session = NULL;
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_session_open(db, tenant, NULL, &session, &error), error);
  return session;
}

/* A statement that must succeed. */
static inline void fixture_run(tenantdb_session *session, const char *sql) {
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_session_query(session, sql, NULL, NULL, &error), error);
}

/* The first cell of a query that must succeed, "" for NULL and no row. Lasts until the next call. */
static inline const char *fixture_cell(tenantdb_session *session, const char *sql) {
  static char cell[4096];
  tenantdb_result *result = NULL;
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_session_query(session, sql, NULL, &result, &error), error);
  const char *value = tenantdb_result_value(result, 0, 0);
  snprintf(cell, sizeof cell, "%s", value ? value : "");
  tenantdb_result_free(result);
  return cell;
}

/* What tenantdb_tenant_verify() finds, as "finding object;" one after the other. Lasts until the next call.
 */
static inline const char *fixture_findings(tenantdb *db, const char *tenant) {
  static char all[8192];
  tenantdb_result *result = NULL;
  tenantdb_error *error = NULL;
  size_t length = 0;
  harness_assert_ok(tenantdb_tenant_verify(db, tenant, &result, &error), error);
  all[0] = '\0';
  for (int32_t i = 0; i < tenantdb_result_rows(result) && length < sizeof all; i++) {
    length += (size_t)snprintf(all + length, sizeof all - length, "%s %s;",
                               tenantdb_result_value(result, i, 1), tenantdb_result_value(result, i, 2));
  }
  tenantdb_result_free(result);
  return all;
}

/* ---------------------------------------------------------------- sweeps */

/* How long a program that tries many points may take: TENANTDB_TEST_BUDGET in seconds, else a few. */
static inline int64_t fixture_budget_ms(void) {
  const char *budget = getenv("TENANTDB_TEST_BUDGET");
  const char *quick = getenv("TENANTDB_TEST_QUICK");
  return budget && *budget ? strtoll(budget, NULL, 10) * 1000 : quick && *quick ? 3000 : 10000;
}

/* The clock that budgets are measured by. */
static inline int64_t fixture_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * Which of `total` points to try when one costs `cost_ms` and `share_ms` are
 * there: every one, or every second … one. The last `tail` are always tried.
 */
static inline int64_t fixture_next(int64_t at, int64_t total, int64_t tail, int64_t cost_ms,
                                   int64_t share_ms) {
  int64_t stride = total * (cost_ms > 0 ? cost_ms : 1) / (share_ms > 0 ? share_ms : 1) + 1;
  int64_t last = total - tail;
  if (at >= last) {
    return at + 1;
  }
  return at + stride < last ? at + stride : last;
}

/* A seed for random moments, printed so that a run can be repeated with TENANTDB_TEST_SEED. */
static inline unsigned fixture_seed(void) {
  const char *given = getenv("TENANTDB_TEST_SEED");
  unsigned seed = given && *given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)fixture_now_ms();
  print_message("TENANTDB_TEST_SEED=%u\n", seed);
  return seed;
}

static inline unsigned fixture_random(unsigned *seed, unsigned below) {
  *seed = *seed * 1664525u + 1013904223u;
  return (*seed >> 8) % below;
}

static inline void fixture_pause_us(int64_t microseconds) {
  struct timespec time = {(time_t)(microseconds / 1000000), (long)(microseconds % 1000000) * 1000};
  nanosleep(&time, NULL);
}

/*
 * How many traces of half tenants there are: schemas, roles and rows that do not
 * belong together. 0 is what every fault must leave.
 */
static inline int64_t fixture_halves(const char *url) {
  return harness_count(
      url,
      "WITH t AS (SELECT * FROM tenantdb.tenants), living AS (SELECT * FROM t WHERE state IN ('active', "
      "'suspended', 'archived')), ours AS (SELECT nspname, obj_description(oid, 'pg_namespace') AS mark FROM "
      "pg_namespace WHERE obj_description(oid, 'pg_namespace') LIKE 'libtenantdb tenant %%') "
      "SELECT (SELECT count(*) FROM living WHERE schema_name NOT IN (SELECT nspname FROM ours))"
      " + (SELECT count(*) FROM living WHERE role_name IS NOT NULL AND role_name NOT IN (SELECT rolname FROM "
      "pg_roles))"
      " + (SELECT count(*) FROM ours WHERE nspname NOT IN (SELECT schema_name FROM t WHERE state NOT IN "
      "('deleted', 'pending')))"
      " + (SELECT count(*) FROM t WHERE state IN ('deleted', 'pending') AND role_name IN (SELECT rolname "
      "FROM "
      "pg_roles))"
      " + (SELECT count(*) FROM t WHERE state IN ('provisioning', 'failed'))"
      " + (SELECT count(*) FROM living l WHERE 2 <> (SELECT count(*) FROM pg_tables p WHERE p.schemaname = "
      "l.schema_name))"
      " + (SELECT count(*) FROM t WHERE state <> 'deleted' AND NOT EXISTS (SELECT FROM tenantdb.operations o "
      "WHERE o.tenant_id = t.id))"
      " + (SELECT count(*) FROM pg_roles r WHERE r.rolname LIKE 'tenant\\_role\\_%%' AND EXISTS (SELECT FROM "
      "pg_shdepend d WHERE d.refobjid = r.oid AND d.dbid = (SELECT oid FROM pg_database WHERE datname = "
      "current_database())) AND r.rolname NOT IN (SELECT role_name FROM t WHERE state <> 'deleted'))");
}

#endif

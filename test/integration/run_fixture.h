/* SPDX-License-Identifier: PostgreSQL */
/*
 * A fleet that is behind: tenants made by version 1 of a set, and the set with
 * what came later.
 *
 *   1  the table notes (id, body)
 *   2  a column tag, and body NOT NULL: fails for a tenant with a note without a body
 *   3  an index on tag
 */
#ifndef TNDB_RUN_FIXTURE_H
#define TNDB_RUN_FIXTURE_H

#include "fixture.h"

#define RUN_V1 "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text)"
#define RUN_V2                                                                                               \
  "ALTER TABLE notes ADD COLUMN tag text NOT NULL DEFAULT 'none';\nALTER TABLE notes ALTER COLUMN body SET " \
  "NOT NULL"
#define RUN_V3 "CREATE INDEX notes_tag ON notes (tag)"

/* The tenant stream up to a version. */
static inline tenantdb_migrations *run_set(int upto) {
  static const char *const sql[] = {RUN_V1, RUN_V2, RUN_V3};
  tenantdb_migrations *set = tenantdb_migrations_new();
  for (int i = 0; i < upto && i < 3; i++) {
    tenantdb_migration_add(set, "tenant", i + 1, "step", sql[i]);
  }
  return set;
}

/* Opened with an empty registry, the set (taken) in use. */
static inline tenantdb *run_open(const char *url, tenantdb_migrations *set, const char *const *options) {
  tenantdb_error *error = NULL;
  tenantdb *db = fixture_open(url, tenantdb_registry_new(), options);
  harness_assert_ok(tenantdb_use_migrations(db, set, &error), error);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_migrations_free(set);
  return db;
}

/* With the set up to a version in use, and not waiting long for who died. */
static inline tenantdb *run_open_at(const char *url, int upto) {
  return run_open(url, run_set(upto), FIXTURE_OPTIONS("operation.lease", "2s"));
}

/* Tenants t001 … at version 1. */
static inline void run_fleet(const char *url, int tenants) {
  tenantdb *db = run_open(url, run_set(1), NULL);
  for (int i = 1; i <= tenants; i++) {
    char slug[16];
    snprintf(slug, sizeof slug, "t%03d", i);
    tenantdb_tenant_free(fixture_tenant(db, slug));
  }
  tenantdb_close(db);
}

/* As a superuser in a tenant's schema, behind the library's back. */
#define run_in_tenant(url, slug, sql)                                                               \
  do {                                                                                              \
    char *run_schema =                                                                              \
        harness_value((url), "SELECT schema_name FROM tenantdb.tenants WHERE slug = '%s'", (slug)); \
    harness_sql((url), "SET search_path = \"%s\"; %s", run_schema, (sql));                          \
    free(run_schema);                                                                               \
  } while (0)

/* A note that version 2 fails on, and its cure. */
#define run_spoil(url, slug) run_in_tenant(url, slug, "INSERT INTO notes (body) VALUES (NULL)")
#define run_mend(url, slug) run_in_tenant(url, slug, "DELETE FROM notes WHERE body IS NULL")

/* Options as key, value, …, NULL. */
static inline tenantdb_run_options *run_options(const char *const *pairs) {
  tenantdb_run_options *options = tenantdb_run_options_new();
  for (; pairs && *pairs; pairs += 2) {
    tenantdb_run_options_set(options, pairs[0], pairs[1]);
  }
  return options;
}

static inline tenantdb_status run_migrate(tenantdb *db, const char *const *pairs, tenantdb_run **run,
                                          tenantdb_error **error) {
  tenantdb_run_options *options = run_options(pairs);
  tenantdb_status status = tenantdb_migrate(db, options, run, error);
  tenantdb_run_options_free(options);
  return status;
}

/* A cell of tenantdb_run_progress(), as a number. */
static inline int64_t run_progress(tenantdb_run *run, const char *column) {
  tenantdb_result *result = NULL;
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_run_progress(run, &result, &error), error);
  int32_t at = tenantdb_result_column(result, column);
  assert_true(at >= 0);
  const char *value = tenantdb_result_value(result, 0, at);
  int64_t number = value ? strtoll(value, NULL, 10) : -1;
  tenantdb_result_free(result);
  return number;
}

/* A cell of it as text. Lasts until the next call. */
static inline const char *run_text(tenantdb_run *run, const char *column) {
  static char text[512];
  tenantdb_result *result = NULL;
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_run_progress(run, &result, &error), error);
  int32_t at = tenantdb_result_column(result, column);
  assert_true(at >= 0);
  const char *value = tenantdb_result_value(result, 0, at);
  snprintf(text, sizeof text, "%s", value ? value : "");
  tenantdb_result_free(result);
  return text;
}

/* How many members are in these states. */
static inline int run_count(tenantdb_run *run, const char *states) {
  tenantdb_result *result = NULL;
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_run_members(run, states, NULL, 100000, &result, &error), error);
  int rows = tenantdb_result_rows(result);
  tenantdb_result_free(result);
  return rows;
}

/* How many tenants are of a version. */
static inline int64_t run_at(const char *url, int version) {
  return harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE version = %d AND state <> 'deleted'",
                       version);
}

/* Rows of the ledger that say done where the schema is not so, and the other way round; 0 is what must be. */
static inline int64_t run_lies(const char *url) {
  return harness_count(
      url,
      "SELECT count(*) FROM tenantdb.tenants t WHERE t.state NOT IN ('deleted', 'pending') AND ("
      " (t.version >= 2) <> EXISTS (SELECT FROM information_schema.columns c WHERE c.table_schema = "
      "t.schema_name"
      " AND c.table_name = 'notes' AND c.column_name = 'tag') OR (t.version >= 3) <> EXISTS (SELECT FROM"
      " pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
      "WHERE"
      " n.nspname = t.schema_name AND c.relname = 'notes_tag' AND i.indisvalid) OR t.version <> (SELECT"
      " max(version) FROM tenantdb.migrations m WHERE m.tenant_id = t.id AND m.state = 'done'))");
}

#endif

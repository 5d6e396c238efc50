/* SPDX-License-Identifier: PostgreSQL */
/* Migrations that lead, step by step, to what fixture_registry() declares. */
#ifndef TNDB_FIXTURE_MIGRATIONS_H
#define TNDB_FIXTURE_MIGRATIONS_H

#include "fixture.h"

/* The newest versions of the two streams. */
enum { FIXTURE_SHARED = 2, FIXTURE_TENANT = 4 };

static const char fixture_notes_sql[] =
    "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL)";
static const char fixture_items_sql[] =
    "CREATE TABLE items (id serial PRIMARY KEY, note_id bigint REFERENCES notes (id) ON DELETE CASCADE,\n"
    "  n integer CONSTRAINT n_positive CHECK (n > 0));\n"
    "CREATE INDEX items_note ON items (note_id);\n";

/* The first `count` migrations of the tenant stream, and the shared one. */
static inline tenantdb_migrations *fixture_migrations(int count) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  assert_non_null(set);
  tenantdb_migration_add(set, "shared", 1, "plans",
                         "CREATE TABLE plans (id integer PRIMARY KEY, name text NOT NULL)");
  tenantdb_migration_add(set, "shared", 2, "secrets",
                         "CREATE TABLE secrets (id integer PRIMARY KEY, value text)");
  if (count >= 1) {
    tenantdb_migration_add(set, "tenant", 1, "notes", fixture_notes_sql);
  }
  if (count >= 2) {
    tenantdb_migration_add(set, "tenant", 2, "at",
                           "ALTER TABLE notes ADD COLUMN at timestamptz NOT NULL DEFAULT now()");
  }
  if (count >= 3) {
    tenantdb_migration_add(
        set, "tenant", 3, "index",
        "-- tenantdb:tx none\nCREATE INDEX CONCURRENTLY notes_at ON {notes} (at DESC);\nVACUUM {notes};\n");
  }
  if (count >= 4) {
    tenantdb_migration_add(set, "tenant", 4, "items", fixture_items_sql);
  }
  return set;
}

/* The same with a checkpoint of version 2. */
static inline tenantdb_migrations *fixture_migrations_from_checkpoint(void) {
  tenantdb_migrations *set = fixture_migrations(FIXTURE_TENANT);
  tenantdb_migration_add_checkpoint(
      set, 2, "both",
      "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n"
      "  body text NOT NULL, at timestamptz NOT NULL DEFAULT now())");
  return set;
}

/* Let a database use a set, which is let go of. */
static inline void fixture_use(tenantdb *db, tenantdb_migrations *set) {
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_use_migrations(db, set, &error), error);
  tenantdb_migrations_free(set);
}

/* A registry without tables of tenants. */
static inline tenantdb_registry *fixture_empty_registry(void) {
  return tenantdb_registry_new();
}

/* A database of that name's own, opened, with a set in use, and bootstrapped. */
static inline tenantdb *fixture_migrated(const char *url, tenantdb_registry *registry,
                                         tenantdb_migrations *set, const char *const *options) {
  tenantdb_error *error = NULL;
  tenantdb *db = fixture_open(url, registry, options);
  fixture_use(db, set);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  return db;
}

/* A cell of a table that a call answered, "" for NULL. */
static inline const char *fixture_value(const tenantdb_result *result, int32_t row, const char *column) {
  for (int32_t i = 0; i < tenantdb_result_columns(result); i++) {
    if (strcmp(tenantdb_result_name(result, i), column) == 0) {
      const char *value = tenantdb_result_value(result, row, i);
      return value ? value : "";
    }
  }
  fail_msg("there is no column %s", column);
  return "";
}

/* What the ledger holds of a tenant ("": the shared stream), as "version name kind state; …". Until the next call. */
static inline const char *fixture_ledger(tenantdb *db, const char *tenant) {
  static char all[4096];
  tenantdb_result *result = NULL;
  tenantdb_error *error = NULL;
  size_t length = 0;
  harness_assert_ok(tenantdb_migration_history(db, *tenant ? tenant : NULL, &result, &error), error);
  all[0] = '\0';
  for (int32_t i = 0; i < tenantdb_result_rows(result) && length < sizeof all; i++) {
    const char *name = fixture_value(result, i, "name");
    length += (size_t)snprintf(all + length, sizeof all - length, "%s%s%s %s %s;",
                               fixture_value(result, i, "version"), *name ? " " : "", name,
                               fixture_value(result, i, "kind"), fixture_value(result, i, "state"));
  }
  tenantdb_result_free(result);
  return all;
}

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * An application whose tables are in schema public and are to be in "teddy-ai":
 * with sequences of every kind, an enumeration, functions, a trigger, views,
 * grants to a role of its own, and names that need quotes.
 */
#ifndef TNDB_RELOCATE_FIXTURE_H
#define TNDB_RELOCATE_FIXTURE_H

#include "fixture.h"

#define RELOCATE_NEW "teddy-ai"
/* What a schema holds, in an order, as one text. */
#define RELOCATE_TABLES                                                                                     \
  "SELECT coalesce(string_agg(c.relkind::text || ':' || c.relname, ' ' ORDER BY c.relname COLLATE \"C\"), " \
  "'')"                                                                                                     \
  " FROM pg_class c WHERE c.relnamespace = to_regnamespace('\"%s\"') AND c.relname NOT LIKE 'pg%%' AND "    \
  "c.relkind IN ('r', 'v', 'm', 'S', "                                                                      \
  "'p')"

#define relocate_assert_holds(url, schema, text)                   \
  do {                                                             \
    char *holds = harness_value((url), RELOCATE_TABLES, (schema)); \
    assert_string_equal(holds, (text));                            \
    free(holds);                                                   \
  } while (0)

/* What schema public holds at first, and while the tables are elsewhere behind views; and elsewhere then. */
#define RELOCATE_OLD_TABLES \
  "r:Odd Name r:conversations S:conversations_id_seq v:sad_users S:tickets r:users S:users_id_seq"
#define RELOCATE_OLD_VIEWS "v:Odd Name v:conversations v:sad_users S:tickets v:users S:users_id_seq"
#define RELOCATE_NEW_STANDING "r:Odd Name r:conversations S:conversations_id_seq v:sad_users r:users"

static inline tenantdb_registry *relocate_registry(void) {
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *central = tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED);
  tenantdb_base *service = tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(
      central,
      "CREATE TYPE mood AS ENUM ('sad', 'fine');"
      "CREATE SEQUENCE tickets;"
      "CREATE FUNCTION shorten(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT left(t, 20)';"
      "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.touched := NEW.touched + 1; "
      "RETURN NEW; END';"
      "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, mood mood NOT NULL DEFAULT "
      "'fine',"
      " short text GENERATED ALWAYS AS (shorten(email)) STORED, touched integer NOT NULL DEFAULT 0,"
      " ticket bigint NOT NULL DEFAULT nextval('tickets'), at timestamptz NOT NULL DEFAULT now());"
      "CREATE TABLE conversations (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id integer NOT "
      "NULL REFERENCES users (id) ON DELETE CASCADE, title text NOT NULL CHECK (title <> ''));"
      "CREATE TABLE \"Odd Name\" (\"a \"\"b\" integer PRIMARY KEY, \"select\" text, moods mood[]);"
      "CREATE INDEX users_at ON users (at DESC) WHERE touched > 0;"
      "CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();"
      "CREATE VIEW sad_users AS SELECT id, email FROM users WHERE mood = 'sad';");
  tenantdb_base_grant(central, "SELECT, INSERT");
  tenantdb_base_sql(service,
                    "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                    " user_id integer REFERENCES users (id), body text)");
  return registry;
}

static inline tenantdb *relocate_open(const char *url, const char *schema) {
  return fixture_open(url, relocate_registry(), FIXTURE_OPTIONS("database.schema", schema));
}

/* A database as the application has it, with rows; its tables in public. */
static inline const char *relocate_old(tenantdb **db) {
  tenantdb_error *error = NULL;
  const char *url = harness_database();
  *db = relocate_open(url, "public");
  harness_assert_ok(tenantdb_bootstrap(*db, &error), error);
  harness_sql(
      url,
      "INSERT INTO users (email, mood) SELECT 'u' || i, CASE i %% 3 WHEN 0 THEN 'sad' ELSE 'fine' "
      "END::mood FROM generate_series(1, 30) i;"
      "INSERT INTO conversations (user_id, title) SELECT id, 'about ' || email FROM users;"
      "INSERT INTO \"Odd Name\" VALUES (1, 'x', '{sad}');"
      "CREATE VIEW x_theirs AS SELECT u.email, c.title FROM users u JOIN conversations c ON c.user_id "
      "= u.id");
  return url;
}

static inline int64_t relocate_server(const char *url) {
  return harness_count(url, "SELECT current_setting('server_version_num')") / 10000;
}

/* Options as key, value, …, NULL. */
static inline tenantdb_relocate_options *relocate_options(const char *const *given) {
  tenantdb_relocate_options *options = tenantdb_relocate_options_new();
  for (; given && *given; given += 2) {
    tenantdb_relocate_options_set(options, given[0], given[1]);
  }
  return options;
}

/* Every row of a plan, for a test that wants to see it. */
static inline void relocate_print(const tenantdb_result *plan) {
  for (int32_t i = 0; i < tenantdb_result_rows(plan); i++) {
    for (int32_t c = 0; c < tenantdb_result_columns(plan); c++) {
      const char *cell = tenantdb_result_value(plan, i, c);
      print_message("%s%s", c ? " | " : "  ", cell ? cell : "");
    }
    print_message("\n");
  }
}

/* How many rows have `text` in a column (0 step, 1 object, 2 sql, 3 locks, 4 state, 5 note). */
static inline int relocate_rows(const tenantdb_result *plan, int32_t column, const char *text) {
  int count = 0;
  for (int32_t i = 0; i < tenantdb_result_rows(plan); i++) {
    const char *cell = tenantdb_result_value(plan, i, column);
    count += cell && strstr(cell, text) != NULL;
  }
  return count;
}

/* A call that must succeed; its plan is the caller's. */
static inline tenantdb_result *relocate_ok(tenantdb *db, int32_t apply, const char *const *given) {
  tenantdb_error *error = NULL;
  tenantdb_result *plan = NULL;
  tenantdb_relocate_options *options = relocate_options(given);
  harness_assert_ok(tenantdb_relocate(db, options, apply, &plan, &error), error);
  tenantdb_relocate_options_free(options);
  return plan;
}

static inline void relocate_do(tenantdb *db, const char *const *given) {
  tenantdb_result_free(relocate_ok(db, 1, given));
}

/* A call that must fail; the error is the caller's, the plan too. */
static inline tenantdb_error *relocate_refused(tenantdb *db, const char *const *given,
                                               tenantdb_result **plan) {
  tenantdb_error *error = NULL;
  tenantdb_relocate_options *options = relocate_options(given);
  (void)tenantdb_relocate(db, options, 1, plan, &error);
  tenantdb_relocate_options_free(options);
  assert_non_null(error);
  return error;
}

static inline void relocate_finish(tenantdb *db, const char *const *given) {
  tenantdb_error *error = NULL;
  tenantdb_relocate_options *options = relocate_options(given);
  harness_assert_ok(tenantdb_relocate_finish(db, options, 1, NULL, &error), error);
  tenantdb_relocate_options_free(options);
}

static inline tenantdb_error *relocate_finish_refused(tenantdb *db, const char *const *given,
                                                      tenantdb_result **plan) {
  tenantdb_error *error = NULL;
  tenantdb_relocate_options *options = relocate_options(given);
  (void)tenantdb_relocate_finish(db, options, 1, plan, &error);
  tenantdb_relocate_options_free(options);
  assert_non_null(error);
  return error;
}

#define RELOCATE_AT_ONCE FIXTURE_OPTIONS("from", "public", "to", RELOCATE_NEW)
#define RELOCATE_BY_VIEWS FIXTURE_OPTIONS("from", "public", "to", RELOCATE_NEW, "way", "views")

#endif

/* SPDX-License-Identifier: PostgreSQL */
/* What the builders' tests share: a registry with names and types that need care, and running what was built. */
#ifndef TNDB_BUILT_H
#define TNDB_BUILT_H

#include "fixture.h"

static inline void built_central(tenantdb_base *central) {
  tenantdb_base_sql(central,
                    "CREATE TYPE model_kind AS ENUM ('text', 'image');"
                    "CREATE TABLE object_models (id int PRIMARY KEY, name varchar(255) NOT NULL UNIQUE,"
                    "  kind model_kind NOT NULL DEFAULT 'text');"
                    "CREATE TABLE things (id int PRIMARY KEY, name text UNIQUE, n int NOT NULL DEFAULT 0,"
                    "  kept text, version int NOT NULL DEFAULT 1);");
  tenantdb_table *odd = tenantdb_base_table(central, "a}b{{c\"d'e");
  tenantdb_table_column(odd, "order", "int", "PRIMARY KEY");
  tenantdb_table_column(odd, "{\"Group\"}", "text", NULL);
  tenantdb_base_grant(central, "SELECT, INSERT, UPDATE, DELETE");
}

static inline void built_service(tenantdb_base *service) {
  tenantdb_base_sql(
      service,
      "CREATE TYPE state AS ENUM ('draft', 'done');"
      "CREATE DOMAIN small AS int CHECK (VALUE < 100);"
      "CREATE TABLE things (id int PRIMARY KEY, name text UNIQUE, n int NOT NULL DEFAULT 0, kept text,"
      "  version int NOT NULL DEFAULT 1);"
      "CREATE TABLE contents (id int PRIMARY KEY, title text NOT NULL,"
      "  model_id int REFERENCES {Central.object_models} (id));"
      "CREATE TABLE comments (content_id int NOT NULL REFERENCES contents, n int NOT NULL, body text,"
      "  PRIMARY KEY (content_id, n));"
      "CREATE TABLE typed (id int PRIMARY KEY, v varchar(5), c char(3), b bit(4), vb varbit(6), s state,"
      "  d small, num numeric(6, 2), at timestamptz(0), day date, j jsonb, u uuid, t text[], bytes bytea,"
      "  ok boolean, f double precision, twice numeric GENERATED ALWAYS AS (num * 2) STORED);"
      "CREATE TABLE posts (id int PRIMARY KEY, a int NOT NULL, b int, c text NOT NULL, d timestamptz);"
      "CREATE TABLE numbered (n int PRIMARY KEY);"
      "CREATE VIEW titles AS SELECT id, title FROM contents;");
  tenantdb_table *user = tenantdb_base_table(service, "user");
  tenantdb_table_column(user, "order", "int", "PRIMARY KEY");
  tenantdb_table_column(user, "{\"Group\"}", "text", NULL);
  tenantdb_table *odd = tenantdb_base_table(service, "x}; DROP TABLE \"y\" {");
  tenantdb_table_column(odd, "order", "int", "PRIMARY KEY");
  tenantdb_table_column(odd, "{\"Group\"}", "text", NULL);
  tenantdb_table *upper = tenantdb_base_table(service, "Sélect");
  tenantdb_table_column(upper, "order", "int", "PRIMARY KEY");
  tenantdb_table_column(upper, "{\"Group\"}", "text", NULL);
}

static inline tenantdb_registry *built_registry(void) {
  tenantdb_registry *registry = tenantdb_registry_new();
  built_central(tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED));
  built_service(tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT));
  return registry;
}

/* A database of that registry with the tenants "a" and "b". */
static inline tenantdb *built_open(const char *url) {
  tenantdb_error *error = NULL;
  tenantdb *db = fixture_open(url, built_registry(), NULL);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_tenant_free(fixture_tenant(db, "b"));
  return db;
}

/* Finish and free. */
static inline tenantdb_statement *built(tenantdb_builder *builder) {
  tenantdb_statement *statement = NULL;
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_builder_finish(builder, &statement, &error), error);
  tenantdb_builder_free(builder);
  return statement;
}

/* Values as text, NULL for SQL NULL. */
#define VALUES(...) \
  ((const char *const[]){__VA_ARGS__}), sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)
#define NO_VALUES NULL, 0

static inline tenantdb_params *built_params(const char *const *values, size_t n) {
  tenantdb_params *params = tenantdb_params_new();
  for (size_t i = 0; i < n; i++) {
    tenantdb_params_text(params, values[i]);
  }
  return params;
}

/* The rows as "a|b c|d", NULL as "-". Lasts until the next but three. */
static inline const char *built_rows(const tenantdb_result *result) {
  static char texts[4][16384];
  static int turn;
  char *text = texts[turn = (turn + 1) % 4];
  size_t length = 0;
  text[0] = '\0';
  for (int32_t row = 0; row < tenantdb_result_rows(result); row++) {
    for (int32_t column = 0; column < tenantdb_result_columns(result); column++) {
      const char *value = tenantdb_result_value(result, row, column);
      length += (size_t)snprintf(text + length, sizeof texts[0] - length, "%s%s",
                                 column ? "|"
                                 : row  ? " "
                                        : "",
                                 value ? value : "-");
      assert_true(length < sizeof texts[0]);
    }
  }
  return text;
}

/* Run what was built, and free the builder: its rows, and how many were touched. */
static inline const char *built_run(tenantdb_session *session, tenantdb_builder *builder,
                                    const char *const *values, size_t n, int64_t *affected) {
  tenantdb_error *error = NULL;
  tenantdb_result *result = NULL;
  tenantdb_statement *statement = built(builder);
  tenantdb_params *params = built_params(values, n);
  harness_assert_ok(tenantdb_session_run(session, statement, params, &result, &error), error);
  if (affected) {
    *affected = tenantdb_result_affected(result);
  }
  const char *rows = built_rows(result);
  tenantdb_result_free(result);
  tenantdb_params_free(params);
  tenantdb_statement_free(statement);
  return rows;
}

/* What the server refuses it with: its SQLSTATE. Lasts until the next call. */
static inline const char *built_refused(tenantdb_session *session, tenantdb_builder *builder,
                                        const char *const *values, size_t n) {
  static char sqlstate[6];
  tenantdb_error *error = NULL;
  tenantdb_statement *statement = built(builder);
  tenantdb_params *params = built_params(values, n);
  assert_int_not_equal(tenantdb_session_run(session, statement, params, NULL, &error), TENANTDB_OK);
  snprintf(sqlstate, sizeof sqlstate, "%s", tenantdb_error_sqlstate(error));
  tenantdb_error_free(error);
  tenantdb_params_free(params);
  tenantdb_statement_free(statement);
  return sqlstate;
}

#endif

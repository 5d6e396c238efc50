/* SPDX-License-Identifier: PostgreSQL */
/*
 * What tests of clones and archives copy: tables in a cycle, one that refers to
 * itself, types of the tenant's own, names with quotes in them, columns that are
 * computed, a trigger that would betray itself, references to shared rows.
 */
#ifndef TNDB_ARCHIVE_REGISTRY_H
#define TNDB_ARCHIVE_REGISTRY_H

#include "dumped.h"

#define ARCHIVE_TABLES 8 /* in a tenant's schema, partitions not counted */

static inline tenantdb_registry *archive_registry(void) {
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *central = tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED);
  tenantdb_base *service = tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(central,
                    "CREATE TABLE plans (id integer PRIMARY KEY, name text NOT NULL UNIQUE);"
                    "CREATE TABLE regions (country text, code text, PRIMARY KEY (country, code))");
  tenantdb_base_sql(
      service,
      "CREATE TYPE mood AS ENUM ('glad', 'so ''so''', 'sad');"
      "CREATE DOMAIN share AS numeric(5,2) CHECK (VALUE >= 0);"
      "CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper($1) $$;"
      "CREATE FUNCTION betray() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.body := 'fired'; RETURN "
      "NEW; "
      "END $$;"
      "CREATE TABLE authors (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE,"
      " mood mood, moods mood[], part share, best_note bigint REFERENCES notes (id),"
      " loud text GENERATED ALWAYS AS (upper(name)) STORED);"
      "CREATE TABLE notes (id bigserial PRIMARY KEY, author_id bigint NOT NULL REFERENCES authors (id),"
      " parent_id bigint REFERENCES notes (id), body text, data jsonb, raw bytea, tags text[], at "
      "timestamptz,"
      " plan_id integer REFERENCES plans (id), country text, region text,"
      " FOREIGN KEY (country, region) REFERENCES regions (country, code));"
      "CREATE INDEX notes_body ON notes (shout(body));"
      "CREATE UNIQUE INDEX notes_author ON notes (author_id, id);"
      "CREATE TRIGGER betray BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION betray();"
      "CREATE TABLE links (author_id bigint, note_id bigint,"
      " FOREIGN KEY (author_id, note_id) REFERENCES notes (author_id, id));"
      "CREATE SEQUENCE tickets START 100;"
      "CREATE MATERIALIZED VIEW totals AS SELECT author_id, count(*) AS n FROM notes GROUP BY author_id;"
      "CREATE TABLE events (day date NOT NULL, n integer) PARTITION BY RANGE (day);"
      "CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2024-01-01');"
      "CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2024-01-01') TO (MAXVALUE);"
      "CREATE TABLE \"odd \"\" table\" (\"a \"\"b\"\" c\" text, \"Select\" integer);"
      "CREATE TABLE plus (amount integer NOT NULL); CREATE TABLE minus (amount integer NOT NULL);"
      "COMMENT ON CONSTRAINT notes_plan_id_fkey ON notes IS 'the plan';"
      "CREATE TABLE empty (a integer DEFAULT 7, b text)");
  return registry;
}

static inline tenantdb *archive_open(const char *url, const char *const *options) {
  tenantdb_error *error = NULL;
  tenantdb *db = fixture_open(url, archive_registry(), options);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  return db;
}

/* Rows of every kind, written past the trigger. Free the schema's name. */
static inline char *archive_fill(const char *url, tenantdb *db, const char *slug) {
  tenantdb_tenant *tenant = fixture_tenant(db, slug);
  char *schema = harness_value(url, "SELECT quote_ident('%s')", tenantdb_tenant_schema(tenant));
  tenantdb_tenant_free(tenant);
  harness_sql(
      url,
      "SET session_replication_role = replica; SET search_path = %s;"
      "INSERT INTO authors (name, mood, moods, part) VALUES ('Ann', 'glad', '{sad,\"so ''so''\"}', 1.5),"
      " (E'B\\nob\\t\\\\', NULL, NULL, NULL), ('', 'so ''so''', '{}', 999.99);"
      "INSERT INTO notes (author_id, parent_id, body, data, raw, tags, at, plan_id, country, region)"
      " SELECT 1 + i %% 3, nullif(i - 1, 0), CASE i %% 4 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN "
      "E'line\\nbreak\\\\.\\n\\\\N\\t' ELSE 'text ' || i END, jsonb_build_object('i', i, 'x', E'\\n\"'), "
      "decode(lpad(to_hex(i), 8, '0') || '00ff0a5c', 'hex'), ARRAY['a,b', NULL, '\"', E'\\\\'], "
      "'2024-01-01 00:00Z'::timestamptz + i * interval '1 microsecond', CASE WHEN i %% 5 < 2 THEN i %% 5 + "
      "1 END, CASE WHEN i %% 2 = 0 THEN 'AT' END, CASE WHEN i %% 2 = 0 THEN '7' END FROM "
      "generate_series(1, 100) i;"
      "UPDATE authors SET best_note = 100 - id;"
      "INSERT INTO links SELECT author_id, id FROM notes WHERE id < 20;"
      "INSERT INTO events SELECT '2023-12-01'::date + i, i FROM generate_series(1, 60) i;"
      "INSERT INTO \"odd \"\" table\" VALUES (E'\\'\"\\n', 1), (NULL, NULL);"
      "INSERT INTO plus VALUES (5); INSERT INTO minus VALUES (-5);"
      "SELECT nextval('tickets'), nextval('tickets');"
      "REFRESH MATERIALIZED VIEW totals",
      schema);
  return schema;
}

/* The shared rows that those refer to. */
static inline void archive_shared(const char *url) {
  harness_sql(url,
              "INSERT INTO plans VALUES (1, 'free'), (2, E'\"gold\"\\n'), (3, 'unused');"
              "INSERT INTO regions VALUES ('AT', '7'), ('AT', '9')");
}

/* All rows of a table of a schema (quoted) as one text, to be compared. free() it. */
static inline char *archive_rows(const char *url, const char *schema, const char *table) {
  return harness_value(
      url, "SELECT count(*) || coalesce(string_agg(r::text, '|' ORDER BY r::text), '') FROM %s.%s r", schema,
      table);
}

/* The quoted schema of a living tenant. free() it. */
static inline char *archive_schema(const char *url, const char *slug) {
  return harness_value(
      url, "SELECT quote_ident(schema_name) FROM tenantdb.tenants WHERE slug = '%s' AND state <> 'deleted'",
      slug);
}

static const char *const archive_tables[] = {
    "authors", "notes", "links", "totals", "events", "events_old", "\"odd \"\" table\"",
    "plus",    "minus", "empty"};

/* Two tenants, of one database or of two, have the same rows and stand at the same numbers. */
static inline void archive_assert_same(const char *url, const char *schema, const char *other_url,
                                       const char *other) {
  for (size_t i = 0; i < sizeof archive_tables / sizeof archive_tables[0]; i++) {
    char *a = archive_rows(url, schema, archive_tables[i]);
    char *b = archive_rows(other_url, other, archive_tables[i]);
    assert_string_equal(a, b);
    free(a);
    free(b);
  }
  static const char *const sequences[] = {"authors_id_seq", "notes_id_seq", "tickets"};
  for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
    char *a = harness_value(url, "SELECT (last_value, is_called)::text FROM %s.%s", schema, sequences[i]);
    char *b =
        harness_value(other_url, "SELECT (last_value, is_called)::text FROM %s.%s", other, sequences[i]);
    assert_string_equal(a, b);
    free(a);
    free(b);
  }
}

/* What pg_dump says of a tenant's schema; "" when it cannot dump this server. free() it. */
static inline char *archive_dump(const char *url, const char *slug) {
  char *schema = harness_value(
      url, "SELECT schema_name FROM tenantdb.tenants WHERE slug = '%s' AND state <> 'deleted'", slug);
  char *text = dumped(url, schema, false);
  free(schema);
  return text ? text : calloc(1, 1);
}

#endif

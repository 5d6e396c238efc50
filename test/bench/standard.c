/* SPDX-License-Identifier: PostgreSQL */
#include "standard.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

/* Requests and results of one service. */
#define SERVICE(name, request, result)                                                 \
  "CREATE TABLE " name                                                                 \
  "_requests (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id text NOT NULL, "  \
  "api_key text, model text NOT NULL, " request                                        \
  ", status text NOT NULL DEFAULT 'pending', error text, "                             \
  "created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz);"            \
  "CREATE INDEX " name "_requests_user ON " name                                       \
  "_requests (user_id, created_at DESC);"                                              \
  "CREATE INDEX " name "_requests_status ON " name                                     \
  "_requests (status);"                                                                \
  "CREATE TABLE " name                                                                 \
  "_results (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), request_id uuid NOT NULL " \
  "REFERENCES " name "_requests (id) ON DELETE CASCADE, " result                       \
  ", confidence double precision, "                                                    \
  "processing_ms integer, created_at timestamptz NOT NULL DEFAULT now());"             \
  "CREATE INDEX " name "_results_request ON " name                                     \
  "_results (request_id);"                                                             \
  "CREATE INDEX " name "_results_created ON " name "_results (created_at);"

static const char ddl[] =
    SERVICE("nmt", "source_language text NOT NULL, target_language text NOT NULL, source_text text NOT NULL",
            "translated_text text NOT NULL")
    SERVICE("tts", "language text NOT NULL, voice text NOT NULL, input_text text NOT NULL",
            "audio_path text NOT NULL, duration_seconds double precision")
    SERVICE("asr", "language text NOT NULL, audio_path text NOT NULL, duration_seconds double precision",
            "transcript text NOT NULL, words jsonb")
    "CREATE TABLE usage_records (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id text NOT NULL, "
    "service text NOT NULL, units numeric(14, 4) NOT NULL, details jsonb NOT NULL DEFAULT '{}', "
    "recorded_at timestamptz NOT NULL DEFAULT now());"
    "CREATE INDEX usage_records_service ON usage_records (service, recorded_at);"
    "CREATE INDEX usage_records_user ON usage_records (user_id);"
    "CREATE TABLE job_queue (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), kind text NOT NULL, "
    "payload jsonb NOT NULL, priority integer NOT NULL DEFAULT 0, status text NOT NULL DEFAULT 'queued', "
    "worker text, attempts integer NOT NULL DEFAULT 0, run_at timestamptz NOT NULL DEFAULT now(), "
    "created_at timestamptz NOT NULL DEFAULT now());"
    "CREATE INDEX job_queue_next ON job_queue (status, priority DESC, run_at);"
    "CREATE INDEX job_queue_worker ON job_queue (worker) WHERE worker IS NOT NULL;";

static const char *const tables[STANDARD_TABLES] = {"nmt_requests",  "nmt_results",  "tts_requests",
                                                    "tts_results",   "asr_requests", "asr_results",
                                                    "usage_records", "job_queue"};

const char *standard_ddl(void) {
  return ddl;
}

tenantdb_registry *standard_registry(void) {
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base_sql(tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT), ddl);
  return registry;
}

BENCH_FORMAT(3, 4)
static void add(char *sql, size_t size, const char *format, ...) {
  size_t at = strlen(sql);
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(sql + at, size - at, format, arguments);
  va_end(arguments);
  if (n < 0 || (size_t)n >= size - at)
    bench_die("a text of more than %zu bytes", size);
}

void standard_bare_sql(char *sql, size_t size, const char *schema) {
  sql[0] = '\0';
  add(sql, size, "BEGIN;CREATE SCHEMA \"%s\";SET LOCAL search_path TO \"%s\";", schema, schema);
  add(sql, size, "%s", ddl);
  add(sql, size, "COMMIT");
}

/* Columns, checks and indexes of the library's own catalog: the same work for the server. */
static const char catalog[] =
    "CREATE SCHEMA bench_catalog;"
    "CREATE TABLE bench_catalog.tenants (id uuid PRIMARY KEY, slug text NOT NULL, name text, schema_name "
    "text NOT NULL, role_name text, state text NOT NULL CHECK (state IN ('pending', 'provisioning', "
    "'active', 'failed', 'suspended', 'archived', 'deleting', 'deleted')), generation bigint NOT NULL "
    "DEFAULT 1, registry_hash text, properties jsonb NOT NULL DEFAULT '{}' CHECK "
    "(jsonb_typeof(properties) = 'object'), created_at timestamptz NOT NULL DEFAULT now(), updated_at "
    "timestamptz NOT NULL DEFAULT now(), purge_after timestamptz, deleted_at timestamptz);"
    "CREATE UNIQUE INDEX ON bench_catalog.tenants (lower(slug COLLATE \"C\")) WHERE state <> 'deleted';"
    "CREATE UNIQUE INDEX ON bench_catalog.tenants (lower(schema_name COLLATE \"C\")) WHERE state <> "
    "'deleted';"
    "CREATE UNIQUE INDEX ON bench_catalog.tenants (role_name) WHERE state <> 'deleted';"
    "CREATE TABLE bench_catalog.operations (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, kind text NOT "
    "NULL, state text NOT NULL CHECK (state IN ('running', 'done')), idempotency_key text, request_hash "
    "text, owner uuid, lease_until timestamptz, attempts integer NOT NULL DEFAULT 1, started_at "
    "timestamptz NOT NULL DEFAULT now(), finished_at timestamptz, CHECK (state <> 'running' OR "
    "lease_until IS NOT NULL), CHECK (idempotency_key IS NULL OR request_hash IS NOT NULL));"
    "CREATE UNIQUE INDEX ON bench_catalog.operations (idempotency_key) WHERE idempotency_key IS NOT NULL;"
    "CREATE UNIQUE INDEX ON bench_catalog.operations (tenant_id) WHERE state = 'running';"
    "CREATE INDEX ON bench_catalog.operations (tenant_id, started_at);"
    "CREATE TABLE bench_catalog.audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at "
    "timestamptz NOT NULL DEFAULT clock_timestamp(), tenant_id uuid NOT NULL, operation_id uuid NOT "
    "NULL, action text NOT NULL, from_state text, to_state text, actor text NOT NULL DEFAULT "
    "session_user, detail jsonb);"
    "CREATE INDEX ON bench_catalog.audit (tenant_id, id);"
    "DO $$BEGIN CREATE ROLE bench_group NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END$$";

void standard_make_catalog(PGconn *conn) {
  PGresult *result = PQexec(conn, "SELECT to_regclass('bench_catalog.audit') IS NULL");
  bench_expect(conn, result, PGRES_TUPLES_OK, "looking for the catalog");
  if (PQgetvalue(result, 0, 0)[0] == 't')
    bench_sql(conn, catalog);
  PQclear(result);
}

static void add_table_list(char *sql, size_t size, const char *before, const char *after) {
  for (int i = 0; i < STANDARD_TABLES; i++)
    add(sql, size, "%s%s%s%s", i ? "," : "", before, tables[i], after);
}

void standard_provision_sql(char *sql, size_t size, const char *slug, const char *schema, const char *role) {
  sql[0] = '\0';
  add(sql, size,
      "BEGIN;SET LOCAL lock_timeout = '10s';SELECT pg_advisory_xact_lock(1953391972, hashtext('%s'));"
      "INSERT INTO bench_catalog.tenants (id, slug, schema_name, role_name, state, registry_hash) "
      "VALUES (md5('tenant %s')::uuid, '%s', '%s', '%s', 'active', 'hash');",
      slug, slug, slug, schema, role);
  add(sql, size,
      "CREATE ROLE \"%s\" NOLOGIN IN ROLE bench_group ROLE CURRENT_USER;"
      "CREATE SCHEMA \"%s\";COMMENT ON SCHEMA \"%s\" IS 'libtenantdb tenant %s';"
      "SELECT set_config('search_path', '\"%s\", pg_temp', true);",
      role, schema, schema, slug, schema);
  add(sql, size,
      "GRANT USAGE ON SCHEMA \"%s\" TO \"%s\";"
      "ALTER DEFAULT PRIVILEGES IN SCHEMA \"%s\" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO \"%s\";"
      "ALTER DEFAULT PRIVILEGES IN SCHEMA \"%s\" GRANT USAGE, SELECT ON SEQUENCES TO \"%s\";"
      "ALTER DEFAULT PRIVILEGES IN SCHEMA \"%s\" GRANT EXECUTE ON FUNCTIONS TO \"%s\";",
      schema, role, schema, role, schema, role, schema, role);
  add(sql, size, "%s", ddl);
  add(sql, size,
      "SELECT CASE WHEN count(*) <> %d THEN ('verification failed, tables: ' || count(*))::int END "
      "FROM pg_class WHERE relkind = 'r' AND relnamespace = '\"%s\"'::regnamespace AND relname IN (",
      STANDARD_TABLES, schema);
  add_table_list(sql, size, "'", "'");
  add(sql, size,
      ");INSERT INTO bench_catalog.operations (id, tenant_id, kind, state, finished_at) "
      "VALUES (md5('operation %s')::uuid, md5('tenant %s')::uuid, 'create', 'done', now());"
      "INSERT INTO bench_catalog.audit (tenant_id, operation_id, action, to_state) "
      "VALUES (md5('tenant %s')::uuid, md5('operation %s')::uuid, 'create', 'active');COMMIT",
      slug, slug, slug, slug);
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * A speech and translation service with many customers in one database.
 *
 * What concerns all customers (who they are, their bills, who did what) stands
 * once, in the shared schema: base TenantDBBase. What they send and get back
 * stands once per customer, in a schema of their own: base ServiceSchemaBase.
 *
 * The program declares both, brings three customers on board, works for each of
 * them, proves that each table is where it belongs and that none of them can
 * read another's, and draws what is then in the database. Started again it finds
 * everything there and changes nothing. It takes its server from DATABASE_URL and
 * ends with a status other than 0 when anything is not as it says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenantdb.h>

#define N_TABLES 8
#define N_INDEXES 24
#define N_CUSTOMERS 3

typedef struct customer {
  const char *name;
  const char *email;
  const char *plan;
  const char *source; /* what they have translated */
  const char *target;
  const char *text;
  const char *translation;
  int requests; /* how many they send */
} customer;

static const customer customers[N_CUSTOMERS] = {
    {"Acme Corp", "ops@acme.example", "pro", "en", "hi", "Good morning", "सुप्रभात", 3},
    {"Café Müller & Söhne", "info@mueller.example", "free", "de", "en", "Guten Tag", "Good day", 2},
    {"O'Hara Télécom", "it@ohara.example", "pro", "fr", "en", "L'écho du réseau", "The network's echo", 1},
};

/* The statements the service runs. Each is compiled once, against the registry. */
typedef struct statements {
  tenantdb_statement *add_tenant, *add_bill, *add_log, *show_tenants;
  tenantdb_statement *add_request, *add_result, *add_usage, *add_job, *read_back;
} statements;

typedef struct service {
  tenantdb_config *config;
  tenantdb_registry *registry;
  tenantdb *db;
  statements sql;
  tenantdb_tenant *tenants[N_CUSTOMERS];
  int32_t isolation;
} service;

/* ---------------------------------------------------------------- when something is not as it should be */

/* In this program every failure is the end; a server would look at status and retry advice instead. */
static void must(tenantdb_status status, const char *what, tenantdb_error **error) {
  if (status) {
    fprintf(stderr, "%s: %s (%s)\n", what, tenantdb_error_message(*error), tenantdb_status_name(status));
    if (*tenantdb_error_hint(*error)) {
      fprintf(stderr, "hint: %s\n", tenantdb_error_hint(*error));
    }
    exit(1);
  }
}

static void must_be(int condition, const char *what) {
  if (!condition) {
    fprintf(stderr, "not as it should be: %s\n", what);
    exit(1);
  }
}

/* ---------------------------------------------------------------- what should exist */

static void declare_central(tenantdb_registry *registry) {
  tenantdb_base *base = tenantdb_registry_base(registry, "TenantDBBase", TENANTDB_BASE_SHARED);

  tenantdb_table *tenants = tenantdb_base_table(base, "tenants");
  tenantdb_table_column(tenants, "tenant_id", "uuid", "PRIMARY KEY"); /* the library's id of the tenant */
  tenantdb_table_column(tenants, "company_name", "text", "NOT NULL");
  tenantdb_table_column(tenants, "contact_email", "text", "NOT NULL");
  tenantdb_table_column(tenants, "plan", "text", "NOT NULL DEFAULT 'free'");
  tenantdb_table_column(tenants, "schema_name", "text", "NOT NULL");
  tenantdb_table_column(tenants, "created_at", "timestamptz", "NOT NULL DEFAULT now()");
  tenantdb_table_check(tenants, "tenants_plan", "plan IN ('free', 'pro')");
  tenantdb_table_unique_index(tenants, "tenants_email", "(lower(contact_email))");
  tenantdb_table_comment(tenants, NULL, "Customers, as sales and support know them");

  tenantdb_table *bills = tenantdb_base_table(base, "tenant_billing_records");
  tenantdb_table_column(bills, "id", "bigint", "GENERATED ALWAYS AS IDENTITY PRIMARY KEY");
  tenantdb_table_column(bills, "tenant_id", "uuid", "NOT NULL");
  tenantdb_table_column(bills, "period", "date", "NOT NULL");
  tenantdb_table_column(bills, "amount", "numeric(12, 2)", "NOT NULL DEFAULT 0");
  tenantdb_table_foreign_key(bills, NULL, "tenant_id", "tenants", NULL, NULL);
  tenantdb_table_unique(bills, "one_bill_a_period", "tenant_id, period");

  tenantdb_table *logs = tenantdb_base_table(base, "tenant_audit_logs");
  tenantdb_table_column(logs, "id", "bigint", "GENERATED ALWAYS AS IDENTITY PRIMARY KEY");
  tenantdb_table_column(logs, "tenant_id", "uuid", "NOT NULL REFERENCES tenants (tenant_id)");
  tenantdb_table_column(logs, "action", "text", "NOT NULL");
  tenantdb_table_column(logs, "at", "timestamptz", "NOT NULL DEFAULT now()");
  tenantdb_table_index(logs, "tenant_audit_logs_recent", "(tenant_id, at DESC)");
}

/* Requests of all three services look alike at their ends. */
static tenantdb_table *declare_request(tenantdb_base *base, const char *name) {
  tenantdb_table *table = tenantdb_base_table(base, name);
  tenantdb_table_column(table, "id", "uuid", "PRIMARY KEY DEFAULT gen_random_uuid()");
  tenantdb_table_column(table, "reference", "text", "NOT NULL"); /* the customer's own number */
  tenantdb_table_column(table, "status", "text", "NOT NULL DEFAULT 'queued'");
  tenantdb_table_column(table, "created_at", "timestamptz", "NOT NULL DEFAULT now()");
  tenantdb_table_check(table, NULL, "status IN ('queued', 'running', 'done', 'failed')");
  return table;
}

/* Half of the service's tables by builder ... */
static void declare_service(tenantdb_base *base) {
  tenantdb_table *nmt = declare_request(base, "nmt_requests");
  tenantdb_table_column(nmt, "source_language", "text", "NOT NULL");
  tenantdb_table_column(nmt, "target_language", "text", "NOT NULL");
  tenantdb_table_column(nmt, "source_text", "text", "NOT NULL");
  tenantdb_table_unique_index(nmt, "nmt_requests_reference", "(reference)");
  tenantdb_table_index(nmt, "nmt_requests_open", "(created_at) WHERE status IN ('queued', 'running')");

  tenantdb_table *tts = declare_request(base, "tts_requests");
  tenantdb_table_column(tts, "voice", "text", "NOT NULL");
  tenantdb_table_column(tts, "input_text", "text", "NOT NULL");
  tenantdb_table_unique_index(tts, "tts_requests_reference", "(reference)");
  tenantdb_table_index(tts, "tts_requests_voice", "(voice, created_at DESC)");

  tenantdb_table *asr = declare_request(base, "asr_requests");
  tenantdb_table_column(asr, "language", "text", "NOT NULL");
  tenantdb_table_column(asr, "audio_url", "text", "NOT NULL");
  tenantdb_table_unique_index(asr, "asr_requests_reference", "(reference)");
  tenantdb_table_index(asr, "asr_requests_language", "(language, created_at DESC)");

  tenantdb_table *usage = tenantdb_base_table(base, "usage_records");
  tenantdb_table_column(usage, "id", "bigint", "GENERATED ALWAYS AS IDENTITY PRIMARY KEY");
  tenantdb_table_column(usage, "service", "text", "NOT NULL");
  tenantdb_table_column(usage, "units", "integer", "NOT NULL");
  tenantdb_table_column(usage, "at", "timestamptz", "NOT NULL DEFAULT now()");
  tenantdb_table_check(usage, "usage_records_units", "units >= 0");
  tenantdb_table_index(usage, "usage_records_at", "(at)");
  tenantdb_table_index(usage, "usage_records_service", "(service, at DESC) INCLUDE (units)");
}

/* ... and half as SQL, with plain names: the schema is supplied when a tenant gets his. */
static const char service_sql[] =
    "CREATE TABLE nmt_results ("
    "  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
    "  request_id uuid NOT NULL REFERENCES nmt_requests (id) ON DELETE CASCADE,"
    "  translated_text text NOT NULL,"
    "  confidence numeric(4, 3) CHECK (confidence BETWEEN 0 AND 1),"
    "  created_at timestamptz NOT NULL DEFAULT now());"
    "CREATE INDEX nmt_results_request ON nmt_results (request_id);"
    "CREATE INDEX nmt_results_created ON nmt_results (created_at DESC);"

    "CREATE TABLE tts_results ("
    "  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
    "  request_id uuid NOT NULL REFERENCES tts_requests (id) ON DELETE CASCADE,"
    "  audio_url text NOT NULL,"
    "  duration_ms integer NOT NULL CHECK (duration_ms >= 0),"
    "  created_at timestamptz NOT NULL DEFAULT now());"
    "CREATE INDEX tts_results_request ON tts_results (request_id);"
    "CREATE INDEX tts_results_created ON tts_results (created_at DESC);"

    "CREATE TABLE asr_results ("
    "  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
    "  request_id uuid NOT NULL REFERENCES asr_requests (id) ON DELETE CASCADE,"
    "  transcript text NOT NULL,"
    "  created_at timestamptz NOT NULL DEFAULT now());"
    "CREATE INDEX asr_results_request ON asr_results (request_id);"
    "CREATE INDEX asr_results_words ON asr_results USING gin (to_tsvector('simple', transcript));"

    "CREATE TABLE job_queue ("
    "  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    "  kind text NOT NULL CHECK (kind IN ('nmt', 'tts', 'asr')),"
    "  request_id uuid NOT NULL,"
    "  priority smallint NOT NULL DEFAULT 0,"
    "  run_at timestamptz NOT NULL DEFAULT now(),"
    "  done_at timestamptz);"
    "CREATE INDEX job_queue_next ON job_queue (priority DESC, run_at) WHERE done_at IS NULL;"
    "CREATE UNIQUE INDEX job_queue_request ON job_queue (kind, request_id);"
    "COMMENT ON TABLE job_queue IS 'Work to be done for this customer'";

/* ---------------------------------------------------------------- compiling */

static tenantdb_statement *compile(const service *s, const char *sql) {
  tenantdb_statement *statement;
  tenantdb_error *error;
  must(tenantdb_statement_new(s->registry, sql, &statement, &error), sql, &error);
  return statement;
}

/* A marker becomes a table's name with the schema it has for the tenant at hand. */
static void compile_all(service *s) {
  statements *sql = &s->sql;
  sql->add_tenant =
      compile(s,
              "INSERT INTO {tenants} (tenant_id, company_name, contact_email, plan, schema_name)"
              " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id) DO NOTHING");
  sql->add_bill = compile(s, "INSERT INTO {tenant_billing_records} (tenant_id, period) VALUES ($1, $2)");
  sql->add_log = compile(s, "INSERT INTO {tenant_audit_logs} (tenant_id, action) VALUES ($1, $2)");
  sql->show_tenants = compile(s, "SELECT count(*) FROM {TenantDBBase.tenants}");
  sql->add_request = compile(s,
                             "INSERT INTO {nmt_requests} (reference, source_language, target_language,"
                             " source_text, status) VALUES ($1, $2, $3, $4, 'done')"
                             " ON CONFLICT (reference) DO NOTHING RETURNING id");
  sql->add_result =
      compile(s, "INSERT INTO {nmt_results} (request_id, translated_text, confidence) VALUES ($1, $2, 0.98)");
  sql->add_usage = compile(s, "INSERT INTO {usage_records} (service, units) VALUES ('nmt', $1)");
  sql->add_job = compile(s, "INSERT INTO {job_queue} (kind, request_id, done_at) VALUES ('nmt', $1, now())");
  sql->read_back = compile(s,
                           "SELECT q.source_text, r.translated_text, (SELECT count(*) FROM {nmt_requests})"
                           " FROM {nmt_requests} q JOIN {nmt_results} r ON r.request_id = q.id"
                           " WHERE q.reference = $1");
}

static void free_statements(statements *sql) {
  tenantdb_statement *all[] = {sql->add_tenant,   sql->add_bill,    sql->add_log,
                               sql->show_tenants, sql->add_request, sql->add_result,
                               sql->add_usage,    sql->add_job,     sql->read_back};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    tenantdb_statement_free(all[i]);
  }
}

/* ---------------------------------------------------------------- start-up */

static void start(service *s) {
  tenantdb_error *error;
  s->config = tenantdb_config_new();
  s->registry = tenantdb_registry_new();
  declare_central(s->registry);
  tenantdb_base *base = tenantdb_registry_base(s->registry, "ServiceSchemaBase", TENANTDB_BASE_TENANT);
  declare_service(base);
  tenantdb_base_sql(base, service_sql);

  /* A mistake in all of the above is reported here, with its place. */
  must(tenantdb_config_load_env(s->config, &error), "configuration", &error);
  must(tenantdb_open(s->config, s->registry, &s->db, &error), "opening the database", &error);
  must(tenantdb_bootstrap(s->db, &error), "creating the central tables", &error);
  compile_all(s);

  tenantdb_result *reasons;
  must(tenantdb_isolation(s->db, &s->isolation, &reasons, &error), "isolation", &error);
  printf("Isolation level: %s\n", tenantdb_isolation_name(s->isolation));
  for (int32_t i = 0; i < tenantdb_result_rows(reasons); i++) {
    const char *reason = tenantdb_result_value(reasons, i, 2);
    /* The reason goes on, after a colon, with every single thing; and column 3 is the SQL that mends it. */
    printf("  %-10s  %-6s  %.*s\n", tenantdb_result_value(reasons, i, 0),
           tenantdb_result_value(reasons, i, 1), (int)strcspn(reason, ":"), reason);
  }
  tenantdb_result_free(reasons);
}

/* ---------------------------------------------------------------- three customers */

/* Their row, first bill and log entry stand in the shared tables, in one transaction. */
static void write_down(service *s, const customer *who, const tenantdb_tenant *tenant) {
  tenantdb_error *error;
  tenantdb_session *session;
  tenantdb_result *done;
  tenantdb_params *values = tenantdb_params_new();
  must(tenantdb_session_open_shared(s->db, NULL, &session, &error), "opening a shared session", &error);
  must(tenantdb_session_begin(session, NULL, &error), who->name, &error);
  tenantdb_params_text(values, tenantdb_tenant_id(tenant));
  tenantdb_params_text(values, who->name);
  tenantdb_params_text(values, who->email);
  tenantdb_params_text(values, who->plan);
  tenantdb_params_text(values, tenantdb_tenant_schema(tenant));
  must(tenantdb_session_run(session, s->sql.add_tenant, values, &done, &error), who->name, &error);
  if (tenantdb_result_affected(done) == 1) {
    tenantdb_params_clear(values);
    tenantdb_params_text(values, tenantdb_tenant_id(tenant));
    tenantdb_params_text(values, "2026-01-01");
    must(tenantdb_session_run(session, s->sql.add_bill, values, NULL, &error), who->name, &error);
    tenantdb_params_clear(values);
    tenantdb_params_text(values, tenantdb_tenant_id(tenant));
    tenantdb_params_text(values, "onboarded");
    must(tenantdb_session_run(session, s->sql.add_log, values, NULL, &error), who->name, &error);
  }
  must(tenantdb_session_commit(session, &error), who->name, &error);
  tenantdb_result_free(done);
  tenantdb_params_free(values);
  tenantdb_session_close(session);
}

static tenantdb_tenant *onboard(service *s, const customer *who) {
  tenantdb_error *error;
  tenantdb_tenant *tenant;
  char *slug;
  must(tenantdb_slug_from_name(who->name, &slug, &error), who->name, &error);
  tenantdb_status status = tenantdb_tenant_get(s->db, slug, &tenant, &error);
  const char *how = "was there";
  if (status == TENANTDB_NOT_FOUND) {
    tenantdb_error_free(error);
    /* Schema, tables, role, grants, catalog row and the check of it all: one transaction. */
    tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
    tenantdb_tenant_spec_set(spec, "name", who->name);
    status = tenantdb_tenant_create(s->db, slug, spec, &tenant, &error);
    tenantdb_tenant_spec_free(spec);
    how = "created";
  }
  must(status, who->name, &error);
  must_be(tenantdb_tenant_state(tenant) == TENANTDB_TENANT_ACTIVE, "the tenant is active");
  printf("  \"%s\" -> %s -> schema %s (%s)\n", who->name, slug, tenantdb_tenant_schema(tenant), how);
  tenantdb_string_free(slug);
  write_down(s, who, tenant);
  return tenant;
}

/* ---------------------------------------------------------------- work for one of them */

/* A request with all that belongs to it, or nothing. Nothing when that reference was served before. */
static void translate(service *s, tenantdb_session *session, const customer *who, const char *reference) {
  tenantdb_error *error;
  tenantdb_result *row;
  tenantdb_params *values = tenantdb_params_new();
  must(tenantdb_session_begin(session, "isolation level repeatable read", &error), who->name, &error);
  tenantdb_params_text(values, reference);
  tenantdb_params_text(values, who->source);
  tenantdb_params_text(values, who->target);
  tenantdb_params_text(values, who->text);
  must(tenantdb_session_run(session, s->sql.add_request, values, &row, &error), who->name, &error);
  if (tenantdb_result_rows(row) == 0) {
    must(tenantdb_session_rollback(session, &error), who->name, &error);
  } else {
    const char *id = tenantdb_result_value(row, 0, 0);
    tenantdb_params_clear(values);
    tenantdb_params_text(values, id);
    must(tenantdb_session_run(session, s->sql.add_job, values, NULL, &error), who->name, &error);
    tenantdb_params_text(values, who->translation);
    must(tenantdb_session_run(session, s->sql.add_result, values, NULL, &error), who->name, &error);
    tenantdb_params_clear(values);
    tenantdb_params_int64(values, (int64_t)strlen(who->text));
    must(tenantdb_session_run(session, s->sql.add_usage, values, NULL, &error), who->name, &error);
    must(tenantdb_session_commit(session, &error), who->name, &error);
  }
  tenantdb_result_free(row);
  tenantdb_params_free(values);
}

/* Unqualified or by marker, a name means this tenant's table and no other. */
static void work_for(service *s, const customer *who, const tenantdb_tenant *tenant) {
  tenantdb_error *error;
  tenantdb_session *session;
  tenantdb_result *row;
  must(tenantdb_session_open(s->db, tenantdb_tenant_id(tenant), NULL, &session, &error), who->name, &error);
  for (int i = 1; i <= who->requests; i++) {
    char reference[32];
    snprintf(reference, sizeof reference, "order-%d", i);
    translate(s, session, who, reference);
  }

  tenantdb_params *values = tenantdb_params_new();
  tenantdb_params_text(values, "order-1");
  must(tenantdb_session_run(session, s->sql.read_back, values, &row, &error), who->name, &error);
  must_be(tenantdb_result_rows(row) == 1, "one result for one request");
  must_be(strcmp(tenantdb_result_value(row, 0, 1), who->translation) == 0, "what was written is read");
  must_be(strtol(tenantdb_result_value(row, 0, 2), NULL, 10) == who->requests,
          "only the own requests are seen");
  printf("  %s: \"%s\" -> \"%s\"; sees its own %d request%s and no other\n", tenantdb_tenant_slug(tenant),
         tenantdb_result_value(row, 0, 0), tenantdb_result_value(row, 0, 1), who->requests,
         who->requests == 1 ? "" : "s");
  tenantdb_params_free(values);
  tenantdb_result_free(row);
  tenantdb_session_close(session);
}

/* ---------------------------------------------------------------- is everything where it belongs? */

/* Ask in plain SQL, as the connected user: a number. */
static int count(tenantdb_session *session, const char *sql, const char *first, const char *second) {
  tenantdb_error *error;
  tenantdb_result *row;
  const char *values[] = {first, second};
  must(tenantdb_session_query_text(session, sql, second ? 2 : 1, values, &row, &error), sql, &error);
  int number = (int)strtol(tenantdb_result_value(row, 0, 0), NULL, 10);
  tenantdb_result_free(row);
  return number;
}

static const char tables_sql[] = "SELECT count(*) FROM information_schema.tables WHERE table_schema = $1";
/* How many of the tenant's tables have a namesake in the shared schema. */
static const char strays_sql[] =
    "SELECT count(*) FROM information_schema.tables WHERE table_schema = $2 AND table_name IN"
    " (SELECT table_name FROM information_schema.tables WHERE table_schema = $1)";
static const char indexes_sql[] = "SELECT count(*) FROM pg_catalog.pg_indexes WHERE schemaname = $1";

static void verify(service *s, const tenantdb_tenant *tenant) {
  tenantdb_error *error;
  tenantdb_session *session;
  tenantdb_result *findings;
  const char *schema = tenantdb_tenant_schema(tenant);
  must(tenantdb_tenant_verify(s->db, tenantdb_tenant_id(tenant), &findings, &error), schema, &error);
  must(tenantdb_session_open_shared(s->db, NULL, &session, &error), "opening a shared session", &error);
  const char *shared = tenantdb_session_schema(session);
  int tables = count(session, tables_sql, schema, NULL);
  int strays = count(session, strays_sql, schema, shared);
  int indexes = count(session, indexes_sql, schema, NULL);
  int32_t found = tenantdb_result_rows(findings);
  printf("  %d tables in %s, %d in %s, %d findings; %d indexes\n", tables, schema, strays, shared, (int)found,
         indexes);
  for (int32_t i = 0; i < found; i++) {
    printf("    %s: %s\n", tenantdb_result_value(findings, i, 1), tenantdb_result_value(findings, i, 2));
  }
  tenantdb_result_free(findings);
  tenantdb_session_close(session);
  must_be(tables == N_TABLES && strays == 0 && found == 0 && indexes == N_INDEXES, schema);
}

/* ---------------------------------------------------------------- can one read another's? */

static void expect_refused(tenantdb_session *session, const char *sql) {
  tenantdb_error *error;
  tenantdb_result *rows;
  tenantdb_status status = tenantdb_session_query(session, sql, NULL, &rows, &error);
  printf("  %s\n    %s: %s\n", sql, tenantdb_status_name(status), tenantdb_error_message(error));
  must_be(status == TENANTDB_PERMISSION, "the server refuses");
  tenantdb_error_free(error);
  tenantdb_result_free(rows);
}

/* The first customer names the second's schema, and then the table of all customers. */
static void try_neighbour(service *s) {
  tenantdb_error *error;
  tenantdb_session *nosy;
  tenantdb_statement *peek = compile(s, "SELECT source_text FROM {nmt_requests}");
  char *sql, *shared;
  const char *schema;
  must(tenantdb_config_get(s->config, "database.schema", &schema, &error), "database.schema", &error);
  must(tenantdb_statement_text(peek, tenantdb_tenant_schema(s->tenants[1]), NULL, &sql, &error), "text",
       &error);
  must(tenantdb_statement_text(s->sql.show_tenants, NULL, schema, &shared, &error), "text", &error);
  if (s->isolation < TENANTDB_ISOLATION_ROLE) {
    printf(
        "  Not shown: at level %s the server enforces nothing. The search path leads each session to its\n"
        "  own schema, but a session that names another's can read it.\n",
        tenantdb_isolation_name(s->isolation));
  } else {
    must(tenantdb_session_open(s->db, tenantdb_tenant_id(s->tenants[0]), NULL, &nosy, &error), "session",
         &error);
    expect_refused(nosy, sql);
    expect_refused(nosy, shared);
    tenantdb_session_close(nosy);
    /* The very same statement, asked by whom the rows belong to. */
    must(tenantdb_session_open(s->db, tenantdb_tenant_id(s->tenants[1]), NULL, &nosy, &error), "session",
         &error);
    must(tenantdb_session_query(nosy, sql, NULL, NULL, &error), "the owner's own rows", &error);
    tenantdb_session_close(nosy);
  }
  tenantdb_string_free(sql);
  tenantdb_string_free(shared);
  tenantdb_statement_free(peek);
}

/* ---------------------------------------------------------------- the picture */

/* The server quotes what the third column asks for. */
static const char tree_sql[] =
    "SELECT c.relname, pg_catalog.pg_size_pretty(pg_catalog.pg_total_relation_size(c.oid)),"
    " pg_catalog.format('SELECT count(*) FROM %I.%I WHERE $1 <> ''''', n.nspname, c.relname)"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY c.relname";

static void draw_schema(tenantdb_session *session, const char *schema, const char *what, int last) {
  tenantdb_error *error;
  tenantdb_result *tables;
  must(tenantdb_session_query_text(session, tree_sql, 1, &schema, &tables, &error), schema, &error);
  int32_t rows = tenantdb_result_rows(tables);
  printf("%s%s (schema) - %s\n", last ? "└── " : "├── ", schema, what);
  for (int32_t i = 0; i < rows; i++) {
    int n = count(session, tenantdb_result_value(tables, i, 2), schema, NULL);
    printf("%s%s%-24s %3d %-5s %10s\n", last ? "    " : "│   ", i + 1 < rows ? "├── " : "└── ",
           tenantdb_result_value(tables, i, 0), n, n == 1 ? "row" : "rows",
           tenantdb_result_value(tables, i, 1));
  }
  printf("%s\n", last ? "" : "│");
  tenantdb_result_free(tables);
}

static void draw(service *s) {
  tenantdb_error *error;
  tenantdb_session *session;
  tenantdb_result *name;
  const char *catalog;
  must(tenantdb_config_get(s->config, "catalog.schema", &catalog, &error), "catalog.schema", &error);
  must(tenantdb_session_open_shared(s->db, NULL, &session, &error), "opening a shared session", &error);
  must(tenantdb_session_query(session, "SELECT current_database()", NULL, &name, &error), "database", &error);
  printf("%s (database)\n", tenantdb_result_value(name, 0, 0));
  draw_schema(session, tenantdb_session_schema(session), "shared tables - TenantDBBase", 0);
  draw_schema(session, catalog, "the library's catalog", 0);
  for (int i = 0; i < N_CUSTOMERS; i++) {
    draw_schema(session, tenantdb_tenant_schema(s->tenants[i]), "ServiceSchemaBase", i + 1 == N_CUSTOMERS);
  }
  tenantdb_result_free(name);
  tenantdb_session_close(session);
}

int main(void) {
  service s = {0};
  start(&s);

  printf("\nCustomers\n");
  for (int i = 0; i < N_CUSTOMERS; i++) {
    s.tenants[i] = onboard(&s, &customers[i]);
  }
  printf("\nWork\n");
  for (int i = 0; i < N_CUSTOMERS; i++) {
    work_for(&s, &customers[i], s.tenants[i]);
  }
  printf("\nVerification, in both directions\n");
  for (int i = 0; i < N_CUSTOMERS; i++) {
    verify(&s, s.tenants[i]);
  }
  printf("\n%s asks for what is not theirs\n", customers[0].name);
  try_neighbour(&s);
  printf("\nWhat is in the database\n\n");
  draw(&s);

  for (int i = 0; i < N_CUSTOMERS; i++) {
    tenantdb_tenant_free(s.tenants[i]);
  }
  free_statements(&s.sql);
  tenantdb_close(s.db);
  tenantdb_registry_free(s.registry);
  tenantdb_config_free(s.config);
  return 0;
}

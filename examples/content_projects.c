/* SPDX-License-Identifier: PostgreSQL */
/*
 * A content generator that works for many projects.
 *
 * What all projects share (clients, the projects themselves, object models,
 * prompts, what the language models cost) stands once, in the shared schema: base
 * Common. What belongs to one project (contents, metadata, vocabulary, prompt
 * components) stands in a schema of its own, project_{id}: base Project.
 *
 * The program brings three projects on board, generates content for each (the
 * object model is fetched, the content stored and its usage recorded in one
 * transaction), joins a project's contents with the shared models, shows that a
 * project sees nothing of another, and reports over all of them. Then comes its
 * second release with a folder of migrations: content_upgrade.c. Started again it
 * finds everything there. It takes its server from DATABASE_URL, the folder from its
 * first argument, and ends with a status other than 0 when anything is not as it says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenantdb.h>

#include "content_projects.h"

#ifndef MIGRATIONS
#define MIGRATIONS "migrations" /* the build says where they are */
#endif
#define N_PROJECTS 3

typedef struct project {
  const char *slug;
  const char *name;
  const char *client;
  int articles;
} project;

static const project projects[N_PROJECTS] = {
    {"garden-blog", "The garden blog", "Meadow & Sons", 3},
    {"bike-shop", "Bikes, parts \"and more\"", "Spoke Ltd", 2},
    {"tea-house", "L'heure du thé", "Meadow & Sons", 1},
};

/* The statements: built from what is declared, or written with markers. Each is compiled once. */
enum {
  PUT_CLIENT,
  PUT_PROJECT,
  PUT_MODEL,
  PUT_PROMPT,
  FIND_MODEL,
  ADD_CONTENT,
  ADD_USAGE,
  PUT_METADATA,
  FIND_METADATA,
  ADD_TERMS,
  ADAPT,
  FIRST_PAGE,
  NEXT_PAGE,
  WITH_MODELS,
  REPORT,
  COSTS,
  NEWEST,
  N_STATEMENTS
};

typedef struct generator {
  tenantdb_config *config;
  tenantdb_registry *registry;
  tenantdb *db;
  tenantdb_statement *sql[N_STATEMENTS];
  tenantdb_tenant *tenants[N_PROJECTS];
} generator;

/* ---------------------------------------------------------------- when something is not as it should be */

void must(tenantdb_status status, const char *what, tenantdb_error **error) {
  if (status) {
    fprintf(stderr, "%s: %s (%s)\n", what, tenantdb_error_message(*error), tenantdb_status_name(status));
    if (*tenantdb_error_hint(*error)) {
      fprintf(stderr, "hint: %s\n", tenantdb_error_hint(*error));
    }
    exit(1);
  }
}

void must_be(int condition, const char *what) {
  if (!condition) {
    fprintf(stderr, "not as it should be: %s\n", what);
    exit(1);
  }
}

/* ---------------------------------------------------------------- what should exist */

void declare(tenantdb_registry *registry) {
  tenantdb_base *common = tenantdb_registry_base(registry, "Common", TENANTDB_BASE_SHARED);
  tenantdb_base_sql(common, common_sql);
  /* What a project may do with the shared tables, and no more: it never reads what others cost. */
  tenantdb_table_grant(tenantdb_base_table(common, "object_models"), "SELECT");
  tenantdb_table_grant(tenantdb_base_table(common, "prompts"), "SELECT");
  tenantdb_table_grant(tenantdb_base_table(common, "llm_usage"), "INSERT");
  tenantdb_base_sql(tenantdb_registry_base(registry, "Project", TENANTDB_BASE_TENANT), project_sql);
}

/* ---------------------------------------------------------------- statements */

static tenantdb_statement *finish(tenantdb_builder *builder, const char *what) {
  tenantdb_statement *statement;
  tenantdb_error *error;
  must(tenantdb_builder_finish(builder, &statement, &error), what, &error);
  tenantdb_builder_free(builder);
  return statement;
}

static tenantdb_statement *compile(const generator *g, const char *sql) {
  tenantdb_statement *statement;
  tenantdb_error *error;
  must(tenantdb_statement_new(g->registry, sql, &statement, &error), sql, &error);
  return statement;
}

/* A row that is there already is brought up to date. The first column tells rows apart; `tells` comes back. */
static tenantdb_statement *put(const generator *g, const char *table, const char *tells,
                               const char *const *columns) {
  tenantdb_builder *builder = tenantdb_builder_upsert(g->registry, table);
  tenantdb_builder_conflict(builder, columns[0]);
  for (; *columns; columns++) {
    tenantdb_builder_column(builder, *columns);
  }
  if (tells) {
    tenantdb_builder_returning(builder, tells);
  }
  return finish(builder, table);
}

#define COLUMNS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void build_common(generator *g) {
  tenantdb_statement **sql = g->sql;
  sql[PUT_CLIENT] = put(g, "clients", "id", COLUMNS("name", "contact_email"));
  sql[PUT_MODEL] = put(g, "object_models", "id", COLUMNS("name", "version", "structure", "description"));
  sql[PUT_PROMPT] = put(g, "prompts", "id", COLUMNS("name", "template", "object_model_id"));
  sql[PUT_PROJECT] = put(g, "projects", NULL, COLUMNS("id", "name", "client_id"));

  tenantdb_builder *model = tenantdb_builder_select(g->registry, "object_models");
  tenantdb_builder_column(model, "id");
  tenantdb_builder_column(model, "structure");
  tenantdb_builder_where(model, "name", "=");
  sql[FIND_MODEL] = finish(model, "find a model");

  tenantdb_builder *usage = tenantdb_builder_insert(g->registry, "llm_usage");
  for (const char *const *column =
           COLUMNS("project_id", "prompt_id", "tokens_in", "tokens_out", "model", "cost");
       *column; column++) {
    tenantdb_builder_column(usage, *column);
  }
  sql[ADD_USAGE] = finish(usage, "record usage");
}

static tenantdb_statement *build_page(const generator *g, int after) {
  tenantdb_builder *page = tenantdb_builder_select(g->registry, "contents");
  tenantdb_builder_column(page, "title");
  tenantdb_builder_column(page, "created_at");
  tenantdb_builder_column(page, "id");
  tenantdb_builder_order(page, "created_at", NULL);
  if (after) {
    tenantdb_builder_after(page); /* $1 and $2: where the page before ended */
  }
  tenantdb_builder_limit(page);
  return finish(page, "a page of contents");
}

static void build_project(generator *g) {
  tenantdb_statement **sql = g->sql;
  tenantdb_builder *content = tenantdb_builder_insert(g->registry, "contents");
  for (const char *const *column = COLUMNS("title", "body", "object_model_id", "metadata"); *column;
       column++) {
    tenantdb_builder_column(content, *column);
  }
  tenantdb_builder_returning(content, "id");
  sql[ADD_CONTENT] = finish(content, "store content");

  sql[PUT_METADATA] = put(g, "metadata", NULL, COLUMNS("key", "value", "description"));
  tenantdb_builder *find = tenantdb_builder_select(g->registry, "metadata");
  tenantdb_builder_column(find, "value");
  tenantdb_builder_key(find);
  sql[FIND_METADATA] = finish(find, "find metadata");

  tenantdb_builder *terms = tenantdb_builder_upsert(g->registry, "vocabulary");
  tenantdb_builder_column(terms, "term");
  tenantdb_builder_column(terms, "definition");
  tenantdb_builder_conflict(terms, "term");
  tenantdb_builder_arrays(terms); /* any number of rows, in two parameters */
  sql[ADD_TERMS] = finish(terms, "add terms");

  sql[ADAPT] = put(g, "prompt_components", NULL, COLUMNS("name", "content", "base_prompt_id"));
  sql[FIRST_PAGE] = build_page(g, 0);
  sql[NEXT_PAGE] = build_page(g, 1);

  /* A project's table joined with a shared one, along the foreign key that was declared. */
  tenantdb_builder *joined = tenantdb_builder_select(g->registry, "contents");
  tenantdb_builder_join(joined, "object_models", NULL);
  tenantdb_builder_column(joined, "title");
  tenantdb_builder_column(joined, "object_models.name");
  tenantdb_builder_order(joined, "title", NULL);
  sql[WITH_MODELS] = finish(joined, "contents with their models");
}

/* What no builder says is written as SQL, with markers for the tables. */
static void compile_all(generator *g) {
  build_common(g);
  build_project(g);
  g->sql[REPORT] = compile(g,
                           "SELECT m.name AS model, count(*) AS contents, sum(length(c.body)) AS characters"
                           " FROM {contents} c JOIN {object_models} m ON m.id = c.object_model_id"
                           " GROUP BY m.name ORDER BY m.name");
  g->sql[COSTS] =
      compile(g,
              "SELECT c.name, count(u.id), coalesce(sum(u.tokens_out), 0), coalesce(sum(u.cost), 0)"
              " FROM {clients} c JOIN {projects} p ON p.client_id = c.id"
              " LEFT JOIN {llm_usage} u ON u.project_id = p.id GROUP BY c.name ORDER BY c.name");
  g->sql[NEWEST] = compile(g, "SELECT title FROM {contents} ORDER BY created_at DESC, id LIMIT 1");
}

/* Run a statement with text values; the rows are the caller's. `values` ends with NULL. */
static tenantdb_result *run(tenantdb_session *session, const tenantdb_statement *statement,
                            const char *const *values, const char *what) {
  tenantdb_error *error;
  tenantdb_result *rows;
  tenantdb_params *params = tenantdb_params_new();
  for (; *values; values++) {
    tenantdb_params_text(params, *values);
  }
  must(tenantdb_session_run(session, statement, params, &rows, &error), what, &error);
  tenantdb_params_free(params);
  return rows;
}

#define VALUES COLUMNS

/* The same, keeping the id that comes back. */
static void run_for_id(tenantdb_session *session, const tenantdb_statement *statement,
                       const char *const *values, const char *what, char id[37]) {
  tenantdb_result *rows = run(session, statement, values, what);
  must_be(tenantdb_result_rows(rows) == 1, what);
  snprintf(id, 37, "%s", tenantdb_result_value(rows, 0, 0));
  tenantdb_result_free(rows);
}

/* ---------------------------------------------------------------- start-up */

static void start(generator *g) {
  tenantdb_error *error;
  g->config = tenantdb_config_new();
  g->registry = tenantdb_registry_new();
  declare(g->registry);
  must(tenantdb_config_set(g->config, "tenant.schema_template", "project_{id}", &error), "naming", &error);
  must(tenantdb_config_load_env(g->config, &error), "configuration", &error);
  must(tenantdb_open(g->config, g->registry, &g->db, &error), "opening the database", &error);
  must(tenantdb_bootstrap(g->db, &error), "creating the shared tables", &error);
  compile_all(g);
}

/* The project's row in the shared table has the id that the library gave it. */
static void write_down(generator *g, const project *what, const tenantdb_tenant *tenant) {
  tenantdb_error *error;
  tenantdb_session *session;
  char client[37];
  must(tenantdb_session_open_shared(g->db, NULL, &session, &error), "a shared session", &error);
  must(tenantdb_session_begin(session, NULL, &error), what->name, &error);
  run_for_id(session, g->sql[PUT_CLIENT], VALUES(what->client, "office@example.com"), what->client, client);
  tenantdb_result_free(
      run(session, g->sql[PUT_PROJECT], VALUES(tenantdb_tenant_id(tenant), what->name, client), what->name));
  must(tenantdb_session_commit(session, &error), what->name, &error);
  tenantdb_session_close(session);
}

static void bring_on_board(generator *g) {
  printf("Projects:\n");
  for (int i = 0; i < N_PROJECTS; i++) {
    const project *what = &projects[i];
    tenantdb_error *error;
    const char *how = "was there";
    tenantdb_status status = tenantdb_tenant_get(g->db, what->slug, &g->tenants[i], &error);
    if (status == TENANTDB_NOT_FOUND) {
      tenantdb_error_free(error);
      tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
      tenantdb_tenant_spec_set(spec, "name", what->name);
      status = tenantdb_tenant_create(g->db, what->slug, spec, &g->tenants[i], &error);
      tenantdb_tenant_spec_free(spec);
      how = "created";
    }
    must(status, what->slug, &error);
    write_down(g, what, g->tenants[i]);
    printf("  %-12s schema %s (%s)\n", what->slug, tenantdb_tenant_schema(g->tenants[i]), how);
  }
}

/* ---------------------------------------------------------------- the shared definitions */

static void put_definitions(generator *g, char prompt[37]) {
  tenantdb_error *error;
  tenantdb_session *session;
  char article[37], product[37], other[37];
  must(tenantdb_session_open_shared(g->db, NULL, &session, &error), "a shared session", &error);
  must(tenantdb_session_begin(session, NULL, &error), "definitions", &error);
  run_for_id(session, g->sql[PUT_MODEL],
             VALUES("article", "1.0", "{\"parts\": [\"title\", \"body\"]}", "A text with a headline"),
             "article", article);
  run_for_id(session, g->sql[PUT_MODEL],
             VALUES("product", "1.2", "{\"parts\": [\"title\", \"body\", \"price\"]}", "Something for sale"),
             "product", product);
  run_for_id(session, g->sql[PUT_PROMPT], VALUES("write-article", "Write about {topic}.", article), "prompt",
             prompt);
  run_for_id(session, g->sql[PUT_PROMPT], VALUES("describe", "Describe {product} in 40 words.", product),
             "prompt", other);
  must(tenantdb_session_commit(session, &error), "definitions", &error);
  tenantdb_session_close(session);
}

/* ---------------------------------------------------------------- content for a project */

/* Stands for the language model. */
static void write_text(const char *title, char *body, size_t size) {
  snprintf(body, size, "%s: a text that a language model would have written about it.", title);
}

/*
 * The document's data flow, in one transaction of the project: what is in the
 * project's schema and what is recorded centrally is there together, or not at all.
 */
static tenantdb_status generate(generator *g, tenantdb_session *session, const char *model, const char *title,
                                const char *prompt, const char *cost, tenantdb_error **error) {
  char body[200], model_id[37];
  must(tenantdb_session_begin(session, NULL, error), title, error);
  run_for_id(session, g->sql[FIND_MODEL], VALUES(model), model, model_id);
  write_text(title, body, sizeof body);
  tenantdb_result_free(
      run(session, g->sql[ADD_CONTENT], VALUES(title, body, model_id, "{\"draft\": false}"), title));
  tenantdb_params *usage = tenantdb_params_new();
  tenantdb_params_uuid(usage, tenantdb_session_tenant(session));
  tenantdb_params_uuid(usage, prompt);
  tenantdb_params_int32(usage, 20);
  tenantdb_params_int32(usage, (int32_t)strlen(body));
  tenantdb_params_text(usage, "writer-large");
  tenantdb_params_numeric(usage, cost);
  tenantdb_status status = tenantdb_session_run(session, g->sql[ADD_USAGE], usage, NULL, error);
  tenantdb_params_free(usage);
  if (status) {
    (void)tenantdb_session_rollback(session, NULL);
    return status;
  }
  return tenantdb_session_commit(session, error);
}

static int is_done(generator *g, tenantdb_session *session) {
  tenantdb_result *rows = run(session, g->sql[FIND_METADATA], VALUES("generated"), "metadata");
  int done = tenantdb_result_rows(rows) == 1;
  tenantdb_result_free(rows);
  return done;
}

static void add_vocabulary(generator *g, tenantdb_session *session) {
  static const char *const terms[] = {"tone", "audience", "house style"};
  static const char *const meanings[] = {"friendly", "beginners", "no exclamation marks"};
  tenantdb_error *error;
  tenantdb_params *arrays = tenantdb_params_new();
  tenantdb_params_array_text(arrays, 3, terms);
  tenantdb_params_array_text(arrays, 3, meanings);
  must(tenantdb_session_run(session, g->sql[ADD_TERMS], arrays, NULL, &error), "vocabulary", &error);
  tenantdb_params_free(arrays);
}

static void work_for(generator *g, int i, const char *prompt) {
  tenantdb_error *error;
  tenantdb_session *session;
  char title[300];
  must(tenantdb_session_open(g->db, projects[i].slug, NULL, &session, &error), projects[i].slug, &error);
  if (!is_done(g, session)) {
    for (int k = 1; k <= projects[i].articles; k++) {
      snprintf(title, sizeof title, "%s, part %d", projects[i].name, k);
      must(generate(g, session, k % 2 ? "article" : "product", title, prompt, "0.004200", &error), title,
           &error);
    }
    add_vocabulary(g, session);
    tenantdb_result_free(
        run(session, g->sql[ADAPT], VALUES("intro", "Write about {topic}, gently.", prompt), "prompt"));
    tenantdb_result_free(run(session, g->sql[PUT_METADATA],
                             VALUES("generated", "true", "the first contents are there"), "metadata"));
  }
  tenantdb_session_close(session);
}

/* A failure half-way leaves neither the content nor its cost. */
static void fail_halfway(generator *g, const char *prompt) {
  tenantdb_error *error;
  tenantdb_session *session;
  tenantdb_result *rows;
  must(tenantdb_session_open(g->db, "garden-blog", NULL, &session, &error), "garden-blog", &error);
  tenantdb_status status = generate(g, session, "article", "Never seen", prompt, "12345.000000", &error);
  must_be(status != TENANTDB_OK, "a cost that the column does not hold is refused");
  printf("\nA usage that cannot be recorded: %s (SQLSTATE %s)\n", tenantdb_status_name(status),
         tenantdb_error_sqlstate(error));
  tenantdb_error_free(error);
  must(tenantdb_session_query(session, "SELECT count(*) FROM contents WHERE title = 'Never seen'", NULL,
                              &rows, &error),
       "looking", &error);
  must_be(strcmp(tenantdb_result_value(rows, 0, 0), "0") == 0, "nothing is half done");
  printf("  and its content is not there either\n");
  tenantdb_result_free(rows);
  tenantdb_session_close(session);
}

/* ---------------------------------------------------------------- reading */

static void show_pages(generator *g) {
  tenantdb_error *error;
  tenantdb_session *session;
  must(tenantdb_session_open(g->db, "garden-blog", NULL, &session, &error), "garden-blog", &error);
  printf("\nContents of garden-blog, two a page:\n");
  tenantdb_result *rows = run(session, g->sql[FIRST_PAGE], VALUES("2"), "the first page");
  for (int page = 1; tenantdb_result_rows(rows) > 0; page++) {
    int32_t n = tenantdb_result_rows(rows);
    for (int32_t i = 0; i < n; i++) {
      printf("  page %d  %s\n", page, tenantdb_result_value(rows, i, 0));
    }
    tenantdb_result *next =
        run(session, g->sql[NEXT_PAGE],
            VALUES(tenantdb_result_value(rows, n - 1, 1), tenantdb_result_value(rows, n - 1, 2), "2"),
            "the next page");
    tenantdb_result_free(rows);
    rows = next;
  }
  tenantdb_result_free(rows);
  tenantdb_session_close(session);
}

static void show_join(generator *g) {
  tenantdb_error *error;
  tenantdb_session *session;
  must(tenantdb_session_open(g->db, "bike-shop", NULL, &session, &error), "bike-shop", &error);
  printf("\nContents of bike-shop with the shared object models:\n");
  tenantdb_result *rows = run(session, g->sql[WITH_MODELS], VALUES(NULL), "the join");
  for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
    printf("  %-32s %s\n", tenantdb_result_value(rows, i, 0), tenantdb_result_value(rows, i, 1));
  }
  tenantdb_result_free(rows);
  tenantdb_session_close(session);
}

/* One statement over all projects; each one's rows come with its name. */
static void show_report(generator *g) {
  tenantdb_error *error;
  tenantdb_result *rows;
  tenantdb_status status;
  int32_t more = 1;
  printf("\nA report over all projects:\n  %-12s %-10s %8s %10s\n", "project", "model", "contents",
         "characters");
  must(tenantdb_fleet_query_statement(g->db, g->sql[REPORT], NULL, NULL, &rows, &error), "the report",
       &error);
  while (!(status = tenantdb_result_next(rows, &more, &error)) && more) {
    for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
      printf("  %-12s %-10s %8s %10s\n", tenantdb_result_value(rows, i, 0), tenantdb_result_value(rows, i, 1),
             tenantdb_result_value(rows, i, 2), tenantdb_result_value(rows, i, 3));
    }
  }
  must(status, "the report", &error);
  tenantdb_result_free(rows);
}

/* What is shared is asked for in a shared session; there one may also look into a project that is named. */
static void show_costs(generator *g) {
  tenantdb_error *error;
  tenantdb_session *session;
  must(tenantdb_session_open_shared(g->db, NULL, &session, &error), "a shared session", &error);
  printf("\nUsage by client:\n");
  tenantdb_result *rows = run(session, g->sql[COSTS], VALUES(NULL), "costs");
  for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
    printf("  %-14s %s calls, %s tokens, %s\n", tenantdb_result_value(rows, i, 0),
           tenantdb_result_value(rows, i, 1), tenantdb_result_value(rows, i, 2),
           tenantdb_result_value(rows, i, 3));
  }
  tenantdb_result_free(rows);
  must(tenantdb_session_run_for(session, "tea-house", g->sql[NEWEST], NULL, &rows, &error), "tea-house",
       &error);
  printf("\nThe newest content of tea-house, for support: %s\n", tenantdb_result_value(rows, 0, 0));
  tenantdb_result_free(rows);
  tenantdb_session_close(session);
}

/* ---------------------------------------------------------------- who sees what */

static void refused(generator *g, tenantdb_session *session, const char *what, const char *sql) {
  tenantdb_error *error;
  tenantdb_statement *statement = compile(g, sql);
  tenantdb_status status = tenantdb_session_run(session, statement, NULL, NULL, &error);
  printf("  %-34s %s\n", what, tenantdb_status_name(status));
  must_be(status == TENANTDB_PERMISSION, sql);
  tenantdb_statement_free(statement);
  tenantdb_error_free(error);
}

static void show_isolation(generator *g) {
  tenantdb_error *error;
  tenantdb_session *session;
  int32_t level;
  char sql[200];
  must(tenantdb_isolation(g->db, &level, NULL, &error), "isolation", &error);
  if (level < TENANTDB_ISOLATION_ROLE) {
    printf("\nThis user may not create roles, so nothing but the search path keeps projects apart.\n");
    return;
  }
  printf("\nWhat tea-house may not do:\n");
  must(tenantdb_session_open(g->db, "tea-house", NULL, &session, &error), "tea-house", &error);
  snprintf(sql, sizeof sql, "SELECT * FROM \"%s\".contents", tenantdb_tenant_schema(g->tenants[0]));
  refused(g, session, "read another project's contents", sql);
  refused(g, session, "read what others cost", "SELECT * FROM {llm_usage}");
  refused(g, session, "change a shared model", "UPDATE {object_models} SET version = '9'");
  tenantdb_session_close(session);
}

int main(int argc, char **argv) {
  generator g = {0};
  char prompt[37];
  start(&g);
  bring_on_board(&g);
  put_definitions(&g, prompt);
  for (int i = 0; i < N_PROJECTS; i++) {
    work_for(&g, i, prompt);
  }
  fail_halfway(&g, prompt);
  show_pages(&g);
  show_join(&g);
  show_report(&g);
  show_costs(&g);
  show_isolation(&g);
  upgrade(g.db, argc > 1 ? argv[1] : MIGRATIONS);
  for (int i = 0; i < N_STATEMENTS; i++) {
    tenantdb_statement_free(g.sql[i]);
  }
  for (int i = 0; i < N_PROJECTS; i++) {
    tenantdb_tenant_free(g.tenants[i]);
  }
  tenantdb_close(g.db);
  tenantdb_registry_free(g.registry);
  tenantdb_config_free(g.config);
  return 0;
}

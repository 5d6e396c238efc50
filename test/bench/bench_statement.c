/* SPDX-License-Identifier: PostgreSQL */
/* Compiled statements: what their text costs, and what running them costs beside running the text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "floor.h"
#include "scopes.h"
#include "standard.h"
#include "statement/cache.h"

enum { TEXTS = 1000, MOST_TEXTS = 512 };

/* With the schema as %s: what somebody would write by hand; and the same as a template. */
struct sample {
  const char *title;
  const char *format;
  const char *template;
};

#define LONG(requests, tts, asr)                                                                           \
  "SELECT r.id, r.user_id, r.model, r.source_language, r.target_language, r.source_text, r.status, t.id, " \
  "t.status, a.id, a.status FROM " requests " r LEFT JOIN " tts                                            \
  " t ON t.user_id = r.user_id AND t.status = "                                                            \
  "r.status LEFT JOIN " asr                                                                                \
  " a ON a.user_id = r.user_id AND a.status <> 'failed' WHERE r.id = $1 AND "                              \
  "r.user_id = $2 AND EXISTS (SELECT 1 FROM " requests                                                     \
  " x WHERE x.user_id = r.user_id AND x.status = 'done' "                                                  \
  "AND x.source_language = r.source_language) ORDER BY r.id, t.id, a.id LIMIT 100"

static const struct sample samples[] = {
    {"one table, a short statement", "SELECT source_text, status FROM \"%s\".\"nmt_requests\" WHERE id = $1",
     "SELECT source_text, status FROM {nmt_requests} WHERE id = $1"},
    {"four tables, a long one",
     LONG("\"%1$s\".\"nmt_requests\"", "\"%1$s\".\"tts_requests\"", "\"%1$s\".\"asr_requests\""),
     LONG("{nmt_requests}", "{tts_requests}", "{asr_requests}")},
};

/* ---------------------------------------------------------------- the text alone */

struct writer {
  const struct sample *sample;
  const tenantdb_registry *registry;
  tenantdb_statement *statement;
  tenantdb_statement *built;
  tndb_texts texts;
  const char *schema;
  char text[2048];
  size_t length;
  char buffer[2048];
};

/* Calls that the compiler may not leave out or merge with the next. */
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static size_t (*volatile measure)(const char *) = strlen;
static int (*volatile print)(char *, size_t, const char *, ...) = snprintf;

static void write_memcpy(struct writer *w) {
  (void)copy(w->buffer, w->text, w->length + 1);
}

/* Less cannot be done by who is given a name and must know where it ends. */
static void write_strlen_memcpy(struct writer *w) {
  (void)measure(w->schema);
  (void)copy(w->buffer, w->text, w->length + 1);
}

static void write_snprintf(struct writer *w) {
  (void)print(w->buffer, sizeof w->buffer, w->sample->format, w->schema);
}

static void write_render(struct writer *w) {
  size_t length;
  (void)tenantdb_statement_render(w->statement, w->schema, "public", w->buffer, sizeof w->buffer, &length,
                                  NULL);
}

/* What a session does: nothing is copied. */
static void write_find(struct writer *w) {
  tndb_text *text = NULL;
  (void)tndb_texts_find(&w->texts, MOST_TEXTS, w->statement, w->schema, "public", &text, NULL);
  tndb_text_release(text);
}

static void write_string(struct writer *w) {
  char *text = NULL;
  (void)tenantdb_statement_text(w->statement, w->schema, "public", &text, NULL);
  tenantdb_string_free(text);
}

/* Nobody should compile each time; this is what it would cost. */
static void write_compiled(struct writer *w) {
  tenantdb_statement *statement = NULL;
  (void)tenantdb_statement_new(w->registry, w->sample->template, &statement, NULL);
  (void)tenantdb_statement_render(statement, w->schema, "public", w->buffer, sizeof w->buffer, NULL, NULL);
  tenantdb_statement_free(statement);
}

/* The short statement from the registry's metadata, by a builder. */
static tenantdb_statement *build(const tenantdb_registry *registry) {
  tenantdb_error *error = NULL;
  tenantdb_statement *statement = NULL;
  tenantdb_builder *builder = tenantdb_builder_select(registry, "nmt_requests");
  tenantdb_builder_column(builder, "source_text");
  tenantdb_builder_column(builder, "status");
  tenantdb_builder_where(builder, "id", "=");
  bench_check(tenantdb_builder_finish(builder, &statement, &error), error, "builder");
  tenantdb_builder_free(builder);
  return statement;
}

static void write_built_render(struct writer *w) {
  (void)tenantdb_statement_render(w->built, w->schema, "public", w->buffer, sizeof w->buffer, NULL, NULL);
}

static void write_built(struct writer *w) {
  tenantdb_statement *statement = build(w->registry);
  (void)tenantdb_statement_render(statement, w->schema, "public", w->buffer, sizeof w->buffer, NULL, NULL);
  tenantdb_statement_free(statement);
}

struct way {
  struct writer *writer;
  void (*write)(struct writer *writer);
  bool checked; /* it writes to the buffer */
};

static void block_text(void *user, int n, double *microseconds) {
  const struct way *way = user;
  for (int i = 0; i < n; i++) {
    way->writer->buffer[0] = '\0';
    double before = bench_now_us();
    for (int k = 0; k < TEXTS; k++)
      way->write(way->writer);
    microseconds[i] = bench_now_us() - before;
    if (way->checked && strcmp(way->writer->buffer, way->writer->text) != 0)
      bench_die("the text is \"%s\"", way->writer->buffer);
  }
}

static void run_texts(const bench_options *options, PGconn *control, const struct sample *sample,
                      const tenantdb_registry *registry) {
  static struct writer writer;
  tenantdb_error *error = NULL;
  writer = (struct writer){.sample = sample, .registry = registry, .schema = "tenant_acme_corp_5d448a"};
  bench_check(tenantdb_statement_new(registry, sample->template, &writer.statement, &error), error,
              "statement");
  writer.built = build(registry);
  writer.length = (size_t)print(writer.text, sizeof writer.text, sample->format, writer.schema);
  struct way ways[] = {
      {&writer, write_memcpy, true},   {&writer, write_strlen_memcpy, true}, {&writer, write_snprintf, true},
      {&writer, write_render, true},   {&writer, write_find, false},         {&writer, write_string, false},
      {&writer, write_compiled, true}, {&writer, write_built_render, false}, {&writer, write_built, false}};
  static const char *const names[] = {"M   memcpy of the finished text",
                                      "N   strlen of the name and that memcpy",
                                      "S   snprintf",
                                      "L   tenantdb_statement_render",
                                      "F   a session: found, not rendered",
                                      "T   tenantdb_statement_text, allocated",
                                      "C   compiled each time, and rendered",
                                      "Q   a builder's short statement, rendered",
                                      "B   the same, built each time"};
  enum { N_WAYS = sizeof ways / sizeof ways[0] };
  bench_contender contenders[N_WAYS];
  for (int i = 0; i < N_WAYS; i++)
    contenders[i] = (bench_contender){names[i], block_text, &ways[i]};
  bench_plan plan = {.options = options,
                     .control = control,
                     .contenders = contenders,
                     .n_contenders = N_WAYS,
                     .bases = {0, 1, 2},
                     .n_bases = 3,
                     .unit = "ns p50",
                     .unit_us = TEXTS / 1e3};
  char title[128];
  snprintf(title, sizeof title, "The text of a statement: %s, %zu bytes", sample->title, writer.length);
  bench_run(&plan, title);
  tndb_texts_free(&writer.texts);
  tenantdb_statement_free(writer.statement);
  tenantdb_statement_free(writer.built);
}

/* ---------------------------------------------------------------- running it */

/* A list as long as that of the long text above, of a row that is found as fast as the short one's. */
#define MANY                                                                                                 \
  "r.user_id, r.model, r.source_language, r.target_language, coalesce(r.status, 'no status was given'), "    \
  "r.id, r.user_id AS user_again, r.model AS model_again, r.source_language AS source_again, "               \
  "r.target_language AS target_again, r.id IS NULL AS has_no_id, r.user_id IS NULL AS has_no_user, r.model " \
  "IS NULL AS has_no_model, r.source_language IS NULL AS has_no_source, r.target_language IS NULL AS "       \
  "has_no_target, r.status IS NULL AS has_no_status, r.source_text IS NULL AS has_no_text"

static const struct sample queries[] = {
    {"short", "SELECT source_text, status FROM \"%s\".\"nmt_requests\" WHERE id = $1",
     "SELECT source_text, status FROM {nmt_requests} WHERE id = $1"},
    {"long", "SELECT r.source_text, " MANY " FROM \"%s\".\"nmt_requests\" r WHERE r.id = $1",
     "SELECT r.source_text, " MANY " FROM {nmt_requests} r WHERE r.id = $1"},
};

typedef enum how { BY_TEXT, BY_SNPRINTF, BY_STATEMENT } how;

struct asker {
  tenantdb *db;
  how how;
  const struct sample *query;
  const tenantdb_statement *statement;
  const struct scope *scopes;
  int n_scopes;
  char (*texts)[2048]; /* of each tenant */
  uint64_t random;
};

static tenantdb_status ask(const struct asker *asker, tenantdb_session *session, int tenant,
                           tenantdb_params *params, tenantdb_result **result, tenantdb_error **error) {
  char text[2048];
  switch (asker->how) {
    case BY_STATEMENT:
      return tenantdb_session_run(session, asker->statement, params, result, error);
    case BY_SNPRINTF:
      (void)print(text, sizeof text, asker->query->format, asker->scopes[tenant].schema);
      return tenantdb_session_query(session, text, params, result, error);
    default:
      return tenantdb_session_query(session, asker->texts[tenant], params, result, error);
  }
}

/* One tenant a block, a random row each time; what is around the call is not counted. */
static void block_ask(void *user, int n, double *microseconds) {
  struct asker *asker = user;
  tenantdb_error *error = NULL;
  tenantdb_session *session = NULL;
  int tenant = (int)(bench_random(&asker->random) % (uint64_t)asker->n_scopes);
  bench_check(tenantdb_session_open(asker->db, asker->scopes[tenant].slug, NULL, &session, &error), error,
              "session");
  for (int i = 0; i < n; i++) {
    char id[FLOOR_UUID];
    tenantdb_result *result = NULL;
    tenantdb_params *params = tenantdb_params_new();
    floor_row_id((int)(bench_random(&asker->random) % FLOOR_ROWS), id);
    tenantdb_params_uuid(params, id);
    double before = bench_now_us();
    tenantdb_status status = ask(asker, session, tenant, params, &result, &error);
    microseconds[i] = bench_now_us() - before;
    bench_check(status, error, "query");
    if (tenantdb_result_rows(result) != 1)
      bench_die("%d rows instead of one", (int)tenantdb_result_rows(result));
    floor_check_text(&asker->scopes[tenant], tenantdb_result_value(result, 0, 0));
    tenantdb_result_free(result);
    tenantdb_params_free(params);
  }
  tenantdb_session_close(session);
}

static tenantdb *open_with(const char *url, tenantdb_registry *registry, const char *cache,
                           const char *prepared) {
  const char *const settings[][2] = {{"database.url", url},
                                     {"isolation.level", "role"},
                                     {"pool.size", "1"},
                                     {"pool.overflow", "0"},
                                     {"session.tenant_cache", "1h"},
                                     {"statement.cache", cache},
                                     {"session.prepared_statements", prepared}};
  tenantdb_error *error = NULL;
  tenantdb_config *config = tenantdb_config_new();
  tenantdb *db = NULL;
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
    bench_check(tenantdb_config_set(config, settings[i][0], settings[i][1], &error), error, settings[i][0]);
  bench_check(tenantdb_open(config, registry, &db, &error), error, "open");
  tenantdb_config_free(config);
  return db;
}

static void run_queries(const bench_options *options, PGconn *control, const struct sample *query,
                        const struct scope *scopes, tenantdb_registry *registry, const char *prepared) {
  enum { TEXT, SNPRINTF, UNCACHED, CACHED, N };
  static const char *const names[N] = {"T   tenantdb_session_query of the text",
                                       "S   snprintf, tenantdb_session_query",
                                       "U   tenantdb_session_run, no text kept", "L   tenantdb_session_run"};
  tenantdb_error *error = NULL;
  tenantdb_statement *statement = NULL;
  struct asker askers[N];
  bench_contender contenders[N];
  char(*texts)[2048] = calloc((size_t)options->tenants, sizeof *texts);
  if (!texts)
    bench_die("out of memory");
  for (int i = 0; i < options->tenants; i++)
    (void)print(texts[i], sizeof texts[i], query->format, scopes[i].schema);
  bench_check(tenantdb_statement_new(registry, query->template, &statement, &error), error, "statement");
  for (int i = 0; i < N; i++) {
    askers[i] = (struct asker){.db = open_with(options->url, registry, i == UNCACHED ? "0" : "512", prepared),
                               .how = i == TEXT       ? BY_TEXT
                                      : i == SNPRINTF ? BY_SNPRINTF
                                                      : BY_STATEMENT,
                               .query = query,
                               .statement = statement,
                               .scopes = scopes,
                               .n_scopes = options->tenants,
                               .texts = texts,
                               .random = options->seed};
    contenders[i] = (bench_contender){names[i], block_ask, &askers[i]};
  }
  bench_pin_backends(control);
  for (int i = 0; i < N; i++) {
    double ignored[8];
    for (int k = 0; k < 12 * options->tenants; k++)
      block_ask(&askers[i], 8, ignored);
  }
  bench_plan plan = {.options = options,
                     .control = control,
                     .contenders = contenders,
                     .n_contenders = N,
                     .bases = {TEXT},
                     .n_bases = 1,
                     .unit = "us p50",
                     .unit_us = 1};
  char title[160];
  snprintf(title, sizeof title,
           "Running a statement, %s, %zu bytes, %s, one tenant of %d a block, level role", query->title,
           strlen(texts[0]), strcmp(prepared, "0") == 0 ? "nothing prepared" : "prepared", options->tenants);
  bench_run(&plan, title);
  for (int i = 0; i < N; i++)
    tenantdb_close(askers[i].db);
  tenantdb_statement_free(statement);
  free(texts);
}

int main(int argc, char **argv) {
  bench_options options = {.repetitions = 7, .tenants = 10, .rounds = 40, .block = 50, .seed = 1};
  bench_parse(&options, argc, argv, "Writes and runs compiled statements for --tenants tenants.");
  bench_pin_self();
  PGconn *control = bench_connect(options.url);
  struct scope *scopes = scopes_make(control, &options, "statement");
  bench_pin_backends(control);
  bench_print_setting(control, &options);
  tenantdb_registry *registry = standard_registry();
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
    run_texts(&options, control, &samples[i], registry);
  for (int prepared = 1; prepared >= 0 && !options.floors_only; prepared--)
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
      run_queries(&options, control, &queries[i], scopes, registry, prepared ? "256" : "0");
  tenantdb_registry_free(registry);
  free(scopes);
  PQfinish(control);
  return 0;
}

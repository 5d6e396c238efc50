/* SPDX-License-Identifier: PostgreSQL */
/*
 * An application whose tables live in one schema that the environment names:
 * DATABASE_URL and DATABASE_SCHEMA. It begins in public, gets a user of its own,
 * moves from public with its data in both ways, at once to teddy_ai and behind
 * views to teddy-ai, while somebody writes all the time; then its three classic
 * troubles are made, diagnosed and mended. Run again on the same database it finds
 * its tables where the last run left them.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenantdb.h>

#define APPLICATION_USER "teddy_ai_user"

/* Authentication, then the application; nothing in it names a schema. */
static const char tables[] =
    "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, created_at timestamptz NOT NULL "
    "DEFAULT"
    " now());"
    "CREATE TABLE conversations (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id integer NOT NULL"
    " REFERENCES users (id) ON DELETE CASCADE, title text);"
    "CREATE TABLE messages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, conversation_id bigint NOT "
    "NULL"
    " REFERENCES conversations (id) ON DELETE CASCADE, body text NOT NULL);"
    "CREATE TABLE property_embeddings (property_id text PRIMARY KEY, embedding real[] NOT NULL);"
    "CREATE TABLE insight_embeddings (insight_id text PRIMARY KEY, embedding real[] NOT NULL);"
    "CREATE TABLE property_insight_cache (property_id text PRIMARY KEY REFERENCES property_embeddings "
    "(property_id),"
    " insight jsonb NOT NULL, cached_at timestamptz NOT NULL DEFAULT now());"
    "CREATE TABLE search_history (id serial PRIMARY KEY, user_id integer REFERENCES users (id), query text "
    "NOT NULL);"
    "CREATE TABLE user_preferences (user_id integer PRIMARY KEY REFERENCES users (id), preferences jsonb NOT "
    "NULL);"
    "CREATE TABLE ml_model_metadata (name text PRIMARY KEY, version integer NOT NULL)";

static void must(const char *what, tenantdb_status status, tenantdb_error **error) {
  if (status) {
    fprintf(stderr, "configured_schema: %s: %s\n", what, tenantdb_error_message(*error));
    exit(EXIT_FAILURE);
  }
}

/* As the application does when it starts; `also` is a second schema in its path, or NULL. */
static tenantdb *open_application(const char *schema, const char *also, const char *user) {
  tenantdb_config *config = tenantdb_config_new();
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb *db = NULL;
  tenantdb_error *error = NULL;
  tenantdb_base *teddy = tenantdb_registry_base(registry, "Teddy", TENANTDB_BASE_SHARED);
  tenantdb_base_sql(teddy, tables);
  tenantdb_base_grant(teddy, "SELECT, INSERT, UPDATE, DELETE");
  if (schema) {
    setenv("DATABASE_SCHEMA", schema, 1);
  } else {
    unsetenv("DATABASE_SCHEMA");
  }
  must("environment", tenantdb_config_load_env(config, &error), &error);
  must("option", tenantdb_config_set(config, "extensions.schema", also ? also : "", &error), &error);
  if (user) { /* the last of two users in a URI counts */
    char url[1024];
    const char *given = getenv("DATABASE_URL");
    snprintf(url, sizeof url, "%s%suser=%s", given, strchr(given, '?') ? "&" : "?", user);
    must("option", tenantdb_config_set(config, "database.url", url, &error), &error);
  }
  must("open", tenantdb_open(config, registry, &db, &error), &error);
  tenantdb_config_free(config);
  tenantdb_registry_free(registry);
  return db;
}

static tenantdb_session *open_session(tenantdb *db) {
  tenantdb_session *session = NULL;
  tenantdb_error *error = NULL;
  must("session", tenantdb_session_open_shared(db, NULL, &session, &error), &error);
  return session;
}

/* Run it; and print its rows, "before first between second after", unless before is NULL. */
static void run(tenantdb *db, const char *sql, const char *before, const char *between, const char *after) {
  tenantdb_session *session = open_session(db);
  tenantdb_result *rows = NULL;
  tenantdb_error *error = NULL;
  must(sql, tenantdb_session_query(session, sql, NULL, &rows, &error), &error);
  for (int32_t i = 0; before && i < tenantdb_result_rows(rows); i++) {
    const char *second = tenantdb_result_columns(rows) > 1 ? tenantdb_result_value(rows, i, 1) : "";
    printf("%s%s%s%s%s\n", before, tenantdb_result_value(rows, i, 0), between, second, after);
  }
  tenantdb_result_free(rows);
  tenantdb_session_close(session);
}

static void execute(tenantdb *db, const char *sql) {
  run(db, sql, NULL, NULL, NULL);
}

/* ---------------------------------------------------------------- somebody who writes all the time */

typedef struct writer {
  tenantdb *db;
  pthread_t thread;
  atomic_bool over;
  atomic_int rounds;
  atomic_int failures;
} writer;

static void *write_on(void *user) {
  static const char sql[] =
      "WITH u AS (INSERT INTO users (email) VALUES (gen_random_uuid() || '@example.com') RETURNING id),"
      " c AS (INSERT INTO conversations (user_id, title) SELECT id, 'hello' FROM u RETURNING id)"
      " INSERT INTO ml_model_metadata SELECT 'ranker', 1 FROM c"
      " ON CONFLICT (name) DO UPDATE SET version = ml_model_metadata.version + 1";
  writer *w = user;
  tenantdb_session *session = open_session(w->db);
  while (!atomic_load(&w->over)) {
    tenantdb_error *error = NULL;
    if (tenantdb_session_query(session, sql, NULL, NULL, &error)) {
      fprintf(stderr, "a writer failed: %s\n", tenantdb_error_message(error));
      atomic_fetch_add(&w->failures, 1);
    }
    tenantdb_error_free(error);
    atomic_fetch_add(&w->rounds, 1);
  }
  tenantdb_session_close(session);
  return NULL;
}

static void start_writer(writer *w, tenantdb *db) {
  *w = (writer){.db = db};
  if (pthread_create(&w->thread, NULL, write_on, w)) {
    exit(EXIT_FAILURE);
  }
  while (atomic_load(&w->rounds) < 20) {
  }
}

/* What he wrote, whoever he was, is there: that many users with a conversation each. */
static void stop_writer(writer *w, const char *who) {
  int now = atomic_load(&w->rounds);
  while (atomic_load(&w->rounds) < now + 20) {
  }
  atomic_store(&w->over, true);
  pthread_join(w->thread, NULL);
  printf("  %s wrote all the time, %d failures\n", who, atomic_load(&w->failures));
}

/* ---------------------------------------------------------------- moving */

static void relocate(tenantdb *db, const char *from, const char *to, const char *way, int32_t apply) {
  tenantdb_relocate_options *options = tenantdb_relocate_options_new();
  tenantdb_result *plan = NULL;
  tenantdb_error *error = NULL;
  int32_t moves = 0;
  tenantdb_relocate_options_set(options, "from", from);
  tenantdb_relocate_options_set(options, "to", to);
  tenantdb_relocate_options_set(options, "way", way);
  must("relocate", tenantdb_relocate(db, options, apply, &plan, &error), &error);
  for (int32_t i = 0; i < tenantdb_result_rows(plan); i++) {
    const char *sql = tenantdb_result_value(plan, i, 2);
    moves += sql && strstr(sql, "ALTER TABLE") != NULL;
    if (!apply && sql && strstr(sql, ".users") && !strstr(sql, "_group_")) {
      printf("    %s -- %s\n", sql, tenantdb_result_value(plan, i, 3));
    }
  }
  printf("  %s: %d tables %s\n", way, (int)moves, apply ? "moved" : "to move");
  tenantdb_result_free(plan);
  tenantdb_relocate_options_free(options);
}

static const char counts[] =
    "SELECT (SELECT count(*) FROM users) = (SELECT count(*) FROM conversations) + 1, current_schema()";

/* Nobody may use the old name meanwhile: the writer names tables without a schema, and his path has both. */
static void move_at_once(const char *from, const char *to) {
  tenantdb *both = open_application(from, to, NULL), *old = open_application(from, NULL, NULL);
  writer w;
  start_writer(&w, both);
  relocate(old, from, to, "at_once", 0);
  relocate(old, from, to, "at_once", 1);
  stop_writer(&w, "a connection with both schemas in its path");
  tenantdb_close(both);
  tenantdb_close(old);
  tenantdb *new = open_application(to, NULL, NULL);
  run(new, counts, "  every user has his conversation: ", ", in ", "");
  tenantdb_close(new);
}

static void move_by_views(const char *from, const char *to) {
  tenantdb_error *error = NULL;
  tenantdb *old = open_application(from, NULL, NULL), *new = open_application(to, NULL, NULL);
  writer before, after;
  start_writer(&before, old);
  relocate(old, from, to, "views", 0);
  relocate(old, from, to, "views", 1);
  start_writer(&after, new);
  stop_writer(&before, "the old version");
  tenantdb_status status = tenantdb_relocate_finish(new, NULL, 1, NULL, &error);
  must("finish", status, &error);
  stop_writer(&after, "the new version");
  must("bootstrap", tenantdb_bootstrap(new, &error), &error);
  run(new, counts, "  every user has his conversation: ", ", in ", "");
  run(new,
      "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename IN ('users', 'messages')",
      "  left in public: ", "", "");
  tenantdb_close(old);
  tenantdb_close(new);
}

/* ---------------------------------------------------------------- troubles */

/* It must fail; what the application's log says of it, without what differs from run to run. */
static void provoke(tenantdb *db, const char *sql) {
  tenantdb_session *session = NULL;
  tenantdb_error *error = NULL;
  tenantdb_status status = tenantdb_session_open_shared(db, NULL, &session, &error);
  status = status ? status : tenantdb_session_query(session, sql, NULL, NULL, &error);
  const char *message = status ? tenantdb_error_message(error) : "none";
  printf("  ERROR: %.*s\n", (int)strcspn(message, "("), message);
  tenantdb_error_free(error);
  tenantdb_session_close(session);
}

/* What a diagnosis finds of that kind; and when `by` is given, he runs the SQL that mends it. */
static void diagnose(tenantdb *db, const char *code, tenantdb *by) {
  tenantdb_result *findings = NULL;
  tenantdb_error *error = NULL;
  must("diagnose", tenantdb_diagnose(db, NULL, &findings, &error), &error);
  for (int32_t i = 0; i < tenantdb_result_rows(findings); i++) {
    const char *sql = tenantdb_result_value(findings, i, 7);
    if (strcmp(tenantdb_result_value(findings, i, 1), code) == 0) {
      printf("    %s: %s\n    %s\n      %s\n", tenantdb_result_value(findings, i, 3),
             tenantdb_result_value(findings, i, 4), tenantdb_result_value(findings, i, 6), sql ? sql : "");
      if (by && sql) {
        execute(by, sql);
      }
      break;
    }
  }
  tenantdb_result_free(findings);
}

static void make_troubles(tenantdb *db) {
  tenantdb_error *error = NULL;
  printf("Trouble: the schema is not found\n");
  tenantdb *wrong = open_application("teddy_ia", NULL, NULL);
  provoke(wrong, "SELECT * FROM users");
  diagnose(wrong, "shared-schema-missing", NULL);
  tenantdb_close(wrong);

  printf("Trouble: permission denied\n");
  execute(db, "GRANT USAGE ON SCHEMA tenantdb TO " APPLICATION_USER);
  execute(db, "GRANT SELECT ON ALL TABLES IN SCHEMA tenantdb TO " APPLICATION_USER);
  execute(db, "REVOKE ALL ON SCHEMA \"teddy-ai\" FROM " APPLICATION_USER);
  wrong = open_application("teddy-ai", NULL, APPLICATION_USER);
  provoke(wrong, "SELECT * FROM users");
  diagnose(wrong, "shared-permission", db);
  run(wrong, "SELECT count(*) > 0 FROM users", "  mended, he sees users: ", "", "");
  tenantdb_close(wrong);

  printf("Trouble: the tables are in another schema than DATABASE_SCHEMA\n");
  wrong = open_application(NULL, NULL, NULL);
  if (!tenantdb_bootstrap(wrong, &error)) {
    exit(EXIT_FAILURE); /* it would have made empty ones */
  }
  printf("  ERROR: %s\n", tenantdb_error_message(error));
  tenantdb_error_free(error);
  diagnose(wrong, "table-elsewhere", NULL);
  tenantdb_close(wrong);
}

/* ---------------------------------------------------------------- from the first start on */

/* Where the last run left the tables they are not made again: they are moved back. */
static tenantdb *start(void) {
  tenantdb_error *error = NULL;
  printf("DATABASE_SCHEMA is not set\n");
  tenantdb *db = open_application(NULL, NULL, NULL);
  tenantdb_status status = tenantdb_bootstrap(db, &error);
  bool again = status && tenantdb_error_reason(error) == TENANTDB_REASON_SHARED_TABLES_ELSEWHERE;
  if (again) {
    printf("  %s\n", tenantdb_error_message(error));
    tenantdb_error_free(error);
    relocate(db, "teddy-ai", "public", "at_once", 1);
    status = tenantdb_bootstrap(db, &error);
  }
  must("bootstrap", status, &error);
  run(db, "SELECT current_schema()",
      again ? "INFO: Tables are in schema: " : "INFO: Creating tables in schema: ", "", "");
  run(db,
      "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename "
      "COLLATE \"C\"",
      "INFO: Table ", ".", again ? " is there" : " created successfully");
  execute(db, "INSERT INTO users (email) VALUES ('first@example.com') ON CONFLICT (email) DO NOTHING");
  return db;
}

/* What he needs in a schema, of what is there and of what will be. */
static void grant(tenantdb *db, const char *schema) {
  static const char *const rights[] = {
      "GRANT USAGE ON SCHEMA \"%s\" TO " APPLICATION_USER,
      "GRANT ALL ON ALL TABLES IN SCHEMA \"%s\" TO " APPLICATION_USER,
      "GRANT ALL ON ALL SEQUENCES IN SCHEMA \"%s\" TO " APPLICATION_USER,
      "ALTER DEFAULT PRIVILEGES IN SCHEMA \"%s\" GRANT ALL ON TABLES TO " APPLICATION_USER,
      "ALTER DEFAULT PRIVILEGES IN SCHEMA \"%s\" GRANT ALL ON SEQUENCES TO " APPLICATION_USER,
  };
  for (size_t i = 0; i < sizeof rights / sizeof rights[0]; i++) {
    const char *hole = strstr(rights[i], "%s");
    char sql[256];
    snprintf(sql, sizeof sql, "%.*s%s%s", (int)(hole - rights[i]), rights[i], schema, hole + 2);
    execute(db, sql);
    printf("  %s\n", sql);
  }
}

static void verify(tenantdb *db) {
  run(db,
      "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'teddy-ai' ORDER BY tablename COLLATE "
      "\"C\"",
      "  ", ".", "");
  run(db, "SHOW search_path", "  search_path: ", "", "");
  run(db,
      "SELECT count(*) FROM pg_tables WHERE schemaname = 'teddy-ai' AND "
      "has_table_privilege('" APPLICATION_USER
      "', format('%I.%I', schemaname, tablename), 'SELECT, INSERT, UPDATE, DELETE') AND "
      "has_schema_privilege('" APPLICATION_USER "', schemaname, 'USAGE')",
      "  " APPLICATION_USER " may use ", " of them", "");
  execute(db, "CREATE TABLE made_later (id serial)");
  run(db,
      "SELECT has_table_privilege('" APPLICATION_USER
      "', 'made_later', 'INSERT') AND has_sequence_privilege('" APPLICATION_USER
      "', 'made_later_id_seq', 'USAGE')",
      "  and what is made later: ", "", "");
  execute(db, "DROP TABLE made_later");
}

int main(void) {
  tenantdb *db = start();
  printf("A user of its own\n");
  execute(db, "DROP ROLE IF EXISTS " APPLICATION_USER);
  execute(db, "CREATE ROLE " APPLICATION_USER " LOGIN PASSWORD 'secure_password'");
  grant(db, "public");
  tenantdb_close(db);

  printf("From public to teddy_ai, at once; and back, which is the same thing\n");
  move_at_once("public", "teddy_ai");
  move_at_once("teddy_ai", "public");
  printf("From public to teddy-ai, with zero downtime\n");
  move_by_views("public", "teddy-ai");

  printf("Verification\n");
  db = open_application("teddy-ai", NULL, NULL);
  grant(db, "teddy-ai");
  verify(db);
  make_troubles(db);

  execute(db, "DROP OWNED BY " APPLICATION_USER);
  execute(db, "DROP ROLE " APPLICATION_USER);
  execute(db, "DROP SCHEMA teddy_ai");
  tenantdb_close(db);
  return EXIT_SUCCESS;
}

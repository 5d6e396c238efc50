/* SPDX-License-Identifier: PostgreSQL */
/*
 * The second release of examples/content_projects.c, and how its tables come to all projects.
 *
 * Release 1 knew its tables from the registry alone. Release 2 brings a folder of
 * migrations, migrations/{shared,tenant}, whose first files say what was there: a
 * baseline tells the library so. Then one project is upgraded to try it out, and all of
 * them, of which one has data that a migration cannot take: it is told which, in what
 * file and why, mended, and only that one is done again. While all that goes on release 1 works.
 */
#include <stdio.h>
#include <string.h>
#include <tenantdb.h>

#include "content_projects.h"

/* What the registry of release 2 declares beyond that of release 1. */
static const char common_of_2[] = "ALTER TABLE prompts ADD COLUMN language varchar(8) NOT NULL DEFAULT 'en'";
static const char project_of_2[] =
    "ALTER TABLE contents ADD COLUMN version integer DEFAULT 1;"
    "ALTER TABLE contents ADD COLUMN slug text NOT NULL";

#define BASELINE "1" /* the version of what release 1 made, in both streams */
#define NEEDED "3"   /* the version that release 2 needs of a project */

/* A cell by its column's name; "" for NULL. */
static const char *cell(const tenantdb_result *rows, int32_t row, const char *column) {
  const char *value = tenantdb_result_value(rows, row, tenantdb_result_column(rows, column));
  return value ? value : "";
}

/* ---------------------------------------------------------------- the files */

static void show_lint(const tenantdb_migrations *set, const tenantdb_registry *registry) {
  tenantdb_error *error;
  tenantdb_result *findings;
  must(tenantdb_migrations_lint(set, registry, &findings, &error), "lint", &error);
  for (int32_t i = 0; i < tenantdb_result_rows(findings); i++) {
    printf("  %s:%s: %s: %s\n", cell(findings, i, "file"), cell(findings, i, "line"),
           cell(findings, i, "message"), cell(findings, i, "way_out"));
  }
  must_be(tenantdb_result_rows(findings) == 0, "lint finds nothing in the migrations");
  printf("  lint finds nothing\n");
  tenantdb_result_free(findings);
}

/* Neither of these asks a server, so a build can do it for every commit. */
static tenantdb_migrations *load(const char *folder, const tenantdb_registry *registry) {
  tenantdb_error *error;
  tenantdb_result *files;
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migrations_set(set, "sums", "require"); /* a file that was edited behind our back is refused */
  must(tenantdb_migrations_load(set, folder, &error), folder, &error);
  must(tenantdb_migrations_list(set, &files, &error), folder, &error);
  printf("\nThe migrations of release 2:\n");
  for (int32_t i = 0; i < tenantdb_result_rows(files); i++) {
    printf("  %-40s %s\n", cell(files, i, "file"),
           strcmp(cell(files, i, "tx"), "none") ? "one transaction" : "step by step");
  }
  tenantdb_result_free(files);
  show_lint(set, registry);
  return set;
}

/* ---------------------------------------------------------------- start-up of release 2 */

static tenantdb *start(const tenantdb_config *config, tenantdb_registry *registry,
                       const tenantdb_migrations *set) {
  tenantdb_error *error;
  tenantdb *db;
  must(tenantdb_open(config, registry, &db, &error), "opening the database", &error);
  must(tenantdb_use_migrations(db, set, &error), "the migrations", &error);
  must(tenantdb_bootstrap(db, &error), "bootstrap", &error);
  return db;
}

static tenantdb_config *configure(void) {
  tenantdb_error *error;
  tenantdb_config *config = tenantdb_config_new();
  must(tenantdb_config_set(config, "tenant.schema_template", "project_{id}", &error), "naming", &error);
  /* A project that is created from now on has what the files make: the trigger for release 1, too. */
  must(tenantdb_config_set(config, "migrate.new_tenants", "checkpoint", &error), "new tenants", &error);
  must(tenantdb_config_load_env(config, &error), "configuration", &error);
  return config;
}

/*
 * Release 1 made its schemas without migrations. Those that are what the first files make
 * get a line in the ledger that says so; nothing is run in them. A second time is no harm,
 * and takes in what release 1 has created meanwhile.
 */
static void set_baseline(tenantdb *db, const char *stream) {
  tenantdb_error *error;
  tenantdb_result *rows;
  tenantdb_ledger_options *options = tenantdb_ledger_options_new();
  tenantdb_ledger_options_set(options, "stream", stream);
  tenantdb_ledger_options_set(options, "version", BASELINE);
  must(tenantdb_migration_baseline(db, options, &rows, &error), "the baseline", &error);
  for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
    const char *tenant = cell(rows, i, "tenant");
    printf("  %-14s %s %s\n", *tenant ? tenant : "what is shared", cell(rows, i, "outcome"),
           cell(rows, i, "note"));
  }
  tenantdb_result_free(rows);
  tenantdb_ledger_options_free(options);
}

/* ---------------------------------------------------------------- who has what */

static void show_versions(tenantdb *db) {
  tenantdb_error *error;
  tenantdb_result *rows;
  printf("\nWho has what:\n");
  must(tenantdb_migration_versions(db, NULL, &rows, &error), "versions", &error);
  for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
    printf("  version %s: %s\n", cell(rows, i, "version"), cell(rows, i, "which"));
  }
  tenantdb_result_free(rows);
  must(tenantdb_migration_status(db, NULL, &rows, &error), "status", &error);
  for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
    const char *tenant = cell(rows, i, "tenant"), *next = cell(rows, i, "file");
    printf("  %-14s version %s%s%s\n", *tenant ? tenant : "what is shared", cell(rows, i, "version"),
           *next ? ", next is " : "", next);
  }
  tenantdb_result_free(rows);
}

static void show_history(tenantdb *db, const char *slug) {
  tenantdb_error *error;
  tenantdb_result *rows;
  printf("\nThe ledger of %s:\n", slug);
  must(tenantdb_migration_history(db, slug, &rows, &error), slug, &error);
  for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
    printf("  %s  %-20s %-9s %s, attempts: %s\n", cell(rows, i, "version"), cell(rows, i, "title"),
           cell(rows, i, "kind"), cell(rows, i, "state"), cell(rows, i, "attempts"));
  }
  tenantdb_result_free(rows);
}

/* What would be done, and how many projects lack something. Nothing is written. */
static int show_plan(tenantdb *db) {
  tenantdb_error *error;
  tenantdb_result *plan;
  must(tenantdb_run_plan(db, NULL, &plan, &error), "the plan", &error);
  int steps = tenantdb_result_rows(plan);
  printf("\nWhat is to be done:%s\n", steps ? "" : " nothing");
  for (int32_t i = 0; i < steps; i++) {
    if (strcmp(cell(plan, i, "what"), "file") == 0) {
      printf("  %-40s for %s, locks: %s\n", cell(plan, i, "name"), cell(plan, i, "tenants"),
             cell(plan, i, "locks"));
    }
  }
  tenantdb_result_free(plan);
  return steps > 0;
}

/* ---------------------------------------------------------------- runs */

/* Called about twice a second and at the end; here a program would draw its bar. */
static int32_t note_progress(void *user, const tenantdb_result *progress) {
  snprintf(user, 60, "%s of %s done, %s failed", cell(progress, 0, "done"), cell(progress, 0, "total"),
           cell(progress, 0, "failed"));
  return 0; /* anything else pauses the run */
}

/* A run is rows in the catalog: should this process die, another one goes on with tenantdb_run_open(). */
static tenantdb_status work_on(tenantdb_run *run, tenantdb_error **error) {
  char progress[60] = "nothing to do";
  tenantdb_run_on_progress(run, note_progress, progress);
  tenantdb_status status = tenantdb_run_work(run, 0, NULL, error);
  tenantdb_run_on_progress(run, NULL, NULL);
  printf("  %s\n", progress);
  return status;
}

/* Only some projects, by their names; a selector such as "plan=pro" would do as well. */
static void upgrade_project_schema(tenantdb *db, const char *slug) {
  tenantdb_error *error;
  tenantdb_run *run;
  tenantdb_run_options *options = tenantdb_run_options_new();
  tenantdb_run_options_tenant(options, slug);
  must(tenantdb_migrate_begin(db, options, &run, &error), slug, &error);
  printf("\nOnly %s:\n", slug);
  must(work_on(run, &error), slug, &error);
  tenantdb_run_options_free(options);
  tenantdb_run_free(run);
}

static void show_failed(tenantdb_run *run) {
  tenantdb_error *error;
  tenantdb_result *failed;
  must(tenantdb_run_members(run, "failed", NULL, 100, &failed, &error), "who failed", &error);
  for (int32_t i = 0; i < tenantdb_result_rows(failed); i++) {
    printf("  %s failed in %s, line %s (SQLSTATE %s):\n    %s\n", cell(failed, i, "tenant"),
           cell(failed, i, "file"), cell(failed, i, "line"), cell(failed, i, "sqlstate"),
           cell(failed, i, "error"));
  }
  tenantdb_result_free(failed);
}

/* What somebody does who has read the message. */
static void mend(tenantdb *db, const char *slug) {
  tenantdb_error *error;
  tenantdb_session *session;
  must(tenantdb_session_open(db, slug, NULL, &session, &error), slug, &error);
  must(tenantdb_session_query(session, "DELETE FROM contents WHERE title IS NULL", NULL, NULL, &error), slug,
       &error);
  tenantdb_session_close(session);
}

static void upgrade_all_project_schemas(tenantdb *db, const char *odd_one) {
  tenantdb_error *error;
  tenantdb_run *run;
  tenantdb_run_options *options = tenantdb_run_options_new();
  tenantdb_run_options_set(options, "connections", "2"); /* so many projects at once */
  must(tenantdb_migrate_begin(db, options, &run, &error), "all projects", &error);
  printf("\nAll projects:\n");
  tenantdb_status status = work_on(run, &error);
  must_be(status == TENANTDB_UNAVAILABLE, "the run tells that it is done but in part");
  tenantdb_error_free(error);
  show_failed(run);

  mend(db, odd_one);
  must(tenantdb_run_retry_failed(run, &error), "trying again", &error);
  printf("\nThe one that failed, mended:\n");
  must(work_on(run, &error), "the one that failed", &error);
  tenantdb_run_options_free(options);
  tenantdb_run_free(run);
}

/* ---------------------------------------------------------------- two releases side by side */

/* An import of release 1 that went wrong: content that cannot get a slug, having no title. */
static void spoil(tenantdb *release_1, const char *slug) {
  static const char sql[] =
      "INSERT INTO contents (body, object_model_id) SELECT 'A text, and nothing else', object_model_id FROM"
      " contents LIMIT 1";
  tenantdb_error *error;
  tenantdb_session *session;
  must(tenantdb_session_open(release_1, slug, NULL, &session, &error), slug, &error);
  must(tenantdb_session_query(session, sql, NULL, NULL, &error), slug, &error);
  tenantdb_session_close(session);
}

/* Release 2 says which version its statements need, and never meets a project that is not there yet. */
static void try_release_2(tenantdb *db, const char *slug) {
  tenantdb_error *error;
  tenantdb_session *session;
  tenantdb_result *rows;
  tenantdb_session_options *options = tenantdb_session_options_new();
  tenantdb_session_options_set(options, "min_version", NEEDED);
  tenantdb_status status = tenantdb_session_open(db, slug, options, &session, &error);
  if (status) {
    printf("  release 2 with %-12s %s: not yet\n", slug, tenantdb_status_name(status));
    tenantdb_error_free(error);
  } else {
    must(tenantdb_session_query(session, "SELECT slug, version FROM contents ORDER BY slug LIMIT 1", NULL,
                                &rows, &error),
         slug, &error);
    printf("  release 2 with %-12s reads %s, version %s\n", slug, tenantdb_result_value(rows, 0, 0),
           tenantdb_result_value(rows, 0, 1));
    tenantdb_result_free(rows);
  }
  tenantdb_session_close(session);
  tenantdb_session_options_free(options);
}

/* Release 1 knows nothing of versions and slugs, and adds contents as ever. (It is rolled back, being for show.) */
static void try_release_1(tenantdb *release_1, const char *slug) {
  static const char sql[] =
      "INSERT INTO contents (title, body, object_model_id) SELECT 'Written by release 1', 'as ever',"
      " object_model_id FROM contents LIMIT 1 RETURNING to_jsonb(contents) ->> 'slug'";
  tenantdb_error *error;
  tenantdb_session *session;
  tenantdb_result *rows;
  must(tenantdb_session_open(release_1, slug, NULL, &session, &error), slug, &error);
  must(tenantdb_session_begin(session, NULL, &error), slug, &error);
  must(tenantdb_session_query(session, sql, NULL, &rows, &error), slug, &error);
  const char *made = tenantdb_result_value(rows, 0, 0);
  printf("  release 1 with %-12s adds a content, whose slug is %s\n", slug, made ? made : "not there yet");
  tenantdb_result_free(rows);
  must(tenantdb_session_rollback(session, &error), slug, &error);
  tenantdb_session_close(session);
}

static void show_side_by_side(tenantdb *release_1, tenantdb *release_2) {
  static const char *const slugs[] = {"bike-shop", "garden-blog"};
  printf("\nTwo releases side by side:\n");
  for (int i = 0; i < 2; i++) {
    try_release_1(release_1, slugs[i]);
    try_release_2(release_2, slugs[i]);
  }
}

void upgrade(tenantdb *release_1, const char *folder) {
  tenantdb_registry *registry = tenantdb_registry_new();
  declare(registry);
  tenantdb_base_sql(tenantdb_registry_base(registry, "Common", TENANTDB_BASE_SHARED), common_of_2);
  tenantdb_base_sql(tenantdb_registry_base(registry, "Project", TENANTDB_BASE_TENANT), project_of_2);
  tenantdb_config *config = configure();
  tenantdb_migrations *set = load(folder, registry);
  tenantdb *release_2 = start(config, registry, set);

  printf("\nWhat release 1 made:\n");
  set_baseline(release_2, "shared");
  set_baseline(release_2, "tenant");
  if (show_plan(release_2)) {
    upgrade_project_schema(release_2, "bike-shop");
    show_versions(release_2);
    show_side_by_side(release_1, release_2);
    spoil(release_1, "tea-house");
    upgrade_all_project_schemas(release_2, "tea-house");
  }
  show_versions(release_2);
  show_side_by_side(release_1, release_2);
  show_history(release_2, "tea-house");

  tenantdb_close(release_2);
  tenantdb_migrations_free(set);
  tenantdb_config_free(config);
  tenantdb_registry_free(registry);
}

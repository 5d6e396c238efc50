/* SPDX-License-Identifier: PostgreSQL */
/*
 * Cloning, exporting, importing and copying one tenant, beside pg_dump and psql.
 * --block is how many rows he has in his larger table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

enum { DUMP, RESTORE, DUMP_RESTORE, EXPORT, IMPORT, COPY, CLONE, N_CONTENDERS };
static const char *const names[N_CONTENDERS] = {
    "pg_dump to a file",     "psql from that file",      "pg_dump | psql",         "L export to a file",
    "L import of that file", "L copy between databases", "L clone in one database"};
/* What each is compared with. */
static const int bases[N_CONTENDERS] = {DUMP,    RESTORE,      DUMP_RESTORE, DUMP,
                                        RESTORE, DUMP_RESTORE, DUMP_RESTORE};

typedef struct place {
  char url[1024];
  tenantdb *db;
} place;

static char folder[] = "/tmp/tenantdb-bench-XXXXXX";
static char dump_path[64], archive_path[64];

static tenantdb_registry *registry(void) {
  tenantdb_registry *made = tenantdb_registry_new();
  (void)tenantdb_registry_base(made, "Central", TENANTDB_BASE_SHARED);
  tenantdb_base_sql(
      tenantdb_registry_base(made, "Service", TENANTDB_BASE_TENANT),
      "CREATE TABLE accounts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);"
      "CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id bigint NOT "
      "NULL REFERENCES accounts (id), at timestamptz NOT NULL, kind text NOT NULL, data jsonb);"
      "CREATE INDEX events_account ON events (account_id, at); CREATE INDEX events_kind ON events (kind)");
  return made;
}

/* The server's URI with another database in it, which is made. Libpq takes both forms. */
static void make_place(PGconn *control, const char *url, const char *name, place *made) {
  char sql[200];
  snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
  bench_sql(control, sql);
  const char *query = strchr(url, '?');
  const char *slash = strstr(url, "://");
  slash = slash ? strchr(slash + 3, '/') : NULL;
  if (!slash)
    bench_die("--url must be a URI with a database in it");
  snprintf(made->url, sizeof made->url, "%.*s/%s%s", (int)(slash - url), url, name, query ? query : "");
  tenantdb_error *error = NULL;
  made->db = bench_open(made->url, registry(), "role");
  bench_check(tenantdb_bootstrap(made->db, &error), error, "bootstrap");
}

static void fill(const place *from, int rows, char *schema, size_t size) {
  tenantdb_error *error = NULL;
  tenantdb_tenant *tenant = NULL;
  char sql[1000];
  bench_check(tenantdb_tenant_create(from->db, "source", NULL, &tenant, &error), error, "create");
  snprintf(schema, size, "%s", tenantdb_tenant_schema(tenant));
  tenantdb_tenant_free(tenant);
  PGconn *conn = bench_connect(from->url);
  snprintf(sql, sizeof sql,
           "SET search_path = %s; INSERT INTO accounts (name) SELECT 'account ' || i FROM generate_series(1, "
           "1000) i;"
           "INSERT INTO events (account_id, at, kind, data) SELECT 1 + i %% 1000, now() + i * interval '1 "
           "s', 'kind ' "
           "|| i %% 20, jsonb_build_object('n', i, 'text', repeat('x', 20 + i %% 30)) FROM "
           "generate_series(1, %d) i;"
           "ANALYZE accounts; ANALYZE events",
           schema, rows);
  bench_sql(conn, sql);
  PQfinish(conn);
}

static void shell(const char *command) {
  if (system(command) != 0)
    bench_die("failed: %s", command);
}

/* Names of tenants are new every time: nothing is dropped while the clock runs, or before. */
static double once(int what, place *from, place *into, const char *schema, int number) {
  char slug[32], command[3000];
  tenantdb_error *error = NULL;
  double before = bench_now_us();
  snprintf(slug, sizeof slug, "t-%d-%d", what, number);
  switch (what) {
    case DUMP:
      snprintf(command, sizeof command, "pg_dump -n '%s' -f '%s' '%s'", schema, dump_path, from->url);
      shell(command);
      break;
    case RESTORE:
      snprintf(command, sizeof command, "psql -X -q -1 -v ON_ERROR_STOP=1 -f '%s' '%s' >/dev/null", dump_path,
               into->url);
      shell(command);
      break;
    case DUMP_RESTORE:
      snprintf(command, sizeof command,
               "pg_dump -n '%s' '%s' | psql -X -q -1 -v ON_ERROR_STOP=1 '%s' >/dev/null", schema, from->url,
               into->url);
      shell(command);
      break;
    case EXPORT:
      bench_check(tenantdb_tenant_export_file(from->db, "source", archive_path, NULL, &error), error,
                  "export");
      break;
    case IMPORT:
      bench_check(tenantdb_tenant_import_file(into->db, slug, NULL, archive_path, NULL, NULL, &error), error,
                  "import");
      break;
    case COPY:
      bench_check(tenantdb_tenant_copy(from->db, "source", into->db, slug, NULL, NULL, NULL, &error), error,
                  "copy");
      break;
    default:
      bench_check(tenantdb_tenant_clone(from->db, "source", slug, NULL, NULL, NULL, &error), error, "clone");
      break;
  }
  return bench_now_us() - before;
}

static void rename_away(const place *into, const char *schema, int number) {
  PGconn *conn = bench_connect(into->url);
  char sql[300];
  snprintf(sql, sizeof sql, "ALTER SCHEMA \"%.63s\" RENAME TO restored_%d", schema, number);
  bench_sql(conn, sql);
  PQfinish(conn);
}

int main(int argc, char **argv) {
  bench_options options = {.repetitions = 5, .block = 200000, .seed = 1};
  bench_parse(&options, argc, argv, "bench_archive: a tenant cloned, exported, imported and copied");
  PGconn *control = bench_connect(options.url);
  place from, into;
  char schema[80], name[64];
  double took[N_CONTENDERS][100], ratios[N_CONTENDERS][100];
  int n = options.repetitions < 100 ? options.repetitions : 100;
  if (!mkdtemp(folder))
    bench_die("no folder for files");
  snprintf(dump_path, sizeof dump_path, "%s/dump.sql", folder);
  snprintf(archive_path, sizeof archive_path, "%s/archive", folder);
  bench_print_setting(control, &options);
  snprintf(name, sizeof name, "bench_archive_%d_from", (int)getpid());
  make_place(control, options.url, name, &from);
  snprintf(name, sizeof name, "bench_archive_%d_into", (int)getpid());
  make_place(control, options.url, name, &into);
  fill(&from, options.block, schema, sizeof schema);
  for (int i = 0; i < n; i++) {
    for (int what = 0; what < N_CONTENDERS; what++) {
      took[what][i] = once(what, &from, &into, schema, i);
      ratios[what][i] = took[what][i] / took[bases[what]][i];
      if (what == RESTORE || what == DUMP_RESTORE)
        rename_away(&into, schema, 2 * i + (what == RESTORE));
    }
  }
  printf("A tenant of %d rows, 5 indexes and a foreign key; nobody is pinned\n\n  %-28s %10s %8s\n",
         options.block, "", "ms", "ratio");
  for (int what = 0; what < N_CONTENDERS; what++)
    printf("  %-28s %10.1f %8.2f   to %s\n", names[what], bench_median(took[what], n) / 1000,
           bench_median(ratios[what], n), names[bases[what]]);
  tenantdb_close(from.db);
  tenantdb_close(into.db);
  PQfinish(control);
  unlink(dump_path);
  unlink(archive_path);
  rmdir(folder);
  return 0;
}

/* SPDX-License-Identifier: PostgreSQL */
#include "scopes.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "standard.h"

static void name_by_hand(struct scope *scope, int i, const char *name, const char *tag) {
  snprintf(scope->slug, sizeof scope->slug, "%s-%s-%d", name, tag, i);
  snprintf(scope->schema, sizeof scope->schema, "%s_%s_%d", name, tag, i);
  snprintf(scope->role, sizeof scope->role, "%s_role_%s_%d", name, tag, i);
}

static void make_by_hand(PGconn *conn, const struct scope *scope) {
  static char sql[STANDARD_SQL_MAX];
  standard_provision_sql(sql, sizeof sql, scope->slug, scope->schema, scope->role);
  bench_sql(conn, sql);
}

static void make_with_library(tenantdb *db, struct scope *scope) {
  tenantdb_error *error = NULL;
  tenantdb_tenant *tenant = NULL;
  bench_check(tenantdb_tenant_create(db, scope->slug, NULL, &tenant, &error), error, scope->slug);
  snprintf(scope->schema, sizeof scope->schema, "%s", tenantdb_tenant_schema(tenant));
  snprintf(scope->role, sizeof scope->role, "%s", tenantdb_tenant_role(tenant));
  if (!scope->role[0])
    bench_die("tenant %s has no role: the server's user must be able to create roles", scope->slug);
  tenantdb_tenant_free(tenant);
}

static void fill(PGconn *conn, const struct scope *scope) {
  char sql[640];
  snprintf(
      sql, sizeof sql,
      "INSERT INTO \"%s\".nmt_requests (id, user_id, model, source_language, target_language, source_text) "
      "SELECT ('00000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'user', 'model', 'en', 'hi', "
      "'%s ' || i || repeat(' text', 20) FROM generate_series(0, %d) i; ANALYZE \"%s\".nmt_requests",
      scope->schema, scope->schema, FLOOR_ROWS - 1, scope->schema);
  bench_sql(conn, sql);
}

struct scope *scopes_make(PGconn *conn, const bench_options *options, const char *name) {
  struct scope *scopes = calloc((size_t)options->tenants, sizeof *scopes);
  char tag[32];
  if (!scopes)
    bench_die("out of memory");
  snprintf(tag, sizeof tag, "%llx", (unsigned long long)time(NULL));
  tenantdb *db = NULL;
  if (options->floors_only) {
    standard_make_catalog(conn);
  } else {
    tenantdb_registry *registry = standard_registry();
    db = bench_open(options->url, registry, "role");
    tenantdb_registry_free(registry);
  }
  for (int i = 0; i < options->tenants; i++) {
    name_by_hand(&scopes[i], i, name, tag);
    if (options->floors_only)
      make_by_hand(conn, &scopes[i]);
    else
      make_with_library(db, &scopes[i]);
    snprintf(scopes[i].path, sizeof scopes[i].path, "\"%s\", pg_temp", scopes[i].schema);
    fill(conn, &scopes[i]);
  }
  tenantdb_close(db);
  return scopes;
}

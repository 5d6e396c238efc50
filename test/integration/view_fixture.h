/* SPDX-License-Identifier: PostgreSQL */
/* A database with a role that reads reports: what tests of views over tenants begin with. */
#ifndef TNDB_VIEW_FIXTURE_H
#define TNDB_VIEW_FIXTURE_H

#include "fixture.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static const char *reader;
static char *reader_url;

static inline int setup(void **state) {
  (void)state;
  url = harness_database();
  db = fixture_ready(url, NULL);
  reader = harness_role("LOGIN");
  reader_url = harness_url_with(url, NULL, reader, NULL);
  return 0;
}

static inline int teardown(void **state) {
  (void)state;
  tenantdb_close(db);
  free(reader_url);
  harness_drop_database(url);
  return 0;
}

static inline tenantdb_status create(tenantdb *in, const char *name, const char *selector,
                                     tenantdb_error **failure) {
  tenantdb_view_options *options = tenantdb_view_options_new();
  tenantdb_view_options_set(options, "reader", reader);
  tenantdb_view_options_set(options, "selector", selector);
  tenantdb_status status = tenantdb_view_create(in, name, "notes", options, failure);
  tenantdb_view_options_free(options);
  return status;
}

static inline void view(const char *name) {
  harness_assert_ok(create(db, name, NULL, &error), error);
}

/* Whose rows the reader sees, once and not twice. */
static inline void assert_seen(const char *name, const char *expected) {
  char *seen =
      harness_value(reader_url,
                    "SELECT string_agg(tenant || CASE n WHEN 1 THEN '' ELSE ' ' || n END, ',' ORDER BY "
                    "tenant) FROM (SELECT tenant, count(*) AS n FROM tenantdb_reports.\"%s\" GROUP BY 1) s",
                    name);
  assert_string_equal(seen ? seen : "", expected);
  free(seen);
}

static inline void note(const char *slug) {
  char *schema = harness_value(
      url, "SELECT schema_name FROM tenantdb.tenants WHERE slug = '%s' AND state <> 'deleted'", slug);
  harness_sql(url, "INSERT INTO \"%s\".notes (body) VALUES ('x')", schema);
  free(schema);
}

static inline void make(const char *slug) {
  tenantdb_tenant_free(fixture_tenant(db, slug));
  note(slug);
}

static inline int64_t stale(void) {
  tenantdb_result *result = NULL;
  int64_t count = 0;
  harness_assert_ok(tenantdb_view_list(db, &result, &error), error);
  for (int32_t row = 0; row < tenantdb_result_rows(result); row++) {
    count += tenantdb_result_value(result, row, 5)[0] == 't';
  }
  tenantdb_result_free(result);
  return count;
}

/* Branches in the text of all parts. */
static inline int64_t branches(void) {
  return harness_count(
      url,
      "SELECT coalesce(sum((length(d) - length(replace(d, '.notes', ''))) / 6), 0) FROM (SELECT "
      "split_part(definition, 'WHERE false', 1) AS d FROM pg_views WHERE schemaname = 'tenantdb' AND "
      "viewname LIKE 'view\\_%%') v");
}

#endif

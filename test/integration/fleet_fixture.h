/* SPDX-License-Identifier: PostgreSQL */
/* What tests of fleet queries share: many tenants, options in one line, answers as one text. */
#ifndef TNDB_FLEET_FIXTURE_H
#define TNDB_FLEET_FIXTURE_H

#include "fixture.h"

/* Options as key, value, …, NULL. */
static inline tenantdb_fleet_options *fleet_options(const char *const *pairs) {
  tenantdb_fleet_options *options = tenantdb_fleet_options_new();
  assert_non_null(options);
  for (; pairs && *pairs; pairs += 2) {
    tenantdb_fleet_options_set(options, pairs[0], pairs[1]);
  }
  return options;
}

/* A fleet query that must begin. */
static inline tenantdb_result *fleet_start(tenantdb *db, const char *sql, const char *const *pairs) {
  tenantdb_result *rows = NULL;
  tenantdb_error *error = NULL;
  tenantdb_fleet_options *options = fleet_options(pairs);
  harness_assert_ok(tenantdb_fleet_query(db, sql, NULL, options, &rows, &error), error);
  tenantdb_fleet_options_free(options);
  assert_non_null(rows);
  assert_int_equal(tenantdb_result_rows(rows), 0);
  return rows;
}

/* Rows as text: cells with "|" between them, rows with a new line behind them. */
typedef struct fleet_text {
  char *text;
  size_t length;
  size_t capacity;
  int64_t rows;
} fleet_text;

static inline void fleet_append(fleet_text *to, const char *bytes, size_t length) {
  if (to->length + length + 1 > to->capacity) {
    to->capacity = (to->length + length + 1) * 2;
    to->text = realloc(to->text, to->capacity);
    assert_non_null(to->text);
  }
  memcpy(to->text + to->length, bytes, length);
  to->length += length;
  to->text[to->length] = '\0';
}

static inline void fleet_append_rows(fleet_text *to, const tenantdb_result *rows, int32_t first) {
  for (int32_t row = 0; row < tenantdb_result_rows(rows); row++) {
    for (int32_t column = first; column < tenantdb_result_columns(rows); column++) {
      const char *value = tenantdb_result_value(rows, row, column);
      fleet_append(to, "|", column > 0 ? 1 : 0);
      fleet_append(to, value ? value : "(null)",
                   value ? tenantdb_result_length(rows, row, column) : strlen("(null)"));
    }
    fleet_append(to, "\n", 1);
    to->rows++;
  }
}

/* All rows that still come, and the status at the end; the error is the caller's. */
static inline fleet_text fleet_drain(tenantdb_result *rows, tenantdb_status *status, tenantdb_error **error) {
  fleet_text all = {0};
  fleet_append(&all, "", 0);
  for (int32_t more = 1; more;) {
    *status = tenantdb_result_next(rows, &more, error);
    assert_int_equal(more != 0, tenantdb_result_rows(rows) > 0);
    fleet_append_rows(&all, rows, 0);
  }
  return all;
}

/* The rows of a query that must go well everywhere; free() the text. */
static inline fleet_text fleet_rows(tenantdb *db, const char *sql, const char *const *pairs) {
  tenantdb_status status;
  tenantdb_error *error = NULL;
  tenantdb_result *rows = fleet_start(db, sql, pairs);
  fleet_text all = fleet_drain(rows, &status, &error);
  harness_assert_ok(status, error);
  tenantdb_result_free(rows);
  return all;
}

#define fleet_assert_rows(db, sql, pairs, expected)      \
  do {                                                   \
    fleet_text fleet_found = fleet_rows(db, sql, pairs); \
    assert_string_equal(fleet_found.text, expected);     \
    free(fleet_found.text);                              \
  } while (0)

/* The failures as "tenant status reason rows_delivered;" one after the other. Lasts until the next call. */
static inline const char *fleet_failures(const tenantdb_result *rows) {
  static char all[16384];
  size_t length = 0;
  tenantdb_result *table = NULL;
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_fleet_failures(rows, &table, &error), error);
  all[0] = '\0';
  for (int32_t i = 0; i < tenantdb_result_rows(table) && length < sizeof all; i++) {
    length += (size_t)snprintf(all + length, sizeof all - length, "%s %s %s %s;",
                               tenantdb_result_value(table, i, 0), tenantdb_result_value(table, i, 2),
                               tenantdb_result_value(table, i, 3), tenantdb_result_value(table, i, 6));
  }
  tenantdb_result_free(table);
  return all;
}

/* One of the numbers of tenantdb_fleet_progress(). */
static inline int64_t fleet_progress(const tenantdb_result *rows, const char *what) {
  int64_t number = -1;
  tenantdb_result *table = NULL;
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_fleet_progress(rows, &table, &error), error);
  assert_int_equal(tenantdb_result_rows(table), 1);
  harness_assert_ok(tenantdb_result_int64(table, 0, tenantdb_result_column(table, what), &number, &error),
                    error);
  tenantdb_result_free(table);
  return number;
}

/* Tenants t000, t001, …, each with notes "<slug> 1" to "<slug> <notes>". */
static inline void fleet_make(tenantdb *db, const char *url, int n, int notes) {
  for (int i = 0; i < n; i++) {
    char slug[16];
    snprintf(slug, sizeof slug, "t%03d", i);
    tenantdb_tenant_free(fixture_tenant(db, slug));
  }
  harness_sql(
      url,
      "DO $$ DECLARE t record; BEGIN FOR t IN SELECT slug, schema_name FROM tenantdb.tenants WHERE state = "
      "'active' LOOP EXECUTE format('INSERT INTO %%I.notes (body) SELECT %%L || i FROM generate_series(1, "
      "%d) i', t.schema_name, t.slug || ' '); END LOOP; END $$",
      notes);
}

/* The schema of a tenant. Lasts until the next call. */
static inline const char *fleet_schema(tenantdb *db, const char *slug) {
  static char schema[80];
  tenantdb_tenant *tenant = NULL;
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_tenant_get(db, slug, &tenant, &error), error);
  snprintf(schema, sizeof schema, "%s", tenantdb_tenant_schema(tenant));
  tenantdb_tenant_free(tenant);
  return schema;
}

/* How many of the library's connections do something just now; waits a little for that to become none. */
static inline int64_t fleet_busy(const char *url) {
  int64_t busy = 1;
  for (int i = 0; i < 1500 && busy > 0; i++) {
    busy =
        harness_count(url,
                      "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> "
                      "'idle' AND pid <> pg_backend_pid()");
    if (busy > 0) {
      fixture_pause_us(20000);
    }
  }
  return busy;
}

#endif

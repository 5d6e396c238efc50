/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which columns a view has. The registry knows types as text only, and of views,
 * of tables with LIKE and the like not even the columns; the server knows all of
 * it once the bases are made in a schema, which a savepoint takes away again.
 */
#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "catalog/text_array.h"
#include "registry/registry.h"
#include "sql/identifier.h"
#include "tenant/view.h"

enum { NAME, TYPE, COLLATION };

static const char columns_sql[] =
    "SELECT a.attname, " TNDB_VIEW_TYPE_SQL ", " TNDB_VIEW_COLLATION_SQL
    " FROM (SELECT n.oid AS ns, c.oid FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_class c"
    " ON c.relnamespace = n.oid WHERE n.nspname = $1 AND c.relname = $2) r"
    " JOIN " TNDB_VIEW_COLUMN_TABLES_SQL
    " ON a.attrelid = r.oid WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

void tndb_view_columns_free(tndb_view_columns *columns) {
  tndb_free(columns->names);
  tndb_free(columns->types);
  tndb_free(columns->collations);
  *columns = (tndb_view_columns){NULL, NULL, NULL};
}

/* Make the tenant bases in a scratch schema, read the table, and let the schema go. */
static tenantdb_status read_scratch(tndb_work *work, const char *table, PGresult **rows,
                                    tenantdb_error **error) {
  char scratch[64] = "tenantdb_scratch_";
  tndb_ddl ddl = {NULL, 0};
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  memcpy(scratch + strlen(scratch), work->operation, TNDB_UUID_TEXT);
  *rows = NULL;
  tenantdb_status status = tndb_registry_statements(work->db->registry, TENANTDB_BASE_TENANT, scratch,
                                                    tndb_database_shared_schema(work->db), &ddl, error);
  if (status) {
    return status;
  }
  (void)tndb_work_send(work, "SAVEPOINT tenantdb_scratch", 0, NULL);
  tndb_buffer_append(&sql, "CREATE SCHEMA ");
  tndb_quote_identifier(&sql, scratch);
  tndb_work_fail_if(work, sql.failed);
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  status = tndb_work_set_path(work, scratch, error);
  for (size_t i = 0; !status && i < ddl.count; i++) {
    (void)tndb_work_send(work, ddl.items[i].sql, 0, NULL);
  }
  tndb_ddl_free(&ddl);
  if (status) {
    return status;
  }
  const char *values[] = {scratch, table};
  (void)tndb_work_send(work, "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)", 0,
                       NULL);
  size_t place = tndb_work_send(work, columns_sql, 2, values);
  (void)tndb_work_send(work, "ROLLBACK TO SAVEPOINT tenantdb_scratch", 0, NULL);
  status = tndb_work_sync(work, error);
  if (status) {
    tndb_error_prefix(error, "finding out which columns %s has", table);
    return status;
  }
  *rows = tndb_exchange_take(work->conn, place);
  return TENANTDB_OK;
}

static int find_column(const PGresult *rows, const char *name) {
  for (int i = 0; i < PQntuples(rows); i++) {
    if (strcmp(PQgetvalue(rows, i, NAME), name) == 0) {
      return i;
    }
  }
  return -1;
}

static tenantdb_status unknown_column(const PGresult *rows, const char *table, const char *name,
                                      tenantdb_error **error) {
  tndb_nearest nearest = TNDB_NEAREST_INIT(name);
  for (int i = 0; i < PQntuples(rows); i++) {
    tndb_nearest_try(&nearest, PQgetvalue(rows, i, NAME));
  }
  return tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_COLUMN,
                     "%s has no column \"%.100s\"%s%s%s", table, name,
                     nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
                     nearest.best ? "\"?" : "");
}

/* The rows of the columns that are wanted, in the order they are wanted in. */
static tenantdb_status choose(const PGresult *rows, const char *table, const tndb_view_wanted *wanted,
                              int *chosen, tenantdb_error **error) {
  for (size_t i = 0; i < wanted->count; i++) {
    chosen[i] = find_column(rows, wanted->names[i]);
    if (chosen[i] < 0) {
      return unknown_column(rows, table, wanted->names[i], error);
    }
    for (size_t k = 0; k < i; k++) {
      if (chosen[k] == chosen[i]) {
        return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME,
                           "view option columns: %s is named twice", wanted->names[i]);
      }
    }
  }
  return TENANTDB_OK;
}

static tenantdb_status fill(const PGresult *rows, const int *chosen, size_t count,
                            const tndb_view_wanted *wanted, tndb_view_columns *out, tenantdb_error **error) {
  tndb_text_array arrays[3] = {TNDB_TEXT_ARRAY_INIT, TNDB_TEXT_ARRAY_INIT, TNDB_TEXT_ARRAY_INIT};
  char **const texts[3] = {&out->names, &out->types, &out->collations};
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; i < count && !status; i++) {
    int row = chosen ? chosen[i] : (int)i;
    for (int k = 0; k < 3; k++) {
      tndb_text_array_add(&arrays[k], PQgetvalue(rows, row, k));
    }
    if (strcmp(PQgetvalue(rows, row, NAME), wanted->tenant_column) == 0) {
      status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME,
                           "the table has a column \"%s\" itself: set view option tenant_column to another "
                           "name",
                           wanted->tenant_column);
    }
  }
  for (int k = 0; k < 3; k++) {
    const char *text = tndb_text_array_finish(&arrays[k]);
    *texts[k] = text ? tndb_strdup(text) : NULL;
    if (!*texts[k] && !status) {
      status = tndb_no_memory(error);
    }
    tndb_text_array_free(&arrays[k]);
  }
  return status;
}

tenantdb_status tndb_view_columns_read(tndb_work *work, const char *table, const tndb_view_wanted *wanted,
                                       tndb_view_columns *columns, tenantdb_error **error) {
  PGresult *rows;
  *columns = (tndb_view_columns){NULL, NULL, NULL};
  tenantdb_status status = read_scratch(work, table, &rows, error);
  if (status) {
    return status;
  }
  size_t count = wanted->count ? wanted->count : (size_t)PQntuples(rows);
  tndb_auto_free int *chosen = wanted->count ? tndb_alloc_array(count, sizeof *chosen) : NULL;
  if (wanted->count && !chosen) {
    status = tndb_no_memory(error);
  }
  if (!status && count == 0) {
    status =
        tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION, "%s has no columns", table);
  }
  if (!status && wanted->count) {
    status = choose(rows, table, wanted, chosen, error);
  }
  if (!status) {
    status = fill(rows, chosen, count, wanted, columns, error);
  }
  PQclear(rows);
  return status;
}

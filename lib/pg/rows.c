/* SPDX-License-Identifier: PostgreSQL */
#include "pg/rows.h"

#include <tenantdb/libpq.h>

#include "config/property.h"

static const char *value(const void *data, int32_t row, int32_t column) {
  const PGresult *rows = data;
  return PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
}

static size_t length(const void *data, int32_t row, int32_t column) {
  return (size_t)PQgetlength(data, row, column);
}

static const char *name(const void *data, int32_t column) {
  return PQfname(data, column);
}

static uint32_t type(const void *data, int32_t column) {
  return PQftype(data, column);
}

static int32_t format(const void *data, int32_t column) {
  return PQfformat(data, column);
}

static void release(void *data) {
  PQclear(data);
}

int64_t tndb_rows_affected(PGresult *rows) {
  int64_t affected = 0;
  (void)tndb_number_parse(PQcmdTuples(rows), &affected);
  return affected;
}

static const tndb_result_source source = {value, length, name, type, release, format};

tenantdb_status tndb_rows_wrap(PGresult *rows, tenantdb_result **result, tenantdb_error **error) {
  *result = rows ? tndb_result_wrap(&source, rows, PQntuples(rows), PQnfields(rows), tndb_rows_affected(rows))
                 : NULL;
  return *result ? TENANTDB_OK : tndb_no_memory(error);
}

tenantdb_status tndb_rows_empty(tenantdb_result **result, tenantdb_error **error) {
  *result = tndb_result_wrap(&source, NULL, 0, 0, 0); /* PQclear() takes NULL */
  return *result ? TENANTDB_OK : tndb_no_memory(error);
}

void tndb_rows_set(tenantdb_result *result, PGresult *rows) {
  tndb_result_forget(result);
  PQclear(result->data);
  result->data = rows;
  result->rows = rows ? PQntuples(rows) : 0;
  result->columns = rows ? PQnfields(rows) : 0;
  result->affected = result->rows;
}

void tndb_rows_clear(tenantdb_result *result) {
  tndb_rows_set(result, NULL);
}

const PGresult *tenantdb_result_pgresult(const tenantdb_result *result) {
  return result && result->source == &source ? result->data : NULL;
}

/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/answer.h"

tenantdb_status tndb_answer_begin(const tenantdb *db, tenantdb_result **result, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!result) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  }
  *result = NULL;
  return tndb_database_check(db, error);
}

tenantdb_status tndb_answer_end(tenantdb_status status, tndb_table *table, tenantdb_result **result,
                                tenantdb_error **error) {
  if (status) {
    tndb_table_free(table);
    return status;
  }
  return tndb_table_finish(table, result, error);
}

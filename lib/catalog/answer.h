/* SPDX-License-Identifier: PostgreSQL */
/* How a public call that answers a table begins and ends. */
#ifndef TNDB_CATALOG_ANSWER_H
#define TNDB_CATALOG_ANSWER_H

#include "base/result.h"
#include "catalog/database.h"

/* Its arguments; *result is NULL from here on. */
tenantdb_status tndb_answer_begin(const tenantdb *db, tenantdb_result **result, tenantdb_error **error);
/* Takes the table, which is the answer unless `status` says that there is none. */
tenantdb_status tndb_answer_end(tenantdb_status status, tndb_table *table, tenantdb_result **result,
                                tenantdb_error **error);

#endif

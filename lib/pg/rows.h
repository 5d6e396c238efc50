/* SPDX-License-Identifier: PostgreSQL */
/* A PGresult as a tenantdb_result: the cells stay where they are. */
#ifndef TNDB_PG_ROWS_H
#define TNDB_PG_ROWS_H

#include <libpq-fe.h>

#include "base/result.h"

/* Takes the PGresult in both outcomes. */
tenantdb_status tndb_rows_wrap(PGresult *rows, tenantdb_result **result, tenantdb_error **error);
/* A result without rows, to be filled; then other rows in place of those it had. Takes the PGresult. */
tenantdb_status tndb_rows_empty(tenantdb_result **result, tenantdb_error **error);
void tndb_rows_set(tenantdb_result *result, PGresult *rows);
void tndb_rows_clear(tenantdb_result *result);
/* How many rows a command touched. */
int64_t tndb_rows_affected(PGresult *rows);

#endif

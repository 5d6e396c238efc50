/* SPDX-License-Identifier: PostgreSQL */
/*
 * COPY. A pipeline cannot do it, so the connection leaves pipeline mode for as
 * long as it lasts. A transaction must be open already.
 */
#ifndef TNDB_PG_COPY_H
#define TNDB_PG_COPY_H

#include "pg/connection.h"

/* Send the statement; `in` is the direction wanted. On failure the connection is in its pipeline again. */
tenantdb_status tndb_copy_start(tndb_conn *conn, const char *sql, bool in, tndb_deadline deadline,
                                tenantdb_error **error);
tenantdb_status tndb_copy_put(tndb_conn *conn, const void *data, size_t length, tndb_deadline deadline,
                              tenantdb_error **error);
/* End it; `failure` NULL, or why the data is given up. */
tenantdb_status tndb_copy_finish(tndb_conn *conn, const char *failure, int64_t *rows, tndb_deadline deadline,
                                 tenantdb_error **error);
/* One row: *data is to be given to tndb_copy_release(); NULL when that was all. */
tenantdb_status tndb_copy_get(tndb_conn *conn, char **data, size_t *length, tndb_deadline deadline,
                              tenantdb_error **error);
void tndb_copy_release(char *data);

#endif

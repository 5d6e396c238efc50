/* SPDX-License-Identifier: PostgreSQL */
/* What the server or libpq said, as an error of ours. */
#ifndef TNDB_PG_FAILURE_H
#define TNDB_PG_FAILURE_H

#include <libpq-fe.h>

#include "base/error.h"

/* Checks that our own SQL makes the server raise carry this, so that they can be told from others. */
#define TNDB_CHECK_PREFIX "tenantdb check: "

/* Raise what a failed result says. */
tenantdb_status tndb_failure_of_result(const PGresult *result, tenantdb_error **error);
/* Raise why a connection could not be made, or broke before it was usable. */
tenantdb_status tndb_failure_of_connect(PGconn *pg, tenantdb_error **error);
/*
 * When the result is one of our own raised checks: the text behind the prefix
 * (up to 200 bytes, cut at the closing quote) and true.
 */
bool tndb_failure_is_check(const PGresult *result, char text[200]);

#endif

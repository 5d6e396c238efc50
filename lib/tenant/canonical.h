/* SPDX-License-Identifier: PostgreSQL */
/* What a schema holds, in a form that two schemas can be compared by: one row an object. */
#ifndef TNDB_TENANT_CANONICAL_H
#define TNDB_TENANT_CANONICAL_H

#include "catalog/work.h"

/* Columns of the result: kind, object, definition; ordered by kind and object, bytewise. */
enum { TNDB_CANONICAL_KIND, TNDB_CANONICAL_OBJECT, TNDB_CANONICAL_DEFINITION };

/*
 * Read a schema, with names of its own objects unqualified. Sets the
 * transaction's search path to the schema.
 */
tenantdb_status tndb_canonical_read(tndb_work *work, const char *schema, PGresult **rows,
                                    tenantdb_error **error);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/* Creating what the shared bases declare, once, inside bootstrap's transaction. */
#ifndef TNDB_CATALOG_SHARED_H
#define TNDB_CATALOG_SHARED_H

#include "catalog/work.h"

/* Create what is declared and not there; adopt tables that are there and fit. */
tenantdb_status tndb_shared_create(tndb_work *work, tenantdb_error **error);
/*
 * Give the group role what the registry grants on shared tables, when that is
 * not what `row` says was granted before.
 */
tenantdb_status tndb_shared_grant(tndb_work *work, const tndb_catalog_row *row, tenantdb_error **error);

#endif

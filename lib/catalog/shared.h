/* SPDX-License-Identifier: PostgreSQL */
/* Creating what the shared bases declare, once, inside bootstrap's transaction. */
#ifndef TNDB_CATALOG_SHARED_H
#define TNDB_CATALOG_SHARED_H

#include "catalog/work.h"
#include "registry/registry.h"

/*
 * Refuse when what was made before is not in the schema that the configuration
 * names (shared_place.c). The catalog is there.
 */
tenantdb_status tndb_shared_check_place(tndb_work *work, tenantdb_error **error);
/* Create what is declared and not there; adopt tables that are there and fit. */
tenantdb_status tndb_shared_create(tndb_work *work, tenantdb_error **error);
/*
 * Give the group role what the registry grants on shared tables, when that is
 * not what `row` says was granted before.
 */
tenantdb_status tndb_shared_grant(tndb_work *work, const tndb_catalog_row *row, tenantdb_error **error);

/* For these: a statement's fingerprint, and those of all that was done, as keys of an empty map. */
void tndb_shared_hash(const tndb_ddl_item *item, char hex[TNDB_SHA256_HEX]);
tenantdb_status tndb_shared_written(tndb_work *work, tndb_map *hashes, tenantdb_error **error);
/* Whether a table that is there has the columns that are declared; else `missing`, unless NULL, gets one. */
tenantdb_status tndb_shared_fits(tndb_work *work, const char *schema, const char *name,
                                 const tenantdb_table *table, bool *fits, tndb_buffer *missing,
                                 tenantdb_error **error);

#endif

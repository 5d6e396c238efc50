/* SPDX-License-Identifier: PostgreSQL */
/*
 * tenantdb.sum: the sums of a folder's files, so that history is not edited unseen.
 *
 *   tenantdb.sum 1 sha256:<of all lines that follow>
 *   shared/20261101120000_create_plans.sql sha256:<of the file, line ends as LF>
 *
 * The total stands first: two branches that both add a file both change it, so
 * that merging them is a conflict that somebody looks at.
 */
#ifndef TNDB_MIGRATE_SUMS_H
#define TNDB_MIGRATE_SUMS_H

#include "migrate/source.h"

/* What the file is to hold. Sets the buffer's `failed`. */
void tndb_sums_write(const tndb_source_files *files, tndb_buffer *text);
/* Whether what it holds fits the files, which files differ being told with both sums. */
tenantdb_status tndb_sums_compare(const tndb_source_files *files, tenantdb_error **error);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * An export: a read-only transaction from which an archive is made, a record at
 * a time, whenever somebody reads and there is nothing left of what was made.
 *
 * The transaction is of isolation level REPEATABLE READ: all of it is of one
 * moment. The tables are locked against changes of their definition before that
 * moment is chosen, since definitions are not of a moment.
 */
#ifndef TNDB_TENANT_EXPORT_H
#define TNDB_TENANT_EXPORT_H

#include "catalog/tenants.h"
#include "tenant/archive_content.h"
#include "tenant/archive_options.h"

typedef enum tndb_export_stage {
  TNDB_EXPORT_HEAD,
  TNDB_EXPORT_REFERENCE,
  TNDB_EXPORT_KEYS,
  TNDB_EXPORT_TABLE,
  TNDB_EXPORT_ROWS,
  TNDB_EXPORT_SEQUENCES,
  TNDB_EXPORT_DONE
} tndb_export_stage;

struct tenantdb_export {
  uint32_t magic;
  tndb_work work;
  bool working; /* a connection is borrowed */
  bool copying; /* a COPY is under way on it */
  tndb_archive_settings settings;
  tenantdb_tenant *tenant;
  tndb_archive archive;
  tndb_archive_out out;
  size_t taken;     /* how much of out.bytes was handed out */
  tndb_buffer part; /* rows on their way into a record */
  tndb_export_stage stage;
  size_t at;     /* the reference, or the table, whose turn it is */
  uint64_t rows; /* how many of it came */
  tenantdb_error *failure;
};

/* Borrow a connection, begin the transaction and read what there is, up to the rows. */
tenantdb_status tndb_export_begin(tenantdb_export *source, tenantdb *db, const char *tenant,
                                  tenantdb_error **error);
/* Read which foreign keys go to shared tables, and how those rows can be known elsewhere. */
tenantdb_status tndb_export_find_references(tenantdb_export *source, tenantdb_error **error);
/* Make the next records; something comes of it unless it fails, or the stage is DONE afterwards. */
tenantdb_status tndb_export_advance(tenantdb_export *source, tenantdb_error **error);
/* COPY of every key that a reference uses, with the natural key of its row. */
void tndb_export_keys_sql(tndb_buffer *sql, const tenantdb_export *source, size_t which);
/* Until when the step that begins now may take. */
tndb_deadline tndb_export_step(tenantdb_export *source);

#endif

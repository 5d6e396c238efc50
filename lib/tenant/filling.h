/* SPDX-License-Identifier: PostgreSQL */
/*
 * A tenant who is born with rows, as a clone or from an archive.
 *
 * One transaction: the tenant's row in the catalog and his empty tables come
 * first, without indexes, foreign keys and triggers; then whoever uses this
 * copies rows into them; then the rest is made over rows that are there, which
 * is faster than row by row, cares for no order among the tables, fires nothing,
 * and takes the locks on shared tables at the end. Cut at any place it leaves
 * nothing, like every creation.
 *
 * The time that a step may take is counted anew for every step: the whole may
 * take as long as the rows do.
 */
#ifndef TNDB_TENANT_FILLING_H
#define TNDB_TENANT_FILLING_H

#include "tenant/archive_options.h"
#include "tenant/creation.h"
#include "tenant/shape.h"

typedef struct tndb_filling {
  tndb_creation creation;
  tndb_archive_settings settings;
  tndb_login login;
  tndb_work work;
  tndb_provision provision;
  PGresult *row;  /* the tenant's, as the insert answered it */
  PGresult *keys; /* foreign keys that were there too early and were taken away: table, name, definition */
  PGresult
      *quieted;     /* triggers and policies that were there too early: statements that stop and start them */
  tndb_shape shape; /* of the new schema */
  bool has_login;
  bool working; /* a connection is borrowed */
  tenantdb_status outcome;
} tndb_filling;

/*
 * Begin: the creation is prepared by tndb_creation_prepare(). Borrows a
 * connection, on which a transaction is open then. tndb_filling_close() in every case.
 */
tenantdb_status tndb_filling_open(tndb_filling *filling, tenantdb_error **error);
/* Make the empty tables; the search path is the new schema's from then on. */
tenantdb_status tndb_filling_make(tndb_filling *filling, tenantdb_error **error);
/* Count the time of a step from now; returns until when it may take. */
tndb_deadline tndb_filling_step(tndb_filling *filling);
/* Rows were refused: where that can be for want of a partition, say so. */
void tndb_filling_explain_rows(tenantdb_error **error);
/* The rows are there: make the rest, commit, tell, and hand the tenant out. */
tenantdb_status tndb_filling_finish(tndb_filling *filling, tenantdb_tenant **tenant, tenantdb_error **error);
/* Roll back what was not committed, and let go of everything. */
void tndb_filling_close(tndb_filling *filling);

#endif

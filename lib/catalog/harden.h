/* SPDX-License-Identifier: PostgreSQL */
/* Hardening: what a tenant's role could use to leave its scope, and taking it away. */
#ifndef TNDB_CATALOG_HARDEN_H
#define TNDB_CATALOG_HARDEN_H

#include "catalog/database.h"

/* Find out, when a database is opened, what of it is still open; fills db->hardening. */
tenantdb_status tndb_harden_probe(tenantdb *db, tndb_conn *conn, const tndb_catalog_row *row,
                                  tndb_deadline deadline, tenantdb_error **error);
void tndb_hardening_free(tndb_hardening *hardening);

#endif

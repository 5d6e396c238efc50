/* SPDX-License-Identifier: PostgreSQL */
/*
 * The scope: what binds a transaction to a tenant, by the statement of
 * catalog/bind.h.
 */
#ifndef TNDB_SESSION_SCOPE_H
#define TNDB_SESSION_SCOPE_H

#include "catalog/database.h"
#include "pg/exchange.h"

typedef struct tndb_scope {
  const char *path; /* the search path's text; all three belong to whoever made the scope */
  const char *schema;
  const char *role;    /* NULL: the connected user himself */
  const char *timeout; /* of each statement, in milliseconds as text; NULL: the server's */
  bool own;            /* the connection is the tenant's own: nothing has to be set, only proved */
} tndb_scope;

/* Queue the statement; returns its place. `timed` false: without the time limit. */
size_t tndb_scope_bind(const tndb_scope *scope, tndb_conn *conn, bool timed);
/* Queue a change of the time limit inside a bound transaction, where the scope has one. */
void tndb_scope_limit(const tndb_scope *scope, tndb_conn *conn, bool timed);
/* After it succeeded: learn from its answer what stands between, and what the connection is good for. */
void tndb_scope_bound(tenantdb *db, tndb_conn *conn, size_t place);
/* Raise what a failed bind means: ISOLATION, unless the server was merely busy or gone. */
tenantdb_status tndb_scope_refused(const tndb_scope *scope, const PGresult *result, tenantdb_error **error);

#endif

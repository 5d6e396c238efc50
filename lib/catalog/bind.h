/* SPDX-License-Identifier: PostgreSQL */
/*
 * The statement that binds a transaction to a schema and a role.
 *
 * It sets the search path and the role for the transaction and, in the same
 * breath, makes the server refuse when what is then in force is not what was
 * asked for. A schema that does not exist, or that the role may not use, would
 * otherwise be passed over in silence, and a write would land elsewhere.
 */
#ifndef TNDB_CATALOG_BIND_H
#define TNDB_CATALOG_BIND_H

#include "pg/exchange.h"

typedef struct tndb_bind {
  const char *path;    /* the search path's text */
  const char *schema;  /* what must then be the current one */
  const char *role;    /* NULL: the connected user himself */
  const char *timeout; /* of each statement, in milliseconds as text; NULL: the server's */
} tndb_bind;

/* Queue it; returns its place. */
size_t tndb_bind_send(tndb_conn *conn, const tndb_bind *bind);
/* Queue the proof alone: as the connected user, in that schema. */
size_t tndb_bind_send_proof(tndb_conn *conn, const char *schema);
/* The server's process that answered one of them, 0 when its answer does not say. */
int64_t tndb_bind_backend(const tndb_conn *conn, size_t place);

#endif

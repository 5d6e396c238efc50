/* SPDX-License-Identifier: PostgreSQL */
/* Connections that differ from the configured one in a few parameters: another database, another login. */
#ifndef TNDB_PG_CONNINFO_H
#define TNDB_PG_CONNINFO_H

#include "base/buffer.h"
#include "pg/connection.h"

/* What is to be another; NULL members stay as database.url has them. */
typedef struct tndb_conninfo_change {
  const char *database;
  const char *user;
  const char *password;
} tndb_conninfo_change;

/* As tndb_conn_open(), changed. With another user, and no password given, none is sent. */
tenantdb_status tndb_conninfo_open(const tenantdb_config *config, const tndb_conninfo_change *change,
                                   tndb_conn **conn, tenantdb_error **error);

/* Whether it can be parsed. What libpq says of one that cannot be may quote it, and is not asked for. */
bool tndb_conninfo_is_valid(const char *text);
/* Whether a password stands in one that is valid. */
bool tndb_conninfo_has_password(const char *text);
/* What somebody else needs to reach the database of a connection, apart from a password. */
void tndb_conninfo_reach(const tndb_conn *conn, tndb_buffer *text);
/* The same for a person: "database app on host db1, port 5432". */
void tndb_conninfo_place(const tndb_conn *conn, tndb_buffer *text);

#endif

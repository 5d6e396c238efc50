/* SPDX-License-Identifier: PostgreSQL */
/* Connections that differ from the configured one in a few parameters: another database, another login. */
#ifndef TNDB_PG_CONNINFO_H
#define TNDB_PG_CONNINFO_H

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

#endif

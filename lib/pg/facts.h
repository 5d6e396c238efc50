/* SPDX-License-Identifier: PostgreSQL */
/* What the server is and what the connected user may do. */
#ifndef TNDB_PG_FACTS_H
#define TNDB_PG_FACTS_H

#include "pg/connection.h"

typedef struct tndb_facts {
  int version; /* as server_version_num */
  bool superuser;
  bool create_role;
  bool create_schema; /* CREATE on the database */
  bool pooler;        /* another process stands between: the back end's id differs */
  bool read_only;     /* a standby, or default_transaction_read_only */
  char user[64];
  char database[64];
  char *extensions; /* "name in schema, ..." of what is installed in the database */
} tndb_facts;

/* What was read before is let go of; tndb_facts_free() at the end. */
tenantdb_status tndb_facts_read(tndb_conn *conn, tndb_deadline deadline, tndb_facts *facts,
                                tenantdb_error **error);

void tndb_facts_free(tndb_facts *facts);

#endif

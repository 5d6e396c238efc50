/* SPDX-License-Identifier: PostgreSQL */
#include "pg/facts.h"

#include <string.h>

#include "base/memory.h"
#include "config/property.h"
#include "pg/exchange.h"

static const char facts_sql[] =
    "SELECT pg_catalog.pg_backend_pid(), r.rolsuper, r.rolsuper OR r.rolcreaterole,"
    " pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),"
    " pg_catalog.current_setting('transaction_read_only') = 'on', current_user, "
    "pg_catalog.current_database(),"
    " coalesce((SELECT pg_catalog.string_agg(e.extname || ' in ' || n.nspname, ', ' ORDER BY e.extname)"
    " FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace), '')"
    " FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

static bool is_true(const PGresult *row, int column) {
  return PQgetvalue(row, 0, column)[0] == 't';
}

static void copy_name(char to[64], const char *from) {
  size_t length = strlen(from);
  length = length < 63 ? length : 63;
  memcpy(to, from, length);
  to[length] = '\0';
}

tenantdb_status tndb_facts_read(tndb_conn *conn, tndb_deadline deadline, tndb_facts *facts,
                                tenantdb_error **error) {
  PGresult *row;
  tenantdb_status status = tndb_exchange_single(conn, facts_sql, NULL, deadline, &row, error);
  if (status) {
    return status;
  }
  int64_t backend = 0;
  if (PQntuples(row) != 1 || !tndb_number_parse(PQgetvalue(row, 0, 0), &backend)) {
    PQclear(row);
    return tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_PROTOCOL,
                       "the server does not know the user it is connected with");
  }
  facts->version = PQserverVersion(conn->pg);
  facts->superuser = is_true(row, 1);
  facts->create_role = is_true(row, 2);
  facts->create_schema = is_true(row, 3);
  facts->read_only = is_true(row, 4);
  facts->pooler = backend != PQbackendPID(conn->pg);
  copy_name(facts->user, PQgetvalue(row, 0, 5));
  copy_name(facts->database, PQgetvalue(row, 0, 6));
  tndb_free(facts->extensions);
  facts->extensions = tndb_strdup(PQgetvalue(row, 0, 7));
  PQclear(row);
  return facts->extensions ? TENANTDB_OK : tndb_no_memory(error);
}

void tndb_facts_free(tndb_facts *facts) {
  tndb_free(facts->extensions);
  facts->extensions = NULL;
}

/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/elsewhere.h"

#include "base/memory.h"
#include "pg/conninfo.h"
#include "sql/identifier.h"

/* Where the role is known outside this database, whether as an owner, and whether one can go there. */
static const char places_sql[] =
    "SELECT CASE WHEN s.dbid = 0 THEN pg_catalog.pg_describe_object(s.classid, s.objid, 0) ELSE"
    " pg_catalog.format('database %I', d.datname) END AS place, pg_catalog.bool_or(s.deptype = 'o'), "
    "d.datname"
    " FROM pg_catalog.pg_shdepend s JOIN pg_catalog.pg_roles r ON r.oid = s.refobjid"
    " LEFT JOIN pg_catalog.pg_database d ON d.oid = s.dbid WHERE r.rolname = $1"
    " AND s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND CASE s.dbid WHEN 0 THEN s.deptype = "
    "'o'"
    " ELSE d.datname IS DISTINCT FROM pg_catalog.current_database() END GROUP BY 1, 3 ORDER BY 1";

static bool is_owner(const PGresult *rows, int row) {
  return PQgetvalue(rows, row, 1)[0] == 't';
}

/* The places of owners, or of all, separated by commas. */
static void list_places(const PGresult *rows, bool owners, tndb_buffer *text) {
  for (int i = 0; i < PQntuples(rows); i++) {
    if (!owners || is_owner(rows, i)) {
      tndb_buffer_append(text, text->length ? ", " : "");
      tndb_buffer_append(text, PQgetvalue(rows, i, 0));
    }
  }
}

static tenantdb_status refuse_owner(const char *role, const PGresult *rows, tenantdb_error **error) {
  tndb_auto_buffer places = TNDB_BUFFER_INIT;
  list_places(rows, true, &places);
  return places.length == 0
             ? TENANTDB_OK
             : tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_ROLE_IN_USE,
                           "role %s owns something outside this database (%s), which a purge does not drop: "
                           "give it another owner or drop it there, then purge again",
                           role, tndb_buffer_text(&places));
}

tenantdb_status tndb_elsewhere_check(tndb_work *work, const char *role, tenantdb_error **error) {
  PGresult *rows;
  if (!*role) {
    return TENANTDB_OK;
  }
  tenantdb_status status = tndb_work_query(work, places_sql, 1, &role, &rows, error);
  if (!status) {
    status = refuse_owner(role, rows, error);
    PQclear(rows);
  }
  return status;
}

/* ---------------------------------------------------------------- cleaning */

/*
 * In the other database: look once more that nothing is owned, then DROP OWNED, which revokes. No
 * set_config() there: that database may be hardened against this user.
 */
static tenantdb_status drop_owned(tndb_conn *conn, const tenantdb *db, const char *role,
                                  tndb_deadline deadline, tenantdb_error **error) {
  static const char owned_sql[] =
      "SELECT 'here', true FROM pg_catalog.pg_shdepend s JOIN pg_catalog.pg_roles r ON r.oid = s.refobjid"
      " JOIN pg_catalog.pg_database d ON d.oid = s.dbid WHERE r.rolname = $1 AND s.deptype = 'o'"
      " AND s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass"
      " AND d.datname = pg_catalog.current_database() LIMIT 1";
  tndb_auto_buffer timeout = TNDB_BUFFER_INIT;
  tndb_auto_buffer drop = TNDB_BUFFER_INIT;
  tndb_buffer_format(&timeout, "SET LOCAL lock_timeout = %lld",
                     (long long)tndb_config_number(db->config, TNDB_OPERATION_LOCK_TIMEOUT));
  tndb_buffer_append(&drop, "DROP OWNED BY ");
  tndb_quote_identifier(&drop, role);
  if (timeout.failed || drop.failed) {
    return tndb_no_memory(error);
  }
  tndb_exchange_begin(conn);
  (void)tndb_exchange_send(conn, "BEGIN", NULL);
  (void)tndb_exchange_send(conn, tndb_buffer_text(&timeout), NULL);
  size_t owned = tndb_exchange_send_text(conn, owned_sql, 1, &role);
  tenantdb_status status = tndb_exchange_finish(conn, deadline, error);
  if (!status) {
    status = tndb_exchange_check(conn, error);
  }
  if (!status) {
    status = refuse_owner(role, tndb_exchange_result(conn, owned), error);
  }
  if (status) {
    return status; /* closing the connection rolls back */
  }
  tndb_exchange_begin(conn);
  (void)tndb_exchange_send(conn, tndb_buffer_text(&drop), NULL);
  (void)tndb_exchange_send(conn, "COMMIT", NULL);
  status = tndb_exchange_finish(conn, deadline, error);
  return status ? status : tndb_exchange_check(conn, error);
}

static tenantdb_status clean_one(const tenantdb *db, const char *database, const char *role,
                                 tndb_deadline deadline, tenantdb_error **error) {
  tndb_conninfo_change change = {.database = database};
  tndb_conn *conn;
  tenantdb_status status = tndb_conninfo_open(db->config, &change, &conn, error);
  if (!status) {
    status = drop_owned(conn, db, role, deadline, error);
    tndb_conn_close(conn);
  }
  return status;
}

static tenantdb_status read_places(tenantdb *db, const char *role, tndb_deadline deadline, PGresult **rows,
                                   tenantdb_error **error) {
  tndb_conn *conn;
  tndb_values values = {.count = 1, .values = &role};
  *rows = NULL;
  tenantdb_status status = tndb_pool_lease(db->pool, deadline, &conn, error);
  if (!status) {
    status = tndb_exchange_single(conn, places_sql, &values, deadline, rows, error);
  }
  tndb_pool_release(conn);
  return status;
}

tenantdb_status tndb_elsewhere_clean(tenantdb *db, const char *role, tenantdb_error **error) {
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
  tenantdb_error *why = NULL;
  PGresult *rows;
  if (!*role) {
    return TENANTDB_OK;
  }
  tenantdb_status status = read_places(db, role, deadline, &rows, error);
  if (!status) {
    status = refuse_owner(role, rows, error);
  }
  int count = status ? 0 : PQntuples(rows);
  for (int i = 0; i < count; i++) {
    /* What cannot be reached is told below; the others are cleaned nevertheless. */
    tenantdb_error *own = NULL;
    tenantdb_status done = clean_one(db, PQgetvalue(rows, i, 2), role, deadline, &own);
    if (done && !why) {
      why = own;
    } else {
      tenantdb_error_free(own);
    }
  }
  PQclear(rows);
  status = status || count == 0 ? status : read_places(db, role, deadline, &rows, error);
  if (!status && count > 0) {
    tndb_auto_buffer places = TNDB_BUFFER_INIT;
    list_places(rows, false, &places);
    if (places.length) {
      status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_ROLE_IN_USE,
                           "role %s still has rights in %s, and they could not be taken back from here (%s): "
                           "run DROP OWNED BY \"%s\" there, then purge again",
                           role, tndb_buffer_text(&places),
                           why ? tenantdb_error_message(why) : "somebody else granted them", role);
    }
    PQclear(rows);
  }
  tenantdb_error_free(why);
  return status;
}

/* SPDX-License-Identifier: PostgreSQL */
#include "session/scope.h"

#include "pg/failure.h"
#include "pg/prepared.h"

/*
 * The failing cast is what raises. Its text must hold something stable, or the
 * planner would evaluate it beforehand and the statement would always fail.
 */
#define FOUND                                                                                            \
  "('" TNDB_CHECK_PREFIX                                                                                 \
  "schema ' OPERATOR(pg_catalog.||) coalesce(pg_catalog.current_schema()::text,"                         \
  " '(none)') OPERATOR(pg_catalog.||) ' as ' OPERATOR(pg_catalog.||) current_user::text)::integer END, " \
  "pg_catalog.pg_backend_pid()"

static const char bind_path[] =
    "SELECT pg_catalog.set_config('search_path', $1, true),"
    " CASE WHEN pg_catalog.current_schema() IS DISTINCT FROM $2::pg_catalog.name THEN " FOUND;

static const char bind_role[] =
    "SELECT pg_catalog.set_config('search_path', $1, true), pg_catalog.set_config('role', $3, true),"
    " CASE WHEN pg_catalog.current_schema() IS DISTINCT FROM $2::pg_catalog.name"
    " OR current_user IS DISTINCT FROM $3::pg_catalog.name THEN " FOUND;

size_t tndb_scope_bind(const tndb_scope *scope, tndb_conn *conn) {
  const char *values[] = {scope->path, scope->schema, scope->role};
  tndb_values with = {scope->role ? 3 : 2, values, NULL, NULL};
  return scope->role ? tndb_prepared_send_fixed(conn, "bind role", bind_role, &with)
                     : tndb_prepared_send_fixed(conn, "bind path", bind_path, &with);
}

void tndb_scope_bound(tndb_conn *conn, size_t place) {
  int64_t backend;
  PGresult *answer = conn->direct ? NULL : tndb_exchange_result(conn, place);
  if (answer && PQntuples(answer) == 1 &&
      tndb_number_parse(PQgetvalue(answer, 0, PQnfields(answer) - 1), &backend)) {
    /* A pooler makes up the number that the client is told. */
    conn->direct = backend == PQbackendPID(conn->pg);
  }
}

tenantdb_status tndb_scope_refused(const tndb_scope *scope, const PGresult *result, tenantdb_error **error) {
  char found[200];
  tenantdb_error *said = NULL;
  if (tndb_failure_is_check(result, found)) {
    return tndb_origin(error, TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED,
                       "the scope of schema %s%s%s is not in force (found %s); nothing was run",
                       scope->schema, scope->role ? " and role " : "", scope->role ? scope->role : "", found);
  }
  tenantdb_status status = tndb_failure_of_result(result, &said);
  if (status == TENANTDB_CONNECTION || status == TENANTDB_BUSY || status == TENANTDB_TIMEOUT ||
      status == TENANTDB_CANCELLED || status == TENANTDB_MEMORY) {
    return tndb_error_pass(error, said);
  }
  /* No such role, no right to take it on, no right to the schema: the scope cannot be had. */
  (void)tndb_error_pass(error, said);
  (void)tndb_error_fold(error, TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED);
  tndb_error_prefix(error, "the scope of schema %s%s%s cannot be taken on", scope->schema,
                    scope->role ? " and role " : "", scope->role ? scope->role : "");
  return TENANTDB_ISOLATION;
}

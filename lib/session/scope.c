/* SPDX-License-Identifier: PostgreSQL */
#include "session/scope.h"

#include "base/buffer.h"
#include "pg/failure.h"
#include "pg/prepared.h"

/*
 * The failing cast is what raises. Its text must hold something stable, or the
 * planner would evaluate it beforehand and the statement would always fail.
 * Every name is qualified down to the operators: the tenant's schema is in the
 * path by the time they are looked up.
 */
#define JOIN " OPERATOR(pg_catalog.||) "
#define SET_PATH "SELECT pg_catalog.set_config('search_path', $1, true)"
#define SET_ROLE ", pg_catalog.set_config('role', $3, true)"
#define SET_TIMEOUT(n) ", pg_catalog.set_config('statement_timeout', $" n ", true)"
#define PROVE(user) ", " CHECK("$2", user)
#define CHECK(schema, user)                                                              \
  "CASE WHEN pg_catalog.current_schema() IS DISTINCT FROM " schema                       \
  "::pg_catalog.name"                                                                    \
  " OR current_user IS DISTINCT FROM " user " THEN ('" TNDB_CHECK_PREFIX "schema '" JOIN \
  "coalesce(pg_catalog.current_schema()::text, '(none)')" JOIN "' as '" JOIN             \
  "current_user::text)::integer "                                                        \
  "END, pg_catalog.pg_backend_pid()"
#define AS_ROLE "$3::pg_catalog.name"
/* Without a role the connected user himself must be in force, whatever a function left behind. */
#define AS_SELF "session_user"

static const struct {
  const char *key;
  const char *sql;
} binds[] = {
    {"bind", SET_PATH PROVE(AS_SELF)},
    {"bind timeout", SET_PATH SET_TIMEOUT("3") PROVE(AS_SELF)},
    {"bind role", SET_PATH SET_ROLE PROVE(AS_ROLE)},
    {"bind role timeout", SET_PATH SET_ROLE SET_TIMEOUT("4") PROVE(AS_ROLE)},
};

/* The role's own settings are the scope; a tenant's login may not even be allowed to set any. */
static size_t prove_own(const tndb_scope *scope, tndb_conn *conn, bool timed) {
  tndb_values with = {1, &scope->schema, NULL, NULL, NULL};
  if (timed) {
    tndb_scope_limit(scope, conn, true);
  }
  return tndb_prepared_send_fixed(conn, "prove", "SELECT " CHECK("$1", AS_SELF), &with);
}

size_t tndb_scope_bind(const tndb_scope *scope, tndb_conn *conn, bool timed) {
  if (scope->own) {
    return prove_own(scope, conn, timed);
  }
  const char *values[4] = {scope->path, scope->schema};
  int32_t count = 2;
  if (scope->role) {
    values[count++] = scope->role;
  }
  timed = timed && scope->timeout;
  if (timed) {
    values[count++] = scope->timeout;
  }
  size_t which = (scope->role ? 2U : 0U) + (timed ? 1U : 0U);
  tndb_values with = {count, values, NULL, NULL, NULL};
  return tndb_prepared_send_fixed(conn, binds[which].key, binds[which].sql, &with);
}

/* As text: at level hardened the tenant's role may not call set_config(). */
void tndb_scope_limit(const tndb_scope *scope, tndb_conn *conn, bool timed) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  if (!scope->timeout) {
    return;
  }
  tndb_buffer_format(&sql, "SET LOCAL statement_timeout = %s", timed ? scope->timeout : "0");
  if (sql.failed) {
    conn->send_failed = true;
  } else {
    (void)tndb_exchange_send(conn, tndb_buffer_text(&sql), NULL);
  }
}

void tndb_scope_bound(tndb_conn *conn, size_t place) {
  int64_t backend;
  PGresult *answer = conn->direct ? NULL : tndb_exchange_result(conn, place);
  if (answer && PQntuples(answer) == 1 &&
      tndb_number_parse(PQgetvalue(answer, 0, PQnfields(answer) - 1), &backend)) {
    /* A pooler makes up the number that the client is told. */
    conn->direct = backend == PQbackendPID(conn->pg) && !conn->adopted;
  }
}

tenantdb_status tndb_scope_refused(const tndb_scope *scope, const PGresult *result, tenantdb_error **error) {
  char found[200];
  if (tndb_failure_is_check(result, found)) {
    return tndb_origin(error, TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED,
                       "the scope of schema %s%s%s is not in force (found %s); nothing was run",
                       scope->schema, scope->role ? " and role " : "", scope->role ? scope->role : "", found);
  }
  tenantdb_status status = tndb_failure_of_result(result, error);
  if (status == TENANTDB_CONNECTION || status == TENANTDB_BUSY || status == TENANTDB_TIMEOUT ||
      status == TENANTDB_CANCELLED || status == TENANTDB_MEMORY) {
    return status;
  }
  /* No such role, no right to take it on, no right to the schema: the scope cannot be had. */
  (void)tndb_error_fold(error, TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED);
  tndb_error_prefix(error, "the scope of schema %s%s%s cannot be taken on", scope->schema,
                    scope->role ? " and role " : "", scope->role ? scope->role : "");
  return TENANTDB_ISOLATION;
}

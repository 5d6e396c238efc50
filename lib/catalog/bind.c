/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/bind.h"

#include "config/property.h"
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

size_t tndb_bind_send(tndb_conn *conn, const tndb_bind *bind) {
  const char *values[4] = {bind->path, bind->schema};
  int32_t count = 2;
  if (bind->role) {
    values[count++] = bind->role;
  }
  if (bind->timeout) {
    values[count++] = bind->timeout;
  }
  size_t which = (bind->role ? 2U : 0U) + (bind->timeout ? 1U : 0U);
  tndb_values with = {count, values, NULL, NULL, NULL};
  return tndb_prepared_send_fixed(conn, binds[which].key, binds[which].sql, &with);
}

size_t tndb_bind_send_proof(tndb_conn *conn, const char *schema) {
  tndb_values with = {1, &schema, NULL, NULL, NULL};
  return tndb_prepared_send_fixed(conn, "prove", "SELECT " CHECK("$1", AS_SELF), &with);
}

int64_t tndb_bind_backend(const tndb_conn *conn, size_t place) {
  const PGresult *answer = tndb_exchange_result(conn, place);
  int64_t backend = 0;
  bool told = answer && PQntuples(answer) == 1 &&
              tndb_number_parse(PQgetvalue(answer, 0, PQnfields(answer) - 1), &backend);
  return told ? backend : 0;
}

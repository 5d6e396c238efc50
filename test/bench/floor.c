/* SPDX-License-Identifier: PostgreSQL */
#include "floor.h"

#include <stdio.h>
#include <string.h>

#include "bench.h"

#define OID_UUID 2950

/*
 * The binds set, prove and raise, in the library's own words. The message holds
 * a stable function, else the planner folds the failing cast to a constant and
 * the bind fails always.
 */
#define BIND_RAISE                                                                 \
  "('scope not proved: schema ' OPERATOR(pg_catalog.||) "                          \
  "coalesce(pg_catalog.current_schema()::text, '(none)') OPERATOR(pg_catalog.||) " \
  "' as ' OPERATOR(pg_catalog.||) current_user::text)::integer END"
static const char bind_routing[] =
    "SELECT pg_catalog.set_config('search_path', $1, true), "
    "CASE WHEN pg_catalog.current_schema() IS DISTINCT FROM $2::pg_catalog.name THEN " BIND_RAISE;
static const char bind_role[] =
    "SELECT pg_catalog.set_config('search_path', $1, true), pg_catalog.set_config('role', $3, true), "
    "CASE WHEN pg_catalog.current_schema() IS DISTINCT FROM $2::pg_catalog.name "
    "OR current_user IS DISTINCT FROM $3::pg_catalog.name THEN " BIND_RAISE;

static const Oid uuid_type[] = {OID_UUID};

const char *floor_query(void) {
  return "SELECT source_text, status FROM nmt_requests WHERE id = $1";
}

void floor_row_id(int row, char id[FLOOR_UUID]) {
  snprintf(id, FLOOR_UUID, "00000000-0000-4000-8000-%012x", (unsigned)row);
}

void floor_check_text(const struct scope *scope, const char *text) {
  size_t length = strlen(scope->schema);
  if (strncmp(text, scope->schema, length) != 0 || text[length] != ' ')
    bench_die("a row of another tenant than %s: %.80s", scope->schema, text);
}

/* ---- sending ---- */

static void sent(const floor_conn *floor, int ok) {
  if (!ok)
    bench_die("sending: %s", PQerrorMessage(floor->conn));
}

static void send_params(const floor_conn *floor, const char *sql, int n, const Oid *types,
                        const char *const *values) {
  sent(floor, PQsendQueryParams(floor->conn, sql, n, types, values, NULL, NULL, 0));
}

static void send_prepared(const floor_conn *floor, const char *name, int n, const char *const *values) {
  sent(floor, PQsendQueryPrepared(floor->conn, name, n, values, NULL, NULL, 0));
}

static void statement_name(int tenant, char name[24]) {
  snprintf(name, 24, "query_%d", tenant);
}

/* Take one statement's result in a pipeline, which ends with a NULL. */
static PGresult *take(const floor_conn *floor, ExecStatusType status, const char *what) {
  PGresult *result = PQgetResult(floor->conn);
  bench_expect(floor->conn, result, status, what);
  PGresult *end = PQgetResult(floor->conn);
  if (end)
    bench_die("%s: more than one result", what);
  return result;
}

static void take_sync(const floor_conn *floor) {
  PGresult *result = PQgetResult(floor->conn);
  bench_expect(floor->conn, result, PGRES_PIPELINE_SYNC, "the end of the flush");
  PQclear(result);
}

static void check_answer(const floor_conn *floor, int tenant, PGresult *result) {
  if (PQntuples(result) != 1)
    bench_die("%d rows instead of one", PQntuples(result));
  floor_check_text(&floor->scopes[tenant], PQgetvalue(result, 0, 0));
  PQclear(result);
}

/* ---- preparing ---- */

static void prepare(const floor_conn *floor, const char *name, const char *sql, int n_types) {
  PGresult *result = PQprepare(floor->conn, name, sql, n_types, n_types ? uuid_type : NULL);
  bench_expect(floor->conn, result, PGRES_COMMAND_OK, sql);
  PQclear(result);
}

static void prepare_tenant(const floor_conn *floor, int tenant) {
  const struct scope *scope = &floor->scopes[tenant];
  char name[24], sql[256];
  statement_name(tenant, name);
  if (floor->form == FLOOR_QUALIFIED) {
    snprintf(sql, sizeof sql, "SELECT source_text, status FROM \"%s\".nmt_requests WHERE id = $1",
             scope->schema);
    prepare(floor, name, sql, 1);
    return;
  }
  /* Analysed under the tenant's path and role, as it will be run. */
  snprintf(sql, sizeof sql, "BEGIN; SET LOCAL search_path TO %s", scope->path);
  bench_sql(floor->conn, sql);
  if (floor->role) {
    snprintf(sql, sizeof sql, "SET LOCAL ROLE \"%s\"", scope->role);
    bench_sql(floor->conn, sql);
  }
  prepare(floor, name, floor_query(), 1);
  bench_sql(floor->conn, "COMMIT");
}

void floor_open(floor_conn *floor, const char *url) {
  floor->conn = bench_connect(url);
  if (floor->form != FLOOR_UNPREPARED) {
    for (int i = 0; i < floor->n_scopes; i++)
      prepare_tenant(floor, i);
  }
  if (floor->form == FLOOR_PREPARED) {
    prepare(floor, "begin", "BEGIN", 0);
    prepare(floor, "bind", floor->role ? bind_role : bind_routing, 0);
    prepare(floor, "commit", "COMMIT", 0);
  }
  if (floor->form != FLOOR_QUALIFIED)
    sent(floor, PQenterPipelineMode(floor->conn));
}

void floor_run(floor_conn *floor, int tenant, const char *id) {
  const struct scope *scope = &floor->scopes[tenant];
  const char *const bind[] = {scope->path, scope->schema, scope->role};
  int n_bind = floor->role ? 3 : 2;
  char name[24];
  statement_name(tenant, name);
  if (floor->form == FLOOR_QUALIFIED) {
    PGresult *result = PQexecPrepared(floor->conn, name, 1, &id, NULL, NULL, 0);
    bench_expect(floor->conn, result, PGRES_TUPLES_OK, "query");
    check_answer(floor, tenant, result);
    return;
  }
  if (floor->form == FLOOR_PREPARED) {
    send_prepared(floor, "begin", 0, NULL);
    send_prepared(floor, "bind", n_bind, bind);
    send_prepared(floor, name, 1, &id);
    send_prepared(floor, "commit", 0, NULL);
  } else {
    send_params(floor, "BEGIN", 0, NULL, NULL);
    send_params(floor, floor->role ? bind_role : bind_routing, n_bind, NULL, bind);
    send_params(floor, floor_query(), 1, uuid_type, &id);
    send_params(floor, "COMMIT", 0, NULL, NULL);
  }
  sent(floor, PQpipelineSync(floor->conn));
  PQclear(take(floor, PGRES_COMMAND_OK, "BEGIN"));
  PQclear(take(floor, PGRES_TUPLES_OK, "bind"));
  PGresult *result = take(floor, PGRES_TUPLES_OK, "query");
  PQclear(take(floor, PGRES_COMMAND_OK, "COMMIT"));
  take_sync(floor);
  check_answer(floor, tenant, result);
}

void floor_close(floor_conn *floor) {
  PQfinish(floor->conn);
  floor->conn = NULL;
}

/* SPDX-License-Identifier: PostgreSQL */
#include "floor.h"

#include <stdio.h>
#include <string.h>

#include "bench.h"

#define OID_UUID 2950

/*
 * The binds set, prove and raise, and tell the backend, in the library's own words. The message
 * holds a stable function, else the planner folds the failing cast to a
 * constant and the bind fails always.
 */
#define BIND_SET "SELECT pg_catalog.set_config('search_path', $1, true)"
#define BIND_PROVE(user)                                                           \
  ", CASE WHEN pg_catalog.current_schema() IS DISTINCT FROM $2::pg_catalog.name"   \
  " OR current_user IS DISTINCT FROM " user                                        \
  " THEN ('tenantdb check: schema ' OPERATOR(pg_catalog.||) "                      \
  "coalesce(pg_catalog.current_schema()::text, '(none)') OPERATOR(pg_catalog.||) " \
  "' as ' OPERATOR(pg_catalog.||) current_user::text)::integer END, pg_catalog.pg_backend_pid()"
static const char bind_routing[] = BIND_SET BIND_PROVE("session_user");
static const char bind_role[] =
    BIND_SET ", pg_catalog.set_config('role', $3, true)" BIND_PROVE("$3::pg_catalog.name");

static const Oid uuid_type[] = {OID_UUID};

const char *floor_query(void) {
  return "SELECT source_text, status FROM nmt_requests WHERE id = $1";
}

const char *floor_bind(bool role) {
  return role ? bind_role : bind_routing;
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

/* ---- running ---- */

static void send_begin(const floor_conn *floor, int tenant) {
  const struct scope *scope = &floor->scopes[tenant];
  const char *const bind[] = {scope->path, scope->schema, scope->role};
  int n_bind = floor->role ? 3 : 2;
  if (floor->form == FLOOR_PREPARED) {
    send_prepared(floor, "begin", 0, NULL);
    send_prepared(floor, "bind", n_bind, bind);
  } else {
    send_params(floor, "BEGIN", 0, NULL, NULL);
    send_params(floor, floor->role ? bind_role : bind_routing, n_bind, NULL, bind);
  }
}

static void send_query(const floor_conn *floor, int tenant, const char *id) {
  char name[24];
  statement_name(tenant, name);
  if (floor->form == FLOOR_PREPARED)
    send_prepared(floor, name, 1, &id);
  else
    send_params(floor, floor_query(), 1, uuid_type, &id);
}

static void send_commit(const floor_conn *floor) {
  if (floor->form == FLOOR_PREPARED)
    send_prepared(floor, "commit", 0, NULL);
  else
    send_params(floor, "COMMIT", 0, NULL, NULL);
}

static void take_begin(const floor_conn *floor) {
  PQclear(take(floor, PGRES_COMMAND_OK, "BEGIN"));
  PQclear(take(floor, PGRES_TUPLES_OK, "bind"));
}

void floor_run(floor_conn *floor, int tenant, const char *id) {
  if (floor->form == FLOOR_QUALIFIED) {
    char name[24];
    statement_name(tenant, name);
    PGresult *result = PQexecPrepared(floor->conn, name, 1, &id, NULL, NULL, 0);
    bench_expect(floor->conn, result, PGRES_TUPLES_OK, "query");
    check_answer(floor, tenant, result);
    return;
  }
  floor_batch(floor, tenant, &id, 1);
}

void floor_batch(floor_conn *floor, int tenant, const char *const *ids, int n) {
  send_begin(floor, tenant);
  for (int i = 0; i < n; i++)
    send_query(floor, tenant, ids[i]);
  send_commit(floor);
  sent(floor, PQpipelineSync(floor->conn));
  take_begin(floor);
  for (int i = 0; i < n; i++)
    check_answer(floor, tenant, take(floor, PGRES_TUPLES_OK, "query"));
  PQclear(take(floor, PGRES_COMMAND_OK, "COMMIT"));
  take_sync(floor);
}

void floor_transaction(floor_conn *floor, int tenant, const char *const *ids, int n) {
  for (int i = 0; i < n; i++) {
    if (i == 0)
      send_begin(floor, tenant);
    send_query(floor, tenant, ids[i]);
    sent(floor, PQpipelineSync(floor->conn));
    if (i == 0)
      take_begin(floor);
    check_answer(floor, tenant, take(floor, PGRES_TUPLES_OK, "query"));
    take_sync(floor);
  }
  send_commit(floor);
  sent(floor, PQpipelineSync(floor->conn));
  PQclear(take(floor, PGRES_COMMAND_OK, "COMMIT"));
  take_sync(floor);
}

int64_t floor_stream(floor_conn *floor, int tenant, const char *sql) {
  int64_t rows = 0, bytes = 0;
  send_begin(floor, tenant);
  send_params(floor, sql, 0, NULL, NULL);
  sent(floor, PQpipelineSync(floor->conn));
  take_begin(floor);
  sent(floor, PQsetSingleRowMode(floor->conn));
  for (PGresult *result; (result = PQgetResult(floor->conn)) != NULL; PQclear(result)) {
    bench_expect(floor->conn, result, PQntuples(result) ? PGRES_SINGLE_TUPLE : PGRES_TUPLES_OK, "stream");
    rows += PQntuples(result);
    bytes += PQntuples(result) ? PQgetlength(result, 0, 1) : 0;
  }
  take_sync(floor);
  send_commit(floor);
  sent(floor, PQpipelineSync(floor->conn));
  PQclear(take(floor, PGRES_COMMAND_OK, "COMMIT"));
  take_sync(floor);
  if (bytes == 0)
    bench_die("a stream without bytes");
  return rows;
}

void floor_close(floor_conn *floor) {
  PQfinish(floor->conn);
  floor->conn = NULL;
}

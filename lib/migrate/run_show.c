/* SPDX-License-Identifier: PostgreSQL */
/* What can be asked about runs. */
#include <string.h>

#include "base/integer.h"
#include "migrate/run.h"
#include "pg/rows.h"
#include "sql/identifier.h"

#define MEMBERS_USUAL 1000
#define RUNS_USUAL 100

#define SHOWN_TIME(column) \
  "pg_catalog.to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')"

/* A pattern with the catalog wherever it says @. */
static bool compose(tndb_buffer *sql, const tenantdb *db, const char *pattern) {
  for (const char *at = pattern; *at;) {
    size_t length = strcspn(at, "@");
    tndb_buffer_append_n(sql, at, length);
    tndb_buffer_append(sql, at[length] ? db->catalog : "");
    at += length + (at[length] != '\0');
  }
  return !sql->failed;
}

static tenantdb_status show(tenantdb *db, tndb_conn *conn, const char *pattern, int32_t count,
                            const char *const *values, tenantdb_result **result, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows = NULL;
  if (!compose(&sql, db, pattern)) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_run_ask(db, conn, tndb_buffer_text(&sql), count, values, &rows, error);
  return status ? status : tndb_rows_wrap(rows, result, error);
}

/* ---------------------------------------------------------------- how far it is */

/* Lately: within the last ten seconds, or since it began. */
static const char progress_sql[] =
    "SELECT r.id, r.state, r.wave, r.waves, r.total, m.done, m.failed, m.deferred, m.skipped, m.waiting,"
    " m.running, m.locked AS waiting_for_locks, pg_catalog.round(m.rate, 1) AS rate, CASE WHEN m.rate > 0 AND"
    " r.state = 'running' THEN pg_catalog.ceil((m.waiting + m.running + m.deferred) / m.rate)::bigint END AS"
    " seconds_left, " SHOWN_TIME("r.started_at") " AS started_at, " SHOWN_TIME("r.finished_at") " AS"
    " finished_at, r.goal, (SELECT coalesce(pg_catalog.max(l.version), 0) FROM @migrations l WHERE l.tenant_id ="
    " '" TNDB_LEDGER_SHARED "' AND l.state = 'done') AS shared_version, r.note FROM @runs r, LATERAL (SELECT"
    " pg_catalog.count(*) FILTER (WHERE state = 'done') AS done, pg_catalog.count(*) FILTER (WHERE state ="
    " 'failed') AS failed, pg_catalog.count(*) FILTER (WHERE state = 'deferred') AS deferred,"
    " pg_catalog.count(*) FILTER (WHERE state = 'skipped') AS skipped, pg_catalog.count(*) FILTER (WHERE state ="
    " 'waiting') AS waiting, pg_catalog.count(*) FILTER (WHERE state = 'running') AS running,"
    " pg_catalog.count(*) FILTER (WHERE state = 'running' AND blocker IS NOT NULL) AS locked,"
    " (pg_catalog.count(*) FILTER (WHERE finished_at > now() - interval '10 s') / greatest(0.1, least(10,"
    " extract(epoch FROM now() - pg_catalog.min(started_at)))))::numeric AS rate FROM @run_members WHERE run_id ="
    " r.id AND wave > 0) m WHERE r.id = $1::uuid";

static const char nothing_sql[] =
    "SELECT ''::text AS id, 'done'::text AS state, 0 AS wave, 0 AS waves, 0 AS total, 0 AS done, 0 AS "
    "failed, 0"
    " AS deferred, 0 AS skipped, 0 AS waiting, 0 AS running, 0 AS waiting_for_locks, 0.0 AS rate, 0::bigint "
    "AS"
    " seconds_left, NULL::text AS started_at, NULL::text AS finished_at, $1::bigint AS goal, (SELECT"
    " coalesce(pg_catalog.max(l.version), 0) FROM @migrations l WHERE l.tenant_id = '" TNDB_LEDGER_SHARED
    "' AND"
    " l.state = 'done') AS shared_version, 'there was nothing to do'::text AS note";

tenantdb_status tndb_run_read_progress(const tenantdb_run *run, tndb_conn *conn, tenantdb_result **result,
                                       tenantdb_error **error) {
  char goal[TNDB_INT64_TEXT];
  const char *values[] = {run->id};
  if (!run->id[0]) {
    tndb_run_aim aim = {.db = run->db, .set = run->set, .settings = &run->settings};
    tndb_int64_write(tndb_run_goal(&aim, TNDB_STREAM_TENANT), goal);
    values[0] = goal;
  }
  tenantdb_status status =
      show(run->db, conn, run->id[0] ? progress_sql : nothing_sql, 1, values, result, error);
  if (!status && tenantdb_result_rows(*result) == 0) {
    tenantdb_result_free(*result);
    *result = NULL;
    status = tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_RUN,
                         "run %s is not in the catalog any more", run->id);
  }
  return status;
}

static tenantdb_status check_result(tenantdb_result **result, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!result) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  }
  *result = NULL;
  return TENANTDB_OK;
}

tenantdb_status tenantdb_run_progress(tenantdb_run *run, tenantdb_result **result, tenantdb_error **error) {
  tenantdb_status status = check_result(result, error);
  if (!status) {
    status = tndb_run_check(run, error);
  }
  return status ? status : tndb_run_read_progress(run, NULL, result, error);
}

/* ---------------------------------------------------------------- members */

static tenantdb_status check_states(const char *states, tenantdb_error **error) {
  static const char *const names[] = {"waiting", "running", "done", "failed", "deferred", "skipped"};
  for (const char *at = states; at && *at;) {
    at += strspn(at, " ");
    size_t length = strcspn(at, ", ");
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
      found = found || (strlen(names[i]) == length && strncmp(names[i], at, length) == 0);
    }
    if (!found) {
      return tndb_origin(
          error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
          "states: \"%.60s\" is no list of waiting, running, done, failed, deferred and skipped", states);
    }
    at += length;
    at += strspn(at, " ");
    at += *at == ',';
  }
  return TENANTDB_OK;
}

tenantdb_status tenantdb_run_members(tenantdb_run *run, const char *states, const char *after, int32_t limit,
                                     tenantdb_result **result, tenantdb_error **error) {
  static const char pattern[] =
      "SELECT m.slug AS tenant, m.tenant_id AS id, m.wave, m.state, m.attempts, m.from_version AS \"from\","
      " m.to_version AS \"to\", m.file, m.line, m.sqlstate, m.error, m.duration_ms, m.blocker FROM "
      "@run_members m"
      " WHERE m.run_id = $1::uuid AND ($2::text IS NULL OR m.state = ANY (pg_catalog.string_to_array("
      " pg_catalog.replace($2, ' ', ''), ','))) AND ($3::text IS NULL OR m.slug COLLATE \"C\" > $3 COLLATE"
      " \"C\") ORDER BY m.slug COLLATE \"C\", m.wave LIMIT $4::integer";
  tenantdb_status status = check_result(result, error);
  if (!status) {
    status = tndb_run_check(run, error);
  }
  if (!status) {
    status = check_states(states, error);
  }
  char most[TNDB_INT64_TEXT];
  tndb_int64_write(limit > 0 ? limit : MEMBERS_USUAL, most);
  /* Of a run without rows there are no members: no run has this id. */
  const char *values[] = {status || run->id[0] ? (status ? NULL : run->id) : TNDB_LEDGER_SHARED,
                          states && *states ? states : NULL, after, most};
  return status ? status : show(run->db, NULL, pattern, 4, values, result, error);
}

/* ---------------------------------------------------------------- runs */

tenantdb_status tenantdb_runs(tenantdb *db, int32_t limit, tenantdb_result **result, tenantdb_error **error) {
  static const char pattern[] =
      "SELECT r.id, r.state, r.wave, r.waves, r.total, m.done, m.failed, r.goal, CASE WHEN r.down THEN 1 ELSE 0"
      " END AS down, " SHOWN_TIME("r.started_at") " AS started_at, " SHOWN_TIME("r.finished_at") " AS"
      " finished_at, r.actor, r.host, r.note FROM (SELECT * FROM @runs ORDER BY started_at DESC, id LIMIT"
      " $1::integer) r, LATERAL (SELECT pg_catalog.count(*) FILTER (WHERE state = 'done') AS done,"
      " pg_catalog.count(*) FILTER (WHERE state = 'failed') AS failed FROM @run_members WHERE run_id = r.id AND"
      " wave > 0) m ORDER BY r.started_at DESC, r.id";
  char most[TNDB_INT64_TEXT];
  const char *values[] = {most};
  tenantdb_status status = check_result(result, error);
  if (!status) {
    status = tndb_database_check(db, error);
  }
  tndb_int64_write(limit > 0 ? limit : RUNS_USUAL, most);
  return status ? status : show(db, NULL, pattern, 1, values, result, error);
}

/* ---------------------------------------------------------------- what became of it */

static tenantdb_status tell_failures(const tenantdb_run *run, const PGresult *rows, tenantdb_error **error) {
  const char *state = PQgetvalue(rows, 0, 0);
  const char *failed = PQgetvalue(rows, 0, 1);
  const char *first = PQgetvalue(rows, 0, 4);
  const char *colon = *first ? ": " : "";
  if (strcmp(state, "stopped") == 0) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_RUN_STOPPED, "run %s has stopped: %s; %s%s%s",
                       run->id, PQgetvalue(rows, 0, 3), PQgetvalue(rows, 0, 5), colon, first);
  }
  if (strcmp(state, "done") != 0) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_RUN_STATE, "run %s is %s", run->id, state);
  }
  if (strcmp(failed, "0") == 0) {
    return TENANTDB_OK;
  }
  return tndb_origin(error, TENANTDB_UNAVAILABLE, TENANTDB_REASON_RUN_PARTLY,
                     "%s of %s tenants failed in run %s, among them %s%s%s", failed, PQgetvalue(rows, 0, 2),
                     run->id, PQgetvalue(rows, 0, 5), colon, first);
}

tenantdb_status tndb_run_verdict(tenantdb_run *run, tenantdb_error **error) {
  static const char pattern[] =
      "SELECT r.state, (SELECT pg_catalog.count(*) FROM @run_members m WHERE m.run_id = r.id AND m.state ="
      " 'failed'), r.total, r.note, f.error, f.slug FROM @runs r LEFT JOIN LATERAL (SELECT m.error, m.slug "
      "FROM"
      " @run_members m WHERE m.run_id = r.id AND m.state = 'failed' ORDER BY m.wave, m.position LIMIT 1) f ON"
      " true WHERE r.id = $1::uuid";
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *values[] = {run->id};
  PGresult *rows = NULL;
  tenantdb_status status = compose(&sql, run->db, pattern)
                               ? tndb_run_ask(run->db, NULL, tndb_buffer_text(&sql), 1, values, &rows, error)
                               : tndb_no_memory(error);
  if (!status && PQntuples(rows) == 1) {
    status = tell_failures(run, rows, error);
  }
  PQclear(rows);
  return status;
}

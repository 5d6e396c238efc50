/* SPDX-License-Identifier: PostgreSQL */
/* Pausing, resuming, ending a run: by its row, which whoever works on it looks at. */
#include <string.h>

#include "migrate/run.h"

tenantdb_status tndb_run_ask(tenantdb *db, tndb_conn *conn, const char *sql, int32_t count,
                             const char *const *values, PGresult **rows, tenantdb_error **error) {
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
  tndb_conn *own = NULL;
  tenantdb_status status = conn ? TENANTDB_OK : tndb_pool_lease(db->pool, deadline, &own, error);
  *rows = NULL;
  if (!status) {
    status = tndb_catalog_require(db, conn ? conn : own, deadline, error);
  }
  if (!status) {
    tndb_values all = {count, values, NULL, NULL, NULL};
    status = tndb_exchange_single(conn ? conn : own, sql, &all, deadline, rows, error);
  }
  tndb_pool_release(own);
  return status;
}

/* One statement that answers the state the run was in, and whether it was changed. */
static tenantdb_status steer(const tenantdb_run *run, tndb_conn *conn, const char *pattern, const char *what,
                             tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *values[] = {run->id};
  PGresult *rows = NULL;
  for (const char *at = pattern; *at;) {
    size_t length = strcspn(at, "@");
    tndb_buffer_append_n(&sql, at, length);
    tndb_buffer_append(&sql, at[length] ? run->db->catalog : "");
    at += length + (at[length] != '\0');
  }
  tenantdb_status status = sql.failed
                               ? tndb_no_memory(error)
                               : tndb_run_ask(run->db, conn, tndb_buffer_text(&sql), 1, values, &rows, error);
  if (!status && PQntuples(rows) == 0) {
    status = tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_RUN,
                         "run %s is not in the catalog any more", run->id);
  } else if (!status && PQgetvalue(rows, 0, 1)[0] != 't') {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_RUN_STATE, "run %s is %s and cannot be %s",
                         run->id, PQgetvalue(rows, 0, 0), what);
  }
  PQclear(rows);
  return status;
}

/* How a public call steers a run. */
static tenantdb_status command(tenantdb_run *run, const char *pattern, const char *what,
                               tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_run_check_stored(run, error);
  return status ? status : steer(run, NULL, pattern, what, error);
}

/* The row as it was, locked: what is changed and what is answered fit together. */
#define BEFORE "WITH old AS MATERIALIZED (SELECT id, state FROM @runs WHERE id = $1::uuid FOR UPDATE)"
#define AFTER " RETURNING 1) SELECT old.state, EXISTS (SELECT FROM changed) FROM old"

static const char pause_sql[] = BEFORE
    ", changed AS (UPDATE @runs r SET state = 'paused', updated_at = now() FROM old WHERE"
    " r.id = old.id AND old.state IN ('running', 'paused')" AFTER;

tenantdb_status tndb_run_pause_on(const tenantdb_run *run, tndb_conn *conn, tenantdb_error **error) {
  return steer(run, conn, pause_sql, "paused", error);
}

tenantdb_status tenantdb_run_pause(tenantdb_run *run, tenantdb_error **error) {
  return command(run, pause_sql, "paused", error);
}

tenantdb_status tenantdb_run_resume(tenantdb_run *run, tenantdb_error **error) {
  /* The shared stream's failure is not forgiven: nothing goes on without it, so it is tried again. */
  return command(run,
                 BEFORE
                 ", again AS (UPDATE @run_members m SET state = 'waiting', attempts = 0, error = NULL,"
                 " status = NULL, sqlstate = NULL, file = NULL, line = NULL FROM old WHERE m.run_id ="
                 " old.id AND m.wave = 0 AND m.state = 'failed' AND old.state = 'stopped'), changed AS"
                 " (UPDATE @runs r SET state = 'running', note = NULL, updated_at = now(), failure_limit ="
                 " r.failure_limit + CASE WHEN old.state = 'stopped' THEN (SELECT pg_catalog.count(*)"
                 " FROM @run_members m WHERE m.run_id = r.id AND m.wave > 0 AND m.state ="
                 " 'failed') - coalesce((r.settings"
                 " ->> '.forgiven')::bigint, 0) ELSE 0 END, settings = CASE WHEN old.state = 'stopped' THEN"
                 " r.settings || pg_catalog.jsonb_build_object('.forgiven', (SELECT pg_catalog.count(*) FROM"
                 " @run_members m WHERE m.run_id = r.id AND m.wave > 0 AND m.state = 'failed')) ELSE "
                 "r.settings END FROM old"
                 " WHERE r.id = old.id AND old.state IN ('running', 'paused', 'stopped')" AFTER,
                 "resumed", error);
}

tenantdb_status tenantdb_run_abort(tenantdb_run *run, tenantdb_error **error) {
  return command(run,
                 BEFORE
                 ", skipped AS (UPDATE @run_members m SET state = 'skipped' FROM old WHERE m.run_id ="
                 " old.id AND m.state IN ('waiting', 'deferred') AND old.state <> 'done'), changed AS"
                 " (UPDATE @runs r SET state = 'aborted', finished_at = now(), updated_at = now() FROM"
                 " old WHERE r.id = old.id AND old.state <> 'done'" AFTER,
                 "aborted", error);
}

tenantdb_status tenantdb_run_retry_failed(tenantdb_run *run, tenantdb_error **error) {
  return command(
      run,
      BEFORE
      ", again AS (UPDATE @run_members m SET state = 'waiting', attempts = 0, error = NULL,"
      " status = NULL, sqlstate = NULL, file = NULL, line = NULL, blocker = NULL, finished_at"
      " = NULL FROM old WHERE m.run_id = old.id AND m.state = 'failed' AND old.state <>"
      " 'aborted'), changed AS (UPDATE @runs r SET state = 'running', note = NULL, finished_at"
      " = NULL, updated_at = now(), failure_limit = r.failure_limit - coalesce((r.settings ->>"
      " '.forgiven')::integer, 0), settings = r.settings - '.forgiven' FROM old WHERE r.id = old.id"
      " AND old.state <> 'aborted'" AFTER,
      "gone on with", error);
}

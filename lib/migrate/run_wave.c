/* SPDX-License-Identifier: PostgreSQL */
/*
 * From one wave to the next, and the end.
 *
 * Whoever has nobody left to take asks here, under the run's lock: so one runner
 * begins the next wave, and those who ask after him see it begun.
 */
#include "base/integer.h"
#include "migrate/run.h"
#include "migrate/use.h"

typedef struct situation {
  bool running;
  int64_t wave;
  int64_t waves;
  int64_t limit; /* -1: none */
  bool canary;   /* the limit is for the first wave only */
  int64_t open;
  int64_t failed;
  bool shared_failed;
} situation;

static int64_t number_at(const PGresult *rows, int column, int64_t otherwise) {
  int64_t number = otherwise;
  if (!PQgetisnull(rows, 0, column)) {
    (void)tndb_number_parse(PQgetvalue(rows, 0, column), &number);
  }
  return number;
}

static tenantdb_status look(tenantdb_run *run, tndb_work *work, situation *now, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows = NULL;
  const char *values[] = {run->id};
  const char *catalog = run->db->catalog;
  tndb_buffer_format(
      &sql,
      "SELECT r.state = 'running', r.wave, r.waves, r.failure_limit, r.settings ? '.canary',"
      " (SELECT pg_catalog.count(*) FROM %srun_members m WHERE m.run_id = r.id AND m.wave <="
      " r.wave AND m.state IN ('waiting', 'running', 'deferred')), (SELECT"
      " pg_catalog.count(*) FROM %srun_members m WHERE m.run_id = r.id AND m.wave > 0"
      " AND m.state = 'failed'), EXISTS (SELECT FROM %srun_members m WHERE m.run_id = r.id AND m.wave = 0"
      " AND m.state = 'failed') FROM %sruns r WHERE r.id = $1 FOR UPDATE OF r",
      catalog, catalog, catalog, catalog);
  tenantdb_status status = sql.failed
                               ? tndb_no_memory(error)
                               : tndb_work_query(work, tndb_buffer_text(&sql), 1, values, &rows, error);
  if (!status && PQntuples(rows) == 1) {
    *now = (situation){.running = PQgetvalue(rows, 0, 0)[0] == 't',
                       .wave = number_at(rows, 1, 0),
                       .waves = number_at(rows, 2, 0),
                       .limit = number_at(rows, 3, -1),
                       .canary = PQgetvalue(rows, 0, 4)[0] == 't',
                       .open = number_at(rows, 5, 0),
                       .failed = number_at(rows, 6, 0),
                       .shared_failed = PQgetvalue(rows, 0, 7)[0] == 't'};
  }
  PQclear(rows);
  return status;
}

static tenantdb_status change(tenantdb_run *run, tndb_work *work, const char *what, const char *note,
                              tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *values[] = {run->id, note};
  tndb_buffer_format(&sql, "UPDATE %sruns SET updated_at = now(), note = coalesce($2, note), ",
                     run->db->catalog);
  tndb_buffer_append(&sql, what);
  tndb_buffer_append(&sql, " WHERE id = $1");
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 2, values);
  return tndb_work_sync(work, error);
}

/*
 * Those who lack something by now and are not part of it yet, as a wave of their own. A tenant made by a
 * program without migrations has failed at once: what begins with the first file would meet its tables.
 */
static tenantdb_status append_late(tenantdb_run *run, tndb_work *work, int64_t *count,
                                   tenantdb_error **error) {
  tndb_run_aim aim = {.db = run->db, .set = run->set, .settings = &run->settings};
  tndb_auto_run_query query = TNDB_RUN_QUERY_INIT;
  PGresult *rows = NULL;
  const char *catalog = run->db->catalog;
  tenantdb_status status = tndb_run_select(&aim, &query, error);
  if (status) {
    return status;
  }
  tndb_buffer_format(&query.sql,
                     ", late AS (INSERT INTO %srun_members (run_id, tenant_id, slug, standby, wave, position,"
                     " from_version, state, status, error) SELECT r.id, p.id, p.slug, p.standby, r.waves + 1,"
                     " p.position, p.version, CASE WHEN b.lacks THEN 'failed' ELSE 'waiting' END, CASE WHEN"
                     " b.lacks THEN %d END, CASE WHEN b.lacks THEN 'its schema was made meanwhile, without"
                     " migrations: say by tenantdb_migration_baseline() which of them it has' END FROM"
                     " planned p JOIN lacking t ON t.id = p.id CROSS JOIN LATERAL (SELECT coalesce(",
                     catalog, TENANTDB_STATE);
  tndb_buffer_format(&query.sql, TNDB_LACKS_BASELINE, catalog);
  tndb_buffer_format(&query.sql,
                     ", false) AS lacks) b, %sruns r WHERE r.id = '%s' AND NOT EXISTS (SELECT FROM"
                     " %srun_members m WHERE m.run_id = r.id AND m.tenant_id = p.id) ON CONFLICT DO NOTHING"
                     " RETURNING 1) SELECT pg_catalog.count(*) FROM late",
                     catalog, run->id, catalog);
  status = tndb_run_query_send(&query, work, &rows, error);
  *count = status ? 0 : number_at(rows, 0, 0);
  PQclear(rows);
  return status;
}

static tenantdb_status end(tenantdb_run *run, tndb_work *work, const situation *now, tenantdb_error **error) {
  /* Whoever is created meanwhile by somebody who knows less: a list of names has no such, nor has the way back. */
  bool looks = run->settings.tenant && !run->settings.tenants && !run->settings.down && !run->settings.dry;
  int64_t late = 0;
  tenantdb_status status = looks ? append_late(run, work, &late, error) : TENANTDB_OK;
  if (status) {
    return status;
  }
  if (late > 0) {
    tndb_auto_buffer what = TNDB_BUFFER_INIT;
    tndb_buffer_format(&what, "waves = waves + 1, wave = waves + 1, total = total + %lld", (long long)late);
    return what.failed ? tndb_no_memory(error) : change(run, work, tndb_buffer_text(&what), NULL, error);
  }
  bool clean = now->failed == 0 && tndb_run_is_whole(&run->settings);
  return change(run, work,
                clean ? "state = 'done', finished_at = now(), settings = settings || '{\".clean\": \"on\"}'"
                      : "state = 'done', finished_at = now()",
                NULL, error);
}

static tenantdb_status next(tenantdb_run *run, tndb_work *work, const situation *now,
                            tenantdb_error **error) {
  if (now->shared_failed) {
    return change(run, work, "state = 'stopped'", "the shared stream failed", error);
  }
  if (now->limit >= 0 && now->failed > now->limit) {
    return change(run, work, "state = 'stopped'", "more have failed than may", error);
  }
  if (now->wave >= now->waves) {
    return end(run, work, now, error);
  }
  bool over = now->canary && now->wave == 1; /* the canaries are well */
  bool pauses = run->settings.pauses && now->wave > 0;
  return change(run, work,
                over && pauses ? "wave = wave + 1, failure_limit = NULL, state = 'paused'"
                : over         ? "wave = wave + 1, failure_limit = NULL"
                : pauses       ? "wave = wave + 1, state = 'paused'"
                               : "wave = wave + 1",
                pauses ? "paused between waves" : NULL, error);
}

tenantdb_status tndb_run_next_wave(tenantdb_run *run, bool *waits, tenantdb_error **error) {
  tndb_work work;
  situation now = {false, 0, 0, -1, false, 0, 0, false};
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  *waits = false;
  tndb_buffer_format(&lock, "run:%s", run->id);
  tenantdb_status status = lock.failed
                               ? tndb_no_memory(error)
                               : tndb_work_start(&work, run->db, tndb_buffer_text(&lock), true, error);
  if (lock.failed) {
    return status;
  }
  if (!status) {
    (void)tndb_work_send(&work, TNDB_RUN_HASTE, 0, NULL);
    status = look(run, &work, &now, error);
  }
  if (!status && now.running) {
    *waits = now.open > 0;
    status = *waits ? TENANTDB_OK : next(run, &work, &now, error);
  }
  if (!status) {
    status = tndb_work_commit(&work, error);
  }
  tndb_work_end(&work);
  return status;
}

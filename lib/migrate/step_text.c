/* SPDX-License-Identifier: PostgreSQL */
/*
 * The statements of a lease.
 *
 * A lease that has run out is taken over only when no process of the server holds a lock in the
 * schema as changes of tables take: its owner may be gone and his statement still under way, or he may be
 * waiting for it himself. So nobody has to renew a lease while an index is built for hours.
 */
#include <string.h>

#include "catalog/database.h"
#include "migrate/job_state.h"
#include "pg/failure.h"

/* $12: the schema. What an autovacuum worker holds he gives up when somebody waits. */
#define IS_BUSY                                                                                            \
  "EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN"        \
  " pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid"  \
  " = l.pid WHERE n.nspname = $12 AND l.pid <> pg_catalog.pg_backend_pid() AND l.database = (SELECT d.oid" \
  " FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) AND l.mode IN"          \
  " ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',"                   \
  " 'AccessExclusiveLock') AND a.backend_type IS DISTINCT FROM 'autovacuum worker')"
#define MAY_TAKE \
  "(m.state <> 'running' OR m.owner = $9 OR m.lease_until < pg_catalog.clock_timestamp()) AND NOT " IS_BUSY
#define RETURNS " RETURNING m.fence, m.steps_done, m.progress, m.steps_sum, m.attempts"
#define LEASE "pg_catalog.clock_timestamp() + $13 * interval '1 ms'"

static const char claim_sql[] =
    "INSERT INTO %smigrations AS m (stream, tenant_id, version, name, kind, title, sum, state, steps, run_id,"
    " owner, lease_until, fence) VALUES ($11, $1, $2, $3, $4, $5, $6, 'running', $7, $8, $9, " LEASE
    ", 1) ON CONFLICT (tenant_id, version, name) DO UPDATE SET kind = excluded.kind,"
    " title = excluded.title, sum = excluded.sum, state = 'running', steps = excluded.steps, steps_done ="
    " CASE WHEN m.state = 'done' THEN 0 ELSE m.steps_done END, steps_sum = CASE WHEN m.state = 'done' THEN"
    " NULL ELSE m.steps_sum END, progress = CASE WHEN m.state = 'done' THEN NULL ELSE m.progress END, run_id"
    " = excluded.run_id, owner = excluded.owner, lease_until = excluded.lease_until, fence = m.fence + 1,"
    " attempts = CASE WHEN m.owner = excluded.owner THEN m.attempts ELSE m.attempts + 1 END, actor ="
    " excluded.actor, started_at = CASE WHEN m.state = 'done' THEN pg_catalog.now() ELSE m.started_at END,"
    " finished_at = NULL, line = NULL, sqlstate = NULL, error = NULL WHERE m.steps >= 0 AND " MAY_TAKE
    " AND (m.state <> 'done' OR (m.name <> '' AND m.sum IS DISTINCT FROM excluded.sum))" RETURNS;
static const char claim_back_sql[] =
    "UPDATE %smigrations m SET state = 'running', steps = - $7, steps_done = CASE WHEN m.steps < 0 THEN"
    " m.steps_done ELSE 0 END, steps_sum = CASE WHEN m.steps < 0 THEN m.steps_sum END, progress = CASE WHEN"
    " m.steps < 0 THEN m.progress END, run_id = $8, owner = $9, lease_until = " LEASE
    ", fence = m.fence + 1, attempts = CASE WHEN m.owner = $9 THEN m.attempts ELSE m.attempts + 1 END,"
    " finished_at = NULL, line = NULL, sqlstate = NULL, error = NULL WHERE m.tenant_id = $1 AND m.version ="
    " $2 AND m.name = $3 AND (m.state = 'done' OR m.steps < 0) AND " MAY_TAKE RETURNS;

static void fail_if(const tndb_job *job, bool failed) {
  if (failed) {
    job->conn->send_failed = job->conn->no_room = true;
  }
}

/* It must outlive what a step may do before it is renewed, but for the steps that are long. */
static int64_t lease_ms(const tndb_job *job) {
  int64_t lease = tndb_config_number(job->order.db->config, TNDB_OPERATION_LEASE);
  int64_t wait = 2 * tndb_job_lock_ms(job);
  return lease > wait ? lease : wait;
}

size_t tndb_job_send_claim(tndb_job *job) {
  static const uint32_t types[] = {TNDB_TYPE_UUID, TNDB_TYPE_INT8, TNDB_TYPE_TEXT, TNDB_TYPE_TEXT,
                                   TNDB_TYPE_TEXT, TNDB_TYPE_TEXT, TNDB_TYPE_INT4, TNDB_TYPE_UUID,
                                   TNDB_TYPE_UUID, TNDB_TYPE_INT4, TNDB_TYPE_TEXT, TNDB_TYPE_NAME,
                                   TNDB_TYPE_INT8};
  char lease[TNDB_INT64_TEXT];
  tndb_job_row row;
  (void)tndb_int64_write(lease_ms(job), lease);
  tndb_job_row_of(job, &row);
  row.values[TNDB_ROW_MORE] = job->order.target.schema;
  row.values[TNDB_ROW_MORE + 1] = lease;
  tndb_values with = {13, row.values, NULL, NULL, types};
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, "");
  const char *pattern = job->order.down ? claim_back_sql : claim_sql;
  const char *at = strstr(pattern, "%s");
  tndb_buffer_append_n(&sql, pattern, (size_t)(at - pattern));
  tndb_buffer_append(&sql, job->order.db->catalog);
  tndb_buffer_append(&sql, at + 2);
  fail_if(job, sql.failed);
  return tndb_exchange_send(job->conn, tndb_buffer_text(&sql), &with);
}

size_t tndb_job_send_claimed(tndb_job *job) {
  const tndb_migration *file = job->state->file;
  char version[TNDB_INT64_TEXT];
  (void)tndb_int64_write(file->version, version);
  const char *values[] = {job->order.target.id, version, file->name, job->state->me};
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(&sql,
                     "SELECT m.state, m.steps, m.owner = $4 FROM %smigrations m WHERE m.tenant_id = $1 AND"
                     " m.version = $2 AND m.name = $3",
                     job->order.db->catalog);
  fail_if(job, sql.failed);
  return tndb_exchange_send_text(job->conn, tndb_buffer_text(&sql), 4, values);
}

void tndb_job_sum_steps(const tndb_job *job, size_t count, char sum[TNDB_SHA256_HEX]) {
  const tndb_steps *steps = job->state->steps;
  unsigned char digest[TNDB_SHA256_BYTES];
  tndb_sha256 hash;
  tndb_sha256_start(&hash);
  for (size_t i = 0; i < count && i < steps->count; i++) {
    tndb_sha256_add(&hash, steps->items[i].sql, strlen(steps->items[i].sql) + 1);
  }
  tndb_sha256_finish(&hash, digest);
  tndb_sha256_hex(digest, sizeof digest, sum);
}

size_t tndb_job_send_mark(tndb_job *job, size_t steps_done, const char *progress) {
  const struct tndb_job_state *s = job->state;
  char version[TNDB_INT64_TEXT], done[TNDB_INT64_TEXT], lease[TNDB_INT64_TEXT], sum[TNDB_SHA256_HEX];
  (void)tndb_int64_write(s->file->version, version);
  (void)tndb_int64_write((int64_t)steps_done, done);
  (void)tndb_int64_write(lease_ms(job), lease);
  tndb_job_sum_steps(job, steps_done, sum);
  const char *values[] = {
      job->order.target.id, version, s->file->name, s->me, s->lease.fence, done, sum, progress, lease};
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(
      &sql,
      "WITH mine AS (UPDATE %smigrations m SET steps_done = $6, steps_sum = $7, progress = $8, lease_until ="
      " pg_catalog.clock_timestamp() + $9::bigint * interval '1 ms' WHERE m.tenant_id = $1 AND m.version = $2"
      " AND m.name = $3 AND m.state = 'running' AND m.owner = $4 AND m.fence = $5 RETURNING 1) SELECT CASE"
      " WHEN NOT EXISTS (SELECT FROM mine) THEN ('" TNDB_CHECK_PREFIX
      "lease lost by ' || current_user)::integer"
      " END",
      job->order.db->catalog);
  fail_if(job, sql.failed);
  return tndb_exchange_send_text(job->conn, tndb_buffer_text(&sql), 9, values);
}

size_t tndb_job_send_unfinished(tndb_job *job) {
  const struct tndb_job_state *s = job->state;
  char version[TNDB_INT64_TEXT], line[TNDB_INT64_TEXT];
  (void)tndb_int64_write(s->file->version, version);
  (void)tndb_int64_write(job->failed_line, line);
  const char *sqlstate = tenantdb_error_sqlstate(job->error);
  const char *values[] = {job->order.target.id,
                          version,
                          s->file->name,
                          s->me,
                          s->lease.fence,
                          job->failed_line ? line : NULL,
                          *sqlstate ? sqlstate : NULL,
                          tenantdb_error_message(job->error)};
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(&sql,
                     "UPDATE %smigrations m SET state = 'failed', lease_until = NULL, finished_at ="
                     " pg_catalog.clock_timestamp(), line = $6, sqlstate = $7, error = $8 WHERE m.tenant_id ="
                     " $1 AND m.version = $2 AND m.name = $3 AND m.state = 'running' AND m.owner = $4 AND"
                     " m.fence = $5 RETURNING 1",
                     job->order.db->catalog);
  fail_if(job, sql.failed);
  return tndb_exchange_send_text(job->conn, tndb_buffer_text(&sql), 8, values);
}

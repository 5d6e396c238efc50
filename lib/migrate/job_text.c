/* SPDX-License-Identifier: PostgreSQL */
/*
 * The statements of a job that are the library's own. There are few, since each costs every tenant of
 * a fleet, and they are prepared where that lasts. One that is run while the search path is a tenant's
 * would be planned anew for every tenant; so the proof puts the path back, and what changes the
 * catalog comes behind it.
 *
 * Where something is to be refused a cast that fails does it, which makes the server skip the rest up to
 * COMMIT: of what is wrong, as text; NULL when nothing is. Our statements do not guard against operators of a tenant's: what
 * a migration makes is the application's own, as is what it runs.
 */
#include <string.h>

#include "catalog/database.h"
#include "migrate/job_state.h"
#include "pg/failure.h"
#include "pg/prepared.h"
#include "tenant/access.h"

#define CHECK "'" TNDB_CHECK_PREFIX
/* What is in force, unless it is that schema and the connected user. */
#define ODD_SCOPE(schema)                                          \
  "CASE WHEN pg_catalog.current_schema() IS DISTINCT FROM " schema \
  " OR current_user <> session_user THEN " CHECK                   \
  "schema ' || coalesce(pg_catalog.current_schema()::text, '(none)') || ' as ' || current_user END"
#define SCOPE                                                                                         \
  "SELECT pg_catalog.set_config('search_path', $1, true), pg_catalog.set_config('lock_timeout', $3, " \
  "true), pg_catalog.set_config('statement_timeout', $4, true), coalesce(" ODD_SCOPE("$2")

/* ---------------------------------------------------------------- of which target */

typedef enum target_kind { OF_TENANT, OF_STANDBY, OF_SHARED, N_KINDS } target_kind;

static target_kind kind_of(const tndb_job *job) {
  const tndb_job_target *target = &job->order.target;
  return target->stream == TNDB_STREAM_SHARED ? OF_SHARED : target->standby ? OF_STANDBY : OF_TENANT;
}

/* $2 the schema, $6 the id. What is wrong with the target, NULL when nothing is; %s is the catalog. */
static const char wrong_tenant[] =
    ", " CHECK "state ' || nullif(coalesce((SELECT CASE WHEN t.schema_name <> $2 OR " TNDB_MOVED_AWAY
    " THEN 'moved' WHEN t.state IN"
    " " TNDB_MIGRATED_STATES " THEN '' ELSE t.state END FROM %stenants t WHERE t.id = $6), 'gone'), '')";
/* Locked, so that creators pass it over until the file is done: what is renamed under its hands fails. */
static const char wrong_standby[] =
    ", " CHECK
    "state ' || nullif(coalesce((SELECT '' FROM %sstandby_schemas t WHERE t.id = $6 AND"
    " t.schema_name = $2 FOR UPDATE), 'gone'), '')";
static const char *const is_wrong[N_KINDS] = {wrong_tenant, wrong_standby, ""};

/* $11: whether it is to be there (going back) or not to be there. */
static const char is_done[] =
    ", CASE WHEN EXISTS (SELECT FROM %smigrations m WHERE m.tenant_id = $6 AND m.version = $7 AND m.name ="
    " $8 AND m.state = 'done' AND ($8 = '' OR m.sum = $9)) <> $11 THEN " CHECK "done' END";

/*
 * The role gets what is made by who has made the schema; anybody else has to say so first. By the name: the
 * planner tries a cast to regnamespace, and that fails for a schema that was renamed meanwhile.
 */
static const char lacks_defaults[] =
    ", CASE WHEN $10 <> '' AND NOT EXISTS (SELECT FROM pg_catalog.pg_default_acl d WHERE d.defaclrole ="
    " pg_catalog.quote_ident(session_user)::pg_catalog.regrole AND d.defaclnamespace ="
    " (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = $2) AND d.defaclobjtype = 'r') "
    "THEN " CHECK "defaults' END";

/* ---------------------------------------------------------------- small things */

static void fail_if(const tndb_job *job, bool failed) {
  if (failed) {
    job->conn->send_failed = job->conn->no_room = true;
  }
}

void tndb_job_send(tndb_job *job, const char *sql) {
  (void)tndb_exchange_send(job->conn, sql, NULL);
}

void tndb_job_send_begin(tndb_job *job) {
  static const char sql[] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
  (void)tndb_prepared_send_fixed(job->conn, "migrate begin", sql, NULL);
}

static size_t send_fixed(const tndb_job *job, const char *key, const tndb_buffer *sql,
                         const tndb_values *values) {
  fail_if(job, sql->failed);
  return tndb_prepared_send_fixed(job->conn, key, tndb_buffer_text(sql), values);
}

/* Put the catalog for every %s of a text of ours. */
static void append_pattern(tndb_buffer *sql, const char *pattern, const char *catalog) {
  for (const char *at; (at = strstr(pattern, "%s")) != NULL; pattern = at + 2) {
    tndb_buffer_append_n(sql, pattern, (size_t)(at - pattern));
    tndb_buffer_append(sql, catalog);
  }
  tndb_buffer_append(sql, pattern);
}

/* ---------------------------------------------------------------- binding */

size_t tndb_job_send_bind(tndb_job *job) {
  static const char *const keys[N_KINDS] = {"migrate bind", "migrate bind standby", "migrate bind shared"};
  static const uint32_t types[] = {TNDB_TYPE_TEXT, TNDB_TYPE_NAME, TNDB_TYPE_TEXT, TNDB_TYPE_TEXT,
                                   TNDB_TYPE_INT4, TNDB_TYPE_UUID, TNDB_TYPE_INT8, TNDB_TYPE_TEXT,
                                   TNDB_TYPE_TEXT, TNDB_TYPE_TEXT, TNDB_TYPE_BOOL};
  const struct tndb_job_state *s = job->state;
  const tndb_job_target *target = &job->order.target;
  char lock_ms[TNDB_INT64_TEXT], statement_ms[TNDB_INT64_TEXT], key[TNDB_INT64_TEXT],
      version[TNDB_INT64_TEXT];
  (void)tndb_int64_write(tndb_job_lock_ms(job), lock_ms);
  (void)tndb_int64_write(job->order.statement_timeout_ms, statement_ms);
  (void)tndb_int64_write(s->lock_key, key);
  (void)tndb_int64_write(s->file->version, version);
  /* What is half taken back is not done any more. */
  const tndb_ledger_row *row = tndb_ledger_find(job->order.state, s->file);
  bool there = job->order.down && row && row->state == 'd';
  const char *role = target->role && !s->defaults ? target->role : "";
  const char *values[] = {tndb_buffer_text(&s->path),
                          target->schema,
                          lock_ms,
                          statement_ms,
                          key,
                          target->id,
                          version,
                          s->file->name,
                          s->file->sum,
                          role,
                          there ? "true" : "false"};
  tndb_values with = {11, values, NULL, NULL, types};
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *catalog = job->order.db->catalog;
  tndb_buffer_append(&sql, SCOPE ", CASE WHEN NOT pg_catalog.pg_try_advisory_xact_lock(" TNDB_LOCK_CLASS
                                 ", $5) THEN " CHECK "taken' END");
  append_pattern(&sql, is_wrong[kind_of(job)], catalog);
  append_pattern(&sql, is_done, catalog);
  tndb_buffer_append(&sql, lacks_defaults);
  tndb_buffer_append(&sql, ")::integer, pg_catalog.pg_backend_pid()");
  return send_fixed(job, keys[kind_of(job)], &sql, &with);
}

size_t tndb_job_send_scope(tndb_job *job) {
  const struct tndb_job_state *s = job->state;
  char lock_ms[TNDB_INT64_TEXT], statement_ms[TNDB_INT64_TEXT];
  (void)tndb_int64_write(tndb_job_lock_ms(job), lock_ms);
  (void)tndb_int64_write(job->order.statement_timeout_ms, statement_ms);
  const char *values[] = {tndb_buffer_text(&s->path), job->order.target.schema, lock_ms, statement_ms};
  tndb_values with = {4, values, NULL, NULL, NULL};
  return tndb_prepared_send_fixed(job->conn, "migrate scope", SCOPE ")::integer", &with);
}

/* Planned anew for every tenant: so it is short. */
size_t tndb_job_send_proof(tndb_job *job) {
  static const char sql[] =
      "SELECT (CASE WHEN current_user <> session_user THEN " CHECK
      "role ' || current_user WHEN pg_catalog.current_setting('search_path') <> $2 THEN " CHECK
      "path ' || pg_catalog.current_setting('search_path') WHEN pg_catalog.current_schema() IS DISTINCT FROM"
      " $1 THEN " CHECK
      "schema' END)::integer,"
      " pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)";
  const char *values[] = {job->order.target.schema, tndb_buffer_text(&job->state->path)};
  tndb_values with = {2, values, NULL, NULL, NULL};
  return tndb_prepared_send_fixed(job->conn, "migrate proof", sql, &with);
}

size_t tndb_job_send_lock(tndb_job *job) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(&sql, "SELECT pg_catalog.pg_try_advisory_xact_lock(" TNDB_LOCK_CLASS ", %d)",
                     job->state->lock_key);
  fail_if(job, sql.failed);
  return tndb_exchange_send(job->conn, tndb_buffer_text(&sql), NULL);
}

void tndb_job_send_defaults(tndb_job *job) {
  tndb_work work = {.db = job->order.db, .conn = job->conn};
  tndb_access_defaults(&work, job->order.target.schema, job->order.target.role);
  fail_if(job, work.failed);
}

void tndb_job_send_revoke(tndb_job *job) {
  tndb_work work = {.db = job->order.db, .conn = job->conn};
  tndb_access_close_functions(&work, job->order.target.schema);
  fail_if(job, work.failed);
}

/* ---------------------------------------------------------------- the ledger's row */

#define LEDGER_COLUMNS                                                                                \
  "(stream, tenant_id, version, name, kind, title, sum, state, steps, steps_done, attempts, run_id, " \
  "owner, finished_at, duration_ms, line, sqlstate, error)"
#define DURATION "(extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.now()) * 1000)::bigint"
/* What a row that was there becomes. */
#define LEDGER_UPDATE                                                                                        \
  " ON CONFLICT (tenant_id, version, name) DO UPDATE SET kind = excluded.kind, title = excluded.title,"      \
  " sum = excluded.sum, state = excluded.state, steps = excluded.steps, steps_done = excluded.steps_done,"   \
  " attempts = m.attempts + excluded.attempts, run_id = excluded.run_id, owner = excluded.owner,"            \
  " started_at = excluded.started_at, finished_at = excluded.finished_at, duration_ms ="                     \
  " excluded.duration_ms, line = excluded.line, sqlstate = excluded.sqlstate, error = excluded.error,"       \
  " actor = excluded.actor, lease_until = NULL, progress = NULL, steps_sum = NULL WHERE m.state = 'failed'"  \
  " OR (m.state = 'done' AND m.name <> '' AND m.sum IS DISTINCT FROM excluded.sum) OR (m.state = 'running' " \
  "AND"                                                                                                      \
  " m.lease_until < pg_catalog.clock_timestamp() AND m.steps_done = 0 AND m.steps >= 0)"

static const char apply_sql[] = "WITH mine AS (INSERT INTO %smigrations AS m " LEDGER_COLUMNS
                                " VALUES ($11, $1, $2, $3, $4, $5, $6,"
                                " 'done', $7, $7, $10, $8, $9, pg_catalog.clock_timestamp(), " DURATION
                                ", NULL, NULL, NULL)" LEDGER_UPDATE " RETURNING 1)";
/* The same where there is no row yet, as nearly always: it costs less. */
static const char first_sql[] = "WITH mine AS (INSERT INTO %smigrations AS m " LEDGER_COLUMNS
                                " VALUES ($11, $1, $2, $3, $4, $5, $6,"
                                " 'done', $7, $7, $10, $8, $9, pg_catalog.clock_timestamp(), " DURATION
                                ", NULL, NULL, NULL) RETURNING 1)";
/* A lease's row is there, and ours. */
static const char release_sql[] =
    "WITH mine AS (UPDATE %smigrations m SET state = 'done', steps_done = $7, lease_until = NULL, progress ="
    " NULL, steps_sum = NULL, finished_at = pg_catalog.clock_timestamp(), duration_ms = (extract(epoch FROM"
    " pg_catalog.clock_timestamp() - m.started_at) * 1000)::bigint, line = NULL, sqlstate = NULL, error ="
    " NULL WHERE m.tenant_id = $1 AND m.version = $2 AND m.name = $3 AND m.state = 'running' AND m.owner ="
    " $9 AND m.fence = $13 RETURNING 1)";
static const char take_back_sql[] =
    "WITH mine AS (DELETE FROM %smigrations m WHERE m.tenant_id = $1 AND m.version = $2 AND m.name = $3 AND"
    " (m.state = 'done' OR (m.state = 'running' AND m.owner = $9 AND m.fence = $13)) RETURNING 1)";

/* %s: the catalog. With what the version becomes, in the first of its places. */
static const char raise_tenant[] =
    ", his AS (UPDATE %stenants t SET version = greatest(t.version, $2), updated_at = pg_catalog.now() WHERE"
    " t.id = $1 AND t.schema_name = $12 AND t.state IN " TNDB_MIGRATED_STATES " RETURNING 1)";
static const char raise_standby[] =
    ", his AS (UPDATE %sstandby_schemas t SET version = greatest(t.version, $2) WHERE t.id = $1 AND"
    " t.schema_name = $12 RETURNING 1)";
/* What tenants may do with shared tables is to be granted again. */
static const char change_shared[] = ", his AS (UPDATE %scatalog SET grants_hash = NULL RETURNING 1)";
static const char *const raise_version[N_KINDS] = {raise_tenant, raise_standby, change_shared};
#define REST_VERSION                                                                                     \
  "coalesce((SELECT pg_catalog.max(m.version) FROM %smigrations m WHERE m.tenant_id = $1 AND m.state = " \
  "'done' AND m.version <> $2), 0)"
static const char lower_tenant[] =
    ", his AS (UPDATE %stenants t SET version = " REST_VERSION
    ", updated_at = pg_catalog.now() WHERE"
    " t.id = $1 AND t.schema_name = $12 AND t.state IN " TNDB_MIGRATED_STATES " RETURNING 1)";
static const char lower_standby[] = ", his AS (UPDATE %sstandby_schemas t SET version = " REST_VERSION
                                    " WHERE t.id = $1 AND"
                                    " t.schema_name = $12 RETURNING 1)";
static const char *const lower_version[N_KINDS] = {lower_tenant, lower_standby, change_shared};
/* Views that have to look at the tenant again: chosen by version, or without him for a column that he lacked. */
static const char marks_sql[] =
    ", marked AS (INSERT INTO %sview_members AS v (view_id, tenant_id) SELECT w.id, $1 FROM %sviews w LEFT"
    " JOIN %sview_members o ON o.view_id = w.id AND o.tenant_id = $1 WHERE o.left_out IS NOT NULL OR"
    " (w.selector ~ '\\yversion\\y' AND (w.tenants IS NULL OR $1 = ANY (w.tenants))) ON CONFLICT (view_id,"
    " tenant_id) DO UPDATE SET wish = v.wish + 1 RETURNING 1)";
static const char ends_sql[] = " SELECT (CASE WHEN NOT EXISTS (SELECT FROM mine) THEN " CHECK
                               "done' WHEN NOT EXISTS (SELECT FROM his) THEN"
                               " " CHECK "state changed' END)::integer";

/* How the row comes to its end: together with the steps, or of a lease; or it goes. */
typedef enum row_way { ROW_FIRST, ROW_APPLY, ROW_RELEASE, ROW_TAKE_BACK, N_WAYS } row_way;

static void append_ledger(tndb_buffer *sql, row_way way, target_kind kind, bool views, const char *catalog) {
  static const char *const rows[N_WAYS] = {first_sql, apply_sql, release_sql, take_back_sql};
  append_pattern(sql, rows[way], catalog);
  append_pattern(sql, way == ROW_TAKE_BACK ? lower_version[kind] : raise_version[kind], catalog);
  if (views) {
    append_pattern(sql, marks_sql, catalog);
  }
  tndb_buffer_append(sql, ends_sql);
  tndb_buffer_append(sql, views ? ", (SELECT pg_catalog.count(*) FROM marked)" : ", 0");
}

static const char *kind_name(const tndb_migration *migration) {
  return migration->kind == TNDB_MIGRATION_REPEATABLE ? "repeatable" : "versioned";
}

void tndb_job_row_of(const tndb_job *job, tndb_job_row *row) {
  const struct tndb_job_state *s = job->state;
  const tndb_migration *file = s->file;
  (void)tndb_int64_write(file->version, row->version);
  (void)tndb_int64_write((int64_t)s->steps->count, row->steps);
  const char *values[] = {job->order.target.id,
                          row->version,
                          file->name,
                          kind_name(file),
                          file->title,
                          file->sum,
                          row->steps,
                          job->order.run,
                          s->me,
                          NULL,
                          tndb_stream_name(file->stream)};
  memcpy(row->values, values, sizeof values);
}

size_t tndb_job_send_ledger(tndb_job *job) {
  static const char *const keys[N_WAYS][N_KINDS] = {
      {"migrate row", "migrate row standby", "migrate row shared"},
      {"migrate again", "migrate again standby", "migrate again shared"},
      {"migrate release", "migrate release standby", "migrate release shared"},
      {"migrate back", "migrate back standby", "migrate back shared"},
  };
  static const char *const with_views[N_WAYS] = {"migrate row views", "migrate again views",
                                                 "migrate release views", "migrate back views"};
  static const uint32_t types[] = {TNDB_TYPE_UUID, TNDB_TYPE_INT8, TNDB_TYPE_TEXT, TNDB_TYPE_TEXT,
                                   TNDB_TYPE_TEXT, TNDB_TYPE_TEXT, TNDB_TYPE_INT4, TNDB_TYPE_UUID,
                                   TNDB_TYPE_UUID, TNDB_TYPE_INT4, TNDB_TYPE_TEXT, TNDB_TYPE_TEXT,
                                   TNDB_TYPE_INT8};
  const struct tndb_job_state *s = job->state;
  bool leased = !tndb_job_is_transactional(job);
  char attempts[TNDB_INT64_TEXT];
  tndb_job_row row;
  (void)tndb_int64_write(s->tries, attempts);
  tndb_job_row_of(job, &row);
  row.values[TNDB_ROW_ATTEMPTS] = attempts;
  row.values[TNDB_ROW_MORE] = job->order.target.schema;
  row.values[TNDB_ROW_MORE + 1] = leased ? s->lease.fence : "0";
  tndb_values with = {13, row.values, NULL, NULL, types};
  bool there = tndb_ledger_find(job->order.state, s->file) != NULL;
  row_way way = job->order.down ? ROW_TAKE_BACK : leased ? ROW_RELEASE : there ? ROW_APPLY : ROW_FIRST;
  bool views = job->order.state->views && kind_of(job) == OF_TENANT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  append_ledger(&sql, way, kind_of(job), views, job->order.db->catalog);
  return send_fixed(job, views ? with_views[way] : keys[way][kind_of(job)], &sql, &with);
}

size_t tndb_job_send_failed(tndb_job *job) {
  static const char pattern[] =
      "INSERT INTO %smigrations AS m " LEDGER_COLUMNS
      " VALUES ($1, $2, $3, $4, $5, $6, $7, 'failed', $8, 0,"
      " $9, $10, $11, pg_catalog.clock_timestamp(), NULL, $12, $13, $14)" LEDGER_UPDATE " RETURNING 1";
  const struct tndb_job_state *s = job->state;
  const tndb_migration *file = s->file;
  char version[TNDB_INT64_TEXT], steps[TNDB_INT64_TEXT], attempts[TNDB_INT64_TEXT], line[TNDB_INT64_TEXT];
  (void)tndb_int64_write(file->version, version);
  (void)tndb_int64_write((int64_t)s->steps->count, steps);
  (void)tndb_int64_write(s->tries, attempts);
  (void)tndb_int64_write(job->failed_line, line);
  const char *sqlstate = tenantdb_error_sqlstate(job->error);
  const char *values[] = {tndb_stream_name(file->stream),
                          job->order.target.id,
                          version,
                          file->name,
                          kind_name(file),
                          file->title,
                          file->sum,
                          steps,
                          attempts,
                          job->order.run,
                          s->me,
                          job->failed_line ? line : NULL,
                          *sqlstate ? sqlstate : NULL,
                          tenantdb_error_message(job->error)};
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  append_pattern(&sql, pattern, job->order.db->catalog);
  fail_if(job, sql.failed);
  return tndb_exchange_send_text(job->conn, tndb_buffer_text(&sql), 14, values);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Planning a run and writing it down; finding one that is written down already. */
#include <string.h>

#include "base/memory.h"
#include "migrate/run.h"
#include "migrate/use.h"
#include "sql/identifier.h"

#define MAGIC UINT32_C(0x74646275)

/* ---------------------------------------------------------------- handles */

tenantdb_status tndb_run_check(const tenantdb_run *run, tenantdb_error **error) {
  if (!run) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "run is NULL");
  }
  if (run->magic != MAGIC) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE,
                       "run is no run, or was freed before");
  }
  return tndb_database_check(run->db, error);
}

tenantdb_status tndb_run_check_stored(const tenantdb_run *run, tenantdb_error **error) {
  tenantdb_status status = tndb_run_check(run, error);
  if (!status && !run->id[0]) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_RUN_STATE,
                         "there was nothing to do, so the run is over and not in the catalog");
  }
  return status;
}

const char *tenantdb_run_id(const tenantdb_run *run) {
  return run && run->magic == MAGIC ? run->id : "";
}

void tenantdb_run_free(tenantdb_run *run) {
  if (!run || run->magic != MAGIC) {
    return;
  }
  run->magic = 0;
  tenantdb_run_options_free(run->options);
  tndb_database_release(run->db);
  tndb_free(run);
}

void tenantdb_run_on_progress(tenantdb_run *run, tenantdb_run_function function, void *user) {
  if (run && run->magic == MAGIC) {
    run->tells = function;
    run->user = user;
  }
}

static tenantdb_run *make_run(tenantdb *db, const tenantdb_migrations *set, tenantdb_error **error) {
  tenantdb_run *run = tndb_new(tenantdb_run);
  tenantdb_run_options *options = run ? tenantdb_run_options_new() : NULL;
  if (!options) {
    tndb_free(run);
    (void)tndb_no_memory(error);
    return NULL;
  }
  run->magic = MAGIC;
  run->db = tndb_database_hold(db);
  run->set = set;
  run->options = options;
  run->state = TNDB_RUN_DONE;
  if (!tndb_uuid_new(run->owner)) {
    (void)tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL, "the system gives no random bytes");
    tenantdb_run_free(run);
    return NULL;
  }
  return run;
}

/* ---------------------------------------------------------------- what is asked for */

static bool knows_version(const tenantdb_migrations *set, int64_t version) {
  return version == 0 || tndb_migrations_find(set, TNDB_STREAM_SHARED, version) ||
         tndb_migrations_find(set, TNDB_STREAM_TENANT, version);
}

tenantdb_status tndb_run_aim_at(tenantdb *db, const tenantdb_run_options *options, tndb_run_aim *aim,
                                tndb_run_settings *settings, tenantdb_error **error) {
  *aim = (tndb_run_aim){.db = db, .settings = settings, .checks = true};
  tenantdb_status status = tndb_migrations_of(db, &aim->set, error);
  if (!status) {
    status = tndb_run_settings_read(db, options, settings, error);
  }
  if (status) {
    return status;
  }
  if (settings->to >= 0 && !knows_version(aim->set, settings->to)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "run option to: the set has no migration of version %lld", (long long)settings->to);
  }
  if (settings->down && settings->shared && !settings->fleet_down) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_DOWN_REFUSED,
                       "going back in the shared schema is every tenant's matter: it needs run option "
                       "allow_fleet_down");
  }
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- writing it down */

/* The options as the catalog keeps them. */
static void append_settings(const tenantdb_run_options *options, tndb_buffer *sql) {
  const char *key, *value;
  tndb_buffer_append(sql, "pg_catalog.jsonb_object(ARRAY[");
  for (size_t i = 0; options && tndb_run_options_at(options, i, &key, &value); i++) {
    tndb_buffer_append(sql, i ? ", " : "");
    tndb_quote_literal(sql, key);
    tndb_buffer_append(sql, ", ");
    tndb_quote_literal(sql, value);
  }
  tndb_buffer_append(sql, "]::text[])");
}

/* How many may fail. Without a limit of the caller's a canary that fails is enough: see run_wave.c. */
static void append_limit(const tndb_run_settings *settings, tndb_buffer *sql) {
  if (settings->limited && settings->limit.share) {
    tndb_buffer_format(sql, "pg_catalog.floor(%lld * p.total / 10000.0)", (long long)settings->limit.number);
  } else if (settings->limited) {
    tndb_buffer_format(sql, "%lld", (long long)settings->limit.number);
  } else {
    tndb_buffer_append(sql, "CASE WHEN p.canary THEN 0 END");
  }
}

static void append_insert(const tndb_run_aim *aim, const tenantdb_run_options *options, const char *id,
                          tndb_buffer *sql) {
  const tndb_run_settings *settings = aim->settings;
  const char *catalog = aim->db->catalog;
  tndb_buffer_format(sql,
                     ", new_run AS (INSERT INTO %sruns (id, state, set_hash, goal, down, settings, waves,"
                     " wave, total, failure_limit, host) SELECT '%s', 'running', '%s', %lld, %s, ",
                     catalog, id, aim->set->hash,
                     (long long)(settings->down ? settings->to : tndb_run_goal(aim, TNDB_STREAM_TENANT)),
                     settings->down ? "true" : "false");
  append_settings(options, sql);
  if (!settings->limited) {
    tndb_buffer_append(sql, " || CASE WHEN p.canary THEN '{\".canary\": \"on\"}'::jsonb ELSE '{}' END");
  }
  tndb_buffer_append(sql, ", p.waves, CASE WHEN s.lacks THEN 0 ELSE 1 END, p.total, ");
  append_limit(settings, sql);
  tndb_buffer_format(sql,
                     ", coalesce(pg_catalog.host(pg_catalog.inet_client_addr()), 'local') FROM shared s,"
                     " (SELECT pg_catalog.count(*) AS total, coalesce(pg_catalog.max(wave), 0) AS waves, %s"
                     " AS canary FROM planned) p, faults f WHERE (s.lacks OR p.total > 0)%s AND f.missing IS"
                     " NULL AND f.wrong IS NULL AND f.unbased IS NULL AND f.odd_id IS NULL RETURNING id),"
                     " new_members AS (INSERT INTO %srun_members (run_id, tenant_id, slug, standby, wave,"
                     " position, state, from_version) SELECT r.id, p.id, p.slug, p.standby, p.wave,"
                     " p.position, 'waiting', p.version FROM new_run r, planned p UNION ALL SELECT r.id, "
                     "'" TNDB_LEDGER_SHARED
                     "', 'shared', false, 0, 0, 'waiting', s.version FROM new_run r,"
                     " shared s WHERE s.lacks)",
                     settings->canaries ? "true" : "coalesce(pg_catalog.bool_or(canary), false)",
                     settings->down && !settings->fleet_down ? " AND p.total <= 1" : "", catalog);
}

/* In one statement: who lacks something, what speaks against it, and the run. */
static tenantdb_status plan_and_write(const tndb_run_aim *aim, const tenantdb_run_options *options,
                                      const char *id, tndb_work *work, PGresult **rows,
                                      tenantdb_error **error) {
  tndb_auto_run_query query = TNDB_RUN_QUERY_INIT;
  *rows = NULL;
  tenantdb_status status = tndb_run_select(aim, &query, error);
  if (status) {
    return status;
  }
  tndb_buffer_append(&query.sql,
                     ", faults (missing, wrong, unbased, odd_id, odd_slug) AS MATERIALIZED (SELECT ");
  tndb_run_select_faults(aim, &query);
  tndb_buffer_append(&query.sql, ")");
  if (id) {
    append_insert(aim, options, id, &query.sql);
  }
  tndb_buffer_append(&query.sql, id ? " SELECT (SELECT pg_catalog.count(*) FROM new_run)" : " SELECT 0");
  tndb_buffer_append(&query.sql,
                     ", (SELECT pg_catalog.count(*) FROM"
                     " planned), f.* FROM faults f");
  return tndb_run_query_send(&query, work, rows, error);
}

enum { WRITTEN, TOTAL, FAULTS };

static tenantdb_status judge(const tndb_run_aim *aim, tndb_work *work, const PGresult *rows, bool *again,
                             tenantdb_error **error) {
  int64_t total = 0;
  (void)tndb_number_parse(PQgetvalue(rows, 0, TOTAL), &total);
  tenantdb_status status = tndb_run_refuse(aim, work, rows, FAULTS, again, error);
  if (!status && aim->settings->down && !aim->settings->fleet_down && total > 1) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_DOWN_REFUSED,
                         "going back would be for %lld tenants: choose one, or say so with run option "
                         "allow_fleet_down",
                         (long long)total);
  }
  return status;
}

tenantdb_status tndb_run_write(tndb_run_aim *aim, const tenantdb_run_options *options, const char *id,
                               tndb_work *work, bool *written, tenantdb_error **error) {
  bool again = true;
  tenantdb_status status = TENANTDB_OK;
  *written = false;
  for (int i = 0; i < 2 && !status && again; i++) {
    PGresult *rows = NULL;
    status = plan_and_write(aim, options, id, work, &rows, error);
    if (!status) {
      *written = PQgetvalue(rows, 0, WRITTEN)[0] == '1';
      status = judge(aim, work, rows, &again, error);
      aim->checks = aim->checks && !again;
    }
    PQclear(rows);
  }
  return status;
}

static tenantdb_status plan(tndb_run_aim *aim, const tenantdb_run_options *options, const char *id,
                            bool *written, tenantdb_error **error) {
  tndb_work work;
  tenantdb_status status = tndb_work_start_reading(&work, aim->db, error);
  if (!status) {
    status = tndb_run_write(aim, options, id, &work, written, error);
  }
  tndb_work_end(&work);
  return status;
}

static tenantdb_status copy_options(const tenantdb_run_options *from, tenantdb_run *run,
                                    tenantdb_error **error) {
  const char *key, *value;
  for (size_t i = 0; from && tndb_run_options_at(from, i, &key, &value); i++) {
    tenantdb_run_options_set(run->options, key, value);
  }
  return tndb_run_settings_read(run->db, run->options, &run->settings, error);
}

static tenantdb_status begin(tenantdb *db, const tenantdb_run_options *options, tenantdb_run **out,
                             tenantdb_error **error) {
  tndb_run_aim aim;
  tndb_run_settings settings;
  char id[TNDB_UUID_TEXT];
  bool written = false;
  tenantdb_status status = tndb_run_aim_at(db, options, &aim, &settings, error);
  tenantdb_run *run = status ? NULL : make_run(db, aim.set, error);
  if (!run) {
    return status ? status : error ? tenantdb_error_status(*error) : TENANTDB_MEMORY;
  }
  status = copy_options(options, run, error);
  if (!status && !tndb_uuid_new(id)) {
    status =
        tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL, "the system gives no random bytes");
  }
  if (!status) {
    status = plan(&aim, options, id, &written, error);
  }
  if (status) {
    tenantdb_run_free(run);
    return status;
  }
  memcpy(run->hash, aim.set->hash, sizeof run->hash);
  if (written) {
    memcpy(run->id, id, sizeof run->id);
    run->state = TNDB_RUN_RUNNING;
  }
  *out = run;
  return TENANTDB_OK;
}

tenantdb_status tenantdb_migrate_begin(tenantdb *db, const tenantdb_run_options *options, tenantdb_run **run,
                                       tenantdb_error **error) {
  tndb_error_reset(error);
  if (!run) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "run is NULL");
  }
  *run = NULL;
  tenantdb_status status = tndb_database_check(db, error);
  return status ? status : begin(db, options, run, error);
}

tenantdb_status tenantdb_migrate(tenantdb *db, const tenantdb_run_options *options, tenantdb_run **run,
                                 tenantdb_error **error) {
  tndb_error_reset(error);
  if (run) {
    *run = NULL;
  }
  tenantdb_run *own = NULL;
  tenantdb_status status = tndb_database_check(db, error);
  if (!status) {
    status = begin(db, options, &own, error);
  }
  if (!status) {
    status = tenantdb_run_work(own, 0, NULL, error);
  }
  if (run) {
    *run = own;
  } else {
    tenantdb_run_free(own);
  }
  return status;
}

/* ---------------------------------------------------------------- one that is there */

static tenantdb_status unknown_run(const char *id, tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_RUN, "there is no run \"%.60s\"", id);
}

/* Its options, one a row. */
static tenantdb_status read_stored(tenantdb_run *run, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows = NULL;
  const char *values[] = {run->id};
  tndb_buffer_format(&sql,
                     "SELECT r.set_hash, o.key, o.value FROM %sruns r LEFT JOIN LATERAL"
                     " pg_catalog.jsonb_each_text(r.settings) o ON o.key NOT LIKE '.%%' WHERE r.id = $1",
                     run->db->catalog);
  tenantdb_status status = sql.failed
                               ? tndb_no_memory(error)
                               : tndb_run_ask(run->db, NULL, tndb_buffer_text(&sql), 1, values, &rows, error);
  if (!status && PQntuples(rows) == 0) {
    status = unknown_run(run->id, error);
  }
  for (int i = 0; !status && i < PQntuples(rows) && !PQgetisnull(rows, i, 1); i++) {
    tenantdb_run_options_set(run->options, PQgetvalue(rows, i, 1), PQgetvalue(rows, i, 2));
  }
  if (!status) {
    size_t length = (size_t)PQgetlength(rows, 0, 0);
    memcpy(run->hash, PQgetvalue(rows, 0, 0), length < sizeof run->hash ? length : sizeof run->hash - 1);
    status = tndb_run_settings_read(run->db, run->options, &run->settings, error);
  }
  PQclear(rows);
  return status;
}

tenantdb_status tenantdb_run_open(tenantdb *db, const char *id, tenantdb_run **run, tenantdb_error **error) {
  tndb_error_reset(error);
  if (run) {
    *run = NULL;
  }
  if (!id || !run) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       id ? "run" : "id");
  }
  const tenantdb_migrations *set = NULL;
  char uuid[TNDB_UUID_TEXT];
  tenantdb_status status = tndb_database_check(db, error);
  if (!status && !tndb_uuid_parse(id, uuid)) {
    status = unknown_run(id, error);
  }
  if (!status && tndb_migrations_of(db, &set, NULL)) {
    set = NULL; /* enough to look at it, and to pause it */
  }
  tenantdb_run *own = status ? NULL : make_run(db, set, error);
  if (!own) {
    return status ? status : error ? tenantdb_error_status(*error) : TENANTDB_MEMORY;
  }
  memcpy(own->id, uuid, sizeof own->id);
  own->state = TNDB_RUN_RUNNING;
  status = read_stored(own, error);
  if (status) {
    tenantdb_run_free(own);
    return status;
  }
  *run = own;
  return TENANTDB_OK;
}

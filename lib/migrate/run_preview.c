/* SPDX-License-Identifier: PostgreSQL */
/* The plan alone: which files for how many, and the waves. */
#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "base/result.h"
#include "migrate/run.h"
#include "sql/identifier.h"

enum { COLUMNS = 7 };
static const char *const columns[COLUMNS] = {"what",    "stream",      "version", "name",
                                             "tenants", "transaction", "locks"};

/* ---------------------------------------------------------------- counting */

/* The migrations of a stream that count, in the order of the set, as rows f (n, version, name, sum). */
static size_t append_files(const tndb_run_aim *aim, tndb_stream stream, tndb_buffer *sql) {
  size_t n = 0;
  bool newest = aim->settings->to < 0;
  tndb_buffer_append(sql, "(VALUES ");
  for (size_t i = aim->set->first[stream]; i < aim->set->first[stream + 1]; i++) {
    const tndb_migration *file = aim->set->items[i];
    bool within =
        aim->settings->down ? file->version > aim->settings->to : file->version <= tndb_run_goal(aim, stream);
    bool counts = (file->kind == TNDB_MIGRATION_VERSIONED && within) ||
                  (file->kind == TNDB_MIGRATION_REPEATABLE && newest && !aim->settings->down);
    if (counts) {
      tndb_buffer_format(sql, "%s(%zu, %lld::bigint, ", n++ ? ", " : "", i, (long long)file->version);
      tndb_quote_literal(sql, file->name);
      tndb_buffer_format(sql, ", '%s')", file->sum);
    }
  }
  tndb_buffer_append(sql, ") f (n, version, name, sum)");
  return n;
}

/* Whether somebody, called l (id, version), is to get f. */
static void append_lacks(const tndb_run_aim *aim, tndb_stream stream, tndb_buffer *sql) {
  const char *catalog = aim->db->catalog;
  if (aim->settings->down) {
    tndb_buffer_append(sql, "l.version >= f.version");
    return;
  }
  tndb_buffer_append(sql, "CASE WHEN f.version > 0 THEN ");
  if (aim->settings->order == TNDB_RUN_ANY) {
    tndb_buffer_format(sql,
                       "NOT EXISTS (SELECT FROM %smigrations m WHERE m.tenant_id = l.id AND m.state = 'done'"
                       " AND (m.version = f.version AND m.name = '' OR m.version >= f.version AND m.kind IN"
                       " ('baseline', 'checkpoint')))",
                       catalog);
  } else {
    tndb_buffer_append(sql, "l.version < f.version");
  }
  tndb_buffer_format(sql,
                     " ELSE NOT EXISTS (SELECT FROM %smigrations m WHERE m.tenant_id = l.id AND m.version = 0"
                     " AND m.name = f.name AND m.sum = f.sum AND m.state = 'done')",
                     catalog);
  tndb_run_append_not_ahead(aim, stream, "l.version", sql);
  tndb_buffer_append(sql, " END");
}

/* Rows (what, number, tenants): the number of the wave, or where the file is in the set. */
static tenantdb_status count(const tndb_run_aim *aim, tndb_work *work, PGresult **rows,
                             tenantdb_error **error) {
  tndb_auto_run_query query = TNDB_RUN_QUERY_INIT;
  tndb_buffer *sql = &query.sql;
  *rows = NULL;
  tenantdb_status status = tndb_run_select(aim, &query, error);
  if (status) {
    return status;
  }
  tndb_buffer_append(sql, " SELECT 1, p.wave, pg_catalog.count(*) FROM planned p GROUP BY p.wave");
  for (int stream = 0; stream < TNDB_N_STREAMS; stream++) {
    tndb_auto_buffer files = TNDB_BUFFER_INIT;
    if (append_files(aim, (tndb_stream)stream, &files) == 0 && !files.failed) {
      continue;
    }
    tndb_buffer_append(sql, " UNION ALL SELECT 0, f.n, pg_catalog.count(*) FROM ");
    tndb_buffer_append(sql, tndb_buffer_text(&files));
    tndb_buffer_append(sql, stream == TNDB_STREAM_TENANT ? " JOIN lacking l ON "
                                                         : " JOIN (SELECT '" TNDB_LEDGER_SHARED
                                                           "'::uuid AS id, version FROM shared"
                                                           " WHERE lacks) l ON ");
    append_lacks(aim, (tndb_stream)stream, sql);
    tndb_buffer_append(sql, " GROUP BY f.n");
    sql->failed = sql->failed || files.failed;
  }
  tndb_buffer_append(sql, " ORDER BY 1, 2");
  return tndb_run_query_send(&query, work, rows, error);
}

/* ---------------------------------------------------------------- showing */

static void add_row(const tndb_run_aim *aim, const PGresult *rows, int row, tndb_table *table) {
  const char *number = PQgetvalue(rows, row, 1);
  const char *tenants = PQgetvalue(rows, row, 2);
  if (PQgetvalue(rows, row, 0)[0] == '1') {
    tndb_table_row(table, (const char *const[COLUMNS]){"wave", NULL, NULL, number, tenants, NULL, NULL});
    return;
  }
  int64_t at = 0;
  char version[TNDB_INT64_TEXT];
  (void)tndb_number_parse(number, &at);
  const tndb_migration *file = aim->set->items[at];
  bool down = aim->settings->down;
  tndb_int64_write(file->version, version);
  tndb_table_row(table, (const char *const[COLUMNS]){
                            "file", tndb_stream_name(file->stream),
                            file->kind == TNDB_MIGRATION_VERSIONED ? version : NULL,
                            down && file->down_file ? file->down_file : file->file, tenants,
                            (down ? file->down_transactional : file->transactional) ? "one" : "steps",
                            tndb_run_lock_of(down ? &file->down_steps : &file->steps)});
}

static tenantdb_status show(const tndb_run_aim *aim, const PGresult *rows, tenantdb_result **plan,
                            tenantdb_error **error) {
  tndb_table *table = tndb_table_new(columns, COLUMNS);
  bool down = aim->settings->down;
  int files = 0;
  while (files < PQntuples(rows) && PQgetvalue(rows, files, 0)[0] == '0') {
    files++;
  }
  for (int i = 0; i < PQntuples(rows); i++) { /* the way back begins with the last file */
    add_row(aim, rows, down && i < files ? files - 1 - i : i, table);
  }
  return tndb_table_finish(table, plan, error);
}

tenantdb_status tenantdb_run_plan(tenantdb *db, const tenantdb_run_options *options, tenantdb_result **plan,
                                  tenantdb_error **error) {
  tndb_error_reset(error);
  if (!plan) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "plan is NULL");
  }
  *plan = NULL;
  tndb_run_aim aim;
  tndb_run_settings settings;
  tndb_work work;
  bool written;
  PGresult *rows = NULL;
  tenantdb_status status = tndb_database_check(db, error);
  if (!status) {
    status = tndb_run_aim_at(db, options, &aim, &settings, error);
  }
  if (status) {
    return status;
  }
  status = tndb_work_start_reading(&work, db, error);
  if (!status) {
    status = tndb_run_write(&aim, options, NULL, &work, &written, error);
  }
  if (!status) {
    status = count(&aim, &work, &rows, error);
  }
  if (!status) {
    status = show(&aim, rows, plan, error);
  }
  PQclear(rows);
  tndb_work_end(&work);
  return status;
}

/* SPDX-License-Identifier: PostgreSQL */
/* The ledger is made to fit files that somebody has edited knowingly. */
#include <string.h>

#include "catalog/answer.h"
#include "config/property.h"
#include "migrate/ledger.h"
#include "migrate/ledger_options.h"
#include "migrate/use_rows.h"

/* Repeatable ones are left out: that their text changed means that they are to be applied again. */
static bool is_wanted(const tndb_migration *is, const tndb_ledger_settings *settings) {
  return is->kind != TNDB_MIGRATION_REPEATABLE &&
         (settings->version == TNDB_LEDGER_ALL || is->version == settings->version);
}

static tenantdb_status collect(const tenantdb_migrations *set, tndb_ledger_settings *settings,
                               tndb_use_rows *rows, tenantdb_error **error) {
  tndb_stream stream = settings->stream;
  if (settings->version == TNDB_LEDGER_UNSAID) {
    settings->version = TNDB_LEDGER_ALL;
  } else if (settings->version == TNDB_LEDGER_NEWEST) {
    settings->version = tndb_migrations_newest(set, stream);
  }
  for (size_t i = set->first[stream]; i < set->first[stream + 1]; i++) {
    const tndb_migration *is = set->items[i];
    if (is_wanted(is, settings)) {
      tndb_use_rows_add(rows, tndb_migration_kind_name(is->kind), is->version, "", is->title, is->sum, 0);
    }
  }
  if (rows->count == 0 && settings->version != TNDB_LEDGER_ALL) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_HISTORY_MISSING,
                       "the set in use has no migration of version %lld in stream %s",
                       (long long)settings->version, tndb_stream_name(stream));
  }
  return tndb_use_rows_finish(rows) ? TENANTDB_OK : tndb_no_memory(error);
}

/*
 * Rows: version, name, action, count. What failed before its first step left nothing behind; of $7 only that
 * version, or all of them.
 */
static bool build(const tenantdb *db, tndb_buffer *sql) {
  tndb_buffer_format(
      sql,
      "WITH sums AS (UPDATE %smigrations m SET sum = s.sum, title = s.title FROM unnest($3::bigint[],"
      " $4::text[], $5::text[], $6::text[]) s (version, kind, title, sum) WHERE m.stream = $1"
      " AND m.tenant_id = ANY ($2::uuid[]) AND m.version = s.version AND m.name = '' AND m.kind = s.kind"
      " AND m.state = 'done' AND m.sum IS DISTINCT FROM s.sum RETURNING m.version, m.name),"
      " cleared AS (DELETE FROM %smigrations m WHERE m.stream = $1 AND m.tenant_id = ANY ($2::uuid[])"
      " AND m.state = 'failed' AND m.steps_done = 0 AND m.steps >= 0 AND ($7::bigint < 0 OR m.version ="
      " $7::bigint) RETURNING m.version, m.name)"
      " SELECT version, name, 'sum', count(*) FROM sums GROUP BY 1, 2"
      " UNION ALL SELECT version, name, 'cleared', count(*) FROM cleared GROUP BY 1, 2 ORDER BY 1, 2, 3 DESC",
      db->catalog, db->catalog);
  return !sql->failed;
}

static void add_rows(const tenantdb_migrations *set, tndb_stream stream, const PGresult *rows,
                     tndb_table *table) {
  for (int row = 0; row < PQntuples(rows); row++) {
    int64_t version = 0;
    const char *name = PQgetvalue(rows, row, 1);
    (void)tndb_number_parse(PQgetvalue(rows, row, 0), &version);
    const tndb_migration *is = *name ? tndb_migrations_find_repeatable(set, stream, name)
                                     : tndb_migrations_find(set, stream, version);
    const char *cells[] = {PQgetvalue(rows, row, 0), name, is ? is->file : NULL, PQgetvalue(rows, row, 2),
                           PQgetvalue(rows, row, 3)};
    tndb_table_row(table, cells);
  }
}

static tenantdb_status carry_out(tenantdb *db, const tenantdb_migrations *set,
                                 const tndb_ledger_settings *settings, const char *ids,
                                 const tndb_use_rows *now, tndb_table *table, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer version = TNDB_BUFFER_INIT;
  tndb_work work;
  PGresult *rows = NULL;
  tndb_buffer_format(&version, "%lld", (long long)settings->version);
  const char *values[] = {tndb_stream_name(settings->stream),
                          ids,
                          tndb_buffer_text(&now->versions.text),
                          tndb_buffer_text(&now->kinds.text),
                          tndb_buffer_text(&now->titles.text),
                          tndb_buffer_text(&now->sums.text),
                          tndb_buffer_text(&version)};
  tndb_record record = {.tenant_id = TNDB_LEDGER_SHARED, .action = "repair ledger"};
  if (!build(db, &sql) || version.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_work_start(&work, db, "ledger", true, error);
  if (!status) {
    status = tndb_work_query(&work, tndb_buffer_text(&sql), 7, values, &rows, error);
  }
  if (!status && PQntuples(rows) > 0) {
    tndb_work_record(&work, &record);
    status = tndb_work_commit(&work, error);
  }
  if (!status) {
    add_rows(set, settings->stream, rows, table);
  }
  PQclear(rows);
  tndb_work_end(&work);
  return status;
}

/* Before the tenants are listed: one that is taken meanwhile is on one of the lists, or both. */
static tenantdb_status add_standbys(tenantdb *db, tndb_text_array *ids, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows;
  tndb_buffer_format(&sql, "SELECT id FROM %sstandby_schemas", db->catalog);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_work_ask(db, tndb_buffer_text(&sql), 0, NULL, &rows, error);
  for (int row = 0; !status && row < PQntuples(rows); row++) {
    tndb_text_array_add(ids, PQgetvalue(rows, row, 0));
  }
  PQclear(rows);
  return status;
}

static tenantdb_status repair(tenantdb *db, const tenantdb_ledger_options *options, tndb_table *table,
                              tenantdb_error **error) {
  const tenantdb_migrations *set;
  tndb_ledger_settings settings;
  tndb_fleet_list list = {.rows = NULL};
  tndb_use_rows now = {.count = 0};
  tndb_auto_text_array ids = TNDB_TEXT_ARRAY_INIT;
  tenantdb_status status = tndb_migrations_of(db, &set, error);
  if (!status) {
    status = tndb_ledger_settings_read(options, &settings, error);
  }
  if (!status) {
    status = collect(set, &settings, &now, error);
  }
  bool shared = !status && settings.stream == TNDB_STREAM_SHARED;
  if (!status && !shared && !settings.chosen) {
    status = add_standbys(db, &ids, error);
  }
  if (!status && !shared) {
    status = tndb_ledger_list(db, &settings, &list, error);
  }
  if (!status && !tndb_ledger_ids(&list, shared, &ids)) {
    status = tndb_no_memory(error);
  }
  if (!status) {
    status = carry_out(db, set, &settings, tndb_buffer_text(&ids.text), &now, table, error);
  }
  tndb_use_rows_free(&now);
  tndb_fleet_list_free(&list);
  return status;
}

tenantdb_status tenantdb_migration_repair(tenantdb *db, const tenantdb_ledger_options *options,
                                          tenantdb_result **result, tenantdb_error **error) {
  static const char *const columns[] = {"version", "name", "file", "action", "tenants"};
  tenantdb_status status = tndb_answer_begin(db, result, error);
  if (status) {
    return status;
  }
  tndb_table *table = tndb_table_new(columns, 5);
  status = repair(db, options, table, error);
  return tndb_answer_end(status, table, result, error);
}

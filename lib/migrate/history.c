/* SPDX-License-Identifier: PostgreSQL */
/* What the ledger says of one tenant, as it stands. */
#include <string.h>
#include <tenantdb/ledger.h>

#include "catalog/answer.h"
#include "catalog/tenants.h"
#include "config/property.h"
#include "migrate/ledger.h"
#include "migrate/ledger_options.h"
#include "migrate/use_rows.h"

/* Behind "present", which is ours, the columns are the query's. */
enum { VERSION, NAME, KIND, TITLE, STATE, SUM, PRESENT, N_COLUMNS = 17 };

static const char *is_present(const tenantdb_migrations *set, tndb_stream stream, const PGresult *rows,
                              int row) {
  const char *name = PQgetvalue(rows, row, NAME);
  int64_t version = 0;
  if (!set || strcmp(PQgetvalue(rows, row, KIND), "baseline") == 0) {
    return NULL;
  }
  (void)tndb_number_parse(PQgetvalue(rows, row, VERSION), &version);
  for (size_t i = set->first[stream]; i < set->first[stream + 1]; i++) {
    const tndb_migration *is = set->items[i];
    if (is->version == version && strcmp(is->name, name) == 0 &&
        strcmp(tndb_migration_kind_name(is->kind), PQgetvalue(rows, row, KIND)) == 0) {
      return strcmp(is->sum, PQgetvalue(rows, row, SUM)) == 0 ? "t" : "f";
    }
  }
  return "f";
}

static tenantdb_status read_history(tenantdb *db, const char *id, tndb_stream stream, tndb_table *table,
                                    tenantdb_error **error) {
  const tndb_use *use = (const tndb_use *)tndb_newborn_of(db);
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows;
  tndb_buffer_format(&sql,
                     "SELECT version, name, kind, title, state, sum, steps, steps_done, attempts,"
                     " pg_catalog.to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"'),"
                     " pg_catalog.to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"'),"
                     " duration_ms, sqlstate, error, run_id, actor FROM %smigrations WHERE tenant_id = $1"
                     " ORDER BY name <> '', version, name COLLATE \"C\"",
                     db->catalog);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_work_ask(db, tndb_buffer_text(&sql), 1, &id, &rows, error);
  for (int row = 0; !status && row < PQntuples(rows); row++) {
    const char *cells[N_COLUMNS];
    for (int column = 0; column < N_COLUMNS - 1; column++) {
      const char *cell = PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
      cells[column < PRESENT ? column : column + 1] = cell;
    }
    cells[PRESENT] = is_present(use ? use->set : NULL, stream, rows, row);
    tndb_table_row(table, cells);
  }
  PQclear(rows);
  return status;
}

tenantdb_status tenantdb_migration_history(tenantdb *db, const char *tenant, tenantdb_result **result,
                                           tenantdb_error **error) {
  static const char *const columns[N_COLUMNS] = {
      "version",     "name",     "kind",       "title",    "state",      "sum",
      "present",     "steps",    "steps_done", "attempts", "started_at", "finished_at",
      "duration_ms", "sqlstate", "error",      "run",      "actor"};
  tenantdb_status status = tndb_answer_begin(db, result, error);
  if (status) {
    return status;
  }
  tenantdb_tenant *known = NULL;
  tndb_table *table = tndb_table_new(columns, N_COLUMNS);
  status = tenant ? tenantdb_tenant_get(db, tenant, &known, error) : TENANTDB_OK;
  if (!status) {
    status = read_history(db, known ? known->id : TNDB_LEDGER_SHARED,
                          known ? TNDB_STREAM_TENANT : TNDB_STREAM_SHARED, table, error);
  }
  tenantdb_tenant_free(known);
  return tndb_answer_end(status, table, result, error);
}

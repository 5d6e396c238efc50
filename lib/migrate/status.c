/* SPDX-License-Identifier: PostgreSQL */
/* Which tenants have which version: what every other tool leaves its users to find out. */
#include <string.h>

#include "base/memory.h"
#include "catalog/answer.h"
#include "config/property.h"
#include "migrate/ledger.h"
#include "migrate/ledger_options.h"
#include "migrate/use.h"

enum { TENANT, VERSION, PENDING, FILE_NAME, REPEATABLES, UNFINISHED, FAILED, ERROR, NOTE, N_COLUMNS };

typedef struct asked {
  tenantdb *db;
  const tenantdb_migrations *set;
  tndb_ledger_settings settings;
  tndb_fleet_list list;
  bool shared; /* the first row is the shared schema's */
} asked;

/* What both calls begin with. tndb_fleet_list_free() in both outcomes. */
static tenantdb_status begin(asked *a, tenantdb *db, const tenantdb_ledger_options *options,
                             tenantdb_error **error) {
  *a = (asked){.db = db, .list = {.rows = NULL}};
  tenantdb_status status = tndb_migrations_of(db, &a->set, error);
  if (!status) {
    status = tndb_ledger_settings_read(options, &a->settings, error);
  }
  bool of_tenants = a->settings.stream == TNDB_STREAM_TENANT;
  a->shared = !of_tenants || !a->settings.chosen;
  return status || !of_tenants ? status : tndb_ledger_list(db, &a->settings, &a->list, error);
}

static bool add_repeatables(const asked *a, tndb_text_array *names, tndb_text_array *sums,
                            tndb_text_array *streams) {
  for (size_t i = 0; i < a->set->count; i++) {
    const tndb_migration *is = a->set->items[i];
    if (is->kind == TNDB_MIGRATION_REPEATABLE) {
      tndb_text_array_add(names, is->name);
      tndb_text_array_add(sums, is->sum);
      tndb_text_array_add(streams, tndb_stream_name(is->stream));
    }
  }
  return tndb_text_array_finish(names) && tndb_text_array_finish(sums) && tndb_text_array_finish(streams);
}

/*
 * One row a target, in the order of $1: version, stale repeatables, unfinished ones, and the last that
 * failed: its version, name, error; whether a baseline is needed. unnest() takes several arrays only when
 * it is not qualified.
 */
static bool build(const asked *a, tndb_buffer *sql) {
  const char *catalog = a->db->catalog;
  tndb_buffer_format(
      sql,
      "SELECT coalesce(t.version, (SELECT max(d.version) FROM %smigrations d WHERE d.tenant_id = i.id"
      " AND d.state = 'done'), 0), (SELECT count(*) FROM unnest($2::text[], $3::text[], $4::text[])"
      " r (name, sum, stream) WHERE r.stream = CASE WHEN i.id = $5::uuid THEN 'shared' ELSE 'tenant' END AND"
      " NOT EXISTS (SELECT FROM %smigrations m WHERE m.tenant_id = i.id AND m.version = 0"
      " AND m.name = r.name AND m.sum = r.sum AND m.state = 'done')), u.n, u.version, u.name, u.error, ",
      catalog, catalog);
  tndb_buffer_format(sql, "coalesce(" TNDB_LACKS_BASELINE ", false)", catalog);
  tndb_buffer_format(
      sql,
      " FROM unnest($1::uuid[]) WITH ORDINALITY i (id, ord) LEFT JOIN %stenants t ON t.id = i.id"
      " LEFT JOIN LATERAL (SELECT count(*) AS n,"
      " (array_agg(m.version ORDER BY m.version DESC, m.started_at DESC) FILTER (WHERE m.state = "
      "'failed'))[1]"
      " AS version,"
      " (array_agg(m.name ORDER BY m.version DESC, m.started_at DESC) FILTER (WHERE m.state = 'failed'))[1]"
      " AS name,"
      " (array_agg(m.error ORDER BY m.version DESC, m.started_at DESC) FILTER (WHERE m.state = 'failed'))[1]"
      " AS error FROM %smigrations m WHERE m.tenant_id = i.id AND m.state <> 'done') u ON true"
      " ORDER BY i.ord",
      catalog, catalog);
  return !sql->failed;
}

static tenantdb_status ask(const asked *a, PGresult **rows, bool *shared_lacks, tenantdb_error **error) {
  tndb_auto_text_array ids = TNDB_TEXT_ARRAY_INIT, names = TNDB_TEXT_ARRAY_INIT, sums = TNDB_TEXT_ARRAY_INIT,
                       streams = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_work work;
  if (!tndb_ledger_ids(&a->list, a->shared, &ids) || !add_repeatables(a, &names, &sums, &streams) ||
      !build(a, &sql)) {
    return tndb_no_memory(error);
  }
  const char *values[] = {tndb_buffer_text(&ids.text), tndb_buffer_text(&names.text),
                          tndb_buffer_text(&sums.text), tndb_buffer_text(&streams.text), TNDB_LEDGER_SHARED};
  tenantdb_status status = tndb_work_start_reading(&work, a->db, error);
  if (!status) {
    status = tndb_work_query(&work, tndb_buffer_text(&sql), 5, values, rows, error);
  }
  if (!status && a->shared) {
    status = tndb_shared_lacks_baseline(&work, shared_lacks, error);
  }
  tndb_work_end(&work);
  return status;
}

/* ---------------------------------------------------------------- one line a tenant */

static const tndb_migration *first_pending(const tenantdb_migrations *set, tndb_stream stream,
                                           int64_t version, int64_t *count) {
  const tndb_migration *first = NULL;
  *count = 0;
  for (size_t i = set->first[stream]; i < set->first[stream + 1]; i++) {
    if (set->items[i]->kind == TNDB_MIGRATION_VERSIONED && set->items[i]->version > version) {
      first = first ? first : set->items[i];
      ++*count;
    }
  }
  return first;
}

static const char *failed_file(const asked *a, tndb_stream stream, const PGresult *rows, int row,
                               int64_t version) {
  if (PQgetisnull(rows, row, 3)) {
    return NULL;
  }
  const char *name = PQgetvalue(rows, row, 4);
  const tndb_migration *is = *name ? tndb_migrations_find_repeatable(a->set, stream, name)
                                   : tndb_migrations_find(a->set, stream, version);
  return is ? is->file : *name ? name : PQgetvalue(rows, row, 3);
}

/* False when memory ran out. */
static bool add_row(const asked *a, const PGresult *rows, int row, bool shared_lacks, tndb_table *table) {
  bool shared = a->shared && row == 0;
  tndb_stream stream = shared ? TNDB_STREAM_SHARED : TNDB_STREAM_TENANT;
  int64_t version = 0, failed = 0, pending = 0;
  tndb_auto_buffer count = TNDB_BUFFER_INIT;
  bool lacks = shared ? shared_lacks : PQgetvalue(rows, row, 6)[0] == 't';
  (void)tndb_number_parse(PQgetvalue(rows, row, 0), &version);
  (void)tndb_number_parse(PQgetvalue(rows, row, 3), &failed);
  const tndb_migration *next = first_pending(a->set, stream, version, &pending);
  tndb_buffer_format(&count, "%lld", (long long)pending);
  const char *cells[N_COLUMNS] = {
      [TENANT] = shared ? NULL : tndb_fleet_list_slug(&a->list, (size_t)row - (a->shared ? 1 : 0)),
      [VERSION] = PQgetvalue(rows, row, 0),
      [PENDING] = tndb_buffer_text(&count),
      [FILE_NAME] = next ? next->file : NULL,
      [REPEATABLES] = PQgetvalue(rows, row, 1),
      [UNFINISHED] = PQgetvalue(rows, row, 2),
      [FAILED] = failed_file(a, stream, rows, row, failed),
      [ERROR] = PQgetisnull(rows, row, 5) ? NULL : PQgetvalue(rows, row, 5),
      [NOTE] = lacks ? "baseline" : NULL};
  tndb_table_row(table, cells);
  return !count.failed;
}

static tenantdb_status read_status(const asked *a, tndb_table *table, tenantdb_error **error) {
  PGresult *rows = NULL;
  bool lacks = false, kept = true;
  tenantdb_status status = ask(a, &rows, &lacks, error);
  for (int row = 0; !status && kept && row < PQntuples(rows); row++) {
    kept = add_row(a, rows, row, lacks, table);
  }
  PQclear(rows);
  return kept ? status : tndb_no_memory(error);
}

tenantdb_status tenantdb_migration_status(tenantdb *db, const tenantdb_ledger_options *options,
                                          tenantdb_result **result, tenantdb_error **error) {
  static const char *const columns[N_COLUMNS] = {"tenant",     "version", "pending", "file", "repeatables",
                                                 "unfinished", "failed",  "error",   "note"};
  tenantdb_status status = tndb_answer_begin(db, result, error);
  if (status) {
    return status;
  }
  asked a;
  tndb_table *table = tndb_table_new(columns, N_COLUMNS);
  status = begin(&a, db, options, error);
  if (!status) {
    status = read_status(&a, table, error);
  }
  tndb_fleet_list_free(&a.list);
  return tndb_answer_end(status, table, result, error);
}

/* ---------------------------------------------------------------- one line a version */

static tenantdb_status read_versions(const asked *a, tndb_table *table, tenantdb_error **error) {
  tndb_auto_text_array ids = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows;
  tndb_buffer_format(&sql,
                     "SELECT t.version, count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM %smigrations m"
                     " WHERE m.tenant_id = t.id AND m.state = 'failed')), to_json((array_agg(t.slug ORDER BY"
                     " lower(t.slug COLLATE \"C\")))[1:20]) FROM unnest($1::uuid[]) i (id) JOIN %stenants t"
                     " ON t.id = i.id GROUP BY t.version ORDER BY t.version DESC",
                     a->db->catalog, a->db->catalog);
  const char *values[] = {tndb_ledger_ids(&a->list, false, &ids)};
  if (!values[0] || sql.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_work_ask(a->db, tndb_buffer_text(&sql), 1, values, &rows, error);
  for (int row = 0; !status && row < PQntuples(rows); row++) {
    int64_t version = 0;
    (void)tndb_number_parse(PQgetvalue(rows, row, 0), &version);
    const tndb_migration *is = tndb_migrations_find(a->set, TNDB_STREAM_TENANT, version);
    const char *cells[] = {PQgetvalue(rows, row, 0), is ? is->file : NULL, PQgetvalue(rows, row, 1),
                           PQgetvalue(rows, row, 2), PQgetvalue(rows, row, 3)};
    tndb_table_row(table, cells);
  }
  PQclear(rows);
  return status;
}

tenantdb_status tenantdb_migration_versions(tenantdb *db, const tenantdb_ledger_options *options,
                                            tenantdb_result **result, tenantdb_error **error) {
  static const char *const columns[] = {"version", "file", "tenants", "failed", "which"};
  tenantdb_status status = tndb_answer_begin(db, result, error);
  if (status) {
    return status;
  }
  asked a;
  tndb_table *table = tndb_table_new(columns, 5);
  status = begin(&a, db, options, error);
  if (!status && a.settings.stream == TNDB_STREAM_SHARED) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                         "ledger option stream: there is one shared schema only; tenantdb_migration_status() "
                         "tells its version");
  }
  if (!status) {
    status = read_versions(&a, table, error);
  }
  tndb_fleet_list_free(&a.list);
  return tndb_answer_end(status, table, result, error);
}

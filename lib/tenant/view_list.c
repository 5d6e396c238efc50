/* SPDX-License-Identifier: PostgreSQL */
/* What views over tenants there are, and the SQL that makes one. */
#include <string.h>

#include "base/memory.h"
#include "catalog/answer.h"
#include "pg/rows.h"
#include "sql/identifier.h"
#include "tenant/view.h"

static const char list_sql[] =
    "SELECT v.name, v.schema_name AS schema, v.base || '.' || v.table_name AS \"table\", v.reader,"
    " (SELECT count(*) FROM %sview_members m JOIN %stenants t ON t.id = m.tenant_id WHERE m.view_id = v.id"
    " AND m.part IS NOT NULL AND t.state = 'active' AND (v.shows = 'id' OR m.shown = t.slug)) AS tenants,"
    " NOT v.complete OR EXISTS (SELECT FROM %sview_members m WHERE m.view_id = v.id AND m.done < m.wish)"
    " OR NOT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid ="
    " c.relnamespace WHERE n.nspname = v.schema_name AND c.relname = v.name) AS stale,"
    " (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('tenant', t.slug, 'why', m.left_out) ORDER "
    "BY"
    " lower(t.slug COLLATE \"C\")) FROM %sview_members m JOIN %stenants t ON t.id = m.tenant_id WHERE"
    " m.view_id = v.id AND m.left_out IS NOT NULL AND t.state <> 'deleted')::text AS left_out,"
    " CASE WHEN v.tenants IS NOT NULL THEN 'list' WHEN v.selector IS NOT NULL THEN 'selector' ELSE 'all' END"
    " AS chosen, v.selector,"
    " pg_catalog.to_char(v.refreshed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')"
    " AS refreshed_at FROM %sviews v ORDER BY v.name";

tenantdb_status tenantdb_view_list(tenantdb *db, tenantdb_result **result, tenantdb_error **error) {
  tndb_work work;
  PGresult *rows = NULL;
  tenantdb_status status = tndb_answer_begin(db, result, error);
  if (status) {
    return status;
  }
  status = tndb_view_look(&work, db, error);
  if (!status) {
    status = tndb_view_query(&work, list_sql, 0, NULL, &rows, error);
  }
  tndb_work_end(&work);
  return status ? status : tndb_rows_wrap(rows, result, error);
}

/* ---------------------------------------------------------------- as SQL */

/* Who is in which part. */
static const char branches_sql[] =
    "SELECT p.number, m.tenant_id, m.shown, t.schema_name FROM %sview_parts p LEFT JOIN (%sview_members m "
    "JOIN"
    " %stenants t ON t.id = m.tenant_id) ON m.view_id = p.view_id AND m.part = p.number WHERE p.view_id = $1"
    " ORDER BY p.number, m.tenant_id";

static void end_statement(tndb_buffer *sql) {
  tndb_buffer_append(sql, ";\n");
}

/* The parts, and their numbers, of rows that are ordered by them. */
static tenantdb_status write_parts(tndb_buffer *sql, const tenantdb *db, const tndb_view *view,
                                   const PGresult *rows, int32_t *numbers, size_t *n_parts,
                                   tenantdb_error **error) {
  int total = PQntuples(rows);
  tndb_auto_free tndb_branch *branches = tndb_alloc_array((size_t)total + 1, sizeof *branches);
  if (!branches) {
    return tndb_no_memory(error);
  }
  for (int i = 0; i < total;) {
    int64_t number = 0;
    size_t count = 0;
    (void)tndb_number_parse(PQgetvalue(rows, i, 0), &number);
    for (const char *same = PQgetvalue(rows, i, 0); i < total && strcmp(PQgetvalue(rows, i, 0), same) == 0;
         i++) {
      if (!PQgetisnull(rows, i, 1)) {
        branches[count++] =
            (tndb_branch){PQgetvalue(rows, i, 1), PQgetvalue(rows, i, 2), PQgetvalue(rows, i, 3)};
      }
    }
    numbers[(*n_parts)++] = (int32_t)number;
    tndb_view_part_sql(sql, db, view, (int32_t)number, branches, count);
    end_statement(sql);
  }
  return TENANTDB_OK;
}

static void write_rights(tndb_buffer *sql, const tndb_view *view) {
  tndb_auto_buffer usage = TNDB_BUFFER_INIT;
  tndb_auto_buffer select = TNDB_BUFFER_INIT;
  if (!tndb_view_is_null(view, TNDB_VIEW_READER)) {
    tndb_view_grant_sql(&usage, &select, view);
    sql->failed = sql->failed || usage.failed || select.failed;
    tndb_buffer_append(sql, tndb_buffer_text(&usage));
    end_statement(sql);
    tndb_buffer_append(sql, tndb_buffer_text(&select));
    end_statement(sql);
  }
}

static tenantdb_status write_view(tndb_buffer *sql, const tenantdb *db, const tndb_view *view,
                                  const PGresult *rows, tenantdb_error **error) {
  size_t n_parts = 0;
  tndb_auto_free int32_t *numbers = tndb_alloc_array((size_t)PQntuples(rows) + 1, sizeof *numbers);
  if (!numbers) {
    return tndb_no_memory(error);
  }
  tndb_buffer_append(sql, "CREATE SCHEMA IF NOT EXISTS ");
  tndb_quote_identifier(sql, tndb_view_get(view, TNDB_VIEW_SCHEMA));
  end_statement(sql);
  tenantdb_status status = write_parts(sql, db, view, rows, numbers, &n_parts, error);
  tndb_view_top_sql(sql, db, view, numbers, n_parts, true);
  end_statement(sql);
  tndb_view_mark_sql(sql, view);
  end_statement(sql);
  write_rights(sql, view);
  return status;
}

tenantdb_status tenantdb_view_ddl(tenantdb *db, const char *name, char **sql, tenantdb_error **error) {
  tndb_error_reset(error);
  if (sql) {
    *sql = NULL;
  }
  if (!name || !sql) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       name ? "sql" : "name");
  }
  tenantdb_status status = tndb_database_check(db, error);
  if (status) {
    return status;
  }
  tndb_work work;
  tndb_view view = {NULL, NULL};
  PGresult *rows = NULL;
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  status = tndb_view_look(&work, db, error);
  if (!status) {
    status = tndb_view_read(&work, name, &view, error);
  }
  if (!status) {
    const char *id = tndb_view_get(&view, TNDB_VIEW_ID);
    status = tndb_view_query(&work, branches_sql, 1, &id, &rows, error);
  }
  if (!status) {
    status = write_view(&text, db, &view, rows, error);
  }
  tndb_work_end(&work);
  PQclear(rows);
  tndb_view_free(&view);
  if (!status) {
    *sql = tndb_buffer_take(&text);
    status = *sql ? TENANTDB_OK : tndb_no_memory(error);
  }
  return status;
}

/* SPDX-License-Identifier: PostgreSQL */
/* Refreshing and dropping views over tenants. */
#include "tenant/view.h"

#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "sql/identifier.h"

void tndb_view_record(tndb_work *work, const char *view_id, const char *name, const char *action) {
  tndb_auto_buffer detail = TNDB_BUFFER_INIT;
  tndb_buffer_append(&detail, "{\"view\": ");
  tndb_json_string(&detail, name, strlen(name));
  tndb_buffer_append_char(&detail, '}');
  tndb_work_fail_if(work, detail.failed);
  tndb_record what = {.tenant_id = view_id, .action = action, .detail = tndb_buffer_text(&detail)};
  tndb_work_record(work, &what);
}

tenantdb_status tndb_view_send_members(tndb_work *work, const char *view_id, const char *selector,
                                       tenantdb_error **error) {
  static const char *const pattern[2] = {
      "INSERT INTO %sview_members (view_id, tenant_id) SELECT v.id, t.id FROM %sviews v CROSS JOIN %stenants "
      "t"
      " WHERE v.id = $1 AND " TNDB_VIEW_CHOSEN,
      " ON CONFLICT (view_id, tenant_id) DO NOTHING"};
  size_t place;
  return tndb_view_send_selected(work, pattern, view_id, selector, &place, error);
}

/* ---------------------------------------------------------------- dropping */

/* Queue dropping all of its relations; what is not marked as ours is not ours. */
static tenantdb_status queue_drop(tndb_work *work, const tndb_view *view, tenantdb_error **error) {
  const char *id = tndb_view_get(view, TNDB_VIEW_ID);
  tndb_auto_buffer mark = TNDB_BUFFER_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *parts;
  tenantdb_status status = tndb_view_query(
      work, "SELECT number FROM %sview_parts WHERE view_id = $1 ORDER BY number", 1, &id, &parts, error);
  if (status) {
    return status;
  }
  tndb_view_mark_text(&mark, id);
  tndb_work_fail_if(work, mark.failed);
  if (tndb_view_is_there(view) &&
      strcmp(tndb_view_get(view, TNDB_VIEW_COMMENT), tndb_buffer_text(&mark)) == 0) {
    tndb_buffer_append(&sql, "DROP VIEW ");
    tndb_view_quote(&sql, view);
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
  for (int i = 0; i < PQntuples(parts); i++) {
    int64_t number = 0;
    (void)tndb_number_parse(PQgetvalue(parts, i, 0), &number);
    tndb_buffer_clear(&sql);
    tndb_buffer_append(&sql, "DROP VIEW IF EXISTS ");
    tndb_view_part_quote(&sql, work->db, view, (int32_t)number);
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
  PQclear(parts);
  return TENANTDB_OK;
}

/* The reader needs the schema no longer when this was his last view in it. */
static tenantdb_status queue_revoke(tndb_work *work, const tndb_view *view, tenantdb_error **error) {
  static const char needless_sql[] =
      "SELECT 1 FROM pg_catalog.pg_roles r, pg_catalog.pg_namespace n WHERE r.rolname = $2 AND n.nspname = $3"
      " AND NOT EXISTS (SELECT FROM %sviews v WHERE v.id <> $1 AND v.reader = $2 AND v.schema_name = $3)";
  const char *values[] = {tndb_view_get(view, TNDB_VIEW_ID), tndb_view_get(view, TNDB_VIEW_READER),
                          tndb_view_get(view, TNDB_VIEW_SCHEMA)};
  PGresult *rows;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  if (tndb_view_is_null(view, TNDB_VIEW_READER)) {
    return TENANTDB_OK;
  }
  tenantdb_status status = tndb_view_query(work, needless_sql, 3, values, &rows, error);
  if (!status && PQntuples(rows) == 1) {
    tndb_buffer_append(&sql, "REVOKE USAGE ON SCHEMA ");
    tndb_quote_identifier(&sql, values[2]);
    tndb_buffer_append(&sql, " FROM ");
    tndb_quote_identifier(&sql, values[1]);
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
  PQclear(rows);
  return status;
}

tenantdb_status tndb_view_drop(tenantdb *db, const char *name, tenantdb_error **error) {
  static const char *const deletes[] = {"DELETE FROM %sview_members WHERE view_id = $1",
                                        "DELETE FROM %sview_parts WHERE view_id = $1",
                                        "DELETE FROM %sviews WHERE id = $1"};
  tndb_work work;
  tndb_view view;
  tenantdb_status status = tndb_view_start(&work, db, name, &view, error);
  bool known = !status;
  if (!status) {
    status = queue_drop(&work, &view, error);
  }
  if (!status) {
    status = queue_revoke(&work, &view, error);
  }
  if (!status) {
    const char *id = tndb_view_get(&view, TNDB_VIEW_ID);
    for (size_t i = 0; i < sizeof deletes / sizeof deletes[0]; i++) {
      (void)tndb_view_send(&work, deletes[i], 1, &id);
    }
    tndb_view_record(&work, id, name, "drop view");
    status = tndb_work_commit(&work, error);
  }
  if (status && known) {
    tndb_error_prefix(error, "dropping view %s", name);
  }
  tndb_work_end(&work);
  tndb_view_free(&view);
  return status;
}

tenantdb_status tenantdb_view_drop(tenantdb *db, const char *name, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!name) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "name is NULL");
  }
  tenantdb_status status = tndb_database_check(db, error);
  return status ? status : tndb_view_drop(db, name, error);
}

/* ---------------------------------------------------------------- refreshing */

/* The columns the view was asked for, with the rows that hold their names; none: all. */
static tenantdb_status read_wanted(tndb_work *work, const tndb_view *view, PGresult **rows,
                                   const char ***names, tenantdb_error **error) {
  const char *id = tndb_view_get(view, TNDB_VIEW_ID);
  *names = NULL;
  tenantdb_status status = tndb_view_query(
      work, "SELECT pg_catalog.unnest(wanted_columns) FROM %sviews WHERE id = $1", 1, &id, rows, error);
  if (!status) {
    *names = tndb_alloc_array((size_t)PQntuples(*rows) + 1, sizeof **names);
    status = *names ? TENANTDB_OK : tndb_no_memory(error);
  }
  for (int i = 0; !status && i < PQntuples(*rows); i++) {
    (*names)[i] = PQgetvalue(*rows, i, 0);
  }
  return status;
}

static tenantdb_status check_declared(const tenantdb_registry *registry, const tndb_view *view,
                                      tenantdb_error **error) {
  for (size_t i = 0; i < registry->n_bases; i++) {
    if (registry->bases[i]->kind == TENANTDB_BASE_TENANT &&
        strcmp(registry->bases[i]->name, tndb_view_get(view, TNDB_VIEW_BASE)) == 0 &&
        tndb_base_find(registry->bases[i], tndb_view_get(view, TNDB_VIEW_TABLE))) {
      return TENANTDB_OK;
    }
  }
  return tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TABLE,
                     "the registry declares no %s.%s any more: drop the view, or declare its table",
                     tndb_view_get(view, TNDB_VIEW_BASE), tndb_view_get(view, TNDB_VIEW_TABLE));
}

/* The columns as they would be today. */
static tenantdb_status read_columns(tndb_work *work, const tndb_view *view, tndb_view_columns *columns,
                                    tenantdb_error **error) {
  PGresult *rows = NULL;
  const char **names = NULL;
  *columns = (tndb_view_columns){NULL, NULL, NULL};
  tenantdb_status status = check_declared(work->db->registry, view, error);
  if (!status) {
    status = read_wanted(work, view, &rows, &names, error);
  }
  if (!status) {
    tndb_view_wanted wanted = {names, (size_t)PQntuples(rows), tndb_view_get(view, TNDB_VIEW_TENANT_COLUMN)};
    status = tndb_view_columns_read(work, tndb_view_get(view, TNDB_VIEW_TABLE), &wanted, columns, error);
  }
  tndb_free(names);
  PQclear(rows);
  return status;
}

/* A view cannot change its columns: one whose columns change is dropped, and made by settling. */
static tenantdb_status take_columns(tndb_work *work, const tndb_view *view, const tndb_view_columns *columns,
                                    tenantdb_error **error) {
  static const char update_sql[] =
      "UPDATE %sviews SET column_names = $2, column_types = $3, column_collations = $4 WHERE id = $1 AND"
      " (column_names, column_types, column_collations) IS DISTINCT FROM ($2::text[], $3::text[], $4::text[])"
      " RETURNING id";
  const char *values[] = {tndb_view_get(view, TNDB_VIEW_ID), columns->names, columns->types,
                          columns->collations};
  PGresult *rows;
  tenantdb_status status = tndb_view_query(work, update_sql, 4, values, &rows, error);
  if (!status && PQntuples(rows) == 1) {
    status = queue_drop(work, view, error);
  }
  PQclear(rows);
  return status;
}

/* The transaction that makes everything of the view unsettled. */
static tenantdb_status unsettle(tenantdb *db, const char *name, tenantdb_error **error) {
  tndb_work work;
  tndb_view view;
  tndb_view_columns columns = {NULL, NULL, NULL};
  tenantdb_status status = tndb_view_start(&work, db, name, &view, error);
  bool known = !status;
  if (!status) {
    status = tndb_view_check_mark(&view, error);
  }
  if (!status) {
    status = read_columns(&work, &view, &columns, error);
  }
  if (!status) {
    status = take_columns(&work, &view, &columns, error);
  }
  if (!status) {
    const char *id = tndb_view_get(&view, TNDB_VIEW_ID);
    (void)tndb_view_send(&work, "UPDATE %sviews SET complete = false WHERE id = $1", 1, &id);
    (void)tndb_view_send(&work, "UPDATE %sview_members SET wish = wish + 1 WHERE view_id = $1", 1, &id);
    status = tndb_view_send_members(&work, id, tndb_view_get(&view, TNDB_VIEW_SELECTOR), error);
    tndb_view_record(&work, id, name, "refresh view");
  }
  if (!status) {
    status = tndb_work_commit(&work, error);
  }
  if (status && known) {
    tndb_error_prefix(error, "refreshing view %s", name);
  }
  tndb_work_end(&work);
  tndb_view_free(&view);
  tndb_view_columns_free(&columns);
  return status;
}

static tenantdb_status refresh(tenantdb *db, const char *name, tenantdb_error **error) {
  tenantdb_status status = unsettle(db, name, error);
  return status ? status : tndb_view_settle(db, name, error);
}

static tenantdb_status refresh_all(tenantdb *db, tenantdb_error **error) {
  PGresult *names;
  tenantdb_status status = tndb_views_all(db, &names, error), first = TENANTDB_OK;
  if (status) {
    return status;
  }
  for (int i = 0; i < PQntuples(names) && status != TENANTDB_CONNECTION; i++) {
    tenantdb_error *own = NULL;
    status = refresh(db, PQgetvalue(names, i, 0), &own);
    bool gone = tenantdb_error_reason(own) == TENANTDB_REASON_UNKNOWN_VIEW; /* dropped meanwhile */
    if (status && !first && !gone) {
      first = tndb_error_pass(error, own);
    } else {
      tenantdb_error_free(own);
    }
  }
  PQclear(names);
  return first;
}

tenantdb_status tenantdb_view_refresh(tenantdb *db, const char *name, tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_database_check(db, error);
  if (status) {
    return status;
  }
  return name ? refresh(db, name, error) : refresh_all(db, error);
}

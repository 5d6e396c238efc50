/* SPDX-License-Identifier: PostgreSQL */
/* Views over tenants as rows of the catalog. */
#include <string.h>

#include "base/memory.h"
#include "tenant/fleet_selector.h"
#include "tenant/view.h"

#define MOST_LOST 3 /* connections, before a step is given up */

static const char view_sql[] =
    "SELECT v.id, v.name, v.schema_name, v.base, v.table_name, v.tenant_column, v.shows, v.selector, "
    "v.reader, v.barrier, v.complete, (SELECT coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '') "
    "FROM"
    " pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname ="
    " v.schema_name AND c.relname = v.name) FROM %sviews v WHERE v.name = $1";
static const char columns_sql[] =
    "SELECT c.name, c.type, c.coll FROM %sviews v CROSS JOIN LATERAL unnest(v.column_names,"
    " v.column_types, v.column_collations) WITH ORDINALITY c (name, type, coll, at) WHERE v.name = $1"
    " ORDER BY c.at";

const char *tndb_view_get(const tndb_view *view, int what) {
  return PQgetvalue(view->row, 0, what);
}

bool tndb_view_is(const tndb_view *view, int what) {
  return PQgetvalue(view->row, 0, what)[0] == 't';
}

bool tndb_view_is_null(const tndb_view *view, int what) {
  return PQgetisnull(view->row, 0, what) != 0;
}

bool tndb_view_is_there(const tndb_view *view) {
  return !tndb_view_is_null(view, TNDB_VIEW_COMMENT);
}

tenantdb_status tndb_view_check_mark(const tndb_view *view, tenantdb_error **error) {
  tndb_auto_buffer mark = TNDB_BUFFER_INIT;
  tndb_view_mark_text(&mark, tndb_view_get(view, TNDB_VIEW_ID));
  if (mark.failed) {
    return tndb_no_memory(error);
  }
  if (!tndb_view_is_there(view) ||
      strcmp(tndb_view_get(view, TNDB_VIEW_COMMENT), tndb_buffer_text(&mark)) == 0) {
    return TENANTDB_OK;
  }
  return tndb_origin(error, TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_VIEW_EXISTS,
                     "%s.%s does not carry the mark \"%s\" as its comment, so it is not touched: set the "
                     "comment if it is the view over tenants, or move it out of the way",
                     tndb_view_get(view, TNDB_VIEW_SCHEMA), tndb_view_get(view, TNDB_VIEW_NAME),
                     tndb_buffer_text(&mark));
}

void tndb_view_free(tndb_view *view) {
  PQclear(view->row);
  PQclear(view->columns);
  *view = (tndb_view){NULL, NULL};
}

/* ---------------------------------------------------------------- asking the catalog */

size_t tndb_view_send(tndb_work *work, const char *pattern, int32_t count, const char *const *values) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  for (const char *next; (next = strstr(pattern, "%s")) != NULL; pattern = next + 2) {
    tndb_buffer_append_n(&sql, pattern, (size_t)(next - pattern));
    tndb_buffer_append(&sql, work->db->catalog);
  }
  tndb_buffer_append(&sql, pattern);
  if (sql.failed) {
    tndb_work_fail_if(work, true);
    return TNDB_NONE;
  }
  return tndb_work_send(work, tndb_buffer_text(&sql), count, values);
}

tenantdb_status tndb_view_query(tndb_work *work, const char *pattern, int32_t count,
                                const char *const *values, PGresult **rows, tenantdb_error **error) {
  *rows = NULL;
  size_t place = tndb_view_send(work, pattern, count, values);
  tenantdb_status status = tndb_work_sync(work, error);
  if (!status) {
    *rows = tndb_exchange_take(work->conn, place);
  }
  return status;
}

tenantdb_status tndb_view_send_selected(tndb_work *work, const char *const pattern[2], const char *first,
                                        const char *selector, size_t *place, tenantdb_error **error) {
  tndb_selector compiled;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tenantdb_status status = tndb_selector_compile(selector, 2, &compiled, error);
  const char **values = status ? NULL : tndb_alloc_array((size_t)compiled.count + 1, sizeof *values);
  if (!status && !values) {
    status = tndb_no_memory(error);
  }
  if (!status) {
    values[0] = first;
    for (int32_t i = 0; i < compiled.count; i++) {
      values[i + 1] = compiled.values[i];
    }
    tndb_buffer_append(&sql, pattern[0]);
    tndb_buffer_append(&sql, tndb_buffer_text(&compiled.sql));
    tndb_buffer_append(&sql, pattern[1]);
    tndb_work_fail_if(work, sql.failed);
    *place = tndb_view_send(work, tndb_buffer_text(&sql), compiled.count + 1, values);
  }
  tndb_free(values);
  tndb_selector_free(&compiled);
  return status;
}

tenantdb_status tndb_view_read(tndb_work *work, const char *name, tndb_view *view, tenantdb_error **error) {
  size_t row = tndb_view_send(work, view_sql, 1, &name);
  size_t columns = tndb_view_send(work, columns_sql, 1, &name);
  tenantdb_status status = tndb_work_sync(work, error);
  if (status) {
    return status;
  }
  view->row = tndb_exchange_take(work->conn, row);
  view->columns = tndb_exchange_take(work->conn, columns);
  return PQntuples(view->row) == 1 ? TENANTDB_OK
                                   : tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_VIEW,
                                                 "there is no view over tenants \"%.100s\"; "
                                                 "tenantdb_view_list() lists them",
                                                 name);
}

tenantdb_status tndb_view_start(tndb_work *work, tenantdb *db, const char *name, tndb_view *view,
                                tenantdb_error **error) {
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  tndb_buffer_append(&lock, "view:");
  tndb_buffer_append(&lock, name);
  *work = (tndb_work){0};
  *view = (tndb_view){NULL, NULL};
  tenantdb_status status =
      lock.failed ? tndb_no_memory(error) : tndb_work_start(work, db, tndb_buffer_text(&lock), true, error);
  return status ? status : tndb_view_read(work, name, view, error);
}

tenantdb_status tndb_view_look(tndb_work *work, tenantdb *db, tenantdb_error **error) {
  char lock[] = "view look:00000000-0000-0000-0000-000000000000"; /* nobody else's */
  *work = (tndb_work){0};
  if (!tndb_uuid_new(lock + sizeof "view look:" - 1)) {
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                       "the system gives no random bytes");
  }
  return tndb_work_start(work, db, lock, true, error);
}

tenantdb_status tndb_view_persist(tndb_view_step step, void *user, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_UNKNOWN;
  tenantdb_error *own = NULL;
  for (int lost = 0; lost < MOST_LOST && (status == TENANTDB_UNKNOWN || status == TENANTDB_CONNECTION);
       lost++) {
    tenantdb_error_free(own);
    own = NULL;
    status = step(user, &own);
  }
  if (status == TENANTDB_UNKNOWN) {
    /* Nothing is in doubt that doing it again would not settle. */
    status = tndb_error_fold(&own, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

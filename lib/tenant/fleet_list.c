/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/fleet_list.h"

#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "catalog/text_array.h"
#include "config/property.h"
#include "pg/exchange.h"
#include "sql/identifier.h"
#include "tenant/fleet_selector.h"

enum { ID, SLUG, SCHEMA = 3, ROLE, STATE, VERSION = 10 };

/* Of TNDB_TENANT_COLUMNS what a session needs: 10,000 tenants are held while the query runs. */
#define COLUMNS                                                                               \
  "t.id, t.slug, NULL, t.schema_name, t.role_name, t.state, t.generation, NULL, NULL, '{}', " \
  "t.version, t.credential, "
enum { N_COLUMNS = 12 };

const char *tndb_fleet_list_slug(const tndb_fleet_list *list, size_t tenant) {
  return PQgetvalue(list->rows, list->at[tenant], SLUG);
}

const char *tndb_fleet_list_id(const tndb_fleet_list *list, size_t tenant) {
  return PQgetvalue(list->rows, list->at[tenant], ID);
}

const char *tndb_fleet_list_schema(const tndb_fleet_list *list, size_t tenant) {
  return PQgetvalue(list->rows, list->at[tenant], SCHEMA);
}

const char *tndb_fleet_list_role(const tndb_fleet_list *list, size_t tenant) {
  return PQgetvalue(list->rows, list->at[tenant], ROLE);
}

const char *tndb_fleet_list_state(const tndb_fleet_list *list, size_t tenant) {
  return PQgetvalue(list->rows, list->at[tenant], STATE);
}

int64_t tndb_fleet_list_version(const tndb_fleet_list *list, size_t tenant) {
  int64_t version = 0;
  (void)tndb_number_parse(PQgetvalue(list->rows, list->at[tenant], VERSION), &version);
  return version;
}

tenantdb_status tndb_fleet_list_tenant(const tndb_fleet_list *list, const tenantdb *db, size_t tenant,
                                       tenantdb_tenant **out, tenantdb_error **error) {
  return tndb_tenant_from_row(db, list->rows, list->at[tenant], out, error);
}

void tndb_fleet_list_free(tndb_fleet_list *list) {
  PQclear(list->rows);
  tndb_free(list->at);
  for (size_t i = 0; i < list->n_missing; i++) {
    tndb_free(list->missing[i]);
  }
  tndb_free(list->missing);
  *list = (tndb_fleet_list){.rows = NULL};
}

/* ---------------------------------------------------------------- the names that were given */

/* Slugs are ASCII and compared without regard to case. */
static char *folded(const char *name) {
  char *copy = tndb_strdup(name);
  if (copy) {
    tndb_fold_case(copy);
  }
  return copy;
}

/* As arrays: the names folded, and those of them that may be ids. */
static bool fill_arrays(const tndb_fleet_who *who, tndb_text_array *slugs, tndb_text_array *ids) {
  char id[TNDB_UUID_TEXT];
  for (size_t i = 0; i < who->n_names; i++) {
    char *slug = folded(who->names[i]);
    if (!slug) {
      return false;
    }
    tndb_text_array_add(slugs, slug);
    tndb_free(slug);
    if (tndb_uuid_parse(who->names[i], id)) {
      tndb_text_array_add(ids, id);
    }
  }
  return tndb_text_array_finish(slugs) && tndb_text_array_finish(ids);
}

/* The row that a name means, plus one, as the value of a map; an id goes before a slug that looks like one. */
static void *row_number(int row) {
  return (void *)(uintptr_t)(row + 1);
}

static bool index_rows(const tndb_fleet_list *list, tndb_map *by_id, tndb_map *by_slug) {
  bool kept = true;
  for (int row = 0; kept && row < PQntuples(list->rows); row++) {
    char *slug = folded(PQgetvalue(list->rows, row, SLUG));
    bool living = strcmp(PQgetvalue(list->rows, row, STATE), "deleted") != 0;
    kept = slug && tndb_map_put(by_id, PQgetvalue(list->rows, row, ID), row_number(row)) &&
           (!living || tndb_map_put(by_slug, slug, row_number(row)));
    tndb_free(slug);
  }
  return kept;
}

static bool mark_named(const tndb_fleet_who *who, tndb_fleet_list *list, bool *named) {
  tndb_map by_id = {0}, by_slug = {0};
  bool kept = index_rows(list, &by_id, &by_slug);
  for (size_t i = 0; kept && i < who->n_names; i++) {
    char id[TNDB_UUID_TEXT];
    char *slug = folded(who->names[i]);
    void *row = slug && tndb_uuid_parse(who->names[i], id) ? tndb_map_get(&by_id, id) : NULL;
    row = row || !slug ? row : tndb_map_get(&by_slug, slug);
    kept = slug != NULL;
    if (row) {
      named[(uintptr_t)row - 1] = true;
    } else if (kept) {
      list->missing[list->n_missing] = tndb_strdup(who->names[i]);
      kept = list->missing[list->n_missing] != NULL;
      list->n_missing += kept;
    }
    tndb_free(slug);
  }
  tndb_map_free(&by_id);
  tndb_map_free(&by_slug);
  return kept;
}

/* Which rows are tenants of the fleet: named, when there are names, and fitting the selector. */
static tenantdb_status choose(const tndb_fleet_who *who, tndb_fleet_list *list, tenantdb_error **error) {
  size_t n = (size_t)PQntuples(list->rows);
  tndb_auto_free bool *named = tndb_alloc_array(n, sizeof *named);
  list->at = tndb_alloc_array(n, sizeof *list->at);
  list->missing = tndb_alloc_array(who->n_names, sizeof *list->missing);
  if (!named || !list->at || !list->missing || (who->listed && !mark_named(who, list, named))) {
    return tndb_no_memory(error);
  }
  for (size_t i = 0; i < n; i++) {
    if ((named[i] || !who->listed) && PQgetvalue(list->rows, (int)i, N_COLUMNS)[0] == 't') {
      list->at[list->count++] = (int32_t)i;
    }
  }
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- the query */

static bool build_query(const tenantdb *db, const tndb_fleet_who *who, const tndb_selector *selector,
                        tndb_buffer *sql) {
  tndb_buffer_append(sql, "SELECT " COLUMNS "(");
  tndb_buffer_append(sql, tndb_buffer_text(&selector->sql));
  tndb_buffer_format(sql, ") AS fits FROM %stenants t WHERE ", db->catalog);
  if (who->listed) {
    tndb_buffer_append(sql,
                       "(t.id = ANY ($1::uuid[]) OR (lower(t.slug COLLATE \"C\") = ANY ($2::text[])"
                       " AND t.state <> 'deleted'))");
  } else {
    tndb_buffer_append(sql, "t.state <> 'deleted' AND $1::text IS NOT NULL AND $2::text IS NOT NULL AND ");
    tndb_buffer_append(sql, selector->on_state ? "" : "t.state = 'active' AND ");
    tndb_buffer_append(sql, tndb_buffer_text(&selector->sql));
  }
  tndb_buffer_append(sql, " ORDER BY lower(t.slug COLLATE \"C\"), t.id");
  return !sql->failed;
}

static tenantdb_status ask(tenantdb *db, const char *sql, const tndb_values *values, tndb_deadline deadline,
                           PGresult **rows, tenantdb_error **error) {
  tndb_conn *conn = NULL;
  tenantdb_status status = tndb_pool_lease(db->pool, deadline, &conn, error);
  if (!status) {
    status = tndb_catalog_require(db, conn, deadline, error);
  }
  if (!status) {
    status = tndb_exchange_single(conn, sql, values, deadline, rows, error);
  }
  tndb_pool_release(conn);
  return status;
}

static tenantdb_status read_rows(tenantdb *db, const tndb_fleet_who *who, const tndb_selector *selector,
                                 tndb_deadline deadline, tndb_fleet_list *list, tenantdb_error **error) {
  tndb_auto_text_array slugs = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_text_array ids = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_free const char **cells = tndb_alloc_array((size_t)selector->count + 2, sizeof *cells);
  if (!cells || !fill_arrays(who, &slugs, &ids) || !build_query(db, who, selector, &sql)) {
    return tndb_no_memory(error);
  }
  cells[0] = tndb_buffer_text(&ids.text);
  cells[1] = tndb_buffer_text(&slugs.text);
  for (int32_t i = 0; i < selector->count; i++) {
    cells[i + 2] = selector->values[i];
  }
  tndb_values values = {selector->count + 2, cells, NULL, NULL, NULL};
  return ask(db, tndb_buffer_text(&sql), &values, deadline, &list->rows, error);
}

tenantdb_status tndb_fleet_list_read(tenantdb *db, const tndb_fleet_who *who, tndb_deadline deadline,
                                     tndb_fleet_list *list, tenantdb_error **error) {
  tndb_selector selector;
  *list = (tndb_fleet_list){.rows = NULL};
  tenantdb_status status = tndb_selector_compile(who->selector ? who->selector : "", 3, &selector, error);
  if (!status) {
    status = read_rows(db, who, &selector, deadline, list, error);
  }
  if (!status) {
    status = choose(who, list, error);
  }
  tndb_selector_free(&selector);
  return status;
}

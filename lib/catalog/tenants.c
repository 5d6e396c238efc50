/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/tenants.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "config/property.h"
#include "pg/exchange.h"

static const char *const state_names[] = {"?",         "pending",  "provisioning", "active", "failed",
                                          "suspended", "archived", "deleting",     "deleted"};

int32_t tndb_tenant_state(const char *name) {
  for (int32_t i = TENANTDB_TENANT_PENDING; i <= TENANTDB_TENANT_DELETED; i++) {
    if (strcmp(state_names[i], name) == 0) {
      return i;
    }
  }
  return 0;
}

const char *tndb_tenant_state_name(int32_t state) {
  return state >= TENANTDB_TENANT_PENDING && state <= TENANTDB_TENANT_DELETED ? state_names[state] : "?";
}

tenantdb_tenant *tndb_tenant_hold(tenantdb_tenant *tenant) {
  atomic_fetch_add_explicit(&tenant->references, 1, memory_order_relaxed);
  return tenant;
}

void tenantdb_tenant_free(tenantdb_tenant *tenant) {
  if (tenant && atomic_fetch_sub(&tenant->references, 1) == 1) {
    tndb_free(tenant->path);
    tndb_free(tenant->slug);
    tndb_free(tenant->name);
    tndb_free(tenant->schema);
    tndb_free(tenant->role);
    tndb_free(tenant->created_at);
    tndb_free(tenant->purge_after);
    tndb_free(tenant->properties);
    tndb_free(tenant);
  }
}

static bool is_complete(const tenantdb_tenant *tenant) {
  return tenant->slug && tenant->name && tenant->schema && tenant->role && tenant->created_at &&
         tenant->purge_after && tenant->properties && tenant->path;
}

/* SQL NULL reads as "". */
static char *cell(PGresult *rows, int row, int column) {
  return tndb_strdup(PQgetvalue(rows, row, column));
}

tenantdb_status tndb_tenant_from_row(const tenantdb *db, PGresult *rows, int row, tenantdb_tenant **out,
                                     tenantdb_error **error) {
  *out = NULL;
  tenantdb_tenant *tenant = tndb_new(tenantdb_tenant);
  if (!tenant) {
    return tndb_no_memory(error);
  }
  tndb_buffer path = TNDB_BUFFER_INIT;
  atomic_init(&tenant->references, 1);
  tenant->slug = cell(rows, row, 1);
  tenant->name = cell(rows, row, 2);
  tenant->schema = cell(rows, row, 3);
  tenant->role = cell(rows, row, 4);
  tenant->created_at = cell(rows, row, 7);
  tenant->purge_after = cell(rows, row, 8);
  tenant->properties = cell(rows, row, 9);
  tndb_path_append(&path, db, PQgetvalue(rows, row, 3));
  tenant->path = tndb_buffer_take(&path);
  tenant->state = tndb_tenant_state(PQgetvalue(rows, row, 5));
  (void)tndb_uuid_parse(PQgetvalue(rows, row, 11), tenant->credential);
  if (!is_complete(tenant)) {
    tenantdb_tenant_free(tenant);
    return tndb_no_memory(error);
  }
  if (!tndb_uuid_parse(PQgetvalue(rows, row, 0), tenant->id) || !tenant->state ||
      !tndb_number_parse(PQgetvalue(rows, row, 6), &tenant->generation) ||
      !tndb_number_parse(PQgetvalue(rows, row, 10), &tenant->version)) {
    tenantdb_tenant_free(tenant);
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                       "the catalog's row of a tenant cannot be read");
  }
  *out = tenant;
  return TENANTDB_OK;
}

tenantdb_status tndb_tenant_unknown(const char *tenant, tenantdb_error **error) {
  (void)tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TENANT,
                    "there is no tenant \"%.100s\"; tenantdb_tenant_list() lists them", tenant);
  tndb_error_set_tenant(error, tenant);
  return TENANTDB_NOT_FOUND;
}

/* The server writes a space behind the colon, and escapes by a backslash. */
bool tndb_tenant_moved_to(const char *properties, tndb_buffer *place) {
  static const char member[] = "\"" TNDB_TENANT_MOVED_TO "\": \"";
  const char *at = strstr(properties, member);
  for (at = at ? at + sizeof member - 1 : ""; *at && *at != '"'; at++) {
    at += *at == '\\' && at[1];
    tndb_buffer_append_char(place, *at);
  }
  return place->length > 0;
}

/* ---------------------------------------------------------------- reading */

/* A slug may look like a uuid; then the id goes first. */
static bool build_query(const tenantdb *db, const char *tenant, bool lock, tndb_buffer *sql) {
  tndb_buffer_append(sql, "SELECT " TNDB_TENANT_COLUMNS " FROM ");
  tndb_buffer_append(sql, db->catalog);
  tndb_buffer_append(sql,
                     "tenants t WHERE (lower(t.slug COLLATE \"C\") = lower($1::text COLLATE \"C\")"
                     " AND t.state <> 'deleted')");
  if (tndb_uuid_parse(tenant, NULL)) {
    tndb_buffer_append(sql, " OR t.id = $1::text::uuid ORDER BY t.id = $1::text::uuid DESC LIMIT 1");
  }
  tndb_buffer_append(sql, lock ? " FOR UPDATE" : "");
  return !sql->failed;
}

tenantdb_status tndb_tenant_read(tenantdb *db, tndb_conn *conn, const char *tenant, bool lock,
                                 tndb_deadline deadline, tenantdb_tenant **out, tenantdb_error **error) {
  *out = NULL;
  if (!tndb_utf8_valid(tenant, strlen(tenant), NULL)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                       "the tenant's name is not valid UTF-8");
  }
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  if (!build_query(db, tenant, lock, &sql)) {
    return tndb_no_memory(error);
  }
  tndb_values values = {1, &tenant, NULL, NULL, NULL};
  PGresult *rows;
  tenantdb_status status =
      tndb_exchange_single(conn, tndb_buffer_text(&sql), &values, deadline, &rows, error);
  if (status) {
    return status;
  }
  status = PQntuples(rows) == 0 ? tndb_tenant_unknown(tenant, error)
                                : tndb_tenant_from_row(db, rows, 0, out, error);
  PQclear(rows);
  return status;
}

bool tndb_tenant_cached(tenantdb *db, const char *tenant, tenantdb_tenant **out) {
  int64_t age = tndb_config_number(db->config, TNDB_SESSION_TENANT_CACHE);
  tndb_mutex_lock(&db->mutex);
  tenantdb_tenant *known = tndb_cache_find(&db->tenants, tenant, age);
  *out = known ? tndb_tenant_hold(known) : NULL;
  tndb_mutex_unlock(&db->mutex);
  return *out != NULL;
}

bool tndb_tenant_key(tenantdb *db, const char *tenant, char id[TNDB_UUID_TEXT]) {
  tndb_mutex_lock(&db->mutex);
  const tenantdb_tenant *known = tndb_cache_find(&db->tenants, tenant, INT64_MAX);
  if (known) {
    memcpy(id, known->id, TNDB_UUID_TEXT);
  }
  tndb_mutex_unlock(&db->mutex);
  return known != NULL;
}

tenantdb_status tndb_tenant_lookup(tenantdb *db, tndb_conn *conn, const char *tenant, tndb_deadline deadline,
                                   tenantdb_tenant **out, tenantdb_error **error) {
  if (tndb_tenant_cached(db, tenant, out)) {
    return TENANTDB_OK;
  }
  tndb_mutex_lock(&db->mutex);
  uint64_t generation = db->tenants.generation;
  tndb_mutex_unlock(&db->mutex);
  tenantdb_status status = tndb_tenant_read(db, conn, tenant, false, deadline, out, error);
  /* Only an open tenant is remembered: one that is opened elsewhere must not be refused for old news. */
  if (!status && (*out)->state == TENANTDB_TENANT_ACTIVE) {
    tndb_mutex_lock(&db->mutex);
    tndb_cache_keep(&db->tenants, tenant, tndb_tenant_hold(*out), generation);
    tndb_mutex_unlock(&db->mutex);
  }
  return status;
}

void tndb_tenants_forget(tenantdb *db) {
  tndb_mutex_lock(&db->mutex);
  tndb_cache_clear(&db->tenants);
  tndb_mutex_unlock(&db->mutex);
}

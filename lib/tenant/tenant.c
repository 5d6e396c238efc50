/* SPDX-License-Identifier: PostgreSQL */
/* Looking tenants up: one by its name, many by state and prefix; and the getters. */
#include <string.h>

#include "base/buffer.h"
#include "catalog/answer.h"
#include "catalog/tenants.h"
#include "catalog/text_array.h"
#include "catalog/work.h"
#include "pg/rows.h"

#define DEFAULT_LIMIT 100
#define MOST_ROWS 10000

/* ---------------------------------------------------------------- getters */

const char *tenantdb_tenant_id(const tenantdb_tenant *tenant) {
  return tenant ? tenant->id : "";
}

const char *tenantdb_tenant_slug(const tenantdb_tenant *tenant) {
  return tenant ? tenant->slug : "";
}

const char *tenantdb_tenant_name(const tenantdb_tenant *tenant) {
  return tenant ? tenant->name : "";
}

const char *tenantdb_tenant_schema(const tenantdb_tenant *tenant) {
  return tenant ? tenant->schema : "";
}

const char *tenantdb_tenant_role(const tenantdb_tenant *tenant) {
  return tenant ? tenant->role : "";
}

int32_t tenantdb_tenant_state(const tenantdb_tenant *tenant) {
  return tenant ? tenant->state : 0;
}

const char *tenantdb_tenant_state_name(const tenantdb_tenant *tenant) {
  return tenant ? tndb_tenant_state_name(tenant->state) : "";
}

int64_t tenantdb_tenant_generation(const tenantdb_tenant *tenant) {
  return tenant ? tenant->generation : 0;
}

int64_t tenantdb_tenant_version(const tenantdb_tenant *tenant) {
  return tenant ? tenant->version : 0;
}

const char *tenantdb_tenant_created_at(const tenantdb_tenant *tenant) {
  return tenant ? tenant->created_at : "";
}

const char *tenantdb_tenant_purge_after(const tenantdb_tenant *tenant) {
  return tenant ? tenant->purge_after : "";
}

const char *tenantdb_tenant_properties(const tenantdb_tenant *tenant) {
  return tenant ? tenant->properties : "";
}

/* ---------------------------------------------------------------- one */

tenantdb_status tenantdb_tenant_get(tenantdb *db, const char *tenant, tenantdb_tenant **result,
                                    tenantdb_error **error) {
  tndb_error_reset(error);
  if (result) {
    *result = NULL;
  }
  if (!tenant || !result) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       tenant ? "result" : "tenant");
  }
  tenantdb_status status = tndb_database_check(db, error);
  if (status) {
    return status;
  }
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
  tndb_conn *conn;
  status = tndb_pool_lease(db->pool, deadline, &conn, error);
  if (!status) {
    status = tndb_catalog_require(db, conn, deadline, error);
  }
  if (!status) {
    status = tndb_tenant_read(db, conn, tenant, false, deadline, result, error);
  }
  tndb_pool_release(conn);
  return status;
}

/* ---------------------------------------------------------------- many */

/* "active, suspended" as an array; NULL means all but deleted. */
static tenantdb_status read_states(const char *states, tndb_text_array *array, tenantdb_error **error) {
  if (!states) {
    for (int32_t i = TENANTDB_TENANT_PENDING; i < TENANTDB_TENANT_DELETED; i++) {
      tndb_text_array_add(array, tndb_tenant_state_name(i));
    }
    return TENANTDB_OK;
  }
  while (*states) {
    states += strspn(states, " ,");
    size_t length = strcspn(states, " ,");
    char name[24] = {0};
    memcpy(name, states, length < sizeof name ? length : sizeof name - 1);
    if (length > 0 && (length >= sizeof name || !tndb_tenant_state(name))) {
      return tndb_origin(
          error, TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_STATE,
          "there is no state \"%s\"; there are pending, provisioning, active, failed, suspended, "
          "archived, deleting and deleted",
          name);
    }
    if (length > 0) {
      tndb_text_array_add(array, name);
    }
    states += length;
  }
  return TENANTDB_OK;
}

static bool build_list(const tenantdb *db, tndb_buffer *sql) {
  tndb_buffer_format(
      sql,
      "SELECT t.id, t.slug, t.name, t.schema_name AS schema, t.role_name AS role, t.state, t.generation,"
      " t.version, t.registry_hash,"
      " pg_catalog.to_char(t.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')"
      " AS created_at,"
      " pg_catalog.to_char(t.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')"
      " AS updated_at,"
      " pg_catalog.to_char(t.purge_after AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')"
      " AS purge_after, t.properties"
      " FROM %stenants t WHERE t.state = ANY ($1::text[])"
      " AND ($2::text IS NULL OR pg_catalog.starts_with(lower(t.slug COLLATE \"C\"),"
      " lower($2 COLLATE \"C\")))"
      " AND ($3::text IS NULL OR lower(t.slug COLLATE \"C\") > lower($3 COLLATE \"C\"))"
      " ORDER BY lower(t.slug COLLATE \"C\"), t.id LIMIT $4::bigint",
      db->catalog);
  return !sql->failed;
}

tenantdb_status tenantdb_tenant_list(tenantdb *db, const char *states, const char *prefix, const char *after,
                                     int32_t limit, tenantdb_result **result, tenantdb_error **error) {
  tenantdb_status status = tndb_answer_begin(db, result, error);
  if (!status && (limit < 0 || limit > MOST_ROWS)) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                         "limit is %d, out of its range 0 to %d", (int)limit, MOST_ROWS);
  }
  tndb_auto_text_array names = TNDB_TEXT_ARRAY_INIT;
  if (!status) {
    status = read_states(states, &names, error);
  }
  if (status) {
    return status;
  }
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer rows_wanted = TNDB_BUFFER_INIT;
  tndb_buffer_format(&rows_wanted, "%d", limit ? (int)limit : DEFAULT_LIMIT);
  const char *cells[] = {tndb_text_array_finish(&names), prefix, after, tndb_buffer_text(&rows_wanted)};
  if (!build_list(db, &sql) || !cells[0] || rows_wanted.failed) {
    return tndb_no_memory(error);
  }
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
  tndb_values values = {4, cells, NULL, NULL, NULL};
  PGresult *rows = NULL;
  tndb_conn *conn;
  status = tndb_pool_lease(db->pool, deadline, &conn, error);
  if (!status) {
    status = tndb_catalog_require(db, conn, deadline, error);
  }
  if (!status) {
    status = tndb_exchange_single(conn, tndb_buffer_text(&sql), &values, deadline, &rows, error);
  }
  tndb_pool_release(conn);
  return status ? status : tndb_rows_wrap(rows, result, error);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Bringing tenants into being: create, register, activate. */
#include <string.h>

#include "base/buffer.h"
#include "catalog/tenants.h"
#include "catalog/work.h"
#include "tenant/naming.h"
#include "tenant/provision.h"
#include "tenant/spec.h"
#include "tenant/view.h"

typedef struct creation {
  tenantdb *db;
  const char *slug;
  const char *action;
  bool active;       /* provision at once */
  tndb_login *login; /* at level login, when it is provisioned */
  tndb_spec spec;
  tndb_names_of_tenant names;
  char hash[TNDB_SHA256_HEX]; /* of the registry */
} creation;

/* ---------------------------------------------------------------- the rows */

static size_t queue_tenant(tndb_work *work, const creation *new_tenant, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(
      &sql,
      "WITH t AS (INSERT INTO %stenants (id, slug, name, schema_name, role_name, state, registry_hash, "
      "version,"
      " properties, credential) VALUES ($1, $2, $3, $4, $5, $6, $7, %lld, coalesce($8::jsonb, '{}'), $9)"
      " RETURNING *)"
      " SELECT " TNDB_TENANT_COLUMNS " FROM t",
      work->db->catalog, (long long)(new_tenant->active ? work->db->registry->version : 0));
  if (sql.failed) {
    (void)tndb_no_memory(error);
    return TNDB_NONE;
  }
  const char *values[] = {
      new_tenant->spec.id,
      new_tenant->slug,
      new_tenant->spec.name,
      new_tenant->names.schema,
      new_tenant->names.role[0] ? new_tenant->names.role : NULL,
      new_tenant->active ? "active" : "pending",
      new_tenant->active ? new_tenant->hash : NULL,
      new_tenant->spec.properties,
      new_tenant->login && new_tenant->login->credential[0] ? new_tenant->login->credential : NULL};
  return tndb_work_send(work, tndb_buffer_text(&sql), 9, values);
}

static void queue_record(tndb_work *work, const creation *new_tenant) {
  tndb_record record = {new_tenant->spec.id,
                        new_tenant->action,
                        NULL,
                        new_tenant->active ? "active" : "pending",
                        new_tenant->spec.key,
                        new_tenant->spec.key ? new_tenant->spec.hash : NULL,
                        NULL};
  tndb_work_record(work, &record);
}

/* ---------------------------------------------------------------- what went wrong */

static tenantdb_status explain_insert(const creation *new_tenant, tenantdb_error **error) {
  const char *constraint = tenantdb_error_constraint(*error);
  const char *code = tenantdb_error_sqlstate(*error);
  if (strcmp(constraint, "tenants_slug_key") == 0) {
    return tndb_origin(error, TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SLUG_TAKEN,
                       "there is a tenant \"%s\" already (slugs are compared without regard to case)",
                       new_tenant->slug);
  }
  if (strcmp(constraint, "tenants_schema_key") == 0 || strcmp(constraint, "tenants_role_key") == 0) {
    bool role = strcmp(constraint, "tenants_role_key") == 0;
    return tndb_origin(
        error, TENANTDB_ALREADY_EXISTS, role ? TENANTDB_REASON_ROLE_TAKEN : TENANTDB_REASON_SCHEMA_TAKEN,
        "another tenant has the %s \"%s\"; choose another slug, or a template with {hash} or {id}",
        role ? "role" : "schema", role ? new_tenant->names.role : new_tenant->names.schema);
  }
  if (strcmp(constraint, "tenants_pkey") == 0) {
    return tndb_origin(error, TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_ID_TAKEN,
                       "there is a tenant with id %s already", new_tenant->spec.id);
  }
  if (strcmp(code, "22P02") == 0 || strcmp(constraint, "tenants_properties_object") == 0) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_PROPERTIES,
                       "the properties of tenant %s are not a JSON object", new_tenant->slug);
  }
  return tenantdb_error_status(*error);
}

static bool same_key_used(const tenantdb_error *error, const creation *new_tenant) {
  return new_tenant->spec.key && tenantdb_error_status(error) != TENANTDB_UNKNOWN &&
         (tenantdb_error_status(error) == TENANTDB_ALREADY_EXISTS ||
          strcmp(tenantdb_error_constraint(error), "operations_idempotency_key") == 0);
}

/*
 * The key may have been used before. OK: by the same request, whose tenant is
 * handed out. Leaves the error as it is when the key was never used.
 */
static tenantdb_status answer_again(const creation *new_tenant, tenantdb_tenant **tenant,
                                    tenantdb_error **error) {
  tenantdb *db = new_tenant->db;
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_conn *conn;
  PGresult *rows = NULL;
  tenantdb_error *own = NULL;
  const char *key = new_tenant->spec.key;
  tndb_values values = {1, &key, NULL, NULL, NULL};
  tndb_buffer_format(&sql, "SELECT tenant_id, request_hash FROM %soperations WHERE idempotency_key = $1",
                     db->catalog);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_pool_lease(db->pool, deadline, &conn, &own);
  if (!status) {
    status = tndb_exchange_single(conn, tndb_buffer_text(&sql), &values, deadline, &rows, &own);
  }
  bool used = !status && PQntuples(rows) == 1;
  if (used && strcmp(PQgetvalue(rows, 0, 1), new_tenant->spec.hash) == 0) {
    status = tndb_tenant_read(db, conn, PQgetvalue(rows, 0, 0), false, deadline, tenant, &own);
  } else if (used) {
    status = tndb_origin(&own, TENANTDB_CONFLICT, TENANTDB_REASON_IDEMPOTENCY_MISMATCH,
                         "the idempotency key was used for another request; use a new key for a new request");
    tndb_error_set_retry(&own, TENANTDB_RETRY_NEVER);
  }
  PQclear(rows);
  tndb_pool_release(conn);
  if (!status && !used) {
    return error && *error ? tenantdb_error_status(*error) : TENANTDB_ALREADY_EXISTS;
  }
  if (error) {
    tenantdb_error_free(*error);
    *error = NULL;
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

/* ---------------------------------------------------------------- create and register */

static tenantdb_status queue_all(tndb_work *work, const creation *new_tenant, tndb_provision *provision,
                                 size_t *insert, size_t *views, tenantdb_error **error) {
  *insert = queue_tenant(work, new_tenant, error);
  if (*insert == TNDB_NONE && error && *error) {
    return TENANTDB_MEMORY;
  }
  queue_record(work, new_tenant);
  *views = new_tenant->active ? tndb_views_mark(work, new_tenant->spec.id) : TNDB_NONE;
  return new_tenant->active
             ? tndb_provision_queue(provision, work, new_tenant->spec.id, new_tenant->names.schema,
                                    new_tenant->names.role, new_tenant->login, error)
             : TENANTDB_OK;
}

static tenantdb_status run_creation(const creation *new_tenant, tenantdb_tenant **tenant,
                                    tenantdb_error **error) {
  char lock[TNDB_NAME_SIZE + 8] = "slug:";
  tndb_work work;
  tndb_provision provision = {0};
  size_t insert = TNDB_NONE, views = TNDB_NONE;
  PGresult *row = NULL, *marked = NULL;
  bool committed = false;
  tndb_naming_fold(new_tenant->slug, lock + 5);
  tenantdb_status status = tndb_work_start(&work, new_tenant->db, lock, true, error);
  if (!status) {
    status = queue_all(&work, new_tenant, &provision, &insert, &views, error);
  }
  if (!status) {
    status = tndb_work_commit(&work, error);
    committed = !status;
    bool answered = work.conn != NULL; /* not so when the outcome was found out on another connection */
    size_t failed = answered ? tndb_exchange_failed(work.conn) : TNDB_NONE;
    if (status && *error && failed != TNDB_NONE && failed == insert) {
      status = explain_insert(new_tenant, error);
    } else if (status && answered && tndb_provision_explain(&provision, &work, error)) {
      status = tenantdb_error_status(*error);
    }
    row = answered ? tndb_exchange_take(work.conn, insert) : NULL;
    marked = committed ? tndb_views_marked(&work, views) : NULL;
  }
  tndb_provision_free(&provision);
  tndb_work_end(&work);
  if (committed) {
    tndb_config_write_event(
        new_tenant->db->config,
        &(tndb_event){.kind = new_tenant->active ? TNDB_EVENT_TENANT_CREATED : TNDB_EVENT_TENANT_REGISTERED,
                      .tenant = new_tenant->slug,
                      .message = new_tenant->names.schema});
    if (new_tenant->active) {
      tndb_views_follow(new_tenant->db, marked, new_tenant->spec.id);
    }
  }
  if (!status && row) {
    status = tndb_tenant_from_row(new_tenant->db, row, 0, tenant, error);
  } else if (!status) {
    status = tenantdb_tenant_get(new_tenant->db, new_tenant->spec.id, tenant, error);
  }
  PQclear(row);
  return status;
}

/* The password is kept before the transaction begins, and forgotten when nothing came of it. */
static tenantdb_status create_with_login(creation *new_tenant, tenantdb_tenant **tenant,
                                         tenantdb_error **error) {
  tndb_login login;
  if (!new_tenant->active || new_tenant->db->level < TENANTDB_ISOLATION_LOGIN) {
    return run_creation(new_tenant, tenant, error);
  }
  tenantdb_status status =
      tndb_login_make(&login, new_tenant->db, new_tenant->spec.id, new_tenant->names.role, NULL, error);
  if (!status) {
    new_tenant->login = &login;
    status = run_creation(new_tenant, tenant, error);
    tndb_login_settle(&login, status, NULL);
    new_tenant->login = NULL;
  }
  return status;
}

static tenantdb_status create(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec, bool active,
                              tenantdb_tenant **out, tenantdb_error **error) {
  tndb_error_reset(error);
  if (out) {
    *out = NULL;
  }
  creation new_tenant = {.db = db, .slug = slug, .action = active ? "create" : "register", .active = active};
  tenantdb_tenant *tenant = NULL;
  tenantdb_error *own = NULL;
  tenantdb_status status = tndb_database_check(db, &own);
  if (!status) {
    status = tenantdb_slug_check(slug, slug ? strlen(slug) : 0, &own);
  }
  if (!status) {
    status = tndb_spec_read(spec, new_tenant.action, slug, &new_tenant.spec, &own);
  }
  if (!status) {
    status = tndb_naming_make(db, slug, new_tenant.spec.id, &new_tenant.names, &own);
  }
  if (!status) {
    status = tndb_registry_hash(db->registry, TENANTDB_BASE_TENANT, new_tenant.hash, &own);
  }
  if (!status) {
    status = create_with_login(&new_tenant, &tenant, &own);
    if (status && same_key_used(own, &new_tenant)) {
      status = answer_again(&new_tenant, &tenant, &own);
    }
  }
  if (status) {
    tndb_error_set_tenant(&own, slug);
    return tndb_error_pass(error, own);
  }
  tndb_tenants_forget(db);
  if (out) {
    *out = tenant;
  } else {
    tenantdb_tenant_free(tenant);
  }
  return TENANTDB_OK;
}

tenantdb_status tenantdb_tenant_create(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec,
                                       tenantdb_tenant **tenant, tenantdb_error **error) {
  return create(db, slug, spec, true, tenant, error);
}

tenantdb_status tenantdb_tenant_register(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec,
                                         tenantdb_tenant **tenant, tenantdb_error **error) {
  return create(db, slug, spec, false, tenant, error);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Bringing tenants into being: create, register, activate. */
#include "tenant/creation.h"

#include <string.h>

#include "base/buffer.h"
#include "tenant/access.h"
#include "tenant/view.h"

static bool is_provisioned(const tndb_creation *creation) {
  return creation->state != TENANTDB_TENANT_PENDING;
}

/* ---------------------------------------------------------------- the rows */

void tndb_creation_lock(const tndb_creation *creation, char lock[TNDB_CREATION_LOCK_SIZE]) {
  memcpy(lock, "slug:", 5);
  tndb_naming_fold(creation->slug, lock + 5);
}

void tndb_creation_queue_row(tndb_creation *creation, tndb_work *work) {
  bool there = is_provisioned(creation);
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(
      &sql,
      "WITH t AS (INSERT INTO %stenants (id, slug, name, schema_name, role_name, state, registry_hash, "
      "version,"
      " properties, credential) VALUES ($1, $2, $3, $4, $5, $6, $7, %lld, coalesce($8::jsonb, '{}'), $9)"
      " RETURNING *)"
      " SELECT " TNDB_TENANT_COLUMNS " FROM t",
      work->db->catalog, (long long)(there ? creation->birth.version : 0));
  const char *values[] = {
      creation->spec.id,
      creation->slug,
      creation->spec.name,
      creation->names.schema,
      creation->names.role[0] ? creation->names.role : NULL,
      tndb_tenant_state_name(creation->state),
      there ? creation->hash : NULL,
      creation->spec.properties,
      creation->login && creation->login->credential[0] ? creation->login->credential : NULL};
  tndb_work_fail_if(work, sql.failed);
  creation->insert = sql.failed ? TNDB_NONE : tndb_work_send(work, tndb_buffer_text(&sql), 9, values);
}

void tndb_creation_queue_record(tndb_creation *creation, tndb_work *work) {
  tndb_record record = {creation->spec.id,
                        creation->action,
                        NULL,
                        tndb_tenant_state_name(creation->state),
                        creation->spec.key,
                        creation->spec.key ? creation->spec.hash : NULL,
                        creation->detail};
  tndb_work_record(work, &record);
  if (is_provisioned(creation) && !creation->standby.taken) { /* else they are there */
    tndb_birth_queue(&creation->birth, work, creation->spec.id);
  }
  creation->views = is_provisioned(creation) ? tndb_views_mark(work, creation->spec.id) : TNDB_NONE;
}

/* ---------------------------------------------------------------- what went wrong */

tenantdb_status tndb_creation_explain(const tndb_creation *creation, tenantdb_error **error) {
  const char *constraint = tenantdb_error_constraint(*error);
  const char *code = tenantdb_error_sqlstate(*error);
  if (strcmp(constraint, "tenants_slug_key") == 0) {
    return tndb_origin(error, TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SLUG_TAKEN,
                       "there is a tenant \"%s\" already (slugs are compared without regard to case)",
                       creation->slug);
  }
  if (strcmp(constraint, "tenants_schema_key") == 0 || strcmp(constraint, "tenants_role_key") == 0) {
    bool role = strcmp(constraint, "tenants_role_key") == 0;
    return tndb_origin(
        error, TENANTDB_ALREADY_EXISTS, role ? TENANTDB_REASON_ROLE_TAKEN : TENANTDB_REASON_SCHEMA_TAKEN,
        "another tenant has the %s \"%s\"; choose another slug, or a template with {hash} or {id}",
        role ? "role" : "schema", role ? creation->names.role : creation->names.schema);
  }
  if (strcmp(constraint, "tenants_pkey") == 0) {
    return tndb_origin(error, TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_ID_TAKEN,
                       "there is a tenant with id %s already", creation->spec.id);
  }
  if (strcmp(code, "22P02") == 0 || strcmp(constraint, "tenants_properties_object") == 0) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_PROPERTIES,
                       "the properties of tenant %s are not a JSON object", creation->slug);
  }
  return tenantdb_error_status(*error);
}

static bool same_key_used(const tenantdb_error *error, const tndb_creation *creation) {
  return creation->spec.key && tenantdb_error_status(error) != TENANTDB_UNKNOWN &&
         (tenantdb_error_status(error) == TENANTDB_ALREADY_EXISTS ||
          strcmp(tenantdb_error_constraint(error), "operations_idempotency_key") == 0);
}

static tenantdb_status look_for_key(const tndb_creation *creation, tenantdb_tenant **tenant,
                                    tenantdb_error **error) {
  tenantdb *db = creation->db;
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_conn *conn;
  PGresult *rows = NULL;
  tenantdb_error *own = NULL;
  const char *key = creation->spec.key;
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
  if (used && strcmp(PQgetvalue(rows, 0, 1), creation->spec.hash) == 0) {
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

tenantdb_status tndb_creation_answer_again(const tndb_creation *creation, tenantdb_tenant **tenant,
                                           tenantdb_error **error) {
  return same_key_used(*error, creation) ? look_for_key(creation, tenant, error)
                                         : tenantdb_error_status(*error);
}

void tndb_creation_tell(const tndb_creation *creation, PGresult *marked) {
  tndb_config_write_event(creation->db->config,
                          &(tndb_event){.kind = is_provisioned(creation) ? TNDB_EVENT_TENANT_CREATED
                                                                         : TNDB_EVENT_TENANT_REGISTERED,
                                        .tenant = creation->slug,
                                        .message = creation->names.schema});
  if (creation->stands_by) {
    tndb_standby_tell(creation->db, creation->slug, creation->standby.taken);
  }
  if (is_provisioned(creation)) {
    tndb_views_follow(creation->db, marked, creation->spec.id);
  }
}

tenantdb_status tndb_creation_result(const tndb_creation *creation, PGresult *row, tenantdb_tenant **tenant,
                                     tenantdb_error **error) {
  return row ? tndb_tenant_from_row(creation->db, row, 0, tenant, error)
             : tenantdb_tenant_get(creation->db, creation->spec.id, tenant, error);
}

tenantdb_status tndb_creation_prepare(tndb_creation *creation, const char *request,
                                      const tenantdb_tenant_spec *spec, tenantdb_error **error) {
  const char *slug = creation->slug;
  tenantdb_status status = tenantdb_slug_check(slug, slug ? strlen(slug) : 0, error);
  if (!status) {
    status = tndb_spec_read(spec, request, slug, &creation->spec, error);
  }
  if (!status) {
    status = tndb_naming_make(creation->db, slug, creation->spec.id, &creation->names, error);
  }
  if (!status) {
    status = tndb_registry_hash(creation->db->registry, TENANTDB_BASE_TENANT, creation->hash, error);
  }
  creation->birth = tndb_birth_begin(creation->db);
  return status;
}

/* ---------------------------------------------------------------- create and register */

/* Who has a standby schema has its id, and so other names. */
static tenantdb_status take_standby(tndb_creation *creation, tndb_work *work, tenantdb_error **error) {
  tndb_standby *standby = &creation->standby;
  tenantdb_status status = tndb_standby_take(standby, work, &creation->birth, creation->hash, error);
  if (status || !standby->taken) {
    return status;
  }
  memcpy(creation->spec.id, standby->id, sizeof creation->spec.id);
  creation->detail = "{\"standby\": true}";
  return tndb_naming_make(creation->db, creation->slug, creation->spec.id, &creation->names, error);
}

/* Its place in the exchange stands for that of making what it saves to make: a name may be taken here as there. */
static void queue_standby(tndb_creation *creation, tndb_work *work, tndb_provision *provision) {
  tndb_standby_queue(&creation->standby, work, &creation->names);
  *provision = (tndb_provision){.schema = creation->names.schema,
                                .role = creation->names.role,
                                .birth = &creation->birth,
                                .create_role = creation->standby.rename_role,
                                .create_schema = creation->standby.rename_schema,
                                .first_ddl = TNDB_NONE,
                                .proof = TNDB_NONE,
                                .verify = TNDB_NONE,
                                .join = TNDB_NONE};
}

static tenantdb_status queue_all(tndb_creation *creation, tndb_work *work, tndb_provision *provision,
                                 tenantdb_error **error) {
  tenantdb_status status = creation->stands_by ? take_standby(creation, work, error) : TENANTDB_OK;
  if (status) {
    return status;
  }
  tndb_creation_queue_row(creation, work);
  tndb_creation_queue_record(creation, work);
  if (creation->standby.taken) {
    queue_standby(creation, work, provision);
    return TENANTDB_OK;
  }
  if (!is_provisioned(creation)) {
    return TENANTDB_OK;
  }
  status = tndb_provision_queue(provision, work, creation->spec.id, creation->names.schema,
                                creation->names.role, creation->login, &creation->birth, error);
  if (!status && creation->state == TENANTDB_TENANT_ACTIVE) {
    tndb_provision_join(provision, work);
  } else if (!status && creation->names.role[0]) {
    tndb_access_close(work, creation->names.schema, creation->names.role);
  }
  return status;
}

/* What the failure of a transaction that was sent means. */
static tenantdb_status explain_failure(tndb_creation *creation, const tndb_work *work,
                                       const tndb_provision *provision, tenantdb_error **error) {
  size_t failed = work->conn ? tndb_exchange_failed(work->conn) : TNDB_NONE;
  if (*error && failed != TNDB_NONE && failed == creation->insert) {
    return tndb_creation_explain(creation, error);
  }
  if (work->conn) { /* else the outcome was found out on another connection */
    (void)tndb_provision_explain(provision, work, error);
  }
  return tenantdb_error_status(*error);
}

/* *blamed: it failed because of the standby schema, and may succeed without one. */
static tenantdb_status run_creation(tndb_creation *creation, bool *blamed, tenantdb_tenant **tenant,
                                    tenantdb_error **error) {
  char lock[TNDB_CREATION_LOCK_SIZE];
  tndb_work work;
  tndb_provision provision = {0};
  PGresult *row = NULL, *marked = NULL;
  tndb_creation_lock(creation, lock);
  tenantdb_status status = tndb_work_start(&work, creation->db, lock, true, error);
  bool started = !status, committed = false;
  if (!status) {
    status = queue_all(creation, &work, &provision, error);
  }
  bool queued = !status;
  if (!status) {
    status = tndb_work_commit(&work, error);
    committed = !status;
  }
  *blamed =
      status && started && creation->stands_by && tndb_standby_is_to_blame(&creation->standby, &work, *error);
  if (status && queued) {
    status = explain_failure(creation, &work, &provision, error);
  }
  if (committed) {
    row = work.conn ? tndb_exchange_take(work.conn, creation->insert) : NULL;
    marked = tndb_views_marked(&work, creation->views);
  }
  tndb_provision_free(&provision);
  tndb_work_end(&work);
  if (committed) {
    tndb_creation_tell(creation, marked);
    status = tndb_creation_result(creation, row, tenant, error);
  }
  PQclear(row);
  return status;
}

/* A standby schema that somebody has spoilt is no reason not to create a tenant: he is made anew. */
static tenantdb_status run_standing_by(tndb_creation *creation, tenantdb_tenant **tenant,
                                       tenantdb_error **error) {
  char id[TNDB_UUID_TEXT];
  bool blamed = false;
  const char *detail = creation->detail;
  memcpy(id, creation->spec.id, sizeof id);
  tenantdb_status status = run_creation(creation, &blamed, tenant, error);
  if (!blamed) {
    return status;
  }
  tenantdb_error_free(*error);
  *error = NULL;
  memcpy(creation->spec.id, id, sizeof id);
  creation->detail = detail;
  creation->stands_by = false;
  creation->standby = (tndb_standby){.taken = false};
  status = tndb_naming_make(creation->db, creation->slug, id, &creation->names, error);
  if (!status) {
    status = run_creation(creation, &blamed, tenant, error);
  }
  if (!status) {
    tndb_standby_tell(creation->db, creation->slug, false);
  }
  return status;
}

/* The password is kept before the transaction begins, and forgotten when nothing came of it. */
static tenantdb_status create_with_login(tndb_creation *creation, tenantdb_tenant **tenant,
                                         tenantdb_error **error) {
  tndb_login login;
  if (!is_provisioned(creation) || creation->db->level < TENANTDB_ISOLATION_LOGIN) {
    return run_standing_by(creation, tenant, error);
  }
  tenantdb_status status =
      tndb_login_make(&login, creation->db, creation->spec.id, creation->names.role, NULL, error);
  if (!status) {
    creation->login = &login;
    status = run_standing_by(creation, tenant, error);
    tndb_login_settle(&login, status, NULL);
    creation->login = NULL;
  }
  return status;
}

tenantdb_status tndb_creation_run(tndb_creation *creation, tenantdb_tenant **tenant, tenantdb_error **error) {
  tenantdb_status status = create_with_login(creation, tenant, error);
  return status ? tndb_creation_answer_again(creation, tenant, error) : TENANTDB_OK;
}

tenantdb_status tndb_creation_end(const tndb_creation *creation, tenantdb_status status,
                                  tenantdb_tenant *tenant, tenantdb_tenant **out, tenantdb_error *own,
                                  tenantdb_error **error) {
  if (status) {
    tndb_error_set_tenant(&own, creation->slug);
    return tndb_error_pass(error, own);
  }
  tndb_tenants_forget(creation->db);
  if (out) {
    *out = tenant;
  } else {
    tenantdb_tenant_free(tenant);
  }
  return TENANTDB_OK;
}

static tenantdb_status create(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec, bool active,
                              tenantdb_tenant **out, tenantdb_error **error) {
  tndb_error_reset(error);
  if (out) {
    *out = NULL;
  }
  tndb_creation creation = {.db = db,
                            .slug = slug,
                            .action = active ? "create" : "register",
                            .state = active ? TENANTDB_TENANT_ACTIVE : TENANTDB_TENANT_PENDING};
  tenantdb_tenant *tenant = NULL;
  tenantdb_error *own = NULL;
  tenantdb_status status = tndb_database_check(db, &own);
  if (!status) {
    status = tndb_creation_prepare(&creation, creation.action, spec, &own);
  }
  if (!status) {
    creation.stands_by = active && !creation.spec.id_given && tndb_standby_is_wanted(db);
    status = tndb_creation_run(&creation, &tenant, &own);
  }
  return tndb_creation_end(&creation, status, tenant, out, own, error);
}

tenantdb_status tenantdb_tenant_create(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec,
                                       tenantdb_tenant **tenant, tenantdb_error **error) {
  return create(db, slug, spec, true, tenant, error);
}

tenantdb_status tenantdb_tenant_register(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec,
                                         tenantdb_tenant **tenant, tenantdb_error **error) {
  return create(db, slug, spec, false, tenant, error);
}

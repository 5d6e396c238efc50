/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/password.h"

#include <string.h>

#include "sql/identifier.h"
#include "tenant/transition.h"

static tenantdb_status require_login(const tenantdb *db, const tenantdb_tenant *tenant,
                                     tenantdb_error **error) {
  if (db->level < TENANTDB_ISOLATION_LOGIN) {
    return tndb_origin(
        error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE,
        "the database was opened at isolation level %s, and tenants have passwords at level login "
        "alone",
        tenantdb_isolation_name(db->level));
  }
  return tenant->role[0]
             ? TENANTDB_OK
             : tndb_origin(error, TENANTDB_ISOLATION, TENANTDB_REASON_TENANT_HAS_NO_ROLE,
                           "tenant %s was provisioned at isolation level routing and has no role: "
                           "tenantdb_reconcile() gives it one",
                           tenant->slug);
}

static tenantdb_status queue_role(tndb_work *work, const tndb_login *login, const tenantdb_tenant *tenant,
                                  tenantdb_error **error) {
  bool active = tenant->state == TENANTDB_TENANT_ACTIVE;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, "ALTER ROLE ");
  tndb_quote_identifier(&sql, tenant->role);
  tndb_buffer_append(&sql, active ? " LOGIN" : " NOLOGIN");
  if (!tndb_login_append(login, work->conn, &sql) || sql.failed) {
    return tndb_no_memory(error);
  }
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  tenantdb_status status = tndb_work_set_path(work, tenant->schema, error);
  if (!status) {
    tndb_login_keep_path(work, tenant->role);
  }
  return status;
}

static tenantdb_status change(tenantdb *db, const tenantdb_tenant *before, const char *action,
                              const tndb_login *login, tenantdb_error **error) {
  tndb_work work;
  tenantdb_tenant *tenant = NULL;
  tenantdb_status status = tndb_change_start(&work, db, before->id, &tenant, error);
  if (!status) {
    uint32_t ended = TNDB_STATE_BIT(TENANTDB_TENANT_PENDING) | TNDB_STATE_BIT(TENANTDB_TENANT_DELETING) |
                     TNDB_STATE_BIT(TENANTDB_TENANT_DELETED);
    status = tndb_change_require(tenant, ~ended, action, error);
  }
  if (!status && tenant->generation != before->generation) {
    status = tndb_origin(error, TENANTDB_CONFLICT, TENANTDB_REASON_TENANT_CHANGED,
                         "tenant %s was changed meanwhile; try again", tenant->slug);
  }
  if (!status) {
    const char *state = tndb_tenant_state_name(tenant->state);
    tndb_record what = {tenant->id, action, state, state, NULL, NULL, NULL};
    size_t place = tndb_change_update(&work, tenant, "credential = $3::uuid",
                                      login->credential[0] ? login->credential : NULL);
    tndb_work_record(&work, &what);
    status = queue_role(&work, login, tenant, error);
    if (!status) {
      status = tndb_change_commit(&work, tenant, place, NULL, NULL, error);
    }
  }
  tndb_work_end(&work);
  tenantdb_tenant_free(tenant);
  return status;
}

tenantdb_status tndb_password_give(tenantdb *db, const char *name, const char *action, const char *given,
                                   tenantdb_error **error) {
  tndb_login login = {.db = NULL};
  tenantdb_tenant *before = NULL;
  tenantdb_status status = tenantdb_tenant_get(db, name, &before, error);
  if (!status) {
    status = require_login(db, before, error);
  }
  if (!status) {
    status = tndb_login_make(&login, db, before->id, before->role, given, error);
  }
  if (!status) {
    status = change(db, before, action, &login, error);
    tndb_login_settle(&login, status, before->credential);
  }
  if (!status && given && tndb_config_number(db->config, TNDB_LOGIN_PASSWORDS) == TNDB_PASSWORDS_CALLER) {
    status = tndb_login_remember(db, before->role, given, error);
  }
  if (status) {
    tndb_error_set_tenant(error, before ? before->slug : name);
  }
  tenantdb_tenant_free(before);
  return status;
}

/* ---------------------------------------------------------------- the public calls */

static tenantdb_status begin_call(tenantdb *db, const char *tenant, tenantdb_error **error) {
  tndb_error_reset(error);
  return tenant ? tndb_database_check(db, error)
                : tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "tenant is NULL");
}

tenantdb_status tenantdb_tenant_rotate_password(tenantdb *db, const char *tenant, tenantdb_error **error) {
  tenantdb_status status = begin_call(db, tenant, error);
  if (!status && db->level >= TENANTDB_ISOLATION_LOGIN &&
      tndb_config_number(db->config, TNDB_LOGIN_PASSWORDS) != TNDB_PASSWORDS_FUNCTIONS) {
    status =
        tndb_origin(error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE,
                    "no functions keep passwords (option login.passwords), so there is nobody to tell a new "
                    "one: tenantdb_tenant_set_password() sets one of yours");
  }
  return status ? status : tndb_password_give(db, tenant, "rotate password", NULL, error);
}

tenantdb_status tenantdb_tenant_set_password(tenantdb *db, const char *tenant, const char *password,
                                             tenantdb_error **error) {
  tenantdb_status status = begin_call(db, tenant, error);
  if (!status && (!password || !*password)) {
    status = tndb_origin(error, TENANTDB_ARGUMENT,
                         password ? TENANTDB_REASON_BAD_ARGUMENT : TENANTDB_REASON_NULL_ARGUMENT,
                         "the password is %s", password ? "empty" : "NULL");
  }
  return status ? status : tndb_password_give(db, tenant, "set password", password, error);
}

tenantdb_status tenantdb_tenant_use_password(tenantdb *db, const char *name, const char *password,
                                             tenantdb_error **error) {
  tenantdb_tenant *tenant = NULL;
  tenantdb_status status = begin_call(db, name, error);
  if (!status) {
    status = tenantdb_tenant_get(db, name, &tenant, error);
  }
  if (!status) {
    status = require_login(db, tenant, error);
  }
  if (!status) {
    status = tndb_login_remember(db, tenant->role, password, error);
  }
  tenantdb_tenant_free(tenant);
  return status;
}

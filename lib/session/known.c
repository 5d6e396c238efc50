/* SPDX-License-Identifier: PostgreSQL */
#include "session/known.h"

tenantdb_status tndb_session_require_open(const tenantdb *db, const tenantdb_tenant *tenant,
                                          tenantdb_error **error) {
  tenantdb_status status =
      tndb_session_require_active(tenant->slug, tenant->state, tenant->properties, error);
  return status ? status : tndb_session_require_role(db, tenant, error);
}

tenantdb_status tndb_session_open_known(tenantdb *db, tenantdb_tenant *tenant, tndb_conn *conn,
                                        const tndb_session_settings *settings, tenantdb_session **out,
                                        tenantdb_error **error) {
  tenantdb_session *session = NULL;
  tenantdb_status status = tndb_session_new(db, settings, &session, error);
  if (status) {
    tndb_pool_release(conn);
    tenantdb_tenant_free(tenant);
    return status;
  }
  bool own = db->level >= TENANTDB_ISOLATION_LOGIN;
  const char *role = db->level >= TENANTDB_ISOLATION_ROLE && !own ? tenant->role : NULL;
  session->conn = conn;
  session->tenant = tenant;
  session->scope = (tndb_scope){tenant->path, tenant->schema, role, NULL, own};
  session->unprepared = true;
  *out = session;
  return TENANTDB_OK;
}

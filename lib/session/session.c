/* SPDX-License-Identifier: PostgreSQL */
/* Opening and closing sessions. */
#include "session/session.h"

#include "base/buffer.h"
#include "base/memory.h"
#define MAGIC 0x73657373u /* "sess" */

tenantdb_status tndb_session_check(const tenantdb_session *session, tenantdb_error **error) {
  if (!session) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "session is NULL");
  }
  if (session->magic != MAGIC) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE,
                       "session is not an open session");
  }
  tenantdb_status status = tndb_database_check(session->db, error);
  if (!status && session->state == TNDB_SESSION_BROKEN) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_SESSION_BROKEN,
                         "the session's connection is gone: close the session and open another");
    tndb_error_set_retry(error, TENANTDB_RETRY_NEW_SESSION);
  }
  if (!status && session->call.stage != TNDB_CALL_NONE) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_CALL_UNDER_WAY,
                         "another call of this session is under way: finish it first");
  }
  return status;
}

void tndb_session_break(tenantdb_session *session) {
  session->state = TNDB_SESSION_BROKEN;
  if (session->conn) {
    session->conn->dead = true;
    tndb_pool_release(session->db->pool, session->conn);
    session->conn = NULL;
  }
}

/* ---------------------------------------------------------------- opening */

tenantdb_status tndb_session_require_active(const char *slug, int32_t state, tenantdb_error **error) {
  if (state == TENANTDB_TENANT_ACTIVE) {
    return TENANTDB_OK;
  }
  if (state == TENANTDB_TENANT_DELETED) {
    return tndb_tenant_unknown(slug, error);
  }
  const char *way = state == TENANTDB_TENANT_PENDING     ? "; tenantdb_tenant_activate() provisions it"
                    : state == TENANTDB_TENANT_SUSPENDED ? "; tenantdb_tenant_resume() opens it again"
                    : state == TENANTDB_TENANT_ARCHIVED  ? "; tenantdb_tenant_restore() brings it back"
                                                         : "";
  (void)tndb_origin(error, TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE,
                    "tenant %s is %s, and sessions open only on an active one%s", slug,
                    tndb_tenant_state_name(state), way);
  tndb_error_set_tenant(error, slug);
  return TENANTDB_UNAVAILABLE;
}

static tenantdb_status require_role(const tenantdb *db, const tenantdb_tenant *tenant,
                                    tenantdb_error **error) {
  if (db->level < TENANTDB_ISOLATION_ROLE || tenant->role[0]) {
    return TENANTDB_OK;
  }
  (void)tndb_origin(
      error, TENANTDB_ISOLATION, TENANTDB_REASON_TENANT_HAS_NO_ROLE,
      "tenant %s was provisioned at isolation level routing and has no role: tenantdb_reconcile() "
      "gives it one",
      tenant->slug);
  tndb_error_set_tenant(error, tenant->slug);
  return TENANTDB_ISOLATION;
}

/* The server is told the deadline too: then it stops by itself, and nothing has to be cancelled. */
static const char *timeout_text(tenantdb_session *session) {
  return session->timeout_ms > 0 ? session->timeout_text : NULL;
}

static tenantdb_status bind_to_tenant(tenantdb_session *session, const char *name, tenantdb_error **error) {
  tenantdb *db = session->db;
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
  tenantdb_status status = tndb_catalog_require(db, session->conn, deadline, error);
  if (!status) {
    status = tndb_tenant_lookup(db, session->conn, name, deadline, &session->tenant, error);
  }
  if (!status) {
    status = tndb_session_require_active(session->tenant->slug, session->tenant->state, error);
  }
  if (!status) {
    status = require_role(db, session->tenant, error);
  }
  if (!status) {
    const tenantdb_tenant *tenant = session->tenant;
    session->scope =
        (tndb_scope){tenant->path, tenant->schema, db->level >= TENANTDB_ISOLATION_ROLE ? tenant->role : NULL,
                     timeout_text(session)};
  }
  return status;
}

static tenantdb_status bind_to_shared(tenantdb_session *session, tenantdb_error **error) {
  tndb_buffer path = TNDB_BUFFER_INIT;
  const char *schema = tndb_database_shared_schema(session->db);
  tndb_path_append(&path, session->db, schema);
  session->path = tndb_buffer_take(&path);
  session->scope = (tndb_scope){session->path, schema, NULL, timeout_text(session)};
  return session->path ? TENANTDB_OK : tndb_no_memory(error);
}

static bool format_timeout(tenantdb_session *session) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  if (session->timeout_ms > 0) {
    tndb_buffer_format(&text, "%lld", (long long)session->timeout_ms);
    for (size_t i = 0; !text.failed && i <= text.length; i++) {
      session->timeout_text[i] = text.data[i];
    }
  }
  return !text.failed;
}

/* `tenant` NULL: a shared session. */
static tenantdb_status open_session(tenantdb *db, const char *tenant, const tenantdb_session_options *options,
                                    tenantdb_session **out, tenantdb_error **error) {
  tndb_session_settings settings;
  tenantdb_status status = tndb_session_settings_read(db, options, &settings, error);
  if (status) {
    return status;
  }
  tenantdb_session *session = tndb_new(tenantdb_session);
  if (!session) {
    return tndb_no_memory(error);
  }
  session->magic = MAGIC;
  session->db = tndb_database_hold(db);
  session->timeout_ms = settings.timeout_ms;
  session->read_only = settings.read_only;
  if (!format_timeout(session)) {
    tenantdb_session_close(session);
    return tndb_no_memory(error);
  }
  status = tndb_pool_lease(db->pool, tndb_deadline_in(session->timeout_ms), &session->conn, error);
  if (!status) {
    status = tenant ? bind_to_tenant(session, tenant, error) : bind_to_shared(session, error);
  }
  if (status) {
    tenantdb_session_close(session);
    return status;
  }
  *out = session;
  return TENANTDB_OK;
}

tenantdb_status tenantdb_session_open(tenantdb *db, const char *tenant,
                                      const tenantdb_session_options *options, tenantdb_session **session,
                                      tenantdb_error **error) {
  tndb_error_reset(error);
  if (session) {
    *session = NULL;
  }
  if (!session || !tenant) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       session ? "tenant" : "session");
  }
  tenantdb_status status = tndb_database_check(db, error);
  return status ? status : open_session(db, tenant, options, session, error);
}

tenantdb_status tenantdb_session_open_shared(tenantdb *db, const tenantdb_session_options *options,
                                             tenantdb_session **session, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!session) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "session is NULL");
  }
  *session = NULL;
  tenantdb_status status = tndb_database_check(db, error);
  return status ? status : open_session(db, NULL, options, session, error);
}

/* ---------------------------------------------------------------- closing */

const char *tenantdb_session_tenant(const tenantdb_session *session) {
  return session && session->tenant ? session->tenant->id : "";
}

const char *tenantdb_session_schema(const tenantdb_session *session) {
  return session && session->scope.schema ? session->scope.schema : "";
}

void tenantdb_session_close(tenantdb_session *session) {
  if (!session || session->magic != MAGIC) {
    return;
  }
  session->magic = 0;
  tndb_conn *conn = session->conn;
  if (conn && !conn->dead && !tndb_conn_is_idle(conn)) {
    tndb_deadline soon =
        tndb_deadline_in(tndb_config_number(session->db->config, TNDB_DATABASE_CONNECT_TIMEOUT));
    (void)tndb_exchange_rollback(conn, soon, NULL);
  }
  tndb_pool_release(session->db->pool, conn);
  tenantdb_tenant_free(session->tenant);
  tndb_free(session->path);
  tndb_free(session->begin_sql);
  tndb_database_release(session->db);
  tndb_free(session);
}

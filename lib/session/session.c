/* SPDX-License-Identifier: PostgreSQL */
/* Opening and closing sessions. */
#include "session/session.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "catalog/login.h"
#include "pg/copy.h"
#include "session/account.h"
#include "session/values.h"
tenantdb_status tndb_session_check_handle(const tenantdb_session *session, tenantdb_error **error) {
  if (!session) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "session is NULL");
  }
  if (session->magic != TNDB_SESSION_MAGIC) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE,
                       "session is not an open session");
  }
  return tndb_database_check(session->db, error);
}

tenantdb_status tndb_session_check(const tenantdb_session *session, tenantdb_error **error) {
  tenantdb_status status = tndb_session_check_handle(session, error);
  if (!status && (session->call.stage != TNDB_CALL_NONE || session->copying)) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_CALL_UNDER_WAY,
                         "another call, stream or COPY of this session is under way: finish it first");
  }
  if (!status && session->state == TNDB_SESSION_BROKEN) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_SESSION_BROKEN,
                         "the session's connection is gone: close the session and open another");
    tndb_error_set_retry(error, TENANTDB_RETRY_NEW_SESSION);
  }
  return status;
}

/* Take the connection from the session, so that no other thread cancels on it any more. */
static tndb_conn *take_connection(tenantdb_session *session) {
  tndb_mutex_lock(&session->cancel_mutex);
  tndb_conn *conn = session->conn;
  session->conn = NULL;
  tndb_mutex_unlock(&session->cancel_mutex);
  return conn;
}

/* Where the connection came from: the pool, or the caller. False: an adopted one is in doubt. */
static bool give_back(tenantdb_session *session, tndb_conn *conn) {
  if (conn && session->adopted) {
    return tndb_conn_give_back(conn);
  }
  tndb_pool_release(conn);
  return true;
}

void tndb_session_break(tenantdb_session *session) {
  session->state = TNDB_SESSION_BROKEN;
  tndb_conn *conn = take_connection(session);
  if (conn) {
    conn->dead = true;
    (void)give_back(session, conn);
  }
}

tenantdb_status tenantdb_session_cancel(tenantdb_session *session, tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_session_check_handle(session, error);
  if (status) {
    return status;
  }
  tndb_mutex_lock(&session->cancel_mutex);
  if (session->conn && !tndb_conn_cancel_from_outside(session->conn)) {
    status = tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
                         "the request to cancel could not be sent");
  }
  tndb_mutex_unlock(&session->cancel_mutex);
  return status;
}

/* ---------------------------------------------------------------- opening */

tenantdb_status tndb_session_require_active(const char *slug, int32_t state, const char *properties,
                                            tenantdb_error **error) {
  tndb_auto_buffer place = TNDB_BUFFER_INIT;
  if (state == TENANTDB_TENANT_ACTIVE) {
    return TENANTDB_OK;
  }
  if (state == TENANTDB_TENANT_DELETED) {
    return tndb_tenant_unknown(slug, error);
  }
  if (state == TENANTDB_TENANT_ARCHIVED && tndb_tenant_moved_to(properties, &place)) {
    (void)tndb_origin(error, TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_MOVED,
                      "tenant %s was moved to %s; sessions open there", slug, tndb_buffer_text(&place));
    tndb_error_set_tenant(error, slug);
    return TENANTDB_UNAVAILABLE;
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

tenantdb_status tndb_session_require_role(const tenantdb *db, const tenantdb_tenant *tenant,
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

/*
 * In a mixed fleet: new code waits for a tenant that is not migrated yet, or is
 * told. What the cache says may be old, so it is the catalog that is asked.
 */
static tenantdb_status require_version(tenantdb_session *session, const tndb_session_settings *settings,
                                       tenantdb_error **error) {
  tndb_deadline patience = tndb_clock_ms() + settings->wait_version_ms;
  int64_t allowed = tndb_config_number(session->db->config, TNDB_OPERATION_TIMEOUT);
  while (session->tenant->version < settings->min_version) {
    tndb_deadline deadline = tndb_deadline_in(allowed); /* of one look; the wait may be longer */
    tenantdb_tenant *fresh = NULL;
    tenantdb_status status =
        tndb_tenant_read(session->db, session->conn, session->tenant->id, false, deadline, &fresh, error);
    if (status) {
      return status;
    }
    tenantdb_tenant_free(session->tenant);
    session->tenant = fresh;
    if (fresh->state != TENANTDB_TENANT_ACTIVE) {
      return TENANTDB_OK; /* which the caller finds out; nothing is worth waiting for */
    }
    int left = tndb_deadline_left(patience);
    if (fresh->version < settings->min_version && left == 0) {
      (void)tndb_origin(
          error, TENANTDB_MIGRATION, TENANTDB_REASON_TENANT_BEHIND,
          "tenant %s has its schema at version %lld and this session needs %lld: migrate it first",
          fresh->slug, (long long)fresh->version, (long long)settings->min_version);
      tndb_error_set_tenant(error, fresh->slug);
      tndb_error_set_retry(error, TENANTDB_RETRY_LATER);
      return TENANTDB_MIGRATION;
    }
    if (fresh->version < settings->min_version) {
      tndb_clock_sleep_ms(left < 100 ? left : 100);
    } else {
      tndb_tenants_forget(session->db);
    }
  }
  return TENANTDB_OK;
}

/* The connection of a session, from the pool unless it has one. `tenant` is whom it counts for. */
static tenantdb_status lease(tenantdb_session *session, const char *tenant, tenantdb_error **error) {
  tndb_lease wanted = {.key = tenant, .deadline = tndb_deadline_in(session->timeout_ms)};
  return session->conn ? TENANTDB_OK : tndb_pool_lease_for(session->db->pool, &wanted, &session->conn, error);
}

/* At level login the connection that looked the tenant up is changed for one of the tenant's own. */
static tenantdb_status move_to_own(tenantdb_session *session, tenantdb_error **error) {
  tenantdb *db = session->db;
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_POOL_TIMEOUT));
  deadline = tndb_deadline_min(deadline, tndb_deadline_in(session->timeout_ms));
  tndb_conn *conn = NULL;
  tndb_pool_release(take_connection(session));
  tenantdb_status status = tndb_login_lease(db, session->tenant, deadline, &conn, error);
  session->scope.role = NULL;
  session->scope.own = true;
  session->conn = conn;
  return status;
}

/*
 * Look the tenant up. Unless the cache knows him that needs a connection, and
 * that counts for him from the beginning: by what he was called when nothing is
 * known, by his id afterwards.
 */
static tenantdb_status find_tenant(tenantdb_session *session, const char *name,
                                   const tndb_session_settings *settings, tenantdb_error **error) {
  tenantdb *db = session->db;
  char key[TNDB_UUID_TEXT];
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
  if (!tndb_tenant_cached(db, name, &session->tenant)) {
    tenantdb_status status = lease(session, tndb_tenant_key(db, name, key) ? key : name, error);
    if (!status) {
      status = tndb_catalog_require(db, session->conn, deadline, error);
    }
    if (!status) {
      status = tndb_tenant_lookup(db, session->conn, name, deadline, &session->tenant, error);
    }
    if (status) {
      return status;
    }
  }
  if (session->tenant->version >= settings->min_version) {
    return TENANTDB_OK;
  }
  tenantdb_status status = lease(session, session->tenant->id, error);
  return status ? status : require_version(session, settings, error);
}

/* Whatever the connection was borrowed as, it is the tenant's by now; he may have his share already. */
static tenantdb_status settle_lease(tenantdb_session *session, tenantdb_error **error) {
  if (session->adopted || session->db->level >= TENANTDB_ISOLATION_LOGIN) {
    return TENANTDB_OK;
  }
  if (session->conn && !tndb_pool_reassign(session->db->pool, session->conn, session->tenant->id)) {
    tndb_pool_release(take_connection(session));
  }
  return lease(session, session->tenant->id, error);
}

static tenantdb_status bind_to_tenant(tenantdb_session *session, const char *name,
                                      const tndb_session_settings *settings, tenantdb_error **error) {
  tenantdb *db = session->db;
  tenantdb_status status = find_tenant(session, name, settings, error);
  if (!status) {
    status = tndb_session_require_active(session->tenant->slug, session->tenant->state,
                                         session->tenant->properties, error);
  }
  if (!status) {
    status = tndb_session_require_role(db, session->tenant, error);
  }
  if (!status) {
    status = settle_lease(session, error);
  }
  if (!status) {
    const tenantdb_tenant *tenant = session->tenant;
    const char *role = db->level >= TENANTDB_ISOLATION_ROLE ? tenant->role : NULL;
    session->scope = (tndb_scope){tenant->path, tenant->schema, role, timeout_text(session), false};
  }
  return status || db->level < TENANTDB_ISOLATION_LOGIN || session->adopted ? status
                                                                            : move_to_own(session, error);
}

static tenantdb_status bind_to_shared(tenantdb_session *session, tenantdb_error **error) {
  tenantdb_status status = lease(session, "", error);
  if (status) {
    return status;
  }
  tndb_buffer path = TNDB_BUFFER_INIT;
  const char *schema = tndb_database_shared_schema(session->db);
  tndb_path_append(&path, session->db, schema);
  session->path = tndb_buffer_take(&path);
  session->scope = (tndb_scope){session->path, schema, NULL, timeout_text(session), false};
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

tenantdb_status tndb_session_new(tenantdb *db, const tndb_session_settings *settings, tenantdb_session **out,
                                 tenantdb_error **error) {
  tenantdb_session *session = tndb_new(tenantdb_session);
  if (!session || !tndb_mutex_init(&session->cancel_mutex)) {
    tndb_free(session);
    return tndb_no_memory(error);
  }
  session->magic = TNDB_SESSION_MAGIC;
  session->db = tndb_database_hold(db);
  session->timeout_ms = settings->timeout_ms;
  session->read_only = settings->read_only;
  session->binary = settings->binary;
  if (!format_timeout(session)) {
    tenantdb_session_close(session);
    return tndb_no_memory(error);
  }
  *out = session;
  return TENANTDB_OK;
}

/* `tenant` NULL: a shared session. `conn` NULL: one from the pool, else an adopted one, taken in both
 * outcomes. */
tenantdb_status tndb_session_open_on(tenantdb *db, tndb_conn *conn, const char *tenant,
                                     const tenantdb_session_options *options, tenantdb_session **out,
                                     tenantdb_error **error) {
  tndb_session_settings settings;
  tenantdb_session *session = NULL;
  tenantdb_status status = tndb_session_settings_read(db, options, &settings, error);
  if (!status) {
    status = tndb_session_new(db, &settings, &session, error);
  }
  if (status) {
    if (conn) {
      (void)tndb_conn_give_back(conn);
    }
    return status;
  }
  session->conn = conn;
  session->adopted = conn != NULL;
  status = tenant ? bind_to_tenant(session, tenant, &settings, error) : bind_to_shared(session, error);
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
  return status ? status : tndb_session_open_on(db, NULL, tenant, options, session, error);
}

tenantdb_status tenantdb_session_open_shared(tenantdb *db, const tenantdb_session_options *options,
                                             tenantdb_session **session, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!session) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "session is NULL");
  }
  *session = NULL;
  tenantdb_status status = tndb_database_check(db, error);
  return status ? status : tndb_session_open_on(db, NULL, NULL, options, session, error);
}

/* ---------------------------------------------------------------- closing */

const char *tenantdb_session_tenant(const tenantdb_session *session) {
  return session && session->tenant ? session->tenant->id : "";
}

const char *tenantdb_session_schema(const tenantdb_session *session) {
  return session && session->scope.schema ? session->scope.schema : "";
}

void tenantdb_session_close(tenantdb_session *session) {
  if (session && session->magic == TNDB_SESSION_MAGIC) {
    (void)tndb_session_end(session);
  }
}

bool tndb_session_end(tenantdb_session *session) {
  /* In a child after fork() locks may be held by threads that are not there, and events are the parent's. */
  bool foreign = session->db->fork != tndb_fork_generation();
  if (!foreign) {
    tndb_account_close(session);
  }
  tndb_stream_orphan(session);
  bool busy = session->call.stage != TNDB_CALL_NONE || session->copying;
  tenantdb_error_free(session->call.error);
  session->magic = 0;
  tndb_conn *conn = foreign ? session->conn : take_connection(session);
  if (conn && busy && !foreign) {
    tndb_conn_cancel(conn); /* the server would go on with what nobody waits for */
    conn->dead = true;
  }
  if (conn && !foreign && !conn->dead && !tndb_conn_is_idle(conn)) {
    tndb_deadline soon =
        tndb_deadline_in(tndb_config_number(session->db->config, TNDB_DATABASE_CONNECT_TIMEOUT));
    (void)tndb_exchange_rollback(conn, soon, NULL);
  }
  bool clean = conn ? give_back(session, conn) : session->state != TNDB_SESSION_BROKEN;
  tndb_copy_release(session->copy_row);
  tndb_item_free(&session->item);
  if (!foreign) {
    tndb_mutex_destroy(&session->cancel_mutex);
  }
  tenantdb_tenant_free(session->tenant);
  tndb_free(session->path);
  tndb_free(session->begin_sql);
  tndb_database_release(session->db);
  tndb_free(session);
  return clean;
}

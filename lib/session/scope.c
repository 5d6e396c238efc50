/* SPDX-License-Identifier: PostgreSQL */
#include "session/scope.h"

#include "base/buffer.h"
#include "catalog/bind.h"
#include "pg/failure.h"

/* The role's own settings are the scope; a tenant's login may not even be allowed to set any. */
static size_t prove_own(const tndb_scope *scope, tndb_conn *conn, bool timed) {
  if (timed) {
    tndb_scope_limit(scope, conn, true);
  }
  return tndb_bind_send_proof(conn, scope->schema);
}

size_t tndb_scope_bind(const tndb_scope *scope, tndb_conn *conn, bool timed) {
  if (scope->own) {
    return prove_own(scope, conn, timed);
  }
  tndb_bind bind = {scope->path, scope->schema, scope->role, timed ? scope->timeout : NULL};
  return tndb_bind_send(conn, &bind);
}

/* As text: at level hardened the tenant's role may not call set_config(). */
void tndb_scope_limit(const tndb_scope *scope, tndb_conn *conn, bool timed) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  if (!scope->timeout) {
    return;
  }
  tndb_buffer_format(&sql, "SET LOCAL statement_timeout = %s", timed ? scope->timeout : "0");
  if (sql.failed) {
    conn->send_failed = true;
  } else {
    (void)tndb_exchange_send(conn, tndb_buffer_text(&sql), NULL);
  }
}

void tndb_scope_bound(tenantdb *db, tndb_conn *conn, size_t place) {
  tndb_strategy_observe(db, conn, tndb_bind_backend(conn, place));
}

tenantdb_status tndb_scope_refused(const tndb_scope *scope, const PGresult *result, tenantdb_error **error) {
  char found[200];
  if (tndb_failure_is_check(result, found)) {
    return tndb_origin(error, TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED,
                       "the scope of schema %s%s%s is not in force (found %s); nothing was run",
                       scope->schema, scope->role ? " and role " : "", scope->role ? scope->role : "", found);
  }
  tenantdb_status status = tndb_failure_of_result(result, error);
  if (status == TENANTDB_CONNECTION || status == TENANTDB_BUSY || status == TENANTDB_TIMEOUT ||
      status == TENANTDB_CANCELLED || status == TENANTDB_MEMORY) {
    return status;
  }
  /* No such role, no right to take it on, no right to the schema: the scope cannot be had. */
  (void)tndb_error_fold(error, TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED);
  tndb_error_prefix(error, "the scope of schema %s%s%s cannot be taken on", scope->schema,
                    scope->role ? " and role " : "", scope->role ? scope->role : "");
  return TENANTDB_ISOLATION;
}

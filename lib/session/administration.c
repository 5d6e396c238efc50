/* SPDX-License-Identifier: PostgreSQL */
/* Statements for a tenant that is named each time: the application's own work across tenants. */
#include "base/memory.h"
#include "session/call.h"
#include "statement/statement.h"

/* Whoever administers must reach the tenants that nobody else can open; but there must be a schema. */
static tenantdb_status require_schema(const tenantdb_tenant *tenant, tenantdb_error **error) {
  switch (tenant->state) {
    case TENANTDB_TENANT_ACTIVE:
    case TENANTDB_TENANT_SUSPENDED:
    case TENANTDB_TENANT_ARCHIVED:
      return TENANTDB_OK;
    case TENANTDB_TENANT_DELETED:
      return tndb_tenant_unknown(tenant->slug, error);
    default:
      break;
  }
  (void)tndb_origin(
      error, TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE,
      "tenant %s is %s and has no schema to run a statement in%s", tenant->slug,
      tndb_tenant_state_name(tenant->state),
      tenant->state == TENANTDB_TENANT_PENDING ? "; tenantdb_tenant_activate() provisions it" : "");
  tndb_error_set_tenant(error, tenant->slug);
  return TENANTDB_UNAVAILABLE;
}

/* The catalog is asked in whatever transaction is open, and may take it along when it fails. */
static void follow(tenantdb_session *session) {
  PGTransactionStatusType now = PQtransactionStatus(session->conn->pg);
  if (session->conn->dead) {
    tndb_session_break(session);
  } else if (session->state == TNDB_SESSION_OPEN && now != PQTRANS_INTRANS) {
    session->state = TNDB_SESSION_FAILED;
  }
}

static tenantdb_status find(tenantdb_session *session, const char *name, tenantdb_tenant **tenant,
                            tenantdb_error **error) {
  tenantdb *db = session->db;
  if (!tndb_tenant_cached(db, name, tenant)) {
    tndb_deadline deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
    deadline = tndb_deadline_min(deadline, tndb_deadline_in(session->timeout_ms));
    tenantdb_status status = tndb_catalog_require(db, session->conn, deadline, error);
    if (!status) {
      status = tndb_tenant_lookup(db, session->conn, name, deadline, tenant, error);
    }
    if (status) {
      follow(session);
      return status;
    }
  }
  return require_schema(*tenant, error);
}

/* ---------------------------------------------------------------- running */

static tenantdb_status check_session(const tenantdb_session *session, tenantdb_error **error) {
  tenantdb_status status = tndb_session_check(session, error);
  if (status) {
    return status;
  }
  if (session->tenant) {
    (void)tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                      "this session is tenant %s's and reaches no other tenant: statements for a tenant that "
                      "is named run in a session of tenantdb_session_open_shared()",
                      session->tenant->slug);
    tndb_error_set_tenant(error, session->tenant->slug);
    return TENANTDB_ARGUMENT;
  }
  return session->state == TNDB_SESSION_FAILED
             ? tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TRANSACTION_FAILED,
                           "the transaction failed earlier: roll it back, or to a savepoint")
             : TENANTDB_OK;
}

static tenantdb_status run_in(tenantdb_session *session, const tenantdb_tenant *tenant,
                              const tenantdb_statement *statement, const tenantdb_params *params,
                              tenantdb_result **result, tenantdb_error **error) {
  tndb_text *text;
  tenantdb_status status = tndb_session_text_for(session, statement, tenant->schema, &text, error);
  if (!status) {
    status = tndb_session_run_text(session, text, params, result, error);
  }
  tndb_text_release(text);
  if (status) {
    tndb_error_set_tenant(error, tenant->slug);
  }
  return status;
}

tenantdb_status tenantdb_session_run_for(tenantdb_session *session, const char *tenant,
                                         const tenantdb_statement *statement, const tenantdb_params *params,
                                         tenantdb_result **result, tenantdb_error **error) {
  tenantdb_tenant *found = NULL;
  tndb_error_reset(error);
  if (result) {
    *result = NULL;
  }
  if (!tenant) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "tenant is NULL");
  }
  tenantdb_status status = check_session(session, error);
  if (!status) {
    status = tndb_statement_check(statement, error);
  }
  if (!status) {
    status = find(session, tenant, &found, error);
  }
  if (!status) {
    status = run_in(session, found, statement, params, result, error);
  }
  tenantdb_tenant_free(found);
  return status;
}

/* ---------------------------------------------------------------- as text */

/* With a connection of its own while it takes, unless the tenant is known. */
static tenantdb_status find_alone(tenantdb *db, const char *name, tenantdb_tenant **tenant,
                                  tenantdb_error **error) {
  tenantdb_session *session = NULL;
  if (tndb_tenant_cached(db, name, tenant)) {
    return require_schema(*tenant, error);
  }
  tenantdb_status status = tndb_session_open_on(db, NULL, NULL, NULL, &session, error);
  if (!status) {
    status = find(session, name, tenant, error);
  }
  tenantdb_session_close(session);
  return status;
}

tenantdb_status tenantdb_statement_for(tenantdb *db, const char *tenant, const tenantdb_statement *statement,
                                       char **sql, tenantdb_error **error) {
  tenantdb_tenant *found = NULL;
  tndb_error_reset(error);
  if (sql) {
    *sql = NULL;
  }
  if (!tenant || !sql) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       tenant ? "sql" : "tenant");
  }
  tenantdb_status status = tndb_database_check(db, error);
  if (!status) {
    status = tndb_statement_check(statement, error);
  }
  if (!status) {
    status = find_alone(db, tenant, &found, error);
  }
  if (!status) {
    status = tenantdb_statement_text(statement, found->schema, tndb_database_shared_schema(db), sql, error);
  }
  tenantdb_tenant_free(found);
  return status;
}

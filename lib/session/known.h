/* SPDX-License-Identifier: PostgreSQL */
/* Sessions of tenants that were read already: for who opens many and must not look each of them up. */
#ifndef TNDB_SESSION_KNOWN_H
#define TNDB_SESSION_KNOWN_H

#include "session/session.h"

/* Whether a session could open on the tenant, as far as is known without asking: UNAVAILABLE, NOT_FOUND, ISOLATION. */
tenantdb_status tndb_session_require_open(const tenantdb *db, const tenantdb_tenant *tenant,
                                          tenantdb_error **error);
/*
 * Open one on a connection that was borrowed for the tenant (at level login: the
 * tenant's own). Tenant and connection are taken in both outcomes. The server is
 * not told the deadline, and statements are not kept prepared.
 */
tenantdb_status tndb_session_open_known(tenantdb *db, tenantdb_tenant *tenant, tndb_conn *conn,
                                        const tndb_session_settings *settings, tenantdb_session **session,
                                        tenantdb_error **error);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/* Passwords of tenants' logins: a new one, or the first one. */
#ifndef TNDB_TENANT_PASSWORD_H
#define TNDB_TENANT_PASSWORD_H

#include "catalog/login.h"

/*
 * Let the tenant's role log in, as the level asks for it: with a new password
 * (`given`, or one of ours where functions keep them), the tenant's path as its
 * own. What is needed for a tenant that was made at a lower level.
 */
tenantdb_status tndb_password_give(tenantdb *db, const char *tenant, const char *action, const char *given,
                                   tenantdb_error **error);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Logins: at level login every tenant's role can log in, and its connections
 * are the tenant's alone.
 *
 * A password is made here and leaves the process twice: to the function that
 * keeps it, and as a SCRAM verifier to the server. Every password has a name of
 * its own, the credential, and the tenant's row tells which one is in force; it
 * changes in the very transaction that changes the role. So it does not matter
 * where things are interrupted: what is kept and not in force is litter, what is
 * in force is always kept.
 */
#ifndef TNDB_CATALOG_LOGIN_H
#define TNDB_CATALOG_LOGIN_H

#include "catalog/tenants.h"
#include "catalog/work.h"

#define TNDB_PASSWORD_SIZE 65 /* 32 random bytes in hexadecimal and NUL */

/* The choices of login.passwords. */
enum { TNDB_PASSWORDS_FUNCTIONS = 0, TNDB_PASSWORDS_CALLER = 1, TNDB_PASSWORDS_NONE = 2 };

/* A login to be: of a new role, or a new password of an old one. */
typedef struct tndb_login {
  const tenantdb *db;
  const char *tenant; /* its id */
  const char *role;
  char credential[TNDB_UUID_TEXT]; /* "" without a password */
  char password[TNDB_PASSWORD_SIZE];
  const char *given; /* by the caller, instead of ours */
} tndb_login;

/*
 * Make a password, or take the one that is given, and have it kept, when functions keep passwords. No
 * transaction may be open. The strings must outlast the login; tndb_login_settle() when it succeeded.
 */
tenantdb_status tndb_login_make(tndb_login *login, const tenantdb *db, const char *tenant, const char *role,
                                const char *given, tenantdb_error **error);
/* Append the password as a verifier, for CREATE ROLE and ALTER ROLE; false when it cannot be made. */
bool tndb_login_append(const tndb_login *login, const tndb_conn *conn, tndb_buffer *sql);
/*
 * Forget the password; and have the credential that is not in force forgotten: the new one when the change
 * failed, `old` (or NULL) when it succeeded, neither when nobody knows.
 */
void tndb_login_settle(tndb_login *login, tenantdb_status outcome, const char *old);

/* Queue making the path in force the role's own. */
void tndb_login_keep_path(tndb_work *work, const char *role);
/* A connection of the tenant's own, proved to be it. tndb_pool_release() gives it back. */
tenantdb_status tndb_login_lease(tenantdb *db, const tenantdb_tenant *tenant, tndb_deadline deadline,
                                 tndb_conn **conn, tenantdb_error **error);
/* The same without waiting for others: OK and *conn NULL when none is to be had now. */
tenantdb_status tndb_login_try(tenantdb *db, const tenantdb_tenant *tenant, tndb_conn **conn,
                               tenantdb_error **error);
/* The role may not log in any more: end the sessions it has, here and on the server. Best effort. */
void tndb_login_end(tenantdb *db, const char *role);

/* The password that the caller named for a role; NULL takes it back. */
tenantdb_status tndb_login_remember(tenantdb *db, const char *role, const char *password,
                                    tenantdb_error **error);
void tndb_login_free(tenantdb *db);

#endif

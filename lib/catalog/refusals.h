/* SPDX-License-Identifier: PostgreSQL */
/*
 * Passwords that the server has refused. Who was refused is not tried again at
 * once: a tenant whose password is wrong would have it checked at every request,
 * which is dear for the server, and looks like an attack. A pause for each role,
 * the longer the oftener it is refused, as that of the pool (pool/back_off.h).
 */
#ifndef TNDB_CATALOG_REFUSALS_H
#define TNDB_CATALOG_REFUSALS_H

#include "catalog/database.h"

/* As long as the pause of a role with this credential lasts, what it was told is raised again. */
tenantdb_status tndb_refusal_check(tenantdb *db, const char *role, const char *credential,
                                   tenantdb_error **error);
void tndb_refusal_note(tenantdb *db, const char *role, const char *credential, const tenantdb_error *failure);
/* It was let in, or its password is another one now. */
void tndb_refusal_forget(tenantdb *db, const char *role);
void tndb_refusals_free(tenantdb *db);

#endif

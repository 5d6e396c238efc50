/* SPDX-License-Identifier: PostgreSQL */
/*
 * A tenant's role and what it may do: queued as part of a transaction.
 *
 * To make a role a member of the group, or to end that, locks the group until the commit from PostgreSQL 16 on, and
 * whoever does the same to another role waits. So it is the last thing that a transaction does.
 */
#ifndef TNDB_TENANT_ACCESS_H
#define TNDB_TENANT_ACCESS_H

#include "catalog/login.h"

/*
 * Create the role, able to log in when `login` is given; the connected user becomes a member of it. Returns
 * the place. tndb_access_join() is still to come.
 */
size_t tndb_access_create_role(tndb_work *work, const char *role, const tndb_login *login);
/* Make it a member of the group, at the end of the transaction. Returns the place. */
size_t tndb_access_join(tndb_work *work, const char *role);
/*
 * Let the role use a new, empty schema: what the connected user makes in it from
 * now on, by provisioning or by a migration, is the role's to use when it is made.
 */
void tndb_access_prepare(tndb_work *work, const char *schema, const char *role);
/* Part of it: what the connected user makes is the role's to use. */
void tndb_access_defaults(tndb_work *work, const char *schema, const char *role);
/* What is left to do when the registry's things have been made in it. */
void tndb_access_finish(tndb_work *work, const char *schema, const char *role);
/* Part of it: what it makes is not for PUBLIC to execute. */
void tndb_access_close_functions(tndb_work *work, const char *schema);
/* Both at once, for a schema that has its tables already. */
void tndb_access_grant(tndb_work *work, const char *schema, const char *role);
/* Open or close the schema for the role, and its membership in the group. */
void tndb_access_open(tndb_work *work, const char *schema, const char *role);
void tndb_access_shut(tndb_work *work, const char *schema, const char *role);
/* The same for a role that has not joined the group. */
void tndb_access_close(tndb_work *work, const char *schema, const char *role);
/* Drop a role with what it was granted in this database. */
void tndb_access_drop_role(tndb_work *work, const char *role);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/* A tenant's role and what it may do: queued as part of a transaction. */
#ifndef TNDB_TENANT_ACCESS_H
#define TNDB_TENANT_ACCESS_H

#include "catalog/work.h"

/* Create the role, a member of the group; the connected user becomes a member of it. Returns the place. */
size_t tndb_access_create_role(tndb_work *work, const char *role);
/* Let the role use the schema and everything in it that the registry declares. */
void tndb_access_grant(tndb_work *work, const char *schema, const char *role);
/* Open or close the schema for the role, and its membership in the group. */
void tndb_access_open(tndb_work *work, const char *schema, const char *role);
void tndb_access_shut(tndb_work *work, const char *schema, const char *role);
/* Drop a role with what it was granted in this database. */
void tndb_access_drop_role(tndb_work *work, const char *role);

#endif

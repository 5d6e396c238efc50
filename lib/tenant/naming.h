/* SPDX-License-Identifier: PostgreSQL */
/* Names of tenants: what a slug may be, and the schema's and role's names made of it. */
#ifndef TNDB_TENANT_NAMING_H
#define TNDB_TENANT_NAMING_H

#include "base/random.h"
#include "catalog/database.h"

#define TNDB_NAME_SIZE 64 /* 63 bytes and NUL */
/* What a schema is called before it is a tenant's. No tenant's may be called so. */
#define TNDB_STANDBY_PREFIX "tenantdb_standby_"

typedef struct tndb_names_of_tenant {
  char schema[TNDB_NAME_SIZE];
  char role[TNDB_NAME_SIZE]; /* "" at level routing */
} tndb_names_of_tenant;

/* Everything about a slug that does not need the server, for this database. */
tenantdb_status tndb_naming_check(const tenantdb *db, const char *slug, tenantdb_error **error);
/* Check the slug and make the names. */
tenantdb_status tndb_naming_make(const tenantdb *db, const char *slug, const char *id,
                                 tndb_names_of_tenant *names, tenantdb_error **error);
/* The names of a standby schema and its role, which is the tenant's to be when its name needs no slug. */
tenantdb_status tndb_naming_make_standby(const tenantdb *db, const char *id, tndb_names_of_tenant *names,
                                         tenantdb_error **error);
/* Whether a schema may be made by that name on any server; `what` begins the message. */
tenantdb_status tndb_naming_check_new(const char *what, const char *name, tenantdb_error **error);
/* Whether a tenant's schema may be called so, by an option: not as one of the library's or PostgreSQL's. */
tenantdb_status tndb_naming_check_schema(const tenantdb *db, const char *option, const char *name,
                                         tenantdb_error **error);
/* The slug folded to lower case, for locks and comparisons. */
void tndb_naming_fold(const char *slug, char folded[TNDB_NAME_SIZE]);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/* Which tenants a fleet query is about: read with one query, kept as it came. */
#ifndef TNDB_TENANT_FLEET_LIST_H
#define TNDB_TENANT_FLEET_LIST_H

#include "catalog/tenants.h"
#include "tenant/fleet_options.h"

typedef struct tndb_fleet_list {
  PGresult *rows;
  int32_t *at; /* the row of each tenant, in the order of slugs */
  size_t count;
  char **missing; /* names that no tenant has */
  size_t n_missing;
} tndb_fleet_list;

/* tndb_fleet_list_free() in both outcomes. */
tenantdb_status tndb_fleet_list_read(tenantdb *db, const tndb_fleet_who *who, tndb_deadline deadline,
                                     tndb_fleet_list *list, tenantdb_error **error);
void tndb_fleet_list_free(tndb_fleet_list *list);

const char *tndb_fleet_list_slug(const tndb_fleet_list *list, size_t tenant);
const char *tndb_fleet_list_id(const tndb_fleet_list *list, size_t tenant);
const char *tndb_fleet_list_schema(const tndb_fleet_list *list, size_t tenant);
/* "" when he has none. */
const char *tndb_fleet_list_role(const tndb_fleet_list *list, size_t tenant);
const char *tndb_fleet_list_state(const tndb_fleet_list *list, size_t tenant);
/* Of his schema. */
int64_t tndb_fleet_list_version(const tndb_fleet_list *list, size_t tenant);
/* All that is known of one of them; *tenant is yours. */
tenantdb_status tndb_fleet_list_tenant(const tndb_fleet_list *list, const tenantdb *db, size_t tenant,
                                       tenantdb_tenant **out, tenantdb_error **error);

#endif

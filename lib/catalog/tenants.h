/* SPDX-License-Identifier: PostgreSQL */
/* Rows of the catalog's table of tenants. */
#ifndef TNDB_CATALOG_TENANTS_H
#define TNDB_CATALOG_TENANTS_H

#include <tenantdb/tenant.h>

#include "base/random.h"
#include "catalog/database.h"

/* Never changed once it is read, so that the cache, sessions and callers can hold the same one. */
struct tenantdb_tenant {
  atomic_int references;
  char id[TNDB_UUID_TEXT];
  char *slug;
  char *name;
  char *schema;
  char *role;
  int32_t state;
  int64_t generation;
  int64_t version; /* of its schema */
  char *created_at;
  char *purge_after;
  char *properties;
  char *path;                      /* the search path of its scope */
  char credential[TNDB_UUID_TEXT]; /* the name of its login's password, or "" */
};

/* The columns that tndb_tenant_from_row() reads, of a table called t. */
#define TNDB_TENANT_COLUMNS                                                                   \
  "t.id, t.slug, t.name, t.schema_name, t.role_name, t.state, t.generation,"                  \
  " pg_catalog.to_char(t.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"'),"  \
  " pg_catalog.to_char(t.purge_after AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')," \
  " t.properties, t.version, t.credential"

tenantdb_status tndb_tenant_from_row(const tenantdb *db, PGresult *rows, int row, tenantdb_tenant **tenant,
                                     tenantdb_error **error);
/* Hold it once more; tenantdb_tenant_free() lets go. */
tenantdb_tenant *tndb_tenant_hold(tenantdb_tenant *tenant);

/* The number of a state's name, 0 when there is none of that name, and back. */
int32_t tndb_tenant_state(const char *name);
const char *tndb_tenant_state_name(int32_t state);

/* Read a tenant by id or slug on a connection of the caller's. `lock`: FOR UPDATE. */
tenantdb_status tndb_tenant_read(tenantdb *db, tndb_conn *conn, const char *tenant, bool lock,
                                 tndb_deadline deadline, tenantdb_tenant **out, tenantdb_error **error);
/*
 * What is known of a tenant: from the cache when it was read less than
 * session.tenant_cache ago, else from the catalog on the given connection.
 */
tenantdb_status tndb_tenant_lookup(tenantdb *db, tndb_conn *conn, const char *tenant, tndb_deadline deadline,
                                   tenantdb_tenant **out, tenantdb_error **error);
/* The cache's copy alone: false when there is none that is fresh. */
bool tndb_tenant_cached(tenantdb *db, const char *tenant, tenantdb_tenant **out);
/* The id that a name meant when it was last looked up, however long ago: whom a connection counts for. */
bool tndb_tenant_key(tenantdb *db, const char *tenant, char id[TNDB_UUID_TEXT]);
/* Forget everything known of tenants: something about them changed. */
void tndb_tenants_forget(tenantdb *db);

/* The property in which the row of a tenant who was moved away says where to. */
#define TNDB_TENANT_MOVED_TO "tenantdb.moved_to"
/* Whether properties, as the server wrote them, have it; appends its value. */
bool tndb_tenant_moved_to(const char *properties, tndb_buffer *place);

tenantdb_status tndb_tenant_unknown(const char *tenant, tenantdb_error **error);

#endif

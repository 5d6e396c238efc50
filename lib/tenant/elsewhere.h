/* SPDX-License-Identifier: PostgreSQL */
/*
 * A tenant's role in other databases. Roles belong to the whole server: one that
 * was granted something in another database cannot be dropped before that is
 * taken back there.
 */
#ifndef TNDB_TENANT_ELSEWHERE_H
#define TNDB_TENANT_ELSEWHERE_H

#include "catalog/work.h"

/*
 * Refuse when the role owns something in another database, or a database: that
 * is somebody's data, and nothing that was not created by us is dropped.
 */
tenantdb_status tndb_elsewhere_check(tndb_work *work, const char *role, tenantdb_error **error);
/* Take back what the role was granted in other databases, in each by a connection of its own. */
tenantdb_status tndb_elsewhere_clean(tenantdb *db, const char *role, tenantdb_error **error);

#endif

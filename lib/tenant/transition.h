/* SPDX-License-Identifier: PostgreSQL */
/*
 * Changing a tenant that is there: read and locked in a transaction of the
 * library's, checked, changed.
 */
#ifndef TNDB_TENANT_TRANSITION_H
#define TNDB_TENANT_TRANSITION_H

#include "catalog/tenants.h"
#include "catalog/work.h"

/* A set of states. */
#define TNDB_STATE_BIT(state) (1u << (state))

/* Begin work on a tenant: the row is read and locked, `*tenant` is what it is now. tndb_work_end() in every
 * case. */
tenantdb_status tndb_change_start(tndb_work *work, tenantdb *db, const char *name, tenantdb_tenant **tenant,
                                  tenantdb_error **error);
/* Raise TENANT_STATE unless the tenant is in one of the states. */
tenantdb_status tndb_change_require(const tenantdb_tenant *tenant, uint32_t states, const char *action,
                                    tenantdb_error **error);
/*
 * Queue "UPDATE tenants SET <set>, generation + 1 WHERE id and generation are
 * the tenant's", `value` being $3. Returns the place; its row is the tenant as it will be.
 */
size_t tndb_change_update(tndb_work *work, const tenantdb_tenant *tenant, const char *set, const char *value);
/*
 * Commit, tell the event (NULL: none), and hand out the row at `place` (or, when
 * the answer was lost on the way, read it again).
 */
tenantdb_status tndb_change_commit(tndb_work *work, const tenantdb_tenant *before, size_t place,
                                   const tndb_event *event, tenantdb_tenant **after, tenantdb_error **error);

#endif

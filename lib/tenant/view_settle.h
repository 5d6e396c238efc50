/* SPDX-License-Identifier: PostgreSQL */
/* One transaction's share of settling a view over tenants. */
#ifndef TNDB_TENANT_VIEW_SETTLE_H
#define TNDB_TENANT_VIEW_SETTLE_H

#include "catalog/text_array.h"
#include "tenant/view.h"

/*
 * Settle what fits into a transaction; *last: there is no more. Statements wait
 * for locks `patience_ms`, 0: option operation.lock_timeout. UNKNOWN_VIEW when
 * the view is not there (any more).
 */
tenantdb_status tndb_view_settle_batch(tenantdb *db, const char *name, int64_t patience_ms, bool *last,
                                       tenantdb_error **error);

#endif

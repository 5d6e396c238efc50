/* SPDX-License-Identifier: PostgreSQL */
/*
 * The pool: connections that are lent to one user at a time.
 *
 * It keeps up to pool.size idle connections and lets up to pool.size +
 * pool.overflow be open. Whoever finds none free waits, in the order of
 * arrival, up to pool.timeout. A connection is handed on only when it is
 * provably clean: nothing under way, no transaction, not marked tainted;
 * any other is closed. No lock is held while the network is waited for.
 */
#ifndef TNDB_POOL_POOL_H
#define TNDB_POOL_POOL_H

#include "pg/connection.h"

typedef struct tndb_pool tndb_pool;

/* `config` must outlive the pool. */
tenantdb_status tndb_pool_new(const tenantdb_config *config, tndb_pool **pool, tenantdb_error **error);
/* Borrow a connection; `deadline` ends the wait earlier than pool.timeout when it is earlier. */
tenantdb_status tndb_pool_lease(tndb_pool *pool, tndb_deadline deadline, tndb_conn **conn,
                                tenantdb_error **error);
/* Give it back; NULL is allowed. */
void tndb_pool_release(tndb_pool *pool, tndb_conn *conn);
/* Refuse further leases, wake who waits, close what is idle. What is lent is closed when it comes back. */
void tndb_pool_close(tndb_pool *pool);
bool tndb_pool_is_closed(tndb_pool *pool);
/* When nothing is lent any more. */
void tndb_pool_free(tndb_pool *pool);

typedef struct tndb_pool_counts {
  int64_t idle;
  int64_t lent;
  int64_t waiting;
  int64_t opened; /* since the pool was made */
} tndb_pool_counts;
tndb_pool_counts tndb_pool_count(tndb_pool *pool);

#endif

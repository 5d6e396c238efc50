/* SPDX-License-Identifier: PostgreSQL */
/*
 * Lanes: connections that belong to one login each.
 *
 * Every key has up to login.pool_size connections, all keys together up to
 * login.pool_total. Where the total is reached, a connection that another lane
 * does not use makes way, the one that was used longest ago first. Who finds
 * nothing waits in the order of arrival, as in the pool; who waits for a lane
 * that is full does not hold up who waits for another. What was idle for
 * login.idle is closed when somebody comes by.
 */
#ifndef TNDB_POOL_LANES_H
#define TNDB_POOL_LANES_H

#include "pg/connection.h"

typedef struct tndb_lanes tndb_lanes;

/* Opens a connection for a lane. No lock is held. */
typedef tenantdb_status (*tndb_lane_open)(void *user, tndb_conn **conn, tenantdb_error **error);

/* `config` must outlive the lanes. */
tenantdb_status tndb_lanes_new(const tenantdb_config *config, tndb_lanes **lanes, tenantdb_error **error);
tenantdb_status tndb_lanes_lease(tndb_lanes *lanes, const char *key, tndb_lane_open open, void *user,
                                 tndb_deadline deadline, tndb_conn **conn, tenantdb_error **error);
/* Give a connection back; false when it is none of a lane. */
bool tndb_lanes_release(tndb_lanes *lanes, tndb_conn *conn);
/* Close what a lane holds, and what is lent of it when it comes back. */
void tndb_lanes_shut(tndb_lanes *lanes, const char *key);
/* Refuse further leases, wake who waits, close what is idle. NULL is allowed. */
void tndb_lanes_close(tndb_lanes *lanes);
/* When nothing is lent any more. NULL is allowed. */
void tndb_lanes_free(tndb_lanes *lanes);

typedef struct tndb_lanes_counts {
  int64_t idle;
  int64_t open; /* lent ones and those being opened included */
  int64_t waiting;
} tndb_lanes_counts;
tndb_lanes_counts tndb_lanes_count(tndb_lanes *lanes);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * The pool: connections that are lent to one user at a time.
 *
 * Every lease is for a key: a tenant's id, or "" for the library's and the
 * application's own work. A free connection that served the key last is
 * preferred, since the server's process remembers what it learned of the
 * tenant's tables. Who finds none waits; the next free one goes to the key that
 * has had least, whatever the length of another's queue (pool/queue.h).
 *
 * In a bound pool a connection is the property of the key it was opened for, as
 * at level login, and makes way for another key's where the pool is full.
 *
 * A connection is handed on only when it is provably clean: nothing under way,
 * no transaction, not marked tainted; any other is closed. No lock is held
 * while the network is waited for, and there is no thread: what is idle for too
 * long is closed when somebody comes by.
 */
#ifndef TNDB_POOL_POOL_H
#define TNDB_POOL_POOL_H

#include "pg/connection.h"

typedef struct tndb_pool tndb_pool;

/* How large a pool may become; 0 means no limit, or never, where that makes sense. */
typedef struct tndb_pool_limits {
  int64_t most;    /* connections open at once */
  int64_t kept;    /* of them, while nobody uses them */
  int64_t minimum; /* kept however long they are idle */
  int64_t per_key; /* in use by one key; bound pools: open for one */
  int64_t tenants; /* different keys before a connection is replaced */
  int64_t idle_ms; /* unused for that long, a connection is closed; bound pools: 0 closes at once */
  bool bound;
} tndb_pool_limits;

/* Opens a connection. No lock is held. */
typedef tenantdb_status (*tndb_pool_open)(void *user, tndb_conn **conn, tenantdb_error **error);

/* The limits of the configuration's options pool.*, and of login.*. */
tndb_pool_limits tndb_pool_limits_read(const tenantdb_config *config);
tndb_pool_limits tndb_pool_limits_of_logins(const tenantdb_config *config);
/* `config` must outlive the pool. */
tenantdb_status tndb_pool_new(const tenantdb_config *config, const tndb_pool_limits *limits, tndb_pool **pool,
                              tenantdb_error **error);

/* Borrow a connection for a key. `deadline` ends the wait earlier than pool.timeout when it is earlier. */
typedef struct tndb_lease {
  const char *key;
  tndb_deadline deadline;
  tndb_pool_open open; /* NULL: as the configuration says */
  void *user;
  bool again; /* when it is not served in time it asks again: neither counted nor told */
} tndb_lease;
tenantdb_status tndb_pool_lease_for(tndb_pool *pool, const tndb_lease *lease, tndb_conn **conn,
                                    tenantdb_error **error);
/* The same for the library's own work. */
tenantdb_status tndb_pool_lease(tndb_pool *pool, tndb_deadline deadline, tndb_conn **conn,
                                tenantdb_error **error);
/* Without waiting for others: OK and *conn NULL when none is free, or somebody waits for one. */
tenantdb_status tndb_pool_try(tndb_pool *pool, const tndb_lease *lease, tndb_conn **conn,
                              tenantdb_error **error);
/*
 * What is lent turns out to be for another key: count it there from now on.
 * False when that key has its share already; then nothing is changed.
 */
bool tndb_pool_reassign(tndb_pool *pool, tndb_conn *conn, const char *key);
/* Give it back to the pool it came from; NULL is allowed. */
void tndb_pool_release(tndb_conn *conn);

/* Close what a key has, and what is lent of it when it comes back. */
void tndb_pool_shut(tndb_pool *pool, const char *key);
/*
 * Every connection made before now is suspect (the server has become a standby):
 * close what is idle, and what is lent when it comes back. False when that was
 * done within the last pool.back_off.
 */
bool tndb_pool_distrust(tndb_pool *pool);
/* Open what is missing up to the minimum, close what is idle for too long. */
tenantdb_status tndb_pool_warm_up(tndb_pool *pool, tenantdb_error **error);
/* Refuse further leases, wake who waits, close what is idle. What is lent is closed when it comes back. NULL
 * is allowed. */
void tndb_pool_close(tndb_pool *pool);
bool tndb_pool_is_closed(tndb_pool *pool);
/*
 * In a child after fork(): let go of every connection, without a word to the
 * server; what is lent is still to be released. False when a lock was held at
 * that moment: then nothing can be done. NULL is allowed.
 */
bool tndb_pool_abandon(tndb_pool *pool);
/* When nothing is lent any more, or after tndb_pool_abandon(). NULL is allowed. */
void tndb_pool_free(tndb_pool *pool);

/* ---------------------------------------------------------------- statistics */

/* How long who got a connection had waited: up to so many microseconds, the last without end. */
#define TNDB_POOL_BUCKETS 14
extern const int64_t tndb_pool_bucket_us[TNDB_POOL_BUCKETS - 1];

typedef struct tndb_pool_counts {
  /* now */
  int64_t open; /* those being opened included */
  int64_t idle;
  int64_t lent; /* and those being opened */
  int64_t waiting;
  int64_t most;
  int64_t keys; /* that have a connection, wait for one, or were served by one that is still open */
  /* since the pool was made */
  int64_t leases;
  int64_t affine; /* of them: on a connection that had served the key before */
  int64_t waited; /* of them: not at once */
  int64_t waited_us;
  int64_t wait_buckets[TNDB_POOL_BUCKETS];
  int64_t timeouts; /* waits that ended without a connection */
  int64_t used_us;  /* that connections were lent */
  int64_t opened;
  int64_t opening_us; /* that opening them took */
  int64_t open_failures;
  int64_t backed_off;      /* told an earlier attempt's failure, without another */
  int64_t closed_old;      /* pool.recycle */
  int64_t closed_tenants;  /* pool.recycle_tenants */
  int64_t closed_idle;     /* idle for too long, or more than are kept */
  int64_t closed_dead;     /* found dead while idle */
  int64_t closed_unclean;  /* could not be handed on */
  int64_t closed_distrust; /* shut, or distrusted */
  int64_t closed_for;      /* bound pools: to make way for another key */
} tndb_pool_counts;
void tndb_pool_count(tndb_pool *pool, tndb_pool_counts *counts);

/* The keys that have a connection lent or wait for one. Returns how many there are, of which up to `room` are told. */
typedef struct tndb_pool_key {
  char key[64]; /* cut */
  int64_t lent;
  int64_t waiting;
  int64_t leases; /* since it was last without both */
} tndb_pool_key;
size_t tndb_pool_keys(tndb_pool *pool, tndb_pool_key *keys, size_t room);

#endif

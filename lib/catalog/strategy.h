/* SPDX-License-Identifier: PostgreSQL */
/*
 * The strategy: what is believed to stand between us and the server, and so
 * what a connection can be relied on for.
 *
 *   direct              a connection is one process of the server
 *   session pooler      the same, by way of somebody
 *   transaction pooler  every transaction may be another process: nothing
 *                       lasts from one to the next, no prepared statement either
 *
 * Settled when the database is opened, from option database.pooler and from
 * whether the process that answers is the one named at start-up. In doubt it is
 * the last, which is right for all three. tenantdb_selftest() may change it, and
 * so does every bind whose answer shows that a connection has another process
 * than before; connections that exist follow with their next transaction.
 *
 * That a belief was wrong is not discovered in time for the flush it is
 * discovered in. Nothing but speed may depend on it: what binds a scope is
 * local to the transaction, and a prepared statement's name is drawn at random
 * for its connection (pg/prepared.c), so that on another process it is unknown
 * and never somebody else's.
 */
#ifndef TNDB_CATALOG_STRATEGY_H
#define TNDB_CATALOG_STRATEGY_H

#include <stdbool.h>
#include <stdint.h>
#include <tenantdb/database.h>

#include "base/result.h"
#include "pg/connection.h"

/* How the strategy came to be known. */
typedef enum tndb_strategy_source {
  TNDB_STRATEGY_ASSUMED,
  TNDB_STRATEGY_CONFIGURED,
  TNDB_STRATEGY_CONTRADICTED, /* the option says none, and something stands between */
  TNDB_STRATEGY_MOVED,        /* a connection's process changed */
  TNDB_STRATEGY_PROVED,       /* by tenantdb_selftest() */
  TNDB_STRATEGY_REFUTED       /* … which found that transactions are not kept apart */
} tndb_strategy_source;

/* What is known of the strategy besides its number. */
typedef struct tndb_strategy_note {
  tndb_strategy_source source;
  int32_t found; /* by the last selftest; 0: there was none */
  char at[24];   /* when, by the server's clock */
  char why[200]; /* what refuted it */
} tndb_strategy_note;

/* When the database is opened and the server's facts are known. */
void tndb_strategy_settle(tenantdb *db);
/* What a selftest found; the safer of it and of what database.pooler says is in force at once. */
void tndb_strategy_prove(tenantdb *db, int32_t found, const char *at);
void tndb_strategy_refute(tenantdb *db, const char *at, const char *why);
/* Before a transaction of a session: do not rely on what the strategy does not allow any more. */
void tndb_strategy_apply(const tenantdb *db, tndb_conn *conn);
/* After its bind was answered, by this process: learn what the connection can be relied on for. */
void tndb_strategy_observe(tenantdb *db, tndb_conn *conn, int64_t backend);
/* Whether nothing may be relied on from one transaction to the next. */
bool tndb_database_is_pooled(const tenantdb *db);
/* The last row of tenantdb_isolation()'s table; false when memory ran out. */
bool tndb_strategy_row(tenantdb *db, tndb_table *table);

#endif

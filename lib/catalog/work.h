/* SPDX-License-Identifier: PostgreSQL */
/*
 * Work: one transaction of the library's own on a borrowed connection.
 *
 * It begins by taking a lock on a name (a slug, a tenant's id) and ends with
 * the record of an operation written in the same transaction. When the
 * connection dies while COMMIT is under way, the outcome is found out on a
 * new connection: first the same lock is obtained, since without it the old
 * back end may still be committing, then the record is looked for, and when it
 * is not there its place is taken, so that it cannot come later.
 */
#ifndef TNDB_CATALOG_WORK_H
#define TNDB_CATALOG_WORK_H

#include "base/random.h"
#include "catalog/database.h"
#include "pg/exchange.h"

/* The class of our advisory locks: "tndb" in ASCII. The key is made of the catalog's name and that of what is locked. */
#define TNDB_LOCK_CLASS "1953391714"
int32_t tndb_lock_key(const tenantdb *db, const char *name);

typedef struct tndb_work {
  tenantdb *db;
  tndb_conn *conn;
  tndb_deadline deadline;
  int32_t lock_key;
  char operation[TNDB_UUID_TEXT];
  bool begun;    /* a transaction is open, or queued */
  bool recorded; /* the operation's record is part of the transaction */
  bool failed;   /* a statement could not be made: nothing more is sent */
} tndb_work;

/*
 * Borrow a connection, make sure of the catalog (when `catalog`), choose an
 * operation id and queue the beginning: BEGIN, timeouts, the lock on
 * `lock_name`. Nothing is sent yet. tndb_work_end() in every case.
 */
tenantdb_status tndb_work_start(tndb_work *work, tenantdb *db, const char *lock_name, bool catalog,
                                tenantdb_error **error);
/*
 * The same for who only reads, on a standby too: a connection, and no
 * transaction yet. Who begins one says so in `begun`.
 */
tenantdb_status tndb_work_start_reading(tndb_work *work, tenantdb *db, tenantdb_error **error);
/* Queue a statement. Returns its place in the exchange. */
size_t tndb_work_send(tndb_work *work, const char *sql, int32_t count, const char *const *values);
/*
 * A statement could not be made, because memory ran out: the rest of the work
 * must not be done without it. What is queued is not sent, and the next sync,
 * query or commit says so.
 */
void tndb_work_fail_if(tndb_work *work, bool failed);
/* Send what is queued and wait; OK when every statement succeeded. Queueing may go on afterwards. */
tenantdb_status tndb_work_sync(tndb_work *work, tenantdb_error **error);
/* The same for one statement, with its result handed over. */
tenantdb_status tndb_work_query(tndb_work *work, const char *sql, int32_t count, const char *const *values,
                                PGresult **rows, tenantdb_error **error);
/* One query of who only reads, on a connection borrowed for it; *rows is NULL when it fails. */
tenantdb_status tndb_work_ask(tenantdb *db, const char *sql, int32_t count, const char *const *values,
                              PGresult **rows, tenantdb_error **error);
/*
 * Queue the record of the finished operation and an audit row. `to` and `from`
 * are states' names or NULL; `key` and `hash` the idempotency key, or NULL.
 */
typedef struct tndb_record {
  const char *tenant_id;
  const char *action;
  const char *from;
  const char *to;
  const char *key;
  const char *hash;
  const char *detail; /* a JSON object, or NULL */
} tndb_record;
void tndb_work_record(tndb_work *work, const tndb_record *record);
/* Queue setting the search path to a schema's, for DDL with unqualified names. */
tenantdb_status tndb_work_set_path(tndb_work *work, const char *schema, tenantdb_error **error);
/* Make sure that a schema is there, asking first; one that is made is nobody's but the user's. */
tenantdb_status tndb_work_ensure_schema(tndb_work *work, const char *schema, tenantdb_error **error);
/* Queue COMMIT, send, wait, and find out what became of it. */
tenantdb_status tndb_work_commit(tndb_work *work, tenantdb_error **error);
/* Roll back what is open and give the connection back. */
void tndb_work_end(tndb_work *work);

#endif

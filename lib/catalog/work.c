/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/work.h"

#include <string.h>

#include "base/buffer.h"
#include "base/sha256.h"

static int64_t option(const tenantdb *db, tndb_option which) {
  return tndb_config_number(db->config, which);
}

int32_t tndb_lock_key(const tenantdb *db, const char *name) {
  unsigned char digest[TNDB_SHA256_BYTES];
  tndb_sha256 hash;
  tndb_sha256_start(&hash);
  tndb_sha256_add(&hash, db->catalog, strlen(db->catalog)); /* several catalogs may share a database */
  tndb_sha256_add(&hash, name, strlen(name));
  tndb_sha256_finish(&hash, digest);
  int32_t key;
  memcpy(&key, digest, sizeof key);
  return key;
}

static void queue_beginning(tndb_work *work) {
  tndb_buffer text = TNDB_BUFFER_INIT;
  tndb_exchange_begin(work->conn);
  (void)tndb_exchange_send(work->conn, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", NULL);
  tndb_buffer_format(&text,
                     "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),"
                     " pg_catalog.set_config('lock_timeout', '%lld', true),"
                     " pg_catalog.set_config('statement_timeout', '%lld', true)",
                     (long long)option(work->db, TNDB_OPERATION_LOCK_TIMEOUT),
                     (long long)option(work->db, TNDB_OPERATION_TIMEOUT));
  (void)tndb_exchange_send(work->conn, tndb_buffer_text(&text), NULL);
  tndb_buffer_clear(&text);
  tndb_buffer_format(&text, "SELECT pg_catalog.pg_advisory_xact_lock(" TNDB_LOCK_CLASS ", %d)",
                     work->lock_key);
  (void)tndb_exchange_send(work->conn, tndb_buffer_text(&text), NULL);
  tndb_work_fail_if(work, text.failed);
  tndb_buffer_free(&text);
  work->begun = true;
}

static tenantdb_status borrow(tndb_work *work, bool catalog, tenantdb_error **error) {
  tenantdb *db = work->db;
  work->deadline = tndb_deadline_in(option(db, TNDB_OPERATION_TIMEOUT));
  if (!tndb_uuid_new(work->operation)) {
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                       "the system gives no random bytes");
  }
  tenantdb_status status = tndb_pool_lease(db->pool, work->deadline, &work->conn, error);
  return status || !catalog ? status : tndb_catalog_require(db, work->conn, work->deadline, error);
}

tenantdb_status tndb_work_start(tndb_work *work, tenantdb *db, const char *lock_name, bool catalog,
                                tenantdb_error **error) {
  *work = (tndb_work){.db = db, .lock_key = tndb_lock_key(db, lock_name)};
  tenantdb_status status = borrow(work, catalog, error);
  if (!status) {
    queue_beginning(work);
  }
  return status;
}

tenantdb_status tndb_work_start_reading(tndb_work *work, tenantdb *db, tenantdb_error **error) {
  *work = (tndb_work){.db = db};
  tenantdb_status status = borrow(work, true, error);
  if (!status) {
    tndb_exchange_begin(work->conn); /* a new connection has had none yet, and nothing is to be streamed */
  }
  return status;
}

void tndb_work_fail_if(tndb_work *work, bool failed) {
  work->failed = work->failed || failed;
}

/* Whatever is queued from here on belongs to an exchange that is not over, and fails when the work has. */
static void open_exchange(tndb_work *work) {
  if (work->conn->synced) {
    tndb_exchange_begin(work->conn); /* the results of the last one have been looked at */
  }
  work->conn->send_failed = work->conn->send_failed || work->failed;
}

size_t tndb_work_send(tndb_work *work, const char *sql, int32_t count, const char *const *values) {
  open_exchange(work);
  return tndb_exchange_send_text(work->conn, sql, count, values);
}

/* A standby refuses already that BEGIN ... READ WRITE, and with the SQLSTATE of what it has not got. */
static tenantdb_status check(const tndb_work *work, tenantdb_error **error) {
  const tndb_conn *conn = work->conn;
  tenantdb_status status = tndb_exchange_check(conn, error);
  bool no_beginning = tndb_exchange_failed(conn) == 0 && PQtransactionStatus(conn->pg) == PQTRANS_IDLE;
  if (status == TENANTDB_UNSUPPORTED && work->begun && no_beginning) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_READ_ONLY_SERVER,
                         "the server is a standby, on which nothing can be changed");
    tndb_error_set_retry(error, TENANTDB_RETRY_NEW_SESSION);
  }
  if (status && error) {
    tndb_database_notice_failure(work->db, conn, *error);
  }
  return status;
}

tenantdb_status tndb_work_sync(tndb_work *work, tenantdb_error **error) {
  if (work->failed) {
    open_exchange(work);
  }
  if (work->conn->synced) {
    return TENANTDB_OK; /* nothing was queued since the last time */
  }
  tenantdb_status status = tndb_exchange_finish(work->conn, work->deadline, error);
  return status ? status : check(work, error);
}

tenantdb_status tndb_work_query(tndb_work *work, const char *sql, int32_t count, const char *const *values,
                                PGresult **rows, tenantdb_error **error) {
  *rows = NULL;
  size_t place = tndb_work_send(work, sql, count, values);
  tenantdb_status status = tndb_work_sync(work, error);
  if (!status) {
    *rows = tndb_exchange_take(work->conn, place);
  }
  return status;
}

tenantdb_status tndb_work_ask(tenantdb *db, const char *sql, int32_t count, const char *const *values,
                              PGresult **rows, tenantdb_error **error) {
  tndb_work work;
  *rows = NULL;
  tenantdb_status status = tndb_work_start_reading(&work, db, error);
  if (!status) {
    status = tndb_work_query(&work, sql, count, values, rows, error);
  }
  tndb_work_end(&work);
  return status;
}

void tndb_work_record(tndb_work *work, const tndb_record *record) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(
      &sql,
      "WITH operation AS (INSERT INTO %soperations (id, tenant_id, kind, state, idempotency_key,"
      " request_hash, finished_at) VALUES ($1, $2, $3, 'done', $4, $5, now()))"
      " INSERT INTO %saudit (operation_id, tenant_id, action, from_state, to_state, detail)"
      " VALUES ($1, $2, $3, $6, $7, $8::jsonb)",
      work->db->catalog, work->db->catalog);
  const char *values[] = {work->operation, record->tenant_id, record->action, record->key,
                          record->hash,    record->from,      record->to,     record->detail};
  if (sql.failed) {
    tndb_work_fail_if(work, true);
    return;
  }
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 8, values);
  work->recorded = true;
}

/* ---------------------------------------------------------------- an unknown outcome */

typedef enum outcome { NOT_YET, COMMITTED, NOT_COMMITTED } outcome;

/*
 * Even with the lock, "not there" proves nothing about what is still on its way
 * to the server: a network that was stuck may deliver all of it later. So whoever
 * does not find the record writes one in its place, of kind abandoned. Its key
 * is what the late transaction would have to insert, and fails on.
 */
static outcome ask_or_abandon(const tndb_work *work, tndb_conn *conn, bool locked, tndb_deadline deadline) {
  tndb_auto_buffer find = TNDB_BUFFER_INIT;
  tndb_auto_buffer abandon = TNDB_BUFFER_INIT;
  const char *id = work->operation;
  tndb_buffer_format(&find, "SELECT kind FROM %soperations WHERE id = $1", work->db->catalog);
  tndb_buffer_format(&abandon,
                     "INSERT INTO %soperations (id, tenant_id, kind, state, finished_at)"
                     " VALUES ($1, $1, 'abandoned', 'done', now()) ON CONFLICT (id) DO NOTHING",
                     work->db->catalog);
  if (find.failed || abandon.failed) {
    return NOT_YET;
  }
  tndb_exchange_begin(conn);
  if (locked) {
    (void)tndb_exchange_send_text(conn, tndb_buffer_text(&abandon), 1, &id);
  }
  size_t there = tndb_exchange_send_text(conn, tndb_buffer_text(&find), 1, &id);
  size_t commit = tndb_exchange_send(conn, "COMMIT", NULL);
  if (tndb_exchange_finish(conn, deadline, NULL) || !tndb_exchange_committed(conn, commit)) {
    return NOT_YET;
  }
  const PGresult *row = tndb_exchange_result(conn, there);
  return PQntuples(row) != 1                               ? NOT_YET
         : strcmp(PQgetvalue(row, 0, 0), "abandoned") == 0 ? NOT_COMMITTED
                                                           : COMMITTED;
}

/* One look on a new connection. NOT_YET while the lock is held and there is no record. */
static outcome look_on(const tndb_work *work, tndb_conn *conn, tndb_deadline deadline) {
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  tndb_buffer_format(&lock, "SELECT pg_catalog.pg_try_advisory_xact_lock(" TNDB_LOCK_CLASS ", %d)",
                     work->lock_key);
  if (lock.failed) {
    return NOT_YET;
  }
  tndb_exchange_begin(conn);
  (void)tndb_exchange_send(conn, "BEGIN", NULL);
  size_t locked = tndb_exchange_send(conn, tndb_buffer_text(&lock), NULL);
  if (tndb_exchange_finish(conn, deadline, NULL) || tndb_exchange_check(conn, NULL)) {
    return NOT_YET;
  }
  bool mine = PQgetvalue(tndb_exchange_result(conn, locked), 0, 0)[0] == 't';
  return ask_or_abandon(work, conn, mine, deadline);
}

static outcome look(const tndb_work *work, tndb_deadline deadline) {
  tndb_conn *conn;
  if (tndb_pool_lease(work->db->pool, deadline, &conn, NULL)) {
    return NOT_YET;
  }
  outcome found = look_on(work, conn, deadline);
  if (!conn->dead && !tndb_conn_is_idle(conn)) {
    (void)tndb_exchange_rollback(conn, deadline, NULL);
  }
  tndb_pool_release(conn);
  return found;
}

static tenantdb_status resolve(tndb_work *work, tenantdb_error **error) {
  int64_t patience =
      option(work->db, TNDB_DATABASE_CONNECT_TIMEOUT) + option(work->db, TNDB_OPERATION_LOCK_TIMEOUT);
  tndb_deadline deadline = tndb_deadline_in(patience);
  outcome found = NOT_YET;
  int64_t pause = 10;
  while (work->recorded && (found = look(work, deadline)) == NOT_YET && tndb_deadline_left(deadline) > 0) {
    tndb_clock_sleep_ms(pause);
    pause = pause < 500 ? pause * 2 : pause;
  }
  if (found == COMMITTED) {
    return TENANTDB_OK;
  }
  if (found == NOT_COMMITTED) {
    tenantdb_status status =
        tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
                    "the connection broke before the work was committed; nothing of it was done");
    return status;
  }
  (void)tndb_origin(error, TENANTDB_UNKNOWN, TENANTDB_REASON_OUTCOME_UNKNOWN,
                    "the connection broke during COMMIT and the server could not be asked what became of "
                    "operation %s",
                    work->operation);
  tndb_error_set_operation(error, work->operation);
  tndb_config_write_event(work->db->config,
                          &(tndb_event){.kind = TNDB_EVENT_OUTCOME_UNKNOWN,
                                        .message = error ? tenantdb_error_message(*error) : ""});
  return TENANTDB_UNKNOWN;
}

tenantdb_status tndb_work_commit(tndb_work *work, tenantdb_error **error) {
  size_t commit = tndb_work_send(work, "COMMIT", 0, NULL);
  tenantdb_error *own = NULL;
  tenantdb_status status = tndb_exchange_finish(work->conn, work->deadline, &own);
  if (status) {
    if (tndb_exchange_committed(work->conn, commit)) {
      tenantdb_error_free(own); /* only the end of the exchange was lost */
      return TENANTDB_OK;
    }
    if (commit == TNDB_NONE || tndb_exchange_is_certain(work->conn)) {
      return tndb_error_pass(error, own);
    }
    tenantdb_error_free(own);
    /* The dead connection must not take up the last place that the new one needs. */
    tndb_pool_release(work->conn);
    work->conn = NULL;
    return resolve(work, error);
  }
  status = check(work, error);
  if (!status && !tndb_exchange_committed(work->conn, commit)) {
    status = tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_TRANSACTION_LOST,
                         "the server rolled back where it was asked to commit");
  }
  work->begun = status != TENANTDB_OK;
  return status;
}

void tndb_work_end(tndb_work *work) {
  if (!work->conn) {
    return;
  }
  if (work->begun && !tndb_conn_is_idle(work->conn) && !work->conn->dead) {
    if (!work->conn->synced && work->conn->sent > 0) {
      work->conn->dead = true; /* queued and never sent: cheaper to close than to unravel */
    } else {
      (void)tndb_exchange_rollback(work->conn, work->deadline, NULL);
    }
  }
  tndb_pool_release(work->conn);
  work->conn = NULL;
}

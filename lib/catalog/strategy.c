/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/strategy.h"

#include <stdatomic.h>
#include <string.h>

#include "base/buffer.h"
#include "catalog/database.h"
#include "config/events.h"
#include "pg/prepared.h"

/* The places of database.pooler's choices; those above none stand at their strategy's number. */
enum { SAYS_AUTO = 0, SAYS_NONE = 1 };

#define NOT_NONE "option database.pooler says none, but something stands between"

const char *tenantdb_strategy_name(int32_t strategy) {
  static const char *const names[] = {"?", "direct", "session-pooler", "transaction-pooler"};
  return strategy >= TENANTDB_STRATEGY_DIRECT && strategy <= TENANTDB_STRATEGY_TRANSACTION_POOLER
             ? names[strategy]
             : "?";
}

static int32_t now(const tenantdb *db) {
  return atomic_load(&db->strategy);
}

bool tndb_database_is_pooled(const tenantdb *db) {
  return now(db) == TENANTDB_STRATEGY_TRANSACTION_POOLER;
}

static int64_t configured(const tenantdb *db) {
  return tndb_config_number(db->config, TNDB_DATABASE_POOLER);
}

static void warn(const tenantdb *db, tndb_event_kind kind, const char *message) {
  tndb_config_write_event(
      db->config,
      &(tndb_event){.kind = kind,
                    .level = kind == TNDB_EVENT_ISOLATION_REFUTED ? TENANTDB_LOG_ERROR : TENANTDB_LOG_WARNING,
                    .message = message});
}

/* ---------------------------------------------------------------- settling */

static void copy_text(char *to, size_t size, const char *from) {
  size_t length = strnlen(from, size - 1);
  memcpy(to, from, length);
  to[length] = '\0';
}

static void put(tenantdb *db, int32_t strategy, tndb_strategy_source source) {
  tndb_mutex_lock(&db->mutex);
  atomic_store(&db->strategy, strategy);
  db->strategy_note.source = source;
  tndb_mutex_unlock(&db->mutex);
}

void tndb_strategy_settle(tenantdb *db) {
  int64_t says = configured(db);
  if (says > SAYS_NONE) {
    put(db, (int32_t)says, TNDB_STRATEGY_CONFIGURED);
  } else if (db->facts.pooler) {
    put(db, TENANTDB_STRATEGY_TRANSACTION_POOLER,
        says == SAYS_NONE ? TNDB_STRATEGY_CONTRADICTED : TNDB_STRATEGY_ASSUMED);
    if (says == SAYS_NONE) {
      warn(db, TNDB_EVENT_POOLER_FOUND, NOT_NONE "; it is taken for a transaction pooler");
    }
  } else {
    put(db, TENANTDB_STRATEGY_DIRECT, says == SAYS_NONE ? TNDB_STRATEGY_CONFIGURED : TNDB_STRATEGY_ASSUMED);
  }
}

void tndb_strategy_prove(tenantdb *db, int32_t found, const char *at) {
  int64_t says = configured(db);
  int32_t strategy = says != SAYS_AUTO && says > found ? (int32_t)says : found;
  tndb_mutex_lock(&db->mutex);
  int32_t before = atomic_exchange(&db->strategy, strategy);
  db->strategy_note.source = TNDB_STRATEGY_PROVED;
  db->strategy_note.found = found;
  copy_text(db->strategy_note.at, sizeof db->strategy_note.at, at);
  tndb_mutex_unlock(&db->mutex);
  if (found > before || (says != SAYS_AUTO && found > says)) {
    tndb_auto_buffer text = TNDB_BUFFER_INIT;
    tndb_buffer_format(&text, "tenantdb_selftest() found a %s where %s was taken to be there",
                       tenantdb_strategy_name(found),
                       tenantdb_strategy_name(found > before ? before : (int32_t)says));
    warn(db, TNDB_EVENT_POOLER_FOUND, tndb_buffer_text(&text));
  }
}

void tndb_strategy_refute(tenantdb *db, const char *at, const char *why) {
  tndb_mutex_lock(&db->mutex);
  atomic_store(&db->strategy, TENANTDB_STRATEGY_TRANSACTION_POOLER);
  db->strategy_note.source = TNDB_STRATEGY_REFUTED;
  db->strategy_note.found = 0;
  copy_text(db->strategy_note.at, sizeof db->strategy_note.at, at);
  copy_text(db->strategy_note.why, sizeof db->strategy_note.why, why);
  tndb_mutex_unlock(&db->mutex);
  warn(db, TNDB_EVENT_ISOLATION_REFUTED, why);
}

/* ---------------------------------------------------------------- following it */

static void rely(tndb_conn *conn, bool direct) {
  if (conn->direct && !direct) {
    tndb_prepared_forget(conn);
  }
  conn->direct = direct;
}

void tndb_strategy_apply(const tenantdb *db, tndb_conn *conn) {
  if (conn->direct && tndb_database_is_pooled(db)) {
    rely(conn, false);
  }
}

/* Only who takes the belief away says so: many connections may find out at once. */
static void retreat(tenantdb *db) {
  tndb_mutex_lock(&db->mutex);
  bool first = !tndb_database_is_pooled(db);
  if (first) {
    atomic_store(&db->strategy, TENANTDB_STRATEGY_TRANSACTION_POOLER);
    db->strategy_note.source = TNDB_STRATEGY_MOVED;
  }
  tndb_mutex_unlock(&db->mutex);
  if (first) {
    warn(db, TNDB_EVENT_POOLER_FOUND,
         "a connection is answered by another process of the server than before or than was named: a "
         "transaction pooler is taken to be there");
  }
}

void tndb_strategy_observe(tenantdb *db, tndb_conn *conn, int64_t backend) {
  if (backend == 0 || conn->adopted) {
    return;
  }
  bool moved = conn->backend && conn->backend != backend;
  bool named = backend == PQbackendPID(conn->pg);
  int32_t strategy = now(db);
  conn->backend = backend;
  if (strategy != TENANTDB_STRATEGY_TRANSACTION_POOLER &&
      (moved || (strategy == TENANTDB_STRATEGY_DIRECT && !named))) {
    retreat(db);
  }
  rely(conn, !tndb_database_is_pooled(db));
}

/* ---------------------------------------------------------------- telling */

tenantdb_status tenantdb_strategy(tenantdb *db, int32_t *strategy, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!strategy) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "strategy is NULL");
  }
  *strategy = 0;
  tenantdb_status status = tndb_database_check(db, error);
  if (!status) {
    *strategy = now(db);
  }
  return status;
}

static void tell_source(const tenantdb *db, int32_t strategy, const tndb_strategy_note *s,
                        tndb_buffer *reason) {
  static const char *const options[] = {"auto", "none", "session", "transaction"};
  bool direct = strategy == TENANTDB_STRATEGY_DIRECT;
  switch (s->source) {
    case TNDB_STRATEGY_CONFIGURED:
      tndb_buffer_format(reason, "option database.pooler says %s", options[configured(db)]);
      return;
    case TNDB_STRATEGY_CONTRADICTED:
      tndb_buffer_append(reason, NOT_NONE);
      return;
    case TNDB_STRATEGY_MOVED:
      tndb_buffer_append(reason, "a connection was answered by another process of the server than before");
      return;
    case TNDB_STRATEGY_REFUTED:
      tndb_buffer_format(reason, "tenantdb_selftest() at %s: %s", s->at, s->why);
      return;
    case TNDB_STRATEGY_PROVED:
      tndb_buffer_format(reason, "proved by tenantdb_selftest() at %s", s->at);
      if (s->found != strategy) {
        tndb_buffer_format(reason, ", which found %s; option database.pooler says %s",
                           tenantdb_strategy_name(s->found), options[configured(db)]);
      }
      return;
    case TNDB_STRATEGY_ASSUMED:
    default:
      tndb_buffer_append(reason,
                         direct ? "not proved, but the server's process is the one it named at start-up"
                                : "not proved, but something stands between, and may give every transaction "
                                  "another process of the server");
  }
}

static const char *remedy_of(int32_t strategy, const tndb_strategy_note *s) {
  if (s->source == TNDB_STRATEGY_REFUTED) {
    return "put nothing between, or a pooler that keeps transactions together, and call tenantdb_selftest() "
           "again";
  }
  if (s->source != TNDB_STRATEGY_PROVED) {
    return "call tenantdb_selftest(), which finds out";
  }
  if (s->found < strategy) {
    return "set database.pooler to auto";
  }
  return strategy == TENANTDB_STRATEGY_TRANSACTION_POOLER
             ? "connect to the server directly, or by a pooler in session mode, to have statements prepared"
         : strategy == TENANTDB_STRATEGY_SESSION_POOLER ? "connect to the server directly to have level login"
                                                        : NULL;
}

bool tndb_strategy_row(tenantdb *db, tndb_table *table) {
  tndb_auto_buffer reason = TNDB_BUFFER_INIT;
  tndb_mutex_lock(&db->mutex);
  int32_t strategy = now(db);
  tndb_strategy_note note = db->strategy_note;
  tndb_mutex_unlock(&db->mutex);
  tell_source(db, strategy, &note, &reason);
  const char *achieved = note.source == TNDB_STRATEGY_REFUTED ? "refuted" : tenantdb_strategy_name(strategy);
  const char *cells[] = {"connection", achieved, tndb_buffer_text(&reason), remedy_of(strategy, &note)};
  tndb_table_row(table, cells);
  return !reason.failed;
}

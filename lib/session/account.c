/* SPDX-License-Identifier: PostgreSQL */
#include "session/account.h"

#include <string.h>

#include "base/buffer.h"
#include "catalog/database.h"

/* A server that has become a standby refuses every writer: one in a second is told. */
#define READ_ONLY_PAUSE_MS 1000

static void tell(const tenantdb_session *session, tndb_event_kind kind, const tenantdb_error *error,
                 const char *message) {
  tndb_event event = {
      .kind = kind,
      .tenant = session->tenant ? session->tenant->slug : NULL,
      .backend_pid = session->conn ? PQbackendPID(session->conn->pg) : session->call.backend_pid,
      .sqlstate = tenantdb_error_sqlstate(error),
      .message = message};
  tndb_config_write_event(session->db->config, &event);
}

/* ---------------------------------------------------------------- failures */

static bool asked_read_only(const tenantdb_session *session) {
  return session->read_only ||
         (!session->call.alone && session->begin_sql &&
          (strstr(session->begin_sql, "READ ONLY") || strstr(session->begin_sql, "read only")));
}

static bool time_to_tell(atomic_llong *last_ms) {
  long long now = tndb_clock_ms();
  long long last = atomic_load_explicit(last_ms, memory_order_relaxed);
  return (last == 0 || now - last >= READ_ONLY_PAUSE_MS) &&
         atomic_compare_exchange_strong_explicit(last_ms, &last, now, memory_order_relaxed,
                                                 memory_order_relaxed);
}

static void tell_failure(const tenantdb_session *session, tenantdb_status status,
                         const tenantdb_error *error) {
  const char *message = tenantdb_error_message(error);
  switch (status) {
    case TENANTDB_ISOLATION:
      tell(session, TNDB_EVENT_SCOPE_REFUSED, error, message);
      break;
    case TENANTDB_UNKNOWN:
      tell(session, TNDB_EVENT_OUTCOME_UNKNOWN, error, message);
      break;
    case TENANTDB_TIMEOUT:
    case TENANTDB_CANCELLED:
      tell(session, TNDB_EVENT_STATEMENT_STOPPED, error, message);
      break;
    default:
      if (tenantdb_error_reason(error) == TENANTDB_REASON_READ_ONLY_SERVER && !asked_read_only(session)) {
        if (time_to_tell(&session->db->counters.read_only_ms)) {
          tell(session, TNDB_EVENT_SERVER_READ_ONLY, error, message);
        }
        if (session->conn) {
          tndb_database_notice_failure(session->db, session->conn, error);
        }
      }
      break;
  }
}

static void account_failure(tenantdb_session *session, tenantdb_status status, const tenantdb_error *error) {
  tndb_counters *counters = &session->db->counters;
  tndb_counter_add(&counters->errors[tndb_class_of(tenantdb_error_sqlstate(error))], 1);
  if (status == TENANTDB_ISOLATION) {
    tndb_counter_add(&counters->violations, 1);
  }
  tell_failure(session, status, error);
}

/* ---------------------------------------------------------------- the calls */

static void account_transaction(tenantdb_session *session) {
  const tndb_call *call = &session->call;
  tndb_counters *counters = &session->db->counters;
  bool over = session->state == TNDB_SESSION_IDLE || session->state == TNDB_SESSION_BROKEN;
  if (!call->inside || !over) {
    return;
  }
  bool undone = call->undoes || call->abandoned;
  tndb_counter_add(call->status == TENANTDB_UNKNOWN ? &counters->unknown
                   : call->status || undone         ? &counters->rolled_back
                                                    : &counters->committed,
                   1);
}

void tndb_account_call(tenantdb_session *session) {
  const tndb_call *call = &session->call;
  tndb_counters *counters = &session->db->counters;
  if (!call->status && call->count == 1 && (call->commits || call->bare)) {
    tndb_counter_add(&counters->whole, 1);
    return;
  }
  if (call->count > 0) {
    tndb_counter_add(&counters->statements, (int64_t)call->count);
  }
  account_transaction(session);
  if (call->status && !call->abandoned) {
    account_failure(session, call->status, call->error);
  }
}

void tndb_account_copy(tenantdb_session *session, tenantdb_status status, const tenantdb_error *error) {
  tndb_counter_add(&session->db->counters.statements, 1);
  if (!session->conn || session->conn->dead) {
    tndb_counter_add(&session->db->counters.rolled_back, 1);
  }
  if (status) {
    account_failure(session, status, error);
  }
}

void tndb_account_lost(tenantdb_session *session, bool in_transaction) {
  tndb_counters *counters = &session->db->counters;
  tndb_counter_add(&counters->errors[TNDB_NO_CLASS], 1);
  if (in_transaction) {
    tndb_counter_add(&counters->rolled_back, 1);
  }
}

void tndb_account_close(const tenantdb_session *session) {
  bool open = session->state == TNDB_SESSION_OPEN || session->state == TNDB_SESSION_FAILED;
  if (!open || !session->conn || tndb_conn_is_foreign(session->conn)) {
    return;
  }
  tndb_counter_add(&session->db->counters.rolled_back, 1);
  tell(session, TNDB_EVENT_SESSION_LEAK, NULL,
       "a session was closed with its transaction open; it is rolled back");
}

/* SPDX-License-Identifier: PostgreSQL */
#include "pg/connection.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "pg/exchange.h"
#include "pg/failure.h"
#include "pg/prepared.h"
#include "pg/wait.h"

#define OLDEST_VERSION 130000
/* So soon after an answer the connection is taken to be alive: looking costs a system call every time. */
#define TRUSTED_MS 10

/* The server's notices go to the caller's log; libpq would write them to stderr. */
static void receive_notice(void *user, const PGresult *notice) {
  const tndb_conn *conn = user;
  const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  bool warning = severity && strcmp(severity, "WARNING") == 0;
  tndb_event event = {.kind = TNDB_EVENT_NOTICE,
                      .level = warning ? TENANTDB_LOG_WARNING : TENANTDB_LOG_NOTICE,
                      .backend_pid = PQbackendPID(conn->pg),
                      .sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE),
                      .message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY)};
  tndb_config_write_event(conn->config, &event);
}

tenantdb_status tndb_conn_check_version(int version, tenantdb_error **error) {
  if (version >= OLDEST_VERSION) {
    return TENANTDB_OK;
  }
  return tndb_origin(error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_SERVER_TOO_OLD,
                     "the server is PostgreSQL %d.%d; version 13 or newer is needed", version / 10000,
                     version % 10000);
}

/* When memory runs out inside libpq a connection may come up with parameters missing, silently. */
static tenantdb_status check_parameters(PGconn *pg, tenantdb_error **error) {
  static const char *const needed[][2] = {{"client_encoding", "UTF8"}, {"standard_conforming_strings", "on"}};
  for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
    const char *value = PQparameterStatus(pg, needed[i][0]);
    if (!value || strcmp(value, needed[i][1]) != 0) {
      return tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_UNFIT,
                         "the connection's %s is %s instead of %s; quoting would not be safe", needed[i][0],
                         value ? value : "unknown", needed[i][1]);
    }
  }
  if (PQserverVersion(pg) == 0) {
    return tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_UNFIT,
                       "the server did not tell its version");
  }
  return tndb_conn_check_version(PQserverVersion(pg), error);
}

static tenantdb_status wait_for_connection(PGconn *pg, tndb_deadline deadline, tenantdb_error **error) {
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  while (next == PGRES_POLLING_READING || next == PGRES_POLLING_WRITING) {
    bool reading = next == PGRES_POLLING_READING;
    tndb_ready ready = tndb_wait(PQsocket(pg), reading, !reading, deadline);
    if (ready == TNDB_READY_TIMEOUT) {
      return tndb_origin(error, TENANTDB_TIMEOUT, TENANTDB_REASON_CONNECT_TIMEOUT,
                         "no connection within database.connect_timeout");
    }
    next = ready == TNDB_READY_FAILED ? PGRES_POLLING_FAILED : PQconnectPoll(pg);
  }
  return next == PGRES_POLLING_OK ? TENANTDB_OK : tndb_failure_of_connect(pg, error);
}

static tenantdb_status start(tndb_conn *conn, tenantdb_error **error) {
  const char *const keywords[] = {"dbname", "client_encoding", "fallback_application_name", NULL};
  const char *const values[] = {tndb_config_text(conn->config, TNDB_DATABASE_URL), "UTF8",
                                tndb_config_text(conn->config, TNDB_DATABASE_APPLICATION_NAME), NULL};
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(conn->config, TNDB_DATABASE_CONNECT_TIMEOUT));
  conn->pg = PQconnectStartParams(keywords, values, 1);
  if (!conn->pg) {
    return tndb_no_memory(error);
  }
  (void)PQsetErrorVerbosity(conn->pg, PQERRORS_VERBOSE); /* for the SQLSTATE of a refusal */
  (void)PQsetNoticeReceiver(conn->pg, receive_notice, conn);
  if (PQstatus(conn->pg) == CONNECTION_BAD) {
    return tndb_failure_of_connect(conn->pg, error);
  }
  tenantdb_status status = wait_for_connection(conn->pg, deadline, error);
  if (!status) {
    status = check_parameters(conn->pg, error);
  }
  (void)PQsetErrorVerbosity(conn->pg, PQERRORS_DEFAULT);
  if (!status && (PQsetnonblocking(conn->pg, 1) != 0 || PQenterPipelineMode(conn->pg) != 1)) {
    status = tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_UNFIT,
                         "the connection cannot be switched to pipeline mode");
  }
  return status;
}

tenantdb_status tndb_conn_open(const tenantdb_config *config, tndb_conn **out, tenantdb_error **error) {
  *out = NULL;
  tndb_conn *conn = tndb_new(tndb_conn);
  if (!conn) {
    return tndb_no_memory(error);
  }
  conn->config = config;
  conn->fork = tndb_fork_generation();
  tenantdb_status status = start(conn, error);
  if (status) {
    tndb_conn_close(conn);
    return status;
  }
  conn->cancel = PQgetCancel(conn->pg);
  const char *path = PQparameterStatus(conn->pg, "search_path");
  conn->home_path = path ? tndb_strdup(path) : NULL;
  if (!conn->cancel || (path && !conn->home_path)) {
    tndb_conn_close(conn);
    return tndb_no_memory(error);
  }
  conn->opened_ms = tndb_clock_ms();
  conn->idle_since_ms = conn->opened_ms;
  *out = conn;
  return TENANTDB_OK;
}

static tenantdb_status check_adoptable(PGconn *pg, tenantdb_error **error) {
  if (PQstatus(pg) != CONNECTION_OK) {
    return tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
                       "the connection to adopt is not connected");
  }
  if (PQtransactionStatus(pg) != PQTRANS_IDLE || PQpipelineStatus(pg) != PQ_PIPELINE_OFF) {
    return tndb_origin(
        error, TENANTDB_STATE, TENANTDB_REASON_IN_TRANSACTION,
        "the connection to adopt is in a transaction, in a pipeline or has a command under way");
  }
  return check_parameters(pg, error);
}

tenantdb_status tndb_conn_adopt(const tenantdb_config *config, PGconn *pg, tndb_conn **out,
                                tenantdb_error **error) {
  *out = NULL;
  tenantdb_status status = check_adoptable(pg, error);
  tndb_conn *conn = status ? NULL : tndb_new(tndb_conn);
  PGcancel *cancel = conn ? PQgetCancel(pg) : NULL;
  if (status || !cancel) {
    tndb_free(conn);
    return status ? status : tndb_no_memory(error);
  }
  conn->config = config;
  conn->fork = tndb_fork_generation();
  conn->pg = pg;
  conn->cancel = cancel;
  conn->adopted = true;
  conn->was_blocking = !PQisnonblocking(pg);
  conn->opened_ms = tndb_clock_ms();
  if (PQsetnonblocking(pg, 1) != 0 || PQenterPipelineMode(pg) != 1) {
    (void)tndb_conn_give_back(conn);
    return tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_UNFIT,
                       "the connection to adopt cannot be switched to pipeline mode");
  }
  *out = conn;
  return TENANTDB_OK;
}

bool tndb_conn_give_back(tndb_conn *conn) {
  if (tndb_conn_is_foreign(conn)) {
    conn->pg = NULL; /* in a child even leaving the pipeline could send what is still to be sent */
    tndb_conn_close(conn);
    return false;
  }
  bool clean = tndb_conn_is_idle(conn);
  if (clean) {
    tndb_exchange_begin(conn); /* lets go of the last results */
  }
  clean = PQexitPipelineMode(conn->pg) == 1 && clean;
  clean = PQsetnonblocking(conn->pg, !conn->was_blocking) == 0 && clean;
  conn->pg = NULL;
  tndb_conn_close(conn);
  return clean;
}

bool tndb_conn_is_foreign(const tndb_conn *conn) {
  return conn->fork != tndb_fork_generation();
}

/* What libpq says from now on must not reach the server: the connection is the parent's, who still uses it. */
bool tndb_conn_let_go(const tndb_conn *conn) {
  int socket = PQsocket(conn->pg);
  int nowhere = socket >= 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
  bool gone = socket < 0 || (nowhere >= 0 && dup2(nowhere, socket) >= 0);
  if (nowhere >= 0) {
    (void)close(nowhere);
  }
  return gone;
}

void tndb_conn_close(tndb_conn *conn) {
  if (!conn) {
    return;
  }
  if (conn->pg && tndb_conn_is_foreign(conn) && !tndb_conn_let_go(conn)) {
    conn->pg = NULL; /* memory is lost, but nothing is said */
  }
  for (size_t i = 0; i < conn->capacity; i++) {
    PQclear(conn->results[i]);
  }
  tndb_free(conn->results);
  tndb_prepared_free(conn);
  PQfreeCancel(conn->cancel);
  tndb_free(conn->home_path);
  PQfinish(conn->pg);
  tndb_free(conn);
}

bool tndb_conn_is_stale(const tndb_conn *conn, int64_t now_ms) {
  if (now_ms - conn->answered_ms < TRUSTED_MS) {
    return false;
  }
  /* An idle server sends nothing but notices and its good-bye; either way another connection is safer. */
  return tndb_wait(PQsocket(conn->pg), true, false, now_ms) != TNDB_READY_TIMEOUT;
}

bool tndb_conn_is_home(const tndb_conn *conn) {
  const char *path = PQparameterStatus(conn->pg, "search_path");
  return !path || !conn->home_path || strcmp(path, conn->home_path) == 0;
}

bool tndb_conn_is_idle(const tndb_conn *conn) {
  return !conn->dead && PQstatus(conn->pg) == CONNECTION_OK && PQtransactionStatus(conn->pg) == PQTRANS_IDLE;
}

bool tndb_conn_cancel_from_outside(tndb_conn *conn) {
  char ignored[256];
  conn->cancel_asked = true;
  conn->tainted = true;
  return PQcancel(conn->cancel, ignored, sizeof ignored) == 1;
}

#ifdef LIBPQ_HAS_ASYNC_CANCEL
void tndb_conn_cancel(tndb_conn *conn) {
  PGcancelConn *cancel = PQcancelCreate(conn->pg);
  tndb_deadline deadline = tndb_deadline_in(1000);
  if (cancel && PQcancelStart(cancel)) {
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next == PGRES_POLLING_READING || next == PGRES_POLLING_WRITING) {
      bool reading = next == PGRES_POLLING_READING;
      tndb_ready ready = tndb_wait(PQcancelSocket(cancel), reading, !reading, deadline);
      if (ready == TNDB_READY_TIMEOUT || ready == TNDB_READY_FAILED) {
        break;
      }
      next = PQcancelPoll(cancel);
    }
  }
  PQcancelFinish(cancel);
}
#else
void tndb_conn_cancel(tndb_conn *conn) {
  /* PQcancel() blocks; over a network that has gone silent it would outlast the deadline it serves. */
  const char *host = PQhost(conn->pg);
  const char *address = PQhostaddr(conn->pg);
  bool local = (host && host[0] == '/') ||
               (address && (strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0));
  char ignored[256];
  if (local) {
    (void)PQcancel(conn->cancel, ignored, sizeof ignored);
  }
}
#endif

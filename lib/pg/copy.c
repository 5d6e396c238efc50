/* SPDX-License-Identifier: PostgreSQL */
#include "pg/copy.h"

#include <limits.h>

#include "pg/failure.h"
#include "pg/rows.h"
#include "pg/wait.h"

static tenantdb_status lost(tndb_conn *conn, tenantdb_error **error) {
  conn->dead = true;
  return tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST,
                     "the connection broke during COPY");
}

static tenantdb_status too_late(tndb_conn *conn, tenantdb_error **error) {
  tndb_conn_cancel(conn);
  conn->dead = true;
  return tndb_origin(error, TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT,
                     "COPY made no progress within the deadline; the connection is given up");
}

/* Wait for the socket, reading what comes: a server that writes must be read, or both sides would wait. */
static tenantdb_status wait_for(tndb_conn *conn, bool write, tndb_deadline deadline, tenantdb_error **error) {
  tndb_ready ready = tndb_wait(PQsocket(conn->pg), true, write, deadline);
  if (ready == TNDB_READY_TIMEOUT) {
    return too_late(conn, error);
  }
  if (ready == TNDB_READY_FAILED || ((ready & TNDB_READY_READ) && PQconsumeInput(conn->pg) != 1)) {
    return lost(conn, error);
  }
  return TENANTDB_OK;
}

static tenantdb_status flush(tndb_conn *conn, tndb_deadline deadline, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  int left = PQflush(conn->pg);
  while (left == 1 && !status) {
    status = wait_for(conn, true, deadline, error);
    left = PQflush(conn->pg);
  }
  return left < 0 && !status ? lost(conn, error) : status;
}

static tenantdb_status next_result(tndb_conn *conn, tndb_deadline deadline, PGresult **result,
                                   tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  *result = NULL;
  while (!status && PQisBusy(conn->pg)) {
    status = wait_for(conn, false, deadline, error);
  }
  if (!status) {
    *result = PQgetResult(conn->pg);
  }
  return status;
}

/* Everything up to the end of the statement; the first failure is what counts. */
static tenantdb_status drain(tndb_conn *conn, int64_t *rows, tndb_deadline deadline, tenantdb_error **error) {
  tenantdb_status outcome = TENANTDB_OK, status = TENANTDB_OK;
  PGresult *result = NULL;
  do {
    status = next_result(conn, deadline, &result, outcome ? NULL : error);
    ExecStatusType kind = result ? PQresultStatus(result) : PGRES_COMMAND_OK;
    if (kind == PGRES_COPY_IN || kind == PGRES_COPY_OUT || kind == PGRES_COPY_BOTH) {
      PQclear(result);
      return outcome ? (conn->dead = true, outcome) : lost(conn, error);
    }
    if (kind == PGRES_FATAL_ERROR && !outcome) {
      outcome = tndb_failure_of_result(result, error);
    } else if (result && rows && kind == PGRES_COMMAND_OK) {
      *rows = tndb_rows_affected(result);
    }
    PQclear(result);
  } while (result && !status && PQstatus(conn->pg) == CONNECTION_OK);
  if (status || PQstatus(conn->pg) != CONNECTION_OK || PQenterPipelineMode(conn->pg) != 1) {
    conn->dead = true;
  }
  conn->answered_ms = tndb_clock_ms();
  return outcome ? outcome : status ? status : conn->dead ? lost(conn, error) : TENANTDB_OK;
}

tenantdb_status tndb_copy_start(tndb_conn *conn, const char *sql, bool in, tndb_deadline deadline,
                                tenantdb_error **error) {
  PGresult *result = NULL;
  if (PQexitPipelineMode(conn->pg) != 1 ||
      PQsendQueryParams(conn->pg, sql, 0, NULL, NULL, NULL, NULL, 0) != 1) {
    return lost(conn, error);
  }
  tenantdb_status status = flush(conn, deadline, error);
  if (!status) {
    status = next_result(conn, deadline, &result, error);
  }
  ExecStatusType kind = result ? PQresultStatus(result) : PGRES_FATAL_ERROR;
  if (!status && kind == (in ? PGRES_COPY_IN : PGRES_COPY_OUT)) {
    PQclear(result);
    return TENANTDB_OK;
  }
  if (!status && kind == PGRES_FATAL_ERROR) {
    status = tndb_failure_of_result(result, error);
  }
  PQclear(result);
  if (kind == PGRES_COPY_IN || kind == PGRES_COPY_OUT || kind == PGRES_COPY_BOTH) {
    conn->dead = true; /* the other direction: too much to unravel */
  }
  if (!status) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                         "the statement is no COPY %s", in ? "FROM STDIN" : "TO STDOUT");
  }
  if (!conn->dead) {
    (void)drain(conn, NULL, deadline, NULL);
  }
  return status;
}

tenantdb_status tndb_copy_put(tndb_conn *conn, const void *data, size_t length, tndb_deadline deadline,
                              tenantdb_error **error) {
  const char *at = data;
  while (length > 0) {
    int part = length < 65536 ? (int)length : 65536;
    int taken = PQputCopyData(conn->pg, at, part);
    if (taken < 0) {
      return lost(conn, error);
    }
    if (taken == 0) {
      tenantdb_status status = wait_for(conn, true, deadline, error);
      if (status) {
        return status;
      }
      continue;
    }
    at += part;
    length -= (size_t)part;
    tenantdb_status status = flush(conn, deadline, error); /* or libpq's buffer would grow without bound */
    if (status) {
      return status;
    }
  }
  return TENANTDB_OK;
}

tenantdb_status tndb_copy_finish(tndb_conn *conn, const char *failure, int64_t *rows, tndb_deadline deadline,
                                 tenantdb_error **error) {
  int taken = PQputCopyEnd(conn->pg, failure);
  while (taken == 0) {
    tenantdb_status status = wait_for(conn, true, deadline, error);
    if (status) {
      return status;
    }
    taken = PQputCopyEnd(conn->pg, failure);
  }
  if (taken < 0) {
    return lost(conn, error);
  }
  tenantdb_status status = flush(conn, deadline, error);
  return status ? status : drain(conn, rows, deadline, error);
}

tenantdb_status tndb_copy_get(tndb_conn *conn, char **data, size_t *length, tndb_deadline deadline,
                              tenantdb_error **error) {
  *data = NULL;
  *length = 0;
  for (;;) {
    int got = PQgetCopyData(conn->pg, data, 1);
    if (got > 0) {
      *length = (size_t)got;
      return TENANTDB_OK;
    }
    if (got == -2) {
      return lost(conn, error);
    }
    if (got == -1) {
      return drain(conn, NULL, deadline, error);
    }
    tenantdb_status status = wait_for(conn, false, deadline, error);
    if (status) {
      return status;
    }
  }
}

void tndb_copy_release(char *data) {
  PQfreemem(data);
}

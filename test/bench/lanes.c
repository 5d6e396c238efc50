/* SPDX-License-Identifier: PostgreSQL */
#include "lanes.h"

#include <poll.h>
#include <string.h>

#include "bench.h"

void lanes_open(struct lanes *lanes, const char *url, const char *const names[][2], int n) {
  for (int i = 0; i < lanes->connections; i++) {
    PGconn *conn = lanes->lane[i].conn = bench_connect(url);
    for (int k = 0; k < n; k++) {
      PGresult *result = PQprepare(conn, names[k][0], names[k][1], 0, NULL);
      bench_expect(conn, result, PGRES_COMMAND_OK, names[k][0]);
      PQclear(result);
    }
    if (PQsetnonblocking(conn, 1) != 0 || !PQenterPipelineMode(conn))
      bench_die("pipeline: %s", PQerrorMessage(conn));
  }
}

void lanes_close(struct lanes *lanes) {
  for (int i = 0; i < lanes->connections; i++)
    PQfinish(lanes->lane[i].conn);
}

static void lane_send(struct lane *lane, const struct lanes_work *work, int tenant) {
  if (!work->send(work->user, lane->conn, tenant) || !PQpipelineSync(lane->conn))
    bench_die("sending: %s", PQerrorMessage(lane->conn));
  lane->sent[lane->n_sent++] = tenant;
  lane->flushed = false;
}

/* Everything that has arrived. */
static void lane_collect(struct lane *lane, const struct lanes_work *work) {
  while (lane->n_sent > 0 && !PQisBusy(lane->conn)) {
    PGresult *result = PQgetResult(lane->conn);
    if (!result) {
      lane->place++;
    } else if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
      lane->n_sent--;
      memmove(lane->sent, lane->sent + 1, (size_t)lane->n_sent * sizeof *lane->sent);
      lane->place = 0;
    } else if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
      bench_die("%s", PQresultErrorMessage(result));
    } else if (work->see) {
      work->see(work->user, lane, result);
    }
    PQclear(result);
  }
}

void lanes_run(struct lanes *lanes, const struct lanes_work *work, int n) {
  int next = 0, under_way = 0;
  do {
    struct pollfd sockets[LANES_MAX];
    under_way = 0;
    for (int i = 0; i < lanes->connections; i++) {
      struct lane *lane = &lanes->lane[i];
      while (lane->n_sent < lanes->depth && next < n)
        lane_send(lane, work, next++);
      if (!lane->flushed)
        lane->flushed = PQflush(lane->conn) == 0;
      sockets[i] = (struct pollfd){lane->n_sent ? PQsocket(lane->conn) : -1,
                                   (short)(lane->flushed ? POLLIN : POLLIN | POLLOUT), 0};
      under_way += lane->n_sent;
    }
    if (under_way == 0 || poll(sockets, (nfds_t)lanes->connections, -1) < 0)
      continue;
    for (int i = 0; i < lanes->connections; i++) {
      if (sockets[i].revents & ~POLLOUT) {
        if (!PQconsumeInput(lanes->lane[i].conn))
          bench_die("reading: %s", PQerrorMessage(lanes->lane[i].conn));
        lane_collect(&lanes->lane[i], work);
      }
    }
  } while (under_way > 0);
}

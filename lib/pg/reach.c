/* SPDX-License-Identifier: PostgreSQL */
#include "pg/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pg/wait.h"

/* Longer than this a host that says nothing is not waited for. */
#define PATIENCE_MS 5000

static void copy_name(char to[64], const char *from) {
  size_t length = from ? strlen(from) : 0;
  length = length < 63 ? length : 63;
  memcpy(to, from ? from : "", length);
  to[length] = '\0';
}

/* Whether somebody takes a connection at that address. */
static bool answers(int family, const struct sockaddr *address, socklen_t length, tndb_deadline deadline) {
  int socket_fd = socket(family, SOCK_STREAM, 0);
  if (socket_fd < 0) {
    return false;
  }
  int flags = fcntl(socket_fd, F_GETFL);
  bool taken = fcntl(socket_fd, F_SETFL, flags | O_NONBLOCK) == 0;
  if (taken && connect(socket_fd, address, length) != 0) {
    int failure = 0;
    socklen_t size = sizeof failure;
    taken = errno == EINPROGRESS && (tndb_wait(socket_fd, false, true, deadline) & TNDB_READY_WRITE) != 0 &&
            getsockopt(socket_fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0;
  }
  (void)close(socket_fd);
  return taken;
}

static tndb_reach_outcome try_socket(const char *directory, const char *port, tndb_buffer *place) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  tndb_buffer_format(place, "socket %s/.s.PGSQL.%s", directory, port);
  const char *path = tndb_buffer_text(place) + (place->failed ? 0 : strlen("socket "));
  if (strlen(path) >= sizeof address.sun_path) {
    return TNDB_REACH_NO_ANSWER;
  }
  memcpy(address.sun_path, path, strlen(path));
  return answers(AF_UNIX, (const struct sockaddr *)&address, sizeof address, tndb_deadline_in(PATIENCE_MS))
             ? TNDB_REACH_ANSWERED
             : TNDB_REACH_NO_ANSWER;
}

static tndb_reach_outcome try_host(const char *host, const char *port, tndb_buffer *place) {
  struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
  tndb_buffer_format(place, "host %s, port %s", host, port);
  if (getaddrinfo(host, port, &wanted, &found) != 0) {
    return TNDB_REACH_NO_NAME;
  }
  tndb_reach_outcome outcome = TNDB_REACH_NO_ANSWER;
  tndb_deadline deadline = tndb_deadline_in(PATIENCE_MS);
  for (const struct addrinfo *at = found; at && outcome == TNDB_REACH_NO_ANSWER; at = at->ai_next) {
    outcome = answers(at->ai_family, at->ai_addr, at->ai_addrlen, deadline) ? TNDB_REACH_ANSWERED : outcome;
  }
  freeaddrinfo(found);
  return outcome;
}

bool tndb_reach_find(const tenantdb_config *config, tndb_reach *reach) {
  const char *const keywords[] = {"dbname", NULL};
  const char *const values[] = {tndb_config_text(config, TNDB_DATABASE_URL), NULL};
  *reach = (tndb_reach){.outcome = TNDB_REACH_UNCLEAR};
  PGconn *pg = PQconnectStartParams(keywords, values, 1); /* libpq knows services, PG* and its defaults */
  if (!pg) {
    return false;
  }
  const char *host = PQhost(pg), *numeric = PQhostaddr(pg), *port = PQport(pg);
  copy_name(reach->user, PQuser(pg));
  copy_name(reach->database, PQdb(pg));
  host = numeric && *numeric ? numeric : host;
  if (!host || !*host || !port || !*port) {
    tndb_buffer_append(&reach->place, "option database.url");
  } else if (*host == '/' || *host == '@') {
    reach->outcome = try_socket(host, port, &reach->place);
  } else {
    reach->outcome = try_host(host, port, &reach->place);
  }
  PQfinish(pg);
  return !reach->place.failed;
}

void tndb_reach_free(tndb_reach *reach) {
  tndb_buffer_free(&reach->place);
}

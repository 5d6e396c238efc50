/* SPDX-License-Identifier: PostgreSQL */
#define _GNU_SOURCE /* memmem, accept4, pipe2 */

#include "proxy_broken.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Whose unit a process answers, where it is no client's. */
enum { NONE = -1, NOBODY = -2, GONE = -3 };
enum { MOST_CLIENTS = 16, MOST_PROCESSES = 40, ROOM = 1 << 20, CLIENTS_ROOM = 1 << 16 };

#define CODE_CANCEL 80877102u
#define CODE_STARTUP 196608u

typedef struct process {
  PGconn *pg;  /* libpq has logged in; from then on the socket is ours */
  int client;  /* whose unit it answers, or NONE … */
  int owner;   /* whose transaction is open; -1: nobody's */
  int swallow; /* so many more ends of units are of our own making */
  size_t length;
  char bytes[ROOM];
} process;

typedef struct client {
  int fd; /* -1: free */
  bool started;
  int process; /* of its own, or -1 */
  int units;
  size_t length;
  char bytes[CLIENTS_ROOM];
} client;

struct broken_pooler {
  broken_way way;
  int after;
  char url[2][512];
  char own_url[512];
  char folder[64];
  char path[96];
  int listener;
  int wake[2];
  int accepted;
  pthread_t thread;
  int n_processes;
  process *processes[MOST_PROCESSES];
  client clients[MOST_CLIENTS];
};

static uint32_t number_at(const char *at) {
  const unsigned char *b = (const unsigned char *)at;
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void put_number(char *at, uint32_t number) {
  for (int i = 0; i < 4; i++)
    at[i] = (char)(number >> (24 - 8 * i) & 0xFF);
}

static void write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
    if (n <= 0)
      return;
    bytes += n;
    length -= (size_t)n;
  }
}

/* ---- processes ---- */

static int new_process(broken_pooler *pooler, int which) {
  process *p = pooler->n_processes < MOST_PROCESSES ? calloc(1, sizeof *p) : NULL;
  if (!p)
    return -1;
  p->client = p->owner = NONE;
  p->pg = PQconnectdb(pooler->url[which]);
  if (PQstatus(p->pg) != CONNECTION_OK) {
    PQfinish(p->pg);
    free(p);
    return -1;
  }
  pooler->processes[pooler->n_processes] = p;
  return pooler->n_processes++;
}

static bool shares(broken_way way) {
  return way == BROKEN_POOLED || way == BROKEN_SHARED || way == BROKEN_LASTING || way == BROKEN_ROLE ||
         way == BROKEN_COMMIT;
}

/* The process for a client's next unit; -1 when it has to wait. */
static int process_for(broken_pooler *pooler, int who) {
  client *c = &pooler->clients[who];
  int which = shares(pooler->way) ? 0 : pooler->way == BROKEN_SWITCHED ? c->units % 2 : c->process;
  process *p = pooler->processes[which];
  bool taken = pooler->way != BROKEN_SHARED && p->owner >= 0 && p->owner != who;
  return p->client != NONE || taken ? -1 : which;
}

/* ---- what is wrong ---- */

static void replace(char *bytes, size_t length, const char *from, const char *to) {
  size_t size = strlen(from);
  for (char *at = bytes; (at = memmem(at, length - (size_t)(at - bytes), from, size)) != NULL; at += size) {
    memset(at, ' ', size);
    memcpy(at, to, strlen(to));
  }
}

/* `true` to `false` of every set_config() that sets what begins with `what`. */
static void make_lasting(char *bytes, size_t length, const char *what) {
  char call[64];
  snprintf(call, sizeof call, "set_config('%s", what);
  for (char *at = bytes; (at = memmem(at, length - (size_t)(at - bytes), call, strlen(call))) != NULL; at++) {
    char *end = memmem(at, length - (size_t)(at - bytes), "true)", 5);
    if (end && end - at < 60)
      memcpy(end, "'f' )", 5);
  }
}

/* A Sync behind every Execute. Returns the new length. */
static size_t split_pipeline(process *p, const char *bytes, size_t length, char *out) {
  size_t used = 0;
  p->swallow = 0;
  for (size_t at = 0; at < length;) {
    size_t size = 1 + number_at(bytes + at + 1);
    memcpy(out + used, bytes + at, size);
    used += size;
    if (bytes[at] == 'E') {
      memcpy(out + used, "S\0\0\0\4", 5);
      used += 5;
      p->swallow++;
    }
    at += size;
  }
  return used;
}

static void send_unit(broken_pooler *pooler, process *p, char *bytes, size_t length) {
  static const char lock[] = "pg_catalog.pg_try_advisory_xact_lock(1953391731, $1::pg_catalog.int4)";
  char *split = NULL;
  switch (pooler->way) {
    case BROKEN_LASTING:
      make_lasting(bytes, length, "");
      break;
    case BROKEN_ROLE:
      make_lasting(bytes, length, "role");
      break;
    case BROKEN_COMMIT:
      replace(bytes, length, "COMMIT", "SELECT");
      break;
    case BROKEN_LOCK:
      replace(bytes, length, lock, "$1::pg_catalog.int4 IS NOT NULL");
      break;
    case BROKEN_SQL:
      replace(bytes, length, "pg_catalog.to_char(", "pg_catalog.no_char(");
      break;
    case BROKEN_PIPELINE:
      split = malloc(3 * length);
      length = split_pipeline(p, bytes, length, split);
      break;
    default:
      break;
  }
  write_all(PQsocket(p->pg), split ? split : bytes, length);
  free(split);
}

/* ---- clients ---- */

/* Even this pooler ends the transaction of a client that is gone. */
static void roll_back(process *p) {
  p->owner = -1;
  p->client = NOBODY;
  write_all(PQsocket(p->pg), "Q\0\0\0\15ROLLBACK", 14);
}

static void drop_client(broken_pooler *pooler, int who) {
  client *c = &pooler->clients[who];
  close(c->fd);
  c->fd = -1;
  for (int i = 0; i < pooler->n_processes; i++) {
    process *p = pooler->processes[i];
    if (p->owner == who && p->client == NONE)
      roll_back(p);
  }
}

static void parameter(int fd, const char *name, const char *value) {
  char message[256] = "S";
  size_t name_size = strlen(name) + 1, value_size = value ? strlen(value) + 1 : 0;
  if (!value || name_size + value_size > 200)
    return;
  put_number(message + 1, (uint32_t)(4 + name_size + value_size));
  memcpy(message + 5, name, name_size);
  memcpy(message + 5 + name_size, value, value_size);
  write_all(fd, message, 5 + name_size + value_size);
}

static void welcome(broken_pooler *pooler, int who) {
  static const char *const names[] = {"server_version",
                                      "server_encoding",
                                      "client_encoding",
                                      "DateStyle",
                                      "TimeZone",
                                      "integer_datetimes",
                                      "standard_conforming_strings"};
  client *c = &pooler->clients[who];
  bool own = !shares(pooler->way) && pooler->way != BROKEN_SWITCHED;
  int turn = pooler->accepted++ % 2;
  bool old = pooler->way == BROKEN_OLD && turn == 1;
  c->process = own ? new_process(pooler, pooler->way == BROKEN_SERVERS ? turn : 0) : 0;
  if (c->process < 0) {
    drop_client(pooler, who);
    return;
  }
  PGconn *pg = pooler->processes[c->process]->pg;
  char key[13] = "K";
  write_all(c->fd, "R\0\0\0\10\0\0\0\0", 9);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    parameter(c->fd, names[i], old && i == 0 ? "12.22" : PQparameterStatus(pg, names[i]));
  put_number(key + 1, 12);
  put_number(key + 5, (uint32_t)PQbackendPID(pg));
  put_number(key + 9, (uint32_t)who);
  write_all(c->fd, key, sizeof key);
  write_all(c->fd, "Z\0\0\0\5I", 6);
  c->started = true;
  c->units = 0;
}

/* The client whose statement is meant, by the key that it was given; or, wrongly, another who is busy. */
static void cancel(broken_pooler *pooler, int meant) {
  for (int i = 0; i < pooler->n_processes; i++) {
    process *p = pooler->processes[i];
    bool hit = pooler->way == BROKEN_CANCEL ? p->client >= 0 && p->client != meant : p->client == meant;
    if (hit) {
      char ignored[64];
      PGcancel *request = PQgetCancel(p->pg);
      PQcancel(request, ignored, sizeof ignored);
      PQfreeCancel(request);
    }
  }
}

static void start_client(broken_pooler *pooler, int who) {
  client *c = &pooler->clients[who];
  size_t size = c->length >= 8 ? number_at(c->bytes) : 0;
  if (size < 8 || c->length < size)
    return;
  uint32_t code = number_at(c->bytes + 4);
  uint32_t key = c->length >= 16 ? number_at(c->bytes + 12) : 0;
  c->length -= size;
  memmove(c->bytes, c->bytes + size, c->length);
  if (code == CODE_STARTUP) {
    welcome(pooler, who);
  } else if (code == CODE_CANCEL) {
    cancel(pooler, (int)key);
    drop_client(pooler, who);
  } else {
    write_all(c->fd, "N", 1); /* neither TLS nor GSS */
  }
}

/* The length of the client's next unit, 0 when it is not there whole. `over`: he says good-bye. */
static size_t unit_of(const client *c, bool *over) {
  *over = false;
  for (size_t at = 0; at + 5 <= c->length;) {
    char type = c->bytes[at];
    at += 1 + number_at(c->bytes + at + 1);
    if (at > c->length)
      return 0;
    if (type == 'X')
      *over = true;
    if (type == 'S' || type == 'Q' || type == 'X')
      return at;
  }
  return 0;
}

/* Whether something was done. */
static bool serve(broken_pooler *pooler, int who) {
  client *c = &pooler->clients[who];
  bool over;
  size_t size = c->fd >= 0 && c->started ? unit_of(c, &over) : 0;
  if (size == 0)
    return false;
  if (over) {
    drop_client(pooler, who);
    return true;
  }
  if (pooler->way == BROKEN_MOVING && c->units == pooler->after) {
    c->process = new_process(pooler, 0);
  }
  int which = process_for(pooler, who);
  if (which < 0)
    return false;
  process *p = pooler->processes[which];
  p->client = who;
  c->units++;
  send_unit(pooler, p, c->bytes, size);
  c->length -= size;
  memmove(c->bytes, c->bytes + size, c->length);
  return true;
}

static void read_client(broken_pooler *pooler, int who) {
  client *c = &pooler->clients[who];
  ssize_t n = recv(c->fd, c->bytes + c->length, sizeof c->bytes - c->length, 0);
  if (n <= 0) {
    drop_client(pooler, who);
    return;
  }
  c->length += (size_t)n;
  while (c->fd >= 0 && !c->started && c->length >= 8) {
    size_t before = c->length;
    start_client(pooler, who);
    if (c->length == before)
      break;
  }
}

/* Pass the whole messages on; with the last of a unit the process is free again. */
static void read_process(broken_pooler *pooler, process *p) {
  ssize_t n = recv(PQsocket(p->pg), p->bytes + p->length, sizeof p->bytes - p->length, 0);
  size_t at = 0;
  if (n <= 0) {
    if (p->client >= 0 && pooler->clients[p->client].fd >= 0)
      drop_client(pooler, p->client);
    p->client = GONE;
    return;
  }
  p->length += (size_t)n;
  while (at + 5 <= p->length && at + 1 + number_at(p->bytes + at + 1) <= p->length) {
    size_t size = 1 + number_at(p->bytes + at + 1);
    bool end = p->bytes[at] == 'Z';
    int fd = p->client >= 0 ? pooler->clients[p->client].fd : -1;
    if (end && p->swallow > 0) {
      p->swallow--;
    } else {
      if (fd >= 0)
        write_all(fd, p->bytes + at, size);
      if (end) {
        bool open = p->bytes[at + 5] != 'I';
        p->owner = open ? p->client : -1;
        p->client = NONE;
        if (open && fd < 0)
          roll_back(p);
      }
    }
    at += size;
  }
  p->length -= at;
  memmove(p->bytes, p->bytes + at, p->length);
}

/* ---- the loop ---- */

static void accept_client(broken_pooler *pooler) {
  int fd = accept4(pooler->listener, NULL, NULL, SOCK_CLOEXEC);
  for (int i = 0; fd >= 0 && i < MOST_CLIENTS; i++) {
    client *c = &pooler->clients[i];
    if (c->fd < 0) {
      c->fd = fd;
      c->started = false;
      c->length = 0;
      return;
    }
  }
  close(fd);
}

static void *run(void *argument) {
  broken_pooler *pooler = argument;
  struct pollfd fds[2 + MOST_CLIENTS + MOST_PROCESSES];
  for (;;) {
    fds[0] = (struct pollfd){.fd = pooler->wake[0], .events = POLLIN};
    fds[1] = (struct pollfd){.fd = pooler->listener, .events = POLLIN};
    for (int i = 0; i < MOST_CLIENTS; i++)
      fds[2 + i] = (struct pollfd){.fd = pooler->clients[i].fd, .events = POLLIN};
    int n = pooler->n_processes;
    for (int i = 0; i < n; i++) {
      process *p = pooler->processes[i];
      fds[2 + MOST_CLIENTS + i] =
          (struct pollfd){.fd = p->client == GONE ? -1 : PQsocket(p->pg), .events = POLLIN};
    }
    poll(fds, (nfds_t)(2 + MOST_CLIENTS + n), -1);
    if (fds[0].revents)
      return NULL;
    for (int i = 0; i < n; i++) {
      if (fds[2 + MOST_CLIENTS + i].revents)
        read_process(pooler, pooler->processes[i]);
    }
    for (int i = 0; i < MOST_CLIENTS; i++) {
      if (fds[2 + i].revents && pooler->clients[i].fd == fds[2 + i].fd)
        read_client(pooler, i);
    }
    if (fds[1].revents)
      accept_client(pooler);
    for (int i = 0; i < MOST_CLIENTS; i++) {
      while (serve(pooler, i)) {
      }
    }
  }
}

static bool listen_here(broken_pooler *pooler) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(pooler->folder, sizeof pooler->folder, "/tmp/tenantdb-broken-XXXXXX");
  if (!mkdtemp(pooler->folder)) {
    pooler->folder[0] = '\0';
    return false;
  }
  snprintf(pooler->path, sizeof pooler->path, "%s/.s.PGSQL.5432", pooler->folder);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", pooler->path);
  pooler->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return pooler->listener >= 0 && bind(pooler->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
         listen(pooler->listener, MOST_CLIENTS) == 0 && pipe2(pooler->wake, O_CLOEXEC) == 0;
}

static void make_url(broken_pooler *pooler, const char *url) {
  PQconninfoOption *options = PQconninfoParse(url, NULL);
  const char *database = "", *user = "";
  for (const PQconninfoOption *o = options; o && o->keyword; o++) {
    database = o->val && strcmp(o->keyword, "dbname") == 0 ? o->val : database;
    user = o->val && strcmp(o->keyword, "user") == 0 ? o->val : user;
  }
  snprintf(pooler->own_url, sizeof pooler->own_url, "host='%s' port=5432 dbname='%s' user='%s'",
           pooler->folder, database, user);
  PQconninfoFree(options);
}

broken_pooler *broken_start(broken_way way, const char *url, const char *other_url, int after) {
  broken_pooler *pooler = calloc(1, sizeof *pooler);
  if (!pooler)
    return NULL;
  pooler->way = way;
  pooler->after = after;
  pooler->listener = pooler->wake[0] = pooler->wake[1] = -1;
  for (int i = 0; i < MOST_CLIENTS; i++)
    pooler->clients[i].fd = -1;
  snprintf(pooler->url[0], sizeof pooler->url[0], "%s", url);
  snprintf(pooler->url[1], sizeof pooler->url[1], "%s", other_url ? other_url : url);
  bool ready = listen_here(pooler);
  if (ready && (shares(way) || way == BROKEN_SWITCHED))
    ready = new_process(pooler, 0) == 0 && new_process(pooler, 0) == 1;
  make_url(pooler, url);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the test's own threads */
  ready = ready && pthread_create(&pooler->thread, NULL, run, pooler) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!ready) {
    pooler->thread = pthread_self();
    broken_stop(pooler);
    return NULL;
  }
  return pooler;
}

void broken_stop(broken_pooler *pooler) {
  if (!pooler)
    return;
  if (!pthread_equal(pooler->thread, pthread_self())) {
    (void)!write(pooler->wake[1], "x", 1);
    pthread_join(pooler->thread, NULL);
  }
  for (int i = 0; i < MOST_CLIENTS; i++) {
    if (pooler->clients[i].fd >= 0)
      close(pooler->clients[i].fd);
  }
  for (int i = 0; i < pooler->n_processes; i++) {
    PQfinish(pooler->processes[i]->pg);
    free(pooler->processes[i]);
  }
  int fds[] = {pooler->listener, pooler->wake[0], pooler->wake[1]};
  for (int i = 0; i < 3; i++) {
    if (fds[i] >= 0)
      close(fds[i]);
  }
  if (pooler->path[0])
    unlink(pooler->path);
  if (pooler->folder[0])
    rmdir(pooler->folder);
  free(pooler);
}

const char *broken_url(const broken_pooler *pooler) {
  return pooler->own_url;
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * One thread, one ppoll() loop, one mutex. The thread holds the mutex except
 * while it waits, so every function sees a whole state.
 */
#define _GNU_SOURCE /* ppoll: delays below a millisecond; memmem, accept4, pipe2 */

#include "proxy.h"
#include "proxy_flow.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_MAX ((size_t)4 << 20)
#define CLOSE_GRACE_US ((int64_t)2000000)
#define PORT 5432
#define NEVER INT64_MAX

#define CODE_CANCEL 80877102u
#define CODE_SSL 80877103u
#define CODE_GSS 80877104u

typedef enum phase { STARTUP, NEGOTIATING, TYPED, OPAQUE } phase;

/* A client's connection and ours to the server; index 0 is the client, 1 the server. */
struct pair {
  struct pair *next;
  int fd[2];
  struct flow flow[2]; /* by sender */
  phase phase;
  bool exempt;   /* a cancel request, or not the protocol */
  bool answered; /* the server has answered what the client sent so far */
  bool stalled, closing, reset;
  int64_t close_by;
};

struct tndb_proxy {
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int wake[2];
  int listener;
  struct sockaddr_storage server;
  socklen_t server_length;
  char folder[64];
  char path[96];
  struct pair *pairs;
  int n_pairs;
  bool stopping;
  int64_t delay_us;
  bool armed;
  proxy_trigger trigger;
  char text[PROXY_TEXT_MAX];
  int64_t seen;
  int64_t fired_since_arming;
  proxy_counters counters;
};

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static uint32_t read_32(const unsigned char *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* ---- messages ---- */

/* The length of the first message of `side`, 0 while it is not all there; its type. */
static size_t message_length(struct pair *pair, int side, char *type) {
  const struct flow *flow = &pair->flow[side];
  if (pair->phase == OPAQUE)
    return flow->length;
  bool untyped = side == 0 && pair->phase != TYPED;
  if (side == 1 && pair->phase == NEGOTIATING && flow->length > 0 && flow->in[0] != 'E') {
    *type = (char)flow->in[0];
    return 1;
  }
  size_t head = untyped ? 0 : 1;
  if (flow->length < head + 4)
    return 0;
  *type = untyped ? PROXY_UNTYPED : (char)flow->in[0];
  uint32_t length = read_32(flow->in + head);
  if (length < (untyped ? 8u : 4u) || length > PROXY_MESSAGE_MAX) {
    pair->phase = OPAQUE; /* not the protocol, or too long to hold: no longer ours to judge */
    pair->exempt = true;
    return flow->length;
  }
  return flow->length < head + length ? 0 : head + length;
}

/* What a message means for how the next ones are to be read. */
static void note_phase(struct pair *pair, int side, const unsigned char *bytes, size_t length) {
  if (side == 0 && (pair->phase == STARTUP || pair->phase == NEGOTIATING) && length >= 8) {
    uint32_t code = read_32(bytes + 4);
    if (code == CODE_CANCEL) {
      pair->phase = OPAQUE;
      pair->exempt = true;
    } else {
      pair->phase = code == CODE_SSL || code == CODE_GSS ? NEGOTIATING : TYPED;
    }
  } else if (side == 1 && pair->phase == NEGOTIATING && length == 1) {
    pair->phase = bytes[0] == 'N' ? STARTUP : OPAQUE;
  }
}

static void count_message(tndb_proxy *proxy, struct pair *pair, int side, char type) {
  if (side == 0) {
    proxy->counters.from_client++;
    if (pair->answered && type != 'X') {
      proxy->counters.flushes++;
      pair->answered = false;
    }
  } else {
    proxy->counters.from_server++;
    /* Notices, parameters and notifications come unasked, also in the middle of a run. */
    if (type != 'N' && type != 'S' && type != 'A')
      pair->answered = true;
  }
}

static bool trigger_hits(tndb_proxy *proxy, int side, char type, const unsigned char *bytes, size_t length) {
  const proxy_trigger *trigger = &proxy->trigger;
  proxy_side from = side == 0 ? PROXY_CLIENT : PROXY_SERVER;
  if (!proxy->armed || (trigger->from != PROXY_EITHER && trigger->from != from) ||
      (trigger->type && trigger->type != type))
    return false;
  if (trigger->text && !memmem(bytes, length, trigger->text, strlen(trigger->text)))
    return false;
  if (++proxy->seen < trigger->number)
    return false;
  proxy->armed = trigger->sticky;
  proxy->counters.fired++;
  proxy->counters.fired_type = type;
  proxy->counters.fired_from = from;
  proxy->counters.fired_number = proxy->seen;
  proxy->fired_since_arming++;
  pthread_cond_broadcast(&proxy->changed);
  return true;
}

static void begin_closing(struct pair *pair, int64_t now) {
  pair->closing = true;
  pair->close_by = now + CLOSE_GRACE_US;
}

/* Count and judge a message: how many of its bytes are forwarded, from when on, what becomes of the pair. */
static size_t judge(tndb_proxy *proxy, struct pair *pair, int side, char type, size_t length, int64_t *due) {
  struct flow *flow = &pair->flow[side];
  if (flow->counted) {
    flow->counted = false;
    return length;
  }
  count_message(proxy, pair, side, type);
  if (!trigger_hits(proxy, side, type, flow->in, length))
    return length;
  proxy_action action = proxy->trigger.action;
  if (action == PROXY_DELAY) {
    *due = now_us() + proxy->delay_us + (int64_t)proxy->trigger.delay_ms * 1000;
    return length;
  }
  if (action == PROXY_STALL) {
    pair->stalled = flow->counted = true;
    return 0;
  }
  pair->reset = action == PROXY_RST;
  begin_closing(pair, now_us());
  return action == PROXY_CLOSE_AFTER ? length : action == PROXY_HALF ? length / 2 : 0;
}

/* Judge and queue all whole messages of one direction. */
static void pump(tndb_proxy *proxy, struct pair *pair, int side, int64_t now) {
  struct flow *flow = &pair->flow[side];
  size_t at = 0;
  unsigned char *base = flow->in;
  size_t all = flow->length;
  bool sound = true;
  while (sound && !pair->stalled && !pair->closing && at < all) {
    char type = 0;
    flow->in = base + at;
    flow->length = all - at;
    size_t length = message_length(pair, side, &type);
    bool whole = length > 0;
    if (!whole && !flow->eof)
      break;
    if (!whole)
      length = flow->length; /* a piece is all there will be */
    int64_t due = proxy->delay_us ? now + proxy->delay_us : 0;
    size_t forwarded = length;
    if (whole && !pair->exempt && pair->phase != OPAQUE) {
      note_phase(pair, side, flow->in, length);
      if (!pair->exempt)
        forwarded = judge(proxy, pair, side, type, length, &due);
    }
    sound = flow_put(flow, flow->in, forwarded, due);
    if (!pair->stalled)
      at += length;
  }
  flow->in = base;
  flow->length = all - at;
  if (at > 0 && flow->length > 0)
    memmove(flow->in, flow->in + at, flow->length);
  if (!sound)
    begin_closing(pair, now - CLOSE_GRACE_US);
}

/* ---- connections ---- */

static bool wants_read(const struct pair *pair, int side) {
  const struct flow *flow = &pair->flow[side];
  return !pair->stalled && !pair->closing && !flow->eof && flow->queued < QUEUE_MAX;
}

static void service(tndb_proxy *proxy, struct pair *pair, const short revents[2], int64_t now) {
  for (int side = 0; side < 2; side++) {
    if (wants_read(pair, side) && (revents[side] & (POLLIN | POLLHUP | POLLERR)))
      flow_read(&pair->flow[side], pair->fd[side]);
    pump(proxy, pair, side, now);
  }
  /* Also when it stalls: what came before is still delivered. */
  for (int side = 0; side < 2; side++)
    flow_write(&pair->flow[side], pair->fd[1 - side], now);
}

static bool is_finished(const struct pair *pair, int64_t now) {
  const struct flow *up = &pair->flow[0], *down = &pair->flow[1];
  if (pair->closing)
    return (up->queued == 0 && down->queued == 0) || now >= pair->close_by;
  if (pair->stalled)
    return false;
  return (up->eof && up->queued == 0) || (down->eof && down->queued == 0);
}

static void pair_free(struct pair *pair) {
  if (pair->reset) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(pair->fd[1], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  }
  for (int side = 0; side < 2; side++) {
    if (pair->fd[side] >= 0)
      close(pair->fd[side]);
    flow_clear(&pair->flow[side]);
    free(pair->flow[side].in);
  }
  free(pair);
}

static int connect_server(const tndb_proxy *proxy) {
  int fd = socket(proxy->server.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  int on = 1;
  if (proxy->server.ss_family != AF_UNIX)
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  bool connected = connect(fd, (const struct sockaddr *)&proxy->server, proxy->server_length) == 0;
  if (!connected && errno == EINPROGRESS) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int failure = 0;
    socklen_t size = sizeof failure;
    connected = poll(&poll_fd, 1, 2000) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 &&
                failure == 0;
  }
  if (connected)
    return fd;
  close(fd);
  return -1;
}

static void accept_client(tndb_proxy *proxy) {
  int client = accept4(proxy->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (client < 0)
    return;
  int server = connect_server(proxy);
  struct pair *pair = calloc(1, sizeof *pair);
  if (server < 0 || !pair) {
    close(client);
    if (server >= 0)
      close(server);
    free(pair);
    return;
  }
  pair->fd[0] = client;
  pair->fd[1] = server;
  pair->answered = true;
  pair->next = proxy->pairs;
  proxy->pairs = pair;
  proxy->n_pairs++;
  proxy->counters.connections++;
}

/* ---- the loop ---- */

static int fill_poll(tndb_proxy *proxy, struct pollfd *fds, int64_t now, int64_t *wake_at) {
  int n = 0;
  bool room = proxy->n_pairs < PROXY_CONNECTIONS_MAX;
  fds[n++] = (struct pollfd){.fd = proxy->wake[0], .events = POLLIN};
  fds[n++] = (struct pollfd){.fd = room ? proxy->listener : -1, .events = POLLIN};
  *wake_at = NEVER;
  for (struct pair *pair = proxy->pairs; pair; pair = pair->next) {
    if (pair->closing && pair->close_by < *wake_at)
      *wake_at = pair->close_by;
    for (int side = 0; side < 2; side++) {
      const struct segment *out = pair->flow[1 - side].first;
      short events = wants_read(pair, side) ? POLLIN : 0;
      if (out && out->due <= now)
        events |= POLLOUT;
      else if (out && out->due < *wake_at)
        *wake_at = out->due;
      /* A hang-up is reported unasked: without events it would turn the loop into a busy one. */
      fds[n++] = (struct pollfd){.fd = events ? pair->fd[side] : -1, .events = events};
    }
  }
  return n;
}

static void step(tndb_proxy *proxy, const struct pollfd *fds) {
  int64_t now = now_us();
  const struct pollfd *at = fds + 2;
  struct pair **link = &proxy->pairs;
  while (*link) {
    struct pair *pair = *link;
    short revents[2] = {at[0].revents, at[1].revents};
    at += 2;
    service(proxy, pair, revents, now);
    if (is_finished(pair, now)) {
      *link = pair->next;
      proxy->n_pairs--;
      pair_free(pair);
    } else {
      link = &pair->next;
    }
  }
}

static void *run(void *argument) {
  tndb_proxy *proxy = argument;
  struct pollfd fds[2 + 2 * PROXY_CONNECTIONS_MAX];
  pthread_mutex_lock(&proxy->mutex);
  while (!proxy->stopping) {
    int64_t now = now_us(), wake_at;
    int n = fill_poll(proxy, fds, now, &wake_at);
    int64_t left = wake_at == NEVER || wake_at <= now ? 0 : wake_at - now;
    struct timespec timeout = {.tv_sec = (time_t)(left / 1000000), .tv_nsec = (long)(left % 1000000) * 1000};
    pthread_mutex_unlock(&proxy->mutex);
    int ready = ppoll(fds, (nfds_t)n, wake_at == NEVER ? NULL : &timeout, NULL);
    pthread_mutex_lock(&proxy->mutex);
    for (int i = 0; ready < 0 && i < n; i++)
      fds[i].revents = 0;
    char bytes[64];
    if (fds[0].revents && read(proxy->wake[0], bytes, sizeof bytes) < 0 && errno != EAGAIN && errno != EINTR)
      break;
    step(proxy, fds);
    if (fds[1].revents & POLLIN)
      accept_client(proxy);
  }
  while (proxy->pairs) {
    struct pair *next = proxy->pairs->next;
    pair_free(proxy->pairs);
    proxy->pairs = next;
  }
  pthread_mutex_unlock(&proxy->mutex);
  return NULL;
}

static void wake(tndb_proxy *proxy) {
  /* A full pipe wakes the loop just as well. */
  ssize_t n = write(proxy->wake[1], "", 1);
  (void)n;
}

/* ---- start, stop, addresses ---- */

static const char *option_value(const PQconninfoOption *options, const char *keyword) {
  for (const PQconninfoOption *option = options; option->keyword; option++) {
    if (strcmp(option->keyword, keyword) == 0)
      return option->val && *option->val ? option->val : NULL;
  }
  return NULL;
}

static bool find_server(tndb_proxy *proxy, const PQconninfoOption *options) {
  const char *host = option_value(options, "hostaddr");
  const char *port = option_value(options, "port");
  if (!host)
    host = option_value(options, "host");
  if (!host)
    return false;
  if (!port)
    port = "5432";
  if (host[0] == '/') {
    struct sockaddr_un *address = (struct sockaddr_un *)&proxy->server;
    address->sun_family = AF_UNIX;
    proxy->server_length = sizeof *address;
    int n = snprintf(address->sun_path, sizeof address->sun_path, "%s/.s.PGSQL.%s", host, port);
    return n > 0 && (size_t)n < sizeof address->sun_path;
  }
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
  if (getaddrinfo(host, port, &hints, &found) != 0 || !found)
    return false;
  memcpy(&proxy->server, found->ai_addr, found->ai_addrlen);
  proxy->server_length = found->ai_addrlen;
  freeaddrinfo(found);
  return true;
}

static bool listen_here(tndb_proxy *proxy) {
  snprintf(proxy->folder, sizeof proxy->folder, "/tmp/tenantdb-proxy-XXXXXX");
  if (!mkdtemp(proxy->folder)) {
    proxy->folder[0] = '\0';
    return false;
  }
  snprintf(proxy->path, sizeof proxy->path, "%s/.s.PGSQL.%d", proxy->folder, PORT);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", proxy->path);
  proxy->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return proxy->listener >= 0 && bind(proxy->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
         listen(proxy->listener, PROXY_CONNECTIONS_MAX) == 0;
}

static void proxy_free(tndb_proxy *proxy) {
  for (int i = 0; i < 2; i++) {
    if (proxy->wake[i] >= 0)
      close(proxy->wake[i]);
  }
  if (proxy->listener >= 0)
    close(proxy->listener);
  if (proxy->path[0])
    unlink(proxy->path);
  if (proxy->folder[0])
    rmdir(proxy->folder);
  pthread_cond_destroy(&proxy->changed);
  pthread_mutex_destroy(&proxy->mutex);
  free(proxy);
}

static bool start_thread(tndb_proxy *proxy) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the test's own threads */
  bool started = pthread_create(&proxy->thread, NULL, run, proxy) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

tndb_proxy *proxy_start(const char *server_url, char *reason, size_t reason_size) {
  tndb_proxy *proxy = calloc(1, sizeof *proxy);
  if (!proxy)
    return NULL;
  proxy->wake[0] = proxy->wake[1] = proxy->listener = -1;
  pthread_mutex_init(&proxy->mutex, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&proxy->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  errno = 0;
  PQconninfoOption *options = PQconninfoParse(server_url, NULL);
  const char *failed = NULL;
  if (!options || !find_server(proxy, options))
    failed = "the server's address needs one host";
  else if (!listen_here(proxy))
    failed = "no socket to listen on";
  else if (pipe2(proxy->wake, O_NONBLOCK | O_CLOEXEC) != 0)
    failed = "no pipe";
  else if (!start_thread(proxy))
    failed = "no thread";
  PQconninfoFree(options);
  if (!failed)
    return proxy;
  snprintf(reason, reason_size, "proxy: %s (%s)", failed, strerror(errno));
  proxy_free(proxy);
  return NULL;
}

void proxy_stop(tndb_proxy *proxy) {
  if (!proxy)
    return;
  pthread_mutex_lock(&proxy->mutex);
  proxy->stopping = true;
  pthread_mutex_unlock(&proxy->mutex);
  wake(proxy);
  pthread_join(proxy->thread, NULL);
  proxy_free(proxy);
}

/* Append text, or the %-encoding of it; false when it does not fit. */
static bool append(char *url, size_t size, const char *text, bool encode) {
  size_t at = strlen(url);
  for (; *text; text++) {
    bool plain =
        !encode || strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", *text);
    int n = snprintf(url + at, size - at, plain ? "%c" : "%%%02X", (unsigned char)*text);
    if (n < 0 || (size_t)n >= size - at)
      return false;
    at += (size_t)n;
  }
  return true;
}

bool proxy_url(const tndb_proxy *proxy, const char *server_url, char *url, size_t size) {
  static const char *const ours[] = {"host", "hostaddr", "port", "dbname", "sslmode", "gssencmode"};
  PQconninfoOption *options = PQconninfoParse(server_url, NULL);
  if (!options || size == 0) {
    PQconninfoFree(options);
    return false;
  }
  const char *dbname = option_value(options, "dbname");
  char head[160];
  snprintf(head, sizeof head, "?host=%s&port=%d", proxy->folder, PORT);
  url[0] = '\0';
  bool fits = append(url, size, "postgresql:///", false) && append(url, size, dbname ? dbname : "", true) &&
              append(url, size, head, false);
  for (const PQconninfoOption *option = options; fits && option->keyword; option++) {
    bool skip = !option->val;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
      skip = skip || strcmp(option->keyword, ours[i]) == 0;
    if (!skip)
      fits = append(url, size, "&", false) && append(url, size, option->keyword, false) &&
             append(url, size, "=", false) && append(url, size, option->val, true);
  }
  PQconninfoFree(options);
  return fits;
}

/* ---- control ---- */

void proxy_arm(tndb_proxy *proxy, const proxy_trigger *trigger) {
  pthread_mutex_lock(&proxy->mutex);
  proxy->trigger = *trigger;
  if (proxy->trigger.number < 1)
    proxy->trigger.number = 1;
  if (trigger->text) {
    snprintf(proxy->text, sizeof proxy->text, "%s", trigger->text);
    proxy->trigger.text = proxy->text;
  }
  proxy->seen = 0;
  proxy->fired_since_arming = 0;
  proxy->armed = true;
  pthread_mutex_unlock(&proxy->mutex);
}

void proxy_disarm(tndb_proxy *proxy) {
  pthread_mutex_lock(&proxy->mutex);
  proxy->armed = false;
  for (struct pair *pair = proxy->pairs; pair; pair = pair->next)
    pair->stalled = false;
  pthread_mutex_unlock(&proxy->mutex);
  wake(proxy);
}

bool proxy_wait_fired(tndb_proxy *proxy, int timeout_ms) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  int64_t nanoseconds = until.tv_nsec + (int64_t)timeout_ms * 1000000;
  until.tv_sec += (time_t)(nanoseconds / 1000000000);
  until.tv_nsec = (long)(nanoseconds % 1000000000);
  pthread_mutex_lock(&proxy->mutex);
  int failed = 0;
  while (proxy->fired_since_arming == 0 && failed == 0)
    failed = pthread_cond_timedwait(&proxy->changed, &proxy->mutex, &until);
  bool fired = proxy->fired_since_arming > 0;
  pthread_mutex_unlock(&proxy->mutex);
  return fired;
}

void proxy_set_delay(tndb_proxy *proxy, int64_t microseconds) {
  pthread_mutex_lock(&proxy->mutex);
  proxy->delay_us = microseconds > 0 ? microseconds : 0;
  pthread_mutex_unlock(&proxy->mutex);
}

proxy_counters proxy_count(tndb_proxy *proxy) {
  pthread_mutex_lock(&proxy->mutex);
  proxy_counters counters = proxy->counters;
  pthread_mutex_unlock(&proxy->mutex);
  return counters;
}

void proxy_reset(tndb_proxy *proxy) {
  pthread_mutex_lock(&proxy->mutex);
  proxy->counters = (proxy_counters){0};
  pthread_mutex_unlock(&proxy->mutex);
}

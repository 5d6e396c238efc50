/* SPDX-License-Identifier: PostgreSQL */
#include "pool/lanes.h"

#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/mutex.h"
#include "pg/exchange.h"

typedef struct lane {
  char *key;
  int64_t n_open;
  uint64_t generation; /* what was lent before it last changed is closed when it comes back */
} lane;

/* A connection of a lane, idle or lent; without one, the place of one that is being opened. */
typedef struct berth {
  lane *lane;
  tndb_conn *conn;
  uint64_t generation;
  bool lent;
  struct berth *newer; /* in the order of use; lent ones stand anywhere */
  struct berth *older;
} berth;

typedef struct waiter {
  tndb_condition condition;
  lane *lane;
  berth *spare; /* becomes his place when a new one is opened for him */
  berth *given;
  tndb_conn *victim; /* to be closed by the one who waits: it makes way for his */
  struct waiter *next;
} waiter;

struct tndb_lanes {
  const tenantdb_config *config;
  tndb_mutex mutex;
  tndb_map lanes;
  berth *newest;
  berth *oldest;
  int64_t n_open;
  int64_t n_waiting;
  waiter *first;
  bool closed;
};

static int64_t number(const tndb_lanes *lanes, tndb_option option) {
  return tndb_config_number(lanes->config, option);
}

tenantdb_status tndb_lanes_new(const tenantdb_config *config, tndb_lanes **out, tenantdb_error **error) {
  *out = NULL;
  tndb_lanes *lanes = tndb_new(tndb_lanes);
  if (!lanes || !tndb_mutex_init(&lanes->mutex)) {
    tndb_free(lanes);
    return tndb_no_memory(error);
  }
  lanes->config = config;
  *out = lanes;
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- the order of use; the mutex is held */

static void unlink_berth(tndb_lanes *lanes, berth *b) {
  *(b->newer ? &b->newer->older : &lanes->newest) = b->older;
  *(b->older ? &b->older->newer : &lanes->oldest) = b->newer;
  b->newer = b->older = NULL;
}

static void link_newest(tndb_lanes *lanes, berth *b) {
  b->older = lanes->newest;
  b->newer = NULL;
  *(lanes->newest ? &lanes->newest->newer : &lanes->oldest) = b;
  lanes->newest = b;
}

/* Its place is free again; the connection is the caller's to close. */
static tndb_conn *remove_berth(tndb_lanes *lanes, berth *b) {
  tndb_conn *conn = b->conn;
  unlink_berth(lanes, b);
  b->lane->n_open--;
  lanes->n_open--;
  tndb_free(b);
  return conn;
}

/* The one used last of a lane, or the one used longest ago of any. */
static berth *find_idle(const tndb_lanes *lanes, const lane *of) {
  for (berth *b = of ? lanes->newest : lanes->oldest; b; b = of ? b->older : b->newer) {
    if (!b->lent && (!of || b->lane == of)) {
      return b;
    }
  }
  return NULL;
}

static lane *lane_of(tndb_lanes *lanes, const char *key) {
  lane *found = tndb_map_get(&lanes->lanes, key);
  if (found) {
    return found;
  }
  found = tndb_new(lane);
  if (found) {
    found->key = tndb_strdup(key);
  }
  if (!found || !found->key || !tndb_map_put(&lanes->lanes, key, found)) {
    tndb_free(found ? found->key : NULL);
    tndb_free(found);
    return NULL;
  }
  return found;
}

/*
 * Give one a place in his lane: an idle connection, or an empty place, for which
 * another lane's idle connection may have to go. False when there is none.
 */
static bool take(tndb_lanes *lanes, waiter *who) {
  lane *of = who->lane;
  berth *b = find_idle(lanes, of);
  if (!b && of->n_open < number(lanes, TNDB_LOGIN_POOL_SIZE)) {
    if (lanes->n_open >= number(lanes, TNDB_LOGIN_POOL_TOTAL)) {
      berth *other = find_idle(lanes, NULL);
      if (!other) {
        return false;
      }
      who->victim = remove_berth(lanes, other);
    }
    b = who->spare;
    who->spare = NULL;
    b->lane = of;
    b->generation = of->generation;
    of->n_open++;
    lanes->n_open++;
    link_newest(lanes, b);
  }
  if (b) {
    b->lent = true;
    who->given = b;
  }
  return b != NULL;
}

/* Something became free: whoever can go on now does, the first first. */
static void serve(tndb_lanes *lanes) {
  waiter **at = &lanes->first;
  while (*at) {
    waiter *who = *at;
    if (take(lanes, who)) {
      *at = who->next;
      lanes->n_waiting--;
      tndb_condition_signal(&who->condition);
    } else {
      at = &who->next;
    }
  }
}

static tenantdb_status closed_error(tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_DATABASE_CLOSED, "the database is closed");
}

static tenantdb_status wait_for_turn(tndb_lanes *lanes, waiter *self, tndb_deadline deadline,
                                     tenantdb_error **error) {
  waiter **end = &lanes->first;
  while (*end) {
    end = &(*end)->next;
  }
  *end = self;
  lanes->n_waiting++;
  bool in_time = true;
  while (!self->given && !lanes->closed && in_time) {
    in_time = tndb_condition_wait(&self->condition, &lanes->mutex, deadline);
  }
  if (self->given) {
    return TENANTDB_OK;
  }
  for (waiter **at = &lanes->first; *at; at = &(*at)->next) {
    if (*at == self) {
      *at = self->next;
      lanes->n_waiting--;
      break;
    }
  }
  return lanes->closed
             ? closed_error(error)
             : tndb_origin(error, TENANTDB_BUSY, TENANTDB_REASON_POOL_TIMEOUT,
                           "no connection of the tenant's login became free in time: he has %lld of "
                           "login.pool_size, all have %lld of login.pool_total",
                           (long long)self->lane->n_open, (long long)lanes->n_open);
}

static tenantdb_status take_place(tndb_lanes *lanes, const char *key, tndb_deadline deadline, waiter *self,
                                  tenantdb_error **error) {
  self->spare = tndb_new(berth);
  if (!self->spare || !tndb_condition_init(&self->condition)) {
    tndb_free(self->spare);
    return tndb_no_memory(error);
  }
  tndb_mutex_lock(&lanes->mutex);
  self->lane = lane_of(lanes, key);
  tenantdb_status status = TENANTDB_OK;
  if (lanes->closed) {
    status = closed_error(error);
  } else if (!self->lane) {
    status = tndb_no_memory(error);
  } else if (!take(lanes, self)) {
    status = wait_for_turn(lanes, self, deadline, error);
  }
  tndb_mutex_unlock(&lanes->mutex);
  tndb_condition_destroy(&self->condition);
  tndb_free(self->spare);
  return status;
}

/* ---------------------------------------------------------------- health; no lock is held */

static bool is_fit(const tndb_lanes *lanes, tndb_conn *conn, tndb_deadline deadline) {
  int64_t age = number(lanes, TNDB_POOL_RECYCLE);
  int64_t now = tndb_clock_ms();
  if ((age > 0 && now - conn->opened_ms >= age) ||
      now - conn->idle_since_ms >= number(lanes, TNDB_LOGIN_IDLE)) {
    return false;
  }
  if (!number(lanes, TNDB_POOL_PRE_PING)) {
    return true;
  }
  if (tndb_conn_is_stale(conn)) {
    return false;
  }
  tndb_deadline soon = tndb_deadline_in(number(lanes, TNDB_DATABASE_CONNECT_TIMEOUT));
  return now - conn->idle_since_ms < number(lanes, TNDB_POOL_PRE_PING_IDLE) ||
         tndb_exchange_single(conn, "SELECT 1", NULL, tndb_deadline_min(deadline, soon), NULL, NULL) ==
             TENANTDB_OK;
}

/* Out of what was idle too long, one: the oldest. */
static tndb_conn *take_expired(tndb_lanes *lanes) {
  tndb_conn *conn = NULL;
  tndb_mutex_lock(&lanes->mutex);
  berth *b = find_idle(lanes, NULL);
  if (b && (lanes->closed || tndb_clock_ms() - b->conn->idle_since_ms >= number(lanes, TNDB_LOGIN_IDLE))) {
    conn = remove_berth(lanes, b);
    serve(lanes);
  }
  tndb_mutex_unlock(&lanes->mutex);
  return conn;
}

static void close_expired(tndb_lanes *lanes) {
  tndb_conn *conn;
  while ((conn = take_expired(lanes)) != NULL) {
    tndb_conn_close(conn);
  }
}

tenantdb_status tndb_lanes_lease(tndb_lanes *lanes, const char *key, tndb_lane_open open, void *user,
                                 tndb_deadline deadline, tndb_conn **conn, tenantdb_error **error) {
  waiter self = {.given = NULL};
  *conn = NULL;
  deadline = tndb_deadline_min(deadline, tndb_deadline_in(number(lanes, TNDB_POOL_TIMEOUT)));
  tenantdb_status status = take_place(lanes, key, deadline, &self, error);
  if (status) {
    return status;
  }
  tndb_conn_close(self.victim);
  berth *b = self.given;
  tndb_conn *idle = b->conn; /* nobody else looks at what is lent */
  if (idle && is_fit(lanes, idle, deadline)) {
    *conn = idle;
    close_expired(lanes);
    return TENANTDB_OK;
  }
  tndb_mutex_lock(&lanes->mutex);
  b->conn = NULL;
  b->generation = b->lane->generation;
  tndb_mutex_unlock(&lanes->mutex);
  tndb_conn_close(idle);
  tndb_conn *opened = NULL;
  status = open(user, &opened, error);
  tndb_mutex_lock(&lanes->mutex);
  b->conn = opened;
  if (status) {
    (void)remove_berth(lanes, b);
    serve(lanes);
  }
  tndb_mutex_unlock(&lanes->mutex);
  *conn = opened;
  return status;
}

bool tndb_lanes_release(tndb_lanes *lanes, tndb_conn *conn) {
  bool clean = tndb_conn_is_idle(conn) && !conn->tainted;
  tndb_mutex_lock(&lanes->mutex);
  berth *b = lanes->newest;
  while (b && b->conn != conn) {
    b = b->older;
  }
  if (!b) {
    tndb_mutex_unlock(&lanes->mutex);
    return false;
  }
  bool keep =
      clean && !lanes->closed && b->generation == b->lane->generation && number(lanes, TNDB_LOGIN_IDLE) > 0;
  if (keep) {
    tndb_exchange_begin(conn); /* lets go of the last results */
    conn->idle_since_ms = tndb_clock_ms();
    b->lent = false;
    unlink_berth(lanes, b);
    link_newest(lanes, b);
  } else {
    (void)remove_berth(lanes, b);
  }
  serve(lanes);
  tndb_mutex_unlock(&lanes->mutex);
  if (!keep) {
    tndb_conn_close(conn);
  }
  close_expired(lanes);
  return true;
}

/* ---------------------------------------------------------------- the end */

static tndb_conn *take_idle(tndb_lanes *lanes, const lane *of) {
  berth *b = find_idle(lanes, of);
  return b ? remove_berth(lanes, b) : NULL;
}

void tndb_lanes_shut(tndb_lanes *lanes, const char *key) {
  tndb_conn *conn;
  do {
    tndb_mutex_lock(&lanes->mutex);
    lane *of = tndb_map_get(&lanes->lanes, key);
    conn = of ? take_idle(lanes, of) : NULL;
    if (of) {
      of->generation++;
      serve(lanes);
    }
    tndb_mutex_unlock(&lanes->mutex);
    tndb_conn_close(conn);
  } while (conn);
}

void tndb_lanes_close(tndb_lanes *lanes) {
  if (!lanes) {
    return;
  }
  tndb_mutex_lock(&lanes->mutex);
  lanes->closed = true;
  for (waiter *at = lanes->first; at; at = at->next) {
    tndb_condition_signal(&at->condition);
  }
  tndb_mutex_unlock(&lanes->mutex);
  close_expired(lanes); /* which everything idle is now */
}

void tndb_lanes_free(tndb_lanes *lanes) {
  if (!lanes) {
    return;
  }
  tndb_lanes_close(lanes);
  size_t at = 0;
  const char *key;
  void *value;
  while (tndb_map_next(&lanes->lanes, &at, &key, &value)) {
    tndb_free(((lane *)value)->key);
    tndb_free(value);
  }
  tndb_map_free(&lanes->lanes);
  tndb_mutex_destroy(&lanes->mutex);
  tndb_free(lanes);
}

tndb_lanes_counts tndb_lanes_count(tndb_lanes *lanes) {
  tndb_mutex_lock(&lanes->mutex);
  tndb_lanes_counts counts = {0, lanes->n_open, lanes->n_waiting};
  for (const berth *b = lanes->newest; b; b = b->older) {
    counts.idle += !b->lent;
  }
  tndb_mutex_unlock(&lanes->mutex);
  return counts;
}

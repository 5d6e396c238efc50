/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/statistics.h"

#include <stddef.h>
#include <string.h>

#include "base/buffer.h"
#include "config/event_queue.h"

/* ---------------------------------------------------------------- what there is */

typedef enum source { OF_HANDLE, OF_POOLS } source;
typedef enum shape { PLAIN, SECONDS, WAITS } shape;

/* One number of a snapshot: how it is labelled, and where it is. */
typedef struct series {
  const char *suffix;
  const char *label; /* its name, and its value */
  const char *value;
  size_t offset; /* in the tally, or in a pool's counts */
  shape as;
} series;

typedef struct entry {
  tndb_family family;
  source from;
  series series[8]; /* up to the first whose suffix is NULL */
} entry;

#define POOL(member) offsetof(tndb_pool_counts, member)
#define HANDLE(member) offsetof(tndb_tally, member)
#define ONE(offset, as)            \
  {                                \
    { "", NULL, NULL, offset, as } \
  }
#define SUMMARY(sum, count)               \
  {                                       \
    {"_sum", NULL, NULL, sum, SECONDS}, { \
      "_count", NULL, NULL, count, PLAIN  \
    }                                     \
  }

static const entry entries[] = {
    {{"tenantdb_pool_connections", "gauge", "connections",
      "Open connections; used ones include those being opened."},
     OF_POOLS,
     {{"", "state", "idle", POOL(idle), PLAIN}, {"", "state", "used", POOL(lent), PLAIN}}},
    {{"tenantdb_pool_connections_max", "gauge", "connections",
      "The most connections that may be open at once."},
     OF_POOLS,
     ONE(POOL(most), PLAIN)},
    {{"tenantdb_pool_pending_requests", "gauge", "requests", "Requests that wait for a connection."},
     OF_POOLS,
     ONE(POOL(waiting), PLAIN)},
    {{"tenantdb_pool_tenants", "gauge", "tenants",
      "Tenants that have a connection lent or wait for one, the library's own work counted as one."},
     OF_POOLS,
     ONE(POOL(keys), PLAIN)},
    {{"tenantdb_pool_leases_total", "counter", "leases", "Connections lent."},
     OF_POOLS,
     ONE(POOL(leases), PLAIN)},
    {{"tenantdb_pool_leases_affine_total", "counter", "leases",
      "Of them: a connection that served the same tenant before."},
     OF_POOLS,
     ONE(POOL(affine), PLAIN)},
    {{"tenantdb_pool_wait_seconds", "histogram", "seconds",
      "How long who got a connection had waited for it."},
     OF_POOLS,
     ONE(POOL(wait_buckets), WAITS)},
    {{"tenantdb_pool_use_seconds", "summary", "seconds",
      "How long connections were lent: the sum when they came back, the count when they were lent."},
     OF_POOLS,
     SUMMARY(POOL(used_us), POOL(leases))},
    {{"tenantdb_pool_create_seconds", "summary", "seconds",
      "How long connecting took, failed attempts included in the sum; the count is of those that succeeded."},
     OF_POOLS,
     SUMMARY(POOL(opening_us), POOL(opened))},
    {{"tenantdb_pool_timeouts_total", "counter", "requests", "Requests that ended without a connection."},
     OF_POOLS,
     ONE(POOL(timeouts), PLAIN)},
    {{"tenantdb_pool_connect_failures_total", "counter", "attempts", "Attempts to connect that failed."},
     OF_POOLS,
     ONE(POOL(open_failures), PLAIN)},
    {{"tenantdb_pool_backed_off_total", "counter", "requests",
      "Requests that were told an earlier attempt's failure, without another attempt."},
     OF_POOLS,
     ONE(POOL(backed_off), PLAIN)},
    {{"tenantdb_pool_resets_total", "counter", "connections", "Connections closed by the pool, and why."},
     OF_POOLS,
     {{"", "reason", "age", POOL(closed_old), PLAIN},
      {"", "reason", "tenants", POOL(closed_tenants), PLAIN},
      {"", "reason", "idle", POOL(closed_idle), PLAIN},
      {"", "reason", "dead", POOL(closed_dead), PLAIN},
      {"", "reason", "unclean", POOL(closed_unclean), PLAIN},
      {"", "reason", "distrusted", POOL(closed_distrust), PLAIN},
      {"", "reason", "other_tenant", POOL(closed_for), PLAIN}}},
    {{"tenantdb_statements_total", "counter", "statements",
      "Statements that sessions sent, savepoints and COPY included."},
     OF_HANDLE,
     ONE(HANDLE(statements), PLAIN)},
    {{"tenantdb_transactions_total", "counter", "transactions",
      "Transactions of sessions that ended, and how."},
     OF_HANDLE,
     {{"", "outcome", "committed", HANDLE(committed), PLAIN},
      {"", "outcome", "rolled_back", HANDLE(rolled_back), PLAIN},
      {"", "outcome", "unknown", HANDLE(unknown), PLAIN}}},
    {{"tenantdb_isolation_violations_total", "counter", "calls",
      "Calls whose scope was refused, or was lost on the way."},
     OF_HANDLE,
     ONE(HANDLE(violations), PLAIN)},
    {{"tenantdb_standby_total", "counter", "tenants",
      "Tenants created while standby schemas were to be there, and whether one was."},
     OF_HANDLE,
     {{"", "outcome", "taken", HANDLE(standby_taken), PLAIN},
      {"", "outcome", "missing", HANDLE(standby_missing), PLAIN}}},
    {{"tenantdb_events_total", "counter", "events", "Events written."},
     OF_HANDLE,
     ONE(HANDLE(events), PLAIN)},
    {{"tenantdb_events_dropped_total", "counter", "events", "Of them: dropped before they were taken."},
     OF_HANDLE,
     ONE(HANDLE(events_dropped), PLAIN)},
};

static const tndb_family errors_family = {
    "tenantdb_errors_total", "counter", "calls",
    "Calls of sessions that failed, by the class of the SQLSTATE; none: the server gave none."};
static const tndb_family info_family = {"tenantdb_info", "gauge", "", "Always 1; what is connected to what."};

/* ---------------------------------------------------------------- the snapshot */

/* The pool remembers tenants whom nothing is lent to; here they do not count. */
static void take_pool(tndb_snapshot *snapshot, const char *name, tndb_pool *pool) {
  tndb_pool_counts *counts = &snapshot->pools[snapshot->n_pools];
  snapshot->pool_names[snapshot->n_pools++] = name;
  tndb_pool_count(pool, counts);
  counts->keys = (int64_t)tndb_pool_keys(pool, NULL, 0);
}

void tndb_snapshot_take(tenantdb *db, tndb_snapshot *snapshot) {
  const tndb_counters *counters = &db->counters;
  tndb_tally *tally = &snapshot->tally;
  int64_t whole = tndb_counter_read(&counters->whole);
  snapshot->db = db;
  snapshot->n_pools = 0;
  take_pool(snapshot, "shared", db->pool);
  if (db->logins) {
    take_pool(snapshot, "login", db->logins);
  }
  tally->statements = tndb_counter_read(&counters->statements) + whole;
  tally->committed = tndb_counter_read(&counters->committed) + whole;
  tally->rolled_back = tndb_counter_read(&counters->rolled_back);
  tally->unknown = tndb_counter_read(&counters->unknown);
  tally->violations = tndb_counter_read(&counters->violations);
  tally->standby_taken = tndb_counter_read(&counters->standby_taken);
  tally->standby_missing = tndb_counter_read(&counters->standby_missing);
  for (int i = 0; i < TNDB_N_CLASSES; i++) {
    tally->errors[i] = tndb_counter_read(&counters->errors[i]);
  }
  tndb_event_queue_count(tndb_config_listeners(db->config)->queue, &tally->events, &tally->events_dropped);
}

/* ---------------------------------------------------------------- writing */

void tndb_label_append(tndb_buffer *labels, const char *name, const char *value) {
  tndb_buffer_append(labels, labels->length ? "," : "");
  tndb_buffer_append(labels, name);
  tndb_buffer_append(labels, "=\"");
  for (; *value; value++) {
    if (*value == '\n') {
      tndb_buffer_append(labels, "\\n");
      continue;
    }
    if (*value == '\\' || *value == '"') {
      tndb_buffer_append_char(labels, '\\');
    }
    tndb_buffer_append_char(labels, *value);
  }
  tndb_buffer_append_char(labels, '"');
}

static int64_t number_at(const void *base, size_t offset) {
  int64_t number;
  memcpy(&number, (const char *)base + offset, sizeof number);
  return number;
}

/* Whole numbers only, so that no locale has a say in it. */
static void format(tndb_buffer *value, int64_t number, shape as) {
  tndb_buffer_clear(value);
  if (as == PLAIN) {
    tndb_buffer_format(value, "%lld", (long long)number);
  } else {
    tndb_buffer_format(value, "%lld.%06lld", (long long)(number / 1000000), (long long)(number % 1000000));
  }
}

static void send(tndb_sink *sink, const tndb_family *family, const char *suffix, const tndb_buffer *labels,
                 const tndb_buffer *value) {
  if (labels->failed || value->failed) {
    sink->failed = true;
  } else {
    sink->series(sink->to, family, suffix, tndb_buffer_text(labels), tndb_buffer_text(value));
  }
}

/* The buckets are counted apart; in the text each includes the ones below it. */
static void write_waits(tndb_sink *sink, const tndb_family *family, const char *pool,
                        const tndb_pool_counts *counts) {
  tndb_auto_buffer labels = TNDB_BUFFER_INIT, value = TNDB_BUFFER_INIT, bound = TNDB_BUFFER_INIT;
  int64_t total = 0;
  for (int i = 0; i < TNDB_POOL_BUCKETS; i++) {
    bool last = i == TNDB_POOL_BUCKETS - 1;
    total += counts->wait_buckets[i];
    format(&bound, last ? 0 : tndb_pool_bucket_us[i], SECONDS);
    while (bound.length > 1 && bound.data[bound.length - 1] == '0') {
      bound.data[--bound.length] = '\0';
    }
    if (bound.length > 1 && bound.data[bound.length - 1] == '.') {
      bound.data[--bound.length] = '\0';
    }
    tndb_buffer_clear(&labels);
    tndb_label_append(&labels, "pool", pool);
    tndb_label_append(&labels, "le", last ? "+Inf" : tndb_buffer_text(&bound));
    labels.failed = labels.failed || bound.failed;
    format(&value, total, PLAIN);
    send(sink, family, "_bucket", &labels, &value);
  }
  tndb_buffer_clear(&labels);
  tndb_label_append(&labels, "pool", pool);
  format(&value, counts->waited_us, SECONDS);
  send(sink, family, "_sum", &labels, &value);
  format(&value, total, PLAIN);
  send(sink, family, "_count", &labels, &value);
}

/* The series of a family from one source; `pool` is NULL for the handle's own. */
static void write_from(tndb_sink *sink, const entry *what, const char *pool, const void *base) {
  tndb_auto_buffer labels = TNDB_BUFFER_INIT, value = TNDB_BUFFER_INIT;
  for (const series *s = what->series; s->suffix; s++) {
    tndb_buffer_clear(&labels);
    if (pool) {
      tndb_label_append(&labels, "pool", pool);
    }
    if (s->label) {
      tndb_label_append(&labels, s->label, s->value);
    }
    format(&value, number_at(base, s->offset), s->as);
    send(sink, &what->family, s->suffix, &labels, &value);
  }
}

static void write_entry(tndb_sink *sink, const entry *what, const tndb_snapshot *snapshot) {
  sink->begin(sink->to, &what->family);
  if (what->from == OF_HANDLE) {
    write_from(sink, what, NULL, &snapshot->tally);
    return;
  }
  for (size_t i = 0; i < snapshot->n_pools; i++) {
    if (what->series[0].as == WAITS) {
      write_waits(sink, &what->family, snapshot->pool_names[i], &snapshot->pools[i]);
    } else {
      write_from(sink, what, snapshot->pool_names[i], &snapshot->pools[i]);
    }
  }
}

/* Only classes that have occurred, or there would be 1297 series of nothing. */
static void write_errors(tndb_sink *sink, const tndb_tally *tally) {
  tndb_auto_buffer labels = TNDB_BUFFER_INIT, value = TNDB_BUFFER_INIT;
  sink->begin(sink->to, &errors_family);
  for (int i = 0; i < TNDB_N_CLASSES; i++) {
    char name[5];
    if (tally->errors[i] > 0) {
      tndb_class_name(i, name);
      tndb_buffer_clear(&labels);
      tndb_label_append(&labels, "sqlstate_class", name);
      format(&value, tally->errors[i], PLAIN);
      send(sink, &errors_family, "", &labels, &value);
    }
  }
}

static void write_info(tndb_sink *sink, const tenantdb *db) {
  tndb_auto_buffer labels = TNDB_BUFFER_INIT, value = TNDB_BUFFER_INIT;
  tndb_buffer_format(&value, "%d.%d", db->facts.version / 10000, db->facts.version % 10000);
  tndb_label_append(&labels, "version", tenantdb_version());
  tndb_label_append(&labels, "database", db->facts.database);
  tndb_label_append(&labels, "server_version", tndb_buffer_text(&value));
  tndb_label_append(&labels, "isolation", tenantdb_isolation_name(db->level));
  labels.failed = labels.failed || value.failed;
  format(&value, 1, PLAIN);
  sink->begin(sink->to, &info_family);
  send(sink, &info_family, "", &labels, &value);
}

void tndb_snapshot_write(const tndb_snapshot *snapshot, tndb_sink *sink) {
  write_info(sink, snapshot->db);
  for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
    write_entry(sink, &entries[i], snapshot);
  }
  write_errors(sink, &snapshot->tally);
}

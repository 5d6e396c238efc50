/* SPDX-License-Identifier: PostgreSQL */
/* The public calls that tell what goes on in a handle: events, statistics, who has connections. */
#include <tenantdb/operate.h>

#include "base/memory.h"
#include "base/result.h"
#include "catalog/statistics.h"
#include "catalog/tenants.h"
#include "config/event_queue.h"

/* Every call here begins alike: `out` is where the answer goes, `what` its name. */
static tenantdb_status begin_call(const tenantdb *db, const void *out, const char *what,
                                  tenantdb_error **error) {
  tndb_error_reset(error);
  return out ? tndb_database_check(db, error)
             : tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL", what);
}

tenantdb_status tenantdb_events(tenantdb *db, int32_t most, tenantdb_result **events,
                                tenantdb_error **error) {
  if (events) {
    *events = NULL;
  }
  tenantdb_status status = begin_call(db, events, "events", error);
  if (!status && most < 0) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                         "most is %d; 0 means all of them", (int)most);
  }
  return status ? status
                : tndb_event_queue_take(tndb_config_listeners(db->config)->queue, most, events, error);
}

tenantdb_status tenantdb_warm_up(tenantdb *db, tenantdb_error **error) {
  tenantdb_status status = begin_call(db, "", "", error);
  if (!status) {
    status = tndb_pool_warm_up(db->pool, error);
  }
  return status || !db->logins ? status : tndb_pool_warm_up(db->logins, error);
}

/* ---------------------------------------------------------------- statistics */

/* As a table. */
static void begin_rows(void *to, const tndb_family *family) {
  (void)to;
  (void)family;
}

typedef struct rows {
  tndb_table *table;
  tndb_buffer name;
} rows;

static void add_row(void *to, const tndb_family *family, const char *suffix, const char *labels,
                    const char *value) {
  rows *all = to;
  tndb_buffer_clear(&all->name);
  tndb_buffer_append(&all->name, family->name);
  tndb_buffer_append(&all->name, suffix);
  const char *cells[] = {
      tndb_buffer_text(&all->name), labels, family->kind, family->unit, value, family->help};
  tndb_table_row(all->table, cells);
}

tenantdb_status tenantdb_statistics(tenantdb *db, tenantdb_result **table, tenantdb_error **error) {
  static const char *const columns[] = {"name", "labels", "kind", "unit", "value", "help"};
  if (table) {
    *table = NULL;
  }
  tenantdb_status status = begin_call(db, table, "table", error);
  if (status) {
    return status;
  }
  tndb_auto_free tndb_snapshot *snapshot = tndb_new(tndb_snapshot);
  if (!snapshot) {
    return tndb_no_memory(error);
  }
  rows all = {tndb_table_new(columns, 6), TNDB_BUFFER_INIT};
  tndb_sink sink = {begin_rows, add_row, &all, false};
  tndb_snapshot_take(db, snapshot);
  tndb_snapshot_write(snapshot, &sink);
  bool failed = sink.failed || all.name.failed;
  tndb_buffer_free(&all.name);
  if (failed) {
    tndb_table_free(all.table);
    return tndb_no_memory(error);
  }
  return tndb_table_finish(all.table, table, error);
}

/* As text. Nothing in a help line of ours needs escaping. */
static void begin_text(void *to, const tndb_family *family) {
  tndb_buffer_format(to, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                     family->kind);
}

static void add_line(void *to, const tndb_family *family, const char *suffix, const char *labels,
                     const char *value) {
  bool some = *labels != '\0';
  tndb_buffer_format(to, "%s%s%s%s%s %s\n", family->name, suffix, some ? "{" : "", labels, some ? "}" : "",
                     value);
}

tenantdb_status tenantdb_statistics_text(tenantdb *db, char **text, tenantdb_error **error) {
  if (text) {
    *text = NULL;
  }
  tenantdb_status status = begin_call(db, text, "text", error);
  if (status) {
    return status;
  }
  tndb_auto_free tndb_snapshot *snapshot = tndb_new(tndb_snapshot);
  if (!snapshot) {
    return tndb_no_memory(error);
  }
  tndb_auto_buffer all = TNDB_BUFFER_INIT;
  tndb_sink sink = {begin_text, add_line, &all, false};
  tndb_snapshot_take(db, snapshot);
  tndb_snapshot_write(snapshot, &sink);
  *text = sink.failed ? NULL : tndb_buffer_take(&all);
  return *text ? TENANTDB_OK : tndb_no_memory(error);
}

/* ---------------------------------------------------------------- who has connections */

/* As many keys as there are: more may come between counting and asking, so it is asked again. */
static bool read_keys(tndb_pool *pool, tndb_pool_key **keys, size_t *count) {
  size_t room = 0;
  *keys = NULL;
  while ((*count = tndb_pool_keys(pool, *keys, room)) > room) {
    room = *count + *count / 4;
    tndb_free(*keys);
    *keys = tndb_alloc_array(room, sizeof **keys);
    if (!*keys) {
      return false;
    }
  }
  return true;
}

static void add_key(tndb_table *table, tenantdb *db, const char *pool, const tndb_pool_key *key,
                    tndb_buffer numbers[3]) {
  const int64_t values[3] = {key->lent, key->waiting, key->leases};
  for (int i = 0; i < 3; i++) {
    tndb_buffer_clear(&numbers[i]);
    tndb_buffer_format(&numbers[i], "%lld", (long long)values[i]);
  }
  tndb_mutex_lock(&db->mutex);
  const tenantdb_tenant *known = tndb_cache_search(&db->tenants, key->key);
  const char *cells[] = {pool,
                         known ? known->id : key->key,
                         known ? known->slug : NULL,
                         tndb_buffer_text(&numbers[0]),
                         tndb_buffer_text(&numbers[1]),
                         tndb_buffer_text(&numbers[2])};
  tndb_table_row(table, cells);
  tndb_mutex_unlock(&db->mutex);
}

static bool add_pool(tndb_table *table, tenantdb *db, const char *name, tndb_pool *pool) {
  tndb_buffer numbers[3] = {TNDB_BUFFER_INIT, TNDB_BUFFER_INIT, TNDB_BUFFER_INIT};
  tndb_pool_key *keys;
  size_t count;
  bool done = read_keys(pool, &keys, &count);
  for (size_t i = 0; done && i < count; i++) {
    add_key(table, db, name, &keys[i], numbers);
  }
  for (int i = 0; i < 3; i++) {
    done = done && !numbers[i].failed;
    tndb_buffer_free(&numbers[i]);
  }
  tndb_free(keys);
  return done;
}

tenantdb_status tenantdb_pool_tenants(tenantdb *db, tenantdb_result **tenants, tenantdb_error **error) {
  static const char *const columns[] = {"pool", "tenant", "slug", "in_use", "waiting", "leases"};
  if (tenants) {
    *tenants = NULL;
  }
  tenantdb_status status = begin_call(db, tenants, "tenants", error);
  if (status) {
    return status;
  }
  tndb_table *table = tndb_table_new(columns, 6);
  if (!add_pool(table, db, "shared", db->pool) || (db->logins && !add_pool(table, db, "login", db->logins))) {
    tndb_table_free(table);
    return tndb_no_memory(error);
  }
  return tndb_table_finish(table, tenants, error);
}

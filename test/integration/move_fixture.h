/* SPDX-License-Identifier: PostgreSQL */
/*
 * Two databases between which tenants can move: on two servers of the test's own,
 * or on one, whose wal_level is logical. The common server's is not.
 */
#ifndef TNDB_MOVE_FIXTURE_H
#define TNDB_MOVE_FIXTURE_H

#include <pthread.h>

#include "archive_registry.h"

typedef struct move_pair {
  harness_server *servers[2];
  char *from;
  char *to;
} move_pair;

static inline harness_server *move_server(void) {
  harness_server *server = harness_server_start();
  harness_sql(harness_server_url(server), "ALTER SYSTEM SET wal_level = 'logical'");
  harness_sql(harness_server_url(server), "ALTER SYSTEM SET wal_retrieve_retry_interval = '200ms'");
  harness_sql(harness_server_url(server), "ALTER SYSTEM SET max_logical_replication_workers = 12");
  harness_sql(harness_server_url(server), "ALTER SYSTEM SET max_worker_processes = 24");
  harness_sql(harness_server_url(server), "ALTER SYSTEM SET max_replication_slots = 40");
  harness_sql(harness_server_url(server), "ALTER SYSTEM SET max_wal_senders = 40");
  harness_server_restart(server);
  return server;
}

/* Two of them, for a program. */
static harness_server *first, *second;

static inline int move_setup(void **state) {
  (void)state;
  first = move_server();
  second = move_server();
  return 0;
}

static inline int move_teardown(void **state) {
  (void)state;
  harness_server_remove(first);
  harness_server_remove(second);
  return 0;
}

/* A new database of a server of the test's own. free() it. */
static inline char *move_database(const harness_server *server, const char *name) {
  harness_sql(harness_server_url(server), "CREATE DATABASE \"%s\"", name);
  return harness_url_with(harness_server_url(server), name, NULL, NULL);
}

static inline tenantdb_move_options *move_options(const char *const *options) {
  tenantdb_move_options *made = tenantdb_move_options_new();
  assert_non_null(made);
  for (; options && *options; options += 2) {
    tenantdb_move_options_set(made, options[0], options[1]);
  }
  return made;
}

/* Nobody waits long in a test. */
static inline tenantdb_status move_call(tenantdb *from, const char *tenant, tenantdb *to,
                                        const char *const *options, tenantdb_result **report,
                                        tenantdb_error **error) {
  tenantdb_move_options *made = move_options(options);
  if (!options) {
    tenantdb_move_options_set(made, "patience", "60s");
  }
  tenantdb_status status = tenantdb_tenant_move(from, tenant, to, made, report, error);
  tenantdb_move_options_free(made);
  return status;
}

/* The cell of a step's row in a report, "" when there is none; lasts as long as the report. */
static inline const char *move_cell(const tenantdb_result *report, const char *step, const char *column) {
  for (int32_t row = 0; row < tenantdb_result_rows(report); row++) {
    if (strcmp(tenantdb_result_value(report, row, 0), step) == 0) {
      for (int32_t i = 0; i < tenantdb_result_columns(report); i++) {
        const char *value = tenantdb_result_value(report, row, i);
        if (strcmp(tenantdb_result_name(report, i), column) == 0) {
          return value ? value : "";
        }
      }
    }
  }
  return "";
}

static inline void move_print(const tenantdb_result *report) {
  for (int32_t row = 0; row < tenantdb_result_rows(report); row++) {
    for (int32_t i = 0; i < tenantdb_result_columns(report); i++) {
      const char *value = tenantdb_result_value(report, row, i);
      print_message("%s%s", i ? " | " : "  ", value ? value : "");
    }
    print_message("\n");
  }
}

/* What a move leaves about at either side when it is over, counted. */
static inline int64_t move_left(const char *url) {
  return harness_count(
      url,
      "SELECT (SELECT count(*) FROM pg_replication_slots WHERE database = current_database()) + (SELECT "
      "count(*) FROM pg_publication) + (SELECT count(*) FROM pg_subscription s JOIN pg_database d ON d.oid = "
      "s.subdbid WHERE d.datname = current_database()) + (SELECT count(*) FROM tenantdb.move_things) + "
      "(SELECT "
      "count(*) FROM tenantdb.operations WHERE state = 'running') + (SELECT count(*) FROM tenantdb.tenants "
      "WHERE state = 'provisioning') + (SELECT count(*) FROM tenantdb.moves WHERE state IN ('moving', "
      "'switched'))");
}

/* ---------------------------------------------------------------- two databases */

typedef struct move_sides {
  char *from_url;
  char *to_url;
  tenantdb *from;
  tenantdb *to;
} move_sides;

/* Everything that tenants can hold in the bases; the shared rows that they refer to in the first only. */
static inline move_sides move_make(const harness_server *a, const harness_server *b,
                                   const char *const *options) {
  static int n_made;
  char name[40];
  move_sides s;
  snprintf(name, sizeof name, "old-'%d'", ++n_made);
  s.from_url = move_database(a, name);
  snprintf(name, sizeof name, "new %d", n_made);
  s.to_url = move_database(b, name);
  s.from = archive_open(s.from_url, options);
  s.to = archive_open(s.to_url, options);
  archive_shared(s.from_url);
  return s;
}

static inline void move_end(move_sides *s) {
  tenantdb_close(s->from);
  tenantdb_close(s->to);
  free(s->from_url);
  free(s->to_url);
}

static const char *const move_full[] = {"identity", "full", "patience", "60s", NULL};

/* "active", "archived" … of a tenant, "" when there is none; lasts until the next call but one. */
static inline const char *move_state(const char *url, const char *slug) {
  static char states[2][20];
  static int turn;
  char *found =
      harness_value(url, "SELECT state FROM tenantdb.tenants WHERE slug = '%s' AND state <> 'deleted'", slug);
  turn = !turn;
  snprintf(states[turn], sizeof states[turn], "%s", found ? found : "");
  free(found);
  return states[turn];
}

/* Whether a step of the only open move is recorded in that state. */
static inline bool move_reached(const char *url, const char *step, const char *state) {
  return harness_count(url,
                       "SELECT count(*) FROM tenantdb.move_steps s JOIN tenantdb.moves m ON m.id = s.move_id "
                       "WHERE m.state IN ('moving', 'switched') AND s.step = '%s' AND s.state = '%s'",
                       step, state) > 0;
}

static inline void move_await(const char *url, const char *step, const char *state) {
  for (int i = 0; i < 30000 && !move_reached(url, step, state); i++) {
    fixture_pause_us(1000);
  }
  assert_true(move_reached(url, step, state));
}

/* ---------------------------------------------------------------- in the middle */

/* A move of tenant acme on a thread of its own. */
typedef struct move_caller {
  pthread_t thread;
  move_sides *sides;
  const char *const *options;
  tenantdb_result *report;
  tenantdb_error *error;
  tenantdb_status status;
} move_caller;

static inline void *move_call_on(void *user) {
  move_caller *c = user;
  c->status = move_call(c->sides->from, "acme", c->sides->to, c->options, &c->report, &c->error);
  return NULL;
}

static inline void move_start(move_caller *c, move_sides *s, const char *const *options) {
  *c = (move_caller){.sides = s, .options = options};
  assert_int_equal(pthread_create(&c->thread, NULL, move_call_on, c), 0);
}

static inline void move_join(move_caller *c) {
  pthread_join(c->thread, NULL);
}

static inline void move_release(move_caller *c) {
  tenantdb_result_free(c->report);
  tenantdb_error_free(c->error);
}

#endif

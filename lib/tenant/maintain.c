/* SPDX-License-Identifier: PostgreSQL */
/*
 * Upkeep: what has to be done now and then, called by whoever has a timer.
 *
 * Everything here is done in steps that are whole by themselves, and asked for
 * anew each time; so it may be stopped, killed and called by several at once.
 */
#include <string.h>
#include <tenantdb/operate.h>
#include <tenantdb/tenant.h>

#include "base/result.h"
#include "catalog/work.h"
#include "tenant/standby.h"
#include "tenant/view.h"

static const char due_sql[] =
    "SELECT t.id, t.slug FROM %stenants t WHERE t.state = 'archived' AND t.purge_after <= now()"
    " ORDER BY t.purge_after, t.id";

typedef struct upkeep {
  tenantdb *db;
  tndb_deadline deadline;
  tndb_table *table;
  bool stopped; /* there was more to do than time */
} upkeep;

static void add(upkeep *u, const char *task, const char *subject, const char *action, const char *outcome) {
  const char *cells[] = {task, subject, action, outcome};
  tndb_table_row(u->table, cells);
}

/* Nothing is begun any more when the time is over. */
static bool goes_on(upkeep *u) {
  u->stopped = u->stopped || tndb_deadline_left(u->deadline) == 0;
  return !u->stopped;
}

static tenantdb_status keep_standbys(upkeep *u, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (bool more = true; !status && more && goes_on(u);) {
    tndb_standby_step step;
    status = tndb_standby_keep(u->db, &step, error);
    if (!status && step.action) {
      add(u, "standby", step.schema[0] ? step.schema : NULL, step.action, tndb_buffer_text(&step.outcome));
    }
    more = step.more;
    tndb_buffer_free(&step.outcome);
  }
  return status;
}

static tenantdb_status find_due(tenantdb *db, PGresult **rows, tenantdb_error **error) {
  tndb_work work;
  *rows = NULL;
  tenantdb_status status = tndb_work_start_reading(&work, db, error);
  if (!status) {
    status = tndb_view_query(&work, due_sql, 0, NULL, rows, error);
  }
  tndb_work_end(&work);
  return status;
}

/* One that fails does not keep the others; without a server nothing goes on. */
static tenantdb_status purge_due(upkeep *u, tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status = find_due(u->db, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows) && goes_on(u); i++) {
    tenantdb_error *own = NULL;
    tenantdb_status done = tenantdb_tenant_purge(u->db, PQgetvalue(rows, i, 0), 0, &own);
    if (done == TENANTDB_CONNECTION || done == TENANTDB_MEMORY) {
      status = tndb_error_pass(error, own);
    } else {
      add(u, "purge", PQgetvalue(rows, i, 1), "purge", done ? tenantdb_error_message(own) : "done");
      tenantdb_error_free(own);
    }
  }
  PQclear(rows);
  return status;
}

static tenantdb_status reconcile(upkeep *u, tenantdb_error **error) {
  tenantdb_result *rows = NULL;
  if (!goes_on(u)) {
    return TENANTDB_OK;
  }
  tenantdb_status status = tenantdb_reconcile(u->db, &rows, error);
  for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
    const char *tenant = tenantdb_result_value(rows, i, 0);
    add(u, "reconcile", tenant ? tenant : tenantdb_result_value(rows, i, 1),
        tenantdb_result_value(rows, i, 2), tenantdb_result_value(rows, i, 3));
  }
  tenantdb_result_free(rows);
  return status;
}

static tenantdb_status maintain(upkeep *u, tenantdb_error **error) {
  tenantdb_status status = tenantdb_warm_up(u->db, error);
  if (!status) {
    status = keep_standbys(u, error);
  }
  if (!status) {
    status = purge_due(u, error);
  }
  if (!status) {
    status = reconcile(u, error);
  }
  if (!status && u->stopped) {
    add(u, "maintain", NULL, "leave", "the time is over: what is left is done by the next call");
  }
  return status;
}

tenantdb_status tenantdb_maintain(tenantdb *db, int64_t most_ms, tenantdb_result **done,
                                  tenantdb_error **error) {
  static const char *const columns[] = {"task", "subject", "action", "outcome"};
  tenantdb_error *own = NULL;
  tndb_error_reset(error);
  if (done) {
    *done = NULL;
  }
  tenantdb_status status = tndb_database_check(db, error);
  if (!status && most_ms < 0) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                         "most_ms is %lld; 0 means as long as it takes", (long long)most_ms);
  }
  if (status) {
    return status;
  }
  upkeep u = {.db = db, .deadline = tndb_deadline_in(most_ms), .table = tndb_table_new(columns, 4)};
  status = maintain(&u, &own);
  if (status || !done) {
    tndb_table_free(u.table);
    return status ? tndb_error_pass(error, own) : TENANTDB_OK;
  }
  return tndb_table_finish(u.table, done, error);
}

/* SPDX-License-Identifier: PostgreSQL */
/* Views following their tenants: marking in the transaction of a change, settling behind it. */
#include <string.h>

#include "tenant/view_settle.h"

/* How long a tenant who comes waits for reports to end: he is there already, only they have yet to see it. */
#define PATIENCE_MS 1000
/* How often what was found fit is looked at again, because the server said it was not. */
#define MOST_DOUBTS 3

static const char mark_sql[] =
    "WITH v AS (SELECT id, name FROM %sviews WHERE tenants IS NULL OR $1::uuid = ANY (tenants)),"
    " m AS (INSERT INTO %sview_members AS m (view_id, tenant_id) SELECT id, $1::uuid FROM v"
    " ON CONFLICT (view_id, tenant_id) DO UPDATE SET wish = m.wish + 1) SELECT name FROM v ORDER BY name";
static const char marked_sql[] =
    "SELECT v.name FROM %sviews v JOIN %sview_members m ON m.view_id = v.id WHERE m.tenant_id = $1 AND "
    "m.done "
    "< m.wish ORDER BY v.name";
static const char leave_sql[] =
    "WITH m AS (UPDATE %sview_members SET wish = wish + 1 WHERE tenant_id = $1 RETURNING view_id)"
    " SELECT v.name FROM %sviews v JOIN m ON m.view_id = v.id ORDER BY v.name";
/* A view that was dropped while a tenant came may have left a row. */
static const char forget_sql[] = "DELETE FROM %sview_members WHERE tenant_id = $1 AND part IS NULL";
static const char stale_sql[] =
    "SELECT v.name FROM %sviews v WHERE NOT v.complete OR EXISTS (SELECT FROM %sview_members m WHERE"
    " m.view_id = v.id AND m.done < m.wish) OR NOT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN"
    " pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = v.schema_name AND c.relname = "
    "v.name)"
    " ORDER BY v.name";
static const char doubt_sql[] =
    "UPDATE %sview_members SET wish = wish + 1 WHERE view_id = $1 AND part IS NOT NULL AND done = wish";

size_t tndb_views_mark(tndb_work *work, const char *tenant) {
  return tndb_view_send(work, mark_sql, 1, &tenant);
}

PGresult *tndb_views_marked(tndb_work *work, size_t place) {
  return work->conn && place != TNDB_NONE ? tndb_exchange_take(work->conn, place) : NULL;
}

/* ---------------------------------------------------------------- settling one */

typedef struct settling {
  tenantdb *db;
  const char *name;
  int64_t patience_ms;
  bool last;
} settling;

static tenantdb_status settle_step(void *user, tenantdb_error **error) {
  settling *job = user;
  return tndb_view_settle_batch(job->db, job->name, job->patience_ms, &job->last, error);
}

/* Look at all tenants of the view again: a table or a column of one of them is not there any more. */
static tenantdb_status doubt_step(void *user, tenantdb_error **error) {
  settling *job = user;
  tndb_work work;
  tndb_view view;
  tenantdb_status status = tndb_view_start(&work, job->db, job->name, &view, error);
  if (!status) {
    const char *id = tndb_view_get(&view, TNDB_VIEW_ID);
    (void)tndb_view_send(&work, doubt_sql, 1, &id);
    status = tndb_work_commit(&work, error);
  }
  tndb_work_end(&work);
  tndb_view_free(&view);
  return status;
}

/* What CREATE VIEW says of a tenant whose table is not what it was when it was looked at. */
static bool is_drift(const tenantdb_error *error) {
  static const char *const codes[] = {"42P01", "42703", "3F000", "42804", "42846", "42501", "42704"};
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
    if (strcmp(tenantdb_error_sqlstate(error), codes[i]) == 0) {
      return true;
    }
  }
  return false;
}

static tenantdb_status settle(tenantdb *db, const char *name, int64_t patience_ms, tenantdb_error **error) {
  settling job = {.db = db, .name = name, .patience_ms = patience_ms};
  tenantdb_error *own = NULL;
  tenantdb_status status = TENANTDB_OK;
  for (int doubts = 0; !status && !job.last;) {
    status = tndb_view_persist(settle_step, &job, &own);
    if (status && is_drift(own) && doubts++ < MOST_DOUBTS) {
      tenantdb_error_free(own);
      own = NULL;
      status = tndb_view_persist(doubt_step, &job, &own);
    }
  }
  if (status == TENANTDB_BUSY) {
    tndb_error_prefix(&own, "view %s, which somebody reads, or a table of which is being changed", name);
  } else if (status && tenantdb_error_reason(own) != TENANTDB_REASON_UNKNOWN_VIEW) {
    tndb_error_prefix(&own, "view %s", name);
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

tenantdb_status tndb_view_settle(tenantdb *db, const char *name, tenantdb_error **error) {
  return settle(db, name, 0, error);
}

/* ---------------------------------------------------------------- many */

/* A question that is its own transaction, or a change that may be made twice. */
typedef struct question {
  tenantdb *db;
  const char *pattern;
  const char *tenant; /* or NULL */
  PGresult *rows;
} question;

static tenantdb_status ask_step(void *user, tenantdb_error **error) {
  question *q = user;
  tndb_work work;
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  tndb_buffer_append(&lock, "views of tenant:");
  tndb_buffer_append(&lock, q->tenant ? q->tenant : "");
  PQclear(q->rows);
  q->rows = NULL;
  if (lock.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_work_start(&work, q->db, tndb_buffer_text(&lock), true, error);
  if (!status) {
    status = tndb_view_query(&work, q->pattern, q->tenant ? 1 : 0, &q->tenant, &q->rows, error);
  }
  if (!status) {
    status = tndb_work_commit(&work, error);
  }
  tndb_work_end(&work);
  return status;
}

static tenantdb_status ask(tenantdb *db, const char *pattern, const char *tenant, PGresult **rows,
                           tenantdb_error **error) {
  question q = {.db = db, .pattern = pattern, .tenant = tenant};
  tenantdb_status status = tndb_view_persist(ask_step, &q, error);
  if (status || !rows) {
    PQclear(q.rows);
    q.rows = NULL;
  }
  if (rows) {
    *rows = q.rows;
  }
  return status;
}

static void tell_stale(tenantdb *db, const char *tenant, const tenantdb_error *error) {
  tndb_config_write_event(db->config, &(tndb_event){.kind = TNDB_EVENT_VIEW_STALE,
                                                    .tenant = tenant,
                                                    .sqlstate = tenantdb_error_sqlstate(error),
                                                    .message = tenantdb_error_message(error)});
}

void tndb_views_follow(tenantdb *db, PGresult *marked, const char *tenant) {
  tenantdb_error *error = NULL;
  if (!marked && ask(db, marked_sql, tenant, &marked, &error)) {
    tell_stale(db, tenant, error);
    tenantdb_error_free(error);
    return;
  }
  int64_t patience = tndb_config_number(db->config, TNDB_OPERATION_LOCK_TIMEOUT);
  patience = patience < PATIENCE_MS ? patience : PATIENCE_MS;
  for (int i = 0; i < PQntuples(marked); i++) {
    tenantdb_status status = settle(db, PQgetvalue(marked, i, 0), patience, &error);
    if (status && tenantdb_error_reason(error) != TENANTDB_REASON_UNKNOWN_VIEW) {
      tell_stale(db, tenant, error);
    }
    tenantdb_error_free(error);
    error = NULL;
  }
  PQclear(marked);
}

tenantdb_status tndb_views_leave(tenantdb *db, const char *tenant, tenantdb_error **error) {
  PGresult *names;
  tenantdb_status status = ask(db, leave_sql, tenant, &names, error);
  for (int i = 0; !status && i < PQntuples(names); i++) {
    tenantdb_error *own = NULL;
    status = settle(db, PQgetvalue(names, i, 0), 0, &own);
    if (status && tenantdb_error_reason(own) == TENANTDB_REASON_UNKNOWN_VIEW) {
      status = TENANTDB_OK; /* it was dropped meanwhile */
      tenantdb_error_free(own);
    } else if (status) {
      (void)tndb_error_pass(error, own);
    }
  }
  PQclear(names);
  return status ? status : ask(db, forget_sql, tenant, NULL, error);
}

tenantdb_status tndb_views_all(tenantdb *db, PGresult **names, tenantdb_error **error) {
  return ask(db, "SELECT v.name FROM %sviews v ORDER BY v.name", NULL, names, error);
}

tenantdb_status tndb_views_stale(tenantdb *db, PGresult **names, tenantdb_error **error) {
  return ask(db, stale_sql, NULL, names, error);
}

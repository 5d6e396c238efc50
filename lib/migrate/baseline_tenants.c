/* SPDX-License-Identifier: PostgreSQL */
/*
 * Baselines of tenants: fingerprints of all of them by a few queries, the ledger's rows of all that
 * fit by one statement; only of those that do not fit is one of each kind read in full.
 */
#include <string.h>

#include "base/memory.h"
#include "config/property.h"
#include "migrate/baseline.h"
#include "migrate/ledger.h"
#include "migrate/use_rows.h"
#include "tenant/drift_sample.h"
#include "tenant/view.h"

#define BATCH 500

typedef struct fleet {
  tndb_baseline *b;
  tndb_drift_fleet drift;
  bool *there; /* the ledger knew */
  char **why;  /* in what they differ; NULL: they do not */
} fleet;

static void free_fleet(fleet *f) {
  for (size_t i = 0; f->why && i < f->drift.list.count; i++) {
    tndb_free(f->why[i]);
  }
  tndb_free(f->why);
  tndb_free(f->there);
  tndb_drift_fleet_free(&f->drift);
}

/* ---------------------------------------------------------------- who fits */

static tenantdb_status read_there(fleet *f, tenantdb_error **error) {
  tndb_auto_text_array ids = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows;
  const char *value = tndb_ledger_ids(&f->drift.list, false, &ids);
  tndb_buffer_format(&sql,
                     "SELECT EXISTS (SELECT FROM %smigrations m WHERE m.tenant_id = i.id AND m.state = 'done'"
                     " AND m.version >= %lld) FROM unnest($1::uuid[]) WITH ORDINALITY i (id, ord)"
                     " ORDER BY i.ord",
                     f->b->db->catalog, (long long)f->b->settings.version);
  f->there = tndb_alloc_array(f->drift.list.count, sizeof *f->there);
  f->why = tndb_alloc_array(f->drift.list.count, sizeof *f->why);
  if (!value || sql.failed || !f->there || !f->why) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_work_ask(f->b->db, tndb_buffer_text(&sql), 1, &value, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    f->there[i] = PQgetvalue(rows, i, 0)[0] == 't';
  }
  PQclear(rows);
  return status;
}

static tenantdb_status get_forms(fleet *f, tenantdb_error **error) {
  tenantdb *db = f->b->db;
  bool needed[2] = {false, false};
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; i < f->drift.list.count; i++) {
    needed[tndb_registry_form_wants_role(db, tndb_fleet_list_role(&f->drift.list, i))] = true;
  }
  for (int i = 0; i < 2 && !status; i++) {
    status = needed[i] ? tndb_scratch_form(db, f->b->set, TNDB_STREAM_TENANT, f->b->settings.version, i == 1,
                                           &f->drift.forms[i], error)
                       : TENANTDB_OK;
  }
  return status;
}

static tenantdb_status explain(void *user, const tndb_drift_sample *sample, tenantdb_error **error) {
  fleet *f = user;
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_baseline_tell(&text, &sample->differences);
  for (size_t i = 0; i < sample->count && !text.failed; i++) {
    char **why = &f->why[sample->tenants[i]];
    *why = tndb_strdup(tndb_buffer_text(&text));
    text.failed = !*why;
  }
  return text.failed ? tndb_no_memory(error) : TENANTDB_OK;
}

static tenantdb_status compare(fleet *f, tenantdb_error **error) {
  tenantdb *db = f->b->db;
  tenantdb_status status = get_forms(f, error);
  if (!status) {
    status = tndb_drift_fleet_print(db, &f->drift, error);
  }
  if (!status) {
    status = tndb_drift_samples_visit(db, &f->drift, explain, f, error);
  }
  for (size_t i = 0; !status && i < f->drift.list.count; i++) {
    bool equal = f->drift.prints[i][0] && tndb_drift_fleet_is_equal(&f->drift, db, i);
    if (!equal && !f->why[i]) { /* lost, or it changed while it was looked at */
      f->why[i] = tndb_strdup(f->drift.prints[i][0] ? "changed just now" : "the schema is gone");
      status = f->why[i] ? TENANTDB_OK : tndb_no_memory(error);
    }
  }
  return status;
}

/* ---------------------------------------------------------------- stamping them */

/* $1 ids, $2 the operation; the rows of the ledger from $3 on. What failed on the way to here is past. */
static bool build(const tndb_baseline *b, tndb_buffer *sql) {
  const char *catalog = b->db->catalog;
  tndb_buffer_format(
      sql,
      "WITH his AS (UPDATE %stenants t SET version = %lld, updated_at = now() FROM unnest($1::uuid[]) i (id)"
      " WHERE t.id = i.id AND t.state IN " TNDB_MIGRATED_STATES
      " RETURNING t.id),"
      " past AS (DELETE FROM %smigrations m USING his WHERE m.tenant_id = his.id AND m.state = 'failed' AND"
      " m.steps_done = 0 AND m.steps >= 0 AND m.name = '' AND m.version < %lld),",
      catalog, (long long)b->settings.version, catalog, (long long)b->settings.version);
  tndb_buffer_format(
      sql,
      " mine AS (INSERT INTO %smigrations AS m (stream, tenant_id, version, name, kind, title, sum, state,"
      " steps, steps_done, finished_at, duration_ms) SELECT 'tenant', his.id, r.version, r.name, r.kind,"
      " r.title, nullif(r.sum, ''), 'done', r.steps, r.steps, now(), 0 FROM his CROSS JOIN"
      " unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[])"
      " r (version, name, kind, title, sum, steps) ON CONFLICT (tenant_id, version, name) DO UPDATE SET kind "
      "="
      " excluded.kind, title = excluded.title, sum = excluded.sum, state = 'done', steps = excluded.steps,"
      " steps_done = excluded.steps, finished_at = now(), error = NULL, sqlstate = NULL, line = NULL"
      " WHERE m.state = 'failed')"
      " INSERT INTO %saudit (operation_id, tenant_id, action, detail) SELECT $2, his.id, 'baseline',"
      " jsonb_build_object('version', %lld, 'forced', %s) FROM his",
      catalog, catalog, (long long)b->settings.version, b->settings.force ? "true" : "false");
  return !sql->failed;
}

/* Views over tenants may choose them by their version. */
static tenantdb_status mark_views(const fleet *f, tndb_work *work, bool equal, tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status = tndb_view_query(
      work, "SELECT 1 FROM %sviews WHERE selector ~ '\\yversion\\y' LIMIT 1", 0, NULL, &rows, error);
  bool any = !status && PQntuples(rows) > 0;
  for (size_t i = 0; any && i < f->drift.list.count; i++) {
    if (!f->there[i] && !f->why[i] == equal) {
      (void)tndb_views_mark(work, tndb_fleet_list_id(&f->drift.list, i));
    }
  }
  PQclear(status ? NULL : rows);
  return status;
}

static tenantdb_status stamp(const fleet *f, tndb_work *work, bool equal, tenantdb_error **error) {
  const tndb_baseline *b = f->b;
  tndb_auto_text_array ids = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_use_rows rows = {.count = 0};
  for (size_t i = 0; i < f->drift.list.count; i++) {
    bool gone = !f->drift.prints[i][0];
    if (!f->there[i] && !gone && !f->why[i] == equal) {
      tndb_text_array_add(&ids, tndb_fleet_list_id(&f->drift.list, i));
    }
  }
  if (ids.count == 0) {
    return TENANTDB_OK;
  }
  bool made = tndb_use_rows_baseline(b->set, TNDB_STREAM_TENANT, b->settings.version, equal, &rows) &&
              tndb_text_array_finish(&ids) && build(b, &sql);
  tenantdb_status status = made ? TENANTDB_OK : tndb_no_memory(error);
  if (!status) {
    const char *values[] = {tndb_buffer_text(&ids.text),           work->operation,
                            tndb_buffer_text(&rows.versions.text), tndb_buffer_text(&rows.names.text),
                            tndb_buffer_text(&rows.kinds.text),    tndb_buffer_text(&rows.titles.text),
                            tndb_buffer_text(&rows.sums.text),     tndb_buffer_text(&rows.steps.text)};
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 8, values);
    status = mark_views(f, work, equal, error);
  }
  tndb_use_rows_free(&rows);
  return status;
}

static tenantdb_status stamp_all(const fleet *f, tenantdb_error **error) {
  tndb_record record = {.tenant_id = TNDB_LEDGER_SHARED, .action = "baseline tenants"};
  tndb_work work;
  tenantdb_status status = tndb_work_start(&work, f->b->db, "ledger", true, error);
  if (!status) {
    status = stamp(f, &work, true, error);
  }
  if (!status && f->b->settings.force) {
    status = stamp(f, &work, false, error);
  }
  if (!status) {
    tndb_work_record(&work, &record);
    status = tndb_work_commit(&work, error);
  }
  tndb_work_end(&work);
  return status;
}

tenantdb_status tndb_baseline_tenants(tndb_baseline *b, tenantdb_error **error) {
  fleet f = {.b = b, .drift = {.settings = {.batch = BATCH}}};
  tenantdb_status status = tndb_ledger_list(b->db, &b->settings, &f.drift.list, error);
  if (!status) {
    status = read_there(&f, error);
  }
  if (!status) {
    status = compare(&f, error);
  }
  if (!status) {
    status = stamp_all(&f, error);
  }
  for (size_t i = 0; !status && i < f.drift.list.count; i++) {
    bool stamped = !f.why[i] || (b->settings.force && f.drift.prints[i][0]);
    tndb_baseline_row(b, tndb_fleet_list_slug(&f.drift.list, i),
                      f.there[i] ? "there"
                      : stamped  ? "stamped"
                                 : "differs",
                      f.there[i] ? NULL : f.why[i]);
  }
  free_fleet(&f);
  return status;
}

/* SPDX-License-Identifier: PostgreSQL */
/* A relocation by views as the catalog has it: what was begun, by whom, and how far it is. */
#include <string.h>

#include "base/buffer.h"
#include "catalog/text_array.h"
#include "tenant/relocate.h"
#include "tenant/view.h"

static const char find_sql[] =
    "SELECT id, from_schema, to_schema, names, state FROM %srelocations WHERE state <> 'done'";
static const char tenants_sql[] =
    "SELECT slug, schema_name FROM %stenants WHERE schema_name IN ($1, $2) AND state <> 'deleted'";
static const char insert_sql[] =
    "INSERT INTO %srelocations (id, from_schema, to_schema, names, state) VALUES ($1, $2, $3, $4, 'moving')";
static const char insert_steps_sql[] =
    "INSERT INTO %srelocation_steps (relocation_id, number, kind, relkind, name, identity, owned_by, object,"
    " state) SELECT $1::uuid, ordinality, kind, nullif(relkind, ''), name, identity, nullif(owned_by, ''),"
    " object, 'old' FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::oid[]) WITH"
    " ORDINALITY s (kind, relkind, name, identity, owned_by, object, ordinality)";
static const char steps_sql[] =
    /* A function's arguments are told by where their types are now. */
    "SELECT s.number, s.kind, s.relkind, s.name, coalesce(quote_ident(f.proname) || '(' ||"
    " pg_get_function_identity_arguments(f.oid) || ')', s.identity), s.owned_by, s.state FROM"
    " %srelocation_steps s LEFT JOIN pg_proc f ON s.kind = 'function' AND f.oid = s.object"
    " WHERE s.relocation_id = $1 ORDER BY s.number";
static const char operation_sql[] =
    "INSERT INTO %soperations (id, tenant_id, kind, state, owner, lease_until)"
    " VALUES ($1, $2, 'relocate', 'running', $3, now() + $4::text::interval)";
static const char audit_sql[] =
    "INSERT INTO %saudit (operation_id, tenant_id, action, detail) VALUES ($1, $2, $3, $4::jsonb)";
/* $1 nobody's id, $2 the new owner, $3 his lease */
static const char take_over_sql[] =
    "UPDATE %soperations SET owner = $2, lease_until = now() + $3::text::interval, attempts = attempts + 1"
    " WHERE tenant_id = $1 AND kind = 'relocate' AND state = 'running' AND lease_until < now() RETURNING id";
static const char renew_sql[] =
    "UPDATE %soperations SET lease_until = now() + $3::text::interval"
    " WHERE id = $1 AND owner = $2 AND state = 'running'";
static const char over_sql[] = "SELECT 1 FROM %soperations WHERE id = $1 AND owner = $2 AND state = 'done'";
static const char moved_sql[] = "UPDATE %srelocations SET state = 'standing', moved_at = now() WHERE id = $1";
static const char done_sql[] =
    "UPDATE %soperations SET state = 'done', finished_at = now(), lease_until = NULL WHERE id = $1";
static const char release_sql[] =
    "UPDATE %soperations SET lease_until = now() - interval '1 second'"
    " WHERE id = $1 AND owner = $2 AND state = 'running'";

const char tndb_relocate_unfinished_sql[] =
    "SELECT CASE WHEN r.state = 'moving' THEN 'interrupted while it moved tables from schema ' ||"
    " r.from_schema || ' to ' || r.to_schema || ': tenantdb_relocate() goes on' ELSE 'tables moved from "
    "schema "
    "' || r.from_schema || ' to ' || r.to_schema || ', and their old names are still there:"
    " tenantdb_relocate_finish() takes them away' END FROM %srelocations r WHERE r.state = 'standing' OR"
    " r.state = 'moving' AND NOT EXISTS (SELECT FROM %soperations o WHERE o.kind = 'relocate'"
    " AND o.state = 'running' AND o.lease_until >= now())";

tenantdb_status tndb_relocate_find(tndb_work *work, tndb_relocation *job, bool *open,
                                   tenantdb_error **error) {
  PQclear(job->found);
  job->found = NULL;
  const char *values[] = {job->settings.from, job->settings.to};
  size_t place = tndb_view_send(work, find_sql, 0, NULL);
  size_t tenants = tndb_view_send(work, tenants_sql, 2, values);
  tenantdb_status status = tndb_work_sync(work, error);
  *open = false;
  if (status) {
    return status;
  }
  const PGresult *rows = tndb_exchange_result(work->conn, tenants);
  for (int i = 0; i < PQntuples(rows); i++) {
    tndb_auto_buffer note = TNDB_BUFFER_INIT;
    tndb_buffer_format(&note, "it is the schema of tenant %s", PQgetvalue(rows, i, 0));
    tndb_relocate_refuse(job, TNDB_REFUSAL_OTHER, "check", PQgetvalue(rows, i, 1), NULL,
                         tndb_buffer_text(&note));
  }
  job->found = tndb_exchange_take(work->conn, place);
  *open = PQntuples(job->found) == 1;
  if (*open) {
    memcpy(job->id, PQgetvalue(job->found, 0, TNDB_FOUND_ID), sizeof job->id);
  }
  return status;
}

const char *tndb_relocate_found(const tndb_relocation *job, int what) {
  return PQgetvalue(job->found, 0, what);
}

static void format_lease(tndb_buffer *text, const tenantdb *db) {
  tndb_buffer_format(text, "%lld milliseconds",
                     (long long)tndb_config_number(db->config, TNDB_OPERATION_LEASE));
}

static void send_audit(tndb_work *work, const tndb_relocation *job, const char *action) {
  tndb_auto_buffer detail = TNDB_BUFFER_INIT;
  tndb_relocate_detail(&detail, job);
  tndb_work_fail_if(work, detail.failed);
  const char *values[] = {job->operation, TNDB_RELOCATE_NOBODY, action, tndb_buffer_text(&detail)};
  (void)tndb_view_send(work, audit_sql, 4, values);
}

/* ---------------------------------------------------------------- beginning */

/* Of owned sequences those are steps that do not go along with their table. */
static bool is_step(const tndb_relocation *job, const tndb_survey *survey, int row) {
  bool companion = tndb_survey_is(survey, row, "sequence") || tndb_survey_is(survey, row, "type") ||
                   tndb_survey_is(survey, row, "function");
  return tndb_survey_is(survey, row, "relation") || (companion && !job->settings.new_names);
}

static tenantdb_status send_steps(tndb_work *work, const tndb_relocation *job, const tndb_survey *survey,
                                  tenantdb_error **error) {
  static const int columns[] = {TNDB_THING_KIND,     TNDB_THING_RELKIND,  TNDB_THING_NAME,
                                TNDB_THING_IDENTITY, TNDB_THING_OWNED_BY, TNDB_THING_OID};
  enum { N_COLUMNS = sizeof columns / sizeof columns[0] };
  tndb_text_array lists[N_COLUMNS];
  const char *values[1 + N_COLUMNS] = {job->id};
  bool complete = true;
  for (int i = 0; i < N_COLUMNS; i++) {
    lists[i] = (tndb_text_array)TNDB_TEXT_ARRAY_INIT;
    for (int row = 0; row < PQntuples(survey->things); row++) {
      const char *cell = tndb_survey_cell(survey, row, columns[i]);
      if (is_step(job, survey, row)) {
        tndb_text_array_add(&lists[i], cell ? cell : "");
      }
    }
    values[1 + i] = tndb_text_array_finish(&lists[i]);
    complete = complete && values[1 + i];
  }
  if (complete) {
    (void)tndb_view_send(work, insert_steps_sql, 1 + N_COLUMNS, values);
  }
  for (int i = 0; i < N_COLUMNS; i++) {
    tndb_text_array_free(&lists[i]);
  }
  return complete ? TENANTDB_OK : tndb_no_memory(error);
}

tenantdb_status tndb_relocate_begin(tndb_work *work, tndb_relocation *job, const tndb_survey *survey,
                                    tenantdb_error **error) {
  tndb_auto_buffer lease = TNDB_BUFFER_INIT;
  format_lease(&lease, job->db);
  memcpy(job->operation, work->operation, sizeof job->operation);
  const char *relocation[] = {job->id, job->settings.from, job->settings.to,
                              job->settings.new_names ? "new" : "old"};
  const char *operation[] = {job->operation, TNDB_RELOCATE_NOBODY, job->owner, tndb_buffer_text(&lease)};
  tndb_work_fail_if(work, lease.failed);
  (void)tndb_view_send(work, insert_sql, 4, relocation);
  (void)tndb_view_send(work, operation_sql, 4, operation);
  send_audit(work, job, "relocate by views");
  work->recorded = true; /* the operation's row tells whether this was committed */
  return send_steps(work, job, survey, error);
}

static tenantdb_status held_by_other(tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_BUSY, TENANTDB_REASON_OPERATION_HELD,
                     "somebody else is relocating the shared tables; when he dies his lease runs out and "
                     "tenantdb_relocate() goes on");
}

tenantdb_status tndb_relocate_take_over(tndb_work *work, tndb_relocation *job, tenantdb_error **error) {
  tndb_auto_buffer lease = TNDB_BUFFER_INIT;
  PGresult *row;
  format_lease(&lease, job->db);
  const char *values[] = {TNDB_RELOCATE_NOBODY, job->owner, tndb_buffer_text(&lease)};
  tndb_work_fail_if(work, lease.failed);
  tenantdb_status status = tndb_view_query(work, take_over_sql, 3, values, &row, error);
  if (status) {
    return status;
  }
  bool mine = PQntuples(row) == 1;
  if (mine) {
    memcpy(job->operation, PQgetvalue(row, 0, 0), sizeof job->operation);
  }
  PQclear(row);
  status = mine ? tndb_work_commit(work, error) : held_by_other(error);
  /* Of the tables nothing is in doubt, only whose the lease is: it runs out. */
  return status == TENANTDB_UNKNOWN
             ? tndb_error_fold(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST)
             : status;
}

/* ---------------------------------------------------------------- steps */

tenantdb_status tndb_relocate_step(tndb_work *work, const tndb_relocation *job, bool *over,
                                   tenantdb_error **error) {
  tndb_auto_buffer lease = TNDB_BUFFER_INIT;
  *over = false;
  format_lease(&lease, job->db);
  tenantdb_status status = tndb_work_start(work, job->db, TNDB_RELOCATE_LOCK, true, error);
  if (status) {
    return status;
  }
  const char *values[] = {job->operation, job->owner, tndb_buffer_text(&lease)};
  tndb_work_fail_if(work, lease.failed);
  size_t renewed = tndb_view_send(work, renew_sql, 3, values);
  size_t ended = tndb_view_send(work, over_sql, 2, values);
  tndb_relocate_limit(work, job, 1);
  status = tndb_work_sync(work, error);
  if (!status && strcmp(PQcmdTuples(tndb_exchange_result(work->conn, renewed)), "1") != 0) {
    *over = PQntuples(tndb_exchange_result(work->conn, ended)) == 1;
    status = *over ? TENANTDB_OK : held_by_other(error);
  }
  return status;
}

tenantdb_status tndb_relocate_steps(tndb_work *work, const tndb_relocation *job, PGresult **steps,
                                    tenantdb_error **error) {
  const char *id = job->id;
  return tndb_view_query(work, steps_sql, 1, &id, steps, error);
}

void tndb_relocate_moved(tndb_work *work, const tndb_relocation *job) {
  const char *id = job->id, *operation = job->operation;
  (void)tndb_view_send(work, moved_sql, 1, &id);
  (void)tndb_view_send(work, done_sql, 1, &operation);
  send_audit(work, job, "relocated by views");
}

void tndb_relocate_release(const tndb_relocation *job) {
  tndb_conn *conn;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *values[] = {job->operation, job->owner};
  tndb_values with = {.count = 2, .values = values};
  tndb_deadline soon = tndb_deadline_in(tndb_config_number(job->db->config, TNDB_OPERATION_LOCK_TIMEOUT));
  const char *at = strstr(release_sql, "%s");
  if (!job->operation[0]) {
    return;
  }
  tndb_buffer_append_n(&sql, release_sql, (size_t)(at - release_sql));
  tndb_buffer_append(&sql, job->db->catalog);
  tndb_buffer_append(&sql, at + 2);
  if (!sql.failed && !tndb_pool_lease(job->db->pool, soon, &conn, NULL)) {
    (void)tndb_exchange_single(conn, tndb_buffer_text(&sql), &with, soon, NULL, NULL);
    tndb_pool_release(conn);
  }
}

/* SPDX-License-Identifier: PostgreSQL */
/* The end of a relocation by views: the old names go, unless somebody uses them. */
#include <string.h>

#include "base/buffer.h"
#include "catalog/text_array.h"
#include "sql/identifier.h"
#include "tenant/relocate.h"
#include "tenant/view.h"

/* $1 the relocation, $2 the old schema, $3 the mark: of each view whether it is there, and ours. */
static const char views_sql[] =
    "SELECT s.name, s.identity, c.oid IS NOT NULL, c.relkind = 'v' AND pg_catalog.obj_description(c.oid,"
    " 'pg_class') IS NOT DISTINCT FROM $3::text FROM %srelocation_steps s LEFT JOIN pg_catalog.pg_namespace n"
    " ON n.nspname = $2 LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.name "
    "WHERE"
    " s.relocation_id = $1 AND s.kind = 'relation' ORDER BY s.number";
static const char done_sql[] =
    "WITH s AS (UPDATE %srelocation_steps SET state = 'done' WHERE relocation_id = $1)"
    " UPDATE %srelocations SET state = 'done', finished_at = now() WHERE id = $1";

/* The names of those old names that a text may hold: relations, and what has not moved yet but functions. */
static const char *list_names(const PGresult *steps, bool views, tndb_text_array *names) {
  for (int i = 0; i < PQntuples(steps); i++) {
    const char *kind = PQgetvalue(steps, i, TNDB_STEP_KIND);
    bool view = strcmp(kind, "relation") == 0;
    if (view || (!views && strcmp(kind, "function") != 0)) {
      tndb_text_array_add(names, PQgetvalue(steps, i, TNDB_STEP_NAME));
    }
  }
  return tndb_text_array_finish(names);
}

static tenantdb_status check_uses(tndb_work *work, tndb_relocation *job, tenantdb_error **error) {
  tndb_auto_text_array views = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_text_array all = TNDB_TEXT_ARRAY_INIT;
  const char *view_names = list_names(job->steps, true, &views);
  const char *all_names = list_names(job->steps, false, &all);
  if (!view_names || !all_names) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_relocate_dependents(work, job, view_names, error);
  if (!status) {
    status = tndb_relocate_texts(work, job, all_names, error);
  }
  return status ? status : tndb_relocate_sessions(work, job, view_names, error);
}

/* One statement drops all views: either all of them can be had, or none is waited for. */
static tenantdb_status plan_drop(tndb_work *work, tndb_relocation *job, tndb_buffer *drop,
                                 tenantdb_error **error) {
  tndb_auto_buffer mark = TNDB_BUFFER_INIT;
  PGresult *rows;
  tndb_buffer_append(&mark, "libtenantdb relocation ");
  tndb_buffer_append(&mark, job->id);
  const char *values[] = {job->id, job->settings.from, tndb_buffer_text(&mark)};
  tndb_work_fail_if(work, mark.failed);
  tenantdb_status status = tndb_view_query(work, views_sql, 3, values, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    bool there = PQgetvalue(rows, i, 2)[0] == 't', ours = PQgetvalue(rows, i, 3)[0] == 't';
    if (there && ours) {
      tndb_buffer_append(drop, drop->length ? ", " : "DROP VIEW ");
      tndb_quote_identifier(drop, job->settings.from);
      tndb_buffer_append_char(drop, '.');
      tndb_buffer_append(drop, PQgetvalue(rows, i, 1));
    } else if (there) {
      tndb_relocate_add(job, &(tndb_relocate_row){.step = "view",
                                                  .object = PQgetvalue(rows, i, 0),
                                                  .state = "kept",
                                                  .note = "it is not the view that was made here, so it is "
                                                          "not dropped"});
    }
  }
  PQclear(rows);
  if (!status && drop->length) {
    tndb_relocate_add(job, &(tndb_relocate_row){.step = "view",
                                                .object = "all views",
                                                .sql = tndb_buffer_text(drop),
                                                .locks = "ACCESS EXCLUSIVE on the views"});
  }
  return drop->failed ? tndb_no_memory(error) : status;
}

/* A sequence is its column's again when it is where its table is. */
static void plan_companions(tndb_relocation *job) {
  for (int i = 0; i < PQntuples(job->steps); i++) {
    const char *kind = PQgetvalue(job->steps, i, TNDB_STEP_KIND);
    const char *name = PQgetvalue(job->steps, i, TNDB_STEP_NAME);
    const char *identity = PQgetvalue(job->steps, i, TNDB_STEP_IDENTITY);
    if (strcmp(kind, "relation") != 0) {
      tndb_relocate_alter(job, kind, PQgetvalue(job->steps, i, TNDB_STEP_RELKIND), name, identity);
    }
    if (!PQgetisnull(job->steps, i, TNDB_STEP_OWNED_BY)) {
      const char *names[] = {job->settings.to, identity, job->settings.to,
                             PQgetvalue(job->steps, i, TNDB_STEP_OWNED_BY)};
      tndb_relocate_statement(job, "own", name, "SHARE ROW EXCLUSIVE on the sequence",
                              "ALTER SEQUENCE %I.%s OWNED BY %I.%s", names);
    }
  }
}

static tenantdb_status carry_out(tndb_work *work, tndb_relocation *job, size_t first, const char *drop,
                                 tenantdb_error **error) {
  size_t more = tndb_relocate_count(job) - first;
  tndb_auto_buffer detail = TNDB_BUFFER_INIT;
  tenantdb_status status = TENANTDB_OK;
  if (*drop) {
    tndb_relocate_lock(work, job, drop, 2);
    status = tndb_relocate_locked(work, job, 2, error);
  }
  if (status) {
    return status;
  }
  tndb_relocate_detail(&detail, job);
  tndb_work_fail_if(work, detail.failed);
  tndb_relocate_limit(work, job, 2 * (more ? more : 1));
  tndb_relocate_send(work, job, first);
  const char *id = job->id;
  (void)tndb_view_send(work, done_sql, 1, &id);
  tndb_record what = {
      .tenant_id = TNDB_RELOCATE_NOBODY, .action = "relocate finish", .detail = tndb_buffer_text(&detail)};
  tndb_work_record(work, &what);
  return tndb_work_commit(work, error);
}

static tenantdb_status read_open(tndb_work *work, tndb_relocation *job, tenantdb_error **error) {
  bool open = false;
  /* Not the caller's: they are the relocation's, and those of an earlier attempt go with what it read. */
  job->settings.from = job->settings.to = NULL;
  tenantdb_status status = tndb_relocate_find(work, job, &open, error);
  if (!status && !open) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_NO_RELOCATION,
                       "there is no relocation by views to finish");
  }
  if (status) {
    return status;
  }
  job->settings.from = tndb_relocate_found(job, TNDB_FOUND_FROM);
  job->settings.to = tndb_relocate_found(job, TNDB_FOUND_TO);
  if (strcmp(tndb_relocate_found(job, TNDB_FOUND_STATE), "standing") != 0) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_RELOCATION_OPEN,
                       "the tables have not all moved from schema %s to %s: call tenantdb_relocate() again "
                       "first",
                       job->settings.from, job->settings.to);
  }
  PQclear(job->steps);
  job->steps = NULL;
  return tndb_relocate_steps(work, job, &job->steps, error);
}

static tenantdb_status finish(void *user, tenantdb_error **error) {
  tndb_relocation *job = user;
  tndb_work work;
  tndb_auto_buffer drop = TNDB_BUFFER_INIT;
  tndb_relocate_rewind(job, 0);
  tenantdb_status status = tndb_relocate_start(&work, job, error);
  if (!status) {
    status = read_open(&work, job, error);
  }
  if (!status) {
    status = check_uses(&work, job, error);
  }
  if (!status) {
    status = plan_drop(&work, job, &drop, error);
  }
  if (!status) {
    size_t first = tndb_relocate_count(job);
    plan_companions(job);
    status = job->apply ? tndb_relocate_judge(job, "the old names are still used", error) : TENANTDB_OK;
    if (!status && job->apply) {
      status = carry_out(&work, job, first, tndb_buffer_text(&drop), error);
    }
  }
  tndb_work_end(&work);
  return status;
}

tenantdb_status tndb_relocate_end(tndb_relocation *job, tenantdb_error **error) {
  return tndb_relocate_persist(job, &(tndb_relocate_attempt){.run = finish, .user = job}, error);
}

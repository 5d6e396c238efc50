/* SPDX-License-Identifier: PostgreSQL */
/*
 * Settling: making the text of a view's parts what its members' rows ask for.
 *
 * What cannot be in the view (a table or a column is missing, or of another type)
 * is left out with the reason, so that one tenant's drift is not everybody's
 * failure.
 */
#include "tenant/view_settle.h"

#include "base/memory.h"
#include "sql/identifier.h"
#include "tenant/view_batch.h"

static const char update_members_sql[] =
    "UPDATE %sview_members m SET part = nullif(u.part, -1), shown = nullif(u.shown, ''), left_out ="
    " nullif(u.why, ''), done = u.wish FROM unnest($2::uuid[], $3::integer[], $4::text[],"
    " $5::text[], $6::bigint[]) u (id, part, shown, why, wish) WHERE m.view_id = $1 AND m.tenant_id = u.id";
static const char delete_members_sql[] =
    "DELETE FROM %sview_members WHERE view_id = $1 AND tenant_id = ANY ($2::uuid[]) AND part IS NULL AND"
    " left_out IS NULL AND done = wish";
static const char update_parts_sql[] =
    "INSERT INTO %sview_parts AS p (view_id, number, members) SELECT $1::uuid, u.* FROM"
    " unnest($2::integer[], $3::integer[]) u ON CONFLICT (view_id, number) DO UPDATE SET"
    " members = excluded.members";
static const char update_view_sql[] = "UPDATE %sviews SET refreshed_at = now(), complete = $2 WHERE id = $1";
static const char spill_sql[] =
    "UPDATE %sview_members SET part = ($2::integer[])[1] WHERE view_id = $1 AND part = 0";

/* ---------------------------------------------------------------- the text */

static void send_buffer(tndb_batch *b, tndb_buffer *sql) {
  tndb_work_fail_if(&b->work, sql->failed);
  (void)tndb_work_send(&b->work, tndb_buffer_text(sql), 0, NULL);
  tndb_buffer_clear(sql);
}

static tenantdb_status queue_part(tndb_batch *b, const tndb_part *p, tenantdb_error **error) {
  size_t n_content = (size_t)PQntuples(b->content), n_members = (size_t)PQntuples(b->members), count = 0;
  tndb_auto_free tndb_branch *branches = tndb_alloc_array(n_content + n_members + 1, sizeof *branches);
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  if (!branches) {
    return tndb_no_memory(error);
  }
  for (int i = 0; i < (int)n_content; i++) {
    if (tndb_batch_content_part(b, i) == p->number) {
      branches[count++] = (tndb_branch){PQgetvalue(b->content, i, TNDB_CONTENT_TENANT),
                                        PQgetvalue(b->content, i, TNDB_CONTENT_SHOWN),
                                        PQgetvalue(b->content, i, TNDB_CONTENT_SCHEMA)};
    }
  }
  for (int i = 0; i < (int)n_members; i++) {
    if (b->target[i] == p->number) {
      branches[count++] = (tndb_branch){tndb_batch_member(b, i, TNDB_MEMBER_TENANT), tndb_batch_shown(b, i),
                                        tndb_batch_member(b, i, TNDB_MEMBER_SCHEMA)};
    }
  }
  tndb_view_part_sql(&sql, b->work.db, &b->view, p->number, branches, count);
  send_buffer(b, &sql);
  return TENANTDB_OK;
}

static tenantdb_status queue_top(tndb_batch *b, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_free int32_t *numbers = tndb_alloc_array(b->n_parts + 1, sizeof *numbers);
  if (!numbers) {
    return tndb_no_memory(error);
  }
  for (size_t i = 0; i < b->n_parts; i++) {
    numbers[i] = b->parts[i].number;
  }
  bool there = tndb_view_is_there(&b->view);
  tndb_view_top_sql(&sql, b->work.db, &b->view, numbers, b->n_parts, there);
  send_buffer(b, &sql);
  if (!there) {
    tndb_view_mark_sql(&sql, &b->view);
    send_buffer(b, &sql);
  }
  return TENANTDB_OK;
}

/* Made, with everything that belongs to it; what somebody dropped is not. */
static bool is_complete(const tndb_batch *b) {
  return tndb_view_is(&b->view, TNDB_VIEW_COMPLETE) && tndb_view_is_there(&b->view);
}

/* In the order in which readers lock: the view, which needs all its parts, then those that change. */
static tenantdb_status queue_text(tndb_batch *b, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tenantdb_status status = tndb_view_check_mark(&b->view, error);
  for (size_t i = 0; !status && i < b->n_parts; i++) {
    if (!b->parts[i].there) {
      tndb_view_part_sql(&sql, b->work.db, &b->view, b->parts[i].number, NULL, 0);
      send_buffer(b, &sql);
      b->new_parts = true;
    }
  }
  if (!status && (b->new_parts || (b->last && !is_complete(b)) || !tndb_view_is_there(&b->view))) {
    status = queue_top(b, error);
  }
  for (size_t i = 0; !status && i < b->n_parts; i++) {
    if (b->parts[i].dirty) {
      status = queue_part(b, &b->parts[i], error);
    }
  }
  return status;
}

/* ---------------------------------------------------------------- whose it is */

/* What default privileges may have given away of new relations: nobody but the owner has anything. */
static tenantdb_status close_new(tndb_batch *b, tenantdb_error **error) {
  static const char grantees_sql[] =
      "SELECT pg_catalog.format('REVOKE ALL ON %I.%I FROM ', n.nspname, c.relname) || CASE a.grantee WHEN 0"
      " THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END"
      " FROM unnest($1::text[], $2::text[]) w (schema_name, name)"
      " JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema_name"
      " JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name"
      " CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a WHERE a.grantee <> c.relowner GROUP BY 1";
  tndb_auto_text_array schemas = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_text_array names = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < b->n_parts; i++) {
    if (!b->parts[i].there) {
      tndb_buffer_clear(&name);
      tndb_view_part_name(&name, &b->view, b->parts[i].number);
      tndb_text_array_add(&schemas, tndb_config_text(b->work.db->config, TNDB_CATALOG_SCHEMA));
      tndb_text_array_add_buffer(&names, &name);
    }
  }
  if (!tndb_view_is_there(&b->view)) {
    tndb_text_array_add(&schemas, tndb_view_get(&b->view, TNDB_VIEW_SCHEMA));
    tndb_text_array_add(&names, tndb_view_get(&b->view, TNDB_VIEW_NAME));
  }
  if (names.count == 0) {
    return TENANTDB_OK;
  }
  const char *values[] = {tndb_text_array_finish(&schemas), tndb_text_array_finish(&names)};
  if (!values[0] || !values[1]) {
    return tndb_no_memory(error);
  }
  PGresult *rows;
  tenantdb_status status = tndb_work_query(&b->work, grantees_sql, 2, values, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    (void)tndb_work_send(&b->work, PQgetvalue(rows, i, 0), 0, NULL);
  }
  PQclear(rows);
  return status;
}

/* The reader comes in when everybody is there. */
static void queue_grants(tndb_batch *b) {
  tndb_auto_buffer usage = TNDB_BUFFER_INIT;
  tndb_auto_buffer select = TNDB_BUFFER_INIT;
  if (b->last && !is_complete(b) && !tndb_view_is_null(&b->view, TNDB_VIEW_READER)) {
    tndb_view_grant_sql(&usage, &select, &b->view);
    send_buffer(b, &usage);
    send_buffer(b, &select);
  }
}

/* ---------------------------------------------------------------- the rows */

typedef enum list { IDS, PLACES, SHOWN, WHY, WISHES, NUMBERS, COUNTS, SPILL, N_LISTS } list;

static void add_number(tndb_text_array *array, int32_t number) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_format(&text, "%d", (int)number);
  tndb_text_array_add_buffer(array, &text);
}

static void fill_lists(const tndb_batch *b, tndb_text_array lists[N_LISTS]) {
  for (int i = 0; i < PQntuples(b->members); i++) {
    int32_t target = b->target[i];
    if (target != TNDB_LATER) {
      tndb_text_array_add(&lists[IDS], tndb_batch_member(b, i, TNDB_MEMBER_TENANT));
      add_number(&lists[PLACES], target >= 0 ? target : -1);
      tndb_text_array_add(&lists[SHOWN], target >= 0 ? tndb_batch_shown(b, i) : "");
      tndb_text_array_add(&lists[WHY],
                          target == TNDB_LEFT_OUT ? tndb_batch_member(b, i, TNDB_MEMBER_PROBLEM) : "");
      tndb_text_array_add(&lists[WISHES], tndb_batch_member(b, i, TNDB_MEMBER_WISH));
    }
  }
  add_number(&lists[SPILL], b->spill);
  for (size_t i = 0; i < b->n_parts; i++) {
    if (b->parts[i].dirty) {
      add_number(&lists[NUMBERS], b->parts[i].number);
      add_number(&lists[COUNTS], b->parts[i].members);
    }
  }
}

/* Last, so that nobody who changes a member waits while readers are waited for. */
static tenantdb_status queue_rows(tndb_batch *b, tenantdb_error **error) {
  tndb_text_array lists[N_LISTS];
  const char *texts[N_LISTS];
  bool complete = true;
  const char *id = tndb_view_get(&b->view, TNDB_VIEW_ID);
  for (int i = 0; i < N_LISTS; i++) {
    lists[i] = (tndb_text_array)TNDB_TEXT_ARRAY_INIT;
  }
  fill_lists(b, lists);
  for (int i = 0; i < N_LISTS; i++) {
    texts[i] = tndb_text_array_finish(&lists[i]);
    complete = complete && texts[i];
  }
  if (complete) {
    const char *members[] = {id, texts[IDS], texts[PLACES], texts[SHOWN], texts[WHY], texts[WISHES]};
    const char *parts[] = {id, texts[NUMBERS], texts[COUNTS]};
    const char *spill[] = {id, texts[SPILL]};
    const char *view[] = {id, b->last || is_complete(b) ? "true" : "false"};
    if (b->spill) {
      (void)tndb_view_send(&b->work, spill_sql, 2, spill);
    }
    (void)tndb_view_send(&b->work, update_members_sql, 6, members);
    (void)tndb_view_send(&b->work, delete_members_sql, 2, members);
    (void)tndb_view_send(&b->work, update_parts_sql, 3, parts);
    (void)tndb_view_send(&b->work, update_view_sql, 2, view);
  }
  for (int i = 0; i < N_LISTS; i++) {
    tndb_text_array_free(&lists[i]);
  }
  return complete ? TENANTDB_OK : tndb_no_memory(error);
}

/* Who is left out is told of whenever he was looked at. */
static void tell_left_out(const tndb_batch *b) {
  for (int i = 0; i < PQntuples(b->members); i++) {
    if (b->target[i] == TNDB_LEFT_OUT) {
      tndb_auto_buffer text = TNDB_BUFFER_INIT;
      tndb_buffer_format(&text, "view %s leaves the tenant out: %s", tndb_view_get(&b->view, TNDB_VIEW_NAME),
                         tndb_batch_member(b, i, TNDB_MEMBER_PROBLEM));
      tndb_config_write_event(b->work.db->config,
                              &(tndb_event){.kind = TNDB_EVENT_VIEW_LEFT_OUT,
                                            .tenant = tndb_batch_member(b, i, TNDB_MEMBER_SLUG),
                                            .message = tndb_buffer_text(&text)});
    }
  }
}

static tenantdb_status settle_batch(tndb_batch *b, tenantdb_error **error) {
  tenantdb_status status = tndb_batch_read(b, error);
  if (status) {
    return status;
  }
  tndb_batch_place(b);
  if (PQntuples(b->members) == 0 && is_complete(b)) {
    return TENANTDB_OK; /* somebody else has done it */
  }
  status = tndb_batch_read_content(b, error);
  if (!status) {
    status = queue_text(b, error);
  }
  if (!status) {
    status = close_new(b, error);
  }
  if (status) {
    return status;
  }
  queue_grants(b);
  status = queue_rows(b, error);
  if (!status) {
    status = tndb_work_commit(&b->work, error);
  }
  if (!status) {
    tell_left_out(b);
  }
  return status;
}

tenantdb_status tndb_view_settle_batch(tenantdb *db, const char *name, int64_t patience_ms, bool *last,
                                       tenantdb_error **error) {
  tndb_batch b = {.last = false};
  *last = false;
  tenantdb_status status = tndb_view_start(&b.work, db, name, &b.view, error);
  if (!status && patience_ms > 0) {
    tndb_auto_buffer text = TNDB_BUFFER_INIT;
    tndb_buffer_format(&text, "SELECT pg_catalog.set_config('lock_timeout', '%lld', true)",
                       (long long)patience_ms);
    send_buffer(&b, &text);
  }
  if (!status) {
    status = settle_batch(&b, error);
  }
  if (!status) {
    *last = b.last;
  }
  tndb_batch_free(&b);
  return status;
}

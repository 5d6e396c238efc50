/* SPDX-License-Identifier: PostgreSQL */
/* What the server is asked for to settle a view. */
#include "tenant/view_batch.h"

#include <string.h>

#include "base/memory.h"
#include "catalog/text_array.h"

/* TNDB_BATCH_MEMBERS as it stands in SQL. */
#define BATCH_TEXT "1000"

/*
 * $1 the view's name; between the two the condition of its selector, with $2 …
 *
 * Who is looked at is few, whatever the server believes: OFFSET 0 makes it look
 * up each by an index, where it would rather read all tables of all tenants.
 */
static const char *const members_sql[2] = {
    "WITH v AS (SELECT * FROM %sviews WHERE name = $1), o AS MATERIALIZED (SELECT coalesce((SELECT c.relowner"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN v ON"
    " n.nspname = v.schema_name AND c.relname = v.name), (SELECT r.oid FROM pg_catalog.pg_roles r WHERE"
    " r.rolname = current_user)) AS oid)"
    " SELECT m.tenant_id, m.part, t.slug, t.schema_name, w.wanted, CASE WHEN w.wanted THEN CASE"
    " WHEN r.oid IS NULL THEN pg_catalog.format('schema %I has no table or view %I', t.schema_name,"
    " v.table_name)"
    " WHEN NOT (pg_catalog.has_schema_privilege(o.oid, r.ns, 'USAGE') AND"
    " pg_catalog.has_table_privilege(o.oid, r.oid, 'SELECT')) THEN pg_catalog.format('%I, who owns the view,"
    " may not read %I.%I', pg_catalog.pg_get_userbyid(o.oid), t.schema_name, v.table_name)"
    " ELSE (SELECT pg_catalog.string_agg(CASE WHEN a.attname IS NULL THEN pg_catalog.format('there is no"
    " column %I', c.name) ELSE pg_catalog.concat('column ', pg_catalog.quote_ident(c.name), ' is ',"
    " a.type, nullif(' collate ' || a.coll, ' collate '), ', not ', c.type, nullif(' collate ' ||"
    " c.coll, ' collate ')) END, '; ' ORDER BY c.at)"
    " FROM unnest(v.column_names, v.column_types, v.column_collations) WITH ORDINALITY"
    " c (name, type, coll, at) LEFT JOIN LATERAL (SELECT a.attname, y.oid, " TNDB_VIEW_TYPE_SQL
    " AS type, " TNDB_VIEW_COLLATION_SQL " AS coll FROM " TNDB_VIEW_COLUMN_TABLES_SQL
    " WHERE a.attrelid = r.oid AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped OFFSET 0) a ON"
    " true WHERE a.attname IS NULL OR a.coll <> c.coll OR a.type <> c.type AND NOT EXISTS (SELECT FROM"
    " pg_catalog.pg_cast k WHERE k.castsource = a.oid AND k.casttarget = pg_catalog.to_regtype(c.type) AND"
    " k.castcontext = 'i')) END END, m.wish"
    " FROM v CROSS JOIN o CROSS JOIN LATERAL (SELECT * FROM %sview_members m WHERE m.view_id = v.id AND"
    " m.done < m.wish ORDER BY m.part, m.tenant_id LIMIT " BATCH_TEXT
    ") m LEFT JOIN LATERAL (SELECT * FROM %stenants t WHERE t.id = m.tenant_id OFFSET 0) t ON true"
    " CROSS JOIN LATERAL (SELECT coalesce(" TNDB_VIEW_CHOSEN,
    ", false) AS wanted) w"
    " LEFT JOIN LATERAL (SELECT c.relnamespace AS ns, c.oid FROM pg_catalog.pg_class c WHERE c.relnamespace ="
    " (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = t.schema_name) AND c.relname ="
    " v.table_name AND c.relkind IN ('r', 'p', 'v', 'm', 'f') OFFSET 0) r ON w.wanted"
    " ORDER BY m.part, m.tenant_id"};
/* $2: the catalog's schema. */
static const char parts_sql[] =
    "SELECT p.number, p.members, EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON"
    " n.oid = c.relnamespace WHERE n.nspname = $2 AND c.relname = 'view_' ||"
    " pg_catalog.replace(p.view_id::text, '-', '') || '_' || p.number) FROM %sview_parts p"
    " JOIN %sviews v ON v.id = p.view_id WHERE v.name = $1 ORDER BY p.number";
/* What stays in parts that change: $2 their numbers, $3 whose rows were read above. */
static const char content_sql[] =
    "SELECT m.part, m.tenant_id, m.shown, t.schema_name FROM %sview_members m JOIN %stenants t ON t.id ="
    " m.tenant_id WHERE m.view_id = $1 AND m.part = ANY ($2::integer[]) AND m.tenant_id <> ALL ($3::uuid[])"
    " ORDER BY m.part, m.tenant_id";
const char *tndb_batch_member(const tndb_batch *b, int row, int what) {
  return PQgetvalue(b->members, row, what);
}

const char *tndb_batch_shown(const tndb_batch *b, int row) {
  bool by_slug = tndb_view_get(&b->view, TNDB_VIEW_SHOWS)[0] == 's';
  return tndb_batch_member(b, row, by_slug ? TNDB_MEMBER_SLUG : TNDB_MEMBER_TENANT);
}

static int32_t number_of(const char *text) {
  int64_t number = 0;
  (void)tndb_number_parse(text, &number);
  return (int32_t)number;
}

int32_t tndb_batch_content_part(const tndb_batch *b, int row) {
  int32_t number = number_of(PQgetvalue(b->content, row, TNDB_CONTENT_PART));
  return number == 0 ? b->spill : number;
}

void tndb_batch_free(tndb_batch *b) {
  tndb_work_end(&b->work);
  tndb_view_free(&b->view);
  PQclear(b->members);
  PQclear(b->content);
  tndb_free(b->target);
  tndb_free(b->parts);
}

tenantdb_status tndb_batch_read(tndb_batch *b, tenantdb_error **error) {
  const char *values[] = {tndb_view_get(&b->view, TNDB_VIEW_NAME),
                          tndb_config_text(b->work.db->config, TNDB_CATALOG_SCHEMA)};
  size_t members = TNDB_NONE;
  /* For the same reason it would compile what is run once. */
  (void)tndb_work_send(&b->work, "SELECT pg_catalog.set_config('jit', 'off', true)", 0, NULL);
  tenantdb_status status = tndb_view_send_selected(
      &b->work, members_sql, values[0], tndb_view_get(&b->view, TNDB_VIEW_SELECTOR), &members, error);
  if (status) {
    return status;
  }
  size_t parts = tndb_view_send(&b->work, parts_sql, 2, values);
  status = tndb_work_sync(&b->work, error);
  if (status) {
    return status;
  }
  b->members = tndb_exchange_take(b->work.conn, members);
  const PGresult *rows = tndb_exchange_result(b->work.conn, parts);
  b->n_parts = (size_t)PQntuples(rows);
  b->parts = tndb_alloc_array(b->n_parts + TNDB_BATCH_PARTS + 1, sizeof *b->parts);
  b->target = tndb_alloc_array((size_t)PQntuples(b->members) + 1, sizeof *b->target);
  if (!b->parts || !b->target) {
    return tndb_no_memory(error);
  }
  for (size_t i = 0; i < b->n_parts; i++) {
    b->parts[i] = (tndb_part){.number = number_of(PQgetvalue(rows, (int)i, 0)),
                              .members = number_of(PQgetvalue(rows, (int)i, 1)),
                              .there = PQgetvalue(rows, (int)i, 2)[0] == 't'};
  }
  return TENANTDB_OK;
}

tenantdb_status tndb_batch_read_content(tndb_batch *b, tenantdb_error **error) {
  tndb_auto_text_array numbers = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_text_array ids = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_buffer number = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < b->n_parts; i++) {
    if (b->parts[i].dirty) {
      tndb_buffer_clear(&number);
      tndb_buffer_format(&number, "%d", (int)b->parts[i].number);
      tndb_text_array_add_buffer(&numbers, &number);
    }
  }
  for (int i = 0; i < PQntuples(b->members); i++) {
    if (b->target[i] != TNDB_LATER) {
      tndb_text_array_add(&ids, tndb_batch_member(b, i, TNDB_MEMBER_TENANT));
    }
  }
  const char *values[] = {tndb_view_get(&b->view, TNDB_VIEW_ID), tndb_text_array_finish(&numbers),
                          tndb_text_array_finish(&ids)};
  if (!values[1] || !values[2]) {
    return tndb_no_memory(error);
  }
  return tndb_view_query(&b->work, content_sql, 3, values, &b->content, error);
}

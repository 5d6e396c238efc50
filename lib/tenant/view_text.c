/* SPDX-License-Identifier: PostgreSQL */
/* The SQL of views over tenants: text alone, nothing is asked or sent here. */
#include "sql/identifier.h"
#include "tenant/view.h"

void tndb_view_part_name(tndb_buffer *name, const tndb_view *view, int32_t number) {
  tndb_buffer_append(name, "view_");
  for (const char *at = tndb_view_get(view, TNDB_VIEW_ID); *at; at++) {
    if (*at != '-') {
      tndb_buffer_append_char(name, *at);
    }
  }
  tndb_buffer_format(name, "_%d", (int)number);
}

void tndb_view_part_quote(tndb_buffer *sql, const tenantdb *db, const tndb_view *view, int32_t number) {
  tndb_buffer_append(sql, db->catalog);
  tndb_view_part_name(sql, view, number); /* a plain name: no quotes are needed */
}

void tndb_view_quote(tndb_buffer *sql, const tndb_view *view) {
  tndb_quote_identifier(sql, tndb_view_get(view, TNDB_VIEW_SCHEMA));
  tndb_buffer_append_char(sql, '.');
  tndb_quote_identifier(sql, tndb_view_get(view, TNDB_VIEW_NAME));
}

/* ---------------------------------------------------------------- parts */

/* A value in the form that the view gives it: of its type, with its collation. */
static void append_form(tndb_buffer *sql, const tndb_view *view, int column) {
  const char *collation = PQgetvalue(view->columns, column, TNDB_VIEW_COLUMN_COLLATION);
  tndb_buffer_append(sql, "::");
  tndb_buffer_append(sql, PQgetvalue(view->columns, column, TNDB_VIEW_COLUMN_TYPE));
  if (*collation) {
    tndb_buffer_append(sql, " COLLATE ");
    tndb_buffer_append(sql, collation);
  }
}

static void append_branch(tndb_buffer *sql, const tndb_view *view, const tndb_branch *branch) {
  tndb_buffer_append(sql, "SELECT ");
  tndb_quote_literal(sql, branch->id);
  tndb_buffer_append(sql, "::text, ");
  tndb_quote_literal(sql, branch->shown);
  tndb_buffer_append(sql, "::text");
  for (int i = 0; i < PQntuples(view->columns); i++) {
    tndb_buffer_append(sql, ", ");
    tndb_quote_identifier(sql, PQgetvalue(view->columns, i, TNDB_VIEW_COLUMN_NAME));
    append_form(sql, view, i);
  }
  tndb_buffer_append(sql, " FROM ");
  tndb_quote_identifier(sql, branch->schema);
  tndb_buffer_append_char(sql, '.');
  tndb_quote_identifier(sql, tndb_view_get(view, TNDB_VIEW_TABLE));
}

static void append_nothing(tndb_buffer *sql, const tndb_view *view) {
  tndb_buffer_append(sql, "SELECT NULL::text, NULL::text");
  for (int i = 0; i < PQntuples(view->columns); i++) {
    tndb_buffer_append(sql, ", NULL");
    append_form(sql, view, i);
  }
  tndb_buffer_append(sql, " WHERE false");
}

/* Columns are numbered, so that no name of the application's can be in the way. */
void tndb_view_part_sql(tndb_buffer *sql, const tenantdb *db, const tndb_view *view, int32_t number,
                        const tndb_branch *branches, size_t count) {
  tndb_buffer_append(sql, "CREATE OR REPLACE VIEW ");
  tndb_view_part_quote(sql, db, view, number);
  tndb_buffer_append(sql, " (c0, c1");
  for (int i = 0; i < PQntuples(view->columns); i++) {
    tndb_buffer_format(sql, ", c%d", i + 2);
  }
  tndb_buffer_append(sql, ") AS\n");
  if (count == 0) {
    append_nothing(sql, view);
  }
  for (size_t i = 0; i < count; i++) {
    tndb_buffer_append(sql, i ? "\nUNION ALL " : "");
    append_branch(sql, view, &branches[i]);
  }
}

/* ---------------------------------------------------------------- the view itself */

static void append_gate(tndb_buffer *sql, const tenantdb *db, const tndb_view *view) {
  bool by_slug = tndb_view_get(view, TNDB_VIEW_SHOWS)[0] == 's';
  tndb_buffer_format(sql,
                     "WHERE (SELECT pg_catalog.jsonb_object_agg(m.tenant_id, true)"
                     " FROM %sview_members m JOIN %stenants t ON t.id = m.tenant_id"
                     " WHERE m.view_id = '%s' AND m.part IS NOT NULL AND t.state = 'active'%s)"
                     " OPERATOR(pg_catalog.?) u.c0",
                     db->catalog, db->catalog, tndb_view_get(view, TNDB_VIEW_ID),
                     by_slug ? " AND m.shown = t.slug" : "");
}

void tndb_view_top_sql(tndb_buffer *sql, const tenantdb *db, const tndb_view *view, const int32_t *parts,
                       size_t count, bool replace) {
  int columns = PQntuples(view->columns);
  tndb_buffer_append(sql, replace ? "CREATE OR REPLACE VIEW " : "CREATE VIEW ");
  tndb_view_quote(sql, view);
  tndb_buffer_append(sql, " (");
  tndb_quote_identifier(sql, tndb_view_get(view, TNDB_VIEW_TENANT_COLUMN));
  for (int i = 0; i < columns; i++) {
    tndb_buffer_append(sql, ", ");
    tndb_quote_identifier(sql, PQgetvalue(view->columns, i, TNDB_VIEW_COLUMN_NAME));
  }
  tndb_buffer_append(sql, tndb_view_is(view, TNDB_VIEW_BARRIER) ? ") WITH (security_barrier) AS\nSELECT u.c1"
                                                                : ") AS\nSELECT u.c1");
  for (int i = 0; i < columns; i++) {
    tndb_buffer_format(sql, ", u.c%d", i + 2);
  }
  tndb_buffer_append(sql, "\nFROM (");
  for (size_t i = 0; i < count; i++) {
    tndb_buffer_append(sql, i ? "\n  UNION ALL SELECT * FROM " : "SELECT * FROM ");
    tndb_view_part_quote(sql, db, view, parts[i]);
  }
  tndb_buffer_append(sql, ") u\n");
  append_gate(sql, db, view);
}

void tndb_view_mark_text(tndb_buffer *text, const char *id) {
  tndb_buffer_append(text, "libtenantdb view ");
  tndb_buffer_append(text, id);
}

void tndb_view_mark_sql(tndb_buffer *sql, const tndb_view *view) {
  tndb_buffer_append(sql, "COMMENT ON VIEW ");
  tndb_view_quote(sql, view);
  tndb_buffer_append(sql, " IS '");
  tndb_view_mark_text(sql, tndb_view_get(view, TNDB_VIEW_ID));
  tndb_buffer_append_char(sql, '\'');
}

void tndb_view_grant_sql(tndb_buffer *usage, tndb_buffer *select, const tndb_view *view) {
  tndb_buffer_append(usage, "GRANT USAGE ON SCHEMA ");
  tndb_quote_identifier(usage, tndb_view_get(view, TNDB_VIEW_SCHEMA));
  tndb_buffer_append(usage, " TO ");
  tndb_quote_identifier(usage, tndb_view_get(view, TNDB_VIEW_READER));
  tndb_buffer_append(select, "GRANT SELECT ON ");
  tndb_view_quote(select, view);
  tndb_buffer_append(select, " TO ");
  tndb_quote_identifier(select, tndb_view_get(view, TNDB_VIEW_READER));
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Views over tenants.
 *
 * A view is three layers of text:
 *
 *   reports.name      SELECT … FROM (SELECT * FROM part 0 UNION ALL …) u WHERE <the gate>
 *   catalog.view_…_0  up to a hundred tenants (view_batch.h):
 *                     SELECT 'id', 'slug', "a"::text, … FROM "schema"."table" UNION ALL …
 *   the tenants' tables
 *
 * The gate is one look into the catalog: the ids of the view's members who are
 * active and still have the slug that the text calls them. The server does it
 * once a query, and a tenant who is not among them is not even begun to be read.
 * So suspending and resuming need no change of any text, wait for no report,
 * and hold for everybody in the very moment they are committed; no call that
 * changes a state can forget the views. The gate stands above the union, where
 * it costs nothing that the planner could have done: branches of a plain UNION
 * ALL are still scanned in parallel, in order, and left out by tenant.
 *
 * What does change text is a tenant that is new, renamed or purged. Whoever does
 * that marks him as unsettled in the same transaction (tndb_views_mark), at the
 * price of a row, and settles the views afterwards. Settling is idempotent, is
 * taken up by reconcile, and replaces only the parts that need it, so its cost
 * does not grow with the tenants. The text is changed under an advisory lock of
 * the view's name; rows are changed last, so that nobody who marks a member waits
 * while readers are waited for.
 *
 * Locks: CREATE OR REPLACE VIEW waits for readers. A reader locks the view, then
 * its parts in their order, then tables; so settling replaces in that order.
 */
#ifndef TNDB_TENANT_VIEW_H
#define TNDB_TENANT_VIEW_H

#include <tenantdb/view.h>

#include "catalog/work.h"

/* States of tenants that are in the text; the gate lets the active ones through. */
#define TNDB_VIEW_LIVING "('active', 'suspended', 'archived')"
/* Of a view v and a tenant t: whether he is chosen, as far as the list goes; behind it the selector. */
#define TNDB_VIEW_CHOSEN \
  "t.state IN " TNDB_VIEW_LIVING " AND (v.tenants IS NULL OR t.id = ANY (v.tenants)) AND "

/* ---------------------------------------------------------------- a view as the catalog has it */

typedef struct tndb_view {
  PGresult *row;
  PGresult *columns;
} tndb_view;

enum {
  TNDB_VIEW_ID,
  TNDB_VIEW_NAME,
  TNDB_VIEW_SCHEMA,
  TNDB_VIEW_BASE,
  TNDB_VIEW_TABLE,
  TNDB_VIEW_TENANT_COLUMN,
  TNDB_VIEW_SHOWS,
  TNDB_VIEW_SELECTOR,
  TNDB_VIEW_READER,
  TNDB_VIEW_BARRIER,
  TNDB_VIEW_COMPLETE,
  TNDB_VIEW_COMMENT /* of the relation that has its name: NULL when there is none */
};
/* Of `columns`. */
enum { TNDB_VIEW_COLUMN_NAME, TNDB_VIEW_COLUMN_TYPE, TNDB_VIEW_COLUMN_COLLATION };

const char *tndb_view_get(const tndb_view *view, int what);
bool tndb_view_is(const tndb_view *view, int what); /* a boolean */
bool tndb_view_is_null(const tndb_view *view, int what);
/* Whether the relation of the view's name is there, and carries our mark. */
bool tndb_view_is_there(const tndb_view *view);
tenantdb_status tndb_view_check_mark(const tndb_view *view, tenantdb_error **error);
/* Begin work on a view: its lock is taken, and it is read; UNKNOWN_VIEW. Free and end in every case. */
tenantdb_status tndb_view_start(tndb_work *work, tenantdb *db, const char *name, tndb_view *view,
                                tenantdb_error **error);
/* For who only looks: a transaction with no lock that others take. */
tenantdb_status tndb_view_look(tndb_work *work, tenantdb *db, tenantdb_error **error);
/* Read a view inside of one. tndb_view_free() in both outcomes. */
tenantdb_status tndb_view_read(tndb_work *work, const char *name, tndb_view *view, tenantdb_error **error);
void tndb_view_free(tndb_view *view);
/* Queue a statement of the catalog's, in whose text every %s stands for the catalog. */
size_t tndb_view_send(tndb_work *work, const char *pattern, int32_t count, const char *const *values);
tenantdb_status tndb_view_query(tndb_work *work, const char *pattern, int32_t count,
                                const char *const *values, PGresult **rows, tenantdb_error **error);
/* The same with a selector's condition between head and tail; $1 is `first`, the selector's values follow. */
tenantdb_status tndb_view_send_selected(tndb_work *work, const char *const pattern[2], const char *first,
                                        const char *selector, size_t *place, tenantdb_error **error);
/* Run a change that does not matter if it is done twice, again when its connection was lost. */
typedef tenantdb_status (*tndb_view_step)(void *user, tenantdb_error **error);
tenantdb_status tndb_view_persist(tndb_view_step step, void *user, tenantdb_error **error);

/* Queue making every tenant that is chosen and there a member; `selector` is "" for none. */
tenantdb_status tndb_view_send_members(tndb_work *work, const char *view_id, const char *selector,
                                       tenantdb_error **error);
/* Queue the record of an operation on a view. */
void tndb_view_record(tndb_work *work, const char *view_id, const char *name, const char *action);
tenantdb_status tndb_view_drop(tenantdb *db, const char *name, tenantdb_error **error);

/* ---------------------------------------------------------------- its text */

/* One tenant of a part. */
typedef struct tndb_branch {
  const char *id;
  const char *shown;
  const char *schema;
} tndb_branch;

/* The name of a part, quoted, with its schema; and bare. */
void tndb_view_part_quote(tndb_buffer *sql, const tenantdb *db, const tndb_view *view, int32_t number);
void tndb_view_part_name(tndb_buffer *name, const tndb_view *view, int32_t number);
void tndb_view_quote(tndb_buffer *sql, const tndb_view *view);
/* CREATE VIEW of a part; without branches it is empty, and says which columns there are. */
void tndb_view_part_sql(tndb_buffer *sql, const tenantdb *db, const tndb_view *view, int32_t number,
                        const tndb_branch *branches, size_t count);
void tndb_view_top_sql(tndb_buffer *sql, const tenantdb *db, const tndb_view *view, const int32_t *parts,
                       size_t count, bool replace);
/* The mark by which it is known as ours. */
void tndb_view_mark_text(tndb_buffer *text, const char *id);
void tndb_view_mark_sql(tndb_buffer *sql, const tndb_view *view);
void tndb_view_grant_sql(tndb_buffer *usage, tndb_buffer *select, const tndb_view *view);

/* ---------------------------------------------------------------- columns */

/* What one needs to know of a column of alias a, whose type is y, its base b, in the schema r.ns. */
#define TNDB_VIEW_TYPE_SQL                                                                  \
  "CASE WHEN y.typnamespace <> r.ns THEN pg_catalog.format_type(y.oid, -1)"                 \
  " WHEN y.typtype = 'd' AND b.typnamespace <> r.ns THEN pg_catalog.format_type(b.oid, -1)" \
  " WHEN y.typcategory = 'A' THEN 'text[]' ELSE 'text' END"
#define TNDB_VIEW_COLLATION_SQL                                                               \
  "CASE WHEN y.typnamespace = r.ns OR a.attcollation IN (0, y.typcollation) THEN '' ELSE"     \
  " (SELECT pg_catalog.format('%I.%I', o.nspname, k.collname) FROM pg_catalog.pg_collation k" \
  " JOIN pg_catalog.pg_namespace o ON o.oid = k.collnamespace WHERE k.oid = a.attcollation) END"
#define TNDB_VIEW_COLUMN_TABLES_SQL                                           \
  "pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid" \
  " LEFT JOIN pg_catalog.pg_type b ON b.oid = y.typbasetype"

/* The columns a view is to have, as arrays in PostgreSQL's text form. */
typedef struct tndb_view_columns {
  char *names;
  char *types;
  char *collations;
} tndb_view_columns;

/* Which of them are wanted; none: all. */
typedef struct tndb_view_wanted {
  const char *const *names;
  size_t count;
  const char *tenant_column; /* which no other may be called */
} tndb_view_wanted;

/*
 * Ask the server, which makes the tenant bases in a scratch schema and forgets
 * it again, what columns a table has. tndb_view_columns_free() in both outcomes.
 */
tenantdb_status tndb_view_columns_read(tndb_work *work, const char *table, const tndb_view_wanted *wanted,
                                       tndb_view_columns *columns, tenantdb_error **error);
void tndb_view_columns_free(tndb_view_columns *columns);

/* ---------------------------------------------------------------- settling */

/*
 * Queue marking a tenant as one that views have to see to. Returns the place;
 * its rows are the names of the views.
 */
size_t tndb_views_mark(tndb_work *work, const char *tenant);
/* Those rows, after the commit; NULL when nobody knows them. Before tndb_work_end(). */
PGresult *tndb_views_marked(tndb_work *work, size_t place);
/*
 * Settle the views that a tenant was marked for; `marked` is taken, NULL asks
 * the catalog. He is there whatever becomes of it: what could not be done leaves
 * views stale, and says so as an event. Waits for readers a second at the most.
 */
void tndb_views_follow(tenantdb *db, PGresult *marked, const char *tenant);
/* Have a tenant who is deleting out of all views' texts, so that nothing of them goes with his tables. */
tenantdb_status tndb_views_leave(tenantdb *db, const char *tenant, tenantdb_error **error);
/* Settle everything of one view; with the patience of operation.lock_timeout. */
tenantdb_status tndb_view_settle(tenantdb *db, const char *name, tenantdb_error **error);
/* The names of all views, and of those that are stale. */
tenantdb_status tndb_views_all(tenantdb *db, PGresult **names, tenantdb_error **error);
tenantdb_status tndb_views_stale(tenantdb *db, PGresult **names, tenantdb_error **error);

#endif

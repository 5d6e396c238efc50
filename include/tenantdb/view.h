/* SPDX-License-Identifier: PostgreSQL */
/*
 * Views over tenants: one table of many tenants as one view, for reports.
 *
 *   tenantdb_view_options_set(options, "reader", "reporting");
 *   tenantdb_view_create(db, "all_requests", "nmt_requests", options, &error);
 *
 * makes tenantdb_reports.all_requests, with a column that names the tenant before
 * the table's own. The role "reporting" may read it, and nobody else but its
 * owner, the connected user; tenants' roles may not. The view reads the tenants'
 * tables with its owner's rights, so the reader needs none on them.
 *
 * It shows active tenants. One that is suspended, archived or removed is out of it
 * for every statement that begins after that change was committed, and back in
 * it when he is active again: the view looks into the catalog by itself. What
 * changes the view's text is a tenant that is new, renamed or purged, and that is
 * done by the call that does it; doc/guide/views.md tells what readers notice.
 */
#ifndef TENANTDB_VIEW_H
#define TENANTDB_VIEW_H

#include <tenantdb/api.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a view is to be, beside its name and its table. */
typedef struct tenantdb_view_options tenantdb_view_options;

/**
 * tenantdb_view_options_new() - options at their defaults: all tenants, all columns, no reader
 *
 * Returns NULL when memory ran out.
 *
 * Ownership: yours, tenantdb_view_options_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_view_options *tenantdb_view_options_new(void);

/**
 * tenantdb_view_options_set() - set one option
 * @options: options; NULL is allowed
 * @key:     one of: schema (where the view is made, and which is made when it is missing; default
 *           tenantdb_reports), reader (the role that may read the view, which must be there; default
 *           none), tenants (slugs or ids separated by commas: only these; default all), selector
 *           (conditions that all have to hold, as for tenantdb_fleet_query(); with tenants: both), columns
 *           (names separated by commas; default all that are declared), tenant_column (the name of the
 *           column that names the tenant; default tenant), tenant_shows (what is in it: slug or id;
 *           default slug), security_barrier (on or off; default off; see doc/guide/views.md)
 * @value:   its value; NULL puts the default back
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_view_options_set(tenantdb_view_options *options, const char *key, const char *value);

/**
 * tenantdb_view_options_tenant() - add one tenant to the list of option tenants
 * @options: options; NULL is allowed
 * @tenant:  slug or id, NUL-terminated UTF-8
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_view_options_tenant(tenantdb_view_options *options, const char *tenant);

/**
 * tenantdb_view_options_column() - add one column to the list of option columns
 * @options: options; NULL is allowed
 * @column:  its name, which may hold a comma here
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_view_options_column(tenantdb_view_options *options, const char *column);

/**
 * tenantdb_view_options_free() - release options
 * @options: options, or NULL
 *
 * Ownership: takes @options.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_view_options_free(tenantdb_view_options *options);

/**
 * tenantdb_view_create() - make a view over a table of many tenants, and keep it up to date
 * @db:      a database
 * @name:    the view's name, unique among these views; up to 63 bytes
 * @table:   a table or view of a tenant base: "table", or "base.table"
 * @options: NULL for the defaults
 * @error:   as everywhere
 *
 * The reader gets his rights when all tenants are in it. When the call fails there
 * is no view; only if its clean-up fails too, or the process dies, something is
 * left, which tenantdb_view_list() shows as stale, tenantdb_reconcile() and
 * tenantdb_view_refresh() complete, and tenantdb_view_drop() drops.
 *
 * A column is given the type that the registry declares, without its length; a type
 * of the tenant's own schema (an enumeration, say) becomes text. A tenant whose
 * table or columns are missing or of another type is left out, and
 * tenantdb_view_list() tells why.
 *
 * Ownership: @options stays yours.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, ALREADY_EXISTS, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, CONSTRAINT, UNSUPPORTED, SQL, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_view_create(tenantdb *db, const char *name, const char *table, const tenantdb_view_options *options, tenantdb_error **error);

/**
 * tenantdb_view_refresh() - make a view anew of what there is now
 * @db:    a database
 * @name:  a view; NULL for all of them
 * @error: as everywhere
 *
 * Not needed for tenants that come and go. It takes up what changed in the
 * registry (columns, types), tenants that had been left out and properties that a
 * selector asks for, and mends what somebody dropped. Waits for whoever reads the
 * view, up to option operation.lock_timeout. With NULL, a view that fails does
 * not keep the others from being refreshed; the first failure is returned.
 *
 * Ownership: nothing is handed over.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, ALREADY_EXISTS, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_view_refresh(tenantdb *db, const char *name, tenantdb_error **error);

/**
 * tenantdb_view_drop() - drop a view
 * @db:    a database
 * @name:  a view
 * @error: as everywhere
 *
 * Its schema stays. Fails while something else depends on the view.
 *
 * Ownership: nothing is handed over.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_view_drop(tenantdb *db, const char *name, tenantdb_error **error);

/**
 * tenantdb_view_list() - the views over tenants, ordered by name
 * @db:     a database
 * @result: receives a table: name, schema, table, reader, tenants (how many it shows now), stale (t or f:
 *          a tenant that came or was renamed is not in it yet), left_out (a JSON array of objects with
 *          tenant and why; SQL NULL when nobody is), chosen (all, list or selector), selector,
 *          refreshed_at
 * @error:  as everywhere
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, CONNECTION, TIMEOUT, BUSY, STATE, UNSUPPORTED, PERMISSION, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_view_list(tenantdb *db, tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_view_ddl() - the SQL that makes a view as it is now
 * @db:    a database
 * @name:  a view
 * @sql:   receives the statements, each ended by ";" and a line break
 * @error: as everywhere
 *
 * Ownership: *sql is yours, tenantdb_string_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, CONNECTION, TIMEOUT, BUSY, STATE, UNSUPPORTED, PERMISSION, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_view_ddl(tenantdb *db, const char *name, char **sql, tenantdb_error **error);

#ifdef __cplusplus
}
#endif

#endif

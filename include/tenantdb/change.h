/* SPDX-License-Identifier: PostgreSQL */
/*
 * Changes of tables without pain: expand, backfill, contract.
 *
 *   tenantdb_change *change = tenantdb_change_new("add_column");
 *   tenantdb_change_set(change, "table", "contents");
 *   tenantdb_change_set(change, "column", "slug");
 *   tenantdb_change_set(change, "type", "text");
 *   tenantdb_change_set(change, "backfill", "lower(title)");
 *   tenantdb_change_set(change, "not_null", "yes");
 *   tenantdb_migration_add_change(set, "tenant", 7, "slugs", change);
 *   tenantdb_change_free(change);
 *
 * The same in the file of a migration whose head says "-- tenantdb:tx none":
 *
 *   -- tenantdb:change add_column table=contents column=slug type=text backfill="lower(title)" not_null=yes
 *
 * A change is carried out in steps of which none holds a lock against reading or
 * writing for longer than a moment. Where the releases of an application before and
 * after it need different things of a table, there are two changes: one that
 * gives both what they need, and its finish_ half, for a later migration, that takes
 * away what the older release needed. Sessions of the newer release demand the
 * first one's version (min_version), so that both run side by side.
 *
 * doc/guide/changes.md tells what each kind does, its locks and its limits.
 */
#ifndef TENANTDB_CHANGE_H
#define TENANTDB_CHANGE_H

#include <tenantdb/api.h>
#include <tenantdb/error.h>
#include <tenantdb/migration.h>
#include <tenantdb/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A change of a table, as it is wanted. */
typedef struct tenantdb_change tenantdb_change;

/**
 * tenantdb_change_new() - a change of some kind
 * @kind: one of: add_column, finish_add_column, set_not_null, finish_set_not_null, set_default,
 *        drop_default, retire_column, drop_column, change_type, finish_change_type, rename_column,
 *        finish_rename_column, rename_table, finish_rename_table, add_index, drop_index, add_unique,
 *        add_check, add_foreign_key
 *
 * Returns NULL when memory ran out. A kind that is not known is a mistake that is kept.
 *
 * Ownership: yours, tenantdb_change_free().
 * Thread:    any.
 * Status:    none; a mistake is kept and reported by whoever uses the change.
 * Since:     0.1
 */
TENANTDB_API tenantdb_change *tenantdb_change_new(const char *kind);

/**
 * tenantdb_change_set() - say one thing about a change
 * @change: a change; NULL is allowed
 * @key:    table and column (which; names are taken literally), type (of a column, as PostgreSQL
 *          writes it), default (an expression), backfill (an expression over the row: what
 *          rows that are there get), not_null (yes or no), batch (rows at a time, 1 to 1000000; default
 *          5000), using (change_type, rename_column: an expression that makes the new value of the old
 *          one), back (an expression that makes the old value of the new one), to (the new name),
 *          name (of an index or a constraint), columns (a list), method, where, include, with (of an
 *          index), unique (yes or no), check (a condition), references (a table of the same schema, or
 *          a marker such as {plans}), ref_columns (a list), on_delete and on_update (no action,
 *          restrict, cascade, set null or set default), deferrable (no, immediate or deferred), indexes
 *          (change_type, rename_column: the column's indexes, as "NAME (COLUMNS); unique NAME USING
 *          METHOD (COLUMNS)"), leave (change_type, rename_column: what else uses the column and is the
 *          author's own business, a list of names); which of them a kind knows tells
 *          doc/guide/changes.md
 * @value:  one line; NULL takes it back
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by whoever uses the change.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_change_set(tenantdb_change *change, const char *key, const char *value);

/**
 * tenantdb_change_sql() - the steps of a change, to be read and reviewed
 * @change: a change
 * @steps:  receives a table: step (from 1), tx (its transaction, from 1: what has the same number is done
 *          at once), way (inside, outside: no transaction, or repeat: in batches until nothing is
 *          left), sql ({schema} stands for the schema), locks, why
 * @error:  as everywhere
 *
 * No server is asked: the steps are the same everywhere. A missing or contradictory key is
 * reported here.
 *
 * Ownership: *steps is yours, tenantdb_result_free().
 * Thread:    one at a time; it may move between threads.
 * Status:    MEMORY, ARGUMENT, MIGRATION.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_change_sql(const tenantdb_change *change, tenantdb_result **steps, tenantdb_error **error);

/**
 * tenantdb_change_line() - a change as the line of a migration's file
 * @change: a change
 * @line:   receives "-- tenantdb:change ..." without a line end
 * @error:  as everywhere
 *
 * Ownership: *line is yours, tenantdb_string_free().
 * Thread:    one at a time; it may move between threads.
 * Status:    MEMORY, ARGUMENT, MIGRATION.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_change_line(const tenantdb_change *change, char **line, tenantdb_error **error);

/**
 * tenantdb_migration_add_change() - add a change as a migration of its own
 * @set:     a set
 * @stream:  "shared" or "tenant"
 * @version: 1 or more, at most 18 digits
 * @title:   what it does, for people; NULL for none
 * @change:  a change
 *
 * As tenantdb_migration_add() with a text of two lines: "-- tenantdb:tx none" and what
 * tenantdb_change_line() gives. A file of that text has the same sum.
 *
 * Ownership: everything stays yours.
 * Thread:    one at a time, until the set is used.
 * Status:    none; a mistake is kept and reported by every call that uses the set.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_migration_add_change(tenantdb_migrations *set, const char *stream, int64_t version, const char *title, const tenantdb_change *change);

/**
 * tenantdb_change_free() - release a change
 * @change: a change, or NULL
 *
 * Ownership: takes @change.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_change_free(tenantdb_change *change);

#ifdef __cplusplus
}
#endif

#endif

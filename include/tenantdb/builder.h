/* SPDX-License-Identifier: PostgreSQL */
/*
 * Builders: statements made from what the registry declares.
 *
 *   tenantdb_builder *b = tenantdb_builder_select(registry, "contents");
 *   tenantdb_builder_column(b, "title");
 *   tenantdb_builder_where(b, "category", "=");
 *   tenantdb_builder_order(b, "created_at", "desc");
 *   tenantdb_builder_limit(b);
 *   status = tenantdb_builder_finish(b, &statement, &error);
 *   tenantdb_builder_free(b);
 *
 * What comes of it is a tenantdb_statement like any other: it is rendered and run
 * for any tenant. Names are looked up in the registry, values are parameters
 * always, and no piece of SQL is taken from the caller.
 *
 * No line needs a check: a builder keeps its first mistake with its place, further
 * calls do nothing, and tenantdb_builder_finish() reports it. Every call accepts
 * NULL for its builder.
 *
 * Parameters are numbered in the order of the calls that take one. An insert or
 * upsert numbers its columns in that order, row after row: of 3 columns the second
 * row's are $4, $5 and $6. tenantdb_builder_key() takes one for each column of the
 * key, tenantdb_builder_after() one for each column of the order.
 * tenantdb_statement_parameters() tells which number is what.
 *
 * Columns are named as they are declared, exactly. A table whose columns are not
 * all declared (LIKE, INHERITS, PARTITION OF, ALTER TABLE, views) may be asked for
 * others: they are quoted, and the server says whether they are there.
 */
#ifndef TENANTDB_BUILDER_H
#define TENANTDB_BUILDER_H

#include <tenantdb/api.h>
#include <tenantdb/error.h>
#include <tenantdb/registry.h>
#include <tenantdb/result.h>
#include <tenantdb/statement.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A statement in the making. */
typedef struct tenantdb_builder tenantdb_builder;

/* ---------------------------------------------------------------- statements */

/**
 * tenantdb_builder_insert() - begin an INSERT
 * @registry: the registry its names are looked up in
 * @table:    "table", or "base.table" where several bases have one
 *
 * tenantdb_builder_column() names the columns it gives values to. One row, unless
 * tenantdb_builder_rows() or tenantdb_builder_arrays() says otherwise. Returns
 * NULL when memory ran out, as all of these do.
 *
 * Ownership: yours, tenantdb_builder_free(). It keeps what it needs of @registry.
 * Thread:    one at a time, with whatever declares in @registry until that is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API tenantdb_builder *tenantdb_builder_insert(const tenantdb_registry *registry, const char *table);

/**
 * tenantdb_builder_upsert() - begin an INSERT that updates the row when it is there already
 * @registry: the registry its names are looked up in
 * @table:    "table", or "base.table" where several bases have one
 *
 * INSERT ... ON CONFLICT. What conflicts is the primary key unless
 * tenantdb_builder_conflict() names another one. On a conflict all columns but those
 * of the key get the new values; see tenantdb_builder_add(), tenantdb_builder_keep()
 * and tenantdb_builder_do_nothing(). One statement cannot update a row twice: a key
 * that comes twice among the rows is an error of the server's (SQLSTATE 21000).
 *
 * Ownership: yours, tenantdb_builder_free(). It keeps what it needs of @registry.
 * Thread:    one at a time, with whatever declares in @registry until that is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API tenantdb_builder *tenantdb_builder_upsert(const tenantdb_registry *registry, const char *table);

/**
 * tenantdb_builder_select() - begin a SELECT
 * @registry: the registry its names are looked up in
 * @table:    "table", or "base.table" where several bases have one
 *
 * Without tenantdb_builder_column() it reads all declared columns, and all there are
 * of a table whose columns are not all declared. @table may be a view.
 *
 * Ownership: yours, tenantdb_builder_free(). It keeps what it needs of @registry.
 * Thread:    one at a time, with whatever declares in @registry until that is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API tenantdb_builder *tenantdb_builder_select(const tenantdb_registry *registry, const char *table);

/**
 * tenantdb_builder_update() - begin an UPDATE
 * @registry: the registry its names are looked up in
 * @table:    "table", or "base.table" where several bases have one
 *
 * tenantdb_builder_column() and tenantdb_builder_add() name what is set. Without a
 * condition it is refused unless tenantdb_builder_all() says that all rows are meant.
 *
 * Ownership: yours, tenantdb_builder_free(). It keeps what it needs of @registry.
 * Thread:    one at a time, with whatever declares in @registry until that is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API tenantdb_builder *tenantdb_builder_update(const tenantdb_registry *registry, const char *table);

/**
 * tenantdb_builder_delete() - begin a DELETE
 * @registry: the registry its names are looked up in
 * @table:    "table", or "base.table" where several bases have one
 *
 * Without a condition it is refused unless tenantdb_builder_all() says that all rows
 * are meant.
 *
 * Ownership: yours, tenantdb_builder_free(). It keeps what it needs of @registry.
 * Thread:    one at a time, with whatever declares in @registry until that is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API tenantdb_builder *tenantdb_builder_delete(const tenantdb_registry *registry, const char *table);

/* ------------------------------------------------------------------- columns */

/**
 * tenantdb_builder_column() - name a column to be read, inserted or set
 * @builder: a builder
 * @column:  a declared column; of a joined table "table.column" or "base.table.column"
 *
 * Takes a parameter, of each row, but in a select. A column that is GENERATED ALWAYS
 * takes no value and is refused, and so is one that gets a value already.
 *
 * A plain name is always a column of the statement's own table. In the result, columns
 * of joined tables are called "table.column".
 *
 * Ownership: @column stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_column(tenantdb_builder *builder, const char *column);

/**
 * tenantdb_builder_add() - set a column to its value plus a parameter
 * @builder: a builder
 * @column:  a declared column
 *
 * Of an update: column = column + $n; take a negative number away. In an upsert the
 * parameter is what a new row gets, and what is added to one that is there. NULL plus
 * anything is NULL.
 *
 * Ownership: @column stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_add(tenantdb_builder *builder, const char *column);

/**
 * tenantdb_builder_keep() - give a column of an upsert a value only when the row is new
 * @builder: a builder
 * @column:  a declared column
 *
 * It is inserted with a parameter of each row, and left as it is on a conflict.
 *
 * Ownership: @column stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_keep(tenantdb_builder *builder, const char *column);

/**
 * tenantdb_builder_version() - let an update or delete pass only if the row was not changed since it was read
 * @builder: a builder
 * @column:  a declared column of whole numbers, NOT NULL
 *
 * Takes a parameter: the version that was read. An update sets column = column + 1 and
 * both add AND column = $n to the conditions, so that of two who read the same version
 * one changes the row and the other changes none.
 *
 * tenantdb_result_affected() is 0 then, as it is when the row is not there. To tell
 * one from the other select the row in the same transaction: the version that it has
 * now, or no row. Whoever changes the table otherwise has to count the column up too;
 * an upsert does by tenantdb_builder_add() with the value 1.
 *
 * Ownership: @column stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_version(tenantdb_builder *builder, const char *column);

/**
 * tenantdb_builder_returning() - have a changed row's column returned
 * @builder: a builder
 * @column:  a declared column
 *
 * Once for each column, in that order. An upsert returns no row that it left alone.
 *
 * Ownership: @column stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_returning(tenantdb_builder *builder, const char *column);

/* ---------------------------------------------------------------------- rows */

/**
 * tenantdb_builder_rows() - insert several rows
 * @builder: a builder
 * @n:       1 to 65535
 *
 * VALUES with @n rows. A query takes at most 65535 parameters: @n times the number of
 * columns. Beyond that, and where the number of rows changes from call to call,
 * tenantdb_builder_arrays() is better.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_rows(tenantdb_builder *builder, int32_t n);

/**
 * tenantdb_builder_arrays() - insert as many rows as arrays have elements
 * @builder: a builder
 *
 * One parameter for each column: an array with its values of all rows, as
 * tenantdb_params_array_text() and its like append. Any number of rows, in one
 * statement that is planned once. Text arrays do for columns of any type that text can
 * be cast to.
 *
 * Give all arrays the same length: the server fills shorter ones up with NULL. Columns
 * that are arrays themselves, or whose type is not declared, cannot be inserted so.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_arrays(tenantdb_builder *builder);

/**
 * tenantdb_builder_conflict() - say which key an upsert conflicts on
 * @builder: a builder
 * @column:  a declared column
 *
 * Once for each column of the key: a primary key, unique constraint or unique index
 * over just these. Without it the primary key is meant.
 *
 * Ownership: @column stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_conflict(tenantdb_builder *builder, const char *column);

/**
 * tenantdb_builder_do_nothing() - leave a row that is there already as it is
 * @builder: a builder
 *
 * An upsert then inserts what is new and nothing else.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_do_nothing(tenantdb_builder *builder);

/* ---------------------------------------------------------------- conditions */

/**
 * tenantdb_builder_where() - add a condition
 * @builder: a builder
 * @column:  a declared column; of a joined table "table.column"
 * @op:      "=", "<>", "!=", "<", "<=", ">", ">=", "in", "not in", "like", "not like", "ilike",
 *           "not ilike", "is null", "is not null", "is distinct from", "is not distinct from",
 *           "@>", "<@", "&&", in upper or lower case
 *
 * Takes a parameter, but for "is null" and "is not null". Of "in" and "not in" it is an
 * array. All conditions must hold, see tenantdb_builder_or().
 *
 * With a parameter of NULL no row is equal, and none unequal; "is not distinct from"
 * compares NULL like a value. The same is true of "not in" with a NULL in its array.
 *
 * Ownership: the strings stay yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_where(tenantdb_builder *builder, const char *column, const char *op);

/**
 * tenantdb_builder_or() - let what follows be an alternative to the conditions before
 * @builder: a builder
 *
 * where a, where b, or, where c: (a AND b OR c). The conditions of
 * tenantdb_builder_version() and tenantdb_builder_after() hold besides in any case.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_or(tenantdb_builder *builder);

/**
 * tenantdb_builder_key() - add the condition that the primary key is a given one
 * @builder: a builder
 *
 * Takes a parameter for each column of the key, in the order the key declares.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_key(tenantdb_builder *builder);

/**
 * tenantdb_builder_all() - say that an update or delete without conditions means all rows
 * @builder: a builder
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_all(tenantdb_builder *builder);

/* --------------------------------------------------------- joins, order, pages */

/**
 * tenantdb_builder_join() - join a table along a declared foreign key
 * @builder: a builder
 * @table:   "table" or "base.table", not yet in the statement
 * @by:      NULL when one foreign key leads there; else its name, or one of its columns
 *
 * The key may go from a table that is in the statement to @table or the other way
 * round; so a tenant's tables are joined with each other and with shared ones. Rows
 * without a partner are left out, see tenantdb_builder_left_join(). No foreign key, and
 * several without @by, are mistakes that name the tables.
 *
 * Comes before the calls that name columns of @table, "table.column".
 *
 * Ownership: the strings stay yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_join(tenantdb_builder *builder, const char *table, const char *by);

/**
 * tenantdb_builder_left_join() - join a table along a declared foreign key, keeping rows without a partner
 * @builder: a builder
 * @table:   "table" or "base.table", not yet in the statement
 * @by:      as above
 *
 * All columns of @table are NULL for these.
 *
 * Ownership: the strings stay yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_left_join(tenantdb_builder *builder, const char *table, const char *by);

/**
 * tenantdb_builder_order() - order by a column
 * @builder:   a builder
 * @column:    a declared column; of a joined table "table.column"
 * @direction: "asc" or "desc", with "nulls first" or "nulls last" behind if need be; NULL for "asc"
 *
 * Once for each column, at most 32. Where rows are limited, the order is completed by
 * the primary key (in the direction of the last column) unless it leaves no ties anyway:
 * so each page begins where the one before ended.
 *
 * Ownership: the strings stay yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_order(tenantdb_builder *builder, const char *column, const char *direction);

/**
 * tenantdb_builder_limit() - read at most as many rows as a parameter says
 * @builder: a builder
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_limit(tenantdb_builder *builder);

/**
 * tenantdb_builder_offset() - skip as many rows as a parameter says
 * @builder: a builder
 *
 * The server reads and drops them all; tenantdb_builder_after() does not.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_offset(tenantdb_builder *builder);

/**
 * tenantdb_builder_after() - read the rows behind a given one: keyset pages
 * @builder: a builder
 *
 * Takes a parameter for each column of the order, and of the primary key that completes
 * it: the values of the last row of the page before, just as they came. Without
 * tenantdb_builder_order() the order is the primary key. Ascending and descending may be
 * mixed and columns may be NULL; fastest are columns that are NOT NULL and all go one
 * way, with an index over them. Rows that come or go between two pages make no other
 * row come twice or be left out.
 *
 * Refused when no primary key is declared and the order may leave ties, and together
 * with tenantdb_builder_offset().
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_after(tenantdb_builder *builder);

/**
 * tenantdb_builder_lock() - lock the rows of the statement's own table until the transaction ends
 * @builder: a builder
 * @lock:    "update", "no key update", "share" or "key share", with "nowait" or "skip locked" behind if
 *           need be
 *
 * Ownership: @lock stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by tenantdb_builder_finish().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_lock(tenantdb_builder *builder, const char *lock);

/* -------------------------------------------------------------------- finish */

/**
 * tenantdb_builder_finish() - make the statement
 * @builder:   a builder
 * @statement: receives it
 * @error:     as everywhere
 *
 * Reports the first mistake, and what is missing. The builder stays as it is: it may be
 * told more and finished again.
 *
 * Ownership: *statement is yours, tenantdb_statement_free(); it needs neither @builder nor the registry.
 * Thread:    one at a time.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_builder_finish(tenantdb_builder *builder, tenantdb_statement **statement, tenantdb_error **error);

/**
 * tenantdb_builder_free() - release a builder
 * @builder: a builder, or NULL
 *
 * Ownership: takes @builder.
 * Thread:    as the other calls.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_builder_free(tenantdb_builder *builder);

/**
 * tenantdb_statement_parameters() - tell which parameter is what
 * @statement: a compiled statement
 * @result:    receives a table: number, name, type, role, operator, row
 * @error:     as everywhere
 *
 * One row for each parameter, in the order of their numbers, so that values can be bound
 * by name. Of a builder's statement name is the column as it was written; type its
 * declared type, with [] behind where an array of it is due, NULL when none is declared;
 * role one of value, add, version, where, key, after, limit, offset; operator what the
 * column is compared with by; row the number of the row, from 1, of an insert of several.
 *
 * Of a template nothing is known but which numbers stand in it: all else is NULL.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any; a statement is read-only.
 * Status:    MEMORY, ARGUMENT.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_statement_parameters(const tenantdb_statement *statement, tenantdb_result **result, tenantdb_error **error);

#ifdef __cplusplus
}
#endif

#endif

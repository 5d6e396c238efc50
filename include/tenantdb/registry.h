/* SPDX-License-Identifier: PostgreSQL */
/*
 * The registry: what should exist.
 *
 * A registry holds bases, a base holds tables. A shared base exists once, in the
 * shared schema; a tenant base exists once per tenant, in the tenant's schema.
 * Tables are declared by these builders, as SQL, or both.
 *
 * Declaring needs no check per line. Every builder accepts NULL for its parent
 * and keeps its first mistake together with its place ("base Service, table
 * requests, column id: ..."); tenantdb_registry_check() and tenantdb_open() report
 * it. Names given to builders are taken literally and always quoted; in lists of
 * columns an item may stand in double quotes. Wherever a table is named as a
 * target, "base.table" chooses a base; a plain name means the own base first,
 * then the shared bases.
 *
 * Once tenantdb_open() has taken a registry it is frozen: it may be read by any
 * thread and any further declaration is refused.
 */
#ifndef TENANTDB_REGISTRY_H
#define TENANTDB_REGISTRY_H

#include <tenantdb/api.h>
#include <tenantdb/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Everything that should exist. */
typedef struct tenantdb_registry tenantdb_registry;
/** A named set of tables; belongs to its registry. */
typedef struct tenantdb_base tenantdb_base;
/** One table's declaration; belongs to its base. */
typedef struct tenantdb_table tenantdb_table;

/** Kinds of bases. */
enum {
  TENANTDB_BASE_SHARED = 1, /**< one copy, in the shared schema */
  TENANTDB_BASE_TENANT = 2, /**< one copy per tenant, in the tenant's schema */
  TENANTDB_BASE_ROW = 3     /**< one copy, every row of a tenant; not available yet */
};

/**
 * tenantdb_registry_new() - an empty registry
 *
 * Returns NULL when memory ran out.
 *
 * Ownership: yours, tenantdb_registry_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_registry *tenantdb_registry_new(void);

/**
 * tenantdb_registry_base() - declare a base, or find the one declared
 * @registry: a registry; NULL gives NULL
 * @name:     the base's name: no dot, not empty
 * @kind:     a TENANTDB_BASE_ number
 *
 * Naming a base again with the same kind gives the same base; with another kind it is a mistake.
 *
 * Ownership: the base belongs to @registry.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API tenantdb_base *tenantdb_registry_base(tenantdb_registry *registry, const char *name, int32_t kind);

/**
 * tenantdb_registry_version() - say which version of the tenants' schema is declared
 * @registry: a registry
 * @version:  0 or more, such as the newest migration's number; 0 when nothing is said
 *
 * A tenant that is provisioned gets it. A session may demand a least version, so
 * that in a mixed fleet new code never meets an old schema.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_registry_version(tenantdb_registry *registry, int64_t version);

/**
 * tenantdb_registry_check() - report the first mistake
 * @registry: a registry
 * @error:    as everywhere
 *
 * Also resolves what builders cannot see alone: foreign keys to tables or
 * columns that are nowhere, two tables of one name that would meet in one schema.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time; it may move between threads.
 * Status:    MEMORY, ARGUMENT, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_registry_check(const tenantdb_registry *registry, tenantdb_error **error);

/**
 * tenantdb_registry_ddl() - the DDL of all bases of one kind, without a server
 * @registry:      a registry
 * @kind:          TENANTDB_BASE_SHARED or TENANTDB_BASE_TENANT
 * @schema:        the schema to create everything in
 * @shared_schema: the schema of the shared bases, for foreign keys to them
 * @sql:           receives the script: it creates the schema, sets the search path to it and
 *                 creates everything in an order that works
 * @error:         as everywhere
 *
 * Ownership: *sql is yours, tenantdb_string_free().
 * Thread:    one at a time; it may move between threads.
 * Status:    MEMORY, ARGUMENT, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_registry_ddl(const tenantdb_registry *registry, int32_t kind, const char *schema, const char *shared_schema, char **sql, tenantdb_error **error);

/**
 * tenantdb_registry_free() - release a registry
 * @registry: a registry, or NULL
 *
 * Databases opened with it keep what they need.
 *
 * Ownership: takes @registry with its bases and tables.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_registry_free(tenantdb_registry *registry);

/**
 * tenantdb_base_grant() - what sessions of tenants may do with a shared base's tables
 * @base:       a shared base
 * @privileges: a list out of SELECT, INSERT, UPDATE, DELETE; "" for nothing
 *
 * The default is nothing: shared tables hold every tenant's data. Applies to
 * every table of the base that has no grant of its own. At isolation level
 * routing nothing enforces it.
 *
 * Ownership: @privileges stays yours.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_base_grant(tenantdb_base *base, const char *privileges);

/**
 * tenantdb_base_sql() - declare tables and what belongs to them as SQL
 * @base:   a base
 * @script: statements separated by semicolons
 *
 * Takes CREATE TABLE, INDEX, TYPE, DOMAIN, SEQUENCE, VIEW, MATERIALIZED VIEW,
 * FUNCTION, PROCEDURE, TRIGGER, COMMENT ON and ALTER TABLE/SEQUENCE, with
 * unqualified names: the schema is supplied when it is created. The markers
 * {table}, {base.table} and {schema} are replaced. Anything else is a mistake
 * that names the line.
 *
 * Ownership: @script stays yours.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_base_sql(tenantdb_base *base, const char *script);

/**
 * tenantdb_base_table() - declare a table, or find the one declared
 * @base: a base; NULL gives NULL
 * @name: the table's name, at most 63 bytes
 *
 * Naming a table again gives the same table.
 *
 * Ownership: the table belongs to its base.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API tenantdb_table *tenantdb_base_table(tenantdb_base *base, const char *name);

/**
 * tenantdb_base_ddl() - the DDL of one base, without a server
 * @base:          a base
 * @schema:        the schema to create it in
 * @shared_schema: the schema of the shared bases, for foreign keys to them
 * @sql:           receives the script
 * @error:         as everywhere
 *
 * Ownership: *sql is yours, tenantdb_string_free().
 * Thread:    one at a time; it may move between threads.
 * Status:    MEMORY, ARGUMENT, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_base_ddl(const tenantdb_base *base, const char *schema, const char *shared_schema, char **sql, tenantdb_error **error);

/**
 * tenantdb_table_column() - declare a column
 * @table: a table
 * @name:  the column's name
 * @type:  any type as PostgreSQL writes it: "uuid", "numeric(10, 2)", "text[]"
 * @rest:  what follows the type: "NOT NULL DEFAULT now()", "PRIMARY KEY",
 *         "REFERENCES other (id) ON DELETE CASCADE", "GENERATED ALWAYS AS IDENTITY";
 *         NULL or "" for nothing
 *
 * Ownership: all strings stay yours.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_table_column(tenantdb_table *table, const char *name, const char *type, const char *rest);

/**
 * tenantdb_table_primary_key() - declare the primary key
 * @table:   a table
 * @columns: column names separated by commas
 *
 * Ownership: @columns stays yours.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_table_primary_key(tenantdb_table *table, const char *columns);

/**
 * tenantdb_table_unique() - declare a unique constraint
 * @table:   a table
 * @name:    the constraint's name; NULL lets PostgreSQL choose
 * @columns: column names separated by commas
 *
 * Ownership: all strings stay yours.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_table_unique(tenantdb_table *table, const char *name, const char *columns);

/**
 * tenantdb_table_check() - declare a check constraint
 * @table:      a table
 * @name:       the constraint's name; NULL lets PostgreSQL choose
 * @expression: an SQL condition, without the outer parentheses
 *
 * Ownership: all strings stay yours.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_table_check(tenantdb_table *table, const char *name, const char *expression);

/**
 * tenantdb_table_exclude() - declare an exclusion constraint
 * @table:      a table
 * @name:       the constraint's name; NULL lets PostgreSQL choose
 * @definition: what follows EXCLUDE: "USING gist (room WITH =, during WITH &&)"
 *
 * Ownership: all strings stay yours.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_table_exclude(tenantdb_table *table, const char *name, const char *definition);

/**
 * tenantdb_table_foreign_key() - declare a foreign key
 * @table:          a table
 * @name:           the constraint's name; NULL lets PostgreSQL choose
 * @columns:        column names of this table, separated by commas
 * @target:         the table referenced, "table" or "base.table"; from a tenant base also one of a
 *                  shared base
 * @target_columns: its columns; NULL for its primary key
 * @actions:        what follows: "ON DELETE CASCADE", "DEFERRABLE"; NULL for nothing
 *
 * Ownership: all strings stay yours.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_table_foreign_key(tenantdb_table *table, const char *name, const char *columns, const char *target, const char *target_columns, const char *actions);

/**
 * tenantdb_table_index() - declare an index
 * @table:      a table
 * @name:       the index's name, unique in its schema; NULL lets PostgreSQL choose
 * @definition: what follows the table's name in CREATE INDEX: "(a, b DESC)",
 *              "USING gin (to_tsvector('simple', body))", "(lower(email)) INCLUDE (id) WHERE active"
 *
 * Ownership: all strings stay yours.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_table_index(tenantdb_table *table, const char *name, const char *definition);

/**
 * tenantdb_table_unique_index() - declare a unique index
 * @table:      a table
 * @name:       the index's name; NULL lets PostgreSQL choose
 * @definition: as for tenantdb_table_index()
 *
 * Ownership: all strings stay yours.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_table_unique_index(tenantdb_table *table, const char *name, const char *definition);

/**
 * tenantdb_table_comment() - declare a comment
 * @table:  a table
 * @column: a column of it; NULL for the table itself
 * @text:   the comment
 *
 * Ownership: all strings stay yours.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_table_comment(tenantdb_table *table, const char *column, const char *text);

/**
 * tenantdb_table_grant() - what sessions of tenants may do with one table of a shared base
 * @table:      a table of a shared base
 * @privileges: as for tenantdb_base_grant()
 *
 * Ownership: @privileges stays yours.
 * Thread:    one at a time, until the registry is opened with a database.
 * Status:    none; a mistake is kept and reported by tenantdb_registry_check() and tenantdb_open().
 * Since:     0.1
 */
TENANTDB_API void tenantdb_table_grant(tenantdb_table *table, const char *privileges);

#ifdef __cplusplus
}
#endif

#endif

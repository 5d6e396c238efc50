/* SPDX-License-Identifier: PostgreSQL */
/*
 * Statements: SQL with markers in place of names.
 *
 * "SELECT * FROM {nmt_requests} JOIN {TenantDBBase.plans} USING (id)" is compiled
 * once against the registry and rendered for any tenant: a marker becomes the
 * quoted name with its schema. {table} must be unambiguous over the bases, else
 * {base.table}; {schema} becomes the tenant's schema alone. Comments, strings,
 * dollar quotes, quoted identifiers and casts are left as they are; a literal
 * brace outside them is written {{ or }}.
 */
#ifndef TENANTDB_STATEMENT_H
#define TENANTDB_STATEMENT_H

#include <tenantdb/api.h>
#include <tenantdb/error.h>
#include <tenantdb/registry.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A compiled template. Read-only, so that any number of threads may render it. */
typedef struct tenantdb_statement tenantdb_statement;

/**
 * tenantdb_statement_new() - compile a template
 * @registry:  the registry its names are looked up in
 * @sql:       one SQL statement with markers, NUL-terminated UTF-8
 * @statement: receives the compiled statement
 * @error:     as everywhere
 *
 * An unknown name is refused with the nearest known one and its place.
 *
 * Ownership: *statement is yours, tenantdb_statement_free(); it does not need @registry afterwards.
 * Thread:    one at a time; it may move between threads.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_statement_new(const tenantdb_registry *registry, const char *sql, tenantdb_statement **statement, tenantdb_error **error);

/**
 * tenantdb_statement_render() - render into a buffer of the caller's, without allocating
 * @statement:     a compiled statement
 * @schema:        the tenant's schema; may be NULL when the statement names shared tables only
 * @shared_schema: the schema of the shared bases; may be NULL when the statement names none
 * @buffer:        where to write; may be NULL when @size is 0
 * @size:          its size in bytes
 * @length:        receives the length of the whole text in bytes without the final NUL, also when
 *                 it did not fit; may be NULL
 * @error:         as everywhere
 *
 * When the text does not fit, ARGUMENT is returned with TENANTDB_REASON_BUFFER_TOO_SMALL and nothing usable is in @buffer.
 * All of @buffer may be written to, also behind the text; it is done fastest when there is room
 * for 32 bytes more than the text. A session keeps the texts it runs, and needs no rendering.
 *
 * Ownership: @buffer stays yours.
 * Thread:    any; a statement is read-only.
 * Status:    ARGUMENT, MEMORY.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_statement_render(const tenantdb_statement *statement, const char *schema, const char *shared_schema, char *buffer, size_t size, size_t *length, tenantdb_error **error);

/**
 * tenantdb_statement_text() - render into a new string
 * @statement:     a compiled statement
 * @schema:        the tenant's schema, as above
 * @shared_schema: the schema of the shared bases, as above
 * @sql:           receives the text
 * @error:         as everywhere
 *
 * Ownership: *sql is yours, tenantdb_string_free().
 * Thread:    any; a statement is read-only.
 * Status:    ARGUMENT, MEMORY.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_statement_text(const tenantdb_statement *statement, const char *schema, const char *shared_schema, char **sql, tenantdb_error **error);

/**
 * tenantdb_statement_free() - release a statement
 * @statement: a statement, or NULL
 *
 * Ownership: takes @statement.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_statement_free(tenantdb_statement *statement);

#ifdef __cplusplus
}
#endif

#endif

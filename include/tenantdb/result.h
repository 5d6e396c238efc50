/* SPDX-License-Identifier: PostgreSQL */
/*
 * Results: everything tabular that the library answers.
 *
 * Rows of a query, a list of tenants, the findings of a verification, the
 * options of the configuration: all are one read-only table of rows and named
 * columns, counted from 0. A cell's value is text as PostgreSQL writes it.
 * A result belongs to whoever received it and may outlive the session and the
 * database it came from.
 */
#ifndef TENANTDB_RESULT_H
#define TENANTDB_RESULT_H

#include <tenantdb/api.h>
#include <tenantdb/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A read-only table of cells. */
typedef struct tenantdb_result tenantdb_result;

/**
 * tenantdb_result_rows() - how many rows there are
 * @result: a result; NULL gives 0
 *
 * Ownership: nothing is handed over.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_result_rows(const tenantdb_result *result);

/**
 * tenantdb_result_columns() - how many columns there are
 * @result: a result; NULL gives 0
 *
 * Ownership: nothing is handed over.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_result_columns(const tenantdb_result *result);

/**
 * tenantdb_result_name() - a column's name
 * @result: a result
 * @column: from 0
 *
 * Returns "" when there is no such column.
 *
 * Ownership: the string belongs to @result.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_result_name(const tenantdb_result *result, int32_t column);

/**
 * tenantdb_result_column() - the number of the column with a name
 * @result: a result
 * @name:   compared exactly
 *
 * Returns -1 when there is none; the first when there are several.
 *
 * Ownership: nothing is handed over.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_result_column(const tenantdb_result *result, const char *name);

/**
 * tenantdb_result_type() - the OID of a column's type
 * @result: a result
 * @column: from 0
 *
 * Returns 25 (text) for tables that the library composed itself, 0 when there is no such column.
 *
 * Ownership: nothing is handed over.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API uint32_t tenantdb_result_type(const tenantdb_result *result, int32_t column);

/**
 * tenantdb_result_value() - a cell as text
 * @result: a result
 * @row:    from 0
 * @column: from 0
 *
 * Returns NULL when the cell is SQL NULL or does not exist. Ask
 * tenantdb_result_length() for its bytes.
 *
 * Ownership: the string belongs to @result.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_result_value(const tenantdb_result *result, int32_t row, int32_t column);

/**
 * tenantdb_result_length() - a cell's length in bytes
 * @result: a result
 * @row:    from 0
 * @column: from 0
 *
 * Returns 0 for NULL and for cells that do not exist.
 *
 * Ownership: nothing is handed over.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API size_t tenantdb_result_length(const tenantdb_result *result, int32_t row, int32_t column);

/**
 * tenantdb_result_is_null() - whether a cell is SQL NULL
 * @result: a result
 * @row:    from 0
 * @column: from 0
 *
 * Returns 1 for NULL and for cells that do not exist, else 0.
 *
 * Ownership: nothing is handed over.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_result_is_null(const tenantdb_result *result, int32_t row, int32_t column);

/**
 * tenantdb_result_affected() - how many rows an INSERT, UPDATE, DELETE … touched
 * @result: a result
 *
 * For a SELECT the number of rows. Returns 0 for statements that touch no rows.
 *
 * Ownership: nothing is handed over.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int64_t tenantdb_result_affected(const tenantdb_result *result);

/**
 * tenantdb_result_json() - the whole table as a JSON array of objects
 * @result: a result
 * @json:   receives the text
 * @error:  as everywhere
 *
 * Numbers, booleans and json values keep their JSON form, everything else is a
 * JSON string; NULL is null. NaN and the infinities, which JSON lacks, are strings.
 *
 * Ownership: *json is yours, tenantdb_string_free().
 * Thread:    any, one at a time.
 * Status:    MEMORY, ARGUMENT.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_result_json(const tenantdb_result *result, char **json, tenantdb_error **error);

/**
 * tenantdb_result_free() - release a result
 * @result: a result, or NULL
 *
 * Ownership: takes @result.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_result_free(tenantdb_result *result);

#ifdef __cplusplus
}
#endif

#endif

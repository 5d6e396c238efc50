/* SPDX-License-Identifier: PostgreSQL */
/*
 * Results: everything tabular that the library answers.
 *
 * Rows of a query, a list of tenants, the findings of a verification, the
 * options of the configuration: all are one read-only table of rows and named
 * columns, counted from 0. A cell's value is text as PostgreSQL writes it; the
 * typed getters read it, and nothing is copied or read before it is asked for.
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
 * tenantdb_result_format() - whether a column came as text or in binary form
 * @result: a result
 * @column: from 0
 *
 * Returns 0 for text, and when there is no such column; 1 for binary. Then
 * tenantdb_result_value() gives the bytes as the server sent them; typed
 * getters and JSON work as with text.
 *
 * Ownership: nothing is handed over.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_result_format(const tenantdb_result *result, int32_t column);

/**
 * tenantdb_result_type_name() - the name of a built-in type
 * @type: an OID, as from tenantdb_result_type()
 *
 * Such as "int8", "timestamptz" or "text[]"; "?" for types that are not known here.
 *
 * Ownership: the string is static.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_result_type_name(uint32_t type);

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
 * tenantdb_result_int32() - a cell as a whole number of 32 bits
 * @result: a result
 * @row:    from 0
 * @column: from 0
 * @value:  receives it, 0 on failure
 * @error:  as everywhere
 *
 * As tenantdb_result_int64(), and what does not fit is an error with reason VALUE_RANGE.
 *
 * Ownership: nothing is handed over.
 * Thread:    any, one at a time.
 * Status:    ARGUMENT, MEMORY.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_result_int32(const tenantdb_result *result, int32_t row, int32_t column,
                                                   int32_t *value, tenantdb_error **error);

/**
 * tenantdb_result_int64() - a cell as a whole number of 64 bits
 * @result: a result
 * @row:    from 0
 * @column: from 0
 * @value:  receives it, 0 on failure
 * @error:  as everywhere
 *
 * Columns of types int2, int4, int8, oid and text, and numeric as long as the
 * value is whole. Each of these is an error with status ARGUMENT: there is no
 * such cell (reason BAD_ARGUMENT), it is SQL NULL (NULL_VALUE), the column's type
 * is another (WRONG_TYPE), the value does not fit (VALUE_RANGE) or, in a column of
 * text, is none (BAD_VALUE). Messages name row, column and type, never the value.
 *
 * Ownership: nothing is handed over.
 * Thread:    any, one at a time.
 * Status:    ARGUMENT, MEMORY.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_result_int64(const tenantdb_result *result, int32_t row, int32_t column,
                                                   int64_t *value, tenantdb_error **error);

/**
 * tenantdb_result_double() - a cell as a double
 * @result: a result
 * @row:    from 0
 * @column: from 0
 * @value:  receives it, 0 on failure
 * @error:  as everywhere
 *
 * Columns of types float8, float4, numeric, int2, int4, int8, oid and text; what
 * is no double exactly becomes the nearest one. NaN and the infinities are
 * values. The process's locale does not matter.
 * See tenantdb_result_int64() for what is an error.
 *
 * Ownership: nothing is handed over.
 * Thread:    any, one at a time.
 * Status:    ARGUMENT, MEMORY.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_result_double(const tenantdb_result *result, int32_t row, int32_t column,
                                                    double *value, tenantdb_error **error);

/**
 * tenantdb_result_bool() - a cell as true or false
 * @result: a result
 * @row:    from 0
 * @column: from 0
 * @value:  receives 1 or 0, 0 on failure
 * @error:  as everywhere
 *
 * Columns of type bool, and of text when it is t, f, true or false.
 * See tenantdb_result_int64() for what is an error.
 *
 * Ownership: nothing is handed over.
 * Thread:    any, one at a time.
 * Status:    ARGUMENT, MEMORY.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_result_bool(const tenantdb_result *result, int32_t row, int32_t column,
                                                  int32_t *value, tenantdb_error **error);

/**
 * tenantdb_result_timestamptz() - a cell as a moment
 * @result: a result
 * @row:    from 0
 * @column: from 0
 * @value:  receives microseconds since 1970-01-01 00:00 UTC, 0 on failure; INT64_MAX is infinity, INT64_MIN
 *          is -infinity
 * @error:  as everywhere
 *
 * Columns of type timestamptz, and of text in the same form. Any TimeZone will
 * do; DateStyle has to be ISO, as it is unless somebody changed it: other styles
 * do not tell which moment is meant. Later than the year 294246 is VALUE_RANGE.
 * See tenantdb_result_int64() for what is an error.
 *
 * Ownership: nothing is handed over.
 * Thread:    any, one at a time.
 * Status:    ARGUMENT, MEMORY.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_result_timestamptz(const tenantdb_result *result, int32_t row, int32_t column,
                                                         int64_t *value, tenantdb_error **error);

/**
 * tenantdb_result_bytea() - the bytes of a bytea
 * @result: a result
 * @row:    from 0
 * @column: from 0
 * @data:   receives the bytes; not NULL when there are none
 * @length: receives how many there are
 * @error:  as everywhere
 *
 * Either setting of bytea_output will do. See tenantdb_result_int64() for what is an error.
 *
 * Ownership: *data belongs to @result, which keeps it until it is freed or goes on to other rows.
 * Thread:    one at a time.
 * Status:    ARGUMENT, MEMORY.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_result_bytea(tenantdb_result *result, int32_t row, int32_t column,
                                                   const void **data, size_t *length, tenantdb_error **error);

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
 * tenantdb_result_next() - go on to the next rows of a stream
 * @result: a result of tenantdb_session_stream(), tenantdb_fleet_query() …
 * @more:   receives 1 when there are rows, 0 at the end
 * @error:  as everywhere
 *
 * The rows before are gone, and with them every value asked for. What fails
 * on the way, the COMMIT at the end included, is reported here. For any other
 * result there are never more rows.
 *
 * Ownership: nothing is handed over.
 * Thread:    the one that uses the session, one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, ISOLATION, CONNECTION, TIMEOUT, CANCELLED, BUSY, CONFLICT,
 *            CONSTRAINT, SQL, UNKNOWN; of a fleet query UNAVAILABLE, NOT_FOUND and UNSUPPORTED, too.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_result_next(tenantdb_result *result, int32_t *more, tenantdb_error **error);

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

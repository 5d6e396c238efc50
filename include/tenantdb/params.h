/* SPDX-License-Identifier: PostgreSQL */
/*
 * Parameters: the values for $1, $2 … of a query, in order.
 *
 * Values never become part of the SQL text. A builder keeps its first mistake
 * and the call that consumes it reports it, so no line needs a check.
 *
 * All but tenantdb_params_text() and tenantdb_params_null() tell the server the
 * value's type, so that SELECT $1 needs no cast. What these two append takes
 * the type of the place where it stands, as a quoted literal does. A list that
 * is cleared and filled again allocates nothing.
 */
#ifndef TENANTDB_PARAMS_H
#define TENANTDB_PARAMS_H

#include <tenantdb/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An ordered list of values. */
typedef struct tenantdb_params tenantdb_params;

/**
 * tenantdb_params_new() - an empty list
 *
 * Returns NULL when memory ran out; every other function accepts that NULL and
 * the consuming call answers TENANTDB_OK only if the query needs no values.
 *
 * Ownership: yours, tenantdb_params_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_params *tenantdb_params_new(void);

/**
 * tenantdb_params_text() - append a value as text, in the form PostgreSQL reads
 * @params: a list
 * @value:  NUL-terminated UTF-8, copied; NULL appends SQL NULL
 *
 * Of no type: the server finds it out, as with a quoted literal.
 *
 * Ownership: @value stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_text(tenantdb_params *params, const char *value);

/**
 * tenantdb_params_bool() - append true or false
 * @params: a list
 * @value:  0 is false, everything else true
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_bool(tenantdb_params *params, int32_t value);

/**
 * tenantdb_params_int32() - append an int4
 * @params: a list
 * @value:  the number
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_int32(tenantdb_params *params, int32_t value);

/**
 * tenantdb_params_int64() - append an int8
 * @params: a list
 * @value:  the number
 *
 * What takes an int4 and nothing wider (some functions, date + $1) takes
 * tenantdb_params_int32(), or $1::int.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_int64(tenantdb_params *params, int64_t value);

/**
 * tenantdb_params_double() - append a float8
 * @params: a list
 * @value:  the number; NaN and the infinities are allowed
 *
 * It arrives exactly, whatever the process's locale.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_double(tenantdb_params *params, double value);

/**
 * tenantdb_params_numeric() - append a numeric of any size
 * @params: a list
 * @value:  such as -12.50, 1e6, NaN or Infinity, NUL-terminated; copied; NULL appends SQL NULL
 *
 * A value of another form is a mistake.
 *
 * Ownership: @value stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_numeric(tenantdb_params *params, const char *value);

/**
 * tenantdb_params_uuid() - append a uuid
 * @params: a list
 * @value:  32 hexadecimal digits in groups of 8-4-4-4-12, copied; NULL appends SQL NULL
 *
 * A value of another form is a mistake.
 *
 * Ownership: @value stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_uuid(tenantdb_params *params, const char *value);

/**
 * tenantdb_params_timestamptz() - append a moment
 * @params:       a list
 * @microseconds: since 1970-01-01 00:00 UTC; INT64_MAX is infinity, INT64_MIN is -infinity
 *
 * A moment before 4713 BC is a mistake: PostgreSQL does not know it.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_timestamptz(tenantdb_params *params, int64_t microseconds);

/**
 * tenantdb_params_bytea() - append bytes
 * @params: a list
 * @data:   bytes, copied; NULL appends SQL NULL and needs @length 0
 * @length: how many; 0 with @data that is not NULL is an empty value
 *
 * Ownership: @data stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_bytea(tenantdb_params *params, const void *data, size_t length);

/**
 * tenantdb_params_json() - append a json value
 * @params: a list
 * @value:  JSON text, NUL-terminated UTF-8, copied; NULL appends SQL NULL
 *
 * What is not UTF-8 is a mistake; whether it is JSON the server will say.
 *
 * Ownership: @value stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_json(tenantdb_params *params, const char *value);

/**
 * tenantdb_params_jsonb() - append a jsonb value
 * @params: a list
 * @value:  JSON text, NUL-terminated UTF-8, copied; NULL appends SQL NULL
 *
 * As tenantdb_params_json(), for operators and functions of jsonb.
 *
 * Ownership: @value stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_jsonb(tenantdb_params *params, const char *value);

/**
 * tenantdb_params_typed() - append text of a type named by its OID
 * @params: a list
 * @type:   such as 1082 for date; 0 for the server to find out
 * @value:  in the form PostgreSQL reads, NUL-terminated UTF-8, copied; NULL appends a NULL of that type
 *
 * Ownership: @value stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_typed(tenantdb_params *params, uint32_t type, const char *value);

/**
 * tenantdb_params_array_text() - append a text[]
 * @params: a list
 * @n:      how many values; 0 is an empty array
 * @values: @n NUL-terminated strings, copied; NULL among them is SQL NULL
 *
 * Ownership: the arrays stay yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_array_text(tenantdb_params *params, int32_t n, const char *const *values);

/**
 * tenantdb_params_array_uuid() - append a uuid[]
 * @params: a list
 * @n:      how many values; 0 is an empty array
 * @values: @n NUL-terminated strings, copied; NULL among them is SQL NULL
 *
 * A value that is no uuid is a mistake.
 *
 * Ownership: the arrays stay yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_array_uuid(tenantdb_params *params, int32_t n, const char *const *values);

/**
 * tenantdb_params_array_numeric() - append a numeric[]
 * @params: a list
 * @n:      how many values; 0 is an empty array
 * @values: @n NUL-terminated strings, copied; NULL among them is SQL NULL
 *
 * A value that is no number is a mistake.
 *
 * Ownership: the arrays stay yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_array_numeric(tenantdb_params *params, int32_t n, const char *const *values);

/**
 * tenantdb_params_array_bool() - append a bool[]
 * @params: a list
 * @n:      how many values; 0 is an empty array
 * @values: @n numbers, 0 for false
 * @nulls:  NULL, or @n numbers: where one is not 0 the value is SQL NULL
 *
 * Ownership: the arrays stay yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_array_bool(tenantdb_params *params, int32_t n, const int32_t *values,
                                             const int32_t *nulls);

/**
 * tenantdb_params_array_int32() - append an int4[]
 * @params: a list
 * @n:      how many values; 0 is an empty array
 * @values: @n numbers
 * @nulls:  NULL, or @n numbers: where one is not 0 the value is SQL NULL
 *
 * Ownership: the arrays stay yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_array_int32(tenantdb_params *params, int32_t n, const int32_t *values,
                                              const int32_t *nulls);

/**
 * tenantdb_params_array_int64() - append an int8[]
 * @params: a list
 * @n:      how many values; 0 is an empty array
 * @values: @n numbers
 * @nulls:  NULL, or @n numbers: where one is not 0 the value is SQL NULL
 *
 * Ownership: the arrays stay yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_array_int64(tenantdb_params *params, int32_t n, const int64_t *values,
                                              const int32_t *nulls);

/**
 * tenantdb_params_array_double() - append a float8[]
 * @params: a list
 * @n:      how many values; 0 is an empty array
 * @values: @n numbers
 * @nulls:  NULL, or @n numbers: where one is not 0 the value is SQL NULL
 *
 * Ownership: the arrays stay yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_array_double(tenantdb_params *params, int32_t n, const double *values,
                                               const int32_t *nulls);

/**
 * tenantdb_params_array_timestamptz() - append a timestamptz[]
 * @params: a list
 * @n:      how many values; 0 is an empty array
 * @values: @n times in microseconds, as in tenantdb_params_timestamptz()
 * @nulls:  NULL, or @n numbers: where one is not 0 the value is SQL NULL
 *
 * Ownership: the arrays stay yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_array_timestamptz(tenantdb_params *params, int32_t n, const int64_t *values,
                                                    const int32_t *nulls);

/**
 * tenantdb_params_array_bytea() - append a bytea[]
 * @params:  a list
 * @n:       how many values; 0 is an empty array
 * @values:  @n pointers to bytes, copied; NULL among them is SQL NULL
 * @lengths: how many bytes each has
 *
 * Ownership: the arrays stay yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_array_bytea(tenantdb_params *params, int32_t n, const void *const *values,
                                              const size_t *lengths);

/**
 * tenantdb_params_null() - append SQL NULL
 * @params: a list
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_null(tenantdb_params *params);

/**
 * tenantdb_params_clear() - forget all values, and a mistake, for the next use
 * @params: a list; NULL is allowed
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_clear(tenantdb_params *params);

/**
 * tenantdb_params_free() - release a list
 * @params: a list, or NULL
 *
 * Ownership: takes @params.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_free(tenantdb_params *params);

#ifdef __cplusplus
}
#endif

#endif

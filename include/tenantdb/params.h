/* SPDX-License-Identifier: PostgreSQL */
/*
 * Parameters: the values for $1, $2 … of a query, in order.
 *
 * Values never become part of the SQL text. A builder keeps its first mistake
 * and the call that consumes it reports it, so no line needs a check.
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
 * Ownership: @value stays yours.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_text(tenantdb_params *params, const char *value);

/**
 * tenantdb_params_int64() - append a whole number
 * @params: a list
 * @value:  the number
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time.
 * Status:    none; a mistake is kept and reported by the consuming call.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_params_int64(tenantdb_params *params, int64_t value);

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

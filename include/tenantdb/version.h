/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which library this is, asked at run time, so that a binding can refuse one
 * that is older than it was made for.
 */
#ifndef TENANTDB_VERSION_H
#define TENANTDB_VERSION_H

#include <tenantdb/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * tenantdb_version() - the library's version as text, such as "0.1.0"
 *
 * Ownership: the string is static; do not free it.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_version(void);

/**
 * tenantdb_version_number() - the library's version as one number
 *
 * Returns major * 10000 + minor * 100 + patch: 100 for 0.1.0.
 *
 * Ownership: nothing is handed over.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_version_number(void);

/**
 * tenantdb_has_feature() - whether this build has an optional feature
 * @name: the feature's name, such as "async-cancel"; NULL gives 0
 *
 * Returns 1 when the feature is there, 0 when it is not or its name is unknown.
 * Known names: "async-cancel" (libpq 17 and later: a deadline that runs out
 * also stops the statement on a server reached over a network) and
 * "chunked-rows" (libpq 17 and later).
 *
 * Ownership: nothing is handed over.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_has_feature(const char *name);

#ifdef __cplusplus
}
#endif

#endif

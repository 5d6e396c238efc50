/* SPDX-License-Identifier: PostgreSQL */
/*
 * What every public header needs: fixed-width types and the export mark.
 *
 * Only int32_t, int64_t, uint32_t, double, size_t, pointers and
 * NUL-terminated UTF-8 cross this interface, so that any language with a C
 * foreign-function interface can call it. Handles are opaque pointers.
 */
#ifndef TENANTDB_API_H
#define TENANTDB_API_H

#include <stddef.h>
#include <stdint.h>

#ifndef TENANTDB_API
#if defined(__GNUC__)
#define TENANTDB_API __attribute__((visibility("default")))
#else
#define TENANTDB_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** What a call answers: TENANTDB_OK (0) or one of the statuses in tenantdb/error.h. */
typedef int32_t tenantdb_status;

/**
 * tenantdb_string_free() - release a string that the library handed over
 * @string: a string obtained through a `char **` argument; NULL is allowed
 *
 * Ownership: takes @string.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_string_free(char *string);

#ifdef __cplusplus
}
#endif

#endif

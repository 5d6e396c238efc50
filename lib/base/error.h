/* SPDX-License-Identifier: PostgreSQL */
/*
 * Raising errors. `tndb_origin` makes the object and gives the status back, so
 * that a failure is one line: return tndb_origin(error, STATUS, REASON, "...").
 * All of these accept a NULL `error`, and an `error` that holds NULL.
 *
 * Running out of memory while an error is made leaves the static out-of-memory
 * error in its place: reporting it allocates nothing.
 */
#ifndef TNDB_BASE_ERROR_H
#define TNDB_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tenantdb/error.h>
#include <tenantdb/reason.h>

/* Every public call begins with this. */
void tndb_error_reset(tenantdb_error **error);

/*
 * Raise: returns `status`. An error already there is replaced. The message is
 * one line: control characters become spaces. Retry advice starts as what the
 * status usually means.
 */
tenantdb_status tndb_origin(tenantdb_error **error, tenantdb_status status, int32_t reason,
                            const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same for who has arguments of his own. */
tenantdb_status tndb_vorigin(tenantdb_error **error, tenantdb_status status, int32_t reason,
                             const char *format, va_list arguments) __attribute__((format(printf, 4, 0)));
/* Out of memory: the static object. */
tenantdb_status tndb_no_memory(tenantdb_error **error);

/* What a line of SQL failed with, for tndb_error_set_server(); NULL members are "". */
typedef struct tndb_server_fields {
  const char *sqlstate;
  const char *detail;
  const char *hint;
  const char *constraint;
  int32_t position;
} tndb_server_fields;

void tndb_error_set_server(tenantdb_error **error, const tndb_server_fields *fields);
void tndb_error_set_hint(tenantdb_error **error, const char *hint);
void tndb_error_set_tenant(tenantdb_error **error, const char *tenant);
void tndb_error_set_operation(tenantdb_error **error, const char *operation);
void tndb_error_set_retry(tenantdb_error **error, int32_t retry);
/* Put "text: " before the message, as when a lower room's error gets its place. */
void tndb_error_prefix(tenantdb_error **error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A lower room's error becomes one of ours: same message and fields, another status and reason. */
tenantdb_status tndb_error_fold(tenantdb_error **error, tenantdb_status status, int32_t reason);
/* Hand an error kept in `from` to the caller's `error`, or drop it when he wants none. */
tenantdb_status tndb_error_pass(tenantdb_error **error, tenantdb_error *from);
/* A copy, for mistakes that are kept by a builder and reported later; NULL gives NULL. */
tenantdb_error *tndb_error_copy(const tenantdb_error *error);

/* Frees what a `tndb_auto_error` variable holds when it leaves its scope. */
void tndb_error_cleanup(tenantdb_error **variable);
#define tndb_auto_error __attribute__((cleanup(tndb_error_cleanup))) tenantdb_error

#endif

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Failure: what every call answers and what its error object tells.
 *
 * A call that can fail returns a tenantdb_status and takes a
 * `tenantdb_error **error` as its last argument. That argument may be NULL;
 * otherwise it is always written: NULL on success, an object that the caller
 * frees on failure. Nothing is kept per thread. Out-parameters are always
 * written too: the object, or NULL.
 *
 * The status says what kind of failure it is and is one of a closed list. The
 * reason (tenantdb/reason.h) says precisely which; its number never changes
 * its meaning, and new ones may be added. The message is one line of English
 * for people; programs should not parse it.
 */
#ifndef TENANTDB_ERROR_H
#define TENANTDB_ERROR_H

#include <tenantdb/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A failure: status, reason, message, what the server said, what to do next. */
typedef struct tenantdb_error tenantdb_error;

/** The statuses. */
enum {
  TENANTDB_OK = 0,              /**< done */
  TENANTDB_MEMORY = 1,          /**< an allocation failed; nothing was changed */
  TENANTDB_ARGUMENT = 2,        /**< an argument, option or declaration is wrong */
  TENANTDB_STATE = 3,           /**< the handle or tenant is in a state that does not allow this */
  TENANTDB_NOT_FOUND = 4,       /**< no such tenant, table, option … */
  TENANTDB_ALREADY_EXISTS = 5,  /**< the slug, schema or object is taken */
  TENANTDB_PERMISSION = 6,      /**< the server refused for lack of a privilege, or refused the login */
  TENANTDB_UNAVAILABLE = 7,     /**< the tenant is there but not open: pending, suspended, archived … */
  TENANTDB_ISOLATION = 8,       /**< the scope could not be proved, or the isolation level is below the minimum */
  TENANTDB_CONNECTION = 9,      /**< no connection, or it broke with nothing committed */
  TENANTDB_TIMEOUT = 10,        /**< a deadline ran out */
  TENANTDB_CANCELLED = 11,      /**< cancelled on request */
  TENANTDB_BUSY = 12,           /**< a lock or lease is held by somebody else, or the server is full; later */
  TENANTDB_CONFLICT = 13,       /**< serialization failure, deadlock, or a change made meanwhile */
  TENANTDB_CONSTRAINT = 14,     /**< a constraint refused the data */
  TENANTDB_SQL = 15,            /**< the server refused the SQL for another reason */
  TENANTDB_MIGRATION = 16,      /**< a migration is wrong, missing or half applied */
  TENANTDB_UNSUPPORTED = 17,    /**< not possible with this server, this build or this catalog */
  TENANTDB_INTERNAL = 18,       /**< the library found itself in the wrong; please report it */
  TENANTDB_UNKNOWN = 19         /**< the connection broke during COMMIT: done or not done, nobody could tell */
};

/** What tenantdb_error_retry() advises. */
enum {
  TENANTDB_RETRY_NEVER = 0,        /**< the same call will fail again */
  TENANTDB_RETRY_SAME_SESSION = 1, /**< roll back and run the whole transaction again on this session */
  TENANTDB_RETRY_NEW_SESSION = 2,  /**< close the session, open another, run it again */
  TENANTDB_RETRY_LATER = 3         /**< wait a little, then again */
};

/**
 * tenantdb_error_status() - the status this error was returned with
 * @error: an error, or NULL
 *
 * Returns TENANTDB_OK for NULL.
 *
 * Ownership: @error stays yours.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_error_status(const tenantdb_error *error);

/**
 * tenantdb_error_reason() - which failure exactly, a TENANTDB_REASON_ number
 * @error: an error, or NULL
 *
 * Returns 0 for NULL.
 *
 * Ownership: @error stays yours.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_error_reason(const tenantdb_error *error);

/**
 * tenantdb_error_message() - one line for people: what, where, the way out
 * @error: an error, or NULL
 *
 * Holds no password and no parameter value. Returns "" for NULL.
 *
 * Ownership: the string belongs to @error.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_error_message(const tenantdb_error *error);

/**
 * tenantdb_error_sqlstate() - the server's five-character SQLSTATE
 * @error: an error, or NULL
 *
 * Returns "" when the failure did not come from the server or carried none.
 *
 * Ownership: the string belongs to @error.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_error_sqlstate(const tenantdb_error *error);

/**
 * tenantdb_error_detail() - the server's DETAIL, or ""
 * @error: an error, or NULL
 *
 * A DETAIL may quote data (a duplicate key's value): show it to operators, not to tenants.
 *
 * Ownership: the string belongs to @error.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_error_detail(const tenantdb_error *error);

/**
 * tenantdb_error_hint() - the server's HINT or the library's own advice, or ""
 * @error: an error, or NULL
 *
 * Ownership: the string belongs to @error.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_error_hint(const tenantdb_error *error);

/**
 * tenantdb_error_constraint() - the name of the constraint that refused, or ""
 * @error: an error, or NULL
 *
 * Ownership: the string belongs to @error.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_error_constraint(const tenantdb_error *error);

/**
 * tenantdb_error_tenant() - the slug or id of the tenant concerned, or ""
 * @error: an error, or NULL
 *
 * Ownership: the string belongs to @error.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_error_tenant(const tenantdb_error *error);

/**
 * tenantdb_error_operation() - the id of the operation whose outcome is unknown, or ""
 * @error: an error, or NULL
 *
 * With TENANTDB_UNKNOWN from a tenant's life cycle: the id under which the
 * catalog's table `operations` has, or has not, a record of it.
 *
 * Ownership: the string belongs to @error.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_error_operation(const tenantdb_error *error);

/**
 * tenantdb_error_position() - where in the SQL the mistake is
 * @error: an error, or NULL
 *
 * Returns the position in characters counted from 1, 0 when there is none.
 *
 * Ownership: @error stays yours.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_error_position(const tenantdb_error *error);

/**
 * tenantdb_error_retry() - whether trying again can help, a TENANTDB_RETRY_ number
 * @error: an error, or NULL
 *
 * Ownership: @error stays yours.
 * Thread:    any, one at a time.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_error_retry(const tenantdb_error *error);

/**
 * tenantdb_error_free() - release an error
 * @error: an error, or NULL
 *
 * Ownership: takes @error.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_error_free(tenantdb_error *error);

/**
 * tenantdb_status_name() - a status's name, such as "NOT_FOUND"
 * @status: a status
 *
 * Returns "?" for a number that is no status.
 *
 * Ownership: the string is static.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_status_name(tenantdb_status status);

#ifdef __cplusplus
}
#endif

#endif

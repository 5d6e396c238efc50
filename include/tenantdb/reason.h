/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reasons: which failure exactly.
 *
 * A number means the same for ever and is never used again for something
 * else; new ones may appear in any release. doc/reference/reasons.md is made
 * from this list.
 */
#ifndef TENANTDB_REASON_H
#define TENANTDB_REASON_H

#include <tenantdb/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The reasons. */
enum {
  TENANTDB_REASON_OUT_OF_MEMORY = 1, /**< an allocation failed */
  TENANTDB_REASON_INTERNAL = 2, /**< the library found itself in the wrong */
  TENANTDB_REASON_NULL_ARGUMENT = 3, /**< an argument that must be given is NULL */
  TENANTDB_REASON_BAD_HANDLE = 4, /**< a handle is not one of this library, or was freed */
  TENANTDB_REASON_BAD_ARGUMENT = 5, /**< an argument is out of its range or does not parse */
  TENANTDB_REASON_BUFFER_TOO_SMALL = 6, /**< the caller's buffer does not hold the text */
  TENANTDB_REASON_DATABASE_CLOSED = 7, /**< the database was closed */
  TENANTDB_REASON_UNSUPPORTED_HERE = 8, /**< this build, server or catalog cannot do it */
  TENANTDB_REASON_FORKED = 9, /**< the database was opened before fork() and belongs to the parent */
  TENANTDB_REASON_UNKNOWN_OPTION = 20, /**< there is no option of that key */
  TENANTDB_REASON_BAD_OPTION_VALUE = 21, /**< an option's value does not parse or is out of range */
  TENANTDB_REASON_BAD_IDENTIFIER = 40, /**< a name is empty, too long, not UTF-8 or holds NUL */
  TENANTDB_REASON_SQL_SYNTAX = 41, /**< SQL text cannot be split into tokens */
  TENANTDB_REASON_DUPLICATE_NAME = 42, /**< something of that name is declared already */
  TENANTDB_REASON_UNKNOWN_TABLE = 43, /**< no table of that name is declared */
  TENANTDB_REASON_UNKNOWN_COLUMN = 44, /**< no column of that name is declared */
  TENANTDB_REASON_UNKNOWN_BASE = 45, /**< no base of that name is declared */
  TENANTDB_REASON_AMBIGUOUS_TABLE = 46, /**< several bases have a table of that name */
  TENANTDB_REASON_BAD_REFERENCE = 47, /**< a foreign key goes to nowhere, or to where it may not go */
  TENANTDB_REASON_SCRIPT_STATEMENT = 48, /**< a script holds a statement that does not belong in a registry */
  TENANTDB_REASON_SCRIPT_QUALIFIED = 49, /**< a script qualifies a name with a schema */
  TENANTDB_REASON_REGISTRY_FROZEN = 50, /**< the registry is open with a database */
  TENANTDB_REASON_BAD_DECLARATION = 51, /**< a declaration is incomplete or contradicts itself */
  TENANTDB_REASON_VOLATILE_PREDICATE = 52, /**< an index predicate depends on the time of day */
  TENANTDB_REASON_BAD_MARKER = 60, /**< a marker in a statement is malformed */
  TENANTDB_REASON_MISSING_SCHEMA_NAME = 61, /**< a statement needs a schema that was not given */
  TENANTDB_REASON_BAD_BUILDER = 62, /**< a statement's builder was given something that does not fit, or too little */
  TENANTDB_REASON_CONNECT_FAILED = 80, /**< no connection could be made */
  TENANTDB_REASON_AUTHENTICATION = 81, /**< the server refused the login */
  TENANTDB_REASON_DATABASE_MISSING = 82, /**< the server has no such database */
  TENANTDB_REASON_CONNECTION_LOST = 83, /**< the connection broke */
  TENANTDB_REASON_CONNECT_TIMEOUT = 84, /**< no connection within the deadline */
  TENANTDB_REASON_CALL_TIMEOUT = 85, /**< no answer within the deadline */
  TENANTDB_REASON_SERVER_TOO_OLD = 86, /**< the server is older than PostgreSQL 13 */
  TENANTDB_REASON_SERVER_STARTING = 87, /**< the server is starting up or shutting down */
  TENANTDB_REASON_SERVER_FULL = 88, /**< the server has no connection, memory, disk or lock left */
  TENANTDB_REASON_READ_ONLY_SERVER = 89, /**< the server or the transaction is read only */
  TENANTDB_REASON_CONNECTION_UNFIT = 90, /**< the connection lacks parameters that quoting depends on */
  TENANTDB_REASON_PROTOCOL = 91, /**< the server answered what it may not */
  TENANTDB_REASON_POOLER_BETWEEN = 92, /**< a pooler stands between, and this cannot work through it */
  TENANTDB_REASON_SERVER_ERROR = 100, /**< the server refused the SQL */
  TENANTDB_REASON_SERVER_PERMISSION = 101, /**< the server refused for lack of a privilege */
  TENANTDB_REASON_SERVER_CONSTRAINT = 102, /**< a constraint refused the data */
  TENANTDB_REASON_SERIALIZATION = 103, /**< the transaction collided with another and can be run again */
  TENANTDB_REASON_LOCK_TIMEOUT = 104, /**< a lock was not had in time */
  TENANTDB_REASON_STATEMENT_TIMEOUT = 105, /**< the server stopped the statement */
  TENANTDB_REASON_STATEMENT_CANCELLED = 106, /**< the statement was cancelled */
  TENANTDB_REASON_OUTCOME_UNKNOWN = 107, /**< the connection broke during COMMIT */
  TENANTDB_REASON_TRANSACTION_FAILED = 108, /**< the transaction failed earlier and must be rolled back */
  TENANTDB_REASON_NO_TRANSACTION = 109, /**< there is no transaction */
  TENANTDB_REASON_IN_TRANSACTION = 110, /**< there is a transaction already */
  TENANTDB_REASON_TRANSACTION_CONTROL = 111, /**< a statement that begins or ends a transaction was given as a query */
  TENANTDB_REASON_TRANSACTION_LOST = 112, /**< the transaction ended without being asked to */
  TENANTDB_REASON_MULTIPLE_STATEMENTS = 113, /**< several statements were given where one is allowed */
  TENANTDB_REASON_LOCALLY_COMMITTED = 114, /**< committed here, but a synchronous standby did not confirm */
  TENANTDB_REASON_CALL_UNDER_WAY = 115, /**< another call of the session has not ended */
  TENANTDB_REASON_NO_CALL = 116, /**< nothing was started on the session */
  TENANTDB_REASON_FUNCTION_FAILED = 117, /**< the function of a transaction returned a failure without an error */
  TENANTDB_REASON_NO_COPY = 118, /**< no COPY is under way, or none of that direction */
  TENANTDB_REASON_SCOPE_CONTROL = 119, /**< a statement that changes the role of the scope was given as a query */
  TENANTDB_REASON_POOL_TIMEOUT = 120, /**< no connection became free in time */
  TENANTDB_REASON_SESSION_BROKEN = 121, /**< the session's connection is gone */
  TENANTDB_REASON_TENANT_SHARE = 122, /**< the tenant has all the connections it may have, and none became free in time */
  TENANTDB_REASON_BAD_PARAMETER = 130, /**< a value for a statement is not of its type's form */
  TENANTDB_REASON_NULL_VALUE = 131, /**< a cell asked for as a value is SQL NULL */
  TENANTDB_REASON_WRONG_TYPE = 132, /**< a column's type cannot be read as what was asked for */
  TENANTDB_REASON_VALUE_RANGE = 133, /**< a cell's value does not fit what was asked for */
  TENANTDB_REASON_BAD_VALUE = 134, /**< a cell's text or bytes cannot be read as what was asked for */
  TENANTDB_REASON_CATALOG_MISSING = 140, /**< the database has no catalog yet */
  TENANTDB_REASON_CATALOG_NEWER = 141, /**< the catalog was written by a newer library */
  TENANTDB_REASON_CATALOG_OLDER = 142, /**< the catalog must be upgraded first */
  TENANTDB_REASON_CATALOG_COLLISION = 143, /**< the catalog's tables would collide with others */
  TENANTDB_REASON_SHARED_TABLE_DIFFERS = 144, /**< a table in the shared schema is not the declared one */
  TENANTDB_REASON_SHARED_TABLES_ELSEWHERE = 145, /**< the shared tables are not in the schema that the configuration names */
  TENANTDB_REASON_SCOPE_NOT_PROVED = 160, /**< what is in force on the connection is not the tenant's scope */
  TENANTDB_REASON_ISOLATION_TOO_LOW = 161, /**< the isolation level is below the minimum */
  TENANTDB_REASON_TENANT_HAS_NO_ROLE = 162, /**< the tenant was provisioned at a lower isolation level */
  TENANTDB_REASON_HARDEN_REFUSED = 163, /**< the connected user may not change what hardening has to change */
  TENANTDB_REASON_CREDENTIALS_NOT_GIVEN = 164, /**< nobody has told the password of a tenant's login role */
  TENANTDB_REASON_CREDENTIALS_FAILED = 165, /**< the function that keeps passwords did not do it */
  TENANTDB_REASON_SLUG_EMPTY = 180, /**< a slug is empty */
  TENANTDB_REASON_SLUG_TOO_LONG = 181, /**< a slug makes a name of more than 63 bytes */
  TENANTDB_REASON_SLUG_CHARACTER = 182, /**< a slug holds a character that is not allowed */
  TENANTDB_REASON_SLUG_NOT_UTF8 = 183, /**< a slug is not valid UTF-8 */
  TENANTDB_REASON_SLUG_RESERVED = 184, /**< a slug is, or makes, a reserved name */
  TENANTDB_REASON_SLUG_TAKEN = 185, /**< a living tenant has that slug */
  TENANTDB_REASON_SCHEMA_TAKEN = 186, /**< a schema of that name is there and is not ours */
  TENANTDB_REASON_ROLE_TAKEN = 187, /**< a role of that name is there and is not ours */
  TENANTDB_REASON_ID_TAKEN = 188, /**< a tenant has that id */
  TENANTDB_REASON_UNKNOWN_TENANT = 189, /**< there is no such tenant */
  TENANTDB_REASON_TENANT_NOT_ACTIVE = 190, /**< the tenant is not active */
  TENANTDB_REASON_TENANT_STATE = 191, /**< the tenant's state does not allow this */
  TENANTDB_REASON_TENANT_CHANGED = 192, /**< the tenant was changed meanwhile */
  TENANTDB_REASON_GRACE_NOT_OVER = 193, /**< the tenant's date to purge has not come */
  TENANTDB_REASON_IDEMPOTENCY_MISMATCH = 194, /**< the idempotency key was used for another request */
  TENANTDB_REASON_UNKNOWN_STATE = 195, /**< there is no state of that name */
  TENANTDB_REASON_BAD_PROPERTIES = 196, /**< properties are not a JSON object */
  TENANTDB_REASON_VERIFICATION_FAILED = 197, /**< the tenant as provisioned is not what the registry says */
  TENANTDB_REASON_OPERATION_HELD = 198, /**< somebody else is working on the tenant */
  TENANTDB_REASON_ROLE_IN_USE = 199, /**< a tenant's role has possessions or rights in another database */
  TENANTDB_REASON_TENANT_BEHIND = 220, /**< the tenant's schema is older than what is needed */
  TENANTDB_REASON_FLEET_PARTLY = 221, /**< some tenants of many failed; the result says which */
  TENANTDB_REASON_UNKNOWN_VIEW = 222, /**< there is no view over tenants of that name */
  TENANTDB_REASON_VIEW_EXISTS = 223, /**< a view over tenants, or something else, has that name */
  TENANTDB_REASON_RELOCATION_REFUSED = 240, /**< something cannot be relocated so; the plan says what and why */
  TENANTDB_REASON_RELOCATION_NAME_TAKEN = 241, /**< where tables are to go, something else has a name of theirs */
  TENANTDB_REASON_RELOCATION_OPEN = 242, /**< another relocation is not finished yet */
  TENANTDB_REASON_NO_RELOCATION = 243, /**< there is no relocation to finish */
  TENANTDB_REASON_OLD_NAME_USED = 244, /**< something still uses the names from before a relocation */
  TENANTDB_REASON_SCHEMA_DIFFERS = 245, /**< an existing schema is not what the registry declares */
  TENANTDB_REASON_TENANT_DIFFERS = 260, /**< a tenant's or an archive's tables are not those that the registry declares */
  TENANTDB_REASON_BAD_ARCHIVE = 261, /**< an archive is damaged or cut off, or is no archive at all */
  TENANTDB_REASON_ARCHIVE_NEWER = 262, /**< an archive is of a format that this library does not know */
  TENANTDB_REASON_REFERENCE_UNRESOLVED = 263, /**< rows refer to rows of shared tables that are not there */
  TENANTDB_REASON_COPY_DIFFERS = 264, /**< what was copied is not what was there: a count or a checksum differs */
  TENANTDB_REASON_FILE = 265, /**< a file cannot be read or written */
  TENANTDB_REASON_MOVE_REFUSED = 270, /**< something that moving a tenant needs is lacking; the report says what */
  TENANTDB_REASON_MOVE_OPEN = 271, /**< a move of the tenant is under way, to be finished or undone first */
  TENANTDB_REASON_MOVE_PATIENCE = 272, /**< patience ended before the tenant was switched */
  TENANTDB_REASON_TENANT_MOVED = 273, /**< the tenant was moved to another database */
  TENANTDB_REASON_NO_MOVE = 274, /**< there is no move to undo */
  TENANTDB_REASON_BAD_MIGRATION = 280, /**< a migration's file, name, directive or text cannot be used; the message names the place */
  TENANTDB_REASON_HISTORY_EDITED = 281, /**< a migration that was applied has another text now */
  TENANTDB_REASON_HISTORY_MISSING = 282, /**< a migration that was applied is not in the set */
  TENANTDB_REASON_OUT_OF_ORDER = 283, /**< a migration is older than what was applied already */
  TENANTDB_REASON_REQUIRES_SHARED = 284, /**< a tenant's migration needs a version of the shared schema that is not there */
  TENANTDB_REASON_LEFT_SCOPE = 285, /**< a migration left its schema or changed its role */
  TENANTDB_REASON_NO_WAY_BACK = 286, /**< a migration says nothing about how to undo it */
  TENANTDB_REASON_DOWN_REFUSED = 287, /**< going back is not allowed for many tenants unless asked for by name */
  TENANTDB_REASON_BASELINE_DIFFERS = 288, /**< a schema is not what the migrations up to the baseline make */
  TENANTDB_REASON_RUN_PARTLY = 289, /**< some tenants of a run failed; the run says which */
  TENANTDB_REASON_RUN_STOPPED = 290, /**< a run stopped: its limit of failures was reached */
  TENANTDB_REASON_UNKNOWN_RUN = 291, /**< there is no run of that id */
  TENANTDB_REASON_RUN_STATE = 292, /**< a run's state does not allow it */
  TENANTDB_REASON_BAD_CHANGE = 293, /**< a change of a table is declared wrongly */
  TENANTDB_REASON_CHANGE_REFUSED = 294, /**< a change of a table cannot be made as the table is */
  TENANTDB_REASON_NO_MIGRATIONS = 295, /**< no set of migrations is in use */
  TENANTDB_REASON_NO_BASELINE = 296, /**< a schema was made without migrations, and nobody has said which of them it has */
  TENANTDB_REASON_SUMS_DIFFER = 297 /**< files of migrations are not those that tenantdb.sum lists */
};

/**
 * tenantdb_reason_name() - a reason's name, such as "SLUG_TAKEN"
 * @reason: a TENANTDB_REASON_ number
 *
 * Returns "?" for a number that is no reason.
 *
 * Ownership: the string is static.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_reason_name(int32_t reason);

#ifdef __cplusplus
}
#endif

#endif

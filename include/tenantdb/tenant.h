/* SPDX-License-Identifier: PostgreSQL */
/*
 * Tenants: their names and their life.
 *
 * A tenant has an id (uuid), a slug (unique among living tenants, compared
 * without regard to case), a schema and, from isolation level role up, a role.
 *
 *   (none) -> pending                     tenantdb_tenant_register()
 *   pending -> active                     tenantdb_tenant_activate(): makes the schema, in one transaction
 *   (none) -> active                      tenantdb_tenant_create(): both in one transaction
 *   active <-> suspended                  suspend, resume
 *   active, suspended -> archived         archive; remove (with a date to purge)
 *   archived -> suspended                 restore
 *   pending, active, suspended, archived -> deleting -> deleted      purge
 *
 * Every change is a compare-and-set on the tenant's generation: of two callers who
 * change the same tenant at once, one wins and the other is told TENANTDB_CONFLICT
 * or TENANTDB_STATE.
 */
#ifndef TENANTDB_TENANT_H
#define TENANTDB_TENANT_H

#include <tenantdb/api.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A tenant as it was when it was read. */
typedef struct tenantdb_tenant tenantdb_tenant;
/** What a new tenant should be, beside its slug. */
typedef struct tenantdb_tenant_spec tenantdb_tenant_spec;

/** States of a tenant. */
enum {
  TENANTDB_TENANT_PENDING = 1,
  TENANTDB_TENANT_PROVISIONING = 2,
  TENANTDB_TENANT_ACTIVE = 3,
  TENANTDB_TENANT_FAILED = 4,
  TENANTDB_TENANT_SUSPENDED = 5,
  TENANTDB_TENANT_ARCHIVED = 6,
  TENANTDB_TENANT_DELETING = 7,
  TENANTDB_TENANT_DELETED = 8
};

/**
 * tenantdb_tenant_create() - register, provision, verify and activate a tenant, in one transaction
 * @db:     a database
 * @slug:   letters, digits, "-" and "_", as long as the schema's name allows (63 bytes)
 * @spec:   NULL for none
 * @tenant: receives the tenant; may be NULL
 * @error:  as everywhere
 *
 * When it fails, nothing of the tenant exists. When the connection dies while the
 * server commits, the library connects again and finds out; only when it cannot,
 * TENANTDB_UNKNOWN is returned with the operation's id. TENANTDB_MEMORY can also mean
 * that the tenant was made and could not be handed out: tenantdb_tenant_get() tells.
 *
 * Ownership: *tenant is yours, tenantdb_tenant_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, ALREADY_EXISTS, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, CONSTRAINT, SQL, STATE, UNSUPPORTED, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_create(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec, tenantdb_tenant **tenant, tenantdb_error **error);

/**
 * tenantdb_tenant_register() - write a tenant down, pending, without a schema
 * @db:     a database
 * @slug:   as for tenantdb_tenant_create()
 * @spec:   NULL for none
 * @tenant: receives the tenant; may be NULL
 * @error:  as everywhere
 *
 * Ownership: *tenant is yours, tenantdb_tenant_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, ALREADY_EXISTS, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, STATE, UNSUPPORTED, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_register(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec, tenantdb_tenant **tenant, tenantdb_error **error);

/**
 * tenantdb_tenant_activate() - provision a pending tenant and make it active, in one transaction
 * @db:     a database
 * @tenant: slug or id, NUL-terminated UTF-8
 * @result: receives the tenant as it is afterwards; may be NULL
 * @error:  as everywhere
 *
 * When it fails the tenant stays pending and may be activated again.
 *
 * Ownership: *result is yours, tenantdb_tenant_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, ALREADY_EXISTS, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, CONSTRAINT, UNSUPPORTED, SQL, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_activate(tenantdb *db, const char *tenant, tenantdb_tenant **result, tenantdb_error **error);

/**
 * tenantdb_tenant_get() - read a tenant from the catalog
 * @db:     a database
 * @tenant: slug of a living tenant, or id of any, a deleted one too
 * @result: receives the tenant
 * @error:  as everywhere
 *
 * Ownership: *result is yours, tenantdb_tenant_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, CONNECTION, TIMEOUT, BUSY, STATE, UNSUPPORTED, PERMISSION, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_get(tenantdb *db, const char *tenant, tenantdb_tenant **result, tenantdb_error **error);

/**
 * tenantdb_tenant_list() - list tenants, ordered by slug
 * @db:     a database
 * @states: names of states separated by commas; NULL for all but deleted
 * @prefix: only slugs that begin with it, in any case; NULL for all
 * @after:  only slugs behind this one: the last of the page before; NULL for the first page
 * @limit:  rows at the most, 1 to 10000; 0 for 100
 * @result: receives a table: id, slug, name, schema, role, state, generation, version, registry_hash,
 *          created_at,
 *          updated_at, purge_after, properties
 * @error:  as everywhere
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, CONNECTION, TIMEOUT, BUSY, STATE, UNSUPPORTED, PERMISSION, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_list(tenantdb *db, const char *states, const char *prefix, const char *after, int32_t limit, tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_tenant_suspend() - close an active tenant for its sessions
 * @db:     a database
 * @tenant: slug or id, NUL-terminated UTF-8
 * @result: receives the tenant as it is afterwards; may be NULL
 * @error:  as everywhere
 *
 * The change of state, what it does to the tenant's privileges, its audit row and
 * its operation record are one transaction.
 * At level role the server itself refuses from that moment on; at level
 * routing other processes notice within option session.tenant_cache.
 *
 * Ownership: *result is yours, tenantdb_tenant_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_suspend(tenantdb *db, const char *tenant, tenantdb_tenant **result, tenantdb_error **error);

/**
 * tenantdb_tenant_resume() - open a suspended tenant again
 * @db:     a database
 * @tenant: slug or id, NUL-terminated UTF-8
 * @result: receives the tenant as it is afterwards; may be NULL
 * @error:  as everywhere
 *
 * The change of state, what it does to the tenant's privileges, its audit row and
 * its operation record are one transaction.
 *
 * Ownership: *result is yours, tenantdb_tenant_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_resume(tenantdb *db, const char *tenant, tenantdb_tenant **result, tenantdb_error **error);

/**
 * tenantdb_tenant_archive() - put an active or suspended tenant away, with its data
 * @db:     a database
 * @tenant: slug or id, NUL-terminated UTF-8
 * @result: receives the tenant as it is afterwards; may be NULL
 * @error:  as everywhere
 *
 * The change of state, what it does to the tenant's privileges, its audit row and
 * its operation record are one transaction.
 *
 * Ownership: *result is yours, tenantdb_tenant_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_archive(tenantdb *db, const char *tenant, tenantdb_tenant **result, tenantdb_error **error);

/**
 * tenantdb_tenant_restore() - bring an archived tenant back, suspended
 * @db:     a database
 * @tenant: slug or id, NUL-terminated UTF-8
 * @result: receives the tenant as it is afterwards; may be NULL
 * @error:  as everywhere
 *
 * The change of state, what it does to the tenant's privileges, its audit row and
 * its operation record are one transaction.
 * Takes back a date to purge that tenantdb_tenant_remove() set.
 *
 * Ownership: *result is yours, tenantdb_tenant_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_restore(tenantdb *db, const char *tenant, tenantdb_tenant **result, tenantdb_error **error);

/**
 * tenantdb_tenant_remove() - archive a tenant with a date after which it may be purged
 * @db:            a database
 * @tenant:        slug or id, NUL-terminated UTF-8
 * @grace_seconds: how long it can still be restored, 0 to 10 years in seconds; -1 for option
 *                 tenant.grace
 * @result:        receives the tenant as it is afterwards; may be NULL
 * @error:         as everywhere
 *
 * The change of state, what it does to the tenant's privileges, its audit row and
 * its operation record are one transaction.
 * No data is dropped. An archived tenant gets, or changes, its date.
 *
 * Ownership: *result is yours, tenantdb_tenant_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_remove(tenantdb *db, const char *tenant, int64_t grace_seconds, tenantdb_tenant **result, tenantdb_error **error);

/**
 * tenantdb_tenant_purge() - drop a tenant's schema and role for good
 * @db:     a database
 * @tenant: slug or id, NUL-terminated UTF-8
 * @force:  0: only an archived tenant whose date to purge has passed;
 *          1: also a pending, active, suspended or archived one, now
 * @error:  as everywhere
 *
 * Drops in batches of at most 100 tables a transaction, so that the server's lock
 * table is never exhausted. When it is interrupted the tenant stays deleting, and
 * calling it again, or tenantdb_reconcile(), goes on. Of the tenant the catalog
 * keeps a row in state deleted; its slug is free again.
 *
 * Ownership: nothing is handed over.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_purge(tenantdb *db, const char *tenant, int32_t force, tenantdb_error **error);

/**
 * tenantdb_tenant_rename() - give a living tenant another slug
 * @db:     a database
 * @tenant: slug or id, NUL-terminated UTF-8
 * @slug:   the new slug, as for tenantdb_tenant_create()
 * @result: receives the tenant as it is afterwards; may be NULL
 * @error:  as everywhere
 *
 * The schema and the role keep their names, so open sessions are not disturbed.
 *
 * Ownership: *result is yours, tenantdb_tenant_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, ALREADY_EXISTS, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_rename(tenantdb *db, const char *tenant, const char *slug, tenantdb_tenant **result, tenantdb_error **error);

/**
 * tenantdb_tenant_rotate_password() - give a tenant's login a new password, made by the library
 * @db:     a database at isolation level login
 * @tenant: slug or id, NUL-terminated UTF-8
 * @error:  as everywhere
 *
 * The new password is kept by the function given to tenantdb_config_credentials()
 * before the role has it, and the old one is forgotten after that; whatever
 * fails between, the one in force is always kept. Connections that are open
 * stay. Other processes find the new one when the server refuses the old.
 *
 * Ownership: nothing is handed over.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, ISOLATION, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_rotate_password(tenantdb *db, const char *tenant, tenantdb_error **error);

/**
 * tenantdb_tenant_set_password() - give a tenant's login a password of yours
 * @db:       a database at isolation level login
 * @tenant:   slug or id, NUL-terminated UTF-8
 * @password: the password, NUL-terminated UTF-8, not empty
 * @error:    as everywhere
 *
 * The server is given a SCRAM verifier of it. With option login.passwords =
 * caller this process remembers it until the database is closed.
 *
 * Ownership: @password stays yours.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, ISOLATION, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_set_password(tenantdb *db, const char *tenant, const char *password, tenantdb_error **error);

/**
 * tenantdb_tenant_use_password() - tell this process the password of a tenant's login
 * @db:       a database at isolation level login, option login.passwords = caller
 * @tenant:   slug or id, NUL-terminated UTF-8
 * @password: the password; NULL makes the process forget it
 * @error:    as everywhere
 *
 * Changes nothing on the server, and is tried when a connection is made.
 *
 * Ownership: @password stays yours.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, ISOLATION, PERMISSION, CONNECTION, TIMEOUT, BUSY, UNSUPPORTED, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_use_password(tenantdb *db, const char *tenant, const char *password, tenantdb_error **error);

/**
 * tenantdb_tenant_verify() - compare what a tenant has with what it should have
 * @db:       a database
 * @tenant:   slug or id, NUL-terminated UTF-8
 * @findings: receives a table: level, finding, object, expected, found, remedy; no row means
 *            that all is well
 * @error:    as everywhere
 *
 * Looks in both directions: every table of the tenant bases is in the tenant's
 * schema and none of them is in the shared schema. Compares columns, constraints
 * and indexes with the registry's, checks owner and privileges, and looks for
 * foreign keys into other tenants' schemas. Changes nothing; what the registry's
 * form is, is found in a transaction that is rolled back.
 *
 * Ownership: *findings is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, CONNECTION, TIMEOUT, BUSY, PERMISSION, UNSUPPORTED, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_verify(tenantdb *db, const char *tenant, tenantdb_result **findings, tenantdb_error **error);

/**
 * tenantdb_tenant_spec_new() - an empty specification
 *
 * Returns NULL when memory ran out.
 *
 * Ownership: yours, tenantdb_tenant_spec_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_tenant_spec *tenantdb_tenant_spec_new(void);

/**
 * tenantdb_tenant_spec_set() - set one thing about a tenant to be
 * @spec:  a specification; NULL is allowed
 * @key:   one of: name (a display name, any text), id (a uuid of your own), properties (a JSON
 *         object), idempotency_key (up to 200 bytes)
 * @value: its value; NULL takes it back
 *
 * Two calls with the same idempotency_key and the same slug and specification
 * make one tenant, and both get it; with another slug or specification the
 * second is told TENANTDB_CONFLICT.
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @spec.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_tenant_spec_set(tenantdb_tenant_spec *spec, const char *key, const char *value);

/**
 * tenantdb_tenant_spec_free() - release a specification
 * @spec: a specification, or NULL
 *
 * Ownership: takes @spec.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_tenant_spec_free(tenantdb_tenant_spec *spec);

/**
 * tenantdb_slug_check() - whether bytes would do as a slug
 * @slug:   the bytes; they need not end with NUL
 * @length: how many
 * @error:  as everywhere
 *
 * For callers who hold counted strings, in which a NUL may hide. What depends on
 * the database (its templates, schemas and tenants) is checked on creation.
 *
 * Ownership: nothing is handed over.
 * Thread:    any.
 * Status:    ARGUMENT, MEMORY.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_slug_check(const char *slug, size_t length, tenantdb_error **error);

/**
 * tenantdb_slug_from_name() - make a slug of a display name: "Acme Corp" gives "acme-corp"
 * @name:  any text, NUL-terminated UTF-8
 * @slug:  receives the slug
 * @error: as everywhere
 *
 * Letters become lower case, Latin accents are dropped, everything else becomes a
 * hyphen. Refused when nothing is left.
 *
 * Ownership: *slug is yours, tenantdb_string_free().
 * Thread:    any.
 * Status:    ARGUMENT, MEMORY.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_slug_from_name(const char *name, char **slug, tenantdb_error **error);

/**
 * tenantdb_tenant_id() - the tenant's id, a uuid as text
 * @tenant: a tenant; NULL gives "" or 0
 *
 * Ownership: what is returned belongs to @tenant.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_tenant_id(const tenantdb_tenant *tenant);

/**
 * tenantdb_tenant_slug() - the tenant's slug
 * @tenant: a tenant; NULL gives "" or 0
 *
 * Ownership: what is returned belongs to @tenant.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_tenant_slug(const tenantdb_tenant *tenant);

/**
 * tenantdb_tenant_name() - the display name, "" when none was given
 * @tenant: a tenant; NULL gives "" or 0
 *
 * Ownership: what is returned belongs to @tenant.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_tenant_name(const tenantdb_tenant *tenant);

/**
 * tenantdb_tenant_schema() - the name of the tenant's schema, unquoted
 * @tenant: a tenant; NULL gives "" or 0
 *
 * Ownership: what is returned belongs to @tenant.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_tenant_schema(const tenantdb_tenant *tenant);

/**
 * tenantdb_tenant_role() - the name of the tenant's role, unquoted; "" at level routing
 * @tenant: a tenant; NULL gives "" or 0
 *
 * Ownership: what is returned belongs to @tenant.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_tenant_role(const tenantdb_tenant *tenant);

/**
 * tenantdb_tenant_state() - the state, a TENANTDB_TENANT_ number
 * @tenant: a tenant; NULL gives "" or 0
 *
 * Ownership: what is returned belongs to @tenant.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_tenant_state(const tenantdb_tenant *tenant);

/**
 * tenantdb_tenant_state_name() - the state's name, such as "active"
 * @tenant: a tenant; NULL gives "" or 0
 *
 * Ownership: what is returned belongs to @tenant.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_tenant_state_name(const tenantdb_tenant *tenant);

/**
 * tenantdb_tenant_generation() - how often the tenant was changed, from 1
 * @tenant: a tenant; NULL gives "" or 0
 *
 * Ownership: what is returned belongs to @tenant.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int64_t tenantdb_tenant_generation(const tenantdb_tenant *tenant);

/**
 * tenantdb_tenant_version() - the version of the tenant's schema
 * @tenant: a tenant; NULL gives "" or 0
 *
 * Ownership: what is returned belongs to @tenant.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int64_t tenantdb_tenant_version(const tenantdb_tenant *tenant);

/**
 * tenantdb_tenant_created_at() - when it was registered, as PostgreSQL writes a timestamptz in UTC
 * @tenant: a tenant; NULL gives "" or 0
 *
 * Ownership: what is returned belongs to @tenant.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_tenant_created_at(const tenantdb_tenant *tenant);

/**
 * tenantdb_tenant_purge_after() - when it may be purged, or "" when no date is set
 * @tenant: a tenant; NULL gives "" or 0
 *
 * Ownership: what is returned belongs to @tenant.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_tenant_purge_after(const tenantdb_tenant *tenant);

/**
 * tenantdb_tenant_properties() - the properties, a JSON object as text
 * @tenant: a tenant; NULL gives "" or 0
 *
 * Ownership: what is returned belongs to @tenant.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_tenant_properties(const tenantdb_tenant *tenant);

/**
 * tenantdb_tenant_free() - release a tenant
 * @tenant: a tenant, or NULL
 *
 * The tenant in the database is not touched.
 *
 * Ownership: takes @tenant.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_tenant_free(tenantdb_tenant *tenant);

#ifdef __cplusplus
}
#endif

#endif

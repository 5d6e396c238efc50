/* SPDX-License-Identifier: PostgreSQL */
/*
 * Archives: cloning a tenant, taking one out of a database as one file, and
 * bringing one in, under another name or into another database.
 *
 *   tenantdb_tenant_clone(db, "acme", "acme-test", NULL, NULL, &tenant, &error);
 *   tenantdb_tenant_export_file(db, "acme", "acme.tenant", NULL, &error);
 *   tenantdb_tenant_import_file(other, "acme", NULL, "acme.tenant", NULL, &tenant, &error);
 *   tenantdb_tenant_copy(db, "acme", other, "acme", NULL, NULL, &tenant, &error);
 *
 * The new tenant's schema is made of the registry, as tenantdb_tenant_create()
 * makes it; what is copied are rows and the positions of sequences. All of it is
 * one transaction, so that an interrupted call leaves nothing, and it is
 * committed only when the count of rows and a checksum over them are for every
 * table what they are at the source. Rows are those of one moment, whoever
 * writes to the source meanwhile.
 *
 * An archive holds no credential and no password. Every piece of it is
 * checksummed, so that a damaged or cut off one is refused before anything is
 * committed; but a checksum is no signature: who may write to it may also
 * compute it anew. doc/reference/archive-format.md describes it byte by byte.
 */
#ifndef TENANTDB_ARCHIVE_H
#define TENANTDB_ARCHIVE_H

#include <tenantdb/api.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/result.h>
#include <tenantdb/tenant.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How to clone, export, import or copy. */
typedef struct tenantdb_archive_options tenantdb_archive_options;
/** A tenant being read out of a database. */
typedef struct tenantdb_export tenantdb_export;
/** A tenant being brought into a database. */
typedef struct tenantdb_import tenantdb_import;

/**
 * Takes the next bytes of an archive: write(user, bytes, length). Called on the
 * thread of the export only. Returns 0 to go on; anything else ends the export,
 * which then fails with TENANTDB_CANCELLED.
 */
typedef int32_t (*tenantdb_archive_writer)(void *user, const void *bytes, size_t length);
/**
 * Gives the next bytes of an archive: read(user, buffer, size, &length). At the
 * end it gives none. Called on the thread of the import only. Returns 0 when all
 * is well; anything else ends the import, which then fails with TENANTDB_CANCELLED.
 */
typedef int32_t (*tenantdb_archive_reader)(void *user, void *buffer, size_t size, size_t *length);

/**
 * tenantdb_archive_options_new() - options at their defaults
 *
 * Returns NULL when memory ran out.
 *
 * Ownership: yours, tenantdb_archive_options_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_archive_options *tenantdb_archive_options_new(void);

/**
 * tenantdb_archive_options_set() - set one option
 * @options: options; NULL is allowed
 * @key:     one of: data (clone: on or off, whether rows are copied; default on), state (clone,
 *           import, copy: active or suspended, what the new tenant is; default active), extra
 *           (refuse or ignore: what to do with tables that the registry does not declare; default
 *           refuse), match (import, copy: how the rows of shared tables are found that a tenant's
 *           rows refer to: key, by their natural key where they have one, else by their id; or id,
 *           by their id where there is one, else by their natural key; default key), references
 *           (import, copy: what to do with references that find no row: refuse, or null, to set
 *           them to NULL; default refuse), timeout (how long one step may take, that is, one
 *           statement, or the wait for the next bytes from the server; a duration as in
 *           tenantdb_config_set(); default: option operation.timeout)
 * @value:   its value; NULL puts the default back
 *
 * An option that a call has no use for is allowed and does nothing there.
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_archive_options_set(tenantdb_archive_options *options, const char *key, const char *value);

/**
 * tenantdb_archive_options_free() - release options
 * @options: options, or NULL
 *
 * Ownership: takes @options.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_archive_options_free(tenantdb_archive_options *options);

/**
 * tenantdb_tenant_clone() - make a new tenant like another one of the same database
 * @db:      a database
 * @source:  slug or id of a tenant that is active, suspended or archived
 * @slug:    the new tenant's, as for tenantdb_tenant_create()
 * @spec:    NULL for none; display name and properties are the source's unless it names others
 * @options: NULL for the defaults
 * @tenant:  receives the tenant; may be NULL
 * @error:   as everywhere
 *
 * With data, the source's tables must be what the registry declares; otherwise
 * it fails with TENANTDB_STATE and names the differences. References to shared
 * rows stay what they are. Triggers of the tenant bases do not fire.
 *
 * Ownership: *tenant is yours, tenantdb_tenant_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, CONSTRAINT, SQL, STATE, ISOLATION, UNSUPPORTED, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_clone(tenantdb *db, const char *source, const char *slug, const tenantdb_tenant_spec *spec, const tenantdb_archive_options *options, tenantdb_tenant **tenant, tenantdb_error **error);

/**
 * tenantdb_tenant_export() - write a tenant as an archive, piece by piece, to a function
 * @db:      a database; a standby will do
 * @tenant:  slug or id of a tenant that is active, suspended or archived
 * @options: NULL for the defaults
 * @write:   takes the bytes
 * @user:    passed to @write
 * @error:   as everywhere
 *
 * Memory does not grow with the tenant; the longest row must fit into it.
 *
 * Ownership: nothing is handed over.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, PERMISSION, CONNECTION, TIMEOUT, CANCELLED, BUSY, CONFLICT, UNSUPPORTED, SQL, INTERNAL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_export(tenantdb *db, const char *tenant, const tenantdb_archive_options *options, tenantdb_archive_writer write, void *user, tenantdb_error **error);

/**
 * tenantdb_tenant_export_file() - write a tenant as an archive to a file
 * @db:      a database; a standby will do
 * @tenant:  slug or id of a tenant that is active, suspended or archived
 * @path:    the file, which only its owner may read; one that is there is replaced
 * @options: NULL for the defaults
 * @error:   as everywhere
 *
 * The file appears under its name when all of it is on the disk, and not before.
 *
 * Ownership: nothing is handed over.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, INTERNAL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_export_file(tenantdb *db, const char *tenant, const char *path, const tenantdb_archive_options *options, tenantdb_error **error);

/**
 * tenantdb_export_open() - begin an export that is read by the caller
 * @db:      a database; a standby will do
 * @tenant:  slug or id of a tenant that is active, suspended or archived
 * @options: NULL for the defaults
 * @source:  receives the export
 * @error:   as everywhere
 *
 * It holds a connection, and on it a read-only transaction, until it is closed.
 *
 * Ownership: *source is yours, tenantdb_export_close().
 * Thread:    any; the export itself one thread at a time.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, INTERNAL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_export_open(tenantdb *db, const char *tenant, const tenantdb_archive_options *options, tenantdb_export **source, tenantdb_error **error);

/**
 * tenantdb_export_read() - the next bytes of the archive
 * @source: an export
 * @buffer: where they go
 * @size:   how much room there is, at least 1
 * @length: receives how many there are; 0 at the end, when the archive is whole
 * @error:  as everywhere
 *
 * After a failure there is nothing to be had but that failure.
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time; it may move between threads.
 * Status:    MEMORY, ARGUMENT, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, INTERNAL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_export_read(tenantdb_export *source, void *buffer, size_t size, size_t *length, tenantdb_error **error);

/**
 * tenantdb_export_close() - end an export, at its end or before
 * @source: an export, or NULL
 *
 * Ownership: takes @source.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_export_close(tenantdb_export *source);

/**
 * tenantdb_tenant_import() - make a tenant of an archive that a function gives
 * @db:      a database, the archive's or another one
 * @slug:    the new tenant's, as for tenantdb_tenant_create()
 * @spec:    NULL for none; display name and properties are the archive's unless it names others
 * @read:    gives the bytes
 * @user:    passed to @read
 * @options: NULL for the defaults
 * @tenant:  receives the tenant; may be NULL
 * @error:   as everywhere
 *
 * The archive's tables must be what this database's registry declares, else it
 * fails with TENANTDB_STATE and names the differences; a column that may be left
 * out of an INSERT may be missing in the archive. References to shared rows are
 * looked up (option match); those that find none are refused with
 * TENANTDB_CONSTRAINT, the error's detail listing some of them, or set to NULL
 * (option references). A damaged archive is TENANTDB_ARGUMENT with reason
 * BAD_ARCHIVE.
 *
 * Ownership: *tenant is yours, tenantdb_tenant_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, ALREADY_EXISTS, PERMISSION, CONNECTION, TIMEOUT, CANCELLED, BUSY, CONFLICT, CONSTRAINT, SQL, STATE, ISOLATION, UNSUPPORTED, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_import(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec, tenantdb_archive_reader read, void *user, const tenantdb_archive_options *options, tenantdb_tenant **tenant, tenantdb_error **error);

/**
 * tenantdb_tenant_import_file() - make a tenant of an archive in a file
 * @db:      a database, the archive's or another one
 * @slug:    the new tenant's, as for tenantdb_tenant_create()
 * @spec:    NULL for none; display name and properties are the archive's unless it names others
 * @path:    the file
 * @options: NULL for the defaults
 * @tenant:  receives the tenant; may be NULL
 * @error:   as everywhere
 *
 * As tenantdb_tenant_import(). A file that cannot be read is NOT_FOUND or PERMISSION,
 * or UNSUPPORTED, with reason FILE.
 *
 * Ownership: *tenant is yours, tenantdb_tenant_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, CONSTRAINT, SQL, STATE, ISOLATION, UNSUPPORTED, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_import_file(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec, const char *path, const tenantdb_archive_options *options, tenantdb_tenant **tenant, tenantdb_error **error);

/**
 * tenantdb_import_open() - begin an import that is fed by the caller
 * @db:      a database, the archive's or another one
 * @slug:    the new tenant's, as for tenantdb_tenant_create()
 * @spec:    NULL for none; display name and properties are the archive's unless it names others
 * @options: NULL for the defaults
 * @target:  receives the import
 * @error:   as everywhere
 *
 * It takes a connection when the first bytes come, and holds it, and on it a
 * transaction, until it is finished or closed.
 *
 * Ownership: *target is yours, tenantdb_import_close().
 * Thread:    any; the import itself one thread at a time.
 * Status:    MEMORY, ARGUMENT, STATE.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_import_open(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec, const tenantdb_archive_options *options, tenantdb_import **target, tenantdb_error **error);

/**
 * tenantdb_import_write() - feed the next bytes of the archive
 * @target: an import
 * @bytes:  the bytes
 * @length: how many, in pieces of any size
 * @error:  as everywhere
 *
 * After a failure nothing of the tenant is there, and every further call fails alike.
 *
 * Ownership: @bytes stays yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    MEMORY, ARGUMENT, ALREADY_EXISTS, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, CONSTRAINT, SQL, STATE, ISOLATION, UNSUPPORTED, INTERNAL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_import_write(tenantdb_import *target, const void *bytes, size_t length, tenantdb_error **error);

/**
 * tenantdb_import_finish() - the archive has ended: check, and commit the tenant
 * @target: an import
 * @tenant: receives the tenant; may be NULL
 * @error:  as everywhere
 *
 * Ownership: *tenant is yours, tenantdb_tenant_free(); @target stays yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    MEMORY, ARGUMENT, ALREADY_EXISTS, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, CONSTRAINT, SQL, STATE, ISOLATION, UNSUPPORTED, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_import_finish(tenantdb_import *target, tenantdb_tenant **tenant, tenantdb_error **error);

/**
 * tenantdb_import_references() - what became of references to shared rows
 * @target: an import that was finished
 * @result: receives a table: table_name, columns, shared_table, kept, mapped, nulled; the last three
 *          count different keys, not rows
 * @error:  as everywhere
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    one at a time; it may move between threads.
 * Status:    MEMORY, ARGUMENT, STATE.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_import_references(tenantdb_import *target, tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_import_close() - end an import; one that was not finished leaves nothing
 * @target: an import, or NULL
 *
 * Ownership: takes @target.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_import_close(tenantdb_import *target);

/**
 * tenantdb_archive_describe() - what is in an archive in memory; needs no database
 * @bytes:  the archive
 * @length: how many bytes
 * @result: receives a table: kind, name, detail, rows, bytes; see doc/guide/archives.md
 * @error:  as everywhere
 *
 * Reads all of it and checks every checksum in it.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_archive_describe(const void *bytes, size_t length, tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_archive_describe_file() - what is in an archive in a file; needs no database
 * @path:   the file
 * @result: receives a table, as from tenantdb_archive_describe()
 * @error:  as everywhere
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, PERMISSION, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_archive_describe_file(const char *path, tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_tenant_copy() - copy a tenant into another database, in a stream without a file
 * @from:    the database it is in
 * @tenant:  slug or id of a tenant that is active, suspended or archived
 * @to:      the database it comes into; the same one is allowed
 * @slug:    the new tenant's, as for tenantdb_tenant_create()
 * @spec:    NULL for none; display name and properties are the source's unless it names others
 * @options: NULL for the defaults
 * @copy:    receives the new tenant; may be NULL
 * @error:   as everywhere
 *
 * An export piped into an import: what is said of either holds. The source is only read.
 *
 * Ownership: *copy is yours, tenantdb_tenant_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, CONSTRAINT, SQL, STATE, ISOLATION, UNSUPPORTED, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_tenant_copy(tenantdb *from, const char *tenant, tenantdb *to, const char *slug, const tenantdb_tenant_spec *spec, const tenantdb_archive_options *options, tenantdb_tenant **copy, tenantdb_error **error);

#ifdef __cplusplus
}
#endif

#endif

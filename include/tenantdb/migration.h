/* SPDX-License-Identifier: PostgreSQL */
/*
 * Migrations: sets of them, from folders or from code.
 *
 *   tenantdb_migrations *set = tenantdb_migrations_new();
 *   tenantdb_migrations_load(set, "migrations", &error);
 *   tenantdb_migrations_check(set, &error);
 *
 * A set has two streams. "shared" is applied once, in the shared schema;
 * "tenant" to every tenant, in his schema. A migration is plain SQL without
 * schema names: the stream supplies the schema. It has a version, a whole number
 * of at most 18 digits, by which a stream is put in order. One that is
 * repeatable has a name instead and is applied again whenever its text changes,
 * behind all others. A checkpoint is a tenant's whole schema as of its version,
 * for new tenants to begin with.
 *
 * A folder holds the folders shared/ and tenant/ and, once
 * tenantdb_migrations_hash() wrote it, the file tenantdb.sum with a checksum of
 * every file, by which a file that was edited, lost or slipped in is noticed. Files
 * in the naming of Flyway, golang-migrate, goose and dbmate are read as they are.
 * doc/guide/migrations-files.md tells how files are written.
 *
 * Declaring needs no check per line: a set keeps its first mistake with its place,
 * and every call that uses the set reports it. The first such call freezes the
 * set: from then on any thread may read it and nothing can be added.
 */
#ifndef TENANTDB_MIGRATION_H
#define TENANTDB_MIGRATION_H

#include <tenantdb/api.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/registry.h>
#include <tenantdb/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A set of migrations. */
typedef struct tenantdb_migrations tenantdb_migrations;

/**
 * tenantdb_migrations_new() - an empty set
 *
 * Returns NULL when memory ran out.
 *
 * Ownership: yours, tenantdb_migrations_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_migrations *tenantdb_migrations_new(void);

/**
 * tenantdb_migrations_set() - say how folders are read
 * @set:   a set
 * @key:   one of: naming (whose file names: auto, tenantdb, flyway, golang-migrate, goose or dbmate;
 *         default auto, which tells by the files), sums (require, check or ignore: what to do with
 *         tenantdb.sum; default check: it must fit when it is there), flyway_parts (1 to 4: how many
 *         parts a dotted version of Flyway has; default 1), shared_schema (for lint: option
 *         database.schema; default public), tenant_prefix (for lint: what tenants' schemas begin with;
 *         default tenant_), default_lock_timeout (for lint: on or off, whether option
 *         migrate.lock_timeout is in force; default on)
 * @value: its value; NULL puts the default back
 *
 * Holds for folders that are loaded afterwards.
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time, until the set is used.
 * Status:    none; a mistake is kept and reported by every call that uses the set.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_migrations_set(tenantdb_migrations *set, const char *key, const char *value);

/**
 * tenantdb_migrations_load() - read a folder with the folders shared/ and tenant/
 * @set:    a set
 * @folder: the path; one of the two folders in it may be missing
 * @error:  as everywhere
 *
 * Everything in the folders must be understood: a file that is not, or a marker of
 * a tool that is not known, is an error. Names that begin with a dot or with README,
 * and editors' copies that end in ~, are passed over. A failure is kept as a mistake too.
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time, until the set is used.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, PERMISSION, MIGRATION, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_migrations_load(tenantdb_migrations *set, const char *folder, tenantdb_error **error);

/**
 * tenantdb_migrations_load_stream() - read one flat folder, as other tools have them
 * @set:    a set
 * @stream: "shared" or "tenant"
 * @folder: the path
 * @error:  as everywhere
 *
 * May be called again with another folder: so files of another tool and files that
 * were written since can stand in folders of their own.
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time, until the set is used.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, PERMISSION, MIGRATION, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_migrations_load_stream(tenantdb_migrations *set, const char *stream, const char *folder, tenantdb_error **error);

/**
 * tenantdb_migration_add() - add a migration in code
 * @set:     a set
 * @stream:  "shared" or "tenant"
 * @version: 1 or more, at most 18 digits
 * @title:   what it does, for people; NULL for none
 * @sql:     its text, as a file would hold it, directives included
 *
 * A file with the same text has the same sum.
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time, until the set is used.
 * Status:    none; a mistake is kept and reported by every call that uses the set.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_migration_add(tenantdb_migrations *set, const char *stream, int64_t version, const char *title, const char *sql);

/**
 * tenantdb_migration_add_down() - add the way back from a migration
 * @set:     a set
 * @stream:  "shared" or "tenant"
 * @version: of a migration that is added before or afterwards
 * @sql:     what undoes it
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time, until the set is used.
 * Status:    none; a mistake is kept and reported by every call that uses the set.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_migration_add_down(tenantdb_migrations *set, const char *stream, int64_t version, const char *sql);

/**
 * tenantdb_migration_add_repeatable() - add a migration that is applied whenever its text changes
 * @set:    a set
 * @stream: "shared" or "tenant"
 * @name:   what it is known by; repeatable ones are applied in the order of their names' bytes
 * @sql:    its text, which may be run again and again
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time, until the set is used.
 * Status:    none; a mistake is kept and reported by every call that uses the set.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_migration_add_repeatable(tenantdb_migrations *set, const char *stream, const char *name, const char *sql);

/**
 * tenantdb_migration_add_checkpoint() - add a tenant's whole schema as of a version
 * @set:     a set
 * @version: 1 or more: all migrations of the tenant stream up to it are in it
 * @title:   for people; NULL for none
 * @sql:     its text, which makes the schema out of an empty one
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time, until the set is used.
 * Status:    none; a mistake is kept and reported by every call that uses the set.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_migration_add_checkpoint(tenantdb_migrations *set, int64_t version, const char *title, const char *sql);

/**
 * tenantdb_migrations_check() - report the first mistake, and freeze the set
 * @set:   a set
 * @error: as everywhere
 *
 * Besides what was kept: two migrations of one version, a way back from nothing, a
 * required version that is not there, and every statement that cannot be part of a
 * migration as it is written, such as CREATE INDEX CONCURRENTLY in a transaction,
 * COMMIT or SET ROLE. No server is asked.
 *
 * Ownership: nothing is handed over.
 * Thread:    any once it succeeded; the first time one at a time.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, PERMISSION, MIGRATION, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_migrations_check(const tenantdb_migrations *set, tenantdb_error **error);

/**
 * tenantdb_migrations_list() - what is in a set, in the order in which it is applied
 * @set:    a set
 * @result: receives a table: stream, kind (versioned, repeatable or checkpoint), version (NULL of
 *          repeatable ones), title, file, sum (SHA-256 of the file with line ends as LF), tx
 *          (transaction or none), steps (how many statements), down (how many statements lead
 *          back, NULL when there is no way back), requires (a version of the shared stream, or
 *          NULL), lock_timeout (such as 3000ms, NULL when the option decides)
 * @error:  as everywhere
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    as tenantdb_migrations_check().
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, PERMISSION, MIGRATION, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_migrations_list(const tenantdb_migrations *set, tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_migrations_hash() - the checksums of a folder's files, and on request write them down
 * @folder: with the folders shared/ and tenant/, or a flat one
 * @write:  1: write the file tenantdb.sum into the folder, which is what makes edited history
 *          legal again; 0: only tell what it would hold
 * @text:   receives what tenantdb.sum holds then; may be NULL
 * @error:  as everywhere
 *
 * The file is replaced at once: whoever reads it sees the old or the new one. It is
 * not touched when it already holds the text.
 *
 * Ownership: *text is yours, tenantdb_string_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, PERMISSION, MIGRATION, UNSUPPORTED, INTERNAL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_migrations_hash(const char *folder, int32_t write, char **text, tenantdb_error **error);

/**
 * tenantdb_migrations_lint() - what is dangerous, doubtful or refused in a set
 * @set:      a set
 * @registry: which tables are shared and which are the tenants'; NULL: only what the set makes is known
 * @findings: receives a table: level (error, warning or notice), rule, stream, file, line, message,
 *            way_out; by file and line; no row means that nothing was found
 * @error:    as everywhere
 *
 * Of level error is what tenantdb_migrations_check() refuses, and what the server would: here all of it
 * is told at once, and OK is returned. A rule means the same for ever; new ones may
 * come with any release. A file switches a warning or a notice off with a line
 * "-- tenantdb:nolint RULE" at its head. No server is asked.
 *
 * Ownership: *findings is yours, tenantdb_result_free(); @registry stays yours.
 * Thread:    as tenantdb_migrations_check().
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, PERMISSION, MIGRATION, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_migrations_lint(const tenantdb_migrations *set, const tenantdb_registry *registry, tenantdb_result **findings, tenantdb_error **error);

/**
 * tenantdb_migrations_free() - release a set
 * @set: a set, or NULL
 *
 * Databases that use the set keep what they need of it.
 *
 * Ownership: takes @set.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_migrations_free(tenantdb_migrations *set);

#ifdef __cplusplus
}
#endif

#endif

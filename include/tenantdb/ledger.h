/* SPDX-License-Identifier: PostgreSQL */
/*
 * The ledger: what was applied to whom.
 *
 *   tenantdb_use_migrations(db, set, &error);                  // once, behind tenantdb_open()
 *   tenantdb_bootstrap(db, &error);
 *   tenantdb_migration_status(db, NULL, &status, &error);      // one row a tenant
 *
 * With a set of migrations in use new tenants are at its newest version from
 * their first moment, and the ledger says so. For a database that existed before,
 * tenantdb_migration_baseline() says once which version its schemas are of; see
 * doc/guide/migrations-adopting.md.
 */
#ifndef TENANTDB_LEDGER_H
#define TENANTDB_LEDGER_H

#include <tenantdb/api.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/migration.h>
#include <tenantdb/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * tenantdb_use_migrations() - say which migrations a database uses
 * @db:    a database
 * @set:   a set of migrations; it is frozen by this call
 * @error: as everywhere
 *
 * From now on a tenant who is created or activated gets, in the same transaction,
 * the newest version of the set and a row of kind baseline in the ledger. Option
 * migrate.new_tenants says what makes his schema: what the registry declares, or
 * the newest checkpoint and the migrations behind it; and while a change of the
 * set is unfinished, auto is the migrations. tenantdb_bootstrap() leaves
 * shared tables to the shared migrations, but in a database that has none yet.
 *
 * Call it behind tenantdb_open() and before tenantdb_bootstrap(). It may be
 * called again with a set that extends the one in use: all of that with the same
 * text, and more. Any other set is refused: open another database for it.
 *
 * A registry that says which version it declares (tenantdb_registry_version())
 * has to say the newest version of the set, when tenants are made from it.
 *
 * Ownership: @set stays yours; the database keeps what it needs of it.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, PERMISSION, MIGRATION, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_use_migrations(tenantdb *db, const tenantdb_migrations *set,
                                                     tenantdb_error **error);

/** Which tenants, which stream, and up to which version. */
typedef struct tenantdb_ledger_options tenantdb_ledger_options;

/**
 * tenantdb_ledger_options_new() - options at their defaults: all tenants that have a schema, the newest version
 *
 * Returns NULL when memory ran out.
 *
 * Ownership: yours, tenantdb_ledger_options_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_ledger_options *tenantdb_ledger_options_new(void);

/**
 * tenantdb_ledger_options_set() - set one option
 * @options: options; NULL is allowed
 * @key:     one of: tenants (slugs or ids separated by commas; an empty list is no tenant), selector
 *           (conditions as for fleets, see doc/guide/fleet.md), stream (tenant, or shared; default tenant),
 *           version (a version of that stream, or newest; for tenantdb_migration_repair() also all;
 *           default newest, and all for a repair), force (on: a baseline is written although the schema
 *           is not what the migrations make; default off)
 * @value:   its value; NULL puts the default back
 *
 * Without tenants and without a condition on the state, active, suspended and
 * archived tenants are chosen.
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_ledger_options_set(tenantdb_ledger_options *options, const char *key,
                                              const char *value);

/**
 * tenantdb_ledger_options_tenant() - add one tenant to the list of option tenants
 * @options: options; NULL is allowed
 * @tenant:  slug or id, NUL-terminated UTF-8
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_ledger_options_tenant(tenantdb_ledger_options *options, const char *tenant);

/**
 * tenantdb_ledger_options_free() - release options
 * @options: options, or NULL
 *
 * Ownership: takes @options.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_ledger_options_free(tenantdb_ledger_options *options);

/**
 * tenantdb_migration_status() - one line a tenant: which version he has and what he lacks
 * @db:      a database that uses migrations
 * @options: NULL for the defaults
 * @result:  receives a table: tenant, version, pending, file, repeatables, unfinished, failed, error, note
 * @error:   as everywhere
 *
 * "pending" is how many versioned migrations are newer than the tenant's version
 * and "file" the first of them; "repeatables" how many repeatable ones were not
 * applied with their present text; "unfinished" how many are not done, as one that
 * runs right now, or stopped between its steps. "failed" is the file that failed
 * last and "error" why. "note" is "baseline" for a tenant whose schema was made
 * without migrations: tenantdb_migration_baseline() has to say first what it is.
 *
 * The first row is the shared schema's, its tenant being NULL, unless tenants
 * were chosen; with option stream = shared it is the only one. A few queries,
 * however many tenants there are. In the order of slugs.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, CONNECTION, TIMEOUT, BUSY, PERMISSION, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_migration_status(tenantdb *db, const tenantdb_ledger_options *options,
                                                       tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_migration_versions() - how many tenants have which version
 * @db:      a database that uses migrations
 * @options: NULL for the defaults
 * @result:  receives a table: version, file, tenants, failed, which
 * @error:   as everywhere
 *
 * One row a version that some tenant has, from the newest on. "file" is the
 * migration of that version, or NULL; "failed" how many of these tenants have a
 * migration that failed; "which" a JSON array of the first 20 slugs.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, CONNECTION, TIMEOUT, BUSY, PERMISSION, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_migration_versions(tenantdb *db, const tenantdb_ledger_options *options,
                                                         tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_migration_history() - what the ledger says of one tenant
 * @db:     a database
 * @tenant: slug or id; NULL for the shared schema
 * @result: receives a table: version, name, kind, title, state, sum, present, steps, steps_done, attempts,
 *          started_at, finished_at, duration_ms, sqlstate, error, run, actor
 * @error:  as everywhere
 *
 * In the order of versions, repeatable ones behind them by name. "present" is t
 * when the set in use has this migration with this sum, f when it has not, and
 * NULL for a baseline and when no set is in use.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, CONNECTION, TIMEOUT, BUSY, PERMISSION, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_migration_history(tenantdb *db, const char *tenant,
                                                        tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_migration_baseline() - say which version schemas are of that existed before
 * @db:      a database that uses migrations
 * @options: stream, version, tenants, selector, force; NULL for the defaults
 * @result:  receives a table: tenant, version, outcome, note
 * @error:   as everywhere
 *
 * The migrations up to that version are carried out in a scratch schema, which is
 * rolled back, and every chosen schema whose fingerprint is the same gets a row of
 * kind baseline in the ledger, and the version. Nothing is run in the schemas
 * themselves. Repeatable migrations that the schema agrees with count as applied
 * when the version is the newest.
 *
 * "outcome" is "stamped", "there" when the ledger knew of that version or a newer
 * one already, or "differs"; "note" says in what. With option force a schema that
 * differs is stamped all the same. In the order of slugs; of the shared schema
 * there is one row, its tenant being NULL.
 *
 * When some schemas differ the others are stamped all the same. When every one
 * that was chosen differs the call fails with BASELINE_DIFFERS and names the first,
 * and in what. Of the shared schema only what the migrations make is compared:
 * others may have tables there.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, CONNECTION, TIMEOUT, BUSY, PERMISSION, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_migration_baseline(tenantdb *db, const tenantdb_ledger_options *options,
                                                         tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_migration_repair() - take the present text of applied migrations for the one that was applied
 * @db:      a database that uses migrations
 * @options: stream, version, tenants, selector; NULL for the defaults: all versions of all tenants
 * @result:  receives a table: version, name, file, action, tenants
 * @error:   as everywhere
 *
 * The ledger's sums of migrations that are done become those of the set in use,
 * for who has edited a file and knows that it does the same. Marks of migrations
 * that failed before they had done anything are cleared; those that have done
 * some of their steps keep them, and go on there. Nothing is run. One row an
 * action that was taken: "sum" or "cleared", and for how many tenants. Unless
 * tenants were chosen, standby schemas are repaired too and counted with them.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, CONNECTION, TIMEOUT, BUSY, PERMISSION, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_migration_repair(tenantdb *db, const tenantdb_ledger_options *options,
                                                       tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_migration_draft() - what the registry declares and migrations do not make, as the next files
 * @db:     a database that uses migrations
 * @stream: "tenant" or "shared"
 * @result: receives a table: file, sql, note
 * @error:  as everywhere
 *
 * All migrations are carried out in a scratch schema, which is rolled back, and
 * compared with what the registry declares. One row a file that would end the
 * difference, in order, with a name that continues the numbers of the set: first
 * what can be one transaction, then, with its directive, what cannot. No row when
 * there is no difference. Comments in the text, and "note", say what is to be
 * looked at: what would lose data is left to you. A draft is never applied unread.
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, CONNECTION, TIMEOUT, BUSY, PERMISSION, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_migration_draft(tenantdb *db, const char *stream,
                                                      tenantdb_result **result, tenantdb_error **error);

#ifdef __cplusplus
}
#endif

#endif

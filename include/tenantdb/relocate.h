/* SPDX-License-Identifier: PostgreSQL */
/*
 * Relocation: moving what is there to another schema, without copying a row.
 *
 *   tenantdb_relocate_options_set(options, "to", "teddy-ai");
 *   tenantdb_relocate_options_set(options, "way", "views");
 *   tenantdb_relocate(db, options, 1, NULL, &error);
 *   ... every process now runs with database.schema = teddy-ai ...
 *   tenantdb_relocate_finish(db, NULL, 1, NULL, &error);
 *
 * Three things can be relocated (option "what"): the tables of the shared bases,
 * from one schema to another; a tenant's schema, which is renamed; and a schema
 * that somebody made by hand, which becomes a tenant's.
 *
 * Shared tables go in one of two ways. At once: one transaction, after which the
 * old names are gone. By views: each table moves in a short transaction of its
 * own, and before and after it every table is found under both names, one of
 * them a view, so that versions of the application that know the old schema and
 * versions that know the new one read and write at the same time.
 * tenantdb_relocate_finish() takes the old names away. doc/guide/relocation.md
 * tells what a view cannot stand for.
 *
 * With either way a handle keeps the schema it was opened with; open the database
 * again with option database.schema set to the new one.
 */
#ifndef TENANTDB_RELOCATE_H
#define TENANTDB_RELOCATE_H

#include <tenantdb/api.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is to be relocated, and how. */
typedef struct tenantdb_relocate_options tenantdb_relocate_options;

/**
 * tenantdb_relocate_options_new() - options at their defaults
 *
 * Returns NULL when memory ran out.
 *
 * Ownership: yours, tenantdb_relocate_options_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_relocate_options *tenantdb_relocate_options_new(void);

/**
 * tenantdb_relocate_options_set() - set one option
 * @options: options; NULL is allowed
 * @key:     one of: what (shared: tables of the shared bases; tenant: a tenant's schema gets another
 *           name; adopt: a schema that is there becomes a new tenant's; default shared), from (shared: the
 *           schema where they are, default option database.schema; adopt: the schema), to (shared, tenant:
 *           the schema's new name), tenant (tenant: slug or id; adopt: the new tenant's slug), way (shared:
 *           at_once or views; default at_once), tables (shared: names separated by commas; default all that
 *           the shared bases declare), names (views: under which names the things that a view cannot stand
 *           for, which are sequences, types and functions, are found until it is finished: old or new;
 *           default old), force (on or off; default off: what is suspected but not certain does not refuse;
 *           adopt: nor does what differs), lock_timeout (how long anybody may have to wait for us at a time;
 *           default 500ms, 10ms to 10s), patience (how long to go on trying; default option
 *           operation.timeout), watch (finish: how long to look for sessions that use the old names; default 0:
 *           one look)
 * @value:   its value; NULL puts the default back
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_relocate_options_set(tenantdb_relocate_options *options, const char *key, const char *value);

/**
 * tenantdb_relocate_options_table() - add one table to the list of option tables
 * @options: options; NULL is allowed
 * @table:   its name, which may hold a comma here
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_relocate_options_table(tenantdb_relocate_options *options, const char *table);

/**
 * tenantdb_relocate_options_free() - release options
 * @options: options, or NULL
 *
 * Ownership: takes @options.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_relocate_options_free(tenantdb_relocate_options *options);

/**
 * tenantdb_relocate() - move shared tables, rename a tenant's schema, or make a schema a tenant's
 * @db:      a database, bootstrapped
 * @options: what and where to
 * @apply:   0: only the plan; 1: carry it out
 * @plan:    receives a table: step, object, sql, locks, state (planned, done, there, kept or refused),
 *           note; may be NULL
 * @error:   as everywhere
 *
 * A row with the state refused is a reason not to do it: the plan is given all the
 * same, nothing is changed, and with @apply the answer is an error. A finding of
 * tenantdb_tenant_verify() is such a row when a schema is adopted.
 *
 * At once, and for tenants, everything is one transaction: whatever happens, it
 * was done or it was not. By views it is many; interrupted at any point both names
 * work, and calling it again goes on; as long as the one who died has a lease
 * (option operation.lease) others are told BUSY. Tables that are in the new
 * schema already are there, and no mistake.
 *
 * Locks that are not had within option lock_timeout are given up and tried again
 * after a pause, so that nobody waits longer for us than that; BUSY when patience
 * is over, naming who holds the lock. TENANTDB_MEMORY can also mean that it was
 * done and the plan could not be handed out.
 *
 * Ownership: *plan is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, ALREADY_EXISTS, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_relocate(tenantdb *db, const tenantdb_relocate_options *options, int32_t apply, tenantdb_result **plan, tenantdb_error **error);

/**
 * tenantdb_relocate_finish() - take the old names away after a relocation by views
 * @db:      a database, of whichever schema
 * @options: force, lock_timeout, patience and watch count; NULL for the defaults
 * @apply:   0: only the plan; 1: carry it out
 * @plan:    receives a table as that of tenantdb_relocate(); may be NULL
 * @error:   as everywhere
 *
 * One transaction, which drops the views and moves the sequences, types and
 * functions that were left. It is refused, with OLD_NAME_USED, while something in
 * the database depends on one of the views; while a function's text or a
 * session's last statement names one with its schema; and while somebody holds
 * a lock on one. Only the first is certain and is refused with force too: what
 * others made is never dropped. A statement that names a table without its schema
 * by the search path, and one that nobody has sent lately, cannot be known.
 *
 * Ownership: *plan is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, ALREADY_EXISTS, STATE, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_relocate_finish(tenantdb *db, const tenantdb_relocate_options *options, int32_t apply, tenantdb_result **plan, tenantdb_error **error);

#ifdef __cplusplus
}
#endif

#endif

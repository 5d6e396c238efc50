/* SPDX-License-Identifier: PostgreSQL */
/*
 * Runs: migrations carried out over a fleet.
 *
 *   tenantdb_use_migrations(db, set, &error);
 *   tenantdb_run_options_set(options, "canary", "5");
 *   status = tenantdb_migrate(db, options, &run, &error);
 *   if (status == TENANTDB_UNAVAILABLE)
 *     tenantdb_run_members(run, "failed", NULL, 100, &failed, &error);
 *
 * tenantdb_migrate() finds out by one statement which tenants lack something of the
 * set of migrations in use, writes a run and its members into the catalog, and
 * carries it out: first the shared stream, then the tenants, wave by wave, over
 * several connections. When nobody lacks anything that statement is all there is.
 *
 * A run lives in the catalog. The process that carries it out may be killed at
 * any moment; any other goes on with it by tenantdb_run_open() and
 * tenantdb_run_work(). Several may work on one run at once, in threads with a
 * handle each or on different machines: they share its tenants, and nothing is
 * applied twice to anybody.
 *
 * A run is in one of these states: running, paused, stopped (its limit of failures
 * was passed), done, aborted. A member is waiting, running, deferred (a lock was
 * not had; it is tried again at the end of its wave), done, failed or skipped (he is
 * no tenant any more, or the run was aborted).
 */
#ifndef TENANTDB_RUN_H
#define TENANTDB_RUN_H

#include <tenantdb/api.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Who is migrated, and how. */
typedef struct tenantdb_run_options tenantdb_run_options;
/** A run. */
typedef struct tenantdb_run tenantdb_run;

/**
 * Told how far a run is, about every half second and when the work on it ends:
 * tells(user, progress), whose @progress is what tenantdb_run_progress() gives and
 * ends with the call. Runs on the thread that works on the run, inside that call,
 * with no lock held; it may call tenantdb_run_pause() and what asks about the run, but
 * not work on it or free it. Returns 0 to go on; anything else asks the run to pause.
 */
typedef int32_t (*tenantdb_run_function)(void *user, const tenantdb_result *progress);

/**
 * tenantdb_run_options_new() - options at their defaults: everybody, to the newest version
 *
 * Returns NULL when memory ran out.
 *
 * Ownership: yours, tenantdb_run_options_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_run_options *tenantdb_run_options_new(void);

/**
 * tenantdb_run_options_set() - set one option
 * @options: options; NULL is allowed
 * @key:     one of: tenants (slugs or ids separated by commas), selector (conditions on tenants, as
 *           "plan=pro, version<5"; see doc/guide/fleet.md), states (which tenants, separated by commas;
 *           default active,suspended,archived, and never who was moved away), stream (both, shared or tenant; default both), to (a
 *           version; default the newest, repeatable migrations included), order (linear: a migration older than
 *           what was applied is refused; linear_skip: it is passed over; any: it is applied; default linear),
 *           canary (a number of tenants, or a selector: who goes first, alone), waves (how many there are
 *           up to the end of each, as "1,10%,50%,100%"; default one wave), connections (how many tenants at
 *           once at the most; default option fleet.connections), failure_limit (how many may fail, as 5 or
 *           2%: with one more the run stops; default no limit), on_error (continue, or stop: as
 *           failure_limit 0; default continue), retries (how often a tenant is tried again after an error that
 *           passes, as a connection that broke; default 3), lock_timeout (how long a statement may wait for
 *           a lock; default option migrate.lock_timeout), lock_retries (how often it is tried again then;
 *           default option migrate.lock_retries), pause_between_waves (on or off; default off), dry_run (on
 *           or off: everything is carried out and rolled back; default off), down (on or off: back to
 *           version to, of the one stream that option stream names; default off), allow_fleet_down (on or
 *           off: down for more than one tenant; default off), standby (on or off: standby schemas too;
 *           default on, and off when tenants are chosen)
 * @value:   its value; NULL puts the default back
 *
 * Without failure_limit and on_error a canary that fails stops the run all the same
 * before the next wave.
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_run_options_set(tenantdb_run_options *options, const char *key, const char *value);

/**
 * tenantdb_run_options_tenant() - add one tenant to the list of option tenants
 * @options: options; NULL is allowed
 * @tenant:  slug or id
 *
 * Ownership: strings stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    none; a mistake is kept and reported by the call that takes @options.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_run_options_tenant(tenantdb_run_options *options, const char *tenant);

/**
 * tenantdb_run_options_free() - release options
 * @options: options, or NULL
 *
 * Ownership: takes @options.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_run_options_free(tenantdb_run_options *options);

/**
 * tenantdb_migrate() - plan a run and carry it out
 * @db:      a database, bootstrapped, with a set of migrations in use
 * @options: who and how; NULL for the defaults
 * @run:     receives the run, also when it failed on the way; may be NULL
 * @error:   as everywhere
 *
 * OK: nobody chosen lacks anything any more. Tenants that were created meanwhile are
 * taken along at the end. UNAVAILABLE with reason RUN_PARTLY: it is done, and some
 * tenants failed. STATE with reason RUN_STOPPED: its limit of failures was passed, or
 * the shared stream failed; with reason RUN_STATE: it was paused or aborted.
 * Whatever it is, tenantdb_run_members() tells who failed, with which file and why.
 *
 * Nothing is begun when the set does not fit what the ledger says: HISTORY_EDITED,
 * OUT_OF_ORDER and the like name the file. A run that had nothing to do is
 * not written down: tenantdb_run_id() of it is "".
 *
 * Ownership: *run is yours, tenantdb_run_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, PERMISSION, UNAVAILABLE, CONNECTION, TIMEOUT, BUSY, CONFLICT, MIGRATION, UNSUPPORTED, SQL, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_migrate(tenantdb *db, const tenantdb_run_options *options, tenantdb_run **run, tenantdb_error **error);

/**
 * tenantdb_migrate_begin() - plan a run and write it down, without beginning
 * @db:      as for tenantdb_migrate()
 * @options: who and how; NULL for the defaults
 * @run:     receives the run
 * @error:   as everywhere
 *
 * Ownership: *run is yours, tenantdb_run_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, PERMISSION, CONNECTION, TIMEOUT, BUSY, CONFLICT, MIGRATION, UNSUPPORTED, SQL, INTERNAL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_migrate_begin(tenantdb *db, const tenantdb_run_options *options, tenantdb_run **run, tenantdb_error **error);

/**
 * tenantdb_run_plan() - what tenantdb_migrate() would do, without doing it
 * @db:      as for tenantdb_migrate()
 * @options: who and how; NULL for the defaults
 * @plan:    receives a table: what (file or wave), stream, version, name (of the file, or the wave's
 *           number), tenants (how many get it, or are in the wave), transaction (one: the file is one
 *           transaction; steps: each statement stands alone), locks (the strongest lock that its statements
 *           take on a table, as their text tells; NULL: none that stops anybody)
 * @error:   as everywhere
 *
 * Nothing is written. Without rows there is nothing to do.
 *
 * Ownership: *plan is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    as tenantdb_migrate_begin().
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_run_plan(tenantdb *db, const tenantdb_run_options *options, tenantdb_result **plan, tenantdb_error **error);

/**
 * tenantdb_run_open() - a run that is in the catalog already
 * @db:    a database; to work on the run, with the same set of migrations in use
 * @id:    its id, as tenantdb_run_id() and tenantdb_runs() tell
 * @run:   receives it
 * @error: as everywhere
 *
 * Ownership: *run is yours, tenantdb_run_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, CONNECTION, TIMEOUT, BUSY, UNSUPPORTED, SQL, INTERNAL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_run_open(tenantdb *db, const char *id, tenantdb_run **run, tenantdb_error **error);

/**
 * tenantdb_run_id() - its id, "" of one that had nothing to do
 * @run: a run, or NULL
 *
 * Ownership: belongs to @run.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_run_id(const tenantdb_run *run);

/**
 * tenantdb_run_free() - release the handle; the run stays where it is
 * @run: a run, or NULL
 *
 * Ownership: takes @run.
 * Thread:    any, when nobody else uses it.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_run_free(tenantdb_run *run);

/**
 * tenantdb_run_work() - work on a run for a while
 * @run:    a run
 * @max_ms: after so many milliseconds no further tenant is begun; 0 or less: no limit
 * @more:   receives 1 while there is more to do, 0 when it is over, paused or failed; may be NULL
 * @error:  as everywhere
 *
 * Tenants under way when the time is over are finished first. While the last of a wave
 * are in the hands of others it waits for them. When it is over the answer
 * is what tenantdb_migrate() answers. A failure of the connection to the server
 * leaves the run as it is: call again, or open it elsewhere.
 *
 * Ownership: nothing.
 * Thread:    one at a time for each handle; BUSY from a second one.
 * Status:    as tenantdb_migrate().
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_run_work(tenantdb_run *run, int64_t max_ms, int32_t *more, tenantdb_error **error);

/**
 * tenantdb_run_pause() - begin no further tenant, for whoever works on it
 * @run:   a run
 * @error: as everywhere
 *
 * Who is under way is finished. Workers see it within about a quarter of a second.
 *
 * Ownership: nothing.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, CONNECTION, TIMEOUT, BUSY, SQL, INTERNAL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_run_pause(tenantdb_run *run, tenantdb_error **error);

/**
 * tenantdb_run_resume() - let a run go on that was paused or has stopped
 * @run:   a run
 * @error: as everywhere
 *
 * It is for tenantdb_run_work() to carry it out. Of one that stopped, the failures so
 * far count no longer for its limit. A run that is running is left as it is.
 *
 * Ownership: nothing.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, CONNECTION, TIMEOUT, BUSY, SQL, INTERNAL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_run_resume(tenantdb_run *run, tenantdb_error **error);

/**
 * tenantdb_run_abort() - end a run: nobody further is migrated by it
 * @run:   a run
 * @error: as everywhere
 *
 * Who is under way is finished, who waits is skipped.
 *
 * Ownership: nothing.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, CONNECTION, TIMEOUT, BUSY, SQL, INTERNAL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_run_abort(tenantdb_run *run, tenantdb_error **error);

/**
 * tenantdb_run_retry_failed() - let those who failed wait again, and the run go on
 * @run:   a run that is not aborted
 * @error: as everywhere
 *
 * It is for tenantdb_run_work() to carry it out. Nobody else is touched.
 *
 * Ownership: nothing.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, NOT_FOUND, CONNECTION, TIMEOUT, BUSY, SQL, INTERNAL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_run_retry_failed(tenantdb_run *run, tenantdb_error **error);

/**
 * tenantdb_run_on_progress() - be told how far it is
 * @run:      a run
 * @function: called while somebody works on the run by this handle; NULL for nobody
 * @user:     handed to it
 *
 * Ownership: @user stays yours.
 * Thread:    that of the handle's work.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_run_on_progress(tenantdb_run *run, tenantdb_run_function function, void *user);

/**
 * tenantdb_run_progress() - how far it is
 * @run:    a run
 * @result: receives one row: id, state, wave (0: the shared stream), waves, total (tenants, standby
 *          schemas among them), done, failed, deferred, skipped, waiting, running (taken up by somebody who
 *          works on the run), waiting_for_locks (of them), rate (tenants per second, lately), seconds_left
 *          (NULL: not known), started_at, finished_at, goal (the tenants' version), shared_version,
 *          note
 * @error:  as everywhere
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, CONNECTION, TIMEOUT, BUSY, SQL, INTERNAL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_run_progress(tenantdb_run *run, tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_run_members() - who is part of it, and what became of each
 * @run:    a run
 * @states: states of members separated by commas; NULL for all
 * @after:  the slug of the last one of the page before; NULL for the first page
 * @limit:  how many; 0 or less: 1000
 * @result: receives a table by slug: tenant (slug), id, wave (0: the shared stream), state, attempts, from,
 *          to (versions), file, line, sqlstate, error, duration_ms, blocker (who held the lock)
 * @error:  as everywhere
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, CONNECTION, TIMEOUT, BUSY, SQL, INTERNAL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_run_members(tenantdb_run *run, const char *states, const char *after, int32_t limit, tenantdb_result **result, tenantdb_error **error);

/**
 * tenantdb_runs() - the runs of a database, the latest first
 * @db:     a database
 * @limit:  how many; 0 or less: 100
 * @result: receives a table: id, state, wave, waves, total, done, failed, goal, down, started_at,
 *          finished_at, actor, host, note
 * @error:  as everywhere
 *
 * Ownership: *result is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, UNSUPPORTED, CONNECTION, TIMEOUT, BUSY, SQL, INTERNAL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_runs(tenantdb *db, int32_t limit, tenantdb_result **result, tenantdb_error **error);

#ifdef __cplusplus
}
#endif

#endif

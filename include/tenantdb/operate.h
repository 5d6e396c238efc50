/* SPDX-License-Identifier: PostgreSQL */
/*
 * Operating: what happens in a database handle, and how much of it.
 *
 * Events (a connection was closed, the pool is exhausted, a tenant was suspended)
 * wait in a bounded queue until tenantdb_events() takes them; who wants them at
 * once sets a function by tenantdb_config_events(). Statistics are counted always
 * and read by tenantdb_statistics() as a table, or by tenantdb_statistics_text()
 * as the text that Prometheus reads. Nothing here asks the server anything,
 * tenantdb_warm_up() excepted. doc/guide/operating.md lists the events and the
 * metrics.
 */
#ifndef TENANTDB_OPERATE_H
#define TENANTDB_OPERATE_H

#include <tenantdb/api.h>
#include <tenantdb/config.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- events */

/**
 * tenantdb_events() - take the events that wait
 * @db:     a database
 * @most:   take up to so many, 1 to 2147483647; 0: all
 * @events: receives a table: sequence, at, at_ms, level, event, tenant, sqlstate, message, backend_pid
 * @error:  as everywhere
 *
 * The oldest first; what is taken is gone from the queue. Returns at once, with
 * no row when there is no event, and also when the server cannot be reached. When
 * events were dropped since the last take, because more came than option
 * events.queue keeps, the first row is the event "events-dropped" and its message
 * says how many; the numbers in the column sequence have a gap there.
 *
 * Ownership: *events is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_events(tenantdb *db, int32_t most, tenantdb_result **events, tenantdb_error **error);

/**
 * tenantdb_event_name() - which event it is, such as "pool-timeout"
 * @event: an event, or NULL
 *
 * Returns "" for NULL. Names are for ever; new ones may appear in any release.
 *
 * Ownership: the string belongs to the library.
 * Thread:    the one of the callback.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_event_name(const tenantdb_event *event);

/**
 * tenantdb_event_level() - how serious it is: a TENANTDB_LOG_ number
 * @event: an event, or NULL
 *
 * Ownership: nothing is handed over.
 * Thread:    the one of the callback.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_event_level(const tenantdb_event *event);

/**
 * tenantdb_event_sequence() - its number: 1 for the first event of a database
 * @event: an event, or NULL
 *
 * 0 before there is a database.
 *
 * Ownership: nothing is handed over.
 * Thread:    the one of the callback.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int64_t tenantdb_event_sequence(const tenantdb_event *event);

/**
 * tenantdb_event_at_ms() - when it was, in milliseconds since 1970-01-01 00:00 UTC
 * @event: an event, or NULL
 *
 * Ownership: nothing is handed over.
 * Thread:    the one of the callback.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int64_t tenantdb_event_at_ms(const tenantdb_event *event);

/**
 * tenantdb_event_tenant() - the slug or id of the tenant it is about, or ""
 * @event: an event, or NULL
 *
 * Ownership: the string belongs to the library and ends with the callback.
 * Thread:    the one of the callback.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_event_tenant(const tenantdb_event *event);

/**
 * tenantdb_event_sqlstate() - the SQLSTATE that came with it, or ""
 * @event: an event, or NULL
 *
 * Ownership: the string belongs to the library and ends with the callback.
 * Thread:    the one of the callback.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_event_sqlstate(const tenantdb_event *event);

/**
 * tenantdb_event_message() - one line of text without secrets, up to 399 bytes
 * @event: an event, or NULL
 *
 * Ownership: the string belongs to the library and ends with the callback.
 * Thread:    the one of the callback.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_event_message(const tenantdb_event *event);

/**
 * tenantdb_event_backend_pid() - the server's process of the connection it is about, or 0
 * @event: an event, or NULL
 *
 * Ownership: nothing is handed over.
 * Thread:    the one of the callback.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API int32_t tenantdb_event_backend_pid(const tenantdb_event *event);

/**
 * tenantdb_event_json() - all of it as one JSON object on one line
 * @event: an event, or NULL
 *
 * The members are the columns of tenantdb_events(). Returns NULL for NULL, and
 * when memory ran out.
 *
 * Ownership: the string belongs to the library and ends with the callback.
 * Thread:    the one of the callback.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API const char *tenantdb_event_json(const tenantdb_event *event);

/* ---------------------------------------------------------------- statistics */

/**
 * tenantdb_statistics() - what was counted since the database was opened, and how it is now
 * @db:    a database
 * @table: receives a table: name, labels, kind (counter, gauge or histogram), unit, value, help
 * @error: as everywhere
 *
 * One row is one series. A histogram has rows of three names, as in Prometheus:
 * its own with _bucket, _sum and _count behind it; all of the kind histogram.
 * The column labels reads as in Prometheus, without the braces: pool="shared",state="idle".
 *
 * Ownership: *table is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_statistics(tenantdb *db, tenantdb_result **table, tenantdb_error **error);

/**
 * tenantdb_statistics_text() - the same in the text format that Prometheus reads (version 0.0.4)
 * @db:    a database
 * @text:  receives the text
 * @error: as everywhere
 *
 * Serve it as "text/plain; version=0.0.4; charset=utf-8".
 *
 * Ownership: *text is yours, tenantdb_string_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_statistics_text(tenantdb *db, char **text, tenantdb_error **error);

/**
 * tenantdb_pool_tenants() - who has connections now, and who waits for one
 * @db:      a database
 * @tenants: receives a table: pool, tenant, slug, in_use, waiting, leases
 * @error:   as everywhere
 *
 * One row for every tenant that has a connection lent or waits for one; tenant is
 * his id, "" for shared sessions and the library's own work. What is not in the
 * cache of tenants is not asked for: then slug is NULL and tenant what the pool
 * knows him by, which at level login is his role. The column leases counts as
 * far back as the pool remembers the tenant.
 *
 * Ownership: *tenants is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_pool_tenants(tenantdb *db, tenantdb_result **tenants, tenantdb_error **error);

/**
 * tenantdb_warm_up() - open connections up to pool.minimum, close those idle for too long
 * @db:    a database
 * @error: as everywhere
 *
 * May be called now and then: from a timer it is what keeps idle connections
 * from outliving pool.idle_timeout while nobody works.
 *
 * Ownership: nothing is handed over.
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, CONNECTION, PERMISSION, NOT_FOUND, TIMEOUT, BUSY, UNSUPPORTED.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_warm_up(tenantdb *db, tenantdb_error **error);

/* ---------------------------------------------------------------- upkeep */

/**
 * tenantdb_maintain() - do what has to be done now and then
 * @db:      a database, bootstrapped
 * @most_ms: begin nothing more after so many milliseconds; 0: no limit
 * @done:    receives a table: task, subject, action, outcome; may be NULL
 * @error:   as everywhere
 *
 * To be called from a timer, every minute say, by as many processes as there
 * are. In this order:
 *
 * - tenantdb_warm_up()
 * - task "standby": standby schemas are made until there are as many as option
 *   tenant.standby says, and those that are not what a new tenant is to be (the
 *   registry or the migrations in use are others by now), or too many, are
 *   dropped; subject is the schema, action make, drop, or leave
 * - task "purge": removed tenants whose grace is over are purged; subject is the tenant
 * - task "reconcile": the rows of tenantdb_reconcile()
 *
 * A row's outcome is "done", or what hindered; that ends its task, or only
 * concerns its tenant, and is no failure of the call. A last row of task
 * "maintain" says that the time was over. No row: nothing was to be done.
 *
 * Safe to kill at any moment. Two at once share the work: who finds another at
 * the standby schemas leaves them to him. A program that uses older migrations
 * than the one that keeps the standby schemas makes none.
 *
 * Ownership: *done is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, STATE, CONNECTION, PERMISSION, NOT_FOUND, TIMEOUT, BUSY, CONFLICT, UNSUPPORTED, SQL, UNKNOWN.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_maintain(tenantdb *db, int64_t most_ms, tenantdb_result **done, tenantdb_error **error);

#ifdef __cplusplus
}
#endif

#endif

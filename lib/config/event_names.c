/* SPDX-License-Identifier: PostgreSQL */
/* The closed list of events. A name, once released, means the same for ever. */
#include <stddef.h>

#include "config/events.h"

static const tndb_event_name names[TNDB_N_EVENTS] = {
    {TNDB_EVENT_CONNECTION_OPENED, "connection-opened", TENANTDB_LOG_DEBUG},
    {TNDB_EVENT_CONNECTION_CLOSED, "connection-closed", TENANTDB_LOG_DEBUG},
    {TNDB_EVENT_CONNECT_FAILED, "connect-failed", TENANTDB_LOG_WARNING},
    {TNDB_EVENT_BACK_OFF_BEGUN, "back-off-begun", TENANTDB_LOG_WARNING},
    {TNDB_EVENT_BACK_OFF_ENDED, "back-off-ended", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_POOL_EXHAUSTED, "pool-exhausted", TENANTDB_LOG_WARNING},
    {TNDB_EVENT_POOL_TIMEOUT, "pool-timeout", TENANTDB_LOG_WARNING},
    {TNDB_EVENT_TENANT_SHARE_REACHED, "tenant-share-reached", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_CONNECTIONS_DISTRUSTED, "connections-distrusted", TENANTDB_LOG_WARNING},
    {TNDB_EVENT_SERVER_READ_ONLY, "server-read-only", TENANTDB_LOG_WARNING},
    {TNDB_EVENT_SCOPE_REFUSED, "scope-refused", TENANTDB_LOG_ERROR},
    {TNDB_EVENT_ISOLATION_REFUTED, "isolation-refuted", TENANTDB_LOG_ERROR},
    {TNDB_EVENT_POOLER_FOUND, "pooler-found", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_NOTICE, "notice", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_STATEMENT_STOPPED, "statement-stopped", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_OUTCOME_UNKNOWN, "outcome-unknown", TENANTDB_LOG_ERROR},
    {TNDB_EVENT_SESSION_LEAK, "session-leak", TENANTDB_LOG_WARNING},
    {TNDB_EVENT_TENANT_REGISTERED, "tenant-registered", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_TENANT_CREATED, "tenant-created", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_TENANT_ACTIVATED, "tenant-activated", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_TENANT_SUSPENDED, "tenant-suspended", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_TENANT_RESUMED, "tenant-resumed", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_TENANT_ARCHIVED, "tenant-archived", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_TENANT_RESTORED, "tenant-restored", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_TENANT_REMOVED, "tenant-removed", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_TENANT_PURGED, "tenant-purged", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_TENANT_RENAMED, "tenant-renamed", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_VIEW_STALE, "view-stale", TENANTDB_LOG_WARNING},
    {TNDB_EVENT_VIEW_LEFT_OUT, "view-left-out", TENANTDB_LOG_WARNING},
    {TNDB_EVENT_MIGRATIONS_WAIT, "migrations-wait", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_RUN_STARTED, "run-started", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_RUN_ENDED, "run-ended", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_MIGRATION_FAILED, "migration-failed", TENANTDB_LOG_WARNING},
    {TNDB_EVENT_STANDBY_MISSING, "standby-missing", TENANTDB_LOG_NOTICE},
    {TNDB_EVENT_EVENTS_DROPPED, "events-dropped", TENANTDB_LOG_WARNING},
};

const tndb_event_name *tndb_event_name_of(tndb_event_kind kind) {
  return (int)kind >= 0 && kind < TNDB_N_EVENTS ? &names[kind] : NULL;
}

const char *tndb_event_level_name(int32_t level) {
  static const char *const levels[] = {"?", "debug", "notice", "warning", "error"};
  return levels[level >= TENANTDB_LOG_DEBUG && level <= TENANTDB_LOG_ERROR ? level : 0];
}

/* SPDX-License-Identifier: PostgreSQL */
/*
 * Events: what an operator wants to know of without having asked.
 *
 * Telling one, from any room and any thread, with no lock held (a callback of
 * the caller's runs inside):
 *
 *   tndb_config_write_event(config, &(tndb_event){.kind = TNDB_EVENT_POOL_TIMEOUT,
 *                                                 .tenant = key,
 *                                                 .message = "no connection became free in 5000 ms"});
 *
 * Every member but the kind may be left out; what the strings point to is
 * copied. The message holds no secrets; line breaks become spaces, and it is cut
 * where it is too long. `config` is that of a database (db->config, conn->config,
 * what a pool was made with): it carries the queue that tenantdb_events() empties
 * and the functions the caller has set. Nothing fails and nothing is allocated.
 *
 * The list of events is closed and stands in config/event_names.c, with each
 * one's name and level; doc/guide/operating.md describes them.
 */
#ifndef TNDB_CONFIG_EVENTS_H
#define TNDB_CONFIG_EVENTS_H

#include <stdint.h>

#include <tenantdb/config.h>

typedef enum tndb_event_kind {
  TNDB_EVENT_CONNECTION_OPENED,
  TNDB_EVENT_CONNECTION_CLOSED, /* the message says why */
  TNDB_EVENT_CONNECT_FAILED,
  TNDB_EVENT_BACK_OFF_BEGUN,
  TNDB_EVENT_BACK_OFF_ENDED,
  TNDB_EVENT_POOL_EXHAUSTED, /* once until somebody need not wait again */
  TNDB_EVENT_POOL_TIMEOUT,
  TNDB_EVENT_TENANT_SHARE_REACHED, /* once until it is not reached */
  TNDB_EVENT_CONNECTIONS_DISTRUSTED,
  TNDB_EVENT_SERVER_READ_ONLY,
  TNDB_EVENT_SCOPE_REFUSED,
  TNDB_EVENT_ISOLATION_REFUTED,
  TNDB_EVENT_POOLER_FOUND,
  TNDB_EVENT_NOTICE,
  TNDB_EVENT_STATEMENT_STOPPED, /* by a deadline, by a cancellation */
  TNDB_EVENT_OUTCOME_UNKNOWN,
  TNDB_EVENT_SESSION_LEAK,
  TNDB_EVENT_TENANT_REGISTERED,
  TNDB_EVENT_TENANT_CREATED,
  TNDB_EVENT_TENANT_ACTIVATED,
  TNDB_EVENT_TENANT_SUSPENDED,
  TNDB_EVENT_TENANT_RESUMED,
  TNDB_EVENT_TENANT_ARCHIVED,
  TNDB_EVENT_TENANT_RESTORED,
  TNDB_EVENT_TENANT_REMOVED,
  TNDB_EVENT_TENANT_PURGED,
  TNDB_EVENT_TENANT_RENAMED,
  TNDB_EVENT_VIEW_STALE,      /* a view over tenants could not follow at once */
  TNDB_EVENT_VIEW_LEFT_OUT,   /* a tenant does not fit into one */
  TNDB_EVENT_MIGRATIONS_WAIT, /* shared tables are left to migrations that are to come */
  TNDB_EVENT_RUN_STARTED,
  TNDB_EVENT_RUN_ENDED, /* done, paused, stopped, aborted: the message says which */
  TNDB_EVENT_MIGRATION_FAILED,
  TNDB_EVENT_STANDBY_MISSING, /* one was wanted for a new tenant, and none was there */
  TNDB_EVENT_EVENTS_DROPPED,  /* made when events are taken, told by nobody */
  TNDB_N_EVENTS
} tndb_event_kind;

typedef struct tndb_event {
  tndb_event_kind kind;
  int32_t level;        /* TENANTDB_LOG_…; 0: the one the event usually has */
  int32_t backend_pid;  /* of the connection it is about; 0: none, or not known */
  const char *tenant;   /* slug or id */
  const char *sqlstate; /* that came with it */
  const char *message;
} tndb_event;

/* To the queue and to the caller's functions. Never under a lock. */
void tndb_config_write_event(const tenantdb_config *config, const tndb_event *event);

/* The row of the closed list; NULL for what is none of it. */
typedef struct tndb_event_name {
  tndb_event_kind kind;
  const char *name;
  int32_t level;
} tndb_event_name;
const tndb_event_name *tndb_event_name_of(tndb_event_kind kind);
/* "debug", "notice", "warning", "error"; "?" for any other number. */
const char *tndb_event_level_name(int32_t level);

#endif

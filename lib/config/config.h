/* SPDX-License-Identifier: PostgreSQL */
/* A configuration's values, for the rooms that use them. */
#ifndef TNDB_CONFIG_CONFIG_H
#define TNDB_CONFIG_CONFIG_H

#include <tenantdb/config.h>

#include "config/events.h"
#include "config/property.h"

/* An independent copy, but for the queue of events, which is the same; NULL gives the defaults. */
tenantdb_status tndb_config_copy(const tenantdb_config *config, tenantdb_config **copy,
                                 tenantdb_error **error);
const char *tndb_config_text(const tenantdb_config *config, tndb_option option);
/* Numbers as they are, durations in milliseconds, flags as 0 or 1, choices by their place. */
int64_t tndb_config_number(const tenantdb_config *config, tndb_option option);
/* How passwords of login roles are kept; the members are NULL when nobody does. */
typedef struct tndb_credentials {
  tenantdb_credentials_store store;
  tenantdb_credentials_fetch fetch;
  void *user;
} tndb_credentials;
const tndb_credentials *tndb_config_credentials(const tenantdb_config *config);
/* Who is to hear of events. */
typedef struct tndb_listeners {
  struct tndb_event_queue *queue; /* config/event_queue.h; NULL in a configuration that is no database's */
  tenantdb_log_function log;
  void *log_user;
  tenantdb_event_function event;
  void *event_user;
} tndb_listeners;
const tndb_listeners *tndb_config_listeners(const tenantdb_config *config);
/* Keep events from now on, as many as option events.queue says: the configuration becomes a database's. */
tenantdb_status tndb_config_keep_events(tenantdb_config *config, tenantdb_error **error);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/* A configuration's values, for the rooms that use them. */
#ifndef TNDB_CONFIG_CONFIG_H
#define TNDB_CONFIG_CONFIG_H

#include <tenantdb/config.h>

#include "config/property.h"

/* An independent copy; NULL gives the defaults. */
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
/* One line to the caller's log function, if there is one. Never under a lock. */
void tndb_config_write_log(const tenantdb_config *config, int32_t level, const char *event,
                           const char *message);

#endif

/* SPDX-License-Identifier: PostgreSQL */
/* The configuration loader: the only place that reads the environment, and only when asked. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "config/config.h"

static tenantdb_status load(tenantdb_config *config, const char *variable, const char *key,
                            tenantdb_error **error) {
  const char *value = getenv(variable);
  if (!value || !*value) {
    return TENANTDB_OK;
  }
  tenantdb_status status = tenantdb_config_set(config, key, value, error);
  if (status) {
    tndb_error_prefix(error, "environment variable %s", variable);
  }
  return status;
}

/* pool.size is TENANTDB_POOL_SIZE. */
static tenantdb_status load_option(tenantdb_config *config, const char *key, tenantdb_error **error) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_buffer_append(&name, "TENANTDB_");
  for (const char *at = key; *at; at++) {
    char c = *at == '.' ? '_' : *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
    tndb_buffer_append_char(&name, c);
  }
  return name.failed ? tndb_no_memory(error) : load(config, tndb_buffer_text(&name), key, error);
}

tenantdb_status tenantdb_config_load_env(tenantdb_config *config, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!config) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "config is NULL");
  }
  tenantdb_status status = load(config, "DATABASE_URL", "database.url", error);
  if (!status) {
    status = load(config, "DATABASE_SCHEMA", "database.schema", error);
  }
  for (int i = 0; !status && i < TNDB_N_OPTIONS; i++) {
    status = load_option(config, tndb_property_of((tndb_option)i)->key, error);
  }
  return status;
}

/* SPDX-License-Identifier: PostgreSQL */
#include "config/config.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/result.h"
#include "config/event_queue.h"

struct tenantdb_config {
  char *texts[TNDB_N_OPTIONS]; /* NULL: the default */
  int64_t numbers[TNDB_N_OPTIONS];
  tndb_listeners listeners;
  tndb_credentials credentials;
};

tenantdb_config *tenantdb_config_new(void) {
  tenantdb_config *config = tndb_new(tenantdb_config);
  for (int i = 0; config && i < TNDB_N_OPTIONS; i++) {
    const tndb_property *property = tndb_property_of((tndb_option)i);
    (void)tndb_property_parse(property, property->initial, &config->numbers[i], NULL);
  }
  return config;
}

void tenantdb_config_free(tenantdb_config *config) {
  for (int i = 0; config && i < TNDB_N_OPTIONS; i++) {
    tndb_free(config->texts[i]);
  }
  if (config) {
    tndb_event_queue_release(config->listeners.queue);
  }
  tndb_free(config);
}

tenantdb_status tenantdb_config_set(tenantdb_config *config, const char *key, const char *value,
                                    tenantdb_error **error) {
  tndb_error_reset(error);
  if (!config || !key) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       config ? "key" : "config");
  }
  const tndb_property *property = tndb_property_find(key, error);
  if (!property) {
    return TENANTDB_ARGUMENT;
  }
  int64_t number;
  const char *text = value ? value : property->initial;
  tenantdb_status status = tndb_property_parse(property, text, &number, error);
  if (status) {
    return status;
  }
  char *copy = value ? tndb_strdup(value) : NULL;
  if (value && !copy) {
    return tndb_no_memory(error);
  }
  tndb_free(config->texts[property->option]);
  config->texts[property->option] = copy;
  config->numbers[property->option] = number;
  return TENANTDB_OK;
}

tenantdb_status tenantdb_config_get(const tenantdb_config *config, const char *key, const char **value,
                                    tenantdb_error **error) {
  tndb_error_reset(error);
  if (value) {
    *value = NULL;
  }
  if (!config || !key || !value) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       !config ? "config"
                       : key   ? "value"
                               : "key");
  }
  const tndb_property *property = tndb_property_find(key, error);
  if (!property) {
    return TENANTDB_ARGUMENT;
  }
  *value = tndb_config_text(config, property->option);
  return TENANTDB_OK;
}

void tenantdb_config_log(tenantdb_config *config, tenantdb_log_function function, void *user) {
  if (config) {
    config->listeners.log = function;
    config->listeners.log_user = user;
  }
}

void tenantdb_config_events(tenantdb_config *config, tenantdb_event_function function, void *user) {
  if (config) {
    config->listeners.event = function;
    config->listeners.event_user = user;
  }
}

void tenantdb_config_credentials(tenantdb_config *config, tenantdb_credentials_store store,
                                 tenantdb_credentials_fetch fetch, void *user) {
  if (config) {
    static const tndb_credentials nobody = {NULL, NULL, NULL};
    config->credentials = store && fetch ? (tndb_credentials){store, fetch, user} : nobody;
  }
}

const tndb_credentials *tndb_config_credentials(const tenantdb_config *config) {
  return &config->credentials;
}

/* A value that may hold a password, without it: whether it was given at all is what can be told. */
static const char *shown(const tndb_property *property, const char *value) {
  return property->type == TNDB_TYPE_SECRET && *value ? "(given)" : value;
}

tenantdb_status tenantdb_config_describe(const tenantdb_config *config, tenantdb_result **options,
                                         tenantdb_error **error) {
  static const char *const columns[] = {"key",     "type",    "value",      "default",
                                        "minimum", "maximum", "description"};
  tndb_error_reset(error);
  if (!options) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "options is NULL");
  }
  *options = NULL;
  tndb_table *table = tndb_table_new(columns, 7);
  tndb_buffer minimum = TNDB_BUFFER_INIT, maximum = TNDB_BUFFER_INIT;
  for (int i = 0; i < TNDB_N_OPTIONS; i++) {
    const tndb_property *property = tndb_property_of((tndb_option)i);
    bool ranged = property->type == TNDB_TYPE_NUMBER || property->type == TNDB_TYPE_DURATION;
    const char *unit = property->type == TNDB_TYPE_DURATION ? "ms" : "";
    tndb_buffer_clear(&minimum);
    tndb_buffer_clear(&maximum);
    tndb_buffer_format(&minimum, "%lld%s", (long long)property->minimum, unit);
    tndb_buffer_format(&maximum, "%lld%s", (long long)property->maximum, unit);
    const char *value = config ? tndb_config_text(config, property->option) : property->initial;
    const char *type = property->choices ? property->choices : tndb_value_type_name(property->type);
    const char *cells[] = {property->key,
                           type,
                           shown(property, value),
                           property->initial,
                           ranged ? tndb_buffer_text(&minimum) : NULL,
                           ranged ? tndb_buffer_text(&maximum) : NULL,
                           property->description};
    tndb_table_row(table, cells);
  }
  tndb_buffer_free(&minimum);
  tndb_buffer_free(&maximum);
  return tndb_table_finish(table, options, error);
}

/* ---------------------------------------------------------------- for the other rooms */

tenantdb_status tndb_config_copy(const tenantdb_config *config, tenantdb_config **copy,
                                 tenantdb_error **error) {
  tenantdb_config *made = tenantdb_config_new();
  *copy = NULL;
  bool complete = made != NULL;
  for (int i = 0; complete && config && i < TNDB_N_OPTIONS; i++) {
    made->numbers[i] = config->numbers[i];
    if (config->texts[i]) {
      made->texts[i] = tndb_strdup(config->texts[i]);
      complete = made->texts[i] != NULL;
    }
  }
  if (!complete) {
    tenantdb_config_free(made);
    return tndb_no_memory(error);
  }
  if (config) {
    made->listeners = config->listeners;
    (void)tndb_event_queue_hold(made->listeners.queue);
    made->credentials = config->credentials;
  }
  *copy = made;
  return TENANTDB_OK;
}

const char *tndb_config_text(const tenantdb_config *config, tndb_option option) {
  return config->texts[option] ? config->texts[option] : tndb_property_of(option)->initial;
}

int64_t tndb_config_number(const tenantdb_config *config, tndb_option option) {
  return config->numbers[option];
}

const tndb_listeners *tndb_config_listeners(const tenantdb_config *config) {
  return &config->listeners;
}

tenantdb_status tndb_config_keep_events(tenantdb_config *config, tenantdb_error **error) {
  tndb_event_queue_release(config->listeners.queue);
  config->listeners.queue = tndb_event_queue_new(tndb_config_number(config, TNDB_EVENTS_QUEUE));
  return config->listeners.queue ? TENANTDB_OK : tndb_no_memory(error);
}

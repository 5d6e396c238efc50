/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/fleet_options.h"

#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "tenant/fleet_selector.h"

#define MOST_CONNECTIONS 10000

struct tenantdb_fleet_options {
  tndb_fleet_settings set; /* connections 0 and tenant_timeout_ms -1: the database's */
  char **names;
  size_t capacity;
  char *selector;
  tenantdb_error *mistake;
};

static void reset_columns(tndb_fleet_settings *set) {
  set->with_slug = true;
  set->with_id = false;
}

tenantdb_fleet_options *tenantdb_fleet_options_new(void) {
  tenantdb_fleet_options *options = tndb_new(tenantdb_fleet_options);
  if (options) {
    options->set = (tndb_fleet_settings){.tenant_timeout_ms = -1, .by_tenant = true, .read_only = true};
    reset_columns(&options->set);
  }
  return options;
}

static void forget_names(tenantdb_fleet_options *options) {
  for (size_t i = 0; i < options->set.n_names; i++) {
    tndb_free(options->names[i]);
  }
  options->set.n_names = 0;
  options->set.listed = false;
}

void tenantdb_fleet_options_free(tenantdb_fleet_options *options) {
  if (options) {
    forget_names(options);
    tndb_free(options->names);
    tndb_free(options->selector);
    tenantdb_error_free(options->mistake);
    tndb_free(options);
  }
}

/* ---------------------------------------------------------------- the list */

static tenantdb_status add_name(tenantdb_fleet_options *options, const char *name, size_t length,
                                tenantdb_error **error) {
  if (length == 0 || !tndb_utf8_valid(name, length, NULL)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "fleet option tenants: name %zu is %s", options->set.n_names + 1,
                       length ? "not valid UTF-8" : "empty");
  }
  if (options->set.n_names == options->capacity) {
    size_t capacity = options->capacity ? options->capacity * 2 : 8;
    char **bigger = tndb_realloc(options->names, capacity * sizeof *bigger);
    if (!bigger) {
      return tndb_no_memory(error);
    }
    options->names = bigger;
    options->capacity = capacity;
  }
  char *copy = tndb_strndup(name, length);
  if (!copy) {
    return tndb_no_memory(error);
  }
  options->names[options->set.n_names++] = copy;
  return TENANTDB_OK;
}

static tenantdb_status set_names(tenantdb_fleet_options *options, const char *value, tenantdb_error **error) {
  forget_names(options);
  options->set.listed = value != NULL;
  for (const char *at = value ? value : ""; at[strspn(at, " ")];) {
    at += strspn(at, " ");
    size_t length = strcspn(at, ",");
    size_t trimmed = length;
    while (trimmed > 0 && at[trimmed - 1] == ' ') {
      trimmed--;
    }
    tenantdb_status status = add_name(options, at, trimmed, error);
    if (status) {
      return status;
    }
    at += length;
    if (*at == ',' && !*++at) {
      return add_name(options, at, 0, error); /* "a," names nobody behind its comma */
    }
  }
  return TENANTDB_OK;
}

void tenantdb_fleet_options_tenant(tenantdb_fleet_options *options, const char *tenant) {
  if (!options || options->mistake) {
    return;
  }
  if (!tenant) {
    (void)tndb_origin(&options->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "tenant is NULL");
    return;
  }
  options->set.listed = true;
  (void)add_name(options, tenant, strlen(tenant), &options->mistake);
}

/* ---------------------------------------------------------------- the others */

static tenantdb_status refuse(const char *key, const char *value, const char *form, tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                     "fleet option %s: \"%.60s\" is %s", key, value, form);
}

static tenantdb_status set_selector(tenantdb_fleet_options *options, const char *value,
                                    tenantdb_error **error) {
  tndb_selector checked; /* it is made again when it is used; here it is for its mistakes */
  tenantdb_status status = tndb_selector_compile(value ? value : "", 1, &checked, error);
  tndb_selector_free(&checked);
  if (status) {
    return status;
  }
  char *copy = value ? tndb_strdup(value) : NULL;
  if (value && !copy) {
    return tndb_no_memory(error);
  }
  tndb_free(options->selector);
  options->selector = copy;
  return TENANTDB_OK;
}

static tenantdb_status set_columns(tenantdb_fleet_options *options, const char *value,
                                   tenantdb_error **error) {
  bool both = value && strcmp(value, "both") == 0;
  bool id = both || (value && strcmp(value, "id") == 0);
  bool slug = both || !value || strcmp(value, "slug") == 0;
  if (!id && !slug) {
    return refuse("columns", value, "none of slug, id and both", error);
  }
  options->set.with_id = id;
  options->set.with_slug = slug;
  return TENANTDB_OK;
}

static tenantdb_status set_connections(tenantdb_fleet_options *options, const char *value,
                                       tenantdb_error **error) {
  int64_t number = 0;
  if (value && (!tndb_number_parse(value, &number) || number < 1 || number > MOST_CONNECTIONS)) {
    return refuse("connections", value, "not a number from 1 to 10000", error);
  }
  options->set.connections = number;
  return TENANTDB_OK;
}

static tenantdb_status set_duration(const char *key, const char *value, int64_t initial, int64_t *to,
                                    tenantdb_error **error) {
  int64_t duration = initial;
  if (value && !tndb_duration_parse(value, &duration)) {
    return refuse(key, value, "not a duration: a number and ms, s, min, h or d", error);
  }
  *to = duration;
  return TENANTDB_OK;
}

static tenantdb_status set_flag(const char *key, const char *value, bool initial, bool *to,
                                tenantdb_error **error) {
  bool flag = initial;
  if (value && !tndb_flag_parse(value, &flag)) {
    return refuse(key, value, "neither on nor off", error);
  }
  *to = flag;
  return TENANTDB_OK;
}

/* One of two words; the first is the default. */
static tenantdb_status set_choice(const char *key, const char *value, const char *const words[2],
                                  bool *second, tenantdb_error **error) {
  bool is_second = value && strcmp(value, words[1]) == 0;
  if (value && !is_second && strcmp(value, words[0]) != 0) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "fleet option %s: \"%.60s\" is neither %s nor %s", key, value, words[0], words[1]);
  }
  *second = is_second;
  return TENANTDB_OK;
}

static tenantdb_status unknown(const char *key, tenantdb_error **error) {
  static const char *const keys[] = {"tenants", "selector",       "order",   "connections", "on_error",
                                     "timeout", "tenant_timeout", "columns", "read_only",   "binary"};
  tndb_nearest nearest = TNDB_NEAREST_INIT(key);
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    tndb_nearest_try(&nearest, keys[i]);
  }
  return tndb_origin(
      error, TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION,
      "there is no fleet option \"%.60s\"%s%s%s; there are tenants, selector, order, connections, "
      "on_error, timeout, tenant_timeout, columns, read_only and binary",
      key, nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
      nearest.best ? "\"?" : "");
}

static tenantdb_status set(tenantdb_fleet_options *options, const char *key, const char *value,
                           tenantdb_error **error) {
  static const char *const orders[2] = {"tenant", "any"};
  static const char *const ways[2] = {"continue", "stop"};
  tndb_fleet_settings *to = &options->set;
  if (strcmp(key, "tenants") == 0) {
    return set_names(options, value, error);
  }
  if (strcmp(key, "selector") == 0) {
    return set_selector(options, value, error);
  }
  if (strcmp(key, "columns") == 0) {
    return set_columns(options, value, error);
  }
  if (strcmp(key, "connections") == 0) {
    return set_connections(options, value, error);
  }
  if (strcmp(key, "timeout") == 0) {
    return set_duration(key, value, 0, &to->timeout_ms, error);
  }
  if (strcmp(key, "tenant_timeout") == 0) {
    return set_duration(key, value, -1, &to->tenant_timeout_ms, error);
  }
  if (strcmp(key, "read_only") == 0) {
    return set_flag(key, value, true, &to->read_only, error);
  }
  if (strcmp(key, "binary") == 0) {
    return set_flag(key, value, false, &to->binary, error);
  }
  if (strcmp(key, "on_error") == 0) {
    return set_choice(key, value, ways, &to->stops, error);
  }
  if (strcmp(key, "order") == 0) {
    bool any = false;
    tenantdb_status status = set_choice(key, value, orders, &any, error);
    to->by_tenant = status ? to->by_tenant : !any;
    return status;
  }
  return unknown(key, error);
}

void tenantdb_fleet_options_set(tenantdb_fleet_options *options, const char *key, const char *value) {
  if (!options || options->mistake) {
    return;
  }
  if (!key) {
    (void)tndb_origin(&options->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                      "a fleet option's key is NULL");
    return;
  }
  (void)set(options, key, value, &options->mistake);
}

/* ---------------------------------------------------------------- reading */

const tenantdb_error *tndb_fleet_options_mistake(const tenantdb_fleet_options *options) {
  return options->mistake;
}

tenantdb_status tndb_fleet_settings_read(const tenantdb *db, const tenantdb_fleet_options *options,
                                         tndb_fleet_settings *settings, tenantdb_error **error) {
  if (options && options->mistake) {
    return tndb_error_pass(error, tndb_error_copy(options->mistake));
  }
  if (options) {
    *settings = options->set;
    settings->names = (const char *const *)options->names;
    settings->selector = options->selector;
  } else {
    *settings = (tndb_fleet_settings){.tenant_timeout_ms = -1, .by_tenant = true, .read_only = true};
    reset_columns(settings);
  }
  if (settings->connections == 0) {
    settings->connections = tndb_config_number(db->config, TNDB_FLEET_CONNECTIONS);
  }
  if (settings->tenant_timeout_ms < 0) {
    settings->tenant_timeout_ms = tndb_config_number(db->config, TNDB_SESSION_TIMEOUT);
  }
  return TENANTDB_OK;
}

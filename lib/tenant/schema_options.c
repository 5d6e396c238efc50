/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/schema_options.h"

#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "config/property.h"
#include "tenant/fleet_selector.h"

#define MOST_SHOWN 10000
#define MOST_BATCH 10000

static const tndb_schema_settings defaults = {.shown = 20, .batch = 500};

struct tenantdb_schema_options {
  tenantdb_fleet_options *fleet; /* tenants and selector are a fleet's */
  tndb_schema_settings set;
  tenantdb_error *mistake;
};

tenantdb_schema_options *tenantdb_schema_options_new(void) {
  tenantdb_schema_options *options = tndb_new(tenantdb_schema_options);
  tenantdb_fleet_options *fleet = options ? tenantdb_fleet_options_new() : NULL;
  if (!fleet) {
    tndb_free(options);
    return NULL;
  }
  options->fleet = fleet;
  options->set = defaults;
  return options;
}

void tenantdb_schema_options_free(tenantdb_schema_options *options) {
  if (options) {
    tenantdb_fleet_options_free(options->fleet);
    tenantdb_error_free(options->mistake);
    tndb_free(options);
  }
}

/* ---------------------------------------------------------------- setting */

static tenantdb_status set_number(const char *key, const char *value, int64_t least, int64_t most,
                                  int64_t initial, int64_t *to, tenantdb_error **error) {
  int64_t number = initial;
  if (value && (!tndb_number_parse(value, &number) || number < least || number > most)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "schema option %s: \"%.60s\" is not a number from %lld to %lld", key, value,
                       (long long)least, (long long)most);
  }
  *to = number;
  return TENANTDB_OK;
}

static tenantdb_status set_indexes(const char *value, bool *concurrently, tenantdb_error **error) {
  bool is_second = value && strcmp(value, "concurrently") == 0;
  if (value && !is_second && strcmp(value, "plain") != 0) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "schema option indexes: \"%.60s\" is neither plain nor concurrently", value);
  }
  *concurrently = is_second;
  return TENANTDB_OK;
}

static tenantdb_status set_drop(const char *value, bool *drop, tenantdb_error **error) {
  bool flag = false;
  if (value && !tndb_flag_parse(value, &flag)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "schema option drop: \"%.60s\" is neither on nor off", value);
  }
  *drop = flag;
  return TENANTDB_OK;
}

static tenantdb_status unknown(const char *key, tenantdb_error **error) {
  static const char *const keys[] = {"tenants", "selector", "shown", "batch", "drop", "indexes"};
  tndb_nearest nearest = TNDB_NEAREST_INIT(key);
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    tndb_nearest_try(&nearest, keys[i]);
  }
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION,
                     "there is no schema option \"%.60s\"%s%s%s; there are tenants, selector, shown, batch, "
                     "drop and indexes",
                     key, nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
                     nearest.best ? "\"?" : "");
}

static tenantdb_status set(tenantdb_schema_options *options, const char *key, const char *value,
                           tenantdb_error **error) {
  if (strcmp(key, "tenants") == 0 || strcmp(key, "selector") == 0) {
    tenantdb_fleet_options_set(options->fleet, key, value);
    return TENANTDB_OK; /* its mistakes are its own to keep */
  }
  if (strcmp(key, "shown") == 0) {
    return set_number(key, value, 0, MOST_SHOWN, defaults.shown, &options->set.shown, error);
  }
  if (strcmp(key, "batch") == 0) {
    return set_number(key, value, 1, MOST_BATCH, defaults.batch, &options->set.batch, error);
  }
  if (strcmp(key, "drop") == 0) {
    return set_drop(value, &options->set.drop, error);
  }
  return strcmp(key, "indexes") == 0 ? set_indexes(value, &options->set.concurrently, error)
                                     : unknown(key, error);
}

static bool is_mistaken(const tenantdb_schema_options *options) {
  return options->mistake || tndb_fleet_options_mistake(options->fleet);
}

void tenantdb_schema_options_set(tenantdb_schema_options *options, const char *key, const char *value) {
  if (options && !is_mistaken(options)) {
    (void)(key ? set(options, key, value, &options->mistake)
               : tndb_origin(&options->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                             "a schema option's key is NULL"));
  }
}

void tenantdb_schema_options_tenant(tenantdb_schema_options *options, const char *tenant) {
  if (options && !is_mistaken(options)) {
    tenantdb_fleet_options_tenant(options->fleet, tenant);
  }
}

/* ---------------------------------------------------------------- reading */

/* Every tenant that has a schema, unless the selector says which states. */
static tenantdb_status complete_selector(const tndb_fleet_settings *fleet, tndb_buffer *selector,
                                         tenantdb_error **error) {
  tndb_selector compiled;
  const char *given = fleet->selector ? fleet->selector : "";
  tenantdb_status status = tndb_selector_compile(given, 1, &compiled, error);
  if (!status) {
    bool bare = given[strspn(given, " \t\r\n")] == '\0';
    tndb_buffer_append(selector, compiled.on_state || fleet->listed ? "" : "state=active|suspended|archived");
    tndb_buffer_append(selector, selector->length && !bare ? ", " : "");
    tndb_buffer_append(selector, given);
    status = selector->failed ? tndb_no_memory(error) : TENANTDB_OK;
  }
  tndb_selector_free(&compiled);
  return status;
}

static bool has_schema(const tndb_fleet_list *list, size_t tenant) {
  int32_t state = tndb_tenant_state(tndb_fleet_list_state(list, tenant));
  return state == TENANTDB_TENANT_ACTIVE || state == TENANTDB_TENANT_SUSPENDED ||
         state == TENANTDB_TENANT_ARCHIVED;
}

/* Who was named and has no schema, or does not exist, is a mistake; who was merely selected is passed over. */
static tenantdb_status check_list(const tndb_fleet_settings *fleet, tndb_fleet_list *list,
                                  tenantdb_error **error) {
  if (list->n_missing > 0) {
    return tndb_tenant_unknown(list->missing[0], error);
  }
  size_t kept = 0;
  for (size_t i = 0; i < list->count; i++) {
    const char *slug = tndb_fleet_list_slug(list, i);
    if (has_schema(list, i)) {
      list->at[kept++] = list->at[i];
    } else if (fleet->listed) {
      (void)tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_STATE,
                        "tenant %s is %s: it has no schema to look at", slug, tndb_fleet_list_state(list, i));
      tndb_error_set_tenant(error, slug);
      return TENANTDB_STATE;
    }
  }
  list->count = kept;
  return TENANTDB_OK;
}

tenantdb_status tndb_schema_options_read(tenantdb *db, const tenantdb_schema_options *options,
                                         tndb_schema_settings *settings, tndb_fleet_list *list,
                                         tenantdb_error **error) {
  tndb_fleet_settings fleet;
  tndb_auto_buffer selector = TNDB_BUFFER_INIT;
  *settings = options ? options->set : defaults;
  *list = (tndb_fleet_list){.rows = NULL};
  if (options && options->mistake) {
    return tndb_error_pass(error, tndb_error_copy(options->mistake));
  }
  tenantdb_status status = tndb_fleet_settings_read(db, options ? options->fleet : NULL, &fleet, error);
  if (!status) {
    status = complete_selector(&fleet, &selector, error);
  }
  if (!status) {
    fleet.selector = tndb_buffer_text(&selector);
    tndb_deadline deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
    status = tndb_fleet_list_read(db, &fleet, deadline, list, error);
  }
  return status ? status : check_list(&fleet, list, error);
}

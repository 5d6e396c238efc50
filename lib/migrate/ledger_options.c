/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/ledger_options.h"

#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "config/property.h"
#include "migrate/ledger.h"

struct tenantdb_ledger_options {
  tenantdb_schema_options *tenants; /* who they are and in which states is asked as for drift */
  tndb_ledger_settings set;
  tenantdb_error *mistake;
};

static const tndb_ledger_settings defaults = {.stream = TNDB_STREAM_TENANT, .version = TNDB_LEDGER_UNSAID};

tenantdb_ledger_options *tenantdb_ledger_options_new(void) {
  tenantdb_ledger_options *options = tndb_new(tenantdb_ledger_options);
  tenantdb_schema_options *tenants = options ? tenantdb_schema_options_new() : NULL;
  if (!tenants) {
    tndb_free(options);
    return NULL;
  }
  options->tenants = tenants;
  options->set = defaults;
  return options;
}

void tenantdb_ledger_options_free(tenantdb_ledger_options *options) {
  if (options) {
    tenantdb_schema_options_free(options->tenants);
    tenantdb_error_free(options->mistake);
    tndb_free(options);
  }
}

/* ---------------------------------------------------------------- setting */

static tenantdb_status set_version(const char *value, int64_t *version, tenantdb_error **error) {
  int64_t number = TNDB_LEDGER_UNSAID;
  if (value && strcmp(value, "newest") == 0) {
    number = TNDB_LEDGER_NEWEST;
  } else if (value && strcmp(value, "all") == 0) {
    number = TNDB_LEDGER_ALL;
  } else if (value && (!tndb_number_parse(value, &number) || number < 1 || number > TNDB_VERSION_MOST)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "ledger option version: \"%.60s\" is neither a version nor newest nor all", value);
  }
  *version = number;
  return TENANTDB_OK;
}

static tenantdb_status set_force(const char *value, bool *force, tenantdb_error **error) {
  bool flag = false;
  if (value && !tndb_flag_parse(value, &flag)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "ledger option force: \"%.60s\" is neither on nor off", value);
  }
  *force = flag;
  return TENANTDB_OK;
}

static tenantdb_status unknown(const char *key, tenantdb_error **error) {
  static const char *const keys[] = {"tenants", "selector", "stream", "version", "force"};
  tndb_nearest nearest = TNDB_NEAREST_INIT(key);
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    tndb_nearest_try(&nearest, keys[i]);
  }
  return tndb_origin(
      error, TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION,
      "there is no ledger option \"%.60s\"%s%s%s; there are tenants, selector, stream, version "
      "and force",
      key, nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
      nearest.best ? "\"?" : "");
}

static tenantdb_status set(tenantdb_ledger_options *options, const char *key, const char *value,
                           tenantdb_error **error) {
  if (strcmp(key, "tenants") == 0 || strcmp(key, "selector") == 0) {
    tenantdb_schema_options_set(options->tenants, key, value); /* its mistakes are its own to keep */
    options->set.chosen = options->set.chosen || value;
    return TENANTDB_OK;
  }
  if (strcmp(key, "stream") == 0) {
    return tndb_stream_of(value ? value : "tenant", &options->set.stream, error);
  }
  if (strcmp(key, "version") == 0) {
    return set_version(value, &options->set.version, error);
  }
  return strcmp(key, "force") == 0 ? set_force(value, &options->set.force, error) : unknown(key, error);
}

void tenantdb_ledger_options_set(tenantdb_ledger_options *options, const char *key, const char *value) {
  if (options && !options->mistake) {
    (void)(key ? set(options, key, value, &options->mistake)
               : tndb_origin(&options->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                             "a ledger option's key is NULL"));
  }
}

void tenantdb_ledger_options_tenant(tenantdb_ledger_options *options, const char *tenant) {
  if (options && !options->mistake) {
    tenantdb_schema_options_tenant(options->tenants, tenant);
    options->set.chosen = true;
  }
}

/* ---------------------------------------------------------------- reading */

tenantdb_status tndb_ledger_settings_read(const tenantdb_ledger_options *options,
                                          tndb_ledger_settings *settings, tenantdb_error **error) {
  *settings = options ? options->set : defaults;
  settings->tenants = options ? options->tenants : NULL;
  return options && options->mistake ? tndb_error_pass(error, tndb_error_copy(options->mistake))
                                     : TENANTDB_OK;
}

tenantdb_status tndb_ledger_list(tenantdb *db, const tndb_ledger_settings *settings, tndb_fleet_list *list,
                                 tenantdb_error **error) {
  tndb_schema_settings unused;
  return tndb_schema_options_read(db, settings->tenants, &unused, list, error);
}

const char *tndb_ledger_ids(const tndb_fleet_list *list, bool shared, tndb_text_array *ids) {
  if (shared) {
    tndb_text_array_add(ids, TNDB_LEDGER_SHARED);
  }
  for (size_t i = 0; i < list->count; i++) {
    tndb_text_array_add(ids, tndb_fleet_list_id(list, i));
  }
  return tndb_text_array_finish(ids);
}

/* ---------------------------------------------------------------- public calls */

tenantdb_status tndb_ledger_enter(tenantdb *db, tenantdb_result **result, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!result) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  }
  *result = NULL;
  return tndb_database_check(db, error);
}

tenantdb_status tndb_ledger_leave(tenantdb_status status, tndb_table *table, tenantdb_result **result,
                                  tenantdb_error **error) {
  if (status) {
    tndb_table_free(table);
    return status;
  }
  return tndb_table_finish(table, result, error);
}

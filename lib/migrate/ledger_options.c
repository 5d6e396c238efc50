/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/ledger_options.h"

#include <string.h>

#include "base/memory.h"
#include "migrate/ledger.h"
#include "tenant/fleet_selector.h"

enum { TENANTS, SELECTOR, STREAM, VERSION, FORCE, N_KEYS };

static tenantdb_status check_stream(const char *what, const char *value, tenantdb_error **error) {
  tndb_stream stream;
  tenantdb_status status = tndb_stream_of(value, &stream, error);
  if (status) {
    tndb_error_prefix(error, "%s", what);
  }
  return status;
}

/* False when it is none. */
static bool parse_version(const char *value, int64_t *version) {
  if (strcmp(value, "newest") == 0 || strcmp(value, "all") == 0) {
    *version = value[0] == 'n' ? TNDB_LEDGER_NEWEST : TNDB_LEDGER_ALL;
    return true;
  }
  return tndb_number_parse(value, version) && *version >= 1 && *version <= TNDB_VERSION_MOST;
}

static tenantdb_status check_version(const char *what, const char *value, tenantdb_error **error) {
  int64_t version;
  return parse_version(value, &version)
             ? TENANTDB_OK
             : tndb_value_refuse(what, value, "is neither a version nor newest nor all", error);
}

static const tndb_option_row rows[N_KEYS] = {
    [TENANTS] = {"tenants", .type = TNDB_TYPE_LIST},
    [SELECTOR] = {"selector", .type = TNDB_TYPE_PLAIN, .check = tndb_selector_check},
    [STREAM] = {"stream", .type = TNDB_TYPE_PLAIN, .check = check_stream},
    [VERSION] = {"version", .type = TNDB_TYPE_PLAIN, .check = check_version},
    [FORCE] = {"force", .type = TNDB_TYPE_FLAG}};
static const tndb_option_table table = TNDB_OPTION_TABLE("ledger option", rows);

struct tenantdb_ledger_options {
  tndb_options all;
};

tenantdb_ledger_options *tenantdb_ledger_options_new(void) {
  return tndb_new(tenantdb_ledger_options);
}

void tenantdb_ledger_options_free(tenantdb_ledger_options *options) {
  if (options) {
    tndb_options_clear(&options->all);
    tndb_free(options);
  }
}

void tenantdb_ledger_options_set(tenantdb_ledger_options *options, const char *key, const char *value) {
  if (options) {
    tndb_options_set(&options->all, &table, key, value);
  }
}

void tenantdb_ledger_options_tenant(tenantdb_ledger_options *options, const char *tenant) {
  if (options) {
    tndb_options_add(&options->all, &table, TENANTS, tenant);
  }
}

/* ---------------------------------------------------------------- reading */

tenantdb_status tndb_ledger_settings_read(const tenantdb_ledger_options *options,
                                          tndb_ledger_settings *settings, tenantdb_error **error) {
  const tndb_options *all = options ? &options->all : NULL;
  const char *version = tndb_option_text(all, VERSION, NULL);
  *settings = (tndb_ledger_settings){.who = tndb_fleet_who_of(all, TENANTS, SELECTOR),
                                     .stream = TNDB_STREAM_TENANT,
                                     .version = TNDB_LEDGER_UNSAID,
                                     .force = tndb_option_number(all, FORCE, false)};
  settings->chosen = settings->who.listed || settings->who.selector;
  (void)tndb_stream_of(tndb_option_text(all, STREAM, "tenant"), &settings->stream, NULL);
  (void)(version && parse_version(version, &settings->version));
  return tndb_options_check(all, error);
}

tenantdb_status tndb_ledger_list(tenantdb *db, const tndb_ledger_settings *settings, tndb_fleet_list *list,
                                 tenantdb_error **error) {
  return tndb_schema_list_read(db, &settings->who, list, error);
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

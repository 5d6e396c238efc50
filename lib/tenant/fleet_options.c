/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/fleet_options.h"

#include "base/memory.h"
#include "tenant/fleet_selector.h"

#define MOST_CONNECTIONS 10000

enum {
  TENANTS,
  SELECTOR,
  ORDER,
  CONNECTIONS,
  ON_ERROR,
  TIMEOUT,
  TENANT_TIMEOUT,
  COLUMNS,
  READ_ONLY,
  BINARY,
  N_KEYS
};
enum { SLUG, ID, BOTH }; /* columns */

/* The first choice is the default. */
static const tndb_option_row rows[N_KEYS] = {
    [TENANTS] = {"tenants", .type = TNDB_TYPE_LIST},
    [SELECTOR] = {"selector", .type = TNDB_TYPE_PLAIN, .check = tndb_selector_check},
    [ORDER] = {"order", .type = TNDB_TYPE_CHOICE, .choices = "tenant|any"},
    [CONNECTIONS] = {"connections", .type = TNDB_TYPE_NUMBER, .minimum = 1, .maximum = MOST_CONNECTIONS},
    [ON_ERROR] = {"on_error", .type = TNDB_TYPE_CHOICE, .choices = "continue|stop"},
    [TIMEOUT] = {"timeout", .type = TNDB_TYPE_DURATION, .maximum = INT64_MAX},
    [TENANT_TIMEOUT] = {"tenant_timeout", .type = TNDB_TYPE_DURATION, .maximum = INT64_MAX},
    [COLUMNS] = {"columns", .type = TNDB_TYPE_CHOICE, .choices = "slug|id|both"},
    [READ_ONLY] = {"read_only", .type = TNDB_TYPE_FLAG},
    [BINARY] = {"binary", .type = TNDB_TYPE_FLAG}};
static const tndb_option_table table = TNDB_OPTION_TABLE("fleet option", rows);

struct tenantdb_fleet_options {
  tndb_options all;
};

tenantdb_fleet_options *tenantdb_fleet_options_new(void) {
  return tndb_new(tenantdb_fleet_options);
}

void tenantdb_fleet_options_free(tenantdb_fleet_options *options) {
  if (options) {
    tndb_options_clear(&options->all);
    tndb_free(options);
  }
}

void tenantdb_fleet_options_set(tenantdb_fleet_options *options, const char *key, const char *value) {
  if (options) {
    tndb_options_set(&options->all, &table, key, value);
  }
}

void tenantdb_fleet_options_tenant(tenantdb_fleet_options *options, const char *tenant) {
  if (options) {
    tndb_options_add(&options->all, &table, TENANTS, tenant);
  }
}

tndb_fleet_who tndb_fleet_who_of(const tndb_options *options, int tenants, int selector) {
  tndb_fleet_who who = {.listed = tndb_option_given(options, tenants),
                        .selector = tndb_option_text(options, selector, NULL)};
  who.names = tndb_option_names(options, tenants, &who.n_names);
  return who;
}

tenantdb_status tndb_fleet_settings_read(const tenantdb *db, const tenantdb_fleet_options *options,
                                         tndb_fleet_settings *settings, tenantdb_error **error) {
  const tndb_options *all = options ? &options->all : NULL;
  int64_t columns = tndb_option_number(all, COLUMNS, SLUG);
  *settings = (tndb_fleet_settings){
      .who = tndb_fleet_who_of(all, TENANTS, SELECTOR),
      .connections =
          tndb_option_number(all, CONNECTIONS, tndb_config_number(db->config, TNDB_FLEET_CONNECTIONS)),
      .timeout_ms = tndb_option_number(all, TIMEOUT, 0),
      .tenant_timeout_ms =
          tndb_option_number(all, TENANT_TIMEOUT, tndb_config_number(db->config, TNDB_SESSION_TIMEOUT)),
      .by_tenant = !tndb_option_number(all, ORDER, 0),
      .stops = tndb_option_number(all, ON_ERROR, 0),
      .with_slug = columns != ID,
      .with_id = columns != SLUG,
      .read_only = tndb_option_number(all, READ_ONLY, true),
      .binary = tndb_option_number(all, BINARY, false)};
  return tndb_options_check(all, error);
}

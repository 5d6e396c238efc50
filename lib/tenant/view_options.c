/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/view_options.h"

#include "base/memory.h"
#include "config/option.h"
#include "sql/identifier.h"
#include "tenant/fleet_selector.h"
#include "tenant/naming.h"

enum { SCHEMA, READER, TENANTS, SELECTOR, COLUMNS, TENANT_COLUMN, TENANT_SHOWS, SECURITY_BARRIER, N_KEYS };

/* Views show active tenants and no others, so there is nothing to choose. */
static tenantdb_status check_selector(const char *what, const char *value, tenantdb_error **error) {
  tndb_selector selector;
  tenantdb_status status = tndb_selector_check(what, value, error);
  if (status) {
    return status;
  }
  status = tndb_selector_compile(value, 1, &selector, error);
  if (!status && selector.on_state) {
    status =
        tndb_value_refuse(what, value, "is a condition on the state: a view shows active tenants", error);
  }
  tndb_selector_free(&selector);
  return status;
}

/* The first choice is the default. */
static const tndb_option_row rows[N_KEYS] = {
    [SCHEMA] = {"schema", .type = TNDB_TYPE_PLAIN, .check = tndb_naming_check_new},
    [READER] = {"reader", .type = TNDB_TYPE_PLAIN, .check = tndb_identifier_check},
    [TENANTS] = {"tenants", .type = TNDB_TYPE_LIST},
    [SELECTOR] = {"selector", .type = TNDB_TYPE_PLAIN, .check = check_selector},
    [COLUMNS] = {"columns", .type = TNDB_TYPE_LIST},
    [TENANT_COLUMN] = {"tenant_column", .type = TNDB_TYPE_PLAIN, .check = tndb_identifier_check},
    [TENANT_SHOWS] = {"tenant_shows", .type = TNDB_TYPE_CHOICE, .choices = "slug|id"},
    [SECURITY_BARRIER] = {"security_barrier", .type = TNDB_TYPE_CHOICE, .choices = "off|on"}};
static const tndb_option_table table = TNDB_OPTION_TABLE("view option", rows);

struct tenantdb_view_options {
  tndb_options all;
};

tenantdb_view_options *tenantdb_view_options_new(void) {
  return tndb_new(tenantdb_view_options);
}

void tenantdb_view_options_free(tenantdb_view_options *options) {
  if (options) {
    tndb_options_clear(&options->all);
    tndb_free(options);
  }
}

void tenantdb_view_options_set(tenantdb_view_options *options, const char *key, const char *value) {
  if (options) {
    tndb_options_set(&options->all, &table, key, value);
  }
}

void tenantdb_view_options_tenant(tenantdb_view_options *options, const char *tenant) {
  if (options) {
    tndb_options_add(&options->all, &table, TENANTS, tenant);
  }
}

void tenantdb_view_options_column(tenantdb_view_options *options, const char *column) {
  if (options) {
    tndb_options_add(&options->all, &table, COLUMNS, column);
  }
}

tenantdb_status tndb_view_settings_read(const tenantdb_view_options *options, tndb_view_settings *settings,
                                        tenantdb_error **error) {
  const tndb_options *all = options ? &options->all : NULL;
  *settings = (tndb_view_settings){.schema = tndb_option_text(all, SCHEMA, "tenantdb_reports"),
                                   .reader = tndb_option_text(all, READER, NULL),
                                   .selector = tndb_option_text(all, SELECTOR, NULL),
                                   .tenant_column = tndb_option_text(all, TENANT_COLUMN, "tenant"),
                                   .listed = tndb_option_given(all, TENANTS),
                                   .by_id = tndb_option_number(all, TENANT_SHOWS, 0),
                                   .barrier = tndb_option_number(all, SECURITY_BARRIER, 0)};
  settings->tenants = tndb_option_names(all, TENANTS, &settings->n_tenants);
  settings->columns = tndb_option_names(all, COLUMNS, &settings->n_columns);
  return tndb_options_check(all, error);
}

/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/relocate_options.h"

#include <string.h>

#include "base/memory.h"
#include "config/option.h"
#include "sql/identifier.h"
#include "tenant/naming.h"

enum { WHAT, FROM, TO, TENANT, WAY, TABLES, NAMES, FORCE, LOCK, PATIENCE, WATCH, N_KEYS };

static tenantdb_status check_table(const char *what, const char *name, tenantdb_error **error) {
  return strlen(name) <= TNDB_IDENTIFIER_BYTES
             ? TENANTDB_OK
             : tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                           "%s is longer than 63 bytes", what);
}

/* The first choice is the default. */
static const tndb_option_row rows[N_KEYS] = {
    [WHAT] = {"what", .type = TNDB_TYPE_CHOICE, .choices = "shared|tenant|adopt"},
    [FROM] = {"from", .type = TNDB_TYPE_PLAIN, .check = tndb_identifier_check},
    [TO] = {"to", .type = TNDB_TYPE_PLAIN, .check = tndb_naming_check_new},
    [TENANT] = {"tenant", .type = TNDB_TYPE_PLAIN, .check = tndb_identifier_check},
    [WAY] = {"way", .type = TNDB_TYPE_CHOICE, .choices = "at_once|views"},
    [TABLES] = {"tables", .type = TNDB_TYPE_LIST, .check = check_table},
    [NAMES] = {"names", .type = TNDB_TYPE_CHOICE, .choices = "old|new"},
    [FORCE] = {"force", .type = TNDB_TYPE_CHOICE, .choices = "off|on"},
    [LOCK] = {"lock_timeout", .type = TNDB_TYPE_DURATION, .minimum = 10, .maximum = 10000},
    [PATIENCE] = {"patience", .type = TNDB_TYPE_DURATION, .maximum = 86400000},
    [WATCH] = {"watch", .type = TNDB_TYPE_DURATION, .maximum = 3600000}};
static const tndb_option_table table = TNDB_OPTION_TABLE("relocate option", rows);

struct tenantdb_relocate_options {
  tndb_options all;
};

tenantdb_relocate_options *tenantdb_relocate_options_new(void) {
  return tndb_new(tenantdb_relocate_options);
}

void tenantdb_relocate_options_free(tenantdb_relocate_options *options) {
  if (options) {
    tndb_options_clear(&options->all);
    tndb_free(options);
  }
}

void tenantdb_relocate_options_set(tenantdb_relocate_options *options, const char *key, const char *value) {
  if (options) {
    tndb_options_set(&options->all, &table, key, value);
  }
}

void tenantdb_relocate_options_table(tenantdb_relocate_options *options, const char *name) {
  if (options) {
    tndb_options_add(&options->all, &table, TABLES, name);
  }
}

tenantdb_status tndb_relocate_settings_read(const tenantdb_relocate_options *options,
                                            tndb_relocate_settings *settings, tenantdb_error **error) {
  const tndb_options *all = options ? &options->all : NULL;
  *settings = (tndb_relocate_settings){.what = (tndb_relocate_what)tndb_option_number(all, WHAT, 0),
                                       .from = tndb_option_text(all, FROM, NULL),
                                       .to = tndb_option_text(all, TO, NULL),
                                       .tenant = tndb_option_text(all, TENANT, NULL),
                                       .views = tndb_option_number(all, WAY, 0),
                                       .new_names = tndb_option_number(all, NAMES, 0),
                                       .force = tndb_option_number(all, FORCE, 0),
                                       .lock_ms = tndb_option_number(all, LOCK, 500),
                                       .patience_ms = tndb_option_number(all, PATIENCE, -1),
                                       .watch_ms = tndb_option_number(all, WATCH, 0)};
  settings->tables = tndb_option_names(all, TABLES, &settings->n_tables);
  return tndb_options_check(all, error);
}

/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/archive_options.h"

#include "base/memory.h"
#include "config/option.h"

#define MOST_TIMEOUT_MS (INT64_C(365) * 24 * 3600 * 1000)

enum { DATA, STATE, EXTRA, MATCH, REFERENCES, TIMEOUT, N_KEYS };

/* The first choice is the default. */
static const tndb_option_row rows[N_KEYS] = {
    [DATA] = {"data", .type = TNDB_TYPE_CHOICE, .choices = "on|off"},
    [STATE] = {"state", .type = TNDB_TYPE_CHOICE, .choices = "active|suspended"},
    [EXTRA] = {"extra", .type = TNDB_TYPE_CHOICE, .choices = "refuse|ignore"},
    [MATCH] = {"match", .type = TNDB_TYPE_CHOICE, .choices = "key|id"},
    [REFERENCES] = {"references", .type = TNDB_TYPE_CHOICE, .choices = "refuse|null"},
    [TIMEOUT] = {"timeout", .type = TNDB_TYPE_DURATION, .minimum = 1, .maximum = MOST_TIMEOUT_MS}};
static const tndb_option_table table = TNDB_OPTION_TABLE("archive option", rows);

struct tenantdb_archive_options {
  tndb_options all;
};

tenantdb_archive_options *tenantdb_archive_options_new(void) {
  return tndb_new(tenantdb_archive_options);
}

void tenantdb_archive_options_free(tenantdb_archive_options *options) {
  if (options) {
    tndb_options_clear(&options->all);
    tndb_free(options);
  }
}

void tenantdb_archive_options_set(tenantdb_archive_options *options, const char *key, const char *value) {
  if (options) {
    tndb_options_set(&options->all, &table, key, value);
  }
}

tenantdb_status tndb_archive_settings_read(const tenantdb_archive_options *options, const tenantdb *db,
                                           tndb_archive_settings *settings, tenantdb_error **error) {
  const tndb_options *all = options ? &options->all : NULL;
  *settings = (tndb_archive_settings){
      .data = !tndb_option_number(all, DATA, 0),
      .state = tndb_option_number(all, STATE, 0) ? TENANTDB_TENANT_SUSPENDED : TENANTDB_TENANT_ACTIVE,
      .ignore_extra = tndb_option_number(all, EXTRA, 0),
      .match_ids = tndb_option_number(all, MATCH, 0),
      .null_missing = tndb_option_number(all, REFERENCES, 0),
      .timeout_ms = tndb_option_number(all, TIMEOUT, tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT))};
  return tndb_options_check(all, error);
}

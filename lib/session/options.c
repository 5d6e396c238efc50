/* SPDX-License-Identifier: PostgreSQL */
#include "base/memory.h"
#include "config/option.h"
#include "session/session.h"

enum { TIMEOUT, READ_ONLY, BINARY, MIN_VERSION, WAIT_VERSION, N_KEYS };

static const tndb_option_row rows[N_KEYS] = {
    [TIMEOUT] = {"timeout", .type = TNDB_TYPE_DURATION, .maximum = INT64_MAX},
    [READ_ONLY] = {"read_only", .type = TNDB_TYPE_FLAG},
    [BINARY] = {"binary", .type = TNDB_TYPE_FLAG},
    [MIN_VERSION] = {"min_version", .type = TNDB_TYPE_NUMBER, .maximum = INT64_MAX},
    [WAIT_VERSION] = {"wait_version", .type = TNDB_TYPE_DURATION, .maximum = INT64_MAX}};
static const tndb_option_table table = TNDB_OPTION_TABLE("session option", rows);

struct tenantdb_session_options {
  tndb_options all;
};

tenantdb_session_options *tenantdb_session_options_new(void) {
  return tndb_new(tenantdb_session_options);
}

void tenantdb_session_options_free(tenantdb_session_options *options) {
  if (options) {
    tndb_options_clear(&options->all);
    tndb_free(options);
  }
}

void tenantdb_session_options_set(tenantdb_session_options *options, const char *key, const char *value) {
  if (options) {
    tndb_options_set(&options->all, &table, key, value);
  }
}

tenantdb_status tndb_session_settings_read(const tenantdb *db, const tenantdb_session_options *options,
                                           tndb_session_settings *settings, tenantdb_error **error) {
  const tndb_options *all = options ? &options->all : NULL;
  *settings = (tndb_session_settings){
      .timeout_ms = tndb_option_number(all, TIMEOUT, tndb_config_number(db->config, TNDB_SESSION_TIMEOUT)),
      .read_only = tndb_option_number(all, READ_ONLY, false),
      .binary = tndb_option_number(all, BINARY, false),
      .min_version = tndb_option_number(all, MIN_VERSION, 0),
      .wait_version_ms = tndb_option_number(all, WAIT_VERSION, 0)};
  return tndb_options_check(all, error);
}

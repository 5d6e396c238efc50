/* SPDX-License-Identifier: PostgreSQL */
#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "session/session.h"

struct tenantdb_session_options {
  int64_t timeout_ms; /* -1: the database's */
  bool read_only;
  tenantdb_error *mistake;
};

tenantdb_session_options *tenantdb_session_options_new(void) {
  tenantdb_session_options *options = tndb_new(tenantdb_session_options);
  if (options) {
    options->timeout_ms = -1;
  }
  return options;
}

static tenantdb_status set(tenantdb_session_options *options, const char *key, const char *value,
                           tenantdb_error **error) {
  if (strcmp(key, "timeout") == 0) {
    int64_t timeout = -1;
    if (value && !tndb_duration_parse(value, &timeout)) {
      return tndb_origin(
          error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
          "session option timeout: \"%.60s\" is not a duration: a number and ms, s, min, h or d", value);
    }
    options->timeout_ms = timeout;
    return TENANTDB_OK;
  }
  if (strcmp(key, "read_only") == 0) {
    bool flag = false;
    if (value && !tndb_flag_parse(value, &flag)) {
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                         "session option read_only: \"%.60s\" is neither on nor off", value);
    }
    options->read_only = flag;
    return TENANTDB_OK;
  }
  tndb_nearest nearest = TNDB_NEAREST_INIT(key);
  tndb_nearest_try(&nearest, "timeout");
  tndb_nearest_try(&nearest, "read_only");
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION,
                     "there is no session option \"%.60s\"%s%s%s; there are timeout and read_only", key,
                     nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
                     nearest.best ? "\"?" : "");
}

void tenantdb_session_options_set(tenantdb_session_options *options, const char *key, const char *value) {
  if (!options || options->mistake) {
    return;
  }
  if (!key) {
    (void)tndb_origin(&options->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                      "a session option's key is NULL");
    return;
  }
  (void)set(options, key, value, &options->mistake);
}

void tenantdb_session_options_free(tenantdb_session_options *options) {
  if (options) {
    tenantdb_error_free(options->mistake);
    tndb_free(options);
  }
}

tenantdb_status tndb_session_settings_read(const tenantdb *db, const tenantdb_session_options *options,
                                           tndb_session_settings *settings, tenantdb_error **error) {
  *settings = (tndb_session_settings){tndb_config_number(db->config, TNDB_SESSION_TIMEOUT), false};
  if (!options) {
    return TENANTDB_OK;
  }
  if (options->mistake) {
    return tndb_error_pass(error, tndb_error_copy(options->mistake));
  }
  settings->timeout_ms = options->timeout_ms >= 0 ? options->timeout_ms : settings->timeout_ms;
  settings->read_only = options->read_only;
  return TENANTDB_OK;
}

/* SPDX-License-Identifier: PostgreSQL */
#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "session/session.h"

struct tenantdb_session_options {
  int64_t timeout_ms; /* -1: the database's */
  bool read_only;
  bool binary;
  int64_t min_version;
  int64_t wait_version_ms;
  tenantdb_error *mistake;
};

tenantdb_session_options *tenantdb_session_options_new(void) {
  tenantdb_session_options *options = tndb_new(tenantdb_session_options);
  if (options) {
    options->timeout_ms = -1;
  }
  return options;
}

static tenantdb_status refuse(const char *key, const char *value, const char *form, tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                     "session option %s: \"%.60s\" is %s", key, value, form);
}

static const char duration_form[] = "not a duration: a number and ms, s, min, h or d";

static tenantdb_status unknown(const char *key, tenantdb_error **error) {
  static const char *const keys[] = {"timeout", "read_only", "binary", "min_version", "wait_version"};
  tndb_nearest nearest = TNDB_NEAREST_INIT(key);
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    tndb_nearest_try(&nearest, keys[i]);
  }
  return tndb_origin(
      error, TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION,
      "there is no session option \"%.60s\"%s%s%s; there are timeout, read_only, binary, min_version and "
      "wait_version",
      key, nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
      nearest.best ? "\"?" : "");
}

static tenantdb_status set(tenantdb_session_options *options, const char *key, const char *value,
                           tenantdb_error **error) {
  if (strcmp(key, "timeout") == 0) {
    int64_t timeout = -1;
    if (value && !tndb_duration_parse(value, &timeout)) {
      return refuse(key, value, duration_form, error);
    }
    options->timeout_ms = timeout;
  } else if (strcmp(key, "wait_version") == 0) {
    int64_t wait = 0;
    if (value && !tndb_duration_parse(value, &wait)) {
      return refuse(key, value, duration_form, error);
    }
    options->wait_version_ms = wait;
  } else if (strcmp(key, "min_version") == 0) {
    int64_t version = 0;
    if (value && (!tndb_number_parse(value, &version) || version < 0)) {
      return refuse(key, value, "not a version: a number, 0 or more", error);
    }
    options->min_version = version;
  } else if (strcmp(key, "read_only") == 0 || strcmp(key, "binary") == 0) {
    bool flag = false;
    if (value && !tndb_flag_parse(value, &flag)) {
      return refuse(key, value, "neither on nor off", error);
    }
    *(key[0] == 'r' ? &options->read_only : &options->binary) = flag;
  } else {
    return unknown(key, error);
  }
  return TENANTDB_OK;
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
  *settings =
      (tndb_session_settings){tndb_config_number(db->config, TNDB_SESSION_TIMEOUT), false, false, 0, 0};
  if (!options) {
    return TENANTDB_OK;
  }
  if (options->mistake) {
    return tndb_error_pass(error, tndb_error_copy(options->mistake));
  }
  settings->timeout_ms = options->timeout_ms >= 0 ? options->timeout_ms : settings->timeout_ms;
  settings->read_only = options->read_only;
  settings->binary = options->binary;
  settings->min_version = options->min_version;
  settings->wait_version_ms = options->wait_version_ms;
  return TENANTDB_OK;
}

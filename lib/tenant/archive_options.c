/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/archive_options.h"

#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "base/utf8.h"

#define MOST_TIMEOUT_MS (INT64_C(365) * 24 * 3600 * 1000)

/* Options of two words; the first is the default. */
enum { DATA, STATE, EXTRA, MATCH, REFERENCES, N_CHOICES };
static const char *const choices[N_CHOICES][3] = {{"data", "on", "off"},
                                                  {"state", "active", "suspended"},
                                                  {"extra", "refuse", "ignore"},
                                                  {"match", "key", "id"},
                                                  {"references", "refuse", "null"}};

struct tenantdb_archive_options {
  bool second[N_CHOICES]; /* whether the second word was chosen */
  int64_t timeout_ms;     /* 0: the database's */
  tenantdb_error *mistake;
};

tenantdb_archive_options *tenantdb_archive_options_new(void) {
  return tndb_new(tenantdb_archive_options);
}

void tenantdb_archive_options_free(tenantdb_archive_options *options) {
  if (options) {
    tenantdb_error_free(options->mistake);
    tndb_free(options);
  }
}

static tenantdb_status unknown(const char *key, tenantdb_error **error) {
  tndb_nearest nearest = TNDB_NEAREST_INIT(key);
  for (int i = 0; i < N_CHOICES; i++) {
    tndb_nearest_try(&nearest, choices[i][0]);
  }
  tndb_nearest_try(&nearest, "timeout");
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION,
                     "there is no archive option \"%.60s\"%s%s%s; there are data, state, extra, match, "
                     "references and timeout",
                     key, nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
                     nearest.best ? "\"?" : "");
}

static tenantdb_status refuse(const char *key, const char *value, const char *form, tenantdb_error **error) {
  bool readable = tndb_utf8_valid(value, strlen(value), NULL);
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                     "archive option %s: \"%.60s\" is %s", key, readable ? value : "?", form);
}

static tenantdb_status set_choice(tenantdb_archive_options *options, int which, const char *value,
                                  tenantdb_error **error) {
  const char *const *words = choices[which];
  bool second = value && strcmp(value, words[2]) == 0;
  if (value && !second && strcmp(value, words[1]) != 0) {
    tndb_auto_buffer form = TNDB_BUFFER_INIT;
    tndb_buffer_format(&form, "neither %s nor %s", words[1], words[2]);
    return refuse(words[0], value, tndb_buffer_text(&form), error);
  }
  options->second[which] = second;
  return TENANTDB_OK;
}

static tenantdb_status set(tenantdb_archive_options *options, const char *key, const char *value,
                           tenantdb_error **error) {
  for (int i = 0; i < N_CHOICES; i++) {
    if (strcmp(key, choices[i][0]) == 0) {
      return set_choice(options, i, value, error);
    }
  }
  if (strcmp(key, "timeout") != 0) {
    return unknown(key, error);
  }
  int64_t timeout = 0;
  if (value && (!tndb_duration_parse(value, &timeout) || timeout < 1 || timeout > MOST_TIMEOUT_MS)) {
    return refuse(key, value, "no duration from 1ms to 365d", error);
  }
  options->timeout_ms = timeout;
  return TENANTDB_OK;
}

void tenantdb_archive_options_set(tenantdb_archive_options *options, const char *key, const char *value) {
  if (options && !options->mistake) {
    (void)(key ? set(options, key, value, &options->mistake)
               : tndb_origin(&options->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                             "archive options: key is NULL"));
  }
}

tenantdb_status tndb_archive_settings_read(const tenantdb_archive_options *options, const tenantdb *db,
                                           tndb_archive_settings *settings, tenantdb_error **error) {
  static const tenantdb_archive_options defaults = {.timeout_ms = 0};
  if (options && options->mistake) {
    return tndb_error_pass(error, tndb_error_copy(options->mistake));
  }
  options = options ? options : &defaults;
  *settings = (tndb_archive_settings){
      .data = !options->second[DATA],
      .state = options->second[STATE] ? TENANTDB_TENANT_SUSPENDED : TENANTDB_TENANT_ACTIVE,
      .ignore_extra = options->second[EXTRA],
      .match_ids = options->second[MATCH],
      .null_missing = options->second[REFERENCES],
      .timeout_ms =
          options->timeout_ms ? options->timeout_ms : tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT)};
  return TENANTDB_OK;
}

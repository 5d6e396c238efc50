/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/move_options.h"

#include <string.h>
#include <tenantdb/tenant.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "config/property.h"
#include "pg/conninfo.h"

enum { CONNECTION, SLUG, N_TEXTS };
enum { PAUSE, PATIENCE, LOCK, N_TIMES };
enum { IDENTITY, VERIFY, MATCH, REFERENCES, SOURCE, N_CHOICES };

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static const char *const text_keys[N_TEXTS] = {"connection", "slug"};
static const struct {
  const char *key;
  int64_t usual;
  int64_t least;
  int64_t most;
} times[N_TIMES] = {{"write_pause", 5000, 100, 600000},
                    {"patience", 3600000, 1000, 30 * DAY_MS},
                    {"lock_timeout", 500, 10, 10000}};
/* The words of each choice, the default first. */
static const struct {
  const char *key;
  const char *words[4];
} choices[N_CHOICES] = {{"identity", {"refuse", "full", NULL, NULL}},
                        {"verify", {"after", "pause", "counts", NULL}},
                        {"match", {"key", "id", NULL, NULL}},
                        {"references", {"refuse", "null", NULL, NULL}},
                        {"source", {"keep", "remove", NULL, NULL}}};

struct tenantdb_move_options {
  char *texts[N_TEXTS];
  int64_t times[N_TIMES]; /* 0: the usual one */
  int choice[N_CHOICES];
  tenantdb_error *mistake;
};

tenantdb_move_options *tenantdb_move_options_new(void) {
  return tndb_new(tenantdb_move_options);
}

/* It may be a connection string with a password in it. */
static void forget(char *text) {
  for (volatile char *at = text; at && *at; at++) {
    *at = '\0';
  }
  tndb_free(text);
}

void tenantdb_move_options_free(tenantdb_move_options *options) {
  if (options) {
    for (int i = 0; i < N_TEXTS; i++) {
      forget(options->texts[i]);
    }
    tenantdb_error_free(options->mistake);
    tndb_free(options);
  }
}

/* ---------------------------------------------------------------- values */

static tenantdb_status check_connection(const char *value, tenantdb_error **error) {
  bool fits = *value && tndb_utf8_valid(value, strlen(value), NULL) && tndb_conninfo_is_valid(value);
  return fits ? TENANTDB_OK
              : tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                            "move option connection: the value, which is not shown, is no connection string "
                            "and no URI that libpq understands");
}

static tenantdb_status set_text(tenantdb_move_options *options, int which, const char *value,
                                tenantdb_error **error) {
  tenantdb_status status = !value                ? TENANTDB_OK
                           : which == CONNECTION ? check_connection(value, error)
                                                 : tenantdb_slug_check(value, strlen(value), error);
  char *copy = value && !status ? tndb_strdup(value) : NULL;
  if (value && !status && !copy) {
    status = tndb_no_memory(error);
  }
  if (!status) {
    forget(options->texts[which]);
    options->texts[which] = copy;
  }
  return status;
}

static tenantdb_status set_time(tenantdb_move_options *options, int which, const char *value,
                                tenantdb_error **error) {
  int64_t ms = 0;
  if (value && (!tndb_duration_parse(value, &ms) || ms < times[which].least || ms > times[which].most)) {
    return tndb_origin(
        error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
        "move option %s: \"%.40s\" is no duration from %lld ms to %lld ms, such as 500ms or 2s",
        times[which].key, tndb_utf8_valid(value, strlen(value), NULL) ? value : "?",
        (long long)times[which].least, (long long)times[which].most);
  }
  options->times[which] = ms;
  return TENANTDB_OK;
}

static tenantdb_status set_choice(tenantdb_move_options *options, int which, const char *value,
                                  tenantdb_error **error) {
  const char *const *words = choices[which].words;
  tndb_auto_buffer all = TNDB_BUFFER_INIT;
  for (int i = 0; words[i]; i++) {
    if (!value || strcmp(value, words[i]) == 0) {
      options->choice[which] = i;
      return TENANTDB_OK;
    }
    tndb_buffer_append(&all, i ? ", " : "");
    tndb_buffer_append(&all, words[i]);
  }
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                     "move option %s: \"%.60s\" is none of: %s", choices[which].key,
                     tndb_utf8_valid(value, strlen(value), NULL) ? value : "?", tndb_buffer_text(&all));
}

/* ---------------------------------------------------------------- keys */

static tenantdb_status unknown(const char *key, tenantdb_error **error) {
  tndb_nearest nearest = TNDB_NEAREST_INIT(key);
  for (int i = 0; i < N_TEXTS; i++) {
    tndb_nearest_try(&nearest, text_keys[i]);
  }
  for (int i = 0; i < N_TIMES; i++) {
    tndb_nearest_try(&nearest, times[i].key);
  }
  for (int i = 0; i < N_CHOICES; i++) {
    tndb_nearest_try(&nearest, choices[i].key);
  }
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION,
                     "there is no move option \"%.60s\"%s%s%s; there are connection, slug, write_pause, "
                     "patience, lock_timeout, identity, verify, match, references and source",
                     key, nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
                     nearest.best ? "\"?" : "");
}

static tenantdb_status set(tenantdb_move_options *options, const char *key, const char *value,
                           tenantdb_error **error) {
  for (int i = 0; i < N_TEXTS; i++) {
    if (strcmp(key, text_keys[i]) == 0) {
      return set_text(options, i, value, error);
    }
  }
  for (int i = 0; i < N_TIMES; i++) {
    if (strcmp(key, times[i].key) == 0) {
      return set_time(options, i, value, error);
    }
  }
  for (int i = 0; i < N_CHOICES; i++) {
    if (strcmp(key, choices[i].key) == 0) {
      return set_choice(options, i, value, error);
    }
  }
  return unknown(key, error);
}

void tenantdb_move_options_set(tenantdb_move_options *options, const char *key, const char *value) {
  if (options && !options->mistake) {
    (void)(key ? set(options, key, value, &options->mistake)
               : tndb_origin(&options->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                             "move options: key is NULL"));
  }
}

static int64_t time_of(const tenantdb_move_options *options, int which) {
  return options->times[which] ? options->times[which] : times[which].usual;
}

tenantdb_status tndb_move_settings_read(const tenantdb_move_options *options, tndb_move_settings *settings,
                                        tenantdb_error **error) {
  static const tenantdb_move_options defaults = {.texts = {NULL}};
  if (options && options->mistake) {
    return tndb_error_pass(error, tndb_error_copy(options->mistake));
  }
  options = options ? options : &defaults;
  *settings = (tndb_move_settings){.connection = options->texts[CONNECTION],
                                   .slug = options->texts[SLUG],
                                   .pause_ms = time_of(options, PAUSE),
                                   .patience_ms = time_of(options, PATIENCE),
                                   .lock_ms = time_of(options, LOCK),
                                   .verify = (tndb_move_verify)options->choice[VERIFY],
                                   .full_identity = options->choice[IDENTITY] == 1,
                                   .match_ids = options->choice[MATCH] == 1,
                                   .null_missing = options->choice[REFERENCES] == 1,
                                   .remove_source = options->choice[SOURCE] == 1};
  return TENANTDB_OK;
}

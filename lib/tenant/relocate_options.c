/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/relocate_options.h"

#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "config/property.h"
#include "sql/identifier.h"

enum { FROM, TO, TENANT, N_TEXTS };
enum { LOCK, PATIENCE, WATCH, N_TIMES };
enum { WHAT, WAY, NAMES, FORCE, N_CHOICES };

/* A time in milliseconds; `least` of -1 stands for one that was not given. */
typedef struct range {
  const char *key;
  int64_t least;
  int64_t most;
} range;

static const char *const text_keys[N_TEXTS] = {"from", "to", "tenant"};
static const range times[N_TIMES] = {
    {"lock_timeout", 10, 10000}, {"patience", 0, 86400000}, {"watch", 0, 3600000}};
/* The words of each choice, the default first. */
static const struct {
  const char *key;
  const char *words[4];
} choices[N_CHOICES] = {{"what", {"shared", "tenant", "adopt", NULL}},
                        {"way", {"at_once", "views", NULL, NULL}},
                        {"names", {"old", "new", NULL, NULL}},
                        {"force", {"off", "on", NULL, NULL}}};

struct tenantdb_relocate_options {
  char *texts[N_TEXTS];
  int64_t given[N_TIMES]; /* one more than the milliseconds; 0: not given */
  int choice[N_CHOICES];
  char **tables;
  size_t n_tables;
  tenantdb_error *mistake;
};

tenantdb_relocate_options *tenantdb_relocate_options_new(void) {
  return tndb_new(tenantdb_relocate_options);
}

static void clear_tables(tenantdb_relocate_options *options) {
  for (size_t i = 0; i < options->n_tables; i++) {
    tndb_free(options->tables[i]);
  }
  tndb_free(options->tables);
  options->tables = NULL;
  options->n_tables = 0;
}

void tenantdb_relocate_options_free(tenantdb_relocate_options *options) {
  if (options) {
    for (int i = 0; i < N_TEXTS; i++) {
      tndb_free(options->texts[i]);
    }
    clear_tables(options);
    tenantdb_error_free(options->mistake);
    tndb_free(options);
  }
}

/* ---------------------------------------------------------------- values */

static tenantdb_status bad(const char *key, const char *value, const char *why, tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                     "relocate option %s: \"%.80s\" is %s", key, value, why);
}

static tenantdb_status set_text(tenantdb_relocate_options *options, int which, const char *value,
                                tenantdb_error **error) {
  tndb_auto_buffer what = TNDB_BUFFER_INIT;
  tndb_buffer_format(&what, "relocate option %s", text_keys[which]);
  tenantdb_status status = what.failed ? tndb_no_memory(error)
                           : value     ? tndb_identifier_check(tndb_buffer_text(&what), value, error)
                                       : TENANTDB_OK;
  bool reserved = !status && value && which == TO && strncmp(value, "pg_", 3) == 0;
  if (reserved) {
    status = bad(text_keys[which], value, "a name that PostgreSQL keeps for itself", error);
  }
  char *copy = value && !status ? tndb_strdup(value) : NULL;
  if (value && !status && !copy) {
    status = tndb_no_memory(error);
  }
  if (!status) {
    tndb_free(options->texts[which]);
    options->texts[which] = copy;
  }
  return status;
}

static tenantdb_status set_time(tenantdb_relocate_options *options, int which, const char *value,
                                tenantdb_error **error) {
  int64_t ms = -1;
  if (value && (!tndb_duration_parse(value, &ms) || ms < times[which].least || ms > times[which].most)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "relocate option %s: \"%.40s\" is no duration from %lld ms to %lld ms, such as 500ms "
                       "or 2s",
                       times[which].key, value, (long long)times[which].least, (long long)times[which].most);
  }
  options->given[which] = ms + 1;
  return TENANTDB_OK;
}

static tenantdb_status set_choice(tenantdb_relocate_options *options, int which, const char *value,
                                  tenantdb_error **error) {
  const char *const *words = choices[which].words;
  tndb_auto_buffer all = TNDB_BUFFER_INIT;
  for (int i = 0; words[i]; i++) {
    if (!value || strcmp(value, words[i]) == 0) {
      options->choice[which] = i;
      return TENANTDB_OK;
    }
    tndb_buffer_append(&all, i ? ", " : "none of: ");
    tndb_buffer_append(&all, words[i]);
  }
  return bad(choices[which].key, value, tndb_buffer_text(&all), error);
}

static tenantdb_status add_table(tenantdb_relocate_options *options, const char *name, size_t length,
                                 tenantdb_error **error) {
  if (length == 0 || length > TNDB_IDENTIFIER_BYTES || !tndb_utf8_valid(name, length, NULL)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "relocate option tables: name %zu is %s", options->n_tables + 1,
                       length == 0                      ? "empty"
                       : length > TNDB_IDENTIFIER_BYTES ? "longer than 63 bytes"
                                                        : "not valid UTF-8");
  }
  char *copy = tndb_strndup(name, length);
  char **bigger = copy ? tndb_realloc(options->tables, (options->n_tables + 1) * sizeof *bigger) : NULL;
  if (!bigger) {
    tndb_free(copy);
    return tndb_no_memory(error);
  }
  options->tables = bigger;
  options->tables[options->n_tables++] = copy;
  return TENANTDB_OK;
}

static tenantdb_status set_tables(tenantdb_relocate_options *options, const char *value,
                                  tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  const char *at = value ? value : "";
  bool more = at[strspn(at, " ")] != '\0';
  clear_tables(options);
  while (more && !status) {
    at += strspn(at, " ");
    size_t length = strcspn(at, ","), trimmed = length;
    while (trimmed > 0 && at[trimmed - 1] == ' ') {
      trimmed--;
    }
    status = add_table(options, at, trimmed, error);
    more = at[length] == ',';
    at += length + 1;
  }
  return status;
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
  tndb_nearest_try(&nearest, "tables");
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION,
                     "there is no relocate option \"%.60s\"%s%s%s; there are what, from, to, tenant, way, "
                     "tables, names, force, lock_timeout, patience and watch",
                     key, nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
                     nearest.best ? "\"?" : "");
}

static tenantdb_status set(tenantdb_relocate_options *options, const char *key, const char *value,
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
  return strcmp(key, "tables") == 0 ? set_tables(options, value, error) : unknown(key, error);
}

void tenantdb_relocate_options_set(tenantdb_relocate_options *options, const char *key, const char *value) {
  if (options && !options->mistake) {
    (void)(key ? set(options, key, value, &options->mistake)
               : tndb_origin(&options->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                             "relocate options: key is NULL"));
  }
}

void tenantdb_relocate_options_table(tenantdb_relocate_options *options, const char *table) {
  if (options && !options->mistake) {
    (void)(table ? add_table(options, table, strlen(table), &options->mistake)
                 : tndb_origin(&options->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                               "relocate option tables: the name is NULL"));
  }
}

tenantdb_status tndb_relocate_settings_read(const tenantdb_relocate_options *options,
                                            tndb_relocate_settings *settings, tenantdb_error **error) {
  static const tenantdb_relocate_options defaults = {.texts = {NULL}};
  if (options && options->mistake) {
    return tndb_error_pass(error, tndb_error_copy(options->mistake));
  }
  options = options ? options : &defaults;
  *settings = (tndb_relocate_settings){
      .what = (tndb_relocate_what)options->choice[WHAT],
      .from = options->texts[FROM],
      .to = options->texts[TO],
      .tenant = options->texts[TENANT],
      .tables = (const char *const *)options->tables,
      .n_tables = options->n_tables,
      .views = options->choice[WAY] == 1,
      .new_names = options->choice[NAMES] == 1,
      .force = options->choice[FORCE] == 1,
      .lock_ms = options->given[LOCK] ? options->given[LOCK] - 1 : 500,
      .patience_ms = options->given[PATIENCE] - 1,
      .watch_ms = options->given[WATCH] ? options->given[WATCH] - 1 : 0,
  };
  return TENANTDB_OK;
}

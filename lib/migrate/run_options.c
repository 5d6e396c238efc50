/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/run_options.h"

#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "config/property.h"
#include "migrate/set.h"
#include "tenant/fleet_selector.h"

#define CONNECTIONS_MOST 10000
#define WHOLE 10000 /* hundredths of a percent */

enum {
  TENANTS,
  SELECTOR,
  STATES,
  STREAM,
  TO,
  ORDER,
  CANARY,
  WAVES,
  CONNECTIONS,
  LIMIT,
  ON_ERROR,
  RETRIES,
  LOCK_TIMEOUT,
  LOCK_RETRIES,
  PAUSES,
  DRY,
  DOWN,
  FLEET_DOWN,
  STANDBY,
  N_KEYS
};

static const char *const keys[N_KEYS] = {"tenants",       "selector",     "states",
                                         "stream",        "to",           "order",
                                         "canary",        "waves",        "connections",
                                         "failure_limit", "on_error",     "retries",
                                         "lock_timeout",  "lock_retries", "pause_between_waves",
                                         "dry_run",       "down",         "allow_fleet_down",
                                         "standby"};

struct tenantdb_run_options {
  char *given[N_KEYS]; /* NULL: not set */
  tenantdb_error *mistake;
};

tenantdb_run_options *tenantdb_run_options_new(void) {
  return tndb_new(tenantdb_run_options);
}

void tenantdb_run_options_free(tenantdb_run_options *options) {
  if (options) {
    for (int i = 0; i < N_KEYS; i++) {
      tndb_free(options->given[i]);
    }
    tenantdb_error_free(options->mistake);
    tndb_free(options);
  }
}

bool tndb_run_options_at(const tenantdb_run_options *options, size_t at, const char **key,
                         const char **value) {
  for (size_t i = 0; i < N_KEYS; i++) {
    if (options->given[i] && at-- == 0) {
      *key = keys[i];
      *value = options->given[i];
      return true;
    }
  }
  return false;
}

/* ---------------------------------------------------------------- reading one value */

static tenantdb_status refuse(int key, const char *value, const char *why, tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                     "run option %s: \"%.60s\" is %s", keys[key], value, why);
}

static tenantdb_status read_number(int key, const char *value, int64_t least, int64_t most, int64_t *to,
                                   tenantdb_error **error) {
  int64_t number;
  if (!tndb_number_parse(value, &number) || number < least || number > most) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "run option %s: \"%.60s\" is no number from %lld to %lld", keys[key], value,
                       (long long)least, (long long)most);
  }
  *to = number;
  return TENANTDB_OK;
}

static tenantdb_status read_flag(int key, const char *value, bool *to, tenantdb_error **error) {
  return tndb_flag_parse(value, to) ? TENANTDB_OK : refuse(key, value, "neither on nor off", error);
}

/* One of three words; returns its number. */
static tenantdb_status read_word(int key, const char *value, const char *const words[3], int *to,
                                 tenantdb_error **error) {
  for (int i = 0; i < 3 && words[i]; i++) {
    if (strcmp(value, words[i]) == 0) {
      *to = i;
      return TENANTDB_OK;
    }
  }
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                     "run option %s: \"%.60s\" is none of %s, %s%s%s", keys[key], value, words[0], words[1],
                     words[2] ? " and " : "", words[2] ? words[2] : "");
}

/* The next item of a list: its beginning and length without blanks around it; NULL behind the last. */
static const char *next_item(const char **at, size_t *length) {
  if (!*at) {
    return NULL;
  }
  const char *begin = *at + strspn(*at, " ");
  size_t whole = strcspn(begin, ",");
  *at = begin[whole] ? begin + whole + 1 : NULL;
  while (whole > 0 && begin[whole - 1] == ' ') {
    whole--;
  }
  *length = whole;
  return begin;
}

/* "5" or "2%" or "0.5%". */
static bool parse_size(const char *text, size_t length, tndb_run_size *size) {
  int64_t whole = 0, parts = 0, scale = 100;
  size_t at = 0;
  for (; at < length && text[at] >= '0' && text[at] <= '9' && at < 9; at++) {
    whole = whole * 10 + (text[at] - '0');
  }
  bool digits = at > 0;
  size->share = length > 0 && text[length - 1] == '%';
  if (digits && size->share && text[at] == '.') {
    size_t first = ++at;
    for (; at < length && text[at] >= '0' && text[at] <= '9' && scale > 1; at++) {
      scale /= 10;
      parts += (text[at] - '0') * scale;
    }
    digits = at > first;
  }
  size->number = size->share ? whole * 100 + parts : whole;
  return digits && at + size->share == length && (!size->share || size->number <= WHOLE);
}

static tenantdb_status read_waves(const char *value, tndb_run_settings *to, tenantdb_error **error) {
  const char *at = value;
  size_t length;
  for (const char *item; (item = next_item(&at, &length));) {
    tndb_run_size size;
    if (to->n_waves == TNDB_RUN_WAVES_MOST) {
      return refuse(WAVES, value, "more than 32 waves", error);
    }
    if (!parse_size(item, length, &size) || size.number == 0) {
      return refuse(WAVES, value, "no list of numbers of tenants and percentages, such as 1,10%,50%,100%",
                    error);
    }
    for (int i = 0; i < to->n_waves; i++) {
      if (to->waves[i].share == size.share && to->waves[i].number >= size.number) {
        return refuse(WAVES, value, "not ascending: each says how many there are up to its end", error);
      }
    }
    to->waves[to->n_waves++] = size;
  }
  return TENANTDB_OK;
}

static tenantdb_status read_states(const char *value, int *states, tenantdb_error **error) {
  static const char *const words[] = {"active", "suspended", "archived"};
  const char *at = value;
  size_t length;
  *states = 0;
  for (const char *item; (item = next_item(&at, &length));) {
    int found = 0;
    for (int i = 0; i < 3; i++) {
      found |= strlen(words[i]) == length && strncmp(item, words[i], length) == 0 ? 1 << i : 0;
    }
    if (!found) {
      return refuse(STATES, value, "no list of active, suspended and archived", error);
    }
    *states |= found;
  }
  return TENANTDB_OK;
}

static tenantdb_status check_selector(int key, const char *value, tenantdb_error **error) {
  tndb_selector selector;
  tenantdb_status status = tndb_selector_compile(value, 1, &selector, error);
  tndb_selector_free(&selector);
  if (status == TENANTDB_ARGUMENT) {
    tndb_error_prefix(error, "run option %s", keys[key]);
  }
  return status;
}

static tenantdb_status read_canary(const char *value, tndb_run_settings *to, tenantdb_error **error) {
  if (tndb_number_parse(value, &to->canaries)) {
    return read_number(CANARY, value, 1, INT32_MAX, &to->canaries, error);
  }
  to->canary_selector = value;
  return check_selector(CANARY, value, error);
}

static tenantdb_status read_tenants(const char *value, tenantdb_error **error) {
  const char *at = value;
  size_t length;
  if (!tndb_utf8_valid(value, strlen(value), NULL)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "run option tenants: the text is not valid UTF-8");
  }
  for (const char *item; *value && (item = next_item(&at, &length));) {
    if (length == 0) {
      return refuse(TENANTS, value, "a list with an empty name in it", error);
    }
  }
  return TENANTDB_OK;
}

static tenantdb_status read_limit(const char *value, tndb_run_settings *to, tenantdb_error **error) {
  to->limited = true;
  return parse_size(value, strlen(value), &to->limit)
             ? TENANTDB_OK
             : refuse(LIMIT, value, "neither a number of tenants nor a percentage, such as 5 or 2%", error);
}

static tenantdb_status read_duration(int key, const char *value, int64_t *to, tenantdb_error **error) {
  return tndb_duration_parse(value, to) && *to >= 1 && *to <= INT64_C(86400000)
             ? TENANTDB_OK
             : refuse(key, value, "no duration from 1ms to 1d, such as 500ms or 3s", error);
}

static tenantdb_status read_choice(int key, const char *value, tndb_run_settings *to,
                                   tenantdb_error **error) {
  static const char *const streams[3] = {"both", "shared", "tenant"};
  static const char *const orders[3] = {"linear", "linear_skip", "any"};
  static const char *const ways[3] = {"continue", "stop", NULL};
  int word = 0;
  tenantdb_status status = read_word(key, value,
                                     key == STREAM  ? streams
                                     : key == ORDER ? orders
                                                    : ways,
                                     &word, error);
  if (status) {
    return status;
  }
  if (key == STREAM) {
    to->shared = word != 2;
    to->tenant = word != 1;
  } else if (key == ORDER) {
    to->order = (tndb_run_order)word;
  } else if (word == 1 && !to->limited) {
    to->limited = true; /* none may fail */
  }
  return TENANTDB_OK;
}

static tenantdb_status read_value(int key, const char *value, tndb_run_settings *to, tenantdb_error **error) {
  switch (key) {
    case TENANTS:
      to->tenants = value;
      return read_tenants(value, error);
    case SELECTOR:
      to->selector = value;
      return check_selector(key, value, error);
    case STATES:
      return read_states(value, &to->states, error);
    case TO:
      return read_number(key, value, 0, TNDB_VERSION_MOST, &to->to, error);
    case CANARY:
      return read_canary(value, to, error);
    case WAVES:
      return read_waves(value, to, error);
    case CONNECTIONS:
      return read_number(key, value, 1, CONNECTIONS_MOST, &to->connections, error);
    case LIMIT:
      return read_limit(value, to, error);
    case RETRIES:
      return read_number(key, value, 0, 1000, &to->retries, error);
    case LOCK_TIMEOUT:
      return read_duration(key, value, &to->lock_timeout_ms, error);
    case LOCK_RETRIES:
      return read_number(key, value, 0, 1000000, &to->lock_retries, error);
    case PAUSES:
      return read_flag(key, value, &to->pauses, error);
    case DRY:
      return read_flag(key, value, &to->dry, error);
    case DOWN:
      return read_flag(key, value, &to->down, error);
    case FLEET_DOWN:
      return read_flag(key, value, &to->fleet_down, error);
    case STANDBY:
      return read_flag(key, value, &to->standby, error);
    default:
      return read_choice(key, value, to, error);
  }
}

/* ---------------------------------------------------------------- setting */

static int find_key(const char *key) {
  for (int i = 0; i < N_KEYS; i++) {
    if (strcmp(key, keys[i]) == 0) {
      return i;
    }
  }
  return -1;
}

static tenantdb_status unknown(const char *key, tenantdb_error **error) {
  tndb_nearest nearest = TNDB_NEAREST_INIT(key);
  tndb_auto_buffer all = TNDB_BUFFER_INIT;
  for (int i = 0; i < N_KEYS; i++) {
    tndb_nearest_try(&nearest, keys[i]);
    tndb_buffer_append(&all, i == 0 ? "" : i == N_KEYS - 1 ? " and " : ", ");
    tndb_buffer_append(&all, keys[i]);
  }
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION,
                     "there is no run option \"%.60s\"%s%s%s; there are %s", key,
                     nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
                     nearest.best ? "\"?" : "", tndb_buffer_text(&all));
}

static tenantdb_status set(tenantdb_run_options *options, const char *key, const char *value,
                           tenantdb_error **error) {
  tndb_run_settings ignored = {.to = -1};
  int which = find_key(key);
  if (which < 0) {
    return unknown(key, error);
  }
  tenantdb_status status = value ? read_value(which, value, &ignored, error) : TENANTDB_OK;
  char *copy = value && !status ? tndb_strdup(value) : NULL;
  if (value && !status && !copy) {
    status = tndb_no_memory(error);
  }
  if (!status) {
    tndb_free(options->given[which]);
    options->given[which] = copy;
  }
  return status;
}

void tenantdb_run_options_set(tenantdb_run_options *options, const char *key, const char *value) {
  if (!options || options->mistake) {
    return;
  }
  if (!key) {
    (void)tndb_origin(&options->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                      "a run option's key is NULL");
    return;
  }
  (void)set(options, key, value, &options->mistake);
}

void tenantdb_run_options_tenant(tenantdb_run_options *options, const char *tenant) {
  if (!options || options->mistake) {
    return;
  }
  if (!tenant) {
    (void)tndb_origin(&options->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "tenant is NULL");
    return;
  }
  if (!*tenant || strchr(tenant, ',')) {
    (void)refuse(TENANTS, tenant, "no tenant's slug or id", &options->mistake);
    return;
  }
  tndb_auto_buffer all = TNDB_BUFFER_INIT;
  const char *before = options->given[TENANTS];
  tndb_buffer_append(&all, before ? before : "");
  tndb_buffer_append(&all, before && *before ? "," : "");
  tndb_buffer_append(&all, tenant);
  (void)(all.failed ? tndb_no_memory(&options->mistake)
                    : set(options, "tenants", tndb_buffer_text(&all), &options->mistake));
}

/* ---------------------------------------------------------------- all together */

static tenantdb_status fits_together(const tndb_run_settings *set, tenantdb_error **error) {
  const char *problem = NULL;
  if (set->down && set->to < 0) {
    problem = "run option down needs option to: the version to go back to";
  } else if (set->down && set->shared && set->tenant) {
    problem = "run option down needs option stream: shared or tenant, not both at once";
  } else if (set->down && set->order != TNDB_RUN_LINEAR) {
    problem = "run option down goes with order linear only";
  }
  return problem ? tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "%s", problem)
                 : TENANTDB_OK;
}

tenantdb_status tndb_run_settings_read(const tenantdb *db, const tenantdb_run_options *options,
                                       tndb_run_settings *settings, tenantdb_error **error) {
  *settings =
      (tndb_run_settings){.states = TNDB_RUN_ACTIVE | TNDB_RUN_SUSPENDED | TNDB_RUN_ARCHIVED,
                          .shared = true,
                          .tenant = true,
                          .to = -1,
                          .connections = tndb_config_number(db->config, TNDB_FLEET_CONNECTIONS),
                          .retries = 3,
                          .lock_timeout_ms = tndb_config_number(db->config, TNDB_MIGRATE_LOCK_TIMEOUT),
                          .lock_retries = tndb_config_number(db->config, TNDB_MIGRATE_LOCK_RETRIES)};
  if (options && options->mistake) {
    return tndb_error_pass(error, tndb_error_copy(options->mistake));
  }
  settings->standby =
      !options || (!options->given[TENANTS] && !options->given[SELECTOR] && !options->given[STATES]);
  for (int i = 0; options && i < N_KEYS; i++) {
    tenantdb_status status =
        options->given[i] ? read_value(i, options->given[i], settings, error) : TENANTDB_OK;
    if (status) {
      return status;
    }
  }
  return fits_together(settings, error);
}

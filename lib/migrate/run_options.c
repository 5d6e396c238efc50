/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/run_options.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "config/option.h"
#include "migrate/set.h"
#include "tenant/fleet_selector.h"

#define CONNECTIONS_MOST 10000
#define WHOLE 10000 /* hundredths of a percent */
#define DAY_MS INT64_C(86400000)

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

/* ---------------------------------------------------------------- texts that are read here */

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

/* What is wrong with the list of waves, or NULL. */
static const char *parse_waves(const char *value, tndb_run_size *waves, int *count) {
  size_t length;
  *count = 0;
  for (const char *item; (item = next_item(&value, &length));) {
    tndb_run_size size;
    if (*count == TNDB_RUN_WAVES_MOST) {
      return "is more than 32 waves";
    }
    if (!parse_size(item, length, &size) || size.number == 0) {
      return "is no list of numbers of tenants and percentages, such as 1,10%,50%,100%";
    }
    for (int i = 0; i < *count; i++) {
      if (waves[i].share == size.share && waves[i].number >= size.number) {
        return "is not ascending: each says how many there are up to its end";
      }
    }
    waves[(*count)++] = size;
  }
  return NULL;
}

static bool parse_states(const char *value, int *states) {
  static const char *const words[] = {"active", "suspended", "archived"};
  size_t length;
  *states = 0;
  for (const char *item; (item = next_item(&value, &length));) {
    int found = 0;
    for (int i = 0; i < 3; i++) {
      found |= strlen(words[i]) == length && strncmp(item, words[i], length) == 0 ? 1 << i : 0;
    }
    if (!found) {
      return false;
    }
    *states |= found;
  }
  return true;
}

/* ---------------------------------------------------------------- their checks */

static tenantdb_status check_tenants(const char *what, const char *value, tenantdb_error **error) {
  const char *at = value;
  size_t length;
  if (!tndb_utf8_valid(value, strlen(value), NULL)) {
    return tndb_value_refuse(what, value, "is not valid UTF-8", error);
  }
  for (const char *item; *value && (item = next_item(&at, &length));) {
    if (length == 0) {
      return tndb_value_refuse(what, value, "is a list with an empty name in it", error);
    }
  }
  return TENANTDB_OK;
}

static tenantdb_status check_states(const char *what, const char *value, tenantdb_error **error) {
  int states;
  return parse_states(value, &states)
             ? TENANTDB_OK
             : tndb_value_refuse(what, value, "is no list of active, suspended and archived", error);
}

static tenantdb_status check_canary(const char *what, const char *value, tenantdb_error **error) {
  int64_t number;
  if (!tndb_number_parse(value, &number)) {
    return tndb_selector_check(what, value, error);
  }
  return number >= 1 && number <= INT32_MAX
             ? TENANTDB_OK
             : tndb_value_refuse(what, value, "is not a number from 1 to 2147483647", error);
}

static tenantdb_status check_waves(const char *what, const char *value, tenantdb_error **error) {
  tndb_run_size waves[TNDB_RUN_WAVES_MOST];
  int count;
  const char *fault = parse_waves(value, waves, &count);
  return fault ? tndb_value_refuse(what, value, fault, error) : TENANTDB_OK;
}

static tenantdb_status check_limit(const char *what, const char *value, tenantdb_error **error) {
  tndb_run_size limit;
  return parse_size(value, strlen(value), &limit)
             ? TENANTDB_OK
             : tndb_value_refuse(what, value,
                                 "is neither a number of tenants nor a percentage, such as 5 or 2%", error);
}

/* ---------------------------------------------------------------- setting */

static const tndb_option_row rows[N_KEYS] = {
    [TENANTS] = {"tenants", .type = TNDB_TYPE_PLAIN, .check = check_tenants},
    [SELECTOR] = {"selector", .type = TNDB_TYPE_PLAIN, .check = tndb_selector_check},
    [STATES] = {"states", .type = TNDB_TYPE_PLAIN, .check = check_states},
    [STREAM] = {"stream", .type = TNDB_TYPE_CHOICE, .choices = "both|shared|tenant"},
    [TO] = {"to", .type = TNDB_TYPE_NUMBER, .maximum = TNDB_VERSION_MOST},
    [ORDER] = {"order", .type = TNDB_TYPE_CHOICE, .choices = "linear|linear_skip|any"},
    [CANARY] = {"canary", .type = TNDB_TYPE_PLAIN, .check = check_canary},
    [WAVES] = {"waves", .type = TNDB_TYPE_PLAIN, .check = check_waves},
    [CONNECTIONS] = {"connections", .type = TNDB_TYPE_NUMBER, .minimum = 1, .maximum = CONNECTIONS_MOST},
    [LIMIT] = {"failure_limit", .type = TNDB_TYPE_PLAIN, .check = check_limit},
    [ON_ERROR] = {"on_error", .type = TNDB_TYPE_CHOICE, .choices = "continue|stop"},
    [RETRIES] = {"retries", .type = TNDB_TYPE_NUMBER, .maximum = 1000},
    [LOCK_TIMEOUT] = {"lock_timeout", .type = TNDB_TYPE_DURATION, .minimum = 1, .maximum = DAY_MS},
    [LOCK_RETRIES] = {"lock_retries", .type = TNDB_TYPE_NUMBER, .maximum = 1000000},
    [PAUSES] = {"pause_between_waves", .type = TNDB_TYPE_FLAG},
    [DRY] = {"dry_run", .type = TNDB_TYPE_FLAG},
    [DOWN] = {"down", .type = TNDB_TYPE_FLAG},
    [FLEET_DOWN] = {"allow_fleet_down", .type = TNDB_TYPE_FLAG},
    [STANDBY] = {"standby", .type = TNDB_TYPE_FLAG}};
static const tndb_option_table table = TNDB_OPTION_TABLE("run option", rows);

struct tenantdb_run_options {
  tndb_options all;
};

tenantdb_run_options *tenantdb_run_options_new(void) {
  return tndb_new(tenantdb_run_options);
}

void tenantdb_run_options_free(tenantdb_run_options *options) {
  if (options) {
    tndb_options_clear(&options->all);
    tndb_free(options);
  }
}

void tenantdb_run_options_set(tenantdb_run_options *options, const char *key, const char *value) {
  if (options) {
    tndb_options_set(&options->all, &table, key, value);
  }
}

/* Kept as text like the other options: that is how the catalog keeps them. */
void tenantdb_run_options_tenant(tenantdb_run_options *options, const char *tenant) {
  if (!options || options->all.mistake) {
    return;
  }
  if (!tenant) {
    (void)tndb_origin(&options->all.mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                      "run option tenants: the name is NULL");
    return;
  }
  if (!*tenant || strchr(tenant, ',')) {
    (void)tndb_value_refuse("run option tenants", tenant, "is no tenant's slug or id", &options->all.mistake);
    return;
  }
  tndb_auto_buffer names = TNDB_BUFFER_INIT;
  const char *before = tndb_option_text(&options->all, TENANTS, "");
  tndb_buffer_append(&names, before);
  tndb_buffer_append(&names, *before ? "," : "");
  tndb_buffer_append(&names, tenant);
  if (names.failed) {
    (void)tndb_no_memory(&options->all.mistake);
    return;
  }
  tenantdb_run_options_set(options, "tenants", tndb_buffer_text(&names));
}

/* ---------------------------------------------------------------- reading */

bool tndb_run_options_at(const tenantdb_run_options *options, size_t at, const char **key,
                         const char **value) {
  for (int i = 0; i < N_KEYS; i++) {
    if (tndb_option_given(&options->all, i) && at-- == 0) {
      *key = rows[i].key;
      *value = tndb_option_text(&options->all, i, NULL);
      return true;
    }
  }
  return false;
}

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

static void read_all(const tenantdb *db, const tndb_options *all, tndb_run_settings *set) {
  int64_t stream = tndb_option_number(all, STREAM, 0);
  bool chosen =
      tndb_option_given(all, TENANTS) || tndb_option_given(all, SELECTOR) || tndb_option_given(all, STATES);
  *set = (tndb_run_settings){
      .tenants = tndb_option_text(all, TENANTS, NULL),
      .selector = tndb_option_text(all, SELECTOR, NULL),
      .shared = stream != 2,
      .tenant = stream != 1,
      .to = tndb_option_number(all, TO, -1),
      .order = (tndb_run_order)tndb_option_number(all, ORDER, TNDB_RUN_LINEAR),
      .connections =
          tndb_option_number(all, CONNECTIONS, tndb_config_number(db->config, TNDB_FLEET_CONNECTIONS)),
      .limited = tndb_option_given(all, LIMIT) || tndb_option_number(all, ON_ERROR, 0),
      .retries = tndb_option_number(all, RETRIES, 3),
      .lock_timeout_ms =
          tndb_option_number(all, LOCK_TIMEOUT, tndb_config_number(db->config, TNDB_MIGRATE_LOCK_TIMEOUT)),
      .lock_retries =
          tndb_option_number(all, LOCK_RETRIES, tndb_config_number(db->config, TNDB_MIGRATE_LOCK_RETRIES)),
      .pauses = tndb_option_number(all, PAUSES, false),
      .dry = tndb_option_number(all, DRY, false),
      .down = tndb_option_number(all, DOWN, false),
      .fleet_down = tndb_option_number(all, FLEET_DOWN, false),
      .standby = tndb_option_number(all, STANDBY, !chosen)};
  (void)parse_states(tndb_option_text(all, STATES, "active,suspended,archived"), &set->states);
  const char *text = tndb_option_text(all, CANARY, NULL);
  set->canary_selector = text && !tndb_number_parse(text, &set->canaries) ? text : NULL;
  text = tndb_option_text(all, WAVES, NULL);
  (void)(text && parse_waves(text, set->waves, &set->n_waves));
  text = tndb_option_text(all, LIMIT, NULL); /* none: none may fail, when they are limited */
  (void)(text && parse_size(text, strlen(text), &set->limit));
}

tenantdb_status tndb_run_settings_read(const tenantdb *db, const tenantdb_run_options *options,
                                       tndb_run_settings *settings, tenantdb_error **error) {
  const tndb_options *all = options ? &options->all : NULL;
  read_all(db, all, settings);
  tenantdb_status status = tndb_options_check(all, error);
  return status ? status : fits_together(settings, error);
}

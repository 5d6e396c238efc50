/* SPDX-License-Identifier: PostgreSQL */
#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "migrate/set.h"
#include "sql/identifier.h"

static const char *const namings[TNDB_N_NAMINGS] = {"auto",           "tenantdb", "flyway",
                                                    "golang-migrate", "goose",    "dbmate"};
static const char *const sums[] = {"check", "require", "ignore"};
static const char *const parts[] = {"1", "2", "3", "4"};
static const char *const flags[] = {"on", "off"};

enum { NAMING, SUMS, FLYWAY_PARTS, DEFAULT_LOCK_TIMEOUT, N_CHOICES };
/* The first word is the default. */
static const struct {
  const char *key;
  const char *const *words;
  int count;
  const char *form;
} choices[N_CHOICES] = {
    {"naming", namings, TNDB_N_NAMINGS, "none of auto, tenantdb, flyway, golang-migrate, goose and dbmate"},
    {"sums", sums, 3, "none of check, require and ignore"},
    {"flyway_parts", parts, 4, "no number from 1 to 4"},
    {"default_lock_timeout", flags, 2, "neither on nor off"}};

static tenantdb_status unknown(const char *key, tenantdb_error **error) {
  tndb_nearest nearest = TNDB_NEAREST_INIT(key);
  for (int i = 0; i < N_CHOICES; i++) {
    tndb_nearest_try(&nearest, choices[i].key);
  }
  tndb_nearest_try(&nearest, "shared_schema");
  tndb_nearest_try(&nearest, "tenant_prefix");
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION,
                     "there is no option \"%.60s\" of a set of migrations%s%s%s; there are naming, sums, "
                     "flyway_parts, shared_schema, tenant_prefix and default_lock_timeout",
                     key, nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
                     nearest.best ? "\"?" : "");
}

static tenantdb_status set_choice(tndb_set_options *options, int which, const char *value,
                                  tenantdb_error **error) {
  int chosen = 0;
  while (value && chosen < choices[which].count && strcmp(value, choices[which].words[chosen]) != 0) {
    chosen++;
  }
  if (chosen == choices[which].count) {
    bool readable = tndb_utf8_valid(value, strlen(value), NULL);
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "option %s of a set of migrations: \"%.60s\" is %s", choices[which].key,
                       readable ? value : "?", choices[which].form);
  }
  switch (which) {
    case NAMING:
      options->naming = (tndb_naming)chosen;
      break;
    case SUMS:
      options->sums = (tndb_sums)chosen;
      break;
    case FLYWAY_PARTS:
      options->flyway_parts = chosen + 1;
      break;
    default:
      options->lock_timeout_off = chosen == 1;
      break;
  }
  return TENANTDB_OK;
}

static tenantdb_status set_name(char **name, const char *what, const char *value, tenantdb_error **error) {
  tenantdb_status status = value ? tndb_identifier_check(what, value, error) : TENANTDB_OK;
  char *copy = value && !status ? tndb_strdup(value) : NULL;
  if (status || (value && !copy)) {
    return status ? status : tndb_no_memory(error);
  }
  tndb_free(*name);
  *name = copy;
  return TENANTDB_OK;
}

static tenantdb_status set_option(tndb_set_options *options, const char *key, const char *value,
                                  tenantdb_error **error) {
  if (!key) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                       "options of a set of migrations: key is NULL");
  }
  for (int i = 0; i < N_CHOICES; i++) {
    if (strcmp(key, choices[i].key) == 0) {
      return set_choice(options, i, value, error);
    }
  }
  if (strcmp(key, "shared_schema") == 0) {
    return set_name(&options->shared_schema, "option shared_schema", value, error);
  }
  if (strcmp(key, "tenant_prefix") == 0) {
    return set_name(&options->tenant_prefix, "option tenant_prefix", value, error);
  }
  return unknown(key, error);
}

void tenantdb_migrations_set(tenantdb_migrations *set, const char *key, const char *value) {
  if (tndb_migrations_check(set, NULL) || !tndb_migrations_open_for(set) || set->mistake) {
    return;
  }
  tenantdb_error *mistake = NULL;
  (void)set_option(&set->options, key, value, &mistake);
  tndb_migrations_keep(set, mistake);
}

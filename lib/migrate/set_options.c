/* SPDX-License-Identifier: PostgreSQL */
#include "base/memory.h"
#include "config/option.h"
#include "migrate/set.h"
#include "sql/identifier.h"

enum { NAMING, SUMS, FLYWAY_PARTS, SHARED_SCHEMA, TENANT_PREFIX, DEFAULT_LOCK_TIMEOUT, N_KEYS };

/* In the order of their enums; the first choice is the default. */
static const tndb_option_row rows[N_KEYS] = {
    [NAMING] = {"naming", .type = TNDB_TYPE_CHOICE,
                .choices = "auto|tenantdb|flyway|golang-migrate|goose|dbmate"},
    [SUMS] = {"sums", .type = TNDB_TYPE_CHOICE, .choices = "check|require|ignore"},
    [FLYWAY_PARTS] = {"flyway_parts", .type = TNDB_TYPE_NUMBER, .minimum = 1, .maximum = 4},
    [SHARED_SCHEMA] = {"shared_schema", .type = TNDB_TYPE_PLAIN, .check = tndb_identifier_check},
    [TENANT_PREFIX] = {"tenant_prefix", .type = TNDB_TYPE_PLAIN, .check = tndb_identifier_check},
    [DEFAULT_LOCK_TIMEOUT] = {"default_lock_timeout", .type = TNDB_TYPE_CHOICE, .choices = "on|off"}};
static const tndb_option_table table = TNDB_OPTION_TABLE("migrations option", rows);

static tenantdb_status set_name(char **name, const char *value, tenantdb_error **error) {
  char *copy = value ? tndb_strdup(value) : NULL;
  if (value && !copy) {
    return tndb_no_memory(error);
  }
  tndb_free(*name);
  *name = copy;
  return TENANTDB_OK;
}

static tenantdb_status set_option(tndb_set_options *options, const char *key, const char *value,
                                  tenantdb_error **error) {
  int which = tndb_option_find(&table, key, error);
  int64_t number = which == FLYWAY_PARTS;
  tenantdb_status status = which < 0 ? TENANTDB_ARGUMENT
                           : value   ? tndb_option_read(&table, which, value, &number, error)
                                     : TENANTDB_OK;
  if (status) {
    return status;
  }
  switch (which) {
    case NAMING:
      options->naming = (tndb_naming)number;
      break;
    case SUMS:
      options->sums = (tndb_sums)number;
      break;
    case FLYWAY_PARTS:
      options->flyway_parts = (int32_t)number;
      break;
    case SHARED_SCHEMA:
      return set_name(&options->shared_schema, value, error);
    case TENANT_PREFIX:
      return set_name(&options->tenant_prefix, value, error);
    default:
      options->lock_timeout_off = number == 1;
      break;
  }
  return TENANTDB_OK;
}

void tenantdb_migrations_set(tenantdb_migrations *set, const char *key, const char *value) {
  if (tndb_migrations_check(set, NULL) || !tndb_migrations_open_for(set) || set->mistake) {
    return;
  }
  tenantdb_error *mistake = NULL;
  (void)set_option(&set->options, key, value, &mistake);
  tndb_migrations_keep(set, mistake);
}
